//! lseek(2): where the next read or write begins.

use crate::errno::Errno;
use crate::kernel::Kernel;
use crate::syscall::{Arg, Args, Ret, Support, SysResult, SyscallInfo, Sysno};
use crate::task::TaskId;
use crate::vfs::Node;
use crate::vfs::fs::FileType;
use crate::vfs::inode::InodeKind;

/// lseek(2).
pub const LSEEK: SyscallInfo = SyscallInfo {
    nr: Sysno::LSEEK,
    man: "lseek(2)",
    args: &[
        Arg::Fd("fd"),
        Arg::Int("offset"),
        Arg::Enum("whence", &[("SEEK_SET", 0), ("SEEK_CUR", 1), ("SEEK_END", 2), ("SEEK_DATA", 3), ("SEEK_HOLE", 4)]),
    ],
    errno: &[
        (Errno::EBADF, "fd is not open"),
        (Errno::EINVAL, "whence is unknown, or the place would be before the beginning"),
        (Errno::ESPIPE, "fd is a pipe or a terminal"),
        (Errno::ENXIO, "SEEK_DATA or SEEK_HOLE beyond the end"),
    ],
    support: Support::Full,
    run: lseek,
};

fn lseek(k: &mut Kernel<'_>, caller: TaskId, a: Args<'_>) -> SysResult {
    let id = k.real_file_id(caller, a.int32(0)?)?;
    let (offset, whence) = (a.int(1)?, a.int(2)?);
    if !(0..=4).contains(&whence) {
        return Err(Errno::EINVAL.into());
    }
    super::read::has_offsets(k, id)?;
    let file = &k.vfs.files[id];
    let place = file.path().ok_or(Errno::ESPIPE)?;
    let attr = k.attr(place);
    let to = match whence {
        0 => offset,
        1 => file.pos as i64 + offset,
        2 if attr.file_type == FileType::CharDevice => 0,
        2 if attr.file_type == FileType::BlockDevice => {
            let disk = k.disk_by_dev(attr.rdev).ok_or(Errno::ENXIO)?;
            k.block.disks[disk].size as i64 + offset
        }
        2 => attr.size as i64 + offset,
        _ => {
            let Node::Tree(dentry) = place.node else { return Err(Errno::EINVAL.into()) };
            let InodeKind::Regular(content) = &k.inode_of(dentry).kind else { return Err(Errno::EINVAL.into()) };
            let from = u64::try_from(offset).map_err(|_| Errno::ENXIO)?;
            content.seek(from, whence == 3).ok_or(Errno::ENXIO)? as i64
        }
    };
    let to = u64::try_from(to).map_err(|_| Errno::EINVAL)?;
    k.vfs.files[id].pos = to;
    Ok(Ret::new(to as i64))
}
