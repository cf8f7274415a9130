//! getxattr(2), setxattr(2), listxattr(2), removexattr(2) and their relatives: extended attributes, as in
//! xattr(7). The one that matters most here is `security.capability`.

use std::sync::Arc;

use crate::errno::Errno;
use crate::event::EventKind;
use crate::kernel::Kernel;
use crate::program::libc::AT_FDCWD;
use crate::security::capability::Cap;
use crate::syscall::{Arg, Args, Handler, Ret, Support, SysResult, SyscallInfo, Sysno, Value};
use crate::task::TaskId;
use crate::task::exec::file_caps::FileCaps;
use crate::vfs::Node;
use crate::vfs::fs::{FileType, FsKind};
use crate::vfs::inode::DentryId;
use crate::vfs::path::VfsPath;
use crate::vfs::permission::Access;
use crate::vfs::walk::LookupFlags;

/// `XATTR_CREATE` and `XATTR_REPLACE`.
const CREATE: u64 = 1;
const REPLACE: u64 = 2;
/// The longest name, and the longest value.
const NAME_MAX: usize = 255;
const SIZE_MAX: usize = 65_536;
const CAPABILITY: &str = "security.capability";

const GET_ERRORS: &[(Errno, &str)] = &[
    (Errno::ENOENT, "a name of the path does not exist"),
    (Errno::ERANGE, "the name is empty or too long, or the buffer is too small"),
    (Errno::EOPNOTSUPP, "the file system does not have such attributes"),
    (Errno::EACCES, "the file may not be read (user attributes)"),
    (Errno::ENODATA, "there is no such attribute"),
];

const SET_ERRORS: &[(Errno, &str)] = &[
    (Errno::EINVAL, "an unknown flag, or no valid set of capabilities"),
    (Errno::ERANGE, "the name is empty or too long"),
    (Errno::E2BIG, "the value has more than 65536 bytes"),
    (Errno::EROFS, "the file system or the mount is read-only"),
    (Errno::EOPNOTSUPP, "the file system does not have such attributes"),
    (Errno::EPERM, "no CAP_SETFCAP over the file (capabilities), no CAP_SYS_ADMIN (trusted), no such file type (user)"),
    (Errno::EEXIST, "XATTR_CREATE and the attribute exists"),
    (Errno::ENODATA, "XATTR_REPLACE or removal and the attribute does not exist"),
];

const FLAGS: Arg = Arg::Flags("flags", &[("XATTR_CREATE", CREATE), ("XATTR_REPLACE", REPLACE)]);

const fn info(
    nr: Sysno,
    man: &'static str,
    args: &'static [Arg],
    errno: &'static [(Errno, &'static str)],
    run: Handler,
) -> SyscallInfo {
    SyscallInfo { nr, man, args, errno, support: Support::Full, run }
}

/// getxattr(2).
pub const GETXATTR: SyscallInfo = info(
    Sysno::GETXATTR,
    "getxattr(2)",
    &[Arg::Path("path"), Arg::Str("name"), Arg::Buf("value"), Arg::Int("size")],
    GET_ERRORS,
    |k, caller, a| {
        let place = subject(k, caller, a, Form::Follow)?;
        get(k, caller, a, place)
    },
);

/// lgetxattr(2).
pub const LGETXATTR: SyscallInfo = info(
    Sysno::LGETXATTR,
    "getxattr(2)",
    &[Arg::Path("path"), Arg::Str("name"), Arg::Buf("value"), Arg::Int("size")],
    GET_ERRORS,
    |k, caller, a| {
        let place = subject(k, caller, a, Form::NoFollow)?;
        get(k, caller, a, place)
    },
);

/// fgetxattr(2).
pub const FGETXATTR: SyscallInfo = info(
    Sysno::FGETXATTR,
    "getxattr(2)",
    &[Arg::Fd("fd"), Arg::Str("name"), Arg::Buf("value"), Arg::Int("size")],
    GET_ERRORS,
    |k, caller, a| {
        let place = subject(k, caller, a, Form::Descriptor)?;
        get(k, caller, a, place)
    },
);

/// setxattr(2).
pub const SETXATTR: SyscallInfo = info(
    Sysno::SETXATTR,
    "setxattr(2)",
    &[Arg::Path("path"), Arg::Str("name"), Arg::Buf("value"), Arg::Int("size"), FLAGS],
    SET_ERRORS,
    |k, caller, a| {
        let place = subject(k, caller, a, Form::Follow)?;
        set(k, caller, a, place)
    },
);

