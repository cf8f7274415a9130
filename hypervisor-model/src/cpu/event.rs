//! What can be seen to happen inside one instruction or one delivery: its micro-steps, in order.

use super::control::ControlRegister;
use super::exception::{Exception, Vector};
use super::flags::Rflags;
use super::msr::Msr;
use super::segment::{SegmentRegister, Selector};
use super::sensitive::{Cause, DescriptorTable};
use serde::{Deserialize, Serialize};
use std::fmt;

/// What a word on the stack is.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Serialize, Deserialize)]
#[allow(missing_docs, reason = "the names are the documentation")]
pub enum StackItem {
    Ss,
    Rsp,
    Rflags,
    Cs,
    Rip,
    ErrorCode,
    Parameter,
    Operand,
}

/// Where the pointer of a new stack comes from.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Serialize, Deserialize)]
pub enum StackSource {
    /// The stack of a ring in the TSS.
    Tss {
        /// Which ring's.
        ring: u8,
    },
    /// The interrupt-stack table of the TSS.
    Ist {
        /// 1 to 7.
        entry: u8,
    },
    /// The stack of the caller, popped.
    Popped,
    /// SYSENTER_ESP, or RCX for SYSEXIT.
    Register,
}

/// One micro-step of a processor.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Serialize, Deserialize)]
#[allow(missing_docs, reason = "each variant says what its fields are")]
pub enum CpuEvent {
    /// A gate of the IDT was looked at: its DPL against the CPL (only for INT n, INT3 and INTO).
    InterruptGateRead { vector: Vector, gate_dpl: u8, selector: Selector, offset: u64, checks_dpl: bool, cpl: u8 },
    /// A call gate was looked at.
    CallGateRead { selector: Selector, gate_dpl: u8, target: Selector, offset: u64, cpl: u8 },
    /// A code segment was looked at: its DPL against the CPL.
    CodeSegmentRead { selector: Selector, dpl: u8, is_conforming: bool, cpl: u8 },
    /// Another stack is used.
    StackSwitched { old_ss: Selector, old_rsp: u64, ss: Selector, rsp: u64, source: StackSource },
    /// The stack pointer was aligned to 16 bytes.
    StackAligned { rsp: u64 },
    /// A word was pushed.
    Pushed { item: StackItem, value: u64, at: u64 },
    /// A word was popped.
    Popped { item: StackItem, value: u64, at: u64 },
    /// RFLAGS changed.
    FlagsChanged { old: Rflags, new: Rflags },
    /// A change of IF or IOPL that was asked for was left out.
    FlagsKept { asked: Rflags, kept: Rflags },
    /// The privilege level changed.
    RingChanged { from: u8, to: u8 },
    /// The processor goes on elsewhere.
    Jumped { cs: Selector, rip: u64 },
    /// A return address or flags were put into a register: SYSCALL.
    Saved { is_flags: bool, value: u64 },
    /// A segment register was loaded.
    SegmentLoaded { register: SegmentRegister, selector: Selector },
    /// A segment register became null, because the outer ring may not use what it held.
    SegmentNulled { register: SegmentRegister, dpl: u8 },
    /// A control register was written.
    ControlRegisterWritten { register: ControlRegister, old: u64, new: u64 },
    /// An MSR was written.
    MsrWritten { msr: Msr, old: u64, new: u64 },
    /// A descriptor-table register was loaded.
    TableLoaded { table: DescriptorTable, base: u64, limit: u16 },
    /// GS_BASE and KERNEL_GS_BASE changed places.
    GsSwapped { gs_base: u64 },
    /// An exception was raised.
    Raised(Exception),
    /// The address of a page fault was put into CR2.
    Cr2Written { address: u64 },
    /// An exception while another was being delivered became a double fault.
    DoubleFault { first: Exception, second: Exception },
    /// An exception while a double fault was being delivered: the processor shuts down.
    TripleFault,
    /// An exit.
    Exited(Cause),
    /// The processor waits for an interrupt.
    Halted,
}

