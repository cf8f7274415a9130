//! grep(1), with its old names egrep(1) and fgrep(1).

use super::glob::fnmatch;
use super::regex::{Regex, Syntax, Whole};
use crate::errno::Errno;
use crate::program;
use crate::program::Sys;
use crate::program::getopt::{Long, Options, Spec, Takes};
use crate::program::libc::s;
use crate::program::lines::Lines;

program!(GREP = "grep" in "/usr/bin", "print lines that match patterns", grep, USAGE);
program!(EGREP = "egrep" in "/usr/bin", "print lines that match extended regular expressions", grep, USAGE);
program!(FGREP = "fgrep" in "/usr/bin", "print lines that contain strings", grep, USAGE);

const USAGE: &str = "\
-E, --extended-regexp; -F, --fixed-strings; -G, --basic-regexp  how PATTERNS are written
-e, --regexp PATTERNS; -f, --file FILE  what to look for
-i, --ignore-case; -w, --word-regexp; -x, --line-regexp; -v, --invert-match
-c, --count; -l, --files-with-matches; -L, --files-without-match; -o, --only-matching; -q, --quiet
-m, --max-count NUM; -n, --line-number; -b, --byte-offset; -H, --with-filename; -h, --no-filename
-A, -B, -C NUM, -NUM  lines of context after, before, around
-r, -R, --recursive; --include GLOB; --exclude GLOB; --exclude-dir GLOB
-s, --no-messages; -a, --text; -z, --null-data; -Z, --null
--color[=WHEN]  accepted for never and auto: there is no terminal";

const SPEC: Spec = Spec {
    short: "A:B:C:EFGHILaZbce:f:hilm:noqRrsuvwxyz",
    long: &[
        Long("after-context", Takes::Value, 'A'),
        Long("before-context", Takes::Value, 'B'),
        Long("context", Takes::Value, 'C'),
        Long("extended-regexp", Takes::Nothing, 'E'),
        Long("fixed-strings", Takes::Nothing, 'F'),
        Long("basic-regexp", Takes::Nothing, 'G'),
        Long("with-filename", Takes::Nothing, 'H'),
        Long("files-without-match", Takes::Nothing, 'L'),
        Long("text", Takes::Nothing, 'a'),
        Long("byte-offset", Takes::Nothing, 'b'),
        Long("count", Takes::Nothing, 'c'),
        Long("regexp", Takes::Value, 'e'),
        Long("file", Takes::Value, 'f'),
        Long("no-filename", Takes::Nothing, 'h'),
        Long("ignore-case", Takes::Nothing, 'i'),
        Long("no-ignore-case", Takes::Nothing, 'j'),
        Long("files-with-matches", Takes::Nothing, 'l'),
        Long("max-count", Takes::Value, 'm'),
        Long("line-number", Takes::Nothing, 'n'),
        Long("only-matching", Takes::Nothing, 'o'),
        Long("quiet", Takes::Nothing, 'q'),
        Long("silent", Takes::Nothing, 'q'),
        Long("recursive", Takes::Nothing, 'r'),
        Long("dereference-recursive", Takes::Nothing, 'R'),
        Long("no-messages", Takes::Nothing, 's'),
        Long("invert-match", Takes::Nothing, 'v'),
        Long("word-regexp", Takes::Nothing, 'w'),
        Long("line-regexp", Takes::Nothing, 'x'),
        Long("null-data", Takes::Nothing, 'z'),
        Long("null", Takes::Nothing, 'Z'),
        Long("line-buffered", Takes::Nothing, '!'),
        Long("color", Takes::Maybe, '#'),
        Long("colour", Takes::Maybe, '#'),
        Long("include", Takes::Value, '+'),
        Long("exclude", Takes::Value, '-'),
        Long("exclude-dir", Takes::Value, '/'),
    ],
    unmodelled: "-P -T -U -d -D --perl-regexp --initial-tab --binary --directories --devices --label --exclude-from \
                 --binary-files --group-separator --no-group-separator",
    version: "(GNU grep) 3.8",
    failure: 2,
};

