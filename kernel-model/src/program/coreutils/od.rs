//! od(1).

use crate::program;
use crate::program::Sys;
use crate::program::getopt::{Long, Spec, Takes};
use crate::program::human::parse_size;
use crate::program::libc::o;
use crate::program::quote::{quote, quotef};

program!(OD = "od" in "/usr/bin", "dump files in octal and other formats", od, "\
-A, --address-radix d|o|x|n  how offsets are printed (n: not at all)
-t, --format TYPE  a, c, or d, o, u, x with a size 1, 2, 4, 8; several are printed below each other
-N, --read-bytes N; -j, --skip-bytes N; -w, --width[=N]; -v, --output-duplicates
-b -c -d -o -x  the same as -t o1, c, u2, o2, x2");

const SPEC: Spec = Spec {
    short: "A:j:N:t:vw::bcdox",
    long: &[
        Long("address-radix", Takes::Value, 'A'),
        Long("skip-bytes", Takes::Value, 'j'),
        Long("read-bytes", Takes::Value, 'N'),
        Long("format", Takes::Value, 't'),
        Long("output-duplicates", Takes::Nothing, 'v'),
        Long("width", Takes::Maybe, 'w'),
    ],
    unmodelled: "-S -a -e -f -F -h -H -i -I -l -L -O -s -B -D -X --endian --strings --traditional",
    ..Spec::COREUTILS
};

/// One way to print: letter and size in bytes.
type Type = (char, usize);

async fn od(sys: Sys) -> Result<i32, i32> {
    let options = sys.getopt(&SPEC).await?;
    let mut types: Vec<Type> = Vec::new();
    for option in &options.given {
        match option.key {
            'b' => types.push(('o', 1)),
            'c' => types.push(('c', 1)),
            'd' => types.push(('u', 2)),
            'o' => types.push(('o', 2)),
            'x' => types.push(('x', 2)),
            't' => {
                let text = option.value.as_deref().unwrap_or_default();
                let Some(parsed) = parse_types(text) else {
                    sys.error(format!("invalid type string {}", quote(text))).await;
                    return Err(1);
                };
                types.extend(parsed);
            }
            _ => {}
        }
    }
    if types.is_empty() {
        types.push(('o', 2));
    }
    let radix = options.value('A').and_then(|a| a.chars().next()).unwrap_or('o');
    if !"doxn".contains(radix) {
        sys.error(format!("invalid output address radix '{radix}'; it must be one character from [doxn]")).await;
        return Err(1);
    }
    let number = |key: char| options.value(key).map(|v| parse_size(v).flatten());
    let (limit, skip) = (number('N'), number('j'));
    if limit == Some(None) || skip == Some(None) {
        let key = if limit == Some(None) { 'N' } else { 'j' };
        sys.error(format!("invalid -{key} argument {}", quote(options.value(key).unwrap_or_default()))).await;
        return Err(1);
    }
    let (limit, skip) = (limit.flatten(), skip.flatten().unwrap_or(0));
    let widest = types.iter().map(|t| t.1).max().unwrap_or(1);
    let width = if options.has('w') { options.value('w').and_then(|w| w.parse().ok()).unwrap_or(32) } else { 16 };
    let width = if width == 0 || width % widest != 0 { widest } else { width };
    let files = if options.operands.is_empty() { vec!["-".to_owned()] } else { options.operands.clone() };
    let wanted = limit.map_or(usize::MAX, |n| n.saturating_add(skip) as usize);
    let (mut data, mut status) = (Vec::new(), 0);
    for file in &files {
        let fd = match if file == "-" { Ok(0) } else { sys.open(file, o::RDONLY, 0).await } {
            Ok(fd) => fd,
            Err(e) => {
                sys.error(format!("{}: {e}", quotef(file))).await;
                status = 1;
                continue;
            }
        };
        while data.len() < wanted {
            match sys.read(fd, (wanted - data.len()).min(4096)).await {
                Ok(block) if block.is_empty() => break,
                Ok(block) => data.extend(block),
                Err(e) => {
                    sys.error(format!("{}: {e}", quotef(file))).await;
                    status = 1;
                    break;
                }
            }
        }
    }
    let skip = skip as usize;
    if skip > data.len() {
        sys.error("cannot skip past end of combined input").await;
        return Err(1);
    }
    let mut before: Option<&[u8]> = None;
    let mut starred = false;
    for (i, chunk) in data[skip..].chunks(width).enumerate() {
        let at = skip + i * width;
        if before == Some(chunk) && !options.has('v') && chunk.len() == width {
            if !starred {
                sys.print("*\n").await;
            }
            starred = true;
            continue;
        }
        (before, starred) = (Some(chunk), false);
        let mut address = address(at, radix);
        for kind in &types {
            sys.print(format!("{address}{}\n", line(chunk, *kind, &types))).await;
            address = " ".repeat(address.len());
        }
    }
    if radix != 'n' {
        sys.print(format!("{}\n", address(data.len(), radix))).await;
    }
    Ok(status)
}

fn address(at: usize, radix: char) -> String {
    match radix {
        'd' => format!("{at:07}"),
        'x' => format!("{at:06x}"),
        'o' => format!("{at:07o}"),
        _ => String::new(),
    }
}

fn parse_types(text: &str) -> Option<Vec<Type>> {
    let mut types = Vec::new();
    let mut rest = text.chars().peekable();
    while let Some(letter) = rest.next() {
        match letter {
            'a' | 'c' => types.push((letter, 1)),
            'd' | 'o' | 'u' | 'x' => {
                let size = match rest.next_if(|c| "1248CSIL".contains(*c)) {
                    Some('1' | 'C') => 1,
                    Some('2' | 'S') => 2,
                    Some('8' | 'L') => 8,
                    _ => 4,
                };
                types.push((letter, size));
            }
            _ => return None,
        }
    }
    (!types.is_empty()).then_some(types)
}

/// How many columns a number of this kind needs.
fn digits((letter, size): Type) -> usize {
    match (letter, size) {
        ('a' | 'c', _) => 3,
        ('o', 1) => 3,
        ('o', 2) => 6,
        ('o', 4) => 11,
        ('o', _) => 22,
        ('x', _) => 2 * size,
        ('u', 1) => 3,
        ('u', 2) => 5,
        ('u', 4) => 10,
        (_, 1) => 4,
        (_, 2) => 6,
        (_, 4) => 11,
        _ => 20,
    }
}

fn line(chunk: &[u8], kind: Type, all: &[Type]) -> String {
    // Columns of all types stand below each other: each byte takes as much as the widest type gives it.
    let per_unit = |k: Type| digits(k) + 1;
    let widest = all.iter().map(|k| (per_unit(*k) * 8).div_ceil(k.1)).max().unwrap_or(0);
    let width = (widest * kind.1 / 8).max(per_unit(kind));
    let mut out = String::new();
    for unit in chunk.chunks(kind.1) {
        let mut bytes = [0; 8];
        bytes[..unit.len()].copy_from_slice(unit);
        let n = u64::from_le_bytes(bytes);
        let signed = match kind.1 {
            1 => i64::from(n as i8),
            2 => i64::from(n as i16),
            4 => i64::from(n as i32),
            _ => n as i64,
        };
        let digits = digits(kind);
        let text = match kind.0 {
            'x' => format!("{n:0digits$x}"),
            'o' => format!("{n:0digits$o}"),
            'u' => n.to_string(),
            'd' => signed.to_string(),
            'a' => named(n as u8 & 0x7f),
            _ => character(n as u8),
        };
        out += &format!("{text:>width$}");
    }
    out
}

fn character(byte: u8) -> String {
    match byte {
        0 => "\\0".into(),
        7 => "\\a".into(),
        8 => "\\b".into(),
        9 => "\\t".into(),
        10 => "\\n".into(),
        11 => "\\v".into(),
        12 => "\\f".into(),
        13 => "\\r".into(),
        b' '..=b'~' => char::from(byte).to_string(),
        other => format!("{other:03o}"),
    }
}

fn named(byte: u8) -> String {
    const NAMES: [&str; 33] = [
        "nul", "soh", "stx", "etx", "eot", "enq", "ack", "bel", "bs", "ht", "nl", "vt", "ff", "cr", "so", "si", "dle",
        "dc1", "dc2", "dc3", "dc4", "nak", "syn", "etb", "can", "em", "sub", "esc", "fs", "gs", "rs", "us", "sp",
    ];
    match NAMES.get(usize::from(byte)) {
        Some(name) => (*name).into(),
        None if byte == 127 => "del".into(),
        None => char::from(byte).to_string(),
    }
}
