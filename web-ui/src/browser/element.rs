//! Elements: focus, scrolling, copying.

use std::rc::Rc;

use wasm_bindgen::JsCast;
use wasm_bindgen::prelude::Closure;
use yew::NodeRef;

/// Gives the keyboard to the element with this id.
pub fn focus(id: &str) {
    let element = web_sys::window().and_then(|w| w.document()).and_then(|d| d.get_element_by_id(id));
    if let Some(element) = element.and_then(|e| e.dyn_into::<web_sys::HtmlElement>().ok()) {
        let _ = element.focus();
    }
}

/// Shows a dialog over the page and keeps the keyboard in it.
pub fn show_modal(node: &NodeRef) {
    if let Some(dialog) = node.cast::<web_sys::HtmlDialogElement>() {
        let _ = dialog.show_modal();
    }
}

/// Shows the end of what an element scrolls.
pub fn scroll_to_end(node: &NodeRef) {
    if let Some(element) = node.cast::<web_sys::Element>() {
        element.set_scroll_top(element.scroll_height());
    }
}

/// Whether some text is selected: then Ctrl-C means "copy".
pub fn has_selection() -> bool {
    let selection = web_sys::window().and_then(|w| w.get_selection().ok().flatten());
    selection.is_some_and(|s| !s.is_collapsed())
}

/// Where the cursor of a one-line field is, in bytes of its UTF-8 text.
pub fn cursor_of(field: &web_sys::HtmlInputElement) -> usize {
    in_bytes(&field.value(), field.selection_start().ok().flatten())
}

/// Where the cursor of a field of several lines is, in bytes of its UTF-8 text.
pub fn cursor_of_lines(field: &web_sys::HtmlTextAreaElement) -> usize {
    in_bytes(&field.value(), field.selection_start().ok().flatten())
}

/// From the browser's UTF-16 units to bytes.
fn in_bytes(text: &str, units: Option<u32>) -> usize {
    let units = units.unwrap_or(u32::MAX) as usize;
    let mut seen = 0;
    for (at, c) in text.char_indices() {
        if seen >= units {
            return at;
        }
        seen += c.len_utf16();
    }
    text.len()
}

/// Copies a text; calls back with whether that worked.
pub fn copy(text: &str, then: impl Fn(bool) + 'static) {
    let Some(window) = web_sys::window() else { return };
    // Only pages from a safe origin have a clipboard.
    let clipboard = js_sys::Reflect::get(&window.navigator(), &"clipboard".into());
    let Some(clipboard) = clipboard.ok().and_then(|c| c.dyn_into::<web_sys::Clipboard>().ok()) else {
        return then(false);
    };
    let then = Rc::new(then);
    let refused = Rc::clone(&then);
    let yes = Closure::once_into_js(move |_: wasm_bindgen::JsValue| then(true));
    let no = Closure::once_into_js(move |_: wasm_bindgen::JsValue| refused(false));
    let then_with = js_sys::Reflect::get(&clipboard.write_text(text), &"then".into());
    if let Ok(method) = then_with.and_then(|m| m.dyn_into::<js_sys::Function>()) {
        let _ = method.call2(&clipboard.write_text(text), &yes, &no);
    }
}

/// How many pixels of the window are below this line of it.
pub fn height_below(y: i32) -> u32 {
    let height = web_sys::window().and_then(|w| w.inner_height().ok()).and_then(|h| h.as_f64()).unwrap_or(0.0);
    (height - f64::from(y)).max(0.0) as u32
}

/// What is chosen in the field that has changed.
pub fn chosen_value(event: &yew::Event) -> String {
    let value = event.target().and_then(|t| js_sys::Reflect::get(t.unchecked_ref(), &"value".into()).ok());
    value.and_then(|v| v.as_string()).unwrap_or_default()
}
