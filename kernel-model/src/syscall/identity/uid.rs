//! User ids: getuid(2), setuid(2), setreuid(2), setresuid(2), setfsuid(2) and their relatives, as in
//! `kernel/sys.c`. Numbers are those of the caller's user namespace.

use std::sync::Arc;

use crate::errno::Errno;
use crate::kernel::Kernel;
use crate::security::capability::Cap;
use crate::security::credentials::{Cred, Kuid};
use crate::syscall::{Arg, Args, Ret, Support, SysResult, SyscallInfo, Sysno, Value};
use crate::task::TaskId;

const UNMAPPED: (Errno, &str) = (Errno::EINVAL, "an id has no mapping in the user namespace of the caller");

/// getuid(2): the real user id.
pub const GETUID: SyscallInfo = SyscallInfo {
    nr: Sysno::GETUID,
    man: "getuid(2)",
    args: &[],
    errno: &[],
    support: Support::Full,
    run: |k, caller, _| Ok(Ret::new(shown(k, caller, |c| c.uid))),
};

/// geteuid(2): the effective user id.
pub const GETEUID: SyscallInfo = SyscallInfo {
    nr: Sysno::GETEUID,
    man: "geteuid(2)",
    args: &[],
    errno: &[],
    support: Support::Full,
    run: |k, caller, _| Ok(Ret::new(shown(k, caller, |c| c.euid))),
};

/// getresuid(2): real, effective and saved user id.
pub const GETRESUID: SyscallInfo = SyscallInfo {
    nr: Sysno::GETRESUID,
    man: "getresuid(2)",
    args: &[Arg::Data("ruid"), Arg::Data("euid"), Arg::Data("suid")],
    errno: &[],
    support: Support::Full,
    run: |k, caller, _| {
        let id = |of: fn(&Cred) -> Kuid| Value::Int(shown(k, caller, of));
        Ok(Ret::new(0).with(0, id(|c| c.uid)).with(1, id(|c| c.euid)).with(2, id(|c| c.suid)))
    },
};

/// setuid(2): with `CAP_SETUID` all ids, without it only the effective one.
pub const SETUID: SyscallInfo = SyscallInfo {
    nr: Sysno::SETUID,
    man: "setuid(2)",
    args: &[Arg::Uid("uid")],
    errno: &[UNMAPPED, (Errno::EPERM, "no CAP_SETUID, and the id is neither the real nor the saved one")],
    support: Support::Full,
    run: setuid,
};

/// setreuid(2): real and effective user id; -1 leaves one as it is.
pub const SETREUID: SyscallInfo = SyscallInfo {
    nr: Sysno::SETREUID,
    man: "setreuid(2)",
    args: &[Arg::Uid("ruid"), Arg::Uid("euid")],
    errno: &[UNMAPPED, (Errno::EPERM, "no CAP_SETUID, and an id is not among those the caller has")],
    support: Support::Full,
    run: setreuid,
};

/// setresuid(2): real, effective and saved user id; -1 leaves one as it is.
pub const SETRESUID: SyscallInfo = SyscallInfo {
    nr: Sysno::SETRESUID,
    man: "setresuid(2)",
    args: &[Arg::Uid("ruid"), Arg::Uid("euid"), Arg::Uid("suid")],
    errno: &[UNMAPPED, (Errno::EPERM, "no CAP_SETUID, and an id is not among those the caller has")],
    support: Support::Full,
    run: setresuid,
};

/// setfsuid(2): the user id for file access. Never fails; it returns the one from before.
pub const SETFSUID: SyscallInfo = SyscallInfo {
    nr: Sysno::SETFSUID,
    man: "setfsuid(2)",
    args: &[Arg::Uid("fsuid")],
    errno: &[],
    support: Support::Full,
    run: setfsuid,
};

fn shown(k: &Kernel<'_>, caller: TaskId, of: impl Fn(&Cred) -> Kuid) -> i64 {
    let cred = &k.tasks[caller].cred;
    i64::from(k.user_namespaces[cred.user_ns].uid(of(cred)))
}

