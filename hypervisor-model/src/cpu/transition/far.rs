//! Far CALL, JMP and RET, with call gates. Source: Intel SDM vol. 2 (June 2016), CALL, JMP, RET; vol. 3, 5.8
//! "Privilege Level Checking When Transferring Program Control Between Code Segments".

use super::interrupt::{EventSource, switch_stack};
use super::iret::return_code_segment;
use crate::cpu::event::{CpuEvent, StackItem, StackSource};
use crate::cpu::exception::Vector;
use crate::cpu::execute::Step;
use crate::cpu::execute::operand::is_canonical;
use crate::cpu::instruction::{Instruction, Opcode, Operand, Width};
use crate::cpu::register::General;
use crate::cpu::segment::{Descriptor, Gate, Segment, SegmentRegister, Selector};
use crate::cpu::sensitive::{Missing, Stop};
use crate::cpu::{Exception, Mode};

/// CALL and JMP to another segment, or through a call gate.
pub(super) fn call_or_jump(step: &mut Step<'_>, instruction: &Instruction) -> Result<(), Stop> {
    let is_call = instruction.opcode == Opcode::CallFar;
    let (selector, offset) = destination(step, instruction)?;
    if matches!(step.cpu.mode(), Mode::Real | Mode::Virtual8086) {
        let width = step.stack_width();
        if is_call {
            push_return(step, width)?;
        }
        step.load_segment(SegmentRegister::Cs, selector)?;
        step.cpu.rip = offset & 0xffff;
        step.jumped();
        return Ok(());
    }
    let fault = |vector| Stop::Fault(Exception::with_code(vector, selector.error_code()));
    if selector.is_null() {
        return Err(Exception::GP0.into());
    }
    let Some(bits) = step.read_descriptor(selector)? else { return Err(fault(Vector::GP)) };
    let descriptor = Descriptor::from_bits(bits);
    if descriptor.is_code() {
        return same_ring(step, selector, descriptor, offset, is_call);
    }
    if !descriptor.is_system() {
        return Err(fault(Vector::GP));
    }
    let is_long = step.cpu.mode() != Mode::Protected;
    match descriptor.kind() {
        0xc => through_gate(step, selector, bits, is_call),
        4 if !is_long => through_gate(step, selector, bits, is_call),
        1 | 5 | 9 if !is_long => Err(Stop::NotModelled(Missing::TaskSwitch)),
        _ => Err(fault(Vector::GP)),
    }
}

/// Selector and offset, from the instruction or from memory. 64-bit mode has only the latter.
fn destination(step: &mut Step<'_>, instruction: &Instruction) -> Result<(Selector, u64), Stop> {
    match instruction.operands.first().copied() {
        Some(Operand::Far { .. }) if step.cpu.mode() == Mode::Long => Err(Exception::UD.into()),
        Some(Operand::Far { selector, offset }) => Ok((selector, offset)),
        Some(Operand::Memory(memory)) => {
            let (segment, at) = (Step::segment_of(&memory), step.offset(&memory));
            let width = match step.stack_width() {
                Width::Word => Width::Word,
                _ => memory.width.filter(|width| *width != Width::Byte).unwrap_or(Width::Dword),
            };
            let offset = step.load(segment, at, width.bytes())?;
            let selector = step.load(segment, at.wrapping_add(u64::from(width.bytes())), 2)?;
            Ok((Selector(selector as u16), offset))
        }
        _ => Ok((Selector::NULL, 0)),
    }
}

fn push_return(step: &mut Step<'_>, width: Width) -> Result<(), Stop> {
    step.push(StackItem::Cs, width, u64::from(step.cpu.segments.cs.selector.0))?;
    step.push(StackItem::Rip, width, step.cpu.rip)
}

