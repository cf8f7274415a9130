//! Exit qualifications: what more an exit says of its cause.
//!
//! Source for this file: Intel SDM vol. 3, June 2016 (325384-059US), §27.2.1, tables 27-1 to 27-7. Each kind of
//! qualification is a type with the fields by name, encoded and decoded here; [`describe`] says a field's value in
//! words, for those who look at a VMCS.

use super::exit_reason::ExitReason;
use serde::{Deserialize, Serialize};

/// How an instruction reached a control register: bits 5:4.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub enum CrAccessKind {
    /// MOV to CR.
    MovTo,
    /// MOV from CR.
    MovFrom,
    /// CLTS.
    Clts,
    /// LMSW with its source operand, 16 bits, and whether that is in memory.
    Lmsw {
        /// The source operand.
        data: u16,
        /// It came from memory.
        is_memory: bool,
    },
}

/// Qualification of reason 28, control-register access (table 27-3).
///
/// ```text
///  31          16 15 12 11    8  7  6  5  4 3      0
///  +-------------+-----+-------+---+--+-----+-------+
///  | LMSW source |     |  GPR  |   |mm| kind|  CR   |
///  +-------------+-----+-------+---+--+-----+-------+
/// ```
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct CrAccess {
    /// Number of the control register: 0, 3, 4 or 8.
    pub register: u8,
    /// How it was reached.
    pub kind: CrAccessKind,
    /// Number of the general register of a MOV (0 RAX, 1 RCX, ... 15 R15).
    pub general_register: u8,
}

impl CrAccess {
    /// The 64-bit field.
    pub fn encode(self) -> u64 {
        let register = u64::from(self.register) & 0xf;
        let general = u64::from(self.general_register) << 8;
        match self.kind {
            CrAccessKind::MovTo => register | general,
            CrAccessKind::MovFrom => register | 1 << 4 | general,
            CrAccessKind::Clts => 2 << 4,
            CrAccessKind::Lmsw { data, is_memory } => 3 << 4 | u64::from(is_memory) << 6 | u64::from(data) << 16,
        }
    }

    /// What a field says.
    pub fn decode(field: u64) -> Self {
        let kind = match field >> 4 & 3 {
            0 => CrAccessKind::MovTo,
            1 => CrAccessKind::MovFrom,
            2 => CrAccessKind::Clts,
            _ => CrAccessKind::Lmsw { data: (field >> 16) as u16, is_memory: field >> 6 & 1 != 0 },
        };
        CrAccess { register: (field & 0xf) as u8, kind, general_register: (field >> 8 & 0xf) as u8 }
    }
}

/// Qualification of reason 29, MOV DR (table 27-4): 2:0 register, 4 direction, 11:8 general register.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct DrAccess {
    /// Number of the debug register.
    pub register: u8,
    /// MOV from DR; otherwise MOV to DR.
    pub is_read: bool,
    /// Number of the general register.
    pub general_register: u8,
}

impl DrAccess {
    /// The 64-bit field.
    pub fn encode(self) -> u64 {
        u64::from(self.register & 7) | u64::from(self.is_read) << 4 | u64::from(self.general_register) << 8
    }

    /// What a field says.
    pub fn decode(field: u64) -> Self {
        DrAccess {
            register: (field & 7) as u8,
            is_read: field >> 4 & 1 != 0,
            general_register: (field >> 8 & 0xf) as u8,
        }
    }
}

/// Qualification of reason 30, I/O instruction (table 27-5).
///
/// ```text
///  31      16 15   7  6   5   4    3   2    0
///  +---------+-----+---+---+----+----+------+
///  |  port   |     |imm|REP|str | IN |size-1|
///  +---------+-----+---+---+----+----+------+
/// ```
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct IoAccess {
    /// Bytes an access: 1, 2 or 4.
    pub size: u8,
    /// IN or INS; otherwise OUT or OUTS.
    pub is_in: bool,
    /// INS or OUTS.
    pub is_string: bool,
    /// With a REP prefix.
    pub is_repeated: bool,
    /// The port is in the instruction, not in DX.
    pub is_immediate: bool,
    /// The port.
    pub port: u16,
}

