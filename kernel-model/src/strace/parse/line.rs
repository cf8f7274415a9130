//! One line of a log: who and when, and what: a call, a half of a call, a signal, an end, a remark.

use super::expr::{Expr, Fault, Input, Parsed, State, blanks, fault, items, number, placed_items, take, value};
use crate::errno::Errno;

/// One line of a log.
#[derive(Clone, PartialEq, Debug)]
pub struct Line {
    /// Its number in the log, from 1.
    pub number: usize,
    /// The process that it is about, when the log says so (strace -f).
    pub pid: Option<u32>,
    /// When it was written, as printed (strace -t, -tt, -ttt, -r).
    pub time: Option<String>,
    /// The line as it is in the log.
    pub text: String,
    /// What it says.
    pub kind: LineKind,
}

/// What a line says.
#[derive(Clone, PartialEq, Debug)]
pub enum LineKind {
    /// A whole call.
    Call(TracedCall),
    /// The beginning of a call, during which another process had something to say.
    Unfinished {
        /// Its name.
        name: String,
        /// The arguments that had been printed.
        args: Vec<Expr>,
    },
    /// The rest of such a call.
    Resumed {
        /// Its name.
        name: String,
        /// What follows `resumed>`.
        rest: String,
    },
    /// A signal arrived.
    Signal {
        /// Its name.
        name: String,
        /// Its `siginfo_t`.
        info: Option<Expr>,
    },
    /// A signal stopped the process.
    Stopped {
        /// Its name.
        by: String,
    },
    /// The process has exited.
    Exited {
        /// With this status.
        status: i64,
    },
    /// A signal has killed the process.
    Killed {
        /// Its name.
        by: String,
        /// Whether a core was dumped.
        core: bool,
    },
    /// Another thread has executed a program and taken this one's place.
    Superseded {
        /// The number that the thread had until now.
        by: u32,
    },
    /// A remark of strace itself, or an empty line.
    Note,
    /// Not to be read.
    Unparsed(Unparsed),
}

/// Why a line cannot be read.
#[derive(Clone, PartialEq, Debug)]
pub struct Unparsed {
    /// What was expected there.
    pub expected: String,
    /// Where, in characters from 1.
    pub column: usize,
}

impl std::fmt::Display for Unparsed {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "column {}: expected {}", self.column, self.expected)
    }
}

/// A call with its result.
#[derive(Clone, PartialEq, Debug)]
pub struct TracedCall {
    /// The name.
    pub name: String,
    /// The arguments as they were printed.
    pub args: Vec<Expr>,
    /// The result.
    pub ret: Returned,
    /// How long it took, as printed (strace -T).
    pub duration: Option<String>,
}

/// The result of a call in a log.
#[derive(Clone, PartialEq, Debug)]
pub enum Returned {
    /// `= 3</etc/passwd>`
    Value {
        /// The number.
        value: i64,
        /// What a descriptor refers to.
        described: Option<String>,
        /// The comment after it, or what it means in round brackets.
        note: Option<String>,
    },
    /// `= -1 EPERM (Operation not permitted)`
    Error(String),
    /// `= ? ERESTARTSYS (To be restarted if SA_RESTART is set)`: a signal came before the result.
    Interrupted(String),
    /// `= ?`: the call does not return, or the log ends before it does.
    Never,
}

impl Returned {
    /// The number, when the call has succeeded.
    pub fn value(&self) -> Option<i64> {
        match self {
            Returned::Value { value, .. } => Some(*value),
            _ => None,
        }
    }

    /// The error, when it is one that has a name.
    pub fn errno(&self) -> Option<Errno> {
        match self {
            Returned::Error(name) => Errno::from_name(name),
            _ => None,
        }
    }
}

impl std::fmt::Display for Returned {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Returned::Value { value, .. } => write!(f, "{value}"),
            Returned::Error(name) => write!(f, "-1 {name}"),
            Returned::Interrupted(name) => write!(f, "? {name}"),
            Returned::Never => write!(f, "?"),
        }
    }
}

/// Reads one line. Never fails: what cannot be read is [`LineKind::Unparsed`].
pub(super) fn parse_line(number: usize, text: &str) -> Line {
    let shown = text.trim_end_matches(['\r', '\n']);
    let (head, body) = Head::split(shown);
    let kind = match body_kind(body) {
        Ok(kind) => kind,
        Err(why) => {
            let at = shown.trim_end().len().saturating_sub(why.left);
            let column = shown.get(..at).map_or(0, |before| before.chars().count()) + 1;
            LineKind::Unparsed(Unparsed { expected: why.expected.to_owned(), column })
        }
    };
    Line { number, pid: head.pid, time: head.time, text: shown.to_owned(), kind }
}

