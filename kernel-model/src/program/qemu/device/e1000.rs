//! Intel's 82540EM, the card that QEMU calls e1000 (`hw/net/e1000.c`): registers in memory, rings of descriptors, one line
//! of the interrupt controller.

pub mod registers;

use super::{Effect, Work, number, numbers};
use crate::errno::Errno;
use crate::program::Sys;
use crate::program::qemu::kvm::Context;
use crate::syscall::Value;
use registers::*;

/// `E1000_DEV_ID_82540EM`, with Intel's number.
pub const ID: u32 = 0x100e_8086;
/// Bytes of its registers.
pub const REGISTERS: u64 = 0x2_0000;

/// The registers that are kept, in the order in which they are stored.
const KEPT: [u64; 17] =
    [CTRL, EERD, ICR, IMS, RCTL, TCTL, RDBAL, RDBAH, RDLEN, RDH, RDT, TDBAL, TDBAH, TDLEN, TDH, TDT, STATUS];

/// Full duplex, link up, 1000 Mb/s.
const STATUS_UP: u32 = 0x83;
const EERD_DONE: u32 = 1 << 4;
const RCTL_EN: u32 = 2;
const TCTL_EN: u32 = 2;
const TXD_CMD_EOP: u8 = 1;
const TXD_CMD_RS: u8 = 8;
/// Causes of interrupts: a descriptor was sent, the ring is empty, no buffer, a frame came in.
const ICR_TXDW: u32 = 1;
const ICR_TXQE: u32 = 2;
const ICR_RXO: u32 = 1 << 6;
const ICR_RXT0: u32 = 1 << 7;
/// Bytes of a buffer of what comes in, as RCTL has it after a reset.
const BUFFER: usize = 2048;
/// The longest frame that is put together of descriptors.
const FRAME_MAX: usize = 65_550;

/// A card.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct E1000 {
    /// Which of the cards of the command line.
    pub card: usize,
    /// Its line of the interrupt controller.
    pub irq: u32,
    mac: [u8; 6],
    registers: [u32; KEPT.len()],
    is_high: bool,
}

impl E1000 {
    /// A card after power-on.
    pub fn new(card: usize, irq: u32, mac: [u8; 6]) -> E1000 {
        let mut e1000 = E1000 { card, irq, mac, ..E1000::default() };
        e1000.set(STATUS, STATUS_UP);
        e1000
    }

    /// As it is stored.
    pub fn to_value(&self) -> Value {
        let mut all = vec![self.card as u64, u64::from(self.irq), number(&self.mac), u64::from(self.is_high)];
        all.extend(self.registers.map(u64::from));
        numbers(&all)
    }

    /// The reverse.
    pub fn from_value(value: &Value) -> E1000 {
        let items = value.as_list().unwrap_or_default();
        let at = |i: usize| items.get(i).and_then(Value::as_int).unwrap_or(0) as u64;
        let mac = at(2).to_le_bytes();
        E1000 {
            card: at(0) as usize,
            irq: at(1) as u32,
            mac: std::array::from_fn(|i| mac[i]),
            is_high: at(3) != 0,
            registers: std::array::from_fn(|i| at(4 + i) as u32),
        }
    }

    fn get(&self, register: u64) -> u32 {
        KEPT.iter().position(|kept| *kept == register).map_or(0, |i| self.registers[i])
    }

    fn set(&mut self, register: u64, value: u32) {
        if let Some(i) = KEPT.iter().position(|kept| *kept == register) {
            self.registers[i] = value;
        }
    }

    /// Something has happened that may interrupt (`set_interrupt_cause`).
    fn cause(&mut self, icr: u32, effects: &mut Vec<Effect>) {
        self.set(ICR, icr);
        let is_high = icr & self.get(IMS) != 0;
        if is_high != self.is_high {
            self.is_high = is_high;
            effects.push(Effect::Irq(self.irq, is_high));
        }
    }

    /// A write to a register.
    pub fn write(&mut self, register: u64, value: u32, effects: &mut Vec<Effect>) {
        match register {
            CTRL if value & CTRL_RST != 0 => {
                self.cause(0, effects);
                *self = E1000::new(self.card, self.irq, self.mac);
            }
            EERD => {
                // The first three words of the EEPROM are the address.
                let word = (value >> 8 & 0xff) as usize;
                let data = self.mac.chunks_exact(2).nth(word).map_or(0, |pair| number(pair) as u32);
                self.set(EERD, if value & EERD_START != 0 { data << 16 | EERD_DONE } else { value });
            }
            ICR => self.cause(self.get(ICR) & !value, effects),
            ICS => self.cause(self.get(ICR) | value, effects),
            IMS => {
                self.set(IMS, self.get(IMS) | value);
                self.cause(self.get(ICR), effects);
            }
            IMC => {
                self.set(IMS, self.get(IMS) & !value);
                self.cause(self.get(ICR), effects);
            }
            TDT => {
                self.set(TDT, value & 0xffff);
                effects.push(Effect::Later(Work::Send(self.card)));
            }
            RDT => {
                self.set(RDT, value & 0xffff);
                effects.push(Effect::Later(Work::Frames(self.card)));
            }
            STATUS => {}
            _ => self.set(register, value),
        }
    }

