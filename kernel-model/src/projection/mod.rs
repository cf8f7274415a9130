//! Plain data for eyes: what views, text twins and goldens show.

pub mod explain;
pub mod mount_table;
