//! cut(1).

use crate::program;
use crate::program::Sys;
use crate::program::getopt::{Long, Spec, Takes};
use crate::program::lines::Lines;
use crate::program::quote::{quote, quotef};

program!(CUT = "cut" in "/usr/bin", "remove sections from each line of files", cut, "\
-b, --bytes LIST; -c, --characters LIST; -f, --fields LIST  select only these, as in 1,3-5,7-
-d, --delimiter DELIM  use DELIM instead of TAB for field delimiter
-s, --only-delimited  do not print lines not containing delimiters
--complement  complement the set of selected bytes, characters or fields
--output-delimiter STRING
-z, --zero-terminated  line delimiter is NUL, not newline");

const SPEC: Spec = Spec {
    short: "b:c:d:f:nsz",
    long: &[
        Long("bytes", Takes::Value, 'b'),
        Long("characters", Takes::Value, 'c'),
        Long("fields", Takes::Value, 'f'),
        Long("delimiter", Takes::Value, 'd'),
        Long("only-delimited", Takes::Nothing, 's'),
        Long("output-delimiter", Takes::Value, 'o'),
        Long("complement", Takes::Nothing, 'x'),
        Long("zero-terminated", Takes::Nothing, 'z'),
    ],
    ..Spec::COREUTILS
};

/// Ranges of positions from 1, sorted, without overlaps.
type Ranges = Vec<(u64, u64)>;

struct Cut {
    fields: bool,
    ranges: Ranges,
    delimiter: Vec<u8>,
    output_delimiter: Option<Vec<u8>>,
    only_delimited: bool,
    end: u8,
}

async fn cut(sys: Sys) -> Result<i32, i32> {
    let options = sys.getopt(&SPEC).await?;
    let lists: Vec<char> = options.given.iter().map(|o| o.key).filter(|k| "bcf".contains(*k)).collect();
    let kind = match lists.as_slice() {
        [] => return Err(sys.usage_error("you must specify a list of bytes, characters, or fields").await),
        [kind] => *kind,
        _ => return Err(sys.usage_error("only one list may be specified").await),
    };
    let fields = kind == 'f';
    if let Some(delimiter) = options.value('d') {
        if delimiter.len() > 1 {
            return Err(sys.usage_error("the delimiter must be a single character").await);
        }
        if !fields {
            return Err(sys.usage_error("an input delimiter may be specified only when operating on fields").await);
        }
    }
    if options.has('s') && !fields {
        let text = "suppressing non-delimited lines makes sense\n\tonly when operating on fields";
        return Err(sys.usage_error(text).await);
    }
    let ranges = match parse_list(options.value(kind).unwrap_or_default(), fields) {
        Ok(ranges) if options.has('x') => complement(&ranges),
        Ok(ranges) => ranges,
        Err(message) => return Err(sys.usage_error(message).await),
    };
    let cut = Cut {
        fields,
        ranges,
        delimiter: match options.value('d') {
            None => vec![b'\t'],
            Some("") => vec![0],
            Some(d) => d.as_bytes().to_vec(),
        },
        output_delimiter: options.value('o').map(|d| d.as_bytes().to_vec()),
        only_delimited: options.has('s'),
        end: if options.has('z') { 0 } else { b'\n' },
    };
    let files = if options.operands.is_empty() { vec!["-".to_owned()] } else { options.operands.clone() };
    let mut status = 0;
    for file in &files {
        let result = async {
            let mut lines = Lines::open(&sys, file).await?.ended_by(cut.end);
            while let Some(line) = lines.next(&sys).await? {
                if let Some(out) = cut.line(&line) {
                    sys.print(out).await;
                }
            }
            lines.close(&sys).await;
            Ok::<(), crate::errno::Errno>(())
        };
        if let Err(e) = result.await {
            sys.error(format!("{}: {e}", quotef(file))).await;
            status = 1;
        }
    }
    Ok(status)
}

impl Cut {
    /// What is left of a line, if it is shown at all.
    fn line(&self, line: &[u8]) -> Option<Vec<u8>> {
        let content = line.strip_suffix(&[self.end]).unwrap_or(line);
        let mut out = Vec::new();
        if self.fields {
            let delimiter = self.delimiter.first().copied().unwrap_or(b'\t');
            if !content.contains(&delimiter) {
                if self.only_delimited {
                    return None;
                }
                out.extend_from_slice(content);
            } else {
                let gap = self.output_delimiter.as_ref().unwrap_or(&self.delimiter);
                let chosen: Vec<&[u8]> = content
                    .split(|b| *b == delimiter)
                    .zip(1..)
                    .filter(|(_, n)| self.has(*n))
                    .map(|(field, _)| field)
                    .collect();
                out = chosen.join(gap.as_slice());
            }
        } else {
            let mut before = 0;
            for (byte, n) in content.iter().zip(1..).filter(|(_, n)| self.has(*n)) {
                if let (Some(gap), true) = (&self.output_delimiter, before != 0 && self.begins_range(n)) {
                    out.extend_from_slice(gap);
                }
                before = n;
                out.push(*byte);
            }
        }
        out.push(self.end);
        Some(out)
    }

    fn has(&self, n: u64) -> bool {
        self.ranges.iter().any(|(from, to)| (*from..=*to).contains(&n))
    }

    fn begins_range(&self, n: u64) -> bool {
        self.ranges.iter().any(|(from, _)| *from == n)
    }
}

/// `1,3-5,7-,-2` as ranges.
fn parse_list(list: &str, fields: bool) -> Result<Ranges, String> {
    let position = if fields { "field" } else { "byte/character position" };
    let invalid = |text: &str| {
        if text.chars().all(|c| c.is_ascii_digit()) {
            format!("{} number {} is too large", if fields { "field" } else { "byte/character offset" }, quote(text))
        } else if fields {
            format!("invalid field value {}", quote(text))
        } else {
            format!("invalid byte or character position {}", quote(text))
        }
    };
    let mut ranges = Vec::new();
    for part in list.split([',', ' ', '\t']) {
        let number = |text: &str| match text.parse::<u64>() {
            Ok(0) if fields => Err("fields are numbered from 1".to_owned()),
            Ok(0) => Err("byte/character positions are numbered from 1".to_owned()),
            Ok(n) => Ok(n),
            Err(_) => Err(invalid(part)),
        };
        let range = match part.split_once('-') {
            None if part.is_empty() && fields => return Err("fields are numbered from 1".into()),
            None if part.is_empty() => return Err("byte/character positions are numbered from 1".into()),
            None => {
                let n = number(part)?;
                (n, n)
            }
            Some(("", "")) => return Err("invalid range with no endpoint: -".into()),
            Some((from, to)) => {
                if to.contains('-') {
                    return Err(
                        format!("invalid {position} range").replace("byte/character position", "byte or character")
                    );
                }
                let from = if from.is_empty() { 1 } else { number(from)? };
                let to = if to.is_empty() { u64::MAX } else { number(to)? };
                if to < from {
                    return Err("invalid decreasing range".into());
                }
                (from, to)
            }
        };
        ranges.push(range);
    }
    ranges.sort_unstable();
    let mut merged: Ranges = Vec::new();
    for (from, to) in ranges {
        match merged.last_mut() {
            // Ranges that only touch stay apart: an output delimiter goes between them.
            Some(last) if from <= last.1 => last.1 = last.1.max(to),
            _ => merged.push((from, to)),
        }
    }
    Ok(merged)
}

fn complement(ranges: &Ranges) -> Ranges {
    let mut out = Vec::new();
    let mut next = 1;
    for (from, to) in ranges {
        if next < *from {
            out.push((next, from - 1));
        }
        next = to.saturating_add(1);
    }
    if next < u64::MAX {
        out.push((next, u64::MAX));
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_are_ranges() {
        assert_eq!(parse_list("3-5,1,4-7", true), Ok(vec![(1, 1), (3, 7)]));
        assert_eq!(parse_list("2-", true), Ok(vec![(2, u64::MAX)]));
        assert_eq!(parse_list("0", true), Err("fields are numbered from 1".into()));
        assert_eq!(parse_list("5-2", false), Err("invalid decreasing range".into()));
        assert_eq!(complement(&vec![(2, 3)]), [(1, 1), (4, u64::MAX)]);
    }
}
