//! A VMM that is typed: what the instructions of VT-x and AMD-V do on the bare machine, from VMXON or VMRUN to the exit of
//! the guest and on.
//!
//! ```text
//!   vmxon [a]; vmclear [b]; vmptrld [b]; vmwrite rax, rbx; vmlaunch; cpuid; vmread rax, rbx; vmresume; ...; vmxoff
//! ```
//!
//! So that a guest can be entered without writing a hundred fields, the fields of a VMCS that becomes current for the first
//! time hold what KVM would write for a guest that goes on where the VMM is; likewise the VMCB at [`VMCB`] of a processor of
//! AMD's. What a program writes over that counts, and an invalid state gives the architecture's error. What is typed behind a
//! successful entry runs in the guest until something exits; what is typed behind an exit runs in the VMM.

use super::{Outcome, Row};
use crate::cpu::bus::FlatMemory;
use crate::cpu::control::{Cr0, Cr4, Efer};
use crate::cpu::execute::{STATUS, Step};
use crate::cpu::instruction::{Instruction, Memory, Opcode, Operand, Register};
use crate::cpu::register::General;
use crate::cpu::sensitive::{Cause, Intercepts, Stop};
use crate::cpu::transition::{EventSource, deliver};
use crate::cpu::{Cpu, InterruptShadow, Operation, Rflags, Vector, Vendor};
use crate::kvm::vcpu::hardware::{Svm, Vmx};
use crate::memory::Hpa;
use crate::svm::exit_code::ExitCode;
use crate::svm::intercepts::{Deviations, GuestMode, exit_code, vm_exit};
use crate::svm::permission_map::MsrPermissionMap;
use crate::svm::vmcb::{SaveArea, Vmcb};
use crate::svm::{entry_check, page};
use crate::vmx::controls::{Allowed, Control};
use crate::vmx::error::VmError;
use crate::vmx::exit_reason::ExitReason;
use crate::vmx::fields::Field;
use crate::vmx::intercepts::NonRoot;
use crate::vmx::interruption::{EventType, Interruption};
use crate::vmx::msr_bitmap::MsrBitmap;
use crate::vmx::operation::{Entered, REVISION, VmFail, VmxOperation};
use crate::vmx::state::guest_fields;
use crate::vmx::transition::{ExitContext, TransitionStep};
use crate::vmx::vmcs::Vmcs;

/// The region of VMXON where a pointer to one holds nothing.
pub const VMXON_REGION: u64 = 0x8000;
/// The VMCS where a pointer to one holds nothing.
pub const VMCS: u64 = 0x9000;
/// The VMCB where RAX holds nothing.
pub const VMCB: u64 = 0xa000;
/// The tables of the guest's memory that the prepared structures name; nothing is walked here.
const NESTED_ROOT: u64 = 0x10_0000;

/// What virtualization on the bare processor has come to.
#[derive(Clone, PartialEq, Debug)]
pub struct Vmm {
    vmx: VmxOperation,
    /// The page at the MSR-bitmap address.
    bitmap: MsrBitmap,
    /// The map at the MSRPM address.
    map: MsrPermissionMap,
    /// The VMCB whose guest runs, and where it is.
    vmcb: Option<(u64, Vmcb)>,
    /// The host's state while a guest of AMD-V runs.
    host: SaveArea,
    /// The program has entered a guest, and it is running.
    is_in_guest: bool,
}

impl Vmm {
    /// A processor on which nobody has used virtualization; `memory` gets a VMCB if it is AMD's.
    pub fn new(cpu: &Cpu, memory: &mut FlatMemory) -> Vmm {
        let svm = Svm::new(true, Deviations::default());
        if cpu.vendor == Vendor::Amd {
            let mut vmcb = svm.vmcb;
            vmcb.save = SaveArea { efer: cpu.efer | Efer::SVME, ..SaveArea::of(cpu) };
            vmcb.control.nested_cr3 = NESTED_ROOT;
            page::write(&vmcb, memory, VMCB);
        }
        Vmm {
            vmx: VmxOperation::new(Allowed::all_but(&[])),
            bitmap: MsrBitmap::all(),
            map: svm.permission_map,
            vmcb: None,
            host: SaveArea::default(),
            is_in_guest: false,
        }
    }

