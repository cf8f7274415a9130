//! `ringside compare`: the same script on several platforms, and what each had to do for it.

use super::WorldArgument;
use crate::conformance::run::run_on;
use crate::conformance::script::Script;
use crate::conformance::transcript;
use crate::input::{SCRIPT_MAX, read_text};
use anyhow::{Context, Result, bail};
use clap::Args;
use hypervisor_model::machine::Platform;
use hypervisor_model::machine::cost::{Costs, DEFAULT_PRESET};
use hypervisor_model::machine::counters::Counters;
use kernel_model::event::{Event, EventKind};
use kernel_model::task::TaskId;
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};
use std::io::{self, Write};
use std::path::PathBuf;
use std::process::ExitCode;

/// How many system calls the text form shows.
const CALLS_SHOWN: usize = 12;

/// Run a script on several platforms and compare what each of them does.
///
/// The output of the script must be the same everywhere; what differs is counted: crossings between rings, VM exits,
/// hits and misses of TLBs, references of page walks, and modelled cycles by what they were spent on. Exit status 1 when
/// the output differs.
#[derive(Args, Debug)]
pub struct Compare {
    /// The script
    file: PathBuf,
    /// Platforms, separated by commas; the others are compared with the first
    #[arg(
        long,
        value_delimiter = ',',
        default_value = "native,container,kvm-ept,kvm-shadow,bt,xen-pv32,xen-pv64,xen-hvm,emulated,uml",
        value_name = "NAMES"
    )]
    platforms: Vec<Platform>,
    /// What operations cost: the name of a preset
    #[arg(long, default_value = DEFAULT_PRESET, value_name = "NAME")]
    costs: String,
    /// World, instead of the one that the script's header asks for
    #[arg(long, value_enum)]
    world: Option<WorldArgument>,
    /// Show every system call in order, with the cycles that it cost on each platform, instead of the sums
    #[arg(long, conflicts_with = "json")]
    calls: bool,
    /// Print one JSON object instead of text
    #[arg(long)]
    json: bool,
}

/// What one platform did.
struct Lane {
    platform: Platform,
    transcript: String,
    counters: Counters,
    /// By system call: how often it was made, and what was counted meanwhile.
    calls: BTreeMap<&'static str, (u64, Counters)>,
    /// The system calls in the order in which they were made.
    sequence: Vec<Made>,
}

/// A system call that was made.
struct Made {
    /// Which, the same on every platform.
    key: CallKey,
    /// What was counted from its beginning to that of the next one.
    counters: Counters,
}

/// A system call, told apart from all others of a run: that many calls of the task before it, and its name.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct CallKey {
    task: Option<TaskId>,
    nth: usize,
    name: &'static str,
}

/// One system call on all platforms.
struct Aligned<'a> {
    key: CallKey,
    /// In the order of the lanes; `None` where the platform did not come to it.
    lanes: Vec<Option<&'a Counters>>,
}

impl Compare {
    pub(super) fn execute(mut self) -> Result<ExitCode> {
        self.platforms.dedup();
        if self.platforms.is_empty() {
            bail!("no platform was named, for instance --platforms native,kvm-ept");
        }
        let text = read_text(&self.file, SCRIPT_MAX)?;
        let mut script = Script::parse(&text).with_context(|| format!("cannot parse {}", self.file.display()))?;
        script = script.found_in(&self.file);
        script.world = self.world.map_or(script.world, Into::into);
        let costs = Costs::preset(&self.costs)?;
        let lanes = self.platforms.iter().map(|p| Lane::run(&script, *p, &costs)).collect::<Result<Vec<_>>>()?;
        let mut out = io::stdout().lock();
        if self.json {
            writeln!(out, "{:#}", to_json(&lanes, &costs))?;
        } else if self.calls {
            print_calls(&mut out, &lanes)?;
        } else {
            print(&mut out, &lanes, &costs)?;
        }
        let agree = lanes.windows(2).all(|pair| pair[0].transcript == pair[1].transcript);
        Ok(if agree { ExitCode::SUCCESS } else { ExitCode::FAILURE })
    }
}

