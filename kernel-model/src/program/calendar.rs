//! Dates and times of day in UTC, and strftime(3).

/// A moment, taken apart (`struct tm`).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Tm {
    /// The year, such as 2026.
    pub year: i64,
    /// 1 to 12.
    pub month: u32,
    /// 1 to 31.
    pub day: u32,
    /// 0 to 23.
    pub hour: u32,
    /// 0 to 59.
    pub minute: u32,
    /// 0 to 59.
    pub second: u32,
    /// 0 is Sunday.
    pub weekday: u32,
    /// 0 is the first of January.
    pub yearday: u32,
}

const DAY: i64 = 86_400;
const WEEKDAYS: [&str; 7] = ["Sunday", "Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday"];
const MONTHS: [&str; 12] = [
    "January",
    "February",
    "March",
    "April",
    "May",
    "June",
    "July",
    "August",
    "September",
    "October",
    "November",
    "December",
];

/// Days since 1970-01-01 of a date of the Gregorian calendar (also for months outside 1 to 12).
pub fn days_from_civil(year: i64, month: i64, day: i64) -> i64 {
    let (year, month) = (year + (month - 1).div_euclid(12), (month - 1).rem_euclid(12) + 1);
    // Years that begin in March have their leap day at the end.
    let y = if month <= 2 { year - 1 } else { year };
    let era = y.div_euclid(400);
    let year_of_era = y.rem_euclid(400);
    let day_of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    era * 146_097 + year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year - 719_468
}

impl Tm {
    /// gmtime(3) of seconds since 1970.
    pub fn from_unix(seconds: i64) -> Tm {
        let days = seconds.div_euclid(DAY);
        let rest = seconds.rem_euclid(DAY) as u32;
        let shifted = days + 719_468;
        let era = shifted.div_euclid(146_097);
        let day_of_era = shifted.rem_euclid(146_097);
        let year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
        let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
        let from_march = (5 * day_of_year + 2) / 153;
        let day = day_of_year - (153 * from_march + 2) / 5 + 1;
        let month = if from_march < 10 { from_march + 3 } else { from_march - 9 };
        let year = era * 400 + year_of_era + i64::from(month <= 2);
        Tm {
            year,
            month: month as u32,
            day: day as u32,
            hour: rest / 3600,
            minute: rest / 60 % 60,
            second: rest % 60,
            weekday: (days + 4).rem_euclid(7) as u32,
            yearday: (days - days_from_civil(year, 1, 1)) as u32,
        }
    }

    /// timegm(3)
    pub fn to_unix(&self) -> i64 {
        days_from_civil(self.year, i64::from(self.month), i64::from(self.day)) * DAY
            + i64::from(self.hour * 3600 + self.minute * 60 + self.second)
    }

    fn weekday_name(&self) -> &'static str {
        WEEKDAYS.get(self.weekday as usize).copied().unwrap_or("?")
    }

    fn month_name(&self) -> &'static str {
        MONTHS.get(self.month.wrapping_sub(1) as usize).copied().unwrap_or("?")
    }

    /// The ISO 8601 week and the year that it belongs to.
    fn iso_week(&self) -> (i64, u32) {
        let monday_based = i64::from((self.weekday + 6) % 7);
        let thursday = i64::from(self.yearday) - monday_based + 3;
        let length = |year: i64| days_from_civil(year + 1, 1, 1) - days_from_civil(year, 1, 1);
        if thursday < 0 {
            let last = length(self.year - 1) + thursday;
            (self.year - 1, (last / 7 + 1) as u32)
        } else if thursday >= length(self.year) {
            (self.year + 1, 1)
        } else {
            (self.year, (thursday / 7 + 1) as u32)
        }
    }
}

/// The number of this month's name or its first three letters, in any case.
pub fn month_by_name(name: &str) -> Option<u32> {
    let name = name.to_ascii_lowercase();
    let at = MONTHS.iter().position(|m| {
        let month = m.to_ascii_lowercase();
        name == month || (name.len() == 3 && month.starts_with(&name))
    })?;
    Some(at as u32 + 1)
}

/// strftime(3) in the C locale and UTC, with what date(1) adds: `%N` nanoseconds, `%:z`, and the flags `-`, `_`, `0`,
/// `^` and a width after the percent sign.
pub fn strftime(format: &str, seconds: i64, nanoseconds: u32) -> String {
    let tm = Tm::from_unix(seconds);
    let mut out = String::new();
    let mut rest = format.chars().peekable();
    while let Some(c) = rest.next() {
        if c != '%' {
            out.push(c);
            continue;
        }
        let mut written = String::from("%");
        let (mut pad, mut upper, mut width) = (None, false, String::new());
        let mut colons = 0;
        let directive = loop {
            let Some(c) = rest.next() else { break None };
            written.push(c);
            match c {
                '-' | '_' | '0' if width.is_empty() => pad = Some(c),
                '^' if width.is_empty() => upper = true,
                '#' if width.is_empty() => upper = true,
                '0'..='9' => width.push(c),
                ':' => colons += 1,
                'E' | 'O' => {}
                c => break Some(c),
            }
        };
        let Some(text) = directive.and_then(|d| directive_text(d, &tm, seconds, nanoseconds, colons, pad, &width))
        else {
            out.push_str(&written);
            continue;
        };
        let text = if upper { text.to_uppercase() } else { text };
        let width: usize = width.parse().unwrap_or(0);
        let fill = match (pad, directive) {
            (Some('_'), _) => ' ',
            (Some('0'), _) => '0',
            (
                _,
                Some(
                    'a' | 'A' | 'b' | 'B' | 'h' | 'c' | 'p' | 'P' | 'Z' | 'e' | 'k' | 'l' | 'D' | 'F' | 'T' | 'x' | 'X',
                ),
            ) => ' ',
            _ => '0',
        };
        if directive != Some('N') {
            out.extend(std::iter::repeat_n(fill, width.min(1000).saturating_sub(text.len())));
        }
        out.push_str(&text);
    }
    out
}

