//! One style sheet from many: each concept has a file of its own in `static/css/`, the page loads one.

use anyhow::{Context, Result};
use std::fs;
use std::path::Path;

/// The files that others build on; the rest follows in order of name.
const FIRST: [&str; 2] = ["tokens.css", "base.css"];

/// Whether this file of `static/` goes into the style sheet instead of being laid out by itself.
pub fn is_source(file: &Path) -> bool {
    file.starts_with("css")
}

/// Joins the style sheets in `folder` into `file`.
pub fn join(folder: &Path, file: &Path) -> Result<()> {
    let mut names = super::files_below(folder)?;
    names.retain(|name| name.extension().is_some_and(|kind| kind == "css"));
    names.sort_by_key(|name| FIRST.iter().position(|first| name == Path::new(first)).unwrap_or(FIRST.len()));
    let mut joined = String::new();
    for name in names {
        let path = folder.join(name);
        joined += &fs::read_to_string(&path).with_context(|| format!("cannot read {}", path.display()))?;
    }
    if let Some(parent) = file.parent() {
        fs::create_dir_all(parent)?;
    }
    fs::write(file, joined).with_context(|| format!("cannot write {}", file.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tokens_come_first_and_every_file_once() {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../static/css");
        let file = std::env::temp_dir().join(format!("ringside-styles-{}", std::process::id())).join("all.css");
        join(&folder, &file).expect("the styles are there");
        let joined = fs::read_to_string(&file).expect("the file was written");
        assert!(joined.starts_with("/* The visual language"), "{}", &joined[..40]);
        for part in super::super::files_below(&folder).expect("the folder can be read") {
            let text = fs::read_to_string(folder.join(&part)).expect("it can be read");
            assert_eq!(joined.matches(&text).count(), 1, "{}", part.display());
        }
        let _ = fs::remove_dir_all(file.parent().expect("it has a folder"));
    }
}
