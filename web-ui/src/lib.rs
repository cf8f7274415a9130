//! The page: draws projections of a world and its history, and lets a learner act on it.
//!
//! What happens goes one way: [`state::State`] takes a [`state::Msg`], changes, and says which effects are
//! wanted; [`app`] carries those out through [`browser`], which alone touches the browser. Views and
//! widgets are functions from plain data to HTML.

#[macro_use]
pub mod language;

pub mod address;
pub mod app;
pub mod appearance;
pub mod browser;
pub mod call_field;
pub mod calls;
pub mod command_line;
pub mod embed;
pub mod hypercall_console;
pub mod keeping;
pub mod lab;
pub mod lesson;
pub mod message;
pub mod notice;
pub mod page;
pub mod recorded;
pub mod reel;
pub mod session;
pub mod shown;
pub mod stage;
pub mod state;
pub mod step;
pub mod tape;
pub mod transcript;
pub mod view;
pub mod widget;
pub mod worlds;

use wasm_bindgen::prelude::wasm_bindgen;

/// Called once when the page has loaded the module: the page, or the second window of a lecturer. It is drawn when its language
/// is there; should that not come, in English.
#[wasm_bindgen(start)]
pub fn start() {
    app::with_language(browser::language::wanted(), |_| match browser::address::asked().presenter {
        Some(channel) => {
            let properties = lesson::presenter::Props { channel };
            yew::Renderer::<lesson::presenter::Presenter>::with_props(properties).render();
        }
        None => {
            yew::Renderer::<app::App>::new().render();
        }
    });
}
