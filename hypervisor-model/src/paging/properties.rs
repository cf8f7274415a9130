//! What a processor remembers against a second, plain statement of the manual's rules: random tables, accesses and flushes.
//!
//! The rules are written down here once more, operation by operation ([`falls`]), from the SDM's text and not from the
//! table in [`super::flush`]. Caches are large enough that nothing is ever evicted, so a translation is remembered
//! exactly when the rules say so: staleness appears where the architecture allows it, and nowhere else.

use super::event::Silent;
use super::fault::Attempt;
use super::flush::Flush;
use super::format::{A, D, G, P, RW, US};
use super::tlb::{Geometry, Tag, Tlb, TlbConfig};
use super::{Ept, Flat, Leaf, PagingState, Regime, TranslationStop, ept, translate, walk};
use crate::cpu::{AccessKind, Cr0, Cr4, Efer};
use crate::memory::{Hpa, Owner, PhysicalMemory};
use proptest::prelude::*;

/// Linear pages that programs use, beginning here; and as many frames for them.
const LINEAR: u64 = 0x40_0000;
const PAGES: u64 = 4;
/// The first frame of data.
const DATA: u64 = 0x100;
const PCIDS: [u16; 2] = [1, 2];

/// Where translations are made: the host, and guests whose physical addresses go through EPT or do not.
const CONTEXTS: [(u16, Option<usize>); 5] = [(0, None), (1, None), (2, Some(0)), (3, Some(0)), (3, Some(1))];

#[derive(Clone, Copy, Debug)]
enum Op {
    /// The program reads a page.
    Read(u64),
    /// Somebody writes the entry of a page in the tables of a PCID.
    Entry { pcid: usize, page: u64, frame: u64, flags: u64 },
    /// Somebody makes the entry above name another table.
    Table { pcid: usize, which: usize },
    /// The hypervisor maps a guest's frame elsewhere.
    Nested { ept: usize, frame: u64, to: u64 },
    /// The processor goes on elsewhere; what that flushes is another operation.
    Context(usize, usize),
    /// Something is flushed.
    Flush(Flush),
}

fn op() -> impl Strategy<Value = Op> {
    let flags = prop::sample::select(vec![0, P | US | A | D, P | RW | US | A | D, P | US | A | D | G]);
    let page = || 0..PAGES;
    prop_oneof![
        6 => page().prop_map(Op::Read),
        3 => (0..2usize, page(), page(), flags)
            .prop_map(|(pcid, page, frame, flags)| Op::Entry { pcid, page, frame, flags }),
        1 => (0..2usize, 0..2usize).prop_map(|(pcid, which)| Op::Table { pcid, which }),
        2 => (0..2usize, page(), page()).prop_map(|(ept, frame, to)| Op::Nested { ept, frame, to }),
        3 => (0..CONTEXTS.len(), 0..2usize).prop_map(|(context, pcid)| Op::Context(context, pcid)),
        3 => flush().prop_map(Op::Flush),
    ]
}

fn flush() -> impl Strategy<Value = Flush> {
    let address = || (0..PAGES).prop_map(|page| LINEAR + page * 0x1000 + 0x123);
    let pcid = || prop::sample::select(PCIDS.to_vec());
    let vpid = || 1..4u16;
    prop_oneof![
        pcid().prop_map(Flush::Cr3Pcid),
        Just(Flush::Cr3Keep),
        Just(Flush::Cr4Global),
        Just(Flush::Cr4Mode),
        address().prop_map(Flush::Invlpg),
        (pcid(), address()).prop_map(|(pcid, a)| Flush::InvpcidAddress(pcid, a)),
        pcid().prop_map(Flush::InvpcidContext),
        Just(Flush::InvpcidAll),
        Just(Flush::InvpcidAllButGlobals),
        Just(Flush::TransitionUntagged),
        Just(Flush::TransitionTagged),
        (vpid(), address()).prop_map(|(vpid, a)| Flush::InvvpidAddress(vpid, a)),
        vpid().prop_map(Flush::InvvpidContext),
        Just(Flush::InvvpidAll),
        vpid().prop_map(Flush::InvvpidContextButGlobals),
        (0..2u64).prop_map(|ept| Flush::InveptContext(eptp(ept as usize))),
        Just(Flush::InveptAll),
    ]
}

