//! Sessions at the console: what was typed, what became of it.

use super::*;
use crate::cpu::instruction::parse::parse;

fn rows(program: &str, platform: &str, ring: u8) -> Vec<Row> {
    let platform: ConsolePlatform = platform.parse().expect("a platform");
    let program = parse(program).expect("a program");
    run(&program.lines, &Setting { ring, ..Setting::of(platform) }).expect("a setting")
}

fn verdicts(program: &str, platform: &str, ring: u8) -> Vec<String> {
    rows(program, platform, ring).iter().map(Row::verdict).collect()
}

const POPF: &str = "cli; popf; mov cr3, rax";

#[test]
fn popf_is_what_kept_x86_from_being_virtualizable() {
    assert_eq!(verdicts(POPF, "native", 0), ["executed", "executed", "executed"]);
    for ring in 1..=3 {
        assert_eq!(verdicts(POPF, "native", ring), ["fault #GP(0)", "ignored", "fault #GP(0)"]);
    }
}

#[test]
fn with_vt_x_only_shadow_paging_wants_to_know_of_cr3() {
    assert_eq!(verdicts(POPF, "kvm-ept", 0), ["executed", "executed", "executed"]);
    assert_eq!(verdicts(POPF, "kvm-shadow", 0), ["executed", "executed", "exit 28 CR_ACCESS"]);
    assert_eq!(verdicts(POPF, "kvm-ept", 3), ["fault #GP(0)", "ignored", "fault #GP(0)"]);
}

#[test]
fn a_translator_loses_nothing() {
    assert_eq!(verdicts(POPF, "bt", 0), ["translated", "translated", "translated"]);
    assert_eq!(verdicts("add rax, rbx; nop", "bt", 0), ["executed", "executed"]);
    assert_eq!(verdicts(POPF, "bt", 3), ["fault #GP(0)", "ignored", "fault #GP(0)"]);
}

#[test]
fn on_a_virtualizable_x86_every_sensitive_instruction_traps() {
    assert_eq!(
        verdicts("cli; popf; sgdt [mem]; nop", "trap-and-emulate", 0),
        ["exit: trap of cli", "exit: trap of popf", "exit: trap of sgdt", "executed"]
    );
}

#[test]
fn xen_emulates_some_and_ignores_cli() {
    assert_eq!(
        verdicts("cli; popf; mov cr3, rax; hlt; lgdt [mem]; syscall", "xen-pv64", 0),
        ["ignored", "ignored", "emulated", "fault #GP(0)", "fault #GP(0)", "hypercall"]
    );
    assert_eq!(verdicts("int 0x82; cli", "xen-pv32", 1), ["hypercall", "ignored"]);
}

#[test]
fn a_kernel_as_a_process_is_stopped_by_ptrace() {
    assert_eq!(verdicts("cli; syscall", "uml", 3), ["fault #GP(0)", "exit: ptrace system-call stop"]);
}

#[test]
fn every_instruction_at_the_first_level_starts_in_the_ring_that_was_asked_for() {
    assert_eq!(
        verdicts("syscall; cli; int 0x80; hlt", "native", 3),
        ["executed", "fault #GP(0)", "executed", "fault #GP(0)"]
    );
}

#[test]
fn a_handler_in_braces_runs_in_the_kernel() {
    let rows =
        rows("int 0x80 { cli; iretq }; syscall { swapgs; mov [rsp - 8], rax; swapgs; sysretq }; cli", "native", 3);
    let seen: Vec<(u8, String)> = rows.iter().map(|row| (row.ring, row.verdict())).collect();
    let executed = |ring| (ring, "executed".to_owned());
    assert_eq!(
        seen,
        [
            executed(3),
            executed(0),
            executed(0),
            executed(3),
            executed(0),
            executed(0),
            executed(0),
            executed(0),
            (3, "fault #GP(0)".to_owned())
        ]
    );
}

#[test]
fn an_interrupt_takes_its_stack_from_the_tss() {
    let rows = rows("int 0x80", "native", 3);
    assert_eq!(
        rows[0].steps,
        [
            "gate of vector 0x80: to 0x10:0xffffffff81e00800, DPL 3 against CPL 3",
            "code segment 0x10: DPL 0, CPL 3",
            "ring 3 -> 0",
            "stack 0x2b:0x6f00 -> 0x0:0xffffc90000104000, from the TSS, ring 0",
            "push Ss 0x2b at 0xffffc90000103ff8",
            "push Rsp 0x6f00 at 0xffffc90000103ff0",
            "push Rflags 0x202 at 0xffffc90000103fe8",
            "push Cs 0x33 at 0xffffc90000103fe0",
            "push Rip 0x1002 at 0xffffc90000103fd8",
            "rflags 0x202 -> 0x2 (IF=0)",
            "go on at 0x10:0xffffffff81e00800",
        ]
    );
}

