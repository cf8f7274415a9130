//! Every lesson of the course, finished with the keyboard alone and by nothing but its words.

use super::lesson::{tab_to, tab_to_within};
use anyhow::{Context, Result, ensure};
use kernel_model::action::Action;
use lessons::catalog::{Catalog, Entry};
use lessons::lesson::{Kind, Question};
use lessons::proof::solved;
use ringside_tests::page::{ModifierKey, Page};
use ringside_tests::scenario::{Scenario, scenario};

/// Whose variant of the labs is done.
const STUDENT: &str = "s1234567";

pub fn scenarios() -> Vec<Scenario> {
    let course = Catalog::built_in().expect("the course");
    let lessons = course.entries.into_iter().filter(|entry| entry.lesson.kind != Kind::Lecture);
    lessons
        .map(|entry| {
            let name = format!("{} is finished with the keyboard alone", entry.lesson.id);
            scenario(name, move |page| finish(page, &entry))
        })
        .collect()
}

/// Does what the solutions of the lesson say, and answers its questions.
fn finish(page: &Page, entry: &Entry) -> Result<()> {
    let lesson = &entry.lesson;
    page.open(&format!("#lesson={}", lesson.id))?;
    page.wait_for("lesson-score")?;
    if page.evaluate("!!document.querySelector('[data-testid=lesson-seed]')")? {
        tab_to(page, "lesson-seed")?;
        page.type_keys(STUDENT)?;
        page.press("Tab")?;
        page.wait_until("document.activeElement.id === 'lesson-head'")?;
    }
    if !lesson.tasks.is_empty() {
        tab_to(page, "terminal-input")?;
    }
    for stamped in solved(entry, STUDENT, usize::MAX).actions {
        match &stamped.action {
            // A key for each letter is the business of other tests; a line is as long as it is.
            Action::Line { text, .. } => page.insert(text)?,
            Action::CallBelow { who, text } => type_hypercall(page, *who, text)?,
            other => anyhow::bail!("{other:?} is not something that this test can do"),
        }
        page.press("Enter")?;
        page.wait_until("!document.querySelector('[data-testid=terminal-status]').innerText.includes('running')")
            .with_context(|| format!("{:?}", stamped.action))?;
        if matches!(stamped.action, Action::CallBelow { .. }) {
            tab_to(page, "terminal-input")?;
        }
    }
    for task in &lesson.tasks {
        page.wait_for_text(&format!("task-{}", task.id), "done")?;
    }
    for question in &lesson.quiz {
        answer(page, question).with_context(|| question.id.clone())?;
    }
    let most = lesson.points();
    page.wait_for_text("lesson-score", &format!("{most} of {most} points"))?;
    ensure!(page.overflow()? <= 0, "the page is {} pixels too wide", page.overflow()?);
    Ok(())
}

/// Chooses the domain in the list before the field, and types the call.
fn type_hypercall(page: &Page, who: u32, text: &str) -> Result<()> {
    tab_to(page, "hypercall-input")?;
    page.press_with(&[ModifierKey::Shift], "Tab")?;
    page.type_keys(&format!("d{who}"))?;
    page.press("Tab")?;
    page.evaluate::<()>("document.activeElement.select()")?;
    page.insert(text)
}

/// Marks the right answers with space and arrows, and gives them.
fn answer(page: &Page, question: &Question) -> Result<()> {
    let field = format!("quiz-{}", question.id);
    tab_to_within(page, &field)?;
    match question.answers.as_slice() {
        // One of several is a group that the tabulator enters once.
        [0] => page.press(" ")?,
        [only] => (0..*only).try_for_each(|_| page.press("ArrowDown"))?,
        several => {
            for choice in 0..question.choices.len() {
                if several.contains(&choice) {
                    page.press(" ")?;
                }
                page.press("Tab")?;
            }
        }
    }
    tab_to(page, &format!("check-{}", question.id))?;
    page.press("Enter")?;
    page.wait_for_text(&field, "Right.").map(drop)
}
