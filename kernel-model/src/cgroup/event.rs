//! What can be seen to happen to control groups. Sentences are in `projection::explain_cgroup`.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::CgroupId;
use super::controller::ControllerSet;
use super::hierarchy::HierarchyId;
use crate::task::TaskId;

/// Something that happened to a group, a hierarchy or because of one.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
#[allow(missing_docs)] // the fields are the nouns of each variant's sentence
pub enum CgroupEvent {
    /// A hierarchy was made by mounting it.
    HierarchyCreated { hierarchy: HierarchyId, controllers: ControllerSet },
    /// A hierarchy ended; its controllers are back in the default one.
    HierarchyRemoved { hierarchy: HierarchyId, controllers: ControllerSet },
    /// A group was made.
    Created { group: CgroupId },
    /// A group was removed; something may still refer to it.
    Removed { group: CgroupId, path: Arc<str>, dying: bool },
    /// Nothing refers to a removed group any more.
    Released { path: Arc<str> },
    /// A group got another name.
    Renamed { group: CgroupId, old: Arc<str> },
    /// A task was moved.
    Attached { task: TaskId, from: CgroupId, to: CgroupId },
    /// The first task came in, or the last one left.
    PopulatedChanged { group: CgroupId, populated: bool },
    /// Controllers were switched on or off for the children of a group.
    ControllersChanged { group: CgroupId, enabled: ControllerSet, disabled: ControllerSet },
    /// A group became threaded.
    BecameThreaded { group: CgroupId },
    /// A file of a group was written.
    FileWritten { group: CgroupId, file: Arc<str>, text: Arc<str> },
    /// All tasks of a group have stopped, or go on.
    FrozenChanged { group: CgroupId, frozen: bool },
    /// Everybody in a group and below was killed through `cgroup.kill`.
    Killed { group: CgroupId, tasks: u32 },
    /// `pids.max` refused a fork.
    PidsLimitHit { group: CgroupId, limit: u64, current: u64 },
    /// The devices controller refused access to a device.
    DeviceDenied { group: CgroupId, device: Arc<str>, access: Arc<str> },
    /// The kernel starts the release agent for a group that has become empty.
    ReleaseAgentStarted { group: CgroupId, agent: Arc<str>, path: Arc<str> },
}
