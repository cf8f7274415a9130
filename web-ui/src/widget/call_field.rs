//! A field in which a call is typed, with who makes it before and what could be typed next below.

use kernel_model::strace::complete::Candidate;
use yew::{Callback, Html, InputEvent, KeyboardEvent, TargetCast, classes, html};

use crate::browser::element::cursor_of;
use crate::browser::key::Key;
use crate::call_field::CallField;
use crate::message::FieldMsg;

/// How many candidates are shown.
const SHOWN: usize = 8;

/// What differs from console to console.
pub struct Around {
    /// What ids and test id begin with: `NAME-input`.
    pub name: &'static str,
    /// What it is for.
    pub title: &'static str,
    /// What stands in the empty field.
    pub example: &'static str,
    /// Who makes the call: what is chosen from.
    pub caller: Html,
    /// What is known of the call that is being typed.
    pub hint: Html,
}

/// The field and what belongs to it.
pub fn call_field<H: 'static>(field: &CallField<H>, around: Around, send: &Callback<FieldMsg>) -> Html {
    let Around { name, title, example, caller, hint } = around;
    let typed = send.reform(|event: InputEvent| {
        let field = event.target_dyn_into::<web_sys::HtmlInputElement>();
        let cursor = field.as_ref().map_or(0, cursor_of);
        FieldMsg::Draft(field.map(|f| f.value()).unwrap_or_default(), cursor)
    });
    let from = field.chosen.saturating_sub(SHOWN - 1);
    let candidates = field.completion.candidates.iter().enumerate().skip(from).take(SHOWN);
    let more = field.completion.candidates.len().saturating_sub(from + SHOWN);
    let (id, below) = (format!("{name}-input"), format!("{name}-hint"));
    html! {
        <>
            <h2><label for={id.clone()}>{ title }</label></h2>
            <div class="calls__line">
                { caller }
                <input id={id.clone()} class="calls__input" data-testid={id} value={field.draft.clone()} placeholder={example}
                    spellcheck="false" autocomplete="off" autocapitalize="off" aria-describedby={below.clone()}
                    oninput={typed} onkeydown={keys(field, send)} />
            </div>
            <div id={below} class="calls__hint">
                if let Some(error) = &field.error {
                    <p class="calls__error" role="alert">{ error }</p>
                }
                if !field.completion.candidates.is_empty() {
                    <ul class="calls__candidates" aria-label={t!("Completions")}>
                        { for candidates.map(|(i, c)| candidate(i, c, i == field.chosen, send)) }
                    </ul>
                    if more > 0 { <p class="view__more">{ t!("and {n} more", n = more) }</p> }
                }
                { hint }
            </div>
        </>
    }
}

/// Enter makes the call, the arrows choose a candidate, the tabulator takes it.
fn keys<H>(field: &CallField<H>, send: &Callback<FieldMsg>) -> Callback<KeyboardEvent> {
    let (count, chosen) = (field.completion.candidates.len(), field.chosen);
    let is_empty = field.draft.is_empty();
    let send = send.clone();
    Callback::from(move |event: KeyboardEvent| {
        let key = Key::from(&event);
        let msg = match key.name.as_str() {
            "Enter" if !event.is_composing() => FieldMsg::Enter,
            "ArrowDown" if count > 0 => FieldMsg::Choose(1),
            "ArrowUp" if count > 0 => FieldMsg::Choose(-1),
            "Tab" if !key.shift && count > 0 && !is_empty => FieldMsg::Complete(chosen),
            _ => return,
        };
        event.prevent_default();
        send.emit(msg);
    })
}

fn candidate(index: usize, candidate: &Candidate, chosen: bool, send: &Callback<FieldMsg>) -> Html {
    let take = send.reform(move |_: web_sys::MouseEvent| FieldMsg::Complete(index));
    html! {
        <li key={index}>
            <button type="button" class={classes!("candidate", chosen.then_some("is-chosen"))} tabindex="-1" onclick={take}>
                <span class="candidate__text">{ &candidate.text }</span>
                <span class="candidate__about" lang="en">{ &candidate.about }</span>
            </button>
        </li>
    }
}
