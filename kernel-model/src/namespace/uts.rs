//! UTS namespaces: host name and domain name, as in uts_namespaces(7).

use serde::{Deserialize, Serialize};

use super::NsCommon;
use crate::id;

id! {
    /// A UTS namespace.
    UtsNsId
}

/// The longest name, in bytes (`__NEW_UTS_LEN`).
pub const UTS_LEN: usize = 64;

/// A UTS namespace.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct UtsNamespace {
    /// Inode number, owner, references.
    pub ns: NsCommon,
    /// The host name.
    pub nodename: String,
    /// The NIS domain name.
    pub domainname: String,
}

/// What `uname -r` says: the kernel after which this one is modelled.
pub const KERNEL_RELEASE: &str = "6.18.0-ringside";
/// What `uname -v` says.
pub const KERNEL_VERSION: &str = "#1 SMP PREEMPT_DYNAMIC Ringside";
