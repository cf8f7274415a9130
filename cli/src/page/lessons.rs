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

/// Writes lessons and their list below `folder`, which then holds nothing else.
pub fn write(catalog: &Catalog, folder: &Path) -> Result<()> {
    let _ = fs::remove_dir_all(folder);
    write_lessons(catalog, &folder.join(FOLDER))
}

/// Puts these lessons into a built page in the place of those that are there.
pub fn replace(catalog: &Catalog, page: &Path) -> Result<()> {
    let _ = fs::remove_dir_all(page.join(FOLDER));
    write_lessons(catalog, &page.join(FOLDER))
}

fn write_lessons(catalog: &Catalog, folder: &Path) -> Result<()> {
    let lessons: Vec<&Lesson> = catalog.entries.iter().map(|entry| &entry.lesson).collect();
    let course = &catalog.course;
    let language = course.language.as_deref().unwrap_or("en");
    let list = Listing::of(language, &course.title, &course.parts, lessons.iter().copied());
    write_language(&list, &lessons, folder)?;
    for (language, words) in &course.translation {
        let translations = catalog.entries.iter().flat_map(|entry| &entry.translations);
        let good = translations.filter(|translation| translation.language() == language && translation.is_good());
        let own: Vec<&Lesson> = good.map(|translation| &translation.lesson).collect();
        let list = list.translated(language, &words.title, &words.parts, own.iter().copied());
        write_language(&list, &own, &folder.join(language))?;
    }
    Ok(())
}

/// The list in a language, and the lessons that there are in it.
fn write_language(list: &Listing, lessons: &[&Lesson], folder: &Path) -> Result<()> {
    fs::create_dir_all(folder).with_context(|| format!("cannot make {}", folder.display()))?;
    let file = |name: &str, bytes: Vec<u8>| {
        let path = folder.join(name);
        fs::write(&path, bytes).with_context(|| format!("cannot write {}", path.display()))
    };
    file(LISTING_FILE, list.pack())?;
    lessons.iter().try_for_each(|lesson| file(&lesson.id, lesson.pack()))
}
