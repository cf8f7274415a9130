//! mlock(2), mlock2(2), munlock(2), mlockall(2), munlockall(2): memory that stays in memory.

use super::{may_lock, own_mm};
use crate::errno::Errno;
use crate::kernel::Kernel;
use crate::mm::{MmId, PAGE_SIZE};
use crate::syscall::{Arg, Args, Ret, Support, SysResult, SyscallInfo, Sysno};
use crate::task::TaskId;

const ERRORS: &[(Errno, &str)] = &[
    (Errno::EPERM, "RLIMIT_MEMLOCK is 0, without CAP_IPC_LOCK"),
    (Errno::ENOMEM, "RLIMIT_MEMLOCK is reached, or some of the addresses are not mapped"),
    (Errno::EINVAL, "an unknown flag"),
];
const MCL_CURRENT: u64 = 1;
const MCL_FUTURE: u64 = 2;
const MCL_ONFAULT: u64 = 4;
const MLOCK_ONFAULT: u64 = 1;

/// mlock(2).
pub const MLOCK: SyscallInfo = SyscallInfo {
    nr: Sysno::MLOCK,
    man: "mlock(2)",
    args: &[Arg::Data("addr"), Arg::Int("len")],
    errno: ERRORS,
    support: Support::Full,
    run: |k, caller, a| lock(k, caller, a, 0),
};

/// mlock2(2).
pub const MLOCK2: SyscallInfo = SyscallInfo {
    nr: Sysno::MLOCK2,
    man: "mlock(2)",
    args: &[Arg::Data("addr"), Arg::Int("len"), Arg::Flags("flags", &[("MLOCK_ONFAULT", MLOCK_ONFAULT)])],
    errno: ERRORS,
    support: Support::Full,
    run: |k, caller, a| lock(k, caller, a, a.flags(2)?),
};

/// munlock(2).
pub const MUNLOCK: SyscallInfo = SyscallInfo {
    nr: Sysno::MUNLOCK,
    man: "mlock(2)",
    args: &[Arg::Data("addr"), Arg::Int("len")],
    errno: &[(Errno::ENOMEM, "some of the addresses are not mapped")],
    support: Support::Full,
    run: munlock,
};

/// mlockall(2).
pub const MLOCKALL: SyscallInfo = SyscallInfo {
    nr: Sysno::MLOCKALL,
    man: "mlock(2)",
    args: &[Arg::Flags(
        "flags",
        &[("MCL_CURRENT", MCL_CURRENT), ("MCL_FUTURE", MCL_FUTURE), ("MCL_ONFAULT", MCL_ONFAULT)],
    )],
    errno: ERRORS,
    support: Support::Full,
    run: mlockall,
};

/// munlockall(2).
pub const MUNLOCKALL: SyscallInfo = SyscallInfo {
    nr: Sysno::MUNLOCKALL,
    man: "mlock(2)",
    args: &[],
    errno: &[],
    support: Support::Full,
    run: munlockall,
};

/// The pages in which a range lies: unlike with mmap(2), the address is rounded down.
fn pages_of(addr: i64, len: i64) -> Result<(u64, u64), Errno> {
    let (addr, len) = (addr as u64, len as u64);
    let end = addr.checked_add(len).ok_or(Errno::EINVAL)?.checked_add(PAGE_SIZE - 1).ok_or(Errno::EINVAL)?;
    let first = addr / PAGE_SIZE;
    Ok((first, end / PAGE_SIZE - first))
}

fn lock(k: &mut Kernel<'_>, caller: TaskId, a: Args<'_>, flags: u64) -> SysResult {
    if flags & !MLOCK_ONFAULT != 0 {
        return Err(Errno::EINVAL.into());
    }
    let (first, pages) = pages_of(a.int(0)?, a.int(1)?)?;
    let mm = own_mm(k, caller)?;
    let locked = k.mm.spaces[mm].sizes().locked;
    may_lock(k, caller, locked + pages, Errno::ENOMEM)?;
    set_locked(k, mm, first, pages, true)?;
    if flags & MLOCK_ONFAULT == 0 {
        k.populate(caller, first, pages);
    }
    Ok(Ret::new(0))
}

fn munlock(k: &mut Kernel<'_>, caller: TaskId, a: Args<'_>) -> SysResult {
    let (first, pages) = pages_of(a.int(0)?, a.int(1)?)?;
    let mm = own_mm(k, caller)?;
    set_locked(k, mm, first, pages, false)?;
    Ok(Ret::new(0))
}

/// Marks areas, which are cut at the borders of the range.
fn set_locked(k: &mut Kernel<'_>, mm: MmId, first: u64, pages: u64, locked: bool) -> Result<(), Errno> {
    let space = &k.mm.spaces[mm];
    let covered: u64 = space
        .areas_in(first, pages)
        .into_iter()
        .filter_map(|at| space.vmas.get(&at).map(|v| (at + v.pages).min(first + pages) - at.max(first)))
        .sum();
    for at in k.split_areas(mm, first, pages) {
        if let Some(vma) = k.mm.spaces[mm].vmas.get_mut(&at) {
            vma.locked = locked;
        }
    }
    if covered < pages { Err(Errno::ENOMEM) } else { Ok(()) }
}

fn mlockall(k: &mut Kernel<'_>, caller: TaskId, a: Args<'_>) -> SysResult {
    let flags = a.flags(0)?;
    if flags == 0 || flags & !(MCL_CURRENT | MCL_FUTURE | MCL_ONFAULT) != 0 || flags == MCL_ONFAULT {
        return Err(Errno::EINVAL.into());
    }
    let mm = own_mm(k, caller)?;
    let total = k.mm.spaces[mm].total();
    let needed = if flags & MCL_CURRENT != 0 { total } else { 0 };
    may_lock(k, caller, needed, Errno::ENOMEM)?;
    k.mm.spaces[mm].lock_future = flags & MCL_FUTURE != 0;
    if flags & MCL_CURRENT != 0 {
        for (first, pages) in k.mm.spaces[mm].lock_all(true) {
            if flags & MCL_ONFAULT == 0 {
                k.populate(caller, first, pages);
            }
        }
    }
    Ok(Ret::new(0))
}

fn munlockall(k: &mut Kernel<'_>, caller: TaskId, _: Args<'_>) -> SysResult {
    let mm = own_mm(k, caller)?;
    k.mm.spaces[mm].lock_future = false;
    k.mm.spaces[mm].lock_all(false);
    Ok(Ret::new(0))
}
