//! What Xen did, in order, to be told upward: see [`Report`](kernel_model::machine::report::Report).

use kernel_model::machine::report::{Deed, DeedKind, Lane};

use super::Refusal;
use super::domain::{DomId, VcpuId};
use super::event_channel::PortState;
use super::hypercall::HypercallInfo;

/// The list of what happened. Where nobody listens nothing is kept.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct Deeds {
    /// Somebody listens.
    pub is_heard: bool,
    /// The processor on which it happens.
    pub cpu: u32,
    list: Vec<Deed>,
    depth: u8,
}

const EVENT: &str = "An event arrives at port {port} of domain {domain}.";
const VIRQ: &str = "Xen raises virtual interrupt {virq} at port {port} of domain {domain}.";

impl Deeds {
    /// A list that somebody reads.
    pub fn heard() -> Deeds {
        Deeds { is_heard: true, ..Deeds::default() }
    }

    /// Hands over what happened since this was asked last.
    pub fn take(&mut self) -> Vec<Deed> {
        std::mem::take(&mut self.list)
    }

    /// What happened and has not been handed over.
    pub fn list(&self) -> &[Deed] {
        &self.list
    }

    /// Something happened. `lanes`: who had the processor before, and who has it after.
    pub fn tell(
        &mut self,
        kind: DeedKind,
        name: &'static str,
        lanes: (Lane, Lane),
        numbers: Vec<(&'static str, u64)>,
        sentence: &'static str,
        source: &'static str,
    ) {
        if self.is_heard {
            let (from, to) = lanes;
            let deed = Deed { numbers, depth: self.depth, ..Deed::new(kind, name) };
            self.list.push(deed.goes(self.cpu, from, to).says(sentence, source));
        }
    }

    /// A guest's kernel calls.
    pub fn hypercall(&mut self, who: VcpuId, call: &HypercallInfo, cmd: u64) {
        if self.is_heard {
            let numbers = vec![
                ("domain", u64::from(who.domain.0)),
                ("vcpu", u64::from(who.vcpu)),
                ("number", u64::from(call.number)),
                ("cmd", cmd),
            ];
            let sentence = "The kernel of domain {domain} makes hypercall {number}, command {cmd}.";
            let lanes = (Lane::GuestKernel, Lane::Hypervisor);
            self.tell(DeedKind::Hypercall, call.name, lanes, numbers, sentence, "xen/include/public/xen.h");
        }
    }

    /// What follows lies in what was told last, until [`Deeds::leave`].
    pub fn enter(&mut self) {
        self.depth += 1;
    }

    /// See [`Deeds::enter`].
    pub fn leave(&mut self) {
        self.depth = self.depth.saturating_sub(1);
    }

    /// Xen refused: the sentence is the rule.
    pub fn refused(&mut self, who: VcpuId, refusal: Refusal) {
        let numbers = vec![("domain", u64::from(who.domain.0)), ("errno", refusal.errno as u64)];
        let lanes = (Lane::Hypervisor, Lane::GuestKernel);
        self.tell(DeedKind::Hypercall, "refused", lanes, numbers, refusal.rule, "xen/include/public/errno.h");
    }

    /// An event arrives.
    pub fn event(&mut self, domain: DomId, port: u32, state: PortState) {
        if !self.is_heard {
            return;
        }
        let mut numbers = vec![("domain", u64::from(domain.0)), ("port", u64::from(port))];
        let sentence = match state {
            PortState::Virq(virq) => {
                numbers.push(("virq", u64::from(virq)));
                VIRQ
            }
            _ => EVENT,
        };
        let lanes = (Lane::Hypervisor, Lane::Hypervisor);
        let source = "xen/common/event_channel.c, evtchn_port_set_pending";
        self.tell(DeedKind::Interrupt, "event", lanes, numbers, sentence, source);
    }
}
