//! `docs/coverage.md` says what the models say.

use anyhow::Result;
use expect_test::expect_file;
use std::path::Path;

#[test]
fn the_coverage_document_is_not_stale() -> Result<()> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap_or(Path::new("."));
    expect_file![root.join(ringside::coverage::DOCUMENT)].assert_eq(&ringside::coverage::document(root)?);
    Ok(())
}
