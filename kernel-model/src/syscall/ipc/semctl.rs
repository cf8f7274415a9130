//! semget(2) and semctl(2): semaphore sets as objects.

use super::{GET_FLAGS, IPC_INFO, IPC_RMID, IPC_SET, IPC_STAT};
use crate::errno::Errno;
use crate::ipc::sysv::sem::{SEMVMX, SemArray};
use crate::ipc::sysv::{IpcKind, S_IRUGO, S_IWUGO, StatBy, pid_nr_ns};
use crate::kernel::Kernel;
use crate::syscall::{Arg, Args, Ret, Support, SysResult, SyscallInfo, Sysno, Value};
use crate::task::TaskId;

const GETPID: i32 = 11;
const GETVAL: i32 = 12;
const GETALL: i32 = 13;
const GETNCNT: i32 = 14;
const GETZCNT: i32 = 15;
const SETVAL: i32 = 16;
const SETALL: i32 = 17;
const SEM_STAT: i32 = 18;
const SEM_INFO: i32 = 19;
const SEM_STAT_ANY: i32 = 20;

/// Numbers of `struct seminfo` that say nothing any more (`include/uapi/linux/sem.h`).
const SEMMNS: i64 = 1_024_000_000;
const SEMUME: i64 = 500;
const SEMUSZ: i64 = 20;

/// semget(2).
pub const SEMGET: SyscallInfo = SyscallInfo {
    nr: Sysno::SEMGET,
    man: "semget(2)",
    args: &[Arg::Int("key"), Arg::Int("nsems"), Arg::Flags("semflg", GET_FLAGS)],
    errno: &[
        (
            Errno::EINVAL,
            "nsems is negative, above the first number of kernel.sem, above what the set has, or 0 for a new one",
        ),
        (Errno::EEXIST, "there is a set with this key, and IPC_CREAT and IPC_EXCL are given"),
        (Errno::EACCES, "the set does not allow what semflg asks for, and the caller has no CAP_IPC_OWNER"),
        (Errno::ENOENT, "there is no set with this key, and IPC_CREAT is not given"),
        (Errno::ENOSPC, "the IPC namespace has as many sets or semaphores as kernel.sem allows"),
    ],
    support: Support::Full,
    run: semget,
};

/// semctl(2).
pub const SEMCTL: SyscallInfo = SyscallInfo {
    nr: Sysno::SEMCTL,
    man: "semctl(2)",
    args: &[
        Arg::Int("semid"),
        Arg::Int("semnum"),
        Arg::Enum(
            "cmd",
            &[
                ("IPC_RMID", 0),
                ("IPC_SET", 1),
                ("IPC_STAT", 2),
                ("IPC_INFO", 3),
                ("GETPID", 11),
                ("GETVAL", 12),
                ("GETALL", 13),
                ("GETNCNT", 14),
                ("GETZCNT", 15),
                ("SETVAL", 16),
                ("SETALL", 17),
                ("SEM_STAT", 18),
                ("SEM_INFO", 19),
                ("SEM_STAT_ANY", 20),
            ],
        ),
        Arg::Data("arg"),
    ],
    errno: &[
        (Errno::EINVAL, "there is no set with this id, no semaphore of this number, or the command is unknown"),
        (Errno::ERANGE, "a value that is negative or above 32767"),
        (Errno::EFAULT, "IPC_SET or SETALL without what is to be set"),
        (Errno::EACCES, "the set may not be read or changed"),
        (Errno::EPERM, "the caller is neither owner nor creator and has no CAP_SYS_ADMIN over the IPC namespace"),
    ],
    support: Support::Full,
    run: semctl,
};

fn semget(k: &mut Kernel<'_>, caller: TaskId, a: Args<'_>) -> SysResult {
    let (key, nsems, flags) = (a.int32(0)?, a.int32(1)?, a.int(2)?);
    let ns = k.ipc_ns_of(caller);
    let [semmsl, semmns, ..] = k.sem_limits(ns);
    let Some(nsems) = usize::try_from(nsems).ok().filter(|n| *n as i64 <= semmsl) else {
        return Err(Errno::EINVAL.into());
    };
    let fits = |set: &SemArray| if nsems > set.sems.len() { Err(Errno::EINVAL) } else { Ok(()) };
    let make = |k: &mut Kernel<'_>, perm| {
        let used: usize = k.ipc_namespaces[ns].sem.iter().map(|set| set.sems.len()).sum();
        if nsems == 0 {
            return Err(Errno::EINVAL);
        }
        if (used + nsems) as i64 > semmns {
            return Err(Errno::ENOSPC);
        }
        Ok(SemArray::new(perm, nsems, k.ipc_now()))
    };
    Ok(Ret::new(k.ipc_get(caller, key, flags, "kernel/sem", fits, make)?))
}

fn semctl(k: &mut Kernel<'_>, caller: TaskId, a: Args<'_>) -> SysResult {
    let (id, num, cmd) = (a.int32(0)?, a.int32(1)?, a.int32(2)?);
    if id < 0 {
        return Err(Errno::EINVAL.into());
    }
    match cmd {
        IPC_INFO | SEM_INFO => Ok(info(k, caller, cmd)),
        IPC_STAT => stat(k, caller, id, StatBy::Id),
        SEM_STAT => stat(k, caller, id, StatBy::Index),
        SEM_STAT_ANY => stat(k, caller, id, StatBy::AnyIndex),
        GETALL => {
            let set = readable(k, caller, id)?;
            Ok(Ret::new(0).with(3, Value::List(set.sems.iter().map(|sem| sem.val.into()).collect())))
        }
        GETPID | GETVAL | GETNCNT | GETZCNT => get(k, caller, id, num, cmd),
        SETVAL => set_value(k, caller, id, num, a.int32(3)?),
        SETALL => set_all(k, caller, id, a.list(3)?),
        IPC_RMID => {
            k.ipc_control::<SemArray>(caller, id)?;
            let ns = k.ipc_ns_of(caller);
            k.ipc_remove::<SemArray>(ns, id);
            Ok(Ret::new(0))
        }
        IPC_SET => {
            let new = a.get(3);
            if !matches!(new, Value::Struct(_)) {
                return Err(Errno::EFAULT.into());
            }
            k.ipc_control::<SemArray>(caller, id)?;
            k.ipc_set::<SemArray>(caller, id, new.field("sem_perm"))?;
            let now = k.ipc_now();
            k.ipc_object_mut::<SemArray>(caller, id)?.ctime = now;
            Ok(Ret::new(0))
        }
        _ => Err(Errno::EINVAL.into()),
    }
}

