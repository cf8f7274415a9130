//! What can be seen to happen. Events nest: a command contains system calls, a system call contains the
//! kernel's steps.
//!
//! Rule: the world is changed first and the event is emitted after, so that the world at an event shows
//! what the event says. Variants are in the past tense and carry the nouns that a picture needs.
//! What an event means, in one sentence with its source, is in [`explain`](crate::projection::explain).

use std::net::Ipv4Addr;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::block::event::BlockEvent;
use crate::cgroup::event::CgroupEvent;
use crate::console::ConsoleId;
use crate::ipc::sysv::IpcKind;
use crate::machine::report::{DeedKind, Report};
use crate::mm::event::MemoryEvent;
use crate::namespace::NsRef;
use crate::namespace::ipc::IpcNsId;
use crate::namespace::net::NetNsId;
use crate::namespace::pid::{Pid, PidNsId};
use crate::namespace::user::UserNsId;
use crate::net::device::NetDevId;
use crate::net::mac::Mac;
use crate::net::neighbour::NudState;
use crate::program::qemu::migration::event::MigrationEvent;
use crate::pv_ops::PvOp;
use crate::security::capability::Cap;
use crate::security::lsm::event::LsmEvent;
use crate::security::seccomp::Action;
use crate::syscall::{Call, CallResult, Sleep, Sysno};
use crate::task::sched::{CpuId, TaskGroupId};
use crate::task::signal::Signal;
use crate::task::{ExitStatus, TaskId};
use crate::time::Nanos;
use crate::tty::event::TtyEvent;
use crate::vfs::fd_table::Fd;
use crate::vfs::mount::MountId;

/// Something that happened.
#[derive(Clone, PartialEq, Debug, Serialize)]
pub struct Event {
    /// In which task; `None` when it came from outside or happened to nobody in particular.
    pub task: Option<TaskId>,
    /// When, in virtual time.
    pub at: Nanos,
    /// What.
    pub kind: EventKind,
}

/// How coarse a step is.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
pub enum Granularity {
    /// A command line at a console, or another action from outside.
    Command,
    /// A system call.
    Syscall,
    /// A step of the kernel inside a call.
    Micro,
}

/// What happened.
#[derive(Clone, PartialEq, Debug, Serialize)]
#[allow(missing_docs)] // the fields are the nouns of each variant's sentence
pub enum EventKind {
    // --- commands and other actions ---
    /// A command line was typed and the shell took it.
    CommandBegan { console: ConsoleId, text: Arc<str> },
    /// The shell was done with it and is at its prompt again.
    CommandEnded { console: ConsoleId, status: i32 },
    /// Ctrl-C.
    Interrupted { console: ConsoleId },
    /// A system call was asked for from outside.
    CallRequested { call: Call },
    /// Somebody let time pass.
    TimePassed { span: Nanos },
    /// A console was opened.
    ConsoleOpened { console: ConsoleId },

    // --- system calls ---
    /// A task entered the kernel.
    CallEntered { call: Call },
    /// A call had its result.
    CallReturned { call: Call, result: CallResult },
    /// A call went to sleep.
    CallSlept { call: Call, sleep: Sleep },
    /// Text reached a console.
    Output { console: ConsoleId, bytes: Arc<[u8]> },

