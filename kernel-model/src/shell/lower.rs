//! From text to the shell's own syntax tree: the only place that knows the parser library.

use std::sync::Arc;

use brush_parser::{ParseError, Parser, ParserOptions, SourceSpan, Token, TokenizerError, ast as b};

use super::ast::{
    AndOr, ArithmeticFor, Assigned, Assignment, Case, CaseBranch, CaseEnd, Command, Compound, Connector, FileMode, For,
    Function, If, Item, List, Pipeline, Redirect, RedirectTarget, Simple, TestExpr, TimeFormat, While, Word,
};
use super::diagnose::{self, Diagnosis};
use super::word::{self, Context};

/// Why a text is no program.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum SyntaxError {
    /// A quotation or expansion is not closed.
    Unclosed {
        /// The character that is missing.
        what: char,
        /// Where it was opened.
        line: u32,
    },
    /// A token stands where it cannot.
    Near {
        /// The token; `newline` for the end of a line.
        token: String,
        /// Its line.
        line: u32,
    },
    /// The text ends in the middle of a compound command.
    EndOfFile {
        /// The last line.
        line: u32,
    },
    /// A here-document is not ended.
    HereDoc {
        /// The words that should end it.
        tag: String,
        /// Where it began.
        line: u32,
    },
    /// More nested than anybody writes.
    TooDeep {
        /// The line.
        line: u32,
    },
    /// Syntax of bash that the model's shell does not have.
    NotModelled {
        /// What it is.
        what: &'static str,
        /// The line.
        line: u32,
    },
}

/// How deep parentheses and braces may be nested: the parser is recursive.
const DEEPEST: usize = 100;

fn options() -> ParserOptions {
    ParserOptions { enable_extended_globbing: false, ..ParserOptions::default() }
}

/// Reads a program that begins on this line.
///
/// # Errors
/// The first error of syntax in it.
pub fn parse(text: &str, line: u32) -> Result<List, SyntaxError> {
    parse_at(text, line, 0)
}

/// Reads what is between `$(` and `)` or between backquotes.
///
/// # Errors
/// The first error of syntax in it.
pub fn parse_substitution(text: &str, line: u32, depth: usize) -> Result<List, SyntaxError> {
    if depth > 32 {
        return Err(SyntaxError::TooDeep { line });
    }
    parse_at(text, line, depth)
}

fn parse_at(text: &str, line: u32, depth: usize) -> Result<List, SyntaxError> {
    if nesting(text) > DEEPEST {
        return Err(SyntaxError::TooDeep { line });
    }
    let program = Parser::new(text.as_bytes(), &options()).parse_program().map_err(|e| explain(&e, text, line))?;
    let lowering = Lowering { base: line, depth };
    let mut items = Vec::new();
    for command in &program.complete_commands {
        lowering.items(command, &mut items)?;
    }
    Ok(items.into())
}

/// How deep the text may make the parser go, counted generously.
fn nesting(text: &str) -> usize {
    let (mut deepest, mut depth) = (0usize, 0usize);
    for c in text.chars() {
        match c {
            '(' | '{' => depth += 1,
            ')' | '}' => depth = depth.saturating_sub(1),
            _ => {}
        }
        deepest = deepest.max(depth);
    }
    let words = |w: &str| text.split(|c: char| !c.is_ascii_alphanumeric()).filter(|t| *t == w).count();
    let blocks = [("if", "fi"), ("do", "done"), ("case", "esac")];
    deepest + blocks.iter().map(|(open, close)| words(open).saturating_sub(words(close))).sum::<usize>()
}

