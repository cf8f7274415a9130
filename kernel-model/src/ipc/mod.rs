//! Communication between processes.

pub mod eventfd;
pub mod mqueue;
pub mod pipe;
pub mod sysv;
