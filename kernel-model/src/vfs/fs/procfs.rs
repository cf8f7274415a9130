//! procfs, as in proc(5): the kernel's tables as files. Nothing is stored here; names and contents are
//! made up when they are asked for, from the PID namespace that the instance shows.

use serde::{Deserialize, Serialize};

use crate::namespace::NsKind;
use crate::task::TaskId;

/// An entry of procfs.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
pub enum ProcNode {
    /// The top directory.
    Root,
    /// `/proc/PID`.
    Task(TaskId),
    /// `/proc/PID/ns`.
    NsDir(TaskId),
    /// `/proc/PID/ns/KIND`; the flag is for `pid_for_children` and `time_for_children`.
    NsLink(TaskId, NsKind, bool),
}
