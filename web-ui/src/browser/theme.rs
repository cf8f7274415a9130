//! The theme of the page.

use super::storage;
use crate::appearance::Theme;

/// The theme that was chosen last.
pub fn kept() -> Theme {
    match storage::read(storage::THEME).as_deref() {
        Some("light") => Theme::Light,
        Some("dark") => Theme::Dark,
        _ => Theme::System,
    }
}

/// Shows a theme and keeps it.
pub fn show(theme: Theme) {
    let name = match theme {
        Theme::System => "",
        Theme::Light => "light",
        Theme::Dark => "dark",
    };
    storage::write(storage::THEME, name);
    let root = web_sys::window().and_then(|w| w.document()).and_then(|d| d.document_element());
    if let Some(root) = root {
        let _ =
            if name.is_empty() { root.remove_attribute("data-theme") } else { root.set_attribute("data-theme", name) };
    }
}
