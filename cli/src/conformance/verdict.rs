//! The comparison of what was recorded with what the model did.

use super::normalise::normalise;
use super::transcript::cut;
use crate::input::unix_lines;
use similar::TextDiff;

/// How a case came out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Verdict {
    /// Entries or calls that agree.
    pub agree: usize,
    /// Entries or calls that were recorded.
    pub total: usize,
    /// Why the case fails, in one line; `None` when it passes.
    pub why: Option<String>,
    /// What is different, as a unified diff.
    pub detail: String,
    /// What the model does where it differs: its normalised transcript, or every call that it answers
    /// in another way. Known differences are kept in this form.
    pub ours: String,
}

impl Verdict {
    /// Whether everything agrees.
    pub fn passes(&self) -> bool {
        self.why.is_none()
    }

    /// The verdict on a case that could not be run to its end.
    pub fn broken(why: impl Into<String>) -> Self {
        Verdict { agree: 0, total: 0, why: Some(why.into()), detail: String::new(), ours: String::new() }
    }

    /// Compares two transcripts entry by entry, both normalised first.
    pub fn on_transcripts(expected: &str, actual: &str) -> Self {
        let side = |text: &str| normalise(&unix_lines(text.to_owned()));
        let (expected, actual) = (side(expected), side(actual));
        let (recorded, ours) = (cut(&expected), cut(&actual));
        let agree = recorded.iter().zip(&ours).filter(|(recorded, ours)| recorded == ours).count();
        let differs = recorded.iter().zip(&ours).find(|(recorded, ours)| recorded != ours);
        let why = match differs {
            Some((recorded, _)) => Some(format!("first difference at: {}", first_line(recorded))),
            None if ours.len() < recorded.len() => {
                recorded.get(ours.len()).map(|entry| format!("the transcript ends before: {}", first_line(entry)))
            }
            None if ours.len() > recorded.len() => Some("the transcript goes on after the recorded one".into()),
            None => None,
        };
        let total = recorded.len();
        match why {
            Some(why) => {
                let detail = unified_diff("recorded", &expected, "ours", &actual);
                Verdict { agree, total, why: Some(why), detail, ours: actual }
            }
            None => Verdict { agree, total, why: None, detail: String::new(), ours: String::new() },
        }
    }
}

fn first_line(entry: &str) -> &str {
    entry.lines().next().unwrap_or_default()
}

/// The difference of two texts with their names, as `diff -u` would show it.
pub fn unified_diff(old_name: &str, old: &str, new_name: &str, new: &str) -> String {
    TextDiff::from_lines(old, new).unified_diff().context_radius(3).header(old_name, new_name).to_string()
}

#[cfg(test)]
mod tests {
    use super::Verdict;

    #[test]
    fn entries_are_compared_one_by_one() {
        let verdict = Verdict::on_transcripts("$ a\n1\n$ b\n30001\n$ c\n", "$ a\n2\n$ b\n30007\n$ c\n");
        assert_eq!((verdict.agree, verdict.total), (2, 3));
        assert_eq!(verdict.why.as_deref(), Some("first difference at: $ a"));
        assert_eq!(verdict.detail, "--- recorded\n+++ ours\n@@ -1,5 +1,5 @@\n $ a\n-1\n+2\n $ b\n <pid:1>\n $ c\n");
    }

    #[test]
    fn a_transcript_that_ends_early_or_late_does_not_pass() {
        let early = Verdict::on_transcripts("$ a\n$ b\n", "$ a\n");
        assert_eq!((early.agree, early.total, early.passes()), (1, 2, false));
        assert!(!Verdict::on_transcripts("$ a\n", "$ a\n$ b\n").passes());
        assert!(Verdict::on_transcripts("$ a\n", "$ a\n\n\n").passes());
    }
}
