//! Programs for networks. So far none is modelled.

use super::registry::Program;

/// The programs in this folder.
pub const PROGRAMS: &[&Program] = &[];
