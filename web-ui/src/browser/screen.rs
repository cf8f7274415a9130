//! How large the window is.

use wasm_bindgen::JsCast;
use wasm_bindgen::prelude::Closure;

/// Width from which on several views stand side by side, in pixels of the style sheets.
const SEVERAL: f64 = 1100.0;

/// For how many views there is room on the stage.
pub fn room() -> usize {
    let width = web_sys::window().and_then(|w| w.inner_width().ok()).and_then(|w| w.as_f64());
    if width.is_none_or(|width| width >= SEVERAL) { 1 + crate::stage::MAX_BESIDE } else { 1 }
}

/// Calls whenever the window has another size.
pub fn on_resize(then: impl Fn() + 'static) {
    let Some(window) = web_sys::window() else { return };
    let listener = Closure::<dyn FnMut()>::new(then);
    window.set_onresize(Some(listener.as_ref().unchecked_ref()));
    // It lives as long as the page.
    listener.forget();
}
