//! Pipes and fifos, as in pipe(7): a buffer with a reading and a writing end.

use serde::{Deserialize, Serialize};

use crate::console::ConsoleId;
use crate::id;

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
    /// What was written and not yet read.
    pub data: std::collections::VecDeque<u8>,
    /// Open descriptions that can read.
    pub readers: u32,
    /// Open descriptions that can write.
    pub writers: u32,
    /// A console reads the other end: what is written appears there at once.
    pub console: Option<ConsoleId>,
}
