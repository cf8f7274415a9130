//! A crate of the workspace as a wasm module with its JavaScript.

use super::root;
use anyhow::{Context, Result, bail};
use std::env;
use std::fs;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::io::BufReader;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use wasm_bindgen_cli_support::Bindgen;

const TARGET: &str = "wasm32-unknown-unknown";

/// What [`compile`] has made.
#[derive(Debug)]
pub struct Compiled {
    /// The module as the compiler wrote it.
    pub module: PathBuf,
    /// Cargo's target folder.
    pub target_folder: PathBuf,
}

/// Compiles `package` for wasm with `profile`; cargo shows its progress on standard error.
pub fn compile(package: &str, profile: &str) -> Result<Compiled> {
    let root = root()?;
    require_target(&root)?;
    let mut cargo = Command::new(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()))
        .args(["build", "--package", package, "--lib", "--target", TARGET])
        .args(["--profile", profile, "--message-format", "json-render-diagnostics"])
        .current_dir(&root)
        .stdout(Stdio::piped())
        .spawn()
        .context("cannot start cargo")?;
    let messages = cargo.stdout.take().context("cargo has no standard output")?;
    let mut module = None;
    for message in serde_json::Deserializer::from_reader(BufReader::new(messages)).into_iter() {
        let message: serde_json::Value = message.context("cargo wrote something unexpected")?;
        let files = message["filenames"].as_array().into_iter().flatten();
        let found = files.filter_map(|file| file.as_str()).find(|file| file.ends_with(".wasm"));
        module = found.map(PathBuf::from).or(module);
    }
    if !cargo.wait()?.success() {
        bail!("{package} does not compile for {TARGET}");
    }
    let module = module.with_context(|| format!("cargo made no wasm module of {package}"))?;
    // target/wasm32-unknown-unknown/PROFILE/web_ui.wasm
    let target_folder = module.ancestors().nth(3).map(Path::to_owned);
    let target_folder = target_folder.context("cargo put the module in an unexpected place")?;
    Ok(Compiled { module, target_folder })
}

/// In which form a page loads JavaScript.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Form {
    /// As a module.
    Module,
    /// As a classic script.
    Script,
}

/// Writes `NAME.js` and `NAME_bg.wasm` for `module` into `folder`, unless they are there already.
pub fn bind(module: &Path, name: &str, form: Form, folder: &Path) -> Result<()> {
    let bytes = fs::read(module).with_context(|| format!("cannot read {}", module.display()))?;
    let mut hasher = DefaultHasher::new();
    // The module names the wasm-bindgen that it was compiled with, which is also the one that binds it.
    (&bytes, name, form).hash(&mut hasher);
    let hash = format!("{:016x}", hasher.finish());
    let stamp = folder.with_extension("hash");
    if fs::read_to_string(&stamp).is_ok_and(|old| old == hash) && folder.is_dir() {
        return Ok(());
    }
    let _ = fs::remove_file(&stamp);
    let _ = fs::remove_dir_all(folder);
    let mut bindgen = Bindgen::new();
    match form {
        Form::Module => bindgen.web(true)?,
        Form::Script => bindgen.no_modules(true)?,
    }
    .input_bytes(name, bytes)
    .typescript(false)
    .remove_name_section(true)
    .remove_producers_section(true)
    .generate(folder)
    .with_context(|| format!("wasm-bindgen cannot write the JavaScript for {}", module.display()))?;
    fs::write(stamp, hash)?;
    Ok(())
}

/// Asks rustup for the wasm target when the toolchain has none.
fn require_target(root: &Path) -> Result<()> {
    let rustc = env::var_os("RUSTC").unwrap_or_else(|| "rustc".into());
    let output = Command::new(rustc)
        .args(["--print", "target-libdir", "--target", TARGET])
        .current_dir(root)
        .stderr(Stdio::inherit())
        .output()
        .context("cannot start rustc")?;
    if Path::new(String::from_utf8_lossy(&output.stdout).trim()).is_dir() {
        return Ok(());
    }
    eprintln!("ringside: the toolchain has no {TARGET} yet, asking rustup for it");
    let added = Command::new("rustup").args(["target", "add", TARGET]).current_dir(root).status();
    match added {
        Ok(status) if status.success() => Ok(()),
        Ok(_) => bail!("rustup could not add the target {TARGET}, which the page is compiled for"),
        Err(error) => bail!(
            "the page is compiled for {TARGET}, which this toolchain lacks, and rustup cannot be started ({error}): \
             install that target as you installed Rust"
        ),
    }
}
