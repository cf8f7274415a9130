//! Pseudo-terminals, as in pty(7), pts(4) and `drivers/tty/pty.c`: pairs of ends. What is written to the master end is
//! typed at the slave end; what is written to the slave end can be read from the master end.

use serde::{Deserialize, Serialize};

use super::Tty;
use super::event::TtyEvent;
use super::n_tty::{LineDiscipline, process_output};
use super::termios::{Termios, WinSize, bits, cc};
use crate::errno::Errno;
use crate::event::EventKind;
use crate::id;
use crate::kernel::Kernel;
use crate::namespace::pid::PidId;
use crate::syscall::{Sleep, Stop};
use crate::task::TaskId;
use crate::task::sched::Wait;
use crate::time::Nanos;
use crate::vfs::fs::SuperId;
use crate::vfs::inode::DentryId;

id! {
    /// A pseudo-terminal.
    PtyId
}

/// How much can be written to the slave end before somebody reads: what the buffers between the ends take (measured).
const OUTPUT: usize = 19_600;

/// A pseudo-terminal: both ends.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct Pty {
    /// The devpts that has its name.
    pub sb: SuperId,
    /// Its number there.
    pub index: u32,
    /// Its name there, which goes when the master end is closed.
    pub dentry: DentryId,
    /// The slave end cannot be opened yet (TIOCSPTLCK).
    pub locked: bool,
    /// Nobody without CAP_SYS_ADMIN can open it once more (TIOCEXCL).
    pub exclusive: bool,
    /// The master end is open.
    pub has_master: bool,
    /// How many open descriptions of the slave end there are.
    pub slaves: u32,
    /// The slave end was open and is not any more (`TTY_OTHER_CLOSED`).
    pub other_closed: bool,
    /// The settings.
    pub termios: Termios,
    /// Rows and columns.
    pub window: WinSize,
    /// What was typed and not yet read.
    pub input: LineDiscipline,
    /// What was written to the slave end, or echoed, and not yet read from the master end.
    pub output: Vec<u8>,
    /// Ctrl-S was typed.
    pub stopped: bool,
    /// The session that it controls.
    pub session: Option<PidId>,
    /// The process group in the foreground.
    pub pgrp: Option<PidId>,
}

impl Pty {
    /// A new pair: the master end is open, the slave end locked.
    pub fn new(sb: SuperId, index: u32, dentry: DentryId) -> Pty {
        Pty {
            sb,
            index,
            dentry,
            locked: true,
            exclusive: false,
            has_master: true,
            slaves: 0,
            other_closed: false,
            termios: Termios::default(),
            window: WinSize::default(),
            input: LineDiscipline::default(),
            output: Vec::new(),
            stopped: false,
            session: None,
            pgrp: None,
        }
    }

    /// Whether there is room for what the slave end writes.
    pub fn has_room(&self) -> bool {
        !self.stopped && self.output.len() < OUTPUT
    }
}

