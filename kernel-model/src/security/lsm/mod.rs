//! Security modules (`security/security.c`): a second opinion that the kernel asks for where something is about to
//! happen, after its own rules have allowed it.
//!
//! Two modules show the two designs that the field argued over. [`apparmor`] knows *paths*: a program gets a profile by
//! the name of its file, and each profile lists what it may do, path by path. [`selinux`] knows *labels*: every process
//! and every object carries one, and a single policy says which label may do what to which. Which of them is active is
//! a boot option, as the kernel's `lsm=`; without one, nobody is asked.
//!
//! The seam is the list of [`hooks!`] below. Each has the name of the kernel's function and is called where the kernel
//! calls it. What a module keeps of a task is in its credentials ([`Blob`]), what it keeps of the world in [`Lsm`].

pub mod apparmor;
pub mod event;
pub mod selinux;

use std::net::Ipv4Addr;

use serde::{Deserialize, Serialize};

use super::capability::Cap;
use super::credentials::Cred;
use crate::errno::Errno;
use crate::kernel::Kernel;
use crate::namespace::user::UserNsId;
use crate::net::socket::SocketId;
use crate::task::TaskId;
use crate::task::signal::Signal;
use crate::vfs::inode::InodeKind;
use crate::vfs::path::VfsPath;
use crate::vfs::permission::Access;

/// Which module is active: the boot option `lsm=`.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub enum LsmChoice {
    /// None but capabilities, as where the recordings were made.
    #[default]
    None,
    /// `lsm=capability,apparmor`.
    AppArmor,
    /// `lsm=capability,selinux`.
    Selinux,
}

impl LsmChoice {
    /// The choice with this name: `none`, `apparmor` or `selinux`.
    pub fn from_name(name: &str) -> Option<LsmChoice> {
        match name {
            "none" => Some(LsmChoice::None),
            "apparmor" => Some(LsmChoice::AppArmor),
            "selinux" => Some(LsmChoice::Selinux),
            _ => None,
        }
    }

    /// Its name; `none` for no module.
    pub fn name(self) -> &'static str {
        match self {
            LsmChoice::None => "none",
            LsmChoice::AppArmor => "apparmor",
            LsmChoice::Selinux => "selinux",
        }
    }
}

/// What the active module knows of the world as a whole: its policy.
#[derive(Clone, PartialEq, Debug, Default, Serialize, Deserialize)]
pub enum Lsm {
    /// No module is active.
    #[default]
    None,
    /// AppArmor and the profiles that are loaded.
    AppArmor(apparmor::Policy),
    /// SELinux, its policy and whether it is enforced.
    Selinux(selinux::Selinux),
}

/// What the active module keeps of a task, in its credentials (`cred->security`).
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[allow(clippy::large_enum_variant)] // credentials are shared: there are few of them
pub enum Blob {
    /// Nothing.
    #[default]
    None,
    /// The profile.
    AppArmor(apparmor::TaskContext),
    /// The label.
    Selinux(selinux::TaskSecurity),
}

/// What is to be mounted, moved or changed, as mount(2) was told (`security_sb_mount`).
#[derive(Clone, Copy, Debug)]
pub(crate) struct MountRequest<'a> {
    /// The source, if there is one.
    pub source: Option<&'a str>,
    /// The place of the source, if the call walks to it: for a bind mount or a move.
    pub from: Option<VfsPath>,
    /// Where to.
    pub target: VfsPath,
    /// The type of file system.
    pub fs_type: Option<&'a str>,
    /// `MS_*`.
    pub flags: u64,
}

