//! What a PV Linux does so that few crossings are needed, and where it cannot help it. Source: Linux 6.1,
//! `arch/x86/xen/mmu_pv.c`, `multicalls.c`, `enlighten_pv.c`.
//!
//! - In lazy MMU mode (`copy_pte_range`, `change_pte_range`) entries are collected into one `mmu_update`.
//! - Outside of it, each entry is a hypercall of its own: so are the 16 entries of a fault-around.
//! - What clears an entry in place (`ptep_get_and_clear`, `ptep_set_wrprotect`) is an instruction that faults and that Xen
//!   emulates.
//! - An address space is pinned when it is ready, and unpinned before it is torn down: what happens to its tables while it is
//!   not pinned costs a hypercall at most for the last level, and at the end nothing.
//! - Pinning is a list of requests, two for each table: they go in multicalls of up to 32.

use super::{Doing, KernelRing, XenPv};
use crate::machine::counters::Counters;
use crate::machine::kernel_tables::{DIRECT_MAP, EntryWrite};
use crate::memory::{Gfn, Hfn, Hpa};
use crate::paging::Flush;
use crate::paging::format::{A, ADDRESS, D, P, PS, RW, XD};
use crate::xen::call::{Hypercall, Output};
use crate::xen::mm::PageType;
use crate::xen::mm::emulate::Store;
use crate::xen::mm::mmuext::MmuextOp;
use crate::xen::mm::update::{Foreign, MmuUpdate};

/// Calls in a multicall (`MC_BATCH`).
const BATCH: usize = 32;
/// Updates in one `mmu_update`: the arguments of a batch are a page.
const UPDATES: usize = 256;

/// How many requests in an answer were refused.
pub(super) fn refusals(output: &Output) -> u64 {
    match output {
        Output::Done(_, Some(_)) => 1,
        Output::Results(results) => {
            results.iter().map(|result| result.as_ref().map_or(1, |(_, output)| refusals(output))).sum()
        }
        _ => 0,
    }
}

fn one(op: MmuextOp) -> Hypercall {
    Hypercall::MmuextOp { ops: vec![op], foreign: Foreign::NONE }
}

impl XenPv {
    /// The machine frame behind one of the guest's (`pfn_to_mfn`).
    pub(super) fn machine_frame(&self, pfn: Gfn) -> Hfn {
        self.p2m.machine(pfn)
    }

    /// The guest's number of a machine frame (`mfn_to_pfn`).
    fn guest_frame(&self, mfn: Hfn) -> Gfn {
        self.p2m.guest(mfn)
    }

    /// An entry with the machine frame in it (`make_pte`).
    pub(super) fn machine_entry(&self, entry: u64) -> u64 {
        if entry & P == 0 {
            return entry;
        }
        let frame = self.machine_frame(Gfn((entry & ADDRESS) >> 12));
        entry & !ADDRESS | frame.address().0
    }

    fn is_table(&self, frame: Hfn) -> bool {
        let info = self.xen.frames.info(frame);
        info.type_count > 0 && matches!(info.kind, PageType::Table(_))
    }

    /// Calls together, in as few crossings as there is room for; a single one is made directly (`xen_mc_flush`).
    pub(super) fn batch(&mut self, cpu: usize, calls: Vec<Hypercall>, counters: &mut Counters) {
        for part in calls.chunks(BATCH) {
            let call = match part {
                [single] => single.clone(),
                _ => Hypercall::Multicall(part.to_vec()),
            };
            self.call(cpu, call, counters);
        }
    }

    /// Leaves lazy MMU mode: what was collected goes out.
    pub(super) fn flush_lazy(&mut self, cpu: usize, counters: &mut Counters) {
        let updates = std::mem::take(&mut self.lazy);
        for part in updates.chunks(UPDATES) {
            let call = Hypercall::MmuUpdate { updates: part.to_vec(), foreign: Foreign::NONE };
            self.call(cpu, call, counters);
        }
    }

