//! Communication between processes.

pub mod mqueue;
pub mod pipe;
pub mod sysv;
