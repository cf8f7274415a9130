//! Binary translation in VMware's manner. Source: Adams and Agesen, "A Comparison of Software and Hardware Techniques for
//! x86 Virtualization", ASPLOS 2006, section 3 "Software virtualization".
//!
//! The guest's kernel never runs itself. Its code is read a translation unit at a time (at most [`UNIT_MAX`]
//! instructions, or up to one that goes elsewhere), and a compiled fragment is run instead. Most instructions stay as
//! they are; those that are sensitive become a short sequence on the virtual processor's state or a call of the VMM;
//! those that go elsewhere look up where the target's fragment is. Fragments are chained: once the target of a direct
//! jump has been translated, its fragment is jumped to without asking. Code of the guest's programs runs directly.
//!
//! Adaptive: a store that hits a traced page (a page table of which the VMM keeps a shadow) traps; an instruction that
//! has done so [`ADAPT_AFTER`] times is translated anew, into a call that makes the store and mends the shadow.
//!
//! Not modelled: guest code that changes itself, and the layout of the cache.

use super::GuestCode;
use crate::cpu::bus::{Access, AccessKind, Bus, Flush};
use crate::cpu::execute::{Step, execute};
use crate::cpu::instruction::{Instruction, Opcode, Operand};
use crate::cpu::sensitive::{Nothing, Outcome, Stop};
use crate::cpu::{ControlRegister, Cpu, Exception};
use crate::machine::console::platform::is_sensitive;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;

/// Instructions of one translation unit at most (ASPLOS 2006, 3.1).
pub const UNIT_MAX: usize = 12;
/// After how many traps of one instruction it is translated anew. Ours: the paper names no number.
pub const ADAPT_AFTER: u32 = 3;
const PAGE_SHIFT: u32 = 12;

/// What became of one instruction of the guest.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Serialize, Deserialize)]
pub enum Kind {
    /// The same instruction.
    Identical,
    /// A short sequence on the virtual processor's state, without leaving the fragment.
    Inline,
    /// A call of the VMM.
    Callout,
    /// A direct jump or call: to another fragment.
    Direct,
    /// A jump whose target is known only when it runs: looked up in a hash table.
    Indirect,
    /// A store that used to trap: a call that makes it.
    Adapted,
}

/// One instruction of a fragment.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Translated {
    /// Address in the guest.
    pub address: u64,
    /// The guest's instruction.
    pub guest: Instruction,
    /// What became of it.
    pub kind: Kind,
}

/// The translation of a unit.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Fragment {
    /// Its instructions.
    pub code: Vec<Translated>,
    /// Where it may go on directly, and whether that fragment is chained to this one.
    pub successors: BTreeMap<u64, bool>,
}

/// What happened, counted.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct Counts {
    /// Units translated, for the first time or anew.
    pub translations: u64,
    /// Fragments run.
    pub fragments: u64,
    /// Instructions that ran as they were.
    pub identical: u64,
    /// Instructions done inline.
    pub inline: u64,
    /// Calls of the VMM out of a fragment.
    pub callouts: u64,
    /// Fragments reached through a chain.
    pub chained: u64,
    /// Jumps, calls and returns whose target was looked up in the hash table.
    pub indirect: u64,
    /// Fragments reached through the hash table.
    pub looked_up: u64,
    /// Fragments reached through the translator, which chained them.
    pub dispatched: u64,
    /// Stores that hit a traced page and trapped.
    pub traps: u64,
    /// Stores made by a callout instead.
    pub adapted_stores: u64,
    /// Instructions of user code, run directly.
    pub direct: u64,
    /// Entries of the VMM out of user code: faults and system calls.
    pub user_exits: u64,
}

/// Why a run ended.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum End {
    /// The budget of instructions is spent.
    Budget,
    /// The virtual processor halted.
    Halted,
    /// There is no code of the guest there.
    NoCode(u64),
    /// The guest gets an exception, which its own tables decide on.
    Fault(Exception),
    /// The model does not do it.
    NotModelled(String),
}

/// A guest under binary translation.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct BinaryTranslation {
    /// The virtual processor, with the ring that the guest believes to be in.
    pub cpu: Cpu,
    /// What the guest runs.
    pub code: GuestCode,
    /// Fragments by the address of the unit.
    pub cache: BTreeMap<u64, Fragment>,
    /// Frames of the guest that are watched for stores, by page number of the linear address.
    pub traced: BTreeSet<u64>,
    /// How often each instruction has trapped.
    pub trapped: BTreeMap<u64, u32>,
    /// What happened.
    pub counts: Counts,
}

