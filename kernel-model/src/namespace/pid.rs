//! PID namespaces, as in pid_namespaces(7).
//!
//! A namespace gives numbers to tasks. A task has one number in its own namespace, one in every
//! ancestor, and none elsewhere: that is what "not visible" means here. Turning a number into a task
//! therefore always needs a namespace to look it up in: a context-sensitive lookup.
//!
//! Types: [`PidNamespace`], [`PidStruct`] (`struct pid`: the numbers of one task, process group or session).
//!
//! Invariants ([`crate::world::World::check`]):
//! 1. A `struct pid` has one number in its namespace and one in each ancestor, outermost first.
//! 2. number -> `struct pid` and `struct pid` -> number are inverse.
//! 3. When init (1) has exited, nothing new starts here: fork(2) gives ENOMEM.

use imbl::OrdMap;
use serde::{Deserialize, Serialize};

use super::{NsCommon, NsRef};
use crate::errno::Errno;
use crate::event::EventKind;
use crate::id;
use crate::kernel::Kernel;
use crate::task::TaskId;
use crate::world::World;

id! {
    /// A PID namespace.
    PidNsId
}

id! {
    /// A `struct pid`: an identity with a number per namespace, which outlives its task while a
    /// process group or session is still named after it.
    PidId
}

/// A process number as some namespace shows it.
pub type Pid = i32;

/// How deep PID namespaces nest (`MAX_PID_NS_LEVEL`).
pub const MAX_PID_NS_LEVEL: usize = 32;

/// Below this number nothing is handed out again after wrapping around (`RESERVED_PIDS`).
pub const RESERVED_PIDS: Pid = 300;

/// A PID namespace.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct PidNamespace {
    /// Inode number, owner, references.
    pub ns: NsCommon,
    /// The namespace in which it was made; `None` for the first.
    pub parent: Option<PidNsId>,
    /// 0 for the first namespace, one more for each inside another.
    pub level: usize,
    /// Numbers in use.
    pub numbers: OrdMap<Pid, PidId>,
    /// The number handed out last.
    pub last_pid: Pid,
    /// One above the highest number that is handed out.
    pub pid_max: Pid,
    /// Its init, once there is one, until that is gone.
    pub child_reaper: Option<TaskId>,
    /// Whether new tasks can be made: false once init has begun to exit (`PIDNS_ADDING` cleared).
    pub adding: bool,
    /// Its init has exited, and its parent hears of that when the last other member is gone.
    pub init_waits: bool,
}

/// The numbers of one task (`struct pid`), outermost namespace first.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct PidStruct {
    /// One number per level, the innermost last.
    pub numbers: Vec<(PidNsId, Pid)>,
    /// The task that has these numbers, until it has been released.
    pub task: Option<TaskId>,
    /// How many processes have this as their process group.
    pub pgrp_members: u32,
    /// How many processes have this as their session.
    pub session_members: u32,
}

impl PidStruct {
    /// The namespace of the innermost number: the PID namespace of the task.
    pub fn ns(&self) -> PidNsId {
        self.numbers.last().expect("a struct pid has at least one number").0
    }

    /// The number as seen from `ns`; `None` where it cannot be seen (`pid_nr_ns`).
    pub fn number_in(&self, ns: PidNsId) -> Option<Pid> {
        self.numbers.iter().find(|(n, _)| *n == ns).map(|(_, nr)| *nr)
    }
}

impl World {
    /// The number of `task` as seen from `viewer`; `None` when it cannot be seen from there (`task_pid_nr_ns`).
    pub fn pid_in(&self, viewer: PidNsId, task: TaskId) -> Option<Pid> {
        self.pids.get(self.tasks.get(task)?.pid)?.number_in(viewer)
    }

    /// The PID namespace of a task (`task_active_pid_ns`): where its own number is.
    pub fn pid_ns_of(&self, task: TaskId) -> PidNsId {
        self.pids[self.tasks[task].pid].ns()
    }

    /// The process number of `task` as it would see it itself.
    pub fn own_pid(&self, task: TaskId) -> Pid {
        let leader = self.processes[self.tasks[task].process].leader;
        self.pid_in(self.pid_ns_of(task), leader).unwrap_or(0)
    }
}

