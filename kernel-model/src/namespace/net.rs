//! Network namespaces, as in network_namespaces(7). So far they exist as a kind: they are made, joined,
//! owned and counted; their devices come with the network model.

use serde::{Deserialize, Serialize};

use super::NsCommon;
use crate::id;

id! {
    /// A network namespace.
    NetNsId
}

/// A network namespace.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct NetNamespace {
    /// Inode number, owner, references.
    pub ns: NsCommon,
}
