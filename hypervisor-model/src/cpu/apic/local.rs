//! The local APIC. Source: Intel SDM vol. 3 (June 2016), chapter 10 "Advanced Programmable Interrupt Controller": 10.5
//! "Handling Local Interrupts", 10.6 "Issuing Interprocessor Interrupts", 10.8 "Handling Interrupts".
//!
//! The task priority is CR8 of the processor ([`Cpu::cr8`](crate::cpu::Cpu::cr8)); whoever reads or writes the TPR
//! register of the page keeps both the same.
//!
//! Invariants: a vector below 16 is never requested; ISR holds no vector that is not above those it interrupted.

use crate::cpu::Vector;
use serde::{Deserialize, Serialize};

/// Offset of the ID.
pub const ID: u16 = 0x20;
/// Offset of the task priority.
pub const TPR: u16 = 0x80;
/// Offset of the processor priority.
pub const PPR: u16 = 0xa0;
/// Offset of the end-of-interrupt register.
pub const EOI: u16 = 0xb0;
/// Offset of the logical destination.
pub const LDR: u16 = 0xd0;
/// Offset of the spurious-interrupt vector register; bit 8 enables the APIC.
pub const SPURIOUS: u16 = 0xf0;
/// Offset of the first of eight in-service registers.
pub const ISR: u16 = 0x100;
/// Offset of the first of eight trigger-mode registers.
pub const TMR: u16 = 0x180;
/// Offset of the first of eight request registers.
pub const IRR: u16 = 0x200;
/// Offset of the interrupt-command register, low half: writing it sends.
pub const ICR: u16 = 0x300;
/// Offset of its high half: the destination in bits 31:24.
pub const ICR_HIGH: u16 = 0x310;
/// Offset of the timer's entry in the local vector table.
pub const LVT_TIMER: u16 = 0x320;
/// Offset of the timer's initial count; writing it starts the timer.
pub const INITIAL_COUNT: u16 = 0x380;
/// Offset of the timer's current count.
pub const CURRENT_COUNT: u16 = 0x390;
/// Offset of the divide configuration.
pub const DIVIDE: u16 = 0x3e0;

/// Timer: begin again when the count is 0.
pub const PERIODIC: u32 = 1 << 17;
/// A local vector that is masked.
pub const MASKED: u32 = 1 << 16;
const ENABLED: u32 = 1 << 8;

/// Which local APICs a message is for.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Serialize, Deserialize)]
pub enum Destination {
    /// The one with this ID; 0xff for all.
    Physical(u8),
    /// Those whose logical ID has a bit in common with this.
    Logical(u8),
    /// The sender.
    Own,
    /// All.
    All,
    /// All but the sender.
    Others,
}

/// What a message asks for (delivery mode).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Serialize, Deserialize)]
pub enum Signal {
    /// An interrupt with a vector.
    Fixed(Vector),
    /// A non-maskable interrupt.
    Nmi,
    /// INIT.
    Init,
    /// Start-up, at page `vector`.
    Startup(Vector),
}

/// A message of one local APIC to others.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Serialize, Deserialize)]
pub struct Command {
    /// Who gets it.
    pub destination: Destination,
    /// What it asks for.
    pub signal: Signal,
}

/// 256 bits, one a vector.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
struct Vectors([u64; 4]);

impl Vectors {
    fn set(&mut self, vector: Vector, is_on: bool) {
        let (word, bit) = (usize::from(vector.0 / 64), 1 << (vector.0 % 64));
        if is_on { self.0[word] |= bit } else { self.0[word] &= !bit }
    }

    fn has(&self, vector: Vector) -> bool {
        self.0[usize::from(vector.0 / 64)] & 1 << (vector.0 % 64) != 0
    }

    fn highest(&self) -> Option<Vector> {
        let word = (0..4).rev().find(|word| self.0[*word] != 0)?;
        Some(Vector((word * 64) as u8 + 63 - self.0[word].leading_zeros() as u8))
    }

    /// One of the eight 32-bit registers.
    fn register(&self, index: u16) -> u32 {
        (self.0[usize::from(index / 2)] >> (32 * (index % 2))) as u32
    }
}

/// The local APIC of one processor.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct LocalApic {
    /// The ID with which messages find it.
    pub id: u8,
    logical: u8,
    spurious: u32,
    requested: Vectors,
    in_service: Vectors,
    level: Vectors,
    command_high: u32,
    timer: u32,
    divide: u32,
    initial: u32,
    current: u32,
    /// Cycles of the bus that have passed since the count last went down.
    remainder: u32,
}