    /// What exits in the guest that the program has entered; `None` while none runs.
    pub fn intercepts(&self) -> Option<Box<dyn Intercepts + '_>> {
        if !self.is_in_guest {
            return None;
        }
        Some(match &self.vmcb {
            Some((_, vmcb)) => Box::new(GuestMode::new(vmcb, &self.map, Deviations::default())),
            None => Box::new(NonRoot::new(self.vmx.current()?, &self.bitmap)),
        })
    }

    /// Whether a guest runs that the program has entered.
    pub fn is_in_guest(&self) -> bool {
        self.is_in_guest
    }

    /// Whether the console has something to say of an instruction that has passed its checks.
    pub fn concerns(cpu: &Cpu, opcode: Opcode) -> bool {
        use Opcode::*;
        let is_vmx = matches!(
            opcode,
            Vmxon
                | Vmxoff
                | Vmclear
                | Vmptrld
                | Vmptrst
                | Vmread
                | Vmwrite
                | Vmlaunch
                | Vmresume
                | Vmcall
                | Invept
                | Invvpid
        );
        !cpu.is_guest() && (is_vmx || opcode == Vmrun)
    }

    /// Does an instruction of virtualization that has passed its checks; `cpu` is behind it, `before` at it.
    pub fn perform(
        &mut self,
        instruction: &Instruction,
        before: &Cpu,
        (cpu, memory): (&mut Cpu, &mut FlatMemory),
        row: &mut Row,
    ) {
        row.outcome = Outcome::Executed;
        if instruction.opcode == Opcode::Vmrun {
            return self.vmrun(before, cpu, memory, row);
        }
        let done = match instruction.opcode {
            Opcode::Vmlaunch | Opcode::Vmresume => {
                // The instruction's own length has been added; the shadow is that before it.
                cpu.shadow = before.shadow;
                return self.enter(instruction.opcode == Opcode::Vmlaunch, cpu, memory, row);
            }
            _ => self.instruction(instruction, before, cpu, memory, row),
        };
        let failed = done.err();
        if instruction.opcode == Opcode::Vmxon && failed.is_some() {
            cpu.operation = before.operation;
        }
        set_status(cpu, failed.as_ref());
        tell(row, failed.as_ref());
    }

    /// The instructions of VT-x that are no entry.
    fn instruction(
        &mut self,
        instruction: &Instruction,
        before: &Cpu,
        cpu: &mut Cpu,
        memory: &mut FlatMemory,
        row: &mut Row,
    ) -> Result<(), VmFail> {
        let operand = |at: usize| instruction.operands.get(at);
        let pointer = place(before, operand(0)).map_or(0, |at| memory.peek(at, 8));
        let region = Hpa(pointer);
        if matches!(instruction.opcode, Opcode::Vmxon | Opcode::Vmclear | Opcode::Vmptrld) && pointer & 0xfff == 0 {
            // What software has written at the beginning of the region.
            self.vmx.write_revision(region, memory.peek(pointer, 4) as u32);
        }
        match instruction.opcode {
            Opcode::Vmxon => self.vmx.vmxon(region),
            Opcode::Vmxoff => self.vmx.vmxoff(),
            Opcode::Vmclear => self.vmx.vmclear(region),
            Opcode::Vmptrld => {
                self.vmx.vmptrld(region)?;
                if self.vmx.prepare_current(|| prepared(cpu)) {
                    row.remark("its fields hold what KVM would write, until the program writes something else");
                }
                Ok(())
            }
            Opcode::Vmptrst => {
                if let Some(at) = place(before, operand(0)) {
                    memory.poke(at, 8, self.vmx.vmptrst());
                }
                Ok(())
            }
            Opcode::Vmread => {
                let encoding = value(before, memory, operand(1)) as u32;
                let read = self.vmx.vmread(encoding)?;
                match (operand(0), place(before, operand(0))) {
                    (Some(Operand::Register(Register::General { register, .. })), _) => {
                        cpu.registers.set(*register, read);
                    }
                    (_, Some(at)) => memory.poke(at, 8, read),
                    _ => {}
                }
                row.remark(&format!("{} = {read:#x}", field_name(encoding)));
                Ok(())
            }
            Opcode::Vmwrite => {
                let (encoding, written) = (value(before, memory, operand(0)) as u32, value(before, memory, operand(1)));
                self.vmx.vmwrite(encoding, written)?;
                row.remark(&format!("{} = {written:#x}", field_name(encoding)));
                Ok(())
            }
            Opcode::Vmcall => self.vmx.vmcall(),
            opcode => {
                let kind = value(before, memory, operand(0));
                let at = place(before, operand(1)).unwrap_or(0);
                let (first, second) = (memory.peek(at, 8), memory.peek(at.wrapping_add(8), 8));
                if opcode == Opcode::Invept {
                    self.vmx.invept(kind, first)
                } else {
                    self.vmx.invvpid(kind, (first, second))
                }
            }
        }
    }

    /// VMLAUNCH, VMRESUME.
    fn enter(&mut self, is_launch: bool, cpu: &mut Cpu, memory: &mut FlatMemory, row: &mut Row) {
        let mut steps = Vec::new();
        let entered = self.vmx.enter(is_launch, cpu, &mut steps);
        row.steps.extend(steps.iter().map(TransitionStep::to_string));
        match entered {
            Ok(Entered::Guest(event)) => {
                self.is_in_guest = true;
                row.remark(&format!("VM entry: the guest runs from {:#x} in ring {}", cpu.rip, cpu.cpl));
                self.inject(event, cpu, memory, row);
            }
            Ok(Entered::Failed { what, .. }) => {
                row.outcome = Outcome::Exit;
                row.exit_reason = Some(ExitReason::InvalidGuestState.linux_name().to_owned());
                row.exit_number = Some(u64::from(ExitReason::InvalidGuestState.number()));
                row.remark(&format!(
                    "the entry failed (bit 31 of the reason is 1): {what}; the host's state is loaded"
                ));
            }
            Err(failed) => {
                cpu.shadow = InterruptShadow::None;
                set_status(cpu, Some(&failed));
                tell(row, Some(&failed));
                if let VmFail::Valid(VmError::InvalidControlField | VmError::InvalidHostState) = failed
                    && let Some(refused) = self.vmx.refusal()
                {
                    row.remark(&refused.to_string());
                }
            }
        }
    }

    /// VMRUN of the VMCB at RAX.
    fn vmrun(&mut self, before: &Cpu, cpu: &mut Cpu, memory: &mut FlatMemory, row: &mut Row) {
        let at = before.registers.get(General::Rax);
        let mut vmcb = page::read(memory, at);
        if let Err(what) = entry_check::check(&vmcb) {
            vmcb.control.exit_code = Some(ExitCode::INVALID);
            (vmcb.control.exit_info_1, vmcb.control.exit_info_2) = (0, 0);
            page::write(&vmcb, memory, at);
            cpu.operation = Operation::Root;
            name_exit(row, ExitCode::INVALID);
            return row.remark(&format!("an illegal state: {what}"));
        }
        let event = vmcb.run(cpu, &mut self.host);
        self.vmcb = Some((at, vmcb));
        self.is_in_guest = true;
        row.remark(&format!("the guest runs from {:#x} in ring {}", cpu.rip, cpu.cpl));
        self.inject(event, cpu, memory, row);
    }

    /// The event of an entry is delivered before the guest's first instruction.
    fn inject(&mut self, event: Option<Interruption>, cpu: &mut Cpu, memory: &mut FlatMemory, row: &mut Row) {
        let Some(event) = event else { return };
        let source = match event.kind {
            EventType::HardwareException => EventSource::Exception,
            EventType::External | EventType::Nmi => EventSource::External,
            _ => EventSource::Software,
        };
        let mut events = Vec::new();
        let delivered = {
            let Some(intercepts) = self.intercepts() else { return };
            let mut step = Step { cpu, bus: memory, intercepts: &*intercepts, events: &mut events };
            deliver(&mut step, Vector(event.vector), event.error_code, source)
        };
        row.steps.extend(events.iter().map(ToString::to_string));
        row.events.extend(events);
        match delivered {
            Ok(()) => row.remark(&format!("vector {} is delivered first", event.vector)),
            Err(Stop::Exit(cause)) => self.exit(&cause, 0, (cpu, memory), row),
            Err(Stop::Fault(exception)) => row.remark(&format!("its delivery gives {exception}")),
            Err(Stop::NotModelled(missing)) => row.remark(&missing.to_string()),
        }
    }

    /// The guest that the program has entered exits: the host's state comes back.
    pub fn exit(&mut self, cause: &Cause, length: u8, (cpu, memory): (&mut Cpu, &mut FlatMemory), row: &mut Row) {
        self.is_in_guest = false;
        row.outcome = Outcome::Exit;
        if let Some((at, mut vmcb)) = self.vmcb.take() {
            let code = exit_code(cause, &vmcb.control.intercepts, Deviations::default()).unwrap_or(ExitCode::INVALID);
            vmcb.exit(cpu, &self.host, vm_exit(code, cause, None));
            page::write(&vmcb, memory, at);
            name_exit(row, code);
            return row.remark("#VMEXIT: what is typed next runs in the VMM, behind VMRUN");
        }
        let mut steps = Vec::new();
        let context = ExitContext { vectoring: None, instruction_length: length };
        self.vmx.exit(cpu, cause, context, &mut steps);
        row.steps.extend(steps.iter().map(TransitionStep::to_string));
        let reason = ExitReason::reported(cause);
        row.exit_reason = Some(reason.linux_name().to_owned());
        row.exit_number = Some(u64::from(reason.number()));
        row.remark(&format!("what is typed next runs in the VMM, from host RIP {:#x}", cpu.rip));
    }
}

