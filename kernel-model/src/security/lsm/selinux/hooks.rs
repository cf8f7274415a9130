//! What SELinux says at each hook (`security/selinux/hooks.c`).

use std::net::Ipv4Addr;
use std::sync::Arc;

use super::avc::About;
use super::object::class_of_kind;
use super::{Context, Module, XATTR, policy};
use crate::errno::Errno;
use crate::event::EventKind;
use crate::kernel::Kernel;
use crate::namespace::user::UserNsId;
use crate::net::socket::{Protocol, SocketId};
use crate::security::capability::{Cap, NAMES};
use crate::security::credentials::Cred;
use crate::security::lsm::event::LsmEvent;
use crate::security::lsm::{Blob, Module as Hooks, MountRequest};
use crate::syscall::mount::mount::ms;
use crate::task::TaskId;
use crate::task::signal::Signal;
use crate::vfs::Node;
use crate::vfs::inode::InodeKind;
use crate::vfs::mount::MountFlags;
use crate::vfs::path::VfsPath;
use crate::vfs::permission::Access;

type Hook = Result<(), Errno>;

impl Hooks for Module {
    fn capable(k: &mut Kernel<'_>, cred: &Cred, ns: UserNsId, cap: Cap) -> Hook {
        let (Some(label), Some(task)) = (cred.selinux_label(), k.sched.current) else { return Ok(()) };
        // CAP_MAC_ADMIN and the like from number 32 on are a class of their own.
        let class = match (ns == k.first_user_ns(), cap.0 < 32) {
            (true, true) => "capability",
            (true, false) => "capability2",
            (false, true) => "cap_userns",
            (false, false) => "cap2_userns",
        };
        let name = NAMES.get(usize::from(cap.0)).copied().unwrap_or("");
        let about = |_: &crate::world::World| About { fields: format!(" capability={} ", cap.0), object: name.into() };
        // cred_has_capability: the kernel says EPERM where the module says EACCES.
        k.avc_has_perm(task, (label, label), class, name, about).map_err(|_| Errno::EPERM)
    }

    fn file_open(k: &mut Kernel<'_>, task: TaskId, place: VfsPath, _: u32) -> Hook {
        named(k, task, place, "open")
    }

    fn mmap_file(k: &mut Kernel<'_>, task: TaskId, place: VfsPath, executable: bool) -> Hook {
        named(k, task, place, "map")?;
        if executable { named(k, task, place, "execute") } else { Ok(()) }
    }

    fn inode_permission(k: &mut Kernel<'_>, task: TaskId, place: VfsPath, access: Access) -> Hook {
        if access.contains(Access::EXEC) {
            let permission = if k.is_dir(place) { "search" } else { "execute" };
            named(k, task, place, permission)?;
        }
        if access.contains(Access::READ) {
            named(k, task, place, "read")?;
        }
        if access.contains(Access::WRITE) { named(k, task, place, "write") } else { Ok(()) }
    }

    fn path_mknod(k: &mut Kernel<'_>, task: TaskId, dir: VfsPath, name: &str, kind: &InodeKind) -> Hook {
        let cred = Arc::clone(&k.tasks[task].cred);
        let Some(own) = confined(&cred) else { return Ok(()) };
        k.inode_has_perm(task, dir, "add_name")?;
        let parent = k.selinux_label_of(dir);
        let class = class_of_kind(kind);
        let label = k.selinux_new_label(task, &parent, class);
        let name = name.to_owned();
        let about = move |_: &crate::world::World| About { fields: format!(" name=\"{name}\""), object: name };
        k.avc_has_perm(task, (own, &label), class, "create", about)
    }

    fn path_unlink(k: &mut Kernel<'_>, task: TaskId, victim: VfsPath) -> Hook {
        parent_perm(k, task, victim, "remove_name")?;
        let permission = if k.is_dir(victim) { "rmdir" } else { "unlink" };
        named(k, task, victim, permission)
    }

    fn path_link(k: &mut Kernel<'_>, task: TaskId, from: VfsPath, dir: VfsPath, _: &str) -> Hook {
        named(k, task, dir, "add_name")?;
        named(k, task, from, "link")
    }

    fn path_rename(
        k: &mut Kernel<'_>,
        task: TaskId,
        from: VfsPath,
        dir: VfsPath,
        _: &str,
        replaced: Option<VfsPath>,
    ) -> Hook {
        parent_perm(k, task, from, "remove_name")?;
        named(k, task, from, "rename")?;
        let old_dir = VfsPath { mnt: from.mnt, node: k.parent_of(from.node) };
        if k.is_dir(from) && old_dir != dir {
            named(k, task, from, "reparent")?;
        }
        named(k, task, dir, "add_name")?;
        match replaced {
            Some(other) => Self::path_unlink(k, task, other),
            None => Ok(()),
        }
    }

