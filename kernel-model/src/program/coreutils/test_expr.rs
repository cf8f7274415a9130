//! test(1) and `[`, shared with the shell's builtins.
//!
//! The words are read as an expression first ([`parse`]), then evaluated against the file system
//! ([`evaluate`]).

use std::pin::Pin;

use crate::errno::Errno;
use crate::program;
use crate::program::Sys;
use crate::program::libc::{Stat, s};
use crate::program::quote::quote;

program!(TEST = "test" in "/usr/bin", "check file types and compare values", test, USAGE);
program!(BRACKET = "[" in "/usr/bin", "check file types and compare values", test, USAGE);

const USAGE: &str = "\
-n STRING, -z STRING  its length is (not) 0
STRING = STRING, !=, <, >  compare texts
N -eq N, -ne, -gt, -ge, -lt, -le  compare numbers; -l STRING stands for its length
FILE -nt FILE, -ot, -ef  newer, older, the same file
-b -c -d -e -f -g -G -h -k -L -N -O -p -r -s -S -u -w -x FILE, -t FD
! EXPRESSION, EXPRESSION -a EXPRESSION, EXPRESSION -o EXPRESSION, ( EXPRESSION )";

/// An expression of test(1).
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Expr {
    /// Always this.
    Constant(bool),
    /// `! E`
    Not(Box<Expr>),
    /// `A -a B`
    And(Box<Expr>, Box<Expr>),
    /// `A -o B`
    Or(Box<Expr>, Box<Expr>),
    /// `-X FILE`: a question to the file system.
    File(char, String),
    /// `A -nt B`, `-ot`, `-ef`
    Files(String, &'static str, String),
    /// `-t FD`
    Terminal(i64),
}

async fn test(sys: Sys) -> i32 {
    let mut words = sys.argv().get(1..).unwrap_or_default();
    sys.set_exit_failure(2);
    if sys.name() == "[" {
        match words {
            [only] if only == "--help" => {
                sys.print_help().await;
                return 0;
            }
            [only] if only == "--version" => {
                sys.print("[ (GNU coreutils) 9.1\n").await;
                return 0;
            }
            [rest @ .., last] if last == "]" => words = rest,
            _ => {
                sys.error(format!("missing {}", quote("]"))).await;
                return 2;
            }
        }
    }
    match parse(words) {
        Ok(expr) => i32::from(!evaluate(&sys, &expr).await),
        Err(mistake) => {
            sys.error(mistake.coreutils_message()).await;
            2
        }
    }
}

/// What can be wrong with the words.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Mistake {
    /// Something should follow this word.
    MissingArgument(String),
    /// This word is one too many.
    ExtraArgument(String),
    /// A number should stand here.
    InvalidInteger(String),
    /// `-X` is no test.
    UnaryExpected(String),
    /// The word between two others is no operator.
    BinaryExpected(String),
    /// `)` is missing; what stands there instead, if anything.
    MissingParenthesis(Option<String>),
}

impl Mistake {
    /// The message of coreutils, without `test: `.
    pub fn coreutils_message(&self) -> String {
        match self {
            Mistake::MissingArgument(word) => format!("missing argument after {}", quote(word)),
            Mistake::ExtraArgument(word) => format!("extra argument {}", quote(word)),
            Mistake::InvalidInteger(word) => format!("invalid integer {}", quote(word)),
            Mistake::UnaryExpected(word) => format!("{}: unary operator expected", quote(word)),
            Mistake::BinaryExpected(word) => format!("{}: binary operator expected", quote(word)),
            Mistake::MissingParenthesis(None) => format!("{} expected", quote(")")),
            Mistake::MissingParenthesis(Some(found)) => format!("{} expected, found {}", quote(")"), quote(found)),
        }
    }

