//! Shadow page tables in VMware's manner, kept coherent by traces. Source: Adams and Agesen, "A Comparison of Software and
//! Hardware Techniques for x86 Virtualization", ASPLOS 2006, 2.4 "Primary and shadow structures", 3.4.
//!
//! The processor walks tables that the VMM has composed from the guest's tables and the guest's frames, one shadow for
//! each guest table at each level. A guest frame that has a shadow is *traced*: no shadow entry lets the guest write it,
//! so a store there comes to the VMM, which makes the store and mends the shadow at once. There is no table that may go
//! stale meanwhile, as KVM has (`kvm::mmu::sync`).
//!
//! A fault is *true* when the guest's own tables forbid the access, and *hidden* when only the shadow did. Large pages of
//! the guest are taken apart into small ones. A guest frame that a program writes to holds no table any more, whatever
//! it held: its shadow is dropped.
//!
//! Invariants ([`TracedShadow::check`]):
//! 1. Every entry that maps a page is the composition of the guest's entry and the guest's frames, with no more rights.
//! 2. Every frame that is mapped belongs to the guest.
//! 3. No traced frame is mapped so that it can be written.

use super::guest_window::GuestWindow;
use crate::cpu::AccessKind;
use crate::memory::{Gfn, Gpa, Hfn, Hpa, Owner, PhysicalMemory};
use crate::paging::format::{A, ADDRESS, D, G, P, PS, RW, US, XD};
use crate::paging::{Attempt, PageFault, Regime, Silent, TranslationStop, walk};
use std::collections::{BTreeMap, BTreeSet};

/// Levels of the guest's tables and of the shadow.
const LEVELS: u8 = 4;

/// What a shadow table is the shadow of.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
enum Shadowed {
    /// A guest table, as one of a level: the same frame may serve at several.
    Table { frame: Gfn, level: u8 },
    /// A part of a large page, taken apart; `flags` are those of the guest's entry.
    Part { first: Gfn, level: u8, flags: u64 },
}

impl Shadowed {
    fn level(self) -> u8 {
        match self {
            Shadowed::Table { level, .. } | Shadowed::Part { level, .. } => level,
        }
    }
}

/// An entry of a shadow table.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
struct Slot {
    table: Hfn,
    index: u16,
}

impl Slot {
    fn address(self) -> Hpa {
        self.table.address().plus(8 * u64::from(self.index))
    }
}

/// What the VMM did about a fault of the shadow tables.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Resolved {
    /// The guest's tables forbid the access: the guest gets the fault.
    True(PageFault),
    /// They allow it, and the shadow does now.
    Hidden,
    /// They allow it, but it is a store to a frame that is traced: the VMM must make it.
    Traced(Gpa),
    /// They allow it, and there is no memory: a device, or nothing.
    NoMemory(Gpa),
}

/// What happened, counted.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Counts {
    /// Faults that the guest got.
    pub true_faults: u64,
    /// Faults that it did not get.
    pub hidden_faults: u64,
    /// Stores to traced frames.
    pub traced_stores: u64,
    /// Shadow tables made.
    pub tables_made: u64,
    /// Shadow tables dropped, because their frame held no table any more or there was no room.
    pub tables_dropped: u64,
}

/// The shadow tables of one guest.
#[derive(Clone, PartialEq, Debug)]
pub struct TracedShadow {
    window: GuestWindow,
    tables: BTreeMap<Shadowed, Hfn>,
    shadowed: BTreeMap<Hfn, Shadowed>,
    /// Guest frames that are traced, with the levels at which they have a shadow.
    traced: BTreeMap<Gfn, BTreeSet<u8>>,
    /// Where a guest frame is mapped, and for which page.
    mappings: BTreeMap<Gfn, BTreeMap<Slot, u64>>,
    /// Which entries name a shadow table.
    parents: BTreeMap<Hfn, BTreeSet<Slot>>,
    /// Pages that processors must forget before the guest goes on; `None` for all.
    stale: BTreeSet<Option<u64>>,
    /// What happened.
    pub counts: Counts,
}

