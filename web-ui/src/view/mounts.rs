//! Mounts with their propagation: mount points by mount namespaces, peer groups as coloured threads with
//! letters, an arrow from a master group to its slave. A mount that travels is seen to travel.

use std::collections::BTreeSet;
use std::rc::Rc;

use kernel_model::event::{EventKind, Family};
use kernel_model::namespace::NsKind;
use kernel_model::projection::Change;
use kernel_model::projection::mount_graph::{Cell, Column, Group, MountGraph, Row, letter};
use yew::{Callback, Html, Properties, classes, component, html, use_state};

use super::{Picture, Subject, View};
use crate::state::Msg;
use crate::widget::mark::{change_class, change_mark};
use crate::widget::namespace::{ns_class, ns_letter};
use crate::widget::twin::{Text, Twin};

/// The view on the stage.
pub const VIEW: View = View {
    name: "mounts",
    title: "Mounts",
    subject: Subject::Linux,
    about: "Mount points of every mount namespace, and how mounts travel between them",
    concerns: |kind: &EventKind| kind.family() == Family::Mount,
    looks_back: false,
    picture: |moment| {
        let graph = MountGraph::of_step(moment.before, moment.after, moment.events, moment.stand, &BTreeSet::new());
        let graph = Rc::new(graph);
        Picture::new(move |look| html! { <MountsView graph={graph.clone()} dispatch={look.dispatch.clone()} /> })
    },
};

/// Height of a row, width of the column of paths, width of a namespace's column, all in pixels.
const ROW: usize = 30;
const PATHS: usize = 168;
const COLUMN: usize = 176;
/// Height of the head.
const HEAD: usize = 46;
/// Where a mount's bead is, from the left edge of its column.
const BEAD: usize = 20;

/// How many colours threads have before they repeat; the letter tells on.
const COLOURS: u32 = 8;

/// Props of [`MountsView`].
#[derive(Clone, PartialEq, Properties)]
pub struct Props {
    /// What is shown.
    pub graph: Rc<MountGraph>,
    /// Where messages go.
    pub dispatch: Callback<Msg>,
}

/// The view.
#[component]
pub fn MountsView(Props { graph, .. }: &Props) -> Html {
    let pointed = use_state(|| None::<usize>);
    let point = {
        let pointed = pointed.clone();
        Callback::from(move |cell: Option<usize>| pointed.set(cell))
    };
    let lit = pointed.and_then(|i| graph.cells.get(i)).map(|c| (c.shared, c.master));
    let lit_group = |number: u32| lit.is_some_and(|(shared, master)| shared == Some(number) || master == Some(number));
    let (width, height) = (PATHS + COLUMN * graph.columns.len(), HEAD + ROW * graph.rows.len());
    html! {
        <section class="view mounts" data-testid="view-mounts" aria-label={t!("Mounts and their propagation")}>
            <Twin title={t!("Mounts")} text={Text::of(graph, MountGraph::text)}>
                <div class="mounts__scroll" tabindex="0" role="group" aria-label={t!("Mount points by mount namespaces")}>
                    <div class="mounts__sheet" style={format!("width: {width}px; height: {height}px")}>
                        { for graph.columns.iter().enumerate().map(|(i, c)| column_head(i, c)) }
                        { for graph.rows.iter().enumerate().map(|(i, r)| path_cell(i, r)) }
                        <svg class="mounts__threads" width={width.to_string()} height={height.to_string()} aria-hidden="true">
                            <defs>
                                <marker id="mounts-arrow" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="7" markerHeight="7" orient="auto">
                                    <path d="M0 0 L8 4 L0 8 z" fill="context-stroke" />
                                </marker>
                            </defs>
                            { for graph.groups.iter().map(|g| thread(graph, g, lit_group(g.number))) }
                            { for graph.travels.iter().map(|(from, to)| mover(graph, *from, *to)) }
                        </svg>
                        { for graph.cells.iter().enumerate().map(|(i, c)| mount_cell(graph, i, c, &point)) }
                    </div>
                </div>
                if graph.rows_left_out > 0 {
                    <p class="view__more">{ t!("and {n} more mount points", n = graph.rows_left_out) }</p>
                }
                if graph.columns_left_out > 0 {
                    <p class="view__more">{ t!("and {n} more mount namespaces", n = graph.columns_left_out) }</p>
                }
                <p class="mounts__said" role="status">{ said(graph, *pointed) }</p>
            </Twin>
        </section>
    }
}

