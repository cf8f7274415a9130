//! Facts: what a check may ask of a world, by name. This is the vocabulary of checks; `docs/authoring.md` lists it for
//! authors, and a test compares the two.
//!
//! A fact is read from the state of the kernel, never from what was printed: a task is done when the world is as asked,
//! by whatever commands. Roots are variables (`tasks`, `mounts`, …), made only when an expression names them.
//! Each root says which families of events can change it, so that a history is not looked at more often than needed.

pub mod event;
mod files;
mod groups;
mod mounts;
mod namespaces;
mod network;
mod record;
mod tasks;
mod value;

use cel::common::types::CelNull;
use kernel_model::event::{Event, EventKind, Family};
use kernel_model::kernel::Trace;
use kernel_model::syscall::Sysno;
use kernel_model::world::World;

pub use files::{file, files_of};
use record::Ask;
pub use record::Fact;
pub use value::Value;
use value::{list, map};

impl Root {
    /// Whether this event can change it. Times, and whether a task runs or sleeps, change all the time: they are looked at
    /// when something else happens.
    pub fn is_changed_by(&self, event: &Event) -> bool {
        let call = || match &event.kind {
            EventKind::CallReturned { call, .. } => self.calls.contains(&call.nr),
            _ => false,
        };
        self.changed_by.contains(&event.kind.family()) || call()
    }

    /// It in this world, for an expression.
    ///
    /// # Errors
    /// It has no value there; none of these does that.
    pub fn fact<'w>(&self, world: &'w World) -> Result<Fact<'w>, cel::ExecutionError> {
        match self.fact {
            Some(fact) => Ok(fact(world)),
            None => record::owned((self.make)(world)),
        }
    }
}

/// How many things of a kind a list has at most. Bounds the work that a check can be.
pub const LIST_MAX: usize = 512;

/// A root of the vocabulary.
pub struct Root {
    /// Its name.
    pub name: &'static str,
    /// What it is.
    pub about: &'static str,
    /// The events that can change it.
    pub changed_by: &'static [Family],
    /// The calls that can change it without an event of their own.
    pub calls: &'static [Sysno],
    /// How it is made.
    pub make: fn(&World) -> Value,
    /// How it is made for an expression, when not everything is made that is not asked for.
    fact: Option<for<'w> fn(&'w World) -> Fact<'w>>,
}

/// The events that can change a task.
const CHANGE_TASKS: &[Family] = &[
    Family::Process,
    Family::Pid,
    Family::Namespace,
    Family::Capability,
    Family::Policy,
    Family::Signal,
    Family::Mount,
    Family::Cgroup,
    Family::Command,
];
/// The calls that change a task without an event of their own: directory, name, no_new_privs, nice value, and what is
/// written to the task's files in `/proc`.
const CHANGE_TASKS_TOO: &[Sysno] = &[Sysno::CHDIR, Sysno::FCHDIR, Sysno::PRCTL, Sysno::SETPRIORITY, Sysno::WRITE];

