//! Expansion: from words as they are written to the arguments that a command gets.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

use super::arith;
use super::ast::{Param, ParamOp, Part, Word};
use super::pattern;
use super::{Flow, Run, Shell};

/// A piece of a word after expansion.
pub(super) enum Piece {
    /// Text that is not split.
    Text {
        /// The text.
        text: String,
        /// It was quoted: special characters of patterns in it are themselves, and an empty one counts.
        quoted: bool,
    },
    /// The result of an unquoted expansion, to be split.
    Split(String),
    /// Another field begins, as between the parameters of `"$@"`.
    Break,
}

/// An argument that is being put together.
#[derive(Default)]
struct Field {
    text: String,
    pattern: String,
}

impl Field {
    fn push(&mut self, text: &str, quoted: bool) {
        self.text.push_str(text);
        if quoted {
            self.pattern.push_str(&pattern::escape(text));
        } else {
            self.pattern.push_str(text);
        }
    }
}

type Expanding<'a, T> = Pin<Box<dyn Future<Output = Run<T>> + 'a>>;

impl Shell {
    /// The arguments that these words become.
    pub(super) async fn expand_words(&mut self, words: &[Word]) -> Run<Vec<String>> {
        let mut all = Vec::new();
        for word in words {
            if let Some(text) = word.literal()
                && !pattern::is_pattern(text)
            {
                all.push(text.to_owned());
                continue;
            }
            let mut pieces = Vec::new();
            self.expand_parts(&word.parts, false, &mut pieces).await?;
            for field in self.split(pieces) {
                if self.st.options.noglob || !pattern::is_pattern(&field.pattern) {
                    all.push(field.text);
                    continue;
                }
                let found = self.glob(&field.pattern).await;
                if found.is_empty() {
                    all.push(field.text);
                } else {
                    all.extend(found);
                }
            }
        }
        Ok(all)
    }

    /// The text that a word becomes where it is neither split nor a pattern of names.
    pub(super) fn expand_text<'a>(&'a mut self, word: &'a Word) -> Expanding<'a, String> {
        Box::pin(async move {
            let mut pieces = Vec::new();
            self.expand_parts(&word.parts, false, &mut pieces).await?;
            let mut text = String::new();
            for piece in pieces {
                match piece {
                    Piece::Text { text: t, .. } | Piece::Split(t) => text.push_str(&t),
                    Piece::Break => text.push(' '),
                }
            }
            Ok(text)
        })
    }

    /// The pattern that a word becomes: what is quoted in it stands for itself.
    pub(super) async fn expand_pattern(&mut self, word: &Word) -> Run<String> {
        let mut pieces = Vec::new();
        self.expand_parts(&word.parts, false, &mut pieces).await?;
        let mut text = String::new();
        for piece in pieces {
            match piece {
                Piece::Text { text: t, quoted: true } => text.push_str(&pattern::escape(&t)),
                Piece::Text { text: t, quoted: false } | Piece::Split(t) => text.push_str(&t),
                Piece::Break => text.push(' '),
            }
        }
        Ok(text)
    }

    /// The value of an arithmetic expression.
    pub(super) async fn arithmetic(&mut self, word: &Word) -> Run<i64> {
        let text = self.expand_text(word).await?;
        match arith::evaluate(&text, &mut self.st) {
            Ok(value) => Ok(value),
            Err(e) => {
                self.complain(&e.0).await;
                Err(self.expansion_failed())
            }
        }
    }