fn said(graph: &MountGraph, pointed: Option<usize>) -> String {
    let Some(cell) = pointed.and_then(|i| graph.cells.get(i)) else {
        return t!(
            "A thread ties the members of a peer group: what is mounted on one appears on all. An arrow leads to a slave, which \
             only receives."
        )
        .to_owned();
    };
    let path = graph.rows.get(cell.row).map_or("", |r| r.path.as_str());
    let peers = |number: u32| graph.group(number).map_or(0, |g| g.members.len().saturating_sub(1));
    let ties = match (cell.shared, cell.master) {
        (Some(group), _) if peers(group) > 0 => t!("It shares mounts and unmounts with {n} others.", n = peers(group)),
        (Some(_), None) => t!("It is shared, but has no peer here.").to_owned(),
        (None, Some(group)) => {
            t!("What happens on group {group} happens here, not the other way round.", group = letter(group))
        }
        _ => t!("Nothing that is mounted here is seen elsewhere.").to_owned(),
    };
    t!("{path}: mount {words}.", path = path, words = cell.words()) + " " + &ties
}

fn column_head(index: usize, column: &Column) -> Html {
    let left = PATHS + COLUMN * index;
    html! {
        <div class={classes!("mounts__ns", ns_class(NsKind::Mnt, column.ns.0), change_class(column.change))}
            style={format!("left: {left}px; width: {COLUMN}px; height: {HEAD}px")}>
            <span>{ ns_letter(NsKind::Mnt, column.ns.0) }{ " " }{ format!("mnt:[{}]", column.inum) }{ " " }{ change_mark(column.change) }</span>
            <span class="mounts__who">{ &column.who }</span>
        </div>
    }
}

fn path_cell(index: usize, row: &Row) -> Html {
    let style =
        format!("top: {}px; width: {PATHS}px; height: {ROW}px; padding-left: {}px", HEAD + ROW * index, 12 * row.depth);
    if row.folded > 0 {
        return html! { <div class="mounts__path is-folded" {style}>{ t!("… and {n} more like this", n = row.folded) }</div> };
    }
    html! {
        <div class="mounts__path" {style} title={row.path.clone()}>
            <span>{ &row.name }</span>
            if row.covers > 0 { <small title={t!("mounted over another mount")}>{ t!("over {n}", n = row.covers) }</small> }
        </div>
    }
}

fn mount_cell(graph: &MountGraph, index: usize, cell: &Cell, point: &Callback<Option<usize>>) -> Html {
    let style = format!(
        "left: {}px; top: {}px; width: {}px; height: {}px",
        PATHS + COLUMN * cell.column,
        HEAD + ROW * cell.row,
        COLUMN,
        ROW
    );
    let path = graph.rows.get(cell.row).map_or("", |r| r.path.as_str());
    let tied = cell.shared.is_some_and(|group| graph.group(group).is_some());
    html! {
        <button type="button" key={cell.mount.0} class={classes!("mounts__cell", change_class(cell.change))} {style}
            onmouseenter={point.reform(move |_| Some(index))} onmouseleave={point.reform(|_| None)}
            onfocus={point.reform(move |_| Some(index))} onblur={point.reform(|_| None)}>
            <span class="heard">{ format!("{path}: {}", cell.words()) }</span>
            { bead(cell, tied) }
            <span class="mounts__type">{ &cell.fs_type }</span>
            if let Some(root) = &cell.root { <span class="mounts__root">{ root }</span> }
            if cell.read_only { <span class="mounts__flag">{ "ro" }</span> }
            if cell.locked { <span class="mounts__flag" title={t!("locked: it came from a more privileged namespace")}>{ t!("locked") }</span> }
            { change_mark(cell.change) }
        </button>
    }
}