/// A remembered translation, as the rules speak of it.
#[derive(Clone, Copy, PartialEq, Debug)]
struct Remembered {
    tag: Tag,
    page: u64,
    is_global: bool,
    leaf: Leaf,
}

/// Whether a translation goes (SDM 4.10.4.1, 28.3.3.1), for a processor that runs in `now`.
fn falls(flush: Flush, now: Tag, it: Remembered) -> bool {
    let here = it.tag.vpid == now.vpid;
    let at = |address: u64| it.page == address & !0xfff;
    match flush {
        Flush::Cr3 => here && !it.is_global && it.tag.pcid == now.pcid,
        Flush::Cr3Pcid(pcid) | Flush::InvpcidContext(pcid) => here && !it.is_global && it.tag.pcid == pcid,
        Flush::Cr3Keep | Flush::TransitionTagged => false,
        Flush::Cr4Global | Flush::Cr0PagingOff | Flush::InvpcidAll => here,
        Flush::Cr4Mode => here && it.tag.pcid == now.pcid,
        Flush::Invlpg(address) | Flush::PageFault(address) => {
            here && at(address) && (it.is_global || it.tag.pcid == now.pcid)
        }
        Flush::InvpcidAddress(pcid, address) => here && at(address) && !it.is_global && it.tag.pcid == pcid,
        Flush::InvpcidAllButGlobals => here && !it.is_global,
        Flush::TransitionUntagged => it.tag.vpid == 0,
        Flush::InvvpidAddress(vpid, address) => it.tag.vpid == vpid && at(address),
        Flush::InvvpidContext(vpid) => it.tag.vpid == vpid,
        Flush::InvvpidAll => it.tag.vpid != 0,
        Flush::InvvpidContextButGlobals(vpid) => it.tag.vpid == vpid && !it.is_global,
        Flush::InveptContext(ept) => it.tag.ept == ept,
        Flush::InveptAll => it.tag.ept != 0,
        Flush::Invlpga(..) | Flush::TlbControlAll | Flush::TlbControlAsid(_) | Flush::TlbControlAsidButGlobals(_) => {
            unreachable!("AMD's have tests of their own")
        }
    }
}

/// The EPT pointers: tables at fixed frames, write-back, four levels.
fn eptp(which: usize) -> u64 {
    (0x200 + 0x10 * which as u64) << 12 | 0x1e
}

struct Machine {
    memory: PhysicalMemory,
    tlb: Tlb,
    context: usize,
    pcid: usize,
    remembered: Vec<Remembered>,
}

impl Machine {
    /// Tables of both PCIDs at frames 0x10 and 0x20, with two tables of the last level each; EPT maps all of that, and the
    /// data, to itself.
    fn new(structures: u32) -> Machine {
        let mut memory = PhysicalMemory::new(0x300);
        while memory.allocate(Owner::Host).is_some() {}
        let table = P | RW | US | A;
        for pcid in 0..2u64 {
            let frame = 0x10 + 0x10 * pcid;
            memory.write_u64(Hpa(frame << 12), (frame + 1) << 12 | table);
            memory.write_u64(Hpa((frame + 1) << 12), (frame + 2) << 12 | table);
            memory.write_u64(Hpa(((frame + 2) << 12) + 8 * (LINEAR >> 21)), (frame + 3) << 12 | table);
            let first = eptp(pcid as usize) >> 12;
            for level in 0..3 {
                memory.write_u64(Hpa((first + level) << 12), (first + level + 1) << 12 | ept::RWX);
            }
            for gfn in 0..0x110 {
                memory.write_u64(Hpa(((first + 3) << 12) + 8 * gfn), gfn << 12 | ept::RWX | ept::TYPE_WB);
            }
        }
        let large = Geometry { sets: 16, ways: 64 };
        let config = TlbConfig { instruction: large, data: large, unified: large, structures };
        Machine { memory, tlb: Tlb::new(config), context: 0, pcid: 0, remembered: Vec::new() }
    }

