//! Builtins about the process' surroundings: working directory, umask, limits.

use super::super::state::Var;
use super::super::{Run, Shell};
use crate::errno::Errno;
use crate::program::Sys;
use crate::syscall::{Sysno, Value};

/// A limit as `ulimit` shows it.
struct Limit {
    letter: char,
    number: i64,
    text: &'static str,
    unit: &'static str,
    scale: u64,
}

const fn limit(letter: char, number: i64, text: &'static str, unit: &'static str, scale: u64) -> Limit {
    Limit { letter, number, text, unit, scale }
}

/// What `ulimit -a` lists, in its order.
const LIMITS: [Limit; 17] = [
    limit('R', 15, "real-time non-blocking time", "microseconds", 1),
    limit('c', 4, "core file size", "blocks", 512),
    limit('d', 2, "data seg size", "kbytes", 1024),
    limit('e', 13, "scheduling priority", "", 1),
    limit('f', 1, "file size", "blocks", 512),
    limit('i', 11, "pending signals", "", 1),
    limit('l', 8, "max locked memory", "kbytes", 1024),
    limit('m', 5, "max memory size", "kbytes", 1024),
    limit('n', 7, "open files", "", 1),
    limit('p', PIPE, "pipe size", "512 bytes", 512),
    limit('q', 12, "POSIX message queues", "bytes", 1),
    limit('r', 14, "real-time priority", "", 1),
    limit('s', 3, "stack size", "kbytes", 1024),
    limit('t', 0, "cpu time", "seconds", 1),
    limit('u', 6, "max user processes", "", 1),
    limit('v', 9, "virtual memory", "kbytes", 1024),
    limit('x', 10, "file locks", "", 1),
];

const INFINITY: u64 = u64::MAX;
/// Stands for how much is written to a pipe in one piece: no limit of the kernel's, and nobody can change it.
const PIPE: i64 = -1;
/// That much, in bytes.
const PIPE_BUF: u64 = 4096;

async fn get_limit(sys: &Sys, number: i64) -> Option<(u64, u64)> {
    if number == PIPE {
        return Some((PIPE_BUF, PIPE_BUF));
    }
    let args = vec![0.into(), number.into(), Value::Null, Value::Null];
    let ret = sys.call(Sysno::PRLIMIT64, args).await.ok()?;
    let field = |name| ret.output(3).field(name).and_then(Value::as_int).map(|n| n as u64);
    Some((field("rlim_cur")?, field("rlim_max")?))
}

impl Shell {
    pub(super) async fn builtin_cd(&mut self, args: &[String]) -> Run<i32> {
        let mut physical = false;
        let mut args = args;
        while let Some((first, rest)) = args.split_first().filter(|(f, _)| f.starts_with('-') && f.len() > 1) {
            args = rest;
            match first.as_str() {
                "-P" => physical = true,
                "-L" => physical = false,
                "--" => break,
                other => return self.bad_option("cd", other).await,
            }
        }
        if args.len() > 1 {
            return self.fail("cd", "too many arguments", 1).await;
        }
        let mut show = false;
        let dir = match args.first().map(String::as_str) {
            None => match self.st.get("HOME") {
                Some(home) => home.to_string(),
                None => return self.fail("cd", "HOME not set", 1).await,
            },
            Some("-") => {
                show = true;
                match self.st.get("OLDPWD") {
                    Some(old) => old.to_string(),
                    None => return self.fail("cd", "OLDPWD not set", 1).await,
                }
            }
            Some(dir) => dir.to_owned(),
        };
        if dir.is_empty() {
            return Ok(0);
        }
        let status = self.go_to("cd", &dir, physical).await?;
        if show && status == 0 {
            self.out.push_str(&format!("{}\n", self.st.cwd));
        }
        Ok(status)
    }

    /// Makes this the working directory, for `pushd` and `popd`.
    pub(super) async fn change_directory(&mut self, name: &str, dir: &str) -> Run<i32> {
        self.go_to(name, dir, false).await
    }

    async fn go_to(&mut self, name: &str, dir: &str, physical: bool) -> Run<i32> {
        let mut lost = self.st.cwd.is_empty() && !dir.starts_with('/');
        if lost {
            match self.sys.getcwd().await {
                Ok(cwd) => {
                    self.st.cwd = cwd;
                    lost = false;
                }
                Err(e) => {
                    let text = "error retrieving current directory: getcwd: cannot access parent directories";
                    self.sys.eprint(format!("chdir: {text}: {e}\n")).await;
                }
            }
        }
        let logical = if lost { dir.to_owned() } else { canonical(&self.st.cwd, dir) };
        let target = if physical || self.st.cwd.is_empty() { dir.to_owned() } else { logical.clone() };
        let mut by_name = target == logical;
        let mut result = self.sys.chdir(&target).await;
        if result.is_err() && target != dir {
            // The name of the working directory may not lead to it any more.
            let second = self.sys.chdir(dir).await;
            if second.is_ok() {
                by_name = false;
                result = second;
            }
        }
        if let Err(e) = result {
            let status = if self.is_ash() { 2 } else { 1 };
            return self.fail(name, &format!("{dir}: {e}"), status).await;
        }
        let new = if by_name && !physical { logical } else { self.sys.getcwd().await.unwrap_or(logical) };
        let old = std::mem::replace(&mut self.st.cwd, new.clone());
        self.set_exported("OLDPWD", &old);
        self.set_exported("PWD", &new);
        Ok(0)
    }

