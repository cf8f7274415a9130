//! What AppArmor says at each hook (`security/apparmor/lsm.c`).

use std::net::Ipv4Addr;
use std::sync::Arc;

use super::audit::Denial;
use super::file::{FileQuestion, perms_of_open};
use super::rule::{Answer, MountKind, MountRule, NetworkRule, Perms, network_answer, peer_answer};
use super::{AppArmor, Profile, UNCONFINED, glob};
use crate::errno::Errno;
use crate::kernel::Kernel;
use crate::namespace::user::UserNsId;
use crate::net::socket::{Protocol, SocketId};
use crate::security::capability::{Cap, NAMES};
use crate::security::credentials::Cred;
use crate::security::lsm::{Module, MountRequest};
use crate::syscall::mount::mount::ms;
use crate::task::TaskId;
use crate::task::signal::Signal;
use crate::vfs::inode::InodeKind;
use crate::vfs::path::VfsPath;

type Hook = Result<(), Errno>;

impl Module for AppArmor {
    fn capable(k: &mut Kernel<'_>, cred: &Cred, _: UserNsId, cap: Cap) -> Hook {
        let (Some(profile), Some(task)) = (k.confinement(cred), k.sched.current) else { return Ok(()) };
        let rules = profile.capabilities;
        if rules.allows(cap) {
            return Ok(());
        }
        let name = NAMES.get(usize::from(cap.0)).copied().unwrap_or("");
        if rules.deny.has(cap) && !rules.audit.has(cap) {
            k.aa_quietly(&profile, "capable", name, format!("deny capability {name},"));
            return Err(Errno::EPERM);
        }
        let denial = Denial {
            operation: "capable",
            class: "cap",
            fields: format!(" capability={}  capname=\"{name}\"", cap.0),
            error: Some(Errno::EPERM),
            object: name.to_owned(),
            ..Denial::default()
        };
        k.aa_denied(task, &profile, denial)
    }

    fn file_open(k: &mut Kernel<'_>, task: TaskId, place: VfsPath, flags: u32) -> Hook {
        path(k, task, "open", place, perms_of_open(flags))
    }

    fn mmap_file(k: &mut Kernel<'_>, task: TaskId, place: VfsPath, executable: bool) -> Hook {
        let request = if executable { Perms::MMAP } else { Perms::empty() };
        path(k, task, "file_mmap", place, request)
    }

    fn path_mknod(k: &mut Kernel<'_>, task: TaskId, dir: VfsPath, name: &str, kind: &InodeKind) -> Hook {
        let operation = match kind {
            InodeKind::Directory => "mkdir",
            InodeKind::Symlink(_) => "symlink",
            _ => "mknod",
        };
        let name = k.aa_new_name(task, dir, name, matches!(kind, InodeKind::Directory));
        named(k, task, operation, &name, Perms::CREATE)
    }

    fn path_unlink(k: &mut Kernel<'_>, task: TaskId, victim: VfsPath) -> Hook {
        let operation = if k.is_dir(victim) { "rmdir" } else { "unlink" };
        path(k, task, operation, victim, Perms::DELETE)
    }

    fn path_link(k: &mut Kernel<'_>, task: TaskId, from: VfsPath, dir: VfsPath, name: &str) -> Hook {
        let Some(profile) = k.confinement_of(task) else { return Ok(()) };
        let new = k.aa_new_name(task, dir, name, false);
        let owner = k.attr(from).uid;
        let target = k.aa_new_name(task, from, "", false).trim_end_matches('/').to_owned();
        let question = FileQuestion { operation: "link", name: &new, owner, request: Perms::LINK };
        k.aa_file_perm(task, &profile, question)?;
        // A link may give no more than its name already has: at least what may be done under the old one.
        let of = |name: &str| super::rule::file_perms(&profile.files, name, false).allow;
        let limited = profile.files.iter().any(|r| {
            r.perms.contains(Perms::LINK)
                && glob::matches(&r.pattern, &new)
                && r.target.as_deref().is_none_or(|t| glob::matches(t, &target))
        });
        let subset = of(&target).contains(of(&new) - Perms::LINK);
        if limited && subset {
            return Ok(());
        }
        let denial = Denial {
            operation: "link",
            class: "file",
            info: if limited { "link not subset of target" } else { "target restricted" },
            error: Some(Errno::EACCES),
            name: &new,
            fields: k.aa_file_fields(task, Perms::LINK, owner) + &format!(" target=\"{target}\""),
            ..Denial::default()
        };
        k.aa_denied(task, &profile, denial)
    }