struct Grep<'a> {
    sys: &'a Sys,
    options: Options,
    patterns: Vec<Regex>,
    invert: bool,
    names: bool,
    before: u64,
    after: u64,
    most: u64,
    end: u8,
    found: bool,
    failed: bool,
}

async fn grep(sys: Sys) -> Result<i32, i32> {
    let words = context_digits(sys.argv().get(1..).unwrap_or_default());
    let options = sys.getopt_words_with_usage(&SPEC, &words, "[OPTION]... PATTERNS [FILE]...").await?;
    let mut operands = options.operands.clone();
    let mut texts = Vec::new();
    for option in &options.given {
        let value = option.value.clone().unwrap_or_default();
        match option.key {
            'e' => texts.push(value),
            'f' => match sys.slurp(&value).await {
                Ok(bytes) => {
                    let text = String::from_utf8_lossy(&bytes).into_owned();
                    match text.strip_suffix('\n').unwrap_or(&text) {
                        "" if text.is_empty() => texts.push("\0none".into()),
                        lines => texts.push(lines.to_owned()),
                    }
                }
                Err(e) => {
                    sys.error(format!("{value}: {e}")).await;
                    return Err(2);
                }
            },
            _ => {}
        }
    }
    if texts.is_empty() {
        if operands.is_empty() {
            let usage = format!("Usage: {} [OPTION]... PATTERNS [FILE]...\n", sys.invocation_name());
            sys.eprint(usage).await;
            sys.try_help().await;
            return Err(2);
        }
        texts.push(operands.remove(0));
    }
    let patterns = compile(&sys, &options, &texts).await?;
    let number = |key: char| options.value(key).map(str::parse::<u64>);
    let context = number('C').unwrap_or(Ok(0));
    let (before, after) = (number('B').unwrap_or(context.clone()), number('A').unwrap_or(context));
    let (Ok(before), Ok(after)) = (before, after) else {
        let wrong = ['A', 'B', 'C'].iter().filter_map(|k| options.value(*k)).find(|v| v.parse::<u64>().is_err());
        sys.error(format!("{}: invalid context length argument", wrong.unwrap_or_default())).await;
        return Err(2);
    };
    let most = match number('m') {
        None => u64::MAX,
        Some(Ok(most)) => most,
        Some(Err(_)) => {
            sys.error("invalid max count").await;
            return Err(2);
        }
    };
    let recursive = options.last_of("rR").is_some();
    let names = match options.last_of("Hh") {
        Some(key) => key == 'H',
        None => recursive || operands.len() > 1,
    };
    if operands.is_empty() {
        operands.push(if recursive { "." } else { "-" }.to_owned());
    }
    let mut grep = Grep {
        sys: &sys,
        invert: options.has('v'),
        names,
        before,
        after,
        most,
        end: if options.has('z') { 0 } else { b'\n' },
        patterns,
        options,
        found: false,
        failed: false,
    };
    // Without names: the current directory itself is not shown.
    let bare = recursive && operands == ["."] && grep.options.operands.len() <= 1;
    for operand in operands {
        grep.operand(operand, recursive, bare).await;
        if grep.found && grep.options.has('q') {
            return Ok(0);
        }
    }
    Ok(if grep.failed && !(grep.found && grep.options.has('q')) { 2 } else { i32::from(!grep.found) })
}

/// `-5` is `-C 5`.
fn context_digits(words: &[String]) -> Vec<String> {
    let is_count = |w: &str| w.len() > 1 && w[1..].bytes().all(|b| b.is_ascii_digit());
    let mut ended = false;
    let modern = |w: &String| {
        ended |= w == "--";
        if !ended && w.starts_with('-') && is_count(w) { format!("-C{}", &w[1..]) } else { w.clone() }
    };
    words.iter().map(modern).collect()
}

