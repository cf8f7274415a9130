//! Translations in a loop, and beside it the bare loop that does nothing but the look-ups: what the model's care costs.
//!
//! The bare loop knows one format, no rights, no tags and no fault: an array for what is remembered, and loads that depend
//! on each other for a walk. Both go over the same tables and the same addresses.

use hypervisor_model::cpu::{AccessKind, Cr0, Cr4, Efer};
use hypervisor_model::memory::{Hpa, Owner, PhysicalMemory};
use hypervisor_model::paging::format::{A, ADDRESS, D, P, RW, US};
use hypervisor_model::paging::tlb::Geometry;
use hypervisor_model::paging::{
    Attempt, Ept, Flat, PagingEvent, PagingState, Regime, SecondDimension, Silent, Tag, Tlb, TlbConfig, Trace, ept,
    translate,
};
use wasm_bindgen::prelude::wasm_bindgen;

/// Linear pages that are mapped.
const PAGES: u64 = 8192;
/// Where they begin.
const LINEAR: u64 = 0x4000_0000;
/// Pages that are used nearly always: they fit into the first level.
const HOT: u64 = 32;
/// Frames of the machine: some tables, and data.
const FRAMES: u64 = 64;
/// The top table of EPT.
const EPT_ROOT: u64 = 40;

/// The tables, and the addresses in the order in which they are used.
struct Setting {
    memory: PhysicalMemory,
    image: Vec<u64>,
    regime: Regime,
    addresses: Vec<u64>,
}

impl Setting {
    /// `hits`: 99 of 100 accesses go to a few pages; otherwise no two that follow each other go to the same one.
    fn new(hits: bool) -> Setting {
        let mut memory = PhysicalMemory::new(FRAMES);
        while memory.allocate(Owner::Host).is_some() {}
        let flags = P | RW | US | A | D;
        let mut write = |frame: u64, index: u64, to: u64, flags: u64| {
            memory.write_u64(Hpa((frame << 12) + 8 * index), to << 12 | flags);
        };
        write(1, LINEAR >> 39 & 511, 2, flags);
        write(2, LINEAR >> 30 & 511, 3, flags);
        for table in 0..PAGES / 512 {
            write(3, table, 4 + table, flags);
            for index in 0..512 {
                write(4 + table, index, 32 + index % 8, flags);
            }
        }
        for level in 0..3 {
            write(EPT_ROOT + level, 0, EPT_ROOT + level + 1, ept::RWX);
        }
        for frame in 0..FRAMES {
            write(EPT_ROOT + 3, frame, frame, ept::RWX | ept::TYPE_WB);
        }
        let image = (0..FRAMES * 512).map(|word| memory.read_u64(Hpa(word * 8))).collect();
        let regime = Regime::new(&PagingState {
            cr0: Cr0::PG | Cr0::PE | Cr0::WP,
            cr3: 1 << 12,
            cr4: Cr4::PAE,
            efer: Efer::LME | Efer::LMA | Efer::NXE,
            ..PagingState::default()
        });
        let page = |i: u64| match (hits, i % 100) {
            (true, 99) => HOT + i * 7919 % (PAGES - HOT),
            (true, _) => i * 5 % HOT,
            (false, _) => i * 517 % PAGES,
        };
        let addresses = (0..10_000).map(|i| LINEAR + page(i) * 4096 + 8 * (i % 512)).collect();
        Setting { memory, image, regime, addresses }
    }

    fn tlb(hits: bool) -> Tlb {
        if hits {
            return Tlb::new(TlbConfig::default());
        }
        // Nothing to find: one translation, and no tables on the way.
        let one = Geometry { sets: 1, ways: 1 };
        Tlb::new(TlbConfig { instruction: one, data: one, unified: one, structures: 0 })
    }

    fn modelled<S: SecondDimension, T: Trace>(
        &mut self,
        hits: bool,
        count: u32,
        second: &mut S,
        trace: &mut T,
        clear: fn(&mut T),
    ) -> u64 {
        let mut tlb = Setting::tlb(hits);
        let tag = Tag { vpid: 1, pcid: 0, ept: EPT_ROOT << 12 };
        let attempt = Attempt::user(AccessKind::Read);
        let mut sum = 0u64;
        for i in 0..count as usize {
            let linear = self.addresses[i % self.addresses.len()];
            let context = (&self.regime, &tag);
            let found = translate(&mut tlb, &mut self.memory, second, context, linear, attempt, trace);
            sum = sum.wrapping_add(found.map_or(0, |found| found.leaf.at(linear).0));
            clear(trace);
        }
        sum
    }

    fn bare(&self, hits: bool, nested: bool, count: u32) -> u64 {
        let mut remembered = vec![(u64::MAX, 0u64); 1024];
        let mut sum = 0u64;
        for i in 0..count as usize {
            let linear = self.addresses[i % self.addresses.len()];
            let page = linear >> 12;
            let slot = &mut remembered[(page & 1023) as usize];
            if !hits || slot.0 != page {
                *slot = (page, if nested { self.walk_nested(linear) } else { self.walk(1 << 12, linear) });
            }
            sum = sum.wrapping_add(slot.1 | linear & 0xfff);
        }
        sum
    }

    fn load(&self, at: u64) -> u64 {
        self.image[(at >> 3) as usize % self.image.len()]
    }

    fn walk(&self, root: u64, address: u64) -> u64 {
        [39, 30, 21, 12].iter().fold(root, |table, shift| self.load(table + 8 * (address >> shift & 511)) & ADDRESS)
    }

    fn walk_nested(&self, linear: u64) -> u64 {
        let host = |at: u64| self.walk(EPT_ROOT << 12, at) | at & 0xfff;
        let entry = |table: u64, shift: u32| self.load(host(table + 8 * (linear >> shift & 511))) & ADDRESS;
        host([39, 30, 21, 12].iter().fold(1 << 12, |table, shift| entry(table, *shift)))
    }
}

/// Translates `count` addresses and gives a sum over what was found, the same for every `way`: `bare`, `silent` (tracing
/// off) or `traced`. `hits`: 99 of 100 are remembered, or none. `nested`: over EPT, so that a walk makes 24 references
/// instead of 4.
#[wasm_bindgen]
pub fn translations(way: &str, hits: bool, nested: bool, count: u32) -> u64 {
    let mut setting = Setting::new(hits);
    let mut ept = Ept { eptp: EPT_ROOT << 12 | 0x1e, pml: None, features: ept::EptFeatures::default() };
    let mut events: Vec<PagingEvent> = Vec::new();
    match (way, nested) {
        ("bare", _) => setting.bare(hits, nested, count),
        ("traced", true) => setting.modelled(hits, count, &mut ept, &mut events, Vec::clear),
        ("traced", false) => setting.modelled(hits, count, &mut Flat, &mut events, Vec::clear),
        (_, true) => setting.modelled(hits, count, &mut ept, &mut Silent, |_| {}),
        (_, false) => setting.modelled(hits, count, &mut Flat, &mut Silent, |_| {}),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_way_finds_the_same() {
        for hits in [false, true] {
            let sums: Vec<u64> = [false, true]
                .into_iter()
                .flat_map(|nested| ["bare", "silent", "traced"].map(|way| translations(way, hits, nested, 20_000)))
                .collect();
            assert!(sums.iter().all(|sum| *sum == sums[0] && *sum != 0), "{sums:?}");
        }
    }
}