#[test]
fn syscall_pushes_nothing_and_keeps_the_stack() {
    let rows = rows("syscall", "native", 3);
    assert!(rows[0].steps.iter().all(|step| !step.starts_with("push") && !step.starts_with("stack")));
}

mod robustness {
    use super::*;
    use crate::cpu::instruction::TABLE;
    use platform::PLATFORMS;
    use proptest::prelude::*;

    /// An operand of a kind that a row of the table takes.
    fn operand(kind: &'static str) -> BoxedStrategy<String> {
        let of = |words: &[&str]| prop::sample::select(words.iter().map(|word| (*word).to_owned()).collect::<Vec<_>>());
        let general = of(&["rax", "rbx", "rcx", "rsp", "r11", "rdx"]);
        let memory = of(&["[x]", "[rax]", "[rsp + rcx*8 - 8]", "qword ptr gs:[0x10]", "[rbx]"]);
        let number = of(&["0", "1", "0x80", "3", "0xffffffffffffffff", "0x33", "0x53"]);
        match kind {
            "r" => general.boxed(),
            "m" | "far m" => memory.boxed(),
            "rm" => prop_oneof![general, memory].boxed(),
            "i" => number.boxed(),
            "ri" => prop_oneof![general, number].boxed(),
            "rmi" => prop_oneof![general, memory, number].boxed(),
            "sreg" => of(&["ss", "ds", "fs"]).boxed(),
            "cr" => of(&["cr0", "cr2", "cr3", "cr4", "cr8"]).boxed(),
            "dr" => of(&["dr0", "dr4", "dr6", "dr7"]).boxed(),
            "acc" => of(&["al", "ax", "eax"]).boxed(),
            "dx" => Just("dx".to_owned()).boxed(),
            _ => of(&["0x53:0", "0x10:0x1000", "0:0", "0xffff:0xffffffff"]).boxed(),
        }
    }

    fn instruction() -> impl Strategy<Value = String> {
        let ways: Vec<&'static str> = TABLE.iter().flat_map(|row| row.syntax).copied().collect();
        prop::sample::select(ways).prop_flat_map(|way| {
            let (mnemonic, kinds) = crate::cpu::instruction::syntax::split(way);
            let operands: Vec<BoxedStrategy<String>> = kinds.map(operand).collect();
            operands.prop_map(move |operands| format!("{mnemonic} {}", operands.join(", ")))
        })
    }

    proptest! {
        #[test]
        fn no_program_is_too_much_for_the_console(
            program in prop::collection::vec(instruction(), 1..12),
            platform in prop::sample::select(PLATFORMS.to_vec()),
            ring in 0..4_u8,
            iopl in 0..4_u8,
            mode in prop::sample::select(vec![Mode::Real, Mode::Protected, Mode::Long]),
            is_amd in any::<bool>(),
        ) {
            let ring = if mode == Mode::Real { 0 } else { ring };
            let vendor = if is_amd { Vendor::Amd } else { Vendor::Intel };
            let setting = Setting { ring, iopl, mode, vendor, ..Setting::of(platform.0) };
            if let Ok(program) = parse(&program.join("; ")) {
                let rows = run(&program.lines, &setting).expect("a setting");
                prop_assert_eq!(rows.len(), program.lines.len());
                prop_assert_eq!(run(&program.lines, &setting).expect("a setting"), rows);
            }
        }

        #[test]
        fn no_text_is_too_much_for_the_parser(text in "[a-z0-9 ,;:{}\\[\\]+*-]{0,40}|\\PC{0,20}") {
            let _ = parse(&text);
        }
    }
}

/// Sessions on the bare machine of a vendor with VT-x or AMD-V switched on.
fn session(program: &str, vendor: Vendor) -> Vec<String> {
    let program = parse(program).expect("a program");
    let native = Setting::of(ConsolePlatform::Native);
    let setting = Setting { vendor, cr4_set: if vendor == Vendor::Intel { Cr4::VMXE } else { Cr4::empty() }, ..native };
    run(&program.lines, &setting).expect("a setting").iter().map(Row::verdict).collect()
}

