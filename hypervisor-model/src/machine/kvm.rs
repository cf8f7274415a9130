//! A guest of KVM as hardware, with EPT or with shadow page tables, and with VPIDs.
//!
//! With EPT the guest's kernel keeps its own page tables, and nothing that it does to them exits; the first touch of each
//! guest frame does. With shadow tables the processor walks what KVM makes from the guest's tables: loads of CR3, INVLPG,
//! every page fault, whether it is the guest's own or hidden from it, and writes to guest tables that are write-protected
//! exit. HLT exits in both, and so does an interrupt sent to another processor: a write to a register of the x2APIC and, at
//! the other end, an interrupt that kicks the virtual processor out of the guest (without posted interrupts).
//!
//! What KVM does to its tables is [`crate::kvm::mmu`]'s.

use std::collections::BTreeSet;

use kernel_model::machine::report::Lane;

use super::computer::PROCESSORS;
use super::cost::Costs;
use super::counters::Counters;
use super::hardware::{Access, Hardware, MemoryAccess};
use super::kernel_tables::{DIRECT_MAP, EntryWrite};
use super::processor::Processor;
use super::virtual_processor::{LastExit, VirtualProcessor};
use crate::cpu::sensitive::Cause;
use crate::cpu::{AccessKind, ControlRegister, Exception, General, Msr, Vector};
use crate::kvm::mmu::{Config, KvmMmu, MemoryExit, MemorySlot, Mmu, MmuEvent, Paging, Resolution, SlotId, VcpuMmu};
use crate::memory::{Gfn, Gpa, GuestId, Hfn, Owner, PAGE_SIZE, PhysicalMemory};
use crate::paging::event::References;
use crate::paging::second::{Request, SecondDimension};
use crate::paging::{Attempt, Flat, Flush, PagingState, TranslationStop};
use crate::vmx::exit_reason::ExitReason;

/// Frames for the tables that KVM makes, beside those of the guest.
const FOR_TABLES: u64 = 16 << 8;
/// The rights of an entry: one that has none is not there.
const PRESENT: u64 = 7;
/// How often an access is tried before it is given up: a hidden fault at each level, and a true one.
const ATTEMPTS: usize = 16;

/// The interrupt command register of the x2APIC (SDM 10.12.1.2).
const X2APIC_ICR: Msr = Msr(0x830);
/// By which Linux calls a function on another processor (`CALL_FUNCTION_VECTOR`).
const CALL_FUNCTION: u8 = 0xfc;
/// By which a host's kernel kicks a processor out of a guest (`RESCHEDULE_VECTOR`).
const RESCHEDULE: Vector = Vector(0xfd);

/// A guest of KVM.
#[derive(Clone, PartialEq, Debug)]
pub struct Kvm {
    memory: PhysicalMemory,
    vm: KvmMmu,
    vcpus: [VcpuMmu; PROCESSORS],
    processors: [Processor; PROCESSORS],
    costs: Costs,
    /// Guest frames that got an entry in KVM's tables and were not asked for.
    mapped: Vec<Gfn>,
    /// CR3 of each processor at its last entry, and its last exit.
    transitions: [(u64, Option<LastExit>); PROCESSORS],
}

/// What became of an access of the guest.
enum Reached {
    /// Memory, at this address of the machine.
    Memory(crate::memory::Hpa),
    /// KVM is to emulate the instruction.
    Emulated,
    /// The guest's own tables forbid it.
    Faulted,
}

impl Kvm {
    /// A guest with so many frames of memory, a power of two; `None` when the machine has no room for it.
    pub fn new(frames: u64, paging: Paging, costs: Costs) -> Option<Kvm> {
        Kvm::with_pages(frames, paging, 1, costs)
    }

