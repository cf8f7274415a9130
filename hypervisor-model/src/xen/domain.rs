//! Domains: what Xen knows of a guest, and of each of its virtual processors.
//!
//! Source: Xen master (c447b7308b13), `xen/include/xen/sched.h`, `xen/include/public/xen.h`, `domctl.h`.

use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Serialize};

use super::event_channel::EventChannels;
use super::grant_table::GrantTable;
use super::sched::credit::SchedUnit;
use super::traps::TrapTable;
use super::vcpu::VcpuTimer;
use crate::memory::Hfn;

/// The number of a domain.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default, Serialize, Deserialize)]
pub struct DomId(pub u16);

impl DomId {
    /// Domain 0: built by Xen at boot, with the hardware and the toolstack.
    pub const DOM0: DomId = DomId(0);
    /// The caller itself (`DOMID_SELF`).
    pub const SELF: DomId = DomId(0x7ff0);
    /// Frames that are no memory: devices (`DOMID_IO`).
    pub const IO: DomId = DomId(0x7ff1);
    /// Frames of Xen itself (`DOMID_XEN`).
    pub const XEN: DomId = DomId(0x7ff2);
    /// Frames shared by copy on write (`DOMID_COW`).
    pub const COW: DomId = DomId(0x7ff3);
    /// No domain (`DOMID_INVALID`).
    pub const INVALID: DomId = DomId(0x7ff4);
    /// The first number that is reserved (`DOMID_FIRST_RESERVED`).
    pub const FIRST_RESERVED: DomId = DomId(0x7ff0);
}

impl fmt::Display for DomId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "d{}", self.0)
    }
}

/// A virtual processor of a domain: who makes a hypercall.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default, Serialize, Deserialize)]
pub struct VcpuId {
    /// The domain.
    pub domain: DomId,
    /// The number of the processor in it.
    pub vcpu: u32,
}

impl VcpuId {
    /// A domain's first processor.
    pub const fn first(domain: DomId) -> VcpuId {
        VcpuId { domain, vcpu: 0 }
    }
}

impl fmt::Display for VcpuId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}v{}", self.domain, self.vcpu)
    }
}

/// How a guest runs.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
pub enum GuestKind {
    /// Paravirtual, 32 bit: kernel in ring 1, programs in ring 3, Xen above both.
    Pv32,
    /// Paravirtual, 64 bit: kernel and programs in ring 3, each with its own page table.
    Pv64,
    /// In a container of VT-x or AMD-V.
    Hvm,
}

impl GuestKind {
    /// Whether the guest's page tables are the ones that the processor walks.
    pub fn is_pv(self) -> bool {
        self != GuestKind::Hvm
    }
}

/// Why a domain has shut down (`SHUTDOWN_...`, `xen/include/public/sched.h`).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
#[allow(missing_docs)] // each is described by its name
pub enum ShutdownReason {
    Poweroff = 0,
    Reboot = 1,
    Suspend = 2,
    Crash = 3,
    Watchdog = 4,
    SoftReset = 5,
}

impl ShutdownReason {
    /// The reason with a number.
    pub fn from_number(number: u32) -> Option<ShutdownReason> {
        use ShutdownReason::*;
        [Poweroff, Reboot, Suspend, Crash, Watchdog, SoftReset].into_iter().find(|reason| *reason as u32 == number)
    }
}

/// The start-info page: what the builder tells a PV guest (`struct start_info`).
#[derive(Clone, PartialEq, Eq, Hash, Debug, Default, Serialize, Deserialize)]
pub struct StartInfo {
    /// `xen-3.0-x86_64`, `xen-3.0-x86_32p`.
    pub magic: String,
    /// Pages of the guest.
    pub nr_pages: u64,
    /// Machine address of the shared-info page.
    pub shared_info: u64,
    /// `SIF_PRIVILEGED` 1, `SIF_INITDOMAIN` 2.
    pub flags: u32,
    /// Frame of the ring to xenstore.
    pub store_mfn: Hfn,
    /// Port of the channel to xenstore.
    pub store_evtchn: u32,
    /// Frame of the ring to the console.
    pub console_mfn: Hfn,
    /// Port of the channel to the console.
    pub console_evtchn: u32,
    /// Virtual address of the first top-level table.
    pub pt_base: u64,
    /// Frames of page tables that the builder made.
    pub nr_pt_frames: u64,
    /// Virtual address of the list from pseudo-physical to machine frames.
    pub mfn_list: u64,
    /// The command line.
    pub cmd_line: String,
}

