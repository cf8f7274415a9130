//! The checks of privilege and mode that an instruction goes through before it does anything.

use crate::cpu::control::{Cr0, Cr4, Efer};
use crate::cpu::{Cpu, Exception, Mode, Operation, Rflags, Vector, Vendor};

/// One check; a row of the [table](super::table) has them in the processor's order.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Check {
    /// `#GP(0)` outside ring 0.
    Ring0,
    /// `#UD` outside ring 0.
    Ring0OrUd,
    /// `#GP(0)` when CPL > IOPL (CLI and STI; with CR4.PVI in ring 3 they change VIF instead).
    Iopl,
    /// `#GP(0)` when CPL > IOPL (or in virtual-8086 mode) and the I/O bitmap of the TSS refuses the port.
    IoPermission,
    /// `#GP(0)` in virtual-8086 mode when IOPL < 3.
    Virtual8086Iopl,
    /// `#UD` unless the bit is set.
    NeedsCr4(Cr4),
    /// `#GP(0)` outside ring 0 while the bit is set.
    Ring0IfCr4(Cr4),
    /// `#GP(0)` outside ring 0 unless the bit is set.
    Ring0UnlessCr4(Cr4),
    /// `#UD` unless the bit is set.
    NeedsEfer(Efer),
    /// `#UD` in real and virtual-8086 mode.
    ProtectedOrUd,
    /// `#GP(0)` in real mode.
    ProtectedOrGp,
    /// `#UD` outside 64-bit mode.
    LongOrUd,
    /// `#UD` in 64-bit mode.
    NotLongOrUd,
    /// `#UD` outside 64-bit mode on Intel, in real mode never on AMD: where SYSCALL and SYSRET are.
    SyscallMode,
    /// `#UD` in long mode on AMD: where SYSENTER and SYSEXIT are not.
    SysenterMode,
    /// `#UD` outside system-management mode, in which this model never is.
    SmmOrUd,
    /// `#UD` unless VMX is where the instruction needs it.
    VmxOr(VmxNeed),
    /// `#UD` unless EFER.SVME is set on a processor with SVM, in protected mode.
    SvmOrUd,
    /// `#NM` while CR0.TS or CR0.EM is set.
    TaskSwitched,
    /// `#UD`, whatever the state.
    Never,
    /// Here an exit happens, if there is one to happen.
    Intercept,
}

/// What an instruction of VT-x needs.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum VmxNeed {
    /// CR4.VMXE and a mode in which VMX can be.
    Enabled,
    /// VMX operation, and such a mode.
    On,
    /// VMX operation, in whatever mode: VMCALL.
    Call,
    /// VMX non-root operation: VMFUNC.
    NonRoot,
}

impl Check {
    /// Makes the check. [`Check::Intercept`] and [`Check::IoPermission`], which need more than the processor's
    /// state, pass here; execution makes them.
    ///
    /// # Errors
    /// The exception that the check gives.
    pub fn test(self, cpu: &Cpu) -> Result<(), Exception> {
        let mode = cpu.mode();
        let is_real = matches!(mode, Mode::Real | Mode::Virtual8086);
        let passes = match self {
            Check::Ring0 | Check::Ring0OrUd => cpu.cpl == 0,
            Check::Iopl => cpu.cpl <= cpu.iopl() || has_virtual_if(cpu),
            Check::Virtual8086Iopl => mode != Mode::Virtual8086 || cpu.iopl() == 3,
            Check::NeedsCr4(bit) => cpu.cr4.contains(bit),
            Check::Ring0IfCr4(bit) => cpu.cpl == 0 || !cpu.cr4.contains(bit),
            Check::Ring0UnlessCr4(bit) => cpu.cpl == 0 || cpu.cr4.contains(bit),
            Check::NeedsEfer(bit) => cpu.efer.contains(bit),
            Check::ProtectedOrUd => !is_real,
            Check::ProtectedOrGp => mode != Mode::Real,
            Check::LongOrUd => mode == Mode::Long,
            Check::NotLongOrUd => mode != Mode::Long,
            Check::SyscallMode => mode == Mode::Long || cpu.vendor == Vendor::Amd && !is_real,
            Check::SysenterMode => cpu.vendor == Vendor::Intel || !cpu.efer.contains(Efer::LMA),
            Check::VmxOr(need) => need.is_met(cpu),
            Check::SvmOrUd => cpu.vendor == Vendor::Amd && cpu.efer.contains(Efer::SVME) && !is_real,
            Check::TaskSwitched => !cpu.cr0.intersects(Cr0::TS | Cr0::EM),
            Check::SmmOrUd | Check::Never => false,
            Check::IoPermission | Check::Intercept => true,
        };
        if passes { Ok(()) } else { Err(self.exception()) }
    }

