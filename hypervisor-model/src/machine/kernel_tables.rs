//! The page tables of a kernel: which entries it writes, and where.
//!
//! The kernel model says which pages of an address space become usable, lose a right or go. Here that becomes what
//! Linux does on x86-64 with four levels: tables are taken from memory when they are needed, an entry is eight bytes
//! at a physical address, the upper half of every top-level table is the same. What *writing an entry* means is the
//! platform's business: a list of [`EntryWrite`] is all that comes out.
//!
//! Physical here is what the kernel takes for physical: guest-physical under a hypervisor.

use imbl::{OrdMap, Vector};
use kernel_model::mm::MmId;
use kernel_model::pv_ops::{Frames, PageRange};

use crate::memory::{Gfn, Gpa};
use crate::paging::format::{A, D, G, P, PS, RW, US, XD};
use crate::projection::frames::SpaceUse;

/// An entry of a page table is written.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct EntryWrite {
    /// Where it is.
    pub at: Gpa,
    /// What it holds from now on.
    pub value: u64,
    /// 1 for the last level, 4 for the first.
    pub level: u8,
}

/// Linux's `_PAGE_TABLE`: an entry that names a table.
const TABLE: u64 = P | RW | US | A | D;
/// Where the kernel's text is (`__START_KERNEL_map` + 16 MiB).
pub const KERNEL_TEXT: u64 = 0xffff_ffff_8100_0000;
/// Where all memory is mapped once more (`__PAGE_OFFSET`, without randomisation).
pub const DIRECT_MAP: u64 = 0xffff_8880_0000_0000;
/// The first frame that the kernel hands out: below are its text and data.
const FIRST_FREE: u64 = 96 << 8;
/// Where the stacks of the kernel are.
const STACKS: u64 = 64 << 8;
/// Frames that the kernel's own tables are in.
const KERNEL_FRAMES: u64 = 16 << 8;
/// Where the tables of a kernel that maps itself in small pages begin.
const SMALL_TABLE_FRAMES: u64 = 32 << 8;

/// In what pages a kernel maps its own memory.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum KernelPages {
    /// 2 MiB and 1 GiB.
    Large,
    /// 4 KiB.
    Small,
}

/// How many pages of a program are remembered as the ones that it uses just now.
pub const RECENT: usize = 8;

/// Frames that a kernel hands out to programs and tables: the one that came back last goes out first, as from the
/// lists of a processor (`rmqueue_pcplist`).
#[derive(Clone, PartialEq, Eq, Debug)]
struct FramePool {
    next: u64,
    end: u64,
    /// Frames behind the end that a balloon has given away.
    lent: u64,
    free: Vector<Gfn>,
    users: OrdMap<Gfn, u32>,
}

impl FramePool {
    fn take(&mut self) -> Gfn {
        let frame = self.free.pop_back().unwrap_or_else(|| {
            // The kernel model counts memory and refuses before it is used up; page tables beyond it share the last
            // frame rather than none.
            let frame = Gfn(self.next);
            self.next = (self.next + 1).min(self.end - 1);
            frame
        });
        self.users.insert(frame, 1);
        frame
    }

    fn share(&mut self, frame: Gfn) {
        *self.users.entry(frame).or_default() += 1;
    }

    fn put(&mut self, frame: Gfn) {
        let Some(users) = self.users.get_mut(&frame) else { return };
        *users -= 1;
        if *users == 0 {
            self.users.remove(&frame);
            self.free.push_back(frame);
        }
    }
}

/// Frames that a balloon leaves to its kernel beyond those in use.
const LEFT_BY_BALLOON: u64 = 8 << 8;

/// An address space.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
struct Space {
    root: Gfn,
    /// Tables below the root, by level and by the address bits above what they map.
    tables: OrdMap<(u8, u64), Gfn>,
    /// What is mapped: frame and entry by page.
    pages: OrdMap<u64, Mapped>,
    /// Pages touched or mapped last, the latest first.
    recent: Vec<u64>,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
struct Mapped {
    frame: Gfn,
    entry: u64,
}

/// All page tables of a kernel.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct KernelTables {
    pool: FramePool,
    spaces: OrdMap<MmId, Space>,
    cache: OrdMap<u64, Gfn>,
    /// The entries of the upper half that every top-level table has.
    upper: Vec<(u64, u64)>,
    /// Where the stacks of the kernel begin.
    stacks: Gfn,
}