/// lsetxattr(2).
pub const LSETXATTR: SyscallInfo = info(
    Sysno::LSETXATTR,
    "setxattr(2)",
    &[Arg::Path("path"), Arg::Str("name"), Arg::Buf("value"), Arg::Int("size"), FLAGS],
    SET_ERRORS,
    |k, caller, a| {
        let place = subject(k, caller, a, Form::NoFollow)?;
        set(k, caller, a, place)
    },
);

/// fsetxattr(2).
pub const FSETXATTR: SyscallInfo = info(
    Sysno::FSETXATTR,
    "setxattr(2)",
    &[Arg::Fd("fd"), Arg::Str("name"), Arg::Buf("value"), Arg::Int("size"), FLAGS],
    SET_ERRORS,
    |k, caller, a| {
        let place = subject(k, caller, a, Form::Descriptor)?;
        set(k, caller, a, place)
    },
);

/// listxattr(2).
pub const LISTXATTR: SyscallInfo = info(
    Sysno::LISTXATTR,
    "listxattr(2)",
    &[Arg::Path("path"), Arg::Buf("list"), Arg::Int("size")],
    GET_ERRORS,
    |k, caller, a| {
        let place = subject(k, caller, a, Form::Follow)?;
        list(k, caller, a, place)
    },
);

/// llistxattr(2).
pub const LLISTXATTR: SyscallInfo = info(
    Sysno::LLISTXATTR,
    "listxattr(2)",
    &[Arg::Path("path"), Arg::Buf("list"), Arg::Int("size")],
    GET_ERRORS,
    |k, caller, a| {
        let place = subject(k, caller, a, Form::NoFollow)?;
        list(k, caller, a, place)
    },
);

/// flistxattr(2).
pub const FLISTXATTR: SyscallInfo = info(
    Sysno::FLISTXATTR,
    "listxattr(2)",
    &[Arg::Fd("fd"), Arg::Buf("list"), Arg::Int("size")],
    GET_ERRORS,
    |k, caller, a| {
        let place = subject(k, caller, a, Form::Descriptor)?;
        list(k, caller, a, place)
    },
);

/// removexattr(2).
pub const REMOVEXATTR: SyscallInfo =
    info(Sysno::REMOVEXATTR, "removexattr(2)", &[Arg::Path("path"), Arg::Str("name")], SET_ERRORS, |k, caller, a| {
        let place = subject(k, caller, a, Form::Follow)?;
        remove(k, caller, a, place)
    });

/// lremovexattr(2).
pub const LREMOVEXATTR: SyscallInfo =
    info(Sysno::LREMOVEXATTR, "removexattr(2)", &[Arg::Path("path"), Arg::Str("name")], SET_ERRORS, |k, caller, a| {
        let place = subject(k, caller, a, Form::NoFollow)?;
        remove(k, caller, a, place)
    });

/// fremovexattr(2).
pub const FREMOVEXATTR: SyscallInfo =
    info(Sysno::FREMOVEXATTR, "removexattr(2)", &[Arg::Fd("fd"), Arg::Str("name")], SET_ERRORS, |k, caller, a| {
        let place = subject(k, caller, a, Form::Descriptor)?;
        remove(k, caller, a, place)
    });

/// How the file is named.
enum Form {
    Follow,
    NoFollow,
    Descriptor,
}

fn subject(k: &mut Kernel<'_>, caller: TaskId, a: Args<'_>, form: Form) -> Result<VfsPath, Errno> {
    match form {
        Form::Follow => k.walk(caller, AT_FDCWD, a.str(0)?, LookupFlags::FOLLOW),
        Form::NoFollow => k.walk(caller, AT_FDCWD, a.str(0)?, LookupFlags::empty()),
        Form::Descriptor => {
            let file = k.real_file_id(caller, a.int32(0)?)?;
            k.vfs.files[file].path().ok_or(Errno::EOPNOTSUPP)
        }
    }
}

/// The file, if its file system keeps attributes. Those of an overlay are those of the file behind it.
fn stored(k: &Kernel<'_>, place: VfsPath) -> Result<DentryId, Errno> {
    match (place.node, &k.super_of(place).kind) {
        (Node::Tree(dentry), FsKind::Tmpfs(_) | FsKind::Ext4(_) | FsKind::Overlay(_) | FsKind::Rootfs) => Ok(dentry),
        _ => Err(Errno::EOPNOTSUPP),
    }
}

const ACL_ACCESS: &str = "system.posix_acl_access";
const ACL_DEFAULT: &str = "system.posix_acl_default";

