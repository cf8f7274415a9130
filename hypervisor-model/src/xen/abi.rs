//! Hypercalls as structures of named numbers: how a program in domain 0 hands one to `/dev/xen/privcmd`, and how one is typed.
//! The names of commands and fields are those of `xen/include/public`.
//!
//! `{op: 32, cmd: 4, port: 3}` is `event_channel_op`, `EVTCHNOP_send`. A hypercall without commands has no `cmd`. A field that
//! is missing is 0; a domain that is missing is `DOMID_SELF`.

use kernel_model::errno::Errno;
use kernel_model::syscall::Value;

use super::call::{EventChannelOp as Ev, GrantTableOp as Gr, Hypercall, Output, VersionOp};
use super::domain::{DomId, GuestKind};
use super::domctl::{DomainInfo, Domctl};
use super::event_channel::PortState;
use super::grant_table::map::{MapGrantRef, UnmapGrantRef};
use super::hypercall::HypercallNumber as N;
use super::memory::MemoryOp;
use super::mm::mmuext::MmuextOp as Ext;
use super::mm::update::{Foreign, MmuUpdate};
use super::sched::SchedOp;
use super::sysctl::{Sysctl, Told};
use super::vcpu::VcpuOp;
use crate::memory::{Gfn, Hfn};

/// A command of a hypercall: which, its number and name, and the fields that it looks at.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Command {
    /// The hypercall.
    pub call: N,
    /// `cmd`; 0 for a hypercall without commands.
    pub cmd: u32,
    /// The command's name in its header, in small letters; empty for a hypercall without commands.
    pub name: &'static str,
    /// The fields, in the order in which they may be typed.
    pub fields: &'static [&'static str],
}

macro_rules! commands {
    ($($call:ident $cmd:literal $name:literal [$($field:literal),*];)+) => {
        /// Every command that has this form.
        pub static COMMANDS: &[Command] =
            &[$(Command { call: N::$call, cmd: $cmd, name: $name, fields: &[$($field),*] },)+];
    };
}

