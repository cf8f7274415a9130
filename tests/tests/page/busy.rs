//! Programs that do not end: the page answers all the while, and everything can be taken back.

use super::TIMELINE;
use anyhow::{Result, ensure};
use ringside_tests::page::{ModifierKey, Page};
use ringside_tests::scenario::{Scenario, scenario};
use std::time::{Duration, Instant};

const STATUS: &str = "document.querySelector('[data-testid=terminal-status]').innerText";

pub fn scenarios() -> Vec<Scenario> {
    vec![
        scenario("an endless loop leaves the page responsive and can be interrupted", |page| {
            stays_responsive(page, "while :; do :; done")
        }),
        scenario("yes leaves the page responsive and can be interrupted", |page| stays_responsive(page, "yes")),
        scenario("a fork bomb leaves the page responsive and can be rewound", |page| {
            stays_responsive_and_rewinds(page, "f() { f | f & }; f", AfterInterrupt::GoesOn)
        }),
        scenario("a fork bomb that waits leaves the page responsive and can be rewound", |page| {
            stays_responsive_and_rewinds(page, "bomb() { bomb | bomb & wait; }; bomb", AfterInterrupt::GoesOn)
        }),
    ]
}

/// What becomes of a command at Ctrl-C.
#[derive(Clone, Copy, PartialEq, Eq)]
enum AfterInterrupt {
    /// It ends.
    Ends,
    /// Parts of it go on: what a shell without job control starts with `&` ignores SIGINT, as on Linux, so
    /// the way out of a fork bomb is to rewind.
    GoesOn,
}

fn stays_responsive(page: &Page, command: &str) -> Result<()> {
    stays_responsive_and_rewinds(page, command, AfterInterrupt::Ends)
}

/// Runs a command that does not end; looks whether the page answers, interrupts it, goes on, and rewinds. How long the answers
/// take is told, not judged: a busy machine is no fault of the page's.
fn stays_responsive_and_rewinds(page: &Page, command: &str, after: AfterInterrupt) -> Result<()> {
    page.open("")?;
    page.enter("echo $((100 + 1))")?;
    page.wait_for_text("terminal-log", "\n101")?;
    page.click("step-back")?;
    page.wait_until("!document.querySelector('[data-testid=step-forward]').disabled")?;
    let (here, tree) = (page.value("timeline")?, page.text("view-process-tree")?);
    page.focus("timeline")?;
    page.press("End")?;
    page.wait_for_text("terminal-log", "\n101")?;
    page.enter(command)?;
    page.wait_until(&format!("/running|paused/.test({STATUS})"))?;
    let mut slowest = Duration::ZERO;
    for _ in 0..20 {
        let asked = Instant::now();
        page.evaluate::<bool>("new Promise(done => requestAnimationFrame(() => done(true)))")?;
        slowest = slowest.max(asked.elapsed());
        std::thread::sleep(Duration::from_millis(50));
    }
    // From the press of the button to what it opens, by the page's own clock.
    page.evaluate::<()>(
        "addEventListener('click', event => { const look = () => document.querySelector('[role=dialog]') \
           ? window.answered = performance.now() - event.timeStamp : requestAnimationFrame(look); look(); }, \
         { capture: true, once: true })",
    )?;
    page.click_button("keys and help")?;
    page.wait_until("window.answered")?;
    let click = Duration::from_secs_f64(page.evaluate::<f64>("window.answered")? / 1e3);
    eprintln!("{command}: slowest frame {slowest:?}, click {click:?}");
    page.click_button("close")?;
    page.focus("terminal-input")?;
    page.press_with(&[ModifierKey::Ctrl], "c")?;
    if after == AfterInterrupt::Ends {
        page.wait_until(&format!("!/running/.test({STATUS})"))?;
        page.enter("echo back $((200 + 2))")?;
        page.wait_for_text("terminal-log", "\nback 202")?;
    }
    // The world before is still there.
    page.evaluate::<()>("document.getElementById('go-to').focus()")?;
    page.insert(&here)?;
    page.press("Enter")?;
    page.wait_until(&format!("{TIMELINE}.value === '{here}'"))?;
    ensure!(page.text("view-process-tree")? == tree, "the world before `{command}` is not what it was");
    Ok(())
}