    fn set_exported(&mut self, name: &str, value: &str) {
        let exported = self.st.vars.get(name).is_none_or(|v| v.exported);
        let var = Var { value: Some(value.into()), exported, ..Var::default() };
        self.st.vars.insert(name.into(), var);
    }

    pub(super) async fn builtin_pwd(&mut self, args: &[String]) -> Run<i32> {
        let mut physical = false;
        for arg in args {
            match arg.as_str() {
                "-P" => physical = true,
                "-L" | "--" => physical = false,
                other if other.starts_with('-') => return self.bad_option("pwd", other).await,
                _ => {}
            }
        }
        // In POSIX mode it is made sure that the name is still that of the place where the shell is.
        let same = match (self.sys.stat(".").await, self.sys.stat(&self.st.cwd).await) {
            (Ok(here), Ok(named)) => (here.st_dev, here.st_ino) == (named.st_dev, named.st_ino),
            _ => false,
        };
        let cwd = if physical || self.st.cwd.is_empty() || !same {
            // A place that no path leads to any more has no name for the C library.
            let named = self.sys.getcwd().await;
            match named.and_then(|cwd| if cwd.starts_with('/') { Ok(cwd) } else { Err(Errno::ENOENT) }) {
                Ok(cwd) => cwd,
                Err(e) => {
                    let text = "error retrieving current directory: getcwd: cannot access parent directories";
                    self.sys.eprint(format!("pwd: {text}: {e}\n")).await;
                    // The shell no longer knows where it is (`resetpwd`).
                    self.st.cwd.clear();
                    return Ok(1);
                }
            }
        } else {
            self.st.cwd.clone()
        };
        self.out.push_str(&format!("{cwd}\n"));
        Ok(0)
    }

    pub(super) async fn builtin_umask(&mut self, args: &[String]) -> Run<i32> {
        let mut symbolic = false;
        let mut mode = None;
        for arg in args {
            match arg.as_str() {
                "-S" => symbolic = true,
                "-p" | "--" => {}
                other if other.starts_with('-') && other.len() > 1 => return self.bad_option("umask", other).await,
                other => mode = Some(other),
            }
        }
        let old = self.sys.umask(0o022).await.unwrap_or(0);
        let Some(mode) = mode else {
            let _ = self.sys.umask(old).await;
            let line = if symbolic { symbolic_mask(old) } else { format!("{old:04o}") };
            self.out.push_str(&format!("{line}\n"));
            return Ok(0);
        };
        let new = if mode.starts_with(|c: char| c.is_ascii_digit()) {
            match u32::from_str_radix(mode, 8) {
                Ok(new) if new <= 0o777 => Ok(new),
                _ => Err(format!("{mode}: octal number out of range")),
            }
        } else {
            change_mask(old, mode)
        };
        match new {
            Ok(new) => {
                let _ = self.sys.umask(new).await;
                if symbolic {
                    self.out.push_str(&format!("{}\n", symbolic_mask(new)));
                }
                Ok(0)
            }
            Err(message) => {
                let _ = self.sys.umask(old).await;
                self.fail("umask", &message, 1).await
            }
        }
    }

