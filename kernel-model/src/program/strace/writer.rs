//! What is printed of each thing that a tracee does. A call and its result are one line, unless something
//! else happens between them: then the line is cut off with `<unfinished ...>` and taken up again later.

use std::collections::BTreeMap;

use super::Live;
use super::filter::Filter;
use super::summary::Summary;
use crate::errno::Errno;
use crate::program::Sys;
use crate::strace::print::{self, Style};
use crate::syscall::{Call, CallResult, Ret, Sysno, Value};
use crate::task::signal::Signal;
use crate::vfs::fd_table::Fd;

/// Calls whose result is a descriptor.
const OPENERS: [Sysno; 14] = [
    Sysno::OPEN,
    Sysno::OPENAT,
    Sysno::OPENAT2,
    Sysno::CREAT,
    Sysno::DUP,
    Sysno::DUP2,
    Sysno::DUP3,
    Sysno::SOCKET,
    Sysno::MEMFD_CREATE,
    Sysno::PIDFD_OPEN,
    Sysno::FSOPEN,
    Sysno::FSMOUNT,
    Sysno::OPEN_TREE,
    Sysno::FSPICK,
];

/// A call that has begun.
struct Begun {
    call: Call,
    paths: Vec<(i64, String)>,
    cpu_time: u64,
    /// Its line has been cut off.
    cut: bool,
}

/// Prints what tracees do.
pub struct Writer<'a> {
    sys: &'a Sys,
    out: Fd,
    filter: Filter,
    strings: usize,
    /// Descriptors are shown with what they are open on.
    pub paths: bool,
    /// Each line begins with the number of its process.
    pub columns: bool,
    /// Lines begin with `[pid N]` while there are several processes.
    pub brackets: bool,
    /// Nothing is said about attaching.
    pub quiet: bool,
    /// Calls are counted instead.
    pub counts: bool,
    /// The processes that are watched.
    pub live: Live,
    /// A child that has not begun its program: what it does until then is not shown.
    starting: Option<i32>,
    begun: BTreeMap<i32, Begun>,
    /// Whose line is not ended yet.
    open_line: Option<i32>,
    summary: Summary,
}

