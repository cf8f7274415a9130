//! Transitions between rings, and faults on the way.

use super::*;
use crate::cpu::bus::FlatMemory;
use crate::cpu::execute::{execute, step as run_and_deliver};
use crate::cpu::instruction::parse::parse;
use crate::cpu::segment::{Descriptor, Gate, Selector, TableRegister};
use crate::cpu::sensitive::{Cause, Intercepts, Nothing, Outcome};
use crate::cpu::{Activity, Cpu, General, Mode, Operation, Vendor};
use crate::machine::console::standard_processor::standard_processor;

struct Machine {
    cpu: Cpu,
    memory: FlatMemory,
    events: Vec<CpuEvent>,
}

impl Machine {
    fn new(mode: Mode, ring: u8) -> Machine {
        let (cpu, memory) = standard_processor(Vendor::Intel, mode, ring);
        Machine { cpu, memory, events: Vec::new() }
    }

    /// Runs a program; what the last instruction came to. Faults are not delivered.
    fn run(&mut self, text: &str) -> Outcome {
        let mut outcome = Outcome::Executed;
        for line in parse(text).expect("a program").lines {
            let mut step =
                Step { cpu: &mut self.cpu, bus: &mut self.memory, intercepts: &Nothing, events: &mut self.events };
            outcome = execute(&mut step, &line.instruction);
        }
        outcome
    }

    /// Runs one instruction and delivers its fault.
    fn deliver(&mut self, text: &str, intercepts: &dyn Intercepts) -> Outcome {
        let program = parse(text).expect("a program");
        let mut step = Step { cpu: &mut self.cpu, bus: &mut self.memory, intercepts, events: &mut self.events };
        run_and_deliver(&mut step, &program.lines[0].instruction)
    }
}

#[test]
fn a_call_gate_copies_its_parameters_to_the_inner_stack() {
    let mut machine = Machine::new(Mode::Protected, 3);
    let gate = Gate { kind: 0xc, dpl: 3, is_present: true, selector: Selector(0x10), offset: 0x8000, count: 2 };
    machine.memory.poke(machine.cpu.gdtr.base + 0x50, 8, gate.to_bits().0);
    assert_eq!(machine.run("push 0x11; push 0x22; call 0x53:0"), Outcome::Executed);
    assert_eq!((machine.cpu.cpl, machine.cpu.rip), (0, 0x8000));
    let top = machine.cpu.registers.get(General::Rsp);
    let words: Vec<u64> = (0..6).map(|word| machine.memory.peek(top + word * 4, 4)).collect();
    // EIP, CS, the parameters as they were, ESP, SS.
    assert_eq!(words[1..], [0x33, 0x22, 0x11, 0x6f00 - 8, 0x2b]);
    // The way back releases the parameters on both stacks.
    assert_eq!(machine.run("retf 8"), Outcome::Executed);
    assert_eq!((machine.cpu.cpl, machine.cpu.registers.get(General::Rsp)), (3, 0x6f00));
}

#[test]
fn a_far_return_never_goes_inward() {
    let mut machine = Machine::new(Mode::Protected, 3);
    let outcome = machine.run("push 0x10; push 0x1000; retf");
    assert_eq!(outcome, Outcome::Fault(Exception::with_code(Vector::GP, 0x10)));
}

#[test]
fn iret_outward_nulls_the_kernel_s_data_segments() {
    let mut machine = Machine::new(Mode::Protected, 0);
    let outcome = machine.run("push 0x2b; push 0x6f00; pushf; push 0x33; push 0x1000; iret");
    assert_eq!(outcome, Outcome::Executed);
    assert_eq!(machine.cpu.cpl, 3);
    assert!(machine.cpu.segments.ds.selector.is_null());
    assert!(machine.events.iter().any(|event| matches!(event, CpuEvent::SegmentNulled { dpl: 0, .. })));
}

#[test]
fn a_conforming_handler_keeps_the_ring() {
    let mut machine = Machine::new(Mode::Long, 3);
    let mut conforming = Descriptor::code(0, true);
    conforming.rights |= 4;
    machine.memory.poke(machine.cpu.gdtr.base + 0x10, 8, conforming.to_bits());
    assert_eq!(machine.run("int 0x80"), Outcome::Executed);
    assert_eq!(machine.cpu.cpl, 3);
}

