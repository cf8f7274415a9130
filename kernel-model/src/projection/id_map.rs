//! The ids of a process from its own user namespace out to the first one: uid_map and gid_map as segments, as
//! in user_namespaces(7).
//!
//! A segment is a stretch of ids that stays together through all levels. It has a first id at each level, until
//! a level has no image for it.

use std::collections::BTreeSet;
use std::fmt::Write;

use super::Change;
use crate::namespace::user::{IdMap, OVERFLOW_ID, UserNamespace, UserNsId};
use crate::task::TaskId;
use crate::world::World;

/// How many segments are drawn.
const MAX_SEGMENTS: usize = 16;

/// Ids through nested user namespaces.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct IdMapPicture {
    /// User namespaces, the process' own first, the machine's first one last.
    pub levels: Vec<Level>,
    /// Stretches of ids, by the id inside.
    pub segments: Vec<Segment>,
    /// How many stretches are not drawn.
    pub left_out: usize,
    /// The id of the process at each level; [`OVERFLOW_ID`] where it has none.
    pub own: Vec<u32>,
    /// Whether its id has an image at each level.
    pub mapped: Vec<bool>,
}

/// A user namespace on the way out.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Level {
    /// Which.
    pub ns: UserNsId,
    /// Its inode number.
    pub inum: u32,
    /// Whether its map has been written.
    pub written: bool,
    /// What the step did to its map.
    pub change: Change,
}

/// A stretch of ids.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Segment {
    /// How many ids.
    pub count: u32,
    /// The first of them at each level; `None` where they have no image.
    pub first: Vec<Option<u32>>,
    /// Which of them the process has, counted from the first.
    pub own: Option<u32>,
}

impl IdMapPicture {
    /// User ids of a task, its effective one marked.
    pub fn of_uids(before: &World, world: &World, task: TaskId) -> IdMapPicture {
        let id = world.tasks.get(task).map_or(0, |t| t.cred.euid.0);
        picture(before, world, task, id, |ns| &ns.uid_map)
    }

    /// Group ids of a task, its effective one marked.
    pub fn of_gids(before: &World, world: &World, task: TaskId) -> IdMapPicture {
        let id = world.tasks.get(task).map_or(0, |t| t.cred.egid.0);
        picture(before, world, task, id, |ns| &ns.gid_map)
    }

    /// The picture as text: one line a segment, from inside to outside.
    pub fn text(&self) -> String {
        let mut out = String::new();
        let way: Vec<String> = self.levels.iter().map(|l| format!("u{}", l.ns)).collect();
        let own: Vec<String> = self.own.iter().map(u32::to_string).collect();
        let _ = writeln!(out, "  {}: it is {}", way.join(" → "), own.join(" → "));
        for level in self.levels.iter().filter(|l| !l.written) {
            let _ = writeln!(out, "  the map of u{} has not been written: every id in it is {OVERFLOW_ID}", level.ns);
        }
        for level in self.levels.iter().filter(|l| l.change != Change::Same) {
            let _ = writeln!(out, "{} the map of u{} is {}", level.change.mark(), level.ns, level.change.word());
        }
        for segment in &self.segments {
            let _ = writeln!(out, "  {}", segment.words());
        }
        if self.left_out > 0 {
            let _ = writeln!(out, "  and {} more", self.left_out);
        }
        out
    }
}

impl Segment {
    /// `0 → 1000`, `1–65535 → 100001–165535`
    pub fn words(&self) -> String {
        let ends: Vec<String> = (0..self.first.len()).map(|level| self.range(level)).collect();
        ends.join(" → ")
    }

    /// The ids at one level: `1–65535`, or the id that stands for those without an image.
    pub fn range(&self, level: usize) -> String {
        match self.first.get(level).copied().flatten() {
            None => format!("({OVERFLOW_ID})"),
            Some(first) if self.count == 1 => first.to_string(),
            Some(first) => format!("{first}–{}", first.saturating_add(self.count - 1)),
        }
    }
}

fn picture(before: &World, world: &World, task: TaskId, own: u32, map: fn(&UserNamespace) -> &IdMap) -> IdMapPicture {
    let mut levels = Vec::new();
    let mut maps = Vec::new();
    let mut at = world.tasks.get(task).map(|t| t.cred.user_ns);
    while let Some(id) = at
        && let Some(ns) = world.user_namespaces.get(id)
    {
        levels.push(Level {
            ns: id,
            inum: ns.ns.inum,
            written: !map(ns).extents.is_empty(),
            change: Change::between(before.user_namespaces.get(id).map(map), Some(map(ns))),
        });
        maps.push(map(ns));
        at = ns.parent;
    }
    let Some(inner) = maps.first() else { return IdMapPicture::default() };
    let mut segments = split(inner, &maps);
    segments.sort_by_key(|segment| segment.0);
    let left_out = segments.len().saturating_sub(MAX_SEGMENTS);
    let segments = segments.into_iter().take(MAX_SEGMENTS).map(|(_, kernel, count)| Segment {
        count,
        first: maps.iter().map(|map| map.from_kernel(kernel)).collect(),
        own: own.checked_sub(kernel).filter(|offset| *offset < count),
    });
    IdMapPicture {
        segments: segments.collect(),
        left_out,
        own: maps.iter().map(|map| map.from_kernel(own).unwrap_or(OVERFLOW_ID)).collect(),
        mapped: maps.iter().map(|map| map.from_kernel(own).is_some()).collect(),
        levels,
    }
}

/// The extents of the innermost map, cut where one of the outer maps begins or ends: first id inside, first
/// kernel id, length.
fn split(inner: &IdMap, maps: &[&IdMap]) -> Vec<(u32, u32, u32)> {
    let mut cuts: BTreeSet<u64> = BTreeSet::new();
    for extent in maps.iter().flat_map(|map| &map.extents) {
        cuts.insert(u64::from(extent.lower_first));
        cuts.insert(u64::from(extent.lower_first) + u64::from(extent.count));
    }
    let mut pieces = Vec::new();
    for extent in &inner.extents {
        let begin = u64::from(extent.lower_first);
        let end = begin + u64::from(extent.count);
        let mut from = begin;
        for cut in cuts.range(begin + 1..end).copied().chain([end]) {
            let inside = extent.first + (from - begin) as u32;
            pieces.push((inside, from as u32, (cut - from) as u32));
            from = cut;
        }
    }
    pieces
}
