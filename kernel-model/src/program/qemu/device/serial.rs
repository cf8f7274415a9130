//! A 16550A (`hw/char/serial.c`). What is sent reaches the terminal at once.

use super::{Effect, numbers, of_numbers};
use crate::syscall::Value;

const IRQ: u32 = 4;
const IER_RDI: u8 = 1;
const IER_THRI: u8 = 2;
const IIR_NO_INT: u8 = 1;
const IIR_THRI: u8 = 2;
const IIR_RDI: u8 = 4;
/// Characters have waited in the queue for a while without reaching its trigger level.
const IIR_CTI: u8 = 0x0c;
const IIR_FE: u8 = 0xc0;
const FCR_FE: u8 = 1;
const FCR_RFR: u8 = 2;
const LSR_DR: u8 = 1;
const LSR_THRE: u8 = 0x20;
const LSR_TEMT: u8 = 0x40;
const LCR_DLAB: u8 = 0x80;
/// Carrier, data set ready, clear to send.
const MSR: u8 = 0xb0;

/// The registers.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Serial {
    ier: u8,
    fcr: u8,
    lcr: u8,
    mcr: u8,
    scr: u8,
    /// The transmitter has become empty and that was not seen yet.
    thr_ipending: bool,
    /// The line to the interrupt controller is high.
    is_high: bool,
    /// What was received and not read.
    queue: Vec<u8>,
}

impl Serial {
    /// As it is stored.
    pub fn to_value(&self) -> Value {
        let flags = [u64::from(self.thr_ipending), u64::from(self.is_high)];
        let bytes = [self.ier, self.fcr, self.lcr, self.mcr, self.scr].map(u64::from);
        let list = numbers(&[&bytes[..], &flags[..]].concat());
        Value::record([("registers", list), ("queue", Value::bytes(self.queue.as_slice()))])
    }

    /// The reverse.
    pub fn from_value(value: &Value) -> Serial {
        let [ier, fcr, lcr, mcr, scr, thr, high] = value.field("registers").map(of_numbers::<7>).unwrap_or_default();
        Serial {
            ier: ier as u8,
            fcr: fcr as u8,
            lcr: lcr as u8,
            mcr: mcr as u8,
            scr: scr as u8,
            thr_ipending: thr != 0,
            is_high: high != 0,
            queue: value.field("queue").and_then(Value::as_bytes).unwrap_or_default().to_vec(),
        }
    }

    fn identification(&self) -> u8 {
        let trigger = [1, 4, 8, 14][usize::from(self.fcr >> 6)];
        let has_queue = self.fcr & FCR_FE != 0;
        let cause = if self.ier & IER_RDI != 0 && !self.queue.is_empty() {
            if has_queue && self.queue.len() < trigger { IIR_CTI } else { IIR_RDI }
        } else if self.ier & IER_THRI != 0 && self.thr_ipending {
            IIR_THRI
        } else {
            IIR_NO_INT
        };
        cause | if has_queue { IIR_FE } else { 0 }
    }

    /// `serial_update_irq`: the call to the kernel is made when the level changes.
    fn update(&mut self, effects: &mut Vec<Effect>) {
        let is_high = self.identification() & IIR_NO_INT == 0;
        if is_high != self.is_high {
            self.is_high = is_high;
            effects.push(Effect::Irq(IRQ, is_high));
        }
    }

    /// A write to a register.
    pub fn write(&mut self, register: u16, value: u8, effects: &mut Vec<Effect>) {
        match register {
            0 | 1 if self.lcr & LCR_DLAB != 0 => {}
            0 => {
                self.thr_ipending = false;
                self.update(effects);
                effects.push(Effect::Print(vec![value]));
                self.thr_ipending = true;
            }
            1 => {
                let changed = self.ier ^ value;
                self.ier = value & 0x0f;
                if changed & IER_THRI != 0 {
                    self.thr_ipending = self.ier & IER_THRI != 0;
                }
            }
            2 => {
                if value & FCR_RFR != 0 {
                    self.queue.clear();
                }
                self.fcr = value & 0xc9;
            }
            3 => self.lcr = value,
            4 => self.mcr = value,
            7 => self.scr = value,
            _ => {}
        }
        self.update(effects);
    }

    /// A read from one.
    pub fn read(&mut self, register: u16, effects: &mut Vec<Effect>) -> u8 {
        let value = match register {
            0 | 1 if self.lcr & LCR_DLAB != 0 => 0,
            0 if self.queue.is_empty() => 0,
            0 => self.queue.remove(0),
            1 => self.ier,
            2 => {
                let iir = self.identification();
                if iir & 0x0f == IIR_THRI {
                    self.thr_ipending = false;
                }
                iir
            }
            3 => self.lcr,
            4 => self.mcr,
            5 => LSR_THRE | LSR_TEMT | if self.queue.is_empty() { 0 } else { LSR_DR },
            6 => MSR,
            _ => self.scr,
        };
        self.update(effects);
        value
    }

    /// Bytes come in. Those that do not fit into the queue of the chip wait before it.
    pub fn receive(&mut self, bytes: &[u8], effects: &mut Vec<Effect>) {
        self.queue.extend_from_slice(bytes);
        self.update(effects);
    }
}
