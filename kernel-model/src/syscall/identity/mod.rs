//! Calls on credentials, capabilities and limits.

pub mod affinity;
pub mod capset;
pub mod gid;
pub mod groups;
pub mod prctl;
pub mod priority;
pub mod rlimit;
pub mod seccomp;
pub mod uid;

use super::SyscallInfo;

/// The records of the calls in this folder.
pub const RECORDS: &[&SyscallInfo] = &[
    &uid::GETUID,
    &uid::GETEUID,
    &uid::GETRESUID,
    &uid::SETUID,
    &uid::SETREUID,
    &uid::SETRESUID,
    &uid::SETFSUID,
    &gid::GETGID,
    &gid::GETEGID,
    &gid::GETRESGID,
    &gid::SETGID,
    &gid::SETREGID,
    &gid::SETRESGID,
    &gid::SETFSGID,
    &groups::GETGROUPS,
    &groups::SETGROUPS,
    &capset::CAPGET,
    &capset::CAPSET,
    &prctl::PRCTL,
    &rlimit::GETRLIMIT,
    &rlimit::SETRLIMIT,
    &rlimit::PRLIMIT64,
    &priority::GETPRIORITY,
    &priority::SETPRIORITY,
    &affinity::SCHED_GETAFFINITY,
    &affinity::SCHED_SETAFFINITY,
    &seccomp::SECCOMP,
];
