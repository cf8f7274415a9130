//! What an instruction meets on a platform: which ring it really runs in, and who deals with what does not run.

use super::{Outcome, Row};
use crate::cpu::control::ControlRegister;
use crate::cpu::exception::Vector;
use crate::cpu::instruction::{Class, Instruction, Opcode, Operand, Register};
use crate::cpu::{Exception, Mode};
use std::fmt;
use std::str::FromStr;
use thiserror::Error;

/// A platform of the console.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum ConsolePlatform {
    /// The bare machine.
    Native,
    /// A process in a container: ring 3 of the bare machine.
    Container,
    /// A guest of KVM with EPT or NPT.
    KvmEpt,
    /// A guest of KVM with shadow page tables.
    KvmShadow,
    /// A guest of a VMM that translates the guest's kernel, in VMware's manner.
    Bt,
    /// A guest of an emulator: nothing runs natively.
    Emulated,
    /// User-mode Linux: a kernel as a process.
    Uml,
    /// A paravirtual guest of Xen on x86-32: its kernel in ring 1.
    XenPv32,
    /// A paravirtual guest of Xen on x86-64: its kernel in ring 3.
    XenPv64,
    /// A guest of Xen with VT-x or AMD-V.
    XenHvm,
    /// A guest on an imaginary x86 on which every sensitive instruction traps outside ring 0.
    TrapAndEmulate,
}

/// All platforms with their names.
pub const PLATFORMS: [(ConsolePlatform, &str); 11] = [
    (ConsolePlatform::Native, "native"),
    (ConsolePlatform::Container, "container"),
    (ConsolePlatform::KvmEpt, "kvm-ept"),
    (ConsolePlatform::KvmShadow, "kvm-shadow"),
    (ConsolePlatform::Bt, "bt"),
    (ConsolePlatform::Emulated, "emulated"),
    (ConsolePlatform::Uml, "uml"),
    (ConsolePlatform::XenPv32, "xen-pv32"),
    (ConsolePlatform::XenPv64, "xen-pv64"),
    (ConsolePlatform::XenHvm, "xen-hvm"),
    (ConsolePlatform::TrapAndEmulate, "trap-and-emulate"),
];

/// There is no such platform.
#[derive(Clone, PartialEq, Eq, Debug, Error)]
#[error("there is no platform '{0}'; there are: {names}", names = PLATFORMS.map(|(_, name)| name).join(", "))]
pub struct UnknownPlatform(String);

impl FromStr for ConsolePlatform {
    type Err = UnknownPlatform;

    fn from_str(name: &str) -> Result<Self, UnknownPlatform> {
        // `xen-pv` alone is today's.
        let wanted = if name == "xen-pv" { "xen-pv64" } else { name };
        let found = PLATFORMS.iter().find(|(_, known)| *known == wanted);
        found.map(|(platform, _)| *platform).ok_or_else(|| UnknownPlatform(name.to_owned()))
    }
}

impl fmt::Display for ConsolePlatform {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = PLATFORMS.iter().find(|(platform, _)| platform == self).map_or("?", |(_, name)| name);
        f.write_str(name)
    }
}

impl ConsolePlatform {
    /// The ring that a program runs in when none is named: the one in which the guest's kernel believes to be, and
    /// ring 3 where there is only user mode.
    #[must_use]
    pub fn default_ring(self) -> u8 {
        match self {
            ConsolePlatform::Container | ConsolePlatform::Uml => 3,
            _ => 0,
        }
    }

    /// The ring in which code of the guest's ring `ring` really runs.
    #[must_use]
    pub fn real_ring(self, ring: u8) -> u8 {
        match self {
            ConsolePlatform::Uml | ConsolePlatform::XenPv64 => 3,
            ConsolePlatform::XenPv32 | ConsolePlatform::TrapAndEmulate => ring.max(1),
            _ => ring,
        }
    }

    /// Whether the code runs on the processor with a hypervisor beside it that the processor knows of.
    #[must_use]
    pub fn is_hardware_assisted(self) -> bool {
        matches!(self, ConsolePlatform::KvmEpt | ConsolePlatform::KvmShadow | ConsolePlatform::XenHvm)
    }

    /// Whether code of a ring belongs to the guest's kernel. Xen's and VMware's guests believe to be in ring 0 and
    /// really are in ring 1, so both name the same.
    #[must_use]
    pub fn is_guest_kernel(self, ring: u8) -> bool {
        match self {
            ConsolePlatform::Bt
            | ConsolePlatform::XenPv32
            | ConsolePlatform::XenPv64
            | ConsolePlatform::TrapAndEmulate
            | ConsolePlatform::Emulated => ring < 3,
            _ => false,
        }
    }

