//! A guest under binary translation as hardware, in VMware's manner.
//!
//! The guest's programs run directly in ring 3. Its kernel runs in ring 1, and never itself: what runs are translations of
//! its code ([`KernelText`]), with the VMM out of reach at the top of every address space behind truncated segments. The
//! processor's own tables for faults and system calls are the VMM's, so each of them enters the VMM in ring 0 first, and
//! goes on in translated code from there; the way back is a call of the VMM out of translated code. Rings are crossed
//! four times where a kernel on the bare machine crosses twice.
//!
//! Tables are shadowed, and traced. A store to one traps until the VMM has noticed which instruction does that, and is a
//! call from then on. The guest's processor has no PCIDs.
//!
//! Truncated segments do not exist in 64-bit mode on Intel's processors of that time, so VMware ran 64-bit guests there by
//! VT-x ([`super::vmware_vt`]); our kernel's tables have four levels nevertheless, on all platforms alike.

use super::cost::Costs;
use super::counters::Counters;
use super::hardware::{Access, Hardware, MemoryAccess};
use super::kernel_tables::{DIRECT_MAP, EntryWrite};
use super::microbenchmark::Instructions;
use super::processor::Processor;
use super::shadowed::Shadowed;
use crate::cpu::AccessKind;
use crate::emulation::binary_translation::Counts;
use crate::emulation::traced_shadow::Resolved;
use crate::emulation::{KernelText, Routine};
use crate::memory::PhysicalMemory;
use crate::paging::Flush;
use kernel_model::machine::report::{Deed, DeedKind};

/// How often an access is tried before it is given up: a hidden fault, a root that went, and once more.
const ATTEMPTS: usize = 4;

/// A guest under binary translation.
#[derive(Clone, PartialEq, Debug)]
pub struct Bt {
    guest: Shadowed,
    text: KernelText,
    costs: Costs,
}

/// Tells of something that the VMM did.
fn tell(counters: &mut Counters, name: &'static str, cycles: u64, sentence: &'static str) {
    counters.told.here(|| {
        let source =
            "Adams and Agesen, A Comparison of Software and Hardware Techniques for x86 Virtualization (2006), 3";
        Deed::new(DeedKind::Emulation, name).costs(cycles).says(sentence, source)
    });
}

/// What became of an access.
enum Reached {
    Memory,
    Traced,
    Faulted,
}

impl Bt {
    /// A guest with so many frames of memory, a power of two; `None` when the machine has no room for it.
    pub fn new(frames: u64, costs: Costs) -> Option<Bt> {
        Some(Bt { guest: Shadowed::new(frames)?, text: KernelText::new(), costs })
    }

    /// Runs a routine of the guest's kernel and counts what it made the VMM do.
    fn run(&mut self, routine: Routine, argument: u64, is_traced: bool, counters: &mut Counters) -> Counts {
        let done = self.text.run(routine, (argument, 0), is_traced);
        let costs = &self.costs.vmm;
        counters.spend("translation", done.translations * costs.translation.cycles);
        counters.spend("inline sequences", done.inline * costs.inline.cycles);
        counters.spend("look-ups of jump targets", done.indirect * costs.hash_lookup.cycles);
        counters.spend("calls of the VMM", done.callouts * costs.callout.cycles);
        // Into ring 0 and back.
        counters.ring_crossings += 2 * done.callouts;
        if done.translations > 0 {
            tell(
                counters,
                "translation of a unit",
                costs.translation.cycles,
                "The VMM reads code of the guest's kernel for the first time, and writes what will run instead.",
            );
        }
        if done.callouts > 0 {
            tell(
                counters,
                "call of the VMM",
                costs.callout.cycles,
                "Translated code calls the VMM for an instruction that needs privilege.",
            );
        }
        done
    }

    /// From a program into translated code, or back: by way of the VMM.
    fn switch(&self, counters: &mut Counters) {
        counters.ring_crossings += 2;
        let cycles = self.costs.vmm.switch.cycles;
        counters.spend("switches to and from translated code", cycles);
        tell(
            counters,
            "switch to or from translated code",
            cycles,
            "Programs run directly, the kernel as translated code: the VMM stands between them.",
        );
    }

