//! The state of the page. What can happen to it, and what it wants done outside, is in [`crate::message`].

use hypervisor_model::projection::comparison::{Comparing, Comparison};
use kernel_model::action::Action;
use kernel_model::console::ConsoleId;
use kernel_model::event::{Family, Granularity};
use kernel_model::task::TaskId;
use kernel_model::timeline::Direction;
use std::collections::BTreeSet;
use std::rc::Rc;

use crate::appearance::{Sheet, Theme, Type};
use crate::calls::CallConsole;
use crate::command_line::CommandLine;
use crate::embed::{Embed, Told};
use crate::hypercall_console::HypercallConsole;
use crate::keeping::Keeping;
use crate::lab::{Lab, Motion};
use crate::language::translated;
use crate::lesson::desk::Desk;
pub use crate::message::{Effect, Msg, Panel};
use crate::notice::{Notice, Offer};
use crate::recorded::Logs;
use crate::session::session_of_file;
use crate::shown::Shown;
use crate::stage::Stage;
use crate::view;

/// The console that there is from the beginning.
const FIRST_CONSOLE: ConsoleId = ConsoleId(1);
/// How long the model may run before the page gets its turn, in milliseconds.
const SLICE_MS: f64 = 8.0;
/// How long a picture of a running machine stays, in milliseconds.
const LOOK_MS: f64 = 120.0;

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
    /// What is typed at the terminal.
    pub line: CommandLine,
    /// The system-call console.
    pub call: CallConsole,
    /// The hypercall console.
    pub hypercall: HypercallConsole,
    /// Light or dark.
    pub theme: Theme,
    /// How large the type is.
    pub size: Type,
    /// Which views are shown.
    pub stage: Stage,
    /// The process where one stands, when one was chosen.
    pub stand: Option<TaskId>,
    /// Tasks at which folded rows have been unfolded.
    pub unfolded: BTreeSet<TaskId>,
    /// What lies over the page, and the element to which the keyboard returns.
    pub panel: Option<Panel>,
    returns_to: &'static str,
    /// The session before this one with all its futures, as it is kept, and the place in it.
    pub before: Option<(String, Option<u64>)>,
    /// Whether steps follow each other by themselves.
    pub playing: bool,
    /// The process that is looked at.
    pub picked: Option<TaskId>,
    /// What was compared last.
    pub compared: Rc<Comparison>,
    /// What is being compared.
    comparing: Option<Comparing>,
    /// Something to be said at the top of the page.
    pub notice: Option<Notice>,
    /// What a phone shows below the timeline.
    pub sheet: Sheet,
    /// Height of the terminal in pixels, when it was changed.
    pub dock: Option<u32>,
    /// Logs of strace.
    pub logs: Logs,
    /// When a running machine is to be drawn again.
    next_look: f64,
    /// What is kept of the session.
    pub(crate) keeping: Keeping,
    /// It was said that the browser keeps nothing, or not everything.
    pub(crate) warned: bool,
    /// Counts the changes of the session.
    pub(crate) revision: u64,
    /// A short message for those who cannot see the page.
    pub said: String,
    /// Lessons.
    pub desk: Desk,
    /// Whether the page is part of another one, and what that was told last, when it wants to know.
    pub embed: Embed,
    pub(crate) embedder: Option<Told>,
}

impl State {
    /// The page with a freshly booted world.
    pub fn new() -> State {
        State::with(Lab::new())
    }

    /// The page with this history.
    pub fn with(mut lab: Lab) -> State {
        let console = FIRST_CONSOLE;
        let mut stage = Stage::default();
        let shown = lab.show(console, &mut stage, None, &BTreeSet::new());
        State {
            lab,
            shown,
            family: Family::Namespace,
            console,
            line: CommandLine::default(),
            call: CallConsole::default(),
            hypercall: HypercallConsole::default(),
            theme: Theme::System,
            size: Type::default(),
            stage,
            stand: None,
            unfolded: BTreeSet::new(),
            panel: None,
            returns_to: "terminal-input",
            before: None,
            playing: false,
            picked: None,
            compared: Rc::default(),
            comparing: None,
            notice: None,
            said: String::new(),
            sheet: Sheet::Terminal,
            dock: None,
            logs: Logs::default(),
            keeping: Keeping::default(),
            warned: false,
            revision: 0,
            next_look: 0.0,
            desk: Desk::default(),
            embed: Embed::No,
            embedder: None,
        }
    }