impl TracedShadow {
    /// No shadow yet, of a guest whose memory is seen through a window.
    #[must_use]
    pub fn new(window: GuestWindow) -> TracedShadow {
        TracedShadow {
            window,
            tables: BTreeMap::new(),
            shadowed: BTreeMap::new(),
            traced: BTreeMap::new(),
            mappings: BTreeMap::new(),
            parents: BTreeMap::new(),
            stale: BTreeSet::new(),
            counts: Counts::default(),
        }
    }

    /// The guest's memory.
    #[must_use]
    pub fn window(&self) -> GuestWindow {
        self.window
    }

    /// Whether stores to a guest frame come to the VMM.
    #[must_use]
    pub fn is_traced(&self, frame: Gfn) -> bool {
        self.traced.contains_key(&frame)
    }

    /// Frames that the shadow takes.
    #[must_use]
    pub fn table_frames(&self) -> u64 {
        self.tables.len() as u64
    }

    /// Takes out the pages that processors must forget now; `None` stands for all of them.
    pub fn take_stale(&mut self) -> BTreeSet<Option<u64>> {
        std::mem::take(&mut self.stale)
    }

    /// The shadow of the tables that a value of the guest's CR3 names; `None` when there is no room for it.
    pub fn root(&mut self, memory: &mut PhysicalMemory, cr3: u64) -> Option<Hpa> {
        let root = Shadowed::Table { frame: Gpa(cr3 & ADDRESS).frame(), level: LEVELS };
        if let Some(table) = self.table(memory, root) {
            return Some(table.address());
        }
        self.drop_all(memory);
        self.table(memory, root).map(Hfn::address)
    }

    /// What is to be done about a fault of the shadow tables: tells true from hidden, and fills the shadow in. `None` when
    /// the machine has not even room for one way through the tables.
    pub fn resolve(
        &mut self,
        memory: &mut PhysicalMemory,
        regime: &Regime,
        linear: u64,
        attempt: Attempt,
    ) -> Option<Resolved> {
        let mut window = self.window;
        let walked = match walk(memory, &mut window, regime, linear, attempt, None, &mut Silent) {
            Ok(walked) => walked,
            Err(TranslationStop::PageFault(fault)) => {
                self.counts.true_faults += 1;
                return Some(Resolved::True(fault));
            }
            Err(_) => return None,
        };
        let gpa = Gpa(walked.leaf.gpa.0 | linear & ((1 << walked.leaf.shift) - 1));
        if !self.window.holds(gpa.frame()) {
            return Some(Resolved::NoMemory(gpa));
        }
        let hits_trace = attempt.kind == AccessKind::Write && self.is_traced(gpa.frame());
        if hits_trace && !attempt.is_user {
            return Some(Resolved::Traced(gpa));
        }
        if hits_trace {
            self.untrace(memory, gpa.frame());
        }
        if self.fill(memory, regime.root.0, linear).is_none() {
            self.drop_all(memory);
            self.fill(memory, regime.root.0, linear)?;
        }
        if hits_trace && self.is_traced(gpa.frame()) {
            // A program that may write a table of its own: the way to the page leads through it.
            return Some(Resolved::Traced(gpa));
        }
        self.counts.hidden_faults += 1;
        Some(Resolved::Hidden)
    }

    /// A store of the guest's to its own memory, made by the VMM; the shadow is mended where the frame is traced.
    pub fn store(&mut self, memory: &mut PhysicalMemory, at: Gpa, value: u64) {
        memory.write_u64(self.window.machine(at), value);
        let levels = self.traced.get(&at.frame()).cloned().unwrap_or_default();
        self.counts.traced_stores += u64::from(!levels.is_empty());
        let index = (at.0 >> 3 & 511) as u16;
        for level in levels {
            let Some(table) = self.tables.get(&Shadowed::Table { frame: at.frame(), level }).copied() else { continue };
            let slot = Slot { table, index };
            let page = self.mapped_page(memory, slot);
            self.clear(memory, slot);
            if let (1, true, Some(page)) = (level, value & (P | A) == P | A, page) {
                // A page that was in use is so again most likely: no hidden fault is needed.
                self.map(memory, slot, page, value);
            }
        }
    }

