//! PID views: processes by PID namespaces, a cell is the number or a quiet dash, and the namespaces as
//! nested boxes beside it. One process visibly is one process with several numbers.

use std::rc::Rc;

use kernel_model::event::{EventKind, Family};
use kernel_model::namespace::NsKind;
use kernel_model::projection::Change;
use kernel_model::projection::pid_views::{Column, PidViews, Row};
use kernel_model::task::TaskId;
use yew::{Callback, Html, Properties, classes, component, html};

use super::{Picture, Subject, View};
use crate::language::translated;
use crate::state::Msg;
use crate::widget::mark::{change_class, change_mark};
use crate::widget::namespace::{ns_class, ns_letter};
use crate::widget::twin::{Text, Twin};

/// The view on the stage.
pub const VIEW: View = View {
    name: "pid-views",
    title: "PID views",
    subject: Subject::Linux,
    about: "The number that each process has in each PID namespace",
    concerns: |kind: &EventKind| kind.family() == Family::Pid,
    looks_back: false,
    picture: |moment| {
        let views = Rc::new(PidViews::with(moment.index, moment.before, moment.after));
        Picture::new(move |look| {
            html! { <PidViewsView views={views.clone()} picked={look.picked} dispatch={look.dispatch.clone()} /> }
        })
    },
};

/// Props of [`PidViewsView`].
#[derive(Clone, PartialEq, Properties)]
pub struct Props {
    /// What is shown.
    pub views: Rc<PidViews>,
    /// The process that is looked at.
    pub picked: Option<TaskId>,
    /// Where messages go.
    pub dispatch: Callback<Msg>,
}

/// The view.
#[component]
pub fn PidViewsView(Props { views, picked, dispatch }: &Props) -> Html {
    html! {
        <section class="view pid-views" data-testid="view-pid-views" aria-label={t!("PID views")}>
            <Twin title={t!("PID views")} text={Text::of(views, PidViews::text)}>
                <div class="pid-views__both">
                    <div class="pid-views__scroll" tabindex="0" role="region" aria-label={t!("Processes by PID namespaces")}>
                        <table class="pid-views__matrix">
                            <thead>
                                <tr>
                                    <th scope="col" class="pid-views__corner">{ t!("process") }</th>
                                    { for views.columns.iter().map(column_head) }
                                </tr>
                            </thead>
                            <tbody>
                                { for views.rows.iter().map(|row| matrix_row(views, row, *picked, dispatch)) }
                            </tbody>
                        </table>
                        if views.left_out > 0 {
                            <p class="view__more">{ t!("and {n} more", n = views.left_out) }</p>
                        }
                        if views.columns_left_out > 0 {
                            <p class="view__more">{ t!("and {n} more PID namespaces", n = views.columns_left_out) }</p>
                        }
                    </div>
                    <div class="pid-views__boxes" aria-hidden="true">
                        { for views.columns.iter().enumerate().filter(|(_, c)| c.parent.is_none()).map(|(i, _)| nested_box(views, i, *picked)) }
                    </div>
                </div>
            </Twin>
        </section>
    }
}

fn column_head(column: &Column) -> Html {
    html! {
        <th scope="col" class={classes!("pid-views__ns", ns_class(NsKind::Pid, column.ns.0), change_class(column.change))}>
            { ns_letter(NsKind::Pid, column.ns.0) }
            { " " }
            { change_mark(column.change) }
            <span class="pid-views__name">{ column.name() }</span>
            if !column.open && column.change != Change::Gone {
                <span class="pid-views__closed">{ t!("init is gone") }</span>
            }
        </th>
    }
}

fn matrix_row(views: &PidViews, row: &Row, picked: Option<TaskId>, dispatch: &Callback<Msg>) -> Html {
    let task = row.task;
    let on = dispatch.reform(move |_| Msg::Pick(Some(task)));
    let off = dispatch.reform(move |_| Msg::Pick(None));
    let stand = dispatch.reform(move |_: web_sys::MouseEvent| Msg::Stand(Some(task)));
    let focus = dispatch.reform(move |_| Msg::Pick(Some(task)));
    let lit = picked == Some(task);
    html! {
        <tr key={task.0} class={classes!("pid-views__row", lit.then_some("is-picked"), change_class(row.change))}
            onmouseenter={on} onmouseleave={off}>
            <th scope="row">
                <button type="button" class="pill" onfocus={focus} onclick={stand} aria-pressed={lit.to_string()} title={t!("stand here: see what it sees")}>
                    if row.thread { <span class="pill__thread">{ t!("thread of") }</span> }
                    <span class="pill__name">{ &row.comm }</span>
                    <span class={classes!("state", format!("state--{}", row.state.letter()))} title={translated(row.state.word())}>
                        { row.state.letter() }
                    </span>
                    { change_mark(row.change) }
                </button>
            </th>
            { for row.cells.iter().enumerate().map(|(i, nr)| {
                let ns = views.columns.get(i).map_or(0, |c| c.ns.0);
                match nr {
                    Some(nr) => html! {
                        <td class={classes!("pid-views__cell", ns_class(NsKind::Pid, ns), (i == row.own).then_some("is-own"))}>
                            <span class="pid-views__nr" key={*nr}>{ nr }</span>
                        </td>
                    },
                    None => html! { <td class="pid-views__cell is-hidden"><span aria-label={t!("not visible")}>{ "–" }</span></td> },
                }
            }) }
        </tr>
    }
}

fn nested_box(views: &PidViews, index: usize, picked: Option<TaskId>) -> Html {
    let Some(column) = views.columns.get(index) else { return Html::default() };
    let inner = views.columns.iter().enumerate().filter(|(_, c)| c.parent == Some(index));
    html! {
        <div class={classes!("ns-box", ns_class(NsKind::Pid, column.ns.0), change_class(column.change))}>
            <div class="ns-box__head">{ ns_letter(NsKind::Pid, column.ns.0) }<span>{ column.name() }</span>{ change_mark(column.change) }</div>
            <div class="ns-box__pills">
                { for views.rows.iter().filter(|r| r.cells.get(index).copied().flatten().is_some()).take(40).map(|r| html! {
                    <span class={classes!("chip", (picked == Some(r.task)).then_some("is-picked"), (r.own == index).then_some("is-own"), change_class(r.change))}>
                        <span class="chip__nr">{ r.cells[index].unwrap_or_default() }</span>
                        if r.own == index { { " " }{ &r.comm } }
                    </span>
                }) }
            </div>
            { for inner.map(|(i, _)| nested_box(views, i, picked)) }
        </div>
    }
}
