//! Anonymous pages: who maps them, and how fork(2) shares them until somebody writes (`mm/rmap.c`, `mm/memory.c`).
//!
//! Pages that were touched together are one run. Every address space that maps a run maps all of its pages; when one
//! lets go of some of them, or gets copies of its own, these become a run of their own for the others.

use std::collections::BTreeMap;

use imbl::OrdSet;
use serde::{Deserialize, Serialize};

use super::address_space::AnonSegment;
use super::{AnonRunId, MemcgId, Memory, MmId};

/// A run of anonymous pages.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct AnonRun {
    /// Who was charged when they were touched.
    pub memcg: MemcgId,
    /// How many there are.
    pub pages: u64,
    /// The number that the next page of the run gets. Numbers of pages that are gone are not used again.
    pub next: u64,
    /// The address spaces in which they are.
    pub mappers: OrdSet<MmId>,
}

/// Pages that nobody maps any more, by who was charged for them.
pub type Freed = BTreeMap<MemcgId, u64>;

impl Memory {
    /// The resident anonymous pages in a range: first page and segment, cut to the range.
    pub fn anon_in(&self, mm: MmId, first: u64, pages: u64) -> Vec<(u64, AnonSegment)> {
        let map = &self.spaces[mm].anon;
        let end = first + pages;
        let from = map.get_prev(&first).map_or(first, |(at, _)| *at);
        let cut = |(at, s): (&u64, &AnonSegment)| {
            let (start, stop) = ((*at).max(first), (at + s.pages).min(end));
            let offset = s.offset + start.saturating_sub(*at);
            (start < stop).then(|| (start, AnonSegment { pages: stop - start, run: s.run, offset }))
        };
        map.range(from..end).filter_map(cut).collect()
    }

    /// The parts of a range that need a new page when they are written: nothing is there (`false`), or it is shared
    /// with others and has to be copied (`true`).
    pub(super) fn to_be_copied(&self, mm: MmId, first: u64, pages: u64) -> Vec<(u64, u64, bool)> {
        let mut parts = Vec::new();
        let mut at = first;
        for (start, segment) in self.anon_in(mm, first, pages) {
            if at < start {
                parts.push((at, start - at, false));
            }
            if self.anon[segment.run].mappers.len() > 1 {
                parts.push((start, segment.pages, true));
            }
            at = start + segment.pages;
        }
        if at < first + pages {
            parts.push((at, first + pages - at, false));
        }
        parts
    }

    /// New pages in a place where none are. `memcg` has been charged for them.
    pub(super) fn map_anon(&mut self, mm: MmId, first: u64, pages: u64, memcg: MemcgId) {
        let space = &mut self.spaces[mm];
        space.rss.anon += pages;
        space.note_rss();
        if let Some((at, before)) = space.anon.get_prev(&first).map(|(at, s)| (*at, *s))
            && at + before.pages == first
        {
            let run = &mut self.anon[before.run];
            if run.memcg == memcg && run.mappers.len() == 1 && before.offset + before.pages == run.next {
                run.pages += pages;
                run.next += pages;
                space.anon.insert(at, AnonSegment { pages: before.pages + pages, ..before });
                return;
            }
        }
        let run = self.anon.add(AnonRun { memcg, pages, next: pages, mappers: OrdSet::unit(mm) });
        self.spaces[mm].anon.insert(first, AnonSegment { pages, run, offset: 0 });
    }

    /// Lets go of the anonymous pages in a range. Those that nobody else maps are free.
    pub(super) fn unmap_anon(&mut self, mm: MmId, first: u64, pages: u64) -> Freed {
        let mut freed = Freed::new();
        for (at, piece) in self.anon_in(mm, first, pages) {
            self.take_out(mm, at, piece.pages);
            let run = &mut self.anon[piece.run];
            if run.mappers.len() > 1 {
                self.leave_to_others(mm, piece);
                continue;
            }
            run.pages -= piece.pages;
            *freed.entry(run.memcg).or_default() += piece.pages;
            if run.pages == 0 {
                self.anon.remove(piece.run);
            }
        }
        freed
    }

