//! Builtins about children and signals.

use super::super::state::Job;
use super::super::trap::{signal_number, trap_name};
use super::super::{Run, Shell};
use crate::errno::Errno;
use crate::program::libc::WaitStatus;
use crate::task::signal::Signal;

impl Shell {
    pub(super) async fn builtin_jobs(&mut self, args: &[String]) -> Run<i32> {
        let (mut long, mut pids) = (false, false);
        for arg in args.iter().take_while(|a| a.starts_with('-')) {
            for letter in arg.chars().skip(1) {
                match letter {
                    'l' => long = true,
                    'p' => pids = true,
                    'n' | 'r' | 's' => {}
                    _ => return self.bad_option("jobs", &format!("-{letter}")).await,
                }
            }
        }
        self.reap().await;
        let specs: Vec<&String> = args.iter().filter(|a| !a.starts_with('-')).collect();
        for spec in &specs {
            if self.find_job(spec).is_none() {
                return self.fail("jobs", &format!("{spec}: no such job"), 1).await;
            }
        }
        let wanted: Vec<u32> = specs.iter().filter_map(|s| self.find_job(s)).map(|j| j.number).collect();
        for index in 0..self.st.jobs.len() {
            let Some(job) = self.st.jobs.get(index) else { break };
            if !specs.is_empty() && !wanted.contains(&job.number) {
                continue;
            }
            let line = if pids {
                format!("{}\n", job.children.first().map_or(0, |c| c.0))
            } else {
                self.describe_job(index, long)
            };
            self.out.push_str(&line);
        }
        self.st.jobs.retain(|job| !job.is_done());
        Ok(0)
    }

    pub(super) async fn builtin_disown(&mut self, args: &[String]) -> Run<i32> {
        let (mut all, mut keep) = (false, false);
        let mut specs = args;
        while let Some((first, rest)) = specs.split_first().filter(|(f, _)| f.starts_with('-') && f.len() > 1) {
            for letter in first.chars().skip(1) {
                match letter {
                    'a' | 'r' => all = true,
                    'h' => keep = true,
                    '-' => {}
                    _ => return self.bad_option("disown", &format!("-{letter}")).await,
                }
            }
            specs = rest;
        }
        if specs.is_empty() {
            let last = self.st.jobs.last().map(|job| job.number);
            if !all && last.is_none() {
                return self.fail("disown", "current: no such job", 1).await;
            }
            self.st.jobs.retain(|job| keep || !(all || Some(job.number) == last));
            return Ok(0);
        }
        let mut status = 0;
        for spec in specs {
            let by_pid = spec.parse::<i32>().ok();
            let found = self.find_job(spec).map(|job| job.number).or_else(|| {
                let mut jobs = self.st.jobs.iter();
                jobs.find(|job| job.children.iter().any(|(pid, _)| Some(*pid) == by_pid)).map(|job| job.number)
            });
            match found {
                Some(number) => self.st.jobs.retain(|job| keep || job.number != number),
                None => status = self.fail("disown", &format!("{spec}: no such job"), 1).await?,
            }
        }
        Ok(status)
    }

    pub(super) async fn builtin_kill(&mut self, args: &[String]) -> Run<i32> {
        let mut signal = Signal::TERM.0;
        let mut args = args;
        while let Some((first, rest)) = args.split_first() {
            match first.as_str() {
                "-l" | "-L" => return self.list_signals(rest).await,
                "-s" | "-n" => {
                    let Some((name, rest)) = rest.split_first() else {
                        return self.fail("kill", &format!("{first}: option requires an argument"), 1).await;
                    };
                    match signal_number(name) {
                        Some(number) => signal = number,
                        None => return self.fail("kill", &format!("{name}: invalid signal specification"), 1).await,
                    }
                    args = rest;
                    continue;
                }
                "--" => {
                    args = rest;
                    break;
                }
                name if name.starts_with('-') && name.len() > 1 => match signal_number(&name[1..]) {
                    Some(number) => signal = number,
                    None => {
                        return self.fail("kill", &format!("{}: invalid signal specification", &name[1..]), 1).await;
                    }
                },
                _ => break,
            }
            args = rest;
            // Only one signal; a second one with a dash is a process group.
            if args.first().is_some_and(|a| a.starts_with('-') && a != "--") {
                break;
            }
        }
        if args.is_empty() {
            return self.usage("kill").await;
        }
        let mut any = false;
        for arg in args.iter().filter(|a| *a != "--") {
            if arg.starts_with('%') {
                let Some(job) = self.find_job(arg).cloned() else {
                    self.complain(&format!("kill: {arg}: no such job")).await;
                    continue;
                };
                for (pid, status) in &job.children {
                    if status.is_none() {
                        any |= self.send(*pid, signal).await;
                    }
                }
                continue;
            }
            match arg.parse::<i32>() {
                Ok(pid) => any |= self.send(pid, signal).await,
                Err(_) => self.complain(&format!("kill: {arg}: arguments must be process or job IDs")).await,
            }
        }
        Ok(i32::from(!any))
    }

