//! Builtins about variables and aliases.

use std::sync::Arc;

use super::super::arith;
use super::super::state::{Frame, Var};
use super::super::word::is_name;
use super::super::{Flow, Run, Shell};

/// A value in double quotes, as declarations are shown.
fn double_quoted(value: &str) -> String {
    let mut out = String::from("\"");
    for c in value.chars() {
        if matches!(c, '"' | '\\' | '$' | '`') {
            out.push('\\');
        }
        out.push(c);
    }
    out.push('"');
    out
}

/// The array and the index that `name[index]` means.
fn element(text: &str) -> Option<(&str, &str)> {
    let (name, index) = text.strip_suffix(']')?.split_once('[')?;
    is_name(name).then_some((name, index))
}

impl Shell {
    pub(super) async fn builtin_export(&mut self, name: &str, args: &[String]) -> Run<i32> {
        let readonly = name == "readonly";
        let mut remove = false;
        let mut print = args.is_empty();
        let mut functions = false;
        let mut names = args;
        while let Some((first, rest)) = names.split_first() {
            if first == "--" {
                names = rest;
                break;
            }
            if !first.starts_with('-') || first.len() == 1 {
                break;
            }
            for letter in first.chars().skip(1) {
                match letter {
                    'p' => print = true,
                    'n' if !readonly => remove = true,
                    'f' => functions = true,
                    _ => return self.bad_option(name, &format!("-{letter}")).await,
                }
            }
            names = rest;
        }
        if print && names.is_empty() {
            let shown = self.st.vars.iter().filter(|(_, v)| if readonly { v.readonly } else { v.exported });
            let text: String = shown
                .map(|(n, v)| match &v.value {
                    Some(value) => format!("{name} {n}={}\n", double_quoted(value)),
                    None => format!("{name} {n}\n"),
                })
                .collect();
            self.out.push_str(&text);
            return Ok(0);
        }
        let mut status = 0;
        for arg in names {
            let (var, value) = match arg.split_once('=') {
                Some((var, value)) => (var, Some(value)),
                None => (arg.as_str(), None),
            };
            let (var, append) = match var.strip_suffix('+') {
                Some(var) if value.is_some() => (var, true),
                _ => (var, false),
            };
            if functions {
                continue;
            }
            if !is_name(var) {
                self.complain(&format!("{name}: `{arg}': not a valid identifier")).await;
                status = 1;
                continue;
            }
            if let Some(value) = value {
                let old =
                    if append { self.st.get(var).map(|v| v.to_string()).unwrap_or_default() } else { String::new() };
                if self.st.vars.get(var).is_some_and(|v| v.readonly) {
                    self.complain(&format!("{var}: readonly variable")).await;
                    return Err(Flow::Abort(1));
                }
                self.assign(var, &format!("{old}{value}")).await?;
            }
            let mut changed = self.st.vars.get(var).cloned().unwrap_or_default();
            if readonly {
                changed.readonly = true;
            } else {
                changed.exported = !remove;
            }
            self.st.vars.insert(var.into(), changed);
        }
        Ok(status)
    }

    pub(super) async fn builtin_declare(&mut self, name: &str, args: &[String]) -> Run<i32> {
        let in_function = self.st.function_depth() > 0;
        if name == "local" && !in_function {
            return self.fail(name, "can only be used in a function", 1).await;
        }
        let mut flags = Var::default();
        let mut clear = Var::default();
        let (mut print, mut functions, mut global) = (false, None, false);
        let mut names = args;
        while let Some((first, rest)) = names.split_first() {
            if first == "--" {
                names = rest;
                break;
            }
            let Some(sign) = first.chars().next().filter(|c| (*c == '-' || *c == '+') && first.len() > 1) else {
                break;
            };
            let target = if sign == '-' { &mut flags } else { &mut clear };
            for letter in first.chars().skip(1) {
                match letter {
                    'x' => target.exported = true,
                    'r' => target.readonly = true,
                    'i' => target.integer = true,
                    'p' => print = true,
                    'f' => functions = Some(true),
                    'F' => functions = Some(false),
                    'g' => global = true,
                    'a' => target.array = Some(imbl::OrdMap::new()),
                    'A' => return self.fail(name, "associative arrays are not modelled", 1).await,
                    _ => return self.bad_option(name, &format!("{sign}{letter}")).await,
                }
            }
            names = rest;
        }
        if let Some(text) = functions {
            return Ok(self.show_functions(names, text));
        }
        if print || (names.is_empty() && name != "local") {
            return self.show_variables(name, names, &flags).await;
        }
        let mut status = 0;
        for arg in names {
            let (var, value) = match arg.split_once('=') {
                Some((var, value)) => (var, Some(value)),
                None => (arg.as_str(), None),
            };
            if !is_name(var) {
                self.complain(&format!("{name}: `{arg}': not a valid identifier")).await;
                status = 1;
                continue;
            }
            if self.st.vars.get(var).is_some_and(|v| v.readonly) && value.is_some() {
                self.complain(&format!("{name}: {var}: readonly variable")).await;
                status = 1;
                continue;
            }
            if in_function && !global {
                self.hide(var);
            }
            let mut changed = self.st.vars.get(var).cloned().unwrap_or_default();
            changed.exported = (changed.exported || flags.exported) && !clear.exported;
            changed.integer = (changed.integer || flags.integer) && !clear.integer;
            if flags.array.is_some() && changed.array.is_none() {
                changed.array = Some(changed.value.iter().map(|value| (0, Arc::clone(value))).collect());
            }
            self.st.vars.insert(var.into(), changed);
            if let Some(value) = value {
                self.assign(var, value).await?;
            }
            if flags.readonly
                && let Some(var) = self.st.vars.get_mut(var)
            {
                var.readonly = true;
            }
        }
        Ok(status)
    }

