//! shmget(2) and shmctl(2): shared memory segments as objects.

use super::{IPC_INFO, IPC_RMID, IPC_SET, IPC_STAT};
use crate::errno::Errno;
use crate::ipc::sysv::shm::{PAGE, SHM_LOCKED, ShmSegment};
use crate::ipc::sysv::{S_IRUGO, StatBy, pid_nr_ns};
use crate::kernel::Kernel;
use crate::security::capability::Cap;
use crate::syscall::{Arg, Args, Ret, Support, SysResult, SyscallInfo, Sysno, Value};
use crate::task::TaskId;

const SHM_LOCK: i32 = 11;
const SHM_UNLOCK: i32 = 12;
const SHM_STAT: i32 = 13;
const SHM_INFO: i32 = 14;
const SHM_STAT_ANY: i32 = 15;

/// `SHM_HUGETLB` in the flags of shmget(2).
const SHM_HUGETLB: i64 = 0o4000;

/// shmget(2).
pub const SHMGET: SyscallInfo = SyscallInfo {
    nr: Sysno::SHMGET,
    man: "shmget(2)",
    args: &[
        Arg::Int("key"),
        Arg::Int("size"),
        Arg::Flags(
            "shmflg",
            &[("IPC_CREAT", 0o1000), ("IPC_EXCL", 0o2000), ("SHM_HUGETLB", 0o4000), ("SHM_NORESERVE", 0o10_000)],
        ),
    ],
    errno: &[
        (Errno::EEXIST, "there is a segment with this key, and IPC_CREAT and IPC_EXCL are given"),
        (Errno::EINVAL, "size is 0, above kernel.shmmax, or above that of the segment that is there"),
        (Errno::EACCES, "the segment does not allow what shmflg asks for, and the caller has no CAP_IPC_OWNER"),
        (Errno::ENOENT, "there is no segment with this key, and IPC_CREAT is not given"),
        (Errno::ENOMEM, "SHM_HUGETLB: the machine has no huge pages"),
        (Errno::ENOSPC, "the IPC namespace has as many segments or pages as kernel.shmmni and kernel.shmall allow"),
    ],
    support: Support::Partial("segments have a size but no contents: processes have no memory here"),
    run: shmget,
};

/// shmctl(2).
pub const SHMCTL: SyscallInfo = SyscallInfo {
    nr: Sysno::SHMCTL,
    man: "shmctl(2)",
    args: &[
        Arg::Int("shmid"),
        Arg::Enum(
            "cmd",
            &[
                ("IPC_RMID", 0),
                ("IPC_SET", 1),
                ("IPC_STAT", 2),
                ("IPC_INFO", 3),
                ("SHM_LOCK", 11),
                ("SHM_UNLOCK", 12),
                ("SHM_STAT", 13),
                ("SHM_INFO", 14),
                ("SHM_STAT_ANY", 15),
            ],
        ),
        Arg::Data("buf"),
    ],
    errno: &[
        (Errno::EINVAL, "there is no segment with this id, or the command is unknown"),
        (Errno::EFAULT, "IPC_SET without a structure"),
        (Errno::EACCES, "the segment may not be read"),
        (Errno::EPERM, "the caller is neither owner nor creator and has no CAP_SYS_ADMIN over the IPC namespace"),
    ],
    support: Support::Full,
    run: shmctl,
};

fn shmget(k: &mut Kernel<'_>, caller: TaskId, a: Args<'_>) -> SysResult {
    let (key, size, flags) = (a.int32(0)?, a.int(1)? as u64, a.int(2)?);
    let ns = k.ipc_ns_of(caller);
    let fits = |segment: &ShmSegment| if segment.segsz < size { Err(Errno::EINVAL) } else { Ok(()) };
    let make = |k: &mut Kernel<'_>, perm| {
        if size < 1 || size > k.ipc_limit(ns, "kernel/shmmax") {
            return Err(Errno::EINVAL);
        }
        let pages = size.div_ceil(PAGE);
        let total = k.ipc_namespaces[ns].shm_total().checked_add(pages);
        if total.is_none_or(|total| total > k.ipc_limit(ns, "kernel/shmall")) {
            return Err(Errno::ENOSPC);
        }
        if flags & SHM_HUGETLB != 0 {
            return Err(Errno::ENOMEM);
        }
        Ok(ShmSegment {
            perm,
            segsz: size,
            atime: 0,
            dtime: 0,
            ctime: k.ipc_now(),
            cpid: k.tgid_numbers(caller),
            lpid: Vec::new(),
            attached: Vec::new(),
            creator: Some(k.tasks[caller].process),
        })
    };
    Ok(Ret::new(k.ipc_get(caller, key, flags, "kernel/shmmni", fits, make)?))
}

