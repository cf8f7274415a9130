//! `memory_op`: frames for domains, given, taken and exchanged; the balloon. Source: `xen/common/memory.c`,
//! `xen/include/public/memory.h`; the balloon: Linux 6.1, `drivers/xen/balloon.c`.
//!
//! What comes back is how many extents were done; fewer than asked for is no error, and says that memory or the domain's limit
//! is used up, or that a frame was not the domain's own.

use kernel_model::errno::Errno;

use super::domain::{DomId, VcpuId};
use super::mm::frame_table::PageInfo;
use super::{Refusal, Xen, refuse};
use crate::memory::{Gfn, GuestId, Hfn, Owner};

/// What is asked (`XENMEM_...`); frames one by one.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum MemoryOp {
    /// 0: so many frames more; their numbers come back.
    IncreaseReservation {
        /// For whom.
        domain: DomId,
        /// How many.
        count: u64,
    },
    /// 1: these frames are given up.
    DecreaseReservation {
        /// By whom.
        domain: DomId,
        /// Which.
        frames: Vec<Hfn>,
    },
    /// 2: the highest frame of the machine.
    MaximumRamPage,
    /// 3: frames that a domain has.
    CurrentReservation(DomId),
    /// 4: frames that a domain may have.
    MaximumReservation(DomId),
    /// 5: where the table from machine frames is.
    MachphysMfnList,
    /// 6: a frame behind each of these of the guest's numbers.
    PopulatePhysmap {
        /// For whom.
        domain: DomId,
        /// The guest's numbers.
        frames: Vec<Gfn>,
    },
    /// 9: the guest's memory as the firmware would tell it.
    MemoryMap,
    /// 11: these frames for as many others.
    Exchange {
        /// By whom.
        domain: DomId,
        /// Which.
        frames: Vec<Hfn>,
    },
}

impl MemoryOp {
    /// The header's number.
    pub fn number(&self) -> u32 {
        match self {
            MemoryOp::IncreaseReservation { .. } => 0,
            MemoryOp::DecreaseReservation { .. } => 1,
            MemoryOp::MaximumRamPage => 2,
            MemoryOp::CurrentReservation(_) => 3,
            MemoryOp::MaximumReservation(_) => 4,
            MemoryOp::MachphysMfnList => 5,
            MemoryOp::PopulatePhysmap { .. } => 6,
            MemoryOp::MemoryMap => 9,
            MemoryOp::Exchange { .. } => 11,
        }
    }
}

impl Xen {
    /// `memory_op`: the number that comes back, and frames if there are any.
    ///
    /// # Errors
    /// ESRCH, EPERM, EINVAL, ENOMEM.
    pub fn memory_op(&mut self, caller: VcpuId, op: MemoryOp) -> Result<(i64, Vec<Hfn>), Refusal> {
        let only = |n: u64| Ok((n as i64, Vec::new()));
        match op {
            MemoryOp::IncreaseReservation { domain, count } => {
                let domain = self.reservation_of(caller, domain)?;
                let frames: Vec<Hfn> = (0..count).map_while(|_| self.allocate_frame(domain)).collect();
                Ok((frames.len() as i64, frames))
            }
            MemoryOp::PopulatePhysmap { domain, frames } => {
                let domain = self.reservation_of(caller, domain)?;
                let mut got = Vec::new();
                for pfn in frames {
                    let Some(frame) = self.allocate_frame(domain) else { break };
                    if let Some(info) = self.frames.info_mut(frame) {
                        info.pfn = Some(pfn);
                    }
                    got.push(frame);
                }
                Ok((got.len() as i64, got))
            }
            MemoryOp::DecreaseReservation { domain, frames } => {
                let domain = self.reservation_of(caller, domain)?;
                only(frames.iter().take_while(|frame| self.free_frame(**frame, domain)).count() as u64)
            }
            MemoryOp::Exchange { domain, frames } => self.exchange(caller, domain, &frames),
            MemoryOp::MaximumRamPage => only(self.memory.len() - 1),
            MemoryOp::CurrentReservation(domain) => {
                let domain = self.reservation_of(caller, domain)?;
                only(self.domain(domain).map_or(0, |d| d.tot_pages))
            }
            MemoryOp::MaximumReservation(domain) => {
                let domain = self.reservation_of(caller, domain)?;
                only(self.domain(domain).map_or(0, |d| d.max_pages))
            }
            MemoryOp::MachphysMfnList | MemoryOp::MemoryMap => only(0),
        }
    }

    fn reservation_of(&self, caller: VcpuId, domain: DomId) -> Result<DomId, Refusal> {
        let Some(domain) = self.any_id(caller, domain) else {
            return refuse(Errno::ESRCH, "there is no domain of that number");
        };
        self.require_target(caller, domain, "only a privileged domain changes others' memory")?;
        Ok(domain)
    }

    /// A frame for a domain, if it may have more and there is one (`alloc_domheap_pages`).
    pub fn allocate_frame(&mut self, domain: DomId) -> Option<Hfn> {
        let d = self.domain(domain)?;
        if d.is_dying || d.tot_pages >= d.max_pages {
            return None;
        }
        let frame = self.memory.allocate(Owner::Guest(GuestId(u32::from(domain.0))))?;
        if let Some(d) = self.domain_mut(domain) {
            d.tot_pages += 1;
        }
        if let Some(info) = self.frames.info_mut(frame) {
            *info = PageInfo::default();
        }
        Some(frame)
    }

