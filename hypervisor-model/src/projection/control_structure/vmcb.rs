//! A VMCB for eyes. Offsets: AMD64 APM vol. 2 rev. 3.30, appendix B.

use super::{ControlStructure, FieldRow, Group, event_words};
use crate::svm::exit_code::{ExitCode, NestedPageFault};
use crate::svm::intercept::{INTERCEPTS, Intercept, InterceptVectors};
use crate::svm::vmcb::{SaveArea, Vmcb};
use crate::vmx::interruption::{Interruption, exception_name};

/// The fields that are known of a guest whose kernel is operations, by their names.
pub(super) const KNOWN: &[&str] = &[
    "EXITCODE",
    "EXITINFO1",
    "EXITINFO2",
    "EXITINTINFO",
    "CS",
    "SS",
    "CPL",
    "EFER",
    "CR0",
    "CR3",
    "CR4",
    "CR and DR intercepts",
    "exception intercepts",
    "instruction intercepts 1",
    "instruction intercepts 2",
    "instruction intercepts 3",
    "guest ASID",
    "TLB_CONTROL",
    "NP_ENABLE",
    "EVENTINJ",
    "N_CR3",
];

fn row(name: &str, offset: u16, value: u64) -> FieldRow {
    FieldRow::new(name, format!("{offset:#05x}"), value)
}

/// The areas of a VMCB, the most interesting first.
pub(super) fn structure(vmcb: &Vmcb) -> ControlStructure {
    let group = |title: &str, fields| Group { title: title.to_owned(), fields };
    let has_exited = vmcb.control.exit_code.is_some();
    let groups = vec![
        group("control area: exit", exit_fields(vmcb)),
        group("state-save area", state(&vmcb.save, has_exited)),
        group("control area: what the VMM asks for", wishes(vmcb)),
    ];
    ControlStructure { title: "VMCB".to_owned(), groups }
}

fn exit_fields(vmcb: &Vmcb) -> Vec<FieldRow> {
    let control = &vmcb.control;
    let Some(code) = control.exit_code else {
        return ["EXITCODE", "EXITINFO1", "EXITINFO2", "EXITINTINFO"]
            .iter()
            .zip((0x70..).step_by(8))
            .map(|(name, offset)| row(name, offset, 0))
            .collect();
    };
    let (vectoring, words) = event(control.exit_interrupt_info);
    let rows = [
        row("EXITCODE", 0x70, code.0).means(code.name()),
        row("EXITINFO1", 0x78, control.exit_info_1).means(info_1(code, control.exit_info_1)),
        row("EXITINFO2", 0x80, control.exit_info_2).means(info_2(code)),
        row("EXITINTINFO", 0x88, vectoring).means(words),
    ];
    rows.map(|row| row.written(true)).to_vec()
}

/// What EXITINFO1 says for this code (APM 15.9 to 15.25).
fn info_1(code: ExitCode, info: u64) -> String {
    if code == ExitCode::NPF {
        let fault = NestedPageFault::decode(info);
        let access = match (fault.is_fetch, fault.is_write) {
            (true, _) => "fetch",
            (false, true) => "write",
            (false, false) => "read",
        };
        let at = if fault.is_table_walk { " of a guest paging structure" } else { "" };
        let entry = match (fault.is_reserved, fault.is_present) {
            (true, _) => ", a reserved bit is 1",
            (false, true) => ", the entry is present",
            (false, false) => ", no entry is present",
        };
        return format!("{access}{at}{entry}");
    }
    match code {
        ExitCode::IOIO => {
            let name = if info & 1 != 0 { "in" } else { "out" };
            let (rep, string) = (if info & 8 != 0 { "rep " } else { "" }, if info & 4 != 0 { "s" } else { "" });
            let bytes = info >> 4 & 7;
            format!("{rep}{name}{string}, {bytes} byte{}, port {:#x}", if bytes == 1 { "" } else { "s" }, info >> 16)
        }
        ExitCode::MSR => if info & 1 != 0 { "WRMSR" } else { "RDMSR" }.to_owned(),
        code if code == ExitCode::exception(14) => "error code".to_owned(),
        _ => String::new(),
    }
}

fn info_2(code: ExitCode) -> &'static str {
    match code {
        ExitCode::NPF => "guest-physical address",
        code if code == ExitCode::exception(14) => "linear address",
        _ => "",
    }
}

fn event(event: Option<Interruption>) -> (u64, String) {
    event.map_or((0, String::new()), |event| (u64::from(event.encode()), event_words(event)))
}