    /// Follows the guest's tables to a page and makes the shadow of that way.
    fn fill(&mut self, memory: &mut PhysicalMemory, root: u64, linear: u64) -> Option<()> {
        let mut frame = Gpa(root & ADDRESS).frame();
        let mut table = self.table(memory, Shadowed::Table { frame, level: LEVELS })?;
        for level in (1..=LEVELS).rev() {
            let slot = Slot { table, index: index(linear, level) };
            let entry = memory.read_u64(self.window.machine(frame.address().plus(8 * u64::from(slot.index))));
            if level == 1 {
                self.map(memory, slot, linear >> 12, entry);
            } else if entry & PS != 0 {
                return self.take_apart(memory, slot, (entry, level), linear);
            } else {
                frame = Gpa(entry & ADDRESS).frame();
                table = self.table(memory, Shadowed::Table { frame, level: level - 1 })?;
                self.name(memory, slot, table, entry & (RW | US | XD));
            }
        }
        Some(())
    }

    /// The part of a large page that an address is in, as small pages.
    fn take_apart(
        &mut self,
        memory: &mut PhysicalMemory,
        mut slot: Slot,
        (entry, leaf_level): (u64, u8),
        linear: u64,
    ) -> Option<()> {
        let flags = entry & (US | XD | G | D | A) | if entry & D != 0 { entry & RW } else { 0 } | P;
        let size = 1u64 << (9 * (leaf_level - 1));
        let first = Gpa(entry & ADDRESS).frame().0 & !(size - 1);
        for level in (1..leaf_level).rev() {
            let span = 1u64 << (9 * level);
            let part = Gfn(first + (linear >> 12 & (size - 1) & !(span - 1)));
            let table = self.table(memory, Shadowed::Part { first: part, level, flags })?;
            self.name(memory, slot, table, flags & (RW | US | XD));
            slot = Slot { table, index: index(linear, level) };
        }
        let frame = first + (linear >> 12 & (size - 1));
        self.map(memory, slot, linear >> 12, Gfn(frame).address().0 | flags);
        Some(())
    }

    /// Maps a page by what the guest's entry says.
    fn map(&mut self, memory: &mut PhysicalMemory, slot: Slot, page: u64, entry: u64) {
        self.clear(memory, slot);
        let frame = Gpa(entry & ADDRESS).frame();
        if let Some(composed) = self.compose(entry) {
            memory.write_u64(slot.address(), composed);
            self.mappings.entry(frame).or_default().insert(slot, page);
        }
    }

    /// What the shadow of a guest's entry for a small page may hold; `None` where there is no memory behind it.
    fn compose(&self, entry: u64) -> Option<u64> {
        let frame = Gpa(entry & ADDRESS).frame();
        if entry & P == 0 || !self.window.holds(frame) {
            return None;
        }
        // Not writable before the guest's dirty bit is set, so that the first store comes to the VMM, which sets it.
        let is_writable = entry & RW != 0 && entry & D != 0 && !self.is_traced(frame);
        let write = if is_writable { RW | D } else { 0 };
        Some(self.window.machine(frame.address()).0 | P | A | entry & (US | XD | G) | write)
    }

    /// Makes an entry name a shadow table.
    fn name(&mut self, memory: &mut PhysicalMemory, slot: Slot, table: Hfn, rights: u64) {
        let entry = table.address().0 | P | A | rights;
        if memory.read_u64(slot.address()) != entry {
            self.clear(memory, slot);
            memory.write_u64(slot.address(), entry);
            self.parents.entry(table).or_default().insert(slot);
        }
    }

    /// Makes an entry not present, and forgets who it was.
    fn clear(&mut self, memory: &mut PhysicalMemory, slot: Slot) {
        let entry = memory.read_u64(slot.address());
        if entry & P == 0 {
            return;
        }
        memory.write_u64(slot.address(), 0);
        let named = Hpa(entry & ADDRESS).frame();
        if let Some(parents) = self.parents.get_mut(&named) {
            parents.remove(&slot);
        } else if let Some(frame) = self.window.frame_of(named)
            && let Some(slots) = self.mappings.get_mut(&frame)
        {
            slots.remove(&slot);
            if slots.is_empty() {
                self.mappings.remove(&frame);
            }
        }
    }

