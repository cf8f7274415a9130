//! Operations on ports that are there: close, send, status, bind_vcpu, unmask, reset, and the FIFO ABI's three. And what
//! Xen does when an event arrives. Checks in the order of `xen/common/event_channel.c`.

use super::fifo::{ControlBlock, Fifo, PRIORITIES};
use super::virq::{self, VirqType};
use super::{Abi, Port, PortState};
use crate::xen::domain::{DomId, VcpuId};
use crate::xen::{Refusal, Xen, refuse};
use kernel_model::errno::Errno;

/// Physical interrupts that a domain can name (`nr_pirqs`).
pub const NR_PIRQS: u32 = 256;

const NO_SUCH_PORT: &str = "the domain has no such port";
const XENS: &str = "Xen itself is at this end";

/// What `EVTCHNOP_status` tells.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct PortStatus {
    /// What the port is bound to; `None` where it is closed.
    pub state: Option<PortState>,
    /// The processor that gets its events.
    pub vcpu: u32,
}

impl PortStatus {
    /// `EVTCHNSTAT_...`: 0 closed, 1 unbound, 2 interdomain, 3 pirq, 4 virq, 5 ipi.
    pub fn number(self) -> u32 {
        self.state.map_or(0, |state| state.number() - 1)
    }
}

impl Xen {
    fn port(&self, domain: DomId, number: u32) -> Result<Option<Port>, Refusal> {
        let Some(d) = self.domain(domain).filter(|d| d.channels.is_valid(number)) else {
            return refuse(Errno::EINVAL, NO_SUCH_PORT);
        };
        Ok(d.channels.ports.get(&number).copied())
    }

    /// Closes a port; the other end waits for this domain again (`evtchn_close`).
    ///
    /// # Errors
    /// EINVAL.
    pub fn evtchn_close(&mut self, domain: DomId, number: u32, by_guest: bool) -> Result<(), Refusal> {
        let port = self.port(domain, number)?;
        if by_guest && port.is_some_and(|port| port.is_xens) {
            return refuse(Errno::EINVAL, XENS);
        }
        let Some(port) = port else { return refuse(Errno::EINVAL, "the port is closed") };
        match port.state {
            PortState::Virq(virq) => {
                let vcpu = if virq::kind(virq) == VirqType::Vcpu { port.notify_vcpu } else { 0 };
                if let Some(v) = self.domain_mut(domain).and_then(|d| d.vcpu_mut(vcpu)) {
                    v.virq_to_evtchn.remove(&virq);
                }
            }
            PortState::Pirq(pirq) => {
                if let Some(d) = self.domain_mut(domain) {
                    d.pirq_to_evtchn.remove(&pirq);
                }
            }
            PortState::Interdomain { remote, port: there } => {
                if let Some(other) = self.domain_mut(remote).and_then(|d| d.channels.ports.get_mut(&there)) {
                    other.state = PortState::Unbound { remote: domain };
                }
            }
            PortState::Unbound { .. } | PortState::Ipi => {}
        }
        if let Some(d) = self.domain_mut(domain) {
            d.channels.ports.remove(&number);
            match &mut d.channels.abi {
                Abi::TwoLevel => {
                    d.channels.bits.clear_pending(number);
                }
                Abi::Fifo(fifo) => fifo.clear_pending(number),
            }
        }
        Ok(())
    }

    /// Sends an event (`evtchn_send`). One into a port that nobody has bound yet is dropped without an error.
    ///
    /// # Errors
    /// EINVAL.
    pub fn evtchn_send(&mut self, caller: VcpuId, number: u32) -> Result<(), Refusal> {
        let port = self.port(caller.domain, number)?;
        if port.is_some_and(|port| port.is_xens) {
            return refuse(Errno::EINVAL, XENS);
        }
        match port.map(|port| port.state) {
            Some(PortState::Interdomain { remote, port }) => self.set_pending(remote, port),
            Some(PortState::Ipi) => self.set_pending(caller.domain, number),
            Some(PortState::Unbound { .. }) => {}
            Some(PortState::Pirq(_) | PortState::Virq(_)) => {
                return refuse(Errno::EINVAL, "an interrupt's port only receives");
            }
            None => return refuse(Errno::EINVAL, "the port is closed"),
        }
        Ok(())
    }

