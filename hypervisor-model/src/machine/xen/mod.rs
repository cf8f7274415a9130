//! A PV guest of Xen as hardware: the same kernel, whose privileged operations are hypercalls.
//!
//! The processor walks the guest's own page tables, which hold machine frames; Xen checks each change ([`crate::xen::mm`]).
//! On 64 bit kernel and programs are both in ring 3, so Xen stands between them: a system call enters Xen, which loads the
//! kernel's page table and bounces it; the way back is the hypercall `iret`. The 32-bit flavour has its kernel in ring 1: a
//! program's INT 0x80 goes straight there, and IRET straight back. (Of the 32-bit flavour only that is modelled: its page
//! tables are those of 64 bit.) What the guest's kernel does so that few crossings are needed is in `guest_kernel.rs`.

mod balloon;
mod boot;
mod guest_kernel;
pub mod host;
pub mod hvm;
mod p2m;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};

use kernel_model::machine::report::{Deed, DeedKind, Lane};
use kernel_model::pv_ops::{Frames, PvOp};

use super::computer::PROCESSORS;
use super::cost::Costs;
use super::counters::Counters;
use super::hardware::{Access, Hardware, MemoryAccess};
use super::kernel_tables::EntryWrite;
use super::processor::Processor;
use crate::memory::{Gpa, Hfn, PhysicalMemory};
use crate::paging::{Flat, Flush};
use crate::xen::Xen;
use crate::xen::call::{Hypercall, Output};
use crate::xen::domain::{DomId, VcpuId};
use crate::xen::mm::mmuext::MmuextOp;
use crate::xen::mm::update::{Foreign, MmuUpdate};
use crate::xen::sched::SchedOp;
use crate::xen::traps::{CallbackKind, Entry, FLAT_KERNEL_CS64, GuestFrame, IF};
use crate::xen::vcpu::VcpuOp;
use p2m::P2m;

/// In which ring a PV guest's kernel runs.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum KernelRing {
    /// Ring 1, behind segment limits: 32 bit.
    One,
    /// Ring 3, with a page table of its own: 64 bit.
    Three,
}

/// When an idle kernel wants to be woken at the latest, in nanoseconds: its tick.
const TICK: u64 = 4_000_000;
/// #PF.
const PAGE_FAULT: u8 = 14;

/// What the kernel is doing, as far as it decides how entries are written.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
enum Doing {
    /// Entries one by one: a hypercall each.
    #[default]
    Single,
    /// Between `arch_enter_lazy_mmu_mode` and `arch_leave_lazy_mmu_mode`: entries are collected.
    Lazy {
        /// Accessed and dirty are kept (`ptep_modify_prot_commit`).
        keeps_ad: bool,
    },
    /// Entries by an instruction, as if they were memory: the write faults, and Xen emulates it.
    Direct,
    /// The address space is no page table any more: entries are memory.
    Unpinned,
}

/// A PV guest.
#[derive(Clone, PartialEq, Debug)]
pub struct XenPv {
    /// The hypervisor.
    pub xen: Xen,
    /// Whose kernel it is.
    pub domain: DomId,
    /// How many virtual processors the domain has; the kernel's own are spread over them.
    vcpus: u32,
    ring: KernelRing,
    processors: [Processor; PROCESSORS],
    /// The kernel's top-level table in use.
    roots: [Option<Hfn>; PROCESSORS],
    /// A program runs, and the processor is on the table for programs.
    in_user: [bool; PROCESSORS],
    /// Which machine frames are behind the guest's.
    p2m: P2m,
    /// It shares the machine: when it halts it sleeps until Xen enters it ([`XenPv::upcall`]), and is not woken at once.
    pub sleeps: bool,
    /// Ports for which the kernel's handlers are still to run.
    pub upcalls: Vec<u32>,
    /// Frames of the guest's for tables that the kernel's half does not know of.
    spare: Vec<Hfn>,
    /// The table without programs (`swapper_pg_dir`).
    swapper: Hfn,
    /// The programs' table for each of the kernel's.
    user_roots: BTreeMap<Hfn, Hfn>,
    /// Top-level tables that are pinned.
    pinned: BTreeSet<Hfn>,
    /// Those of processes that were made by fork(2).
    forked: BTreeSet<Hfn>,
    doing: Doing,
    is_forking: bool,
    is_booting: bool,
    /// Xen has flushed other processors already in this operation.
    is_flushed: bool,
    lazy: Vec<MmuUpdate>,
    /// Requests that Xen has refused: none, if kernel and model are right, and nobody has made calls in the kernel's name.
    pub refused: u64,
    costs: Costs,
}

