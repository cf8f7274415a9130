//! Small logs on the model.

use super::*;

/// The verdicts of the lines, one letter each: agrees, differs, out of scope, begun, no call, unparsed.
fn verdicts(log: &str) -> String {
    let replay = replay(log).unwrap_or_else(|e| panic!("{e}"));
    let letter = |line: &ReplayedLine| match line.verdict {
        Verdict::Agrees => 'a',
        Verdict::Differs => 'd',
        Verdict::OutOfScope(_) => 'o',
        Verdict::Begun => 'b',
        Verdict::NoCall => 'n',
        Verdict::Unparsed(_) => 'u',
    };
    replay.lines.iter().map(letter).collect()
}

#[test]
fn a_fork_and_a_wait_agree_whatever_the_numbers() {
    let log = "\
        100 getpid() = 100\n\
        100 clone(child_stack=NULL, flags=SIGCHLD) = 107\n\
        100 wait4(-1,  <unfinished ...>\n\
        107 getppid() = 100\n\
        107 exit_group(3) = ?\n\
        107 +++ exited with 3 +++\n\
        100 <... wait4 resumed>[{WIFEXITED(s) && WEXITSTATUS(s) == 3}], 0, NULL) = 107\n\
        100 --- SIGCHLD {si_signo=SIGCHLD, si_code=CLD_EXITED, si_pid=107, si_uid=0, si_status=3} ---\n\
        100 wait4(-1, NULL, WNOHANG, NULL) = -1 ECHILD (No child processes)\n";
    assert_eq!(verdicts(log), "aabaanana");
}

#[test]
fn numbers_in_an_inner_namespace_are_those_of_the_caller() {
    let log = "\
        100 unshare(CLONE_NEWPID) = 0\n\
        100 clone(child_stack=NULL, flags=SIGCHLD) = 101\n\
        101 getpid() = 1 /* 101 in strace's PID NS */\n\
        101 clone(child_stack=NULL, flags=SIGCHLD) = 2 /* 102 in strace's PID NS */\n\
        102 getpid() = 2 /* 102 in strace's PID NS */\n\
        101 exit_group(0) = ?\n\
        102 +++ killed by SIGKILL +++\n\
        101 +++ exited with 0 +++\n\
        100 clone(child_stack=NULL, flags=SIGCHLD) = -1 ENOMEM (Cannot allocate memory)\n";
    assert_eq!(verdicts(log), "aaaaaanna");
}

#[test]
fn a_wrong_result_differs_and_an_unknown_call_is_out_of_scope() {
    let log = "\
        100 getpid() = 99\n\
        100 kill(100, 0) = -1 EPERM (Operation not permitted)\n\
        100 socket(AF_INET, SOCK_STREAM, IPPROTO_TCP) = 5\n\
        100 no_such_call(1) = 0\n\
        garbage\n";
    assert_eq!(verdicts(log), "ddoou");
}

#[test]
fn a_user_who_is_not_root_may_not() {
    let log = "\
        getuid() = 1000\n\
        sethostname(\"x\", 1) = -1 EPERM (Operation not permitted)\n\
        unshare(CLONE_NEWUSER) = 0\n\
        unshare(CLONE_NEWUTS) = 0\n\
        sethostname(\"x\", 1) = 0\n";
    assert_eq!(verdicts(log), "aaaaa");
}

#[test]
fn a_log_that_begins_in_the_middle_is_replayed_from_there() {
    let log = "\
        7 <... wait4 resumed>[{WIFEXITED(s) && WEXITSTATUS(s) == 0}], 0, NULL) = 9\n\
        7 getpid() = 7\n\
        8 getpid() = 8\n";
    assert_eq!(verdicts(log), "oaa");
}

#[test]
fn the_actions_of_a_replay_make_the_same_world_again() {
    use crate::action::{Stamped, When};
    use crate::pv_ops::NoMachine;
    use crate::timeline::{Session, Timeline};

    let log = "100 clone(child_stack=NULL, flags=SIGCHLD) = 107\n107 exit_group(1) = ?\n100 getpid() = 100\n";
    let parsed = parse(log).unwrap_or_else(|e| panic!("{e}"));
    let replay = Replaying::of(parsed).to_end();
    let stamp = |action: &Action| Stamped { when: When::AtRest, action: action.clone() };
    let session = Session { config: Config::default(), actions: replay.actions.iter().map(stamp).collect() };
    let timeline = Timeline::replay(&session, NoMachine, 1_000_000);
    let numbers = &timeline.head().pid_namespaces[ROOT_NS].numbers;
    assert!(numbers.contains_key(&100) && numbers.contains_key(&107), "a zombie keeps its number");
    let last = replay.lines.last().map(|l| l.actions.clone());
    assert_eq!(last.map(|r| r.end), Some(replay.actions.len()));
}

#[test]
fn who_lives_on_after_a_signal_has_set_a_handler() {
    // The log leaves rt_sigaction out, as those of the corpus do.
    let log = "\
101 execve(\"/bin/sh\", [\"sh\"], []) = 0
101 clone(child_stack=NULL, flags=CLONE_CHILD_CLEARTID|CLONE_CHILD_SETTID|SIGCHLD) = 102
101 wait4(-1, 0x7ffc, 0, NULL) = ? ERESTARTSYS (To be restarted if SA_RESTART is set)
102 kill(101, SIGHUP) = 0
101 --- SIGHUP {si_signo=SIGHUP, si_code=SI_USER, si_pid=102, si_uid=0} ---
101 getuid() = 0
102 kill(101, SIGTERM) = 0
101 --- SIGTERM {si_signo=SIGTERM, si_code=SI_USER, si_pid=102, si_uid=0} ---
101 +++ killed by SIGTERM +++
";
    let replay = super::replay(log).expect("a log");
    let differ: Vec<&str> =
        replay.lines.iter().filter(|l| l.verdict == super::Verdict::Differs).map(|l| l.text.as_str()).collect();
    assert_eq!((replay.agree, differ), (6, Vec::new()));
}
