//! The state of the page, what can happen to it, and what it wants done outside.

use std::collections::BTreeSet;
use std::rc::Rc;

use kernel_model::action::{Action, Stamped, When};
use kernel_model::console::ConsoleId;
use kernel_model::event::{Family, Granularity};
use kernel_model::strace::complete::Completion;
use kernel_model::strace::replay::Replay;
use kernel_model::strace::{Log, LogError, complete, parse_call};
use kernel_model::task::TaskId;
use kernel_model::timeline::{Direction, Session, Stride};
use kernel_model::world::Config;
use lessons::permalink::Permalink;

use crate::lab::{Lab, Motion};
use crate::shown::Shown;
use crate::stage::Stage;
use crate::view::{self, View};

/// How long the model may run before the page gets its turn, in milliseconds.
const SLICE_MS: f64 = 8.0;
/// How long a picture of a running machine stays, in milliseconds.
const LOOK_MS: f64 = 120.0;

/// Light, dark, or as the system says.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Theme {
    /// As the system says.
    #[default]
    System,
    /// Light.
    Light,
    /// Dark.
    Dark,
}

/// The state of the page.
pub struct State {
    /// The history.
    pub lab: Lab,
    /// What is shown of it.
    pub shown: Shown,
    /// The family that "next" and "previous" look for.
    pub family: Family,
    /// The console that is shown.
    pub console: ConsoleId,
    /// What is typed and not yet sent, at the terminal.
    pub draft: String,
    /// Lines typed before, oldest first.
    pub history: Vec<String>,
    /// The line of the history that the draft shows.
    pub recalled: Option<usize>,
    /// The system-call console.
    pub call: CallConsole,
    /// Light or dark.
    pub theme: Theme,
    /// Which views are shown.
    pub stage: Stage,
    /// The process where one stands, when one was chosen.
    pub stand: Option<TaskId>,
    /// Tasks at which folded rows have been unfolded.
    pub unfolded: BTreeSet<TaskId>,
    /// Whether the list of keys is open.
    pub help: bool,
    /// Whether steps follow each other by themselves.
    pub playing: bool,
    /// The process that is looked at.
    pub picked: Option<TaskId>,
    /// Something to be said at the top of the page.
    pub notice: Option<Notice>,
    /// What a phone shows below the timeline.
    pub sheet: Sheet,
    /// Height of the terminal in pixels, when it was changed.
    pub dock: Option<u32>,
    /// What is in the field for logs.
    pub log_draft: String,
    /// The log that is looked at.
    pub log: Option<OpenLog>,
    /// Whether the log is shown in the place of the console.
    pub log_shown: bool,
    /// Why a log could not be read.
    pub log_error: Option<String>,
    /// When a running machine is to be drawn again.
    next_look: f64,
    /// What could stand at the cursor of the terminal.
    pub candidates: Vec<String>,
    /// The session as text and how it was when it became that.
    saved: (String, u64),
    /// Counts the changes of the session.
    revision: u64,
    /// A short message for those who cannot see the page.
    pub said: String,
}

/// The system-call console.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct CallConsole {
    /// Who makes the call; the shell of the console when nobody was chosen.
    pub task: Option<TaskId>,
    /// What is typed.
    pub draft: String,
    /// What could be typed next.
    pub completion: Completion,
    /// The candidate that the arrows have reached.
    pub chosen: usize,
    /// Why the call could not be read.
    pub error: Option<String>,
}

/// Something to be said at the top of the page.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Notice {
    /// What.
    pub text: String,
    /// Something went wrong.
    pub problem: bool,
    /// What can be done about it.
    pub offer: Offer,
}

/// What a notice offers.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub enum Offer {
    /// Nothing.
    #[default]
    Nothing,
    /// To download a session that could not be read.
    Download(String),
    /// To go back to the session that was there before.
    GoBack(String),
}

impl Notice {
    fn remark(text: impl Into<String>) -> Option<Notice> {
        Some(Notice { text: text.into(), problem: false, offer: Offer::Nothing })
    }

