//! #VMEXIT codes: why a guest left guest mode on AMD-V.
//!
//! Source for this file: AMD64 APM vol. 2 rev. 3.30 (24593, September 2018), appendix C, table C-1; 0x8e, 0x8f,
//! 0x90 to 0x9f, 0xa2 and 0x403 from Linux 6.12 `arch/x86/include/uapi/asm/svm.h`, which also gives the short
//! names, those of KVM's trace events (a space is written `_` here). VT-x's reasons are in `vmx::exit_reason`.

use crate::cpu::control::ControlRegister;
use crate::cpu::sensitive::{Cause, DescriptorTable, SvmInstruction};
use crate::vmx::interruption::exception_name;
use serde::{Deserialize, Serialize};

/// The EXITCODE field of a VMCB.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Serialize, Deserialize)]
pub struct ExitCode(pub u64);

/// A row of the table: one code, or a range of them for numbered registers and vectors.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct ExitCodeRow {
    /// The first code.
    pub first: u64,
    /// The last code, the same as the first where it is one.
    pub last: u64,
    /// The manual's name; a range has `n` for the number.
    pub name: &'static str,
    /// What makes it.
    pub cause: &'static str,
    /// The name in KVM's trace events; `{}` stands for the number or the exception.
    pub linux: &'static str,
}

