//! The list of prepared worlds, and the way back to the session before.

use yew::{Callback, Html, Properties, component, html};

use super::dialog::Dialog;
use crate::language::translated;
use crate::state::Msg;
use crate::worlds::{PreparedWorld, WORLDS};

/// Props of [`Worlds`].
#[derive(Clone, PartialEq, Properties)]
pub struct Props {
    /// There is a session to go back to.
    pub before: bool,
    /// Where messages go.
    pub dispatch: Callback<Msg>,
}

/// The list.
#[component]
pub fn Worlds(Props { before, dispatch }: &Props) -> Html {
    html! {
        <Dialog title={t!("Worlds to begin with")} dispatch={dispatch.clone()}>
            <p class="worlds__about">{ t!("Each is made by the commands that it shows, and can be rewound to its first step. Your own session is kept.") }</p>
            if *before {
                <button type="button" class="worlds__back" onclick={dispatch.reform(|_: web_sys::MouseEvent| Msg::GoBack)}>
                    { t!("Back to the session before this one") }
                </button>
            }
            <ul class="worlds">{ for WORLDS.iter().map(|world| card(world, dispatch)) }</ul>
        </Dialog>
    }
}

fn card(world: &'static PreparedWorld, dispatch: &Callback<Msg>) -> Html {
    let open = dispatch.reform(move |_: web_sys::MouseEvent| Msg::OpenWorld(world));
    html! {
        <li>
            <button type="button" class="worlds__world" onclick={open}>
                <b>{ translated(world.name) }</b>
                <span>{ translated(world.about) }</span>
                { for world.lines.iter().map(|line| html! { <code>{ *line }</code> }) }
            </button>
        </li>
    }
}
