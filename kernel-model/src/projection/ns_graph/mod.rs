//! Namespaces and what keeps each of them alive: processes, descriptors, bind mounts, sockets, children to
//! be born, and other namespaces, as in namespaces(7), "Namespace lifetime".
//!
//! The picture is a loom. A row is something that holds namespaces; a column is a kind; a namespace is a box
//! in the column of its kind that reaches over the rows that hold it. A box lives as long as a row does.
//! Rows are put in an order in which boxes hang together ([`order`]). Which row alone keeps a box alive is a
//! question of dominators in the graph of references ([`lifeline`]).

mod hold;
mod lifeline;
mod order;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;

use super::Change;
use super::process_index::ProcessIndex;
use crate::namespace::user::UserNsId;
use crate::namespace::{NsKind, NsRef};
use crate::task::TaskId;
use crate::world::World;

pub use hold::Holder;
pub(super) use hold::TaskHolds;

/// How many rows of one likeness are drawn before the others are folded into one.
const ALIKE_SHOWN: usize = 3;
/// How many rows there may be before any are folded.
const FOLD_ABOVE: usize = 24;
/// How many rows of any likeness are drawn at most.
const MAX_ROWS: usize = 200;

/// The loom.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct NsGraph {
    /// What holds namespaces, from top to bottom.
    pub rows: Vec<Row>,
    /// Namespaces, by kind in the order of [`NsKind::SHOWN`] and by age.
    pub boxes: Vec<NsBox>,
    /// User namespaces with what they own, each after the one that it lies in.
    pub owners: Vec<Owner>,
    /// How many processes there are.
    pub processes: usize,
    /// How many namespaces are not drawn, because the rows that hold them are folded.
    pub left_out: usize,
}

/// Something that holds namespaces.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Row {
    /// What.
    pub holder: Holder,
    /// Its name: `sh 30000, cat 30003`.
    pub label: String,
    /// What kind of holder it is, in a few words: `2 processes`, `open descriptor`.
    pub note: String,
    /// The boxes that it holds, by index.
    pub holds: Vec<usize>,
    /// How many more rows like this one are folded here; such a row has no holder of its own.
    pub folded: usize,
    /// What the step did to it.
    pub change: Change,
}

/// A namespace.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct NsBox {
    /// Which.
    pub ns: NsRef,
    /// Which of its kind, from 1.
    pub instance: u32,
    /// Its inode number.
    pub inum: u32,
    /// The user namespace that owns it.
    pub owner: UserNsId,
    /// The namespace of its kind in which it lies, for PID and user namespaces.
    pub parent: Option<NsRef>,
    /// Stretches of rows that hold it: first and last.
    pub runs: Vec<(usize, usize)>,
    /// What keeps it alive, one reason each.
    pub kept_by: Vec<String>,
    /// The row without which it would be gone, when there is only one such.
    pub lifeline: Option<String>,
    /// What the step did to it.
    pub change: Change,
}

/// A user namespace and what belongs to it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Owner {
    /// Which.
    pub ns: UserNsId,
    /// Its inode number.
    pub inum: u32,
    /// The user namespace that it lies in, by index.
    pub parent: Option<usize>,
    /// Who made it, as a uid of the first user namespace.
    pub made_by: u32,
    /// What it owns, by box index; user namespaces, which nest, are not among them.
    pub owns: Vec<usize>,
    /// How many more it owns.
    pub left_out: usize,
    /// What the step did to it.
    pub change: Change,
}

impl NsBox {
    /// `uts:[4026531838]`, as in `/proc/PID/ns`.
    pub fn name(&self) -> String {
        format!("{}:[{}]", self.ns.kind().name(), self.inum)
    }

    /// `U2`
    pub fn short(&self) -> String {
        format!("{}{}", self.ns.kind().letter(), self.instance)
    }

    /// Everything that is to be said about it.
    pub fn sentence(&self) -> String {
        let mut text = format!("{} is owned by u{}", self.name(), self.owner.0);
        if let Some(parent) = self.parent {
            let _ = write!(text, ", lies in {}{}", parent.kind().letter(), super::pid_tree::instance(parent));
        }
        if self.kept_by.is_empty() {
            text.push_str(", and nothing keeps it alive");
        } else {
            let _ = write!(text, ", and is kept alive by {}", self.kept_by.join("; "));
        }
        if let Some(row) = &self.lifeline {
            let _ = write!(text, ". When {row} goes, it goes");
        }
        text.push('.');
        text
    }
}

