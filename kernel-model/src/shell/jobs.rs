//! Children: forking, waiting, and the table of jobs.

use std::sync::Arc;

use super::ast::{Command, Item, List, RedirectTarget, Simple, Word};
use super::state::{Frame, Job};
use super::{Flow, Run, Shell};
use crate::errno::Errno;
use crate::program::libc::{WaitStatus, o};
use crate::program::signal_text::strsignal;
use crate::task::signal::{Disposition, SigSet, Signal};
use crate::task::wait::WNOHANG;

/// fcntl(2): a copy of a descriptor, not below the given number.
const F_DUPFD: i64 = 0;
/// The descriptor of the first process substitution of a command.
const HIGHEST_OWN: i64 = 63;

/// `$?` for a status word of wait4(2).
pub(super) fn shell_status(status: i32) -> i32 {
    WaitStatus(status).shell_status()
}

impl Shell {
    /// fork(2); 0 in the child. A shell that cannot fork gives up what it does.
    pub(super) async fn fork(&mut self) -> Run<i32> {
        let mut pause = 1;
        loop {
            match self.sys.fork().await {
                Ok(pid) => return Ok(pid),
                Err(Errno::EAGAIN) if pause < 16 => {
                    self.collect_early().await;
                    self.complain(&format!("fork: retry: {}", Errno::EAGAIN)).await;
                    let since = self.sys.clock_gettime(1).await.unwrap_or(0);
                    if let Err(e) = self.sys.nanosleep(pause * 1_000_000_000).await {
                        let slept = self.sys.clock_gettime(1).await.unwrap_or(0).saturating_sub(since);
                        if pause * 1_000_000_000 >= slept + 1_000_000_000 {
                            // sleep(3) came back with whole seconds left: it is not tried again (`make_child`).
                            self.complain(&format!("fork: {e}")).await;
                            return Err(Flow::Abort(254));
                        }
                    }
                    pause *= 2;
                }
                Err(e) => {
                    self.complain(&format!("fork: {e}")).await;
                    return Err(Flow::Abort(254));
                }
            }
        }
    }

    /// What a forked copy of the shell changes in itself before it goes on with a stack of its own.
    pub(super) async fn become_child(&mut self, background: bool) {
        let typed = self.is_interactive();
        self.st.errexit_off = self.st.in_condition();
        self.st.subshell = true;
        self.st.subshell_depth += 1;
        self.st.may_return = self.can_return();
        self.st.jobs.clear();
        self.st.finished = imbl::OrdMap::new();
        self.st.early = imbl::OrdMap::new();
        self.sys.take_caught();
        self.st.caught = SigSet::EMPTY;
        self.st.frames.clear();
        self.st.frames.push_back(Frame::ProcessEnd);
        // What was trapped gets its default action again; what was ignored stays so.
        let mut reset: Vec<Signal> = Vec::new();
        for (number, action) in self.st.traps.clone() {
            if !action.is_empty() {
                self.st.traps.remove(&number);
                reset.extend(Signal::from_number(i64::from(number)));
            }
        }
        if typed && self.st.trap(Signal::INT).is_none() && !reset.contains(&Signal::INT) {
            reset.push(Signal::INT);
        }
        if self.st.interactive && typed && self.st.trap(Signal::TERM).is_none() {
            reset.push(Signal::TERM);
        }
        if background {
            for signal in [Signal::INT, Signal::QUIT] {
                let _ = self.sys.sigaction(signal, Disposition::Ignore).await;
                self.st.ignored_at_start.insert(signal);
                reset.retain(|s| *s != signal);
            }
        }
        for signal in reset {
            let disposition =
                if signal == Signal::CHLD { Disposition::Handler { restart: true } } else { Disposition::Default };
            let _ = self.sys.sigaction(signal, disposition).await;
        }
    }

