//! Network tools.

pub mod unmodelled;

use super::registry::Program;

/// The programs in this folder.
pub const PROGRAMS: &[&Program] = &[&unmodelled::BRIDGE, &unmodelled::IP, &unmodelled::PING, &unmodelled::SS];
