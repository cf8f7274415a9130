//! IPC namespaces, as in ipc_namespaces(7). So far they exist as a kind: they are made, joined, owned and
//! counted; their queues come with the IPC model.

use serde::{Deserialize, Serialize};

use super::NsCommon;
use crate::id;

id! {
    /// An IPC namespace.
    IpcNsId
}

/// An IPC namespace.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct IpcNamespace {
    /// Inode number, owner, references.
    pub ns: NsCommon,
}