fn directive_text(
    directive: char,
    tm: &Tm,
    seconds: i64,
    nanoseconds: u32,
    colons: u32,
    pad: Option<char>,
    width: &str,
) -> Option<String> {
    let number = |n: i64, digits: usize, default: char| {
        let digits = if width.is_empty() { digits } else { 1 };
        match pad.unwrap_or(default) {
            '-' => n.to_string(),
            '_' => format!("{n:digits$}"),
            _ => format!("{n:0digits$}"),
        }
    };
    let two = |n: u32| number(n.into(), 2, '0');
    let blank = |n: u32| number(n.into(), 2, '_');
    let again = |format: &str| strftime(format, seconds, nanoseconds);
    let twelve = if tm.hour.is_multiple_of(12) { 12 } else { tm.hour % 12 };
    Some(match directive {
        '%' => "%".into(),
        'n' => "\n".into(),
        't' => "\t".into(),
        'a' => tm.weekday_name()[..3].into(),
        'A' => tm.weekday_name().into(),
        'b' | 'h' => tm.month_name()[..3].into(),
        'B' => tm.month_name().into(),
        'c' => again("%a %b %e %H:%M:%S %Y"),
        'C' => number(tm.year.div_euclid(100), 2, '0'),
        'd' => two(tm.day),
        'D' | 'x' => again("%m/%d/%y"),
        'e' => blank(tm.day),
        'F' => again("%Y-%m-%d"),
        'g' => number(tm.iso_week().0.rem_euclid(100), 2, '0'),
        'G' => number(tm.iso_week().0, 4, '0'),
        'H' => two(tm.hour),
        'I' => two(twelve),
        'j' => number(i64::from(tm.yearday) + 1, 3, '0'),
        'k' => blank(tm.hour),
        'l' => blank(twelve),
        'm' => two(tm.month),
        'M' => two(tm.minute),
        'N' => {
            let all = format!("{nanoseconds:09}");
            let digits = width.parse().unwrap_or(9).clamp(1, 9);
            let cut = &all[..digits];
            if pad == Some('-') { cut.trim_end_matches('0').to_owned() } else { cut.to_owned() }
        }
        'p' => if tm.hour < 12 { "AM" } else { "PM" }.into(),
        'P' => if tm.hour < 12 { "am" } else { "pm" }.into(),
        'q' => tm.month.div_ceil(3).to_string(),
        'r' => again("%I:%M:%S %p"),
        'R' => again("%H:%M"),
        's' => seconds.to_string(),
        'S' => two(tm.second),
        'T' | 'X' => again("%H:%M:%S"),
        'u' => if tm.weekday == 0 { 7 } else { tm.weekday }.to_string(),
        'U' => two((tm.yearday + 7 - tm.weekday) / 7),
        'V' => two(tm.iso_week().1),
        'w' => tm.weekday.to_string(),
        'W' => two((tm.yearday + 7 - (tm.weekday + 6) % 7) / 7),
        'y' => number(tm.year.rem_euclid(100), 2, '0'),
        'Y' => number(tm.year, 4, '0'),
        'z' => match colons {
            0 => "+0000",
            1 => "+00:00",
            2 => "+00:00:00",
            _ => "+00",
        }
        .into(),
        'Z' => "UTC".into(),
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn seconds_and_dates_are_inverse() {
        for seconds in [0, -1, 951_782_400, 1_709_164_799, 1_795_000_000, 4_102_444_800, -62_135_596_800] {
            assert_eq!(Tm::from_unix(seconds).to_unix(), seconds);
        }
    }

    #[test]
    fn formats_as_date_does() {
        let at = |f: &str| strftime(f, 1_709_164_805, 12_345_678);
        assert_eq!(at("%F %T %a %j"), "2024-02-29 00:00:05 Thu 060");
        assert_eq!(at("%e|%-d|%k|%I %p"), "29|29| 0|12 AM");
        assert_eq!(at("%s.%N %3N"), "1709164805.012345678 012");
        assert_eq!(at("%G-W%V-%u %U %W"), "2024-W09-4 08 09");
        assert_eq!(at("%Q %"), "%Q %");
        assert_eq!(at("%^b %_m %5d"), "FEB  2 00029");
        assert_eq!(at("%:z %Z %c"), "+00:00 UTC Thu Feb 29 00:00:05 2024");
    }
}
