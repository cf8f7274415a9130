//! memfd_create(2): a file without a name. getrandom(2): bytes that look random.

use crate::errno::Errno;
use crate::kernel::Kernel;
use crate::program::libc::o;
use crate::syscall::{Arg, Args, Ret, Support, SysResult, SyscallInfo, Sysno, Value};
use crate::task::TaskId;
use crate::vfs::Node;
use crate::vfs::content::Content;
use crate::vfs::file::FileKind;
use crate::vfs::inode::{F_SEAL_SEAL, InodeKind};
use crate::vfs::path::VfsPath;

/// `MFD_CLOEXEC` and `MFD_ALLOW_SEALING`, `MFD_HUGETLB`, `MFD_NOEXEC_SEAL`, `MFD_EXEC`.
const CLOEXEC: u64 = 1;
const ALLOW_SEALING: u64 = 2;
const NOEXEC_SEAL: u64 = 8;
const KNOWN: u64 = 0x1f;
/// The longest name.
const NAME_MAX: usize = 249;

/// memfd_create(2).
pub const MEMFD_CREATE: SyscallInfo = SyscallInfo {
    nr: Sysno::MEMFD_CREATE,
    man: "memfd_create(2)",
    args: &[
        Arg::Str("name"),
        Arg::Flags(
            "flags",
            &[
                ("MFD_CLOEXEC", 1),
                ("MFD_ALLOW_SEALING", 2),
                ("MFD_HUGETLB", 4),
                ("MFD_NOEXEC_SEAL", 8),
                ("MFD_EXEC", 0x10),
            ],
        ),
    ],
    errno: &[
        (Errno::EINVAL, "an unknown flag, or a name of more than 249 bytes"),
        (Errno::EMFILE, "RLIMIT_NOFILE is reached"),
    ],
    support: Support::Partial("seals are not enforced; the file counts in the root file system"),
    run: memfd_create,
};

/// getrandom(2). The bytes are output 0.
pub const GETRANDOM: SyscallInfo = SyscallInfo {
    nr: Sysno::GETRANDOM,
    man: "getrandom(2)",
    args: &[Arg::Buf("buf"), Arg::Int("buflen"), Arg::Flags("flags", &[("GRND_NONBLOCK", 1), ("GRND_RANDOM", 2)])],
    errno: &[(Errno::EINVAL, "an unknown flag")],
    support: Support::Partial("the same moment of the same history always gives the same bytes"),
    run: getrandom,
};

fn memfd_create(k: &mut Kernel<'_>, caller: TaskId, a: Args<'_>) -> SysResult {
    let (name, flags) = (a.str(0)?, a.flags(1)?);
    if flags & !KNOWN != 0 || name.len() > NAME_MAX {
        return Err(Errno::EINVAL.into());
    }
    k.unused_fd(caller, 0)?;
    let cred = std::sync::Arc::clone(&k.tasks[caller].cred);
    let root = k.fs_root_of(TaskId(1)).or_else(|| k.fs_root_of(caller)).ok_or(Errno::ENOENT)?;
    let Node::Tree(dir) = root.node else { return Err(Errno::ENOMEM.into()) };
    let name = format!("memfd:{name}");
    let kind = InodeKind::Regular(Content::default());
    // It never appears in a directory: made and taken away at once, it lives as long as it is open.
    let dentry = k.world.create_nameless(dir, &name, kind, 0o777, cred.fsuid, cred.fsgid)?;
    let inode = k.vfs.dentries[dentry].inode;
    k.vfs.inodes[inode].seals = if flags & (ALLOW_SEALING | NOEXEC_SEAL) != 0 { 0 } else { F_SEAL_SEAL };
    let place = VfsPath { mnt: root.mnt, node: Node::Tree(dentry) };
    let open = o::RDWR | if flags & CLOEXEC != 0 { o::CLOEXEC } else { 0 };
    Ok(Ret::new(k.install_file(caller, FileKind::Path(place), open)?))
}

fn getrandom(k: &mut Kernel<'_>, _: TaskId, a: Args<'_>) -> SysResult {
    let (count, flags) = (super::read::count(a, 1)?, a.flags(2)?);
    if flags & !7 != 0 {
        return Err(Errno::EINVAL.into());
    }
    let bytes = k.random(count.min(1 << 20));
    Ok(Ret::new(bytes.len() as i64).with(0, Value::bytes(bytes)))
}
