//! Network tools.

pub mod ip;
pub mod ping;
mod rtnl;
pub mod unmodelled;

use super::registry::Program;

/// The programs in this folder.
pub const PROGRAMS: &[&Program] = &[&unmodelled::BRIDGE, &ip::IP, &ping::PING, &unmodelled::SS];
