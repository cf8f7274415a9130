//! `domctl`: how the toolstack in domain 0 makes, changes and ends domains, and asks after them. Source:
//! `xen/common/domctl.c`, `xen/common/domain.c`, `xen/include/public/domctl.h`.

use kernel_model::errno::Errno;
use serde::Serialize;

use super::domain::{DomId, Domain, GuestKind, ShutdownReason, VcpuId};
use super::{Refusal, Xen, refuse};
use crate::memory::{GuestId, Owner};

/// What is asked (`XEN_DOMCTL_...`).
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Domctl {
    /// 1: makes a domain without memory; its number comes back.
    Create {
        /// How it runs.
        kind: GuestKind,
        /// How many processors it may have.
        vcpus: u32,
        /// Its UUID.
        handle: [u8; 16],
        /// The highest port that it may have.
        max_port: u32,
        /// Frames that its grant table may have.
        max_grant_frames: u32,
    },
    /// 2: ends a domain.
    Destroy(DomId),
    /// 3: its processors stop.
    Pause(DomId),
    /// 4: they go on.
    Unpause(DomId),
    /// 5: asks after a domain, or the next one.
    GetInfo(DomId),
    /// 11: how much memory it may have, in KiB.
    MaxMem(DomId, u64),
    /// 13: gives a processor its first registers, and starts it.
    SetVcpuContext(DomId, u32),
    /// 14: asks after a processor of a domain.
    GetVcpuInfo(DomId, u32),
    /// 16: weight and cap.
    Scheduler(DomId, Option<(u16, u16)>),
    /// 30: lets it go on after it has shut down.
    Resume(DomId),
}

impl Domctl {
    /// The header's number.
    pub fn number(&self) -> u32 {
        match self {
            Domctl::Create { .. } => 1,
            Domctl::Destroy(_) => 2,
            Domctl::Pause(_) => 3,
            Domctl::Unpause(_) => 4,
            Domctl::GetInfo(_) => 5,
            Domctl::MaxMem(..) => 11,
            Domctl::SetVcpuContext(..) => 13,
            Domctl::GetVcpuInfo(..) => 14,
            Domctl::Scheduler(..) => 16,
            Domctl::Resume(_) => 30,
        }
    }
}

/// What is told of a domain (`struct xen_domctl_getdomaininfo`).
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct DomainInfo {
    /// Its number.
    pub domain: DomId,
    /// It is being taken apart (`XEN_DOMINF_dying`).
    pub is_dying: bool,
    /// It has shut down, and why (`XEN_DOMINF_shutdown`).
    pub shutdown: Option<ShutdownReason>,
    /// The toolstack has paused it (`XEN_DOMINF_paused`).
    pub is_paused: bool,
    /// All its processors sleep (`XEN_DOMINF_blocked`).
    pub is_blocked: bool,
    /// One of them has a processor of the machine (`XEN_DOMINF_running`).
    pub is_running: bool,
    /// Frames that it has.
    pub tot_pages: u64,
    /// Frames that it may have.
    pub max_pages: u64,
    /// Nanoseconds that it has run.
    pub cpu_time: u64,
    /// Processors that are up.
    pub online_vcpus: u32,
    /// Weight and cap.
    pub shares: (u16, u16),
}

/// What is told of a virtual processor (`struct xen_domctl_getvcpuinfo`).
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize)]
pub struct VcpuInfo {
    /// It is up.
    pub is_online: bool,
    /// It sleeps.
    pub is_blocked: bool,
    /// It has a processor of the machine.
    pub is_running: bool,
    /// Nanoseconds that it has run.
    pub cpu_time: u64,
}

/// What comes back beside the number.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Told {
    /// Nothing.
    Nothing,
    /// A domain.
    Domain(Box<DomainInfo>),
    /// A processor.
    Vcpu(VcpuInfo),
}

