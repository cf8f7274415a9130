//! The seccomp profile that docker gives every container unless it is told otherwise, and profiles from files: lists of
//! calls with what they depend on (`profiles/seccomp` of moby), and what of them counts for one container.

use super::super::json::Json;
use crate::security::capability::Cap;

/// A part of the default profile.
struct Entry {
    /// The calls, separated by blanks.
    names: &'static str,
    /// Only for containers that have one of these capabilities.
    with: &'static [Cap],
    /// Only for containers that do not have this one.
    without: Option<Cap>,
    /// Conditions on arguments: index, value, second value, comparison.
    args: &'static [(i64, i64, i64, &'static str)],
    /// The error that it gives; it is allowed when there is none.
    errno: Option<i64>,
}

const fn allow(names: &'static str) -> Entry {
    Entry { names, with: &[], without: None, args: &[], errno: None }
}

const fn with(with: &'static [Cap], names: &'static str) -> Entry {
    Entry { with, ..allow(names) }
}

const fn only_if(names: &'static str, args: &'static [(i64, i64, i64, &'static str)]) -> Entry {
    Entry { args, ..allow(names) }
}

/// All flags of clone(2) that make namespaces.
const CLONE_NAMESPACES: i64 = 0x7e02_0000;
const AF_VSOCK: i64 = 40;
const ENOSYS: i64 = 38;
const MASKED_EQ: &str = "SCMP_CMP_MASKED_EQ";
const EQ: &str = "SCMP_CMP_EQ";

/// The default profile (`DefaultProfile`), for this architecture and a kernel of our days.
const DEFAULT: &[Entry] = &[
    allow(
        "accept accept4 access adjtimex alarm bind brk cachestat capget capset chdir chmod chown chown32 clock_adjtime \
         clock_adjtime64 clock_getres clock_getres_time64 clock_gettime clock_gettime64 clock_nanosleep \
         clock_nanosleep_time64 close close_range connect copy_file_range creat dup dup2 dup3 epoll_create epoll_create1 \
         epoll_ctl epoll_ctl_old epoll_pwait epoll_pwait2 epoll_wait epoll_wait_old eventfd eventfd2 execve execveat exit \
         exit_group faccessat faccessat2 fadvise64 fadvise64_64 fallocate fanotify_mark fchdir fchmod fchmodat fchmodat2 \
         fchown fchown32 fchownat fcntl fcntl64 fdatasync fgetxattr flistxattr flock fork fremovexattr fsetxattr fstat \
         fstat64 fstatat64 fstatfs fstatfs64 fsync ftruncate ftruncate64 futex futex_requeue futex_time64 futex_wait \
         futex_waitv futex_wake futimesat getcpu getcwd getdents getdents64 getegid getegid32 geteuid geteuid32 getgid \
         getgid32 getgroups getgroups32 getitimer getpeername getpgid getpgrp getpid getppid getpriority getrandom \
         getresgid getresgid32 getresuid getresuid32 getrlimit get_robust_list getrusage getsid getsockname getsockopt \
         get_thread_area gettid gettimeofday getuid getuid32 getxattr inotify_add_watch inotify_init inotify_init1 \
         inotify_rm_watch io_cancel ioctl io_destroy io_getevents io_pgetevents io_pgetevents_time64 ioprio_get \
         ioprio_set io_setup io_submit ipc kill landlock_add_rule landlock_create_ruleset landlock_restrict_self lchown \
         lchown32 lgetxattr link linkat listen listxattr llistxattr _llseek lremovexattr lseek lsetxattr lstat lstat64 \
         madvise map_shadow_stack membarrier memfd_create memfd_secret mincore mkdir mkdirat mknod mknodat mlock mlock2 \
         mlockall mmap mmap2 mprotect mq_getsetattr mq_notify mq_open mq_timedreceive mq_timedreceive_time64 mq_timedsend \
         mq_timedsend_time64 mq_unlink mremap msgctl msgget msgrcv msgsnd msync munlock munlockall munmap \
         name_to_handle_at nanosleep newfstatat _newselect open openat openat2 pause pidfd_open pidfd_send_signal pipe \
         pipe2 pkey_alloc pkey_free pkey_mprotect poll ppoll ppoll_time64 prctl pread64 preadv preadv2 prlimit64 \
         process_mrelease pselect6 pselect6_time64 pwrite64 pwritev pwritev2 read readahead readlink readlinkat readv recv \
         recvfrom recvmmsg recvmmsg_time64 recvmsg remap_file_pages removexattr rename renameat renameat2 restart_syscall \
         rmdir rseq rt_sigaction rt_sigpending rt_sigprocmask rt_sigqueueinfo rt_sigreturn rt_sigsuspend rt_sigtimedwait \
         rt_sigtimedwait_time64 rt_tgsigqueueinfo sched_getaffinity sched_getattr sched_getparam sched_get_priority_max \
         sched_get_priority_min sched_getscheduler sched_rr_get_interval sched_rr_get_interval_time64 sched_setaffinity \
         sched_setattr sched_setparam sched_setscheduler sched_yield seccomp select semctl semget semop semtimedop \
         semtimedop_time64 send sendfile sendfile64 sendmmsg sendmsg sendto setfsgid setfsgid32 setfsuid setfsuid32 setgid \
         setgid32 setgroups setgroups32 setitimer setpgid setpriority setregid setregid32 setresgid setresgid32 setresuid \
         setresuid32 setreuid setreuid32 setrlimit set_robust_list setsid setsockopt set_thread_area set_tid_address setuid \
         setuid32 setxattr shmat shmctl shmdt shmget shutdown sigaltstack signalfd signalfd4 sigprocmask sigreturn \
         socketcall socketpair splice stat stat64 statfs statfs64 statx symlink symlinkat sync sync_file_range syncfs \
         sysinfo tee tgkill time timer_create timer_delete timer_getoverrun timer_gettime timer_gettime64 timer_settime \
         timer_settime64 timerfd_create timerfd_gettime timerfd_gettime64 timerfd_settime timerfd_settime64 times tkill \
         truncate truncate64 ugetrlimit umask uname unlink unlinkat utime utimensat utimensat_time64 utimes vfork vmsplice \
         wait4 waitid waitpid write writev",
    ),
    allow("process_vm_readv process_vm_writev ptrace"),
    only_if("socket", &[(0, AF_VSOCK, 0, "SCMP_CMP_NE")]),
    only_if("personality", &[(0, 0, 0, EQ)]),
    only_if("personality", &[(0, 8, 0, EQ)]),
    only_if("personality", &[(0, 0x2_0000, 0, EQ)]),
    only_if("personality", &[(0, 0x2_0008, 0, EQ)]),
    only_if("personality", &[(0, 0xffff_ffff, 0, EQ)]),
    allow("arch_prctl modify_ldt"),
    with(&[Cap::DAC_READ_SEARCH], "open_by_handle_at"),
    with(
        &[Cap::SYS_ADMIN],
        "bpf clone clone3 fanotify_init fsconfig fsmount fsopen fspick lookup_dcookie mount mount_setattr move_mount \
         open_tree perf_event_open quotactl quotactl_fd setdomainname sethostname setns syslog umount umount2 unshare",
    ),
    Entry { without: Some(Cap::SYS_ADMIN), ..only_if("clone", &[(0, CLONE_NAMESPACES, 0, MASKED_EQ)]) },
    // Its flags are in memory, where a filter cannot look: the C library falls back to clone(2).
    Entry { without: Some(Cap::SYS_ADMIN), errno: Some(ENOSYS), ..allow("clone3") },
    with(&[Cap::SYS_BOOT], "reboot"),
    with(&[Cap::SYS_CHROOT], "chroot"),
    with(&[Cap::SYS_MODULE], "delete_module init_module finit_module"),
    with(&[Cap::SYS_PACCT], "acct"),
    with(&[Cap::SYS_PTRACE], "kcmp pidfd_getfd process_madvise process_vm_readv process_vm_writev ptrace"),
    with(&[Cap::SYS_RAWIO], "iopl ioperm"),
    with(&[Cap::SYS_TIME], "settimeofday stime clock_settime clock_settime64"),
    with(&[Cap::SYS_TTY_CONFIG], "vhangup"),
    with(&[Cap::SYS_NICE], "get_mempolicy mbind set_mempolicy set_mempolicy_home_node"),
    with(&[Cap::SYSLOG], "syslog"),
    with(&[Cap::BPF], "bpf"),
    with(&[Cap::PERFMON], "perf_event_open"),
];

/// The default profile for a container with these capabilities, as `linux.seccomp` has it.
pub(super) fn default_profile(caps: &[Cap]) -> Json {
    let counts = |e: &&Entry| {
        (e.with.is_empty() || e.with.iter().any(|c| caps.contains(c))) && e.without.is_none_or(|c| !caps.contains(&c))
    };
    let rules = DEFAULT.iter().filter(counts).map(|e| {
        let mut rule = Json::object([
            ("names", Json::strings(e.names.split_whitespace())),
            ("action", if e.errno.is_some() { "SCMP_ACT_ERRNO" } else { "SCMP_ACT_ALLOW" }.into()),
        ]);
        if let Some(errno) = e.errno {
            rule.set("errnoRet", errno.into());
        }
        if !e.args.is_empty() {
            let arg = |(index, value, value_two, op): &(i64, i64, i64, &str)| {
                Json::object([
                    ("index", (*index).into()),
                    ("value", (*value).into()),
                    ("valueTwo", (*value_two).into()),
                    ("op", (*op).into()),
                ])
            };
            rule.set("args", Json::List(e.args.iter().map(arg).collect()));
        }
        rule
    });
    Json::object([
        ("defaultAction", "SCMP_ACT_ERRNO".into()),
        ("defaultErrnoRet", 1.into()),
        ("architectures", Json::strings(["SCMP_ARCH_X86_64", "SCMP_ARCH_X86", "SCMP_ARCH_X32"])),
        ("syscalls", Json::List(rules.collect())),
    ])
}

/// What of a profile in a file counts for a container with these capabilities (`setupSeccomp`).
///
/// # Errors
/// What docker says of a file that is none.
pub(super) fn from_file(text: &str, caps: &[Cap]) -> Result<Json, String> {
    let wrong = |e: String| format!("Decoding seccomp profile failed: {e}");
    let file = Json::parse(text).map_err(wrong)?;
    let field = |json: &Json, name: &str| json.get(name).cloned();
    if file.get("architectures").is_some_and(|a| !a.items().is_empty()) && file.get("archMap").is_some() {
        return Err("both 'architectures' and 'archMap' are specified in the seccomp profile, use either 'architectures' or 'archMap'".to_owned());
    }
    let has = |list: Option<&Json>, wanted: &dyn Fn(&str) -> bool| {
        list.map(Json::items).unwrap_or_default().iter().filter_map(Json::as_str).any(wanted)
    };
    let has_cap = |name: &str| Cap::from_name(name).is_some_and(|c| caps.contains(&c));
    let native = |name: &str| matches!(name, "amd64" | "x86_64");
    let mut rules = Vec::new();
    for rule in file.get("syscalls").map(Json::items).unwrap_or_default() {
        let (includes, excludes) = (rule.get("includes"), rule.get("excludes"));
        let (inc, exc) = (|n: &str| includes.and_then(|j| j.get(n)), |n: &str| excludes.and_then(|j| j.get(n)));
        let empty = |list: Option<&Json>| list.is_none_or(|l| l.items().is_empty());
        if has(exc("arches"), &native) || has(exc("caps"), &has_cap) || exc("minKernel").is_some() {
            continue;
        }
        let all_caps = inc("caps").map(Json::items).unwrap_or_default().iter().filter_map(Json::as_str).all(has_cap);
        if (!empty(inc("arches")) && !has(inc("arches"), &native)) || !all_caps {
            continue;
        }
        let mut kept = Json::object([]);
        for name in ["names", "name", "action", "errnoRet", "args"] {
            if let Some(value) = field(rule, name) {
                kept.set(name, value);
            }
        }
        rules.push(kept);
    }
    let mut profile = Json::object([("defaultAction", field(&file, "defaultAction").unwrap_or_else(|| "".into()))]);
    for name in ["defaultErrnoRet", "architectures", "flags", "listenerPath"] {
        if let Some(value) = field(&file, name) {
            profile.set(name, value);
        }
    }
    profile.set("syscalls", Json::List(rules));
    Ok(profile)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn capabilities_open_calls() {
        let allows = |caps: &[Cap], call: &str| default_profile(caps).compact().contains(&format!("\"{call}\""));
        assert!(!allows(&[], "mount") && allows(&[Cap::SYS_ADMIN], "mount"));
        assert!(!allows(&[], "chroot") && allows(&[Cap::SYS_CHROOT], "chroot"));
        assert!(default_profile(&[]).compact().contains("SCMP_CMP_MASKED_EQ"));
    }

    #[test]
    fn a_file_is_cut_to_what_counts() {
        let text = r#"{"defaultAction": "SCMP_ACT_ALLOW", "syscalls": [
            {"names": ["mkdir"], "action": "SCMP_ACT_ERRNO"},
            {"names": ["mount"], "action": "SCMP_ACT_ERRNO", "excludes": {"caps": ["CAP_SYS_ADMIN"]}},
            {"names": ["s390_x"], "action": "SCMP_ACT_ERRNO", "includes": {"arches": ["s390x"]}}]}"#;
        let names = |caps: &[Cap]| from_file(text, caps).expect("right").compact();
        assert!(names(&[]).contains("mount") && !names(&[Cap::SYS_ADMIN]).contains("mount"));
        assert!(!names(&[]).contains("s390_x"));
        assert!(from_file("{", &[]).expect_err("wrong").starts_with("Decoding seccomp profile failed: "));
    }
}
