//! Domains and channels: who can signal whom, which bits are set, and what arrived in a step.

use std::collections::BTreeMap;
use std::fmt::Write;

use kernel_model::event::{Event, EventKind};
use kernel_model::machine::report::Report;
use kernel_model::projection::Change;

use super::{kind_name, name_of};
use crate::machine::xen::host::XenParts;
use crate::xen::Xen;
use crate::xen::domain::Domain;
use crate::xen::event_channel::{Abi, PortState};
use crate::xen::xenstore::XenStore;

/// The picture.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Channels {
    /// The domains, by number.
    pub domains: Vec<DomainBox>,
}

/// A domain.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct DomainBox {
    /// Its number.
    pub domain: u16,
    /// Its name.
    pub name: String,
    /// How it runs.
    pub kind: &'static str,
    /// What it is doing.
    pub state: &'static str,
    /// The ports' ABI: `2-level` or `FIFO`.
    pub abi: &'static str,
    /// Its ports, those that the step has closed among them.
    pub ports: Vec<PortDot>,
    /// Its processors.
    pub vcpus: Vec<VcpuBits>,
    /// What the step did to it.
    pub change: Change,
}

/// What a virtual processor shares with Xen about events (`struct vcpu_info`).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct VcpuBits {
    /// `evtchn_upcall_pending`.
    pub upcall_pending: bool,
    /// `evtchn_upcall_mask`.
    pub upcall_mask: bool,
    /// `evtchn_pending_sel`.
    pub selector: u64,
    /// The step has changed one of them.
    pub is_changed: bool,
}

/// A port.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct PortDot {
    /// Its number.
    pub port: u32,
    /// The letter of its kind: D interdomain, V virtual interrupt, P physical interrupt, I between processors, U unbound.
    pub letter: char,
    /// What it is bound to, in a word or two.
    pub label: String,
    /// The other end, where there is one: domain and port.
    pub other_end: Option<(u16, u32)>,
    /// The processor that gets its events.
    pub vcpu: u32,
    /// An event is waiting.
    pub is_pending: bool,
    /// The guest has masked it.
    pub is_masked: bool,
    /// Events that have arrived in the step.
    pub arrived: u32,
    /// What the step did to it.
    pub change: Change,
}

/// How a virtual interrupt is called in the public header (`VIRQ_...`).
fn virq_name(virq: u32) -> String {
    let name = match virq {
        0 => "TIMER",
        1 => "DEBUG",
        2 => "CONSOLE",
        3 => "DOM_EXC",
        4 => "TBUF",
        6 => "DEBUGGER",
        7 => "XENOPROF",
        8 => "CON_RING",
        9 => "PCPU_STATE",
        10 => "MEM_EVENT",
        12 => "ENOMEM",
        16 => "MCA",
        other => return format!("VIRQ {other}"),
    };
    format!("VIRQ_{name}")
}

fn dot(d: &Domain, number: u32) -> Option<PortDot> {
    let known = d.channels.ports.get(&number)?;
    let (letter, label, other_end) = match known.state {
        PortState::Unbound { remote } => ('U', format!("waits for {remote}"), None),
        PortState::Interdomain { remote, port } => ('D', format!("{remote} port {port}"), Some((remote.0, port))),
        PortState::Pirq(pirq) => ('P', format!("interrupt {pirq}"), None),
        PortState::Virq(virq) => ('V', virq_name(virq), None),
        PortState::Ipi => ('I', "IPI".to_owned(), None),
    };
    Some(PortDot {
        port: number,
        letter,
        label,
        other_end,
        vcpu: known.notify_vcpu,
        is_pending: d.channels.is_pending(number),
        is_masked: d.channels.is_masked(number),
        arrived: 0,
        change: Change::Same,
    })
}

fn bits(d: &Domain) -> Vec<VcpuBits> {
    let of = |v: &crate::xen::domain::Vcpu| VcpuBits {
        upcall_pending: v.upcall_pending,
        upcall_mask: v.upcall_mask,
        selector: v.pending_sel,
        is_changed: false,
    };
    d.vcpus.iter().map(of).collect()
}