/// Joins the halves of a call: the line that was broken off and what came later.
pub(super) fn parse_joined(beginning: &str, rest: &str) -> Result<TracedCall, Unparsed> {
    let (_, body) = Head::split(beginning);
    let first = broken_off(body).unwrap_or(body);
    let joined = format!("{first}{rest}");
    whole_call(&joined).map_err(|why| {
        // The column is one of the line that resumes the call, when the fault is in that half.
        let in_rest = rest.len().saturating_sub(why.left.min(rest.len()));
        let column = rest.get(..in_rest).map_or(0, |before| before.chars().count()) + 1;
        Unparsed { expected: why.expected.to_owned(), column }
    })
}

/// What comes before the call: the columns that strace's options add.
struct Head {
    pid: Option<u32>,
    time: Option<String>,
}

impl Head {
    fn split(line: &str) -> (Head, &str) {
        let mut head = Head { pid: None, time: None };
        let mut rest = line.trim_start();
        if let Some((pid, after)) = bracketed_pid(rest).or_else(|| pid_column(rest)) {
            head.pid = Some(pid);
            rest = after.trim_start();
        }
        if let Some((time, after)) = timestamp(rest, head.pid.is_some()) {
            head.time = Some(time.to_owned());
            rest = after.trim_start();
        }
        // -r together with -t: `10:20:30 (+     0.000123)`.
        if head.time.is_some()
            && rest.starts_with("(+")
            && let Some((_, after)) = rest.split_once(')')
        {
            rest = after.trim_start();
        }
        while let Some(after) = bracketed_number(rest) {
            rest = after.trim_start();
        }
        (head, rest)
    }
}

/// `[pid  1234] `, also with a command name: `[pid 1234<sh>] `.
fn bracketed_pid(line: &str) -> Option<(u32, &str)> {
    let inner = line.strip_prefix("[pid")?.trim_start();
    let (pid, after) = leading_pid(inner)?;
    Some((pid, after.trim_start().strip_prefix(']')?))
}

/// `1234  `, also with a command name: `1234<sh> `.
fn pid_column(line: &str) -> Option<(u32, &str)> {
    let (pid, after) = leading_pid(line)?;
    after.starts_with([' ', '\t']).then_some((pid, after))
}

fn leading_pid(text: &str) -> Option<(u32, &str)> {
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    let (pid, after) = text.split_at(digits);
    let pid = pid.parse().ok()?;
    let after = match after.strip_prefix('<') {
        Some(comm) => comm.split_once('>')?.1,
        None => after,
    };
    Some((pid, after))
}

/// `10:20:30`, `10:20:30.123456`, `1795329915.123456`, `0.000123`; whole seconds only after a pid.
fn timestamp(text: &str, after_pid: bool) -> Option<(&str, &str)> {
    let end = text.find([' ', '\t'])?;
    let (stamp, after) = text.split_at(end);
    let digits = |s: &str| !s.is_empty() && s.bytes().all(|b| b.is_ascii_digit());
    let (whole, fraction) = stamp.split_once('.').map_or((stamp, None), |(w, f)| (w, Some(f)));
    let clock = whole.split(':').count() == 3 && whole.split(':').all(digits);
    let seconds = digits(whole) && (fraction.is_some() || after_pid);
    ((clock || seconds) && fraction.is_none_or(digits)).then_some((stamp, after))
}

/// The number of the call (-n) or the instruction pointer (-i): `[  59] `, `[00007f0123456789] `.
fn bracketed_number(text: &str) -> Option<&str> {
    let (inner, after) = text.strip_prefix('[')?.split_once(']')?;
    let inner = inner.trim_start();
    let all = |ok: fn(u8) -> bool| !inner.is_empty() && inner.bytes().all(ok);
    (all(|b| b.is_ascii_hexdigit()) || all(|b| b == b'?')).then_some(after)
}