/// The state-save area. FS, GS, LDTR and TR are written by VMSAVE, not by the exit.
fn state(save: &SaveArea, has_exited: bool) -> Vec<FieldRow> {
    let segments = &save.segments;
    let all = [
        ("ES", 0x400, segments.es),
        ("CS", 0x410, segments.cs),
        ("SS", 0x420, segments.ss),
        ("DS", 0x430, segments.ds),
        ("FS", 0x440, segments.fs),
        ("GS", 0x450, segments.gs),
        ("LDTR", 0x470, segments.ldtr),
        ("TR", 0x490, segments.tr),
    ];
    let mut rows: Vec<FieldRow> = all
        .map(|(name, offset, segment)| {
            let descriptor = segment.descriptor;
            let is_written = has_exited && matches!(name, "ES" | "CS" | "SS" | "DS");
            row(name, offset, u64::from(segment.selector.0)).written(is_written).means(format!(
                "base {:#x}, limit {:#x}, attributes {:#x}",
                descriptor.base, descriptor.limit, descriptor.rights
            ))
        })
        .to_vec();
    for (name, offset, table) in [("GDTR", 0x460, save.gdtr), ("IDTR", 0x480, save.idtr)] {
        rows.push(row(name, offset, table.base).written(has_exited).means(format!("limit {:#x}", table.limit)));
    }
    let registers = [
        ("CPL", 0x4cb, u64::from(save.cpl)),
        ("EFER", 0x4d0, save.efer.bits()),
        ("CR4", 0x548, save.cr4.bits()),
        ("CR3", 0x550, save.cr3),
        ("CR0", 0x558, save.cr0.bits()),
        ("DR7", 0x560, save.dr7),
        ("DR6", 0x568, save.dr6),
        ("RFLAGS", 0x570, save.rflags.bits()),
        ("RIP", 0x578, save.rip),
        ("RSP", 0x5d8, save.rsp),
        ("RAX", 0x5f8, save.rax),
        ("CR2", 0x640, save.cr2),
    ];
    rows.extend(registers.map(|(name, offset, value)| row(name, offset, value).written(has_exited)));
    rows
}

/// What the VMM asks for: intercepts, tags, nested paging, the event to be injected.
fn wishes(vmcb: &Vmcb) -> Vec<FieldRow> {
    let control = &vmcb.control;
    let words = control.intercepts.0.map(u64::from);
    let names = |from: u8, to: u8| intercept_words(&control.intercepts, from, to);
    let (injection, injection_words) = event(control.event_injection);
    let has_exited = control.exit_code.is_some();
    vec![
        row("CR and DR intercepts", 0x000, words[0] | words[1] << 32).means(names(0, 64)),
        row("exception intercepts", 0x008, words[2]).means(names(64, 96)),
        row("instruction intercepts 1", 0x00c, words[3]).means(names(96, 128)),
        row("instruction intercepts 2", 0x010, words[4]).means(names(128, 160)),
        row("instruction intercepts 3", 0x014, words[5]).means(names(160, 192)),
        row("TSC_OFFSET", 0x50, control.tsc_offset),
        row("guest ASID", 0x58, u64::from(control.asid)),
        row("TLB_CONTROL", 0x5c, u64::from(control.tlb_control)),
        row("V_TPR, V_IRQ", 0x60, u64::from(control.v_tpr) | u64::from(control.v_irq) << 8).written(has_exited),
        row("interrupt shadow", 0x68, u64::from(control.interrupt_shadow)).written(has_exited),
        row("NP_ENABLE", 0x90, u64::from(control.nested_paging)),
        row("EVENTINJ", 0xa8, injection).means(injection_words),
        row("N_CR3", 0xb0, control.nested_cr3),
    ]
}

/// The intercepts of a range of bits in words.
fn intercept_words(vectors: &InterceptVectors, from: u8, to: u8) -> String {
    let name = |number: u8| match number {
        0..16 => format!("read CR{number}"),
        16..32 => format!("write CR{}", number - 16),
        32..48 => format!("read DR{}", number - 32),
        48..64 => format!("write DR{}", number - 48),
        64..96 => exception_name(number - 64),
        _ => INTERCEPTS.iter().find(|(known, _)| *known == number).map_or_else(String::new, |(_, n)| (*n).to_owned()),
    };
    let set = (from..to).filter(|number| vectors.has(Intercept(*number))).map(name);
    set.collect::<Vec<_>>().join("; ")
}