    fn path_truncate(k: &mut Kernel<'_>, task: TaskId, place: VfsPath) -> Hook {
        named(k, task, place, "write")
    }

    fn path_chmod(k: &mut Kernel<'_>, task: TaskId, place: VfsPath) -> Hook {
        named(k, task, place, "setattr")
    }

    fn path_chown(k: &mut Kernel<'_>, task: TaskId, place: VfsPath) -> Hook {
        named(k, task, place, "setattr")
    }

    fn inode_getattr(k: &mut Kernel<'_>, task: TaskId, place: VfsPath) -> Hook {
        named(k, task, place, "getattr")
    }

    fn inode_setxattr(k: &mut Kernel<'_>, task: TaskId, place: VfsPath, name: &str, value: &[u8]) -> Hook {
        if name != XATTR {
            return named(k, task, place, "setattr");
        }
        if value.is_empty() {
            // Labels are not taken away (selinux_inode_removexattr).
            return Err(Errno::EACCES);
        }
        let attr = k.attr(place);
        let owns = k.tasks[task].cred.fsuid == attr.uid || k.capable_wrt_inode(task, attr.uid, attr.gid, Cap::FOWNER);
        if !owns {
            return Err(Errno::EPERM);
        }
        named(k, task, place, "relabelfrom")?;
        let label = Context::parse(&String::from_utf8_lossy(value)).ok_or(Errno::EINVAL)?;
        // What the policy does not know can only be set by who may (mac_admin), which the model leaves out.
        if !policy::is_known(&label.kind) {
            return Err(Errno::EINVAL);
        }
        let cred = Arc::clone(&k.tasks[task].cred);
        let Some(own) = confined(&cred) else { return Ok(()) };
        let class = k.selinux_class_of(place);
        k.avc_has_perm(task, (own, &label), class, "relabelto", |w| w.avc_about(place))
    }

    fn bprm_creds_for_exec(k: &mut Kernel<'_>, task: TaskId, place: VfsPath, new: &mut Cred) -> Hook {
        let mut security = k.tasks[task].cred.selinux();
        let old = security.current.clone();
        let file = k.selinux_label_of(place);
        let asked = security.exec.take();
        security.fscreate = None;
        security.keycreate = None;
        security.sockcreate = None;
        let nnp = k.tasks[task].no_new_privs;
        let nosuid = k.vfs.mounts[place.mnt].flags.contains(MountFlags::NOSUID);
        let next = match &asked {
            Some(label) => label.clone(),
            None => {
                let transition = policy::TYPE_TRANSITIONS
                    .iter()
                    .find(|(source, target, class, _)| {
                        *source == old.kind && *target == file.kind && *class == "process"
                    })
                    .map(|t| Context { kind: t.3.to_owned(), ..old.clone() });
                // Without being asked for, a transition is given up where it could give privileges.
                transition.filter(|_| !nnp && !nosuid).unwrap_or_else(|| old.clone())
            }
        };
        let about = |w: &crate::world::World| w.avc_about(place);
        if next == old {
            k.avc_has_perm(task, (&old, &file), "file", "execute_no_trans", about)?;
        } else {
            if asked.is_some() && (nnp || nosuid) && !policy::is_unconfined(&old.kind) {
                // check_nnp_nosuid: the policy knows no exception for this type.
                return Err(Errno::EACCES);
            }
            k.avc_has_perm(task, (&old, &next), "process", "transition", about)?;
            if !policy::is_unconfined(&next.kind) {
                k.avc_has_perm(task, (&next, &file), "file", "entrypoint", about)?;
            }
            let why = if asked.is_some() {
                "it had asked for that for its next program"
            } else {
                "a type_transition rule of the policy says so"
            };
            let kind = LsmEvent::LabelChanged {
                task,
                from: old.to_string().into(),
                to: next.to_string().into(),
                why: why.into(),
            };
            k.emit(EventKind::Lsm(kind));
        }
        security.prev = old;
        security.current = next;
        new.security = Blob::Selinux(security);
        Ok(())
    }

    fn task_kill(k: &mut Kernel<'_>, task: TaskId, target: TaskId, signal: Option<Signal>) -> Hook {
        process_perm(k, task, target, policy::signal_permission(signal.map(|s| s.0)))
    }

    fn ptrace_access_check(k: &mut Kernel<'_>, task: TaskId, target: TaskId, read: bool) -> Hook {
        if !read {
            return process_perm(k, task, target, "ptrace");
        }
        // Looking is reading a file of that process.
        let (own, other) = (Arc::clone(&k.tasks[task].cred), Arc::clone(&k.tasks[target].cred));
        let (Some(own), Some(other)) = (confined(&own), other.selinux_label()) else { return Ok(()) };
        k.avc_has_perm(task, (own, other), "file", "read", |_| About::default())
    }