impl IoAccess {
    /// The 64-bit field of VT-x.
    pub fn encode(self) -> u64 {
        u64::from(self.size.saturating_sub(1))
            | u64::from(self.is_in) << 3
            | u64::from(self.is_string) << 4
            | u64::from(self.is_repeated) << 5
            | u64::from(self.is_immediate) << 6
            | u64::from(self.port) << 16
    }

    /// What a field of VT-x says.
    pub fn decode(field: u64) -> Self {
        IoAccess {
            size: (field & 7) as u8 + 1,
            is_in: field >> 3 & 1 != 0,
            is_string: field >> 4 & 1 != 0,
            is_repeated: field >> 5 & 1 != 0,
            is_immediate: field >> 6 & 1 != 0,
            port: (field >> 16) as u16,
        }
    }

    /// EXITINFO1 of AMD-V for the same access (APM vol. 2 rev. 3.30, figure 15-2): 0 IN, 2 string, 3 REP, 4 to 6 the
    /// size, 7 to 9 the address size (64 bits here), 31:16 port.
    pub fn encode_svm(self) -> u64 {
        let size = match self.size {
            1 => 1 << 4,
            2 => 1 << 5,
            _ => 1 << 6,
        };
        u64::from(self.is_in)
            | u64::from(self.is_string) << 2
            | u64::from(self.is_repeated) << 3
            | size
            | 1 << 9
            | u64::from(self.port) << 16
    }
}

/// Qualification of reason 48, EPT violation (table 27-7).
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct EptViolation {
    /// Bit 0: the access was a read.
    pub is_read: bool,
    /// Bit 1: it was a write.
    pub is_write: bool,
    /// Bit 2: it was an instruction fetch.
    pub is_fetch: bool,
    /// Bit 3: every entry on the way allows reading.
    pub readable: bool,
    /// Bit 4: every entry allows writing.
    pub writable: bool,
    /// Bit 5: every entry allows fetching.
    pub executable: bool,
    /// Bit 7: the guest-linear address field is valid.
    pub linear_valid: bool,
    /// Bit 8: the access was to the final address; otherwise to a guest paging structure. Meaningful with bit 7.
    pub is_final: bool,
    /// Bit 12: NMI unblocking due to IRET.
    pub nmi_unblocking: bool,
}

impl EptViolation {
    /// The 64-bit field.
    pub fn encode(self) -> u64 {
        let bits = [
            (self.is_read, 0),
            (self.is_write, 1),
            (self.is_fetch, 2),
            (self.readable, 3),
            (self.writable, 4),
            (self.executable, 5),
            (self.linear_valid, 7),
            (self.is_final && self.linear_valid, 8),
            (self.nmi_unblocking, 12),
        ];
        bits.into_iter().fold(0, |field, (is_set, bit)| field | u64::from(is_set) << bit)
    }

    /// What a field says.
    pub fn decode(field: u64) -> Self {
        let bit = |number: u32| field >> number & 1 != 0;
        EptViolation {
            is_read: bit(0),
            is_write: bit(1),
            is_fetch: bit(2),
            readable: bit(3),
            writable: bit(4),
            executable: bit(5),
            linear_valid: bit(7),
            is_final: bit(8),
            nmi_unblocking: bit(12),
        }
    }
}

/// Qualification of reason 9, task switch (table 27-2).
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct TaskSwitch {
    /// Selector of the new task's TSS.
    pub selector: u16,
    /// 0 CALL, 1 IRET, 2 JMP, 3 a task gate in the IDT.
    pub source: u8,
}

impl TaskSwitch {
    /// The 64-bit field.
    pub fn encode(self) -> u64 {
        u64::from(self.selector) | u64::from(self.source & 3) << 30
    }

    /// What a field says.
    pub fn decode(field: u64) -> Self {
        TaskSwitch { selector: field as u16, source: (field >> 30 & 3) as u8 }
    }
}

/// Qualification of reason 44, APIC access (table 27-6): 11:0 offset, 15:12 kind.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct ApicAccess {
    /// Offset in the APIC-access page.
    pub offset: u16,
    /// 0 linear read, 1 linear write, 2 fetch, 3 event delivery; 10 and 15 are guest-physical.
    pub kind: u8,
}

