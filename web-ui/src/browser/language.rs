//! The language of the page.

use super::storage;
use crate::language::Language;

/// The language that was chosen last; else the first of those that the browser asks for and the page speaks.
pub fn wanted() -> Language {
    let kept = storage::read(storage::LANGUAGE).and_then(|tag| Language::of_tag(&tag));
    kept.or_else(asked_for).unwrap_or_default()
}

fn asked_for() -> Option<Language> {
    let languages = web_sys::window()?.navigator().languages();
    languages.iter().filter_map(|tag| tag.as_string()).find_map(|tag| Language::of_tag(&tag))
}

/// Keeps what was chosen.
pub fn keep(language: Language) {
    storage::write(storage::LANGUAGE, language.tag());
}

/// Says to the browser, and to those who read the page aloud, what language it is in.
pub fn show(language: Language) {
    let root = web_sys::window().and_then(|w| w.document()).and_then(|d| d.document_element());
    if let Some(root) = root {
        let _ = root.set_attribute("lang", language.tag());
    }
}
