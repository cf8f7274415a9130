//! The timeline: a tape of events under a fixed needle, in three lanes; a scrubber over the whole history;
//! buttons and keys for every way to move.

use std::rc::Rc;

use kernel_model::event::{Family, Granularity};
use kernel_model::timeline::{Direction, Stride};
use yew::{Callback, Html, InputEvent, KeyboardEvent, Properties, TargetCast, classes, component, html};

use super::glyph;
use super::icon::{Icon, icon};
use crate::browser::element;
use crate::browser::key::Key;
use crate::language::{english, translated};
use crate::shown::Branch;
use crate::state::{Msg, Panel};
use crate::tape::{Mark, Span, Tape};

/// Width of an event on the tape, in pixels. The style sheet knows it as `--event`.
const EVENT: u64 = 14;
/// The tape is laid out relative to the last multiple of this many events, so that its coordinates stay small.
const BASE: u64 = 4096;

/// Props of [`TimelineBar`].
#[derive(Clone, PartialEq, Properties)]
pub struct Props {
    /// The tape.
    pub tape: Rc<Tape>,
    /// Other futures.
    pub branches: Rc<Vec<Branch>>,
    /// How coarse a step is.
    pub granularity: Granularity,
    /// What "next" and "previous" look for.
    pub family: Family,
    /// Whether steps follow each other by themselves.
    pub playing: bool,
    /// A short message.
    pub said: String,
    /// Where messages go.
    pub dispatch: Callback<Msg>,
}

const LANES: [(Granularity, &str, &str); 3] = [
    (Granularity::Command, "1", english("command")),
    (Granularity::Syscall, "2", english("call")),
    (Granularity::Micro, "3", english("kernel")),
];

/// The timeline.
#[component]
pub fn TimelineBar(Props { tape, branches, granularity, family, playing, said, dispatch }: &Props) -> Html {
    html! {
        <section class="timeline" aria-label={t!("Timeline")}>
            <div class="timeline__tape">
                <div class="timeline__lanes" role="group" aria-label={t!("Size of a step")}>
                    { for LANES.iter().map(|(g, key, name)| lane_button(*g, key, name, *granularity, dispatch)) }
                </div>
                { strip(tape, dispatch) }
            </div>
            { scrubber(tape, *granularity, *family, *playing, dispatch) }
            { controls(tape, *family, *playing, branches, said, dispatch) }
        </section>
    }
}

fn lane_button(
    own: Granularity,
    key: &'static str,
    name: &'static str,
    shown: Granularity,
    dispatch: &Callback<Msg>,
) -> Html {
    let on = own == shown;
    let choose = dispatch.reform(move |_: web_sys::MouseEvent| Msg::Granularity(own));
    html! {
        <button type="button" class={classes!("lane-button", on.then_some("is-on"))} aria-pressed={on.to_string()} onclick={choose}>
            <kbd>{ key }</kbd>{ translated(name) }
        </button>
    }
}

/// The tape under its needle.
fn strip(tape: &Tape, dispatch: &Callback<Msg>) -> Html {
    let base = tape.position / BASE * BASE;
    let x = |event: u64| event as i64 - base as i64;
    let style = format!("transform: translateX({}px)", -x(tape.position) * EVENT as i64);
    let step = format!(
        "left: {}px; width: {}px",
        x(tape.from) * EVENT as i64,
        tape.position.saturating_sub(tape.from) * EVENT
    );
    html! {
        <div class="strip" aria-hidden="true">
            <div class="strip__needle"></div>
            <div class="strip__tape" key={base} {style}>
                <div class="strip__step" style={step}></div>
                { for tape.spans.iter().map(|s| span(s, x(s.first), tape.position)) }
                { for tape.marks.iter().zip(tape.first..).map(|(m, event)| mark(m, event, x(event), tape.position, dispatch)) }
            </div>
        </div>
    }
}

fn lane(granularity: Granularity) -> &'static str {
    match granularity {
        Granularity::Command => "lane-1",
        Granularity::Syscall => "lane-2",
        Granularity::Micro => "lane-3",
    }
}

