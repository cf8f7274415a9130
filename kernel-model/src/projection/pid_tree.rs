//! The tree of processes, each with the instance of every namespace that it is in.

use std::collections::BTreeSet;
use std::fmt::Write;

use super::Change;
use super::alike::{Folding, Open};
use super::process_index::ProcessIndex;
use crate::namespace::pid::Pid;
use crate::namespace::{NsKind, NsRef};
use crate::task::{ProcessId, TaskId, TaskState};
use crate::world::World;

/// How many processes are listed; the others are counted.
pub const MAX_ROWS: usize = 160;

/// A forest of processes: children below their parents.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct PidTree {
    /// Processes from top to bottom.
    pub rows: Vec<Row>,
    /// How many are not listed.
    pub left_out: usize,
}

/// A process.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Row {
    /// Its first thread.
    pub task: TaskId,
    /// How deep it lies.
    pub depth: usize,
    /// For each level above: whether the line of that level goes on below this row. The last is its own.
    pub rails: Vec<bool>,
    /// Its number in the first PID namespace.
    pub pid: Pid,
    /// Its number as it sees itself, where that is another one.
    pub own_pid: Option<Pid>,
    /// What `ps -o comm` shows.
    pub comm: String,
    /// What `ps -o args` shows.
    pub args: String,
    /// How it is.
    pub state: StateLetter,
    /// How many threads it has.
    pub threads: usize,
    /// The namespaces that it is in.
    pub namespaces: Vec<Badge>,
    /// How many more children of its parent like it, with all below them, are folded into this row. Such a row
    /// has the first of them, which is not drawn itself.
    pub folded: usize,
    /// What the step did to it.
    pub change: Change,
}

/// A namespace of a process: which instance of its kind.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Badge {
    /// Its kind.
    pub kind: NsKind,
    /// Which of its kind, from 1 in the order in which they were made.
    pub instance: u32,
    /// Its inode number.
    pub inum: u32,
    /// Whether the process was in another one before the step.
    pub change: Change,
}

/// How a task is, as the letter of ps(1).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum StateLetter {
    /// R
    Running,
    /// S
    Sleeping,
    /// T
    Stopped,
    /// Z
    Zombie,
    /// X
    Dead,
}

impl StateLetter {
    /// From the scheduler's view.
    pub fn of(state: &TaskState) -> StateLetter {
        match state {
            TaskState::Runnable => StateLetter::Running,
            TaskState::Sleeping(_) => StateLetter::Sleeping,
            TaskState::Stopped(_) => StateLetter::Stopped,
            TaskState::Zombie => StateLetter::Zombie,
            TaskState::Dead => StateLetter::Dead,
        }
    }

    /// The letter.
    pub fn letter(self) -> char {
        match self {
            StateLetter::Running => 'R',
            StateLetter::Sleeping => 'S',
            StateLetter::Stopped => 'T',
            StateLetter::Zombie => 'Z',
            StateLetter::Dead => 'X',
        }
    }

    /// The letter's meaning.
    pub fn word(self) -> &'static str {
        match self {
            StateLetter::Running => "runnable",
            StateLetter::Sleeping => "sleeping",
            StateLetter::Stopped => "stopped",
            StateLetter::Zombie => "zombie",
            StateLetter::Dead => "dead",
        }
    }
}

impl NsKind {
    /// All kinds in the order in which pictures show them.
    pub const SHOWN: [NsKind; 8] =
        [NsKind::Uts, NsKind::Ipc, NsKind::Pid, NsKind::Mnt, NsKind::Net, NsKind::User, NsKind::Cgroup, NsKind::Time];

    /// The letter that stands for the kind in pictures: `u` is user, `U` is UTS.
    pub fn letter(self) -> char {
        match self {
            NsKind::Uts => 'U',
            NsKind::Ipc => 'I',
            NsKind::Pid => 'P',
            NsKind::Mnt => 'M',
            NsKind::Net => 'N',
            NsKind::User => 'u',
            NsKind::Cgroup => 'C',
            NsKind::Time => 'T',
        }
    }
}

/// The namespaces of a task, in the order of [`NsKind::SHOWN`], with inode numbers.
pub fn namespaces_of(world: &World, task: TaskId) -> Vec<(NsRef, u32)> {
    let Some(t) = world.tasks.get(task) else { return Vec::new() };
    let p = &t.nsproxy;
    let pid = world.pids.get(t.pid).and_then(|p| p.numbers.last()).map(|(ns, _)| *ns);
    NsKind::SHOWN
        .into_iter()
        .filter_map(|kind| {
            Some(match kind {
                NsKind::Uts => (NsRef::Uts(p.uts), world.uts_namespaces.get(p.uts)?.ns.inum),
                NsKind::Ipc => (NsRef::Ipc(p.ipc), world.ipc_namespaces.get(p.ipc)?.ns.inum),
                NsKind::Pid => (NsRef::Pid(pid?), world.pid_namespaces.get(pid?)?.ns.inum),
                NsKind::Mnt => (NsRef::Mnt(p.mnt), world.mnt_namespaces.get(p.mnt)?.ns.inum),
                NsKind::Net => (NsRef::Net(p.net), world.net_namespaces.get(p.net)?.ns.inum),
                NsKind::User => (NsRef::User(t.cred.user_ns), world.user_namespaces.get(t.cred.user_ns)?.ns.inum),
                NsKind::Cgroup => (NsRef::Cgroup(p.cgroup), world.cgroup_namespaces.get(p.cgroup)?.ns.inum),
                NsKind::Time => (NsRef::Time(p.time), world.time_namespaces.get(p.time)?.ns.inum),
            })
        })
        .collect()
}