/// Why the parser refused the text, in bash's terms.
fn explain(error: &ParseError, text: &str, base: u32) -> SyntaxError {
    let at = |line: usize| base + (line.max(1) as u32) - 1;
    let last = base + text.trim_end_matches('\n').matches('\n').count() as u32;
    match error {
        ParseError::Tokenizing { inner, position } => {
            let line = position.as_ref().map_or(last, |p| at(p.line));
            match inner {
                TokenizerError::UnterminatedSingleQuote(p) | TokenizerError::UnterminatedAnsiCQuote(p) => {
                    SyntaxError::Unclosed { what: '\'', line: at(p.line) }
                }
                TokenizerError::UnterminatedDoubleQuote(p) => SyntaxError::Unclosed { what: '"', line: at(p.line) },
                TokenizerError::UnterminatedBackquote(p) => SyntaxError::Unclosed { what: '`', line: at(p.line) },
                TokenizerError::UnterminatedVariable => SyntaxError::Unclosed { what: '}', line },
                TokenizerError::UnterminatedCommandSubstitution | TokenizerError::UnterminatedExpansion => {
                    SyntaxError::Unclosed { what: ')', line }
                }
                TokenizerError::UnterminatedHereDocuments(tags, _) => {
                    let tag = tags.split(',').next().unwrap_or(tags).trim().to_owned();
                    SyntaxError::HereDoc { tag, line: base }
                }
                TokenizerError::UnterminatedEscapeSequence => SyntaxError::EndOfFile { line: last + 1 },
                _ => SyntaxError::EndOfFile { line: last + 1 },
            }
        }
        ParseError::ParsingNear(_) | ParseError::ParsingAtEndOfInput => {
            let tokens = brush_parser::tokenize_str_with_options(text, &options().tokenizer_options());
            let tokens = tokens.unwrap_or_default();
            let near = |token: &Token| SyntaxError::Near {
                token: if token.to_str().starts_with('\n') { "newline".to_owned() } else { token.to_str().to_owned() },
                line: at(token.location().start.line),
            };
            match diagnose::diagnose(&tokens) {
                Diagnosis::Near(i) => match tokens.get(i) {
                    Some(token) => near(token),
                    None => SyntaxError::Near { token: "newline".to_owned(), line: last },
                },
                Diagnosis::Incomplete => SyntaxError::EndOfFile { line: last + 1 },
                Diagnosis::NothingFound => match error {
                    ParseError::ParsingNear(position) => tokens
                        .iter()
                        .find(|t| t.location().start.index >= position.index)
                        .map_or(SyntaxError::EndOfFile { line: last + 1 }, near),
                    _ => SyntaxError::EndOfFile { line: last + 1 },
                },
            }
        }
    }
}

/// The commands whose arguments of the form `NAME=value` are expanded as assignments are.
const DECLARATIONS: [&str; 5] = ["export", "readonly", "local", "declare", "typeset"];

/// An and-or list as bash prints it in its table of jobs.
fn job_text(and_or: &b::AndOrList) -> String {
    let pipeline = |p: &b::Pipeline| {
        let commands: Vec<String> = p.seq.iter().map(ToString::to_string).collect();
        format!("{}{}", if p.bang { "! " } else { "" }, commands.join(" | "))
    };
    let mut text = pipeline(&and_or.first);
    for next in &and_or.additional {
        let (connector, next) = match next {
            b::AndOr::And(p) => ("&&", p),
            b::AndOr::Or(p) => ("||", p),
        };
        text.push_str(&format!(" {connector} {}", pipeline(next)));
    }
    text
}

struct Lowering {
    base: u32,
    depth: usize,
}

type Lowered<T> = Result<T, SyntaxError>;

impl Lowering {
    fn line(&self, span: &SourceSpan) -> u32 {
        self.base + (span.start.line.max(1) as u32) - 1
    }

    fn word(&self, word: &b::Word) -> Lowered<Word> {
        self.word_in(word, Context::Plain)
    }

    fn word_in(&self, w: &b::Word, context: Context) -> Lowered<Word> {
        self.text(&w.value, context, w.loc.as_ref().map_or(self.base, |l| self.line(l)))
    }

    fn text(&self, text: &str, context: Context, line: u32) -> Lowered<Word> {
        if self.depth > 32 {
            return Err(SyntaxError::TooDeep { line });
        }
        word::parse(text, context, line)
    }