fn span(span: &Span, x: i64, now: u64) -> Html {
    let width = (span.last - span.first + 1) * EVENT;
    let style = format!("left: {}px; width: {width}px", x * EVENT as i64);
    let class = classes!(
        "strip__span",
        lane(span.granularity),
        span.failed.then_some("is-failed"),
        span.slept.then_some("is-slept"),
        (span.first >= now).then_some("is-future")
    );
    // Less than two events wide nothing can be read.
    let fits = span.last > span.first;
    html! { <div key={format!("s{}", span.first)} {class} {style}>if fits { <span>{ &span.text }</span> }</div> }
}

fn mark(mark: &Mark, event: u64, x: i64, now: u64, dispatch: &Callback<Msg>) -> Html {
    let style = format!("left: {}px", x * EVENT as i64);
    let class = classes!(
        "strip__mark",
        lane(mark.granularity),
        glyph::class(mark.family),
        (event >= now).then_some("is-future"),
        (event + 1 == now).then_some("is-now")
    );
    let go = dispatch.reform(move |_: web_sys::MouseEvent| Msg::Seek(event + 1));
    html! {
        <div key={event} {class} {style} title={mark.label.clone()} onclick={go}>
            <span>{ glyph::sign(mark.family) }</span>
        </div>
    }
}

fn scrubber(tape: &Tape, granularity: Granularity, family: Family, playing: bool, dispatch: &Callback<Msg>) -> Html {
    let moved = dispatch.reform(|event: InputEvent| {
        let field = event.target_dyn_into::<web_sys::HtmlInputElement>();
        Msg::Seek(field.and_then(|f| f.value().parse().ok()).unwrap_or(0))
    });
    let pressed = {
        let dispatch = dispatch.clone();
        let len = tape.len;
        Callback::from(move |event: KeyboardEvent| {
            let key = Key::from(&event);
            if key.command {
                return;
            }
            if key.name == "t" {
                event.prevent_default();
                return element::focus("terminal-input");
            }
            if key.name == "g" {
                event.prevent_default();
                return element::focus("go-to");
            }
            if let Some(msg) = meaning(&key, granularity, family, playing, len) {
                event.prevent_default();
                dispatch.emit(msg);
            }
        })
    };
    let done = if tape.len == 0 { 100.0 } else { tape.position as f64 * 100.0 / tape.len as f64 };
    let now = tape.position.checked_sub(tape.first + 1).and_then(|i| tape.marks.get(i as usize));
    let text = t!(
        "step {n} of {all}: {what}",
        n = tape.position,
        all = tape.len,
        what = now.map_or(t!("the beginning"), |m| m.label.as_str())
    );
    html! {
        <input type="range" id="timeline" class="scrubber" data-testid="timeline" aria-label={t!("Timeline")} aria-valuetext={text}
            min="0" max={tape.len.to_string()} step="1" value={tape.position.to_string()} style={format!("--done: {done}%")}
            oninput={moved} onkeydown={pressed} />
    }
}

/// What a key means where the timeline has the keyboard.
fn meaning(key: &Key, granularity: Granularity, family: Family, playing: bool, len: u64) -> Option<Msg> {
    let coarser = match granularity {
        Granularity::Micro => Granularity::Syscall,
        _ => Granularity::Command,
    };
    let step = |direction| if key.shift { Msg::StepBy(coarser, direction) } else { Msg::Step(direction) };
    Some(match key.name.as_str() {
        "ArrowRight" => step(Direction::Forward),
        "ArrowLeft" => step(Direction::Back),
        "Home" => Msg::Seek(0),
        "End" => Msg::Seek(len),
        " " => Msg::Play(!playing),
        "1" => Msg::Granularity(Granularity::Command),
        "2" => Msg::Granularity(Granularity::Syscall),
        "3" => Msg::Granularity(Granularity::Micro),
        "i" => Msg::Stride(Stride::Into, Direction::Forward),
        "o" => Msg::Stride(Stride::Over, Direction::Forward),
        "u" => Msg::Stride(Stride::Out, Direction::Forward),
        "n" => Msg::Until(family, Direction::Forward),
        "N" => Msg::Until(family, Direction::Back),
        "?" => Msg::Open(Panel::Help, "timeline"),
        _ => return None,
    })
}

