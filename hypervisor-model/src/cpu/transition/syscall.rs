//! SYSCALL, SYSRET, SYSENTER, SYSEXIT: into the kernel and back without a gate.
//! Source: Intel SDM vol. 2 (June 2016), their pages; AMD64 APM vol. 2 (rev. 3.30), 6.1 "Fast System Call and Return".

use crate::cpu::event::{CpuEvent, StackSource};
use crate::cpu::execute::operand::is_canonical;
use crate::cpu::execute::{Done, Step};
use crate::cpu::instruction::{Instruction, Width};
use crate::cpu::msr::Msr;
use crate::cpu::register::General;
use crate::cpu::segment::{Descriptor, Segment, Selector};
use crate::cpu::sensitive::Stop;
use crate::cpu::{Exception, Mode, Rflags, Vendor};

/// SYSCALL: the return address into RCX, the flags into R11, and on at LSTAR. RSP stays what the program had, and
/// nothing is pushed.
pub(super) fn syscall(step: &mut Step<'_>) -> Result<(), Stop> {
    let star = step.cpu.msrs.get(Msr::STAR);
    let is_long = matches!(step.cpu.mode(), Mode::Long | Mode::Compatibility);
    let (rip, flags) = (step.cpu.rip, step.cpu.rflags);
    let cleared = if is_long {
        step.cpu.registers.set(General::Rcx, rip);
        step.emit(CpuEvent::Saved { is_flags: false, value: rip });
        step.cpu.registers.set(General::R11, flags.bits());
        step.emit(CpuEvent::Saved { is_flags: true, value: flags.bits() });
        Rflags::from_bits_retain(step.cpu.msrs.get(Msr::FMASK)) | Rflags::RF
    } else {
        // AMD's legacy mode: EIP from STAR, no mask.
        step.cpu.registers.set(General::Rcx, rip & 0xffff_ffff);
        Rflags::IF | Rflags::VM
    };
    let target = match step.cpu.mode() {
        Mode::Long => step.cpu.msrs.get(Msr::LSTAR),
        Mode::Compatibility => step.cpu.msrs.get(Msr::CSTAR),
        _ => star & 0xffff_ffff,
    };
    step.set_flags(flags - cleared);
    enter(step, Selector((star >> 32) as u16), is_long, target);
    Ok(())
}

/// Flat ring-0 code and stack, without a look at any table.
fn enter(step: &mut Step<'_>, cs: Selector, is_long: bool, rip: u64) {
    let cs = cs.with_rpl(0);
    step.cpu.segments.cs = Segment { selector: cs, descriptor: Descriptor::code(0, is_long) };
    step.cpu.segments.ss = Segment { selector: Selector(cs.0.wrapping_add(8)), descriptor: Descriptor::data(0) };
    step.set_ring(0);
    step.cpu.rip = rip;
    step.jumped();
}

fn leave(step: &mut Step<'_>, cs: u16, ss: u16, to_long: bool, rip: u64) {
    step.cpu.segments.cs = Segment { selector: Selector(cs).with_rpl(3), descriptor: Descriptor::code(3, to_long) };
    step.cpu.segments.ss = Segment { selector: Selector(ss).with_rpl(3), descriptor: Descriptor::data(3) };
    step.set_ring(3);
    step.cpu.rip = rip;
    step.jumped();
}

/// SYSRET: RIP from RCX, flags from R11.
pub(super) fn sysret(step: &mut Step<'_>, instruction: &Instruction) -> Done {
    let star = (step.cpu.msrs.get(Msr::STAR) >> 48) as u16;
    let is_long = matches!(step.cpu.mode(), Mode::Long | Mode::Compatibility);
    // In 64-bit mode plain `sysret` is taken as `sysretq`, which is what kernels mean.
    let to_long = step.cpu.mode() == Mode::Long && instruction.width_suffix() != Some(Width::Dword);
    let rcx = step.cpu.registers.get(General::Rcx);
    if to_long && !is_canonical(rcx) && step.cpu.vendor == Vendor::Intel {
        // Raised in ring 0, with whatever stack the program had: the trap of SYSRET on Intel.
        return Err(Exception::GP0.into());
    }
    if is_long {
        let image = Rflags::from_bits_truncate(step.cpu.registers.get(General::R11)) - (Rflags::RF | Rflags::VM);
        step.set_flags(image);
    } else {
        step.set_flags(step.cpu.rflags | Rflags::IF);
    }
    let (cs, rip) = if to_long { (star.wrapping_add(16), rcx) } else { (star, rcx & 0xffff_ffff) };
    leave(step, cs, star.wrapping_add(8), to_long, rip);
    Ok(None)
}

/// SYSENTER: everything from MSRs; no return address is kept.
pub(super) fn sysenter(step: &mut Step<'_>) -> Result<(), Stop> {
    let cs = step.cpu.msrs.get(Msr::SYSENTER_CS) as u16;
    if Selector(cs).is_null() {
        return Err(Exception::GP0.into());
    }
    let is_long = step.cpu.efer.contains(crate::cpu::Efer::LMA);
    step.set_flags(step.cpu.rflags - (Rflags::IF | Rflags::VM));
    let old = (step.cpu.segments.ss.selector, step.cpu.registers.get(General::Rsp));
    let width = if is_long { Width::Qword } else { Width::Dword };
    let rsp = width.truncate(step.cpu.msrs.get(Msr::SYSENTER_ESP));
    let rip = width.truncate(step.cpu.msrs.get(Msr::SYSENTER_EIP));
    step.cpu.registers.set(General::Rsp, rsp);
    let ss = Selector(cs & !3).0.wrapping_add(8);
    step.emit(CpuEvent::StackSwitched {
        old_ss: old.0,
        old_rsp: old.1,
        ss: Selector(ss),
        rsp,
        source: StackSource::Register,
    });
    enter(step, Selector(cs), is_long, rip);
    Ok(())
}

/// SYSEXIT: RIP from RDX, RSP from RCX.
pub(super) fn sysexit(step: &mut Step<'_>, instruction: &Instruction) -> Result<(), Stop> {
    let cs = step.cpu.msrs.get(Msr::SYSENTER_CS) as u16;
    if Selector(cs).is_null() {
        return Err(Exception::GP0.into());
    }
    // In 64-bit mode plain `sysexit` has 32-bit operands, `sysexitq` 64-bit ones.
    let to_long = step.cpu.mode() == Mode::Long && instruction.width_suffix() == Some(Width::Qword);
    let width = if to_long { Width::Qword } else { Width::Dword };
    let rip = width.truncate(step.cpu.registers.get(General::Rdx));
    let rsp = width.truncate(step.cpu.registers.get(General::Rcx));
    if to_long && !(is_canonical(rip) && is_canonical(rsp)) {
        return Err(Exception::GP0.into());
    }
    let (code, stack) = if to_long { (32, 40) } else { (16, 24) };
    let old = (step.cpu.segments.ss.selector, step.cpu.registers.get(General::Rsp));
    step.cpu.registers.set(General::Rsp, rsp);
    let (cs, ss) = (cs.wrapping_add(code), cs.wrapping_add(stack));
    step.emit(CpuEvent::StackSwitched {
        old_ss: old.0,
        old_rsp: old.1,
        ss: Selector(ss).with_rpl(3),
        rsp,
        source: StackSource::Register,
    });
    leave(step, cs, ss, to_long, rip);
    Ok(())
}
