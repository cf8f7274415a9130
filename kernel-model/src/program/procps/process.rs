//! What `/proc` tells about a process, read as libproc2 reads it.

use crate::errno::Errno;
use crate::program::Sys;

/// Clock ticks in a second (`sysconf(_SC_CLK_TCK)`).
pub const TICKS: u64 = 100;
/// Bytes in a page.
pub const PAGE: u64 = 4096;

/// A process as `/proc/PID/stat`, `status` and `cmdline` show it.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
#[allow(missing_docs)] // the fields of proc(5)
pub struct Process {
    pub pid: i32,
    /// The thread that is meant: the pid again, unless it was asked for another one.
    pub tid: i32,
    pub comm: String,
    pub state: char,
    pub ppid: i32,
    pub pgrp: i32,
    pub session: i32,
    pub tty: u64,
    pub tpgid: i32,
    pub flags: u64,
    pub utime: u64,
    pub stime: u64,
    pub priority: i64,
    pub nice: i64,
    pub threads: u64,
    /// In ticks since boot.
    pub start_time: u64,
    /// In bytes.
    pub vsize: u64,
    /// In pages.
    pub rss: u64,
    pub processor: i64,
    /// Real, effective, saved and file-system user id.
    pub uids: [u32; 4],
    /// Real, effective, saved and file-system group id.
    pub gids: [u32; 4],
    pub groups: Vec<u32>,
    pub locked_kb: u64,
    /// Everything in `status`, for what is shown as it is there.
    pub status: Vec<(String, String)>,
    /// Arguments.
    pub argv: Vec<String>,
}

impl Process {
    /// A line of `/proc/PID/status`.
    pub fn status_field(&self, name: &str) -> Option<&str> {
        self.status.iter().find(|(n, _)| n == name).map(|(_, v)| v.as_str())
    }

    /// The command line as ps shows it: arguments with blanks between them, `[comm]` where there are none.
    pub fn args(&self) -> String {
        let mut line = self.command_line();
        if self.argv.is_empty() {
            line = format!("[{}]", self.comm);
        }
        self.marked(&line)
    }

    /// Its arguments with blanks between them, and also where there were newlines (`read_unvectored`).
    pub fn command_line(&self) -> String {
        self.argv.join(" ").replace('\n', " ")
    }

    /// The name of the program.
    pub fn comm_printable(&self) -> String {
        printable(&self.comm)
    }

    fn marked(&self, text: &str) -> String {
        let text = printable(text);
        if self.state == 'Z' { format!("{text} <defunct>") } else { text }
    }

    /// The letters of `ps -o stat`.
    pub fn stat_letters(&self) -> String {
        let mut text = String::from(self.state);
        for (letter, applies) in [
            ('<', self.nice < 0),
            ('N', self.nice > 0),
            ('L', self.locked_kb > 0),
            ('s', self.session == self.pid),
            ('l', self.threads > 1),
            ('+', self.pgrp == self.tpgid),
        ] {
            if applies {
                text.push(letter);
            }
        }
        text
    }

    /// The terminal's name, `?` without one.
    pub fn tty_name(&self) -> String {
        let (major, minor) = ((self.tty >> 8) & 0xfff, (self.tty & 0xff) | ((self.tty >> 12) & 0xfff00));
        match major {
            0 => "?".to_owned(),
            136..=143 => format!("pts/{}", (major - 136) * 256 + minor),
            4 if minor < 64 => format!("tty{minor}"),
            4 => format!("ttyS{}", minor - 64),
            5 if minor == 1 => "console".to_owned(),
            5 => "tty".to_owned(),
            _ => format!("{major:x}:{minor:x}"),
        }
    }
}

/// Control characters as dots.
pub fn printable(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { '.' } else { c }).collect()
}

impl Sys {
    /// Reads one process.
    ///
    /// # Errors
    /// Those of opening `/proc/PID/stat` and `status`: mostly ENOENT or ESRCH, when it is gone.
    pub async fn process(&self, pid: &str) -> Result<Process, Errno> {
        let stat = self.read_file(&format!("/proc/{pid}/stat")).await?;
        let status = self.read_file(&format!("/proc/{pid}/status")).await?;
        let mut process = parse_stat(&stat).ok_or(Errno::EIO)?;
        take_status(&mut process, &status);
        Ok(process)
    }

