//! How an address space comes and goes: fork(2) copies or shares it, execve(2) replaces it, the last exit(2) ends it
//! (`kernel/fork.c`: `copy_mm`, `mmput`).

use super::address_space::{Backing, Mm, Startup};
use super::event::MemoryEvent;
use super::layout::PAGE_TABLES;
use super::memcg::{Charge, ChargeError};
use super::{MemcgId, MmId, ROOT_MEMCG, TaskMemory};
use crate::errno::Errno;
use crate::kernel::Kernel;
use crate::pv_ops::PvOp;
use crate::task::clone::flags;
use crate::task::{ProcessId, TaskId};
use crate::time::Nanos;
use crate::world::World;

/// Pages of a kernel stack (`THREAD_SIZE`).
pub const STACK_PAGES: u64 = 4;
/// Pages of `task_struct`, `signal_struct`, `files_struct`, `mm_struct`, `vm_area_struct`s and the like that a new
/// process needs. With stack and page tables 36 pages, as `memory.kmem.usage_in_bytes` shows for a small process on
/// Linux 6.18.
pub const STRUCTURE_PAGES: u64 = 21;

impl World {
    /// What the kernel knows of the memory of a task that was there at boot, or that a console starts.
    pub(crate) fn memory_at_boot(&mut self, task: TaskId, program: &str, exe: &str) -> MmId {
        let memory = TaskMemory { memcg: ROOT_MEMCG, kernel_memcg: ROOT_MEMCG, penalty: Nanos(0), waits_for: None };
        self.mm.tasks.insert(task, memory);
        self.mm.commit_charge(ROOT_MEMCG, Charge::KernelStack, STACK_PAGES);
        self.mm.commit_charge(ROOT_MEMCG, Charge::Slab, STRUCTURE_PAGES);
        self.mm.commit_charge(ROOT_MEMCG, Charge::PageTables, PAGE_TABLES);
        let mut mm = Mm::of_program(program, exe);
        mm.page_tables.insert(ROOT_MEMCG, PAGE_TABLES);
        self.mm.spaces.add(mm)
    }

    /// The address space of a task; `None` once it has ended.
    pub fn mm_of(&self, task: TaskId) -> Option<MmId> {
        self.processes.get(self.tasks.get(task)?.process)?.mm
    }
}

