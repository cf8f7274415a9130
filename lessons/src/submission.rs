//! Submissions: what a learner did in a lesson, as a file that can be handed in, and the receipt for it.
//!
//! The file is text. Its first line says what it is, the next ones lesson, version, seed and receipt for people; the rest is
//! base64 of the deflated postcard bytes of a [`Submission`], which is all that counts. Whatever is wrong with a file, reading it
//! ends with a sentence, within bounds of time and memory.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use kernel_model::action::{Action, Stamped};
use miniz_oxide::deflate::compress_to_vec;
use miniz_oxide::inflate::{TINFLStatus, decompress_to_vec_with_limit};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

/// The first line of a file.
pub const MAGIC: &str = "ringside submission 1";
/// The largest file, in bytes.
pub const FILE_MAX: usize = 4 << 20;
/// The most bytes that a file may unpack to.
const UNPACKED_MAX: usize = 16 << 20;
/// The most actions.
const ACTIONS_MAX: usize = 20_000;
/// The longest command, in bytes.
const LINE_MAX: usize = 64 << 10;
/// The longest name, in bytes.
const NAME_MAX: usize = 200;
/// Characters of a line of the packed part.
const WIDTH: usize = 100;

/// What a learner did in a lesson.
#[derive(Clone, PartialEq, Debug, Default, Serialize, Deserialize)]
pub struct Submission {
    /// The lesson, by name.
    pub lesson: String,
    /// Its version.
    pub version: u32,
    /// What decided the learner's variant: the student's number, or what the teacher gave out.
    pub seed: String,
    /// What was done since the start of the lesson.
    pub actions: Vec<Stamped>,
    /// Answers to questions: the name of the question and the chosen answers by index, in ascending order.
    pub answers: Vec<(String, Vec<u32>)>,
}

