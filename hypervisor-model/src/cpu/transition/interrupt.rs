//! Interrupts and exceptions through the IDT, double and triple faults.
//! Source: Intel SDM vol. 3 (June 2016), 6.12 "Exception and Interrupt Handling", 6.14 "Exception and Interrupt Handling
//! in 64-bit Mode", 6.15 "Interrupt 8: Double Fault Exception"; vol. 2, INT n/INTO/INT 3.

use crate::cpu::event::{CpuEvent, StackItem, StackSource};
use crate::cpu::exception::Vector;
use crate::cpu::execute::Step;
use crate::cpu::execute::operand::is_canonical;
use crate::cpu::instruction::Width;
use crate::cpu::register::General;
use crate::cpu::segment::{Descriptor, Gate, Segment, SegmentRegister, Selector};
use crate::cpu::sensitive::{Cause, Missing, Stop};
use crate::cpu::{Activity, Exception, Mode, Rflags};

/// What an event comes from.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum EventSource {
    /// INT n, INT3 or INTO: the gate's DPL counts.
    Software,
    /// An exception.
    Exception,
    /// A hardware interrupt or an NMI.
    External,
}

impl EventSource {
    /// Bit EXT of the error codes that the delivery itself gives (SDM vol. 3, 6.13).
    fn external_bit(self) -> u32 {
        u32::from(self != EventSource::Software)
    }
}

/// Raises an exception: asks who intercepts it, delivers it, and makes a double or triple fault of what fails on the way.
///
/// # Errors
/// The exit that one of them makes. A triple fault without an exit shuts the processor down and is no error.
pub fn raise(step: &mut Step<'_>, exception: Exception) -> Result<(), Stop> {
    let mut current = exception;
    loop {
        step.ask(Cause::Exception(current))?;
        if let (Vector::PF, Some(address)) = (current.vector, current.address) {
            step.cpu.cr2 = address;
            step.emit(CpuEvent::Cr2Written { address });
        }
        if let (Vector::DB, Some(bits)) = (current.vector, current.address) {
            step.cpu.dr[6] |= bits;
        }
        let before = step.cpu.clone();
        let second = match deliver(step, current.vector, current.error_code, EventSource::Exception) {
            Err(Stop::Fault(second)) => second,
            other => return other,
        };
        *step.cpu = before;
        if current.vector == Vector::DF {
            step.emit(CpuEvent::TripleFault);
            step.ask(Cause::TripleFault)?;
            step.cpu.activity = Activity::Shutdown;
            return Ok(());
        }
        current = if makes_double_fault(current.vector, second.vector) {
            step.emit(CpuEvent::DoubleFault { first: current, second });
            Exception::with_code(Vector::DF, 0)
        } else {
            step.emit(CpuEvent::Raised(second));
            second
        };
    }
}

/// Whether a second exception makes a double fault of a first (SDM vol. 3, table 6-5 "Conditions for Generating a Double
/// Fault").
#[must_use]
pub fn makes_double_fault(first: Vector, second: Vector) -> bool {
    let contributes = |vector| matches!(vector, Vector::DE | Vector::TS | Vector::NP | Vector::SS | Vector::GP);
    contributes(first) && contributes(second) || first == Vector::PF && (contributes(second) || second == Vector::PF)
}

