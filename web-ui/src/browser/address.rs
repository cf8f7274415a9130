//! The address bar: the session after `#s=`.

use wasm_bindgen::JsCast;
use wasm_bindgen::prelude::Closure;

/// The session in the address, if there is one.
pub fn session() -> Option<String> {
    let hash = web_sys::window()?.location().hash().ok()?;
    hash.strip_prefix("#s=").map(str::to_owned)
}

/// The lesson in the address (`#lesson=NAME`), if there is one.
pub fn lesson() -> Option<String> {
    let hash = web_sys::window()?.location().hash().ok()?;
    hash.strip_prefix("#lesson=").map(str::to_owned)
}

/// Puts a session into the address without adding to the browser's history; `None` takes it away.
pub fn show(session: Option<&str>) {
    let Some(window) = web_sys::window() else { return };
    let Ok(history) = window.history() else { return };
    let hash = session.map_or_else(|| "#".to_owned(), |s| format!("#s={s}"));
    let _ = history.replace_state_with_url(&wasm_bindgen::JsValue::NULL, "", Some(&hash));
}

/// Calls when somebody puts another session or lesson into the address of the open page.
pub fn on_change(then: impl Fn(String) + 'static, lesson_chosen: impl Fn(String) + 'static) {
    let Some(window) = web_sys::window() else { return };
    let listener = Closure::<dyn FnMut()>::new(move || {
        if let Some(text) = session() {
            then(text);
        }
        if let Some(name) = lesson() {
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
