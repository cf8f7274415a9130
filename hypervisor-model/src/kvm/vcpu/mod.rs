//! A virtual processor of KVM and its run loop: VM entry, the guest, VM exit, what the kernel does about it, and what it
//! leaves to user space (`KVM_RUN`; Linux 6.1 `arch/x86/kvm/x86.c`: `vcpu_run`, `vcpu_enter_guest`).
//!
//! [`Machine`] is a virtual machine with one processor. Its guest's instructions run on [`cpu::execute`](crate::cpu::execute)
//! under the controls of a VMCS or VMCB ([`hardware`]), its memory is [`kvm::mmu`](crate::kvm::mmu)'s. Events for the guest
//! are in [`event`], handlers of exits in [`exit`], the instruction emulator in [`emulate`], devices in [`device`].

mod bus;
pub mod device;
mod emulate;
mod event;
mod exit;
pub mod guest;
pub mod hardware;
mod run;

use crate::cpu::control::{Cr0, Cr4, Efer};
use crate::cpu::{Cpu, Msr, Vendor};
use crate::emulation::guest_code::GuestCode;
use crate::kvm::mmu::{KvmMmu, Mmu, VcpuMmu};
use crate::kvm::user_exit::UserExit;
use crate::memory::PhysicalMemory;
use crate::paging::PagingState;
use serde::{Deserialize, Serialize};

use device::{Devices, IoAccess, MmioAccess};
use event::Events;
use hardware::{GuestControl, Hardware};

pub use guest::Halt;

/// Something that KVM's trace events tell.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub enum Trace {
    /// `kvm_exit`: the reason by the name that the event has for it, and what the hardware says more of it.
    Exit {
        /// The reason.
        reason: String,
        /// Exit qualification, or EXITINFO1.
        info: u64,
    },
    /// `kvm_pio`, a write: port and value.
    PortWritten {
        /// The port.
        port: u16,
        /// The value.
        value: u32,
    },
    /// `kvm_emulate_insn`.
    Emulated {
        /// Where.
        rip: u64,
    },
    /// `kvm_inj_exception`.
    ExceptionInjected {
        /// Its vector.
        vector: u8,
    },
    /// `kvm_inj_virq`.
    InterruptInjected {
        /// Its vector.
        vector: u8,
    },
    /// `kvm_hypercall`.
    Hypercall {
        /// Its number.
        number: u64,
    },
    /// `kvm_userspace_exit`.
    UserExit(UserExit),
}

/// What the kernel and user space tell each other (`struct kvm_run`).
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct Run {
    /// In: user space wants to be told when the guest can take an interrupt.
    pub request_interrupt_window: bool,
    /// Out: an interrupt may be injected now.
    pub ready_for_interrupt_injection: bool,
    /// Out: RFLAGS.IF.
    pub if_flag: bool,
    /// Out, with [`UserExit::FailEntry`]: what the hardware says of it.
    pub hardware_entry_failure_reason: u64,
    /// Both ways, while the interrupt controller is in user space: CR8.
    pub cr8: u8,
    /// Out, with [`UserExit::Io`]. In: what was read.
    pub io: Option<IoAccess>,
    /// Out, with [`UserExit::Mmio`]. In: what was read.
    pub mmio: Option<MmioAccess>,
}

/// What is still to be done when user space has done its part.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
enum Completion {
    /// Go on behind the instruction (`complete_fast_pio_out`).
    Skip,
    /// Take what was read from the port, go on behind the instruction (`complete_fast_pio_in`).
    PortRead,
    /// Take what was read from the port a number of times, for a string instruction (`complete_emulated_pio`).
    StringRead,
    /// Emulate again with what was read (`complete_emulated_mmio`).
    MmioRead,
}

/// A virtual processor.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Vcpu {
    /// The registers as the hardware has them when the guest runs.
    pub cpu: Cpu,
    /// CR0 as the guest has it.
    pub cr0: Cr0,
    /// CR3 as the guest has it.
    pub cr3: u64,
    /// CR4 as the guest has it.
    pub cr4: Cr4,
    /// EFER as the guest has it.
    pub efer: Efer,
    /// The MMU's part.
    pub mmu: VcpuMmu,
    /// The control structure.
    pub hardware: Hardware,
    /// Events that wait.
    events: Events,
    /// HLT, with the interrupt controllers in the kernel (`KVM_MP_STATE_HALTED`).
    is_halted: bool,
    /// The guest owns the debug registers until the next exit (`KVM_DEBUGREG_WONT_EXIT`).
    owns_debug_registers: bool,
    completion: Option<Completion>,
    /// What was read from a device for the instruction that is being emulated.
    mmio_read: Option<u64>,
    /// Shared with user space.
    pub run: Run,
}

