//! Builtins that change what comes next, and `set`.

use std::sync::Arc;

use super::super::simple::{Forking, Found};
use super::super::start::{FIXED, is_fixed};
use super::super::state::{Frame, OPTION_NAMES, SourceKind};
use super::super::{Flow, Run, Shell};
use crate::errno::Errno;

/// Asks access(2) whether a file may be executed.
const X_OK: i64 = 1;

impl Shell {
    pub(super) async fn builtin_eval(&mut self, args: &[String]) -> Run<i32> {
        let text = args.join(" ");
        if !text.trim().is_empty() {
            let line = self.st.line.max(1);
            self.st.frames.push_back(Frame::Source { text: text.into(), at: 0, line, kind: SourceKind::Eval });
        }
        Ok(0)
    }

    pub(super) async fn builtin_dot(&mut self, name: &str, args: &[String]) -> Run<i32> {
        let Some((file, args)) = args.split_first() else {
            self.complain(&format!("{name}: filename argument required")).await;
            return self.usage(name).await;
        };
        let mut path = file.clone();
        if !file.contains('/') {
            // It is looked for in PATH; in POSIX mode nowhere else.
            let dirs = self.st.get("PATH").map(|v| v.to_string()).unwrap_or_default();
            for dir in dirs.split(':') {
                let candidate = if dir.is_empty() { format!("./{file}") } else { format!("{dir}/{file}") };
                if self.sys.stat(&candidate).await.is_ok_and(|s| !s.is_dir()) {
                    path = candidate;
                    break;
                }
            }
            if path == *file {
                self.complain(&format!("{name}: {file}: file not found")).await;
                return Err(Flow::Abort(1));
            }
        }
        match self.sys.read_file(&path).await {
            Ok(text) => {
                if !args.is_empty() {
                    self.st.positional = args.iter().map(|a| Arc::from(a.as_str())).collect();
                }
                self.st.frames.push_back(Frame::Source { text: text.into(), at: 0, line: 1, kind: SourceKind::Dot });
                Ok(0)
            }
            Err(e) => {
                self.complain(&format!("{path}: {e}")).await;
                Err(Flow::Abort(1))
            }
        }
    }

    pub(super) async fn builtin_break(&mut self, name: &str, args: &[String]) -> Run<i32> {
        let depth = self.loop_depth();
        if depth == 0 {
            return Ok(0);
        }
        if args.len() > 1 {
            self.complain(&format!("{name}: too many arguments")).await;
            return Err(Flow::Abort(1));
        }
        let levels = match args.first() {
            None => 1,
            Some(text) => match text.parse::<i64>() {
                Ok(n) if n >= 1 => n as usize,
                Ok(n) => {
                    // All loops are left, whatever the name is.
                    self.complain(&format!("{name}: {n}: loop count out of range")).await;
                    self.st.status = 1;
                    return Err(Flow::BreakAll);
                }
                Err(_) => {
                    self.complain(&format!("{name}: {text}: numeric argument required")).await;
                    return Err(Flow::Abort(128));
                }
            },
        };
        let levels = levels.min(depth);
        Err(if name == "break" { Flow::Break(levels) } else { Flow::Continue(levels) })
    }

    /// The status that `exit` and `return` are given.
    async fn status_argument(&mut self, name: &str, args: &[String]) -> i32 {
        match args.first() {
            None => self.st.status,
            Some(text) => match text.parse::<i64>() {
                Ok(n) => (n & 0xff) as i32,
                Err(_) => {
                    self.complain(&format!("{name}: {text}: numeric argument required")).await;
                    2
                }
            },
        }
    }

    pub(super) async fn builtin_exit(&mut self, args: &[String]) -> Run<i32> {
        self.say_exit().await;
        // In a trap, the status is the one from before the trap.
        let trap = self.st.frames.iter().rev().find_map(|f| match f {
            Frame::TrapEnd { status } => Some(*status),
            _ => None,
        });
        if let (Some(status), true) = (trap, args.is_empty()) {
            return Err(Flow::Exit(status));
        }
        if args.len() > 1 {
            self.complain("exit: too many arguments").await;
            return Err(Flow::Abort(1));
        }
        Err(Flow::Exit(self.status_argument("exit", args).await))
    }