impl KernelTables {
    /// The tables of a kernel that boots with so many frames of memory: its own text and the direct map; in large pages
    /// both are global.
    pub fn new(frames: u64, pages: KernelPages) -> (KernelTables, Vec<EntryWrite>) {
        let mut own = (KERNEL_FRAMES..).map(Gfn);
        let mut next = || own.next().unwrap_or_default();
        let (text_pdpt, text_pd, map_pdpt) = (next(), next(), next());
        let mut writes = Vec::new();
        let mut write = |table: Gfn, index: u64, value: u64, level: u8| {
            writes.push(EntryWrite { at: table.address().plus(8 * index), value, level });
        };
        if pages == KernelPages::Small {
            return KernelTables::small(frames, [text_pdpt, text_pd, map_pdpt]);
        }
        write(text_pdpt, index(KERNEL_TEXT, 3), text_pd.address().0 | TABLE, 3);
        for large in 0..8 {
            let address = KERNEL_TEXT + (large << 21);
            let frame = (16 << 20) + (large << 21);
            write(text_pd, index(address, 2), frame | P | A | D | G | PS, 2);
        }
        for gigabyte in 0..frames.div_ceil(1 << 18) {
            write(map_pdpt, gigabyte, gigabyte << 30 | P | RW | A | D | G | PS | XD, 3);
        }
        (KernelTables::with_upper(frames, map_pdpt, text_pdpt), writes)
    }

    fn with_upper(frames: u64, map_pdpt: Gfn, text_pdpt: Gfn) -> KernelTables {
        let upper = vec![
            (index(DIRECT_MAP, 4), map_pdpt.address().0 | TABLE),
            (index(KERNEL_TEXT, 4), text_pdpt.address().0 | TABLE),
        ];
        // With little memory a kernel makes itself small.
        let is_small = frames < FIRST_FREE + FIRST_FREE / 3;
        let (next, stacks) = if is_small { (frames / 8 * 5, frames / 2) } else { (FIRST_FREE, STACKS) };
        let pool = FramePool { next, end: frames, lent: 0, free: Vector::new(), users: OrdMap::new() };
        KernelTables { pool, spaces: OrdMap::new(), cache: OrdMap::new(), upper, stacks: Gfn(stacks) }
    }

    /// The same in pages of 4 KiB, none of them global: as under Xen, which has no others for its guests.
    fn small(frames: u64, [text_pdpt, text_pd, map_pdpt]: [Gfn; 3]) -> (KernelTables, Vec<EntryWrite>) {
        let mut own = (SMALL_TABLE_FRAMES..).map(Gfn);
        let mut next = || own.next().unwrap_or_default();
        let mut writes = Vec::new();
        let mut write = |table: Gfn, index: u64, value: u64, level: u8| {
            writes.push(EntryWrite { at: table.address().plus(8 * index), value, level });
        };
        write(text_pdpt, index(KERNEL_TEXT, 3), text_pd.address().0 | TABLE, 3);
        for large in 0..8 {
            let table = next();
            write(text_pd, index(KERNEL_TEXT + (large << 21), 2), table.address().0 | TABLE, 2);
            for page in 0..512 {
                write(table, page, ((16 << 20) + (large << 21) + (page << 12)) | P | A | D, 1);
            }
        }
        for gigabyte in 0..frames.div_ceil(1 << 18) {
            let directory = next();
            write(map_pdpt, gigabyte, directory.address().0 | TABLE, 3);
            for large in 0..(frames - (gigabyte << 18)).min(1 << 18).div_ceil(512) {
                let table = next();
                write(directory, large, table.address().0 | TABLE, 2);
                for page in 0..512 {
                    let frame = (gigabyte << 18) + (large << 9) + page;
                    write(table, page, frame << 12 | P | RW | A | D | XD, 1);
                }
            }
        }
        (KernelTables::with_upper(frames, map_pdpt, text_pdpt), writes)
    }

    /// Gives away frames that nobody uses, the last ones of its memory, at most so many; some are left.
    pub fn lend_frames(&mut self, count: u64) -> Vec<Gfn> {
        let unused = self.pool.end.saturating_sub(self.pool.next + LEFT_BY_BALLOON);
        let count = count.min(unused);
        self.pool.end -= count;
        self.pool.lent += count;
        (self.pool.end..self.pool.end + count).map(Gfn).collect()
    }

    /// The stack that the kernel uses on a processor, in the direct map.
    pub fn stack(&self, cpu: usize) -> u64 {
        DIRECT_MAP + self.stacks.address().0 + ((cpu as u64) << 14)
    }

    /// How many frames are given away, and which is the first of them.
    pub fn lent_frames(&self) -> (u64, Gfn) {
        (self.pool.lent, Gfn(self.pool.end))
    }

    /// So many of these are there again, from the first on.
    pub fn take_frames_back(&mut self, count: u64) {
        let count = count.min(self.pool.lent);
        self.pool.end += count;
        self.pool.lent -= count;
    }

    /// The top-level table of an address space that has one.
    pub fn known_root(&self, mm: MmId) -> Option<Gpa> {
        self.spaces.get(&mm).map(|space| space.root.address())
    }

