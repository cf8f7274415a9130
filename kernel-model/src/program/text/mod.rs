//! Programs that search and change text.

pub mod glob;
pub mod grep;
pub mod regex;

use super::registry::Program;

/// The programs in this folder.
pub const PROGRAMS: &[&Program] = &[&grep::EGREP, &grep::FGREP, &grep::GREP];
