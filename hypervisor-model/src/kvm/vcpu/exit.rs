//! What the kernel does about an exit (`vmx_handle_exit`, `svm_invoke_exit_handler` and what they call; Linux 6.1
//! `arch/x86/kvm/vmx/vmx.c`, `svm/svm.c`, `x86.c`).

use super::device::IoAccess;
use super::guest::{Exited, Halt, linear_rip};
use super::hardware::Hardware;
use super::run::Handled;
use super::{Completion, Machine, Trace};
use crate::cpu::control::{ControlRegister, Efer};
use crate::cpu::instruction::{Instruction, Opcode, Operand};
use crate::cpu::register::General;
use crate::cpu::sensitive::Cause;
use crate::cpu::{Exception, InterruptShadow, Rflags, Vector};
use crate::kvm::mmu::{MemoryExit, Resolution};
use crate::kvm::user_exit::UserExit;

/// `-KVM_ENOSYS`: there is no such hypercall.
const KVM_ENOSYS: i64 = 1000;
/// `-KVM_EPERM`: only a guest's kernel makes hypercalls.
const KVM_EPERM: i64 = 1;
/// Bit 14 of DR6: single step.
const DR6_BS: u64 = 1 << 14;

impl Machine {
    pub(super) fn handle_exit(&mut self, exited: Exited) -> Result<Handled, Halt> {
        match exited.cause {
            Cause::Hlt => Ok(self.halt()),
            Cause::Io { is_string: true, .. } => self.emulate(),
            Cause::Io { port, size, is_input, .. } => Ok(self.port(port, size, is_input)),
            Cause::MovToCr { cr: ControlRegister::Cr8, value, .. } => Ok(self.write_cr8(value)),
            Cause::MovToDr { .. } | Cause::MovFromDr { .. } => Ok(self.debug_register()),
            Cause::Monitor | Cause::Mwait | Cause::Pause | Cause::Invd | Cause::Wbinvd => Ok(self.skip()),
            Cause::Rdpmc => Ok(self.read_performance_counter()),
            Cause::Vmcall | Cause::Vmmcall => Ok(self.hypercall()),
            Cause::Svm(_) if self.vcpu.efer.contains(Efer::SVME) => {
                Err(Halt::NotModelled("guests of a guest are not modelled".to_owned()))
            }
            // VMX is not offered to the guest, and SVM is off in its EFER.
            Cause::Svm(_) | Cause::Vmx(_) | Cause::Getsec | Cause::Xsaves | Cause::Xrstors => {
                Ok(self.raise(Exception::UD))
            }
            Cause::Exception(Exception { vector: Vector::UD, .. }) => self.undefined_opcode(),
            Cause::Exception(Exception { vector: Vector::PF, .. }) | Cause::NestedFault(_) => {
                match Machine::memory_exit(&exited) {
                    Some(exit) => self.memory_fault(exit),
                    None => Ok(Handled::Resume),
                }
            }
            Cause::Exception(exception) if self.vcpu.runs_real_mode_as_virtual_8086() => {
                self.real_mode_exception(exception)
            }
            Cause::Exception(exception) => Ok(self.raise(exception)),
            Cause::InterruptWindow => {
                self.vcpu.hardware.set_interrupt_window(false);
                self.vcpu.events.is_requested = true;
                Ok(Handled::Resume)
            }
            Cause::PreemptionTimer | Cause::ExternalInterrupt { .. } | Cause::Nmi | Cause::MonitorTrap => {
                Ok(Handled::Resume)
            }
            Cause::TripleFault => Ok(Handled::User(UserExit::Shutdown)),
            Cause::TaskSwitch { .. } => Err(Halt::NotModelled("task switches by hardware are not modelled".to_owned())),
            _ => self.emulate(),
        }
    }

    /// An exception of a guest in real mode that runs as one in virtual-8086 mode: what has no privilege there is emulated,
    /// everything else is the guest's (`handle_rmode_exception`).
    fn real_mode_exception(&mut self, exception: Exception) -> Result<Handled, Halt> {
        if !matches!(exception.vector, Vector::GP | Vector::SS) || exception.error_code.unwrap_or(0) != 0 {
            return Ok(self.raise(exception));
        }
        if self.instruction()?.opcode == Opcode::Hlt {
            let rip = self.vcpu.cpu.rip;
            self.trace.push(Trace::Emulated { rip });
            return Ok(self.halt());
        }
        self.emulate()
    }

