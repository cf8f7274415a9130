//! The models do the same as wasm in a browser as they do natively: the same events, the same world.

use anyhow::{Context, Result};
use ringside::page::Flavour;
use ringside_tests::probe::{Probe, scripts};

#[test]
fn native_and_wasm_give_the_same_digests() -> Result<()> {
    let probe = Probe::load(Flavour::Development)?;
    for script in scripts()? {
        let call = format!("probe.digests({}, {})", serde_json::to_string(&script.commands)?, script.cgroup_v2);
        let as_wasm: Vec<String> = probe.page().evaluate(&call).with_context(|| script.name.clone())?;
        let natively = wasm_probe::digests(script.commands.clone(), script.cgroup_v2);
        assert_eq!(natively.len(), script.commands.len());
        assert_eq!(natively.len(), as_wasm.len(), "{}", script.name);
        for (command, (natively, as_wasm)) in script.commands.iter().zip(natively.iter().zip(&as_wasm)) {
            assert_eq!(natively, as_wasm, "{}: they part at {command}", script.name);
        }
    }
    Ok(())
}