    /// Draws everything anew.
    pub fn refresh(&mut self) {
        self.shown = self.lab.show(self.console, &mut self.stage, self.stand, &self.unfolded);
        let is_there = self.shown.terminal.consoles.iter().any(|tab| tab.id == self.console);
        if !self.lab.is_empty() && !is_there && self.console != FIRST_CONSOLE {
            // It was opened later, or on another branch: what is typed must not go nowhere.
            self.console = FIRST_CONSOLE;
            self.shown = self.lab.show(self.console, &mut self.stage, self.stand, &self.unfolded);
        }
    }

    /// How much of what is being compared is done, in percent.
    pub fn compared_percent(&self) -> Option<u32> {
        self.comparing.as_ref().map(Comparing::percent)
    }

    /// Counts the changes of the session: the same number means the same text to keep.
    pub fn revision(&self) -> u64 {
        self.revision
    }

    /// What happens when `msg` does, apart from [`Msg::Frame`], which needs a clock.
    pub fn update(&mut self, msg: Msg) -> Vec<Effect> {
        let before = (self.lab.position(), self.lab.len(), self.revision);
        let mut effects = self.react(msg);
        if (self.lab.position(), self.lab.len(), self.revision) != before {
            effects.push(Effect::Save);
        }
        let to_follow = self.desk.open.is_some() && self.desk.followed != Some(self.revision);
        if self.lab.motion() == Motion::Running || self.logs.at_work() || to_follow || self.lab.is_behind() {
            effects.push(Effect::NextFrame);
        }
        self.tell(&mut effects);
        effects
    }

    /// A slice of running, by a clock in milliseconds.
    pub fn frame(&mut self, now: impl Fn() -> f64) -> Vec<Effect> {
        let mut effects = self.run_frame(&now);
        let end = now() + SLICE_MS;
        if let Some(mut comparing) = self.comparing.take() {
            if comparing.work(|| now() < end) {
                self.compared = Rc::new(comparing.comparison());
            } else {
                self.comparing = Some(comparing);
                effects.push(Effect::NextFrame);
            }
        }
        if self.follow_lesson(|| now() < end) {
            effects.push(Effect::NextFrame);
        }
        self.tell(&mut effects);
        effects
    }

    /// Says how far the learner has come, and to a presenter view what is shown, when that has changed.
    fn tell(&mut self, effects: &mut Vec<Effect>) {
        let progress = self.desk.progress();
        if progress != self.desk.told {
            self.desk.told.clone_from(&progress);
            if !progress.is_empty() {
                effects.push(Effect::Tell(progress));
            }
        }
        effects.extend(self.news_for_presenter().map(Effect::TellPresenter));
        effects.extend(self.news_for_embedder().map(Effect::TellEmbedder));
    }

    fn run_frame(&mut self, now: impl Fn() -> f64) -> Vec<Effect> {
        let was = self.lab.motion();
        let end = now() + SLICE_MS;
        if self.logs.at_work() {
            let mut effects = match self.logs.work(|| now() < end) {
                Some(replay) => self.show_replay(replay),
                None => Vec::new(),
            };
            effects.push(Effect::NextFrame);
            return effects;
        }
        self.lab.run(|| now() < end);
        let motion = self.lab.motion();
        if motion != Motion::Running || now() >= self.next_look {
            let begun = now();
            self.refresh();
            // Looking must never take more than a small part of the time.
            self.next_look = now() + ((now() - begun) * 5.0).max(LOOK_MS);
        }
        let mut effects = match motion {
            Motion::Running => vec![Effect::NextFrame],
            _ if was == Motion::Running => vec![Effect::Save],
            _ => Vec::new(),
        };
        if self.lab.is_behind() {
            effects.push(Effect::NextFrame);
        }
        effects
    }

