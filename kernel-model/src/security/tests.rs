//! Sessions about the walls around a process: what was typed, and what came out.

use crate::errno::Errno;
use crate::event::EventKind;
use crate::kernel::Trace;
use crate::pv_ops::NoMachine;
use crate::security::seccomp::{Action, Seccomp};
use crate::step::Running;
use crate::strace::parse_call;
use crate::syscall::CallResult;
use crate::task::TaskId;
use crate::testing::run;
use crate::world::{Config, World};

/// The shell of the standard world, asked for calls from outside.
struct Lab {
    running: Running<NoMachine>,
    trace: Trace,
}

const SHELL: TaskId = TaskId(2);

impl Lab {
    fn new() -> Lab {
        let mut running = Running::new(World::boot(Config::default()), NoMachine);
        running.run(100_000, &mut Trace::new());
        Lab { running, trace: Trace::new() }
    }

    /// A call in strace's syntax; `None` when nobody returns from it.
    fn call(&mut self, text: &str) -> Option<CallResult> {
        let call = parse_call(text).unwrap_or_else(|bad| panic!("{text}: {bad}"));
        self.running.call_as(SHELL, call, &mut self.trace)
    }

    fn int(&mut self, text: &str) -> Result<i64, Errno> {
        self.call(text).expect("the call returns").map(|ret| ret.value)
    }
}

fn filter(flags: &str, insns: &[&str]) -> String {
    format!("seccomp(SECCOMP_SET_MODE_FILTER, {flags}, {{len={}, filter=[{}]}})", insns.len(), insns.join(", "))
}

/// A filter that answers `action` to one call and allows all others.
fn one_call(nr: i64, action: &str) -> String {
    let test = format!("BPF_JUMP(BPF_JMP|BPF_K|BPF_JEQ, {nr}, 0, 0x1)");
    let answer = format!("BPF_STMT(BPF_RET|BPF_K, {action})");
    filter("0", &["BPF_STMT(BPF_LD|BPF_W|BPF_ABS, 0)", &test, &answer, "BPF_STMT(BPF_RET|BPF_K, SECCOMP_RET_ALLOW)"])
}

#[test]
fn a_filter_says_no_and_is_inherited() {
    assert_eq!(
        run(&["enosys -s uname:EPERM uname"]),
        "uname: cannot get system name: Operation not permitted\n[exit 1]\n"
    );
    assert_eq!(
        run(&["enosys -s uname sh -c 'uname; true'"]),
        "uname: cannot get system name: Function not implemented\n"
    );
    assert_eq!(
        run(&["enosys -s mount:EPERM enosys -s umount2 grep -E '^(NoNewPrivs|Seccomp)' /proc/self/status"]),
        "NoNewPrivs:\t1\nSeccomp:\t2\nSeccomp_filters:\t2\n"
    );
    assert_eq!(
        run(&["grep -E '^(NoNewPrivs|Seccomp)' /proc/self/status"]),
        "NoNewPrivs:\t0\nSeccomp:\t0\nSeccomp_filters:\t0\n"
    );
    // A call that "succeeds" without being made.
    assert_eq!(run(&["enosys -s sethostname:0 hostname other; hostname"]), "lab\n");
    assert_eq!(run(&["enosys -s nonsense true"]), "enosys: Unknown syscall: 'nonsense'\n[exit 1]\n");
}

#[test]
fn the_strongest_answer_of_several_filters_counts() {
    let mut lab = Lab::new();
    let getppid = 110;
    for action in ["SECCOMP_RET_LOG", "SECCOMP_RET_ERRNO|1", "SECCOMP_RET_ERRNO|13", "SECCOMP_RET_TRACE"] {
        assert_eq!(lab.int(&one_call(getppid, action)), Ok(0));
    }
    // The newest of two equals.
    assert_eq!(lab.int("getppid()"), Err(Errno::EACCES));
    assert!(lab.int("getpid()").is_ok());
    let decided = lab.trace.events.iter().rev().find_map(|e| match e.kind {
        EventKind::SeccompDecided { action: Action::Errno(13), filter, .. } => filter,
        _ => None,
    });
    assert_eq!(decided, Some(2));
    assert_eq!(lab.int(&one_call(getppid, "SECCOMP_RET_KILL_PROCESS")), Ok(0));
    assert_eq!(lab.call("getppid()"), None);
    let world = &lab.running.world;
    assert!(world.tasks.get(SHELL).is_none_or(|t| t.state.has_exited()));
}

