//! What stays when the page is closed.

/// The session, as the text of a link.
pub const SESSION: &str = "ringside.session";
/// Where the session is looked at, if not at its end.
pub const CURSOR: &str = "ringside.cursor";
/// A session that could not be read, kept so that nothing is lost.
pub const DAMAGED: &str = "ringside.session.damaged";
/// Which views are on the stage.
pub const STAGE: &str = "ringside.stage";
/// The chosen theme.
pub const THEME: &str = "ringside.theme";

fn storage() -> Option<web_sys::Storage> {
    web_sys::window()?.local_storage().ok().flatten()
}

/// What was kept under a name.
pub fn read(name: &str) -> Option<String> {
    storage()?.get_item(name).ok().flatten()
}

/// Keeps a text. Whether the browser allowed it.
pub fn write(name: &str, text: &str) -> bool {
    storage().is_some_and(|s| s.set_item(name, text).is_ok())
}
