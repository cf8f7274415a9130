//! Frames: the machine's memory as a field of squares, coloured by whose they are.

use std::rc::Rc;

use hypervisor_model::memory::Owner;
use hypervisor_model::projection::frames::{Frames, SQUARE, Share, Square, owner_name};
use kernel_model::event::EventKind;
use yew::{Callback, Html, Properties, classes, component, html};

use super::below::{grouped, no_machine};
use super::{Picture, Subject, View};
use crate::state::Msg;
use crate::widget::twin::{Text, Twin};

/// The view on the stage.
pub const VIEW: View = View {
    name: "frames",
    title: "Frames",
    subject: Subject::Processor,
    about: "Who owns each frame of the machine's memory, and what the kernel uses its own for",
    concerns: |_: &EventKind| false,
    looks_back: false,
    picture: |moment| {
        let (before, after) = moment.machines;
        let frames = before.parts().zip(after.parts()).map(|(before, after)| Frames::of(before, after));
        let (is_watched, frames) = (frames.is_some(), Rc::new(frames.unwrap_or_default()));
        Picture::new(move |look| {
            html! { <FramesView frames={frames.clone()} {is_watched} dispatch={look.dispatch.clone()} /> }
        })
    },
};

/// Squares in a row of the field.
const COLUMNS: usize = 64;
/// A square's width and height, with its gap.
const CELL: usize = 9;

/// Props of [`FramesView`].
#[derive(Clone, PartialEq, Properties)]
pub struct Props {
    /// What is shown.
    pub frames: Rc<Frames>,
    /// Somebody looks at the machine.
    pub is_watched: bool,
    /// Where messages go.
    pub dispatch: Callback<Msg>,
}

/// The view.
#[component]
pub fn FramesView(Props { frames, is_watched, dispatch }: &Props) -> Html {
    html! {
        <section class="view frames" data-testid="view-frames" aria-label={t!("Frames of the machine's memory")}>
            <Twin title={t!("Frames")} text={Text::of(frames, Frames::text)}>
                if !*is_watched {
                    { no_machine(dispatch) }
                } else {
                    <p lang="en">{ frames.summary() }</p>
                    { field(&frames.squares) }
                    <p class="view__more">{ t!("A square is {n} MiB; filled where its frames hold something, framed where the step has changed that.", n = SQUARE / 256) }</p>
                    { shares(&frames.shares) }
                    { spaces(frames) }
                }
            </Twin>
        </section>
    }
}

fn class_of(owner: Owner) -> &'static str {
    match owner {
        Owner::Free => "is-free",
        Owner::Host | Owner::HostTable => "is-host",
        Owner::Guest(_) => "is-guest",
        Owner::ShadowTable(_) | Owner::NestedTable(_) => "is-table",
        Owner::Control(_) => "is-control",
    }
}

fn field(squares: &[Square]) -> Html {
    let (width, height) = (COLUMNS * CELL, squares.len().div_ceil(COLUMNS) * CELL);
    html! {
        <svg class="frames__field" viewBox={format!("0 0 {width} {height}")} role="img" aria-label={t!("The field; its numbers are in the table below")}>
            { for squares.iter().enumerate().map(|(i, square)| {
                let class = classes!("frames__square", class_of(square.owner), (square.used > 0).then_some("is-used"), square.is_changed.then_some("is-changed"));
                let (x, y) = (i % COLUMNS * CELL, i / COLUMNS * CELL);
                html! { <rect {class} x={x.to_string()} y={y.to_string()} width={(CELL - 2).to_string()} height={(CELL - 2).to_string()} /> }
            }) }
        </svg>
    }
}

fn shares(shares: &[Share]) -> Html {
    html! {
        <table class="below-bars">
            <thead><tr><th scope="col">{ t!("frames of") }</th><th scope="col">{ t!("before") }</th><th scope="col">{ t!("after") }</th></tr></thead>
            <tbody>
                { for shares.iter().map(|share| html! {
                    <tr class={(share.before != share.after).then_some("is-changed")}>
                        <th scope="row"><i class={classes!("frames__key", class_of(share.owner))} aria-hidden="true"></i>{ owner_name(share.owner) }</th>
                        <td>{ grouped(share.before) }</td><td>{ grouped(share.after) }</td>
                    </tr>
                }) }
            </tbody>
        </table>
    }
}

fn spaces(frames: &Frames) -> Html {
    html! {
        <table class="below-bars">
            <thead><tr><th scope="col">{ t!("address space") }</th><th scope="col">{ t!("page tables") }</th><th scope="col">{ t!("pages") }</th><th scope="col">{ t!("of them shared") }</th></tr></thead>
            <tbody>
                { for frames.spaces.iter().map(|space| html! {
                    <tr>
                        <th scope="row">{ space.mm }</th>
                        <td>{ grouped(space.tables) }</td><td>{ grouped(space.pages) }</td><td>{ grouped(space.shared) }</td>
                    </tr>
                }) }
            </tbody>
        </table>
    }
}
