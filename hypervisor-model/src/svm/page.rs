//! A VMCB as the page of memory that it is: where each field lies.
//!
//! Source: AMD64 APM vol. 2 rev. 3.30, appendix B, tables B-1 and B-2. What this model does not have of a VMCB (I/O and MSR
//! permission maps, AVIC, last-branch records) is not in the page.

use super::exit_code::ExitCode;
use super::intercept::InterceptVectors;
use super::vmcb::{ControlArea, SaveArea, Vmcb};
use crate::cpu::Rflags;
use crate::cpu::bus::FlatMemory;
use crate::cpu::control::{Cr0, Cr4, Efer};
use crate::cpu::segment::{Descriptor, Segment, Segments, Selector, TableRegister};
use crate::vmx::interruption::Interruption;

/// Bytes of the page.
pub const SIZE: u64 = 4096;
/// Where the segment registers are, 16 bytes each; GDTR and IDTR lie between them.
const ES: u64 = 0x400;
const GDTR: u64 = 0x460;
const LDTR: u64 = 0x470;
const IDTR: u64 = 0x480;
const TR: u64 = 0x490;

/// The attributes of a segment: bits 7:0 and 15:12 of a descriptor's rights, put together to 12 bits.
fn attributes(rights: u16) -> u64 {
    u64::from(rights & 0xff | rights >> 4 & 0xf00)
}

fn rights(attributes: u64) -> u16 {
    (attributes & 0xff | (attributes & 0xf00) << 4) as u16
}

/// Writes a VMCB into its page.
pub fn write(vmcb: &Vmcb, memory: &mut FlatMemory, page: u64) {
    let mut put = |offset: u64, size: u8, value: u64| memory.poke(page + offset, size, value);
    let control = &vmcb.control;
    for (at, word) in (0u64..).zip(control.intercepts.0) {
        put(4 * at, 4, u64::from(word));
    }
    let event = |event: Option<Interruption>| {
        event.map_or(0, |event| u64::from(event.encode()) | u64::from(event.error_code.unwrap_or(0)) << 32)
    };
    put(0x50, 8, control.tsc_offset);
    put(0x58, 4, u64::from(control.asid));
    put(0x5c, 1, u64::from(control.tlb_control));
    put(0x60, 8, u64::from(control.v_tpr) | u64::from(control.v_irq) << 8);
    put(0x68, 8, u64::from(control.interrupt_shadow));
    put(0x70, 8, control.exit_code.map_or(0, |code| code.0));
    put(0x78, 8, control.exit_info_1);
    put(0x80, 8, control.exit_info_2);
    put(0x88, 8, event(control.exit_interrupt_info));
    put(0x90, 8, u64::from(control.nested_paging));
    put(0xa8, 8, event(control.event_injection));
    put(0xb0, 8, control.nested_cr3);
    put(0xc8, 8, control.next_rip);
    let save = &vmcb.save;
    let s = &save.segments;
    let in_order = [s.es, s.cs, s.ss, s.ds, s.fs, s.gs];
    let all = (ES..).step_by(16).zip(in_order).chain([(LDTR, s.ldtr), (TR, s.tr)]);
    for (offset, segment) in all {
        put(offset, 2, u64::from(segment.selector.0));
        put(offset + 2, 2, attributes(segment.descriptor.rights));
        put(offset + 4, 4, u64::from(segment.descriptor.limit));
        put(offset + 8, 8, segment.descriptor.base);
    }
    for (offset, table) in [(GDTR, save.gdtr), (IDTR, save.idtr)] {
        put(offset + 4, 4, u64::from(table.limit));
        put(offset + 8, 8, table.base);
    }
    put(0x4cb, 1, u64::from(save.cpl));
    let registers = [
        (0x4d0, save.efer.bits()),
        (0x548, save.cr4.bits()),
        (0x550, save.cr3),
        (0x558, save.cr0.bits()),
        (0x560, save.dr7),
        (0x568, save.dr6),
        (0x570, save.rflags.bits()),
        (0x578, save.rip),
        (0x5d8, save.rsp),
        (0x5f8, save.rax),
        (0x640, save.cr2),
    ];
    for (offset, value) in registers {
        put(offset, 8, value);
    }
}

