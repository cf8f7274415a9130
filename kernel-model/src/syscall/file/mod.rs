//! Calls on files, directories and descriptors.

mod access;
mod close;
mod dup;
mod fcntl;
mod flock;
mod getdents;
mod lseek;
mod open;
mod pipe;
mod read;
mod readlink;
mod stat;
mod statx;
mod write;

use super::SyscallInfo;

pub use open::OPEN_FLAGS;

/// The records of the calls in this folder.
pub const RECORDS: &[&SyscallInfo] = &[
    &access::ACCESS,
    &access::FACCESSAT,
    &access::FACCESSAT2,
    &close::CLOSE,
    &close::CLOSE_RANGE,
    &dup::DUP,
    &dup::DUP2,
    &dup::DUP3,
    &fcntl::FCNTL,
    &flock::FLOCK,
    &getdents::GETDENTS64,
    &lseek::LSEEK,
    &open::CREAT,
    &open::OPEN,
    &open::OPENAT,
    &open::OPENAT2,
    &pipe::PIPE,
    &pipe::PIPE2,
    &read::PREAD64,
    &read::READ,
    &read::READV,
    &readlink::READLINK,
    &readlink::READLINKAT,
    &stat::FSTAT,
    &stat::LSTAT,
    &stat::NEWFSTATAT,
    &stat::STAT,
    &statx::STATX,
    &write::PWRITE64,
    &write::WRITE,
    &write::WRITEV,
];
