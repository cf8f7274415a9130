//! Domains as houses, event channels as wires between them: who can signal whom, and which bits are set.

use std::rc::Rc;

use hypervisor_model::projection::xen::channels::{Channels, DomainBox, PortDot, VcpuBits};
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
    name: "channels",
    title: "Domains",
    subject: Subject::Xen,
    about: "Xen's domains, and through which event channels they can signal each other",
    concerns: |kind: &EventKind| match kind {
        EventKind::Machine(Report::Did(deed)) => deed.name == "event_channel_op",
        _ => false,
    },
    looks_back: false,
    picture: |moment| {
        let events = moment.events;
        let found = picture_of(moment, |before, after| Channels::of_step(before, after, events));
        let (is_there, channels) = (found.is_some(), found.unwrap_or_default());
        Picture::new(move |look| {
            html! { <ChannelsView channels={channels.clone()} {is_there} dispatch={look.dispatch.clone()} /> }
        })
    },
};

/// Height of a port, of a house's head and of the gap between houses; width of a house and of the yard between.
const PORT: usize = 24;
const HEAD: usize = 52;
const GAP: usize = 18;
const HOUSE: usize = 248;
const YARD: usize = 120;

/// Props of [`ChannelsView`].
#[derive(Clone, PartialEq, Properties)]
pub struct Props {
    /// What is shown.
    pub channels: Rc<Channels>,
    /// There is Xen below.
    pub is_there: bool,
    /// Where messages go.
    pub dispatch: Callback<Msg>,
}

/// Where the houses are: domain 0 on the left, the others below each other on the right.
struct Plan {
    /// Left and upper edge of each.
    places: Vec<(usize, usize)>,
    width: usize,
    height: usize,
}

/// The view.
#[component]
pub fn ChannelsView(Props { channels, is_there, dispatch }: &Props) -> Html {
    let plan = plan(channels);
    html! {
        <section class="view channels" data-testid="view-channels" aria-label={t!("Domains and event channels")}>
            <Twin title={t!("Domains and event channels")} text={Text::of(channels, Channels::text)}>
                if !*is_there {
                    { no_xen(dispatch) }
                } else {
                    <p lang="en">{ channels.summary() }</p>
                    <div class="channels__scroll" tabindex="0" role="group" aria-label={t!("Domains with their ports")}>
                        <div class="channels__map" style={format!("width: {}px; height: {}px", plan.width, plan.height)}>
                            <svg class="channels__wires" width={plan.width.to_string()} height={plan.height.to_string()} aria-hidden="true">
                                { for channels.wires().map(|((from, port), to)| wire(channels, &plan, from, port, to)) }
                            </svg>
                            { for channels.domains.iter().zip(&plan.places).map(|(d, place)| house(d, *place)) }
                        </div>
                    </div>
                    { key() }
                }
            </Twin>
        </section>
    }
}

fn rows_above(house: &DomainBox) -> usize {
    HEAD + house.vcpus.len() * PORT
}

fn height(house: &DomainBox) -> usize {
    rows_above(house) + house.ports.len() * PORT + 10
}

fn plan(channels: &Channels) -> Plan {
    let (mut top, mut left_height) = (0, 0);
    let mut places = Vec::new();
    for house in &channels.domains {
        if house.domain == 0 {
            places.push((0, 0));
            left_height = height(house);
        } else {
            places.push((HOUSE + YARD, top));
            top += height(house) + GAP;
        }
    }
    let width = if channels.domains.len() > 1 { 2 * HOUSE + YARD + 40 } else { HOUSE + 40 };
    Plan { places, width, height: left_height.max(top) + 4 }
}

/// Where the bulb of a port is: on the wall that looks at the yard.
fn bulb(channels: &Channels, plan: &Plan, domain: u16, port: u32) -> Option<(usize, usize)> {
    let at = channels.domains.iter().position(|house| house.domain == domain)?;
    let house = &channels.domains[at];
    let row = house.ports.iter().position(|dot| dot.port == port)?;
    let (left, top) = plan.places[at];
    let x = if left == 0 { HOUSE } else { left };
    Some((x, top + rows_above(house) + row * PORT + PORT / 2))
}

