//! JSON as Go's `encoding/json` reads and writes it: fields keep their order, and mistakes are told in its words.

use std::fmt::Write as _;

/// A JSON value. Objects keep the order of their fields.
#[derive(Clone, PartialEq, Debug)]
pub enum Json {
    /// `null`
    Null,
    /// `true` and `false`
    Bool(bool),
    /// A number, as it is written.
    Number(String),
    /// A string.
    Str(String),
    /// An array.
    List(Vec<Json>),
    /// An object.
    Object(Vec<(String, Json)>),
}

impl Json {
    /// A string.
    pub fn str(text: impl Into<String>) -> Json {
        Json::Str(text.into())
    }

    /// An array of strings.
    pub fn strings<S: AsRef<str>>(items: impl IntoIterator<Item = S>) -> Json {
        Json::List(items.into_iter().map(|s| Json::str(s.as_ref())).collect())
    }

    /// An object.
    pub fn object<const N: usize>(fields: [(&str, Json); N]) -> Json {
        Json::Object(fields.into_iter().map(|(name, value)| (name.to_owned(), value)).collect())
    }

    /// A field of an object; `null` counts as not there.
    pub fn get(&self, name: &str) -> Option<&Json> {
        match self {
            Json::Object(fields) => {
                fields.iter().find(|(n, _)| n == name).map(|(_, v)| v).filter(|v| **v != Json::Null)
            }
            _ => None,
        }
    }

    /// A field by its path: `config.rootfs`.
    pub fn at(&self, path: &str) -> Option<&Json> {
        path.split('.').try_fold(self, |json, name| json.get(name))
    }

    /// Sets a field of an object.
    pub fn set(&mut self, name: &str, value: Json) {
        if let Json::Object(fields) = self {
            match fields.iter_mut().find(|(n, _)| n == name) {
                Some((_, old)) => *old = value,
                None => fields.push((name.to_owned(), value)),
            }
        }
    }

    /// The string, if this is one.
    pub fn as_str(&self) -> Option<&str> {
        match self {
            Json::Str(s) => Some(s),
            _ => None,
        }
    }

    /// The whole number, if this is one.
    pub fn as_int(&self) -> Option<i64> {
        match self {
            Json::Number(n) => n.parse().ok(),
            _ => None,
        }
    }

    /// The truth value, if this is one.
    pub fn as_bool(&self) -> Option<bool> {
        match self {
            Json::Bool(b) => Some(*b),
            _ => None,
        }
    }

    /// The elements; none, if this is no array.
    pub fn items(&self) -> &[Json] {
        match self {
            Json::List(items) => items,
            _ => &[],
        }
    }

    /// The fields; none, if this is no object.
    pub fn fields(&self) -> &[(String, Json)] {
        match self {
            Json::Object(fields) => fields,
            _ => &[],
        }
    }

    /// What Go calls this kind of value in its messages.
    pub fn kind(&self) -> &'static str {
        match self {
            Json::Null => "null",
            Json::Bool(_) => "bool",
            Json::Number(_) => "number",
            Json::Str(_) => "string",
            Json::List(_) => "array",
            Json::Object(_) => "object",
        }
    }

    /// On one line, as `json.Marshal`.
    pub fn compact(&self) -> String {
        let mut out = String::new();
        self.write(&mut out, None, 0);
        out
    }

    /// On many lines, as `json.MarshalIndent` with this indentation.
    pub fn pretty(&self, indent: &str) -> String {
        let mut out = String::new();
        self.write(&mut out, Some(indent), 0);
        out
    }

    fn write(&self, out: &mut String, indent: Option<&str>, depth: usize) {
        let list =
            |out: &mut String, open: char, close: char, count: usize, item: &mut dyn FnMut(&mut String, usize)| {
                out.push(open);
                for i in 0..count {
                    if i > 0 {
                        out.push(',');
                    }
                    new_line(out, indent, depth + 1);
                    item(out, i);
                }
                if count > 0 {
                    new_line(out, indent, depth);
                }
                out.push(close);
            };
        match self {
            Json::Null => out.push_str("null"),
            Json::Bool(b) => out.push_str(if *b { "true" } else { "false" }),
            Json::Number(n) => out.push_str(n),
            Json::Str(s) => quote(out, s),
            Json::List(items) => {
                list(out, '[', ']', items.len(), &mut |out, i| items[i].write(out, indent, depth + 1));
            }
            Json::Object(fields) => list(out, '{', '}', fields.len(), &mut |out, i| {
                quote(out, &fields[i].0);
                out.push_str(if indent.is_some() { ": " } else { ":" });
                fields[i].1.write(out, indent, depth + 1);
            }),
        }
    }

    /// Reads a text.
    ///
    /// # Errors
    /// What is wrong with it, in Go's words.
    pub fn parse(text: &str) -> Result<Json, String> {
        let mut parser = Parser { text, at: 0 };
        let value = parser.value("beginning of value")?;
        match parser.peek() {
            None => Ok(value),
            Some(c) => Err(unexpected(c, "after top-level value")),
        }
    }
}

