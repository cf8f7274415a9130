//! The page and the models in it: how fast, and how large. `cargo bench -p ringside-tests` runs this, too.

use anyhow::Result;
use headless_chrome::Browser;
use ringside::page::{self, Flavour, size};
use ringside::server::{Background, files_of};
use ringside_tests::browser;
use ringside_tests::large_world::{FULL, SMALL, open};
use ringside_tests::page::Page;
use ringside_tests::probe::{Probe, TypedScript, scripts};
use std::time::{Duration, Instant};

/// How often a page is loaded; the median counts.
const LOADS: usize = 7;
/// How many steps are made each way.
const STEPS: usize = 20;

fn main() -> Result<()> {
    let scripts = scripts()?;
    native(&scripts)?;
    wasm(&scripts)?;
    page()
}

fn figure(name: &str, value: impl std::fmt::Display) {
    println!("{name:<64} {value}");
}

fn milliseconds(time: Duration) -> String {
    format!("{:.3} ms", time.as_secs_f64() * 1e3)
}

fn rate(events: u64, time: Duration) -> String {
    format!("{:.0} steps/s ({events} steps in {})", events as f64 / time.as_secs_f64(), milliseconds(time))
}

fn native(scripts: &[TypedScript]) -> Result<()> {
    let count = || -> u64 {
        scripts
            .iter()
            .map(|script| u64::from(wasm_probe::count_events(script.commands.clone(), script.cgroup_v2)))
            .sum()
    };
    count();
    let begun = Instant::now();
    let events = count();
    figure("all recorded scripts, native", rate(events, begun.elapsed()));
    Ok(())
}

fn wasm(scripts: &[TypedScript]) -> Result<()> {
    let probe = Probe::load(Flavour::Shipped)?;
    let typed: Vec<(&[String], bool)> =
        scripts.iter().map(|script| (script.commands.as_slice(), script.cgroup_v2)).collect();
    let typed = serde_json::to_string(&typed)?;
    let (events, taken): (u64, f64) = probe.page().evaluate(&format!(
        "(() => {{ const scripts = {typed}; \
           const count = () => scripts.reduce((sum, [lines, v2]) => sum + probe.count_events(lines, v2), 0); \
           count(); const begun = performance.now(); return [count(), performance.now() - begun]; }})()"
    ))?;
    figure("all recorded scripts, wasm in Chromium", rate(events, Duration::from_secs_f64(taken / 1e3)));
    translations(&probe)
}

/// Translations as wasm, against the bare loop that does only the look-ups.
fn translations(probe: &Probe) -> Result<()> {
    const COUNT: u32 = 1_000_000;
    for (hits, nested) in [(true, false), (true, true), (false, false), (false, true)] {
        let time = |way: &str| -> Result<f64> {
            let milliseconds: f64 = probe.page().evaluate(&format!(
                "(() => {{ const run = () => probe.translations('{way}', {hits}, {nested}, {COUNT}); run(); \
                   const begun = performance.now(); run(); return performance.now() - begun; }})()"
            ))?;
            Ok(milliseconds.max(1e-3))
        };
        let (bare, silent, traced) = (time("bare")?, time("silent")?, time("traced")?);
        let name = format!(
            "translations, wasm, {} hits, {} references a walk",
            if hits { "99 %" } else { "no" },
            if nested { 24 } else { 4 }
        );
        let million = f64::from(COUNT) / silent / 1e3;
        let (off, on) = (silent / bare, traced / bare);
        figure(&name, format!("{million:.1} million/s, {off:.1} times the bare loop, {on:.1} times with tracing on"));
    }
    Ok(())
}

fn page() -> Result<()> {
    let built = page::build(Flavour::Shipped)?;
    let server = Background::start(files_of(&built.folder))?;
    let browser = browser::start()?;
    for (name, times_slower) in [("", 1.0), (", processor 4 times slower", 4.0)] {
        let mut starts = Vec::new();
        for _ in 0..LOADS {
            // A tab with a cache of its own: each load is a first one.
            let page = Page::new(&browser, &server.url())?;
            page.slow_down(times_slower)?;
            starts.push(page.open_timed("terminal-input")?);
        }
        starts.sort();
        figure(&format!("page, from address to prompt{name}"), milliseconds(starts[LOADS / 2]));
    }
    steps_in_a_large_world(&browser, &server.url())?;
    let report = size::Report::of(&built.folder)?;
    let total = report.total();
    figure("page, styles, scripts and wasm", format!("{} bytes, {} as brotli", total.raw, total.brotli));
    Ok(())
}

/// A step in ten thousand processes beside one in a few hundred of the same shape, until the page has shown it.
fn steps_in_a_large_world(browser: &Browser, address: &str) -> Result<()> {
    let mut medians = Vec::new();
    for size in [SMALL, FULL] {
        let page = Page::new(browser, address)?;
        open(&page, size)?;
        let times = page.step_times(STEPS)?;
        medians.push(times[times.len() / 2]);
    }
    let ratio = medians[1].as_secs_f64() / medians[0].as_secs_f64();
    figure(
        "a step in the page, 10,000 processes",
        format!("{}, {ratio:.1} times one with 776", milliseconds(medians[1])),
    );
    Ok(())
}