/// Reads the VMCB in a page.
#[must_use]
pub fn read(memory: &FlatMemory, page: u64) -> Vmcb {
    let get = |offset: u64, size: u8| memory.peek(page + offset, size);
    let event = |offset| Interruption::decode(get(offset, 4) as u32, get(offset + 4, 4) as u32);
    let exit_code = ExitCode(get(0x70, 8));
    let control = ControlArea {
        intercepts: InterceptVectors(std::array::from_fn(|at| get(4 * at as u64, 4) as u32)),
        tsc_offset: get(0x50, 8),
        asid: get(0x58, 4) as u32,
        tlb_control: get(0x5c, 1) as u8,
        v_tpr: get(0x60, 1) as u8,
        v_irq: get(0x61, 1) & 1 != 0,
        interrupt_shadow: get(0x68, 1) & 1 != 0,
        // 0 is an exit for a read of CR0, too; before the first exit nobody reads it.
        exit_code: (exit_code.0 != 0).then_some(exit_code),
        exit_info_1: get(0x78, 8),
        exit_info_2: get(0x80, 8),
        exit_interrupt_info: event(0x88),
        nested_paging: get(0x90, 1) & 1 != 0,
        event_injection: event(0xa8),
        nested_cr3: get(0xb0, 8),
        next_rip: get(0xc8, 8),
    };
    let segment = |offset: u64| Segment {
        selector: Selector(get(offset, 2) as u16),
        descriptor: Descriptor {
            base: get(offset + 8, 8),
            limit: get(offset + 4, 4) as u32,
            rights: rights(get(offset + 2, 2)),
        },
    };
    let table = |offset: u64| TableRegister { base: get(offset + 8, 8), limit: get(offset + 4, 4) as u16 };
    let save = SaveArea {
        segments: Segments {
            es: segment(ES),
            cs: segment(ES + 0x10),
            ss: segment(ES + 0x20),
            ds: segment(ES + 0x30),
            fs: segment(ES + 0x40),
            gs: segment(ES + 0x50),
            ldtr: segment(LDTR),
            tr: segment(TR),
        },
        gdtr: table(GDTR),
        idtr: table(IDTR),
        cpl: get(0x4cb, 1) as u8 & 3,
        efer: Efer::from_bits_retain(get(0x4d0, 8)),
        cr0: Cr0::from_bits_retain(get(0x558, 8)),
        cr2: get(0x640, 8),
        cr3: get(0x550, 8),
        cr4: Cr4::from_bits_retain(get(0x548, 8)),
        dr6: get(0x568, 8),
        dr7: get(0x560, 8),
        rflags: Rflags::from_bits_retain(get(0x570, 8)),
        rip: get(0x578, 8),
        rsp: get(0x5d8, 8),
        rax: get(0x5f8, 8),
    };
    Vmcb { control, save }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cpu::{Mode, Vendor};
    use crate::kvm::vcpu::hardware::Svm;
    use crate::machine::console::standard_processor::standard_processor;
    use crate::svm::intercepts::Deviations;

    #[test]
    fn what_is_written_is_read_again() {
        let (cpu, mut memory) = standard_processor(Vendor::Amd, Mode::Long, 3);
        let mut vmcb = Vmcb { save: SaveArea::of(&cpu), ..Svm::new(true, Deviations::default()).vmcb };
        vmcb.control.exit_code = Some(ExitCode::INVALID);
        vmcb.control.event_injection = Some(Interruption::exception(14, Some(2)));
        vmcb.control.v_irq = true;
        write(&vmcb, &mut memory, 0xa000);
        assert_eq!(read(&memory, 0xa000), vmcb);
        assert_eq!(memory.peek(0xa4cb, 1), 3);
        assert_eq!(memory.peek(0xa058, 4), 1);
    }
}
