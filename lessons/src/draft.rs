//! A session as the draft of a lesson: what was done becomes the solution of a task, and what it changed becomes the check.
//!
//! The author does it once in the page, saves the draft, and writes the rest. The draft passes its check as it is.

use std::collections::BTreeSet;
use std::fmt::Write;

use hypervisor_model::machine::Platform;
use hypervisor_model::machine::measured::machine_of;
use kernel_model::timeline::Session;
use kernel_model::world::World;

use crate::check::expression::Expression;
use crate::facts::{ROOTS, Value};
use crate::judge::{Conditions, Judge, OutOfTurns};
use crate::lesson::step::Step;
use crate::lesson::{Lesson, Start};

/// Most parts of the check that is proposed.
const PARTS_MAX: usize = 3;
/// Programs whose manual page is in section 8.
const SECTION_8: [&str; 10] =
    ["bridge", "chroot", "ip", "iptables", "losetup", "mount", "pivot_root", "sysctl", "umount", "useradd"];

/// The text of `lesson.md` for a session.
///
/// # Errors
/// The session does not come to rest.
pub fn draft(session: &Session) -> Result<String, OutOfTurns> {
    let start = Start { config: session.config, ..Start::default() };
    let lesson = Lesson { start, ..Lesson::default() };
    let conditions = Conditions::of(&lesson).unwrap_or_default();
    let mut judge = Judge::new(&lesson, &conditions, machine_of(&session.config))?;
    let before = judge.world().clone();
    session.actions.iter().try_for_each(|stamped| judge.act_at(stamped))?;
    judge.rest()?;
    let steps: Vec<Option<Step>> = session.actions.iter().map(|stamped| Step::of(&stamped.action)).collect();
    Ok(text(session, &steps, &check(&before, judge.world())))
}

fn text(session: &Session, steps: &[Option<Step>], check: &[String]) -> String {
    let world = if session.config.cgroup_v2 { "v2" } else { "v1" };
    let mut start = format!("[start]\nworld = \"{world}\"\nlsm = \"{}\"\n", session.config.lsm.name());
    if let Some(platform) = Platform::of_code(session.config.machine).filter(|_| session.config.machine != 0) {
        let _ = writeln!(start, "platform = {}", quoted(&platform.to_string()));
    }
    let mut solution = String::new();
    for step in steps {
        let line = step.as_ref().map(written);
        let line =
            line.map_or("# a single system call, or an intervention: not a step of a lesson".to_owned(), |l| l + ",");
        let _ = writeln!(solution, "  {line}");
    }
    let sources = sources(steps).iter().map(|source| quoted(source)).collect::<Vec<_>>().join(", ");
    let check = check.join(" &&\n  ");
    format!(
        "+++\ntitle = \"A lesson without a title\"\nkind = \"lesson\"\nsummary = \"One sentence for the list of lessons.\"\n\
         minutes = 5\nsources = [{sources}]\n\n{start}\n[[task]]\nid = \"do-it\"\n\
         ask = \"Say what is to be done: the state of the machine, not the commands.\"\n\
         # What the session has changed. Keep what matters.\ncheck = '''\n  {check}\n'''\n\
         solution = [\n{solution}]\n\n[[task.hint]]\nid = \"how\"\nsay = \"Say what helps.\"\n+++\n\n\
         # A lesson without a title\n\nSay what there is to be seen, in few words.\n\n{{{{task do-it}}}}\n"
    )
}

/// A step as an author writes it.
fn written(step: &Step) -> String {
    let at = |console: u32, line: &str| match console {
        1 => quoted(line),
        _ => format!("{{ console = {console}, line = {} }}", quoted(line)),
    };
    match step {
        Step::Line { console, text } => at(*console, text),
        Step::Interrupt { console } => at(*console, "^C"),
        Step::EndOfInput { console } => at(*console, "^D"),
        Step::Wait { ms } => format!("{{ wait_ms = {ms} }}"),
        Step::OpenConsole => "{ open_console = true }".to_owned(),
        Step::CallBelow { who, text } => format!("{{ domain = {who}, hypercall = {} }}", quoted(text)),
    }
}

/// A text as TOML writes it.
fn quoted(text: &str) -> String {
    let mut out = String::from("\"");
    for c in text.chars() {
        match c {
            '"' | '\\' => out.extend(['\\', c]),
            '\n' => out.push_str("\\n"),
            c if c.is_control() => {
                let _ = write!(out, "\\u{:04X}", u32::from(c));
            }
            c => out.push(c),
        }
    }
    out + "\""
}

/// The manual pages of what was called, as a beginning.
fn sources(steps: &[Option<Step>]) -> Vec<String> {
    let mut names = BTreeSet::new();
    for step in steps.iter().flatten() {
        let Step::Line { text, .. } = step else { continue };
        let word = text.split_whitespace().next().unwrap_or_default();
        if !word.is_empty() && word.chars().all(|c| c.is_ascii_lowercase() || c == '_') {
            names.insert(word.to_owned());
        }
    }
    let page = |name: String| format!("{name}({})", if SECTION_8.contains(&name.as_str()) { 8 } else { 1 });
    let all: Vec<String> = names.into_iter().map(page).take(PARTS_MAX).collect();
    if all.is_empty() { vec!["sh(1)".to_owned()] } else { all }
}

