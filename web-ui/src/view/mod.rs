//! Views: pure functions from a projection to a picture, each with a twin in plain text.

pub mod pid_views;
pub mod process_tree;
pub mod strace_log;
