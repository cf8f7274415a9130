//! A hypercall as a guest makes it, and what comes back. Source: `xen/include/public`, a header for each; the way through the
//! table is in [`dispatch`](super::dispatch).

use super::Refusal;
use super::domain::DomId;
use super::domctl::{DomainInfo, Domctl, VcpuInfo};
use super::event_channel::operations::PortStatus;
use super::grant_table::copy::GrantCopy;
use super::grant_table::map::{MapGrantRef, Mapped, UnmapGrantRef};
use super::grant_table::table::TableSize;
use super::grant_table::{GrantRef, GrantRefusal};
use super::hypercall::HypercallNumber;
use super::memory::MemoryOp;
use super::mm::mmuext::MmuextOp;
use super::mm::update::{Foreign, MmuUpdate};
use super::sched::SchedOp;
use super::sysctl::{Sysctl, Told};
use super::traps::{CallbackKind, GuestFrame, TrapInfo};
use super::vcpu::VcpuOp;
use crate::memory::{Hfn, Hpa};

/// A hypercall with its arguments.
#[derive(Clone, PartialEq, Debug)]
#[allow(missing_docs)] // the table of hypercalls says what each is for, and names the arguments
pub enum Hypercall {
    SetTrapTable(Vec<TrapInfo>),
    MmuUpdate {
        updates: Vec<MmuUpdate>,
        foreign: Foreign,
    },
    SetGdt {
        frames: Vec<Hfn>,
        entries: u32,
    },
    StackSwitch {
        ss: u16,
        esp: u64,
    },
    SetCallbacks {
        event: u64,
        failsafe: u64,
        syscall: u64,
    },
    FpuTaskswitch(bool),
    UpdateDescriptor {
        at: Hpa,
        descriptor: u64,
    },
    Multicall(Vec<Hypercall>),
    UpdateVaMapping {
        va: u64,
        val: u64,
        flags: u64,
    },
    UpdateVaMappingOtherdomain {
        va: u64,
        val: u64,
        flags: u64,
        domain: DomId,
    },
    SetTimerOp(u64),
    XenVersion(VersionOp),
    ConsoleIo(String),
    GrantTableOp(GrantTableOp),
    VmAssist {
        enable: bool,
        kind: u32,
    },
    Iret(GuestFrame),
    VcpuOp(VcpuOp, u32),
    SetSegmentBase {
        which: u32,
        value: u64,
    },
    MmuextOp {
        ops: Vec<MmuextOp>,
        foreign: Foreign,
    },
    SchedOp(SchedOp),
    CallbackOp {
        kind: CallbackKind,
        address: u64,
        masks_events: bool,
    },
    EventChannelOp(EventChannelOp),
    PhysdevOp(PhysdevOp),
    MemoryOp(MemoryOp),
    Domctl(Domctl),
    Sysctl(Sysctl),
    /// One of the table that the model does not have, by its number; or a number that the table does not have.
    Other(u32),
}

/// What is asked of event channels (`EVTCHNOP_...`).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
#[allow(missing_docs)] // each is the function of the same name
pub enum EventChannelOp {
    BindInterdomain { remote: DomId, port: u32 },
    BindVirq { virq: u32, vcpu: u32 },
    BindPirq(u32),
    Close(u32),
    Send(u32),
    Status { dom: DomId, port: u32 },
    AllocUnbound { dom: DomId, remote: DomId },
    BindIpi(u32),
    BindVcpu { port: u32, vcpu: u32 },
    Unmask(u32),
    Reset(DomId),
    InitControl(u32),
    ExpandArray,
    SetPriority { port: u32, priority: u8 },
}

impl EventChannelOp {
    /// The header's number.
    pub fn number(self) -> u32 {
        match self {
            EventChannelOp::BindInterdomain { .. } => 0,
            EventChannelOp::BindVirq { .. } => 1,
            EventChannelOp::BindPirq(_) => 2,
            EventChannelOp::Close(_) => 3,
            EventChannelOp::Send(_) => 4,
            EventChannelOp::Status { .. } => 5,
            EventChannelOp::AllocUnbound { .. } => 6,
            EventChannelOp::BindIpi(_) => 7,
            EventChannelOp::BindVcpu { .. } => 8,
            EventChannelOp::Unmask(_) => 9,
            EventChannelOp::Reset(_) => 10,
            EventChannelOp::InitControl(_) => 11,
            EventChannelOp::ExpandArray => 12,
            EventChannelOp::SetPriority { .. } => 13,
        }
    }
}

/// What is asked of grant tables (`GNTTABOP_...`).
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
#[allow(missing_docs)] // each is the function of the same name
pub enum GrantTableOp {
    Map(Vec<MapGrantRef>),
    Unmap(Vec<UnmapGrantRef>),
    SetupTable { dom: DomId, frames: u32 },
    Transfer { frame: Hfn, dom: DomId, gref: GrantRef },
    Copy(Vec<GrantCopy>),
    QuerySize(DomId),
    SetVersion(u32),
    GetVersion(DomId),
}

