//! Hypercalls: their numbers, and what they take.
//!
//! Source for this file: Xen master, August 2026 (commit c447b7308b13), `xen/include/public/xen.h` for the numbers,
//! `xen/include/hypercall-defs.c` for the arguments.
//!
//! How a guest makes one (`xen/include/public/arch-x86/xen-x86_64.h`, `xen-x86_32.h`): number in RAX, arguments in RDI, RSI,
//! RDX, R10, R8, then SYSCALL (64-bit PV); number in EAX, arguments in EBX, ECX, EDX, ESI, EDI, then INT 0x82 (32-bit PV);
//! VMCALL or VMMCALL (HVM). The guest calls into the *hypercall page*, where Xen has put a stub of 32 bytes for each number.

use serde::{Deserialize, Serialize};

/// How far the model goes with a hypercall.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Support {
    /// All of it that a guest can tell.
    Full,
    /// With a sentence on what is missing.
    Partial(&'static str),
    /// Not at all: -ENOSYS, and the sentence says why.
    None(&'static str),
}

/// A hypercall as the public header has it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct HypercallInfo {
    /// `__HYPERVISOR_...`.
    pub number: u32,
    /// The header's name.
    pub name: &'static str,
    /// The names of its arguments.
    pub args: &'static [&'static str],
    /// What it is for.
    pub meaning: &'static str,
    /// How much of it is modelled.
    pub support: Support,
}