    fn path_rename(
        k: &mut Kernel<'_>,
        task: TaskId,
        from: VfsPath,
        dir: VfsPath,
        name: &str,
        _: Option<VfsPath>,
    ) -> Hook {
        let Some(profile) = k.confinement_of(task) else { return Ok(()) };
        let source = Perms::READ | Perms::WRITE | Perms::SETATTR | Perms::DELETE;
        k.aa_path_perm(task, &profile, "rename_src", from, source)?;
        let is_dir = k.is_dir(from);
        let owner = k.attr(from).uid;
        let name = k.aa_new_name(task, dir, name, is_dir);
        let request = Perms::WRITE | Perms::SETATTR | Perms::CREATE;
        k.aa_file_perm(task, &profile, FileQuestion { operation: "rename_dest", name: &name, owner, request })
    }

    fn path_truncate(k: &mut Kernel<'_>, task: TaskId, place: VfsPath) -> Hook {
        path(k, task, "truncate", place, Perms::WRITE | Perms::SETATTR)
    }

    fn path_chmod(k: &mut Kernel<'_>, task: TaskId, place: VfsPath) -> Hook {
        path(k, task, "chmod", place, Perms::CHMOD)
    }

    fn path_chown(k: &mut Kernel<'_>, task: TaskId, place: VfsPath) -> Hook {
        path(k, task, "chown", place, Perms::CHOWN)
    }

    fn bprm_creds_for_exec(k: &mut Kernel<'_>, task: TaskId, place: VfsPath, new: &mut Cred) -> Hook {
        k.aa_exec(task, place, new)
    }

    fn task_kill(k: &mut Kernel<'_>, task: TaskId, target: TaskId, signal: Option<Signal>) -> Hook {
        let name = signal.map_or_else(|| "exists".to_owned(), |s| s.short_name().to_ascii_lowercase());
        both_sides(k, (task, target), ("signal", "signal"), ("send", "receive"), &name)
    }

    fn ptrace_access_check(k: &mut Kernel<'_>, task: TaskId, target: TaskId, read: bool) -> Hook {
        let access = if read { ("read", "readby") } else { ("trace", "tracedby") };
        both_sides(k, (task, target), ("ptrace", "ptrace"), access, "")
    }

    fn socket_create(k: &mut Kernel<'_>, task: TaskId, family: i64, kind: i64, protocol: i64) -> Hook {
        network(k, task, "create", (family, kind, protocol))
    }

    fn socket_bind(k: &mut Kernel<'_>, task: TaskId, socket: SocketId, _: Option<(Ipv4Addr, u16)>) -> Hook {
        let what = socket_numbers(k, socket);
        network(k, task, "bind", what)
    }

    fn socket_connect(k: &mut Kernel<'_>, task: TaskId, socket: SocketId, _: Option<(Ipv4Addr, u16)>) -> Hook {
        let what = socket_numbers(k, socket);
        network(k, task, "connect", what)
    }

    fn sb_mount(k: &mut Kernel<'_>, task: TaskId, request: &MountRequest<'_>) -> Hook {
        let Some(profile) = k.confinement_of(task) else { return Ok(()) };
        let place = k.aa_new_name(task, request.target, "", false);
        let source = match request.from {
            Some(from) => k.aa_new_name(task, from, "", false),
            None => request.source.unwrap_or("").to_owned(),
        };
        let kind = if request.flags & ms::REMOUNT != 0 { MountKind::Remount } else { MountKind::Mount };
        let flags = request.flags & !ms::SILENT;
        let fits = |rule: &MountRule| {
            rule.kind == kind
                && (rule.fs_types.is_empty() || request.fs_type.is_some_and(|t| rule.fs_types.iter().any(|f| f == t)))
                && rule.options.is_none_or(|wanted| wanted & !ms::REMOUNT == flags & !ms::REMOUNT)
                && rule.options_in.is_none_or(|any| flags & !ms::REMOUNT & !any == 0)
                && (rule.source.is_empty() || glob::matches(&rule.source, &source))
                && (rule.place.is_empty() || glob::matches(&rule.place, &place))
        };
        if mount_allowed(&profile.mounts, fits) {
            return Ok(());
        }
        let mut fields = String::new();
        if let Some(fs_type) = request.fs_type {
            fields.push_str(&format!(" fstype=\"{fs_type}\""));
        }
        if !source.is_empty() {
            fields.push_str(&format!(" srcname={}", crate::security::audit::untrusted(&source)));
        }
        if flags != 0 {
            fields.push_str(&format!(" flags=\"{}\"", flag_names(flags)));
        }
        let info = if profile.mounts.is_empty() { "failed mntpnt match" } else { "failed flags match" };
        mount_denied(k, task, &profile, Denial { operation: "mount", info, name: &place, fields, ..Denial::default() })
    }

