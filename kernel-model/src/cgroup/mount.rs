//! Mounting hierarchies: the options of `mount -t cgroup` and `mount -t cgroup2`, which hierarchy they mean, and
//! what remounting changes.

use serde::{Deserialize, Serialize};

use super::Version;
use super::controller::{ControllerId, ControllerSet};
use super::hierarchy::{DEFAULT_HIERARCHY, HierarchyId};
use crate::errno::Errno;
use crate::kernel::Kernel;
use crate::namespace::cgroup::CgroupNsId;
use crate::security::capability::Cap;
use crate::task::TaskId;
use crate::vfs::Node;
use crate::vfs::fs::cgroupfs::CgroupNode;
use crate::vfs::fs::{FsKind, SuperId};
use crate::world::World;

/// The longest name of a hierarchy, its NUL included (`MAX_CGROUP_ROOT_NAMELEN`).
const MAX_NAME: usize = 64;

/// Flags of a v1 mount that mountinfo shows, in its order.
const V1_FLAGS: [&str; 4] = ["noprefix", "xattr", "cpuset_v2_mode", "favordynmods"];

/// Flags of a v2 mount that mountinfo shows, in its order.
const V2_FLAGS: [&str; 6] = [
    "nsdelegate",
    "favordynmods",
    "memory_localevents",
    "memory_recursiveprot",
    "memory_hugetlb_accounting",
    "pids_localevents",
];

/// The options of `mount -t cgroup` (`struct cgroup_fs_context`).
#[derive(Clone, PartialEq, Debug, Default, Serialize, Deserialize)]
pub struct V1Params {
    /// Controllers by name.
    pub controllers: ControllerSet,
    /// `all`.
    pub all: bool,
    /// `none`.
    pub none: bool,
    /// `name=`.
    pub name: Option<String>,
    /// `release_agent=`.
    pub release_agent: Option<String>,
    /// `clone_children`.
    pub clone_children: bool,
    /// The other flags.
    pub flags: Vec<String>,
}

impl V1Params {
    /// In the order in which mountinfo shows them.
    fn flags(&self) -> Vec<String> {
        V1_FLAGS.iter().filter(|f| self.flags.iter().any(|g| g == *f)).map(|f| (*f).to_owned()).collect()
    }
}

