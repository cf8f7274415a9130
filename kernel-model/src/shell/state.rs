//! A shell between two commands, as a plain value: variables, options, jobs, and the stack of what is yet
//! to be done.

use std::sync::Arc;

use imbl::{OrdMap, Vector};
use serde::{Deserialize, Serialize};

use super::ast::{AndOr, ArithmeticFor, Case, Command, For, Function, If, List, TimeFormat, While};
use crate::task::signal::{SigSet, Signal};
use crate::vfs::fd_table::Fd;

/// A shell between two commands, as a plain value.
#[derive(Clone, PartialEq, Debug, Default, Serialize, Deserialize)]
pub struct ShellState {
    /// `$?`.
    pub status: i32,
    /// `$$`: the pid of the shell that was started, also in its subshells.
    pub pid: i32,
    /// `$PPID`.
    pub ppid: i32,
    /// `$!`.
    pub last_background: Option<i32>,
    /// `$0`, which also begins its messages.
    pub name: Arc<str>,
    /// `$1` and on.
    pub positional: Vector<Arc<str>>,
    /// Variables.
    pub vars: OrdMap<Arc<str>, Var>,
    /// Functions.
    pub functions: OrdMap<Arc<str>, Arc<Function>>,
    /// Aliases. They are kept and shown, but not expanded, as in bash when it is not interactive.
    pub aliases: OrdMap<String, String>,
    /// Where commands were found, and how often they were asked for.
    pub hashed: OrdMap<String, (String, u32)>,
    /// What `set` has set.
    pub options: Options,
    /// What is to be done when a signal comes: an empty text ignores it. 0 is EXIT.
    pub traps: OrdMap<u8, Arc<str>>,
    /// Signals that were ignored when the shell began, which stay so.
    pub ignored_at_start: SigSet,
    /// Caught signals whose traps have not run yet.
    pub caught: SigSet,
    /// Children that have been collected and for which the trap for SIGCHLD has not run yet.
    pub children_to_trap: u32,
    /// Children in the background.
    pub jobs: Vector<Job>,
    /// Statuses of background children that nobody has waited for yet.
    pub finished: OrdMap<i32, i32>,
    /// Status words of children that were collected before anybody waited for them, to make room for a fork.
    pub early: OrdMap<i32, i32>,
    /// The working directory as the shell names it.
    pub cwd: String,
    /// The line of the command that runs.
    pub line: u32,
    /// How many command lines this console shell has seen.
    pub lines_read: u32,
    /// What is yet to be done, the next thing last.
    pub frames: Vector<Frame>,
    /// It was started with `-c`, so messages about syntax say so and the last command replaces it.
    pub command_string: bool,
    /// Somebody types into it at a terminal, as into any program that reads.
    pub interactive: bool,
    /// It takes its commands from standard input or a console: `s` in `$-`.
    pub reads_input: bool,
    /// It is a forked copy of the shell that was started.
    pub subshell: bool,
    /// `set -e` does not count, because this subshell is part of a condition.
    pub errexit_off: bool,
    /// How deep in subshells this copy is: `$BASH_SUBSHELL`.
    pub subshell_depth: u32,
    /// The subshell was made inside a function or a sourced file, so that `return` ends it.
    pub may_return: bool,
    /// The statuses of the commands of the last pipeline: `$PIPESTATUS`.
    pub pipe_status: Vec<i32>,
    /// `$_`: the last argument of the last command.
    pub last_argument: Arc<str>,
    /// Descriptors of process substitutions of the command that runs.
    pub process_fds: Vec<Fd>,
    /// `shopt -s nullglob`: a pattern that matches nothing is no argument.
    pub nullglob: bool,
    /// The directories below the working directory on the stack of `pushd`.
    pub directories: Vector<Arc<str>>,
    /// Where getopts is within an argument.
    pub getopts_at: usize,
    /// The seed of `$RANDOM`.
    pub random: u32,
}

