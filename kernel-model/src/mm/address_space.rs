//! Address spaces: `struct mm_struct` and the areas in it, as in `mm/mmap.c`.
//!
//! Everything here counts in pages; an address of a program is a page number times [`PAGE_SIZE`](super::PAGE_SIZE).

use std::sync::Arc;

use imbl::OrdMap;
use serde::{Deserialize, Serialize};

use super::ranges::Ranges;
use super::{AnonRunId, MemcgId, PAGE_SIZE};
use crate::vfs::file::FileId;

/// The first page that is not a program's (`TASK_SIZE`).
pub const TASK_END: u64 = 0x7fff_ffff_f000 / PAGE_SIZE;
/// Where mappings are put, downwards, when addresses are not randomised (`mmap_base`).
pub const MMAP_BASE: u64 = 0x7fff_f7ff_f000 / PAGE_SIZE;
/// Nothing may be mapped below this (`vm.mmap_min_addr`).
pub const MMAP_MIN: u64 = 65_536 / PAGE_SIZE;

/// What may be done with an area (`PROT_*`).
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Prot(pub u8);

impl Prot {
    /// `PROT_READ`.
    pub const READ: Prot = Prot(1);
    /// `PROT_READ | PROT_WRITE`.
    pub const RW: Prot = Prot(3);
    /// `PROT_READ | PROT_EXEC`.
    pub const RX: Prot = Prot(5);

    /// Whether it can be read, written, executed.
    pub fn can(self, what: Prot) -> bool {
        self.0 & what.0 == what.0
    }

    /// `PROT_WRITE`.
    pub const WRITE: Prot = Prot(2);
    /// `PROT_EXEC`.
    pub const EXEC: Prot = Prot(4);
}

/// What the pages of an area come from.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub enum Backing {
    /// Nothing: they are zeros until written (`MAP_ANONYMOUS`, the heap, the end of a data segment).
    Anonymous,
    /// Nothing, and the area grows downwards when something just below it is touched (`[stack]`).
    Stack,
    /// A program or library that execve(2) mapped; the offset counts pages.
    Image {
        /// Its path.
        path: Arc<str>,
        /// Where in the file it begins.
        offset: u64,
    },
    /// Pages of the kernel itself, such as `[vdso]`.
    Kernel(Arc<str>),
    /// An open file, from a page on.
    File {
        /// The file, which the area keeps open.
        file: FileId,
        /// Where in the file it begins, in pages.
        offset: u64,
    },
}

/// An area of addresses (`struct vm_area_struct`).
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct Vma {
    /// How long it is.
    pub pages: u64,
    /// What may be done.
    pub prot: Prot,
    /// Writes are seen by everybody who maps it (`MAP_SHARED`).
    pub shared: bool,
    /// What its pages come from.
    pub backing: Backing,
    /// It stays in memory (`VM_LOCKED`).
    pub locked: bool,
    /// Which pages of a file are mapped in, by their page number in the address space.
    pub resident: Ranges,
}

impl Vma {
    /// Private memory that begins as zeros.
    pub fn anonymous(pages: u64, prot: Prot) -> Vma {
        Vma { pages, prot, shared: false, backing: Backing::Anonymous, locked: false, resident: Ranges::default() }
    }

    /// Whether it counts as data (`is_data_mapping`).
    pub fn is_data(&self) -> bool {
        self.prot.can(Prot::WRITE) && !self.shared && self.backing != Backing::Stack
    }

    /// The area that begins `by` pages further on.
    fn behind(&self, by: u64) -> Vma {
        let backing = match &self.backing {
            Backing::Image { path, offset } => Backing::Image { path: Arc::clone(path), offset: offset + by },
            Backing::File { file, offset } => Backing::File { file: *file, offset: offset + by },
            other => other.clone(),
        };
        Vma { pages: self.pages - by, backing, ..self.clone() }
    }

    /// Whether `next`, which begins where this ends, can become part of it.
    fn continues_in(&self, next: &Vma) -> bool {
        self.backing == Backing::Anonymous
            && next.backing == Backing::Anonymous
            && (self.prot, self.shared, self.locked) == (next.prot, next.shared, next.locked)
    }
}

/// Resident anonymous pages that follow each other in an address space and in a run.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct AnonSegment {
    /// How many.
    pub pages: u64,
    /// The run.
    pub run: AnonRunId,
    /// The number of the first one in the run.
    pub offset: u64,
}

/// Resident pages by kind (`mm->rss_stat`).
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct Rss {
    /// Anonymous pages.
    pub anon: u64,
    /// Pages of files and of the kernel.
    pub file: u64,
    /// Pages of files in memory (tmpfs), and shared anonymous memory.
    pub shmem: u64,
}

