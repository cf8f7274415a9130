//! Calls on credentials, capabilities and limits.

use super::SyscallInfo;

/// The records of the calls in this folder.
pub const RECORDS: &[&SyscallInfo] = &[];
