//! The trees of control groups as plain data: for each hierarchy its groups with who is in them, what they use and
//! may use, whether they are frozen, and to whom they are delegated.
//!
//! A view draws [`World::cgroup_trees`]: one [`CgroupTree`] a hierarchy, its rows from the root downwards with their
//! depth. Bars come from [`Usage`]: what counts, how much of it, and the limit if there is one; every controller
//! gives its own ([`Controller::usage`](crate::cgroup::controller::Controller)). Members are cut off after
//! [`SHOWN_MEMBERS`], so that a row stays a row with ten thousand tasks; `tasks` counts them all.
//! [`World::cgroup_tree_text`] is the text twin.

use std::fmt::Write;

use super::changes::name_of;
use crate::cgroup::controller::{Usage, freezer, record};
use crate::cgroup::hierarchy::HierarchyId;
use crate::cgroup::{CgroupId, Version};
use crate::security::credentials::Kuid;
use crate::task::TaskId;
use crate::world::World;

/// How many members of a group a row names.
pub const SHOWN_MEMBERS: usize = 8;

/// One hierarchy.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct CgroupTree {
    /// The hierarchy.
    pub hierarchy: HierarchyId,
    /// Its interface.
    pub version: Version,
    /// Controllers and name, as `/proc/PID/cgroup` shows them; `unified` for the default hierarchy.
    pub label: String,
    /// Its groups from the root downwards, each before those in it.
    pub rows: Vec<CgroupRow>,
}

/// One group.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct CgroupRow {
    /// The group.
    pub group: CgroupId,
    /// Its name; `/` for the root.
    pub name: String,
    /// Its path from the root.
    pub path: String,
    /// How far below the root it is.
    pub depth: u32,
    /// Living tasks in the group itself.
    pub tasks: u32,
    /// Living tasks here and below.
    pub tasks_below: u32,
    /// The first of its members.
    pub members: Vec<TaskId>,
    /// Controllers that it can hand on (v2).
    pub controllers: String,
    /// Controllers that it hands on (v2).
    pub subtree_control: String,
    /// `cgroup.type`, where it is not simply a domain.
    pub kind: Option<&'static str>,
    /// It and all below stand still.
    pub frozen: bool,
    /// Its owner, if that is not root: it is delegated.
    pub owner: Option<Kuid>,
    /// What it uses and may use.
    pub usages: Vec<Usage>,
    /// Removed groups below it that are still referred to.
    pub dying_below: u32,
}

impl World {
    /// All hierarchies, the default one first.
    pub fn cgroup_trees(&self) -> Vec<CgroupTree> {
        self.cgroups.hierarchies.ids().map(|id| self.cgroup_tree(id)).collect()
    }

    /// One hierarchy.
    pub fn cgroup_tree(&self, hierarchy: HierarchyId) -> CgroupTree {
        let h = &self.cgroups.hierarchies[hierarchy];
        let label = match h.version {
            Version::V1 => self.hierarchy_label(hierarchy),
            Version::V2 => "unified".to_owned(),
        };
        let rows = self.cgroup_subtree(h.root).into_iter().map(|group| self.cgroup_row(group)).collect();
        CgroupTree { hierarchy, version: h.version, label, rows }
    }

    fn cgroup_row(&self, group: CgroupId) -> CgroupRow {
        let g = self.cgroup(group);
        let version = self.cgroup_version(group);
        let names = |set: crate::cgroup::controller::ControllerSet| match version {
            Version::V1 => String::new(),
            Version::V2 => set.names(),
        };
        let kind = Some(self.cgroup_type(group)).filter(|kind| version == Version::V2 && *kind != "domain");
        CgroupRow {
            group,
            name: if g.parent.is_none() { "/".to_owned() } else { g.name.clone() },
            path: self.cgroup_path(group),
            depth: g.level,
            tasks: g.own_tasks,
            tasks_below: g.tasks_below,
            members: self.cgroup_tasks(group).into_iter().take(SHOWN_MEMBERS).collect(),
            controllers: names(self.offered_controllers(group)),
            subtree_control: names(g.subtree_control),
            kind,
            frozen: self.cgroup_is_frozen(group),
            owner: Some(g.made_by.0).filter(|uid| *uid != Kuid::ROOT),
            usages: self.cgroup_usages(group),
            dying_below: g.nr_dying_descendants,
        }
    }

    /// Whether it and all below stand still, in either version.
    pub fn cgroup_is_frozen(&self, group: CgroupId) -> bool {
        self.cgroup(group).frozen || freezer::is_freezing(self, group)
    }

    /// What it uses and may use, by the controllers that work in it.
    pub fn cgroup_usages(&self, group: CgroupId) -> Vec<Usage> {
        self.cgroup(group).css.works.iter().flat_map(|c| (record(c).usage)(self, group)).collect()
    }

    /// The text twin: hierarchies in which there are groups, or all of them.
    pub fn cgroup_tree_text(&self, all: bool) -> String {
        let mut text = String::new();
        for tree in self.cgroup_trees() {
            if !all && tree.rows.len() < 2 {
                continue;
            }
            let version = if tree.version == Version::V1 { "v1" } else { "v2" };
            // Writing to a string cannot fail.
            let _ = writeln!(text, "{} ({version})", tree.label);
            for row in &tree.rows {
                let _ = writeln!(text, "{}", self.cgroup_line(row));
            }
        }
        text
    }

    fn cgroup_line(&self, row: &CgroupRow) -> String {
        let mut line = format!("{}{}", "  ".repeat(row.depth as usize + 1), row.name);
        for usage in &row.usages {
            let limit = usage.limit.map_or_else(|| "max".to_owned(), |limit| limit.to_string());
            let _ = write!(line, "  {} {}/{limit}", usage.name, usage.used);
        }
        if !row.subtree_control.is_empty() {
            let _ = write!(line, "  hands on {}", row.subtree_control);
        }
        if let Some(kind) = row.kind {
            let _ = write!(line, "  {kind}");
        }
        if row.frozen {
            line.push_str("  frozen");
        }
        if let Some(owner) = row.owner {
            let _ = write!(line, "  of uid {}", owner.0);
        }
        if row.dying_below > 0 {
            let _ = write!(line, "  {} dying below", row.dying_below);
        }
        if row.tasks > 0 {
            let names: Vec<String> = row.members.iter().map(|task| name_of(self, *task)).collect();
            let more = row.tasks as usize - row.members.len();
            let more = if more > 0 { format!(" and {more} more") } else { String::new() };
            let _ = write!(line, "  [{}{more}]", names.join(", "));
        }
        line
    }
}
