//! The process that replays: paths come in, one a line as JSON, verdicts go out, one a line as JSON.

use anyhow::{Context, Result};
use lessons::grade::{Grader, Verdict, unjudged};
use lessons::submission::{BadSubmission, FILE_MAX};
use std::fs::File;
use std::io::{self, BufRead, Read, Write};
use std::path::Path;

/// Memory that a worker may have, in bytes: what is beyond ends it, and the file that asked for it gets the verdict.
const MEMORY_MAX: u64 = 2 << 30;

/// Answers until there are no more lines.
///
/// # Errors
/// The lesson is wrong, or nobody listens any more.
pub fn work(lesson: &str) -> Result<()> {
    let mut grader = Grader::new(super::find_lesson(lesson)?.lesson)?;
    // A machine that does not know the limit grades without it.
    let _ = rlimit::setrlimit(rlimit::Resource::AS, MEMORY_MAX, MEMORY_MAX);
    let mut out = io::stdout().lock();
    for line in io::stdin().lock().lines() {
        let path: String = serde_json::from_str(&line?).context("the supervisor says something else")?;
        let verdict = grade_file(&mut grader, Path::new(&path));
        serde_json::to_writer(&mut out, &verdict)?;
        out.write_all(b"\n")?;
        out.flush()?;
    }
    Ok(())
}

/// The verdict about a file.
pub fn grade_file(grader: &mut Grader, path: &Path) -> Verdict {
    let name = path.display().to_string();
    match read(path) {
        Ok(bytes) => grader.grade(&name, &bytes),
        Err(refused) => Verdict { refused, ..unjudged(grader.lesson(), &name) },
    }
}

/// The bytes of a file, if it is one and not too large.
fn read(path: &Path) -> Result<Vec<u8>, String> {
    let cannot = |error: io::Error| format!("the file cannot be read: {error}");
    let meta = std::fs::metadata(path).map_err(cannot)?;
    if !meta.is_file() {
        return Err("it is no ordinary file".to_owned());
    }
    if meta.len() > FILE_MAX as u64 {
        return Err(BadSubmission::TooLarge.to_string());
    }
    let mut bytes = Vec::new();
    File::open(path).and_then(|file| file.take(FILE_MAX as u64 + 1).read_to_end(&mut bytes)).map_err(cannot)?;
    Ok(bytes)
}
