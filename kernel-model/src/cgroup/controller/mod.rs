//! Controllers: what each is called, where it works, its files and hooks, and what it keeps of a group.
//! How one is written is told in [`crate::cgroup`].

pub mod blkio;
pub mod cpu;
pub mod cpuacct;
pub mod cpuset;
pub mod devices;
pub mod freezer;
pub mod hugetlb;
pub mod memory;
pub mod misc;
pub mod net_cls;
pub mod net_prio;
pub mod perf_event;
pub mod pids;
pub mod rdma;

use serde::{Deserialize, Serialize};

use super::CgroupId;
use super::file::CgroupFile;
use super::migrate::Migration;
use crate::errno::Errno;
use crate::kernel::Kernel;
use crate::task::TaskId;
use crate::world::World;

/// A controller, in the kernel's order (`cgroup_subsys.h`).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
#[allow(missing_docs)] // described by their files
pub enum ControllerId {
    Cpuset,
    Cpu,
    Cpuacct,
    Io,
    Memory,
    Devices,
    Freezer,
    NetCls,
    PerfEvent,
    NetPrio,
    Hugetlb,
    Pids,
    Rdma,
    Misc,
}

/// What the kernel knows of a controller (`struct cgroup_subsys`).
pub struct Controller {
    /// Which one it is.
    pub id: ControllerId,
    /// Its name in version 2.
    pub name: &'static str,
    /// Its name in version 1, where it differs.
    pub legacy_name: &'static str,
    /// It can work among the groups of a threaded domain.
    pub threaded: bool,
    /// Controllers without which it does not work in version 2.
    pub depends_on: ControllerSet,
    /// Version 2 can offer it (it has files there, or always works).
    pub in_v2: bool,
    /// Its files in version 1.
    pub v1_files: &'static [CgroupFile],
    /// Its files in version 2.
    pub v2_files: &'static [CgroupFile],
    /// What it keeps of a group from the start.
    pub css_alloc: fn(&mut World, CgroupId),
    /// It begins to work in a group (`css_online`).
    pub css_online: fn(&mut Kernel<'_>, CgroupId),
    /// It stops working in a group (`css_offline`).
    pub css_offline: fn(&mut Kernel<'_>, CgroupId),
    /// Whether tasks may move (`can_attach`).
    pub can_attach: fn(&mut Kernel<'_>, &Migration) -> Result<(), Errno>,
    /// Another controller refused (`cancel_attach`).
    pub cancel_attach: fn(&mut Kernel<'_>, &Migration),
    /// Tasks have moved (`attach`).
    pub attach: fn(&mut Kernel<'_>, &Migration),
    /// Whether a task may be born in a group: the parent, the group whose limits count (`can_fork`).
    pub can_fork: fn(&mut Kernel<'_>, TaskId, CgroupId) -> Result<(), Errno>,
    /// It was not born after all (`cancel_fork`).
    pub cancel_fork: fn(&mut Kernel<'_>, CgroupId),
    /// It is born (`fork`).
    pub fork: fn(&mut Kernel<'_>, TaskId),
    /// It begins to end (`exit`).
    pub exit: fn(&mut Kernel<'_>, TaskId),
    /// Its status has been collected and it is gone (`release`): the group whose limits counted.
    pub release: fn(&mut Kernel<'_>, TaskId, CgroupId),
    /// A removed group is still needed.
    pub is_referenced: fn(&World, CgroupId) -> bool,
    /// It has been bound to the hierarchy with this root (`bind`).
    pub bind: fn(&mut Kernel<'_>, CgroupId),
    /// What a group uses and may use, for views.
    pub usage: fn(&World, CgroupId) -> Vec<Usage>,
}

/// Something that a group uses, with the most that it may use.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Usage {
    /// What: the name of the file that says how much.
    pub name: &'static str,
    /// How much.
    pub used: u64,
    /// The limit; `None` for none.
    pub limit: Option<u64>,
}

impl Controller {
    /// A controller whose hooks do nothing.
    pub const fn new(id: ControllerId, name: &'static str) -> Controller {
        Controller {
            id,
            name,
            legacy_name: name,
            threaded: false,
            depends_on: ControllerSet::EMPTY,
            in_v2: true,
            v1_files: &[],
            v2_files: &[],
            css_alloc: |_, _| {},
            css_online: |_, _| {},
            css_offline: |_, _| {},
            can_attach: |_, _| Ok(()),
            cancel_attach: |_, _| {},
            attach: |_, _| {},
            can_fork: |_, _, _| Ok(()),
            cancel_fork: |_, _| {},
            fork: |_, _| {},
            exit: |_, _| {},
            release: |_, _, _| {},
            is_referenced: |_, _| false,
            bind: |_, _| {},
            usage: |_, _| Vec::new(),
        }
    }

    /// Its state in a root, at boot.
    pub(super) fn css_alloc_root(&self, world: &mut World, root: CgroupId) {
        world.cgroups.groups[root].css.works |= ControllerSet::only(self.id);
        (self.css_alloc)(world, root);
    }
}

/// The record of a controller.
pub fn record(id: ControllerId) -> &'static Controller {
    match id {
        ControllerId::Cpuset => &cpuset::CPUSET,
        ControllerId::Cpu => &cpu::CPU,
        ControllerId::Cpuacct => &cpuacct::CPUACCT,
        ControllerId::Io => &blkio::IO,
        ControllerId::Memory => &memory::MEMORY,
        ControllerId::Devices => &devices::DEVICES,
        ControllerId::Freezer => &freezer::FREEZER,
        ControllerId::NetCls => &net_cls::NET_CLS,
        ControllerId::PerfEvent => &perf_event::PERF_EVENT,
        ControllerId::NetPrio => &net_prio::NET_PRIO,
        ControllerId::Hugetlb => &hugetlb::HUGETLB,
        ControllerId::Pids => &pids::PIDS,
        ControllerId::Rdma => &rdma::RDMA,
        ControllerId::Misc => &misc::MISC,
    }
}

/// The controllers of the kernel in the standard world, which was built without rdma and misc.
pub const STANDARD: ControllerSet =
    ControllerSet(ControllerSet::ALL.0 & !ControllerSet::RDMA.0 & !ControllerSet::MISC.0);

/// What controllers keep of one group. A field is `Some` while its controller works there.
#[derive(Clone, PartialEq, Debug, Default, Serialize, Deserialize)]
#[allow(missing_docs)] // one field a controller
pub struct CssStates {
    /// The controllers that work in the group.
    pub works: ControllerSet,
    pub devices: Option<devices::DeviceCgroup>,
    pub freezer: Option<freezer::FreezerCgroup>,
    pub pids: Option<pids::PidsCgroup>,
    pub net_cls: Option<net_cls::NetClsCgroup>,
    pub net_prio: Option<net_prio::NetPrioCgroup>,
    pub cpu: Option<cpu::CpuCgroup>,
    pub cpuacct: Option<cpuacct::CpuacctCgroup>,
    pub cpuset: Option<cpuset::CpusetCgroup>,
    pub io: Option<blkio::IoCgroup>,
    pub memory: Option<crate::mm::MemcgId>,
    pub hugetlb: Option<hugetlb::HugetlbCgroup>,
}

impl CssStates {
    /// Forgets what a controller keeps.
    pub(super) fn forget(&mut self, controller: ControllerId) {
        self.works -= ControllerSet::only(controller);
        let mut nowhere = CssStates::default();
        self.move_fields(controller, &mut nowhere);
    }

    /// Hands what a controller keeps to another group.
    pub(super) fn move_to(&mut self, controller: ControllerId, to: &mut CssStates) {
        let set = ControllerSet::only(controller);
        self.works -= set;
        to.works |= set;
        self.move_fields(controller, to);
    }

    fn move_fields(&mut self, controller: ControllerId, to: &mut CssStates) {
        match controller {
            ControllerId::Devices => to.devices = self.devices.take(),
            ControllerId::Freezer => to.freezer = self.freezer.take(),
            ControllerId::Pids => to.pids = self.pids.take(),
            ControllerId::NetCls => to.net_cls = self.net_cls.take(),
            ControllerId::NetPrio => to.net_prio = self.net_prio.take(),
            ControllerId::Cpu => to.cpu = self.cpu.take(),
            ControllerId::Cpuacct => to.cpuacct = self.cpuacct.take(),
            ControllerId::Cpuset => to.cpuset = self.cpuset.take(),
            ControllerId::Io => to.io = self.io.take(),
            ControllerId::Memory => to.memory = self.memory.take(),
            ControllerId::Hugetlb => to.hugetlb = self.hugetlb.take(),
            ControllerId::PerfEvent | ControllerId::Rdma | ControllerId::Misc => {}
        }
    }
}

impl super::Cgroup {
    /// Whether a controller works in it.
    pub fn has_css(&self, controller: ControllerId) -> bool {
        self.css.works.has(controller)
    }
}

impl ControllerId {
    /// All controllers in the kernel's order.
    pub const ALL: [ControllerId; 14] = [
        ControllerId::Cpuset,
        ControllerId::Cpu,
        ControllerId::Cpuacct,
        ControllerId::Io,
        ControllerId::Memory,
        ControllerId::Devices,
        ControllerId::Freezer,
        ControllerId::NetCls,
        ControllerId::PerfEvent,
        ControllerId::NetPrio,
        ControllerId::Hugetlb,
        ControllerId::Pids,
        ControllerId::Rdma,
        ControllerId::Misc,
    ];

    /// Its name in version 2.
    pub fn name(self) -> &'static str {
        record(self).name
    }

    /// Its name in version 1.
    pub fn legacy_name(self) -> &'static str {
        record(self).legacy_name
    }
}

/// A set of controllers: bit N is the Nth of [`ControllerId::ALL`].
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct ControllerSet(pub u16);

impl ControllerSet {
    /// None.
    pub const EMPTY: ControllerSet = ControllerSet(0);
    /// All that there are.
    pub const ALL: ControllerSet = ControllerSet((1 << 14) - 1);
    /// memory alone.
    pub const MEMORY: ControllerSet = ControllerSet::only(ControllerId::Memory);
    /// perf_event alone.
    pub const PERF_EVENT: ControllerSet = ControllerSet::only(ControllerId::PerfEvent);
    const RDMA: ControllerSet = ControllerSet::only(ControllerId::Rdma);
    const MISC: ControllerSet = ControllerSet::only(ControllerId::Misc);

    /// This one and no other.
    pub const fn only(controller: ControllerId) -> ControllerSet {
        ControllerSet(1 << controller as u16)
    }

    /// Whether `controller` is in the set.
    pub const fn has(self, controller: ControllerId) -> bool {
        self.0 & (1 << controller as u16) != 0
    }

    /// Whether all of `other` are in the set.
    pub const fn contains(self, other: ControllerSet) -> bool {
        self.0 & other.0 == other.0
    }

    /// Whether there are none in it.
    pub const fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// Those in the set, in the kernel's order.
    pub fn iter(self) -> impl Iterator<Item = ControllerId> {
        ControllerId::ALL.into_iter().filter(move |c| self.has(*c))
    }

    /// Names in version 2 with spaces between them, as `cgroup.controllers` lists them.
    pub fn names(self) -> String {
        self.iter().map(ControllerId::name).collect::<Vec<_>>().join(" ")
    }

    /// Those that can work in a threaded domain.
    pub fn threaded(self) -> ControllerSet {
        ControllerSet(self.iter().filter(|c| record(*c).threaded).fold(0, |all, c| all | ControllerSet::only(c).0))
    }

    /// Those that version 2 can offer: that are not only for version 1 and do not work by themselves.
    pub fn visible_in_v2(self) -> ControllerSet {
        let visible = |c: &ControllerId| record(*c).in_v2 && *c != ControllerId::PerfEvent;
        ControllerSet(self.iter().filter(visible).fold(0, |all, c| all | ControllerSet::only(c).0))
    }
}

impl std::ops::BitOr for ControllerSet {
    type Output = ControllerSet;
    fn bitor(self, other: ControllerSet) -> ControllerSet {
        ControllerSet(self.0 | other.0)
    }
}

impl std::ops::BitOrAssign for ControllerSet {
    fn bitor_assign(&mut self, other: ControllerSet) {
        self.0 |= other.0;
    }
}

impl std::ops::BitAnd for ControllerSet {
    type Output = ControllerSet;
    fn bitand(self, other: ControllerSet) -> ControllerSet {
        ControllerSet(self.0 & other.0)
    }
}

impl std::ops::Sub for ControllerSet {
    type Output = ControllerSet;
    fn sub(self, other: ControllerSet) -> ControllerSet {
        ControllerSet(self.0 & !other.0)
    }
}

impl std::ops::SubAssign for ControllerSet {
    fn sub_assign(&mut self, other: ControllerSet) {
        self.0 &= !other.0;
    }
}
