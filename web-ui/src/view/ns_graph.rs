//! Namespaces and what keeps them alive, as a loom: a row is a holder, a column a kind, and a namespace is a box
//! that lives as long as a row runs through it. Pointing at a row lights the boxes that it holds, pointing at
//! a box the rows that hold it.

use std::rc::Rc;

use kernel_model::event::{EventKind, Family};
use kernel_model::namespace::{NsKind, NsRef};
use kernel_model::projection::Change;
use kernel_model::projection::ns_graph::{Holder, NsBox, NsGraph, Owner, Row};
use kernel_model::task::TaskId;
use yew::{Callback, Html, Properties, classes, component, html, use_state};

use super::{Picture, Subject, View};
use crate::state::Msg;
use crate::widget::mark::{change_class, change_mark};
use crate::widget::namespace::{ns_class, ns_letter};
use crate::widget::twin::{Text, Twin};

/// The view on the stage.
pub const VIEW: View = View {
    name: "ns-graph",
    title: "Namespaces",
    subject: Subject::Linux,
    about: "Which namespaces each process holds, who owns them, and what keeps them alive",
    concerns: |kind: &EventKind| {
        kind.family() == Family::Namespace
            && !matches!(kind, EventKind::NodenameSet { .. } | EventKind::LinkChanged { .. })
    },
    looks_back: false,
    picture: |moment| {
        let graph = Rc::new(NsGraph::with(moment.index, moment.before, moment.after, moment.unfolded));
        Picture::new(move |look| {
            html! { <NsGraphView graph={graph.clone()} picked={look.picked} dispatch={look.dispatch.clone()} /> }
        })
    },
};

/// Props of [`NsGraphView`].
#[derive(Clone, PartialEq, Properties)]
pub struct Props {
    /// What is shown.
    pub graph: Rc<NsGraph>,
    /// The process that is looked at.
    pub picked: Option<TaskId>,
    /// Where messages go.
    pub dispatch: Callback<Msg>,
}

/// The view.
#[component]
pub fn NsGraphView(Props { graph, picked, dispatch }: &Props) -> Html {
    let pointed = use_state(|| None::<NsRef>);
    let lit_row = picked.and_then(|task| graph.row_of(task));
    let lit_box = graph.boxes.iter().position(|b| Some(b.ns) == *pointed);
    let point = {
        let pointed = pointed.clone();
        Callback::from(move |ns: Option<NsRef>| pointed.set(ns))
    };
    let rows = graph.rows.len();
    html! {
        <section class="view ns-graph" data-testid="view-ns-graph" aria-label={t!("Namespaces and what keeps them alive")}>
            <Twin title={t!("Namespaces")} text={Text::of(graph, NsGraph::text)}>
                <div class="ns-graph__scroll" tabindex="0" role="group" aria-label={t!("Holders by kinds of namespaces")}>
                    <div class="ns-graph__loom" style={format!("--rows: {rows}")}>
                        <span class="ns-graph__corner">{ t!("held by") }</span>
                        { for NsKind::SHOWN.iter().enumerate().map(|(i, kind)| kind_head(i, *kind)) }
                        { for graph.boxes.iter().enumerate().map(|(i, b)| {
                            let held = lit_row.is_some_and(|row| graph.rows[row].holds.contains(&i));
                            ns_box(b, held || lit_box == Some(i), &point)
                        }) }
                        { for graph.rows.iter().enumerate().map(|(i, row)| {
                            let lit = lit_row == Some(i) || lit_box.is_some_and(|b| row.holds.contains(&b));
                            loom_row(graph, i, row, lit, dispatch)
                        }) }
                    </div>
                </div>
                <p class="ns-graph__said" role="status">{ said(graph, lit_box, lit_row) }</p>
                if graph.left_out > 0 {
                    <p class="view__more">{ t!("{n} namespaces of folded rows are not drawn", n = graph.left_out) }</p>
                }
                <div class="ns-graph__owners" role="group" aria-label={t!("Who owns them")}>
                    <h3>{ t!("Owned by user namespaces") }</h3>
                    { for graph.owners.iter().enumerate().filter(|(_, o)| o.parent.is_none()).map(|(i, _)| owner_box(graph, i)) }
                </div>
            </Twin>
        </section>
    }
}

/// What is said about what is pointed at.
fn said(graph: &NsGraph, lit_box: Option<usize>, lit_row: Option<usize>) -> String {
    if let Some(shown) = lit_box.and_then(|i| graph.boxes.get(i)) {
        return shown.sentence();
    }
    match lit_row.and_then(|i| graph.rows.get(i)) {
        Some(row) => {
            let held: Vec<String> = row.holds.iter().filter_map(|i| graph.boxes.get(*i)).map(NsBox::short).collect();
            t!("{who} ({note}) holds {what}.", who = row.label, note = row.note, what = held.join(" "))
        }
        None => t!("Point at a row or a box. A namespace lives as long as something runs through its box.").to_owned(),
    }
}

