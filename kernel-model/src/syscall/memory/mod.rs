//! The address space of a process: brk(2), mmap(2) and what belongs to them.

pub mod brk;
pub mod madvise;
pub mod mincore;
pub mod mlock;
pub mod mmap;
pub mod mprotect;
pub mod mremap;
pub mod munmap;

use super::SyscallInfo;
use crate::errno::Errno;
use crate::kernel::Kernel;
use crate::mm::address_space::TASK_END;
use crate::mm::{MmId, PAGE_SIZE};
use crate::security::capability::Cap;
use crate::security::rlimit;
use crate::task::TaskId;

/// The records of these calls.
pub const RECORDS: &[&SyscallInfo] = &[
    &brk::BRK,
    &mmap::MMAP,
    &munmap::MUNMAP,
    &mprotect::MPROTECT,
    &mremap::MREMAP,
    &madvise::MADVISE,
    &mincore::MINCORE,
    &mlock::MLOCK,
    &mlock::MLOCK2,
    &mlock::MUNLOCK,
    &mlock::MLOCKALL,
    &mlock::MUNLOCKALL,
];

/// `PROT_*` as strace names them.
const PROT: super::FlagNames = &[("PROT_READ", 1), ("PROT_WRITE", 2), ("PROT_EXEC", 4)];

/// The address space of a caller.
fn own_mm(k: &Kernel<'_>, caller: TaskId) -> Result<MmId, Errno> {
    k.mm_of(caller).ok_or(Errno::ENOMEM)
}

/// A range of addresses as pages: the address must be that of a page, the length is rounded up.
fn page_range(addr: i64, length: i64) -> Result<(u64, u64), Errno> {
    let (addr, length) = (addr as u64, length as u64);
    if !addr.is_multiple_of(PAGE_SIZE) {
        return Err(Errno::EINVAL);
    }
    let pages = length.checked_add(PAGE_SIZE - 1).ok_or(Errno::ENOMEM)? / PAGE_SIZE;
    let first = addr / PAGE_SIZE;
    if first + pages > TASK_END { Err(Errno::ENOMEM) } else { Ok((first, pages)) }
}

/// Whether the address space may grow by so many pages (`may_expand_vm`): RLIMIT_AS for all, RLIMIT_DATA for private
/// writable memory.
fn may_expand(k: &Kernel<'_>, caller: TaskId, mm: MmId, pages: u64, is_data: bool) -> bool {
    let limits = &k.processes[k.tasks[caller].process].rlimits.0;
    let sizes = k.mm.spaces[mm].sizes();
    let fits = |have: u64, limit: u64| limit == rlimit::INFINITY || have + pages <= limit / PAGE_SIZE;
    fits(sizes.total, limits[rlimit::AS].soft) && (!is_data || fits(sizes.data, limits[rlimit::DATA].soft))
}

/// Whether so many more pages may be locked (`mlock_future_ok`, `can_do_mlock`).
///
/// # Errors
/// EPERM when nothing may be locked at all; ENOMEM above RLIMIT_MEMLOCK.
fn may_lock(k: &mut Kernel<'_>, caller: TaskId, locked: u64, above: Errno) -> Result<(), Errno> {
    let first = k.first_user_ns();
    if k.capable_in(caller, first, Cap::IPC_LOCK) {
        return Ok(());
    }
    let limit = k.processes[k.tasks[caller].process].rlimits.0[rlimit::MEMLOCK].soft;
    match limit {
        0 => Err(Errno::EPERM),
        _ if locked > limit / PAGE_SIZE => Err(above),
        _ => Ok(()),
    }
}
