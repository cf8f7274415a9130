//! setns(2): enters a namespace that a descriptor names, or those of a process.

use std::sync::Arc;

use crate::errno::Errno;
use crate::event::EventKind;
use crate::kernel::Kernel;
use crate::namespace::mnt::MntNsId;
use crate::namespace::user::UserNsId;
use crate::namespace::{NsKind, NsProxy, NsRef};
use crate::security::capability::{Cap, CapSet};
use crate::security::credentials::{Cred, SecureBits};
use crate::security::ptrace::AccessMode;
use crate::syscall::{Arg, Args, Ret, Support, SysResult, SyscallInfo, Sysno};
use crate::task::TaskId;
use crate::vfs::Node;
use crate::vfs::file::FileKind;

use super::unshare::UNSHARE_FLAGS;

/// setns(2).
pub const SETNS: SyscallInfo = SyscallInfo {
    nr: Sysno::SETNS,
    man: "setns(2)",
    args: &[Arg::Fd("fd"), Arg::Flags("nstype", UNSHARE_FLAGS)],
    errno: &[
        (Errno::EBADF, "the descriptor is not open"),
        (
            Errno::EINVAL,
            "it is no namespace, or one of another kind than nstype says; a user namespace that is the caller's own \
          or that a multithreaded or CLONE_FS process wants to enter; a PID namespace that is not the caller's or inside it",
        ),
        (Errno::ESRCH, "the process of the pidfd is gone"),
        (
            Errno::EPERM,
            "no CAP_SYS_ADMIN in the owner of the namespace or in the caller's user namespace; \
          for a mount namespace also CAP_SYS_CHROOT",
        ),
        (Errno::EUSERS, "a time namespace, and the caller has more than one thread"),
    ],
    support: Support::Full,
    run: setns,
};

/// What the caller is about to become (`struct nsset`).
struct NsSet {
    proxy: NsProxy,
    cred: Arc<Cred>,
    entered: Vec<NsRef>,
}

fn setns(k: &mut Kernel<'_>, caller: TaskId, a: Args<'_>) -> SysResult {
    let (fd, flags) = (a.int32(0)?, a.flags(1)? as u32 as u64);
    let table = k.tasks[caller].files.ok_or(Errno::EBADF)?;
    let file = k.vfs.fd_tables[table].fds.get(&fd).ok_or(Errno::EBADF)?.file;
    let targets: Vec<NsRef> = match &k.vfs.files[file].kind {
        FileKind::Path(path) => match path.node {
            Node::Ns(ns) if flags == 0 || flags == ns.kind().clone_flag() => vec![ns],
            _ => return Err(Errno::EINVAL.into()),
        },
        FileKind::PidFd(pid) => {
            let pid = *pid;
            let known = NsKind::ALL.iter().fold(0, |all, kind| all | kind.clone_flag());
            if flags == 0 || flags & !known != 0 {
                return Err(Errno::EINVAL.into());
            }
            namespaces_of_process(k, caller, pid, flags)?
        }
        _ => return Err(Errno::EINVAL.into()),
    };
    let mut set =
        NsSet { proxy: k.tasks[caller].nsproxy, cred: Arc::clone(&k.tasks[caller].cred), entered: Vec::new() };
    // With a pidfd every new namespace but the mount namespace alone brings a file system struct of one's own.
    let alone = targets.len() == 1;
    for ns in targets {
        install(k, caller, &mut set, ns, alone)?;
    }
    commit(k, caller, set);
    Ok(Ret::new(0))
}

/// The namespaces of another process that `flags` ask for, in the order of `validate_nsset`.
fn namespaces_of_process(
    k: &mut Kernel<'_>,
    caller: TaskId,
    pid: crate::namespace::pid::PidId,
    flags: u64,
) -> Result<Vec<NsRef>, Errno> {
    let task = k.pids.get(pid).and_then(|p| p.task).ok_or(Errno::ESRCH)?;
    if !k.ptrace_may_access(caller, task, AccessMode::RealCreds) {
        return Err(Errno::EPERM);
    }
    if k.tasks[task].state.has_exited() {
        return Err(Errno::ESRCH);
    }
    let order =
        [NsKind::User, NsKind::Mnt, NsKind::Uts, NsKind::Ipc, NsKind::Pid, NsKind::Cgroup, NsKind::Net, NsKind::Time];
    let all = k.namespaces_of(task);
    Ok(order
        .into_iter()
        .filter(|kind| flags & kind.clone_flag() != 0)
        .filter_map(|kind| all.into_iter().find(|ns| ns.kind() == kind))
        .collect())
}

