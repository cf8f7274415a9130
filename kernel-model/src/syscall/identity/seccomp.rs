//! seccomp(2): filters on system calls, which the model does not have.

use crate::errno::Errno;
use crate::security::capability::Cap;
use crate::syscall::{Arg, FlagNames, Ret, Support, SyscallInfo, Sysno};

const OPERATION: FlagNames = &[
    ("SECCOMP_SET_MODE_STRICT", 0),
    ("SECCOMP_SET_MODE_FILTER", 1),
    ("SECCOMP_GET_ACTION_AVAIL", 2),
    ("SECCOMP_GET_NOTIF_SIZES", 3),
];

/// seccomp(2).
pub const SECCOMP: SyscallInfo = SyscallInfo {
    nr: Sysno::SECCOMP,
    man: "seccomp(2)",
    args: &[Arg::Enum("operation", OPERATION), Arg::Int("flags"), Arg::Data("args")],
    errno: &[(Errno::EINVAL, "there is no such operation"), (Errno::EACCES, "neither no_new_privs nor CAP_SYS_ADMIN")],
    support: Support::NotModelled("a filter is accepted and never says no: all calls stay allowed"),
    run: |k, caller, args| match args.int(0)? {
        1 => {
            let ns = k.tasks[caller].cred.user_ns;
            if !k.tasks[caller].no_new_privs && !k.capable_in(caller, ns, Cap::SYS_ADMIN) {
                return Err(Errno::EACCES.into());
            }
            Ok(Ret::new(0))
        }
        0 | 2 | 3 => Ok(Ret::new(0)),
        _ => Err(Errno::EINVAL.into()),
    },
};
