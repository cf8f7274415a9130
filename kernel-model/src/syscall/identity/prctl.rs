//! prctl(2): what a task can ask and set about itself.

use std::sync::Arc;

use super::seccomp;
use crate::errno::Errno;
use crate::kernel::Kernel;
use crate::security::capability::{Cap, CapSet, NAMES};
use crate::security::credentials::{Cred, SecureBits};
use crate::syscall::{Arg, Args, FlagNames, Ret, Support, SysResult, SyscallInfo, Sysno};
use crate::task::TaskId;
use crate::task::signal::Signal;

#[allow(missing_docs)] // the options of prctl(2)
pub mod pr {
    pub const SET_PDEATHSIG: i64 = 1;
    pub const GET_PDEATHSIG: i64 = 2;
    pub const GET_DUMPABLE: i64 = 3;
    pub const SET_DUMPABLE: i64 = 4;
    pub const GET_KEEPCAPS: i64 = 7;
    pub const SET_KEEPCAPS: i64 = 8;
    pub const SET_NAME: i64 = 15;
    pub const GET_NAME: i64 = 16;
    pub const GET_SECCOMP: i64 = 21;
    pub const SET_SECCOMP: i64 = 22;
    pub const CAPBSET_READ: i64 = 23;
    pub const CAPBSET_DROP: i64 = 24;
    pub const GET_SECUREBITS: i64 = 27;
    pub const SET_SECUREBITS: i64 = 28;
    pub const SET_TIMERSLACK: i64 = 29;
    pub const GET_TIMERSLACK: i64 = 30;
    pub const SET_MM: i64 = 35;
    pub const SET_CHILD_SUBREAPER: i64 = 36;
    pub const GET_CHILD_SUBREAPER: i64 = 37;
    pub const SET_NO_NEW_PRIVS: i64 = 38;
    pub const GET_NO_NEW_PRIVS: i64 = 39;
    pub const CAP_AMBIENT: i64 = 47;
    pub const CAP_AMBIENT_IS_SET: i64 = 1;
    pub const CAP_AMBIENT_RAISE: i64 = 2;
    pub const CAP_AMBIENT_LOWER: i64 = 3;
    pub const CAP_AMBIENT_CLEAR_ALL: i64 = 4;
}

const OPTION: FlagNames = &[
    ("PR_SET_PDEATHSIG", 1),
    ("PR_GET_PDEATHSIG", 2),
    ("PR_GET_DUMPABLE", 3),
    ("PR_SET_DUMPABLE", 4),
    ("PR_GET_KEEPCAPS", 7),
    ("PR_SET_KEEPCAPS", 8),
    ("PR_SET_NAME", 15),
    ("PR_GET_NAME", 16),
    ("PR_GET_SECCOMP", 21),
    ("PR_SET_SECCOMP", 22),
    ("PR_CAPBSET_READ", 23),
    ("PR_CAPBSET_DROP", 24),
    ("PR_GET_SECUREBITS", 27),
    ("PR_SET_SECUREBITS", 28),
    ("PR_SET_TIMERSLACK", 29),
    ("PR_GET_TIMERSLACK", 30),
    ("PR_SET_MM", 35),
    ("PR_SET_CHILD_SUBREAPER", 36),
    ("PR_GET_CHILD_SUBREAPER", 37),
    ("PR_SET_NO_NEW_PRIVS", 38),
    ("PR_GET_NO_NEW_PRIVS", 39),
    ("PR_CAP_AMBIENT", 47),
    ("PR_CAP_AMBIENT_IS_SET", 1),
    ("PR_CAP_AMBIENT_RAISE", 2),
    ("PR_CAP_AMBIENT_LOWER", 3),
    ("PR_CAP_AMBIENT_CLEAR_ALL", 4),
];

/// The default slack of timers (`init_task.timer_slack_ns`).
const TIMER_SLACK: i64 = 50_000;

