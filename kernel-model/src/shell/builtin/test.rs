//! `test`, `[` and `[[ ]]`.

use std::cmp::Ordering;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

use super::super::ast::TestExpr;
use super::super::{Run, Shell, pattern};
use crate::program::libc::s;
use crate::program::text::regex::{Regex, Syntax, Whole};

/// The answer of a test, or its message.
type Answer = Result<bool, String>;

impl Shell {
    pub(super) async fn builtin_test(&mut self, name: &str, args: &[String]) -> Run<i32> {
        let mut parser = Parser { shell: self, args, at: 0 };
        match parser.whole().await {
            Ok(true) => Ok(0),
            Ok(false) => Ok(1),
            Err(message) => self.fail(name, &message, 2).await,
        }
    }

    /// One test with one operand.
    async fn unary_test(&mut self, op: &str, arg: &str) -> Answer {
        let sys = self.sys.clone();
        Ok(match op {
            "-n" => !arg.is_empty(),
            "-z" => arg.is_empty(),
            "-e" | "-a" => sys.stat(arg).await.is_ok(),
            "-f" => self.is_type(arg, s::IFREG).await,
            "-d" => self.is_type(arg, s::IFDIR).await,
            "-b" => self.is_type(arg, s::IFBLK).await,
            "-c" => self.is_type(arg, s::IFCHR).await,
            "-p" => self.is_type(arg, s::IFIFO).await,
            "-S" => self.is_type(arg, s::IFSOCK).await,
            "-L" | "-h" => sys.lstat(arg).await.is_ok_and(|s| s.file_type() == s::IFLNK),
            "-s" => sys.stat(arg).await.is_ok_and(|s| s.st_size > 0),
            "-u" => sys.stat(arg).await.is_ok_and(|s| s.st_mode & s::ISUID != 0),
            "-g" => sys.stat(arg).await.is_ok_and(|s| s.st_mode & s::ISGID != 0),
            "-k" => sys.stat(arg).await.is_ok_and(|s| s.st_mode & s::ISVTX != 0),
            "-r" => sys.access(arg, 4).await.is_ok(),
            "-w" => sys.access(arg, 2).await.is_ok(),
            "-x" => sys.access(arg, 1).await.is_ok(),
            "-O" => {
                let uid = sys.geteuid().await;
                sys.stat(arg).await.is_ok_and(|s| s.st_uid == uid)
            }
            "-G" => {
                let gid = sys.getegid().await;
                sys.stat(arg).await.is_ok_and(|s| s.st_gid == gid)
            }
            "-N" => sys.stat(arg).await.is_ok_and(|s| s.st_mtime > s.st_atime),
            "-t" => match arg.parse::<i32>() {
                // Terminals are character devices with major number 136 (pts) or 4 and 5.
                Ok(fd) => sys
                    .fstat(fd)
                    .await
                    .is_ok_and(|s| s.file_type() == s::IFCHR && matches!((s.st_rdev >> 8) & 0xfff, 4 | 5 | 136..=143)),
                Err(_) => return Err(format!("{arg}: integer expression expected")),
            },
            "-o" => self.st.options.by_name(arg).is_some_and(|o| *o),
            "-v" => self.parameter(arg).is_some(),
            "-R" => false,
            _ => return Err(format!("{op}: unary operator expected")),
        })
    }

    async fn is_type(&mut self, path: &str, kind: u32) -> bool {
        self.sys.stat(path).await.is_ok_and(|s| s.file_type() == kind)
    }