/// A VMCS as KVM writes it, for a guest that goes on where the processor is, and with the processor as its host.
fn prepared(cpu: &Cpu) -> Vmcs {
    let mut vmcs = Vmx::new(true, true, cpu).vmcs;
    for (field, value) in guest_fields(cpu) {
        vmcs.write(field, value);
    }
    // A selector of a host has neither RPL nor TI.
    let data = [Field::HostDsSelector, Field::HostEsSelector, Field::HostFsSelector, Field::HostGsSelector];
    for field in data {
        vmcs.write(field, vmcs.read(field) & !7);
    }
    let mut controls = vmcs.controls();
    controls.put(Control::Ia32eModeGuest, cpu.efer.contains(Efer::LMA));
    controls.put(Control::HostAddressSpaceSize, cpu.efer.contains(Efer::LMA));
    vmcs.set_controls(&controls);
    // A walk of four levels through tables in write-back memory.
    vmcs.write(Field::EptPointer, NESTED_ROOT | 3 << 3 | 6);
    let masks = [(Field::Cr0GuestHostMask, Cr0::NE.bits()), (Field::Cr4GuestHostMask, Cr4::VMXE.bits())];
    for (field, value) in masks {
        vmcs.write(field, value);
    }
    vmcs.write(Field::Cr0ReadShadow, cpu.cr0.bits());
    vmcs
}

