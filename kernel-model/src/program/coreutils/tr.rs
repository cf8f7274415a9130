//! tr(1).

use crate::program;
use crate::program::Sys;
use crate::program::getopt::{Long, Spec, Takes};
use crate::program::quote::quote;

program!(TR = "tr" in "/usr/bin", "translate or delete characters", tr, "\
-c, -C, --complement  use the complement of SET1
-d, --delete  delete characters in SET1, do not translate
-s, --squeeze-repeats  replace each sequence of a repeated character of the last SET with one
-t, --truncate-set1  first truncate SET1 to the length of SET2
sets: characters, \\n \\t \\\\ \\NNN, A-Z, [:alnum:] [:alpha:] [:blank:] [:digit:] [:lower:] [:punct:] [:space:] [:upper:]");

const SPEC: Spec = Spec {
    short: "+cCdst",
    long: &[
        Long("complement", Takes::Nothing, 'c'),
        Long("delete", Takes::Nothing, 'd'),
        Long("squeeze-repeats", Takes::Nothing, 's'),
        Long("truncate-set1", Takes::Nothing, 't'),
    ],
    ..Spec::COREUTILS
};

async fn tr(sys: Sys) -> Result<i32, i32> {
    let options = sys.getopt(&SPEC).await?;
    let (delete, squeeze) = (options.has('d'), options.has('s'));
    let Some(first) = options.operands.first() else { return Err(sys.missing_operand().await) };
    if options.operands.len() == 1 && delete == squeeze {
        sys.error(format!("missing operand after {}", quote(first))).await;
        let hint = if delete {
            "Two strings must be given when both deleting and squeezing repeats.\n"
        } else {
            "Two strings must be given when translating.\n"
        };
        sys.eprint(hint).await;
        sys.try_help().await;
        return Err(1);
    }
    let most = if delete && !squeeze { 1 } else { 2 };
    if let Some(extra) = options.operands.get(most) {
        return Err(sys.extra_operand(extra).await);
    }
    let mut set1 = expand(first);
    let set2 = options.operands.get(1).map(|s| expand(s));
    if options.last_of("cC").is_some() {
        set1 = (0..=255).filter(|b| !set1.contains(b)).collect();
    }
    let mut map: Vec<u8> = (0..=255).collect();
    if !delete && let Some(set2) = &set2 {
        let Some(last) = set2.last() else {
            sys.error("when not truncating set1, string2 must be non-empty").await;
            return Err(1);
        };
        for (i, from) in set1.iter().enumerate() {
            match set2.get(i) {
                Some(to) => map[usize::from(*from)] = *to,
                None if options.has('t') => {}
                None => map[usize::from(*from)] = *last,
            }
        }
    }
    let squeezed = set2.as_ref().unwrap_or(&set1);
    let mut before = None;
    loop {
        let block = match sys.read(0, 4096).await {
            Ok(block) if block.is_empty() => return Ok(0),
            Ok(block) => block,
            Err(e) => {
                sys.error(format!("read error: {e}")).await;
                return Err(1);
            }
        };
        let mut out = Vec::with_capacity(block.len());
        for byte in block {
            if delete && set1.contains(&byte) {
                continue;
            }
            let byte = map[usize::from(byte)];
            if squeeze && before == Some(byte) && squeezed.contains(&byte) {
                continue;
            }
            before = Some(byte);
            out.push(byte);
        }
        sys.print(out).await;
    }
}

/// The bytes of a set, in order.
fn expand(set: &str) -> Vec<u8> {
    let mut out: Vec<u8> = Vec::new();
    let mut rest = set.as_bytes();
    while !rest.is_empty() {
        if let Some((class, after)) = class(rest) {
            out.extend((0..=255_u8).filter(|b| class(*b)));
            rest = after;
            continue;
        }
        let from = one(&mut rest);
        if let [b'-', after @ ..] = rest
            && !after.is_empty()
        {
            rest = after;
            let to = one(&mut rest);
            out.extend(from..=to);
        } else {
            out.push(from);
        }
    }
    out
}

type Class = fn(u8) -> bool;

/// `[:name:]` at the beginning, and what follows it.
fn class(text: &[u8]) -> Option<(Class, &[u8])> {
    let inner = text.strip_prefix(b"[:")?;
    let end = inner.windows(2).position(|w| w == b":]")?;
    let class: Class = match &inner[..end] {
        b"alnum" => |b| b.is_ascii_alphanumeric(),
        b"alpha" => |b| b.is_ascii_alphabetic(),
        b"blank" => |b| b == b' ' || b == b'\t',
        b"cntrl" => |b| b.is_ascii_control(),
        b"digit" => |b| b.is_ascii_digit(),
        b"graph" => |b| b.is_ascii_graphic(),
        b"lower" => |b| b.is_ascii_lowercase(),
        b"print" => |b| b.is_ascii_graphic() || b == b' ',
        b"punct" => |b| b.is_ascii_punctuation(),
        b"space" => |b| matches!(b, b' ' | 9..=13),
        b"upper" => |b| b.is_ascii_uppercase(),
        b"xdigit" => |b| b.is_ascii_hexdigit(),
        _ => return None,
    };
    Some((class, &inner[end + 2..]))
}

/// One character, escapes replaced.
fn one(rest: &mut &[u8]) -> u8 {
    let [first, after @ ..] = *rest else { return 0 };
    *rest = after;
    if *first != b'\\' {
        return *first;
    }
    let [letter, after @ ..] = *rest else { return b'\\' };
    if (b'0'..=b'7').contains(letter) {
        return super::echo::number(rest, 8, 3);
    }
    *rest = after;
    match letter {
        b'a' => 7,
        b'b' => 8,
        b'f' => 12,
        b'n' => b'\n',
        b'r' => b'\r',
        b't' => b'\t',
        b'v' => 11,
        other => *other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sets_are_expanded() {
        assert_eq!(expand("a-c\\n"), b"abc\n");
        assert_eq!(expand("[:digit:]x-"), b"0123456789x-");
        assert_eq!(expand("\\101"), b"A");
    }
}
