//! What a kernel's operations become on a platform: the part in which platforms differ.

use kernel_model::pv_ops::PvOp;

use super::cost::Costs;
use super::counters::Counters;
use super::kernel_tables::EntryWrite;
use super::processor::Processor;
use super::virtual_processor::VirtualProcessor;
use crate::cpu::AccessKind;
use crate::memory::{Gpa, PhysicalMemory};

/// One access to memory, as a program or its kernel makes it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct MemoryAccess {
    /// The linear address.
    pub linear: u64,
    /// What is done there.
    pub kind: AccessKind,
    /// A program does it, not the kernel.
    pub is_user: bool,
}

/// How an access ended.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Access {
    /// It reached memory.
    Done,
    /// The kernel's own tables forbid it: a page fault that the kernel must see.
    Faulted,
}

/// What carries out a kernel's operations on a platform. Everything is counted in the [`Counters`] that come along.
pub trait Hardware {
    /// An operation of the kernel begins: what follows, up to [`Hardware::end`], is part of it. `root` is the top-level table
    /// of the address space that it is about, if there is one. Kernels that put many small requests into one are interested.
    fn begin(&mut self, _cpu: usize, _op: PvOp, _root: Option<Gpa>, _counters: &mut Counters) {}

    /// The operation is over.
    fn end(&mut self, _cpu: usize, _counters: &mut Counters) {}

    /// Writes an entry of a page table that is, or may be, in use.
    fn write_entry(&mut self, cpu: usize, write: EntryWrite, counters: &mut Counters);

    /// Loads CR3; the value has bit 63 set where what is remembered of that address space is to be kept.
    fn write_cr3(&mut self, cpu: usize, value: u64, counters: &mut Counters);

    /// INVLPG.
    fn invlpg(&mut self, cpu: usize, linear: u64, counters: &mut Counters);

    /// Interrupts another processor to make it flush (`flush_tlb_multi`): how it gets there and back.
    fn shootdown(&mut self, from: usize, to: usize, counters: &mut Counters);

    /// Translates an access.
    fn access(&mut self, cpu: usize, access: MemoryAccess, counters: &mut Counters) -> Access;

    /// What things cost on it.
    fn costs(&self) -> &Costs;

    /// Goes from ring 3 into the kernel by SYSCALL: what the processor does by itself where nobody stands between.
    fn syscall_entry(&mut self, _cpu: usize, counters: &mut Counters) {
        counters.ring_crossings += 1;
        counters.spend("system calls", self.costs().syscall.cycles / 2);
    }

    /// Goes back to ring 3.
    fn return_to_user(&mut self, _cpu: usize, counters: &mut Counters) {
        counters.ring_crossings += 1;
        let cycles = self.costs().syscall.cycles;
        counters.spend("system calls", cycles - cycles / 2);
    }

    /// Delivers a page fault to the kernel, and returns from it: two crossings.
    fn page_fault(&mut self, _cpu: usize, counters: &mut Counters) {
        counters.ring_crossings += 2;
        counters.spend("page faults", self.costs().exception.cycles);
    }

    /// The machine's memory and its processors, for eyes.
    fn parts(&self) -> Option<(&PhysicalMemory, &[Processor])> {
        None
    }

    /// The virtual processors of the guest that the kernel is, where there are control structures for them.
    fn virtual_processors(&self) -> Vec<VirtualProcessor> {
        Vec::new()
    }

    /// HLT, and the interrupt that ends it.
    fn halt(&mut self, cpu: usize, counters: &mut Counters);
}
