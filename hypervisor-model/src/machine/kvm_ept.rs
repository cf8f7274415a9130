//! A guest of KVM with EPT and VPIDs as hardware.
//!
//! The guest's kernel keeps its own page tables, and nothing that it does to them exits. What exits: the first touch
//! of each guest frame (EPT violation), HLT, and an interrupt sent to another processor, which is a write to a register
//! of the x2APIC and, at the other end, an interrupt that kicks the virtual processor out of the guest (without posted
//! interrupts).

use super::computer::PROCESSORS;
use super::cost::Costs;
use super::counters::Counters;
use super::guest_memory::GuestMemory;
use super::hardware::{Access, Hardware, MemoryAccess};
use super::kernel_tables::EntryWrite;
use super::processor::Processor;
use super::table_tree::TableTree;
use crate::cpu::AccessKind;
use crate::memory::{Gpa, Owner};
use crate::paging::ept::{R, W, X};
use crate::paging::{Ept, Flush, TranslationStop};
use crate::vmx::exit_reason::ExitReason;

/// Write-back, as the memory type of an EPT leaf.
const WRITE_BACK: u64 = 6 << 3;

/// A guest of KVM with EPT.
#[derive(Clone, PartialEq, Debug)]
pub struct KvmEpt {
    memory: GuestMemory,
    ept: Ept,
    tree: TableTree,
    processors: [Processor; PROCESSORS],
    costs: Costs,
}

impl KvmEpt {
    /// A guest with so many frames of memory; `None` when the machine has no room for its tables.
    pub fn new(frames: u64, costs: Costs) -> Option<KvmEpt> {
        let mut memory = GuestMemory::new(frames);
        let owner = Owner::NestedTable(memory.guest);
        let tree = TableTree::new(&mut memory.machine, owner, R | W | X)?;
        // Without accessed and dirty flags, as on the processor of the recordings (Haswell under Bochs).
        let ept = Ept::new(tree.root(), false);
        let processor = |vpid| Processor::new(vpid, ept.eptp, true);
        Some(KvmEpt { memory, ept, tree, processors: [processor(1), processor(2)], costs })
    }

    fn exit(&self, reason: ExitReason, counters: &mut Counters) {
        counters.exit(reason.linux_name(), self.costs.vm_exit.cycles);
    }

    /// An EPT violation: KVM finds or takes a frame and maps it (`kvm_tdp_page_fault`).
    fn map(&mut self, gpa: Gpa, counters: &mut Counters) -> Option<()> {
        self.exit(ExitReason::EptViolation, counters);
        let frame = self.memory.frame_or_new(gpa.frame())?;
        let entry = frame.address().0 | R | W | X | WRITE_BACK;
        self.tree.set(&mut self.memory.machine, gpa.0 & !0xfff, entry)
    }

    /// Makes an access until nothing of the second dimension is in its way. Whether the guest's own tables let it be.
    fn translate(&mut self, cpu: usize, access: MemoryAccess, counters: &mut Counters) -> Access {
        loop {
            let memory = &mut self.memory.machine;
            match self.processors[cpu].locate(memory, &mut self.ept, access, &self.costs, counters) {
                Ok(_) => return Access::Done,
                Err(TranslationStop::Nested(fault)) => {
                    if self.map(Gpa(fault.guest_physical), counters).is_none() {
                        return Access::Faulted;
                    }
                }
                Err(_) => return Access::Faulted,
            }
        }
    }
}

impl Hardware for KvmEpt {
    fn write_entry(&mut self, cpu: usize, write: EntryWrite, counters: &mut Counters) {
        // The kernel writes through its direct map, which lies over guest-physical memory.
        if self.memory.frame(write.at.frame()).is_none() && self.map(write.at, counters).is_none() {
            return;
        }
        if self.processors[cpu].state().cr3 != 0 {
            let linear = super::kernel_tables::DIRECT_MAP + write.at.0;
            self.translate(cpu, MemoryAccess { linear, kind: AccessKind::Write, is_user: false }, counters);
        }
        if let Some(at) = self.memory.machine_address(write.at) {
            self.memory.machine.write_u64(at, write.value);
        }
    }

    fn write_cr3(&mut self, cpu: usize, value: u64, counters: &mut Counters) {
        self.processors[cpu].write_cr3(value, &self.costs, counters);
    }

    fn invlpg(&mut self, cpu: usize, linear: u64, counters: &mut Counters) {
        self.processors[cpu].flush(Flush::Invlpg(linear), counters);
        counters.spend("TLB flushes", self.costs.invlpg.cycles);
    }

    fn shootdown(&mut self, _from: usize, _to: usize, counters: &mut Counters) {
        counters.ring_crossings += 2;
        counters.spend("interrupts between processors", self.costs.interprocessor_interrupt.cycles);
        self.exit(ExitReason::Wrmsr, counters);
        self.exit(ExitReason::ExternalInterrupt, counters);
    }

    fn access(&mut self, cpu: usize, access: MemoryAccess, counters: &mut Counters) -> Access {
        self.translate(cpu, access, counters)
    }

    fn syscall_entry(&mut self, _cpu: usize, counters: &mut Counters) {
        counters.ring_crossings += 1;
        counters.spend("system calls", self.costs.syscall.cycles / 2);
    }

    fn return_to_user(&mut self, _cpu: usize, counters: &mut Counters) {
        counters.ring_crossings += 1;
        counters.spend("system calls", self.costs.syscall.cycles - self.costs.syscall.cycles / 2);
    }

    fn page_fault(&mut self, _cpu: usize, counters: &mut Counters) {
        counters.ring_crossings += 2;
        counters.spend("page faults", self.costs.exception.cycles);
    }

    fn halt(&mut self, _cpu: usize, counters: &mut Counters) {
        self.exit(ExitReason::Hlt, counters);
    }
}
