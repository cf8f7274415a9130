//! One expression: read, checked against the vocabulary, and evaluated over a world.

use std::collections::BTreeSet;
use std::sync::{Arc, LazyLock};

use cel::common::ast::operators::ADD;
use cel::common::ast::{EntryExpr, Expr};
use cel::parser::{Expression as Tree, PrattParser};
use cel::{Context, Env, ExecutionError, Value};
use kernel_model::event::{Event, Family};
use kernel_model::world::World;

use crate::facts::{self, FUNCTIONS, LIST_MAX, ROOTS, Root};

/// The longest text of an expression, in bytes.
const TEXT_MAX: usize = 2000;
/// The most parts that it may have.
const PARTS_MAX: usize = 500;
/// How deep it may be nested.
const DEPTH_MAX: u16 = 48;
/// The most steps that evaluating it may take when every list is as long as lists get ([`LIST_MAX`]). Enough for two
/// loops inside each other with a hundred parts, and far too few for three.
const STEPS_MAX: u64 = 32 << 20;
/// What asking for a file counts as: the model's kernel is called.
const FILE_STEPS: u64 = 30;
/// The functions that ask for files.
const FILE_FUNCTIONS: [&str; 3] = ["file", "file_of", "files_of"];

static ENV: LazyLock<Arc<Env>> = LazyLock::new(|| Arc::new(Env::stdlib()));

/// An expression that has been read.
pub struct Expression {
    tree: Tree,
    roots: Vec<&'static Root>,
    uses_event: bool,
    uses_files: bool,
}

/// Why a text is no expression, or an expression has no value.
#[derive(Clone, PartialEq, Debug, thiserror::Error)]
pub enum BadExpression {
    /// Too long or too deep.
    #[error(
        "the expression is too large: at most {TEXT_MAX} bytes, {PARTS_MAX} parts, and {STEPS_MAX} steps over lists of {LIST_MAX}"
    )]
    TooLarge,
    /// It cannot be read.
    #[error("{0}")]
    Syntax(String),
    /// It names something that is not in the vocabulary.
    #[error("there is no fact `{0}`; there are: {names}", names = names())]
    UnknownFact(String),
    /// It does not say yes or no.
    #[error("the expression is no condition: its value is {0}, not true or false")]
    NotBool(String),
    /// It went wrong while it was evaluated.
    #[error("{0}")]
    Failed(String),
}

fn names() -> String {
    let roots = ROOTS.iter().map(|root| root.name).chain(["event"]);
    let functions = FUNCTIONS.iter().map(|(name, _)| *name);
    roots.chain(functions).collect::<Vec<_>>().join(", ")
}

impl Expression {
    /// Reads an expression.
    ///
    /// # Errors
    /// It is too large, cannot be read, or names something unknown.
    pub fn parse(text: &str) -> Result<Expression, BadExpression> {
        if text.len() > TEXT_MAX {
            return Err(BadExpression::TooLarge);
        }
        let parser = PrattParser::new().max_recursion_depth(DEPTH_MAX).max_expression_node_count(PARTS_MAX);
        let tree = parser.parse(text).map_err(|errors| BadExpression::Syntax(errors.to_string()))?;
        let mut known = Names::default();
        known.walk(&tree, 1)?;
        let mut roots = Vec::new();
        for name in &known.variables {
            match ROOTS.iter().find(|root| root.name == name) {
                Some(root) => roots.push(root),
                None if name == "event" => {}
                None => return Err(BadExpression::UnknownFact(name.clone())),
            }
        }
        let uses_event = known.variables.contains("event");
        let uses_files = FILE_FUNCTIONS.iter().any(|f| known.functions.contains(*f));
        Ok(Expression { tree, roots, uses_event, uses_files })
    }

    /// Whether it speaks of an event.
    pub fn uses_event(&self) -> bool {
        self.uses_event
    }

    /// Whether this event can change its value.
    pub fn is_changed_by(&self, event: &Event) -> bool {
        // A file can be made of anything: it is looked at when a command has ended or a file was touched.
        let files = [Family::File, Family::Command, Family::Cgroup, Family::Mount, Family::Process];
        let file = || self.uses_files && files.contains(&event.kind.family());
        self.roots.iter().any(|root| root.is_changed_by(event)) || file()
    }

