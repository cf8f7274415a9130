//! From the tree to a program, and running it.
//!
//! The program is run depth first, greedy branches before others. A state (instruction and place in the text)
//! that was tried once is not tried again, so the time is bounded by the product of their numbers. After a
//! match the search goes on for a longer one from the same start.

use std::collections::BTreeSet;

use super::parse::{Assert, Node, Parser, Set, is_word};
use super::{Syntax, Whole};

/// A compiled regular expression.
#[derive(Clone, Debug)]
pub struct Regex {
    program: Vec<Step>,
    sets: Vec<Set>,
    groups: usize,
    ignore_case: bool,
    has_back_references: bool,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Step {
    Char(char),
    Any,
    Set(usize),
    Assert(Assert),
    /// Try the first, then the second.
    Split(usize, usize),
    Jump(usize),
    Save(usize),
    Back(usize),
    Match,
}

/// Where a match and its groups are.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Captures(Vec<Option<usize>>);

impl Captures {
    /// Begin and end of a group; group 0 is the whole match.
    pub fn get(&self, group: usize) -> Option<(usize, usize)> {
        let place = |i: usize| self.0.get(i).copied().flatten();
        Some((place(2 * group)?, place(2 * group + 1)?))
    }

    /// Begin and end of the whole match.
    pub fn whole(&self) -> (usize, usize) {
        self.get(0).unwrap_or((0, 0))
    }
}

/// The most instructions that a pattern may compile to.
const LARGEST: usize = 50_000;

impl Regex {
    /// Compiles a pattern.
    ///
    /// # Errors
    /// The C library's message about what is wrong with it.
    pub fn new(pattern: &str, syntax: Syntax, ignore_case: bool, whole: Whole) -> Result<Regex, String> {
        let mut parser = Parser::new(pattern, syntax);
        let node = parser.pattern()?;
        let node = match whole {
            Whole::Anything => node,
            Whole::Word => Node::Cat(vec![Node::Assert(Assert::NoWordBefore), node, Node::Assert(Assert::NoWordAfter)]),
            Whole::Line => Node::Cat(vec![Node::Assert(Assert::Start), node, Node::Assert(Assert::End)]),
        };
        let mut regex = Regex {
            program: Vec::new(),
            sets: Vec::new(),
            groups: parser.groups,
            ignore_case,
            has_back_references: parser.has_back_references,
        };
        regex.compile(&Node::Group(0, Box::new(node)))?;
        regex.program.push(Step::Match);
        Ok(regex)
    }

    /// A pattern in which every character stands for itself.
    pub fn literal(text: &str, ignore_case: bool, whole: Whole) -> Regex {
        let mut pattern = String::new();
        for c in text.chars() {
            if "\\.[]*^$".contains(c) {
                pattern.push('\\');
            }
            pattern.push(c);
        }
        Regex::new(&pattern, Syntax::Basic, ignore_case, whole).unwrap_or(Regex {
            program: vec![Step::Match],
            sets: Vec::new(),
            groups: 0,
            ignore_case,
            has_back_references: false,
        })
    }

    /// How many groups it has.
    pub fn groups(&self) -> usize {
        self.groups
    }

    fn compile(&mut self, node: &Node) -> Result<(), String> {
        if self.program.len() > LARGEST {
            return Err("Regular expression too big".into());
        }
        match node {
            Node::Empty => {}
            Node::Char(c) => self.program.push(Step::Char(*c)),
            Node::Any => self.program.push(Step::Any),
            Node::Set(set) => {
                self.program.push(Step::Set(self.sets.len()));
                self.sets.push(set.clone());
            }
            Node::Assert(assert) => self.program.push(Step::Assert(*assert)),
            Node::Back(group) => self.program.push(Step::Back(*group)),
            Node::Group(number, inner) => {
                self.program.push(Step::Save(2 * number));
                self.compile(inner)?;
                self.program.push(Step::Save(2 * number + 1));
            }
            Node::Cat(items) => items.iter().try_for_each(|n| self.compile(n))?,
            Node::Alternatives(all) => {
                let mut ends = Vec::new();
                for (i, alternative) in all.iter().enumerate() {
                    let split = self.program.len();
                    let is_last = i + 1 == all.len();
                    if !is_last {
                        self.program.push(Step::Match);
                    }
                    self.compile(alternative)?;
                    if !is_last {
                        ends.push(self.program.len());
                        self.program.push(Step::Match);
                        self.program[split] = Step::Split(split + 1, self.program.len());
                    }
                }
                let after = self.program.len();
                ends.into_iter().for_each(|end| self.program[end] = Step::Jump(after));
            }
            Node::Repeat(inner, min, max) => self.compile_repeat(inner, *min, *max)?,
        }
        Ok(())
    }

