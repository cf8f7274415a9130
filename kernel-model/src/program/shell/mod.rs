//! The shell as a program, and help.

use super::registry::Program;

/// The programs in this folder.
pub const PROGRAMS: &[&Program] = &[];
