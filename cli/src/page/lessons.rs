//! The course as files beside the page: one a lesson, loaded when it is opened, and the list of them.

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
    let lessons: Vec<&Lesson> = catalog.entries.iter().map(|entry| &entry.lesson).collect();
    write_lessons(&catalog.course.title, &catalog.course.parts, &lessons, &folder.join(FOLDER))
}

/// Puts these lessons into a built page in the place of those that are there.
pub fn replace(catalog: &Catalog, page: &Path) -> Result<()> {
    let _ = fs::remove_dir_all(page.join(FOLDER));
    let lessons: Vec<&Lesson> = catalog.entries.iter().map(|entry| &entry.lesson).collect();
    write_lessons(&catalog.course.title, &catalog.course.parts, &lessons, &page.join(FOLDER))
}

fn write_lessons(title: &str, parts: &[String], lessons: &[&Lesson], folder: &Path) -> Result<()> {
    fs::create_dir_all(folder).with_context(|| format!("cannot make {}", folder.display()))?;
    let list = Listing::of(title, parts, lessons.iter().copied());
    let file = |name: &str, bytes: Vec<u8>| {
        let path = folder.join(name);
        fs::write(&path, bytes).with_context(|| format!("cannot write {}", path.display()))
    };
    file(LISTING_FILE, list.pack())?;
    lessons.iter().try_for_each(|lesson| file(&lesson.id, lesson.pack()))
}