    async fn send(&mut self, pid: i32, signal: u8) -> bool {
        match self.sys.kill(pid, i64::from(signal)).await {
            Ok(()) => true,
            Err(e) => {
                self.complain(&format!("kill: ({pid}) - {e}")).await;
                false
            }
        }
    }

    async fn list_signals(&mut self, names: &[String]) -> Run<i32> {
        let mut status = 0;
        if names.is_empty() {
            // In POSIX mode the names stand in one line.
            let all: Vec<String> = (1..=64u8).filter(|n| !matches!(n, 32 | 33)).map(|n| rt_name(Signal(n))).collect();
            self.out.push_str(&format!("{}\n", all.join(" ")));
        }
        for name in names {
            match name.parse::<i64>() {
                Ok(n) => match Signal::from_number(if n > 128 { n - 128 } else { n }) {
                    Some(signal) => self.out.push_str(&format!("{}\n", rt_name(signal))),
                    None => {
                        self.complain(&format!("kill: {name}: invalid signal specification")).await;
                        status = 1;
                    }
                },
                Err(_) => match signal_number(name) {
                    Some(number) => self.out.push_str(&format!("{number}\n")),
                    None => {
                        self.complain(&format!("kill: {name}: invalid signal specification")).await;
                        status = 1;
                    }
                },
            }
        }
        Ok(status)
    }

    pub(super) async fn builtin_wait(&mut self, args: &[String]) -> Run<i32> {
        if args.first().is_some_and(|a| a == "-n") {
            return self.wait_any().await;
        }
        let args: Vec<&String> = args.iter().filter(|a| !matches!(a.as_str(), "--" | "-f")).collect();
        if let Some(option) = args.iter().find(|a| a.starts_with('-')) {
            return self.bad_option("wait", option).await;
        }
        if args.is_empty() {
            // One after the other; who has been waited for is forgotten, as POSIX wants it (`wait_for_single_pid`).
            while let Some(number) = self.st.jobs.iter().find(|j| !j.is_done()).map(|j| j.number) {
                while self.st.jobs.iter().any(|j| j.number == number && !j.is_done()) {
                    if let Some(status) = self.wait_once().await {
                        return Ok(status);
                    }
                }
                self.st.jobs.retain(|j| j.number != number);
            }
            // Of those that had ended before, a script keeps that of `$!` until somebody asks for it
            // (`mark_dead_jobs_as_notified`).
            let last = self.st.last_background.filter(|_| !self.st.interactive);
            self.st.jobs.retain(|job| last.is_some() && job.children.last().map(|c| c.0) == last);
            return Ok(0);
        }
        let mut status = 0;
        for arg in args {
            let pids: Vec<i32> = if arg.starts_with('%') {
                match self.find_job(arg) {
                    Some(job) => job.children.iter().map(|c| c.0).collect(),
                    None => {
                        status = self.fail("wait", &format!("{arg}: no such job"), 127).await?;
                        continue;
                    }
                }
            } else {
                match arg.parse::<i32>() {
                    Ok(pid) => vec![pid],
                    Err(_) => {
                        status = self.fail("wait", &format!("`{arg}': not a pid or valid job spec"), 2).await?;
                        continue;
                    }
                }
            };
            for pid in pids {
                status = match self.wait_pid(pid).await {
                    Ok(status) => status,
                    Err(Some(signal)) => return Ok(signal),
                    Err(None) => {
                        let message = format!("pid {pid} is not a child of this shell");
                        self.fail("wait", &message, 127).await?
                    }
                };
            }
        }
        Ok(status)
    }

