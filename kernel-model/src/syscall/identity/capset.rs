//! capget(2) and capset(2): the three classic capability sets of a thread.
//!
//! The header is `{version, pid}`; data is one structure `{effective, permitted, inheritable}` of 64-bit
//! masks, as strace prints it.

use std::sync::Arc;

use crate::errno::Errno;
use crate::kernel::Kernel;
use crate::security::capability::{Cap, CapSet};
use crate::security::credentials::Cred;
use crate::syscall::{Arg, Args, Ret, Support, SysResult, SyscallInfo, Sysno, Value};
use crate::task::TaskId;

/// The version with 64-bit sets.
pub const LINUX_CAPABILITY_VERSION_3: i64 = 0x2008_0522;
const VERSION_1: i64 = 0x1998_0330;
const VERSION_2: i64 = 0x2007_1026;

/// capget(2). Without data it tells the preferred version.
pub const CAPGET: SyscallInfo = SyscallInfo {
    nr: Sysno::CAPGET,
    man: "capget(2)",
    args: &[Arg::Data("hdrp"), Arg::Data("datap")],
    errno: &[
        (Errno::EFAULT, "hdrp is no header"),
        (Errno::EINVAL, "the pid is negative"),
        (Errno::ESRCH, "there is no thread of that number"),
    ],
    support: Support::Partial("an unknown version is always answered with the preferred one, as for datap NULL"),
    run: capget,
};

/// capset(2), for the caller itself.
pub const CAPSET: SyscallInfo = SyscallInfo {
    nr: Sysno::CAPSET,
    man: "capset(2)",
    args: &[Arg::Data("hdrp"), Arg::Data("datap")],
    errno: &[
        (Errno::EFAULT, "hdrp is no header, or datap no structure"),
        (Errno::EINVAL, "the version is unknown"),
        (Errno::EPERM, "pid is neither 0 nor the caller; or a set would grow beyond what is allowed"),
    ],
    support: Support::Full,
    run: capset,
};

fn header(args: Args<'_>) -> Result<(i64, i64), Errno> {
    let field = |name| args.get(0).field(name).and_then(Value::as_int);
    Ok((field("version").ok_or(Errno::EFAULT)?, field("pid").unwrap_or(0)))
}

fn is_known(version: i64) -> bool {
    [VERSION_1, VERSION_2, LINUX_CAPABILITY_VERSION_3].contains(&version)
}

fn capget(k: &mut Kernel<'_>, caller: TaskId, args: Args<'_>) -> SysResult {
    let (version, pid) = header(args)?;
    if !is_known(version) {
        let preferred = Value::record([("version", LINUX_CAPABILITY_VERSION_3.into()), ("pid", pid.into())]);
        return Ok(Ret::new(0).with(0, preferred));
    }
    let nr = i32::try_from(pid).map_err(|_| Errno::EINVAL)?;
    if nr < 0 {
        return Err(Errno::EINVAL.into());
    }
    let task = if nr == 0 { caller } else { k.find_task(caller, nr).ok_or(Errno::ESRCH)? };
    let cred = &k.tasks[task].cred;
    let data = Value::record([
        ("effective", cred.effective.0.into()),
        ("permitted", cred.permitted.0.into()),
        ("inheritable", cred.inheritable.0.into()),
    ]);
    Ok(Ret::new(0).with(1, data))
}

fn capset(k: &mut Kernel<'_>, caller: TaskId, args: Args<'_>) -> SysResult {
    let (version, pid) = header(args)?;
    if !is_known(version) {
        return Err(Errno::EINVAL.into());
    }
    let own = k.pid_in(k.pid_ns_of(caller), caller).unwrap_or(0);
    if pid != 0 && pid != i64::from(own) {
        return Err(Errno::EPERM.into());
    }
    let set = |name| {
        let mask = args.get(1).field(name).and_then(Value::as_int).ok_or(Errno::EFAULT)?;
        Ok::<_, Errno>(CapSet(mask as u64) & CapSet::FULL)
    };
    let (effective, permitted, inheritable) = (set("effective")?, set("permitted")?, set("inheritable")?);
    let old = Arc::clone(&k.tasks[caller].cred);
    // cap_capset: what may be inherited grows within permitted only, unless CAP_SETPCAP; never beyond the bounding set.
    if !k.capable_in(caller, old.user_ns, Cap::SETPCAP) && !inheritable.is_subset(old.inheritable | old.permitted) {
        return Err(Errno::EPERM.into());
    }
    let allowed = inheritable.is_subset(old.inheritable | old.bounding)
        && permitted.is_subset(old.permitted)
        && effective.is_subset(permitted);
    if !allowed {
        return Err(Errno::EPERM.into());
    }
    let ambient = old.ambient & permitted & inheritable;
    k.commit_creds(caller, Cred { effective, permitted, inheritable, ambient, ..Cred::clone(&old) });
    Ok(Ret::new(0))
}