    /// For which page an entry maps a frame now.
    fn mapped_page(&self, memory: &PhysicalMemory, slot: Slot) -> Option<u64> {
        let frame = self.window.frame_of(Hpa(memory.read_u64(slot.address()) & ADDRESS).frame())?;
        self.mappings.get(&frame)?.get(&slot).copied()
    }

    /// Finds or makes a shadow table; the guest's table is traced from then on. `None` when there is no room.
    fn table(&mut self, memory: &mut PhysicalMemory, what: Shadowed) -> Option<Hfn> {
        if let Some(table) = self.tables.get(&what) {
            return Some(*table);
        }
        let table = memory.allocate(Owner::ShadowTable(self.window.guest))?;
        self.counts.tables_made += 1;
        self.tables.insert(what, table);
        self.shadowed.insert(table, what);
        self.parents.insert(table, BTreeSet::new());
        if let Shadowed::Table { frame, level } = what {
            self.trace(memory, frame, level);
        }
        Some(table)
    }

    /// Takes the right to write a guest frame out of all mappings.
    fn trace(&mut self, memory: &mut PhysicalMemory, frame: Gfn, level: u8) {
        self.traced.entry(frame).or_default().insert(level);
        for (slot, page) in self.mappings.get(&frame).cloned().unwrap_or_default() {
            let entry = memory.read_u64(slot.address());
            if entry & RW != 0 {
                memory.write_u64(slot.address(), entry & !RW);
                self.stale.insert(Some(page));
            }
        }
    }

    /// A guest frame holds no table any more: its shadows go.
    fn untrace(&mut self, memory: &mut PhysicalMemory, frame: Gfn) {
        for level in self.traced.remove(&frame).unwrap_or_default() {
            self.drop_table(memory, Shadowed::Table { frame, level });
        }
        self.stale.insert(None);
    }

    fn drop_table(&mut self, memory: &mut PhysicalMemory, what: Shadowed) {
        let Some(table) = self.tables.remove(&what) else { return };
        for index in 0..512 {
            self.clear(memory, Slot { table, index });
        }
        for slot in self.parents.remove(&table).unwrap_or_default() {
            memory.write_u64(slot.address(), 0);
        }
        self.shadowed.remove(&table);
        self.counts.tables_dropped += 1;
        memory.release(table);
    }

    /// There is no room: everything is dropped, and will be made again where it is needed.
    fn drop_all(&mut self, memory: &mut PhysicalMemory) {
        self.counts.tables_dropped += self.tables.len() as u64;
        for table in std::mem::take(&mut self.tables).into_values() {
            memory.release(table);
        }
        self.shadowed.clear();
        self.parents.clear();
        self.mappings.clear();
        self.traced.clear();
        self.stale.insert(None);
    }

    /// Looks at every entry; the text says what does not hold.
    ///
    /// # Errors
    /// What does not hold.
    pub fn check(&self, memory: &PhysicalMemory) -> Result<(), String> {
        for (table, what) in &self.shadowed {
            for index in 0..512 {
                let slot = Slot { table: *table, index };
                let entry = memory.read_u64(slot.address());
                if entry & P == 0 {
                    continue;
                }
                let guest = self.guest_entry(memory, *what, index);
                let named = Hpa(entry & ADDRESS).frame();
                if what.level() > 1 {
                    let child = self.shadowed.get(&named).ok_or_else(|| format!("{slot:?} names no table"))?;
                    self.check_table(slot, (entry, guest), *child)?;
                } else {
                    self.check_leaf(memory, slot, entry, guest)?;
                }
            }
        }
        Ok(())
    }

    /// The guest's entry that one of a shadow table stands for.
    fn guest_entry(&self, memory: &PhysicalMemory, what: Shadowed, index: u16) -> u64 {
        match what {
            Shadowed::Table { frame, .. } => {
                memory.read_u64(self.window.machine(frame.address().plus(8 * u64::from(index))))
            }
            Shadowed::Part { first, level, flags } => {
                Gfn(first.0 + (u64::from(index) << (9 * (level - 1)))).address().0
                    | flags
                    | if level > 1 { PS } else { 0 }
            }
        }
    }

