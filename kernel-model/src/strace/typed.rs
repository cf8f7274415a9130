//! From text to a [`Call`]: what somebody types at the system-call console, and what a log has recorded.
//!
//! The record of the call says what each argument is. A typed call must be right and is refused with the
//! place and what would be accepted; a recorded call was right once, so all that can be said against it
//! is that the model does not know one of its names.

use std::borrow::Cow;

use super::constants;
use super::parse::{Expr, TracedCall, typed_call};
use crate::errno::Errno;
use crate::syscall::{self, Arg, Call, SyscallInfo, Sysno, Value};
use crate::task::signal::{SigSet, Signal};

/// Why a text is no call.
#[derive(Clone, PartialEq, Debug, thiserror::Error)]
#[error("column {column}: {message}")]
pub struct BadCall {
    /// Where, in characters from 1.
    pub column: usize,
    /// What is wrong there, and what would be accepted.
    pub message: String,
}

impl BadCall {
    fn new(column: usize, message: impl Into<String>) -> BadCall {
        BadCall { column, message: message.into() }
    }
}

/// Reads a call in strace's syntax: `mount("none", "/", NULL, MS_REC|MS_PRIVATE, NULL)`.
///
/// # Errors
/// What is wrong, where, and what would be accepted.
pub fn parse_call(text: &str) -> Result<Call, BadCall> {
    if text.trim().is_empty() {
        return Err(BadCall::new(1, "type a call, for example getpid() or unshare(CLONE_NEWUTS)"));
    }
    let (name, args) = typed_call(text).map_err(|why| without_brackets(text, why.column, &why.expected))?;
    let column = text.chars().count() - text.trim_start().chars().count() + 1;
    let info = find(&name).map_err(|message| BadCall::new(column, message))?;
    let args = place(info, args);
    if let Some((column, _)) = args.get(info.args.len()).and_then(Option::as_ref) {
        return Err(BadCall::new(*column, format!("{} takes {}", info.name(), parameters(info))));
    }
    let mut values = Vec::new();
    for (i, arg) in info.args.iter().enumerate() {
        match args.get(i).and_then(Option::as_ref) {
            Some((column, expr)) if is_output(info.nr, i) => {
                reject_garbage(arg, expr, *column)?;
                values.push(Value::Null);
            }
            Some((column, expr)) => values.push(argument(info, arg, expr, *column)?),
            None if is_output(info.nr, i) || may_be_left_off(info.nr, i) => values.push(Value::Null),
            None => {
                let end = text.trim_end().chars().count();
                return Err(BadCall::new(
                    end,
                    format!("the argument `{}` is missing: {} takes {}", arg.name(), info.name(), parameters(info)),
                ));
            }
        }
    }
    while values.last() == Some(&Value::Null) && values.len() > args.len() {
        values.pop();
    }
    Ok(Call { nr: info.nr, args: values })
}

/// What a name alone, or a shell command, gets to hear.
fn without_brackets(text: &str, column: usize, expected: &str) -> BadCall {
    let word = text.split_whitespace().next().unwrap_or("");
    if !text.contains('(') {
        return match find(word) {
            Ok(info) => BadCall::new(
                text.trim_end().chars().count() + 1,
                format!("write it with its arguments: {}", signature(info)),
            ),
            Err(message) => BadCall::new(1, message),
        };
    }
    BadCall::new(column, format!("expected {expected}"))
}

/// The record of a call that the model has, or why there is none.
fn find(name: &str) -> Result<&'static SyscallInfo, String> {
    if let Some(info) = Sysno::from_name(name).and_then(syscall::info) {
        return Ok(info);
    }
    let names = || syscall::records().map(|record| record.name());
    let hint = constants::nearest(name, names()).map(|n| format!("; did you mean `{n}`?")).unwrap_or_default();
    Err(match Sysno::from_name(name) {
        Some(_) => format!("the system call `{name}` exists on Linux but is not modelled{hint}"),
        None => format!("there is no system call `{name}`{hint}"),
    })
}

