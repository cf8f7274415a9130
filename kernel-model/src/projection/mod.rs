//! Plain data for eyes: what views, text twins and goldens show.
//!
//! A projection is made from one world, or from two of them when it also says what has changed in
//! between. It holds finished text and numbers: whoever draws it computes nothing.

pub mod change;
pub mod changes;
pub mod explain;
mod explain_cgroup;
pub mod label;
pub mod mount_table;
pub mod pid_tree;
pub mod pid_views;
pub mod prompt;

pub use change::Change;
