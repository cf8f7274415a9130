//! What `ip` prints: each piece with its key for JSON (`lib/json_print.c`, `json_writer.c`).

use super::Options;
use crate::program::Sys;

/// A value in JSON.
#[derive(Clone, Debug)]
pub(in crate::program::net) enum Json {
    Num(i64),
    Str(String),
    Bool(bool),
    List(Vec<Json>),
    Object(Vec<(&'static str, Json)>),
}

impl From<&str> for Json {
    fn from(s: &str) -> Self {
        Json::Str(s.to_owned())
    }
}

impl From<i64> for Json {
    fn from(n: i64) -> Self {
        Json::Num(n)
    }
}

/// One object: its text, and its fields.
#[derive(Clone, Debug, Default)]
pub(in crate::program::net) struct Object {
    /// What is printed without `-j`; lines end with a newline that is not the last one.
    pub text: String,
    /// What is printed with it.
    pub fields: Vec<(&'static str, Json)>,
}

impl Object {
    /// Both.
    pub fn put(&mut self, key: &'static str, value: impl Into<Json>, text: impl AsRef<str>) {
        self.fields.push((key, value.into()));
        self.text.push_str(text.as_ref());
    }

    /// Only text.
    pub fn say(&mut self, text: impl AsRef<str>) {
        self.text.push_str(text.as_ref());
    }

    /// Only a field.
    pub fn field(&mut self, key: &'static str, value: impl Into<Json>) {
        self.fields.push((key, value.into()));
    }
}

/// Prints objects: each a line or several, or all as one list in JSON. With `-o` the lines of one are joined.
pub(in crate::program::net) async fn print(sys: &Sys, options: Options, objects: Vec<Object>) {
    if options.json {
        let list = objects.into_iter().map(|o| Json::Object(o.fields)).collect();
        let mut writer = Writer { out: String::new(), pretty: options.pretty, depth: 0, separator: None };
        writer.value(&Json::List(list));
        sys.print(writer.out + "\n").await;
        return;
    }
    for object in objects {
        let text = if options.oneline { object.text.replace('\n', "\\") } else { object.text };
        sys.print(text + "\n").await;
    }
}

struct Writer {
    out: String,
    pretty: bool,
    depth: usize,
    separator: Option<char>,
}

impl Writer {
    fn end_of_record(&mut self) {
        self.out.extend(self.separator);
        self.separator = Some(',');
    }

    fn end_of_line(&mut self) {
        if self.pretty {
            self.out.push('\n');
            self.out.push_str(&"    ".repeat(self.depth));
        }
    }

    fn begin(&mut self, c: char) {
        self.end_of_record();
        self.out.push(c);
        self.depth += 1;
        self.separator = None;
    }

    fn value(&mut self, value: &Json) {
        match value {
            Json::List(items) => {
                self.begin('[');
                if self.pretty {
                    self.out.push(' ');
                }
                items.iter().for_each(|item| self.value(item));
                if self.pretty && self.separator.is_some() {
                    self.out.push(' ');
                }
                self.depth -= 1;
                self.out.push(']');
                self.separator = Some(',');
            }
            Json::Object(fields) => {
                self.begin('{');
                for (name, value) in fields {
                    self.end_of_record();
                    self.end_of_line();
                    self.separator = None;
                    self.out.push_str(&format!("\"{name}\":{}", if self.pretty { " " } else { "" }));
                    self.value(value);
                }
                self.depth -= 1;
                if self.separator.is_some() {
                    self.end_of_line();
                }
                self.out.push('}');
                self.separator = Some(',');
            }
            simple => {
                self.end_of_record();
                match simple {
                    Json::Num(n) => self.out.push_str(&n.to_string()),
                    Json::Bool(b) => self.out.push_str(if *b { "true" } else { "false" }),
                    Json::Str(s) => {
                        let text = s.replace('\\', "\\\\").replace('"', "\\\"");
                        self.out.push_str(&format!("\"{text}\""));
                    }
                    Json::List(_) | Json::Object(_) => {}
                }
            }
        }
    }
}
