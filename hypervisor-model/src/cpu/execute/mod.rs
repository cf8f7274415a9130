//! Instructions at work: the checks of their row in the table, the exit if there is one, then what they do.
//!
//! [`execute`] runs one instruction and leaves a fault to its caller, [`step`] delivers it too. Transitions between
//! rings are in [`transition`](super::transition).

mod arithmetic;
mod cause;
mod control;
pub(super) mod flag;
pub(super) mod operand;
mod port;
mod segment;
mod system;

use super::bus::Bus;
use super::control::Cr0;
use super::event::CpuEvent;
use super::instruction::{Check, Instruction, Opcode, Operand};
use super::register::General;
use super::sensitive::{Cause, Intercepts, Outcome, Stop};
use super::transition::{self, EventSource};
pub use operand::is_canonical;

use super::{Activity, Cpu, Exception, InterruptShadow, Operation, Vector};

/// A processor at one instruction, with everything that it reaches.
pub struct Step<'a> {
    /// The processor.
    pub cpu: &'a mut Cpu,
    /// Memory and ports.
    pub bus: &'a mut dyn Bus,
    /// What stands between a guest and the machine.
    pub intercepts: &'a dyn Intercepts,
    /// The micro-steps so far.
    pub events: &'a mut Vec<CpuEvent>,
}

/// What an instruction did that is not what it says: `None` when it did that.
pub(in crate::cpu) type Done = Result<Option<String>, Stop>;

impl Step<'_> {
    /// Notes a micro-step.
    pub(in crate::cpu) fn emit(&mut self, event: CpuEvent) {
        self.events.push(event);
    }

    /// Makes the exit that `cause` makes, if a guest is running and somebody wants to know.
    ///
    /// # Errors
    /// The exit.
    pub fn ask(&mut self, cause: Cause) -> Result<(), Stop> {
        if self.cpu.operation == Operation::NonRoot && self.intercepts.intercepts(&cause, self.cpu) {
            self.emit(CpuEvent::Exited(cause));
            return Err(Stop::Exit(cause));
        }
        Ok(())
    }
}

/// Runs one instruction. After a fault or an exit the processor is as before it, RIP at the instruction; the fault is
/// not delivered.
pub fn execute(step: &mut Step<'_>, instruction: &Instruction) -> Outcome {
    if cannot_stop(instruction) {
        return execute_plain(step, instruction);
    }
    let before = step.cpu.clone();
    let shadow = step.cpu.shadow;
    step.cpu.rip = step.cpu.rip.wrapping_add(instruction.length());
    match run(step, instruction) {
        Ok(left_out) => {
            // An interrupt shadow lasts for one instruction, and a second STI or MOV SS does not prolong it.
            if shadow != InterruptShadow::None {
                step.cpu.shadow = InterruptShadow::None;
            }
            left_out.map_or(Outcome::Executed, Outcome::Ignored)
        }
        Err(stop) => {
            *step.cpu = before;
            match stop {
                Stop::Fault(exception) => {
                    step.emit(CpuEvent::Raised(exception));
                    Outcome::Fault(exception)
                }
                Stop::Exit(cause) => Outcome::Exit(cause),
                Stop::NotModelled(missing) => Outcome::NotModelled(missing),
            }
        }
    }
}

/// Whether nothing can stop an instruction on its way: it has no checks, reaches no memory and cannot fault.
fn cannot_stop(instruction: &Instruction) -> bool {
    use Opcode::*;
    let is_plain = matches!(
        instruction.opcode,
        Nop | Mov | Lea | Add | Sub | And | Or | Xor | Cmp | Test | Inc | Dec | Not | Neg | Shl | Shr
    );
    is_plain
        && instruction.opcode.row().checks.is_empty()
        && (instruction.opcode == Lea || !instruction.operands.iter().any(|o| matches!(o, Operand::Memory(_))))
}

/// Runs an instruction that nothing can stop: the state before it need not be kept.
fn execute_plain(step: &mut Step<'_>, instruction: &Instruction) -> Outcome {
    step.cpu.rip = step.cpu.rip.wrapping_add(instruction.length());
    step.cpu.shadow = InterruptShadow::None;
    match perform(step, instruction) {
        Ok(left_out) => left_out.map_or(Outcome::Executed, Outcome::Ignored),
        Err(_) => unreachable!("a plain instruction has nothing that could stop it"),
    }
}

/// Runs one instruction and delivers the fault that it gives; what the delivery comes to is in the processor and in
/// the micro-steps. An exit may come from the instruction or from the delivery.
pub fn step(step: &mut Step<'_>, instruction: &Instruction) -> Outcome {
    let outcome = execute(step, instruction);
    let Outcome::Fault(exception) = outcome else { return outcome };
    match transition::raise(step, exception) {
        Ok(()) => outcome,
        Err(Stop::Exit(cause)) => Outcome::Exit(cause),
        Err(Stop::NotModelled(missing)) => Outcome::NotModelled(missing),
        Err(Stop::Fault(other)) => Outcome::Fault(other),
    }
}

/// The check of the instruction's row that fails in this state, if one does: the table read without running anything.
#[must_use]
pub fn failing_check(cpu: &Cpu, opcode: Opcode) -> Option<Check> {
    opcode.row().checks.iter().copied().find(|check| check.test(cpu).is_err())
}