/// Directly to a code segment: never to another ring.
fn same_ring(
    step: &mut Step<'_>,
    selector: Selector,
    code: Descriptor,
    offset: u64,
    is_call: bool,
) -> Result<(), Stop> {
    let fault = |vector| Stop::Fault(Exception::with_code(vector, selector.error_code()));
    let cpl = step.cpu.cpl;
    let is_conforming = code.is_conforming();
    step.emit(CpuEvent::CodeSegmentRead { selector, dpl: code.dpl(), is_conforming, cpl });
    let allowed = if is_conforming { code.dpl() <= cpl } else { selector.rpl() <= cpl && code.dpl() == cpl };
    if !allowed {
        return Err(fault(Vector::GP));
    }
    if !code.is_present() {
        return Err(fault(Vector::NP));
    }
    if if code.is_long() { !is_canonical(offset) } else { offset > u64::from(code.limit) } {
        return Err(Exception::GP0.into());
    }
    if is_call {
        let width = step.stack_width();
        push_return(step, if width == Width::Qword { Width::Dword } else { width })?;
    }
    step.cpu.segments.cs = Segment { selector: selector.with_rpl(cpl), descriptor: code };
    step.cpu.rip = offset;
    step.jumped();
    Ok(())
}

fn through_gate(step: &mut Step<'_>, selector: Selector, bits: u64, is_call: bool) -> Result<(), Stop> {
    let fault = |vector| Stop::Fault(Exception::with_code(vector, selector.error_code()));
    let is_long = step.cpu.mode() != Mode::Protected;
    let high = if is_long { step.read_upper_descriptor(selector)?.ok_or_else(|| fault(Vector::GP))? } else { 0 };
    let gate = Gate::from_bits(bits, high);
    let cpl = step.cpu.cpl;
    step.emit(CpuEvent::CallGateRead { selector, gate_dpl: gate.dpl, target: gate.selector, offset: gate.offset, cpl });
    if gate.dpl < cpl.max(selector.rpl()) {
        return Err(fault(Vector::GP));
    }
    if !gate.is_present {
        return Err(fault(Vector::NP));
    }
    let target_fault = |vector| Stop::Fault(Exception::with_code(vector, gate.selector.error_code()));
    if gate.selector.is_null() {
        return Err(Exception::GP0.into());
    }
    let Some(bits) = step.read_descriptor(gate.selector)? else { return Err(target_fault(Vector::GP)) };
    let code = Descriptor::from_bits(bits);
    let is_conforming = code.is_conforming();
    step.emit(CpuEvent::CodeSegmentRead { selector: gate.selector, dpl: code.dpl(), is_conforming, cpl });
    // A JMP stays in its ring; a CALL may go inward.
    let dpl_fits = if is_call || is_conforming { code.dpl() <= cpl } else { code.dpl() == cpl };
    if !code.is_code() || !dpl_fits || is_long && !code.is_long() {
        return Err(target_fault(Vector::GP));
    }
    if !code.is_present() {
        return Err(target_fault(Vector::NP));
    }
    let ring = if is_call && !is_conforming { code.dpl() } else { cpl };
    let width = match (is_long, gate.kind) {
        (true, _) => Width::Qword,
        (false, 4) => Width::Word,
        _ => Width::Dword,
    };
    let back = (step.cpu.segments.cs.selector, step.cpu.rip);
    let old_stack = (step.cpu.segments.ss.selector, step.cpu.registers.get(General::Rsp));
    let parameters = if ring < cpl { read_parameters(step, gate.count, width, is_long)? } else { Vec::new() };
    step.cpu.segments.cs = Segment { selector: gate.selector.with_rpl(ring), descriptor: code };
    step.set_ring(ring);
    if ring < cpl {
        switch_stack(step, ring, 0, true, EventSource::Software)?;
        step.push(StackItem::Ss, width, u64::from(old_stack.0.0))?;
        step.push(StackItem::Rsp, width, old_stack.1)?;
        for parameter in parameters.into_iter().rev() {
            step.push(StackItem::Parameter, width, parameter)?;
        }
    }
    if is_call {
        step.push(StackItem::Cs, width, u64::from(back.0.0))?;
        step.push(StackItem::Rip, width, back.1)?;
    }
    step.cpu.rip = gate.offset;
    step.jumped();
    Ok(())
}

