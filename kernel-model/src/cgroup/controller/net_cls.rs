//! The net_cls controller of version 1: marks what members of a group send with a class, `0xAAAABBBB` for the
//! class A:B of tc(8), as in `net/core/netclassid_cgroup.c`. Nothing here looks at the mark.

use serde::{Deserialize, Serialize};

use super::{Controller, ControllerId};
use crate::cgroup::file::{CgroupFile, Write};

/// What the controller keeps of a group.
#[derive(Clone, PartialEq, Debug, Default, Serialize, Deserialize)]
pub struct NetClsCgroup {
    /// `net_cls.classid`.
    pub classid: u32,
}

/// The controller.
pub static NET_CLS: Controller = Controller {
    in_v2: false,
    v1_files: &[CgroupFile::rw(
        "net_cls.classid",
        |w, at| Ok(format!("{}\n", w.cgroup(at.group).css.net_cls.as_ref().map_or(0, |n| n.classid))),
        // Only 32 bits of what is written count.
        Write::U64(|k, at, value| {
            k.cgroups.groups[at.group].css.net_cls = Some(NetClsCgroup { classid: value as u32 });
            Ok(())
        }),
    )],
    css_alloc: |w, group| {
        let above = w.cgroup(group).parent.and_then(|parent| w.cgroup(parent).css.net_cls.clone());
        w.cgroups.groups[group].css.net_cls = Some(above.unwrap_or_default());
    },
    ..Controller::new(ControllerId::NetCls, "net_cls")
};