    fn compile_repeat(&mut self, inner: &Node, min: u32, max: Option<u32>) -> Result<(), String> {
        for _ in 0..min {
            self.compile(inner)?;
        }
        match max {
            None => {
                let split = self.program.len();
                self.program.push(Step::Match);
                self.compile(inner)?;
                self.program.push(Step::Jump(split));
                self.program[split] = Step::Split(split + 1, self.program.len());
            }
            Some(max) => {
                let mut splits = Vec::new();
                for _ in min..max {
                    splits.push(self.program.len());
                    self.program.push(Step::Match);
                    self.compile(inner)?;
                }
                let after = self.program.len();
                splits.into_iter().for_each(|s| self.program[s] = Step::Split(s + 1, after));
            }
        }
        Ok(())
    }

    /// Whether it matches anywhere in the text.
    pub fn is_match(&self, text: &[u8]) -> bool {
        self.find_at(text, 0).is_some()
    }

    /// The first match that begins at `start` or later. Anchors mean the ends of the whole text.
    pub fn find_at(&self, text: &[u8], start: usize) -> Option<Captures> {
        let mut run =
            Run { regex: self, text, captures: vec![None; 2 * (self.groups + 1)], tried: Tried::new(self, text.len()) };
        let mut at = start;
        while at <= text.len() {
            if let Some(found) = run.longest_from(at) {
                return Some(Captures(found));
            }
            at += char_at(text, at).map_or(1, |(_, length)| length);
        }
        None
    }
}

/// The character at a place and its length; a byte that is not UTF-8 stands for itself.
fn char_at(text: &[u8], at: usize) -> Option<(char, usize)> {
    let first = *text.get(at)?;
    let length = match first {
        0..0x80 => return Some((char::from(first), 1)),
        0xc0..0xe0 => 2,
        0xe0..0xf0 => 3,
        _ => 4,
    };
    let decoded = text.get(at..at + length).and_then(|b| std::str::from_utf8(b).ok()).and_then(|s| s.chars().next());
    Some(decoded.map_or((char::REPLACEMENT_CHARACTER, 1), |c| (c, length)))
}

/// The character before a place.
fn char_before(text: &[u8], at: usize) -> Option<char> {
    let start = (0..at).rev().take(4).find(|i| text[*i] & 0xc0 != 0x80)?;
    char_at(text, start).map(|(c, _)| c)
}

/// Which states have been tried in vain.
enum Tried {
    /// A bit for every instruction at every place.
    Bits(Vec<u64>, usize),
    /// With back references a state includes the groups.
    WithGroups(BTreeSet<(usize, usize, Vec<Option<usize>>)>),
}

impl Tried {
    fn new(regex: &Regex, length: usize) -> Tried {
        if regex.has_back_references {
            return Tried::WithGroups(BTreeSet::new());
        }
        let places = length + 1;
        Tried::Bits(vec![0; (regex.program.len() * places).div_ceil(64)], places)
    }

