//! Rings and modes: concentric arcs, those of the hypervisor's side and the guest's side by side; where the processor is,
//! and the path that it took in the step.

use std::rc::Rc;

use hypervisor_model::machine::Platform;
use hypervisor_model::projection::rings::{Place, Rings};
use kernel_model::event::EventKind;
use yew::{Html, Properties, classes, component, html};

use super::{Picture, Subject, View};
use crate::widget::twin::{Text, Twin};

/// The view on the stage.
pub const VIEW: View = View {
    name: "rings",
    title: "Rings",
    subject: Subject::Processor,
    about: "In which ring and on which side of the hypervisor the processor is, and the path that it took",
    // Every call goes through the rings: a step is rarely about that.
    concerns: |_: &EventKind| false,
    looks_back: false,
    picture: |moment| {
        let platform = Platform::of_code(moment.platform);
        let rings = Rc::new(Rings::of_step(moment.events, platform));
        let about = platform.map_or(t!("the kernel on a machine that nobody looks at"), Platform::about);
        Picture::new(move |_| html! { <RingsView rings={rings.clone()} {about} /> })
    },
};

/// Half the size of an arc's picture, and how far apart its rings are.
const HALF: u32 = 110;
const STEP: u32 = 26;

/// Props of [`RingsView`].
#[derive(Clone, PartialEq, Properties)]
pub struct Props {
    /// What is shown.
    pub rings: Rc<Rings>,
    /// What the kernel runs on.
    pub about: &'static str,
}

/// The view.
#[component]
pub fn RingsView(Props { rings, about }: &Props) -> Html {
    let sides: &[bool] = if rings.has_guest { &[true, false] } else { &[true] };
    html! {
        <section class="view rings" data-testid="view-rings" aria-label={t!("Rings and modes of the processor")}>
            <Twin title={t!("Rings and modes")} text={Text::of(rings, Rings::text)}>
                <p>{ t!("On {about}. The processor is {place}; {n} crossings in this step.", about = about, place = words(rings, rings.now), n = rings.crossings()) }</p>
                <div class="rings__sides">{ for sides.iter().map(|is_host| side(rings, *is_host)) }</div>
                if !rings.path.is_empty() {
                    <ol class="rings__path">
                        { for rings.path.iter().map(|passage| html! {
                            <li class={classes!("rings__passage", (passage.from.is_host != passage.to.is_host).then_some("is-mode"))}>
                                <b>{ &passage.how }</b>
                                <span>{ format!("{} → {}", words(rings, passage.from), words(rings, passage.to)) }</span>
                            </li>
                        }) }
                    </ol>
                }
            </Twin>
        </section>
    }
}

fn words(rings: &Rings, place: Place) -> String {
    match (rings.has_guest, place.is_host) {
        (true, true) => t!("in ring {ring} of root mode", ring = place.ring),
        (true, false) => t!("in ring {ring} of non-root mode", ring = place.ring),
        _ => t!("in ring {ring}", ring = place.ring),
    }
}

fn side(rings: &Rings, is_host: bool) -> Html {
    let name = match (rings.has_guest, is_host) {
        (true, true) => t!("root mode: the hypervisor"),
        (true, false) => t!("non-root mode: the guest"),
        _ => t!("the machine"),
    };
    let size = 2 * HALF;
    let visits = |ring: u8| {
        let place = Place { is_host, ring };
        rings.path.iter().filter(|p| p.to == place).count() + usize::from(rings.start == place)
    };
    html! {
        <figure class="rings__side">
            <svg viewBox={format!("0 0 {size} {size}")} width={size.to_string()} height={size.to_string()} aria-hidden="true">
                { for (0..4u8).rev().map(|ring| ring_of(rings, Place { is_host, ring }, visits(ring))) }
            </svg>
            <figcaption>{ name }</figcaption>
        </figure>
    }
}

fn ring_of(rings: &Rings, place: Place, visits: usize) -> Html {
    let radius = STEP * (u32::from(place.ring) + 1);
    let is_now = rings.now == place;
    let class = classes!("rings__ring", (visits > 0).then_some("is-visited"), is_now.then_some("is-now"));
    // The label of a ring stands at its upper rim.
    let y = HALF - radius + 15;
    let text = match visits {
        0 => format!("{}", place.ring),
        n => format!("{} · {n}×", place.ring),
    };
    html! {
        <g {class}>
            <circle cx={HALF.to_string()} cy={HALF.to_string()} r={radius.to_string()} />
            <text x={HALF.to_string()} y={y.to_string()} text-anchor="middle">{ text }</text>
            if is_now { <circle class="rings__now" cx={(HALF + radius - STEP / 2).to_string()} cy={HALF.to_string()} r="6" /> }
        </g>
    }
}
