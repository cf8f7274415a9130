//! Mounts of several mount namespaces side by side, with the peer groups that tie them together, as in
//! mount_namespaces(7).
//!
//! Rows are mount points, columns are mount namespaces, a cell is a mount. Members of one peer group hang on
//! one thread, along which a new mount travels; a slave hangs on an arrow that leads from its master group.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;

use super::Change;
use crate::event::{Event, EventKind};
use crate::namespace::mnt::MntNsId;
use crate::task::TaskId;
use crate::vfs::fs::FsKind;
use crate::vfs::mount::{Mount, MountFlags, MountId};
use crate::world::World;

/// How many namespaces stand side by side; the others are counted.
pub const MAX_COLUMNS: usize = 6;
/// How many mount points are listed; the others are counted.
pub const MAX_ROWS: usize = 120;
/// From how many neighbours on that are alike all but the first are folded into one row.
const FOLD_FROM: usize = 4;

/// The picture of mounts.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct MountGraph {
    /// Mount namespaces.
    pub columns: Vec<Column>,
    /// Mount points from top to bottom, each below the directory in which it lies.
    pub rows: Vec<Row>,
    /// Mounts.
    pub cells: Vec<Cell>,
    /// Peer groups that more than one of the mounts has to do with.
    pub groups: Vec<Group>,
    /// Mounts that travelled in this step: from one cell to another.
    pub travels: Vec<(usize, usize)>,
    /// How many namespaces are not drawn.
    pub columns_left_out: usize,
    /// How many mount points are not drawn.
    pub rows_left_out: usize,
}

/// A mount namespace.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Column {
    /// Which.
    pub ns: MntNsId,
    /// Its inode number.
    pub inum: u32,
    /// The first process in it, or that there is none.
    pub who: String,
    /// How many mounts it has.
    pub mounts: usize,
    /// What the step did to it.
    pub change: Change,
}

/// A mount point.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Row {
    /// From the root of its namespace.
    pub path: String,
    /// The part of it that the row above does not say.
    pub name: String,
    /// How deep it lies.
    pub depth: usize,
    /// How many mounts lie below it at the same place.
    pub covers: usize,
    /// How many more rows like this are folded here.
    pub folded: usize,
}

/// A mount.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Cell {
    /// Which.
    pub mount: MountId,
    /// Its number in mountinfo.
    pub number: u32,
    /// Its place in the picture.
    pub row: usize,
    /// Its place in the picture.
    pub column: usize,
    /// The type of its file system.
    pub fs_type: String,
    /// The part of the file system that it shows, where that is not all of it.
    pub root: Option<String>,
    /// It is read-only.
    pub read_only: bool,
    /// It cannot be taken away alone, nor its locked options be cleared.
    pub locked: bool,
    /// It cannot be bind mounted.
    pub unbindable: bool,
    /// Its peer group.
    pub shared: Option<u32>,
    /// The group from which it receives.
    pub master: Option<u32>,
    /// What the step did to it.
    pub change: Change,
}

/// A peer group.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Group {
    /// Its number in mountinfo.
    pub number: u32,
    /// Its members, by cell.
    pub members: Vec<usize>,
    /// Those that only receive, by cell.
    pub slaves: Vec<usize>,
}

/// The letter of a peer group: `A` for 1, `AA` for 27.
pub fn letter(group: u32) -> String {
    let mut rest = group.max(1);
    let mut letters = Vec::new();
    while rest > 0 {
        rest -= 1;
        letters.push(char::from(b'A' + (rest % 26) as u8));
        rest /= 26;
    }
    letters.iter().rev().collect()
}

impl Cell {
    /// Its propagation type in the words of mount_namespaces(7), with letters for groups.
    pub fn propagation(&self) -> String {
        let mut words = Vec::new();
        words.extend(self.shared.map(|group| format!("shared {}", letter(group))));
        words.extend(self.master.map(|group| format!("slave of {}", letter(group))));
        if self.unbindable {
            words.push("unbindable".to_owned());
        }
        if words.is_empty() { "private".to_owned() } else { words.join(", ") }
    }