    /// What a child knows of the jobs of its parent. A simple command still has them while its words are expanded, and so
    /// has `jobs`, whose output can be piped; functions and the builtins that would wait for jobs or signal them find
    /// none (`execute_subshell_builtin_or_function`).
    fn jobs_to_list(&self, command: Option<&Arc<Command>>) -> imbl::Vector<Job> {
        let Some(Command::Simple(simple)) = command.map(|command| &**command) else { return imbl::Vector::new() };
        let name = simple.words.first().and_then(Word::literal).unwrap_or_default();
        let has_none = self.st.functions.contains_key(name) || matches!(name, "wait" | "kill" | "fg" | "bg" | "disown");
        if has_none { imbl::Vector::new() } else { self.st.jobs.clone() }
    }

    // --- pipelines and substitutions ---

    /// Starts the commands of a pipeline, each in a child of its own. Their pids.
    pub(super) async fn fork_pipeline(&mut self, commands: &[Arc<Command>], background: bool) -> Run<Vec<i32>> {
        let mut children = Vec::new();
        let mut input = None;
        for (i, command) in commands.iter().enumerate() {
            let output = if i + 1 < commands.len() {
                match self.sys.pipe(0).await {
                    Ok(ends) => Some(ends),
                    Err(e) => {
                        self.complain(&format!("pipe error: {e}")).await;
                        return Err(Flow::Abort(254));
                    }
                }
            } else {
                None
            };
            let child = self.fork().await?;
            if child == 0 {
                if let Some((read_end, _)) = output {
                    let _ = self.sys.close(read_end).await;
                }
                let jobs = self.jobs_to_list(Some(command));
                self.become_child(background).await;
                self.st.jobs = jobs;
                if background && input.is_none() {
                    self.empty_input(command).await;
                }
                for (from, to) in [(input, 0), (output.map(|(_, write_end)| write_end), 1)] {
                    if let Some(from) = from {
                        let _ = self.sys.dup2(from, to).await;
                        let _ = self.sys.close(from).await;
                    }
                }
                self.st.frames.push_back(Frame::Command(Arc::clone(command)));
                return Err(Flow::Child);
            }
            children.push(child);
            if let Some(fd) = input {
                let _ = self.sys.close(fd).await;
            }
            input = None;
            if let Some((read_end, write_end)) = output {
                let _ = self.sys.close(write_end).await;
                input = Some(read_end);
            }
        }
        Ok(children)
    }

    /// The status of a pipeline from those of its commands.
    pub(super) fn pipeline_status(&self, statuses: &[i32]) -> i32 {
        if self.st.options.pipefail {
            return statuses.iter().rev().map(|s| shell_status(*s)).find(|s| *s != 0).unwrap_or(0);
        }
        statuses.last().map_or(0, |s| shell_status(*s))
    }

    /// A command in the background reads nothing, unless it says what it reads.
    async fn empty_input(&mut self, command: &Command) {
        let reads = |simple: &Simple| {
            simple.redirects.iter().any(|r| match r.target {
                RedirectTarget::HereDoc(_) | RedirectTarget::HereString(_) => r.fd.unwrap_or(0) == 0,
                RedirectTarget::File(super::ast::FileMode::Read | super::ast::FileMode::ReadWrite, _)
                | RedirectTarget::Duplicate { output: false, .. } => r.fd.unwrap_or(0) == 0,
                _ => false,
            })
        };
        if let Command::Simple(simple) = command
            && reads(simple)
        {
            return;
        }
        if let Ok(fd) = self.sys.open("/dev/null", o::RDONLY, 0).await
            && fd != 0
        {
            let _ = self.sys.dup2(fd, 0).await;
            let _ = self.sys.close(fd).await;
        }
    }

