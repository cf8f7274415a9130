//! seq(1), in decimal fractions, so that nothing is rounded.

use crate::program;
use crate::program::Sys;
use crate::program::getopt::{Long, Spec, Takes};
use crate::program::quote::quote;

program!(SEQ = "seq" in "/usr/bin", "print a sequence of numbers", seq, "\
-s, --separator STRING  instead of a newline
-w, --equal-width  pad with leading zeros
[FIRST [INCREMENT]] LAST");

const SPEC: Spec = Spec {
    short: "+s:w",
    long: &[Long("separator", Takes::Value, 's'), Long("equal-width", Takes::Nothing, 'w')],
    unmodelled: "-f --format",
    ..Spec::COREUTILS
};

/// A decimal fraction: the digits, and how many of them are behind the point.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
struct Decimal {
    digits: i128,
    places: usize,
}

impl Decimal {
    fn parse(text: &str) -> Option<Decimal> {
        let (negative, rest) = match text.strip_prefix('-') {
            Some(rest) => (true, rest),
            None => (false, text.strip_prefix('+').unwrap_or(text)),
        };
        let (whole, fraction) = rest.split_once('.').unwrap_or((rest, ""));
        let all = format!("{whole}{fraction}");
        if all.is_empty() || all.len() > 30 || !all.bytes().all(|b| b.is_ascii_digit()) {
            return None;
        }
        let digits: i128 = all.parse().ok()?;
        Some(Decimal { digits: if negative { -digits } else { digits }, places: fraction.len() })
    }

    /// With more places.
    fn scaled(self, places: usize) -> i128 {
        self.digits.saturating_mul(10_i128.saturating_pow(places.saturating_sub(self.places) as u32))
    }
}

fn show(digits: i128, places: usize, width: usize) -> String {
    let unit = 10_i128.saturating_pow(places as u32);
    let sign = if digits < 0 { "-" } else { "" };
    let (whole, below) = (digits.abs() / unit, digits.abs() % unit);
    let text = if places == 0 { whole.to_string() } else { format!("{whole}.{below:0places$}") };
    format!("{sign}{}{text}", "0".repeat(width.saturating_sub(sign.len() + text.len())))
}

/// Negative numbers are no options.
fn protected(words: &[String]) -> Vec<String> {
    let mut out = words.to_vec();
    let is_number =
        |w: &String| w.strip_prefix('-').is_some_and(|r| r.starts_with(|c: char| c.is_ascii_digit() || c == '.'));
    let mut at = 0;
    while let Some(word) = out.get(at) {
        if word == "--" || !word.starts_with('-') {
            break;
        }
        if is_number(word) {
            out.insert(at, "--".into());
            break;
        }
        at += if matches!(word.as_str(), "-s" | "--separator") { 2 } else { 1 };
    }
    out
}

async fn seq(sys: Sys) -> Result<i32, i32> {
    let words = protected(sys.argv().get(1..).unwrap_or_default());
    let options = sys.getopt_words(&SPEC, &words).await?;
    if let Some(extra) = options.operands.get(3) {
        return Err(sys.extra_operand(extra).await);
    }
    let mut numbers = Vec::new();
    for word in &options.operands {
        match Decimal::parse(word) {
            Some(number) => numbers.push(number),
            None => return Err(sys.usage_error(format!("invalid floating point argument: {}", quote(word))).await),
        }
    }
    let one = Decimal { digits: 1, places: 0 };
    let (first, step, last) = match numbers.as_slice() {
        [last] => (one, one, *last),
        [first, last] => (*first, one, *last),
        [first, step, last] => (*first, *step, *last),
        _ => return Err(sys.missing_operand().await),
    };
    if step.digits == 0 {
        let word = options.operands.get(1).map_or("0", String::as_str);
        return Err(sys.usage_error(format!("invalid Zero increment value: {}", quote(word))).await);
    }
    // The places that are shown are those of the first number and the step.
    let places = first.places.max(step.places);
    let exact = places.max(last.places);
    let (mut at, step, last) = (first.scaled(exact), step.scaled(exact), last.scaled(exact));
    let shown = |n: i128| n / 10_i128.saturating_pow((exact - places) as u32);
    let width = match options.has('w') {
        true => show(shown(at), places, 0).len().max(show(shown(last), places, 0).len()),
        false => 0,
    };
    let separator = options.value('s').unwrap_or("\n");
    let mut is_first = true;
    let mut written = 0_u32;
    while (step > 0 && at <= last) || (step < 0 && at >= last) {
        let before = if is_first { "" } else { separator };
        sys.print(format!("{before}{}", show(shown(at), places, width))).await;
        if sys.stdout_error().is_some() {
            return Ok(1);
        }
        is_first = false;
        at = at.saturating_add(step);
        written += 1;
        if written.is_multiple_of(1000) {
            sys.compute(1_000_000).await;
        }
    }
    if !is_first {
        sys.print("\n").await;
    }
    Ok(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_exact() {
        assert_eq!(Decimal::parse("-1.50"), Some(Decimal { digits: -150, places: 2 }));
        assert_eq!(Decimal::parse("x"), None);
        assert_eq!(show(-5, 1, 0), "-0.5");
        assert_eq!(show(7, 0, 3), "007");
        assert_eq!(show(-7, 0, 3), "-07");
        let words = |w: &[&str]| protected(&w.iter().map(|w| (*w).to_owned()).collect::<Vec<_>>());
        assert_eq!(words(&["-s", ",", "-1", "2"]), ["-s", ",", "--", "-1", "2"]);
    }
}
