//! The parts of a guest kernel's code that a VMM in software cares about: where it changes page tables, loads CR3,
//! flushes, halts, comes from user mode and goes back. The names are Linux's (`arch/x86`); the code is reduced to the
//! instructions that are sensitive and to those around them that move data. What a native kernel's `pv_ops` are patched
//! to is one instruction where the call was, without a return.
//!
//! A [`KernelText`] runs such a routine on a guest's virtual processor under [`BinaryTranslation`]; what the routine
//! stores goes to whoever asked for it, so that this code knows nothing of memory.

use super::GuestCode;
use super::binary_translation::{BinaryTranslation, Counts, End};
use crate::cpu::bus::{Access, Bus, Flush};
use crate::cpu::instruction::parse::parse;
use crate::cpu::sensitive::Stop;
use crate::cpu::{Activity, Cpu, General, Mode, Vendor};
use crate::machine::console::standard_processor::standard_processor;
use crate::memory::PAGE_SIZE;

/// A routine of the guest's kernel.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Routine {
    /// `native_set_pte`: an entry of the last level.
    SetPte,
    /// `native_set_pmd`.
    SetPmd,
    /// `native_set_pud`.
    SetPud,
    /// `native_set_p4d`.
    SetP4d,
    /// `native_write_cr3`.
    WriteCr3,
    /// `native_flush_tlb_one_user`.
    FlushOne,
    /// `entry_SYSCALL_64`, up to the call of `do_syscall_64`.
    SyscallEntry,
    /// The way back from there.
    SyscallReturn,
    /// `asm_exc_page_fault`, up to the call of the handler.
    FaultEntry,
    /// `native_safe_halt`.
    SafeHalt,
    /// A write of CR8 (`native_write_cr8`).
    WriteCr8,
    /// A read of a port (`inb`).
    PortRead,
    /// A call of a routine that does nothing.
    Call,
}

/// The routines with their code. The first instruction of each has a page of its own.
const TEXT: [(Routine, &str); 13] = [
    (Routine::SetPte, "mov [rdi], rsi"),
    (Routine::SetPmd, "mov [rdi], rsi"),
    (Routine::SetPud, "mov [rdi], rsi"),
    (Routine::SetP4d, "mov [rdi], rsi"),
    (Routine::WriteCr3, "mov cr3, rdi"),
    (Routine::FlushOne, "invlpg [rdi]"),
    (Routine::SyscallEntry, "swapgs; push r11; push rcx; push rax; call rax"),
    (Routine::SyscallReturn, "cli; pop rax; pop rcx; pop r11; swapgs"),
    (Routine::FaultEntry, "push rax; push rcx; push rdx; call rax"),
    (Routine::SafeHalt, "sti; hlt"),
    (Routine::WriteCr8, "mov cr8, rdi"),
    (Routine::PortRead, "mov rdx, 0x80; in al, dx"),
    (Routine::Call, "nop; ret"),
];

/// Where the text begins: Linux's `_stext` without randomisation.
const BASE: u64 = 0xffff_ffff_8100_0000;
/// How far apart routines are.
const STRIDE: u64 = PAGE_SIZE;
/// Instructions of the longest routine, and more.
const BUDGET: usize = 16;

/// A guest's kernel text under binary translation.
#[derive(Clone, PartialEq, Debug)]
pub struct KernelText {
    vmm: BinaryTranslation,
}

/// Takes stores and gives nothing: the routines' memory is their caller's business.
struct Elsewhere;

impl Bus for Elsewhere {
    fn read(&mut self, _cpu: &Cpu, _access: Access) -> Result<u64, Stop> {
        Ok(0)
    }

    fn write(&mut self, _cpu: &Cpu, _access: Access, _value: u64) -> Result<(), Stop> {
        Ok(())
    }

    fn port_in(&mut self, _cpu: &Cpu, _port: u16, _size: u8) -> u32 {
        0xff
    }

    fn port_out(&mut self, _cpu: &Cpu, _port: u16, _size: u8, _value: u32) {}

    fn flush(&mut self, _cpu: &Cpu, _flush: Flush) {}
}

impl Default for KernelText {
    fn default() -> Self {
        KernelText::new()
    }
}

