//! shmat(2) and shmdt(2): attaches and detaches a shared memory segment.

use crate::errno::Errno;
use crate::ipc::sysv::S_IRUGO;
use crate::ipc::sysv::S_IWUGO;
use crate::ipc::sysv::shm::{Attachment, PAGE, ShmSegment};
use crate::kernel::Kernel;
use crate::syscall::{Arg, Args, Ret, Support, SysResult, SyscallInfo, Sysno};
use crate::task::TaskId;

const SHM_RDONLY: i64 = 0o10_000;
const SHM_RND: i64 = 0o20_000;
const SHM_REMAP: i64 = 0o40_000;
const SHM_EXEC: i64 = 0o100_000;
/// Permission to execute, for everybody.
const S_IXUGO: u32 = 0o111;

/// shmat(2).
pub const SHMAT: SyscallInfo = SyscallInfo {
    nr: Sysno::SHMAT,
    man: "shmop(2)",
    args: &[
        Arg::Int("shmid"),
        Arg::Data("shmaddr"),
        Arg::Flags(
            "shmflg",
            &[("SHM_RDONLY", 0o10_000), ("SHM_RND", 0o20_000), ("SHM_REMAP", 0o40_000), ("SHM_EXEC", 0o100_000)],
        ),
    ],
    errno: &[
        (Errno::EINVAL, "there is no segment with this id, or the address is not that of a page or is taken"),
        (Errno::EACCES, "the segment may not be read or written"),
    ],
    support: Support::Partial("the segment is attached, but there is no memory to read or write"),
    run: shmat,
};

/// shmdt(2).
pub const SHMDT: SyscallInfo = SyscallInfo {
    nr: Sysno::SHMDT,
    man: "shmop(2)",
    args: &[Arg::Data("shmaddr")],
    errno: &[(Errno::EINVAL, "no segment is attached at this address")],
    support: Support::Full,
    run: shmdt,
};

fn shmat(k: &mut Kernel<'_>, caller: TaskId, a: Args<'_>) -> SysResult {
    let (id, mut addr, flags) = (a.int32(0)?, a.int(1)? as u64, a.int(2)?);
    if id < 0 {
        return Err(Errno::EINVAL.into());
    }
    if addr % PAGE != 0 {
        if flags & SHM_RND == 0 {
            return Err(Errno::EINVAL.into());
        }
        addr -= addr % PAGE;
    }
    if addr == 0 && flags & SHM_REMAP != 0 {
        return Err(Errno::EINVAL.into());
    }
    let mut wanted = if flags & SHM_RDONLY != 0 { S_IRUGO } else { S_IRUGO | S_IWUGO };
    if flags & SHM_EXEC != 0 {
        wanted |= S_IXUGO;
    }
    let segment = k.ipc_object::<ShmSegment>(caller, id)?.clone();
    k.ipcperms(caller, &segment.perm, wanted)?;
    let process = k.tasks[caller].process;
    if addr == 0 {
        addr = k.free_shm_address(process);
    } else if flags & SHM_REMAP == 0 {
        let end = addr.saturating_add(segment.segsz);
        let overlaps = |(_, _, start, size): &(_, _, u64, u64)| addr < start + size && *start < end;
        if k.shm_attachments(process).iter().any(overlaps) {
            return Err(Errno::EINVAL.into());
        }
    }
    let ns = k.ipc_ns_of(caller);
    k.attach_shm(ns, id, Attachment { process, addr });
    Ok(Ret::new(addr as i64))
}

fn shmdt(k: &mut Kernel<'_>, caller: TaskId, a: Args<'_>) -> SysResult {
    let addr = a.int(0)? as u64;
    let process = k.tasks[caller].process;
    let found = k.shm_attachments(process).into_iter().find(|(_, _, at, _)| *at == addr);
    let (ns, id, ..) = found.filter(|_| addr.is_multiple_of(PAGE)).ok_or(Errno::EINVAL)?;
    k.detach_shm(ns, id, Attachment { process, addr });
    Ok(Ret::new(0))
}