commands! {
    MmuUpdate 0 "" ["ptr", "val", "foreigndom"];
    StackSwitch 0 "" ["ss", "esp"];
    FpuTaskswitch 0 "" ["set"];
    MemoryOp 0 "increase_reservation" ["domid", "nr_extents"];
    MemoryOp 1 "decrease_reservation" ["domid", "extent"];
    MemoryOp 2 "maximum_ram_page" [];
    MemoryOp 3 "current_reservation" ["domid"];
    MemoryOp 4 "maximum_reservation" ["domid"];
    MemoryOp 6 "populate_physmap" ["domid", "nr_extents", "gpfn"];
    UpdateVaMapping 0 "" ["va", "val", "flags"];
    UpdateVaMappingOtherdomain 0 "" ["va", "val", "flags", "domid"];
    SetTimerOp 0 "" ["timeout"];
    XenVersion 0 "version" [];
    XenVersion 1 "extraversion" [];
    XenVersion 3 "capabilities" [];
    XenVersion 4 "changeset" [];
    XenVersion 5 "platform_parameters" [];
    XenVersion 6 "get_features" [];
    XenVersion 7 "pagesize" [];
    ConsoleIo 0 "write" ["buffer"];
    GrantTableOp 0 "map_grant_ref" ["dom", "ref", "flags", "host_addr"];
    GrantTableOp 1 "unmap_grant_ref" ["handle", "host_addr"];
    GrantTableOp 2 "setup_table" ["dom", "nr_frames"];
    GrantTableOp 4 "transfer" ["mfn", "domid", "ref"];
    GrantTableOp 6 "query_size" ["dom"];
    GrantTableOp 8 "set_version" ["version"];
    GrantTableOp 10 "get_version" ["dom"];
    VcpuOp 1 "up" ["vcpu"];
    VcpuOp 2 "down" ["vcpu"];
    VcpuOp 3 "is_up" ["vcpu"];
    VcpuOp 7 "stop_periodic_timer" ["vcpu"];
    VcpuOp 8 "set_singleshot_timer" ["vcpu", "timeout_abs_ns", "flags"];
    VcpuOp 9 "stop_singleshot_timer" ["vcpu"];
    SetSegmentBase 0 "" ["which", "value"];
    MmuextOp 0 "pin_l1_table" ["mfn", "foreigndom"];
    MmuextOp 1 "pin_l2_table" ["mfn", "foreigndom"];
    MmuextOp 2 "pin_l3_table" ["mfn", "foreigndom"];
    MmuextOp 3 "pin_l4_table" ["mfn", "foreigndom"];
    MmuextOp 4 "unpin_table" ["mfn", "foreigndom"];
    MmuextOp 5 "new_baseptr" ["mfn", "foreigndom"];
    MmuextOp 6 "tlb_flush_local" [];
    MmuextOp 7 "invlpg_local" ["linear_addr"];
    MmuextOp 10 "tlb_flush_all" [];
    MmuextOp 15 "new_user_baseptr" ["mfn"];
    MmuextOp 16 "clear_page" ["mfn"];
    MmuextOp 17 "copy_page" ["mfn", "src_mfn"];
    SchedOp 0 "yield" [];
    SchedOp 1 "block" [];
    SchedOp 2 "shutdown" ["reason"];
    SchedOp 3 "poll" ["port"];
    EventChannelOp 0 "bind_interdomain" ["remote_dom", "remote_port"];
    EventChannelOp 1 "bind_virq" ["virq", "vcpu"];
    EventChannelOp 2 "bind_pirq" ["pirq"];
    EventChannelOp 3 "close" ["port"];
    EventChannelOp 4 "send" ["port"];
    EventChannelOp 5 "status" ["dom", "port"];
    EventChannelOp 6 "alloc_unbound" ["dom", "remote_dom"];
    EventChannelOp 7 "bind_ipi" ["vcpu"];
    EventChannelOp 8 "bind_vcpu" ["port", "vcpu"];
    EventChannelOp 9 "unmask" ["port"];
    EventChannelOp 10 "reset" ["dom"];
    Sysctl 1 "readconsole" ["clear"];
    Sysctl 3 "physinfo" [];
    Sysctl 4 "sched_id" [];
    Sysctl 6 "getdomaininfolist" ["first_domain", "max_domains"];
    Sysctl 7 "debug_keys" ["keys"];
    Domctl 1 "createdomain" ["max_vcpus", "handle"];
    Domctl 2 "destroydomain" ["domain"];
    Domctl 3 "pausedomain" ["domain"];
    Domctl 4 "unpausedomain" ["domain"];
    Domctl 5 "getdomaininfo" ["domain"];
    Domctl 11 "max_mem" ["domain", "max_memkb"];
    Domctl 13 "setvcpucontext" ["domain", "vcpu"];
    Domctl 14 "getvcpuinfo" ["domain", "vcpu"];
    Domctl 16 "scheduler_op" ["domain", "weight", "cap"];
    Domctl 30 "resumedomain" ["domain"];
}

/// Frames that one `populate_physmap` can give.
const MAX_EXTENTS: u64 = 1 << 20;

/// The fields of a structure.
struct Fields<'a>(&'a Value);

impl Fields<'_> {
    fn u64(&self, name: &str) -> u64 {
        self.0.field(name).and_then(Value::as_int).unwrap_or(0) as u64
    }

    fn u32(&self, name: &str) -> u32 {
        self.u64(name) as u32
    }

    fn domain(&self, name: &str) -> DomId {
        self.0.field(name).and_then(Value::as_int).map_or(DomId::SELF, |id| DomId(id as u16))
    }

    fn frame(&self, name: &str) -> Hfn {
        Hfn(self.u64(name))
    }

    fn text(&self, name: &str) -> String {
        self.0.field(name).and_then(Value::as_str).unwrap_or_default().to_owned()
    }
}

