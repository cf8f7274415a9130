//! Calls on clocks and timers.

pub mod clock;
pub mod itimer;
pub mod nanosleep;

use super::SyscallInfo;

/// The records of the calls in this folder.
pub const RECORDS: &[&SyscallInfo] = &[
    &clock::CLOCK_GETTIME,
    &clock::GETTIMEOFDAY,
    &itimer::ALARM,
    &itimer::SETITIMER,
    &nanosleep::CLOCK_NANOSLEEP,
    &nanosleep::NANOSLEEP,
];
