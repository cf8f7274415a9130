//! Operations that give out ports: alloc_unbound, bind_interdomain, bind_virq, bind_ipi, bind_pirq. Checks in the order of
//! `xen/common/event_channel.c`.

use super::virq::{self, VirqType};
use super::{Port, PortState};
use crate::xen::domain::{DomId, VcpuId};
use crate::xen::{Refusal, Xen, refuse};
use kernel_model::errno::Errno;

const NO_DOMAIN: &str = "there is no domain of that number";
const NO_PORT: &str = "every port that the domain may have is in use";
const DYING: &str = "a domain that is being taken apart gets no ports";

impl Xen {
    /// A port that is free (`evtchn_get_port`): -ENOSPC when there is none.
    fn free_port(&self, domain: DomId) -> Result<u32, Refusal> {
        let Some(d) = self.domain(domain) else { return refuse(Errno::ESRCH, NO_DOMAIN) };
        if d.is_dying {
            return refuse(Errno::EINVAL, DYING);
        }
        d.channels.free_port().ok_or(Refusal::new(Errno::ENOSPC, NO_PORT))
    }

    fn give_port(&mut self, domain: DomId, number: u32, port: Port) {
        if let Some(d) = self.domain_mut(domain) {
            d.channels.insert(number, port);
        }
    }

    /// Keeps a port of `dom` for `remote` (`evtchn_alloc_unbound`).
    ///
    /// # Errors
    /// ESRCH, ENOSPC, EPERM.
    pub fn evtchn_alloc_unbound(&mut self, caller: VcpuId, dom: DomId, remote: DomId) -> Result<u32, Refusal> {
        let Some(domain) = self.any_id(caller, dom) else { return refuse(Errno::ESRCH, NO_DOMAIN) };
        let number = self.free_port(domain)?;
        self.require_target(caller, domain, "only a privileged domain makes ports for others")?;
        let remote = if remote == DomId::SELF { caller.domain } else { remote };
        self.give_port(domain, number, Port::new(PortState::Unbound { remote }, 0));
        Ok(number)
    }

    /// Binds a port of the caller to one that is kept for it (`evtchn_bind_interdomain`). The caller's own port is set
    /// pending: an event sent before is not known any more, and might have been.
    ///
    /// # Errors
    /// ESRCH, ENOSPC, EINVAL.
    pub fn evtchn_bind_interdomain(&mut self, caller: VcpuId, remote: DomId, port: u32) -> Result<u32, Refusal> {
        let Some(remote) = self.any_id(caller, remote) else { return refuse(Errno::ESRCH, NO_DOMAIN) };
        let number = self.free_port(caller.domain)?;
        let Some(there) = self.domain(remote).filter(|d| d.channels.is_valid(port)) else {
            return refuse(Errno::EINVAL, "the other domain has no such port");
        };
        match there.channels.ports.get(&port).map(|port| port.state) {
            Some(PortState::Unbound { remote: kept }) if kept == caller.domain => {}
            Some(PortState::Unbound { .. }) => {
                return refuse(Errno::EINVAL, "the port is kept for another domain");
            }
            _ => return refuse(Errno::EINVAL, "the port is not waiting for anybody"),
        }
        self.give_port(caller.domain, number, Port::new(PortState::Interdomain { remote, port }, 0));
        let back = PortState::Interdomain { remote: caller.domain, port: number };
        if let Some(known) = self.domain_mut(remote).and_then(|d| d.channels.ports.get_mut(&port)) {
            known.state = back;
        }
        self.set_pending(caller.domain, number);
        Ok(number)
    }

    /// Binds a virtual interrupt (`evtchn_bind_virq`).
    ///
    /// # Errors
    /// EINVAL, ENOENT, EBUSY, EEXIST, ENOSPC.
    pub fn evtchn_bind_virq(&mut self, caller: VcpuId, number: u32, vcpu: u32) -> Result<u32, Refusal> {
        if number >= virq::NR_VIRQS {
            return refuse(Errno::EINVAL, "there is no virtual interrupt of that number");
        }
        let kind = virq::kind(number);
        if kind != VirqType::Vcpu && vcpu != 0 {
            return refuse(Errno::EINVAL, "a global virtual interrupt is bound on processor 0 and moved later");
        }
        let Some(v) = self.domain(caller.domain).and_then(|d| d.vcpu(vcpu)) else {
            return refuse(Errno::ENOENT, "the domain has no such processor");
        };
        let is_bound = v.virq_to_evtchn.contains_key(&number);
        if kind == VirqType::Global && self.virq_handler(number) != caller.domain {
            return refuse(Errno::EBUSY, "another domain handles this virtual interrupt");
        }
        if is_bound {
            return refuse(Errno::EEXIST, "the virtual interrupt is bound to a port already");
        }
        let port = self.free_port(caller.domain)?;
        self.give_port(caller.domain, port, Port::new(PortState::Virq(number), vcpu));
        if let Some(v) = self.domain_mut(caller.domain).and_then(|d| d.vcpu_mut(vcpu)) {
            v.virq_to_evtchn.insert(number, port);
        }
        Ok(port)
    }

    /// Makes a port for interrupts between the processors of the caller (`evtchn_bind_ipi`).
    ///
    /// # Errors
    /// ENOENT, ENOSPC.
    pub fn evtchn_bind_ipi(&mut self, caller: VcpuId, vcpu: u32) -> Result<u32, Refusal> {
        if self.domain(caller.domain).and_then(|d| d.vcpu(vcpu)).is_none() {
            return refuse(Errno::ENOENT, "the domain has no such processor");
        }
        let port = self.free_port(caller.domain)?;
        self.give_port(caller.domain, port, Port::new(PortState::Ipi, vcpu));
        Ok(port)
    }

    /// Binds a physical interrupt (`evtchn_bind_pirq`).
    ///
    /// # Errors
    /// EINVAL, EPERM, EEXIST, ENOSPC.
    pub fn evtchn_bind_pirq(&mut self, caller: VcpuId, pirq: u32) -> Result<u32, Refusal> {
        if pirq >= super::operations::NR_PIRQS {
            return refuse(Errno::EINVAL, "there is no physical interrupt of that number");
        }
        let Some(d) = self.domain(caller.domain) else { return refuse(Errno::ESRCH, NO_DOMAIN) };
        if d.kind.is_pv() && !d.pirqs.contains(&pirq) {
            return refuse(Errno::EPERM, "the domain may not use this physical interrupt");
        }
        if d.pirq_to_evtchn.contains_key(&pirq) {
            return refuse(Errno::EEXIST, "the physical interrupt is bound to a port already");
        }
        let port = self.free_port(caller.domain)?;
        self.give_port(caller.domain, port, Port::new(PortState::Pirq(pirq), 0));
        if let Some(d) = self.domain_mut(caller.domain) {
            d.pirq_to_evtchn.insert(pirq, port);
        }
        Ok(port)
    }
}
