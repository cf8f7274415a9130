//! Programs that search and change text.

pub mod awk;
pub mod glob;
pub mod grep;
pub mod regex;
pub mod sed;

use super::registry::Program;

/// The programs in this folder.
pub const PROGRAMS: &[&Program] = &[&awk::AWK, &awk::MAWK, &grep::EGREP, &grep::FGREP, &grep::GREP, &sed::SED];
