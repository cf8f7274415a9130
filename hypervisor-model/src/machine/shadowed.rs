//! Processors that walk the traced shadow of a guest's tables: what VMware's two VMMs of 2006 have in common, however
//! they get control ([`super::bt`], [`super::vmware_vt`]).

use super::computer::PROCESSORS;
use super::cost::Costs;
use super::counters::Counters;
use super::hardware::MemoryAccess;
use super::kernel_tables::EntryWrite;
use super::processor::Processor;
use crate::emulation::traced_shadow::Resolved;
use crate::emulation::{GuestWindow, TracedShadow};
use crate::memory::{GuestId, Hpa, Owner, PhysicalMemory};
use crate::paging::{Attempt, Flat, Flush, PagingState, Regime};

/// Frames for shadow tables, beside those of the guest.
const FOR_TABLES: u64 = 16 << 8;

/// A guest's memory and processors below traced shadow tables.
#[derive(Clone, PartialEq, Debug)]
pub(super) struct Shadowed {
    memory: PhysicalMemory,
    /// The shadow.
    pub shadow: TracedShadow,
    /// What really translates.
    pub processors: [Processor; PROCESSORS],
    /// The guest's registers, as far as paging looks at them; CR3 is 0 until the first load of it.
    guest: [PagingState; PROCESSORS],
}

impl Shadowed {
    /// A guest with so many frames of memory, a power of two; `None` when the machine has no room for it.
    pub fn new(frames: u64) -> Option<Shadowed> {
        let mut memory = PhysicalMemory::new(frames + FOR_TABLES);
        let guest = GuestId(1);
        let first = memory.allocate_block(frames, Owner::Guest(guest))?;
        // No PCIDs and no VPIDs: what is remembered has no tags.
        let processor = Processor::new(0, 0, false);
        Some(Shadowed {
            memory,
            shadow: TracedShadow::new(GuestWindow { guest, first, frames }),
            guest: [*processor.state(); PROCESSORS],
            processors: [processor.clone(), processor],
        })
    }

    /// The guest has no address space yet: it is booting.
    pub fn is_booting(&self, cpu: usize) -> bool {
        self.guest[cpu].cr3 == 0
    }

    /// Translates an access by the shadow, as the processor does.
    pub fn translate(
        &mut self,
        cpu: usize,
        access: MemoryAccess,
        costs: &Costs,
        counters: &mut Counters,
    ) -> Option<Hpa> {
        self.processors[cpu].locate(&mut self.memory, &mut Flat, access, costs, counters).ok()
    }

    /// What the VMM does about an access that the shadow refused; `None` where it cannot do anything.
    pub fn resolve(&mut self, cpu: usize, access: MemoryAccess, counters: &mut Counters) -> Option<Resolved> {
        let attempt = Attempt { kind: access.kind, is_user: access.is_user, is_implicit: false };
        let regime = Regime::new(&self.guest[cpu]);
        let resolved = self.shadow.resolve(&mut self.memory, &regime, access.linear, attempt);
        self.forget(counters);
        resolved
    }

    /// Makes a store of the guest's to one of its tables.
    pub fn store(&mut self, write: EntryWrite) {
        self.shadow.store(&mut self.memory, write.at, write.value);
    }

    /// The guest loads CR3: the processor gets the shadow of the tables that it names.
    pub fn load(&mut self, cpu: usize, cr3: u64, costs: &Costs, counters: &mut Counters) {
        self.guest[cpu].cr3 = cr3;
        if let Some(root) = self.shadow.root(&mut self.memory, cr3) {
            self.processors[cpu].write_cr3(root.0, costs, counters);
        }
        self.forget(counters);
    }

    /// Every processor forgets what has been taken out of the shadow, and has a root again if that went, too.
    fn forget(&mut self, counters: &mut Counters) {
        for page in self.shadow.take_stale() {
            for cpu in 0..PROCESSORS {
                match page {
                    Some(page) => self.processors[cpu].flush(Flush::Invlpg(page << 12), counters),
                    None => {
                        self.processors[cpu].flush(Flush::Cr4Global, counters);
                        if !self.is_booting(cpu)
                            && let Some(root) = self.shadow.root(&mut self.memory, self.guest[cpu].cr3)
                        {
                            self.processors[cpu].set_cr3(root.0);
                        }
                    }
                }
            }
        }
    }

    /// The machine's memory and its processors, for eyes.
    pub fn parts(&self) -> (&PhysicalMemory, &[Processor]) {
        (&self.memory, &self.processors)
    }

    /// What must always hold.
    #[cfg(test)]
    pub fn check(&self) -> Result<(), String> {
        self.shadow.check(&self.memory)
    }
}
