//! Page walks, reference by reference: through a kernel's own tables, through a guest's and the nested ones under each
//! of them, or through the shadow that a hypervisor keeps.

use std::fmt::Write;

use kernel_model::event::{Event, EventKind};
use kernel_model::machine::report::{Deed, DeedKind, Report};

/// Most walks of a step that are shown: the last ones.
pub const MAX_WALKS: usize = 24;

/// One reference to an entry of a page table.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Reference {
    /// Its place in the walk, from 1.
    pub number: usize,
    /// What the manual calls the entry.
    pub name: &'static str,
    /// Where it is in the machine's memory.
    pub at: u64,
    /// What it holds.
    pub entry: u64,
    /// The address whose bits chose it.
    pub of: u64,
}

/// A rung of the ladder: an entry of the guest's table, and the references to nested tables that it takes to find it. The
/// last one of a nested walk has no entry: it finds the page itself.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Rung {
    /// Through the nested tables.
    pub nested: Vec<Reference>,
    /// To the table itself.
    pub own: Option<Reference>,
}

/// A walk.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Walk {
    /// The linear address.
    pub linear: u64,
    /// What was done there: read, write, fetch.
    pub kind: &'static str,
    /// Its rungs, from the root on.
    pub rungs: Vec<Rung>,
    /// How it ended, in one sentence.
    pub ending: String,
    /// It found the page.
    pub is_done: bool,
    /// Modelled cycles.
    pub cycles: u64,
    /// On which processor.
    pub cpu: u32,
}

impl Walk {
    fn of(deed: &Deed) -> Walk {
        let mut rungs = vec![Rung::default()];
        for (i, (name, [dimension, at, entry, of])) in deed.parts.iter().enumerate() {
            let reference = Reference { number: i + 1, name, at: *at, entry: *entry, of: *of };
            let Some(last) = rungs.last_mut() else { continue };
            if *dimension == 2 {
                last.nested.push(reference);
            } else {
                last.own = Some(reference);
                rungs.push(Rung::default());
            }
        }
        rungs.retain(|rung| rung.own.is_some() || !rung.nested.is_empty());
        Walk {
            linear: deed.number("linear").unwrap_or(0),
            kind: match deed.number("kind") {
                Some(1) => "write",
                Some(2) => "fetch",
                _ => "read",
            },
            rungs,
            ending: deed.text(),
            is_done: deed.number("frame").is_some() || deed.name == "page walk",
            cycles: deed.cycles,
            cpu: deed.cpu,
        }
    }

    /// How many references it made.
    pub fn references(&self) -> usize {
        self.rungs.iter().map(|rung| rung.nested.len() + usize::from(rung.own.is_some())).sum()
    }

    /// All references in order.
    pub fn all(&self) -> impl Iterator<Item = &Reference> {
        self.rungs.iter().flat_map(|rung| rung.nested.iter().chain(&rung.own))
    }

    /// Whether it went through nested tables.
    pub fn is_nested(&self) -> bool {
        self.rungs.iter().any(|rung| !rung.nested.is_empty())
    }
}

/// The picture.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct PageWalks {
    /// The walks of the step, the last ones.
    pub walks: Vec<Walk>,
    /// Walks before these.
    pub left_out: usize,
    /// What the tables are that the processor walks, in one sentence.
    pub tables: &'static str,
}

impl PageWalks {
    /// The walks of a step.
    pub fn of(events: &[Event], tables: &'static str) -> PageWalks {
        let walk = |event: &Event| match &event.kind {
            EventKind::Machine(Report::Did(deed)) if deed.kind == DeedKind::Walk => Some(Walk::of(deed)),
            _ => None,
        };
        let mut walks: Vec<Walk> = events.iter().filter_map(walk).collect();
        let left_out = walks.len().saturating_sub(MAX_WALKS);
        walks.drain(..left_out);
        PageWalks { walks, left_out, tables }
    }

    /// One sentence.
    pub fn summary(&self) -> String {
        let references: usize = self.walks.iter().map(Walk::references).sum();
        match self.walks.len() {
            0 => "No walk in this step: the TLB knew every translation, or none was needed.".to_owned(),
            1 => format!("One walk, {references} references to page tables."),
            n => format!("{n} walks, {references} references to page tables."),
        }
    }

    /// The text twin.
    pub fn text(&self) -> String {
        let mut text = format!("{}\n{}\n", self.tables, self.summary());
        for walk in &self.walks {
            let _ = writeln!(text, "\n{} of {:#x} on cpu{}", walk.kind, walk.linear, walk.cpu);
            for reference in walk.all() {
                let own = walk.rungs.iter().any(|rung| rung.own.as_ref() == Some(reference));
                let what = if own { reference.name.to_owned() } else { format!("  nested {}", reference.name) };
                let _ = writeln!(
                    text,
                    "{:>3} {what:<18} at {:#x} holds {:#x}",
                    reference.number, reference.at, reference.entry
                );
            }
            let _ = writeln!(text, "    {}", walk.ending);
        }
        text
    }
}
