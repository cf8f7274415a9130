//! What a picture of ten thousand processes is made from, kept between two steps: whose child each is, which
//! are alike with all that is below them, and who lives in which PID namespace. Tables share what they have in
//! common, so bringing this from one world to another costs as much as there are changes between them.
//!
//! It is a cache of what [`ProcessIndex::of`] finds in a world, never more: the same whichever way one came.

use std::collections::{BTreeMap, BTreeSet};

use super::ns_graph::TaskHolds;
use super::pid_tree::StateLetter;
use crate::namespace::pid::PidNsId;
use crate::table::Table;
use crate::task::{Process, ProcessId, Task, TaskId};
use crate::world::World;

/// After this many changes everything is found anew, also when there are as many shapes that nobody has any more.
const MANY: usize = 1500;

/// Children by parent, likenesses, and inhabitants of PID namespaces.
#[derive(Clone, Debug, Default)]
pub struct ProcessIndex {
    processes: Table<ProcessId, Process>,
    tasks: Table<TaskId, Task>,
    children: BTreeMap<Option<ProcessId>, Vec<ProcessId>>,
    /// A number for each process; equal ones have equal subtrees.
    likeness: BTreeMap<ProcessId, u32>,
    shapes: BTreeMap<Shape, u32>,
    /// Tasks by their own PID namespace.
    inhabitants: BTreeMap<PidNsId, BTreeSet<TaskId>>,
    home: BTreeMap<TaskId, PidNsId>,
    /// Tasks by the namespaces that they hold.
    holds: TaskHolds,
}

/// What makes a likeness: name, state, which namespaces are not the parent's, and those below with their counts.
type Shape = (String, StateLetter, u8, Vec<(u32, u32)>);

impl ProcessIndex {
    /// The index of a world.
    pub fn of(world: &World) -> ProcessIndex {
        let mut index = ProcessIndex::default();
        index.follow(world);
        index
    }

    /// Brings the index to another world.
    pub fn follow(&mut self, world: &World) {
        let tasks = world.tasks.changed_since(&self.tasks);
        let mut processes: BTreeSet<ProcessId> = world.processes.changed_since(&self.processes).into_iter().collect();
        let owner = |task: &TaskId| world.tasks.get(*task).or(self.tasks.get(*task)).map(|task| task.process);
        processes.extend(tasks.iter().filter_map(owner));
        let stale = self.shapes.len() > MANY + 2 * self.likeness.len();
        if (processes.len() > MANY || stale) && !self.likeness.is_empty() {
            *self = ProcessIndex::default();
            return self.follow(world);
        }
        self.move_inhabitants(world, &tasks);
        let changed = self.regroup(world, &processes);
        self.processes = world.processes.clone();
        self.tasks = world.tasks.clone();
        self.liken(changed);
    }

    /// The children of a process, oldest first; of `None`, those that have no parent.
    pub fn children_of(&self, parent: Option<ProcessId>) -> &[ProcessId] {
        self.children.get(&parent).map_or(&[], Vec::as_slice)
    }

    /// A number that two processes share when they are alike with all that is below them.
    pub fn likeness_of(&self, process: ProcessId) -> Option<u32> {
        self.likeness.get(&process).copied()
    }

