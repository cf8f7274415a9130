//! The language of the interface, in the manner of gettext: English is written in the sources, and another language is a
//! catalogue beside the page, from each English sentence to its translation, which is loaded when it is chosen.
//!
//! `t!("step back")` is that sentence in the language that is spoken, `t!("step {number} of {len}", number = n, len = len)` one
//! with something put into it. A sentence in a table is marked with [`english`] and translated with [`translated`] where it is
//! shown. A sentence without a translation stays English. What models say (events, what programs print) is English always.
//!
//! Which sentences there are is found in the sources by `tests/language.rs`, which compares them with each catalogue: a changed
//! sentence is one that is not translated.

pub mod catalogue;

use std::cell::Cell;
use std::fmt::Display;

use catalogue::Catalogue;

/// A sentence of the interface in the language that is spoken.
#[macro_export]
macro_rules! t {
    ($english:literal) => {
        $crate::language::translated($english)
    };
    ($english:literal, $($name:ident = $value:expr),+ $(,)?) => {
        $crate::language::filled($english, &[$((stringify!($name), &$value as &dyn std::fmt::Display)),+])
    };
}

/// A language that the interface can speak.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Language {
    /// What the sources are written in.
    #[default]
    English,
    /// German.
    German,
}

impl Language {
    /// All of them.
    pub const ALL: [Language; 2] = [Language::English, Language::German];

    /// As BCP 47 calls it.
    pub fn tag(self) -> &'static str {
        match self {
            Language::English => "en",
            Language::German => "de",
        }
    }

    /// As it calls itself.
    pub fn name(self) -> &'static str {
        match self {
            Language::English => "English",
            Language::German => "Deutsch",
        }
    }

    /// The language of a tag: `de-AT` is German. `None` when the interface does not speak it.
    pub fn of_tag(tag: &str) -> Option<Language> {
        let primary = tag.split('-').next().unwrap_or_default();
        Language::ALL.into_iter().find(|language| language.tag().eq_ignore_ascii_case(primary))
    }

    /// Its catalogue beside the page; English needs none.
    pub fn file(self) -> Option<String> {
        (self != Language::English).then(|| format!("./language/{}.po", self.tag()))
    }
}

type Speech = (Language, Option<&'static Catalogue>);

thread_local! {
    /// The page speaks one language at a time.
    static SPOKEN: Cell<Speech> = const { Cell::new((Language::English, None)) };
    /// A catalogue that was loaded stays until the page is closed.
    static LOADED: Cell<Speech> = const { Cell::new((Language::English, None)) };
}

/// Speaks a language from now on. What is on the page is to be drawn anew.
pub fn speak(language: Language, catalogue: Option<&'static Catalogue>) {
    if catalogue.is_some() {
        LOADED.set((language, catalogue));
    }
    SPOKEN.set((language, catalogue));
}

/// The catalogue of a language, when it was the last that was loaded.
pub fn loaded(language: Language) -> Option<&'static Catalogue> {
    let (known, catalogue) = LOADED.get();
    catalogue.filter(|_| known == language)
}

/// The language that is spoken.
pub fn spoken() -> Language {
    SPOKEN.get().0
}

/// Marks a sentence of a table, to be [`translated`] where it is shown.
pub const fn english(sentence: &'static str) -> &'static str {
    sentence
}

/// The sentence in the language that is spoken; as it is when there is no translation.
pub fn translated(english: &'static str) -> &'static str {
    SPOKEN.get().1.and_then(|catalogue| catalogue.get(english)).unwrap_or(english)
}

/// The translated sentence with values in the places of `{name}`.
pub fn filled(english: &'static str, values: &[(&str, &dyn Display)]) -> String {
    let mut rest = translated(english);
    let mut all = String::with_capacity(rest.len() + 16);
    while let Some((before, after)) = rest.split_once('{') {
        all.push_str(before);
        let (name, after) = after.split_once('}').unwrap_or((after, ""));
        if let Some((_, value)) = values.iter().find(|(known, _)| *known == name) {
            all.push_str(&value.to_string());
        }
        rest = after;
    }
    all.push_str(rest);
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    fn german(text: &str) {
        let catalogue = Catalogue::read(text).expect("a catalogue");
        speak(Language::German, Some(Box::leak(Box::new(catalogue))));
    }

    #[test]
    fn a_sentence_is_said_in_the_language_that_is_spoken() {
        assert_eq!(t!("step back"), "step back");
        german("msgid \"step back\"\nmsgstr \"Schritt zurück\"\n");
        assert_eq!(t!("step back"), "Schritt zurück");
        assert_eq!(t!("step forward"), "step forward", "what is not translated stays English");
        assert_eq!(spoken().tag(), "de");
    }

    #[test]
    fn values_go_where_the_translation_wants_them() {
        assert_eq!(t!("{n} of {len}", n = 2, len = "9"), "2 of 9");
        german("msgid \"{n} of {len}\"\nmsgstr \"von {len}: {n}\"\n");
        assert_eq!(t!("{n} of {len}", n = 2, len = "9"), "von 9: 2");
    }

    #[test]
    fn a_tag_names_a_language_by_its_first_part() {
        assert_eq!(Language::of_tag("de-AT"), Some(Language::German));
        assert_eq!(Language::of_tag("DE"), Some(Language::German));
        assert_eq!(Language::of_tag("den"), None);
        assert_eq!(Language::of_tag(""), None);
    }
}
