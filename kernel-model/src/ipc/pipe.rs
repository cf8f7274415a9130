//! Pipes and fifos, as in pipe(7): a buffer with a reading and a writing end.

use std::collections::VecDeque;

use serde::{Deserialize, Serialize};

use crate::console::ConsoleId;
use crate::errno::Errno;
use crate::event::EventKind;
use crate::id;
use crate::kernel::Kernel;
use crate::program::libc::o;
use crate::security::credentials::{Kgid, Kuid};
use crate::syscall::file::peer_arrives;
use crate::syscall::{Sleep, Stop};
use crate::task::TaskId;
use crate::task::sched::Wait;
use crate::task::signal::Signal;
use crate::world::World;

id! {
    /// A pipe.
    PipeId
}

/// How much a pipe holds, in bytes (16 pages).
pub const PIPE_CAPACITY: usize = 65_536;
/// Writes of at most this many bytes are not torn apart (`PIPE_BUF`).
pub const PIPE_BUF: usize = 4096;

/// A pipe or an opened fifo.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct Pipe {
    /// Its inode number, as `pipe:[N]` shows it.
    pub ino: u64,
    /// Who made it: user and group.
    pub owner: (Kuid, Kgid),
    /// What was written and not yet read.
    pub data: VecDeque<u8>,
    /// Open descriptions that can read.
    pub readers: u32,
    /// Open descriptions that can write.
    pub writers: u32,
    /// How often it has been opened for reading, so that an opener notices a reader that came and went.
    pub readers_ever: u32,
    /// How often it has been opened for writing.
    pub writers_ever: u32,
    /// A console reads the other end: what is written appears there at once.
    pub console: Option<ConsoleId>,
}

impl Pipe {
    /// A pipe that nobody has open yet.
    pub fn new(ino: u64, console: Option<ConsoleId>) -> Pipe {
        let owner = (Kuid::ROOT, Kgid::ROOT);
        Pipe { ino, owner, data: VecDeque::new(), readers: 0, writers: 0, readers_ever: 0, writers_ever: 0, console }
    }
}

impl World {
    /// A pipe that nobody has open yet.
    pub(crate) fn new_pipe(&mut self, maker: TaskId) -> PipeId {
        self.last_pipe_ino += 1;
        let ino = self.last_pipe_ino;
        let cred = &self.tasks[maker].cred;
        let owner = (cred.fsuid, cred.fsgid);
        self.pipes.add(Pipe { owner, ..Pipe::new(ino, None) })
    }

    /// What `/proc/PID/fd` shows of a pipe.
    pub(crate) fn pipe_name(&self, id: PipeId) -> String {
        format!("pipe:[{}]", self.pipes.get(id).map_or(0, |p| p.ino))
    }
}

impl Kernel<'_> {
    /// Takes at most `count` bytes out of a pipe. Nothing at its end, when no writer is left.
    ///
    /// # Errors
    /// EAGAIN when it is empty and `nonblock`; sleeps otherwise.
    pub(crate) fn pipe_read(&mut self, id: PipeId, count: usize, nonblock: bool) -> Result<Vec<u8>, Stop> {
        if count == 0 {
            return Ok(Vec::new());
        }
        if self.pipes[id].data.is_empty() {
            let written = self.pipes[id].writers > 0 || peer_arrives(self, id, o::WRONLY);
            return match (written, nonblock) {
                (false, _) => Ok(Vec::new()),
                (true, true) => Err(Errno::EAGAIN.into()),
                (true, false) => Err(Sleep::on(Wait::PipeReadable(id))),
            };
        }
        let pipe = &mut self.pipes[id];
        let count = count.min(pipe.data.len());
        let bytes = pipe.data.drain(..count).collect();
        self.wake_all(Wait::PipeWritable(id));
        Ok(bytes)
    }

    /// Puts bytes into a pipe. A write that does not fit sleeps with what it has done in the call's progress.
    ///
    /// # Errors
    /// EPIPE, with SIGPIPE, when no reader is left; EAGAIN when it is full and `nonblock`.
    pub(crate) fn pipe_write(&mut self, task: TaskId, id: PipeId, bytes: &[u8], nonblock: bool) -> Result<usize, Stop> {
        if let Some(console) = self.pipes[id].console {
            if !bytes.is_empty() {
                self.emit(EventKind::Output { console, bytes: bytes.into() });
            }
            return Ok(bytes.len());
        }
        let done = self.tasks[task].in_call.as_ref().map_or(0, |c| c.progress.max(0) as usize).min(bytes.len());
        let rest = &bytes[done..];
        if bytes.is_empty() {
            return Ok(0);
        }
        if self.pipes[id].readers == 0 && !peer_arrives(self, id, o::RDONLY) {
            if done > 0 {
                return Ok(done);
            }
            self.send_signal_to_thread(task, Signal::PIPE, Some(task));
            return Err(Errno::EPIPE.into());
        }
        let room = PIPE_CAPACITY - self.pipes[id].data.len();
        // Up to PIPE_BUF bytes go in as one or not at all.
        let now = if rest.len() <= PIPE_BUF && room < rest.len() && done == 0 { 0 } else { room.min(rest.len()) };
        if now > 0 {
            self.pipes[id].data.extend(&rest[..now]);
            self.emit(EventKind::DataWritten { what: self.pipe_name(id).into(), bytes: now as u64 });
            self.wake_all(Wait::PipeReadable(id));
        }
        if done + now == bytes.len() {
            return Ok(bytes.len());
        }
        if nonblock {
            return if done + now > 0 { Ok(done + now) } else { Err(Errno::EAGAIN.into()) };
        }
        if let Some(call) = &mut self.tasks[task].in_call {
            call.progress = (done + now) as i64;
        }
        Err(Sleep::on(Wait::PipeWritable(id)))
    }

    /// One more open description of a pipe's ends.
    pub(crate) fn open_pipe_end(&mut self, id: PipeId, reads: bool, writes: bool) {
        let pipe = &mut self.pipes[id];
        pipe.readers += u32::from(reads);
        pipe.readers_ever += u32::from(reads);
        pipe.writers += u32::from(writes);
        pipe.writers_ever += u32::from(writes);
    }

    /// One open description less. With the last one the pipe is gone, and what is in it.
    pub(crate) fn close_pipe_end(&mut self, id: PipeId, reads: bool, writes: bool) {
        let pipe = &mut self.pipes[id];
        pipe.readers -= u32::from(reads);
        pipe.writers -= u32::from(writes);
        let (no_reader, no_writer) = (pipe.readers == 0, pipe.writers == 0);
        if no_writer {
            self.wake_all(Wait::PipeReadable(id));
        }
        if no_reader {
            self.wake_all(Wait::PipeWritable(id));
        }
        if no_reader && no_writer {
            self.pipes.remove(id);
        }
    }
}
