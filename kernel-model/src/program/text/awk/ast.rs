//! The tree of an awk program.

use crate::program::text::regex::Regex;

/// An expression.
#[derive(Clone, Debug)]
pub(super) enum Expr {
    Number(f64),
    Text(String),
    /// `/regex/`: on its own it is matched against the record.
    Regex(Regex),
    Global(String),
    /// A parameter of the function, by place.
    Local(usize),
    Field(Box<Expr>),
    Index(ArrayName, Vec<Expr>),
    In(Vec<Expr>, ArrayName),
    /// `(a, b)`: only before `in` and after `print`.
    Group(Vec<Expr>),
    Unary(char, Box<Expr>),
    Binary(Op, Box<Expr>, Box<Expr>),
    And(Box<Expr>, Box<Expr>),
    Or(Box<Expr>, Box<Expr>),
    Match(bool, Box<Expr>, Box<Expr>),
    Choice(Box<Expr>, Box<Expr>, Box<Expr>),
    /// `a = b`, and `a += b` with its operator.
    Assign(Box<Expr>, Option<Op>, Box<Expr>),
    /// `++a`, `a++`: by how much, and whether the old value counts.
    Step(Box<Expr>, f64, bool),
    Call(String, Vec<Expr>),
    Builtin(String, Vec<Expr>),
    Getline(Box<Getline>),
}

/// Where getline reads, and into what.
#[derive(Clone, Debug)]
pub(super) struct Getline {
    pub source: Source,
    pub into: Option<Expr>,
}

#[derive(Clone, Debug)]
pub(super) enum Source {
    /// The program's own input.
    Main,
    File(Expr),
    Command(Expr),
}

/// An array.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) enum ArrayName {
    Global(String),
    Local(usize),
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Op {
    Add,
    Sub,
    Mul,
    Div,
    Mod,
    Pow,
    Concat,
    Lt,
    Le,
    Eq,
    Ne,
    Gt,
    Ge,
}

#[derive(Clone, Debug)]
pub(super) enum Stmt {
    Expr(Expr),
    Print(Vec<Expr>, Option<Redirect>),
    Printf(Vec<Expr>, Option<Redirect>),
    If(Expr, Box<Stmt>, Option<Box<Stmt>>),
    While(Expr, Box<Stmt>),
    Do(Box<Stmt>, Expr),
    For(Option<Box<Stmt>>, Option<Expr>, Option<Box<Stmt>>, Box<Stmt>),
    ForIn(Expr, ArrayName, Box<Stmt>),
    Block(Vec<Stmt>),
    Next,
    NextFile,
    Exit(Option<Expr>),
    Return(Option<Expr>),
    Break,
    Continue,
    Delete(ArrayName, Option<Vec<Expr>>),
}

/// Where print writes.
#[derive(Clone, Debug)]
pub(super) enum Redirect {
    File(Expr),
    Append(Expr),
    Pipe(Expr),
}

/// When the action of a rule is carried out.
#[derive(Clone, Debug)]
pub(super) enum Pattern {
    Begin,
    End,
    Always,
    When(Expr),
    /// From one to the other; the number is that of the range.
    Range(Expr, Expr, usize),
}

#[derive(Clone, Debug)]
pub(super) struct Rule {
    pub pattern: Pattern,
    /// `None`: print the record.
    pub action: Option<Stmt>,
}

#[derive(Clone, Debug, Default)]
pub(super) struct Function {
    pub params: Vec<String>,
    /// Which parameters are used as arrays.
    pub arrays: Vec<bool>,
    pub body: Vec<Stmt>,
}

/// A whole program.
#[derive(Clone, Debug, Default)]
pub(super) struct Script {
    pub rules: Vec<Rule>,
    pub functions: std::collections::BTreeMap<String, Function>,
    pub ranges: usize,
}