    fn react(&mut self, msg: Msg) -> Vec<Effect> {
        match msg {
            Msg::Frame => {}
            Msg::Draft(text) => self.line.typed(text),
            Msg::Enter => return self.enter(),
            Msg::Complete(cursor) => {
                let completion = self.lab.complete(self.console, &self.line.draft, cursor);
                self.line.complete(completion, cursor);
            }
            Msg::Recall(direction) => self.line.recall(direction),
            Msg::Interrupt => {
                if self.line.draft.is_empty()
                    || self.lab.motion() != Motion::AtRest
                    || self.shown.terminal.prompt.is_none()
                {
                    self.act(Action::Interrupt { console: self.console });
                }
                self.line.typed(String::new());
            }
            Msg::Try(example) => {
                self.line.typed(example.to_owned());
                let mut effects = self.enter();
                effects.push(Effect::Focus("terminal-input"));
                return effects;
            }
            Msg::EndOfInput => self.act(Action::EndOfInput { console: self.console }),
            Msg::OpenConsole => {
                self.act(Action::OpenConsole);
                if let Some(newest) = self.shown.terminal.consoles.last() {
                    self.console = newest.id;
                }
                self.refresh();
                return vec![Effect::Focus("terminal-input")];
            }
            Msg::ShowConsole(console) => {
                self.console = console;
                self.logs.shown = false;
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
                self.said = if found {
                    String::new()
                } else {
                    t!("no other {family} there", family = translated(family.label()))
                };
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
            Msg::Call(msg) => return self.at_calls(msg),
            Msg::Hypercall(msg) => return self.at_hypercalls(msg),
            Msg::Lesson(msg) => return self.at_desk(msg),
            Msg::Theme(theme) => {
                self.theme = theme;
                return vec![Effect::ShowTheme];
            }
            Msg::Type(size) => {
                self.size = size;
                return vec![Effect::ShowType];
            }
            Msg::Language(language) => return vec![Effect::Speak(language)],
            Msg::Spoken(Ok(())) => {
                self.refresh();
                return [self.lessons_in_another_language(), vec![Effect::Focus("language")]].concat();
            }
            Msg::Spoken(Err(why)) => {
                self.notice = Some(Notice::problem(t!("The translation cannot be loaded: {why}.", why = why)));
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
                self.stand = task;
                self.refresh();
            }
            Msg::Unfold(task) => {
                self.unfolded.extend(task);
                self.refresh();
            }
            Msg::Open(panel, returns_to) => {
                self.panel = Some(panel);
                self.returns_to = returns_to;
            }
            Msg::Close => self.panel = None,
            Msg::Closed => return vec![Effect::Focus(self.returns_to)],
            Msg::OpenWorld(world) => {
                self.panel = None;
                self.returns_to = "terminal-input";
                self.open_world(world);
                return vec![Effect::Save, Effect::NextFrame];
            }
            Msg::GoBack => {
                self.panel = None;
                self.notice = None;
                self.returns_to = "terminal-input";
                self.go_back();
                return vec![Effect::Save, Effect::NextFrame];
            }
            Msg::Pick(task) => self.picked = task,
            Msg::CopyOutput(command) => return vec![Effect::Copy(self.shown.terminal.output_of(command))],
            Msg::Copied(true) => self.said = t!("Copied.").to_owned(),
            Msg::Copied(false) => self.said = t!("The browser did not let it be copied.").to_owned(),
            Msg::Platform(machine) => {
                if machine != self.lab.machine() {
                    let lab = self.lab.on_machine(machine);
                    let console = self.console;
                    self.start(lab);
                    self.console = console;
                }
                return vec![Effect::Save, Effect::NextFrame];
            }
            Msg::Compare(platforms) => {
                self.comparing = Some(self.lab.compare(&platforms));
                return vec![Effect::NextFrame];
            }
            Msg::CompareCancel => self.comparing = None,
            Msg::Share => {
                self.said = String::new();
                (self.panel, self.returns_to) = (Some(Panel::Share), "share-open");
                return vec![Effect::CopyLink(self.link())];
            }
            Msg::Shared(true) => self.said = t!("The link was copied; it is in the address bar too.").to_owned(),
            Msg::Shared(false) => {
                self.said = t!("The link is in the address bar; the browser did not let it be copied.").to_owned();
            }
            Msg::CopyText(text) => return vec![Effect::Copy(text)],
            Msg::DownloadSession => return vec![self.download()],
            Msg::SessionFile(bytes) => {
                self.panel = None;
                self.open_file(&bytes);
                return vec![Effect::Save, Effect::NextFrame];
            }
            Msg::Order(order) => return self.order(order),
            Msg::OpenWhole => return vec![Effect::OpenWhole(format!("s={}", self.link()))],
            Msg::Dismiss => self.notice = None,
            Msg::TakeOffer => match self.notice.take().map(|n| n.offer) {
                Some(Offer::DownloadSession) => return vec![self.download()],
                Some(Offer::Download(name, text)) => return vec![Effect::Download(name.to_owned(), text)],
                Some(Offer::GoBack) => {
                    self.go_back();
                    return vec![Effect::Save, Effect::NextFrame];
                }
                _ => {}
            },
            Msg::NewSession => {
                let had = self.put_aside();
                self.start(Lab::new());
                self.offer_way_back(had, t!("A new session has begun."));
                return vec![Effect::Save, Effect::Focus("terminal-input")];
            }
            Msg::Link(text) => {
                self.visit(&text);
                return vec![Effect::NextFrame];
            }
            Msg::Sheet(sheet) => self.sheet = sheet,
            Msg::Dock(height) => self.dock = Some(height),
            Msg::NotKept => self.warn(t!(
                "The browser does not keep this session: its storage is full or switched off. It is lost when the page \
                 is closed, unless you download it or share its link."
            )),
            Msg::LogDraft(text) => {
                self.logs.draft = text;
                self.logs.error = None;
            }
            // A session that somebody was given is a file, too.
            Msg::LogBytes(bytes) if session_of_file(&bytes).is_some() => return self.react(Msg::SessionFile(bytes)),
            Msg::LogBytes(bytes) => self.logs.begin(&bytes),
            Msg::LogTooLarge(why) => self.logs.error = Some(why),
            Msg::LogOpen => {
                let text = self.logs.draft.clone();
                self.logs.begin(text.as_bytes());
            }
            Msg::LogCancel => self.logs.cancel(),
            Msg::LogShow(shown) => self.logs.shown = shown,
            Msg::LogOnly(only) => {
                if let Some(log) = &mut self.logs.open {
                    log.only = only;
                }
            }
            Msg::LogLine(line) => {
                let Some(log) = &mut self.logs.open else { return Vec::new() };
                let Some(shown) = log.replay.lines.get(line) else { return Vec::new() };
                log.line = line;
                self.lab.seek_action(shown.actions.end);
                self.refresh();
            }
        }
        Vec::new()
    }

    /// Other views are shown.
    fn restage(&mut self) -> Vec<Effect> {
        self.refresh();
        vec![Effect::SaveStage]
    }

    pub(crate) fn act(&mut self, action: Action) {
        if self.embed == Embed::Read {
            return;
        }
        self.playing = false;
        self.logs.shown = false;
        self.revision += 1;
        self.lab.act(action);
        self.refresh();
    }

    fn step(&mut self, granularity: Granularity, direction: Direction) {
        self.lab.step(granularity, direction);
        self.refresh();
    }

    /// Sends what is typed: to a shell as commands, to a program that reads as it stands.
    fn enter(&mut self) -> Vec<Effect> {
        let lines = match self.shown.terminal.prompt {
            Some(_) => self.line.take_commands(),
            None => self.line.take().split('\n').map(str::to_owned).collect(),
        };
        for text in lines {
            self.act(Action::Line { console: self.console, text });
        }
        vec![Effect::SaveHistory]
    }
}

impl Default for State {
    fn default() -> Self {
        State::new()
    }
}