    /// What a port is bound to (`evtchn_status`).
    ///
    /// # Errors
    /// ESRCH, EINVAL, EPERM.
    pub fn evtchn_status(&self, caller: VcpuId, dom: DomId, number: u32) -> Result<PortStatus, Refusal> {
        let Some(domain) = self.any_id(caller, dom) else {
            return refuse(Errno::ESRCH, "there is no domain of that number");
        };
        let port = self.port(domain, number)?;
        self.require_target(caller, domain, "only a privileged domain asks after others' ports")?;
        Ok(PortStatus { state: port.map(|port| port.state), vcpu: port.map_or(0, |port| port.notify_vcpu) })
    }

    /// Moves a port's events to another processor (`evtchn_bind_vcpu`).
    ///
    /// # Errors
    /// ENOENT, EINVAL.
    pub fn evtchn_bind_vcpu(&mut self, caller: VcpuId, number: u32, vcpu: u32) -> Result<(), Refusal> {
        if self.domain(caller.domain).and_then(|d| d.vcpu(vcpu)).is_none() {
            return refuse(Errno::ENOENT, "the domain has no such processor");
        }
        let port = self.port(caller.domain, number)?;
        if port.is_some_and(|port| port.is_xens) {
            return refuse(Errno::EINVAL, XENS);
        }
        match port.map(|port| port.state) {
            Some(PortState::Virq(virq)) if virq::kind(virq) == VirqType::Vcpu => {
                return refuse(Errno::EINVAL, "this virtual interrupt belongs to its processor");
            }
            Some(PortState::Ipi) => return refuse(Errno::EINVAL, "an interrupt between processors stays where it is"),
            None => return refuse(Errno::EINVAL, "the port is closed"),
            Some(_) => {}
        }
        if let Some(port) = self.domain_mut(caller.domain).and_then(|d| d.channels.ports.get_mut(&number)) {
            port.notify_vcpu = vcpu;
        }
        Ok(())
    }

    /// Takes the mask off a port, and raises what came meanwhile (`evtchn_unmask`).
    ///
    /// # Errors
    /// EINVAL.
    pub fn evtchn_unmask(&mut self, caller: VcpuId, number: u32) -> Result<(), Refusal> {
        let port = self.port(caller.domain, number)?;
        let (vcpu, priority) = port.map_or((0, 0), |port| (port.notify_vcpu, port.priority));
        let Some(d) = self.domain_mut(caller.domain) else { return Ok(()) };
        match &mut d.channels.abi {
            Abi::TwoLevel => {
                let bits = &mut d.channels.bits;
                let word = bits.word(number);
                if bits.clear_mask(number) && bits.is_pending(number) {
                    self.select(caller.domain, vcpu, word);
                }
            }
            Abi::Fifo(fifo) => {
                if fifo.unmask(number, priority, vcpu) {
                    self.mark_events_pending(caller.domain, vcpu);
                }
            }
        }
        Ok(())
    }

    /// Closes every port of a domain, and goes back to two levels (`evtchn_reset`).
    ///
    /// # Errors
    /// ESRCH, EPERM, EINVAL.
    pub fn evtchn_reset(&mut self, caller: VcpuId, dom: DomId) -> Result<(), Refusal> {
        let Some(domain) = self.any_id(caller, dom) else {
            return refuse(Errno::ESRCH, "there is no domain of that number");
        };
        self.require_target(caller, domain, "only a privileged domain resets others' ports")?;
        if domain != caller.domain && self.domain(domain).is_some_and(|d| d.pause_count == 0) {
            return refuse(Errno::EINVAL, "another domain's ports are reset only while it is paused");
        }
        self.close_ports(domain, true);
        let has_left = self.domain(domain).is_some_and(|d| d.channels.ports.values().any(|port| !port.is_xens));
        if has_left {
            return refuse(Errno::EAGAIN, "ports were made meanwhile");
        }
        if let Some(d) = self.domain_mut(domain) {
            d.channels.abi = Abi::TwoLevel;
        }
        Ok(())
    }