    fn words(&self, words: &[b::Word]) -> Lowered<Vec<Word>> {
        words.iter().map(|w| self.word(w)).collect()
    }

    /// The words that a word stands for once its braces are expanded.
    fn braces(&self, w: &b::Word, out: &mut Vec<Word>) -> Lowered<()> {
        let line = w.loc.as_ref().map_or(self.base, |l| self.line(l));
        for text in super::brace::expand(&w.value) {
            out.push(self.text(&text, Context::Plain, line)?);
        }
        Ok(())
    }

    fn brace_words(&self, words: &[b::Word]) -> Lowered<Vec<Word>> {
        let mut out = Vec::new();
        for word in words {
            self.braces(word, &mut out)?;
        }
        Ok(out)
    }

    fn list(&self, list: &b::CompoundList) -> Lowered<List> {
        let mut items = Vec::new();
        self.items(list, &mut items)?;
        Ok(items.into())
    }

    fn items(&self, list: &b::CompoundList, items: &mut Vec<Item>) -> Lowered<()> {
        for b::CompoundListItem(and_or, separator) in &list.0 {
            let background = matches!(separator, b::SeparatorOperator::Async);
            items.push(Item {
                line: self.line_of_and_or(and_or),
                and_or: Arc::new(self.and_or(and_or)?),
                background,
                text: background.then(|| job_text(and_or).into()),
            });
        }
        Ok(())
    }

    fn line_of_and_or(&self, and_or: &b::AndOrList) -> u32 {
        use b::SourceLocation;
        and_or.location().map_or(self.base, |l| self.line(&l))
    }

    fn and_or(&self, and_or: &b::AndOrList) -> Lowered<AndOr> {
        let mut rest = Vec::new();
        for next in &and_or.additional {
            let (connector, pipeline) = match next {
                b::AndOr::And(p) => (Connector::And, p),
                b::AndOr::Or(p) => (Connector::Or, p),
            };
            rest.push((connector, Arc::new(self.pipeline(pipeline)?)));
        }
        Ok(AndOr { first: Arc::new(self.pipeline(&and_or.first)?), rest })
    }

    fn pipeline(&self, pipeline: &b::Pipeline) -> Lowered<Pipeline> {
        let mut commands = Vec::new();
        for command in &pipeline.seq {
            commands.push(Arc::new(self.command(command)?));
        }
        let timed = pipeline.timed.as_ref().map(|timed| match timed {
            b::PipelineTimed::Timed(_) => TimeFormat::Bash,
            b::PipelineTimed::TimedWithPosixOutput(_) => TimeFormat::Posix,
        });
        Ok(Pipeline { negated: pipeline.bang, timed, commands })
    }

    fn command(&self, command: &b::Command) -> Lowered<Command> {
        Ok(match command {
            b::Command::Simple(simple) => Command::Simple(self.simple(simple)?),
            b::Command::Compound(compound, redirects) => {
                Command::Compound(self.compound(compound)?, self.redirects(redirects.as_ref())?)
            }
            b::Command::Function(function) => {
                let b::FunctionBody(compound, redirects) = &function.body;
                let body = Command::Compound(self.compound(compound)?, self.redirects(redirects.as_ref())?);
                Command::Function(Arc::new(Function {
                    name: function.fname.value.as_str().into(),
                    body: Arc::new(body),
                    text: function.to_string().into(),
                }))
            }
            b::Command::ExtendedTest(test, redirects) => {
                let line = self.line(&test.loc);
                Command::Compound(
                    Compound::Test(Arc::new(self.test(&test.expr)?), line),
                    self.redirects(redirects.as_ref())?,
                )
            }
        })
    }