    /// Makes a variable the function's own.
    fn hide(&mut self, name: &str) {
        let old = self.st.vars.get(name).cloned();
        let innermost = self.st.frames.iter().rposition(|f| matches!(f, Frame::Function { .. }));
        let Some(Frame::Function { hidden, .. }) = innermost.and_then(|i| self.st.frames.get_mut(i)) else { return };
        if hidden.iter().any(|(n, _)| &**n == name) {
            return;
        }
        hidden.push_back((name.into(), old));
        self.st.vars.remove(name);
    }

    fn show_functions(&mut self, names: &[String], text: bool) -> i32 {
        let mut status = 0;
        let all: Vec<String> =
            if names.is_empty() { self.st.functions.keys().map(|k| k.to_string()).collect() } else { names.to_vec() };
        for name in all {
            match self.st.functions.get(name.as_str()) {
                Some(function) if text => self.out.push_str(&format!("{}\n", function.text)),
                Some(_) if names.is_empty() => self.out.push_str(&format!("declare -f {name}\n")),
                Some(_) => self.out.push_str(&format!("{name}\n")),
                None => status = 1,
            }
        }
        status
    }

    async fn show_variables(&mut self, name: &str, names: &[String], flags: &Var) -> Run<i32> {
        let mut status = 0;
        let wanted = |v: &Var| {
            (!flags.exported || v.exported) && (!flags.readonly || v.readonly) && (!flags.integer || v.integer)
        };
        let all: Vec<Arc<str>> = if names.is_empty() {
            self.st.vars.iter().filter(|(_, v)| wanted(v)).map(|(n, _)| Arc::clone(n)).collect()
        } else {
            names.iter().map(|n| Arc::from(n.as_str())).collect()
        };
        for var in all {
            match self.st.vars.get(&var) {
                Some(v) => {
                    let mut letters = String::new();
                    for (on, letter) in
                        [(v.array.is_some(), 'a'), (v.integer, 'i'), (v.readonly, 'r'), (v.exported, 'x')]
                    {
                        if on {
                            letters.push(letter);
                        }
                    }
                    let letters = if letters.is_empty() { "-".to_owned() } else { letters };
                    let line = match (&v.array, &v.value) {
                        (Some(array), _) if !array.is_empty() => {
                            let elements = array.iter().map(|(i, value)| format!("[{i}]={}", double_quoted(value)));
                            format!("declare -{letters} {var}=({})\n", elements.collect::<Vec<_>>().join(" "))
                        }
                        (_, Some(value)) => format!("declare -{letters} {var}={}\n", double_quoted(value)),
                        (_, None) => format!("declare -{letters} {var}\n"),
                    };
                    self.out.push_str(&line);
                }
                None => {
                    self.complain(&format!("{name}: {var}: not found")).await;
                    status = 1;
                }
            }
        }
        Ok(status)
    }

    pub(super) async fn builtin_unset(&mut self, args: &[String]) -> Run<i32> {
        let (mut functions, mut variables) = (false, false);
        let mut status = 0;
        let mut options = true;
        for arg in args {
            match arg.as_str() {
                "--" if options => options = false,
                "-f" if options => functions = true,
                "-v" if options => variables = true,
                _ if options && arg.starts_with('-') && arg.len() > 1 => return self.bad_option("unset", arg).await,
                name => {
                    options = false;
                    if !functions && let Some((array, index)) = element(name) {
                        let index = match index {
                            "@" | "*" => None,
                            index => match arith::evaluate(index, &mut self.st) {
                                Ok(index) => Some(index),
                                Err(e) => return self.fail("unset", &e.0, 1).await,
                            },
                        };
                        if let Err(message) = self.st.unset_element(array, index) {
                            status = self.fail("unset", &message, 1).await?;
                        }
                    } else if !functions && self.st.vars.contains_key(name) {
                        if self.st.vars.get(name).is_some_and(|v| v.readonly) {
                            self.complain(&format!("unset: {name}: cannot unset: readonly variable")).await;
                            status = 1;
                        } else {
                            self.st.vars.remove(name);
                        }
                    } else if functions {
                        self.st.functions.remove(name);
                    } else if !is_name(name) {
                        self.complain(&format!("unset: `{name}': not a valid identifier")).await;
                        status = 1;
                    } else if !variables {
                        self.st.functions.remove(name);
                    }
                }
            }
        }
        Ok(status)
    }