fn wire(channels: &Channels, plan: &Plan, from: u16, port: &PortDot, to: (u16, u32)) -> Html {
    let ends = bulb(channels, plan, from, port.port).zip(bulb(channels, plan, to.0, to.1));
    let Some(((x1, y1), (x2, y2))) = ends else { return Html::default() };
    let other =
        channels.domains.iter().find(|d| d.domain == to.0).and_then(|d| d.ports.iter().find(|p| p.port == to.1));
    let is_live = port.arrived > 0 || other.is_some_and(|other| other.arrived > 0);
    // Both ends at the same wall: the wire goes out into the yard and back.
    let out = if x1 == x2 { YARD / 2 - 8 } else { YARD / 2 };
    let (c1, c2) = match (x1 == x2, x1 == HOUSE) {
        (true, true) => (x1 + out, x2 + out),
        (true, false) => (x1 - out, x2 - out),
        (false, true) => (x1 + out, x2 - out),
        (false, false) => (x1 - out, x2 + out),
    };
    let class = classes!("channels__wire", is_live.then_some("is-live"), change_class(port.change));
    html! { <path {class} d={format!("M{x1} {y1} C{c1} {y1} {c2} {y2} {x2} {y2}")} /> }
}

fn house(d: &DomainBox, (left, top): (usize, usize)) -> Html {
    let style = format!("left: {left}px; top: {top}px; width: {HOUSE}px; height: {}px", height(d));
    let class = classes!(
        "channels__house",
        if d.domain == 0 { "is-host" } else { "is-guest" },
        (left > 0).then_some("is-right"),
        change_class(d.change)
    );
    html! {
        <div {class} {style}>
            <div class="channels__head" style={format!("height: {HEAD}px")}>
                <span>{ domain_tag(d.domain) }{ " " }<b>{ &d.name }</b>{ " " }{ change_mark(d.change) }</span>
                <small lang="en">{ format!("{} · {} · {}", d.kind, d.state, d.abi) }</small>
            </div>
            { for d.vcpus.iter().enumerate().map(|(n, v)| vcpu(n, v)) }
            { for d.ports.iter().map(port) }
        </div>
    }
}

fn vcpu(n: usize, v: &VcpuBits) -> Html {
    let bit = |is_set: bool| if is_set { "1" } else { "0" };
    // The words are the header's.
    let name = format!("vcpu {n}");
    let bits = format!("pending {} mask {} sel {:x}", bit(v.upcall_pending), bit(v.upcall_mask), v.selector);
    let changed = if v.is_changed { Change::Changed } else { Change::Same };
    html! {
        <div class={classes!("channels__vcpu", v.is_changed.then_some("is-changed"))} style={format!("height: {PORT}px")}
            title={t!("upcall pending, upcall mask, selector")}>
            <span>{ name }</span>
            <code>{ bits }</code>
            { change_mark(changed) }
        </div>
    }
}

fn port(dot: &PortDot) -> Html {
    let class = classes!(
        "channels__port",
        dot.is_pending.then_some("is-pending"),
        dot.is_masked.then_some("is-masked"),
        (dot.arrived > 0).then_some("is-live"),
        change_class(dot.change)
    );
    let mut states = Vec::new();
    if dot.is_pending {
        states.push(t!("pending"));
    }
    if dot.is_masked {
        states.push(t!("mask set"));
    }
    html! {
        <div {class} style={format!("height: {PORT}px")}>
            <i class="channels__bulb" aria-hidden="true"></i>
            <code>{ dot.port }</code>
            <b>{ dot.letter }</b>
            <span lang="en">{ &dot.label }</span>
            <small>
                { states.join(", ") }
                if dot.arrived > 0 { { " " }<em>{ format!("↯{}", dot.arrived) }<span class="heard">{ t!("events in this step") }</span></em> }
                { change_mark(dot.change) }
            </small>
        </div>
    }
}

fn key() -> Html {
    html! {
        <p class="view__more channels__key">
            <span><i class="channels__bulb" aria-hidden="true"></i>{ t!("a port") }</span>
            <span class="is-pending"><i class="channels__bulb" aria-hidden="true"></i>{ t!("an event is pending") }</span>
            <span class="is-masked"><i class="channels__bulb" aria-hidden="true"></i>{ t!("masked by its guest") }</span>
            <span>{ t!("↯ events in this step") }</span>
            <span>{ t!("D to a domain, V from Xen, P from a device, I between processors, U waits for somebody") }</span>
        </p>
    }
}
