//! ioctl_tty(2): the requests that terminals and the master ends of pseudo-terminals know.

use super::Tty;
use super::pty::PtyId;
use super::termios::WinSize;
use crate::console::{ConsoleId, ECHO, ICANON, ISIG};
use crate::errno::Errno;
use crate::kernel::Kernel;
use crate::namespace::pid::PidId;
use crate::program::libc::o;
use crate::security::capability::Cap;
use crate::syscall::{Ret, SysResult, Value};
use crate::task::TaskId;
use crate::task::signal::Signal;
use crate::vfs::Node;
use crate::vfs::file::{FileId, FileKind};
use crate::vfs::path::VfsPath;

const TCGETS: i64 = 0x5401;
const TCSETS: i64 = 0x5402;
const TCSETSF: i64 = 0x5404;
const TCSBRK: i64 = 0x5409;
const TCFLSH: i64 = 0x540b;
const TIOCEXCL: i64 = 0x540c;
const TIOCNXCL: i64 = 0x540d;
const TIOCSCTTY: i64 = 0x540e;
const TIOCGPGRP: i64 = 0x540f;
const TIOCSPGRP: i64 = 0x5410;
const TIOCOUTQ: i64 = 0x5411;
const TIOCGWINSZ: i64 = 0x5413;
const TIOCSWINSZ: i64 = 0x5414;
const FIONREAD: i64 = 0x541b;
const TIOCNOTTY: i64 = 0x5422;
const TIOCGETD: i64 = 0x5424;
const TIOCGSID: i64 = 0x5429;
const TIOCGPTN: i64 = 0x8004_5430;
const TIOCSPTLCK: i64 = 0x4004_5431;
const TIOCGDEV: i64 = 0x8004_5432;
const TIOCGPTLCK: i64 = 0x8004_5439;
const TIOCGEXCL: i64 = 0x8004_5440;
const TIOCGPTPEER: i64 = 0x5441;

