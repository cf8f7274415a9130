//! Control flow: what is taken from the stack, and what it puts there.

use std::sync::Arc;

use super::ast::{AndOr, Case, CaseEnd, Command, Compound, Connector, If, Item, List, Pipeline, Redirect};
use super::simple::Forking;
use super::state::{Frame, SourceKind};
use super::{Flow, Run, Shell, source};
use crate::errno::Errno;

/// What one turn of a loop costs, in nanoseconds: loops must let others run, and see that they are interrupted.
/// It is dearer than in a real shell, so that a second of looping is not more turns than one wants to see.
const TURN_OF_LOOP: u64 = 50_000;

impl Shell {
    /// Runs until the shell has done something and is a plain value again. The status, when it exits.
    pub(super) async fn segment(&mut self) -> Option<i32> {
        loop {
            if self.signals().await {
                return None;
            }
            let Some(frame) = self.st.frames.pop_back() else {
                if !self.is_console() {
                    return Some(self.st.status);
                }
                self.next_line().await;
                return None;
            };
            if frame == Frame::ProcessEnd {
                match self.exit_trap() {
                    true => continue,
                    false => return Some(self.st.status),
                }
            }
            match self.frame(frame).await {
                // Nothing but bookkeeping: go on at once.
                Ok(false) => {}
                Ok(true) => return None,
                Err(flow) => {
                    self.leave(flow).await;
                    return None;
                }
            }
        }
    }

    /// Waits for the next line of the console.
    async fn next_line(&mut self) {
        let text = self.sys.await_line().await;
        // What came while nothing ran has nothing to interrupt.
        self.note_signals();
        self.st.caught.remove(crate::task::signal::Signal::INT);
        let line = self.st.lines_read + 1;
        self.st.lines_read += text.lines().count().max(1) as u32;
        self.st.line = line;
        self.st.frames.push_back(Frame::LineEnd);
        self.st.frames.push_back(Frame::Source { text: text.into(), at: 0, line, kind: SourceKind::Line });
    }

    fn push(&mut self, frame: Frame) {
        self.st.frames.push_back(frame);
    }

    pub(super) fn push_list(&mut self, list: &List) {
        if !list.is_empty() {
            self.push(Frame::List { list: Arc::clone(list), next: 0, tail: false });
        }
    }

    /// Does what a frame says. Whether that was worth saving the state.
    async fn frame(&mut self, frame: Frame) -> Run<bool> {
        match frame {
            Frame::Source { text, at, line, kind } => self.source(text, at, line, kind).await,
            Frame::Input { fd, line } => self.input(fd, line).await,
            Frame::List { list, next, tail } => self.list(list, next, tail).await,
            Frame::AndOr { and_or, next, tail } => self.and_or(and_or, next, tail).await,
            Frame::Command(command) => self.command(&command, Forking::AlreadyDone).await,
            Frame::Not => {
                self.st.status = i32::from(self.st.status == 0);
                Ok(false)
            }
            Frame::Time { since, format } => {
                self.print_times(since, format).await;
                Ok(true)
            }
            Frame::If { clause, branch } => {
                self.if_branch(clause, branch);
                Ok(false)
            }
            Frame::While { clause, tested, status } => {
                if !tested {
                    let status = self.st.status;
                    self.sys.compute(TURN_OF_LOOP).await;
                    self.push(Frame::While { clause: Arc::clone(&clause), tested: true, status });
                    self.push_list(&clause.condition);
                    return Ok(true);
                }
                if (self.st.status == 0) != clause.until {
                    self.push(Frame::While { clause: Arc::clone(&clause), tested: false, status });
                    self.push_list(&clause.body);
                } else {
                    self.st.status = status;
                }
                Ok(false)
            }
            Frame::For { clause, words, next } => {
                let Some(word) = words.get(next) else { return Ok(false) };
                self.st.line = clause.line;
                if next > 0 {
                    self.sys.compute(TURN_OF_LOOP).await;
                }
                self.assign(&clause.name, word).await?;
                self.push(Frame::For { clause: Arc::clone(&clause), words: Arc::clone(&words), next: next + 1 });
                self.push_list(&clause.body);
                Ok(next > 0)
            }
            Frame::ArithmeticFor { clause, begun } => {
                self.st.line = clause.line;
                if begun {
                    self.sys.compute(TURN_OF_LOOP).await;
                    self.arithmetic(&clause.update).await?;
                }
                let go_on = clause.condition.literal() == Some("") || self.arithmetic(&clause.condition).await? != 0;
                if go_on {
                    self.push(Frame::ArithmeticFor { clause: Arc::clone(&clause), begun: true });
                    self.push_list(&clause.body);
                }
                Ok(begun)
            }
            Frame::Case { clause, word, next, forced } => self.case(clause, word, next, forced).await,
            end @ (Frame::Redirected(_)
            | Frame::Function { .. }
            | Frame::TrapEnd { .. }
            | Frame::LineEnd
            | Frame::ProcessEnd) => {
                self.end(end).await;
                Ok(true)
            }
        }
    }

