//! User-mode Linux as hardware: the guest's kernel is a process of the host, and so is each of its programs.
//!
//! Each system call of a guest program stops it for its tracer, which is the guest's kernel: how many crossings and
//! switches of the host that takes is counted by [`crate::emulation::uml`]. Page tables are the host's own: the guest's
//! kernel asks for a mapping by a system call of the host.

use kernel_model::machine::report::{Deed, DeedKind, Lane};

use super::computer::PROCESSORS;
use super::cost::Costs;
use super::counters::Counters;
use super::hardware::{Access, Hardware, MemoryAccess};
use super::kernel_tables::EntryWrite;
use super::native::Native;
use super::processor::Processor;
use crate::emulation::uml::{Counts, Uml as Processes, UmlMode};
use crate::memory::PhysicalMemory;

/// The PCID under which the host remembers the process that is the guest's kernel: beyond those of its programs.
const KERNEL_PCID: u64 = 7;

/// A guest kernel as a process of a host.
#[derive(Clone, PartialEq, Debug)]
pub struct Uml {
    host: Native,
    processes: Processes,
    /// What CR3 holds while the program runs, by processor.
    program: [u64; PROCESSORS],
    costs: Costs,
}

impl Uml {
    /// A guest on a host with so many frames of memory.
    pub fn new(frames: u64, mode: UmlMode, costs: Costs) -> Uml {
        let host = Native::new(frames, costs.clone());
        let processes = Processes::new(mode);
        Uml { host, processes, program: [0; PROCESSORS], costs }
    }

    /// Takes over what the host did since `before`: crossings, its own system calls, and switches of address space.
    fn settle(&mut self, cpu: usize, before: Counts, counters: &mut Counters) {
        let now = self.processes.counts;
        counters.told.tell(|cpu, lane| {
            Deed::new(DeedKind::Crossing, "stop for the tracer")
                .goes(cpu, lane, Lane::Hypervisor)
                .with("crossings", now.ring_crossings - before.ring_crossings)
                .with("calls", now.host_calls - before.host_calls)
                .with("switches", now.host_switches - before.host_switches)
                .says(
                    "The host stops the process for its tracer, which is the guest's kernel: {crossings} ring crossings, \
                     {calls} system calls of the host and {switches} switches of process.",
                    "ptrace(2), PTRACE_SYSEMU; Dike, User-mode Linux",
                )
        });
        counters.ring_crossings += now.ring_crossings - before.ring_crossings;
        counters.spend("system calls of the host", (now.host_calls - before.host_calls) * self.costs.syscall.cycles);
        for switch in 0..now.host_switches - before.host_switches {
            counters.spend("process switches of the host", self.costs.process_switch.cycles);
            let to_kernel = switch % 2 == 0;
            let root = self.program[cpu] & !0xfff & !(1 << 63);
            let cr3 = if to_kernel { root | KERNEL_PCID } else { self.program[cpu] };
            self.host.write_cr3(cpu, cr3 | 1 << 63, counters);
        }
    }
}

impl Hardware for Uml {
    fn costs(&self) -> &Costs {
        &self.costs
    }

    fn write_entry(&mut self, cpu: usize, write: EntryWrite, counters: &mut Counters) {
        self.host.write_entry(cpu, write, counters);
    }

    fn write_cr3(&mut self, cpu: usize, value: u64, counters: &mut Counters) {
        let before = self.processes.counts;
        self.processes.guest_switch();
        self.program[cpu] = value & !(1 << 63);
        self.host.write_cr3(cpu, value, counters);
        self.settle(cpu, before, counters);
    }

    fn invlpg(&mut self, cpu: usize, linear: u64, counters: &mut Counters) {
        // munmap(2) or mprotect(2) in the program's address space.
        counters.ring_crossings += 2;
        counters.spend("system calls of the host", self.costs.syscall.cycles);
        self.host.invlpg(cpu, linear, counters);
    }

    fn shootdown(&mut self, from: usize, to: usize, counters: &mut Counters) {
        self.host.shootdown(from, to, counters);
    }

    fn access(&mut self, cpu: usize, access: MemoryAccess, counters: &mut Counters) -> Access {
        self.host.access(cpu, access, counters)
    }

    fn syscall_entry(&mut self, cpu: usize, counters: &mut Counters) {
        let before = self.processes.counts;
        self.processes.system_call();
        self.settle(cpu, before, counters);
    }

    fn return_to_user(&mut self, _cpu: usize, _counters: &mut Counters) {
        // The way back is part of the stop: the tracer lets the program go on.
    }

    fn page_fault(&mut self, cpu: usize, counters: &mut Counters) {
        let before = self.processes.counts;
        self.processes.page_fault();
        counters.spend("page faults", self.costs.exception.cycles);
        self.settle(cpu, before, counters);
    }

    fn parts(&self) -> Option<(&PhysicalMemory, &[Processor])> {
        self.host.parts()
    }

    fn halt(&mut self, _cpu: usize, counters: &mut Counters) {
        // The guest's kernel sleeps in a system call of the host.
        counters.ring_crossings += 2;
        counters.spend("system calls of the host", self.costs.syscall.cycles);
    }
}
