//! The instruction console: what becomes of each instruction of a typed program on a platform, in a ring.
//!
//! A program is run on [`standard_processor`], an instruction a row. What was never set is made harmless
//! ([`preparation`]). An instruction that faults is stepped over, as if its handler had skipped it; one that enters the
//! kernel comes back at once, unless its handler is written behind it in braces.

pub mod kvm;
pub mod platform;
pub mod preparation;
pub mod standard_processor;
pub mod vmm;

use crate::cpu::bus::FlatMemory;
use crate::cpu::control::{Cr4, Efer};
use crate::cpu::execute::{Step, execute, failing_check};
use crate::cpu::instruction::parse::Line;
use crate::cpu::instruction::{Class, Instruction, Opcode, Silently};
use crate::cpu::sensitive::{Cause, Intercepts, Nothing};
use crate::cpu::{self, Activity, Cpu, CpuEvent, Exception, Mode, Operation, Vendor};
use kvm::{KvmUsual, exit_name};
use platform::ConsolePlatform;
use preparation::Preparation;
use serde::Serialize;
use standard_processor::standard_processor;
use std::fmt;
use thiserror::Error;
use vmm::Vmm;

/// Where and how a program runs.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Setting {
    /// The platform.
    pub platform: ConsolePlatform,
    /// The ring as the guest sees it, 0 to 3.
    pub ring: u8,
    /// Whose processor.
    pub vendor: Vendor,
    /// Real, protected or long mode.
    pub mode: Mode,
    /// The I/O privilege level at the start.
    pub iopl: u8,
    /// Bits of CR4 that are set besides those of the standard processor.
    pub cr4_set: Cr4,
    /// Bits of CR4 that are clear.
    pub cr4_clear: Cr4,
}

/// Why a setting cannot be.
#[derive(Clone, PartialEq, Eq, Debug, Error)]
pub enum SettingError {
    /// Rings are 0 to 3.
    #[error("there is no ring {0}: rings are 0, 1, 2, 3")]
    Ring(u8),
    /// IOPL is 0 to 3.
    #[error("there is no I/O privilege level {0}: it is 0, 1, 2 or 3")]
    Iopl(u8),
    /// Real mode has no rings.
    #[error("real mode has no rings: leave --ring out, or choose protected or long mode")]
    RealMode,
    /// The mode is not one to start in.
    #[error("a program starts in real, protected or long mode")]
    Mode,
}

impl Setting {
    /// A platform's usual setting.
    #[must_use]
    pub fn of(platform: ConsolePlatform) -> Setting {
        Setting {
            platform,
            ring: platform.default_ring(),
            vendor: Vendor::Intel,
            mode: platform.default_mode(),
            iopl: 0,
            cr4_set: Cr4::empty(),
            cr4_clear: Cr4::empty(),
        }
    }

    fn check(&self) -> Result<(), SettingError> {
        match self.mode {
            _ if self.ring > 3 => Err(SettingError::Ring(self.ring)),
            _ if self.iopl > 3 => Err(SettingError::Iopl(self.iopl)),
            Mode::Real if self.ring != 0 => Err(SettingError::RealMode),
            Mode::Real | Mode::Protected | Mode::Long => Ok(()),
            _ => Err(SettingError::Mode),
        }
    }

    /// The ring in which the processor that executes the program is. A translator and an emulator execute on a
    /// virtual processor, which is in the ring that the guest believes to be in.
    fn processor_ring(&self) -> u8 {
        match self.platform {
            ConsolePlatform::Bt if self.ring < 3 => 0,
            _ if self.mode == Mode::Real => 0,
            platform => platform.real_ring(self.ring),
        }
    }
}

/// What became of an instruction.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Outcome {
    /// It ran on the processor.
    Executed,
    /// It gave an exception.
    Fault,
    /// It left the guest.
    Exit,
    /// It ran, left out what was asked, and told nobody.
    Ignored,
    /// An emulator did it.
    Emulated,
    /// A translator made other instructions of it.
    Translated,
    /// It is a call of the hypervisor.
    Hypercall,
    /// The model does not do it.
    NotModelled,
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Outcome::Executed => "executed",
            Outcome::Fault => "fault",
            Outcome::Exit => "exit",
            Outcome::Ignored => "ignored",
            Outcome::Emulated => "emulated",
            Outcome::Translated => "translated",
            Outcome::Hypercall => "hypercall",
            Outcome::NotModelled => "not-modelled",
        })
    }
}