    /// What has to be done when something comes to its end, also before its time.
    async fn end(&mut self, frame: Frame) {
        match frame {
            Frame::Redirected(saved) => self.restore(saved).await,
            Frame::Function { positional, hidden, .. } => {
                self.st.positional = positional;
                for (name, var) in hidden.into_iter().rev() {
                    match var {
                        Some(var) => self.st.vars.insert(name, var),
                        None => self.st.vars.remove(&name),
                    };
                }
            }
            Frame::TrapEnd { status } => self.st.status = status,
            Frame::LineEnd => {
                self.report_jobs().await;
                self.sys.command_done(self.st.status).await;
            }
            _ => {}
        }
    }

    /// Leaves the ordinary course: takes from the stack what is left.
    pub(super) async fn leave(&mut self, flow: Flow) {
        match flow {
            Flow::Child => {}
            Flow::Exit(status) => {
                self.st.status = status;
                self.st.frames.clear();
                self.push(Frame::ProcessEnd);
            }
            Flow::Abort(status) if self.is_console() => {
                self.unwind(|frame| matches!(frame, Frame::LineEnd)).await;
                self.st.status = status;
            }
            Flow::Abort(status) if self.is_interactive() => self.give_up_line(status).await,
            Flow::Abort(status) => {
                self.st.status = status;
                self.st.frames.clear();
                self.push(Frame::ProcessEnd);
            }
            Flow::Return(status) => {
                let last = self
                    .unwind(|f| matches!(f, Frame::Function { .. } | Frame::Source { kind: SourceKind::Dot, .. }))
                    .await;
                if let Some(frame) = last
                    && matches!(frame, Frame::Function { .. })
                {
                    self.end(frame).await;
                }
                self.st.status = status;
            }
            Flow::BreakAll => {
                for _ in 0..self.loop_depth() {
                    self.unwind(is_loop).await;
                }
            }
            Flow::Break(levels) | Flow::Continue(levels) => {
                let mut loop_frame = None;
                for _ in 0..levels {
                    loop_frame = self.unwind(is_loop).await;
                }
                if let (Flow::Continue(_), Some(frame)) = (flow, loop_frame) {
                    self.push(match frame {
                        Frame::While { clause, status, .. } => Frame::While { clause, tested: false, status },
                        other => other,
                    });
                }
                self.st.status = 0;
            }
        }
    }

    /// Takes frames from the stack up to one of a kind, and gives that back. A frame that ends a line or a
    /// process stays.
    pub(super) async fn unwind(&mut self, wanted: impl Fn(&Frame) -> bool) -> Option<Frame> {
        loop {
            let frame = self.st.frames.pop_back()?;
            if matches!(frame, Frame::LineEnd | Frame::ProcessEnd) {
                self.push(frame);
                return None;
            }
            if wanted(&frame) {
                return Some(frame);
            }
            self.end(frame).await;
        }
    }

    /// How many loops `break` could leave.
    pub(super) fn loop_depth(&self) -> usize {
        let inside =
            self.st.frames.iter().rev().take_while(|f| !matches!(f, Frame::Function { .. } | Frame::ProcessEnd));
        inside.filter(|f| is_loop(f)).count()
    }

    /// Whether `return` would find anything.
    pub(super) fn can_return(&self) -> bool {
        self.st.may_return
            || self
                .st
                .frames
                .iter()
                .any(|f| matches!(f, Frame::Function { .. } | Frame::Source { kind: SourceKind::Dot, .. }))
    }