    /// The same with memory that the host maps in pages of this level: 1 is 4 KiB, 2 is 2 MiB.
    pub fn with_pages(frames: u64, paging: Paging, host_level: u8, costs: Costs) -> Option<Kvm> {
        let mut memory = PhysicalMemory::new(frames + FOR_TABLES);
        let guest = GuestId(1);
        let first = memory.allocate_block(frames, Owner::Guest(guest))?;
        let mut vm = KvmMmu::new(Config::new(guest, paging));
        let behind = (first.0..first.0 + frames).map(Hfn).collect();
        let slot = MemorySlot { host_level, ..MemorySlot::new(SlotId(0), Gfn(0), behind) };
        vm.set_slot(&mut memory, slot).ok()?;
        // The guest's PCIDs are in the tags only where the processor runs on the guest's own CR3.
        let processor = |vpid| Processor::new(vpid, 0, vm.config.is_tdp());
        let processors = [processor(1), processor(2)];
        let vcpus = [VcpuMmu::new(), VcpuMmu::new()];
        let transitions = [(0, None); PROCESSORS];
        Some(Kvm { memory, vm, vcpus, processors, costs, mapped: Vec::new(), transitions })
    }

    /// Guest frames that got an entry in KVM's tables since this was asked last.
    pub fn take_mapped(&mut self) -> Vec<Gfn> {
        self.tell_tables(&mut Counters::default());
        std::mem::take(&mut self.mapped)
    }

    /// Begins or ceases to log the frames that the guest writes.
    pub fn log_writes(&mut self, is_on: bool) {
        if is_on {
            self.vm.enable_dirty_log(&mut self.memory, SlotId(0));
        } else {
            self.vm.disable_dirty_log(SlotId(0));
        }
    }

    /// The frames that the guest has written since this was asked last.
    pub fn take_written(&mut self) -> BTreeSet<Gfn> {
        self.vm.read_dirty_log(&mut self.memory, SlotId(0))
    }

    /// The guest goes on in another virtual machine: there are no tables for it there yet.
    pub fn forget_tables(&mut self) {
        self.vm.disable_dirty_log(SlotId(0));
        self.vm.zap_all(&mut self.memory);
        self.tell_tables(&mut Counters::default());
        self.mapped.clear();
    }

    /// What KVM did to its tables is told.
    fn tell_tables(&mut self, counters: &mut Counters) {
        let is_tdp = self.vm.config.is_tdp();
        for event in self.vm.take_events() {
            if let MmuEvent::SetSpte { gfn, level, old, new, .. } = event
                && old & PRESENT == 0
                && new & PRESENT != 0
            {
                let frames = 1 << (9 * (u64::from(level) - 1));
                let first = gfn.0 & !(frames - 1);
                self.mapped.extend((first..first + frames).map(Gfn));
            }
            counters.told.mmu(event, is_tdp);
        }
    }

    /// Maps all of the guest's memory in the second dimension, as hypervisors do that give it when the guest is built.
    pub fn populate(&mut self, frames: u64) {
        // A processor after reset: without registers it would not know which tables are its own.
        self.mmu(0).set_registers(PagingState::default());
        let mut at = Gpa(0);
        let mut is_second_try = false;
        while at.0 < frames * PAGE_SIZE {
            if self.mmu(0).enter().is_err() {
                return;
            }
            let Some(mut ept) = self.mmu(0).ept() else { return };
            let request = Request { gpa: at, linear: None, kind: AccessKind::Write, is_final: true };
            match ept.translate(&mut self.memory, request, &mut References::default()) {
                Ok(backing) => (at, is_second_try) = (at.plus(1 << backing.shift), false),
                Err(TranslationStop::Nested(fault)) if !is_second_try => {
                    self.mmu(0).handle(MemoryExit::Nested(fault));
                    is_second_try = true;
                }
                Err(_) => return,
            }
        }
    }

    fn virtual_processor(&self, cpu: usize) -> VirtualProcessor {
        let (entered_cr3, exit) = self.transitions[cpu];
        VirtualProcessor {
            guest: self.vcpus[cpu].guest,
            entered_cr3,
            nested_root: self.vcpus[cpu].root.filter(|_| self.vm.config.is_tdp()).map(|root| root.hpa),
            vpid: self.processors[cpu].vpid(),
            exit,
        }
    }

