//! Group ids: getgid(2), setgid(2), setregid(2), setresgid(2), setfsgid(2) and their relatives, as in
//! `kernel/sys.c`. Unlike user ids they never touch capabilities.

use std::sync::Arc;

use crate::errno::Errno;
use crate::kernel::Kernel;
use crate::security::capability::Cap;
use crate::security::credentials::{Cred, Kgid};
use crate::syscall::{Arg, Args, Ret, Support, SysResult, SyscallInfo, Sysno, Value};
use crate::task::TaskId;

const UNMAPPED: (Errno, &str) = (Errno::EINVAL, "an id has no mapping in the user namespace of the caller");

/// getgid(2): the real group id.
pub const GETGID: SyscallInfo = SyscallInfo {
    nr: Sysno::GETGID,
    man: "getgid(2)",
    args: &[],
    errno: &[],
    support: Support::Full,
    run: |k, caller, _| Ok(Ret::new(shown(k, caller, |c| c.gid))),
};

/// getegid(2): the effective group id.
pub const GETEGID: SyscallInfo = SyscallInfo {
    nr: Sysno::GETEGID,
    man: "getegid(2)",
    args: &[],
    errno: &[],
    support: Support::Full,
    run: |k, caller, _| Ok(Ret::new(shown(k, caller, |c| c.egid))),
};

/// getresgid(2): real, effective and saved group id.
pub const GETRESGID: SyscallInfo = SyscallInfo {
    nr: Sysno::GETRESGID,
    man: "getresgid(2)",
    args: &[Arg::Data("rgid"), Arg::Data("egid"), Arg::Data("sgid")],
    errno: &[],
    support: Support::Full,
    run: |k, caller, _| {
        let id = |of: fn(&Cred) -> Kgid| Value::Int(shown(k, caller, of));
        Ok(Ret::new(0).with(0, id(|c| c.gid)).with(1, id(|c| c.egid)).with(2, id(|c| c.sgid)))
    },
};

/// setgid(2): with `CAP_SETGID` all ids, without it only the effective one.
pub const SETGID: SyscallInfo = SyscallInfo {
    nr: Sysno::SETGID,
    man: "setgid(2)",
    args: &[Arg::Uid("gid")],
    errno: &[UNMAPPED, (Errno::EPERM, "no CAP_SETGID, and the id is neither the real nor the saved one")],
    support: Support::Full,
    run: setgid,
};

/// setregid(2): real and effective group id; -1 leaves one as it is.
pub const SETREGID: SyscallInfo = SyscallInfo {
    nr: Sysno::SETREGID,
    man: "setregid(2)",
    args: &[Arg::Uid("rgid"), Arg::Uid("egid")],
    errno: &[UNMAPPED, (Errno::EPERM, "no CAP_SETGID, and an id is not among those the caller has")],
    support: Support::Full,
    run: setregid,
};

/// setresgid(2): real, effective and saved group id; -1 leaves one as it is.
pub const SETRESGID: SyscallInfo = SyscallInfo {
    nr: Sysno::SETRESGID,
    man: "setresgid(2)",
    args: &[Arg::Uid("rgid"), Arg::Uid("egid"), Arg::Uid("sgid")],
    errno: &[UNMAPPED, (Errno::EPERM, "no CAP_SETGID, and an id is not among those the caller has")],
    support: Support::Full,
    run: setresgid,
};

/// setfsgid(2): the group id for file access. Never fails; it returns the one from before.
pub const SETFSGID: SyscallInfo = SyscallInfo {
    nr: Sysno::SETFSGID,
    man: "setfsgid(2)",
    args: &[Arg::Uid("fsgid")],
    errno: &[],
    support: Support::Full,
    run: setfsgid,
};

fn shown(k: &Kernel<'_>, caller: TaskId, of: impl Fn(&Cred) -> Kgid) -> i64 {
    let cred = &k.tasks[caller].cred;
    i64::from(k.user_namespaces[cred.user_ns].gid(of(cred)))
}

