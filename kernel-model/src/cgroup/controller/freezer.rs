//! The freezer of version 1, as in `kernel/cgroup/legacy_freezer.c`: tasks of a frozen group stand still in state D
//! and hear of no signal, not even SIGKILL, until the group is thawed or they are moved out.

use serde::{Deserialize, Serialize};

use super::{Controller, ControllerId};
use crate::cgroup::event::CgroupEvent;
use crate::cgroup::file::{At, CgroupFile, FileFlags, Write};
use crate::cgroup::migrate::Migration;
use crate::cgroup::{CgroupId, Version};
use crate::errno::Errno;
use crate::event::EventKind;
use crate::kernel::Kernel;
use crate::task::TaskId;
use crate::world::World;

/// What the controller keeps of a group.
#[derive(Clone, PartialEq, Debug, Default, Serialize, Deserialize)]
pub struct FreezerCgroup {
    /// FROZEN was written to its own `freezer.state`.
    pub self_freezing: bool,
}

/// The controller.
pub static FREEZER: Controller = Controller {
    in_v2: false,
    v1_files: FILES,
    css_alloc: |w, group| w.cgroups.groups[group].css.freezer = Some(FreezerCgroup::default()),
    attach,
    fork,
    ..Controller::new(ControllerId::Freezer, "freezer")
};

const FILES: &[CgroupFile] = &[
    CgroupFile::rw("freezer.state", state, Write::Text(write_state)).flags(FileFlags::NOT_ON_ROOT),
    CgroupFile::ro("freezer.self_freezing", |w, at| Ok(format!("{}\n", u8::from(is_self_freezing(w, at.group)))))
        .flags(FileFlags::NOT_ON_ROOT),
    CgroupFile::ro("freezer.parent_freezing", |w, at| Ok(format!("{}\n", u8::from(is_parent_freezing(w, at.group)))))
        .flags(FileFlags::NOT_ON_ROOT),
];

fn is_self_freezing(w: &World, group: CgroupId) -> bool {
    w.cgroup(group).css.freezer.as_ref().is_some_and(|f| f.self_freezing)
}

fn is_parent_freezing(w: &World, group: CgroupId) -> bool {
    w.cgroup(group).parent.is_some_and(|parent| is_freezing(w, parent))
}

/// Whether a group is frozen, by itself or from above.
pub fn is_freezing(w: &World, group: CgroupId) -> bool {
    w.cgroup_ancestors(group).into_iter().any(|g| is_self_freezing(w, g))
}

/// Tasks stand still at once here, so that FREEZING is never seen.
fn state(w: &World, at: At) -> Result<String, Errno> {
    Ok(if is_freezing(w, at.group) { "FROZEN\n" } else { "THAWED\n" }.to_owned())
}

fn write_state(k: &mut Kernel<'_>, at: At, text: &str) -> Result<(), Errno> {
    let freeze = match text.trim() {
        "THAWED" => false,
        "FROZEN" => true,
        _ => return Err(Errno::EINVAL),
    };
    let subtree = k.cgroup_subtree(at.group);
    let before: Vec<bool> = subtree.iter().map(|g| is_freezing(k.world, *g)).collect();
    if let Some(f) = &mut k.world.cgroups.groups[at.group].css.freezer {
        f.self_freezing = freeze;
    }
    for (group, before) in subtree.into_iter().zip(before) {
        let frozen = is_freezing(k.world, group);
        for task in k.cgroup_tasks(group) {
            k.set_frozen(task, Version::V1, frozen);
        }
        if frozen != before {
            k.emit(EventKind::Cgroup(CgroupEvent::FrozenChanged { group, frozen }));
        }
    }
    Ok(())
}

/// Who is moved into a frozen group freezes, who is moved out of one thaws.
fn attach(k: &mut Kernel<'_>, migration: &Migration) {
    for moving in &migration.tasks {
        let frozen = is_freezing(k.world, moving.to);
        k.set_frozen(moving.task, Version::V1, frozen);
    }
}

/// Who is born into a frozen group is frozen.
fn fork(k: &mut Kernel<'_>, child: TaskId) {
    let group = k.css_of(child, ControllerId::Freezer);
    let frozen = is_freezing(k.world, group);
    k.set_frozen(child, Version::V1, frozen);
}