/// The processor that the machine gives to a domain at the moment.
fn is_running(xen: &Xen, domain: DomId) -> bool {
    xen.credit_pick().is_some_and(|who| who.domain == domain)
}

impl Xen {
    /// `domctl`: the number of a new domain, or 0; and what is told.
    ///
    /// # Errors
    /// EPERM, ESRCH, EINVAL, ENOMEM.
    pub fn domctl(&mut self, caller: VcpuId, op: Domctl) -> Result<(i64, Told), Refusal> {
        if !self.is_privileged(caller) {
            return refuse(Errno::EPERM, "only a privileged domain controls domains");
        }
        let none = |()| (0, Told::Nothing);
        match op {
            Domctl::Create { kind, vcpus, handle, max_port, max_grant_frames } => {
                if vcpus == 0 || vcpus > 128 {
                    return refuse(Errno::EINVAL, "a domain has 1 to 128 processors");
                }
                let id = DomId(self.next_domain);
                if id >= DomId::FIRST_RESERVED {
                    return refuse(Errno::ENOMEM, "no number for another domain is left");
                }
                let mut domain = Domain::new(id, kind, vcpus);
                domain.handle = handle;
                // It stays paused until the toolstack has built it.
                domain.pause_count = 1;
                domain.channels.max_port = max_port;
                domain.grants.max_frames = max_grant_frames;
                self.insert_domain(domain);
                Ok((i64::from(id.0), Told::Nothing))
            }
            Domctl::Destroy(id) => self.destroy_domain(caller, id).map(none),
            Domctl::Pause(id) => {
                if id == caller.domain {
                    return refuse(Errno::EINVAL, "nobody pauses itself");
                }
                self.controlled(id)?.pause_count += 1;
                Ok(none(()))
            }
            Domctl::Unpause(id) => {
                let domain = self.controlled(id)?;
                if domain.pause_count == 0 {
                    return refuse(Errno::EINVAL, "the domain is not paused");
                }
                domain.pause_count -= 1;
                Ok(none(()))
            }
            Domctl::GetInfo(id) => Ok((0, Told::Domain(Box::new(self.domain_info(id)?)))),
            Domctl::GetVcpuInfo(id, vcpu) => Ok((0, Told::Vcpu(self.vcpu_info(caller, id, vcpu)?))),
            Domctl::MaxMem(id, kib) => {
                self.controlled(id)?.max_pages = kib / 4;
                Ok(none(()))
            }
            Domctl::SetVcpuContext(id, vcpu) => {
                let Some(v) = self.controlled(id)?.vcpu_mut(vcpu) else {
                    return refuse(Errno::EINVAL, "the domain has no such processor");
                };
                (v.is_initialised, v.is_up) = (true, true);
                Ok(none(()))
            }
            Domctl::Scheduler(id, Some((0, _))) if self.domain(id).is_some() => {
                refuse(Errno::EINVAL, "a weight is at least 1")
            }
            Domctl::Scheduler(id, shares) => {
                let domain = self.controlled(id)?;
                if let Some(shares) = shares {
                    (domain.weight, domain.cap) = shares;
                }
                Ok((0, Told::Domain(Box::new(self.domain_info(id)?))))
            }
            Domctl::Resume(id) => {
                let resumed = self.controlled(id)?;
                (resumed.shutdown, resumed.shutdown_code) = (None, None);
                Ok(none(()))
            }
        }
    }

    fn controlled(&mut self, id: DomId) -> Result<&mut Domain, Refusal> {
        match self.domain_mut(id) {
            Some(domain) => Ok(domain),
            None => refuse(Errno::ESRCH, "there is no domain of that number"),
        }
    }

