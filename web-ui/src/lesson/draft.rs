//! Authoring by doing: the session as the draft of a lesson.

use lessons::draft::draft;
use yew::{Callback, Html, html};

use super::act::LessonMsg;
use crate::state::{Effect, Msg, State};

/// The name of the file in its folder.
const FILE: &str = "lesson.md";

/// The button that saves the session as the draft of a lesson.
pub fn button(dispatch: &Callback<Msg>) -> Html {
    let save = dispatch.reform(|_: web_sys::MouseEvent| Msg::Lesson(LessonMsg::Draft));
    html! {
        <p class="lessons__draft">
            <button type="button" class="quiet" onclick={save} data-testid="lesson-draft">{ t!("save this session as the draft of a lesson") }</button>
        </p>
    }
}

impl State {
    /// Downloads what was done in the session as a lesson that its author goes on writing.
    pub(super) fn save_draft(&mut self) -> Vec<Effect> {
        let session = self.lab.session().0;
        match draft(&session) {
            Ok(text) => {
                self.said = t!("Downloaded {file}: the session is the solution of a task.", file = FILE);
                vec![Effect::Download(FILE.to_owned(), text)]
            }
            Err(why) => {
                self.desk.trouble = Some(t!("The session is no draft of a lesson: {why}.", why = why));
                Vec::new()
            }
        }
    }
}