impl<'a> Writer<'a> {
    /// Prints to a descriptor.
    pub fn new(sys: &'a Sys, out: Fd, filter: Filter, strings: usize) -> Writer<'a> {
        Writer {
            sys,
            out,
            filter,
            strings,
            paths: false,
            columns: false,
            brackets: true,
            quiet: false,
            counts: false,
            live: Live::new(),
            starting: None,
            begun: BTreeMap::new(),
            open_line: None,
            summary: Summary::default(),
        }
    }

    /// A child will run the command.
    pub fn expect_program(&mut self, child: i32) {
        self.starting = Some(child);
        self.live.insert(child);
    }

    /// A process is watched from now on.
    pub async fn attached(&mut self, pid: i32) {
        self.live.insert(pid);
        self.message(&format!("Process {pid} attached")).await;
    }

    /// Something about the tracing itself.
    pub async fn message(&self, text: &str) {
        if !self.quiet {
            self.sys.eprint(format!("strace: {text}\n")).await;
        }
    }

    /// The end: a table, if that was asked for.
    pub async fn finish(&mut self) {
        self.cut_line(None).await;
        if self.counts {
            let text = self.summary.text();
            self.write(&text).await;
        }
    }

    async fn write(&self, text: &str) {
        // A log that cannot be written has nowhere to be reported.
        let _ = self.sys.write_all(self.out, text.as_bytes()).await;
    }

    async fn line(&self, pid: i32, text: &str) {
        if self.counts {
            return;
        }
        let line = if self.columns {
            format!("{pid:<5} {text}\n")
        } else if self.brackets && self.live.len() > 1 {
            format!("[pid {pid:>5}] {text}\n")
        } else {
            format!("{text}\n")
        };
        self.write(&line).await;
    }

    fn style<'p>(&self, paths: &'p [(i64, String)]) -> Style<'p> {
        Style { strings: self.strings, paths: if self.paths { paths } else { &[] } }
    }

    /// One thing that a tracee did (`PTRACE_GET_SYSCALL_INFO`).
    pub async fn record(&mut self, record: &Value) {
        let int = |name: &str| record.field(name).and_then(Value::as_int);
        let pid = int("pid").unwrap_or(0) as i32;
        let op = record.field("op").and_then(Value::as_str).unwrap_or_default();
        let cpu_time = int("cpu_time").unwrap_or(0) as u64;
        if self.starting == Some(pid) {
            if op != "entry" || int("nr") != Some(i64::from(Sysno::EXECVE.0)) {
                if op == "gone" {
                    self.live.remove(&pid);
                }
                return;
            }
            self.starting = None;
        }
        match op {
            "attach" => {
                self.cut_line(None).await;
                self.attached(pid).await;
            }
            "entry" => {
                let nr = Sysno(int("nr").unwrap_or(0) as u16);
                let args = record.field("args").and_then(Value::as_list).unwrap_or_default().to_vec();
                let begun = Begun { call: Call { nr, args }, paths: paths_of(record), cpu_time, cut: false };
                if self.filter.shows(nr) {
                    self.cut_line(None).await;
                    self.open_line = Some(pid);
                    self.begun.insert(pid, begun);
                } else {
                    self.begun.remove(&pid);
                }
            }
            "exit" => self.returned(pid, record, cpu_time).await,
            "signal" => {
                let signal = Signal::from_number(int("signal").unwrap_or(0));
                if let Some(signal) = signal.filter(|s| self.filter.shows_signal(*s)) {
                    self.cut_line(None).await;
                    let name = signal.short_name();
                    self.line(pid, &format!("--- SIG{name} {{si_signo=SIG{name}}} ---")).await;
                }
            }
            _ => self.gone(pid, int("status").unwrap_or(0) as i32).await,
        }
    }

    /// Ends the line that is open, unless it is `except`'s.
    async fn cut_line(&mut self, except: Option<i32>) {
        let Some(pid) = self.open_line.filter(|p| Some(*p) != except) else { return };
        self.open_line = None;
        let Some(begun) = self.begun.get_mut(&pid) else { return };
        begun.cut = true;
        let begun = &self.begun[&pid];
        let args = print::arguments(&begun.call, None, &self.style(&begun.paths));
        let shown = print::shown_at_entry(&begun.call).min(args.len());
        let more = if shown < args.len() && shown > 0 { ", " } else { "" };
        let text = format!("{}({}{more} <unfinished ...>", begun.call.nr.name(), args[..shown].join(", "));
        self.line(pid, &text).await;
    }

    async fn returned(&mut self, pid: i32, record: &Value, cpu_time: u64) {
        let Some(begun) = self.begun.remove(&pid) else { return };
        let result = result_of(record);
        let nr = begun.call.nr;
        self.summary.add(nr, result.is_err(), cpu_time.saturating_sub(begun.cpu_time));
        self.cut_line(Some(pid)).await;
        self.open_line = None;
        let own = paths_of(record);
        let answer = match &result {
            Ok(ret) if OPENERS.contains(&nr) => self.style(&own).descriptor(ret.value),
            other => print::print_result(nr, other),
        };
        let head = self.head(&begun, Some(&result));
        self.line(pid, &format!("{head:<39} = {answer}")).await;
    }

    /// The call itself, or what is left of it after its line was cut off.
    fn head(&self, begun: &Begun, result: Option<&CallResult>) -> String {
        let args = print::arguments(&begun.call, result, &self.style(&begun.paths));
        let name = begun.call.nr.name();
        if !begun.cut {
            return format!("{name}({})", args.join(", "));
        }
        let shown = print::shown_at_entry(&begun.call).min(args.len());
        format!("<... {name} resumed>{})", args[shown..].join(", "))
    }

    async fn gone(&mut self, pid: i32, status: i32) {
        self.cut_line(Some(pid)).await;
        self.open_line = None;
        if let Some(begun) = self.begun.remove(&pid) {
            self.summary.add(begun.call.nr, false, 0);
            let head = self.head(&begun, None);
            self.line(pid, &format!("{head:<39} = ?")).await;
        }
        let signal = status & 0x7f;
        let text = match Signal::from_number(i64::from(signal)) {
            Some(signal) if status & 0x80 != 0 => format!("+++ killed by SIG{} (core dumped) +++", signal.short_name()),
            Some(signal) => format!("+++ killed by SIG{} +++", signal.short_name()),
            None => format!("+++ exited with {} +++", status >> 8 & 0xff),
        };
        self.line(pid, &text).await;
        self.live.remove(&pid);
    }
}

fn paths_of(record: &Value) -> Vec<(i64, String)> {
    let list = record.field("paths").and_then(Value::as_list).unwrap_or_default();
    let path = |v: &Value| Some((v.field("fd")?.as_int()?, v.field("path")?.as_str()?.to_owned()));
    list.iter().filter_map(path).collect()
}

fn result_of(record: &Value) -> CallResult {
    if let Some(errno) = record.field("errno").and_then(Value::as_int) {
        return Err(Errno::from_number(errno as i32).unwrap_or(Errno::EIO));
    }
    let value = record.field("rval").and_then(Value::as_int).unwrap_or(0);
    let list = record.field("out").and_then(Value::as_list).unwrap_or_default();
    let out = list.iter().filter_map(|v| Some((v.field("at")?.as_int()? as u8, v.field("value")?.clone())));
    Ok(Ret { value, out: out.collect() })
}