fn state_of(d: &Domain) -> &'static str {
    if d.is_dying {
        "dying"
    } else if let Some(reason) = d.shutdown {
        match reason {
            crate::xen::domain::ShutdownReason::Crash => "crashed",
            _ => "shut down",
        }
    } else if d.pause_count > 0 {
        "paused"
    } else if d.vcpus.iter().any(|v| v.is_runnable()) {
        "running"
    } else {
        "blocked"
    }
}

/// Events that have arrived in a step, by domain and port.
fn arrivals(events: &[Event]) -> BTreeMap<(u64, u64), u32> {
    let mut arrived = BTreeMap::new();
    for event in events {
        if let EventKind::Machine(Report::Did(deed)) = &event.kind
            && deed.name == "event"
            && let (Some(domain), Some(port)) = (deed.number("domain"), deed.number("port"))
        {
            *arrived.entry((domain, port)).or_default() += 1;
        }
    }
    arrived
}

impl Channels {
    /// The domains before and after a step, and its events.
    pub fn of_step(before: XenParts<'_>, after: XenParts<'_>, events: &[Event]) -> Channels {
        Channels::between(before.xen(), after.xen(), after.store(), events)
    }

    /// The same of a hypervisor and a store.
    pub fn between(before: &Xen, after: &Xen, store: &XenStore, events: &[Event]) -> Channels {
        let arrived = arrivals(events);
        let gone = before.domains().filter(|d| after.domain(d.id).is_none());
        let mut domains: Vec<DomainBox> =
            after.domains().chain(gone).map(|d| house(before.domain(d.id), d, after, store, &arrived)).collect();
        domains.sort_by_key(|d| d.domain);
        Channels { domains }
    }

    /// The wires, each once: domain and port at both ends.
    pub fn wires(&self) -> impl Iterator<Item = ((u16, &PortDot), (u16, u32))> {
        let ports = self.domains.iter().flat_map(|d| d.ports.iter().map(move |port| (d.domain, port)));
        let wires = ports.filter_map(|(domain, port)| Some(((domain, port), port.other_end?)));
        wires.filter(|((domain, port), there)| (*domain, port.port) <= *there)
    }

    /// One sentence.
    pub fn summary(&self) -> String {
        let ports = || self.domains.iter().flat_map(|d| &d.ports).filter(|port| port.change != Change::Gone);
        let waiting = ports().filter(|port| port.is_pending).count();
        let arrived: u32 = ports().map(|port| port.arrived).sum();
        let domains = self.domains.iter().filter(|d| d.change != Change::Gone).count();
        let word = |n: usize, one: &str| if n == 1 { format!("1 {one}") } else { format!("{n} {one}s") };
        format!(
            "{} with {}; {} in this step, {waiting} pending.",
            word(domains, "domain"),
            word(ports().count(), "port"),
            word(arrived as usize, "event")
        )
    }

    /// The text twin.
    pub fn text(&self) -> String {
        let mut text = format!("{}\n", self.summary());
        for d in &self.domains {
            let mark = d.change.mark();
            let _ = writeln!(
                text,
                "\n{mark:<1} domain {} {} ({}, {}; ports: {})",
                d.domain, d.name, d.kind, d.state, d.abi
            );
            for (n, v) in d.vcpus.iter().enumerate() {
                let (pending, mask) = (u8::from(v.upcall_pending), u8::from(v.upcall_mask));
                let mark = if v.is_changed { Change::Changed } else { Change::Same }.mark();
                let _ = writeln!(
                    text,
                    "{mark:<1}   vcpu {n}  upcall pending {pending}  mask {mask}  selector {:#x}",
                    v.selector
                );
            }
            for port in &d.ports {
                let mark = port.change.mark();
                let marks = [(port.is_pending, "  pending"), (port.is_masked, "  masked")];
                let mut marks: String = marks.iter().filter(|(is_so, _)| *is_so).map(|(_, mark)| *mark).collect();
                match port.arrived {
                    0 => {}
                    1 => marks.push_str("  1 event"),
                    n => marks.push_str(&format!("  {n} events")),
                }
                let line =
                    format!("{mark:<1}   {:>4}  {}  {}  vcpu {}{marks}", port.port, port.letter, port.label, port.vcpu);
                let _ = writeln!(text, "{line}");
            }
        }
        text
    }
}