/// prctl(2).
pub const PRCTL: SyscallInfo = SyscallInfo {
    nr: Sysno::PRCTL,
    man: "prctl(2)",
    args: &[Arg::Enum("option", OPTION), Arg::Data("arg2"), Arg::Data("arg3"), Arg::Data("arg4"), Arg::Data("arg5")],
    errno: &[
        (Errno::EINVAL, "there is no such option, or an argument does not fit it"),
        (Errno::EPERM, "a capability is missing, or a secure bit is locked"),
        (Errno::EACCES, "PR_SET_SECCOMP with a filter and neither no_new_privs nor CAP_SYS_ADMIN"),
        (Errno::EFAULT, "PR_SET_NAME without a name, or PR_SET_SECCOMP without a filter"),
    ],
    support: Support::Partial(
        "death signal, dumpable, keep-caps, name, bounding and ambient set, secure bits, subreaper, no_new_privs; \
         seccomp; PR_SET_MM and PR_SET_TIMERSLACK are accepted and change nothing",
    ),
    run: prctl,
};

fn prctl(k: &mut Kernel<'_>, caller: TaskId, args: Args<'_>) -> SysResult {
    let arg2 = || args.int(1);
    let process = k.tasks[caller].process;
    match args.int(0)? {
        pr::SET_PDEATHSIG => {
            let nr = arg2()?;
            if !(0..=64).contains(&nr) {
                return Err(Errno::EINVAL.into());
            }
            k.tasks[caller].pdeath_signal = Signal::from_number(nr);
            done()
        }
        pr::GET_PDEATHSIG => {
            let nr = k.tasks[caller].pdeath_signal.map_or(0, |s| i64::from(s.0));
            Ok(Ret::new(0).with(1, nr.into()))
        }
        pr::GET_DUMPABLE => number(k.processes[process].dumpable),
        pr::SET_DUMPABLE => {
            k.processes[process].dumpable = flag(arg2()?)?;
            done()
        }
        pr::SET_NAME => set_name(k, caller, args),
        pr::GET_NAME => Ok(Ret::new(0).with(1, k.tasks[caller].comm.as_str().into())),
        pr::SET_CHILD_SUBREAPER => {
            k.processes[process].is_child_subreaper = arg2()? != 0;
            done()
        }
        pr::GET_CHILD_SUBREAPER => {
            let is = i64::from(k.processes[process].is_child_subreaper);
            Ok(Ret::new(0).with(1, is.into()))
        }
        pr::SET_NO_NEW_PRIVS => {
            if arg2()? != 1 || !zero(args, 2)? {
                return Err(Errno::EINVAL.into());
            }
            k.tasks[caller].no_new_privs = true;
            done()
        }
        pr::GET_NO_NEW_PRIVS if zero(args, 1)? => number(k.tasks[caller].no_new_privs),
        pr::GET_SECCOMP => Ok(Ret::new(k.tasks[caller].seccomp.mode())),
        pr::SET_SECCOMP => set_seccomp(k, caller, args),
        pr::SET_TIMERSLACK | pr::SET_MM => done(),
        pr::GET_TIMERSLACK => Ok(Ret::new(TIMER_SLACK)),
        pr::CAPBSET_READ => number(k.tasks[caller].cred.bounding.has(cap(arg2()?)?)),
        pr::CAPBSET_DROP => drop_from_bounding_set(k, caller, arg2()?),
        pr::GET_SECUREBITS => Ok(Ret::new(i64::from(k.tasks[caller].cred.securebits.bits()))),
        pr::SET_SECUREBITS => set_securebits(k, caller, arg2()?),
        pr::GET_KEEPCAPS => number(k.tasks[caller].cred.securebits.contains(SecureBits::KEEP_CAPS)),
        pr::SET_KEEPCAPS => set_keepcaps(k, caller, arg2()?),
        pr::CAP_AMBIENT => ambient(k, caller, args),
        _ => Err(Errno::EINVAL.into()),
    }
}

fn done() -> SysResult {
    Ok(Ret::new(0))
}

fn number(answer: bool) -> SysResult {
    Ok(Ret::new(i64::from(answer)))
}

/// An argument that must be 0 or 1.
fn flag(n: i64) -> Result<bool, Errno> {
    match n {
        0 => Ok(false),
        1 => Ok(true),
        _ => Err(Errno::EINVAL),
    }
}

/// Whether the arguments from `first` on are all 0.
fn zero(args: Args<'_>, first: usize) -> Result<bool, Errno> {
    for i in first..5 {
        if args.int(i)? != 0 {
            return Ok(false);
        }
    }
    Ok(true)
}

