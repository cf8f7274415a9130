//! The theme of the page, and the size of its type.

use super::storage;
use crate::appearance::{Theme, Type};

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
    mark("data-theme", name);
}

/// The size of type that was chosen last.
pub fn kept_type() -> Type {
    storage::read(storage::TYPE).and_then(|name| Type::named(&name)).unwrap_or_default()
}

/// Shows a size of type and keeps it.
pub fn show_type(size: Type) {
    storage::write(storage::TYPE, size.name());
    mark("data-type", size.name());
}

/// Says it to the style sheets.
fn mark(attribute: &str, name: &str) {
    let root = web_sys::window().and_then(|w| w.document()).and_then(|d| d.document_element());
    if let Some(root) = root {
        let _ = if name.is_empty() { root.remove_attribute(attribute) } else { root.set_attribute(attribute, name) };
    }
}
