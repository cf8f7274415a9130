//! Pseudo-terminals as programs use them: openpty(3), cfmakeraw(3), and the loop of every program that stands between a
//! terminal and another one, such as script(1) and the console of a container.

use crate::errno::Errno;
use crate::program::Sys;
use crate::program::libc::o;
use crate::syscall::{Sysno, Value};
use crate::tty::termios::{Termios, bits};
use crate::vfs::fd_table::Fd;

const TCGETS: i64 = 0x5401;
const TCSETS: i64 = 0x5402;
const TIOCSCTTY: i64 = 0x540e;
const TIOCGWINSZ: i64 = 0x5413;
const TIOCSWINSZ: i64 = 0x5414;
const TIOCGPTN: i64 = 0x8004_5430;
const TIOCSPTLCK: i64 = 0x4004_5431;
const POLLIN: i64 = 1;
const SOL_SOCKET: i64 = 1;
const SCM_RIGHTS: i64 = 1;

/// What has come through at one of the ends.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Moved {
    /// The program at the slave end has printed this.
    Output(Vec<u8>),
    /// Nobody has the slave end open any more.
    OutputEnd,
    /// This was typed.
    Input(Vec<u8>),
    /// Nobody types any more.
    InputEnd,
    /// A signal came, or the time is over.
    Nothing,
}

impl Sys {
    async fn ioctl(&self, fd: Fd, request: i64, argument: Value) -> Result<Value, Errno> {
        Ok(self.call(Sysno::IOCTL, vec![fd.into(), request.into(), argument]).await?.output(2).clone())
    }

    /// posix_openpt(3), unlockpt(3) and ptsname(3): the master end of a new pair, and the name of the slave end.
    ///
    /// # Errors
    /// Those of opening `/dev/ptmx`.
    pub async fn open_pty(&self) -> Result<(Fd, String), Errno> {
        let master = self.open("/dev/ptmx", o::RDWR | o::NOCTTY | o::CLOEXEC, 0).await?;
        let number = self.ioctl(master, TIOCGPTN, Value::Null).await?.as_int().unwrap_or(0);
        self.ioctl(master, TIOCSPTLCK, Value::List(vec![0.into()])).await?;
        Ok((master, format!("/dev/pts/{number}")))
    }

    /// Makes a terminal that of the caller's session; with `steal` even if it is another's.
    ///
    /// # Errors
    /// EPERM: the caller leads no session, or has a terminal.
    pub async fn set_controlling_tty(&self, fd: Fd, steal: bool) -> Result<(), Errno> {
        self.ioctl(fd, TIOCSCTTY, i64::from(steal).into()).await.map(drop)
    }

    /// tcgetattr(3).
    ///
    /// # Errors
    /// ENOTTY.
    pub async fn terminal_modes(&self, fd: Fd) -> Result<Value, Errno> {
        self.ioctl(fd, TCGETS, Value::Null).await
    }

    /// tcsetattr(3).
    ///
    /// # Errors
    /// ENOTTY.
    pub async fn set_terminal_modes(&self, fd: Fd, modes: &Value) -> Result<(), Errno> {
        self.ioctl(fd, TCSETS, modes.clone()).await.map(drop)
    }

    /// cfmakeraw(3): what is typed comes byte by byte, and nothing is echoed. The modes as they were; `None` when it is no
    /// terminal.
    pub async fn make_raw(&self, fd: Fd) -> Option<Value> {
        let old = self.terminal_modes(fd).await.ok()?;
        let termios = Termios::default().with(&old);
        let raw = Termios { iflag: termios.iflag & bits::IUTF8, oflag: 0, lflag: 0, ..termios };
        self.set_terminal_modes(fd, &raw.to_value()).await.ok()?;
        Some(old)
    }

    /// Switches a bit of `c_oflag` or `c_lflag` of a terminal off.
    pub async fn without_mode(&self, fd: Fd, oflag: u32, lflag: u32) {
        if let Ok(old) = self.terminal_modes(fd).await {
            let old = Termios::default().with(&old);
            let new = Termios { oflag: old.oflag & !oflag, lflag: old.lflag & !lflag, ..old };
            // It is a terminal.
            let _ = self.set_terminal_modes(fd, &new.to_value()).await;
        }
    }

