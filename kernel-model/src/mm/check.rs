//! The invariants of [`crate::mm`].

use std::collections::BTreeMap;

use super::layout::PAGE_TABLES;
use super::lifetime::{STACK_PAGES, STRUCTURE_PAGES};
use super::memcg::{CHARGES, Charge};
use super::{MemcgId, Memory, MmId, page_cache};
use crate::world::World;

impl World {
    /// Checks that every page is somebody's and that everybody is charged for exactly what names it.
    pub(crate) fn check_memory(&self) -> Result<(), String> {
        self.mm.check()?;
        let mut users: BTreeMap<MmId, u32> = BTreeMap::new();
        for (_, process) in self.processes.iter() {
            process.mm.into_iter().for_each(|mm| *users.entry(mm).or_default() += 1);
        }
        for (id, mm) in self.mm.spaces.iter() {
            let counted = users.remove(&id).unwrap_or(0);
            if counted != mm.users || counted == 0 {
                return Err(format!("{id:?} is used by {counted} processes but counts {}", mm.users));
            }
        }
        if let Some(gone) = users.keys().next() {
            return Err(format!("{gone:?} is used but does not exist"));
        }
        self.check_charges()
    }

    /// The charge of a group is what names it, and what its children are charged.
    fn check_charges(&self) -> Result<(), String> {
        let mut own: BTreeMap<MemcgId, [u64; CHARGES]> = BTreeMap::new();
        let mut add = |memcg: MemcgId, what: Charge, pages: u64| {
            own.entry(memcg).or_default()[what as usize] += pages;
        };
        for (_, run) in self.mm.anon.iter() {
            add(run.memcg, Charge::Anon, run.pages);
        }
        for (memcg, pages) in page_cache::charged_pages(self) {
            add(memcg, Charge::Shmem, pages);
        }
        for page in self.block.caches.values().flat_map(|c| c.pages.values()) {
            add(page.memcg, Charge::File, 1);
        }
        for (_, mm) in self.mm.spaces.iter() {
            mm.page_tables.iter().for_each(|(memcg, pages)| add(*memcg, Charge::PageTables, *pages));
        }
        for (task, memory) in &self.mm.tasks {
            if self.tasks.get(*task).is_some_and(|t| !t.state.has_exited()) {
                add(memory.kernel_memcg, Charge::KernelStack, STACK_PAGES);
                add(memory.kernel_memcg, Charge::Slab, STRUCTURE_PAGES);
            }
        }
        for (id, group) in self.mm.memcgs.iter() {
            let counted = own.remove(&id).unwrap_or_default();
            if counted != group.own {
                return Err(format!("{id:?} ({}) is charged {:?}, but {counted:?} name it", group.path, group.own));
            }
            let below: u64 = self.mm.memcgs.iter().filter(|(_, m)| m.parent == Some(id)).map(|(_, m)| m.usage).sum();
            if group.usage != group.own_total() + below {
                return Err(format!("{id:?} uses {} pages, not {} and {below}", group.usage, group.own_total()));
            }
        }
        match own.keys().next() {
            Some(gone) => Err(format!("{gone:?} is charged but does not exist")),
            None => Ok(()),
        }
    }
}

impl Memory {
    /// Checks runs against the address spaces that map them.
    ///
    /// # Errors
    /// A sentence about the first thing that is wrong.
    pub fn check(&self) -> Result<(), String> {
        let mut mapped: BTreeMap<(super::AnonRunId, MmId), u64> = BTreeMap::new();
        for (id, mm) in self.spaces.iter() {
            let mut end = 0;
            for (at, segment) in &mm.anon {
                if *at < end {
                    return Err(format!("two segments of {id:?} overlap at page {at:#x}"));
                }
                end = at + segment.pages;
                let mut page = *at;
                while page < end
                    && let Some((first, vma)) = mm.find(page)
                {
                    page = first + vma.pages;
                }
                if page < end {
                    return Err(format!("{id:?} has resident pages outside its areas at {at:#x}"));
                }
                *mapped.entry((segment.run, id)).or_default() += segment.pages;
            }
            let resident: u64 = mm.anon.values().map(|s| s.pages).sum();
            if resident != mm.rss.anon {
                return Err(format!("{id:?} counts {} anonymous pages and has {resident}", mm.rss.anon));
            }
            let files: u64 = mm.vmas.values().map(|v| v.resident.count()).sum();
            if files != mm.rss.file + mm.rss.shmem {
                return Err(format!("{id:?} counts {:?} and has {files} pages of files", mm.rss));
            }
            if mm.page_table_pages() < PAGE_TABLES {
                return Err(format!("{id:?} has {} page tables", mm.page_table_pages()));
            }
        }
        for (id, run) in self.anon.iter() {
            for mm in &run.mappers {
                if mapped.remove(&(id, *mm)) != Some(run.pages) {
                    return Err(format!("{mm:?} does not map all {} pages of {id:?}", run.pages));
                }
            }
        }
        match mapped.keys().next() {
            Some((run, mm)) => Err(format!("{mm:?} maps {run:?}, which does not name it")),
            None => Ok(()),
        }
    }
}
