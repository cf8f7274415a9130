//! The head of the page in a frame of another page: what it is, and the way to the whole page.

use yew::{Callback, Html, Properties, component, html};

use super::header::title;
use crate::state::Msg;

/// Props of [`EmbedHead`].
#[derive(Clone, PartialEq, Properties)]
pub struct Props {
    /// Where messages go.
    pub dispatch: Callback<Msg>,
}

/// The head.
#[component]
pub fn EmbedHead(Props { dispatch }: &Props) -> Html {
    html! {
        <header class="head">
            { title() }
            <nav class="head__actions" aria-label={t!("Page")}>
                <button type="button" class="quiet" onclick={dispatch.reform(|_: web_sys::MouseEvent| Msg::OpenWhole)}>{ t!("open as a page") }</button>
            </nav>
        </header>
    }
}