/// All roots apart from `event` and `machine`, which are no part of a world.
pub const ROOTS: &[Root] = &[
    Root {
        name: "tasks",
        about: "processes and threads that have not been reaped, oldest first",
        changed_by: CHANGE_TASKS,
        calls: CHANGE_TASKS_TOO,
        make: |world| record::whole(tasks::tasks(world)),
        fact: Some(|world| record::facts(tasks::tasks(world))),
    },
    Root {
        name: "init",
        about: "the first process of the machine, as in `tasks`",
        changed_by: CHANGE_TASKS,
        calls: CHANGE_TASKS_TOO,
        make: |world| tasks::init(world).map_or(Value::Null, |init| init.value()),
        fact: Some(|world| tasks::init(world).map_or_else(|| Box::new(CelNull) as Fact<'_>, record::fact)),
    },
    Root {
        name: "namespaces",
        about: "namespaces of all kinds, oldest first",
        changed_by: &[
            Family::Namespace,
            Family::Process,
            Family::Pid,
            Family::Capability,
            Family::Mount,
            Family::Network,
        ],
        calls: &[],
        make: |world| record::whole(namespaces::namespaces(world)),
        fact: Some(|world| record::facts(namespaces::namespaces(world))),
    },
    Root {
        name: "mounts",
        about: "mounts of all mount namespaces, oldest first",
        changed_by: &[Family::Mount, Family::Namespace, Family::Process],
        calls: &[Sysno::MOUNT, Sysno::MOUNT_SETATTR],
        make: mounts::mounts,
        fact: None,
    },
    Root {
        name: "cgroups",
        about: "control groups of all hierarchies, parents before children",
        changed_by: &[Family::Cgroup, Family::Process, Family::Memory, Family::File, Family::Scheduling],
        calls: &[],
        make: |world| record::whole(groups::groups(world)),
        fact: Some(|world| record::facts(groups::groups(world))),
    },
    Root {
        name: "devices",
        about: "network devices of all network namespaces",
        changed_by: &[Family::Network, Family::Namespace],
        calls: &[],
        make: network::devices,
        fact: None,
    },
    Root {
        name: "routes",
        about: "routes of the main tables of all network namespaces",
        changed_by: &[Family::Network, Family::Namespace],
        calls: &[],
        make: network::routes,
        fact: None,
    },
    Root {
        name: "consoles",
        about: "consoles with their shells",
        changed_by: &[Family::Command],
        calls: &[],
        make: consoles,
        fact: None,
    },
    Root {
        name: "clock_ms",
        about: "virtual time since boot, in milliseconds",
        changed_by: &[Family::Scheduling, Family::Command],
        calls: &[],
        make: |world| Value::Int((world.clock.0 / 1_000_000) as i64),
        fact: None,
    },
];

/// Functions of the vocabulary, with what they give.
pub const FUNCTIONS: &[(&str, &str)] = &[
    ("file(path)", "the file of this name, as the first process of the machine sees it"),
    ("file_of(pid, path)", "the same, as the process with this number (of the machine) sees it"),
    ("files_of(pid)", "the open files of the process with this number: a list of `{fd, what}`"),
];

/// `event` for an expression, if there is one, with the world after it.
pub fn happened<'w>(event: Option<&'w Event>, world: &'w World) -> Fact<'w> {
    event.map_or_else(|| Box::new(CelNull) as Fact<'_>, |event| record::fact(event::Happened { event, world }))
}

fn consoles(world: &World) -> Value {
    let initial = initial_pid_ns(world);
    list(world.consoles.iter().map(|(id, console)| {
        map([
            ("id", i64::from(id.0).into()),
            ("shell", initial.and_then(|ns| world.pid_in(ns, console.shell)).map_or(0, i64::from).into()),
            ("at_prompt", console.at_prompt.into()),
            ("last_status", i64::from(console.last_status).into()),
            ("commands", (console.commands as i64).into()),
            ("closed", console.closed.into()),
        ])
    }))
}

/// The first PID namespace.
fn initial_pid_ns(world: &World) -> Option<kernel_model::namespace::pid::PidNsId> {
    world.pid_namespaces.ids().next()
}

/// A task by its number in the first PID namespace.
fn task_by_pid(world: &World, pid: i64) -> Option<kernel_model::task::TaskId> {
    let ns = world.pid_namespaces.get(initial_pid_ns(world)?)?;
    let pid = ns.numbers.get(&i32::try_from(pid).ok()?)?;
    world.pids.get(*pid)?.task
}

/// A recorder for looking at a world without anybody noticing.
fn unseen() -> Trace {
    Trace::silent()
}

#[cfg(test)]
mod tests {
    use super::*;
    use kernel_model::world::Config;
    use std::collections::BTreeSet;

    /// Names of the fields of the first thing of a root.
    fn fields(value: &Value) -> BTreeSet<String> {
        match value {
            Value::List(items) => items.first().map(fields).unwrap_or_default(),
            Value::Map(map) => map.map.keys().map(ToString::to_string).collect(),
            _ => BTreeSet::new(),
        }
    }

    #[test]
    fn the_guide_for_authors_names_every_fact() {
        let guide = include_str!("../../../docs/authoring.md");
        let world = World::boot(Config { terminal: true, ..Config::default() });
        for root in ROOTS {
            assert!(guide.contains(&format!("`{}`", root.name)), "{} is not in docs/authoring.md", root.name);
            for field in fields(&(root.make)(&world)) {
                assert!(guide.contains(&format!("`{field}`")), "{}.{field} is not in docs/authoring.md", root.name);
            }
        }
        for (function, _) in FUNCTIONS {
            assert!(guide.contains(&format!("`{function}`")), "{function} is not in docs/authoring.md");
        }
        for family in Family::ALL.map(event::family_name) {
            assert!(guide.contains(&format!("`{family}`")), "{family} is not in docs/authoring.md");
        }
    }
}