impl XenPv {
    fn who(&self, cpu: usize) -> VcpuId {
        VcpuId { domain: self.domain, vcpu: cpu as u32 % self.vcpus.max(1) }
    }

    /// Xen enters the kernel if an event is due for one of its processors: the handlers that are to run are in
    /// [`XenPv::upcalls`]. Whether it was so.
    pub fn upcall(&mut self, counters: &mut Counters) -> bool {
        let due = (0..PROCESSORS).find(|cpu| self.xen.upcall_is_due(self.who(*cpu)));
        let Some(cpu) = due else { return false };
        self.enter(cpu, Entry::Callback(CallbackKind::Event), counters);
        let was_user = self.in_user[cpu];
        let ports = self.xen.take_events(self.who(cpu));
        self.upcalls.extend(ports);
        self.iret(cpu, was_user, counters);
        true
    }

    /// The kernel is at work on a processor: it does not sleep there.
    pub fn wakes(&mut self, cpu: usize) {
        let who = self.who(cpu);
        if let Some(v) = self.xen.vcpu_mut(who) {
            v.is_blocked = false;
        }
    }

    /// The kernel makes a hypercall.
    fn call(&mut self, cpu: usize, call: Hypercall, counters: &mut Counters) {
        self.ask(cpu, call, counters);
    }

    /// The kernel makes a hypercall, and looks what came back.
    fn ask(&mut self, cpu: usize, call: Hypercall, counters: &mut Counters) -> Option<Output> {
        counters.ring_crossings += 2;
        counters.spend("hypercalls", self.costs.hypercall.cycles);
        self.count(&call, counters);
        self.xen.deeds.is_heard = counters.told.listens;
        self.xen.deeds.cpu = cpu as u32;
        let output = self.xen.hypercall(self.who(cpu), call).ok().map(|(_, output)| output);
        let refused = output.as_ref().map_or(1, guest_kernel::refusals);
        self.tell(counters);
        self.refused += refused;
        output
    }

    fn count(&self, call: &Hypercall, counters: &mut Counters) {
        let name = call.number().map_or("unknown", |number| number.name());
        *counters.hypercalls.entry(name).or_default() += 1;
        if let Hypercall::Multicall(calls) = call {
            calls.iter().for_each(|call| self.count(call, counters));
        }
    }

    /// What Xen did is told upward.
    fn tell(&mut self, counters: &mut Counters) {
        for deed in self.xen.deeds.take() {
            counters.told.tell(|_, _| deed);
        }
    }

    fn extend(&mut self, cpu: usize, op: MmuextOp, counters: &mut Counters) {
        self.call(cpu, Hypercall::MmuextOp { ops: vec![op], foreign: Foreign::NONE }, counters);
    }

    /// The processor goes over to the kernel's or the programs' table (`toggle_guest_mode`).
    fn toggle(&mut self, cpu: usize, to_user: bool, counters: &mut Counters) {
        if self.ring == KernelRing::One || self.in_user[cpu] == to_user {
            return;
        }
        self.in_user[cpu] = to_user;
        if let Some(root) = self.table_in_use(cpu) {
            self.processors[cpu].write_cr3(root.address().0, &self.costs, counters);
        }
    }

    fn table_in_use(&self, cpu: usize) -> Option<Hfn> {
        let root = self.roots[cpu]?;
        if self.in_user[cpu] { self.user_roots.get(&root).copied() } else { Some(root) }
    }