impl Lane {
    fn run(script: &Script, platform: Platform, costs: &Costs) -> Result<Lane> {
        let machine = platform.machine(costs.clone())?;
        let mut last = Counters::default();
        let mut call = None;
        let mut calls: BTreeMap<&'static str, (u64, Counters)> = BTreeMap::new();
        let mut sequence: Vec<Made> = Vec::new();
        let mut made: BTreeMap<Option<TaskId>, usize> = BTreeMap::new();
        let entries = run_on(script, machine, |turn| {
            for (task, name) in turn.events.iter().filter_map(entered) {
                call = Some(name);
                calls.entry(name).or_default().0 += 1;
                let nth = made.entry(task).or_default();
                sequence.push(Made { key: CallKey { task, nth: *nth, name }, counters: Counters::default() });
                *nth += 1;
            }
            let now = turn.machine.counters();
            let spent = now.since(&last);
            if let Some(name) = call {
                calls.entry(name).or_default().1.add(&spent);
            }
            if let Some(made) = sequence.last_mut() {
                made.counters.add(&spent);
            }
            last = now.clone();
        });
        Ok(Lane { platform, transcript: transcript::write(&entries), counters: last, calls, sequence })
    }
}

/// The call that an event begins, and whose it is.
fn entered(event: &Event) -> Option<(Option<TaskId>, &'static str)> {
    match &event.kind {
        EventKind::CallEntered { call } => Some((event.task, call.nr.name())),
        _ => None,
    }
}

/// The system calls of the first platform in their order, each beside the same one on the others: the same task, as many
/// calls before it, the same name. What another platform did beside them follows at the end.
fn aligned(lanes: &[Lane]) -> Vec<Aligned<'_>> {
    let of: Vec<BTreeMap<CallKey, &Counters>> =
        lanes.iter().map(|lane| lane.sequence.iter().map(|made| (made.key, &made.counters)).collect()).collect();
    let mut seen = BTreeSet::new();
    let keys = lanes.iter().flat_map(|lane| &lane.sequence).map(|made| made.key).filter(|key| seen.insert(*key));
    keys.map(|key| Aligned { key, lanes: of.iter().map(|calls| calls.get(&key).copied()).collect() }).collect()
}

/// Every system call in order, with its cycles on each platform.
fn print_calls(out: &mut impl Write, lanes: &[Lane]) -> Result<()> {
    let header: String = lanes.iter().map(|lane| format!(" {:>14}", lane.platform.to_string())).collect();
    writeln!(out, "{:>5} {:<26}{header}", "task", "system call")?;
    for call in aligned(lanes) {
        let task = call.key.task.map_or_else(|| "-".to_owned(), |task| task.to_string());
        write!(out, "{task:>5} {:<26}", call.key.name)?;
        for counters in call.lanes {
            match counters {
                Some(counters) => write!(out, " {:>14}", counters.total_cycles())?,
                None => write!(out, " {:>14}", "-")?,
            }
        }
        writeln!(out)?;
    }
    Ok(())
}

fn to_json(lanes: &[Lane], costs: &Costs) -> Value {
    let platforms: serde_json::Map<String, Value> =
        lanes.iter().map(|lane| (lane.platform.to_string(), lane_to_json(lane))).collect();
    let calls: Vec<Value> = aligned(lanes)
        .iter()
        .map(|call| {
            let of = |(lane, counters): (&Lane, &Option<&Counters>)| {
                Some((lane.platform.to_string(), counters.map(counters_to_json)?))
            };
            let platforms: serde_json::Map<String, Value> = lanes.iter().zip(&call.lanes).filter_map(of).collect();
            json!({ "call": call.key.name, "task": call.key.task.map(|task| task.0), "platforms": platforms })
        })
        .collect();
    json!({ "platforms": platforms, "costs": costs.name, "calls": calls })
}

fn lane_to_json(lane: &Lane) -> Value {
    let mut value = counters_to_json(&lane.counters);
    value["transcript"] = json!(lane.transcript);
    let calls: serde_json::Map<String, Value> = lane
        .calls
        .iter()
        .map(|(name, (times, counters))| {
            let mut call = counters_to_json(counters);
            call["times"] = json!(times);
            ((*name).to_owned(), call)
        })
        .collect();
    value["calls"] = json!(calls);
    value
}