    /// The message of bash, without `test: `.
    pub fn shell_message(&self) -> String {
        match self {
            Mistake::MissingArgument(_) => "argument expected".into(),
            Mistake::ExtraArgument(_) => "too many arguments".into(),
            Mistake::InvalidInteger(word) => format!("{word}: integer expression expected"),
            Mistake::UnaryExpected(word) => format!("{word}: unary operator expected"),
            Mistake::BinaryExpected(word) => format!("{word}: binary operator expected"),
            Mistake::MissingParenthesis(None) => "`)' expected".into(),
            Mistake::MissingParenthesis(Some(found)) => format!("`)' expected, found {found}"),
        }
    }
}

/// Reads the words as POSIX says: by their number up to four, as an expression beyond.
///
/// # Errors
/// What is wrong with them.
pub fn parse(words: &[String]) -> Result<Expr, Mistake> {
    let mut parser = Parser { words, at: 0 };
    let expr = parser.by_count(words.len())?;
    match words.get(parser.at) {
        Some(extra) => Err(Mistake::ExtraArgument(extra.clone())),
        None => Ok(expr),
    }
}

struct Parser<'a> {
    words: &'a [String],
    at: usize,
}

const COMPARISONS: [&str; 6] = ["-eq", "-ne", "-lt", "-le", "-gt", "-ge"];
const FILE_COMPARISONS: [&str; 3] = ["-nt", "-ot", "-ef"];

fn is_binary(word: &str) -> bool {
    matches!(word, "=" | "==" | "!=" | "<" | ">") || COMPARISONS.contains(&word) || FILE_COMPARISONS.contains(&word)
}

/// The letter of `-X`, when it is a test of one word.
fn unary(word: &str) -> Option<char> {
    let mut letters = word.strip_prefix('-')?.chars();
    let letter = letters.next().filter(|c| "bcdefghkLnNOGprsSuwxzt".contains(*c))?;
    letters.next().is_none().then_some(letter)
}

