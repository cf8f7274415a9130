//! Programs of a few lines: pwd(1), uname(1), hostid-like questions to the kernel, sync(1), yes(1), tty(1), stty(1),
//! nproc(1).

use crate::program;
use crate::program::getopt::{Long, Options, Spec, Takes};
use crate::program::{Resume, Sys};
use crate::syscall::{Sysno, Value};

program!(PWD = "pwd" in "/usr/bin", "print name of current/working directory", pwd, "\
-L, --logical  use PWD from environment, even if it contains symlinks
-P, --physical  avoid all symlinks (default)");
program!(UNAME = "uname" in "/usr/bin", "print system information", uname, "\
-s, --kernel-name (default); -n, --nodename; -r, --kernel-release; -v, --kernel-version; -m, --machine;
-p, --processor; -i, --hardware-platform; -o, --operating-system; -a, --all");
program!(SYNC = "sync" in "/usr/bin", "synchronize cached writes to persistent storage", sync, "");
program!(YES = "yes" in "/usr/bin", "output a string repeatedly until killed", yes, "STRING...  instead of y");
program!(TTY = "tty" in "/usr/bin", "print the file name of the terminal connected to standard input", tty, "\
-s, --silent, --quiet  print nothing, only return an exit status");
program!(STTY = "stty" in "/usr/bin", "change and print terminal line settings", stty, "\
Only what it says without a terminal is modelled.");
program!(NPROC = "nproc" in "/usr/bin", "print the number of processing units available", nproc, "\
--all  print the number of installed processors
--ignore N  if possible, exclude N processing units");

async fn pwd(sys: Sys) -> Result<i32, i32> {
    const SPEC: Spec = Spec {
        short: "LP",
        long: &[Long("logical", Takes::Nothing, 'L'), Long("physical", Takes::Nothing, 'P')],
        ..Spec::COREUTILS
    };
    let options = sys.getopt(&SPEC).await?;
    if !options.operands.is_empty() {
        sys.error("ignoring non-option arguments").await;
    }
    if options.last_of("LP") == Some('L')
        && let Some(named) =
            sys.env("PWD").filter(|p| p.starts_with('/') && !p.split('/').any(|c| c == "." || c == ".."))
        && let (Ok(a), Ok(b)) = (sys.stat(named).await, sys.stat(".").await)
        && (a.st_dev, a.st_ino) == (b.st_dev, b.st_ino)
    {
        sys.print(format!("{named}\n")).await;
        return Ok(0);
    }
    match sys.getcwd().await {
        Ok(path) => {
            sys.print(format!("{path}\n")).await;
            Ok(0)
        }
        Err(e) => {
            sys.error(format!("couldn't find directory entry in '..' with matching i-node: {e}")).await;
            Ok(1)
        }
    }
}

async fn uname(sys: Sys) -> Result<i32, i32> {
    const SPEC: Spec = Spec {
        short: "asnrvmpio",
        long: &[
            Long("all", Takes::Nothing, 'a'),
            Long("kernel-name", Takes::Nothing, 's'),
            Long("sysname", Takes::Nothing, 's'),
            Long("nodename", Takes::Nothing, 'n'),
            Long("kernel-release", Takes::Nothing, 'r'),
            Long("release", Takes::Nothing, 'r'),
            Long("kernel-version", Takes::Nothing, 'v'),
            Long("machine", Takes::Nothing, 'm'),
            Long("processor", Takes::Nothing, 'p'),
            Long("hardware-platform", Takes::Nothing, 'i'),
            Long("operating-system", Takes::Nothing, 'o'),
        ],
        ..Spec::COREUTILS
    };
    let options = sys.getopt(&SPEC).await?;
    if let Some(extra) = options.operands.first() {
        return Err(sys.extra_operand(extra).await);
    }
    let wanted = |key: char| options.has(key) || (options.has('a') && key != 'p' && key != 'i');
    let nothing = options.given.is_empty();
    let mut words = Vec::new();
    for (key, field) in [('s', "sysname"), ('n', "nodename"), ('r', "release"), ('v', "version"), ('m', "machine")] {
        if wanted(key) || (nothing && key == 's') {
            match sys.uname(field).await {
                Ok(word) => words.push(word),
                Err(e) => {
                    sys.error(format!("cannot get system name: {e}")).await;
                    return Ok(1);
                }
            }
        }
    }
    // Debian's does not know these two, and says so unless everything was asked for.
    for key in ['p', 'i'] {
        if wanted(key) {
            words.push("unknown".into());
        }
    }
    if wanted('o') {
        words.push("GNU/Linux".into());
    }
    sys.print(format!("{}\n", words.join(" "))).await;
    Ok(0)
}

async fn sync(sys: Sys) -> Result<i32, i32> {
    const SPEC: Spec = Spec { unmodelled: "-d -f --data --file-system", ..Spec::COREUTILS };
    let options = sys.getopt(&SPEC).await?;
    if !options.operands.is_empty() {
        sys.not_modelled("syncing single files").await;
        return Err(1);
    }
    let _ = sys.call(Sysno::SYNC, vec![]).await;
    Ok(0)
}

async fn yes(sys: Sys) -> Result<i32, i32> {
    const SPEC: Spec = Spec { short: "+", ..Spec::COREUTILS };
    let options = sys.getopt(&SPEC).await?;
    let line = if options.operands.is_empty() { "y".to_owned() } else { options.operands.join(" ") } + "\n";
    let block = line.repeat((8192 / line.len()).max(1));
    loop {
        for _ in 0..64 {
            if let Err(e) = sys.write_all(1, block.as_bytes()).await {
                sys.error(format!("standard output: {e}")).await;
                return Ok(1);
            }
        }
        sys.save(Resume::Saved(Value::Null)).await;
    }
}

async fn tty(sys: Sys) -> Result<i32, i32> {
    const SPEC: Spec = Spec {
        short: "s",
        long: &[Long("silent", Takes::Nothing, 's'), Long("quiet", Takes::Nothing, 's')],
        failure: 2,
        ..Spec::COREUTILS
    };
    let options: Options = sys.getopt(&SPEC).await?;
    if let Some(extra) = options.operands.first() {
        return Err(sys.extra_operand(extra).await);
    }
    let is_terminal = sys.isatty(0).await;
    if !options.has('s') {
        let name =
            if is_terminal { sys.readlink("/proc/self/fd/0").await.unwrap_or_default() } else { "not a tty".into() };
        sys.print(format!("{name}\n")).await;
    }
    Ok(i32::from(!is_terminal))
}

async fn stty(sys: Sys) -> Result<i32, i32> {
    if sys.isatty(0).await {
        sys.not_modelled("changing the settings of a terminal").await;
        return Ok(1);
    }
    sys.error("'standard input': Inappropriate ioctl for device").await;
    Ok(1)
}

async fn nproc(sys: Sys) -> Result<i32, i32> {
    const SPEC: Spec =
        Spec { long: &[Long("all", Takes::Nothing, 'a'), Long("ignore", Takes::Value, 'i')], ..Spec::COREUTILS };
    let options = sys.getopt(&SPEC).await?;
    if let Some(extra) = options.operands.first() {
        return Err(sys.extra_operand(extra).await);
    }
    let ignore: u32 = match options.value('i').map(str::parse) {
        None => 0,
        Some(Ok(n)) => n,
        Some(Err(_)) => {
            let word = options.value('i').unwrap_or_default();
            sys.error(format!("invalid number: {}", crate::program::quote::quote(word))).await;
            return Err(1);
        }
    };
    let count = if options.has('a') {
        let online = sys.read_file("/sys/devices/system/cpu/possible").await.unwrap_or_default();
        online.trim().rsplit('-').next().and_then(|n| n.parse::<u32>().ok()).map_or(1, |n| n + 1)
    } else {
        let ret = sys.call(Sysno::SCHED_GETAFFINITY, vec![0.into(), 128.into(), Value::Null]).await;
        ret.ok().and_then(|r| r.output(2).as_list().map(<[Value]>::len)).map_or(1, |n| n as u32)
    };
    sys.print(format!("{}\n", count.saturating_sub(ignore).max(1))).await;
    Ok(0)
}