/// A variable.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct Var {
    /// Its value; `None` when it was only declared.
    pub value: Option<Arc<str>>,
    /// It goes into the environment of commands.
    pub exported: bool,
    /// It cannot be changed.
    pub readonly: bool,
    /// Values are evaluated as arithmetic (`declare -i`).
    pub integer: bool,
    /// It is an array with these elements; [`Var::value`] is then the one with the index 0.
    pub array: Option<OrdMap<i64, Arc<str>>>,
}

/// What `set` sets, each with its letter. The others that bash has make no difference here (`start::FIXED`).
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct Options {
    /// `-a`
    pub allexport: bool,
    /// `-C`
    pub noclobber: bool,
    /// `-e`
    pub errexit: bool,
    /// `-f`
    pub noglob: bool,
    /// `-n`
    pub noexec: bool,
    /// `-u`
    pub nounset: bool,
    /// `-v`
    pub verbose: bool,
    /// `-x`
    pub xtrace: bool,
    /// `-o pipefail`
    pub pipefail: bool,
    /// Not in `--posix` (bash called by that name).
    pub bash: bool,
}

/// The names of the options for `set -o`, with their letters.
pub const OPTION_NAMES: [(&str, char); 9] = [
    ("allexport", 'a'),
    ("errexit", 'e'),
    ("noclobber", 'C'),
    ("noexec", 'n'),
    ("noglob", 'f'),
    ("nounset", 'u'),
    ("pipefail", '\0'),
    ("verbose", 'v'),
    ("xtrace", 'x'),
];

impl Options {
    /// The option of this name.
    pub fn by_name(&mut self, name: &str) -> Option<&mut bool> {
        Some(match name {
            "allexport" => &mut self.allexport,
            "errexit" => &mut self.errexit,
            "noclobber" => &mut self.noclobber,
            "noexec" => &mut self.noexec,
            "noglob" => &mut self.noglob,
            "nounset" => &mut self.nounset,
            "pipefail" => &mut self.pipefail,
            "verbose" => &mut self.verbose,
            "xtrace" => &mut self.xtrace,
            _ => return None,
        })
    }

    /// The option with this letter.
    pub fn by_letter(&mut self, letter: char) -> Option<&mut bool> {
        let (name, _) = OPTION_NAMES.iter().find(|(_, l)| *l == letter && letter != '\0')?;
        self.by_name(name)
    }
}

/// A child, or the children of one pipeline, in the background.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Job {
    /// Its number, as in `%1`.
    pub number: u32,
    /// The children, with their statuses as wait4(2) gave them. The last one counts.
    pub children: Vec<(i32, Option<i32>)>,
    /// The command as bash prints it.
    pub text: Arc<str>,
}

impl Job {
    /// Whether all children have ended.
    pub fn is_done(&self) -> bool {
        self.children.iter().all(|(_, status)| status.is_some())
    }

    /// The status word of the last child.
    pub fn status(&self) -> Option<i32> {
        self.children.last().and_then(|(_, status)| *status)
    }
}

/// A descriptor to be put back after a redirection.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Saved {
    /// The descriptor.
    pub fd: Fd,
    /// Where a copy of what it was is kept; `None` when it was closed.
    pub copy: Option<Fd>,
}

/// Where the text comes from that a shell reads.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub enum SourceKind {
    /// A line of a console.
    Line,
    /// The string of `-c`.
    CommandString,
    /// A script or standard input.
    Script,
    /// `eval`.
    Eval,
    /// `.`
    Dot,
    /// What a trap does.
    Trap,
}

