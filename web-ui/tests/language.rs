//! Every sentence of the interface is marked, and every catalogue has each of them and no others.
//!
//! Sentences are found in the sources: the first text of `t!("…")` and of `english("…")`, and `name`, `title` and `about` of views
//! and prepared worlds. What a changed or new sentence needs is an entry in `static/language/de.po`; the failing test says which.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use kernel_model::event::Family;
use kernel_model::projection::Change;
use kernel_model::projection::coverage::Extent;
use kernel_model::projection::pid_tree::StateLetter;
use web_ui::language::Language;
use web_ui::language::catalogue::Catalogue;

fn folder() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// The sources of the page, without what tests in them say.
fn sources() -> Vec<(PathBuf, String)> {
    let mut folders = vec![folder().join("src")];
    let mut sources = Vec::new();
    while let Some(next) = folders.pop() {
        for entry in fs::read_dir(next).expect("a folder").map(|entry| entry.expect("an entry").path()) {
            if entry.is_dir() {
                folders.push(entry);
            } else if entry.extension().is_some_and(|kind| kind == "rs") {
                let text = fs::read_to_string(&entry).expect("a source");
                let code = text.split("#[cfg(test)]").next().unwrap_or_default();
                let lines = code.lines().filter(|line| !line.trim_start().starts_with("//"));
                sources.push((entry, lines.collect::<Vec<_>>().join("\n")));
            }
        }
    }
    sources.sort();
    sources
}

/// The literal that a piece of source begins with, and what comes after it.
fn literal(source: &str) -> Option<(String, &str)> {
    let inner = source.trim_start().strip_prefix('"')?;
    let mut text = String::new();
    let mut rest = inner.char_indices();
    while let Some((at, c)) = rest.next() {
        match c {
            '"' => return Some((text, &inner[at + 1..])),
            '\\' => match rest.next()?.1 {
                'n' => text.push('\n'),
                '\n' => {
                    let after = rest.as_str();
                    let skipped = after.len() - after.trim_start().len();
                    rest.by_ref().take(after[..skipped].chars().count()).for_each(drop);
                }
                other => text.push(other),
            },
            c => text.push(c),
        }
    }
    None
}

/// All sentences that are marked, with a file in which each is.
fn sentences() -> BTreeMap<String, String> {
    let mut all = BTreeMap::new();
    for (file, text) in sources() {
        let name = file.strip_prefix(folder()).unwrap_or(&file).display().to_string();
        let marks: &[&str] = match name.as_str() {
            "src/worlds.rs" => &["t!(", "english(", "name: ", "about: "],
            name if name.starts_with("src/view/") => &["t!(", "english(", "title: ", "about: "],
            _ => &["t!(", "english("],
        };
        for mark in marks {
            for (at, _) in text.match_indices(mark) {
                let inside_of_a_word = text[..at].ends_with(|c: char| c.is_alphanumeric() || c == '_');
                if let Some((sentence, _)) = literal(&text[at + mark.len()..]).filter(|_| !inside_of_a_word) {
                    all.entry(sentence).or_insert_with(|| name.clone());
                }
            }
        }
    }
    all.extend(names_of_the_models().map(|name| (name.to_owned(), "names that the models give".to_owned())));
    all
}

/// What the interface shows translated although it comes from the models: short names, no sentences.
fn names_of_the_models() -> impl Iterator<Item = &'static str> {
    let states =
        [StateLetter::Running, StateLetter::Sleeping, StateLetter::Stopped, StateLetter::Zombie, StateLetter::Dead];
    let changes = [Change::New, Change::Gone, Change::Changed];
    let families = Family::ALL.into_iter().map(Family::label);
    let extents = Extent::ALL.into_iter().map(Extent::label);
    families.chain(extents).chain(states.map(StateLetter::word)).chain(changes.map(Change::word))
}

fn catalogue(language: Language) -> (Catalogue, String) {
    let file = folder().join("../static").join(language.file().unwrap_or_default());
    let text = fs::read_to_string(&file).unwrap_or_else(|error| panic!("{}: {error}", file.display()));
    (Catalogue::read(&text).unwrap_or_else(|bad| panic!("{}:{}", file.display(), bad.line)), text)
}

