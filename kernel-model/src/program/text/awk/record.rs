//! The record and its fields.

use super::run::{Awk, Outcome};
use super::value::Value;

/// The highest number of a field.
pub(super) const MOST_FIELDS: usize = 32_767;

impl Awk<'_> {
    pub(super) fn set_record(&mut self, record: String) -> Outcome<()> {
        let separator = self.special("FS");
        self.fields = self.split(&record, &separator)?.into_iter().map(Value::input).collect();
        self.record = record;
        self.stale = false;
        self.set_number("NF", self.fields.len() as f64);
        Ok(())
    }

    pub(super) fn record_text(&mut self) -> String {
        if self.stale {
            let texts: Vec<String> = self.fields.iter().map(|f| self.text_of(f)).collect();
            self.record = texts.join(&self.special("OFS"));
            self.stale = false;
        }
        self.record.clone()
    }

    /// Takes a text apart as `FS` says.
    pub(super) fn split(&mut self, text: &str, separator: &str) -> Outcome<Vec<String>> {
        if text.is_empty() {
            return Ok(Vec::new());
        }
        if separator == " " {
            let parts = text.split([' ', '\t', '\n']).filter(|p| !p.is_empty());
            return Ok(parts.map(str::to_owned).collect());
        }
        let mut letters = separator.chars();
        match (letters.next(), letters.next()) {
            (None, _) => return Ok(text.chars().map(String::from).collect()),
            (Some(only), None) if !"\\|^$.[]*+?(){}".contains(only) || only == '|' => {
                return Ok(text.split(only).map(str::to_owned).collect());
            }
            _ => {}
        }
        let regex = self.regex(separator)?;
        let (mut parts, mut start, mut at) = (Vec::new(), 0, 0);
        while let Some(found) = regex.find_at(text.as_bytes(), at) {
            let (from, to) = found.whole();
            if to == from {
                at = to + text.get(to..).and_then(|t| t.chars().next()).map_or(1, char::len_utf8);
                if at >= text.len() {
                    break;
                }
                continue;
            }
            parts.push(text.get(start..from).unwrap_or_default().to_owned());
            (start, at) = (to, to);
        }
        parts.push(text.get(start..).unwrap_or_default().to_owned());
        Ok(parts)
    }

    pub(super) fn field(&mut self, n: f64) -> Outcome<Value> {
        if n < 0.0 || n > MOST_FIELDS as f64 {
            return Err(format!("run time error: negative or too large field index ${n}"));
        }
        Ok(match n as usize {
            0 => Value::input(self.record_text()),
            n => self.fields.get(n - 1).cloned().unwrap_or_default(),
        })
    }

    pub(super) fn set_field(&mut self, n: f64, value: Value) -> Outcome<()> {
        if n < 0.0 || n > MOST_FIELDS as f64 {
            return Err(format!("run time error: negative or too large field index ${n}"));
        }
        let n = n as usize;
        if n == 0 {
            let text = self.text_of(&value);
            return self.set_record(text);
        }
        if self.fields.len() < n {
            self.fields.resize(n, Value::Text(String::new()));
            self.set_number("NF", n as f64);
        }
        if let Some(field) = self.fields.get_mut(n - 1) {
            *field = value;
        }
        self.stale = true;
        Ok(())
    }
}