    fn socket_create(k: &mut Kernel<'_>, task: TaskId, family: i64, kind: i64, protocol: i64) -> Hook {
        socket_perm(k, task, socket_class(family, kind, protocol), "create", String::new())
    }

    fn socket_bind(k: &mut Kernel<'_>, task: TaskId, socket: SocketId, address: Option<(Ipv4Addr, u16)>) -> Hook {
        let fields = address.map_or_else(String::new, |(a, port)| format!(" saddr={a} src={port}"));
        let class = class_of_socket(k, socket);
        socket_perm(k, task, class, "bind", fields)
    }

    fn socket_connect(k: &mut Kernel<'_>, task: TaskId, socket: SocketId, address: Option<(Ipv4Addr, u16)>) -> Hook {
        let fields = address.map_or_else(String::new, |(a, port)| format!(" daddr={a} dest={port}"));
        let class = class_of_socket(k, socket);
        socket_perm(k, task, class, "connect", fields)
    }

    fn sb_mount(k: &mut Kernel<'_>, task: TaskId, request: &MountRequest<'_>) -> Hook {
        if request.flags & ms::REMOUNT != 0 {
            return filesystem_perm(k, task, request.target, "remount");
        }
        named(k, task, request.target, "mounton")
    }

    fn sb_umount(k: &mut Kernel<'_>, task: TaskId, place: VfsPath) -> Hook {
        filesystem_perm(k, task, place, "unmount")
    }
}

/// The label in credentials, if the policy has anything to say about it.
fn confined(cred: &Cred) -> Option<&Context> {
    cred.selinux_label().filter(|label| !policy::is_unconfined(&label.kind))
}

/// A permission over a file. What has no name in the tree of files belongs to whoever made it.
fn named(k: &mut Kernel<'_>, task: TaskId, place: VfsPath, permission: &str) -> Hook {
    if matches!(place.node, Node::Pipe(_)) {
        return Ok(());
    }
    k.inode_has_perm(task, place, permission)
}

/// A permission over the directory that a file is in.
fn parent_perm(k: &mut Kernel<'_>, task: TaskId, place: VfsPath, permission: &str) -> Hook {
    let parent = k.parent_of(place.node);
    named(k, task, VfsPath { mnt: place.mnt, node: parent }, permission)
}

fn process_perm(k: &mut Kernel<'_>, task: TaskId, target: TaskId, permission: &str) -> Hook {
    let (own, other) = (Arc::clone(&k.tasks[task].cred), Arc::clone(&k.tasks[target].cred));
    let (Some(own), Some(label)) = (confined(&own), other.selinux_label()) else { return Ok(()) };
    let comm = k.tasks[target].comm.clone();
    k.avc_has_perm(task, (own, label), "process", permission, |_| About { fields: String::new(), object: comm })
}

fn filesystem_perm(k: &mut Kernel<'_>, task: TaskId, place: VfsPath, permission: &str) -> Hook {
    let cred = Arc::clone(&k.tasks[task].cred);
    let Some(own) = confined(&cred) else { return Ok(()) };
    let root = VfsPath { mnt: place.mnt, node: k.super_of(place).root };
    let label = k.selinux_label_of(root);
    k.avc_has_perm(task, (own, &label), "filesystem", permission, |w| w.avc_about(root))
}

fn socket_perm(k: &mut Kernel<'_>, task: TaskId, class: &str, permission: &str, fields: String) -> Hook {
    let cred = Arc::clone(&k.tasks[task].cred);
    let Some(own) = confined(&cred) else { return Ok(()) };
    k.avc_has_perm(task, (own, own), class, permission, |_| About { fields, object: class.to_owned() })
}

/// The class of a socket (`socket_type_to_security_class`).
fn socket_class(family: i64, kind: i64, protocol: i64) -> &'static str {
    match (family, kind, protocol) {
        (1, 1 | 5, _) => "unix_stream_socket",
        (1, ..) => "unix_dgram_socket",
        (2 | 10, 1, _) => "tcp_socket",
        (2 | 10, 2, 1) => "icmp_socket",
        (2 | 10, 2, _) => "udp_socket",
        (2 | 10, ..) => "rawip_socket",
        (16, _, 0) => "netlink_route_socket",
        (17, ..) => "packet_socket",
        _ => "socket",
    }
}

fn class_of_socket(k: &Kernel<'_>, socket: SocketId) -> &'static str {
    match k.sockets.get(socket).map(|s| &s.protocol) {
        Some(Protocol::Route { .. }) => "netlink_route_socket",
        Some(Protocol::Icmp { raw: false, .. }) => "icmp_socket",
        Some(Protocol::Tcp(_)) => "tcp_socket",
        Some(Protocol::Udp) => "udp_socket",
        _ => "rawip_socket",
    }
}