    fn sb_umount(k: &mut Kernel<'_>, task: TaskId, place: VfsPath) -> Hook {
        let Some(profile) = k.confinement_of(task) else { return Ok(()) };
        let name = k.aa_new_name(task, place, "", false);
        let fits = |rule: &MountRule| {
            rule.kind == MountKind::Umount && (rule.place.is_empty() || glob::matches(&rule.place, &name))
        };
        if mount_allowed(&profile.mounts, fits) {
            return Ok(());
        }
        mount_denied(k, task, &profile, Denial { operation: "umount", name: &name, ..Denial::default() })
    }

    fn sb_pivotroot(k: &mut Kernel<'_>, task: TaskId, old: VfsPath, new: VfsPath) -> Hook {
        let Some(profile) = k.confinement_of(task) else { return Ok(()) };
        let (old, new) = (k.aa_new_name(task, old, "", false), k.aa_new_name(task, new, "", false));
        let fits = |rule: &MountRule| {
            rule.kind == MountKind::PivotRoot
                && (rule.source.is_empty() || glob::matches(&rule.source, &old))
                && (rule.place.is_empty() || glob::matches(&rule.place, &new))
        };
        if mount_allowed(&profile.mounts, fits) {
            return Ok(());
        }
        let fields = format!(" srcname=\"{old}\"");
        mount_denied(k, task, &profile, Denial { operation: "pivotroot", name: &new, fields, ..Denial::default() })
    }
}

/// A file that exists.
fn path(k: &mut Kernel<'_>, task: TaskId, operation: &'static str, place: VfsPath, request: Perms) -> Hook {
    match k.confinement_of(task) {
        Some(profile) if !request.is_empty() => k.aa_path_perm(task, &profile, operation, place, request),
        _ => Ok(()),
    }
}

/// A file that does not exist yet, and would belong to the task.
fn named(k: &mut Kernel<'_>, task: TaskId, operation: &'static str, name: &str, request: Perms) -> Hook {
    let Some(profile) = k.confinement_of(task) else { return Ok(()) };
    let owner = k.tasks[task].cred.fsuid;
    k.aa_file_perm(task, &profile, FileQuestion { operation, name, owner, request })
}

/// A signal or a look into another task: both sides must allow it (`aa_may_signal`, `aa_may_ptrace`).
fn both_sides(
    k: &mut Kernel<'_>,
    (task, target): (TaskId, TaskId),
    (operation, class): (&'static str, &'static str),
    (doing, done): (&str, &str),
    signal: &str,
) -> Hook {
    let own = k.tasks[task].cred.apparmor().label;
    let other = k.tasks[target].cred.apparmor().label;
    let sides = [(k.confinement_of(task), doing, &other), (k.confinement_of(target), done, &own)];
    for (profile, access, peer) in sides {
        let Some(profile) = profile else { continue };
        let rules = if operation == "signal" { &profile.signals } else { &profile.ptrace };
        // Whose profile is gone is unconfined to the other side.
        let peer = if peer == UNCONFINED || k.apparmor().is_some_and(|p| p.profile(peer).is_some()) {
            peer.as_str()
        } else {
            UNCONFINED
        };
        let rule = format!("{operation} ({access}) peer={peer}");
        match peer_answer(rules, access, signal, peer) {
            Answer::Allow => {}
            Answer::DenyQuietly => {
                k.aa_quietly(&profile, operation, peer, format!("deny {rule},"));
                return Err(Errno::EACCES);
            }
            Answer::Deny => {
                let what = if signal.is_empty() { String::new() } else { format!(" signal={signal}") };
                let fields = format!(" requested_mask=\"{access}\" denied_mask=\"{access}\"{what} peer=\"{peer}\"");
                let rule = format!("the profile has no rule `{rule}`");
                let denial = Denial { operation, class, fields, rule, object: peer.to_owned(), ..Denial::default() };
                k.aa_denied(task, &profile, denial)?;
            }
        }
    }
    Ok(())
}

/// Families by their numbers, as messages and rules name them (`address_family_names`).
const FAMILIES: [(i64, &str); 6] =
    [(1, "unix"), (2, "inet"), (10, "inet6"), (16, "netlink"), (17, "packet"), (40, "vsock")];

/// Types by their numbers (`sock_type_names`).
const TYPES: [(i64, &str); 5] = [(1, "stream"), (2, "dgram"), (3, "raw"), (4, "rdm"), (5, "seqpacket")];

