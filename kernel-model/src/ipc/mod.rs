//! Communication between processes.

pub mod epoll;
pub mod eventfd;
pub mod mqueue;
pub mod pipe;
pub mod sysv;
