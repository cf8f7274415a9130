//! The page with chosen lessons for others to host: a folder for any web server that works without a network after
//! one visit, or a package for a learning management system.

mod manifest;

use crate::page::{self, Flavour, lessons as course_files, mirror};
use anyhow::{Context, Result};
use lessons::catalog::Catalog;
use sha2::{Digest, Sha256};
use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use zip::write::SimpleFileOptions;

pub use manifest::Standard;

/// The line of `index.html` that starts the page.
const START: &str = r#"<script type="module" src="./boot.js"></script>"#;

/// Writes the page with these lessons into a folder.
///
/// # Errors
/// The page does not build, or the folder cannot be written.
pub fn site(catalog: &Catalog, flavour: Flavour, folder: &Path) -> Result<()> {
    lay(catalog, flavour, folder)?;
    let offline = r#"<script type="module" src="./offline.js"></script>"#;
    start_with(folder, &format!("{START}\n{offline}"))?;
    fs::write(folder.join("offline.js"), include_str!("offline.js"))?;
    let files = files_below(folder)?;
    let mut hasher = Sha256::new();
    for file in &files {
        hasher.update(fs::read(folder.join(file))?);
    }
    let version: String = hasher.finalize().iter().take(6).map(|byte| format!("{byte:02x}")).collect();
    let names: Vec<String> = std::iter::once("./".to_owned()).chain(files.iter().map(|f| format!("./{f}"))).collect();
    let worker = include_str!("sw.js").replace("{version}", &version);
    fs::write(folder.join("sw.js"), worker.replace("{files}", &serde_json::to_string(&names)?))?;
    Ok(())
}

/// Writes a package of these lessons for a learning management system.
///
/// # Errors
/// The page does not build, or the file cannot be written.
pub fn package(catalog: &Catalog, flavour: Flavour, standard: Standard, file: &Path) -> Result<()> {
    let work = file.with_extension("ringside-export");
    let _ = fs::remove_dir_all(&work);
    let made = make_package(catalog, flavour, standard, &work, file);
    let _ = fs::remove_dir_all(&work);
    made
}

fn make_package(catalog: &Catalog, flavour: Flavour, standard: Standard, work: &Path, file: &Path) -> Result<()> {
    lay(catalog, flavour, work)?;
    start_with(work, r#"<script type="module" src="./lms.js"></script>"#)?;
    fs::write(work.join("lms.js"), include_str!("lms.js"))?;
    let files = files_below(work)?;
    fs::write(work.join("imsmanifest.xml"), manifest::write(standard, catalog, &files))?;
    let out = fs::File::create(file).with_context(|| format!("cannot write {}", file.display()))?;
    let mut zip = zip::ZipWriter::new(out);
    // A fixed date, so that the same course makes the same file.
    let options = SimpleFileOptions::default().compression_method(zip::CompressionMethod::Deflated);
    for name in std::iter::once("imsmanifest.xml").chain(files.iter().map(String::as_str)) {
        zip.start_file(name, options)?;
        zip.write_all(&fs::read(work.join(name))?)?;
    }
    zip.finish()?;
    Ok(())
}

/// The page with only these lessons.
fn lay(catalog: &Catalog, flavour: Flavour, folder: &Path) -> Result<()> {
    let built = page::build(flavour)?;
    mirror(&built.folder, folder).with_context(|| format!("cannot write {}", folder.display()))?;
    course_files::replace(catalog, folder)
}

fn start_with(folder: &Path, line: &str) -> Result<()> {
    let index = folder.join("index.html");
    let text = fs::read_to_string(&index)?;
    anyhow::ensure!(text.contains(START), "{} does not start as expected", index.display());
    fs::write(&index, text.replace(START, line))?;
    Ok(())
}

/// Files below a folder by their names with `/`, in order.
fn files_below(folder: &Path) -> Result<Vec<String>> {
    let mut files = Vec::new();
    let mut folders = vec![PathBuf::new()];
    while let Some(inner) = folders.pop() {
        for entry in fs::read_dir(folder.join(&inner))? {
            let entry = entry?;
            let path = inner.join(entry.file_name());
            if entry.file_type()?.is_dir() {
                folders.push(path);
            } else {
                let parts: Vec<_> = path.iter().map(|part| part.to_string_lossy().into_owned()).collect();
                files.push(parts.join("/"));
            }
        }
    }
    files.sort();
    Ok(files)
}
