//! The programs of util-linux.

pub mod err;
pub mod findmnt;
pub mod id_map;
pub mod mount;
pub mod mount_options;
pub mod mountinfo;
pub mod mountpoint;
pub mod nsenter;
pub mod pivot_root;
pub mod setpriv;
pub mod su;
pub mod table;
pub mod umount;
pub mod unshare;

use super::registry::Program;

/// The programs in this folder.
pub const PROGRAMS: &[&Program] = &[
    &findmnt::FINDMNT,
    &mount::MOUNT,
    &mountpoint::MOUNTPOINT,
    &nsenter::NSENTER,
    &pivot_root::PIVOT_ROOT,
    &setpriv::SETPRIV,
    &su::SU,
    &umount::UMOUNT,
    &unshare::UNSHARE,
];
