//! `docs/microbenchmarks.md` says what the machines count.

use anyhow::Result;
use hypervisor_model::machine::cost::Costs;
use hypervisor_model::machine::microbenchmark::measure;
use ringside::microbenchmarks::{DOCUMENT, PRESET, document};
use std::fs;
use std::path::Path;

#[test]
fn the_document_of_the_micro_benchmarks_is_not_stale() -> Result<()> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap_or(Path::new("."));
    let costs = Costs::preset(PRESET)?;
    let now = document(&costs, &measure(&costs)?);
    if std::env::var_os("UPDATE_EXPECT").is_some_and(|value| value == "1") {
        fs::write(root.join(DOCUMENT), &now)?;
    }
    let kept = fs::read_to_string(root.join(DOCUMENT)).unwrap_or_default();
    let differs = now.lines().zip(kept.lines()).find(|(now, kept)| now != kept);
    assert!(now == kept, "stale: `cargo run -- microbenchmarks --write` writes it anew. First difference: {differs:?}");
    Ok(())
}