impl BinaryTranslation {
    /// A guest whose processor is in some state.
    #[must_use]
    pub fn new(cpu: Cpu, code: GuestCode) -> BinaryTranslation {
        BinaryTranslation {
            cpu,
            code,
            cache: BTreeMap::new(),
            traced: BTreeSet::new(),
            trapped: BTreeMap::new(),
            counts: Counts::default(),
        }
    }

    /// Watches the page of a linear address for stores.
    pub fn trace(&mut self, linear: u64) {
        self.traced.insert(linear >> PAGE_SHIFT);
    }

    /// Runs the guest for at most `budget` of its instructions.
    pub fn run(&mut self, bus: &mut dyn Bus, budget: usize) -> End {
        let mut left = budget;
        let mut previous: Option<u64> = None;
        while left > 0 {
            let start = self.cpu.rip;
            if self.cpu.cpl == 3 {
                left -= 1;
                previous = None;
                if let Some(end) = self.run_directly(bus) {
                    return end;
                }
                continue;
            }
            if self.code.at(start).is_none() {
                return End::NoCode(start);
            }
            self.reach(start, previous);
            previous = Some(start);
            match self.run_fragment(start, bus, &mut left) {
                Ok(()) => {}
                Err(end) => return end,
            }
        }
        End::Budget
    }

    /// Finds or makes the fragment at an address, by the way that leads there.
    fn reach(&mut self, start: u64, previous: Option<u64>) {
        let is_new = !self.cache.contains_key(&start);
        if is_new {
            self.translate(start);
        }
        let chain = previous.and_then(|previous| self.cache.get_mut(&previous)?.successors.get_mut(&start));
        match chain {
            Some(is_chained) if *is_chained => self.counts.chained += 1,
            Some(is_chained) => {
                *is_chained = true;
                self.counts.dispatched += 1;
            }
            None if is_new => self.counts.dispatched += 1,
            None => self.counts.looked_up += 1,
        }
    }

    /// Translates the unit at an address.
    fn translate(&mut self, start: u64) {
        let mut code = Vec::new();
        let mut successors = BTreeMap::new();
        let mut address = start;
        while let Some(guest) = self.code.at(address) {
            let kind = self.kind(address, guest);
            let next = address.wrapping_add(guest.length());
            let guest = guest.clone();
            let opcode = guest.opcode;
            if let (Opcode::Jmp | Opcode::Jcc | Opcode::Call, Some(Operand::Immediate(target))) =
                (opcode, guest.operands.first())
            {
                successors.insert(*target, false);
            }
            code.push(Translated { address, guest, kind });
            address = next;
            let goes_elsewhere = matches!(kind, Kind::Direct | Kind::Indirect) || ends_unit(opcode);
            if goes_elsewhere || code.len() == UNIT_MAX {
                if !matches!(opcode, Opcode::Jmp | Opcode::Call) && kind != Kind::Indirect {
                    successors.insert(address, false);
                }
                break;
            }
        }
        self.counts.translations += 1;
        self.cache.insert(start, Fragment { code, successors });
    }

    /// What becomes of an instruction.
    fn kind(&self, address: u64, guest: &Instruction) -> Kind {
        use Opcode::*;
        let is_direct = matches!(guest.operands.first(), Some(Operand::Immediate(_)));
        match guest.opcode {
            Jcc => Kind::Direct,
            Jmp | Call if is_direct => Kind::Direct,
            Jmp | Call | Ret => Kind::Indirect,
            Cli | Sti | Pushf | MovFromCr | MovToDr | MovFromDr => Kind::Inline,
            MovToCr if guest.operands.contains(&cr8()) => Kind::Inline,
            PushSegment | MovFromSegment | Lar | Lsl | Verr | Verw => Kind::Inline,
            _ if is_sensitive(guest) || ends_unit(guest.opcode) || matches!(guest.opcode, Cpuid | Int3) => {
                Kind::Callout
            }
            _ if self.trapped.get(&address).is_some_and(|count| *count >= ADAPT_AFTER) => Kind::Adapted,
            _ => Kind::Identical,
        }
    }

    fn run_fragment(&mut self, start: u64, bus: &mut dyn Bus, left: &mut usize) -> Result<(), End> {
        self.counts.fragments += 1;
        let Some(fragment) = self.cache.get(&start).cloned() else { return Err(End::NoCode(start)) };
        for Translated { address, guest, kind } in &fragment.code {
            if *left == 0 {
                return Err(End::Budget);
            }
            *left -= 1;
            let hits = self.one(bus, guest)?;
            match kind {
                Kind::Identical => self.counts.identical += 1,
                Kind::Inline => self.counts.inline += 1,
                Kind::Callout => self.counts.callouts += 1,
                Kind::Adapted => self.counts.adapted_stores += u64::from(hits > 0),
                Kind::Indirect => self.counts.indirect += 1,
                Kind::Direct => {}
            }
            if hits > 0 && *kind == Kind::Identical {
                self.counts.traps += 1;
                let count = self.trapped.entry(*address).or_insert(0);
                *count += 1;
                if *count == ADAPT_AFTER {
                    self.retranslate(start);
                }
            }
            if self.cpu.activity != crate::cpu::Activity::Running {
                return Err(End::Halted);
            }
            if self.cpu.rip != address.wrapping_add(guest.length()) {
                break;
            }
        }
        Ok(())
    }

