//! State as text in a section of the stream: numbers, strings in hexadecimal, lists and structures.
//!
//! By hand, because anybody may connect and send: what is read here is nested [`DEPTH_MAX`] deep at most, which the
//! serializer of links does not promise.

use crate::syscall::Value;

/// A value as one word.
pub fn encode(value: &Value) -> String {
    let mut text = String::new();
    write(value, &mut text);
    text
}

fn hex(bytes: &[u8], text: &mut String) {
    for byte in bytes {
        text.push_str(&format!("{byte:02x}"));
    }
}

fn write(value: &Value, text: &mut String) {
    match value {
        Value::Null => text.push('-'),
        Value::Int(n) => text.push_str(&format!("{n};")),
        Value::Str(s) => {
            text.push('"');
            hex(s.as_bytes(), text);
            text.push(';');
        }
        Value::Bytes(bytes) => {
            text.push('=');
            hex(bytes, text);
            text.push(';');
        }
        Value::List(items) => {
            text.push('[');
            items.iter().for_each(|item| write(item, text));
            text.push(']');
        }
        Value::Struct(fields) => {
            text.push('{');
            for (name, value) in fields {
                text.push_str(name);
                text.push(':');
                write(value, text);
            }
            text.push('}');
        }
    }
}

/// The value of a word; `None` for what is none.
pub fn decode(text: &str) -> Option<Value> {
    let mut rest = text;
    let value = read(&mut rest, 0)?;
    rest.is_empty().then_some(value)
}

/// How deep values lie in each other at most.
const DEPTH_MAX: usize = 16;

fn until<'t>(rest: &mut &'t str, end: char) -> Option<&'t str> {
    let (word, after) = rest.split_once(end)?;
    *rest = after;
    Some(word)
}

fn bytes(word: &str) -> Option<Vec<u8>> {
    let pairs = word.as_bytes().chunks(2);
    pairs.map(|pair| u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok()).collect()
}

fn read(rest: &mut &str, depth: usize) -> Option<Value> {
    if depth > DEPTH_MAX {
        return None;
    }
    let text = *rest;
    let first = text.chars().next()?;
    let after = &text[first.len_utf8()..];
    match first {
        '-' if !after.starts_with(|c: char| c.is_ascii_digit()) => {
            *rest = after;
            Some(Value::Null)
        }
        '"' => {
            *rest = after;
            let word = until(rest, ';')?;
            Some(Value::str(String::from_utf8(bytes(word)?).ok()?.as_str()))
        }
        '=' => {
            *rest = after;
            let word = until(rest, ';')?;
            Some(Value::bytes(bytes(word)?))
        }
        '[' => {
            *rest = after;
            let mut items = Vec::new();
            while !rest.starts_with(']') {
                items.push(read(rest, depth + 1)?);
            }
            *rest = &rest[1..];
            Some(Value::List(items))
        }
        '{' => {
            *rest = after;
            let mut fields = Vec::new();
            while !rest.starts_with('}') {
                let name = until(rest, ':')?.to_owned();
                fields.push((name.into(), read(rest, depth + 1)?));
            }
            *rest = &rest[1..];
            Some(Value::Struct(fields))
        }
        _ => until(rest, ';')?.parse().ok().map(Value::Int),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_sent_is_received() {
        let inner = Value::record([("b", Value::bytes(&b"\x00;]"[..])), ("s", "a:}".into()), ("none", Value::Null)]);
        let value = Value::record([("n", (-5).into()), ("l", Value::List(vec![inner, 7.into(), Value::Null]))]);
        assert_eq!(decode(&encode(&value)), Some(value));
        for broken in ["", "[", "{a", "5", "=0g;", "\"00", "[]x"] {
            assert_eq!(decode(broken), None, "{broken}");
        }
    }
}
