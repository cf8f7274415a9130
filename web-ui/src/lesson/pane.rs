//! The desk as it is seen: the list, or the lesson that is open.

use std::collections::BTreeSet;
use std::rc::Rc;

use lessons::lesson::listing::Listing;
use lessons::lesson::{Kind, Lesson, Part, Task};
use yew::{Callback, Html, Properties, component, html};

use super::act::LessonMsg;
use super::desk::Notes;
use super::draft;
use super::list::{list, tongue};
use super::question::question;
use super::slides::slides;
use super::text::{blocks, line};
use crate::appearance::Type;
use crate::browser::element;
use crate::language::spoken;
use crate::state::{Msg, State};

/// A lesson as it is shown.
#[derive(Clone, PartialEq)]
pub struct Shown {
    /// The lesson.
    pub lesson: Rc<Lesson>,
    /// What decides the variant.
    pub seed: String,
    /// What the learner has said and seen.
    pub notes: Notes,
    /// Questions that were answered rightly.
    pub right: BTreeSet<String>,
    /// Which tasks are done.
    pub done: Vec<bool>,
    /// Which tasks can no longer be done.
    pub lost: Vec<bool>,
    /// The session is another one.
    pub elsewhere: bool,
    /// The points so far.
    pub score: u32,
    /// The receipt of what was handed in last.
    pub receipt: Option<String>,
    /// A lecture's machine is not as its slide has prepared it.
    pub strayed: bool,
    /// How large the type is.
    pub size: Type,
}

/// What the desk shows.
#[derive(Clone, PartialEq, Default)]
pub struct DeskShown {
    /// The list.
    pub listing: Option<Rc<Listing>>,
    /// The lesson.
    pub open: Option<Shown>,
    /// What went wrong.
    pub trouble: Option<String>,
}

impl DeskShown {
    /// What the desk shows; `None` when it is put away.
    pub fn of(state: &State) -> Option<DeskShown> {
        let desk = &state.desk;
        let open = desk.open.as_ref().map(|open| Shown {
            lesson: Rc::clone(&open.lesson),
            seed: open.seed.clone(),
            notes: open.notes.clone(),
            right: open.notes.checked.iter().filter(|id| open.is_right(id)).cloned().collect(),
            done: open.done.clone(),
            lost: open.lost.clone(),
            elsewhere: open.elsewhere,
            score: open.score(),
            receipt: open.receipt.clone(),
            strayed: open.strayed,
            size: state.size,
        });
        desk.shown.then(|| DeskShown { listing: desk.listing.clone(), open, trouble: desk.trouble.clone() })
    }
}

/// Props of [`LessonPane`].
#[derive(Clone, PartialEq, Properties)]
pub struct Props {
    /// What is shown.
    pub desk: DeskShown,
    /// Where messages go.
    pub dispatch: Callback<Msg>,
}

/// The desk.
#[component]
pub fn LessonPane(Props { desk, dispatch }: &Props) -> Html {
    let send = |msg: LessonMsg| dispatch.reform(move |_: web_sys::MouseEvent| Msg::Lesson(msg.clone()));
    let title = match (&desk.open, &desk.listing) {
        (Some(shown), _) => shown.lesson.title.clone(),
        (None, Some(listing)) => listing.title.clone(),
        (None, None) => t!("Lessons").to_owned(),
    };
    let language = match (&desk.open, &desk.listing) {
        (Some(shown), _) => shown.lesson.language.clone(),
        (None, Some(listing)) => listing.language.clone(),
        (None, None) => spoken().tag().to_owned(),
    };
    let lecture = desk.open.as_ref().is_some_and(|shown| shown.lesson.kind == Kind::Lecture);
    html! {
        <section class={yew::classes!("lesson", lecture.then_some("is-lecture"))} aria-label={t!("Lesson")} data-testid="lesson-pane">
            <div class="lesson__bar">
                if desk.open.is_some() {
                    <button type="button" class="quiet" onclick={send(LessonMsg::Leave)} data-testid="lesson-list">{ t!("all lessons") }</button>
                    <button type="button" class="quiet" onclick={send(LessonMsg::Again)}>{ t!("from the beginning") }</button>
                }
                <button type="button" class="quiet lesson__away" onclick={send(LessonMsg::Show(false))}>{ t!("close") }</button>
            </div>
            <h2 id="lesson-head" tabindex="-1" lang={language.clone()}>{ title }</h2>
            if desk.open.is_some() && language != spoken().tag() {
                <p class="lesson__note" role="status" data-testid="lesson-language">
                    { t!("There is no translation of this lesson that is up to date; it is in {language}.", language = tongue(&language)) }
                </p>
            }
            if let Some(trouble) = &desk.trouble { <p class="lesson__trouble" role="alert">{ trouble }</p> }
            { match (&desk.open, &desk.listing) {
                (Some(shown), _) if lecture => slides(shown, dispatch),
                (Some(shown), _) => lesson(shown, dispatch),
                (None, Some(listing)) => html! { <>{ list(listing, dispatch) }{ draft::button(dispatch) }</> },
                (None, None) if desk.trouble.is_none() => html! { <p role="status">{ t!("The list is being loaded.") }</p> },
                (None, None) => Html::default(),
            } }
        </section>
    }
}