    fn expand_parts<'a>(&'a mut self, parts: &'a [Part], quoted: bool, out: &'a mut Vec<Piece>) -> Expanding<'a, ()> {
        Box::pin(async move {
            for part in parts {
                match part {
                    Part::Literal(text) => out.push(Piece::Text { text: text.to_string(), quoted }),
                    Part::Quoted(text) => out.push(Piece::Text { text: text.to_string(), quoted: true }),
                    Part::DoubleQuoted(inner) => {
                        let only_at = !inner.is_empty() && inner.iter().all(is_at);
                        if !(only_at && self.st.positional.is_empty()) {
                            out.push(Piece::Text { text: String::new(), quoted: true });
                        }
                        self.expand_parts(inner, true, out).await?;
                    }
                    Part::Tilde(name) => {
                        let text = self.home_of(name).await;
                        out.push(Piece::Text { text, quoted: true });
                    }
                    Part::Command(list) => {
                        let text = self.command_substitution(list).await?;
                        out.push(result(text, quoted));
                    }
                    Part::Arithmetic(word) => {
                        let value = self.arithmetic(word).await?;
                        out.push(result(value.to_string(), quoted));
                    }
                    Part::Param(param) => self.expand_param(param, quoted, out).await?,
                }
            }
            Ok(())
        })
    }

    /// What `~name` stands for.
    async fn home_of(&mut self, name: &str) -> String {
        match name {
            "" => match self.st.get("HOME") {
                Some(home) => home.to_string(),
                None => "~".to_owned(),
            },
            "+" => self.st.get("PWD").map_or_else(|| "~+".to_owned(), |v| v.to_string()),
            "-" => self.st.get("OLDPWD").map_or_else(|| "~-".to_owned(), |v| v.to_string()),
            _ => {
                let passwd = self.sys.read_file("/etc/passwd").await.unwrap_or_default();
                let home = passwd.lines().find_map(|line| {
                    let mut fields = line.split(':');
                    (fields.next() == Some(name)).then(|| fields.nth(4)).flatten()
                });
                home.map_or_else(|| format!("~{name}"), str::to_owned)
            }
        }
    }

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
            "@" | "*" => {
                if st.positional.is_empty() {
                    return None;
                }
                st.positional.iter().map(|p| &**p).collect::<Vec<_>>().join(" ").into()
            }
            "LINENO" => st.line.to_string().into(),
            "RANDOM" => {
                st.random = st.random.wrapping_mul(1_103_515_245).wrapping_add(12_345);
                ((st.random >> 16) & 0x7fff).to_string().into()
            }
            _ => return st.get(name).cloned(),
        })
    }

    async fn expand_param(&mut self, param: &Param, quoted: bool, out: &mut Vec<Piece>) -> Run<()> {
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
        let many = &*name == "@" || &*name == "*";
        if many && matches!(param.op, ParamOp::Plain) {
            self.all_parameters(&name, quoted, out);
            return Ok(());
        }
        let value = self.parameter(&name);
        if let ParamOp::Test { op, colon, word } = &param.op {
            let set = value.as_ref().is_some_and(|v| !*colon || !v.is_empty());
            return self.test_param(&name, *op, word, value.filter(|_| set), quoted, out).await;
        }
        if matches!(param.op, ParamOp::Length) && many {
            out.push(result(self.st.positional.len().to_string(), quoted));
            return Ok(());
        }
        let value = match value {
            Some(value) => value,
            None if self.st.options.nounset && !many => {
                self.complain(&format!("{name}: unbound variable")).await;
                return Err(self.expansion_failed());
            }
            None => "".into(),
        };
        if let ParamOp::Substring(offset, len) = &param.op
            && many
        {
            return self.some_parameters(offset, len.as_ref(), quoted, out).await;
        }
        let text = self.apply(&value, param).await?;
        out.push(result(text, quoted));
        Ok(())
    }

    /// `$@` and `$*`.
    fn all_parameters(&self, name: &str, quoted: bool, out: &mut Vec<Piece>) {
        let params = &self.st.positional;
        if quoted && name == "*" {
            let separator = match self.st.get("IFS") {
                Some(ifs) => ifs.chars().next().map(String::from).unwrap_or_default(),
                None => " ".to_owned(),
            };
            let text = params.iter().map(|p| &**p).collect::<Vec<_>>().join(&separator);
            out.push(Piece::Text { text, quoted });
            return;
        }
        for (i, param) in params.iter().enumerate() {
            if i > 0 {
                out.push(Piece::Break);
            }
            out.push(result(param.to_string(), quoted));
        }
    }

    /// `${@:offset:length}`.
    async fn some_parameters(
        &mut self,
        offset: &Word,
        len: Option<&Word>,
        quoted: bool,
        out: &mut Vec<Piece>,
    ) -> Run<()> {
        let offset = self.arithmetic(offset).await?;
        let count = match len {
            Some(len) => self.arithmetic(len).await?,
            None => i64::MAX,
        };
        let mut all = vec![Arc::clone(&self.st.name)];
        all.extend(self.st.positional.iter().cloned());
        let from = if offset < 0 { all.len() as i64 + offset } else { offset }.max(0);
        let chosen = all.iter().skip(from as usize).take(count.max(0) as usize);
        for (i, param) in chosen.enumerate() {
            if i > 0 {
                out.push(Piece::Break);
            }
            out.push(result(param.to_string(), quoted));
        }
        Ok(())
    }

    /// `${name-word}` and its sisters. `value` is there if it counts.
    async fn test_param(
        &mut self,
        name: &str,
        op: char,
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
                self.assign(name, &text).await?;
                out.push(result(text, quoted));
                Ok(())
            }
            ('?', None) => {
                let text = self.expand_text(word).await?;
                let text = if text.is_empty() { "parameter null or not set".to_owned() } else { text };
                self.complain(&format!("{name}: {text}")).await;
                Err(self.expansion_failed())
            }
            (_, Some(_)) if name == "@" || name == "*" => {
                self.all_parameters(name, quoted, out);
                Ok(())
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

    /// Splits the pieces of a word into fields.
    fn split(&self, pieces: Vec<Piece>) -> Vec<Field> {
        let ifs = self.st.get("IFS").map_or(" \t\n", |v| v);
        let mut fields: Vec<Field> = Vec::new();
        let mut current: Option<Field> = None;
        let mut after_blank = false;
        for piece in pieces {
            match piece {
                Piece::Text { text, quoted } => {
                    if quoted || !text.is_empty() {
                        current.get_or_insert_default().push(&text, quoted);
                        after_blank = false;
                    }
                }
                Piece::Break => {
                    fields.extend(current.take());
                    after_blank = false;
                }
                Piece::Split(text) => {
                    for c in text.chars() {
                        if !ifs.contains(c) {
                            current.get_or_insert_default().push(c.encode_utf8(&mut [0; 4]), false);
                            after_blank = false;
                        } else if c.is_ascii_whitespace() {
                            if let Some(field) = current.take() {
                                fields.push(field);
                                after_blank = true;
                            }
                        } else {
                            match current.take() {
                                Some(field) => fields.push(field),
                                None if after_blank => {}
                                None => fields.push(Field::default()),
                            }
                            after_blank = false;
                        }
                    }
                }
            }
        }
        fields.extend(current);
        fields
    }

    /// The existing names that match, in order.
    async fn glob(&mut self, pattern: &str) -> Vec<String> {
        let absolute = pattern.starts_with('/');
        let mut found = vec![if absolute { "/".to_owned() } else { String::new() }];
        let components: Vec<&str> = pattern.split('/').filter(|c| !c.is_empty()).collect();
        let only_dirs = pattern.ends_with('/');
        let last = components.len().saturating_sub(1);
        for (i, component) in components.iter().enumerate() {
            let mut next = Vec::new();
            let slash = if i < last || only_dirs { "/" } else { "" };
            for base in &found {
                if !super::pattern::is_pattern(component) {
                    let path = format!("{base}{}", super::pattern::unescape(component));
                    if self.sys.lstat(&path).await.is_ok() {
                        next.push(format!("{path}{slash}"));
                    }
                    continue;
                }
                let dir = if base.is_empty() { "." } else { base.as_str() };
                let Ok(entries) = self.sys.read_dir(dir).await else { continue };
                let mut names: Vec<String> = entries
                    .into_iter()
                    .filter(|e| component.starts_with('.') || !e.d_name.starts_with('.'))
                    // A link may lead to a directory; that shows at the next component.
                    .filter(|e| slash.is_empty() || matches!(e.d_type, 4 | 10 | 0))
                    .map(|e| e.d_name)
                    .filter(|name| super::pattern::matches(component, name))
                    .collect();
                names.sort();
                next.extend(names.into_iter().map(|name| format!("{base}{name}{slash}")));
            }
            found = next;
        }
        found
    }

    /// What an error of expansion does: the command line is given up.
    pub(super) fn expansion_failed(&self) -> Flow {
        Flow::Abort(127)
    }
}

fn result(text: String, quoted: bool) -> Piece {
    if quoted { Piece::Text { text, quoted } } else { Piece::Split(text) }
}

fn is_at(part: &Part) -> bool {
    matches!(part, Part::Param(p) if &*p.name == "@" && p.op == ParamOp::Plain && !p.indirect)
}
