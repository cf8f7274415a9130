//! The scripts of the corpus in a domain beside domain 0: each is typed, command by command, at the console to which
//! `xl console` has attached domain 0's terminal, and each command must print what it prints where the same kernel has the
//! machine for itself.
//!
//! Every ninth script is run; `RINGSIDE_DOMU_CORPUS=all` runs every one, and any other value those whose name contains it.
//! What differs is in `tests/xen/corpus-differences.toml`, each script with the reason; there is none.

use std::collections::BTreeMap;
use std::env;
use std::fmt::Write;
use std::fs;
use std::path::Path;

use hypervisor_model::machine::BareMetal;
use kernel_model::action::Action;
use kernel_model::console::ConsoleId;
use kernel_model::event::{Event, EventKind};
use kernel_model::kernel::Trace;
use kernel_model::machine::SystemId;
use kernel_model::machine::report::Report;
use kernel_model::pv_ops::PvOps;
use kernel_model::step::{Running, Turn};
use kernel_model::world::Config;
use ringside::conformance::case::{self, Case, Kind};
use ringside::conformance::script::{Script, StandardWorld};
use ringside::conformance::transcript::{self, End, Entry};

use super::session::Session;

/// Which scripts are run when nobody asks for others: every so many.
const EVERY: usize = 9;
/// Turns after which a command is given up, on the machine and in a domain.
const TURNS: u64 = 3_000_000;
/// Turns after which nobody waits any longer for what runs in the background: it may run for ever.
const SETTLING: u64 = 4000;
/// How often the end of input is typed for a command that reads the terminal.
const ENDS: u32 = 3;
/// The console of a world.
const CONSOLE: ConsoleId = ConsoleId(1);
/// Stack of a thread that runs scripts.
const STACK_BYTES: usize = 256 << 20;

/// A guest with the name of the standard world, without disks and interfaces.
const GUEST: &str = "name=\"lab\"\ntype=\"pv\"\nkernel=\"/bin/true\"\nmemory=192\nvcpus=2\n";

/// A world at whose console somebody sits.
struct Seat<M: PvOps> {
    running: Running<M>,
    /// The kernel that is typed to is another one than that of the world.
    inner: Option<SystemId>,
}

impl<M: PvOps> Seat<M> {
    fn run(mut self, script: &Script) -> String {
        let mut entries = Vec::new();
        for command in &script.commands {
            let (output, end) = self.enter(&command.text);
            let output = String::from_utf8_lossy(&output).into_owned();
            entries.push(Entry { command: command.text.clone(), output, end });
            if !matches!(end, End::Status(_)) {
                break;
            }
        }
        transcript::write(&entries)
    }

    /// The shell waits for a command.
    fn is_prompted(&self) -> bool {
        let world = match self.inner {
            Some(system) => self.running.machine.world_of(system),
            None => Some(&self.running.world),
        };
        world.and_then(|world| world.consoles.get(CONSOLE)).is_some_and(|console| console.at_prompt)
    }

    /// Types a command and waits until it has ended and everything is at rest, what runs in the background as well: whoever
    /// types earlier would see who is faster. What it has printed.
    fn enter(&mut self, command: &str) -> (Vec<u8>, End) {
        let mut trace = Trace::new();
        self.running.inject(&Action::Line { console: CONSOLE, text: command.to_owned() }, &mut trace);
        // A terminal echoes what is typed; that is not said by the command.
        trace.events.clear();
        let (mut output, mut status, mut ends, mut after) = (Vec::new(), None, 0, 0);
        for _ in 0..TURNS {
            let turn = self.running.turn(&mut trace);
            for event in trace.events.drain(..) {
                match self.of_the_kernel(&event) {
                    Some(EventKind::Output { console, bytes }) if *console == CONSOLE => {
                        output.extend_from_slice(bytes)
                    }
                    Some(EventKind::CommandEnded { console, status: ended }) if *console == CONSOLE => {
                        status = Some(*ended);
                    }
                    _ => {}
                }
            }
            match (status, turn) {
                (Some(status), turn) if self.is_prompted() => {
                    after += 1;
                    if turn == Turn::AtRest || after > SETTLING {
                        return (output, End::Status(status));
                    }
                }
                (None, Turn::AtRest) if ends < ENDS => {
                    ends += 1;
                    self.running.inject(&Action::EndOfInput { console: CONSOLE }, &mut trace);
                }
                (_, Turn::AtRest) => return (output, End::ShellEnded),
                _ => {}
            }
        }
        (output, End::OutOfBudget)
    }