/// The kernel's id of an argument; `None` for -1, which means "leave".
fn kgid(k: &Kernel<'_>, cred: &Cred, args: Args<'_>, i: usize) -> Result<Option<Kgid>, Errno> {
    match args.int32(i)? as u32 {
        u32::MAX => Ok(None),
        id => k.user_namespaces[cred.user_ns].kgid(id).map(Some).ok_or(Errno::EINVAL),
    }
}

fn setgid(k: &mut Kernel<'_>, caller: TaskId, args: Args<'_>) -> SysResult {
    let old = Arc::clone(&k.tasks[caller].cred);
    let kgid = kgid(k, &old, args, 0)?.ok_or(Errno::EINVAL)?;
    let mut new = Cred::clone(&old);
    if k.capable_in(caller, old.user_ns, Cap::SETGID) {
        new.gid = kgid;
        new.sgid = kgid;
    } else if kgid != old.gid && kgid != old.sgid {
        return Err(Errno::EPERM.into());
    }
    new.egid = kgid;
    new.fsgid = kgid;
    k.commit_creds(caller, new);
    Ok(Ret::new(0))
}

fn setregid(k: &mut Kernel<'_>, caller: TaskId, args: Args<'_>) -> SysResult {
    let old = Arc::clone(&k.tasks[caller].cred);
    let (rgid, egid) = (kgid(k, &old, args, 0)?, kgid(k, &old, args, 1)?);
    let mut new = Cred::clone(&old);
    if let Some(rgid) = rgid {
        if ![old.gid, old.egid].contains(&rgid) && !k.capable_in(caller, old.user_ns, Cap::SETGID) {
            return Err(Errno::EPERM.into());
        }
        new.gid = rgid;
    }
    if let Some(egid) = egid {
        if ![old.gid, old.egid, old.sgid].contains(&egid) && !k.capable_in(caller, old.user_ns, Cap::SETGID) {
            return Err(Errno::EPERM.into());
        }
        new.egid = egid;
    }
    if rgid.is_some() || egid.is_some_and(|e| e != old.gid) {
        new.sgid = new.egid;
    }
    new.fsgid = new.egid;
    k.commit_creds(caller, new);
    Ok(Ret::new(0))
}

fn setresgid(k: &mut Kernel<'_>, caller: TaskId, args: Args<'_>) -> SysResult {
    let old = Arc::clone(&k.tasks[caller].cred);
    let ids = [kgid(k, &old, args, 0)?, kgid(k, &old, args, 1)?, kgid(k, &old, args, 2)?];
    let [rgid, egid, sgid] = ids;
    let is_new = |id: &Kgid| ![old.gid, old.egid, old.sgid].contains(id);
    if ids.iter().flatten().any(is_new) && !k.capable_in(caller, old.user_ns, Cap::SETGID) {
        return Err(Errno::EPERM.into());
    }
    let mut new = Cred::clone(&old);
    new.gid = rgid.unwrap_or(old.gid);
    new.egid = egid.unwrap_or(old.egid);
    new.sgid = sgid.unwrap_or(old.sgid);
    new.fsgid = new.egid;
    k.commit_creds(caller, new);
    Ok(Ret::new(0))
}

fn setfsgid(k: &mut Kernel<'_>, caller: TaskId, args: Args<'_>) -> SysResult {
    let old = Arc::clone(&k.tasks[caller].cred);
    let before = Ret::new(shown(k, caller, |c| c.fsgid));
    let Ok(Some(kgid)) = kgid(k, &old, args, 0) else { return Ok(before) };
    let allowed =
        [old.gid, old.egid, old.sgid, old.fsgid].contains(&kgid) || k.capable_in(caller, old.user_ns, Cap::SETGID);
    if allowed && kgid != old.fsgid {
        k.commit_creds(caller, Cred { fsgid: kgid, ..Cred::clone(&old) });
    }
    Ok(before)
}
