//! Expansion: from words as they are written to the arguments that a command gets.

use std::future::Future;
use std::pin::Pin;

use super::arith;
use super::ast::{ParamOp, Part, Subscript, Word};
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

pub(super) type Expanding<'a, T> = Pin<Box<dyn Future<Output = Run<T>> + 'a>>;

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
                if found.is_empty() && !self.st.nullglob {
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

    /// The regular expression that a word becomes: what is quoted in it stands for itself.
    pub(super) async fn expand_regex(&mut self, word: &Word) -> Run<String> {
        let mut pieces = Vec::new();
        self.expand_parts(&word.parts, false, &mut pieces).await?;
        let mut text = String::new();
        for piece in pieces {
            match piece {
                Piece::Text { text: t, quoted: true } => {
                    for c in t.chars() {
                        if "\\.[]*^$+?(){}|".contains(c) {
                            text.push('\\');
                        }
                        text.push(c);
                    }
                }
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

    pub(super) fn expand_parts<'a>(
        &'a mut self,
        parts: &'a [Part],
        quoted: bool,
        out: &'a mut Vec<Piece>,
    ) -> Expanding<'a, ()> {
        Box::pin(async move {
            for part in parts {
                match part {
                    Part::Literal(text) => out.push(Piece::Text { text: text.to_string(), quoted }),
                    Part::Quoted(text) => out.push(Piece::Text { text: text.to_string(), quoted: true }),
                    Part::DoubleQuoted(inner) => {
                        if inner.is_empty() || !inner.iter().all(|part| self.is_nothing(part)) {
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
                    Part::Process(list, writes) => {
                        let text = self.process_substitution(list, *writes).await?;
                        out.push(Piece::Text { text, quoted: true });
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
                for path in names.into_iter().map(|name| format!("{base}{name}{slash}")) {
                    // Only directories have a slash at their end, and links that lead to one.
                    if !(only_dirs && i == last) || self.sys.stat(&path).await.is_ok() {
                        next.push(path);
                    }
                }
            }
            found = next;
        }
        found
    }

    /// What an error of expansion does: with `set -e` the shell exits as it prints the message (`report_error`); else the
    /// command line is given up (`exp_jump_to_top_level`), which a shell with `-c` tells by its status.
    pub(super) fn expansion_failed(&self) -> Flow {
        match self.st.status {
            // ash has one status for whatever it raises (`ash_msg_and_raise_error`).
            _ if self.is_ash() => Flow::Abort(2),
            status if self.st.options.errexit => Flow::Exit(if status == 0 { 1 } else { status }),
            _ if self.st.command_string && !self.st.subshell => Flow::Abort(127),
            _ => Flow::Abort(1),
        }
    }

    /// Whether a part of a word in double quotes is `$@` or the like with nothing in it, which makes no argument.
    fn is_nothing(&self, part: &Part) -> bool {
        let Part::Param(param) = part else { return false };
        if param.op != ParamOp::Plain || param.indirect {
            return false;
        }
        match (&*param.name, &param.subscript) {
            ("@", _) => self.st.positional.is_empty(),
            (name, Some(Subscript::All)) => self.st.elements(name).is_empty(),
            _ => false,
        }
    }
}

pub(super) fn result(text: String, quoted: bool) -> Piece {
    if quoted { Piece::Text { text, quoted } } else { Piece::Split(text) }
}
