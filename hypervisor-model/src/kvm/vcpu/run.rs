//! `KVM_RUN`: entry after entry until user space is needed (`kvm_arch_vcpu_ioctl_run`, `vcpu_run`, `vcpu_enter_guest`).

use super::bus::GuestBus;
use super::event::Injection;
use super::guest::{Entry, Exited, Guest, Halt};
use super::hardware::Hardware;
use super::{Machine, Trace};
use crate::cpu::event::CpuEvent;
use crate::cpu::sensitive::Cause;
use crate::cpu::{Exception, InterruptShadow, Rflags, Vector};
use crate::kvm::mmu::MemoryExit;
use crate::kvm::user_exit::UserExit;
use crate::svm::entry_check;
use crate::svm::exit_code::ExitCode;
use crate::svm::intercepts::{GuestMode, exit_code, vm_exit};
use crate::vmx::controls::Allowed;
use crate::vmx::fields::Field;
use crate::vmx::intercepts::NonRoot;
use crate::vmx::interruption::exception_name;
use crate::vmx::operation::{self, Entered};
use crate::vmx::transition::{self, ExitContext};
use crate::vmx::vmcs::LaunchState;

/// What becomes of an exit.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Handled {
    /// The guest runs on.
    Resume,
    /// User space is needed.
    User(UserExit),
}

/// What came of an entry.
enum Ran {
    /// The guest has run and exited.
    Exited(Exited),
    /// The hardware did not enter it: the error of the instruction, the exit reason with bit 31, or VMEXIT_INVALID.
    Refused(u64),
}

/// Vector of the interrupt by which a processor is called back to the host at once (`RESCHEDULE_VECTOR`).
const RESCHEDULE: Vector = Vector(0xfd);

impl Machine {
    /// Runs the guest until user space is needed.
    ///
    /// # Errors
    /// The guest cannot go on in this model.
    pub fn run(&mut self) -> Result<UserExit, Halt> {
        let exit = self.run_to_user_space()?;
        let is_ready = self.is_ready_for_interrupt();
        let has_irqchip = self.devices.irqchip.is_some();
        let vcpu = &mut self.vcpu;
        vcpu.run.if_flag = vcpu.cpu.rflags.contains(Rflags::IF);
        vcpu.run.cr8 = vcpu.cpu.cr8;
        vcpu.run.ready_for_interrupt_injection = has_irqchip || is_ready;
        self.trace.push(Trace::UserExit(exit));
        Ok(exit)
    }

    fn run_to_user_space(&mut self) -> Result<UserExit, Halt> {
        if self.devices.irqchip.is_none() {
            self.vcpu.cpu.cr8 = self.vcpu.run.cr8;
        }
        if let Some(completion) = self.vcpu.completion.take()
            && let Handled::User(exit) = self.complete(completion)?
        {
            return Ok(exit);
        }
        loop {
            if self.vcpu.is_halted {
                if !self.has_reason_to_wake() {
                    return Err(Halt::NotModelled("HLT, and nothing will wake the processor".to_owned()));
                }
                self.vcpu.is_halted = false;
            }
            if let Handled::User(exit) = self.enter_guest()? {
                return Ok(exit);
            }
            if self.requests_window() && self.is_ready_for_interrupt() {
                return Ok(UserExit::IrqWindowOpen);
            }
        }
    }

