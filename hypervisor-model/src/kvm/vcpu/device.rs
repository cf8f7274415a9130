//! Devices in the kernel, and accesses to devices: what the kernel answers itself and what goes to user space
//! (`kvm_io_bus_write`, `virt/kvm/kvm_main.c`; `virt/kvm/eventfd.c`; `arch/x86/kvm/lapic.c`, `i8259.c`).

use crate::cpu::Vector;
use crate::cpu::apic::{Destination, LocalApic, Pic, Signal, local};
use crate::memory::Gpa;
use serde::{Deserialize, Serialize};

/// Where the local APIC is after reset.
pub const APIC_DEFAULT_BASE: u64 = 0xfee0_0000;

/// An access to a port.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct IoAccess {
    /// The port.
    pub port: u16,
    /// Bytes an access: 1, 2 or 4.
    pub size: u8,
    /// IN or INS.
    pub is_input: bool,
    /// How many accesses.
    pub count: u32,
    /// What is written, or what was read.
    pub value: u32,
}

/// An access to memory that is none.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct MmioAccess {
    /// Where.
    pub gpa: Gpa,
    /// Bytes.
    pub size: u8,
    /// A store.
    pub is_write: bool,
    /// What is written, or what was read.
    pub value: u64,
}

/// An eventfd that is notified by a write (`KVM_IOEVENTFD`).
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct IoEventFd {
    /// A port or a guest-physical address.
    pub address: u64,
    /// Bytes of the write; 0 for any.
    pub size: u8,
    /// It is a port.
    pub is_port: bool,
    /// The value that must be written, if only one counts.
    pub datamatch: Option<u64>,
    /// How often it was notified.
    pub count: u64,
}

impl IoEventFd {
    fn matches(&self, address: u64, size: u8, is_port: bool, value: u64) -> bool {
        self.is_port == is_port
            && self.address == address
            && (self.size == 0 || self.size == size)
            && self.datamatch.is_none_or(|wanted| wanted == value)
    }
}

/// The interrupt controllers in the kernel (`KVM_CREATE_IRQCHIP`).
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Irqchip {
    /// The processor's local APIC.
    pub apic: LocalApic,
    /// The two PICs.
    pub pic: Pic,
}

impl Irqchip {
    /// The controllers after reset.
    pub fn new() -> Irqchip {
        Irqchip { apic: LocalApic::new(0), pic: Pic::default() }
    }

    /// Whether the guest has enabled the local APIC (bit 8 of the spurious-interrupt register).
    pub fn apic_is_enabled(&self) -> bool {
        self.apic.read(local::SPURIOUS, 0) & 0x100 != 0
    }

    /// The highest interrupt that is requested, whatever the priority (`kvm_lapic_find_highest_irr`).
    pub fn highest_request(&self) -> Option<Vector> {
        (0..8u16).rev().find_map(|part| {
            let bits = self.apic.read(local::IRR + part * 0x10, 0);
            (bits != 0).then(|| Vector((part * 32) as u8 + (31 - bits.leading_zeros()) as u8))
        })
    }
}

impl Default for Irqchip {
    fn default() -> Self {
        Irqchip::new()
    }
}

/// Everything that answers in the kernel.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct Devices {
    /// The interrupt controllers, unless user space has them.
    pub irqchip: Option<Irqchip>,
    /// Eventfds.
    pub ioeventfds: Vec<IoEventFd>,
}

/// Ports of the PICs and of their edge/level registers.
const PIC_PORTS: [u16; 6] = [0x20, 0x21, 0xa0, 0xa1, 0x4d0, 0x4d1];

/// What a write to a device in the kernel led to.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(super) struct Written {
    /// Interrupts may have changed: look at them before the next entry.
    pub requests_event: bool,
    /// The task priority was written.
    pub task_priority: Option<u8>,
}

impl Devices {
    fn notify(&mut self, address: u64, size: u8, is_port: bool, value: u64) -> bool {
        match self.ioeventfds.iter_mut().find(|fd| fd.matches(address, size, is_port, value)) {
            Some(fd) => {
                fd.count += 1;
                true
            }
            None => false,
        }
    }

    /// Writes a port; `None` if nothing in the kernel answers.
    pub(super) fn write_port(&mut self, port: u16, size: u8, value: u32) -> Option<Written> {
        if self.notify(u64::from(port), size, true, u64::from(value)) {
            return Some(Written::default());
        }
        let chip = self.irqchip.as_mut().filter(|_| size == 1 && PIC_PORTS.contains(&port))?;
        chip.pic.write(port, value as u8);
        Some(Written { requests_event: true, task_priority: None })
    }

    /// Reads a port; `None` if nothing in the kernel answers.
    pub(super) fn read_port(&self, port: u16, size: u8) -> Option<u32> {
        let chip = self.irqchip.as_ref().filter(|_| size == 1 && PIC_PORTS.contains(&port))?;
        Some(u32::from(chip.pic.read(port)))
    }

    /// Reads memory that is none; `None` if nothing in the kernel answers. `apic` is the base of the local APIC.
    pub(super) fn read_mmio(&self, gpa: Gpa, apic: Option<u64>, task_priority: u8) -> Option<u64> {
        let offset = apic_offset(gpa, apic)?;
        self.irqchip.as_ref().map(|chip| u64::from(chip.apic.read(offset, task_priority)))
    }

    /// Writes memory that is none; `None` if nothing in the kernel answers.
    pub(super) fn write_mmio(&mut self, gpa: Gpa, size: u8, value: u64, apic: Option<u64>) -> Option<Written> {
        if let (Some(offset), Some(chip)) = (apic_offset(gpa, apic), self.irqchip.as_mut()) {
            // Registers are 16 bytes apart, and only whole ones count.
            if size != 4 || offset & 0xf != 0 {
                return Some(Written::default());
            }
            if offset == local::TPR {
                return Some(Written { requests_event: true, task_priority: Some((value >> 4) as u8 & 0xf) });
            }
            if let Some(command) = chip.apic.write(offset, value as u32) {
                let is_own = match command.destination {
                    Destination::Own | Destination::All => true,
                    destination => chip.apic.is_meant(destination, 0),
                };
                if let (true, Signal::Fixed(vector)) = (is_own, command.signal) {
                    chip.apic.accept(vector, false);
                }
            }
            return Some(Written { requests_event: true, task_priority: None });
        }
        self.notify(gpa.0, size, false, value).then(Written::default)
    }
}

fn apic_offset(gpa: Gpa, apic: Option<u64>) -> Option<u16> {
    let base = apic?;
    (gpa.0 & !0xfff == base).then_some((gpa.0 & 0xfff) as u16)
}