fn shmctl(k: &mut Kernel<'_>, caller: TaskId, a: Args<'_>) -> SysResult {
    let (id, cmd) = (a.int32(0)?, a.int32(1)?);
    if id < 0 || cmd < 0 {
        return Err(Errno::EINVAL.into());
    }
    match cmd {
        IPC_INFO => Ok(limits(k, caller)),
        SHM_INFO => Ok(usage(k, caller)),
        IPC_STAT => stat(k, caller, id, StatBy::Id),
        SHM_STAT => stat(k, caller, id, StatBy::Index),
        SHM_STAT_ANY => stat(k, caller, id, StatBy::AnyIndex),
        IPC_RMID => {
            k.ipc_control::<ShmSegment>(caller, id)?;
            let ns = k.ipc_ns_of(caller);
            k.remove_shm(ns, id);
            Ok(Ret::new(0))
        }
        IPC_SET => {
            let new = a.get(2);
            if !matches!(new, Value::Struct(_)) {
                return Err(Errno::EFAULT.into());
            }
            k.ipc_control::<ShmSegment>(caller, id)?;
            k.ipc_set::<ShmSegment>(caller, id, new.field("shm_perm"))?;
            let now = k.ipc_now();
            k.ipc_object_mut::<ShmSegment>(caller, id)?.ctime = now;
            Ok(Ret::new(0))
        }
        SHM_LOCK | SHM_UNLOCK => lock(k, caller, id, cmd == SHM_LOCK),
        _ => Err(Errno::EINVAL.into()),
    }
}

fn limits(k: &Kernel<'_>, caller: TaskId) -> Ret {
    let ns = k.ipc_ns_of(caller);
    let limit = |name| Value::from(k.ipc_limit(ns, name));
    Ret::new(i64::from(k.ipc_namespaces[ns].shm.max_index())).with(
        2,
        Value::record([
            ("shmmax", limit("kernel/shmmax")),
            ("shmmin", 1.into()),
            ("shmmni", limit("kernel/shmmni")),
            ("shmseg", limit("kernel/shmmni")),
            ("shmall", limit("kernel/shmall")),
        ]),
    )
}

fn usage(k: &Kernel<'_>, caller: TaskId) -> Ret {
    let namespace = &k.ipc_namespaces[k.ipc_ns_of(caller)];
    Ret::new(i64::from(namespace.shm.max_index())).with(
        2,
        Value::record([
            ("used_ids", namespace.shm.in_use().into()),
            ("shm_tot", namespace.shm_total().into()),
            ("shm_rss", 0.into()),
            ("shm_swp", 0.into()),
            ("swap_attempts", 0.into()),
            ("swap_successes", 0.into()),
        ]),
    )
}

fn stat(k: &mut Kernel<'_>, caller: TaskId, id: i32, by: StatBy) -> SysResult {
    let segment = k.ipc_stat_object::<ShmSegment>(caller, id, by)?.clone();
    if by != StatBy::AnyIndex {
        k.ipcperms(caller, &segment.perm, S_IRUGO)?;
    }
    let pid_ns = k.pid_ns_of(caller);
    let value = Value::record([
        ("shm_perm", k.ipc_perm_value(caller, &segment.perm)),
        ("shm_segsz", segment.segsz.into()),
        ("shm_atime", segment.atime.into()),
        ("shm_dtime", segment.dtime.into()),
        ("shm_ctime", segment.ctime.into()),
        ("shm_cpid", pid_nr_ns(&segment.cpid, pid_ns).into()),
        ("shm_lpid", pid_nr_ns(&segment.lpid, pid_ns).into()),
        ("shm_nattch", segment.attached.len().into()),
    ]);
    let result = if by == StatBy::Id { 0 } else { segment.perm.id };
    Ok(Ret::new(result).with(2, value))
}

fn lock(k: &mut Kernel<'_>, caller: TaskId, id: i32, on: bool) -> SysResult {
    let perm = k.ipc_object::<ShmSegment>(caller, id)?.perm.clone();
    let owner = k.ipc_namespaces[k.ipc_ns_of(caller)].ns.owner;
    if !k.capable_in(caller, owner, Cap::IPC_LOCK) {
        let euid = k.tasks[caller].cred.euid;
        if euid != perm.uid && euid != perm.cuid {
            return Err(Errno::EPERM.into());
        }
    }
    let mode = &mut k.ipc_object_mut::<ShmSegment>(caller, id)?.perm.mode;
    *mode = if on { *mode | SHM_LOCKED } else { *mode & !SHM_LOCKED };
    Ok(Ret::new(0))
}