    /// Gives the guest an exception.
    pub(super) fn raise(&mut self, exception: Exception) -> Handled {
        self.queue_exception(exception);
        Handled::Resume
    }

    /// The instruction at RIP.
    pub(super) fn instruction(&self) -> Result<Instruction, Halt> {
        let at = linear_rip(&self.vcpu.cpu);
        self.code.at(at).cloned().ok_or(Halt::NoCode(at))
    }

    /// Goes on behind the instruction (`kvm_skip_emulated_instruction`): an interrupt shadow ends, and a guest that
    /// single-steps gets its #DB.
    pub(super) fn skip(&mut self) -> Handled {
        let length = self.code.at(linear_rip(&self.vcpu.cpu)).map_or(0, Instruction::length);
        let cpu = &mut self.vcpu.cpu;
        let is_stepped = cpu.rflags.contains(Rflags::TF);
        cpu.rip = cpu.rip.wrapping_add(length);
        cpu.shadow = InterruptShadow::None;
        if is_stepped {
            return self.raise(Exception { address: Some(DR6_BS), ..Exception::plain(Vector::DB) });
        }
        Handled::Resume
    }

    /// HLT: the processor sleeps in the kernel if the interrupt controllers are there (`kvm_emulate_halt`).
    fn halt(&mut self) -> Handled {
        self.skip();
        if self.devices.irqchip.is_some() {
            self.vcpu.is_halted = true;
            return Handled::Resume;
        }
        Handled::User(UserExit::Hlt)
    }

    /// IN and OUT (`kvm_fast_pio`).
    fn port(&mut self, port: u16, size: u8, is_input: bool) -> Handled {
        let mask = u32::MAX >> (32 - 8 * u32::from(size.clamp(1, 4)));
        let value = self.vcpu.cpu.registers.get(General::Rax) as u32 & mask;
        if is_input {
            if let Some(value) = self.devices.read_port(port, size) {
                self.set_accumulator(size, value);
                return self.skip();
            }
            self.vcpu.run.io = Some(IoAccess { port, size, is_input, count: 1, value: 0 });
            self.vcpu.completion = Some(Completion::PortRead);
            return Handled::User(UserExit::Io);
        }
        if self.write_port(port, size, value) {
            return self.skip();
        }
        self.vcpu.run.io = Some(IoAccess { port, size, is_input, count: 1, value });
        self.vcpu.completion = Some(Completion::Skip);
        Handled::User(UserExit::Io)
    }

    /// Writes a port of a device in the kernel; false if there is none.
    pub(super) fn write_port(&mut self, port: u16, size: u8, value: u32) -> bool {
        self.trace.push(Trace::PortWritten { port, value });
        match self.devices.write_port(port, size, value) {
            Some(written) => {
                self.vcpu.events.is_requested |= written.requests_event;
                true
            }
            None => false,
        }
    }

    /// AL, AX or EAX.
    pub(super) fn set_accumulator(&mut self, size: u8, value: u32) {
        let old = self.vcpu.cpu.registers.get(General::Rax);
        let value = u64::from(value);
        let new = match size {
            1 => old & !0xff | value & 0xff,
            2 => old & !0xffff | value & 0xffff,
            _ => value & 0xffff_ffff,
        };
        self.vcpu.cpu.registers.set(General::Rax, new);
    }

    /// MOV to CR8: user space must know when it goes down, unless the local APIC is in the kernel.
    fn write_cr8(&mut self, value: u64) -> Handled {
        if value > 15 {
            return self.raise(Exception::GP0);
        }
        let before = self.vcpu.cpu.cr8;
        self.vcpu.cpu.cr8 = value as u8;
        self.skip();
        if self.devices.irqchip.is_some() || before <= value as u8 {
            return Handled::Resume;
        }
        Handled::User(UserExit::SetTpr)
    }

