//! Simple commands: assignments, builtins, functions, and programs that are looked up in `PATH`.

use std::sync::Arc;

use imbl::Vector;

use super::ast::{Assigned, Assignment, Simple};
use super::builtin;
use super::state::{Frame, Var};
use super::{Flow, Run, Shell};
use crate::errno::Errno;
use crate::program::libc::{Stat, s};
use crate::task::signal::{Disposition, Signal};

/// Whether a command gets a process of its own.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Forking {
    /// It does.
    Needed,
    /// Nothing comes after it, so it may replace the shell.
    Tail,
    /// This process is its own already.
    AlreadyDone,
}

/// How many calls of functions may be nested.
const DEEPEST_CALL: usize = 1000;

/// Where a command was found.
pub(super) enum Found {
    /// At this path.
    Path(String),
    /// Nowhere.
    Nowhere,
}

impl Shell {
    pub(super) async fn simple(&mut self, simple: &Simple, forking: Forking) -> Run<()> {
        self.st.line = simple.line;
        self.substituted = None;
        let words = self.expand_words(&simple.words).await?;
        if let Some(last) = words.last() {
            self.st.last_argument = last.as_str().into();
        }
        let Some(name) = words.first().cloned() else {
            return self.assign_only(simple).await;
        };
        let special = builtin::is_special(&name);
        let function = self.st.functions.get(name.as_str()).filter(|_| !special).cloned();
        let builtin = builtin::find(&name).filter(|_| function.is_none());
        if function.is_none() && builtin.is_none() {
            return self.external(simple, words, forking).await;
        }
        let assignments = self.expand_assignments(&simple.assignments).await?;
        self.trace(&assignments, &words).await;
        let done = self.redirect(&simple.redirects, !(name == "exec" && words.len() == 1)).await?;
        if done.failed {
            self.restore(done.saved).await;
            self.st.status = 1;
            if special {
                return Err(Flow::Abort(1));
            }
            return self.failed_command();
        }
        let base = self.st.frames.len();
        let result = match (function, builtin) {
            (Some(function), _) => {
                if self.st.function_depth() >= DEEPEST_CALL {
                    let text = format!("{name}: maximum function nesting level exceeded ({DEEPEST_CALL})");
                    self.complain(&text).await;
                    Err(Flow::Abort(1))
                } else {
                    let hidden = self.set_for_command(&assignments).await?;
                    let positional: Vector<Arc<str>> = words.iter().skip(1).map(|w| Arc::from(w.as_str())).collect();
                    let positional = std::mem::replace(&mut self.st.positional, positional);
                    let frame = Frame::Function { positional, hidden, name: Arc::clone(&function.name) };
                    self.st.frames.push_back(frame);
                    Box::pin(self.command(&function.body, Forking::Needed)).await.map(|_| None)
                }
            }
            (None, Some(run)) => {
                let hidden = if special {
                    for (name, value) in &assignments {
                        self.assign(name, value).await?;
                    }
                    Vector::new()
                } else {
                    self.set_for_command(&assignments).await?
                };
                let result = self.builtin(run, &words, forking).await;
                for (name, var) in hidden.into_iter().rev() {
                    match var {
                        Some(var) => self.st.vars.insert(name, var),
                        None => self.st.vars.remove(&name),
                    };
                }
                for array in &simple.arrays {
                    self.assign_array(array).await?;
                }
                result.map(Some)
            }
            (None, None) => Ok(None),
        };
        // What was pushed runs with the redirections; they are undone under it.
        if !done.saved.is_empty() && result != Err(Flow::Child) {
            if self.st.frames.len() > base && result.is_ok() {
                self.st.frames.insert(base, Frame::Redirected(done.saved));
            } else {
                self.restore(done.saved).await;
            }
        }
        if let Some(status) = result? {
            self.st.status = status;
            self.failed_command()?;
        }
        Ok(())
    }

