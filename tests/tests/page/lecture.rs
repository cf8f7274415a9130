//! Lectures: slides by keys wherever the keyboard is, the machine as each needs it, what is tried off the path, a second
//! window for the lecturer, and paper.

use super::TIMELINE;
use super::lesson::everywhere;
use anyhow::{Result, ensure};
use ringside_tests::page::{ModifierKey, Page, Screen};
use ringside_tests::scenario::{Scenario, scenario};

const LECTURE: &str = "100-lecture-isolation";
/// How many slides it has.
const SLIDES: usize = 7;
/// The slide on which a system call is in the middle of its work.
const CROSS: usize = 3;

pub fn scenarios() -> Vec<Scenario> {
    vec![
        scenario("the keys of a remote control turn slides wherever the keyboard is", |page| {
            open(page)?;
            page.press("PageDown")?;
            be_at(page, 1)?;
            page.press("PageUp")?;
            be_at(page, 0)?;
            // The lecturer has clicked into the terminal, and nowhere.
            page.focus("terminal-input")?;
            page.press("PageDown")?;
            be_at(page, 1)?;
            page.evaluate::<()>("document.activeElement.blur()")?;
            page.press("PageDown")?;
            be_at(page, 2)?;
            page.press("b")?;
            page.wait_for("slides-blank")?;
            page.press("PageDown")?;
            page.wait_until("!document.querySelector('[data-testid=slides-blank]')")?;
            be_at(page, CROSS)?;
            page.press("Home")?;
            be_at(page, 0)?;
            page.press("End")?;
            be_at(page, SLIDES - 1)
        }),
        scenario("blank and overview are left as they were come to, and what is typed is typed", |page| {
            open(page)?;
            for key in ["b", "."] {
                page.press(key)?;
                page.wait_for("slides-blank")?;
                page.press(key)?;
                page.wait_until("!document.querySelector('[data-testid=slides-blank]')")?;
                page.wait_until("document.activeElement.id === 'lesson-head'")?;
            }
            page.press("o")?;
            page.wait_until("document.activeElement.id === 'slides-here'")?;
            page.press("Tab")?;
            page.press("Enter")?;
            be_at(page, 1)?;
            page.wait_for("slide")?;
            page.press_with(&[ModifierKey::Ctrl], "b")?;
            page.focus("terminal-input")?;
            page.type_keys("b.o")?;
            ensure!(page.value("terminal-input")? == "b.o", "{:?} was typed", page.value("terminal-input")?);
            ensure!(page.evaluate::<bool>("!document.querySelector('[data-testid=slides-blank]')")?, "it went blank");
            Ok(())
        }),
        scenario("a slide puts the machine where it says, and what is tried stays until one comes back", |page| {
            open(page)?;
            at_scene(page)?;
            let prepared = page.value("timeline")?;
            page.enter("hostname tried; hostname")?;
            page.wait_for_text("terminal-log", "\ntried")?;
            page.wait_for_text("slides-path", "What if")?;
            page.wait_until(&format!("{TIMELINE}.value === {TIMELINE}.max"))?;
            page.enter("echo $((60 + 6))")?;
            page.wait_for_text("terminal-log", "\n66")?;
            page.click_button("machine as prepared")?;
            page.wait_until(&format!("{TIMELINE}.value === '{prepared}'"))?;
            ensure!(!page.text("terminal-log")?.contains("tried"), "the machine is not as it was prepared");
            page.wait_until("!document.querySelector('[data-testid=slides-path]').innerText.includes('What if')")?;
            // What was tried can be looked at again.
            page.wait_until("document.querySelector('[aria-label=\"Other futures\"]')?.innerText.includes('tried')")?;
            page.press("PageDown")?;
            page.wait_for_text("terminal-log", "hostname mine")?;
            page.press("PageUp")?;
            page.wait_until(&format!("{TIMELINE}.value === '{prepared}'"))
        }),
        scenario("a lecture goes on after a reload where it was", |page| {
            open(page)?;
            at_scene(page)?;
            page.enter("hostname tried; hostname")?;
            page.wait_for_text("terminal-log", "\ntried")?;
            page.wait_for_text("slides-path", "What if")?;
            page.reload()?;
            be_at(page, CROSS)?;
            page.wait_for_text("terminal-log", "\ntried")?;
            page.wait_for_text("slides-path", "What if").map(drop)
        }),
        scenario("lecture, overview and blank are accessible", |page| {
            open(page)?;
            at_scene(page)?;
            everywhere(page, "slide")?;
            page.resize(Screen::Wide)?;
            page.enter("true")?;
            page.wait_for_text("slides-path", "What if")?;
            page.focus("slide-next")?;
            page.press("o")?;
            page.wait_until("document.activeElement.id === 'slides-here'")?;
            everywhere(page, "overview")?;
            page.press("b")?;
            page.wait_for("slides-blank")?;
            everywhere(page, "blank")
        }),
        scenario("larger type enlarges everything and is kept", |page| {
            open(page)?;
            let size = "parseFloat(getComputedStyle(document.querySelector('[data-testid=terminal-input]')).fontSize)";
            let before: f64 = page.evaluate(size)?;
            page.click_button("larger")?;
            page.click_button("larger")?;
            page.wait_until(&format!("{size} === {before} * 1.5"))?;
            everywhere(page, "hall")?;
            page.resize(Screen::Wide)?;
            page.reload()?;
            be_at(page, 0)?;
            page.wait_until(&format!("{size} === {before} * 1.5"))
        }),
        scenario("a second window has the notes, what comes next and the time, and turns the slides", |page| {
            open(page)?;
            page.evaluate::<()>(
                "(() => { const real = open; window.open = (...how) => window.second = real.apply(window, how); })()",
            )?;
            page.click("presenter-open")?;
            let says = |part: &str, text: &str| {
                format!("second.document.querySelector('[data-testid={part}]')?.innerText.includes({text:?})")
            };
            page.wait_until("window.second")?;
            page.wait_until(&says("presenter-notes", "Introduce the course by its subject"))?;
            page.wait_until(&says("presenter-next", "Three questions"))?;
            page.wait_until(&says("presenter-spent", "00:0"))?;
            page.wait_until(&says("presenter-wall", ":"))?;
            page.evaluate::<()>("second.document.querySelector('[data-testid=presenter-forward]').click()")?;
            be_at(page, 1)?;
            page.wait_until(&says("presenter-next", "sleep 5000"))?;
            // A remote control that is plugged in here, and one that is plugged in there.
            page.evaluate::<()>(
                "(second.document.body.dispatchEvent(new second.KeyboardEvent('keydown', { key: 'PageDown', bubbles: true })), null)",
            )?;
            be_at(page, 2)?;
            page.press("PageDown")?;
            be_at(page, CROSS)?;
            page.wait_until(&says("presenter-place", "4 of 7"))?;
            page.wait_until(&says("presenter-machine", "sethostname"))?;
            page.press("b")?;
            page.wait_until(&says("presenter-place", "blank"))?;
            page.press("b")?;
            // The window of the lecture is loaded again: the second one still has it.
            page.reload()?;
            be_at(page, CROSS)?;
            page.evaluate::<()>("(window.second = open('', sessionStorage.getItem('ringside.presenter')), null)")?;
            page.wait_until(&says("presenter-place", "4 of 7"))?;
            page.evaluate::<()>("second.document.querySelector('[data-testid=presenter-forward]').click()")?;
            be_at(page, CROSS + 1)
        }),
        scenario("the presenter view is accessible", |page| {
            page.open("#presenter=test")?;
            page.wait_until("document.querySelector('.presenter__nothing')")?;
            everywhere(page, "without a lecture")?;
            page.evaluate::<()>(&format!(
                "new BroadcastChannel('test').postMessage('told\\n{LECTURE}\\n{CROSS}\\n0 1\\n3 of 9\\nA sentence.')"
            ))?;
            page.wait_for_text("presenter-machine", "A sentence.")?;
            everywhere(page, "with a lecture")
        }),
        scenario("a lecture is printed a slide a page, with its notes", |page| {
            open(page)?;
            let paper = page.print()?;
            let pages = String::from_utf8_lossy(&paper).matches("/Type /Page\n").count();
            ensure!(pages == SLIDES, "{SLIDES} slides are on {pages} pages");
            page.on_paper()?;
            let text: String = page.evaluate("document.querySelector('.slides__paper').innerText")?;
            ensure!(text.contains("Collect the words") && text.contains("hostname ring0"), "{text}");
            Ok(())
        }),
    ]
}

fn open(page: &Page) -> Result<()> {
    page.open(&format!("#lesson={LECTURE}"))?;
    be_at(page, 0)?;
    page.wait_until("document.activeElement.id === 'lesson-head'")
}

/// Waits for a slide.
fn be_at(page: &Page, slide: usize) -> Result<()> {
    page.wait_for_text("slide-place", &format!("{} of {SLIDES}", slide + 1)).map(drop)
}

/// To the slide on which a system call is in the middle of its work.
fn at_scene(page: &Page) -> Result<()> {
    for slide in 1..=CROSS {
        page.press("PageDown")?;
        be_at(page, slide)?;
    }
    page.wait_until(&format!("Number({TIMELINE}.value) > 0 && {TIMELINE}.value !== {TIMELINE}.max"))?;
    page.wait_until("document.querySelector('.inspector').textContent.includes('sethostname(')")
}
