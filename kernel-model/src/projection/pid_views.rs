//! One process, several numbers: every process with its number in every PID namespace.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;

use super::Change;
use super::pid_tree::StateLetter;
use super::process_index::ProcessIndex;
use crate::namespace::pid::{Pid, PidNsId};
use crate::task::TaskId;
use crate::world::World;

/// How many processes are listed; the others are counted.
pub const MAX_ROWS: usize = 120;
/// How many namespaces are listed; the others are counted.
pub const MAX_COLUMNS: usize = 12;

/// The matrix of tasks by PID namespaces.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct PidViews {
    /// PID namespaces, each after the one that it lies in.
    pub columns: Vec<Column>,
    /// Tasks in the order in which they were made.
    pub rows: Vec<Row>,
    /// How many tasks are not listed.
    pub left_out: usize,
    /// How many namespaces are not listed.
    pub columns_left_out: usize,
}

/// A PID namespace.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Column {
    /// Which.
    pub ns: PidNsId,
    /// The namespace that it lies in, as a column.
    pub parent: Option<usize>,
    /// How deep it lies.
    pub level: usize,
    /// Its inode number.
    pub inum: u32,
    /// Whether new tasks can still be made in it.
    pub open: bool,
    /// What the step did to it.
    pub change: Change,
}

/// A task.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Row {
    /// Which.
    pub task: TaskId,
    /// What `ps -o comm` shows.
    pub comm: String,
    /// How it is.
    pub state: StateLetter,
    /// It is a thread of a process and not the first.
    pub thread: bool,
    /// The column of its own namespace.
    pub own: usize,
    /// Its number in each column; `None` where it cannot be seen.
    pub cells: Vec<Option<Pid>>,
    /// What the step did to it.
    pub change: Change,
}

impl Column {
    /// `pid:[4026531836]`, as in `/proc/PID/ns`.
    pub fn name(&self) -> String {
        format!("pid:[{}]", self.inum)
    }
}

impl PidViews {
    /// The matrix of one world.
    pub fn of(world: &World) -> PidViews {
        PidViews::of_step(world, world)
    }

    /// The matrix of `after`, with what has changed since `before`. What is gone stays in it, marked.
    pub fn of_step(before: &World, after: &World) -> PidViews {
        PidViews::with(&ProcessIndex::of(after), before, after)
    }

    /// The same, made with the index of `after`.
    pub fn with(index: &ProcessIndex, before: &World, after: &World) -> PidViews {
        let mut columns: Vec<Column> = Vec::new();
        let mut place: BTreeMap<PidNsId, usize> = BTreeMap::new();
        let (shown, columns_left_out) = columns_to_show(before, after);
        for ns in shown {
            let (old, new) = (before.pid_namespaces.get(ns), after.pid_namespaces.get(ns));
            let Some(shown) = new.or(old) else { continue };
            place.insert(ns, columns.len());
            columns.push(Column {
                ns,
                parent: shown.parent.and_then(|p| place.get(&p).copied()),
                level: shown.level,
                inum: shown.ns.inum,
                open: shown.adding,
                change: Change::between(old.map(|n| &n.adding), new.map(|n| &n.adding)),
            });
        }
        let (tasks, all) = tasks_to_show(index, before, after, &place);
        let rows: Vec<Row> = tasks.into_iter().filter_map(|task| row(before, after, task, &place)).collect();
        PidViews { left_out: all - rows.len(), columns, rows, columns_left_out }
    }

    /// The matrix as text, for copying and for tests.
    pub fn text(&self) -> String {
        let mut out = String::new();
        let wide = self.rows.iter().map(|r| r.comm.chars().count() + 2 * usize::from(r.thread)).max().unwrap_or(0);
        let wide = wide.max("process".len());
        let _ = write!(out, "  {:wide$} S", "process");
        for column in &self.columns {
            let _ = write!(out, " {:>16}", column.name());
        }
        out.push('\n');
        for row in &self.rows {
            let name = if row.thread { format!("+ {}", row.comm) } else { row.comm.clone() };
            let mark = if row.change == Change::Same { " " } else { row.change.mark() };
            let _ = write!(out, "{mark} {name:wide$} {}", row.state.letter());
            for cell in &row.cells {
                match cell {
                    Some(nr) => _ = write!(out, " {nr:>16}"),
                    None => _ = write!(out, " {:>16}", "-"),
                }
            }
            out.push('\n');
        }
        if self.left_out > 0 {
            let _ = writeln!(out, "  and {} more", self.left_out);
        }
        if self.columns_left_out > 0 {
            let _ = writeln!(out, "  and {} more PID namespaces", self.columns_left_out);
        }
        out
    }
}

