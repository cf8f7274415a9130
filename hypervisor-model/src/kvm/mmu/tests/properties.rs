//! Guests that do anything to their tables: whatever they do, they reach their own memory only, and KVM's tables say what
//! theirs and the memory slots say together.
//!
//! Two guests share the machine. One of them writes entries into its tables as it likes, frames beyond its memory
//! included, loads CR3, changes CR0.WP, flushes, and touches memory.

use super::*;
use crate::memory::Hpa;
use crate::paging::{Flat, Regime, TranslationStop, walk};
use proptest::prelude::*;

/// What the guest does.
#[derive(Clone, Copy, Debug)]
enum Op {
    /// Touches memory; a page fault of its own is not served.
    Touch(u64, AccessKind, bool),
    /// Writes an entry of a table: which table, which entry, frame, flags.
    Entry(u64, u64, u64, u64),
    /// Loads CR3.
    Cr3(u64),
    /// INVLPG.
    Invlpg(u64),
    /// Sets or clears CR0.WP.
    WriteProtect(bool),
}

/// Addresses that the tables of the recorder have something at, or may get.
fn address() -> impl Strategy<Value = u64> {
    prop_oneof![
        (0..8u64).prop_map(|page| DEMAND + page * PAGE),
        (0..8u64).prop_map(|page| 0x10_0000 + page * PAGE),
        (0..4u64).prop_map(|page| 0x80_0000 + page * PAGE),
        // Tables themselves, as data.
        (1..0xau64).prop_map(|page| page * PAGE),
        Just(0x4000_0000),
    ]
}

fn op() -> impl Strategy<Value = Op> {
    let kind = prop::sample::select(vec![R, W, AccessKind::Fetch]);
    let table = prop::sample::select(vec![0x1000u64, 0x2000, 0x3000, 0x4000, 0x6000, 0x7000, 0xa000]);
    let frame = prop_oneof![1..0xcu64, 0x100..0x110u64, Just(0x800u64), Just(0xbff), Just(0xc00), Just(0xf_ffff)];
    let flags = prop::sample::select(vec![0u64, 1, 3, 5, 7, 0x67, 0x8000_0000_0000_0007]);
    prop_oneof![
        5 => (address(), kind, any::<bool>()).prop_map(|(at, kind, user)| Op::Touch(at, kind, user)),
        4 => (table, 0..8u64, frame, flags).prop_map(|(t, i, frame, flags)| Op::Entry(t, i, frame, flags)),
        1 => prop::sample::select(vec![0x1000u64, 0xa000]).prop_map(Op::Cr3),
        2 => address().prop_map(Op::Invlpg),
        1 => any::<bool>().prop_map(Op::WriteProtect),
    ]
}

impl Guest {
    /// Makes an access; where it ended, or `None` when the guest's tables or its memory refuse it.
    fn attempt(&mut self, linear: u64, attempt: Attempt) -> Option<Hpa> {
        for _ in 0..20 {
            self.mmu().enter().ok()?;
            match self.mmu().access(linear, attempt, &mut Silent) {
                Ok(leaf) => return Some(leaf.at(linear)),
                Err(MemoryStop::GuestFault(_)) => return None,
                Err(MemoryStop::Exit(exit)) => match self.mmu().handle(exit) {
                    Resolution::Resume => {}
                    Resolution::Inject(_) | Resolution::Emulate { .. } => return None,
                },
            }
        }
        None
    }