#[test]
fn a_fault_while_delivering_a_fault_is_a_double_fault() {
    let mut machine = Machine::new(Mode::Long, 3);
    // The gate of #GP is not present: #NP while delivering #GP.
    let at = machine.cpu.idtr.base + 13 * 16;
    let gate = machine.memory.peek(at, 8) & !(1 << 47);
    machine.memory.poke(at, 8, gate);
    machine.deliver("hlt", &Nothing);
    let second = Exception::with_code(Vector::NP, 13 << 3 | 2 | 1);
    assert!(machine.events.contains(&CpuEvent::DoubleFault { first: Exception::GP0, second }));
    assert_eq!((machine.cpu.cpl, machine.cpu.activity), (0, Activity::Running));
}

#[test]
fn without_an_idt_a_fault_is_a_triple_fault() {
    let mut machine = Machine::new(Mode::Long, 0);
    machine.cpu.idtr = TableRegister::default();
    machine.deliver("ud2", &Nothing);
    assert_eq!(machine.cpu.activity, Activity::Shutdown);
    assert!(machine.events.contains(&CpuEvent::TripleFault));
}

#[test]
fn a_guest_s_triple_fault_is_an_exit() {
    struct TripleFaults;
    impl Intercepts for TripleFaults {
        fn intercepts(&self, cause: &Cause, _cpu: &Cpu) -> bool {
            *cause == Cause::TripleFault
        }
    }
    let mut machine = Machine::new(Mode::Long, 0);
    machine.cpu.operation = Operation::NonRoot;
    machine.cpu.idtr = TableRegister::default();
    assert_eq!(machine.deliver("ud2", &TripleFaults), Outcome::Exit(Cause::TripleFault));
}

#[test]
fn a_page_fault_puts_its_address_into_cr2_and_its_code_on_the_stack() {
    let mut machine = Machine::new(Mode::Long, 3);
    machine.memory.end = 0x10_0000;
    machine.cpu.idtr.base = 0x2_0000;
    machine.cpu.gdtr.base = 0x3_0000;
    // Tables that lie below the end.
    let (_, all) = standard_processor(Vendor::Intel, Mode::Long, 3);
    for word in 0..512 {
        let value = all.peek(0xffff_fe00_0000_0000 + word * 8, 8);
        machine.memory.poke(0x2_0000 + word * 8, 8, value);
    }
    for word in 0..16 {
        let value = all.peek(0xffff_fe00_0000_1000 + word * 8, 8);
        machine.memory.poke(0x3_0000 + word * 8, 8, value);
    }
    machine.cpu.segments.tr.descriptor.base = 0x4_0000;
    machine.memory.poke(0x4_0004, 8, 0x5_0000);
    let outcome = machine.deliver("mov [0x200000], rax", &Nothing);
    assert_eq!(outcome, Outcome::Fault(Exception::page_fault(6, 0x20_0000)));
    assert_eq!((machine.cpu.cr2, machine.cpu.cpl), (0x20_0000, 0));
    assert_eq!(machine.memory.peek(machine.cpu.registers.get(General::Rsp), 8), 6);
}

#[test]
fn sysret_with_a_wild_address_faults_in_ring_0_on_intel() {
    let mut machine = Machine::new(Mode::Long, 0);
    assert_eq!(machine.run("mov rcx, 0x800000000000; sysret"), Outcome::Fault(Exception::GP0));
    assert_eq!(machine.cpu.cpl, 0);
}

#[test]
fn syscall_leaves_the_user_s_stack_to_the_handler() {
    let mut machine = Machine::new(Mode::Long, 3);
    assert_eq!(machine.run("mov rsp, 0x6e00; mov rax, 0x55; syscall; push rax"), Outcome::Executed);
    assert_eq!(machine.cpu.cpl, 0);
    assert_eq!(machine.memory.peek(0x6df8, 8), 0x55, "the kernel wrote to memory of the user");
    assert_eq!(machine.cpu.registers.get(General::Rcx), 0x1000 + 3 + 3 + 2);
}
