//! The columns of `ps -o`: header, width, side, and where the text comes from.

use super::super::process::{PAGE, Process, TICKS, printable};
use crate::namespace::NsKind;
use crate::program::Sys;
use crate::program::accounts::Accounts;
use crate::program::calendar;

/// What the columns need beside the process.
pub struct Context {
    pub accounts: Accounts,
    /// Ticks since boot.
    pub uptime: u64,
    /// Unix time of the boot.
    pub boot_time: i64,
    /// Unix time.
    pub now: i64,
    pub total_kb: u64,
    /// How wide pids are.
    pub pid_width: usize,
}

/// On which side of its column a text stands, and how wide the column is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Shape {
    Left(usize),
    Right(usize),
    /// As wide as pids.
    Pid,
    /// To the left, longer texts are cut unless the column is the last.
    Text(usize),
    /// A name of a user or group: a longer one ends with `+`.
    Name(usize),
}

/// Name, header, shape.
struct Row(&'static str, &'static str, Shape);

use Shape::{Left, Name, Pid, Right, Text};

const ROWS: &[Row] = &[
    Row("%cpu", "%CPU", Right(4)),
    Row("%mem", "%MEM", Right(4)),
    Row("addr", "ADDR", Right(4)),
    Row("args", "COMMAND", Text(27)),
    Row("blocked", "BLOCKED", Right(16)),
    Row("bsdstart", "START", Right(6)),
    Row("bsdtime", "TIME", Right(6)),
    Row("c", "C", Right(2)),
    Row("caught", "CAUGHT", Right(16)),
    Row("cgroup", "CGROUP", Text(27)),
    Row("cgroupns", "CGROUPNS", Right(10)),
    Row("class", "CLS", Left(3)),
    Row("cls", "CLS", Right(3)),
    Row("cmd", "CMD", Text(27)),
    Row("comm", "COMMAND", Text(15)),
    Row("command", "COMMAND", Text(27)),
    Row("cp", "CP", Right(3)),
    Row("cputime", "TIME", Right(8)),
    Row("cputimes", "TIME", Right(8)),
    Row("egid", "EGID", Right(5)),
    Row("egroup", "EGROUP", Name(8)),
    Row("etime", "ELAPSED", Right(11)),
    Row("etimes", "ELAPSED", Right(7)),
    Row("euid", "EUID", Right(5)),
    Row("euser", "EUSER", Name(8)),
    Row("exe", "EXE", Text(27)),
    Row("f", "F", Right(1)),
    Row("fgid", "FGID", Right(5)),
    Row("fgroup", "FGROUP", Name(8)),
    Row("flag", "F", Right(1)),
    Row("flags", "F", Right(1)),
    Row("fname", "COMMAND", Text(8)),
    Row("fuid", "FUID", Right(5)),
    Row("fuser", "FUSER", Name(8)),
    Row("gid", "GID", Right(5)),
    Row("group", "GROUP", Name(8)),
    Row("ignored", "IGNORED", Right(16)),
    Row("ipcns", "IPCNS", Right(10)),
    Row("label", "LABEL", Text(31)),
    Row("lstart", "STARTED", Right(24)),
    Row("lwp", "LWP", Pid),
    Row("mntns", "MNTNS", Right(10)),
    Row("netns", "NETNS", Right(10)),
    Row("ni", "NI", Right(3)),
    Row("nice", "NI", Right(3)),
    Row("nlwp", "NLWP", Right(4)),
    Row("opri", "PRI", Right(3)),
    Row("pcpu", "%CPU", Right(4)),
    Row("pending", "PENDING", Right(16)),
    Row("pgid", "PGID", Pid),
    Row("pgrp", "PGRP", Pid),
    Row("pid", "PID", Pid),
    Row("pidns", "PIDNS", Right(10)),
    Row("pmem", "%MEM", Right(4)),
    Row("policy", "POL", Left(3)),
    Row("ppid", "PPID", Pid),
    Row("pri", "PRI", Right(3)),
    Row("priority", "PRI", Right(3)),
    Row("psr", "PSR", Right(3)),
    Row("rgid", "RGID", Right(5)),
    Row("rgroup", "RGROUP", Name(8)),
    Row("rss", "RSS", Right(5)),
    Row("rssize", "RSS", Right(5)),
    Row("rsz", "RSZ", Right(5)),
    Row("rtprio", "RTPRIO", Right(6)),
    Row("ruid", "RUID", Right(5)),
    Row("ruser", "RUSER", Name(8)),
    Row("s", "S", Left(1)),
    Row("sess", "SESS", Pid),
    Row("session", "SESS", Pid),
    Row("sgid", "SGID", Right(5)),
    Row("sgroup", "SGROUP", Name(8)),
    Row("sid", "SID", Pid),
    Row("start", "STARTED", Right(8)),
    Row("start_time", "START", Right(5)),
    Row("spid", "SPID", Pid),
    Row("stat", "STAT", Left(4)),
    Row("state", "S", Left(1)),
    Row("stime", "STIME", Right(5)),
    Row("suid", "SUID", Right(5)),
    Row("supgid", "SUPGID", Text(20)),
    Row("supgrp", "SUPGRP", Text(40)),
    Row("suser", "SUSER", Name(8)),
    Row("sz", "SZ", Right(5)),
    Row("tgid", "TGID", Pid),
    Row("thcount", "THCNT", Right(5)),
    Row("tid", "TID", Pid),
    Row("time", "TIME", Right(8)),
    Row("times", "TIME", Right(8)),
    Row("timens", "TIMENS", Right(10)),
    Row("tname", "TTY", Left(8)),
    Row("tpgid", "TPGID", Pid),
    Row("tt", "TT", Left(8)),
    Row("tty", "TT", Left(8)),
    Row("ucmd", "CMD", Text(15)),
    Row("ucomm", "COMMAND", Text(15)),
    Row("uid", "UID", Right(5)),
    Row("uname", "USER", Name(8)),
    Row("user", "USER", Name(8)),
    Row("userns", "USERNS", Right(10)),
    Row("utsns", "UTSNS", Right(10)),
    Row("vsize", "VSZ", Right(6)),
    Row("vsz", "VSZ", Right(6)),
    Row("wchan", "WCHAN", Text(6)),
];