fn run(step: &mut Step<'_>, instruction: &Instruction) -> Done {
    for check in instruction.opcode.row().checks {
        match check {
            Check::Intercept => {
                if let Some(cause) = step.cause(instruction)? {
                    step.ask(cause)?;
                }
            }
            Check::IoPermission => step.check_port(instruction)?,
            check => check.test(step.cpu)?,
        }
    }
    perform(step, instruction)
}

fn perform(step: &mut Step<'_>, instruction: &Instruction) -> Done {
    use Opcode::*;
    match instruction.opcode {
        Pushf | Popf | Cli | Sti | Cld | Std | Stac | Clac => step.flag_instruction(instruction),
        Sgdt | Sidt | Sldt | Str | Lgdt | Lidt | Lldt | Ltr => step.table_instruction(instruction),
        Lar | Lsl | Verr | Verw | PushSegment | PopSegment | MovFromSegment | MovToSegment => {
            step.segment_instruction(instruction)
        }
        MovToCr | MovFromCr | Lmsw | Smsw | Clts | MovToDr | MovFromDr | Invlpg | Invpcid | Invlpga => {
            step.control_instruction(instruction)
        }
        Rdmsr | Wrmsr | Rdtsc | Rdtscp | Rdpmc | Cpuid | Xgetbv | Xsetbv | Swapgs | Rdfsbase | Rdgsbase | Wrfsbase
        | Wrgsbase => step.system_instruction(instruction),
        In | Out | Ins | Outs => step.port_instruction(instruction),
        CallFar | JmpFar | RetFar | Int | Int3 | Into | Iret | Syscall | Sysret | Sysenter | Sysexit | Call | Jmp
        | Jcc | Ret => transition::transfer(step, instruction),
        Hlt => {
            step.cpu.activity = Activity::Halted;
            step.emit(CpuEvent::Halted);
            Ok(None)
        }
        Mwait => {
            step.cpu.activity = Activity::Waiting;
            Ok(None)
        }
        Ud2 => Err(Exception::UD.into()),
        Vmxon if step.cpu.operation == Operation::Off => {
            if !step.cpu.cr0.contains(Cr0::FIXED_BY_VMX) {
                return Err(Exception::GP0.into());
            }
            step.cpu.operation = Operation::Root;
            Ok(None)
        }
        Vmxoff => {
            step.cpu.operation = Operation::Off;
            Ok(None)
        }
        Vmclear | Vmptrld | Vmptrst | Vmread | Vmwrite | Vmlaunch | Vmresume | Vmcall | Vmxon => {
            // In root operation without a current VMCS: VMfailInvalid. What they do with one is `vmx::operation`'s, and
            // the instruction console's to join with this.
            let flags = step.cpu.rflags;
            step.set_flags((flags - STATUS) | super::Rflags::CF);
            Ok(Some("VMfailInvalid (CF = 1): there is no current VMCS".to_owned()))
        }
        // RAX is to hold the address of a page (APM vol. 2, 15.5.1).
        Vmrun if !is_page(step.cpu.registers.get(General::Rax)) => Err(Exception::GP0.into()),
        Nop | Pause | Monitor | Invd | Wbinvd | Xsaves | Xrstors | Getsec | Rdrand | Rdseed | Rsm | Invept
        | Invvpid | Vmfunc | Vmrun | Vmload | Vmsave | Stgi | Clgi | Skinit | Vmmcall | Fninit => Ok(None),
        Mov | Lea | Xchg | Add | Sub | And | Or | Xor | Cmp | Test | Inc | Dec | Not | Neg | Shl | Shr | Div | Push
        | Pop => step.data_instruction(instruction),
    }
}

/// Whether a physical address of 48 bits is that of a page.
fn is_page(address: u64) -> bool {
    address & 0xfff == 0 && address >> 48 == 0
}

/// The six status flags.
pub(crate) const STATUS: super::Rflags = super::Rflags::CF
    .union(super::Rflags::PF)
    .union(super::Rflags::AF)
    .union(super::Rflags::ZF)
    .union(super::Rflags::SF)
    .union(super::Rflags::OF);

/// Delivers an external interrupt or an NMI to a processor that can take it now ([`can_take_interrupt`]).
///
/// # Errors
/// The exit that it makes instead, or what its delivery came to.
pub fn interrupt(step: &mut Step<'_>, vector: Vector) -> Result<(), Stop> {
    let cause = if vector == Vector::NMI { Cause::Nmi } else { Cause::ExternalInterrupt { vector } };
    step.ask(cause)?;
    step.cpu.activity = Activity::Running;
    if vector == Vector::NMI {
        step.cpu.blocks_nmi = true;
    }
    match transition::deliver(step, vector, None, EventSource::External) {
        Err(Stop::Fault(exception)) => transition::raise(step, exception),
        other => other,
    }
}

/// Whether a maskable interrupt could be taken before the next instruction.
#[must_use]
pub fn can_take_interrupt(cpu: &Cpu) -> bool {
    cpu.rflags.contains(super::Rflags::IF) && cpu.shadow == InterruptShadow::None && cpu.activity != Activity::Shutdown
}
