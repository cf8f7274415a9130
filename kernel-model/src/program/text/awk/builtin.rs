//! The functions that awk has.

use super::ast::{ArrayName, Expr};
use super::io;
use super::run::{Awk, Outcome};
use super::value::{Value, sprintf};
use crate::program::text::regex::Regex;

impl Awk<'_> {
    pub(super) async fn builtin(&mut self, name: &str, arguments: &[Expr]) -> Outcome<Value> {
        match name {
            "split" => return self.split_into(arguments).await,
            "sub" | "gsub" => return self.substitute(name == "gsub", arguments).await,
            "match" => return self.find(arguments).await,
            "length" => {
                if let [Expr::Global(array)] = arguments
                    && let Some(length) = self.array_length(array)
                {
                    return Ok(Value::Number(length as f64));
                }
            }
            _ => {}
        }
        let mut values = Vec::new();
        for argument in arguments {
            values.push(self.eval(argument).await?);
        }
        let number = |i: usize| values.get(i).map_or(0.0, Value::number);
        let text = |awk: &Self, i: usize| values.get(i).map_or(String::new(), |v| awk.text_of(v));
        Ok(match name {
            "length" if values.is_empty() => {
                let record = self.eval(&Expr::Field(Box::new(Expr::Number(0.0)))).await?;
                Value::Number(self.text_of(&record).len() as f64)
            }
            "length" => Value::Number(text(self, 0).len() as f64),
            "substr" => {
                let length = values.get(2).map_or(f64::INFINITY, Value::number);
                Value::Text(substr(&text(self, 0), number(1), length))
            }
            "index" => {
                let found = text(self, 0).find(&text(self, 1));
                Value::Number(found.map_or(0.0, |at| at as f64 + 1.0))
            }
            "sprintf" => match values.split_first() {
                Some((format, rest)) => Value::Text(sprintf(&self.text_of(format), rest)?),
                None => Value::Text(String::new()),
            },
            "tolower" => Value::Text(text(self, 0).to_ascii_lowercase()),
            "toupper" => Value::Text(text(self, 0).to_ascii_uppercase()),
            "sin" => number(0).sin().into(),
            "cos" => number(0).cos().into(),
            "atan2" => number(0).atan2(number(1)).into(),
            "exp" => number(0).exp().into(),
            "log" => number(0).ln().into(),
            "sqrt" => number(0).sqrt().into(),
            "int" => number(0).trunc().into(),
            "rand" => {
                self.random =
                    self.random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
                Value::Number((self.random >> 11) as f64 / (1_u64 << 53) as f64)
            }
            "srand" => {
                let new = match values.first() {
                    Some(seed) => seed.number(),
                    None => (self.sys.clock_gettime(0).await.unwrap_or(0) / 1_000_000_000) as f64,
                };
                self.random = new.to_bits() ^ 0x9e37_79b9_7f4a_7c15;
                Value::Number(std::mem::replace(&mut self.seed, new))
            }
            "close" => f64::from(self.close(&text(self, 0)).await).into(),
            "fflush" => {
                self.flush().await;
                Value::Number(0.0)
            }
            "system" => {
                self.flush().await;
                let command = text(self, 0);
                match self.sys.fork().await {
                    Ok(0) => {
                        io::run_shell(self.sys, &command).await;
                        Value::Number(127.0)
                    }
                    Ok(child) => f64::from(io::wait(self.sys, child).await).into(),
                    Err(e) => return Err(format!("fork failed ({e})")),
                }
            }
            other => return Err(format!("function {other} is not modelled in Ringside; see 'help awk'")),
        })
    }

    fn array_length(&mut self, name: &str) -> Option<usize> {
        let array = self.array(&ArrayName::Global(name.to_owned()));
        let length = array.borrow().len();
        (length > 0).then_some(length)
    }

    async fn split_into(&mut self, arguments: &[Expr]) -> Outcome<Value> {
        let [text, array, rest @ ..] = arguments else {
            return Err("syntax error: split needs a text and an array".into());
        };
        let array = match array {
            Expr::Global(name) => self.array(&ArrayName::Global(name.clone())),
            Expr::Local(place) => self.array(&ArrayName::Local(*place)),
            _ => return Err("syntax error: the second argument of split is no array".into()),
        };
        let value = self.eval(text).await?;
        let text = self.text_of(&value);
        let parts = match rest.first() {
            Some(Expr::Regex(regex)) => split_by(regex, &text),
            Some(separator) => {
                let separator = self.eval(separator).await?;
                let separator = self.text_of(&separator);
                self.split(&text, &separator)?
            }
            None => {
                let separator = self.special("FS");
                self.split(&text, &separator)?
            }
        };
        let count = parts.len();
        array.borrow_mut().clear();
        for (i, part) in parts.into_iter().enumerate() {
            *array.borrow_mut().slot((i + 1).to_string()) = Value::input(part);
        }
        Ok(Value::Number(count as f64))
    }

    async fn find(&mut self, arguments: &[Expr]) -> Outcome<Value> {
        let [text, pattern] = arguments else { return Err("syntax error: match needs a text and a pattern".into()) };
        let value = self.eval(text).await?;
        let text = self.text_of(&value);
        let regex = self.pattern(pattern).await?;
        let (start, length) = match regex.find_at(text.as_bytes(), 0).map(|c| c.whole()) {
            Some((from, to)) => (from as f64 + 1.0, (to - from) as f64),
            None => (0.0, -1.0),
        };
        self.set_number("RSTART", start);
        self.set_number("RLENGTH", length);
        Ok(Value::Number(start))
    }

    async fn substitute(&mut self, all: bool, arguments: &[Expr]) -> Outcome<Value> {
        let [pattern, replacement, rest @ ..] = arguments else {
            return Err("syntax error: sub needs a pattern and a replacement".into());
        };
        let regex = self.pattern(pattern).await?;
        let value = self.eval(replacement).await?;
        let replacement = self.text_of(&value);
        let record = Expr::Field(Box::new(Expr::Number(0.0)));
        let target = rest.first().unwrap_or(&record);
        let old = self.eval(target).await?;
        let (new, count) = replaced(&regex, &self.text_of(&old), &replacement, all);
        if count > 0 {
            self.assign(target, Value::Text(new)).await?;
        }
        Ok(Value::Number(count as f64))
    }
}