impl Kernel<'_> {
    /// One option of a v1 mount (`cgroup1_parse_param`). Whether there is one of this name.
    ///
    /// # Errors
    /// EINVAL for a second name or agent, an unsound name, an agent named by somebody without all power, a
    /// controller that cannot be used.
    pub(crate) fn cgroup1_param(
        &mut self,
        task: TaskId,
        params: &mut V1Params,
        key: &str,
        value: Option<&str>,
    ) -> Result<bool, Errno> {
        match (key, value) {
            ("none", None) => params.none = true,
            ("all", None) => params.all = true,
            ("clone_children", None) => params.clone_children = true,
            ("nofavordynmods", None) => params.flags.retain(|f| f != "favordynmods"),
            (flag, None) if V1_FLAGS.contains(&flag) => params.flags.push(flag.to_owned()),
            ("name", Some(name)) => {
                let sound = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-');
                if name.is_empty() || name.len() >= MAX_NAME || !name.chars().all(sound) || params.name.is_some() {
                    return Err(Errno::EINVAL);
                }
                params.name = Some(name.to_owned());
            }
            ("release_agent", Some(agent)) => {
                let first = self.first_user_ns();
                let allowed = self.tasks[task].cred.user_ns == first && self.capable(task, Cap::SYS_ADMIN);
                if params.release_agent.is_some() || !allowed {
                    return Err(Errno::EINVAL);
                }
                params.release_agent = Some(agent.to_owned());
            }
            ("name" | "release_agent", None) => return Err(Errno::EINVAL),
            _ => return self.controller_param(params, key),
        }
        Ok(true)
    }

    fn controller_param(&self, params: &mut V1Params, key: &str) -> Result<bool, Errno> {
        let Some(controller) = self.cgroups.compiled_in.iter().find(|c| c.legacy_name() == key) else {
            return Ok(false);
        };
        if self.cgroups.no_v1.has(controller) {
            return Err(Errno::EINVAL);
        }
        params.controllers |= ControllerSet::only(controller);
        Ok(true)
    }

    /// Whether the options go together; `all` becomes what it means (`check_cgroupfs_options`).
    fn check_v1_params(&self, params: &V1Params) -> Result<V1Params, Errno> {
        let mut params = params.clone();
        let enabled = self.cgroups.compiled_in - self.cgroups.no_v1;
        params.controllers = params.controllers & enabled;
        if params.controllers.is_empty() && !params.none && params.name.is_none() {
            params.all = true;
        }
        if params.all {
            if !params.controllers.is_empty() {
                return Err(Errno::EINVAL);
            }
            params.controllers = enabled;
        }
        let only_cpuset = (params.controllers - ControllerSet::only(ControllerId::Cpuset)).is_empty();
        let noprefix = params.flags.iter().any(|f| f == "noprefix");
        if (params.controllers.is_empty() && params.name.is_none())
            || (noprefix && !only_cpuset)
            || (!params.controllers.is_empty() && params.none)
        {
            return Err(Errno::EINVAL);
        }
        Ok(params)
    }

    /// The hierarchy that these options mean, made when there is none (`cgroup1_root_to_use`).
    ///
    /// # Errors
    /// EBUSY for a name with other controllers than it has, and for controllers that are in use; EINVAL for a name
    /// alone that is not known; EPERM for a new hierarchy outside the first cgroup namespace.
    pub(crate) fn cgroup1_root_to_use(&mut self, params: &V1Params, ns: CgroupNsId) -> Result<HierarchyId, Errno> {
        let params = self.check_v1_params(params)?;
        let mut known: Vec<HierarchyId> = self.cgroups.hierarchies.ids().filter(|h| *h != DEFAULT_HIERARCHY).collect();
        known.reverse();
        for id in known {
            let h = &self.cgroups.hierarchies[id];
            let name_matches = params.name.as_ref().is_some_and(|name| *name == h.name);
            if params.name.is_some() && !name_matches {
                continue;
            }
            if (!params.controllers.is_empty() || params.none) && params.controllers != h.controllers {
                if !name_matches {
                    continue;
                }
                return Err(Errno::EBUSY);
            }
            return Ok(id);
        }
        if params.controllers.is_empty() && !params.none {
            return Err(Errno::EINVAL);
        }
        if Some(ns) != self.cgroup_namespaces.ids().next() {
            return Err(Errno::EPERM);
        }
        let flags = params.flags();
        let id = self.create_hierarchy(params.name.unwrap_or_default(), params.controllers, flags)?;
        let root = self.cgroups.hierarchies[id].root;
        self.cgroups.groups[root].clone_children = params.clone_children;
        self.cgroups.hierarchies[id].release_agent = params.release_agent.unwrap_or_default();
        Ok(id)
    }

    /// A remount (`cgroup1_reconfigure`): controllers come and go as long as there are no groups.
    ///
    /// # Errors
    /// EINVAL for another name or flag; EBUSY with groups, or for controllers that are in use.
    pub(crate) fn cgroup1_reconfigure(&mut self, id: HierarchyId, params: &V1Params) -> Result<(), Errno> {
        let params = self.check_v1_params(params)?;
        let h = &self.cgroups.hierarchies[id];
        let (root, controllers) = (h.root, h.controllers);
        if params.flags() != h.flags || params.name.as_ref().is_some_and(|name| *name != h.name) {
            return Err(Errno::EINVAL);
        }
        if !self.cgroup(root).children.is_empty() {
            return Err(Errno::EBUSY);
        }
        let added = params.controllers - controllers;
        self.check_rebinding(added)?;
        self.rebind_controllers(id, added);
        self.rebind_controllers(DEFAULT_HIERARCHY, controllers - params.controllers);
        if let Some(agent) = params.release_agent {
            self.cgroups.hierarchies[id].release_agent = agent;
        }
        Ok(())
    }

    /// The flags of a v2 mount hold for the hierarchy; they only count in the first cgroup namespace
    /// (`apply_cgroup_root_flags`).
    pub(crate) fn apply_cgroup2_flags(&mut self, flags: &[String], ns: CgroupNsId) {
        self.cgroups.hierarchies[DEFAULT_HIERARCHY].visible = true;
        if Some(ns) == self.cgroup_namespaces.ids().next() {
            let kept = V2_FLAGS.iter().filter(|f| flags.iter().any(|g| g == *f));
            self.cgroups.hierarchies[DEFAULT_HIERARCHY].flags = kept.map(|f| (*f).to_owned()).collect();
        }
    }
}

impl World {
    /// What a new mount of a file system shows as its root: for control groups the root of the namespace of
    /// `task`.
    pub(crate) fn root_for_mount(&self, task: TaskId, sb: SuperId) -> Node {
        match self.vfs.supers[sb].kind {
            FsKind::Cgroup(h) | FsKind::Cgroup2(h) => {
                Node::Cgroup(CgroupNode::Dir(self.cgroup_ns_root(self.tasks[task].nsproxy.cgroup, h)))
            }
            _ => self.vfs.supers[sb].root,
        }
    }

    /// What mountinfo shows of a hierarchy after `rw` or `ro` (`cgroup1_show_options`, `cgroup_show_options`).
    pub(crate) fn cgroup_mount_options(&self, id: HierarchyId) -> Vec<String> {
        let h = &self.cgroups.hierarchies[id];
        if h.version == Version::V2 {
            return h.flags.clone();
        }
        let mut options: Vec<String> = h.controllers.iter().map(|c| c.legacy_name().to_owned()).collect();
        options.extend(h.flags.iter().cloned());
        if !h.release_agent.is_empty() {
            options.push(format!("release_agent={}", h.release_agent));
        }
        if self.cgroup(h.root).clone_children {
            options.push("clone_children".to_owned());
        }
        if !h.name.is_empty() {
            options.push(format!("name={}", h.name));
        }
        options
    }
}
