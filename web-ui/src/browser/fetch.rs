//! Files beside the page, loaded when they are needed.

use wasm_bindgen::JsCast;
use wasm_bindgen_futures::{JsFuture, spawn_local};

/// Loads a file; calls back with its bytes, or with why it cannot be had.
pub fn load(path: &str, then: impl FnOnce(Result<Vec<u8>, String>) + 'static) {
    let path = path.to_owned();
    spawn_local(async move { then(bytes(&path).await) });
}

async fn bytes(path: &str) -> Result<Vec<u8>, String> {
    let unreachable = || t!("the server cannot be reached").to_owned();
    let window = web_sys::window().ok_or_else(unreachable)?;
    let response = JsFuture::from(window.fetch_with_str(path)).await.map_err(|_| unreachable())?;
    let response: web_sys::Response = response.dyn_into().map_err(|_| unreachable())?;
    if !response.ok() {
        return Err(t!("the server says {status}", status = response.status()));
    }
    let body = response.array_buffer().map_err(|_| unreachable())?;
    let body = JsFuture::from(body).await.map_err(|_| unreachable())?;
    Ok(js_sys::Uint8Array::new(&body).to_vec())
}
