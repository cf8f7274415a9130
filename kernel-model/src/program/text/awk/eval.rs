//! Variables and expressions.

use std::rc::Rc;

use super::ast::{ArrayName, Expr, Getline, Op, Source};
use super::io::{self, Input};
use super::run::{ArrayRef, Awk, DEEPEST, Flow, Local, Outcome, Soon};
use super::value::Value;
use crate::program::libc::o;
use crate::program::text::regex::Regex;

impl Awk<'_> {
    pub(super) fn array(&mut self, name: &ArrayName) -> ArrayRef {
        match name {
            ArrayName::Global(name) => self.global_array(name),
            ArrayName::Local(place) => match self.frames.last().and_then(|f| f.get(*place)) {
                Some(Local::Array(array)) => Rc::clone(array),
                _ => ArrayRef::default(),
            },
        }
    }

    pub(super) async fn key(&mut self, keys: &[Expr]) -> Outcome<String> {
        let mut texts = Vec::new();
        for key in keys {
            let value = self.eval(key).await?;
            texts.push(self.text_of(&value));
        }
        Ok(texts.join(&self.special("SUBSEP")))
    }

    pub(super) async fn assign(&mut self, target: &Expr, value: Value) -> Outcome<()> {
        match target {
            Expr::Global(name) => self.set_global(name, value),
            Expr::Local(place) => {
                if let Some(local) = self.frames.last_mut().and_then(|f| f.get_mut(*place)) {
                    *local = Local::Value(value);
                }
            }
            Expr::Field(n) => {
                let n = self.eval(n).await?.number();
                self.set_field(n, value)?;
            }
            Expr::Index(array, keys) => {
                let key = self.key(keys).await?;
                *self.array(array).borrow_mut().slot(key) = value;
            }
            _ => return Err("run time error: assignment to what is no variable".into()),
        }
        Ok(())
    }

    // --- expressions ---

    pub(super) fn eval<'f>(&'f mut self, expr: &'f Expr) -> Soon<'f, Value> {
        Box::pin(async move {
            Ok(match expr {
                Expr::Number(n) => Value::Number(*n),
                Expr::Text(s) => Value::Text(s.clone()),
                Expr::Regex(regex) => regex.is_match(self.record_text().as_bytes()).into(),
                Expr::Global(name) => self.globals.get(name).cloned().unwrap_or_default(),
                Expr::Local(place) => match self.frames.last().and_then(|f| f.get(*place)) {
                    Some(Local::Value(value)) => value.clone(),
                    _ => Value::Unset,
                },
                Expr::Field(n) => {
                    let n = self.eval(n).await?.number();
                    self.field(n)?
                }
                Expr::Index(array, keys) => {
                    let key = self.key(keys).await?;
                    let array = self.array(array);

                    array.borrow_mut().get(key)
                }
                Expr::In(keys, array) => {
                    let key = self.key(keys).await?;
                    let found = self.array(array).borrow().contains(&key);
                    found.into()
                }
                Expr::Group(all) => Value::Text(self.key(all).await?),
                Expr::Unary(sign, inner) => {
                    let value = self.eval(inner).await?;
                    match sign {
                        '!' => (!value.is_true()).into(),
                        '-' => Value::Number(0.0 - value.number()),
                        _ => Value::Number(value.number()),
                    }
                }
                Expr::Binary(op, a, b) => {
                    let (a, b) = (self.eval(a).await?, self.eval(b).await?);
                    self.binary(*op, &a, &b)
                }
                Expr::And(a, b) => (self.eval(a).await?.is_true() && self.eval(b).await?.is_true()).into(),
                Expr::Or(a, b) => (self.eval(a).await?.is_true() || self.eval(b).await?.is_true()).into(),
                Expr::Match(wanted, text, pattern) => {
                    let value = self.eval(text).await?;
                    let text = self.text_of(&value);
                    let regex = self.pattern(pattern).await?;
                    (regex.is_match(text.as_bytes()) == *wanted).into()
                }
                Expr::Choice(condition, then, otherwise) => {
                    if self.eval(condition).await?.is_true() {
                        self.eval(then).await?
                    } else {
                        self.eval(otherwise).await?
                    }
                }
                Expr::Assign(target, op, value) => {
                    let value = match op {
                        None => self.eval(value).await?,
                        Some(op) => {
                            let new = self.eval(value).await?;
                            let old = self.eval(target).await?;
                            self.binary(*op, &old, &new)
                        }
                    };
                    self.assign(target, value.clone()).await?;
                    value
                }
                Expr::Step(target, by, after) => {
                    let old = self.eval(target).await?.number();
                    self.assign(target, Value::Number(old + by)).await?;
                    Value::Number(if *after { old } else { old + by })
                }
                Expr::Call(name, arguments) => self.call(name, arguments).await?,
                Expr::Builtin(name, arguments) => self.builtin(name, arguments).await?,
                Expr::Getline(getline) => self.getline(getline).await?,
            })
        })
    }

    pub(super) fn binary(&self, op: Op, a: &Value, b: &Value) -> Value {
        let (x, y) = (a.number(), b.number());
        let order = || a.compare(b, &self.special("CONVFMT"));
        match op {
            Op::Add => (x + y).into(),
            Op::Sub => (x - y).into(),
            Op::Mul => (x * y).into(),
            Op::Div => (x / y).into(),
            Op::Mod => (x % y).into(),
            Op::Pow => x.powf(y).into(),
            Op::Concat => Value::Text(self.text_of(a) + &self.text_of(b)),
            Op::Lt => order().is_some_and(|o| o.is_lt()).into(),
            Op::Le => order().is_some_and(|o| o.is_le()).into(),
            Op::Eq => order().is_some_and(|o| o.is_eq()).into(),
            Op::Ne => order().is_none_or(|o| o.is_ne()).into(),
            Op::Gt => order().is_some_and(|o| o.is_gt()).into(),
            Op::Ge => order().is_some_and(|o| o.is_ge()).into(),
        }
    }

    /// A regular expression: written as one, or a text that is taken for one.
    pub(super) async fn pattern(&mut self, expr: &Expr) -> Outcome<Regex> {
        if let Expr::Regex(regex) = expr {
            return Ok(regex.clone());
        }
        let value = self.eval(expr).await?;
        let text = self.text_of(&value);
        self.regex(&text)
    }

    pub(super) async fn call(&mut self, name: &str, arguments: &[Expr]) -> Outcome<Value> {
        let script = self.script;
        let Some(function) = script.functions.get(name) else {
            return Err(format!("function {name} never defined"));
        };
        if arguments.len() > function.params.len() {
            return Err(format!("too many arguments in call to {name}"));
        }
        if self.frames.len() >= DEEPEST {
            return Err(format!("run time error: functions call each other more than {DEEPEST} deep"));
        }
        let mut frame = Vec::new();
        for (i, is_array) in function.arrays.iter().enumerate() {
            frame.push(match (arguments.get(i), is_array) {
                (Some(Expr::Global(name)), true) => Local::Array(self.global_array(name)),
                (Some(Expr::Local(place)), true) => Local::Array(self.array(&ArrayName::Local(*place))),
                (_, true) => Local::Array(ArrayRef::default()),
                (Some(argument), false) => Local::Value(self.eval(argument).await?),
                (None, false) => Local::Value(Value::Unset),
            });
        }
        self.frames.push(frame);
        let mut result = Value::Unset;
        for statement in &function.body {
            match self.exec(statement).await {
                Ok(Flow::On) => {}
                Ok(Flow::Return(value)) => {
                    result = value;
                    break;
                }
                Ok(_) => {
                    return Err(format!("run time error: next or exit in function {name} is not modelled in Ringside"));
                }
                Err(e) => return Err(e),
            }
        }
        self.frames.pop();
        Ok(result)
    }

    pub(super) async fn getline(&mut self, getline: &Getline) -> Outcome<Value> {
        let separator = self.special("RS");
        let record = match &getline.source {
            Source::Main => match self.main_record().await? {
                Some(record) => record,
                None => return Ok(Value::Number(0.0)),
            },
            Source::File(name) | Source::Command(name) => {
                let is_command = matches!(getline.source, Source::Command(_));
                let name = self.eval(name).await?;
                let name = self.text_of(&name);
                if !self.inputs.contains_key(&name) {
                    self.flush().await;
                    let opened = if is_command {
                        io::start(self.sys, &name, 1).await.map(|(fd, child)| Input::new(fd).of_child(child))
                    } else if name == "-" {
                        Ok(Input::new(0))
                    } else {
                        self.sys.open(&name, o::RDONLY | o::CLOEXEC, 0).await.map(Input::new)
                    };
                    match opened {
                        Ok(input) => drop(self.inputs.insert(name.clone(), input)),
                        Err(_) => return Ok(Value::Number(-1.0)),
                    }
                }
                let Some(input) = self.inputs.get_mut(&name) else { return Ok(Value::Number(-1.0)) };
                match input.next(self.sys, &separator).await {
                    Ok(Some(record)) => {
                        if is_command {
                            self.count("NR");
                        }
                        record
                    }
                    Ok(None) => return Ok(Value::Number(0.0)),
                    Err(_) => return Ok(Value::Number(-1.0)),
                }
            }
        };
        match &getline.into {
            Some(target) => self.assign(target, Value::input(record)).await?,
            None => self.set_record(record)?,
        }
        Ok(Value::Number(1.0))
    }
}
