//! Terminals, as in tty(4), pts(4) and `drivers/tty`: what is behind `/dev/pts/N` and `/dev/tty`.
//!
//! A terminal is a [console](crate::console), at which somebody outside types, or the slave end of a pseudo-terminal
//! ([`pty`]), whose other end a program holds. A session can have one as its controlling terminal: then what is typed there
//! can be a signal for the processes in its foreground, and the session is told when the terminal is gone.
//! Elsewhere: the line discipline in [`n_tty`], the settings in [`termios`], ioctl_tty(2) in [`ioctl`], the file system with
//! the names in `vfs::fs::devpts`.

pub mod event;
pub mod ioctl;
pub mod n_tty;
pub mod pty;
pub mod termios;
#[cfg(test)]
mod tests;

use serde::{Deserialize, Serialize};

use crate::console::ConsoleId;
use crate::event::EventKind;
use crate::kernel::Kernel;
use crate::namespace::pid::PidId;
use crate::program::libc::o;
use crate::task::signal::Signal;
use crate::task::{ProcessId, TaskId};
use crate::vfs::file::FileKind;
use crate::world::World;
use event::TtyEvent;
use pty::PtyId;

/// A terminal.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub enum Tty {
    /// A console: somebody outside types.
    Console(ConsoleId),
    /// The slave end of a pseudo-terminal: whoever holds the master end types.
    Pty(PtyId),
}

impl World {
    /// The session whose controlling terminal this is.
    pub fn session_of_tty(&self, tty: Tty) -> Option<PidId> {
        match tty {
            Tty::Console(id) => {
                let shell = self.consoles.get(id).and_then(|c| self.tasks.get(c.shell))?;
                Some(self.processes[shell.process].session)
            }
            Tty::Pty(id) => self.ptys.get(id)?.session,
        }
    }

    /// The process group in the foreground of a terminal. In front of a console is what its shell starts, in whose group it
    /// stays.
    pub fn foreground_of_tty(&self, tty: Tty) -> Option<PidId> {
        match tty {
            Tty::Console(id) => {
                let shell = self.consoles.get(id).and_then(|c| self.tasks.get(c.shell))?;
                Some(self.processes[shell.process].pgrp)
            }
            Tty::Pty(id) => self.ptys.get(id)?.pgrp,
        }
    }

    /// The device number: 136 and the number of the terminal.
    pub fn tty_device(&self, tty: Tty) -> (u32, u32) {
        (136, self.tty_index(tty))
    }

    /// The number in `/dev/pts/N`.
    pub fn tty_index(&self, tty: Tty) -> u32 {
        match tty {
            Tty::Console(id) => self.consoles.get(id).and_then(|c| c.pts).map_or(id.0 - 1, |(_, index)| index),
            Tty::Pty(id) => self.ptys.get(id).map_or(0, |pty| pty.index),
        }
    }

    /// `pts/N`.
    pub fn tty_name(&self, tty: Tty) -> String {
        format!("pts/{}", self.tty_index(tty))
    }

    /// Whether the caller's process leads its session.
    pub(crate) fn is_session_leader(&self, process: ProcessId) -> bool {
        let p = &self.processes[process];
        self.tasks.get(p.leader).is_some_and(|leader| p.session == leader.pid)
    }

    /// The processes of a session.
    fn members_of_session(&self, session: PidId) -> Vec<ProcessId> {
        self.processes.iter().filter(|(_, p)| p.session == session).map(|(id, _)| id).collect()
    }
}