    /// The threads of a process, each with the name and the arguments that the process has.
    pub async fn threads_of(&self, process: &Process) -> Vec<Process> {
        let mut all = Vec::new();
        for entry in self.read_dir(&format!("/proc/{}/task", process.pid)).await.unwrap_or_default() {
            if entry.d_name.starts_with('.') {
                continue;
            }
            if let Ok(thread) = self.process(&format!("{}/task/{}", process.pid, entry.d_name)).await {
                all.push(Process { pid: process.pid, argv: process.argv.clone(), ..thread });
            }
        }
        all
    }

    /// Reads the arguments of a process into it.
    pub async fn read_cmdline(&self, process: &mut Process) {
        let text = self.read_file(&format!("/proc/{}/cmdline", process.pid)).await.unwrap_or_default();
        let text = text.strip_suffix('\0').unwrap_or(&text);
        process.argv = if text.is_empty() { Vec::new() } else { text.split('\0').map(str::to_owned).collect() };
    }

    /// Every process that `/proc` shows, in the order of the directory; with their arguments.
    ///
    /// # Errors
    /// When `/proc` cannot be read.
    pub async fn processes(&self) -> Result<Vec<Process>, Errno> {
        let mut all = Vec::new();
        for entry in self.read_dir("/proc").await? {
            if !entry.d_name.bytes().all(|b| b.is_ascii_digit()) {
                continue;
            }
            // One that has ended in the meantime is no longer there.
            if let Ok(mut process) = self.process(&entry.d_name).await {
                self.read_cmdline(&mut process).await;
                all.push(process);
            }
        }
        Ok(all)
    }

    /// Seconds since boot, in hundredths, as `/proc/uptime` has them.
    pub async fn uptime_ticks(&self) -> u64 {
        let text = self.read_file("/proc/uptime").await.unwrap_or_default();
        let first = text.split_whitespace().next().unwrap_or("0");
        let (seconds, hundredths) = first.split_once('.').unwrap_or((first, "0"));
        seconds.parse::<u64>().unwrap_or(0) * 100 + hundredths.parse::<u64>().unwrap_or(0)
    }
}

/// proc_pid_stat(5). The name may contain blanks and brackets, so the last bracket counts.
fn parse_stat(text: &str) -> Option<Process> {
    let (pid, rest) = text.split_once(" (")?;
    let (comm, rest) = rest.rsplit_once(") ")?;
    let field: Vec<&str> = rest.split_whitespace().collect();
    let int = |i: usize| field.get(i).and_then(|f| f.parse::<i64>().ok()).unwrap_or(0);
    let uint = |i: usize| field.get(i).and_then(|f| f.parse::<u64>().ok()).unwrap_or(0);
    let pid = pid.parse().ok()?;
    Some(Process {
        pid,
        tid: pid,
        comm: comm.to_owned(),
        state: field.first()?.chars().next()?,
        ppid: int(1) as i32,
        pgrp: int(2) as i32,
        session: int(3) as i32,
        tty: uint(4),
        tpgid: int(5) as i32,
        flags: uint(6),
        utime: uint(11),
        stime: uint(12),
        priority: int(15),
        nice: int(16),
        threads: uint(17),
        start_time: uint(19),
        vsize: uint(20),
        rss: uint(21),
        processor: int(36),
        ..Process::default()
    })
}

fn take_status(process: &mut Process, text: &str) {
    process.status = text
        .lines()
        .filter_map(|l| l.split_once(':'))
        .map(|(name, value)| (name.to_owned(), value.trim().to_owned()))
        .collect();
    let numbers = |name: &str| -> Vec<u32> {
        let text = process.status_field(name).unwrap_or_default();
        text.split_whitespace().filter_map(|n| n.parse().ok()).collect()
    };
    let four = |list: Vec<u32>| std::array::from_fn(|i| list.get(i).copied().unwrap_or(0));
    let (uids, gids, groups) = (four(numbers("Uid")), four(numbers("Gid")), numbers("Groups"));
    let locked = numbers("VmLck").first().copied().unwrap_or(0);
    (process.uids, process.gids, process.groups, process.locked_kb) = (uids, gids, groups, locked.into());
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_with_brackets_does_not_confuse() {
        let p = parse_stat("7 (a) b (c) S 1 7 7 34816 7 4194304 1 2 3 4 5 6 0 0 20 0 1 0 300 4096 2").expect("a line");
        assert_eq!((p.pid, p.comm.as_str(), p.state, p.ppid), (7, "a) b (c", 'S', 1));
        assert_eq!((p.start_time, p.rss, p.tty_name().as_str()), (300, 2, "pts/0"));
        assert_eq!(p.stat_letters(), "Ss+");
    }
}