    fn mmu(&mut self, cpu: usize) -> Mmu<'_> {
        Mmu { memory: &mut self.memory, vm: &mut self.vm, vcpu: &mut self.vcpus[cpu] }
    }

    fn exit(&mut self, cpu: usize, cause: Cause, counters: &mut Counters) {
        let is_user = counters.told.lane() == Lane::GuestUser;
        self.exited(cpu, cause, is_user);
        let reason = ExitReason::reported(&cause);
        counters.exit(reason.linux_name(), self.costs.vm_exit.cycles);
    }

    /// A processor of the guest has exited, for the control structure; whoever says so counts it.
    pub fn exited(&mut self, cpu: usize, cause: Cause, is_user: bool) {
        let cr3 = self.processors[cpu].state().cr3;
        self.transitions[cpu].1 = Some(LastExit { cause, is_user, cr3 });
    }

    /// KVM is done with an exit: what it did to its tables is told, and the guest goes on.
    fn resume(&mut self, cpu: usize, counters: &mut Counters) {
        self.tell_tables(counters);
        self.entered(cpu);
        counters.told.entry();
    }

    /// A processor of the guest has been entered.
    pub fn entered(&mut self, cpu: usize) {
        self.transitions[cpu].0 = self.processors[cpu].state().cr3;
    }

    /// VM entry: the root in CR3, and what has to be forgotten. Whether the guest can run at all.
    fn enter(&mut self, cpu: usize, counters: &mut Counters) -> bool {
        let Ok(entered) = self.mmu(cpu).enter() else { return false };
        let flush = if let Some(ept) = self.mmu(cpu).ept() {
            self.processors[cpu].set_ept(ept.eptp);
            Flush::InveptContext(ept.eptp)
        } else {
            if let Some(state) = self.mmu(cpu).shadow_state() {
                self.processors[cpu].set_state(state);
            }
            Flush::InvvpidContext(self.processors[cpu].vpid())
        };
        if entered.flush {
            self.processors[cpu].flush(flush, counters);
        }
        true
    }

    /// Makes an access of the guest until it has reached memory, must be emulated, or is refused by the guest's tables.
    fn reach(&mut self, cpu: usize, access: MemoryAccess, counters: &mut Counters) -> Reached {
        let attempt = Attempt { kind: access.kind, is_user: access.is_user, is_implicit: false };
        for _ in 0..ATTEMPTS {
            if !self.enter(cpu, counters) {
                return Reached::Faulted;
            }
            let ept = self.mmu(cpu).ept();
            let (processor, memory) = (&mut self.processors[cpu], &mut self.memory);
            let located = match ept {
                Some(mut ept) => processor.locate(memory, &mut ept, access, &self.costs, counters),
                None => processor.locate(memory, &mut Flat, access, &self.costs, counters),
            };
            let (cause, exit) = match located {
                Ok(hpa) => return Reached::Memory(hpa),
                // Under EPT a page fault is the guest's own, and no exit.
                Err(TranslationStop::PageFault(fault)) if ept.is_none() => {
                    let exception = Exception::page_fault(fault.code, fault.linear);
                    (Cause::Exception(exception), MemoryExit::PageFault { fault, attempt })
                }
                Err(TranslationStop::Nested(fault)) => (Cause::NestedFault(fault), MemoryExit::Nested(fault)),
                Err(_) => return Reached::Faulted,
            };
            self.exit(cpu, cause, counters);
            let resolution = self.mmu(cpu).handle(exit);
            self.resume(cpu, counters);
            match resolution {
                Resolution::Resume => {}
                Resolution::Inject(_) => return Reached::Faulted,
                Resolution::Emulate { .. } => return Reached::Emulated,
            }
        }
        Reached::Faulted
    }
}

impl Hardware for Kvm {
    fn costs(&self) -> &Costs {
        &self.costs
    }