/// One line in plain words.
impl fmt::Display for CpuEvent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            CpuEvent::InterruptGateRead { vector, gate_dpl, selector, offset, checks_dpl, cpl } => {
                write!(f, "gate of vector {:#04x}: to {selector}:{offset:#x}", vector.0)?;
                match checks_dpl {
                    true => write!(f, ", DPL {gate_dpl} against CPL {cpl}"),
                    false => f.write_str(", its DPL does not matter"),
                }
            }
            CpuEvent::CallGateRead { selector, gate_dpl, target, offset, cpl } => write!(
                f,
                "call gate {selector}: to {target}:{offset:#x}, DPL {gate_dpl} against CPL {cpl} and RPL {}",
                selector.rpl()
            ),
            CpuEvent::CodeSegmentRead { selector, dpl, is_conforming, cpl } => {
                let kind = if is_conforming { "conforming code" } else { "code" };
                write!(f, "{kind} segment {selector}: DPL {dpl}, CPL {cpl}")
            }
            CpuEvent::StackSwitched { old_ss, old_rsp, ss, rsp, source } => {
                write!(f, "stack {old_ss}:{old_rsp:#x} -> {ss}:{rsp:#x}, from ")?;
                match source {
                    StackSource::Tss { ring } => write!(f, "the TSS, ring {ring}"),
                    StackSource::Ist { entry } => write!(f, "the interrupt-stack table, entry {entry}"),
                    StackSource::Popped => f.write_str("the stack"),
                    StackSource::Register => f.write_str("a register"),
                }
            }
            CpuEvent::StackAligned { rsp } => write!(f, "stack pointer aligned to {rsp:#x}"),
            CpuEvent::Pushed { item, value, at } => write!(f, "push {item:?} {value:#x} at {at:#x}"),
            CpuEvent::Popped { item, value, at } => write!(f, "pop {item:?} {value:#x} from {at:#x}"),
            CpuEvent::FlagsChanged { old, new } => {
                write!(f, "rflags {:#x} -> {:#x} ({})", old.bits(), new.bits(), flag_changes(old, new))
            }
            CpuEvent::FlagsKept { asked, kept } => {
                write!(f, "rflags: {} asked for, silently left as it was", flag_changes(kept, asked))
            }
            CpuEvent::RingChanged { from, to } => write!(f, "ring {from} -> {to}"),
            CpuEvent::Jumped { cs, rip } => write!(f, "go on at {cs}:{rip:#x}"),
            CpuEvent::Saved { is_flags: false, value } => write!(f, "rcx <- return address {value:#x}"),
            CpuEvent::Saved { is_flags: true, value } => write!(f, "r11 <- rflags {value:#x}"),
            CpuEvent::SegmentLoaded { register, selector } => write!(f, "{register} <- {selector}"),
            CpuEvent::SegmentNulled { register, dpl } => {
                write!(f, "{register} <- null: its DPL {dpl} is further in than the new ring")
            }
            CpuEvent::ControlRegisterWritten { register, old, new } => write!(f, "{register} {old:#x} -> {new:#x}"),
            CpuEvent::MsrWritten { msr, old, new } => write!(f, "{msr} {old:#x} -> {new:#x}"),
            CpuEvent::TableLoaded { table, base, limit } => {
                write!(f, "{table:?} register: base {base:#x}, limit {limit:#x}")
            }
            CpuEvent::GsSwapped { gs_base } => write!(f, "GS_BASE and KERNEL_GS_BASE exchanged: GS_BASE {gs_base:#x}"),
            CpuEvent::Raised(exception) => write!(f, "{exception}"),
            CpuEvent::Cr2Written { address } => write!(f, "cr2 <- {address:#x}"),
            CpuEvent::DoubleFault { first, second } => write!(f, "{second} while delivering {first}: double fault"),
            CpuEvent::TripleFault => f.write_str("triple fault: shutdown"),
            CpuEvent::Exited(cause) => write!(f, "exit: {cause:?}"),
            CpuEvent::Halted => f.write_str("halted"),
        }
    }
}

fn flag_changes(old: Rflags, new: Rflags) -> String {
    let mut changes: Vec<String> = (old ^ new)
        .iter_names()
        .filter(|(name, _)| *name != "IOPL")
        .map(|(name, flag)| format!("{name}={}", u8::from(new.contains(flag))))
        .collect();
    if old.iopl() != new.iopl() {
        changes.push(format!("IOPL={}", new.iopl()));
    }
    changes.join(" ")
}
