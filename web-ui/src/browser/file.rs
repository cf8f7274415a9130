//! Files that the reader has chosen.

use wasm_bindgen::JsCast;
use wasm_bindgen::prelude::Closure;

/// Reads a file; calls back with its bytes. A file that cannot be read has none.
pub fn read(file: &web_sys::File, then: impl FnOnce(Vec<u8>) + 'static) {
    let Ok(reader) = web_sys::FileReader::new() else { return };
    let done = reader.clone();
    let loaded = Closure::once_into_js(move || {
        let buffer = done.result().unwrap_or_default();
        then(if buffer.is_null() { Vec::new() } else { js_sys::Uint8Array::new(&buffer).to_vec() });
    });
    reader.set_onloadend(Some(loaded.unchecked_ref()));
    let _ = reader.read_as_array_buffer(file);
}