/// The namespaces to list, each after the one that it lies in, and how many are not: where there are too many,
/// those that the step has touched come first, with all around them.
fn columns_to_show(before: &World, after: &World) -> (Vec<PidNsId>, usize) {
    let changed = after.pid_namespaces.changed_since(&before.pid_namespaces);
    let parent = |ns| after.pid_namespaces.get(ns).or(before.pid_namespaces.get(ns))?.parent;
    let gone = changed.iter().copied().filter(|ns| !after.pid_namespaces.contains(*ns));
    let mut all: Vec<PidNsId> = after.pid_namespaces.ids().chain(gone).collect();
    all.sort_unstable();
    if all.len() <= MAX_COLUMNS {
        return (nested(all, parent), 0);
    }
    let mut shown: BTreeSet<PidNsId> = BTreeSet::new();
    for ns in changed.iter().rev().chain(&all) {
        let around: Vec<PidNsId> = std::iter::successors(Some(*ns), |ns| parent(*ns)).collect();
        if around.iter().filter(|ns| !shown.contains(ns)).count() + shown.len() <= MAX_COLUMNS {
            shown.extend(around);
        }
        if shown.len() == MAX_COLUMNS {
            break;
        }
    }
    let left_out = all.len() - shown.len();
    (nested(shown.into_iter().collect(), parent), left_out)
}

/// The tasks to list, oldest first, and how many there are: where there are too many, those that the step has
/// touched, and then those whose own namespace is listed.
fn tasks_to_show(
    index: &ProcessIndex,
    before: &World,
    after: &World,
    place: &BTreeMap<PidNsId, usize>,
) -> (Vec<TaskId>, usize) {
    let changed = after.tasks.changed_since(&before.tasks);
    let gone: Vec<TaskId> = changed.iter().copied().filter(|task| !after.tasks.contains(*task)).collect();
    let all = after.tasks.len() + gone.len();
    let mut shown: BTreeSet<TaskId>;
    if all <= MAX_ROWS {
        shown = after.tasks.ids().chain(gone).collect();
    } else {
        shown = changed.into_iter().rev().take(MAX_ROWS).collect();
        let share = MAX_ROWS / place.len().max(1);
        let mut candidates: Vec<TaskId> = place.keys().flat_map(|ns| index.inhabitants_of(*ns).take(share)).collect();
        candidates.sort_unstable();
        for task in candidates {
            if shown.len() == MAX_ROWS {
                break;
            }
            shown.insert(task);
        }
    }
    (shown.into_iter().collect(), all)
}

fn row(before: &World, after: &World, task: TaskId, place: &BTreeMap<PidNsId, usize>) -> Option<Row> {
    let (old, new) = (before.tasks.get(task), after.tasks.get(task));
    let (world, shown) = match (new, old) {
        (Some(task), _) => (after, task),
        (None, Some(task)) => (before, task),
        (None, None) => return None,
    };
    let numbers = |w: &World| w.pids.get(w.tasks.get(task)?.pid).map(|p| p.numbers.clone());
    let has = numbers(world).unwrap_or_default();
    let mut cells = vec![None; place.len()];
    for (ns, nr) in &has {
        if let Some(cell) = place.get(ns).and_then(|i| cells.get_mut(*i)) {
            *cell = Some(*nr);
        }
    }
    let looks = |w: &World| {
        let t = w.tasks.get(task)?;
        Some((t.comm.clone(), StateLetter::of(&t.state), numbers(w)))
    };
    Some(Row {
        task,
        comm: shown.comm.clone(),
        state: StateLetter::of(&shown.state),
        thread: world.processes.get(shown.process).is_some_and(|p| p.leader != task),
        own: has.last().and_then(|(ns, _)| place.get(ns).copied()).unwrap_or(0),
        cells,
        change: match Change::between(looks(before).as_ref(), looks(after).as_ref()) {
            // Waking up and going to sleep is what everybody does all the time.
            Change::Changed if looks(before).map(|l| (l.0, l.2)) == looks(after).map(|l| (l.0, l.2)) => {
                state_change(old, new)
            }
            change => change,
        },
    })
}

fn state_change(old: Option<&crate::task::Task>, new: Option<&crate::task::Task>) -> Change {
    let notable = |t: Option<&crate::task::Task>| {
        t.is_some_and(|t| !matches!(StateLetter::of(&t.state), StateLetter::Running | StateLetter::Sleeping))
    };
    if notable(old) || notable(new) { Change::Changed } else { Change::Same }
}

/// Orders namespaces so that each comes right after its parent and that one's earlier children.
fn nested(ids: Vec<PidNsId>, parent: impl Fn(PidNsId) -> Option<PidNsId>) -> Vec<PidNsId> {
    let mut children: BTreeMap<Option<PidNsId>, Vec<PidNsId>> = BTreeMap::new();
    for id in &ids {
        children.entry(parent(*id)).or_default().push(*id);
    }
    let mut ordered = Vec::with_capacity(ids.len());
    let mut open: Vec<PidNsId> = children.get(&None).into_iter().flatten().rev().copied().collect();
    while let Some(id) = open.pop() {
        ordered.push(id);
        open.extend(children.get(&Some(id)).into_iter().flatten().rev());
    }
    ordered
}
