//! The language of profiles, as in apparmor.d(5): variables, profiles in files and profiles in profiles. Rules are in
//! [`rules`](super::rules).

use std::collections::BTreeMap;

use super::lexer::{Placed, Token, lex};
use crate::security::lsm::apparmor::{Mode, Profile};

/// What is wrong with a file: the line, and the words of the parser.
pub(super) type Wrong = (usize, String);

/// The variables: name and values.
pub(super) type Variables = BTreeMap<String, Vec<String>>;

/// A text of profiles that is being read.
pub(super) struct Reader {
    tokens: Vec<Placed>,
    at: usize,
    pub(super) variables: Variables,
    /// Rules that the real parser knows and that have no effect here.
    pub(super) ignored: Vec<String>,
}

/// The profiles in a text in which files have been included already, and what was passed over.
pub(super) fn parse(text: &str) -> Result<(Vec<Profile>, Vec<String>), Wrong> {
    let mut variables = Variables::new();
    variables.insert("pid".to_owned(), vec!["[0-9]*".to_owned()]);
    variables.insert("tid".to_owned(), vec!["[0-9]*".to_owned()]);
    let text = assignments(text, &mut variables)?;
    let mut reader = Reader { tokens: lex(&text)?, at: 0, variables, ignored: Vec::new() };
    let mut profiles = Vec::new();
    while let Some(token) = reader.peek() {
        match token {
            Token::Word(word) if word == "abi" => reader.skip_rule(),
            Token::Word(word) if word == "alias" => return Err(reader.wrong("not modelled in Ringside: alias")),
            _ => reader.profile(None, &mut profiles)?,
        }
    }
    Ok((profiles, reader.ignored))
}

/// Takes the lines that set variables (`@{NAME}=a b`) out, keeping the numbers of the others.
fn assignments(text: &str, variables: &mut Variables) -> Result<String, Wrong> {
    let mut rest = String::new();
    for (number, line) in text.lines().enumerate() {
        let assigned = line.trim().strip_prefix("@{").and_then(|l| l.split_once('}')).and_then(|(name, after)| {
            let after = after.trim_start();
            let add = after.starts_with("+=");
            let values = after.strip_prefix("+=").or_else(|| after.strip_prefix('='))?;
            Some((name.to_owned(), add, values.split_whitespace().map(|v| v.trim_matches('"').to_owned())))
        });
        match assigned {
            None => rest.push_str(line),
            Some((name, false, _)) if variables.contains_key(&name) && name != "pid" && name != "tid" => {
                return Err((number + 1, format!("variable @{{{name}}} was previously declared")));
            }
            Some((name, true, _)) if !variables.contains_key(&name) => {
                return Err((
                    number + 1,
                    format!("variable @{{{name}}} was not previously declared, but is being added to"),
                ));
            }
            Some((name, add, values)) => {
                let place = variables.entry(name).or_default();
                if !add {
                    place.clear();
                }
                place.extend(values);
            }
        }
        rest.push('\n');
    }
    Ok(rest)
}

impl Reader {
    pub(super) fn peek(&self) -> Option<&Token> {
        self.tokens.get(self.at).map(|t| &t.token)
    }

    pub(super) fn next(&mut self) -> Option<Token> {
        let token = self.peek().cloned();
        self.at += 1;
        token
    }

    /// The word that comes next, if it is one.
    pub(super) fn word(&mut self) -> Option<String> {
        match self.peek() {
            Some(Token::Word(word)) => {
                let word = word.clone();
                self.at += 1;
                Some(word)
            }
            _ => None,
        }
    }

    /// Whether this word comes next; then it is taken.
    pub(super) fn take(&mut self, word: &str) -> bool {
        let fits = matches!(self.peek(), Some(Token::Word(w)) if w == word);
        self.at += usize::from(fits);
        fits
    }

    /// An error at the token that was read last.
    pub(super) fn wrong(&self, message: &str) -> Wrong {
        let at = self.at.min(self.tokens.len().saturating_sub(1));
        (self.tokens.get(at).map_or(1, |t| t.line), message.to_owned())
    }

    /// A syntax error at the next token.
    pub(super) fn unexpected(&self) -> Wrong {
        let what = match self.peek() {
            None => "end of file".to_owned(),
            Some(Token::Word(_)) => "TOK_ID".to_owned(),
            Some(Token::List(_)) => "TOK_OPENPAREN".to_owned(),
            Some(Token::End) => "TOK_END_OF_RULE".to_owned(),
            Some(Token::Open) => "TOK_OPEN".to_owned(),
            Some(Token::Close) => "TOK_CLOSE".to_owned(),
            Some(Token::Arrow) => "TOK_ARROW".to_owned(),
        };
        self.wrong(&format!("syntax error, unexpected {what}"))
    }

