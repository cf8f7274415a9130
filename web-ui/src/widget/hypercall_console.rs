//! The hypercall console: there when Xen is below, beside the one for system calls.

use std::rc::Rc;

use hypervisor_model::xen::typed::complete::{Candidate, Hint};
use yew::{Callback, Event, Html, InputEvent, KeyboardEvent, Properties, TargetCast, classes, component, html};

use crate::browser::element::{chosen_value, cursor_of};
use crate::browser::key::Key;
use crate::hypercall_console::HypercallConsole;
use crate::message::HypercallMsg;
use crate::state::Msg;

/// Props of [`HypercallPane`].
#[derive(Clone, PartialEq, Properties)]
pub struct Props {
    /// Its state.
    pub console: HypercallConsole,
    /// The domains: number and name.
    pub domains: Rc<Vec<(u16, String)>>,
    /// Where messages go.
    pub dispatch: Callback<Msg>,
}

/// What stands in the empty field.
const EXAMPLE: &str = "event_channel_op(EVTCHNOP_send, {port=8})";

/// How many candidates are shown.
const SHOWN: usize = 8;

/// The console.
#[component]
pub fn HypercallPane(Props { console, domains, dispatch }: &Props) -> Html {
    let send = dispatch.reform(Msg::Hypercall);
    let chosen = send.reform(|event: Event| HypercallMsg::Domain(chosen_value(&event).parse().unwrap_or(0)));
    let typed = send.reform(|event: InputEvent| {
        let field = event.target_dyn_into::<web_sys::HtmlInputElement>();
        let cursor = field.as_ref().map_or(0, cursor_of);
        HypercallMsg::Draft(field.map(|f| f.value()).unwrap_or_default(), cursor)
    });
    let pressed = {
        let send = send.clone();
        let (count, chosen) = (console.completion.candidates.len(), console.chosen);
        let is_empty = console.draft.is_empty();
        Callback::from(move |event: KeyboardEvent| {
            let key = Key::from(&event);
            let msg = match key.name.as_str() {
                "Enter" if !event.is_composing() => HypercallMsg::Enter,
                "ArrowDown" if count > 0 => HypercallMsg::Choose(1),
                "ArrowUp" if count > 0 => HypercallMsg::Choose(-1),
                "Tab" if !key.shift && count > 0 && !is_empty => HypercallMsg::Complete(chosen),
                _ => return,
            };
            event.prevent_default();
            send.emit(msg);
        })
    };
    let from = console.chosen.saturating_sub(SHOWN - 1);
    let candidates = console.completion.candidates.iter().enumerate().skip(from).take(SHOWN);
    let more = console.completion.candidates.len().saturating_sub(from + SHOWN);
    html! {
        <div class="calls calls--below">
            <h2><label for="hypercall-input">{ t!("Hypercall") }</label></h2>
            <div class="calls__line">
                <select class="calls__caller" aria-label={t!("Domain that makes the hypercall")} onchange={chosen}>
                    { for domains.iter().map(|(id, name)| html! {
                        <option value={id.to_string()} selected={*id == console.domain}>{ format!("d{id} {name}") }</option>
                    }) }
                </select>
                <input id="hypercall-input" class="calls__input" data-testid="hypercall-input" value={console.draft.clone()}
                    placeholder={EXAMPLE} spellcheck="false" autocomplete="off" autocapitalize="off"
                    aria-describedby="hypercall-hint" oninput={typed} onkeydown={pressed} />
            </div>
            <div id="hypercall-hint" class="calls__hint">
                if let Some(error) = &console.error {
                    <p class="calls__error" role="alert" lang="en">{ error }</p>
                }
                if !console.completion.candidates.is_empty() {
                    <ul class="calls__candidates" aria-label={t!("Completions")}>
                        { for candidates.map(|(i, c)| candidate(i, c, i == console.chosen, &send)) }
                    </ul>
                    if more > 0 { <p class="view__more">{ t!("and {n} more", n = more) }</p> }
                }
                { for console.completion.call.iter().map(hint) }
            </div>
        </div>
    }
}

fn candidate(index: usize, candidate: &Candidate, chosen: bool, send: &Callback<HypercallMsg>) -> Html {
    let take = send.reform(move |_: web_sys::MouseEvent| HypercallMsg::Complete(index));
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
    let numbers = format!("__HYPERVISOR {}", hint.numbers);
    html! {
        <div class="calls__about">
            <p><code>{ &hint.form }</code>{ " " }<span class="inspector__source">{ numbers }</span></p>
            <p lang="en">{ hint.meaning }</p>
            if let Some(limits) = hint.limits { <p>{ t!("Not modelled beyond this:") }{ " " }<span lang="en">{ limits }</span></p> }
            if !hint.errors.is_empty() {
                <dl class="calls__errors calls__errors--below" lang="en">
                    { for hint.errors.iter().map(|error| html! { <div><dt>{ error.name }</dt><dd>{ error.rule }</dd></div> }) }
                </dl>
            }
        </div>
    }
}