fn body_kind(body: &str) -> Parsed<LineKind> {
    let body = body.trim_end();
    if body.is_empty() || is_remark(body) {
        return Ok(LineKind::Note);
    }
    if let Some(rest) = body.strip_prefix("+++ ") {
        return end_of_process(rest);
    }
    if let Some(rest) = body.strip_prefix("--- ") {
        return signal(rest);
    }
    if let Some(rest) = body.strip_prefix("<... ") {
        return resumed(rest);
    }
    if let Some(first) = broken_off(body) {
        let mut i = Input { input: first, state: State { broken_off: true, ..State::default() } };
        let (name, args) = name_and_args(&mut i)?;
        return Ok(LineKind::Unfinished { name, args });
    }
    whole_call(body).map(LineKind::Call)
}

/// What strace says about itself, and what -k and -c add.
fn is_remark(body: &str) -> bool {
    const BEGINNINGS: &[&str] = &["strace: ", "Process ", "[ Process ", "> ", "% time ", "------ -----"];
    BEGINNINGS.iter().any(|b| body.starts_with(b))
}

/// The part before the mark of an interruption, when there is one.
fn broken_off(body: &str) -> Option<&str> {
    let body = body.trim_end();
    body.strip_suffix("<unfinished ...>").or_else(|| body.strip_suffix("<detached ...>"))
}

/// `exited with 1 +++`, `killed by SIGKILL (core dumped) +++`, `superseded by execve in pid 12 +++`.
fn end_of_process(rest: &str) -> Parsed<LineKind> {
    let fail = |at: &str, expected| Err(Fault { left: at.len(), expected });
    let Some(what) = rest.strip_suffix("+++") else { return fail("", "`+++`") };
    let what = what.trim_end();
    if let Some(status) = what.strip_prefix("exited with ") {
        let left = status.len() + rest.len() - what.len();
        let Ok(status) = status.parse() else { return Err(Fault { left, expected: "an exit status" }) };
        return Ok(LineKind::Exited { status });
    }
    if let Some(by) = what.strip_prefix("killed by ") {
        let (by, core) = by.strip_suffix(" (core dumped)").map_or((by, false), |by| (by, true));
        return Ok(LineKind::Killed { by: by.to_owned(), core });
    }
    if let Some(pid) = what.strip_prefix("superseded by execve in pid ") {
        let Some((by, _)) = leading_pid(pid) else { return fail(pid, "a process number") };
        return Ok(LineKind::Superseded { by });
    }
    fail(rest, "`exited with`, `killed by` or `superseded by execve in pid`")
}

/// `SIGCHLD {si_signo=SIGCHLD, ...} ---`, `stopped by SIGSTOP ---`, and older forms.
fn signal(rest: &str) -> Parsed<LineKind> {
    let Some(what) = rest.strip_suffix("---") else {
        return Err(Fault { left: 0, expected: "`---`" });
    };
    let what = what.trim_end();
    if let Some(by) = what.strip_prefix("stopped by ") {
        return Ok(LineKind::Stopped { by: by.to_owned() });
    }
    let (name, info) = what.split_once(' ').unwrap_or((what, ""));
    if name.is_empty() {
        return Err(Fault { left: rest.len(), expected: "the name of a signal" });
    }
    let mut i = Input { input: info, state: State::default() };
    let info = match info.starts_with('{') {
        true => Some(value(&mut i).map_err(|why| Fault { left: why.left + rest.len() - what.len(), ..why })?),
        false => None,
    };
    Ok(LineKind::Signal { name: name.to_owned(), info })
}

/// `close resumed>) = 0`
fn resumed(rest: &str) -> Parsed<LineKind> {
    let Some((name, rest)) = rest.split_once(" resumed>") else {
        return Err(Fault { left: 0, expected: "`resumed>`" });
    };
    Ok(LineKind::Resumed { name: name.to_owned(), rest: rest.to_owned() })
}

/// `name(arguments) = result`
fn whole_call(body: &str) -> Parsed<TracedCall> {
    let mut i = Input { input: body, state: State::default() };
    let (name, args) = name_and_args(&mut i)?;
    blanks(&mut i);
    if !take(&mut i, "=") {
        return fault(&i, "`=` and the result of the call");
    }
    blanks(&mut i);
    let (ret, duration) = returned(i.input)?;
    Ok(TracedCall { name, args, ret, duration })
}

