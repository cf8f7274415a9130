//! Programs about credentials and capabilities, and `hostname`.

pub mod apparmor;
pub mod cap_mode;
pub mod caps;
pub mod capsh;
pub mod file_caps;
pub mod getcap;
pub mod getent;
pub mod getpcaps;
pub mod hostname;
pub mod iab;
pub mod libseccomp;
pub mod newidmap;
pub mod selinux;
pub mod setcap;

use super::registry::Program;

/// The programs in this folder.
pub const PROGRAMS: &[&Program] = &[
    &capsh::CAPSH,
    &getcap::GETCAP,
    &getent::GETENT,
    &getpcaps::GETPCAPS,
    &hostname::HOSTNAME,
    &newidmap::NEWGIDMAP,
    &newidmap::NEWUIDMAP,
    &setcap::SETCAP,
];