fn kind_head(index: usize, kind: NsKind) -> Html {
    html! {
        <span class={classes!("ns-graph__kind", ns_class(kind, 1))} style={format!("grid-column: {}", index + 2)}>
            <b>{ kind.letter() }</b><span>{ kind.name() }</span>
        </span>
    }
}

fn column_of(ns: NsRef) -> usize {
    NsKind::SHOWN.iter().position(|kind| *kind == ns.kind()).unwrap_or(0) + 2
}

/// A box is one button, where it first appears; where it goes on after a gap it is only drawn.
fn ns_box(shown: &NsBox, lit: bool, point: &Callback<Option<NsRef>>) -> Html {
    let ns = shown.ns;
    let column = column_of(ns);
    let piece = |(n, (first, last)): (usize, &(usize, usize))| {
        let style = format!("grid-column: {column}; grid-row: {} / {}", first + 2, last + 3);
        let class = classes!(
            "ns-graph__box",
            ns_class(ns.kind(), shown.instance),
            lit.then_some("is-lit"),
            change_class(shown.change),
            (n > 0).then_some("is-continued"),
            (n + 1 < shown.runs.len()).then_some("goes-on"),
        );
        if n > 0 {
            return html! { <span {class} {style} aria-hidden="true"></span> };
        }
        html! {
            <button type="button" key={shown.name()} {class} {style}
                onmouseenter={point.reform(move |_| Some(ns))} onmouseleave={point.reform(|_| None)}
                onfocus={point.reform(move |_| Some(ns))} onblur={point.reform(|_| None)}>
                <span class="heard">{ shown.sentence() }</span>
                <span class="ns-graph__short">{ shown.short() }</span>
                { change_mark(shown.change) }
            </button>
        }
    };
    shown.runs.iter().enumerate().map(piece).collect()
}

fn loom_row(graph: &NsGraph, index: usize, row: &Row, lit: bool, dispatch: &Callback<Msg>) -> Html {
    let line = index + 2;
    let task = row.holder.tasks().first().copied();
    let on = dispatch.reform(move |_| Msg::Pick(task));
    let off = dispatch.reform(move |_| Msg::Pick(None));
    let focus = dispatch.reform(move |_| Msg::Pick(task));
    let class = classes!("ns-graph__row", lit.then_some("is-picked"), change_class(row.change));
    if row.folded > 0 {
        let unfold = dispatch.reform(move |_: web_sys::MouseEvent| Msg::Unfold(task));
        return html! {
            <span {class} style={format!("grid-row: {line}; grid-column: 1 / -1")}>
                <button type="button" class="quiet ns-graph__more" onclick={unfold}>{ &row.label }</button>
            </span>
        };
    }
    let pill = match row.holder {
        Holder::Tasks(_) => "pill",
        _ => "pill ns-graph__thing",
    };
    let columns: Vec<usize> = row.holds.iter().filter_map(|i| graph.boxes.get(*i)).map(|b| column_of(b.ns)).collect();
    let end = columns.iter().max().map_or(2, |column| column + 1);
    html! {
        <>
            <span {class} style={format!("grid-row: {line}; grid-column: 1")} onmouseenter={on} onmouseleave={off}>
                <button type="button" class={pill} onfocus={focus} title={row.note.clone()}>
                    <span class="pill__name">{ &row.label }</span>
                    { change_mark(row.change) }
                </button>
            </span>
            <i class={classes!("ns-graph__wire", lit.then_some("is-lit"))} aria-hidden="true"
                style={format!("grid-row: {line}; grid-column: 2 / {end}")}></i>
            { for columns.iter().map(|column| html! {
                <i class={classes!("ns-graph__knot", lit.then_some("is-lit"), change_class(row.change))} aria-hidden="true"
                    style={format!("grid-row: {line}; grid-column: {column}")}></i>
            }) }
        </>
    }
}

fn owner_box(graph: &NsGraph, index: usize) -> Html {
    let Some(owner) = graph.owners.get(index) else { return Html::default() };
    let Owner { ns, inum, made_by, owns, left_out, change, .. } = owner;
    let inner = graph.owners.iter().enumerate().filter(|(_, o)| o.parent == Some(index));
    html! {
        <div class={classes!("ns-box", ns_class(NsKind::User, ns.0), change_class(*change))}>
            <div class="ns-box__head">
                { ns_letter(NsKind::User, ns.0) }
                <span>{ format!("user:[{inum}]") }</span>
                <span>{ t!("made by uid {uid}", uid = made_by) }</span>
                { change_mark(*change) }
            </div>
            <div class="ns-box__pills">
                { for owns.iter().filter_map(|i| graph.boxes.get(*i)).map(|b| html! {
                    <span class={classes!("ns-badge", ns_class(b.ns.kind(), b.instance), (b.change == Change::Gone).then_some("is-gone"))} title={b.name()}>
                        <span>{ b.ns.kind().letter() }</span><sub>{ b.instance }</sub>{ change_mark(b.change) }
                    </span>
                }) }
                if *left_out > 0 { <span class="view__more">{ t!("and {n} more", n = left_out) }</span> }
            </div>
            { for inner.map(|(i, _)| owner_box(graph, i)) }
        </div>
    }
}
