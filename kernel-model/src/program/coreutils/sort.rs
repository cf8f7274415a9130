//! sort(1).

use std::cmp::Ordering;

use super::filevercmp::filevercmp;
use crate::program;
use crate::program::Sys;
use crate::program::cformat::strtod;
use crate::program::getopt::{Long, Spec, Takes};
use crate::program::libc::o;
use crate::program::lines::text;
use crate::program::quote::{quote, quotef};

program!(SORT = "sort" in "/usr/bin", "sort lines of text files", sort, "\
-n, -g, -h, -V, -M  compare as numbers, general numbers, sizes such as 2K, versions, months
-b, -d, -f, -i  ignore leading blanks, all but blanks and letters and digits, case, what cannot be printed
-r, --reverse; -s, --stable; -u, --unique; -c, -C, --check  reversed; stable; one of equals; check only
-k, --key F[.C][OPTS][,F[.C][OPTS]]  sort via a key; -t, --field-separator SEP
-o, --output FILE; -z, --zero-terminated; -m, --merge");

const SPEC: Spec = Spec {
    short: "bcCdfghik:mMno:rst:uVz",
    long: &[
        Long("ignore-leading-blanks", Takes::Nothing, 'b'),
        Long("dictionary-order", Takes::Nothing, 'd'),
        Long("ignore-case", Takes::Nothing, 'f'),
        Long("general-numeric-sort", Takes::Nothing, 'g'),
        Long("human-numeric-sort", Takes::Nothing, 'h'),
        Long("ignore-nonprinting", Takes::Nothing, 'i'),
        Long("key", Takes::Value, 'k'),
        Long("merge", Takes::Nothing, 'm'),
        Long("month-sort", Takes::Nothing, 'M'),
        Long("numeric-sort", Takes::Nothing, 'n'),
        Long("output", Takes::Value, 'o'),
        Long("reverse", Takes::Nothing, 'r'),
        Long("stable", Takes::Nothing, 's'),
        Long("field-separator", Takes::Value, 't'),
        Long("unique", Takes::Nothing, 'u'),
        Long("version-sort", Takes::Nothing, 'V'),
        Long("zero-terminated", Takes::Nothing, 'z'),
    ],
    unmodelled: "-R -S -T --random-sort --batch-size --buffer-size --compress-program --debug --files0-from --parallel \
                 --random-source --sort --temporary-directory --check",
    failure: 2,
    ..Spec::COREUTILS
};

/// A sort key: where it begins and ends, and how it is compared.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
struct Key {
    /// Field and character from 1; character 0 of the end means the whole field.
    from: (usize, usize),
    to: Option<(usize, usize)>,
    skip_blanks_from: bool,
    skip_blanks_to: bool,
    /// `bdfgiMhnrV`
    ways: String,
}

struct Order {
    keys: Vec<Key>,
    separator: Option<char>,
    global: String,
    stable: bool,
    unique: bool,
}

async fn sort(sys: Sys) -> Result<i32, i32> {
    let options = sys.getopt(&SPEC).await?;
    let global: String = options.given.iter().map(|o| o.key).filter(|k| "bdfghinMrV".contains(*k)).collect();
    let mut keys = Vec::new();
    for spec in options.values('k') {
        match parse_key(spec, &global) {
            Ok(key) => keys.push(key),
            Err(message) => {
                sys.error(message).await;
                return Err(2);
            }
        }
    }
    let separator = match options.value('t') {
        None => None,
        Some("\\0") => Some('\0'),
        Some("") => {
            sys.error("empty tab").await;
            return Err(2);
        }
        Some(t) if t.chars().count() > 1 => {
            sys.error(format!("multi-character tab {}", quote(t))).await;
            return Err(2);
        }
        Some(t) => t.chars().next(),
    };
    let order = Order { keys, separator, global, stable: options.has('s'), unique: options.has('u') };
    let files = if options.operands.is_empty() { vec!["-".to_owned()] } else { options.operands.clone() };
    let end = if options.has('z') { '\0' } else { '\n' };
    let mut lines: Vec<String> = Vec::new();
    for file in &files {
        match sys.slurp(file).await {
            Ok(bytes) => {
                let all = text(&bytes).into_owned();
                lines.extend(
                    all.strip_suffix(end).unwrap_or(&all).split(end).filter(|_| !all.is_empty()).map(str::to_owned),
                );
            }
            Err(crate::errno::Errno::EISDIR) => {
                sys.error(format!("read failed: {}: Is a directory", quotef(file))).await;
                return Err(2);
            }
            Err(e) => {
                sys.error(format!("cannot read: {}: {e}", quotef(file))).await;
                return Err(2);
            }
        }
    }
    if let Some(how) = options.last_of("cC") {
        let wrong = lines.windows(2).position(|pair| {
            let [a, b] = pair else { return false };
            let c = order.compare(a, b);
            c == Ordering::Greater || (order.unique && c == Ordering::Equal)
        });
        if let Some(at) = wrong {
            if how == 'c' {
                let name = files.first().map_or("-", String::as_str);
                sys.error(format!("{}:{}: disorder: {}", quotef(name).trim_matches('\''), at + 2, lines[at + 1])).await;
            }
            return Ok(1);
        }
        return Ok(0);
    }
    lines.sort_by(|a, b| order.compare(a, b));
    if order.unique {
        lines.dedup_by(|b, a| order.by_keys(a, b) == Ordering::Equal);
    }
    let mut out = String::new();
    for line in &lines {
        out += line;
        out.push(end);
    }
    let Some(file) = options.value('o') else {
        sys.print(out).await;
        return Ok(0);
    };
    match sys.open(file, o::WRONLY | o::CREAT | o::TRUNC, 0o666).await {
        Ok(fd) => {
            if let Err(e) = sys.write_all(fd, out.as_bytes()).await {
                sys.error(format!("write failed: {}: {e}", quotef(file))).await;
                return Err(2);
            }
            Ok(0)
        }
        Err(e) => {
            sys.error(format!("open failed: {}: {e}", quotef(file))).await;
            Err(2)
        }
    }
}

fn parse_key(spec: &str, global: &str) -> Result<Key, String> {
    let (from, to) = match spec.split_once(',') {
        Some((from, to)) => (from, Some(to)),
        None => (spec, None),
    };
    let place = |part: &str| -> Result<(usize, Option<usize>, String), String> {
        let at = part.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(part.len());
        let (numbers, ways) = part.split_at(at);
        let (field, character) = match numbers.split_once('.') {
            Some((field, character)) => (field, Some(character)),
            None => (numbers, None),
        };
        let invalid = |n: &str| format!("invalid number at field start: invalid count at start of {}", quote(n));
        let field: usize = field.parse().map_err(|_| invalid(part))?;
        let character = character.map(|c| c.parse().map_err(|_| invalid(c))).transpose()?;
        if field == 0 {
            return Err(format!("-: invalid field specification {}", quote(spec))
                .replace("-: invalid", "field number is zero: invalid"));
        }
        if let Some(c) = ways.chars().find(|c| !"bdfgiMhnrV".contains(*c)) {
            let _ = c;
            return Err(format!("stray character in field spec: invalid field specification {}", quote(spec)));
        }
        Ok((field, character, ways.to_owned()))
    };
    let (field, character, from_ways) = place(from)?;
    let mut key = Key {
        from: (field, character.unwrap_or(1).max(1)),
        skip_blanks_from: from_ways.contains('b'),
        ways: from_ways,
        ..Key::default()
    };
    if let Some(to) = to {
        let (field, character, ways) = place(to)?;
        key.to = Some((field, character.unwrap_or(0)));
        key.skip_blanks_to = ways.contains('b');
        key.ways += &ways;
    }
    if key.ways.is_empty() {
        key.ways = global.to_owned();
        key.skip_blanks_from = global.contains('b');
        key.skip_blanks_to = key.skip_blanks_from;
    }
    Ok(key)
}

impl Order {
    fn by_keys(&self, a: &str, b: &str) -> Ordering {
        if self.keys.is_empty() {
            let order = compare_ways(a, b, &self.global);
            return if self.global.contains('r') { order.reverse() } else { order };
        }
        for key in &self.keys {
            let order = compare_ways(self.part(a, key), self.part(b, key), &key.ways);
            if order != Ordering::Equal {
                return if key.ways.contains('r') { order.reverse() } else { order };
            }
        }
        Ordering::Equal
    }

    fn compare(&self, a: &str, b: &str) -> Ordering {
        let order = self.by_keys(a, b);
        if order != Ordering::Equal || self.stable || self.unique {
            return order;
        }
        let last = a.cmp(b);
        if self.global.contains('r') { last.reverse() } else { last }
    }

    /// The part of a line that a key names.
    fn part<'l>(&self, line: &'l str, key: &Key) -> &'l str {
        let fields = self.fields(line);
        let position = |field: usize, character: usize, skip: bool| -> usize {
            let Some((start, _)) = fields.get(field - 1) else { return line.len() };
            let mut at = *start;
            if skip {
                at += line[at..].find(|c| c != ' ' && c != '\t').unwrap_or(line.len() - at);
            }
            line[at..].char_indices().nth(character - 1).map_or(line.len(), |(i, _)| at + i)
        };
        let from = position(key.from.0, key.from.1, key.skip_blanks_from);
        let to = match key.to {
            None => line.len(),
            Some((field, 0)) => fields.get(field - 1).map_or(line.len(), |(_, end)| *end),
            Some((field, character)) => position(field, character + 1, key.skip_blanks_to),
        };
        line.get(from..to.max(from)).unwrap_or_default()
    }

    /// Where the fields begin and end; without a separator the blanks before a field belong to it.
    fn fields(&self, line: &str) -> Vec<(usize, usize)> {
        let mut fields = Vec::new();
        let mut start = 0;
        if let Some(separator) = self.separator {
            for part in line.split(separator) {
                fields.push((start, start + part.len()));
                start += part.len() + separator.len_utf8();
            }
            return fields;
        }
        let is_blank = |c: char| c == ' ' || c == '\t';
        while start < line.len() {
            let rest = &line[start..];
            let word = rest.find(|c| !is_blank(c)).unwrap_or(rest.len());
            let end = rest[word..].find(is_blank).map_or(rest.len(), |e| word + e);
            fields.push((start, start + end));
            start += end;
        }
        fields
    }
}

