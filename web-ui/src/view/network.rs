//! The network: namespaces as houses, devices at their walls, cables between them. A packet is a dot that goes from
//! device to device and stops where it is dropped, and says why.

use std::rc::Rc;

use kernel_model::event::{EventKind, Family};
use kernel_model::namespace::NsKind;
use kernel_model::projection::net_topology::{Device, Hop, House, Link, NetTopology};
use yew::{Html, Properties, classes, component, html};

use super::{Picture, Subject, View};
use crate::widget::mark::{change_class, change_mark};
use crate::widget::namespace::{ns_class, ns_letter};
use crate::widget::twin::{Text, Twin};

/// The view on the stage.
pub const VIEW: View = View {
    name: "network",
    title: "Network",
    subject: Subject::Linux,
    about: "Devices and cables of every network namespace, and where packets go",
    concerns: |kind: &EventKind| kind.family() == Family::Network,
    looks_back: false,
    picture: |moment| {
        let map = NetTopology::of_step(moment.before, moment.after, moment.events, moment.stand);
        let map = Rc::new(map);
        Picture::new(move |_| html! { <NetworkView map={map.clone()} /> })
    },
};

/// Sizes in pixels: a house, the gap between houses, its head, a device.
const HOUSE: usize = 236;
const GAP: usize = 56;
const HEAD: usize = 48;
const DEVICE: usize = 46;
/// Houses in a row.
const IN_A_ROW: usize = 3;

/// Props of [`NetworkView`].
#[derive(Clone, PartialEq, Properties)]
pub struct Props {
    /// What is shown.
    pub map: Rc<NetTopology>,
}

/// Where things are.
struct Plan {
    /// Left and upper edge of each house, and its height.
    houses: Vec<(usize, usize, usize)>,
    width: usize,
    height: usize,
}

/// The view.
#[component]
pub fn NetworkView(Props { map }: &Props) -> Html {
    let plan = plan(map);
    html! {
        <section class="view network" data-testid="view-network" aria-label={t!("The network")}>
            <Twin title={t!("Network")} text={Text::of(map, NetTopology::text)}>
                <div class="network__scroll" tabindex="0" role="group" aria-label={t!("Network namespaces and their devices")}>
                    <div class="network__map" style={format!("width: {}px; height: {}px", plan.width, plan.height)}>
                        { for map.houses.iter().enumerate().map(|(i, h)| house(map, &plan, i, h)) }
                        <svg class="network__cables" width={plan.width.to_string()} height={plan.height.to_string()} aria-hidden="true">
                            { for map.links.iter().map(|link| cable(map, &plan, link)) }
                            { packet(map, &plan) }
                        </svg>
                    </div>
                </div>
                if map.left_out > 0 { <p class="view__more">{ t!("and {n} more network namespaces", n = map.left_out) }</p> }
                <ol class="network__hops" aria-label={t!("What packets did in this step")}>
                    { for map.hops.iter().map(|h| hop(map, h)) }
                </ol>
            </Twin>
        </section>
    }
}

fn plan(map: &NetTopology) -> Plan {
    let mut houses = Vec::new();
    let mut top = 0;
    for row in map.houses.chunks(IN_A_ROW) {
        let most = row.iter().map(|house| house.devices.len()).max().unwrap_or(0);
        for (n, house) in row.iter().enumerate() {
            houses.push((n * (HOUSE + GAP), top, HEAD + DEVICE * house.devices.len() + 10));
        }
        top += HEAD + DEVICE * most + 10 + GAP;
    }
    let columns = map.houses.len().clamp(1, IN_A_ROW);
    Plan { houses, width: columns * (HOUSE + GAP), height: top }
}

fn house(map: &NetTopology, plan: &Plan, index: usize, house: &House) -> Html {
    let Some((left, top, height)) = plan.houses.get(index).copied() else { return Html::default() };
    html! {
        <div class={classes!("network__house", ns_class(NsKind::Net, house.ns.0), change_class(house.change))}
            style={format!("left: {left}px; top: {top}px; width: {HOUSE}px; height: {height}px")}>
            <div class="network__head" style={format!("height: {HEAD}px")}>
                <span>{ ns_letter(NsKind::Net, house.ns.0) }{ format!(" net:[{}] ", house.inum) }{ change_mark(house.change) }</span>
                <small>{ &house.who }if house.forwards { { " · " }{ t!("forwards") } }</small>
            </div>
            { for house.devices.iter().filter_map(|i| map.devices.get(*i)).map(device) }
        </div>
    }
}