    // --- where commands come from ---

    /// Takes the next command from a text.
    async fn source(&mut self, text: Arc<str>, at: usize, line: u32, kind: SourceKind) -> Run<bool> {
        let rest = text.get(at..).unwrap_or("");
        if rest.trim().is_empty() || self.st.options.noexec && kind != SourceKind::Line && self.checked(rest, line) {
            return Ok(false);
        }
        let taken = source::take(rest, line);
        let chunk = &rest[..taken.bytes];
        let after = line + chunk.matches('\n').count() as u32;
        if self.st.options.verbose {
            let newline = if chunk.ends_with('\n') { "" } else { "\n" };
            self.sys.eprint(format!("{chunk}{newline}")).await;
        }
        if let Some((word, from)) = &taken.unended {
            let last = line + chunk.trim_end_matches('\n').matches('\n').count() as u32;
            self.sys
                .eprint(format!(
                    "{}: line {last}: warning: here-document at line {from} delimited by end-of-file (wanted `{word}')\n",
                    self.st.name
                ))
                .await;
        }
        match taken.commands {
            Ok(list) => {
                let tail = kind == SourceKind::CommandString && rest[taken.bytes..].trim().is_empty();
                self.push(Frame::Source { text: Arc::clone(&text), at: at + taken.bytes, line: after, kind });
                if !list.is_empty() {
                    self.push(Frame::List { list, next: 0, tail });
                }
                Ok(false)
            }
            Err(error) => {
                let prefix = match kind {
                    SourceKind::CommandString => format!("{}: -c: ", self.st.name),
                    SourceKind::Eval => format!("{}: eval: ", self.st.name),
                    _ => format!("{}: ", self.st.name),
                };
                self.sys.eprint(source::messages(&error, &prefix, chunk, line)).await;
                Err(Flow::Abort(2))
            }
        }
    }

    /// With `-n`, commands are read but not run: an error in the rest still has to be found.
    fn checked(&self, rest: &str, line: u32) -> bool {
        source::take(rest, line).commands.is_ok()
    }

    /// Reads a command from a descriptor: byte by byte to the end of its line, so that what follows is
    /// left to the commands that read the same descriptor.
    async fn input(&mut self, fd: i32, line: u32) -> Run<bool> {
        let mut text = String::new();
        loop {
            if self.st.interactive && !self.st.subshell {
                self.print_prompt(text.is_empty()).await;
            }
            let (bytes, end) = self.read_line(fd).await;
            if end && self.line_interrupted().await {
                self.push(Frame::Input { fd, line });
                return Ok(true);
            }
            text.push_str(&String::from_utf8_lossy(&bytes));
            if end {
                if text.trim().is_empty() {
                    self.say_exit().await;
                } else {
                    self.push(Frame::Source { text: text.into(), at: 0, line, kind: SourceKind::Script });
                }
                return Ok(false);
            }
            if source::is_complete(&text) != source::Complete::Incomplete {
                let after = line + text.matches('\n').count() as u32;
                self.push(Frame::Input { fd, line: after });
                self.push(Frame::Source { text: text.into(), at: 0, line, kind: SourceKind::Script });
                return Ok(false);
            }
        }
    }

    /// Reads up to the end of a line. Whether that was the end of everything.
    pub(super) async fn read_line(&mut self, fd: i32) -> (Vec<u8>, bool) {
        let mut bytes = Vec::new();
        loop {
            match self.sys.read(fd, 1).await {
                Ok(part) if part.is_empty() => return (bytes, true),
                Ok(part) => {
                    bytes.extend_from_slice(&part);
                    if part == b"\n" {
                        return (bytes, false);
                    }
                }
                Err(Errno::EINTR) if !self.interrupted() => {}
                Err(_) => return (bytes, true),
            }
        }
    }

    // --- lists ---

    async fn list(&mut self, list: List, next: usize, tail: bool) -> Run<bool> {
        let Some(item) = list.get(next) else { return Ok(false) };
        let more = next + 1 < list.len();
        if more {
            self.push(Frame::List { list: Arc::clone(&list), next: next + 1, tail });
        }
        self.st.line = item.line;
        if item.background {
            self.background(item).await?;
            return Ok(true);
        }
        // Only the last command of `a; b` or of `a && b` can replace the shell.
        let tail = tail && !more && (list.len() == 1 || item.and_or.rest.is_empty());
        self.and_or(Arc::clone(&item.and_or), 0, tail).await
    }