impl Parser<'_> {
    fn peek(&self, ahead: usize) -> &str {
        self.words.get(self.at + ahead).map_or("", String::as_str)
    }

    fn take(&mut self) -> Result<String, Mistake> {
        match self.words.get(self.at) {
            Some(word) => {
                self.at += 1;
                Ok(word.clone())
            }
            None => {
                let last = self.words.last().cloned().unwrap_or_default();
                Err(Mistake::MissingArgument(last))
            }
        }
    }

    fn by_count(&mut self, count: usize) -> Result<Expr, Mistake> {
        match count {
            0 => Ok(Expr::Constant(false)),
            1 => Ok(Expr::Constant(!self.take()?.is_empty())),
            2 if self.peek(0) == "!" => {
                self.at += 1;
                Ok(Expr::Not(Box::new(self.by_count(1)?)))
            }
            2 if unary(self.peek(0)).is_some() => self.unary(),
            2 if self.peek(0).starts_with('-') => Err(Mistake::UnaryExpected(self.peek(0).to_owned())),
            2 => Err(Mistake::MissingArgument(self.peek(1).to_owned())),
            3 if is_binary(self.peek(1)) => self.binary(false),
            3 if self.peek(1) == "-a" || self.peek(1) == "-o" => {
                let left = Expr::Constant(!self.take()?.is_empty());
                let is_and = self.take()? == "-a";
                let right = Expr::Constant(!self.take()?.is_empty());
                Ok(if is_and {
                    Expr::And(Box::new(left), Box::new(right))
                } else {
                    Expr::Or(Box::new(left), Box::new(right))
                })
            }
            3 if self.peek(0) == "!" => {
                self.at += 1;
                Ok(Expr::Not(Box::new(self.by_count(2)?)))
            }
            3 if self.peek(0) == "(" && self.peek(2) == ")" => {
                self.at += 1;
                let inner = self.by_count(1)?;
                self.at += 1;
                Ok(inner)
            }
            3 => Err(Mistake::BinaryExpected(self.peek(1).to_owned())),
            4 if self.peek(0) == "!" => {
                self.at += 1;
                Ok(Expr::Not(Box::new(self.by_count(3)?)))
            }
            4 if self.peek(0) == "(" && self.peek(3) == ")" => {
                self.at += 1;
                let inner = self.by_count(2)?;
                self.at += 1;
                Ok(inner)
            }
            _ => self.or(),
        }
    }

    fn or(&mut self) -> Result<Expr, Mistake> {
        let mut expr = self.and()?;
        while self.peek(0) == "-o" {
            self.at += 1;
            expr = Expr::Or(Box::new(expr), Box::new(self.and()?));
        }
        Ok(expr)
    }

    fn and(&mut self) -> Result<Expr, Mistake> {
        let mut expr = self.term()?;
        while self.peek(0) == "-a" {
            self.at += 1;
            expr = Expr::And(Box::new(expr), Box::new(self.term()?));
        }
        Ok(expr)
    }

    fn term(&mut self) -> Result<Expr, Mistake> {
        if self.peek(0) == "!" && self.at + 1 < self.words.len() {
            self.at += 1;
            return Ok(Expr::Not(Box::new(self.term()?)));
        }
        if self.peek(0) == "(" && self.at + 1 < self.words.len() {
            self.at += 1;
            let inner = self.or()?;
            if self.peek(0) != ")" {
                return Err(Mistake::MissingParenthesis(self.words.get(self.at).cloned()));
            }
            self.at += 1;
            return Ok(inner);
        }
        if self.words.len() - self.at.min(self.words.len()) >= 4 && self.peek(0) == "-l" && is_binary(self.peek(2)) {
            return self.binary(true);
        }
        if self.words.len() - self.at.min(self.words.len()) >= 3 && is_binary(self.peek(1)) {
            return self.binary(false);
        }
        if unary(self.peek(0)).is_some() && self.at + 1 < self.words.len() {
            return self.unary();
        }
        Ok(Expr::Constant(!self.take()?.is_empty()))
    }

    fn unary(&mut self) -> Result<Expr, Mistake> {
        let operator = self.take()?;
        let word = self.take()?;
        Ok(match unary(&operator) {
            Some('n') => Expr::Constant(!word.is_empty()),
            Some('z') => Expr::Constant(word.is_empty()),
            Some('t') => Expr::Terminal(integer(&word)? as i64),
            Some(letter) => Expr::File(letter, word),
            None => return Err(Mistake::UnaryExpected(operator)),
        })
    }

    fn binary(&mut self, left_is_length: bool) -> Result<Expr, Mistake> {
        if left_is_length {
            self.at += 1;
        }
        let left = self.take()?;
        let operator = self.take()?;
        let right_is_length =
            self.peek(0) == "-l" && self.at + 1 < self.words.len() && COMPARISONS.contains(&operator.as_str());
        if right_is_length {
            self.at += 1;
        }
        let right = self.take()?;
        if let Some(name) = FILE_COMPARISONS.iter().find(|o| **o == operator) {
            return Ok(Expr::Files(left, name, right));
        }
        if COMPARISONS.contains(&operator.as_str()) {
            let a = if left_is_length { left.len() as i128 } else { integer(&left)? };
            let b = if right_is_length { right.len() as i128 } else { integer(&right)? };
            return Ok(Expr::Constant(match operator.as_str() {
                "-eq" => a == b,
                "-ne" => a != b,
                "-lt" => a < b,
                "-le" => a <= b,
                "-gt" => a > b,
                _ => a >= b,
            }));
        }
        Ok(Expr::Constant(match operator.as_str() {
            "!=" => left != right,
            "<" => left < right,
            ">" => left > right,
            _ => left == right,
        }))
    }
}

fn integer(word: &str) -> Result<i128, Mistake> {
    let trimmed = word.trim_matches([' ', '\t']);
    let digits = trimmed.strip_prefix('+').filter(|d| !d.starts_with(['-', '+'])).unwrap_or(trimmed);
    digits.parse().map_err(|_| Mistake::InvalidInteger(word.to_owned()))
}

/// Whether the expression is true.
pub fn evaluate<'a>(sys: &'a Sys, expr: &'a Expr) -> Pin<Box<dyn Future<Output = bool> + 'a>> {
    Box::pin(async move {
        match expr {
            Expr::Constant(value) => *value,
            Expr::Not(inner) => !evaluate(sys, inner).await,
            Expr::And(a, b) => evaluate(sys, a).await && evaluate(sys, b).await,
            Expr::Or(a, b) => evaluate(sys, a).await || evaluate(sys, b).await,
            Expr::Terminal(fd) => sys.isatty(*fd as i32).await,
            Expr::File(letter, path) => file_test(sys, *letter, path).await,
            Expr::Files(a, operator, b) => compare_files(sys.stat(a).await, operator, sys.stat(b).await),
        }
    })
}