    fn simple(&self, simple: &b::SimpleCommand) -> Lowered<Simple> {
        let mut out = Simple::default();
        let see = |out: &mut Simple, line: u32| {
            if out.line == 0 {
                out.line = line;
            }
        };
        for item in simple.prefix.iter().flat_map(|p| &p.0) {
            match item {
                b::CommandPrefixOrSuffixItem::AssignmentWord(assignment, _) => {
                    see(&mut out, self.line(&assignment.loc));
                    out.assignments.push(self.assignment(assignment)?);
                }
                other => self.operand(other, &mut out, false)?,
            }
        }
        let mut declaration = false;
        if let Some(name) = &simple.word_or_name {
            see(&mut out, name.loc.as_ref().map_or(self.base, |l| self.line(l)));
            declaration = DECLARATIONS.contains(&name.value.as_str());
            self.braces(name, &mut out.words)?;
        }
        for item in simple.suffix.iter().flat_map(|s| &s.0) {
            self.operand(item, &mut out, declaration)?;
        }
        if out.line == 0 {
            out.line = self.base;
        }
        Ok(out)
    }

    fn operand(&self, item: &b::CommandPrefixOrSuffixItem, out: &mut Simple, declaration: bool) -> Lowered<()> {
        match item {
            b::CommandPrefixOrSuffixItem::IoRedirect(redirect) => out.redirects.push(self.redirect(redirect)?),
            b::CommandPrefixOrSuffixItem::Word(word) => self.braces(word, &mut out.words)?,
            b::CommandPrefixOrSuffixItem::AssignmentWord(assignment, _)
                if declaration && matches!(assignment.value, b::AssignmentValue::Array(_)) =>
            {
                let assignment = self.assignment(assignment)?;
                out.words.push(Word::text(&assignment.name));
                out.arrays.push(assignment);
            }
            b::CommandPrefixOrSuffixItem::AssignmentWord(_, word) if declaration => {
                let line = word.loc.as_ref().map_or(self.base, |l| self.line(l));
                let (name, value) = word.value.split_once('=').unwrap_or((&word.value, ""));
                let value = self.text(value, Context::Assignment, line)?;
                let mut parts = vec![super::ast::Part::Quoted(format!("{name}=").into())];
                parts.push(super::ast::Part::DoubleQuoted(value.parts));
                out.words.push(Word::new(parts));
            }
            b::CommandPrefixOrSuffixItem::AssignmentWord(_, word) => out.words.push(self.word(word)?),
            b::CommandPrefixOrSuffixItem::ProcessSubstitution(kind, sub) => {
                out.words.push(self.process_substitution(kind, sub)?);
            }
        }
        Ok(())
    }

    fn process_substitution(&self, kind: &b::ProcessSubstitutionKind, sub: &b::SubshellCommand) -> Lowered<Word> {
        let writes = matches!(kind, b::ProcessSubstitutionKind::Write);
        Ok(Word::new(vec![super::ast::Part::Process(self.list(&sub.list)?, writes)]))
    }

    fn assignment(&self, assignment: &b::Assignment) -> Lowered<Assignment> {
        let line = self.line(&assignment.loc);
        let (name, value) = match (&assignment.name, &assignment.value) {
            (b::AssignmentName::VariableName(name), b::AssignmentValue::Scalar(value)) => {
                (name, Assigned::Scalar(self.word_in(value, Context::Assignment)?))
            }
            (b::AssignmentName::ArrayElementName(name, index), b::AssignmentValue::Scalar(value)) => {
                let index = self.text(index, Context::Arithmetic, line)?;
                (name, Assigned::Element(index, self.word_in(value, Context::Assignment)?))
            }
            (b::AssignmentName::VariableName(name), b::AssignmentValue::Array(elements)) => {
                let mut all = Vec::new();
                for (index, value) in elements {
                    match index {
                        Some(index) => {
                            let index = self.text(&index.value, Context::Arithmetic, line)?;
                            all.push((Some(index), self.word_in(value, Context::Assignment)?));
                        }
                        None => {
                            all.extend(self.brace_words(std::slice::from_ref(value))?.into_iter().map(|w| (None, w)))
                        }
                    }
                }
                (name, Assigned::Elements(all))
            }
            (b::AssignmentName::ArrayElementName(..), b::AssignmentValue::Array(_)) => {
                return Err(SyntaxError::NotModelled { what: "a list as the element of an array", line });
            }
        };
        Ok(Assignment { name: name.as_str().into(), value, append: assignment.append })
    }