    /// Whether it is true of this world, and this event where it speaks of one. Something that is not there (a field that a
    /// thing does not have or that is null, an element behind the end of a list) makes it false.
    ///
    /// # Errors
    /// Its value is neither true nor false, or it compares what cannot be compared.
    pub fn holds(&self, world: &World, event: Option<&Event>) -> Result<bool, BadExpression> {
        let mut context = Context::with_env(Arc::clone(&ENV));
        for root in &self.roots {
            context.add_variable_as_val(root.name, root.fact(world).map_err(|e| BadExpression::Failed(e.to_string()))?);
        }
        if self.uses_event {
            context.add_variable_as_val("event", facts::happened(event, world));
        }
        if self.uses_files {
            add_files(&mut context, world).map_err(|e| BadExpression::Failed(e.to_string()))?;
        }
        match Value::resolve(&self.tree, &context) {
            Ok(Value::Bool(holds)) => Ok(holds),
            Ok(other) => Err(BadExpression::NotBool(format!("{other:?}"))),
            Err(error) if is_of_something_missing(&error) => Ok(false),
            Err(error) => Err(BadExpression::Failed(error.to_string())),
        }
    }
}

/// Whether it went wrong only because something is not there: no such field, no such element, or a field that is null.
fn is_of_something_missing(error: &ExecutionError) -> bool {
    let is_null = |value: &Value| matches!(value, Value::Null);
    match error {
        ExecutionError::NoSuchKey(_) | ExecutionError::IndexOutOfBounds(_) => true,
        ExecutionError::NoSuchOverload(error) => error.argument_types().iter().any(|name| name == "null_type"),
        ExecutionError::ValuesNotComparable(left, right) => is_null(left) || is_null(right),
        ExecutionError::UnsupportedTargetType { target } => is_null(target),
        ExecutionError::UnexpectedType { got, .. } => got == "null_type",
        _ => false,
    }
}

fn add_files(context: &mut Context<'_, '_>, world: &World) -> Result<(), cel::DeclarationError> {
    let world = Arc::new(world.clone());
    let seen = Arc::clone(&world);
    context.add_function("file", move |path: Arc<String>| facts::file(&seen, None, &path))?;
    let seen = Arc::clone(&world);
    context.add_function("file_of", move |pid: i64, path: Arc<String>| facts::file(&seen, Some(pid), &path))?;
    context.add_function("files_of", move |pid: i64| facts::files_of(&world, pid))
}

/// The names that an expression speaks of and does not bind itself, and how much work it is at most.
#[derive(Default)]
struct Names {
    variables: BTreeSet<String>,
    functions: BTreeSet<String>,
    /// The names that loops bind, with the length of the longest list in what they stand for.
    bound: Vec<(String, u64)>,
    /// Steps so far.
    steps: u64,
}

impl Names {
    /// Walks a part that is evaluated so many times. Returns the length of the longest list that can be in its value.
    fn walk(&mut self, tree: &Tree, times: u64) -> Result<u64, BadExpression> {
        self.count(times)?;
        Ok(match &tree.expr {
            Expr::Unspecified | Expr::Literal(_) => 0,
            Expr::Ident(name) => match self.bound.iter().rev().find(|(bound, _)| bound == name) {
                Some((_, length)) => *length,
                None => {
                    self.variables.insert(name.clone());
                    LIST_MAX as u64
                }
            },
            Expr::Call(call) => {
                self.functions.insert(call.func_name.clone());
                let parts = call.target.iter().map(|target| &**target).chain(&call.args);
                let lengths = parts.map(|part| self.walk(part, times)).collect::<Result<Vec<u64>, _>>()?;
                match call.func_name.as_str() {
                    ADD => lengths.iter().fold(0, |sum, length| sum.saturating_add(*length)),
                    name if FILE_FUNCTIONS.contains(&name) => {
                        self.count(times.saturating_mul(FILE_STEPS))?;
                        LIST_MAX as u64
                    }
                    _ => longest(lengths),
                }
            }
            Expr::Comprehension(c) => {
                let range = self.walk(&c.iter_range, times)?;
                let depth = self.bound.len();
                self.bound.extend([(c.iter_var.clone(), range), (c.accu_var.clone(), range)]);
                self.bound.extend(c.iter_var2.iter().map(|name| (name.clone(), range)));
                let begin = self.walk(&c.accu_init, times)?;
                let inner = times.saturating_mul(range);
                let parts = [(&c.loop_cond, inner), (&c.loop_step, inner), (&c.result, times)].into_iter();
                let lengths = parts.map(|(part, times)| self.walk(part, times)).collect::<Result<Vec<u64>, _>>()?;
                self.bound.truncate(depth);
                longest(lengths).max(begin).max(range)
            }
            Expr::List(list) => {
                let lengths = list.elements.iter().map(|element| self.walk(element, times));
                longest(lengths.collect::<Result<Vec<u64>, _>>()?).max(list.elements.len() as u64)
            }
            Expr::Map(map) => self.entries(map.entries.iter().map(|entry| &entry.expr), times)?,
            Expr::Struct(fields) => self.entries(fields.entries.iter().map(|entry| &entry.expr), times)?,
            Expr::Select(select) => self.walk(&select.operand, times)?,
        })
    }

