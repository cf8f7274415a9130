//! sleep(1).

use crate::program;
use crate::program::Sys;
use crate::program::getopt::Spec;
use crate::program::quote::quote;

program!(SLEEP = "sleep" in "/usr/bin", "delay for a specified amount of time", sleep, "\
NUMBER[SUFFIX]...  pause for the sum of the times; s seconds (default), m minutes, h hours, d days; fractions are allowed");

async fn sleep(sys: Sys) -> i32 {
    let options = match sys.getopt(&Spec::COREUTILS).await {
        Ok(options) => options,
        Err(status) => return status,
    };
    if options.operands.is_empty() {
        sys.error("missing operand").await;
        sys.try_help().await;
        return 1;
    }
    let (mut total, mut ok) = (0_u64, true);
    for word in &options.operands {
        match nanoseconds(word) {
            Some(n) => total = total.saturating_add(n),
            None => {
                let what = if sys.is_busybox() { "invalid number" } else { "invalid time interval" };
                sys.error(format!("{what} {}", quote(word))).await;
                ok = false;
            }
        }
    }
    if !ok {
        sys.try_help().await;
        return 1;
    }
    // There is no "for ever" in virtual time, but two centuries come near.
    match sys.nanosleep(total.min(1 << 62)).await {
        Ok(()) => 0,
        Err(e) => {
            sys.error(format!("cannot read realtime clock: {e}")).await;
            1
        }
    }
}

/// A time such as `0.5`, `2m`, `infinity` in nanoseconds.
pub fn nanoseconds(text: &str) -> Option<u64> {
    let (number, unit) = match text.char_indices().last()? {
        (at, 's') => (&text[..at], 1),
        (at, 'm') => (&text[..at], 60),
        (at, 'h') => (&text[..at], 3600),
        (at, 'd') => (&text[..at], 86_400),
        _ => (text, 1),
    };
    let number = number.strip_prefix('+').unwrap_or(number);
    if number.eq_ignore_ascii_case("inf") || number.eq_ignore_ascii_case("infinity") {
        return Some(u64::MAX);
    }
    if number.contains(['e', 'E']) {
        let seconds: f64 = number.parse().ok().filter(|s: &f64| *s >= 0.0)?;
        return Some((seconds * 1e9) as u64 * unit);
    }
    let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
    let digits = |s: &str| s.bytes().all(|b| b.is_ascii_digit());
    if (whole.is_empty() && fraction.is_empty()) || !digits(whole) || !digits(fraction) {
        return None;
    }
    let whole: u64 = if whole.is_empty() { 0 } else { whole.parse().unwrap_or(u64::MAX) };
    let nine: String = fraction.chars().chain("000000000".chars()).take(9).collect();
    let below: u64 = nine.parse().ok()?;
    Some(whole.saturating_mul(1_000_000_000).saturating_add(below).saturating_mul(unit))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_have_fractions_and_units() {
        assert_eq!(nanoseconds("1"), Some(1_000_000_000));
        assert_eq!(nanoseconds("0.25"), Some(250_000_000));
        assert_eq!(nanoseconds(".5m"), Some(30_000_000_000));
        assert_eq!(nanoseconds("1e-3"), Some(1_000_000));
        assert_eq!(nanoseconds("infinity"), Some(u64::MAX));
        assert_eq!(nanoseconds("x"), None);
        assert_eq!(nanoseconds(""), None);
        assert_eq!(nanoseconds("-1"), None);
        assert_eq!(nanoseconds("1x"), None);
    }
}
