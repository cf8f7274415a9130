//! Everything there is. A [`World`] is one plain value: clone it and you have a snapshot, compare two
//! and you know whether they differ, serialise it and it is the same after reading it back.
//!
//! It has no clock, no randomness, no closure, no pointer to the outside; links are ids. The only way
//! to change it is an [`Action`](crate::action::Action) and the turns that follow ([`crate::step`]).

use std::sync::Arc;

use imbl::OrdMap;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::cgroup::Cgroups;
use crate::console::{Console, ConsoleId};
use crate::ipc::pipe::{Pipe, PipeId};
use crate::namespace::cgroup::{CgroupNamespace, CgroupNsId};
use crate::namespace::ipc::{IpcNamespace, IpcNsId};
use crate::namespace::mnt::{MntNamespace, MntNsId};
use crate::namespace::net::{NetNamespace, NetNsId};
use crate::namespace::pid::{PidId, PidNamespace, PidNsId, PidStruct};
use crate::namespace::time::{TimeNamespace, TimeNsId};
use crate::namespace::user::{UserNamespace, UserNsId};
use crate::namespace::uts::{UtsNamespace, UtsNsId};
use crate::security::lsm::LsmChoice;
use crate::table::Table;
use crate::task::sched::Sched;
use crate::task::signal::{SigHand, SigHandId};
use crate::task::{Process, ProcessId, Task, TaskId};
use crate::time::Nanos;
use crate::vfs::Vfs;

/// What kind of standard world to boot.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[serde(into = "SavedConfig", try_from = "SavedConfig")]
pub struct Config {
    /// cgroup v2 only, as a script with `# world: v2` asks for.
    pub cgroup_v2: bool,
    /// Consoles are terminals: programs in them can read what is typed, and `ps` shows `pts/0`. Without it
    /// standard input is `/dev/null` and output is a pipe, as in the recordings.
    pub terminal: bool,
    /// Which security module is active.
    pub lsm: LsmChoice,
    /// Which machine is below, by a number (at most 15) that whoever makes machines gives; 0 for one that is not looked at.
    pub machine: u8,
}

/// How a configuration is written: as it was when there was only a terminal or none, with more in the same byte.
#[derive(Serialize, Deserialize)]
struct SavedConfig {
    cgroup_v2: bool,
    flags: u8,
}

const TERMINAL: u8 = 1;
const APPARMOR: u8 = 2;
const SELINUX: u8 = 4;
/// Where the machine's number begins.
const MACHINE_SHIFT: u32 = 4;

impl From<Config> for SavedConfig {
    fn from(config: Config) -> SavedConfig {
        let lsm = match config.lsm {
            LsmChoice::None => 0,
            LsmChoice::AppArmor => APPARMOR,
            LsmChoice::Selinux => SELINUX,
        };
        let terminal = if config.terminal { TERMINAL } else { 0 };
        SavedConfig { cgroup_v2: config.cgroup_v2, flags: lsm | terminal | config.machine << MACHINE_SHIFT }
    }
}

impl TryFrom<SavedConfig> for Config {
    type Error = &'static str;

    fn try_from(saved: SavedConfig) -> Result<Config, &'static str> {
        let machine = saved.flags >> MACHINE_SHIFT;
        let lsm = match saved.flags & 0xf & !TERMINAL {
            0 => LsmChoice::None,
            APPARMOR => LsmChoice::AppArmor,
            SELINUX => LsmChoice::Selinux,
            _ => return Err("the kind of world is not known"),
        };
        Ok(Config { cgroup_v2: saved.cgroup_v2, terminal: saved.flags & TERMINAL != 0, lsm, machine })
    }
}

/// Everything there is.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
#[allow(missing_docs)] // tables of the things that their types describe
pub struct World {
    pub config: Config,
    /// What the kernel was told when it was started (`/proc/cmdline`).
    pub command_line: Arc<str>,
    /// Virtual time since boot.
    pub clock: Nanos,
    /// Turns taken since boot.
    pub turn: u64,
    /// Time passes until this moment, as somebody asked for.
    pub run_until: Nanos,
    pub tasks: Table<TaskId, Task>,
    pub processes: Table<ProcessId, Process>,
    pub pids: Table<PidId, PidStruct>,
    pub sighands: Table<SigHandId, SigHand>,
    pub sched: Sched,
    pub pid_namespaces: Table<PidNsId, PidNamespace>,
    pub uts_namespaces: Table<UtsNsId, UtsNamespace>,
    pub mnt_namespaces: Table<MntNsId, MntNamespace>,
    pub user_namespaces: Table<UserNsId, UserNamespace>,
    pub net_namespaces: Table<NetNsId, NetNamespace>,
    pub ipc_namespaces: Table<IpcNsId, IpcNamespace>,
    pub cgroup_namespaces: Table<CgroupNsId, CgroupNamespace>,
    pub time_namespaces: Table<TimeNsId, TimeNamespace>,
    pub pipes: Table<PipeId, Pipe>,
    pub eventfds: Table<crate::ipc::eventfd::EventFdId, crate::ipc::eventfd::EventFd>,
    pub epolls: Table<crate::ipc::epoll::EpollId, crate::ipc::epoll::Epoll>,
    pub ptys: Table<crate::tty::pty::PtyId, crate::tty::pty::Pty>,
    /// Open files of `/dev/net/tun`.
    pub taps: Table<crate::net::tun::TunFileId, crate::net::tun::TunFile>,
    pub sockets: Table<crate::net::socket::SocketId, crate::net::socket::Socket>,
    pub net_devices: Table<crate::net::device::NetDevId, crate::net::device::NetDevice>,
    /// What happens in the network because nothing else has happened.
    pub net_timers: imbl::OrdSet<(Nanos, crate::net::timer::NetTimer)>,
    /// Frames that have reached a device and are about to be received; empty between two calls.
    pub backlog: std::collections::VecDeque<crate::net::softnet::InFlight>,
    /// The number handed out last to a packet.
    pub last_packet: u64,
    /// How many Ethernet addresses have been made up.
    pub last_mac: u64,
    pub vfs: Vfs,
    pub cgroups: Cgroups,
    pub mm: crate::mm::Memory,
    /// The kernel's log.
    pub log: crate::printk::Log,
    /// The active security module and its policy.
    pub lsm: crate::security::lsm::Lsm,
    pub block: crate::block::Block,
    pub consoles: Table<ConsoleId, Console>,
    /// Kernel settings that are not per namespace, by their name under `/proc/sys`.
    pub sysctls: OrdMap<String, String>,
    /// Who is charged for each namespace (by inode number): the effective uid of its maker.
    pub charged_to: OrdMap<u32, crate::security::credentials::Kuid>,
    /// The inode number handed out last by nsfs.
    pub last_ns_inum: u32,
    /// The inode number handed out last by pipefs.
    pub last_pipe_ino: u64,
    /// The epoch handed out last to a program ([`crate::task::UserMode::epoch`]).
    pub last_epoch: u64,
}

/// A compile-time proof that a world is a plain value.
const _: () = {
    const fn plain_value<T: Clone + PartialEq + Serialize + DeserializeOwned + Send + Sync>() {}
    plain_value::<World>();
};

impl World {
    /// The next epoch for a program that starts anew or saves its state.
    pub fn next_epoch(&mut self) -> u64 {
        self.last_epoch += 1;
        self.last_epoch
    }
}
