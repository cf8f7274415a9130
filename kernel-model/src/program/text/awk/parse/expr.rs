//! Expressions, from the weakest operator to the strongest (the grammar of awk(1p)).

use super::{DEEPEST, Parser, Result_};
use crate::program::text::awk::ast::{Expr, Getline, Op, Source};
use crate::program::text::awk::lex::Token;
use crate::program::text::regex::{Regex, Syntax, Whole};

impl Parser {
    /// Expressions up to a closing sign.
    pub(super) fn list(&mut self, end: &str) -> Result_<Vec<Expr>> {
        let before = (std::mem::take(&mut self.no_in), std::mem::take(&mut self.no_gt));
        let mut all = Vec::new();
        self.newlines();
        if !self.accept(end) {
            loop {
                all.push(self.expr()?);
                self.newlines();
                if self.accept(end) {
                    break;
                }
                self.expect(",")?;
                self.newlines();
            }
        }
        (self.no_in, self.no_gt) = before;
        Ok(all)
    }

    pub(super) fn expr(&mut self) -> Result_<Expr> {
        self.depth += 1;
        if self.depth > DEEPEST {
            return Err("the program is nested too deeply".into());
        }
        let expr = self.assignment();
        self.depth -= 1;
        expr
    }

    fn assignment(&mut self) -> Result_<Expr> {
        let left = self.choice()?;
        if !matches!(left, Expr::Global(_) | Expr::Local(_) | Expr::Field(_) | Expr::Index(..)) {
            return Ok(left);
        }
        let op = match self.token() {
            Token::Sign("=") => None,
            Token::Sign("+=") => Some(Op::Add),
            Token::Sign("-=") => Some(Op::Sub),
            Token::Sign("*=") => Some(Op::Mul),
            Token::Sign("/=") => Some(Op::Div),
            Token::Sign("%=") => Some(Op::Mod),
            Token::Sign("^=") => Some(Op::Pow),
            _ => return Ok(left),
        };
        self.at += 1;
        self.newlines();
        Ok(Expr::Assign(Box::new(left), op, Box::new(self.expr()?)))
    }

    pub(super) fn choice(&mut self) -> Result_<Expr> {
        let condition = self.or()?;
        if !self.accept("?") {
            return Ok(condition);
        }
        self.newlines();
        let then = self.expr()?;
        self.newlines();
        self.expect(":")?;
        self.newlines();
        Ok(Expr::Choice(Box::new(condition), Box::new(then), Box::new(self.expr()?)))
    }

    fn or(&mut self) -> Result_<Expr> {
        let mut left = self.and()?;
        while self.accept("||") {
            self.newlines();
            left = Expr::Or(Box::new(left), Box::new(self.and()?));
        }
        Ok(left)
    }

    fn and(&mut self) -> Result_<Expr> {
        let mut left = self.membership()?;
        while self.accept("&&") {
            self.newlines();
            left = Expr::And(Box::new(left), Box::new(self.membership()?));
        }
        Ok(left)
    }

    pub(super) fn membership(&mut self) -> Result_<Expr> {
        let mut left = self.matching()?;
        while !self.no_in && self.accept_keyword("in") {
            let Token::Name(name) = self.take() else {
                self.at -= 1;
                return self.wrong();
            };
            let keys = if let Expr::Group(keys) = left { keys } else { vec![left] };
            left = Expr::In(keys, self.array(name));
        }
        Ok(left)
    }

    fn matching(&mut self) -> Result_<Expr> {
        let mut left = self.comparison()?;
        loop {
            let wanted = match self.token() {
                Token::Sign("~") => true,
                Token::Sign("!~") => false,
                _ => return Ok(left),
            };
            self.at += 1;
            left = Expr::Match(wanted, Box::new(left), Box::new(self.comparison()?));
        }
    }

    fn comparison(&mut self) -> Result_<Expr> {
        let mut left = self.concatenation()?;
        while self.is("|") && matches!(self.tokens.get(self.at + 1), Some((Token::Keyword(w), _)) if w == "getline") {
            self.at += 2;
            let into = self.getline_target()?;
            left = Expr::Getline(Box::new(Getline { source: Source::Command(left), into }));
        }
        let op = match self.token() {
            Token::Sign("<") => Op::Lt,
            Token::Sign("<=") => Op::Le,
            Token::Sign("==") => Op::Eq,
            Token::Sign("!=") => Op::Ne,
            Token::Sign(">") if !self.no_gt => Op::Gt,
            Token::Sign(">=") => Op::Ge,
            _ => return Ok(left),
        };
        self.at += 1;
        Ok(Expr::Binary(op, Box::new(left), Box::new(self.concatenation()?)))
    }

