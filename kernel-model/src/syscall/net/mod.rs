//! Calls on sockets.

pub mod address;
pub mod listen;
pub mod message;
pub mod setsockopt;
pub mod socket;

use super::SyscallInfo;

pub use message::FLAGS as MSG_FLAGS;
pub use socket::FAMILIES;

/// The records of the calls in this folder.
pub const RECORDS: &[&SyscallInfo] = &[
    &socket::SOCKET,
    &socket::SOCKETPAIR,
    &address::BIND,
    &address::CONNECT,
    &address::GETSOCKNAME,
    &address::GETPEERNAME,
    &listen::LISTEN,
    &listen::ACCEPT,
    &listen::ACCEPT4,
    &listen::SHUTDOWN,
    &setsockopt::SETSOCKOPT,
    &setsockopt::GETSOCKOPT,
    &message::SENDTO,
    &message::SENDMSG,
    &message::RECVFROM,
    &message::RECVMSG,
];
