//! truncate(2), ftruncate(2) and fallocate(2): the length of a file and the pages that it occupies.

use crate::errno::Errno;
use crate::kernel::Kernel;
use crate::program::libc::AT_FDCWD;
use crate::syscall::{Arg, Args, Ret, Support, SysResult, SyscallInfo, Sysno};
use crate::task::TaskId;
use crate::vfs::Node;
use crate::vfs::fs::FileType;
use crate::vfs::inode::{DentryId, InodeKind};
use crate::vfs::permission::Access;
use crate::vfs::walk::LookupFlags;

/// `FALLOC_FL_KEEP_SIZE`.
const KEEP_SIZE: u64 = 1;
/// `FALLOC_FL_PUNCH_HOLE`.
const PUNCH_HOLE: u64 = 2;

const ERRORS: &[(Errno, &str)] = &[
    (Errno::EINVAL, "the length is negative, or it is no regular file open for writing"),
    (Errno::EBADF, "fd is not open"),
    (Errno::ENOENT, "a name does not exist"),
    (Errno::EISDIR, "it is a directory"),
    (Errno::EROFS, "the file system or the mount is read-only"),
    (Errno::EACCES, "the file may not be written"),
    (Errno::EFBIG, "RLIMIT_FSIZE is exceeded; SIGXFSZ is sent as well"),
];

/// truncate(2).
pub const TRUNCATE: SyscallInfo = SyscallInfo {
    nr: Sysno::TRUNCATE,
    man: "truncate(2)",
    args: &[Arg::Path("path"), Arg::Int("length")],
    errno: ERRORS,
    support: Support::Full,
    run: truncate,
};

/// ftruncate(2).
pub const FTRUNCATE: SyscallInfo = SyscallInfo {
    nr: Sysno::FTRUNCATE,
    man: "truncate(2)",
    args: &[Arg::Fd("fd"), Arg::Int("length")],
    errno: ERRORS,
    support: Support::Full,
    run: ftruncate,
};

/// fallocate(2).
pub const FALLOCATE: SyscallInfo = SyscallInfo {
    nr: Sysno::FALLOCATE,
    man: "fallocate(2)",
    args: &[
        Arg::Fd("fd"),
        Arg::Flags("mode", &[("FALLOC_FL_KEEP_SIZE", KEEP_SIZE), ("FALLOC_FL_PUNCH_HOLE", PUNCH_HOLE)]),
        Arg::Int("offset"),
        Arg::Int("len"),
    ],
    errno: &[
        (Errno::EBADF, "fd is not open for writing"),
        (Errno::EINVAL, "offset is negative or len is not positive"),
        (Errno::EOPNOTSUPP, "a mode that tmpfs does not have"),
        (Errno::ESPIPE, "fd is a pipe"),
        (Errno::ENODEV, "fd is no regular file"),
        (Errno::EFBIG, "RLIMIT_FSIZE is exceeded; SIGXFSZ is sent as well"),
        (Errno::ENOSPC, "the file system is full"),
    ],
    support: Support::Full,
    run: fallocate,
};

fn truncate(k: &mut Kernel<'_>, caller: TaskId, a: Args<'_>) -> SysResult {
    let length = u64::try_from(a.int(1)?).map_err(|_| Errno::EINVAL)?;
    let place = k.walk(caller, AT_FDCWD, a.str(0)?, LookupFlags::FOLLOW)?;
    match k.attr(place).file_type {
        FileType::Directory => return Err(Errno::EISDIR.into()),
        FileType::Regular => {}
        _ => return Err(Errno::EINVAL.into()),
    }
    k.mnt_want_write(place.mnt)?;
    k.inode_permission(caller, place, Access::WRITE)?;
    k.security_path_truncate(caller, place)?;
    let Node::Tree(dentry) = place.node else { return Ok(Ret::new(0)) };
    k.truncate_content(caller, dentry, length)?;
    Ok(Ret::new(0))
}

fn ftruncate(k: &mut Kernel<'_>, caller: TaskId, a: Args<'_>) -> SysResult {
    let length = u64::try_from(a.int(1)?).map_err(|_| Errno::EINVAL)?;
    let file = k.real_file_id(caller, a.int32(0)?)?;
    if !k.vfs.files[file].can_write() {
        return Err(Errno::EINVAL.into());
    }
    let dentry = regular(k, k.vfs.files[file].path().map(|p| p.node)).ok_or(Errno::EINVAL)?;
    k.truncate_content(caller, dentry, length)?;
    Ok(Ret::new(0))
}

fn fallocate(k: &mut Kernel<'_>, caller: TaskId, a: Args<'_>) -> SysResult {
    let (mode, offset, len) = (a.flags(1)?, a.int(2)?, a.int(3)?);
    let file = k.real_file_id(caller, a.int32(0)?)?;
    if offset < 0 || len <= 0 {
        return Err(Errno::EINVAL.into());
    }
    if mode & !(KEEP_SIZE | PUNCH_HOLE) != 0 || mode == PUNCH_HOLE {
        return Err(Errno::EOPNOTSUPP.into());
    }
    if !k.vfs.files[file].can_write() {
        return Err(Errno::EBADF.into());
    }
    super::read::has_offsets(k, file)?;
    let dentry = regular(k, k.vfs.files[file].path().map(|p| p.node)).ok_or(Errno::ENODEV)?;
    let (offset, len) = (offset as u64, len as u64);
    let end = offset.checked_add(len).ok_or(Errno::EFBIG)?;
    let sb = k.inode_of(dentry).sb;
    let InodeKind::Regular(content) = &k.inode_of(dentry).kind else { return Err(Errno::ENODEV.into()) };
    let mut content = content.clone();
    let before = content.page_count();
    if mode & PUNCH_HOLE != 0 {
        let freed = content.punch_hole(offset, len);
        k.uncharge_pages(sb, before - content.page_count());
        if k.is_in_memory(sb) {
            k.release_file_pages(&freed);
        }
    } else {
        if mode & KEEP_SIZE == 0 && end > content.size {
            k.limit_file_size(caller, end - 1, 1)?;
        }
        let pages = end.div_ceil(crate::vfs::content::PAGE_SIZE as u64);
        // A range that could never fit is refused before anything is made of it.
        if pages.saturating_sub(before) > k.free_pages(sb).saturating_add(offset / 4096) {
            return Err(Errno::ENOSPC.into());
        }
        let memcg = k.memcg_of(caller);
        content.allocate(offset, len, memcg);
        let more = content.page_count() - before;
        if more > k.free_pages(sb) {
            return Err(Errno::ENOSPC.into());
        }
        // Room on a disk costs no memory.
        let charged = if k.is_in_memory(sb) { k.charge_file_pages(caller, more)? } else { more };
        if charged < more {
            // All or nothing: what was charged is given back (`undone` in shmem_fallocate()).
            k.release_file_pages(&[(memcg, charged)].into());
            return Err(Errno::ENOMEM.into());
        }
        k.charge_pages(sb, more);
        if mode & KEEP_SIZE == 0 {
            content.size = content.size.max(end);
        }
    }
    k.inode_of_mut(dentry).kind = InodeKind::Regular(content);
    Ok(Ret::new(0))
}

/// The regular file behind a node, if it is one that stores its bytes.
fn regular(k: &Kernel<'_>, node: Option<Node>) -> Option<DentryId> {
    match node {
        Some(Node::Tree(dentry)) if matches!(k.inode_of(dentry).kind, InodeKind::Regular(_)) => Some(dentry),
        _ => None,
    }
}
