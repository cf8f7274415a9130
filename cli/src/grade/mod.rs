//! Grading many submissions: files in, verdicts out, whatever is in the files.
//!
//! The replaying is done by [`worker`] processes, each of them this program again with a limit on its memory; the
//! [`supervisor`] hands files out and ends a worker that takes too long. A file that kills a worker gets a verdict that says
//! so, and the run goes on. [`report`] writes verdicts down in the forms that others read.

pub mod report;
pub mod supervisor;
pub mod worker;

use anyhow::{Context, Result};
use lessons::catalog::{Catalog, Entry, LESSON_FILE};
use std::path::{Path, PathBuf};

/// The lesson in the folder with this name, or with this name in the course of this program: a folder in which there are
/// submissions may be called as the lesson is.
///
/// # Errors
/// There is none, or the one in the folder is wrong.
pub fn find_lesson(name: &str) -> Result<Entry> {
    let course = Catalog::built_in()?;
    let of_course = course.find(name);
    let folder = Path::new(name);
    if folder.exists() && (of_course.is_none() || folder.join(LESSON_FILE).exists()) {
        let catalog = Catalog::of_folder(folder)?;
        return catalog.entries.into_iter().next().with_context(|| format!("there is no lesson in {name}"));
    }
    of_course.cloned().with_context(|| {
        let names: Vec<&str> = course.entries.iter().map(|entry| entry.lesson.id.as_str()).collect();
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