    /// One entry with its exit.
    fn enter_guest(&mut self) -> Result<Handled, Halt> {
        if std::mem::take(&mut self.vcpu.events.is_triple_fault) {
            return Ok(Handled::User(UserExit::Shutdown));
        }
        let requests_window = self.requests_window() && self.accepts_interrupt();
        let mut injection = Injection::default();
        if std::mem::take(&mut self.vcpu.events.is_requested) || requests_window {
            injection = self.inject_events();
            if requests_window {
                self.vcpu.hardware.set_interrupt_window(true);
            }
            self.update_tpr_threshold(false);
        }
        if self.mmu().enter().is_err() {
            return Ok(Handled::User(UserExit::Shutdown));
        }
        self.load_root();
        if injection.leaves_at_once {
            self.vcpu.events.is_requested = true;
        }
        let exited = match self.run_guest(injection)? {
            Ran::Exited(exited) => exited,
            // `vmx_handle_exit` before anything else, `handle_exit` of svm.c for VMEXIT_INVALID.
            Ran::Refused(reason) => {
                self.vcpu.run.hardware_entry_failure_reason = reason;
                return Ok(Handled::User(UserExit::FailEntry));
            }
        };
        self.after_exit(&exited);
        self.handle_exit(exited)
    }

    /// The root of the tables into the control structure.
    fn load_root(&mut self) {
        let ept = self.mmu().ept().map(|ept| ept.eptp);
        let root = self.vcpu.mmu.root.map_or(0, |root| root.hpa.0);
        let is_tdp = self.mmu.config.is_tdp();
        let vcpu = &mut self.vcpu;
        vcpu.cpu.cr3 = if is_tdp { vcpu.cr3 } else { root };
        match &mut vcpu.hardware {
            Hardware::Vmx(vmx) => vmx.vmcs.write(Field::EptPointer, ept.unwrap_or(0)),
            Hardware::Svm(svm) => svm.vmcb.control.nested_cr3 = if is_tdp { root } else { 0 },
        }
    }

    /// VM entry, the guest, VM exit.
    fn run_guest(&mut self, injection: Injection) -> Result<Ran, Halt> {
        let is_virtual_8086 = self.vcpu.runs_real_mode_as_virtual_8086();
        let mut bus = GuestBus::new(&mut self.memory, &mut self.mmu, &mut self.vcpu.mmu, self.asks_before_modify);
        let mut events: Vec<CpuEvent> = Vec::new();
        let cpu = &mut self.vcpu.cpu;
        let leaves_at_once = injection.leaves_at_once.then_some(match &self.vcpu.hardware {
            Hardware::Vmx(_) => Cause::PreemptionTimer,
            Hardware::Svm(_) => Cause::ExternalInterrupt { vector: RESCHEDULE },
        });
        match &mut self.vcpu.hardware {
            Hardware::Vmx(vmx) => {
                let event = injection.event.map_or(0, |event| u64::from(event.encode()));
                let code = injection.event.and_then(|event| event.error_code).unwrap_or(0);
                vmx.vmcs.write(Field::EntryInterruptionInformation, event);
                vmx.vmcs.write(Field::EntryExceptionErrorCode, u64::from(code));
                for (field, value) in crate::vmx::state::guest_fields(cpu) {
                    vmx.vmcs.write(field, value);
                }
                let mut steps = Vec::new();
                let host = cpu.clone();
                // The guest's shadow is in its field; that of the VMM, who has just moved nothing to SS, is none.
                cpu.shadow = InterruptShadow::None;
                let is_launch = vmx.vmcs.launch == LaunchState::Clear;
                let injected = if is_virtual_8086 {
                    // The registers are left as real mode has them, which the checks would refuse.
                    transition::enter(&mut vmx.vmcs, cpu, &mut steps)
                } else {
                    match operation::enter(&mut vmx.vmcs, &Allowed::all_but(&[]), is_launch, cpu, &mut steps) {
                        Ok(Entered::Guest(injected)) => injected,
                        refused => {
                            *cpu = host;
                            let reason = match refused {
                                Err(error) => u64::from(error.number()),
                                _ => vmx.vmcs.read(Field::ExitReason),
                            };
                            return Ok(Ran::Refused(reason));
                        }
                    }
                };
                let intercepts = NonRoot::new(&vmx.vmcs, &vmx.msr_bitmap);
                let mut guest = Guest {
                    cpu,
                    bus: &mut bus,
                    intercepts: &intercepts,
                    code: &self.code,
                    budget: &mut self.budget,
                    events: &mut events,
                    is_virtual_8086,
                };
                let exited = guest.run(Entry { injected, leaves_at_once })?;
                // KVM keeps the guest's registers beside the VMCS; here they stay in the processor.
                let mut leaving = cpu.clone();
                let length = instruction_length(&self.code, cpu);
                let context = ExitContext { vectoring: exited.vectoring, instruction_length: length };
                transition::exit(&mut vmx.vmcs, &mut leaving, &exited.cause, context, &mut steps);
                cpu.operation = host.operation;
                Ok(Ran::Exited(exited))
            }
            Hardware::Svm(svm) => {
                svm.vmcb.save = crate::svm::vmcb::SaveArea::of(cpu);
                svm.vmcb.control.v_tpr = cpu.cr8;
                svm.vmcb.control.interrupt_shadow = cpu.shadow != crate::cpu::InterruptShadow::None;
                svm.vmcb.control.event_injection = injection.event;
                let operation = cpu.operation;
                if entry_check::check(&svm.vmcb).is_err() {
                    svm.vmcb.control.exit_code = Some(ExitCode::INVALID);
                    return Ok(Ran::Refused(ExitCode::INVALID.0));
                }
                let injected = svm.vmcb.run(cpu, &mut svm.host);
                let intercepts = GuestMode::new(&svm.vmcb, &svm.permission_map, svm.deviations);
                let mut guest = Guest {
                    cpu,
                    bus: &mut bus,
                    intercepts: &intercepts,
                    code: &self.code,
                    budget: &mut self.budget,
                    events: &mut events,
                    is_virtual_8086,
                };
                let exited = guest.run(Entry { injected, leaves_at_once })?;
                let code =
                    exit_code(&exited.cause, &svm.vmcb.control.intercepts, svm.deviations).unwrap_or(ExitCode::INVALID);
                let mut leaving = cpu.clone();
                svm.vmcb.exit(&mut leaving, &svm.host, vm_exit(code, &exited.cause, exited.vectoring));
                cpu.operation = operation;
                Ok(Ran::Exited(exited))
            }
        }
    }