    /// Closes all ports: all that the guest may close, or really all when the domain ends.
    pub(in crate::xen) fn close_ports(&mut self, domain: DomId, by_guest: bool) {
        let numbers: Vec<u32> =
            self.domain(domain).map(|d| d.channels.ports.keys().copied().collect()).unwrap_or_default();
        for number in numbers {
            // Xen's own ports stay when the guest asks.
            let _stays = self.evtchn_close(domain, number, by_guest);
        }
    }

    /// Registers a processor's control block; the first one switches to the FIFO ABI (`evtchn_fifo_init_control`).
    ///
    /// # Errors
    /// ENOENT.
    pub fn evtchn_init_control(&mut self, caller: VcpuId, vcpu: u32) -> Result<(), Refusal> {
        let Some(d) = self.domain_mut(caller.domain).filter(|d| d.vcpu(vcpu).is_some()) else {
            return refuse(Errno::ENOENT, "the domain has no such processor");
        };
        let blocks = (0..d.vcpus.len() as u32).map(|vcpu| (vcpu, ControlBlock::default())).collect();
        if d.channels.abi == Abi::TwoLevel {
            d.channels.abi = Abi::Fifo(Fifo::new(blocks));
        }
        Ok(())
    }

    /// Gives another page to the event array (`evtchn_fifo_expand_array`); what was pending under two levels is raised.
    ///
    /// # Errors
    /// EOPNOTSUPP, ENOSPC.
    pub fn evtchn_expand_array(&mut self, caller: VcpuId) -> Result<(), Refusal> {
        let Some(d) = self.domain_mut(caller.domain) else { return Ok(()) };
        let Abi::Fifo(fifo) = &mut d.channels.abi else {
            return refuse(Errno::EOPNOTSUPP, "there is no event array under the two-level ABI");
        };
        if fifo.pages * super::fifo::WORDS_PER_PAGE >= super::fifo::PORTS {
            return refuse(Errno::ENOSPC, "the event array is complete");
        }
        let first = fifo.pages * super::fifo::WORDS_PER_PAGE;
        fifo.pages += 1;
        let end = first + super::fifo::WORDS_PER_PAGE;
        let waiting: Vec<u32> =
            d.channels.ports.range(first..end).map(|(n, _)| *n).filter(|n| d.channels.bits.is_pending(*n)).collect();
        for port in waiting {
            if let Some(d) = self.domain_mut(caller.domain) {
                d.channels.bits.clear_pending(port);
            }
            self.set_pending(caller.domain, port);
        }
        Ok(())
    }

    /// Sets a port's priority (`evtchn_fifo_set_priority`).
    ///
    /// # Errors
    /// EINVAL, ENOSYS.
    pub fn evtchn_set_priority(&mut self, caller: VcpuId, number: u32, priority: u8) -> Result<(), Refusal> {
        self.port(caller.domain, number)?;
        let Some(d) = self.domain_mut(caller.domain) else { return Ok(()) };
        if d.channels.abi == Abi::TwoLevel {
            return refuse(Errno::ENOSYS, "two levels know no priorities");
        }
        if priority >= PRIORITIES {
            return refuse(Errno::EINVAL, "there are sixteen priorities");
        }
        if let Some(port) = d.channels.ports.get_mut(&number) {
            port.priority = priority;
        }
        Ok(())
    }