    pub(super) async fn builtin_return(&mut self, args: &[String]) -> Run<i32> {
        if !self.can_return() {
            self.status_argument("return", args).await;
            self.complain("return: can only `return' from a function or sourced script").await;
            return if self.is_interactive() { Ok(2) } else { Err(Flow::Exit(2)) };
        }
        Err(Flow::Return(self.status_argument("return", args).await))
    }

    pub(super) async fn builtin_exec(&mut self, args: &[String]) -> Run<i32> {
        let mut args = args;
        let mut name = None;
        while let Some((first, rest)) = args.split_first() {
            match first.as_str() {
                "--" => {
                    args = rest;
                    break;
                }
                "-a" => {
                    let Some((n, rest)) = rest.split_first() else { return self.usage("exec").await };
                    name = Some(n.clone());
                    args = rest;
                }
                "-c" | "-l" => args = rest,
                other if other.starts_with('-') && other.len() > 1 => return self.bad_option("exec", other).await,
                _ => break,
            }
        }
        let Some(command) = args.first() else { return Ok(0) };
        if let Some(status) = self.run_applet(args).await {
            return Err(Flow::Exit(status));
        }
        let status = match self.look_up(command, None).await {
            Found::Nowhere => {
                self.complain(&format!("exec: {command}: not found")).await;
                127
            }
            Found::Path(path) => {
                let mut words = args.to_vec();
                if let (Some(name), Some(first)) = (name, words.first_mut()) {
                    *first = name;
                }
                let status = self.execute(&path, &words, command, &[]).await;
                // A second message says that it could not even be tried.
                if status == 126
                    && let Ok(stat) = self.sys.stat(&path).await
                    && (stat.is_dir() || self.sys.access(&path, X_OK).await.is_err())
                {
                    let why = if stat.is_dir() { Errno::EISDIR } else { Errno::EACCES };
                    self.complain(&format!("exec: {command}: cannot execute: {why}")).await;
                }
                status
            }
        };
        // A shell that nobody types into does not survive this.
        if self.is_interactive() { Err(Flow::Abort(status)) } else { Err(Flow::Exit(status)) }
    }

    pub(super) async fn builtin_command(&mut self, name: &str, args: &[String], forking: Forking) -> Run<i32> {
        let mut args = args;
        let mut verbose = None;
        while let Some((first, rest)) = args.split_first() {
            match first.as_str() {
                "--" => {
                    args = rest;
                    break;
                }
                "-v" if name == "command" => verbose = Some(false),
                "-V" if name == "command" => verbose = Some(true),
                "-p" if name == "command" => {}
                other if other.starts_with('-') && other.len() > 1 => return self.bad_option(name, other).await,
                _ => break,
            }
            args = rest;
        }
        if let Some(long) = verbose {
            let mut status = i32::from(args.is_empty());
            for arg in args {
                if !self.describe(arg, if long { super::lookup::Form::Long } else { super::lookup::Form::Short }).await
                {
                    if long {
                        self.complain(&format!("command: {arg}: not found")).await;
                    }
                    status = 1;
                }
            }
            return Ok(status);
        }
        let Some(command) = args.first() else { return Ok(0) };
        if let Some(builtin) = super::find(command) {
            return self.run_builtin(builtin, args, forking).await;
        }
        if name == "builtin" {
            return self.fail("builtin", &format!("{command}: not a shell builtin"), 1).await;
        }
        let found = self.look_up(command, None).await;
        if forking == Forking::Needed || (forking == Forking::Tail && self.st.has_traps()) {
            let child = self.fork().await?;
            if child != 0 {
                let status = self.wait_for(&[child]).await.pop().unwrap_or(0);
                return Ok(super::super::jobs::shell_status(status));
            }
            self.st.subshell = true;
        }
        let status = match found {
            Found::Path(path) => self.execute(&path, args, command, &[]).await,
            Found::Nowhere => {
                self.complain(&format!("{command}: command not found")).await;
                127
            }
        };
        Err(Flow::Exit(status))
    }

