//! A sheet: rows of cells, `|` between them, `#` before a comment.

use std::fs;
use std::path::Path;

/// The rows of `tests/tables/NAME.txt`, each with exactly `cells` cells.
pub fn rows(name: &str, cells: usize) -> Vec<Vec<String>> {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("tables").join(format!("{name}.txt"));
    let text = fs::read_to_string(&file).unwrap_or_else(|error| panic!("{}: {error}", file.display()));
    let rows: Vec<Vec<String>> = text
        .lines()
        .filter(|line| !line.trim().is_empty() && !line.starts_with('#'))
        .map(|line| line.split('|').map(|cell| cell.trim().to_owned()).collect())
        .collect();
    assert!(!rows.is_empty(), "{} has no rows", file.display());
    for row in &rows {
        assert_eq!(row.len(), cells, "{}: {row:?}", file.display());
    }
    rows
}

/// A number, decimal or with `0x`.
pub fn number(cell: &str) -> u64 {
    let parsed = match cell.strip_prefix("0x") {
        Some(hex) => u64::from_str_radix(hex, 16),
        None => cell.parse(),
    };
    parsed.unwrap_or_else(|error| panic!("{cell}: {error}"))
}
