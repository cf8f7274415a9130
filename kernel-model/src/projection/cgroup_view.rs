//! Control groups as a picture: for each hierarchy its tree with a bar for all that a group uses against the notch
//! of its limit, and what the step has changed. Made from [`cgroup_tree`](super::cgroup_tree).

use std::collections::BTreeMap;
use std::fmt::Write;

use super::Change;
use super::cgroup_tree::{CgroupRow, CgroupTree};
use super::changes::name_of;
use crate::cgroup::controller::Usage;
use crate::cgroup::{CgroupId, Version};
use crate::task::TaskId;
use crate::world::World;

/// How many groups of a hierarchy are listed; the others are counted.
pub const MAX_ROWS: usize = 120;
/// Where the notch of a limit is, in percent of a bar; a bar without a limit ends there when nobody has more.
pub const NOTCH: u64 = 80;
/// From how many neighbours on that are alike the others are folded.
const FOLD_FROM: usize = 4;

/// The picture.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct CgroupView {
    /// Hierarchies in which there are groups.
    pub trees: Vec<Tree>,
    /// The others, by label.
    pub bare: Vec<String>,
}

/// A hierarchy.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Tree {
    /// Its controllers and its name.
    pub label: String,
    /// `v1` or `v2`.
    pub version: &'static str,
    /// Groups from top to bottom.
    pub rows: Vec<Row>,
    /// How many are not listed.
    pub left_out: usize,
}

/// A group.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Row {
    /// Which.
    pub group: CgroupId,
    /// Its name; `/` for a root.
    pub name: String,
    /// How deep it lies.
    pub depth: u32,
    /// Processes in it, the first ones by name.
    pub members: Vec<String>,
    /// How many more there are.
    pub more_members: usize,
    /// What is special about it: `threaded`, `frozen`, `delegated to uid 1000`, `hands on cpu memory`.
    pub marks: Vec<String>,
    /// What it uses.
    pub meters: Vec<Meter>,
    /// How many more groups like this one are folded here.
    pub folded: usize,
    /// What the step did to it.
    pub change: Change,
}

/// Something that is used, against its limit.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Meter {
    /// The file that says how much.
    pub name: &'static str,
    /// How much.
    pub used: u64,
    /// The limit.
    pub limit: Option<u64>,
    /// How long the bar is, in percent of its room.
    pub percent: u64,
    /// Nothing more is left.
    pub full: bool,
    /// What the step did to it.
    pub change: Change,
}

impl Meter {
    /// `7 of 10`, `512K, no limit`
    pub fn words(&self) -> String {
        let bytes = self.name.starts_with("memory.") || self.name.starts_with("hugetlb.");
        let amount = |n: u64| if bytes { size(n) } else { n.to_string() };
        match self.limit {
            Some(limit) => format!("{} of {}", amount(self.used), amount(limit)),
            None => format!("{}, no limit", amount(self.used)),
        }
    }
}

/// `64K`, `1.5M`
fn size(bytes: u64) -> String {
    const UNITS: [(&str, u64); 3] = [("G", 1 << 30), ("M", 1 << 20), ("K", 1 << 10)];
    let Some((unit, per)) = UNITS.into_iter().find(|(_, per)| bytes >= *per) else { return bytes.to_string() };
    let tenths = bytes * 10 / per;
    if tenths.is_multiple_of(10) {
        format!("{}{unit}", tenths / 10)
    } else {
        format!("{}.{}{unit}", tenths / 10, tenths % 10)
    }
}

impl CgroupView {
    /// The picture of one world.
    pub fn of(world: &World) -> CgroupView {
        CgroupView::of_step(world, world)
    }

    /// The picture of `after`, with what has changed since `before`.
    pub fn of_step(before: &World, after: &World) -> CgroupView {
        let mut view = CgroupView::default();
        for (id, _) in after.cgroups.hierarchies.iter() {
            let tree = after.cgroup_tree(id);
            let old = before.cgroups.hierarchies.contains(id).then(|| before.cgroup_tree(id));
            if tree.rows.len() < 2 && old.as_ref().is_none_or(|old| old.rows.len() < 2) {
                view.bare.push(tree.label);
            } else {
                view.trees.push(picture(after, before, tree, old));
            }
        }
        view
    }

    /// The picture as text, for copying, for screen readers and for tests.
    pub fn text(&self) -> String {
        let mut out = String::new();
        for tree in &self.trees {
            let _ = writeln!(out, "{} ({})", tree.label, tree.version);
            for row in &tree.rows {
                let mark = if row.change == Change::Same { " " } else { row.change.mark() };
                let indent = "  ".repeat(row.depth as usize + 1);
                if row.folded > 0 {
                    let _ = writeln!(out, "  {indent}… and {} more like this", row.folded);
                    continue;
                }
                let _ = write!(out, "{mark} {indent}{}", row.name);
                for meter in &row.meters {
                    let mark = if meter.change == Change::Same { "" } else { meter.change.mark() };
                    let full = if meter.full { ", at the limit" } else { "" };
                    let _ = write!(out, "  {}{mark} {}{full}", meter.name, meter.words());
                }
                for mark in &row.marks {
                    let _ = write!(out, "  {mark}");
                }
                if !row.members.is_empty() {
                    let more =
                        if row.more_members > 0 { format!(" and {} more", row.more_members) } else { String::new() };
                    let _ = write!(out, "  [{}{more}]", row.members.join(", "));
                }
                out.push('\n');
            }
            if tree.left_out > 0 {
                let _ = writeln!(out, "  and {} more groups", tree.left_out);
            }
        }
        if !self.bare.is_empty() {
            let _ = writeln!(out, "without groups: {}", self.bare.join(", "));
        }
        out
    }
}