impl Kernel<'_> {
    /// Something has changed at one end or the other.
    pub(crate) fn wake_pty(&mut self, id: PtyId) {
        self.wake_all(Wait::PtySlave(id));
        self.wake_all(Wait::PtyMaster(id));
    }

    /// The slave end is opened (`pty_open`).
    ///
    /// # Errors
    /// EIO while it is locked or when the master end is closed; EBUSY for one that is exclusive.
    pub(crate) fn open_slave(&mut self, id: PtyId, is_admin: bool) -> Result<(), Errno> {
        let pty = self.world.ptys.get_mut(id).ok_or(Errno::EIO)?;
        if pty.exclusive && !is_admin {
            return Err(Errno::EBUSY);
        }
        if pty.locked || !pty.has_master {
            return Err(Errno::EIO);
        }
        pty.slaves += 1;
        pty.other_closed = false;
        Ok(())
    }

    /// A description of the slave end is closed; with the last one whoever reads the master end is told (`pty_close`).
    pub(crate) fn close_slave(&mut self, id: PtyId) {
        let Some(pty) = self.world.ptys.get_mut(id) else { return };
        pty.slaves -= 1;
        if pty.slaves > 0 {
            return;
        }
        if !pty.has_master {
            self.ptys.remove(id);
            return;
        }
        pty.other_closed = true;
        pty.exclusive = false;
        let name = self.tty_name(Tty::Pty(id));
        self.emit(EventKind::Tty(TtyEvent::SlaveClosed { name: name.into() }));
        self.wake_pty(id);
    }

    /// The master end is closed: the name goes, and the terminal is gone for whoever has it (`pty_close`).
    pub(crate) fn close_master(&mut self, id: PtyId) {
        let Some(pty) = self.world.ptys.get_mut(id) else { return };
        pty.has_master = false;
        let dentry = pty.dentry;
        self.hang_up_slaves(id);
        self.signal_session_leader(id, false);
        if let Some(pty) = self.world.ptys.get_mut(id) {
            pty.session = None;
            pty.pgrp = None;
            if pty.slaves == 0 {
                self.ptys.remove(id);
            }
        }
        self.forget_pty_name(dentry);
    }

    /// A read from the master end.
    ///
    /// # Errors
    /// EIO when all is read and the slave end is closed; EAGAIN.
    pub(crate) fn read_master(&mut self, id: PtyId, count: usize, nonblock: bool) -> Result<Vec<u8>, Stop> {
        let pty = self.world.ptys.get_mut(id).ok_or(Errno::EIO)?;
        if count == 0 {
            return Ok(Vec::new());
        }
        if pty.output.is_empty() {
            return match nonblock {
                _ if pty.other_closed => Err(Errno::EIO.into()),
                true => Err(Errno::EAGAIN.into()),
                false => Err(Sleep::on(Wait::PtyMaster(id))),
            };
        }
        let bytes = pty.output.drain(..count.min(pty.output.len())).collect();
        self.wake_all(Wait::PtySlave(id));
        Ok(bytes)
    }

    /// A write to the master end: it is typed at the slave end.
    ///
    /// # Errors
    /// EAGAIN when nobody reads what was typed.
    pub(crate) fn write_master(
        &mut self,
        task: TaskId,
        id: PtyId,
        bytes: &[u8],
        nonblock: bool,
    ) -> Result<usize, Stop> {
        let done = self.progress_of(task).min(bytes.len());
        let mut taken = done;
        for byte in &bytes[done..] {
            let Some(pty) = self.world.ptys.get_mut(id) else { break };
            if pty.input.is_full(&pty.termios) {
                break;
            }
            taken += 1;
            let effect = pty.input.receive(&pty.termios, *byte);
            pty.stopped = effect.flow.map_or(pty.stopped, |goes_on| !goes_on);
            if effect.signal.is_some() && !pty.termios.local(bits::NOFLSH) {
                pty.output.clear();
            }
            let echo = process_output(&pty.termios, &effect.echo);
            pty.output.extend(echo);
            if let Some(signal) = effect.signal {
                let foreground = pty.pgrp;
                let name = self.tty_name(Tty::Pty(id));
                self.emit(EventKind::Tty(TtyEvent::Signalled { name: name.into(), signal }));
                if let Some(group) = foreground {
                    self.signal_process_group(group, signal);
                }
            }
        }
        self.wake_pty(id);
        self.written(task, taken, bytes.len(), nonblock, taken > done, Wait::PtyMaster(id))
    }

    /// A read from the slave end: a line, or what there is.
    ///
    /// # Errors
    /// EAGAIN.
    pub(crate) fn read_slave(
        &mut self,
        task: TaskId,
        id: PtyId,
        count: usize,
        nonblock: bool,
    ) -> Result<Vec<u8>, Stop> {
        let pty = self.world.ptys.get_mut(id).ok_or(Errno::EIO)?;
        if count == 0 {
            return Ok(Vec::new());
        }
        let Termios { cc: characters, .. } = pty.termios;
        let (least, time) = (characters[cc::MIN], characters[cc::TIME]);
        let raw = !pty.termios.local(bits::ICANON);
        let enough = raw && pty.input.waiting() >= count && pty.input.waiting() > 0;
        if pty.input.is_readable(&pty.termios) || enough {
            let bytes = pty.input.read(&pty.termios, count);
            self.wake_all(Wait::PtyMaster(id));
            return Ok(bytes);
        }
        if raw && least == 0 {
            // Polls, or waits so many tenths of a second.
            let until = self.deadline(task, Nanos::from_millis(100 * u64::from(time)));
            if time == 0 || self.clock >= until {
                return Ok(Vec::new());
            }
            if !nonblock {
                return Err(Stop::Block(Sleep { on: vec![Wait::PtySlave(id)], until: Some(until) }));
            }
        }
        if nonblock { Err(Errno::EAGAIN.into()) } else { Err(Sleep::on(Wait::PtySlave(id))) }
    }

    /// A write to the slave end.
    ///
    /// # Errors
    /// EIO when the master end is closed; EAGAIN.
    pub(crate) fn write_slave(&mut self, task: TaskId, id: PtyId, bytes: &[u8], nonblock: bool) -> Result<usize, Stop> {
        let done = self.progress_of(task).min(bytes.len());
        let pty = self.world.ptys.get_mut(id).filter(|pty| pty.has_master).ok_or(Errno::EIO)?;
        let mut taken = done;
        while taken < bytes.len() && pty.has_room() {
            // In pieces, so that a part of what is long goes in.
            let piece = (bytes.len() - taken).min(OUTPUT - pty.output.len());
            let out = process_output(&pty.termios, &bytes[taken..taken + piece]);
            pty.output.extend(out);
            taken += piece;
        }
        if taken > done {
            let what = format!("/dev/{}", self.tty_name(Tty::Pty(id)));
            self.emit(EventKind::DataWritten { what: what.into(), bytes: (taken - done) as u64 });
            self.wake_all(Wait::PtyMaster(id));
        }
        self.written(task, taken, bytes.len(), nonblock, taken > done, Wait::PtySlave(id))
    }

    /// How much of a write that has slept is done.
    fn progress_of(&self, task: TaskId) -> usize {
        self.tasks[task].in_call.as_ref().map_or(0, |call| call.progress.max(0) as usize)
    }

    /// The end of a write, or its sleep until there is room for the rest.
    fn written(
        &mut self,
        task: TaskId,
        taken: usize,
        all: usize,
        nonblock: bool,
        some: bool,
        wait: Wait,
    ) -> Result<usize, Stop> {
        if taken == all {
            return Ok(all);
        }
        if nonblock {
            return if some { Ok(taken) } else { Err(Errno::EAGAIN.into()) };
        }
        if let Some(call) = &mut self.tasks[task].in_call {
            call.progress = taken as i64;
        }
        Err(Sleep::on(wait))
    }
}