    // --- the kernel's steps ---
    /// The scheduler let another task run on a processor.
    Switched { cpu: CpuId, from: Option<TaskId> },
    /// A processor ran out of tasks.
    Idled { cpu: CpuId, from: Option<TaskId> },
    /// A task went to another processor.
    Migrated { task: TaskId, from: CpuId, to: CpuId },
    /// A group was given a quota of processor time, or none.
    BandwidthSet { group: TaskGroupId, quota: Option<Nanos>, period: Nanos },
    /// A group had used its quota up and stopped on a processor until its period ends.
    Throttled { group: TaskGroupId, cpu: CpuId, used: Nanos, quota: Nanos, until: Nanos },
    /// A throttled group ran again.
    Unthrottled { group: TaskGroupId, cpu: CpuId, waited: Nanos },
    /// Every task slept, so time moved on to the next timer.
    ClockAdvanced { to: Nanos },
    /// A sleeper became runnable.
    Woken { task: TaskId },
    /// A privileged operation went to the machine below.
    Privileged { op: PvOp },
    /// A task was made.
    TaskCreated { child: TaskId, thread: bool },
    /// A number was handed out in one namespace.
    PidAllocated { ns: PidNsId, nr: Pid, task: TaskId },
    /// A number was given back.
    PidFreed { ns: PidNsId, nr: Pid },
    /// A number was looked up in a namespace: the context-sensitive lookup.
    PidLookedUp { ns: PidNsId, nr: Pid, found: Option<TaskId> },
    /// A new program took the task over.
    ProgramExecuted { path: Arc<str>, argv: Arc<[String]> },
    /// A task began to exit.
    Exited { task: TaskId, status: ExitStatus },
    /// A task's status was collected and it is gone.
    Reaped { task: TaskId, by: Option<TaskId> },
    /// A process got a new parent.
    Reparented { task: TaskId, to: TaskId },
    /// The init of a PID namespace died, and with it everybody in the namespace.
    PidNamespaceKilled { ns: PidNsId },
    /// A namespace came into being.
    NamespaceCreated { ns: NsRef, inum: u32 },
    /// A task moved into a namespace.
    NamespaceEntered { ns: NsRef, task: TaskId },
    /// The last reference to a namespace was dropped.
    NamespaceFreed { ns: NsRef, inum: u32 },
    /// The kernel asked whether a task has a capability in a user namespace.
    CapabilityChecked { cap: Cap, ns: UserNsId, granted: bool },
    /// Credentials changed.
    CredentialsChanged { task: TaskId },
    /// A task attached a filter of `instructions` instructions; it has `filters` now.
    SeccompAttached { filters: u32, instructions: u32 },
    /// Filters (or strict mode, without a number) said what becomes of a call, after so many instructions.
    SeccompDecided { nr: Sysno, action: Action, filter: Option<u32>, steps: u32 },
    /// An id map was written.
    IdMapWritten { ns: UserNsId, file: Arc<str>, text: Arc<str> },
    /// A name of a UTS namespace changed.
    NodenameSet { ns: crate::namespace::uts::UtsNsId, old: Arc<str>, new: Arc<str> },
    /// A network device was switched on or off.
    LinkChanged { ns: NetNsId, device: Arc<str>, up: bool },
    /// A network device can, or can no longer, reach what is at its other end.
    CarrierChanged { ns: NetNsId, device: Arc<str>, carrier: bool },
    /// A network device came into being.
    DeviceAdded { ns: NetNsId, device: Arc<str>, kind: Arc<str> },
    /// A network device is gone.
    DeviceRemoved { ns: NetNsId, device: Arc<str> },
    /// A network device moved to another namespace.
    DeviceMoved { from: NetNsId, to: NetNsId, device: Arc<str> },
    /// A network device has another name.
    DeviceRenamed { ns: NetNsId, old: Arc<str>, new: Arc<str> },
    /// A network device became a port of a bridge, or is none any more.
    PortChanged { ns: NetNsId, device: Arc<str>, bridge: Arc<str>, joined: bool },
    /// A bridge saw behind which port an address is.
    BridgeLearned { ns: NetNsId, bridge: Arc<str>, port: Arc<str>, mac: Mac },
    /// A network device got an address.
    AddressAdded { ns: NetNsId, device: Arc<str>, address: Ipv4Addr, prefix_len: u8 },
    /// An address was taken away from a network device.
    AddressRemoved { ns: NetNsId, device: Arc<str>, address: Ipv4Addr, prefix_len: u8 },
    /// A route was added or taken away.
    RouteChanged { ns: NetNsId, destination: Ipv4Addr, prefix_len: u8, gateway: Option<Ipv4Addr>, added: bool },
    /// More, or less, is known of a neighbour.
    NeighbourChanged { ns: NetNsId, device: Arc<str>, address: Ipv4Addr, state: NudState },
    /// Packets may, or may no longer, go through a namespace.
    ForwardingSet { ns: NetNsId, on: bool },
    /// A packet came one step further.
    PacketMoved {
        packet: u64,
        stage: PacketStage,
        ns: NetNsId,
        device: Option<NetDevId>,
        name: Arc<str>,
        what: Arc<str>,
    },
    /// A rule of the packet filter decided about a packet; rule 0 is the policy of the chain.
    RuleApplied {
        ns: NetNsId,
        table: Arc<str>,
        chain: Arc<str>,
        rule: u32,
        target: Arc<str>,
        packet: u64,
        what: Arc<str>,
    },
    /// A local socket got a name.
    SocketNamed { ns: NetNsId, socket: Arc<str>, name: Arc<str> },
    /// A local socket was connected to the one of this name.
    SocketConnected { ns: NetNsId, socket: Arc<str>, name: Arc<str> },
    /// An open file was sent to whoever reads a local socket.
    DescriptorSent { what: Arc<str> },
    /// The addresses of a packet were translated.
    PacketTranslated { ns: NetNsId, packet: u64, from: (Ipv4Addr, Ipv4Addr), to: (Ipv4Addr, Ipv4Addr), what: Arc<str> },
    /// A packet ended where it was.
    PacketDropped { packet: u64, ns: NetNsId, device: Option<NetDevId>, name: Arc<str>, what: Arc<str>, why: Arc<str> },
    /// A signal was sent.
    SignalSent { signal: Signal, to: TaskId },
    /// A signal was thrown away: ignored, or sent to an init that has no handler for it.
    SignalDropped { signal: Signal, to: TaskId, why: Arc<str> },
    /// A signal took effect.
    SignalDelivered { signal: Signal, to: TaskId, effect: SignalEffect },
    /// A name was looked up in a directory on the way along a path.
    PathWalked { path: Arc<str>, to: Arc<str> },
    /// A descriptor was opened.
    FdOpened { fd: Fd, what: Arc<str> },
    /// A descriptor was closed.
    FdClosed { fd: Fd },
    /// A mount was attached.
    Mounted { mount: MountId, place: Arc<str> },
    /// A mount was taken away.
    Unmounted { mount: MountId, place: Arc<str> },
    /// A mount was attached in another place of a peer group because of one here.
    MountPropagated { from: MountId, to: MountId },
    /// The propagation type of a mount changed.
    PropagationChanged { mount: MountId },
    /// A task's root directory changed.
    RootChanged { task: TaskId, path: Arc<str> },
    /// A directory, file, link or device was made.
    FileCreated { path: Arc<str> },
    /// A name was taken away.
    FileRemoved { path: Arc<str> },
    /// A System V object was made.
    IpcCreated { ns: IpcNsId, kind: IpcKind, id: i32 },
    /// A System V object was removed.
    IpcRemoved { ns: IpcNsId, kind: IpcKind, id: i32 },
    /// Bytes went into a file, pipe or setting.
    DataWritten { what: Arc<str>, bytes: u64 },
    /// A security module refused something, or its policy or a label changed.
    Lsm(LsmEvent),
    /// Something happened to a control group, or because of one.
    Cgroup(CgroupEvent),
    /// Something happened to memory: a charge, a limit, a kill.
    Memory(MemoryEvent),
    /// Something happened to a terminal.
    Tty(TtyEvent),
    /// Something happened at a disk.
    Block(BlockEvent),
    /// Something happened in the live migration of a guest, as the program tells that sends or takes it.
    Migration(MigrationEvent),
    /// Somebody outside makes a call to the machine below, in the name of a kernel on it.
    CalledBelow { who: u32, text: Arc<str> },
    /// The machine below tells what it did, or what happened in another kernel there.
    Machine(Report),
    /// Something that is not modelled was asked for.
    NotModelled { what: Arc<str> },
}