/// A column of the output.
pub struct Column {
    name: &'static str,
    pub header: String,
    shape: Shape,
    /// Given with `:WIDTH`.
    forced: Option<usize>,
}

impl Column {
    /// The column of this name, with its own header.
    pub fn named(name: &str) -> Option<Column> {
        let row = ROWS.iter().find(|r| r.0 == name)?;
        Some(Column { name: row.0, header: row.1.to_owned(), shape: row.2, forced: None })
    }

    /// The same with another header: a longer one widens the column.
    #[must_use]
    pub fn titled(mut self, header: &str) -> Column {
        header.clone_into(&mut self.header);
        self
    }

    /// The same with this width.
    #[must_use]
    pub fn wide(mut self, width: usize) -> Column {
        self.forced = Some(width);
        self
    }

    /// Whether it is the column of this name.
    pub fn is(&self, name: &str) -> bool {
        self.name == name
    }

    /// Whether it tells what runs, and so shows the shape of a forest.
    pub fn shows_forest(&self) -> bool {
        matches!(self.name, "args" | "cmd" | "command" | "comm" | "ucmd" | "ucomm")
    }

    /// How wide the column is.
    pub fn width(&self, context: &Context) -> usize {
        let own = match self.shape {
            Left(w) | Right(w) | Text(w) | Name(w) => w,
            Pid => context.pid_width,
        };
        self.forced.unwrap_or(own.max(self.header.chars().count()))
    }

    /// Whether texts stand to the right.
    pub fn is_right(&self) -> bool {
        matches!(self.shape, Right(_) | Pid)
    }

    /// Whether longer texts are cut.
    pub fn truncates(&self) -> bool {
        matches!(self.shape, Text(_))
    }

