//! brk(2): moves the end of the heap.

use super::{may_expand, own_mm};
use crate::kernel::Kernel;
use crate::mm::PAGE_SIZE;
use crate::mm::address_space::{Prot, Vma};
use crate::mm::event::MemoryEvent;
use crate::security::rlimit;
use crate::syscall::{Arg, Args, Ret, Support, SysResult, SyscallInfo, Sysno};
use crate::task::TaskId;

/// brk(2). Like the system call, and unlike the C function, it gives back where the heap ends now.
pub const BRK: SyscallInfo = SyscallInfo {
    nr: Sysno::BRK,
    man: "brk(2)",
    args: &[Arg::Data("brk")],
    errno: &[],
    support: Support::Full,
    run: brk,
};

fn brk(k: &mut Kernel<'_>, caller: TaskId, a: Args<'_>) -> SysResult {
    let wanted = a.int(0)? as u64;
    let mm = own_mm(k, caller)?;
    let (start, old) = (k.mm.spaces[mm].start_brk, k.mm.spaces[mm].brk);
    let unchanged = Ok(Ret::new(old as i64));
    let limit = k.processes[k.tasks[caller].process].rlimits.0[rlimit::DATA].soft;
    if wanted < start || (limit != rlimit::INFINITY && wanted - start > limit) {
        return unchanged;
    }
    let (old_end, new_end) = (old.div_ceil(PAGE_SIZE), wanted.div_ceil(PAGE_SIZE));
    if new_end < old_end {
        k.mm.spaces[mm].brk = wanted;
        k.unmap(caller, mm, new_end, old_end - new_end);
        return Ok(Ret::new(wanted as i64));
    }
    let pages = new_end - old_end;
    if pages > 0 {
        // Up to whatever is mapped above, and a page between.
        let taken = !k.mm.spaces[mm].areas_in(old_end, pages + 1).is_empty();
        if taken || !may_expand(k, caller, mm, pages, true) {
            return unchanged;
        }
        k.mm.spaces[mm].insert(old_end, Vma::anonymous(pages, Prot::RW));
        k.emit_memory(MemoryEvent::AddressSpaceChanged { task: caller, first: old_end, pages, mapped: true });
    }
    k.mm.spaces[mm].brk = wanted;
    Ok(Ret::new(wanted as i64))
}
