//! The system-call console: one call for a chosen process, in the syntax of strace.

use std::rc::Rc;

use kernel_model::strace::complete::Hint;
use kernel_model::task::TaskId;
use yew::{Callback, Event, Html, Properties, component, html};

use super::call_field::{Around, call_field};
use crate::browser::element::chosen_value;
use crate::calls::CallConsole;
use crate::message::CallMsg;
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

/// The console.
#[component]
pub fn SyscallConsole(Props { console, caller, processes, dispatch }: &Props) -> Html {
    let send = dispatch.reform(Msg::Call);
    let chosen = send.reform(|event: Event| CallMsg::Task(chosen_value(&event).parse().ok().map(TaskId)));
    let around = Around {
        name: "syscall",
        title: t!("System call"),
        example: "unshare(CLONE_NEWPID)",
        caller: html! {
            <select class="calls__caller" aria-label={t!("Process that makes the call")} onchange={chosen}>
                { for processes.iter().map(|(task, name)| html! {
                    <option value={task.0.to_string()} selected={Some(*task) == *caller}>{ name }</option>
                }) }
            </select>
        },
        hint: console.field.completion.call.iter().map(hint).collect(),
    };
    html! { <div class="calls">{ call_field(&console.field, around, &send.reform(CallMsg::Field)) }</div> }
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
