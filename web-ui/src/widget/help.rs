//! The list of keys.

use yew::{Callback, Html, Properties, component, html};

use super::dialog::Dialog;
use crate::language::{english, translated};
use crate::state::Msg;

/// Props of [`Help`].
#[derive(Clone, PartialEq, Properties)]
pub struct Props {
    /// Where messages go.
    pub dispatch: Callback<Msg>,
}

const TIMELINE: [(&str, &str); 11] = [
    ("← →", english("step back, step forward")),
    (english("Shift ← →"), english("one step coarser")),
    (english("Home End"), english("to the beginning, to the end")),
    (english("Space"), english("let the steps play")),
    ("1 2 3", english("step by command, system call, kernel step")),
    ("i o u", english("into, over, out of what is shown")),
    ("n N", english("to the next, previous event of the chosen family")),
    ("g", english("go to the step with a number")),
    ("t", english("to the terminal")),
    ("?", english("this list")),
    ("Esc", english("close this list")),
];

const STAGE: [(&str, &str); 3] = [
    (english("← → Home End"), english("from tab to tab")),
    (english("Enter"), english("show that view; it stays until \"follow\" lets it follow the step again")),
    (english("beside"), english("the list on the right puts another view beside it")),
];

const TERMINAL: [(&str, &str); 6] = [
    (english("Enter"), english("run the line; an unfinished one goes on below")),
    ("↑ ↓", english("lines typed before")),
    ("Tab", english("complete; on an empty line to the next control")),
    (english("Ctrl-C"), english("interrupt what runs, or forget the line")),
    (english("Ctrl-D"), english("end of input")),
    (english("Shift Tab"), english("out of the terminal")),
];

const LECTURE: [(&str, &str); 4] = [
    (english("Page Down, Page Up"), english("the next slide, the one before, wherever the keyboard is")),
    ("b .", english("show nothing, and go on")),
    ("o", english("all slides, where the slide has the keyboard")),
    (english("Home End"), english("the first slide, the last one, where the slide has the keyboard")),
];

/// The list.
#[component]
pub fn Help(Props { dispatch }: &Props) -> Html {
    let list = |title: &'static str, keys: &'static [(&'static str, &'static str)]| {
        html! {
            <div>
                <h3>{ title }</h3>
                <dl>{ for keys.iter().map(|(key, what)| html! { <div><dt><kbd>{ translated(key) }</kbd></dt><dd>{ translated(what) }</dd></div> }) }</dl>
            </div>
        }
    };
    html! {
        <Dialog title={t!("Keys")} dispatch={dispatch.clone()}>
            <div class="help__lists">
                { list(t!("Where the timeline has the keyboard"), &TIMELINE) }
                { list(t!("In the terminal"), &TERMINAL) }
                { list(t!("Where the tabs of the stage have the keyboard"), &STAGE) }
                { list(t!("In a lecture"), &LECTURE) }
            </div>
        </Dialog>
    }
}
