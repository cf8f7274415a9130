//! The programs of util-linux.

pub mod dmesg;
pub mod enosys;
pub mod err;
pub mod findmnt;
pub mod flock;
pub mod id_map;
pub mod ipcmk;
pub mod ipcrm;
pub mod ipcs;
pub mod lsns;
pub mod mkfs;
pub mod mount;
pub mod mount_options;
pub mod mountinfo;
pub mod mountpoint;
pub mod nsenter;
pub mod pivot_root;
pub mod prlimit;
pub mod renice;
pub mod script;
pub mod setpriv;
pub mod setsid;
pub mod su;
pub mod table;
pub mod taskset;
pub mod umount;
pub mod unshare;

use super::registry::Program;

/// The programs in this folder.
pub const PROGRAMS: &[&Program] = &[
    &dmesg::DMESG,
    &enosys::ENOSYS,
    &findmnt::FINDMNT,
    &flock::FLOCK,
    &ipcmk::IPCMK,
    &ipcrm::IPCRM,
    &ipcs::IPCS,
    &lsns::LSNS,
    &mkfs::MKFS_EXT4,
    &mount::MOUNT,
    &mountpoint::MOUNTPOINT,
    &nsenter::NSENTER,
    &pivot_root::PIVOT_ROOT,
    &prlimit::PRLIMIT,
    &renice::RENICE,
    &script::SCRIPT,
    &setpriv::SETPRIV,
    &setsid::SETSID,
    &su::SU,
    &taskset::TASKSET,
    &umount::UMOUNT,
    &unshare::UNSHARE,
];