    pub(super) async fn builtin_let(&mut self, args: &[String]) -> Run<i32> {
        if args.is_empty() {
            return self.fail("let", "expression expected", 1).await;
        }
        let mut value = 0;
        for arg in args {
            match arith::evaluate(arg, &mut self.st) {
                Ok(v) => value = v,
                Err(e) => return self.fail("let", &e.0, 1).await,
            }
        }
        Ok(i32::from(value == 0))
    }

    pub(super) async fn builtin_alias(&mut self, args: &[String]) -> Run<i32> {
        let mut status = 0;
        let args: Vec<&String> = args.iter().filter(|a| *a != "-p").collect();
        if args.is_empty() {
            let text: String = self.st.aliases.iter().map(|(n, v)| self.alias_line(n, v)).collect();
            self.out.push_str(&text);
        }
        for arg in args {
            match arg.split_once('=') {
                Some((name, value)) => {
                    self.st.aliases.insert(name.to_owned(), value.to_owned());
                }
                None => match self.st.aliases.get(arg) {
                    Some(value) => self.out.push_str(&self.alias_line(arg, value)),
                    None => {
                        self.complain(&format!("alias: {arg}: not found")).await;
                        status = 1;
                    }
                },
            }
        }
        Ok(status)
    }

    /// How an alias is shown: in POSIX mode without the command's name.
    fn alias_line(&self, name: &str, value: &str) -> String {
        let command = if self.st.options.bash { "alias " } else { "" };
        format!("{command}{name}={}\n", super::super::quote(value))
    }

    pub(super) async fn builtin_unalias(&mut self, args: &[String]) -> Run<i32> {
        if args.is_empty() {
            return self.usage("unalias").await;
        }
        let mut status = 0;
        for arg in args {
            if arg == "-a" {
                self.st.aliases.clear();
            } else if self.st.aliases.remove(arg).is_none() {
                self.complain(&format!("unalias: {arg}: not found")).await;
                status = 1;
            }
        }
        Ok(status)
    }

    pub(super) async fn builtin_getopts(&mut self, args: &[String]) -> Run<i32> {
        let [spec, name, rest @ ..] = args else { return self.usage("getopts").await };
        let list: Vec<String> =
            if rest.is_empty() { self.st.positional.iter().map(|p| p.to_string()).collect() } else { rest.to_vec() };
        let index = self.st.get("OPTIND").and_then(|v| v.parse::<usize>().ok()).unwrap_or(1).max(1);
        let silent = spec.starts_with(':');
        let end = |arg: Option<&String>| !arg.is_some_and(|a| a.starts_with('-') && a.len() > 1);
        let current = list.get(index - 1).cloned();
        if end(current.as_ref()) || current.as_deref() == Some("--") {
            let next = if current.as_deref() == Some("--") { index + 1 } else { index };
            self.assign("OPTIND", &next.to_string()).await?;
            self.assign(name, "?").await?;
            self.st.vars.remove("OPTARG");
            return Ok(1);
        }
        let word = current.unwrap_or_default();
        let at = self.st.getopts_at.max(1);
        let letter = word.chars().nth(at).unwrap_or('?');
        let last = word.chars().count() <= at + 1;
        let mut next = if last { index + 1 } else { index };
        let mut next_at = if last { 0 } else { at + 1 };
        let found = spec.trim_start_matches(':').find(letter).filter(|_| letter != ':');
        let takes = found.is_some_and(|i| spec.trim_start_matches(':')[i + letter.len_utf8()..].starts_with(':'));
        let (value, argument) = match found {
            None => {
                if !silent {
                    self.complain_plain(&format!("illegal option -- {letter}")).await;
                }
                ("?".to_owned(), silent.then(|| letter.to_string()))
            }
            Some(_) if takes => {
                let argument = if last {
                    next = index + 2;
                    list.get(index).cloned()
                } else {
                    next = index + 1;
                    Some(word.chars().skip(at + 1).collect())
                };
                next_at = 0;
                match argument {
                    Some(argument) => (letter.to_string(), Some(argument)),
                    None => {
                        next = index + 1;
                        if silent {
                            (":".to_owned(), Some(letter.to_string()))
                        } else {
                            self.complain_plain(&format!("option requires an argument -- {letter}")).await;
                            ("?".to_owned(), None)
                        }
                    }
                }
            }
            Some(_) => (letter.to_string(), None),
        };
        self.assign("OPTIND", &next.to_string()).await?;
        self.st.getopts_at = next_at;
        match argument {
            Some(argument) => self.assign("OPTARG", &argument).await?,
            None => {
                self.st.vars.remove("OPTARG");
            }
        }
        self.assign(name, &value).await?;
        Ok(0)
    }

    /// A message of getopts, which names no line.
    async fn complain_plain(&mut self, message: &str) {
        let text = format!("{}: {message}\n", self.st.name);
        self.sys.eprint(text).await;
    }
}
