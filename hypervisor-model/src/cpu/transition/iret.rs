//! IRET. Source: Intel SDM vol. 2 (June 2016), IRET/IRETD; vol. 3, 6.12.1, 6.14.3 "IRET in IA-32e Mode".

use super::far::outward_segments;
use crate::cpu::event::{CpuEvent, StackItem, StackSource};
use crate::cpu::exception::Vector;
use crate::cpu::execute::operand::is_canonical;
use crate::cpu::execute::{Done, Step};
use crate::cpu::instruction::{Instruction, Width};
use crate::cpu::register::General;
use crate::cpu::segment::{Descriptor, Segment, SegmentRegister, Selector};
use crate::cpu::sensitive::{Missing, Stop};
use crate::cpu::{Exception, Mode, Rflags};

/// Returns from an interrupt: to the same ring or an outer one, never inward.
pub(super) fn iret(step: &mut Step<'_>, instruction: &Instruction) -> Done {
    let mode = step.cpu.mode();
    // In 64-bit mode plain `iret` is taken as `iretq`, which is what kernels mean.
    let width = instruction.width_suffix().unwrap_or_else(|| step.stack_width());
    if matches!(mode, Mode::Real | Mode::Virtual8086) {
        return real(step, width);
    }
    if step.cpu.rflags.contains(Rflags::NT) {
        return match mode {
            Mode::Protected => Err(Stop::NotModelled(Missing::TaskSwitch)),
            _ => Err(Exception::GP0.into()),
        };
    }
    let old_stack = (step.cpu.segments.ss.selector, step.cpu.registers.get(General::Rsp));
    let rip = step.pop(StackItem::Rip, width)?;
    let cs = Selector(step.pop(StackItem::Cs, width)? as u16);
    let image = Rflags::from_bits_truncate(step.pop(StackItem::Rflags, width)?);
    if image.contains(Rflags::VM) && mode == Mode::Protected && step.cpu.cpl == 0 {
        return Err(Stop::NotModelled(Missing::Virtual8086Transition));
    }
    let code = return_code_segment(step, cs)?;
    let outward = cs.rpl() > step.cpu.cpl;
    // 64-bit mode always pops a stack; the others only on the way outward.
    let stack = if mode == Mode::Long || outward {
        let rsp = step.pop(StackItem::Rsp, width)?;
        Some((Selector(step.pop(StackItem::Ss, width)? as u16), rsp))
    } else {
        None
    };
    if if code.is_long() { !is_canonical(rip) } else { rip > u64::from(code.limit) } {
        return Err(Exception::GP0.into());
    }
    // IF, IOPL by the ring that executes IRET, not the one that it goes to.
    let left_out = step.take_flags(image, width, Rflags::RF);
    step.cpu.segments.cs = Segment { selector: cs, descriptor: code };
    let from = step.cpu.cpl;
    step.set_ring(cs.rpl());
    if let Some((ss, rsp)) = stack {
        load_return_stack(step, ss, code.is_long())?;
        step.cpu.registers.set(General::Rsp, rsp);
        if outward || (ss, rsp) != old_stack {
            step.emit(CpuEvent::StackSwitched {
                old_ss: old_stack.0,
                old_rsp: old_stack.1,
                ss,
                rsp,
                source: StackSource::Popped,
            });
        }
    }
    if step.cpu.cpl > from {
        outward_segments(step);
    }
    step.cpu.rip = rip;
    step.cpu.blocks_nmi = false;
    step.jumped();
    Ok(left_out)
}

/// SS of a return: null is allowed in 64-bit mode outside ring 3.
fn load_return_stack(step: &mut Step<'_>, ss: Selector, to_long: bool) -> Result<(), Stop> {
    if ss.is_null() && to_long && step.cpu.cpl != 3 && ss.rpl() == step.cpu.cpl {
        step.cpu.segments.ss = Segment { selector: ss, descriptor: Descriptor::default() };
        return Ok(());
    }
    step.load_segment(SegmentRegister::Ss, ss)
}

/// The code segment that IRET and far RET go to, after their checks.
pub(super) fn return_code_segment(step: &mut Step<'_>, cs: Selector) -> Result<Descriptor, Stop> {
    let fault = |vector| Stop::Fault(Exception::with_code(vector, cs.error_code()));
    if cs.is_null() {
        return Err(Exception::GP0.into());
    }
    let Some(bits) = step.read_descriptor(cs)? else { return Err(fault(Vector::GP)) };
    let code = Descriptor::from_bits(bits);
    let cpl = step.cpu.cpl;
    let dpl_fits = if code.is_conforming() { code.dpl() <= cs.rpl() } else { code.dpl() == cs.rpl() };
    if !code.is_code() || cs.rpl() < cpl || !dpl_fits {
        return Err(fault(Vector::GP));
    }
    if !code.is_present() {
        return Err(fault(Vector::NP));
    }
    step.emit(CpuEvent::CodeSegmentRead { selector: cs, dpl: code.dpl(), is_conforming: code.is_conforming(), cpl });
    Ok(code)
}

fn real(step: &mut Step<'_>, width: Width) -> Done {
    let rip = step.pop(StackItem::Rip, width)?;
    let cs = Selector(step.pop(StackItem::Cs, width)? as u16);
    let image = Rflags::from_bits_truncate(step.pop(StackItem::Rflags, width)?);
    if width != Width::Word && rip > 0xffff {
        return Err(Exception::GP0.into());
    }
    let left_out = step.take_flags(image, width, Rflags::RF);
    step.load_segment(SegmentRegister::Cs, cs)?;
    step.cpu.rip = rip;
    step.cpu.blocks_nmi = false;
    step.jumped();
    Ok(left_out)
}
