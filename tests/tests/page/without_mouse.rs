//! Everything that can be done in the page, done with the tabulator, arrows and Enter.

use super::TIMELINE;
use super::keyboard::{at, press_and_be};
use anyhow::{Result, bail};
use ringside_tests::page::Page;
use ringside_tests::scenario::{Scenario, scenario};

pub fn scenarios() -> Vec<Scenario> {
    vec![
        scenario("head and stage are worked without a mouse", head_and_stage),
        scenario("a process to stand in is chosen without a mouse", eyes),
        scenario("timeline and inspector are worked without a mouse", timeline),
        scenario("terminal and consoles are worked without a mouse", terminal),
        scenario("single calls and logs are worked without a mouse", calls_and_logs),
    ]
}

/// Goes on with the tabulator to the element for which a JavaScript condition on `e` is true.
fn go_to(page: &Page, condition: &str) -> Result<()> {
    let there = format!("(e => !!({condition}))(document.activeElement)");
    // Coverage has a few hundred places to stop at.
    for _ in 0..500 {
        if page.evaluate(&there)? {
            return Ok(());
        }
        page.press("Tab")?;
    }
    bail!("the tabulator does not lead to {condition}")
}

/// Goes to the button that is called so and presses it.
fn push(page: &Page, name: &str) -> Result<()> {
    go_to(page, &format!("e.tagName === 'BUTTON' && (e.getAttribute('aria-label') ?? e.innerText) === {name:?}"))?;
    page.press("Enter")
}

/// What can be done in the head and on the stage, in the order of the page.
fn head_and_stage(page: &Page) -> Result<()> {
    page.open("")?;
    // The head: a world, its list closed and opened, the theme, a link, the list of keys.
    push(page, "worlds ▾")?;
    page.wait_until("document.querySelector('[role=dialog]')")?;
    for _ in 0..40 {
        page.press("Tab")?;
        page.wait_until("document.querySelector('[role=dialog]').contains(document.activeElement) || document.activeElement === document.body")?;
    }
    page.press("Escape")?;
    page.wait_until("document.activeElement?.id === 'worlds-open'")?;
    page.press("Enter")?;
    go_to(page, "e.innerText.startsWith('A container by hand')")?;
    page.press("Enter")?;
    page.wait_for_text("terminal-log", "lsns")?;
    page.wait_until("document.activeElement?.id === 'terminal-input'")?;
    page.wait_for_text("view-pid-views", "sleep")?;
    push(page, "theme: auto")?;
    page.wait_until("document.documentElement.dataset.theme === 'light'")?;
    push(page, "share")?;
    page.wait_until("location.hash.startsWith('#s=')")?;
    push(page, "close")?;
    push(page, "keys and help")?;
    page.wait_until("document.querySelector('[role=dialog]')")?;
    page.press("Escape")?;
    page.wait_until("document.activeElement?.id === 'help-open'")?;
    // The stage: following, tabs, text, another view beside, away again.
    push(page, "follow")?;
    page.wait_until("document.querySelector('#stage-follow').ariaPressed === 'false'")?;
    for view in page.views()? {
        tab_of(page, &view)?;
        page.wait_until(&format!("document.querySelector('#stage-main [data-testid=view-{view}]')"))?;
    }
    tab_of(page, "pid-views")?;
    choose(page, "Show beside the main view", "network")?;
    page.wait_until("document.querySelector('.pane--beside [data-testid=view-network]')")?;
    push(page, "put Network away")?;
    page.wait_until("!document.querySelector('.pane--beside [data-testid=view-network]')")?;
    // A process to stand in, by its pill.
    go_to(page, "e.classList.contains('pill') && e.innerText.includes('sleep')")?;
    page.press("Enter")?;
    page.wait_until("document.activeElement.ariaPressed === 'true'")
}

/// The world through the eyes of a process that is chosen in the view, and as text.
fn eyes(page: &Page) -> Result<()> {
    page.open("")?;
    page.enter("sleep 1000 &")?;
    page.wait_for_text("view-pid-views", "sleep")?;
    go_to(page, "e.classList.contains('pill') && e.innerText.includes('sleep')")?;
    page.press("Enter")?;
    tab_of(page, "through-eyes")?;
    page.wait_until("document.querySelector('.seat').selectedOptions[0].text.includes('sleep')")?;
    choose(page, "Process where you stand", "1")?;
    page.wait_until("document.querySelector('.through-eyes .is-own')?.innerText.includes('init')")?;
    go_to(page, "e.innerText === 'text' && e.closest('#stage-main')")?;
    page.press("Enter")?;
    page.wait_for_text("view-through-eyes", "what init")?;
    tab_of(page, "proc-views")?;
    go_to(page, "e.tagName === 'SUMMARY'")?;
    page.press("Enter")?;
    page.wait_until("document.activeElement.parentElement.open")
}