/// An argument that must be a capability.
fn cap(n: i64) -> Result<Cap, Errno> {
    if (0..NAMES.len() as i64).contains(&n) { Ok(Cap(n as u8)) } else { Err(Errno::EINVAL) }
}

fn set_name(k: &mut Kernel<'_>, caller: TaskId, args: Args<'_>) -> SysResult {
    let name = args.str(1)?;
    let end = name.char_indices().map(|(i, c)| i + c.len_utf8()).take_while(|end| *end <= 15).last().unwrap_or(0);
    k.tasks[caller].comm = name[..end].to_owned();
    done()
}

/// `prctl_set_seccomp`
fn set_seccomp(k: &mut Kernel<'_>, caller: TaskId, args: Args<'_>) -> SysResult {
    match args.int(1)? {
        1 => k.set_seccomp_strict(caller)?,
        2 => k.attach_seccomp_filter(caller, &seccomp::program(args.get(2))?, false)?,
        _ => return Err(Errno::EINVAL.into()),
    }
    done()
}

fn change_cred(k: &mut Kernel<'_>, caller: TaskId, change: impl FnOnce(&mut Cred)) -> SysResult {
    let mut new = Cred::clone(&k.tasks[caller].cred);
    change(&mut new);
    k.commit_creds(caller, new);
    done()
}

fn drop_from_bounding_set(k: &mut Kernel<'_>, caller: TaskId, nr: i64) -> SysResult {
    let ns = k.tasks[caller].cred.user_ns;
    if !k.capable_in(caller, ns, Cap::SETPCAP) {
        return Err(Errno::EPERM.into());
    }
    let cap = cap(nr)?;
    change_cred(k, caller, |cred| cred.bounding = cred.bounding.without(cap))
}

fn set_securebits(k: &mut Kernel<'_>, caller: TaskId, bits: i64) -> SysResult {
    let old = Arc::clone(&k.tasks[caller].cred);
    let wanted = u32::try_from(bits).ok().and_then(SecureBits::from_bits).ok_or(Errno::EPERM)?.bits();
    let locks = old.securebits.bits() & 0xaa;
    let changes_locked = (locks >> 1) & (old.securebits.bits() ^ wanted) != 0;
    let unlocks = locks & !wanted != 0;
    if changes_locked || unlocks || !k.capable_in(caller, old.user_ns, Cap::SETPCAP) {
        return Err(Errno::EPERM.into());
    }
    change_cred(k, caller, |cred| cred.securebits = SecureBits::from_bits_truncate(wanted))
}

fn set_keepcaps(k: &mut Kernel<'_>, caller: TaskId, value: i64) -> SysResult {
    let keep = flag(value)?;
    if k.tasks[caller].cred.securebits.contains(SecureBits::KEEP_CAPS_LOCKED) {
        return Err(Errno::EPERM.into());
    }
    change_cred(k, caller, |cred| cred.securebits.set(SecureBits::KEEP_CAPS, keep))
}

fn ambient(k: &mut Kernel<'_>, caller: TaskId, args: Args<'_>) -> SysResult {
    let what = args.int(1)?;
    if what == pr::CAP_AMBIENT_CLEAR_ALL {
        if !zero(args, 2)? {
            return Err(Errno::EINVAL.into());
        }
        return change_cred(k, caller, |cred| cred.ambient = CapSet::EMPTY);
    }
    let cap = cap(args.int(2)?)?;
    if !zero(args, 3)? {
        return Err(Errno::EINVAL.into());
    }
    match what {
        pr::CAP_AMBIENT_IS_SET => number(k.tasks[caller].cred.ambient.has(cap)),
        pr::CAP_AMBIENT_RAISE => {
            let cred = &k.tasks[caller].cred;
            let allowed = cred.permitted.has(cap)
                && cred.inheritable.has(cap)
                && !cred.securebits.contains(SecureBits::NO_CAP_AMBIENT_RAISE);
            if !allowed {
                return Err(Errno::EPERM.into());
            }
            change_cred(k, caller, |cred| cred.ambient = cred.ambient.with(cap))
        }
        pr::CAP_AMBIENT_LOWER => change_cred(k, caller, |cred| cred.ambient = cred.ambient.without(cap)),
        _ => Err(Errno::EINVAL.into()),
    }
}