fn device(device: &Device) -> Html {
    let class = classes!(
        "network__device",
        (!device.up).then_some("is-down"),
        (device.up && !device.carrier).then_some("has-no-carrier"),
        change_class(device.change),
    );
    html! {
        <div {class} style={format!("height: {}px", DEVICE - 8)} title={device.words()}>
            <b>{ &device.name }</b>
            <span>{ device.kind }if !device.up { { ", " }{ t!("down") } }{ change_mark(device.change) }</span>
            <code>{ if device.addresses.is_empty() { "–".to_owned() } else { device.addresses.join(" ") } }</code>
        </div>
    }
}

/// The left and the right end of a device, and its middle height.
fn ends(map: &NetTopology, plan: &Plan, index: usize) -> Option<(usize, usize, usize)> {
    let device = map.devices.get(index)?;
    let (left, top, _) = plan.houses.get(device.house).copied()?;
    let place = map.houses.get(device.house)?.devices.iter().position(|d| *d == index)?;
    Some((left + 8, left + HOUSE - 6, top + HEAD + DEVICE * place + (DEVICE - 8) / 2))
}

/// The way from one device to another: out of the side of the house and into the side of the other.
fn way(map: &NetTopology, plan: &Plan, from: usize, to: usize) -> Option<String> {
    let ((left1, right1, y1), (left2, right2, y2)) = (ends(map, plan, from)?, ends(map, plan, to)?);
    Some(if left1 == left2 {
        let out = right1 + GAP / 3;
        format!("M{right1} {y1} C{out} {y1} {out} {y2} {right2} {y2}")
    } else if left1 < left2 {
        let middle = left2.saturating_sub(GAP / 2);
        format!("M{right1} {y1} C{middle} {y1} {middle} {y2} {left2} {y2}")
    } else {
        let middle = left1.saturating_sub(GAP / 2);
        format!("M{left1} {y1} C{middle} {y1} {middle} {y2} {right2} {y2}")
    })
}

fn cable(map: &NetTopology, plan: &Plan, link: &Link) -> Html {
    let Some(d) = way(map, plan, link.from, link.to) else { return Html::default() };
    let class = classes!("network__cable", link.port.then_some("is-port"), (!link.open).then_some("is-closed"));
    html! { <path {class} {d} /> }
}

/// The last packet of the step: its way as a trail, and the dot where it is now.
fn packet(map: &NetTopology, plan: &Plan) -> Html {
    let Some(last) = map.hops.last() else { return Html::default() };
    let mut stations: Vec<usize> =
        map.hops.iter().filter(|h| h.packet == last.packet).filter_map(|h| h.device).collect();
    stations.dedup();
    let legs: Vec<String> = stations.windows(2).filter_map(|pair| way(map, plan, pair[0], pair[1])).collect();
    let Some((left, right, y)) = stations.last().and_then(|at| ends(map, plan, *at)) else { return Html::default() };
    let x = if legs.last().is_some_and(|leg| leg.ends_with(&format!(" {left} {y}"))) { left } else { right };
    let end = match (&last.dropped, last.arrived) {
        (Some(_), _) => "is-dropped",
        (None, true) => "is-arrived",
        (None, false) => "is-under-way",
    };
    html! {
        <g class={classes!("network__packet", end)} key={format!("{}-{}", last.packet, map.hops.len())}>
            { for legs.iter().map(|d| html! { <path d={d.clone()} /> }) }
            if let Some(leg) = legs.last() {
                <circle class="network__dot" r="7" style={format!("offset-path: path('{leg}')")} />
            } else {
                <circle r="7" cx={x.to_string()} cy={y.to_string()} />
            }
            if last.dropped.is_some() {
                <path class="network__cross" d={format!("M{} {} l12 12 m0 -12 l-12 12", x.saturating_sub(6), y - 6)} />
            }
        </g>
    }
}

fn hop(map: &NetTopology, hop: &Hop) -> Html {
    let place = hop.device.and_then(|d| map.devices.get(d)).and_then(|d| map.houses.get(d.house));
    html! {
        <li class={classes!("network__hop", hop.dropped.is_some().then_some("is-dropped"), hop.arrived.then_some("is-arrived"))}>
            <span class="network__sign" aria-hidden="true">{ if hop.dropped.is_some() { "✕" } else if hop.arrived { "●" } else { "→" } }</span>
            <span class="network__nr">{ hop.packet }</span>
            if let Some(house) = place { { ns_letter(NsKind::Net, house.ns.0) } }
            <span lang="en">{ &hop.what }if let Some(why) = &hop.dropped { <b>{ ", " }{ t!("dropped: {why}", why = why) }</b> }</span>
        </li>
    }
}