    /// An event arrives at a port (`evtchn_port_set_pending`).
    pub fn set_pending(&mut self, domain: DomId, number: u32) {
        let Some(d) = self.domain_mut(domain) else { return };
        let Some(port) = d.channels.ports.get(&number).copied() else { return };
        self.deeds.event(domain, number, port.state);
        let Some(d) = self.domain_mut(domain) else { return };
        match &mut d.channels.abi {
            Abi::TwoLevel => {
                let bits = &mut d.channels.bits;
                if bits.set_pending(number) {
                    return;
                }
                if !bits.is_masked(number) {
                    let word = bits.word(number);
                    self.select(domain, port.notify_vcpu, word);
                }
            }
            Abi::Fifo(fifo) => {
                if fifo.set_pending(number, port.priority, port.notify_vcpu) {
                    self.mark_events_pending(domain, port.notify_vcpu);
                }
            }
        }
        self.check_pollers(domain, number);
    }

    /// Sets a selector bit; the upcall is due when it was clear.
    fn select(&mut self, domain: DomId, vcpu: u32, word: u32) {
        let Some(v) = self.domain_mut(domain).and_then(|d| d.vcpu_mut(vcpu)) else { return };
        let was_set = v.pending_sel & (1 << word) != 0;
        v.pending_sel |= 1 << word;
        if !was_set {
            self.mark_events_pending(domain, vcpu);
        }
    }

    /// The processor is to look, and wakes (`vcpu_mark_events_pending`, `vcpu_kick`).
    fn mark_events_pending(&mut self, domain: DomId, vcpu: u32) {
        let Some(v) = self.domain_mut(domain).and_then(|d| d.vcpu_mut(vcpu)) else { return };
        v.upcall_pending = true;
        if v.is_blocked && !v.upcall_mask {
            v.is_blocked = false;
            v.polls = None;
        }
    }

    /// Wakes processors that poll this port (`evtchn_check_pollers`).
    fn check_pollers(&mut self, domain: DomId, number: u32) {
        let Some(d) = self.domain_mut(domain) else { return };
        for v in &mut d.vcpus {
            if v.polls.as_ref().is_some_and(|ports| ports.is_empty() || ports.contains(&number)) {
                v.polls = None;
            }
        }
    }

    /// Raises a virtual interrupt of a processor (`send_guest_vcpu_virq`); one that is not bound is lost.
    pub fn raise_virq(&mut self, domain: DomId, vcpu: u32, virq: u32) {
        let bound = self.domain(domain).and_then(|d| d.vcpu(vcpu)).and_then(|v| v.virq_to_evtchn.get(&virq).copied());
        if let Some(port) = bound {
            self.set_pending(domain, port);
        }
    }

    /// Raises a global virtual interrupt at the domain that handles it (`send_global_virq`).
    pub fn raise_global_virq(&mut self, virq: u32) {
        self.raise_virq(self.virq_handler(virq), 0, virq);
    }

    /// What must hold between domains; the text says what does not.
    pub fn check_channels(&self) -> Result<(), String> {
        for d in self.domains() {
            d.channels.check()?;
            for (number, port) in &d.channels.ports {
                if let PortState::Interdomain { remote, port: there } = port.state {
                    let back = PortState::Interdomain { remote: d.id, port: *number };
                    let other = self.domain(remote).and_then(|d| d.channels.ports.get(&there));
                    if other.is_none_or(|other| other.state != back) {
                        return Err(format!("{} port {number}: its other end does not know of it", d.id));
                    }
                }
            }
            for (n, v) in d.vcpus.iter().enumerate() {
                // A guest whose upcalls are masked is in its handler, which clears this first and looks for bits then.
                let may_look = !v.upcall_mask;
                if may_look && v.pending_sel != 0 && !v.upcall_pending && d.channels.abi == Abi::TwoLevel {
                    return Err(format!("{}v{n}: a selector bit is set and no upcall is pending", d.id));
                }
            }
        }
        Ok(())
    }
}
