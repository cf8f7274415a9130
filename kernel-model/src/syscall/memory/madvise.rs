//! madvise(2): what a program is going to do with its memory.

use super::{own_mm, page_range};
use crate::errno::Errno;
use crate::kernel::Kernel;
use crate::mm::memcg::Charge;
use crate::syscall::{Arg, Args, Ret, Support, SysResult, SyscallInfo, Sysno};
use crate::task::TaskId;

const WILLNEED: i64 = 3;
const DONTNEED: i64 = 4;
const FREE: i64 = 8;
const LAST: i64 = 25;

/// madvise(2).
pub const MADVISE: SyscallInfo = SyscallInfo {
    nr: Sysno::MADVISE,
    man: "madvise(2)",
    args: &[
        Arg::Data("addr"),
        Arg::Int("length"),
        Arg::Enum(
            "advice",
            &[
                ("MADV_NORMAL", 0),
                ("MADV_RANDOM", 1),
                ("MADV_SEQUENTIAL", 2),
                ("MADV_WILLNEED", 3),
                ("MADV_DONTNEED", 4),
                ("MADV_FREE", 8),
                ("MADV_HUGEPAGE", 14),
                ("MADV_NOHUGEPAGE", 15),
            ],
        ),
    ],
    errno: &[
        (Errno::EINVAL, "the address is not that of a page, the advice is not known, or the memory is locked"),
        (Errno::ENOMEM, "some of the addresses are not mapped"),
    ],
    support: Support::Partial("MADV_DONTNEED and MADV_FREE give pages back at once; other advice changes nothing here"),
    run: madvise,
};

fn madvise(k: &mut Kernel<'_>, caller: TaskId, a: Args<'_>) -> SysResult {
    let advice = a.int(2)?;
    if !(0..=LAST).contains(&advice) {
        return Err(Errno::EINVAL.into());
    }
    let (first, pages) = page_range(a.int(0)?, a.int(1)?)?;
    let mm = own_mm(k, caller)?;
    let mut mapped = 0;
    for start in k.mm.spaces[mm].areas_in(first, pages) {
        let Some(vma) = k.mm.spaces[mm].vmas.get(&start) else { continue };
        let (from, to) = (start.max(first), (start + vma.pages).min(first + pages));
        mapped += to - from;
        let drops = matches!(advice, DONTNEED | FREE);
        if drops && vma.locked {
            return Err(Errno::EINVAL.into());
        }
        if drops {
            k.zap_pages(mm, from, to - from);
            let freed = k.mm.unmap_range(mm, from, to - from);
            k.uncharge_all(Charge::Anon, &freed);
            k.mm.spaces[mm].drop_resident(start, from, to - from);
        } else if advice == WILLNEED {
            // Files in memory are there already.
        }
    }
    if mapped < pages { Err(Errno::ENOMEM.into()) } else { Ok(Ret::new(0)) }
}
