//! Values: numbers, texts, and texts from the input that may be numbers.

use std::cmp::Ordering;
use std::collections::BTreeMap;

use crate::program::cformat::{CFormat, strtod};

/// A value of a variable.
#[derive(Clone, PartialEq, Debug, Default)]
pub(super) enum Value {
    /// Never set: 0 and the empty text.
    #[default]
    Unset,
    Number(f64),
    Text(String),
    /// From the input, and it looks like a number.
    Both(String, f64),
}

impl Value {
    /// A text from the input.
    pub(super) fn input(text: String) -> Value {
        let trimmed = text.trim_matches([' ', '\t', '\n']);
        let looks_decimal = trimmed.starts_with(|c: char| c.is_ascii_digit() || "+-.".contains(c));
        match strtod(trimmed) {
            (n, length) if length > 0 && length == trimmed.len() && looks_decimal && n.is_finite() => {
                Value::Both(text, n)
            }
            _ => Value::Text(text),
        }
    }

    pub(super) fn number(&self) -> f64 {
        match self {
            Value::Unset => 0.0,
            Value::Number(n) | Value::Both(_, n) => *n,
            Value::Text(s) => strtod(s).0,
        }
    }

    pub(super) fn text(&self, format: &str) -> String {
        match self {
            Value::Unset => String::new(),
            Value::Number(n) => number_text(*n, format),
            Value::Text(s) | Value::Both(s, _) => s.clone(),
        }
    }

    pub(super) fn is_true(&self) -> bool {
        match self {
            Value::Unset => false,
            Value::Number(n) | Value::Both(_, n) => *n != 0.0,
            Value::Text(s) => !s.is_empty(),
        }
    }

    pub(super) fn compare(&self, other: &Value, format: &str) -> Option<Ordering> {
        match (self, other) {
            (Value::Text(_), _) | (_, Value::Text(_)) => Some(self.text(format).cmp(&other.text(format))),
            _ => self.number().partial_cmp(&other.number()),
        }
    }
}

impl From<f64> for Value {
    fn from(n: f64) -> Value {
        Value::Number(n)
    }
}

impl From<bool> for Value {
    fn from(b: bool) -> Value {
        Value::Number(if b { 1.0 } else { 0.0 })
    }
}

/// A number as text: as an integer when it is one that fits an `int`, otherwise by `CONVFMT` or `OFMT`.
pub(super) fn number_text(n: f64, format: &str) -> String {
    let integer = n as i32;
    if f64::from(integer) == n {
        return integer.to_string();
    }
    sprintf(format, &[Value::Number(n)]).unwrap_or_else(|_| CFormat::default().float(n, 'g'))
}

/// sprintf(3) with awk's values.
///
/// # Errors
/// When there are too few values, or the conversion is unknown.
pub(super) fn sprintf(format: &str, values: &[Value]) -> Result<String, String> {
    let too_few = || format!("not enough arguments passed to sprintf(\"{format}\")");
    let mut values = values.iter();
    let mut out = String::new();
    let mut chars = format.chars().peekable();
    while let Some(c) = chars.next() {
        if c != '%' {
            out.push(c);
            continue;
        }
        if chars.next_if_eq(&'%').is_some() {
            out.push('%');
            continue;
        }
        let mut spec = CFormat::default();
        while chars.next_if(|c| spec.set_flag(*c)).is_some() {}
        if chars.next_if_eq(&'*').is_some() {
            spec.set_width(values.next().ok_or_else(too_few)?.number() as i64);
        } else {
            spec.set_width(digits(&mut chars).unwrap_or(0));
        }
        if chars.next_if_eq(&'.').is_some() {
            let precision = if chars.next_if_eq(&'*').is_some() {
                values.next().ok_or_else(too_few)?.number() as i64
            } else {
                digits(&mut chars).unwrap_or(0)
            };
            spec.set_precision(precision);
        }
        while chars.next_if(|c| matches!(c, 'l' | 'h')).is_some() {}
        let conversion = chars.next().ok_or_else(|| format!("bad conversion in \"{format}\""))?;
        let value = values.next().ok_or_else(too_few)?;
        out += &match conversion {
            'd' | 'i' => spec.signed(value.number() as i64),
            'o' | 'x' | 'X' | 'u' => match value.number() {
                n if n < 0.0 => spec.unsigned(n as i64 as u64, conversion),
                n => spec.unsigned(n as u64, conversion),
            },
            'e' | 'E' | 'f' | 'F' | 'g' | 'G' | 'a' | 'A' => spec.float(value.number(), conversion),
            'c' => match value {
                Value::Number(n) | Value::Both(_, n) => {
                    spec.string(&char::from_u32(*n as u32 & 0xff).map(String::from).unwrap_or_default())
                }
                other => spec.string(&other.text("%.6g").chars().take(1).collect::<String>()),
            },
            's' => spec.string(&value.text("%.6g")),
            other => return Err(format!("bad conversion '%{other}' in \"{format}\"")),
        };
    }
    Ok(out)
}