    /// What the column says about a process.
    pub async fn text(&self, sys: &Sys, p: &Process, context: &Context) -> String {
        if let Some(kind) = self.name.strip_suffix("ns").and_then(NsKind::from_name) {
            let stat = sys.stat(&format!("/proc/{}/ns/{}", p.pid, kind.name())).await;
            return stat.map_or_else(|_| "-".to_owned(), |s| s.st_ino.to_string());
        }
        match self.name {
            "cgroup" => {
                let text = sys.read_file(&format!("/proc/{}/cgroup", p.pid)).await.unwrap_or_default();
                let list = text.lines().map(str::trim).filter(|l| !l.is_empty()).collect::<Vec<_>>().join(",");
                if list.is_empty() { "-".to_owned() } else { list }
            }
            "exe" => sys.readlink(&format!("/proc/{}/exe", p.pid)).await.unwrap_or_else(|_| "-".to_owned()),
            "label" => {
                let text = sys.read_file(&format!("/proc/{}/attr/current", p.pid)).await.unwrap_or_default();
                let text = text.trim_end_matches(['\n', '\0']);
                if text.is_empty() { "-".to_owned() } else { text.to_owned() }
            }
            "wchan" if p.state == 'R' => "-".to_owned(),
            "wchan" => {
                let text = sys.read_file(&format!("/proc/{}/wchan", p.pid)).await.unwrap_or_default();
                if text.is_empty() || text == "0" { "-".to_owned() } else { text }
            }
            _ => self.plain(p, context),
        }
    }

    /// What the column is sorted by where that is a number.
    pub fn number(&self, p: &Process, context: &Context) -> Option<i64> {
        Some(match self.name {
            "%cpu" | "pcpu" | "c" | "cp" => permille_of_cpu(p, context) as i64,
            "%mem" | "pmem" | "rss" | "rsz" | "rssize" => p.rss as i64,
            "vsz" | "vsize" | "sz" => p.vsize as i64,
            "time" | "cputime" | "times" | "cputimes" | "bsdtime" => (p.utime + p.stime) as i64,
            "start" | "lstart" | "stime" | "start_time" | "bsdstart" => p.start_time as i64,
            "etime" | "etimes" => age(p, context) as i64,
            _ => return self.plain(p, context).parse().ok(),
        })
    }

