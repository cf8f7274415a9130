//! Page faults: the one place through which a page gets into an address space (`handle_mm_fault`).
//!
//! Programs touch ranges of addresses; a range is served as far as it can be at once, and what is resident already
//! costs nothing, so a fault that had to wait is simply taken again. The page tables of a later model belong below
//! this: whatever makes an address usable goes through [`Kernel::fault`].

use super::address_space::{Backing, Prot, TASK_END, Vma};
use super::event::MemoryEvent;
use super::layout::{PAGE_TABLES, PAGES_PER_TABLE};
use super::memcg::{Charge, ChargeError};
use super::{MmId, PAGE_SIZE};
use crate::kernel::Kernel;
use crate::pv_ops::{Frames, PageRange, PvOp};
use crate::security::rlimit;
use crate::syscall::Sleep;
use crate::task::TaskId;
use crate::task::sched::Wait;
use crate::task::signal::Signal;
use crate::time::Nanos;

/// What a page fault costs: the order of magnitude of lat_pagefault, zeroing included.
const FAULT_COST: Nanos = Nanos(250);
/// How much an area that grows downwards may be ahead of the stack pointer; below that lies nothing.
const STACK_GUARD: u64 = 256;

/// Who touches memory, and how.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Access {
    /// It is written.
    pub write: bool,
    /// A program does it, not the kernel in the program's name.
    pub user: bool,
}

/// Why a fault was not served.
#[derive(Clone, PartialEq, Debug)]
pub enum FaultError {
    /// Nothing is mapped there, or it may not be touched so (SIGSEGV, EFAULT).
    Segv,
    /// It is mapped from behind the end of a file (SIGBUS).
    Bus,
    /// There is no memory; the task may have been chosen to die.
    Oom,
    /// It must wait and then touch again.
    Sleep(Sleep),
}