impl ApicAccess {
    /// The 64-bit field.
    pub fn encode(self) -> u64 {
        u64::from(self.offset & 0xfff) | u64::from(self.kind & 0xf) << 12
    }

    /// What a field says.
    pub fn decode(field: u64) -> Self {
        ApicAccess { offset: (field & 0xfff) as u16, kind: (field >> 12 & 0xf) as u8 }
    }
}

/// A qualification in words; empty when a reason has none.
pub fn describe(reason: ExitReason, field: u64) -> String {
    match reason {
        ExitReason::CrAccess => {
            let access = CrAccess::decode(field);
            let (cr, gpr) = (access.register, general_register_name(access.general_register));
            match access.kind {
                CrAccessKind::MovTo => format!("mov cr{cr}, {gpr}"),
                CrAccessKind::MovFrom => format!("mov {gpr}, cr{cr}"),
                CrAccessKind::Clts => "clts".into(),
                CrAccessKind::Lmsw { data, .. } => format!("lmsw {data:#x}"),
            }
        }
        ExitReason::MovDr => {
            let access = DrAccess::decode(field);
            let (dr, gpr) = (access.register, general_register_name(access.general_register));
            if access.is_read { format!("mov {gpr}, dr{dr}") } else { format!("mov dr{dr}, {gpr}") }
        }
        ExitReason::IoInstruction => {
            let io = IoAccess::decode(field);
            let rep = if io.is_repeated { "rep " } else { "" };
            let name = match (io.is_in, io.is_string) {
                (true, false) => "in",
                (false, false) => "out",
                (true, true) => "ins",
                (false, true) => "outs",
            };
            let bytes = if io.size == 1 { "byte" } else { "bytes" };
            format!("{rep}{name}, {} {bytes}, port {:#x}", io.size, io.port)
        }
        ExitReason::EptViolation => {
            let violation = EptViolation::decode(field);
            let access = match (violation.is_fetch, violation.is_write) {
                (true, _) => "fetch",
                (false, true) => "write",
                (false, false) => "read",
            };
            match (violation.linear_valid, violation.is_final) {
                (true, false) => format!("{access} of a guest paging structure"),
                _ => access.into(),
            }
        }
        ExitReason::Invlpg => format!("linear address {field:#x}"),
        ExitReason::TaskSwitch => format!("to selector {:#x}", TaskSwitch::decode(field).selector),
        ExitReason::ApicAccess => format!("offset {:#x}", ApicAccess::decode(field).offset),
        _ => String::new(),
    }
}

/// The name of a general register by its number in an instruction.
pub fn general_register_name(number: u8) -> &'static str {
    const NAMES: [&str; 16] =
        ["rax", "rcx", "rdx", "rbx", "rsp", "rbp", "rsi", "rdi", "r8", "r9", "r10", "r11", "r12", "r13", "r14", "r15"];
    NAMES[usize::from(number & 15)]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn qualifications_come_back_from_their_fields() {
        for field in [0x00, 0x03, 0x04, 0x08, 0x18, 0x0f08, 0x20] {
            assert_eq!(CrAccess::decode(field).encode(), field);
        }
        for field in [0x0060_0040_u64, 0x0060_0000, 0x0060_0030, 0x0060_0038, 0x0cf8_0003] {
            assert_eq!(IoAccess::decode(field).encode(), field);
        }
        for field in [0x82, 0x181, 0x182, 0x184] {
            assert_eq!(EptViolation::decode(field).encode(), field);
        }
        assert_eq!(DrAccess::decode(0x17).encode(), 0x17);
    }

    #[test]
    fn a_qualification_can_be_read() {
        assert_eq!(describe(ExitReason::CrAccess, 0x18), "mov rax, cr8");
        assert_eq!(describe(ExitReason::IoInstruction, 0x0060_0040), "out, 1 byte, port 0x60");
        assert_eq!(describe(ExitReason::EptViolation, 0x82), "write of a guest paging structure");
        assert_eq!(describe(ExitReason::Hlt, 0), "");
    }
}