    async fn and_or(&mut self, and_or: Arc<AndOr>, next: usize, tail: bool) -> Run<bool> {
        let mut index = next;
        let pipeline = loop {
            if index == 0 {
                break &and_or.first;
            }
            let Some((connector, pipeline)) = and_or.rest.get(index - 1) else { return Ok(false) };
            if (*connector == Connector::And) == (self.st.status == 0) {
                break pipeline;
            }
            index += 1;
        };
        let last = index == and_or.rest.len();
        if !last {
            self.push(Frame::AndOr { and_or: Arc::clone(&and_or), next: index + 1, tail });
        }
        self.pipeline(pipeline, tail && last).await
    }

    async fn pipeline(&mut self, pipeline: &Pipeline, tail: bool) -> Run<bool> {
        if pipeline.negated {
            self.push(Frame::Not);
        }
        if let Some(format) = pipeline.timed {
            let since = self.sys.clock_gettime(1).await.unwrap_or(0);
            self.push(Frame::Time { since, format });
        }
        match pipeline.commands.as_slice() {
            [command] => {
                let may_replace = tail && !pipeline.negated && pipeline.timed.is_none();
                self.command(command, if may_replace { Forking::Tail } else { Forking::Needed }).await
            }
            commands => {
                let children = self.fork_pipeline(commands, false).await?;
                let statuses = self.wait_for(&children).await;
                self.st.status = self.pipeline_status(&statuses);
                if let Some(last) = children.last() {
                    self.report_signal(*last, statuses.last().copied().unwrap_or(0), commands).await;
                }
                self.failed_command()?;
                self.st.pipe_status = statuses.iter().map(|s| super::jobs::shell_status(*s)).collect();
                Ok(true)
            }
        }
    }

    /// After a command that counts for `set -e`.
    pub(super) fn failed_command(&mut self) -> Run<()> {
        self.st.pipe_status = vec![self.st.status];
        if self.st.status != 0 && self.st.options.errexit && !self.st.in_condition() {
            return Err(Flow::Exit(self.st.status));
        }
        Ok(())
    }

    // --- commands ---

    pub(super) async fn command(&mut self, command: &Command, forking: Forking) -> Run<bool> {
        match command {
            Command::Simple(simple) => {
                let result = self.simple(simple, forking).await;
                if !self.st.process_fds.is_empty() && result != Err(Flow::Child) {
                    self.close_substitutions().await;
                }
                result.map(|()| true)
            }
            Command::Function(function) => {
                if self.st.vars.contains_key(&function.name) && super::builtin::is_special(&function.name) {
                    self.complain(&format!("`{}': is a special builtin", function.name)).await;
                    return Err(Flow::Abort(1));
                }
                self.st.functions.insert(Arc::clone(&function.name), Arc::clone(function));
                self.st.status = 0;
                Ok(false)
            }
            Command::Compound(Compound::Subshell(list), redirects) => self.subshell(list, redirects, forking).await,
            Command::Compound(compound, redirects) => {
                if !redirects.is_empty() {
                    let done = self.redirect(redirects, true).await?;
                    if done.failed {
                        self.restore(done.saved).await;
                        self.st.status = 1;
                        self.failed_command()?;
                        return Ok(true);
                    }
                    self.push(Frame::Redirected(done.saved));
                }
                self.compound(compound).await
            }
        }
    }

