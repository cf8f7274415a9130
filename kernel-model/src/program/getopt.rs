//! Options of a command line, read as GNU getopt_long(3) reads them.
//!
//! Options and operands may be mixed; short options may be bundled; a long option may be shortened to what
//! is still unambiguous and takes its argument after `=` or as the next word; `--` ends the options. The
//! messages are the C library's own.
//!
//! An option that the real tool has and that is not modelled is listed as such and says so when used: it is
//! never accepted and ignored.

use super::Sys;
use super::registry;

/// Whether a long option takes an argument.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Takes {
    /// `--all`
    Nothing,
    /// `--width=N` or `--width N`
    Value,
    /// `--color` or `--color=WHEN`
    Maybe,
}

/// A long option: its name without dashes, whether it takes an argument, and the character by which the
/// program knows it (that of the short option of the same meaning, where there is one).
#[derive(Clone, Copy, Debug)]
pub struct Long(pub &'static str, pub Takes, pub char);

/// The options of a program.
#[derive(Clone, Copy, Debug)]
pub struct Spec {
    /// As the third argument of getopt(3): `x`, `x:` with an argument, `x::` with an optional one. A `+` in
    /// front ends the options at the first operand.
    pub short: &'static str,
    /// Long options. `--help` and `--version` need not be listed.
    pub long: &'static [Long],
    /// Options that the real program has besides, separated by blanks: `-Z --context`.
    pub unmodelled: &'static str,
    /// What `--version` prints after the name: `(GNU coreutils) 9.1`.
    pub version: &'static str,
    /// The exit status for a wrong command line.
    pub failure: i32,
}

impl Spec {
    /// Options of a program of coreutils that exits with 1 when it is called wrongly.
    pub const COREUTILS: Spec =
        Spec { short: "", long: &[], unmodelled: "", version: "(GNU coreutils) 9.1", failure: 1 };
}

/// One option as it was given.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Opt {
    /// Which option.
    pub key: char,
    /// Its argument.
    pub value: Option<String>,
}

/// A command line taken apart.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Options {
    /// The options in the order in which they were given.
    pub given: Vec<Opt>,
    /// Everything else.
    pub operands: Vec<String>,
}

impl Options {
    /// Whether the option was given.
    pub fn has(&self, key: char) -> bool {
        self.given.iter().any(|o| o.key == key)
    }

    /// The argument of the option; the last one counts.
    pub fn value(&self, key: char) -> Option<&str> {
        self.given.iter().rev().find(|o| o.key == key).and_then(|o| o.value.as_deref())
    }

    /// All arguments of the option.
    pub fn values(&self, key: char) -> impl Iterator<Item = &str> {
        self.given.iter().filter(move |o| o.key == key).filter_map(|o| o.value.as_deref())
    }

    /// Which of these options was given last.
    pub fn last_of(&self, keys: &str) -> Option<char> {
        self.given.iter().rev().map(|o| o.key).find(|k| keys.contains(*k))
    }
}

/// Why a command line was not taken apart.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Stop {
    /// `--help` was asked for.
    Help,
    /// `--version` was asked for.
    Version,
    /// A mistake, in the C library's words, without the name of the program.
    Wrong(String),
    /// An option of the real program that is not modelled, as it was written.
    NotModelled(String),
}

const HELP: Long = Long("help", Takes::Nothing, '\u{1}');
const VERSION: Long = Long("version", Takes::Nothing, '\u{2}');

/// Takes the words after the program's name apart.
///
/// # Errors
/// With what came first in the line: a mistake, or a request for help.
pub fn parse(spec: &Spec, words: &[String], posixly_correct: bool) -> Result<Options, Stop> {
    let (stop_at_operand, short) = match spec.short.strip_prefix('+') {
        Some(rest) => (true, rest),
        None => (posixly_correct, spec.short),
    };
    let mut options = Options::default();
    let mut words = words.iter();
    while let Some(word) = words.next() {
        if word == "--" {
            options.operands.extend(words.cloned());
            break;
        } else if let Some(long) = word.strip_prefix("--") {
            options.given.push(long_option(spec, long, &mut words)?);
        } else if word.starts_with('-') && word != "-" {
            bundle(spec, short, word, &mut words, &mut options.given)?;
        } else if stop_at_operand {
            options.operands.push(word.clone());
            options.operands.extend(words.cloned());
            break;
        } else {
            options.operands.push(word.clone());
        }
    }
    Ok(options)
}

