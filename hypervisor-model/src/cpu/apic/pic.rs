//! The pair of 8259A interrupt controllers of the PC. Source: Intel 8259A data sheet (December 1988).
//!
//! Modelled: initialization (ICW1 to ICW4), masks, fixed priority, automatic and specific end of interrupt, reading IRR
//! and ISR, the cascade on line 2. Not modelled: rotating priority, polling, special mask mode.

use crate::cpu::Vector;
use serde::{Deserialize, Serialize};

/// One 8259A.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
struct Chip {
    requested: u8,
    in_service: u8,
    mask: u8,
    lines: u8,
    /// Vector of line 0; the low three bits are 0.
    base: u8,
    /// How many initialization words are still to come.
    step: u8,
    needs_fourth: bool,
    ends_itself: bool,
    reads_service: bool,
}

impl Chip {
    fn write_command(&mut self, value: u8) {
        if value & 0x10 != 0 {
            // ICW1 clears the mask and the requests.
            *self = Chip { step: 1, needs_fourth: value & 1 != 0, lines: self.lines, ..Chip::default() };
        } else if value & 0x08 != 0 {
            if value & 2 != 0 {
                self.reads_service = value & 1 != 0;
            }
        } else if value & 0x20 != 0 {
            let line = if value & 0x40 != 0 { Some(value & 7) } else { first(self.in_service) };
            if let Some(line) = line {
                self.in_service &= !(1 << line);
            }
        }
    }

    fn write_data(&mut self, value: u8) {
        match self.step {
            1 => (self.base, self.step) = (value & 0xf8, 2),
            2 => self.step = if self.needs_fourth { 3 } else { 0 },
            3 => (self.ends_itself, self.step) = (value & 2 != 0, 0),
            _ => self.mask = value,
        }
    }

    fn set_line(&mut self, line: u8, is_up: bool) {
        let bit = 1 << line;
        if is_up && self.lines & bit == 0 {
            self.requested |= bit;
        }
        if is_up { self.lines |= bit } else { self.lines &= !bit }
    }

    /// The line with the highest priority that is requested, not masked, and above what is in service.
    fn pending(&self) -> Option<u8> {
        let line = first(self.requested & !self.mask)?;
        first(self.in_service).is_none_or(|served| line < served).then_some(line)
    }

    fn acknowledge(&mut self, line: u8) {
        self.requested &= !(1 << line);
        if !self.ends_itself {
            self.in_service |= 1 << line;
        }
    }
}

fn first(lines: u8) -> Option<u8> {
    (lines != 0).then(|| lines.trailing_zeros() as u8)
}

/// Line of the first chip to which the second is wired.
const CASCADE: u8 = 2;

/// Both chips.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct Pic {
    first: Chip,
    second: Chip,
}

impl Pic {
    /// Writes port 0x20, 0x21, 0xa0 or 0xa1.
    pub fn write(&mut self, port: u16, value: u8) {
        match port {
            0x20 => self.first.write_command(value),
            0x21 => self.first.write_data(value),
            0xa0 => self.second.write_command(value),
            0xa1 => self.second.write_data(value),
            _ => {}
        }
        self.cascade();
    }

    /// Reads one of these ports.
    #[must_use]
    pub fn read(&self, port: u16) -> u8 {
        let chip = if port & 0x80 == 0 { &self.first } else { &self.second };
        match (port & 1, chip.reads_service) {
            (1, _) => chip.mask,
            (_, true) => chip.in_service,
            _ => chip.requested,
        }
    }

    /// Sets a line, 0 to 15.
    pub fn set_line(&mut self, line: u8, is_up: bool) {
        match line {
            0..8 => self.first.set_line(line, is_up),
            _ => self.second.set_line(line & 7, is_up),
        }
        self.cascade();
    }

    /// The second chip asks through the first.
    fn cascade(&mut self) {
        let asks = self.second.pending().is_some();
        self.first.set_line(CASCADE, asks);
        if !asks {
            self.first.requested &= !(1 << CASCADE);
        }
    }

    /// Whether the processor's INTR pin is up.
    #[must_use]
    pub fn is_pending(&self) -> bool {
        self.first.pending().is_some()
    }

    /// The processor acknowledges: the vector. Without anything pending it is line 7 of the chip that was asked, the
    /// spurious interrupt.
    pub fn acknowledge(&mut self) -> Vector {
        let Some(line) = self.first.pending() else { return Vector(self.first.base | 7) };
        self.first.acknowledge(line);
        if line != CASCADE {
            return Vector(self.first.base | line);
        }
        let vector = match self.second.pending() {
            Some(line) => {
                self.second.acknowledge(line);
                Vector(self.second.base | line)
            }
            None => Vector(self.second.base | 7),
        };
        self.cascade();
        vector
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn initialized() -> Pic {
        let mut pic = Pic::default();
        for (port, value) in
            [(0x20, 0x11), (0xa0, 0x11), (0x21, 0x20), (0xa1, 0x28), (0x21, 4), (0xa1, 2), (0x21, 1), (0xa1, 1)]
        {
            pic.write(port, value);
        }
        pic
    }

    #[test]
    fn the_timer_comes_before_the_keyboard() {
        let mut pic = initialized();
        pic.set_line(1, true);
        pic.set_line(0, true);
        assert_eq!(pic.acknowledge(), Vector(0x20));
        assert!(!pic.is_pending(), "the keyboard waits for the end of the timer's interrupt");
        pic.write(0x20, 0x20);
        assert_eq!(pic.acknowledge(), Vector(0x21));
    }

    #[test]
    fn the_disk_comes_through_the_second_chip() {
        let mut pic = initialized();
        pic.set_line(14, true);
        assert_eq!(pic.acknowledge(), Vector(0x2e));
    }

    #[test]
    fn a_masked_line_waits() {
        let mut pic = initialized();
        pic.write(0x21, 0xff);
        pic.set_line(0, true);
        assert!(!pic.is_pending());
        pic.write(0x21, 0xfe);
        assert_eq!(pic.acknowledge(), Vector(0x20));
    }
}