    /// What the check gives when it fails.
    #[must_use]
    pub fn exception(self) -> Exception {
        match self {
            Check::Ring0
            | Check::Iopl
            | Check::IoPermission
            | Check::Virtual8086Iopl
            | Check::Ring0IfCr4(_)
            | Check::Ring0UnlessCr4(_)
            | Check::ProtectedOrGp => Exception::GP0,
            Check::TaskSwitched => Exception::plain(Vector::NM),
            _ => Exception::UD,
        }
    }

    /// Why the check failed, in words.
    #[must_use]
    pub fn reason(self, cpu: &Cpu) -> String {
        let (cpl, iopl) = (cpu.cpl, cpu.iopl());
        match self {
            Check::Ring0 | Check::Ring0OrUd => format!("only in ring 0, this is ring {cpl}"),
            Check::Iopl => format!("CPL {cpl} > IOPL {iopl}"),
            Check::IoPermission => {
                format!("CPL {cpl} > IOPL {iopl}, and the I/O bitmap of the TSS does not allow the port")
            }
            Check::Virtual8086Iopl => format!("virtual-8086 mode with IOPL {iopl} < 3"),
            Check::NeedsCr4(bit) => format!("CR4.{} = 0", cr4_name(bit)),
            Check::Ring0IfCr4(bit) => format!("CR4.{} = 1, and this is ring {cpl}", cr4_name(bit)),
            Check::Ring0UnlessCr4(bit) => format!("CR4.{} = 0, and this is ring {cpl}", cr4_name(bit)),
            Check::NeedsEfer(bit) => {
                format!("EFER.{} = 0", bit.iter_names().next().map_or("?", |(name, _)| name))
            }
            Check::ProtectedOrUd | Check::ProtectedOrGp => "not in real mode".to_owned(),
            Check::LongOrUd => "only in 64-bit mode".to_owned(),
            Check::NotLongOrUd => "not in 64-bit mode".to_owned(),
            Check::SyscallMode => "Intel has it in 64-bit mode only".to_owned(),
            Check::SysenterMode => "AMD does not have it in long mode".to_owned(),
            Check::SmmOrUd => "only in system-management mode".to_owned(),
            Check::VmxOr(_) if cpu.vendor == Vendor::Amd => "a processor of AMD's has no VT-x".to_owned(),
            Check::VmxOr(VmxNeed::Enabled) => "CR4.VMXE = 0".to_owned(),
            Check::VmxOr(VmxNeed::NonRoot) => "only in VMX non-root operation".to_owned(),
            Check::VmxOr(_) => "not in VMX operation".to_owned(),
            Check::SvmOrUd if cpu.vendor == Vendor::Intel => "a processor of Intel's has no AMD-V".to_owned(),
            Check::SvmOrUd => "EFER.SVME = 0".to_owned(),
            Check::TaskSwitched => "CR0.TS = 1: the registers are another task's".to_owned(),
            Check::Never => "nobody intercepts it".to_owned(),
            Check::Intercept => String::new(),
        }
    }
}

/// Whether CLI and STI change VIF instead of IF: CR4.PVI in ring 3 of protected mode, CR4.VME in virtual-8086 mode
/// (SDM vol. 3, 20.4 "Protected-Mode Virtual Interrupts").
#[must_use]
pub fn has_virtual_if(cpu: &Cpu) -> bool {
    if cpu.cpl <= cpu.iopl() || cpu.cpl != 3 {
        return false;
    }
    let bit = if cpu.rflags.contains(Rflags::VM) { Cr4::VME } else { Cr4::PVI };
    cpu.cr4.contains(bit)
}

fn cr4_name(bit: Cr4) -> &'static str {
    bit.iter_names().next().map_or("?", |(name, _)| name)
}

impl VmxNeed {
    fn is_met(self, cpu: &Cpu) -> bool {
        if cpu.vendor != Vendor::Intel {
            return false;
        }
        let in_mode = matches!(cpu.mode(), Mode::Protected | Mode::Long);
        let is_on = cpu.operation != Operation::Off;
        match self {
            VmxNeed::Enabled => in_mode && (cpu.cr4.contains(Cr4::VMXE) || is_on),
            VmxNeed::On => in_mode && is_on,
            VmxNeed::Call => is_on,
            VmxNeed::NonRoot => cpu.operation == Operation::NonRoot,
        }
    }
}