/// A word of short options.
fn bundle<'a>(
    spec: &Spec,
    short: &str,
    word: &str,
    words: &mut impl Iterator<Item = &'a String>,
    given: &mut Vec<Opt>,
) -> Result<(), Stop> {
    let mut rest = word[1..].chars();
    while let Some(key) = rest.next() {
        let Some(at) = short.find(key).filter(|_| key != ':' && key != ';') else {
            let written = format!("-{key}");
            if spec.unmodelled.split_whitespace().any(|u| u == written) {
                return Err(Stop::NotModelled(written));
            }
            // What all programs of these two packages know, unless they have another use for the letter.
            let has_both = spec.version.starts_with("from util-linux") || spec.version.starts_with("from procps-ng");
            return Err(match key {
                'h' if has_both => Stop::Help,
                'V' if has_both => Stop::Version,
                _ => Stop::Wrong(format!("invalid option -- '{key}'")),
            });
        };
        let takes = &short[at + key.len_utf8()..];
        let attached = Some(rest.as_str()).filter(|s| !s.is_empty()).map(str::to_owned);
        if takes.starts_with("::") {
            given.push(Opt { key, value: attached });
            return Ok(());
        } else if takes.starts_with(':') {
            let value = attached.or_else(|| words.next().cloned());
            if value.is_none() {
                return Err(Stop::Wrong(format!("option requires an argument -- '{key}'")));
            }
            given.push(Opt { key, value });
            return Ok(());
        }
        given.push(Opt { key, value: None });
    }
    Ok(())
}

/// A long option, `text` being the word without its dashes.
fn long_option<'a>(spec: &Spec, text: &str, words: &mut impl Iterator<Item = &'a String>) -> Result<Opt, Stop> {
    let (name, value) = match text.split_once('=') {
        Some((n, v)) => (n, Some(v.to_owned())),
        None => (text, None),
    };
    let unmodelled = spec.unmodelled.split_whitespace().filter_map(|u| u.strip_prefix("--"));
    let known = spec.long.iter().chain([&HELP, &VERSION]);
    let candidates: Vec<(&str, Option<&Long>)> = known
        .map(|l| (l.0, Some(l)))
        .chain(unmodelled.map(|u| (u, None)))
        .filter(|(n, _)| n.starts_with(name))
        .collect();
    let (full, long) = match candidates.iter().find(|(n, _)| *n == name) {
        Some(exact) => *exact,
        None => match candidates.as_slice() {
            [] => return Err(Stop::Wrong(format!("unrecognized option '--{text}'"))),
            [first, others @ ..] => {
                let same = |l: Option<&Long>| match (l, first.1) {
                    (Some(a), Some(b)) => a.1 == b.1 && a.2 == b.2,
                    _ => false,
                };
                if !others.iter().all(|(_, l)| same(*l)) {
                    let list: Vec<String> = candidates.iter().map(|(n, _)| format!(" '--{n}'")).collect();
                    return Err(Stop::Wrong(format!(
                        "option '--{text}' is ambiguous; possibilities:{}",
                        list.concat()
                    )));
                }
                *first
            }
        },
    };
    let Some(&Long(_, takes, key)) = long else { return Err(Stop::NotModelled(format!("--{full}"))) };
    let value = match (takes, value) {
        (Takes::Nothing, Some(_)) => {
            return Err(Stop::Wrong(format!("option '--{full}' doesn't allow an argument")));
        }
        (Takes::Value, None) => match words.next() {
            Some(next) => Some(next.clone()),
            None => return Err(Stop::Wrong(format!("option '--{full}' requires an argument"))),
        },
        (_, value) => value,
    };
    match key {
        '\u{1}' => Err(Stop::Help),
        '\u{2}' => Err(Stop::Version),
        key => Ok(Opt { key, value }),
    }
}

impl Sys {
    /// Takes the program's own command line apart. When there is nothing left to do (help was asked for, or
    /// the line was wrong), everything has been said and the error is the exit status.
    ///
    /// # Errors
    /// The exit status.
    pub async fn getopt(&self, spec: &Spec) -> Result<Options, i32> {
        let words = self.argv().get(1..).unwrap_or_default().to_vec();
        self.getopt_words(spec, &words).await
    }

    /// The same for words that the program has already changed.
    ///
    /// # Errors
    /// The exit status.
    pub async fn getopt_words(&self, spec: &Spec, words: &[String]) -> Result<Options, i32> {
        self.getopt_words_with_usage(spec, words, "").await
    }