/// `kill(pid, sig)`
pub fn signature(info: &SyscallInfo) -> String {
    let names: Vec<_> = info.args.iter().map(Arg::name).collect();
    format!("{}({})", info.name(), names.join(", "))
}

fn parameters(info: &SyscallInfo) -> String {
    let names: Vec<_> = info.args.iter().map(|a| format!("`{}`", a.name())).collect();
    match names.as_slice() {
        [] => "no arguments".to_owned(),
        [one] => format!("one argument: {one}"),
        many => format!("{} arguments: {}", many.len(), many.join(", ")),
    }
}

/// Puts arguments into their positions: strace prints some calls with names, and not in the order of the
/// prototype (`clone(child_stack=NULL, flags=SIGCHLD)`).
fn place(info: &SyscallInfo, args: Vec<(usize, Expr)>) -> Vec<Option<(usize, Expr)>> {
    let mut placed: Vec<Option<(usize, Expr)>> = Vec::new();
    let mut next = 0;
    for (column, expr) in args {
        let named = match &expr {
            Expr::Field(name, _) => info.args.iter().position(|a| same_parameter(a.name(), name)),
            _ => None,
        };
        let at = named.unwrap_or(next);
        next = at + 1;
        if placed.len() <= at {
            placed.resize(at + 1, None);
        }
        placed[at] = Some((column, expr));
    }
    placed
}

/// Whether strace's name for a parameter means this parameter.
fn same_parameter(ours: &str, printed: &str) -> bool {
    let bare =
        |name: &str| name.trim_start_matches("child_").trim_end_matches("ptr").replace("parent_", "p").replace('_', "");
    ours == printed
        || match printed {
            "child_stack" => ours == "stack" || ours == "newsp",
            "child_tidptr" => matches!(ours, "child_tid" | "child_tidptr" | "ctid"),
            "parent_tidptr" | "parent_tid" => matches!(ours, "parent_tid" | "parent_tidptr" | "ptid"),
            _ => bare(ours) == bare(printed),
        }
}

/// Arguments through which the kernel only answers: a caller has nothing to say there.
pub(super) fn is_output(nr: Sysno, position: usize) -> bool {
    let positions: &[usize] = match nr {
        Sysno::READ | Sysno::PREAD64 | Sysno::READLINK | Sysno::GETDENTS | Sysno::GETDENTS64 => &[1],
        Sysno::READLINKAT | Sysno::NEWFSTATAT => &[2],
        Sysno::GETCWD | Sysno::PIPE | Sysno::PIPE2 | Sysno::UNAME | Sysno::SYSINFO | Sysno::TIMES => &[0],
        Sysno::GETRANDOM => &[0],
        Sysno::STAT | Sysno::FSTAT | Sysno::LSTAT | Sysno::STATFS | Sysno::FSTATFS => &[1],
        Sysno::STATX => &[4],
        Sysno::WAIT4 => &[1, 3],
        Sysno::WAITID => &[2, 4],
        Sysno::GETRESUID | Sysno::GETRESGID => &[0, 1, 2],
        Sysno::GETGROUPS | Sysno::GETRLIMIT | Sysno::GETRUSAGE | Sysno::CAPGET => &[1],
        Sysno::PRLIMIT64 | Sysno::SOCKETPAIR => &[3],
        Sysno::RT_SIGACTION | Sysno::RT_SIGPROCMASK => &[2],
        Sysno::RT_SIGPENDING => &[0],
        Sysno::CLOCK_GETTIME | Sysno::CLOCK_GETRES | Sysno::GETTIMEOFDAY | Sysno::NANOSLEEP => &[1],
        Sysno::CLOCK_NANOSLEEP => &[3],
        Sysno::RECVFROM | Sysno::RECVMSG | Sysno::MSGRCV | Sysno::RT_SIGTIMEDWAIT => &[1],
        Sysno::GETXATTR | Sysno::LGETXATTR | Sysno::FGETXATTR => &[2],
        Sysno::SCHED_GETAFFINITY => &[2],
        Sysno::CLONE => &[2, 3],
        _ => &[],
    };
    positions.contains(&position)
}

