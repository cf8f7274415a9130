//! xenstore as a tree, as one of the domains sees it, and the handshakes of drivers in it.

use std::rc::Rc;

use hypervisor_model::projection::xen::store::{Handshake, STATES, Store, StoreNode};
use kernel_model::event::EventKind;
use kernel_model::machine::report::Report;
use kernel_model::projection::Change;
use yew::{Callback, Event, Html, Properties, classes, component, html, use_state};

use super::xen::{no_xen, picture_of};
use super::{Picture, Subject, View};
use crate::browser::element;
use crate::state::Msg;
use crate::widget::mark::{change_class, change_mark};
use crate::widget::twin::{Text, Twin};

/// The view on the stage.
pub const VIEW: View = View {
    name: "xenstore",
    title: "xenstore",
    subject: Subject::Xen,
    about: "The tree in which domains find each other, as each of them sees it, and the handshakes of drivers",
    concerns: |kind: &EventKind| match kind {
        EventKind::Machine(Report::Did(deed)) => deed.name == "xenbus" || deed.name == "xenstore",
        _ => false,
    },
    looks_back: false,
    picture: |moment| {
        let found = picture_of(moment, Store::of_step);
        let (is_there, store) = (found.is_some(), found.unwrap_or_default());
        Picture::new(move |look| {
            html! { <XenstoreView store={store.clone()} {is_there} dispatch={look.dispatch.clone()} /> }
        })
    },
};

/// Props of [`XenstoreView`].
#[derive(Clone, PartialEq, Properties)]
pub struct Props {
    /// What is shown.
    pub store: Rc<Store>,
    /// There is Xen below.
    pub is_there: bool,
    /// Where messages go.
    pub dispatch: Callback<Msg>,
}

/// The view.
#[component]
pub fn XenstoreView(Props { store, is_there, dispatch }: &Props) -> Html {
    let chosen = use_state(|| 0_u16);
    let viewer = if store.viewers.iter().any(|(id, _)| *id == *chosen) { *chosen } else { 0 };
    let choose = {
        let chosen = chosen.clone();
        Callback::from(move |event: Event| chosen.set(element::chosen_value(&event).parse().unwrap_or(0)))
    };
    html! {
        <section class="view xenstore" data-testid="view-xenstore" aria-label={t!("The tree of xenstore")}>
            <Twin title={"xenstore"} text={Text::of(store, Store::text)}>
                if !*is_there {
                    { no_xen(dispatch) }
                } else {
                    <p lang="en">{ store.summary() }</p>
                    { for store.handshakes.iter().map(handshake) }
                    <p class="xenstore__who">
                        <label for="xenstore-viewer">{ t!("as it is seen by") }</label>
                        <select id="xenstore-viewer" onchange={choose}>
                            { for store.viewers.iter().map(|(id, name)| html! {
                                <option value={id.to_string()} selected={*id == viewer}>{ format!("d{id} {name}") }</option>
                            }) }
                        </select>
                    </p>
                    <div class="xen-scroll" tabindex="0" role="group" aria-label={t!("The tree of xenstore")}>
                        <ul class="xenstore__tree">{ for store.seen_by(viewer).map(node) }</ul>
                    </div>
                }
            </Twin>
        </section>
    }
}

/// Both halves on the way from Initialising to Connected, and on to Closed.
fn handshake(shake: &Handshake) -> Html {
    let half = |name: &'static str, (state, change): (usize, Change)| {
        html! {
            <li class={classes!("xenstore__half", change_class(change))}>
                <span class="xenstore__name">{ name }</span>
                <ol class="xenstore__states" lang="en">
                    { for STATES.iter().enumerate().skip(1).take(6).map(|(n, word)| html! {
                        <li class={classes!("xenstore__state", (n == state).then_some("is-now"), (n < state).then_some("is-past"))}
                            aria-current={(n == state).then_some("step")}>{ format!("{n} {word}") }</li>
                    }) }
                </ol>
                { change_mark(change) }
            </li>
        }
    };
    html! {
        <div class="xenstore__shake">
            <h3 lang="en">{ &shake.device }</h3>
            <ul>{ half(t!("frontend"), shake.front) }{ half(t!("backend"), shake.back) }</ul>
        </div>
    }
}

fn node(node: &StoreNode) -> Html {
    html! {
        <li class={classes!("xenstore__node", change_class(node.change))} style={format!("--depth: {}", node.depth)} title={node.path.clone()}>
            <span class="xenstore__key">{ &node.name }</span>
            if !node.value.is_empty() { <code>{ format!("\"{}\"", node.value) }</code> }
            if let Some(state) = node.state { <b lang="en">{ state }</b> }
            if let Some(was) = &node.was { <small>{ t!("was {value}", value = was) }</small> }
            <small class="xenstore__rights">{ format!("({})", node.permissions) }</small>
            { change_mark(node.change) }
        </li>
    }
}
