//! Events as facts: `event` in an expression that is looked at when something has happened.

use kernel_model::event::{Event, EventKind, Family};
use kernel_model::machine::report::Report;
use kernel_model::task::TaskId;
use kernel_model::world::World;

use super::record::Ask;
use super::value::{Value, map_of};

/// An event with the world after the turn in which it happened.
///
/// Its fields are those of the variant of [`EventKind`], and `kind`, `family`, `pid` (who did it, as a number of the
/// machine, 0 for nobody), `comm` and `at_ms`. Calls have `call` (its name) and, when they have returned, `result` and
/// `errno`; capability checks have `cap` (its name).
#[derive(Clone, Copy)]
pub(super) struct Happened<'w> {
    pub event: &'w Event,
    pub world: &'w World,
}

impl Happened<'_> {
    /// A field that every event has.
    fn common(&self, name: &str) -> Option<Value> {
        let Happened { event, world } = self;
        Some(match name {
            "family" => family_name(event.kind.family()).into(),
            "pid" => event.task.map_or(0, |task| number(world, task)).into(),
            "comm" => event.task.and_then(|task| world.tasks.get(task)).map_or("", |task| task.comm.as_str()).into(),
            "at_ms" => ((event.at.0 / 1_000_000) as i64).into(),
            _ => return None,
        })
    }

    /// The name of the variant, and its fields.
    fn variant(&self) -> (Value, Vec<(String, Value)>) {
        match special(&self.event.kind, self.world) {
            Some((kind, fields)) => {
                (kind.into(), fields.into_iter().map(|(name, value)| (name.to_owned(), value)).collect())
            }
            None => by_fields(&self.event.kind),
        }
    }
}

impl Ask for Happened<'_> {
    fn field(&self, name: &str) -> Option<Value> {
        let (kind, fields) = self.variant();
        // A field of the variant's own comes before one that every event has.
        let own = fields.into_iter().rev().find(|(known, _)| known == name).map(|(_, value)| value);
        own.or_else(|| if name == "kind" { Some(kind) } else { self.common(name) })
    }

    fn value(&self) -> Value {
        let common = ["family", "pid", "comm", "at_ms"];
        let common = common.iter().filter_map(|name| Some((*name, self.common(name)?)));
        let (kind, fields) = self.variant();
        let own = fields.iter().map(|(name, value)| (name.as_str(), value.clone()));
        map_of([("kind", kind)].into_iter().chain(common).chain(own))
    }
}

/// A family as checks name it: its label in small letters with hyphens.
pub fn family_name(family: Family) -> String {
    family.label().to_lowercase().replace(' ', "-")
}

/// The family of this name.
pub fn family_named(name: &str) -> Option<Family> {
    Family::ALL.into_iter().find(|family| family_name(*family) == name)
}

fn number(world: &World, task: TaskId) -> i64 {
    super::initial_pid_ns(world).and_then(|ns| world.pid_in(ns, task)).map_or(0, i64::from)
}

/// The events whose fields are told in another way than the kernel keeps them.
fn special(kind: &EventKind, world: &World) -> Option<(&'static str, Vec<(&'static str, Value)>)> {
    Some(match kind {
        EventKind::CallEntered { call } => ("CallEntered", vec![("call", call.nr.name().into())]),
        EventKind::CallSlept { call, .. } => ("CallSlept", vec![("call", call.nr.name().into())]),
        EventKind::CallRequested { call } => ("CallRequested", vec![("call", call.nr.name().into())]),
        EventKind::CallReturned { call, result } => {
            let value = result.as_ref().map_or(-1, |ret| ret.value);
            let errno = result.as_ref().err().map_or("", |errno| errno.name());
            ("CallReturned", vec![("call", call.nr.name().into()), ("result", value.into()), ("errno", errno.into())])
        }
        // What was printed is no fact about the world.
        EventKind::Output { console, bytes } => {
            ("Output", vec![("console", i64::from(console.0).into()), ("bytes", (bytes.len() as i64).into())])
        }
        EventKind::CapabilityChecked { cap, ns, granted } => {
            let inum = world.user_namespaces.get(*ns).map_or(0, |n| i64::from(n.ns.inum));
            ("CapabilityChecked", vec![("cap", cap.name().into()), ("ns", inum.into()), ("granted", (*granted).into())])
        }
        EventKind::NamespaceCreated { ns, inum } => {
            ("NamespaceCreated", vec![("ns_kind", ns.kind().name().into()), ("inum", i64::from(*inum).into())])
        }
        EventKind::NamespaceFreed { ns, inum } => {
            ("NamespaceFreed", vec![("ns_kind", ns.kind().name().into()), ("inum", i64::from(*inum).into())])
        }
        EventKind::NamespaceEntered { ns, task } => {
            let inum = world.ns_common(*ns).map_or(0, |common| i64::from(common.inum));
            let who = number(world, *task);
            ("NamespaceEntered", vec![("ns_kind", ns.kind().name().into()), ("inum", inum.into()), ("who", who.into())])
        }
        EventKind::CalledBelow { who, text } => {
            ("CalledBelow", vec![("who", i64::from(*who).into()), ("text", text.to_string().into())])
        }
        EventKind::Machine(Report::Did(deed)) => {
            let numbers = map_of(deed.numbers.iter().map(|(name, n)| (*name, Value::Int(*n as i64))));
            let deed_kind = format!("{:?}", deed.kind);
            (
                "Did",
                vec![
                    ("deed", deed_kind.into()),
                    ("name", deed.name.into()),
                    ("of", numbers),
                    ("rule", deed.text().into()),
                ],
            )
        }
        EventKind::Machine(Report::Elsewhere { system, event, .. }) => {
            let call = match &event.kind {
                EventKind::CallEntered { call } | EventKind::CallReturned { call, .. } => call.nr.name(),
                _ => "",
            };
            let (what, _) = by_fields(&event.kind);
            ("Elsewhere", vec![("system", i64::from(system.0).into()), ("what", what), ("call", call.into())])
        }
        _ => return None,
    })
}

/// The name of a variant, and its fields as they are kept.
fn by_fields(kind: &EventKind) -> (Value, Vec<(String, Value)>) {
    let mut name = String::new();
    let mut fields = Vec::new();
    let mut value = cel::to_value(kind).unwrap_or(Value::Null);
    // A variant is a map with one key; variants that hold another enumeration are one inside another.
    loop {
        match value {
            Value::Map(map) if map.map.len() == 1 && variant(&map).is_some() => {
                let Some((inner, rest)) = variant(&map) else { break };
                if !name.is_empty() {
                    name.push('.');
                }
                name.push_str(&inner);
                value = rest;
            }
            Value::Map(map) => {
                fields.extend(map.map.iter().map(|(key, value)| (key.to_string(), value.clone())));
                break;
            }
            Value::String(unit) => {
                if !name.is_empty() {
                    name.push('.');
                }
                name.push_str(&unit);
                break;
            }
            _ => break,
        }
    }
    (name.into(), fields)
}

/// The name of a variant, which begins with a capital letter, and what it holds.
fn variant(map: &cel::objects::Map) -> Option<(String, Value)> {
    let (key, value) = map.map.iter().next()?;
    let name = key.to_string();
    name.starts_with(char::is_uppercase).then(|| (name, value.clone()))
}