    /// The top-level table of an address space, which is made if nobody has heard of it: processes that are there at
    /// boot are never made.
    pub fn root(&mut self, mm: MmId, writes: &mut Vec<EntryWrite>) -> Gpa {
        if !self.spaces.contains_key(&mm) {
            let root = self.pool.take();
            for (index, value) in &self.upper {
                writes.push(EntryWrite { at: root.address().plus(8 * index), value: *value, level: 4 });
            }
            self.spaces.insert(mm, Space { root, ..Space::default() });
        }
        self.spaces[&mm].root.address()
    }

    /// Maps pages.
    pub fn set(&mut self, at: PageRange, is_writable: bool, frames: Frames, writes: &mut Vec<EntryWrite>) {
        self.root(at.mm, writes);
        for i in 0..at.pages {
            let page = at.first + i;
            let frame = self.frame_for(at, i, frames);
            let rights = if is_writable { RW | D } else { 0 };
            let entry = frame.address().0 | P | US | A | rights;
            self.map(at.mm, page, Mapped { frame, entry }, writes);
        }
    }

    /// Takes the right to write away.
    pub fn protect(&mut self, at: PageRange, writes: &mut Vec<EntryWrite>) {
        for (page, mapped) in self.mapped_in(at) {
            self.write(at.mm, page, Mapped { entry: mapped.entry & !RW, ..mapped }, writes);
        }
    }

    /// Makes pages not present. Their frames are free when nobody else maps them.
    pub fn clear(&mut self, at: PageRange, writes: &mut Vec<EntryWrite>) {
        for (page, mapped) in self.mapped_in(at) {
            self.write(at.mm, page, Mapped { entry: 0, ..mapped }, writes);
            if let Some(space) = self.spaces.get_mut(&at.mm) {
                space.pages.remove(&page);
                space.recent.retain(|recent| *recent != page);
            }
            self.pool.put(mapped.frame);
        }
    }

    /// An address space ends: its entries are cleared, and its tables go back (`exit_mmap`, `free_pgtables`).
    pub fn end(&mut self, mm: MmId, writes: &mut Vec<EntryWrite>) {
        self.clear(PageRange { mm, first: 0, pages: kernel_model::pv_ops::ALL_PAGES }, writes);
        let Some(space) = self.spaces.remove(&mm) else { return };
        for (_, frame) in space.tables {
            self.pool.put(frame);
        }
        self.pool.put(space.root);
    }

    /// The pages of a range that are mapped.
    pub fn pages_in(&self, at: PageRange) -> Vec<u64> {
        self.mapped_in(at).into_iter().map(|(page, _)| page).collect()
    }

    /// A program touched a page, or it was mapped because it did.
    pub fn touched(&mut self, mm: MmId, page: u64) {
        if let Some(space) = self.spaces.get_mut(&mm) {
            space.recent.retain(|recent| *recent != page);
            space.recent.insert(0, page);
            space.recent.truncate(RECENT);
        }
    }

    /// The pages that a program used last, the latest first.
    pub fn recent(&self, mm: MmId) -> Vec<u64> {
        self.spaces.get(&mm).map(|space| space.recent.clone()).unwrap_or_default()
    }

    /// Frames that hold page tables.
    pub fn table_frames(&self) -> u64 {
        self.spaces.values().map(|space| 1 + space.tables.len() as u64).sum()
    }

