//! Calls on namespaces and their contents.

pub mod setns;
pub mod unshare;
pub mod uts;

use super::SyscallInfo;

/// The records of the calls in this folder.
pub const RECORDS: &[&SyscallInfo] =
    &[&setns::SETNS, &unshare::UNSHARE, &uts::SETDOMAINNAME, &uts::SETHOSTNAME, &uts::UNAME];