    /// Assignments and redirections without a command.
    async fn assign_only(&mut self, simple: &Simple) -> Run<()> {
        let done = self.redirect(&simple.redirects, true).await?;
        let failed = done.failed;
        self.restore(done.saved).await;
        // Each assignment sees the ones before it.
        for assignment in &simple.assignments {
            if !matches!(assignment.value, Assigned::Scalar(_)) {
                self.assign_array(assignment).await?;
                continue;
            }
            let one = self.expand_assignments(std::slice::from_ref(assignment)).await?;
            self.trace(&one, &[]).await;
            for (name, value) in &one {
                self.assign(name, value).await?;
            }
        }
        self.st.status = if failed { 1 } else { self.substituted.unwrap_or(0) };
        self.failed_command()
    }

    async fn expand_assignments(&mut self, assignments: &[Assignment]) -> Run<Vec<(Arc<str>, String)>> {
        let mut all: Vec<(Arc<str>, String)> = Vec::new();
        for assignment in assignments {
            // Arrays cannot be put into the environment of a command.
            let Assigned::Scalar(value) = &assignment.value else { continue };
            let mut value = self.expand_text(value).await?;
            if assignment.append {
                let earlier = all.iter().rev().find(|(n, _)| *n == assignment.name).map(|(_, v)| v.clone());
                let old = earlier.or_else(|| self.st.get(&assignment.name).map(|v| v.to_string()));
                let old = old.unwrap_or_default();
                // What is arithmetic is added to, not lengthened.
                let plus = if self.st.vars.get(&assignment.name).is_some_and(|v| v.integer) { "+" } else { "" };
                value.insert_str(0, &format!("{old}{plus}"));
            }
            all.push((Arc::clone(&assignment.name), value));
        }
        Ok(all)
    }

    /// Sets variables for the time of one command, exported. What they were before.
    async fn set_for_command(&mut self, assignments: &[(Arc<str>, String)]) -> Run<Vector<(Arc<str>, Option<Var>)>> {
        let mut hidden = Vector::new();
        for (name, value) in assignments {
            hidden.push_back((Arc::clone(name), self.st.vars.get(name).cloned()));
            self.assign(name, value).await?;
            if let Some(var) = self.st.vars.get_mut(name) {
                var.exported = true;
            }
        }
        Ok(hidden)
    }

    /// `set -x`.
    async fn trace(&mut self, assignments: &[(Arc<str>, String)], words: &[String]) {
        if !self.st.options.xtrace {
            return;
        }
        let shown = |text: &str| {
            let plain = |c: char| c.is_ascii_alphanumeric() || "_-./:=,+%@^".contains(c);
            if !text.is_empty() && text.chars().all(plain) { text.to_owned() } else { super::quote(text) }
        };
        let mut parts: Vec<String> = assignments
            .iter()
            .map(|(n, v)| if v.is_empty() { format!("{n}=") } else { format!("{n}={}", shown(v)) })
            .collect();
        parts.extend(words.iter().map(|w| shown(w)));
        let ps4 = self.st.get("PS4").map_or_else(String::new, |v| v.to_string());
        self.sys.eprint(format!("{ps4}{}\n", parts.join(" "))).await;
    }

    // --- programs ---

    async fn external(&mut self, simple: &Simple, words: Vec<String>, forking: Forking) -> Run<()> {
        let assignments = self.expand_assignments(&simple.assignments).await?;
        self.trace(&assignments, &words).await;
        let name = words.first().cloned().unwrap_or_default();
        let path = assignments.iter().rev().find(|(n, _)| &**n == "PATH").map(|(_, v)| v.clone());
        let applet = self.is_ash() && crate::program::coreutils::busybox::is_applet(&name);
        let found = if applet { Found::Nowhere } else { self.look_up(&name, path.as_deref()).await };
        let in_place = match forking {
            Forking::AlreadyDone => true,
            Forking::Tail => simple.redirects.is_empty() && !self.st.has_traps(),
            Forking::Needed => false,
        };
        if !in_place {
            let child = self.fork().await?;
            if child != 0 {
                let status = self.wait_for(&[child]).await.pop().unwrap_or(0);
                self.st.status = super::jobs::shell_status(status);
                self.report_simple(child, status, &words).await;
                return self.failed_command();
            }
            self.reset_for_program().await;
            self.st.subshell = true;
        }
        self.set_for_command(&assignments).await?;
        if self.redirect(&simple.redirects, false).await?.failed {
            return Err(Flow::Exit(1));
        }
        if let Some(status) = self.run_applet(&words).await {
            return Err(Flow::Exit(status));
        }
        // Without /proc an applet is looked for like any other program (`shellexec`).
        let found = if applet { self.look_up(&name, path.as_deref()).await } else { found };
        let status = match found {
            Found::Path(path) => {
                let temporary: Vec<Arc<str>> = assignments.into_iter().map(|(name, _)| name).collect();
                self.execute(&path, &words, &name, &temporary).await
            }
            Found::Nowhere => {
                self.complain(&format!("{name}: command not found")).await;
                127
            }
        };
        Err(Flow::Exit(status))
    }

