//! The command line of stress(1), and how it speaks.

use crate::program::Sys;

/// How much a program says (`global_debug`).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(super) enum Say {
    /// `--quiet`, and what stress-ng's workers say.
    Nothing,
    /// What is usual.
    Usual,
    /// `--verbose`.
    All,
}

impl Say {
    pub(super) fn level(self) -> u64 {
        self as u64
    }

    pub(super) fn from_level(level: u64) -> Say {
        match level {
            0 => Say::Nothing,
            1 => Say::Usual,
            _ => Say::All,
        }
    }

    pub(super) async fn debug(self, sys: &Sys, text: impl AsRef<str>) {
        if self == Say::All {
            self.out(sys, "dbug", text.as_ref()).await;
        }
    }

    pub(super) async fn info(self, sys: &Sys, text: impl AsRef<str>) {
        if self >= Say::Usual {
            self.out(sys, "info", text.as_ref()).await;
        }
    }

    async fn out(self, sys: &Sys, kind: &str, text: &str) {
        let pid = sys.getpid().await;
        sys.print(format!("{}: {kind}: [{pid}] {text}\n", sys.name())).await;
        sys.flush().await;
    }

    /// A failure, with the line of the source that found it.
    pub(super) async fn fail(self, sys: &Sys, line: u32, text: impl AsRef<str>) {
        self.err(sys, "FAIL", line, text.as_ref()).await;
    }

    pub(super) async fn warn(self, sys: &Sys, line: u32, text: impl AsRef<str>) {
        self.err(sys, "WARN", line, text.as_ref()).await;
    }

    async fn err(self, sys: &Sys, kind: &str, line: u32, text: &str) {
        if self >= Say::Usual {
            let pid = sys.getpid().await;
            sys.eprint(format!("{}: {kind}: [{pid}] ({line}) {text}\n", sys.name())).await;
        }
    }
}

/// What stress(1) is asked to do.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Options {
    pub say: Say,
    pub dry_run: bool,
    /// Microseconds by which workers begin later, for each that is still to be made.
    pub backoff: i64,
    /// Seconds; 0 for no end.
    pub timeout: i64,
    pub cpu: i64,
    pub io: i64,
    pub vm: i64,
    pub vm_bytes: i64,
    pub vm_stride: i64,
    /// `None`: not at all.
    pub vm_hang: Option<i64>,
    pub vm_keep: bool,
    pub hdd: i64,
    pub hdd_bytes: i64,
}

impl Default for Options {
    fn default() -> Options {
        Options {
            say: Say::Usual,
            dry_run: false,
            backoff: 3000,
            timeout: 0,
            cpu: 0,
            io: 0,
            vm: 0,
            vm_bytes: 256 << 20,
            vm_stride: 4096,
            vm_hang: None,
            vm_keep: false,
            hdd: 0,
            hdd_bytes: 1 << 30,
        }
    }
}

/// What came of reading the command line.
pub(super) enum Parsed {
    Run(Options),
    Help,
    Version,
    /// What was wrong, and the line of the source that says so.
    Wrong(Options, u32, String),
}

/// Reads the command line as `main` of stress.c does: from left to right, and the first mistake is the last.
pub(super) fn parse(words: &[String]) -> Parsed {
    let mut options = Options::default();
    let mut words = words.iter().map(String::as_str);
    while let Some(word) = words.next() {
        let outcome = match word {
            "--help" | "-?" => return Parsed::Help,
            "--version" => return Parsed::Version,
            "--verbose" | "-v" => {
                options.say = Say::All;
                Ok(())
            }
            "--quiet" | "-q" => {
                options.say = Say::Nothing;
                Ok(())
            }
            "--dry-run" | "-n" => {
                options.dry_run = true;
                Ok(())
            }
            "--vm-keep" => {
                options.vm_keep = true;
                Ok(())
            }
            _ => options.take(word, &mut words),
        };
        if let Err((line, message)) = outcome {
            return Parsed::Wrong(options, line, message);
        }
    }
    Parsed::Run(options)
}

type Mistake = (u32, String);