impl Kernel<'_> {
    /// A program touches pages. Whether it goes on: it may sleep, or have got a signal that ends it.
    pub(crate) fn user_fault(&mut self, task: TaskId, first: u64, pages: u64, write: bool) -> bool {
        let served = self.fault(task, first, pages, Access { write, user: true });
        if self.tasks.get(task).is_none_or(|t| t.state.has_exited()) {
            return false;
        }
        match served {
            Ok(()) => {
                if let Some(mm) = self.mm_of(task) {
                    self.touched(PageRange { mm, first, pages }, write);
                }
                return !self.sleep_off_penalty(task);
            }
            Err(FaultError::Sleep(sleep)) => {
                self.sleep(task, sleep);
                return false;
            }
            Err(FaultError::Oom) if self.is_dying(task) => {}
            Err(FaultError::Oom) => {
                // Nobody may be killed: the fault is tried again until there is memory.
                let memcg = self.memcg_of(task);
                self.sleep(task, Sleep { on: vec![Wait::Memory(memcg)], until: None });
                return false;
            }
            Err(FaultError::Segv) => self.send_signal_to_thread(task, Signal::SEGV, None),
            Err(FaultError::Bus) => self.send_signal_to_thread(task, Signal::BUS, None),
        }
        self.signals_before_user_mode(task);
        false
    }

    /// The kernel touches pages of a program that a call named, such as the buffer of read(2).
    ///
    /// # Errors
    /// [`FaultError`]; a call makes EFAULT of it.
    pub(crate) fn kernel_fault(&mut self, task: TaskId, addr: u64, bytes: u64, write: bool) -> Result<(), FaultError> {
        if bytes == 0 {
            return Ok(());
        }
        // `access_ok`
        if addr.checked_add(bytes).is_none_or(|end| end > TASK_END * PAGE_SIZE) {
            return Err(FaultError::Segv);
        }
        let (first, pages) = super::pages_of(addr, bytes);
        self.fault(task, first, pages, Access { write, user: false })
    }

    /// Makes pages usable.
    ///
    /// # Errors
    /// [`FaultError`]; what was served until then stays.
    pub(crate) fn fault(&mut self, task: TaskId, first: u64, pages: u64, access: Access) -> Result<(), FaultError> {
        let mm = self.mm_of(task).ok_or(FaultError::Segv)?;
        if let Some(t) = self.mm.tasks.get_mut(&task) {
            t.waits_for = None;
        }
        let end = first.checked_add(pages).ok_or(FaultError::Segv)?;
        let mut at = first;
        while at < end {
            let Some((start, vma)) = self.mm.spaces[mm].find(at).map(|(s, v)| (s, v.clone())) else {
                self.grow_stack(task, mm, at)?;
                continue;
            };
            let needed = if access.write { Prot::WRITE } else { Prot::READ };
            if !vma.prot.can(needed) {
                return Err(FaultError::Segv);
            }
            let n = end.min(start + vma.pages) - at;
            self.fault_in_area(task, mm, (at, n), (start, &vma), access)?;
            at += n;
        }
        Ok(())
    }

    fn fault_in_area(
        &mut self,
        task: TaskId,
        mm: MmId,
        (at, pages): (u64, u64),
        (start, vma): (u64, &Vma),
        access: Access,
    ) -> Result<(), FaultError> {
        match &vma.backing {
            Backing::File { file, offset } if vma.shared || !access.write => {
                self.fault_in_file(task, mm, start, (at, pages), (*file, offset + at - start), access)
            }
            Backing::Anonymous | Backing::Stack if !access.write => Ok(()), // the zero page
            Backing::Image { .. } | Backing::Kernel(_) if !access.write => {
                let in_memory = matches!(vma.backing, Backing::Image { .. });
                self.map_file_pages(mm, start, (at, pages), access.write, in_memory);
                Ok(())
            }
            _ => self.fault_in_anonymous(task, mm, at, pages, access),
        }
    }

    /// Pages that are zeros, or copies of what others have (`do_anonymous_page`, `do_wp_page`).
    fn fault_in_anonymous(
        &mut self,
        task: TaskId,
        mm: MmId,
        at: u64,
        pages: u64,
        access: Access,
    ) -> Result<(), FaultError> {
        for (mut first, mut left, is_copy) in self.mm.to_be_copied(mm, at, pages) {
            while left > 0 {
                let memcg = self.memcg_of(task);
                // A page table is there before the first page that it maps.
                let fits = self.grow_page_tables(task, mm, access)?.min(left);
                let charged = self.charge(task, memcg, Charge::Anon, fits, access.user);
                let n = charged.map_err(|e| self.charge_failed(task, e))?;
                let at = PageRange { mm, first, pages: n };
                self.privileged(PvOp::PageFault { at, write: access.write, present: is_copy });
                if is_copy {
                    // The others keep the old pages; in the meantime they may have become the only users of them.
                    let freed = self.mm.unmap_anon(mm, first, n);
                    self.uncharge_all(Charge::Anon, &freed);
                }
                self.mm.map_anon(mm, first, n, memcg);
                self.privileged(PvOp::SetPte { at, write: true, frames: Frames::New });
                if is_copy {
                    // `ptep_clear_flush`: nobody may go on reading the old page.
                    self.privileged(PvOp::FlushTlb { at });
                }
                self.count_faults(task, n);
                first += n;
                left -= n;
                self.stop_for_penalty(task, access)?;
            }
        }
        Ok(())
    }

    /// Above `memory.high` a program sleeps after each batch, and then goes on touching.
    fn stop_for_penalty(&mut self, task: TaskId, access: Access) -> Result<(), FaultError> {
        let Some(t) = self.world.mm.tasks.get_mut(&task) else { return Ok(()) };
        if !access.user || t.penalty <= Nanos(10_000_000) {
            return Ok(());
        }
        let penalty = std::mem::take(&mut t.penalty);
        let memcg = t.memcg;
        let until = self.clock + penalty;
        self.emit_memory(MemoryEvent::Throttled { memcg, task, penalty });
        Err(FaultError::Sleep(Sleep { on: vec![Wait::MemoryPenalty(task)], until: Some(until) }))
    }

    fn count_faults(&mut self, task: TaskId, pages: u64) {
        let memcg = self.memcg_of(task);
        self.mm.counters.pgfault += pages;
        if let Some(group) = self.world.mm.memcgs.get_mut(memcg) {
            group.pgfault += pages;
        }
        self.spend(Nanos(FAULT_COST.0 * pages));
    }

    /// A charge for a fault did not get through: there is no memory, or the task has to wait for some.
    fn charge_failed(&mut self, task: TaskId, error: ChargeError) -> FaultError {
        let over = match error {
            ChargeError::NoMemory => return FaultError::Oom,
            ChargeError::Wait(over) => over,
            ChargeError::WriteBack(over) => {
                return FaultError::Sleep(Sleep { on: vec![Wait::Memory(over)], until: None });
            }
        };
        if let Some(t) = self.mm.tasks.get_mut(&task) {
            t.waits_for = Some(over);
        }
        self.emit_memory(MemoryEvent::Waits { memcg: over, task });
        FaultError::Sleep(Sleep { on: vec![Wait::Memory(over)], until: None })
    }

    /// Page tables for one more page, of which one maps 2 MiB (`pte_alloc`). For how many more pages they are enough.
    ///
    /// # Errors
    /// As for any charge; a fault without its page table maps nothing.
    pub(super) fn grow_page_tables(&mut self, task: TaskId, mm: MmId, access: Access) -> Result<u64, FaultError> {
        let space = &self.mm.spaces[mm];
        let mapped = space.rss.anon + space.rss.shmem;
        let have = space.page_table_pages();
        let needed = PAGE_TABLES + (mapped + 1).saturating_sub(PAGES_PER_TABLE * 2) / PAGES_PER_TABLE;
        for _ in have..needed {
            let memcg = self.memcg_of(task);
            let charged = self.charge(task, memcg, Charge::PageTables, 1, access.user);
            charged.map_err(|e| self.charge_failed(task, e))?;
            *self.mm.spaces[mm].page_tables.entry(memcg).or_default() += 1;
        }
        // The largest number that needs no more: one page less than what the next table begins with.
        let tables = have.max(needed).saturating_sub(PAGE_TABLES);
        Ok((PAGES_PER_TABLE * (tables + 3) - 1).saturating_sub(mapped).max(1))
    }

    /// Something just below the stack was touched: it grows, up to RLIMIT_STACK (`expand_stack`).
    fn grow_stack(&mut self, task: TaskId, mm: MmId, at: u64) -> Result<(), FaultError> {
        let limits = &self.processes[self.tasks[task].process].rlimits.0;
        let limit = limits[rlimit::STACK].soft;
        let space = &self.mm.spaces[mm];
        let next = space.vmas.range(at..).next().map(|(first, v)| (*first, v.clone()));
        let Some((first, vma)) = next.filter(|(_, v)| v.backing == Backing::Stack) else {
            return Err(FaultError::Segv);
        };
        let below = space.vmas.get_prev(&at).map_or(0, |(start, v)| start + v.pages);
        let pages = first + vma.pages - at;
        let total = space.total() + (first - at);
        let fits = pages.checked_mul(PAGE_SIZE).is_some_and(|bytes| bytes <= limit)
            && total.checked_mul(PAGE_SIZE).is_some_and(|bytes| bytes <= limits[rlimit::AS].soft);
        if !fits || at < below + STACK_GUARD {
            return Err(FaultError::Segv);
        }
        let space = &mut self.mm.spaces[mm];
        space.vmas.remove(&first);
        space.insert(at, Vma { pages, ..vma });
        Ok(())
    }
}