fn info(k: &Kernel<'_>, caller: TaskId, cmd: i32) -> Ret {
    let ns = k.ipc_ns_of(caller);
    let sets = &k.ipc_namespaces[ns].sem;
    let [semmsl, semmns, semopm, semmni] = k.sem_limits(ns);
    let used: usize = sets.iter().map(|set| set.sems.len()).sum();
    let (semusz, semaem) =
        if cmd == SEM_INFO { (sets.in_use() as i64, used as i64) } else { (SEMUSZ, i64::from(SEMVMX)) };
    Ret::new(i64::from(sets.max_index())).with(
        3,
        Value::record([
            ("semmap", SEMMNS.into()),
            ("semmni", semmni.into()),
            ("semmns", semmns.into()),
            ("semmnu", SEMMNS.into()),
            ("semmsl", semmsl.into()),
            ("semopm", semopm.into()),
            ("semume", SEMUME.into()),
            ("semusz", semusz.into()),
            ("semvmx", SEMVMX.into()),
            ("semaem", semaem.into()),
        ]),
    )
}

fn readable(k: &mut Kernel<'_>, caller: TaskId, id: i32) -> Result<SemArray, Errno> {
    let set = k.ipc_object::<SemArray>(caller, id)?.clone();
    k.ipcperms(caller, &set.perm, S_IRUGO)?;
    Ok(set)
}

fn stat(k: &mut Kernel<'_>, caller: TaskId, id: i32, by: StatBy) -> SysResult {
    let set = k.ipc_stat_object::<SemArray>(caller, id, by)?.clone();
    if by != StatBy::AnyIndex {
        k.ipcperms(caller, &set.perm, S_IRUGO)?;
    }
    let value = Value::record([
        ("sem_perm", k.ipc_perm_value(caller, &set.perm)),
        ("sem_otime", set.otime.into()),
        ("sem_ctime", set.ctime.into()),
        ("sem_nsems", set.sems.len().into()),
    ]);
    let result = if by == StatBy::Id { 0 } else { set.perm.id };
    Ok(Ret::new(result).with(3, value))
}

fn get(k: &mut Kernel<'_>, caller: TaskId, id: i32, num: i32, cmd: i32) -> SysResult {
    let set = readable(k, caller, id)?;
    let sem = usize::try_from(num).ok().and_then(|num| set.sems.get(num)).ok_or(Errno::EINVAL)?;
    Ok(Ret::new(match cmd {
        GETVAL => i64::from(sem.val),
        GETPID => i64::from(pid_nr_ns(&sem.pid, k.pid_ns_of(caller))),
        _ => super::semop::sleepers(k, caller, &set, num as u16, cmd == GETZCNT) as i64,
    }))
}

fn set_value(k: &mut Kernel<'_>, caller: TaskId, id: i32, num: i32, val: i32) -> SysResult {
    if !(0..=SEMVMX).contains(&val) {
        return Err(Errno::ERANGE.into());
    }
    let set = k.ipc_object::<SemArray>(caller, id)?;
    let num = usize::try_from(num).ok().filter(|num| *num < set.sems.len()).ok_or(Errno::EINVAL)?;
    let perm = set.perm.clone();
    k.ipcperms(caller, &perm, S_IWUGO)?;
    let (pid, now) = (k.tgid_numbers(caller), k.ipc_now());
    let set = k.ipc_object_mut::<SemArray>(caller, id)?;
    set.forget_undo(num);
    if let Some(sem) = set.sems.get_mut(num) {
        sem.val = val;
        sem.pid = pid;
    }
    set.ctime = now;
    k.ipc_wake(caller, IpcKind::Sem, id);
    Ok(Ret::new(0))
}

fn set_all(k: &mut Kernel<'_>, caller: TaskId, id: i32, values: &[Value]) -> SysResult {
    let perm = k.ipc_object::<SemArray>(caller, id)?.perm.clone();
    k.ipcperms(caller, &perm, S_IWUGO)?;
    let count = k.ipc_object::<SemArray>(caller, id)?.sems.len();
    let values: Vec<i64> = values.iter().filter_map(Value::as_int).take(count).collect();
    if values.len() < count {
        return Err(Errno::EFAULT.into());
    }
    if values.iter().any(|val| !(0..=i64::from(SEMVMX)).contains(val)) {
        return Err(Errno::ERANGE.into());
    }
    let (pid, now) = (k.tgid_numbers(caller), k.ipc_now());
    let set = k.ipc_object_mut::<SemArray>(caller, id)?;
    for (num, val) in values.into_iter().enumerate() {
        set.forget_undo(num);
        if let Some(sem) = set.sems.get_mut(num) {
            sem.val = val as i32;
            sem.pid.clone_from(&pid);
        }
    }
    set.ctime = now;
    k.ipc_wake(caller, IpcKind::Sem, id);
    Ok(Ret::new(0))
}
