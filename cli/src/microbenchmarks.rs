//! `docs/microbenchmarks.md`: what single operations cost on the model's machines, beside published figures.

use anyhow::Result;
use hypervisor_model::machine::cost::{Basis, Costs};
use hypervisor_model::machine::lmbench;
use hypervisor_model::machine::microbenchmark::{COLUMNS, Cell, Measured, TOLERANCE_PERCENT, measure};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::fmt::Write;

/// Where the document is, from the root of the workspace.
pub const DOCUMENT: &str = "docs/microbenchmarks.md";
/// The preset whose processor the figures were published for.
pub const PRESET: &str = "p4-2006";

const HEAD: &str = "\
# Micro-benchmarks

`cargo run -- microbenchmarks --write` writes this page.

What single operations of a guest's kernel cost on the model's machines, beside the figures of Adams and Agesen, \"A
Comparison of Software and Hardware Techniques for x86 Virtualization\", ASPLOS 2006, section 6.3. `bt` is the paper's software
VMM (binary translation), `vmware-vt` its hardware VMM (VT-x without EPT and without VPID, shadow tables with traces).

A published figure was *read* where the text of the paper is reproduced, *follows* from its words (\"fifteen times faster\"), or
is *recalled* and was not looked up. A figure of the model is an *input* when a constant of the preset was taken from that very
cell, and *derived* when it comes out of what the machine counted: exits, walks, accesses to the VMCS, calls of the VMM,
switches to and from translated code. Where nothing exits, being equal to the native column is the result.
";

/// The preset of the other comparison.
pub const XEN_PRESET: &str = "xeon-2003";

const XEN_HEAD: &str = "
# Xen, a VMM in software and user-mode Linux, 2003

The figures of Barham and others, \"Xen and the Art of Virtualization\", SOSP 2003, tables 3 to 5, in microseconds, all of them
read. `xen-pv32` is the paper's Xen (here it is a Xen 4.17), `bt` its VMware Workstation 3.2, `uml-tt` its user-mode Linux.

The model has no cycles for the work of a kernel itself, so the native figures are *inputs*. A figure of another machine is the
native one and what this machine counted beyond the native one for the same operations; it is an *input* when a constant of the
preset follows from it, and *derived* otherwise. Near is within 30 % of the published ratio to native.
";

/// The document.
///
/// # Errors
/// A preset is damaged, or a hypervisor finds no memory for its tables.
pub fn document() -> Result<String> {
    let (costs, xen) = (Costs::preset(PRESET)?, Costs::preset(XEN_PRESET)?);
    let first = of_2006(&costs, &measure(&costs)?);
    Ok(first + &of_2003(&xen, &lmbench::measure(&xen)?))
}

/// The figures of 2003.
fn of_2003(costs: &Costs, rows: &[lmbench::Row]) -> String {
    let mut text =
        format!("{XEN_HEAD}\nPreset: `{}`, {}.\n\n## The table of 2003\n\n| benchmark |", costs.name, costs.processor);
    for (platform, name) in lmbench::COLUMNS {
        let _ = write!(text, " {platform} | {name} | differs | |");
    }
    text += "\n| --- |";
    text += &" ---: | ---: | ---: | --- |".repeat(lmbench::COLUMNS.len());
    text += "\n";
    for row in rows {
        let _ = write!(text, "| {} ({}) |", row.name, row.table);
        for cell in &row.cells {
            let how = if cell.input { "input" } else { "derived" };
            let _ = write!(text, " {} | {} | {:+} % | {how} |", cell.time, cell.published, cell.deviation_percent());
        }
        text += "\n";
    }
    let _ = writeln!(text, "\n## What of it differs by more than {} %\n", lmbench::TOLERANCE_PERCENT);
    let cells = || rows.iter().flat_map(|row| row.cells.iter().map(move |cell| (row, cell)));
    for (row, cell) in cells() {
        if let Some(why) = cell.explanation {
            let _ = writeln!(text, "- `{}` on `{}`: {why}", row.name, cell.platform);
        }
    }
    text += "\n## What the derived figures of 2003 are made of\n\n";
    for (row, cell) in cells().filter(|(_, cell)| !cell.input) {
        let parts: Vec<String> = cell.counted.cycles.iter().map(|(cause, n)| format!("{cause} {n}")).collect();
        let calls: Vec<String> = cell.counted.hypercalls.iter().map(|(name, n)| format!("{name} {n}")).collect();
        let calls = if calls.is_empty() { String::new() } else { format!("; hypercalls: {}", calls.join(", ")) };
        let _ = writeln!(text, "- `{}` on `{}`: {}{calls}", row.name, cell.platform, parts.join(", "));
    }
    text += "\n## The constants of 2003\n\n";
    text += &constants(costs);
    text
}

/// The constants of a preset, with where they are from.
fn constants(costs: &Costs) -> String {
    let mut text = String::from("| constant | cycles | basis | source |\n| --- | ---: | --- | --- |\n");
    for (name, cost) in costs.figures() {
        let _ = writeln!(text, "| `{name}` | {} | {} | {} |", cost.cycles, cost.basis, cost.source);
    }
    text
}

/// The figures of 2006.
fn of_2006(costs: &Costs, rows: &[Measured]) -> String {
    let mut text = format!("{HEAD}\nPreset: `{}`, {}.\n\n## The table\n\n", costs.name, costs.processor);
    text += &table(rows);
    text += "\n## What differs by more than ";
    let _ = writeln!(text, "{TOLERANCE_PERCENT} %\n");
    for (row, cell) in cells(rows) {
        if let Some(why) = cell.explanation {
            let _ = writeln!(text, "- `{}` on `{}`: {why}", row.name, cell.platform);
        }
    }
    text += "\n## What the derived figures are made of\n\n";
    for (row, cell) in cells(rows).filter(|(_, cell)| !cell.input) {
        let parts: Vec<String> = cell.counted.cycles.iter().map(|(cause, n)| format!("{cause} {n}")).collect();
        let exits: u64 = cell.counted.exits();
        let counted = format!(
            "{exits} exits, {} ring crossings, {} TLB misses, {} references of walks",
            cell.counted.ring_crossings, cell.counted.tlb.misses, cell.counted.walk_references
        );
        let _ = writeln!(text, "- `{}` on `{}`: {} ({counted})", row.name, cell.platform, parts.join(", "));
    }
    text += "\n## The constants of the preset\n\n";
    text += &constants(costs);
    text
}

/// The table alone, with a line a benchmark.
#[must_use]
pub fn table(rows: &[Measured]) -> String {
    let mut text = String::from("| benchmark |");
    for platform in COLUMNS {
        let _ = write!(text, " {platform} | published | differs | |");
    }
    text += "\n| --- |";
    text += &" ---: | ---: | ---: | --- |".repeat(COLUMNS.len());
    text += "\n";
    for row in rows {
        let _ = write!(text, "| {} (`{}`) |", row.what, row.name);
        for cell in &row.cells {
            let how = if cell.input { "input" } else { "derived" };
            let _ = write!(
                text,
                " {} | {} ({}) | {:+} % | {how} |",
                cell.cycles(),
                cell.published.cycles,
                known(cell.published.basis),
                cell.deviation_percent()
            );
        }
        text += "\n";
    }
    text
}

/// The same for programs.
#[must_use]
pub fn to_json(costs: &Costs, rows: &[Measured]) -> Value {
    let benchmarks: BTreeMap<&str, Value> = rows
        .iter()
        .map(|row| {
            let cells: BTreeMap<String, Value> = row
                .cells
                .iter()
                .map(|cell| {
                    let value = json!({
                        "cycles": cell.cycles(),
                        "by_cause": cell.counted.cycles,
                        "vm_exits": cell.counted.vm_exits,
                        "walk_references": cell.counted.walk_references,
                        "published": { "cycles": cell.published.cycles, "basis": cell.published.basis.to_string() },
                        "input": cell.input,
                        "deviation_percent": cell.deviation_percent(),
                        "explanation": cell.explanation,
                    });
                    (cell.platform.to_string(), value)
                })
                .collect();
            (row.name, json!(cells))
        })
        .collect();
    json!({ "costs": costs.name, "benchmarks": benchmarks })
}

fn cells(rows: &[Measured]) -> impl Iterator<Item = (&Measured, &Cell)> {
    rows.iter().flat_map(|row| row.cells.iter().map(move |cell| (row, cell)))
}

/// How a published figure is known.
fn known(basis: Basis) -> &'static str {
    match basis {
        Basis::Published => "read",
        Basis::Derived => "follows",
        Basis::Assumed => "recalled",
    }
}