/// The characters from `start` (counted from 1) on, counted in bytes. What mawk 1.3.4 adds to the length when the
/// text would begin before its first character is more than POSIX says.
fn substr(text: &str, start: f64, length: f64) -> String {
    let (start, length) = if start < 1.0 { (1.0, length - start.trunc()) } else { (start, length) };
    let first = start.round();
    let end = if length.is_infinite() { f64::INFINITY } else { (start + length).round() };
    let from = (first.max(1.0) as usize).saturating_sub(1).min(text.len());
    let to = if end.is_infinite() { text.len() } else { (end.max(1.0) as usize).saturating_sub(1).min(text.len()) };
    String::from_utf8_lossy(text.as_bytes().get(from..to).unwrap_or_default()).into_owned()
}

fn split_by(regex: &Regex, text: &str) -> Vec<String> {
    let (mut parts, mut start) = (Vec::new(), 0);
    if text.is_empty() {
        return parts;
    }
    while let Some((from, to)) = regex.find_at(text.as_bytes(), start).map(|c| c.whole()) {
        if to == from {
            break;
        }
        parts.push(text.get(start..from).unwrap_or_default().to_owned());
        start = to;
    }
    parts.push(text.get(start..).unwrap_or_default().to_owned());
    parts
}

/// The text with matches replaced, and how many there were. `&` in the replacement is the match.
fn replaced(regex: &Regex, text: &str, replacement: &str, all: bool) -> (String, usize) {
    let (mut out, mut at, mut copied, mut count) = (String::new(), 0, 0, 0);
    while let Some((from, to)) = regex.find_at(text.as_bytes(), at).map(|c| c.whole()) {
        let is_new = !(from == to && count > 0 && from == copied);
        if is_new {
            out += text.get(copied..from).unwrap_or_default();
            let mut letters = replacement.chars().peekable();
            while let Some(c) = letters.next() {
                match c {
                    '&' => out += text.get(from..to).unwrap_or_default(),
                    '\\' if matches!(letters.peek(), Some('&' | '\\')) => out.extend(letters.next()),
                    c => out.push(c),
                }
            }
            copied = to;
            count += 1;
        }
        if !all || to >= text.len() {
            break;
        }
        at = if to > from { to } else { to + text.get(to..).and_then(|t| t.chars().next()).map_or(1, char::len_utf8) };
    }
    out += text.get(copied..).unwrap_or_default();
    (out, count)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::program::text::regex::{Syntax, Whole};

    #[test]
    fn texts_are_cut_as_mawk_does() {
        assert_eq!(substr("hello", 2.0, 3.0), "ell");
        assert_eq!(substr("hello", 0.0, 2.0), "he");
        assert_eq!(substr("hello", -1.0, f64::INFINITY), "hello");
        assert_eq!(substr("hello", 9.0, 1.0), "");
    }

    #[test]
    fn matches_are_replaced() {
        let regex = |p| Regex::new(p, Syntax::Awk, false, Whole::Anything).expect("right");
        assert_eq!(replaced(&regex("l+"), "hello", "[&]", false), ("he[ll]o".into(), 1));
        assert_eq!(replaced(&regex("o"), "foo", "\\&", true), ("f&&".into(), 2));
        assert_eq!(replaced(&regex("x*"), "ab", "-", true), ("-a-b-".into(), 3));
    }
}
