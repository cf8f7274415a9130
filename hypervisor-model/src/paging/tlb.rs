//! Translation lookaside buffers: what a processor remembers of its walks, and by which tags.
//!
//! A first level for instructions, one for data, and a second for both; sets and ways are configurable. A translation
//! is tagged with VPID (or ASID), PCID and EPT pointer; one that is global belongs to every PCID. Beside it are the
//! paging-structure caches, which remember tables on the way, so that a walk need not begin at the root.
//!
//! Only translations that a walk allowed are ever kept: nothing that is not present, and nothing whose accessed bits
//! are not set (SDM 4.10.2.3).

use serde::{Deserialize, Serialize};

use super::event::{CacheKind, PagingEvent, Trace};
use super::flush::{Flush, Globals, Scope};
use super::walk::{Leaf, Rights, Start, Walked};
use crate::memory::{Gpa, Hpa};

/// Sets and ways of one cache.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Geometry {
    /// A power of two.
    pub sets: u32,
    /// How many translations a set holds.
    pub ways: u32,
}

/// How large the caches of a processor are.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct TlbConfig {
    /// First level, for fetches.
    pub instruction: Geometry,
    /// First level, for loads and stores.
    pub data: Geometry,
    /// Second level.
    pub unified: Geometry,
    /// Entries of the paging-structure caches; 0 for a processor without.
    pub structures: u32,
}

impl Default for TlbConfig {
    /// A Haswell core: 128 entries for instructions, 64 for data, 1024 for both (Intel optimization manual, table 2-12).
    fn default() -> Self {
        TlbConfig {
            instruction: Geometry { sets: 32, ways: 4 },
            data: Geometry { sets: 16, ways: 4 },
            unified: Geometry { sets: 128, ways: 8 },
            structures: 32,
        }
    }
}

/// In which context a processor translates: the tags of what it remembers.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct Tag {
    /// VPID or ASID; 0 for a host and for guests without one.
    pub vpid: u16,
    /// PCID; 0 without.
    pub pcid: u16,
    /// The root of the second dimension; 0 without one.
    pub ept: u64,
}

/// A remembered translation; or a way that holds none.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Entry {
    /// Its tags.
    pub tag: Tag,
    /// The translation.
    pub leaf: Leaf,
    /// The first linear address of the page with the logarithm of its size in the bits that are zero there, so that one
    /// comparison looks at both; 0 when there is nothing.
    key: u64,
    /// Counts up: the smallest in a set goes first.
    used: u64,
}

impl Entry {
    /// A way that holds nothing.
    const NOTHING: Entry = Entry {
        tag: Tag { vpid: 0, pcid: 0, ept: 0 },
        leaf: Leaf { hpa: Hpa(0), gpa: Gpa(0), shift: 0, rights: Rights::empty(), key: 0 },
        key: 0,
        used: 0,
    };

    /// The first linear address of the page.
    pub fn page(&self) -> u64 {
        self.key & !0xfff
    }

    #[inline]
    fn serves(&self, tag: &Tag, key: u64) -> bool {
        self.key == key
            && self.tag.vpid == tag.vpid
            && self.tag.ept == tag.ept
            && (self.tag.pcid == tag.pcid || self.leaf.rights.contains(Rights::GLOBAL))
    }

    fn falls_to(&self, scope: &Scope) -> bool {
        let is_global = self.leaf.rights.contains(Rights::GLOBAL);
        let by_pcid = match (is_global, scope.globals) {
            (true, Globals::Stay) => false,
            (true, Globals::GoUnderAnyPcid) => true,
            _ => scope.pcid.reaches(self.tag.pcid),
        };
        let by_address = scope.address.is_none_or(|a| key(a, self.leaf.shift) == self.key);
        by_pcid && by_address && scope.vpid.reaches(self.tag.vpid) && scope.ept.reaches(self.tag.ept)
    }
}

/// What [`Entry::key`] of a page is that an address lies in.
#[inline]
fn key(linear: u64, shift: u8) -> u64 {
    linear >> shift << shift | u64::from(shift)
}