    /// The same for programs that print a line `Usage: NAME ...` after a mistake.
    ///
    /// # Errors
    /// The exit status.
    pub async fn getopt_words_with_usage(&self, spec: &Spec, words: &[String], usage: &str) -> Result<Options, i32> {
        self.set_exit_failure(spec.failure);
        match parse(spec, words, self.env("POSIXLY_CORRECT").is_some()) {
            Ok(options) => Ok(options),
            Err(Stop::Help) => {
                self.print_help().await;
                Err(0)
            }
            Err(Stop::Version) => {
                self.print(format!("{} {}\n", self.program_name(), spec.version)).await;
                Err(0)
            }
            Err(Stop::Wrong(message)) => {
                self.error(message).await;
                if !usage.is_empty() {
                    self.eprint(format!("Usage: {} {usage}\n", self.invocation_name())).await;
                }
                self.try_help().await;
                Err(spec.failure)
            }
            Err(Stop::NotModelled(option)) => {
                self.not_modelled(&format!("option '{option}'")).await;
                Err(spec.failure)
            }
        }
    }

    /// The name under which the program is registered; for an applet of a multi-call program that of the applet.
    pub fn program_name(&self) -> &str {
        if registry::find(self.name()).is_some() { self.name() } else { self.program() }
    }

    /// `--help`: what is modelled of the program.
    pub async fn print_help(&self) {
        let Some(program) = registry::find(self.program_name()) else { return };
        let text = format!(
            "Usage: {} [OPTION]... [ARGUMENT]...\n{}\n\n{}\n",
            self.invocation_name(),
            program.summary,
            program.usage.trim_end()
        );
        self.print(text).await;
    }

    /// Points to `--help`, as every tool does after a wrong command line.
    pub async fn try_help(&self) {
        self.eprint(format!("Try '{} --help' for more information.\n", self.invocation_name())).await;
    }

    /// Says that something which the real program can do is not modelled.
    pub async fn not_modelled(&self, what: &str) {
        self.error(format!("{what} is not modelled in Ringside; see 'help {}'", self.program_name())).await;
    }

    /// The name by which the program was called, directories included, as coreutils puts it before messages.
    /// The applets of busybox leave the directories off.
    pub fn invocation_name(&self) -> &str {
        if self.is_busybox() {
            return self.name();
        }
        self.argv().first().map_or("", String::as_str)
    }

    /// Whether the program runs as an applet of busybox, whose wording differs.
    pub fn is_busybox(&self) -> bool {
        self.program() == "busybox"
    }

    /// error(3): writes what has been printed so far, then `NAME: message` to standard error.
    pub async fn error(&self, message: impl std::fmt::Display) {
        self.flush().await;
        self.eprint(format!("{}: {message}\n", self.invocation_name())).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LS: Spec = Spec {
        short: "alw:I::",
        long: &[
            Long("all", Takes::Nothing, 'a'),
            Long("almost-all", Takes::Nothing, 'A'),
            Long("width", Takes::Value, 'w'),
            Long("color", Takes::Maybe, 'c'),
        ],
        unmodelled: "-Z --context",
        ..Spec::COREUTILS
    };

    fn run(words: &[&str]) -> Result<Options, Stop> {
        let words: Vec<String> = words.iter().map(|w| (*w).to_owned()).collect();
        parse(&LS, &words, false)
    }

    fn wrong(words: &[&str]) -> String {
        match run(words) {
            Err(Stop::Wrong(m)) => m,
            other => format!("{other:?}"),
        }
    }

    #[test]
    fn options_and_operands_may_be_mixed() {
        let got = run(&["x", "-la", "y", "-w5", "--color", "--", "-a"]).expect("right");
        assert_eq!(got.operands, ["x", "y", "-a"]);
        assert_eq!(got.given.iter().map(|o| o.key).collect::<String>(), "lawc");
        assert_eq!(got.value('w'), Some("5"));
    }

    #[test]
    fn a_long_option_takes_its_argument_after_the_sign_or_as_the_next_word() {
        assert_eq!(run(&["--wid=7"]).expect("right").value('w'), Some("7"));
        assert_eq!(run(&["--width", "8"]).expect("right").value('w'), Some("8"));
        assert_eq!(run(&["-I", "x"]).expect("right").operands, ["x"]);
    }

    #[test]
    fn mistakes_are_told_in_the_words_of_the_c_library() {
        assert_eq!(wrong(&["-Q"]), "invalid option -- 'Q'");
        assert_eq!(wrong(&["--foo=1"]), "unrecognized option '--foo=1'");
        assert_eq!(wrong(&["-w"]), "option requires an argument -- 'w'");
        assert_eq!(wrong(&["--wi"]), "option '--width' requires an argument");
        assert_eq!(wrong(&["--all=x"]), "option '--all' doesn't allow an argument");
        assert_eq!(wrong(&["--al"]), "option '--al' is ambiguous; possibilities: '--all' '--almost-all'");
    }

    #[test]
    fn what_is_not_modelled_is_not_ignored() {
        assert_eq!(run(&["-aZ"]), Err(Stop::NotModelled("-Z".into())));
        assert_eq!(run(&["--cont"]), Err(Stop::NotModelled("--context".into())));
    }
}
