//! Drivers of a guest: which registers they touch, in which order.
//!
//! A driver is a plain value that answers to events (a request, an interrupt, what a read gave) with steps: accesses to
//! registers that the processor is still to make. While there are steps the guest's kernel does nothing else, as it holds
//! the driver's lock with interrupts off. The sequences are those of Linux 6.12; each driver names the functions.

pub mod e1000;
pub mod ide;
pub mod pci;
pub mod serial;
pub mod virtio_balloon;
pub mod virtio_blk;
pub mod virtio_net;
pub mod virtio_pci;
pub mod virtqueue;

use std::collections::VecDeque;

use kernel_model::machine::Port;
use kernel_model::machine::interrupt::{DiskRequest, Interrupt};
use kernel_model::net::packet::Frame;

use super::line_discipline::Typed;
use super::memory::GuestMemory;
use e1000::E1000;
use ide::Ide;
use pci::Found;
use serial::Serial;
use virtio_balloon::VirtioBalloon;
use virtio_blk::VirtioBlk;
use virtio_net::VirtioNet;

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
    /// The driver of a virtio disk, by the number of the virtio device: half of its size.
    Capacity(u32, u8),
    /// The driver of a virtio network card, likewise: a byte of its address.
    VirtioMac(u32, u8),
    /// The driver of a virtio balloon, likewise: how many frames the host wants.
    Balloon(u32),
    /// The driver of an e1000 card.
    E1000(u32, e1000::Reads),
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

/// The driver of a virtio device.
#[derive(Clone, Debug)]
enum VirtioDriver {
    Blk(VirtioBlk),
    Net(VirtioNet),
    Balloon(VirtioBalloon),
}

impl VirtioDriver {
    /// Interrupts that it has: one a queue, and that of its configuration where one is of interest.
    fn vectors(&self) -> u16 {
        match self {
            VirtioDriver::Blk(_) => 1,
            VirtioDriver::Net(_) => 2,
            VirtioDriver::Balloon(_) => 3,
        }
    }
}

/// The drivers of a guest.
#[derive(Clone, Debug, Default)]
pub struct Drivers {
    steps: Steps,
    done: Vec<Done>,
    serial: Serial,
    virtio: Vec<VirtioDriver>,
    e1000: Vec<E1000>,
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
        let mut later = Steps(std::mem::take(&mut self.steps.0));
        let number = data.iter().take(4).rev().fold(0u32, |all, b| all << 8 | u32::from(*b));
        match step.then {
            Then::Nothing => {}
            Then::Pci(what) => {
                if let Some((found, base)) = pci::answered(what, number, &mut self.steps) {
                    self.found(found, base);
                }
            }
            Then::Capacity(device, half) => {
                if let Some(VirtioDriver::Blk(blk)) = self.virtio.get_mut(device as usize) {
                    blk.capacity(half, number, &mut self.done);
                }
            }
            Then::VirtioMac(device, byte) => {
                if let Some(VirtioDriver::Net(net)) = self.virtio.get_mut(device as usize) {
                    net.mac(byte, number as u8, &mut later, memory, &mut self.done);
                }
            }
            Then::Balloon(device) => {
                if let Some(VirtioDriver::Balloon(balloon)) = self.virtio.get_mut(device as usize) {
                    balloon.wanted((number, self.free), &mut self.steps, memory, &mut self.done);
                }
            }
            Then::E1000(card, what) => {
                if let Some(e1000) = self.e1000.get_mut(card as usize) {
                    e1000.answered(what, number, &mut self.steps, memory, &mut self.done);
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
        self.steps.0.extend(later.0);
    }

    /// A device was found: it gets its driver.
    fn found(&mut self, found: Found, base: u64) {
        let device = self.virtio.len() as u32;
        let cards = self.cards();
        let steps = &mut self.steps;
        match found {
            Found::VirtioBlk => {
                self.free -= virtio_blk::MEMORY;
                let disks = self.virtio.iter().filter(|driver| matches!(driver, VirtioDriver::Blk(_))).count();
                let blk = VirtioBlk::found((disks as u32, device), base, self.free, steps);
                self.virtio.push(VirtioDriver::Blk(blk));
            }
            Found::VirtioNet => {
                self.free -= virtio_net::MEMORY;
                let net = VirtioNet::found((cards, device), base, self.free, steps);
                self.virtio.push(VirtioDriver::Net(net));
            }
            Found::VirtioBalloon => {
                self.free -= virtio_balloon::MEMORY;
                let balloon = VirtioBalloon::found(device, base, self.free, steps);
                self.virtio.push(VirtioDriver::Balloon(balloon));
            }
            Found::E1000 => {
                self.free -= e1000::MEMORY;
                let number = self.e1000.len() as u32;
                self.e1000.push(E1000::found((cards, number), base, self.free, steps));
            }
            Found::Ide if self.ide.is_none() => {
                self.free -= ide::MEMORY;
                self.ide = Some(Ide::found(base, self.free, steps));
            }
            Found::Ide => {}
        }
    }

    /// How many network cards have a driver.
    fn cards(&self) -> u32 {
        let virtio = self.virtio.iter().filter(|driver| matches!(driver, VirtioDriver::Net(_))).count();
        (virtio + self.e1000.len()) as u32
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
        let disk = self.virtio.iter_mut().find_map(|driver| match driver {
            VirtioDriver::Blk(blk) if blk.port() == request.port => Some(blk),
            _ => None,
        });
        match (&mut self.ide, disk) {
            (_, Some(blk)) => blk.submit(request, steps, memory),
            (Some(ide), None) if request.port == ide::PORT => ide.submit(request, steps, memory),
            _ => self.done.push(Done::Interrupt(Interrupt::DiskDone(request.disk))),
        }
    }

    /// A frame to be sent.
    pub fn transmit(&mut self, port: Port, frame: &Frame, memory: &mut GuestMemory<'_>) {
        for driver in &mut self.virtio {
            if let VirtioDriver::Net(net) = driver
                && net.port() == port
            {
                net.transmit(frame, &mut self.steps, memory);
            }
        }
        if let Some(e1000) = self.e1000.iter_mut().find(|e1000| e1000.port() == port) {
            e1000.transmit(frame, &mut self.steps, memory);
        }
    }

    /// An interrupt has come by this line of the interrupt controller.
    pub fn interrupt(&mut self, gsi: u32, memory: &mut GuestMemory<'_>) {
        match (gsi, &mut self.ide) {
            (serial::IRQ, _) => self.serial.interrupt(&mut self.steps),
            (ide::IRQ, Some(ide)) => ide.interrupt(&mut self.steps),
            (FIRST_MESSAGE.., _) => self.message(gsi - FIRST_MESSAGE, memory),
            _ => {}
        }
        for (card, e1000) in (0u32..).zip(&self.e1000).filter(|(_, e1000)| e1000.irq == gsi) {
            e1000.interrupt(card, &mut self.steps);
        }
        self.steps.push(Access::Eoi, Then::Nothing);
    }

    /// A message: that of a queue of a virtio device, or of its configuration.
    fn message(&mut self, number: u32, memory: &mut GuestMemory<'_>) {
        let mut vector = number as u16;
        for driver in &mut self.virtio {
            let all = driver.vectors();
            if vector >= all {
                vector -= all;
                continue;
            }
            match driver {
                VirtioDriver::Blk(blk) => blk.interrupt(memory, &mut self.done),
                VirtioDriver::Net(net) => net.interrupt(vector, &mut self.steps, memory, &mut self.done),
                VirtioDriver::Balloon(balloon) => balloon.interrupt(vector, &mut self.steps, memory),
            }
            return;
        }
    }
}