    pub(super) fn skip_rule(&mut self) {
        while self.next().is_some_and(|t| t != Token::End) {}
    }

    /// The end of a rule.
    pub(super) fn end(&mut self) -> Result<(), Wrong> {
        match self.peek() {
            Some(Token::End) => {
                self.at += 1;
                Ok(())
            }
            _ => Err(self.unexpected()),
        }
    }

    /// A profile: `[profile] NAME [ATTACHMENT] [flags=(...)] { ... }`, a hat, or a child.
    fn profile(&mut self, parent: Option<&str>, profiles: &mut Vec<Profile>) -> Result<(), Wrong> {
        let declared = self.take("profile");
        let hat = !declared && self.take("hat");
        let name = self.word().ok_or_else(|| self.unexpected())?;
        let (name, hat) = name.strip_prefix('^').map_or((name.clone(), hat), |n| (n.to_owned(), true));
        let mut profile = Profile { hat, ..Profile::default() };
        if name.starts_with('/') || name.starts_with("@{") {
            profile.attachment = Some(alternatives(&self.expand(&name)?));
        } else if !declared && !hat {
            return Err(self.unexpected());
        }
        profile.name = match parent {
            Some(parent) => format!("{parent}//{name}"),
            None => profile.attachment.clone().unwrap_or(name),
        };
        while let Some(word) = self.word() {
            match word.as_str() {
                "flags=" | "flags" => {}
                word if word.starts_with('/') || word.starts_with("@{") => {
                    profile.attachment = Some(alternatives(&self.expand(word)?));
                }
                _ => return Err(self.unexpected()),
            }
        }
        if let Some(Token::List(flags)) = self.peek().cloned() {
            self.at += 1;
            self.flags(&mut profile, &flags)?;
        }
        if self.next() != Some(Token::Open) {
            self.at -= 1;
            return Err(self.unexpected());
        }
        self.variables.insert("profile_name".to_owned(), vec![profile.name.clone()]);
        let mut children = Vec::new();
        loop {
            match self.peek() {
                Some(Token::Close) => break,
                None => return Err(self.unexpected()),
                Some(Token::Word(word)) if word == "profile" || word == "hat" || word.starts_with('^') => {
                    let name = profile.name.clone();
                    self.profile(Some(&name), &mut children)?;
                    self.variables.insert("profile_name".to_owned(), vec![name]);
                }
                Some(_) => self.rule(&mut profile)?,
            }
        }
        self.at += 1;
        profiles.push(profile);
        profiles.append(&mut children);
        Ok(())
    }

    fn flags(&self, profile: &mut Profile, flags: &[String]) -> Result<(), Wrong> {
        for flag in flags {
            match flag.as_str() {
                "complain" => profile.mode = Mode::Complain,
                "enforce" => profile.mode = Mode::Enforce,
                "kill" => profile.mode = Mode::Kill,
                "unconfined" => profile.mode = Mode::Unconfined,
                "attach_disconnected" => profile.attach_disconnected = true,
                "mediate_deleted" => profile.mediate_deleted = true,
                // These are the defaults, or change nothing here.
                "audit" | "namespace_relative" | "no_attach_disconnected" | "chroot_relative" | "delegate_deleted" => {}
                other => return Err(self.wrong(&format!("Invalid profile flag: {other}."))),
            }
        }
        Ok(())
    }

    /// A word with its variables in every combination of their values; two slashes in a row become one.
    pub(super) fn expand(&self, word: &str) -> Result<Vec<String>, Wrong> {
        let Some((before, rest)) = word.split_once("@{") else { return Ok(vec![single_slashes(word)]) };
        let Some((name, after)) = rest.split_once('}') else { return Err(self.wrong("syntax error in a variable")) };
        let Some(values) = self.variables.get(name) else {
            return Err(self.wrong(&format!("Undefined variable '{name}'")));
        };
        let mut all = Vec::new();
        for value in values {
            all.extend(self.expand(&format!("{before}{value}{after}"))?);
        }
        Ok(all)
    }
}

/// Several patterns as one.
pub(super) fn alternatives(patterns: &[String]) -> String {
    match patterns {
        [one] => one.clone(),
        many => format!("{{{}}}", many.join(",")),
    }
}

fn single_slashes(path: &str) -> String {
    let mut out = String::new();
    for c in path.chars() {
        if c != '/' || !out.ends_with('/') {
            out.push(c);
        }
    }
    out
}
