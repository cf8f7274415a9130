//! The driver of an Intel 82540EM (`drivers/net/ethernet/intel/e1000`): every register is memory-mapped, and each access to
//! one is an exit. The sequences are `e1000_probe` and `e1000_up` as far as registers that matter here, `e1000_xmit_frame`,
//! `e1000_intr` and `e1000_clean`.

use kernel_model::machine::Port;
use kernel_model::machine::interrupt::Interrupt;
use kernel_model::net::mac::Mac;
use kernel_model::net::packet::Frame;
use kernel_model::program::qemu::device::e1000::registers::*;

use super::{Access, Done, Steps, Then};
use crate::guest::memory::GuestMemory;

const RCTL_UP: u64 = 0x0000_8002;
const TCTL_UP: u64 = 0x0003_f0fa;
/// `IMS_ENABLE_MASK`: a frame came in, a frame was sent, descriptors run low, sequence error, link.
const IMS_ENABLE: u64 = 0x9d;
/// `E1000_DEFAULT_TXD`, `E1000_DEFAULT_RXD`.
const RING: u64 = 256;
const BUFFER: u64 = 2048;
/// Frames that can be on their way out.
const SENDING: u64 = 16;
const SEND_BUFFER: u64 = 0x1_1000;
/// End of the frame, checksum by the card, tell when it is sent.
const COMMAND: u8 = 0x0b;
/// What a driver takes of the guest's memory: rings, buffers, and frames on their way out.
pub const MEMORY: u64 = 4 << 20;
/// The line of the first card; the second has the one before, and so on in turn.
const FIRST_IRQ: u32 = 11;

/// What a read was for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Reads {
    /// A word of the EEPROM, which has the address.
    Eeprom(u8),
    /// Why it interrupts.
    Cause,
}

/// A card.
#[derive(Clone, PartialEq, Debug)]
pub struct E1000 {
    base: u64,
    gpa: u64,
    /// Which network card of the guest it is.
    number: u32,
    /// Its line of the interrupt controller.
    pub irq: u32,
    mac: [u8; 6],
    /// The descriptor that is used next, of what is sent and of what comes in.
    next_to_use: u64,
    next_to_clean: u64,
}

impl E1000 {
    /// A card that was found (`e1000_probe`): it is reset and asked for its address. `card` counts cards of this kind.
    pub fn found((number, card): (u32, u32), base: u64, gpa: u64, steps: &mut Steps) -> E1000 {
        let irq = FIRST_IRQ - card % 2;
        let e1000 = E1000 { base, gpa, number, irq, mac: [0; 6], next_to_use: 0, next_to_clean: 0 };
        // e1000_reset_hw
        e1000.write(IMC, 0xffff_ffff, steps);
        e1000.write(RCTL, 0, steps);
        e1000.write(TCTL, 8, steps);
        e1000.read(STATUS, Then::Nothing, steps);
        e1000.read(CTRL, Then::Nothing, steps);
        e1000.write(CTRL, CTRL_RST.into(), steps);
        e1000.write(IMC, 0xffff_ffff, steps);
        e1000.read(ICR, Then::Nothing, steps);
        // e1000_read_eeprom
        for word in 0..3u8 {
            e1000.write(EERD, u64::from(word) << 8 | u64::from(EERD_START), steps);
            e1000.read(EERD, Then::E1000(card, Reads::Eeprom(word)), steps);
        }
        e1000
    }

    /// Where its frames go.
    pub fn port(&self) -> Port {
        Port(200 + self.number)
    }

    fn write(&self, register: u64, value: u64, steps: &mut Steps) {
        steps.push(Access::Write(self.base + register, 4, value), Then::Nothing);
    }

    fn read(&self, register: u64, then: Then, steps: &mut Steps) {
        steps.push(Access::Read(self.base + register, 4), then);
    }

    fn receive_ring(&self) -> u64 {
        self.gpa
    }

    fn transmit_ring(&self) -> u64 {
        self.gpa + 0x1000
    }

    fn buffer(&self, number: u64) -> u64 {
        self.gpa + 0x2000 + number % RING * BUFFER
    }

