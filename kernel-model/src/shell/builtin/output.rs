//! `echo` and `printf`.

use super::super::escape::{Style, unescape};
use super::super::{Run, Shell};

impl Shell {
    pub(super) fn builtin_echo(&mut self, args: &[String]) -> i32 {
        let mut args = args;
        let (mut newline, mut escapes) = (true, false);
        while let Some((first, rest)) = args.split_first() {
            let Some(letters) =
                first.strip_prefix('-').filter(|l| !l.is_empty() && l.chars().all(|c| "neE".contains(c)))
            else {
                break;
            };
            for letter in letters.chars() {
                match letter {
                    'n' => newline = false,
                    'e' => escapes = true,
                    _ => escapes = false,
                }
            }
            args = rest;
        }
        let mut text = args.join(" ");
        if escapes {
            let done = unescape(&text, Style::Echo);
            text = done.text;
            newline &= !done.stop;
        }
        self.out.push_str(&text);
        if newline {
            self.out.push('\n');
        }
        0
    }

    pub(super) async fn builtin_printf(&mut self, args: &[String]) -> Run<i32> {
        let (variable, args) = match args {
            [v, name, rest @ ..] if v == "-v" => (Some(name.clone()), rest),
            _ => (None, args),
        };
        let args = match args {
            [dashes, rest @ ..] if dashes == "--" => rest,
            _ => args,
        };
        let Some((format, args)) = args.split_first() else { return self.usage("printf").await };
        let mut printer = Printer { out: String::new(), args, used: 0, messages: Vec::new(), stop: false };
        let failed = loop {
            let before = printer.used;
            if let Err(message) = printer.once(format) {
                printer.messages.push(message);
                break true;
            }
            if printer.stop || printer.used == before || printer.used >= args.len() {
                break false;
            }
        };
        let Printer { out, messages, .. } = printer;
        let status = i32::from(failed || !messages.is_empty());
        for message in messages {
            self.complain(&format!("printf: {message}")).await;
        }
        match variable {
            Some(name) => self.assign(&name, &out).await?,
            None => self.out.push_str(&out),
        }
        Ok(status)
    }
}

struct Printer<'a> {
    out: String,
    args: &'a [String],
    used: usize,
    messages: Vec<String>,
    stop: bool,
}

/// The part of a conversion between `%` and its letter.
#[derive(Default)]
struct Spec {
    minus: bool,
    plus: bool,
    space: bool,
    zero: bool,
    alternate: bool,
    width: usize,
    precision: Option<usize>,
}

