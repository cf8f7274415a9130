//! msgsnd(2) and msgrcv(2): messages into and out of a queue.

use crate::errno::Errno;
use crate::ipc::sysv::msg::{Message, MsgQueue, Search};
use crate::ipc::sysv::{IPC_NOWAIT, IpcKind, S_IRUGO, S_IWUGO};
use crate::kernel::Kernel;
use crate::syscall::{Arg, Args, FlagNames, Ret, Stop, Support, SysResult, SyscallInfo, Sysno, Value};
use crate::task::TaskId;

const MSG_NOERROR: i64 = 0o10_000;
const MSG_EXCEPT: i64 = 0o20_000;
const MSG_COPY: i64 = 0o40_000;
const FLAGS: FlagNames =
    &[("IPC_NOWAIT", 0o4000), ("MSG_NOERROR", 0o10_000), ("MSG_EXCEPT", 0o20_000), ("MSG_COPY", 0o40_000)];

/// msgsnd(2). The message is `{mtype, mtext}`.
pub const MSGSND: SyscallInfo = SyscallInfo {
    nr: Sysno::MSGSND,
    man: "msgop(2)",
    args: &[Arg::Int("msqid"), Arg::Data("msgp"), Arg::Int("msgsz"), Arg::Flags("msgflg", FLAGS)],
    errno: &[
        (Errno::EFAULT, "there is no message"),
        (Errno::EINVAL, "no such queue, a size above kernel.msgmax, or a type below 1"),
        (Errno::EACCES, "the queue may not be written"),
        (Errno::EAGAIN, "the queue is full and IPC_NOWAIT is given"),
        (Errno::EIDRM, "the queue was removed while the caller slept"),
        (Errno::EINTR, "a signal came while the caller slept"),
    ],
    support: Support::Full,
    run: msgsnd,
};

/// msgrcv(2). The message is output 1.
pub const MSGRCV: SyscallInfo = SyscallInfo {
    nr: Sysno::MSGRCV,
    man: "msgop(2)",
    args: &[Arg::Int("msqid"), Arg::Data("msgp"), Arg::Int("msgsz"), Arg::Int("msgtyp"), Arg::Flags("msgflg", FLAGS)],
    errno: &[
        (Errno::EINVAL, "no such queue, a negative size, or MSG_COPY without IPC_NOWAIT or with MSG_EXCEPT"),
        (Errno::EACCES, "the queue may not be read"),
        (Errno::E2BIG, "the message is longer than msgsz and MSG_NOERROR is not given"),
        (Errno::ENOMSG, "no such message is there and IPC_NOWAIT is given"),
        (Errno::EIDRM, "the queue was removed while the caller slept"),
        (Errno::EINTR, "a signal came while the caller slept"),
    ],
    support: Support::Full,
    run: msgrcv,
};

fn msgsnd(k: &mut Kernel<'_>, caller: TaskId, a: Args<'_>) -> SysResult {
    let (id, size, flags) = (a.int32(0)?, a.int(2)?, a.int(3)?);
    let message = a.get(1);
    let mtype = message.field("mtype").and_then(Value::as_int).ok_or(Errno::EFAULT)?;
    let max = k.ipc_limit(k.ipc_ns_of(caller), "kernel/msgmax");
    let Some(size) = u64::try_from(size).ok().filter(|size| *size <= max && id >= 0) else {
        return Err(Errno::EINVAL.into());
    };
    if mtype < 1 {
        return Err(Errno::EINVAL.into());
    }
    let mut text = message.field("mtext").and_then(Value::as_bytes).unwrap_or_default().to_vec();
    text.resize(size as usize, 0);
    let queue = k.ipc_object_again::<MsgQueue>(caller, id)?;
    let (perm, fits) = (queue.perm.clone(), queue.fits(size));
    k.ipcperms(caller, &perm, S_IWUGO)?;
    if !fits {
        if flags & IPC_NOWAIT != 0 {
            return Err(Errno::EAGAIN.into());
        }
        return Err(Stop::Block(k.ipc_sleep(caller, IpcKind::Msg, id)));
    }
    let (pid, now) = (k.tgid_numbers(caller), k.ipc_now());
    let queue = k.ipc_object_mut::<MsgQueue>(caller, id)?;
    queue.messages.push_back(Message { mtype, text: text.into() });
    queue.lspid = pid;
    queue.stime = now;
    k.ipc_wake(caller, IpcKind::Msg, id);
    Ok(Ret::new(0))
}

fn msgrcv(k: &mut Kernel<'_>, caller: TaskId, a: Args<'_>) -> SysResult {
    let (id, size, mtype, flags) = (a.int32(0)?, a.int(2)?, a.int(3)?, a.int(4)?);
    let Some(size) = usize::try_from(size).ok().filter(|_| id >= 0) else { return Err(Errno::EINVAL.into()) };
    let copy = flags & MSG_COPY != 0;
    if copy && (flags & MSG_EXCEPT != 0 || flags & IPC_NOWAIT == 0) {
        return Err(Errno::EINVAL.into());
    }
    let search = match mtype {
        n if copy => Search::Number(n),
        0 => Search::Any,
        ..0 => Search::LessEqual(mtype.checked_neg().unwrap_or(i64::MAX)),
        _ if flags & MSG_EXCEPT != 0 => Search::NotEqual(mtype),
        _ => Search::Equal(mtype),
    };
    let queue = k.ipc_object_again::<MsgQueue>(caller, id)?;
    let (perm, place) = (queue.perm.clone(), queue.find(search));
    k.ipcperms(caller, &perm, S_IRUGO)?;
    let Some(place) = place else {
        if flags & IPC_NOWAIT != 0 {
            return Err(Errno::ENOMSG.into());
        }
        return Err(Stop::Block(k.ipc_sleep(caller, IpcKind::Msg, id)));
    };
    let (pid, now) = (k.tgid_numbers(caller), k.ipc_now());
    let queue = k.ipc_object_mut::<MsgQueue>(caller, id)?;
    let Some(message) = queue.messages.get(place).cloned() else { return Err(Errno::ENOMSG.into()) };
    if size < message.text.len() && flags & MSG_NOERROR == 0 {
        return Err(Errno::E2BIG.into());
    }
    if !copy {
        queue.messages.remove(place);
        queue.lrpid = pid;
        queue.rtime = now;
        k.ipc_wake(caller, IpcKind::Msg, id);
    }
    let text = message.text.get(..size).unwrap_or(&message.text);
    let value = Value::record([("mtype", message.mtype.into()), ("mtext", Value::bytes(text))]);
    Ok(Ret::new(text.len() as i64).with(1, value))
}
