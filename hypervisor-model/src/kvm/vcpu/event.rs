//! Events that wait for the guest, and how they get into it (`kvm_check_and_inject_events`, `kvm_multiple_exception`,
//! `vmx_complete_interrupts`; arch/x86/kvm/x86.c).
//!
//! An event is *pending* until it is put into the control structure, *injected* until the processor has delivered it. An
//! exit in the middle of a delivery makes it wait to be injected again.

use super::{Machine, Trace};
use crate::cpu::transition::makes_double_fault;
use crate::cpu::{Exception, InterruptShadow, Rflags, Vector};
use crate::vmx::interruption::{EventType, Interruption};
use serde::{Deserialize, Serialize};

/// An exception that waits.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
struct Queued {
    exception: Exception,
    is_injected: bool,
}

/// What waits for the guest.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct Events {
    exception: Option<Queued>,
    /// An interrupt that is on its way (`interrupt.injected`).
    interrupt: Option<Vector>,
    /// `KVM_REQ_EVENT`: look at all this before the next entry.
    pub(super) is_requested: bool,
    /// `KVM_REQ_TRIPLE_FAULT`.
    pub(super) is_triple_fault: bool,
}

/// What an entry has to do about events.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(super) struct Injection {
    /// What is put into the control structure.
    pub event: Option<Interruption>,
    /// Something else waits that cannot be put beside it: leave at once and look again.
    pub leaves_at_once: bool,
}

impl Machine {
    /// `kvm_queue_exception`: an exception while another waits may make a double or a triple fault.
    pub(super) fn queue_exception(&mut self, exception: Exception) {
        let events = &mut self.vcpu.events;
        events.is_requested = true;
        let queued = match events.exception.map(|queued| queued.exception) {
            None => exception,
            Some(first) if first.vector == Vector::DF => {
                events.exception = None;
                events.is_triple_fault = true;
                return;
            }
            Some(first) if makes_double_fault(first.vector, exception.vector) => Exception::with_code(Vector::DF, 0),
            Some(_) => exception,
        };
        events.exception = Some(Queued { exception: queued, is_injected: false });
    }

    /// `KVM_INTERRUPT`: user space's interrupt controller gives one.
    pub fn queue_interrupt(&mut self, vector: Vector) {
        self.vcpu.events.interrupt = Some(vector);
        self.vcpu.events.is_requested = true;
    }

    /// Whether an event is on its way (`kvm_event_needs_reinjection`).
    fn needs_reinjection(&self) -> bool {
        let events = &self.vcpu.events;
        events.interrupt.is_some() || events.exception.is_some_and(|queued| queued.is_injected)
    }

    /// Whether the guest could take an interrupt now (`kvm_arch_interrupt_allowed`).
    fn interrupt_allowed(&self) -> bool {
        self.vcpu.cpu.rflags.contains(Rflags::IF) && self.vcpu.cpu.shadow == InterruptShadow::None
    }

    /// Whether an interrupt waits that could be injected (`kvm_cpu_has_injectable_intr`). One of user space's counts
    /// from when it was queued until it was delivered.
    fn has_injectable_interrupt(&self) -> bool {
        match &self.devices.irqchip {
            None => self.vcpu.events.interrupt.is_some(),
            Some(chip) => chip.apic_is_enabled() && chip.apic.pending(self.vcpu.cpu.cr8).is_some(),
        }
    }

    /// Whether user space wants to be told of a window (`dm_request_for_irq_injection`).
    pub(super) fn requests_window(&self) -> bool {
        self.devices.irqchip.is_none() && self.vcpu.run.request_interrupt_window
    }

    /// Whether there is a place to put an interrupt of user space (`kvm_cpu_accept_dm_intr`).
    pub(super) fn accepts_interrupt(&self) -> bool {
        self.devices.irqchip.is_none() && self.vcpu.events.interrupt.is_none()
    }

    /// `kvm_vcpu_ready_for_interrupt_injection`.
    pub(super) fn is_ready_for_interrupt(&self) -> bool {
        self.interrupt_allowed()
            && self.accepts_interrupt()
            && !self.needs_reinjection()
            && self.vcpu.events.exception.is_none()
    }

    /// Whether a halted processor has a reason to go on (`kvm_arch_vcpu_runnable`).
    pub(super) fn has_reason_to_wake(&self) -> bool {
        self.vcpu.events.exception.is_some() || self.interrupt_allowed() && self.has_injectable_interrupt()
    }

    /// Decides what the next entry injects.
    pub(super) fn inject_events(&mut self) -> Injection {
        let can_inject = !self.needs_reinjection();
        let mut injection = Injection::default();
        let mut is_free = can_inject;
        if let Some(Queued { exception, is_injected }) = self.vcpu.events.exception {
            if !is_injected {
                self.trace.push(Trace::ExceptionInjected { vector: exception.vector.0 });
                self.prepare_exception(exception);
            }
            injection.event = Some(Interruption::exception(exception.vector.0, self.error_code_of(exception)));
            self.vcpu.events.exception = Some(Queued { exception, is_injected: true });
            is_free = false;
        } else if let Some(vector) = self.vcpu.events.interrupt {
            self.trace.push(Trace::InterruptInjected { vector: vector.0 });
            injection.event = Some(Interruption::external(vector.0));
        }
        if !self.has_injectable_interrupt() {
            return injection;
        }
        if !is_free {
            injection.leaves_at_once = true;
            return injection;
        }
        if self.interrupt_allowed()
            && let Some(vector) =
                self.devices.irqchip.as_mut().and_then(|chip| chip.apic.acknowledge(self.vcpu.cpu.cr8))
        {
            self.vcpu.events.interrupt = Some(vector);
            self.trace.push(Trace::InterruptInjected { vector: vector.0 });
            injection.event = Some(Interruption::external(vector.0));
        }
        if self.has_injectable_interrupt() {
            self.vcpu.hardware.set_interrupt_window(true);
        }
        injection
    }

    /// Real mode has no error codes.
    fn error_code_of(&self, exception: Exception) -> Option<u32> {
        exception.error_code.filter(|_| self.vcpu.cr0.contains(crate::cpu::Cr0::PE))
    }

    /// CR2, DR6 and RF as the exception leaves them (`kvm_deliver_exception_payload`).
    fn prepare_exception(&mut self, exception: Exception) {
        let cpu = &mut self.vcpu.cpu;
        match (exception.vector, exception.address) {
            (Vector::PF, Some(address)) => cpu.cr2 = address,
            (Vector::DB, Some(bits)) => cpu.dr[6] |= bits,
            _ => {}
        }
    }

    /// An exit says whether it came in the middle of a delivery: the event has to be injected again; else it has
    /// arrived.
    pub(super) fn complete_events(&mut self, vectoring: Option<Interruption>) {
        let events = &mut self.vcpu.events;
        events.interrupt = None;
        if events.exception.is_some_and(|queued| queued.is_injected) {
            events.exception = None;
        }
        let Some(event) = vectoring else { return };
        events.is_requested = true;
        match event.kind {
            EventType::External => events.interrupt = Some(Vector(event.vector)),
            EventType::HardwareException | EventType::SoftwareException => {
                let exception = Exception { vector: Vector(event.vector), error_code: event.error_code, address: None };
                events.exception = Some(Queued { exception, is_injected: true });
            }
            // The instruction will be run again.
            _ => {}
        }
    }
}