    /// Waits for one child. `Err(None)` when it is none, `Err(Some(status))` when a signal came first.
    async fn wait_pid(&mut self, pid: i32) -> Result<i32, Option<i32>> {
        loop {
            let job = self.st.jobs.iter().position(|j| j.children.iter().any(|c| c.0 == pid));
            if let Some(status) = self.st.finished.get(&pid).copied() {
                if let Some(index) = job
                    && self.st.jobs.get(index).is_some_and(Job::is_done)
                {
                    self.st.jobs.remove(index);
                }
                return Ok(status);
            }
            if job.is_none() {
                return Err(None);
            }
            if let Some(status) = self.wait_once().await {
                return Err(Some(status));
            }
        }
    }

    /// Waits until some child ends. The status when a signal ends the waiting.
    async fn wait_once(&mut self) -> Option<i32> {
        match self.sys.wait4(-1, 0).await {
            Ok((pid, status)) => {
                self.count_for_trap();
                self.child_ended(pid, status.0);
                self.reap().await;
                None
            }
            Err(Errno::EINTR) => {
                if self.interrupted() {
                    let signal = self.st.caught.iter().find(|s| *s != Signal::CHLD);
                    return Some(128 + signal.map_or(0, |s| i32::from(s.0)));
                }
                None
            }
            Err(_) => {
                // Somebody else has collected them.
                for job in &mut self.st.jobs {
                    for (pid, status) in &mut job.children {
                        if status.is_none() {
                            *status = Some(127 << 8);
                            self.st.finished.insert(*pid, 127);
                        }
                    }
                }
                None
            }
        }
    }

    /// `wait -n`: whichever job ends next.
    async fn wait_any(&mut self) -> Run<i32> {
        loop {
            if let Some(index) = self.st.jobs.iter().position(Job::is_done) {
                let job = self.st.jobs.remove(index);
                return Ok(job.status().map_or(127, |s| WaitStatus(s).shell_status()));
            }
            if self.st.jobs.is_empty() {
                return Ok(127);
            }
            if let Some(status) = self.wait_once().await {
                return Ok(status);
            }
        }
    }

    pub(super) async fn builtin_trap(&mut self, args: &[String]) -> Run<i32> {
        let posix = !self.st.options.bash;
        let args: &[String] = match args.first().map(String::as_str) {
            Some("-l") => {
                return self.list_signals(&[]).await;
            }
            Some("--") => &args[1..],
            Some("-p") => {
                self.show_traps(&args[1..], posix);
                return Ok(0);
            }
            Some(option) if option.starts_with('-') && option.len() > 1 => {
                return self.bad_option("trap", option).await;
            }
            _ => args,
        };
        let Some((action, signals)) = args.split_first() else {
            self.show_traps(&[], posix);
            return Ok(0);
        };
        // `trap 2` and `trap - 2` restore the default.
        let (action, signals) = if signals.is_empty() || action.parse::<u8>().is_ok() {
            if signals.is_empty() && signal_number(action).is_none() {
                return self.usage("trap").await;
            }
            (None, args)
        } else if action == "-" {
            (None, signals)
        } else {
            (Some(action.as_str()), signals)
        };
        let mut status = 0;
        for name in signals {
            match signal_number(name) {
                Some(number) => self.set_trap(number, action.map(Into::into)).await,
                None => {
                    self.complain(&format!("trap: {name}: invalid signal specification")).await;
                    status = 1;
                }
            }
        }
        Ok(status)
    }

    fn show_traps(&mut self, names: &[String], posix: bool) {
        let wanted: Vec<u8> = names.iter().filter_map(|n| signal_number(n)).collect();
        let text: String = self
            .st
            .traps
            .iter()
            .filter(|(n, _)| names.is_empty() || wanted.contains(n))
            .map(|(n, action)| format!("trap -- {} {}\n", super::super::quote(action), trap_name(*n, posix)))
            .collect();
        self.out.push_str(&text);
    }

    pub(super) fn builtin_times(&mut self) -> i32 {
        // What a command costs is counted by the kernel; the shell itself is not asked.
        self.out.push_str("0m0.000s 0m0.000s\n0m0.000s 0m0.000s\n");
        0
    }
}

/// Real-time signals as bash names them.
fn rt_name(signal: Signal) -> String {
    match signal.0 {
        n @ 50..=63 => format!("RTMAX-{}", 64 - n),
        64 => "RTMAX".to_owned(),
        _ => signal.short_name(),
    }
}
