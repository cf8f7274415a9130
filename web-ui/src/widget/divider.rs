//! The line between stage and terminal, which can be moved.

use yew::{Callback, Html, KeyboardEvent, PointerEvent, Properties, TargetCast, component, html};

use crate::browser::element;
use crate::state::Msg;

/// Least and greatest height of the terminal, in pixels.
const RANGE: (u32, u32) = (110, 620);
/// Its height when nobody has changed it, for those who hear it.
const USUAL: u32 = 270;
/// How far a key moves it.
const KEY: u32 = 32;

/// Props of [`Divider`].
#[derive(Clone, PartialEq, Properties)]
pub struct Props {
    /// Height of the terminal, when it was changed.
    pub height: Option<u32>,
    /// Where messages go.
    pub dispatch: Callback<Msg>,
}

/// The line.
#[component]
pub fn Divider(Props { height, dispatch }: &Props) -> Html {
    let now = height.unwrap_or(USUAL);
    let held = Callback::from(|event: PointerEvent| {
        if let Some(line) = event.target_dyn_into::<web_sys::Element>() {
            let _ = line.set_pointer_capture(event.pointer_id());
        }
    });
    let moved = {
        let dispatch = dispatch.clone();
        Callback::from(move |event: PointerEvent| {
            if event.buttons() & 1 == 1 {
                let height = element::height_below(event.client_y());
                dispatch.emit(Msg::Dock(height.clamp(RANGE.0, RANGE.1)));
            }
        })
    };
    let pressed = {
        let dispatch = dispatch.clone();
        Callback::from(move |event: KeyboardEvent| {
            let to = match event.key().as_str() {
                "ArrowUp" => now + KEY,
                "ArrowDown" => now.saturating_sub(KEY),
                _ => return,
            };
            event.prevent_default();
            dispatch.emit(Msg::Dock(to.clamp(RANGE.0, RANGE.1)));
        })
    };
    html! {
        <div class="divider" role="separator" aria-orientation="horizontal" aria-label={t!("Height of the terminal")} tabindex="0"
            aria-valuenow={now.to_string()} aria-valuemin={RANGE.0.to_string()} aria-valuemax={RANGE.1.to_string()}
            onpointerdown={held} onpointermove={moved} onkeydown={pressed}></div>
    }
}
