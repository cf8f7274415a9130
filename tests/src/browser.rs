//! A Chromium on this machine.

use anyhow::{Context, Result, bail};
use headless_chrome::{Browser, LaunchOptions};
use std::env;
use std::ffi::OsStr;
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

/// Names under which the browser is installed.
const NAMES: [&str; 5] = ["chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome"];

/// Starts a headless browser; it ends when the value is dropped.
pub fn start() -> Result<Browser> {
    let options = LaunchOptions {
        path: Some(find()?),
        // Chromium refuses to be sandboxed as root, which is what a container usually is.
        sandbox: !is_root(),
        args: ["--disable-gpu", "--disable-quic", "--disable-component-update", "--hide-scrollbars"]
            .map(OsStr::new)
            .to_vec(),
        // Tests may compute for a while without asking the browser anything.
        idle_browser_timeout: Duration::from_secs(600),
        ..LaunchOptions::default()
    };
    Browser::new(options).context("Chromium does not start")
}

/// The browser: `$CHROME`, or one on the PATH, or Debian's, which is installed when that can be done
/// without asking.
pub fn find() -> Result<PathBuf> {
    if let Some(chosen) = env::var_os("CHROME") {
        let chosen = PathBuf::from(chosen);
        if !chosen.is_file() {
            bail!("CHROME is {}, which does not exist", chosen.display());
        }
        return Ok(chosen);
    }
    if let Some(found) = on_path() {
        return Ok(found);
    }
    if !(is_root() && is_debian()) {
        bail!(
            "no Chromium was found: install it (Debian: `apt-get install chromium`), or name one in the environment \
             variable CHROME"
        );
    }
    eprintln!("No Chromium was found: installing Debian's");
    apt_get(&["update"])?;
    apt_get(&["install", "--yes", "--no-install-recommends", "chromium"])?;
    on_path().context("chromium was installed, and still there is none on the PATH")
}

fn on_path() -> Option<PathBuf> {
    let path = env::var_os("PATH")?;
    let folders: Vec<PathBuf> = env::split_paths(&path).collect();
    NAMES.iter().flat_map(|name| folders.iter().map(move |folder| folder.join(name))).find(|file| file.is_file())
}

fn is_root() -> bool {
    // The owner of /proc/self is the effective user.
    fs::metadata("/proc/self").is_ok_and(|meta| meta.uid() == 0)
}

fn is_debian() -> bool {
    let release = fs::read_to_string(Path::new("/etc/os-release")).unwrap_or_default();
    release.lines().any(|line| matches!(line, "ID=debian" | "ID=ubuntu"))
}

fn apt_get(arguments: &[&str]) -> Result<()> {
    let status = Command::new("apt-get")
        .args(["-o", "DPkg::Lock::Timeout=300", "--quiet"])
        .args(arguments)
        .env("DEBIAN_FRONTEND", "noninteractive")
        .stdin(Stdio::null())
        .status()
        .context("apt-get cannot be started")?;
    if !status.success() {
        bail!("`apt-get {}` failed: install Chromium yourself, or name one in CHROME", arguments.join(" "));
    }
    Ok(())
}
