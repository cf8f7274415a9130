//! The bare machine as hardware: every operation does just what it says.

use super::computer::PROCESSORS;
use super::cost::Costs;
use super::counters::Counters;
use super::hardware::{Access, Hardware, MemoryAccess};
use super::kernel_tables::EntryWrite;
use super::microbenchmark::Instructions;
use super::processor::Processor;
use crate::memory::{Hpa, PhysicalMemory};
use crate::paging::{Flat, Flush};

/// The bare machine.
#[derive(Clone, PartialEq, Debug)]
pub struct Native {
    memory: PhysicalMemory,
    processors: [Processor; PROCESSORS],
    costs: Costs,
}

impl Native {
    /// A machine with so many frames of memory.
    pub fn new(frames: u64, costs: Costs) -> Native {
        let processor = Processor::new(0, 0, true);
        Native { memory: PhysicalMemory::new(frames), processors: [processor.clone(), processor], costs }
    }
}

impl Hardware for Native {
    fn costs(&self) -> &Costs {
        &self.costs
    }

    fn write_entry(&mut self, _cpu: usize, write: EntryWrite, counters: &mut Counters) {
        counters.spend("stores to page tables", self.costs.instructions.store.cycles);
        self.memory.write_u64(Hpa(write.at.0), write.value);
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
    }

    fn access(&mut self, cpu: usize, access: MemoryAccess, counters: &mut Counters) -> Access {
        match self.processors[cpu].locate(&mut self.memory, &mut Flat, access, &self.costs, counters) {
            Ok(_) => Access::Done,
            Err(_) => Access::Faulted,
        }
    }

    fn parts(&self) -> Option<(&PhysicalMemory, &[Processor])> {
        Some((&self.memory, &self.processors))
    }

    fn halt(&mut self, _cpu: usize, _counters: &mut Counters) {}
}

impl Instructions for Native {
    fn port_read(&mut self, _cpu: usize, counters: &mut Counters) {
        counters.spend("instructions", self.costs.instructions.port_read.cycles);
    }

    fn write_cr8(&mut self, _cpu: usize, counters: &mut Counters) {
        counters.spend("instructions", self.costs.instructions.write_cr8.cycles);
    }

    fn call_and_return(&mut self, _cpu: usize, counters: &mut Counters) {
        counters.spend("instructions", self.costs.instructions.call_and_return.cycles);
    }

    fn divide_error(&mut self, _cpu: usize, counters: &mut Counters) {
        counters.ring_crossings += 2;
        counters.spend("exceptions", self.costs.instructions.divide_error.cycles);
    }
}