fn compare_ways(a: &str, b: &str, ways: &str) -> Ordering {
    let has = |way| ways.contains(way);
    if has('n') {
        return decimal(a, b);
    }
    if has('h') {
        let unit = |s: &str| {
            let s = s.trim_start();
            let end = s.trim_start_matches('-').find(|c: char| !c.is_ascii_digit() && c != '.');
            let letter = end.and_then(|e| s.trim_start_matches('-')[e..].chars().next());
            let rank = letter.and_then(|c| "KMGTPEZY".find(c.to_ascii_uppercase())).map_or(0, |r| r as i32 + 1);
            if s.starts_with('-') { -rank } else { rank }
        };
        return unit(a).cmp(&unit(b)).then_with(|| decimal(a, b));
    }
    if has('g') {
        let number = |s| Some(strtod(s)).filter(|(_, length)| *length > 0).map(|(x, _)| x);
        return number(a).partial_cmp(&number(b)).unwrap_or(Ordering::Equal);
    }
    if has('V') {
        return filevercmp(a, b);
    }
    if has('M') {
        let month = |s: &str| s.trim_start().get(..3).and_then(crate::program::calendar::month_by_name).unwrap_or(0);
        return month(a).cmp(&month(b));
    }
    let prepared = |s: &str| -> String {
        let s = if has('b') { s.trim_start_matches([' ', '\t']) } else { s };
        s.chars()
            .filter(|c| !has('d') || c.is_alphanumeric() || *c == ' ' || *c == '\t')
            .filter(|c| !has('i') || !c.is_control())
            .map(|c| if has('f') { c.to_ascii_uppercase() } else { c })
            .collect()
    };
    if ways.contains(['b', 'd', 'i', 'f']) { prepared(a).cmp(&prepared(b)) } else { a.cmp(b) }
}

