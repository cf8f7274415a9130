//! The models do the same as wasm in a browser as they do natively: the same events, the same world.

use anyhow::{Context, Result};
use ringside::conformance::case;
use ringside::conformance::script::{Script, StandardWorld};
use ringside::page::{Flavour, wasm};
use ringside::server::Background;
use ringside_tests::browser;
use ringside_tests::page::Page;
use std::fs;
use std::path::Path;

#[test]
fn native_and_wasm_give_the_same_digests() -> Result<()> {
    let compiled = wasm::compile("wasm-probe", Flavour::Development.profile())?;
    let folder = compiled.target_folder.join("ringside/wasm-probe");
    wasm::bind(&compiled.module, "probe", &folder)?;
    fs::write(folder.join("index.html"), "<!doctype html><title>wasm-probe</title><link rel=icon href=data:,>")?;
    let server = Background::start(&folder)?;
    let browser = browser::start()?;
    let page = Page::new(&browser, &server.url())?;
    page.open("")?;
    page.evaluate::<()>(
        "import('./probe.js').then(async probe => { await probe.default({ module_or_path: 'probe_bg.wasm' }); window.probe = probe; })")?;

    let transcripts = Path::new(env!("CARGO_MANIFEST_DIR")).join("transcripts");
    for case in case::find(&[transcripts])? {
        let script = Script::parse(&fs::read_to_string(&case.file)?).with_context(|| case.name.clone())?;
        let cgroup_v2 = script.world == StandardWorld::V2;
        let commands: Vec<String> = script.commands.into_iter().map(|command| command.text).collect();
        let call = format!("probe.digests({}, {cgroup_v2})", serde_json::to_string(&commands)?);
        let as_wasm: Vec<String> = page.evaluate(&call).with_context(|| case.name.clone())?;
        let natively = wasm_probe::digests(commands.clone(), cgroup_v2);
        assert_eq!(natively.len(), commands.len());
        for (command, (natively, as_wasm)) in commands.iter().zip(natively.iter().zip(&as_wasm)) {
            assert_eq!(natively, as_wasm, "{}: they part at {command}", case.name);
        }
        assert_eq!(natively.len(), as_wasm.len(), "{}", case.name);
    }
    Ok(())
}
