//! Calls on processes and signals.

pub mod clone;
pub mod execve;
pub mod exit;
pub mod futex;
pub mod getpid;
pub mod kill;
pub mod pidfd;
pub mod process_group;
pub mod ptrace;
pub mod sigaction;
pub mod syslog;
pub mod wait;

use super::SyscallInfo;

/// The records of the calls in this folder.
pub const RECORDS: &[&SyscallInfo] = &[
    &clone::CLONE,
    &clone::CLONE3,
    &clone::FORK,
    &clone::VFORK,
    &execve::EXECVE,
    &execve::EXECVEAT,
    &exit::EXIT,
    &exit::EXIT_GROUP,
    &futex::FUTEX,
    &getpid::GETPID,
    &getpid::GETPPID,
    &getpid::GETTID,
    &kill::KILL,
    &kill::TGKILL,
    &kill::TKILL,
    &pidfd::PIDFD_OPEN,
    &pidfd::PIDFD_SEND_SIGNAL,
    &process_group::GETPGID,
    &process_group::GETPGRP,
    &process_group::GETSID,
    &process_group::SETPGID,
    &process_group::SETSID,
    &ptrace::PTRACE,
    &sigaction::PAUSE,
    &sigaction::RT_SIGACTION,
    &sigaction::RT_SIGPENDING,
    &sigaction::RT_SIGPROCMASK,
    &sigaction::RT_SIGSUSPEND,
    &syslog::SYSLOG,
    &wait::WAIT4,
    &wait::WAITID,
];