/// What a delivered signal did.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub enum SignalEffect {
    /// The process ends.
    Killed,
    /// The process stops.
    Stopped,
    /// The process goes on.
    Continued,
    /// A handler of the program runs.
    Handled,
}

/// How far a packet has come.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub enum PacketStage {
    /// It was made, and its way is known.
    Sent,
    /// It waits for the address of the next one on the link.
    Waiting,
    /// It left through a device.
    Transmitted,
    /// It came in at a device.
    Received,
    /// A bridge passes it on.
    Bridged,
    /// The host passes it on.
    Forwarded,
    /// It has arrived.
    Delivered,
}

impl EventKind {
    /// At which granularity this is a step.
    pub fn granularity(&self) -> Granularity {
        match self {
            EventKind::CommandBegan { .. }
            | EventKind::CommandEnded { .. }
            | EventKind::Interrupted { .. }
            | EventKind::CallRequested { .. }
            | EventKind::TimePassed { .. }
            | EventKind::CalledBelow { .. }
            | EventKind::ConsoleOpened { .. } => Granularity::Command,
            EventKind::CallEntered { .. }
            | EventKind::CallReturned { .. }
            | EventKind::CallSlept { .. }
            | EventKind::Output { .. } => Granularity::Syscall,
            EventKind::Machine(Report::Elsewhere { event, .. }) => event.kind.granularity(),
            _ => Granularity::Micro,
        }
    }