    /// Xen enters the guest's kernel.
    fn enter(&mut self, cpu: usize, entry: Entry, counters: &mut Counters) {
        counters.ring_crossings += 2;
        counters.spend("bounces by Xen", self.costs.bounce.cycles);
        let domain = self.domain;
        counters.told.tell(|cpu, _| bounced(cpu as usize, entry, domain));
        let frame = GuestFrame { cs: FLAT_KERNEL_CS64, rflags: IF, ..GuestFrame::default() };
        self.xen.bounce(self.who(cpu), entry, frame);
        self.toggle(cpu, false, counters);
    }

    /// The kernel goes back to programs, or to itself.
    fn iret(&mut self, cpu: usize, to_user: bool, counters: &mut Counters) {
        if self.ring == KernelRing::One {
            counters.ring_crossings += 1;
            return;
        }
        let cs = if to_user { FLAT_KERNEL_CS64 } else { FLAT_KERNEL_CS64 & !3 };
        self.call(cpu, Hypercall::Iret(GuestFrame { cs, rflags: IF, ..GuestFrame::default() }), counters);
        self.toggle(cpu, to_user, counters);
    }
}

/// Xen enters the guest's kernel, and why.
fn bounced(cpu: usize, entry: Entry, domain: DomId) -> Deed {
    let name = match entry {
        Entry::Exception(_) => "page fault",
        Entry::Callback(CallbackKind::Syscall) => "system call",
        Entry::Callback(_) => "event upcall",
    };
    let deed = Deed::new(DeedKind::Crossing, name).with("domain", u64::from(domain.0));
    deed.goes(cpu as u32, Lane::Hypervisor, Lane::GuestKernel).says(
        "Xen is entered and bounces the {name} to the kernel of domain {domain}: it loads that kernel's page table, pushes a \
         frame on its stack and goes on at the handler that was registered.",
        "xen/arch/x86/pv/traps.c, x86_64/entry.S",
    )
}

impl Hardware for XenPv {
    fn costs(&self) -> &Costs {
        &self.costs
    }

    fn begin(&mut self, cpu: usize, op: PvOp, root: Option<Gpa>, counters: &mut Counters) {
        let root = root.map(|root| self.machine_frame(root.frame()));
        self.is_forking = match op {
            PvOp::PgdAlloc { .. } => true,
            PvOp::ProtectPte { .. } | PvOp::SetPte { frames: Frames::Of(_), .. } => self.is_forking,
            _ => false,
        };
        self.doing = match op {
            PvOp::SetPte { frames: Frames::Of(_), .. } => Doing::Lazy { keeps_ad: false },
            // copy_present_pte clears the right in the parent's entry in place; mprotect(2) has a transaction for it.
            PvOp::ProtectPte { .. } if self.is_forking => Doing::Direct,
            PvOp::ProtectPte { .. } => Doing::Lazy { keeps_ad: true },
            PvOp::ClearPte { .. } => Doing::Direct,
            PvOp::ExitMmap { .. } => Doing::Unpinned,
            _ => Doing::Single,
        };
        match (op, root) {
            (PvOp::ExitMmap { .. }, Some(root)) => self.exit_mmap(cpu, root, counters),
            (PvOp::SetPte { frames: Frames::Of(_), .. }, Some(root)) => {
                self.forked.insert(root);
            }
            _ => {}
        }
    }

    fn end(&mut self, cpu: usize, counters: &mut Counters) {
        self.flush_lazy(cpu, counters);
        self.doing = Doing::Single;
        self.is_flushed = false;
    }

    fn write_entry(&mut self, cpu: usize, write: EntryWrite, counters: &mut Counters) {
        let write = EntryWrite { value: self.machine_entry(write.value), ..write };
        if self.is_booting {
            let at = self.machine_frame(write.at.frame()).address().plus(write.at.offset());
            self.xen.memory.write_u64(at, write.value);
        } else {
            self.set_entry(cpu, write, counters);
        }
    }

