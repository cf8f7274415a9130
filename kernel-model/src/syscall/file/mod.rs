//! Calls on files, directories and descriptors.

use super::SyscallInfo;

/// The records of the calls in this folder.
pub const RECORDS: &[&SyscallInfo] = &[];