/// A row of the console: one instruction and what became of it.
#[derive(Clone, PartialEq, Debug, Serialize)]
pub struct Row {
    /// The instruction as it was typed.
    pub instruction: String,
    /// What became of it.
    pub outcome: Outcome,
    /// The exception, for instance `#GP`.
    pub exception: Option<String>,
    /// The error code of the exception.
    pub error_code: Option<u32>,
    /// Why the guest was left, in the words of KVM's trace events.
    pub exit_reason: Option<String>,
    /// The basic exit reason of VT-x, or the exit code of AMD-V.
    pub exit_number: Option<u64>,
    /// How an instruction of VT-x says that it failed: `VMfailInvalid`, `VMfailValid(7)`.
    pub vm_fail: Option<String>,
    /// What there is to know.
    pub note: String,
    /// Where it is written down.
    pub citation: &'static str,
    /// The ring in which the processor was.
    pub ring: u8,
    /// What it has to do with privilege.
    pub class: Class,
    /// How deep in handlers it is.
    pub depth: usize,
    /// The micro-steps in words.
    pub steps: Vec<String>,
    /// The micro-steps.
    #[serde(skip)]
    pub events: Vec<CpuEvent>,
    /// The exception itself.
    #[serde(skip)]
    pub raised: Option<Exception>,
}

impl Row {
    /// Adds to the note.
    pub fn remark(&mut self, note: &str) {
        if !self.note.is_empty() {
            self.note.push_str("; ");
        }
        self.note.push_str(note);
    }

    /// Another outcome, with what there is to know of it.
    fn become_outcome(&mut self, outcome: Outcome, note: &str) {
        self.outcome = outcome;
        self.note = note.to_owned();
    }

    fn emulated_by_xen(&mut self, note: &str) {
        self.exception = None;
        self.error_code = None;
        self.become_outcome(Outcome::Emulated, note);
    }

    /// The outcome with its exception or exit: `fault #GP(0)`, `exit 28 CR_ACCESS`.
    #[must_use]
    pub fn verdict(&self) -> String {
        match (self.outcome, &self.exit_reason, self.exit_number, self.raised) {
            (Outcome::Exit, Some(reason), Some(number), _) => format!("exit {number} {reason}"),
            (Outcome::Exit, Some(reason), None, _) => format!("exit: {reason}"),
            (Outcome::Fault, _, _, Some(exception)) => format!("fault {exception}"),
            (Outcome::Executed, ..) if self.vm_fail.is_some() => self.vm_fail.clone().unwrap_or_default(),
            (outcome, ..) => outcome.to_string(),
        }
    }
}

/// Runs a program.
///
/// # Errors
/// A setting that cannot be.
pub fn run(lines: &[Line], setting: &Setting) -> Result<Vec<Row>, SettingError> {
    setting.check()?;
    let (mut cpu, mut memory) = standard_processor(setting.vendor, setting.mode, setting.processor_ring());
    cpu.rflags = cpu.rflags.with_iopl(setting.iopl);
    cpu.cr4 = (cpu.cr4 | setting.cr4_set) - setting.cr4_clear;
    if setting.platform.is_hardware_assisted() {
        cpu.operation = Operation::NonRoot;
        if setting.vendor == Vendor::Amd {
            // The real EFER.SVME of a guest of KVM is always set; the guest reads another one.
            cpu.efer |= Efer::SVME;
        }
    }
    let vmm = Vmm::new(&cpu, &mut memory);
    let mut console = Console { setting, cpu, memory, vmm, preparation: Preparation::default(), rows: Vec::new() };
    console.run(lines, 0);
    Ok(console.rows)
}

struct Console<'s> {
    setting: &'s Setting,
    cpu: Cpu,
    memory: FlatMemory,
    vmm: Vmm,
    preparation: Preparation,
    rows: Vec<Row>,
}

