//! The programs of util-linux.

pub mod err;
pub mod id_map;
pub mod nsenter;
pub mod unshare;

use super::registry::Program;

/// The programs in this folder.
pub const PROGRAMS: &[&Program] = &[&nsenter::NSENTER, &unshare::UNSHARE];
