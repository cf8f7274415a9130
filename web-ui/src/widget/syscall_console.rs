//! The system-call console: one call for a chosen process, in the syntax of strace.

use std::rc::Rc;

use kernel_model::strace::complete::{Candidate, Hint};
use kernel_model::task::TaskId;
use yew::{Callback, Event, Html, InputEvent, KeyboardEvent, Properties, TargetCast, classes, component, html};

use crate::browser::element::{chosen_value, cursor_of};
use crate::browser::key::Key;
use crate::calls::CallConsole;
use crate::state::Msg;

/// Props of [`SyscallConsole`].
#[derive(Clone, PartialEq, Properties)]
pub struct Props {
    /// Its state.
    pub console: CallConsole,
    /// Who makes the call.
    pub caller: Option<TaskId>,
    /// Who could.
    pub processes: Rc<Vec<(TaskId, String)>>,
    /// Where messages go.
    pub dispatch: Callback<Msg>,
}

/// How many candidates are shown.
const SHOWN: usize = 8;

/// The console.
#[component]
pub fn SyscallConsole(Props { console, caller, processes, dispatch }: &Props) -> Html {
    let chosen = dispatch.reform(|event: Event| Msg::CallTask(chosen_value(&event).parse().ok().map(TaskId)));
    let typed = dispatch.reform(|event: InputEvent| {
        let field = event.target_dyn_into::<web_sys::HtmlInputElement>();
        let cursor = field.as_ref().map_or(0, cursor_of);
        Msg::CallDraft(field.map(|f| f.value()).unwrap_or_default(), cursor)
    });
    let pressed = {
        let dispatch = dispatch.clone();
        let (count, chosen) = (console.completion.candidates.len(), console.chosen);
        let empty = console.draft.is_empty();
        Callback::from(move |event: KeyboardEvent| {
            let key = Key::from(&event);
            let msg = match key.name.as_str() {
                "Enter" if !event.is_composing() => Msg::CallEnter,
                "ArrowDown" if count > 0 => Msg::CallChoose(1),
                "ArrowUp" if count > 0 => Msg::CallChoose(-1),
                "Tab" if !key.shift && count > 0 && !empty => Msg::CallComplete(chosen),
                _ => return,
            };
            event.prevent_default();
            dispatch.emit(msg);
        })
    };
    let from = console.chosen.saturating_sub(SHOWN - 1);
    let candidates = console.completion.candidates.iter().enumerate().skip(from).take(SHOWN);
    let more = console.completion.candidates.len().saturating_sub(from + SHOWN);
    html! {
        <div class="calls">
            <h2><label for="syscall-input">{ t!("System call") }</label></h2>
            <div class="calls__line">
                <select class="calls__caller" aria-label={t!("Process that makes the call")} onchange={chosen}>
                    { for processes.iter().map(|(task, name)| html! {
                        <option value={task.0.to_string()} selected={Some(*task) == *caller}>{ name }</option>
                    }) }
                </select>
                <input id="syscall-input" class="calls__input" data-testid="syscall-input" value={console.draft.clone()}
                    placeholder="unshare(CLONE_NEWPID)" spellcheck="false" autocomplete="off" autocapitalize="off"
                    aria-describedby="syscall-hint" oninput={typed} onkeydown={pressed} />
            </div>
            <div id="syscall-hint" class="calls__hint">
                if let Some(error) = &console.error {
                    <p class="calls__error" role="alert">{ error }</p>
                }
                if !console.completion.candidates.is_empty() {
                    <ul class="calls__candidates" aria-label={t!("Completions")}>
                        { for candidates.map(|(i, c)| candidate(i, c, i == console.chosen, dispatch)) }
                    </ul>
                    if more > 0 { <p class="view__more">{ t!("and {n} more", n = more) }</p> }
                }
                { for console.completion.call.iter().map(hint) }
            </div>
        </div>
    }
}

fn candidate(index: usize, candidate: &Candidate, chosen: bool, dispatch: &Callback<Msg>) -> Html {
    let take = dispatch.reform(move |_: web_sys::MouseEvent| Msg::CallComplete(index));
    html! {
        <li key={index}>
            <button type="button" class={classes!("candidate", chosen.then_some("is-chosen"))} tabindex="-1" onclick={take}>
                <span class="candidate__text">{ &candidate.text }</span>
                <span class="candidate__about" lang="en">{ &candidate.about }</span>
            </button>
        </li>
    }
}

fn hint(hint: &Hint) -> Html {
    html! {
        <div class="calls__about">
            <p><code>{ &hint.signature }</code>{ " " }<span class="inspector__source">{ hint.man }</span></p>
            if !hint.accepts.is_empty() { <p>{ &hint.accepts }</p> }
            if let Some(limits) = hint.limits { <p>{ t!("Not modelled:") }{ " " }<span lang="en">{ limits }</span></p> }
            if !hint.errors.is_empty() {
                <dl class="calls__errors" lang="en">
                    { for hint.errors.iter().map(|(errno, why)| html! { <div><dt>{ errno.name() }</dt><dd>{ *why }</dd></div> }) }
                </dl>
            }
        </div>
    }
}