impl LocalApic {
    /// A local APIC after reset: disabled by software, its timer masked.
    #[must_use]
    pub fn new(id: u8) -> LocalApic {
        LocalApic {
            id,
            logical: 0,
            spurious: 0xff,
            requested: Vectors::default(),
            in_service: Vectors::default(),
            level: Vectors::default(),
            command_high: 0,
            timer: MASKED,
            divide: 0,
            initial: 0,
            current: 0,
            remainder: 0,
        }
    }

    /// Accepts an interrupt into IRR. A vector below 16 is an error and is dropped, as is everything while the APIC is
    /// disabled; one that is requested already is not requested twice.
    pub fn accept(&mut self, vector: Vector, is_level: bool) {
        if vector.0 >= 16 && self.spurious & ENABLED != 0 {
            self.requested.set(vector, true);
            self.level.set(vector, is_level);
        }
    }

    /// Whether a message is for this APIC; `sender` is the ID of the one that sent it.
    #[must_use]
    pub fn is_meant(&self, destination: Destination, sender: u8) -> bool {
        match destination {
            Destination::Physical(id) => id == self.id || id == 0xff,
            Destination::Logical(set) => self.logical & set != 0,
            Destination::Own => self.id == sender,
            Destination::All => true,
            Destination::Others => self.id != sender,
        }
    }

    /// The processor priority: the higher of the task priority and the class in service (10.8.3.1).
    #[must_use]
    pub fn processor_priority(&self, task_priority: u8) -> u8 {
        let service = self.in_service.highest().map_or(0, |vector| vector.0 >> 4);
        let task = task_priority & 0xf;
        if task >= service { task << 4 } else { service << 4 }
    }

    /// The interrupt that the processor would get now.
    #[must_use]
    pub fn pending(&self, task_priority: u8) -> Option<Vector> {
        let class = self.processor_priority(task_priority) >> 4;
        self.requested.highest().filter(|vector| vector.0 >> 4 > class)
    }

    /// The processor takes the pending interrupt: from IRR to ISR.
    pub fn acknowledge(&mut self, task_priority: u8) -> Option<Vector> {
        let vector = self.pending(task_priority)?;
        debug_assert!(self.in_service.highest().is_none_or(|served| served < vector));
        self.requested.set(vector, false);
        self.in_service.set(vector, true);
        Some(vector)
    }

    /// End of interrupt: the highest leaves ISR. A level-triggered one is returned, for the I/O APIC to be told.
    pub fn end_of_interrupt(&mut self) -> Option<Vector> {
        let vector = self.in_service.highest()?;
        self.in_service.set(vector, false);
        self.level.has(vector).then_some(vector)
    }

    /// Reads a register of the APIC page. TPR and PPR are given `task_priority`, CR8 of the processor.
    #[must_use]
    pub fn read(&self, offset: u16, task_priority: u8) -> u32 {
        match offset & 0xff0 {
            ID => u32::from(self.id) << 24,
            0x30 => 0x5_0014,
            TPR => u32::from(task_priority & 0xf) << 4,
            PPR => u32::from(self.processor_priority(task_priority)),
            LDR => u32::from(self.logical) << 24,
            SPURIOUS => self.spurious,
            register @ 0x100..0x180 => self.in_service.register((register - ISR) >> 4),
            register @ 0x180..0x200 => self.level.register((register - TMR) >> 4),
            register @ 0x200..0x280 => self.requested.register((register - IRR) >> 4),
            ICR_HIGH => self.command_high,
            LVT_TIMER => self.timer,
            INITIAL_COUNT => self.initial,
            CURRENT_COUNT => self.current,
            DIVIDE => self.divide,
            _ => 0,
        }
    }

    /// Writes a register of the APIC page; a write of ICR gives the message that is sent, one of EOI drops the
    /// highest interrupt in service.
    pub fn write(&mut self, offset: u16, value: u32) -> Option<Command> {
        match offset & 0xff0 {
            EOI => {
                self.end_of_interrupt();
            }
            LDR => self.logical = (value >> 24) as u8,
            SPURIOUS => self.spurious = value & 0x11ff,
            ICR => return self.command(value),
            ICR_HIGH => self.command_high = value & 0xff00_0000,
            LVT_TIMER => self.timer = value & 0x7_00ff,
            INITIAL_COUNT => {
                self.initial = value;
                self.current = value;
                self.remainder = 0;
            }
            DIVIDE => self.divide = value & 0xb,
            _ => {}
        }
        None
    }

