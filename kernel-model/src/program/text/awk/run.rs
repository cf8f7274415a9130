//! Walking the tree.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::future::Future;
use std::pin::Pin;
use std::rc::Rc;

use super::ast::{Expr, Pattern, Redirect, Script, Stmt};
use super::io::{self, Input, Output};
use super::lex::unescape;
use super::record::MOST_FIELDS;
use super::value::{Array, Value, number_text, sprintf};
use crate::program::Sys;
use crate::program::libc::o;
use crate::program::text::regex::{Regex, Syntax, Whole};

pub(super) type ArrayRef = Rc<RefCell<Array>>;
/// What goes wrong ends the program with a message.
pub(super) type Outcome<T> = Result<T, String>;
pub(super) type Soon<'f, T> = Pin<Box<dyn Future<Output = Outcome<T>> + 'f>>;

/// Where control goes after a statement.
#[derive(Clone, PartialEq, Debug)]
pub(super) enum Flow {
    On,
    Next,
    NextFile,
    Break,
    Continue,
    Exit,
    Return(Value),
}

/// A parameter of a running function.
#[derive(Clone, Debug)]
pub(super) enum Local {
    Value(Value),
    Array(ArrayRef),
}

/// A running program.
pub(super) struct Awk<'a> {
    pub(super) sys: &'a Sys,
    pub(super) script: &'a Script,
    pub(super) globals: BTreeMap<String, Value>,
    pub(super) arrays: BTreeMap<String, ArrayRef>,
    pub(super) frames: Vec<Vec<Local>>,
    pub(super) record: String,
    pub(super) fields: Vec<Value>,
    /// The record has to be put together again from the fields.
    pub(super) stale: bool,
    /// Files that have still to be read.
    pub(super) operands: Vec<String>,
    pub(super) input: Option<Input>,
    /// Whether any operand was a file.
    pub(super) any_file: bool,
    pub(super) inputs: BTreeMap<String, Input>,
    pub(super) outputs: BTreeMap<String, Output>,
    pub(super) in_range: Vec<bool>,
    pub(super) regexes: BTreeMap<String, Regex>,
    pub(super) status: i32,
    pub(super) random: u64,
    pub(super) seed: f64,
    pub(super) turns: u32,
}

/// How deep functions may call each other.
pub(super) const DEEPEST: usize = 100;
/// How many turns of loops are made before others get the processor.
const TURNS: u32 = 1000;