/// The sign of the propagation type: a disc is shared, a ring receives, a bar keeps to itself.
fn bead(cell: &Cell, tied: bool) -> Html {
    let (class, text) = match (cell.shared, cell.master) {
        (Some(group), None) => ("mounts__bead", letter(group)),
        (Some(group), Some(_)) => ("mounts__bead is-both", letter(group)),
        (None, Some(group)) => ("mounts__bead is-slave", letter(group)),
        (None, None) if cell.unbindable => ("mounts__bead is-private", "✕".to_owned()),
        (None, None) => ("mounts__bead is-private", "–".to_owned()),
    };
    let colour = cell.shared.or(cell.master).map(colour_class);
    html! { <span class={classes!(class, colour, (!tied && cell.master.is_none()).then_some("is-alone"))} aria-hidden="true">{ text }</span> }
}

fn colour_class(group: u32) -> String {
    format!("thread thread--{}", (group.max(1) - 1) % COLOURS)
}

/// The middle of a mount's bead.
fn bead_at(cell: &Cell) -> (usize, usize) {
    (PATHS + COLUMN * cell.column + BEAD, HEAD + ROW * cell.row + ROW / 2)
}

/// The way from one bead to another: in the same row through the gap below it, else through the gutter.
fn way(from: &Cell, to: &Cell) -> String {
    let ((x1, y1), (x2, y2)) = (bead_at(from), bead_at(to));
    if y1 == y2 {
        let low = y1 + ROW / 2 - 2;
        return format!(
            "M{x1} {y1} C{x1} {low} {x1} {low} {} {low} L{} {low} C{x2} {low} {x2} {low} {x2} {y2}",
            x1 + 14,
            x2.saturating_sub(14)
        );
    }
    if x1 == x2 {
        let gutter = x1 - BEAD + 5;
        return format!("M{x1} {y1} C{gutter} {y1} {gutter} {y2} {x2} {y2}");
    }
    let low = y1 + ROW / 2 - 2;
    let gutter = x2 - BEAD + 3;
    format!(
        "M{x1} {y1} C{x1} {low} {x1} {low} {} {low} L{} {low} Q{gutter} {low} {gutter} {} C{gutter} {y2} {gutter} {y2} {x2} {y2}",
        x1 + 14,
        gutter.saturating_sub(6),
        if y2 > y1 { low + 8 } else { low.saturating_sub(8) }
    )
}

fn thread(graph: &MountGraph, group: &Group, lit: bool) -> Html {
    let mut members: Vec<&Cell> = group.members.iter().filter_map(|i| graph.cells.get(*i)).collect();
    members.sort_by_key(|cell| (cell.column, cell.row));
    let class = classes!("mounts__thread", colour_class(group.number), lit.then_some("is-lit"));
    let slaves = group.slaves.iter().filter_map(|i| graph.cells.get(*i)).filter_map(|slave| {
        let nearest = members.iter().min_by_key(|m| m.row.abs_diff(slave.row) * 8 + m.column.abs_diff(slave.column))?;
        Some(way(nearest, slave))
    });
    html! {
        <g {class}>
            { for members.windows(2).map(|pair| html! { <path d={way(pair[0], pair[1])} /> }) }
            { for slaves.map(|d| html! { <path class="mounts__arrow" {d} marker-end="url(#mounts-arrow)" /> }) }
        </g>
    }
}

/// A mount on its way: a dot that runs along the thread once.
fn mover(graph: &MountGraph, from: usize, to: usize) -> Html {
    let (Some(from), Some(to)) = (graph.cells.get(from), graph.cells.get(to)) else { return Html::default() };
    if to.change == Change::Gone {
        return Html::default();
    }
    let path = way(from, to);
    html! {
        <g class="mounts__travel" key={format!("{}-{}", from.mount, to.mount)}>
            <path d={path.clone()} />
            <circle r="6" style={format!("offset-path: path('{path}')")} />
        </g>
    }
}