    /// One test with two operands. In `[[ ]]` the right one of `=` is a pattern.
    async fn binary_test(&mut self, left: &str, op: &str, right: &str, patterns: bool) -> Answer {
        Ok(match op {
            "=" | "==" if patterns => pattern::matches(right, left),
            "!=" if patterns => !pattern::matches(right, left),
            "=" | "==" => left == right,
            "!=" => left != right,
            "<" => left < right,
            ">" => left > right,
            "-eq" | "-ne" | "-lt" | "-le" | "-gt" | "-ge" => {
                let order = if patterns {
                    let value = |text: &str, shell: &mut Shell| {
                        super::super::arith::evaluate(text, &mut shell.st).map_err(|e| e.0)
                    };
                    value(left, self)?.cmp(&value(right, self)?)
                } else {
                    integer(left)?.cmp(&integer(right)?)
                };
                match op {
                    "-eq" => order == Ordering::Equal,
                    "-ne" => order != Ordering::Equal,
                    "-lt" => order == Ordering::Less,
                    "-le" => order != Ordering::Greater,
                    "-gt" => order == Ordering::Greater,
                    _ => order != Ordering::Less,
                }
            }
            "-nt" | "-ot" | "-ef" => {
                let (l, r) = (self.sys.stat(left).await, self.sys.stat(right).await);
                match (op, l, r) {
                    ("-nt", Ok(l), Ok(r)) => l.st_mtime > r.st_mtime,
                    ("-nt", Ok(_), Err(_)) => true,
                    ("-ot", Ok(l), Ok(r)) => l.st_mtime < r.st_mtime,
                    ("-ot", Err(_), Ok(_)) => true,
                    ("-ef", Ok(l), Ok(r)) => l.st_dev == r.st_dev && l.st_ino == r.st_ino,
                    _ => false,
                }
            }
            _ => return Err(format!("{op}: binary operator expected")),
        })
    }

    /// The value of `[[ ]]`.
    pub(in super::super) fn conditional<'a>(
        &'a mut self,
        expr: &'a TestExpr,
    ) -> Pin<Box<dyn Future<Output = Run<bool>> + 'a>> {
        Box::pin(async move {
            match expr {
                TestExpr::And(l, r) => Ok(self.conditional(l).await? && self.conditional(r).await?),
                TestExpr::Or(l, r) => Ok(self.conditional(l).await? || self.conditional(r).await?),
                TestExpr::Not(e) => Ok(!self.conditional(e).await?),
                TestExpr::Unary(op, word) => {
                    let text = self.expand_text(word).await?;
                    let answer = self.unary_test(op, &text).await;
                    self.conditional_answer(answer).await
                }
                TestExpr::Binary(op, l, r) if &**op == "=~" => {
                    let text = self.expand_text(l).await?;
                    let regex = self.expand_regex(r).await?;
                    Ok(self.match_regex(&text, &regex))
                }
                TestExpr::Binary(op, l, r) => {
                    let left = self.expand_text(l).await?;
                    let is_pattern = matches!(&**op, "=" | "==" | "!=");
                    let right = if is_pattern { self.expand_pattern(r).await? } else { self.expand_text(r).await? };
                    let answer = self.binary_test(&left, op, &right, true).await;
                    self.conditional_answer(answer).await
                }
            }
        })
    }

    /// Matches an extended regular expression, and puts what its groups matched into `BASH_REMATCH`. One that cannot be
    /// understood matches nothing.
    fn match_regex(&mut self, text: &str, regex: &str) -> bool {
        let compiled = Regex::new(regex, Syntax::Extended, false, Whole::Anything);
        let found = compiled.as_ref().ok().and_then(|regex| Some((regex.groups(), regex.find_at(text.as_bytes(), 0)?)));
        let Some((groups, captures)) = found else {
            let _ = self.st.set_array("BASH_REMATCH", imbl::OrdMap::new());
            return false;
        };
        let group = |i: usize| captures.get(i).and_then(|(from, to)| text.get(from..to)).unwrap_or_default();
        let elements = (0..=groups).map(|i| (i as i64, Arc::from(group(i)))).collect();
        // Where somebody has made it read-only it stays as it is.
        let _ = self.st.set_array("BASH_REMATCH", elements);
        true
    }

    async fn conditional_answer(&mut self, answer: Answer) -> Run<bool> {
        match answer {
            Ok(value) => Ok(value),
            Err(message) => {
                self.complain(&format!("[[: {message}")).await;
                Ok(false)
            }
        }
    }
}

fn integer(text: &str) -> Result<i64, String> {
    text.trim().parse().map_err(|_| format!("{text}: integer expression expected"))
}

