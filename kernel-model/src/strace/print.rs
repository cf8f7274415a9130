//! Printing calls and results as strace(1) does, from the records of the calls.

use std::fmt::Write;

use super::constants;
use crate::syscall::{self, Arg, Call, CallResult, FlagNames, Ret, Sysno, Value};

/// How much of a string that is no path is printed (strace -s).
pub const STRING_LIMIT: usize = 32;

/// `unshare(CLONE_NEWPID) = 0`. Without a result the call has begun and not ended.
pub fn print(call: &Call, result: Option<&CallResult>) -> String {
    match result {
        Some(result) => format!("{} = {}", print_call(call, Some(result)), print_result(call.nr, result)),
        None => format!("{} <unfinished ...>", print_call(call, None).trim_end_matches(')')),
    }
}

/// The same with the `=` in strace's column, for a listing.
pub fn print_aligned(call: &Call, result: &CallResult) -> String {
    format!("{:<39} = {}", print_call(call, Some(result)), print_result(call.nr, result))
}

/// How calls are printed.
#[derive(Clone, Debug)]
pub struct Style<'a> {
    /// How much of a string that is no path is printed (strace -s).
    pub strings: usize,
    /// What descriptors are open on (strace -y).
    pub paths: &'a [(i64, String)],
}

impl Default for Style<'_> {
    fn default() -> Self {
        Style { strings: STRING_LIMIT, paths: &[] }
    }
}

impl Style<'_> {
    /// A descriptor, with what it is open on where that is known.
    pub fn descriptor(&self, fd: i64) -> String {
        let number = if fd as i32 == -100 { "AT_FDCWD".to_owned() } else { fd.to_string() };
        match self.paths.iter().find(|(n, _)| *n as i32 == fd as i32) {
            Some((_, path)) => format!("{number}<{path}>"),
            None => number,
        }
    }
}

/// The call with its arguments. What the kernel has answered through pointers is known from the result.
pub fn print_call(call: &Call, result: Option<&CallResult>) -> String {
    format!("{}({})", call.nr.name(), arguments(call, result, &Style::default()).join(", "))
}

/// The arguments of a call, each as it is printed.
pub fn arguments(call: &Call, result: Option<&CallResult>, style: &Style<'_>) -> Vec<String> {
    let ret = result.and_then(|r| r.as_ref().ok());
    let args = syscall::info(call.nr).map_or(&[][..], |info| info.args);
    let given =
        call.args.len().max(ret.and_then(|r| r.out.iter().map(|(p, _)| usize::from(*p) + 1).max()).unwrap_or(0));
    let shown = if takes_any_number(call.nr) || args.is_empty() { given } else { args.len() };
    let print = |i: usize| {
        let mut out = String::new();
        let value = call.args.get(i).unwrap_or(&Value::Null);
        let answer = ret.and_then(|r| r.out.iter().find(|(p, _)| usize::from(*p) == i)).map(|(_, v)| v);
        argument(&mut out, call, args.get(i), value, answer, style);
        out
    };
    (0..shown).map(print).collect()
}

/// How many of the arguments are known when the call begins: those before the first through which the kernel answers.
pub fn shown_at_entry(call: &Call) -> usize {
    let count = syscall::info(call.nr).map_or(call.args.len(), |info| info.args.len());
    (0..count).find(|i| super::typed::is_output(call.nr, *i)).unwrap_or(count)
}

/// The result: a number, or -1 with the error.
pub fn print_result(nr: Sysno, result: &CallResult) -> String {
    match result {
        Err(e) => format!("-1 {} ({})", e.name(), e.text()),
        Ok(Ret { value, .. }) if nr == Sysno::UMASK => octal(*value),
        Ok(Ret { value, .. }) if matches!(nr, Sysno::MMAP | Sysno::BRK | Sysno::MREMAP | Sysno::SHMAT) => {
            format!("{value:#x}")
        }
        Ok(Ret { value, .. }) => value.to_string(),
    }
}