/// One cache: sets of ways in one flat array.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
struct Cache {
    geometry: Geometry,
    entries: Vec<Entry>,
}

impl Cache {
    fn new(geometry: Geometry) -> Self {
        Cache { geometry, entries: vec![Entry::NOTHING; (geometry.sets * geometry.ways) as usize] }
    }

    #[inline]
    fn set(&mut self, linear: u64, shift: u8) -> &mut [Entry] {
        let set = (linear >> shift) as usize & (self.geometry.sets as usize - 1);
        let ways = self.geometry.ways as usize;
        &mut self.entries[set * ways..(set + 1) * ways]
    }

    #[inline]
    fn find(&mut self, tag: &Tag, linear: u64, shift: u8, now: u64) -> Option<&Entry> {
        let key = key(linear, shift);
        let found = self.set(linear, shift).iter_mut().find(|entry| entry.serves(tag, key))?;
        found.used = now;
        Some(found)
    }

    /// Takes a translation in; the page of what had to make room, if anything had.
    #[inline]
    fn fill(&mut self, entry: Entry) -> Option<u64> {
        let set = self.set(entry.page(), entry.leaf.shift);
        if let Some(same) = set.iter_mut().find(|e| e.serves(&entry.tag, entry.key)) {
            *same = entry;
            return None;
        }
        let way = set.iter_mut().min_by_key(|way| way.used)?;
        let evicted = (way.key != 0).then(|| way.page());
        *way = entry;
        evicted
    }
}

/// A table on the way of a walk that a paging-structure cache remembers.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
struct Structure {
    tag: Tag,
    /// The linear address bits that lead to it.
    prefix: u64,
    shift: u8,
    start: Start,
    used: u64,
}

/// What was dropped by a flush.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Dropped {
    /// Translations, by the first address of their page.
    pub pages: Vec<u64>,
    /// Entries of paging-structure caches.
    pub structures: usize,
}

/// Everything that a processor remembers of its walks.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Tlb {
    instruction: Cache,
    data: Cache,
    unified: Cache,
    structures: Vec<Option<Structure>>,
    now: u64,
    /// Which sizes of pages are in it, bit N for 1 << N bytes: others need not be looked for.
    shifts: u64,
}

impl Tlb {
    /// An empty one.
    pub fn new(config: TlbConfig) -> Self {
        Tlb {
            instruction: Cache::new(config.instruction),
            data: Cache::new(config.data),
            unified: Cache::new(config.unified),
            structures: vec![None; config.structures as usize],
            now: 1,
            shifts: 0,
        }
    }

    /// Looks a translation up: first level, then second.
    #[inline]
    pub fn lookup<T: Trace>(&mut self, tag: &Tag, linear: u64, is_fetch: bool, trace: &mut T) -> Option<Leaf> {
        self.now += 1;
        let (first, kind) = match is_fetch {
            true => (&mut self.instruction, CacheKind::Instruction),
            false => (&mut self.data, CacheKind::Data),
        };
        for shift in bits(self.shifts) {
            if let Some(entry) = first.find(tag, linear, shift, self.now) {
                hit(trace, kind, linear, shift);
                return Some(entry.leaf);
            }
        }
        self.lookup_second(tag, linear, is_fetch, trace)
    }

    /// Looks it up in the second level. Apart, so that what happens nearly always is short.
    #[inline(never)]
    fn lookup_second<T: Trace>(&mut self, tag: &Tag, linear: u64, is_fetch: bool, trace: &mut T) -> Option<Leaf> {
        for shift in bits(self.shifts) {
            if let Some(entry) = self.unified.find(tag, linear, shift, self.now) {
                hit(trace, CacheKind::Unified, linear, shift);
                let first = if is_fetch { &mut self.instruction } else { &mut self.data };
                // With its own tags: a global page may be another PCID's.
                first.fill(*entry);
                return Some(entry.leaf);
            }
        }
        if T::LISTENS {
            trace.record(PagingEvent::Missed { cache: CacheKind::Unified, address: linear });
        }
        None
    }

