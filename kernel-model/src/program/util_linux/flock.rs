//! `flock`: holds a lock on a file while a program runs.

use crate::errno::Errno;
use crate::program::Sys;
use crate::program::getopt::{Long, Options, Spec, Takes};
use crate::program::libc::o;
use crate::syscall::{Sysno, Value};
use crate::task::signal::{Disposition, Signal};
use crate::vfs::fd_table::Fd;

crate::program!(
    FLOCK = "flock" in "/usr/bin",
    "manage file locks from shell scripts",
    main,
    "  flock FILE|DIRECTORY COMMAND [ARGUMENT...], flock FILE -c COMMAND, flock NUMBER
  -s, --shared, -x, --exclusive, -u, --unlock
  -n, --nonblock           fail rather than wait
  -w, --timeout SECONDS    wait at most so long
  -E, --conflict-exit-code NUMBER
  -o, --close              close the lock's descriptor before the program runs
  -c, --command COMMAND    pass it to the shell
  -F, --no-fork            run the program without forking"
);

const SPEC: Spec = Spec {
    short: "+sexnoFu?w:E:",
    long: &[
        Long("shared", Takes::Nothing, 's'),
        Long("exclusive", Takes::Nothing, 'x'),
        Long("unlock", Takes::Nothing, 'u'),
        Long("nonblock", Takes::Nothing, 'n'),
        Long("nonblocking", Takes::Nothing, 'n'),
        Long("timeout", Takes::Value, 'w'),
        Long("wait", Takes::Value, 'w'),
        Long("conflict-exit-code", Takes::Value, 'E'),
        Long("close", Takes::Nothing, 'o'),
        Long("no-fork", Takes::Nothing, 'F'),
    ],
    unmodelled: "--verbose",
    version: "from util-linux 2.38.1",
    failure: 64,
};

/// The exit statuses of sysexits(3).
mod ex {
    pub const USAGE: i32 = 64;
    pub const DATAERR: i32 = 65;
    pub const NOINPUT: i32 = 66;
    pub const UNAVAILABLE: i32 = 69;
    pub const OSERR: i32 = 71;
}

/// Operations of flock(2).
mod lock {
    pub const SH: i64 = 1;
    pub const EX: i64 = 2;
    pub const NB: i64 = 4;
    pub const UN: i64 = 8;
}

async fn main(sys: Sys) -> i32 {
    let options = match sys.getopt(&SPEC).await {
        Ok(options) => options,
        Err(status) => return status,
    };
    let [file, command @ ..] = options.operands.as_slice() else {
        sys.warnx("not enough arguments").await;
        sys.try_help().await;
        return ex::USAGE;
    };
    let command = match command {
        [flag, text] if flag == "-c" || flag == "--command" => {
            let shell = sys.env("SHELL").filter(|s| !s.is_empty()).unwrap_or("/bin/sh").to_owned();
            vec![shell, "-c".to_owned(), text.clone()]
        }
        [flag, ..] if flag == "-c" || flag == "--command" => {
            sys.warnx(format!("{flag} requires exactly one command argument")).await;
            return ex::USAGE;
        }
        words => words.to_vec(),
    };
    let fd = if command.is_empty() {
        match file.parse::<Fd>() {
            Ok(fd) if fd >= 0 => fd,
            _ => {
                sys.warnx(format!("bad file descriptor: '{file}'")).await;
                return ex::USAGE;
            }
        }
    } else {
        match open(&sys, file).await {
            Ok(fd) => fd,
            Err(e) => {
                sys.warn(format!("cannot open lock file {file}"), e).await;
                return if e == Errno::ENOMEM { ex::OSERR } else { ex::NOINPUT };
            }
        }
    };
    if let Err(status) = take(&sys, &options, fd, file).await {
        return status;
    }
    if command.is_empty() { 0 } else { run(&sys, &options, fd, &command).await }
}

/// Opens the file, makes it when there is none; a directory can only be read.
async fn open(sys: &Sys, file: &str) -> Result<Fd, Errno> {
    match sys.open(file, o::RDONLY | o::NOCTTY | o::CREAT, 0o666).await {
        Err(Errno::EISDIR) => sys.open(file, o::RDONLY | o::NOCTTY, 0).await,
        other => other,
    }
}

async fn take(sys: &Sys, options: &Options, fd: Fd, file: &str) -> Result<(), i32> {
    let conflict = options.value('E').and_then(|n| n.parse().ok()).unwrap_or(1);
    let kind = match options.last_of("sexu") {
        Some('s') => lock::SH,
        Some('u') => lock::UN,
        _ => lock::EX,
    };
    let mut operation = if options.has('n') { kind | lock::NB } else { kind };
    if let Some(text) = options.value('w') {
        let Some(nanoseconds) = nanoseconds(text) else {
            sys.warnx(format!("invalid timeout value: '{text}'")).await;
            return Err(ex::USAGE);
        };
        if nanoseconds == 0 {
            operation |= lock::NB;
        } else {
            set_timer(sys, nanoseconds).await;
        }
    }
    loop {
        match sys.call(Sysno::FLOCK, vec![fd.into(), operation.into()]).await {
            Ok(_) => break,
            Err(Errno::EAGAIN) => return Err(conflict),
            Err(Errno::EINTR) if sys.take_caught().contains(&Signal::ALRM) => return Err(conflict),
            Err(Errno::EINTR) => {}
            Err(e) => {
                sys.warn(file, e).await;
                let is_system = matches!(e, Errno::ENOLCK | Errno::ENOMEM);
                return Err(if is_system { ex::OSERR } else { ex::DATAERR });
            }
        }
    }
    if options.value('w').is_some() {
        set_timer(sys, 0).await;
    }
    Ok(())
}

fn nanoseconds(text: &str) -> Option<u64> {
    let (whole, part) = text.split_once('.').unwrap_or((text, ""));
    let part = format!("{:0<9}", part.get(..part.len().min(9))?);
    whole.parse::<u64>().ok()?.checked_mul(1_000_000_000)?.checked_add(part.parse().ok()?)
}

async fn set_timer(sys: &Sys, nanoseconds: u64) {
    let _ = sys.sigaction(Signal::ALRM, Disposition::Handler { restart: false }).await;
    let time = |n: u64| {
        Value::record([("tv_sec", (n / 1_000_000_000).into()), ("tv_usec", (n % 1_000_000_000 / 1000).into())])
    };
    let timer = Value::record([("it_interval", time(0)), ("it_value", time(nanoseconds))]);
    let _ = sys.call(Sysno::SETITIMER, vec![0.into(), timer, Value::Null]).await;
}

async fn run(sys: &Sys, options: &Options, fd: Fd, command: &[String]) -> i32 {
    if !options.has('F') {
        match sys.fork().await {
            Ok(0) => {}
            Ok(child) => {
                return match sys.wait4(child, 0).await {
                    Ok((_, status)) => status.shell_status(),
                    Err(e) => {
                        sys.warn("waitpid failed", e).await;
                        1
                    }
                };
            }
            Err(e) => {
                sys.warn("fork failed", e).await;
                return ex::OSERR;
            }
        }
    }
    if options.has('o') {
        let _ = sys.close(fd).await;
    }
    let e = sys.execvp(&command[0], command).await;
    sys.warn(format!("failed to execute {}", command[0]), e).await;
    if e == Errno::ENOMEM { ex::OSERR } else { ex::UNAVAILABLE }
}
