//! Namespaces: what they have in common, as in namespaces(7).
//!
//! A namespace of any kind has an inode number (what `readlink /proc/PID/ns/uts` shows), an owning user
//! namespace (whose capabilities count for changing it) and a count of what keeps it alive: tasks, open
//! descriptors, bind mounts, and younger namespaces inside it.

pub mod cgroup;
pub mod copy;
pub mod ipc;
pub mod lifetime;
pub mod mnt;
pub mod net;
pub mod pid;
pub mod time;
pub mod user;
pub mod user_map;
pub mod uts;

use serde::{Deserialize, Serialize};

use cgroup::CgroupNsId;
use ipc::IpcNsId;
use mnt::MntNsId;
use net::NetNsId;
use pid::PidNsId;
use time::TimeNsId;
use user::UserNsId;
use uts::UtsNsId;

/// The eight kinds of namespaces.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
#[allow(missing_docs)] // the kinds of namespaces(7)
pub enum NsKind {
    Cgroup,
    Ipc,
    Mnt,
    Net,
    Pid,
    Time,
    User,
    Uts,
}

/// `CLONE_NEWTIME`: shares its bit with the exit signal of clone(2), so only unshare, clone3 and setns take it.
pub const CLONE_NEWTIME: u64 = 0x80;
/// `CLONE_NEWNS`.
pub const CLONE_NEWNS: u64 = 0x0002_0000;
/// `CLONE_NEWCGROUP`.
pub const CLONE_NEWCGROUP: u64 = 0x0200_0000;
/// `CLONE_NEWUTS`.
pub const CLONE_NEWUTS: u64 = 0x0400_0000;
/// `CLONE_NEWIPC`.
pub const CLONE_NEWIPC: u64 = 0x0800_0000;
/// `CLONE_NEWUSER`.
pub const CLONE_NEWUSER: u64 = 0x1000_0000;
/// `CLONE_NEWPID`.
pub const CLONE_NEWPID: u64 = 0x2000_0000;
/// `CLONE_NEWNET`.
pub const CLONE_NEWNET: u64 = 0x4000_0000;

impl NsKind {
    /// All kinds in the order in which `/proc/PID/ns` lists them.
    pub const ALL: [NsKind; 8] =
        [NsKind::Cgroup, NsKind::Ipc, NsKind::Mnt, NsKind::Net, NsKind::Pid, NsKind::Time, NsKind::User, NsKind::Uts];

    /// The name in `/proc/PID/ns`.
    pub fn name(self) -> &'static str {
        match self {
            NsKind::Cgroup => "cgroup",
            NsKind::Ipc => "ipc",
            NsKind::Mnt => "mnt",
            NsKind::Net => "net",
            NsKind::Pid => "pid",
            NsKind::Time => "time",
            NsKind::User => "user",
            NsKind::Uts => "uts",
        }
    }

    /// The kind of this name in `/proc/PID/ns`.
    pub fn from_name(name: &str) -> Option<NsKind> {
        NsKind::ALL.into_iter().find(|k| k.name() == name)
    }

    /// The flag that makes a new one in clone(2) and unshare(2).
    pub fn clone_flag(self) -> u64 {
        match self {
            NsKind::Cgroup => CLONE_NEWCGROUP,
            NsKind::Ipc => CLONE_NEWIPC,
            NsKind::Mnt => CLONE_NEWNS,
            NsKind::Net => CLONE_NEWNET,
            NsKind::Pid => CLONE_NEWPID,
            NsKind::Time => CLONE_NEWTIME,
            NsKind::User => CLONE_NEWUSER,
            NsKind::Uts => CLONE_NEWUTS,
        }
    }
}

/// A namespace of any kind, by name.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
#[allow(missing_docs)] // one variant a kind
pub enum NsRef {
    Cgroup(CgroupNsId),
    Ipc(IpcNsId),
    Mnt(MntNsId),
    Net(NetNsId),
    Pid(PidNsId),
    Time(TimeNsId),
    User(UserNsId),
    Uts(UtsNsId),
}

impl NsRef {
    /// Its kind.
    pub fn kind(self) -> NsKind {
        match self {
            NsRef::Cgroup(_) => NsKind::Cgroup,
            NsRef::Ipc(_) => NsKind::Ipc,
            NsRef::Mnt(_) => NsKind::Mnt,
            NsRef::Net(_) => NsKind::Net,
            NsRef::Pid(_) => NsKind::Pid,
            NsRef::Time(_) => NsKind::Time,
            NsRef::User(_) => NsKind::User,
            NsRef::Uts(_) => NsKind::Uts,
        }
    }
}

/// What every namespace carries (`struct ns_common`).
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct NsCommon {
    /// Its inode number in nsfs.
    pub inum: u32,
    /// The user namespace that owns it; its own parent, for a user namespace; itself, for the first one.
    pub owner: UserNsId,
    /// How many tasks, files, mounts and younger namespaces keep it alive.
    pub refs: u32,
}

/// The namespaces of a task apart from its user namespace (a credential) and its PID namespace (part
/// of its pid): `struct nsproxy`.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[allow(missing_docs)] // one field a kind
pub struct NsProxy {
    pub mnt: MntNsId,
    pub uts: UtsNsId,
    pub ipc: IpcNsId,
    pub net: NetNsId,
    pub cgroup: CgroupNsId,
    pub time: TimeNsId,
    /// The PID namespace that its next child is born into.
    pub pid_for_children: PidNsId,
    /// The time namespace that its next child is born into.
    pub time_for_children: TimeNsId,
}