    /// Takes in what a walk has found: the translation, and the tables on the way.
    pub fn fill<T: Trace>(&mut self, tag: Tag, linear: u64, is_fetch: bool, walked: &Walked, trace: &mut T) {
        self.now += 1;
        let leaf = walked.leaf;
        self.shifts |= 1 << leaf.shift;
        let entry = Entry { tag, key: key(linear, leaf.shift), leaf, used: self.now };
        let first = if is_fetch { &mut self.instruction } else { &mut self.data };
        first.fill(entry);
        let evicted = self.unified.fill(entry);
        if T::LISTENS {
            trace.record(PagingEvent::Filled { cache: CacheKind::Unified, page: entry.page(), evicted });
        }
        for at in usize::from(walked.first)..usize::from(walked.end) {
            self.remember(tag, linear, walked.tables[at], at);
        }
    }

    /// The table nearest to the leaf from which a walk may begin.
    pub fn start(&self, tag: Tag, linear: u64) -> Option<Start> {
        let fits = |s: &&Structure| s.tag == tag && linear >> s.shift == s.prefix;
        self.structures.iter().flatten().filter(fits).max_by_key(|s| s.start.skip).map(|s| s.start)
    }

    fn remember(&mut self, tag: Tag, linear: u64, start: Start, at: usize) {
        // Four levels: the entry at index 0 covers 512 GiB, and each level a 512th of that.
        let shift = 39 - 9 * at as u8;
        let new = Structure { tag, prefix: linear >> shift, shift, start, used: self.now };
        let same = |s: &Structure| s.tag == tag && s.shift == shift && s.prefix == new.prefix;
        let slot = match self.structures.iter().position(|s| s.as_ref().is_some_and(same)) {
            Some(at) => self.structures.get_mut(at),
            None => self.structures.iter_mut().min_by_key(|s| s.as_ref().map_or(0, |s| s.used)),
        };
        if let Some(slot) = slot {
            *slot = Some(new);
        }
    }

    /// Forgets what an operation makes it forget, for a processor that runs in the context `tag`.
    pub fn flush(&mut self, flush: Flush, tag: Tag) -> Dropped {
        let scope = flush.scope(tag.vpid, tag.pcid);
        let mut dropped = Dropped::default();
        for (cache, is_last) in [(&mut self.instruction, false), (&mut self.data, false), (&mut self.unified, true)] {
            for way in &mut cache.entries {
                if way.key != 0 && way.falls_to(&scope) {
                    if is_last {
                        dropped.pages.push(way.page());
                    }
                    *way = Entry::NOTHING;
                }
            }
        }
        for slot in &mut self.structures {
            // Entries that name tables are forgotten whatever the address is (SDM 4.10.4.1).
            let falls = slot.as_ref().is_some_and(|s| {
                scope.vpid.reaches(s.tag.vpid) && scope.pcid.reaches(s.tag.pcid) && scope.ept.reaches(s.tag.ept)
            });
            if falls {
                *slot = None;
                dropped.structures += 1;
            }
        }
        dropped
    }

    /// Everything that the second level holds, set by set.
    pub fn entries(&self) -> impl Iterator<Item = &Entry> {
        self.unified.entries.iter().filter(|entry| entry.key != 0)
    }
}

/// The numbers of the bits that are set.
#[inline]
fn bits(mut set: u64) -> impl Iterator<Item = u8> {
    std::iter::from_fn(move || {
        let next = (set != 0).then(|| set.trailing_zeros() as u8)?;
        set &= set - 1;
        Some(next)
    })
}

#[inline]
fn hit<T: Trace>(trace: &mut T, cache: CacheKind, linear: u64, shift: u8) {
    if T::LISTENS {
        trace.record(PagingEvent::Hit { cache, page: linear & !((1 << shift) - 1) });
    }
}