    fn compound(&self, compound: &b::CompoundCommand) -> Lowered<Compound> {
        Ok(match compound {
            b::CompoundCommand::BraceGroup(group) => Compound::Brace(self.list(&group.list)?),
            b::CompoundCommand::Subshell(subshell) => Compound::Subshell(self.list(&subshell.list)?),
            b::CompoundCommand::Arithmetic(arithmetic) => {
                let line = self.line(&arithmetic.loc);
                Compound::Arithmetic(self.text(&arithmetic.expr.value, Context::Arithmetic, line)?, line)
            }
            b::CompoundCommand::ArithmeticForClause(clause) => {
                let line = self.line(&clause.loc);
                let expr = |e: &Option<b::UnexpandedArithmeticExpr>| {
                    self.text(e.as_ref().map_or("", |e| e.value.trim()), Context::Arithmetic, line)
                };
                Compound::ArithmeticFor(Arc::new(ArithmeticFor {
                    init: expr(&clause.initializer)?,
                    condition: expr(&clause.condition)?,
                    update: expr(&clause.updater)?,
                    body: self.list(&clause.body.list)?,
                    line,
                }))
            }
            b::CompoundCommand::ForClause(clause) => Compound::For(Arc::new(For {
                name: clause.variable_name.as_str().into(),
                words: clause.values.as_ref().map(|w| self.brace_words(w)).transpose()?,
                body: self.list(&clause.body.list)?,
                line: self.line(&clause.loc),
            })),
            b::CompoundCommand::CaseClause(clause) => Compound::Case(Arc::new(self.case(clause)?)),
            b::CompoundCommand::IfClause(clause) => Compound::If(Arc::new(self.if_clause(clause)?)),
            b::CompoundCommand::WhileClause(clause) => self.while_clause(clause, false)?,
            b::CompoundCommand::UntilClause(clause) => self.while_clause(clause, true)?,
            b::CompoundCommand::Coprocess(coprocess) => {
                return Err(SyntaxError::NotModelled { what: "coproc", line: self.line(&coprocess.loc) });
            }
        })
    }

    fn while_clause(&self, clause: &b::WhileOrUntilClauseCommand, until: bool) -> Lowered<Compound> {
        let b::WhileOrUntilClauseCommand(condition, body, _) = clause;
        let (condition, body) = (self.list(condition)?, self.list(&body.list)?);
        Ok(Compound::While(Arc::new(While { until, condition, body })))
    }

    fn if_clause(&self, clause: &b::IfClauseCommand) -> Lowered<If> {
        let mut branches = vec![(self.list(&clause.condition)?, self.list(&clause.then)?)];
        let mut otherwise = None;
        for part in clause.elses.iter().flatten() {
            let body = self.list(&part.body)?;
            match &part.condition {
                Some(condition) => branches.push((self.list(condition)?, body)),
                None => otherwise = Some(body),
            }
        }
        Ok(If { branches, otherwise })
    }

    fn case(&self, clause: &b::CaseClauseCommand) -> Lowered<Case> {
        let mut branches = Vec::new();
        for item in &clause.cases {
            branches.push(CaseBranch {
                patterns: self.words(&item.patterns)?,
                body: item.cmd.as_ref().map_or(Ok(Arc::from([])), |c| self.list(c))?,
                end: match item.post_action {
                    b::CaseItemPostAction::ExitCase => CaseEnd::Break,
                    b::CaseItemPostAction::UnconditionallyExecuteNextCaseItem => CaseEnd::FallThrough,
                    b::CaseItemPostAction::ContinueEvaluatingCases => CaseEnd::Continue,
                },
            });
        }
        Ok(Case { word: self.word(&clause.value)?, branches, line: self.line(&clause.loc) })
    }