/// Calls whose last parameters are only printed when they matter.
fn takes_any_number(nr: Sysno) -> bool {
    matches!(
        nr,
        Sysno::OPEN
            | Sysno::OPENAT
            | Sysno::FCNTL
            | Sysno::IOCTL
            | Sysno::PRCTL
            | Sysno::MQ_OPEN
            | Sysno::SEMCTL
            | Sysno::KEYCTL
    )
}

fn argument(
    out: &mut String,
    call: &Call,
    arg: Option<&Arg>,
    value: &Value,
    answer: Option<&Value>,
    style: &Style<'_>,
) {
    match (value, answer) {
        (_, Some(answer)) if call.nr == Sysno::RECVMSG => output(out, call, arg, answer, style),
        (Value::Null, Some(answer)) => output(out, call, arg, answer, style),
        (Value::Struct(_) | Value::List(_), Some(answer)) => {
            input(out, call, arg, value, style);
            out.push_str(" => ");
            output(out, call, arg, answer, style);
        }
        _ => input(out, call, arg, value, style),
    }
}

/// An argument that goes into the kernel.
fn input(out: &mut String, call: &Call, arg: Option<&Arg>, value: &Value, style: &Style<'_>) {
    let Some(arg) = arg else { return plain(out, call.nr, value, style) };
    match (arg, value) {
        (Arg::Strings("envp"), Value::List(items)) => {
            let _ = write!(out, "[/* {} vars */]", items.len());
        }
        (Arg::Path(_), Value::Str(s)) => quoted(out, s.as_bytes(), usize::MAX),
        (Arg::Int(_) | Arg::Pid(_) | Arg::Uid(_) | Arg::Fd(_), Value::Null) => out.push('0'),
        (Arg::Octal(_), v) => out.push_str(&octal(v.as_int().unwrap_or(0))),
        (Arg::Fd(_), Value::Int(n)) => out.push_str(&style.descriptor(*n)),
        (Arg::Uid(_), Value::Int(n)) => {
            let _ = write!(out, "{}", if *n == i64::from(u32::MAX) { -1 } else { *n });
        }
        (Arg::Flags(_, names), v) => flags(out, call.nr, names, v.as_int().unwrap_or(0) as u64),
        (Arg::Enum(_, names), v) => enumerated(out, names, v.as_int().unwrap_or(0)),
        (_, v) => plain(out, call.nr, v, style),
    }
}

/// What the kernel has stored through a pointer.
fn output(out: &mut String, call: &Call, arg: Option<&Arg>, value: &Value, style: &Style<'_>) {
    match (arg, value) {
        (Some(Arg::Data(_)), Value::Int(status)) if call.nr == Sysno::WAIT4 => {
            let _ = write!(out, "[{{{}}}]", wait_status(*status as i32));
        }
        (Some(Arg::Data(_)), Value::Int(n)) => {
            let _ = write!(out, "[{n}]");
        }
        (Some(Arg::Path(_)), Value::Str(s)) => quoted(out, s.as_bytes(), usize::MAX),
        (_, v) => plain(out, call.nr, v, style),
    }
}

/// A value by itself.
fn plain(out: &mut String, nr: Sysno, value: &Value, style: &Style<'_>) {
    match value {
        Value::Null => out.push_str("NULL"),
        Value::Int(n) => {
            let _ = write!(out, "{n}");
        }
        Value::Str(s) => quoted(out, s.as_bytes(), style.strings),
        Value::Bytes(b) => quoted(out, b, style.strings),
        Value::List(items) => {
            out.push('[');
            for (i, item) in items.iter().enumerate() {
                if i > 0 {
                    out.push_str(", ");
                }
                match item {
                    Value::Int(n) if nr == Sysno::SECCOMP => out.push_str(&super::bpf::action(*n as u32)),
                    item => plain(out, nr, item, style),
                }
            }
            out.push(']');
        }
        Value::Struct(_) if super::bpf::print(value).is_some() => {
            out.push_str(&super::bpf::print(value).unwrap_or_default());
        }
        Value::Struct(fields) => {
            out.push('{');
            for (i, (name, v)) in fields.iter().enumerate() {
                if i > 0 {
                    out.push_str(", ");
                }
                let _ = write!(out, "{name}=");
                field(out, nr, name, v, style);
            }
            out.push('}');
        }
    }
}