    fn entries<'a>(&mut self, all: impl Iterator<Item = &'a EntryExpr>, times: u64) -> Result<u64, BadExpression> {
        let mut most = 0;
        for entry in all {
            most = most.max(
                1 + match entry {
                    EntryExpr::StructField(field) => self.walk(&field.value, times)?,
                    EntryExpr::MapEntry(entry) => self.walk(&entry.key, times)?.max(self.walk(&entry.value, times)?),
                },
            );
        }
        Ok(most)
    }

    fn count(&mut self, steps: u64) -> Result<(), BadExpression> {
        self.steps = self.steps.saturating_add(steps);
        if self.steps > STEPS_MAX { Err(BadExpression::TooLarge) } else { Ok(()) }
    }
}

fn longest(lengths: Vec<u64>) -> u64 {
    lengths.into_iter().max().unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use kernel_model::world::Config;

    fn holds(text: &str) -> Result<bool, BadExpression> {
        let config = Config { terminal: true, ..Config::default() };
        Expression::parse(text)?.holds(&World::boot(config), None)
    }

    #[test]
    fn facts_of_a_freshly_booted_world_can_be_asked_for() {
        for text in [
            r#"tasks.exists(t, t.pid == 1 && t.comm == init.comm && t.apart.size() == 0)"#,
            r#"tasks.all(t, t.own_pid == t.pid && t.ns.pid == init.ns.pid)"#,
            r#"init.caps.effective.exists(c, c == "CAP_SYS_ADMIN")"#,
            r#"namespaces.filter(n, n.kind == "uts").size() == 1 && namespaces.exists(n, n.hostname == "lab")"#,
            r#"mounts.exists(m, m.place == "/proc" && m.type == "proc")"#,
            r#"cgroups.exists(g, g.path == "/" && "memory" in g.controllers)"#,
            r#"devices.exists(d, d.name == "lo" && d.kind == "lo")"#,
            r#"file("/proc/1/comm").kind == "file" && file("/etc/passwd").text.startsWith("root:")"#,
            r#"!file("/nowhere").exists && file("/proc/sys/kernel/pid_max").number > 1000"#,
            r#"files_of(1).all(f, f.fd >= 0)"#,
        ] {
            assert_eq!(holds(text), Ok(true), "{text}");
        }
    }

    #[test]
    fn what_is_not_there_is_false_and_what_is_wrong_is_said() {
        assert_eq!(holds(r#"tasks[1000].pid == 1"#), Ok(false));
        assert_eq!(holds("init.nothing == 1"), Ok(false));
        assert_eq!(holds("!(init.nothing == 1)"), Ok(false));
        assert_eq!(holds("mounts.all(m, m.master > 0)"), Ok(false));
        assert_eq!(holds(r#"namespaces.exists(n, n.hostname.startsWith("x"))"#), Ok(false));
        assert_eq!(holds("tsks.size() > 0"), Err(BadExpression::UnknownFact("tsks".to_owned())));
        assert!(matches!(holds("tasks.size()"), Err(BadExpression::NotBool(_))));
        assert!(matches!(holds("tasks.exists(t"), Err(BadExpression::Syntax(_))));
    }

    #[test]
    fn hostile_expressions_are_refused() {
        let deep = format!("{}true{}", "[".repeat(200), "]".repeat(200));
        let nested = "tasks.all(a, tasks.all(b, tasks.all(c, true)))";
        let long = "true || ".repeat(1000) + "true";
        let lists = format!("({}tasks).all(a, tasks.all(b, true))", "tasks + ".repeat(100));
        let files = format!("tasks.all(a, tasks.all(b, {}))", r#"file("/a").exists || "#.repeat(5) + "true");
        for text in [deep.as_str(), nested, &long, &lists, &files] {
            assert!(holds(text).is_err(), "{}", &text[..40]);
        }
        assert_eq!(holds("tasks.all(a, tasks.all(b, a.pid != b.pid || true))"), Ok(true));
    }
}
