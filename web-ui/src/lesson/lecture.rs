//! A lecture: its slide says which scene the machine is in, and where in it to look. Who acts in it leaves the prepared path;
//! what was tried is kept until the lecturer goes to another scene, and as another future after that.

use kernel_model::timeline::Session;
use lessons::check::expression::Expression;
use lessons::lesson::Kind;

use super::desk::Open;
use super::remote::Remote;
use crate::lab::{Lab, Sought};
use crate::state::{Effect, State};

/// A search for the first event of a scene of which something is true.
pub(super) struct Search {
    expression: Expression,
    /// The first action of the scene.
    action: usize,
    /// The place to look at next.
    next: u64,
}

impl Open {
    /// It is a lecture.
    pub fn is_lecture(&self) -> bool {
        self.lesson.kind == Kind::Lecture
    }

    /// The scene that the slide is in: its own, or the last one before.
    pub fn scene(&self) -> Option<usize> {
        if !self.is_lecture() {
            return None;
        }
        let slides = self.lesson.slides.get(..=self.notes.slide).unwrap_or(&self.lesson.slides);
        // A file may name a scene that it does not have.
        slides.iter().rev().find_map(|slide| slide.scene).filter(|scene| *scene < self.lesson.scenes.len())
    }

    /// Whether this session is what the slide has prepared.
    fn is_prepared(&self, session: &Session) -> bool {
        let prepared = self.session();
        let actions = |session: &Session| session.actions.iter().map(|s| s.action.clone()).collect::<Vec<_>>();
        prepared.config == session.config && actions(&prepared) == actions(session)
    }

    /// Looks, as soon as the scene is there, for the place in it where to look.
    pub(super) fn begin_search(&mut self) {
        let scene = self.scene().and_then(|scene| self.lesson.scenes.get(scene));
        let at = scene.and_then(|scene| scene.at.as_deref());
        let own = scene.map_or(0, |scene| scene.steps.len());
        let action = self.session().actions.len().saturating_sub(own);
        self.search =
            at.and_then(|at| Expression::parse(at).ok()).map(|expression| Search { expression, action, next: 0 });
    }
}

impl State {
    /// Shows a slide. When it is in another scene, the machine is put there; else it stays as the lecturer has left it.
    pub(super) fn show_slide(&mut self, slide: usize) -> Vec<Effect> {
        let Some(open) = &mut self.desk.open else { return Vec::new() };
        let (before, strayed) = (open.scene(), open.strayed);
        open.notes.slide = slide.min(open.lesson.slides.len().saturating_sub(1));
        (open.notes.blank, open.notes.overview) = (false, false);
        let has_view = open.lesson.slides.get(open.notes.slide).is_some_and(|slide| slide.view.is_some());
        if has_view && let Some(view) = open.view() {
            self.stage.main = view;
        }
        if open.scene() == before {
            self.refresh();
        } else {
            self.begin_scene(strayed);
        }
        vec![Effect::SaveLesson, Effect::NextFrame, Effect::Focus("lesson-head")]
    }

    /// Back to what the slide has prepared.
    pub(super) fn go_to_prepared(&mut self) -> Vec<Effect> {
        let strayed = self.desk.open.as_ref().is_some_and(|open| open.strayed);
        self.begin_scene(strayed);
        vec![Effect::NextFrame, Effect::Focus("lesson-head")]
    }

    /// Puts the machine where the slide needs it. What was tried off the prepared path stays as another future.
    fn begin_scene(&mut self, strayed: bool) {
        let own = self.lab.session().0;
        let Some(open) = &mut self.desk.open else { return };
        let session = open.session();
        open.begin_search();
        if open.is_prepared(&own) {
            self.lab.seek(self.lab.len());
            self.refresh();
        } else {
            let mut futures = self.lab.other_futures().to_vec();
            if strayed && !futures.contains(&own.actions) {
                futures.push(own.actions);
            }
            self.start(Lab::restore(session, None).with_branches(futures));
        }
        self.desk.followed = None;
    }

    /// Nothing is shown, or everything again.
    pub(super) fn blank(&mut self) -> Vec<Effect> {
        let Some(open) = &mut self.desk.open else { return Vec::new() };
        open.notes.blank ^= true;
        vec![Effect::Focus(if open.notes.blank { "slides-blank" } else { "lesson-head" })]
    }

    /// All slides to choose from, or the one.
    pub(super) fn show_overview(&mut self, shown: bool) -> Vec<Effect> {
        let Some(open) = &mut self.desk.open else { return Vec::new() };
        (open.notes.overview, open.notes.blank) = (shown, false);
        vec![Effect::Focus(if shown { "slides-here" } else { "lesson-head" })]
    }

