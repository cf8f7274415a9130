//! The page in a real browser, as a learner uses it.

use anyhow::{Result, ensure};
use ringside_tests::page::{ModifierKey, Page, Screen, Theme};
use ringside_tests::scenario::{self, scenario};
use std::process::ExitCode;
use std::time::{Duration, Instant};

/// How long the page may take to answer while the model is busy.
const RESPONSIVE: Duration = Duration::from_millis(500);

fn main() -> ExitCode {
    scenario::run(vec![
        scenario("the page loads and takes a command", |page| {
            page.open("")?;
            page.wait_until("document.getElementById('boot') === null")?;
            page.enter("echo $((6 * 7))")?;
            page.wait_for_text("terminal-log", "42")?;
            Ok(())
        }),
        scenario("a step back and a step forward end where they began", |page| {
            page.open("")?;
            page.enter("hostname ringside; hostname")?;
            page.wait_for_text("terminal-log", "\nringside")?;
            let (here, said) = (page.value("timeline")?, page.text("inspector")?);
            page.click("step-back")?;
            page.wait_until(&format!("{TIMELINE}.value !== '{here}'"))?;
            page.click("step-forward")?;
            page.wait_until(&format!("{TIMELINE}.value === '{here}'"))?;
            ensure!(page.text("inspector")? == said, "the inspector says something else than before");
            Ok(())
        }),
        scenario("the timeline is worked with the keyboard", |page| {
            page.open("")?;
            page.enter("hostname")?;
            page.wait_for_text("terminal-log", "\nlab")?;
            page.focus("timeline")?;
            page.press("Home")?;
            page.wait_until(&format!("{TIMELINE}.value === '0'"))?;
            page.press("ArrowRight")?;
            page.wait_until(&format!("Number({TIMELINE}.value) > 0"))?;
            page.press("End")?;
            page.wait_until(&format!("{TIMELINE}.value === {TIMELINE}.max"))
        }),
        scenario("a session survives a reload", |page| {
            page.open("")?;
            page.enter("echo kept $((1 + 1))")?;
            page.wait_for_text("terminal-log", "kept 2")?;
            page.reload()?;
            page.wait_for_text("terminal-log", "kept 2")?;
            Ok(())
        }),
        scenario("an endless loop leaves the page responsive and can be interrupted", |page| {
            stays_responsive(page, "while :; do :; done")
        }),
        scenario("yes leaves the page responsive and can be interrupted", |page| stays_responsive(page, "yes")),
        scenario("a fork bomb leaves the page responsive and can be interrupted", |page| {
            stays_responsive(page, "bomb() { bomb | bomb & wait; }; bomb")
        }),
        scenario("a damaged link is said to be one", |page| {
            page.open("#s=this-is-no-session")?;
            page.wait_for("notice")?;
            page.enter("echo works")?;
            page.wait_for_text("terminal-log", "\nworks")?;
            Ok(())
        }),
        scenario("a damaged autosave is said to be one and is not lost", |page| {
            page.open("")?;
            page.enter("true")?;
            page.wait_until("Object.keys(localStorage).length > 0")?;
            page.evaluate::<()>("Object.keys(localStorage).forEach(key => localStorage.setItem(key, 'damaged'))")?;
            page.reload()?;
            page.wait_for("notice")?;
            page.wait_until("Object.values(localStorage).includes('damaged')")
        }),
        scenario("the page is accessible in both themes, wide and narrow", |page| {
            page.open("")?;
            page.enter("unshare --pid --fork sh -c 'ps; echo done'")?;
            page.wait_for_text("terminal-log", "\ndone")?;
            for screen in [Screen::Wide, Screen::Narrow] {
                page.resize(screen)?;
                for theme in [Theme::Light, Theme::Dark] {
                    page.prefer(theme)?;
                    page.must_be_accessible(&format!("{screen:?}, {theme:?}"))?;
                }
                ensure!(page.overflow()? <= 0, "the page is {} pixels too wide for {screen:?}", page.overflow()?);
            }
            Ok(())
        }),
    ])
}

/// A JavaScript expression for the timeline's slider.
const TIMELINE: &str = "document.querySelector('[data-testid=timeline]')";

/// Runs a command that does not end; looks whether the page answers, interrupts it, and goes on.
fn stays_responsive(page: &Page, command: &str) -> Result<()> {
    page.open("")?;
    page.enter(command)?;
    page.wait_until("document.querySelector('[data-testid=terminal-status]').innerText !== ''")?;
    for _ in 0..20 {
        let asked = Instant::now();
        page.evaluate::<bool>("new Promise(done => requestAnimationFrame(() => done(true)))")?;
        ensure!(asked.elapsed() < RESPONSIVE, "a frame took {:?} while `{command}` ran", asked.elapsed());
    }
    page.focus("terminal-input")?;
    page.press_with(&[ModifierKey::Ctrl], "c")?;
    page.enter("echo back again")?;
    page.wait_for_text("terminal-log", "\nback again")?;
    Ok(())
}
