//! How fast the models are: `cargo bench -p ringside-tests`.
//!
//! Every figure stands beside a peer or a limit that was measured in the same run, and is given as a
//! ratio to it: machines differ, ratios less so.

use std::collections::BTreeMap;
use std::hint::black_box;
use std::time::{Duration, Instant};

use kernel_model::action::Action;
use kernel_model::kernel::Trace;
use kernel_model::pv_ops::NoMachine;
use kernel_model::step::Running;
use kernel_model::syscall::{Call, Sysno, Value};
use kernel_model::task::TaskId;
use kernel_model::timeline::Timeline;
use kernel_model::world::{Config, World};

/// The first process, which makes no calls of its own.
const INIT: TaskId = TaskId(1);

fn main() {
    // `cargo test` runs bench targets to see whether they still work: a small run is enough for that.
    let small = !std::env::args().any(|a| a == "--bench");
    let scale = if small { 100 } else { 1 };
    clone_of_a_large_world(10_000 / scale);
    calls_and_turns(200_000 / scale as u64);
    seek_in_a_long_history(100_000 / scale as u64);
    translations(10_000_000 / scale);
}

/// Translations against the bare loop that does only the look-ups.
fn translations(count: u32) {
    for (hits, nested) in [(true, false), (true, true), (false, false), (false, true)] {
        // A walk of 24 references takes its time.
        let count = if hits { count } else { count / 10 };
        let [bare, silent, traced] = ["bare", "silent", "traced"].map(|way| {
            median(3, || {
                black_box(wasm_probe::translations::translations(way, hits, nested, count));
            }) / count
        });
        let what = format!(
            "a translation, {} hits, {}",
            if hits { "99 %" } else { "no" },
            if nested { "24 references a walk" } else { "4 references a walk" }
        );
        report(&format!("{what}, tracing off"), silent, "the bare loop", bare);
        report(&format!("{what}, tracing on"), traced, "the bare loop", bare);
        println!("    {} million a second with tracing off", 1_000_000_000 / silent.as_nanos().max(1) / 1_000_000);
    }
}

/// A snapshot against a plain copy of the same tasks.
fn clone_of_a_large_world(processes: u32) {
    let mut running = Running::new(World::boot(Config::default()), NoMachine);
    for _ in 0..processes {
        running.call_as(INIT, Call { nr: Sysno::CLONE, args: vec![17.into()] }, &mut Trace::silent());
    }
    let plain: BTreeMap<_, _> = running.world.tasks.iter().map(|(id, t)| (id, t.clone())).collect();
    let snapshot = median(101, || drop(black_box(running.world.clone())));
    let copy = median(11, || drop(black_box(plain.clone())));
    report(
        &format!("clone of a world of {} processes", running.world.processes.len()),
        snapshot,
        "a copy of its tasks alone",
        copy,
    );
}

/// Turns of the whole machinery against bare calls of one handler.
fn calls_and_turns(count: u64) {
    let mut running = Running::new(World::boot(Config::default()), NoMachine);
    running.run(10_000, &mut Trace::silent());
    let call = Call { nr: Sysno::GETPID, args: Vec::new() };
    let begin = Instant::now();
    for _ in 0..count {
        running.call_as(INIT, call.clone(), &mut Trace::silent());
    }
    let bare = begin.elapsed() / count as u32;

    let console = running.world.consoles.ids().next().expect("there is a console");
    let line = Action::Line { console, text: "while :; do :; done".to_owned() };
    let mut looped = running.clone();
    looped.inject(&line, &mut Trace::silent());
    let begin = Instant::now();
    looped.run(count, &mut Trace::silent());
    report("a turn of a shell's endless loop", begin.elapsed() / count as u32, "a bare system call", bare);

    let mut forking = running.clone();
    let text = "while :; do /bin/true; done".to_owned();
    forking.inject(&Action::Line { console, text }, &mut Trace::silent());
    let begin = Instant::now();
    forking.run(count, &mut Trace::silent());
    report("a turn of fork, exec, exit and wait", begin.elapsed() / count as u32, "a bare system call", bare);
    println!(
        "    {} turns a second, {} bare calls a second",
        per_second(begin.elapsed(), count),
        per_second(bare * count as u32, count)
    );
}

/// Finding any state of a long history against replaying it from its start.
fn seek_in_a_long_history(actions: u64) {
    let mut timeline = Timeline::new(Config::default(), NoMachine);
    let begin = Instant::now();
    for i in 0..actions {
        let name = format!("host{i}");
        let args: Vec<Value> = vec![name.as_str().into(), name.len().into()];
        timeline.act(Action::Syscall { task: INIT, call: Call { nr: Sysno::SETHOSTNAME, args } });
        timeline.run(1000);
    }
    let whole = begin.elapsed();
    // Far jumps, spread over the history by a fixed stride that visits no place twice.
    let places: Vec<u64> = (1..200u64).map(|i| i * 7_919_317 % timeline.len()).collect();
    let mut times: Vec<Duration> = places
        .iter()
        .map(|place| {
            let begin = Instant::now();
            timeline.seek(*place);
            begin.elapsed()
        })
        .collect();
    times.sort();
    let middle = times[times.len() / 2];
    report(
        &format!("a jump in a history of {actions} actions, {} events", timeline.len()),
        middle,
        "making the whole history",
        whole,
    );
    println!("    slowest of {} jumps: {:?}", times.len(), times[times.len() - 1]);
    let mut back: Vec<Duration> = (0..200)
        .map(|_| {
            let begin = Instant::now();
            timeline.seek(timeline.position().saturating_sub(1));
            begin.elapsed()
        })
        .collect();
    back.sort();
    report("one step back there", back[back.len() / 2], "a jump", middle);
}

fn median(times: usize, mut run: impl FnMut()) -> Duration {
    let mut all: Vec<Duration> = (0..times)
        .map(|_| {
            let begin = Instant::now();
            run();
            begin.elapsed()
        })
        .collect();
    all.sort();
    all[times / 2]
}

fn report(what: &str, time: Duration, peer: &str, peer_time: Duration) {
    let ratio = time.as_secs_f64() / peer_time.as_secs_f64().max(1e-12);
    println!("{what}: {time:?}, {ratio:.4} times {peer} ({peer_time:?})");
}

fn per_second(time: Duration, count: u64) -> u64 {
    (count as f64 / time.as_secs_f64().max(1e-9)) as u64
}