/// Compares decimal numbers of any length; what is no number counts as 0.
fn decimal(a: &str, b: &str) -> Ordering {
    let split = |s: &str| {
        let s = s.trim_start_matches([' ', '\t']);
        let (negative, s) = match s.strip_prefix('-') {
            Some(rest) => (true, rest),
            None => (false, s),
        };
        let whole_end = s.find(|c: char| !c.is_ascii_digit()).unwrap_or(s.len());
        let whole = s[..whole_end].trim_start_matches('0').to_owned();
        let fraction = s[whole_end..].strip_prefix('.').unwrap_or_default();
        let fraction_end = fraction.find(|c: char| !c.is_ascii_digit()).unwrap_or(fraction.len());
        let fraction = fraction[..fraction_end].trim_end_matches('0').to_owned();
        let zero = whole.is_empty() && fraction.is_empty();
        (negative && !zero, whole, fraction)
    };
    let ((neg_a, whole_a, frac_a), (neg_b, whole_b, frac_b)) = (split(a), split(b));
    let size = whole_a.len().cmp(&whole_b.len()).then(whole_a.cmp(&whole_b)).then(frac_a.cmp(&frac_b));
    match (neg_a, neg_b) {
        (false, false) => size,
        (true, true) => size.reverse(),
        (true, false) => Ordering::Less,
        (false, true) => Ordering::Greater,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_of_any_length_compare() {
        assert_eq!(decimal("9", "10"), Ordering::Less);
        assert_eq!(decimal("-1", "-2"), Ordering::Greater);
        assert_eq!(decimal("1.5", "1.50"), Ordering::Equal);
        assert_eq!(decimal("x", "0"), Ordering::Equal);
    }

    #[test]
    fn keys_name_parts_of_lines() {
        let order = |separator| Order { keys: vec![], separator, global: String::new(), stable: false, unique: false };
        let key = |spec| parse_key(spec, "").expect("a key");
        assert_eq!(order(Some(':')).part("a:bcd:e", &key("2,2")), "bcd");
        assert_eq!(order(Some(':')).part("a:bcd:e", &key("2.2,2.3")), "cd");
        assert_eq!(order(None).part("a  b c", &key("2,2")), "  b");
        assert_eq!(order(None).part("a  b c", &key("2b,2")), "b");
    }
}