/// The hypercall that a structure means.
///
/// # Errors
/// ENOSYS: there is none, or its command has not this form.
pub fn decode(value: &Value) -> Result<Hypercall, Errno> {
    let f = Fields(value);
    let number = N::from_number(f.u32("op")).ok_or(Errno::ENOSYS)?;
    let cmd = f.u32("cmd");
    let vcpu = f.u32("vcpu");
    Ok(match number {
        N::MmuUpdate => Hypercall::MmuUpdate {
            updates: vec![MmuUpdate { ptr: f.u64("ptr"), val: f.u64("val") }],
            foreign: Foreign { frames: f.domain("foreigndom"), ..Foreign::NONE },
        },
        N::StackSwitch => Hypercall::StackSwitch { ss: f.u32("ss") as u16, esp: f.u64("esp") },
        N::FpuTaskswitch => Hypercall::FpuTaskswitch(f.u64("set") != 0),
        N::MemoryOp => Hypercall::MemoryOp(memory_op(cmd, &f)?),
        N::UpdateVaMapping => Hypercall::UpdateVaMapping { va: f.u64("va"), val: f.u64("val"), flags: f.u64("flags") },
        N::UpdateVaMappingOtherdomain => Hypercall::UpdateVaMappingOtherdomain {
            va: f.u64("va"),
            val: f.u64("val"),
            flags: f.u64("flags"),
            domain: f.domain("domid"),
        },
        N::SetTimerOp => Hypercall::SetTimerOp(f.u64("timeout")),
        N::XenVersion => Hypercall::XenVersion(version_op(cmd)?),
        N::ConsoleIo if cmd == 0 => Hypercall::ConsoleIo(f.text("buffer")),
        N::GrantTableOp => Hypercall::GrantTableOp(grant_op(cmd, &f)?),
        N::VcpuOp => Hypercall::VcpuOp(vcpu_op(cmd, &f)?, vcpu),
        N::SetSegmentBase => Hypercall::SetSegmentBase { which: f.u32("which"), value: f.u64("value") },
        N::MmuextOp => Hypercall::MmuextOp {
            ops: vec![mmuext_op(cmd, &f)?],
            foreign: Foreign { frames: f.domain("foreigndom"), ..Foreign::NONE },
        },
        N::SchedOp => Hypercall::SchedOp(match cmd {
            0 => SchedOp::Yield,
            1 => SchedOp::Block,
            2 => SchedOp::Shutdown(f.u32("reason")),
            3 => SchedOp::Poll(vec![f.u32("port")]),
            _ => return Err(Errno::ENOSYS),
        }),
        N::EventChannelOp => Hypercall::EventChannelOp(event_channel_op(cmd, &f)?),
        N::Sysctl => Hypercall::Sysctl(match cmd {
            1 => Sysctl::ReadConsole(f.u64("clear") != 0),
            3 => Sysctl::Physinfo,
            4 => Sysctl::SchedId,
            6 => Sysctl::GetDomainInfoList(DomId(f.u32("first_domain") as u16), f.u32("max_domains")),
            7 => Sysctl::DebugKeys(f.text("keys")),
            _ => return Err(Errno::ENOSYS),
        }),
        N::Domctl => Hypercall::Domctl(domctl(cmd, &f)?),
        other => Hypercall::Other(other.number()),
    })
}

fn memory_op(cmd: u32, f: &Fields<'_>) -> Result<MemoryOp, Errno> {
    let domain = f.domain("domid");
    let count = f.u64("nr_extents").min(MAX_EXTENTS);
    Ok(match cmd {
        0 => MemoryOp::IncreaseReservation { domain, count },
        1 => MemoryOp::DecreaseReservation { domain, frames: vec![f.frame("extent")] },
        2 => MemoryOp::MaximumRamPage,
        3 => MemoryOp::CurrentReservation(domain),
        4 => MemoryOp::MaximumReservation(domain),
        6 => {
            let first = f.u64("gpfn");
            MemoryOp::PopulatePhysmap { domain, frames: (first..first.saturating_add(count)).map(Gfn).collect() }
        }
        _ => return Err(Errno::ENOSYS),
    })
}

fn version_op(cmd: u32) -> Result<VersionOp, Errno> {
    Ok(match cmd {
        0 => VersionOp::Version,
        1 => VersionOp::Extraversion,
        3 => VersionOp::Capabilities,
        4 => VersionOp::Changeset,
        5 => VersionOp::PlatformParameters,
        6 => VersionOp::GetFeatures,
        7 => VersionOp::Pagesize,
        _ => return Err(Errno::ENOSYS),
    })
}

fn grant_op(cmd: u32, f: &Fields<'_>) -> Result<Gr, Errno> {
    let (gref, host_addr, flags) = (f.u32("ref"), f.u64("host_addr"), f.u32("flags"));
    Ok(match cmd {
        0 => Gr::Map(vec![MapGrantRef { host_addr, flags, gref, dom: f.domain("dom") }]),
        1 => Gr::Unmap(vec![UnmapGrantRef { host_addr, dev_bus_addr: 0, handle: f.u32("handle") }]),
        2 => Gr::SetupTable { dom: f.domain("dom"), frames: f.u32("nr_frames") },
        4 => Gr::Transfer { frame: f.frame("mfn"), dom: f.domain("domid"), gref },
        6 => Gr::QuerySize(f.domain("dom")),
        8 => Gr::SetVersion(f.u32("version")),
        10 => Gr::GetVersion(f.domain("dom")),
        _ => return Err(Errno::ENOSYS),
    })
}