    pub(super) async fn builtin_shift(&mut self, args: &[String]) -> Run<i32> {
        if args.len() > 1 {
            self.complain("shift: too many arguments").await;
            return Err(Flow::Abort(1));
        }
        let count = match args.first().map(|a| a.parse::<i64>()) {
            None => 1,
            Some(Ok(n)) => n,
            Some(Err(_)) => {
                return self.fail("shift", &format!("{}: numeric argument required", args[0]), 1).await;
            }
        };
        if count < 0 || count as usize > self.st.positional.len() {
            return self.fail("shift", &format!("{count}: shift count out of range"), 1).await;
        }
        self.st.positional = self.st.positional.clone().split_off(count as usize);
        Ok(0)
    }

    pub(super) async fn builtin_set(&mut self, args: &[String]) -> Run<i32> {
        if args.is_empty() {
            let shown = self.st.vars.iter().filter_map(|(n, v)| v.value.as_ref().map(|value| (n, value)));
            let text: String = shown.map(|(n, value)| format!("{n}={}\n", set_form(value))).collect();
            self.out.push_str(&text);
            return Ok(0);
        }
        let mut rest = args;
        while let Some((first, more)) = rest.split_first() {
            if first == "--" {
                self.set_positional(more);
                return Ok(0);
            }
            if first == "-" {
                self.st.options.xtrace = false;
                self.st.options.verbose = false;
                if !more.is_empty() {
                    self.set_positional(more);
                }
                return Ok(0);
            }
            let Some(sign) = first.chars().next().filter(|c| (*c == '-' || *c == '+') && first.len() > 1) else {
                self.set_positional(rest);
                return Ok(0);
            };
            rest = more;
            for letter in first.chars().skip(1) {
                if letter == 'o' {
                    let Some((name, more)) = rest.split_first() else {
                        self.show_options(sign == '-');
                        return Ok(0);
                    };
                    rest = more;
                    match self.st.options.by_name(name) {
                        Some(option) => *option = sign == '-',
                        None if is_fixed(name) => {}
                        None => {
                            self.complain(&format!("set: {name}: invalid option name")).await;
                            return self.misused("set");
                        }
                    }
                    continue;
                }
                match self.st.options.by_letter(letter) {
                    Some(option) => *option = sign == '-',
                    None if "bhkmptBEHPT".contains(letter) => {}
                    None => return self.bad_option("set", &format!("{sign}{letter}")).await,
                }
            }
        }
        Ok(0)
    }

    fn set_positional(&mut self, args: &[String]) {
        self.st.positional = args.iter().map(|a| Arc::from(a.as_str())).collect();
    }

    fn show_options(&mut self, table: bool) {
        let mut options = self.st.options;
        let own = OPTION_NAMES.iter().map(|(name, _)| *name);
        let mut names: Vec<&str> = own.chain(FIXED.iter().map(|(name, _)| *name)).collect();
        names.sort_unstable();
        for name in names {
            let fixed = FIXED.iter().find(|(n, _)| *n == name).map(|(_, on)| *on);
            let on = match fixed {
                Some(fixed) => fixed == "on" || (fixed == "on*" && !options.bash),
                None => options.by_name(name).is_some_and(|o| *o),
            };
            let line = if table {
                format!("{name:<15}\t{}\n", if on { "on" } else { "off" })
            } else {
                format!("set {}o {name}\n", if on { '-' } else { '+' })
            };
            self.out.push_str(&line);
        }
    }
}

/// How `set` shows a value: in quotes only where it needs them.
pub(super) fn set_form(value: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "_-./:=,+%@^".contains(c);
    if value.chars().all(plain) { value.to_owned() } else { super::super::quote(value) }
}
