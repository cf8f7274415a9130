//! The state of the page, what can happen to it, and what it wants done outside.

use kernel_model::action::Action;
use kernel_model::console::ConsoleId;
use kernel_model::event::{Family, Granularity};
use kernel_model::strace::complete::Completion;
use kernel_model::strace::{complete, parse_call};
use kernel_model::task::TaskId;
use kernel_model::timeline::{Direction, Stride};
use lessons::permalink::Permalink;

use crate::lab::{Lab, Motion, Shown};

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

/// The views of the stage.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum View {
    /// Processes by PID namespaces.
    PidViews,
    /// Processes with their namespaces.
    ProcessTree,
}

impl View {
    /// All views.
    pub const ALL: [View; 2] = [View::PidViews, View::ProcessTree];

    /// Its name on the tab.
    pub fn label(self) -> &'static str {
        match self {
            View::PidViews => "PID views",
            View::ProcessTree => "Process tree",
        }
    }
}

/// The state of the page.
pub struct State {
    /// The history.
    pub lab: Lab,
    /// What is shown of it.
    pub shown: Shown,
    /// How coarse a step is.
    pub granularity: Granularity,
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
    /// The main view.
    pub view: View,
    /// Whether the list of keys is open.
    pub help: bool,
    /// Whether steps follow each other by themselves.
    pub playing: bool,
    /// The process that is looked at.
    pub picked: Option<TaskId>,
    /// Something to be said at the top of the page.
    pub notice: Option<Notice>,
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
    /// A damaged autosave that can be downloaded.
    pub kept: Option<String>,
}

/// What can happen to the page.
#[derive(Clone, PartialEq, Debug)]
#[allow(missing_docs)] // the names say it
pub enum Msg {
    Frame,
    Draft(String),
    Enter,
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
    View(View),
    Help(bool),
    Pick(Option<TaskId>),
    Share,
    Shared(bool),
    Dismiss,
    KeptDownload,
    NewSession,
    Link(String),
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
        let shown = lab.show(console);
        State {
            lab,
            shown,
            granularity: Granularity::Syscall,
            family: Family::Namespace,
            console,
            draft: String::new(),
            history: Vec::new(),
            recalled: None,
            call: CallConsole::default(),
            theme: Theme::System,
            view: View::PidViews,
            help: false,
            playing: false,
            picked: None,
            notice: None,
            said: String::new(),
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
        self.shown = self.lab.show(self.console);
    }

    /// What happens when `msg` does, apart from [`Msg::Frame`], which needs a clock.
    pub fn update(&mut self, msg: Msg) -> Vec<Effect> {
        let before = (self.lab.position(), self.lab.len());
        let mut effects = self.react(msg);
        if (self.lab.position(), self.lab.len()) != before {
            effects.push(Effect::Save);
        }
        if self.lab.motion() == Motion::Running {
            effects.push(Effect::NextFrame);
        }
        effects
    }

    /// A slice of running, as long as `time_left` says.
    pub fn frame(&mut self, time_left: impl FnMut() -> bool) -> Vec<Effect> {
        let was = self.lab.motion();
        self.lab.run(time_left);
        self.refresh();
        match self.lab.motion() {
            Motion::Running => vec![Effect::NextFrame],
            Motion::AtRest | Motion::Paused if was == Motion::Running => vec![Effect::Save],
            _ => Vec::new(),
        }
    }

    fn react(&mut self, msg: Msg) -> Vec<Effect> {
        match msg {
            Msg::Frame => {}
            Msg::Draft(text) => {
                self.draft = text;
                self.recalled = None;
            }
            Msg::Enter => return self.enter(),
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
                self.refresh();
                return vec![Effect::Focus("terminal-input")];
            }
            Msg::GoOn => self.lab.go_on(),
            Msg::Rewind => {
                let granularity = Granularity::Command;
                self.lab.step(granularity, Direction::Back);
                self.refresh();
            }
            Msg::Step(direction) => self.step(self.granularity, direction),
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
                self.lab.seek_step(position, self.granularity);
                self.refresh();
            }
            Msg::Granularity(granularity) => {
                self.granularity = granularity;
                self.lab.seek_step(self.lab.position(), granularity);
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
                    self.step(self.granularity, Direction::Forward);
                    self.playing = self.lab.is_past();
                }
                if self.playing {
                    return vec![Effect::NextTick];
                }
            }
            Msg::SwitchBranch(index) => {
                self.lab.switch_branch(index);
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
            Msg::View(view) => self.view = view,
            Msg::Help(open) => {
                self.help = open;
                return vec![Effect::Focus(if open { "help-close" } else { "timeline" })];
            }
            Msg::Pick(task) => self.picked = task,
            Msg::Share => return vec![Effect::CopyLink(self.link())],
            Msg::Shared(copied) => {
                let text = if copied {
                    "The link to this session was copied; it is in the address bar too."
                } else {
                    "The link to this session is in the address bar now; the browser did not let it be copied."
                };
                self.notice = Some(Notice { text: text.to_owned(), problem: false, kept: None });
            }
            Msg::Dismiss => self.notice = None,
            Msg::KeptDownload => {
                if let Some(kept) = self.notice.as_ref().and_then(|n| n.kept.clone()) {
                    return vec![Effect::Download("ringside-damaged-session.txt".to_owned(), kept)];
                }
            }
            Msg::NewSession => {
                self.lab = Lab::new();
                self.console = ConsoleId(1);
                self.refresh();
                return vec![Effect::Save];
            }
            Msg::Link(text) => self.open_link(&text),
        }
        Vec::new()
    }

    /// The text after `#s=` that makes this session again.
    pub fn link(&self) -> String {
        let (session, cursor) = self.lab.session();
        Permalink { session, cursor }.to_text()
    }

    /// Opens a link; a damaged one changes nothing.
    pub fn open_link(&mut self, text: &str) {
        match Permalink::from_text(text) {
            Ok(link) => {
                self.lab = Lab::restore(link.session, link.cursor);
                self.console = ConsoleId(1);
                self.refresh();
            }
            Err(why) => {
                let text = format!("This session cannot be opened: {why}. The page shows your own session instead.");
                self.notice = Some(Notice { text, problem: true, kept: None });
            }
        }
    }

    /// Opens the kept session; a damaged one is kept for download and the page starts fresh.
    pub fn open_kept(&mut self, text: &str) {
        match Permalink::from_text(text) {
            Ok(link) => {
                self.lab = Lab::restore(link.session, link.cursor);
                self.refresh();
            }
            Err(why) => {
                let why = why.to_string().replace("link", "saved session").replace("; copy it again as a whole", "");
                let said = format!(
                    "Your last session could not be restored: {why}. It is kept and can be downloaded; the page starts afresh."
                );
                self.notice = Some(Notice { text: said, problem: true, kept: Some(text.to_owned()) });
            }
        }
    }

    fn act(&mut self, action: Action) {
        self.playing = false;
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
        if !text.trim().is_empty() && self.history.last() != Some(&text) {
            self.history.push(text.clone());
        }
        self.act(Action::Line { console: self.console, text });
        Vec::new()
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
