//! Calls on System V message queues, semaphores and shared memory.

pub mod msgctl;
pub mod msgop;
pub mod semctl;
pub mod semop;
pub mod shmctl;
pub mod shmop;

use super::{FlagNames, SyscallInfo};

/// The records of the calls in this folder.
pub const RECORDS: &[&SyscallInfo] = &[
    &msgctl::MSGCTL,
    &msgctl::MSGGET,
    &msgop::MSGRCV,
    &msgop::MSGSND,
    &semctl::SEMCTL,
    &semctl::SEMGET,
    &semop::SEMOP,
    &semop::SEMTIMEDOP,
    &shmctl::SHMCTL,
    &shmctl::SHMGET,
    &shmop::SHMAT,
    &shmop::SHMDT,
];

/// The flags of msgget(2) and semget(2); the rest is permission bits.
const GET_FLAGS: FlagNames = &[("IPC_CREAT", 0o1000), ("IPC_EXCL", 0o2000), ("IPC_NOWAIT", 0o4000)];

const IPC_RMID: i32 = 0;
const IPC_SET: i32 = 1;
const IPC_STAT: i32 = 2;
const IPC_INFO: i32 = 3;