/// Arguments that matter only sometimes, such as the mode of open(2).
fn may_be_left_off(nr: Sysno, position: usize) -> bool {
    match nr {
        Sysno::OPEN => position >= 2,
        Sysno::OPENAT | Sysno::FCNTL | Sysno::IOCTL => position >= 2 && (nr != Sysno::OPENAT || position >= 3),
        Sysno::PRCTL | Sysno::KEYCTL | Sysno::CLONE => position >= 1,
        Sysno::SEMCTL => position >= 3,
        Sysno::MOUNT => position >= 4,
        _ => false,
    }
}

/// Where the kernel only answers, any placeholder will do: a name, an address, `NULL`, `[]`, `""`.
fn reject_garbage(_: &Arg, expr: &Expr, column: usize) -> Result<(), BadCall> {
    match expr.plain() {
        Expr::Chain(..) | Expr::Words(..) => {
            Err(BadCall::new(column, "the kernel answers here: write NULL or leave a name such as `buf`"))
        }
        _ => Ok(()),
    }
}

/// One argument, by its kind.
fn argument(info: &SyscallInfo, arg: &Arg, expr: &Expr, column: usize) -> Result<Value, BadCall> {
    let expr = expr.unnamed();
    let bad = |what: &str| Err(BadCall::new(column, format!("`{}` is {what}", arg.name())));
    match arg {
        Arg::Path(_) | Arg::Str(_) => match expr.plain() {
            Expr::Null | Expr::Int(0) => Ok(Value::Null),
            Expr::Str { bytes, .. } => match std::str::from_utf8(bytes) {
                Ok(s) => Ok(Value::str(s)),
                Err(_) => bad("a string; the model's names are UTF-8 text"),
            },
            // An address without what is there: a bad pointer.
            Expr::Int(n) => Ok(Value::Int(*n)),
            Expr::Word(w) => bad(&format!("a string: write it in quotes, \"{w}\"")),
            _ => bad("a string in quotes, or NULL"),
        },
        Arg::Buf(_) => match expr.plain() {
            Expr::Str { bytes, .. } => Ok(Value::bytes(bytes.as_slice())),
            Expr::Null | Expr::Int(_) | Expr::Word(_) | Expr::Omitted => Ok(Value::Null),
            _ => bad("a buffer: a string in quotes, or NULL"),
        },
        Arg::Strings(_) => match expr.plain() {
            Expr::List(items) => strings(items).or_else(&bad),
            Expr::Null | Expr::Int(_) => Ok(Value::Null),
            _ => bad("an array of strings, for example [\"sh\", \"-c\", \"exit 1\"]"),
        },
        Arg::Data(name) => data(info, name, expr, column),
        Arg::Flags(..) | Arg::Enum(..) | Arg::Int(_) | Arg::Octal(_) | Arg::Pid(_) | Arg::Uid(_) | Arg::Fd(_) => {
            number(info, arg, expr, column)
        }
    }
}

fn strings(items: &[Expr]) -> Result<Value, &'static str> {
    let mut texts = Vec::new();
    for item in items {
        match item.plain() {
            Expr::Str { bytes, .. } => texts.push(String::from_utf8_lossy(bytes).into_owned()),
            Expr::Omitted => {}
            _ => return Err("an array of strings: each in quotes"),
        }
    }
    Ok(Value::strings(texts))
}

