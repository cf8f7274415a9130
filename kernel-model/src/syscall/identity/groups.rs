//! getgroups(2) and setgroups(2): supplementary groups.

use std::sync::Arc;

use crate::errno::Errno;
use crate::kernel::Kernel;
use crate::security::capability::Cap;
use crate::security::credentials::Cred;
use crate::syscall::{Arg, Args, Ret, Support, SysResult, SyscallInfo, Sysno, Value};
use crate::task::TaskId;

/// How many supplementary groups there may be (`NGROUPS_MAX`).
const NGROUPS_MAX: usize = 65_536;

/// getgroups(2): with size 0 only how many there are.
pub const GETGROUPS: SyscallInfo = SyscallInfo {
    nr: Sysno::GETGROUPS,
    man: "getgroups(2)",
    args: &[Arg::Int("size"), Arg::Data("list")],
    errno: &[(Errno::EINVAL, "size is negative, or above 0 and less than the number of groups")],
    support: Support::Full,
    run: getgroups,
};

/// setgroups(2).
pub const SETGROUPS: SyscallInfo = SyscallInfo {
    nr: Sysno::SETGROUPS,
    man: "setgroups(2)",
    args: &[Arg::Int("size"), Arg::Data("list")],
    errno: &[
        (Errno::EPERM, "no CAP_SETGID, gid_map is not written yet, or /proc/PID/setgroups says deny"),
        (Errno::EINVAL, "more than 65536 groups, or a gid has no mapping in the user namespace"),
        (Errno::EFAULT, "list does not hold size numbers"),
    ],
    support: Support::Full,
    run: setgroups,
};

fn getgroups(k: &mut Kernel<'_>, caller: TaskId, args: Args<'_>) -> SysResult {
    let size = args.int32(0)?;
    let cred = &k.tasks[caller].cred;
    let count = cred.groups.len();
    let room = usize::try_from(size).map_err(|_| Errno::EINVAL)?;
    if room == 0 {
        return Ok(Ret::new(count as i64));
    }
    if count > room {
        return Err(Errno::EINVAL.into());
    }
    let ns = &k.user_namespaces[cred.user_ns];
    let list = cred.groups.iter().map(|g| Value::from(ns.gid(*g))).collect();
    Ok(Ret::new(count as i64).with(1, Value::List(list)))
}

fn setgroups(k: &mut Kernel<'_>, caller: TaskId, args: Args<'_>) -> SysResult {
    let old = Arc::clone(&k.tasks[caller].cred);
    let ns = &k.user_namespaces[old.user_ns];
    let allowed_here = ns.setgroups_allowed && !ns.gid_map.extents.is_empty();
    if !k.capable_in(caller, old.user_ns, Cap::SETGID) || !allowed_here {
        return Err(Errno::EPERM.into());
    }
    let size = usize::try_from(args.int32(0)? as u32).unwrap_or(usize::MAX);
    if size > NGROUPS_MAX {
        return Err(Errno::EINVAL.into());
    }
    let list = args.list(1)?.get(..size).ok_or(Errno::EFAULT)?;
    let mut groups = Vec::with_capacity(size);
    for value in list {
        let gid = value.as_int().ok_or(Errno::EFAULT)? as u32;
        groups.push(k.user_namespaces[old.user_ns].kgid(gid).ok_or(Errno::EINVAL)?);
    }
    groups.sort_unstable();
    k.commit_creds(caller, Cred { groups, ..Cred::clone(&old) });
    Ok(Ret::new(0))
}