    fn redirects(&self, redirects: Option<&b::RedirectList>) -> Lowered<Vec<Redirect>> {
        redirects.iter().flat_map(|r| &r.0).map(|r| self.redirect(r)).collect()
    }

    fn redirect(&self, redirect: &b::IoRedirect) -> Lowered<Redirect> {
        let (fd, target) = match redirect {
            b::IoRedirect::File(fd, kind, target) => (*fd, self.file_target(kind, target)?),
            b::IoRedirect::HereDocument(fd, doc) => (*fd, RedirectTarget::HereDoc(self.here_doc(doc)?)),
            b::IoRedirect::HereString(fd, word) => (*fd, RedirectTarget::HereString(self.word(word)?)),
            b::IoRedirect::OutputAndError(word, append) => {
                (None, RedirectTarget::Both { append: *append, word: self.word(word)? })
            }
        };
        Ok(Redirect { fd, target })
    }

    fn file_target(&self, kind: &b::IoFileRedirectKind, target: &b::IoFileRedirectTarget) -> Lowered<RedirectTarget> {
        let word = match target {
            b::IoFileRedirectTarget::Filename(word) | b::IoFileRedirectTarget::Duplicate(word) => self.word(word)?,
            b::IoFileRedirectTarget::Fd(n) => Word::text(&n.to_string()),
            b::IoFileRedirectTarget::ProcessSubstitution(kind, sub) => self.process_substitution(kind, sub)?,
        };
        Ok(match kind {
            b::IoFileRedirectKind::Read => RedirectTarget::File(FileMode::Read, word),
            b::IoFileRedirectKind::Write => RedirectTarget::File(FileMode::Write, word),
            b::IoFileRedirectKind::Append => RedirectTarget::File(FileMode::Append, word),
            b::IoFileRedirectKind::ReadAndWrite => RedirectTarget::File(FileMode::ReadWrite, word),
            b::IoFileRedirectKind::Clobber => RedirectTarget::File(FileMode::Clobber, word),
            b::IoFileRedirectKind::DuplicateInput => RedirectTarget::Duplicate { output: false, word },
            b::IoFileRedirectKind::DuplicateOutput => RedirectTarget::Duplicate { output: true, word },
        })
    }

    fn here_doc(&self, doc: &b::IoHereDocument) -> Lowered<Word> {
        let text = if doc.remove_tabs {
            doc.doc.value.split_inclusive('\n').map(|l| l.trim_start_matches('\t')).collect::<String>()
        } else {
            doc.doc.value.clone()
        };
        if !doc.requires_expansion {
            return Ok(Word::text(&text));
        }
        let line = doc.doc.loc.as_ref().map_or(self.base, |l| self.line(l));
        self.text(&text, Context::HereDoc, line)
    }

    fn test(&self, expr: &b::ExtendedTestExpr) -> Lowered<TestExpr> {
        use b::ExtendedTestExpr as E;
        Ok(match expr {
            E::And(l, r) => TestExpr::And(Box::new(self.test(l)?), Box::new(self.test(r)?)),
            E::Or(l, r) => TestExpr::Or(Box::new(self.test(l)?), Box::new(self.test(r)?)),
            E::Not(e) => TestExpr::Not(Box::new(self.test(e)?)),
            E::Parenthesized(e) => self.test(e)?,
            E::UnaryTest(op, word) => TestExpr::Unary(op.to_string().into(), self.word(word)?),
            E::BinaryTest(op, l, r) => {
                let op = match op {
                    b::BinaryPredicate::StringMatchesRegex | b::BinaryPredicate::StringContainsSubstring => {
                        "=~".to_owned()
                    }
                    other => other.to_string(),
                };
                TestExpr::Binary(op.into(), self.word(l)?, self.word(r)?)
            }
        })
    }
}