fn house(
    before: Option<&Domain>,
    d: &Domain,
    after: &Xen,
    store: &XenStore,
    arrived: &BTreeMap<(u64, u64), u32>,
) -> DomainBox {
    let is_there = after.domain(d.id).is_some();
    let number = u64::from(d.id.0);
    let mut ports: Vec<PortDot> = Vec::new();
    let mut numbers: Vec<u32> = d.channels.ports.keys().copied().collect();
    numbers
        .extend(before.into_iter().flat_map(|b| b.channels.ports.keys()).filter(|p| !d.channels.ports.contains_key(p)));
    numbers.sort_unstable();
    for port in numbers {
        let (was, is) = (before.and_then(|b| dot(b, port)), dot(d, port).filter(|_| is_there));
        let change = Change::between(was.as_ref(), is.as_ref());
        let arrived = arrived.get(&(number, u64::from(port))).copied().unwrap_or(0);
        if let Some(shown) = is.or(was) {
            ports.push(PortDot { arrived, change, ..shown });
        }
    }
    let was = before.map(bits).unwrap_or_default();
    let vcpus = bits(d).into_iter().enumerate();
    let vcpus = vcpus.map(|(n, v)| VcpuBits { is_changed: was.get(n).is_some_and(|was| *was != v), ..v }).collect();
    let change = match (before, is_there) {
        (None, _) => Change::New,
        (Some(_), false) => Change::Gone,
        (Some(before), true) if state_of(before) != state_of(d) => Change::Changed,
        _ => Change::Same,
    };
    DomainBox {
        domain: d.id.0,
        name: name_of(store, d.id),
        kind: kind_name(d.kind),
        state: if is_there { state_of(d) } else { "gone" },
        abi: if d.channels.abi == Abi::TwoLevel { "2-level" } else { "FIFO" },
        ports,
        vcpus,
        change,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::xen::domain::{DomId, GuestKind, VcpuId};

    #[test]
    fn an_event_behind_a_mask_can_be_seen_and_what_the_step_changed() {
        let mut xen = Xen::new(8, 2);
        for id in 0..2 {
            xen.insert_domain(Domain::new(DomId(id), GuestKind::Pv64, 1));
        }
        let (zero, one) = (VcpuId::first(DomId(0)), VcpuId::first(DomId(1)));
        let port = xen.evtchn_alloc_unbound(one, DomId::SELF, DomId(0)).expect("it may");
        let before = xen.clone();
        let back = xen.evtchn_bind_interdomain(zero, DomId(1), port).expect("it is kept for domain 0");
        xen.mask_port(one, port);
        xen.evtchn_send(zero, back).expect("it is bound");
        let channels = Channels::between(&before, &xen, &XenStore::new(), &[]);
        assert_eq!(
            channels.text(),
            "2 domains with 2 ports; 0 events in this step, 2 pending.\n\n\
             \x20 domain 0  (PV, 64 bit, blocked; ports: 2-level)\n\
             Δ   vcpu 0  upcall pending 1  mask 1  selector 0x1\n\
             ●      1  D  d1 port 1  vcpu 0  pending\n\n\
             \x20 domain 1  (PV, 64 bit, blocked; ports: 2-level)\n\
             \x20   vcpu 0  upcall pending 0  mask 1  selector 0x0\n\
             Δ      1  D  d0 port 1  vcpu 0  pending  masked\n"
        );
        let wires: Vec<_> = channels.wires().map(|((domain, port), there)| (domain, port.port, there)).collect();
        assert_eq!(wires, [(0, 1, (1, 1))], "each wire once");
    }

    #[test]
    fn a_port_that_is_closed_stays_for_the_step() {
        let mut xen = Xen::new(8, 2);
        xen.insert_domain(Domain::new(DomId(1), GuestKind::Pv64, 1));
        let one = VcpuId::first(DomId(1));
        let port = xen.evtchn_bind_ipi(one, 0).expect("there is a processor");
        let before = xen.clone();
        xen.evtchn_close(DomId(1), port, true).expect("it is the guest's own");
        let channels = Channels::between(&before, &xen, &XenStore::new(), &[]);
        assert_eq!(channels.domains[0].ports[0].change, Change::Gone);
        assert!(channels.summary().starts_with("1 domain with 0 ports"));
    }
}
