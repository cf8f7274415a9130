//! A processor's way from an address to memory: what it remembers first, and a walk where it remembers nothing.

use super::event::Trace;
use super::fault::{Attempt, TranslationStop};
use super::flush::Flush;
use super::regime::Regime;
use super::second::SecondDimension;
use super::tlb::{Tag, Tlb};
use super::walk::{Leaf, Rights, denial, walk};
use crate::cpu::AccessKind;
use crate::memory::PhysicalMemory;

/// How a translation was found.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Translation {
    /// The page.
    pub leaf: Leaf,
    /// It was remembered, and needed no walk.
    pub was_hit: bool,
}

/// Translates one access.
///
/// A remembered translation that forbids the access is no proof: the tables may have gained the right since. The manual
/// leaves open whether the processor faults then or looks again (SDM 4.10.4.3); here it drops the translation and walks. A write through a translation whose
/// dirty bit is not set walks too, to set it (SDM 4.8).
///
/// # Errors
/// The fault that the access meets.
#[inline]
pub fn translate<S: SecondDimension, T: Trace>(
    tlb: &mut Tlb,
    memory: &mut PhysicalMemory,
    second: &mut S,
    (regime, tag): (&Regime, &Tag),
    linear: u64,
    attempt: Attempt,
    trace: &mut T,
) -> Result<Translation, TranslationStop> {
    let is_fetch = attempt.kind == AccessKind::Fetch;
    if let Some(leaf) = tlb.lookup(tag, linear, is_fetch, trace) {
        if denial(regime, leaf.rights, leaf.key, attempt).is_some() {
            tlb.flush(Flush::PageFault(linear), *tag);
        } else if serves(leaf, attempt.kind) {
            return Ok(Translation { leaf, was_hit: true });
        }
    }
    let start = tlb.start(*tag, linear);
    let walked = match walk(memory, second, regime, linear, attempt, start, trace) {
        Ok(walked) => walked,
        Err(stop) => {
            if matches!(stop, TranslationStop::PageFault(_)) {
                tlb.flush(Flush::PageFault(linear), *tag);
            }
            return Err(stop);
        }
    };
    tlb.fill(*tag, linear, is_fetch, &walked, trace);
    Ok(Translation { leaf: walked.leaf, was_hit: false })
}

/// Whether a remembered translation serves an access without another look at the tables.
#[inline]
fn serves(leaf: Leaf, kind: AccessKind) -> bool {
    match kind {
        AccessKind::Read => leaf.rights.contains(Rights::NESTED_READ),
        AccessKind::Write => leaf.rights.contains(Rights::DIRTY | Rights::NESTED_WRITE | Rights::NESTED_DIRTY),
        AccessKind::Fetch => leaf.rights.contains(Rights::NESTED_EXECUTE),
    }
}

#[cfg(test)]
mod tests {
    use super::super::event::References;
    use super::super::format::{A, D, G, P, RW, US};
    use super::super::{Flat, PagingState, TlbConfig};
    use super::*;
    use crate::cpu::{Cr0, Cr4, Efer};
    use crate::memory::{Hpa, Owner};

    /// A processor with PCIDs, and tables that map one page.
    struct Machine {
        memory: PhysicalMemory,
        tlb: Tlb,
        regime: Regime,
        tag: Tag,
        leaf_entry: Hpa,
    }

    const LINEAR: u64 = 0x7000;

    impl Machine {
        fn new(leaf: u64) -> Machine {
            let mut memory = PhysicalMemory::new(64);
            let tables: Vec<u64> = (0..4).filter_map(|_| memory.allocate(Owner::Host)).map(|f| f.address().0).collect();
            for pair in tables.windows(2) {
                memory.write_u64(Hpa(pair[0]), pair[1] | P | RW | US | A);
            }
            let leaf_entry = Hpa(tables[3] + 8 * 7);
            memory.write_u64(leaf_entry, leaf);
            let state = PagingState {
                cr0: Cr0::PG | Cr0::PE | Cr0::WP,
                cr3: tables[0] | 5,
                cr4: Cr4::PAE | Cr4::PCIDE | Cr4::PGE,
                efer: Efer::LME | Efer::LMA | Efer::NXE,
                ..PagingState::default()
            };
            let tag = Tag { vpid: 0, pcid: 5, ept: 0 };
            Machine { memory, tlb: Tlb::new(TlbConfig::default()), regime: Regime::new(&state), tag, leaf_entry }
        }

