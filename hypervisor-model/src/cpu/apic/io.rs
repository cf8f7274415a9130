//! The I/O APIC: from a device's line to a message. Source: Intel 82093AA data sheet (May 1996), 3.2.4 "I/O
//! Redirection Table Registers".

use super::local::{Command, Destination, Signal};
use crate::cpu::Vector;
use serde::{Deserialize, Serialize};

/// How many lines it has.
pub const LINES: usize = 24;

const LEVEL: u64 = 1 << 15;
const MASKED: u64 = 1 << 16;
const REMOTE_IRR: u64 = 1 << 14;
const LOGICAL: u64 = 1 << 11;
/// What software may write: not the delivery status and not remote IRR.
const WRITABLE: u64 = 0xff00_0000_0001_afff;

/// An I/O APIC.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct IoApic {
    select: u8,
    entries: Vec<u64>,
    lines: u32,
}

impl Default for IoApic {
    /// After reset every line is masked.
    fn default() -> IoApic {
        IoApic { select: 0, entries: vec![MASKED; LINES], lines: 0 }
    }
}

impl IoApic {
    /// Writes the register select (offset 0) or the window (offset 0x10).
    pub fn write(&mut self, offset: u16, value: u32) {
        match offset {
            0 => self.select = value as u8,
            0x10 => {
                let index = usize::from(self.select.wrapping_sub(0x10) / 2);
                if let Some(entry) = self.entries.get_mut(index).filter(|_| self.select >= 0x10) {
                    let shift = 32 * u64::from(self.select & 1);
                    let mask = WRITABLE & 0xffff_ffff << shift;
                    *entry = *entry & !mask | u64::from(value) << shift & mask;
                }
            }
            _ => {}
        }
    }

    /// Reads the register select or the window.
    #[must_use]
    pub fn read(&self, offset: u16) -> u32 {
        match (offset, self.select) {
            (0, select) => u32::from(select),
            (0x10, 1) => (LINES as u32 - 1) << 16 | 0x11,
            (0x10, select @ 0x10..) => {
                let entry = self.entries.get(usize::from((select - 0x10) / 2)).copied().unwrap_or(0);
                (entry >> (32 * u64::from(select & 1))) as u32
            }
            _ => 0,
        }
    }

    /// Sets a device's line. An edge sends on its way up; a level sends while it is up and nobody serves it.
    pub fn set_line(&mut self, line: usize, is_up: bool) -> Option<(Command, bool)> {
        let is_level = self.entries.get(line)? & LEVEL != 0;
        let was_up = self.lines & 1 << line != 0;
        if is_up {
            self.lines |= 1 << line
        } else {
            self.lines &= !(1 << line)
        }
        if is_up && (is_level || !was_up) { self.send(line) } else { None }
    }

    /// A local APIC has ended a level-triggered interrupt: lines that are still up send again.
    pub fn end_of_interrupt(&mut self, vector: Vector) -> Vec<(Command, bool)> {
        let served: Vec<usize> = (0..LINES)
            .filter(|line| self.entries[*line] & LEVEL != 0 && self.entries[*line] as u8 == vector.0)
            .collect();
        for line in &served {
            self.entries[*line] &= !REMOTE_IRR;
        }
        let up: Vec<usize> = served.into_iter().filter(|line| self.lines & 1 << line != 0).collect();
        up.into_iter().filter_map(|line| self.send(line)).collect()
    }

    /// The message of a line, and whether it is level-triggered.
    fn send(&mut self, line: usize) -> Option<(Command, bool)> {
        let entry = self.entries.get_mut(line)?;
        let is_level = *entry & LEVEL != 0;
        if *entry & MASKED != 0 || is_level && *entry & REMOTE_IRR != 0 {
            return None;
        }
        if is_level {
            *entry |= REMOTE_IRR;
        }
        let address = (*entry >> 56) as u8;
        let destination =
            if *entry & LOGICAL != 0 { Destination::Logical(address) } else { Destination::Physical(address) };
        let signal = match *entry >> 8 & 7 {
            4 => Signal::Nmi,
            5 => Signal::Init,
            _ => Signal::Fixed(Vector(*entry as u8)),
        };
        Some((Command { destination, signal }, is_level))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_level_is_sent_again_until_the_device_lets_go() {
        let mut io = IoApic::default();
        io.write(0, 0x10 + 2 * 9);
        io.write(0x10, 0x8031);
        let (command, is_level) = io.set_line(9, true).expect("a message");
        assert_eq!((command.signal, is_level), (Signal::Fixed(Vector(0x31)), true));
        assert_eq!(io.set_line(9, true), None, "it is being served");
        assert_eq!(io.end_of_interrupt(Vector(0x31)).len(), 1);
        io.set_line(9, false);
        assert_eq!(io.end_of_interrupt(Vector(0x31)), []);
    }

    #[test]
    fn an_edge_is_sent_once_and_a_masked_line_never() {
        let mut io = IoApic::default();
        assert_eq!(io.set_line(4, true), None);
        io.set_line(4, false);
        io.write(0, 0x10 + 2 * 4);
        io.write(0x10, 0x24);
        assert!(io.set_line(4, true).is_some());
        assert!(io.set_line(4, true).is_none());
    }
}