/// A virtual machine with one processor, and the machine's memory under it.
#[derive(Clone, PartialEq, Debug)]
pub struct Machine {
    /// The host's memory.
    pub memory: PhysicalMemory,
    /// The memory of the guest.
    pub mmu: KvmMmu,
    /// What the guest runs.
    pub code: GuestCode,
    /// Devices in the kernel.
    pub devices: Devices,
    /// The processor.
    pub vcpu: Vcpu,
    /// The processor asks for the right to write before it loads what it will store again.
    pub asks_before_modify: bool,
    /// How many instructions the guest may still run.
    pub budget: u64,
    /// What happened.
    pub trace: Vec<Trace>,
}

impl Vcpu {
    /// A processor after reset, with a control structure.
    pub fn new(cpu: Cpu, hardware: Hardware) -> Vcpu {
        Vcpu {
            cr0: cpu.cr0,
            cr3: cpu.cr3,
            cr4: cpu.cr4,
            efer: cpu.efer,
            cpu,
            mmu: VcpuMmu::new(),
            hardware,
            events: Events::default(),
            is_halted: false,
            owns_debug_registers: false,
            completion: None,
            mmio_read: None,
            run: Run::default(),
        }
    }

    fn guest_control(&self) -> GuestControl {
        GuestControl { cr0: self.cr0, cr3: self.cr3, cr4: self.cr4, efer: self.efer }
    }

    fn set_guest_control(&mut self, control: GuestControl) {
        (self.cr0, self.cr3, self.cr4, self.efer) = (control.cr0, control.cr3, control.cr4, control.efer);
    }

    /// The hardware's control registers follow those of the guest.
    fn update_hardware(&mut self) {
        let control = self.guest_control();
        self.hardware.set_control_registers(&mut self.cpu, control);
    }

    /// The processor as the guest sees it: what the emulator works on.
    fn as_guest_sees_it(&self) -> Cpu {
        let mut cpu = self.cpu.clone();
        cpu.cr0 = self.cr0 | Cr0::ET;
        cpu.cr3 = self.cr3;
        cpu.cr4 = self.cr4;
        cpu.efer = self.efer;
        cpu.operation = crate::cpu::Operation::Off;
        cpu
    }

    /// Whether the guest is in real mode, which the processor cannot run: VT-x without "unrestricted guest". KVM runs it in
    /// virtual-8086 mode (`enter_rmode`); this model leaves the registers as they are, and takes away the privilege.
    fn runs_real_mode_as_virtual_8086(&self) -> bool {
        matches!(&self.hardware, Hardware::Vmx(vmx) if !vmx.has_ept) && !self.cr0.contains(Cr0::PE)
    }

    /// Whose processor it is.
    pub fn vendor(&self) -> Vendor {
        self.cpu.vendor
    }
}

impl Machine {
    fn mmu(&mut self) -> Mmu<'_> {
        Mmu { memory: &mut self.memory, vm: &mut self.mmu, vcpu: &mut self.vcpu.mmu }
    }

    /// `KVM_SET_SREGS`, `KVM_SET_REGS` and `KVM_SET_MSRS` in one: the guest's registers are those of `cpu`.
    pub fn set_registers(&mut self, cpu: Cpu) {
        let vcpu = &mut self.vcpu;
        (vcpu.cr0, vcpu.cr3, vcpu.cr4, vcpu.efer) = (cpu.cr0, cpu.cr3, cpu.cr4, cpu.efer);
        vcpu.cpu = cpu;
        let features = vcpu.mmu.guest.features;
        let state = PagingState::of(&vcpu.as_guest_sees_it(), [0; 4], features);
        self.mmu().set_registers(state);
        self.vcpu.update_hardware();
        self.update_tpr_threshold(true);
    }

    /// The base of the local APIC, if it is in the kernel.
    fn apic_base(&self) -> Option<u64> {
        self.devices.irqchip.as_ref().map(|_| match self.vcpu.cpu.msrs.get(Msr::APIC_BASE) & !0xfff {
            0 => device::APIC_DEFAULT_BASE,
            base => base,
        })
    }

    /// `update_cr8_intercept`: by itself only while the APIC is enabled by software, with `KVM_SET_SREGS` always.
    fn update_tpr_threshold(&mut self, always: bool) {
        let Some(chip) = &self.devices.irqchip else { return };
        if always || chip.apic_is_enabled() {
            let highest = chip.highest_request().map(|vector| vector.0 >> 4);
            self.vcpu.hardware.set_tpr_threshold(self.vcpu.cpu.cr8, highest);
        }
    }
}