impl Console<'_> {
    fn run(&mut self, lines: &[Line], depth: usize) {
        for line in lines {
            self.line(line, depth);
        }
    }

    fn line(&mut self, line: &Line, depth: usize) {
        let instruction = &line.instruction;
        let mut prepared = self.cpu.clone();
        self.preparation.prepare(&mut prepared, &mut self.memory, instruction, depth == 0);
        self.cpu = prepared;
        let before = self.cpu.clone();
        let (mut row, mut next) = self.one(instruction, depth);
        if next.rip == before.rip && instruction.rep.is_some() && row.outcome == Outcome::Executed {
            let left = next.registers.get(cpu::General::Rcx);
            row.remark(&format!("{left} rounds are left: a processor would look for interrupts and go on"));
            next.rip = next.rip.wrapping_add(instruction.length());
        }
        platform::below(self.setting.platform, self.setting.ring, instruction, &mut row);
        let entered = row.outcome != Outcome::Fault && next.cpl != before.cpl;
        self.rows.push(row);
        self.preparation.note(instruction);
        self.cpu = next;
        self.cpu.tsc += 1;
        if let Some(handler) = &line.handler {
            self.run(handler, depth + 1);
        }
        // At the first level every instruction starts in the ring that was asked for: a handler has returned. An entry into
        // a guest and its exit are no calls that return.
        let has_returned = depth == 0 && self.cpu.cpl != before.cpl
            || entered && line.handler.is_none() && depth > 0 && before.cpl == 3;
        if has_returned && self.cpu.operation == before.operation {
            self.cpu = Cpu { rip: before.rip.wrapping_add(instruction.length()), ..before };
        }
        self.cpu.activity = Activity::Running;
    }

    /// Runs one instruction, without changing the console; the processor after it is returned.
    fn one(&mut self, instruction: &Instruction, depth: usize) -> (Row, Cpu) {
        let mut cpu = self.cpu.clone();
        let (outcome, events, is_intercepted) = self.execute(instruction, &mut cpu);
        let mut row = self.row(instruction, depth, &events);
        match outcome {
            cpu::Outcome::Executed | cpu::Outcome::Ignored(_) if Vmm::concerns(&self.cpu, instruction.opcode) => {
                let before = self.cpu.clone();
                self.vmm.perform(instruction, &before, (&mut cpu, &mut self.memory), &mut row);
            }
            cpu::Outcome::Executed => row.remark(&self.in_passing(instruction)),
            cpu::Outcome::Ignored(what) => {
                row.outcome = Outcome::Ignored;
                row.remark(&what);
            }
            cpu::Outcome::NotModelled(missing) => {
                row.outcome = Outcome::NotModelled;
                row.remark(&missing.to_string());
            }
            cpu::Outcome::Exit(cause) if self.vmm.is_in_guest() => {
                self.vmm.exit(&cause, instruction.bytes, (&mut cpu, &mut self.memory), &mut row);
            }
            cpu::Outcome::Exit(cause) => {
                self.exit(&mut row, &cause);
                // Whoever takes the exit does it instead; a real processor would do the same without it.
                self.do_instead(instruction, &mut cpu);
            }
            cpu::Outcome::Fault(exception) => {
                self.fault(&mut row, instruction, exception);
                let cause = Cause::Exception(exception);
                match is_intercepted {
                    true if self.vmm.is_in_guest() => {
                        self.vmm.exit(&cause, instruction.bytes, (&mut cpu, &mut self.memory), &mut row);
                        return (row, cpu);
                    }
                    true => self.exit(&mut row, &cause),
                    false if self.cpu.is_guest() => row.remark("the guest's own kernel gets it, without an exit"),
                    false => {}
                }
                cpu.rip = cpu.rip.wrapping_add(instruction.length());
            }
        }
        (row, cpu)
    }

    /// Has the processor run an instruction under what intercepts there. Whether somebody intercepts the fault that it gave.
    fn execute(&mut self, instruction: &Instruction, cpu: &mut Cpu) -> (cpu::Outcome, Vec<CpuEvent>, bool) {
        let usual =
            KvmUsual { vendor: self.setting.vendor, is_shadow: self.setting.platform == ConsolePlatform::KvmShadow };
        let own = self.vmm.intercepts();
        let intercepts: &dyn Intercepts = match &own {
            Some(own) => &**own,
            None if self.setting.platform.is_hardware_assisted() => &usual,
            None => &Nothing,
        };
        let mut events = Vec::new();
        let mut step = Step { cpu, bus: &mut self.memory, intercepts, events: &mut events };
        let outcome = execute(&mut step, instruction);
        let is_intercepted = match outcome {
            cpu::Outcome::Fault(exception) => {
                self.cpu.is_guest() && intercepts.intercepts(&Cause::Exception(exception), &self.cpu)
            }
            _ => false,
        };
        (outcome, events, is_intercepted)
    }

    fn row(&self, instruction: &Instruction, depth: usize, events: &[CpuEvent]) -> Row {
        Row {
            instruction: instruction.text.clone(),
            outcome: Outcome::Executed,
            exception: None,
            error_code: None,
            exit_reason: None,
            exit_number: None,
            vm_fail: None,
            note: String::new(),
            citation: instruction.opcode.row().citation,
            ring: self.cpu.cpl,
            class: instruction.opcode.row().class,
            depth,
            steps: events.iter().map(ToString::to_string).collect(),
            events: events.to_vec(),
            raised: None,
        }
    }

    /// What an instruction shows or does wrong outside ring 0, where it runs.
    fn in_passing(&self, instruction: &Instruction) -> String {
        match instruction.opcode.row().silently {
            Some(Silently::AboveRing0(what)) if self.cpu.cpl > 0 => {
                let who = if self.setting.platform.is_guest_kernel(self.setting.ring) {
                    ""
                } else {
                    "for a guest's kernel in this ring: "
                };
                format!("{who}{what}")
            }
            _ => String::new(),
        }
    }

    fn exit(&self, row: &mut Row, cause: &Cause) {
        row.outcome = Outcome::Exit;
        if let Some(exit) = exit_name(cause, self.setting.vendor) {
            row.exit_reason = Some(exit.name);
            row.exit_number = Some(exit.number);
        }
        let who = who_handles(cause);
        row.remark(who);
    }

    fn fault(&self, row: &mut Row, instruction: &Instruction, exception: Exception) {
        row.outcome = Outcome::Fault;
        row.exception = Some(exception.vector.to_string());
        row.error_code = exception.error_code;
        row.raised = Some(exception);
        if let Some(check) = failing_check(&self.cpu, instruction.opcode) {
            return row.remark(&check.reason(&self.cpu));
        }
        match instruction.opcode {
            Opcode::In | Opcode::Out | Opcode::Ins | Opcode::Outs => {
                row.remark(&cpu::instruction::Check::IoPermission.reason(&self.cpu));
            }
            Opcode::Vmxon => row.remark("CR0.PE, NE or PG is 0"),
            Opcode::Vmrun => row.remark("RAX holds no address of a page"),
            _ => {}
        }
    }

    /// What the hypervisor does instead of the instruction, as far as the processor shows it.
    fn do_instead(&mut self, instruction: &Instruction, cpu: &mut Cpu) {
        let mut events = Vec::new();
        let mut step = Step { cpu, bus: &mut self.memory, intercepts: &Nothing, events: &mut events };
        if !matches!(instruction.opcode.row().class, Class::Vmx | Class::Svm)
            && execute(&mut step, instruction) == cpu::Outcome::Executed
        {
            return;
        }
        cpu.rip = cpu.rip.wrapping_add(instruction.length());
    }
}

