//! date(1).

use crate::program;
use crate::program::Sys;
use crate::program::calendar::{Tm, days_from_civil, month_by_name, strftime};
use crate::program::getopt::{Long, Spec, Takes};
use crate::program::quote::{quote, quotef};

program!(DATE = "date" in "/usr/bin", "print the system date and time", date, "\
+FORMAT  as strftime(3), with %N for nanoseconds
-d, --date STRING  display this time: @N, YYYY-MM-DD [HH:MM[:SS]], now, today, yesterday, tomorrow, N units [ago]
-r, --reference FILE  display the last modification time of FILE
-u, --utc  (the model's clock is in UTC in any case)
-R, --rfc-email; -I[FMT], --iso-8601[=FMT]; --rfc-3339=FMT  output formats; FMT: date, hours, minutes, seconds, ns");

const SPEC: Spec = Spec {
    short: "d:I::r:Ru",
    long: &[
        Long("date", Takes::Value, 'd'),
        Long("iso-8601", Takes::Maybe, 'I'),
        Long("reference", Takes::Value, 'r'),
        Long("rfc-email", Takes::Nothing, 'R'),
        Long("rfc-3339", Takes::Value, '3'),
        Long("utc", Takes::Nothing, 'u'),
        Long("universal", Takes::Nothing, 'u'),
    ],
    unmodelled: "-f -s --debug --file --resolution --set",
    ..Spec::COREUTILS
};

async fn date(sys: Sys) -> Result<i32, i32> {
    let options = sys.getopt(&SPEC).await?;
    let mut format = match options.last_of("IR3") {
        Some('R') => "%a, %d %b %Y %H:%M:%S %z".to_owned(),
        Some(key) => {
            let precision = options.value(key).unwrap_or("date");
            let (gap, zone) = if key == 'I' { ('T', "%:z") } else { (' ', "%:z") };
            match precision {
                "date" => "%Y-%m-%d".to_owned(),
                "hours" if key == 'I' => format!("%Y-%m-%d{gap}%H{zone}"),
                "minutes" if key == 'I' => format!("%Y-%m-%d{gap}%H:%M{zone}"),
                "seconds" => format!("%Y-%m-%d{gap}%H:%M:%S{zone}"),
                "ns" => format!("%Y-%m-%d{gap}%H:%M:%S{}%N{zone}", if key == 'I' { ',' } else { '.' }),
                other => {
                    let option = if key == 'I' { "--iso-8601" } else { "--rfc-3339" };
                    let text = format!("invalid argument {} for ‘{option}’", quote(other));
                    return Err(sys.usage_error(text).await);
                }
            }
        }
        None => "%a %b %e %H:%M:%S %Z %Y".to_owned(),
    };
    match options.operands.as_slice() {
        [] => {}
        [one] => match one.strip_prefix('+') {
            Some(custom) => format = custom.to_owned(),
            None if one.bytes().all(|b| b.is_ascii_digit() || b == b'.') => {
                sys.not_modelled("setting the clock").await;
                return Err(1);
            }
            None => {
                sys.error(format!("invalid date {}", quote(one))).await;
                return Err(1);
            }
        },
        [_, extra, ..] => return Err(sys.extra_operand(extra).await),
    }
    let now = sys.clock_gettime(0).await.unwrap_or(0);
    let at = if let Some(text) = options.value('d') {
        match parse_date(text, now) {
            Some(at) => at,
            None => {
                sys.error(format!("invalid date {}", quote(text))).await;
                return Err(1);
            }
        }
    } else if let Some(file) = options.value('r') {
        match sys.stat(file).await {
            Ok(stat) => stat.st_mtime,
            Err(e) => {
                sys.error(format!("{}: {e}", quotef(file))).await;
                return Err(1);
            }
        }
    } else {
        now
    };
    let text = strftime(&format, (at / 1_000_000_000) as i64, (at % 1_000_000_000) as u32);
    sys.print(format!("{text}\n")).await;
    Ok(0)
}

/// A date as `-d` takes it, in nanoseconds since 1970: absolute parts, then steps such as `2 days ago`.
pub fn parse_date(text: &str, now: u64) -> Option<u64> {
    const SECOND: i128 = 1_000_000_000;
    if let Some(number) = text.trim().strip_prefix('@') {
        let (whole, fraction) = number.split_once(['.', ',']).unwrap_or((number, ""));
        let nine: String = fraction.chars().chain("000000000".chars()).take(9).collect();
        let at = whole.parse::<i128>().ok()? * SECOND + nine.parse::<i128>().ok()?;
        return u64::try_from(at).ok();
    }
    let mut tm = Tm::from_unix((now / 1_000_000_000) as i64);
    let mut below = i128::from(now % 1_000_000_000);
    let (mut extra, mut months) = (0_i128, 0_i64);
    let text = text.replace(['T', ','], " ");
    let mut words = text.split_whitespace().peekable();
    let midnight = |tm: &mut Tm| (tm.hour, tm.minute, tm.second) = (0, 0, 0);
    let mut time_given = false;
    while let Some(word) = words.next() {
        let lower = word.to_ascii_lowercase();
        if let Some((hour, rest)) = word.split_once(':') {
            let (minute, second) = rest.split_once(':').unwrap_or((rest, "0"));
            let (second, fraction) = second.split_once('.').unwrap_or((second, ""));
            tm.hour = hour.parse().ok().filter(|h| *h < 24)?;
            tm.minute = minute.parse().ok().filter(|m| *m < 60)?;
            tm.second = second.trim_end_matches('Z').parse().ok().filter(|s| *s <= 60)?;
            let nine: String = fraction.chars().chain("000000000".chars()).take(9).collect();
            below = nine.parse().ok()?;
            time_given = true;
        } else if word.matches('-').count() == 2 && word.starts_with(|c: char| c.is_ascii_digit()) {
            let mut parts = word.split('-');
            (tm.year, tm.month, tm.day) =
                (parts.next()?.parse().ok()?, parts.next()?.parse().ok()?, parts.next()?.parse().ok()?);
            if !(1..=12).contains(&tm.month) || !(1..=31).contains(&tm.day) {
                return None;
            }
            if !time_given {
                midnight(&mut tm);
                below = 0;
            }
        } else if let Some(month) = month_by_name(word) {
            tm.month = month;
            if let Some(day) = words.peek().and_then(|w| w.parse().ok()) {
                tm.day = day;
                words.next();
            }
            if let Some(year) = words.peek().filter(|w| w.len() == 4).and_then(|w| w.parse().ok()) {
                tm.year = year;
                words.next();
            }
            if !time_given {
                midnight(&mut tm);
                below = 0;
            }
        } else if matches!(lower.as_str(), "now" | "today" | "utc" | "gmt" | "z") {
        } else if lower == "yesterday" {
            extra -= 86_400;
        } else if lower == "tomorrow" {
            extra += 86_400;
        } else {
            let (count, unit) = match lower.parse::<i128>() {
                Ok(count) => (count, words.next()?.to_ascii_lowercase()),
                Err(_) if lower == "next" => (1, words.next()?.to_ascii_lowercase()),
                Err(_) if lower == "last" => (-1, words.next()?.to_ascii_lowercase()),
                Err(_) => (1, lower),
            };
            let sign = if words.next_if(|w| w.eq_ignore_ascii_case("ago")).is_some() { -1 } else { 1 };
            match unit.strip_suffix('s').unwrap_or(&unit) {
                "sec" | "second" => extra += sign * count,
                "min" | "minute" => extra += sign * count * 60,
                "hour" => extra += sign * count * 3600,
                "day" => extra += sign * count * 86_400,
                "week" => extra += sign * count * 604_800,
                "month" => months += (sign * count) as i64,
                "year" => months += (sign * count * 12) as i64,
                _ => return None,
            }
        }
    }
    let days = days_from_civil(tm.year, i64::from(tm.month) + months, i64::from(tm.day));
    let seconds = i128::from(days) * 86_400 + i128::from(tm.hour * 3600 + tm.minute * 60 + tm.second) + extra;
    u64::try_from(seconds * SECOND + below).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_are_absolute_or_relative() {
        let now = 1_767_225_600_000_000_000;
        let parse = |t| parse_date(t, now).map(|n| n / 1_000_000_000);
        assert_eq!(parse("@5"), Some(5));
        assert_eq!(parse("2024-02-29 01:02:03"), Some(1_709_168_523));
        assert_eq!(parse("2024-02-29"), Some(1_709_164_800));
        assert_eq!(parse("now"), Some(1_767_225_600));
        assert_eq!(parse("1 day ago"), Some(1_767_139_200));
        assert_eq!(parse("yesterday"), Some(1_767_139_200));
        assert_eq!(parse("1 month"), Some(1_769_904_000));
        assert_eq!(parse("nonsense"), None);
    }
}