/// The rules of one kind (`proc_ns_operations.install`).
fn install(k: &mut Kernel<'_>, caller: TaskId, set: &mut NsSet, ns: NsRef, alone: bool) -> Result<(), Errno> {
    let Some(owner) = k.ns_common(ns).map(|c| c.owner) else { return Err(Errno::EINVAL) };
    match ns {
        NsRef::User(id) => install_user(k, caller, set, id)?,
        NsRef::Mnt(id) => {
            let own = set.cred.user_ns;
            if !k.capable_in(caller, owner, Cap::SYS_ADMIN)
                || !k.capable_in(caller, own, Cap::SYS_CHROOT)
                || !k.capable_in(caller, own, Cap::SYS_ADMIN)
            {
                return Err(Errno::EPERM);
            }
            if alone && k.vfs.fs_structs[k.tasks[caller].fs].users != 1 {
                return Err(Errno::EINVAL);
            }
            set.proxy.mnt = id;
        }
        NsRef::Time(_) if k.processes[k.tasks[caller].process].threads.len() > 1 => return Err(Errno::EUSERS),
        _ => {
            let own = set.cred.user_ns;
            if !k.capable_in(caller, owner, Cap::SYS_ADMIN) || !k.capable_in(caller, own, Cap::SYS_ADMIN) {
                return Err(Errno::EPERM);
            }
            match ns {
                NsRef::Uts(id) => set.proxy.uts = id,
                NsRef::Ipc(id) => set.proxy.ipc = id,
                NsRef::Net(id) => set.proxy.net = id,
                NsRef::Cgroup(id) => set.proxy.cgroup = id,
                NsRef::Time(id) => {
                    set.proxy.time = id;
                    set.proxy.time_for_children = id;
                }
                NsRef::Pid(id) => {
                    if !is_within(k, id, k.pid_ns_of(caller)) {
                        return Err(Errno::EINVAL);
                    }
                    set.proxy.pid_for_children = id;
                }
                NsRef::User(_) | NsRef::Mnt(_) => {}
            }
        }
    }
    set.entered.push(ns);
    Ok(())
}

/// Whether a PID namespace is `outer` or lies inside it.
fn is_within(k: &Kernel<'_>, inner: crate::namespace::pid::PidNsId, outer: crate::namespace::pid::PidNsId) -> bool {
    let mut at = Some(inner);
    while let Some(ns) = at {
        if ns == outer {
            return true;
        }
        at = k.pid_namespaces.get(ns).and_then(|n| n.parent);
    }
    false
}

/// `userns_install`.
fn install_user(k: &mut Kernel<'_>, caller: TaskId, set: &mut NsSet, id: UserNsId) -> Result<(), Errno> {
    let task = &k.tasks[caller];
    let threads = k.processes[task.process].threads.len();
    if id == task.cred.user_ns || threads > 1 || k.vfs.fs_structs[task.fs].users != 1 {
        return Err(Errno::EINVAL);
    }
    if !k.capable_in(caller, id, Cap::SYS_ADMIN) {
        return Err(Errno::EPERM);
    }
    set.cred = Arc::new(Cred {
        inheritable: CapSet::EMPTY,
        permitted: CapSet::FULL,
        effective: CapSet::FULL,
        bounding: CapSet::FULL,
        ambient: CapSet::EMPTY,
        securebits: SecureBits::empty(),
        user_ns: id,
        ..(*set.cred).clone()
    });
    Ok(())
}

/// Everything has been allowed (`commit_nsset`).
fn commit(k: &mut Kernel<'_>, caller: TaskId, set: NsSet) {
    if set.entered.iter().any(|ns| matches!(ns, NsRef::Ipc(_))) {
        let process = k.tasks[caller].process;
        k.exit_sem(process);
    }
    k.hold_nsproxy(&set.proxy);
    let old = std::mem::replace(&mut k.tasks[caller].nsproxy, set.proxy);
    let old_user = k.tasks[caller].cred.user_ns;
    if set.cred.user_ns != old_user {
        k.hold_ns(NsRef::User(set.cred.user_ns));
        k.commit_creds(caller, Arc::unwrap_or_clone(set.cred));
        k.release_ns(NsRef::User(old_user));
    }
    if let Some(mnt) = set.entered.iter().find_map(|ns| if let NsRef::Mnt(id) = ns { Some(*id) } else { None }) {
        enter_mount_namespace(k, caller, mnt);
    }
    if set.entered.iter().any(|ns| matches!(ns, NsRef::Time(_))) {
        let time = set.proxy.time;
        k.time_namespaces[time].frozen_offsets = true;
    }
    for ns in set.entered {
        k.emit(EventKind::NamespaceEntered { ns, task: caller });
    }
    k.release_nsproxy(&old);
}

/// Root and working directory become the root of the namespace, on top of whatever is mounted there.
fn enter_mount_namespace(k: &mut Kernel<'_>, caller: TaskId, mnt: MntNsId) {
    let fs = k.tasks[caller].fs;
    if k.vfs.fs_structs[fs].users > 1 {
        let own = k.copy_fs_struct(fs, false);
        k.release_fs_struct(fs);
        k.tasks[caller].fs = own;
    }
    k.enter_mnt_namespace(caller, mnt);
}