    /// Translates a unit anew; who was chained to it is chained again on the way.
    fn retranslate(&mut self, start: u64) {
        self.cache.remove(&start);
        for fragment in self.cache.values_mut() {
            if let Some(is_chained) = fragment.successors.get_mut(&start) {
                *is_chained = false;
            }
        }
        self.translate(start);
    }

    /// One instruction on the virtual processor; how many stores hit a traced page.
    fn one(&mut self, bus: &mut dyn Bus, guest: &Instruction) -> Result<u32, End> {
        let mut traced = TracedBus { bus, traced: &self.traced, hits: 0 };
        let mut events = Vec::new();
        let mut step = Step { cpu: &mut self.cpu, bus: &mut traced, intercepts: &Nothing, events: &mut events };
        match execute(&mut step, guest) {
            Outcome::Executed | Outcome::Ignored(_) => Ok(traced.hits),
            Outcome::Fault(exception) => Err(End::Fault(exception)),
            Outcome::NotModelled(missing) => Err(End::NotModelled(missing.to_string())),
            Outcome::Exit(cause) => Err(End::NotModelled(format!("an exit of a VMM in software: {cause:?}"))),
        }
    }

    /// User code runs on the processor itself; a system call or a fault enters the VMM.
    fn run_directly(&mut self, bus: &mut dyn Bus) -> Option<End> {
        let Some(guest) = self.code.at(self.cpu.rip).cloned() else { return Some(End::NoCode(self.cpu.rip)) };
        self.counts.direct += 1;
        let result = self.one(bus, &guest);
        if self.cpu.cpl != 3 || matches!(result, Err(End::Fault(_))) {
            self.counts.user_exits += 1;
        }
        result.err()
    }

    /// The cache as text: each unit of the guest and what became of it.
    #[must_use]
    pub fn text(&self) -> String {
        let mut text = String::new();
        for (start, fragment) in &self.cache {
            let _ = writeln!(text, "[{start:#x}]");
            for Translated { guest, kind, .. } in &fragment.code {
                let name = format!("{kind:?}").to_lowercase();
                let _ = writeln!(text, "  {:<24} {name:<10} {}", guest.text, output(guest, *kind));
            }
            for (target, is_chained) in &fragment.successors {
                let how = if *is_chained { format!("jmp {target:#x}'") } else { format!("jmp translate({target:#x})") };
                let _ = writeln!(text, "  {:<24} {:<10} {how}", "", "goes on");
            }
        }
        text
    }
}

/// What the translator puts in the place of an instruction.
fn output(guest: &Instruction, kind: Kind) -> String {
    let operand = || guest.text.split_once(' ').map_or("", |(_, operands)| operands);
    match (kind, guest.opcode) {
        (Kind::Identical, _) => guest.text.clone(),
        (Kind::Adapted, _) => "call vmm.store_and_mend_shadow".to_owned(),
        (Kind::Inline, Opcode::Cli) => "and [vcpu.rflags], ~IF".to_owned(),
        (Kind::Inline, Opcode::Sti) => "or [vcpu.rflags], IF; test [vcpu.pending], 1; jnz vmm.interrupt".to_owned(),
        (Kind::Inline, Opcode::Pushf) => "push [vcpu.rflags]".to_owned(),
        (Kind::Inline, _) => format!("{} on [vcpu]: {}", guest.mnemonic, operand()),
        (Kind::Callout, _) => format!("call vmm.{}({})", guest.mnemonic, operand()),
        (Kind::Direct, Opcode::Call) => "push the guest's return address; jmp the target's fragment".to_owned(),
        (Kind::Direct, _) => format!("{} the target's fragment", guest.mnemonic),
        (Kind::Indirect, Opcode::Ret) => "pop the guest's return address; jmp hash lookup".to_owned(),
        (Kind::Indirect, _) => "jmp hash lookup".to_owned(),
    }
}

/// Instructions after which the translator cannot know what comes.
fn ends_unit(opcode: Opcode) -> bool {
    use Opcode::*;
    matches!(
        opcode,
        Iret | Int | Int3 | Into | Syscall | Sysret | Sysenter | Sysexit | CallFar | JmpFar | RetFar | Hlt | Ud2
    )
}

