//! The programs of coreutils.

use super::registry::Program;

/// The programs in this folder.
pub const PROGRAMS: &[&Program] = &[];
