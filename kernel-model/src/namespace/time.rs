//! Time namespaces, as in time_namespaces(7): offsets to the monotonic and the boot-time clock.

use serde::{Deserialize, Serialize};

use super::NsCommon;
use crate::id;

id! {
    /// A time namespace.
    TimeNsId
}

/// A time namespace.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct TimeNamespace {
    /// Inode number, owner, references.
    pub ns: NsCommon,
    /// Offset of CLOCK_MONOTONIC: seconds and nanoseconds.
    pub monotonic: (i64, i64),
    /// Offset of CLOCK_BOOTTIME: seconds and nanoseconds.
    pub boottime: (i64, i64),
    /// Whether a task has entered it: then the offsets are fixed.
    pub frozen_offsets: bool,
}