    fn tag(&self) -> Tag {
        let (vpid, ept) = CONTEXTS[self.context];
        Tag { vpid, pcid: PCIDS[self.pcid], ept: ept.map_or(0, eptp) }
    }

    fn regime(&self) -> Regime {
        Regime::new(&PagingState {
            cr0: Cr0::PG | Cr0::PE | Cr0::WP,
            cr3: (0x10 + 0x10 * self.pcid as u64) << 12 | u64::from(PCIDS[self.pcid]),
            cr4: Cr4::PAE | Cr4::PCIDE | Cr4::PGE,
            efer: Efer::LME | Efer::LMA | Efer::NXE,
            ..PagingState::default()
        })
    }

    fn nested(&self) -> Option<Ept> {
        let eptp = eptp(CONTEXTS[self.context].1?);
        Some(Ept { eptp, pml: None, features: Default::default() })
    }

    fn read(&mut self, page: u64) -> Result<(Leaf, bool), TranslationStop> {
        let (regime, tag, attempt) = (self.regime(), self.tag(), Attempt::user(AccessKind::Read));
        let linear = LINEAR + page * 0x1000;
        let (tlb, context) = (&mut self.tlb, (&regime, &tag));
        let found = match CONTEXTS[self.context].1.map(eptp) {
            Some(eptp) => {
                let mut ept = Ept { eptp, pml: None, features: Default::default() };
                translate(tlb, &mut self.memory, &mut ept, context, linear, attempt, &mut Silent)
            }
            None => translate(tlb, &mut self.memory, &mut Flat, context, linear, attempt, &mut Silent),
        };
        found.map(|found| (found.leaf, found.was_hit))
    }

    /// What the tables say now.
    fn walk(&mut self, page: u64) -> Result<Leaf, TranslationStop> {
        let (regime, attempt) = (self.regime(), Attempt::user(AccessKind::Read));
        let linear = LINEAR + page * 0x1000;
        let walked = match self.nested() {
            Some(mut ept) => walk(&mut self.memory, &mut ept, &regime, linear, attempt, None, &mut Silent),
            None => walk(&mut self.memory, &mut Flat, &regime, linear, attempt, None, &mut Silent),
        };
        walked.map(|walked| walked.leaf)
    }

    fn change(&mut self, op: Op) {
        match op {
            Op::Entry { pcid, page, frame, flags } => {
                for table in [3, 4] {
                    let at = Hpa(((0x10 + 0x10 * pcid as u64 + table) << 12) + 8 * page);
                    // The two tables differ, so that it can be told through which one a walk went.
                    let frame = DATA + if table == 4 { PAGES - 1 - frame } else { frame };
                    self.memory.write_u64(at, if flags & P == 0 { 0 } else { frame << 12 | flags });
                }
            }
            Op::Table { pcid, which } => {
                let frame = 0x10 + 0x10 * pcid as u64;
                let at = Hpa(((frame + 2) << 12) + 8 * (LINEAR >> 21));
                self.memory.write_u64(at, (frame + 3 + which as u64) << 12 | P | RW | US | A);
            }
            Op::Nested { ept, frame, to } => {
                let at = Hpa(((eptp(ept) >> 12) + 3) << 12).plus(8 * (DATA + frame));
                self.memory.write_u64(at, (DATA + 8 + to) << 12 | ept::RWX | ept::TYPE_WB);
            }
            Op::Context(context, pcid) => (self.context, self.pcid) = (context, pcid),
            Op::Flush(flush) => {
                let now = self.tag();
                self.tlb.flush(flush, now);
                self.remembered.retain(|it| !falls(flush, now, *it));
            }
            Op::Read(_) => {}
        }
    }

    /// The translations that may serve a page here.
    fn may_serve(&self, page: u64) -> Vec<Leaf> {
        let now = self.tag();
        let serves = |it: &&Remembered| {
            it.page == LINEAR + page * 0x1000
                && (it.tag.vpid, it.tag.ept) == (now.vpid, now.ept)
                && (it.is_global || it.tag.pcid == now.pcid)
        };
        self.remembered.iter().filter(serves).map(|it| it.leaf).collect()
    }
}