    pub(super) async fn builtin_ulimit(&mut self, args: &[String]) -> Run<i32> {
        let (mut soft, mut hard, mut all) = (false, false, false);
        let mut letters = Vec::new();
        let mut args = args;
        while let Some((first, rest)) = args.split_first().filter(|(f, _)| f.starts_with('-') && f.len() > 1) {
            for letter in first.chars().skip(1) {
                match letter {
                    'S' => soft = true,
                    'H' => hard = true,
                    'a' => all = true,
                    '-' => {}
                    l if LIMITS.iter().any(|limit| limit.letter == l) => letters.push(l),
                    l => return self.bad_option("ulimit", &format!("-{l}")).await,
                }
            }
            args = rest;
        }
        let shown = |value: u64, limit: &Limit| match value {
            INFINITY => "unlimited".to_owned(),
            n => (n / limit.scale).to_string(),
        };
        if all {
            for limit in &LIMITS {
                let Some((cur, max)) = get_limit(&self.sys, limit.number).await else { continue };
                self.out.push_str(&format!("{}{}\n", label(limit), shown(if hard { max } else { cur }, limit)));
            }
            return Ok(0);
        }
        if letters.is_empty() {
            letters.push('f');
        }
        let several = letters.len() > 1;
        for letter in letters {
            let Some(limit) = LIMITS.iter().find(|l| l.letter == letter) else { continue };
            let Some((cur, max)) = get_limit(&self.sys, limit.number).await else {
                return self.fail("ulimit", &format!("{}: cannot get limit", limit.text), 1).await;
            };
            let Some(text) = args.first() else {
                let value = shown(if hard && !soft { max } else { cur }, limit);
                let label = if several { label(limit) } else { String::new() };
                self.out.push_str(&format!("{label}{value}\n"));
                continue;
            };
            let new = match text.as_str() {
                "unlimited" => INFINITY,
                "hard" => max,
                "soft" => cur,
                number => match number.parse::<u64>() {
                    Ok(n) => n.saturating_mul(limit.scale),
                    Err(_) => return self.fail("ulimit", &format!("{number}: invalid number"), 1).await,
                },
            };
            // Without -S or -H both are set.
            let both = soft == hard;
            let cur = if soft || both { new } else { cur };
            let max = if hard || both { new } else { max };
            let record = Value::record([("rlim_cur", cur.into()), ("rlim_max", max.into())]);
            let args = vec![0.into(), limit.number.into(), record, Value::Null];
            if let Err(e) = self.sys.call(Sysno::PRLIMIT64, args).await {
                return self.fail("ulimit", &format!("{}: cannot modify limit: {e}", limit.text), 1).await;
            }
        }
        Ok(0)
    }
}

/// The first column of `ulimit -a`.
fn label(limit: &Limit) -> String {
    let unit = if limit.unit.is_empty() {
        format!("(-{}) ", limit.letter)
    } else {
        format!("({}, -{}) ", limit.unit, limit.letter)
    };
    format!("{:<20} {:>20}", limit.text, unit)
}

/// A path from the root without `.`, `..` and doubled slashes.
fn canonical(cwd: &str, dir: &str) -> String {
    let full = if dir.starts_with('/') { dir.to_owned() } else { format!("{cwd}/{dir}") };
    let mut parts: Vec<&str> = Vec::new();
    for part in full.split('/') {
        match part {
            "" | "." => {}
            ".." => {
                parts.pop();
            }
            other => parts.push(other),
        }
    }
    format!("/{}", parts.join("/"))
}

/// `umask -S`.
fn symbolic_mask(mask: u32) -> String {
    let class = |name: char, shift: u32| {
        let bits = !(mask >> shift) & 7;
        let letters: String =
            [(4, 'r'), (2, 'w'), (1, 'x')].iter().filter(|(b, _)| bits & b != 0).map(|(_, l)| *l).collect();
        format!("{name}={letters}")
    };
    [class('u', 6), class('g', 3), class('o', 0)].join(",")
}

/// A mask after a change such as `g-w,o=`.
fn change_mask(mask: u32, text: &str) -> Result<u32, String> {
    let mut allowed = !mask & 0o777;
    for clause in text.split(',') {
        let end = clause.find(['+', '-', '=']).ok_or_else(|| bad_mode(clause))?;
        let (who, change) = clause.split_at(end);
        let mut classes = 0;
        for c in who.chars() {
            classes |= match c {
                'u' => 0o700,
                'g' => 0o070,
                'o' => 0o007,
                'a' => 0o777,
                _ => return Err(bad_mode(clause)),
            };
        }
        if who.is_empty() {
            classes = 0o777;
        }
        let mut op = '=';
        let mut bits = 0;
        let apply = |op: char, bits: u32, allowed: u32| match op {
            '+' => allowed | (bits & classes),
            '-' => allowed & !(bits & classes),
            _ => (allowed & !classes) | (bits & classes),
        };
        for (i, c) in change.chars().enumerate() {
            match c {
                '+' | '-' | '=' => {
                    if i > 0 {
                        allowed = apply(op, bits, allowed);
                    }
                    op = c;
                    bits = 0;
                }
                'r' => bits |= 0o444,
                'w' => bits |= 0o222,
                'x' => bits |= 0o111,
                'X' | 's' | 't' => {}
                _ => return Err(bad_mode(clause)),
            }
        }
        allowed = apply(op, bits, allowed);
    }
    Ok(!allowed & 0o777)
}

fn bad_mode(clause: &str) -> String {
    let c = clause.chars().next().unwrap_or(' ');
    format!("`{c}': invalid symbolic mode operator")
}