/// Protocols that rules can name.
const PROTOCOLS: [(i64, &str); 3] = [(6, "tcp"), (17, "udp"), (1, "icmp")];

fn name_of(table: &[(i64, &'static str)], number: i64) -> &'static str {
    table.iter().find(|(n, _)| *n == number).map_or("unknown", |(_, name)| name)
}

/// Family, type and protocol of a socket that exists.
fn socket_numbers(k: &Kernel<'_>, socket: SocketId) -> (i64, i64, i64) {
    match k.sockets.get(socket).map(|s| &s.protocol) {
        Some(Protocol::Route { .. }) => (16, 3, 0),
        Some(Protocol::Icmp { raw: true, .. }) => (2, 3, 1),
        Some(Protocol::Icmp { .. }) => (2, 2, 1),
        Some(Protocol::Tcp(_)) => (2, 1, 6),
        Some(Protocol::Raw) => (2, 3, 255),
        _ => (2, 2, 17),
    }
}

fn network(k: &mut Kernel<'_>, task: TaskId, operation: &'static str, numbers: (i64, i64, i64)) -> Hook {
    let Some(profile) = k.confinement_of(task) else { return Ok(()) };
    let (family, kind) = (name_of(&FAMILIES, numbers.0), name_of(&TYPES, numbers.1));
    let protocol = match numbers {
        (2 | 10, 1, 0) => "tcp",
        (2 | 10, 2, 0) => "udp",
        (_, _, protocol) => name_of(&PROTOCOLS, protocol),
    };
    let rules: &[NetworkRule] = &profile.network;
    match network_answer(rules, family, kind, protocol) {
        Answer::Allow => Ok(()),
        Answer::DenyQuietly => {
            k.aa_quietly(
                &profile,
                operation,
                &format!("{family} {kind} socket"),
                format!("deny network {family} {kind},"),
            );
            Err(Errno::EACCES)
        }
        Answer::Deny => {
            let fields = format!(
                " family=\"{family}\" sock_type=\"{kind}\" protocol={} requested_mask=\"{operation}\" \
                 denied_mask=\"{operation}\"",
                numbers.2
            );
            let object = format!("{family} {kind} socket");
            k.aa_denied(task, &profile, Denial { operation, class: "net", fields, object, ..Denial::default() })
        }
    }
}

/// Whether rules about mounts allow what `fits` says they are about.
fn mount_allowed(rules: &[MountRule], fits: impl Fn(&MountRule) -> bool) -> bool {
    let mut allowed = false;
    for rule in rules.iter().filter(|r| fits(r)) {
        if rule.deny {
            return false;
        }
        allowed = true;
    }
    allowed
}

fn mount_denied(k: &mut Kernel<'_>, task: TaskId, profile: &Arc<Profile>, denial: Denial<'_>) -> Hook {
    let denied = profile.mounts.iter().any(|r| r.deny);
    let rule = if denied { "a rule `deny mount,` or that none allows it".to_owned() } else { String::new() };
    let denial = Denial { class: "mount", error: Some(Errno::EACCES), rule, ..denial };
    k.aa_denied(task, profile, denial)
}

/// Names of `MS_*` flags as messages have them (`audit_mnt_flags`).
fn flag_names(flags: u64) -> String {
    let mut names = vec![if flags & ms::RDONLY != 0 { "ro" } else { "rw" }];
    for (bit, name) in [
        (ms::NOSUID, "nosuid"),
        (ms::NODEV, "nodev"),
        (ms::NOEXEC, "noexec"),
        (16, "sync"),
        (ms::REMOUNT, "remount"),
        (64, "mand"),
        (128, "dirsync"),
        (ms::NOATIME, "noatime"),
        (ms::NODIRATIME, "nodiratime"),
    ] {
        if flags & bit != 0 {
            names.push(name);
        }
    }
    if flags & ms::BIND != 0 {
        names.push(if flags & ms::REC != 0 { "rbind" } else { "bind" });
    }
    if flags & ms::MOVE != 0 {
        names.push("move");
    }
    for (bit, plain, recursive) in [
        (ms::UNBINDABLE, "unbindable", "runbindable"),
        (ms::PRIVATE, "private", "rprivate"),
        (ms::SLAVE, "slave", "rslave"),
        (ms::SHARED, "shared", "rshared"),
    ] {
        if flags & bit != 0 {
            names.push(if flags & ms::REC != 0 { recursive } else { plain });
        }
    }
    if flags & ms::RELATIME != 0 {
        names.push("relatime");
    }
    if flags & ms::STRICTATIME != 0 {
        names.push("strictatime");
    }
    names.join(", ")
}
