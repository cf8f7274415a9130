//! Control groups: a tree for each hierarchy, a bar for all that a group uses, a notch for its limit. To be at the
//! limit is a mark on the notch.

use std::rc::Rc;

use kernel_model::event::{EventKind, Family};
use kernel_model::projection::Change;
use kernel_model::projection::cgroup_view::{CgroupView, Meter, NOTCH, Row, Tree};
use kernel_model::projection::cpu_time::CpuTimeline;
use yew::{Html, Properties, classes, component, html};

use super::cgroup_strip::strip;
use super::{Picture, Subject, View};
use crate::widget::mark::{change_class, change_mark};
use crate::widget::twin::{Text, Twin};

/// The view on the stage.
pub const VIEW: View = View {
    name: "cgroups",
    title: "Cgroups",
    subject: Subject::Linux,
    about: "Groups of both versions, what they use, and where their limits are",
    concerns: |kind: &EventKind| kind.family() == Family::Cgroup,
    looks_back: true,
    picture: |moment| {
        let view = Rc::new(CgroupView::of_step(moment.before, moment.after));
        let time = Rc::new(moment.after.cpu_timeline(moment.lately));
        Picture::new(move |_| html! { <CgroupsView view={view.clone()} time={time.clone()} /> })
    },
};

/// Props of [`CgroupsView`].
#[derive(Clone, PartialEq, Properties)]
pub struct Props {
    /// What is shown.
    pub view: Rc<CgroupView>,
    /// Processor time and limits of the last while.
    #[prop_or_default]
    pub time: Rc<CpuTimeline>,
}

/// The view.
#[component]
pub fn CgroupsView(Props { view, time }: &Props) -> Html {
    let text = Text::of(&Rc::new((view.clone(), time.clone())), |(view, time)| match time.has_limits() {
        true => view.text() + &time.text(),
        false => view.text(),
    });
    html! {
        <section class="view cgroups" data-testid="view-cgroups" aria-label={t!("Control groups")}>
            <Twin title={t!("Control groups")} {text}>
                { strip(time) }
                if view.trees.is_empty() {
                    <p class="view__more">{ t!("There is no group but the roots. Make one: mkdir /sys/fs/cgroup/pids/box") }</p>
                }
                { for view.trees.iter().map(tree) }
                if !view.bare.is_empty() {
                    <p class="view__more">{ t!("hierarchies without groups: {names}", names = view.bare.join(", ")) }</p>
                }
            </Twin>
        </section>
    }
}

fn tree(tree: &Tree) -> Html {
    html! {
        <section class="cgroups__tree" aria-label={format!("{} {}", tree.label, tree.version)}>
            <h3>{ &tree.label }<small>{ tree.version }</small></h3>
            <ul>{ for tree.rows.iter().map(row) }</ul>
            if tree.left_out > 0 { <p class="view__more">{ t!("and {n} more groups", n = tree.left_out) }</p> }
        </section>
    }
}

fn row(row: &Row) -> Html {
    let style = format!("--depth: {}", row.depth);
    if row.folded > 0 {
        return html! { <li class="cgroups__row" {style}><span class="cgroups__name view__more">{ t!("… and {n} more like this", n = row.folded) }</span></li> };
    }
    html! {
        <li class={classes!("cgroups__row", change_class(row.change))} {style}>
            <span class="cgroups__name" title={row.name.clone()}>{ change_mark(row.change) }{ " " }<b>{ &row.name }</b></span>
            if !row.meters.is_empty() { <span class="cgroups__meters">{ for row.meters.iter().map(meter) }</span> }
            <span class="cgroups__who">
                { for row.members.iter().map(|name| html! { <span class="chip is-own">{ name }</span> }) }
                if row.more_members > 0 { <span>{ t!("and {n} more", n = row.more_members) }</span> }
                { for row.marks.iter().map(|mark| html! { <span class="cgroups__mark">{ mark }</span> }) }
            </span>
        </li>
    }
}

fn meter(meter: &Meter) -> Html {
    let class =
        classes!("meter", meter.full.then_some("is-full"), (meter.change != Change::Same).then_some("is-changed"));
    html! {
        <span {class} role="img" aria-label={format!("{}: {}{}", meter.name, meter.words(), if meter.full { t!(", at the limit") } else { "" })}>
            <span class="meter__name">{ meter.name }</span>
            <span class="meter__bar">
                <i style={format!("width: {}%", meter.percent)}></i>
                if meter.limit.is_some() { <b style={format!("left: {NOTCH}%")}></b> }
            </span>
            <span class="meter__words">{ meter.words() }{ change_mark(meter.change) }</span>
        </span>
    }
}
