//! Time: the next frame, a moment later, and how much of a slice is left.

use wasm_bindgen::JsCast;
use wasm_bindgen::prelude::Closure;

/// How long the model may run before the page gets its turn, in milliseconds.
const SLICE_MS: f64 = 8.0;

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

fn now() -> f64 {
    web_sys::window().and_then(|w| w.performance()).map_or(0.0, |p| p.now())
}

/// Says whether there is time left in a slice that begins now.
pub fn slice() -> impl FnMut() -> bool {
    let end = now() + SLICE_MS;
    move || now() < end
}