/// Why a file is no submission.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum BadSubmission {
    /// Nothing in it.
    #[error("the file is empty")]
    Empty,
    /// Too large.
    #[error("the file is larger than {} MiB", FILE_MAX >> 20)]
    TooLarge,
    /// An archive.
    #[error("the file is an archive ({0}), not a submission: hand in the file that the page downloads, as it is")]
    Archive(&'static str),
    /// Something else.
    #[error("the file is not a submission: its first line is not `{MAGIC}`")]
    NotOne,
    /// From the future.
    #[error("the file was made by a newer version of the page: {0}")]
    Newer(String),
    /// Its end is missing.
    #[error("the file is cut off at its end: download it again")]
    CutOff,
    /// Its content does not fit together.
    #[error("the file is damaged: its content does not fit together")]
    Damaged,
    /// More than anybody does.
    #[error("the file unpacks to more than {} MiB", UNPACKED_MAX >> 20)]
    Bomb,
    /// More than anybody does.
    #[error("the submission has more than is allowed: {0}")]
    TooMuch(&'static str),
    /// Something that learners cannot do.
    #[error("the submission contains an intervention that the page does not offer to learners")]
    Forbidden,
}

/// The beginnings of archives, and what they are called.
const ARCHIVES: [(&[u8], &str); 6] = [
    (b"PK\x03\x04", "zip"),
    (b"PK\x05\x06", "zip"),
    (b"\x1f\x8b", "gzip"),
    (b"BZh", "bzip2"),
    (b"\xfd7zXZ\0", "xz"),
    (b"7z\xbc\xaf\x27\x1c", "7z"),
];

impl Submission {
    /// The file.
    pub fn to_text(&self) -> String {
        // Serialising a plain value into memory cannot fail.
        let plain = postcard::to_allocvec(self).unwrap_or_default();
        let packed = STANDARD.encode(compress_to_vec(&plain, 9));
        let one_line = |text: &str| text.chars().filter(|c| !c.is_control()).collect::<String>();
        let mut text = format!(
            "{MAGIC}\nlesson: {}\nversion: {}\nseed: {}\nreceipt: {}\n\n",
            one_line(&self.lesson),
            self.version,
            one_line(&self.seed),
            self.receipt()
        );
        for line in packed.as_bytes().chunks(WIDTH) {
            text.extend(line.iter().map(|byte| char::from(*byte)));
            text.push('\n');
        }
        text.push_str("end\n");
        text
    }

    /// The submission in a file.
    ///
    /// # Errors
    /// What is wrong with the file.
    pub fn from_bytes(bytes: &[u8]) -> Result<Submission, BadSubmission> {
        if bytes.len() > FILE_MAX {
            return Err(BadSubmission::TooLarge);
        }
        if let Some((_, name)) = ARCHIVES.iter().find(|(begin, _)| bytes.starts_with(begin)) {
            return Err(BadSubmission::Archive(name));
        }
        let text = str::from_utf8(bytes).map_err(|_| BadSubmission::NotOne)?.trim_start_matches('\u{feff}').trim();
        let mut lines = text.lines().map(str::trim);
        match lines.next() {
            None => return Err(BadSubmission::Empty),
            Some(MAGIC) => {}
            Some(first) if first.starts_with("ringside submission ") => {
                return Err(BadSubmission::Newer(first.chars().take(40).collect()));
            }
            Some(_) => return Err(BadSubmission::NotOne),
        }
        let mut rest = lines.skip_while(|line| !line.is_empty()).skip(1);
        let mut packed = String::new();
        let ended = rest.by_ref().any(|line| {
            if line != "end" {
                packed.push_str(line);
            }
            line == "end"
        });
        if !ended {
            return Err(BadSubmission::CutOff);
        }
        Submission::unpack(&packed)
    }

    fn unpack(packed: &str) -> Result<Submission, BadSubmission> {
        let bytes = STANDARD.decode(packed).map_err(|_| BadSubmission::Damaged)?;
        let plain = decompress_to_vec_with_limit(&bytes, UNPACKED_MAX).map_err(|error| match error.status {
            TINFLStatus::HasMoreOutput => BadSubmission::Bomb,
            _ => BadSubmission::Damaged,
        })?;
        match postcard::take_from_bytes::<Submission>(&plain) {
            Ok((submission, [])) => submission.bounded(),
            _ => Err(BadSubmission::Damaged),
        }
    }

    /// The submission, unless there is more in it than anybody does.
    fn bounded(self) -> Result<Submission, BadSubmission> {
        let too_much = |what| Err(BadSubmission::TooMuch(what));
        if self.lesson.len() > NAME_MAX || self.seed.len() > NAME_MAX {
            return too_much("names of at most 200 bytes");
        }
        if self.actions.len() > ACTIONS_MAX || self.answers.len() > ACTIONS_MAX {
            return too_much("at most 20000 actions");
        }
        for stamped in &self.actions {
            match &stamped.action {
                Action::Line { text, .. } | Action::CallBelow { text, .. } if text.len() > LINE_MAX => {
                    return too_much("commands of at most 64 KiB");
                }
                Action::Adjust(_) => return Err(BadSubmission::Forbidden),
                _ => {}
            }
        }
        Ok(self)
    }

    /// A short code for this submission, which staff can compare with the one of a file. It is a receipt: whoever has the file
    /// can compute it, so that it proves nothing about who did what.
    pub fn receipt(&self) -> String {
        let plain = postcard::to_allocvec(self).unwrap_or_default();
        let digest = Sha256::digest(&plain);
        let letters: Vec<char> = digest.iter().take(12).map(|byte| letter(*byte)).collect();
        letters.chunks(4).map(|chunk| chunk.iter().collect::<String>()).collect::<Vec<_>>().join("-")
    }

    /// What was done in which lesson, without who did it: equal for two submissions of one lesson with the same list of
    /// actions. The seed and the answers are no part of it, for they are what somebody changes first in a file that
    /// belongs to somebody else.
    pub fn log_digest(&self) -> String {
        let plain = postcard::to_allocvec(&(&self.lesson, self.version, &self.actions)).unwrap_or_default();
        let digest = Sha256::digest(&plain);
        digest.iter().take(8).map(|byte| format!("{byte:02x}")).collect()
    }
}

/// A letter or digit that cannot be mistaken for another (Crockford's base 32).
fn letter(byte: u8) -> char {
    const LETTERS: &[u8; 32] = b"0123456789ABCDEFGHJKMNPQRSTVWXYZ";
    char::from(LETTERS[usize::from(byte & 31)])
}

#[cfg(test)]
mod tests {
    use super::*;
    use kernel_model::action::When;
    use kernel_model::console::ConsoleId;

    fn example() -> Submission {
        let action = Action::Line { console: ConsoleId(1), text: "unshare --pid --fork sh".to_owned() };
        Submission {
            lesson: "20-pid-namespace".to_owned(),
            version: 1,
            seed: "s1234567".to_owned(),
            actions: vec![Stamped { when: When::AtRest, action }],
            answers: vec![("kill-outside".to_owned(), vec![1])],
        }
    }

    /// A file that was handed in once. It is never changed; a new version adds to it.
    #[test]
    fn old_submissions_stay_readable() {
        const GOLDEN: &str = include_str!("../tests/submission-1.txt");
        assert_eq!(Submission::from_bytes(GOLDEN.as_bytes()), Ok(example()), "now it would be {}", example().to_text());
    }

    #[test]
    fn every_damage_has_a_sentence() {
        let text = example().to_text();
        for cut in 0..text.len() - 1 {
            assert!(Submission::from_bytes(&text.as_bytes()[..cut]).is_err() || cut == text.len() - 1, "cut at {cut}");
        }
        let begin = text.find("\n\n").expect("a head") + 2;
        for at in begin..text.len() {
            let mut damaged = text.clone().into_bytes();
            damaged[at] ^= 1;
            // It may by chance be another submission, but it is always an answer.
            let _ = Submission::from_bytes(&damaged);
        }
        let bomb = STANDARD.encode(compress_to_vec(&vec![0; UNPACKED_MAX + 1], 9));
        assert_eq!(Submission::from_bytes(format!("{MAGIC}\n\n{bomb}\nend\n").as_bytes()), Err(BadSubmission::Bomb));
        assert_eq!(Submission::from_bytes(b"PK\x03\x04...."), Err(BadSubmission::Archive("zip")));
        assert_eq!(Submission::from_bytes(b""), Err(BadSubmission::Empty));
        assert_eq!(Submission::from_bytes(b"\xff\xfe"), Err(BadSubmission::NotOne));
    }

    #[test]
    fn the_receipt_depends_on_everything() {
        let mut other = example();
        other.seed.push('8');
        assert_ne!(example().receipt(), other.receipt());
        other.answers.clear();
        assert_eq!(example().log_digest(), other.log_digest(), "the log is the same");
        other.lesson.push('x');
        assert_ne!(example().log_digest(), other.log_digest(), "the same commands in another lesson are another log");
        assert_eq!(example().receipt().len(), 14);
    }
}
