//! Cgroup namespaces, as in cgroup_namespaces(7): where the roots of the trees of groups seem to be. Who makes one
//! sees the groups that it is in at that moment as the roots, for ever.

use serde::{Deserialize, Serialize};

use super::NsCommon;
use crate::cgroup::css_set::CssSetId;
use crate::id;

id! {
    /// A cgroup namespace.
    CgroupNsId
}

/// A cgroup namespace.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct CgroupNamespace {
    /// Inode number, owner, references.
    pub ns: NsCommon,
    /// The groups that are its roots: those of its maker when it was made.
    pub root_set: CssSetId,
}