/// Whether a name is that of an access control list. Lists that say more than the mode are not modelled, so that no
/// file has one.
fn is_acl(name: &str) -> bool {
    name == ACL_ACCESS || name == ACL_DEFAULT
}

/// The permission bits that an access control list amounts to, if it says nothing more (`posix_acl_equiv_mode`).
fn equivalent_mode(acl: &[u8]) -> Option<u32> {
    const VERSION: [u8; 4] = [2, 0, 0, 0];
    const USER_OBJ: u16 = 1;
    const GROUP_OBJ: u16 = 4;
    const OTHER: u16 = 0x20;
    let entries = acl.strip_prefix(&VERSION)?.chunks(8);
    let of = |tag: u16, perm: u16| match (tag, u32::from(perm)) {
        (USER_OBJ, perm @ 0..=7) => Some(perm << 6),
        (GROUP_OBJ, perm @ 0..=7) => Some(perm << 3),
        (OTHER, perm @ 0..=7) => Some(perm),
        _ => None,
    };
    let bits = entries
        .map(|e| of(u16::from_le_bytes([*e.first()?, *e.get(1)?]), u16::from_le_bytes([*e.get(2)?, *e.get(3)?])));
    bits.collect::<Option<Vec<u32>>>()
        .filter(|all| all.len() == 3)
        .map(|all| all.iter().fold(0, |mode, bits| mode | bits))
}

/// Sets an access control list: one that says no more than a mode sets that.
fn set_acl(k: &mut Kernel<'_>, caller: TaskId, place: VfsPath, name: &str, value: &[u8]) -> SysResult {
    stored(k, place)?;
    let attr = k.attr(place);
    match equivalent_mode(value) {
        Some(mode) if name == ACL_ACCESS => super::chmod::change_mode(k, caller, place, attr.mode & !0o777 | mode),
        _ if name == ACL_DEFAULT && attr.file_type != FileType::Directory => Err(Errno::EACCES.into()),
        _ => {
            k.emit(EventKind::NotModelled { what: Arc::from("an access control list that says more than the mode") });
            Err(Errno::EOPNOTSUPP.into())
        }
    }
}

fn name_of(a: Args<'_>) -> Result<&str, Errno> {
    let name = a.str(1)?;
    if name.is_empty() || name.len() > NAME_MAX { Err(Errno::ERANGE) } else { Ok(name) }
}

/// Who may see or change an attribute of this class (`xattr_permission`).
fn may_use(k: &mut Kernel<'_>, caller: TaskId, place: VfsPath, name: &str, access: Access) -> Result<(), Errno> {
    let writing = access == Access::WRITE;
    match name.split_once('.').map_or(name, |(class, _)| class) {
        "security" => Ok(()),
        "trusted" if k.capable(caller, Cap::SYS_ADMIN) => Ok(()),
        "trusted" => Err(if writing { Errno::EPERM } else { Errno::ENODATA }),
        "user" => match k.attr(place).file_type {
            FileType::Regular | FileType::Directory => k.inode_permission(caller, place, access),
            _ => Err(if writing { Errno::EPERM } else { Errno::ENODATA }),
        },
        _ => Err(Errno::EOPNOTSUPP),
    }
}

/// An answer of `bytes` into a buffer of `size`; with size 0 only how long it would be.
fn answer(bytes: Vec<u8>, size: i64, position: u8) -> SysResult {
    let length = bytes.len() as i64;
    match size {
        0 => Ok(Ret::new(length)),
        size if size < length => Err(Errno::ERANGE.into()),
        _ => Ok(Ret::new(length).with(position, Value::bytes(bytes))),
    }
}

fn get(k: &mut Kernel<'_>, caller: TaskId, a: Args<'_>, place: VfsPath) -> SysResult {
    let name = name_of(a)?;
    if is_acl(name) {
        let is_link = k.attr(place).file_type == FileType::Symlink;
        stored(k, place)?;
        return Err(if is_link { Errno::EOPNOTSUPP } else { Errno::ENODATA }.into());
    }
    may_use(k, caller, place, name, Access::READ)?;
    let dentry = stored(k, place)?;
    let value = k.inode_of(dentry).xattrs.get(name).cloned().ok_or(Errno::ENODATA)?;
    let mut bytes = value.to_vec();
    if name == CAPABILITY
        && let Some(caps) = FileCaps::from_bytes(&value)
        && let Some(root) = caps.root_id
    {
        // Capabilities for the caller's own namespace look as those of the first one (`cap_inode_getsecurity`).
        let own = &k.user_namespaces[k.tasks[caller].cred.user_ns];
        bytes = match own.uid_map.from_kernel(root) {
            Some(0) => FileCaps { root_id: None, ..caps }.to_bytes(),
            Some(inside) => FileCaps { root_id: Some(inside), ..caps }.to_bytes(),
            None => return Err(Errno::EOVERFLOW.into()),
        };
    }
    answer(bytes, a.int(3)?, 2)
}