/// A field of a structure whose name says what it is.
fn field(out: &mut String, nr: Sysno, name: &str, value: &Value, style: &Style<'_>) {
    match (name, value) {
        ("si_signo" | "exit_signal" | "sig" | "sival_int", Value::Int(n)) if *n > 0 => {
            out.push_str(&constants::signal_name(*n));
        }
        ("si_code", Value::Int(n)) => match usize::try_from(*n).ok().and_then(|n| CHILD_CODES.get(n)) {
            Some(code) => out.push_str(code),
            None => plain(out, nr, value, style),
        },
        ("sa_handler", Value::Str(name)) => out.push_str(name),
        ("rlim_cur" | "rlim_max", Value::Int(-1)) => out.push_str("RLIM64_INFINITY"),
        ("rlim_cur" | "rlim_max", Value::Int(n)) if *n > 1024 && n % 1024 == 0 => {
            let _ = write!(out, "{}*1024", n / 1024);
        }
        ("st_mode" | "stx_mode", Value::Int(n)) => {
            let kind = match n & 0o170_000 {
                0o010_000 => "S_IFIFO|",
                0o020_000 => "S_IFCHR|",
                0o040_000 => "S_IFDIR|",
                0o060_000 => "S_IFBLK|",
                0o100_000 => "S_IFREG|",
                0o120_000 => "S_IFLNK|",
                0o140_000 => "S_IFSOCK|",
                _ => "",
            };
            let _ = write!(out, "{kind}{}", octal(n & 0o7777));
        }
        ("flags", Value::Int(n)) => match table_of_flags(nr) {
            Some(names) => flags(out, nr, names, *n as u64),
            None => plain(out, nr, value, style),
        },
        ("sa_family", Value::Int(n)) => enumerated(out, crate::syscall::net::FAMILIES, *n),
        ("sun_path", Value::Str(name)) => match name.strip_prefix('\0') {
            Some(rest) => {
                out.push('@');
                quoted(out, rest.as_bytes(), usize::MAX);
            }
            None => quoted(out, name.as_bytes(), usize::MAX),
        },
        ("msg_flags", Value::Int(n)) => flags(out, nr, crate::syscall::net::MSG_FLAGS, *n as u64),
        ("cmsg_level", Value::Int(1)) => out.push_str("SOL_SOCKET"),
        ("cmsg_type", Value::Int(1)) => out.push_str("SCM_RIGHTS"),
        ("cmsg_type", Value::Int(2)) => out.push_str("SCM_CREDENTIALS"),
        ("mode", Value::Int(n)) => out.push_str(&octal(*n)),
        _ => plain(out, nr, value, style),
    }
}

/// The names of the bits in the `flags` of a call's structure: those of its older brother's argument.
fn table_of_flags(nr: Sysno) -> Option<FlagNames> {
    let (brother, position) = match nr {
        Sysno::CLONE3 => (Sysno::CLONE, 0),
        Sysno::OPENAT2 => (Sysno::OPENAT, 2),
        _ => return None,
    };
    syscall::info(brother)?.args.get(position).and_then(constants::table)
}

/// `si_code` of `SIGCHLD`, by number.
const CHILD_CODES: [&str; 7] =
    ["SI_USER", "CLD_EXITED", "CLD_KILLED", "CLD_DUMPED", "CLD_TRAPPED", "CLD_STOPPED", "CLD_CONTINUED"];