impl Kernel<'_> {
    /// Looks a number up in a namespace (`find_pid_ns`): the same number means different things elsewhere.
    pub fn find_pid(&mut self, ns: PidNsId, nr: Pid) -> Option<PidId> {
        let found = self.pid_namespaces[ns].numbers.get(&nr).copied();
        let task = found.and_then(|p| self.pids[p].task);
        self.emit(EventKind::PidLookedUp { ns, nr, found: task });
        found
    }

    /// Looks a number up as `caller` means it (`find_task_by_vpid`).
    pub fn find_task(&mut self, caller: TaskId, nr: Pid) -> Option<TaskId> {
        let ns = self.pid_ns_of(caller);
        let pid = self.find_pid(ns, nr)?;
        self.pids[pid].task
    }

    /// Hands out numbers for a new task in `ns` and all its ancestors (`alloc_pid`), innermost first;
    /// `set_tid` asks for certain ones, innermost first.
    ///
    /// # Errors
    /// ENOMEM when the namespace takes no new tasks; EAGAIN when the numbers are used up; EEXIST and
    /// EINVAL for numbers asked for.
    pub(crate) fn alloc_pid(&mut self, ns: PidNsId, task: TaskId, set_tid: &[Pid]) -> Result<PidId, Errno> {
        let mut levels = vec![ns];
        while let Some(parent) = self.pid_namespaces[levels[levels.len() - 1]].parent {
            levels.push(parent);
        }
        let mut numbers = Vec::with_capacity(levels.len());
        for (depth, level) in levels.iter().enumerate() {
            let namespace = &self.pid_namespaces[*level];
            let nr = match set_tid.get(depth) {
                Some(&wanted) => {
                    if wanted < 1 || wanted >= namespace.pid_max {
                        return Err(Errno::EINVAL);
                    }
                    if wanted != 1 && namespace.child_reaper.is_none() {
                        return Err(Errno::EINVAL);
                    }
                    if namespace.numbers.contains_key(&wanted) {
                        return Err(Errno::EEXIST);
                    }
                    wanted
                }
                None => namespace.next_number().ok_or(Errno::EAGAIN)?,
            };
            numbers.push((*level, nr));
        }
        if !self.pid_namespaces[ns].adding {
            // The numbers of the ancestors have been taken and given back: the next ones are handed out there.
            for (depth, (level, nr)) in numbers.iter().enumerate() {
                if depth > 0 && set_tid.get(depth).is_none() {
                    self.pid_namespaces[*level].last_pid = *nr;
                }
            }
            return Err(Errno::ENOMEM);
        }
        let pid = self.pids.add(PidStruct {
            numbers: numbers.iter().rev().copied().collect(),
            task: Some(task),
            pgrp_members: 0,
            session_members: 0,
        });
        for (depth, (level, nr)) in numbers.into_iter().enumerate() {
            let namespace = &mut self.pid_namespaces[level];
            if set_tid.get(depth).is_none() {
                namespace.last_pid = nr;
            }
            namespace.numbers.insert(nr, pid);
            if nr == 1 {
                namespace.child_reaper = Some(task);
            }
            self.hold_ns(NsRef::Pid(level));
            self.emit(EventKind::PidAllocated { ns: level, nr, task });
        }
        Ok(pid)
    }

    /// Gives back numbers that were handed out for a task that is not born after all.
    pub(crate) fn release_pid(&mut self, pid: PidId) {
        self.pids[pid].task = None;
        self.free_pid_if_unused(pid);
    }

    /// Gives the numbers back once no task, process group or session goes by them (`free_pid`).
    pub(crate) fn free_pid_if_unused(&mut self, pid: PidId) {
        let Some(p) = self.pids.get(pid) else { return };
        if p.task.is_some() || p.pgrp_members > 0 || p.session_members > 0 {
            return;
        }
        let Some(p) = self.pids.remove(pid) else { return };
        for (ns, nr) in p.numbers.into_iter().rev() {
            let namespace = &mut self.pid_namespaces[ns];
            namespace.numbers.remove(&nr);
            if nr == 1 {
                namespace.child_reaper = None;
                namespace.adding = false;
            }
            self.emit(EventKind::PidFreed { ns, nr });
            self.release_ns(NsRef::Pid(ns));
        }
    }
}

impl PidNamespace {
    /// The next free number after the last one, wrapping around (`idr_alloc_cyclic`).
    pub(crate) fn next_number(&self) -> Option<Pid> {
        let free = |from: Pid, below: Pid| (from..below).find(|nr| !self.numbers.contains_key(nr));
        let start = self.last_pid + 1;
        let lowest = if start > RESERVED_PIDS { RESERVED_PIDS } else { 1 };
        free(start, self.pid_max).or_else(|| free(lowest, start.min(self.pid_max)))
    }
}
