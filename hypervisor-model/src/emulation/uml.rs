//! User-mode Linux: a kernel that is a process of another kernel, and its programs too. Source: Linux 6.12,
//! `Documentation/virt/uml/user_mode_linux_howto_v2.rst`, `arch/um/os-Linux/skas/process.c`; J. Dike, slides of the Ottawa
//! Linux Symposium 2002, "System call virtualization", for the four host context switches of a system call in tt mode.
//!
//! The host's ptrace stops a program of the guest at each of its system calls, and the guest's kernel, the tracer, does
//! the call. In the old *tt* mode (tracing thread) each process of the guest is a host process that has the kernel in
//! its own address space: the tracer turns the call into a signal to it, and back. In *skas* mode (separate kernel
//! address space) the kernel is a process of its own and changes what the program's address space holds.

use serde::{Deserialize, Serialize};

/// How the kernel and its programs share the host's processes.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Default, Serialize, Deserialize)]
pub enum UmlMode {
    /// A host process for each process of the guest, a tracing thread beside.
    TracingThread,
    /// The kernel in an address space of its own.
    #[default]
    SeparateAddressSpace,
}

/// What the host did for the guest, counted.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct Counts {
    /// System calls of guest programs.
    pub system_calls: u64,
    /// Page faults of guest programs.
    pub page_faults: u64,
    /// Switches of the guest from one of its processes to another.
    pub guest_switches: u64,
    /// Times at which ptrace stopped a process of the host.
    pub ptrace_stops: u64,
    /// Times at which the host switched from one of its processes to another.
    pub host_switches: u64,
    /// Signals of the host that were delivered.
    pub host_signals: u64,
    /// System calls that the host did for the guest's kernel: ptrace, wait4, mmap...
    pub host_calls: u64,
    /// Crossings between ring 3 and ring 0 of the host, both directions.
    pub ring_crossings: u64,
}

/// A guest as processes of a host.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct Uml {
    /// Which mode.
    pub mode: UmlMode,
    /// What happened.
    pub counts: Counts,
}

impl Uml {
    /// A guest in a mode.
    #[must_use]
    pub fn new(mode: UmlMode) -> Uml {
        Uml { mode, counts: Counts::default() }
    }

    /// The host stops the program for its tracer: into the host's kernel, over to the tracer.
    fn stop(&mut self) {
        self.counts.ptrace_stops += 1;
        self.counts.host_switches += 1;
        self.counts.ring_crossings += 2;
    }

    /// A system call of the guest's kernel to the host.
    fn host_calls(&mut self, number: u64) {
        self.counts.host_calls += number;
        self.counts.ring_crossings += 2 * number;
    }

    /// The tracer lets the program go on (`ptrace(PTRACE_SYSEMU)`, then `wait4`): over to the program again.
    fn resume(&mut self) {
        self.host_calls(2);
        self.counts.host_switches += 1;
    }

    /// A program of the guest makes a system call.
    pub fn system_call(&mut self) {
        self.counts.system_calls += 1;
        self.stop();
        // Its registers are fetched, and set with the result later.
        self.host_calls(2);
        if self.mode == UmlMode::TracingThread {
            // The tracer cancels the call and sends the process a signal, in whose handler the kernel works; when that
            // is done the process stops for the tracer once more.
            self.counts.host_signals += 1;
            self.resume();
            self.stop();
        }
        self.resume();
    }

    /// A program of the guest touches a page that the host has not mapped for it; the guest's kernel maps it.
    pub fn page_fault(&mut self) {
        self.counts.page_faults += 1;
        self.counts.host_signals += 1;
        if self.mode == UmlMode::SeparateAddressSpace {
            // SIGSEGV stops the program for its tracer; the mapping is made in the program's address space.
            self.stop();
            self.host_calls(1);
            self.resume();
        } else {
            // A signal stops a traced process for its tracer (ptrace(2), signal-delivery-stop), who passes it on. It is
            // handled in the process itself: the kernel is there. When it goes back to the program, the tracer must trace
            // system calls again: the process stops for it once more, as at the end of a system call.
            self.stop();
            self.resume();
            self.host_calls(1);
            self.stop();
            self.resume();
        }
    }

    /// The guest's scheduler chooses another of its processes.
    pub fn guest_switch(&mut self) {
        self.counts.guest_switches += 1;
        if self.mode == UmlMode::TracingThread {
            // One process wakes the other through a pipe and waits on its own: the host switches.
            self.host_calls(2);
            self.counts.host_switches += 1;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_system_call_costs_four_host_switches_in_tt_mode_and_two_in_skas_mode() {
        let switches = |mode| {
            let mut uml = Uml::new(mode);
            uml.system_call();
            uml.counts.host_switches
        };
        assert_eq!(switches(UmlMode::TracingThread), 4);
        assert_eq!(switches(UmlMode::SeparateAddressSpace), 2);
    }

    #[test]
    fn in_skas_mode_a_switch_of_the_guest_is_no_switch_of_the_host() {
        let mut uml = Uml::new(UmlMode::SeparateAddressSpace);
        uml.guest_switch();
        assert_eq!((uml.counts.guest_switches, uml.counts.host_switches), (1, 0));
    }
}
