//! The guest-state and host-state areas: which field holds what of a processor.
//!
//! Source: Intel SDM vol. 3 (June 2016), 24.4 "Guest-State Area", 24.5 "Host-State Area", 26.3.2 "Loading Guest State",
//! 27.3 "Saving Guest State", 27.5 "Loading Host State". General registers but RSP, CR2 and DR0 to DR6 are in no field:
//! the VMM moves them.

use super::controls::Control;
use super::fields::Field;
use super::vmcs::Vmcs;
use crate::cpu::control::{Cr0, Cr4, Efer};
use crate::cpu::msr::Msr;
use crate::cpu::register::General;
use crate::cpu::segment::{Descriptor, Segment, Segments, Selector, TableRegister};
use crate::cpu::{Activity, Cpu, InterruptShadow, Operation, Rflags};

/// Bit 16 of an access-rights field: the segment is unusable.
pub const UNUSABLE: u64 = 1 << 16;

/// The four fields of a segment register.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct SegmentFields {
    /// What the manual calls it.
    pub name: &'static str,
    /// Selector.
    pub selector: Field,
    /// Base.
    pub base: Field,
    /// Limit.
    pub limit: Field,
    /// Access rights.
    pub rights: Field,
}

macro_rules! segments {
    ($($name:literal $selector:ident $base:ident $limit:ident $rights:ident;)+) => {
        /// The segment registers of the guest-state area: ES, CS, SS, DS, FS, GS, LDTR, TR.
        pub const SEGMENTS: [SegmentFields; 8] = [$(SegmentFields {
            name: $name,
            selector: Field::$selector,
            base: Field::$base,
            limit: Field::$limit,
            rights: Field::$rights,
        },)+];
    };
}

segments! {
    "ES" GuestEsSelector GuestEsBase GuestEsLimit GuestEsAccessRights;
    "CS" GuestCsSelector GuestCsBase GuestCsLimit GuestCsAccessRights;
    "SS" GuestSsSelector GuestSsBase GuestSsLimit GuestSsAccessRights;
    "DS" GuestDsSelector GuestDsBase GuestDsLimit GuestDsAccessRights;
    "FS" GuestFsSelector GuestFsBase GuestFsLimit GuestFsAccessRights;
    "GS" GuestGsSelector GuestGsBase GuestGsLimit GuestGsAccessRights;
    "LDTR" GuestLdtrSelector GuestLdtrBase GuestLdtrLimit GuestLdtrAccessRights;
    "TR" GuestTrSelector GuestTrBase GuestTrLimit GuestTrAccessRights;
}

fn in_order(segments: &Segments) -> [Segment; 8] {
    [segments.es, segments.cs, segments.ss, segments.ds, segments.fs, segments.gs, segments.ldtr, segments.tr]
}

fn rights_of(descriptor: Descriptor) -> u64 {
    if descriptor.is_present() { u64::from(descriptor.rights) } else { u64::from(descriptor.rights) | UNUSABLE }
}

/// Interruptibility state (SDM table 24-3): 0 STI, 1 MOV SS, 3 NMI.
fn interruptibility(cpu: &Cpu) -> u64 {
    let shadow = match cpu.shadow {
        InterruptShadow::None => 0,
        InterruptShadow::Sti => 1,
        InterruptShadow::MovSs => 2,
    };
    shadow | u64::from(cpu.blocks_nmi) << 3
}

/// Activity state (SDM 24.4.2): 0 active, 1 HLT, 2 shutdown, 3 wait for SIPI.
fn activity(cpu: &Cpu) -> u64 {
    match cpu.activity {
        Activity::Running => 0,
        Activity::Halted | Activity::Waiting => 1,
        Activity::Shutdown => 2,
    }
}

/// Every field of the guest-state area with what the processor holds, in the order of saving (SDM 27.3).
#[must_use]
pub fn guest_fields(cpu: &Cpu) -> Vec<(Field, u64)> {
    let mut fields = vec![
        (Field::GuestCr0, cpu.cr0.bits()),
        (Field::GuestCr3, cpu.cr3),
        (Field::GuestCr4, cpu.cr4.bits()),
        (Field::GuestDr7, cpu.dr[7]),
        (Field::GuestDebugctl, cpu.msrs.get(Msr::DEBUGCTL)),
        (Field::GuestSysenterCs, cpu.msrs.get(Msr::SYSENTER_CS)),
        (Field::GuestSysenterEsp, cpu.msrs.get(Msr::SYSENTER_ESP)),
        (Field::GuestSysenterEip, cpu.msrs.get(Msr::SYSENTER_EIP)),
        (Field::GuestPat, cpu.msrs.get(Msr::PAT)),
        (Field::GuestEfer, cpu.efer.bits()),
    ];
    for (names, segment) in SEGMENTS.iter().zip(in_order(&cpu.segments)) {
        fields.extend([
            (names.selector, u64::from(segment.selector.0)),
            (names.base, segment.descriptor.base),
            (names.limit, u64::from(segment.descriptor.limit)),
            (names.rights, rights_of(segment.descriptor)),
        ]);
    }
    fields.extend([
        (Field::GuestGdtrBase, cpu.gdtr.base),
        (Field::GuestGdtrLimit, u64::from(cpu.gdtr.limit)),
        (Field::GuestIdtrBase, cpu.idtr.base),
        (Field::GuestIdtrLimit, u64::from(cpu.idtr.limit)),
        (Field::GuestRip, cpu.rip),
        (Field::GuestRsp, cpu.registers.get(General::Rsp)),
        (Field::GuestRflags, cpu.rflags.bits()),
        (Field::GuestInterruptibility, interruptibility(cpu)),
        (Field::GuestActivityState, activity(cpu)),
    ]);
    fields
}

