//! Where the workspace is.

use anyhow::{Result, bail};
use std::path::{Path, PathBuf};

/// The workspace's folder: the nearest one upwards from the current folder, else the one in which
/// this program was compiled.
pub fn root() -> Result<PathBuf> {
    let is_root = |folder: &Path| folder.join("web-ui/Cargo.toml").is_file() && folder.join("static").is_dir();
    if let Ok(here) = std::env::current_dir()
        && let Some(root) = here.ancestors().find(|folder| is_root(folder))
    {
        return Ok(root.to_owned());
    }
    let compiled_in = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap_or(Path::new("."));
    if is_root(compiled_in) {
        return Ok(compiled_in.to_owned());
    }
    bail!(
        "the page is built from Ringside's sources, and neither this folder nor {} has them: run it in a checkout",
        compiled_in.display()
    )
}
