//! The programs of psmisc.

pub mod pstree;

use super::registry::Program;

/// The programs in this folder.
pub const PROGRAMS: &[&Program] = &[&pstree::PSTREE];