    /// What a key of a remote control does.
    pub(super) fn remote(&mut self, key: Remote) -> Vec<Effect> {
        let Some(open) = self.desk.open.as_ref().filter(|open| open.is_lecture()) else { return Vec::new() };
        let (slide, overview) = (open.notes.slide, open.notes.overview);
        match key {
            Remote::Next => self.show_slide(slide + 1),
            Remote::Back => self.show_slide(slide.saturating_sub(1)),
            Remote::First => self.show_slide(0),
            Remote::Last => self.show_slide(usize::MAX),
            Remote::Blank => self.blank(),
            Remote::Overview => self.show_overview(!overview),
        }
    }

    /// Follows a lecture: whether it is on its prepared path, and where in its scene to look. Whether there is more to do.
    pub(super) fn follow_lecture(&mut self, session: &Session, more: impl FnMut() -> bool) -> bool {
        let Some(open) = &mut self.desk.open else { return false };
        open.strayed = !open.is_prepared(session);
        if open.strayed {
            open.search = None;
        }
        let Some(mut search) = open.search.take() else {
            self.desk.followed = Some(self.revision);
            return false;
        };
        let Search { expression, action, next } = &mut search;
        let matches = |event: &_, world: &_| expression.holds(world, Some(event)) == Ok(true);
        match self.lab.find_event(*action, next, matches, more) {
            Sought::At(position) => {
                self.lab.seek(position);
                self.refresh();
            }
            Sought::Nowhere => {}
            Sought::NotYet => open.search = Some(search),
        }
        let is_there = self.desk.open.as_ref().is_none_or(|open| open.search.is_none());
        self.desk.followed = is_there.then_some(self.revision);
        !is_there
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lesson::act::LessonMsg;
    use crate::lesson::desk::Notes;
    use crate::state::Msg;
    use kernel_model::action::{Action, Stamped};
    use kernel_model::timeline::Direction;
    use lessons::lesson::step::Step;
    use lessons::lesson::{Lesson, Scene, Slide};

    fn lecture() -> State {
        let scene = |line: &str, at: Option<&str>| Scene {
            steps: vec![Step::line(line)],
            at: at.map(str::to_owned),
            ..Scene::default()
        };
        let mut lesson = Lesson {
            id: "100-lecture".to_owned(),
            kind: Kind::Lecture,
            slides: [None, Some(0), None, Some(1), Some(7)].map(|scene| Slide { scene, ..Slide::default() }).into(),
            scenes: vec![
                scene("hostname one", Some(r#"event.kind == "CallEntered" && event.call == "sethostname""#)),
                scene("hostname two", None),
            ],
            ..Lesson::default()
        };
        lesson.start.config.terminal = true;
        let mut state = State::new();
        state.desk.open = Some(Open::new(lesson, "", Notes::default()).expect("a lecture"));
        state
    }

    fn settle(state: &mut State) {
        for _ in 0..10_000 {
            let moving = state.frame(|| 0.0);
            if !moving.contains(&Effect::NextFrame) {
                return;
            }
        }
        panic!("it does not come to rest");
    }

    fn go(state: &mut State, msg: LessonMsg) {
        state.update(Msg::Lesson(msg));
        settle(state);
    }

    fn typed(state: &mut State, line: &str) {
        state.update(Msg::Draft(line.to_owned()));
        state.update(Msg::Enter);
        settle(state);
    }

    #[test]
    fn a_scene_is_looked_at_where_it_says() {
        let mut state = lecture();
        go(&mut state, LessonMsg::Slide(1));
        assert!(state.lab.is_past());
        assert_eq!(state.shown.step.call.as_deref(), Some("sethostname(\"one\", 3 <unfinished ...>"));
    }

    #[test]
    fn what_is_tried_is_left_alone_until_another_scene() {
        let mut state = lecture();
        go(&mut state, LessonMsg::Slide(1));
        let prepared = state.lab.position();
        typed(&mut state, "hostname tried");
        let there = state.lab.position();
        assert_eq!(there, state.lab.len(), "thrown back");
        assert!(state.desk.open.as_ref().is_some_and(|open| open.strayed));
        state.update(Msg::Step(Direction::Back));
        settle(&mut state);
        assert_ne!(state.lab.position(), prepared);
        go(&mut state, LessonMsg::Slide(2));
        let tried = state.lab.session().0.actions;
        let is_there = |s: &Stamped| matches!(&s.action, Action::Line { text, .. } if text == "hostname tried");
        assert!(tried.iter().any(is_there), "a slide of the same scene leaves it alone");
        go(&mut state, LessonMsg::Prepared);
        assert_eq!(state.lab.position(), prepared);
        assert!(state.lab.other_futures().contains(&tried), "what was tried is gone");
        go(&mut state, LessonMsg::Slide(3));
        assert_eq!(state.lab.session().0.actions.len(), 2);
    }

    #[test]
    fn a_scene_that_is_not_there_is_no_scene() {
        let mut state = lecture();
        go(&mut state, LessonMsg::Slide(4));
        assert_eq!(state.desk.open.as_ref().and_then(Open::scene), None);
    }
}
