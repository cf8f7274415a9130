//! Translations of lessons: beside `lesson.md` a file named after the language, `de.md`, with what is read and nothing else. Checks,
//! steps and solutions stay in the one lesson.
//!
//! Its head has `title`, `summary` and a table for each task and question, by name:
//!
//! ```toml
//! of = "03c2b9c2f0d5a1e7"
//! title = "Ein Prozess, mehrere Nummern"
//! summary = "…"
//! [task.one]
//! ask = "…"
//! hint.how = "…"
//! [quiz.up]
//! ask = "…"
//! choices = ["…", "…"]
//! why = "…"
//! ```
//!
//! `of` is the [`fingerprint`] of the text that was translated. When that has changed since, the translation is stale.

use serde::Deserialize;
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;

use super::front::Front;
use super::{BadFormat, body, place, split};
use crate::lesson::text::{Block, plain};
use crate::lesson::{Lesson, Part, Question};

/// A lesson in another language.
#[derive(Clone, PartialEq, Debug)]
pub struct Translation {
    /// The lesson with its texts translated; what is not stays as it was.
    pub lesson: Lesson,
    /// The fingerprint of the text that was translated.
    pub of: String,
    /// The fingerprint of the text as it is now.
    pub now: String,
    /// What is missing in it, or has no counterpart, in sentences.
    pub faults: Vec<String>,
}

impl Translation {
    /// The language, as BCP 47 names it.
    pub fn language(&self) -> &str {
        &self.lesson.language
    }

    /// The text has changed since it was translated.
    pub fn is_stale(&self) -> bool {
        self.of != self.now
    }