fn controls(
    tape: &Tape,
    family: Family,
    playing: bool,
    branches: &[Branch],
    said: &str,
    dispatch: &Callback<Msg>,
) -> Html {
    let send = |msg: Msg| dispatch.reform(move |_: web_sys::MouseEvent| msg.clone());
    let family_chosen = dispatch.reform(|event: yew::Event| {
        let value = element::chosen_value(&event);
        let found = Family::ALL.into_iter().find(|f| f.label() == value);
        Msg::Family(found.unwrap_or(Family::Namespace))
    });
    let go_to = {
        let dispatch = dispatch.clone();
        Callback::from(move |event: KeyboardEvent| {
            if event.key() != "Enter" {
                return;
            }
            let field = event.target_dyn_into::<web_sys::HtmlInputElement>();
            if let Some(position) = field.and_then(|f| f.value().trim().parse().ok()) {
                dispatch.emit(Msg::Seek(position));
            }
        })
    };
    let branch_chosen = {
        let dispatch = dispatch.clone();
        Callback::from(move |event: yew::Event| {
            if let Ok(index) = element::chosen_value(&event).parse() {
                dispatch.emit(Msg::SwitchBranch(index));
            }
        })
    };
    let (at_start, at_end) = (tape.position == 0, tape.position == tape.len);
    html! {
        <div class="controls">
            <div class="controls__steps">
                <button type="button" data-testid="step-back" class="step" disabled={at_start} aria-label={t!("step back")} onclick={send(Msg::Step(Direction::Back))}>{ icon(Icon::Back) }</button>
                <button type="button" data-testid="play" class="step" aria-label={if playing { t!("stop playing") } else { t!("play") }} aria-pressed={playing.to_string()} onclick={send(Msg::Play(!playing))}>{ icon(if playing { Icon::Stop } else { Icon::Play }) }</button>
                <button type="button" data-testid="step-forward" class="step" disabled={at_end} aria-label={t!("step forward")} onclick={send(Msg::Step(Direction::Forward))}>{ icon(Icon::Forward) }</button>
            </div>
            <div class="controls__strides">
                <button type="button" data-testid="step-into" disabled={at_end} onclick={send(Msg::Stride(Stride::Into, Direction::Forward))}>{ t!("into") }</button>
                <button type="button" data-testid="step-over" disabled={at_end} onclick={send(Msg::Stride(Stride::Over, Direction::Forward))}>{ t!("over") }</button>
                <button type="button" data-testid="step-out" disabled={at_end} onclick={send(Msg::Stride(Stride::Out, Direction::Forward))}>{ t!("out") }</button>
            </div>
            <div class="controls__until">
                <button type="button" aria-label={t!("previous {family}", family = translated(family.label()))} onclick={send(Msg::Until(family, Direction::Back))}>{ "‹" }</button>
                <select aria-label={t!("Family to look for")} onchange={family_chosen}>
                    { for Family::ALL.into_iter().map(|f| html! { <option value={f.label()} selected={f == family}>{ translated(f.label()) }</option> }) }
                </select>
                <button type="button" aria-label={t!("next {family}", family = translated(family.label()))} onclick={send(Msg::Until(family, Direction::Forward))}>{ "›" }</button>
                <span class="controls__said" role="status">{ said }</span>
            </div>
            if !branches.is_empty() {
                <select class="controls__branches" aria-label={t!("Other futures")} onchange={branch_chosen}>
                    <option selected=true value="">{ t!("branches ({n})", n = branches.len()) }</option>
                    { for branches.iter().map(|b| html! { <option value={b.index.to_string()}>{ format!("{}: {}", b.index + 1, b.first) }</option> }) }
                </select>
            }
            <label class="controls__place">
                <input id="go-to" class="controls__goto" inputmode="numeric" aria-label={t!("go to step")} placeholder={tape.position.to_string()} onkeydown={go_to} />
                { format!("/ {}", tape.len) }
            </label>
        </div>
    }
}
