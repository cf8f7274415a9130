//! `type`, `command -v` and `hash`.

use super::super::simple::Found;
use super::super::{Run, Shell};

/// Words that are part of the language.
pub(in super::super) const KEYWORDS: [&str; 20] = [
    "!", "[[", "]]", "case", "coproc", "do", "done", "elif", "else", "esac", "fi", "for", "function", "if", "in",
    "then", "time", "until", "while", "{",
];

/// How a command is described.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Form {
    /// `command -v`: what one would type.
    Short,
    /// `type`: a sentence.
    Long,
    /// `type -t`: one word.
    Kind,
    /// `type -p`: the path of a file.
    Path,
}

impl Shell {
    /// Says what a command is. Whether it is anything.
    pub(super) async fn describe(&mut self, name: &str, form: Form) -> bool {
        let say = |shell: &mut Shell, short: &str, kind: &str, long: String| {
            let line = match form {
                Form::Short => short.to_owned(),
                Form::Long => long,
                Form::Kind => kind.to_owned(),
                Form::Path => return true,
            };
            shell.out.push_str(&format!("{line}\n"));
            true
        };
        if KEYWORDS.contains(&name) || name == "}" {
            return say(self, name, "keyword", format!("{name} is a shell keyword"));
        }
        let special = super::is_special(name);
        if let Some(function) = self.st.functions.get(name).filter(|_| !special).cloned() {
            return say(self, name, "function", format!("{name} is a function\n{}", function.text));
        }
        if special {
            return say(self, name, "builtin", format!("{name} is a special shell builtin"));
        }
        if super::find(name).is_some() {
            return say(self, name, "builtin", format!("{name} is a shell builtin"));
        }
        if let Some((path, _)) = self.st.hashed.get(name).cloned() {
            if form == Form::Path {
                self.out.push_str(&format!("{path}\n"));
                return true;
            }
            return say(self, &path, "file", format!("{name} is hashed ({path})"));
        }
        let before = self.st.hashed.clone();
        let found = self.look_up(name, None).await;
        self.st.hashed = before;
        match found {
            Found::Path(path) => {
                let runs = self.sys.stat(&path).await.is_ok_and(|s| super::super::simple::is_executable(&s));
                if !runs {
                    return false;
                }
                if form == Form::Path {
                    self.out.push_str(&format!("{path}\n"));
                    return true;
                }
                say(self, &path, "file", format!("{name} is {path}"))
            }
            Found::Nowhere => false,
        }
    }

    pub(super) async fn builtin_type(&mut self, args: &[String]) -> Run<i32> {
        let mut form = Form::Long;
        let mut names = args;
        while let Some((first, rest)) = names.split_first().filter(|(f, _)| f.starts_with('-') && f.len() > 1) {
            for letter in first.chars().skip(1) {
                match letter {
                    't' => form = Form::Kind,
                    'p' | 'P' => form = Form::Path,
                    'a' | 'f' | '-' => {}
                    _ => return self.bad_option("type", &format!("-{letter}")).await,
                }
            }
            names = rest;
        }
        let mut status = 0;
        for name in names {
            if !self.describe(name, form).await {
                if form == Form::Long {
                    self.complain(&format!("type: {name}: not found")).await;
                }
                status = 1;
            }
        }
        Ok(status)
    }

    pub(super) async fn builtin_hash(&mut self, args: &[String]) -> Run<i32> {
        if args.is_empty() {
            if self.st.hashed.is_empty() {
                self.out.push_str("hash: hash table empty\n");
                return Ok(0);
            }
            let rows: String = self.st.hashed.values().map(|(path, hits)| format!("{hits:4}\t{path}\n")).collect();
            self.out.push_str(&format!("hits\tcommand\n{rows}"));
            return Ok(0);
        }
        let mut status = 0;
        for arg in args {
            match arg.as_str() {
                "-r" => self.st.hashed.clear(),
                option if option.starts_with('-') => return self.bad_option("hash", option).await,
                name if super::find(name).is_some() => {}
                name => match self.look_up(name, None).await {
                    Found::Path(path) => {
                        self.st.hashed.insert(name.to_owned(), (path, 0));
                    }
                    Found::Nowhere => status = self.fail("hash", &format!("{name}: not found"), 1).await?,
                },
            }
        }
        Ok(status)
    }
}
