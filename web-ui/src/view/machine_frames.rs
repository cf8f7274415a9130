//! Machine frames under Xen: whose each is, what it is used as, and how often; a page table is a square with its level in it.

use std::rc::Rc;

use hypervisor_model::projection::xen::frames::{FrameBox, FrameChange, MachineFrames, TypeShare, words};
use kernel_model::event::EventKind;
use kernel_model::machine::report::Report;
use kernel_model::projection::Change;
use yew::{Callback, Html, KeyboardEvent, Properties, classes, component, html, use_state};

use super::below::grouped;
use super::xen::{no_xen, picture_of};
use super::{Picture, Subject, View};
use crate::browser::key::Key;
use crate::state::Msg;
use crate::widget::mark::change_mark;
use crate::widget::twin::{Text, Twin};

/// The view on the stage.
pub const VIEW: View = View {
    name: "machine-frames",
    title: "Page types",
    subject: Subject::Xen,
    about: "Who owns each frame under Xen, its type, and the counts that keep a page table from being written",
    concerns: |kind: &EventKind| match kind {
        EventKind::Machine(Report::Did(deed)) => matches!(deed.name, "mmu_update" | "mmuext_op" | "update_va_mapping"),
        _ => false,
    },
    looks_back: false,
    picture: |moment| {
        let found = picture_of(moment, MachineFrames::of_step);
        let (is_there, frames) = (found.is_some(), found.unwrap_or_default());
        Picture::new(move |look| {
            html! { <MachineFramesView frames={frames.clone()} {is_there} dispatch={look.dispatch.clone()} /> }
        })
    },
};

/// Props of [`MachineFramesView`].
#[derive(Clone, PartialEq, Properties)]
pub struct Props {
    /// What is shown.
    pub frames: Rc<MachineFrames>,
    /// There is Xen below.
    pub is_there: bool,
    /// Where messages go.
    pub dispatch: Callback<Msg>,
}

/// The view.
#[component]
pub fn MachineFramesView(Props { frames, is_there, dispatch }: &Props) -> Html {
    let pointed = use_state(|| None::<u64>);
    let point = {
        let pointed = pointed.clone();
        Callback::from(move |frame| pointed.set(frame))
    };
    let at = pointed.and_then(|frame| frames.tables.iter().position(|table| table.frame == frame));
    let said = at.map(|at| &frames.tables[at]);
    // The field is one stop of the tabulator; arrows go from square to square.
    let moved = {
        let (point, frames) = (point.clone(), frames.clone());
        Callback::from(move |event: KeyboardEvent| {
            let last = frames.tables.len().saturating_sub(1);
            let to = match Key::from(&event).name.as_str() {
                "ArrowRight" => at.map_or(0, |at| (at + 1).min(last)),
                "ArrowLeft" => at.map_or(0, |at| at.saturating_sub(1)),
                "Home" => 0,
                "End" => last,
                _ => return,
            };
            event.prevent_default();
            point.emit(frames.tables.get(to).map(|table| table.frame));
        })
    };
    html! {
        <section class="view machine-frames" data-testid="view-machine-frames" aria-label={t!("Frames of the machine with their types")}>
            <Twin title={t!("Page types")} text={Text::of(frames, MachineFrames::text)}>
                if !*is_there {
                    { no_xen(dispatch) }
                } else {
                    <p lang="en">{ frames.summary() }</p>
                    if !frames.changes.is_empty() { { changes(&frames.changes, frames.changes_left_out) } }
                    <h3>{ t!("Frames that are page tables") }</h3>
                    <p class="machine-frames__said" role="status">
                        { said.map_or_else(|| t!("Point at a square, or go there by arrow keys. The number in it is the level of the table; a pinned one has a double edge.").to_owned(), |table| format!("{:#x}: {}", table.frame, words(table))) }
                    </p>
                    <div class="machine-frames__field" tabindex="0" role="group" aria-label={t!("Frames that are page tables; arrows go from one to the next")} onkeydown={moved}>
                        { for frames.tables.iter().map(|table| square(table, *pointed == Some(table.frame), &point)) }
                    </div>
                    if frames.tables_left_out > 0 { <p class="view__more">{ t!("and {n} more", n = frames.tables_left_out) }</p> }
                    { shares(&frames.shares) }
                }
            </Twin>
        </section>
    }
}

fn class_of(owner: &str) -> &'static str {
    match owner {
        "Xen" => "is-control",
        "d0" => "is-host",
        _ => "is-guest",
    }
}

fn square(table: &FrameBox, is_pointed: bool, point: &Callback<Option<u64>>) -> Html {
    let frame = table.frame;
    let class = classes!(
        "machine-frames__square",
        class_of(&table.owner),
        table.is_pinned.then_some("is-pinned"),
        table.is_changed.then_some("is-changed"),
        is_pointed.then_some("is-pointed")
    );
    html! {
        <span {class} title={format!("{frame:#x}: {}", words(table))} onclick={point.reform(move |_| Some(frame))}
            onmouseenter={point.reform(move |_| Some(frame))}>{ table.level }</span>
    }
}

fn shares(shares: &[TypeShare]) -> Html {
    html! {
        <table class="below-bars">
            <thead><tr><th scope="col">{ t!("owner") }</th><th scope="col">{ t!("type") }</th><th scope="col">{ t!("before") }</th><th scope="col">{ t!("after") }</th></tr></thead>
            <tbody>
                { for shares.iter().map(|share| html! {
                    <tr class={(share.frames.0 != share.frames.1).then_some("is-changed")}>
                        <th scope="row"><i class={classes!("frames__key", class_of(&share.owner))} aria-hidden="true"></i>{ &share.owner }</th>
                        <td>{ share.kind }</td><td>{ grouped(share.frames.0) }</td>
                        <td>{ grouped(share.frames.1) }if share.frames.0 != share.frames.1 { { change_mark(Change::Changed) } }</td>
                    </tr>
                }) }
            </tbody>
        </table>
    }
}

fn changes(changes: &[FrameChange], left_out: usize) -> Html {
    html! {
        <>
            <h3>{ t!("Frames that the step has changed") }</h3>
            <div class="xen-scroll" tabindex="0" role="group" aria-label={t!("Frames that the step has changed")}>
                <table class="xen-table">
                    <thead><tr>
                        <th scope="col">{ t!("frame") }</th><th scope="col">{ t!("owner") }</th><th scope="col">{ t!("type") }</th>
                        <th scope="col">{ t!("type count") }</th><th scope="col">{ t!("existence count") }</th>
                    </tr></thead>
                    <tbody>{ for changes.iter().map(change) }</tbody>
                </table>
            </div>
            if left_out > 0 { <p class="view__more">{ t!("and {n} more", n = left_out) }</p> }
        </>
    }
}

fn change((was, is): &FrameChange) -> Html {
    let moved = |before: String, after: String| {
        if before == after { after } else { format!("{before} → {after}") }
    };
    let kind =
        |frame: &FrameBox| if frame.is_pinned { format!("{} pinned", frame.kind) } else { frame.kind.to_owned() };
    html! {
        <tr>
            <td>{ format!("{:#x}", is.frame) }</td>
            <td>{ moved(was.owner.clone(), is.owner.clone()) }</td>
            <td>{ moved(kind(was), kind(is)) }</td>
            <td>{ moved(was.uses.to_string(), is.uses.to_string()) }</td>
            <td>{ moved(was.references.to_string(), is.references.to_string()) }</td>
        </tr>
    }
}
