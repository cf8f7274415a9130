//! The page as a component: hands messages to the state and carries out what the state wants done.

use yew::{Callback, Component, Context, Html, html};

use crate::browser::channel::Channel;
use crate::browser::embedder::Embedder;
use crate::browser::key::Keys;
use crate::browser::{address, clock, download, element, fetch, language, screen, storage, tell, theme, window};
use crate::embed::Embed;
use crate::language::catalogue::Catalogue;
use crate::language::{Language, loaded, speak, spoken};
use crate::lesson::act::LessonMsg;
use crate::lesson::desk::Open;
use crate::lesson::remote::Remote;
use crate::page::sandbox::Sandbox;
use crate::state::{Effect, Msg, State};
use crate::view;

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
    /// The keys of a remote control, while there is a lecture.
    remote: Option<Keys>,
    /// To the presenter view, once there was one.
    presenter: Option<Channel>,
    /// The page around, when this is in a frame that takes orders.
    embedder: Option<Embedder>,
}

/// What the presenter view asks for.
fn presenter_channel(name: &str, dispatch: &Callback<Msg>) -> Option<Channel> {
    let asked = dispatch.clone();
    Channel::open(name, move |text| asked.emit(Msg::Lesson(LessonMsg::Asked(text))))
}

impl Component for App {
    type Message = Msg;
    type Properties = ();

    fn create(ctx: &Context<Self>) -> Self {
        let mut state = State::new();
        let asked = address::asked();
        state.embed = asked.embed;
        let is_framed = state.embed != Embed::No;
        state.theme = theme::kept();
        theme::show(state.theme);
        state.size = theme::kept_type();
        theme::show_type(state.size);
        state.stage.room = screen::room();
        // In a frame nothing of what the reader does elsewhere is shown.
        let kept = |name| storage::read(name).filter(|_| !is_framed);
        if let Some(kept) = kept(storage::STAGE) {
            state.stage.recall(&kept);
        }
        if let Some(view) = asked.view.as_deref().and_then(view::named) {
            state.stage.choose(view);
        }
        state.refresh();
        if let Some(kept) = kept(storage::SESSION) {
            let cursor = storage::read(storage::CURSOR).and_then(|at| at.parse().ok());
            if let Some(damaged) = state.open_kept(&kept, cursor) {
                storage::set_aside(storage::DAMAGED, &damaged);
            }
        }
        if let Some(kept) = kept(storage::HISTORY) {
            state.line.recall_kept(&kept);
        }
        if let Some(text) = asked.session {
            state.visit(&text);
        }
        let mut first = vec![Effect::NextFrame];
        first.extend(state.enter_lesson(asked.lesson, kept(storage::LESSON).as_deref()));
        let dispatch = ctx.link().callback(|msg| msg);
        let changed = dispatch.clone();
        let chosen = dispatch.clone();
        address::on_change(
            move |text| changed.emit(Msg::Link(text)),
            move |name| chosen.emit(Msg::Lesson(LessonMsg::Choose(name))),
        );
        let embedder = is_framed.then(|| {
            let wanted = dispatch.clone();
            Embedder::listen(asked.origin, move |order| wanted.emit(Msg::Order(order)))
        });
        let resized = dispatch.clone();
        screen::on_resize(move || resized.emit(Msg::Room(screen::room())));
        // After a reload the presenter view is still there.
        let presenter = window::kept_channel().and_then(|name| presenter_channel(&name, &dispatch));
        let mut app = App {
            state,
            dispatch,
            frame_asked: false,
            tick_asked: false,
            kept: None,
            remote: None,
            presenter,
            embedder,
        };
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
        self.listen_to_remote();
        true
    }

    fn view(&self, _: &Context<Self>) -> Html {
        // Another language is another page to draw: nothing of the old one is kept.
        html! { <Sandbox key={spoken().tag()} page={crate::page::sandbox::Page::of(&self.state)} dispatch={self.dispatch.clone()} /> }
    }
}

impl App {
    /// Whoever lectures walks about: what a remote control sends counts wherever the keyboard is.
    fn listen_to_remote(&mut self) {
        let lecture = self.state.desk.shown && self.state.desk.open.as_ref().is_some_and(Open::is_lecture);
        if lecture && self.state.panel.is_none() {
            let dispatch = self.dispatch.clone();
            self.remote = self.remote.take().or_else(|| {
                Keys::listen(move |key, place| {
                    let remote = Remote::of(key, place);
                    remote.inspect(|remote| dispatch.emit(Msg::Lesson(LessonMsg::Remote(*remote)))).is_some()
                })
            });
        } else {
            self.remote = None;
        }
    }

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
                // A frame keeps nothing: it would take the place of what the reader does elsewhere.
                Effect::Save | Effect::SaveHistory | Effect::SaveStage | Effect::SaveLesson
                    if self.embedder.is_some() => {}
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
                    address::show(&format!("s={text}"));
                    address::copy(move |copied| dispatch.emit(Msg::Shared(copied)));
                }
                Effect::Copy(text) => element::copy(&text, move |copied| dispatch.emit(Msg::Copied(copied))),
                Effect::SaveStage => {
                    storage::write(storage::STAGE, &self.state.stage.to_text());
                }
                Effect::ShowTheme => theme::show(self.state.theme),
                Effect::ShowType => theme::show_type(self.state.size),
                Effect::Print => window::print(),
                Effect::OpenWhole(hash) => window::open_whole(&hash),
                Effect::TellEmbedder(told) => {
                    if let Some(embedder) = &self.embedder {
                        embedder.tell(&told);
                    }
                }
                Effect::OpenPresenter => {
                    let name = window::channel();
                    self.presenter = self.presenter.take().or_else(|| presenter_channel(&name, &dispatch));
                    if !window::open_presenter(&name) {
                        dispatch.emit(Msg::Lesson(LessonMsg::NoPresenter));
                    }
                }
                Effect::TellPresenter(text) => {
                    if let Some(channel) = &self.presenter {
                        channel.say(&text);
                    }
                }
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
