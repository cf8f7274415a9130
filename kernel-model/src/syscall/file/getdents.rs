//! getdents64(2): the names in a directory.

use crate::errno::Errno;
use crate::kernel::Kernel;
use crate::syscall::{Arg, Args, Ret, Support, SysResult, SyscallInfo, Sysno, Value};
use crate::task::TaskId;
use crate::vfs::Node;
use crate::vfs::file::FileKind;
use crate::vfs::path::VfsPath;

/// getdents64(2). The entries are output 1, a list of `{d_ino, d_off, d_reclen, d_type, d_name}`.
pub const GETDENTS64: SyscallInfo = SyscallInfo {
    nr: Sysno::GETDENTS64,
    man: "getdents(2)",
    args: &[Arg::Fd("fd"), Arg::Data("dirp"), Arg::Int("count")],
    errno: &[
        (Errno::EBADF, "fd is not open"),
        (Errno::ENOTDIR, "fd is no directory"),
        (Errno::ENOENT, "the directory has been removed"),
        (Errno::EINVAL, "the buffer is too small for the next name"),
    ],
    support: Support::Full,
    run: getdents64,
};

/// A name to be shown, and the offset behind it.
struct Entry {
    offset: u64,
    node: Node,
    name: String,
}

fn getdents64(k: &mut Kernel<'_>, caller: TaskId, a: Args<'_>) -> SysResult {
    let id = k.real_file_id(caller, a.int32(0)?)?;
    let mut room = super::read::count(a, 2)?;
    let FileKind::Path(dir) = k.vfs.files[id].kind else { return Err(Errno::ENOTDIR.into()) };
    if !k.is_dir(dir) {
        return Err(Errno::ENOTDIR.into());
    }
    if k.is_unlinked(dir.node) {
        return Err(Errno::ENOENT.into());
    }
    let pos = k.vfs.files[id].pos;
    let (mut list, mut used, mut next) = (Vec::new(), 0, pos);
    for entry in entries(k, caller, dir)?.into_iter().filter(|e| e.offset > pos) {
        // 19 bytes of header, the name with its NUL, rounded up to 8.
        let length = (19 + entry.name.len() + 1).next_multiple_of(8);
        if length > room {
            if list.is_empty() {
                return Err(Errno::EINVAL.into());
            }
            break;
        }
        let attr = k.attr(VfsPath { mnt: dir.mnt, node: entry.node });
        let d_type = attr.file_type.mode_bits() >> 12;
        list.push(Value::record([
            ("d_ino", attr.ino.into()),
            ("d_off", entry.offset.into()),
            ("d_reclen", length.into()),
            ("d_type", d_type.into()),
            ("d_name", Value::str(entry.name)),
        ]));
        room -= length;
        used += length;
        next = entry.offset;
    }
    k.vfs.files[id].pos = next;
    Ok(Ret::new(used as i64).with(1, Value::List(list)))
}

/// All entries with the offset behind each. In a file system that keeps a tree the newest name comes first,
/// and its offset stays the same while others come and go.
fn entries(k: &mut Kernel<'_>, caller: TaskId, dir: VfsPath) -> Result<Vec<Entry>, Errno> {
    let mut all = vec![
        Entry { offset: 1, node: dir.node, name: ".".to_owned() },
        Entry { offset: 2, node: k.parent_of(dir.node), name: "..".to_owned() },
    ];
    match dir.node {
        Node::Tree(dentry) => {
            let mut children: Vec<_> = k.vfs.dentries[dentry].children.values().copied().collect();
            children.sort_unstable_by(|a, b| b.cmp(a));
            all.extend(children.into_iter().map(|child| Entry {
                offset: 3 + u64::from(u32::MAX - child.0),
                node: Node::Tree(child),
                name: k.vfs.dentries[child].name.clone(),
            }));
        }
        Node::Proc(node) => {
            let names = k.proc_readdir(caller, dir, node)?;
            all.extend(names.into_iter().zip(3..).map(|((name, node), offset)| Entry {
                offset,
                node: Node::Proc(node),
                name,
            }));
        }
        Node::Cgroup(node) => {
            all.extend(k.cgroup_readdir(node).into_iter().map(|(hash, name, node)| Entry {
                offset: hash,
                node: Node::Cgroup(node),
                name,
            }));
        }
        Node::Ns(_) | Node::Pipe(_) => return Err(Errno::ENOTDIR),
    }
    Ok(all)
}
