//! The programs of procps: what they know they read from `/proc`.

pub mod process;
pub mod ps;

use super::registry::Program;

/// The programs in this folder.
pub const PROGRAMS: &[&Program] = &[&ps::PS];