fn placeholders(sentence: &str) -> BTreeSet<&str> {
    sentence.split('{').skip(1).filter_map(|piece| Some(piece.split_once('}')?.0)).collect()
}

#[test]
fn every_catalogue_has_every_sentence_and_no_other() {
    let wanted = sentences();
    assert!(wanted.len() > 100, "the sentences are not found");
    for language in Language::ALL.into_iter().filter(|language| language.file().is_some()) {
        let (catalogue, _) = catalogue(language);
        let there: BTreeSet<&String> = catalogue.sentences().iter().map(|(sentence, _)| sentence).collect();
        let missing = wanted.iter().filter(|(sentence, _)| !there.contains(sentence));
        let missing: String =
            missing.map(|(sentence, file)| format!("#: {file}\nmsgid {sentence:?}\nmsgstr \"\"\n\n")).collect();
        assert!(missing.is_empty(), "not translated in {}.po:\n\n{missing}", language.tag());
        let gone: Vec<_> = there.into_iter().filter(|sentence| !wanted.contains_key(*sentence)).collect();
        assert!(gone.is_empty(), "{}.po has sentences that the interface no longer says: {gone:#?}", language.tag());
    }
}

#[test]
fn translations_have_the_same_places_for_values() {
    for language in Language::ALL.into_iter().filter(|language| language.file().is_some()) {
        for (sentence, translation) in catalogue(language).0.sentences() {
            assert_eq!(placeholders(sentence), placeholders(translation), "{sentence}");
        }
    }
}

#[test]
fn no_sentence_is_twice_in_a_catalogue() {
    for language in Language::ALL.into_iter().filter(|language| language.file().is_some()) {
        let (catalogue, _) = catalogue(language);
        let twice = catalogue.sentences().windows(2).find(|pair| pair[0].0 == pair[1].0);
        assert_eq!(twice, None);
    }
}

/// What is the same in every language: names, and what is typed.
const OF_NO_LANGUAGE: [&str; 11] =
    ["Ringside", "Intel", "AMD", "ro", "help", "mnt", "net", "user", "unshare", "CLONE", "NEWPID"];

/// Whether there is a word in it that a reader of another language would not read.
fn has_words(text: &str) -> bool {
    let outside = text.split('{').enumerate().map(|(i, piece)| match i {
        0 => piece,
        _ => piece.split_once('}').map_or("", |(_, after)| after),
    });
    let mut words = outside.flat_map(|piece| piece.split(|c: char| !c.is_alphabetic()));
    words.any(|word| word.len() > 1 && !OF_NO_LANGUAGE.contains(&word))
}

#[test]
fn what_the_page_says_is_marked() {
    // A piece of text stands after a tag, after another piece, or in a block of `html!`.
    let pieces = ["{ ", "{ format!("];
    let attributes = ["aria-label=", "title=", "placeholder=", "alt=", "aria-valuetext="];
    let formatted = attributes.map(|attribute| format!("{attribute}{{format!("));
    let calls = ["Notice::remark(", "Notice::problem(", "self.warn(", ".said = "];
    let mut unmarked = Vec::new();
    for (file, text) in sources() {
        let name = file.strip_prefix(folder()).unwrap_or(&file).display().to_string();
        let before =
            pieces.iter().chain(&attributes).chain(&calls).copied().chain(formatted.iter().map(String::as_str));
        for before in before {
            for (at, _) in text.match_indices(before) {
                let is_piece = text[..at].trim_end().ends_with(['>', '}', '{']);
                let said = literal(&text[at + before.len()..]).map(|(said, _)| said);
                if let Some(said) = said.filter(|said| has_words(said) && (is_piece || !pieces.contains(&before))) {
                    unmarked.push(format!("{name}: {before}{said:?}"));
                }
            }
        }
    }
    assert!(unmarked.is_empty(), "to be marked with t!(…): {unmarked:#?}");
}