    fn check_table(&self, slot: Slot, (entry, guest): (u64, u64), child: Shadowed) -> Result<(), String> {
        let is_same = match child {
            Shadowed::Table { frame, .. } => guest & PS == 0 && Gpa(guest & ADDRESS).frame() == frame,
            Shadowed::Part { .. } => guest & PS != 0,
        };
        if guest & P == 0 || !is_same || entry & (RW | US) & !guest != 0 || guest & XD & !entry != 0 {
            return Err(format!("{slot:?} holds {entry:#x} for {child:?}, the guest's entry is {guest:#x}"));
        }
        Ok(())
    }

    fn check_leaf(&self, memory: &PhysicalMemory, slot: Slot, entry: u64, guest: u64) -> Result<(), String> {
        let composed = self.compose(guest).ok_or_else(|| format!("{slot:?} maps what the guest does not"))?;
        let frame = Hpa(entry & ADDRESS).frame();
        if entry & ADDRESS != composed & ADDRESS || entry & (RW | US) & !composed != 0 || composed & XD & !entry != 0 {
            return Err(format!("{slot:?} holds {entry:#x}, the composition is {composed:#x}"));
        }
        if memory.owner(frame) != Owner::Guest(self.window.guest) {
            return Err(format!("{slot:?} maps {frame}, which belongs to {:?}", memory.owner(frame)));
        }
        Ok(())
    }
}