/// A call as somebody types it, each argument with its column: `kill(-1, SIGKILL)`.
pub(in crate::strace) fn typed_call(text: &str) -> Result<(String, Vec<(usize, Expr)>), Unparsed> {
    let column = |left: usize| text.get(..text.len().saturating_sub(left)).map_or(0, |t| t.chars().count()) + 1;
    let mut i = Input { input: text, state: State::default() };
    let mut read = || {
        blanks(&mut i);
        let name = call_name(&mut i)?;
        let args = placed_items(&mut i, ")", "`,` or the end of the arguments, `)`")?;
        blanks(&mut i);
        take(&mut i, ";");
        blanks(&mut i);
        if !i.input.is_empty() {
            return fault(&i, "nothing after the call");
        }
        Ok((name, args))
    };
    let parsed: Parsed<_> = read();
    let (name, args) =
        parsed.map_err(|why| Unparsed { expected: why.expected.to_owned(), column: column(why.left) })?;
    Ok((name, args.into_iter().map(|(left, arg)| (column(left), arg)).collect()))
}

fn name_and_args(i: &mut Input<'_>) -> Parsed<(String, Vec<Expr>)> {
    let name = call_name(i)?;
    let args = items(i, ")", "`,` or the end of the arguments, `)`")?;
    Ok((name, args))
}

/// The name and the opening bracket.
fn call_name(i: &mut Input<'_>) -> Parsed<String> {
    let in_name = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '?');
    let end = i.input.find(|c| !in_name(c)).unwrap_or(i.input.len());
    let name = i.input[..end].to_owned();
    if name.is_empty() || name.starts_with(|c: char| c.is_ascii_digit()) {
        return fault(
            i,
            "a call such as `close(3) = 0`, a signal `--- SIGCHLD {...} ---` or an end `+++ exited with 0 +++`",
        );
    }
    take(i, &name);
    if !take(i, "(") {
        return fault(i, "`(` and the arguments of the call");
    }
    Ok(name)
}

/// The result, from behind the `=` to the end of the line.
fn returned(text: &str) -> Parsed<(Returned, Option<String>)> {
    let fail = |at: &str, expected| Err(Fault { left: at.len(), expected });
    let mut text = text.trim_end();
    let mut duration = None;
    if let Some((before, inner)) = text.strip_suffix('>').and_then(|t| t.rsplit_once(" <")) {
        let a_number = !inner.is_empty() && inner.bytes().all(|b| b.is_ascii_digit() || b == b'.');
        if a_number || inner == "unavailable" {
            duration = a_number.then(|| inner.to_owned());
            text = before.trim_end();
        }
    }
    if let Some(after) = text.strip_prefix('?') {
        let name = after.trim_start().split([' ', '(']).next().unwrap_or("");
        let ret = if name.is_empty() { Returned::Never } else { Returned::Interrupted(name.to_owned()) };
        return Ok((ret, duration));
    }
    let negative = text.strip_prefix('-');
    let digits = negative.unwrap_or(text);
    let end = digits.find(|c: char| !c.is_ascii_alphanumeric()).unwrap_or(digits.len());
    let (digits, after) = digits.split_at(end);
    let Some(number) = number(digits) else { return fail(text, "the result of the call: a number or `?`") };
    let result = if negative.is_some() { number.wrapping_neg() } else { number };

    let mut after = after;
    let mut described = None;
    if after.starts_with('<') {
        let mut i = Input { input: text, state: State::default() };
        let whole = value(&mut i)?;
        described = whole.described().map(str::to_owned);
        after = i.input;
    }
    let after = after.trim_start();
    let note = match after.split_once("/*") {
        Some((_, note)) => note.split_once("*/").map(|(note, _)| note.trim().to_owned()),
        None => after.strip_prefix('(').map(|note| note.strip_suffix(')').unwrap_or(note).to_owned()),
    };
    let name_end = after.find(|c: char| !(c.is_ascii_alphanumeric() || c == '_')).unwrap_or(after.len());
    let name = &after[..name_end];
    if result == -1 && !name.is_empty() {
        return Ok((Returned::Error(name.to_owned()), duration));
    }
    // strace without a name for the error: `= -1 (errno 524)`.
    if let Some(errno) = note.as_deref().filter(|_| result == -1).and_then(|n| n.strip_prefix("errno ")) {
        let known = Errno::ALL.iter().find(|e| e.number().to_string() == errno);
        return Ok((Returned::Error(known.map_or(errno.to_owned(), |e| e.name().to_owned())), duration));
    }
    if !after.is_empty() && !after.starts_with(['(', '/']) && described.is_none() {
        return fail(after, "the end of the line");
    }
    Ok((Returned::Value { value: result, described, note }, duration))
}
