//! Lessons beside the stage: the list of them, text, tasks that tick themselves, predictions, questions, hints, and what is
//! handed in; and lectures, whose slides put the machine where they need it.
//!
//! [`desk`] is the state, [`act`] what can happen to it; the rest draws. A lesson is a file beside the page that is
//! loaded when it is opened. Which tasks are done is found by [`lessons::attempt`] from the session's actions alone.

pub mod act;
pub mod desk;
pub mod draft;
pub mod lecture;
pub mod list;
pub mod pane;
pub mod presenter;
pub mod question;
pub mod remote;
pub mod slides;
pub mod text;
