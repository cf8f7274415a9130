//! Sessions: what was typed, what came out, and which limit it ran into. The messages are those of stress 1.0.7.

use crate::session::Session;
use crate::world::Config;

impl Session {
    /// A session in which the shell is in a group `g` of a controller of version 1.
    fn in_group(controller: &str) -> Session {
        let mut session = Session::new(Config::default());
        let dir = format!("/sys/fs/cgroup/{controller}");
        assert_eq!(session.line(&format!("cd {dir} && mkdir g && echo $$ > g/cgroup.procs && cd g")), "");
        session
    }

    /// What a line prints, with `PID` for numbers of processes.
    fn said(&mut self, line: &str) -> String {
        let text = self.line(line);
        let words = text.split_inclusive(|c: char| !c.is_ascii_digit());
        let pid = |w: &str| w.trim_end_matches(|c: char| !c.is_ascii_digit()).len() == 5 && w.starts_with("3");
        words.map(|w| if pid(w) { format!("PID{}", &w[5..]) } else { w.to_owned() }).collect()
    }
}

#[test]
fn workers_run_until_the_time_is_over() {
    let mut s = Session::new(Config::default());
    assert_eq!(
        s.said("stress -c 2 -t 1"),
        "stress: info: [PID] dispatching hogs: 2 cpu, 0 io, 0 vm, 0 hdd\n\
         stress: info: [PID] successful run completed in 1s\n"
    );
    assert_eq!(
        s.said("stress -v -n -d 1"),
        "stress: info: [PID] dispatching hogs: 0 cpu, 0 io, 0 vm, 1 hdd\n\
         stress: dbug: [PID] using backoff sleep of 3000us\n\
         stress: dbug: [PID] --> hoghdd worker 1 [PID] forked\n\
         stress: dbug: [PID] <-- worker PID returned normally\n\
         stress: info: [PID] successful run completed in 0s\n"
    );
    assert_eq!(
        s.said("stress -m 1 --vm-bytes 1M -v --vm-hang 1 -t 2"),
        "stress: info: [PID] dispatching hogs: 0 cpu, 0 io, 1 vm, 0 hdd\n\
         stress: dbug: [PID] using backoff sleep of 3000us\n\
         stress: dbug: [PID] setting timeout to 2s\n\
         stress: dbug: [PID] --> hogvm worker 1 [PID] forked\n\
         stress: dbug: [PID] allocating 1048576 bytes ...\n\
         stress: dbug: [PID] touching bytes in strides of 4096 bytes ...\n\
         stress: dbug: [PID] sleeping for 1s with allocated memory\n\
         stress: dbug: [PID] freed 1048576 bytes\n\
         stress: dbug: [PID] allocating 1048576 bytes ...\n\
         stress: dbug: [PID] touching bytes in strides of 4096 bytes ...\n\
         stress: dbug: [PID] sleeping for 1s with allocated memory\n\
         stress: dbug: [PID] <-- worker PID signalled normally\n\
         stress: info: [PID] successful run completed in 2s\n"
    );
}

#[test]
fn wrong_options_are_told_with_the_line_of_the_source() {
    let mut s = Session::new(Config::default());
    for (options, message) in [
        ("-i 0", "(181) invalid number of io hogs: 0"),
        ("-m 0", "(191) invalid number of vm hogs: 0"),
        ("-d 0", "(235) invalid number of hdd hogs: 0"),
        ("--vm-bytes 0", "(201) invalid vm byte value: 0"),
        ("--vm-stride 0", "(211) invalid stride value: 0"),
        ("--vm-hang -1", "(221) invalid value: -1"),
        ("--hdd-bytes 0", "(245) invalid hdd byte value: 0"),
        ("-t 0", "(161) invalid timeout value: 0s"),
        ("--backoff -1", "(150) invalid backoff factor: -1"),
        ("-c abc", "(665) unrecognized suffix: c"),
        ("-c -1", "(171) invalid number of cpu hogs: -1"),
        ("--vm-bytes", "(197) missing argument to option '--vm-bytes'"),
        ("-t", "(157) missing argument to option '--timeout'"),
        ("--vm-bytes 5Z", "(665) unrecognized suffix: Z"),
        ("-t 1x", "(723) unrecognized suffix: x"),
        ("-t xx1", "(730) invalid number: xx1"),
        ("-c xx1", "(672) invalid number: xx1"),
        ("--backoff x", "(145) invalid number: x"),
        ("--bogus", "(251) unrecognized option: --bogus"),
    ] {
        assert_eq!(s.said(&format!("stress {options}")), format!("stress: FAIL: [PID] {message}\n[exit 1]\n"));
    }
    assert!(s.said("stress").starts_with("`stress' imposes certain types of compute stress on your system\n"));
    assert!(s.said("stress -t 5").ends_with("or B,K,M,G (size).\n"));
}

