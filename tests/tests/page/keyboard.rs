//! Keys: what each does where it counts.

use super::TIMELINE;
use anyhow::{Context, Result, bail, ensure};
use ringside_tests::page::{ModifierKey, Page};
use ringside_tests::scenario::{Scenario, scenario};

pub fn scenarios() -> Vec<Scenario> {
    vec![
        scenario("every control is reached with the tabulator", |page| {
            page.open("")?;
            page.enter("echo $((10 + 1))")?;
            page.wait_for_text("terminal-log", "\n11")?;
            // In the middle of the history no button is out of order.
            page.click("step-back")?;
            page.wait_until("!document.querySelector('[data-testid=step-forward]').disabled")?;
            page.focus("terminal-input")?;
            let mut reached = Vec::new();
            for _ in 0..80 {
                page.press("Tab")?;
                reached.push(page.evaluate::<String>(NAME_OF_FOCUSED)?);
            }
            for wanted in [
                "terminal-input",
                "timeline",
                "step-back",
                "step-into",
                "syscall-input",
                "strace-import",
                "strace-file",
                "share",
                "new",
                "keys and help",
                "terminal-log",
            ] {
                ensure!(reached.iter().any(|name| name == wanted), "{wanted} is not reached, only {reached:?}");
            }
            Ok(())
        }),
        scenario("a command is typed key by key, recalled and completed", |page| {
            page.open("")?;
            page.focus("terminal-input")?;
            page.type_keys("echo one")?;
            page.press("Enter")?;
            page.wait_for_text("terminal-log", "\none")?;
            page.press("ArrowUp")?;
            page.wait_until("document.activeElement.value === 'echo one'")?;
            page.press("ArrowDown")?;
            page.wait_until("document.activeElement.value === ''")?;
            page.type_keys("hostna")?;
            page.press("Tab")?;
            page.wait_until("document.activeElement.value.startsWith('hostname')")?;
            page.press_with(&[ModifierKey::Ctrl], "c")?;
            page.wait_until("document.activeElement.value === ''")
        }),
        scenario("the timeline is worked with the keyboard", |page| {
            page.open("")?;
            page.enter("unshare --uts hostname inner; hostname")?;
            page.wait_for_text("terminal-log", "\nlab")?;
            page.focus("timeline")?;
            let end = at(page)?;
            press_and_be(page, "Home", |now| now == 0)?;
            press_and_be(page, "ArrowRight", |now| now > 0)?;
            press_and_be(page, "ArrowLeft", |now| now == 0)?;
            // Kernel steps, calls, commands: the coarser, the further.
            let mut last = 0;
            for granularity in ["3", "2", "1"] {
                press_and_be(page, "Home", |now| now == 0)?;
                page.press(granularity)?;
                page.wait_until(&format!(
                    "document.querySelectorAll('.lane-button')[{granularity} - 1].getAttribute('aria-pressed') === 'true'"
                ))?;
                page.press("ArrowRight")?;
                page.wait_until(&format!("Number({TIMELINE}.value) > 0"))?;
                let now = at(page)?;
                ensure!(now >= last, "a step by {granularity} goes to {now}, a finer one to {last}");
                last = now;
            }
            page.press("3")?;
            press_and_be(page, "Home", |now| now == 0)?;
            page.press_with(&[ModifierKey::Shift], "ArrowRight")?;
            page.wait_until(&format!("Number({TIMELINE}.value) > 0"))?;
            press_and_be(page, "Home", |now| now == 0)?;
            press_and_be(page, "n", |now| now > 0)?;
            let first = at(page)?;
            press_and_be(page, "n", |now| now > first)?;
            press_and_be(page, "N", |now| now == first)?;
            press_and_be(page, "End", |now| now == end)?;
            page.press("g")?;
            page.wait_until("document.activeElement.id === 'go-to'")?;
            page.type_keys("5")?;
            page.press("Enter")?;
            page.wait_until(&format!("{TIMELINE}.value === '5'"))
        }),
        scenario("the space bar plays the steps and stops", |page| {
            page.open("")?;
            page.enter("hostname")?;
            page.wait_for_text("terminal-log", "\nlab")?;
            page.focus("timeline")?;
            press_and_be(page, "Home", |now| now == 0)?;
            page.press(" ")?;
            page.wait_until(&format!("Number({TIMELINE}.value) > 2"))?;
            page.press(" ")?;
            page.wait_until("document.querySelector('[data-testid=play]').getAttribute('aria-pressed') === 'false'")
        }),
        scenario("the list of keys opens and closes, and the keyboard is where it was", |page| {
            page.open("")?;
            page.focus("timeline")?;
            page.press("?")?;
            page.wait_until("document.querySelector('[role=dialog]').contains(document.activeElement)")?;
            page.press("Escape")?;
            page.wait_until("document.querySelector('[role=dialog]') === null")?;
            page.wait_until("document.activeElement?.id === 'timeline'")
        }),
        scenario("letters typed in the terminal are not keys of the timeline", |page| {
            page.open("")?;
            page.enter("hostname")?;
            page.wait_for_text("terminal-log", "\nlab")?;
            let here = at(page)?;
            page.focus("terminal-input")?;
            page.type_keys("123ngt?")?;
            ensure!(page.value("terminal-input")? == "123ngt?", "{:?} was typed", page.value("terminal-input")?);
            ensure!(at(page)? == here, "typing moved the timeline");
            Ok(())
        }),
    ]
}

/// What a test or a reader calls the element that has the keyboard.
const NAME_OF_FOCUSED: &str =
    "(e => e.dataset.testid ?? e.getAttribute('aria-label') ?? e.innerText.slice(0, 20))(document.activeElement)";

/// The place on the timeline.
pub fn at(page: &Page) -> Result<u64> {
    page.value("timeline")?.parse().context("the place on the timeline is a number")
}

/// Presses a key at the timeline and waits for the place where it should lead.
pub fn press_and_be(page: &Page, key: &str, there: impl Fn(u64) -> bool) -> Result<()> {
    page.press(key)?;
    for _ in 0..200 {
        if there(at(page)?) {
            return Ok(());
        }
        std::thread::sleep(std::time::Duration::from_millis(20));
    }
    bail!("{key} leads to {}", at(page)?)
}
