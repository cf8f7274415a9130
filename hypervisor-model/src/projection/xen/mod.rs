//! Xen for eyes: each file one picture as plain data, with its text twin.

pub mod channels;
pub mod frames;
pub mod grants;
pub mod lanes;
pub mod store;
