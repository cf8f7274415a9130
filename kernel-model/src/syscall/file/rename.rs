//! rename(2), renameat(2) and renameat2(2).

use crate::cgroup::{CgroupId, Version};
use crate::errno::Errno;
use crate::event::EventKind;
use crate::kernel::Kernel;
use crate::program::libc::AT_FDCWD;
use crate::syscall::{Arg, Args, Ret, Support, SysResult, SyscallInfo, Sysno};
use crate::task::TaskId;
use crate::vfs::Node;
use crate::vfs::fd_table::Fd;
use crate::vfs::fs::cgroupfs::CgroupNode;
use crate::vfs::inode::DentryId;
use crate::vfs::path::VfsPath;
use crate::vfs::permission::Access;
use crate::vfs::walk::Last;

/// `RENAME_NOREPLACE`.
const NOREPLACE: u64 = 1;
/// `RENAME_EXCHANGE`.
const EXCHANGE: u64 = 2;
/// `RENAME_WHITEOUT`.
const WHITEOUT: u64 = 4;

const ERRORS: &[(Errno, &str)] = &[
    (Errno::EINVAL, "an unknown flag or combination of flags, or a directory would be moved into itself"),
    (Errno::EXDEV, "the two names are on different mounts"),
    (Errno::EBUSY, "one of the paths ends in . or .. or is the root, or something is mounted there"),
    (Errno::EROFS, "the file system or the mount is read-only"),
    (Errno::ENOENT, "the old name does not exist, or the new one does not and RENAME_EXCHANGE is given"),
    (Errno::EEXIST, "the new name exists and RENAME_NOREPLACE is given"),
    (Errno::ENOTDIR, "a directory would replace something else, or a slash follows a name that is no directory's"),
    (Errno::ENOTEMPTY, "the directory to be replaced has names in it"),
    (Errno::EACCES, "one of the directories may not be written"),
    (Errno::EPERM, "a sticky directory, or a file system in which names cannot be changed"),
    (Errno::EISDIR, "something else would replace a directory"),
];

/// rename(2).
pub const RENAME: SyscallInfo = SyscallInfo {
    nr: Sysno::RENAME,
    man: "rename(2)",
    args: &[Arg::Path("oldpath"), Arg::Path("newpath")],
    errno: ERRORS,
    support: Support::Full,
    run: |k, caller, a| rename(k, caller, (AT_FDCWD, a.str(0)?), (AT_FDCWD, a.str(1)?), 0),
};

/// renameat(2).
pub const RENAMEAT: SyscallInfo = SyscallInfo {
    nr: Sysno::RENAMEAT,
    man: "rename(2)",
    args: &[Arg::Fd("olddirfd"), Arg::Path("oldpath"), Arg::Fd("newdirfd"), Arg::Path("newpath")],
    errno: ERRORS,
    support: Support::Full,
    run: |k, caller, a| rename(k, caller, (a.int32(0)?, a.str(1)?), (a.int32(2)?, a.str(3)?), 0),
};

/// renameat2(2).
pub const RENAMEAT2: SyscallInfo = SyscallInfo {
    nr: Sysno::RENAMEAT2,
    man: "rename(2)",
    args: &[
        Arg::Fd("olddirfd"),
        Arg::Path("oldpath"),
        Arg::Fd("newdirfd"),
        Arg::Path("newpath"),
        Arg::Flags(
            "flags",
            &[("RENAME_NOREPLACE", NOREPLACE), ("RENAME_EXCHANGE", EXCHANGE), ("RENAME_WHITEOUT", WHITEOUT)],
        ),
    ],
    errno: ERRORS,
    support: Support::Partial("RENAME_WHITEOUT gives EINVAL"),
    run: renameat2,
};

fn renameat2(k: &mut Kernel<'_>, caller: TaskId, a: Args<'_>) -> SysResult {
    rename(k, caller, (a.int32(0)?, a.str(1)?), (a.int32(2)?, a.str(3)?), a.flags(4)?)
}

