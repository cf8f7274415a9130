//! `script`: runs a shell or a command at a terminal of its own and keeps what is shown.

use crate::program::Sys;
use crate::program::calendar::strftime;
use crate::program::getopt::{Long, Options, Spec, Takes};
use crate::program::libc::o;
use crate::program::pty::Moved;
use crate::task::signal::{Disposition, Signal};
use crate::tty::termios::bits;
use crate::vfs::fd_table::Fd;

crate::program!(
    SCRIPT = "script" in "/usr/bin",
    "make a typescript of a terminal session",
    main,
    "[FILE]  the typescript; without one it is called typescript
  -a, --append            append to it
  -c, --command COMMAND   run this and no interactive shell
  -e, --return            return the status of what was run
  -E, --echo WHEN         echo what is typed: auto, always or never
  -f, --flush             write at once, as is always done here
  -O, --log-out FILE      the typescript
  -q, --quiet             say nothing of the typescript
      --force             even when it is a link"
);

const SPEC: Spec = Spec {
    short: "aB:c:efE:I:O:o:qT:t::m:",
    long: &[
        Long("append", Takes::Nothing, 'a'),
        Long("command", Takes::Value, 'c'),
        Long("echo", Takes::Value, 'E'),
        Long("return", Takes::Nothing, 'e'),
        Long("flush", Takes::Nothing, 'f'),
        Long("force", Takes::Nothing, 'X'),
        Long("log-out", Takes::Value, 'O'),
        Long("quiet", Takes::Nothing, 'q'),
    ],
    unmodelled: "-B --log-io -I --log-in -o --output-limit -T --log-timing -t --timing -m --logging-format",
    version: "from util-linux 2.38.1",
    failure: 1,
};

/// What is kept when nobody says otherwise.
const TYPESCRIPT: &str = "typescript";
/// Ctrl-D.
const EOT: u8 = 4;
const WNOHANG: i64 = 1;

async fn main(sys: Sys) -> i32 {
    match script(&sys).await {
        Ok(status) | Err(status) => status,
    }
}

async fn script(sys: &Sys) -> Result<i32, i32> {
    let options: Options = sys.getopt(&SPEC).await?;
    if options.operands.len() > 1 {
        sys.warnx("unexpected number of arguments").await;
        sys.try_help().await;
        return Err(1);
    }
    let given = options.value('O').or(options.operands.first().map(String::as_str));
    let file = given.unwrap_or(TYPESCRIPT);
    let is_link = sys.lstat(file).await.is_ok_and(|st| st.st_nlink > 1 || sys_is_link(st.st_mode));
    if given.is_none() && !options.has('X') && is_link {
        let why =
            format!("output file `{file}' is a link\nUse --force if you really want to use it.\nProgram not started.");
        sys.warnx(why).await;
        return Err(1);
    }
    let quiet = options.has('q');
    if !quiet {
        sys.print(format!("Script started, output log file is '{file}'.\n")).await;
        sys.flush().await;
    }
    let how = if options.has('a') { o::APPEND } else { o::TRUNC };
    let result = match sys.open(file, o::WRONLY | o::CREAT | o::CLOEXEC | how, 0o666).await {
        Ok(log) => session(sys, &options, log).await,
        Err(e) => {
            sys.warn(format!("cannot open {file}"), e).await;
            Err(1)
        }
    };
    if !quiet {
        sys.print("Script done.\n").await;
    }
    let status = result?;
    Ok(if options.has('e') { status } else { 0 })
}

/// Whether these are the bits of a symbolic link.
fn sys_is_link(mode: u32) -> bool {
    mode & 0o170_000 == crate::program::libc::s::IFLNK
}

async fn now(sys: &Sys) -> String {
    let nanoseconds = sys.clock_gettime(0).await.unwrap_or(0);
    strftime("%Y-%m-%d %H:%M:%S+00:00", (nanoseconds / 1_000_000_000) as i64, 0)
}

/// The first line of the typescript.
async fn header(sys: &Sys, command: Option<&str>, at_terminal: bool) -> String {
    let mut words: Vec<String> = command.iter().map(|command| format!("COMMAND=\"{command}\"")).collect();
    if at_terminal {
        words.extend(sys.env("TERM").map(|term| format!("TERM=\"{term}\"")));
        words.extend(sys.readlink("/proc/self/fd/0").await.ok().map(|name| format!("TTY=\"{name}\"")));
        let size = |n: i64| if n == 0 { -1 } else { n };
        let (rows, columns) = sys.window_size(0).await.unwrap_or((0, 0));
        words.push(format!("COLUMNS=\"{}\"", size(columns)));
        words.push(format!("LINES=\"{}\"", size(rows)));
    } else {
        words.push("<not executed on terminal>".to_owned());
    }
    format!("Script started on {} [{}]\n", now(sys).await, words.join(" "))
}

