//! The page.

use wasm_bindgen::prelude::wasm_bindgen;
use yew::{Html, component, html};

/// The whole page.
#[component]
pub fn App() -> Html {
    html! { <h1>{ "Ringside" }</h1> }
}

/// Called once when the page has loaded the module.
#[wasm_bindgen(start)]
pub fn start() {
    yew::Renderer::<App>::new().render();
}
