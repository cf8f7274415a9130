//! `docs/microbenchmarks.md` says what the machines count.

use anyhow::Result;
use expect_test::expect_file;
use hypervisor_model::machine::cost::Costs;
use hypervisor_model::machine::lmbench::{Row, measure};
use ringside::microbenchmarks::{DOCUMENT, XEN_PRESET, document};
use std::path::Path;

#[test]
fn the_document_of_the_micro_benchmarks_is_not_stale() -> Result<()> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap_or(Path::new("."));
    expect_file![root.join(DOCUMENT)].assert_eq(&document()?);
    Ok(())
}

/// The figures of 2003.
fn of_2003() -> Vec<Row> {
    measure(&Costs::preset(XEN_PRESET).expect("the preset can be read")).expect("there is memory")
}

#[test]
fn every_figure_of_2003_is_near_the_published_one_or_explained() {
    for row in of_2003() {
        for cell in &row.cells {
            let (name, machine, percent) = (row.name, cell.platform, cell.deviation_percent());
            assert!(
                cell.is_near() != cell.explanation.is_some(),
                "{name} on {machine}: {percent:+} %, near or explained"
            );
        }
    }
}

#[test]
fn no_row_of_2003_is_ordered_otherwise_than_the_published_one_but_where_that_is_explained() {
    for row in of_2003() {
        let cells: Vec<_> = row.cells.iter().filter(|cell| cell.explanation.is_none()).collect();
        for (at, a) in cells.iter().enumerate() {
            for b in &cells[at + 1..] {
                let is_as_published = a.time.cmp(&b.time) == a.published.cmp(&b.published);
                // 0.45 and 0.46 are the same.
                let are_equal = a.published.0.abs_diff(b.published.0) * 20 <= a.published.0;
                assert!(is_as_published || are_equal, "{}: {} and {}", row.name, a.platform, b.platform);
            }
        }
    }
}

#[test]
fn inputs_of_2003_come_out_as_they_were_put_in() {
    for row in of_2003() {
        for cell in row.cells.iter().filter(|cell| cell.input) {
            let percent = cell.deviation_percent();
            assert!(percent.abs() <= 5, "{} on {}: {percent:+} %", row.name, cell.platform);
        }
    }
}