        fn access(&mut self, kind: AccessKind) -> (Result<u64, TranslationStop>, u64) {
            let mut references = References::default();
            let found = translate(
                &mut self.tlb,
                &mut self.memory,
                &mut Flat,
                (&self.regime, &self.tag),
                LINEAR,
                Attempt::user(kind),
                &mut references,
            );
            (found.map(|t| t.leaf.hpa.0), references.0)
        }
    }

    #[test]
    fn the_first_access_walks_and_the_second_does_not() {
        let mut machine = Machine::new(0x9000 | P | US | A);
        assert_eq!(machine.access(AccessKind::Read), (Ok(0x9000), 4));
        assert_eq!(machine.access(AccessKind::Read), (Ok(0x9000), 0));
    }

    #[test]
    fn a_frame_that_was_changed_without_a_flush_stays_the_old_one() {
        let mut machine = Machine::new(0x9000 | P | US | A);
        machine.access(AccessKind::Read).0.expect("the tables allow it");
        machine.memory.write_u64(machine.leaf_entry, 0xa000 | P | US | A);
        assert_eq!(machine.access(AccessKind::Read), (Ok(0x9000), 0), "stale, as the architecture allows");
        machine.tlb.flush(Flush::Invlpg(LINEAR), machine.tag);
        assert_eq!(machine.access(AccessKind::Read), (Ok(0xa000), 4), "INVLPG drops the structure caches too");
    }

    #[test]
    fn a_right_that_was_added_needs_no_flush() {
        let mut machine = Machine::new(0x9000 | P | US | A | D);
        machine.access(AccessKind::Read).0.expect("the tables allow it");
        assert!(machine.access(AccessKind::Write).0.is_err());
        machine.access(AccessKind::Read).0.expect("the tables allow it");
        machine.memory.write_u64(machine.leaf_entry, 0x9000 | P | RW | US | A | D);
        assert_eq!(machine.access(AccessKind::Write).0, Ok(0x9000));
    }

    #[test]
    fn the_first_write_sets_the_dirty_bit_though_the_page_is_remembered() {
        let mut machine = Machine::new(0x9000 | P | RW | US | A);
        machine.access(AccessKind::Read).0.expect("the tables allow it");
        assert!(machine.access(AccessKind::Write).1 > 0);
        assert_eq!(machine.memory.read_u64(machine.leaf_entry) & D, D);
        assert_eq!(machine.access(AccessKind::Write).1, 0);
    }

    #[test]
    fn loading_cr3_drops_one_pcid_and_leaves_what_is_global() {
        for (bits, kept) in [(0, false), (G, true)] {
            let mut machine = Machine::new(0x9000 | P | US | A | bits);
            machine.access(AccessKind::Read).0.expect("the tables allow it");
            machine.tlb.flush(Flush::Cr3Pcid(6), machine.tag);
            assert_eq!(machine.access(AccessKind::Read).1, 0, "another PCID");
            machine.tlb.flush(Flush::Cr3Pcid(5), machine.tag);
            assert_eq!(machine.access(AccessKind::Read).1 == 0, kept);
            machine.tlb.flush(Flush::Invlpg(LINEAR), Tag { pcid: 6, ..machine.tag });
            assert_eq!(machine.access(AccessKind::Read).1 == 0, !kept, "INVLPG drops a global page under any PCID");
        }
    }

    #[test]
    fn nothing_is_remembered_of_what_is_not_there() {
        let mut machine = Machine::new(0);
        assert!(machine.access(AccessKind::Read).0.is_err());
        machine.memory.write_u64(machine.leaf_entry, 0x9000 | P | US | A);
        assert_eq!(machine.access(AccessKind::Read).0, Ok(0x9000));
    }
}