    /// Lets go of the anonymous pages in a range, for whoever unmaps it.
    pub(crate) fn unmap_range(&mut self, mm: MmId, first: u64, pages: u64) -> Freed {
        self.unmap_anon(mm, first, pages)
    }

    /// Resident pages move with their area (`move_page_tables`).
    pub(crate) fn move_anon(&mut self, mm: MmId, first: u64, pages: u64, to: u64) {
        for (at, piece) in self.anon_in(mm, first, pages) {
            self.take_out(mm, at, piece.pages);
            let space = &mut self.spaces[mm];
            space.rss.anon += piece.pages;
            space.anon.insert(at - first + to, piece);
        }
    }

    /// Lets go of everything: the address space ends.
    pub(super) fn unmap_all_anon(&mut self, mm: MmId) -> Freed {
        self.unmap_anon(mm, 0, super::address_space::TASK_END)
    }

    /// Removes one piece of the map of an address space; what is left of its segment stays.
    fn take_out(&mut self, mm: MmId, first: u64, pages: u64) {
        let space = &mut self.spaces[mm];
        space.rss.anon -= pages;
        let Some((at, whole)) = space.anon.get_prev(&first).map(|(at, s)| (*at, *s)) else { return };
        let before = first - at;
        if before == 0 {
            space.anon.remove(&at);
        } else {
            space.anon.insert(at, AnonSegment { pages: before, ..whole });
        }
        let behind = whole.pages - before - pages;
        if behind > 0 {
            let rest = AnonSegment { pages: behind, run: whole.run, offset: whole.offset + before + pages };
            space.anon.insert(first + pages, rest);
        }
    }

    /// Some pages of a shared run are no longer those of `mm`: they become a run of the others.
    fn leave_to_others(&mut self, mm: MmId, piece: AnonSegment) {
        let run = &mut self.anon[piece.run];
        if run.pages == piece.pages {
            run.mappers.remove(&mm);
            return;
        }
        run.pages -= piece.pages;
        let mut others = run.mappers.clone();
        others.remove(&mm);
        let (memcg, next) = (run.memcg, run.next);
        let new = self.anon.add(AnonRun { memcg, pages: piece.pages, next, mappers: others.clone() });
        for other in others {
            self.rename(other, piece, new);
        }
    }

    /// Pages of a run that an address space maps belong to another run now; their numbers stay.
    fn rename(&mut self, mm: MmId, piece: AnonSegment, new: AnonRunId) {
        let end = piece.offset + piece.pages;
        let hits: Vec<(u64, AnonSegment)> = self.spaces[mm]
            .anon
            .iter()
            .filter(|(_, s)| s.run == piece.run && s.offset < end && s.offset + s.pages > piece.offset)
            .map(|(at, s)| (*at, *s))
            .collect();
        let map = &mut self.spaces[mm].anon;
        for (at, s) in hits {
            let (from, to) = (s.offset.max(piece.offset), (s.offset + s.pages).min(end));
            if s.offset < from {
                map.insert(at, AnonSegment { pages: from - s.offset, ..s });
            }
            map.insert(at + from - s.offset, AnonSegment { pages: to - from, run: new, offset: from });
            if to < s.offset + s.pages {
                let rest = AnonSegment { pages: s.offset + s.pages - to, run: s.run, offset: to };
                map.insert(at + to - s.offset, rest);
            }
        }
    }

    /// A child has the same pages as its parent, until one of them writes.
    pub(super) fn share_anon(&mut self, parent: MmId, child: MmId) {
        let segments: Vec<AnonRunId> = self.spaces[parent].anon.values().map(|s| s.run).collect();
        for run in segments {
            self.anon[run].mappers.insert(child);
        }
        self.spaces[child].anon = self.spaces[parent].anon.clone();
    }
}
