//! From `web-ui` and `static/` to a folder that any web server can hand out.
//!
//! Three steps, each skipped when nothing has changed: cargo compiles the crate for wasm
//! ([`wasm::compile`]), wasm-bindgen writes the JavaScript that goes with it ([`wasm::bind`]), and
//! both are laid beside the files of `static/`, whose styles become one file ([`styles`]), and the course ([`lessons`]). Nothing but the workspace and its toolchain is
//! needed. All addresses in the page are relative, so that the folder works under any path.

pub mod lessons;
pub mod size;
mod styles;
pub mod wasm;
pub mod workspace;

pub use workspace::root;

use ::lessons::catalog::Catalog;
use anyhow::{Context, Result};
use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

/// Name of the module in the page: `ringside.js` and `ringside_bg.wasm`.
const MODULE: &str = "ringside";

/// What the page is built for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Flavour {
    /// To be looked at while working on it: rebuilt in seconds.
    Development,
    /// To be uploaded: small before all.
    Shipped,
}

impl Flavour {
    /// The profile of the workspace's Cargo.toml that the wasm is compiled with.
    pub fn profile(self) -> &'static str {
        match self {
            Flavour::Development => "page-dev",
            Flavour::Shipped => "page",
        }
    }
}

/// A built page.
#[derive(Debug)]
pub struct Page {
    /// The folder with `index.html`.
    pub folder: PathBuf,
}

/// Builds the page below the target folder.
pub fn build(flavour: Flavour) -> Result<Page> {
    let root = root()?;
    let compiled = wasm::compile("web-ui", flavour.profile())?;
    let work = compiled.target_folder.join("ringside").join(flavour.profile());
    let bindings = work.join("bindings");
    wasm::bind(&compiled.module, MODULE, &bindings)?;
    let styles = work.join("styles");
    styles::join(&root.join("static/css"), &styles.join(format!("{MODULE}.css")))?;
    let course = work.join("course");
    lessons::write(&Catalog::of_folder(&root.join("lessons/course"))?, &course)?;
    let folder = work.join("page");
    lay(&[&root.join("static"), &bindings, &styles, &course], &folder)
        .with_context(|| format!("cannot assemble the page in {}", folder.display()))?;
    Ok(Page { folder })
}

/// Makes `to` hold exactly the files of `from`.
pub fn mirror(from: &Path, to: &Path) -> Result<()> {
    lay(&[from], to)
}

/// Makes `to` hold exactly the files of the folders `from`; what is in `to` and the same is not
/// touched.
fn lay(from: &[&Path], to: &Path) -> Result<()> {
    let mut wanted = BTreeSet::new();
    for source in from {
        for file in files_below(source)?.into_iter().filter(|file| !styles::is_source(file)) {
            let target = to.join(&file);
            let content = fs::read(source.join(&file))?;
            if fs::read(&target).ok().as_ref() != Some(&content) {
                if let Some(parent) = target.parent() {
                    fs::create_dir_all(parent)?;
                }
                fs::write(&target, content)?;
            }
            wanted.insert(file);
        }
    }
    for file in files_below(to)? {
        if !wanted.contains(&file) {
            fs::remove_file(to.join(file))?;
        }
    }
    Ok(())
}

/// The files below `folder`, as paths relative to it, in order of name.
fn files_below(folder: &Path) -> Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    let mut folders = vec![PathBuf::new()];
    while let Some(inner) = folders.pop() {
        let here = folder.join(&inner);
        for entry in fs::read_dir(&here).with_context(|| format!("cannot read {}", here.display()))? {
            let entry = entry?;
            let path = inner.join(entry.file_name());
            if entry.file_type()?.is_dir() {
                folders.push(path);
            } else {
                files.push(path);
            }
        }
    }
    files.sort();
    Ok(files)
}
