//! Hands files out to workers, and sees to it that every file gets a verdict.

use anyhow::{Context, Result};
use lessons::grade::{Grader, Verdict, note_same_logs, unjudged};
use lessons::lesson::Lesson;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, ExitStatus, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::sync::{Mutex, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::Duration;

/// How files are graded.
#[derive(Clone, Debug)]
pub struct Plan {
    /// The lesson, as [`super::find_lesson`] takes it.
    pub lesson: String,
    /// How many workers.
    pub jobs: usize,
    /// How long a file may take.
    pub patience: Duration,
}

/// Grades files; the verdicts are in the order of the files.
///
/// # Errors
/// The lesson is wrong, or this program cannot be started again.
pub fn grade(plan: &Plan, files: &[PathBuf]) -> Result<Vec<Verdict>> {
    let lesson = super::find_lesson(&plan.lesson)?.lesson;
    // A wrong lesson is said once, and not by every worker.
    Grader::new(lesson.clone())?;
    let next = AtomicUsize::new(0);
    let verdicts = Mutex::new(vec![None; files.len()]);
    let work = || -> Result<()> {
        let mut worker = Worker::start(&plan.lesson)?;
        loop {
            let at = next.fetch_add(1, Ordering::Relaxed);
            let Some(file) = files.get(at) else { return Ok(()) };
            let verdict = judged(&mut worker, plan, file, &lesson)?;
            verdicts.lock().unwrap_or_else(PoisonError::into_inner)[at] = Some(verdict);
        }
    };
    let jobs = plan.jobs.clamp(1, files.len().max(1));
    thread::scope(|scope| {
        let threads: Vec<_> = (0..jobs).map(|_| scope.spawn(work)).collect();
        threads.into_iter().try_for_each(|thread| thread.join().unwrap_or(Ok(())))
    })?;
    let verdicts = verdicts.into_inner().unwrap_or_else(PoisonError::into_inner);
    let named = files.iter().zip(verdicts);
    let mut verdicts: Vec<Verdict> = named
        .map(|(file, verdict)| verdict.unwrap_or_else(|| unjudged(&lesson, &file.display().to_string())))
        .collect();
    note_same_logs(&mut verdicts);
    Ok(verdicts)
}

/// The verdict about a file. A worker that ends is replaced, and the file tried once more with the fresh one.
fn judged(worker: &mut Worker, plan: &Plan, file: &Path, lesson: &Lesson) -> Result<Verdict> {
    let name = file.display().to_string();
    let refused = |why: String| Verdict { refused: why, ..unjudged(lesson, &name) };
    for attempt in 0..2 {
        match worker.ask(&name, plan.patience) {
            Ok(verdict) => return Ok(verdict),
            Err(Gone::TooSlow) => {
                *worker = Worker::start(&plan.lesson)?;
                let seconds = plan.patience.as_secs();
                return Ok(refused(format!("replaying it takes more than {seconds} seconds and was stopped")));
            }
            Err(Gone::Ended) => {
                let why = worker.why_ended();
                *worker = Worker::start(&plan.lesson)?;
                if attempt == 1 {
                    return Ok(refused(why));
                }
            }
        }
    }
    Ok(unjudged(lesson, &name))
}

/// What to say of a file at which a worker has ended, from what it said last.
fn last_words(status: Option<ExitStatus>, said: &str) -> String {
    let first = |text: &str| said.lines().find(|line| line.contains(text)).map(str::trim);
    let status = status.map_or("for no known reason".to_owned(), |status| format!("with {status}"));
    if first("memory allocation of").is_some() {
        "replaying it takes more memory than is allowed and was stopped".to_owned()
    } else if first("has overflowed its stack").is_some() {
        "replaying it is nested more deeply than is allowed and was stopped".to_owned()
    } else if let Some(at) = first("panicked at") {
        format!(
            "replaying it uncovers a fault of this program, which should be told to its authors with the file: {at}"
        )
    } else {
        let last = said.lines().rfind(|line| !line.trim().is_empty()).map(|line| format!(": {}", line.trim()));
        format!("the process that replays it ended {status}{}", last.unwrap_or_default())
    }
}

/// Why a worker gave no verdict.
enum Gone {
    /// It took too long.
    TooSlow,
    /// It has ended.
    Ended,
}

/// A process that replays.
struct Worker {
    child: Child,
    to: Option<ChildStdin>,
    from: Receiver<String>,
    /// Reads what it says to people.
    said: Option<JoinHandle<String>>,
}

/// What is kept of what a worker says to people, in bytes.
const WORDS_MAX: u64 = 64 << 10;

impl Worker {
    fn start(lesson: &str) -> Result<Worker> {
        let program = std::env::current_exe().context("cannot find this program again")?;
        let mut child = Command::new(program)
            .args(["grade", lesson, "--worker"])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .context("cannot start this program again")?;
        let to = child.stdin.take();
        let out = child.stdout.take();
        let said = child.stderr.take().map(|stderr| {
            thread::spawn(move || {
                let mut words = Vec::new();
                let mut stderr = BufReader::new(stderr);
                let _ = stderr.by_ref().take(WORDS_MAX).read_to_end(&mut words);
                // The rest is read so that it is not held up, and forgotten.
                let _ = io::copy(&mut stderr, &mut io::sink());
                String::from_utf8_lossy(&words).into_owned()
            })
        });
        let (send, from) = channel();
        thread::spawn(move || {
            let lines = out.into_iter().flat_map(|out| BufReader::new(out).lines());
            for line in lines.map_while(Result::ok) {
                if send.send(line).is_err() {
                    break;
                }
            }
        });
        Ok(Worker { child, to, from, said })
    }

    /// Why it has ended, in words.
    fn why_ended(&mut self) -> String {
        self.to = None;
        let status = self.child.wait().ok();
        let said = self.said.take().and_then(|said| said.join().ok()).unwrap_or_default();
        last_words(status, &said)
    }

    fn ask(&mut self, file: &str, patience: Duration) -> Result<Verdict, Gone> {
        let to = self.to.as_mut().ok_or(Gone::Ended)?;
        let question = serde_json::to_string(file).map_err(|_| Gone::Ended)? + "\n";
        to.write_all(question.as_bytes()).and_then(|()| to.flush()).map_err(|_| Gone::Ended)?;
        match self.from.recv_timeout(patience) {
            Ok(line) => serde_json::from_str(&line).map_err(|_| Gone::Ended),
            Err(RecvTimeoutError::Timeout) => Err(Gone::TooSlow),
            Err(RecvTimeoutError::Disconnected) => Err(Gone::Ended),
        }
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        // Without input it would end by itself; in the middle of a file it would not.
        self.to = None;
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_worker_that_ends_is_told_by_its_last_words() {
        let words = |said: &str| last_words(None, said);
        assert!(words("memory allocation of 8589934592 bytes failed\n").contains("more memory"));
        assert!(
            words("\nthread 'main' has overflowed its stack\nfatal runtime error: stack overflow").contains("nested")
        );
        let panic = words("\nthread 'main' (7) panicked at kernel-model/src/step.rs:1:2:\nindex out of bounds\n");
        assert!(panic.contains("fault of this program") && panic.contains("step.rs:1:2"), "{panic}");
        assert_eq!(
            words("ringside: there is no lesson\n"),
            "the process that replays it ended for no known reason: ringside: there is no lesson"
        );
    }
}
