//! munmap(2): takes addresses away.

use super::{own_mm, page_range};
use crate::errno::Errno;
use crate::kernel::Kernel;
use crate::syscall::{Arg, Args, Ret, Support, SysResult, SyscallInfo, Sysno};
use crate::task::TaskId;

/// munmap(2).
pub const MUNMAP: SyscallInfo = SyscallInfo {
    nr: Sysno::MUNMAP,
    man: "mmap(2)",
    args: &[Arg::Data("addr"), Arg::Int("length")],
    errno: &[(Errno::EINVAL, "the address is not that of a page, the length is 0, or the end is not a program's")],
    support: Support::Full,
    run: munmap,
};

fn munmap(k: &mut Kernel<'_>, caller: TaskId, a: Args<'_>) -> SysResult {
    let (first, pages) = page_range(a.int(0)?, a.int(1)?).map_err(|_| Errno::EINVAL)?;
    if pages == 0 {
        return Err(Errno::EINVAL.into());
    }
    let mm = own_mm(k, caller)?;
    k.unmap(caller, mm, first, pages);
    Ok(Ret::new(0))
}