impl KernelText {
    /// The text, of which nothing has been translated yet.
    #[must_use]
    pub fn new() -> KernelText {
        let (cpu, _) = standard_processor(Vendor::Intel, Mode::Long, 0);
        let mut code = GuestCode::default();
        for (at, (_, text)) in TEXT.iter().enumerate() {
            // The text is ours; a test reads all of it.
            code.add(&parse(text).unwrap_or_default(), BASE + STRIDE * at as u64);
        }
        KernelText { vmm: BinaryTranslation::new(cpu, code) }
    }

    /// Runs a routine with two arguments, and gives what that made the VMM do. `is_traced`: whether the page at the first
    /// argument is traced, for routines that store there.
    pub fn run(&mut self, routine: Routine, (first, second): (u64, u64), is_traced: bool) -> Counts {
        let before = self.vmm.counts;
        let page = first / PAGE_SIZE;
        if is_traced {
            self.vmm.traced.insert(page);
        }
        let at = TEXT.iter().position(|(known, _)| *known == routine).unwrap_or(0);
        let cpu = &mut self.vmm.cpu;
        cpu.registers.set(General::Rdi, first);
        cpu.registers.set(General::Rsi, second);
        cpu.registers.set(General::Rax, 0);
        cpu.rip = BASE + STRIDE * at as u64;
        cpu.activity = Activity::Running;
        // A routine ends where there is no code of it any more: it has returned or called somebody.
        let end = self.vmm.run(&mut Elsewhere, BUDGET);
        debug_assert!(matches!(end, End::NoCode(_) | End::Halted), "{routine:?} ends in {end:?}");
        self.vmm.traced.remove(&page);
        since(self.vmm.counts, before)
    }

    /// The translator with its cache.
    #[must_use]
    pub fn vmm(&self) -> &BinaryTranslation {
        &self.vmm
    }
}

fn since(now: Counts, before: Counts) -> Counts {
    Counts {
        translations: now.translations - before.translations,
        fragments: now.fragments - before.fragments,
        identical: now.identical - before.identical,
        inline: now.inline - before.inline,
        callouts: now.callouts - before.callouts,
        chained: now.chained - before.chained,
        looked_up: now.looked_up - before.looked_up,
        dispatched: now.dispatched - before.dispatched,
        traps: now.traps - before.traps,
        adapted_stores: now.adapted_stores - before.adapted_stores,
        direct: now.direct - before.direct,
        user_exits: now.user_exits - before.user_exits,
        indirect: now.indirect - before.indirect,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_routine_can_be_read_and_run() {
        for (routine, text) in TEXT {
            assert!(parse(text).is_ok(), "{text}");
            let mut kernel = KernelText::new();
            assert_eq!(kernel.run(routine, (8, 0), false).translations, 1, "{routine:?}");
            assert_eq!(kernel.run(routine, (8, 0), false).translations, 0, "{routine:?}");
        }
    }

    #[test]
    fn a_store_to_a_traced_page_traps_three_times_and_is_a_call_of_the_vmm_from_then_on() {
        let mut kernel = KernelText::new();
        let counts: Vec<(u64, u64)> = (0..5)
            .map(|_| kernel.run(Routine::SetPte, (0x9000, 1), true))
            .map(|c| (c.traps, c.adapted_stores))
            .collect();
        assert_eq!(counts, [(1, 0), (1, 0), (1, 0), (0, 1), (0, 1)]);
        assert_eq!(kernel.run(Routine::SetPmd, (0x9000, 1), true).traps, 1, "another instruction");
        assert_eq!(kernel.run(Routine::SetPte, (0x9000, 1), false).adapted_stores, 0, "not traced any more");
    }

    #[test]
    fn what_is_sensitive_becomes_inline_code_or_a_call() {
        let mut kernel = KernelText::new();
        let mut done = |routine| {
            let counts = kernel.run(routine, (8, 0), false);
            (counts.inline, counts.callouts, counts.indirect)
        };
        assert_eq!(done(Routine::WriteCr8), (1, 0, 0));
        assert_eq!(done(Routine::PortRead), (0, 1, 0));
        assert_eq!(done(Routine::WriteCr3), (0, 1, 0));
        assert_eq!(done(Routine::Call), (0, 0, 1));
        assert_eq!(done(Routine::SafeHalt), (1, 1, 0));
    }
}
