//! The list of keys.

use yew::{Callback, Html, Properties, component, html};

use super::dialog::Dialog;
use crate::state::Msg;

/// Props of [`Help`].
#[derive(Clone, PartialEq, Properties)]
pub struct Props {
    /// Where messages go.
    pub dispatch: Callback<Msg>,
}

const TIMELINE: [(&str, &str); 11] = [
    ("← →", "step back, step forward"),
    ("Shift ← →", "one step coarser"),
    ("Home End", "to the beginning, to the end"),
    ("Space", "let the steps play"),
    ("1 2 3", "step by command, system call, kernel step"),
    ("i o u", "into, over, out of what is shown"),
    ("n N", "to the next, previous event of the chosen family"),
    ("g", "go to the step with a number"),
    ("t", "to the terminal"),
    ("?", "this list"),
    ("Esc", "close this list"),
];

const STAGE: [(&str, &str); 3] = [
    ("← → Home End", "from tab to tab"),
    ("Enter", "show that view; it stays until \"follow\" lets it follow the step again"),
    ("beside", "the list on the right puts another view beside it"),
];

const TERMINAL: [(&str, &str); 6] = [
    ("Enter", "run the line; an unfinished one goes on below"),
    ("↑ ↓", "lines typed before"),
    ("Tab", "complete; on an empty line to the next control"),
    ("Ctrl-C", "interrupt what runs, or forget the line"),
    ("Ctrl-D", "end of input"),
    ("Shift Tab", "out of the terminal"),
];

/// The list.
#[component]
pub fn Help(Props { dispatch }: &Props) -> Html {
    let list = |title: &'static str, keys: &'static [(&'static str, &'static str)]| {
        html! {
            <div>
                <h3>{ title }</h3>
                <dl>{ for keys.iter().map(|(key, what)| html! { <div><dt><kbd>{ *key }</kbd></dt><dd>{ *what }</dd></div> }) }</dl>
            </div>
        }
    };
    html! {
        <Dialog title="Keys" dispatch={dispatch.clone()}>
            <div class="help__lists">
                { list("Where the timeline has the keyboard", &TIMELINE) }
                { list("In the terminal", &TERMINAL) }
                { list("Where the tabs of the stage have the keyboard", &STAGE) }
            </div>
        </Dialog>
    }
}
