//! wc(1).

use crate::program;
use crate::program::Sys;
use crate::program::getopt::{Long, Spec, Takes};
use crate::program::libc::{o, s};
use crate::program::quote::quotef;

program!(WC = "wc" in "/usr/bin", "print newline, word, and byte counts for each file", wc, "\
-c, --bytes; -m, --chars; -l, --lines; -L, --max-line-length; -w, --words  what to count");

const SPEC: Spec = Spec {
    short: "clLmw",
    long: &[
        Long("bytes", Takes::Nothing, 'c'),
        Long("chars", Takes::Nothing, 'm'),
        Long("lines", Takes::Nothing, 'l'),
        Long("words", Takes::Nothing, 'w'),
        Long("max-line-length", Takes::Nothing, 'L'),
    ],
    unmodelled: "--files0-from --debug",
    ..Spec::COREUTILS
};

#[derive(Clone, Copy, Default)]
struct Counts {
    lines: u64,
    words: u64,
    chars: u64,
    bytes: u64,
    longest: u64,
}

async fn wc(sys: Sys) -> Result<i32, i32> {
    let options = sys.getopt(&SPEC).await?;
    let shown: String = match "lwmcL".chars().filter(|k| options.has(*k)).collect::<String>() {
        none if none.is_empty() => "lwc".into(),
        some => some,
    };
    let files: Vec<Option<&str>> = match options.operands.as_slice() {
        [] => vec![None],
        names => names.iter().map(|n| Some(n.as_str())).collect(),
    };
    let width = number_width(&sys, &files, shown.len()).await;
    let line = |c: &Counts, name: Option<&str>| {
        let number = |k| match k {
            'l' => c.lines,
            'w' => c.words,
            'm' => c.chars,
            'c' => c.bytes,
            _ => c.longest,
        };
        let numbers: Vec<String> = shown.chars().map(|k| format!("{:>width$}", number(k))).collect();
        let name = name.map(|n| format!(" {n}")).unwrap_or_default();
        format!("{}{name}\n", numbers.join(" "))
    };
    let mut total = Counts::default();
    let mut status = 0;
    for file in &files {
        let fd = match file {
            None | Some("-") => Ok(0),
            Some(name) => sys.open(name, o::RDONLY, 0).await,
        };
        let fd = match fd {
            Ok(fd) => fd,
            Err(e) => {
                sys.error(format!("{}: {e}", quotef(file.unwrap_or("-")))).await;
                status = 1;
                continue;
            }
        };
        let mut counter = Counter::default();
        loop {
            match sys.read(fd, 16_384).await {
                Ok(block) if block.is_empty() => break,
                Ok(block) => counter.add(&block),
                Err(e) => {
                    sys.error(format!("{}: {e}", quotef(file.unwrap_or("standard input")))).await;
                    status = 1;
                    break;
                }
            }
        }
        if fd != 0 {
            let _ = sys.close(fd).await;
        }
        let counts = counter.end();
        sys.print(line(&counts, *file)).await;
        total.lines += counts.lines;
        total.words += counts.words;
        total.chars += counts.chars;
        total.bytes += counts.bytes;
        total.longest = total.longest.max(counts.longest);
    }
    if files.len() > 1 {
        sys.print(line(&total, Some("total"))).await;
    }
    Ok(status)
}

/// The columns are as wide as the sizes of regular files need; 7 where something else is read.
async fn number_width(sys: &Sys, files: &[Option<&str>], columns: usize) -> usize {
    if files.len() == 1 && columns == 1 {
        return 1;
    }
    let (mut total, mut least, mut known) = (0, 1, false);
    for file in files {
        let stat = match file {
            None | Some("-") => sys.fstat(0).await,
            Some(name) => sys.stat(name).await,
        };
        if let Ok(stat) = stat {
            known = true;
            if stat.file_type() == s::IFREG { total += stat.st_size } else { least = 7 }
        }
    }
    if known { total.to_string().len().max(least) } else { 1 }
}

#[derive(Default)]
struct Counter {
    counts: Counts,
    in_word: bool,
    column: u64,
}

impl Counter {
    fn add(&mut self, block: &[u8]) {
        let c = &mut self.counts;
        c.bytes += block.len() as u64;
        for &byte in block {
            // The first byte of a character stands for it.
            let starts_character = byte & 0xc0 != 0x80;
            c.chars += u64::from(starts_character);
            match byte {
                b'\n' | b'\r' | 12 => {
                    c.lines += u64::from(byte == b'\n');
                    c.longest = c.longest.max(self.column);
                    self.column = 0;
                }
                b'\t' => self.column += 8 - self.column % 8,
                _ => self.column += u64::from(starts_character && byte >= b' ' && byte != 127),
            }
            let blank = matches!(byte, b' ' | 9..=13);
            // Characters that cannot be printed neither begin nor end a word.
            if blank {
                self.in_word = false;
            } else if byte > b' ' && byte != 127 {
                c.words += u64::from(!self.in_word);
                self.in_word = true;
            }
        }
    }

    fn end(mut self) -> Counts {
        self.counts.longest = self.counts.longest.max(self.column);
        self.counts
    }
}
