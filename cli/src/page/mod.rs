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
use anyhow::{Context, Result, bail};
use std::collections::BTreeSet;
use std::ffi::OsStr;
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
    /// The module as the compiler wrote it.
    compiled: PathBuf,
    /// Where what is made of it is kept.
    work: PathBuf,
}

/// The page's program as a classic script, for pages that are opened as files: a browser loads no modules from those.
#[derive(Debug)]
pub struct Script {
    /// The JavaScript, which defines `wasm_bindgen`.
    pub script: String,
    /// The wasm that belongs to it.
    pub wasm: Vec<u8>,
}

impl Page {
    /// Its program as a classic script.
    pub fn as_script(&self) -> Result<Script> {
        let folder = self.work.join("script");
        wasm::bind(&self.compiled, MODULE, wasm::Form::Script, &folder)?;
        let script = fs::read_to_string(folder.join(format!("{MODULE}.js")))?;
        Ok(Script { script, wasm: fs::read(folder.join(format!("{MODULE}_bg.wasm")))? })
    }
}

/// Builds the page below the target folder.
pub fn build(flavour: Flavour) -> Result<Page> {
    let root = root()?;
    let compiled = wasm::compile("web-ui", flavour.profile())?;
    let work = compiled.target_folder.join("ringside").join(flavour.profile());
    let bindings = work.join("bindings");
    wasm::bind(&compiled.module, MODULE, wasm::Form::Module, &bindings)?;
    let styles = work.join("styles");
    styles::join(&root.join("static/css"), &styles.join(format!("{MODULE}.css")))?;
    let course = work.join("course");
    lessons::write(&Catalog::of_folder(&root.join("lessons/course"))?, &course)?;
    let folder = work.join("page");
    lay(&[&root.join("static"), &bindings, &styles, &course], &folder)
        .with_context(|| format!("cannot assemble the page in {}", folder.display()))?;
    Ok(Page { folder, compiled: compiled.module, work })
}

/// Makes `to` hold exactly the files of `from`, and what hidden files a host wants at its top (`.git`, `.htaccess`).
///
/// # Errors
/// There is something else in `to` than an earlier page.
pub fn mirror(from: &Path, to: &Path) -> Result<()> {
    let is_page = ["index.html", &format!("{MODULE}_bg.wasm")].iter().all(|file| to.join(file).is_file());
    let is_empty =
        || fs::read_dir(to).map_or(true, |entries| entries.flatten().all(|entry| is_hidden(&entry.file_name())));
    if !is_page && !is_empty() {
        bail!(
            "there are other files in {}, and they would be removed: name a folder that is empty, that does not exist \
             yet, or that holds an earlier page",
            to.display()
        );
    }
    lay(&[from], to)
}

fn is_hidden(name: &OsStr) -> bool {
    name.to_string_lossy().starts_with('.')
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
        if !wanted.contains(&file) && !file.iter().next().is_some_and(is_hidden) {
            fs::remove_file(to.join(file))?;
        }
    }
    Ok(())
}

/// The files below `folder`, as paths relative to it, in order of name.
pub(crate) fn files_below(folder: &Path) -> Result<Vec<PathBuf>> {
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

#[cfg(test)]
mod tests {
    use super::*;

    /// A folder below the test's own with these files.
    fn folder(name: &str, files: &[&str]) -> PathBuf {
        let folder = std::env::temp_dir().join(format!("ringside-mirror-{}-{name}", std::process::id()));
        let _ = fs::remove_dir_all(&folder);
        for file in files {
            let path = folder.join(file);
            fs::create_dir_all(path.parent().expect("a folder")).expect("to make a folder");
            fs::write(path, file).expect("to write a file");
        }
        folder
    }

    #[test]
    fn only_an_earlier_page_is_replaced_and_nothing_else_is_removed() {
        let page = folder("page", &["index.html", "ringside_bg.wasm", "ringside.js"]);
        let project = folder("project", &["Cargo.toml", "src/main.rs"]);
        let said = format!("{:#}", mirror(&page, &project).expect_err("a project is no page"));
        assert!(said.contains("there are other files in") && said.contains("empty"), "{said}");
        assert_eq!(files_below(&project).expect("it is there").len(), 2, "nothing was touched");

        let site = folder("site", &[".git/HEAD", ".nojekyll"]);
        mirror(&page, &site).expect("hidden files are no obstacle");
        fs::write(site.join("old.js"), "of an earlier page").expect("to write");
        mirror(&page, &site).expect("an earlier page is replaced");
        assert_eq!(files_below(&site).expect("it is there").len(), 5, "the hidden ones have stayed");
        assert!(!site.join("old.js").exists());
        [page, project, site].iter().for_each(|folder| fs::remove_dir_all(folder).expect("to remove it"));
    }
}