fn digits(chars: &mut std::iter::Peekable<std::str::Chars<'_>>) -> Option<i64> {
    let mut text = String::new();
    while let Some(d) = chars.next_if(char::is_ascii_digit) {
        text.push(d);
    }
    text.parse().ok()
}

/// An array. For loops go through it in mawk's order: by the hash of the key, the newest of a list first.
#[derive(Clone, PartialEq, Debug, Default)]
pub(super) struct Array {
    values: BTreeMap<String, (u64, Value)>,
    inserted: u64,
}

impl Array {
    pub(super) fn contains(&self, key: &str) -> bool {
        self.values.contains_key(key)
    }

    pub(super) fn get(&mut self, key: String) -> Value {
        self.slot(key).clone()
    }

    pub(super) fn slot(&mut self, key: String) -> &mut Value {
        self.inserted += 1;
        &mut self.values.entry(key).or_insert((self.inserted, Value::Unset)).1
    }

    pub(super) fn remove(&mut self, key: &str) {
        self.values.remove(key);
    }

    pub(super) fn clear(&mut self) {
        self.values.clear();
    }

    pub(super) fn len(&self) -> usize {
        self.values.len()
    }

    pub(super) fn keys(&self) -> Vec<String> {
        /// The lists in mawk's hash table, while it is small.
        const LISTS: u32 = 64;
        let hash = |key: &str| key.bytes().fold(2_166_136_261_u32, |h, b| (h ^ u32::from(b)).wrapping_mul(16_777_619));
        let mut all: Vec<(u32, u64, &String)> =
            self.values.iter().map(|(k, (n, _))| (hash(k) % LISTS, u64::MAX - n, k)).collect();
        all.sort();
        all.into_iter().map(|(_, _, k)| k.clone()).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_print_as_in_mawk() {
        assert_eq!(number_text(3.0, "%.6g"), "3");
        assert_eq!(number_text(2_147_483_648.0, "%.6g"), "2.14748e+09");
        assert_eq!(number_text(0.1, "%.6g"), "0.1");
        let values = [Value::Text("3abc".into()), Value::Number(4.0), Value::Number(65.0)];
        assert_eq!(sprintf("%d|%3s|%c%%", &values).as_deref(), Ok("3|  4|A%"));
        assert!(sprintf("%d %d", &values[..1]).is_err());
    }

    #[test]
    fn input_that_looks_like_a_number_compares_as_one() {
        let input = |s: &str| Value::input(s.into());
        assert_eq!(input("10").compare(&input("9"), "%.6g"), Some(Ordering::Greater));
        assert_eq!(input("10").compare(&Value::Text("9".into()), "%.6g"), Some(Ordering::Less));
        assert_eq!(input("abc"), Value::Text("abc".into()));
        assert!(!input("0").is_true() && Value::Text("0".into()).is_true());
    }

    #[test]
    fn arrays_are_gone_through_in_the_order_of_their_hashes() {
        let mut array = Array::default();
        for key in "one two three four five six seven eight nine ten pids memory cpu".split(' ') {
            array.slot(key.into());
        }
        assert_eq!(array.keys().join(" "), "pids three cpu ten nine five four two six memory one eight seven");
    }
}