    fn command(&self, low: u32) -> Option<Command> {
        let vector = Vector(low as u8);
        let signal = match low >> 8 & 7 {
            0 | 1 => Signal::Fixed(vector),
            4 => Signal::Nmi,
            // An INIT with level 0 is the de-assert of old, which does nothing any more.
            5 if low & 1 << 14 != 0 => Signal::Init,
            6 => Signal::Startup(vector),
            _ => return None,
        };
        let address = (self.command_high >> 24) as u8;
        let destination = match low >> 18 & 3 {
            0 if low & 1 << 11 != 0 => Destination::Logical(address),
            0 => Destination::Physical(address),
            1 => Destination::Own,
            2 => Destination::All,
            _ => Destination::Others,
        };
        Some(Command { destination, signal })
    }

    /// What the count is divided by: 1 to 128 (figure 10-10).
    #[must_use]
    pub fn divisor(&self) -> u32 {
        let code = self.divide & 3 | (self.divide & 8) >> 1;
        if code == 7 { 1 } else { 2 << code }
    }

    /// Bus cycles until the timer's count is 0; `None` while it does not run.
    #[must_use]
    pub fn cycles_to_timer(&self) -> Option<u64> {
        let cycles = u64::from(self.current) * u64::from(self.divisor());
        (self.current > 0).then(|| cycles.saturating_sub(u64::from(self.remainder)))
    }

    /// Lets bus cycles pass: counts down, and requests the timer's vector at 0.
    pub fn tick(&mut self, cycles: u32) {
        let total = u64::from(self.remainder) + u64::from(cycles);
        let divisor = u64::from(self.divisor());
        let mut counts = total / divisor;
        self.remainder = (total % divisor) as u32;
        while self.current > 0 && counts >= u64::from(self.current) {
            counts -= u64::from(self.current);
            let is_periodic = self.timer & PERIODIC != 0;
            self.current = if is_periodic { self.initial } else { 0 };
            if self.timer & MASKED == 0 {
                self.accept(Vector(self.timer as u8), false);
            }
            if is_periodic && self.initial > 0 {
                // Whole periods that pass at once request one interrupt only.
                counts %= u64::from(self.initial);
            }
        }
        self.current = self.current.saturating_sub(counts as u32);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn enabled() -> LocalApic {
        let mut apic = LocalApic::new(1);
        apic.write(SPURIOUS, 0x1ff);
        apic
    }

    #[test]
    fn a_higher_class_interrupts_a_lower_one_and_not_the_other_way_round() {
        let mut apic = enabled();
        apic.accept(Vector(0x31), false);
        assert_eq!(apic.acknowledge(0), Some(Vector(0x31)));
        apic.accept(Vector(0x3f), false);
        assert_eq!(apic.acknowledge(0), None, "the same class waits");
        apic.accept(Vector(0x41), false);
        assert_eq!(apic.acknowledge(0), Some(Vector(0x41)));
        assert_eq!(apic.read(PPR, 0), 0x40);
        apic.write(EOI, 0);
        apic.write(EOI, 0);
        assert_eq!(apic.acknowledge(0), Some(Vector(0x3f)));
    }

    #[test]
    fn a_self_ipi_goes_to_the_sender() {
        let mut apic = enabled();
        let command = apic.write(ICR, 1 << 18 | 0x55).expect("a message");
        assert_eq!(command, Command { destination: Destination::Own, signal: Signal::Fixed(Vector(0x55)) });
        assert!(apic.is_meant(command.destination, 1));
        assert!(!LocalApic::new(0).is_meant(command.destination, 1));
    }

    #[test]
    fn a_one_shot_timer_strikes_once() {
        let mut apic = enabled();
        apic.write(DIVIDE, 0b11);
        apic.write(LVT_TIMER, 0xec);
        apic.write(INITIAL_COUNT, 10);
        assert_eq!((apic.divisor(), apic.cycles_to_timer()), (16, Some(160)));
        apic.tick(159);
        assert_eq!(apic.pending(0), None);
        apic.tick(1);
        assert_eq!(apic.acknowledge(0), Some(Vector(0xec)));
        apic.tick(1000);
        assert_eq!((apic.pending(0), apic.cycles_to_timer()), (None, None));
    }

    #[test]
    fn a_disabled_apic_accepts_nothing_and_nobody_asks_for_a_vector_below_16() {
        let mut apic = LocalApic::new(0);
        apic.accept(Vector(0x30), false);
        assert_eq!(apic.pending(0), None);
        let mut apic = enabled();
        apic.accept(Vector(15), false);
        assert_eq!(apic.pending(0), None);
    }
}
