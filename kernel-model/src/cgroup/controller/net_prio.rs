//! The net_prio controller of version 1: the priority of what members of a group send, by interface, as in
//! `net/core/netprio_cgroup.c`. `net_prio.ifpriomap` is not modelled yet.

use serde::{Deserialize, Serialize};

use super::{Controller, ControllerId};
use crate::cgroup::file::CgroupFile;

/// What the controller keeps of a group.
#[derive(Clone, PartialEq, Debug, Default, Serialize, Deserialize)]
pub struct NetPrioCgroup {
    /// `net_prio.prioidx`: the number of the group inside the kernel.
    pub index: u64,
}

/// The controller.
pub static NET_PRIO: Controller = Controller {
    in_v2: false,
    v1_files: &[CgroupFile::ro("net_prio.prioidx", |w, at| {
        Ok(format!("{}\n", w.cgroup(at.group).css.net_prio.as_ref().map_or(0, |n| n.index)))
    })],
    css_alloc: |w, group| {
        let taken =
            |n: &u64| w.cgroups.groups.iter().any(|(_, g)| g.css.net_prio.as_ref().is_some_and(|p| p.index == *n));
        let index = (1..).find(|n| !taken(n)).unwrap_or(1);
        w.cgroups.groups[group].css.net_prio = Some(NetPrioCgroup { index });
    },
    ..Controller::new(ControllerId::NetPrio, "net_prio")
};