async fn file_test(sys: &Sys, letter: char, path: &str) -> bool {
    match letter {
        'r' => return sys.euidaccess(path, 4).await.is_ok(),
        'w' => return sys.euidaccess(path, 2).await.is_ok(),
        'x' => return sys.euidaccess(path, 1).await.is_ok(),
        'h' | 'L' => return sys.lstat(path).await.is_ok_and(|s| s.file_type() == s::IFLNK),
        _ => {}
    }
    let Ok(stat) = sys.stat(path).await else { return false };
    match letter {
        'e' => true,
        'f' => stat.file_type() == s::IFREG,
        'd' => stat.is_dir(),
        'b' => stat.file_type() == s::IFBLK,
        'c' => stat.file_type() == s::IFCHR,
        'p' => stat.file_type() == s::IFIFO,
        'S' => stat.file_type() == s::IFSOCK,
        's' => stat.st_size > 0,
        'u' => stat.st_mode & s::ISUID != 0,
        'g' => stat.st_mode & s::ISGID != 0,
        'k' => stat.st_mode & s::ISVTX != 0,
        'O' => stat.st_uid == sys.geteuid().await,
        'G' => stat.st_gid == sys.getegid().await,
        _ => stat.st_mtime > stat.st_atime,
    }
}

fn compare_files(a: Result<Stat, Errno>, operator: &str, b: Result<Stat, Errno>) -> bool {
    match (a, operator, b) {
        (Ok(a), "-ef", Ok(b)) => (a.st_dev, a.st_ino) == (b.st_dev, b.st_ino),
        (Ok(a), "-nt", Ok(b)) => a.st_mtime > b.st_mtime,
        (Ok(a), "-ot", Ok(b)) => a.st_mtime < b.st_mtime,
        (Ok(_), "-nt", Err(_)) | (Err(_), "-ot", Ok(_)) => true,
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(words: &str) -> Result<Expr, Mistake> {
        let words: Vec<String> = words.split(' ').map(|w| if w == "''" { "" } else { w }.to_owned()).collect();
        parse(&words)
    }

    fn constant(words: &str) -> bool {
        fn fold(e: &Expr) -> bool {
            match e {
                Expr::Constant(v) => *v,
                Expr::Not(e) => !fold(e),
                Expr::And(a, b) => fold(a) && fold(b),
                Expr::Or(a, b) => fold(a) || fold(b),
                other => panic!("{other:?} asks the file system"),
            }
        }
        fold(&read(words).expect("an expression"))
    }

    #[test]
    fn up_to_four_words_are_read_by_their_number() {
        assert!(constant("x"));
        assert!(!constant("''"));
        assert!(constant("-n"));
        assert!(constant("! ''"));
        assert!(constant("-z ''"));
        assert!(constant("a = a"));
        assert!(constant("! a = b"));
        assert!(constant("( x )"));
        assert!(constant("-f -o x"));
    }

    #[test]
    fn longer_expressions_have_precedence() {
        assert!(constant("1 -eq 1 -o 1 -eq 2 -a 1 -eq 3"));
        assert!(!constant("( 1 -eq 1 -o 1 -eq 2 ) -a 1 -eq 3"));
        assert!(constant("-l abc -eq 3 -a -n x"));
    }

    #[test]
    fn mistakes_are_told_as_coreutils_does() {
        let message = |words| read(words).expect_err("a mistake").coreutils_message();
        assert_eq!(message("a -eq 1"), "invalid integer 'a'");
        assert_eq!(message("a b c"), "'b': binary operator expected");
        assert_eq!(message("-Q x"), "'-Q': unary operator expected");
        assert_eq!(message("a b"), "missing argument after 'b'");
    }
}
