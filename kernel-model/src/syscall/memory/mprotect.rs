//! mprotect(2): what may be done with addresses.

use super::{PROT, may_expand, own_mm, page_range};
use crate::errno::Errno;
use crate::kernel::Kernel;
use crate::mm::address_space::{Backing, Prot};
use crate::syscall::{Arg, Args, Ret, Support, SysResult, SyscallInfo, Sysno};
use crate::task::TaskId;

/// mprotect(2).
pub const MPROTECT: SyscallInfo = SyscallInfo {
    nr: Sysno::MPROTECT,
    man: "mprotect(2)",
    args: &[Arg::Data("addr"), Arg::Int("len"), Arg::Flags("prot", PROT)],
    errno: &[
        (Errno::EINVAL, "the address is not that of a page, or an unknown bit in prot"),
        (Errno::ENOMEM, "some of the addresses are not mapped, or RLIMIT_DATA is reached"),
        (Errno::EACCES, "a file that is open only for reading would become writable"),
    ],
    support: Support::Partial("PROT_GROWSDOWN and PROT_GROWSUP are not modelled"),
    run: mprotect,
};

fn mprotect(k: &mut Kernel<'_>, caller: TaskId, a: Args<'_>) -> SysResult {
    let prot = a.flags(2)?;
    let (first, pages) = page_range(a.int(0)?, a.int(1)?)?;
    if pages == 0 {
        return Ok(Ret::new(0));
    }
    if prot & !0xf != 0 {
        return Err(Errno::EINVAL.into());
    }
    let prot = Prot((prot & 7) as u8);
    let mm = own_mm(k, caller)?;
    let mut at = first;
    for start in k.mm.spaces[mm].areas_in(first, pages) {
        let Some(vma) = k.mm.spaces[mm].vmas.get(&start).cloned() else { continue };
        if start > at {
            return Err(Errno::ENOMEM.into());
        }
        if let Backing::File { file, .. } = vma.backing
            && vma.shared
            && prot.can(Prot::WRITE)
            && !k.vfs.files[file].can_write()
        {
            return Err(Errno::EACCES.into());
        }
        let becomes_data = !vma.is_data() && prot.can(Prot::WRITE) && !vma.shared;
        if becomes_data && !may_expand(k, caller, mm, 0, true) {
            return Err(Errno::ENOMEM.into());
        }
        let end = (start + vma.pages).min(first + pages);
        for piece in k.split_areas(mm, at, end - at) {
            if let Some(vma) = k.mm.spaces[mm].vmas.get_mut(&piece) {
                vma.prot = prot;
            }
        }
        k.change_protection(mm, at, end - at, prot);
        at = end;
    }
    if at < first + pages { Err(Errno::ENOMEM.into()) } else { Ok(Ret::new(0)) }
}