    /// Takes a frame from a domain that gives it up; whether it was its own. One to which somebody refers stays until they let
    /// go.
    pub fn free_frame(&mut self, frame: Hfn, domain: DomId) -> bool {
        if self.owner(frame) != Some(domain) {
            return false;
        }
        let info = self.frames.info(frame);
        if info.count > 0 || info.type_count > 0 {
            return false;
        }
        if let Some(d) = self.domain_mut(domain) {
            d.tot_pages = d.tot_pages.saturating_sub(1);
        }
        if let Some(info) = self.frames.info_mut(frame) {
            *info = PageInfo::default();
        }
        self.memory.release(frame);
        true
    }

    fn exchange(&mut self, caller: VcpuId, domain: DomId, frames: &[Hfn]) -> Result<(i64, Vec<Hfn>), Refusal> {
        let domain = self.reservation_of(caller, domain)?;
        let mut stolen = Vec::new();
        for frame in frames {
            if !self.steal_page(*frame, domain) {
                for frame in stolen {
                    self.take_back(frame, domain);
                }
                return refuse(Errno::EINVAL, "a frame is not the domain's own, or somebody refers to it");
            }
            stolen.push(*frame);
        }
        if self.memory.free_frames() < frames.len() as u64 {
            for frame in stolen {
                self.take_back(frame, domain);
            }
            return refuse(Errno::ENOMEM, "the machine has no frames left");
        }
        let got: Vec<Hfn> = frames.iter().map_while(|_| self.allocate_frame(domain)).collect();
        for frame in stolen {
            self.memory.release(frame);
        }
        Ok((0, got))
    }

    fn take_back(&mut self, frame: Hfn, domain: DomId) {
        self.memory.give(frame, Owner::Guest(GuestId(u32::from(domain.0))));
        if let Some(d) = self.domain_mut(domain) {
            d.tot_pages += 1;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::xen::domain::{Domain, GuestKind};

    const ONE: VcpuId = VcpuId::first(DomId(1));

    fn machine() -> Xen {
        let mut xen = Xen::new(32, 4);
        for id in 0..3 {
            let mut d = Domain::new(DomId(id), GuestKind::Pv64, 1);
            d.max_pages = 8;
            xen.insert_domain(d);
        }
        xen
    }

    fn op(xen: &mut Xen, op: MemoryOp) -> Result<(i64, Vec<Hfn>), Errno> {
        let result = xen.memory_op(ONE, op).map_err(|refusal| refusal.errno);
        assert_eq!(xen.check(), Ok(()));
        result
    }

    #[test]
    fn a_balloon_gives_frames_back_and_gets_no_more_than_the_limit() {
        let mut xen = machine();
        let (count, frames) =
            op(&mut xen, MemoryOp::IncreaseReservation { domain: DomId::SELF, count: 10 }).expect("it may");
        assert_eq!((count, frames.len()), (8, 8), "fewer than asked for is no error");
        let given = MemoryOp::DecreaseReservation { domain: DomId::SELF, frames: vec![frames[0], Hfn(0), frames[1]] };
        assert_eq!(op(&mut xen, given).map(|(count, _)| count), Ok(1), "it stops at the first that is not its own");
        assert_eq!(op(&mut xen, MemoryOp::CurrentReservation(DomId::SELF)).map(|(n, _)| n), Ok(7));
        assert_eq!(op(&mut xen, MemoryOp::MaximumReservation(DomId::SELF)).map(|(n, _)| n), Ok(8));
        assert_eq!(op(&mut xen, MemoryOp::CurrentReservation(DomId(2))), Err(Errno::EPERM));
        assert_eq!(op(&mut xen, MemoryOp::CurrentReservation(DomId(9))), Err(Errno::ESRCH));
    }

    #[test]
    fn a_frame_that_somebody_uses_cannot_be_given_up_or_exchanged() {
        let mut xen = machine();
        let frame = xen.allocate_frame(DomId(1)).expect("there is one");
        let other = xen.allocate_frame(DomId(1)).expect("there is one");
        xen.get_page_and_type(frame, DomId(1), crate::xen::mm::PageType::Writable).expect("it is its own");
        assert!(!xen.free_frame(frame, DomId(1)));
        let exchange = MemoryOp::Exchange { domain: DomId::SELF, frames: vec![other, frame] };
        assert_eq!(xen.memory_op(ONE, exchange).map_err(|refusal| refusal.errno), Err(Errno::EINVAL));
        assert_eq!(xen.owner(other), Some(DomId(1)), "nothing is lost");
        let exchange = MemoryOp::Exchange { domain: DomId::SELF, frames: vec![other] };
        let (_, got) = xen.memory_op(ONE, exchange).expect("it is its own");
        assert_eq!((got.len(), xen.domain(DomId(1)).map(|d| d.tot_pages)), (1, Some(2)));
    }
}
