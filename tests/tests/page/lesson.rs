//! Lessons in the page: finished without a mouse, kept over a reload, accessible.

use anyhow::{Result, ensure};
use ringside_tests::page::{Page, Screen, Theme};
use ringside_tests::scenario::{Scenario, scenario};

const LESSON: &str = "202-pid-namespace";

pub fn scenarios() -> Vec<Scenario> {
    vec![
        scenario("a lesson is finished with the keyboard alone", without_a_mouse),
        scenario("a hint depends on what went wrong", |page| {
            page.open(&format!("#lesson={LESSON}"))?;
            page.wait_for("task-one")?;
            page.enter("unshare --pid sh")?;
            page.wait_for_text("terminal-log", "unshare --pid sh")?;
            page.click("hint-one")?;
            page.wait_for_text("task-one", "--fork")?;
            ensure!(page.attribute("task-one", "data-done")?.as_deref() == Some("false"), "it is not done");
            Ok(())
        }),
        scenario(
            "a task that is done is to do again from the beginning, and when one acts differently in the past",
            |page| {
                page.open(&format!("#lesson={LESSON}"))?;
                page.wait_for("task-one")?;
                page.enter("unshare --pid --fork sh")?;
                page.wait_until(&done("one", true))?;
                page.click_button("from the beginning")?;
                page.wait_until(&done("one", false))?;
                page.enter("unshare --pid --fork sh")?;
                page.wait_until(&done("one", true))?;
                page.focus("timeline")?;
                page.press("Home")?;
                page.wait_until("document.querySelector('[data-testid=timeline]').value === '0'")?;
                page.enter("true")?;
                page.wait_until(&done("one", false))
            },
        ),
        scenario("a lesson and its answers are there after a reload", |page| {
            page.open(&format!("#lesson={LESSON}"))?;
            page.wait_for("predict-moved")?;
            page.evaluate::<()>("document.querySelectorAll('[data-testid=predict-moved] input')[1].click()")?;
            page.click("check-moved")?;
            page.wait_for_text("predict-moved", "Right.")?;
            page.enter("unshare --pid --fork sh")?;
            page.wait_until(&done("one", true))?;
            // With the lesson in the address, and without.
            page.reload()?;
            page.wait_for_text("predict-moved", "Right.")?;
            page.wait_until(&done("one", true))?;
            page.evaluate::<()>("history.replaceState(null, '', '#')")?;
            page.reload()?;
            page.wait_for_text("predict-moved", "Right.")?;
            page.wait_until(&done("one", true))
        }),
        scenario("of another session nothing is handed in", |page| {
            page.open("#lesson=591-lab-least-privilege")?;
            page.wait_for("task-file-cap")?;
            page.click_button("worlds ▾")?;
            page.wait_until("document.querySelector('.worlds__world')")?;
            page.evaluate::<()>("document.querySelector('li + li .worlds__world').click()")?;
            page.wait_for_text("lesson-pane", "did not begin as this lesson does")?;
            page.click("lesson-submit")?;
            page.wait_for_text("lesson-pane", "nothing to hand in")?;
            ensure!(!page.evaluate::<bool>("!!document.querySelector('[data-testid=lesson-receipt]')")?, "a receipt");
            Ok(())
        }),
        scenario("list, lesson, question and hint are accessible", |page| {
            page.open("")?;
            page.click("lessons-open")?;
            page.wait_for(&format!("lesson-{LESSON}"))?;
            everywhere(page, "list")?;
            page.resize(Screen::Wide)?;
            page.click(&format!("lesson-{LESSON}"))?;
            page.wait_for("task-one")?;
            page.evaluate::<()>("document.querySelectorAll('[data-testid=predict-moved] input')[0].click()")?;
            page.click("check-moved")?;
            page.click("hint-one")?;
            page.wait_until("document.querySelector('.task__hint')")?;
            everywhere(page, "lesson")
        }),
        scenario("a session is saved as the draft of a lesson", |page| {
            page.open("")?;
            page.enter("unshare --uts sh")?;
            page.enter("hostname box")?;
            page.wait_until("document.querySelector('[data-testid=terminal-log]').innerText.includes('hostname box')")?;
            page.evaluate::<()>(
                "(() => { const make = URL.createObjectURL; \
                 URL.createObjectURL = blob => { blob.text().then(text => { window.saved = text; }); return make(blob); }; })()",
            )?;
            page.click("lessons-open")?;
            page.click("lesson-draft")?;
            page.wait_until("window.saved?.includes('hostname box')")?;
            let text: String = page.evaluate("saved")?;
            ensure!(text.starts_with("+++\n") && text.contains("n.hostname == \"box\""), "{text}");
            Ok(())
        }),
        scenario("a lesson that is not there is said", |page| {
            page.open("#lesson=99-nowhere")?;
            page.wait_for_text("lesson-pane", "cannot be loaded")?;
            page.take_errors();
            Ok(())
        }),
    ]
}