/// The kernel's id of an argument; `None` for -1, which means "leave".
fn kuid(k: &Kernel<'_>, cred: &Cred, args: Args<'_>, i: usize) -> Result<Option<Kuid>, Errno> {
    match args.int32(i)? as u32 {
        u32::MAX => Ok(None),
        id => k.user_namespaces[cred.user_ns].kuid(id).map(Some).ok_or(Errno::EINVAL),
    }
}

fn setuid(k: &mut Kernel<'_>, caller: TaskId, args: Args<'_>) -> SysResult {
    let old = Arc::clone(&k.tasks[caller].cred);
    let kuid = kuid(k, &old, args, 0)?.ok_or(Errno::EINVAL)?;
    let mut new = Cred::clone(&old);
    if k.capable_in(caller, old.user_ns, Cap::SETUID) {
        new.uid = kuid;
        new.suid = kuid;
    } else if kuid != old.uid && kuid != old.suid {
        return Err(Errno::EPERM.into());
    }
    new.euid = kuid;
    new.fsuid = kuid;
    k.fix_caps_after_setuid(&old, &mut new);
    k.commit_creds(caller, new);
    Ok(Ret::new(0))
}

fn setreuid(k: &mut Kernel<'_>, caller: TaskId, args: Args<'_>) -> SysResult {
    let old = Arc::clone(&k.tasks[caller].cred);
    let (ruid, euid) = (kuid(k, &old, args, 0)?, kuid(k, &old, args, 1)?);
    let mut new = Cred::clone(&old);
    if let Some(ruid) = ruid {
        new.uid = ruid;
        if ![old.uid, old.euid].contains(&ruid) && !k.capable_in(caller, old.user_ns, Cap::SETUID) {
            return Err(Errno::EPERM.into());
        }
    }
    if let Some(euid) = euid {
        new.euid = euid;
        if ![old.uid, old.euid, old.suid].contains(&euid) && !k.capable_in(caller, old.user_ns, Cap::SETUID) {
            return Err(Errno::EPERM.into());
        }
    }
    if ruid.is_some() || euid.is_some_and(|e| e != old.uid) {
        new.suid = new.euid;
    }
    new.fsuid = new.euid;
    k.fix_caps_after_setuid(&old, &mut new);
    k.commit_creds(caller, new);
    Ok(Ret::new(0))
}

fn setresuid(k: &mut Kernel<'_>, caller: TaskId, args: Args<'_>) -> SysResult {
    let old = Arc::clone(&k.tasks[caller].cred);
    let ids = [kuid(k, &old, args, 0)?, kuid(k, &old, args, 1)?, kuid(k, &old, args, 2)?];
    let [ruid, euid, suid] = ids;
    let no_op = ruid.is_none_or(|u| u == old.uid)
        && euid.is_none_or(|u| u == old.euid && u == old.fsuid)
        && suid.is_none_or(|u| u == old.suid);
    if no_op {
        return Ok(Ret::new(0));
    }
    let is_new = |id: &Kuid| ![old.uid, old.euid, old.suid].contains(id);
    if ids.iter().flatten().any(is_new) && !k.capable_in(caller, old.user_ns, Cap::SETUID) {
        return Err(Errno::EPERM.into());
    }
    let mut new = Cred::clone(&old);
    new.uid = ruid.unwrap_or(old.uid);
    new.euid = euid.unwrap_or(old.euid);
    new.suid = suid.unwrap_or(old.suid);
    new.fsuid = new.euid;
    k.fix_caps_after_setuid(&old, &mut new);
    k.commit_creds(caller, new);
    Ok(Ret::new(0))
}

fn setfsuid(k: &mut Kernel<'_>, caller: TaskId, args: Args<'_>) -> SysResult {
    let old = Arc::clone(&k.tasks[caller].cred);
    let before = Ret::new(shown(k, caller, |c| c.fsuid));
    let Ok(Some(kuid)) = kuid(k, &old, args, 0) else { return Ok(before) };
    let allowed =
        [old.uid, old.euid, old.suid, old.fsuid].contains(&kuid) || k.capable_in(caller, old.user_ns, Cap::SETUID);
    if allowed && kuid != old.fsuid {
        let mut new = Cred { fsuid: kuid, ..Cred::clone(&old) };
        k.fix_caps_after_setfsuid(&old, &mut new);
        k.commit_creds(caller, new);
    }
    Ok(before)
}