/// The flags by which an instruction of VT-x says how it ended (SDM 30.2 "Conventions").
fn set_status(cpu: &mut Cpu, failed: Option<&VmFail>) {
    cpu.rflags -= STATUS;
    match failed {
        None => {}
        Some(VmFail::Invalid) => cpu.rflags |= Rflags::CF,
        Some(VmFail::Valid(_)) => cpu.rflags |= Rflags::ZF,
    }
}

fn tell(row: &mut Row, failed: Option<&VmFail>) {
    let Some(failed) = failed else { return };
    row.vm_fail = Some(match failed {
        VmFail::Invalid => "VMfailInvalid".to_owned(),
        VmFail::Valid(error) => format!("VMfailValid({})", error.number()),
    });
    match failed {
        VmFail::Invalid => row.remark("CF = 1: there is no current VMCS, or the region is none"),
        VmFail::Valid(error) => row.remark(&format!("ZF = 1: {}", error.description())),
    }
}

fn name_exit(row: &mut Row, code: ExitCode) {
    row.outcome = Outcome::Exit;
    row.exit_reason = Some(code.linux_name());
    row.exit_number = Some(code.0);
}

fn field_name(encoding: u32) -> String {
    let half = if encoding & 1 == 1 { ", upper half" } else { "" };
    Field::from_encoding(encoding).map_or_else(String::new, |field| format!("{}{half}", field.name()))
}

/// Where a memory operand is; segments are flat here.
pub fn place(cpu: &Cpu, operand: Option<&Operand>) -> Option<u64> {
    let Some(Operand::Memory(Memory { base, index, displacement, .. })) = operand else { return None };
    let base = base.map_or(0, |base| cpu.registers.get(base));
    let index = index.map_or(0, |(index, factor)| cpu.registers.get(index).wrapping_mul(u64::from(factor)));
    Some(base.wrapping_add(index).wrapping_add(*displacement as u64))
}

/// What an operand holds, in 64 bits.
fn value(cpu: &Cpu, memory: &FlatMemory, operand: Option<&Operand>) -> u64 {
    match operand {
        Some(Operand::Register(Register::General { register, .. })) => cpu.registers.get(*register),
        operand => place(cpu, operand).map_or(0, |at| memory.peek(at, 8)),
    }
}

/// What the console puts behind a pointer that holds nothing: a region with its revision.
pub fn give_region(cpu: &Cpu, memory: &mut FlatMemory, operand: Option<&Operand>, region: u64) {
    let Some(at) = place(cpu, operand) else { return };
    if memory.peek(at, 8) == 0 {
        memory.poke(at, 8, region);
        memory.poke(region, 4, u64::from(REVISION));
    }
}
