//! expr(1): evaluates an expression whose words are arguments, as coreutils' `expr.c` does.

use crate::program;
use crate::program::Sys;
use crate::program::text::regex::{Regex, Syntax, Whole};

program!(EXPR = "expr" in "/usr/bin", "evaluate expressions", expr, "\
ARG1 | ARG2, ARG1 & ARG2  the first one that is neither null nor 0; both must be
ARG1 < <= = != >= > ARG2  comparisons, of numbers if both are
ARG1 + - * / % ARG2  arithmetic, on 128 bits here
STRING : REGEXP, match STRING REGEXP  anchored match: what \\( \\) holds, or how many characters match
substr STRING POS LENGTH; index STRING CHARS; length STRING; + TOKEN; ( EXPRESSION )");

/// Exit status of an expression that is wrong.
const INVALID: i32 = 2;
/// How deep parentheses and functions may be in one another here.
const DEPTH_MAX: usize = 100;

/// A value: as text, or as a number.
#[derive(Clone, PartialEq, Eq, Debug)]
enum Value {
    Text(String),
    Number(i128),
}

/// What is wrong, as it is printed.
type Eval = Result<Value, String>;

async fn expr(sys: Sys) -> Result<i32, i32> {
    let mut words = sys.argv().get(1..).unwrap_or_default();
    if words == ["--help"] {
        sys.print(format!("Usage: expr EXPRESSION\n  or:  expr OPTION\n{}\n", EXPR.usage)).await;
        return Ok(0);
    }
    if words.first().is_some_and(|word| word == "--") {
        words = &words[1..];
    }
    if words.is_empty() {
        sys.error("missing operand").await;
        sys.try_help().await;
        return Err(INVALID);
    }
    let mut parser = Parser { words, next: 0, depth: 0 };
    let value = parser.or(true).and_then(|value| match parser.words.get(parser.next) {
        Some(extra) => Err(format!("syntax error: unexpected argument '{extra}'")),
        None => Ok(value),
    });
    match value {
        Ok(value) => {
            sys.print(format!("{}\n", value.text())).await;
            Ok(i32::from(value.is_null()))
        }
        Err(message) => {
            sys.error(message).await;
            Err(INVALID)
        }
    }
}

impl Value {
    fn text(&self) -> String {
        match self {
            Value::Text(text) => text.clone(),
            Value::Number(n) => n.to_string(),
        }
    }

    /// `null`: nothing, or a zero however it is written.
    fn is_null(&self) -> bool {
        match self {
            Value::Number(n) => *n == 0,
            Value::Text(text) => {
                let digits = text.strip_prefix('-').unwrap_or(text);
                text.is_empty() || !digits.is_empty() && digits.bytes().all(|b| b == b'0')
            }
        }
    }

    fn is_integer(&self) -> bool {
        match self {
            Value::Number(_) => true,
            Value::Text(text) => {
                let digits = text.strip_prefix('-').unwrap_or(text);
                !digits.is_empty() && digits.bytes().all(|b| b.is_ascii_digit())
            }
        }
    }

    fn number(&self) -> Result<i128, String> {
        match self {
            Value::Number(n) => Ok(*n),
            Value::Text(_) if !self.is_integer() => Err("non-integer argument".to_owned()),
            Value::Text(text) => text.parse().map_err(|_| TOO_LARGE.to_owned()),
        }
    }
}

const TOO_LARGE: &str = "numbers of more than 128 bits are not modelled here";

struct Parser<'a> {
    words: &'a [String],
    next: usize,
    depth: usize,
}