/// Loads the guest-state area into a processor, which is in the guest from now on. What was loaded, in order.
pub fn load_guest(vmcs: &Vmcs, cpu: &mut Cpu) -> Vec<(Field, u64)> {
    let read = |field| vmcs.read(field);
    cpu.cr0 = Cr0::from_bits_retain(read(Field::GuestCr0));
    cpu.cr3 = read(Field::GuestCr3);
    cpu.cr4 = Cr4::from_bits_retain(read(Field::GuestCr4));
    let controls = vmcs.controls();
    if controls.has(Control::LoadDebugControls) {
        cpu.dr[7] = read(Field::GuestDr7);
        cpu.msrs.set(Msr::DEBUGCTL, read(Field::GuestDebugctl));
    }
    cpu.msrs.set(Msr::SYSENTER_CS, read(Field::GuestSysenterCs));
    cpu.msrs.set(Msr::SYSENTER_ESP, read(Field::GuestSysenterEsp));
    cpu.msrs.set(Msr::SYSENTER_EIP, read(Field::GuestSysenterEip));
    if controls.has(Control::EntryLoadPat) {
        cpu.msrs.set(Msr::PAT, read(Field::GuestPat));
    }
    if controls.has(Control::EntryLoadEfer) {
        cpu.efer = Efer::from_bits_retain(read(Field::GuestEfer));
    } else {
        // LMA and LME follow "IA-32e mode guest" (SDM 26.3.2.1).
        cpu.efer.set(Efer::LMA | Efer::LME, controls.has(Control::Ia32eModeGuest));
    }
    let segment = |at: usize| {
        let names = SEGMENTS[at];
        Segment {
            selector: Selector(read(names.selector) as u16),
            descriptor: Descriptor {
                base: read(names.base),
                limit: read(names.limit) as u32,
                rights: read(names.rights) as u16,
            },
        }
    };
    cpu.segments = Segments {
        es: segment(0),
        cs: segment(1),
        ss: segment(2),
        ds: segment(3),
        fs: segment(4),
        gs: segment(5),
        ldtr: segment(6),
        tr: segment(7),
    };
    cpu.gdtr = TableRegister { base: read(Field::GuestGdtrBase), limit: read(Field::GuestGdtrLimit) as u16 };
    cpu.idtr = TableRegister { base: read(Field::GuestIdtrBase), limit: read(Field::GuestIdtrLimit) as u16 };
    cpu.rip = read(Field::GuestRip);
    cpu.registers.set(General::Rsp, read(Field::GuestRsp));
    cpu.rflags = Rflags::from_bits_retain(read(Field::GuestRflags));
    cpu.cpl = cpl(cpu);
    let state = read(Field::GuestInterruptibility);
    cpu.shadow = match state & 3 {
        0 => InterruptShadow::None,
        1 => InterruptShadow::Sti,
        _ => InterruptShadow::MovSs,
    };
    cpu.blocks_nmi = state & 8 != 0;
    cpu.activity = match read(Field::GuestActivityState) {
        1 => Activity::Halted,
        2 => Activity::Shutdown,
        _ => Activity::Running,
    };
    cpu.operation = Operation::NonRoot;
    guest_fields(cpu)
}

/// The privilege level: the DPL of SS, 3 in virtual-8086 mode, 0 in real mode (SDM 24.4.1).
fn cpl(cpu: &Cpu) -> u8 {
    if cpu.rflags.contains(Rflags::VM) {
        3
    } else if !cpu.cr0.contains(Cr0::PE) {
        0
    } else if cpu.segments.ss.descriptor.is_present() {
        cpu.segments.ss.descriptor.dpl()
    } else {
        cpu.segments.ss.selector.rpl()
    }
}

