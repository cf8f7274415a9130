//! Windows: the second one of a lecturer, another one, and paper.

/// Under which name this window keeps the name of its channel: it survives a reload, and no other window has it.
const CHANNEL: &str = "ringside.presenter";

/// The name of the channel to this window's presenter view, when it has had one.
pub fn kept_channel() -> Option<String> {
    web_sys::window()?.session_storage().ok()??.get_item(CHANNEL).ok()?
}

/// The name of the channel to this window's presenter view, made when there is none.
pub fn channel() -> String {
    kept_channel().unwrap_or_else(|| {
        let name = format!("{}-{}", js_sys::Date::now(), (js_sys::Math::random() * 1e9).floor());
        if let Some(Ok(Some(storage))) = web_sys::window().map(|w| w.session_storage()) {
            let _ = storage.set_item(CHANNEL, &name);
        }
        name
    })
}

/// Opens the presenter view in a window of its own. Whether the browser allowed it.
pub fn open_presenter(channel: &str) -> bool {
    let Some(window) = web_sys::window() else { return false };
    let address = format!("#presenter={channel}");
    let opened = window.open_with_url_and_target_and_features(&address, channel, "popup,width=1080,height=720");
    opened.is_ok_and(|opened| opened.is_some())
}

/// Opens the page as a whole, in a tab of its own.
pub fn open_whole(hash: &str) {
    if let Some(window) = web_sys::window() {
        let _ = window.open_with_url_and_target_and_features(&format!("#{hash}"), "_blank", "noopener");
    }
}

/// Prints what is shown, or keeps it as a file.
pub fn print() {
    if let Some(window) = web_sys::window() {
        let _ = window.print();
    }
}

/// Says in the title of the window what it is.
pub fn set_title(title: &str) {
    if let Some(document) = web_sys::window().and_then(|w| w.document()) {
        document.set_title(title);
    }
}