async fn compile(sys: &Sys, options: &Options, texts: &[String]) -> Result<Vec<Regex>, i32> {
    let kind = match options.last_of("EFG") {
        Some(kind) => kind,
        None if sys.program_name() == "egrep" => 'E',
        None if sys.program_name() == "fgrep" => 'F',
        None => 'G',
    };
    let ignore_case = options.last_of("iyj").is_some_and(|k| k != 'j');
    let whole = if options.has('x') {
        Whole::Line
    } else if options.has('w') {
        Whole::Word
    } else {
        Whole::Anything
    };
    let mut all = Vec::new();
    for text in texts.iter().filter(|t| *t != "\0none").flat_map(|t| t.split('\n')) {
        let syntax = if kind == 'E' { Syntax::Extended } else { Syntax::Basic };
        let compiled = if kind == 'F' {
            Ok(Regex::literal(text, ignore_case, whole))
        } else {
            Regex::new(text, syntax, ignore_case, whole)
        };
        match compiled {
            Ok(regex) => all.push(regex),
            Err(message) => {
                sys.error(message).await;
                return Err(2);
            }
        }
    }
    Ok(all)
}

impl Grep<'_> {
    async fn fail(&mut self, name: &str, e: Errno) {
        self.failed = true;
        if !self.options.has('s') {
            self.sys.error(format!("{name}: {e}")).await;
        }
    }

    async fn operand(&mut self, operand: String, recursive: bool, bare: bool) {
        if !recursive || operand == "-" {
            self.file(&operand).await;
            return;
        }
        let mut todo = vec![(operand, true)];
        while let Some((path, is_operand)) = todo.pop() {
            let follow = is_operand || self.options.has('R');
            let stat = if follow { self.sys.stat(&path).await } else { self.sys.lstat(&path).await };
            let stat = match stat {
                Ok(stat) => stat,
                Err(e) => {
                    self.fail(&path, e).await;
                    continue;
                }
            };
            let base = path.rsplit('/').next().unwrap_or(&path).to_owned();
            if stat.is_dir() {
                if !is_operand && self.options.values('/').any(|g| fnmatch(g, &base)) {
                    continue;
                }
                match self.sys.read_dir(&path).await {
                    Ok(entries) => {
                        let join = |name: &str| match path.as_str() {
                            "." if bare => name.to_owned(),
                            dir if dir.ends_with('/') => format!("{dir}{name}"),
                            dir => format!("{dir}/{name}"),
                        };
                        let below: Vec<_> = entries.iter().rev().map(|e| (join(&e.d_name), false)).collect();
                        todo.extend(below);
                    }
                    Err(e) => self.fail(&path, e).await,
                }
                continue;
            }
            let is_regular = stat.file_type() == s::IFREG;
            let included =
                self.options.values('+').next().is_none() || self.options.values('+').any(|g| fnmatch(g, &base));
            let excluded = self.options.values('-').any(|g| fnmatch(g, &base));
            if (is_regular || is_operand) && included && !excluded {
                self.file(&path).await;
            }
        }
    }

    fn matches(&self, line: &[u8]) -> bool {
        self.patterns.iter().any(|p| p.is_match(line)) != self.invert
    }

    async fn file(&mut self, name: &str) {
        let shown = if name == "-" { "(standard input)" } else { name };
        let result = self.search(name, shown).await;
        if let Err(e) = result {
            self.fail(if name == "-" { "(standard input)" } else { name }, e).await;
        }
    }

    async fn search(&mut self, name: &str, shown: &str) -> Result<(), Errno> {
        let mut lines = Lines::open(self.sys, name).await?.ended_by(self.end);
        let quiet = "clLq".chars().any(|k| self.options.has(k));
        let (mut count, mut number, mut offset) = (0, 0_u64, 0_u64);
        let mut is_binary = false;
        // Lines before a match, and how many after the last one are still to be shown.
        let mut waiting: Vec<(u64, u64, Vec<u8>)> = Vec::new();
        let (mut still_after, mut last_shown) = (0, 0);
        while count < self.most {
            let Some(line) = lines.next(self.sys).await? else { break };
            number += 1;
            let content = line.strip_suffix(&[self.end]).unwrap_or(&line);
            is_binary |= !self.options.has('a') && !self.options.has('z') && content.contains(&0);
            if self.matches(content) {
                count += 1;
                if quiet && !self.options.has('c') {
                    break;
                }
                if is_binary && !quiet {
                    break;
                }
                if !quiet {
                    self.context(shown, &mut waiting, &mut last_shown, number).await;
                    self.show(shown, number, offset, content, ':').await;
                    last_shown = number;
                    still_after = self.after;
                }
            } else if !quiet && still_after > 0 {
                self.show(shown, number, offset, content, '-').await;
                last_shown = number;
                still_after -= 1;
            } else if !quiet && self.before > 0 {
                if waiting.len() as u64 == self.before {
                    waiting.remove(0);
                }
                waiting.push((number, offset, content.to_vec()));
            }
            offset += line.len() as u64;
        }
        // Context after the last match that counts.
        while still_after > 0 && count >= self.most {
            let Some(line) = lines.next(self.sys).await? else { break };
            number += 1;
            let content = line.strip_suffix(&[self.end]).unwrap_or(&line).to_vec();
            if self.matches(&content) {
                break;
            }
            self.show(shown, number, offset, &content, '-').await;
            offset += line.len() as u64;
            still_after -= 1;
        }
        lines.close(self.sys).await;
        self.summary(shown, count, is_binary && !quiet).await;
        Ok(())
    }

    /// What is said about a file as a whole.
    async fn summary(&mut self, shown: &str, count: u64, is_binary: bool) {
        let end = if self.options.has('Z') { '\0' } else { '\n' };
        let lists_without = self.options.last_of("lL") == Some('L');
        self.found |= if lists_without { count == 0 } else { count > 0 };
        if self.options.has('q') {
            return;
        }
        if let Some(key) = self.options.last_of("lL") {
            if (key == 'l') == (count > 0) {
                self.sys.print(format!("{shown}{end}")).await;
            }
        } else if self.options.has('c') {
            let prefix = if self.names { format!("{shown}:") } else { String::new() };
            self.sys.print(format!("{prefix}{count}\n")).await;
        } else if is_binary && count > 0 {
            self.sys.print(format!("{}: {shown}: binary file matches\n", self.sys.invocation_name())).await;
        }
    }

    /// Shows the lines before a match, after a separator when there is a gap.
    async fn context(&self, shown: &str, waiting: &mut Vec<(u64, u64, Vec<u8>)>, last_shown: &mut u64, number: u64) {
        let first = waiting.first().map_or(number, |w| w.0);
        if (self.before > 0 || self.after > 0) && *last_shown > 0 && first > *last_shown + 1 {
            self.sys.print("--\n").await;
        }
        for (number, offset, line) in waiting.drain(..) {
            self.show(shown, number, offset, &line, '-').await;
        }
    }

    async fn show(&self, name: &str, number: u64, offset: u64, line: &[u8], mark: char) {
        let prefix = |offset: u64| {
            let mut prefix = String::new();
            if self.names {
                let mark = if self.options.has('Z') { '\0' } else { mark };
                prefix += &format!("{name}{mark}");
            }
            if self.options.has('n') {
                prefix += &format!("{number}{mark}");
            }
            if self.options.has('b') {
                prefix += &format!("{offset}{mark}");
            }
            prefix
        };
        if !self.options.has('o') {
            self.sys.print([prefix(offset).as_bytes(), line, &[self.end]].concat()).await;
            return;
        }
        if self.invert || mark == '-' {
            return;
        }
        let mut at = 0;
        while at <= line.len() {
            let found = self.patterns.iter().filter_map(|p| p.find_at(line, at)).map(|c| c.whole());
            let Some((from, to)) = found.min_by_key(|(from, to)| (*from, usize::MAX - to)) else { break };
            if to > from {
                let part = line.get(from..to).unwrap_or_default();
                self.sys.print([prefix(offset + from as u64).as_bytes(), part, &[self.end]].concat()).await;
            }
            at = to.max(from + 1);
        }
    }
}