/// Every field of the host-state area with what the processor holds: what a VMM writes before it enters.
#[must_use]
pub fn host_fields(cpu: &Cpu) -> Vec<(Field, u64)> {
    let segments = &cpu.segments;
    let selector = |segment: Segment| u64::from(segment.selector.0);
    vec![
        (Field::HostCr0, cpu.cr0.bits()),
        (Field::HostCr3, cpu.cr3),
        (Field::HostCr4, cpu.cr4.bits()),
        (Field::HostCsSelector, selector(segments.cs)),
        (Field::HostSsSelector, selector(segments.ss)),
        (Field::HostDsSelector, selector(segments.ds)),
        (Field::HostEsSelector, selector(segments.es)),
        (Field::HostFsSelector, selector(segments.fs)),
        (Field::HostGsSelector, selector(segments.gs)),
        (Field::HostTrSelector, selector(segments.tr)),
        (Field::HostFsBase, segments.fs.descriptor.base),
        (Field::HostGsBase, segments.gs.descriptor.base),
        (Field::HostTrBase, segments.tr.descriptor.base),
        (Field::HostGdtrBase, cpu.gdtr.base),
        (Field::HostIdtrBase, cpu.idtr.base),
        (Field::HostSysenterCs, cpu.msrs.get(Msr::SYSENTER_CS)),
        (Field::HostSysenterEsp, cpu.msrs.get(Msr::SYSENTER_ESP)),
        (Field::HostSysenterEip, cpu.msrs.get(Msr::SYSENTER_EIP)),
        (Field::HostPat, cpu.msrs.get(Msr::PAT)),
        (Field::HostEfer, cpu.efer.bits()),
        (Field::HostRsp, cpu.registers.get(General::Rsp)),
        (Field::HostRip, cpu.rip),
    ]
}

/// Loads the host-state area into a processor, which is in the VMM from now on (SDM 27.5). What was loaded, in order.
pub fn load_host(vmcs: &Vmcs, cpu: &mut Cpu) -> Vec<(Field, u64)> {
    let read = |field| vmcs.read(field);
    let controls = vmcs.controls();
    cpu.cr0 = Cr0::from_bits_retain(read(Field::HostCr0));
    cpu.cr3 = read(Field::HostCr3);
    cpu.cr4 = Cr4::from_bits_retain(read(Field::HostCr4));
    // DR7 becomes 400h, DEBUGCTL 0 (SDM 27.5.1).
    cpu.dr[7] = 0x400;
    cpu.msrs.set(Msr::DEBUGCTL, 0);
    cpu.msrs.set(Msr::SYSENTER_CS, read(Field::HostSysenterCs));
    cpu.msrs.set(Msr::SYSENTER_ESP, read(Field::HostSysenterEsp));
    cpu.msrs.set(Msr::SYSENTER_EIP, read(Field::HostSysenterEip));
    if controls.has(Control::ExitLoadPat) {
        cpu.msrs.set(Msr::PAT, read(Field::HostPat));
    }
    let is_long = controls.has(Control::HostAddressSpaceSize);
    if controls.has(Control::ExitLoadEfer) {
        cpu.efer = Efer::from_bits_retain(read(Field::HostEfer));
    } else {
        cpu.efer.set(Efer::LMA | Efer::LME, is_long);
    }
    let with = |selector: Field, descriptor: Descriptor| Segment {
        selector: Selector(read(selector) as u16),
        descriptor: if read(selector) & !3 == 0 { Descriptor::default() } else { descriptor },
    };
    let based = |base: Field| Descriptor { base: read(base), ..Descriptor::data(0) };
    let task = Descriptor { base: read(Field::HostTrBase), limit: 0x67, rights: 0x8b };
    // Segments become flat, the tables have a limit of FFFFh, LDTR is unusable (SDM 27.5.2, 27.5.3).
    cpu.segments = Segments {
        cs: with(Field::HostCsSelector, Descriptor::code(0, is_long)),
        ss: with(Field::HostSsSelector, Descriptor::data(0)),
        ds: with(Field::HostDsSelector, Descriptor::data(0)),
        es: with(Field::HostEsSelector, Descriptor::data(0)),
        fs: with(Field::HostFsSelector, based(Field::HostFsBase)),
        gs: with(Field::HostGsSelector, based(Field::HostGsBase)),
        tr: with(Field::HostTrSelector, task),
        ldtr: Segment::default(),
    };
    cpu.segments.fs.descriptor.base = read(Field::HostFsBase);
    cpu.segments.gs.descriptor.base = read(Field::HostGsBase);
    cpu.gdtr = TableRegister { base: read(Field::HostGdtrBase), limit: 0xffff };
    cpu.idtr = TableRegister { base: read(Field::HostIdtrBase), limit: 0xffff };
    cpu.rip = read(Field::HostRip);
    cpu.registers.set(General::Rsp, read(Field::HostRsp));
    cpu.rflags = Rflags::RESET;
    cpu.cpl = 0;
    cpu.shadow = InterruptShadow::None;
    cpu.activity = Activity::Running;
    cpu.operation = Operation::Root;
    host_fields(cpu)
}
