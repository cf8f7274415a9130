//! What programs written in Go have in common: errors in lower case, options as the `flag` package reads them,
//! tables of `text/tabwriter`, times of RFC 3339, and the lines of the logger `logrus`.

use super::json::Json;
use crate::errno::Errno;
use crate::program::Sys;
use crate::program::calendar::Tm;
use crate::program::libc::o;

/// An error as Go's `syscall.Errno` words it.
pub fn errno(e: Errno) -> String {
    e.to_string().to_lowercase()
}

/// A flag as it was given: its first name and its value.
pub type Given = (&'static str, String);

/// Flags as they were given, and the words that follow them.
pub type Parsed = (Vec<Given>, Vec<String>);

/// Options as Go's `flag` reads them: one or two dashes, a value after `=` or as the next word, and the first
/// word that is no option ends them. `None` when help was asked for.
///
/// # Errors
/// The words of the package for a mistake.
pub fn parse_flags(known: &[(&'static [&'static str], bool)], words: &[String]) -> Result<Option<Parsed>, String> {
    let mut given = Vec::new();
    let mut words = words.iter();
    let mut args = Vec::new();
    while let Some(word) = words.next() {
        if word == "--" {
            break;
        }
        let Some(flag) = word.strip_prefix('-').filter(|f| !f.is_empty()) else {
            args.push(word.clone());
            break;
        };
        let flag = flag.strip_prefix('-').unwrap_or(flag);
        let (name, value) = flag.split_once('=').map_or((flag, None), |(n, v)| (n, Some(v.to_owned())));
        let Some((names, takes)) = known.iter().find(|(names, _)| names.contains(&name)) else {
            if matches!(name, "help" | "h") {
                return Ok(None);
            }
            return Err(format!("flag provided but not defined: -{name}"));
        };
        let value = match (takes, value) {
            (true, Some(value)) => value,
            (true, None) => words.next().cloned().ok_or(format!("flag needs an argument: -{name}"))?,
            (false, Some(off)) if off == "false" => continue,
            (false, _) => String::new(),
        };
        given.push((names[0], value));
    }
    args.extend(words.cloned());
    Ok(Some((given, args)))
}

/// A table with columns of at least `least` characters and 3 blanks between them, as
/// `tabwriter.NewWriter(w, least, 1, 3, ' ', 0)` makes it.
pub fn table(least: usize, rows: &[Vec<String>]) -> String {
    let columns = rows.iter().map(Vec::len).max().unwrap_or(0);
    let width = |i: usize| rows.iter().filter_map(|r| r.get(i)).map(|c| c.chars().count() + 3).max().unwrap_or(0);
    let widths: Vec<usize> = (0..columns).map(|i| width(i).max(least)).collect();
    let mut text = String::new();
    for row in rows {
        for (i, cell) in row.iter().enumerate() {
            let last = i + 1 == row.len();
            let width = if last { 0 } else { widths[i] };
            text.push_str(&format!("{cell:<width$}"));
        }
        text.push('\n');
    }
    text
}

/// A moment in nanoseconds since 1970 as `time.RFC3339Nano`: zeros at the end are left off.
pub fn rfc3339_nano(ns: u64) -> String {
    let whole = rfc3339(ns);
    let fraction = format!("{:09}", ns % 1_000_000_000);
    let fraction = fraction.trim_end_matches('0');
    if fraction.is_empty() { whole } else { format!("{}.{fraction}Z", whole.trim_end_matches('Z')) }
}

/// A moment in nanoseconds since 1970 as `time.RFC3339`.
pub fn rfc3339(ns: u64) -> String {
    let tm = Tm::from_unix((ns / 1_000_000_000) as i64);
    format!("{:04}-{:02}-{:02}T{:02}:{:02}:{:02}Z", tm.year, tm.month, tm.day, tm.hour, tm.minute, tm.second)
}