fn vcpu_op(cmd: u32, f: &Fields<'_>) -> Result<VcpuOp, Errno> {
    Ok(match cmd {
        1 => VcpuOp::Up,
        2 => VcpuOp::Down,
        3 => VcpuOp::IsUp,
        7 => VcpuOp::StopPeriodicTimer,
        8 => VcpuOp::SetSingleshotTimer(f.u64("timeout_abs_ns"), f.u64("flags") & 1 != 0),
        9 => VcpuOp::StopSingleshotTimer,
        _ => return Err(Errno::ENOSYS),
    })
}

fn mmuext_op(cmd: u32, f: &Fields<'_>) -> Result<Ext, Errno> {
    let mfn = f.frame("mfn");
    Ok(match cmd {
        0..=3 => Ext::PinTable(cmd as u8 + 1, mfn),
        4 => Ext::UnpinTable(mfn),
        5 => Ext::NewBaseptr(mfn),
        6 => Ext::TlbFlushLocal,
        7 => Ext::InvlpgLocal(f.u64("linear_addr")),
        10 => Ext::TlbFlushAll,
        15 => Ext::NewUserBaseptr(mfn),
        16 => Ext::ClearPage(mfn),
        17 => Ext::CopyPage(mfn, f.frame("src_mfn")),
        _ => return Err(Errno::ENOSYS),
    })
}

fn event_channel_op(cmd: u32, f: &Fields<'_>) -> Result<Ev, Errno> {
    let (port, vcpu) = (f.u32("port"), f.u32("vcpu"));
    Ok(match cmd {
        0 => Ev::BindInterdomain { remote: f.domain("remote_dom"), port: f.u32("remote_port") },
        1 => Ev::BindVirq { virq: f.u32("virq"), vcpu },
        2 => Ev::BindPirq(f.u32("pirq")),
        3 => Ev::Close(port),
        4 => Ev::Send(port),
        5 => Ev::Status { dom: f.domain("dom"), port },
        6 => Ev::AllocUnbound { dom: f.domain("dom"), remote: f.domain("remote_dom") },
        7 => Ev::BindIpi(vcpu),
        8 => Ev::BindVcpu { port, vcpu },
        9 => Ev::Unmask(port),
        10 => Ev::Reset(f.domain("dom")),
        _ => return Err(Errno::ENOSYS),
    })
}

fn domctl(cmd: u32, f: &Fields<'_>) -> Result<Domctl, Errno> {
    let domain = f.domain("domain");
    Ok(match cmd {
        1 => {
            let mut handle = [0; 16];
            handle.iter_mut().zip(f.text("handle").bytes()).for_each(|(to, from)| *to = from);
            Domctl::Create {
                kind: GuestKind::Pv64,
                vcpus: f.u32("max_vcpus"),
                handle,
                max_port: super::event_channel::DEFAULT_MAX_PORT,
                max_grant_frames: super::grant_table::MAX_FRAMES,
            }
        }
        2 => Domctl::Destroy(domain),
        3 => Domctl::Pause(domain),
        4 => Domctl::Unpause(domain),
        5 => Domctl::GetInfo(domain),
        11 => Domctl::MaxMem(domain, f.u64("max_memkb")),
        13 => Domctl::SetVcpuContext(domain, f.u32("vcpu")),
        14 => Domctl::GetVcpuInfo(domain, f.u32("vcpu")),
        16 => {
            let shares = f.0.field("weight").map(|_| (f.u32("weight") as u16, f.u32("cap") as u16));
            Domctl::Scheduler(domain, shares)
        }
        30 => Domctl::Resume(domain),
        _ => return Err(Errno::ENOSYS),
    })
}