impl Kernel<'_> {
    /// A request to a terminal, or to the master end of one (`tty_ioctl`).
    ///
    /// # Errors
    /// Those of ioctl_tty(2).
    pub(crate) fn tty_ioctl(&mut self, task: TaskId, file: FileId, request: i64, argument: &Value) -> SysResult {
        match self.vfs.files[file].kind {
            FileKind::Tty(tty, _) => self.terminal_request(task, file, tty, false, request, argument),
            FileKind::PtyMaster(id, place) => match self.master_request(task, id, place, request, argument) {
                Some(answer) => answer,
                None => self.terminal_request(task, file, Tty::Pty(id), true, request, argument),
            },
            // `hung_up_tty_ioctl`
            FileKind::HungUpTty(..) if request == TIOCSPGRP => Err(Errno::ENOTTY.into()),
            FileKind::HungUpTty(..) => Err(Errno::EIO.into()),
            _ => Err(Errno::ENOTTY.into()),
        }
    }

    /// What only the master end knows (`pty_unix98_ioctl`); `None` for everything else.
    fn master_request(
        &mut self,
        task: TaskId,
        id: PtyId,
        place: VfsPath,
        request: i64,
        argument: &Value,
    ) -> Option<SysResult> {
        let pty = self.world.ptys.get_mut(id)?;
        Some(match request {
            TIOCGPTN => Ok(Ret::new(0).with(2, pty.index.into())),
            TIOCSPTLCK => {
                pty.locked = argument_of(argument) != 0;
                Ok(Ret::new(0))
            }
            TIOCGPTLCK => Ok(Ret::new(0).with(2, i32::from(pty.locked).into())),
            TIOCGPTPEER => self.open_peer(task, id, place, argument_of(argument) as u32),
            FIONREAD => Ok(Ret::new(0).with(2, pty.output.len().into())),
            TIOCOUTQ => Ok(Ret::new(0).with(2, 0.into())),
            _ => return None,
        })
    }

    /// TIOCGPTPEER: the slave end, whatever its name leads to from where the caller is (`ptm_open_peer`).
    fn open_peer(&mut self, task: TaskId, id: PtyId, place: VfsPath, flags: u32) -> SysResult {
        self.unused_fd(task, 0)?;
        let dentry = self.ptys.get(id).ok_or(Errno::EIO)?.dentry;
        let mnt = self.devpts_mount(place, id)?;
        let is_admin = self.capable(task, Cap::SYS_ADMIN);
        self.open_slave(id, is_admin)?;
        self.opened_tty(task, Tty::Pty(id), flags);
        let path = VfsPath { mnt, node: Node::Tree(dentry) };
        Ok(Ret::new(self.install_file(task, FileKind::Tty(Tty::Pty(id), path), flags & !o::NOCTTY)?))
    }

    fn terminal_request(
        &mut self,
        task: TaskId,
        file: FileId,
        tty: Tty,
        by_master: bool,
        request: i64,
        argument: &Value,
    ) -> SysResult {
        let own = self.processes[self.tasks[task].process].tty == Some(tty);
        match (request, tty) {
            (TIOCSCTTY, _) => self.take_as_controlling(task, file, tty, argument_of(argument)),
            (TIOCNOTTY, _) if !own => Err(Errno::ENOTTY.into()),
            (TIOCNOTTY, _) => {
                let process = self.tasks[task].process;
                self.disassociate_tty(process, false);
                self.processes[process].tty = None;
                Ok(Ret::new(0))
            }
            (TIOCGPGRP | TIOCGSID, Tty::Pty(_)) if !own && !by_master => Err(Errno::ENOTTY.into()),
            (TIOCGPGRP, _) => Ok(Ret::new(0).with(2, self.shown_pid(task, self.foreground_of_tty(tty)).into())),
            (TIOCGSID, _) => match self.session_of_tty(tty) {
                None => Err(Errno::ENOTTY.into()),
                session => Ok(Ret::new(0).with(2, self.shown_pid(task, session).into())),
            },
            (TIOCGDEV, _) => {
                let (major, minor) = if by_master { (128, self.tty_index(tty)) } else { self.tty_device(tty) };
                let dev = i64::from((minor & 0xff) | major << 8 | (minor & !0xff) << 12);
                Ok(Ret::new(0).with(2, dev.into()))
            }
            (TIOCGETD, _) => Ok(Ret::new(0).with(2, 0.into())),
            (TCSBRK, _) => Ok(Ret::new(0)),
            (_, Tty::Console(console)) => self.console_request(console, request, argument),
            (_, Tty::Pty(id)) => self.slave_request(task, id, request, argument),
        }
    }

    /// What number a session or group has for the caller; 0 for none that it can see.
    fn shown_pid(&self, task: TaskId, pid: Option<PidId>) -> i32 {
        let ns = self.pid_ns_of(task);
        pid.and_then(|pid| self.pids.get(pid)).and_then(|pid| pid.number_in(ns)).unwrap_or(0)
    }

    /// TIOCSCTTY (`tiocsctty`). With 1 somebody with CAP_SYS_ADMIN takes it away from another session.
    fn take_as_controlling(&mut self, task: TaskId, file: FileId, tty: Tty, steal: i64) -> SysResult {
        let process = self.tasks[task].process;
        let leads = self.is_session_leader(process);
        let session = self.session_of_tty(tty);
        if leads && session == Some(self.processes[process].session) {
            return Ok(Ret::new(0));
        }
        if !leads || self.processes[process].tty.is_some() {
            return Err(Errno::EPERM.into());
        }
        if let Some(session) = session {
            if steal != 1 || !self.capable(task, Cap::SYS_ADMIN) {
                return Err(Errno::EPERM.into());
            }
            self.clear_session_tty(session);
        }
        if !self.vfs.files[file].can_read() && !self.capable(task, Cap::SYS_ADMIN) {
            return Err(Errno::EPERM.into());
        }
        self.set_controlling_tty(task, tty);
        Ok(Ret::new(0))
    }

    /// A request to a console. Of its settings those count that make it raw.
    fn console_request(&mut self, console: ConsoleId, request: i64, argument: &Value) -> SysResult {
        match request {
            TCGETS => {
                let raw = self.consoles.get(console).is_some_and(|c| c.raw.is_some());
                let local = if raw { 0 } else { ISIG | ICANON | ECHO };
                Ok(Ret::new(0).with(2, Value::record([("c_lflag", local.into())])))
            }
            TCSETS..=TCSETSF => {
                if let Some(local) = argument.field("c_lflag").and_then(Value::as_int) {
                    self.set_terminal_modes(console, local as u64);
                }
                Ok(Ret::new(0))
            }
            TIOCGWINSZ => Ok(Ret::new(0).with(2, WinSize { row: 24, col: 80, ..WinSize::default() }.to_value())),
            TIOCSPGRP | TIOCSWINSZ | TIOCEXCL | TIOCNXCL | TCFLSH => Ok(Ret::new(0)),
            FIONREAD | TIOCOUTQ => Ok(Ret::new(0).with(2, 0.into())),
            _ => Err(Errno::ENOTTY.into()),
        }
    }

    /// A request to the slave end of a pseudo-terminal, which both ends can make.
    fn slave_request(&mut self, task: TaskId, id: PtyId, request: i64, argument: &Value) -> SysResult {
        if request == TIOCSPGRP {
            return self.set_foreground(task, id, argument_of(argument));
        }
        let Some(pty) = self.world.ptys.get_mut(id) else { return Err(Errno::EIO.into()) };
        let answer = match request {
            TCGETS => Some(pty.termios.to_value()),
            TIOCGWINSZ => Some(pty.window.to_value()),
            TIOCGEXCL => Some(i32::from(pty.exclusive).into()),
            FIONREAD => Some(pty.input.readable_bytes(&pty.termios).into()),
            TIOCOUTQ => Some(0.into()),
            TCSETS..=TCSETSF => {
                let old = pty.termios;
                pty.termios = old.with(argument);
                if request == TCSETSF {
                    pty.input.flush();
                }
                pty.input.settings_changed(&old, &pty.termios);
                self.wake_pty(id);
                None
            }
            TCFLSH => {
                // TCIFLUSH is 0, TCOFLUSH 1, TCIOFLUSH both.
                let which = argument_of(argument);
                if !(0..=2).contains(&which) {
                    return Err(Errno::EINVAL.into());
                }
                if which != 1 {
                    pty.input.flush();
                }
                if which != 0 {
                    pty.output.clear();
                }
                self.wake_pty(id);
                None
            }
            TIOCEXCL | TIOCNXCL => {
                pty.exclusive = request == TIOCEXCL;
                None
            }
            TIOCSWINSZ => {
                let size = WinSize::from_value(argument);
                let changed = pty.window != size;
                pty.window = size;
                if let Some(group) = pty.pgrp.filter(|_| changed) {
                    self.signal_process_group(group, Signal::WINCH);
                }
                None
            }
            _ => return Err(Errno::ENOTTY.into()),
        };
        Ok(answer.into_iter().fold(Ret::new(0), |ret, value| ret.with(2, value)))
    }

    /// TIOCSPGRP (`tiocspgrp`).
    fn set_foreground(&mut self, task: TaskId, id: PtyId, pgrp: i64) -> SysResult {
        if pgrp < 0 {
            return Err(Errno::EINVAL.into());
        }
        let process = &self.processes[self.tasks[task].process];
        let session = process.session;
        let controls = process.tty == Some(Tty::Pty(id)) && self.session_of_tty(Tty::Pty(id)) == Some(session);
        if !controls {
            return Err(Errno::ENOTTY.into());
        }
        let ns = self.pid_ns_of(task);
        let group = self.find_pid(ns, pgrp as i32).ok_or(Errno::ESRCH)?;
        let member = self.processes.iter().find(|(_, p)| p.pgrp == group).map(|(_, p)| p.session);
        if member != Some(session) {
            return Err(Errno::EPERM.into());
        }
        if let Some(pty) = self.world.ptys.get_mut(id) {
            pty.pgrp = Some(group);
        }
        Ok(Ret::new(0))
    }
}

/// A number, given as such or where the argument points to.
fn argument_of(argument: &Value) -> i64 {
    let pointed_to = argument.as_list().and_then(|list| list.first()).and_then(Value::as_int);
    argument.as_int().or(pointed_to).unwrap_or(0)
}
