//! Virtual interrupts, which Xen raises by itself. Source: `xen/include/public/xen.h`, `VIRQ_...`; who gets them:
//! `get_virq_type`, `xen/common/event_channel.c`.

/// To whom a virtual interrupt goes.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum VirqType {
    /// To the processor that has bound it.
    Vcpu,
    /// To the domain, on its processor 0 until it is moved.
    Domain,
    /// To one domain of the machine, domain 0 unless it is given away.
    Global,
}

/// A virtual interrupt.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Virq {
    /// Its number.
    pub number: u32,
    /// The header's name without `VIRQ_`.
    pub name: &'static str,
    /// To whom it goes.
    pub kind: VirqType,
    /// When it is raised.
    pub meaning: &'static str,
}

const fn virq(number: u32, name: &'static str, kind: VirqType, meaning: &'static str) -> Virq {
    Virq { number, name, kind, meaning }
}

/// Timer of a processor.
pub const TIMER: u32 = 0;
/// The console has input.
pub const CONSOLE: u32 = 2;
/// A domain has shut down or ended.
pub const DOM_EXC: u32 = 3;
/// Numbers below this can be bound (`NR_VIRQS`).
pub const NR_VIRQS: u32 = 24;

/// The virtual interrupts that have a meaning.
pub static VIRQS: [Virq; 14] = [
    virq(0, "TIMER", VirqType::Vcpu, "the processor's timer is due"),
    virq(1, "DEBUG", VirqType::Vcpu, "a person asks for a dump"),
    virq(2, "CONSOLE", VirqType::Global, "the emergency console has input"),
    virq(3, "DOM_EXC", VirqType::Global, "a domain has shut down or ended"),
    virq(4, "TBUF", VirqType::Global, "a trace buffer has records"),
    virq(6, "DEBUGGER", VirqType::Global, "a domain has paused for its debugger"),
    virq(7, "XENOPROF", VirqType::Vcpu, "the profiler has samples"),
    virq(8, "CON_RING", VirqType::Global, "Xen has written to its console"),
    virq(9, "PCPU_STATE", VirqType::Global, "a processor of the machine came or went"),
    virq(10, "MEM_EVENT", VirqType::Global, "a memory event"),
    virq(11, "ARGO", VirqType::Domain, "a message of Argo"),
    virq(12, "ENOMEM", VirqType::Global, "memory is low"),
    virq(13, "XENPMU", VirqType::Vcpu, "a performance counter has overflowed"),
    virq(16, "MCA", VirqType::Global, "a machine check (VIRQ_ARCH_0)"),
];

/// The row of a number.
pub fn row(number: u32) -> Option<&'static Virq> {
    VIRQS.iter().find(|virq| virq.number == number)
}

/// To whom a number goes; those without a meaning are global.
pub fn kind(number: u32) -> VirqType {
    row(number).map_or(VirqType::Global, |virq| virq.kind)
}