/// What makes a processor look at the tables again for a page, whatever was remembered of it here.
fn complete_flushes(tag: Tag, page: u64) -> Vec<Flush> {
    let mut all = vec![Flush::Invlpg(LINEAR + page * 0x1000), Flush::Cr4Global, Flush::InvpcidAll, Flush::Cr0PagingOff];
    if tag.vpid == 0 {
        all.push(Flush::TransitionUntagged);
    } else {
        all.extend([Flush::InvvpidContext(tag.vpid), Flush::InvvpidAll]);
        all.push(Flush::InvvpidAddress(tag.vpid, LINEAR + page * 0x1000));
    }
    if tag.ept != 0 {
        all.extend([Flush::InveptContext(tag.ept), Flush::InveptAll]);
    }
    all
}

proptest! {
    #[test]
    fn a_translation_is_remembered_exactly_as_long_as_the_manual_says(ops in prop::collection::vec(op(), 1..80)) {
        let mut machine = Machine::new(0);
        for op in ops {
            machine.change(op);
            let Op::Read(page) = op else { continue };
            let may_serve = machine.may_serve(page);
            let found = machine.read(page);
            let now = machine.walk(page);
            match found {
                Ok((leaf, true)) => prop_assert!(may_serve.contains(&leaf), "{leaf:?} was dropped or never there"),
                Ok((leaf, false)) => {
                    prop_assert!(may_serve.is_empty(), "{may_serve:?} was forgotten without a reason");
                    prop_assert_eq!(Ok(leaf), now);
                    let is_global = leaf.rights.contains(super::Rights::GLOBAL);
                    let page = LINEAR + page * 0x1000;
                    machine.remembered.push(Remembered { tag: machine.tag(), page, is_global, leaf });
                }
                Err(stop) => {
                    prop_assert!(may_serve.is_empty(), "{may_serve:?} was forgotten without a reason");
                    if matches!(stop, TranslationStop::PageFault(_)) {
                        // It reaches what was remembered under other EPT pointers, too.
                        let (fault, now) = (Flush::PageFault(LINEAR + page * 0x1000), machine.tag());
                        machine.remembered.retain(|it| !falls(fault, now, *it));
                    }
                    prop_assert_eq!(Err(stop), now);
                }
            }
        }
    }

    #[test]
    fn after_a_flush_that_reaches_a_page_its_translation_equals_the_walk(
        ops in prop::collection::vec(op(), 1..60),
        page in 0..PAGES,
        which in any::<prop::sample::Index>(),
    ) {
        let mut machine = Machine::new(32);
        for op in ops {
            machine.change(op);
            if let Op::Read(page) = op {
                let _ = machine.read(page);
            }
        }
        let flush = *which.get(&complete_flushes(machine.tag(), page));
        machine.change(Op::Flush(flush));
        let found = machine.read(page).map(|(leaf, _)| leaf);
        prop_assert_eq!(found, machine.walk(page), "after {:?}", flush);
    }
}

#[test]
fn a_global_page_that_another_pcid_has_hit_still_goes_with_its_own_pcid() {
    let mut machine = Machine::new(0);
    let (one, large) = (Geometry { sets: 1, ways: 1 }, Geometry { sets: 16, ways: 4 });
    machine.tlb = Tlb::new(TlbConfig { instruction: one, data: one, unified: large, structures: 0 });
    machine.change(Op::Entry { pcid: 0, page: 0, frame: 0, flags: P | US | A | D | G });
    machine.change(Op::Entry { pcid: 0, page: 1, frame: 1, flags: P | US | A | D });
    machine.read(0).expect("it is mapped");
    machine.read(1).expect("it is mapped, and makes the first go from the first level");
    machine.change(Op::Context(0, 1));
    assert!(machine.read(0).is_ok_and(|(_, was_hit)| was_hit), "the second level has it");
    machine.change(Op::Context(0, 0));
    machine.change(Op::Flush(Flush::Cr4Mode));
    assert!(machine.read(0).is_ok_and(|(_, was_hit)| !was_hit), "the copy in the first level is gone, too");
}