macro_rules! exit_codes {
    ($($constant:ident = $first:literal $(..= $last:literal)?, $name:literal, $cause:literal, $linux:literal;)+) => {
        impl ExitCode {
            $(#[doc = $cause] pub const $constant: ExitCode = ExitCode($first);)+
        }

        /// Every row, by code.
        pub const EXIT_CODES: &[ExitCodeRow] = &[$(ExitCodeRow {
            first: $first,
            last: last_of(&[$first $(, $last)?]),
            name: $name,
            cause: $cause,
            linux: $linux,
        },)+];
    };
}

const fn last_of(ends: &[u64]) -> u64 {
    ends[ends.len() - 1]
}

exit_codes! {
    CR_READ        = 0x00 ..= 0x0f, "VMEXIT_CRn_READ", "read of CR0 to CR15", "read_cr{}";
    CR_WRITE       = 0x10 ..= 0x1f, "VMEXIT_CRn_WRITE", "write of CR0 to CR15", "write_cr{}";
    DR_READ        = 0x20 ..= 0x2f, "VMEXIT_DRn_READ", "read of DR0 to DR15", "read_dr{}";
    DR_WRITE       = 0x30 ..= 0x3f, "VMEXIT_DRn_WRITE", "write of DR0 to DR15", "write_dr{}";
    EXCEPTION      = 0x40 ..= 0x5f, "VMEXIT_EXCPn", "exception vector 0 to 31", "{}_excp";
    INTR           = 0x60, "VMEXIT_INTR", "physical maskable interrupt", "interrupt";
    NMI            = 0x61, "VMEXIT_NMI", "physical NMI", "nmi";
    SMI            = 0x62, "VMEXIT_SMI", "physical SMI", "smi";
    INIT           = 0x63, "VMEXIT_INIT", "physical INIT", "init";
    VINTR          = 0x64, "VMEXIT_VINTR", "virtual maskable interrupt", "vintr";
    CR0_SEL_WRITE  = 0x65, "VMEXIT_CR0_SEL_WRITE", "write of CR0 that changes bits other than TS or MP", "cr0_sel_write";
    IDTR_READ      = 0x66, "VMEXIT_IDTR_READ", "SIDT", "read_idtr";
    GDTR_READ      = 0x67, "VMEXIT_GDTR_READ", "SGDT", "read_gdtr";
    LDTR_READ      = 0x68, "VMEXIT_LDTR_READ", "SLDT", "read_ldtr";
    TR_READ        = 0x69, "VMEXIT_TR_READ", "STR", "read_rt";
    IDTR_WRITE     = 0x6a, "VMEXIT_IDTR_WRITE", "LIDT", "write_idtr";
    GDTR_WRITE     = 0x6b, "VMEXIT_GDTR_WRITE", "LGDT", "write_gdtr";
    LDTR_WRITE     = 0x6c, "VMEXIT_LDTR_WRITE", "LLDT", "write_ldtr";
    TR_WRITE       = 0x6d, "VMEXIT_TR_WRITE", "LTR", "write_rt";
    RDTSC          = 0x6e, "VMEXIT_RDTSC", "RDTSC", "rdtsc";
    RDPMC          = 0x6f, "VMEXIT_RDPMC", "RDPMC", "rdpmc";
    PUSHF          = 0x70, "VMEXIT_PUSHF", "PUSHF", "pushf";
    POPF           = 0x71, "VMEXIT_POPF", "POPF", "popf";
    CPUID          = 0x72, "VMEXIT_CPUID", "CPUID", "cpuid";
    RSM            = 0x73, "VMEXIT_RSM", "RSM", "rsm";
    IRET           = 0x74, "VMEXIT_IRET", "IRET", "iret";
    SWINT          = 0x75, "VMEXIT_SWINT", "INT n", "swint";
    INVD           = 0x76, "VMEXIT_INVD", "INVD", "invd";
    PAUSE          = 0x77, "VMEXIT_PAUSE", "PAUSE", "pause";
    HLT            = 0x78, "VMEXIT_HLT", "HLT", "hlt";
    INVLPG         = 0x79, "VMEXIT_INVLPG", "INVLPG", "invlpg";
    INVLPGA        = 0x7a, "VMEXIT_INVLPGA", "INVLPGA", "invlpga";
    IOIO           = 0x7b, "VMEXIT_IOIO", "IN, OUT, INS or OUTS to an intercepted port", "io";
    MSR            = 0x7c, "VMEXIT_MSR", "RDMSR or WRMSR of an intercepted MSR", "msr";
    TASK_SWITCH    = 0x7d, "VMEXIT_TASK_SWITCH", "task switch", "task_switch";
    FERR_FREEZE    = 0x7e, "VMEXIT_FERR_FREEZE", "FP legacy handling enabled, processor frozen", "ferr_freeze";
    SHUTDOWN       = 0x7f, "VMEXIT_SHUTDOWN", "shutdown: a triple fault", "shutdown";
    VMRUN          = 0x80, "VMEXIT_VMRUN", "VMRUN", "vmrun";
    VMMCALL        = 0x81, "VMEXIT_VMMCALL", "VMMCALL", "hypercall";
    VMLOAD         = 0x82, "VMEXIT_VMLOAD", "VMLOAD", "vmload";
    VMSAVE         = 0x83, "VMEXIT_VMSAVE", "VMSAVE", "vmsave";
    STGI           = 0x84, "VMEXIT_STGI", "STGI", "stgi";
    CLGI           = 0x85, "VMEXIT_CLGI", "CLGI", "clgi";
    SKINIT         = 0x86, "VMEXIT_SKINIT", "SKINIT", "skinit";
    RDTSCP         = 0x87, "VMEXIT_RDTSCP", "RDTSCP", "rdtscp";
    ICEBP          = 0x88, "VMEXIT_ICEBP", "ICEBP", "icebp";
    WBINVD         = 0x89, "VMEXIT_WBINVD", "WBINVD", "wbinvd";
    MONITOR        = 0x8a, "VMEXIT_MONITOR", "MONITOR", "monitor";
    MWAIT          = 0x8b, "VMEXIT_MWAIT", "MWAIT", "mwait";
    MWAIT_COND     = 0x8c, "VMEXIT_MWAIT_CONDITIONAL", "MWAIT with the monitor armed", "mwait";
    XSETBV         = 0x8d, "VMEXIT_XSETBV", "XSETBV", "xsetbv";
    RDPRU          = 0x8e, "VMEXIT_RDPRU", "RDPRU", "rdpru";
    EFER_TRAP      = 0x8f, "VMEXIT_EFER_WRITE_TRAP", "write of EFER, after it", "write_efer_trap";
    CR_TRAP        = 0x90 ..= 0x9f, "VMEXIT_CRn_WRITE_TRAP", "write of CR0 to CR15, after it", "write_cr{}_trap";
    INVPCID        = 0xa2, "VMEXIT_INVPCID", "INVPCID", "invpcid";
    NPF            = 0x400, "VMEXIT_NPF", "nested page fault", "npf";
    AVIC_INCOMPLETE_IPI = 0x401, "AVIC_INCOMPLETE_IPI", "AVIC: the IPI could not be delivered wholly", "avic_incomplete_ipi";
    AVIC_NOACCEL   = 0x402, "AVIC_NOACCEL", "AVIC: an access that is not accelerated", "avic_unaccelerated_access";
    VMGEXIT        = 0x403, "VMEXIT_VMGEXIT", "VMGEXIT", "vmgexit";
    INVALID        = 0xffff_ffff_ffff_ffff, "VMEXIT_INVALID", "invalid guest state in the VMCB", "invalid_guest_state";
}

impl ExitCode {
    /// The code of a read or write of a control register.
    pub fn cr(number: u8, is_write: bool) -> ExitCode {
        ExitCode(if is_write { 0x10 } else { 0 } + u64::from(number & 15))
    }

    /// The code of a read or write of a debug register.
    pub fn dr(number: u8, is_write: bool) -> ExitCode {
        ExitCode(if is_write { 0x30 } else { 0x20 } + u64::from(number & 15))
    }

    /// The code of an exception.
    pub fn exception(vector: u8) -> ExitCode {
        ExitCode(0x40 + u64::from(vector & 31))
    }

    /// Its row, if the table has one.
    pub fn row(self) -> Option<&'static ExitCodeRow> {
        EXIT_CODES.iter().find(|row| (row.first..=row.last).contains(&self.0))
    }

    /// The manual's name, with the number in it.
    pub fn name(self) -> String {
        match self.row() {
            Some(row) if row.first == row.last => row.name.into(),
            Some(row) => row.name.replacen('n', &(self.0 - row.first).to_string(), 1),
            None => format!("{:#x}", self.0),
        }
    }

    /// The name in KVM's trace events.
    pub fn linux_name(self) -> String {
        match self.row() {
            Some(row) if row.first == ExitCode::EXCEPTION.0 => {
                // Linux calls vector 19 XF here, as AMD does.
                let name = exception_name((self.0 - row.first) as u8).trim_start_matches('#').replace("XM", "XF");
                row.linux.replace("{}", &name)
            }
            Some(row) => row.linux.replace("{}", &(self.0 - row.first).to_string()),
            None => format!("{:#x}", self.0),
        }
    }
}

