//! Arithmetic, as in `$((…))`: the operators of C over 64-bit integers.

use super::array::Place;
use super::state::ShellState;
use super::word::{is_name_char, is_name_start};

/// What is wrong with an expression, in bash's words.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ArithError(pub String);

/// How deep a variable may name another one.
const DEEPEST: u32 = 64;

/// Evaluates an expression; variables are read from and assigned in `state`.
///
/// # Errors
/// With the message that bash prints after its name.
pub fn evaluate(text: &str, state: &mut ShellState) -> Result<i64, ArithError> {
    evaluate_at(text, state, 0)
}

fn evaluate_at(text: &str, state: &mut ShellState, depth: u32) -> Result<i64, ArithError> {
    if text.trim().is_empty() {
        return Ok(0);
    }
    let mut parser = Parser { text, at: 0, state, depth, skipping: 0, last: 0, nesting: 0 };
    let value = parser.comma()?;
    parser.blanks();
    if parser.at < text.len() {
        let rest = parser.rest().to_owned();
        let what = if rest.starts_with(|c: char| is_name_char(c) || c == '(') {
            "syntax error in expression"
        } else if rest.starts_with('=') {
            "attempted assignment to non-variable"
        } else {
            "syntax error: invalid arithmetic operator"
        };
        return Err(parser.error_at(what, parser.at));
    }
    Ok(value)
}

struct Parser<'a> {
    text: &'a str,
    at: usize,
    state: &'a mut ShellState,
    depth: u32,
    /// Above 0, nothing is assigned and nothing is divided: the branch is not taken.
    skipping: u32,
    /// Where the token that was taken last began.
    last: usize,
    nesting: u32,
}

type Value = Result<i64, ArithError>;

/// Binary operators by strength, weakest first.
const LEVELS: [&[&str]; 10] = [
    &["||"],
    &["&&"],
    &["|"],
    &["^"],
    &["&"],
    &["==", "!="],
    &["<=", ">=", "<", ">"],
    &["<<", ">>"],
    &["+", "-"],
    &["*", "/", "%"],
];