    fn problem(text: impl Into<String>) -> Option<Notice> {
        Some(Notice { text: text.into(), problem: true, offer: Offer::Nothing })
    }
}

/// What a phone shows below the timeline.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Sheet {
    /// The terminal.
    #[default]
    Terminal,
    /// The inspector.
    Inspector,
    /// System calls and logs.
    Tools,
}

impl Sheet {
    /// All of them.
    pub const ALL: [Sheet; 3] = [Sheet::Terminal, Sheet::Inspector, Sheet::Tools];

    /// Its name on the tab.
    pub fn label(self) -> &'static str {
        match self {
            Sheet::Terminal => "terminal",
            Sheet::Inspector => "inspector",
            Sheet::Tools => "calls and logs",
        }
    }
}

/// A log of strace that is looked at.
#[derive(Clone, Debug)]
pub struct OpenLog {
    /// What became of its lines.
    pub replay: Rc<Replay>,
    /// The line that is shown, as an index.
    pub line: usize,
    /// Only lines with this verdict are listed.
    pub only: Option<&'static str>,
}

impl PartialEq for OpenLog {
    fn eq(&self, other: &Self) -> bool {
        Rc::ptr_eq(&self.replay, &other.replay) && self.line == other.line && self.only == other.only
    }
}

/// What can happen to the page.
#[derive(Clone, PartialEq, Debug)]
#[allow(missing_docs)] // the names say it
pub enum Msg {
    Frame,
    Draft(String),
    Enter,
    Complete(usize),
    Recall(Direction),
    Interrupt,
    EndOfInput,
    OpenConsole,
    ShowConsole(ConsoleId),
    GoOn,
    Rewind,
    Step(Direction),
    StepBy(Granularity, Direction),
    Stride(Stride, Direction),
    Until(Family, Direction),
    Seek(u64),
    Granularity(Granularity),
    Family(Family),
    Play(bool),
    PlayTick,
    SwitchBranch(usize),
    CallTask(Option<TaskId>),
    CallDraft(String, usize),
    CallChoose(isize),
    CallComplete(usize),
    CallEnter,
    Theme(Theme),
    Follow(bool),
    Choose(&'static View),
    Beside(String),
    PutAway(&'static View),
    Room(usize),
    Stand(TaskId),
    Unfold(Option<TaskId>),
    Help(bool),
    Pick(Option<TaskId>),
    Share,
    Shared(bool),
    Dismiss,
    TakeOffer,
    NewSession,
    Link(String),
    Sheet(Sheet),
    Dock(u32),
    LogDraft(String),
    LogBytes(Vec<u8>),
    LogTooLarge(String),
    LogOpen,
    LogShow(bool),
    LogLine(usize),
    LogOnly(Option<&'static str>),
}

/// What the page wants done outside.
#[derive(Clone, PartialEq, Debug)]
pub enum Effect {
    /// Come back with [`Msg::Frame`] at the next frame.
    NextFrame,
    /// Come back with [`Msg::PlayTick`] a little later.
    NextTick,
    /// Keep the session.
    Save,
    /// Copy a link with this after `#s=`.
    CopyLink(String),
    /// Keep which views are shown.
    SaveStage,
    /// Show and keep the theme.
    ShowTheme,
    /// Give the keyboard to the element with this id.
    Focus(&'static str),
    /// Let somebody download a text under a name.
    Download(String, String),
}

impl State {
    /// The page with a freshly booted world.
    pub fn new() -> State {
        State::with(Lab::new())
    }

    /// The page with this history.
    pub fn with(mut lab: Lab) -> State {
        let console = ConsoleId(1);
        let mut stage = Stage::default();
        let shown = lab.show(console, &mut stage, None, &BTreeSet::new());
        State {
            lab,
            shown,
            family: Family::Namespace,
            console,
            draft: String::new(),
            history: Vec::new(),
            recalled: None,
            call: CallConsole::default(),
            theme: Theme::System,
            stage,
            stand: None,
            unfolded: BTreeSet::new(),
            help: false,
            playing: false,
            picked: None,
            notice: None,
            said: String::new(),
            sheet: Sheet::Terminal,
            dock: None,
            log_draft: String::new(),
            log: None,
            log_shown: false,
            log_error: None,
            saved: (String::new(), u64::MAX),
            revision: 0,
            next_look: 0.0,
            candidates: Vec::new(),
        }
    }

    /// Draws everything anew.
    pub fn refresh(&mut self) {
        if self.lab.position() > 0 || !self.lab.is_empty() {
            let consoles = &self.shown.terminal.consoles;
            if !consoles.is_empty() && !consoles.contains(&self.console) {
                self.console = ConsoleId(1);
            }
        }
        self.shown = self.lab.show(self.console, &mut self.stage, self.stand, &self.unfolded);
    }

    /// What happens when `msg` does, apart from [`Msg::Frame`], which needs a clock.
    pub fn update(&mut self, msg: Msg) -> Vec<Effect> {
        let before = (self.lab.position(), self.lab.len(), self.revision);
        let mut effects = self.react(msg);
        if (self.lab.position(), self.lab.len(), self.revision) != before {
            effects.push(Effect::Save);
        }
        if self.lab.motion() == Motion::Running {
            effects.push(Effect::NextFrame);
        }
        effects
    }

    /// A slice of running, by a clock in milliseconds.
    pub fn frame(&mut self, now: impl Fn() -> f64) -> Vec<Effect> {
        let was = self.lab.motion();
        let end = now() + SLICE_MS;
        self.lab.run(|| now() < end);
        let motion = self.lab.motion();
        if motion != Motion::Running || now() >= self.next_look {
            let begun = now();
            self.refresh();
            // Looking must never take more than a small part of the time.
            self.next_look = now() + ((now() - begun) * 5.0).max(LOOK_MS);
        }
        match motion {
            Motion::Running => vec![Effect::NextFrame],
            _ if was == Motion::Running => vec![Effect::Save],
            _ => Vec::new(),
        }
    }

    fn react(&mut self, msg: Msg) -> Vec<Effect> {
        match msg {
            Msg::Frame => {}
            Msg::Draft(text) => {
                self.draft = text;
                self.recalled = None;
                self.candidates.clear();
            }
            Msg::Enter => return self.enter(),
            Msg::Complete(cursor) => self.complete(cursor),
            Msg::Recall(direction) => self.recall(direction),
            Msg::Interrupt => {
                if self.draft.is_empty() || self.lab.motion() != Motion::AtRest {
                    self.act(Action::Interrupt { console: self.console });
                }
                self.draft.clear();
            }
            Msg::EndOfInput => self.act(Action::EndOfInput { console: self.console }),
            Msg::OpenConsole => {
                self.act(Action::OpenConsole);
                if let Some(newest) = self.shown.terminal.consoles.last() {
                    self.console = *newest;
                }
                self.refresh();
                return vec![Effect::Focus("terminal-input")];
            }
            Msg::ShowConsole(console) => {
                self.console = console;
                self.log_shown = false;
                self.refresh();
                return vec![Effect::Focus("terminal-input")];
            }
            Msg::GoOn => self.lab.go_on(),
            Msg::Rewind => {
                let granularity = Granularity::Command;
                self.lab.step(granularity, Direction::Back);
                self.refresh();
            }
            Msg::Step(direction) => self.step(self.lab.granularity(), direction),
            Msg::StepBy(granularity, direction) => self.step(granularity, direction),
            Msg::Stride(stride, direction) => {
                self.lab.stride(stride, direction);
                self.refresh();
            }
            Msg::Until(family, direction) => {
                let found = self.lab.run_until(family, direction);
                self.said = if found { String::new() } else { format!("no other {} there", family.label()) };
                self.refresh();
            }
            Msg::Seek(position) => {
                self.lab.seek(position);
                self.refresh();
            }
            Msg::Granularity(granularity) => {
                self.lab.set_granularity(granularity);
                self.refresh();
            }
            Msg::Family(family) => self.family = family,
            Msg::Play(on) => {
                self.playing = on;
                if on {
                    if !self.lab.is_past() {
                        self.lab.seek(0);
                        self.refresh();
                    }
                    return vec![Effect::NextTick];
                }
            }
            Msg::PlayTick => {
                if self.playing {
                    self.step(self.lab.granularity(), Direction::Forward);
                    self.playing = self.lab.is_past();
                }
                if self.playing {
                    return vec![Effect::NextTick];
                }
            }
            Msg::SwitchBranch(index) => {
                self.lab.switch_branch(index);
                self.revision += 1;
                self.refresh();
            }
            Msg::CallTask(task) => self.call.task = task,
            Msg::CallDraft(text, cursor) => {
                self.call.completion = if text.is_empty() { Completion::default() } else { complete(&text, cursor) };
                self.call.draft = text;
                self.call.chosen = 0;
                self.call.error = None;
            }
            Msg::CallChoose(by) => {
                let count = self.call.completion.candidates.len();
                if count > 0 {
                    self.call.chosen = (self.call.chosen as isize + by).rem_euclid(count as isize) as usize;
                }
            }
            Msg::CallComplete(chosen) => {
                let completion = &self.call.completion;
                if let Some(candidate) = completion.candidates.get(chosen) {
                    let kept = self.call.draft.get(..completion.from).unwrap_or_default();
                    let text = format!("{kept}{}", candidate.text);
                    self.call.completion = complete(&text, text.len());
                    self.call.draft = text;
                    self.call.chosen = 0;
                    return vec![Effect::Focus("syscall-input")];
                }
            }
            Msg::CallEnter => self.make_call(),
            Msg::Theme(theme) => {
                self.theme = theme;
                return vec![Effect::ShowTheme];
            }
            Msg::Follow(follows) => {
                self.stage.follows = follows;
                return self.restage();
            }
            Msg::Choose(view) => {
                self.stage.choose(view);
                return self.restage();
            }
            Msg::Beside(name) => {
                if let Some(view) = view::named(&name) {
                    self.stage.put_beside(view);
                }
                return self.restage();
            }
            Msg::PutAway(view) => {
                self.stage.put_away(view);
                return self.restage();
            }
            Msg::Room(room) => {
                if self.stage.room != room {
                    self.stage.room = room;
                    self.refresh();
                }
            }
            Msg::Stand(task) => {
                self.stand = (self.stand != Some(task)).then_some(task);
                self.refresh();
            }
            Msg::Unfold(task) => {
                self.unfolded.extend(task);
                self.refresh();
            }
            Msg::Help(open) => {
                self.help = open;
                return vec![Effect::Focus(if open { "help-close" } else { "timeline" })];
            }
            Msg::Pick(task) => self.picked = task,
            Msg::Share => return vec![Effect::CopyLink(self.link())],
            Msg::Shared(copied) => {
                self.notice = Notice::remark(if copied {
                    "The link to this session was copied; it is in the address bar too."
                } else {
                    "The link to this session is in the address bar now; the browser did not let it be copied."
                });
            }
            Msg::Dismiss => self.notice = None,
            Msg::TakeOffer => match self.notice.take().map(|n| n.offer) {
                Some(Offer::Download(text)) => {
                    return vec![Effect::Download("ringside-damaged-session.txt".to_owned(), text)];
                }
                Some(Offer::GoBack(text)) => {
                    self.open_link(&text);
                    return vec![Effect::Save, Effect::NextFrame];
                }
                _ => {}
            },
            Msg::NewSession => {
                let before = self.link();
                let had = self.lab.actions() > 0;
                self.start(Lab::new());
                if had {
                    self.notice = Notice::remark("A new session has begun.");
                    self.offer(Offer::GoBack(before));
                }
                return vec![Effect::Save, Effect::Focus("terminal-input")];
            }
            Msg::Link(text) => {
                self.visit(&text);
                return vec![Effect::NextFrame];
            }
            Msg::Sheet(sheet) => self.sheet = sheet,
            Msg::Dock(height) => self.dock = Some(height),
            Msg::LogDraft(text) => {
                self.log_draft = text;
                self.log_error = None;
            }
            Msg::LogBytes(bytes) => {
                let read = kernel_model::strace::parse_bytes(&bytes);
                return self.open_log(read);
            }
            Msg::LogTooLarge(why) => self.log_error = Some(why),
            Msg::LogOpen => {
                let read = kernel_model::strace::parse(&self.log_draft);
                return self.open_log(read);
            }
            Msg::LogShow(shown) => self.log_shown = shown,
            Msg::LogOnly(only) => {
                if let Some(log) = &mut self.log {
                    log.only = only;
                }
            }
            Msg::LogLine(line) => {
                let Some(log) = &mut self.log else { return Vec::new() };
                let Some(shown) = log.replay.lines.get(line) else { return Vec::new() };
                log.line = line;
                self.lab.seek_action(shown.actions.end);
                self.refresh();
            }
        }
        Vec::new()
    }

    /// The text after `#s=` that makes this session again, at this place.
    pub fn link(&self) -> String {
        let (session, cursor) = self.lab.session();
        Permalink { session, cursor }.to_text()
    }

    /// What is to be kept: the session without its place, and the place.
    pub fn to_keep(&mut self) -> (&str, Option<u64>) {
        let (session, cursor) = self.lab.session();
        if self.saved.1 != self.revision {
            self.saved = (Permalink { session, cursor: None }.to_text(), self.revision);
        }
        (&self.saved.0, cursor)
    }

    /// Opens a link that somebody has followed; a damaged one changes nothing.
    pub fn visit(&mut self, text: &str) {
        let before = self.link();
        let had = self.lab.actions() > 0 || self.lab.is_restoring();
        self.open_link(text);
        if self.notice.is_none() && had && before != text {
            self.notice = Notice::remark("This is the session of a link.");
            self.offer(Offer::GoBack(before));
        }
    }

    fn open_link(&mut self, text: &str) {
        match Permalink::from_text(text) {
            Ok(link) => {
                self.notice = None;
                self.start(Lab::restore(link.session, link.cursor));
            }
            Err(why) => {
                let text = format!("This session cannot be opened: {why}. Nothing of your own session is lost.");
                self.notice = Notice::problem(text);
            }
        }
    }

    /// Opens the kept session; a damaged one is kept for download and the page starts fresh.
    pub fn open_kept(&mut self, text: &str, cursor: Option<u64>) {
        match Permalink::from_text(text) {
            Ok(link) => self.start(Lab::restore(link.session, cursor)),
            Err(why) => {
                let why = why.to_string().replace("the link", "it").replace("; copy it again as a whole", "");
                let said = format!(
                    "Your last session could not be restored ({why}). It is kept and can be downloaded; the page starts afresh."
                );
                self.notice = Notice::problem(said);
                self.offer(Offer::Download(text.to_owned()));
            }
        }
    }

    fn offer(&mut self, offer: Offer) {
        if let Some(notice) = &mut self.notice {
            notice.offer = offer;
        }
    }

    /// Looks at another history.
    fn start(&mut self, lab: Lab) {
        let granularity = self.lab.granularity();
        self.lab = lab;
        self.lab.set_granularity(granularity);
        self.console = ConsoleId(1);
        self.playing = false;
        self.log = None;
        self.log_shown = false;
        self.revision += 1;
        self.refresh();
    }

    fn open_log(&mut self, read: Result<Log, LogError>) -> Vec<Effect> {
        let log = match read {
            Ok(log) => log,
            Err(why) => {
                self.log_error = Some(why.to_string());
                return Vec::new();
            }
        };
        let replay = kernel_model::strace::replay::replay_log(&log);
        let stamp = |action: &Action| Stamped { when: When::AtRest, action: action.clone() };
        let before = self.link();
        let had = self.lab.actions() > 0;
        let session = Session { config: Config::default(), actions: replay.actions.iter().map(stamp).collect() };
        self.start(Lab::restore(session, None));
        if had {
            self.notice = Notice::remark("The log is replayed in a session of its own.");
            self.offer(Offer::GoBack(before));
        }
        let line = replay.lines.len().saturating_sub(1);
        self.log = Some(OpenLog { replay: Rc::new(replay), line, only: None });
        self.log_shown = true;
        self.log_error = None;
        self.log_draft.clear();
        self.sheet = Sheet::Terminal;
        vec![Effect::Save, Effect::NextFrame]
    }

    /// Other views are shown.
    fn restage(&mut self) -> Vec<Effect> {
        self.refresh();
        vec![Effect::SaveStage]
    }

    fn act(&mut self, action: Action) {
        self.playing = false;
        self.log_shown = false;
        self.revision += 1;
        self.lab.act(action);
        self.refresh();
    }

    fn step(&mut self, granularity: Granularity, direction: Direction) {
        self.lab.step(granularity, direction);
        self.refresh();
    }

    fn enter(&mut self) -> Vec<Effect> {
        let text = std::mem::take(&mut self.draft);
        self.recalled = None;
        self.candidates.clear();
        if !text.trim().is_empty() && self.history.last() != Some(&text) {
            self.history.push(text.clone());
        }
        self.act(Action::Line { console: self.console, text });
        Vec::new()
    }

    /// Completes the word before the cursor as far as all candidates agree.
    fn complete(&mut self, cursor: usize) {
        let completion = self.lab.complete(self.console, &self.draft, cursor);
        let Some(first) = completion.candidates.first() else {
            self.candidates = Vec::new();
            return;
        };
        let mut agreed = first.as_str();
        for other in &completion.candidates {
            let same = agreed.char_indices().zip(other.chars()).find(|((_, a), b)| a != b);
            agreed = &agreed[..same.map_or(agreed.len().min(other.len()), |((at, _), _)| at)];
        }
        let (Some(before), Some(after)) = (self.draft.get(..completion.start), self.draft.get(cursor..)) else {
            return;
        };
        let alone = completion.candidates.len() == 1;
        let space = if alone && !agreed.ends_with('/') && after.is_empty() { " " } else { "" };
        self.draft = format!("{before}{agreed}{space}{after}");
        self.candidates = if alone { Vec::new() } else { completion.candidates };
    }

    fn recall(&mut self, direction: Direction) {
        let last = self.history.len();
        let at = self.recalled.unwrap_or(last);
        let to = match direction {
            Direction::Back => at.checked_sub(1),
            Direction::Forward => Some(at + 1),
        };
        let Some(to) = to else { return };
        self.draft = self.history.get(to).cloned().unwrap_or_default();
        self.recalled = (to < last).then_some(to);
    }

    fn make_call(&mut self) {
        match parse_call(&self.call.draft) {
            Ok(call) => {
                let Some(task) = self.caller() else {
                    self.call.error = Some("there is no process to make the call".to_owned());
                    return;
                };
                self.call.error = None;
                self.act(Action::Syscall { task, call });
            }
            Err(why) => self.call.error = Some(why.to_string()),
        }
    }

    /// Who makes the calls of the system-call console.
    pub fn caller(&self) -> Option<TaskId> {
        let there = |task: &TaskId| self.shown.processes.iter().any(|(t, _)| t == task);
        self.call
            .task
            .filter(there)
            .or_else(|| self.shown.processes.get(1).or(self.shown.processes.first()).map(|(t, _)| *t))
    }
}

impl Default for State {
    fn default() -> Self {
        State::new()
    }
}
