//! The few icons, drawn so that they look the same with every font.

use yew::{Html, html};

/// An icon of the step buttons.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Icon {
    /// One step back.
    Back,
    /// One step forward.
    Forward,
    /// Steps follow each other.
    Play,
    /// They stop.
    Stop,
}

/// Draws it.
pub fn icon(icon: Icon) -> Html {
    let path = match icon {
        Icon::Back => "M11 3.5 5.5 8l5.5 4.5zM3.5 3.5v9",
        Icon::Forward => "M5 3.5 10.5 8 5 12.5zM12.5 3.5v9",
        Icon::Play => "M5 3v10l8-5z",
        Icon::Stop => "M4.5 3.5h2.5v9H4.5zM9 3.5h2.5v9H9z",
    };
    html! { <svg class="icon" viewBox="0 0 16 16" width="16" height="16" aria-hidden="true"><path d={path} /></svg> }
}