    /// `list &`.
    pub(super) async fn background(&mut self, item: &Item) -> Run<()> {
        let first = &item.and_or.first;
        let children = if item.and_or.rest.is_empty() && !first.negated && first.timed.is_none() {
            self.fork_pipeline(&first.commands, true).await?
        } else {
            let child = self.fork().await?;
            if child == 0 {
                self.become_child(true).await;
                if let Some(command) = first.commands.first() {
                    self.empty_input(command).await;
                }
                self.st.frames.push_back(Frame::AndOr { and_or: Arc::clone(&item.and_or), next: 0, tail: false });
                return Err(Flow::Child);
            }
            vec![child]
        };
        self.st.last_background = children.last().copied();
        for child in &children {
            self.st.finished.remove(child);
        }
        let number = self.st.jobs.iter().map(|j| j.number).max().unwrap_or(0) + 1;
        self.st.jobs.push_back(Job {
            number,
            children: children.into_iter().map(|pid| (pid, None)).collect(),
            text: item.text.clone().unwrap_or_else(|| "".into()),
        });
        self.st.status = 0;
        Ok(())
    }

    /// `$(list)`: what the list prints, without newlines at the end.
    pub(super) async fn command_substitution(&mut self, list: &List) -> Run<String> {
        if let Some(path) = self.only_input(list).await? {
            return Ok(self.file_substitution(&path).await);
        }
        let (read_end, write_end) = match self.sys.pipe(0).await {
            Ok(ends) => ends,
            Err(e) => {
                self.complain(&format!("cannot make pipe for command substitution: {e}")).await;
                return Err(Flow::Abort(1));
            }
        };
        let child = self.fork().await?;
        if child == 0 {
            let _ = self.sys.close(read_end).await;
            if write_end != 1 {
                let _ = self.sys.dup2(write_end, 1).await;
                let _ = self.sys.close(write_end).await;
            }
            let jobs = self.jobs_to_list(list.first().and_then(|item| item.and_or.first.commands.first()));
            self.become_child(false).await;
            self.st.jobs = jobs;
            self.push_tail(list);
            return Err(Flow::Child);
        }
        let _ = self.sys.close(write_end).await;
        let mut bytes = Vec::new();
        loop {
            match self.sys.read(read_end, 4096).await {
                Ok(part) if part.is_empty() => break,
                Ok(part) => bytes.extend(part.into_iter().filter(|b| *b != 0)),
                Err(Errno::EINTR) => self.note_signals(),
                Err(_) => break,
            }
        }
        let _ = self.sys.close(read_end).await;
        let status = self.wait_for(&[child]).await.pop().unwrap_or(0);
        self.st.status = shell_status(status);
        self.substituted = Some(self.st.status);
        Ok(without_newlines(&bytes))
    }

    /// `<(list)` and `>(list)`: starts the list and names the descriptor of its pipe, which stays open until the command has
    /// run.
    pub(super) async fn process_substitution(&mut self, list: &List, writes: bool) -> Run<String> {
        let ends = match self.sys.pipe(0).await {
            Ok(ends) => ends,
            Err(e) => {
                self.complain(&format!("cannot make pipe for process substitution: {e}")).await;
                return Err(Flow::Abort(1));
            }
        };
        let (own, theirs, onto) = if writes { (ends.1, ends.0, 0) } else { (ends.0, ends.1, 1) };
        // High numbers are out of the way of those that scripts use (`move_to_high_fd`).
        let high = HIGHEST_OWN - self.st.process_fds.len() as i64;
        let fd = match self.sys.fcntl(own, F_DUPFD, high).await {
            Ok(fd) => {
                let _ = self.sys.close(own).await;
                fd as i32
            }
            Err(_) => own,
        };
        let child = self.fork().await?;
        if child == 0 {
            let _ = self.sys.close(fd).await;
            self.close_substitutions().await;
            let _ = self.sys.dup2(theirs, onto).await;
            let _ = self.sys.close(theirs).await;
            self.become_child(false).await;
            self.push_tail(list);
            return Err(Flow::Child);
        }
        let _ = self.sys.close(theirs).await;
        self.st.last_background = Some(child);
        self.st.process_fds.push(fd);
        Ok(format!("/dev/fd/{fd}"))
    }