fn is_binary(op: &str) -> bool {
    const OPERATORS: [&str; 14] =
        ["=", "==", "!=", "<", ">", "-eq", "-ne", "-lt", "-le", "-gt", "-ge", "-nt", "-ot", "-ef"];
    OPERATORS.contains(&op)
}

fn is_unary(op: &str) -> bool {
    op.len() == 2 && op.starts_with('-') && op[1..].chars().all(|c| "abcdefghknoprstuvwxzGLNORS".contains(c))
}

struct Parser<'a> {
    shell: &'a mut Shell,
    args: &'a [String],
    at: usize,
}

type Parsing<'p> = Pin<Box<dyn Future<Output = Answer> + 'p>>;

impl<'a> Parser<'a> {
    fn arg(&self, i: usize) -> &'a str {
        self.args.get(i).map_or("", String::as_str)
    }

    /// The whole expression: up to four arguments mean what POSIX says, more are parsed.
    async fn whole(&mut self) -> Answer {
        let args = self.args;
        match args.len() {
            0 => Ok(false),
            1 => Ok(!self.arg(0).is_empty()),
            2 => self.two(0).await,
            3 => self.three(0).await,
            4 if self.arg(0) == "!" => Ok(!self.three(1).await?),
            4 if self.arg(0) == "(" && self.arg(3) == ")" => self.two(1).await,
            _ => {
                let value = self.or().await?;
                if self.at < args.len() { Err("too many arguments".to_owned()) } else { Ok(value) }
            }
        }
    }

    async fn two(&mut self, from: usize) -> Answer {
        let (op, arg) = (self.arg(from), self.arg(from + 1));
        if op == "!" {
            return Ok(arg.is_empty());
        }
        if !is_unary(op) {
            return Err(format!("{op}: unary operator expected"));
        }
        self.shell.unary_test(op, arg).await
    }

    async fn three(&mut self, from: usize) -> Answer {
        let (a, b, c) = (self.arg(from), self.arg(from + 1), self.arg(from + 2));
        match b {
            "-a" => Ok(!a.is_empty() && !c.is_empty()),
            "-o" => Ok(!a.is_empty() || !c.is_empty()),
            op if is_binary(op) => self.shell.binary_test(a, op, c, false).await,
            _ if a == "!" => Ok(!self.two(from + 1).await?),
            _ if a == "(" && c == ")" => Ok(!b.is_empty()),
            _ => Err(format!("{b}: binary operator expected")),
        }
    }

    fn or(&mut self) -> Parsing<'_> {
        Box::pin(async move {
            let mut value = self.and().await?;
            while self.arg(self.at) == "-o" && self.at < self.args.len() {
                self.at += 1;
                value |= self.and().await?;
            }
            Ok(value)
        })
    }

    async fn and(&mut self) -> Answer {
        let mut value = self.term().await?;
        while self.arg(self.at) == "-a" && self.at < self.args.len() {
            self.at += 1;
            value &= self.term().await?;
        }
        Ok(value)
    }

    async fn term(&mut self) -> Answer {
        let mut negated = false;
        while self.arg(self.at) == "!" && self.at + 1 < self.args.len() {
            negated = !negated;
            self.at += 1;
        }
        if self.at >= self.args.len() {
            return Err("argument expected".to_owned());
        }
        let (a, b) = (self.arg(self.at), self.arg(self.at + 1));
        let value = if a == "(" {
            self.at += 1;
            let value = self.or().await?;
            if self.arg(self.at) != ")" {
                return Err("`)' expected".to_owned());
            }
            self.at += 1;
            value
        } else if is_binary(b) && self.at + 2 < self.args.len() {
            self.at += 3;
            self.shell.binary_test(a, b, self.arg(self.at - 1), false).await?
        } else if is_unary(a) && self.at + 1 < self.args.len() {
            self.at += 2;
            self.shell.unary_test(a, b).await?
        } else {
            self.at += 1;
            !a.is_empty()
        };
        Ok(value != negated)
    }
}
