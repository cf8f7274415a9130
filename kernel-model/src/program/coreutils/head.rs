//! head(1).

use crate::errno::Errno;
use crate::program;
use crate::program::Sys;
use crate::program::getopt::{Long, Spec, Takes};
use crate::program::human::parse_size;
use crate::program::libc::o;
use crate::program::quote::{quote, quoteaf, quotef};
use crate::vfs::fd_table::Fd;

program!(HEAD = "head" in "/usr/bin", "output the first part of files", head, "\
-n, --lines [-]NUM, -NUM  print the first NUM lines instead of the first 10; with - all but the last NUM
-c, --bytes [-]NUM  print the first NUM bytes; with - all but the last NUM
-q, --quiet; -v, --verbose  never, always print headers giving file names
-z, --zero-terminated  line delimiter is NUL, not newline");

const SPEC: Spec = Spec {
    short: "c:n:qvz",
    long: &[
        Long("bytes", Takes::Value, 'c'),
        Long("lines", Takes::Value, 'n'),
        Long("quiet", Takes::Nothing, 'q'),
        Long("silent", Takes::Nothing, 'q'),
        Long("verbose", Takes::Nothing, 'v'),
        Long("zero-terminated", Takes::Nothing, 'z'),
    ],
    ..Spec::COREUTILS
};

/// How many bytes head reads at once.
const BLOCK: usize = 1024;

/// What is wanted of each file.
#[derive(Clone, Copy)]
struct Want {
    bytes: bool,
    count: u64,
    /// All but the last `count`.
    but_last: bool,
    delimiter: u8,
}

async fn head(sys: Sys) -> Result<i32, i32> {
    let mut words = sys.argv().get(1..).unwrap_or_default().to_vec();
    // The old form `-5` counts as `-n 5`.
    if let Some(digits) = words.first().and_then(|w| w.strip_prefix('-'))
        && digits.starts_with(|c: char| c.is_ascii_digit())
        && digits.bytes().all(|b| b.is_ascii_digit())
    {
        words[0] = format!("-n{digits}");
    }
    let options = sys.getopt_words(&SPEC, &words).await?;
    let bytes = options.last_of("cn") == Some('c');
    let text = options.last_of("cn").and_then(|k| options.value(k)).unwrap_or("10");
    let but_last = text.starts_with('-');
    let Some(count) = parse_size(text.strip_prefix(['-', '+']).unwrap_or(text)) else {
        let what = if bytes { "bytes" } else { "lines" };
        sys.error(format!("invalid number of {what}: {}", quote(text))).await;
        return Err(1);
    };
    let delimiter = if options.has('z') { 0 } else { b'\n' };
    let want = Want { bytes, count: count.unwrap_or(u64::MAX), but_last, delimiter };
    let files = if options.operands.is_empty() { vec!["-".to_owned()] } else { options.operands.clone() };
    let headers = match options.last_of("qv") {
        Some('q') => false,
        Some(_) => true,
        None => files.len() > 1,
    };
    let mut status = 0;
    let mut first = true;
    for file in &files {
        let fd = match if file == "-" { Ok(0) } else { sys.open(file, o::RDONLY, 0).await } {
            Ok(fd) => fd,
            Err(e) => {
                if sys.is_busybox() {
                    sys.error(format!("{file}: {e}")).await;
                } else {
                    sys.error(format!("cannot open {} for reading: {e}", quoteaf(file))).await;
                }
                status = 1;
                continue;
            }
        };
        let name = if file == "-" { "standard input" } else { file };
        if headers {
            sys.print(format!("{}==> {name} <==\n", if first { "" } else { "\n" })).await;
            first = false;
        }
        if let Err(e) = copy(&sys, fd, want).await {
            sys.error(format!("error reading {}: {e}", quoteaf(name))).await;
            status = 1;
        }
        if fd != 0 {
            let _ = sys.close(fd).await;
        }
        // A closed pipe or a full disk will not get better.
        if let Some(e) = sys.stdout_error() {
            sys.error(format!("error writing {}: {e}", quotef("standard output"))).await;
            sys.exit(1).await;
        }
    }
    Ok(status)
}

async fn copy(sys: &Sys, fd: Fd, want: Want) -> Result<(), Errno> {
    if want.but_last {
        let all = sys.read_to_end(fd).await?;
        let end = if want.bytes { all.len().saturating_sub(want.count as usize) } else { end_without_last(&all, want) };
        sys.print(&all[..end]).await;
        return Ok(());
    }
    let mut left = want.count;
    while left > 0 {
        let size = if want.bytes { (left as usize).min(BLOCK) } else { BLOCK };
        let block = sys.read(fd, size).await?;
        if block.is_empty() {
            break;
        }
        if want.bytes {
            sys.print(&block).await;
            left -= block.len() as u64;
        } else {
            let mut end = block.len();
            for (at, _) in block.iter().enumerate().filter(|(_, b)| **b == want.delimiter) {
                left -= 1;
                if left == 0 {
                    end = at + 1;
                    break;
                }
            }
            sys.print(&block[..end]).await;
            if end < block.len() {
                // What was read too much is given back, where that is possible, for whoever reads next.
                let _ = sys.lseek(fd, end as i64 - block.len() as i64, 1).await;
            }
        }
        if sys.stdout_error().is_some() {
            break;
        }
    }
    Ok(())
}

/// Where the text ends without its last lines.
fn end_without_last(text: &[u8], want: Want) -> usize {
    let mut ends: Vec<usize> =
        text.iter().enumerate().filter(|(_, b)| **b == want.delimiter).map(|(i, _)| i + 1).collect();
    if ends.last().is_none_or(|e| *e < text.len()) && !text.is_empty() {
        ends.push(text.len());
    }
    let kept = (ends.len() as u64).saturating_sub(want.count) as usize;
    kept.checked_sub(1).and_then(|i| ends.get(i)).copied().unwrap_or(0)
}