    fn write_cr3(&mut self, cpu: usize, value: u64, counters: &mut Counters) {
        let root = self.machine_frame(Gpa(value & crate::paging::format::ADDRESS).frame());
        if self.is_booting {
            self.finish_boot(root);
        }
        if self.roots[cpu] == Some(root) {
            if !self.is_flushed {
                self.extend(cpu, MmuextOp::TlbFlushLocal, counters);
            }
            self.processors[cpu].flush(Flush::Cr4Global, counters);
            return;
        }
        // An address space that ends is flushed once more; here nobody uses it any more, and nothing is remembered of it.
        if matches!(self.doing, Doing::Unpinned) && !self.pinned.contains(&root) {
            return;
        }
        self.switch(cpu, root, counters);
    }

    fn invlpg(&mut self, cpu: usize, linear: u64, counters: &mut Counters) {
        if !self.is_flushed {
            self.extend(cpu, MmuextOp::InvlpgLocal(linear), counters);
        }
        self.processors[cpu].flush(Flush::Invlpg(linear), counters);
        counters.spend("TLB flushes", self.costs.invlpg.cycles);
    }

    fn shootdown(&mut self, from: usize, _to: usize, counters: &mut Counters) {
        // One hypercall; Xen interrupts the processors itself (`xen_flush_tlb_multi`).
        self.extend(from, MmuextOp::TlbFlushMulti(!0), counters);
        counters.ring_crossings += 2;
        counters.spend("interrupts between processors", self.costs.interprocessor_interrupt.cycles);
        self.is_flushed = true;
    }

    fn access(&mut self, cpu: usize, access: MemoryAccess, counters: &mut Counters) -> Access {
        // The kernel's own accesses happen on its own table, whatever the processor was on when it was entered.
        let root = if access.is_user { self.table_in_use(cpu) } else { self.roots[cpu] };
        let Some(root) = root else { return Access::Faulted };
        self.processors[cpu].set_cr3(root.address().0);
        let is_user = access.is_user || self.ring == KernelRing::Three;
        let access = MemoryAccess { is_user, ..access };
        match self.processors[cpu].locate(&mut self.xen.memory, &mut Flat, access, &self.costs, counters) {
            Ok(_) => Access::Done,
            Err(_) => Access::Faulted,
        }
    }

    fn syscall_entry(&mut self, cpu: usize, counters: &mut Counters) {
        counters.spend("system calls", self.costs.syscall.cycles);
        match self.ring {
            KernelRing::One => counters.ring_crossings += 1,
            KernelRing::Three => self.enter(cpu, Entry::Callback(CallbackKind::Syscall), counters),
        }
    }

    fn return_to_user(&mut self, cpu: usize, counters: &mut Counters) {
        self.iret(cpu, true, counters);
    }

    fn page_fault(&mut self, cpu: usize, counters: &mut Counters) {
        counters.trap("page_fault");
        counters.spend("page faults", self.costs.exception.cycles);
        let was_user = self.in_user[cpu];
        self.enter(cpu, Entry::Exception(PAGE_FAULT), counters);
        self.iret(cpu, was_user, counters);
    }

    fn parts(&self) -> Option<(&PhysicalMemory, &[Processor])> {
        Some((&self.xen.memory, &self.processors))
    }

    fn halt(&mut self, cpu: usize, counters: &mut Counters) {
        if self.sleeps {
            // Its processor sleeps already: nothing has come since.
            if self.xen.vcpu(self.who(cpu)).is_some_and(|v| v.is_blocked) {
                return;
            }
            let timer = VcpuOp::SetSingleshotTimer(self.xen.now + TICK, false);
            self.call(cpu, Hypercall::VcpuOp(timer, self.who(cpu).vcpu), counters);
            return self.call(cpu, Hypercall::SchedOp(SchedOp::Block), counters);
        }
        let due = self.xen.now + 1;
        let timer = VcpuOp::SetSingleshotTimer(due, false);
        self.call(cpu, Hypercall::VcpuOp(timer, cpu as u32), counters);
        self.call(cpu, Hypercall::SchedOp(SchedOp::Block), counters);
        self.xen.advance(due);
        let ports = self.xen.take_events(self.who(cpu));
        self.upcalls.extend(ports);
        self.enter(cpu, Entry::Callback(CallbackKind::Event), counters);
        self.iret(cpu, false, counters);
    }
}
