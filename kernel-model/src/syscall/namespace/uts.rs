//! sethostname(2), setdomainname(2) and uname(2): the names of the caller's UTS namespace.

use std::sync::Arc;

use crate::errno::Errno;
use crate::event::EventKind;
use crate::kernel::Kernel;
use crate::namespace::uts::{KERNEL_RELEASE, KERNEL_VERSION, UTS_LEN};
use crate::security::capability::Cap;
use crate::syscall::{Arg, Args, Ret, Support, SysResult, SyscallInfo, Sysno, Value};
use crate::task::TaskId;

const ERRORS: &[(Errno, &str)] = &[
    (Errno::EPERM, "no CAP_SYS_ADMIN in the user namespace that owns the UTS namespace"),
    (Errno::EINVAL, "len is negative or above 64"),
];

/// sethostname(2).
pub const SETHOSTNAME: SyscallInfo = SyscallInfo {
    nr: Sysno::SETHOSTNAME,
    man: "sethostname(2)",
    args: &[Arg::Str("name"), Arg::Int("len")],
    errno: ERRORS,
    support: Support::Full,
    run: sethostname,
};

/// setdomainname(2).
pub const SETDOMAINNAME: SyscallInfo = SyscallInfo {
    nr: Sysno::SETDOMAINNAME,
    man: "setdomainname(2)",
    args: &[Arg::Str("name"), Arg::Int("len")],
    errno: ERRORS,
    support: Support::Full,
    run: setdomainname,
};

/// uname(2).
pub const UNAME: SyscallInfo = SyscallInfo {
    nr: Sysno::UNAME,
    man: "uname(2)",
    args: &[Arg::Data("buf")],
    errno: &[],
    support: Support::Full,
    run: uname,
};

fn sethostname(k: &mut Kernel<'_>, caller: TaskId, a: Args<'_>) -> SysResult {
    let name = checked_name(k, caller, a)?;
    let uts = k.tasks[caller].nsproxy.uts;
    let old = std::mem::replace(&mut k.uts_namespaces[uts].nodename, name.clone());
    k.emit(EventKind::NodenameSet { ns: uts, old: Arc::from(old), new: Arc::from(name) });
    Ok(Ret::new(0))
}

fn setdomainname(k: &mut Kernel<'_>, caller: TaskId, a: Args<'_>) -> SysResult {
    let name = checked_name(k, caller, a)?;
    let uts = k.tasks[caller].nsproxy.uts;
    let old = std::mem::replace(&mut k.uts_namespaces[uts].domainname, name.clone());
    k.emit(EventKind::NodenameSet { ns: uts, old: Arc::from(old), new: Arc::from(name) });
    Ok(Ret::new(0))
}

/// The checks in the kernel's order, then the first `len` bytes of the name.
fn checked_name(k: &mut Kernel<'_>, caller: TaskId, a: Args<'_>) -> Result<String, Errno> {
    let owner = k.uts_namespaces[k.tasks[caller].nsproxy.uts].ns.owner;
    if !k.capable_in(caller, owner, Cap::SYS_ADMIN) {
        return Err(Errno::EPERM);
    }
    let len = a.int32(1)?;
    if len < 0 || len as usize > UTS_LEN {
        return Err(Errno::EINVAL);
    }
    let bytes = a.bytes(0)?;
    let bytes = bytes.get(..len as usize).unwrap_or(bytes);
    Ok(String::from_utf8_lossy(bytes).into_owned())
}

fn uname(k: &mut Kernel<'_>, caller: TaskId, _: Args<'_>) -> SysResult {
    let uts = &k.uts_namespaces[k.tasks[caller].nsproxy.uts];
    Ok(Ret::new(0).with(
        0,
        Value::record([
            ("sysname", "Linux".into()),
            ("nodename", uts.nodename.as_str().into()),
            ("release", KERNEL_RELEASE.into()),
            ("version", KERNEL_VERSION.into()),
            ("machine", "x86_64".into()),
            ("domainname", uts.domainname.as_str().into()),
        ]),
    ))
}
