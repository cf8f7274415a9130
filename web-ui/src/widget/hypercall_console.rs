//! The hypercall console: there when Xen is below, beside the one for system calls.

use std::rc::Rc;

use hypervisor_model::xen::typed::complete::Hint;
use yew::{Callback, Event, Html, Properties, component, html};

use super::call_field::{Around, call_field};
use crate::browser::element::chosen_value;
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

/// The console.
#[component]
pub fn HypercallPane(Props { console, domains, dispatch }: &Props) -> Html {
    let send = dispatch.reform(Msg::Hypercall);
    let chosen = send.reform(|event: Event| HypercallMsg::Domain(chosen_value(&event).parse().unwrap_or(0)));
    let around = Around {
        name: "hypercall",
        title: t!("Hypercall"),
        example: "event_channel_op(EVTCHNOP_send, {port=8})",
        caller: html! {
            <select class="calls__caller" aria-label={t!("Domain that makes the hypercall")} onchange={chosen}>
                { for domains.iter().map(|(id, name)| html! {
                    <option value={id.to_string()} selected={*id == console.domain}>{ format!("d{id} {name}") }</option>
                }) }
            </select>
        },
        hint: console.field.completion.call.iter().map(hint).collect(),
    };
    html! {
        <div class="calls calls--below">{ call_field(&console.field, around, &send.reform(HypercallMsg::Field)) }</div>
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