fn cr8() -> Operand {
    Operand::Register(crate::cpu::instruction::Register::Control(ControlRegister::Cr8))
}

/// A bus that counts stores to traced pages.
struct TracedBus<'a> {
    bus: &'a mut dyn Bus,
    traced: &'a BTreeSet<u64>,
    hits: u32,
}

impl Bus for TracedBus<'_> {
    fn read(&mut self, cpu: &Cpu, access: Access) -> Result<u64, Stop> {
        self.bus.read(cpu, access)
    }

    fn write(&mut self, cpu: &Cpu, access: Access, value: u64) -> Result<(), Stop> {
        debug_assert_eq!(access.kind, AccessKind::Write);
        self.hits += u32::from(self.traced.contains(&(access.linear >> PAGE_SHIFT)));
        self.bus.write(cpu, access, value)
    }

    fn port_in(&mut self, cpu: &Cpu, port: u16, size: u8) -> u32 {
        self.bus.port_in(cpu, port, size)
    }

    fn port_out(&mut self, cpu: &Cpu, port: u16, size: u8, value: u32) {
        self.bus.port_out(cpu, port, size, value);
    }

    fn flush(&mut self, cpu: &Cpu, flush: Flush) {
        self.bus.flush(cpu, flush);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cpu::bus::FlatMemory;
    use crate::cpu::instruction::parse::parse;
    use crate::cpu::{General, Mode, Vendor};
    use crate::machine::console::standard_processor::standard_processor;

    fn guest(text: &str, ring: u8) -> (BinaryTranslation, FlatMemory) {
        let (cpu, memory) = standard_processor(Vendor::Intel, Mode::Long, ring);
        (BinaryTranslation::new(cpu, GuestCode::of(&parse(text).expect("a program"))), memory)
    }

    /// The loop of the paper's example, `isPrime(a)`.
    const IS_PRIME: &str = "mov rdi, 49; mov rcx, rdi; mov rsi, 2; cmp rcx, rsi; jle prime; \
        next: mov rax, rcx; mov rdx, 0; div rsi; test rdx, rdx; jz not_prime; inc rsi; cmp rsi, rcx; jl next; \
        prime: mov rax, 1; hlt; not_prime: mov rax, 0; hlt";

    #[test]
    fn innocuous_code_is_translated_identically_and_chained() {
        let (mut guest, mut memory) = guest(IS_PRIME, 0);
        assert_eq!(guest.run(&mut memory, 1000), End::Halted);
        assert_eq!(guest.cpu.registers.get(General::Rax), 0, "49 is no prime");
        assert_eq!(guest.counts.callouts, 1, "hlt alone");
        assert_eq!(guest.counts.translations, 4);
        assert!(guest.counts.chained > guest.counts.dispatched, "{:?}", guest.counts);
    }

    #[test]
    fn the_output_shows_what_stays_and_what_does_not() {
        let (mut guest, mut memory) = guest("cli; mov rax, [x]; popf; mov cr3, rax; in al, 0x60; sti; ret", 0);
        guest.run(&mut memory, 7);
        assert_eq!(
            guest.text(),
            "\
[0x1000]
  cli                      inline     and [vcpu.rflags], ~IF
  mov rax, [x]             identical  mov rax, [x]
  popf                     callout    call vmm.popf()
  mov cr3, rax             callout    call vmm.mov(cr3, rax)
  in al, 0x60              callout    call vmm.in(al, 0x60)
  sti                      inline     or [vcpu.rflags], IF; test [vcpu.pending], 1; jnz vmm.interrupt
  ret                      indirect   pop the guest's return address; jmp hash lookup
"
        );
    }

    #[test]
    fn a_store_that_traps_often_is_translated_anew() {
        let (mut guest, mut memory) =
            guest("mov rcx, 10; mov rbx, 0x9000; again: mov [rbx], rcx; dec rcx; jnz again; hlt", 0);
        guest.trace(0x9000);
        assert_eq!(guest.run(&mut memory, 1000), End::Halted);
        assert_eq!((guest.counts.traps, guest.counts.adapted_stores), (3, 7));
    }

    #[test]
    fn user_code_runs_directly_until_it_calls_the_kernel() {
        let (mut guest, mut memory) = guest("mov rax, 1; add rax, rax; syscall", 3);
        let end = guest.run(&mut memory, 10);
        assert!(matches!(end, End::NoCode(_)), "the kernel is not there: {end:?}");
        assert_eq!((guest.counts.direct, guest.counts.user_exits, guest.counts.translations), (3, 1, 0));
    }
}