fn counters_to_json(counters: &Counters) -> Value {
    json!({
        "ring_crossings": counters.ring_crossings,
        "vm_exits": { "total": counters.exits(), "by_reason": counters.vm_exits },
        "hypercalls": { "total": counters.hypercalls.values().sum::<u64>(), "by_name": counters.hypercalls },
        "traps": counters.traps,
        "tlb": { "hits": counters.tlb.hits, "misses": counters.tlb.misses, "flushes": counters.tlb.flushes },
        "walk_references": counters.walk_references,
        "cycles": { "total": counters.total_cycles(), "by_cause": counters.cycles },
    })
}

fn print(out: &mut impl Write, lanes: &[Lane], costs: &Costs) -> Result<()> {
    let header: String = lanes.iter().map(|lane| format!(" {:>14}", lane.platform.to_string())).collect();
    writeln!(out, "{:<32}{header}", "")?;
    let mut line = |name: &str, value: &dyn Fn(&Lane) -> u64| -> io::Result<()> {
        write!(out, "{name:<32}")?;
        lanes.iter().try_for_each(|lane| write!(out, " {:>14}", value(lane)))?;
        writeln!(out)
    };
    line("ring crossings", &|l| l.counters.ring_crossings)?;
    line("VM exits", &|l| l.counters.exits())?;
    for reason in keys(lanes, |c| &c.vm_exits) {
        line(&format!("  {reason}"), &|l| l.counters.vm_exits.get(reason).copied().unwrap_or(0))?;
    }
    line("hypercalls", &|l| l.counters.hypercalls.values().sum())?;
    line("TLB hits", &|l| l.counters.tlb.hits)?;
    line("TLB misses", &|l| l.counters.tlb.misses)?;
    line("TLB flushes", &|l| l.counters.tlb.flushes.values().sum())?;
    for kind in keys(lanes, |c| &c.tlb.flushes) {
        line(&format!("  {kind}"), &|l| l.counters.tlb.flushes.get(kind).copied().unwrap_or(0))?;
    }
    line("page-walk references", &|l| l.counters.walk_references)?;
    line("cycles", &|l| l.counters.total_cycles())?;
    for cause in keys(lanes, |c| &c.cycles) {
        line(&format!("  {cause}"), &|l| l.counters.cycles.get(cause).copied().unwrap_or(0))?;
    }
    writeln!(out, "\n{:<32}{header}", "cycles by system call")?;
    for (name, times) in dearest(lanes) {
        write!(out, "{:<32}", format!("  {name} x {times}"))?;
        for lane in lanes {
            write!(out, " {:>14}", lane.calls.get(name).map_or(0, |(_, c)| c.total_cycles()))?;
        }
        writeln!(out)?;
    }
    let same = lanes.iter().all(|lane| lane.transcript == lanes[0].transcript);
    writeln!(out, "\ncosts: {} ({})", costs.name, costs.processor)?;
    writeln!(out, "output: {}", if same { "the same on every platform" } else { "differs" })?;
    Ok(())
}

/// The names that occur in a counter of any lane.
fn keys(lanes: &[Lane], of: impl Fn(&Counters) -> &BTreeMap<&'static str, u64>) -> Vec<&'static str> {
    let mut names: Vec<_> = lanes.iter().flat_map(|lane| of(&lane.counters).keys().copied()).collect();
    names.sort_unstable();
    names.dedup();
    names
}

/// The system calls that cost most on any platform, and how often they were made.
fn dearest(lanes: &[Lane]) -> Vec<(&'static str, u64)> {
    let mut calls: BTreeMap<&'static str, (u64, u64)> = BTreeMap::new();
    for (name, (times, counters)) in lanes.iter().flat_map(|lane| &lane.calls) {
        let (most, _) = calls.get(name).copied().unwrap_or((0, 0));
        calls.insert(name, (most.max(counters.total_cycles()), *times));
    }
    let mut calls: Vec<_> = calls.into_iter().map(|(name, (cycles, times))| (cycles, name, times)).collect();
    calls.sort_unstable_by(|a, b| b.cmp(a));
    calls.into_iter().take(CALLS_SHOWN).map(|(_, name, times)| (name, times)).collect()
}
