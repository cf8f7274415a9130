//! touch(1).

use super::date::parse_date;
use crate::errno::Errno;
use crate::program;
use crate::program::Sys;
use crate::program::calendar::Tm;
use crate::program::getopt::{Long, Spec, Takes};
use crate::program::libc::{AT_FDCWD, AT_SYMLINK_NOFOLLOW, Timestamp, o};
use crate::program::quote::quote;

program!(TOUCH = "touch" in "/usr/bin", "change file timestamps", touch, "\
-a; -m; --time=WORD  change only the access time, the modification time
-c, --no-create  do not create any files
-d, --date STRING  use STRING instead of current time: @N, YYYY-MM-DD [HH:MM[:SS]], now, N units ago
-t STAMP  use [[CC]YY]MMDDhhmm[.ss] instead of current time
-r, --reference FILE  use this file's times instead of current time
-h, --no-dereference  affect each symbolic link instead of any referenced file");

const SPEC: Spec = Spec {
    short: "acd:fhmr:t:",
    long: &[
        Long("no-create", Takes::Nothing, 'c'),
        Long("date", Takes::Value, 'd'),
        Long("no-dereference", Takes::Nothing, 'h'),
        Long("reference", Takes::Value, 'r'),
        Long("time", Takes::Value, '@'),
    ],
    ..Spec::COREUTILS
};

async fn touch(sys: Sys) -> Result<i32, i32> {
    let options = sys.getopt(&SPEC).await?;
    let sources = "drt".chars().filter(|k| options.has(*k)).count();
    if sources > 1 {
        return Err(sys.usage_error("cannot specify times from more than one source").await);
    }
    let mut times = None;
    if let Some(text) = options.value('d') {
        let now = sys.clock_gettime(0).await.unwrap_or(0);
        let Some(at) = parse_date(text, now) else {
            sys.error(format!("invalid date format {}", quote(text))).await;
            return Err(1);
        };
        times = Some([Timestamp::At(at); 2]);
    } else if let Some(text) = options.value('t') {
        let now = sys.clock_gettime(0).await.unwrap_or(0);
        let Some(seconds) = parse_stamp(text, now) else {
            sys.error(format!("invalid date format {}", quote(text))).await;
            return Err(1);
        };
        times = Some([Timestamp::At(seconds as u64 * 1_000_000_000); 2]);
    } else if let Some(reference) = options.value('r') {
        match sys.stat(reference).await {
            Ok(stat) => times = Some([Timestamp::At(stat.st_atime), Timestamp::At(stat.st_mtime)]),
            Err(e) => {
                sys.path_error("failed to get attributes of", reference, e).await;
                return Err(1);
            }
        }
    }
    let only_access = options.has('a') || matches!(options.value('@'), Some("atime" | "access" | "use"));
    let only_modify = options.has('m') || matches!(options.value('@'), Some("mtime" | "modify"));
    if only_access != only_modify {
        let both = times.unwrap_or([Timestamp::Now; 2]);
        times = Some(if only_access { [both[0], Timestamp::Omit] } else { [Timestamp::Omit, both[1]] });
    }
    if options.operands.is_empty() {
        return Err(sys.usage_error("missing file operand").await);
    }
    let mut status = 0;
    for path in &options.operands {
        if !touch_one(&sys, path, times, options.has('c'), options.has('h')).await {
            status = 1;
        }
    }
    Ok(status)
}

async fn touch_one(sys: &Sys, path: &str, times: Option<[Timestamp; 2]>, no_create: bool, itself: bool) -> bool {
    let mut opened = Err(Errno::ENOENT);
    if !no_create && !itself {
        opened = sys.open(path, o::WRONLY | o::CREAT | o::NONBLOCK | o::NOCTTY, 0o666).await;
    }
    let result = match opened {
        Ok(fd) => {
            let result = sys.utimensat(fd, None, times, 0).await;
            let _ = sys.close(fd).await;
            result
        }
        Err(_) => {
            let flags = if itself { AT_SYMLINK_NOFOLLOW } else { 0 };
            sys.utimensat(AT_FDCWD, Some(path), times, flags).await
        }
    };
    match (result, opened) {
        (Ok(()), _) => true,
        (Err(Errno::ENOENT), _) if no_create => true,
        // When it could not be opened, that is the reason worth telling, unless it is a directory.
        (Err(_), Err(e)) if !no_create && !itself && e != Errno::EISDIR => {
            if sys.is_busybox() {
                sys.error(format!("{path}: {e}")).await;
            } else {
                sys.path_error("cannot touch", path, e).await;
            }
            false
        }
        (Err(e), _) => {
            sys.path_error("setting times of", path, e).await;
            false
        }
    }
}

/// `[[CC]YY]MMDDhhmm[.ss]` in seconds since 1970.
fn parse_stamp(text: &str, now: u64) -> Option<i64> {
    let (digits, second) = match text.split_once('.') {
        Some((digits, second)) if second.len() == 2 => (digits, second.parse().ok()?),
        Some(_) => return None,
        None => (text, 0),
    };
    if !digits.bytes().all(|b| b.is_ascii_digit()) || !matches!(digits.len(), 8 | 10 | 12) {
        return None;
    }
    let (year_text, rest) = digits.split_at(digits.len() - 8);
    let year = match (year_text.len(), year_text.parse::<i64>()) {
        (4, Ok(year)) => year,
        (2, Ok(year)) => year + if year < 69 { 2000 } else { 1900 },
        _ => Tm::from_unix((now / 1_000_000_000) as i64).year,
    };
    let two = |at: usize| rest.get(at..at + 2).and_then(|t| t.parse::<u32>().ok());
    let tm = Tm { year, month: two(0)?, day: two(2)?, hour: two(4)?, minute: two(6)?, second, weekday: 0, yearday: 0 };
    let back = Tm::from_unix(tm.to_unix());
    let same = (back.month, back.day, back.hour, back.minute) == (tm.month, tm.day, tm.hour, tm.minute);
    same.then(|| tm.to_unix())
}
