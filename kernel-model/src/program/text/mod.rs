//! Programs that search and change text.

use super::registry::Program;

/// The programs in this folder.
pub const PROGRAMS: &[&Program] = &[];