/// From the terminal to the end of what runs at it: its status.
async fn session(sys: &Sys, options: &Options, log: Fd) -> Result<i32, i32> {
    let at_terminal = sys.isatty(0).await;
    let (master, slave) = match sys.open_pty().await {
        Ok(pair) => pair,
        Err(e) => {
            sys.warn("failed to create pseudo-terminal", e).await;
            return Err(1);
        }
    };
    let command = options.value('c');
    let text = header(sys, command, at_terminal).await;
    let mut ok = sys.write_all(log, text.as_bytes()).await.is_ok();
    let old = if at_terminal {
        if let Ok(modes) = sys.terminal_modes(0).await {
            // Both are terminals.
            let _ = sys.set_terminal_modes(master, &modes).await;
        }
        sys.copy_window_size(0, master).await;
        sys.make_raw(0).await
    } else {
        None
    };
    if options.value('E').map_or(!at_terminal, |when| when == "never" || when == "auto" && !at_terminal) {
        sys.without_mode(master, 0, bits::ECHO).await;
    }
    // Its end ends the wait for what it prints.
    let _ = sys.sigaction(Signal::CHLD, Disposition::Handler { restart: false }).await;
    let child = match sys.fork().await {
        Ok(0) => return Ok(run(sys, &slave, command).await),
        Ok(child) => child,
        Err(e) => {
            sys.warn("cannot create child process", e).await;
            return Err(1);
        }
    };
    let mut input = Some(0);
    let mut status = None;
    loop {
        // Once it has exited, what is still there is taken, and no more.
        match sys.pump(input.filter(|_| status.is_none()), master, if status.is_some() { 0 } else { -1 }).await {
            Moved::Output(bytes) => {
                let _ = sys.write_all(1, &bytes).await;
                ok &= sys.write_all(log, &bytes).await.is_ok();
            }
            Moved::Input(bytes) => drop(sys.write_all(master, &bytes).await),
            Moved::InputEnd => {
                input = None;
                let _ = sys.write_all(master, &[EOT]).await;
            }
            Moved::OutputEnd => break,
            Moved::Nothing if status.is_some() => break,
            Moved::Nothing => {
                let _ = sys.take_caught();
                if let Ok((pid, ended)) = sys.wait4(child, WNOHANG).await
                    && pid == child
                {
                    status = Some(ended.shell_status());
                }
            }
        }
    }
    while status.is_none() {
        match sys.wait4(child, 0).await {
            Ok((_, ended)) => status = Some(ended.shell_status()),
            Err(crate::errno::Errno::EINTR) => {}
            Err(_) => status = Some(1),
        }
    }
    if let Some(old) = old {
        // It was a terminal before.
        let _ = sys.set_terminal_modes(0, &old).await;
    }
    let status = status.unwrap_or(1);
    let text = format!("\nScript done on {} [COMMAND_EXIT_CODE=\"{status}\"]\n", now(sys).await);
    ok &= sys.write_all(log, text.as_bytes()).await.is_ok();
    if ok { Ok(status) } else { Err(1) }
}

/// In the child: the slave end becomes the terminal of a new session, in which the shell runs.
async fn run(sys: &Sys, slave: &str, command: Option<&str>) -> i32 {
    let prepared = async {
        sys.sigaction(Signal::CHLD, Disposition::Default).await?;
        sys.setsid().await?;
        let fd = sys.open(slave, o::RDWR | o::CLOEXEC, 0).await?;
        sys.set_controlling_tty(fd, true).await?;
        for stream in 0..3 {
            sys.dup2(fd, stream).await?;
        }
        Ok::<(), crate::errno::Errno>(())
    };
    if let Err(e) = prepared.await {
        sys.warn("failed to initialize slave", e).await;
        return 1;
    }
    let shell = sys.env("SHELL").filter(|shell| !shell.is_empty()).unwrap_or("/bin/sh").to_owned();
    let name = shell.rsplit('/').next().unwrap_or(&shell).to_owned();
    let argv = match command {
        Some(command) => vec![name, "-c".to_owned(), command.to_owned()],
        None => vec![name, "-i".to_owned()],
    };
    let e = sys.execve(&shell, &argv, sys.envp()).await;
    sys.warn(format!("failed to execute {shell}"), e).await;
    1
}