    /// A read from one. Reading the causes clears them.
    pub fn read(&mut self, register: u64, effects: &mut Vec<Effect>) -> u32 {
        let value = match register {
            // Reading the set of what may interrupt gives it, under either name.
            IMC => self.get(IMS),
            _ => self.get(register),
        };
        if register == ICR {
            self.cause(0, effects);
        }
        value
    }

    fn ring(&self, low: u64, high: u64, len: u64) -> (u64, u32) {
        (u64::from(self.get(low)) | u64::from(self.get(high)) << 32, self.get(len) / 16)
    }
}

/// Frames that the driver has put into its ring go out (`start_xmit`).
///
/// # Errors
/// A call failed, or the ring is not in the guest's memory.
pub async fn send(sys: &Sys, context: &Context, card: &mut E1000, effects: &mut Vec<Effect>) -> Result<(), Errno> {
    if card.get(TCTL) & TCTL_EN == 0 {
        return Ok(());
    }
    let (ring, count) = card.ring(TDBAL, TDBAH, TDLEN);
    let mut cause = card.get(ICR) | ICR_TXQE;
    let mut frame = Vec::new();
    // A ring that never ends is given up after one round.
    for _ in 0..count {
        if card.get(TDH) == card.get(TDT) {
            break;
        }
        let place = ring + 16 * u64::from(card.get(TDH));
        let at = context.at(place, 16)?;
        let descriptor = sys.load_bytes(at, 16).await?;
        let (gpa, len) = (number(&descriptor[..8]), number(&descriptor[8..10]) as usize);
        let command = descriptor[11];
        if frame.len() + len <= FRAME_MAX {
            frame.extend(sys.load_bytes(context.at(gpa, len as u64)?, len).await?);
        }
        if command & TXD_CMD_EOP != 0 {
            if let Some(tap) = context.taps.get(card.card) {
                let _ = sys.write(*tap, &std::mem::take(&mut frame)).await;
            }
            frame.clear();
        }
        if command & TXD_CMD_RS != 0 {
            context.store(sys, place + 12, &[descriptor[12] | DD]).await?;
            cause |= ICR_TXDW;
        }
        card.set(TDH, (card.get(TDH) + 1) % count);
    }
    card.cause(cause, effects);
    Ok(())
}

/// A frame has come in (`e1000_receive_iov`). Whether the driver had buffers for it: one that is longer than a buffer is in as
/// many as it needs.
///
/// # Errors
/// A call failed, or the ring is not in the guest's memory.
pub async fn receive(
    sys: &Sys,
    context: &Context,
    card: &mut E1000,
    frame: &[u8],
    effects: &mut Vec<Effect>,
) -> Result<bool, Errno> {
    let (ring, count) = card.ring(RDBAL, RDBAH, RDLEN);
    if card.get(RCTL) & RCTL_EN == 0 || count == 0 {
        return Ok(false);
    }
    // The shortest frame has 60 bytes, and the checksum of four counts.
    let mut bytes = frame.to_vec();
    bytes.resize(bytes.len().max(60) + 4, 0);
    let parts = bytes.chunks(BUFFER);
    // `e1000_has_rxbufs`
    let room =
        (u64::from(card.get(RDT)) + u64::from(count) - u64::from(card.get(RDH)) % u64::from(count)) % u64::from(count);
    if room < parts.len() as u64 {
        card.cause(card.get(ICR) | ICR_RXO, effects);
        return Ok(false);
    }
    let last = parts.len() - 1;
    for (i, part) in parts.enumerate() {
        let place = ring + 16 * u64::from(card.get(RDH));
        let at = context.at(place, 16)?;
        let gpa = number(&sys.load_bytes(at, 8).await?);
        context.store(sys, gpa, part).await?;
        let status = if i == last { DD | RXD_EOP } else { DD };
        let mut end = (part.len() as u16).to_le_bytes().to_vec();
        end.extend([0, 0, status, 0, 0, 0]);
        context.store(sys, place + 8, &end).await?;
        card.set(RDH, (card.get(RDH) + 1) % count);
    }
    card.cause(card.get(ICR) | ICR_RXT0, effects);
    Ok(true)
}