#[test]
fn without_a_tracer_or_listener_a_call_does_not_exist() {
    let mut lab = Lab::new();
    assert_eq!(lab.int(&one_call(110, "SECCOMP_RET_TRACE|7")), Ok(0));
    assert_eq!(lab.int("getppid()"), Err(Errno::ENOSYS));
    assert_eq!(lab.int(&one_call(39, "SECCOMP_RET_USER_NOTIF")), Ok(0));
    assert_eq!(lab.int("getpid()"), Err(Errno::ENOSYS));
}

#[test]
fn seccomp_says_why_not() {
    let allow = filter("0", &["BPF_STMT(BPF_RET|BPF_K, SECCOMP_RET_ALLOW)"]);
    let mut lab = Lab::new();
    assert_eq!(lab.int("seccomp(SECCOMP_SET_MODE_STRICT, 0x1, NULL)"), Err(Errno::EINVAL));
    assert_eq!(lab.int("seccomp(SECCOMP_SET_MODE_FILTER, SECCOMP_FILTER_FLAG_TSYNC, NULL)"), Err(Errno::EFAULT));
    assert_eq!(lab.int("seccomp(SECCOMP_SET_MODE_FILTER, 0x40, NULL)"), Err(Errno::EINVAL));
    assert_eq!(lab.int("seccomp(SECCOMP_GET_ACTION_AVAIL, 0, [SECCOMP_RET_LOG])"), Ok(0));
    assert_eq!(lab.int("seccomp(SECCOMP_GET_ACTION_AVAIL, 0, [0x123])"), Err(Errno::EOPNOTSUPP));
    assert_eq!(lab.int("seccomp(9, 0, NULL)"), Err(Errno::EINVAL));
    let no_return = filter("0", &["BPF_STMT(BPF_LD|BPF_W|BPF_ABS, 0)"]);
    assert_eq!(lab.int(&no_return), Err(Errno::EINVAL));
    assert_eq!(
        lab.int("capset({version=_LINUX_CAPABILITY_VERSION_3, pid=0}, {effective=0, permitted=0, inheritable=0})"),
        Ok(0)
    );
    assert_eq!(lab.int(&allow), Err(Errno::EACCES));
    assert_eq!(lab.int("prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)"), Ok(0));
    assert_eq!(lab.int(&allow), Ok(0));
    assert_eq!(lab.int("prctl(PR_GET_SECCOMP)"), Ok(2));
    assert_eq!(lab.int("prctl(PR_SET_SECCOMP, 1)"), Err(Errno::EINVAL));
}

#[test]
fn processor_time_runs_out() {
    use crate::security::rlimit::{CPU, Rlimit};
    use crate::time::Nanos;
    let mut lab = Lab::new();
    let process = lab.running.world.tasks[SHELL].process;
    lab.running.world.processes[process].rlimits.0[CPU] = Rlimit { soft: 1, hard: 3 };
    lab.int("rt_sigaction(SIGXCPU, {sa_handler=SIG_IGN, sa_flags=0}, NULL, 8)").expect("ignored");
    for (seconds, soft, alive) in [(0, 1, true), (1, 2, true), (2, 3, true), (3, 3, false)] {
        lab.running.world.tasks[SHELL].cpu_time = Nanos(seconds * 1_000_000_000);
        let line = crate::action::Action::Line { console: crate::console::ConsoleId(1), text: ":".into() };
        lab.running.inject(&line, &mut lab.trace);
        lab.running.run(100_000, &mut lab.trace);
        let world = &lab.running.world;
        assert_eq!(world.tasks.get(SHELL).is_some_and(|t| !t.state.has_exited()), alive, "after {seconds} s");
        if alive {
            assert_eq!(world.processes[process].rlimits.0[CPU].soft, soft);
        }
    }
}

#[test]
fn in_strict_mode_only_four_calls_are_left() {
    let mut lab = Lab::new();
    assert_eq!(lab.int("prctl(PR_SET_SECCOMP, 1)"), Ok(0));
    assert_eq!(lab.running.world.tasks[SHELL].seccomp, Seccomp::Strict);
    assert_eq!(lab.int("write(77, \"x\", 1)"), Err(Errno::EBADF));
    assert_eq!(lab.call("getpid()"), None);
    assert!(lab.running.world.tasks.get(SHELL).is_none_or(|t| t.state.has_exited()));
}
