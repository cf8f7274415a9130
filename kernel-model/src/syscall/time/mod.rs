//! Calls on clocks and timers.

use super::SyscallInfo;

/// The records of the calls in this folder.
pub const RECORDS: &[&SyscallInfo] = &[];