impl<'a> Parser<'a> {
    fn rest(&self) -> &'a str {
        self.text.get(self.at..).unwrap_or("")
    }

    fn blanks(&mut self) {
        self.at = self.text.len() - self.rest().trim_start().len();
    }

    fn error_at(&self, what: &str, at: usize) -> ArithError {
        let token = self.text.get(at..).unwrap_or("");
        ArithError(format!("{}: {what} (error token is \"{token}\")", self.text.trim_start()))
    }

    /// Takes an operator that is not the beginning of a longer one.
    fn operator(&mut self, operators: &[&'static str]) -> Option<&'static str> {
        self.blanks();
        let rest = self.rest();
        for op in operators {
            let Some(after) = rest.strip_prefix(op) else { continue };
            let longer = match *op {
                "|" | "&" => after.starts_with(*op) || after.starts_with('='),
                "<" | ">" => after.starts_with(*op) || after.starts_with('='),
                "==" | "!=" | "<=" | ">=" | "||" | "&&" => false,
                "*" => after.starts_with('*') || after.starts_with('='),
                _ => after.starts_with('='),
            };
            if !longer {
                self.last = self.at;
                self.at += op.len();
                return Some(op);
            }
        }
        None
    }

    fn comma(&mut self) -> Value {
        let mut value = self.assignment()?;
        while self.operator(&[","]).is_some() {
            value = self.assignment()?;
        }
        Ok(value)
    }

    fn name_at(&mut self) -> Option<&'a str> {
        self.blanks();
        let rest = self.rest();
        rest.starts_with(is_name_start).then(|| &rest[..rest.find(|c| !is_name_char(c)).unwrap_or(rest.len())])
    }

    /// The variable of this name, or the element of it whose index stands behind the name in brackets.
    fn subscript(&mut self, name: &'a str) -> Result<Place<'a>, ArithError> {
        if !self.rest().starts_with('[') {
            return Ok(Place { name, index: None });
        }
        let start = self.at;
        self.at += 1;
        let index = self.comma()?;
        self.blanks();
        if !self.rest().starts_with(']') {
            return Err(self.error_at("bad array subscript", start));
        }
        self.at += 1;
        Ok(Place { name, index: Some(index) })
    }

    fn assignment(&mut self) -> Value {
        self.nesting += 1;
        if self.nesting > 200 {
            return Err(ArithError("expression recursion level exceeded".into()));
        }
        let value = self.assignment_inner();
        self.nesting -= 1;
        value
    }

    fn assignment_inner(&mut self) -> Value {
        let start = self.at;
        if let Some(name) = self.name_at() {
            let begin = self.at;
            self.at += name.len();
            let name = self.subscript(name)?;
            self.blanks();
            let rest = self.rest();
            let ops = ["<<=", ">>=", "*=", "/=", "%=", "+=", "-=", "&=", "^=", "|="];
            if rest.starts_with('=') && !rest.starts_with("==") {
                self.at += 1;
                self.last = self.at - 1;
                let value = self.assignment()?;
                return self.store(name, value);
            }
            if let Some(op) = ops.iter().find(|op| rest.starts_with(**op)) {
                self.last = self.at;
                self.at += op.len();
                let old = self.load(name)?;
                let right_at = self.at;
                let right = self.assignment()?;
                let value = self.binary(&op[..op.len() - 1], old, right, right_at)?;
                return self.store(name, value);
            }
            self.at = begin;
        }
        self.at = start;
        self.conditional()
    }

    fn conditional(&mut self) -> Value {
        let condition = self.level(0)?;
        if self.operator(&["?"]).is_none() {
            return Ok(condition);
        }
        self.skipping += u32::from(condition == 0);
        let yes = self.assignment();
        self.skipping -= u32::from(condition == 0);
        let yes = yes?;
        if self.operator(&[":"]).is_none() {
            return Err(self.error_at("`:' expected for conditional expression", self.last));
        }
        self.skipping += u32::from(condition != 0);
        let no = self.conditional();
        self.skipping -= u32::from(condition != 0);
        Ok(if condition != 0 { yes } else { no? })
    }

    fn level(&mut self, level: usize) -> Value {
        let Some(operators) = LEVELS.get(level) else { return self.power() };
        let mut left = self.level(level + 1)?;
        while let Some(op) = self.operator(operators) {
            let skip = u32::from((op == "||" && left != 0) || (op == "&&" && left == 0));
            self.skipping += skip;
            self.blanks();
            let right_at = self.at;
            let right = self.level(level + 1);
            self.skipping -= skip;
            left = self.binary(op, left, right?, right_at)?;
        }
        Ok(left)
    }

    fn power(&mut self) -> Value {
        let base = self.unary()?;
        if self.operator(&["**"]).is_none() {
            return Ok(base);
        }
        let at = self.at;
        let exponent = self.power()?;
        if exponent < 0 {
            return Err(self.error_at("exponent less than 0", at));
        }
        let mut value = 1i64;
        let (mut base, mut n) = (base, exponent);
        while n > 0 {
            if n & 1 == 1 {
                value = value.wrapping_mul(base);
            }
            base = base.wrapping_mul(base);
            n >>= 1;
        }
        Ok(value)
    }

    fn unary(&mut self) -> Value {
        self.blanks();
        let rest = self.rest();
        for op in ["++", "--"] {
            if let Some(after) = rest.strip_prefix(op)
                && after.trim_start().starts_with(is_name_start)
            {
                self.at += 2;
                let Some(name) = self.name_at() else { break };
                self.at += name.len();
                let name = self.subscript(name)?;
                let value = self.load(name)?.wrapping_add(if op == "++" { 1 } else { -1 });
                return self.store(name, value);
            }
        }
        self.nesting += 1;
        if self.nesting > 200 {
            return Err(ArithError("expression recursion level exceeded".into()));
        }
        if !rest.is_empty() {
            self.last = self.at;
        }
        let value = match rest.chars().next() {
            Some('!') if !rest.starts_with("!=") => {
                self.at += 1;
                i64::from(self.unary()? == 0)
            }
            Some('~') => {
                self.at += 1;
                !self.unary()?
            }
            Some('-') => {
                self.at += 1;
                self.unary()?.wrapping_neg()
            }
            Some('+') => {
                self.at += 1;
                self.unary()?
            }
            _ => self.primary()?,
        };
        self.nesting -= 1;
        Ok(value)
    }

    fn primary(&mut self) -> Value {
        self.blanks();
        let rest = self.rest();
        match rest.chars().next() {
            Some('(') => {
                self.last = self.at;
                self.at += 1;
                let value = self.comma()?;
                self.blanks();
                if !self.rest().starts_with(')') {
                    return Err(self.error_at("missing `)'", self.last));
                }
                self.last = self.at;
                self.at += 1;
                Ok(value)
            }
            Some(c) if c.is_ascii_digit() => self.number(),
            Some(c) if is_name_start(c) => {
                let Some(name) = self.name_at() else { return Ok(0) };
                self.last = self.at;
                self.at += name.len();
                let name = self.subscript(name)?;
                let after = self.rest().trim_start();
                for (op, step) in [("++", 1), ("--", -1)] {
                    if after.starts_with(op) {
                        self.blanks();
                        self.at += 2;
                        let old = self.load(name)?;
                        self.store(name, old.wrapping_add(step))?;
                        return Ok(old);
                    }
                }
                self.load(name)
            }
            _ => {
                Err(self.error_at("syntax error: operand expected", if rest.is_empty() { self.last } else { self.at }))
            }
        }
    }

    fn number(&mut self) -> Value {
        self.last = self.at;
        let rest = self.rest();
        let end =
            rest.find(|c: char| !(c.is_ascii_alphanumeric() || matches!(c, '#' | '@' | '_'))).unwrap_or(rest.len());
        let token = &rest[..end];
        let start = self.at;
        self.at += end;
        let (radix, digits) = if let Some((base, digits)) = token.split_once('#') {
            match base.parse::<i64>() {
                Ok(n) if (2..=64).contains(&n) => (n, digits),
                _ => return Err(self.error_at("invalid arithmetic base", start)),
            }
        } else if let Some(hex) = token.strip_prefix("0x").or_else(|| token.strip_prefix("0X")) {
            (16, hex)
        } else if token.len() > 1 && token.starts_with('0') {
            (8, &token[1..])
        } else {
            (10, token)
        };
        let mut value = 0i64;
        for c in digits.chars() {
            let digit = match c {
                '0'..='9' => i64::from(c as u32 - '0' as u32),
                'a'..='z' => i64::from(c as u32 - 'a' as u32) + 10,
                'A'..='Z' if radix <= 36 => i64::from(c as u32 - 'A' as u32) + 10,
                'A'..='Z' => i64::from(c as u32 - 'A' as u32) + 36,
                '@' => 62,
                '_' => 63,
                _ => 64,
            };
            if digit >= radix {
                let what = if c.is_ascii_digit() || token.contains('#') {
                    "value too great for base"
                } else {
                    return Err(self.error_at("value too great for base", start));
                };
                return Err(self.error_at(what, start));
            }
            value = value.wrapping_mul(radix).wrapping_add(digit);
        }
        Ok(value)
    }

    fn binary(&mut self, op: &str, l: i64, r: i64, right_at: usize) -> Value {
        Ok(match op {
            "||" => i64::from(l != 0 || r != 0),
            "&&" => i64::from(l != 0 && r != 0),
            "|" => l | r,
            "^" => l ^ r,
            "&" => l & r,
            "==" => i64::from(l == r),
            "!=" => i64::from(l != r),
            "<=" => i64::from(l <= r),
            ">=" => i64::from(l >= r),
            "<" => i64::from(l < r),
            ">" => i64::from(l > r),
            "<<" => l.wrapping_shl(r as u32),
            ">>" => l.wrapping_shr(r as u32),
            "+" => l.wrapping_add(r),
            "-" => l.wrapping_sub(r),
            "*" => l.wrapping_mul(r),
            "/" | "%" if self.skipping > 0 => 0,
            "/" | "%" if r == 0 => return Err(self.error_at("division by 0", right_at)),
            "/" => l.wrapping_div(r),
            _ => l.wrapping_rem(r),
        })
    }

    fn load(&mut self, place: Place<'_>) -> Value {
        let name = place.name;
        let value = match place.index {
            Some(index) => self.state.element(name, index),
            None => self.state.get(name).cloned(),
        };
        let Some(text) = value else {
            if self.state.options.nounset && self.skipping == 0 {
                return Err(ArithError(format!("{name}: unbound variable")));
            }
            return Ok(0);
        };
        if let Ok(n) = text.parse::<i64>()
            && !text.starts_with('0')
        {
            return Ok(n);
        }
        if self.depth >= DEEPEST {
            return Err(self.error_at("expression recursion level exceeded", self.last));
        }
        evaluate_at(&text, self.state, self.depth + 1)
    }

    fn store(&mut self, place: Place<'_>, value: i64) -> Value {
        if self.skipping > 0 {
            return Ok(value);
        }
        let name = place.name;
        let stored = match place.index {
            Some(index) => self.state.set_element(name, index, &value.to_string()),
            None => self.state.set(name, &value.to_string()).map_err(|_| format!("{name}: readonly variable")),
        };
        stored.map(|()| value).map_err(ArithError)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn eval(text: &str) -> Result<i64, String> {
        let mut state = ShellState::default();
        let _ = state.set("x", "7");
        evaluate(text, &mut state).map_err(|e| e.0)
    }

    #[test]
    fn operators_of_c() {
        assert_eq!(eval("1 + 2 * 3"), Ok(7));
        assert_eq!(eval("(1+2)*3 - -1"), Ok(10));
        assert_eq!(eval("x++ + x"), Ok(15));
        assert_eq!(eval("x = 3, x *= 2, x"), Ok(6));
        assert_eq!(eval("2 ** 10 % 1000"), Ok(24));
        assert_eq!(eval("0x10 + 010 + 2#101"), Ok(29));
        assert_eq!(eval("1 ? 2 : 1/0"), Ok(2));
        assert_eq!(eval("x > 5 && x <= 7 || 0"), Ok(1));
        assert_eq!(eval("1 << 4 | 3 & 2 ^ 1"), Ok(19));
        assert_eq!(eval(""), Ok(0));
    }

    #[test]
    fn errors_in_the_words_of_bash() {
        assert_eq!(eval("1/0"), Err("1/0: division by 0 (error token is \"0\")".into()));
        assert_eq!(eval("1+"), Err("1+: syntax error: operand expected (error token is \"+\")".into()));
        assert_eq!(eval("1 2"), Err("1 2: syntax error in expression (error token is \"2\")".into()));
    }
}