    /// A read has given this.
    pub fn answered(
        &mut self,
        what: Reads,
        value: u32,
        steps: &mut Steps,
        memory: &mut GuestMemory<'_>,
        done: &mut Vec<Done>,
    ) {
        match what {
            Reads::Eeprom(word) => {
                let data = ((value >> 16) as u16).to_le_bytes();
                let at = usize::from(word % 3) * 2;
                self.mac[at..at + 2].copy_from_slice(&data);
                if word == 2 {
                    self.up(steps, memory);
                    let (name, mac) = (format!("eth{}", self.number), Mac(self.mac));
                    let device = Interrupt::NetDevice { name, mac, driver: "e1000", port: self.port() };
                    done.push(Done::Interrupt(device));
                }
            }
            Reads::Cause if value == 0 => {}
            Reads::Cause => {
                // e1000_intr: no more interrupts until the ring has been looked at.
                self.write(IMC, 0xffff_ffff, steps);
                self.read(STATUS, Then::Nothing, steps);
                self.clean(steps, memory, done);
                // e1000_irq_enable
                self.write(IMS, IMS_ENABLE, steps);
                self.read(STATUS, Then::Nothing, steps);
            }
        }
    }

    /// `e1000_up`: rings and buffers.
    fn up(&mut self, steps: &mut Steps, memory: &mut GuestMemory<'_>) {
        for number in 0..RING {
            let mut descriptor = self.buffer(number).to_le_bytes().to_vec();
            descriptor.extend([0; 8]);
            memory.write(self.receive_ring() + 16 * number, &descriptor);
        }
        let transmit = (self.transmit_ring(), [TDLEN, TDBAH, TDBAL, TDT, TDH]);
        let receive = (self.receive_ring(), [RDLEN, RDBAH, RDBAL, RDT, RDH]);
        for (ring, [len, high, low, tail, head]) in [transmit, receive] {
            self.write(len, RING * 16, steps);
            self.write(high, ring >> 32, steps);
            self.write(low, ring & 0xffff_ffff, steps);
            self.write(tail, 0, steps);
            self.write(head, 0, steps);
        }
        self.write(TCTL, TCTL_UP, steps);
        self.write(RCTL, RCTL_UP, steps);
        // `e1000_alloc_rx_buffers`: all but one, so that a full ring is told from an empty one.
        self.write(RDT, RING - 1, steps);
        self.write(IMS, IMS_ENABLE, steps);
        self.read(STATUS, Then::Nothing, steps);
    }

    /// `e1000_xmit_frame`: a descriptor, and the tail of the ring.
    pub fn transmit(&mut self, frame: &Frame, steps: &mut Steps, memory: &mut GuestMemory<'_>) {
        let bytes = frame.to_bytes();
        let at = self.gpa + 0x2000 + RING * BUFFER + self.next_to_use % SENDING * SEND_BUFFER;
        memory.write(at, &bytes);
        let mut descriptor = at.to_le_bytes().to_vec();
        descriptor.extend((bytes.len() as u16).to_le_bytes());
        descriptor.extend([0, COMMAND, 0, 0, 0, 0]);
        memory.write(self.transmit_ring() + 16 * (self.next_to_use % RING), &descriptor);
        self.next_to_use += 1;
        self.write(TDT, self.next_to_use % RING, steps);
    }

    /// `e1000_intr` begins with the cause.
    pub fn interrupt(&self, card: u32, steps: &mut Steps) {
        self.read(ICR, Then::E1000(card, Reads::Cause), steps);
    }

    /// `e1000_clean_rx_irq`: frames that have come in go to the kernel, and their descriptors back to the card. One that is
    /// longer than a buffer goes on in the next.
    fn clean(&mut self, steps: &mut Steps, memory: &mut GuestMemory<'_>, done: &mut Vec<Done>) {
        let before = self.next_to_clean;
        let mut bytes = Vec::new();
        while self.next_to_clean - before < RING {
            let at = self.receive_ring() + 16 * (self.next_to_clean % RING);
            let descriptor = memory.read(at + 8, 8);
            if descriptor[4] & DD == 0 {
                break;
            }
            let len = usize::from(u16::from_le_bytes([descriptor[0], descriptor[1]]));
            bytes.extend(memory.read(self.buffer(self.next_to_clean), len.min(BUFFER as usize)));
            if descriptor[4] & RXD_EOP != 0 {
                // The checksum of four bytes counts.
                bytes.truncate(bytes.len().saturating_sub(4));
                let frame = Frame::from_bytes(&std::mem::take(&mut bytes));
                done.extend(frame.map(|frame| Done::Interrupt(Interrupt::Frame(self.port(), frame))));
            }
            memory.write(at + 8, &[0; 8]);
            self.next_to_clean += 1;
        }
        if self.next_to_clean != before {
            self.write(RDT, (self.next_to_clean + RING - 1) % RING, steps);
        }
    }
}