macro_rules! hypercalls {
    ($($name:ident = $number:literal, $header:literal, [$($arg:literal),*], $meaning:literal, $support:expr;)+) => {
        /// A hypercall by name.
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
        pub enum HypercallNumber {
            $(#[doc = $meaning] $name = $number,)+
        }

        /// Every hypercall, by number.
        pub static HYPERCALLS: &[HypercallInfo] = &[
            $(HypercallInfo { number: $number, name: $header, args: &[$($arg),*], meaning: $meaning, support: $support },)+
        ];

        impl HypercallNumber {
            /// Every hypercall, by number.
            pub const ALL: &'static [HypercallNumber] = &[$(HypercallNumber::$name,)+];
        }
    };
}

const OBSOLETE: Support = Support::None("an older form of another call, kept for guests of before Xen 3.0.2");
const NOT_FOR_GUESTS: Support = Support::None("for the toolstack's own purposes, of which nothing is modelled");

hypercalls! {
    SetTrapTable = 0, "set_trap_table", ["traps"], "registers the guest's handlers of exceptions", Support::Full;
    MmuUpdate = 1, "mmu_update", ["ureqs", "count", "pdone", "foreigndom"], "checked writes to page tables, or to the table from machine to physical",
        Support::Partial("never preempted: a real one goes on in a continuation when the processor is wanted");
    SetGdt = 2, "set_gdt", ["frame_list", "entries"], "installs a descriptor table",
        Support::Partial("descriptors are not looked at one by one");
    StackSwitch = 3, "stack_switch", ["ss", "esp"], "the stack on which the guest's kernel is entered next", Support::Full;
    SetCallbacks = 4, "set_callbacks", ["event_address", "failsafe_address", "syscall_address"], "where Xen enters the guest's kernel", Support::Full;
    FpuTaskswitch = 5, "fpu_taskswitch", ["set"], "sets or clears CR0.TS", Support::Full;
    SchedOpCompat = 6, "sched_op_compat", ["cmd", "arg"], "yield, block, shutdown as they were", OBSOLETE;
    PlatformOp = 7, "platform_op", ["op"], "firmware, microcode and clock of the machine", NOT_FOR_GUESTS;
    SetDebugreg = 8, "set_debugreg", ["reg", "value"], "writes a debug register",
        Support::None("debug registers are not modelled under Xen");
    GetDebugreg = 9, "get_debugreg", ["reg"], "reads a debug register",
        Support::None("debug registers are not modelled under Xen");
    UpdateDescriptor = 10, "update_descriptor", ["maddr", "desc"], "checked write of one descriptor", Support::Full;
    MemoryOp = 12, "memory_op", ["cmd", "arg"], "gives, takes and exchanges frames",
        Support::Partial("of its commands 0 to 6, 9 and 11; frames one by one");
    Multicall = 13, "multicall", ["call_list", "nr_calls"], "several hypercalls in one crossing", Support::Full;
    UpdateVaMapping = 14, "update_va_mapping", ["va", "val", "flags"], "checked write of one last-level entry, by the address that it maps", Support::Full;
    SetTimerOp = 15, "set_timer_op", ["timeout"], "one timer a virtual processor: VIRQ_TIMER when it is due", Support::Full;
    EventChannelOpCompat = 16, "event_channel_op_compat", ["op"], "event channels as they were", OBSOLETE;
    XenVersion = 17, "xen_version", ["cmd", "arg"], "which Xen this is",
        Support::Partial("version, extraversion, changeset, capabilities, platform parameters, features, page size");
    ConsoleIo = 18, "console_io", ["cmd", "count", "buffer"], "Xen's own console",
        Support::Partial("writing only");
    PhysdevOpCompat = 19, "physdev_op_compat", ["op"], "physical devices as they were", OBSOLETE;
    GrantTableOp = 20, "grant_table_op", ["cmd", "uop", "count"], "lends frames to other domains",
        Support::Partial("version 1 of the table; a mapping is known by its handle, page tables get it only with GNTMAP_contains_pte");
    VmAssist = 21, "vm_assist", ["cmd", "type"], "switches helps on and off",
        Support::Partial("remembered, without effect: writable page tables are always emulated");
    UpdateVaMappingOtherdomain = 22, "update_va_mapping_otherdomain", ["va", "val", "flags", "domid"], "the same with a frame of another domain", Support::Full;
    Iret = 23, "iret", [], "returns from the guest's kernel: to its programs, or to itself", Support::Full;
    VcpuOp = 24, "vcpu_op", ["cmd", "vcpuid", "arg"], "starts, stops and asks after virtual processors",
        Support::Partial("initialise, up, down, is_up, runstate, the four timers, register_vcpu_info, get_physid");
    SetSegmentBase = 25, "set_segment_base", ["which", "value"], "bases of FS and GS", Support::Full;
    MmuextOp = 26, "mmuext_op", ["uops", "count", "pdone", "foreigndom"], "pins tables, switches address spaces, flushes",
        Support::Partial("never preempted; caches of memory are not modelled");
    XsmOp = 27, "xsm_op", ["op"], "security policy of the hypervisor", NOT_FOR_GUESTS;
    NmiOp = 28, "nmi_op", ["cmd", "arg"], "the guest's handler of NMIs",
        Support::None("there are no NMIs under Xen in this model");
    SchedOp = 29, "sched_op", ["cmd", "arg"], "yield, block, poll, shutdown",
        Support::Partial("yield, block, shutdown, poll, shutdown_code");
    CallbackOp = 30, "callback_op", ["cmd", "arg"], "registers one place at which Xen enters the guest's kernel", Support::Full;
    XenoprofOp = 31, "xenoprof_op", ["op", "arg"], "profiling", NOT_FOR_GUESTS;
    EventChannelOp = 32, "event_channel_op", ["cmd", "arg"], "interrupts between domains", Support::Full;
    PhysdevOp = 33, "physdev_op", ["cmd", "arg"], "physical interrupts and devices",
        Support::Partial("eoi, irq_status_query, set_iopl");
    HvmOp = 34, "hvm_op", ["cmd", "arg"], "parameters of HVM guests",
        Support::None("HVM guests are modelled below their kernel only");
    Sysctl = 35, "sysctl", ["u_sysctl"], "the machine as a whole, for the toolstack",
        Support::Partial("readconsole, physinfo, sched_id, getdomaininfolist and debug_keys");
    Domctl = 36, "domctl", ["u_domctl"], "makes, changes and ends domains, for the toolstack",
        Support::Partial("createdomain, destroydomain, pausedomain, unpausedomain, getdomaininfo, max_mem, max_vcpus, scheduler_op");
    KexecOp = 37, "kexec_op", ["op", "arg"], "another hypervisor after a crash", NOT_FOR_GUESTS;
    TmemOp = 38, "tmem_op", ["uops"], "gone since Xen 4.13", Support::None("gone from Xen");
    ArgoOp = 39, "argo_op", ["cmd", "arg1", "arg2", "arg3", "arg4"], "messages between domains", NOT_FOR_GUESTS;
    XenpmuOp = 40, "xenpmu_op", ["op", "arg"], "performance counters", NOT_FOR_GUESTS;
    DmOp = 41, "dm_op", ["domid", "nr_bufs", "bufs"], "what a device model asks for its guest",
        Support::None("device models of HVM guests are not modelled under Xen");
    HypfsOp = 42, "hypfs_op", ["cmd", "arg1", "arg2", "arg3", "arg4"], "settings of the hypervisor as a tree", NOT_FOR_GUESTS;
    Mca = 48, "mca", ["u_xen_mc"], "machine checks (arch_0)", NOT_FOR_GUESTS;
    PagingDomctlCont = 49, "paging_domctl_cont", ["u_domctl"], "continuation of a domctl (arch_1)", NOT_FOR_GUESTS;
}

impl HypercallNumber {
    /// The number.
    pub const fn number(self) -> u32 {
        self as u32
    }

    /// The row of the table.
    pub fn info(self) -> &'static HypercallInfo {
        let found = HYPERCALLS.iter().find(|row| row.number == self.number());
        found.unwrap_or(&HYPERCALLS[0])
    }

    /// The header's name.
    pub fn name(self) -> &'static str {
        self.info().name
    }

    /// The hypercall with a number.
    pub fn from_number(number: u32) -> Option<HypercallNumber> {
        HypercallNumber::ALL.iter().copied().find(|call| call.number() == number)
    }

    /// The hypercall with a name.
    pub fn from_name(name: &str) -> Option<HypercallNumber> {
        HypercallNumber::ALL.iter().copied().find(|call| call.name() == name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_and_names_come_back() {
        for call in HypercallNumber::ALL {
            assert_eq!(HypercallNumber::from_number(call.number()), Some(*call));
            assert_eq!(HypercallNumber::from_name(call.name()), Some(*call));
        }
        assert_eq!(HypercallNumber::from_number(11), None, "11 is not used");
    }
}