impl<'a> Awk<'a> {
    pub(super) fn new(sys: &'a Sys, script: &'a Script, operands: Vec<String>) -> Awk<'a> {
        let mut awk = Awk {
            sys,
            script,
            globals: BTreeMap::new(),
            arrays: BTreeMap::new(),
            frames: Vec::new(),
            record: String::new(),
            fields: Vec::new(),
            stale: false,
            operands: operands.clone(),
            input: None,
            any_file: false,
            inputs: BTreeMap::new(),
            outputs: BTreeMap::new(),
            in_range: vec![false; script.ranges],
            regexes: BTreeMap::new(),
            status: 0,
            random: 1,
            seed: 0.0,
            turns: 0,
        };
        for (name, text) in [
            ("FS", " "),
            ("OFS", " "),
            ("ORS", "\n"),
            ("RS", "\n"),
            ("SUBSEP", "\u{1c}"),
            ("CONVFMT", "%.6g"),
            ("OFMT", "%.6g"),
            ("FILENAME", ""),
        ] {
            awk.globals.insert(name.into(), Value::Text(text.into()));
        }
        for (name, n) in [("NR", 0.0), ("FNR", 0.0), ("NF", 0.0), ("RSTART", 0.0), ("RLENGTH", -1.0)] {
            awk.globals.insert(name.into(), Value::Number(n));
        }
        let words: Vec<String> = [sys.name().to_owned()].into_iter().chain(operands).collect();
        awk.globals.insert("ARGC".into(), Value::Number(words.len() as f64));
        let arguments = awk.global_array("ARGV");
        for (i, word) in words.into_iter().enumerate() {
            *arguments.borrow_mut().slot(i.to_string()) = Value::input(word);
        }
        let environment = awk.global_array("ENVIRON");
        for (name, value) in sys.envp().iter().filter_map(|v| v.split_once('=')) {
            *environment.borrow_mut().slot(name.into()) = Value::input(value.into());
        }
        awk
    }

    /// `-v` and operands such as `name=value`.
    pub(super) fn assign_text(&mut self, name: &str, value: &str) {
        self.set_global(name, Value::input(unescape(value)));
    }

    pub(super) fn global_array(&mut self, name: &str) -> ArrayRef {
        Rc::clone(self.arrays.entry(name.to_owned()).or_default())
    }

    pub(super) fn set_global(&mut self, name: &str, value: Value) {
        if name == "NF" {
            let count = (value.number().max(0.0) as usize).min(MOST_FIELDS);
            self.fields.resize(count, Value::Text(String::new()));
            self.stale = true;
        }
        self.globals.insert(name.to_owned(), value);
    }

    pub(super) fn set_number(&mut self, name: &str, n: f64) {
        self.globals.insert(name.to_owned(), Value::Number(n));
    }

    pub(super) fn special(&self, name: &str) -> String {
        self.globals.get(name).map_or(String::new(), |v| v.text("%.6g"))
    }

    pub(super) fn text_of(&self, value: &Value) -> String {
        match value {
            Value::Number(n) => number_text(*n, &self.special("CONVFMT")),
            other => other.text("%.6g"),
        }
    }

    pub(super) fn regex(&mut self, pattern: &str) -> Outcome<Regex> {
        if let Some(regex) = self.regexes.get(pattern) {
            return Ok(regex.clone());
        }
        let regex = Regex::new(pattern, Syntax::Awk, false, Whole::Anything)
            .map_err(|e| format!("regular expression compile failed ({e})\n{pattern}"))?;
        self.regexes.insert(pattern.to_owned(), regex.clone());
        Ok(regex)
    }

    // --- the course of the program ---

    pub(super) async fn run(&mut self) -> Outcome<i32> {
        let script = self.script;
        let mut exiting = false;
        for rule in script.rules.iter().filter(|r| matches!(r.pattern, Pattern::Begin)) {
            if let Some(action) = &rule.action
                && self.exec(action).await? == Flow::Exit
            {
                exiting = true;
                break;
            }
        }
        let reads = script.rules.iter().any(|r| !matches!(r.pattern, Pattern::Begin));
        while reads && !exiting {
            let Some(record) = self.main_record().await? else { break };
            self.set_record(record)?;
            exiting = self.rules().await?;
        }
        for rule in script.rules.iter().filter(|r| matches!(r.pattern, Pattern::End)) {
            // exit in a rule still runs the END rules, exit in an END rule does not.
            if let Some(action) = &rule.action
                && self.exec(action).await? == Flow::Exit
            {
                break;
            }
        }
        self.sys.flush().await;
        for (_, output) in std::mem::take(&mut self.outputs) {
            output.close(self.sys).await;
        }
        for (_, input) in std::mem::take(&mut self.inputs) {
            let _ = self.sys.close(input.fd).await;
            if let Some(child) = input.child {
                io::wait(self.sys, child).await;
            }
        }
        Ok(self.status)
    }

    /// All rules for one record; whether the program is to end.
    pub(super) async fn rules(&mut self) -> Outcome<bool> {
        let script = self.script;
        for rule in &script.rules {
            if !self.applies(&rule.pattern).await? {
                continue;
            }
            let flow = match &rule.action {
                Some(action) => self.exec(action).await?,
                None => {
                    let line = self.record_text() + &self.special("ORS");
                    self.sys.print(line).await;
                    Flow::On
                }
            };
            match flow {
                Flow::Exit => return Ok(true),
                Flow::Next => break,
                Flow::NextFile => {
                    self.close_input().await;
                    break;
                }
                _ => {}
            }
        }
        Ok(self.sys.stdout_error().is_some())
    }

    pub(super) async fn applies(&mut self, pattern: &Pattern) -> Outcome<bool> {
        Ok(match pattern {
            Pattern::Begin | Pattern::End => false,
            Pattern::Always => true,
            Pattern::When(condition) => self.eval(condition).await?.is_true(),
            Pattern::Range(from, to, number) => {
                let inside = self.in_range.get(*number).copied().unwrap_or(false);
                if !inside && !self.eval(from).await?.is_true() {
                    return Ok(false);
                }
                let ends = self.eval(to).await?.is_true();
                if let Some(flag) = self.in_range.get_mut(*number) {
                    *flag = !ends;
                }
                true
            }
        })
    }

    /// The next record of the program's own input; counts it.
    pub(super) async fn main_record(&mut self) -> Outcome<Option<String>> {
        loop {
            if self.input.is_none() && !self.open_next().await? {
                return Ok(None);
            }
            let separator = self.special("RS");
            let Some(input) = &mut self.input else { return Ok(None) };
            match input.next(self.sys, &separator).await {
                Ok(Some(record)) => {
                    self.count("NR");
                    self.count("FNR");
                    return Ok(Some(record));
                }
                Ok(None) => self.close_input().await,
                Err(e) => {
                    let file = self.special("FILENAME");
                    return Err(format!("read error on {file} ({e})"));
                }
            }
        }
    }

    pub(super) fn count(&mut self, name: &str) {
        let n = self.globals.get(name).map_or(0.0, Value::number) + 1.0;
        self.set_number(name, n);
    }

    pub(super) async fn close_input(&mut self) {
        if let Some(input) = self.input.take()
            && input.fd > 2
        {
            let _ = self.sys.close(input.fd).await;
        }
    }

    /// Opens the next operand; assignments among them are made.
    pub(super) async fn open_next(&mut self) -> Outcome<bool> {
        while !self.operands.is_empty() {
            let word = self.operands.remove(0);
            let is_name = |n: &str| n.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_');
            if let Some((name, value)) = word.split_once('=').filter(|(n, _)| is_name(n)) {
                self.assign_text(name, value);
                continue;
            }
            if word.is_empty() {
                continue;
            }
            self.any_file = true;
            let fd = match word.as_str() {
                "-" | "/dev/stdin" => 0,
                name => self
                    .sys
                    .open(name, o::RDONLY | o::CLOEXEC, 0)
                    .await
                    .map_err(|e| format!("cannot open {name} ({e})"))?,
            };
            self.set_global("FILENAME", Value::Text(word));
            self.set_number("FNR", 0.0);
            self.input = Some(Input::new(fd));
            return Ok(true);
        }
        if self.any_file {
            return Ok(false);
        }
        self.any_file = true;
        self.input = Some(Input::new(0));
        Ok(true)
    }

    // --- statements ---

    pub(super) fn exec<'f>(&'f mut self, statement: &'f Stmt) -> Soon<'f, Flow> {
        Box::pin(async move {
            match statement {
                Stmt::Expr(e) => drop(self.eval(e).await?),
                Stmt::Print(values, redirect) => self.print(values, redirect.as_ref()).await?,
                Stmt::Printf(values, redirect) => self.printf(values, redirect.as_ref()).await?,
                Stmt::Block(body) => {
                    for inner in body {
                        let flow = self.exec(inner).await?;
                        if flow != Flow::On {
                            return Ok(flow);
                        }
                    }
                }
                Stmt::If(condition, then, otherwise) => {
                    if self.eval(condition).await?.is_true() {
                        return self.exec(then).await;
                    }
                    if let Some(otherwise) = otherwise {
                        return self.exec(otherwise).await;
                    }
                }
                Stmt::While(condition, body) => {
                    while self.eval(condition).await?.is_true() {
                        if let Some(flow) = self.turn(body).await? {
                            return Ok(flow);
                        }
                    }
                }
                Stmt::Do(body, condition) => loop {
                    if let Some(flow) = self.turn(body).await? {
                        return Ok(flow);
                    }
                    if !self.eval(condition).await?.is_true() {
                        break;
                    }
                },
                Stmt::For(first, condition, step, body) => {
                    if let Some(first) = first {
                        self.exec(first).await?;
                    }
                    loop {
                        if let Some(condition) = condition
                            && !self.eval(condition).await?.is_true()
                        {
                            break;
                        }
                        if let Some(flow) = self.turn(body).await? {
                            return Ok(flow);
                        }
                        if let Some(step) = step {
                            self.exec(step).await?;
                        }
                    }
                }
                Stmt::ForIn(variable, array, body) => {
                    let keys = self.array(array).borrow().keys();
                    for key in keys {
                        self.assign(variable, Value::Text(key)).await?;
                        if let Some(flow) = self.turn(body).await? {
                            return Ok(flow);
                        }
                    }
                }
                Stmt::Next => return Ok(Flow::Next),
                Stmt::NextFile => return Ok(Flow::NextFile),
                Stmt::Break => return Ok(Flow::Break),
                Stmt::Continue => return Ok(Flow::Continue),
                Stmt::Exit(value) => {
                    if let Some(value) = value {
                        self.status = (self.eval(value).await?.number() as i64 & 0xff) as i32;
                    }
                    return Ok(Flow::Exit);
                }
                Stmt::Return(value) => {
                    return Ok(Flow::Return(match value {
                        Some(value) => self.eval(value).await?,
                        None => Value::Unset,
                    }));
                }
                Stmt::Delete(array, None) => self.array(array).borrow_mut().clear(),
                Stmt::Delete(array, Some(keys)) => {
                    let key = self.key(keys).await?;
                    self.array(array).borrow_mut().remove(&key);
                }
            }
            Ok(Flow::On)
        })
    }

    /// One turn of a loop: where to go when the loop is left. `break` leaves it for the next statement.
    pub(super) async fn turn(&mut self, body: &Stmt) -> Outcome<Option<Flow>> {
        self.turns += 1;
        if self.turns.is_multiple_of(TURNS) {
            self.sys.compute(1_000_000).await;
        }
        Ok(match self.exec(body).await? {
            Flow::On | Flow::Continue => None,
            Flow::Break => Some(Flow::On),
            other => Some(other),
        })
    }

    pub(super) async fn print(&mut self, values: &[Expr], redirect: Option<&Redirect>) -> Outcome<()> {
        let mut texts = Vec::new();
        for value in values {
            texts.push(match self.eval(value).await? {
                Value::Number(n) => number_text(n, &self.special("OFMT")),
                other => self.text_of(&other),
            });
        }
        let mut line = if values.is_empty() { self.record_text() } else { texts.join(&self.special("OFS")) };
        line += &self.special("ORS");
        self.write(&line, redirect).await
    }

    pub(super) async fn printf(&mut self, values: &[Expr], redirect: Option<&Redirect>) -> Outcome<()> {
        let mut all = Vec::new();
        for value in values {
            all.push(self.eval(value).await?);
        }
        let Some((format, rest)) = all.split_first() else { return Ok(()) };
        let format = self.text_of(format);
        let text = sprintf(&format, rest).map_err(|m| {
            let (file, fnr, nr) = (self.special("FILENAME"), self.special("FNR"), self.special("NR"));
            format!(
                "run time error: {}\n\tFILENAME=\"{file}\" FNR={fnr} NR={nr}",
                m.replace("to sprintf(", "to printf(")
            )
        })?;
        self.write(&text, redirect).await
    }

    pub(super) async fn write(&mut self, text: &str, redirect: Option<&Redirect>) -> Outcome<()> {
        let Some(redirect) = redirect else {
            self.sys.print(text).await;
            return Ok(());
        };
        let (Redirect::File(name) | Redirect::Append(name) | Redirect::Pipe(name)) = redirect;
        let name = self.eval(name).await?;
        let name = self.text_of(&name);
        if name == "/dev/stdout" {
            self.sys.print(text).await;
            return Ok(());
        }
        if !self.outputs.contains_key(&name) {
            let output = Output::open(self.sys, redirect, &name)
                .await
                .map_err(|e| format!("cannot open \"{name}\" for output ({e})"))?;
            self.outputs.insert(name.clone(), output);
        }
        let Some(output) = self.outputs.get_mut(&name) else { return Ok(()) };
        output.buffer.extend_from_slice(text.as_bytes());
        if output.buffer.len() > 4096 || output.fd == 2 {
            output.flush(self.sys).await.map_err(|e| format!("write failure ({e})"))?;
        }
        Ok(())
    }

    /// fflush(): everything that has been printed.
    pub(super) async fn flush(&mut self) {
        self.sys.flush().await;
        for output in self.outputs.values_mut() {
            let _ = output.flush(self.sys).await;
        }
    }

    /// close(): the status, or -1 when nothing of the name is open.
    pub(super) async fn close(&mut self, name: &str) -> i32 {
        let mut status = -1;
        if let Some(output) = self.outputs.remove(name) {
            self.sys.flush().await;
            status = output.close(self.sys).await;
        }
        if let Some(input) = self.inputs.remove(name) {
            let _ = self.sys.close(input.fd).await;
            status = match input.child {
                Some(child) => io::wait(self.sys, child).await,
                None => 0,
            };
        }
        status
    }
}

/// A function that is called and does not exist.
pub(super) fn undefined_function(script: &Script) -> Option<String> {
    // The tree prints every call with its name, which saves walking all of it by hand.
    let text = format!("{script:?}");
    text.split("Call(\"").skip(1).filter_map(|rest| rest.split('"').next()).find_map(|name| {
        let is_name = name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_') && !name.is_empty();
        (is_name && !script.functions.contains_key(name)).then(|| name.to_owned())
    })
}
