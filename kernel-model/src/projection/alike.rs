//! Which processes are alike with all that is below them, so that a large world can be shown folded: of a
//! thousand equal containers a few are drawn, and one row stands for the others.

use std::collections::{BTreeMap, BTreeSet};

use super::pid_tree::StateLetter;
use crate::task::{ProcessId, Task, TaskId};
use crate::world::World;

/// Children by parent, oldest first.
pub(super) type Children = BTreeMap<Option<ProcessId>, Vec<ProcessId>>;

/// How many of a likeness are drawn before the others are folded.
const ALIKE_SHOWN: usize = 2;
/// Fewer than this are not worth folding.
const FOLD_FROM: usize = 3;

/// A process on the stack of those that are to be drawn.
pub(super) struct Open {
    pub process: ProcessId,
    /// For each level above whether its line goes on, and whether its own does.
    pub rails: Vec<bool>,
    /// This many, of which this is the first, are folded here.
    pub folded: usize,
}

/// A number for each process; equal ones have equal subtrees. Empty when nothing is to be folded.
#[derive(Default)]
pub(super) struct Shapes(BTreeMap<ProcessId, u32>);

/// What makes a shape: name, state, which namespaces are its parent's, and the shapes below with their counts.
type Shape<'w> = (&'w str, StateLetter, u8, Vec<(u32, u32)>);

impl Shapes {
    /// The shapes of all processes. One that the step has touched is like no other, and so is all above it.
    pub(super) fn of(before: &World, after: &World, children: &Children) -> Shapes {
        let mut touched: BTreeSet<ProcessId> = after.processes.changed_since(&before.processes).into_iter().collect();
        let changed = after.tasks.changed_since(&before.tasks);
        touched.extend(changed.iter().filter_map(|id| after.tasks.get(*id)).map(|task| task.process));
        let mut order: Vec<(ProcessId, Option<&Task>)> = Vec::with_capacity(after.processes.len());
        let mut next: Vec<(ProcessId, Option<&Task>)> =
            children.get(&None).into_iter().flatten().map(|id| (*id, None)).collect();
        while let Some((id, parent)) = next.pop() {
            order.push((id, parent));
            let own = leader(after, id);
            next.extend(children.get(&Some(id)).into_iter().flatten().map(|child| (*child, own)));
        }
        let mut known: BTreeMap<Shape<'_>, u32> = BTreeMap::new();
        let mut shapes = BTreeMap::new();
        let mut unique = u32::MAX;
        for (id, parent) in order.into_iter().rev() {
            let task = leader(after, id).filter(|_| !touched.contains(&id));
            let Some(task) = task else {
                unique -= 1;
                shapes.insert(id, unique);
                continue;
            };
            let mut below: Vec<u32> =
                children.get(&Some(id)).into_iter().flatten().filter_map(|child| shapes.get(child).copied()).collect();
            below.sort_unstable();
            let mut counted: Vec<(u32, u32)> = Vec::new();
            for shape in below {
                match counted.last_mut() {
                    Some((same, count)) if *same == shape => *count += 1,
                    _ => counted.push((shape, 1)),
                }
            }
            let shape = (task.comm.as_str(), state(task), own_namespaces(task, parent), counted);
            let number = known.len() as u32;
            shapes.insert(id, *known.entry(shape).or_insert(number));
        }
        Shapes(shapes)
    }

    /// Puts the children of a process onto the stack, the first one on top; those that are like others are
    /// folded, unless that is undone at the first of them.
    pub(super) fn push_children(
        &self,
        open: &mut Vec<Open>,
        children: &Children,
        of: Option<ProcessId>,
        rails: &[bool],
        unfolded: &BTreeSet<TaskId>,
        world: &World,
    ) {
        let siblings = children.get(&of).map_or(&[][..], Vec::as_slice);
        let mut drawn: Vec<(ProcessId, usize)> = Vec::new();
        let mut alike: BTreeMap<u32, Vec<ProcessId>> = BTreeMap::new();
        for id in siblings {
            if let Some(shape) = self.0.get(id) {
                alike.entry(*shape).or_default().push(*id);
            }
        }
        for id in siblings {
            let same = self.0.get(id).and_then(|shape| alike.get(shape)).map_or(&[][..], Vec::as_slice);
            let folded = same.get(ALIKE_SHOWN..).unwrap_or_default();
            let first = folded.first();
            let stays = folded.len() < FOLD_FROM
                || first.and_then(|p| world.processes.get(*p)).is_some_and(|p| unfolded.contains(&p.leader));
            match () {
                () if stays || folded.binary_search(id).is_err() => drawn.push((*id, 0)),
                () if first == Some(id) => drawn.push((*id, folded.len())),
                () => {}
            }
        }
        let last = drawn.len().saturating_sub(1);
        for (place, (process, folded)) in drawn.into_iter().enumerate().rev() {
            let mut own = rails.to_vec();
            own.push(place < last);
            open.push(Open { process, rails: own, folded });
        }
    }
}

fn leader(world: &World, id: ProcessId) -> Option<&Task> {
    world.tasks.get(world.processes.get(id)?.leader)
}

/// Waking up and going to sleep is what everybody does all the time.
fn state(task: &Task) -> StateLetter {
    match StateLetter::of(&task.state) {
        StateLetter::Sleeping => StateLetter::Running,
        state => state,
    }
}

/// One bit for each kind of namespace that is not the parent's.
fn own_namespaces(task: &Task, parent: Option<&Task>) -> u8 {
    let Some(parent) = parent else { return 0 };
    let (a, b) = (&task.nsproxy, &parent.nsproxy);
    let differs = [
        a.uts != b.uts,
        a.ipc != b.ipc,
        a.mnt != b.mnt,
        a.net != b.net,
        a.cgroup != b.cgroup,
        a.time != b.time,
        a.pid_for_children != b.pid_for_children,
        task.cred.user_ns != parent.cred.user_ns,
    ];
    differs.iter().enumerate().fold(0, |bits, (n, on)| bits | u8::from(*on) << n)
}