impl Kernel<'_> {
    /// A signal for all processes of a group (`kill_pgrp`).
    pub(crate) fn signal_process_group(&mut self, group: PidId, signal: Signal) {
        let members: Vec<ProcessId> =
            self.processes.iter().filter(|(_, p)| p.pgrp == group && p.exit_code.is_none()).map(|(id, _)| id).collect();
        for process in members {
            self.send_signal(process, signal, None);
        }
    }

    /// A leader of a session that has no controlling terminal opens one that is nobody's: it becomes that of the session
    /// (`tty_open_proc_set_tty`).
    pub(crate) fn opened_tty(&mut self, task: TaskId, tty: Tty, flags: u32) {
        let process = self.tasks[task].process;
        let readable = flags & o::ACCMODE != o::WRONLY;
        if flags & o::NOCTTY == 0
            && readable
            && self.is_session_leader(process)
            && self.processes[process].tty.is_none()
            && self.session_of_tty(tty).is_none()
        {
            self.set_controlling_tty(task, tty);
        }
    }

    /// A terminal becomes that of the caller's session, and the caller's group is in its foreground (`__proc_set_tty`).
    pub(crate) fn set_controlling_tty(&mut self, task: TaskId, tty: Tty) {
        let process = self.tasks[task].process;
        let (session, pgrp) = (self.processes[process].session, self.processes[process].pgrp);
        if let Tty::Pty(id) = tty
            && let Some(pty) = self.world.ptys.get_mut(id)
        {
            pty.session = Some(session);
            pty.pgrp = Some(pgrp);
        }
        self.processes[process].tty = Some(tty);
        let name = self.tty_name(tty);
        self.emit(EventKind::Tty(TtyEvent::Controlling { task, name: name.into() }));
    }

    /// No process of a session has a controlling terminal any more (`session_clear_tty`).
    pub(crate) fn clear_session_tty(&mut self, session: PidId) {
        for process in self.members_of_session(session) {
            self.processes[process].tty = None;
        }
    }

    /// A session gives its terminal up because its leader exits or says so (`disassociate_ctty`).
    pub(crate) fn disassociate_tty(&mut self, process: ProcessId, exits: bool) {
        if !self.is_session_leader(process) {
            return;
        }
        let Some(Tty::Pty(id)) = self.processes[process].tty else { return };
        let session = self.processes[process].session;
        let foreground = self.ptys.get(id).and_then(|pty| pty.pgrp);
        if exits {
            self.hang_up_slaves(id);
            self.signal_session_leader(id, true);
        } else if let Some(group) = foreground {
            self.signal_process_group(group, Signal::HUP);
            self.signal_process_group(group, Signal::CONT);
        }
        if let Some(pty) = self.world.ptys.get_mut(id) {
            pty.session = None;
            pty.pgrp = None;
        }
        self.clear_session_tty(session);
    }

    /// The terminal is gone for its session: who leads it hears of it, and with `exits` the foreground
    /// (`tty_signal_session_leader`).
    pub(crate) fn signal_session_leader(&mut self, id: PtyId, exits: bool) {
        let Some(pty) = self.ptys.get(id) else { return };
        let (session, pgrp) = (pty.session, pty.pgrp);
        if let Some(session) = session {
            for process in self.members_of_session(session) {
                self.processes[process].tty = None;
                if self.is_session_leader(process) && self.processes[process].exit_code.is_none() {
                    self.send_signal(process, Signal::HUP, None);
                    self.send_signal(process, Signal::CONT, None);
                }
            }
        }
        if let Some(group) = pgrp.filter(|_| exits) {
            self.signal_process_group(group, Signal::HUP);
        }
    }

    /// Whoever has the slave end open finds it gone from now on (`__tty_hangup`).
    pub(crate) fn hang_up_slaves(&mut self, id: PtyId) {
        let open: Vec<_> = self
            .vfs
            .files
            .iter()
            .filter_map(|(file, f)| match f.kind {
                FileKind::Tty(Tty::Pty(of), path) if of == id => Some((file, path)),
                _ => None,
            })
            .collect();
        for (file, path) in &open {
            self.vfs.files[*file].kind = FileKind::HungUpTty(id, *path);
        }
        let name = self.tty_name(Tty::Pty(id));
        self.emit(EventKind::Tty(TtyEvent::HungUp { name: name.into(), descriptions: open.len() }));
        self.wake_pty(id);
    }
}
