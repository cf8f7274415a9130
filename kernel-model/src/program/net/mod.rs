//! Network tools.

pub mod bridge;
pub mod ip;
pub mod iptables;
pub mod nc;
mod nc_unix;
pub mod ping;
mod rtnl;
pub mod ss;
#[cfg(test)]
mod tests;

use super::registry::Program;

/// The programs in this folder.
pub const PROGRAMS: &[&Program] = &[&bridge::BRIDGE, &ip::IP, &iptables::IPTABLES, &nc::NC, &ping::PING, &ss::SS];
