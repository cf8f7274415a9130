//! What the shell runs: the syntax tree of a program, as plain values.
//!
//! Lists are behind `Arc`, so that a frame of control flow can hold the part that it is in. Every node that
//! can give a message knows its line.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

/// A sequence of and-or lists: `a; b && c & d`.
pub type List = Arc<[Item]>;

/// One and-or list of a sequence.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Item {
    /// What is to be run.
    pub and_or: Arc<AndOr>,
    /// It ends in `&`.
    pub background: bool,
    /// The line on which it begins.
    pub line: u32,
    /// The text as bash prints it in its table of jobs. Only for those that can become jobs.
    pub text: Option<Arc<str>>,
}

/// Pipelines joined by `&&` and `||`.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct AndOr {
    /// The pipeline that always runs.
    pub first: Arc<Pipeline>,
    /// The others, each with the connector before it.
    pub rest: Vec<(Connector, Arc<Pipeline>)>,
}

/// What stands between two pipelines.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub enum Connector {
    /// `&&`
    And,
    /// `||`
    Or,
}

/// Commands joined by `|`.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Pipeline {
    /// `!` before it.
    pub negated: bool,
    /// The keyword `time` before it.
    pub timed: Option<TimeFormat>,
    /// At least one.
    pub commands: Vec<Arc<Command>>,
}

/// How the keyword `time` prints.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub enum TimeFormat {
    /// Minutes and seconds, after an empty line.
    Bash,
    /// `-p`: seconds.
    Posix,
}

/// A command.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub enum Command {
    /// Assignments, words and redirections.
    Simple(Simple),
    /// A compound command with redirections for the whole of it.
    Compound(Compound, Vec<Redirect>),
    /// `name() body`.
    Function(Arc<Function>),
}

/// The definition of a function.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Function {
    /// Its name.
    pub name: Arc<str>,
    /// What it runs.
    pub body: Arc<Command>,
    /// The definition as `type` prints it.
    pub text: Arc<str>,
}

/// A simple command.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct Simple {
    /// `NAME=value` before the words.
    pub assignments: Vec<Assignment>,
    /// The command's name and its arguments.
    pub words: Vec<Word>,
    /// Redirections in their order.
    pub redirects: Vec<Redirect>,
    /// Arrays among the arguments of `declare` and its sisters, which get their elements after the command.
    pub arrays: Vec<Assignment>,
    /// The line on which it begins.
    pub line: u32,
}

/// `NAME=value` or `NAME+=value`, also with elements of arrays.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Assignment {
    /// The variable.
    pub name: Arc<str>,
    /// What it is given.
    pub value: Assigned,
    /// `+=`.
    pub append: bool,
}

/// What an assignment gives.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub enum Assigned {
    /// `NAME=value`: the value before expansion.
    Scalar(Word),
    /// `NAME[index]=value`.
    Element(Word, Word),
    /// `NAME=(value [index]=value ...)`.
    Elements(Vec<(Option<Word>, Word)>),
}

/// Compound commands.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub enum Compound {
    /// `{ list; }`
    Brace(List),
    /// `( list )`
    Subshell(List),
    /// `if list; then list; elif list; then list; else list; fi`
    If(Arc<If>),
    /// `while list; do list; done`, or `until`.
    While(Arc<While>),
    /// `for name in words; do list; done`
    For(Arc<For>),
    /// `for ((init; condition; update)); do list; done`
    ArithmeticFor(Arc<ArithmeticFor>),
    /// `case word in patterns) list;; esac`
    Case(Arc<Case>),
    /// `(( expression ))`
    Arithmetic(Word, u32),
    /// `[[ expression ]]`
    Test(Arc<TestExpr>, u32),
}

/// `if`.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct If {
    /// Conditions with what is to be done when they hold.
    pub branches: Vec<(List, List)>,
    /// `else`.
    pub otherwise: Option<List>,
}

/// `while` and `until`.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct While {
    /// It is `until`.
    pub until: bool,
    /// The condition.
    pub condition: List,
    /// The body.
    pub body: List,
}

/// `for name in words`.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct For {
    /// The variable.
    pub name: Arc<str>,
    /// The words; `None` for the positional parameters.
    pub words: Option<Vec<Word>>,
    /// The body.
    pub body: List,
    /// The line on which it begins.
    pub line: u32,
}

/// `for ((…))`.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct ArithmeticFor {
    /// Evaluated once.
    pub init: Word,
    /// Evaluated before each turn; empty means true.
    pub condition: Word,
    /// Evaluated after each turn.
    pub update: Word,
    /// The body.
    pub body: List,
    /// The line on which it begins.
    pub line: u32,
}

/// `case`.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Case {
    /// What is compared.
    pub word: Word,
    /// The branches.
    pub branches: Vec<CaseBranch>,
    /// The line on which it begins.
    pub line: u32,
}

/// One branch of a `case`.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct CaseBranch {
    /// Its patterns.
    pub patterns: Vec<Word>,
    /// What is done.
    pub body: List,
    /// How it ends.
    pub end: CaseEnd,
}

/// What follows a branch of a `case`.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub enum CaseEnd {
    /// `;;`: nothing more.
    Break,
    /// `;&`: the next branch, whatever its patterns.
    FallThrough,
    /// `;;&`: the next branch that matches.
    Continue,
}