    /// The family that it belongs to, for the ribbon and for "run until".
    pub fn family(&self) -> Family {
        match self {
            EventKind::CommandBegan { .. }
            | EventKind::CommandEnded { .. }
            | EventKind::Interrupted { .. }
            | EventKind::CallRequested { .. }
            | EventKind::TimePassed { .. }
            | EventKind::CalledBelow { .. }
            | EventKind::ConsoleOpened { .. } => Family::Command,
            EventKind::CallEntered { .. } | EventKind::CallSlept { .. } => Family::Call,
            EventKind::CallReturned { result, .. } => {
                if result.is_err() {
                    Family::Error
                } else {
                    Family::Call
                }
            }
            EventKind::Output { .. } => Family::Output,
            EventKind::Switched { .. }
            | EventKind::Idled { .. }
            | EventKind::Migrated { .. }
            | EventKind::BandwidthSet { .. }
            | EventKind::Throttled { .. }
            | EventKind::Unthrottled { .. }
            | EventKind::ClockAdvanced { .. }
            | EventKind::Woken { .. }
            | EventKind::Privileged { .. } => Family::Scheduling,
            EventKind::TaskCreated { .. }
            | EventKind::ProgramExecuted { .. }
            | EventKind::Exited { .. }
            | EventKind::Reaped { .. }
            | EventKind::Reparented { .. } => Family::Process,
            EventKind::PidAllocated { .. } | EventKind::PidFreed { .. } | EventKind::PidLookedUp { .. } => Family::Pid,
            EventKind::PidNamespaceKilled { .. }
            | EventKind::NamespaceCreated { .. }
            | EventKind::NamespaceEntered { .. }
            | EventKind::NamespaceFreed { .. }
            | EventKind::IpcCreated { .. }
            | EventKind::IpcRemoved { .. }
            | EventKind::NodenameSet { .. } => Family::Namespace,
            EventKind::CapabilityChecked { .. }
            | EventKind::CredentialsChanged { .. }
            | EventKind::IdMapWritten { .. } => Family::Capability,
            EventKind::SeccompAttached { .. } | EventKind::SeccompDecided { .. } | EventKind::Lsm(_) => Family::Policy,
            EventKind::SignalSent { .. } | EventKind::SignalDropped { .. } | EventKind::SignalDelivered { .. } => {
                Family::Signal
            }
            EventKind::Mounted { .. }
            | EventKind::Unmounted { .. }
            | EventKind::MountPropagated { .. }
            | EventKind::PropagationChanged { .. }
            | EventKind::RootChanged { .. } => Family::Mount,
            EventKind::PathWalked { .. }
            | EventKind::FdOpened { .. }
            | EventKind::FdClosed { .. }
            | EventKind::DescriptorSent { .. }
            | EventKind::FileCreated { .. }
            | EventKind::FileRemoved { .. }
            | EventKind::DataWritten { .. } => Family::File,
            EventKind::Cgroup(_) => Family::Cgroup,
            EventKind::LinkChanged { .. }
            | EventKind::CarrierChanged { .. }
            | EventKind::DeviceAdded { .. }
            | EventKind::DeviceRemoved { .. }
            | EventKind::DeviceMoved { .. }
            | EventKind::DeviceRenamed { .. }
            | EventKind::PortChanged { .. }
            | EventKind::BridgeLearned { .. }
            | EventKind::AddressAdded { .. }
            | EventKind::AddressRemoved { .. }
            | EventKind::RouteChanged { .. }
            | EventKind::NeighbourChanged { .. }
            | EventKind::ForwardingSet { .. }
            | EventKind::PacketMoved { .. }
            | EventKind::RuleApplied { .. }
            | EventKind::PacketTranslated { .. }
            | EventKind::SocketNamed { .. }
            | EventKind::SocketConnected { .. }
            | EventKind::PacketDropped { .. } => Family::Network,
            EventKind::Memory(_) => Family::Memory,
            EventKind::Tty(_) => Family::Process,
            EventKind::Machine(Report::Elsewhere { event, .. }) => event.kind.family(),
            EventKind::Machine(Report::Did(deed)) => match deed.kind {
                DeedKind::Exit => Family::Exit,
                DeedKind::Walk => Family::Walk,
                DeedKind::Flush => Family::Tlb,
                _ => Family::Machine,
            },
            EventKind::Migration(_) => Family::Machine,
            EventKind::Block(_) => Family::File,
            EventKind::NotModelled { .. } => Family::NotModelled,
        }
    }
}