    fn write_entry(&mut self, cpu: usize, write: EntryWrite, counters: &mut Counters) {
        if self.vcpus[cpu].guest.cr3 == 0 {
            // Booting: there is no address space yet.
            self.mmu(cpu).write_guest(write.at, 8, write.value);
            return;
        }
        // The kernel writes through its direct map, which lies over guest-physical memory.
        let linear = DIRECT_MAP + write.at.0;
        let access = MemoryAccess { linear, kind: AccessKind::Write, is_user: false };
        match self.reach(cpu, access, counters) {
            Reached::Memory(hpa) => {
                counters.spend("stores to page tables", self.costs.instructions.store.cycles);
                self.memory.write_u64(hpa, write.value);
            }
            Reached::Emulated | Reached::Faulted => {
                // A guest's table is written by KVM, which takes its shadow along.
                self.mmu(cpu).write_guest(write.at, 8, write.value);
                self.tell_tables(counters);
            }
        }
    }

    fn write_cr3(&mut self, cpu: usize, value: u64, counters: &mut Counters) {
        let is_tdp = self.vm.config.is_tdp();
        if is_tdp {
            self.processors[cpu].write_cr3(value, &self.costs, counters);
        } else {
            let cause = Cause::MovToCr { cr: ControlRegister::Cr3, value, register: General::Rax };
            self.exit(cpu, cause, counters);
        }
        if self.vcpus[cpu].guest.cr3 == 0 {
            let mut state = *Processor::new(0, 0, true).state();
            state.cr3 = value & !(1 << 63);
            self.mmu(cpu).set_registers(state);
        } else if is_tdp {
            let state = *self.processors[cpu].state();
            self.mmu(cpu).observe(state);
        } else {
            self.mmu(cpu).set_cr3(value);
        }
        self.enter(cpu, counters);
        if !is_tdp {
            self.resume(cpu, counters);
        }
    }

    fn invlpg(&mut self, cpu: usize, linear: u64, counters: &mut Counters) {
        if self.vm.config.is_tdp() {
            self.processors[cpu].flush(Flush::Invlpg(linear), counters);
            counters.spend("TLB flushes", self.costs.invlpg.cycles);
            return;
        }
        self.exit(cpu, Cause::Invlpg { address: linear }, counters);
        self.mmu(cpu).invlpg(linear);
        let vpid = self.processors[cpu].vpid();
        self.processors[cpu].flush(Flush::InvvpidAddress(vpid, linear), counters);
        self.resume(cpu, counters);
    }

    fn shootdown(&mut self, from: usize, to: usize, counters: &mut Counters) {
        counters.ring_crossings += 2;
        counters.spend("interrupts between processors", self.costs.interprocessor_interrupt.cycles);
        counters.told.at(from, Lane::GuestKernel);
        let message = (to as u64) << 32 | u64::from(CALL_FUNCTION);
        self.exit(from, Cause::WrMsr { msr: X2APIC_ICR, value: message }, counters);
        self.resume(from, counters);
        counters.told.at(to, Lane::GuestKernel);
        self.exit(to, Cause::ExternalInterrupt { vector: RESCHEDULE }, counters);
        self.resume(to, counters);
    }

    fn access(&mut self, cpu: usize, access: MemoryAccess, counters: &mut Counters) -> Access {
        match self.reach(cpu, access, counters) {
            Reached::Memory(_) | Reached::Emulated => Access::Done,
            Reached::Faulted => Access::Faulted,
        }
    }

    fn parts(&self) -> Option<(&PhysicalMemory, &[Processor])> {
        Some((&self.memory, &self.processors))
    }

    fn halt(&mut self, cpu: usize, counters: &mut Counters) {
        self.exit(cpu, Cause::Hlt, counters);
        self.resume(cpu, counters);
    }

    fn virtual_processors(&self) -> Vec<VirtualProcessor> {
        (0..PROCESSORS).map(|cpu| self.virtual_processor(cpu)).collect()
    }
}