#[test]
fn a_worker_that_is_killed_for_memory_makes_the_run_fail() {
    let mut s = Session::in_group("memory");
    s.said("echo 50M > memory.limit_in_bytes");
    assert_eq!(
        s.said("stress -m 1 --vm-bytes 100M --vm-keep -t 2 -v"),
        "stress: info: [PID] dispatching hogs: 0 cpu, 0 io, 1 vm, 0 hdd\n\
         stress: dbug: [PID] using backoff sleep of 3000us\n\
         stress: dbug: [PID] setting timeout to 2s\n\
         stress: dbug: [PID] --> hogvm worker 1 [PID] forked\n\
         stress: dbug: [PID] allocating 104857600 bytes ...\n\
         stress: dbug: [PID] touching bytes in strides of 4096 bytes ...\n\
         stress: FAIL: [PID] (425) <-- worker PID got signal 9\n\
         stress: WARN: [PID] (427) now reaping child worker processes\n\
         stress: FAIL: [PID] (431) kill error: No such process\n\
         stress: FAIL: [PID] (461) failed run completed in 0s\n\
         [exit 1]\n"
    );
    assert_eq!(s.said("grep oom_kill memory.oom_control"), "oom_kill_disable 0\noom_kill 1\n");
}

#[test]
fn pids_max_refuses_workers() {
    let mut s = Session::in_group("pids");
    s.said("echo 3 > pids.max");
    assert_eq!(
        s.said("stress -c 4 -t 1"),
        "stress: info: [PID] dispatching hogs: 4 cpu, 0 io, 0 vm, 0 hdd\n\
         stress: FAIL: [PID] (312) fork failed: Resource temporarily unavailable\n\
         stress: FAIL: [PID] (312) fork failed: Resource temporarily unavailable\n\
         stress: FAIL: [PID] (312) fork failed: Resource temporarily unavailable\n\
         stress: info: [PID] successful run completed in 1s\n"
    );
    assert_eq!(s.said("cat pids.events"), "max 3\n");
}

#[test]
fn a_quota_throttles_what_computes() {
    let mut s = Session::in_group("cpu");
    s.said("echo 25000 > cpu.cfs_quota_us; stress -q -c 1 -t 2");
    // A quarter of two seconds, in 20 periods.
    let throttled = s.said("awk '/nr_throttled/ { print ($2 >= 18) }' cpu.stat");
    assert_eq!(throttled, "1\n");
    let used = s.said("cat /proc/self/stat | awk '{ print ($16 + $17 >= 0) }'");
    assert_eq!(used, "1\n");
}

#[test]
fn a_full_file_system_ends_a_writer() {
    let mut s = Session::new(Config::default());
    s.said("mkdir /m; mount -t tmpfs -o size=64k none /m; cd /m");
    assert_eq!(
        s.said("stress -d 1 --hdd-bytes 1M -t 5"),
        "stress: info: [PID] dispatching hogs: 0 cpu, 0 io, 0 vm, 1 hdd\n\
         stress: FAIL: [PID] (615) write failed: No space left on device\n\
         stress: FAIL: [PID] (404) <-- worker PID returned error 1\n\
         stress: WARN: [PID] (406) now reaping child worker processes\n\
         stress: FAIL: [PID] (410) kill error: No such process\n\
         stress: FAIL: [PID] (461) failed run completed in 0s\n\
         [exit 1]\n"
    );
}

#[test]
fn stress_ng_forks_and_says_how_long_it_ran() {
    let mut s = Session::new(Config::default());
    assert_eq!(
        s.said("stress-ng --fork 1 --cpu 1 --cpu-load 50 -t 1"),
        "stress-ng: info:  [PID] setting to a 1 second run per stressor\n\
         stress-ng: info:  [PID] dispatching hogs: 1 cpu, 1 fork\n\
         stress-ng: info:  [PID] successful run completed in 1.00s\n"
    );
    assert_eq!(s.said("stress-ng --cpu x"), "Value x contains non-numeric: 'x'\n[exit 1]\n");
    assert!(s.said("stress-ng").ends_with("error: [PID] No stress workers invoked\n[exit 1]\n"));
}