/// Sizes of a step, places, the family to look for, playing; from the inspector to a step near by.
fn timeline(page: &Page) -> Result<()> {
    page.open("")?;
    page.enter("mount -t tmpfs none /mnt; hostname")?;
    page.wait_for_text("terminal-log", "\nlab")?;
    go_to(page, "e.classList.contains('lane-button') && e.innerText.includes('kernel')")?;
    page.press("Enter")?;
    page.wait_until("document.querySelectorAll('.lane-button')[2].ariaPressed === 'true'")?;
    go_to(page, "e.id === 'timeline'")?;
    press_and_be(page, "Home", |now| now == 0)?;
    press_and_be(page, "End", |now| now > 0)?;
    let end = at(page)?;
    push(page, "step back")?;
    page.wait_until(&format!("Number({TIMELINE}.value) < {end}"))?;
    push(page, "step forward")?;
    page.wait_until(&format!("Number({TIMELINE}.value) == {end}"))?;
    push(page, "step back")?;
    push(page, "play")?;
    page.wait_until("document.querySelector('[data-testid=step-forward]').disabled")?;
    choose(page, "Family to look for", "mount")?;
    push(page, "previous mount")?;
    page.wait_for_text("inspector", "mount")?;
    go_to(page, "e.id === 'go-to'")?;
    page.type_keys("100")?;
    page.press("Enter")?;
    page.wait_until(&format!("{TIMELINE}.value === '100'"))?;
    for button in ["into", "over", "out"] {
        let here = at(page)?;
        push(page, button)?;
        page.wait_until(&format!("Number({TIMELINE}.value) > {here}"))?;
    }
    let here = at(page)?;
    go_to(page, "e.closest('.around') && e.ariaCurrent !== 'step'")?;
    page.press("Enter")?;
    page.wait_until(&format!("{TIMELINE}.value !== '{here}'"))
}

/// The height of the terminal, its consoles, what a command printed, other futures.
fn terminal(page: &Page) -> Result<()> {
    page.open("")?;
    page.enter("echo first")?;
    page.wait_for_text("terminal-log", "\nfirst")?;
    go_to(page, "e.getAttribute('role') === 'separator'")?;
    let height: String = page.evaluate("document.activeElement.ariaValueNow")?;
    page.press("ArrowUp")?;
    page.wait_until(&format!("document.activeElement.ariaValueNow !== '{height}'"))?;
    push(page, "open another console")?;
    page.wait_until("document.activeElement?.id === 'terminal-input'")?;
    page.type_keys("hostname")?;
    page.press("Enter")?;
    page.wait_for_text("terminal-log", "\nlab")?;
    push(page, "copy output")?;
    page.wait_until("document.querySelector('.controls__said').innerText.toLowerCase().includes('cop')")?;
    // Acting in the past keeps the future that was there.
    go_to(page, "e.id === 'timeline'")?;
    press_and_be(page, "Home", |now| now == 0)?;
    go_to(page, "e.id === 'terminal-input'")?;
    page.type_keys("echo other")?;
    page.press("Enter")?;
    page.wait_for_text("terminal-log", "\nother")?;
    choose(page, "Other futures", "0")?;
    page.wait_for_text("terminal-log", "first").map(drop)
}

/// A call with completion, and a log that is pasted, read and left again.
fn calls_and_logs(page: &Page) -> Result<()> {
    page.open("")?;
    go_to(page, "e.id === 'syscall-input'")?;
    page.type_keys("unsh")?;
    page.press("ArrowDown")?;
    page.press("ArrowUp")?;
    page.press("Tab")?;
    page.wait_until("document.activeElement.value.startsWith('unshare(')")?;
    page.evaluate::<()>("document.activeElement.select()")?;
    page.insert("getpid()")?;
    page.press("Enter")?;
    page.wait_for_text("inspector", "getpid")?;
    go_to(page, "e.id === 'strace-import'")?;
    page.insert("1 getpid() = 1")?;
    push(page, "replay")?;
    page.wait_for_text("view-strace-log", "in scope")?;
    push(page, "back to the one before")?;
    page.wait_for_text("inspector", "getpid")?;
    push(page, "new")?;
    page.wait_for("welcome")
}

/// Chooses by arrow keys in the field that is called so.
fn choose(page: &Page, field: &str, value: &str) -> Result<()> {
    go_to(page, &format!("e.tagName === 'SELECT' && e.ariaLabel === {field:?}"))?;
    let steps: i64 = page.evaluate(&format!(
        "(e => [...e.options].findIndex(o => o.value === {value:?}) - e.selectedIndex)(document.activeElement)"
    ))?;
    // By the list that a space opens nothing is seen of the options on the way.
    page.press(" ")?;
    for _ in 0..steps.abs() {
        page.press(if steps > 0 { "ArrowDown" } else { "ArrowUp" })?;
    }
    page.press("Enter")
}

fn tab_of(page: &Page, view: &str) -> Result<()> {
    go_to(page, "e.getAttribute('role') === 'tab'")?;
    page.press("Home")?;
    for _ in 0..60 {
        if page.evaluate(&format!("document.activeElement.id === 'tab-{view}'"))? {
            break;
        }
        page.press("ArrowRight")?;
    }
    page.press("Enter")?;
    page.wait_until(&format!("document.querySelector('.stage').dataset.main === '{view}'"))
}
