//! Where a text that is no program goes wrong: the first token that cannot stand where it stands, which is
//! what bash names in its message, or the end.

use brush_parser::Token;

/// What is wrong.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Diagnosis {
    /// The token with this index; the number of tokens for the end of the last line.
    Near(usize),
    /// More has to come.
    Incomplete,
    /// It looks right.
    NothingFound,
}

/// A compound command that is open.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Open {
    If,
    Then,
    Else,
    While,
    For,
    Do,
    CaseHead,
    CasePattern,
    CaseBody,
    Brace,
    Paren,
    Function,
}

/// Finds the first token that is out of place.
pub fn diagnose(tokens: &[Token]) -> Diagnosis {
    let mut scan = Scan { open: Vec::new(), start: true, dangling: false, words: 0, after_compound: false };
    let mut i = 0;
    while let Some(token) = tokens.get(i) {
        let text = token.to_str();
        let step = match token {
            Token::Operator(..) => scan.operator(text, &tokens[i + 1..]),
            Token::Word(..) => scan.word(text).ok_or(0),
        };
        match step {
            Ok(n) => i += n,
            Err(n) => return Diagnosis::Near(i + n),
        }
    }
    if scan.open.is_empty() && !scan.dangling { Diagnosis::NothingFound } else { Diagnosis::Incomplete }
}

struct Scan {
    open: Vec<Open>,
    /// A command may begin here.
    start: bool,
    /// A command must follow: after `&&`, `|`, `then`, `(` and the like.
    dangling: bool,
    /// Words of the simple command so far.
    words: usize,
    /// Right behind `fi`, `done`, `}`, `)`.
    after_compound: bool,
}

impl Scan {
    fn begin(&mut self, dangling: bool) {
        self.start = true;
        self.dangling = dangling;
        self.words = 0;
        self.after_compound = false;
    }

    fn end_compound(&mut self) {
        self.start = false;
        self.dangling = false;
        self.words = 0;
        self.after_compound = true;
    }

    /// How many tokens are dealt with, or how many further on the one is that is out of place.
    fn operator(&mut self, text: &str, next: &[Token]) -> Result<usize, usize> {
        let top = self.open.last().copied();
        if text.starts_with('\n') {
            if !self.start {
                self.begin(false);
            }
            return Ok(1);
        }
        if top == Some(Open::CasePattern) {
            return match text {
                "(" | "|" => Ok(1),
                ")" => {
                    self.open.pop();
                    self.open.push(Open::CaseBody);
                    self.begin(false);
                    Ok(1)
                }
                _ => Err(0),
            };
        }
        match text {
            ";" | "&" => {
                if self.start {
                    return Err(0);
                }
                self.begin(false);
                Ok(1)
            }
            "&&" | "||" | "|" | "|&" => {
                if self.start {
                    return Err(0);
                }
                self.begin(true);
                Ok(1)
            }
            ";;" | ";&" | ";;&" => {
                if top != Some(Open::CaseBody) || self.dangling {
                    return Err(0);
                }
                self.open.pop();
                self.open.push(Open::CasePattern);
                self.begin(false);
                Ok(1)
            }
            "(" => {
                if self.start {
                    self.open.push(Open::Paren);
                    self.begin(true);
                    return Ok(1);
                }
                if self.words != 1 || self.start {
                    return Err(0);
                }
                match next.first() {
                    Some(t) if t.to_str() == ")" => {
                        self.open.push(Open::Function);
                        self.begin(true);
                        Ok(2)
                    }
                    _ => Err(1),
                }
            }
            ")" => {
                if top != Some(Open::Paren) || self.dangling {
                    return Err(0);
                }
                self.close();
                Ok(1)
            }
            // The word, the document and the word at its end.
            "<<" | "<<-" => Ok(4.min(next.len() + 1)),
            // A redirection: a word must follow.
            _ => match next.first() {
                Some(Token::Word(..)) => {
                    self.start = false;
                    self.dangling = false;
                    Ok(2)
                }
                _ => Err(1),
            },
        }
    }

    fn close(&mut self) {
        self.open.pop();
        if self.open.last() == Some(&Open::Function) {
            self.open.pop();
        }
        self.end_compound();
    }

    fn word(&mut self, text: &str) -> Option<usize> {
        let top = self.open.last().copied();
        match top {
            Some(Open::CaseHead) => {
                if text == "in" && self.words > 0 {
                    self.open.pop();
                    self.open.push(Open::CasePattern);
                    self.begin(false);
                }
                self.words += 1;
                return Some(1);
            }
            Some(Open::CasePattern) => {
                if text == "esac" {
                    self.close();
                }
                return Some(1);
            }
            Some(Open::For) if !self.start => {
                self.words += 1;
                return Some(1);
            }
            _ => {}
        }
        let reserved = self.start || self.after_compound;
        if reserved && let Some(step) = self.reserved(text, top) {
            return step;
        }
        if self.after_compound {
            return None;
        }
        self.start = false;
        self.dangling = false;
        self.words += 1;
        Some(1)
    }

    /// What a reserved word does; the outer `None` when it is none.
    fn reserved(&mut self, text: &str, top: Option<Open>) -> Option<Option<usize>> {
        let swap = |scan: &mut Scan, expected: &[Open], new: Open| {
            if scan.dangling || !top.is_some_and(|t| expected.contains(&t)) {
                return Some(None);
            }
            scan.open.pop();
            scan.open.push(new);
            scan.begin(true);
            Some(Some(1))
        };
        let close = |scan: &mut Scan, expected: &[Open]| {
            if scan.dangling || !top.is_some_and(|t| expected.contains(&t)) {
                return Some(None);
            }
            scan.close();
            Some(Some(1))
        };
        match text {
            "then" => swap(self, &[Open::If], Open::Then),
            "elif" => swap(self, &[Open::Then], Open::If),
            "else" => swap(self, &[Open::Then], Open::Else),
            "fi" => close(self, &[Open::Then, Open::Else]),
            "do" => swap(self, &[Open::While, Open::For], Open::Do),
            "done" => close(self, &[Open::Do]),
            "esac" => close(self, &[Open::CaseBody]),
            "}" => close(self, &[Open::Brace]),
            _ if !self.start => None,
            "if" => self.opened(Open::If),
            "while" | "until" => self.opened(Open::While),
            "for" => {
                self.open.push(Open::For);
                self.start = false;
                self.dangling = false;
                self.words = 0;
                Some(Some(1))
            }
            "case" => {
                self.open.push(Open::CaseHead);
                self.start = false;
                self.dangling = false;
                self.words = 0;
                Some(Some(1))
            }
            "{" => self.opened(Open::Brace),
            "!" | "time" => {
                self.dangling = true;
                Some(Some(1))
            }
            _ => None,
        }
    }

    fn opened(&mut self, open: Open) -> Option<Option<usize>> {
        self.open.push(open);
        self.begin(true);
        Some(Some(1))
    }
}
