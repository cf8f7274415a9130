//! A lesson in the page while it is being written: each time its file is saved, it is proved again and the page loads it anew.

use crate::export::START;
use crate::page::lessons::files;
use crate::server;
use anyhow::{Context, Result};
use axum::Router;
use axum::extract::Path as Named;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use lessons::catalog::{COURSE_FILE, Catalog, LESSON_FILE};
use lessons::proof::{Names, faults};
use serde::Serialize;
use std::fs;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::Duration;

/// How often the files are looked at.
const PAUSE: Duration = Duration::from_millis(250);

/// How a lesson is at the moment.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize)]
pub struct State {
    /// What was written last, as a number that changes with it.
    pub version: String,
    /// The lesson to show.
    pub lesson: String,
    /// What is wrong with it; nothing when it passes its check.
    pub faults: Vec<String>,
}

/// What is written, as a number that changes with it.
fn version(folder: &Path) -> String {
    let mut hasher = DefaultHasher::new();
    let parent = folder.parent().unwrap_or(folder);
    let entries = |folder: &Path| fs::read_dir(folder).into_iter().flatten().flatten().map(|entry| entry.path());
    let inner = entries(folder).filter(|path| path.is_dir()).flat_map(|path| entries(&path).collect::<Vec<_>>());
    let mut paths: Vec<PathBuf> = entries(folder).chain(inner).collect();
    paths.retain(|path| path.extension().is_some_and(|kind| kind == "md"));
    paths.extend([folder.join(COURSE_FILE), parent.join(COURSE_FILE)]);
    paths.sort();
    for path in paths {
        (path.display().to_string(), fs::read(&path).ok()).hash(&mut hasher);
    }
    format!("{:016x}", hasher.finish())
}

/// Proves what is in a folder.
pub fn look(folder: &Path) -> State {
    let version = version(folder);
    let catalog = match Catalog::of_folder(folder) {
        Ok(catalog) => catalog,
        Err(error) => return State { version, faults: vec![error.to_string()], ..State::default() },
    };
    let beside = beside(folder);
    let own = catalog.entries.iter().map(|entry| entry.lesson.id.as_str());
    let names: Names<'_> = own.chain(beside.iter().map(String::as_str)).collect();
    let several = catalog.entries.len() > 1;
    let of = |entry| {
        let all: Vec<String> = faults(entry, &names);
        let id = entry.lesson.id.clone();
        all.into_iter().map(move |fault| if several { format!("{id}: {fault}") } else { fault })
    };
    let faults = catalog.entries.iter().flat_map(of).collect();
    let lesson = if several { String::new() } else { catalog.entries[0].lesson.id.clone() };
    State { version, lesson, faults }
}

/// The names of the lessons beside this one, to which it may link.
pub fn beside(folder: &Path) -> Vec<String> {
    let parent = folder.join(LESSON_FILE).is_file().then(|| folder.canonicalize().ok()).flatten();
    let parent = parent.and_then(|folder| folder.parent().map(Path::to_path_buf));
    let entries = parent.into_iter().flat_map(|parent| fs::read_dir(parent).into_iter().flatten().flatten());
    entries.filter(|e| e.path().join(LESSON_FILE).is_file()).map(|e| e.file_name().to_string_lossy().into()).collect()
}

/// Looks at the files for ever; calls when they have changed.
pub fn watch(folder: &Path, state: &Mutex<State>, mut changed: impl FnMut(&State)) {
    loop {
        let known = state.lock().unwrap_or_else(PoisonError::into_inner).version.clone();
        if version(folder) != known {
            let now = look(folder);
            changed(&now);
            *state.lock().unwrap_or_else(PoisonError::into_inner) = now;
        }
        thread::sleep(PAUSE);
    }
}

/// The page in `page` with the lessons of `folder` in the place of its own.
///
/// # Errors
/// The page does not start as expected.
pub fn router(page: &Path, folder: PathBuf, state: Arc<Mutex<State>>) -> Result<Router> {
    let index = fs::read_to_string(page.join("index.html")).context("the page has no index.html")?;
    anyhow::ensure!(index.contains(START), "the page does not start as expected");
    let index = index.replace(START, &format!("{START}\n<script type=\"module\" src=\"./preview.js\"></script>"));
    let index = move || async move { ([(header::CONTENT_TYPE, "text/html; charset=utf-8")], index) };
    let script = || async { ([(header::CONTENT_TYPE, "text/javascript; charset=utf-8")], include_str!("preview.js")) };
    let now = move || async move {
        let state = state.lock().unwrap_or_else(PoisonError::into_inner).clone();
        ([(header::CONTENT_TYPE, "application/json")], serde_json::to_string(&state).unwrap_or_default())
    };
    let lesson = move |Named(name): Named<String>| async move { lesson(&folder, &name) };
    Ok(Router::new()
        .route("/", get(index.clone()))
        .route("/index.html", get(index))
        .route("/preview.js", get(script))
        .route("/preview/state", get(now))
        .route("/lessons/{*name}", get(lesson))
        .merge(server::files_of(page)))
}

/// A file of the course as it is written now; a lesson beside the one that is shown is found, too.
fn lesson(folder: &Path, name: &str) -> Response {
    let find = |folder: &Path| {
        let all = Catalog::of_folder(folder).map(|catalog| files(&catalog));
        all.map(|all| all.into_iter().find(|(file, _)| file == name).map(|(_, bytes)| bytes))
    };
    let neighbour = || beside(folder).contains(&name.to_owned()).then(|| folder.with_file_name(name));
    let found = match find(folder) {
        Ok(None) => neighbour().map_or(Ok(None), |folder| find(&folder)),
        found => found,
    };
    let type_of = [(header::CONTENT_TYPE, "application/octet-stream"), (header::CACHE_CONTROL, "no-cache")];
    match found {
        Ok(Some(bytes)) => (type_of, bytes).into_response(),
        Ok(None) => StatusCode::NOT_FOUND.into_response(),
        Err(error) => (StatusCode::INTERNAL_SERVER_ERROR, error.to_string()).into_response(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_saved_is_proved_again() {
        let course = std::env::temp_dir().join(format!("ringside-preview-{}", std::process::id()));
        let folder = course.join("25-mounts");
        fs::create_dir_all(&folder).expect("a folder");
        let text =
            fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/../lessons/tests/20-pid-namespace/lesson.md"));
        let text = text.expect("a lesson");
        fs::write(folder.join(LESSON_FILE), &text).expect("to write");
        let first = look(&folder);
        assert_eq!((first.lesson.as_str(), first.faults.as_slice()), ("25-mounts", [].as_slice()));
        assert_eq!(version(&folder), first.version, "nothing has changed");
        fs::write(folder.join(LESSON_FILE), text.replace("own_pid == 1", "own_pid == 2")).expect("to write");
        let second = look(&folder);
        assert!(second.version != first.version && !second.faults.is_empty(), "{second:?}");
        fs::write(folder.join(LESSON_FILE), "no head").expect("to write");
        assert!(look(&folder).faults[0].contains("begins with a head"));
        assert_eq!(lesson(&folder, "25-mounts").status(), StatusCode::INTERNAL_SERVER_ERROR);
        fs::write(folder.join(LESSON_FILE), &text).expect("to write");
        assert_eq!(lesson(&folder, "25-mounts").status(), StatusCode::OK);
        assert_eq!(lesson(&folder, "list").status(), StatusCode::OK);
        assert_eq!(lesson(&folder, "26-nowhere").status(), StatusCode::NOT_FOUND);
        fs::remove_dir_all(&course).expect("to remove it");
    }
}
