//! A session outlives the page: as what the browser keeps, and as a link.

use anyhow::{Context, Result, ensure};
use ringside_tests::page::Page;
use ringside_tests::scenario::{Scenario, scenario};

pub fn scenarios() -> Vec<Scenario> {
    vec![
        scenario("the page loads and takes a command", |page| {
            page.open("")?;
            page.wait_until("document.getElementById('boot') === null")?;
            page.enter("echo $((6 * 7))")?;
            page.wait_for_text("terminal-log", "\n42")?;
            Ok(())
        }),
        scenario("a session survives a reload, with the place where one was in it", |page| {
            page.open("")?;
            run(page, "echo first")?;
            run(page, "echo second")?;
            page.click("step-back")?;
            page.wait_until("document.querySelector('[data-testid=step-forward]').disabled === false")?;
            let place = page.value("timeline")?;
            page.reload()?;
            page.wait_for_text("terminal-log", "\nfirst")?;
            page.wait_until(&format!("{}.value === '{place}'", super::TIMELINE))?;
            page.focus("timeline")?;
            page.press("End")?;
            page.wait_for_text("terminal-log", "\nsecond")?;
            Ok(())
        }),
        scenario("a link makes the session again for somebody else", |page| {
            page.open("")?;
            run(page, "hostname shared; hostname")?;
            let rest = link(page)?;
            page.evaluate::<()>("localStorage.clear()")?;
            page.open(&format!("?somebody-else{rest}"))?;
            page.wait_for_text("terminal-log", "\nshared")?;
            Ok(())
        }),
        scenario("a link offers the way back to the session before it", |page| {
            page.open("")?;
            run(page, "echo theirs")?;
            let rest = link(page)?;
            page.evaluate::<()>("localStorage.clear()")?;
            page.open("?mine")?;
            run(page, "echo mine")?;
            page.open(&format!("?mine-again{rest}"))?;
            page.wait_for_text("terminal-log", "\ntheirs")?;
            page.click_button("back to the one before")?;
            page.wait_for_text("terminal-log", "\nmine")?;
            Ok(())
        }),
        scenario("a damaged link is said to be one and nothing is lost", |page| {
            page.open("")?;
            run(page, "echo mine")?;
            let rest = link(page)?;
            let cut = rest.get(..rest.len() / 2).context("half a link")?;
            for damaged in ["#s=this-is-no-session", "#s=", cut] {
                page.open(&format!("?damaged={}{damaged}", damaged.len()))?;
                page.wait_for_text("notice", "cannot be opened")?;
                page.wait_for_text("terminal-log", "\nmine")?;
            }
            run(page, "echo works")
        }),
        scenario("what is typed while a session is restored follows it", |page| {
            page.open("")?;
            page.enter("i=0; while [ $i -lt 400 ]; do i=$((i + 1)); done; echo $((500 + 5))")?;
            page.wait_for_text("terminal-log", "\n505")?;
            run(page, "echo last")?;
            page.slow_down(6.0)?;
            page.reload()?;
            page.enter("echo $((600 + 6))")?;
            let log = page.wait_for_text("terminal-log", "\n606")?;
            page.slow_down(1.0)?;
            ensure!(log.contains("\n505") && log.contains("\nlast"), "the rest of the session is gone: {log}");
            Ok(())
        }),
        scenario("other futures survive a reload", |page| {
            page.open("")?;
            run(page, "echo first")?;
            page.focus("timeline")?;
            page.press("Home")?;
            page.wait_until(&format!("{}.value === '0'", super::TIMELINE))?;
            run(page, "echo second")?;
            let futures = "document.querySelector('[aria-label=\"Other futures\"]')?.length === 2";
            page.wait_until(futures)?;
            page.reload()?;
            page.wait_for_text("terminal-log", "\nsecond")?;
            page.wait_until(futures)
        }),
        scenario("a browser that keeps nothing is said to keep nothing", |page| {
            page.open("")?;
            page.evaluate::<()>("(Storage.prototype.setItem = () => { throw new Error('full'); }, null)")?;
            run(page, "echo here")?;
            page.wait_for_text("notice", "does not keep this session")?;
            run(page, "echo works")
        }),
        scenario("a damaged autosave is said to be one and is not lost", |page| {
            page.open("")?;
            run(page, "true; echo here")?;
            page.wait_until("Object.keys(localStorage).length > 0")?;
            page.evaluate::<()>("Object.keys(localStorage).forEach(key => localStorage.setItem(key, 'damaged'))")?;
            page.reload()?;
            page.wait_for_text("notice", "could not be restored")?;
            run(page, "echo works")?;
            ensure!(
                page.evaluate::<bool>("Object.values(localStorage).includes('damaged')")?,
                "the damaged session is gone"
            );
            Ok(())
        }),
    ]
}

/// Runs a command that ends with `echo WORD` and waits for the word.
fn run(page: &Page, command: &str) -> Result<()> {
    let word = command.rsplit(' ').next().unwrap_or_default();
    let word = if word == "hostname" { "shared" } else { word };
    page.enter(command)?;
    page.wait_for_text("terminal-log", &format!("\n{word}"))?;
    Ok(())
}

/// What is after the address in a link to the session.
fn link(page: &Page) -> Result<String> {
    page.click_button("share")?;
    page.wait_until("location.hash.startsWith('#s=')")?;
    page.evaluate("location.hash")
}
