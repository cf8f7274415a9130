//! What stays when the page is closed.

/// The session, as the text of a link.
pub const SESSION: &str = "ringside.session";
/// Where the session is looked at, if not at its end.
pub const CURSOR: &str = "ringside.cursor";
/// A session that could not be read, kept so that nothing is lost.
pub const DAMAGED: &str = "ringside.session.damaged";
/// The open lesson, and what was said in it.
pub const LESSON: &str = "ringside.lesson";
/// Which views are on the stage.
pub const STAGE: &str = "ringside.stage";
/// Lines typed before.
pub const HISTORY: &str = "ringside.history";
/// The chosen language.
pub const LANGUAGE: &str = "ringside.language";
/// The chosen theme.
pub const THEME: &str = "ringside.theme";
/// The chosen size of type.
pub const TYPE: &str = "ringside.type";

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

/// Adds to what is kept under a name, so that nothing that is there already is lost.
pub fn set_aside(name: &str, text: &str) {
    match read(name) {
        Some(before) if before.contains(text) => {}
        Some(before) if write(name, &format!("{before}\n{text}")) => {}
        _ => {
            write(name, text);
        }
    }
}
