//! What procfs says about memory: of a process (`fs/proc/task_mmu.c`), and of the machine (`fs/proc/meminfo.c`). The
//! latter is the same for everybody, whatever control group a reader is in.

use std::fmt::Write;

use crate::kernel::Kernel;
use crate::mm::address_space::{Backing, Mm, Prot, Vma};
use crate::mm::memcg::{Charge, MIN_FREE};
use crate::mm::writeback::{is_dirty, is_written_back};
use crate::mm::{PAGE_SIZE, ROOT_MEMCG};
use crate::task::TaskId;
use crate::world::World;

/// Pages in kB.
fn kb(pages: u64) -> u64 {
    pages * PAGE_SIZE / 1024
}

impl World {
    /// Pages that a task has mapped, and those that are resident; `None` once its address space is gone.
    pub fn sizes_of(&self, task: TaskId) -> Option<(u64, u64)> {
        let mm = self.mm.spaces.get(self.mm_of(task)?)?;
        Some((mm.total(), mm.rss.total()))
    }
}

impl Kernel<'_> {
    fn space(&self, task: TaskId) -> Option<&Mm> {
        self.mm.spaces.get(self.mm_of(task)?)
    }

    /// The lines about memory in `/proc/PID/status`.
    pub(super) fn memory_status_text(&self, task: TaskId) -> String {
        let Some(mm) = self.space(task) else { return String::new() };
        let sizes = mm.sizes();
        let rows = [
            ("VmPeak", mm.high_vm),
            ("VmSize", sizes.total),
            ("VmLck", sizes.locked),
            ("VmPin", 0),
            ("VmHWM", mm.high_rss),
            ("VmRSS", mm.rss.total()),
            ("RssAnon", mm.rss.anon),
            ("RssFile", mm.rss.file),
            ("RssShmem", mm.rss.shmem),
            ("VmData", sizes.data),
            ("VmStk", sizes.stack),
            ("VmExe", mm.text),
            ("VmLib", sizes.exec.saturating_sub(mm.text)),
            ("VmPTE", mm.page_table_pages()),
            ("VmSwap", 0),
            ("HugetlbPages", 0),
        ];
        rows.iter().map(|(name, pages)| format!("{name}:\t{:>8} kB\n", kb(*pages))).collect()
    }

    /// `/proc/PID/statm`: size, resident, shared, text, 0, data and stack, 0.
    pub(super) fn statm_text(&self, task: TaskId) -> String {
        let Some(mm) = self.space(task) else { return "0 0 0 0 0 0 0\n".to_owned() };
        let (sizes, rss) = (mm.sizes(), mm.rss);
        let data = sizes.data + sizes.stack;
        format!("{} {} {} {} 0 {data} 0\n", sizes.total, rss.total(), rss.file + rss.shmem, mm.text)
    }

    /// `/proc/PID/maps`.
    pub(super) fn maps_text(&self, task: TaskId) -> String {
        let Some(mm) = self.space(task) else { return String::new() };
        let mut text = String::new();
        for (first, vma) in &mm.vmas {
            let (offset, device, ino, path) = self.origin(task, mm, *first, vma);
            let end = first + vma.pages;
            let line = format!(
                "{:x}-{:x} {} {offset:08x} {device} {ino} ",
                first * PAGE_SIZE,
                end * PAGE_SIZE,
                permissions(vma)
            );
            // The name begins in column 73, if there is one.
            let _ = if path.is_empty() { writeln!(text, "{line}") } else { writeln!(text, "{line:<73}{path}") };
        }
        text.push_str("ffffffffff600000-ffffffffff601000 --xp 00000000 00:00 0                  [vsyscall]\n");
        text
    }

    /// Where the pages of an area come from: offset, device, inode, name.
    fn origin(&self, task: TaskId, mm: &Mm, first: u64, vma: &Vma) -> (u64, String, u64, String) {
        match &vma.backing {
            Backing::Image { path, offset } => (offset * PAGE_SIZE, "00:14".to_owned(), 0, path.to_string()),
            Backing::File { file, offset } => {
                let place = self.vfs.files.get(*file).and_then(|f| f.path());
                let (ino, path) = place.map_or((0, String::new()), |p| (self.attr(p).ino, self.d_path(p, task)));
                (offset * PAGE_SIZE, "00:14".to_owned(), ino, path)
            }
            _ => (0, "00:00".to_owned(), 0, mm.name_of(first, vma).to_string()),
        }
    }

    /// `/proc/PID/smaps_rollup`.
    pub(super) fn smaps_rollup_text(&self, task: TaskId) -> String {
        let Some(mm) = self.space(task) else { return String::new() };
        let first = mm.vmas.get_min().map_or(0, |(at, _)| *at);
        let last = mm.vmas.get_max().map_or(0, |(at, v)| at + v.pages);
        // A page that N processes map counts as one Nth of a page.
        let pss_anon: u64 = mm
            .anon
            .values()
            .map(|s| s.pages * PAGE_SIZE / self.mm.anon.get(s.run).map_or(1, |r| r.mappers.len() as u64))
            .sum::<u64>()
            / 1024;
        let spaces = self.mm.spaces.len() as u64;
        let pss_shmem = kb(mm.rss.shmem) / spaces.max(1);
        let shared: u64 = mm
            .anon
            .values()
            .filter(|s| self.mm.anon.get(s.run).is_some_and(|r| r.mappers.len() > 1))
            .map(|s| s.pages)
            .sum();
        let anon = kb(mm.rss.anon);
        let locked = kb(mm.sizes().locked.min(mm.rss.total()));
        let rows = [
            ("Rss", kb(mm.rss.total())),
            ("Pss", pss_anon + pss_shmem),
            ("Pss_Dirty", pss_anon + pss_shmem),
            ("Pss_Anon", pss_anon),
            ("Pss_File", 0),
            ("Pss_Shmem", pss_shmem),
            ("Shared_Clean", kb(mm.rss.file)),
            ("Shared_Dirty", kb(mm.rss.shmem + shared)),
            ("Private_Clean", 0),
            ("Private_Dirty", anon - kb(shared)),
            ("Referenced", kb(mm.rss.total())),
            ("Anonymous", anon),
            ("KSM", 0),
            ("LazyFree", 0),
            ("AnonHugePages", 0),
            ("ShmemPmdMapped", 0),
            ("FilePmdMapped", 0),
            ("Shared_Hugetlb", 0),
            ("Private_Hugetlb", 0),
            ("Swap", 0),
            ("SwapPss", 0),
            ("Locked", locked),
        ];
        let mut text = format!(
            "{:x}-{:x} ---p 00000000 00:00 0                          [rollup]\n",
            first * PAGE_SIZE,
            last * PAGE_SIZE
        );
        text.extend(rows.iter().map(|(name, n)| format!("{:<16}{n:>8} kB\n", format!("{name}:"))));
        text
    }

    /// `/proc/meminfo`.
    pub(super) fn meminfo_text(&self) -> String {
        let sum = |what: Charge| self.mm.subtree(ROOT_MEMCG, what);
        let (anon, shmem, file) = (sum(Charge::Anon), sum(Charge::Shmem), sum(Charge::File));
        let (stacks, tables) = (sum(Charge::KernelStack), sum(Charge::PageTables));
        // Of what the kernel keeps for itself about a third is slab.
        let slab = sum(Charge::Slab) + self.mm.reserved_pages() / 3;
        let free = self.mm.free_pages();
        let mapped = self.mm.spaces.iter().map(|(_, mm)| mm.rss.file + mm.rss.shmem).max().unwrap_or(0);
        let committed: u64 = self.mm.spaces.iter().map(|(_, mm)| mm.sizes().data).sum::<u64>() + shmem;
        let total = self.mm.total_pages();
        let rows = [
            ("MemTotal", total),
            ("MemFree", free),
            ("MemAvailable", (free + file).saturating_sub(MIN_FREE)),
            ("Buffers", 0),
            ("Cached", file + shmem),
            ("SwapCached", 0),
            ("Active", 0),
            ("Inactive", anon + shmem + file),
            ("Active(anon)", 0),
            ("Inactive(anon)", anon + shmem),
            ("Active(file)", 0),
            ("Inactive(file)", file),
            ("Unevictable", 0),
            ("Mlocked", 0),
            ("SwapTotal", 0),
            ("SwapFree", 0),
            ("Dirty", self.cached_pages(ROOT_MEMCG, is_dirty)),
            ("Writeback", self.cached_pages(ROOT_MEMCG, is_written_back)),
            ("AnonPages", anon),
            ("Mapped", mapped),
            ("Shmem", shmem),
            ("KReclaimable", 0),
            ("Slab", slab),
            ("SReclaimable", 0),
            ("SUnreclaim", slab),
            ("KernelStack", stacks),
            ("PageTables", tables),
            ("SecPageTables", 0),
            ("NFS_Unstable", 0),
            ("Bounce", 0),
            ("WritebackTmp", 0),
            ("CommitLimit", total / 2),
            ("Committed_AS", committed),
            ("VmallocTotal", 34_359_738_367 / 4),
            ("VmallocUsed", 0),
            ("VmallocChunk", 0),
            ("Percpu", 0),
            ("AnonHugePages", 0),
        ];
        let mut text: String =
            rows.iter().map(|(name, pages)| format!("{:<15} {:>8} kB\n", format!("{name}:"), kb(*pages))).collect();
        text.push_str(
            "HugePages_Total:       0\nHugePages_Free:        0\nHugePages_Rsvd:        0\nHugePages_Surp:        0\n",
        );
        text.push_str("Hugepagesize:       2048 kB\nHugetlb:               0 kB\n");
        text
    }

    /// The counters of `/proc/vmstat` that mean something here.
    pub(super) fn vmstat_text(&self) -> String {
        let sum = |what: Charge| self.mm.subtree(ROOT_MEMCG, what);
        let counters = self.mm.counters;
        let rows = [
            ("nr_free_pages", self.mm.free_pages()),
            ("nr_inactive_anon", sum(Charge::Anon) + sum(Charge::Shmem)),
            ("nr_active_anon", 0),
            ("nr_inactive_file", sum(Charge::File)),
            ("nr_active_file", 0),
            ("nr_anon_pages", sum(Charge::Anon)),
            ("nr_file_pages", sum(Charge::Shmem) + sum(Charge::File)),
            ("nr_shmem", sum(Charge::Shmem)),
            ("nr_kernel_stack", sum(Charge::KernelStack) * 4),
            ("nr_page_table_pages", sum(Charge::PageTables)),
            ("pgalloc_normal", counters.pgalloc),
            ("pgfree", counters.pgfree),
            ("pgfault", counters.pgfault),
            ("pgmajfault", 0),
            ("oom_kill", counters.oom_kill),
        ];
        rows.iter().map(|(name, n)| format!("{name} {n}\n")).collect()
    }
}

/// `rwxp` of an area.
fn permissions(vma: &Vma) -> String {
    let bit = |what: Prot, letter: char| if vma.prot.can(what) { letter } else { '-' };
    let share = if vma.shared { 's' } else { 'p' };
    [bit(Prot::READ, 'r'), bit(Prot::WRITE, 'w'), bit(Prot::EXEC, 'x'), share].iter().collect()
}
