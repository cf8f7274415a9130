//! Drivers of a guest: which registers they touch, in which order.
//!
//! A driver is a plain value that answers to events (a request, an interrupt, what a read gave) with steps: accesses to
//! registers that the processor is still to make. While there are steps the guest's kernel does nothing else, as it holds
//! the driver's lock with interrupts off. The sequences are those of Linux 6.12; each driver names the functions.

pub mod ide;
pub mod pci;
pub mod serial;
pub mod virtio_blk;
pub mod virtio_pci;
pub mod virtqueue;

use std::collections::VecDeque;

use kernel_model::machine::Port;
use kernel_model::machine::interrupt::{DiskRequest, Interrupt};
use kernel_model::net::packet::Frame;

use super::line_discipline::Typed;
use super::memory::GuestMemory;
use ide::Ide;
use pci::Found;
use serial::Serial;
use virtio_blk::VirtioBlk;

/// The first interrupt that is a message (MSI-X). Queues have theirs in the order in which they are found.
const FIRST_MESSAGE: u32 = 24;

/// What a guest does to a register.
#[derive(Clone, PartialEq, Debug)]
pub enum Access {
    /// OUT: port, bytes, value.
    Out(u16, u8, u32),
    /// IN.
    In(u16, u8),
    /// REP INS: port, bytes of each, how many.
    Ins(u16, u8, u32),
    /// A write to memory-mapped registers: address, bytes, value.
    Write(u64, u8, u64),
    /// A read from there.
    Read(u64, u8),
    /// WRMSR to the EOI register of the local APIC in x2APIC mode (`native_apic_msr_eoi`).
    Eoi,
    /// WRMSR to the TSC-deadline register (`lapic_next_deadline`).
    Deadline,
}

/// Who wants to know what a read gave.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Then {
    /// Nobody.
    Nothing,
    /// The driver of the serial port.
    Serial(serial::Reads),
    /// Whoever looks for devices.
    Pci(pci::Reads),
    /// The driver of a virtio disk: half of its size.
    Capacity(u32, u8),
    /// The driver of the IDE disk.
    Ide(ide::Reads),
}

/// An access, and what follows.
#[derive(Clone, PartialEq, Debug)]
pub struct Step {
    /// The access.
    pub access: Access,
    /// Who gets what it gave.
    pub then: Then,
}

/// Steps that are still to be made.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct Steps(pub VecDeque<Step>);

impl Steps {
    /// OUT of a byte.
    pub fn outb(&mut self, port: u16, value: u8) {
        self.push(Access::Out(port, 1, value.into()), Then::Nothing);
    }

    /// IN of a byte.
    pub fn inb(&mut self, port: u16, then: Then) {
        self.push(Access::In(port, 1), then);
    }

    /// Any access.
    pub fn push(&mut self, access: Access, then: Then) {
        self.0.push_back(Step { access, then });
    }
}

/// Something that a driver has for the kernel.
#[derive(Clone, PartialEq, Debug)]
pub enum Done {
    /// For the kernel proper.
    Interrupt(Interrupt),
    /// For the terminal.
    Typed(Typed),
}

/// The drivers of a guest.
#[derive(Clone, Debug, Default)]
pub struct Drivers {
    steps: Steps,
    done: Vec<Done>,
    serial: Serial,
    blks: Vec<VirtioBlk>,
    ide: Option<Ide>,
    /// The end of what is left of the guest's memory for drivers, from above.
    free: u64,
}

impl Drivers {
    /// Drivers of a kernel with so many bytes of memory.
    pub fn new(memory: u64) -> Drivers {
        Drivers { free: memory, ..Drivers::default() }
    }

    /// Whether no driver has anything to do.
    pub fn is_idle(&self) -> bool {
        self.steps.0.is_empty() && self.done.is_empty()
    }

    /// The access that comes next.
    pub fn next(&self) -> Option<&Access> {
        self.steps.0.front().map(|step| &step.access)
    }

    /// The access is done and gave these bytes.
    pub fn answered(&mut self, data: &[u8], memory: &mut GuestMemory<'_>) {
        let Some(step) = self.steps.0.pop_front() else { return };
        // What follows comes before what was to be done later.
        let later = std::mem::take(&mut self.steps.0);
        let number = data.iter().take(4).rev().fold(0u32, |all, b| all << 8 | u32::from(*b));
        match step.then {
            Then::Nothing => {}
            Then::Pci(what) => {
                if let Some((found, base)) = pci::answered(what, number, &mut self.steps) {
                    self.found(found, base);
                }
            }
            Then::Capacity(disk, half) => {
                if let Some(blk) = self.blks.get_mut(disk as usize) {
                    blk.capacity(half, number, &mut self.done);
                }
            }
            Then::Ide(what) => {
                if let Some(ide) = &mut self.ide {
                    ide.answered(what, data, &mut self.steps, memory, &mut self.done);
                }
            }
            Then::Serial(what) => {
                let value = data.first().copied().unwrap_or(0xff);
                self.serial.answered(what, value, &mut self.steps, &mut self.done);
            }
        }
        self.steps.0.extend(later);
    }

    /// A device was found: it gets its driver.
    fn found(&mut self, found: Found, base: u64) {
        match found {
            Found::VirtioBlk => {
                self.free -= virtio_blk::MEMORY;
                let number = self.blks.len() as u32;
                self.blks.push(VirtioBlk::found(number, base, self.free, &mut self.steps));
            }
            Found::Ide if self.ide.is_none() => {
                self.free -= ide::MEMORY;
                self.ide = Some(Ide::found(base, self.free, &mut self.steps));
            }
            Found::Ide => {}
        }
    }

    /// What the drivers have for the kernel.
    pub fn take_done(&mut self) -> Vec<Done> {
        std::mem::take(&mut self.done)
    }

    /// The kernel starts: the serial port, and what it finds on the PCI bus.
    pub fn start(&mut self) {
        self.serial.start(&mut self.steps);
        pci::scan(&mut self.steps);
    }

    /// Text for the terminal.
    pub fn print(&mut self, bytes: &[u8]) {
        self.serial.write(bytes, &mut self.steps);
    }

    /// A request to a disk.
    pub fn submit(&mut self, request: DiskRequest, memory: &mut GuestMemory<'_>) {
        let steps = &mut self.steps;
        match (&mut self.ide, self.blks.iter_mut().find(|blk| blk.port() == request.port)) {
            (_, Some(blk)) => blk.submit(request, steps, memory),
            (Some(ide), None) if request.port == ide::PORT => ide.submit(request, steps, memory),
            _ => self.done.push(Done::Interrupt(Interrupt::DiskDone(request.disk))),
        }
    }

    /// A frame to be sent.
    pub fn transmit(&mut self, _port: Port, _frame: &Frame, _memory: &mut GuestMemory<'_>) {}

    /// An interrupt has come by this line of the interrupt controller.
    pub fn interrupt(&mut self, gsi: u32, memory: &mut GuestMemory<'_>) {
        match (gsi, &mut self.ide) {
            (serial::IRQ, _) => self.serial.interrupt(&mut self.steps),
            (ide::IRQ, Some(ide)) => ide.interrupt(&mut self.steps),
            (FIRST_MESSAGE.., _) => {
                if let Some(blk) = self.blks.get_mut((gsi - FIRST_MESSAGE) as usize) {
                    blk.interrupt(memory, &mut self.done);
                }
            }
            _ => {}
        }
        self.steps.push(Access::Eoi, Then::Nothing);
    }
}