/// Declares the hooks: for each a function of the kernel that asks the active module, and what a module has to say
/// to it if it says nothing else.
macro_rules! hooks {
    ($($(#[$meta:meta])* $security:ident = $hook:ident($($arg:ident: $type:ty),*);)*) => {
        /// What a module can be asked. Where it has no opinion, it allows.
        pub(crate) trait Module {
            $($(#[$meta])*
            fn $hook(k: &mut Kernel<'_>, $($arg: $type),*) -> Result<(), Errno> {
                let _ = (k, $($arg),*);
                Ok(())
            })*
        }

        impl Kernel<'_> {
            $($(#[$meta])*
            ///
            /// # Errors
            /// What the active module says.
            pub(crate) fn $security(&mut self, $($arg: $type),*) -> Result<(), Errno> {
                match self.lsm {
                    Lsm::None => Ok(()),
                    Lsm::AppArmor(_) => apparmor::AppArmor::$hook(self, $($arg),*),
                    Lsm::Selinux(_) => selinux::Module::$hook(self, $($arg),*),
                }
            })*
        }
    };
}

hooks! {
    /// A capability that the task has is about to be used; the credentials may be others than those that it runs with.
    security_capable = capable(cred: &Cred, ns: UserNsId, cap: Cap);
    /// A file is about to be opened with these `O_*` flags.
    security_file_open = file_open(task: TaskId, place: VfsPath, flags: u32);
    /// A mapping of this file is about to be made that can be executed, or not.
    security_mmap_file = mmap_file(task: TaskId, place: VfsPath, executable: bool);
    /// A file is about to be searched, read, written or executed.
    security_inode_permission = inode_permission(task: TaskId, place: VfsPath, access: Access);
    /// A file, directory, link or device is about to be made under this name (`path_mknod`, `path_mkdir`,
    /// `path_symlink`, and the `inode_` hooks of the same names).
    security_path_mknod = path_mknod(task: TaskId, dir: VfsPath, name: &str, kind: &InodeKind);
    /// A name is about to be taken away (`path_unlink`, `path_rmdir`).
    security_path_unlink = path_unlink(task: TaskId, victim: VfsPath);
    /// A file is about to get another name.
    security_path_link = path_link(task: TaskId, from: VfsPath, dir: VfsPath, name: &str);
    /// A file is about to be renamed, perhaps in place of another.
    security_path_rename = path_rename(task: TaskId, from: VfsPath, dir: VfsPath, name: &str, replaced: Option<VfsPath>);
    /// A file is about to be cut.
    security_path_truncate = path_truncate(task: TaskId, place: VfsPath);
    /// Permission bits are about to be changed.
    security_path_chmod = path_chmod(task: TaskId, place: VfsPath);
    /// An owner is about to be changed.
    security_path_chown = path_chown(task: TaskId, place: VfsPath);
    /// stat(2) is about to answer.
    security_inode_getattr = inode_getattr(task: TaskId, place: VfsPath);
    /// An extended attribute is about to be set; the value is empty when it is to be removed.
    security_inode_setxattr = inode_setxattr(task: TaskId, place: VfsPath, name: &str, value: &[u8]);
    /// A program is about to be run: the module may give the new credentials another label.
    security_bprm_creds_for_exec = bprm_creds_for_exec(task: TaskId, place: VfsPath, new: &mut Cred);
    /// A signal is about to be sent; `None` is signal 0.
    security_task_kill = task_kill(task: TaskId, target: TaskId, signal: Option<Signal>);
    /// A task is about to look into another, or (`read` is false) to control it.
    security_ptrace_access_check = ptrace_access_check(task: TaskId, target: TaskId, read: bool);
    /// A socket is about to be made.
    security_socket_create = socket_create(task: TaskId, family: i64, kind: i64, protocol: i64);
    /// A socket is about to get an address of its own.
    security_socket_bind = socket_bind(task: TaskId, socket: SocketId, address: Option<(Ipv4Addr, u16)>);
    /// A socket is about to be connected.
    security_socket_connect = socket_connect(task: TaskId, socket: SocketId, address: Option<(Ipv4Addr, u16)>);
    /// Something is about to be mounted, moved or changed.
    security_sb_mount = sb_mount(task: TaskId, request: &MountRequest<'_>);
    /// A mount is about to be taken away.
    security_sb_umount = sb_umount(task: TaskId, place: VfsPath);
    /// The root of the mount namespace is about to be exchanged.
    security_sb_pivotroot = sb_pivotroot(task: TaskId, old: VfsPath, new: VfsPath);
}

impl Kernel<'_> {
    /// The names in `/sys/kernel/security/lsm`.
    pub(crate) fn active_modules(&self) -> &'static str {
        match self.lsm {
            Lsm::None => "capability",
            Lsm::AppArmor(_) => "capability,apparmor",
            Lsm::Selinux(_) => "capability,selinux",
        }
    }
}