impl Printer<'_> {
    fn next(&mut self) -> Option<&str> {
        let arg = self.args.get(self.used)?;
        self.used += 1;
        Some(arg)
    }

    /// Prints the format once.
    fn once(&mut self, format: &str) -> Result<(), String> {
        let mut rest = format;
        while let Some(at) = rest.find(['%', '\\']) {
            self.out.push_str(&rest[..at]);
            rest = &rest[at..];
            if rest.starts_with('\\') {
                // An escape ends before the next percent sign or backslash.
                let end =
                    rest.char_indices().skip(2).find(|(_, c)| *c == '%' || *c == '\\').map_or(rest.len(), |(i, _)| i);
                self.out.push_str(&unescape(&rest[..end], Style::Format).text);
                rest = &rest[end..];
                continue;
            }
            rest = self.conversion(&rest[1..])?;
            if self.stop {
                return Ok(());
            }
        }
        self.out.push_str(rest);
        Ok(())
    }

    fn number_or_star(&mut self, rest: &mut &str) -> Option<i64> {
        if let Some(after) = rest.strip_prefix('*') {
            *rest = after;
            return Some(self.next().and_then(|a| a.parse().ok()).unwrap_or(0));
        }
        let end = rest.find(|c: char| !c.is_ascii_digit()).unwrap_or(rest.len());
        let (digits, after) = rest.split_at(end);
        *rest = after;
        digits.parse().ok()
    }

    fn conversion<'f>(&mut self, format: &'f str) -> Result<&'f str, String> {
        let mut rest = format;
        let mut spec = Spec::default();
        while let Some(flag) = rest.chars().next() {
            match flag {
                '-' => spec.minus = true,
                '+' => spec.plus = true,
                ' ' => spec.space = true,
                '0' => spec.zero = true,
                '#' => spec.alternate = true,
                _ => break,
            }
            rest = &rest[1..];
        }
        if let Some(width) = self.number_or_star(&mut rest) {
            spec.minus |= width < 0;
            spec.width = width.unsigned_abs().min(10_000) as usize;
        }
        if let Some(after) = rest.strip_prefix('.') {
            rest = after;
            spec.precision = Some(self.number_or_star(&mut rest).unwrap_or(0).clamp(0, 10_000) as usize);
        }
        rest = rest.trim_start_matches(['l', 'h', 'j', 'z', 't', 'L']);
        let Some(letter) = rest.chars().next() else {
            return Err("`%': missing format character".to_owned());
        };
        let after = &rest[letter.len_utf8()..];
        match letter {
            '%' => self.out.push('%'),
            's' => {
                let text = self.next().unwrap_or("").to_owned();
                let text = spec.precision.map_or(text.clone(), |p| text.chars().take(p).collect());
                self.pad(&text, &spec);
            }
            'b' => {
                let done = unescape(self.next().unwrap_or(""), Style::Echo);
                self.stop = done.stop;
                self.pad(&done.text, &spec);
            }
            'q' => {
                let arg = self.next().unwrap_or("").to_owned();
                let text = if arg.is_empty() { "''".to_owned() } else { backslash_quoted(&arg) };
                self.pad(&text, &spec);
            }
            'c' => {
                let text: String = self.next().unwrap_or("").chars().take(1).collect();
                self.pad(&text, &spec);
            }
            'd' | 'i' | 'u' | 'o' | 'x' | 'X' => {
                let value = self.integer();
                let (sign, digits) = match letter {
                    'd' | 'i' if value < 0 => ("-", value.unsigned_abs().to_string()),
                    'd' | 'i' if spec.plus => ("+", value.to_string()),
                    'd' | 'i' if spec.space => (" ", value.to_string()),
                    'd' | 'i' => ("", value.to_string()),
                    'u' => ("", (value as u64).to_string()),
                    'o' => (if spec.alternate { "0" } else { "" }, format!("{value:o}")),
                    'x' => (if spec.alternate { "0x" } else { "" }, format!("{value:x}")),
                    _ => (if spec.alternate { "0X" } else { "" }, format!("{value:X}")),
                };
                let digits = match spec.precision {
                    Some(p) if digits.len() < p => format!("{}{digits}", "0".repeat(p - digits.len())),
                    _ => digits,
                };
                self.pad_number(sign, &digits, &spec);
            }
            'f' | 'F' | 'e' | 'E' | 'g' | 'G' => {
                let value = self.float();
                let precision = spec.precision.unwrap_or(6);
                let (sign, digits) = (if value < 0.0 { "-" } else { "" }, value.abs());
                let digits = match letter {
                    'f' | 'F' => format!("{digits:.precision$}"),
                    'e' | 'E' => exponential(digits, precision),
                    _ => general(digits, precision),
                };
                self.pad_number(sign, &digits, &spec);
            }
            other => return Err(format!("`{other}': invalid format character")),
        }
        Ok(after)
    }

    fn pad(&mut self, text: &str, spec: &Spec) {
        let fill = " ".repeat(spec.width.saturating_sub(text.chars().count()));
        if spec.minus {
            self.out.push_str(text);
            self.out.push_str(&fill);
        } else {
            self.out.push_str(&fill);
            self.out.push_str(text);
        }
    }

    fn pad_number(&mut self, sign: &str, digits: &str, spec: &Spec) {
        if spec.zero && !spec.minus && spec.precision.is_none() {
            let fill = "0".repeat(spec.width.saturating_sub(sign.len() + digits.len()));
            self.out.push_str(&format!("{sign}{fill}{digits}"));
        } else {
            self.pad(&format!("{sign}{digits}"), spec);
        }
    }

    fn integer(&mut self) -> i64 {
        let Some(arg) = self.next().map(str::to_owned) else { return 0 };
        if let Some(text) = arg.strip_prefix(['"', '\'']) {
            return text.chars().next().map_or(0, |c| i64::from(c as u32));
        }
        let text = arg.trim_start();
        let (negative, digits) = match text.strip_prefix('-') {
            Some(digits) => (true, digits),
            None => (false, text.strip_prefix('+').unwrap_or(text)),
        };
        let (radix, digits) = if let Some(hex) = digits.strip_prefix("0x").or_else(|| digits.strip_prefix("0X")) {
            (16, hex)
        } else if digits.len() > 1 && digits.starts_with('0') {
            (8, &digits[1..])
        } else {
            (10, digits)
        };
        let end = digits.find(|c: char| !c.is_digit(radix)).unwrap_or(digits.len());
        let value = i128::from_str_radix(&digits[..end], radix).unwrap_or(0);
        if end < digits.len() || (digits.is_empty() && radix == 10 && !arg.is_empty()) {
            let what = if radix == 8 { "invalid octal number" } else { "invalid number" };
            self.messages.push(format!("{arg}: {what}"));
        }
        let value = if negative { -value } else { value };
        if let Ok(value) = i64::try_from(value) {
            return value;
        }
        u64::try_from(value).map_or_else(|_| if negative { i64::MIN } else { i64::MAX }, |v| v as i64)
    }

    fn float(&mut self) -> f64 {
        let Some(arg) = self.next().map(str::to_owned) else { return 0.0 };
        match arg.trim().parse() {
            Ok(value) => value,
            Err(_) => {
                if !arg.is_empty() {
                    self.messages.push(format!("{arg}: invalid number"));
                }
                0.0
            }
        }
    }
}

/// `%e`.
fn exponential(value: f64, precision: usize) -> String {
    let text = format!("{value:.precision$e}");
    let (mantissa, exponent) = text.split_once('e').unwrap_or((&text, "0"));
    let exponent: i32 = exponent.parse().unwrap_or(0);
    format!("{mantissa}e{}{:02}", if exponent < 0 { '-' } else { '+' }, exponent.abs())
}

/// `%g`.
fn general(value: f64, precision: usize) -> String {
    let precision = precision.max(1);
    let exponent = if value == 0.0 {
        0
    } else {
        let text = format!("{value:.*e}", precision - 1);
        text.split_once('e').and_then(|(_, e)| e.parse::<i32>().ok()).unwrap_or(0)
    };
    let trim = |text: String| {
        if text.contains('.') { text.trim_end_matches('0').trim_end_matches('.').to_owned() } else { text }
    };
    if exponent < -4 || exponent >= precision as i32 {
        let text = exponential(value, precision - 1);
        let (mantissa, exponent) = text.split_once('e').unwrap_or((&text, "+00"));
        return format!("{}e{exponent}", trim(mantissa.to_owned()));
    }
    trim(format!("{value:.*}", (precision as i32 - 1 - exponent).max(0) as usize))
}

/// The text with backslashes before what is special to a shell (`printf %q`).
fn backslash_quoted(text: &str) -> String {
    let mut out = String::new();
    for c in text.chars() {
        if !(c.is_alphanumeric() || "_-./:=,+%@".contains(c)) {
            out.push('\\');
        }
        out.push(c);
    }
    out
}
