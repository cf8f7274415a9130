//! Compare: the last command on several machines, a lane a machine, aligned by system call. What is the same everywhere is
//! quiet; what differs has the colour.

use std::rc::Rc;

use hypervisor_model::machine::Platform;
use hypervisor_model::projection::comparison::{CallRow, Cell, Comparison};
use kernel_model::event::EventKind;
use yew::{Callback, Html, Properties, classes, component, html, use_state};

use super::below::grouped;
use super::{Picture, Subject, View};
use crate::state::Msg;
use crate::widget::twin::{Text, Twin};

/// The view on the stage.
pub const VIEW: View = View {
    name: "compare",
    title: "Compare",
    subject: Subject::Model,
    about: "The same command on several machines, aligned by system call",
    concerns: |_: &EventKind| false,
    looks_back: false,
    picture: |_| {
        Picture::new(move |look| {
            html! { <CompareView comparison={look.compared.clone()} comparing={look.comparing} dispatch={look.dispatch.clone()} /> }
        })
    },
};

/// Props of [`CompareView`].
#[derive(Clone, PartialEq, Properties)]
pub struct Props {
    /// What is shown.
    pub comparison: Rc<Comparison>,
    /// How much of another one is done, in percent.
    pub comparing: Option<u32>,
    /// Where messages go.
    pub dispatch: Callback<Msg>,
}

/// The view.
#[component]
pub fn CompareView(Props { comparison, comparing, dispatch }: &Props) -> Html {
    let chosen = use_state(|| vec![Platform::Native, Platform::KvmEpt, Platform::KvmShadow]);
    let toggle = |platform: Platform| {
        let chosen = chosen.clone();
        Callback::from(move |_: web_sys::MouseEvent| {
            let mut next: Vec<Platform> = (*chosen).clone();
            match next.iter().position(|known| *known == platform) {
                Some(at) if next.len() > 1 => {
                    next.remove(at);
                }
                Some(_) => {}
                None => next.push(platform),
            }
            next.sort();
            chosen.set(next);
        })
    };
    let run = {
        let platforms = (*chosen).clone();
        dispatch.reform(move |_: web_sys::MouseEvent| Msg::Compare(platforms.clone()))
    };
    html! {
        <section class="view compare" data-testid="view-compare" aria-label={t!("The same command on several machines")}>
            <Twin title={t!("Compare")} text={Text::of(comparison, Comparison::text)}>
                <div class="compare__choice">
                    { for Platform::all().map(|p| {
                        let on = chosen.contains(&p);
                        html! { <button type="button" class={classes!("tab", on.then_some("is-shown"))} aria-pressed={on.to_string()} title={p.about()} onclick={toggle(p)}>{ p.to_string() }</button> }
                    }) }
                    <button type="button" class="compare__run" data-testid="compare-run" onclick={run}>{ t!("compare the last command") }</button>
                </div>
                if let Some(percent) = comparing {
                    <p class="compare__work" data-testid="compare-progress">
                        <progress max="100" value={percent.to_string()} aria-label={t!("comparing")}></progress>
                        <span>{ t!("comparing: {percent} %", percent = percent) }</span>
                        <button type="button" onclick={dispatch.reform(|_: web_sys::MouseEvent| Msg::CompareCancel)}>{ t!("cancel") }</button>
                    </p>
                }
                if comparison.platforms.is_empty() {
                    <p class="view__more">{ t!("The session up to the cursor is made on each machine that is chosen; what its last command cost is shown here, call by call.") }</p>
                } else {
                    { table(comparison) }
                }
            </Twin>
        </section>
    }
}

fn table(comparison: &Comparison) -> Html {
    let dearest = comparison.dearest().max(1);
    html! {
        <>
            <p><code>{ &comparison.what }</code>{ ": " }{ t!("modelled cycles, and VM exits where there were any") }
                if comparison.is_cut { { "; " }{ t!("cut off after many turns") } }
            </p>
            <div class="compare__scroll" tabindex="0" role="group" aria-label={t!("Calls and what they cost")}>
                <table class="compare__table">
                    <thead><tr><th scope="col">{ t!("system call") }</th>{ for comparison.platforms.iter().map(|p| html! { <th scope="col">{ p.to_string() }</th> }) }</tr></thead>
                    <tbody>{ for comparison.calls.iter().map(|row| call(row, dearest)) }</tbody>
                    <tfoot><tr><th scope="row">{ t!("all") }</th>{ for comparison.totals.iter().map(|total| cell(*total, false, 1)) }</tr></tfoot>
                </table>
            </div>
            if comparison.left_out > 0 { <p class="view__more">{ t!("{n} more calls are in the sum", n = comparison.left_out) }</p> }
        </>
    }
}

fn call(row: &CallRow, dearest: u64) -> Html {
    let first = row.cells.first().copied().unwrap_or_default();
    html! {
        <tr>
            <th scope="row">{ row.name }</th>
            { for row.cells.iter().map(|c| cell(*c, c.cycles != first.cycles, dearest)) }
        </tr>
    }
}

fn cell(cell: Cell, differs: bool, dearest: u64) -> Html {
    let words = match cell.exits {
        0 => grouped(cell.cycles),
        n => format!("{} · {n}×", grouped(cell.cycles)),
    };
    let title = t!(
        "{exits} VM exits, {crossings} ring crossings, {references} references of walks",
        exits = cell.exits,
        crossings = cell.crossings,
        references = cell.references
    );
    html! {
        <td class={classes!(differs.then_some("differs"))} {title}>
            { words }
            if dearest > 1 { <i aria-hidden="true" style={format!("width: {}%", cell.cycles * 100 / dearest)}></i> }
        </td>
    }
}