/// EXITINFO1 of a nested page fault (APM 15.25.6): bits like a page fault's error code, and where it happened.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct NestedPageFault {
    /// Bit 0: the nested entry was present.
    pub is_present: bool,
    /// Bit 1: the access was a write.
    pub is_write: bool,
    /// Bit 2: it counted as a user access; guest-physical accesses always do.
    pub is_user: bool,
    /// Bit 3: a reserved bit was set.
    pub is_reserved: bool,
    /// Bit 4: it was an instruction fetch.
    pub is_fetch: bool,
    /// Bit 33: it happened during the walk of the guest's tables; otherwise, bit 32, at the final address.
    pub is_table_walk: bool,
}

impl NestedPageFault {
    /// The 64-bit field.
    pub fn encode(self) -> u64 {
        u64::from(self.is_present)
            | u64::from(self.is_write) << 1
            | u64::from(self.is_user) << 2
            | u64::from(self.is_reserved) << 3
            | u64::from(self.is_fetch) << 4
            | if self.is_table_walk { 1 << 33 } else { 1 << 32 }
    }

    /// What a field says.
    pub fn decode(field: u64) -> Self {
        let bit = |number: u32| field >> number & 1 != 0;
        NestedPageFault {
            is_present: bit(0),
            is_write: bit(1),
            is_user: bit(2),
            is_reserved: bit(3),
            is_fetch: bit(4),
            is_table_walk: bit(33),
        }
    }
}

