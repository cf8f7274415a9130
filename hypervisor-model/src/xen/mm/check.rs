//! What must always hold of frames and page tables: every count is made up anew from the tables.

use std::collections::BTreeMap;

use super::validate::entry_frame;
use super::{PageType, is_guest_slot};
use crate::memory::Hfn;
use crate::paging::format::{P, RW};
use crate::xen::Xen;
use crate::xen::grant_table::map::{GNTMAP_DEVICE_MAP, GNTMAP_HOST_MAP, GNTMAP_READONLY};

/// References and uses of frames, counted from where they come from.
#[derive(Default)]
struct Census {
    references: BTreeMap<Hfn, u32>,
    uses: BTreeMap<(Hfn, PageType), u32>,
}

impl Census {
    fn refer(&mut self, frame: Hfn) {
        *self.references.entry(frame).or_default() += 1;
    }

    fn uses(&mut self, frame: Hfn, kind: PageType) {
        self.refer(frame);
        *self.uses.entry((frame, kind)).or_default() += 1;
    }
}

impl Xen {
    /// What must always hold of frames; the text says what does not.
    pub fn check_frames(&self) -> Result<(), String> {
        let mut census = Census::default();
        for (frame, info) in self.frames.used() {
            if info.is_pinned {
                census.uses(frame, info.kind);
            }
            if let PageType::Table(level) = info.kind
                && info.type_count > 0
            {
                self.count_entries(frame, level, &mut census);
            }
        }
        for d in self.domains() {
            let top = PageType::Table(if d.kind == crate::xen::domain::GuestKind::Pv32 { 3 } else { 4 });
            for v in &d.vcpus {
                v.cr3.into_iter().chain(v.user_cr3).for_each(|root| census.uses(root, top));
                v.gdt_frames.iter().for_each(|frame| census.uses(*frame, PageType::SegDesc));
            }
            for mapping in d.grants.maptrack.values() {
                let active = self.domain(mapping.domid).and_then(|d| d.grants.active.get(&mapping.gref));
                let Some(active) = active else { return Err(format!("{}: a mapping of nothing", d.id)) };
                for _ in 0..(mapping.flags & (GNTMAP_HOST_MAP | GNTMAP_DEVICE_MAP)).count_ones() {
                    match mapping.flags & GNTMAP_READONLY {
                        0 => census.uses(active.mfn, PageType::Writable),
                        _ => census.refer(active.mfn),
                    }
                }
            }
        }
        self.compare(&census)
    }

    fn count_entries(&self, table: Hfn, level: u8, census: &mut Census) {
        for slot in (0..512).filter(|slot| is_guest_slot(level, *slot)) {
            let entry = self.memory.read_u64(table.address().plus(8 * slot));
            let frame = entry_frame(entry);
            let is_linear = level > 1 && frame == table;
            let is_memory = entry & P != 0 && frame.0 < self.memory.len() && !is_linear;
            let is_granted = level == 1 && self.owner(frame) != self.owner(table);
            if !is_memory || is_granted {
                continue;
            }
            match (level, entry & RW) {
                (1, 0) => census.refer(frame),
                (1, _) => census.uses(frame, PageType::Writable),
                _ => census.uses(frame, PageType::Table(level - 1)),
            }
        }
    }

    fn compare(&self, census: &Census) -> Result<(), String> {
        for (frame, info) in self.frames.used() {
            let references = census.references.get(&frame).copied().unwrap_or(0);
            if info.count != references {
                return Err(format!("frame {frame}: count {} and {references} references", info.count));
            }
            let uses = census.uses.get(&(frame, info.kind)).copied().unwrap_or(0);
            if info.type_count != uses {
                return Err(format!("frame {frame}: {} {} times, and {uses} uses", info.kind.name(), info.type_count));
            }
        }
        let wrong = census.uses.keys().find(|(frame, kind)| self.frames.info(*frame).kind != *kind);
        match wrong {
            Some((frame, kind)) => Err(format!("frame {frame} is used as {} and is not one", kind.name())),
            None => Ok(()),
        }
    }
}