impl Rss {
    /// All of them.
    pub fn total(&self) -> u64 {
        self.anon + self.file + self.shmem
    }
}

/// What the code in user mode touches before anything else can be seen of it.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub enum Startup {
    /// Nothing more.
    Done,
    /// After fork(2): both write to stack and data, and whoever comes first gets a copy.
    Forked,
    /// After execve(2): the loader relocates, and libraries set themselves up.
    Executed,
}

/// An address space (`struct mm_struct`).
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct Mm {
    /// How many processes share it.
    pub users: u32,
    /// Areas by their first page.
    pub vmas: OrdMap<u64, Vma>,
    /// Resident anonymous pages by their first page.
    pub anon: OrdMap<u64, AnonSegment>,
    /// Where the heap begins, in bytes.
    pub start_brk: u64,
    /// Where the heap ends, in bytes.
    pub brk: u64,
    /// Resident pages.
    pub rss: Rss,
    /// The most that was ever resident.
    pub high_rss: u64,
    /// The most that was ever mapped.
    pub high_vm: u64,
    /// Pages of page tables, and who was charged for them.
    pub page_tables: OrdMap<MemcgId, u64>,
    /// Executable pages of the program itself, for `VmExe`.
    pub text: u64,
    /// What user mode still has to touch.
    pub startup: Startup,
    /// New areas are locked (`MCL_FUTURE`).
    pub lock_future: bool,
    /// What threads of the program share, by address: [`user_data`](super::user_data).
    pub objects: OrdMap<u64, crate::syscall::Value>,
}

impl Mm {
    /// One without anything in it.
    pub fn empty() -> Mm {
        Mm {
            users: 1,
            vmas: OrdMap::new(),
            anon: OrdMap::new(),
            start_brk: 0,
            brk: 0,
            rss: Rss::default(),
            high_rss: 0,
            high_vm: 0,
            page_tables: OrdMap::new(),
            text: 0,
            startup: Startup::Done,
            lock_future: false,
            objects: OrdMap::new(),
        }
    }

    /// The area in which a page lies, with its first page.
    pub fn find(&self, page: u64) -> Option<(u64, &Vma)> {
        let (first, vma) = self.vmas.get_prev(&page)?;
        (page < first + vma.pages).then_some((*first, vma))
    }

    /// The areas that overlap a range, with their first pages.
    pub fn areas_in(&self, first: u64, pages: u64) -> Vec<u64> {
        let from = self.find(first).map_or(first, |(start, _)| start);
        self.vmas.range(from..first + pages).map(|(start, _)| *start).collect()
    }

    /// The highest free place for so many pages (`arch_get_unmapped_area_topdown`).
    pub fn unmapped_area(&self, pages: u64) -> Option<u64> {
        let mut top = MMAP_BASE;
        for (first, vma) in self.vmas.iter().rev() {
            if *first >= top {
                continue;
            }
            let end = first + vma.pages;
            if end <= top && top - end >= pages {
                return Some(top - pages);
            }
            top = top.min(*first);
        }
        (top >= MMAP_MIN + pages).then(|| top - pages)
    }

    /// Puts an area into a free place. It becomes one with its neighbours where they are alike.
    pub fn insert(&mut self, mut first: u64, mut vma: Vma) {
        if let Some(next) = self.vmas.get(&(first + vma.pages))
            && vma.continues_in(next)
        {
            let at = first + vma.pages;
            vma.pages += next.pages;
            self.vmas.remove(&at);
        }
        if let Some((before, previous)) = self.vmas.get_prev(&first)
            && before + previous.pages == first
            && previous.continues_in(&vma)
        {
            vma.pages += previous.pages;
            first = *before;
        }
        self.vmas.insert(first, vma);
        self.high_vm = self.high_vm.max(self.total());
    }

    /// Cuts areas so that none reaches across the borders of a range (`split_vma`).
    pub fn split_at_borders(&mut self, first: u64, pages: u64) {
        for border in [first, first + pages] {
            let Some((start, vma)) = self.find(border) else { continue };
            if start == border {
                continue;
            }
            let (mut low, mut high) = (vma.clone(), vma.behind(border - start));
            let keep = |area: &Vma, from: u64| {
                let mut resident = Ranges::default();
                for (at, n) in area.resident.overlaps(from, area.pages) {
                    resident.insert(at, n);
                }
                resident
            };
            low.pages = border - start;
            low.resident = keep(&low, start);
            high.resident = keep(&high, border);
            self.vmas.insert(start, low);
            self.vmas.insert(border, high);
        }
    }