/// `do_renameat2` and `vfs_rename`.
fn rename(k: &mut Kernel<'_>, caller: TaskId, old: (Fd, &str), new: (Fd, &str), flags: u64) -> SysResult {
    if flags & !(NOREPLACE | EXCHANGE) != 0 || flags == NOREPLACE | EXCHANGE {
        return Err(Errno::EINVAL.into());
    }
    let from = k.walk_parent(caller, old.0, old.1)?;
    let to = k.walk_parent(caller, new.0, new.1)?;
    if from.dir.mnt != to.dir.mnt {
        return Err(Errno::EXDEV.into());
    }
    let Last::Name(old_name) = from.last else { return Err(Errno::EBUSY.into()) };
    let Last::Name(new_name) = to.last else {
        return Err(if flags & NOREPLACE != 0 { Errno::EEXIST } else { Errno::EBUSY }.into());
    };
    k.mnt_want_write(from.dir.mnt)?;
    let source = k.lookup_in(caller, from.dir, &old_name)?.ok_or(Errno::ENOENT)?;
    let target = k.lookup_in(caller, to.dir, &new_name)?;
    if flags & NOREPLACE != 0 && target.is_some() {
        return Err(Errno::EEXIST.into());
    }
    if flags & EXCHANGE != 0 && target.is_none() {
        return Err(Errno::ENOENT.into());
    }
    let is_dir = k.is_dir(source);
    if !is_dir && (from.trailing_slash || (to.trailing_slash && flags & EXCHANGE == 0)) {
        return Err(Errno::ENOTDIR.into());
    }
    if is_ancestor(k, source.node, to.dir.node) {
        return Err(Errno::EINVAL.into());
    }
    if target.is_some_and(|t| is_ancestor(k, t.node, from.dir.node)) {
        return Err(if flags & EXCHANGE != 0 { Errno::EINVAL } else { Errno::ENOTEMPTY }.into());
    }
    if target.is_some_and(|t| same_inode(k, t.node, source.node)) {
        return Ok(Ret::new(0));
    }
    if let (Node::Cgroup(group), Node::Cgroup(CgroupNode::Dir(to_group))) = (source.node, to.dir.node) {
        return rename_group(k, caller, (from.dir, source, group), (to.dir, to_group, target), &new_name, flags);
    }
    let moved = k.may_delete(caller, from.dir, source, is_dir)?;
    let replaced = match target {
        None => {
            k.may_create(caller, to.dir)?;
            None
        }
        Some(target) => {
            let must_be_dir = if flags & EXCHANGE != 0 { k.is_dir(target) } else { is_dir };
            Some((target, k.may_delete(caller, to.dir, target, must_be_dir)?))
        }
    };
    if !k.has_renames(moved) {
        return Err(Errno::EPERM.into());
    }
    k.security_path_rename(caller, source, to.dir, &new_name, target)?;
    if is_dir && from.dir != to.dir {
        // Its `..` changes.
        k.inode_permission(caller, source, Access::WRITE)?;
    }
    let busy = |k: &Kernel<'_>, d: DentryId| k.is_local_mountpoint(caller, Node::Tree(d));
    if busy(k, moved) || replaced.is_some_and(|(_, d)| busy(k, d)) {
        return Err(Errno::EBUSY.into());
    }
    let Node::Tree(to_dir) = to.dir.node else { return Err(Errno::EPERM.into()) };
    if k.is_merged_directory(moved) || (k.is_overlay(moved) && flags & EXCHANGE != 0) {
        return Err(Errno::EXDEV.into());
    }
    k.copy_up_for_writing(source)?;
    let old_text = if k.trace.silent { String::new() } else { k.d_path(source, caller) };
    match replaced {
        Some((_, other)) if flags & EXCHANGE != 0 => {
            let Node::Tree(from_dir) = from.dir.node else { return Err(Errno::EPERM.into()) };
            k.world.move_name(moved, to_dir, &new_name);
            k.world.move_name(other, from_dir, &old_name);
        }
        Some((target, other)) => {
            if !k.vfs.dentries[other].children.is_empty() {
                return Err(Errno::ENOTEMPTY.into());
            }
            k.delete_name(caller, target, other);
            k.world.move_name(moved, to_dir, &new_name);
        }
        None => k.world.move_name(moved, to_dir, &new_name),
    }
    k.emit(EventKind::FileRemoved { path: old_text.into() });
    k.emit_created(caller, source);
    Ok(Ret::new(0))
}

/// A group of version 1 can be renamed within its directory (`kernfs_iop_rename`, `cgroup1_rename`).
fn rename_group(
    k: &mut Kernel<'_>,
    caller: TaskId,
    (from_dir, source, node): (VfsPath, VfsPath, CgroupNode),
    (to_dir, to, target): (VfsPath, CgroupId, Option<VfsPath>),
    name: &str,
    flags: u64,
) -> SysResult {
    let is_dir = k.is_dir(source);
    k.may_remove_name(caller, from_dir, source, is_dir)?;
    match target {
        None => k.may_add_names(caller, to_dir)?,
        Some(target) => k.may_remove_name(caller, to_dir, target, is_dir)?,
    }
    if flags != 0 {
        return Err(Errno::EINVAL.into());
    }
    if k.cgroup_version(node.group()) == Version::V2 {
        return Err(Errno::EPERM.into());
    }
    let CgroupNode::Dir(group) = node else { return Err(Errno::ENOTDIR.into()) };
    if target.is_some() && k.cgroup(group).parent == Some(to) {
        return Err(Errno::EEXIST.into());
    }
    k.cgroup_rename(group, to, name)?;
    Ok(Ret::new(0))
}

/// Whether `above` is `node` or a directory above it.
fn is_ancestor(k: &Kernel<'_>, above: Node, node: Node) -> bool {
    let mut at = node;
    loop {
        if at == above {
            return true;
        }
        let parent = k.parent_of(at);
        if parent == at {
            return false;
        }
        at = parent;
    }
}

fn same_inode(k: &Kernel<'_>, a: Node, b: Node) -> bool {
    match (a, b) {
        (Node::Tree(a), Node::Tree(b)) => k.vfs.dentries[a].inode == k.vfs.dentries[b].inode,
        _ => a == b,
    }
}
