//! Grant tables and shared rings: what is lent to whom, and the indices of both sides turning in the ring.

use std::f64::consts::TAU;
use std::rc::Rc;

use hypervisor_model::projection::xen::grants::{GrantRow, Index, Lending, RingDial};
use kernel_model::event::EventKind;
use kernel_model::machine::report::Report;
use kernel_model::projection::Change;
use yew::{Callback, Html, Properties, classes, component, html};

use super::xen::{domain_tag, no_xen, picture_of};
use super::{Picture, Subject, View};
use crate::state::Msg;
use crate::widget::mark::{change_class, change_mark};
use crate::widget::twin::{Text, Twin};

/// The view on the stage.
pub const VIEW: View = View {
    name: "grants",
    title: "Grants and rings",
    subject: Subject::Xen,
    about: "Which frames domains lend each other, and how far both sides of each shared ring are",
    concerns: |kind: &EventKind| match kind {
        EventKind::Machine(Report::Did(deed)) => deed.name == "split driver" || deed.name == "grant_table_op",
        _ => false,
    },
    looks_back: false,
    picture: |moment| {
        let found = picture_of(moment, Lending::of_step);
        let (is_there, lending) = (found.is_some(), found.unwrap_or_default());
        Picture::new(move |look| {
            html! { <LendingView lending={lending.clone()} {is_there} dispatch={look.dispatch.clone()} /> }
        })
    },
};

/// Half the size of a ring's picture, and the inner and outer radius of its entries.
const HALF: f64 = 92.0;
const INNER: f64 = 44.0;
const OUTER: f64 = 64.0;
/// Entries that are drawn one by one; of a larger ring only those between the indices.
const DRAWN: u32 = 64;
/// Grants that are listed.
const SHOWN: usize = 120;

/// Props of [`LendingView`].
#[derive(Clone, PartialEq, Properties)]
pub struct Props {
    /// What is shown.
    pub lending: Rc<Lending>,
    /// There is Xen below.
    pub is_there: bool,
    /// Where messages go.
    pub dispatch: Callback<Msg>,
}

/// The view.
#[component]
pub fn LendingView(Props { lending, is_there, dispatch }: &Props) -> Html {
    html! {
        <section class="view grants" data-testid="view-grants" aria-label={t!("Grant tables and shared rings")}>
            <Twin title={t!("Grants and rings")} text={Text::of(lending, Lending::text)}>
                if !*is_there {
                    { no_xen(dispatch) }
                } else {
                    <p lang="en">{ lending.summary() }</p>
                    if !lending.rings.is_empty() {
                        <div class="grants__rings">{ for lending.rings.iter().map(ring) }</div>
                        <p class="view__more">{ t!("An entry is dark while the backend works at its request, framed while the request waits; a needle stands where the next one goes.") }</p>
                    }
                    if !lending.grants.is_empty() { { table(&lending.grants) } }
                }
            </Twin>
        </section>
    }
}

/// A point of the ring: the entry's beginning at a radius.
fn point(entry: f64, entries: u32, radius: f64) -> (f64, f64) {
    let angle = entry / f64::from(entries) * TAU - TAU / 4.0;
    (HALF + radius * angle.cos(), HALF + radius * angle.sin())
}

fn sector(entry: u32, entries: u32) -> String {
    let (from, to) = (f64::from(entry) + 0.06, f64::from(entry) + 0.94);
    let corners = [(from, INNER), (from, OUTER), (to, OUTER), (to, INNER)];
    let points: Vec<String> = corners
        .iter()
        .map(|(at, radius)| {
            let (x, y) = point(*at, entries, *radius);
            format!("{x:.1},{y:.1}")
        })
        .collect();
    points.join(" ")
}

fn ring(dial: &RingDial) -> Html {
    let (rsp_prod, req_cons) = (dial.value("rsp_prod"), dial.value("req_cons"));
    let state = |entry: u32| {
        // How far an entry is after the last response, all around.
        let ahead = entry.wrapping_sub(rsp_prod) % dial.entries;
        if ahead < dial.in_work() {
            "is-in-work"
        } else if entry.wrapping_sub(req_cons) % dial.entries < dial.waiting() {
            "is-waiting"
        } else {
            "is-free"
        }
    };
    let size = HALF * 2.0;
    let entries: Vec<u32> = if dial.entries <= DRAWN {
        (0..dial.entries).collect()
    } else {
        (0..dial.entries).filter(|entry| state(*entry) != "is-free").collect()
    };
    html! {
        <figure class={classes!("grants__ring", change_class(dial.change))}>
            <figcaption><b lang="en">{ format!("{}, {}", dial.device, dial.purpose) }</b>{ " " }{ change_mark(dial.change) }</figcaption>
            <svg viewBox={format!("0 0 {size} {size}")} width={size.to_string()} height={size.to_string()} aria-hidden="true">
                <circle class="grants__rim" cx={HALF.to_string()} cy={HALF.to_string()} r={((INNER + OUTER) / 2.0).to_string()} />
                { for entries.iter().map(|entry| html! { <polygon class={classes!("grants__entry", state(*entry))} points={sector(*entry, dial.entries)} /> }) }
                { for dial.indices.iter().map(|index| needle(dial, index)) }
                <text x={HALF.to_string()} y={(HALF + 4.0).to_string()} text-anchor="middle">{ dial.entries }</text>
            </svg>
            <table class="grants__indices">
                <tbody>{ for dial.indices.iter().map(index_row) }</tbody>
            </table>
        </figure>
    }
}