impl Parser<'_> {
    /// Takes the next word if it is one of these.
    fn take(&mut self, wanted: &[&'static str]) -> Option<&'static str> {
        let word = self.words.get(self.next)?;
        let found = wanted.iter().copied().find(|w| w == word)?;
        self.next += 1;
        Some(found)
    }

    /// Takes the next word, whatever it is.
    fn word(&mut self) -> Result<String, String> {
        if let Some(word) = self.words.get(self.next) {
            self.next += 1;
            return Ok(word.clone());
        }
        let last = self.words.last().map_or("", String::as_str);
        Err(format!("syntax error: missing argument after '{last}'"))
    }

    fn or(&mut self, evaluate: bool) -> Eval {
        let mut left = self.and(evaluate)?;
        while self.take(&["|"]).is_some() {
            let right = self.and(evaluate && left.is_null())?;
            if left.is_null() {
                left = if right.is_null() { Value::Number(0) } else { right };
            }
        }
        Ok(left)
    }

    fn and(&mut self, evaluate: bool) -> Eval {
        let mut left = self.comparison(evaluate)?;
        while self.take(&["&"]).is_some() {
            let right = self.comparison(evaluate && !left.is_null())?;
            if left.is_null() || right.is_null() {
                left = Value::Number(0);
            }
        }
        Ok(left)
    }

    fn comparison(&mut self, evaluate: bool) -> Eval {
        let mut left = self.sum(evaluate)?;
        while let Some(operator) = self.take(&["<", "<=", "=", "==", "!=", ">=", ">"]) {
            let right = self.sum(evaluate)?;
            let order = match (left.is_integer(), right.is_integer()) {
                (true, true) if evaluate => left.number()?.cmp(&right.number()?),
                _ => left.text().cmp(&right.text()),
            };
            let holds = match operator {
                "<" => order.is_lt(),
                "<=" => order.is_le(),
                ">=" => order.is_ge(),
                ">" => order.is_gt(),
                "!=" => order.is_ne(),
                _ => order.is_eq(),
            };
            left = Value::Number(i128::from(holds));
        }
        Ok(left)
    }

    fn sum(&mut self, evaluate: bool) -> Eval {
        let mut left = self.product(evaluate)?;
        while let Some(operator) = self.take(&["+", "-"]) {
            let right = self.product(evaluate)?;
            if evaluate {
                let (a, b) = (left.number()?, right.number()?);
                let result = if operator == "+" { a.checked_add(b) } else { a.checked_sub(b) };
                left = Value::Number(result.ok_or(TOO_LARGE)?);
            }
        }
        Ok(left)
    }

    fn product(&mut self, evaluate: bool) -> Eval {
        let mut left = self.matched(evaluate)?;
        while let Some(operator) = self.take(&["*", "/", "%"]) {
            let right = self.matched(evaluate)?;
            if evaluate {
                let (a, b) = (left.number()?, right.number()?);
                if operator != "*" && b == 0 {
                    return Err("division by zero".to_owned());
                }
                let result = match operator {
                    "*" => a.checked_mul(b),
                    "/" => a.checked_div(b),
                    _ => a.checked_rem(b),
                };
                left = Value::Number(result.ok_or(TOO_LARGE)?);
            }
        }
        Ok(left)
    }

    fn matched(&mut self, evaluate: bool) -> Eval {
        let mut left = self.function(evaluate)?;
        while self.take(&[":"]).is_some() {
            let pattern = self.function(evaluate)?;
            if evaluate {
                left = anchored_match(&left.text(), &pattern.text())?;
            }
        }
        Ok(left)
    }

    fn function(&mut self, evaluate: bool) -> Eval {
        self.depth += 1;
        if self.depth > DEPTH_MAX {
            return Err("an expression this deep is not modelled here".to_owned());
        }
        let value = self.function_or_operand(evaluate);
        self.depth -= 1;
        value
    }

    fn function_or_operand(&mut self, evaluate: bool) -> Eval {
        match self.take(&["+", "length", "match", "index", "substr"]) {
            Some("+") => Ok(Value::Text(self.word()?)),
            Some("length") => {
                let text = self.function(evaluate)?.text();
                Ok(Value::Number(text.chars().count() as i128))
            }
            Some("match") => {
                let (text, pattern) = (self.function(evaluate)?, self.function(evaluate)?);
                if evaluate { anchored_match(&text.text(), &pattern.text()) } else { Ok(text) }
            }
            Some("index") => {
                let (text, set) = (self.function(evaluate)?.text(), self.function(evaluate)?.text());
                let place = text.chars().position(|c| set.contains(c));
                Ok(Value::Number(place.map_or(0, |at| at as i128 + 1)))
            }
            Some(_) => {
                let text = self.function(evaluate)?.text();
                let (from, length) = (self.function(evaluate)?, self.function(evaluate)?);
                let at_least_1 = |v: &Value| v.number().ok().filter(|n| *n > 0).and_then(|n| usize::try_from(n).ok());
                let part = match (at_least_1(&from), at_least_1(&length)) {
                    (Some(from), Some(length)) => text.chars().skip(from - 1).take(length).collect(),
                    _ => String::new(),
                };
                Ok(Value::Text(part))
            }
            None => self.operand(evaluate),
        }
    }

    fn operand(&mut self, evaluate: bool) -> Eval {
        if self.take(&["("]).is_some() {
            let value = self.or(evaluate)?;
            let last = self.words.get(self.next.wrapping_sub(1)).map_or("", String::as_str);
            return match self.words.get(self.next).map(String::as_str) {
                None => Err(format!("syntax error: expecting ')' after '{last}'")),
                Some(")") => {
                    self.next += 1;
                    Ok(value)
                }
                Some(other) => Err(format!("syntax error: expecting ')' instead of '{other}'")),
            };
        }
        if self.take(&[")"]).is_some() {
            return Err("syntax error: unexpected ')'".to_owned());
        }
        Ok(Value::Text(self.word()?))
    }
}

/// `docolon`
fn anchored_match(text: &str, pattern: &str) -> Eval {
    let regex = Regex::new(pattern, Syntax::Basic, false, Whole::Anything)?;
    let found = regex.find_at(text.as_bytes(), 0).filter(|captures| captures.whole().0 == 0);
    if regex.groups() > 0 {
        let group = found.and_then(|captures| captures.get(1)).and_then(|(from, to)| text.get(from..to));
        return Ok(Value::Text(group.unwrap_or_default().to_owned()));
    }
    let matched = found.and_then(|captures| text.get(..captures.whole().1));
    Ok(Value::Number(matched.map_or(0, |part| part.chars().count() as i128)))
}

#[cfg(test)]
mod tests {
    use crate::session::Session;
    use crate::world::Config;

    #[test]
    fn an_expression_is_evaluated_or_refused_in_its_own_words() {
        let mut s = Session::new(Config::default());
        assert_eq!(s.line("expr 1 + 2 '*' 3; expr '(' 1 + 2 ')' '*' 3; expr -7 / 2; expr -7 % 3"), "7\n9\n-3\n-1\n");
        assert_eq!(s.line("expr abc : 'a.'; expr abc : '.\\(.\\)'; expr abc : b"), "2\nb\n0\n[exit 1]\n");
        assert_eq!(s.line("expr 10 '<' 9; expr a '<' b; expr 0 '|' x"), "0\n1\nx\n");
        assert_eq!(s.line("expr length hello; expr substr hello 2 3; expr index hello lo"), "5\nell\n3\n");
        assert_eq!(s.line("expr 1 +"), "expr: syntax error: missing argument after '+'\n[exit 2]\n");
        assert_eq!(s.line("expr '(' 1"), "expr: syntax error: expecting ')' after '1'\n[exit 2]\n");
        assert_eq!(s.line("expr 1 2"), "expr: syntax error: unexpected argument '2'\n[exit 2]\n");
        assert_eq!(s.line("expr a + 1"), "expr: non-integer argument\n[exit 2]\n");
        let deep = "length ".repeat(5000);
        assert_eq!(s.line(&format!("expr {deep} x")), "expr: an expression this deep is not modelled here\n[exit 2]\n");
        assert_eq!(s.line("expr 5 / 0"), "expr: division by zero\n[exit 2]\n");
    }
}