    fn reach(&mut self, cpu: usize, access: MemoryAccess, counters: &mut Counters) -> Reached {
        for _ in 0..ATTEMPTS {
            if self.guest.translate(cpu, access, &self.costs, counters).is_some() {
                return Reached::Memory;
            }
            counters.spend("software MMU", self.costs.vmm.page_fault.cycles);
            match self.guest.resolve(cpu, access, counters) {
                Some(Resolved::Hidden) => {
                    counters.ring_crossings += 2;
                    counters.spend("hidden page faults", self.costs.exception.cycles);
                }
                Some(Resolved::Traced(_)) => return Reached::Traced,
                Some(Resolved::NoMemory(_)) => return Reached::Memory,
                Some(Resolved::True(_)) | None => return Reached::Faulted,
            }
        }
        Reached::Faulted
    }
}

impl Hardware for Bt {
    fn costs(&self) -> &Costs {
        &self.costs
    }

    fn write_entry(&mut self, cpu: usize, write: EntryWrite, counters: &mut Counters) {
        if self.guest.is_booting(cpu) {
            self.guest.store(write);
            return;
        }
        let routine = match write.level {
            1 => Routine::SetPte,
            2 => Routine::SetPmd,
            3 => Routine::SetPud,
            _ => Routine::SetP4d,
        };
        let linear = DIRECT_MAP + write.at.0;
        let is_traced = self.guest.shadow.is_traced(write.at.frame());
        let done = self.run(routine, linear, is_traced, counters);
        if done.adapted_stores > 0 {
            let cycles = self.costs.vmm.traced_store.cycles;
            counters.spend("stores to traced pages", cycles);
            tell(
                counters,
                "store to a traced page",
                cycles,
                "An instruction that used to trap has been translated anew: it makes its store and mends the shadow.",
            );
        } else {
            counters.spend("stores to page tables", self.costs.instructions.store.cycles);
            let access = MemoryAccess { linear, kind: AccessKind::Write, is_user: false };
            if let Reached::Traced = self.reach(cpu, access, counters) {
                counters.ring_crossings += 2;
                counters.spend("traps of stores to traced pages", self.costs.exception.cycles);
                counters.spend("decoding of trapped instructions", self.costs.vmm.decode.cycles);
                counters.spend("stores to traced pages", self.costs.vmm.traced_store.cycles);
                tell(
                    counters,
                    "trap of a store to a traced page",
                    self.costs.exception.cycles + self.costs.vmm.decode.cycles + self.costs.vmm.traced_store.cycles,
                    "The guest's tables have a shadow, so they are write-protected: the VMM makes the store and mends it.",
                );
            }
        }
        self.guest.store(write);
    }

    fn write_cr3(&mut self, cpu: usize, value: u64, counters: &mut Counters) {
        self.run(Routine::WriteCr3, value & !(1 << 63), false, counters);
        self.guest.load(cpu, value & !(1 << 63), &self.costs, counters);
    }

    fn invlpg(&mut self, cpu: usize, linear: u64, counters: &mut Counters) {
        self.run(Routine::FlushOne, linear, false, counters);
        self.guest.processors[cpu].flush(Flush::Invlpg(linear), counters);
        counters.spend("TLB flushes", self.costs.invlpg.cycles);
    }

    fn shootdown(&mut self, _from: usize, _to: usize, counters: &mut Counters) {
        // A store to the local APIC, which is the VMM's; at the other end an interrupt enters the VMM, and translated code.
        counters.spend("calls of the VMM", self.costs.vmm.callout.cycles);
        counters.ring_crossings += 2;
        self.switch(counters);
        self.switch(counters);
        counters.spend("interrupts between processors", self.costs.interprocessor_interrupt.cycles);
    }

    fn access(&mut self, cpu: usize, access: MemoryAccess, counters: &mut Counters) -> Access {
        match self.reach(cpu, access, counters) {
            Reached::Memory | Reached::Traced => Access::Done,
            Reached::Faulted => Access::Faulted,
        }
    }

    fn syscall_entry(&mut self, _cpu: usize, counters: &mut Counters) {
        counters.spend("system calls", self.costs.syscall.cycles / 2);
        self.switch(counters);
        self.text.run(Routine::SyscallEntry, (0, 0), false);
    }

    fn return_to_user(&mut self, _cpu: usize, counters: &mut Counters) {
        counters.spend("system calls", self.costs.syscall.cycles - self.costs.syscall.cycles / 2);
        self.switch(counters);
        self.text.run(Routine::SyscallReturn, (0, 0), false);
    }

    fn page_fault(&mut self, _cpu: usize, counters: &mut Counters) {
        counters.spend("page faults", self.costs.exception.cycles);
        self.switch(counters);
        self.text.run(Routine::FaultEntry, (0, 0), false);
        self.switch(counters);
    }

    fn parts(&self) -> Option<(&PhysicalMemory, &[Processor])> {
        Some(self.guest.parts())
    }

