//! An emulator as hardware: nothing of the guest runs by itself.
//!
//! The guest's rings are a variable of the emulator, so no real ring is ever crossed for it. Each access to memory is a
//! look-up in a TLB that is software, one direct-mapped array as QEMU's, emptied by every load of CR3; a miss is a walk
//! done in software, too.

use kernel_model::machine::report::{Deed, DeedKind};

use super::computer::PROCESSORS;
use super::cost::Costs;
use super::counters::Counters;
use super::hardware::{Access, Hardware, MemoryAccess};
use super::kernel_tables::EntryWrite;
use super::processor::Processor;
use crate::memory::{Hpa, PhysicalMemory};
use crate::paging::tlb::Geometry;
use crate::paging::{Flat, Flush, TlbConfig};

/// QEMU's software TLB: one entry a set (`CPU_TLB_DYN_DEFAULT_BITS`), no second level of its own, no structure caches.
const SOFTWARE_TLB: TlbConfig = TlbConfig {
    instruction: Geometry { sets: 256, ways: 1 },
    data: Geometry { sets: 256, ways: 1 },
    unified: Geometry { sets: 256, ways: 1 },
    structures: 0,
};

/// A guest of an emulator.
#[derive(Clone, PartialEq, Debug)]
pub struct Emulated {
    memory: PhysicalMemory,
    processors: [Processor; PROCESSORS],
    costs: Costs,
}

impl Emulated {
    /// A guest with so many frames of memory.
    pub fn new(frames: u64, costs: Costs) -> Emulated {
        let processor = Processor::with_tlb(0, 0, false, SOFTWARE_TLB);
        // A reference of a walk costs what any look-up in software costs.
        let mut costs = costs;
        costs.walk_reference = costs.emulated_reference.clone();
        Emulated { memory: PhysicalMemory::new(frames), processors: [processor.clone(), processor], costs }
    }

    fn operation(&self, counters: &mut Counters) {
        counters.spend("emulated operations", self.costs.emulated_operation.cycles);
        counters.told.here(|| {
            Deed::new(DeedKind::Emulation, "emulated operation").costs(self.costs.emulated_operation.cycles).says(
                "The emulator does by itself what the processor would have done: no ring of the machine is crossed.",
                "Bellard, QEMU, a Fast and Portable Dynamic Translator (2005)",
            )
        });
    }
}

impl Hardware for Emulated {
    fn costs(&self) -> &Costs {
        &self.costs
    }

    fn write_entry(&mut self, _cpu: usize, write: EntryWrite, _counters: &mut Counters) {
        self.memory.write_u64(Hpa(write.at.0), write.value);
    }

    fn write_cr3(&mut self, cpu: usize, value: u64, counters: &mut Counters) {
        self.operation(counters);
        self.processors[cpu].set_cr3(value);
        self.processors[cpu].flush(Flush::Cr3, counters);
    }

    fn invlpg(&mut self, cpu: usize, linear: u64, counters: &mut Counters) {
        self.operation(counters);
        self.processors[cpu].flush(Flush::Invlpg(linear), counters);
    }

    fn shootdown(&mut self, _from: usize, _to: usize, counters: &mut Counters) {
        self.operation(counters);
    }

    fn access(&mut self, cpu: usize, access: MemoryAccess, counters: &mut Counters) -> Access {
        counters.spend("look-ups in the software TLB", self.costs.emulated_reference.cycles);
        match self.processors[cpu].locate(&mut self.memory, &mut Flat, access, &self.costs, counters) {
            Ok(_) => Access::Done,
            Err(_) => Access::Faulted,
        }
    }

    fn syscall_entry(&mut self, _cpu: usize, counters: &mut Counters) {
        self.operation(counters);
    }

    fn return_to_user(&mut self, _cpu: usize, counters: &mut Counters) {
        self.operation(counters);
    }

    fn page_fault(&mut self, _cpu: usize, counters: &mut Counters) {
        self.operation(counters);
        self.operation(counters);
    }

    fn parts(&self) -> Option<(&PhysicalMemory, &[Processor])> {
        Some((&self.memory, &self.processors))
    }

    fn halt(&mut self, _cpu: usize, counters: &mut Counters) {
        self.operation(counters);
    }
}