    /// The mode that the platform's guests run in.
    #[must_use]
    pub fn default_mode(self) -> Mode {
        match self {
            ConsolePlatform::XenPv32 => Mode::Protected,
            _ => Mode::Long,
        }
    }
}

/// Whether what a kernel means by the instruction depends on its privilege.
#[must_use]
pub fn is_sensitive(instruction: &Instruction) -> bool {
    !matches!(instruction.opcode.row().class, Class::Innocuous | Class::Transition)
        || matches!(instruction.opcode, Opcode::Iret | Opcode::Syscall | Opcode::Sysenter)
}

/// What the platform's software makes of an instruction of the guest's kernel, given what the processor made of it.
pub fn below(platform: ConsolePlatform, ring: u8, instruction: &Instruction, row: &mut Row) {
    let is_kernel = platform.is_guest_kernel(ring);
    match platform {
        ConsolePlatform::Bt if is_kernel => translated(instruction, row),
        ConsolePlatform::Bt => row.remark("user code runs directly, untranslated"),
        ConsolePlatform::Emulated => emulated(row),
        ConsolePlatform::TrapAndEmulate => trapped(instruction, row, is_kernel),
        ConsolePlatform::XenPv32 | ConsolePlatform::XenPv64 if is_kernel => xen(platform, instruction, row),
        ConsolePlatform::XenPv32 | ConsolePlatform::XenPv64 => xen_user(platform, instruction, row),
        ConsolePlatform::Uml => uml(instruction, row),
        ConsolePlatform::XenHvm if row.outcome == Outcome::Exit => {
            row.remark("the controls are those that KVM uses; Xen's own choice is not modelled");
        }
        _ => {}
    }
}

/// Adams and Agesen, ASPLOS 2006, section 3: most kernel code is translated identically; the rest becomes calls to the
/// VMM or short sequences on the virtual processor's state.
fn translated(instruction: &Instruction, row: &mut Row) {
    use Opcode::*;
    let note = match instruction.opcode {
        Cli => "inline: clears IF of the virtual processor in memory, no trap",
        Sti => "inline: sets IF of the virtual processor and looks for a pending interrupt",
        Pushf => "inline: pushes the virtual flags",
        Popf => "callout: takes IF and IOPL into the virtual flags, nothing is lost",
        Iret => "callout: the VMM checks the frame and switches the virtual ring",
        Call | Ret | Jmp => "the target is an address of the guest: looked up in the translation cache",
        CallFar | JmpFar | RetFar | Int | Int3 | Syscall | Sysenter | Sysret | Sysexit => {
            "callout: the VMM does the transition on the virtual processor"
        }
        Sgdt | Sidt | Sldt | Str | Smsw => "callout: stores the guest's own register, not the processor's",
        PushSegment | PopSegment | MovFromSegment | MovToSegment | Lar | Lsl | Verr | Verw => {
            "inline: works on the virtual selectors and descriptors, with the virtual ring"
        }
        MovToCr if is_cr(instruction, ControlRegister::Cr8) => "inline: writes the virtual task priority, no trap",
        MovToCr if is_cr(instruction, ControlRegister::Cr3) => {
            "callout: the VMM switches to the shadow of the new table"
        }
        MovToCr | Lmsw | Clts => "callout: the VMM changes the virtual register and what follows from it",
        MovFromCr | MovFromDr | MovToDr => "inline: the virtual register in memory",
        In | Out | Ins | Outs => "callout: the device is emulated in the VMM, without a trap",
        Hlt => "callout: the VMM gives the processor away until an interrupt",
        Cpuid | Rdtsc | Rdtscp | Rdmsr | Wrmsr | Rdpmc | Rdrand | Rdseed => {
            "callout: the VMM answers for the virtual processor"
        }
        Invlpg | Invpcid => "callout: the VMM drops the shadow entry",
        _ if is_sensitive(instruction) => "callout: the VMM emulates it",
        _ => {
            row.remark("identical translation: the same instruction, in the translation cache");
            return;
        }
    };
    match row.outcome {
        // What faults on the virtual processor is delivered by the VMM.
        Outcome::Fault => row.remark("found by the VMM and delivered to the guest"),
        _ => row.become_outcome(Outcome::Translated, note),
    }
    row.citation = "Adams and Agesen, ASPLOS 2006, 3 \"Software virtualization\"";
}

fn is_cr(instruction: &Instruction, wanted: ControlRegister) -> bool {
    instruction.operands.contains(&Operand::Register(Register::Control(wanted)))
}