    /// What the column says where everything needed has been read.
    pub fn plain(&self, p: &Process, context: &Context) -> String {
        let name = |text: String| match self.shape {
            Name(_) => {
                let width = self.width(context);
                if text.chars().count() > width {
                    text.chars().take(width.saturating_sub(1)).chain(['+']).collect()
                } else {
                    text
                }
            }
            _ => text,
        };
        let user = |i: usize| name(context.accounts.user_name(p.uids[i]));
        let group = |i: usize| name(context.accounts.group_name(p.gids[i]));
        let mask = |field: &str| p.status_field(field).unwrap_or("-").to_owned();
        match self.name {
            "pid" | "tgid" => p.pid.to_string(),
            "tid" | "lwp" | "spid" => p.tid.to_string(),
            "ppid" => p.ppid.to_string(),
            "pgid" | "pgrp" => p.pgrp.to_string(),
            "sid" | "sess" | "session" => p.session.to_string(),
            "tpgid" => p.tpgid.to_string(),
            "tty" | "tt" | "tname" => p.tty_name(),
            "stat" => p.stat_letters(),
            "s" | "state" => p.state.to_string(),
            "comm" | "ucmd" | "ucomm" => p.comm_printable(),
            "fname" => printable(&p.comm).chars().take(8).collect(),
            "args" | "cmd" | "command" => p.args(),
            "ruid" => p.uids[0].to_string(),
            "uid" | "euid" => p.uids[1].to_string(),
            "suid" => p.uids[2].to_string(),
            "fuid" => p.uids[3].to_string(),
            "rgid" => p.gids[0].to_string(),
            "gid" | "egid" => p.gids[1].to_string(),
            "sgid" => p.gids[2].to_string(),
            "fgid" => p.gids[3].to_string(),
            "ruser" => user(0),
            "user" | "euser" | "uname" => user(1),
            "suser" => user(2),
            "fuser" => user(3),
            "rgroup" => group(0),
            "group" | "egroup" => group(1),
            "sgroup" => group(2),
            "fgroup" => group(3),
            "supgid" => list(p.groups.iter().map(u32::to_string)),
            "supgrp" => list(p.groups.iter().map(|g| context.accounts.group_name(*g))),
            "nlwp" | "thcount" => p.threads.to_string(),
            "ni" | "nice" => p.nice.to_string(),
            "pri" => (39 - p.priority).to_string(),
            "opri" => (60 + p.priority).to_string(),
            "priority" => p.priority.to_string(),
            "psr" => p.processor.to_string(),
            "rtprio" | "addr" => "-".to_owned(),
            "class" | "cls" | "policy" => "TS".to_owned(),
            "f" | "flag" | "flags" => format!("{:o}", (p.flags >> 6) & 7),
            "vsz" | "vsize" => (p.vsize / 1024).to_string(),
            "sz" => (p.vsize / PAGE).to_string(),
            "rss" | "rsz" | "rssize" => (p.rss * PAGE / 1024).to_string(),
            "%cpu" | "pcpu" => tenths(permille_of_cpu(p, context)),
            "c" | "cp" => (permille_of_cpu(p, context) / 10).min(99).to_string(),
            "%mem" | "pmem" => tenths((p.rss * PAGE / 1024 * 1000).checked_div(context.total_kb).unwrap_or(0).min(999)),
            "time" | "cputime" => long_time((p.utime + p.stime) / TICKS),
            "times" | "cputimes" => ((p.utime + p.stime) / TICKS).to_string(),
            "bsdtime" => {
                let seconds = (p.utime + p.stime) / TICKS;
                format!("{}:{:02}", seconds / 60, seconds % 60)
            }
            "etime" => elapsed(age(p, context)),
            "etimes" => age(p, context).to_string(),
            "start" => self.started(p, context, "%H:%M:%S", "  %b %d"),
            "lstart" => calendar::strftime("%a %b %e %H:%M:%S %Y", start_time(p, context), 0),
            "stime" | "start_time" => self.started(p, context, "%H:%M", "%b%d"),
            "bsdstart" => self.started(p, context, "%H:%M", "%b %e"),
            "pending" => mask("ShdPnd"),
            "blocked" => mask("SigBlk"),
            "ignored" => mask("SigIgn"),
            "caught" => mask("SigCgt"),
            _ => "-".to_owned(),
        }
    }

    /// The time of day for what began today (within a day, for `start`), the date for older ones.
    fn started(&self, p: &Process, context: &Context, today: &str, older: &str) -> String {
        let at = start_time(p, context);
        let is_recent = match self.name {
            "stime" | "start_time" => at / 86_400 == context.now / 86_400,
            _ => context.now - at < 24 * 3600,
        };
        calendar::strftime(if is_recent { today } else { older }, at, 0)
    }
}

fn list(items: impl Iterator<Item = String>) -> String {
    let text = items.collect::<Vec<_>>().join(",");
    if text.is_empty() { "-".to_owned() } else { text }
}

fn start_time(p: &Process, context: &Context) -> i64 {
    context.boot_time + (p.start_time / TICKS) as i64
}

/// Seconds since the process began.
fn age(p: &Process, context: &Context) -> u64 {
    context.uptime.saturating_sub(p.start_time) / TICKS
}

fn permille_of_cpu(p: &Process, context: &Context) -> u64 {
    ((p.utime + p.stime) * 1000 / TICKS).checked_div(age(p, context)).unwrap_or(0)
}

fn tenths(n: u64) -> String {
    if n > 999 { (n / 10).to_string() } else { format!("{}.{}", n / 10, n % 10) }
}

/// `[DD-]HH:MM:SS`
fn long_time(seconds: u64) -> String {
    let days = seconds / 86_400;
    let day = if days > 0 { format!("{days}-") } else { String::new() };
    format!("{day}{:02}:{:02}:{:02}", seconds / 3600 % 24, seconds / 60 % 60, seconds % 60)
}

/// `[[DD-]HH:]MM:SS`
fn elapsed(seconds: u64) -> String {
    match seconds {
        0..3600 => format!("{:02}:{:02}", seconds / 60, seconds % 60),
        _ => long_time(seconds),
    }
}
