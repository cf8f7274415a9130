//! From the text of a pattern to a tree.

use super::Syntax;

/// A piece of a pattern.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) enum Node {
    Empty,
    Char(char),
    Any,
    Set(Set),
    Assert(Assert),
    Group(usize, Box<Node>),
    Cat(Vec<Node>),
    Alternatives(Vec<Node>),
    /// At least, at most (`None`: without limit).
    Repeat(Box<Node>, u32, Option<u32>),
    Back(usize),
}

/// A place in the text.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Assert {
    Start,
    End,
    WordBoundary,
    NotWordBoundary,
    WordStart,
    WordEnd,
    NoWordBefore,
    NoWordAfter,
}

/// A bracket expression.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub(super) struct Set {
    pub(super) negated: bool,
    pub(super) ranges: Vec<(char, char)>,
    pub(super) classes: Vec<fn(char) -> bool>,
}

impl Set {
    pub(super) fn has(&self, c: char) -> bool {
        self.ranges.iter().any(|(from, to)| (*from..=*to).contains(&c)) || self.classes.iter().any(|f| f(c))
    }
}

pub(super) fn is_word(c: char) -> bool {
    c.is_alphanumeric() || c == '_'
}

fn class(name: &str) -> Option<fn(char) -> bool> {
    Some(match name {
        "alpha" => |c| c.is_alphabetic(),
        "digit" => |c| c.is_ascii_digit(),
        "alnum" => |c| c.is_alphanumeric(),
        "upper" => |c| c.is_uppercase(),
        "lower" => |c| c.is_lowercase(),
        "space" => |c| c.is_whitespace() || c == '\u{b}',
        "blank" => |c| c == ' ' || c == '\t',
        "punct" => |c| c.is_ascii_punctuation(),
        "print" => |c| !c.is_control(),
        "graph" => |c| !c.is_control() && !c.is_whitespace(),
        "cntrl" => |c| c.is_control(),
        "xdigit" => |c| c.is_ascii_hexdigit(),
        _ => return None,
    })
}

pub(super) struct Parser<'a> {
    rest: std::iter::Peekable<std::str::Chars<'a>>,
    syntax: Syntax,
    pub(super) groups: usize,
    open: Vec<usize>,
    closed: Vec<usize>,
    pub(super) has_back_references: bool,
}

/// The largest number in an interval (RE_DUP_MAX).
const MOST_REPEATS: u32 = 32_767;

impl<'a> Parser<'a> {
    pub(super) fn new(pattern: &'a str, syntax: Syntax) -> Parser<'a> {
        Parser {
            rest: pattern.chars().peekable(),
            syntax,
            groups: 0,
            open: Vec::new(),
            closed: Vec::new(),
            has_back_references: false,
        }
    }

    fn is_basic(&self) -> bool {
        self.syntax == Syntax::Basic
    }

    /// Whether these characters come next.
    fn looking_at(&self, text: &str) -> bool {
        let mut ahead = self.rest.clone();
        text.chars().all(|c| ahead.next() == Some(c))
    }

    fn skip(&mut self, text: &str) -> bool {
        let there = self.looking_at(text);
        if there {
            text.chars().for_each(|_| {
                self.rest.next();
            });
        }
        there
    }

    fn token(&self, basic: &'static str, extended: &'static str) -> &'static str {
        if self.is_basic() { basic } else { extended }
    }

