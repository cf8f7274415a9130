//! What a root of the vocabulary says it is changed by: no fact changes in a turn in which nothing of that happened.

use std::collections::BTreeSet;

use cel::Value;
use hypervisor_model::machine::measured::{Measured, machine_of};
use kernel_model::event::EventKind;
use kernel_model::kernel::Trace;
use kernel_model::step::{Running, Turn};
use kernel_model::world::World;
use lessons::catalog::{Catalog, Entry};
use lessons::facts::ROOTS;
use lessons::lesson::Kind;
use lessons::lesson::step::Step;

/// What changes all the time, and is looked at when something else happens: times, and who runs or waits for input.
const RESTLESS: [&str; 4] = ["cpu_ms", "clock_ms", "tasks.state", "at_prompt"];

/// What to call an event in a message.
fn name_of(kind: &EventKind) -> &str {
    match kind {
        EventKind::CallReturned { call, .. } => call.nr.name(),
        other => other.family().label(),
    }
}

/// The names of the fields in which two values differ.
fn differences(name: &str, before: &Value, after: &Value, found: &mut BTreeSet<String>) {
    match (before, after) {
        (a, b) if a == b => {}
        (Value::List(a), Value::List(b)) if a.len() == b.len() => {
            a.iter().zip(b.iter()).for_each(|(a, b)| differences(name, a, b, found));
        }
        (Value::Map(a), Value::Map(b)) if a.map.len() == b.map.len() => {
            for (key, before) in a.map.iter() {
                let key = key.to_string();
                match b.map.get(&cel::objects::Key::String(key.clone().into())) {
                    Some(after) => differences(&format!("{name}.{key}"), before, after, found),
                    None => drop(found.insert(format!("{name}.{key}"))),
                }
            }
        }
        _ => {
            found.insert(name.to_owned());
        }
    }
}

struct Watched {
    running: Running<Box<dyn Measured>>,
    values: Vec<Value>,
    missed: BTreeSet<String>,
}

impl Watched {
    fn look(&mut self, trace: &Trace) {
        let world = &self.running.world;
        for (root, known) in ROOTS.iter().zip(&mut self.values) {
            let now = (root.make)(world);
            if now != *known && !trace.events.iter().any(|event| root.is_changed_by(event)) {
                let mut found = BTreeSet::new();
                differences(root.name, known, &now, &mut found);
                found.retain(|name| !RESTLESS.iter().any(|time| name.ends_with(time)));
                let during: BTreeSet<&str> = trace.events.iter().map(|event| name_of(&event.kind)).collect();
                let during: Vec<&str> = during.into_iter().collect();
                self.missed.extend(found.into_iter().map(|name| format!("{name} during {}", during.join(", "))));
            }
            *known = now;
        }
    }

    fn act(&mut self, step: &Step) {
        let mut trace = Trace::new();
        self.running.inject(&step.action(), &mut trace);
        self.look(&trace);
        for _ in 0..20_000 {
            let mut trace = Trace::new();
            if self.running.turn(&mut trace) == Turn::AtRest {
                return;
            }
            self.look(&trace);
        }
    }
}

fn missed(entry: &Entry) -> BTreeSet<String> {
    let lesson = entry.lesson.for_seed("1");
    let world = World::boot(lesson.start.config);
    let mut running = Running::new(world, machine_of(&lesson.start.config));
    running.run(10_000, &mut Trace::silent());
    let values = ROOTS.iter().map(|root| (root.make)(&running.world)).collect();
    let mut watched = Watched { running, values, missed: BTreeSet::new() };
    let seeded = |steps: &[Step]| lessons::proof::seeded(&lesson, steps, "1");
    lesson.start.steps.iter().for_each(|step| watched.act(step));
    for steps in entry.proofs.solutions.iter().chain([&entry.proofs.last]) {
        seeded(steps).iter().for_each(|step| watched.act(step));
    }
    watched.missed
}

#[test]
fn in_the_labs_no_fact_changes_without_an_event_that_can_change_it() {
    let course = Catalog::built_in().expect("the course can be read");
    let missed: BTreeSet<String> =
        course.entries.iter().filter(|entry| entry.lesson.kind == Kind::Lab).flat_map(missed).collect();
    assert!(missed.is_empty(), "{missed:#?}");
}
