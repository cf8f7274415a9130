//! The mounts that a task sees: the rows behind `/proc/PID/mountinfo`, `/proc/PID/mounts` and
//! `/proc/PID/mountstats`, and their text (`fs/proc_namespace.c`).

use std::fmt::Write;

use crate::namespace::mnt::MntNsId;
use crate::task::TaskId;

use crate::vfs::Node;
use crate::vfs::fs::FsKind;
use crate::vfs::mount::{Mount, MountFlags, MountId};
use crate::vfs::path::{Reach, VfsPath};
use crate::world::World;

/// One mount as a task sees it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct MountRow {
    /// The mount.
    pub mount: MountId,
    /// Its number.
    pub number: u32,
    /// The number of its parent; its own at the bottom.
    pub parent: u32,
    /// Major and minor number of the file system.
    pub dev: (u32, u32),
    /// The part of the file system that it shows.
    pub root: String,
    /// Where it is.
    pub mount_point: String,
    /// Its own options, `rw` or `ro` first.
    pub options: Vec<String>,
    /// `shared:N`, `master:N`, `propagate_from:N`, `unbindable`.
    pub tags: Vec<String>,
    /// The type of the file system.
    pub fs_type: String,
    /// What it was mounted from.
    pub source: String,
    /// Options of the file system, `rw` or `ro` first.
    pub super_options: Vec<String>,
    /// The file system is read-only as a whole.
    pub super_read_only: bool,
}

impl World {
    /// The mounts of a task's namespace that lie under its root, oldest first. Empty when it has exited.
    pub fn mount_table(&self, task: TaskId) -> Vec<MountRow> {
        let Some(root) = self.fs_root_of(task) else { return Vec::new() };
        let ns = self.tasks[task].nsproxy.mnt;
        self.mnt_namespaces[ns].mounts.iter().filter_map(|mnt| self.mount_row(task, *mnt, ns, root)).collect()
    }

    fn mount_row(&self, task: TaskId, mnt: MountId, ns: MntNsId, root: VfsPath) -> Option<MountRow> {
        let mount = &self.vfs.mounts[mnt];
        let sb = &self.vfs.supers[mount.sb];
        let (mount_point, Reach::Root) = self.path_from(self.mount_root(mnt), root) else { return None };
        let parent = mount.parent().map_or(mount, |parent| &self.vfs.mounts[parent]);
        let mut super_options = vec![rw(sb.read_only).to_owned()];
        match sb.kind {
            FsKind::Cgroup(h) | FsKind::Cgroup2(h) => super_options.extend(self.cgroup_mount_options(h)),
            _ => super_options.extend(sb.options.iter().cloned()),
        }
        Some(MountRow {
            mount: mnt,
            number: mount.number,
            parent: parent.number,
            dev: sb.dev,
            root: match mount.root {
                Node::Cgroup(node) => self.cgroup_mount_root(node, task),
                node => self.dentry_path(mount.sb, node),
            },
            mount_point,
            options: options(mount),
            tags: self.propagation_tags(mount, ns, root),
            fs_type: sb.kind.name().to_owned(),
            source: mount.source.clone(),
            super_options,
            super_read_only: sb.read_only,
        })
    }

    fn propagation_tags(&self, mount: &Mount, ns: MntNsId, root: VfsPath) -> Vec<String> {
        let mut tags = Vec::new();
        if let Some(group) = mount.propagation.shared {
            tags.push(format!("shared:{group}"));
        }
        if let Some(master) = mount.propagation.master {
            tags.push(format!("master:{master}"));
            if let Some(group) = self.dominating_group(master, ns, root)
                && group != master
            {
                tags.push(format!("propagate_from:{group}"));
            }
        }
        if mount.propagation.unbindable {
            tags.push("unbindable".to_owned());
        }
        tags
    }

    /// The nearest group up the chain of masters that has a member under the same root (`get_dominating_id`).
    fn dominating_group(&self, master: u32, ns: MntNsId, root: VfsPath) -> Option<u32> {
        let mut group = master;
        loop {
            let peers = self.peers(group);
            let seen = |peer: &MountId| {
                self.vfs.mounts[*peer].ns == Some(ns) && self.is_path_reachable(self.mount_root(*peer), root)
            };
            if peers.iter().any(seen) {
                return Some(group);
            }
            group = peers.first().and_then(|peer| self.vfs.mounts[*peer].propagation.master)?;
        }
    }

    /// `/proc/PID/mountinfo`.
    pub fn mountinfo_text(&self, task: TaskId) -> String {
        let mut text = String::new();
        for row in self.mount_table(task) {
            let (major, minor) = row.dev;
            let tags: String = row.tags.iter().map(|tag| format!(" {tag}")).collect();
            // Writing to a string cannot fail.
            let _ = writeln!(
                text,
                "{} {} {major}:{minor} {} {} {}{tags} - {} {} {}",
                row.number,
                row.parent,
                escape(&row.root),
                escape(&row.mount_point),
                row.options.join(","),
                row.fs_type,
                escape_source(&row.source),
                row.super_options.join(","),
            );
        }
        text
    }

    /// `/proc/PID/mounts`, which is also `/etc/mtab`.
    pub fn mounts_text(&self, task: TaskId) -> String {
        let mut text = String::new();
        for row in self.mount_table(task) {
            let read_only = row.super_read_only || row.options.first().is_some_and(|o| o == "ro");
            let mut options = vec![rw(read_only)];
            options.extend(row.options.iter().skip(1).chain(row.super_options.iter().skip(1)).map(String::as_str));
            let _ = writeln!(
                text,
                "{} {} {} {} 0 0",
                escape_source(&row.source),
                escape(&row.mount_point),
                row.fs_type,
                options.join(","),
            );
        }
        text
    }

    /// `/proc/PID/mountstats`.
    pub fn mountstats_text(&self, task: TaskId) -> String {
        let mut text = String::new();
        for row in self.mount_table(task) {
            let _ = writeln!(
                text,
                "device {} mounted on {} with fstype {}",
                escape_source(&row.source),
                escape(&row.mount_point),
                row.fs_type
            );
        }
        text
    }
}

fn rw(read_only: bool) -> &'static str {
    if read_only { "ro" } else { "rw" }
}

/// The options of a mount in the kernel's order (`show_mnt_opts`).
fn options(mount: &Mount) -> Vec<String> {
    const NAMES: [(MountFlags, &str); 7] = [
        (MountFlags::NOSUID, "nosuid"),
        (MountFlags::NODEV, "nodev"),
        (MountFlags::NOEXEC, "noexec"),
        (MountFlags::NOATIME, "noatime"),
        (MountFlags::NODIRATIME, "nodiratime"),
        (MountFlags::RELATIME, "relatime"),
        (MountFlags::NOSYMFOLLOW, "nosymfollow"),
    ];
    let set = NAMES.iter().filter(|(flag, _)| mount.flags.contains(*flag)).map(|(_, name)| (*name).to_owned());
    std::iter::once(rw(mount.flags.contains(MountFlags::RDONLY)).to_owned()).chain(set).collect()
}

/// Blanks and backslashes as octal numbers, so that a line stays a line (`mangle_path`).
fn escape(text: &str) -> String {
    escape_these(text, " \t\n\\")
}

fn escape_source(text: &str) -> String {
    escape_these(text, " \t\n\\#")
}

fn escape_these(text: &str, these: &str) -> String {
    let mut escaped = String::new();
    for c in text.chars() {
        if these.contains(c) {
            let _ = write!(escaped, "\\{:03o}", u32::from(c));
        } else {
            escaped.push(c);
        }
    }
    escaped
}