fn done(task: &str, done: bool) -> String {
    format!("document.querySelector('[data-testid=task-{task}]')?.dataset.done === '{done}'")
}

fn without_a_mouse(page: &Page) -> Result<()> {
    page.open("")?;
    page.focus("lessons-open")?;
    page.press("Enter")?;
    page.wait_for(&format!("lesson-{LESSON}"))?;
    tab_to(page, &format!("lesson-{LESSON}"))?;
    page.press("Enter")?;
    page.wait_for("task-one")?;
    page.wait_until("document.activeElement.id === 'lesson-head'")?;
    // The prediction: the first answer is reached with the tabulator, the others with the arrows.
    tab_to_within(page, "predict-moved")?;
    page.press("ArrowDown")?;
    tab_to(page, "check-moved")?;
    page.press("Enter")?;
    page.wait_for_text("predict-moved", "Right.")?;
    tab_to(page, "terminal-input")?;
    page.type_keys("unshare --pid --fork sh")?;
    page.press("Enter")?;
    page.wait_until(&done("one", true))?;
    page.type_keys("sleep 500 &")?;
    page.press("Enter")?;
    page.wait_until(&done("child", true))?;
    page.wait_for_text("lesson-score", "2 of 3")?;
    tab_to(page, "lesson-submit")?;
    page.press("Enter")?;
    let receipt = page.wait_for_text("lesson-receipt", "-")?;
    ensure!(receipt.trim().len() == 14, "{receipt}");
    Ok(())
}

/// Presses the tabulator until this element has the keyboard.
pub fn tab_to(page: &Page, testid: &str) -> Result<()> {
    for _ in 0..200 {
        if page.focused()?.as_deref() == Some(testid) {
            return Ok(());
        }
        page.press("Tab")?;
    }
    anyhow::bail!("{testid} is not reached with the tabulator")
}

/// The same for anything in an element.
pub fn tab_to_within(page: &Page, testid: &str) -> Result<()> {
    let within = format!("document.querySelector('[data-testid={testid}]').contains(document.activeElement)");
    for _ in 0..200 {
        if page.evaluate::<bool>(&within)? {
            return Ok(());
        }
        page.press("Tab")?;
    }
    anyhow::bail!("{testid} is not reached with the tabulator")
}

/// Asks axe in both sizes and both themes.
pub fn everywhere(page: &Page, what: &str) -> Result<()> {
    for screen in [Screen::Wide, Screen::Narrow] {
        page.resize(screen)?;
        for theme in [Theme::Light, Theme::Dark] {
            page.prefer(theme)?;
            page.must_be_accessible(&format!("{what}, {screen:?}, {theme:?}"))?;
        }
        ensure!(page.overflow()? <= 0, "the page is {} pixels too wide for {screen:?}", page.overflow()?);
    }
    Ok(())
}