impl From<bool> for Json {
    fn from(b: bool) -> Self {
        Json::Bool(b)
    }
}

impl From<i64> for Json {
    fn from(n: i64) -> Self {
        Json::Number(n.to_string())
    }
}

impl From<u32> for Json {
    fn from(n: u32) -> Self {
        Json::Number(n.to_string())
    }
}

impl From<i32> for Json {
    fn from(n: i32) -> Self {
        Json::Number(n.to_string())
    }
}

impl From<&str> for Json {
    fn from(s: &str) -> Self {
        Json::str(s)
    }
}

fn new_line(out: &mut String, indent: Option<&str>, depth: usize) {
    if let Some(indent) = indent {
        out.push('\n');
        for _ in 0..depth {
            out.push_str(indent);
        }
    }
}

/// A string in quotes, as Go escapes it.
fn quote(out: &mut String, text: &str) {
    out.push('"');
    for c in text.chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            c if u32::from(c) < 0x20 || matches!(c, '<' | '>' | '&' | '\u{2028}' | '\u{2029}') => {
                let _ = write!(out, "\\u{:04x}", u32::from(c));
            }
            c => out.push(c),
        }
    }
    out.push('"');
}

const END: &str = "unexpected end of JSON input";

fn unexpected(c: char, context: &str) -> String {
    let shown = match c {
        '\'' => r"'\''".to_owned(),
        '"' => "'\"'".to_owned(),
        '\n' => r"'\n'".to_owned(),
        '\t' => r"'\t'".to_owned(),
        c => format!("'{c}'"),
    };
    format!("invalid character {shown} {context}")
}

/// A text that is being read.
struct Parser<'a> {
    text: &'a str,
    at: usize,
}