    /// Nothing is missing, and it is of the text as it is now: learners may have it.
    pub fn is_good(&self) -> bool {
        self.faults.is_empty() && !self.is_stale()
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Head {
    of: String,
    title: String,
    summary: String,
    #[serde(default)]
    task: BTreeMap<String, TaskWords>,
    #[serde(default)]
    predict: BTreeMap<String, QuestionWords>,
    #[serde(default)]
    quiz: BTreeMap<String, QuestionWords>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct TaskWords {
    ask: String,
    #[serde(default)]
    hint: BTreeMap<String, String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct QuestionWords {
    ask: String,
    choices: Vec<String>,
    #[serde(default)]
    why: String,
}

/// 16 hexadecimal digits that are others when a word is another that a reader of the lesson reads. Where lines are broken does
/// not matter.
///
/// # Errors
/// The text is no lesson.
pub fn fingerprint(text: &str) -> Result<String, BadFormat> {
    let text = text.replace("\r\n", "\n");
    let (head, body) = split(&text)?;
    let front: Front = toml::from_str(head).map_err(|error| BadFormat::Head(error.to_string()))?;
    let mut digest = Sha256::new();
    for text in front.words().into_iter().chain([body]) {
        for word in text.split_whitespace() {
            digest.update(word.as_bytes());
            digest.update(b" ");
        }
        digest.update([0]);
    }
    Ok(digest.finalize().iter().take(8).map(|byte| format!("{byte:02x}")).collect())
}

/// Reads a translation of a lesson. `original` is the text of its `lesson.md`.
///
/// # Errors
/// It is not as it should be. What is only missing in it is in [`Translation::faults`].
pub fn read(lesson: &Lesson, original: &str, language: &str, text: &str) -> Result<Translation, BadFormat> {
    let text = text.replace("\r\n", "\n");
    let (head, body_text) = split(&text)?;
    let head: Head = toml::from_str(head).map_err(|error| BadFormat::Head(error.to_string()))?;
    let mut faults = Vec::new();
    let mut lesson_here = Lesson {
        title: head.title,
        summary: head.summary,
        language: language.to_owned(),
        body: Vec::new(),
        slides: Vec::new(),
        ..lesson.clone()
    };
    let mut words = head.task;
    for task in &mut lesson_here.tasks {
        let Some(mut own) = words.remove(&task.id) else {
            faults.push(format!("task `{}` is not translated", task.id));
            continue;
        };
        task.ask = body::line(&own.ask);
        for hint in &mut task.hints {
            match own.hint.remove(&hint.id) {
                Some(say) => hint.say = body::line(&say),
                None => faults.push(format!("hint `{}` of task `{}` is not translated", hint.id, task.id)),
            }
        }
        faults.extend(own.hint.keys().map(|id| format!("task `{}` has no hint `{id}`", task.id)));
    }
    faults.extend(words.keys().map(|id| format!("there is no task `{id}`")));
    questions("prediction", &mut lesson_here.predictions, head.predict, &mut faults);
    questions("question", &mut lesson_here.quiz, head.quiz, &mut faults);
    place(&mut lesson_here, body::read(body_text)?)?;
    compare(lesson, &lesson_here, &mut faults);
    Ok(Translation { lesson: lesson_here, of: head.of, now: fingerprint(original)?, faults })
}

fn questions(kind: &str, all: &mut [Question], mut words: BTreeMap<String, QuestionWords>, faults: &mut Vec<String>) {
    for question in all {
        let id = &question.id;
        let Some(own) = words.remove(id) else {
            faults.push(format!("{kind} `{id}` is not translated"));
            continue;
        };
        if own.choices.len() != question.choices.len() {
            faults.push(format!("{kind} `{id}` has {} choices, not {}", question.choices.len(), own.choices.len()));
            continue;
        }
        if own.why.is_empty() && !question.why.is_empty() {
            faults.push(format!("{kind} `{id}` has a `why`"));
        }
        question.ask = body::line(&own.ask);
        question.choices = own.choices.iter().map(|choice| body::line(choice)).collect();
        question.why = body::line(&own.why);
    }
    faults.extend(words.keys().map(|id| format!("there is no {kind} `{id}`")));
}

/// Whether two texts of a lesson have the same things in the same order: places, headings, and commands that are typed.
fn compare(original: &Lesson, here: &Lesson, faults: &mut Vec<String>) {
    let (wanted, found) = (outline(original), outline(here));
    if let Some(at) = (0..wanted.len().max(found.len())).find(|i| wanted.get(*i) != found.get(*i)) {
        let says = |outline: &[String]| outline.get(at).map_or("the end", String::as_str).to_owned();
        let (wanted, found) = (says(&wanted), says(&found));
        faults.push(format!("the text goes on with {found} where the original has {wanted}"));
    }
}

/// What a text is made of, apart from its words.
fn outline(lesson: &Lesson) -> Vec<String> {
    let mut all = Vec::new();
    for part in &lesson.body {
        match part {
            Part::Text(text) => blocks(text, &mut all),
            Part::Task(i) => all.push(format!("the place of task {}", i + 1)),
            Part::Prediction(i) => all.push(format!("the place of prediction {}", i + 1)),
            Part::Quiz(i) => all.push(format!("the place of question {}", i + 1)),
        }
    }
    for slide in &lesson.slides {
        all.push(format!("a slide with scene {:?} and view {:?}", slide.scene, slide.view));
        blocks(&slide.text, &mut all);
        if !slide.notes.is_empty() {
            all.push("notes".to_owned());
        }
    }
    all
}

fn blocks(text: &[Block], all: &mut Vec<String>) {
    for block in text {
        match block {
            Block::Heading { level, .. } => all.push(format!("a heading of level {level}")),
            Block::Code { run: true, text, .. } => all.push(format!("the command `{text}`")),
            Block::Code { .. } => all.push("a block of code".to_owned()),
            Block::List { items, .. } => all.push(format!("a list of {}", items.len())),
            Block::Table { head, rows } => all.push(format!("a table of {} by {}", head.len(), rows.len())),
            Block::Quote(_) => all.push("a quotation".to_owned()),
            Block::Paragraph(line) if plain(line).trim().is_empty() => {}
            Block::Paragraph(_) => all.push("a paragraph".to_owned()),
            Block::Rule => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::format::front::Course;

    const ENGLISH: &str = "+++\ntitle = \"Names\"\nsummary = \"S\"\n[[task]]\nid = \"a\"\nask = \"Do it.\"\ncheck = \"true\"\n[[task.hint]]\nid = \"how\"\nsay = \"So.\"\n+++\n\n# Names\n\nText.\n\n{{task a}}\n\n```console run\nls\n```\n";
    const GERMAN: &str = "+++\nof = \"OF\"\ntitle = \"Namen\"\nsummary = \"Z\"\n[task.a]\nask = \"Tun Sie es.\"\nhint.how = \"So.\"\n+++\n\n# Namen\n\nEin Text.\n\n{{task a}}\n\n```console run\nls\n```\n";

    fn german(english: &str, german: &str) -> Translation {
        let (lesson, _) = crate::format::read("10-names", english, &Course::default()).expect("a lesson");
        let german = german.replace("OF", &fingerprint(ENGLISH).expect("a fingerprint"));
        read(&lesson, english, "de", &german).expect("a translation")
    }

    #[test]
    fn a_translation_has_the_words_of_its_own_and_the_checks_of_the_original() {
        let translation = german(ENGLISH, GERMAN);
        assert!(translation.is_good(), "{translation:?}");
        let lesson = &translation.lesson;
        assert_eq!((lesson.title.as_str(), lesson.language.as_str()), ("Namen", "de"));
        assert_eq!(plain(&lesson.tasks[0].ask), "Tun Sie es.");
        assert_eq!(lesson.tasks[0].condition.check.as_deref(), Some("true"));
    }

    #[test]
    fn a_changed_word_makes_it_stale_and_a_changed_check_or_line_break_does_not() {
        assert!(german(&ENGLISH.replace("Text.", "Another text."), GERMAN).is_stale());
        assert!(german(&ENGLISH.replace("Do it.", "Do that."), GERMAN).is_stale());
        assert!(!german(&ENGLISH.replace("\"true\"", "\"1 == 1\""), GERMAN).is_stale());
        assert!(!german(&ENGLISH.replace("\n\nText.", "\n\n\nText."), GERMAN).is_stale());
    }

    #[test]
    fn what_is_missing_or_is_too_much_is_said() {
        let faults = |from: &str, to: &str| german(ENGLISH, &GERMAN.replace(from, to)).faults;
        assert_eq!(faults("hint.how = \"So.\"\n", ""), ["hint `how` of task `a` is not translated"]);
        assert_eq!(
            faults("hint.how", "hint.who"),
            ["hint `how` of task `a` is not translated", "task `a` has no hint `who`"]
        );
        assert_eq!(faults("[task.a]", "[task.b]"), ["task `a` is not translated", "there is no task `b`"]);
        assert_eq!(
            faults("console run\nls", "console run\nrm"),
            ["the text goes on with the command `rm` where the original has the command `ls`"]
        );
        assert_eq!(
            faults("Ein Text.\n\n", ""),
            ["the text goes on with the place of task 1 where the original has a paragraph"]
        );
    }
}