impl NsGraph {
    /// The loom of one world.
    pub fn of(world: &World) -> NsGraph {
        NsGraph::of_step(world, world, &BTreeSet::new())
    }

    /// The loom of `after`, with what has changed since `before`. What is gone stays in it, marked. Rows like
    /// that of a task in `unfolded` are all drawn.
    pub fn of_step(before: &World, after: &World, unfolded: &BTreeSet<TaskId>) -> NsGraph {
        NsGraph::with(&ProcessIndex::of(after), before, after, unfolded)
    }

    /// The same, made with the index of `after`.
    pub fn with(index: &ProcessIndex, before: &World, after: &World, unfolded: &BTreeSet<TaskId>) -> NsGraph {
        let (old, new) = hold::both(index.holds(), before, after);
        let mut drafts = hold::merged(before, after, old, new);
        order::sort(&mut drafts);
        let lifelines = lifeline::of(after, &drafts);
        let rows = order::fold(drafts, unfolded);
        let mut graph = NsGraph { processes: after.processes.len(), ..NsGraph::default() };
        let all: BTreeSet<NsRef> = rows.iter().flat_map(|(draft, _)| draft.holds.iter().copied()).collect();
        let mut place = BTreeMap::new();
        for kind in NsKind::SHOWN {
            for ns in all.iter().filter(|ns| ns.kind() == kind) {
                if let Some(shown) = ns_box(before, after, *ns) {
                    place.insert(*ns, graph.boxes.len());
                    graph.boxes.push(shown);
                }
            }
        }
        for (number, (draft, folded)) in rows.into_iter().enumerate() {
            let holds: Vec<usize> = draft.holds.iter().filter_map(|ns| place.get(ns).copied()).collect();
            for index in &holds {
                let runs = &mut graph.boxes[*index].runs;
                match runs.last_mut() {
                    Some((_, last)) if *last + 1 == number => *last = number,
                    _ => runs.push((number, number)),
                }
                if folded == 0 && draft.change != Change::Gone {
                    graph.boxes[*index].kept_by.push(draft.reason());
                }
            }
            let (label, note) = if folded > 0 {
                (format!("… and {folded} more like this"), "folded".to_owned())
            } else {
                (draft.label(after, before), draft.note())
            };
            graph.rows.push(Row { label, note, holds, folded, change: draft.change, holder: draft.holder });
        }
        graph.kept_by_namespaces(after);
        for shown in &mut graph.boxes {
            shown.lifeline = lifelines.get(&shown.ns).cloned();
        }
        graph.left_out = count(after).saturating_sub(graph.boxes.iter().filter(|b| b.change != Change::Gone).count());
        graph.owners = owners(before, after, &graph.boxes);
        graph
    }

    /// Namespaces that lie in others or are owned by them keep these alive.
    fn kept_by_namespaces(&mut self, world: &World) {
        let mut reasons: BTreeMap<NsRef, Vec<String>> = BTreeMap::new();
        let mut owned: BTreeMap<NsRef, usize> = BTreeMap::new();
        for shown in self.boxes.iter().filter(|b| b.change != Change::Gone) {
            if let Some(parent) = shown.parent {
                reasons.entry(parent).or_default().push(format!("{}, which lies in it", shown.short()));
            }
            let owner = NsRef::User(shown.owner);
            if owner != shown.ns && shown.parent != Some(owner) && world.ns_common(owner).is_some() {
                *owned.entry(owner).or_default() += 1;
            }
        }
        for shown in &mut self.boxes {
            shown.kept_by.extend(reasons.remove(&shown.ns).unwrap_or_default());
            if let Some(count) = owned.get(&shown.ns) {
                let what = if *count == 1 { "namespace" } else { "namespaces" };
                shown.kept_by.push(format!("{count} {what} that it owns"));
            }
        }
    }

