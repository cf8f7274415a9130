//! What can happen to the page, and what it wants done outside.

use hypervisor_model::machine::Platform;
use kernel_model::console::ConsoleId;
use kernel_model::event::{Family, Granularity};
use kernel_model::task::TaskId;
use kernel_model::timeline::{Direction, Stride};

use crate::appearance::{Sheet, Theme, Type};
use crate::embed::{Order, Told};
use crate::language::Language;
use crate::lesson::act::LessonMsg;
use crate::view::View;
use crate::worlds::PreparedWorld;

/// What can lie over the page.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Panel {
    /// The list of keys.
    Help,
    /// Worlds to begin with.
    Worlds,
    /// The session, to be given away.
    Share,
}

/// What can happen at a field in which a call is typed.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum FieldMsg {
    /// This is typed, and the cursor is there (a byte offset).
    Draft(String, usize),
    /// Another candidate, so many on.
    Choose(isize),
    /// The candidate with this number is taken.
    Complete(usize),
    /// The call is to be made.
    Enter,
}

/// What can happen at the system-call console.
#[derive(Clone, PartialEq, Eq, Debug)]
#[allow(missing_docs)] // the names say it
pub enum CallMsg {
    Task(Option<TaskId>),
    Field(FieldMsg),
}

/// What can happen at the hypercall console.
#[derive(Clone, PartialEq, Eq, Debug)]
#[allow(missing_docs)] // the names say it
pub enum HypercallMsg {
    Domain(u16),
    Field(FieldMsg),
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
    Call(CallMsg),
    Hypercall(HypercallMsg),
    Theme(Theme),
    Type(Type),
    Language(Language),
    /// The language that was chosen is there, or not.
    Spoken(Result<(), String>),
    Follow(bool),
    Choose(&'static View),
    Beside(String),
    PutAway(&'static View),
    Room(usize),
    Stand(Option<TaskId>),
    Unfold(Option<TaskId>),
    Open(Panel, &'static str),
    Close,
    /// The sheet is gone.
    Closed,
    OpenWorld(&'static PreparedWorld),
    GoBack,
    Pick(Option<TaskId>),
    CopyOutput(u64),
    Copied(bool),
    Share,
    /// The same session on another machine, by its number.
    Platform(u8),
    /// The last command on these platforms.
    Compare(Vec<Platform>),
    CompareCancel,
    Shared(bool),
    CopyText(String),
    DownloadSession,
    /// A file that holds a session, or not.
    SessionFile(Vec<u8>),
    /// The page around a frame wants something.
    Order(Order),
    /// The session of a frame is wanted as a page.
    OpenWhole,
    Dismiss,
    TakeOffer,
    NewSession,
    NotKept,
    Try(&'static str),
    Link(String),
    Sheet(Sheet),
    Dock(u32),
    LogDraft(String),
    LogBytes(Vec<u8>),
    LogTooLarge(String),
    LogOpen,
    LogCancel,
    LogShow(bool),
    LogLine(usize),
    LogOnly(Option<&'static str>),
    Lesson(LessonMsg),
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
    /// Copy a text.
    Copy(String),
    /// Keep the lines that were typed.
    SaveHistory,
    /// Keep which views are shown.
    SaveStage,
    /// Keep the open lesson, and what was said in it.
    SaveLesson,
    /// Tell whoever has put the page somewhere, in JSON.
    Tell(String),
    /// Load a file beside the page; come back with [`LessonMsg::Arrived`].
    Fetch(String),
    /// Show and keep the theme.
    ShowTheme,
    /// Load and speak a language, and keep that it was chosen; come back with [`Msg::Spoken`].
    Speak(Language),
    /// Show and keep the size of type.
    ShowType,
    /// Open the presenter view in a second window.
    OpenPresenter,
    /// Open this after `#` as a page of its own.
    OpenWhole(String),
    /// Tell the page around a frame.
    TellEmbedder(Told),
    /// Tell the presenter view.
    TellPresenter(String),
    /// Print what is shown.
    Print,
    /// Give the keyboard to the element with this id.
    Focus(&'static str),
    /// Let somebody download a text under a name.
    Download(String, String),
}
