//! What can happen at the desk.

use std::rc::Rc;

use kernel_model::action::Action;
use lessons::lesson::listing::{LISTING_FILE, Listing};
use lessons::lesson::text::plain;
use lessons::lesson::{Kind, Lesson};

use super::desk::{Kept, Notes, Open};
use super::remote::Remote;
use crate::appearance::Sheet;
use crate::lab::{Lab, Motion};
use crate::language::{Language, spoken};
use crate::state::{Effect, State};

/// The folder of lessons beside the page.
pub(super) const FOLDER: &str = "./lessons/";

/// The list of lessons in the language that is spoken.
fn list_file() -> String {
    match spoken() {
        Language::English => format!("{FOLDER}{LISTING_FILE}"),
        other => format!("{FOLDER}{}/{LISTING_FILE}", other.tag()),
    }
}

/// What can happen.
#[derive(Clone, PartialEq, Debug)]
pub enum LessonMsg {
    /// The desk is shown, or put away.
    Show(bool),
    /// A lesson is to be opened.
    Choose(String),
    /// A file has come, or not.
    Arrived(String, Result<Vec<u8>, String>),
    /// Back to the list.
    Leave,
    /// From the beginning.
    Again,
    /// What decides the variant.
    Seed(String),
    /// A hint is asked for.
    Hint(usize),
    /// An answer is chosen, or taken back.
    Answer(String, u32, bool),
    /// What is the right answer?
    Check(String),
    /// A command of the text is typed.
    Run(String),
    /// What was done is handed in.
    Submit,
    /// To this slide.
    Slide(usize),
    /// The session is saved as the draft of a lesson.
    Draft,
    /// A lecture shows nothing, or goes on.
    Blank,
    /// A lecture shows all its slides.
    Overview(bool),
    /// The machine as this slide needs it.
    Prepared,
    /// A key of a remote control.
    Remote(Remote),
    /// The presenter view is wanted.
    Present,
    /// The browser does not let a second window be opened.
    NoPresenter,
    /// The presenter view asks for something.
    Asked(String),
    /// The slides are wanted on paper.
    Print,
}

impl State {
    /// What happens when `msg` does.
    pub(crate) fn at_desk(&mut self, msg: LessonMsg) -> Vec<Effect> {
        match msg {
            LessonMsg::Show(shown) => return self.show_desk(shown),
            LessonMsg::Choose(id) => return self.choose_lesson(&id),
            LessonMsg::Arrived(path, result) => return self.lesson_arrived(&path, result),
            LessonMsg::Leave => {
                self.desk.open = None;
                self.desk.awaited = None;
                self.desk.wanted = None;
                return [self.show_desk(true), vec![Effect::SaveLesson]].concat();
            }
            LessonMsg::Again => {
                if let Some(open) = &mut self.desk.open {
                    open.notes.slide = 0;
                }
                return self.begin_lesson();
            }
            LessonMsg::Seed(seed) => return self.seed_lesson(seed),
            LessonMsg::Hint(task) => {
                if let Some(open) = &mut self.desk.open
                    && let Some(hint) = open.attempt.judge().hint(task)
                {
                    open.notes.hints.insert(task, hint);
                    let said = open.lesson.tasks.get(task).and_then(|t| t.hints.get(hint)).map(|h| plain(&h.say));
                    self.said = said.unwrap_or_default();
                }
            }
            LessonMsg::Answer(id, choice, several) => {
                if let Some(open) = &mut self.desk.open
                    && !open.notes.checked.contains(&id)
                {
                    let chosen = open.notes.answers.entry(id).or_default();
                    if !several {
                        chosen.clear();
                    }
                    if !chosen.remove(&choice) {
                        chosen.insert(choice);
                    }
                }
                return vec![Effect::SaveLesson];
            }
            LessonMsg::Check(id) => {
                if let Some(open) = &mut self.desk.open {
                    self.said = (if open.is_right(&id) { t!("Right.") } else { t!("Not right.") }).to_owned();
                    open.notes.checked.insert(id);
                }
                return vec![Effect::SaveLesson];
            }
            LessonMsg::Run(text) => {
                self.act(Action::Line { console: self.console, text });
                return vec![Effect::Focus("terminal-input"), Effect::NextFrame];
            }
            LessonMsg::Draft => return self.save_draft(),
            LessonMsg::Submit => return self.submit(),
            LessonMsg::Slide(slide) => return self.show_slide(slide),
            LessonMsg::Blank => return self.blank(),
            LessonMsg::Overview(shown) => return self.show_overview(shown),
            LessonMsg::Prepared => return self.go_to_prepared(),
            LessonMsg::Remote(key) => return self.remote(key),
            LessonMsg::Present => return vec![Effect::OpenPresenter],
            LessonMsg::NoPresenter => {
                self.desk.trouble =
                    Some(t!("The browser does not let a second window be opened from here.").to_owned());
            }
            LessonMsg::Asked(text) => return self.presenter_asks(&text),
            LessonMsg::Print => return vec![Effect::Print],
        }
        Vec::new()
    }