/// The moment that a text of [`rfc3339_nano`] names.
pub fn parse_rfc3339(text: &str) -> Option<u64> {
    let text = text.strip_suffix('Z')?;
    let (date, time) = text.split_once('T')?;
    let mut date = date.split('-').map(|n| n.parse::<i64>().ok());
    let days = crate::program::calendar::days_from_civil(date.next()??, date.next()??, date.next()??);
    let (time, fraction) = time.split_once('.').unwrap_or((time, "0"));
    let mut seconds = 0;
    for part in time.split(':') {
        seconds = seconds * 60 + part.parse::<i64>().ok()?;
    }
    let nanos: u64 = format!("{fraction:0<9}").parse().ok()?;
    Some((days * 86_400 + seconds) as u64 * 1_000_000_000 + nanos)
}

/// `logrus`, with lines for people on a terminal and `key=value` elsewhere.
pub struct Logger {
    sys: Sys,
    file: Option<String>,
}

impl Logger {
    /// Logs to standard error.
    pub fn new(sys: &Sys) -> Logger {
        Logger { sys: sys.clone(), file: None }
    }

    /// Logs to a file, in lines of JSON.
    pub fn to_file(sys: &Sys, file: String) -> Logger {
        Logger { sys: sys.clone(), file: Some(file) }
    }

    /// Logs an error.
    pub async fn error(&self, message: impl AsRef<str>) {
        let message = message.as_ref();
        if let Some(file) = &self.file {
            let now = self.sys.clock_gettime(0).await.unwrap_or(0);
            let time = rfc3339(now);
            let line =
                Json::object([("level", "error".into()), ("msg", message.into()), ("time", time.as_str().into())]);
            if let Ok(fd) = self.sys.open(file, o::WRONLY | o::CREAT | o::APPEND | o::CLOEXEC, 0o644).await {
                // A log that cannot be written has nowhere to be reported.
                let _ = self.sys.write_all(fd, format!("{}\n", line.compact()).as_bytes()).await;
                let _ = self.sys.close(fd).await;
            }
            return;
        }
        let line = if self.sys.isatty(2).await {
            format!("ERRO[0000] {}\n", message.trim_end_matches('\n'))
        } else {
            let now = self.sys.clock_gettime(0).await.unwrap_or(0);
            format!("time=\"{}\" level=error msg={}\n", rfc3339(now), quoted(message))
        };
        self.sys.flush().await;
        self.sys.eprint(line).await;
    }
}

/// A value as logrus writes it: in quotes where it has more than letters, digits and a few signs.
fn quoted(text: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-._/@^+".contains(c);
    if !text.is_empty() && text.chars().all(plain) {
        return text.to_owned();
    }
    let mut out = String::from("\"");
    for c in text.chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\t' => out.push_str("\\t"),
            c => out.push(c),
        }
    }
    out.push('"');
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_written_and_read() {
        let ns = 1_795_817_695_899_710_930;
        assert_eq!(rfc3339_nano(ns), "2026-11-27T22:14:55.89971093Z");
        assert_eq!(parse_rfc3339(&rfc3339_nano(ns)), Some(ns));
        assert_eq!(rfc3339_nano(0), "1970-01-01T00:00:00Z");
    }

    #[test]
    fn options_end_at_the_first_argument() {
        let known: &[(&'static [&'static str], bool)] = &[(&["detach", "d"], false), (&["cwd"], true)];
        let words = |w: &[&str]| w.iter().map(|s| (*s).to_owned()).collect::<Vec<_>>();
        let (given, args) =
            parse_flags(known, &words(&["-d", "--cwd=/", "c1", "-x"])).expect("right").expect("no help");
        assert_eq!(given, [("detach", String::new()), ("cwd", "/".to_owned())]);
        assert_eq!(args, ["c1", "-x"]);
        assert_eq!(parse_flags(known, &words(&["-x"])), Err("flag provided but not defined: -x".into()));
    }

    #[test]
    fn the_last_column_of_a_table_is_not_padded() {
        let rows = [vec!["ID".to_owned(), "PID".to_owned()], vec!["a-long-name-indeed".to_owned(), "1".to_owned()]];
        assert_eq!(table(12, &rows), "ID                   PID\na-long-name-indeed   1\n");
    }
}
