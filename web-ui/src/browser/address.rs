//! The address bar.

use wasm_bindgen::JsCast;
use wasm_bindgen::prelude::Closure;

use crate::address::Address;

/// What the address asks for.
pub fn asked() -> Address {
    let hash = web_sys::window().and_then(|w| w.location().hash().ok()).unwrap_or_default();
    Address::read(&hash)
}

/// The address of the page without what is after `#`.
pub fn page() -> String {
    let href = web_sys::window().and_then(|w| w.location().href().ok()).unwrap_or_default();
    href.split('#').next().unwrap_or_default().to_owned()
}

/// Puts what is after `#` into the address without adding to the browser's history.
pub fn show(hash: &str) {
    let Some(window) = web_sys::window() else { return };
    let Ok(history) = window.history() else { return };
    let _ = history.replace_state_with_url(&wasm_bindgen::JsValue::NULL, "", Some(&format!("#{hash}")));
}

/// Calls when somebody puts another session or lesson into the address of the open page.
pub fn on_change(then: impl Fn(String) + 'static, lesson_chosen: impl Fn(String) + 'static) {
    let Some(window) = web_sys::window() else { return };
    let listener = Closure::<dyn FnMut()>::new(move || {
        let asked = asked();
        if let Some(text) = asked.session {
            then(text);
        }
        if let Some(name) = asked.lesson {
            lesson_chosen(name);
        }
    });
    window.set_onhashchange(Some(listener.as_ref().unchecked_ref()));
    // It lives as long as the page.
    listener.forget();
}

/// Copies the page's address; calls back with whether that worked.
pub fn copy(then: impl Fn(bool) + 'static) {
    let Some(window) = web_sys::window() else { return };
    let Ok(address) = window.location().href() else { return };
    super::element::copy(&address, then);
}
