//! Through its eyes: the whole world in quiet ink, and in full ink what the process can name, with the name it
//! uses.

use std::rc::Rc;

use kernel_model::event::{EventKind, Family};
use kernel_model::projection::through_eyes::{Section, Thing, ThroughEyes};
use yew::{Callback, Html, Properties, classes, component, html};

use super::{Picture, Subject, View};
use crate::state::Msg;
use crate::widget::mark::{change_class, change_mark};
use crate::widget::namespace::{ns_class, ns_letter};
use crate::widget::seat::{Seats, seat};
use crate::widget::twin::{Text, Twin};

/// The view on the stage.
pub const VIEW: View = View {
    name: "through-eyes",
    title: "Through its eyes",
    subject: Subject::Linux,
    about: "What the process where you stand can name, against all that there is",
    concerns: |kind: &EventKind| {
        matches!(
            kind,
            EventKind::NamespaceEntered { .. } | EventKind::NodenameSet { .. } | EventKind::RootChanged { .. }
        ) || kind.family() == Family::Pid && matches!(kind, EventKind::PidLookedUp { found: None, .. })
    },
    looks_back: false,
    picture: |moment| {
        let eyes = moment.stand.map(|task| ThroughEyes::of_step(moment.before, moment.after, task));
        let eyes = Rc::new(eyes.unwrap_or_default());
        Picture::new(move |look| {
            html! { <ThroughEyesView eyes={eyes.clone()} seats={look.seats.clone()} dispatch={look.dispatch.clone()} /> }
        })
    },
};

/// Props of [`ThroughEyesView`].
#[derive(Clone, PartialEq, Properties)]
pub struct Props {
    /// What is shown.
    pub eyes: Rc<ThroughEyes>,
    /// Where one can stand.
    #[prop_or_default]
    pub seats: Seats,
    /// Where messages go.
    pub dispatch: Callback<Msg>,
}

/// The view.
#[component]
pub fn ThroughEyesView(Props { eyes, seats, dispatch }: &Props) -> Html {
    html! {
        <section class="view through-eyes" data-testid="view-through-eyes" aria-label={t!("What a process can see")}>
            <Twin title={t!("Through its eyes")} text={Text::of(eyes, ThroughEyes::text)}>
                <p class="seats">{ seat(seats, eyes.task, dispatch) }{ " " }{ t!("sees") }</p>
                if eyes.task.is_some() {
                    <div class="through-eyes__sections">{ for eyes.sections.iter().map(section) }</div>
                }
            </Twin>
        </section>
    }
}

fn section(section: &Section) -> Html {
    let rest = section.all.saturating_sub(section.things.len());
    html! {
        <section class={classes!("through-eyes__section", ns_class(section.kind, section.instance))} aria-label={section.title}>
            <h4>
                { ns_letter(section.kind, section.instance) }
                { " " }{ section.title }
                <span class="through-eyes__count">{ t!("{n} of {all}", n = section.seen, all = section.all) }</span>
            </h4>
            <ul>
                { for section.things.iter().map(thing) }
                if rest > 0 { <li class="view__more">{ t!("and {n} more", n = rest) }</li> }
            </ul>
        </section>
    }
}

fn thing(thing: &Thing) -> Html {
    let class = classes!(
        "through-eyes__thing",
        if thing.name.is_some() { "is-seen" } else { "is-unseen" },
        thing.own.then_some("is-own"),
        change_class(thing.change),
    );
    html! {
        <li {class}>
            { match &thing.name {
                Some(name) => html! { <b>{ name }</b> },
                None => html! { <span role="img" aria-label={t!("no name for it")}>{ "–" }</span> },
            } }
            <span class="through-eyes__outside">{ &thing.outside }</span>
            { change_mark(thing.change) }
        </li>
    }
}
