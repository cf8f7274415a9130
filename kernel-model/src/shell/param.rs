//! Parameters: `$name`, `${name…}`, and the special ones.

use std::sync::Arc;

use super::array::Place;
use super::ast::{Param, ParamOp, Subscript, Word};
use super::expand::{Piece, result};
use super::{Run, Shell};

/// Variables that tell what the shell is, which nobody has to look up.
const FIXED: [(&str, &str); 4] =
    [("BASH", "/usr/bin/sh"), ("HOSTTYPE", "x86_64"), ("MACHTYPE", "x86_64-pc-linux-gnu"), ("OSTYPE", "linux-gnu")];

impl Shell {
    /// The value of a parameter; `None` when it is not set. `@` and `*` are joined with blanks.
    pub(super) fn parameter(&mut self, name: &str) -> Option<Arc<str>> {
        let st = &mut self.st;
        if let Ok(n) = name.parse::<usize>() {
            return if n == 0 { Some(Arc::clone(&st.name)) } else { st.positional.get(n - 1).cloned() };
        }
        Some(match name {
            "#" => st.positional.len().to_string().into(),
            "?" => st.status.to_string().into(),
            "$" => st.pid.to_string().into(),
            "!" => return st.last_background.map(|pid| pid.to_string().into()),
            "-" => st.option_letters().into(),
            "_" => Arc::clone(&st.last_argument),
            "@" | "*" => {
                if st.positional.is_empty() {
                    return None;
                }
                st.positional.iter().map(|p| &**p).collect::<Vec<_>>().join(" ").into()
            }
            "LINENO" => st.line.to_string().into(),
            "BASH_SUBSHELL" => st.subshell_depth.to_string().into(),
            "RANDOM" => {
                st.random = st.random.wrapping_mul(1_103_515_245).wrapping_add(12_345);
                ((st.random >> 16) & 0x7fff).to_string().into()
            }
            "PIPESTATUS" | "FUNCNAME" | "DIRSTACK" => return st.element(name, 0),
            _ => {
                let fixed = || FIXED.iter().find(|(n, _)| *n == name).map(|(_, value)| Arc::from(*value));
                return st.get(name).cloned().or_else(fixed);
            }
        })
    }

    /// Parameters for which the kernel has to be asked first.
    async fn ask_for(&mut self, name: &str) -> Option<Arc<str>> {
        match name {
            "BASHPID" => Some(self.sys.getpid().await.to_string().into()),
            // The shell asks for the name once: what is called otherwise later keeps its first name here.
            "HOSTNAME" if self.st.get(name).is_none() => {
                let node = self.sys.uname("nodename").await.ok()?;
                let _ = self.st.set(name, &node);
                Some(node.into())
            }
            "EPOCHSECONDS" => Some((self.sys.clock_gettime(0).await.ok()? / 1_000_000_000).to_string().into()),
            _ => None,
        }
    }

    pub(super) async fn expand_param(&mut self, param: &Param, quoted: bool, out: &mut Vec<Piece>) -> Run<()> {
        let mut name = Arc::clone(&param.name);
        if param.op == ParamOp::Bad {
            self.complain(&format!("${{{}}}: bad substitution", param.text)).await;
            return Err(self.expansion_failed());
        }
        if param.op == ParamOp::Names {
            let names: Vec<String> =
                self.st.vars.keys().filter(|k| k.starts_with(&*name)).map(|k| k.to_string()).collect();
            out.push(result(names.join(" "), quoted));
            return Ok(());
        }
        if param.indirect {
            name = self.parameter(&name).unwrap_or_else(|| "".into());
        }
        // Whether all of many are meant, and whether they are joined where they are quoted.
        let many = match (&*name, &param.subscript) {
            ("@", _) | (_, Some(Subscript::All)) => Some(false),
            ("*", _) | (_, Some(Subscript::Star)) => Some(true),
            _ => None,
        };
        if let Some(joined) = many {
            return self.expand_many(param, &name, joined, quoted, out).await;
        }
        let index = match &param.subscript {
            Some(Subscript::Index(index)) => Some(self.arithmetic(index).await?),
            _ => None,
        };
        let place = Place { name: &name, index };
        let value = match index {
            Some(index) => {
                if self.st.index_in(&name, index).is_none() {
                    self.complain(&format!("{name}: bad array subscript")).await;
                }
                self.st.element(&name, index)
            }
            None => match self.ask_for(&name).await {
                Some(value) => Some(value),
                None => self.parameter(&name),
            },
        };
        if let ParamOp::Test { op, colon, word } = &param.op {
            let set = value.as_ref().is_some_and(|v| !*colon || !v.is_empty());
            return self.test_param(place, (*op, *colon), word, value.filter(|_| set), quoted, out).await;
        }
        let value = match value {
            Some(value) => value,
            None if self.st.options.nounset => {
                let sign = if name.starts_with(|c: char| c.is_ascii_digit()) { "$" } else { "" };
                self.complain(&format!("{sign}{place}: unbound variable")).await;
                return Err(self.expansion_failed());
            }
            None => "".into(),
        };
        let text = self.apply(&value, param).await?;
        out.push(result(text, quoted));
        Ok(())
    }