    /// Writes an entry, in the way in which the kernel does it there.
    pub(super) fn set_entry(&mut self, cpu: usize, write: EntryWrite, counters: &mut Counters) {
        let at = self.machine_frame(write.at.frame()).address().plus(write.at.offset());
        if write.level > 1 {
            return self.set_upper(cpu, at, write, counters);
        }
        let update = MmuUpdate::normal(at, write.value);
        match self.doing {
            Doing::Unpinned => self.xen.memory.write_u64(at, write.value),
            Doing::Direct if !self.is_table(at.frame()) => self.xen.memory.write_u64(at, write.value),
            Doing::Direct => {
                counters.trap("ptwr");
                counters.ring_crossings += 2;
                counters.spend("page faults", self.costs.exception.cycles);
                let va = DIRECT_MAP + write.at.0;
                let stored = self.xen.store_to_readonly(self.who(cpu), va, 8, write.value);
                debug_assert_eq!(stored, Store::Emulated);
                self.tell(counters);
            }
            Doing::Lazy { keeps_ad } => {
                let command = if keeps_ad { 2 } else { 0 };
                self.lazy.push(MmuUpdate { ptr: update.ptr | command, ..update });
            }
            Doing::Single => {
                let call = Hypercall::MmuUpdate { updates: vec![update], foreign: Foreign::NONE };
                self.call(cpu, call, counters);
            }
        }
    }

    /// An entry that names a table: `xen_set_p4d`, `xen_set_pud`, `xen_set_pmd`, after `xen_alloc_pte` and its like.
    fn set_upper(&mut self, cpu: usize, at: Hpa, write: EntryWrite, counters: &mut Counters) {
        let table = at.frame();
        let slot = at.offset() / 8;
        let is_kernels = write.level == 4 && slot >= 256;
        if is_kernels && !self.user_roots.contains_key(&table) {
            self.new_root(table);
        }
        if !is_kernels {
            self.clear(Hfn((write.value & ADDRESS) >> 12));
        }
        let user = self.user_roots.get(&table).copied().filter(|_| write.level == 4 && !is_kernels);
        let also = user.map(|user| user.address().plus(8 * slot));
        if !self.is_table(table) {
            self.xen.memory.write_u64(at, write.value);
            also.into_iter().for_each(|also| self.xen.memory.write_u64(also, write.value));
            return;
        }
        let new = Hfn((write.value & ADDRESS) >> 12);
        let mut calls = vec![self.protect(new, true)];
        if write.level == 2 {
            calls.push(one(MmuextOp::PinTable(1, new)));
        }
        self.batch(cpu, calls, counters);
        let updates: Vec<MmuUpdate> =
            std::iter::once(at).chain(also).map(|at| MmuUpdate::normal(at, write.value)).collect();
        self.call(cpu, Hypercall::MmuUpdate { updates, foreign: Foreign::NONE }, counters);
    }

    /// `pgd_alloc`: a table for the kernel, and one for programs beside it.
    fn new_root(&mut self, root: Hfn) {
        self.clear(root);
        if let Some(user) = self.spare.pop() {
            self.clear(user);
            self.user_roots.insert(root, user);
        }
    }

    fn clear(&mut self, frame: Hfn) {
        (0..512).for_each(|word| self.xen.memory.write_u64(frame.address().plus(8 * word), 0));
    }

    /// The request that makes a frame read-only, or writable again, in the kernel's map of all memory.
    pub(super) fn protect(&self, frame: Hfn, is_readonly: bool) -> Hypercall {
        let rights = if is_readonly { 0 } else { RW };
        let va = DIRECT_MAP + self.guest_frame(frame).address().0;
        Hypercall::UpdateVaMapping { va, val: frame.address().0 | P | A | D | XD | rights, flags: 0 }
    }