/// Which of its kind a namespace is, from 1 in the order in which they were made.
pub fn instance(ns: NsRef) -> u32 {
    match ns {
        NsRef::Cgroup(id) => id.0,
        NsRef::Ipc(id) => id.0,
        NsRef::Mnt(id) => id.0,
        NsRef::Net(id) => id.0,
        NsRef::Pid(id) => id.0,
        NsRef::Time(id) => id.0,
        NsRef::User(id) => id.0,
        NsRef::Uts(id) => id.0,
    }
}

impl PidTree {
    /// The tree of one world.
    pub fn of(world: &World) -> PidTree {
        PidTree::of_step(world, world)
    }

    /// The tree of `after`, with what has changed since `before`. Processes that are gone stay in it, marked.
    pub fn of_step(before: &World, after: &World) -> PidTree {
        PidTree::unfolded(before, after, &BTreeSet::new())
    }

    /// The same, with what is folded at these tasks drawn in full. In a large world, children with equal
    /// subtrees are folded: the first few are drawn, and whatever the step has changed.
    pub fn unfolded(before: &World, after: &World, unfolded: &BTreeSet<TaskId>) -> PidTree {
        PidTree::with(&ProcessIndex::of(after), before, after, unfolded)
    }

    /// The same, made with the index of `after`.
    pub fn with(index: &ProcessIndex, before: &World, after: &World, unfolded: &BTreeSet<TaskId>) -> PidTree {
        let folding = Folding::of_step(index, before, after, unfolded);
        let all = after.processes.len() + folding.gone();
        let mut tree = PidTree::default();
        let mut open: Vec<Open> = Vec::new();
        folding.push_children(&mut open, None, &[]);
        while let Some(next) = open.pop() {
            if tree.rows.len() == MAX_ROWS {
                tree.left_out = all - tree.rows.iter().filter(|row| row.folded == 0).count();
                break;
            }
            if next.folded == 0 {
                folding.push_children(&mut open, Some(next.process), &next.rails);
            }
            let shown = row(before, after, next.process, next.rails);
            tree.rows.extend(shown.map(|row| Row { folded: next.folded, ..row }));
        }
        tree
    }

    /// The tree as text, for copying and for tests.
    pub fn text(&self) -> String {
        let mut out = String::new();
        for row in &self.rows {
            let mark = if row.change == Change::Same { " " } else { row.change.mark() };
            let _ = write!(out, "{mark} ");
            if let Some((own, above)) = row.rails.split_last()
                && row.depth > 0
            {
                above.iter().skip(1).for_each(|on| out.push_str(if *on { "│  " } else { "   " }));
                out.push_str(if *own { "├─ " } else { "└─ " });
            }
            if row.folded > 0 {
                let _ = writeln!(out, "… and {} more like this", row.folded);
                continue;
            }
            let _ = write!(out, "{} {}", row.pid, row.args);
            if let Some(own) = row.own_pid {
                let _ = write!(out, " (itself: {own})");
            }
            let _ = write!(out, " {}", row.state.letter());
            if row.threads > 1 {
                let _ = write!(out, " {} threads", row.threads);
            }
            out.push(' ');
            for badge in &row.namespaces {
                let _ = write!(out, " {}{}{}", badge.kind.letter(), badge.instance, badge.change.mark());
            }
            out.push('\n');
        }
        if self.left_out > 0 {
            let _ = writeln!(out, "  and {} more", self.left_out);
        }
        out
    }
}

fn row(before: &World, after: &World, id: ProcessId, rails: Vec<bool>) -> Option<Row> {
    let world = if after.processes.contains(id) { after } else { before };
    let process = world.processes.get(id)?;
    let task = world.tasks.get(process.leader)?;
    let numbers = world.pids.get(task.pid).map(|p| p.numbers.clone()).unwrap_or_default();
    let pid = numbers.first().map_or(0, |(_, nr)| *nr);
    let looks = |w: &World| {
        let p = w.processes.get(id)?;
        let t = w.tasks.get(p.leader)?;
        let state = match StateLetter::of(&t.state) {
            // Waking up and going to sleep is what everybody does all the time.
            StateLetter::Sleeping => StateLetter::Running,
            state => state,
        };
        Some((t.comm.clone(), t.user.image.clone(), p.parent, p.threads.len(), state))
    };
    let old = namespaces_of(before, process.leader);
    let namespaces = namespaces_of(world, process.leader)
        .into_iter()
        .map(|(ns, inum)| {
            let was = old.iter().find(|(o, _)| o.kind() == ns.kind());
            Badge {
                kind: ns.kind(),
                instance: instance(ns),
                inum,
                change: if was.is_some_and(|(o, _)| *o != ns) { Change::Changed } else { Change::Same },
            }
        })
        .collect();
    Some(Row {
        task: process.leader,
        depth: rails.len() - 1,
        rails,
        pid,
        own_pid: numbers.last().map(|(_, nr)| *nr).filter(|_| numbers.len() > 1),
        comm: task.comm.clone(),
        args: task.user.image.argv.join(" "),
        state: StateLetter::of(&task.state),
        threads: process.threads.len(),
        namespaces,
        folded: 0,
        change: Change::between(looks(before).as_ref(), looks(after).as_ref()),
    })
}