/// A number: digits, a name, or an expression of both.
fn number(info: &SyscallInfo, arg: &Arg, expr: &Expr, column: usize) -> Result<Value, BadCall> {
    let own = constants::table(arg);
    let constant = |name: &str| {
        let listed = own.and_then(|names| names.iter().find(|(n, _)| *n == name));
        listed.map(|(_, n)| *n as i64).or_else(|| constants::value_in(info, name))
    };
    if let Some(n) = expr.number(&constant) {
        return Ok(Value::Int(n));
    }
    let Some(unknown) = first_unknown(expr, &constant) else {
        let what = if own.is_some() { "names joined with `|`, or a number" } else { "a number" };
        return Err(BadCall::new(column, format!("`{}` is {what}", arg.name())));
    };
    let candidates = own.unwrap_or(&[]).iter().map(|(n, _)| *n);
    let hint = constants::nearest(unknown, candidates.clone()).map_or_else(
        || match own {
            Some(names) if !names.is_empty() => {
                let some: Vec<_> = candidates.take(3).collect();
                format!("; `{}` takes names such as {}", arg.name(), some.join(", "))
            }
            _ => format!("; `{}` is a number", arg.name()),
        },
        |near| format!("; did you mean `{near}`?"),
    );
    Err(BadCall::new(column, format!("there is no `{unknown}`{hint}")))
}

/// The first name in an expression that nobody knows.
fn first_unknown<'e>(expr: &'e Expr, constant: &dyn Fn(&str) -> Option<i64>) -> Option<&'e str> {
    match expr.plain() {
        Expr::Word(w) => constant(w).is_none().then_some(w),
        Expr::Field(_, e) | Expr::Prefix(_, e) => first_unknown(e, constant),
        Expr::Chain(_, operands) => operands.iter().find_map(|e| first_unknown(e, constant)),
        _ => None,
    }
}

/// A structure, an array, a set of signals, or a pointer to a number.
fn data(info: &SyscallInfo, name: &str, expr: &Expr, column: usize) -> Result<Value, BadCall> {
    let constant = |word: &str| constants::value_in(info, word);
    let is_set = ["set", "mask"].iter().any(|part| name.contains(part));
    match expr.plain() {
        Expr::Null | Expr::Omitted => Ok(Value::Null),
        Expr::Prefix('~', inner) if matches!(**inner, Expr::List(_)) => match data(info, name, inner, column)? {
            Value::Int(n) => Ok(Value::Int(!n)),
            _ => Ok(Value::Int(-1)),
        },
        Expr::List(items) => match signal_set(items) {
            Some(set) if is_set => Ok(Value::from(set.0)),
            _ => {
                let items = items.iter().filter(|i| !matches!(i, Expr::Omitted));
                items.map(|item| data(info, name, item, column)).collect::<Result<_, _>>().map(Value::List)
            }
        },
        Expr::Struct(items) => {
            let mut fields = Vec::new();
            for item in items {
                if let Expr::Field(field, e) = item {
                    fields.push((Cow::Owned(field.clone()), data(info, field, e, column)?));
                }
            }
            Ok(Value::Struct(fields))
        }
        Expr::Field(_, e) => data(info, name, e, column),
        Expr::Str { bytes, .. } => Ok(match std::str::from_utf8(bytes) {
            Ok(s) => Value::str(s),
            Err(_) => Value::bytes(bytes.as_slice()),
        }),
        Expr::Macro(makedev, args) if makedev == "makedev" => {
            let part = |i: usize| args.get(i).and_then(|e| e.number(&constant)).unwrap_or(0);
            Ok(Value::Int(device_number(part(0) as u64, part(1) as u64) as i64))
        }
        Expr::Macro(name, args) if super::bpf::insn(name, args, &constant).is_some() => {
            Ok(super::bpf::insn(name, args, &constant).unwrap_or_default())
        }
        e => match e.number(&constant) {
            Some(n) => Ok(Value::Int(n)),
            None => {
                let what = first_unknown(e, &constant).map_or_else(
                    || format!("`{name}` is a structure {{name=value, ...}}, an array [...], a number or NULL"),
                    |unknown| format!("there is no `{unknown}`"),
                );
                Err(BadCall::new(column, what))
            }
        },
    }
}

