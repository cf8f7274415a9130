//! mremap(2): makes an area longer or shorter, and moves it where that is allowed.

use super::{may_expand, own_mm};
use crate::errno::Errno;
use crate::kernel::Kernel;
use crate::mm::PAGE_SIZE;
use crate::mm::address_space::{Backing, TASK_END};
use crate::mm::event::MemoryEvent;
use crate::syscall::{Arg, Args, Ret, Support, SysResult, SyscallInfo, Sysno};
use crate::task::TaskId;

const MAYMOVE: u64 = 1;
const FIXED: u64 = 2;

/// mremap(2).
pub const MREMAP: SyscallInfo = SyscallInfo {
    nr: Sysno::MREMAP,
    man: "mremap(2)",
    args: &[
        Arg::Data("old_address"),
        Arg::Int("old_size"),
        Arg::Int("new_size"),
        Arg::Flags("flags", &[("MREMAP_MAYMOVE", MAYMOVE), ("MREMAP_FIXED", FIXED), ("MREMAP_DONTUNMAP", 4)]),
        Arg::Data("new_address"),
    ],
    errno: &[
        (Errno::EINVAL, "an unknown flag, an address that is not that of a page, or a length of 0"),
        (Errno::EFAULT, "the addresses are not those of one area"),
        (Errno::ENOMEM, "there is no room and it may not move, or RLIMIT_AS or RLIMIT_DATA is reached"),
    ],
    support: Support::Partial("MREMAP_FIXED and MREMAP_DONTUNMAP are refused; only memory without a file is moved"),
    run: mremap,
};

fn mremap(k: &mut Kernel<'_>, caller: TaskId, a: Args<'_>) -> SysResult {
    let (addr, flags) = (a.int(0)? as u64, a.flags(3)?);
    let pages = |bytes: i64| (bytes as u64).div_ceil(PAGE_SIZE);
    let (old, new) = (pages(a.int(1)?), pages(a.int(2)?));
    if flags & !MAYMOVE != 0 || !addr.is_multiple_of(PAGE_SIZE) || new == 0 || old == 0 {
        return Err(Errno::EINVAL.into());
    }
    let mm = own_mm(k, caller)?;
    let first = addr / PAGE_SIZE;
    let Some((start, vma)) = k.mm.spaces[mm].find(first).map(|(s, v)| (s, v.clone())) else {
        return Err(Errno::EFAULT.into());
    };
    if first + old > start + vma.pages {
        return Err(Errno::EFAULT.into());
    }
    if new <= old {
        if new < old {
            k.unmap(caller, mm, first + new, old - new);
        }
        return Ok(Ret::new(addr as i64));
    }
    let more = new - old;
    if !may_expand(k, caller, mm, more, vma.is_data()) {
        return Err(Errno::ENOMEM.into());
    }
    let at_end = first + old == start + vma.pages && first + new <= TASK_END;
    if at_end && k.mm.spaces[mm].areas_in(first + old, more).is_empty() && vma.backing == Backing::Anonymous {
        let mut longer = vma.clone();
        longer.pages = more;
        k.mm.spaces[mm].insert(first + old, longer);
        k.emit_memory(MemoryEvent::AddressSpaceChanged { task: caller, first: first + old, pages: more, mapped: true });
        return Ok(Ret::new(addr as i64));
    }
    if flags & MAYMOVE == 0 || vma.backing != Backing::Anonymous {
        return Err(Errno::ENOMEM.into());
    }
    let to = k.mm.spaces[mm].unmapped_area(new).ok_or(Errno::ENOMEM)?;
    k.move_page_tables(mm, first, old, to);
    let mut moved = vma;
    moved.pages = new;
    k.unmap(caller, mm, first, old);
    k.mm.spaces[mm].insert(to, moved);
    k.emit_memory(MemoryEvent::AddressSpaceChanged { task: caller, first: to, pages: new, mapped: true });
    Ok(Ret::new((to * PAGE_SIZE) as i64))
}