    fn halt(&mut self, _cpu: usize, counters: &mut Counters) {
        self.run(Routine::SafeHalt, 0, false, counters);
    }
}

impl Instructions for Bt {
    fn port_read(&mut self, _cpu: usize, counters: &mut Counters) {
        // The translation asks the chipset model, which is in the VMM, without leaving ring 1.
        self.text.run(Routine::PortRead, (0, 0), false);
        counters.spend("chipset model", self.costs.vmm.port_model.cycles);
    }

    fn write_cr8(&mut self, _cpu: usize, counters: &mut Counters) {
        self.run(Routine::WriteCr8, 8, false, counters);
    }

    fn call_and_return(&mut self, _cpu: usize, counters: &mut Counters) {
        counters.spend("instructions", self.costs.instructions.call_and_return.cycles);
        self.run(Routine::Call, 0, false, counters);
    }

    fn divide_error(&mut self, _cpu: usize, counters: &mut Counters) {
        counters.spend("exceptions", self.costs.instructions.divide_error.cycles);
        self.switch(counters);
        self.text.run(Routine::FaultEntry, (0, 0), false);
        self.switch(counters);
    }
}

#[cfg(test)]
mod tests {
    use super::super::computer::Computer;
    use super::*;
    use kernel_model::mm::MmId;
    use kernel_model::pv_ops::{Frames, PageRange, PvOp, PvOps};

    fn computer() -> Computer<Bt> {
        let costs = Costs::preset("p4-2006").expect("the preset can be read");
        Computer::new(Bt::new(1 << 16, costs).expect("there is room"), 1 << 16, false)
    }

    fn range(first: u64, pages: u64) -> PageRange {
        PageRange { mm: MmId(1), first, pages }
    }

    fn map(machine: &mut Computer<Bt>, at: PageRange, write: bool) {
        machine.execute(0, PvOp::PageFault { at, write, present: false });
        machine.execute(0, PvOp::SetPte { at, write, frames: Frames::New });
    }

    #[test]
    fn a_system_call_crosses_rings_four_times() {
        let mut machine = computer();
        machine.execute(0, PvOp::WriteCr3 { mm: MmId(1) });
        for _ in 0..2 {
            machine.execute(0, PvOp::SyscallEntry);
            machine.execute(0, PvOp::ReturnToUser);
        }
        let before = machine.counters.clone();
        machine.execute(0, PvOp::SyscallEntry);
        machine.execute(0, PvOp::ReturnToUser);
        let spent = machine.counters.since(&before);
        assert_eq!((spent.ring_crossings, spent.total_cycles()), (4, 242 + 2000));
    }

    #[test]
    fn stores_to_page_tables_trap_at_first_and_are_calls_later() {
        let mut machine = computer();
        machine.execute(0, PvOp::WriteCr3 { mm: MmId(1) });
        map(&mut machine, range(16, 1), true);
        let traps = |machine: &Computer<Bt>| {
            machine.counters.cycles.get("traps of stores to traced pages").copied().unwrap_or(0)
        };
        for page in 17..40 {
            map(&mut machine, range(page, 1), true);
        }
        let early = traps(&machine);
        assert!(early > 0);
        for page in 40..60 {
            map(&mut machine, range(page, 1), true);
        }
        assert_eq!(traps(&machine), early, "by now the VMM knows the instruction");
        machine.hardware.guest.check().expect("the shadow is right");
    }

    #[test]
    fn the_shadow_is_right_after_fork_like_changes() {
        let mut machine = computer();
        machine.execute(0, PvOp::WriteCr3 { mm: MmId(1) });
        map(&mut machine, range(16, 8), true);
        let child = PageRange { mm: MmId(2), first: 16, pages: 8 };
        machine.execute(0, PvOp::PgdAlloc { mm: MmId(2) });
        machine.execute(0, PvOp::ProtectPte { at: range(16, 8) });
        machine.execute(0, PvOp::SetPte { at: child, write: false, frames: Frames::Of(MmId(1)) });
        machine.execute(0, PvOp::FlushTlb { at: range(16, 8) });
        machine.hardware.guest.check().expect("the shadow is right");
        machine.execute(1, PvOp::WriteCr3 { mm: MmId(2) });
        machine.touch(1, child, false);
        machine.execute(1, PvOp::ExitMmap { mm: MmId(2) });
        machine.execute(0, PvOp::SyscallEntry);
        machine.execute(0, PvOp::ReturnToUser);
        machine.hardware.guest.check().expect("the shadow is right");
    }
}
