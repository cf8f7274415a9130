//! A strip of time in the view of control groups: who had the processors, when a group was kept from them by its
//! quota, and where limits were hit or somebody was killed. Long quiet is cut short.

use kernel_model::projection::cpu_time::{CpuTimeline, GroupLane, LimitMark, ProcessorLane};
use kernel_model::time::Nanos;
use yew::{Html, html};

/// Most slices that are drawn in a lane.
const MAX_SLICES: usize = 160;
/// How many limits are told below the strip.
const MAX_TOLD: usize = 6;

/// The strip; nothing when no group has a quota and no limit was hit.
pub fn strip(picture: &CpuTimeline) -> Html {
    if !picture.has_limits() {
        return Html::default();
    }
    let limited = picture.groups.iter().filter(|lane| lane.limit.is_some() || !lane.gaps.is_empty());
    html! {
        <section class="strip-of-time" aria-label={t!("Time: processors, quotas and limits")}>
            <h3>{ t!("Lately") }<small>{ t!("from {from} s to {to} s; quiet is cut short", from = picture.from, to = picture.to) }</small></h3>
            { for picture.processors.iter().map(|lane| processor(picture, lane)) }
            { for limited.map(|lane| group(picture, lane)) }
            if !picture.marks.is_empty() {
                <div class="time-lane">
                    <span class="time-lane__name">{ t!("limits") }</span>
                    <span class="time-lane__room" role="img" aria-label={t!("limits hit {n} times", n = picture.marks.len())}>
                        { for picture.marks.iter().map(|mark| html! {
                            <b class={if mark.killed { "time-mark is-killed" } else { "time-mark" }} style={left(picture, mark.at)} title={told(mark)}></b>
                        }) }
                    </span>
                </div>
                <ol class="time-told">
                    { for picture.marks.iter().rev().take(MAX_TOLD).map(|mark| html! {
                        <li class={if mark.killed { "is-killed" } else { "" }}>{ told(mark) }</li>
                    }) }
                </ol>
            }
        </section>
    }
}

fn told(mark: &LimitMark) -> String {
    format!("{} s  {}", mark.at, mark.what)
}

fn tenths(thousandths: u64) -> String {
    format!("{}.{}%", thousandths / 10, thousandths % 10)
}

fn left(picture: &CpuTimeline, at: Nanos) -> String {
    format!("left: {}", tenths(picture.place(at)))
}

fn span(picture: &CpuTimeline, from: Nanos, to: Nanos) -> String {
    let (left, right) = (picture.place(from), picture.place(to));
    format!("left: {}; width: {}", tenths(left), tenths(right.saturating_sub(left).max(2)))
}

fn milliseconds(time: Nanos) -> String {
    format!("{}.{} ms", time.0 / 1_000_000, time.0 / 100_000 % 10)
}

fn processor(picture: &CpuTimeline, lane: &ProcessorLane) -> Html {
    let first = lane.slices.len().saturating_sub(MAX_SLICES);
    let words = t!("processor {cpu}: busy {time}", cpu = lane.cpu, time = milliseconds(lane.busy));
    html! {
        <div class="time-lane">
            <span class="time-lane__name">{ t!("processor {cpu}", cpu = lane.cpu) }</span>
            <span class="time-lane__room" role="img" aria-label={words}>
                { for lane.slices[first..].iter().map(|slice| html! {
                    <i class="time-slice" style={span(picture, slice.from, slice.to)} title={format!("{}: {}", slice.name, milliseconds(slice.to - slice.from))}></i>
                }) }
            </span>
        </div>
    }
}

fn group(picture: &CpuTimeline, lane: &GroupLane) -> Html {
    let own = picture.processors.iter().flat_map(|p| &p.slices).filter(|slice| slice.group == Some(lane.group));
    let limit = lane.limit.map_or_else(String::new, |(quota, period)| {
        t!(", at most {quota} in {period}", quota = milliseconds(quota), period = milliseconds(period))
    });
    let gaps = match lane.gaps.len() {
        0 => String::new(),
        1 => t!(", throttled once").to_owned(),
        n => t!(", throttled {n} times", n = n),
    };
    let words = t!("{group}: used {time}", group = lane.path, time = milliseconds(lane.used)) + &limit + &gaps;
    html! {
        <div class="time-lane time-lane--group">
            <span class="time-lane__name">{ &lane.path }</span>
            <span class="time-lane__room" role="img" aria-label={words.clone()}>
                { for own.take(MAX_SLICES).map(|slice| html! { <i class="time-slice is-own" style={span(picture, slice.from, slice.to)}></i> }) }
                { for lane.gaps.iter().map(|gap| html! {
                    <u class="time-gap" style={span(picture, gap.from, gap.to)} title={t!("throttled on processor {cpu}", cpu = gap.cpu)}></u>
                }) }
            </span>
            <span class="time-lane__words">{ words }</span>
        </div>
    }
}
