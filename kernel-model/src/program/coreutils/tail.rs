//! tail(1).

use std::collections::VecDeque;

use crate::errno::Errno;
use crate::program;
use crate::program::getopt::{Long, Options, Spec, Takes};
use crate::program::human::parse_size;
use crate::program::libc::o;
use crate::program::malloc::{Block, Malloc};
use crate::program::quote::{quote, quoteaf};
use crate::program::{Resume, Sys};
use crate::syscall::Value;
use crate::vfs::fd_table::Fd;

program!(TAIL = "tail" in "/usr/bin", "output the last part of files", tail, "\
-n, --lines [+]NUM, -NUM  output the last NUM lines, instead of the last 10; or use -n +NUM to start with line NUM
-c, --bytes [+]NUM  output the last NUM bytes; or use -c +NUM to start with byte NUM
-f, --follow, -F  output appended data as the file grows (one file)
-s, --sleep-interval N  with -f, sleep for N seconds between iterations (default 1)
-q, --quiet; -v, --verbose  never, always output headers giving file names
-z, --zero-terminated  line delimiter is NUL, not newline");

const SPEC: Spec = Spec {
    short: "c:n:fFqvzs:",
    long: &[
        Long("bytes", Takes::Value, 'c'),
        Long("lines", Takes::Value, 'n'),
        Long("follow", Takes::Maybe, 'f'),
        Long("quiet", Takes::Nothing, 'q'),
        Long("silent", Takes::Nothing, 'q'),
        Long("sleep-interval", Takes::Value, 's'),
        Long("verbose", Takes::Nothing, 'v'),
        Long("zero-terminated", Takes::Nothing, 'z'),
    ],
    unmodelled: "--pid --retry --max-unchanged-stats",
    ..Spec::COREUTILS
};

/// What is wanted of each file.
#[derive(Clone, Copy)]
struct Want {
    bytes: bool,
    count: u64,
    from_start: bool,
    delimiter: u8,
}

async fn tail(sys: Sys) -> Result<i32, i32> {
    let mut words = sys.argv().get(1..).unwrap_or_default().to_vec();
    if let Some(first) = words.first_mut() {
        *first = modern(first);
    }
    let options = sys.getopt_words(&SPEC, &words).await?;
    let bytes = options.last_of("cn") == Some('c');
    let text = options.last_of("cn").and_then(|k| options.value(k)).unwrap_or("10");
    let Some(count) = parse_size(text.strip_prefix(['-', '+']).unwrap_or(text)) else {
        let what = if bytes { "bytes" } else { "lines" };
        sys.error(format!("invalid number of {what}: {}", quote(text))).await;
        return Err(1);
    };
    let delimiter = if options.has('z') { 0 } else { b'\n' };
    let want = Want { bytes, count: count.unwrap_or(u64::MAX), from_start: text.starts_with('+'), delimiter };
    let interval = match options.value('s').map(super::sleep::nanoseconds) {
        None => 1_000_000_000,
        Some(Some(n)) => n,
        Some(None) => {
            let word = options.value('s').unwrap_or_default();
            sys.error(format!("invalid number of seconds: {}", quote(word))).await;
            return Err(1);
        }
    };
    let files = if options.operands.is_empty() { vec!["-".to_owned()] } else { options.operands.clone() };
    let follow = options.last_of("fF").is_some();
    if let (Resume::Saved(value), true) = (sys.resume(), follow) {
        return Ok(follow_file(&sys, value.as_int().unwrap_or(0) as Fd, interval).await);
    }
    if follow && files.len() > 1 {
        sys.not_modelled("following several files").await;
        return Err(1);
    }
    let (status, last) = all_files(&sys, &options, &files, want).await;
    match last {
        Some(fd) if follow => Ok(follow_file(&sys, fd, interval).await),
        None if follow => {
            sys.error("no files remaining").await;
            Ok(1)
        }
        _ => Ok(status),
    }
}

/// `-5` and `+5` count as `-n 5` and `-n +5`; `-5f` follows, too.
fn modern(word: &str) -> String {
    let (sign, rest) = match word.strip_prefix('-') {
        Some(rest) => ("", rest),
        None => match word.strip_prefix('+') {
            Some(rest) => ("+", rest),
            None => return word.to_owned(),
        },
    };
    let digits = rest.trim_end_matches('f');
    if digits.is_empty() || !digits.bytes().all(|b| b.is_ascii_digit()) || rest.len() > digits.len() + 1 {
        return word.to_owned();
    }
    if digits.len() < rest.len() { format!("-fn{sign}{digits}") } else { format!("-n{sign}{digits}") }
}

/// Shows the end of each file. Gives back the status and the last descriptor, left open.
async fn all_files(sys: &Sys, options: &Options, files: &[String], want: Want) -> (i32, Option<Fd>) {
    let headers = match options.last_of("qv") {
        Some('q') => false,
        Some(_) => true,
        None => files.len() > 1,
    };
    let (mut status, mut first, mut last) = (0, true, None);
    for file in files {
        let name = if file == "-" { "standard input" } else { file };
        let fd = match if file == "-" { Ok(0) } else { sys.open(file, o::RDONLY, 0).await } {
            Ok(fd) => fd,
            Err(e) => {
                sys.error(format!("cannot open {} for reading: {e}", quoteaf(file))).await;
                status = 1;
                continue;
            }
        };
        if headers {
            sys.print(format!("{}==> {name} <==\n", if first { "" } else { "\n" })).await;
            first = false;
        }
        if let Err(e) = show_end(sys, fd, want).await {
            sys.error(format!("error reading {}: {e}", quoteaf(name))).await;
            status = 1;
        }
        if let Some(before) = last.replace(fd)
            && before != 0
        {
            let _ = sys.close(before).await;
        }
    }
    (status, last)
}

async fn show_end(sys: &Sys, fd: Fd, want: Want) -> Result<(), Errno> {
    let all = read_end(sys, fd, want).await?;
    let start = if want.from_start {
        let skip = want.count.saturating_sub(1);
        if want.bytes { (skip as usize).min(all.len()) } else { after_lines(&all, skip, want.delimiter) }
    } else if want.bytes {
        all.len().saturating_sub(want.count as usize)
    } else {
        let ended = all.last() == Some(&want.delimiter);
        let lines = all.iter().filter(|b| **b == want.delimiter).count() as u64 + u64::from(!ended && !all.is_empty());
        after_lines(&all, lines.saturating_sub(want.count), want.delimiter)
    };
    sys.print(&all[start..]).await;
    Ok(())
}

/// A block of memory with what was read into it.
struct Buffer {
    block: Block,
    text: Vec<u8>,
}

/// Reads everything, and keeps as much of the end as may be wanted (`pipe_bytes`, `pipe_lines`): what comes in small
/// pieces is put together, and a buffer that is not needed any more is the next one to read into. For what is to be
/// shown from the start on, one buffer is enough.
async fn read_end(sys: &Sys, fd: Fd, want: Want) -> Result<Vec<u8>, Errno> {
    const BUFSIZ: usize = 8192;
    let count = |text: &[u8]| match want.bytes {
        true => text.len() as u64,
        false => text.iter().filter(|b| **b == want.delimiter).count() as u64,
    };
    let mut memory = Malloc::default();
    let mut kept: VecDeque<Buffer> = VecDeque::new();
    let (mut total, mut all) = (0, Vec::new());
    let mut next = memory.alloc(sys, BUFSIZ as u64).await?;
    loop {
        sys.touch(next.addr, next.bytes).await;
        let part = sys.read_at(fd, next.addr, BUFSIZ).await?;
        if part.is_empty() {
            all.extend(kept.into_iter().flat_map(|b| b.text));
            return Ok(all);
        }
        if want.from_start {
            all.extend_from_slice(&part);
            continue;
        }
        total += count(&part);
        if let Some(last) = kept.back_mut()
            && last.text.len() + part.len() < BUFSIZ
        {
            last.text.extend_from_slice(&part);
            continue;
        }
        kept.push_back(Buffer { block: next, text: part });
        let unneeded = kept.front().map(|first| count(&first.text)).filter(|n| total - n > want.count);
        next = match unneeded.and_then(|n| Some((n, kept.pop_front()?))) {
            Some((n, first)) => {
                total -= n;
                first.block
            }
            None => memory.alloc(sys, BUFSIZ as u64).await?,
        };
    }
}

/// Where the text goes on after so many lines.
fn after_lines(text: &[u8], lines: u64, delimiter: u8) -> usize {
    if lines == 0 {
        return 0;
    }
    let ends = text.iter().enumerate().filter(|(_, b)| **b == delimiter);
    ends.map(|(i, _)| i + 1).nth(lines as usize - 1).unwrap_or(text.len())
}

/// Prints what is added, for ever.
async fn follow_file(sys: &Sys, fd: Fd, interval: u64) -> i32 {
    loop {
        sys.flush().await;
        sys.save(Resume::Saved(Value::from(fd))).await;
        match sys.read_to_end(fd).await {
            Ok(more) => sys.print(more).await,
            Err(e) => {
                sys.error(format!("error reading: {e}")).await;
                return 1;
            }
        }
        sys.flush().await;
        if sys.stdout_error().is_some() || sys.nanosleep(interval).await.is_err() {
            return 1;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn old_forms_are_understood() {
        assert_eq!(modern("-5"), "-n5");
        assert_eq!(modern("+5"), "-n+5");
        assert_eq!(modern("-5f"), "-fn5");
        assert_eq!(modern("-f"), "-f");
        assert_eq!(modern("-n"), "-n");
    }

    #[test]
    fn lines_are_skipped() {
        assert_eq!(after_lines(b"a\nb\nc\n", 2, b'\n'), 4);
        assert_eq!(after_lines(b"a\n", 5, b'\n'), 2);
    }
}