    /// What happened, if it was in the kernel that is typed to.
    fn of_the_kernel<'a>(&self, event: &'a Event) -> Option<&'a EventKind> {
        match (&event.kind, self.inner) {
            (EventKind::Machine(Report::Elsewhere { system, event, .. }), Some(inner)) if *system == inner => {
                Some(&event.kind)
            }
            (_, Some(_)) => None,
            (kind, None) => Some(kind),
        }
    }
}

/// A guest that has booted with these words on its command line, and the terminal attached to its console.
fn domain(words: &str) -> Session {
    let mut session = Session::new(2);
    session.file("/g.cfg", &format!("{GUEST}extra=\"{words}\"\n"));
    assert_eq!(session.line("xl create /g.cfg"), "Parsing config from /g.cfg\n");
    session.line("xl console lab");
    let world = session.running.machine.world_of(SystemId(1)).expect("it runs");
    assert_eq!(&*world.command_line, words);
    session
}

/// What a guest's kernel is told so that it is the world of a script.
fn words(script: &Script) -> String {
    let v2 = if script.world == StandardWorld::V2 { "systemd.unified_cgroup_hierarchy=1 " } else { "" };
    format!("console=hvc0 {v2}security={}", script.lsm.name())
}

fn script_of(case: &Case) -> Script {
    let text = fs::read_to_string(&case.file).expect("it can be read");
    Script::parse(&text).expect("it is a script").found_in(&case.file)
}

/// The scripts that are to be run.
fn chosen() -> Vec<Case> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("transcripts");
    let cases = case::find(&[folder]).expect("there are scripts");
    let scripts = cases.into_iter().filter(|case| case.kind == Kind::Script);
    match env::var("RINGSIDE_DOMU_CORPUS") {
        Ok(all) if all == "all" => scripts.collect(),
        Ok(part) => scripts.filter(|case| case.name.contains(&part)).collect(),
        Err(_) => scripts.step_by(EVERY).collect(),
    }
}

/// Where the two differ, command by command.
fn difference(native: &str, inside: &str) -> String {
    let mut text = String::new();
    for (native, inside) in transcript::cut(native).iter().zip(transcript::cut(inside)) {
        if *native != inside {
            let _ = writeln!(text, "--- native\n{native}\n--- in a domain\n{inside}");
        }
    }
    text
}

#[test]
fn scripts_give_the_same_transcripts_in_a_domain_as_on_the_bare_machine() {
    let thread = std::thread::Builder::new().stack_size(STACK_BYTES).spawn(compare_all).expect("there is a thread");
    if let Err(panic) = thread.join() {
        std::panic::resume_unwind(panic);
    }
}

fn compare_all() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("xen");
    let reasons = fs::read_to_string(folder.join("corpus-differences.toml")).expect("it can be read");
    let reasons: BTreeMap<String, String> = toml::from_str(&reasons).expect("it is a list");
    let mut domains: BTreeMap<String, Session> = BTreeMap::new();
    let mut wrong = String::new();
    for case in chosen() {
        let script = script_of(&case);
        let config = Config {
            cgroup_v2: script.world == StandardWorld::V2,
            lsm: script.lsm,
            terminal: true,
            ..Config::default()
        };
        let mut bare = Running::boot(config, BareMetal::default());
        assert!(bare.run(TURNS, &mut Trace::silent()));
        let native = Seat { running: bare, inner: None }.run(&script);
        let words = words(&script);
        let booted = domains.entry(words).or_insert_with_key(|words| domain(words)).running.clone();
        let inside = Seat { running: booted, inner: Some(SystemId(1)) }.run(&script);
        let difference = difference(&native, &inside);
        match (difference.is_empty(), reasons.contains_key(&case.name)) {
            (true, false) | (false, true) => {}
            (true, true) => {
                let _ = writeln!(wrong, "=== {}: it does not differ any more", case.name);
            }
            (false, false) => {
                let _ = writeln!(wrong, "=== {}\n{difference}", case.name);
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong}");
}