    /// Closes what process substitutions have left open, after the command that got their names.
    pub(super) async fn close_substitutions(&mut self) {
        for fd in std::mem::take(&mut self.st.process_fds) {
            let _ = self.sys.close(fd).await;
        }
    }

    /// The file of `$(<file)`.
    async fn only_input(&mut self, list: &List) -> Run<Option<String>> {
        let [item] = &**list else { return Ok(None) };
        let Some(simple) = item.and_or.first.only_simple() else { return Ok(None) };
        if !item.and_or.rest.is_empty() || !simple.words.is_empty() || !simple.assignments.is_empty() {
            return Ok(None);
        }
        match simple.redirects.as_slice() {
            [r] if r.fd.unwrap_or(0) == 0 => match &r.target {
                RedirectTarget::File(super::ast::FileMode::Read, word) => Ok(Some(self.expand_text(word).await?)),
                _ => Ok(None),
            },
            _ => Ok(None),
        }
    }

    async fn file_substitution(&mut self, path: &str) -> String {
        match self.sys.read_file(path).await {
            Ok(text) => {
                self.substituted = Some(0);
                without_newlines(text.as_bytes())
            }
            Err(e) => {
                self.complain(&format!("{path}: {e}")).await;
                self.substituted = Some(1);
                String::new()
            }
        }
    }

    // --- waiting ---

    /// Waits for these children; their status words.
    pub(super) async fn wait_for(&mut self, children: &[i32]) -> Vec<i32> {
        let mut statuses: Vec<Option<i32>> = children.iter().map(|child| self.st.early.remove(child)).collect();
        while statuses.iter().any(Option::is_none) {
            match self.sys.wait4(-1, 0).await {
                Ok((pid, status)) => {
                    self.count_for_trap();
                    match children.iter().position(|c| *c == pid) {
                        Some(i) => statuses[i] = Some(status.0),
                        None => self.child_ended(pid, status.0),
                    }
                }
                Err(Errno::EINTR) => self.note_signals(),
                // Somebody else has collected them.
                Err(_) => break,
            }
        }
        self.reap().await;
        statuses.into_iter().map(|s| s.unwrap_or(127 << 8)).collect()
    }

    /// Collects children that have ended, as bash does whenever SIGCHLD comes.
    pub(super) async fn reap(&mut self) {
        self.note_signals();
        if !self.st.caught.has(Signal::CHLD) {
            return;
        }
        self.st.caught.remove(Signal::CHLD);
        while let Ok((pid, status)) = self.sys.wait4(-1, WNOHANG).await {
            if pid == 0 {
                break;
            }
            self.count_for_trap();
            self.child_ended(pid, status.0);
        }
        self.note_signals();
        self.st.caught.remove(Signal::CHLD);
    }

    /// A child has been collected: a trap for SIGCHLD runs once for each (`waitchld`).
    pub(super) fn count_for_trap(&mut self) {
        if self.st.traps.get(&Signal::CHLD.0).is_some_and(|action| !action.is_empty()) {
            self.st.children_to_trap += 1;
        }
    }

    /// Makes room for a child: collects those that have ended before anybody waits for them.
    async fn collect_early(&mut self) {
        while let Ok((pid, status)) = self.sys.wait4(-1, WNOHANG).await {
            if pid == 0 {
                break;
            }
            self.child_ended(pid, status.0);
            self.st.early.insert(pid, status.0);
        }
    }

    /// A child in the background has ended.
    pub(super) fn child_ended(&mut self, pid: i32, status: i32) {
        for job in &mut self.st.jobs {
            for (child, known) in &mut job.children {
                if *child == pid && known.is_none() {
                    *known = Some(status);
                    self.st.finished.insert(pid, shell_status(status));
                }
            }
        }
    }