    /// Everything about it in one line.
    pub fn words(&self) -> String {
        let mut text = format!("{} {}", self.number, self.fs_type);
        if let Some(root) = &self.root {
            let _ = write!(text, " from {root}");
        }
        if self.read_only {
            text.push_str(", read-only");
        }
        if self.locked {
            text.push_str(", locked");
        }
        let _ = write!(text, ", {}", self.propagation());
        text
    }
}

/// A mount before it has its place.
struct Found {
    path: String,
    level: usize,
    column: usize,
    cell: Cell,
}

impl MountGraph {
    /// The picture of one world.
    pub fn of(world: &World) -> MountGraph {
        MountGraph::of_step(world, world, &[], None, &BTreeSet::new())
    }

    /// The picture of `after`, with what has changed since `before` and what has travelled in `events`, the
    /// events of the step. The namespace of `picked` is always there; folded rows whose first path is in
    /// `unfolded` are drawn.
    pub fn of_step(
        before: &World,
        after: &World,
        events: &[Event],
        picked: Option<TaskId>,
        unfolded: &BTreeSet<String>,
    ) -> MountGraph {
        let shown = columns_to_show(before, after, picked);
        let mut graph = MountGraph {
            columns_left_out: after.mnt_namespaces.len().saturating_sub(shown.len()),
            ..MountGraph::default()
        };
        let mut found = Vec::new();
        for (number, ns) in shown.iter().enumerate() {
            graph.columns.push(column(before, after, *ns));
            mounts_of(before, after, *ns, number, &mut found);
        }
        graph.place(found, unfolded);
        graph.tie();
        graph.travels = travels(events, &graph.cells);
        graph
    }

    /// Gives every mount its row: sorted by path, so that a directory stands before what lies in it.
    fn place(&mut self, found: Vec<Found>, unfolded: &BTreeSet<String>) {
        let mut by_path: BTreeMap<(Vec<String>, usize), Vec<Found>> = BTreeMap::new();
        for one in found {
            let parts = one.path.split('/').filter(|part| !part.is_empty()).map(str::to_owned).collect();
            by_path.entry((parts, one.level)).or_default().push(one);
        }
        let mut ancestors: Vec<Vec<String>> = Vec::new();
        let mut alike: Option<(Likeness, usize, String)> = None;
        for ((parts, level), here) in by_path {
            while ancestors.last().is_some_and(|above| !(parts.starts_with(above) && parts.len() > above.len())) {
                ancestors.pop();
            }
            let known = ancestors.last().map_or(0, Vec::len);
            let path = format!("/{}", parts.join("/"));
            let name = if parts.is_empty() { "/".to_owned() } else { parts[known..].join("/") };
            let depth = ancestors.len();
            ancestors.push(parts);
            let likeness = likeness(&here, depth);
            let quiet = here.iter().all(|one| one.cell.change == Change::Same);
            let run = match &alike {
                Some((same, count, head)) if quiet && *same == likeness => (count + 1, head.clone()),
                _ => (1, path.clone()),
            };
            alike = quiet.then(|| (likeness, run.0, run.1.clone()));
            if run.0 >= FOLD_FROM && !unfolded.contains(&run.1) {
                self.fold_into(run.0, &run.1);
                continue;
            }
            if self.rows.len() == MAX_ROWS {
                self.rows_left_out += 1;
                continue;
            }
            let row = self.rows.len();
            self.rows.push(Row { path, name, depth, covers: level, folded: 0 });
            self.cells.extend(here.into_iter().map(|one| Cell { row, column: one.column, ..one.cell }));
        }
    }

    /// One more row that is not drawn, because it is like those before it.
    fn fold_into(&mut self, run: usize, head: &str) {
        match self.rows.last_mut() {
            Some(last) if run > FOLD_FROM && last.folded > 0 => last.folded += 1,
            Some(last) => {
                let depth = last.depth;
                self.rows.push(Row { path: head.to_owned(), name: String::new(), depth, covers: 0, folded: 1 });
            }
            None => {}
        }
    }