/// Delivers an event through its gate. For INT n, RIP is behind the instruction; for a fault at it.
///
/// # Errors
/// What the delivery gives; the processor's state is then not to be used.
pub fn deliver(step: &mut Step<'_>, vector: Vector, error_code: Option<u32>, source: EventSource) -> Result<(), Stop> {
    match step.cpu.mode() {
        Mode::Real => return deliver_real(step, vector, source),
        Mode::Virtual8086 => return Err(Stop::NotModelled(Missing::Virtual8086Transition)),
        _ => {}
    }
    let is_long = matches!(step.cpu.mode(), Mode::Long | Mode::Compatibility);
    let gate = read_gate(step, vector, source, is_long)?;
    let target = read_target(step, gate.selector, source, is_long)?;
    let cpl = step.cpu.cpl;
    let new_cpl = if target.is_conforming() { cpl } else { target.dpl() };
    let width = match (is_long, gate.kind & 8 != 0) {
        (true, _) => Width::Qword,
        (false, true) => Width::Dword,
        (false, false) => Width::Word,
    };
    let old_stack = (step.cpu.segments.ss.selector, step.cpu.registers.get(General::Rsp));
    let frame = (step.cpu.rflags, step.cpu.segments.cs.selector, step.cpu.rip);
    // From here on the processor is in the new code: pushes are accesses of its ring.
    let changes_stack = new_cpl < cpl || is_long && gate.count != 0;
    step.cpu.segments.cs = Segment { selector: gate.selector.with_rpl(new_cpl), descriptor: target };
    step.set_ring(new_cpl);
    if changes_stack {
        let ist = if is_long { gate.count } else { 0 };
        switch_stack(step, new_cpl, ist, new_cpl < cpl, source)?;
    }
    if is_long {
        let rsp = step.cpu.registers.get(General::Rsp) & !0xf;
        if rsp != step.cpu.registers.get(General::Rsp) {
            step.cpu.registers.set(General::Rsp, rsp);
            step.emit(CpuEvent::StackAligned { rsp });
        }
    }
    if is_long || changes_stack {
        step.push(StackItem::Ss, width, u64::from(old_stack.0.0))?;
        step.push(StackItem::Rsp, width, old_stack.1)?;
    }
    // A fault is to be taken up again: its image has RF, so that an instruction breakpoint does not strike twice.
    let resumes =
        source == EventSource::Exception && !matches!(vector, Vector::DB | Vector::BP | Vector::OF | Vector::DF);
    let image = if resumes { frame.0 | Rflags::RF } else { frame.0 };
    step.push(StackItem::Rflags, width, image.bits())?;
    step.push(StackItem::Cs, width, u64::from(frame.1.0))?;
    step.push(StackItem::Rip, width, frame.2)?;
    if let Some(code) = error_code {
        step.push(StackItem::ErrorCode, width, u64::from(code))?;
    }
    let mut cleared = Rflags::TF | Rflags::NT | Rflags::RF | Rflags::VM;
    if gate.kind & 1 == 0 {
        // An interrupt gate, not a trap gate.
        cleared |= Rflags::IF;
    }
    step.set_flags(step.cpu.rflags - cleared);
    step.cpu.rip = gate.offset;
    step.jumped();
    Ok(())
}

/// The gate, after the checks that are its own.
fn read_gate(step: &mut Step<'_>, vector: Vector, source: EventSource, is_long: bool) -> Result<Gate, Stop> {
    let size = if is_long { 16 } else { 8 };
    let ext = source.external_bit();
    let fault = |kind| Stop::Fault(Exception::with_code(kind, u32::from(vector.0) << 3 | 2 | ext));
    let at = u64::from(vector.0) * size;
    if at + size - 1 > u64::from(step.cpu.idtr.limit) {
        return Err(fault(Vector::GP));
    }
    let base = step.cpu.idtr.base.wrapping_add(at);
    let low = step.load_system(base, 8)?;
    let high = if is_long { step.load_system(base.wrapping_add(8), 8)? } else { 0 };
    let gate = Gate::from_bits(low, high);
    let is_known = if is_long { matches!(gate.kind, 0xe | 0xf) } else { matches!(gate.kind, 5 | 6 | 7 | 0xe | 0xf) };
    if !is_known {
        return Err(fault(Vector::GP));
    }
    let checks_dpl = source == EventSource::Software;
    let cpl = step.cpu.cpl;
    step.emit(CpuEvent::InterruptGateRead {
        vector,
        gate_dpl: gate.dpl,
        selector: gate.selector,
        offset: gate.offset,
        checks_dpl,
        cpl,
    });
    if checks_dpl && gate.dpl < cpl {
        return Err(fault(Vector::GP));
    }
    if !gate.is_present {
        return Err(fault(Vector::NP));
    }
    if gate.kind == 5 {
        return Err(Stop::NotModelled(Missing::TaskSwitch));
    }
    Ok(gate)
}

/// The code segment behind the gate, after its checks.
fn read_target(
    step: &mut Step<'_>,
    selector: Selector,
    source: EventSource,
    is_long: bool,
) -> Result<Descriptor, Stop> {
    let ext = source.external_bit();
    let fault = |kind| Stop::Fault(Exception::with_code(kind, selector.error_code() | ext));
    if selector.is_null() {
        return Err(Stop::Fault(Exception::with_code(Vector::GP, ext)));
    }
    let Some(bits) = step.read_descriptor(selector)? else { return Err(fault(Vector::GP)) };
    let target = Descriptor::from_bits(bits);
    let cpl = step.cpu.cpl;
    if !target.is_code() || target.dpl() > cpl || is_long && !target.is_long() {
        return Err(fault(Vector::GP));
    }
    if !target.is_present() {
        return Err(fault(Vector::NP));
    }
    let is_conforming = target.is_conforming();
    step.emit(CpuEvent::CodeSegmentRead { selector, dpl: target.dpl(), is_conforming, cpl });
    Ok(target)
}