    /// The row of a task.
    pub fn row_of(&self, task: TaskId) -> Option<usize> {
        self.rows.iter().position(|row| row.holder.tasks().contains(&task))
    }

    /// The loom as text, for copying, for screen readers and for tests.
    pub fn text(&self) -> String {
        let mut out = String::new();
        let wide = self.rows.iter().map(|r| r.label.chars().count()).max().unwrap_or(0).max("held by".len());
        let _ = write!(out, "  {:wide$}", "held by");
        for kind in NsKind::SHOWN {
            let _ = write!(out, " {:>4}", kind.letter());
        }
        out.push('\n');
        for row in &self.rows {
            let mark = if row.change == Change::Same { " " } else { row.change.mark() };
            let _ = write!(out, "{mark} {:wide$}", row.label);
            for kind in NsKind::SHOWN {
                let held = row.holds.iter().filter_map(|b| self.boxes.get(*b)).find(|b| b.ns.kind() == kind);
                let _ = write!(out, " {:>4}", held.map_or_else(|| "-".to_owned(), NsBox::short));
            }
            out.push('\n');
        }
        if self.left_out > 0 {
            let _ = writeln!(out, "  {} namespaces of folded rows are not listed", self.left_out);
        }
        for shown in &self.boxes {
            let mark = if shown.change == Change::Same { " " } else { shown.change.mark() };
            let _ = writeln!(out, "{mark} {}: {}", shown.short(), shown.sentence());
        }
        out
    }
}

/// How many namespaces there are.
fn count(w: &World) -> usize {
    w.uts_namespaces.len()
        + w.ipc_namespaces.len()
        + w.pid_namespaces.len()
        + w.mnt_namespaces.len()
        + w.net_namespaces.len()
        + w.user_namespaces.len()
        + w.cgroup_namespaces.len()
        + w.time_namespaces.len()
}

/// The namespace of its kind in which one lies.
fn parent_of(world: &World, ns: NsRef) -> Option<NsRef> {
    match ns {
        NsRef::Pid(id) => world.pid_namespaces.get(id)?.parent.map(NsRef::Pid),
        NsRef::User(id) => world.user_namespaces.get(id)?.parent.map(NsRef::User),
        _ => None,
    }
}

fn ns_box(before: &World, after: &World, ns: NsRef) -> Option<NsBox> {
    let (old, new) = (before.ns_common(ns), after.ns_common(ns));
    let common = new.or(old)?;
    Some(NsBox {
        ns,
        instance: super::pid_tree::instance(ns),
        inum: common.inum,
        owner: common.owner,
        parent: parent_of(if new.is_some() { after } else { before }, ns),
        runs: Vec::new(),
        kept_by: Vec::new(),
        lifeline: None,
        change: Change::between(old.map(|c| &c.inum), new.map(|c| &c.inum)),
    })
}

/// The user namespaces among the boxes, each after the one that it lies in.
fn owners(before: &World, after: &World, boxes: &[NsBox]) -> Vec<Owner> {
    const MAX_OWNED: usize = 24;
    let mut shown: Vec<Owner> = Vec::new();
    let mut open: Vec<(usize, Option<usize>)> = Vec::new();
    let users = |parent: Option<NsRef>| {
        let inner = boxes.iter().enumerate().filter(move |(_, b)| b.ns.kind() == NsKind::User && b.parent == parent);
        inner.map(|(index, _)| index).rev()
    };
    open.extend(users(None).map(|index| (index, None)));
    while let Some((index, parent)) = open.pop() {
        let own = &boxes[index];
        let NsRef::User(id) = own.ns else { continue };
        let Some(ns) = after.user_namespaces.get(id).or(before.user_namespaces.get(id)) else { continue };
        let mut owns: Vec<usize> =
            (0..boxes.len()).filter(|i| boxes[*i].ns.kind() != NsKind::User && boxes[*i].owner == id).collect();
        let left_out = owns.len().saturating_sub(MAX_OWNED);
        owns.truncate(MAX_OWNED);
        let place = shown.len();
        shown.push(Owner { ns: id, inum: own.inum, parent, made_by: ns.owner.0, owns, left_out, change: own.change });
        open.extend(users(Some(own.ns)).map(|inner| (inner, Some(place))));
    }
    shown
}
