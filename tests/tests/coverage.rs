//! `docs/coverage.md` says what the models say.

use anyhow::Result;
use std::fs;
use std::path::Path;

#[test]
fn the_coverage_document_is_not_stale() -> Result<()> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap_or(Path::new("."));
    let file = root.join(ringside::coverage::DOCUMENT);
    let now = ringside::coverage::document(root)?;
    if std::env::var_os("UPDATE_EXPECT").is_some_and(|value| value == "1") {
        fs::write(&file, &now)?;
    }
    let kept = fs::read_to_string(&file).unwrap_or_default();
    let differs = now.lines().zip(kept.lines()).find(|(now, kept)| now != kept);
    assert!(
        now == kept,
        "docs/coverage.md is stale: `cargo run -- coverage` writes it anew. First difference: {differs:?}"
    );
    Ok(())
}
