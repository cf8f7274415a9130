//! The process tree with namespaces: each process with a letter per kind of namespace, in the tint of the
//! instance that it is in. The same tint is the same namespace, in every view and for the whole session.

use std::rc::Rc;

use kernel_model::event::{EventKind, Family};
use kernel_model::projection::pid_tree::{Badge, PidTree, Row};
use kernel_model::task::TaskId;
use yew::{Callback, Html, Properties, classes, component, html};

use super::{Picture, Subject, View};
use crate::language::translated;
use crate::state::Msg;
use crate::widget::mark::{change_class, change_mark};
use crate::widget::namespace::{ns_class, ns_title};
use crate::widget::twin::{Text, Twin};

/// The view on the stage.
pub const VIEW: View = View {
    name: "process-tree",
    title: "Process tree",
    subject: Subject::Linux,
    about: "Who has started whom, and which namespaces each process is in",
    concerns: |kind: &EventKind| matches!(kind.family(), Family::Process | Family::Namespace | Family::Signal),
    looks_back: false,
    picture: |moment| {
        let tree = Rc::new(PidTree::with(moment.index, moment.before, moment.after, moment.unfolded));
        Picture::new(move |look| {
            html! { <ProcessTreeView tree={tree.clone()} picked={look.picked} dispatch={look.dispatch.clone()} /> }
        })
    },
};

/// Props of [`ProcessTreeView`].
#[derive(Clone, PartialEq, Properties)]
pub struct Props {
    /// What is shown.
    pub tree: Rc<PidTree>,
    /// The process that is looked at.
    pub picked: Option<TaskId>,
    /// Where messages go.
    pub dispatch: Callback<Msg>,
}

/// The view.
#[component]
pub fn ProcessTreeView(Props { tree, picked, dispatch }: &Props) -> Html {
    html! {
        <section class="view process-tree" data-testid="view-process-tree" aria-label={t!("Process tree with namespaces")}>
            <Twin title={t!("Process tree")} text={Text::of(tree, PidTree::text)}>
                <ol class="process-tree__list">
                    { for tree.rows.iter().map(|row| tree_row(row, *picked, dispatch)) }
                </ol>
                if tree.left_out > 0 {
                    <p class="view__more">{ t!("and {n} more", n = tree.left_out) }</p>
                }
            </Twin>
        </section>
    }
}

fn tree_row(row: &Row, picked: Option<TaskId>, dispatch: &Callback<Msg>) -> Html {
    let task = row.task;
    let on = dispatch.reform(move |_| Msg::Pick(Some(task)));
    let off = dispatch.reform(move |_| Msg::Pick(None));
    let stand = dispatch.reform(move |_: web_sys::MouseEvent| Msg::Stand(Some(task)));
    let focus = dispatch.reform(move |_| Msg::Pick(Some(task)));
    let lit = picked == Some(task);
    if row.folded > 0 {
        let unfold = dispatch.reform(move |_: web_sys::MouseEvent| Msg::Unfold(Some(task)));
        return html! {
            <li key={task.0} class="process-tree__row">
                { rails(row) }
                <button type="button" class="quiet" onclick={unfold}>{ t!("… and {n} more like this", n = row.folded) }</button>
            </li>
        };
    }
    html! {
        <li key={task.0} class={classes!("process-tree__row", lit.then_some("is-picked"), change_class(row.change))}
            onmouseenter={on} onmouseleave={off}>
            { rails(row) }
            <button type="button" class="pill" onfocus={focus} onclick={stand} aria-pressed={lit.to_string()} title={t!("stand here: see what it sees")}>
                <span class="pill__nr">{ row.pid }</span>
                <span class="pill__name">{ &row.args }</span>
                if let Some(own) = row.own_pid {
                    <span class="pill__own" title={t!("its own number, in its own PID namespace")}>{ own }</span>
                }
                if row.threads > 1 {
                    <span class="pill__threads">{ t!("{n} threads", n = row.threads) }</span>
                }
                <span class={classes!("state", format!("state--{}", row.state.letter()))} title={translated(row.state.word())}>
                    { row.state.letter() }
                </span>
                { change_mark(row.change) }
            </button>
            <span class="process-tree__badges">{ for row.namespaces.iter().map(badge) }</span>
        </li>
    }
}

/// The lines that lead to a row.
fn rails(row: &Row) -> Html {
    html! {
        <span class="process-tree__rails" aria-hidden="true">
            { for row.rails.iter().enumerate().skip(1).map(|(i, goes_on)| {
                let last = i + 1 == row.rails.len();
                let kind = match (last, goes_on) {
                    (true, true) => "rail rail--tee",
                    (true, false) => "rail rail--end",
                    (false, true) => "rail rail--line",
                    (false, false) => "rail",
                };
                html! { <i class={kind}></i> }
            }) }
        </span>
    }
}

fn badge(badge: &Badge) -> Html {
    html! {
        <span class={classes!("ns-badge", ns_class(badge.kind, badge.instance), change_class(badge.change))}
            title={ns_title(badge.kind, badge.inum)}>
            <span>{ badge.kind.letter() }</span>
            if badge.instance > 1 { <sub>{ badge.instance }</sub> }
            { change_mark(badge.change) }
        </span>
    }
}