/// What a hypercall has written into its arguments, as a structure; none if it has not.
pub fn encode(output: &Output) -> Option<Value> {
    let one = |name, value: Value| Some(Value::record([(name, value)]));
    match output {
        Output::None | Output::Done(..) | Output::Results(_) => None,
        Output::Port(port) => one("port", (*port).into()),
        Output::Status(status) => {
            let (state, dom, port, number) = match status.state {
                None => (0, 0, 0, 0),
                Some(PortState::Unbound { remote }) => (1, remote.0, 0, 0),
                Some(PortState::Interdomain { remote, port }) => (2, remote.0, port, 0),
                Some(PortState::Pirq(pirq)) => (3, 0, 0, pirq),
                Some(PortState::Virq(virq)) => (4, 0, 0, virq),
                Some(PortState::Ipi) => (5, 0, 0, 0),
            };
            Some(Value::record([
                ("status", state.into()),
                ("vcpu", status.vcpu.into()),
                ("dom", i64::from(dom).into()),
                ("port", port.into()),
                ("number", number.into()),
            ]))
        }
        Output::Mapped(mapped) => match mapped.first()? {
            Ok(mapped) => Some(Value::record([
                ("status", 0.into()),
                ("handle", mapped.handle.into()),
                ("dev_bus_addr", mapped.dev_bus_addr.into()),
            ])),
            Err(refusal) => one("status", i64::from(refusal.status as i16).into()),
        },
        Output::Grants(results) => {
            let status = results.first()?.as_ref().map_or_else(|refusal| refusal.status as i16, |()| 0);
            one("status", i64::from(status).into())
        }
        Output::Frames(frames) => match frames.as_slice() {
            [] => None,
            [first, ..] => one("first_frame", first.0.into()),
        },
        Output::Domain(info) => Some(domain_info(info)),
        Output::Vcpu(info) => Some(Value::record([
            ("online", i64::from(info.is_online).into()),
            ("blocked", i64::from(info.is_blocked).into()),
            ("running", i64::from(info.is_running).into()),
            ("cpu_time", info.cpu_time.into()),
        ])),
        Output::Size(size) => {
            Some(Value::record([("nr_frames", size.frames.into()), ("max_nr_frames", size.max_frames.into())]))
        }
        Output::Text(text) => one("text", Value::str(*text)),
        Output::Machine(Told::Nothing) => None,
        Output::Machine(Told::Text(text)) => one("text", Value::str(text.as_str())),
        Output::Machine(Told::Machine(info)) => Some(Value::record([
            ("nr_cpus", info.nr_cpus.into()),
            ("total_pages", info.total_pages.into()),
            ("free_pages", info.free_pages.into()),
        ])),
        Output::Machine(Told::Domains(infos)) => one("domains", Value::List(infos.iter().map(domain_info).collect())),
    }
}

/// `XEN_DOMINF_*`.
fn domain_info(info: &DomainInfo) -> Value {
    let flags = [
        (info.is_dying, 0),
        (info.shutdown.is_some(), 2),
        (info.is_paused, 3),
        (info.is_blocked, 4),
        (info.is_running, 5),
    ];
    let flags: i64 = flags.iter().map(|(is_so, bit)| i64::from(*is_so) << bit).sum();
    let reason = info.shutdown.map_or(0, |reason| reason as i64);
    Value::record([
        ("domain", i64::from(info.domain.0).into()),
        ("flags", (flags | reason << 16).into()),
        ("tot_pages", info.tot_pages.into()),
        ("max_pages", info.max_pages.into()),
        ("cpu_time", info.cpu_time.into()),
        ("nr_online_vcpus", info.online_vcpus.into()),
        ("weight", i64::from(info.shares.0).into()),
        ("cap", i64::from(info.shares.1).into()),
    ])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_command_of_the_table_is_a_hypercall_of_its_number() {
        for command in COMMANDS {
            let value = Value::record([
                ("op", command.call.number().into()),
                ("cmd", command.cmd.into()),
                ("domain", 1.into()),
                ("weight", 256.into()),
            ]);
            let call = decode(&value).unwrap_or_else(|e| panic!("{command:?}: {e}"));
            assert_eq!(call.number(), Ok(command.call), "{command:?}");
            let has_commands = !command.name.is_empty();
            let numbered = !matches!(command.call, N::MmuextOp | N::XenVersion | N::ConsoleIo) && has_commands;
            assert!(!numbered || call.command() == u64::from(command.cmd), "{command:?}");
        }
    }

    #[test]
    fn what_there_is_not_is_enosys() {
        let unknown = Value::record([("op", 11.into())]);
        assert_eq!(decode(&unknown), Err(Errno::ENOSYS));
        let command = Value::record([("op", 32.into()), ("cmd", 77.into())]);
        assert_eq!(decode(&command), Err(Errno::ENOSYS));
    }
}
