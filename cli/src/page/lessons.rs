//! The course as files beside the page: one a lesson, loaded when it is opened, and the list of them. Lessons in other languages
//! are in a folder for each, with a list of their own; a translation that is stale or not complete is not there.

use ::lessons::catalog::Catalog;
use ::lessons::lesson::Lesson;
use ::lessons::lesson::listing::{LISTING_FILE, Listing};
use anyhow::{Context, Result};
use std::fs;
use std::path::Path;

/// The folder of lessons in the page.
pub const FOLDER: &str = "lessons";

/// Writes lessons and their lists into a page, in the place of those that are there.
pub fn write(catalog: &Catalog, page: &Path) -> Result<()> {
    let folder = page.join(FOLDER);
    let _ = fs::remove_dir_all(&folder);
    files(catalog).into_iter().try_for_each(|(name, bytes)| {
        let path = folder.join(name);
        fs::create_dir_all(path.parent().unwrap_or(&folder))?;
        fs::write(&path, bytes).with_context(|| format!("cannot write {}", path.display()))
    })
}

/// The files of a course by their names in the folder: in each language the list, and one a lesson.
pub fn files(catalog: &Catalog) -> Vec<(String, Vec<u8>)> {
    let lessons: Vec<&Lesson> = catalog.entries.iter().map(|entry| &entry.lesson).collect();
    let course = &catalog.course;
    let language = course.language.as_deref().unwrap_or("en");
    let list = Listing::of(language, &course.title, &course.parts, lessons.iter().copied());
    let mut files = in_language("", &list, &lessons);
    for (language, words) in &course.translation {
        let translations = catalog.entries.iter().flat_map(|entry| &entry.translations);
        let good = translations.filter(|translation| translation.language() == language && translation.is_good());
        let own: Vec<&Lesson> = good.map(|translation| &translation.lesson).collect();
        let list = list.translated(language, &words.title, &words.parts, own.iter().copied());
        files.extend(in_language(&format!("{language}/"), &list, &own));
    }
    files
}

/// The list in a language, and the lessons that there are in it.
fn in_language(folder: &str, list: &Listing, lessons: &[&Lesson]) -> Vec<(String, Vec<u8>)> {
    let list = (format!("{folder}{LISTING_FILE}"), list.pack());
    let lessons = lessons.iter().map(|lesson| (format!("{folder}{}", lesson.id), lesson.pack()));
    std::iter::once(list).chain(lessons).collect()
}