    /// The window size of a terminal: rows and columns.
    pub async fn window_size(&self, fd: Fd) -> Option<(i64, i64)> {
        let size = self.ioctl(fd, TIOCGWINSZ, Value::Null).await.ok()?;
        let field = |name: &str| size.field(name).and_then(Value::as_int).unwrap_or(0);
        Some((field("ws_row"), field("ws_col")))
    }

    /// A terminal becomes as large as another one.
    pub async fn copy_window_size(&self, from: Fd, to: Fd) {
        if let Ok(size) = self.ioctl(from, TIOCGWINSZ, Value::Null).await {
            // It is a terminal.
            let _ = self.ioctl(to, TIOCSWINSZ, size).await;
        }
    }

    /// Waits until something comes from the program at a pseudo-terminal, or from whoever types, at most `timeout`
    /// milliseconds (negative: as long as it takes).
    pub async fn pump(&self, input: Option<Fd>, master: Fd, timeout: i64) -> Moved {
        let entry = |fd: Fd| Value::record([("fd", fd.into()), ("events", POLLIN.into())]);
        let fds: Vec<Value> = [Some(master), input].into_iter().flatten().map(entry).collect();
        let count = fds.len();
        let polled = self.call(Sysno::POLL, vec![Value::List(fds), count.into(), timeout.into()]).await;
        let Ok(polled) = polled else { return Moved::Nothing };
        let ready: Vec<bool> = polled
            .output(0)
            .as_list()
            .unwrap_or_default()
            .iter()
            .map(|entry| entry.field("revents").and_then(Value::as_int).unwrap_or(0) != 0)
            .collect();
        if ready.first() == Some(&true) {
            return match self.read(master, 4096).await {
                Ok(bytes) if bytes.is_empty() => Moved::OutputEnd,
                Ok(bytes) => Moved::Output(bytes),
                Err(Errno::EINTR | Errno::EAGAIN) => Moved::Nothing,
                Err(_) => Moved::OutputEnd,
            };
        }
        match input.filter(|_| ready.get(1) == Some(&true)) {
            None => Moved::Nothing,
            Some(input) => match self.read(input, 4096).await {
                Err(Errno::EINTR | Errno::EAGAIN) => Moved::Nothing,
                Ok(bytes) if !bytes.is_empty() => Moved::Input(bytes),
                _ => Moved::InputEnd,
            },
        }
    }

    /// Hands a descriptor over through a local socket, with a name as the message.
    ///
    /// # Errors
    /// Those of sendmsg(2).
    pub async fn send_fd(&self, socket: Fd, name: &str, fd: Fd) -> Result<(), Errno> {
        const CMSG_LEN: i64 = 20;
        let iov = Value::record([("iov_base", Value::bytes(name.as_bytes())), ("iov_len", name.len().into())]);
        let control = Value::record([
            ("cmsg_len", CMSG_LEN.into()),
            ("cmsg_level", SOL_SOCKET.into()),
            ("cmsg_type", SCM_RIGHTS.into()),
            ("cmsg_data", Value::List(vec![fd.into()])),
        ]);
        let msg = Value::record([("msg_iov", Value::List(vec![iov])), ("msg_control", Value::List(vec![control]))]);
        self.call(Sysno::SENDMSG, vec![socket.into(), msg, 0.into()]).await.map(drop)
    }

    /// Takes a descriptor that comes through a local socket.
    ///
    /// # Errors
    /// Those of recvmsg(2); EBADF when none came.
    pub async fn receive_fd(&self, socket: Fd) -> Result<Fd, Errno> {
        const MSG_CMSG_CLOEXEC: i64 = 0x4000_0000;
        let iov = Value::record([("iov_len", 4096.into())]);
        let msg = Value::record([("msg_iov", Value::List(vec![iov])), ("msg_controllen", 24.into())]);
        let got = self.call(Sysno::RECVMSG, vec![socket.into(), msg, MSG_CMSG_CLOEXEC.into()]).await?;
        let control = got.output(1).field("msg_control").and_then(Value::as_list).unwrap_or_default();
        let fds = control.iter().find_map(|c| c.field("cmsg_data")?.as_list()?.first()?.as_int());
        fds.map(|fd| fd as Fd).ok_or(Errno::EBADF)
    }
}