/// The expression of `[[ ]]`.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub enum TestExpr {
    /// Both.
    And(Box<TestExpr>, Box<TestExpr>),
    /// One of them.
    Or(Box<TestExpr>, Box<TestExpr>),
    /// Not.
    Not(Box<TestExpr>),
    /// `-f word`.
    Unary(Arc<str>, Word),
    /// `word == pattern`.
    Binary(Arc<str>, Word, Word),
}

/// A redirection.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Redirect {
    /// The descriptor; `None` for the operator's own.
    pub fd: Option<i32>,
    /// What becomes of it.
    pub target: RedirectTarget,
}

/// What a descriptor is redirected to.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub enum RedirectTarget {
    /// A file.
    File(FileMode, Word),
    /// `<&` or `>&` with a number, a number and `-`, or `-`.
    Duplicate {
        /// `>&`.
        output: bool,
        /// The word behind the operator.
        word: Word,
    },
    /// A here-document: the text, and whether it is expanded (its word says so).
    HereDoc(Word),
    /// `<<< word`.
    HereString(Word),
    /// `&> word` and `&>> word`.
    Both {
        /// `&>>`.
        append: bool,
        /// The file.
        word: Word,
    },
}

/// How a redirection opens its file.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub enum FileMode {
    /// `<`
    Read,
    /// `>`
    Write,
    /// `>>`
    Append,
    /// `<>`
    ReadWrite,
    /// `>|`
    Clobber,
}

/// A word before expansion.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Word {
    /// Its parts.
    pub parts: Arc<[Part]>,
}

impl Default for Word {
    fn default() -> Self {
        Word { parts: Arc::from([]) }
    }
}

/// A part of a word.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub enum Part {
    /// Plain text.
    Literal(Arc<str>),
    /// Text that was quoted and is nothing but text.
    Quoted(Arc<str>),
    /// What is between double quotes.
    DoubleQuoted(Arc<[Part]>),
    /// `~` or `~name` where it can mean a home directory.
    Tilde(Arc<str>),
    /// `$name` or `${…}`.
    Param(Arc<Param>),
    /// `$(…)` or backquotes.
    Command(List),
    /// `$((…))`.
    Arithmetic(Word),
    /// `<(…)`, or with `true` `>(…)`: a name for the other end of a pipe.
    Process(List, bool),
}

/// `${…}`.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Param {
    /// A name, a number, or one of `@*#?-$!`.
    pub name: Arc<str>,
    /// `name[…]`.
    pub subscript: Option<Subscript>,
    /// `${!name}`: the variable whose name the value is.
    pub indirect: bool,
    /// What is done with the value.
    pub op: ParamOp,
    /// The text between the braces, for messages.
    pub text: Arc<str>,
}

/// Which elements of an array are meant.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub enum Subscript {
    /// `[@]`
    All,
    /// `[*]`
    Star,
    /// `[expression]`
    Index(Word),
}

/// What is done with the value of a parameter.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub enum ParamOp {
    /// Nothing.
    Plain,
    /// `${#name}`.
    Length,
    /// `${name-word}`, `${name=word}`, `${name?word}`, `${name+word}`.
    Test {
        /// One of `-=?+`.
        op: char,
        /// With a colon: an empty value counts as none.
        colon: bool,
        /// The word.
        word: Word,
    },
    /// `${name#pattern}` and the like.
    Trim {
        /// At the end (`%`), not at the beginning (`#`).
        suffix: bool,
        /// The longest match, not the shortest.
        longest: bool,
        /// The pattern.
        pattern: Word,
    },
    /// `${name:offset:length}`.
    Substring(Word, Option<Word>),
    /// `${name/pattern/replacement}`.
    Replace {
        /// `/` all, `#` at the beginning, `%` at the end, or a space for the first.
        which: char,
        /// The pattern.
        pattern: Word,
        /// The replacement.
        replacement: Word,
    },
    /// `${name^}`, `${name^^}`, `${name,}`, `${name,,}`.
    Case {
        /// To upper case.
        upper: bool,
        /// All letters.
        all: bool,
    },
    /// `${name@Q}`: quoted so that it can be read back.
    Quote,
    /// `${!prefix*}`: the names that begin so.
    Names,
    /// `${!name[@]}`: the indices of an array.
    Keys,
    /// Not a substitution at all: an error when it is reached.
    Bad,
}

impl Word {
    /// A word of these parts.
    pub fn new(parts: Vec<Part>) -> Word {
        Word { parts: parts.into() }
    }

    /// A word that is this text.
    pub fn text(text: &str) -> Word {
        Word::new(vec![Part::Quoted(text.into())])
    }

    /// The text, if nothing in the word is quoted or expanded.
    pub fn literal(&self) -> Option<&str> {
        match &*self.parts {
            [] => Some(""),
            [Part::Literal(s)] => Some(s),
            _ => None,
        }
    }
}

impl Pipeline {
    /// The only command, if it is a simple one and nothing is said about the pipeline as a whole.
    pub fn only_simple(&self) -> Option<&Simple> {
        match (self.negated, self.timed, self.commands.as_slice()) {
            (false, None, [command]) => match &**command {
                Command::Simple(simple) => Some(simple),
                _ => None,
            },
            _ => None,
        }
    }
}