    /// The tables below a table, for the programs' half, from the last level up; each with its level.
    pub(super) fn tables_below(&self, table: Hfn, level: u8, into: &mut Vec<(Hfn, u8)>) {
        let slots = if level == 4 { 256 } else { 512 };
        for slot in 0..slots {
            let entry = self.xen.memory.read_u64(table.address().plus(8 * slot));
            if level > 1 && entry & P != 0 && entry & PS == 0 {
                let below = Hfn((entry & ADDRESS) >> 12);
                self.tables_below(below, level - 1, into);
                into.push((below, level - 1));
            }
        }
    }

    /// `xen_pgd_pin`: every table becomes read-only, then the whole is pinned.
    pub(super) fn pin(&mut self, cpu: usize, root: Hfn, counters: &mut Counters) {
        let mut tables = Vec::new();
        self.tables_below(root, 4, &mut tables);
        let mut calls = Vec::new();
        for (table, level) in tables {
            calls.push(self.protect(table, true));
            if level == 1 {
                calls.push(one(MmuextOp::PinTable(1, table)));
            }
        }
        for table in std::iter::once(root).chain(self.user_roots.get(&root).copied()) {
            calls.push(self.protect(table, true));
            calls.push(one(MmuextOp::PinTable(4, table)));
        }
        self.batch(cpu, calls, counters);
        self.pinned.insert(root);
    }

    /// `xen_exit_mmap`: nobody keeps the address space in force, then it is unpinned.
    pub(super) fn exit_mmap(&mut self, cpu: usize, root: Hfn, counters: &mut Counters) {
        for other in 0..self.roots.len() {
            if self.roots[other] == Some(root) {
                self.load(other, self.swapper, Vec::new(), counters);
            }
        }
        self.forked.remove(&root);
        let user = self.user_roots.remove(&root);
        if self.pinned.remove(&root) {
            let mut tables = Vec::new();
            self.tables_below(root, 4, &mut tables);
            let mut calls: Vec<Hypercall> =
                std::iter::once(root).chain(user).map(|table| one(MmuextOp::UnpinTable(table))).collect();
            calls.extend(std::iter::once(root).chain(user).map(|table| self.protect(table, false)));
            for (table, level) in tables.into_iter().rev() {
                if level == 1 {
                    calls.push(one(MmuextOp::UnpinTable(table)));
                }
                calls.push(self.protect(table, false));
            }
            self.batch(cpu, calls, counters);
        }
        self.spare.extend(user);
    }

    /// A processor goes on with another address space.
    pub(super) fn switch(&mut self, cpu: usize, root: Hfn, counters: &mut Counters) {
        let is_new = !self.pinned.contains(&root);
        if is_new {
            self.pin(cpu, root, counters);
        }
        // execve(2) changes the address space of whoever runs; anything else is a switch from one task to another, in which
        // the stack of the kernel changes too, and the bases of FS and GS.
        let is_exec = is_new && !self.forked.contains(&root);
        let more = if is_exec { Vec::new() } else { vec![Hypercall::StackSwitch { ss: 0xe02b, esp: root.0 << 12 }] };
        self.load(cpu, root, more, counters);
        // A 32-bit kernel has the segments of the next task in the same batch (`load_TLS`).
        if !is_exec && self.ring == KernelRing::Three {
            for which in [0, 1] {
                self.call(cpu, Hypercall::SetSegmentBase { which, value: 0 }, counters);
            }
        }
    }

    /// `xen_write_cr3`: both tables in one crossing, and what else the switch needs.
    fn load(&mut self, cpu: usize, root: Hfn, more: Vec<Hypercall>, counters: &mut Counters) {
        let mut calls = vec![one(MmuextOp::NewBaseptr(root))];
        if self.ring == KernelRing::Three {
            let user = self.user_roots.get(&root).copied().unwrap_or_default();
            calls.push(one(MmuextOp::NewUserBaseptr(user)));
        }
        calls.extend(more);
        self.batch(cpu, calls, counters);
        self.roots[cpu] = Some(root);
        self.processors[cpu].set_cr3(root.address().0);
        self.processors[cpu].flush(Flush::Cr4Global, counters);
        counters.spend("loads of CR3", self.costs.write_cr3.cycles);
    }
}
