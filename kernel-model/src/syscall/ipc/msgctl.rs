//! msgget(2) and msgctl(2): message queues as objects.

use super::{GET_FLAGS, IPC_INFO, IPC_RMID, IPC_SET, IPC_STAT};
use crate::errno::Errno;
use crate::ipc::sysv::msg::MsgQueue;
use crate::ipc::sysv::{IpcKind, S_IRUGO, StatBy, pid_nr_ns};
use crate::kernel::Kernel;
use crate::security::capability::Cap;
use crate::syscall::{Arg, Args, Ret, Support, SysResult, SyscallInfo, Sysno, Value};
use crate::task::TaskId;

const MSG_STAT: i32 = 11;
const MSG_INFO: i32 = 12;
const MSG_STAT_ANY: i32 = 13;

/// Numbers of `struct msginfo` that say nothing any more (`include/uapi/linux/msg.h`).
const MSGMNB: u64 = 16_384;
const MSGPOOL: u64 = 32_000 * MSGMNB / 1024;

/// msgget(2).
pub const MSGGET: SyscallInfo = SyscallInfo {
    nr: Sysno::MSGGET,
    man: "msgget(2)",
    args: &[Arg::Int("key"), Arg::Flags("msgflg", GET_FLAGS)],
    errno: &[
        (Errno::EEXIST, "there is a queue with this key, and IPC_CREAT and IPC_EXCL are given"),
        (Errno::EACCES, "the queue does not allow what msgflg asks for, and the caller has no CAP_IPC_OWNER"),
        (Errno::ENOENT, "there is no queue with this key, and IPC_CREAT is not given"),
        (Errno::ENOSPC, "the IPC namespace has as many queues as kernel.msgmni allows"),
    ],
    support: Support::Full,
    run: msgget,
};

/// msgctl(2).
pub const MSGCTL: SyscallInfo = SyscallInfo {
    nr: Sysno::MSGCTL,
    man: "msgctl(2)",
    args: &[
        Arg::Int("msqid"),
        Arg::Enum(
            "cmd",
            &[
                ("IPC_RMID", 0),
                ("IPC_SET", 1),
                ("IPC_STAT", 2),
                ("IPC_INFO", 3),
                ("MSG_STAT", 11),
                ("MSG_INFO", 12),
                ("MSG_STAT_ANY", 13),
            ],
        ),
        Arg::Data("buf"),
    ],
    errno: &[
        (Errno::EINVAL, "there is no queue with this id, or the command is unknown"),
        (Errno::EFAULT, "IPC_SET without a structure"),
        (Errno::EACCES, "the queue may not be read"),
        (Errno::EPERM, "the caller is neither owner nor creator and has no CAP_SYS_ADMIN over the IPC namespace"),
    ],
    support: Support::Full,
    run: msgctl,
};

fn msgget(k: &mut Kernel<'_>, caller: TaskId, a: Args<'_>) -> SysResult {
    let (key, flags) = (a.int32(0)?, a.int(1)?);
    let ns = k.ipc_ns_of(caller);
    let make = |k: &mut Kernel<'_>, perm| Ok(MsgQueue::new(perm, k.ipc_limit(ns, "kernel/msgmnb"), k.ipc_now()));
    let id = k.ipc_get(caller, key, flags, "kernel/msgmni", |_: &MsgQueue| Ok(()), make)?;
    Ok(Ret::new(id))
}