/// Something that is yet to be done.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub enum Frame {
    /// A text of which commands are taken one after the other.
    Source {
        /// The text.
        text: Arc<str>,
        /// How many bytes have been taken.
        at: usize,
        /// The line at which the rest begins.
        line: u32,
        /// Where it comes from.
        kind: SourceKind,
    },
    /// Commands are read from a descriptor, line by line.
    Input {
        /// The descriptor.
        fd: Fd,
        /// The number of the next line.
        line: u32,
    },
    /// A list, from this item on.
    List {
        /// The list.
        list: List,
        /// The next item.
        next: usize,
        /// Nothing comes after it in this process, so its last command may replace the shell.
        tail: bool,
    },
    /// An and-or list, from this pipeline on (0 is the first).
    AndOr {
        /// The list.
        and_or: Arc<AndOr>,
        /// The next pipeline.
        next: usize,
        /// As in [`Frame::List`].
        tail: bool,
    },
    /// A command of a pipeline of its own.
    Command(Arc<Command>),
    /// The status of what is above is turned round.
    Not,
    /// The times since this one was pushed are to be printed.
    Time {
        /// Nanoseconds on the monotonic clock at the beginning.
        since: u64,
        /// How they are printed.
        format: TimeFormat,
    },
    /// `if`: the condition of this branch is being found out.
    If {
        /// The clause.
        clause: Arc<If>,
        /// Which branch.
        branch: usize,
    },
    /// `while`.
    While {
        /// The clause.
        clause: Arc<While>,
        /// The condition is what has just run.
        tested: bool,
        /// The status of the last body.
        status: i32,
    },
    /// `for`.
    For {
        /// The clause.
        clause: Arc<For>,
        /// The words.
        words: Arc<[Arc<str>]>,
        /// The next one.
        next: usize,
    },
    /// `for ((…))`.
    ArithmeticFor {
        /// The clause.
        clause: Arc<ArithmeticFor>,
        /// It has been through the body at least once.
        begun: bool,
    },
    /// `case`, from this branch on.
    Case {
        /// The clause.
        clause: Arc<Case>,
        /// The expanded word.
        word: Arc<str>,
        /// The next branch.
        next: usize,
        /// It is taken whatever its patterns (`;&`).
        forced: bool,
    },
    /// The end of something whose redirections are undone here.
    Redirected(Vec<Saved>),
    /// The end of a function.
    Function {
        /// The positional parameters of the caller.
        positional: Vector<Arc<str>>,
        /// The variables that `local` has hidden.
        hidden: Vector<(Arc<str>, Option<Var>)>,
        /// Its name.
        name: Arc<str>,
    },
    /// The end of a trap: the status from before it is restored.
    TrapEnd {
        /// The status from before.
        status: i32,
    },
    /// The end of a console's line.
    LineEnd,
    /// The end of a forked copy of the shell.
    ProcessEnd,
}

impl ShellState {
    /// The value of a variable.
    pub fn get(&self, name: &str) -> Option<&Arc<str>> {
        self.vars.get(name).and_then(|v| v.value.as_ref())
    }

    /// Sets a variable. `Err` when it is read-only.
    pub fn set(&mut self, name: &str, value: &str) -> Result<(), ReadOnly> {
        let allexport = self.options.allexport;
        match self.vars.get_mut(name) {
            Some(var) if var.readonly => return Err(ReadOnly),
            Some(var) => {
                var.value = Some(value.into());
                var.exported |= allexport;
                if let Some(array) = &mut var.array {
                    array.insert(0, value.into());
                }
            }
            None => {
                let var = Var { value: Some(value.into()), exported: allexport, ..Var::default() };
                self.vars.insert(name.into(), var);
            }
        }
        match name {
            "OPTIND" => self.getopts_at = 0,
            "PATH" => self.hashed = OrdMap::new(),
            "RANDOM" => self.random = value.parse().unwrap_or(0),
            _ => {}
        }
        Ok(())
    }

    /// Whether a failing command does not count for `set -e` here: some frame is a condition.
    pub fn in_condition(&self) -> bool {
        self.errexit_off
            || self.frames.iter().any(|frame| match frame {
                Frame::Not | Frame::If { .. } => true,
                Frame::While { tested, .. } => *tested,
                Frame::AndOr { and_or, next, .. } => *next <= and_or.rest.len(),
                _ => false,
            })
    }

    /// Whether anything is trapped, so that the shell must not be replaced by its last command.
    pub fn has_traps(&self) -> bool {
        self.traps.values().any(|action| !action.is_empty())
    }

    /// What is to be done when a signal comes.
    pub fn trap(&self, signal: Signal) -> Option<&Arc<str>> {
        self.traps.get(&signal.0)
    }

    /// How many calls of functions there are on the stack.
    pub fn function_depth(&self) -> usize {
        self.frames.iter().filter(|f| matches!(f, Frame::Function { .. })).count()
    }
}

/// The variable cannot be changed.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct ReadOnly;