/// The words that a call gate copies to the new stack; long mode copies none.
fn read_parameters(step: &mut Step<'_>, count: u8, width: Width, is_long: bool) -> Result<Vec<u64>, Stop> {
    let count = if is_long { 0 } else { u64::from(count & 0x1f) };
    let rsp = step.cpu.registers.get(General::Rsp);
    (0..count)
        .map(|index| step.load(SegmentRegister::Ss, rsp.wrapping_add(index * u64::from(width.bytes())), width.bytes()))
        .collect()
}

/// Far RET: to the same or an outer ring.
pub(super) fn ret(step: &mut Step<'_>, instruction: &Instruction) -> Result<(), Stop> {
    let width = instruction.width_suffix().unwrap_or_else(|| match step.stack_width() {
        // Without a prefix the operand has 32 bits in 64-bit mode.
        Width::Qword => Width::Dword,
        width => width,
    });
    let released = match instruction.operands.first() {
        Some(Operand::Immediate(bytes)) => bytes & 0xffff,
        _ => 0,
    };
    let old_stack = (step.cpu.segments.ss.selector, step.cpu.registers.get(General::Rsp));
    let rip = step.pop(StackItem::Rip, width)?;
    let cs = Selector(step.pop(StackItem::Cs, width)? as u16);
    if matches!(step.cpu.mode(), Mode::Real | Mode::Virtual8086) {
        step.load_segment(SegmentRegister::Cs, cs)?;
        step.cpu.rip = rip & 0xffff;
        release(step, released);
        step.jumped();
        return Ok(());
    }
    let code = return_code_segment(step, cs)?;
    if if code.is_long() { !is_canonical(rip) } else { rip > u64::from(code.limit) } {
        return Err(Exception::GP0.into());
    }
    release(step, released);
    let stack = if cs.rpl() > step.cpu.cpl {
        let rsp = step.pop(StackItem::Rsp, width)?;
        Some((Selector(step.pop(StackItem::Ss, width)? as u16), rsp))
    } else {
        None
    };
    step.cpu.segments.cs = Segment { selector: cs, descriptor: code };
    step.set_ring(cs.rpl());
    if let Some((ss, rsp)) = stack {
        step.load_segment(SegmentRegister::Ss, ss)?;
        step.cpu.registers.set(General::Rsp, rsp.wrapping_add(released));
        step.emit(CpuEvent::StackSwitched {
            old_ss: old_stack.0,
            old_rsp: old_stack.1,
            ss,
            rsp: rsp.wrapping_add(released),
            source: StackSource::Popped,
        });
        outward_segments(step);
    }
    step.cpu.rip = rip;
    step.jumped();
    Ok(())
}

fn release(step: &mut Step<'_>, bytes: u64) {
    let rsp = step.cpu.registers.get(General::Rsp);
    step.cpu.registers.set(General::Rsp, rsp.wrapping_add(bytes));
}

/// On the way outward, data segments that the outer ring may not use become null.
pub(super) fn outward_segments(step: &mut Step<'_>) {
    for register in [SegmentRegister::Es, SegmentRegister::Ds, SegmentRegister::Fs, SegmentRegister::Gs] {
        let segment = step.cpu.segments.get(register);
        let dpl = segment.descriptor.dpl();
        let is_held = segment.descriptor.is_present() && !segment.selector.is_null();
        if is_held && !segment.descriptor.is_conforming() && dpl < step.cpu.cpl {
            *step.cpu.segments.get_mut(register) = Segment::default();
            step.emit(CpuEvent::SegmentNulled { register, dpl });
        }
    }
}