    /// The job that `%…` means; `Err` is the message.
    pub(super) fn find_job(&self, spec: &str) -> Option<&Job> {
        let jobs = &self.st.jobs;
        match spec.strip_prefix('%')? {
            "" | "%" | "+" => jobs.last(),
            "-" => jobs.len().checked_sub(2).map_or(jobs.last(), |i| jobs.get(i)),
            text => match text.parse::<u32>() {
                Ok(number) => jobs.iter().find(|j| j.number == number),
                Err(_) => match text.strip_prefix('?') {
                    Some(part) => jobs.iter().find(|j| j.text.contains(part)),
                    None => jobs.iter().find(|j| j.text.starts_with(text)),
                },
            },
        }
    }

    // --- reports ---

    /// How `jobs` shows a job.
    pub(super) fn describe_job(&self, index: usize, with_pid: bool) -> String {
        let Some(job) = self.st.jobs.get(index) else { return String::new() };
        let from_end = self.st.jobs.len() - index;
        // One that has ended does not become the current one again when a later one goes (`reset_current`).
        let is_late = job.is_done() && job.children.last().map(|c| c.0) != self.st.last_background;
        let mark = match from_end {
            1 if is_late => ' ',
            1 => '+',
            2 => '-',
            _ => ' ',
        };
        let state = match job.status().filter(|_| job.is_done()).map(WaitStatus) {
            None => "Running".to_owned(),
            Some(status) => match (status.exited(), status.signaled()) {
                (Some(0), _) => "Done".to_owned(),
                (Some(n), _) => format!("Exit {n}"),
                (None, Some(signal)) => strsignal(signal),
                (None, None) => "Stopped".to_owned(),
            },
        };
        let pid = if with_pid { format!("{} ", job.children.last().map_or(0, |c| c.0)) } else { String::new() };
        let end = if job.is_done() { "" } else { " &" };
        format!("[{}]{mark}  {pid}{state:<24}{}{end}\n", job.number, job.text)
    }

    /// At the end of a console's line: jobs that were killed are reported and forgotten. Those that ended by themselves
    /// stay, as in a script, until somebody asks for them (`notify_of_job_status`).
    pub(super) async fn report_jobs(&mut self) {
        self.reap().await;
        let mut index = 0;
        while let Some(job) = self.st.jobs.get(index).cloned() {
            let killed = job.status().is_some_and(|status| WaitStatus(status).signaled().is_some());
            if !job.is_done() || !(killed || self.st.interactive) {
                index += 1;
                continue;
            }
            self.st.jobs.remove(index);
            if let (Some(status), Some((pid, _))) = (job.status(), job.children.last()) {
                self.report(*pid, status, &job.text).await;
            }
        }
    }

    /// Says that a child in the foreground was killed.
    pub(super) async fn report_simple(&mut self, pid: i32, status: i32, words: &[String]) {
        if WaitStatus(status).signaled().is_some() && self.is_console() {
            self.report(pid, status, &words.join(" ")).await;
        }
    }

    /// The same for a pipeline.
    pub(super) async fn report_signal(&mut self, pid: i32, status: i32, commands: &[Arc<Command>]) {
        if WaitStatus(status).signaled().is_some() && self.is_console() {
            let text = format!("(a pipeline of {} commands)", commands.len());
            self.report(pid, status, &text).await;
        }
    }

    async fn report(&mut self, pid: i32, status: i32, text: &str) {
        let Some(signal) = WaitStatus(status).signaled() else { return };
        if matches!(signal, Signal::INT | Signal::PIPE | Signal::TERM) {
            return;
        }
        let state = strsignal(signal);
        self.complain(&format!("{pid:5} {state:<24}{text}")).await;
    }
}

fn without_newlines(bytes: &[u8]) -> String {
    let text = String::from_utf8_lossy(bytes);
    text.trim_end_matches('\n').to_owned()
}