/// Takes the stack of a ring out of the TSS, or one of the interrupt-stack table.
pub(super) fn switch_stack(
    step: &mut Step<'_>,
    ring: u8,
    ist: u8,
    changes_ring: bool,
    source: EventSource,
) -> Result<(), Stop> {
    let task = step.cpu.segments.tr;
    let ext = source.external_bit();
    let bad_task = Stop::Fault(Exception::with_code(Vector::TS, task.selector.error_code() | ext));
    let old = (step.cpu.segments.ss.selector, step.cpu.registers.get(General::Rsp));
    let is_long = matches!(step.cpu.mode(), Mode::Long | Mode::Compatibility);
    let ring_offset = u64::from(ring) * 8;
    let offset = match (is_long, ist) {
        (true, 0) => 4 + ring_offset,
        (true, ist) => 36 + (u64::from(ist) - 1) * 8,
        (false, _) => 4 + ring_offset,
    };
    if !task.descriptor.is_present() || offset + 7 > u64::from(task.descriptor.limit) {
        return Err(bad_task);
    }
    let at = task.descriptor.base.wrapping_add(offset);
    let from = if ist == 0 { StackSource::Tss { ring } } else { StackSource::Ist { entry: ist } };
    if is_long {
        let rsp = step.load_system(at, 8)?;
        if !is_canonical(rsp) {
            return Err(Stop::Fault(Exception::with_code(Vector::SS, ext)));
        }
        step.cpu.registers.set(General::Rsp, rsp);
        if changes_ring {
            // In 64-bit mode SS becomes null with the new RPL.
            step.cpu.segments.ss = Segment { selector: Selector(u16::from(ring)), descriptor: Descriptor::default() };
        }
    } else {
        let esp = step.load_system(at, 4)?;
        let selector = Selector(step.load_system(at.wrapping_add(4), 2)? as u16);
        let fault = |kind| Stop::Fault(Exception::with_code(kind, selector.error_code() | ext));
        let found = if selector.is_null() { None } else { step.read_descriptor(selector)? };
        let Some(bits) = found else { return Err(fault(Vector::TS)) };
        let descriptor = Descriptor::from_bits(bits);
        if selector.rpl() != ring || descriptor.dpl() != ring || !descriptor.is_writable() {
            return Err(fault(Vector::TS));
        }
        if !descriptor.is_present() {
            return Err(fault(Vector::SS));
        }
        step.cpu.segments.ss = Segment { selector, descriptor };
        step.cpu.registers.set(General::Rsp, esp);
    }
    let (ss, rsp) = (step.cpu.segments.ss.selector, step.cpu.registers.get(General::Rsp));
    step.emit(CpuEvent::StackSwitched { old_ss: old.0, old_rsp: old.1, ss, rsp, source: from });
    Ok(())
}

/// Real mode: four bytes a vector, three words pushed.
fn deliver_real(step: &mut Step<'_>, vector: Vector, source: EventSource) -> Result<(), Stop> {
    let at = u64::from(vector.0) * 4;
    if at + 3 > u64::from(step.cpu.idtr.limit) {
        let code = u32::from(vector.0) << 3 | 2 | source.external_bit();
        return Err(Stop::Fault(Exception::with_code(Vector::GP, code)));
    }
    let entry = step.load_system(step.cpu.idtr.base.wrapping_add(at), 4)?;
    let (flags, cs, rip) = (step.cpu.rflags, step.cpu.segments.cs.selector, step.cpu.rip);
    step.push(StackItem::Rflags, Width::Word, flags.bits())?;
    step.push(StackItem::Cs, Width::Word, u64::from(cs.0))?;
    step.push(StackItem::Rip, Width::Word, rip)?;
    step.set_flags(flags - (Rflags::IF | Rflags::TF | Rflags::AC));
    step.load_segment(SegmentRegister::Cs, Selector((entry >> 16) as u16))?;
    step.cpu.rip = entry & 0xffff;
    step.jumped();
    Ok(())
}