    /// What each address space uses.
    pub fn spaces(&self) -> impl Iterator<Item = SpaceUse> + '_ {
        self.spaces.iter().map(|(mm, space)| {
            let is_shared = |mapped: &&Mapped| self.pool.users.get(&mapped.frame).is_some_and(|users| *users > 1);
            SpaceUse {
                mm: mm.0,
                tables: 1 + space.tables.len() as u64,
                pages: space.pages.len() as u64,
                shared: space.pages.values().filter(is_shared).count() as u64,
            }
        })
    }

    fn frame_for(&mut self, at: PageRange, i: u64, frames: Frames) -> Gfn {
        let elsewhere = |tables: &Self, mm: MmId, page: u64| tables.spaces.get(&mm)?.pages.get(&page).map(|m| m.frame);
        let shared = match frames {
            Frames::New => None,
            Frames::Of(mm) => elsewhere(self, mm, at.first + i),
            Frames::MovedFrom(first) => elsewhere(self, at.mm, first + i),
            Frames::PageCache(first) => match self.cache.get(&(first + i)) {
                Some(frame) => Some(*frame),
                None => {
                    let frame = self.pool.take();
                    self.cache.insert(first + i, frame);
                    Some(frame)
                }
            },
        };
        match shared {
            Some(frame) => {
                self.pool.share(frame);
                frame
            }
            None => self.pool.take(),
        }
    }

    /// Maps one page; tables on the way are made.
    fn map(&mut self, mm: MmId, page: u64, mapped: Mapped, writes: &mut Vec<EntryWrite>) {
        let address = page << 12;
        for level in [3, 2, 1] {
            let key = (level, address >> (12 + 9 * u32::from(level)));
            if self.spaces.get(&mm).is_some_and(|space| !space.tables.contains_key(&key)) {
                let table = self.pool.take();
                let above = self.table(mm, address, level + 1);
                writes.push(EntryWrite {
                    at: above.address().plus(8 * index(address, level + 1)),
                    value: table.address().0 | TABLE,
                    level: level + 1,
                });
                if let Some(space) = self.spaces.get_mut(&mm) {
                    space.tables.insert(key, table);
                }
            }
        }
        let before = self.spaces.get_mut(&mm).and_then(|space| space.pages.insert(page, mapped));
        self.write(mm, page, mapped, writes);
        if let Some(before) = before {
            self.pool.put(before.frame);
        }
    }

    fn write(&mut self, mm: MmId, page: u64, mapped: Mapped, writes: &mut Vec<EntryWrite>) {
        let table = self.table(mm, page << 12, 1);
        writes.push(EntryWrite { at: table.address().plus(8 * index(page << 12, 1)), value: mapped.entry, level: 1 });
        if let Some(known) = self.spaces.get_mut(&mm).and_then(|space| space.pages.get_mut(&page)) {
            *known = mapped;
        }
    }

    /// The table of a level on the way to an address; the top-level table where there is none.
    fn table(&self, mm: MmId, address: u64, level: u8) -> Gfn {
        let Some(space) = self.spaces.get(&mm) else { return Gfn(0) };
        let key = (level, address >> (12 + 9 * u32::from(level)));
        space.tables.get(&key).copied().unwrap_or(space.root)
    }

    fn mapped_in(&self, at: PageRange) -> Vec<(u64, Mapped)> {
        let Some(space) = self.spaces.get(&at.mm) else { return Vec::new() };
        space.pages.range(at.first..at.first.saturating_add(at.pages)).map(|(page, m)| (*page, *m)).collect()
    }
}

/// Which entry of a table of `level` an address selects.
fn index(address: u64, level: u8) -> u64 {
    address >> (12 + 9 * (u32::from(level) - 1)) & 0x1ff
}

#[cfg(test)]
mod tests {
    use super::*;

    fn range(mm: u32, first: u64, pages: u64) -> PageRange {
        PageRange { mm: MmId(mm), first, pages }
    }

    #[test]
    fn the_first_page_needs_a_table_at_each_level_and_the_next_one_only_an_entry() {
        let (mut tables, _) = KernelTables::new(1 << 19, KernelPages::Large);
        let mut writes = Vec::new();
        tables.root(MmId(1), &mut writes);
        writes.clear();
        tables.set(range(1, 0x55_5555, 1), true, Frames::New, &mut writes);
        assert_eq!(writes.iter().map(|w| w.level).collect::<Vec<_>>(), [4, 3, 2, 1]);
        writes.clear();
        tables.set(range(1, 0x55_5556, 1), true, Frames::New, &mut writes);
        assert_eq!(writes.iter().map(|w| w.level).collect::<Vec<_>>(), [1]);
    }

    #[test]
    fn a_child_has_its_parents_frames_until_it_writes() {
        let (mut tables, _) = KernelTables::new(1 << 19, KernelPages::Large);
        let mut writes = Vec::new();
        tables.set(range(1, 16, 1), true, Frames::New, &mut writes);
        let parents = writes.last().copied().expect("an entry was written");
        tables.protect(range(1, 16, 1), &mut writes);
        tables.set(range(2, 16, 1), false, Frames::Of(MmId(1)), &mut writes);
        let childs = writes.last().copied().expect("an entry was written");
        assert_eq!(childs.value & crate::paging::format::ADDRESS, parents.value & crate::paging::format::ADDRESS);
        assert_eq!(childs.value & RW, 0);
        tables.set(range(2, 16, 1), true, Frames::New, &mut writes);
        let own = writes.last().copied().expect("an entry was written");
        assert_ne!(own.value & crate::paging::format::ADDRESS, parents.value & crate::paging::format::ADDRESS);
    }

    #[test]
    fn a_frame_that_came_back_last_goes_out_first() {
        let (mut tables, _) = KernelTables::new(1 << 19, KernelPages::Large);
        let mut writes = Vec::new();
        tables.set(range(1, 16, 2), true, Frames::New, &mut writes);
        tables.clear(range(1, 17, 1), &mut writes);
        writes.clear();
        tables.set(range(1, 40, 1), true, Frames::New, &mut writes);
        tables.end(MmId(1), &mut writes);
        assert_eq!(tables.table_frames(), 0);
        assert_eq!(tables.pages_in(range(1, 0, 100)), Vec::<u64>::new());
    }
}