/// Producers and the consumer outside, the thresholds at which one wants to be woken inside.
fn needle(dial: &RingDial, index: &Index) -> Html {
    let at = f64::from(index.value % dial.entries);
    let is_threshold = index.name.ends_with("event");
    let (near, far) = if is_threshold { (INNER - 12.0, INNER) } else { (OUTER, OUTER + 10.0) };
    let ((x1, y1), (x2, y2)) = (point(at, dial.entries, near), point(at, dial.entries, far));
    let label = match index.name {
        "req_prod" => "P",
        "req_cons" => "C",
        "rsp_prod" => "R",
        _ => "",
    };
    // What stands at the same entry does not stand on top of each other.
    let before = dial.indices.iter().take_while(|other| other.name != index.name);
    let same =
        before.filter(|o| !o.name.ends_with("event") && o.value % dial.entries == index.value % dial.entries).count();
    let (x, y) = point(at, dial.entries, OUTER + 18.0);
    let class =
        classes!("grants__needle", is_threshold.then_some("is-threshold"), index.is_moved().then_some("is-moved"));
    html! {
        <g {class}>
            <line x1={format!("{x1:.1}")} y1={format!("{y1:.1}")} x2={format!("{x2:.1}")} y2={format!("{y2:.1}")} />
            if !label.is_empty() { <text x={format!("{:.1}", x + 9.0 * same as f64)} y={format!("{:.1}", y + 4.0)} text-anchor="middle">{ label }</text> }
        </g>
    }
}

fn index_row(index: &Index) -> Html {
    let letter = match index.name {
        "req_prod" => "P ",
        "req_cons" => "C ",
        "rsp_prod" => "R ",
        _ => "",
    };
    html! {
        <tr class={index.is_moved().then_some("is-changed")}>
            <th scope="row">{ format!("{letter}{}", index.name) }</th>
            <td>{ index.value }</td>
            <td>if index.is_moved() { <small>{ t!("was {value}", value = index.was) }</small> }</td>
        </tr>
    }
}

fn table(grants: &[GrantRow]) -> Html {
    let more = grants.len().saturating_sub(SHOWN);
    // What the step has changed comes first, so that it is there.
    let (changed, same): (Vec<&GrantRow>, Vec<&GrantRow>) = grants.iter().partition(|row| row.change != Change::Same);
    html! {
        <>
            <div class="xen-scroll" tabindex="0" role="group" aria-label={t!("Entries of grant tables")}>
                <table class="xen-table">
                    <thead><tr>
                        <th scope="col">{ t!("lender") }</th><th scope="col">{ t!("reference") }</th><th scope="col">{ t!("frame") }</th>
                        <th scope="col">{ t!("for") }</th><th scope="col">{ t!("flags") }</th><th scope="col">{ t!("mapped by, #handle") }</th><td></td>
                    </tr></thead>
                    <tbody>{ for changed.into_iter().chain(same).take(SHOWN).map(grant) }</tbody>
                </table>
            </div>
            if more > 0 { <p class="view__more">{ t!("and {n} more", n = more) }</p> }
        </>
    }
}

fn grant(row: &GrantRow) -> Html {
    let handle = |(domain, handle, is_readonly): &(u16, u32, bool)| {
        let how = format!(" #{handle}{} ", if *is_readonly { " ro" } else { "" });
        html! { <span>{ domain_tag(*domain) }{ how }</span> }
    };
    html! {
        <tr class={classes!(change_class(row.change))}>
            <td>{ domain_tag(row.owner) }</td>
            <td>{ row.gref }</td>
            <td>{ format!("{:#x}", row.frame) }</td>
            <td>{ domain_tag(row.to) }</td>
            <td>{ row.flags.join(" ") }</td>
            <td>{ for row.borrowers.iter().map(handle) }if row.borrowers.is_empty() { { "–" } }</td>
            <td>{ change_mark(row.change) }</td>
        </tr>
    }
}