    pub(super) fn pattern(&mut self) -> Result<Node, &'static str> {
        let node = self.alternatives()?;
        if self.rest.peek().is_some() { Err("Unmatched ) or \\)") } else { Ok(node) }
    }

    fn alternatives(&mut self) -> Result<Node, &'static str> {
        let mut all = vec![self.sequence()?];
        while self.skip(self.token("\\|", "|")) {
            all.push(self.sequence()?);
        }
        Ok(if all.len() == 1 { all.remove(0) } else { Node::Alternatives(all) })
    }

    fn sequence(&mut self) -> Result<Node, &'static str> {
        let mut items: Vec<Node> = Vec::new();
        loop {
            let at_end = self.rest.peek().is_none()
                || self.looking_at(self.token("\\|", "|"))
                || self.looking_at(self.token("\\)", ")"));
            if at_end {
                break;
            }
            let node = self.atom(items.is_empty())?;
            let node = self.repeats(node)?;
            items.push(node);
        }
        Ok(match items.len() {
            0 => Node::Empty,
            1 => items.remove(0),
            _ => Node::Cat(items),
        })
    }

    fn atom(&mut self, is_first: bool) -> Result<Node, &'static str> {
        let Some(c) = self.rest.next() else { return Ok(Node::Empty) };
        Ok(match c {
            '.' => Node::Any,
            '[' => Node::Set(self.bracket()?),
            '\\' => return self.escape(),
            '^' if !self.is_basic() || is_first => Node::Assert(Assert::Start),
            '$' if !self.is_basic() => Node::Assert(Assert::End),
            '$' if self.rest.peek().is_none() || self.looking_at("\\)") || self.looking_at("\\|") => {
                Node::Assert(Assert::End)
            }
            '(' if !self.is_basic() => self.group()?,
            c => Node::Char(c),
        })
    }

    fn group(&mut self) -> Result<Node, &'static str> {
        self.groups += 1;
        let number = self.groups;
        self.open.push(number);
        let inner = self.alternatives()?;
        if !self.skip(self.token("\\)", ")")) {
            return Err("Unmatched ( or \\(");
        }
        self.open.pop();
        self.closed.push(number);
        Ok(Node::Group(number, Box::new(inner)))
    }

    fn escape(&mut self) -> Result<Node, &'static str> {
        let Some(c) = self.rest.next() else { return Err("Trailing backslash") };
        let word = |negated| Set { negated, ranges: Vec::new(), classes: vec![is_word] };
        let space = |negated| Set { negated, ranges: Vec::new(), classes: vec![|c| c.is_whitespace() || c == '\u{b}'] };
        Ok(match c {
            '(' if self.is_basic() => self.group()?,
            '{' if self.is_basic() => return Err("Invalid preceding regular expression"),
            '1'..='9' if self.syntax != Syntax::Awk => {
                let number = c as usize - '0' as usize;
                if !self.closed.contains(&number) {
                    return Err("Invalid back reference");
                }
                self.has_back_references = true;
                Node::Back(number)
            }
            'w' => Node::Set(word(false)),
            'W' => Node::Set(word(true)),
            's' => Node::Set(space(false)),
            'S' => Node::Set(space(true)),
            'b' if self.syntax != Syntax::Awk => Node::Assert(Assert::WordBoundary),
            'B' => Node::Assert(Assert::NotWordBoundary),
            '<' => Node::Assert(Assert::WordStart),
            '>' => Node::Assert(Assert::WordEnd),
            '`' => Node::Assert(Assert::Start),
            '\'' => Node::Assert(Assert::End),
            'n' => Node::Char('\n'),
            't' => Node::Char('\t'),
            c => Node::Char(c),
        })
    }

    /// The stars and intervals after an atom.
    fn repeats(&mut self, mut node: Node) -> Result<Node, &'static str> {
        // A star after an anchor or at the beginning stands for itself.
        if self.is_basic() && node == Node::Assert(Assert::Start) {
            return Ok(node);
        }
        loop {
            let (min, max) = if self.skip("*") {
                (0, None)
            } else if self.skip(self.token("\\+", "+")) {
                (1, None)
            } else if self.skip(self.token("\\?", "?")) {
                (0, Some(1))
            } else if self.looking_at(self.token("\\{", "{")) {
                match self.interval()? {
                    Some(interval) => interval,
                    None => return Ok(node),
                }
            } else {
                return Ok(node);
            };
            node = Node::Repeat(Box::new(node), min, max);
        }
    }

    /// `{2,3}`; `None` when an extended expression has a brace that begins no interval.
    fn interval(&mut self) -> Result<Option<(u32, Option<u32>)>, &'static str> {
        let before = self.rest.clone();
        self.skip(self.token("\\{", "{"));
        let min = self.number();
        let comma = self.skip(",");
        let max = if comma { self.number() } else { min };
        if !self.skip(self.token("\\}", "}")) || (min.is_none() && !comma) {
            if self.is_basic() {
                let unmatched = self.rest.peek().is_none();
                return Err(if unmatched { "Unmatched \\{" } else { "Invalid content of \\{\\}" });
            }
            self.rest = before;
            return Ok(None);
        }
        let min = min.unwrap_or(0);
        if max.is_some_and(|m| m < min) {
            return Err("Invalid content of \\{\\}");
        }
        if min > MOST_REPEATS || max.is_some_and(|m| m > MOST_REPEATS) {
            return Err("Regular expression too big");
        }
        Ok(Some((min, if comma { max } else { Some(min) })))
    }

    fn number(&mut self) -> Option<u32> {
        let mut digits = String::new();
        while let Some(c) = self.rest.next_if(char::is_ascii_digit) {
            digits.push(c);
        }
        (!digits.is_empty()).then(|| digits.parse().unwrap_or(u32::MAX))
    }

    fn bracket(&mut self) -> Result<Set, &'static str> {
        const UNMATCHED: &str = "Unmatched [, [^, [:, [., or [=";
        let mut set = Set { negated: self.skip("^"), ..Set::default() };
        let mut first = true;
        loop {
            let c = self.rest.next().ok_or(UNMATCHED)?;
            if c == ']' && !first {
                return Ok(set);
            }
            first = false;
            if c == '[' && self.skip(":") {
                let name = self.until(":]").ok_or(UNMATCHED)?;
                set.classes.push(class(&name).ok_or("Invalid character class name")?);
                continue;
            }
            let from = self.element(c).ok_or(UNMATCHED)?;
            let is_range = self.looking_at("-") && !self.looking_at("-]");
            if !is_range {
                set.ranges.push((from, from));
                continue;
            }
            self.skip("-");
            let c = self.rest.next().ok_or(UNMATCHED)?;
            let to = self.element(c).ok_or(UNMATCHED)?;
            if to < from {
                return Err("Invalid range end");
            }
            set.ranges.push((from, to));
        }
    }

    /// One character of a bracket expression, also as `[.x.]` or `[=x=]`.
    fn element(&mut self, c: char) -> Option<char> {
        for (open, close) in [(".", ".]"), ("=", "=]")] {
            if c == '[' && self.skip(open) {
                return self.until(close)?.chars().next();
            }
        }
        if c == '\\' && self.syntax == Syntax::Awk {
            return Some(match self.rest.next()? {
                'n' => '\n',
                't' => '\t',
                other => other,
            });
        }
        Some(c)
    }

    fn until(&mut self, end: &str) -> Option<String> {
        let mut text = String::new();
        loop {
            if self.skip(end) {
                return Some(text);
            }
            text.push(self.rest.next()?);
        }
    }
}
