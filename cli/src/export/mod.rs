//! The page with chosen lessons for others to host: a folder for any web server that works without a network after
//! one visit, or a package for a learning management system.

mod cmi5;
mod manifest;

use crate::page::{self, Flavour, Page, files_below, lessons as course_files, mirror};
use anyhow::{Context, Result};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use lessons::catalog::Catalog;
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;
use std::fs;
use std::io::Write;
use std::path::Path;
use zip::write::SimpleFileOptions;

/// The line of `index.html` that starts the page.
pub(crate) const START: &str = r#"<script type="module" src="./boot.js"></script>"#;
/// What `index.html` says that does not hold here.
const ONLY_SERVED: &str = " If this stays: it has to be opened through a web server, not as a file.";
/// The script of a page that is opened as a file, too large to be loaded for nothing.
const FILE_SCRIPT: &str = "file.js";

/// A standard of packages for learning management systems.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Standard {
    /// SCORM 1.2.
    Scorm12,
    /// SCORM 2004, 4th Edition.
    Scorm2004,
    /// cmi5.
    Cmi5,
}

/// Writes the page with these lessons into a folder, which works on a web server, without a network after one visit, and
/// opened as a file.
///
/// # Errors
/// The page does not build, or the folder cannot be written.
pub fn site(catalog: &Catalog, flavour: Flavour, folder: &Path) -> Result<()> {
    let page = lay(catalog, flavour, folder)?;
    let offline = r#"<script type="module" src="./offline.js"></script>"#;
    let as_file = format!(
        "<script>if (location.protocol === \"file:\") document.head.append(Object.assign(\
         document.createElement(\"script\"), {{ src: \"./{FILE_SCRIPT}\", defer: true }}));</script>"
    );
    start_with(folder, &format!("{START}\n{offline}\n{as_file}"))?;
    replace_in_index(folder, ONLY_SERVED, "")?;
    fs::write(folder.join("offline.js"), include_str!("offline.js"))?;
    // On a web server it is never asked for.
    let _ = fs::remove_file(folder.join(FILE_SCRIPT));
    let _ = fs::remove_file(folder.join("sw.js"));
    let files = names_below(folder)?;
    let mut hasher = Sha256::new();
    for file in &files {
        hasher.update(fs::read(folder.join(file))?);
    }
    let version: String = hasher.finalize().iter().take(6).map(|byte| format!("{byte:02x}")).collect();
    let names: Vec<String> = std::iter::once("./".to_owned()).chain(files.iter().map(|f| format!("./{f}"))).collect();
    let worker = include_str!("sw.js").replace("{version}", &version);
    fs::write(folder.join("sw.js"), worker.replace("{files}", &serde_json::to_string(&names)?))?;
    fs::write(folder.join(FILE_SCRIPT), file_script(&page, folder, &files)?)?;
    Ok(())
}

/// All that the page loads, in one classic script.
fn file_script(page: &Page, folder: &Path, files: &[String]) -> Result<String> {
    let program = page.as_script()?;
    let later = files.iter().filter(|name| name.contains('/'));
    let file = |name: &String| Ok((format!("./{name}"), STANDARD.encode(fs::read(folder.join(name))?)));
    let files = later.map(file).collect::<Result<BTreeMap<String, String>>>()?;
    let (wasm, files) = (STANDARD.encode(program.wasm), serde_json::to_string(&files)?);
    let start = include_str!("file.js");
    Ok(format!("{}\nconst WASM = \"{wasm}\";\nconst FILES = {files};\n{start}", program.script))
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
    let (script, content) = match standard {
        Standard::Scorm12 | Standard::Scorm2004 => ("scorm.js", include_str!("scorm.js")),
        Standard::Cmi5 => ("cmi5.js", include_str!("cmi5.js")),
    };
    start_with(work, &format!(r#"<script type="module" src="./{script}"></script>"#))?;
    fs::write(work.join(script), content)?;
    fs::write(work.join("kept.js"), include_str!("kept.js"))?;
    let files = names_below(work)?;
    let (about, content) = match standard {
        Standard::Scorm12 => ("imsmanifest.xml", manifest::write(manifest::Edition::Scorm12, catalog, &files)),
        Standard::Scorm2004 => ("imsmanifest.xml", manifest::write(manifest::Edition::Scorm2004, catalog, &files)),
        Standard::Cmi5 => ("cmi5.xml", cmi5::write(catalog)),
    };
    fs::write(work.join(about), content)?;
    let out = fs::File::create(file).with_context(|| format!("cannot write {}", file.display()))?;
    let mut zip = zip::ZipWriter::new(out);
    // A fixed date, so that the same course makes the same file.
    let options = SimpleFileOptions::default().compression_method(zip::CompressionMethod::Deflated);
    for name in std::iter::once(about).chain(files.iter().map(String::as_str)) {
        zip.start_file(name, options)?;
        zip.write_all(&fs::read(work.join(name))?)?;
    }
    zip.finish()?;
    Ok(())
}

/// The page with only these lessons.
fn lay(catalog: &Catalog, flavour: Flavour, folder: &Path) -> Result<Page> {
    let built = page::build(flavour)?;
    mirror(&built.folder, folder).with_context(|| format!("cannot write {}", folder.display()))?;
    course_files::write(catalog, folder)?;
    Ok(built)
}

fn start_with(folder: &Path, line: &str) -> Result<()> {
    replace_in_index(folder, START, line)
}

fn replace_in_index(folder: &Path, text: &str, by: &str) -> Result<()> {
    let index = folder.join("index.html");
    let all = fs::read_to_string(&index)?;
    anyhow::ensure!(all.contains(text), "{} is not as expected", index.display());
    fs::write(&index, all.replace(text, by))?;
    Ok(())
}

/// Files below a folder by their names with `/`, in order.
fn names_below(folder: &Path) -> Result<Vec<String>> {
    let name = |path: &Path| path.iter().map(|part| part.to_string_lossy()).collect::<Vec<_>>().join("/");
    Ok(files_below(folder)?.iter().map(|path| name(path)).filter(|name| !name.starts_with('.')).collect())
}
