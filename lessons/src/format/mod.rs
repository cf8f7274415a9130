//! The format in which lessons are written: a folder `NN-slug` with a `lesson.md`, Markdown below a head in TOML between
//! two lines `+++`. What the head leaves out comes from `course.toml` in the folder of the course.
//!
//! The head is in [`front`], the text in [`body`]; both together become a [`Lesson`], which may have a [`translation`] in a file
//! beside it. `docs/authoring.md` is the guide.

pub mod body;
pub mod front;
pub mod translation;

use crate::lesson::{Lesson, Part, Slide};
use body::{BadText, Item};
use front::{Course, Front, Proofs};

/// The longest text of a lesson, in bytes.
pub const LESSON_MAX: usize = 256 << 10;

/// What is wrong with a lesson.
#[derive(Clone, PartialEq, Debug, thiserror::Error)]
pub enum BadFormat {
    /// No head.
    #[error("a lesson begins with a head in TOML between two lines `+++`")]
    NoHead,
    /// Too long.
    #[error("the lesson is longer than {} KiB", LESSON_MAX >> 10)]
    TooLong,
    /// The head is not as it should be.
    #[error("head: {0}")]
    Head(String),
    /// The text is not as it should be.
    #[error(transparent)]
    Text(#[from] BadText),
}

/// Reads a lesson, and what proves it. `id` is the name of its folder.
///
/// # Errors
/// What is wrong with it.
pub fn read(id: &str, text: &str, course: &Course) -> Result<(Lesson, Proofs), BadFormat> {
    if text.len() > LESSON_MAX {
        return Err(BadFormat::TooLong);
    }
    let text = text.replace("\r\n", "\n");
    let (head, body) = split(&text)?;
    let front: Front = toml::from_str(head).map_err(|error| BadFormat::Head(error.to_string()))?;
    let mut lesson = front.lesson(id, course)?;
    place(&mut lesson, body::read(body)?)?;
    Ok((lesson, front.proofs()?))
}

/// Head and text.
fn split(text: &str) -> Result<(&str, &str), BadFormat> {
    let rest = text.trim_start_matches('\u{feff}').strip_prefix("+++\n").ok_or(BadFormat::NoHead)?;
    rest.split_once("\n+++\n").ok_or(BadFormat::NoHead)
}

/// Puts text, tasks, predictions, questions and slides in order.
fn place(lesson: &mut Lesson, items: Vec<Item>) -> Result<(), BadText> {
    let mut slides = vec![Slide::default()];
    let mut in_notes = false;
    for item in items {
        match item {
            Item::Text(blocks) => {
                let slide = slides.last_mut();
                if let Some(slide) = slide {
                    if in_notes { slide.notes.extend(blocks.clone()) } else { slide.text.extend(blocks.clone()) }
                }
                lesson.body.push(Part::Text(blocks));
            }
            Item::Rule => {
                in_notes = false;
                slides.push(Slide::default());
            }
            Item::Directive { name, argument } => {
                let unknown = || BadText::UnknownDirective(format!("{name} {argument}"));
                let find = |ids: Vec<&String>| ids.iter().position(|id| **id == argument).ok_or_else(unknown);
                match name.as_str() {
                    "task" => lesson.body.push(Part::Task(find(lesson.tasks.iter().map(|t| &t.id).collect())?)),
                    "predict" => {
                        lesson.body.push(Part::Prediction(find(lesson.predictions.iter().map(|q| &q.id).collect())?));
                    }
                    "quiz" => lesson.body.push(Part::Quiz(find(lesson.quiz.iter().map(|q| &q.id).collect())?)),
                    "notes" => in_notes = true,
                    "scene" => {
                        let scene = find(lesson.scenes.iter().map(|s| &s.id).collect())?;
                        slides.iter_mut().last().into_iter().for_each(|slide| slide.scene = Some(scene));
                    }
                    "view" => slides.iter_mut().last().into_iter().for_each(|s| s.view = Some(argument.clone())),
                    _ => return Err(unknown()),
                }
            }
        }
    }
    lesson.add_unplaced();
    if lesson.kind == crate::lesson::Kind::Lecture {
        lesson.slides = slides;
        lesson.body.clear();
    }
    Ok(())
}

impl Lesson {
    /// Tasks, predictions and questions that have no place in the text come after it.
    fn add_unplaced(&mut self) {
        let all = (0..self.tasks.len()).map(Part::Task);
        let all = all.chain((0..self.predictions.len()).map(Part::Prediction));
        let all: Vec<_> = all.chain((0..self.quiz.len()).map(Part::Quiz)).collect();
        let missing = all.into_iter().filter(|part| !self.body.contains(part)).collect::<Vec<_>>();
        self.body.extend(missing);
    }
}
