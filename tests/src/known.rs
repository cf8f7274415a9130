//! Known differences between the model and the recordings.
//!
//! `known-differences.toml` says for each case that differs why it does; what the model does instead
//! is kept in `NAME.model` beside the recording and compared like everything else. So a difference
//! that changes is noticed, and one that is gone, too. No case is ever left out.

use anyhow::{Context, Result, bail};
use ringside::conformance::case::{Case, Setting};
use ringside::conformance::verdict::unified_diff;
use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

/// The list: name of the case, reason.
#[derive(Clone, Debug, Default)]
pub struct KnownDifferences {
    reasons: BTreeMap<String, String>,
}

/// What to do with a stored model output that is not the present one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OnChange {
    /// Fail.
    Fail,
    /// Write the present one.
    Rewrite,
}

impl OnChange {
    /// Rewriting is asked for with `UPDATE_EXPECT=1`.
    pub fn from_environment() -> Self {
        if std::env::var_os("UPDATE_EXPECT").is_some_and(|value| value == "1") { Self::Rewrite } else { Self::Fail }
    }
}

impl KnownDifferences {
    /// Reads the list.
    pub fn read(file: &Path) -> Result<Self> {
        let text = fs::read_to_string(file).with_context(|| format!("cannot read {}", file.display()))?;
        let reasons: BTreeMap<String, String> =
            toml::from_str(&text).with_context(|| format!("{} is not a list of `case = reason`", file.display()))?;
        if let Some((case, _)) = reasons.iter().find(|(_, reason)| reason.trim().is_empty()) {
            bail!("{case} has no reason in {}", file.display());
        }
        Ok(KnownDifferences { reasons })
    }

    /// Fails when the list or a stored output is about no case.
    pub fn must_be_about(&self, cases: &[Case]) -> Result<()> {
        for name in self.reasons.keys() {
            if !cases.iter().any(|case| case.name == *name) {
                bail!("{name} is on the list of known differences, and no case has that name");
            }
        }
        for case in cases {
            if model_file(case).exists() && !self.reasons.contains_key(&case.name) {
                bail!(
                    "{} is there, but {} is not on the list of known differences",
                    model_file(case).display(),
                    case.name
                );
            }
        }
        Ok(())
    }

    /// Checks a case: it agrees, or it differs as it is known to.
    pub fn check(&self, case: &Case, on_change: OnChange) -> Result<()> {
        let verdict = case.check(Setting::default());
        let known = self.reasons.get(&case.name);
        let stored = model_file(case);
        match (&verdict.why, known) {
            (None, None) => Ok(()),
            (None, Some(_)) => {
                if on_change == OnChange::Rewrite && stored.exists() {
                    fs::remove_file(&stored)?;
                }
                bail!(
                    "{} agrees now: take it off the list of known differences, and {} away",
                    case.name,
                    stored.display()
                )
            }
            (Some(why), None) => {
                bail!("{}/{} agree; {why}\n{}", verdict.agree, verdict.total, verdict.detail)
            }
            (Some(why), Some(reason)) => {
                let ours = if verdict.ours.is_empty() { format!("{why}\n") } else { verdict.ours };
                let old = fs::read_to_string(&stored).unwrap_or_default();
                if old == ours {
                    return Ok(());
                }
                if on_change == OnChange::Rewrite {
                    fs::write(&stored, ours)?;
                    return Ok(());
                }
                bail!(
                    "differs in another way than it is known to ({reason}); when that is right, run again with \
                     UPDATE_EXPECT=1 and look at the change\n{}",
                    unified_diff("known", &old, "now", &ours)
                )
            }
        }
    }
}

fn model_file(case: &Case) -> PathBuf {
    case.file.with_extension("model")
}
