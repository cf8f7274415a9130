//! The list of lessons, as the page shows it: a file beside the lessons.

use serde::{Deserialize, Serialize};

use super::packed::{BadLesson, pack, unpack};
use super::{Kind, Lesson};

/// The name of its file in the folder of lessons.
pub const LISTING_FILE: &str = "list";

/// The list of lessons of a course.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct Listing {
    /// The language that it is in, as BCP 47 names it; its lessons may be in another.
    pub language: String,
    /// Title of the course.
    pub title: String,
    /// Parts of the course, in order.
    pub parts: Vec<String>,
    /// Lessons, in order.
    pub entries: Vec<ListingEntry>,
}

/// A lesson in the list.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct ListingEntry {
    /// Its name.
    pub id: String,
    /// The language that it is written in.
    pub language: String,
    /// Its title.
    pub title: String,
    /// What it is.
    pub kind: Kind,
    /// The part that it belongs to.
    pub part: String,
    /// What it is about.
    pub summary: String,
    /// How long it takes.
    pub minutes: u32,
    /// The points that there are.
    pub points: u32,
}

impl Listing {
    /// The list of these lessons, in this language.
    pub fn of<'a>(
        language: &str,
        title: &str,
        parts: &[String],
        lessons: impl IntoIterator<Item = &'a Lesson>,
    ) -> Listing {
        let entry = |lesson: &Lesson| ListingEntry {
            id: lesson.id.clone(),
            language: lesson.language.clone(),
            title: lesson.title.clone(),
            kind: lesson.kind,
            part: lesson.part.clone(),
            summary: lesson.summary.clone(),
            minutes: lesson.minutes,
            points: lesson.points(),
        };
        let entries = lessons.into_iter().map(entry).collect();
        Listing { language: language.to_owned(), title: title.to_owned(), parts: parts.to_vec(), entries }
    }

    /// The parts with their lessons; those of no part that is known come last.
    pub fn by_part(&self) -> Vec<(&str, Vec<&ListingEntry>)> {
        let known = self.parts.iter().map(String::as_str);
        let of = |part: &str| self.entries.iter().filter(|e| e.part == part).collect::<Vec<_>>();
        let mut all: Vec<(&str, Vec<&ListingEntry>)> = known.map(|part| (part, of(part))).collect();
        all.push(("More", self.entries.iter().filter(|e| !self.parts.contains(&e.part)).collect()));
        all.retain(|(_, entries)| !entries.is_empty());
        all
    }

    /// The same in another language: its title, its parts in order, and those of its lessons that are translated.
    #[must_use]
    pub fn translated<'a>(
        &self,
        language: &str,
        title: &str,
        parts: &[String],
        lessons: impl IntoIterator<Item = &'a Lesson>,
    ) -> Listing {
        let part = |own: &str| {
            let index = self.parts.iter().position(|part| part == own);
            index.and_then(|index| parts.get(index)).map_or(own, String::as_str).to_owned()
        };
        let own = Listing::of(language, title, &[], lessons).entries;
        let entry = |original: &ListingEntry| {
            let entry = own.iter().find(|entry| entry.id == original.id).unwrap_or(original).clone();
            ListingEntry { part: part(&original.part), ..entry }
        };
        Listing {
            language: language.to_owned(),
            title: title.to_owned(),
            parts: self.parts.iter().map(|own| part(own)).collect(),
            entries: self.entries.iter().map(entry).collect(),
        }
    }

    /// The bytes of the file.
    pub fn pack(&self) -> Vec<u8> {
        pack(self)
    }

    /// The list in some bytes.
    ///
    /// # Errors
    /// They hold none.
    pub fn unpack(bytes: &[u8]) -> Result<Listing, BadLesson> {
        unpack(bytes)
    }
}