    /// What every exit does first: the guest's own bits, debug registers, events, the trace.
    fn after_exit(&mut self, exited: &Exited) {
        let mut control = self.vcpu.guest_control();
        self.vcpu.hardware.observe(&self.vcpu.cpu, &mut control);
        self.vcpu.set_guest_control(control);
        if std::mem::take(&mut self.vcpu.owns_debug_registers) {
            self.vcpu.hardware.intercept_debug_registers(true);
        }
        self.complete_events(exited.vectoring);
        let (reason, info) = match &self.vcpu.hardware {
            Hardware::Vmx(vmx) => {
                let name = vmx.vmcs.exit_reason().map_or("?", |reason| reason.linux_name());
                let name = match exited.cause {
                    Cause::Exception(exception) => format!("{name}({})", exception_name(exception.vector.0)),
                    _ => name.to_owned(),
                };
                (name, vmx.vmcs.read(Field::ExitQualification))
            }
            Hardware::Svm(svm) => {
                let control = &svm.vmcb.control;
                (control.exit_code.map_or_else(String::new, |code| code.linux_name()), control.exit_info_1)
            }
        };
        self.trace.push(Trace::Exit { reason, info });
    }

    /// What an exit of a page fault or a nested fault gives to the MMU.
    pub(super) fn memory_exit(exited: &Exited) -> Option<MemoryExit> {
        match exited.cause {
            Cause::NestedFault(fault) => Some(MemoryExit::Nested(fault)),
            Cause::Exception(Exception { vector: Vector::PF, .. }) => exited.memory,
            _ => None,
        }
    }
}

fn instruction_length(code: &crate::emulation::guest_code::GuestCode, cpu: &crate::cpu::Cpu) -> u8 {
    code.at(super::guest::linear_rip(cpu)).map_or(0, |instruction| instruction.bytes)
}
