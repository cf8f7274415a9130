//! One expression: read, checked against the vocabulary, and evaluated over a world.

use std::collections::BTreeSet;
use std::sync::{Arc, LazyLock};

use cel::common::ast::{EntryExpr, Expr};
use cel::parser::{Expression as Tree, PrattParser};
use cel::{Context, Env, ExecutionError, Value};
use kernel_model::event::{Event, Family};
use kernel_model::world::World;

use crate::facts::{self, FUNCTIONS, ROOTS, Root};

/// The longest text of an expression, in bytes.
const TEXT_MAX: usize = 2000;
/// The most parts that it may have.
const PARTS_MAX: usize = 500;
/// How deep it may be nested.
const DEPTH_MAX: u16 = 48;
/// How many loops over lists may be inside each other: two lists of 512 make a quarter of a million steps.
const LOOPS_MAX: usize = 2;

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
        "the expression is too large: at most {TEXT_MAX} bytes, {PARTS_MAX} parts, {LOOPS_MAX} loops inside each other"
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
        known.walk(&tree, 0)?;
        let mut roots = Vec::new();
        for name in &known.variables {
            match ROOTS.iter().find(|root| root.name == name) {
                Some(root) => roots.push(root),
                None if name == "event" => {}
                None => return Err(BadExpression::UnknownFact(name.clone())),
            }
        }
        let uses_event = known.variables.contains("event");
        let uses_files = ["file", "file_of", "files_of"].iter().any(|f| known.functions.contains(*f));
        Ok(Expression { tree, roots, uses_event, uses_files })
    }

    /// Whether it speaks of an event.
    pub fn uses_event(&self) -> bool {
        self.uses_event
    }

    /// The families of events that can change its value, one bit each by [`Family::index`].
    pub fn changed_by(&self) -> u32 {
        let bits = |families: &[Family]| families.iter().fold(0, |bits, f| bits | 1_u32 << f.index());
        let roots = self.roots.iter().fold(0, |all, root| all | bits(root.changed_by));
        // A file can be made of anything: it is looked at when a command has ended or a file was touched.
        let files = bits(&[Family::File, Family::Command, Family::Cgroup, Family::Mount, Family::Process]);
        if self.uses_files { roots | files } else { roots }
    }

    /// Whether it is true of this world, and this event where it speaks of one. Something that is not there (a field that a
    /// thing does not have, an element behind the end of a list) makes it false.
    ///
    /// # Errors
    /// Its value is neither true nor false, or it compares what cannot be compared.
    pub fn holds(&self, world: &World, event: Option<&Event>) -> Result<bool, BadExpression> {
        let mut context = Context::with_env(Arc::clone(&ENV));
        for root in &self.roots {
            context.add_variable_from_value(root.name, (root.make)(world));
        }
        if self.uses_event {
            let value = event.map_or(Value::Null, |event| facts::event::event(event, world));
            context.add_variable_from_value("event", value);
        }
        if self.uses_files {
            add_files(&mut context, world).map_err(|e| BadExpression::Failed(e.to_string()))?;
        }
        match Value::resolve(&self.tree, &context) {
            Ok(Value::Bool(holds)) => Ok(holds),
            Ok(other) => Err(BadExpression::NotBool(format!("{other:?}"))),
            Err(ExecutionError::NoSuchKey(_) | ExecutionError::IndexOutOfBounds(_)) => Ok(false),
            Err(error) => Err(BadExpression::Failed(error.to_string())),
        }
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

/// The names that an expression speaks of and does not bind itself.
#[derive(Default)]
struct Names {
    variables: BTreeSet<String>,
    functions: BTreeSet<String>,
    bound: Vec<String>,
}

impl Names {
    fn walk(&mut self, tree: &Tree, loops: usize) -> Result<(), BadExpression> {
        match &tree.expr {
            Expr::Unspecified | Expr::Literal(_) => {}
            Expr::Ident(name) => {
                if !self.bound.contains(name) {
                    self.variables.insert(name.clone());
                }
            }
            Expr::Call(call) => {
                self.functions.insert(call.func_name.clone());
                call.target.iter().try_for_each(|target| self.walk(target, loops))?;
                call.args.iter().try_for_each(|arg| self.walk(arg, loops))?;
            }
            Expr::Comprehension(c) => {
                if loops == LOOPS_MAX {
                    return Err(BadExpression::TooLarge);
                }
                self.walk(&c.iter_range, loops)?;
                let depth = self.bound.len();
                self.bound.extend([c.iter_var.clone(), c.accu_var.clone()]);
                self.bound.extend(c.iter_var2.clone());
                self.walk(&c.accu_init, loops)?;
                [&c.loop_cond, &c.loop_step, &c.result].into_iter().try_for_each(|part| self.walk(part, loops + 1))?;
                self.bound.truncate(depth);
            }
            Expr::List(list) => list.elements.iter().try_for_each(|element| self.walk(element, loops))?,
            Expr::Map(map) => map.entries.iter().try_for_each(|entry| self.entry(&entry.expr, loops))?,
            Expr::Struct(fields) => fields.entries.iter().try_for_each(|entry| self.entry(&entry.expr, loops))?,
            Expr::Select(select) => self.walk(&select.operand, loops)?,
        }
        Ok(())
    }

    fn entry(&mut self, entry: &EntryExpr, loops: usize) -> Result<(), BadExpression> {
        match entry {
            EntryExpr::StructField(field) => self.walk(&field.value, loops),
            EntryExpr::MapEntry(entry) => {
                self.walk(&entry.key, loops)?;
                self.walk(&entry.value, loops)
            }
        }
    }
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
        assert_eq!(holds("tsks.size() > 0"), Err(BadExpression::UnknownFact("tsks".to_owned())));
        assert!(matches!(holds("tasks.size()"), Err(BadExpression::NotBool(_))));
        assert!(matches!(holds("tasks.exists(t"), Err(BadExpression::Syntax(_))));
    }

    #[test]
    fn hostile_expressions_are_refused() {
        let deep = format!("{}true{}", "[".repeat(200), "]".repeat(200));
        let nested = "tasks.all(a, tasks.all(b, tasks.all(c, true)))";
        let long = "true || ".repeat(1000) + "true";
        for text in [deep.as_str(), nested, &long] {
            assert!(holds(text).is_err(), "{}", &text[..40]);
        }
        assert_eq!(holds("tasks.all(a, tasks.all(b, a.pid != b.pid || true))"), Ok(true));
    }
}
