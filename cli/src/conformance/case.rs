//! A case: one recording, and how it is checked.

use super::disagreement::{self, Disagreement};
use super::run;
use super::script::{Script, StandardWorld};
use super::transcript;
use super::verdict::Verdict;
use crate::input::{RECORDING_MAX, SCRIPT_MAX, read_text};
use anyhow::{Context, Result, bail};
use hypervisor_model::machine::Platform;
use kernel_model::{calls, strace};
use std::fs;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};
use std::thread;

/// What kind of recording a case is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A shell script beside the transcript of a real run: `NAME.sh`, `NAME.expected`.
    Script,
    /// A log of strace: `NAME.strace`.
    Strace,
    /// System calls with their results: `NAME.jsonl`.
    Calls,
}

/// One recording.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Case {
    /// Folder and name without ending.
    pub name: String,
    /// What kind of recording it is.
    pub kind: Kind,
    /// The script or the log.
    pub file: PathBuf,
}

/// How cases are run.
#[derive(Clone, Copy, Debug, Default)]
pub struct Setting {
    /// The machine below the kernel.
    pub platform: Platform,
    /// The world for scripts, instead of the one that their header asks for.
    pub world: Option<StandardWorld>,
}

/// Stack of a thread that runs cases: a deeply nested script must not end the whole program.
const STACK_BYTES: usize = 256 << 20;

/// The cases below these files and folders, in order of name.
pub fn find(paths: &[PathBuf]) -> Result<Vec<Case>> {
    let mut cases = Vec::new();
    for path in paths {
        let meta = fs::metadata(path).with_context(|| format!("cannot look at {}", path.display()))?;
        let before = cases.len();
        if meta.is_dir() {
            let name = path.canonicalize().ok().and_then(|path| Some(path.file_name()?.to_string_lossy().into_owned()));
            find_below(path, &name.unwrap_or_default(), &mut cases)?;
        } else {
            cases.extend(case_of(path, ""));
        }
        if cases.len() == before {
            bail!("{} has no *.sh with *.expected, no *.strace and no *.jsonl", path.display());
        }
    }
    Ok(cases)
}

fn find_below(folder: &Path, name: &str, cases: &mut Vec<Case>) -> Result<()> {
    let entries = fs::read_dir(folder).with_context(|| format!("cannot read the folder {}", folder.display()))?;
    let mut paths = entries.map(|entry| Ok(entry?.path())).collect::<Result<Vec<PathBuf>>>()?;
    paths.sort();
    for path in paths {
        if path.is_dir() {
            let inner = path.file_name().unwrap_or_default().to_string_lossy();
            find_below(&path, &format!("{name}/{inner}"), cases)?;
        } else {
            cases.extend(case_of(&path, name));
        }
    }
    Ok(())
}

/// The case that a file is, if it is one.
fn case_of(file: &Path, folder: &str) -> Option<Case> {
    let kind = match file.extension()?.to_str()? {
        "sh" if file.with_extension("expected").is_file() => Kind::Script,
        "strace" => Kind::Strace,
        "jsonl" => Kind::Calls,
        _ => return None,
    };
    let stem = file.file_stem()?.to_string_lossy();
    let name = if folder.is_empty() { stem.into_owned() } else { format!("{folder}/{stem}") };
    Some(Case { name, kind, file: file.to_owned() })
}

impl Case {
    /// Runs the recording on the model and compares. A panic of the model is a failure like others.
    pub fn check(&self, setting: Setting) -> Verdict {
        let checked = catch_unwind(AssertUnwindSafe(|| match self.kind {
            Kind::Script => self.check_script(setting),
            Kind::Strace => self.check_log(),
            Kind::Calls => self.check_calls(),
        }));
        match checked {
            Ok(verdict) => verdict.unwrap_or_else(|error| Verdict::broken(format!("{error:#}"))),
            Err(panic) => {
                let message = panic.downcast_ref::<String>().map(String::as_str);
                let message = message.or_else(|| panic.downcast_ref::<&str>().copied()).unwrap_or("without a message");
                let recorded = match self.kind {
                    Kind::Script => self.recorded_entries(),
                    Kind::Strace | Kind::Calls => 0,
                };
                Verdict { total: recorded, ..Verdict::broken(format!("the model panicked: {message}")) }
            }
        }
    }

    fn check_script(&self, setting: Setting) -> Result<Verdict> {
        let expected = read_text(&self.file.with_extension("expected"), RECORDING_MAX)?;
        let mut script = Script::parse(&read_text(&self.file, SCRIPT_MAX)?)?.found_in(&self.file);
        script.world = setting.world.unwrap_or(script.world);
        let entries = run::run(&script, setting.platform, |_, _| {})?;
        Ok(Verdict::on_transcripts(&expected, &transcript::write(&entries)))
    }

    fn check_log(&self) -> Result<Verdict> {
        let replay = strace::replay(&read_text(&self.file, RECORDING_MAX)?)?;
        let mut verdict = disagreement::verdict(replay.agree, replay.in_scope, &disagreement::in_log(&replay));
        if replay.unparsed > 0 {
            let why = format!("{} lines could not be read", replay.unparsed);
            verdict.why = Some(verdict.why.map_or(why.clone(), |other| format!("{other}; {why}")));
        }
        Ok(verdict)
    }

    fn check_calls(&self) -> Result<Verdict> {
        let report = calls::replay(&read_text(&self.file, RECORDING_MAX)?)?;
        let disagreements: Vec<Disagreement> = report.disagreements.into_iter().map(Into::into).collect();
        Ok(disagreement::verdict(report.agree, report.total, &disagreements))
    }

    fn recorded_entries(&self) -> usize {
        let expected = read_text(&self.file.with_extension("expected"), RECORDING_MAX);
        expected.map_or(0, |text| transcript::cut(&text).len())
    }
}

/// Checks all cases, on as many processors as there are; the verdicts come in the cases' order.
pub fn check_all(cases: &[Case], setting: Setting) -> Vec<Verdict> {
    let next = AtomicUsize::new(0);
    let verdicts = Mutex::new(vec![None; cases.len()]);
    let work = || {
        while let Some((index, case)) = {
            let index = next.fetch_add(1, Ordering::Relaxed);
            cases.get(index).map(|case| (index, case))
        } {
            let verdict = case.check(setting);
            if let Some(place) = verdicts.lock().unwrap_or_else(PoisonError::into_inner).get_mut(index) {
                *place = Some(verdict);
            }
        }
    };
    thread::scope(|scope| {
        for _ in 0..thread::available_parallelism().map_or(1, usize::from) {
            let started = thread::Builder::new().stack_size(STACK_BYTES).spawn_scoped(scope, work);
            if started.is_err() {
                work();
            }
        }
    });
    let verdicts = verdicts.into_inner().unwrap_or_else(PoisonError::into_inner);
    verdicts.into_iter().map(|verdict| verdict.unwrap_or_else(|| Verdict::broken("was not run"))).collect()
}