/// The most that is used of each thing, for bars without a limit.
type Most = BTreeMap<&'static str, u64>;

fn picture(after: &World, before: &World, tree: CgroupTree, old: Option<CgroupTree>) -> Tree {
    let was: BTreeMap<CgroupId, &CgroupRow> =
        old.iter().flat_map(|old| &old.rows).map(|row| (row.group, row)).collect();
    let mut most = Most::new();
    for usage in tree.rows.iter().flat_map(|row| &row.usages) {
        let top = most.entry(usage.name).or_default();
        *top = (*top).max(usage.used);
    }
    let mut rows: Vec<Row> = Vec::new();
    let mut run: (Option<Likeness>, usize) = (None, 0);
    let mut left_out = 0;
    for row in &tree.rows {
        let shown = group_row(after, row, was.get(&row.group).copied(), old.is_some(), &most);
        let likeness = likeness(row).filter(|_| shown.change == Change::Same);
        run = if likeness.is_some() && likeness == run.0 { (likeness, run.1 + 1) } else { (likeness, 1) };
        let full = rows.len() == MAX_ROWS;
        match rows.last_mut() {
            Some(last) if run.1 > FOLD_FROM && last.folded > 0 => last.folded += 1,
            Some(_) if run.1 == FOLD_FROM => rows.push(Row { folded: 1, ..shown }),
            _ if full => left_out += 1,
            _ => rows.push(shown),
        }
    }
    let there: std::collections::BTreeSet<CgroupId> = tree.rows.iter().map(|row| row.group).collect();
    for gone in old.iter().flat_map(|old| &old.rows).filter(|row| !there.contains(&row.group)) {
        let row = group_row(before, gone, Some(gone), true, &most);
        rows.push(Row { change: Change::Gone, ..row });
    }
    let version = if tree.version == Version::V1 { "v1" } else { "v2" };
    Tree { label: tree.label, version, rows, left_out }
}

type Likeness = (u32, String, Vec<(&'static str, Option<u64>)>, bool);

/// What neighbours must have in common to be folded; `None` for a group that is not folded.
fn likeness(row: &CgroupRow) -> Option<Likeness> {
    let word: String = row.name.chars().take_while(|c| c.is_ascii_alphabetic()).collect();
    let limits = row.usages.iter().map(|usage| (usage.name, usage.limit)).collect();
    (row.depth > 0 && row.tasks == row.tasks_below).then_some((row.depth, word, limits, row.frozen))
}

fn group_row(world: &World, row: &CgroupRow, was: Option<&CgroupRow>, known: bool, most: &Most) -> Row {
    let looks = |row: &CgroupRow| (row.frozen, row.kind, row.subtree_control.clone(), row.tasks, row.name.clone());
    let meters: Vec<Meter> = row
        .usages
        .iter()
        .map(|usage| meter(usage, was.and_then(|was| was.usages.iter().find(|u| u.name == usage.name)), most))
        .collect();
    let change = match was {
        None if known => Change::New,
        Some(was) if looks(was) != looks(row) => Change::Changed,
        _ if meters.iter().any(|meter| meter.change != Change::Same) => Change::Changed,
        _ => Change::Same,
    };
    let mut marks = Vec::new();
    marks.extend(row.kind.map(str::to_owned));
    marks.extend(row.frozen.then(|| "frozen".to_owned()));
    marks.extend(row.owner.map(|uid| format!("delegated to uid {}", uid.0)));
    marks.extend((!row.subtree_control.is_empty()).then(|| format!("hands on {}", row.subtree_control)));
    marks.extend((row.dying_below > 0).then(|| format!("{} removed below, still charged", row.dying_below)));
    Row {
        group: row.group,
        name: row.name.clone(),
        depth: row.depth,
        members: row.members.iter().map(|task: &TaskId| name_of(world, *task)).collect(),
        more_members: (row.tasks as usize).saturating_sub(row.members.len()),
        marks,
        meters,
        folded: 0,
        change,
    }
}

fn meter(usage: &Usage, was: Option<&Usage>, most: &Most) -> Meter {
    let scale = usage.limit.unwrap_or_else(|| most.get(usage.name).copied().unwrap_or(0)).max(1);
    let percent = (u128::from(usage.used) * u128::from(NOTCH) / u128::from(scale)).min(100) as u64;
    Meter {
        name: usage.name,
        used: usage.used,
        limit: usage.limit,
        percent: if usage.used > 0 { percent.max(2) } else { 0 },
        full: usage.limit.is_some_and(|limit| usage.used >= limit),
        change: match was {
            Some(was) if was != usage => Change::Changed,
            _ => Change::Same,
        },
    }
}