    /// Finds out which mounts hang on which thread.
    fn tie(&mut self) {
        let mut groups: BTreeMap<u32, Group> = BTreeMap::new();
        let new = |number| Group { number, members: Vec::new(), slaves: Vec::new() };
        for (index, cell) in self.cells.iter().enumerate().filter(|(_, c)| c.change != Change::Gone) {
            if let Some(number) = cell.shared {
                groups.entry(number).or_insert_with(|| new(number)).members.push(index);
            }
            if let Some(number) = cell.master {
                groups.entry(number).or_insert_with(|| new(number)).slaves.push(index);
            }
        }
        self.groups = groups.into_values().filter(|g| g.members.len() + g.slaves.len() > 1).collect();
    }

    /// The group of this number, when more than one of the mounts has to do with it.
    pub fn group(&self, number: u32) -> Option<&Group> {
        self.groups.iter().find(|group| group.number == number)
    }

    /// The picture as text, for copying, for screen readers and for tests.
    pub fn text(&self) -> String {
        let mut out = String::new();
        for (number, column) in self.columns.iter().enumerate() {
            let mark = if column.change == Change::Same { " " } else { column.change.mark() };
            let _ = writeln!(
                out,
                "{mark} M{} mnt:[{}] of {}, {} mounts",
                column.ns, column.inum, column.who, column.mounts
            );
            for (place, row) in self.rows.iter().enumerate() {
                let indent = "  ".repeat(row.depth + 1);
                if row.folded > 0 {
                    let _ = writeln!(out, "  {indent}… and {} more like this", row.folded);
                }
                for cell in self.cells.iter().filter(|c| c.row == place && c.column == number) {
                    let mark = if cell.change == Change::Same { " " } else { cell.change.mark() };
                    let _ = writeln!(out, "{mark} {indent}{}: {}", row.path, cell.words());
                }
            }
        }
        if self.columns_left_out > 0 {
            let _ = writeln!(out, "  and {} more mount namespaces", self.columns_left_out);
        }
        for (from, to) in &self.travels {
            let name = |cell: &Cell| format!("{} of M{}", self.rows[cell.row].path, self.columns[cell.column].ns);
            let _ = writeln!(out, "{} → {}", name(&self.cells[*from]), name(&self.cells[*to]));
        }
        out
    }
}

type Likeness = (usize, Vec<(usize, String, bool, bool, bool, bool, bool)>);

/// What neighbouring rows must have in common to be folded.
fn likeness(here: &[Found], depth: usize) -> Likeness {
    let of = |one: &Found| {
        let c = &one.cell;
        (one.column, c.fs_type.clone(), c.read_only, c.locked, c.shared.is_some(), c.master.is_some(), c.unbindable)
    };
    (depth, here.iter().map(of).collect())
}

/// The namespaces to draw: that of the picked task, those that the step has changed, then one of each size.
fn columns_to_show(before: &World, after: &World, picked: Option<TaskId>) -> Vec<MntNsId> {
    let own = picked.and_then(|task| after.tasks.get(task)).map(|t| t.nsproxy.mnt);
    let gone = before.mnt_namespaces.ids().filter(|ns| !after.mnt_namespaces.contains(*ns));
    let all: Vec<MntNsId> = after.mnt_namespaces.ids().chain(gone).collect();
    let mut sizes = BTreeSet::new();
    let mut ranked: Vec<(u8, MntNsId)> = all
        .into_iter()
        .map(|ns| {
            let (old, new) = (before.mnt_namespaces.get(ns), after.mnt_namespaces.get(ns));
            let changed = old.map(|n| &n.mounts) != new.map(|n| &n.mounts);
            let first_of_size = sizes.insert(new.or(old).map_or(0, |n| n.mounts.len()));
            let rank = match () {
                () if Some(ns) == own => 0,
                () if changed => 1,
                () if first_of_size => 2,
                () => 3,
            };
            (rank, ns)
        })
        .collect();
    ranked.sort_unstable();
    let mut shown: Vec<MntNsId> = ranked.into_iter().take(MAX_COLUMNS).map(|(_, ns)| ns).collect();
    shown.sort_unstable();
    shown
}