/// Families of events: one colour and one letter each in the timeline.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
#[allow(missing_docs)] // each is described by its label
pub enum Family {
    Command,
    Call,
    Error,
    Output,
    Process,
    Pid,
    Namespace,
    Capability,
    Policy,
    Signal,
    Mount,
    File,
    Network,
    Memory,
    Scheduling,
    Cgroup,
    Exit,
    Walk,
    Tlb,
    Machine,
    NotModelled,
}

impl Family {
    /// All families in the order of a legend.
    pub const ALL: [Family; 21] = [
        Family::Command,
        Family::Call,
        Family::Error,
        Family::Output,
        Family::Process,
        Family::Pid,
        Family::Namespace,
        Family::Capability,
        Family::Policy,
        Family::Signal,
        Family::Mount,
        Family::File,
        Family::Network,
        Family::Memory,
        Family::Scheduling,
        Family::Cgroup,
        Family::Exit,
        Family::Walk,
        Family::Tlb,
        Family::Machine,
        Family::NotModelled,
    ];

    /// What a legend calls it.
    pub fn label(self) -> &'static str {
        match self {
            Family::Command => "command",
            Family::Call => "system call",
            Family::Error => "failed call",
            Family::Output => "output",
            Family::Process => "process",
            Family::Pid => "pid",
            Family::Namespace => "namespace",
            Family::Capability => "capability check",
            Family::Policy => "security policy",
            Family::Signal => "signal",
            Family::Mount => "mount",
            Family::File => "file",
            Family::Network => "network",
            Family::Memory => "memory",
            Family::Scheduling => "scheduling",
            Family::Cgroup => "control group",
            Family::Exit => "VM exit",
            Family::Walk => "page walk",
            Family::Tlb => "TLB",
            Family::Machine => "machine",
            Family::NotModelled => "not modelled",
        }
    }

    /// Its place in [`Family::ALL`].
    pub fn index(self) -> usize {
        self as usize
    }
}
