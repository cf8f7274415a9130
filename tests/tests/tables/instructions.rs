//! Instructions in every ring against the manual, and against what was measured and recorded.

use super::sheet::rows;
use anyhow::{Context, Result, bail, ensure};
use hypervisor_model::cpu::instruction::parse::parse;
use hypervisor_model::cpu::{Cr4, Mode, Vendor};
use hypervisor_model::machine::console::platform::ConsolePlatform;
use hypervisor_model::machine::console::{Row, Setting, run};

/// What the last instruction of a sequence came to.
fn last(text: &str, setting: &Setting) -> Result<Row> {
    let program = parse(text)?;
    run(&program.lines, setting)?.pop().context("no instruction")
}

/// `iopl=1`, `cr4=umip`, `cr4=-fsgsbase`, `protected`, `real`, `amd`.
fn with_words(mut setting: Setting, words: &str) -> Result<Setting> {
    for word in words.split_whitespace() {
        match word.split_once('=') {
            Some(("iopl", level)) => setting.iopl = level.parse()?,
            Some(("cr4", bit)) => {
                let name = bit.trim_start_matches('-').to_uppercase();
                let flag = Cr4::from_name(&name).with_context(|| format!("no bit {name} in CR4"))?;
                if bit.starts_with('-') { setting.cr4_clear |= flag } else { setting.cr4_set |= flag }
            }
            None if word == "protected" => setting.mode = Mode::Protected,
            None if word == "real" => setting.mode = Mode::Real,
            None if word == "amd" => setting.vendor = Vendor::Amd,
            _ => bail!("what is '{word}'?"),
        }
    }
    Ok(setting)
}

fn report(wrong: Vec<String>, checked: usize) -> Result<()> {
    ensure!(checked > 10, "only {checked} rows were checked");
    ensure!(wrong.is_empty(), "{} of {checked} differ:\n{}", wrong.len(), wrong.join("\n"));
    Ok(())
}

#[test]
fn instructions_do_on_the_bare_machine_what_the_manual_says() -> Result<()> {
    let (mut wrong, mut checked) = (Vec::new(), 0);
    for row in rows("instructions", 5) {
        let [instruction, rings, words, expected, source] = &row[..] else { bail!("not five cells: {row:?}") };
        for ring in rings.split_whitespace() {
            let native = Setting { ring: ring.parse()?, ..Setting::of(ConsolePlatform::Native) };
            let got = last(instruction, &with_words(native, words)?)?.verdict();
            let got = got.strip_prefix("fault ").unwrap_or(&got);
            checked += 1;
            if got != expected {
                wrong.push(format!("{instruction} in ring {ring} {words}: {got}, not {expected} ({source})"));
            }
        }
    }
    report(wrong, checked)
}

#[test]
fn flags_change_by_the_rules_of_cpl_and_iopl() -> Result<()> {
    let (mut wrong, mut checked) = (Vec::new(), 0);
    for row in rows("flags", 5) {
        let [instruction, cpl, iopl, interrupts, level] = &row[..] else { bail!("not five cells: {row:?}") };
        let iopl: u8 = iopl.parse()?;
        let setting = Setting { ring: cpl.parse()?, iopl, ..Setting::of(ConsolePlatform::Native) };
        // An image with IF clear and another IOPL.
        let image = u64::from((iopl + 1) & 3) << 12 | 2;
        let text = match instruction.as_str() {
            "popf" => format!("push {image:#x}; popf; pushf; pop rax"),
            "iret" => format!(
                "mov rbx, rsp; mov rax, ss; push rax; push rbx; push {image:#x}; mov rax, cs; push rax; push 0x1000; iretq; pushf; pop rax"
            ),
            other => format!("{other}; pushf; pop rax"),
        };
        let program = parse(&text)?;
        let steps: Vec<String> = run(&program.lines, &setting)?.into_iter().flat_map(|row| row.steps).collect();
        let shown = steps.iter().rev().find_map(|step| step.strip_prefix("push Rflags 0x")).context("no PUSHF")?;
        let flags = u64::from_str_radix(shown.split(' ').next().unwrap_or_default(), 16)?;
        let changed = |yes: bool| if yes { "yes" } else { "no" };
        let got = (changed(flags & 1 << 9 == 0), changed(flags >> 12 & 3 != u64::from(iopl)));
        checked += 1;
        if got != (interrupts.as_str(), level.as_str()) {
            wrong.push(format!("{instruction} with CPL {cpl}, IOPL {iopl}: {got:?}"));
        }
    }
    report(wrong, checked)
}

