//! The driver of a 16550A (`drivers/tty/serial/8250/8250_port.c`).

use std::collections::VecDeque;

use super::{Done, Steps, Then};
use crate::guest::line_discipline::LineDiscipline;

/// The interrupt of ttyS0.
pub const IRQ: u32 = 4;
/// The first port of ttyS0.
const PORT: u16 = 0x3f8;
/// Registers (`serial_reg.h`).
const TX: u16 = PORT;
const RX: u16 = PORT;
const IER: u16 = PORT + 1;
const IIR: u16 = PORT + 2;
const FCR: u16 = PORT + 2;
const LCR: u16 = PORT + 3;
const MCR: u16 = PORT + 4;
const LSR: u16 = PORT + 5;
const MSR: u16 = PORT + 6;
const IER_RDI: u8 = 1;
const IER_THRI: u8 = 2;
const IER_RLSI: u8 = 4;
const IIR_NO_INT: u8 = 1;
const IIR_RDI: u8 = 4;
const LSR_DR: u8 = 1;
const LSR_THRE: u8 = 0x20;
/// Bytes that the transmitter takes at once (`tx_loadsz` of `PORT_16550A`).
const TX_LOADSZ: usize = 16;

/// What a read was for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Reads {
    /// `serial8250_interrupt` asks whether there is something.
    Identification,
    /// `serial8250_handle_irq` reads the line status; with what the identification said.
    Status(u8),
    /// `serial8250_read_char`; with the identification.
    Character,
    /// `serial8250_rx_chars` looks whether there is more.
    More,
    /// `serial8250_modem_status`; with the line status.
    Modem(u8),
}

/// The serial port as its driver knows it.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct Serial {
    /// Bytes that wait to be sent (`uart_port.state->xmit`).
    xmit: VecDeque<u8>,
    ier: u8,
    tty: LineDiscipline,
}

impl Serial {
    /// `serial8250_do_startup`, without its tests for faulty chips.
    pub fn start(&mut self, steps: &mut Steps) {
        // serial8250_clear_fifos
        steps.outb(FCR, 0x01);
        steps.outb(FCR, 0x07);
        steps.outb(FCR, 0x00);
        for register in [LSR, RX, IIR, MSR] {
            steps.inb(register, Then::Nothing);
        }
        steps.outb(LCR, 0x03);
        steps.outb(MCR, 0x0b);
        self.ier = IER_RLSI | IER_RDI;
        steps.outb(IER, self.ier);
        steps.outb(FCR, 0x81);
    }

    /// `uart_write`, `serial8250_start_tx`.
    pub fn write(&mut self, bytes: &[u8], steps: &mut Steps) {
        self.xmit.extend(bytes);
        if !self.xmit.is_empty() && self.ier & IER_THRI == 0 {
            self.ier |= IER_THRI;
            steps.outb(IER, self.ier);
        }
    }

    /// `serial8250_interrupt`.
    pub fn interrupt(&mut self, steps: &mut Steps) {
        steps.inb(IIR, Then::Serial(Reads::Identification));
    }

    /// A read has given this.
    pub fn answered(&mut self, what: Reads, value: u8, steps: &mut Steps, done: &mut Vec<Done>) {
        match what {
            Reads::Identification if value & IIR_NO_INT != 0 => {}
            Reads::Identification => steps.inb(LSR, Then::Serial(Reads::Status(value))),
            Reads::Status(iir) if value & LSR_DR != 0 && iir & IIR_RDI != 0 => {
                steps.inb(RX, Then::Serial(Reads::Character));
            }
            Reads::Character => {
                self.receive(value, steps, done);
                steps.inb(LSR, Then::Serial(Reads::More));
            }
            Reads::More if value & LSR_DR != 0 => steps.inb(RX, Then::Serial(Reads::Character)),
            Reads::Status(_) | Reads::More => steps.inb(MSR, Then::Serial(Reads::Modem(value))),
            Reads::Modem(status) => {
                if status & LSR_THRE != 0 {
                    self.transmit(steps);
                }
                // serial8250_interrupt goes around until nothing is pending.
                steps.inb(IIR, Then::Serial(Reads::Identification));
            }
        }
    }

    /// `serial8250_tx_chars`.
    fn transmit(&mut self, steps: &mut Steps) {
        for _ in 0..TX_LOADSZ {
            let Some(byte) = self.xmit.pop_front() else { break };
            steps.outb(TX, byte);
        }
        if self.xmit.is_empty() && self.ier & IER_THRI != 0 {
            // __stop_tx
            self.ier &= !IER_THRI;
            steps.outb(IER, self.ier);
        }
    }

    /// A character has come.
    fn receive(&mut self, byte: u8, steps: &mut Steps, done: &mut Vec<Done>) {
        let (echo, typed) = self.tty.receive(byte);
        self.write(&echo, steps);
        done.extend(typed.map(Done::Typed));
    }
}