    /// What an interactive shell ignores gets its default action again before a program takes its place. What it catches
    /// does so by execve(2).
    async fn reset_for_program(&mut self) {
        if self.st.interactive && self.is_interactive() && self.st.trap(Signal::TERM).is_none() {
            let _ = self.sys.sigaction(Signal::TERM, Disposition::Default).await;
        }
    }

    /// Where the command is. With another `path` than the shell's own nothing is remembered.
    pub(super) async fn look_up(&mut self, name: &str, path: Option<&str>) -> Found {
        if name.contains('/') {
            return Found::Path(name.to_owned());
        }
        if name.is_empty() {
            return Found::Nowhere;
        }
        if path.is_none()
            && let Some((known, hits)) = self.st.hashed.get(name).cloned()
        {
            if self.sys.stat(&known).await.is_ok_and(|s| is_executable(&s)) {
                self.st.hashed.insert(name.to_owned(), (known.clone(), hits + 1));
                return Found::Path(known);
            }
            self.st.hashed.remove(name);
        }
        let search = match path {
            Some(path) => path.to_owned(),
            None => self.st.get("PATH").map(|v| v.to_string()).unwrap_or_default(),
        };
        let mut second_best = None;
        for dir in search.split(':') {
            let file = if dir.is_empty() { format!("./{name}") } else { format!("{dir}/{name}") };
            let Ok(stat) = self.sys.stat(&file).await else { continue };
            if is_executable(&stat) {
                if path.is_none() {
                    self.st.hashed.insert(name.to_owned(), (file.clone(), 1));
                }
                return Found::Path(file);
            }
            if stat.file_type() == s::IFREG {
                second_best.get_or_insert(file);
            }
        }
        second_best.map_or(Found::Nowhere, Found::Path)
    }

    /// Replaces the shell by a program, for which the variables named in `temporary` were set on its command line. Returns
    /// the status with which it exits when that fails.
    pub(super) async fn execute(&mut self, path: &str, words: &[String], name: &str, temporary: &[Arc<str>]) -> i32 {
        let envp = self.st.environment(temporary, path);
        let mut error = self.sys.execve(path, words, &envp).await;
        if error == Errno::ENOEXEC {
            match self.sys.read_file(path).await {
                Ok(text) if super::start::looks_binary(text.as_bytes()) => {
                    self.complain(&format!("{path}: cannot execute binary file: {}", Errno::ENOEXEC)).await;
                    return 126;
                }
                _ => {
                    // A script without a first line that names its interpreter is one for the shell.
                    let mut script = vec![self.st.name.to_string(), path.to_owned()];
                    script.extend(words.iter().skip(1).cloned());
                    error = self.sys.execve("/bin/sh", &script, &envp).await;
                }
            }
        }
        let stat = self.sys.stat(path).await;
        let (text, status) = match (&stat, error) {
            (Ok(stat), _) if stat.is_dir() => (format!("{name}: {}", Errno::EISDIR), 126),
            (Ok(_), Errno::ENOENT) => (format!("{name}: cannot execute: required file not found"), 127),
            (_, Errno::ENOENT) => (format!("{name}: {error}"), 127),
            _ => (format!("{}: {error}", if name.contains('/') { name } else { path }), 126),
        };
        self.complain(&text).await;
        status
    }
}

/// Whether a file can be a command.
pub(super) fn is_executable(stat: &Stat) -> bool {
    stat.file_type() == s::IFREG && stat.st_mode & 0o111 != 0
}
