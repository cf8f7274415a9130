//! Programs that search and change text.

pub mod awk;
pub mod find;
pub mod glob;
pub mod grep;
pub mod regex;
pub mod sed;
pub mod xargs;

use super::registry::Program;

/// The programs in this folder.
pub const PROGRAMS: &[&Program] =
    &[&awk::AWK, &awk::MAWK, &find::FIND, &grep::EGREP, &grep::FGREP, &grep::GREP, &sed::SED, &xargs::XARGS];
