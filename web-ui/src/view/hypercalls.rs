//! Hypercalls in lanes: a guest's programs, its kernel, Xen, domain 0; time runs down, each crossing is an arrow.

use std::rc::Rc;

use hypervisor_model::projection::xen::lanes::{Arrow, HypercallLanes, Lane};
use kernel_model::event::EventKind;
use kernel_model::machine::report::{DeedKind, Report};
use yew::{Callback, Html, Properties, classes, component, html};

use super::below::bars;
use super::xen::no_xen;
use super::{Picture, Subject, View};
use crate::state::Msg;
use crate::widget::twin::{Text, Twin};

/// The view on the stage.
pub const VIEW: View = View {
    name: "hypercalls",
    title: "Hypercalls",
    subject: Subject::Xen,
    about: "Who has the processor under Xen, what is asked of whom, and what comes back",
    concerns: |kind: &EventKind| match kind {
        EventKind::Machine(Report::Did(deed)) => deed.kind == DeedKind::Hypercall,
        EventKind::CalledBelow { .. } => true,
        _ => false,
    },
    looks_back: false,
    picture: |moment| {
        let (before, after) = moment.machines;
        let is_there = after.xen().is_some();
        let (before, after) = (&before.counters().hypercalls, &after.counters().hypercalls);
        let lanes = if is_there {
            HypercallLanes::of_step(moment.events, moment.after, before, after)
        } else {
            HypercallLanes::default()
        };
        let lanes = Rc::new(lanes);
        Picture::new(move |look| {
            html! { <HypercallsView lanes={lanes.clone()} {is_there} dispatch={look.dispatch.clone()} /> }
        })
    },
};

/// Props of [`HypercallsView`].
#[derive(Clone, PartialEq, Properties)]
pub struct Props {
    /// What is shown.
    pub lanes: Rc<HypercallLanes>,
    /// There is Xen below.
    pub is_there: bool,
    /// Where messages go.
    pub dispatch: Callback<Msg>,
}

/// The view.
#[component]
pub fn HypercallsView(Props { lanes, is_there, dispatch }: &Props) -> Html {
    html! {
        <section class="view hypercalls" data-testid="view-hypercalls" aria-label={t!("Hypercalls in lanes")}>
            <Twin title={t!("Hypercalls")} text={Text::of(lanes, HypercallLanes::text)}>
                if !*is_there {
                    { no_xen(dispatch) }
                } else {
                    <p lang="en">{ lanes.summary() }</p>
                    if !lanes.arrows.is_empty() { { table(lanes) } }
                    if !lanes.histogram.is_empty() { { bars(t!("hypercall of domain 0"), &lanes.histogram) } }
                }
            </Twin>
        </section>
    }
}

fn table(lanes: &HypercallLanes) -> Html {
    html! {
        <div class="exits__scroll" tabindex="0" role="group" aria-label={t!("What happened in the step")}>
            if lanes.left_out > 0 { <p class="view__more">{ t!("{n} rows before these", n = lanes.left_out) }</p> }
            <table class="exits__lanes hypercalls__lanes">
                <thead><tr>{ for Lane::ALL.iter().map(|lane| html! { <th scope="col" lang="en">{ lane.label() }</th> }) }</tr></thead>
                <tbody lang="en">{ for lanes.arrows.iter().map(row) }</tbody>
            </table>
        </div>
    }
}

fn row(arrow: &Arrow) -> Html {
    let place = |lane: Lane| Lane::ALL.iter().position(|known| *known == lane).unwrap_or(0);
    let (from, to) = (place(arrow.from), place(arrow.to));
    let (first, last) = (from.min(to), from.max(to));
    let crosses = from != to;
    let class = classes!(
        "exits__row",
        arrow.is_hypercall.then_some("is-exit"),
        arrow.is_refused.then_some("is-refused"),
        crosses.then_some("is-crossing")
    );
    let who = match (arrow.from, arrow.to) {
        (Lane::GuestUser | Lane::GuestKernel, _) | (_, Lane::GuestUser | Lane::GuestKernel) => {
            format!("d{} ", arrow.domain)
        }
        _ => String::new(),
    };
    // What happens in one lane needs its words, what crosses has its name.
    let is_named = crosses && !arrow.is_refused && arrow.name != "returns";
    let what = if is_named { arrow.name.clone() } else { arrow.text.clone() };
    let words = match (crosses, to > from) {
        (false, _) => format!("{who}{what}"),
        (true, true) => format!("{who}{what} →"),
        (true, false) => format!("← {who}{what}"),
    };
    html! {
        <tr {class} title={arrow.text.clone()}>
            { for (0..first).map(|_| html! { <td></td> }) }
            <td colspan={(last - first + 1).to_string()} class="exits__what"><span>{ words }</span></td>
            { for (last + 1..Lane::ALL.len()).map(|_| html! { <td></td> }) }
        </tr>
    }
}
