//! What a step cost, and everything since the kernel booted: modelled cycles by cause.

use std::fmt::Write;

use super::exit_lanes::{Count, histogram};
use crate::machine::counters::Counters;

/// The picture.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct CostBars {
    /// Cycles by cause, the most expensive first.
    pub causes: Vec<Count>,
    /// What was counted beside them.
    pub counts: Vec<Count>,
}

impl CostBars {
    /// What was counted before a step and after it.
    pub fn of(before: &Counters, after: &Counters) -> CostBars {
        let count = |name: &str, before: u64, after: u64| Count {
            name: name.to_owned(),
            now: after.saturating_sub(before),
            all: after,
        };
        let flushes = |c: &Counters| c.tlb.flushes.values().sum::<u64>();
        let calls = |c: &Counters| c.hypercalls.values().sum::<u64>();
        CostBars {
            causes: histogram(&before.cycles, &after.cycles),
            counts: vec![
                count("ring crossings", before.ring_crossings, after.ring_crossings),
                count("VM exits", before.exits(), after.exits()),
                count("hypercalls", calls(before), calls(after)),
                count("TLB hits", before.tlb.hits, after.tlb.hits),
                count("TLB misses", before.tlb.misses, after.tlb.misses),
                count("TLB flushes", flushes(before), flushes(after)),
                count("walk references", before.walk_references, after.walk_references),
            ],
        }
    }

    /// Cycles of the step, and of all.
    pub fn total(&self) -> (u64, u64) {
        self.causes.iter().fold((0, 0), |sum, cause| (sum.0 + cause.now, sum.1 + cause.all))
    }

    /// One sentence.
    pub fn summary(&self) -> String {
        let (now, all) = self.total();
        format!(
            "{now} modelled cycles in this step, {all} since the kernel booted, without what its code itself takes."
        )
    }

    /// The text twin.
    pub fn text(&self) -> String {
        let mut text = format!("{}\n\n{:<32} {:>10} {:>12}\n", self.summary(), "cycles for", "step", "all");
        for row in &self.causes {
            let _ = writeln!(text, "{:<32} {:>10} {:>12}", row.name, row.now, row.all);
        }
        let _ = writeln!(text, "\n{:<32} {:>10} {:>12}", "counted", "step", "all");
        for row in &self.counts {
            let _ = writeln!(text, "{:<32} {:>10} {:>12}", row.name, row.now, row.all);
        }
        text
    }
}
