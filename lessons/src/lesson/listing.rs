//! The list of lessons, as the page shows it: a file beside the lessons.

use serde::{Deserialize, Serialize};

use super::packed::{BadLesson, pack, unpack};
use super::{Kind, Lesson};

/// The name of its file in the folder of lessons.
pub const LISTING_FILE: &str = "list";

/// The list of lessons of a course.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct Listing {
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
    /// The list of these lessons.
    pub fn of<'a>(title: &str, parts: &[String], lessons: impl IntoIterator<Item = &'a Lesson>) -> Listing {
        let entry = |lesson: &Lesson| ListingEntry {
            id: lesson.id.clone(),
            title: lesson.title.clone(),
            kind: lesson.kind,
            part: lesson.part.clone(),
            summary: lesson.summary.clone(),
            minutes: lesson.minutes,
            points: lesson.points(),
        };
        let entries = lessons.into_iter().map(entry).collect();
        Listing { title: title.to_owned(), parts: parts.to_vec(), entries }
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