    fn act(&mut self, op: Op) -> Option<Hpa> {
        let is_shadow = self.vm.config.paging == Paging::Shadow;
        match op {
            Op::Touch(at, kind, is_user) => return self.attempt(at, Attempt { kind, is_user, is_implicit: false }),
            Op::Entry(table, index, frame, flags) => {
                let (at, value) = (table + 8 * index, frame << 12 | flags);
                // Through its own mapping of the table, as a kernel does; by the emulator where that is refused.
                match self.attempt(at, Attempt::supervisor(W)) {
                    Some(hpa) => {
                        assert_eq!(self.memory.owner(hpa.frame()), Owner::Guest(self.vm.config.guest));
                        self.memory.write_u64(hpa, value);
                    }
                    None => {
                        self.mmu().write_guest(Gpa(at), 8, value);
                    }
                }
            }
            Op::Cr3(value) if is_shadow => self.mmu().set_cr3(value),
            Op::Cr3(value) => {
                let state = PagingState { cr3: value, ..self.vcpu.guest };
                self.mmu().observe(state);
            }
            Op::Invlpg(at) if is_shadow => self.mmu().invlpg(at),
            Op::Invlpg(_) => {}
            Op::WriteProtect(on) => {
                let wp = if on { Cr0::WP } else { Cr0::empty() };
                self.mmu().set_cr0(Cr0::PE | Cr0::PG | wp);
            }
        }
        None
    }

    /// Where an address is by the guest's own tables and the slots.
    fn composition(&self, linear: u64, attempt: Attempt) -> Option<Hpa> {
        let mut memory = self.memory.clone();
        let mut slots = Composed(&self.vm);
        let regime = Regime::new(&self.vcpu.guest);
        let walked = walk(&mut memory, &mut slots, &regime, linear, attempt, None, &mut Silent).ok()?;
        Some(walked.leaf.at(linear))
    }
}

/// The slots as a second dimension: what is not memory is refused.
struct Composed<'a>(&'a KvmMmu);

impl crate::paging::SecondDimension for Composed<'_> {
    const FRONT: crate::paging::event::Dimension = crate::paging::event::Dimension::Guest;

    fn translate<T: crate::paging::Trace>(
        &mut self,
        memory: &mut PhysicalMemory,
        request: crate::paging::second::Request,
        trace: &mut T,
    ) -> Result<crate::paging::second::Backing, TranslationStop> {
        let slot = self.0.slots.find(request.gpa.frame());
        let refused = slot.is_none_or(|slot| slot.is_readonly && request.is_final && request.kind == W);
        match self.0.hpa(request.gpa).filter(|_| !refused) {
            Some(hpa) => {
                let backing = Flat.translate(memory, request, trace)?;
                Ok(crate::paging::second::Backing { hpa, ..backing })
            }
            None => Err(TranslationStop::PmlFull),
        }
    }

    fn structures_are_written(&self) -> bool {
        false
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, ..ProptestConfig::default() })]

    #[test]
    fn a_guest_reaches_its_own_frames_only(
        paging in prop::sample::select(ALL.to_vec()),
        ops in prop::collection::vec(op(), 1..40),
    ) {
        let mut guest = Guest::long(paging);
        // Somebody else's memory, all around.
        while guest.memory.free_frames() > 600 {
            guest.memory.allocate(Owner::Guest(GuestId(2)));
        }
        for op in ops {
            if let Some(hpa) = guest.act(op) {
                prop_assert_eq!(guest.memory.owner(hpa.frame()), Owner::Guest(GuestId(1)), "{:?}", op);
            }
            prop_assert_eq!(guest.vm.check(&guest.memory), Ok(()), "after {:?}", op);
        }
    }

    #[test]
    fn after_a_flush_shadow_tables_are_the_composition(
        ops in prop::collection::vec(op(), 1..40),
        at in address(),
        kind in prop::sample::select(vec![R, W]),
        is_user in any::<bool>(),
        by_cr3 in any::<bool>(),
    ) {
        let mut guest = Guest::long(Paging::Shadow);
        for op in ops {
            guest.act(op);
        }
        let cr3 = guest.vcpu.guest.cr3;
        guest.act(if by_cr3 { Op::Cr3(cr3) } else { Op::Invlpg(at) });
        let attempt = Attempt { kind, is_user, is_implicit: false };
        let expected = guest.composition(at, attempt);
        let found = guest.attempt(at, attempt);
        // What is emulated ends in no frame here: a store to a table, for one.
        prop_assert!(found.is_none() || found == expected, "{found:?}, the composition is {expected:?}");
        if expected.is_none() {
            prop_assert_eq!(found, None);
        }
    }
}