    /// Opens the lesson of the address, or the one that was kept; `wanted` is the name in the address. What was kept of a
    /// lesson goes on where it was: its session is there already.
    pub fn enter_lesson(&mut self, wanted: Option<String>, kept: Option<&str>) -> Vec<Effect> {
        let kept = kept.and_then(Kept::read);
        match (wanted, kept) {
            (Some(wanted), Some(kept)) if kept.id == wanted => self.recall_lesson(kept),
            (Some(wanted), _) => self.choose_lesson(&wanted),
            (None, Some(kept)) => self.recall_lesson(kept),
            (None, None) => Vec::new(),
        }
    }

    fn recall_lesson(&mut self, kept: Kept) -> Vec<Effect> {
        self.desk.shown = true;
        let id = kept.id.clone();
        self.desk.awaited = Some(kept);
        self.fetch_lesson(&id)
    }

    /// Another language is spoken: list and lesson are fetched again, and what was said in the lesson is kept.
    pub(crate) fn lessons_in_another_language(&mut self) -> Vec<Effect> {
        self.desk.listing = None;
        if let Some(open) = &self.desk.open {
            let kept = open.kept();
            let id = kept.id.clone();
            self.desk.awaited = Some(kept);
            return self.fetch_lesson(&id);
        }
        if self.desk.shown { vec![Effect::Fetch(list_file())] } else { Vec::new() }
    }

    /// Fetches a lesson in the language that is spoken, if there is one, else as it was written.
    fn fetch_lesson(&mut self, id: &str) -> Vec<Effect> {
        if spoken() == Language::English {
            return vec![Effect::Fetch(format!("{FOLDER}{id}"))];
        }
        let Some(listing) = &self.desk.listing else {
            self.desk.wanted = Some(id.to_owned());
            return vec![Effect::Fetch(list_file())];
        };
        let tag = spoken().tag();
        let is_translated = listing.entries.iter().any(|entry| entry.id == id && entry.language == tag);
        let folder = if is_translated && listing.language == tag { format!("{tag}/") } else { String::new() };
        vec![Effect::Fetch(format!("{FOLDER}{folder}{id}"))]
    }

    fn show_desk(&mut self, shown: bool) -> Vec<Effect> {
        self.desk.shown = shown;
        self.desk.trouble = None;
        self.sheet = if shown { Sheet::Lesson } else { Sheet::Terminal };
        if !shown {
            return vec![Effect::Focus("lessons-open")];
        }
        if self.desk.open.is_none() && self.desk.listing.is_none() {
            return vec![Effect::Fetch(list_file()), Effect::Focus("lesson-head")];
        }
        vec![Effect::Focus("lesson-head")]
    }