fn msgctl(k: &mut Kernel<'_>, caller: TaskId, a: Args<'_>) -> SysResult {
    let (id, cmd) = (a.int32(0)?, a.int32(1)?);
    if id < 0 || cmd < 0 {
        return Err(Errno::EINVAL.into());
    }
    match cmd {
        IPC_INFO | MSG_INFO => Ok(info(k, caller, cmd)),
        IPC_STAT => stat(k, caller, id, StatBy::Id),
        MSG_STAT => stat(k, caller, id, StatBy::Index),
        MSG_STAT_ANY => stat(k, caller, id, StatBy::AnyIndex),
        IPC_RMID => {
            k.ipc_control::<MsgQueue>(caller, id)?;
            let ns = k.ipc_ns_of(caller);
            k.ipc_remove::<MsgQueue>(ns, id);
            Ok(Ret::new(0))
        }
        IPC_SET => set(k, caller, id, a.get(2)),
        _ => Err(Errno::EINVAL.into()),
    }
}

fn info(k: &Kernel<'_>, caller: TaskId, cmd: i32) -> Ret {
    let ns = k.ipc_ns_of(caller);
    let queues = &k.ipc_namespaces[ns].msg;
    let limit = |name| Value::from(k.ipc_limit(ns, name));
    let headers: usize = queues.iter().map(|q| q.messages.len()).sum();
    let bytes: u64 = queues.iter().map(MsgQueue::cbytes).sum();
    let (pool, map, tql) =
        if cmd == MSG_INFO { (queues.in_use() as u64, headers as u64, bytes) } else { (MSGPOOL, MSGMNB, MSGMNB) };
    Ret::new(i64::from(queues.max_index())).with(
        2,
        Value::record([
            ("msgpool", pool.into()),
            ("msgmap", map.into()),
            ("msgmax", limit("kernel/msgmax")),
            ("msgmnb", limit("kernel/msgmnb")),
            ("msgmni", limit("kernel/msgmni")),
            ("msgssz", 16.into()),
            ("msgtql", tql.into()),
            ("msgseg", 0xffff.into()),
        ]),
    )
}

fn stat(k: &mut Kernel<'_>, caller: TaskId, id: i32, by: StatBy) -> SysResult {
    let queue = k.ipc_stat_object::<MsgQueue>(caller, id, by)?.clone();
    if by != StatBy::AnyIndex {
        k.ipcperms(caller, &queue.perm, S_IRUGO)?;
    }
    let pid_ns = k.pid_ns_of(caller);
    let value = Value::record([
        ("msg_perm", k.ipc_perm_value(caller, &queue.perm)),
        ("msg_stime", queue.stime.into()),
        ("msg_rtime", queue.rtime.into()),
        ("msg_ctime", queue.ctime.into()),
        ("msg_cbytes", queue.cbytes().into()),
        ("msg_qnum", queue.messages.len().into()),
        ("msg_qbytes", queue.qbytes.into()),
        ("msg_lspid", pid_nr_ns(&queue.lspid, pid_ns).into()),
        ("msg_lrpid", pid_nr_ns(&queue.lrpid, pid_ns).into()),
    ]);
    let result = if by == StatBy::Id { 0 } else { queue.perm.id };
    Ok(Ret::new(result).with(2, value))
}

fn set(k: &mut Kernel<'_>, caller: TaskId, id: i32, new: &Value) -> SysResult {
    if !matches!(new, Value::Struct(_)) {
        return Err(Errno::EFAULT.into());
    }
    k.ipc_control::<MsgQueue>(caller, id)?;
    let ns = k.ipc_ns_of(caller);
    let old = k.ipc_object::<MsgQueue>(caller, id)?.qbytes;
    let qbytes = new.field("msg_qbytes").and_then(Value::as_int).map_or(old, |n| n as u64);
    if qbytes > k.ipc_limit(ns, "kernel/msgmnb") && !k.capable(caller, Cap::SYS_RESOURCE) {
        return Err(Errno::EPERM.into());
    }
    k.ipc_set::<MsgQueue>(caller, id, new.field("msg_perm"))?;
    let now = k.ipc_now();
    let queue = k.ipc_object_mut::<MsgQueue>(caller, id)?;
    queue.qbytes = qbytes;
    queue.ctime = now;
    k.ipc_wake(caller, IpcKind::Msg, id);
    Ok(Ret::new(0))
}
