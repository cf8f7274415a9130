//! Time: the next frame, a moment later, and what time it is. No model knows of it.

use wasm_bindgen::JsCast;
use wasm_bindgen::prelude::Closure;

/// Calls back at the next frame.
pub fn next_frame(then: impl FnOnce() + 'static) {
    let Some(window) = web_sys::window() else { return };
    let _ = window.request_animation_frame(Closure::once_into_js(then).unchecked_ref());
}

/// Calls back after some milliseconds.
pub fn later(milliseconds: i32, then: impl FnOnce() + 'static) {
    let Some(window) = web_sys::window() else { return };
    let callback = Closure::once_into_js(then);
    let _ = window.set_timeout_with_callback_and_timeout_and_arguments_0(callback.unchecked_ref(), milliseconds);
}

/// Milliseconds since the page was opened.
pub fn now() -> f64 {
    web_sys::window().and_then(|w| w.performance()).map_or(0.0, |p| p.now())
}

/// What the clock on the wall says, in seconds since midnight.
pub fn on_the_wall() -> u32 {
    let now = js_sys::Date::new_0();
    (now.get_hours() * 60 + now.get_minutes()) * 60 + now.get_seconds()
}
