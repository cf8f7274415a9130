//! A sheet over the page. The browser keeps the keyboard in it and closes it with Escape.

use yew::{Callback, Event, Html, Properties, component, html, use_effect_with, use_node_ref};

use crate::browser::element;
use crate::state::Msg;

/// Props of [`Dialog`].
#[derive(Clone, PartialEq, Properties)]
pub struct Props {
    /// What it is called.
    pub title: &'static str,
    /// Where messages go.
    pub dispatch: Callback<Msg>,
    /// What is in it.
    pub children: Html,
}

/// The sheet with its title and a button that closes it.
#[component]
pub fn Dialog(Props { title, dispatch, children }: &Props) -> Html {
    let sheet = use_node_ref();
    {
        let (sheet, dispatch) = (sheet.clone(), dispatch.clone());
        use_effect_with((), move |()| {
            element::show_modal(&sheet);
            // As long as it is there nothing else can have the keyboard.
            move || dispatch.emit(Msg::Closed)
        });
    }
    let close = dispatch.reform(|_: web_sys::MouseEvent| Msg::Close);
    let cancel = {
        let dispatch = dispatch.clone();
        Callback::from(move |event: Event| {
            // It is taken away, not hidden.
            event.prevent_default();
            dispatch.emit(Msg::Close);
        })
    };
    html! {
        <dialog ref={sheet} class="sheet" role="dialog" aria-label={*title} oncancel={cancel}>
            <div class="view__head">
                <h2>{ *title }</h2>
                <button type="button" id="dialog-close" class="quiet" onclick={close}>{ t!("close") }</button>
            </div>
            { children.clone() }
        </dialog>
    }
}