impl Parser<'_> {
    /// The next character that is no blank.
    fn peek(&mut self) -> Option<char> {
        let rest = &self.text[self.at..];
        let blank = rest.len() - rest.trim_start_matches([' ', '\t', '\r', '\n']).len();
        self.at += blank;
        self.text[self.at..].chars().next()
    }

    fn value(&mut self, context: &str) -> Result<Json, String> {
        match self.peek().ok_or(END)? {
            '{' => self.object(),
            '[' => self.list(),
            '"' => Ok(Json::Str(self.string()?)),
            't' => self.word("true", Json::Bool(true)),
            'f' => self.word("false", Json::Bool(false)),
            'n' => self.word("null", Json::Null),
            '-' | '0'..='9' => {
                let rest = &self.text[self.at..];
                let end = rest.find(|c: char| !c.is_ascii_digit() && !"+-.eE".contains(c)).unwrap_or(rest.len());
                self.at += end;
                Ok(Json::Number(rest[..end].to_owned()))
            }
            c => Err(unexpected(c, &format!("looking for {context}"))),
        }
    }

    fn word(&mut self, word: &str, value: Json) -> Result<Json, String> {
        for (i, want) in word.char_indices() {
            match self.text[self.at + i..].chars().next() {
                Some(c) if c == want => {}
                Some(c) => return Err(unexpected(c, &format!("in literal {word} (expecting '{want}')"))),
                None => return Err(END.to_owned()),
            }
        }
        self.at += word.len();
        Ok(value)
    }

    fn object(&mut self) -> Result<Json, String> {
        self.at += 1;
        let mut fields = Vec::new();
        if self.peek() == Some('}') {
            self.at += 1;
            return Ok(Json::Object(fields));
        }
        loop {
            match self.peek().ok_or(END)? {
                '"' => {}
                c => return Err(unexpected(c, "looking for beginning of object key string")),
            }
            let name = self.string()?;
            match self.peek().ok_or(END)? {
                ':' => self.at += 1,
                c => return Err(unexpected(c, "after object key")),
            }
            fields.push((name, self.value("beginning of value")?));
            match self.peek().ok_or(END)? {
                ',' => self.at += 1,
                '}' => {
                    self.at += 1;
                    return Ok(Json::Object(fields));
                }
                c => return Err(unexpected(c, "after object key:value pair")),
            }
        }
    }

    fn list(&mut self) -> Result<Json, String> {
        self.at += 1;
        let mut items = Vec::new();
        if self.peek() == Some(']') {
            self.at += 1;
            return Ok(Json::List(items));
        }
        loop {
            items.push(self.value("beginning of value")?);
            match self.peek().ok_or(END)? {
                ',' => self.at += 1,
                ']' => {
                    self.at += 1;
                    return Ok(Json::List(items));
                }
                c => return Err(unexpected(c, "after array element")),
            }
        }
    }

    /// A string, of which the quote comes next.
    fn string(&mut self) -> Result<String, String> {
        let mut out = String::new();
        let mut chars = self.text[self.at + 1..].char_indices();
        let start = self.at + 1;
        while let Some((i, c)) = chars.next() {
            match c {
                '"' => {
                    self.at = start + i + 1;
                    return Ok(out);
                }
                '\\' => match chars.next().ok_or(END)?.1 {
                    'n' => out.push('\n'),
                    't' => out.push('\t'),
                    'r' => out.push('\r'),
                    'b' => out.push('\u{8}'),
                    'f' => out.push('\u{c}'),
                    c @ ('"' | '\\' | '/') => out.push(c),
                    'u' => {
                        let digits: String = chars.by_ref().take(4).map(|(_, c)| c).collect();
                        let code = u32::from_str_radix(&digits, 16)
                            .map_err(|_| "invalid character in \\u hexadecimal character escape".to_owned())?;
                        out.push(char::from_u32(code).unwrap_or('\u{fffd}'));
                    }
                    c => return Err(unexpected(c, "in string escape code")),
                },
                c if u32::from(c) < 0x20 => return Err(unexpected(c, "in string literal")),
                c => out.push(c),
            }
        }
        Err(END.to_owned())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read_again() {
        let text = r#"{"b":[1,-2,true,null,"x\"\n"],"a":{}}"#;
        let json = Json::parse(text).expect("well-formed");
        assert_eq!(json.compact(), text);
        assert_eq!(json.get("b").map(|b| b.items().len()), Some(5));
        assert_eq!(
            Json::object([("a", 1.into()), ("b", Json::List(vec![]))]).pretty("\t"),
            "{\n\t\"a\": 1,\n\t\"b\": []\n}"
        );
    }

    #[test]
    fn mistakes_are_told_as_go_tells_them() {
        let wrong = |text: &str| Json::parse(text).expect_err("wrong");
        assert_eq!(wrong("{\"a\": 1 \"b\": 2}"), "invalid character '\"' after object key:value pair");
        assert_eq!(wrong("{a: 1}"), "invalid character 'a' looking for beginning of object key string");
        assert_eq!(wrong("[1,]"), "invalid character ']' looking for beginning of value");
        assert_eq!(wrong("{\"a\": tru}"), "invalid character '}' in literal true (expecting 'e')");
        assert_eq!(wrong("{"), "unexpected end of JSON input");
    }
}
