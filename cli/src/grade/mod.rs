//! Grading many submissions: files in, verdicts out, whatever is in the files.
//!
//! The replaying is done by [`worker`] processes, each of them this program again with a limit on its memory; the
//! [`supervisor`] hands files out and ends a worker that takes too long. A file that kills a worker gets a verdict that says
//! so, and the run goes on. [`report`] writes verdicts down in the forms that others read.

pub mod report;
pub mod supervisor;
pub mod worker;

use anyhow::{Context, Result};
use lessons::catalog::{Catalog, Entry};
use std::path::{Path, PathBuf};

/// The lesson with this name in the course of this program, or in the folder with this name.
///
/// # Errors
/// There is none.
pub fn find_lesson(name: &str) -> Result<Entry> {
    if Path::new(name).exists() {
        let catalog = Catalog::of_folder(Path::new(name))?;
        return catalog.entries.into_iter().next().with_context(|| format!("there is no lesson in {name}"));
    }
    let catalog = Catalog::built_in()?;
    catalog.find(name).cloned().with_context(|| {
        let names: Vec<&str> = catalog.entries.iter().map(|entry| entry.lesson.id.as_str()).collect();
        format!("there is no lesson `{name}` and no folder of this name; there are: {}", names.join(", "))
    })
}

/// The files to grade: files as they are named, those in folders by name; hidden ones are left out.
///
/// # Errors
/// Something that was named is not there.
pub fn files(named: &[PathBuf]) -> Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    for path in named {
        let meta = std::fs::metadata(path).with_context(|| format!("cannot look at {}", path.display()))?;
        if meta.is_dir() { add_folder(path, &mut files)? } else { files.push(path.clone()) }
    }
    Ok(files)
}

fn add_folder(folder: &Path, files: &mut Vec<PathBuf>) -> Result<()> {
    let entries = std::fs::read_dir(folder).with_context(|| format!("cannot read {}", folder.display()))?;
    let mut paths: Vec<PathBuf> = entries.filter_map(Result::ok).map(|entry| entry.path()).collect();
    paths.sort();
    for path in paths {
        if path.file_name().is_none_or(|name| name.to_string_lossy().starts_with('.')) {
            continue;
        }
        // A link is a file like any other, but never a way into another folder.
        if path.is_dir() && !path.is_symlink() { add_folder(&path, files)? } else { files.push(path) }
    }
    Ok(())
}
