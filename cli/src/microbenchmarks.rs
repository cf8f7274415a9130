//! `docs/microbenchmarks.md`: what single operations cost on the model's machines, beside published figures.

use hypervisor_model::machine::cost::{Basis, Costs};
use hypervisor_model::machine::microbenchmark::{COLUMNS, Cell, Measured, TOLERANCE_PERCENT};
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

/// The document.
#[must_use]
pub fn document(costs: &Costs, rows: &[Measured]) -> String {
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
    text += "\n## The constants of the preset\n\n| constant | cycles | basis | source |\n| --- | ---: | --- | --- |\n";
    for (name, cost) in costs.figures() {
        let _ = writeln!(text, "| `{name}` | {} | {} | {} |", cost.cycles, cost.basis, cost.source);
    }
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
