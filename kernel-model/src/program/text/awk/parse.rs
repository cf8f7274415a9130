//! From words to the tree: functions, rules and statements; [`expr`] reads expressions.

mod expr;

use super::arrays::infer_arrays;
use super::ast::{ArrayName, Expr, Function, Pattern, Redirect, Rule, Script, Stmt};
use super::lex::{Placed, Token, tokens};

/// Reads a program.
///
/// # Errors
/// What is wrong, and in which line.
pub(super) fn parse(source: &str) -> Result<Script, (String, usize)> {
    let mut parser = Parser {
        tokens: tokens(source)?,
        at: 0,
        params: Vec::new(),
        no_in: false,
        no_gt: false,
        depth: 0,
        script: Script::default(),
    };
    parser.script().map_err(|message| (message, parser.line()))?;
    let mut script = parser.script;
    infer_arrays(&mut script);
    Ok(script)
}

type Result_<T> = Result<T, String>;

/// How deep expressions and statements may be nested.
const DEEPEST: usize = 200;

struct Parser {
    tokens: Vec<Placed>,
    at: usize,
    /// Parameters of the function that is being read.
    params: Vec<String>,
    /// `in` belongs to a for statement.
    no_in: bool,
    /// `>` is a redirection.
    no_gt: bool,
    depth: usize,
    script: Script,
}

impl Parser {
    fn token(&self) -> &Token {
        self.tokens.get(self.at).map_or(&Token::End, |t| &t.0)
    }

    fn line(&self) -> usize {
        self.tokens.get(self.at).or(self.tokens.last()).map_or(1, |t| t.1)
    }

    fn take(&mut self) -> Token {
        let token = self.token().clone();
        self.at += 1;
        token
    }

    fn is(&self, sign: &str) -> bool {
        matches!(self.token(), Token::Sign(s) if *s == sign)
    }

    fn is_keyword(&self, word: &str) -> bool {
        matches!(self.token(), Token::Keyword(w) if w == word)
    }

    fn accept(&mut self, sign: &str) -> bool {
        let is = self.is(sign);
        self.at += usize::from(is);
        is
    }

    fn accept_keyword(&mut self, word: &str) -> bool {
        let is = self.is_keyword(word);
        self.at += usize::from(is);
        is
    }

    fn wrong<T>(&self) -> Result_<T> {
        Err(format!("syntax error at or near {}", self.token().shown()))
    }

    fn expect(&mut self, sign: &str) -> Result_<()> {
        if self.accept(sign) { Ok(()) } else { self.wrong() }
    }

    fn newlines(&mut self) {
        while *self.token() == Token::Newline {
            self.at += 1;
        }
    }

    fn ends(&mut self) {
        while *self.token() == Token::Newline || self.is(";") {
            self.at += 1;
        }
    }

    fn script(&mut self) -> Result_<()> {
        self.ends();
        while *self.token() != Token::End {
            if self.accept_keyword("function") {
                self.function()?;
            } else {
                let rule = self.rule()?;
                self.script.rules.push(rule);
            }
            self.ends();
        }
        Ok(())
    }

    fn function(&mut self) -> Result_<()> {
        let (Token::Name(name) | Token::CallName(name)) = self.take() else {
            self.at -= 1;
            return self.wrong();
        };
        self.expect("(")?;
        let mut params = Vec::new();
        while let Token::Name(param) = self.token().clone() {
            self.at += 1;
            params.push(param);
            if !self.accept(",") {
                break;
            }
            self.newlines();
        }
        self.expect(")")?;
        self.newlines();
        self.params.clone_from(&params);
        let body = self.block()?;
        self.params.clear();
        let arrays = vec![false; params.len()];
        self.script.functions.insert(name, Function { params, arrays, body });
        Ok(())
    }

    fn rule(&mut self) -> Result_<Rule> {
        let pattern = if self.accept_keyword("BEGIN") {
            Pattern::Begin
        } else if self.accept_keyword("END") {
            Pattern::End
        } else if self.is("{") {
            Pattern::Always
        } else {
            let from = self.expr()?;
            if self.accept(",") {
                self.newlines();
                let to = self.expr()?;
                self.script.ranges += 1;
                Pattern::Range(from, to, self.script.ranges - 1)
            } else {
                Pattern::When(from)
            }
        };
        if self.is("{") {
            return Ok(Rule { pattern, action: Some(Stmt::Block(self.block()?)) });
        }
        match pattern {
            Pattern::Begin | Pattern::End => self.wrong(),
            pattern => Ok(Rule { pattern, action: None }),
        }
    }

    fn block(&mut self) -> Result_<Vec<Stmt>> {
        self.expect("{")?;
        let mut all = Vec::new();
        loop {
            self.ends();
            if self.accept("}") {
                return Ok(all);
            }
            if *self.token() == Token::End {
                return Err("missing } near end of file".into());
            }
            all.push(self.statement()?);
        }
    }

    /// The end of a simple statement.
    fn finish(&mut self) -> Result_<()> {
        if self.is("}") || *self.token() == Token::End {
            return Ok(());
        }
        if self.accept(";") || *self.token() == Token::Newline {
            self.newlines();
            return Ok(());
        }
        self.wrong()
    }

    fn statement(&mut self) -> Result_<Stmt> {
        self.depth += 1;
        if self.depth > DEEPEST {
            return Err("the program is nested too deeply".into());
        }
        let statement = self.statement_inside();
        self.depth -= 1;
        statement
    }