    /// The guest gets the debug registers for itself, until the next exit, and tries again.
    fn debug_register(&mut self) -> Handled {
        if self.vcpu.cpu.cpl > 0 {
            return self.raise(Exception::GP0);
        }
        self.vcpu.hardware.intercept_debug_registers(false);
        self.vcpu.owns_debug_registers = true;
        Handled::Resume
    }

    /// RDPMC: the virtual performance counters of AMD are always there, those of Intel only where the host has some.
    fn read_performance_counter(&mut self) -> Handled {
        if self.vcpu.hardware.is_vmx() || self.vcpu.cpu.registers.get(General::Rcx) as u32 > 5 {
            return self.raise(Exception::GP0);
        }
        self.vcpu.cpu.registers.set(General::Rax, 0);
        self.vcpu.cpu.registers.set(General::Rdx, 0);
        self.skip()
    }

    /// A hypercall; KVM's own are few, and none is modelled: the guest is told that there is no such one.
    fn hypercall(&mut self) -> Handled {
        let number = self.vcpu.cpu.registers.get(General::Rax);
        self.trace.push(Trace::Hypercall { number });
        let error = if self.vcpu.cpu.cpl > 0 { KVM_EPERM } else { KVM_ENOSYS };
        self.vcpu.cpu.registers.set(General::Rax, (-error) as u64);
        self.skip()
    }

    /// #UD (`handle_ud`): the other vendor's instructions are emulated, everything else is the guest's.
    fn undefined_opcode(&mut self) -> Result<Handled, Halt> {
        let Ok(instruction) = self.instruction() else { return Ok(self.raise(Exception::UD)) };
        let rip = self.vcpu.cpu.rip;
        self.trace.push(Trace::Emulated { rip });
        match instruction.opcode {
            // In every ring: the emulator's row for them has no privilege (`em_hypercall`).
            Opcode::Vmcall | Opcode::Vmmcall => {
                self.fix_hypercall(instruction);
                Ok(Handled::Resume)
            }
            _ => Ok(self.raise(Exception::UD)),
        }
    }

    /// Rewrites the other vendor's hypercall instruction in the guest's memory; the guest tries again
    /// (`emulator_fix_hypercall`).
    fn fix_hypercall(&mut self, instruction: Instruction) {
        let (opcode, name) = match &self.vcpu.hardware {
            Hardware::Vmx(_) => (Opcode::Vmcall, "vmcall"),
            Hardware::Svm(_) => (Opcode::Vmmcall, "vmmcall"),
        };
        let at = linear_rip(&self.vcpu.cpu);
        let patched = Instruction { opcode, text: name.to_owned(), mnemonic: name.to_owned(), ..instruction };
        self.code.insert(at, patched);
    }

    /// A fault of the tables that KVM has made (`kvm_mmu_page_fault`).
    fn memory_fault(&mut self, exit: MemoryExit) -> Result<Handled, Halt> {
        let address = match exit {
            MemoryExit::PageFault { fault, .. } => fault.linear,
            MemoryExit::Nested(fault) => fault.guest_physical,
            MemoryExit::PmlFull => 0,
        };
        match self.mmu().handle(exit) {
            Resolution::Resume => Ok(Handled::Resume),
            Resolution::Inject(fault) => Ok(self.raise(Exception::page_fault(fault.code, fault.linear))),
            Resolution::Emulate { may_retry } => {
                let instruction = self.instruction()?;
                let rip = self.vcpu.cpu.rip;
                if self.mmu().retry_instruction(rip, address, writes_tables(&instruction), may_retry) {
                    self.trace.push(Trace::Emulated { rip });
                    return Ok(Handled::Resume);
                }
                self.emulate()
            }
        }
    }
}

/// Whether an instruction is one by which tables are written (`x86_page_table_writing_insn`).
fn writes_tables(instruction: &Instruction) -> bool {
    let is_store = matches!(instruction.operands.first(), Some(Operand::Memory(_)));
    match instruction.opcode {
        Opcode::Mov | Opcode::And | Opcode::Or => is_store,
        Opcode::Xchg => true,
        _ => false,
    }
}
