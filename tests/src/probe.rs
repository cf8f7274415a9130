//! The models as wasm in a browser, beside the same models here.

use crate::browser;
use crate::page::Page;
use anyhow::{Context, Result};
use headless_chrome::Browser;
use ringside::conformance::case;
use ringside::conformance::script::{Script, StandardWorld};
use ringside::page::{Flavour, wasm};
use ringside::server::{Background, files_of};
use std::fs;
use std::path::Path;

/// A page in which `probe` has the functions of the crate `wasm-probe`.
pub struct Probe {
    // In the order in which they have to go.
    page: Page,
    _browser: Browser,
    _server: Background,
}

impl Probe {
    /// Builds the probe and loads it into a browser.
    pub fn load(flavour: Flavour) -> Result<Self> {
        let compiled = wasm::compile("wasm-probe", flavour.profile())?;
        let folder = compiled.target_folder.join("ringside").join(flavour.profile()).join("wasm-probe");
        wasm::bind(&compiled.module, "probe", wasm::Form::Module, &folder)?;
        fs::write(folder.join("index.html"), "<!doctype html><title>wasm-probe</title><link rel=icon href=data:,>")?;
        let server = Background::start(files_of(&folder))?;
        let browser = browser::start()?;
        let page = Page::new(&browser, &server.url())?;
        page.open("")?;
        page.evaluate::<()>(
            "import('./probe.js').then(async probe => \
             { await probe.default({ module_or_path: 'probe_bg.wasm' }); window.probe = probe; })",
        )?;
        Ok(Probe { page, _browser: browser, _server: server })
    }

    /// The page.
    pub fn page(&self) -> &Page {
        &self.page
    }
}

/// A recorded script, ready to be typed.
pub struct TypedScript {
    /// Name of its case.
    pub name: String,
    /// Its complete commands.
    pub commands: Vec<String>,
    /// Whether it wants the world with control groups version 2 only.
    pub cgroup_v2: bool,
}

/// The scripts among the recordings.
pub fn scripts() -> Result<Vec<TypedScript>> {
    let transcripts = Path::new(env!("CARGO_MANIFEST_DIR")).join("transcripts");
    let read = |case: case::Case| {
        let script = Script::parse(&fs::read_to_string(&case.file)?).with_context(|| case.name.clone())?;
        let cgroup_v2 = script.world == StandardWorld::V2;
        let commands = script.commands.into_iter().map(|command| command.text).collect();
        Ok(TypedScript { name: case.name, commands, cgroup_v2 })
    };
    case::find(&[transcripts])?.into_iter().map(read).collect()
}