    /// What is told of a domain (`getdomaininfo`).
    ///
    /// # Errors
    /// ESRCH.
    pub fn domain_info(&self, id: DomId) -> Result<DomainInfo, Refusal> {
        let Some(d) = self.domain(id) else { return refuse(Errno::ESRCH, "there is no domain of that number") };
        let up = d.vcpus.iter().filter(|v| v.is_up);
        Ok(DomainInfo {
            domain: id,
            is_dying: d.is_dying,
            shutdown: d.shutdown,
            is_paused: d.pause_count > 0,
            is_blocked: up.clone().all(|v| !v.is_runnable()),
            is_running: is_running(self, id),
            tot_pages: d.tot_pages,
            max_pages: d.max_pages,
            cpu_time: d.vcpus.iter().map(|v| v.unit.runtime).sum(),
            online_vcpus: up.count() as u32,
            shares: (d.weight, d.cap),
        })
    }

    /// What is told of a virtual processor: whoever asks has one of the machine's.
    fn vcpu_info(&self, caller: VcpuId, id: DomId, vcpu: u32) -> Result<VcpuInfo, Refusal> {
        let Some(d) = self.domain(id) else { return refuse(Errno::ESRCH, "there is no domain of that number") };
        let Some(v) = d.vcpu(vcpu) else { return refuse(Errno::EINVAL, "the domain has no such processor") };
        let is_running = caller == VcpuId { domain: id, vcpu };
        let is_blocked = !v.is_runnable() && !is_running;
        Ok(VcpuInfo { is_online: v.is_up, is_blocked, is_running, cpu_time: v.unit.runtime })
    }

    /// A domain ends (`domain_kill`, `domain_relinquish_resources`): it runs no more, its channels are closed, what it has
    /// borrowed is given back, its page tables are taken apart, its memory is free again. What others have mapped of it they
    /// keep until they let go: until then it stays, dying.
    fn destroy_domain(&mut self, caller: VcpuId, id: DomId) -> Result<(), Refusal> {
        if id == caller.domain {
            return refuse(Errno::EINVAL, "nobody ends itself so");
        }
        self.controlled(id)?.is_dying = true;
        self.close_ports(id, false);
        self.release_mappings(id);
        self.drop_tables(id);
        self.reap(id);
        self.raise_global_virq(super::event_channel::virq::DOM_EXC);
        Ok(())
    }

    /// Lets go of page tables and tables of descriptors.
    fn drop_tables(&mut self, id: DomId) {
        let Some(d) = self.domain_mut(id) else { return };
        let mut held = Vec::new();
        for v in &mut d.vcpus {
            held.extend(v.cr3.take().into_iter().chain(v.user_cr3.take()));
            held.append(&mut v.gdt_frames);
        }
        let pinned: Vec<_> =
            self.frames.used().filter(|(frame, info)| info.is_pinned && self.owner(*frame) == Some(id)).collect();
        for (frame, _) in pinned {
            if let Some(info) = self.frames.info_mut(frame) {
                info.is_pinned = false;
            }
            held.push(frame);
        }
        held.into_iter().for_each(|frame| self.put_page_and_type(frame));
    }