fn lesson(shown: &Shown, dispatch: &Callback<Msg>) -> Html {
    let lesson = &shown.lesson;
    let part = |part: &Part| match part {
        Part::Text(text) => html! { <div lang={lesson.language.clone()}>{ blocks(text, dispatch) }</div> },
        Part::Task(index) => lesson.tasks.get(*index).map(|t| task(t, *index, shown, dispatch)).unwrap_or_default(),
        Part::Prediction(index) => {
            lesson.predictions.get(*index).map(|q| question(q, "predict", shown, dispatch)).unwrap_or_default()
        }
        Part::Quiz(index) => lesson.quiz.get(*index).map(|q| question(q, "quiz", shown, dispatch)).unwrap_or_default(),
    };
    html! {
        <div class="lesson__text">
            if shown.elsewhere {
                <p class="lesson__trouble" role="alert">
                    { t!("The session that is shown did not begin as this lesson does: its tasks are not judged.") }
                    { " " }
                    { t!("“From the beginning” starts the lesson's own.") }
                </p>
            }
            if lesson.kind == Kind::Lab || !lesson.variants.is_empty() { { seed(shown, dispatch) } }
            { for lesson.body.iter().map(part) }
            if !lesson.sources.is_empty() {
                <h3>{ t!("Sources") }</h3>
                <ul class="lesson__sources" lang="en">{ for lesson.sources.iter().map(|source| html! { <li>{ source }</li> }) }</ul>
            }
            { hand_in(shown, dispatch) }
        </div>
    }
}

fn task(task: &Task, index: usize, shown: &Shown, dispatch: &Callback<Msg>) -> Html {
    let done = shown.done.get(index) == Some(&true);
    let lost = !done && shown.lost.get(index) == Some(&true);
    let state = match (done, lost) {
        (true, _) => t!("done"),
        (_, true) => t!("can no longer be done in this history: step back and act differently"),
        _ => t!("to do"),
    };
    let help = dispatch.reform(move |_: web_sys::MouseEvent| Msg::Lesson(LessonMsg::Hint(index)));
    let hint = shown.notes.hints.get(&index).and_then(|hint| task.hints.get(*hint));
    html! {
        <div class={yew::classes!("task", done.then_some("is-done"))} data-testid={format!("task-{}", task.id)} data-done={done.to_string()}>
            <p>
                <span class="task__box" aria-hidden="true">{ if done { "✓" } else { "" } }</span>
                <span class="task__ask"><b>{ t!("Task {n}.", n = index + 1) }{ " " }</b><span lang={shown.lesson.language.clone()}>{ line(&task.ask) }</span></span>
            </p>
            <p class="task__state">
                <span>{ state }</span>
                if !done && !task.hints.is_empty() {
                    <button type="button" class="quiet" onclick={help} data-testid={format!("hint-{}", task.id)}>{ t!("a hint") }</button>
                }
            </p>
            if let Some(hint) = hint { <p class="task__hint" role="status" lang={shown.lesson.language.clone()}>{ line(&hint.say) }</p> }
        </div>
    }
}

fn seed(shown: &Shown, dispatch: &Callback<Msg>) -> Html {
    let typed = dispatch.reform(|event: yew::Event| Msg::Lesson(LessonMsg::Seed(element::chosen_value(&event))));
    html! {
        <label class="lesson__seed">
            <span>{ t!("Your student number, or the code from your teacher") }</span>
            <input type="text" maxlength="60" autocomplete="off" value={shown.seed.clone()} onchange={typed} data-testid="lesson-seed" />
        </label>
    }
}

fn hand_in(shown: &Shown, dispatch: &Callback<Msg>) -> Html {
    let submit = dispatch.reform(|_: web_sys::MouseEvent| Msg::Lesson(LessonMsg::Submit));
    let max = shown.lesson.points();
    html! {
        <div class="lesson__end">
            <p data-testid="lesson-score">{ t!("{n} of {max} points so far.", n = shown.score, max = max) }</p>
            <button type="button" onclick={submit} data-testid="lesson-submit">{ t!("download what to hand in") }</button>
            if shown.elsewhere {
                <p class="lesson__trouble">{ t!("There is nothing to hand in of the session that is shown: it is not this lesson's.") }</p>
            }
            if let Some(receipt) = &shown.receipt {
                <p role="status">{ t!("Receipt") }{ " " }<code data-testid="lesson-receipt">{ receipt }</code>{ " " }{ t!("Note it down: it belongs to this file and no other.") }</p>
            }
        </div>
    }
}
