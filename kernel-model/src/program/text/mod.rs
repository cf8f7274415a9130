//! Programs that search and change text.

pub mod glob;
pub mod grep;
pub mod regex;
pub mod sed;

use super::registry::Program;

/// The programs in this folder.
pub const PROGRAMS: &[&Program] = &[&grep::EGREP, &grep::FGREP, &grep::GREP, &sed::SED];