    /// `$@`, `${name[@]}` and what can be done with all of them.
    async fn expand_many(
        &mut self,
        param: &Param,
        name: &str,
        joined: bool,
        quoted: bool,
        out: &mut Vec<Piece>,
    ) -> Run<()> {
        let positional = matches!(name, "@" | "*");
        let numbered: Vec<(i64, Arc<str>)> = match positional {
            true => self.st.positional.iter().enumerate().map(|(i, p)| (i as i64 + 1, Arc::clone(p))).collect(),
            false => self.st.elements(name),
        };
        let values = numbered.iter().map(|(_, value)| Arc::clone(value)).collect::<Vec<_>>();
        match &param.op {
            ParamOp::Plain => self.push_all(&values, joined, quoted, out),
            ParamOp::Length => out.push(result(values.len().to_string(), quoted)),
            ParamOp::Keys => {
                let keys: Vec<Arc<str>> = numbered.iter().map(|(index, _)| index.to_string().into()).collect();
                self.push_all(&keys, joined, quoted, out);
            }
            ParamOp::Test { op, colon, word } => {
                let set = !values.is_empty() && (!colon || values.len() > 1 || values.iter().any(|v| !v.is_empty()));
                if set && *op != '+' {
                    self.push_all(&values, joined, quoted, out);
                } else {
                    let value = set.then(|| Arc::from(""));
                    let place = Place { name, index: None };
                    self.test_param(place, (*op, *colon), word, value, quoted, out).await?;
                }
            }
            ParamOp::Substring(offset, len) => {
                let offset = self.arithmetic(offset).await?;
                let count = match len {
                    Some(len) => self.arithmetic(len).await?,
                    None => i64::MAX,
                };
                let mut all = numbered;
                if positional {
                    all.insert(0, (0, Arc::clone(&self.st.name)));
                }
                let end = all.last().map_or(0, |(index, _)| index + 1);
                let from = if offset < 0 { end + offset } else { offset };
                let chosen = all.into_iter().filter(|(index, _)| from >= 0 && *index >= from);
                let chosen: Vec<Arc<str>> = chosen.take(count.max(0) as usize).map(|(_, value)| value).collect();
                self.push_all(&chosen, joined, quoted, out);
            }
            _ => {
                let mut changed = Vec::new();
                for value in &values {
                    changed.push(Arc::from(self.apply(value, param).await?));
                }
                self.push_all(&changed, joined, quoted, out);
            }
        }
        Ok(())
    }

    /// Each a field of its own; with `joined` and in quotes one field.
    fn push_all(&self, values: &[Arc<str>], joined: bool, quoted: bool, out: &mut Vec<Piece>) {
        if quoted && joined {
            let separator = match self.st.get("IFS") {
                Some(ifs) => ifs.chars().next().map(String::from).unwrap_or_default(),
                None => " ".to_owned(),
            };
            let text = values.iter().map(|p| &**p).collect::<Vec<_>>().join(&separator);
            out.push(Piece::Text { text, quoted });
            return;
        }
        for (i, value) in values.iter().enumerate() {
            if i > 0 {
                out.push(Piece::Break);
            }
            out.push(result(value.to_string(), quoted));
        }
    }

    /// `${name-word}` and its sisters, with or without a colon. `value` is there if it counts.
    async fn test_param(
        &mut self,
        place: Place<'_>,
        (op, colon): (char, bool),
        word: &Word,
        value: Option<Arc<str>>,
        quoted: bool,
        out: &mut Vec<Piece>,
    ) -> Run<()> {
        match (op, value) {
            ('+', None) => Ok(()),
            ('+', Some(_)) | ('-', None) => self.expand_parts(&word.parts, quoted, out).await,
            ('=', None) => {
                let text = self.expand_text(word).await?;
                match place.index {
                    Some(index) => self.assign_element(place.name, index, &text).await?,
                    None => self.assign(place.name, &text).await?,
                }
                out.push(result(text, quoted));
                Ok(())
            }
            ('?', None) => {
                let text = self.expand_text(word).await?;
                let text = match text.as_str() {
                    "" if colon => "parameter null or not set",
                    "" => "parameter not set",
                    text => text,
                };
                self.complain(&format!("{place}: {text}")).await;
                Err(self.expansion_failed())
            }
            (_, Some(value)) => {
                out.push(result(value.to_string(), quoted));
                Ok(())
            }
            (_, None) => Ok(()),
        }
    }

    /// What the operator of `${…}` makes of the value.
    async fn apply(&mut self, value: &str, param: &Param) -> Run<String> {
        Ok(match &param.op {
            ParamOp::Length => value.chars().count().to_string(),
            ParamOp::Trim { suffix, longest, pattern } => {
                let pattern = self.expand_pattern(pattern).await?;
                super::pattern::trim(value, &pattern, *suffix, *longest).to_owned()
            }
            ParamOp::Substring(offset, len) => {
                let count = value.chars().count() as i64;
                let offset = self.arithmetic(offset).await?;
                let from = if offset < 0 { count + offset } else { offset };
                let to = match len {
                    Some(word) => {
                        let len = self.arithmetic(word).await?;
                        if len < 0 && count + len < from {
                            self.complain(&format!("{len}: substring expression < 0")).await;
                            return Err(self.expansion_failed());
                        }
                        if len < 0 { count + len } else { from.saturating_add(len) }
                    }
                    None => count,
                };
                if from < 0 || from > count {
                    String::new()
                } else {
                    value.chars().skip(from as usize).take((to - from).max(0) as usize).collect()
                }
            }
            ParamOp::Replace { which, pattern, replacement } => {
                let pattern = self.expand_pattern(pattern).await?;
                let replacement = self.expand_text(replacement).await?;
                super::pattern::replace(value, &pattern, &replacement, *which)
            }
            ParamOp::Case { upper, all } => {
                let change = |c: char| -> String {
                    if *upper { c.to_uppercase().collect() } else { c.to_lowercase().collect() }
                };
                let keep = |(i, c): (usize, char)| if *all || i == 0 { change(c) } else { c.to_string() };
                value.chars().enumerate().map(keep).collect()
            }
            ParamOp::Quote => super::quote(value),
            _ => value.to_owned(),
        })
    }
}
