//! mincore(2): which pages of a range are in memory.

use super::{own_mm, page_range};
use crate::errno::Errno;
use crate::kernel::Kernel;
use crate::mm::address_space::Backing;
use crate::syscall::{Arg, Args, Ret, Support, SysResult, SyscallInfo, Sysno, Value};
use crate::task::TaskId;

/// mincore(2). A byte a page is output 2.
pub const MINCORE: SyscallInfo = SyscallInfo {
    nr: Sysno::MINCORE,
    man: "mincore(2)",
    args: &[Arg::Data("addr"), Arg::Int("length"), Arg::Data("vec")],
    errno: &[
        (Errno::EINVAL, "the address is not that of a page"),
        (Errno::ENOMEM, "some of the addresses are not mapped"),
    ],
    support: Support::Partial("pages of files are always in memory"),
    run: mincore,
};

fn mincore(k: &mut Kernel<'_>, caller: TaskId, a: Args<'_>) -> SysResult {
    let (first, pages) = page_range(a.int(0)?, a.int(1)?)?;
    let mm = own_mm(k, caller)?;
    let space = &k.mm.spaces[mm];
    let areas = space.areas_in(first, pages).into_iter().filter_map(|start| {
        let vma = space.vmas.get(&start)?;
        Some((start.max(first), (start + vma.pages).min(first + pages), &vma.backing))
    });
    let areas: Vec<(u64, u64, &Backing)> = areas.collect();
    if areas.iter().map(|(from, to, _)| to - from).sum::<u64>() < pages {
        return Err(Errno::ENOMEM.into());
    }
    let mut resident = vec![0u8; pages as usize];
    for (from, to, backing) in areas {
        let parts: Vec<(u64, u64)> = match backing {
            Backing::Anonymous | Backing::Stack => {
                k.mm.anon_in(mm, from, to - from).iter().map(|(at, segment)| (*at, segment.pages)).collect()
            }
            Backing::Image { .. } | Backing::Kernel(_) | Backing::File { .. } => vec![(from, to - from)],
        };
        for (at, n) in parts {
            resident[(at - first) as usize..(at - first + n) as usize].fill(1);
        }
    }
    Ok(Ret::new(0).with(2, Value::bytes(resident)))
}
