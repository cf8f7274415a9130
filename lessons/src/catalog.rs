//! The course that comes with the program, and lessons in folders elsewhere.

use include_dir::{Dir, include_dir};
use std::fs;
use std::path::Path;

use crate::format::front::{Course, Proofs};
use crate::format::translation::{self, Translation};
use crate::format::{BadFormat, read};
use crate::lesson::Lesson;

static COURSE: Dir<'static> = include_dir!("$CARGO_MANIFEST_DIR/course");

/// The name of the text of a lesson in its folder.
pub const LESSON_FILE: &str = "lesson.md";
/// The name of what all lessons of a course have in common, in the folder of the course.
pub const COURSE_FILE: &str = "course.toml";

/// A lesson with what only its proof needs.
#[derive(Clone, PartialEq, Debug)]
pub struct Entry {
    /// The lesson.
    pub lesson: Lesson,
    /// What proves it.
    pub proofs: Proofs,
    /// The same in other languages.
    pub translations: Vec<Translation>,
}

/// A course: what is common to its lessons, and the lessons in order.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct Catalog {
    /// What is common.
    pub course: Course,
    /// Lessons, labs and lectures, by the names of their folders.
    pub entries: Vec<Entry>,
}

/// Why a course or lesson cannot be had.
#[derive(Debug, thiserror::Error)]
pub enum CatalogError {
    /// A file cannot be read.
    #[error("cannot read {0}: {1}")]
    Unreadable(String, std::io::Error),
    /// A file is not as it should be.
    #[error("{0}: {1}")]
    Bad(String, BadFormat),
    /// `course.toml` is not as it should be.
    #[error("{0}: {1}")]
    BadCourse(String, toml::de::Error),
    /// There is no lesson in the folder.
    #[error(
        "there is no lesson in {0}: a lesson is a folder with a file {LESSON_FILE}, a course a folder of such folders"
    )]
    NoLesson(String),
}

impl Catalog {
    /// The course that comes with the program.
    ///
    /// # Errors
    /// A lesson of it is damaged, which the tests would have noticed.
    pub fn built_in() -> Result<Catalog, CatalogError> {
        let course = COURSE.get_file(COURSE_FILE).and_then(|file| file.contents_utf8()).unwrap_or_default();
        let course = read_course(COURSE_FILE, course)?;
        let mut entries = Vec::new();
        let mut folders: Vec<&Dir<'_>> = COURSE.dirs().collect();
        folders.sort_by_key(|folder| folder.path());
        for folder in folders {
            let text = folder.files().find(|file| file.path().ends_with(LESSON_FILE)).and_then(|f| f.contents_utf8());
            if let Some(text) = text {
                let id = folder.path().file_name().unwrap_or_default().to_string_lossy();
                let others = folder
                    .files()
                    .filter_map(|file| Some((language_of(file.path())?, file.contents_utf8()?.to_owned())));
                entries.push(entry(&id, text, others.collect(), &course)?);
            }
        }
        Ok(Catalog { course, entries })
    }

    /// The lesson in a folder (or its file), or all lessons of the course in it.
    ///
    /// # Errors
    /// It cannot be read, or is not as it should be.
    pub fn of_folder(folder: &Path) -> Result<Catalog, CatalogError> {
        let folder = if folder.is_file() { folder.parent().unwrap_or(folder) } else { folder };
        let folder = &folder.canonicalize().map_err(|e| CatalogError::Unreadable(folder.display().to_string(), e))?;
        if folder.join(LESSON_FILE).is_file() {
            let course = course_in(folder.parent().unwrap_or(folder))?;
            let entries = vec![entry_in(folder, &course)?];
            return Ok(Catalog { course, entries });
        }
        let course = course_in(folder)?;
        let unreadable = |e| CatalogError::Unreadable(folder.display().to_string(), e);
        let mut folders: Vec<_> =
            fs::read_dir(folder).map_err(unreadable)?.filter_map(Result::ok).map(|entry| entry.path()).collect();
        folders.sort();
        folders.retain(|path| path.join(LESSON_FILE).is_file());
        if folders.is_empty() {
            return Err(CatalogError::NoLesson(folder.display().to_string()));
        }
        let entries = folders.iter().map(|path| entry_in(path, &course)).collect::<Result<_, _>>()?;
        Ok(Catalog { course, entries })
    }

    /// The lesson with this name, or whose name ends so: `pid-namespace` for `20-pid-namespace`.
    pub fn find(&self, name: &str) -> Option<&Entry> {
        let by_slug = |entry: &&Entry| entry.lesson.id.split_once('-').is_some_and(|(_, slug)| slug == name);
        self.entries.iter().find(|entry| entry.lesson.id == name).or_else(|| self.entries.iter().find(by_slug))
    }
}

fn course_in(folder: &Path) -> Result<Course, CatalogError> {
    let file = folder.join(COURSE_FILE);
    if !file.is_file() {
        return Ok(Course::default());
    }
    let text = fs::read_to_string(&file).map_err(|e| CatalogError::Unreadable(file.display().to_string(), e))?;
    read_course(&file.display().to_string(), &text)
}

fn read_course(name: &str, text: &str) -> Result<Course, CatalogError> {
    toml::from_str(text).map_err(|error| CatalogError::BadCourse(name.to_owned(), error))
}

fn entry_in(folder: &Path, course: &Course) -> Result<Entry, CatalogError> {
    let file = folder.join(LESSON_FILE);
    let read =
        |file: &Path| fs::read_to_string(file).map_err(|e| CatalogError::Unreadable(file.display().to_string(), e));
    let text = read(&file)?;
    let mut others = Vec::new();
    for other in fs::read_dir(folder).into_iter().flatten().filter_map(Result::ok).map(|other| other.path()) {
        if let Some(language) = language_of(&other) {
            others.push((language, read(&other)?));
        }
    }
    let id = folder.file_name().unwrap_or_default().to_string_lossy();
    entry(&id, &text, others, course)
}

/// The language of which a file has the translation: `de` of `de.md`.
fn language_of(file: &Path) -> Option<String> {
    let tag = file.file_name()?.to_str()?.strip_suffix(".md")?;
    let is_tag = tag.split('-').next().is_some_and(|first| (2..=3).contains(&first.len()))
        && tag.chars().all(|c| c.is_ascii_alphanumeric() || c == '-');
    is_tag.then(|| tag.to_owned())
}

fn entry(id: &str, text: &str, mut others: Vec<(String, String)>, course: &Course) -> Result<Entry, CatalogError> {
    let bad = |error| CatalogError::Bad(format!("{id}/{LESSON_FILE}"), error);
    let (lesson, proofs) = read(id, text, course).map_err(bad)?;
    others.sort();
    let translations = others
        .iter()
        .map(|(language, other)| {
            translation::read(&lesson, text, language, other)
                .map_err(|error| CatalogError::Bad(format!("{id}/{language}.md"), error))
        })
        .collect::<Result<_, _>>()?;
    Ok(Entry { lesson, proofs, translations })
}