    fn choose_lesson(&mut self, id: &str) -> Vec<Effect> {
        self.desk.shown = true;
        self.sheet = Sheet::Lesson;
        // Names of lessons are names of files beside the page, and of nothing else.
        if id.is_empty() || !id.chars().all(|c| c.is_ascii_alphanumeric() || c == '-') {
            self.desk.trouble = Some(t!("there is no such lesson").to_owned());
            return Vec::new();
        }
        self.desk.awaited = None;
        self.fetch_lesson(id)
    }

    fn lesson_arrived(&mut self, path: &str, result: Result<Vec<u8>, String>) -> Vec<Effect> {
        let name = path.strip_prefix(FOLDER).unwrap_or(path);
        let (language, name) = name.split_once('/').unwrap_or(("", name));
        if name == LISTING_FILE {
            return self.list_arrived(language, result);
        }
        let bytes = match result {
            Ok(bytes) => bytes,
            Err(why) => {
                self.desk.trouble = Some(t!("The lesson cannot be loaded: {why}.", why = why));
                self.desk.awaited = None;
                return Vec::new();
            }
        };
        let kept = self.desk.awaited.take().filter(|kept| kept.id == name);
        let (seed, notes) = match &kept {
            Some(kept) => (kept.seed.clone(), kept.notes.clone()),
            None => (self.desk.open.as_ref().map(|open| open.seed.clone()).unwrap_or_default(), Notes::default()),
        };
        match Lesson::unpack(&bytes).map_err(|e| e.to_string()).and_then(|lesson| Open::new(lesson, &seed, notes)) {
            Ok(open) => self.desk.open = Some(open),
            Err(why) => {
                self.desk.trouble = Some(why);
                return Vec::new();
            }
        }
        self.desk.trouble = None;
        self.desk.followed = None;
        match kept {
            // Its session has been restored with the page.
            Some(_) => vec![Effect::NextFrame],
            None => self.begin_lesson(),
        }
    }

    /// The list has come; what waited for it goes on. A page that was put up without translations has only its own list.
    fn list_arrived(&mut self, language: &str, result: Result<Vec<u8>, String>) -> Vec<Effect> {
        // It was asked for before yet another language was chosen.
        if !language.is_empty() && language != spoken().tag() {
            return Vec::new();
        }
        match result.and_then(|bytes| Listing::unpack(&bytes).map_err(|why| why.to_string())) {
            Ok(listing) => self.desk.listing = Some(Rc::new(listing)),
            Err(_) if !language.is_empty() => return vec![Effect::Fetch(format!("{FOLDER}{LISTING_FILE}"))],
            Err(why) => {
                self.desk.trouble = Some(t!("The list of lessons cannot be loaded: {why}.", why = why));
                return Vec::new();
            }
        }
        match self.desk.wanted.take() {
            Some(id) => self.fetch_lesson(&id),
            None => Vec::new(),
        }
    }

    /// Starts the session of the open lesson.
    fn begin_lesson(&mut self) -> Vec<Effect> {
        let Some(open) = &mut self.desk.open else { return Vec::new() };
        open.receipt = None;
        open.begin_search();
        let (session, wanted) = (open.session(), open.view());
        if let Some(view) = wanted {
            self.stage.main = view;
        }
        let had = self.put_aside();
        self.notice = None;
        self.start(Lab::restore(session, None));
        self.offer_way_back(had, t!("The lesson has a session of its own."));
        self.desk.followed = None;
        vec![Effect::Save, Effect::SaveLesson, Effect::NextFrame, Effect::Focus("lesson-head")]
    }

    fn seed_lesson(&mut self, seed: String) -> Vec<Effect> {
        let Some(open) = &mut self.desk.open else { return Vec::new() };
        if open.plain.variants.is_empty() {
            // Everybody gets the same: what was done stays.
            open.seed = seed;
            return vec![Effect::SaveLesson];
        }
        match Open::new((*open.plain).clone(), &seed, open.notes.clone()) {
            Ok(again) => *open = again,
            Err(why) => {
                self.desk.trouble = Some(why);
                return Vec::new();
            }
        }
        self.begin_lesson()
    }