fn column(before: &World, after: &World, ns: MntNsId) -> Column {
    let (old, new) = (before.mnt_namespaces.get(ns), after.mnt_namespaces.get(ns));
    let shown = new.or(old);
    let mut inside = after.tasks.iter().filter(|(_, t)| t.nsproxy.mnt == ns && !t.state.has_exited());
    let who = match inside.next() {
        Some((task, _)) => super::changes::name_of(after, task),
        None => "no process".to_owned(),
    };
    Column {
        ns,
        inum: shown.map_or(0, |n| n.ns.inum),
        who,
        mounts: shown.map_or(0, |n| n.mounts.len()),
        change: match Change::between(old.map(|_| &()), new.map(|_| &())) {
            Change::Same if old.map(|n| &n.mounts) != new.map(|n| &n.mounts) => Change::Changed,
            change => change,
        },
    }
}

/// The mounts of a namespace, with those that are gone.
fn mounts_of(before: &World, after: &World, ns: MntNsId, column: usize, found: &mut Vec<Found>) {
    let new = after.mnt_namespaces.get(ns).map(|n| n.mounts.clone()).unwrap_or_default();
    let old = before.mnt_namespaces.get(ns).map(|n| n.mounts.clone()).unwrap_or_default();
    let known = before.mnt_namespaces.contains(ns);
    for id in new.iter().chain(old.iter().filter(|id| !new.contains(*id))) {
        let world = if new.contains(id) { after } else { before };
        let Some(mount) = world.vfs.mounts.get(*id) else { continue };
        if is_bottom(world, mount) {
            continue;
        }
        let was = old.contains(id).then(|| before.vfs.mounts.get(*id)).flatten();
        let is = new.contains(id).then(|| after.vfs.mounts.get(*id)).flatten();
        let looks = |m: &Mount| (m.propagation, m.flags, m.locked, m.place);
        let change = match Change::between(was.map(looks).as_ref(), is.map(looks).as_ref()) {
            // The copies in a new namespace are no news: the namespace is.
            Change::New if !known => Change::Same,
            change => change,
        };
        let cell = cell(world, *id, mount, change);
        found.push(Found { path: world.mount_point_text(*id), level: covered(world, mount), column, cell });
    }
}

/// The kernel's own first mount, on which the real root lies: mountinfo does not show it either.
fn is_bottom(world: &World, mount: &Mount) -> bool {
    mount.place.is_none()
        && !mount.children.is_empty()
        && world.vfs.supers.get(mount.sb).is_some_and(|sb| sb.kind == FsKind::Rootfs)
}

/// How many mounts lie below this one at the same place.
fn covered(world: &World, mount: &Mount) -> usize {
    let mut level = 0;
    let mut at = mount;
    while let Some(place) = at.place
        && let Some(below) = world.vfs.mounts.get(place.mnt)
        && below.root == place.node
        && !is_bottom(world, below)
    {
        level += 1;
        at = below;
    }
    level
}

fn cell(world: &World, id: MountId, mount: &Mount, change: Change) -> Cell {
    let sb = world.vfs.supers.get(mount.sb);
    let root = sb.is_some_and(|sb| sb.root != mount.root).then(|| world.dentry_path(mount.sb, mount.root));
    Cell {
        mount: id,
        number: mount.number,
        row: 0,
        column: 0,
        fs_type: sb.map_or_else(|| "?".to_owned(), |sb| sb.kind.name().to_owned()),
        root,
        read_only: mount.flags.contains(MountFlags::RDONLY) || sb.is_some_and(|sb| sb.read_only),
        locked: mount.locked || !mount.locked_flags.is_empty(),
        unbindable: mount.propagation.unbindable,
        shared: mount.propagation.shared,
        master: mount.propagation.master,
        change,
    }
}

/// Which mounts have travelled, as cells.
fn travels(events: &[Event], cells: &[Cell]) -> Vec<(usize, usize)> {
    let cell_of = |mount: MountId| cells.iter().position(|c| c.mount == mount);
    let one = |event: &Event| match &event.kind {
        EventKind::MountPropagated { from, to } => Some((cell_of(*from)?, cell_of(*to)?)),
        _ => None,
    };
    events.iter().filter_map(one).collect()
}
