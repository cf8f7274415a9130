//! Folding a tree of processes: of a thousand equal containers a few are drawn, and one row stands for the others.

use std::collections::{BTreeMap, BTreeSet};

use super::process_index::ProcessIndex;
use crate::task::{ProcessId, TaskId};
use crate::world::World;

/// How many of a likeness are drawn before the others are folded.
const ALIKE_SHOWN: usize = 2;
/// Fewer than this are not worth folding.
const FOLD_FROM: usize = 3;
/// With more processes than this, children that are alike are folded.
const FOLD_ABOVE: usize = 60;

/// A process on the stack of those that are to be drawn.
pub(super) struct Open {
    pub process: ProcessId,
    /// For each level above whether its line goes on, and whether its own does.
    pub rails: Vec<bool>,
    /// This many, of which this is the first, are folded here.
    pub folded: usize,
}

/// What is folded in a step, and what is not.
pub(super) struct Folding<'a> {
    index: &'a ProcessIndex,
    world: &'a World,
    unfolded: &'a BTreeSet<TaskId>,
    /// Processes that the step has removed, by their last parent.
    gone: BTreeMap<Option<ProcessId>, Vec<ProcessId>>,
    /// What the step has touched, with all above it, is like no other. `None` when nothing is folded.
    touched: Option<BTreeSet<ProcessId>>,
}

impl<'a> Folding<'a> {
    /// The folding of `after`, whose index this is.
    pub(super) fn of_step(
        index: &'a ProcessIndex,
        before: &World,
        after: &'a World,
        unfolded: &'a BTreeSet<TaskId>,
    ) -> Self {
        let mut touched: BTreeSet<ProcessId> = after.processes.changed_since(&before.processes).into_iter().collect();
        let mut gone: BTreeMap<Option<ProcessId>, Vec<ProcessId>> = BTreeMap::new();
        for id in touched.iter().filter(|id| !after.processes.contains(**id)) {
            if let Some(process) = before.processes.get(*id) {
                gone.entry(process.parent).or_default().push(*id);
            }
        }
        touched.extend(gone.keys().flatten());
        let changed = after.tasks.changed_since(&before.tasks);
        touched.extend(changed.iter().filter_map(|id| after.tasks.get(*id)).map(|task| task.process));
        let mut folding = Folding { index, world: after, unfolded, gone, touched: None };
        if after.processes.len() + folding.gone() > FOLD_ABOVE {
            folding.touched = Some(index.with_all_above(touched));
        }
        folding
    }

    /// How many processes the step has removed.
    pub(super) fn gone(&self) -> usize {
        self.gone.values().map(Vec::len).sum()
    }

    /// Puts the children of a process onto the stack, the first one on top; those that are like others are
    /// folded, unless that is undone at the first of them.
    pub(super) fn push_children(&self, open: &mut Vec<Open>, of: Option<ProcessId>, rails: &[bool]) {
        let mut siblings = self.index.children_of(of).to_vec();
        if let Some(gone) = self.gone.get(&of) {
            siblings.extend(gone);
            siblings.sort_unstable();
        }
        let mut alike: BTreeMap<u32, Vec<ProcessId>> = BTreeMap::new();
        if let Some(touched) = &self.touched {
            for id in siblings.iter().filter(|id| !touched.contains(*id)) {
                if let Some(likeness) = self.index.likeness_of(*id) {
                    alike.entry(likeness).or_default().push(*id);
                }
            }
        }
        // Who is folded, and how many are folded at the first of each likeness.
        let mut folded: BTreeMap<ProcessId, usize> = BTreeMap::new();
        for same in alike.values() {
            let rest = same.get(ALIKE_SHOWN..).unwrap_or_default();
            let leader = rest.first().and_then(|first| self.world.processes.get(*first)).map(|p| p.leader);
            if rest.len() >= FOLD_FROM && !leader.is_some_and(|leader| self.unfolded.contains(&leader)) {
                folded.extend(rest.iter().map(|id| (*id, 0)));
                folded.insert(rest[0], rest.len());
            }
        }
        let drawn: Vec<(ProcessId, usize)> = siblings
            .into_iter()
            .map(|id| (id, folded.get(&id).copied()))
            .filter(|(_, folded)| *folded != Some(0))
            .map(|(id, folded)| (id, folded.unwrap_or(0)))
            .collect();
        let last = drawn.len().saturating_sub(1);
        for (place, (process, folded)) in drawn.into_iter().enumerate().rev() {
            let mut own = rails.to_vec();
            own.push(place < last);
            open.push(Open { process, rails: own, folded });
        }
    }
}
