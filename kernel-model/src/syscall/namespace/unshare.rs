//! unshare(2): leaves what is shared with others behind, and gets namespaces of one's own.

use std::sync::Arc;

use crate::errno::Errno;
use crate::event::EventKind;
use crate::kernel::Kernel;
use crate::namespace::{
    CLONE_NEWCGROUP, CLONE_NEWIPC, CLONE_NEWNET, CLONE_NEWNS, CLONE_NEWPID, CLONE_NEWTIME, CLONE_NEWUSER, CLONE_NEWUTS,
    NsRef,
};
use crate::security::capability::Cap;
use crate::syscall::{Arg, Args, FlagNames, Ret, Support, SysResult, SyscallInfo, Sysno};
use crate::task::TaskId;
use crate::task::clone::flags;

/// The flags of unshare(2).
pub const UNSHARE_FLAGS: FlagNames = &[
    ("CLONE_VM", flags::VM),
    ("CLONE_FS", flags::FS),
    ("CLONE_FILES", flags::FILES),
    ("CLONE_SIGHAND", flags::SIGHAND),
    ("CLONE_THREAD", flags::THREAD),
    ("CLONE_NEWNS", CLONE_NEWNS),
    ("CLONE_SYSVSEM", flags::SYSVSEM),
    ("CLONE_NEWCGROUP", CLONE_NEWCGROUP),
    ("CLONE_NEWUTS", CLONE_NEWUTS),
    ("CLONE_NEWIPC", CLONE_NEWIPC),
    ("CLONE_NEWUSER", CLONE_NEWUSER),
    ("CLONE_NEWPID", CLONE_NEWPID),
    ("CLONE_NEWNET", CLONE_NEWNET),
    ("CLONE_NEWTIME", CLONE_NEWTIME),
];

/// unshare(2).
pub const UNSHARE: SyscallInfo = SyscallInfo {
    nr: Sysno::UNSHARE,
    man: "unshare(2)",
    args: &[Arg::Flags("flags", UNSHARE_FLAGS)],
    errno: &[
        (
            Errno::EINVAL,
            "an unknown flag; CLONE_NEWUSER, CLONE_THREAD, CLONE_SIGHAND or CLONE_VM with more than one thread; \
          CLONE_NEWPID after an earlier one without a fork between",
        ),
        (
            Errno::ENOSPC,
            "a limit in /proc/sys/user/max_*_namespaces is reached, or user or PID namespaces are nested 33 deep",
        ),
        (
            Errno::EPERM,
            "no CAP_SYS_ADMIN in the caller's (new) user namespace; for CLONE_NEWUSER: a chroot, or own ids without a mapping",
        ),
    ],
    support: Support::Full,
    run: unshare,
};

/// The flags that make namespaces other than a user namespace.
const NEW_NAMESPACES: u64 =
    CLONE_NEWNS | CLONE_NEWUTS | CLONE_NEWIPC | CLONE_NEWNET | CLONE_NEWPID | CLONE_NEWCGROUP | CLONE_NEWTIME;

fn unshare(k: &mut Kernel<'_>, caller: TaskId, a: Args<'_>) -> SysResult {
    let mut f = a.flags(0)?;
    // What is implied (ksys_unshare).
    if f & CLONE_NEWUSER != 0 {
        f |= flags::THREAD | flags::FS;
    }
    if f & flags::VM != 0 {
        f |= flags::SIGHAND;
    }
    if f & flags::SIGHAND != 0 {
        f |= flags::THREAD;
    }
    if f & CLONE_NEWNS != 0 {
        f |= flags::FS;
    }
    check_flags(k, caller, f)?;

    let old_fs = k.tasks[caller].fs;
    let own_fs = f & flags::FS != 0 && k.vfs.fs_structs[old_fs].users > 1;
    let fs = if own_fs { k.copy_fs_struct(old_fs, false) } else { old_fs };
    let undo_fs = |k: &mut Kernel<'_>| {
        if own_fs {
            k.release_fs_struct(fs);
        }
    };

    let mut cred = Arc::clone(&k.tasks[caller].cred);
    if f & CLONE_NEWUSER != 0 {
        match k.create_user_namespace(caller, &cred) {
            Ok(new) => cred = Arc::new(new),
            Err(e) => {
                undo_fs(k);
                return Err(e.into());
            }
        }
    }
    let new_user_ns = cred.user_ns;
    let proxy = if f & NEW_NAMESPACES == 0 {
        Ok(None)
    } else if !k.cred_capable(&cred, new_user_ns, Cap::SYS_ADMIN) {
        Err(Errno::EPERM)
    } else {
        k.create_namespaces(caller, f & NEW_NAMESPACES, &cred, fs).map(Some)
    };
    let proxy = match proxy {
        Ok(proxy) => proxy,
        Err(e) => {
            undo_fs(k);
            if f & CLONE_NEWUSER != 0 {
                k.release_ns(NsRef::User(new_user_ns));
            }
            return Err(e.into());
        }
    };

    // Nothing can fail any more.
    if own_fs {
        k.tasks[caller].fs = fs;
        k.release_fs_struct(old_fs);
    }
    if f & flags::FILES != 0 {
        unshare_files(k, caller);
    }
    if let Some(proxy) = proxy {
        if f & CLONE_NEWIPC != 0 {
            let process = k.tasks[caller].process;
            k.exit_sem(process);
        }
        let old = std::mem::replace(&mut k.tasks[caller].nsproxy, proxy);
        for (new, old) in proxy.refs().into_iter().zip(old.refs()) {
            if new != old && !matches!(new, NsRef::Pid(_)) && new != NsRef::Time(proxy.time_for_children) {
                k.emit(EventKind::NamespaceEntered { ns: new, task: caller });
            }
        }
        k.release_nsproxy(&old);
    }
    if f & CLONE_NEWUSER != 0 {
        let old = k.tasks[caller].cred.user_ns;
        k.commit_creds(caller, Arc::unwrap_or_clone(cred));
        k.emit(EventKind::NamespaceEntered { ns: NsRef::User(new_user_ns), task: caller });
        k.release_ns(NsRef::User(old));
    }
    Ok(Ret::new(0))
}

/// `check_unshare_flags`.
fn check_flags(k: &Kernel<'_>, caller: TaskId, f: u64) -> Result<(), Errno> {
    let known = UNSHARE_FLAGS.iter().fold(0, |all, (_, bit)| all | bit);
    if f & !known != 0 {
        return Err(Errno::EINVAL);
    }
    let task = &k.tasks[caller];
    let threads = k.processes[task.process].threads.len();
    if f & (flags::THREAD | flags::SIGHAND | flags::VM) != 0 && threads > 1 {
        return Err(Errno::EINVAL);
    }
    if f & (flags::SIGHAND | flags::VM) != 0 && k.sighands[task.sighand].users > 1 {
        return Err(Errno::EINVAL);
    }
    Ok(())
}

/// A descriptor table of one's own.
fn unshare_files(k: &mut Kernel<'_>, caller: TaskId) {
    let Some(files) = k.tasks[caller].files else { return };
    if k.vfs.fd_tables[files].users > 1 {
        let copy = k.copy_files(files, false);
        k.vfs.fd_tables[files].users -= 1;
        k.tasks[caller].files = Some(copy);
    }
}
