//! The virtual-machine control block: AMD's counterpart of a VMCS, a page of ordinary memory.
//!
//! Source: AMD64 APM vol. 2 rev. 3.30 (24593, September 2018), appendix B, tables B-1 and B-2; 15.5 "VMRUN Instruction",
//! 15.6 "#VMEXIT". VMRUN and #VMEXIT move only a part of the state; FS, GS, TR, LDTR, KERNEL_GS_BASE and the MSRs of
//! SYSCALL and SYSENTER are moved by VMLOAD and VMSAVE, which a VMM runs beside them; here they are moved together.

use super::exit_code::ExitCode;
use super::intercept::InterceptVectors;
use crate::cpu::control::{Cr0, Cr4, Efer};
use crate::cpu::register::General;
use crate::cpu::segment::{Segments, TableRegister};
use crate::cpu::{Cpu, InterruptShadow, Operation, Rflags};
use crate::vmx::interruption::Interruption;
use serde::{Deserialize, Serialize};

/// The control area: what the VMM asks for, and what the exit says.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct ControlArea {
    /// Offset 000h: what exits.
    pub intercepts: InterceptVectors,
    /// Offset 050h: added to the time-stamp counter.
    pub tsc_offset: u64,
    /// Offset 058h: the guest's address-space identifier.
    pub asid: u32,
    /// Offset 05Ch: what VMRUN drops from the TLB: 0 nothing, 1 everything, 3 this ASID's, 7 its global ones too.
    pub tlb_control: u8,
    /// Offset 060h: the virtual task priority.
    pub v_tpr: u8,
    /// Offset 060h, bit 8: a virtual interrupt is pending.
    pub v_irq: bool,
    /// Offset 068h, bit 0: the guest is in an interrupt shadow.
    pub interrupt_shadow: bool,
    /// Offset 070h.
    pub exit_code: Option<ExitCode>,
    /// Offset 078h.
    pub exit_info_1: u64,
    /// Offset 080h.
    pub exit_info_2: u64,
    /// Offset 088h: the event during whose delivery the exit happened.
    pub exit_interrupt_info: Option<Interruption>,
    /// Offset 090h, bit 0: nested paging.
    pub nested_paging: bool,
    /// Offset 0A8h: the event that VMRUN injects.
    pub event_injection: Option<Interruption>,
    /// Offset 0B0h: the root of the nested tables.
    pub nested_cr3: u64,
    /// Offset 0C8h: the address behind the instruction that exited, where the processor says so.
    pub next_rip: u64,
}

/// The state-save area: the guest's registers.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[allow(missing_docs, reason = "the names are the documentation")]
pub struct SaveArea {
    pub segments: Segments,
    pub gdtr: TableRegister,
    pub idtr: TableRegister,
    pub cpl: u8,
    pub efer: Efer,
    pub cr0: Cr0,
    pub cr2: u64,
    pub cr3: u64,
    pub cr4: Cr4,
    pub dr6: u64,
    pub dr7: u64,
    pub rflags: Rflags,
    pub rip: u64,
    pub rsp: u64,
    pub rax: u64,
}

/// A VMCB.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct Vmcb {
    /// The control area.
    pub control: ControlArea,
    /// The state-save area.
    pub save: SaveArea,
}

impl SaveArea {
    /// What a processor holds.
    #[must_use]
    pub fn of(cpu: &Cpu) -> SaveArea {
        SaveArea {
            segments: cpu.segments,
            gdtr: cpu.gdtr,
            idtr: cpu.idtr,
            cpl: cpu.cpl,
            efer: cpu.efer,
            cr0: cpu.cr0,
            cr2: cpu.cr2,
            cr3: cpu.cr3,
            cr4: cpu.cr4,
            dr6: cpu.dr[6],
            dr7: cpu.dr[7],
            rflags: cpu.rflags,
            rip: cpu.rip,
            rsp: cpu.registers.get(General::Rsp),
            rax: cpu.registers.get(General::Rax),
        }
    }

    /// Puts the state into a processor.
    pub fn load(&self, cpu: &mut Cpu) {
        cpu.segments = self.segments;
        cpu.gdtr = self.gdtr;
        cpu.idtr = self.idtr;
        cpu.cpl = self.cpl;
        cpu.efer = self.efer;
        cpu.cr0 = self.cr0;
        cpu.cr2 = self.cr2;
        cpu.cr3 = self.cr3;
        cpu.cr4 = self.cr4;
        cpu.dr[6] = self.dr6;
        cpu.dr[7] = self.dr7;
        cpu.rflags = self.rflags;
        cpu.rip = self.rip;
        cpu.registers.set(General::Rsp, self.rsp);
        cpu.registers.set(General::Rax, self.rax);
    }
}

impl Vmcb {
    /// VMRUN: the host's state goes to the save area of the host, the guest's into the processor (APM 15.5.1). The
    /// event to be delivered, if there is one.
    pub fn run(&mut self, cpu: &mut Cpu, host: &mut SaveArea) -> Option<Interruption> {
        *host = SaveArea::of(cpu);
        self.save.load(cpu);
        cpu.cr8 = self.control.v_tpr & 0xf;
        cpu.shadow = if self.control.interrupt_shadow { InterruptShadow::Sti } else { InterruptShadow::None };
        cpu.operation = Operation::NonRoot;
        self.control.event_injection.take()
    }

    /// #VMEXIT: the guest's state goes to the VMCB with code and information, the host's comes back (APM 15.6).
    pub fn exit(&mut self, cpu: &mut Cpu, host: &SaveArea, exit: VmExit) {
        self.save = SaveArea::of(cpu);
        let control = &mut self.control;
        control.interrupt_shadow = cpu.shadow != InterruptShadow::None;
        control.v_tpr = cpu.cr8;
        control.exit_code = Some(exit.code);
        control.exit_info_1 = exit.info_1;
        control.exit_info_2 = exit.info_2;
        control.exit_interrupt_info = exit.vectoring;
        control.tlb_control = 0;
        host.load(cpu);
        // The host's flags: RFLAGS.VM and the breakpoints are cleared, the rest is as it was at VMRUN.
        cpu.shadow = InterruptShadow::None;
        cpu.operation = Operation::Root;
    }
}

/// What an exit says.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct VmExit {
    /// EXITCODE.
    pub code: ExitCode,
    /// EXITINFO1.
    pub info_1: u64,
    /// EXITINFO2.
    pub info_2: u64,
    /// EXITINTINFO.
    pub vectoring: Option<Interruption>,
}
