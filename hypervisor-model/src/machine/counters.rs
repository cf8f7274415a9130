//! What a machine counts while a kernel runs on it, and what that costs.

use std::collections::BTreeMap;

use serde::Serialize;

use super::told::Told;

/// Hits, misses and flushes of the TLBs of a machine's processors.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize)]
pub struct TlbCounters {
    /// Accesses whose translation was remembered.
    pub hits: u64,
    /// Accesses that needed a walk.
    pub misses: u64,
    /// Flushes by what asked for them.
    pub flushes: BTreeMap<&'static str, u64>,
}

/// Everything that is counted of one run.
#[derive(Clone, PartialEq, Debug, Default, Serialize)]
pub struct Counters {
    /// Changes of the privilege level of the processor, in either direction.
    pub ring_crossings: u64,
    /// VM exits by reason.
    pub vm_exits: BTreeMap<&'static str, u64>,
    /// Hypercalls by name.
    pub hypercalls: BTreeMap<&'static str, u64>,
    /// What a hypervisor without VM exits caught, by kind: faults that it handles or passes on.
    pub traps: BTreeMap<&'static str, u64>,
    /// Translation lookaside buffers.
    pub tlb: TlbCounters,
    /// References to entries of page tables, of either dimension, made by walks.
    pub walk_references: u64,
    /// Modelled cycles by what they were spent on.
    pub cycles: BTreeMap<&'static str, u64>,
    /// What is told of it.
    #[serde(skip)]
    pub told: Told,
}

impl Counters {
    /// Nothing counted.
    pub const fn new() -> Counters {
        Counters {
            ring_crossings: 0,
            vm_exits: BTreeMap::new(),
            hypercalls: BTreeMap::new(),
            traps: BTreeMap::new(),
            tlb: TlbCounters { hits: 0, misses: 0, flushes: BTreeMap::new() },
            walk_references: 0,
            cycles: BTreeMap::new(),
            told: Told::new(),
        }
    }

    /// Counts cycles.
    pub fn spend(&mut self, on: &'static str, cycles: u64) {
        if cycles > 0 {
            *self.cycles.entry(on).or_default() += cycles;
        }
    }

    /// Counts a VM exit and its cycles.
    pub fn exit(&mut self, reason: &'static str, cycles: u64) {
        *self.vm_exits.entry(reason).or_default() += 1;
        self.spend("VM exits", cycles);
        self.told.exit(reason, cycles);
    }

    /// Counts something that a hypervisor without VM exits caught.
    pub fn trap(&mut self, kind: &'static str) {
        *self.traps.entry(kind).or_default() += 1;
    }

    /// Counts a flush and its cycles.
    pub fn flush(&mut self, kind: &'static str, cycles: u64) {
        *self.tlb.flushes.entry(kind).or_default() += 1;
        self.spend("TLB flushes", cycles);
    }

    /// All VM exits.
    pub fn exits(&self) -> u64 {
        self.vm_exits.values().sum()
    }

    /// All cycles.
    pub fn total_cycles(&self) -> u64 {
        self.cycles.values().sum()
    }

    /// Adds what was counted elsewhere.
    pub fn add(&mut self, more: &Counters) {
        let plus = |sum: &mut BTreeMap<&'static str, u64>, more: &BTreeMap<&'static str, u64>| {
            for (name, n) in more {
                *sum.entry(name).or_default() += n;
            }
        };
        self.ring_crossings += more.ring_crossings;
        plus(&mut self.vm_exits, &more.vm_exits);
        plus(&mut self.hypercalls, &more.hypercalls);
        plus(&mut self.traps, &more.traps);
        self.tlb.hits += more.tlb.hits;
        self.tlb.misses += more.tlb.misses;
        plus(&mut self.tlb.flushes, &more.tlb.flushes);
        self.walk_references += more.walk_references;
        plus(&mut self.cycles, &more.cycles);
    }

    /// The share of one of so many equal rounds.
    #[must_use]
    pub fn shared_by(&self, rounds: u64) -> Counters {
        let rounds = rounds.max(1);
        let share = |all: &BTreeMap<&'static str, u64>| all.iter().map(|(name, n)| (*name, n / rounds)).collect();
        Counters {
            ring_crossings: self.ring_crossings / rounds,
            vm_exits: share(&self.vm_exits),
            hypercalls: share(&self.hypercalls),
            tlb: TlbCounters {
                hits: self.tlb.hits / rounds,
                misses: self.tlb.misses / rounds,
                flushes: share(&self.tlb.flushes),
            },
            walk_references: self.walk_references / rounds,
            cycles: share(&self.cycles),
            traps: share(&self.traps),
            told: Told::new(),
        }
    }

    /// What was counted since `before`.
    pub fn since(&self, before: &Counters) -> Counters {
        let minus = |now: &BTreeMap<&'static str, u64>, then: &BTreeMap<&'static str, u64>| {
            let left = now.iter().map(|(name, n)| (*name, n - then.get(name).copied().unwrap_or(0)));
            left.filter(|(_, n)| *n > 0).collect()
        };
        Counters {
            ring_crossings: self.ring_crossings - before.ring_crossings,
            vm_exits: minus(&self.vm_exits, &before.vm_exits),
            hypercalls: minus(&self.hypercalls, &before.hypercalls),
            traps: minus(&self.traps, &before.traps),
            tlb: TlbCounters {
                hits: self.tlb.hits - before.tlb.hits,
                misses: self.tlb.misses - before.tlb.misses,
                flushes: minus(&self.tlb.flushes, &before.tlb.flushes),
            },
            walk_references: self.walk_references - before.walk_references,
            cycles: minus(&self.cycles, &before.cycles),
            told: Told::default(),
        }
    }
}
