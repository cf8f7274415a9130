//! Cgroup namespaces, as in cgroup_namespaces(7). So far they exist as a kind: they are made, joined, owned
//! and counted; the groups that they show come with the cgroup model.

use serde::{Deserialize, Serialize};

use super::NsCommon;
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
}