    /// Notes the state; false when it was there.
    fn insert(&mut self, pc: usize, at: usize, captures: &[Option<usize>]) -> bool {
        match self {
            Tried::Bits(bits, places) => {
                let n = pc * *places + at;
                let Some(word) = bits.get_mut(n / 64) else { return false };
                let fresh = *word & (1 << (n % 64)) == 0;
                *word |= 1 << (n % 64);
                fresh
            }
            Tried::WithGroups(set) => set.insert((pc, at, captures.to_vec())),
        }
    }
}

enum Todo {
    Try(usize, usize),
    /// Back from a branch: a group is where it was before.
    Restore(usize, Option<usize>),
}

struct Run<'a> {
    regex: &'a Regex,
    text: &'a [u8],
    captures: Vec<Option<usize>>,
    tried: Tried,
}

impl Run<'_> {
    /// The longest match from just here.
    fn longest_from(&mut self, start: usize) -> Option<Vec<Option<usize>>> {
        let mut best: Option<(usize, Vec<Option<usize>>)> = None;
        let mut todo = vec![Todo::Try(0, start)];
        while let Some(next) = todo.pop() {
            let (mut pc, mut at) = match next {
                Todo::Try(pc, at) => (pc, at),
                Todo::Restore(slot, value) => {
                    self.captures[slot] = value;
                    continue;
                }
            };
            while let Some(step) = self.regex.program.get(pc) {
                if !self.tried.insert(pc, at, &self.captures) {
                    break;
                }
                match *step {
                    Step::Match => {
                        if best.as_ref().is_none_or(|(end, _)| at > *end) {
                            best = Some((at, self.captures.clone()));
                        }
                        break;
                    }
                    Step::Jump(to) => {
                        pc = to;
                        continue;
                    }
                    Step::Split(first, second) => {
                        todo.push(Todo::Try(second, at));
                        pc = first;
                        continue;
                    }
                    Step::Save(slot) => {
                        todo.push(Todo::Restore(slot, self.captures[slot]));
                        self.captures[slot] = Some(at);
                    }
                    Step::Assert(assert) => {
                        if !self.holds(assert, at) {
                            break;
                        }
                    }
                    Step::Back(group) => match self.repeated(group, at) {
                        Some(length) => at += length,
                        None => break,
                    },
                    Step::Char(_) | Step::Any | Step::Set(_) => match self.consumed(*step, at) {
                        Some(length) => at += length,
                        None => break,
                    },
                }
                pc += 1;
            }
        }
        best.map(|(_, captures)| captures)
    }

    /// How many bytes a step for one character takes here.
    fn consumed(&self, step: Step, at: usize) -> Option<usize> {
        let (c, length) = char_at(self.text, at)?;
        let fits = match step {
            Step::Any => c != '\0',
            Step::Char(wanted) => c == wanted || (self.regex.ignore_case && lower(c) == lower(wanted)),
            Step::Set(i) => {
                let set = self.regex.sets.get(i)?;
                let folded = self.regex.ignore_case && (set.has(lower(c)) || set.has(upper(c)));
                (set.has(c) || folded) != set.negated
            }
            _ => false,
        };
        fits.then_some(length)
    }

    /// The length of what a group matched, if the same stands here again.
    fn repeated(&self, group: usize, at: usize) -> Option<usize> {
        let (from, to) = Captures(self.captures.clone()).get(group)?;
        let (wanted, found) = (self.text.get(from..to)?, self.text.get(at..at + (to - from))?);
        let same = wanted == found || (self.regex.ignore_case && wanted.eq_ignore_ascii_case(found));
        same.then_some(to - from)
    }

    fn holds(&self, assert: Assert, at: usize) -> bool {
        let before = char_before(self.text, at).is_some_and(is_word);
        let after = char_at(self.text, at).is_some_and(|(c, _)| is_word(c));
        match assert {
            Assert::Start => at == 0,
            Assert::End => at == self.text.len(),
            Assert::WordBoundary => before != after,
            Assert::NotWordBoundary => before == after,
            Assert::WordStart => !before && after,
            Assert::WordEnd => before && !after,
            Assert::NoWordBefore => !before,
            Assert::NoWordAfter => !after,
        }
    }
}

fn lower(c: char) -> char {
    c.to_lowercase().next().unwrap_or(c)
}

fn upper(c: char) -> char {
    c.to_uppercase().next().unwrap_or(c)
}
