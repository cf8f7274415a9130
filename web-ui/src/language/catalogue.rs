//! A catalogue of translations: a file of gettext (`.po`), as translators and their tools know it.
//!
//! Read are `msgid` and `msgstr`, each a quoted text that may go on in quoted lines below. What begins with `#` is a remark. The first
//! entry, of the empty sentence, is about the file itself. Plural forms and contexts are not used here.

/// Translations by their English sentences.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Catalogue {
    /// Sorted by sentence.
    sentences: Vec<(String, String)>,
}

/// Why a text is no catalogue: what is wrong with which line.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct BadCatalogue {
    /// The line, counted from 1.
    pub line: usize,
}

impl Catalogue {
    /// Reads a catalogue. A sentence whose translation is empty is left out, as gettext does.
    ///
    /// # Errors
    /// A line is none that a catalogue has.
    pub fn read(text: &str) -> Result<Catalogue, BadCatalogue> {
        let mut sentences: Vec<(String, String)> = Vec::new();
        let mut in_translation = false;
        for (index, line) in text.lines().enumerate() {
            let line = line.trim();
            if line.is_empty() || line.starts_with('#') {
                continue;
            }
            let bad = BadCatalogue { line: index + 1 };
            let quoted = if let Some(rest) = line.strip_prefix("msgid ") {
                sentences.push((String::new(), String::new()));
                in_translation = false;
                rest
            } else if let Some(rest) = line.strip_prefix("msgstr ") {
                in_translation = true;
                rest
            } else {
                line
            };
            let (Some(piece), Some((sentence, translation))) = (unquoted(quoted), sentences.last_mut()) else {
                return Err(bad);
            };
            (if in_translation { translation } else { sentence }).push_str(&piece);
        }
        sentences.retain(|(sentence, translation)| !sentence.is_empty() && !translation.is_empty());
        sentences.sort();
        Ok(Catalogue { sentences })
    }

    /// The translation of a sentence.
    pub fn get(&self, english: &str) -> Option<&str> {
        let index = self.sentences.binary_search_by(|(sentence, _)| sentence.as_str().cmp(english)).ok()?;
        Some(&self.sentences[index].1)
    }

    /// All sentences with their translations, in order.
    pub fn sentences(&self) -> &[(String, String)] {
        &self.sentences
    }
}

/// What stands between quotation marks; `None` when there is something else.
fn unquoted(text: &str) -> Option<String> {
    let inner = text.strip_prefix('"')?.strip_suffix('"')?;
    let mut all = String::with_capacity(inner.len());
    let mut characters = inner.chars();
    while let Some(c) = characters.next() {
        match c {
            '\\' => match characters.next()? {
                'n' => all.push('\n'),
                other => all.push(other),
            },
            '"' => return None,
            c => all.push(c),
        }
    }
    Some(all)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn entries_are_read_with_quotation_marks_and_over_several_lines() {
        let text = r#"
# A remark.
msgid ""
msgstr "Language: de\n"

#: widget/help.rs
msgid "until \"follow\" "
"lets it"
msgstr "bis „folgen“ "
"es lässt"

msgid "not yet"
msgstr ""
"#;
        let catalogue = Catalogue::read(text).expect("a catalogue");
        assert_eq!(catalogue.get("until \"follow\" lets it"), Some("bis „folgen“ es lässt"));
        assert_eq!(catalogue.sentences().len(), 1, "what is not translated is not there");
    }

    #[test]
    fn what_is_no_catalogue_is_refused() {
        assert_eq!(Catalogue::read("<!doctype html>"), Err(BadCatalogue { line: 1 }));
        assert_eq!(Catalogue::read("msgid \"a\"\nmsgstr \"b"), Err(BadCatalogue { line: 2 }));
        assert_eq!(Catalogue::read("\"early\""), Err(BadCatalogue { line: 1 }));
    }
}