impl Kernel<'_> {
    /// The kernel's own memory for a new task: charged before anything else is made (`dup_task_struct`).
    ///
    /// # Errors
    /// ENOMEM at the limit of a group, when the OOM killer could not help.
    pub(crate) fn charge_task(&mut self, caller: TaskId) -> Result<(), Errno> {
        let memcg = self.memcg_of(caller);
        self.charge_kernel(caller, memcg, Charge::KernelStack, STACK_PAGES)?;
        if let Err(e) = self.charge_kernel(caller, memcg, Charge::Slab, STRUCTURE_PAGES) {
            self.uncharge(memcg, Charge::KernelStack, STACK_PAGES);
            return Err(e);
        }
        Ok(())
    }

    /// Gives back what [`Kernel::charge_task`] took: no task was made after all.
    pub(crate) fn uncharge_task(&mut self, memcg: MemcgId) {
        self.uncharge(memcg, Charge::KernelStack, STACK_PAGES);
        self.uncharge(memcg, Charge::Slab, STRUCTURE_PAGES);
    }

    /// Charges memory of the kernel as a whole (`__GFP_ACCOUNT`).
    ///
    /// # Errors
    /// ENOMEM at the limit.
    pub(crate) fn charge_kernel(
        &mut self,
        task: TaskId,
        memcg: MemcgId,
        what: Charge,
        pages: u64,
    ) -> Result<(), Errno> {
        let mut done = 0;
        while done < pages {
            match self.charge(task, memcg, what, pages - done, false) {
                Ok(n) => done += n,
                Err(ChargeError::NoMemory | ChargeError::Wait(_) | ChargeError::WriteBack(_)) => {
                    self.uncharge(memcg, what, done);
                    return Err(Errno::ENOMEM);
                }
            }
        }
        Ok(())
    }

    /// A new task has been made and charged to the group of its maker.
    pub(crate) fn remember_task_memory(&mut self, caller: TaskId, child: TaskId) {
        let memcg = self.memcg_of(caller);
        let memory = TaskMemory { memcg, kernel_memcg: memcg, penalty: Nanos(0), waits_for: None };
        self.mm.tasks.insert(child, memory);
    }

    /// The address space of a new process: the same one with `CLONE_VM`, else a copy whose pages are shared until
    /// somebody writes (`copy_mm`).
    pub(crate) fn copy_mm(&mut self, caller: TaskId, clone_flags: u64) -> Option<MmId> {
        let old = self.mm_of(caller)?;
        if clone_flags & flags::VM != 0 {
            self.mm.spaces[old].users += 1;
            return Some(old);
        }
        let mut copy = self.mm.spaces[old].clone();
        copy.users = 1;
        copy.startup = Startup::Forked;
        copy.page_tables = imbl::OrdMap::new();
        copy.lock_future = false;
        copy.high_rss = copy.rss.total();
        // Locks are not inherited.
        let locked: Vec<u64> = copy.vmas.iter().filter(|(_, v)| v.locked).map(|(at, _)| *at).collect();
        for at in locked {
            if let Some(vma) = copy.vmas.get_mut(&at) {
                vma.locked = false;
            }
        }
        for file in copy.vmas.values().filter_map(file_of) {
            self.vfs.files[file].refs += 1;
        }
        copy.anon = imbl::OrdMap::new();
        let new = self.mm.spaces.add(copy);
        self.mm.share_anon(old, new);
        self.copy_page_tables(old, new);
        let tables = self.mm.spaces[old].page_table_pages();
        self.charge_page_tables(caller, new, tables);
        Some(new)
    }

    /// The address space of a new program, in place of the old one (`exec_mmap`).
    pub(crate) fn exec_mm(&mut self, task: TaskId, program: &str, exe: &str) {
        let process = self.tasks[task].process;
        let new = self.mm.spaces.add(Mm::of_program(program, exe));
        let old = self.processes[process].mm.replace(new);
        self.charge_page_tables(task, new, PAGE_TABLES);
        self.privileged(PvOp::PgdAlloc { mm: new });
        self.load_mm(new);
        if let Some(old) = old {
            self.mmput(old);
        }
        self.map_image(new);
    }

    /// A process ends, and no longer uses its address space (`exit_mm`).
    pub(crate) fn exit_mm(&mut self, process: ProcessId) {
        if let Some(mm) = self.processes[process].mm.take() {
            self.mmput(mm);
        }
    }

    /// The kernel's own memory of a task that has ended is given back.
    pub(crate) fn exit_task_memory(&mut self, task: TaskId) {
        let Some(memory) = self.mm.tasks.get_mut(&task) else { return };
        memory.penalty = Nanos(0);
        memory.waits_for = None;
        let memcg = memory.kernel_memcg;
        // Until it is released a zombie is still in its group, which must know it.
        self.uncharge_task(memcg);
    }

    /// A task is out of the tables.
    pub(crate) fn forget_task_memory(&mut self, task: TaskId) {
        if let Some(memory) = self.mm.tasks.remove(&task) {
            self.free_memcg_if_unused(memory.memcg);
        }
    }

    /// One user less; with the last one everything in an address space goes (`mmput`, `exit_mmap`).
    fn mmput(&mut self, mm: MmId) {
        self.mm.spaces[mm].users -= 1;
        if self.mm.spaces[mm].users > 0 {
            return;
        }
        self.forget_mm(mm);
        let freed = self.mm.unmap_all_anon(mm);
        let Some(space) = self.mm.spaces.remove(mm) else { return };
        self.uncharge_all(Charge::Anon, &freed);
        for (memcg, pages) in &space.page_tables {
            self.uncharge(*memcg, Charge::PageTables, *pages);
        }
        for file in space.vmas.values().filter_map(file_of) {
            self.put_file(file);
        }
    }

    /// Page tables are charged to whoever makes them; this much must not fail, or the task dies later.
    pub(super) fn charge_page_tables(&mut self, task: TaskId, mm: MmId, pages: u64) {
        if pages == 0 {
            return;
        }
        let memcg = self.memcg_of(task);
        self.mm.commit_charge(memcg, Charge::PageTables, pages);
        *self.mm.spaces[mm].page_tables.entry(memcg).or_default() += pages;
    }

    /// What user mode touches before anything else. Whether the task may go on.
    pub(crate) fn startup_faults(&mut self, task: TaskId) -> bool {
        let Some(mm) = self.mm_of(task) else { return true };
        if self.mm.spaces[mm].startup == Startup::Done {
            return true;
        }
        for (first, pages) in self.mm.spaces[mm].startup_pages() {
            if !self.user_fault(task, first, pages, true) {
                return false;
            }
        }
        self.mm.spaces[mm].startup = Startup::Done;
        true
    }

    /// A group that was removed goes when nothing is charged to it any more (`css_release`).
    pub(crate) fn free_memcg_if_unused(&mut self, memcg: MemcgId) {
        let Some(group) = self.mm.memcgs.get(memcg) else { return };
        let used = group.online
            || group.usage > 0
            || self.mm.memcgs.iter().any(|(_, m)| m.parent == Some(memcg))
            || self.mm.tasks.values().any(|t| t.memcg == memcg);
        if used {
            return;
        }
        let (parent, cgroup) = (group.parent, group.cgroup);
        self.mm.memcgs.remove(memcg);
        if let Some(cgroup) = cgroup {
            self.cgroup_put(cgroup);
        }
        self.emit_memory(MemoryEvent::GroupFreed { memcg });
        if let Some(parent) = parent {
            self.free_memcg_if_unused(parent);
        }
    }
}

/// The open file that an area keeps.
fn file_of(vma: &super::address_space::Vma) -> Option<crate::vfs::file::FileId> {
    match vma.backing {
        Backing::File { file, .. } => Some(file),
        _ => None,
    }
}
