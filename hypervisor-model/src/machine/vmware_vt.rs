//! A guest of VMware's VMM for the first processors with VT-x as hardware: the "hardware VMM" of Adams and Agesen,
//! "A Comparison of Software and Hardware Techniques for x86 Virtualization", ASPLOS 2006, 4.
//!
//! There is neither EPT nor a VPID. The guest's kernel runs itself, in ring 0 of non-root operation, and its system calls,
//! calls and divisions by zero are its own. Its tables are shadowed and traced, by the same code as under binary translation
//! ([`super::bt`]); but no instruction can be translated anew here, so each store to a traced page exits, and so does every
//! page fault. Each passage drops what the processor remembers, and both sides walk tables again afterwards.

use super::cost::Costs;
use super::counters::Counters;
use super::hardware::{Access, Hardware, MemoryAccess};
use super::kernel_tables::{DIRECT_MAP, EntryWrite};
use super::microbenchmark::Instructions;
use super::processor::Processor;
use super::shadowed::Shadowed;
use crate::cpu::AccessKind;
use crate::emulation::traced_shadow::Resolved;
use crate::memory::PhysicalMemory;
use crate::paging::Flush;
use crate::vmx::exit_reason::ExitReason;
use kernel_model::machine::report::{Deed, DeedKind, Lane};

/// How often an access is tried before it is given up.
const ATTEMPTS: usize = 4;
/// Pages of its own that the VMM touches between an exit and the next entry: code, stack, data, VMCS, and the guest's
/// tables. Assumed.
const PAGES_OF_VMM: u64 = 12;
/// References of a walk through the VMM's own tables.
const LEVELS: u64 = 4;

/// Accesses to the VMCS that the VMM makes for an exit.
#[derive(Clone, Copy)]
struct VmcsAccesses {
    reads: u64,
    writes: u64,
}

/// Reason, RIP, length of the instruction, RFLAGS, CS, and the event under delivery; RIP and interruptibility.
const INSTRUCTION: VmcsAccesses = VmcsAccesses { reads: 6, writes: 2 };
/// The same without the length, and qualification, information on the event with its error code, CR0, CR3 and CR4.
const FAULT: VmcsAccesses = VmcsAccesses { reads: 10, writes: 0 };
/// A fault that the guest is given: the event with its error code and length.
const INJECTION: VmcsAccesses = VmcsAccesses { reads: 10, writes: 3 };
/// A store that is made for the guest: as any instruction, beside what a fault says.
const STORE: VmcsAccesses = VmcsAccesses { reads: 12, writes: 2 };
/// A load of CR3: as any instruction, with the qualification, and the register.
const LOAD: VmcsAccesses = VmcsAccesses { reads: 7, writes: 3 };

/// A guest of VMware's VMM for VT-x.
#[derive(Clone, PartialEq, Debug)]
pub struct VmwareVt {
    guest: Shadowed,
    costs: Costs,
}

impl VmwareVt {
    /// A guest with so many frames of memory, a power of two; `None` when the machine has no room for it.
    pub fn new(frames: u64, costs: Costs) -> Option<VmwareVt> {
        Some(VmwareVt { guest: Shadowed::new(frames)?, costs })
    }

    /// An exit, what every exit makes the VMM do, and the entry.
    fn exit(&mut self, cpu: usize, reason: ExitReason, vmcs: VmcsAccesses, counters: &mut Counters) {
        let costs = &self.costs.vtx;
        counters.exit(reason.linux_name(), costs.exit.cycles + costs.entry.cycles);
        counters.spend("accesses to the VMCS", vmcs.reads * costs.vmread.cycles + vmcs.writes * costs.vmwrite.cycles);
        // Out, and in again: each drops everything.
        self.guest.processors[cpu].flush(Flush::TransitionUntagged, counters);
        counters.tlb.misses += PAGES_OF_VMM;
        counters.walk_references += PAGES_OF_VMM * LEVELS;
        let cycles = PAGES_OF_VMM * LEVELS * self.costs.walk_reference.cycles;
        counters.spend("page walks", cycles);
        counters.told.tell(|cpu, _| {
            Deed::new(DeedKind::Walk, "walks of the VMM")
                .goes(cpu, Lane::Hypervisor, Lane::Hypervisor)
                .costs(cycles)
                .with("references", PAGES_OF_VMM * LEVELS)
                .says(
                    "The exit has dropped the translations of the VMM, too: {references} references to its own tables.",
                    "Intel SDM vol. 3, 28.3.3.1 Operations that Invalidate Cached Mappings",
                )
        });
        self.guest.processors[cpu].flush(Flush::TransitionUntagged, counters);
        counters.told.entry();
    }

