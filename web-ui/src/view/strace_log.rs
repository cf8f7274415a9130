//! A recorded log line by line: what was recorded, what the model says, and whether they agree.

use std::rc::Rc;

use kernel_model::strace::replay::{Replay, ReplayedLine, Verdict};
use yew::{Callback, Html, KeyboardEvent, Properties, classes, component, html};

use crate::browser::key::Key;
use crate::language::{english, translated};
use crate::recorded::OpenLog;
use crate::state::Msg;

/// How many lines are drawn around the one that is shown.
const WINDOW: usize = 120;

/// Props of [`StraceLogView`].
#[derive(Clone, PartialEq, Properties)]
pub struct Props {
    /// The log.
    pub log: OpenLog,
    /// Where messages go.
    pub dispatch: Callback<Msg>,
}

/// What can be listed alone, and its sign.
const VERDICTS: [(&str, &str); 4] =
    [(english("agrees"), "="), (english("differs"), "≠"), (english("out of scope"), "○"), (english("unparsed"), "?")];

/// The verdict's name; `None` for lines that are no finished call.
fn name(verdict: &Verdict) -> Option<&'static str> {
    match verdict {
        Verdict::Agrees => Some("agrees"),
        Verdict::Differs => Some("differs"),
        Verdict::OutOfScope(_) => Some("out of scope"),
        Verdict::Unparsed(_) => Some("unparsed"),
        Verdict::Begun | Verdict::NoCall => None,
    }
}

/// The view.
#[component]
pub fn StraceLogView(Props { log, dispatch }: &Props) -> Html {
    let replay: &Rc<Replay> = &log.replay;
    let counts = [replay.agree, replay.in_scope - replay.agree, replay.out_of_scope, replay.unparsed];
    let listed: Vec<usize> = (0..replay.lines.len())
        .filter(|i| log.only.is_none_or(|only| name(&replay.lines[*i].verdict) == Some(only)))
        .collect();
    let here = listed.partition_point(|i| *i < log.line);
    let first = here.saturating_sub(WINDOW / 2).min(listed.len().saturating_sub(WINDOW));
    let shown = &listed[first..(first + WINDOW).min(listed.len())];
    let step = |to: Option<usize>| to.map(Msg::LogLine);
    let next = step(listed.iter().copied().find(|i| *i > log.line));
    let before = step(listed.iter().copied().rev().find(|i| *i < log.line));
    let pressed = {
        let (dispatch, next, before) = (dispatch.clone(), next.clone(), before.clone());
        Callback::from(move |event: KeyboardEvent| {
            let key = Key::from(&event);
            let msg = match key.name.as_str() {
                "ArrowDown" | "j" => next.clone(),
                "ArrowUp" | "k" => before.clone(),
                _ => return,
            };
            event.prevent_default();
            if let Some(msg) = msg {
                dispatch.emit(msg);
            }
        })
    };
    let only = |what: Option<&'static str>, label: String| {
        let on = log.only == what;
        let choose = dispatch.reform(move |_: web_sys::MouseEvent| Msg::LogOnly(what));
        html! { <button type="button" class={classes!("tab", on.then_some("is-shown"))} aria-pressed={on.to_string()} onclick={choose}>{ label }</button> }
    };
    html! {
        <div class="strace-log" data-testid="view-strace-log">
            <div class="strace-log__summary">
                { only(None, t!("all {n}", n = replay.lines.len())) }
                { for VERDICTS.iter().zip(counts).map(|((name, sign), n)| only(Some(*name), format!("{sign} {} {n}", translated(name)))) }
                <span class="strace-log__score" role="status">
                    { t!("agree {n}/{all} in scope, {out} out of scope, {unparsed} unparsed", n = replay.agree, all = replay.in_scope, out = replay.out_of_scope, unparsed = replay.unparsed) }
                </span>
            </div>
            <div class="strace-log__lines" tabindex="0" role="region" aria-label={t!("Lines of the log; arrow keys go from line to line")} onkeydown={pressed}>
                if first > 0 { <p class="view__more">{ t!("{n} lines before", n = first) }</p> }
                <ol>{ for shown.iter().filter_map(|i| replay.lines.get(*i).map(|l| row(*i, l, *i == log.line, dispatch))) }</ol>
                if first + shown.len() < listed.len() {
                    <p class="view__more">{ t!("{n} lines after", n = listed.len() - first - shown.len()) }</p>
                }
            </div>
        </div>
    }
}

fn row(index: usize, line: &ReplayedLine, here: bool, dispatch: &Callback<Msg>) -> Html {
    let (sign, class, why) = match &line.verdict {
        Verdict::Agrees => ("=", "agrees", None),
        Verdict::Differs => ("≠", "differs", Some(t!("the model says {what}", what = line.ours))),
        Verdict::OutOfScope(why) => ("○", "out", Some(t!("out of scope: {why}", why = why))),
        Verdict::Unparsed(why) => ("?", "unparsed", Some(t!("not read: {why}", why = why))),
        Verdict::Begun => ("…", "no-call", None),
        Verdict::NoCall => ("·", "no-call", None),
    };
    let go = dispatch.reform(move |_: web_sys::MouseEvent| Msg::LogLine(index));
    let word = name(&line.verdict).map_or(t!("no result"), translated);
    html! {
        <li key={index} class={classes!("strace-log__row", format!("strace-log__row--{class}"), here.then_some("is-now"))}>
            <button type="button" tabindex="-1" onclick={go} aria-current={here.then_some("step")}>
                <span class="strace-log__number">{ line.number }</span>
                <span class="strace-log__sign" role="img" aria-label={word}>{ sign }</span>
                <span class="strace-log__text">{ &line.text }</span>
                if let Some(why) = why { <span class="strace-log__why">{ why }</span> }
            </button>
        </li>
    }
}
