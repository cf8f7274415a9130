//! Interrupt controllers: the [local APIC](local) with its timer, the [I/O APIC](io), the old [PIC](pic).
//!
//! An interrupt goes: a device's line to the I/O APIC (or the PIC), a message to a local APIC, its IRR; to the
//! processor when its priority is above PPR and the processor can take it ([`next_interrupt`]); then ISR until EOI.

pub mod io;
pub mod local;
pub mod pic;

use crate::cpu::execute::can_take_interrupt;
use crate::cpu::{Cpu, Vector};
pub use io::IoApic;
pub use local::{Command, Destination, LocalApic, Signal};
pub use pic::Pic;

/// The interrupt that a processor takes before its next instruction, taken out of its local APIC: there is one above
/// the processor priority, IF is set, and the instruction before was no STI and no load of SS.
pub fn next_interrupt(cpu: &Cpu, apic: &mut LocalApic) -> Option<Vector> {
    if can_take_interrupt(cpu) { apic.acknowledge(cpu.cr8) } else { None }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cpu::bus::FlatMemory;
    use crate::cpu::execute::{Step, execute, interrupt};
    use crate::cpu::instruction::parse::parse;
    use crate::cpu::{CpuEvent, Mode, Nothing, Vendor};
    use crate::machine::console::standard_processor::standard_processor;

    fn one(text: &str, cpu: &mut Cpu, memory: &mut FlatMemory) {
        let program = parse(text).expect("a program");
        let mut events = Vec::new();
        let mut step = Step { cpu, bus: memory, intercepts: &Nothing, events: &mut events };
        execute(&mut step, &program.lines[0].instruction);
    }

    #[test]
    fn the_timer_preempts_a_program() {
        let (mut cpu, mut memory) = standard_processor(Vendor::Intel, Mode::Long, 3);
        let mut apic = LocalApic::new(0);
        apic.write(local::SPURIOUS, 0x1ff);
        apic.write(local::LVT_TIMER, 0xec | local::PERIODIC);
        apic.write(local::DIVIDE, 0b1011);
        apic.write(local::INITIAL_COUNT, 100);
        let mut taken = 0;
        for _ in 0..250 {
            apic.tick(1);
            if let Some(vector) = next_interrupt(&cpu, &mut apic) {
                let mut events: Vec<CpuEvent> = Vec::new();
                let before = cpu.clone();
                let mut step = Step { cpu: &mut cpu, bus: &mut memory, intercepts: &Nothing, events: &mut events };
                interrupt(&mut step, vector).expect("a delivery");
                assert_eq!((vector, cpu.cpl), (Vector(0xec), 0));
                taken += 1;
                // The kernel ends the interrupt and goes back.
                apic.write(local::EOI, 0);
                cpu = before;
            }
            one("nop", &mut cpu, &mut memory);
        }
        assert_eq!(taken, 2);
    }

    #[test]
    fn sti_and_mov_ss_keep_interrupts_away_for_one_instruction() {
        let (mut cpu, mut memory) = standard_processor(Vendor::Intel, Mode::Long, 0);
        let mut apic = LocalApic::new(0);
        apic.write(local::SPURIOUS, 0x1ff);
        apic.accept(Vector(0x40), false);
        one("cli", &mut cpu, &mut memory);
        assert_eq!(next_interrupt(&cpu, &mut apic), None);
        one("sti", &mut cpu, &mut memory);
        assert_eq!(next_interrupt(&cpu, &mut apic), None);
        one("mov ss, 0x18", &mut cpu, &mut memory);
        // The shadow of STI is over; that of MOV SS was begun within it and does not count.
        assert_eq!(next_interrupt(&cpu, &mut apic), Some(Vector(0x40)));
    }

    #[test]
    fn the_task_priority_holds_interrupts_of_its_class_back() {
        let (mut cpu, _) = standard_processor(Vendor::Intel, Mode::Long, 0);
        let mut apic = LocalApic::new(0);
        apic.write(local::SPURIOUS, 0x1ff);
        apic.accept(Vector(0x4f), false);
        cpu.cr8 = 4;
        assert_eq!(next_interrupt(&cpu, &mut apic), None);
        cpu.cr8 = 3;
        assert_eq!(next_interrupt(&cpu, &mut apic), Some(Vector(0x4f)));
    }
}