/// A device number as user space has it (`makedev(3)`).
pub(super) fn device_number(major: u64, minor: u64) -> u64 {
    minor & 0xff | (major & 0xfff) << 8 | (minor & !0xff) << 12 | (major & !0xfff) << 32
}

/// `[HUP INT]`: names of signals without `SIG`, and nothing else.
fn signal_set(items: &[Expr]) -> Option<SigSet> {
    let mut set = SigSet::EMPTY;
    for item in items {
        let Expr::Word(word) = item else { return None };
        set.insert(Signal::from_name(word)?);
    }
    Some(set)
}

/// The call of a log as one for the model; the message says what of it the model does not know.
pub(super) fn recorded_call(info: &SyscallInfo, traced: &TracedCall) -> Result<Call, String> {
    let args = place(info, traced.args.iter().map(|e| (0, e.clone())).collect());
    let mut values = Vec::new();
    for (i, arg) in args.iter().enumerate() {
        let value = match (arg, info.args.get(i)) {
            (None, _) => Value::Null,
            (Some((_, expr)), _) if is_output(info.nr, i) && info.nr == Sysno::RECVMSG => room_of(expr),
            (Some(_), _) if is_output(info.nr, i) => Value::Null,
            (Some((_, expr)), Some(kind)) => {
                let value = argument(info, kind, expr, 0).map_err(|bad| bad.message)?;
                // strace shows the address of a string that the kernel did not look at.
                let address = matches!(kind, Arg::Path(_) | Arg::Str(_)) && matches!(value, Value::Int(_));
                if address && traced.ret.errno() != Some(Errno::EFAULT) { Value::Null } else { value }
            }
            // More than the prototype has: unused registers of a call with a variable number.
            (Some((_, expr)), None) => data(info, "", expr, 0).unwrap_or(Value::Null),
        };
        values.push(value);
    }
    fill_up(&mut values, &args);
    if matches!(info.nr, Sysno::SETXATTR | Sysno::LSETXATTR | Sysno::FSETXATTR) {
        end_with_nul(&mut values);
    }
    Ok(Call { nr: info.nr, args: values })
}

/// strace leaves the last byte of an attribute's value off when it is 0 (`print_xattr_val`); the size tells.
fn end_with_nul(values: &mut [Value]) {
    let size = values.get(3).and_then(Value::as_int);
    if let Some(Value::Bytes(bytes)) = values.get_mut(2)
        && size == Some(bytes.len() as i64 + 1)
    {
        *bytes = bytes.iter().copied().chain([0]).collect();
    }
}

/// How much room a recorded `struct msghdr` had: its buffers, and for what came along as much as was needed.
fn room_of(msg: &Expr) -> Value {
    const ENOUGH: i64 = 1 << 20;
    let Some(Expr::List(iov)) = msg.unnamed().plain().field("msg_iov").map(Expr::plain) else { return Value::Null };
    let room = |one: &Expr| one.plain().field("iov_len").and_then(|len| len.number(&|_| None)).unwrap_or(0);
    let iov = iov.iter().map(|one| Value::record([("iov_len", room(one).into())])).collect();
    Value::record([("msg_iov", Value::List(iov)), ("msg_controllen", ENOUGH.into())])
}

/// A buffer that strace has cut is as long as the argument after it says; what is missing becomes blanks.
fn fill_up(values: &mut [Value], args: &[Option<(usize, Expr)>]) {
    const MOST: usize = 16 << 20;
    for (i, arg) in args.iter().enumerate() {
        let Some((_, Expr::Str { whole: false, .. })) = arg else { continue };
        let length = values.get(i + 1).and_then(Value::as_int).and_then(|n| usize::try_from(n).ok());
        if let (Some(Value::Bytes(bytes)), Some(length)) = (values.get(i), length.filter(|n| *n <= MOST)) {
            let mut bytes = bytes.to_vec();
            bytes.resize(length.max(bytes.len()), b' ');
            values[i] = Value::bytes(bytes);
        }
    }
}
