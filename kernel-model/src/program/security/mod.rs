//! Programs about credentials and capabilities, and `hostname`.

pub mod caps;
pub mod hostname;

use super::registry::Program;

/// The programs in this folder.
pub const PROGRAMS: &[&Program] = &[&hostname::HOSTNAME];
