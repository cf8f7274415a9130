//! `/proc` and `/sys` at a wall: each entry is a line from the machine on the left to the process on the right. What
//! is the machine's own comes through, what belongs to a namespace of the process begins behind the wall, and what a
//! runtime has masked ends at it.

use std::rc::Rc;

use kernel_model::event::{EventKind, Family};
use kernel_model::namespace::NsKind;
use kernel_model::projection::proc_views::{BelongsTo, Covered, Entry, ProcViews, Through};
use kernel_model::task::TaskId;
use yew::{Callback, Html, Properties, classes, component, html};

use super::{Picture, Subject, View};
use crate::state::Msg;
use crate::widget::mark::{change_class, change_mark};
use crate::widget::namespace::{ns_class, ns_letter, ns_title};
use crate::widget::seat::{Seats, seat};
use crate::widget::twin::{Text, Twin};

/// The view on the stage.
pub const VIEW: View = View {
    name: "proc-views",
    title: "/proc, /sys",
    subject: Subject::Linux,
    about: "Which entries of /proc and /sys are the process' own, and where the machine comes through",
    concerns: |kind: &EventKind| match kind {
        EventKind::Mounted { place, .. } => place.starts_with("/proc/") || place.starts_with("/sys/"),
        EventKind::PathWalked { path, .. } => path.starts_with("/proc/sys") || path.starts_with("/sys/"),
        kind => kind.family() == Family::Namespace && matches!(kind, EventKind::NodenameSet { .. }),
    },
    looks_back: false,
    picture: |moment| {
        let views = moment.stand.map(|task| ProcViews::of_step(moment.before, moment.after, task));
        let (views, task) = (Rc::new(views.unwrap_or_default()), moment.stand);
        Picture::new(move |look| {
            let (seats, dispatch) = (look.seats.clone(), look.dispatch.clone());
            html! { <ProcViewsView views={views.clone()} {task} {seats} {dispatch} /> }
        })
    },
};

/// Props of [`ProcViewsView`].
#[derive(Clone, PartialEq, Properties)]
pub struct Props {
    /// What is shown.
    pub views: Rc<ProcViews>,
    /// Who looks.
    pub task: Option<TaskId>,
    /// Where one can stand.
    #[prop_or_default]
    pub seats: Seats,
    /// Where messages go.
    pub dispatch: Callback<Msg>,
}

/// The view.
#[component]
pub fn ProcViewsView(Props { views, task, seats, dispatch }: &Props) -> Html {
    html! {
        <section class="view proc-views" data-testid="view-proc-views" aria-label={t!("/proc and /sys as a process sees them")}>
            <Twin title={t!("/proc and /sys")} text={Text::of(views, ProcViews::text)}>
                <p class="seats">{ seat(seats, *task, dispatch) }{ " " }{ t!("has in /proc and /sys") }</p>
                <p class="proc-views__summary" lang="en">{ views.summary() }</p>
                { for views.hidden.iter().map(hidden) }
                <div class="proc-views__sections">
                    { for Through::ALL.into_iter().map(|through| section(views, through)) }
                </div>
            </Twin>
        </section>
    }
}

fn hidden((place, who): &(String, String)) -> Html {
    html! {
        <p class="proc-views__hidden">
            <b>{ t!("{who} is hidden:", who = who) }</b>
            { " " }{ t!("a mount lies over {place}. ps does not list it; kill -0, /proc/mounts and its parent PID namespace still tell.", place = place) }
        </p>
    }
}

fn heading(through: Through) -> (&'static str, &'static str) {
    match through {
        Through::Own => (t!("Its own"), t!("begins behind the wall: a namespace of the process answers")),
        Through::Shared => (t!("Shared"), t!("belongs to a namespace, but the process is in the machine's first one")),
        Through::Leak => (t!("The machine's"), t!("comes through the wall: the same in every container")),
    }
}

fn section(views: &ProcViews, through: Through) -> Html {
    let of = |setting: bool| {
        views.entries.iter().filter(move |e| e.through() == through && e.is_setting() == setting).collect::<Vec<_>>()
    };
    let (files, settings) = (of(false), of(true));
    if files.len() + settings.len() == 0 {
        return Html::default();
    }
    let (title, about) = heading(through);
    let changed = settings.iter().filter(|e| change_class(e.change).is_some()).count();
    html! {
        <section class="proc-views__section" aria-label={title}>
            <h3>{ title }<small>{ about }</small></h3>
            <ul>{ for files.into_iter().map(entry) }</ul>
            if !settings.is_empty() {
                <details open={changed > 0}>
                    <summary>{ t!("{n} settings below /proc/sys", n = settings.len()) }</summary>
                    <ul>{ for settings.into_iter().map(entry) }</ul>
                </details>
            }
        </section>
    }
}

fn entry(entry: &Entry) -> Html {
    let kind = match entry.belongs_to {
        BelongsTo::Namespace(kind) => Some(kind),
        BelongsTo::Instance => Some(NsKind::Pid),
        BelongsTo::Machine => None,
    };
    let line = match (entry.covered, entry.through()) {
        (Covered::Masked, _) => "gate is-masked",
        (_, Through::Own) => "gate is-own",
        _ => "gate",
    };
    let title = kind.zip(entry.namespace).map(|(kind, inum)| ns_title(kind, inum));
    let class = classes!(
        "proc-views__entry",
        kind.map(|kind| ns_class(kind, entry.instance)),
        (entry.covered == Covered::Masked).then_some("is-masked"),
        change_class(entry.change)
    );
    html! {
        <li {class} {title}>
            <span class={line} role="img" aria-label={entry.words()}></span>
            if let Some(kind) = kind { { ns_letter(kind, entry.instance) } }
            <code>{ &entry.path }</code>
            { match entry.covered {
                Covered::No => Html::default(),
                Covered::ReadOnly => html! { <span class="mounts__flag">{ "ro" }</span> },
                Covered::Masked => html! { <span class="mounts__flag">{ t!("masked") }</span> },
            } }
            { change_mark(entry.change) }
        </li>
    }
}
