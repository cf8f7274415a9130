//! The programs of coreutils.

pub mod cat;
pub mod echo;
pub mod env;
pub mod filevercmp;
pub mod ls;
mod ls_format;
pub mod sleep;
pub mod true_false;

use super::registry::Program;

/// The programs in this folder.
pub const PROGRAMS: &[&Program] =
    &[&cat::CAT, &echo::ECHO, &env::ENV, &env::PRINTENV, &true_false::FALSE, &ls::LS, &sleep::SLEEP, &true_false::TRUE];