    /// Makes an access until it has reached memory; whether it has. A store to a traced page is made by the VMM.
    fn reach(&mut self, cpu: usize, access: MemoryAccess, counters: &mut Counters) -> Access {
        for _ in 0..ATTEMPTS {
            if self.guest.translate(cpu, access, &self.costs, counters).is_some() {
                return Access::Done;
            }
            counters.spend("software MMU", self.costs.vmm.page_fault.cycles);
            let resolved = self.guest.resolve(cpu, access, counters);
            let vmcs = match resolved {
                Some(Resolved::Hidden) => FAULT,
                Some(Resolved::Traced(_) | Resolved::NoMemory(_)) => STORE,
                Some(Resolved::True(_)) | None => INJECTION,
            };
            self.exit(cpu, ExitReason::ExceptionOrNmi, vmcs, counters);
            match resolved {
                Some(Resolved::Hidden) => {}
                Some(Resolved::Traced(_)) => {
                    counters.spend("decoding of trapped instructions", self.costs.vmm.decode.cycles);
                    counters.spend("stores to traced pages", self.costs.vmm.traced_store.cycles);
                    return Access::Done;
                }
                Some(Resolved::NoMemory(_)) => return Access::Done,
                Some(Resolved::True(_)) | None => return Access::Faulted,
            }
        }
        Access::Faulted
    }
}

impl Hardware for VmwareVt {
    fn costs(&self) -> &Costs {
        &self.costs
    }

    fn write_entry(&mut self, cpu: usize, write: EntryWrite, counters: &mut Counters) {
        if !self.guest.is_booting(cpu) {
            counters.spend("stores to page tables", self.costs.instructions.store.cycles);
            let linear = DIRECT_MAP + write.at.0;
            self.reach(cpu, MemoryAccess { linear, kind: AccessKind::Write, is_user: false }, counters);
        }
        self.guest.store(write);
    }

    fn write_cr3(&mut self, cpu: usize, value: u64, counters: &mut Counters) {
        self.exit(cpu, ExitReason::CrAccess, LOAD, counters);
        counters.spend("decoding of trapped instructions", self.costs.vmm.decode.cycles);
        self.guest.load(cpu, value & !(1 << 63), &self.costs, counters);
    }

    fn invlpg(&mut self, cpu: usize, linear: u64, counters: &mut Counters) {
        self.exit(cpu, ExitReason::Invlpg, INSTRUCTION, counters);
        self.guest.processors[cpu].flush(Flush::Invlpg(linear), counters);
        counters.spend("TLB flushes", self.costs.invlpg.cycles);
    }

    fn shootdown(&mut self, from: usize, to: usize, counters: &mut Counters) {
        // A store to the page of the local APIC; at the other end an interrupt, and its injection.
        counters.told.at(from, Lane::GuestKernel);
        self.exit(from, ExitReason::ExceptionOrNmi, STORE, counters);
        counters.spend("decoding of trapped instructions", self.costs.vmm.decode.cycles);
        counters.told.at(to, Lane::GuestKernel);
        self.exit(to, ExitReason::ExternalInterrupt, INJECTION, counters);
        counters.ring_crossings += 2;
        counters.spend("interrupts between processors", self.costs.interprocessor_interrupt.cycles);
    }

    fn access(&mut self, cpu: usize, access: MemoryAccess, counters: &mut Counters) -> Access {
        self.reach(cpu, access, counters)
    }

    fn parts(&self) -> Option<(&PhysicalMemory, &[Processor])> {
        Some(self.guest.parts())
    }

    fn halt(&mut self, cpu: usize, counters: &mut Counters) {
        self.exit(cpu, ExitReason::Hlt, INSTRUCTION, counters);
    }
}

impl Instructions for VmwareVt {
    fn port_read(&mut self, cpu: usize, counters: &mut Counters) {
        self.exit(cpu, ExitReason::IoInstruction, INSTRUCTION, counters);
        counters.spend("decoding of trapped instructions", self.costs.vmm.decode.cycles);
        counters.spend("chipset model", self.costs.vmm.port_model.cycles);
    }

    fn write_cr8(&mut self, _cpu: usize, counters: &mut Counters) {
        // The TPR shadow takes it; an exit only below the threshold.
        counters.spend("instructions", self.costs.instructions.write_cr8.cycles);
    }

    fn call_and_return(&mut self, _cpu: usize, counters: &mut Counters) {
        counters.spend("instructions", self.costs.instructions.call_and_return.cycles);
    }

    fn divide_error(&mut self, _cpu: usize, counters: &mut Counters) {
        // The exception bitmap lets it through.
        counters.ring_crossings += 2;
        counters.spend("exceptions", self.costs.instructions.divide_error.cycles);
    }
}
