//! Calls on files, directories and descriptors.

mod access;
mod chmod;
mod chown;
mod close;
mod copy;
mod directory;
mod dup;
mod epoll;
mod eventfd;
mod fcntl;
mod flock;
mod getdents;
mod ioctl;
mod link;
mod lseek;
mod memfd_create;
mod mknod;
mod open;
mod pipe;
mod poll;
mod read;
mod readlink;
mod rename;
mod stat;
mod statfs;
mod statx;
#[cfg(test)]
mod tests;
mod truncate;
mod unlink;
mod utimensat;
mod write;
mod xattr;

use super::SyscallInfo;

pub use open::OPEN_FLAGS;
pub(crate) use open::peer_arrives;
pub(crate) use poll::readiness;

/// The records of the calls in this folder.
pub const RECORDS: &[&SyscallInfo] = &[
    &access::ACCESS,
    &access::FACCESSAT,
    &access::FACCESSAT2,
    &chmod::CHMOD,
    &chmod::FCHMOD,
    &chmod::FCHMODAT,
    &chmod::FCHMODAT2,
    &chmod::UMASK,
    &chown::CHOWN,
    &chown::FCHOWN,
    &chown::FCHOWNAT,
    &chown::LCHOWN,
    &directory::MKDIR,
    &directory::MKDIRAT,
    &directory::RMDIR,
    &link::LINK,
    &link::LINKAT,
    &link::SYMLINK,
    &link::SYMLINKAT,
    &mknod::MKNOD,
    &mknod::MKNODAT,
    &rename::RENAME,
    &rename::RENAMEAT,
    &rename::RENAMEAT2,
    &truncate::FALLOCATE,
    &truncate::FTRUNCATE,
    &truncate::TRUNCATE,
    &unlink::UNLINK,
    &unlink::UNLINKAT,
    &close::CLOSE,
    &close::CLOSE_RANGE,
    &dup::DUP,
    &dup::DUP2,
    &dup::DUP3,
    &epoll::EPOLL_CREATE,
    &epoll::EPOLL_CREATE1,
    &epoll::EPOLL_CTL,
    &epoll::EPOLL_PWAIT,
    &epoll::EPOLL_PWAIT2,
    &epoll::EPOLL_WAIT,
    &eventfd::EVENTFD,
    &eventfd::EVENTFD2,
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
    &copy::COPY_FILE_RANGE,
    &copy::SENDFILE,
    &ioctl::IOCTL,
    &memfd_create::GETRANDOM,
    &memfd_create::MEMFD_CREATE,
    &poll::POLL,
    &poll::PPOLL,
    &statfs::FDATASYNC,
    &statfs::FSTATFS,
    &statfs::FSYNC,
    &statfs::STATFS,
    &statfs::SYNC,
    &statfs::SYNCFS,
    &utimensat::UTIMENSAT,
    &xattr::FGETXATTR,
    &xattr::FLISTXATTR,
    &xattr::FREMOVEXATTR,
    &xattr::FSETXATTR,
    &xattr::GETXATTR,
    &xattr::LGETXATTR,
    &xattr::LISTXATTR,
    &xattr::LLISTXATTR,
    &xattr::LREMOVEXATTR,
    &xattr::LSETXATTR,
    &xattr::REMOVEXATTR,
    &xattr::SETXATTR,
    &write::PWRITE64,
    &write::WRITE,
    &write::WRITEV,
];