    /// Frees what nobody refers to any more of a domain that is dying; with the last frame it is gone.
    pub fn reap(&mut self, id: DomId) {
        if !self.domain(id).is_some_and(|d| d.is_dying) {
            return;
        }
        let owner = Owner::Guest(GuestId(u32::from(id.0)));
        let frames: Vec<_> = self.memory.owned().filter(|(_, known)| *known == owner).map(|(frame, _)| frame).collect();
        let left = frames.into_iter().filter(|frame| !self.free_frame(*frame, id)).count();
        if left == 0 {
            self.remove_domain(id);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::xen::grant_table::map::{GNTMAP_HOST_MAP, MapGrantRef, UnmapGrantRef};

    const DOM0: VcpuId = VcpuId::first(DomId(0));

    fn machine() -> Xen {
        let mut xen = Xen::new(64, 4);
        let mut dom0 = Domain::new(DomId(0), GuestKind::Pv64, 1);
        (dom0.max_pages, dom0.vcpus[0].is_up) = (16, true);
        xen.insert_domain(dom0);
        xen
    }

    fn create(xen: &mut Xen) -> DomId {
        let create =
            Domctl::Create { kind: GuestKind::Pv64, vcpus: 1, handle: [7; 16], max_port: 1023, max_grant_frames: 64 };
        let (id, _) = xen.domctl(DOM0, create).expect("domain 0 may");
        let id = DomId(id as u16);
        xen.domctl(DOM0, Domctl::MaxMem(id, 32)).expect("it is there");
        id
    }

    fn errno(xen: &mut Xen, who: VcpuId, op: Domctl) -> Errno {
        xen.domctl(who, op).expect_err("it is refused").errno
    }

    #[test]
    fn a_domain_is_made_paused_and_numbers_are_not_used_again() {
        let mut xen = machine();
        let first = create(&mut xen);
        let info = xen.domain_info(first).expect("it is there");
        assert_eq!((first, info.is_paused, info.max_pages, info.tot_pages), (DomId(1), true, 8, 0));
        xen.domctl(DOM0, Domctl::Unpause(first)).expect("it is paused");
        assert_eq!(errno(&mut xen, DOM0, Domctl::Unpause(first)), Errno::EINVAL);
        xen.domctl(DOM0, Domctl::Destroy(first)).expect("it is there");
        assert_eq!(errno(&mut xen, DOM0, Domctl::GetInfo(first)), Errno::ESRCH);
        assert_eq!(create(&mut xen), DomId(2));
    }

    #[test]
    fn only_a_privileged_domain_controls_others_and_nobody_itself() {
        let mut xen = machine();
        let one = create(&mut xen);
        assert_eq!(errno(&mut xen, VcpuId::first(one), Domctl::Destroy(DomId(0))), Errno::EPERM);
        assert_eq!(errno(&mut xen, DOM0, Domctl::Destroy(DomId(0))), Errno::EINVAL);
        assert_eq!(errno(&mut xen, DOM0, Domctl::Pause(DomId(0))), Errno::EINVAL);
        assert_eq!(errno(&mut xen, DOM0, Domctl::Pause(DomId(9))), Errno::ESRCH);
    }

    #[test]
    fn what_is_mapped_elsewhere_keeps_a_domain_dying() {
        let mut xen = machine();
        let one = create(&mut xen);
        let frame = xen.allocate_frame(one).expect("there is room");
        let free = xen.memory.free_frames();
        xen.domain_mut(one).expect("it is there").grants.grant_access(8, DomId(0), frame, false);
        let op = MapGrantRef { host_addr: 0x1000, flags: GNTMAP_HOST_MAP, gref: 8, dom: one };
        let handle = xen.map_grant_ref(DOM0, op).expect("it was granted").handle;
        xen.domctl(DOM0, Domctl::Destroy(one)).expect("it is there");
        assert!(xen.domain_info(one).expect("it is still there").is_dying);
        let unmap = UnmapGrantRef { host_addr: 0x1000, dev_bus_addr: 0, handle };
        xen.unmap_grant_ref(DOM0, unmap).expect("it is mapped");
        xen.reap(one);
        assert!(xen.domain(one).is_none());
        assert_eq!((xen.memory.free_frames(), xen.check()), (free + 1, Ok(())));
    }

    #[test]
    fn ending_a_domain_closes_its_channels() {
        let mut xen = machine();
        let one = create(&mut xen);
        let front = xen.evtchn_alloc_unbound(DOM0, one, DomId(0)).expect("domain 0 may");
        let back = xen.evtchn_bind_interdomain(DOM0, one, front).expect("it is kept for domain 0");
        xen.domctl(DOM0, Domctl::Destroy(one)).expect("it is there");
        let state = xen.domain(DomId(0)).and_then(|d| d.channels.ports.get(&back)).map(|port| port.state.number());
        assert_eq!((state, xen.check()), (Some(2), Ok(())), "domain 0's end waits for nobody");
    }
}