fn set(k: &mut Kernel<'_>, caller: TaskId, a: Args<'_>, place: VfsPath) -> SysResult {
    let flags = a.flags(4)?;
    if flags & !(CREATE | REPLACE) != 0 {
        return Err(Errno::EINVAL.into());
    }
    let name = name_of(a)?;
    let size = a.int(3)?;
    let value = if size == 0 { &[][..] } else { a.bytes(2)? };
    let value = &value[..value.len().min(size.max(0) as usize)];
    if value.len() > SIZE_MAX {
        return Err(Errno::E2BIG.into());
    }
    k.mnt_want_write(place.mnt)?;
    if is_acl(name) {
        return set_acl(k, caller, place, name, value);
    }
    may_use(k, caller, place, name, Access::WRITE)?;
    k.security_inode_setxattr(caller, place, name, value)?;
    let value = if name == CAPABILITY { convert_caps(k, caller, place, value)? } else { value.to_vec() };
    let dentry = stored(k, place)?;
    let exists = k.inode_of(dentry).xattrs.contains_key(name);
    if flags & CREATE != 0 && exists {
        return Err(Errno::EEXIST.into());
    }
    if flags & REPLACE != 0 && !exists {
        return Err(Errno::ENODATA.into());
    }
    let now = k.unix_time();
    let inode = k.inode_of_mut(dentry);
    inode.xattrs.insert(name.to_owned(), Arc::from(value));
    inode.ctime = now;
    Ok(Ret::new(0))
}

/// What is stored of capabilities that somebody in a user namespace gives to a file (`cap_convert_nscap`): they
/// count only there, unless he has CAP_SETFCAP where the file system was mounted.
fn convert_caps(k: &mut Kernel<'_>, caller: TaskId, place: VfsPath, value: &[u8]) -> Result<Vec<u8>, Errno> {
    let caps = FileCaps::from_bytes(value).ok_or(Errno::EINVAL)?;
    let attr = k.attr(place);
    if !k.capable_wrt_inode(caller, attr.uid, attr.gid, Cap::SETFCAP) {
        return Err(Errno::EPERM);
    }
    let sb_ns = k.super_of(place).user_ns;
    if caps.root_id.is_none() && k.capable_in(caller, sb_ns, Cap::SETFCAP) {
        return Ok(value.to_vec());
    }
    let own = &k.user_namespaces[k.tasks[caller].cred.user_ns];
    let root = own.uid_map.to_kernel(caps.root_id.unwrap_or(0)).ok_or(Errno::EINVAL)?;
    Ok(FileCaps { root_id: Some(root), ..caps }.to_bytes())
}

fn list(k: &mut Kernel<'_>, caller: TaskId, a: Args<'_>, place: VfsPath) -> SysResult {
    let dentry = stored(k, place)?;
    let names: Vec<String> = k.inode_of(dentry).xattrs.keys().cloned().collect();
    let trusted = names.iter().any(|n| n.starts_with("trusted.")) && k.capable(caller, Cap::SYS_ADMIN);
    let shown = names.iter().filter(|n| trusted || !n.starts_with("trusted."));
    let bytes = shown.flat_map(|n| n.bytes().chain([0])).collect();
    answer(bytes, a.int(2)?, 1)
}

fn remove(k: &mut Kernel<'_>, caller: TaskId, a: Args<'_>, place: VfsPath) -> SysResult {
    let name = name_of(a)?;
    k.mnt_want_write(place.mnt)?;
    may_use(k, caller, place, name, Access::WRITE)?;
    if name == CAPABILITY {
        let attr = k.attr(place);
        if !k.capable_wrt_inode(caller, attr.uid, attr.gid, Cap::SETFCAP) {
            return Err(Errno::EPERM.into());
        }
    }
    k.security_inode_setxattr(caller, place, name, &[])?;
    let dentry = stored(k, place)?;
    k.inode_of_mut(dentry).xattrs.remove(name).ok_or(Errno::ENODATA)?;
    Ok(Ret::new(0))
}