#[test]
fn a_guest_of_kvm_is_left_where_it_was_recorded() -> Result<()> {
    let columns = [
        (Vendor::Amd, ConsolePlatform::KvmEpt),
        (Vendor::Amd, ConsolePlatform::KvmShadow),
        (Vendor::Intel, ConsolePlatform::KvmEpt),
        (Vendor::Intel, ConsolePlatform::KvmShadow),
    ];
    let (mut wrong, mut checked) = (Vec::new(), 0);
    for row in rows("kvm-instructions", 6) {
        let [instruction, ring, expected @ ..] = &row[..] else { bail!("no cells: {row:?}") };
        for ((vendor, platform), expected) in columns.into_iter().zip(expected) {
            if expected == "*" {
                continue;
            }
            let setting = Setting { ring: ring.parse()?, vendor, ..Setting::of(platform) };
            let got = last(instruction, &setting)?.exit_reason.unwrap_or_else(|| "-".to_owned());
            checked += 1;
            if got != *expected {
                wrong.push(format!("{instruction} on {vendor:?}, {platform}: {got}, not {expected}"));
            }
        }
    }
    report(wrong, checked)
}

#[test]
fn what_a_deprivileged_kernel_sees_is_what_was_measured_in_ring_3() -> Result<()> {
    let setting = Setting { ring: 3, ..Setting::of(ConsolePlatform::Native) };
    // Each compares a register with what was measured; ZF is bit 6 of what PUSHF shows.
    let measured = [
        ("sgdt [m]; mov ax, [m]; cmp ax, 0x7f", true),
        ("sgdt [m]; mov rax, [m + 2]; mov rbx, 0xfffffe0000001000; cmp rax, rbx", true),
        ("sidt [m]; mov ax, [m]; cmp ax, 0xfff", true),
        ("sidt [m]; mov rax, [m + 2]; mov rbx, 0xfffffe0000000000; cmp rax, rbx", true),
        ("sldt ax; cmp ax, 0", true),
        ("str ax; cmp ax, 0x40", true),
        ("smsw rax; cmp eax, 0x80050033", true),
        ("mov rax, cs; cmp ax, 0x33", true),
        ("pushf; pop rax; and rax, 0x3200; cmp rax, 0x200", true),
        ("mov bx, 0x33; lar eax, ebx", true),
        ("mov bx, 0x33; lar eax, ebx; shr eax, 13; and eax, 3; cmp eax, 3", true),
        ("mov bx, 0x10; lar eax, ebx", false),
        ("mov bx, 0x33; lsl eax, ebx", true),
        ("mov bx, 0x33; lsl eax, ebx; cmp eax, 0xffffffff", true),
        ("mov bx, 0x33; verr bx", true),
    ];
    for (text, expected) in measured {
        let row = last(&format!("{text}; pushf"), &setting)?;
        let pushed = row.steps.iter().find_map(|step| step.strip_prefix("push Rflags 0x")).context("no PUSHF")?;
        let flags = u64::from_str_radix(pushed.split(' ').next().unwrap_or_default(), 16)?;
        ensure!((flags & 1 << 6 != 0) == expected, "{text}: ZF = {}", flags >> 6 & 1);
    }
    Ok(())
}
