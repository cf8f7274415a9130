//! File descriptors: the small numbers by which a process knows its open files.

use imbl::OrdMap;
use serde::{Deserialize, Serialize};

use super::file::FileId;
use crate::id;

id! {
    /// A descriptor table, shared between `CLONE_FILES` tasks.
    FdTableId
}

/// A file descriptor.
pub type Fd = i32;

/// A descriptor table (`struct files_struct`).
#[derive(Clone, PartialEq, Debug, Default, Serialize, Deserialize)]
pub struct FdTable {
    /// Open descriptors.
    pub fds: OrdMap<Fd, FdEntry>,
    /// How many tasks share the table.
    pub users: u32,
}

/// One descriptor.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct FdEntry {
    /// The open file description.
    pub file: FileId,
    /// Closed by execve(2) (`FD_CLOEXEC`).
    pub cloexec: bool,
}

impl FdTable {
    /// The lowest free number that is not below `from`.
    pub fn lowest_free(&self, from: Fd) -> Fd {
        let mut free = from;
        for (fd, _) in self.fds.range(from..) {
            if *fd != free {
                break;
            }
            free += 1;
        }
        free
    }
}