/// Ports of devices that KVM has in the kernel: PIC and PIT.
const PORTS_IN_KERNEL: [u16; 11] = [0x20, 0x21, 0xa0, 0xa1, 0x40, 0x41, 0x42, 0x43, 0x61, 0x4d0, 0x4d1];

/// Who deals with an exit under KVM.
fn who_handles(cause: &Cause) -> &'static str {
    match cause {
        Cause::Io { port, .. } if PORTS_IN_KERNEL.contains(port) => "a device in the kernel",
        Cause::Io { .. } => "handed to QEMU: the device is emulated there",
        Cause::TripleFault => "handed to QEMU: the guest is shut down",
        Cause::Hlt => "handled in the kernel: the vcpu's thread sleeps",
        Cause::Vmx(_) | Cause::Svm(_) => "handled in the kernel: without nesting the guest gets #UD",
        Cause::Vmcall | Cause::Vmmcall => "a hypercall: the number is in RAX, the answer too",
        Cause::Exception(exception) if exception.vector == cpu::Vector::UD => {
            "handled in the kernel: KVM tries to emulate it, then gives #UD to the guest"
        }
        Cause::MovToDr { .. } | Cause::MovFromDr { .. } => {
            "handled in the kernel: the first access exits, then the guest has the registers until the next return to user space"
        }
        _ => "handled in the kernel",
    }
}

#[cfg(test)]
mod tests;
