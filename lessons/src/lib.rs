//! Lessons, labs and lectures: format, checks, grading, and the course as data; and sessions as links.
//!
//! An author writes a folder with a `lesson.md` ([`format`], feature `author`). It becomes a [`lesson::Lesson`], plain
//! data without Markdown or HTML in it, which the page loads when it is opened. A [`judge::Judge`] takes what a learner
//! does and says which tasks are done: the same code in the page and in `ringside grade`.

pub mod attempt;
#[cfg(feature = "author")]
pub mod catalog;
pub mod check;
pub mod draft;
pub mod facts;
#[cfg(feature = "author")]
pub mod format;
pub mod grade;
pub mod judge;
pub mod lesson;
pub mod permalink;
#[cfg(feature = "author")]
pub mod proof;
pub mod submission;
pub mod views;
