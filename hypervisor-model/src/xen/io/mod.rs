//! What domains have agreed on among themselves, over shared pages and event channels: Xen has no part in it. A file for each
//! header of `xen/include/public/io`.

pub mod blkif;
pub mod byte_ring;
pub mod console;
pub mod netif;
pub mod ring;
pub mod xenbus;
pub mod xs_wire;
