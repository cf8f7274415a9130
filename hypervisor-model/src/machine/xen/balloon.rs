//! The balloon of a PV guest: frames that its kernel does not use go back to Xen, or come from there. Source: Linux 6.1,
//! `drivers/xen/balloon.c`, `mem-reservation.c`.
//!
//! A frame that is to go is first taken out of the kernel's map of all memory, with a hypercall a page; then a list of up to a
//! page of frame numbers goes to Xen at once.

use kernel_model::machine::report::{Deed, DeedKind, Lane};

use super::XenPv;
use crate::machine::computer::Computer;
use crate::machine::counters::Counters;
use crate::machine::kernel_tables::DIRECT_MAP;
use crate::memory::{Gfn, Hfn};
use crate::paging::format::{A, D, P, RW, XD};
use crate::xen::call::{Hypercall, Output};
use crate::xen::domain::DomId;
use crate::xen::memory::MemoryOp;

/// Frames in one request: a page of numbers.
const BATCH: usize = 512;

impl Computer<XenPv> {
    /// `balloon_process`: gives up frames, or asks for more, until the domain has so many. How many it has then.
    pub fn balloon(&mut self, target: u64) -> u64 {
        let has = self.hardware.frames_of_domain();
        let (lent, first_lent) = self.tables().lent_frames();
        if target < has {
            let frames = self.tables_mut().lend_frames(has - target);
            let given = self.hardware.decrease_reservation(&frames, &mut self.counters);
            self.tell_balloon(
                given,
                "The balloon driver takes {pages} pages out of its kernel's map of memory, a hypercall each, and gives their \
                 frames back to Xen: domain {domain} has {frames} left.",
            );
        } else if target > has && lent > 0 {
            let wanted = (target - has).min(lent);
            let got = self.hardware.increase_reservation(first_lent, wanted, &mut self.counters);
            self.tables_mut().take_frames_back(got);
            self.tell_balloon(
                got,
                "The balloon driver gets frames for {pages} pages from Xen and puts them into its kernel's map of memory, a \
                 hypercall each: domain {domain} has {frames} now.",
            );
        }
        self.hardware.frames_of_domain()
    }

    fn tell_balloon(&mut self, pages: u64, sentence: &'static str) {
        let (domain, frames) = (u64::from(self.hardware.domain.0), self.hardware.frames_of_domain());
        self.counters.told.tell(|cpu, _| {
            Deed::new(DeedKind::Hypercall, "memory_op")
                .goes(cpu, Lane::GuestKernel, Lane::Hypervisor)
                .with("pages", pages)
                .with("domain", domain)
                .with("frames", frames)
                .says(sentence, "drivers/xen/balloon.c")
        });
    }
}

impl XenPv {
    /// Frames that Xen counts as the domain's.
    fn frames_of_domain(&self) -> u64 {
        self.xen.domain(self.domain).map_or(0, |d| d.tot_pages)
    }

    fn map_page(&mut self, pfn: Gfn, entry: u64, counters: &mut Counters) {
        let va = DIRECT_MAP + pfn.address().0;
        self.call(0, Hypercall::UpdateVaMapping { va, val: entry, flags: 0 }, counters);
    }

    /// What is told of thousands of pages is one sentence.
    fn quietly<T>(&mut self, counters: &mut Counters, what: impl FnOnce(&mut Self, &mut Counters) -> T) -> T {
        let listens = std::mem::replace(&mut counters.told.listens, false);
        let result = what(self, counters);
        counters.told.listens = listens;
        result
    }

    /// `decrease_reservation`: these frames of the guest's, the last ones of its memory, go; how many went.
    fn decrease_reservation(&mut self, frames: &[Gfn], counters: &mut Counters) -> u64 {
        self.quietly(counters, |guest, counters| {
            for part in frames.chunks(BATCH) {
                let machine: Vec<Hfn> = part.iter().map(|pfn| guest.machine_frame(*pfn)).collect();
                part.iter().for_each(|pfn| guest.map_page(*pfn, 0, counters));
                let op = MemoryOp::DecreaseReservation { domain: DomId::SELF, frames: machine };
                guest.call(0, Hypercall::MemoryOp(op), counters);
            }
        });
        if let Some(first) = frames.iter().min() {
            self.p2m.truncate(*first);
        }
        frames.len() as u64
    }

    /// `increase_reservation`: frames from this one on, as far as Xen gives them; how many came.
    fn increase_reservation(&mut self, first: Gfn, count: u64, counters: &mut Counters) -> u64 {
        self.quietly(counters, |guest, counters| {
            let mut got = 0;
            while got < count {
                let wanted = (count - got).min(BATCH as u64);
                let frames: Vec<Gfn> = (0..wanted).map(|n| Gfn(first.0 + got + n)).collect();
                let op = MemoryOp::PopulatePhysmap { domain: DomId::SELF, frames: frames.clone() };
                let Some(Output::Frames(machine)) = guest.ask(0, Hypercall::MemoryOp(op), counters) else { break };
                for (pfn, frame) in frames.into_iter().zip(&machine) {
                    guest.p2m.push(*frame);
                    guest.map_page(pfn, frame.address().0 | P | RW | A | D | XD, counters);
                }
                got += machine.len() as u64;
                if (machine.len() as u64) < wanted {
                    break;
                }
            }
            got
        })
    }
}

#[cfg(test)]
mod tests {
    use crate::machine::computer::Computer;
    use crate::machine::cost::Costs;
    use crate::machine::kernel_tables::KernelPages;
    use crate::machine::xen::{KernelRing, XenPv};

    /// 128 MiB.
    const FRAMES: u64 = 1 << 15;

    #[test]
    fn a_balloon_gives_frames_back_gets_them_again_and_leaves_the_kernel_some() {
        let costs = Costs::preset("nehalem-2011").expect("it can be read");
        let guest = XenPv::new(FRAMES, KernelRing::Three, costs).expect("there is room");
        let mut machine = Computer::with_pages(guest, FRAMES, false, KernelPages::Small);
        use kernel_model::mm::MmId;
        use kernel_model::pv_ops::{PvOp, PvOps};
        machine.execute(0, PvOp::WriteCr3 { mm: MmId(1) });
        let free = machine.hardware.xen.memory.free_frames();
        let before = machine.counters.clone();
        assert_eq!(machine.balloon(FRAMES - 1000), FRAMES - 1000);
        let calls = machine.counters.since(&before).hypercalls;
        assert_eq!(calls.get("update_va_mapping"), Some(&1000));
        assert_eq!(calls.get("memory_op"), Some(&2), "512 frames a request");
        assert_eq!(machine.hardware.xen.memory.free_frames(), free + 1000);
        assert_eq!(machine.balloon(FRAMES - 300), FRAMES - 300);
        assert_eq!(machine.balloon(FRAMES + 50), FRAMES, "there is no more room for it than it began with");
        assert_eq!(machine.hardware.xen.memory.free_frames(), free);
        assert!(machine.balloon(0) > 100 << 8, "the kernel keeps what it needs");
        assert_eq!((machine.hardware.xen.check(), machine.hardware.refused), (Ok(()), 0));
    }
}