    async fn compound(&mut self, compound: &Compound) -> Run<bool> {
        match compound {
            Compound::Brace(list) => self.push_list(list),
            Compound::Subshell(list) => return self.subshell(list, &[], Forking::Needed).await,
            Compound::If(clause) => {
                self.push(Frame::If { clause: Arc::clone(clause), branch: 0 });
                if let Some((condition, _)) = clause.branches.first() {
                    self.push_list(condition);
                }
            }
            Compound::While(clause) => {
                self.push(Frame::While { clause: Arc::clone(clause), tested: true, status: 0 });
                self.push_list(&clause.condition);
            }
            Compound::For(clause) => {
                self.st.line = clause.line;
                let words: Arc<[Arc<str>]> = match &clause.words {
                    Some(words) => self.expand_words(words).await?.into_iter().map(Arc::from).collect(),
                    None => self.st.positional.iter().cloned().collect(),
                };
                self.st.status = 0;
                self.push(Frame::For { clause: Arc::clone(clause), words, next: 0 });
            }
            Compound::ArithmeticFor(clause) => {
                self.arithmetic(&clause.init).await?;
                self.st.status = 0;
                self.push(Frame::ArithmeticFor { clause: Arc::clone(clause), begun: false });
            }
            Compound::Case(clause) => {
                self.st.line = clause.line;
                let word = self.expand_text(&clause.word).await?;
                self.st.status = 0;
                self.push(Frame::Case { clause: Arc::clone(clause), word: word.into(), next: 0, forced: false });
            }
            Compound::Arithmetic(word, line) => {
                self.st.line = *line;
                let text = self.expand_text(word).await?;
                self.st.status = match super::arith::evaluate(&text, &mut self.st) {
                    Ok(value) => i32::from(value == 0),
                    Err(e) => {
                        self.complain(&format!("((: {}", e.0)).await;
                        1
                    }
                };
                self.failed_command()?;
                return Ok(true);
            }
            Compound::Test(expr, line) => {
                self.st.line = *line;
                self.st.status = i32::from(!self.conditional(expr).await?);
                self.failed_command()?;
                return Ok(true);
            }
        }
        Ok(false)
    }

    fn if_branch(&mut self, clause: Arc<If>, branch: usize) {
        if self.st.status == 0 {
            if let Some((_, body)) = clause.branches.get(branch) {
                self.push_list(body);
            }
            return;
        }
        self.st.status = 0;
        if let Some((condition, _)) = clause.branches.get(branch + 1) {
            self.push(Frame::If { clause: Arc::clone(&clause), branch: branch + 1 });
            self.push_list(condition);
        } else if let Some(body) = &clause.otherwise {
            self.push_list(body);
        }
    }

    async fn case(&mut self, clause: Arc<Case>, word: Arc<str>, next: usize, forced: bool) -> Run<bool> {
        for (i, branch) in clause.branches.iter().enumerate().skip(next) {
            let mut taken = forced && i == next;
            for pattern in &branch.patterns {
                taken = taken || super::pattern::matches(&self.expand_pattern(pattern).await?, &word);
            }
            if taken {
                if branch.end != CaseEnd::Break {
                    let forced = branch.end == CaseEnd::FallThrough;
                    self.push(Frame::Case { clause: Arc::clone(&clause), word, next: i + 1, forced });
                }
                self.push_list(&branch.body);
                return Ok(false);
            }
        }
        Ok(false)
    }

    /// `( list )`.
    async fn subshell(&mut self, list: &List, redirects: &[Redirect], forking: Forking) -> Run<bool> {
        if forking != Forking::AlreadyDone {
            let child = self.fork().await?;
            if child != 0 {
                let status = self.wait_for(&[child]).await.pop().unwrap_or(0);
                self.st.status = super::jobs::shell_status(status);
                self.failed_command()?;
                return Ok(true);
            }
            self.become_child(false).await;
        }
        if self.redirect(redirects, false).await?.failed {
            return Err(Flow::Exit(1));
        }
        self.push_tail(list);
        Err(Flow::Child)
    }

    /// Lets this process run a list as the last thing that it does.
    pub(super) fn push_tail(&mut self, list: &List) {
        let only = match &**list {
            [Item { and_or, background: false, .. }] if and_or.rest.is_empty() => {
                and_or.first.only_simple().map(|_| and_or)
            }
            _ => None,
        };
        match only.and_then(|and_or| and_or.first.commands.first()) {
            Some(command) => self.push(Frame::Command(Arc::clone(command))),
            None => self.push(Frame::List { list: Arc::clone(list), next: 0, tail: true }),
        }
    }
}

fn is_loop(frame: &Frame) -> bool {
    matches!(frame, Frame::While { .. } | Frame::For { .. } | Frame::ArithmeticFor { .. })
}
