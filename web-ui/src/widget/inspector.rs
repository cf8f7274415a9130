//! The inspector: the step that is shown, in one sentence; what it has changed; who and when; and the
//! steps around it.

use std::rc::Rc;

use kernel_model::projection::changes::Fact;
use yew::{Callback, Html, Properties, classes, component, html};

use super::glyph;
use super::mark::{change_class, change_mark};
use crate::language::translated;
use crate::state::Msg;
use crate::step::{Nearby, Refusal, Step, Who};

/// Props of [`Inspector`].
#[derive(Clone, PartialEq, Properties)]
pub struct Props {
    /// The step.
    pub step: Rc<Step>,
    /// Where messages go.
    pub dispatch: Callback<Msg>,
}

/// The inspector.
#[component]
pub fn Inspector(Props { step, dispatch }: &Props) -> Html {
    html! {
        <aside class="inspector" data-testid="inspector" aria-label={t!("Inspector")}>
            <p class="inspector__number">
                    if let Some(family) = step.family {
                        <span class={glyph::class(family)}>{ glyph::sign(family) }</span>
                        { " " }{ translated(family.label()) }
                    }
                <span class="inspector__step">{ t!("step {number}", number = step.number) }</span>
            </p>
            // What is said aloud: not the number, which changes all the time while the machine runs.
            <div class="inspector__now" aria-live="polite">
                <p class="inspector__sentence" lang={step.language}>{ &step.sentence }</p>
                if !step.source.is_empty() {
                    <p class="inspector__source" lang="en">{ &step.source }</p>
                }
                if let Some(call) = &step.call {
                    <pre class="inspector__call">{ call }</pre>
                }
                { for step.refusal.iter().map(refusal) }
            </div>
            { for step.who.iter().map(|w| who(w, &step.when)) }
            <h2>{ t!("What changed") }</h2>
            if step.changes.facts.is_empty() {
                <p class="inspector__nothing">{ t!("Nothing that can be seen.") }</p>
            } else {
                <ul class="facts" lang="en">{ for step.changes.facts.iter().map(fact) }</ul>
                if step.changes.left_out > 0 {
                    <p class="view__more">{ t!("and {n} more", n = step.changes.left_out) }</p>
                }
            }
            <h2>{ t!("Steps around it") }</h2>
            <ol class="around" lang="en">{ for step.around.iter().map(|n| nearby(n, step.number, dispatch)) }</ol>
        </aside>
    }
}

fn refusal(refusal: &Refusal) -> Html {
    html! {
        <div class="refusal" lang="en">
            <p><strong>{ refusal.errno }</strong>{ " " }{ refusal.text }</p>
            { for refusal.rules.iter().map(|rule| html! { <p>{ rule }</p> }) }
            <p class="inspector__source">{ refusal.man }</p>
        </div>
    }
}

fn who(who: &Who, when: &str) -> Html {
    html! {
        <p class="inspector__who">
            <span class="pill pill--still">
                <span class="pill__name">{ &who.comm }</span>
                { for who.numbers.iter().enumerate().map(|(i, (inum, nr))| html! {
                    <span class={if i == 0 { "pill__nr" } else { "pill__own" }} title={t!("in {ns}", ns = format!("pid:[{inum}]"))}>{ nr }</span>
                }) }
            </span>
            <span class="inspector__when">{ when }</span>
        </p>
    }
}

fn fact(fact: &Fact) -> Html {
    html! {
        <li class={classes!("fact", change_class(fact.change))}>
            { change_mark(fact.change) }
            <span class="fact__subject">{ &fact.subject }</span>
            <span class="fact__what">{ &fact.what }</span>
        </li>
    }
}

fn nearby(near: &Nearby, now: u64, dispatch: &Callback<Msg>) -> Html {
    let position = near.position;
    let go = dispatch.reform(move |_| Msg::Seek(position));
    let current = position == now;
    html! {
        <li key={position} class={classes!("around__step", format!("around__step--{}", near.depth), current.then_some("is-now"), near.in_step.then_some("is-in-step"))}>
            <button type="button" onclick={go} aria-current={current.then_some("step")}>
                <span class={glyph::class(near.family)} aria-hidden="true">{ glyph::sign(near.family) }</span>
                <span class="around__label">{ &near.label }</span>
            </button>
        </li>
    }
}
