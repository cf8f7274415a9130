//! VM exits: lanes of who has the processor, time runs down, each crossing is an arrow with its reason and its cost.

use std::rc::Rc;

use hypervisor_model::projection::exit_lanes::{ExitLanes, Row};
use kernel_model::event::{EventKind, Family};
use kernel_model::machine::report::{DeedKind, Lane};
use kernel_model::timeline::Direction;
use yew::{Callback, Html, Properties, classes, component, html};

use super::below::{bars, grouped, no_machine};
use super::{Picture, Subject, View};
use crate::state::Msg;
use crate::widget::twin::{Text, Twin};

/// The view on the stage.
pub const VIEW: View = View {
    name: "exits",
    title: "VM exits",
    subject: Subject::Processor,
    about: "Who has the processor, what takes it away from a guest, and what is done about it",
    concerns: |kind: &EventKind| kind.family() == Family::Exit,
    looks_back: false,
    picture: |moment| {
        let (before, after) = moment.machines;
        let lanes = Rc::new(ExitLanes::of(moment.events, moment.after, &before.vm_exits(), &after.vm_exits()));
        let is_watched = moment.platform != 0;
        Picture::new(move |look| {
            html! { <ExitsView lanes={lanes.clone()} {is_watched} dispatch={look.dispatch.clone()} /> }
        })
    },
};

/// Props of [`ExitsView`].
#[derive(Clone, PartialEq, Properties)]
pub struct Props {
    /// What is shown.
    pub lanes: Rc<ExitLanes>,
    /// Somebody looks at the machine.
    pub is_watched: bool,
    /// Where messages go.
    pub dispatch: Callback<Msg>,
}

/// The view.
#[component]
pub fn ExitsView(Props { lanes, is_watched, dispatch }: &Props) -> Html {
    let until = |direction| dispatch.reform(move |_: web_sys::MouseEvent| Msg::Until(Family::Exit, direction));
    html! {
        <section class="view exits" data-testid="view-exits" aria-label={t!("VM exits in lanes")}>
            <Twin title={t!("VM exits")} text={Text::of(lanes, ExitLanes::text)}>
                if !*is_watched {
                    { no_machine(dispatch) }
                } else {
                    <p class="exits__head">
                        <span lang="en">{ lanes.summary() }</span>
                        <button type="button" onclick={until(Direction::Back)}>{ t!("to the exit before") }</button>
                        <button type="button" onclick={until(Direction::Forward)}>{ t!("run to next exit") }</button>
                    </p>
                    if !lanes.rows.is_empty() { { table(lanes) } }
                    if !lanes.histogram.is_empty() { { bars(t!("exit reason"), &lanes.histogram) } }
                }
            </Twin>
        </section>
    }
}

fn table(lanes: &ExitLanes) -> Html {
    html! {
        <div class="exits__scroll" tabindex="0" role="group" aria-label={t!("What happened in the step")}>
            if lanes.left_out > 0 { <p class="view__more">{ t!("{n} rows before these", n = lanes.left_out) }</p> }
            <table class="exits__lanes">
                <thead><tr>
                    { for lanes.lanes.iter().map(|lane| html! { <th scope="col">{ lane.label() }</th> }) }
                    <th scope="col">{ t!("cycles") }</th>
                </tr></thead>
                <tbody lang="en">{ for lanes.rows.iter().map(|r| row(&lanes.lanes, r)) }</tbody>
            </table>
        </div>
    }
}

fn row(lanes: &[Lane], row: &Row) -> Html {
    let place = |lane: Lane| lanes.iter().position(|known| *known == lane).unwrap_or(0);
    let (from, to) = (place(row.from), place(row.to));
    let (first, last) = (from.min(to), from.max(to));
    let class = classes!(
        "exits__row",
        match row.kind {
            Some(DeedKind::Exit) => Some("is-exit"),
            Some(DeedKind::Entry) => Some("is-entry"),
            None => Some("is-operation"),
            _ => None,
        },
        row.crosses().then_some("is-crossing")
    );
    let arrow = match (row.crosses(), to > from) {
        (false, _) => "",
        (true, true) => " →",
        (true, false) => "← ",
    };
    let words = if to < from { format!("{arrow}{}", row.name) } else { format!("{}{arrow}", row.name) };
    html! {
        <tr {class} title={row.sentence.clone()}>
            { for (0..first).map(|_| html! { <td></td> }) }
            <td colspan={(last - first + 1).to_string()} class="exits__what"><span>{ words }</span></td>
            { for (last + 1..lanes.len()).map(|_| html! { <td></td> }) }
            <td class="exits__cycles">{ if row.cycles > 0 { grouped(row.cycles) } else { String::new() } }</td>
        </tr>
    }
}
