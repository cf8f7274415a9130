//! The page in German: chosen, kept, accessible, with lessons in German where there are any, and back to English.

use anyhow::{Result, ensure};
use ringside_tests::page::{Page, Screen, Theme};
use ringside_tests::scenario::{Scenario, scenario};

/// A lesson that is translated, and one that is not.
const TRANSLATED: &str = "101-three-questions";
const NOT_TRANSLATED: &str = "991-lab-checkpoint";

pub fn scenarios() -> Vec<Scenario> {
    vec![
        scenario("the page speaks German when it is chosen, after a reload too, and English again", |page| {
            page.open("")?;
            page.wait_for("welcome")?;
            ensure!(language(page)? == "en", "English is what it begins with");
            speak(page, "de")?;
            page.wait_for_text("lessons-open", "Lektionen")?;
            page.wait_for_text("welcome", "Dies ist eine Shell")?;
            ensure!(page.focused()?.as_deref() == Some("language"), "the keyboard stays where it was");
            page.enter("hostname")?;
            page.wait_for_text("terminal-log", "lab")?;
            page.reload()?;
            page.wait_for_text("lessons-open", "Lektionen")?;
            ensure!(language(page)? == "de", "what was chosen is kept");
            speak(page, "en")?;
            page.wait_for_text("lessons-open", "lessons")
                .and_then(|_| page.wait_for_text("terminal-log", "lab"))
                .map(|_| ())
        }),
        scenario("a lesson is read in German, done, and goes on in English", |page| {
            page.open("")?;
            speak(page, "de")?;
            page.wait_for_text("lessons-open", "Lektionen")?;
            page.click("lessons-open")?;
            page.wait_for_text(&format!("lesson-{TRANSLATED}"), "Drei Fragen")?;
            page.wait_for_text(&format!("lesson-{NOT_TRANSLATED}"), "auf Englisch")?;
            page.click(&format!("lesson-{TRANSLATED}"))?;
            page.wait_for_text("task-two", "Aufgabe 1.")?;
            page.wait_for_text("lesson-pane", "Jedes System in diesem Kurs baut Wände")?;
            page.enter("sleep 1000 &")?;
            page.enter("sleep 2000 &")?;
            page.wait_until("document.querySelector('[data-testid=task-two]')?.dataset.done === 'true'")?;
            page.reload()?;
            page.wait_for_text("lesson-pane", "Jedes System in diesem Kurs baut Wände")?;
            speak(page, "en")?;
            page.wait_for_text("lesson-pane", "Every system in this course builds walls")?;
            page.wait_until("document.querySelector('[data-testid=task-two]')?.dataset.done === 'true'")
        }),
        scenario("a lesson without a translation is given in English, and that is said", |page| {
            page.open(&format!("?#lesson={NOT_TRANSLATED}"))?;
            page.wait_for("lesson-score")?;
            speak(page, "de")?;
            page.wait_for_text("lesson-language", "Englisch")?;
            page.wait_until("document.querySelector('#lesson-head')?.lang === 'en'")
        }),
        scenario("the German page is accessible, and nothing runs over its edge", |page| {
            page.open("")?;
            speak(page, "de")?;
            page.wait_for_text("lessons-open", "Lektionen")?;
            everywhere(page, "a first visit")?;
            page.resize(Screen::Wide)?;
            page.enter("unshare --pid --fork sh -c 'ps; echo done'")?;
            page.wait_for_text("terminal-log", "\ndone")?;
            for view in page.views()? {
                page.resize(Screen::Wide)?;
                page.show_view(&view)?;
                page.must_be_accessible(&view)?;
                for screen in [Screen::Wide, Screen::Narrow] {
                    page.resize(screen)?;
                    ensure!(page.overflow()? <= 0, "{view} is {} pixels too wide for {screen:?}", page.overflow()?);
                }
            }
            page.resize(Screen::Wide)?;
            page.open(&format!("?#lesson={TRANSLATED}"))?;
            page.wait_for_text("lesson-pane", "Drei Fragen")?;
            everywhere(page, "a lesson")
        }),
    ]
}

/// The language of the document.
fn language(page: &Page) -> Result<String> {
    page.evaluate("document.documentElement.lang")
}

/// Chooses a language as a reader does, and waits until the document is in it.
fn speak(page: &Page, tag: &str) -> Result<()> {
    page.wait_for("language")?;
    page.evaluate::<()>(&format!(
        "(() => {{ const field = document.querySelector('[data-testid=language]'); field.focus(); field.value = '{tag}'; \
           field.dispatchEvent(new Event('change', {{ bubbles: true }})); }})()"
    ))?;
    page.wait_until(&format!("document.documentElement.lang === '{tag}' && document.activeElement.id === 'language'"))
}

fn everywhere(page: &Page, what: &str) -> Result<()> {
    for screen in [Screen::Wide, Screen::Narrow] {
        page.resize(screen)?;
        for theme in [Theme::Light, Theme::Dark] {
            page.prefer(theme)?;
            page.must_be_accessible(&format!("{what}, {screen:?}, {theme:?}"))?;
        }
        ensure!(page.overflow()? <= 0, "{what} is {} pixels too wide for {screen:?}", page.overflow()?);
    }
    Ok(())
}