impl ExitCode {
    /// The exit code of a cause; `None` for what does not exit on AMD-V.
    #[must_use]
    pub fn of(cause: &Cause) -> Option<ExitCode> {
        let table = |table: &DescriptorTable, is_store: bool| match (table, is_store) {
            (DescriptorTable::Idt, true) => ExitCode::IDTR_READ,
            (DescriptorTable::Gdt, true) => ExitCode::GDTR_READ,
            (DescriptorTable::Ldt, true) => ExitCode::LDTR_READ,
            (DescriptorTable::Task, true) => ExitCode::TR_READ,
            (DescriptorTable::Idt, false) => ExitCode::IDTR_WRITE,
            (DescriptorTable::Gdt, false) => ExitCode::GDTR_WRITE,
            (DescriptorTable::Ldt, false) => ExitCode::LDTR_WRITE,
            (DescriptorTable::Task, false) => ExitCode::TR_WRITE,
        };
        Some(match cause {
            Cause::Cpuid { .. } => ExitCode::CPUID,
            Cause::Hlt => ExitCode::HLT,
            Cause::Pause => ExitCode::PAUSE,
            Cause::Invd => ExitCode::INVD,
            Cause::Wbinvd => ExitCode::WBINVD,
            Cause::Monitor => ExitCode::MONITOR,
            Cause::Mwait => ExitCode::MWAIT,
            Cause::Rdtsc => ExitCode::RDTSC,
            Cause::Rdtscp => ExitCode::RDTSCP,
            Cause::Rdpmc => ExitCode::RDPMC,
            Cause::RdMsr { .. } | Cause::WrMsr { .. } => ExitCode::MSR,
            Cause::MovToCr { cr: ControlRegister::Cr0, .. } | Cause::Lmsw { .. } => ExitCode::CR0_SEL_WRITE,
            Cause::MovToCr { cr, .. } => ExitCode::cr(cr.number(), true),
            Cause::MovFromCr { cr, .. } => ExitCode::cr(cr.number(), false),
            Cause::Smsw => ExitCode::cr(0, false),
            Cause::Clts => ExitCode::cr(0, true),
            Cause::MovToDr { dr, .. } => ExitCode::dr(*dr, true),
            Cause::MovFromDr { dr, .. } => ExitCode::dr(*dr, false),
            Cause::Io { .. } => ExitCode::IOIO,
            Cause::Invlpg { .. } => ExitCode::INVLPG,
            Cause::Invpcid { .. } => ExitCode::INVPCID,
            Cause::Xsetbv { .. } => ExitCode::XSETBV,
            Cause::Rsm => ExitCode::RSM,
            Cause::Vmmcall => ExitCode::VMMCALL,
            Cause::Svm(instruction) => match instruction {
                SvmInstruction::Vmrun => ExitCode::VMRUN,
                SvmInstruction::Vmload => ExitCode::VMLOAD,
                SvmInstruction::Vmsave => ExitCode::VMSAVE,
                SvmInstruction::Stgi => ExitCode::STGI,
                SvmInstruction::Clgi => ExitCode::CLGI,
                SvmInstruction::Skinit => ExitCode::SKINIT,
                SvmInstruction::Invlpga => ExitCode::INVLPGA,
            },
            Cause::DescriptorTable { table: which, is_store } => table(which, *is_store),
            Cause::Pushf => ExitCode::PUSHF,
            Cause::Popf => ExitCode::POPF,
            Cause::Iret => ExitCode::IRET,
            Cause::Int { .. } => ExitCode::SWINT,
            Cause::TaskSwitch { .. } => ExitCode::TASK_SWITCH,
            Cause::Exception(exception) => ExitCode::exception(exception.vector.0),
            Cause::ExternalInterrupt { .. } => ExitCode::INTR,
            Cause::Nmi => ExitCode::NMI,
            Cause::Init => ExitCode::INIT,
            Cause::InterruptWindow => ExitCode::VINTR,
            Cause::TripleFault => ExitCode::SHUTDOWN,
            Cause::NestedFault(_) => ExitCode::NPF,
            _ => return None,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_have_the_names_of_their_numbers() {
        assert_eq!(ExitCode(0x4e).name(), "VMEXIT_EXCP14");
        assert_eq!(ExitCode(0x4e).linux_name(), "PF_excp");
        assert_eq!(ExitCode(0x46).linux_name(), "UD_excp");
        assert_eq!(ExitCode::cr(3, true).linux_name(), "write_cr3");
        assert_eq!(ExitCode::dr(7, true).linux_name(), "write_dr7");
        assert_eq!(ExitCode::VMMCALL.linux_name(), "hypercall");
        assert_eq!(ExitCode(0x500).name(), "0x500");
    }

    #[test]
    fn rows_do_not_overlap() {
        assert!(EXIT_CODES.windows(2).all(|pair| pair[0].last < pair[1].first));
    }

    #[test]
    fn nested_page_faults_come_back_from_their_field() {
        for field in [0x1_0000_000e_u64, 0x1_0000_0004, 0x2_0000_0006, 0x1_0000_0014] {
            assert_eq!(NestedPageFault::decode(field).encode(), field);
        }
    }
}
