//! The terminal of a container's process (`console_linux.go`, `tty.go`): `runc init` makes a pseudo-terminal in the
//! container's own devpts and hands the master end to whoever has asked for it through a socket.

use super::super::golang::errno;
use super::create::{FORWARDED, wait};
use super::init::CONSOLE;
use super::{Failed, Runc};
use crate::errno::Errno;
use crate::program::Sys;
use crate::program::libc::o;
use crate::program::pty::Moved;
use crate::syscall::{Sysno, Value};
use crate::task::signal::{Disposition, Signal};
use crate::tty::termios::bits;
use crate::vfs::fd_table::Fd;

const AF_UNIX: i64 = 1;
/// SOCK_STREAM and SOCK_CLOEXEC.
const STREAM: i64 = 1 | 0o2_000_000;
const MS_BIND: u64 = 4096;

/// Where the master end goes.
pub(super) enum HostConsole {
    /// The process has no terminal of its own.
    None,
    /// To whoever listens at the socket of `--console-socket`.
    Socket(Fd),
    /// To `runc` itself, which stands between it and its own terminal: our end of a pair of sockets, that of `runc init`,
    /// and the terminal.
    Own { ours: Fd, theirs: Fd, host: Fd },
}

impl HostConsole {
    /// What the flags and the configuration ask for (`checkTerminal`, `setupIO`).
    ///
    /// # Errors
    /// What `runc` says.
    pub(super) async fn find(runc: &Runc, terminal: bool, detach: bool) -> Result<HostConsole, Failed> {
        let sys = &runc.sys;
        let socket = runc.value("console-socket").filter(|path| !path.is_empty());
        match (terminal, detach, socket) {
            (true, true, None) => Err("cannot allocate tty if runc will detach without setting console socket".into()),
            (false, _, Some(_)) | (_, false, Some(_)) => {
                Err("cannot use console socket if runc will not detach or allocate tty".into())
            }
            (false, _, None) => Ok(HostConsole::None),
            (true, true, Some(path)) => {
                let failed = |e: Errno| Failed::from(format!("dial unix {path}: connect: {}", errno(e)));
                let fd = sys.call_int(Sysno::SOCKET, vec![AF_UNIX.into(), STREAM.into(), 0.into()]).await;
                let fd = fd.map_err(failed)? as Fd;
                let address = Value::record([("sa_family", AF_UNIX.into()), ("sun_path", path.into())]);
                let args = vec![fd.into(), address, (path.len() + 3).into()];
                sys.call(Sysno::CONNECT, args).await.map_err(failed)?;
                Ok(HostConsole::Socket(fd))
            }
            (true, false, None) => {
                let host = host_console(sys).await?;
                let args = vec![AF_UNIX.into(), STREAM.into(), 0.into(), Value::Null];
                let pair = sys.call(Sysno::SOCKETPAIR, args).await.map_err(errno)?;
                let end = |i: usize| pair.output(3).as_list().and_then(|l| l.get(i)?.as_int()).unwrap_or(-1) as Fd;
                Ok(HostConsole::Own { ours: end(0), theirs: end(1), host })
            }
        }
    }

    /// The descriptor that `runc init` gets.
    pub(super) fn for_init(&self) -> Option<Fd> {
        match self {
            HostConsole::None => None,
            HostConsole::Socket(fd) | HostConsole::Own { theirs: fd, .. } => Some(*fd),
        }
    }

    /// Takes the master end, once `runc init` has sent it, if it is for us.
    ///
    /// # Errors
    /// What `runc` says.
    pub(super) async fn receive(&self, sys: &Sys) -> Result<Option<Fd>, Failed> {
        let HostConsole::Own { ours, theirs, .. } = self else { return Ok(None) };
        let master = sys.receive_fd(*ours).await.map_err(errno)?;
        for fd in [*ours, *theirs] {
            // Both are open.
            let _ = sys.close(fd).await;
        }
        // `ClearONLCR`: the host's terminal is not to see every line twice ended.
        sys.without_mode(master, bits::ONLCR, 0).await;
        Ok(Some(master))
    }