#[test]
fn a_guest_is_entered_and_left_as_vt_x_has_it() {
    let program =
        "vmxon [a]; vmclear [b]; vmptrld [b]; vmlaunch; cpuid; vmread rax, rbx; vmlaunch; vmresume; cli; hlt; vmxoff";
    assert_eq!(
        session(program, Vendor::Intel),
        [
            "executed",
            "executed",
            "executed",
            "executed",
            "exit 10 CPUID",
            "executed",
            "VMfailValid(4)",
            "executed",
            "executed",
            "exit 12 HLT",
            "executed",
        ]
    );
    // Without CR4.VMXE there is no VT-x; outside VMX operation there is no VMCS.
    assert_eq!(verdicts("vmxon [a]; vmlaunch", "native", 0), ["fault #UD", "fault #UD"]);
    assert_eq!(
        session("vmlaunch; vmxon [a]; vmlaunch; vmxon [a]", Vendor::Intel)[..3],
        ["fault #UD", "executed", "VMfailInvalid"]
    );
}

#[test]
fn an_invalid_state_gives_the_error_of_the_architecture() {
    let with = |encoding: u64, value: u64| {
        let program = format!(
            "vmxon [a]; vmclear [b]; vmptrld [b]; mov rcx, {encoding:#x}; mov rdx, {value:#x}; vmwrite rcx, rdx; vmlaunch"
        );
        session(&program, Vendor::Intel).pop().unwrap_or_default()
    };
    // EPTP, host CR4, guest RFLAGS.
    assert_eq!(with(0x201a, 5), "VMfailValid(7)");
    assert_eq!(with(0x6c04, 0), "VMfailValid(8)");
    assert_eq!(with(0x6820, 0), "exit 33 INVALID_STATE");
    assert_eq!(with(0x6820, 2), "executed");
    // A field that there is not, exit information, another revision, the region of VMXON.
    let program =
        "vmxon [a]; vmclear [b]; vmptrld [b]; mov rcx, 0x4499; vmwrite rcx, rdx; mov rcx, 0x4402; vmwrite rcx, rdx";
    assert_eq!(session(program, Vendor::Intel)[4..], ["VMfailValid(12)", "executed", "VMfailValid(13)"]);
    let program = "vmxon [a]; mov rax, 0xb000; mov [c], rax; vmptrld [c]; vmptrld [a]; vmclear [a]";
    assert_eq!(session(program, Vendor::Intel)[3..], ["VMfailInvalid", "VMfailInvalid", "VMfailInvalid"]);
    let program =
        "vmxon [a]; vmptrld [b]; mov rax, 0xb000; mov [c], rax; vmptrld [c]; vmptrld [a]; vmcall; invept rdi, [d]";
    let seen = session(program, Vendor::Intel);
    assert_eq!(seen[4..], ["VMfailValid(11)", "VMfailValid(10)", "VMfailValid(1)", "executed"]);
}

#[test]
fn vmx_operation_keeps_the_bits_that_it_needs() {
    let seen = session("vmxon [a]; mov rax, 0xa0; mov cr4, rax; vmxoff; mov cr4, rax", Vendor::Intel);
    assert_eq!(seen, ["executed", "executed", "fault #GP(0)", "executed", "executed"]);
    // Without CR0.NE it does not begin.
    let seen = session("mov rax, 0x80000011; mov cr0, rax; vmxon [a]; vmlaunch", Vendor::Intel);
    assert_eq!(seen, ["executed", "executed", "fault #GP(0)", "fault #UD"]);
}

#[test]
fn vmrun_enters_and_vmexit_leaves() {
    let on = "mov ecx, 0xc0000080; rdmsr; or eax, 0x1000; wrmsr; mov rax, 0xa000";
    let seen = session(&format!("{on}; vmrun; cpuid; mov rbx, [0xa070]; vmrun; cli; hlt"), Vendor::Amd);
    assert_eq!(seen[5..], ["executed", "exit 114 cpuid", "executed", "executed", "executed", "exit 120 hlt"]);
    assert_eq!(session("vmrun", Vendor::Amd), ["fault #UD"]);
    // ASID 0; VMRUN that is not intercepted; no page.
    let invalid = format!("exit {} invalid_guest_state", u64::MAX);
    let seen = session(&format!("{on}; mov dword ptr [0xa058], 0; vmrun"), Vendor::Amd);
    assert_eq!(seen[6..], [invalid.as_str()]);
    let seen = session(&format!("{on}; mov dword ptr [0xa010], 0; vmrun"), Vendor::Amd);
    assert_eq!(seen[6..], [invalid.as_str()]);
    let seen = session(&format!("{on}; mov rax, 0xa001; vmrun"), Vendor::Amd);
    assert_eq!(seen[6..], ["fault #GP(0)"]);
}
