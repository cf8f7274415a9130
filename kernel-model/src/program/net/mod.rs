//! Network tools.

pub mod bridge;
pub mod ip;
pub mod iptables;
pub mod nc;
mod nc_unix;
pub mod ping;
mod rtnl;
#[cfg(test)]
mod tests;
pub mod unmodelled;

use super::registry::Program;

/// The programs in this folder.
pub const PROGRAMS: &[&Program] =
    &[&bridge::BRIDGE, &ip::IP, &iptables::IPTABLES, &nc::NC, &ping::PING, &unmodelled::SS];
