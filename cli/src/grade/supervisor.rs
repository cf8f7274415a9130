//! Hands files out to workers, and sees to it that every file gets a verdict.

use anyhow::{Context, Result};
use lessons::grade::{Grader, Verdict, note_same_logs, unjudged};
use lessons::lesson::Lesson;
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::sync::{Mutex, PoisonError};
use std::thread;
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
                *worker = Worker::start(&plan.lesson)?;
                if attempt == 1 {
                    break;
                }
            }
        }
    }
    Ok(refused("replaying it takes more memory than is allowed and was stopped".to_owned()))
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
}

impl Worker {
    fn start(lesson: &str) -> Result<Worker> {
        let program = std::env::current_exe().context("cannot find this program again")?;
        let mut child = Command::new(program)
            .args(["grade", lesson, "--worker"])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            // What a dying process says of its own memory is nobody's concern.
            .stderr(Stdio::null())
            .spawn()
            .context("cannot start this program again")?;
        let to = child.stdin.take();
        let out = child.stdout.take();
        let (send, from) = channel();
        thread::spawn(move || {
            let lines = out.into_iter().flat_map(|out| BufReader::new(out).lines());
            for line in lines.map_while(Result::ok) {
                if send.send(line).is_err() {
                    break;
                }
            }
        });
        Ok(Worker { child, to, from })
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
