//! Network tools.

pub mod bridge;
pub mod ip;
pub mod ping;
mod rtnl;
pub mod unmodelled;

use super::registry::Program;

/// The programs in this folder.
pub const PROGRAMS: &[&Program] = &[&bridge::BRIDGE, &ip::IP, &ping::PING, &unmodelled::SS];
