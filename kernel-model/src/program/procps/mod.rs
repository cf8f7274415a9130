//! The programs of procps.

use super::registry::Program;

/// The programs in this folder.
pub const PROGRAMS: &[&Program] = &[];