/// What Xen knows of a virtual processor.
#[derive(Clone, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
pub struct Vcpu {
    /// It has been started (`VCPUOP_up`), and not taken down.
    pub is_up: bool,
    /// Its registers have been given (`VCPUOP_initialise`, the builder).
    pub is_initialised: bool,
    /// It sleeps until an event is due (`SCHEDOP_block`).
    pub is_blocked: bool,
    /// It sleeps until one of these ports is pending (`SCHEDOP_poll`).
    pub polls: Option<Vec<u32>>,
    /// `vcpu_info.evtchn_upcall_pending`: some selector bit is set.
    pub upcall_pending: bool,
    /// `vcpu_info.evtchn_upcall_mask`: no upcall now; what the interrupt flag is to a bare kernel.
    pub upcall_mask: bool,
    /// `vcpu_info.evtchn_pending_sel`: a bit for each word of pending ports.
    pub pending_sel: u64,
    /// Which port each per-processor or global virtual interrupt is bound to.
    pub virq_to_evtchn: BTreeMap<u32, u32>,
    /// Handlers of exceptions.
    pub traps: TrapTable,
    /// Stack on which the guest's kernel is entered: selector and pointer.
    pub kernel_stack: (u16, u64),
    /// The last load of CR0.TS.
    pub is_fpu_off: bool,
    /// In the guest's programs, not in its kernel.
    pub in_user_mode: bool,
    /// The top-level table in use (`guest_table`).
    pub cr3: Option<Hfn>,
    /// The top-level table for user mode on 64 bit (`guest_table_user`).
    pub user_cr3: Option<Hfn>,
    /// Bases of FS, GS as the kernel has it, GS as programs have it.
    pub segment_bases: [u64; 3],
    /// Frames of the descriptor table.
    pub gdt_frames: Vec<Hfn>,
    /// Its timers.
    pub timer: VcpuTimer,
    /// What the scheduler keeps of it.
    pub unit: SchedUnit,
}

impl Vcpu {
    /// A processor that has not been started.
    pub fn new() -> Vcpu {
        Vcpu {
            is_up: false,
            is_initialised: false,
            is_blocked: false,
            polls: None,
            upcall_pending: false,
            upcall_mask: true,
            pending_sel: 0,
            virq_to_evtchn: BTreeMap::new(),
            traps: TrapTable::default(),
            kernel_stack: (0, 0),
            is_fpu_off: false,
            in_user_mode: false,
            cr3: None,
            user_cr3: None,
            segment_bases: [0; 3],
            gdt_frames: Vec::new(),
            timer: VcpuTimer::default(),
            unit: SchedUnit::default(),
        }
    }

    /// Whether it has something to do: what a scheduler asks.
    pub fn is_runnable(&self) -> bool {
        self.is_up && !self.is_blocked && self.polls.is_none()
    }
}

impl Default for Vcpu {
    fn default() -> Self {
        Vcpu::new()
    }
}

/// A domain.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct Domain {
    /// Its number.
    pub id: DomId,
    /// How it runs.
    pub kind: GuestKind,
    /// Its handle, a UUID of 16 bytes, chosen by the toolstack.
    pub handle: [u8; 16],
    /// It may do what the toolstack does (`is_privileged`: domain 0).
    pub is_privileged: bool,
    /// For whom it is a device model or stub: it may act on that domain as a privileged one would.
    pub target: Option<DomId>,
    /// It is being taken apart.
    pub is_dying: bool,
    /// How often it has been paused by the toolstack and not unpaused.
    pub pause_count: u32,
    /// Why it has shut down.
    pub shutdown: Option<ShutdownReason>,
    /// Why it will have ended, said beforehand (`SCHEDOP_shutdown_code`); the first reason stays.
    pub shutdown_code: Option<ShutdownReason>,
    /// Its processors.
    pub vcpus: Vec<Vcpu>,
    /// How many frames it may have.
    pub max_pages: u64,
    /// How many it has.
    pub tot_pages: u64,
    /// Its event channels.
    pub channels: EventChannels,
    /// What it lends, and what it has borrowed.
    pub grants: GrantTable,
    /// Physical interrupts that it may use.
    pub pirqs: Vec<u32>,
    /// The port that each physical interrupt is bound to.
    pub pirq_to_evtchn: BTreeMap<u32, u32>,
    /// Frames of devices that it may map, as ranges.
    pub iomem: Vec<(u64, u64)>,
    /// Frame of the shared-info page.
    pub shared_info: Option<Hfn>,
    /// What the builder told it.
    pub start_info: StartInfo,
    /// Helps that it has asked for (`vm_assist`), a bit each.
    pub assists: u32,
    /// Weight and cap for the scheduler.
    pub weight: u16,
    /// Percent of one processor that it may use at most; 0 for no limit.
    pub cap: u16,
}

impl Domain {
    /// A domain without memory and with processors that are down.
    pub fn new(id: DomId, kind: GuestKind, vcpus: u32) -> Domain {
        Domain {
            id,
            kind,
            handle: [0; 16],
            is_privileged: id == DomId::DOM0,
            target: None,
            is_dying: false,
            pause_count: 0,
            shutdown: None,
            shutdown_code: None,
            vcpus: (0..vcpus).map(|_| Vcpu::new()).collect(),
            max_pages: 0,
            tot_pages: 0,
            channels: EventChannels::new(kind),
            grants: GrantTable::default(),
            pirqs: Vec::new(),
            pirq_to_evtchn: BTreeMap::new(),
            iomem: Vec::new(),
            shared_info: None,
            start_info: StartInfo::default(),
            assists: 0,
            weight: 256,
            cap: 0,
        }
    }

    /// A processor by number (`domain_vcpu`).
    pub fn vcpu(&self, number: u32) -> Option<&Vcpu> {
        self.vcpus.get(number as usize)
    }

    /// A processor by number, to be changed.
    pub fn vcpu_mut(&mut self, number: u32) -> Option<&mut Vcpu> {
        self.vcpus.get_mut(number as usize)
    }

    /// Whether it may map a frame of a device (`iomem_access_permitted`).
    pub fn may_map_device(&self, frame: u64) -> bool {
        self.iomem.iter().any(|(first, last)| (*first..=*last).contains(&frame))
    }

    /// Whether the scheduler may choose it.
    pub fn may_run(&self) -> bool {
        self.pause_count == 0 && self.shutdown.is_none() && !self.is_dying
    }
}