impl GrantTableOp {
    /// The header's number.
    pub fn number(&self) -> u32 {
        match self {
            GrantTableOp::Map(_) => 0,
            GrantTableOp::Unmap(_) => 1,
            GrantTableOp::SetupTable { .. } => 2,
            GrantTableOp::Transfer { .. } => 4,
            GrantTableOp::Copy(_) => 5,
            GrantTableOp::QuerySize(_) => 6,
            GrantTableOp::SetVersion(_) => 8,
            GrantTableOp::GetVersion(_) => 10,
        }
    }
}

/// Which Xen this is (`XENVER_...`).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum VersionOp {
    /// 0: major and minor number.
    Version,
    /// 1: what comes after them.
    Extraversion,
    /// 3: which guests it can run.
    Capabilities,
    /// 4: of which sources.
    Changeset,
    /// 5: where Xen begins in the address space.
    PlatformParameters,
    /// 6: features, a bit each, for a PV guest.
    GetFeatures,
    /// 7: the size of a page.
    Pagesize,
}

/// Physical devices (`PHYSDEVOP_...`).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum PhysdevOp {
    /// 12: the interrupt has been handled.
    Eoi(u32),
    /// 5: whether it must be acknowledged.
    IrqStatusQuery(u32),
    /// 6: the ring up to which IN and OUT are allowed.
    SetIopl(u32),
}

/// What comes back beside the number.
#[derive(Clone, PartialEq, Debug, Default)]
pub enum Output {
    /// Nothing.
    #[default]
    None,
    /// A port.
    Port(u32),
    /// What a port is.
    Status(PortStatus),
    /// How many updates or operations were done before the failure.
    Done(usize, Option<Refusal>),
    /// What each mapping gave.
    Mapped(Vec<Result<Mapped, GrantRefusal>>),
    /// How each operation on grants ended.
    Grants(Vec<Result<(), GrantRefusal>>),
    /// Frames.
    Frames(Vec<Hfn>),
    /// What is told of a domain.
    Domain(Box<DomainInfo>),
    /// What is told of a virtual processor.
    Vcpu(VcpuInfo),
    /// What is told of the machine.
    Machine(Told),
    /// The size of a grant table.
    Size(TableSize),
    /// A text.
    Text(&'static str),
    /// The result of each call of a multicall.
    Results(Vec<HypercallResult>),
}

/// The result of a hypercall: what RAX holds, and what was written to memory.
pub type HypercallResult = Result<(i64, Output), Refusal>;

impl Hypercall {
    /// Its number.
    pub fn number(&self) -> Result<HypercallNumber, u32> {
        use HypercallNumber as N;
        Ok(match self {
            Hypercall::SetTrapTable(_) => N::SetTrapTable,
            Hypercall::MmuUpdate { .. } => N::MmuUpdate,
            Hypercall::SetGdt { .. } => N::SetGdt,
            Hypercall::StackSwitch { .. } => N::StackSwitch,
            Hypercall::SetCallbacks { .. } => N::SetCallbacks,
            Hypercall::FpuTaskswitch(_) => N::FpuTaskswitch,
            Hypercall::UpdateDescriptor { .. } => N::UpdateDescriptor,
            Hypercall::Multicall(_) => N::Multicall,
            Hypercall::UpdateVaMapping { .. } => N::UpdateVaMapping,
            Hypercall::UpdateVaMappingOtherdomain { .. } => N::UpdateVaMappingOtherdomain,
            Hypercall::SetTimerOp(_) => N::SetTimerOp,
            Hypercall::XenVersion(_) => N::XenVersion,
            Hypercall::ConsoleIo(_) => N::ConsoleIo,
            Hypercall::GrantTableOp(_) => N::GrantTableOp,
            Hypercall::VmAssist { .. } => N::VmAssist,
            Hypercall::Iret(_) => N::Iret,
            Hypercall::VcpuOp(..) => N::VcpuOp,
            Hypercall::SetSegmentBase { .. } => N::SetSegmentBase,
            Hypercall::MmuextOp { .. } => N::MmuextOp,
            Hypercall::SchedOp(_) => N::SchedOp,
            Hypercall::CallbackOp { .. } => N::CallbackOp,
            Hypercall::EventChannelOp(_) => N::EventChannelOp,
            Hypercall::PhysdevOp(_) => N::PhysdevOp,
            Hypercall::MemoryOp(_) => N::MemoryOp,
            Hypercall::Domctl(_) => N::Domctl,
            Hypercall::Sysctl(_) => N::Sysctl,
            Hypercall::Other(number) => return HypercallNumber::from_number(*number).ok_or(*number),
        })
    }

    /// The command or count that goes with it, for those who look on.
    pub fn command(&self) -> u64 {
        match self {
            Hypercall::MmuUpdate { updates, .. } => updates.len() as u64,
            Hypercall::MmuextOp { ops, .. } => ops.len() as u64,
            Hypercall::Multicall(calls) => calls.len() as u64,
            Hypercall::GrantTableOp(op) => u64::from(op.number()),
            Hypercall::EventChannelOp(op) => u64::from(op.number()),
            Hypercall::SchedOp(op) => u64::from(op.number()),
            Hypercall::VcpuOp(op, _) => u64::from(op.number()),
            Hypercall::MemoryOp(op) => u64::from(op.number()),
            Hypercall::Domctl(op) => u64::from(op.number()),
            Hypercall::Sysctl(op) => u64::from(op.number()),
            _ => 0,
        }
    }
}
