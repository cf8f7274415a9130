//! Completion at the system-call console: what could come next in a half-typed call, what the current
//! parameter is, and which errors the call can give.

use super::constants;
use super::typed::signature;
use crate::errno::Errno;
use crate::syscall::{self, Arg, Support, SyscallInfo, Sysno};

/// What a console shows below a half-typed call; `H` is what it knows of a call of its kind.
#[derive(Clone, PartialEq, Debug)]
pub struct Completion<H = Hint> {
    /// Where the word begins that a candidate would replace, in bytes; it ends at the cursor.
    pub from: usize,
    /// What could stand there.
    pub candidates: Vec<Candidate>,
    /// The call that is being typed.
    pub call: Option<H>,
}

impl<H> Default for Completion<H> {
    fn default() -> Self {
        Completion { from: 0, candidates: Vec::new(), call: None }
    }
}

/// One proposal.
#[derive(Clone, PartialEq, Debug)]
pub struct Candidate {
    /// What to put in.
    pub text: String,
    /// What it is.
    pub about: String,
}

/// What is known about the call that is being typed.
#[derive(Clone, PartialEq, Debug)]
pub struct Hint {
    /// Its name.
    pub name: &'static str,
    /// `kill(pid, sig)`
    pub signature: String,
    /// Its manual page.
    pub man: &'static str,
    /// The parameter in which the cursor is.
    pub parameter: Option<usize>,
    /// What may stand there, in words.
    pub accepts: String,
    /// The errors that it can give, in the order of the kernel's checks, and why.
    pub errors: &'static [(Errno, &'static str)],
    /// What of the call is not modelled.
    pub limits: Option<&'static str>,
}

/// What could come next where the cursor (a byte offset) is in `text`.
pub fn complete(text: &str, cursor: usize) -> Completion {
    let before = text.get(..cursor).unwrap_or(text);
    let word = before.trim_end_matches(|c: char| c.is_ascii_alphanumeric() || c == '_').len();
    let (word_at, word) = (word, &before[word..]);
    let Some((name, inside)) = before.split_once('(') else {
        return Completion { from: word_at, candidates: calls(word), call: hint(word.trim(), None) };
    };
    let Some(info) = Sysno::from_name(name.trim()).and_then(syscall::info) else { return Completion::default() };
    let Some(position) = position(inside) else {
        return Completion { from: before.len(), candidates: Vec::new(), call: hint(info.name(), None) };
    };
    let candidates = match info.args.get(position) {
        Some(arg) if !in_string(inside) => names(arg, inside, word),
        _ => Vec::new(),
    };
    Completion { from: word_at, candidates, call: hint(info.name(), Some(position)) }
}

/// Calls whose names begin with what is typed; those that only contain it come after.
fn calls(word: &str) -> Vec<Candidate> {
    let candidate = |info: &&'static SyscallInfo| Candidate {
        text: if info.args.is_empty() { format!("{}()", info.name()) } else { format!("{}(", info.name()) },
        about: signature(info),
    };
    let mut records: Vec<_> = syscall::records().filter(|r| r.name().contains(word)).collect();
    records.sort_by_key(|r| (!r.name().starts_with(word), r.name()));
    records.iter().map(candidate).collect()
}

/// Names for a parameter that has a table, without those that are there already.
fn names(arg: &Arg, inside: &str, word: &str) -> Vec<Candidate> {
    let upper = word.to_ascii_uppercase();
    let fixed: &[(&str, &str)] = match arg {
        Arg::Fd(_) => &[("AT_FDCWD", "relative to the working directory")],
        Arg::Path(_) | Arg::Str(_) | Arg::Data(_) | Arg::Strings(_) | Arg::Buf(_) => &[("NULL", "no value")],
        _ => &[],
    };
    let fixed = fixed.iter().filter(|(n, _)| n.starts_with(&upper));
    let mut found: Vec<Candidate> =
        fixed.map(|(n, about)| Candidate { text: (*n).to_owned(), about: (*about).to_owned() }).collect();
    let several = matches!(arg, Arg::Flags(..));
    let last = inside.rsplit(',').next().unwrap_or("");
    let there: Vec<&str> = last.split('|').map(str::trim).collect();
    for (name, value) in constants::table(arg).unwrap_or(&[]) {
        let repeated = several && *name != word && there.contains(name);
        if name.contains(&upper) && !repeated {
            found.push(Candidate { text: (*name).to_owned(), about: format!("{value:#x}") });
        }
    }
    found.sort_by_key(|c| !c.text.starts_with(&upper));
    found
}

fn hint(name: &str, parameter: Option<usize>) -> Option<Hint> {
    let info = Sysno::from_name(name).and_then(syscall::info)?;
    let arg = parameter.and_then(|p| info.args.get(p));
    Some(Hint {
        name: info.name(),
        signature: signature(info),
        man: info.man,
        parameter: arg.and(parameter),
        accepts: arg.map(accepts).unwrap_or_default(),
        errors: info.errno,
        limits: match info.support {
            Support::Full => None,
            Support::Partial(what) | Support::NotModelled(what) => Some(what),
        },
    })
}

/// What may stand in a parameter, in words.
fn accepts(arg: &Arg) -> String {
    let what = match arg {
        Arg::Int(_) => "a number; expressions such as 8*1024 are fine",
        Arg::Octal(_) => "a mode in octal, such as 0755",
        Arg::Pid(_) => "a process number as the caller sees it",
        Arg::Uid(_) => "a user or group number as the caller sees it; -1 leaves it as it is",
        Arg::Fd(_) => "a file descriptor",
        Arg::Path(_) => "a path in quotes",
        Arg::Str(_) => "a string in quotes, or NULL",
        Arg::Buf(_) => "bytes in quotes, or NULL where the kernel answers",
        Arg::Strings(_) => "strings in square brackets: [\"ls\", \"-l\"]",
        Arg::Flags(..) => "names joined with |, or a number",
        Arg::Enum(..) => "one of the names, or a number",
        Arg::Data(_) => "{name=value, ...}, [value, ...], a number or NULL",
    };
    format!("{}: {what}", arg.name())
}

/// In which argument the end of `inside` lies; `None` behind the closing bracket.
fn position(inside: &str) -> Option<usize> {
    let (mut depth, mut commas, mut quoted, mut escaped) = (0i32, 0, false, false);
    for c in inside.chars() {
        match c {
            _ if escaped => escaped = false,
            '\\' if quoted => escaped = true,
            '"' => quoted = !quoted,
            _ if quoted => {}
            '(' | '[' | '{' => depth += 1,
            ')' if depth == 0 => return None,
            ')' | ']' | '}' => depth -= 1,
            ',' if depth == 0 => commas += 1,
            _ => {}
        }
    }
    Some(commas)
}

/// Whether the end of `inside` lies in a string.
fn in_string(inside: &str) -> bool {
    inside.replace("\\\"", "").matches('"').count() % 2 == 1
}