fn emulated(row: &mut Row) {
    match row.outcome {
        Outcome::Executed => row.become_outcome(Outcome::Emulated, "on the emulated processor; nothing runs natively"),
        _ => row.remark("on the emulated processor, as the architecture has it"),
    }
}

fn trapped(instruction: &Instruction, row: &mut Row, is_kernel: bool) {
    if !is_sensitive(instruction) {
        return;
    }
    row.citation = "Popek and Goldberg, CACM 17(7), 1974, theorem 1";
    if is_kernel {
        row.become_outcome(Outcome::Exit, "traps to the VMM, which emulates it on the virtual processor");
        row.exit_reason = Some(format!("trap of {}", instruction.mnemonic));
        row.exception = None;
        row.error_code = None;
    } else if row.outcome == Outcome::Fault {
        row.remark("traps to the VMM, which reflects the fault to the guest's kernel");
    }
}

/// `xen/arch/x86/pv/emul-priv-op.c`: what Xen emulates for a paravirtual kernel; the rest goes back as a fault.
fn xen(platform: ConsolePlatform, instruction: &Instruction, row: &mut Row) {
    use Opcode::*;
    row.citation = "Xen, arch/x86/pv/emul-priv-op.c";
    let hypercall = match (platform, instruction.opcode) {
        (ConsolePlatform::XenPv64, Syscall) => true,
        (ConsolePlatform::XenPv32, Int) => instruction.operands.first() == Some(&Operand::Immediate(0x82)),
        _ => false,
    };
    if hypercall {
        row.exception = None;
        row.error_code = None;
        return row.become_outcome(Outcome::Hypercall, "to Xen: the number is in RAX");
    }
    let is_gp = row.exception.as_deref() == Some("#GP");
    match instruction.opcode {
        Cli | Sti if row.outcome == Outcome::Fault => {
            row.exception = None;
            row.error_code = None;
            row.become_outcome(
                Outcome::Ignored,
                "Xen accepts it and does nothing: events are masked by evtchn_upcall_mask, not by IF",
            );
        }
        In | Out | Ins | Outs if is_gp => {
            row.remark(
                "Xen does it for a domain that has the port; this one has none, and the fault goes to the guest",
            );
        }
        MovToCr if is_gp => {
            row.emulated_by_xen("Xen does it; of CR0 only TS may change. A paravirtual kernel uses a hypercall")
        }
        Clts | MovFromCr | MovToDr | MovFromDr | Rdmsr | Wrmsr | Xsetbv | Rdtsc | Rdtscp if is_gp => {
            row.emulated_by_xen("Xen does it on the virtual processor");
        }
        Wbinvd if is_gp => row.emulated_by_xen("ignored by Xen without access to hardware"),
        _ if row.outcome == Outcome::Fault => row.remark("Xen gives the fault back to the guest's kernel"),
        _ => row.citation = instruction.opcode.row().citation,
    }
}

fn xen_user(platform: ConsolePlatform, instruction: &Instruction, row: &mut Row) {
    match (platform, instruction.opcode) {
        (ConsolePlatform::XenPv64, Opcode::Syscall) => {
            row.remark("enters Xen, which switches page tables and goes to the guest's kernel: two crossings");
        }
        _ if row.outcome == Outcome::Fault => row.remark("Xen gives the fault to the guest's kernel"),
        _ => {}
    }
}

/// A fault in a process is a signal; a system call of a program under user-mode Linux stops it for its tracer.
fn uml(instruction: &Instruction, row: &mut Row) {
    let is_call = matches!(instruction.opcode, Opcode::Syscall | Opcode::Sysenter)
        || instruction.opcode == Opcode::Int && instruction.operands.first() == Some(&Operand::Immediate(0x80));
    if is_call && row.outcome == Outcome::Executed {
        row.become_outcome(
            Outcome::Exit,
            "the host stops the process; the kernel, its tracer, reads the registers and does the call",
        );
        row.exit_reason = Some("ptrace system-call stop".to_owned());
        row.citation = "Linux 6.12, arch/um/os-Linux/skas/process.c; ptrace(2), PTRACE_SYSEMU";
    } else if let (Outcome::Fault, Some(exception)) = (row.outcome, row.raised) {
        row.remark(signal(exception));
    }
}

/// The signal that a fault becomes for a process of Linux.
fn signal(exception: Exception) -> &'static str {
    match exception.vector {
        Vector::UD => "SIGILL to the process, for which the kernel itself is one",
        Vector::DE => "SIGFPE to the process, for which the kernel itself is one",
        Vector::DB | Vector::BP => "SIGTRAP to the process, for which the kernel itself is one",
        Vector::AC => "SIGBUS to the process, for which the kernel itself is one",
        _ => "SIGSEGV to the process, for which the kernel itself is one",
    }
}