    fn submit(&mut self) -> Vec<Effect> {
        let session = self.lab.session().0;
        let Some(open) = &mut self.desk.open else { return Vec::new() };
        let Some(submission) = open.submission(&session) else {
            (open.elsewhere, open.receipt) = (true, None);
            self.said = t!("Nothing was downloaded: the session that is shown is not this lesson's.").to_owned();
            return Vec::new();
        };
        let receipt = submission.receipt();
        self.said = t!("Downloaded. Receipt {receipt}.", receipt = receipt);
        open.receipt = Some(receipt);
        vec![Effect::Download(format!("{}.ringside.txt", submission.lesson), submission.to_text())]
    }

    /// Follows what was done, in the time that there is. Whether there is more to follow.
    pub(crate) fn follow_lesson(&mut self, more: impl FnMut() -> bool) -> bool {
        let still = self.lab.motion() == Motion::Running || self.lab.is_restoring();
        if self.desk.open.is_none() || self.desk.followed == Some(self.revision) || still {
            return false;
        }
        let session = self.lab.session().0;
        let Some(open) = &mut self.desk.open else { return false };
        if open.lesson.kind == Kind::Lecture {
            return self.follow_lecture(&session, more);
        }
        let Some(actions) = open.own_actions(&session) else {
            open.elsewhere = true;
            self.desk.followed = Some(self.revision);
            return false;
        };
        open.elsewhere = false;
        if !open.attempt.follow(actions, more) {
            return true;
        }
        let before = open.done.clone();
        open.look();
        let newly = before.iter().zip(&open.done).position(|(before, now)| !before && *now);
        if let Some(task) = newly {
            self.said = t!("Task {n} is done.", n = task + 1);
        }
        self.desk.followed = Some(self.revision);
        false
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::language::speak;
    use lessons::lesson::listing::ListingEntry;

    fn fetch(path: &str) -> Vec<Effect> {
        vec![Effect::Fetch(path.to_owned())]
    }

    fn choose(state: &mut State, id: &str) -> Vec<Effect> {
        state.at_desk(LessonMsg::Choose(id.to_owned()))
    }

    fn arrive(state: &mut State, path: &str, result: Result<Vec<u8>, &str>) -> Vec<Effect> {
        state.at_desk(LessonMsg::Arrived(path.to_owned(), result.map_err(str::to_owned)))
    }

    fn list(language: &str) -> Vec<u8> {
        let entry = |id: &str, language: &str| ListingEntry {
            id: id.to_owned(),
            language: language.to_owned(),
            ..ListingEntry::default()
        };
        let entries = vec![entry("101-names", language), entry("102-rings", "en")];
        Listing { language: language.to_owned(), entries, ..Listing::default() }.pack()
    }

    #[test]
    fn a_lesson_is_fetched_in_the_language_that_is_spoken_if_there_is_one() {
        let mut state = State::new();
        assert_eq!(choose(&mut state, "101-names"), fetch("./lessons/101-names"));
        speak(Language::German, None);
        assert_eq!(choose(&mut state, "101-names"), fetch("./lessons/de/list"));
        assert_eq!(arrive(&mut state, "./lessons/de/list", Ok(list("de"))), fetch("./lessons/de/101-names"));
        assert_eq!(choose(&mut state, "102-rings"), fetch("./lessons/102-rings"));
    }

    #[test]
    fn a_page_without_translations_has_its_own_list_and_lessons() {
        let mut state = State::new();
        speak(Language::German, None);
        assert_eq!(choose(&mut state, "101-names"), fetch("./lessons/de/list"));
        assert_eq!(arrive(&mut state, "./lessons/de/list", Err("the server says 404")), fetch("./lessons/list"));
        assert_eq!(arrive(&mut state, "./lessons/list", Ok(list("en"))), fetch("./lessons/101-names"));
    }

    #[test]
    fn a_list_in_a_language_that_is_no_longer_spoken_changes_nothing() {
        let mut state = State::new();
        assert_eq!(arrive(&mut state, "./lessons/de/list", Ok(list("de"))), []);
        assert!(state.desk.listing.is_none());
    }
}