    /// Whether an operand that is concatenated may begin here.
    fn begins_operand(&self) -> bool {
        match self.token() {
            Token::Number(_) | Token::Text(_) | Token::Regex(_) | Token::Name(_) | Token::CallName(_) => true,
            Token::Builtin(_) => true,
            Token::Sign(s) => matches!(*s, "(" | "$" | "!" | "-" | "+" | "++" | "--"),
            _ => false,
        }
    }

    pub(super) fn concatenation(&mut self) -> Result_<Expr> {
        let mut left = self.additive()?;
        while self.begins_operand() {
            left = Expr::Binary(Op::Concat, Box::new(left), Box::new(self.additive()?));
        }
        Ok(left)
    }

    pub(super) fn additive(&mut self) -> Result_<Expr> {
        let mut left = self.multiplicative()?;
        loop {
            let op = match self.token() {
                Token::Sign("+") => Op::Add,
                Token::Sign("-") => Op::Sub,
                _ => return Ok(left),
            };
            self.at += 1;
            left = Expr::Binary(op, Box::new(left), Box::new(self.multiplicative()?));
        }
    }

    fn multiplicative(&mut self) -> Result_<Expr> {
        let mut left = self.unary()?;
        loop {
            let op = match self.token() {
                Token::Sign("*") => Op::Mul,
                Token::Sign("/") => Op::Div,
                Token::Sign("%") => Op::Mod,
                _ => return Ok(left),
            };
            self.at += 1;
            left = Expr::Binary(op, Box::new(left), Box::new(self.unary()?));
        }
    }

    pub(super) fn unary(&mut self) -> Result_<Expr> {
        for (sign, key) in [("!", '!'), ("-", '-'), ("+", '+')] {
            if self.accept(sign) {
                self.depth += 1;
                if self.depth > DEEPEST {
                    return Err("the program is nested too deeply".into());
                }
                let inner = self.unary()?;
                self.depth -= 1;
                return Ok(Expr::Unary(key, Box::new(inner)));
            }
        }
        self.power()
    }

    fn power(&mut self) -> Result_<Expr> {
        let base = self.postfix()?;
        if !self.accept("^") {
            return Ok(base);
        }
        // The right side may have a sign, and powers group to the right.
        Ok(Expr::Binary(Op::Pow, Box::new(base), Box::new(self.unary()?)))
    }

    fn postfix(&mut self) -> Result_<Expr> {
        for (sign, by) in [("++", 1.0), ("--", -1.0)] {
            if self.accept(sign) {
                let target = self.primary()?;
                return Ok(Expr::Step(Box::new(target), by, false));
            }
        }
        let target = self.primary()?;
        if matches!(target, Expr::Global(_) | Expr::Local(_) | Expr::Field(_) | Expr::Index(..)) {
            for (sign, by) in [("++", 1.0), ("--", -1.0)] {
                if self.accept(sign) {
                    return Ok(Expr::Step(Box::new(target), by, true));
                }
            }
        }
        Ok(target)
    }

    fn getline_target(&mut self) -> Result_<Option<Expr>> {
        Ok(match self.token() {
            Token::Name(_) | Token::Sign("$") => Some(self.primary()?),
            _ => None,
        })
    }

    pub(super) fn primary(&mut self) -> Result_<Expr> {
        match self.take() {
            Token::Number(n) => Ok(Expr::Number(n)),
            Token::Text(s) => Ok(Expr::Text(s)),
            Token::Regex(s) => Ok(Expr::Regex(Regex::new(&s, Syntax::Awk, false, Whole::Anything)?)),
            Token::Name(name) => {
                if self.accept("[") {
                    let array = self.array(name);
                    return Ok(Expr::Index(array, self.list("]")?));
                }
                Ok(self.variable(name))
            }
            Token::CallName(name) => {
                self.expect("(")?;
                Ok(Expr::Call(name, self.list(")")?))
            }
            Token::Builtin(name) => {
                let arguments = if self.accept("(") { self.list(")")? } else { Vec::new() };
                Ok(Expr::Builtin(name, arguments))
            }
            Token::Sign("$") => {
                self.depth += 1;
                if self.depth > DEEPEST {
                    return Err("the program is nested too deeply".into());
                }
                let inner = if self.is("-") || self.is("!") || self.is("+") {
                    self.unary()?
                } else if self.is("++") || self.is("--") {
                    self.postfix()?
                } else {
                    self.primary()?
                };
                self.depth -= 1;
                Ok(Expr::Field(Box::new(inner)))
            }
            Token::Sign("(") => {
                let mut inside = self.list(")")?;
                match inside.len() {
                    0 => self.wrong(),
                    1 => Ok(inside.remove(0)),
                    _ => Ok(Expr::Group(inside)),
                }
            }
            Token::Keyword(word) if word == "getline" => {
                let into = self.getline_target()?;
                let source = if self.accept("<") { Source::File(self.primary()?) } else { Source::Main };
                Ok(Expr::Getline(Box::new(Getline { source, into })))
            }
            _ => {
                self.at -= 1;
                self.wrong()
            }
        }
    }
}