    fn body(&mut self) -> Result_<Box<Stmt>> {
        self.newlines();
        if self.accept(";") {
            return Ok(Box::new(Stmt::Block(Vec::new())));
        }
        Ok(Box::new(self.statement()?))
    }

    fn condition(&mut self) -> Result_<Expr> {
        self.expect("(")?;
        let condition = self.expr()?;
        self.expect(")")?;
        Ok(condition)
    }

    fn statement_inside(&mut self) -> Result_<Stmt> {
        if self.is("{") {
            return Ok(Stmt::Block(self.block()?));
        }
        let Token::Keyword(word) = self.token().clone() else { return self.simple_and_end() };
        match word.as_str() {
            "if" => {
                self.at += 1;
                let condition = self.condition()?;
                let then = self.body()?;
                let before = self.at;
                self.ends();
                if self.accept_keyword("else") {
                    return Ok(Stmt::If(condition, then, Some(self.body()?)));
                }
                self.at = before;
                Ok(Stmt::If(condition, then, None))
            }
            "while" => {
                self.at += 1;
                Ok(Stmt::While(self.condition()?, self.body()?))
            }
            "do" => {
                self.at += 1;
                let body = self.body()?;
                self.ends();
                if !self.accept_keyword("while") {
                    return self.wrong();
                }
                let condition = self.condition()?;
                self.finish()?;
                Ok(Stmt::Do(body, condition))
            }
            "for" => self.for_statement(),
            _ => self.simple_and_end(),
        }
    }

    fn for_statement(&mut self) -> Result_<Stmt> {
        self.at += 1;
        self.expect("(")?;
        if let (
            Some((Token::Name(variable), _)),
            Some((Token::Keyword(word), _)),
            Some((Token::Name(array), _)),
            Some((Token::Sign(")"), _)),
        ) = (
            self.tokens.get(self.at).cloned(),
            self.tokens.get(self.at + 1).cloned(),
            self.tokens.get(self.at + 2).cloned(),
            self.tokens.get(self.at + 3).cloned(),
        ) && word == "in"
        {
            self.at += 4;
            let (variable, array) = (self.variable(variable), self.array(array));
            return Ok(Stmt::ForIn(variable, array, self.body()?));
        }
        let first = if self.is(";") { None } else { Some(Box::new(self.simple()?)) };
        self.expect(";")?;
        self.newlines();
        let condition = if self.is(";") { None } else { Some(self.expr()?) };
        self.expect(";")?;
        self.newlines();
        let step = if self.is(")") { None } else { Some(Box::new(self.simple()?)) };
        self.expect(")")?;
        Ok(Stmt::For(first, condition, step, self.body()?))
    }

    fn simple_and_end(&mut self) -> Result_<Stmt> {
        let statement = self.simple()?;
        self.finish()?;
        Ok(statement)
    }

    fn simple(&mut self) -> Result_<Stmt> {
        let Token::Keyword(word) = self.token().clone() else { return Ok(Stmt::Expr(self.expr()?)) };
        let ends = |p: &Parser| p.is(";") || p.is("}") || matches!(p.token(), Token::Newline | Token::End);
        if word == "getline" {
            return Ok(Stmt::Expr(self.expr()?));
        }
        self.at += 1;
        Ok(match word.as_str() {
            "print" | "printf" => return self.print(word == "printf"),
            "next" => Stmt::Next,
            "nextfile" => Stmt::NextFile,
            "break" => Stmt::Break,
            "continue" => Stmt::Continue,
            "exit" => Stmt::Exit(if ends(self) { None } else { Some(self.expr()?) }),
            "return" => Stmt::Return(if ends(self) { None } else { Some(self.expr()?) }),
            "delete" => {
                let Token::Name(name) = self.take() else {
                    self.at -= 1;
                    return self.wrong();
                };
                let array = self.array(name);
                let index = if self.accept("[") { Some(self.list("]")?) } else { None };
                Stmt::Delete(array, index)
            }
            _ => {
                self.at -= 1;
                return self.wrong();
            }
        })
    }

    fn print(&mut self, formatted: bool) -> Result_<Stmt> {
        let before = std::mem::replace(&mut self.no_gt, true);
        let mut values = Vec::new();
        let ends = |p: &Parser| {
            p.is(";")
                || p.is("}")
                || p.is(">")
                || p.is(">>")
                || p.is("|")
                || matches!(p.token(), Token::Newline | Token::End)
        };
        if !ends(self) {
            loop {
                values.push(self.expr()?);
                if !self.accept(",") {
                    break;
                }
                self.newlines();
            }
        }
        if let [Expr::Group(inside)] = values.as_slice() {
            values = inside.clone();
        }
        let redirect = if self.accept(">") {
            Some(Redirect::File(self.concatenation()?))
        } else if self.accept(">>") {
            Some(Redirect::Append(self.concatenation()?))
        } else if self.accept("|") {
            Some(Redirect::Pipe(self.concatenation()?))
        } else {
            None
        };
        self.no_gt = before;
        Ok(if formatted { Stmt::Printf(values, redirect) } else { Stmt::Print(values, redirect) })
    }

    fn variable(&self, name: String) -> Expr {
        match self.params.iter().position(|p| *p == name) {
            Some(place) => Expr::Local(place),
            None => Expr::Global(name),
        }
    }

    fn array(&self, name: String) -> ArrayName {
        match self.params.iter().position(|p| *p == name) {
            Some(place) => ArrayName::Local(place),
            None => ArrayName::Global(name),
        }
    }
}