impl Options {
    /// An option with an argument.
    fn take<'a>(&mut self, word: &str, words: &mut impl Iterator<Item = &'a str>) -> Result<(), Mistake> {
        let (name, line) = match word {
            "--backoff" => ("--backoff", 143),
            "--timeout" | "-t" => ("--timeout", 157),
            "--cpu" | "-c" => ("--cpu", 167),
            "--io" | "-i" => ("--io", 177),
            "--vm" | "-m" => ("--vm", 187),
            "--vm-bytes" => ("--vm-bytes", 197),
            "--vm-stride" => ("--vm-stride", 207),
            "--vm-hang" => ("--vm-hang", 217),
            "--hdd" | "-d" => ("--hdd", 231),
            "--hdd-bytes" => ("--hdd-bytes", 241),
            _ => return Err((251, format!("unrecognized option: {word}"))),
        };
        let Some(text) = words.next() else {
            return Err((line, format!("missing argument to option '{name}'")));
        };
        let (place, what): (&mut i64, &str) = match name {
            "--backoff" => {
                self.backoff = scan(text).ok_or((145, format!("invalid number: {text}")))?;
                let wrong = (150, format!("invalid backoff factor: {}", self.backoff));
                return if self.backoff < 0 { Err(wrong) } else { Ok(()) };
            }
            "--timeout" => {
                self.timeout = seconds(text)?;
                let wrong = (161, format!("invalid timeout value: {}s", self.timeout));
                return if self.timeout <= 0 { Err(wrong) } else { Ok(()) };
            }
            "--vm-hang" => {
                let hang = bytes(text)?;
                self.vm_hang = Some(hang);
                return if hang < 0 { Err((221, format!("invalid value: {hang}"))) } else { Ok(()) };
            }
            "--cpu" => (&mut self.cpu, "number of cpu hogs"),
            "--io" => (&mut self.io, "number of io hogs"),
            "--vm" => (&mut self.vm, "number of vm hogs"),
            "--vm-bytes" => (&mut self.vm_bytes, "vm byte value"),
            "--vm-stride" => (&mut self.vm_stride, "stride value"),
            "--hdd" => (&mut self.hdd, "number of hdd hogs"),
            _ => (&mut self.hdd_bytes, "hdd byte value"),
        };
        *place = bytes(text)?;
        if *place <= 0 { Err((line + 4, format!("invalid {what}: {}", *place))) } else { Ok(()) }
    }

    pub(super) fn workers(&self) -> i64 {
        self.cpu + self.io + self.vm + self.hdd
    }
}

/// The number at the begin of a text, as `%lli` reads it.
fn scan(text: &str) -> Option<i64> {
    let text = text.trim_start();
    let (negative, rest) = match text.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, text.strip_prefix('+').unwrap_or(text)),
    };
    let (radix, digits) = match rest.as_bytes() {
        [b'0', b'x' | b'X', third, ..] if third.is_ascii_hexdigit() => (16, &rest[2..]),
        [b'0', _, ..] => (8, rest),
        _ => (10, rest),
    };
    let end = digits.find(|c: char| !c.is_digit(radix)).unwrap_or(digits.len());
    let number = i64::from_str_radix(&digits[..end], radix).ok()?;
    Some(if negative { -number } else { number })
}

/// A number with one of these units behind it (`atoll_b`, `atoll_s`): unrecognized suffixes are told first.
fn with_unit(text: &str, units: &[(char, i64)], line: u32) -> Result<i64, Mistake> {
    let mut factor = 1;
    if let Some(last) = text.chars().last().filter(|c| !c.is_ascii_digit()) {
        let unit = units.iter().find(|(c, _)| c.eq_ignore_ascii_case(&last));
        let Some((_, f)) = unit else { return Err((line, format!("unrecognized suffix: {last}"))) };
        factor = *f;
    }
    let number = scan(text).ok_or((line + 7, format!("invalid number: {text}")))?;
    Ok(number.saturating_mul(factor))
}

/// A size or a number (`atoll_b`).
pub(super) fn bytes(text: &str) -> Result<i64, Mistake> {
    let hexadecimal = text.starts_with("0x");
    let units: &[(char, i64)] = &[('b', 1), ('k', 1 << 10), ('m', 1 << 20), ('g', 1 << 30)];
    with_unit(text, if hexadecimal { &[] } else { units }, 665)
}

/// A span (`atoll_s`), in seconds.
pub(super) fn seconds(text: &str) -> Result<i64, Mistake> {
    with_unit(text, &[('s', 1), ('m', 60), ('h', 3600), ('d', 86_400), ('y', 31_556_952)], 723)
}
