//! The page as a component: hands messages to the state and carries out what the state wants done.

use yew::{Callback, Component, Context, Html, html};

use crate::browser::{address, clock, download, element, fetch, language, screen, storage, tell, theme};
use crate::language::catalogue::Catalogue;
use crate::language::{Language, loaded, speak, spoken};
use crate::lesson::act::LessonMsg;
use crate::page::sandbox::Sandbox;
use crate::state::{Effect, Msg, State};

/// How long a step stays when steps follow each other by themselves, in milliseconds.
const PLAY_MS: i32 = 220;

/// The whole page.
pub struct App {
    state: State,
    dispatch: Callback<Msg>,
    frame_asked: bool,
    tick_asked: bool,
    /// The revision of the session that was written last.
    kept: Option<u64>,
}

impl Component for App {
    type Message = Msg;
    type Properties = ();

    fn create(ctx: &Context<Self>) -> Self {
        let mut state = State::new();
        state.theme = theme::kept();
        theme::show(state.theme);
        state.stage.room = screen::room();
        if let Some(kept) = storage::read(storage::STAGE) {
            state.stage.recall(&kept);
        }
        state.refresh();
        if let Some(kept) = storage::read(storage::SESSION) {
            let cursor = storage::read(storage::CURSOR).and_then(|at| at.parse().ok());
            if let Some(damaged) = state.open_kept(&kept, cursor) {
                storage::set_aside(storage::DAMAGED, &damaged);
            }
        }
        if let Some(kept) = storage::read(storage::HISTORY) {
            state.line.recall_kept(&kept);
        }
        if let Some(text) = address::session() {
            state.visit(&text);
        }
        let mut first = vec![Effect::NextFrame];
        match address::lesson() {
            Some(name) => first.extend(state.update(Msg::Lesson(LessonMsg::Choose(name)))),
            None => {
                first.extend(storage::read(storage::LESSON).map(|kept| state.recall_lesson(&kept)).unwrap_or_default())
            }
        }
        let dispatch = ctx.link().callback(|msg| msg);
        let changed = dispatch.clone();
        let chosen = dispatch.clone();
        address::on_change(
            move |text| changed.emit(Msg::Link(text)),
            move |name| chosen.emit(Msg::Lesson(LessonMsg::Choose(name))),
        );
        let resized = dispatch.clone();
        screen::on_resize(move || resized.emit(Msg::Room(screen::room())));
        let mut app = App { state, dispatch, frame_asked: false, tick_asked: false, kept: None };
        app.carry_out(first);
        app
    }

    fn update(&mut self, _: &Context<Self>, msg: Msg) -> bool {
        let effects = if msg == Msg::Frame {
            self.frame_asked = false;
            self.state.frame(clock::now)
        } else {
            self.tick_asked &= msg != Msg::PlayTick;
            self.state.update(msg)
        };
        self.carry_out(effects);
        true
    }

    fn view(&self, _: &Context<Self>) -> Html {
        // Another language is another page to draw: nothing of the old one is kept.
        html! { <Sandbox key={spoken().tag()} page={crate::page::sandbox::Page::of(&self.state)} dispatch={self.dispatch.clone()} /> }
    }
}

impl App {
    fn carry_out(&mut self, effects: Vec<Effect>) {
        for effect in effects {
            let dispatch = self.dispatch.clone();
            match effect {
                Effect::NextFrame if self.frame_asked => {}
                Effect::NextFrame => {
                    self.frame_asked = true;
                    clock::next_frame(move || dispatch.emit(Msg::Frame));
                }
                Effect::NextTick if self.tick_asked => {}
                Effect::NextTick => {
                    self.tick_asked = true;
                    clock::later(PLAY_MS, move || dispatch.emit(Msg::PlayTick));
                }
                Effect::Save => {
                    let revision = self.state.revision();
                    let written = self.kept == Some(revision);
                    let Some((session, cursor)) = self.state.to_keep() else { continue };
                    let cursor = cursor.map(|at| at.to_string()).unwrap_or_default();
                    let kept = (written || storage::write(storage::SESSION, session))
                        && storage::write(storage::CURSOR, &cursor);
                    self.kept = kept.then_some(revision);
                    if !kept {
                        dispatch.emit(Msg::NotKept);
                    }
                }
                Effect::SaveHistory => {
                    storage::write(storage::HISTORY, &self.state.line.to_keep());
                }
                Effect::CopyLink(text) => {
                    address::show(Some(&text));
                    address::copy(move |copied| dispatch.emit(Msg::Shared(copied)));
                }
                Effect::Copy(text) => element::copy(&text, move |copied| dispatch.emit(Msg::Copied(copied))),
                Effect::SaveStage => {
                    storage::write(storage::STAGE, &self.state.stage.to_text());
                }
                Effect::ShowTheme => theme::show(self.state.theme),
                Effect::Focus(id) => clock::next_frame(move || element::focus(id)),
                Effect::SaveLesson => {
                    storage::write(storage::LESSON, &self.state.desk.to_keep());
                }
                Effect::Tell(progress) => tell::everybody(&progress),
                Effect::Fetch(path) => fetch::load(&path.clone(), move |result| {
                    dispatch.emit(Msg::Lesson(LessonMsg::Arrived(path, result)));
                }),
                Effect::Speak(language) => {
                    language::keep(language);
                    with_language(language, move |result| dispatch.emit(Msg::Spoken(result)));
                }
                Effect::Download(name, text) => download::text(&name, &text),
            }
        }
    }
}

/// Loads the catalogue of a language and speaks it; calls back when that is done, or with why it is not.
pub fn with_language(wanted: Language, then: impl FnOnce(Result<(), String>) + 'static) {
    let known = loaded(wanted);
    let Some(file) = wanted.file().filter(|_| known.is_none()) else {
        speak(wanted, known);
        language::show(wanted);
        return then(Ok(()));
    };
    fetch::load(&file, move |result| {
        let read = |bytes: Vec<u8>| {
            let text = String::from_utf8(bytes).ok();
            text.and_then(|text| Catalogue::read(&text).ok()).ok_or_else(|| t!("it is damaged").to_owned())
        };
        then(result.and_then(read).map(|catalogue| {
            // The page speaks it until it is closed.
            speak(wanted, Some(Box::leak(Box::new(catalogue))));
            language::show(wanted);
        }));
    });
}