/// What wait4(2) stores, in the words of the macros that take it apart.
pub fn wait_status(status: i32) -> String {
    let signal = status & 0x7f;
    if status == 0xffff {
        "WIFCONTINUED(s)".to_owned()
    } else if status & 0xff == 0x7f {
        format!("WIFSTOPPED(s) && WSTOPSIG(s) == {}", constants::signal_name(i64::from(status >> 8 & 0xff)))
    } else if signal == 0 {
        format!("WIFEXITED(s) && WEXITSTATUS(s) == {}", status >> 8 & 0xff)
    } else {
        let core = if status & 0x80 != 0 { " && WCOREDUMP(s)" } else { "" };
        format!("WIFSIGNALED(s) && WTERMSIG(s) == {}{core}", constants::signal_name(i64::from(signal)))
    }
}

/// Bits by name, joined with `|`; bits without a name in hexadecimal at the end.
fn flags(out: &mut String, nr: Sysno, names: FlagNames, bits: u64) {
    let mut rest = bits;
    let mut parts: Vec<String> = Vec::new();
    let mut signal = None;
    if nr == Sysno::CLONE {
        // The low byte of clone(2)'s flags is the exit signal, also where CLONE_NEWTIME would be.
        signal = Some(rest & 0xff).filter(|s| *s != 0);
        rest &= !0xff;
    }
    // The access mode of open(2) is a number, not bits: O_RDONLY is 0.
    let access = names.iter().find(|(n, v)| n.starts_with("O_") && *v == bits & 3 && *v < 3);
    if let Some((name, value)) = access {
        parts.push((*name).to_owned());
        rest &= !value;
    }
    for (name, value) in names {
        let is_access = access.is_some() && *value < 3;
        if *value != 0 && !is_access && rest & value == *value {
            parts.push((*name).to_owned());
            rest &= !value;
        }
    }
    if rest != 0 {
        parts.push(format!("{rest:#x}"));
    }
    if let Some(signal) = signal {
        parts.push(constants::signal_name(signal as i64));
    }
    if parts.is_empty() {
        let zero = names.iter().find(|(_, v)| *v == 0);
        parts.push(zero.map_or("0".to_owned(), |(n, _)| (*n).to_owned()));
    }
    out.push_str(&parts.join("|"));
}

/// One name out of a table, or the number where it has none.
fn enumerated(out: &mut String, names: FlagNames, value: i64) {
    let known = names
        .iter()
        .find(|(_, v)| *v as i64 == value)
        .or_else(|| names.iter().find(|(_, v)| *v as u32 == value as u32));
    let _ = match known {
        Some((name, _)) => write!(out, "{name}"),
        None if value < 0 => write!(out, "{value}"),
        None => write!(out, "{value:#x}"),
    };
}

/// A file mode: three digits at least, with a zero in front.
fn octal(mode: i64) -> String {
    match mode {
        0 => "000".to_owned(),
        1..0o10 => format!("00{mode:o}"),
        _ => format!("0{mode:o}"),
    }
}

/// A string in quotes with strace's escapes; cut after `limit` bytes.
fn quoted(out: &mut String, bytes: &[u8], limit: usize) {
    let shown = &bytes[..bytes.len().min(limit)];
    out.push('"');
    for (i, b) in shown.iter().enumerate() {
        match b {
            b'\n' => out.push_str("\\n"),
            b'\t' => out.push_str("\\t"),
            b'\r' => out.push_str("\\r"),
            0x0b => out.push_str("\\v"),
            0x0c => out.push_str("\\f"),
            b'"' => out.push_str("\\\""),
            b'\\' => out.push_str("\\\\"),
            b' '..=b'~' => out.push(char::from(*b)),
            _ => {
                // An octal escape is as short as the next byte allows.
                let digit_follows = shown.get(i + 1).is_some_and(u8::is_ascii_digit);
                let _ = if digit_follows { write!(out, "\\{b:03o}") } else { write!(out, "\\{b:o}") };
            }
        }
    }
    out.push('"');
    if shown.len() < bytes.len() {
        out.push_str("...");
    }
}