/// Which entry of a table of `level` an address selects.
fn index(linear: u64, level: u8) -> u16 {
    (linear >> (12 + 9 * (u32::from(level) - 1)) & 0x1ff) as u16
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cpu::{Cr0, Cr4, Efer};
    use crate::memory::GuestId;
    use crate::paging::{Flat, PagingState};
    use proptest::prelude::*;

    const FRAMES: u64 = 64;
    const TABLES: [u64; 6] = [1, 2, 3, 4, 5, 6];

    /// A guest with a four-level table at frames 1 to 4 and two more tables of the last level, and another guest's memory
    /// behind its own.
    struct Guest {
        memory: PhysicalMemory,
        shadow: TracedShadow,
        state: PagingState,
    }

    impl Guest {
        fn new() -> Guest {
            let mut memory = PhysicalMemory::new(2 * FRAMES + 16);
            let first = memory.allocate_block(FRAMES, Owner::Guest(GuestId(1))).expect("there is room");
            memory.allocate_block(FRAMES, Owner::Guest(GuestId(2))).expect("there is room");
            let window = GuestWindow { guest: GuestId(1), first, frames: FRAMES };
            let state = PagingState {
                cr0: Cr0::PG | Cr0::PE | Cr0::WP,
                cr3: 0x1000,
                cr4: Cr4::PAE,
                efer: Efer::LME | Efer::LMA | Efer::NXE,
                ..PagingState::default()
            };
            let mut guest = Guest { memory, shadow: TracedShadow::new(window), state };
            for (table, value) in [(1u64, 2u64), (2, 3), (3, 4)] {
                guest.store(table, 0, value << 12 | P | RW | US | A);
            }
            // The tables themselves are mapped, and so is some memory.
            for page in 0..16 {
                guest.store(4, page, page << 12 | P | RW | US | A | D);
            }
            guest
        }

        fn store(&mut self, table: u64, index: u64, value: u64) {
            self.shadow.store(&mut self.memory, Gpa(table << 12 | index << 3), value);
        }

        /// An access by the shadow, with what the VMM does for it; where it ends.
        fn touch(&mut self, linear: u64, attempt: Attempt) -> Option<Hpa> {
            for _ in 0..3 {
                let root = self.shadow.root(&mut self.memory, self.state.cr3).expect("there is room");
                let regime = Regime::new(&PagingState { cr3: root.0, ..self.state });
                let walked = walk(&mut self.memory, &mut Flat, &regime, linear, attempt, None, &mut Silent);
                if let Ok(walked) = walked {
                    return Some(walked.leaf.at(linear));
                }
                let guests = Regime::new(&self.state);
                match self.shadow.resolve(&mut self.memory, &guests, linear, attempt)? {
                    Resolved::Hidden => {}
                    Resolved::True(_) | Resolved::NoMemory(_) => return None,
                    Resolved::Traced(gpa) => return Some(self.shadow.window().machine(gpa)),
                }
            }
            panic!("{linear:#x} is never reached");
        }

        fn composition(&self, linear: u64, attempt: Attempt) -> Option<Hpa> {
            let (mut memory, mut window) = (self.memory.clone(), self.shadow.window());
            let regime = Regime::new(&self.state);
            let walked = walk(&mut memory, &mut window, &regime, linear, attempt, None, &mut Silent).ok()?;
            Some(walked.leaf.at(linear))
        }
    }

    #[test]
    fn a_page_is_filled_in_once_and_a_table_cannot_be_written_by_the_guest() {
        let mut guest = Guest::new();
        let write = Attempt::supervisor(AccessKind::Write);
        assert!(guest.touch(0x8000, write).is_some());
        assert!(guest.touch(0x8000, write).is_some());
        assert_eq!((guest.shadow.counts.hidden_faults, guest.shadow.counts.true_faults), (1, 0));
        let regime = Regime::new(&guest.state);
        let table = guest.shadow.resolve(&mut guest.memory, &regime, 0x4000, write);
        assert_eq!(table, Some(Resolved::Traced(Gpa(0x4000))));
        assert!(guest.touch(0x3f000, Attempt::supervisor(AccessKind::Read)).is_none());
        assert_eq!(guest.shadow.counts.true_faults, 1);
    }

    #[test]
    fn a_change_of_a_page_in_use_needs_no_hidden_fault() {
        let mut guest = Guest::new();
        let read = Attempt::supervisor(AccessKind::Read);
        guest.touch(0x8000, read);
        guest.store(4, 8, 0x9000 | P | RW | US | A | D);
        let there = guest.shadow.window().machine(Gpa(0x9000));
        assert_eq!(guest.touch(0x8000, read), Some(there));
        assert_eq!(guest.shadow.counts.hidden_faults, 1);
    }

    #[test]
    fn a_frame_that_a_program_writes_to_is_no_table_any_more() {
        let mut guest = Guest::new();
        guest.store(3, 1, 5 << 12 | P | RW | US | A);
        guest.touch(0x20_0000, Attempt::supervisor(AccessKind::Read));
        assert!(!guest.shadow.is_traced(Gfn(5)), "nothing was mapped through it");
        guest.store(5, 0, 0x8000 | P | RW | US | A | D);
        guest.touch(0x20_0000, Attempt::supervisor(AccessKind::Read));
        assert!(guest.shadow.is_traced(Gfn(5)));
        guest.store(3, 1, 0);
        guest.touch(0x5000, Attempt::user(AccessKind::Write));
        assert!(!guest.shadow.is_traced(Gfn(5)));
        assert_eq!(guest.shadow.check(&guest.memory), Ok(()));
    }

    proptest! {
        #[test]
        fn the_shadow_is_always_the_composition_and_reaches_the_guests_own_frames_only(
            ops in prop::collection::vec(
                (
                    prop::sample::select(TABLES.to_vec()), 0..16u64, prop_oneof![0..20u64, Just(63), Just(64), Just(70)],
                    prop::sample::select(vec![0u64, P, P | RW, P | RW | US, P | RW | US | A | D, P | US | PS | A | D, XD | P | US]),
                    0..40u64, any::<bool>(), any::<bool>(),
                ),
                1..60,
            ),
        ) {
            let mut guest = Guest::new();
            for (table, index, frame, flags, page, is_write, is_user) in ops {
                guest.store(table, index, frame << 12 | flags);
                prop_assert_eq!(guest.shadow.check(&guest.memory), Ok(()));
                let kind = if is_write { AccessKind::Write } else { AccessKind::Read };
                let attempt = Attempt { kind, is_user, is_implicit: false };
                let linear = (page % 20) << 12 | (page / 20) << 21;
                let expected = guest.composition(linear, attempt);
                let found = guest.touch(linear, attempt);
                prop_assert_eq!(guest.shadow.check(&guest.memory), Ok(()));
                let within = expected.filter(|hpa| guest.shadow.window().frame_of(hpa.frame()).is_some());
                prop_assert_eq!(found, within);
                if let Some(hpa) = found {
                    prop_assert_eq!(guest.memory.owner(hpa.frame()), Owner::Guest(GuestId(1)));
                }
            }
        }
    }
}