/// What is true after and was not before, as expressions.
fn check(before: &World, after: &World) -> Vec<String> {
    let mut proposed = Vec::new();
    for value in &things("tasks", after) {
        let apart = texts(value, "apart");
        if let Some(comm) = text_of(value, "comm")
            && !apart.is_empty()
        {
            let apart: Vec<String> = apart.iter().map(|kind| format!("\"{kind}\" in t.apart")).collect();
            proposed.push(format!("tasks.exists(t, t.comm == {} && {})", literal(comm), apart.join(" && ")));
        }
    }
    let named = |root: &str, name: &str, say: &dyn Fn(&Value, &str) -> String| -> Vec<String> {
        things(root, after).iter().filter_map(|v| text_of(v, name).map(|text| say(v, &text))).collect()
    };
    proposed.extend(named("namespaces", "hostname", &|_, name| {
        format!("namespaces.exists(n, n.kind == \"uts\" && n.hostname == {})", literal(name))
    }));
    proposed.extend(named("cgroups", "path", &|group, path| {
        let tree = texts(group, "controllers").first().map(|name| format!(" && {} in g.controllers", literal(name)));
        format!("cgroups.exists(g, g.path == {}{})", literal(path), tree.unwrap_or_default())
    }));
    proposed.extend(named("mounts", "place", &|mount, place| {
        let kind = text_of(mount, "type").unwrap_or_default();
        format!("mounts.exists(m, m.place == {} && m.type == {})", literal(place), literal(kind))
    }));
    proposed.extend(named("devices", "name", &|_, name| format!("devices.exists(d, d.name == {})", literal(name))));
    proposed.extend(named("tasks", "comm", &|_, comm| format!("tasks.exists(t, t.comm == {})", literal(comm))));
    // Whatever was done, something was typed.
    proposed.push("consoles.exists(c, c.commands > 0)".to_owned());
    let holds = |text: &str, world: &World| Expression::parse(text).is_ok_and(|e| e.holds(world, None) == Ok(true));
    let mut chosen: Vec<String> = Vec::new();
    for text in proposed {
        if chosen.len() < PARTS_MAX && !chosen.contains(&text) && holds(&text, after) && !holds(&text, before) {
            chosen.push(text);
        }
    }
    if chosen.is_empty() { vec!["false".to_owned()] } else { chosen }
}

/// The things of a root.
fn things(root: &str, world: &World) -> Vec<Value> {
    match ROOTS.iter().find(|known| known.name == root).map(|root| (root.make)(world)) {
        Some(Value::List(all)) => all.to_vec(),
        _ => Vec::new(),
    }
}

fn field(thing: &Value, name: &str) -> Option<Value> {
    let Value::Map(map) = thing else { return None };
    map.map.iter().find(|(key, _)| key.to_string() == name).map(|(_, value)| value.clone())
}

fn text_of(thing: &Value, name: &str) -> Option<String> {
    match field(thing, name)? {
        Value::String(text) => Some(text.to_string()),
        _ => None,
    }
}

fn texts(thing: &Value, name: &str) -> Vec<String> {
    let Some(Value::List(all)) = field(thing, name) else { return Vec::new() };
    let text = |value: &Value| match value {
        Value::String(text) => Some(text.to_string()),
        _ => None,
    };
    all.iter().filter_map(text).collect()
}

/// A text as the expression language writes it.
fn literal(text: impl AsRef<str>) -> String {
    format!("\"{}\"", text.as_ref().replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n"))
}

#[cfg(all(test, feature = "author"))]
mod tests {
    use super::*;
    use crate::catalog::Entry;
    use crate::format::front::Course;
    use crate::format::read;
    use crate::proof::{Names, faults};
    use kernel_model::action::{Stamped, When};
    use kernel_model::world::Config;

    fn session(steps: &[Step]) -> Session {
        let actions = steps.iter().map(|step| Stamped { when: When::AtRest, action: step.action() }).collect();
        Session { config: Config { terminal: true, ..Config::default() }, actions }
    }

    #[test]
    fn what_was_done_is_a_lesson_that_passes_its_check() {
        let sessions = [
            (vec![Step::line("unshare --uts --pid --fork sh"), Step::line("hostname box")], "\"pid\" in t.apart"),
            (vec![Step::line("mkdir /sys/fs/cgroup/pids/box")], "g.path == \"/box\""),
            (vec![Step::line("mount -t tmpfs x /mnt"), Step::Wait { ms: 10 }], "m.place == \"/mnt\""),
            (vec![Step::line("sleep 500 &"), Step::OpenConsole], "t.comm == \"sleep\""),
            (vec![Step::line("printf '%s \\\\ \"' \"a\nb\"")], "c.commands > 0"),
        ];
        for (steps, expected) in sessions {
            let text = draft(&session(&steps)).expect("it comes to rest");
            assert!(text.contains(expected), "{text}");
            let (lesson, proofs) = read("25-draft", &text, &Course::default()).expect(&text);
            assert_eq!(proofs.solutions, [steps], "{text}");
            let all = faults(&Entry { lesson, proofs, translations: Vec::new() }, &Names::new());
            assert!(all.is_empty(), "{all:?}\n{text}");
        }
    }
}
