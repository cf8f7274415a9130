//! What the processors remember of their walks: the second level of each TLB with its tags, what a step brought in, what
//! it made them forget, and because of what.

use std::fmt::Write;

use kernel_model::event::{Event, EventKind};
use kernel_model::machine::report::{DeedKind, Report};
use kernel_model::projection::Change;

use crate::machine::counters::Counters;
use crate::machine::measured::Parts;
use crate::machine::processor::Processor;
use crate::paging::tlb::Tag;
use crate::paging::walk::Rights;

/// Most translations of a processor that are shown.
pub const MAX_ENTRIES: usize = 96;

/// A translation that is, or was, remembered.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct Translation {
    /// Its tags.
    pub tag: (u16, u16, u64),
    /// The first linear address of the page.
    pub page: u64,
    /// The machine's frame.
    pub frame: u64,
    /// Binary logarithm of the page's size.
    pub shift: u8,
    /// Rights in letters: w, u, x, d, g.
    pub rights: String,
}

impl Translation {
    /// Its size in words.
    pub fn size(&self) -> String {
        match self.shift {
            30.. => format!("{} GiB", 1u64 << (self.shift - 30)),
            20.. => format!("{} MiB", 1u64 << (self.shift - 20)),
            _ => format!("{} KiB", 1u64 << (self.shift.max(10) - 10)),
        }
    }

    /// Its tags in words: only those that are not 0.
    pub fn tags(&self) -> String {
        let (vpid, pcid, ept) = self.tag;
        let mut words = Vec::new();
        if vpid > 0 {
            words.push(format!("VPID {vpid}"));
        }
        if pcid > 0 {
            words.push(format!("PCID {pcid}"));
        }
        if ept > 0 {
            words.push(format!("EPTP {ept:#x}"));
        }
        if words.is_empty() { "none".to_owned() } else { words.join(", ") }
    }
}

/// The TLB of a processor.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Table {
    /// Which processor.
    pub cpu: usize,
    /// How many translations it holds.
    pub held: usize,
    /// Those that the step has changed first, then the others, by address.
    pub entries: Vec<(Translation, Change)>,
    /// How many are not shown.
    pub left_out: usize,
}

/// Something that made a processor forget.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Flushed {
    /// The kind of flush.
    pub name: &'static str,
    /// What the kernel was doing.
    pub cause: String,
    /// On which processor.
    pub cpu: u32,
    /// Translations that fell.
    pub dropped: u64,
    /// In one sentence.
    pub sentence: String,
}

/// The picture.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct TlbTable {
    /// A table a processor.
    pub tables: Vec<Table>,
    /// The flushes of the step.
    pub flushes: Vec<Flushed>,
    /// Hits and misses of the step, and of all.
    pub hits: (u64, u64),
    /// See [`TlbTable::hits`].
    pub misses: (u64, u64),
}

impl TlbTable {
    /// The TLBs before and after a step.
    pub fn of(parts: (Parts<'_>, Parts<'_>), counters: (&Counters, &Counters), events: &[Event]) -> TlbTable {
        let (before, after) = parts;
        let pairs = before.processors.iter().zip(after.processors).enumerate();
        let step = |of: fn(&Counters) -> u64| (of(counters.1) - of(counters.0).min(of(counters.1)), of(counters.1));
        TlbTable {
            tables: pairs.map(|(cpu, (before, after))| table(cpu, before, after)).collect(),
            flushes: flushes(events),
            hits: step(|c| c.tlb.hits),
            misses: step(|c| c.tlb.misses),
        }
    }

    /// One sentence.
    pub fn summary(&self) -> String {
        let dropped: u64 = self.flushes.iter().map(|flush| flush.dropped).sum();
        format!(
            "{} hits and {} misses in this step, {} flushes that dropped {dropped} translations; {} hits and {} misses since the kernel booted.",
            self.hits.0,
            self.misses.0,
            self.flushes.len(),
            self.hits.1,
            self.misses.1
        )
    }

    /// The text twin.
    pub fn text(&self) -> String {
        let mut text = format!("{}\n", self.summary());
        for flush in &self.flushes {
            let _ = writeln!(text, "cpu{} {}: {} dropped ({})", flush.cpu, flush.name, flush.dropped, flush.cause);
        }
        for table in &self.tables {
            let _ = writeln!(text, "\nprocessor {}, {} translations", table.cpu, table.held);
            for (entry, change) in &table.entries {
                let mark = if *change == Change::Same { " " } else { change.mark() };
                let _ = writeln!(
                    text,
                    "{mark} {:#018x} -> frame {:#x}, {}, {}, {}",
                    entry.page,
                    entry.frame,
                    entry.size(),
                    entry.rights,
                    entry.tags()
                );
            }
            if table.left_out > 0 {
                let _ = writeln!(text, "  and {} more", table.left_out);
            }
        }
        text
    }
}

fn translations(processor: &Processor) -> Vec<Translation> {
    let letters = |rights: Rights| {
        let all = [
            (Rights::WRITE, 'w'),
            (Rights::USER, 'u'),
            (Rights::EXECUTE, 'x'),
            (Rights::DIRTY, 'd'),
            (Rights::GLOBAL, 'g'),
        ];
        all.into_iter().map(|(right, letter)| if rights.contains(right) { letter } else { '-' }).collect()
    };
    let tag = |tag: Tag| (tag.vpid, tag.pcid, tag.ept);
    let mut all: Vec<Translation> = processor
        .tlb()
        .entries()
        .map(|e| Translation {
            tag: tag(e.tag),
            page: e.page(),
            frame: e.leaf.hpa.0 >> 12,
            shift: e.leaf.shift,
            rights: letters(e.leaf.rights),
        })
        .collect();
    all.sort();
    all
}

fn table(cpu: usize, before: &Processor, after: &Processor) -> Table {
    let (before, after) = (translations(before), translations(after));
    let new = after.iter().filter(|t| before.binary_search(t).is_err()).map(|t| (t.clone(), Change::New));
    let gone = before.iter().filter(|t| after.binary_search(t).is_err()).map(|t| (t.clone(), Change::Gone));
    let same = after.iter().filter(|t| before.binary_search(t).is_ok()).map(|t| (t.clone(), Change::Same));
    let mut entries: Vec<(Translation, Change)> = new.chain(gone).chain(same).collect();
    let left_out = entries.len().saturating_sub(MAX_ENTRIES);
    entries.truncate(MAX_ENTRIES);
    Table { cpu, held: after.len(), entries, left_out }
}

fn flushes(events: &[Event]) -> Vec<Flushed> {
    let mut cause = "";
    let mut found = Vec::new();
    for event in events {
        match &event.kind {
            EventKind::Privileged { op } => cause = kernel_model::projection::privileged::label(*op),
            EventKind::Machine(Report::Did(deed)) if deed.kind == DeedKind::Flush => found.push(Flushed {
                name: deed.name,
                cause: format!("the kernel {cause}"),
                cpu: deed.cpu,
                dropped: deed.number("dropped").unwrap_or(0),
                sentence: deed.text(),
            }),
            _ => {}
        }
    }
    found
}
