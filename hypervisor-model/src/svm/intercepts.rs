//! What exits in guest mode: the intercept vectors of a VMCB as [`Intercepts`].
//!
//! Source: AMD64 APM vol. 2 rev. 3.30, 15.7 to 15.14.

use super::exit_code::ExitCode;
use super::intercept::{Intercept, InterceptVectors};
use super::permission_map::MsrPermissionMap;
use super::vmcb::{VmExit, Vmcb};
use crate::cpu::control::{ControlRegister, Cr0};
use crate::cpu::sensitive::{Cause, Intercepts};
use crate::cpu::{AccessKind, Cpu, Vector};
use crate::svm::exit_code::NestedPageFault;
use crate::vmx::interruption::Interruption;
use crate::vmx::qualification::IoAccess;
use serde::{Deserialize, Serialize};

/// What a processor with AMD-V does otherwise than the manual says, or does not have.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Default, Serialize, Deserialize)]
pub struct Deviations {
    /// XSETBV does not exit although it is intercepted.
    pub xsetbv_never_exits: bool,
    /// INVD exits with the code of WBINVD.
    pub invd_exits_as_wbinvd: bool,
}

/// The intercepts of a VMCB while its guest runs.
#[derive(Clone, Copy, Debug)]
pub struct GuestMode<'a> {
    vectors: &'a InterceptVectors,
    tsc_offset: u64,
    nested_paging: bool,
    v_irq: bool,
    map: &'a MsrPermissionMap,
    deviations: Deviations,
}

impl<'a> GuestMode<'a> {
    /// The intercepts of a VMCB, with the map at its MSRPM address.
    #[must_use]
    pub fn new(vmcb: &'a Vmcb, map: &'a MsrPermissionMap, deviations: Deviations) -> GuestMode<'a> {
        let control = &vmcb.control;
        GuestMode {
            vectors: &control.intercepts,
            tsc_offset: control.tsc_offset,
            nested_paging: control.nested_paging,
            v_irq: control.v_irq,
            map,
            deviations,
        }
    }

    /// CR0 writes that change something else than TS or MP.
    fn is_selective(&self, cause: &Cause, cpu: &Cpu) -> bool {
        let changed = match *cause {
            Cause::MovToCr { cr: ControlRegister::Cr0, value, .. } => value ^ cpu.cr0.bits(),
            Cause::Lmsw { value, .. } => {
                let pe = cpu.cr0.bits() & Cr0::PE.bits();
                (cpu.cr0.bits() & !0xe | u64::from(value & 0xf) | pe) ^ cpu.cr0.bits()
            }
            _ => return false,
        };
        self.vectors.has(Intercept::SelectiveCr0) && changed & !(Cr0::TS | Cr0::MP | Cr0::ET).bits() != 0
    }
}

/// The exit code of a cause under these intercepts.
#[must_use]
pub fn exit_code(cause: &Cause, vectors: &InterceptVectors, deviations: Deviations) -> Option<ExitCode> {
    match cause {
        Cause::MovToCr { cr: ControlRegister::Cr0, .. } | Cause::Lmsw { .. } if vectors.has(Intercept::cr(0, true)) => {
            Some(ExitCode::cr(0, true))
        }
        Cause::Invd if deviations.invd_exits_as_wbinvd => Some(ExitCode::WBINVD),
        cause => ExitCode::of(cause),
    }
}

/// What an exit for a cause says.
#[must_use]
pub fn vm_exit(code: ExitCode, cause: &Cause, vectoring: Option<Interruption>) -> VmExit {
    let (info_1, info_2) = match *cause {
        Cause::Exception(exception) if exception.vector == Vector::PF => {
            (u64::from(exception.error_code.unwrap_or(0)), exception.address.unwrap_or(0))
        }
        Cause::Exception(exception) => (u64::from(exception.error_code.unwrap_or(0)), 0),
        Cause::NestedFault(fault) => {
            let info = NestedPageFault {
                is_present: fault.rights != 0 || fault.is_misconfigured,
                is_write: fault.kind == AccessKind::Write,
                is_user: true,
                is_reserved: fault.is_misconfigured,
                is_fetch: fault.kind == AccessKind::Fetch,
                is_table_walk: !fault.is_final,
            };
            (info.encode(), fault.guest_physical)
        }
        Cause::Io { port, size, is_input, is_string, is_rep, is_immediate } => {
            let io = IoAccess { size, is_in: is_input, is_string, is_repeated: is_rep, is_immediate, port };
            (io.encode_svm(), 0)
        }
        Cause::WrMsr { .. } => (1, 0),
        // Decode assists: which general register, and that it was MOV.
        Cause::MovToCr { register, .. } => (1 << 63 | u64::from(register.number()), 0),
        Cause::MovFromCr { register, .. } => (1 << 63 | u64::from(register.number()), 0),
        Cause::MovToDr { register, .. } | Cause::MovFromDr { register, .. } => (u64::from(register.number()), 0),
        Cause::Invlpg { address } => (address, 0),
        _ => (0, 0),
    };
    VmExit { code, info_1, info_2, vectoring }
}

impl Intercepts for GuestMode<'_> {
    fn intercepts(&self, cause: &Cause, cpu: &Cpu) -> bool {
        match cause {
            Cause::NestedFault(_) => self.nested_paging,
            Cause::RdMsr { msr } | Cause::WrMsr { msr, .. } => {
                self.vectors.has(Intercept::MsrProt) && self.map.exits(*msr)
            }
            Cause::MovToCr { cr: ControlRegister::Cr0, .. } | Cause::Lmsw { .. } => {
                self.vectors.has(Intercept::cr(0, true)) || self.is_selective(cause, cpu)
            }
            Cause::InterruptWindow => self.v_irq && self.vectors.has(Intercept::Vintr),
            Cause::Xsetbv { .. } if self.deviations.xsetbv_never_exits => false,
            cause => ExitCode::of(cause).and_then(Intercept::of).is_some_and(|intercept| self.vectors.has(intercept)),
        }
    }

    fn tsc_offset(&self) -> u64 {
        self.tsc_offset
    }
}