    /// The tasks whose own PID namespace this is, oldest first.
    pub fn inhabitants_of(&self, ns: PidNsId) -> impl Iterator<Item = TaskId> + '_ {
        self.inhabitants.get(&ns).into_iter().flatten().copied()
    }

    /// Tasks by the namespaces that they hold.
    pub(super) fn holds(&self) -> &TaskHolds {
        &self.holds
    }

    fn move_inhabitants(&mut self, world: &World, tasks: &[TaskId]) {
        for id in tasks {
            let home =
                world.tasks.get(*id).and_then(|task| world.pids.get(task.pid)?.numbers.last()).map(|(ns, _)| *ns);
            let old = self.home.get(id).copied();
            let housed = |tasks: &Table<TaskId, Task>, home: Option<PidNsId>| Some((tasks.get(*id)?.clone(), home?));
            let (was, is) = (housed(&self.tasks, old), housed(&world.tasks, home));
            self.holds.change(was.as_ref().map(|(t, ns)| (t, *ns)), is.as_ref().map(|(t, ns)| (t, *ns)));
            if old == home {
                continue;
            }
            if let Some(left) = self.home.remove(id)
                && let Some(there) = self.inhabitants.get_mut(&left)
            {
                there.remove(id);
                if there.is_empty() {
                    self.inhabitants.remove(&left);
                }
            }
            if let Some(home) = home {
                self.home.insert(*id, home);
                self.inhabitants.entry(home).or_default().insert(*id);
            }
        }
    }

    /// Puts changed processes below their parents, and says whose likeness may be another one now, but for those
    /// above them.
    fn regroup(&mut self, world: &World, changed: &BTreeSet<ProcessId>) -> BTreeSet<ProcessId> {
        let mut unlike = BTreeSet::new();
        for id in changed {
            let (old, new) = (self.processes.get(*id), world.processes.get(*id));
            let (from, to) = (old.map(|p| p.parent), new.map(|p| p.parent));
            let apart = |w: &Table<TaskId, Task>, p: Option<&Process>| {
                p.and_then(|p| w.get(p.leader)).map(|t| (t.nsproxy, t.cred.user_ns))
            };
            let enters = apart(&self.tasks, old) != apart(&world.tasks, new);
            if from != to {
                if let Some(from) = from {
                    let siblings = self.children.entry(from).or_default();
                    siblings.retain(|other| other != id);
                    if siblings.is_empty() {
                        self.children.remove(&from);
                    }
                    unlike.extend(from);
                }
                if let Some(to) = to {
                    let siblings = self.children.entry(to).or_default();
                    siblings.insert(siblings.partition_point(|other| other < id), *id);
                    unlike.extend(to);
                }
            }
            unlike.insert(*id);
            if enters {
                unlike.extend(self.children_of(Some(*id)));
            }
        }
        unlike
    }

    /// Finds the likenesses of these and of all above them, from below.
    fn liken(&mut self, mut unlike: BTreeSet<ProcessId>) {
        unlike = self.with_all_above(unlike);
        let (there, gone): (Vec<ProcessId>, Vec<ProcessId>) =
            unlike.iter().partition(|id| self.processes.contains(**id));
        gone.iter().for_each(|id| _ = self.likeness.remove(id));
        // Parents before children: a walk down from those above whom nobody is.
        let parent = |id: ProcessId| self.processes.get(id).and_then(|p| p.parent);
        let mut below: BTreeMap<Option<ProcessId>, Vec<ProcessId>> = BTreeMap::new();
        there.iter().for_each(|id| below.entry(parent(*id)).or_default().push(*id));
        let mut order: Vec<ProcessId> = below.remove(&None).unwrap_or_default();
        let mut next = 0;
        while let Some(id) = order.get(next).copied() {
            order.extend(below.remove(&Some(id)).unwrap_or_default());
            next += 1;
        }
        for id in order.into_iter().rev() {
            let Some(shape) = self.shape_of(id) else { continue };
            let next = self.shapes.len() as u32;
            let number = *self.shapes.entry(shape).or_insert(next);
            self.likeness.insert(id, number);
        }
    }

    /// These processes and everybody above them.
    pub(super) fn with_all_above(&self, some: BTreeSet<ProcessId>) -> BTreeSet<ProcessId> {
        let mut all = BTreeSet::new();
        for id in some {
            let mut next = Some(id);
            while let Some(id) = next.filter(|id| all.insert(*id)) {
                next = self.processes.get(id).and_then(|p| p.parent);
            }
        }
        all
    }

    fn shape_of(&self, id: ProcessId) -> Option<Shape> {
        let process = self.processes.get(id)?;
        let task = self.tasks.get(process.leader)?;
        let parent = process.parent.and_then(|p| self.tasks.get(self.processes.get(p)?.leader));
        let mut below: Vec<u32> = self.children_of(Some(id)).iter().filter_map(|c| self.likeness_of(*c)).collect();
        below.sort_unstable();
        let mut counted: Vec<(u32, u32)> = Vec::new();
        for likeness in below {
            match counted.last_mut() {
                Some((same, count)) if *same == likeness => *count += 1,
                _ => counted.push((likeness, 1)),
            }
        }
        Some((task.comm.clone(), state(task), own_namespaces(task, parent), counted))
    }
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::security::lsm::LsmChoice;
    use crate::session::Session;
    use crate::world::Config;

    /// What is kept says the same as what is found anew, wherever one goes in a history and back.
    #[test]
    fn what_was_kept_is_what_is_found_anew() {
        let config = Config { cgroup_v2: false, terminal: false, lsm: LsmChoice::None, machine: 0 };
        let mut session = Session::new(config);
        let mut worlds = vec![session.running.world.clone()];
        for line in [
            "sleep 100 & sleep 100 & sleep 100 &",
            "unshare -p -f sh -c 'sleep 50 & sleep 60' &",
            "kill %1",
            "(sleep 30 & sleep 40) & wait %1",
        ] {
            session.line(line);
            worlds.push(session.running.world.clone());
        }
        let back: Vec<World> = worlds.iter().rev().cloned().collect();
        let mut index = ProcessIndex::default();
        for world in worlds.iter().chain(&back) {
            index.follow(world);
            let fresh = ProcessIndex::of(world);
            assert_eq!(index.children, fresh.children);
            assert_eq!(index.inhabitants, fresh.inhabitants);
            assert_eq!(index.holds, fresh.holds);
            let alike = |index: &ProcessIndex| {
                let mut groups: BTreeMap<u32, Vec<ProcessId>> = BTreeMap::new();
                index.likeness.iter().for_each(|(id, likeness)| groups.entry(*likeness).or_default().push(*id));
                groups.into_values().collect::<BTreeSet<_>>()
            };
            assert_eq!(alike(&index), alike(&fresh));
        }
    }
}
