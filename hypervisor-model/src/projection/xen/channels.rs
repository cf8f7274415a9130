//! Domains and channels: who can signal whom, and which bits are set.

use serde::Serialize;

use crate::xen::Xen;
use crate::xen::event_channel::{Abi, PortState};

/// A domain.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct DomainBox {
    /// Its number.
    pub domain: u16,
    /// The port's ABI: `2-level` or `FIFO`.
    pub abi: &'static str,
    /// Its ports.
    pub ports: Vec<PortDot>,
    /// Its processors: upcall pending, upcall mask, selector bits.
    pub vcpus: Vec<(bool, bool, u64)>,
}

/// A port.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct PortDot {
    /// Its number.
    pub port: u32,
    /// What it is bound to, in a word or two.
    pub label: String,
    /// The other end, where there is one: domain and port.
    pub other_end: Option<(u16, u32)>,
    /// An event is waiting.
    pub is_pending: bool,
    /// The guest has masked it.
    pub is_masked: bool,
}

/// The domains of a machine, by number.
pub fn channels(xen: &Xen) -> Vec<DomainBox> {
    let domains = xen.domains().map(|d| {
        let ports = d.channels.ports.iter().map(|(port, known)| {
            let (label, other_end) = match known.state {
                PortState::Unbound { remote } => (format!("waits for {remote}"), None),
                PortState::Interdomain { remote, port } => (format!("{remote} port {port}"), Some((remote.0, port))),
                PortState::Pirq(pirq) => (format!("interrupt {pirq}"), None),
                PortState::Virq(virq) => (format!("VIRQ {virq}"), None),
                PortState::Ipi => ("IPI".to_owned(), None),
            };
            let (is_pending, is_masked) = (d.channels.is_pending(*port), d.channels.is_masked(*port));
            PortDot { port: *port, label, other_end, is_pending, is_masked }
        });
        DomainBox {
            domain: d.id.0,
            abi: if d.channels.abi == Abi::TwoLevel { "2-level" } else { "FIFO" },
            ports: ports.collect(),
            vcpus: d.vcpus.iter().map(|v| (v.upcall_pending, v.upcall_mask, v.pending_sel)).collect(),
        }
    });
    domains.collect()
}

/// The text twin.
pub fn text(domains: &[DomainBox]) -> String {
    let mut text = String::new();
    for d in domains {
        text.push_str(&format!("domain {} ({})\n", d.domain, d.abi));
        for (n, (pending, mask, sel)) in d.vcpus.iter().enumerate() {
            let (pending, mask) = (u8::from(*pending), u8::from(*mask));
            text.push_str(&format!("  vcpu {n}  upcall pending {pending}  mask {mask}  selector {sel:#x}\n"));
        }
        for port in &d.ports {
            let marks = [(port.is_pending, "  pending"), (port.is_masked, "  masked")];
            let marks: String = marks.iter().filter(|(is_so, _)| *is_so).map(|(_, mark)| *mark).collect();
            text.push_str(&format!("  {:>4}  {}{marks}\n", port.port, port.label));
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::xen::domain::{DomId, Domain, GuestKind, VcpuId};

    #[test]
    fn an_event_behind_a_mask_can_be_seen() {
        let mut xen = Xen::new(8, 2);
        for id in 0..2 {
            xen.insert_domain(Domain::new(DomId(id), GuestKind::Pv64, 1));
        }
        let (zero, one) = (VcpuId::first(DomId(0)), VcpuId::first(DomId(1)));
        let port = xen.evtchn_alloc_unbound(one, DomId::SELF, DomId(0)).expect("it may");
        let back = xen.evtchn_bind_interdomain(zero, DomId(1), port).expect("it is kept for domain 0");
        xen.mask_port(one, port);
        xen.evtchn_send(zero, back).expect("it is bound");
        assert_eq!(
            text(&channels(&xen)),
            "domain 0 (2-level)\n  vcpu 0  upcall pending 1  mask 1  selector 0x1\n     1  d1 port 1  pending\n\
             domain 1 (2-level)\n  vcpu 0  upcall pending 0  mask 1  selector 0x0\n     1  d0 port 1  pending  masked\n"
        );
    }
}
