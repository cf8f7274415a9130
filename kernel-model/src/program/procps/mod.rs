//! The programs of procps: what they know they read from `/proc`.

pub mod free;
pub mod kill;
pub mod pgrep;
pub mod pidof;
pub mod process;
pub mod ps;
pub mod sysctl;
pub mod uptime;

use super::registry::Program;

/// The programs in this folder.
pub const PROGRAMS: &[&Program] =
    &[&free::FREE, &kill::KILL, &pgrep::PGREP, &pgrep::PKILL, &pidof::PIDOF, &ps::PS, &sysctl::SYSCTL, &uptime::UPTIME];
