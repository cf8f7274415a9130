//! VM exits in lanes: who had the processor, what took it away, what was done about it, and how often by now.

use std::collections::BTreeMap;
use std::fmt::Write;

use kernel_model::event::{Event, EventKind};
use kernel_model::machine::report::{DeedKind, Lane, Report};
use kernel_model::projection::label;
use kernel_model::world::World;

/// VM exits by reason.
type Exits = BTreeMap<&'static str, u64>;

/// Most rows that are made: the last ones of a step.
pub const MAX_ROWS: usize = 160;

/// One row: something happened in a lane, or went from one to another.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Row {
    /// Who had the processor.
    pub from: Lane,
    /// Who has it then.
    pub to: Lane,
    /// What kind of thing; none for an operation of the guest's kernel.
    pub kind: Option<DeedKind>,
    /// Its name.
    pub name: String,
    /// One sentence.
    pub sentence: String,
    /// On which processor.
    pub cpu: u32,
    /// Modelled cycles.
    pub cycles: u64,
}

impl Row {
    /// Whether somebody lost the processor.
    pub fn crosses(&self) -> bool {
        self.from != self.to
    }
}

/// How often something has happened.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Count {
    /// What.
    pub name: String,
    /// In the step.
    pub now: u64,
    /// Since the kernel booted.
    pub all: u64,
}

/// The picture.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct ExitLanes {
    /// The lanes that are in use, in their order.
    pub lanes: Vec<Lane>,
    /// What happened in the step, in order.
    pub rows: Vec<Row>,
    /// Rows before these.
    pub left_out: usize,
    /// Exits by reason, the most frequent first.
    pub histogram: Vec<Count>,
}

impl ExitLanes {
    /// The lanes of a step: its events, the world after it, and the exits by reason before and after.
    pub fn of(events: &[Event], world: &World, before: &Exits, after: &Exits) -> ExitLanes {
        let mut rows = Vec::new();
        let mut operation = None;
        for event in events {
            match &event.kind {
                EventKind::Privileged { .. } => operation = Some(event),
                EventKind::Machine(Report::Did(deed)) => {
                    if matches!(deed.kind, DeedKind::Walk | DeedKind::Flush) {
                        continue;
                    }
                    // What the guest's kernel did to bring this about.
                    if let Some(cause) = operation.take() {
                        rows.push(Row {
                            from: Lane::GuestKernel,
                            to: Lane::GuestKernel,
                            kind: None,
                            name: label::label(&cause.kind, world),
                            sentence: String::new(),
                            cpu: deed.cpu,
                            cycles: 0,
                        });
                    }
                    rows.push(Row {
                        from: deed.from,
                        to: deed.to,
                        kind: Some(deed.kind),
                        name: deed.name.to_owned(),
                        sentence: deed.text(),
                        cpu: deed.cpu,
                        cycles: deed.cycles,
                    });
                }
                _ => {}
            }
        }
        let lanes = Lane::ALL.into_iter().filter(|lane| rows.iter().any(|r| r.from == *lane || r.to == *lane));
        let lanes = lanes.collect();
        let left_out = rows.len().saturating_sub(MAX_ROWS);
        rows.drain(..left_out);
        ExitLanes { lanes, rows, left_out, histogram: histogram(before, after) }
    }

    /// Exits of the step.
    pub fn exits(&self) -> u64 {
        self.histogram.iter().map(|count| count.now).sum()
    }

    /// One sentence.
    pub fn summary(&self) -> String {
        let all: u64 = self.histogram.iter().map(|count| count.all).sum();
        match (self.exits(), all) {
            (_, 0) => "No guest has lost the processor to a hypervisor.".to_owned(),
            (0, all) => format!("No VM exit in this step; {all} since the kernel booted."),
            (1, all) => format!("1 VM exit in this step; {all} since the kernel booted."),
            (now, all) => format!("{now} VM exits in this step; {all} since the kernel booted."),
        }
    }

    /// The text twin.
    pub fn text(&self) -> String {
        let mut text = format!("{}\n", self.summary());
        if self.left_out > 0 {
            let _ = writeln!(text, "({} rows before these)", self.left_out);
        }
        for row in &self.rows {
            let lanes = match row.crosses() {
                true => format!("{} -> {}", row.from.label(), row.to.label()),
                false => row.from.label().to_owned(),
            };
            let cycles = if row.cycles > 0 { format!("{} cycles", row.cycles) } else { String::new() };
            let _ = writeln!(text, "{}", format!("cpu{} {lanes:<30} {:<26} {cycles}", row.cpu, row.name).trim_end());
        }
        if !self.histogram.is_empty() {
            let _ = writeln!(text, "\n{:<24} {:>8} {:>8}", "exit reason", "step", "all");
        }
        for count in &self.histogram {
            let _ = writeln!(text, "{:<24} {:>8} {:>8}", count.name, count.now, count.all);
        }
        text
    }
}

/// What was counted by name, and how much of it in the step; the most frequent first.
pub(super) fn histogram(before: &BTreeMap<&'static str, u64>, after: &BTreeMap<&'static str, u64>) -> Vec<Count> {
    let count = |(name, all): (&&'static str, &u64)| Count {
        name: (*name).to_owned(),
        now: all - before.get(name).copied().unwrap_or(0).min(*all),
        all: *all,
    };
    let mut counts: Vec<Count> = after.iter().map(count).collect();
    counts.sort_by(|a, b| b.all.cmp(&a.all).then_with(|| a.name.cmp(&b.name)));
    counts
}