    /// Waits for the process: its exit status. Meanwhile signals are handed on, and what is typed and printed is copied.
    pub(super) async fn wait(&self, sys: &Sys, master: Option<Fd>, pid: i32) -> i32 {
        if let (HostConsole::Own { host, .. }, Some(master)) = (self, master) {
            copy(sys, *host, master, pid).await;
        }
        wait(sys, pid).await
    }
}

/// The terminal that `runc` was started at (`initHostConsole`).
async fn host_console(sys: &Sys) -> Result<Fd, Failed> {
    for fd in [2, 1, 0] {
        if sys.isatty(fd).await {
            return Ok(fd);
        }
    }
    // The controlling terminal, when all of these are something else.
    let opened = sys.open("/dev/tty", o::RDONLY | o::CLOEXEC, 0).await;
    opened.map_err(|e| format!("open /dev/tty: {}", errno(e)).into())
}

/// Copies until nobody has the slave end any more.
async fn copy(sys: &Sys, host: Fd, master: Fd, pid: i32) {
    for signal in FORWARDED.into_iter().chain([Signal::WINCH]) {
        // These can be caught.
        let _ = sys.sigaction(signal, Disposition::Handler { restart: false }).await;
    }
    sys.copy_window_size(host, master).await;
    let old = sys.make_raw(host).await;
    let mut input = Some(0);
    loop {
        match sys.pump(input, master, -1).await {
            // Nobody may look at the output any more; the process goes on.
            Moved::Output(bytes) => drop(sys.write_all(1, &bytes).await),
            Moved::Input(bytes) => drop(sys.write_all(master, &bytes).await),
            Moved::InputEnd => input = None,
            Moved::OutputEnd => break,
            Moved::Nothing => {
                for signal in sys.take_caught() {
                    if signal == Signal::WINCH {
                        sys.copy_window_size(host, master).await;
                    } else {
                        // It may be gone by now.
                        let _ = sys.kill(pid, i64::from(signal.0)).await;
                    }
                }
            }
        }
    }
    if let Some(old) = old {
        // It was a terminal before.
        let _ = sys.set_terminal_modes(host, &old).await;
    }
    let _ = sys.close(master).await;
}

/// In `runc init`: the pseudo-terminal, `/dev/console` if the container is new, and standard streams (`setupConsole`).
///
/// # Errors
/// What `runc` says.
pub(super) async fn set_up(sys: &Sys, mount: bool) -> Result<(), String> {
    let (master, slave) = sys.open_pty().await.map_err(|e| format!("open /dev/ptmx: {}", errno(e)))?;
    if mount {
        let console = "/dev/console";
        let umask = sys.umask(0).await.unwrap_or(0o022);
        let made = sys.open(console, o::RDWR | o::CREAT | o::CLOEXEC, 0o666).await;
        // It cannot fail.
        let _ = sys.umask(umask).await;
        if let Ok(fd) = made {
            let _ = sys.close(fd).await;
        }
        let bound = sys.mount(&slave, console, Some("bind"), MS_BIND, None).await;
        bound.map_err(|e| format!("mount {slave}:{console}, flags: 0x1000: {}", errno(e)))?;
    }
    sys.send_fd(CONSOLE, "/dev/ptmx", master).await.map_err(|e| format!("sendmsg: {}", errno(e)))?;
    for fd in [master, CONSOLE] {
        // Both are open.
        let _ = sys.close(fd).await;
    }
    let fd = sys.open(&slave, o::RDWR, 0).await.map_err(|e| format!("open {slave}: {}", errno(e)))?;
    for stream in 0..3 {
        sys.dup2(fd, stream).await.map_err(|e| format!("dup3: {}", errno(e)))?;
    }
    if fd > 2 {
        let _ = sys.close(fd).await;
    }
    sys.set_controlling_tty(0, false).await.map_err(|e| format!("ioctl(setctty): {}", errno(e)))
}
