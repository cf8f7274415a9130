//! Calls on namespaces and their contents.

use super::SyscallInfo;

/// The records of the calls in this folder.
pub const RECORDS: &[&SyscallInfo] = &[];
