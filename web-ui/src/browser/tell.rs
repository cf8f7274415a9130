//! Telling whoever has put the page somewhere: scripts beside it, as an event `ringside`, and the page that embeds it, as a
//! message. It says how far the learner has come and nothing else.

use wasm_bindgen::JsValue;

/// Tells everybody.
pub fn everybody(text: &str) {
    let Some(window) = web_sys::window() else { return };
    let detail = web_sys::CustomEventInit::new();
    detail.set_detail(&JsValue::from_str(text));
    if let Ok(event) = web_sys::CustomEvent::new_with_event_init_dict("ringside", &detail) {
        let _ = window.dispatch_event(&event);
    }
    if let Ok(Some(parent)) = window.parent()
        && parent != window
    {
        let _ = parent.post_message(&JsValue::from_str(text), "*");
    }
}
