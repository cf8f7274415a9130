//! Predictions and questions.

use lessons::lesson::Question;
use yew::{Callback, Html, html};

use super::act::LessonMsg;
use super::pane::Shown;
use super::text::line;
use crate::state::Msg;

/// A question with its answers to choose from; when it was answered, what is right, and why.
pub fn question(question: &Question, name: &'static str, shown: &Shown, dispatch: &Callback<Msg>) -> Html {
    let id = question.id.clone();
    let lang = shown.lesson.language.clone();
    let several = question.answers.len() > 1;
    let chosen = shown.notes.answers.get(&id).cloned().unwrap_or_default();
    let checked = shown.notes.checked.contains(&id);
    let right = shown.right.contains(&id);
    let check = {
        let id = id.clone();
        dispatch.reform(move |_: web_sys::MouseEvent| Msg::Lesson(LessonMsg::Check(id.clone())))
    };
    let choice = |(index, text): (usize, &Vec<lessons::lesson::text::Inline>)| {
        let number = index as u32;
        let on = chosen.contains(&number);
        let is_answer = question.answers.contains(&index);
        let mark = match (checked, is_answer, on) {
            (true, true, _) => t!("right"),
            (true, false, true) => t!("not right"),
            _ => "",
        };
        let choose = {
            let id = id.clone();
            dispatch.reform(move |_: yew::Event| Msg::Lesson(LessonMsg::Answer(id.clone(), number, several)))
        };
        html! {
            <label class={yew::classes!("quiz__choice", (checked && is_answer).then_some("is-right"))}>
                <input type={if several { "checkbox" } else { "radio" }} name={format!("{name}-{id}")} checked={on}
                    disabled={checked} onchange={choose} />
                <span><span lang={lang.clone()}>{ line(text) }</span>if !mark.is_empty() { { format!(" ({mark})") } }</span>
            </label>
        }
    };
    html! {
        <fieldset class="quiz" data-testid={format!("{name}-{id}")}>
            <legend lang={lang.clone()}>{ line(&question.ask) }</legend>
            { for question.choices.iter().enumerate().map(choice) }
            if checked {
                <p class="quiz__why" role="status">
                    <b>{ if right { t!("Right.") } else { t!("Not quite.") } }</b>{ " " }<span lang={shown.lesson.language.clone()}>{ line(&question.why) }</span>
                </p>
            } else {
                <button type="button" disabled={chosen.is_empty()} onclick={check} data-testid={format!("check-{id}")}>
                    { if name == "predict" { t!("that is what I expect") } else { t!("answer") } }
                </button>
            }
        </fieldset>
    }
}