    /// All mapped pages (`total_vm`).
    pub fn total(&self) -> u64 {
        self.vmas.values().map(|v| v.pages).sum()
    }

    /// Pages of data (`data_vm`), of stack (`stack_vm`), of code (`exec_vm`), and locked ones (`locked_vm`).
    pub fn sizes(&self) -> Sizes {
        let mut sizes = Sizes::default();
        for vma in self.vmas.values() {
            sizes.total += vma.pages;
            if vma.locked {
                sizes.locked += vma.pages;
            }
            match () {
                () if vma.backing == Backing::Stack => sizes.stack += vma.pages,
                () if vma.prot.can(Prot::EXEC) && !vma.prot.can(Prot::WRITE) => sizes.exec += vma.pages,
                () if vma.is_data() => sizes.data += vma.pages,
                () => {}
            }
        }
        sizes
    }

    /// The pages of files in an area are no longer mapped.
    pub(crate) fn forget_resident(&mut self, vma: &Vma) {
        let pages = vma.resident.count();
        match vma.backing {
            Backing::Kernel(_) => self.rss.file -= pages,
            _ => self.rss.shmem -= pages,
        }
    }

    /// The pages of files in a part of an area are no longer mapped.
    pub(crate) fn drop_resident(&mut self, area: u64, first: u64, pages: u64) {
        let Some(vma) = self.vmas.get_mut(&area) else { return };
        let n = vma.resident.count_in(first, pages);
        vma.resident.remove(first, pages);
        match vma.backing {
            Backing::Kernel(_) => self.rss.file -= n,
            _ => self.rss.shmem -= n,
        }
    }

    /// Locks or unlocks everything; the areas.
    pub(crate) fn lock_all(&mut self, locked: bool) -> Vec<(u64, u64)> {
        let all: Vec<(u64, u64)> = self.vmas.iter().map(|(at, v)| (*at, v.pages)).collect();
        for (at, _) in &all {
            if let Some(vma) = self.vmas.get_mut(at) {
                vma.locked = locked;
            }
        }
        all
    }

    /// Notes a new high-water mark.
    pub(super) fn note_rss(&mut self) {
        self.high_rss = self.high_rss.max(self.rss.total());
    }

    /// Pages of page tables.
    pub fn page_table_pages(&self) -> u64 {
        self.page_tables.values().sum()
    }

    /// The name that `/proc/PID/maps` gives an area.
    pub fn name_of(&self, first: u64, vma: &Vma) -> Arc<str> {
        match &vma.backing {
            Backing::Stack => "[stack]".into(),
            Backing::Image { path, .. } => Arc::clone(path),
            Backing::Kernel(name) => Arc::clone(name),
            Backing::Anonymous => {
                let (start, end) = (first * PAGE_SIZE, (first + vma.pages) * PAGE_SIZE);
                let heap = self.start_brk < self.brk && start <= self.brk && end >= self.start_brk;
                if heap { "[heap]".into() } else { "".into() }
            }
            Backing::File { .. } => "".into(),
        }
    }
}

/// Sizes of an address space in pages.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
#[allow(missing_docs)] // the fields of `struct mm_struct`
pub struct Sizes {
    pub total: u64,
    pub data: u64,
    pub stack: u64,
    pub exec: u64,
    pub locked: u64,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn areas_join_and_part() {
        let mut mm = Mm::empty();
        mm.insert(100, Vma::anonymous(10, Prot::RW));
        mm.insert(110, Vma::anonymous(5, Prot::RW));
        mm.insert(115, Vma::anonymous(5, Prot::READ));
        assert_eq!(mm.vmas.iter().map(|(at, v)| (*at, v.pages)).collect::<Vec<_>>(), [(100, 15), (115, 5)]);
        mm.split_at_borders(104, 2);
        assert_eq!(mm.areas_in(104, 2), [104]);
        assert_eq!(mm.areas_in(0, 1000), [100, 104, 106, 115]);
        assert_eq!(mm.total(), 20);
    }

    #[test]
    fn the_highest_gap_is_taken() {
        let mut mm = Mm::empty();
        assert_eq!(mm.unmapped_area(10), Some(MMAP_BASE - 10));
        mm.insert(MMAP_BASE - 10, Vma::anonymous(10, Prot::RW));
        mm.insert(MMAP_BASE - 30, Vma::anonymous(10, Prot::RW));
        assert_eq!(mm.unmapped_area(10), Some(MMAP_BASE - 20));
        assert_eq!(mm.unmapped_area(11), Some(MMAP_BASE - 41));
    }
}
