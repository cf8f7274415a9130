//! `ringside insn`: the instruction console.

use anyhow::{Context, Result, bail};
use clap::{Args, ValueEnum};
use hypervisor_model::cpu::instruction::parse::parse;
use hypervisor_model::cpu::instruction::{Check, Row as TableRow, TABLE};
use hypervisor_model::cpu::{Cr4, Mode, Vendor};
use hypervisor_model::machine::console::platform::ConsolePlatform;
use hypervisor_model::machine::console::{Row, Setting, run};
use serde_json::json;
use std::io::{self, Write};
use std::process::ExitCode;

/// Show what each instruction of a sequence does on a platform, in a ring.
///
/// Registers and memory that the sequence does not set hold what makes an instruction harmless. A handler may be
/// written behind what enters the kernel: 'syscall { swapgs; sysretq }'.
#[derive(Args, Debug)]
pub struct Insn {
    /// Instructions in Intel syntax, separated by semicolons: 'cli; popf; mov cr3, rax'
    program: Option<String>,
    /// native, container, kvm-ept, kvm-shadow, bt, emulated, uml, xen-pv32, xen-pv64, xen-hvm, trap-and-emulate
    #[arg(long, value_name = "NAME", default_value = "native")]
    platform: ConsolePlatform,
    /// The ring as the guest sees it, 0 to 3; without it, that of the platform's kernel
    #[arg(long, value_name = "N")]
    ring: Option<u8>,
    /// Whose processor
    #[arg(long, value_enum, default_value = "intel")]
    vendor: VendorArgument,
    /// The mode of the processor; without it, that of the platform
    #[arg(long, value_enum)]
    mode: Option<ModeArgument>,
    /// The I/O privilege level, 0 to 3
    #[arg(long, value_name = "N", default_value_t = 0)]
    iopl: u8,
    /// Bits of CR4 to set, or to clear with a minus sign: 'umip,-fsgsbase'
    #[arg(long, value_name = "BITS", allow_hyphen_values = true)]
    cr4: Option<String>,
    /// Show the micro-steps of each instruction, too
    #[arg(long)]
    steps: bool,
    /// List all instructions with their checks and sources
    #[arg(long, conflicts_with = "program")]
    list: bool,
    /// Print a JSON list of objects
    #[arg(long)]
    json: bool,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum VendorArgument {
    /// Intel: VT-x
    Intel,
    /// AMD: AMD-V
    Amd,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum ModeArgument {
    /// Real-address mode
    Real,
    /// 32-bit protected mode
    Protected,
    /// 64-bit mode
    Long,
}

impl Insn {
    pub(super) fn execute(self) -> Result<ExitCode> {
        let mut out = io::stdout().lock();
        if self.list {
            return list(&mut out).map(|()| ExitCode::SUCCESS);
        }
        let Some(text) = &self.program else { bail!("no instructions were given, for instance 'cli; popf'") };
        let program = parse(text).context("cannot read the instructions")?;
        let setting = self.setting()?;
        let rows = run(&program.lines, &setting)?;
        if self.json {
            writeln!(out, "{:#}", json!(rows))?;
        } else {
            print_rows(&mut out, &rows, self.steps)?;
        }
        Ok(ExitCode::SUCCESS)
    }

    fn setting(&self) -> Result<Setting> {
        let usual = Setting::of(self.platform);
        let (cr4_set, cr4_clear) = self.cr4.as_deref().map_or(Ok((Cr4::empty(), Cr4::empty())), cr4_bits)?;
        let mode = self.mode.map_or(usual.mode, |mode| match mode {
            ModeArgument::Real => Mode::Real,
            ModeArgument::Protected => Mode::Protected,
            ModeArgument::Long => Mode::Long,
        });
        Ok(Setting {
            ring: self.ring.unwrap_or(if mode == Mode::Real { 0 } else { usual.ring }),
            vendor: match self.vendor {
                VendorArgument::Intel => Vendor::Intel,
                VendorArgument::Amd => Vendor::Amd,
            },
            mode,
            iopl: self.iopl,
            cr4_set,
            cr4_clear,
            ..usual
        })
    }
}

/// Bits by name: to set, and to clear.
fn cr4_bits(text: &str) -> Result<(Cr4, Cr4)> {
    let (mut set, mut clear) = (Cr4::empty(), Cr4::empty());
    for word in text.split(',').map(str::trim).filter(|word| !word.is_empty()) {
        let name = word.trim_start_matches(['-', '+']).to_uppercase();
        let Some(bit) = Cr4::from_name(&name) else {
            let known: Vec<&str> = Cr4::all().iter_names().map(|(name, _)| name).collect();
            bail!("CR4 has no bit '{word}'; it has {}", known.join(", "));
        };
        if word.starts_with('-') { clear |= bit } else { set |= bit }
    }
    Ok((set, clear))
}

fn print_rows(out: &mut impl Write, rows: &[Row], with_steps: bool) -> io::Result<()> {
    let name = |row: &Row| format!("{}{}", "  ".repeat(row.depth), row.instruction);
    let widest = |texts: Vec<String>, heading: &str| {
        texts.iter().map(|text| text.chars().count()).max().unwrap_or(0).max(heading.len())
    };
    let first = widest(rows.iter().map(name).collect(), "instruction");
    let second = widest(rows.iter().map(Row::verdict).collect(), "outcome");
    writeln!(out, "{:first$}  ring  {:second$}  note", "instruction", "outcome")?;
    for row in rows {
        let note = if row.note.is_empty() { String::new() } else { format!("{} ", row.note) };
        writeln!(out, "{:first$}  {:4}  {:second$}  {note}[{}]", name(row), row.ring, row.verdict(), row.citation)?;
        if with_steps {
            for step in &row.steps {
                writeln!(out, "{:first$}        {step}", "")?;
            }
        }
    }
    Ok(())
}

fn list(out: &mut impl Write) -> Result<()> {
    for TableRow { syntax, class, checks, silently, citation, .. } in TABLE {
        let checks: Vec<String> = checks.iter().map(check_name).collect();
        let checks = if checks.is_empty() { "no check".to_owned() } else { checks.join(", ") };
        writeln!(out, "{:28} {class}: {checks} [{citation}]", syntax.join(" | "))?;
        if let Some(silently) = silently {
            writeln!(out, "{:28} silently: {}", "", silently.what())?;
        }
    }
    Ok(())
}

fn check_name(check: &Check) -> String {
    match check {
        Check::Intercept => "exit".to_owned(),
        Check::NeedsCr4(_)
        | Check::Ring0IfCr4(_)
        | Check::Ring0UnlessCr4(_)
        | Check::NeedsEfer(_)
        | Check::VmxOr(_) => {
            format!("{check:?} else {}", check.exception())
        }
        check => format!("{check:?} {}", check.exception()),
    }
}
