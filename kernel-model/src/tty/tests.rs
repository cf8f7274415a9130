//! Pseudo-terminals in sessions: what was typed, what came out.

use crate::errno::Errno;
use crate::session::Session;
use crate::testing;
use crate::world::Config;

fn at_terminal() -> Session {
    Session::new(Config { terminal: true, ..Config::default() })
}

#[test]
fn every_devpts_counts_from_0_and_has_its_own_limit() {
    let printed = testing::run(&[
        "mkdir /tmp/p; mount -t devpts -o newinstance,max=1,ptmxmode=666,mode=620 devpts /tmp/p",
        "grep -o 'devpts rw.*max.*' /proc/self/mountinfo",
        "exec 5<>/tmp/p/ptmx; ls /tmp/p; tail -n 1 /proc/self/fdinfo/5; cat /proc/sys/kernel/pty/nr",
        "(exec 6<>/tmp/p/ptmx) 2>&1 | grep -o 'No space.*'",
        // The slave end is locked.
        "cat /tmp/p/0",
        "exec 5>&-; ls /tmp/p",
    ]);
    assert_eq!(
        printed,
        "devpts rw,mode=620,ptmxmode=666,max=1\n0\nptmx\ntty-index:\t0\n1\nNo space left on device\n\
         cat: /tmp/p/0: Input/output error\n[exit 1]\nptmx\n"
    );
}

#[test]
fn a_ptmx_elsewhere_belongs_to_the_devpts_beside_it() {
    let printed = testing::run(&[
        "mkdir /tmp/d; mknod /tmp/d/ptmx c 5 2; cat /tmp/d/ptmx",
        "mkdir /tmp/d/pts; cat /tmp/d/ptmx",
        "mount -t devpts devpts /tmp/d/pts; exec 5<>/tmp/d/ptmx; ls /tmp/d/pts",
        // A name elsewhere leads to no terminal.
        "exec 5>&-; mknod /tmp/d/0 c 136 0; cat /tmp/d/0",
    ]);
    assert_eq!(
        printed,
        "cat: /tmp/d/ptmx: No such file or directory\n[exit 1]\ncat: /tmp/d/ptmx: No such device\n[exit 1]\n0\nptmx\n\
         cat: /tmp/d/0: Input/output error\n[exit 1]\n"
    );
}

#[test]
fn what_runs_in_script_has_a_terminal_of_its_own() {
    let printed = testing::run(&[
        "script -q -c 'tty; ps -o tty,args -C ps' /tmp/s < /dev/null",
        "script -q -e -c 'exit 3' /tmp/s < /dev/null",
        "printf 'one\\ntwo\\n' | script -q -c 'cat -n' /tmp/s",
        "sed 's/ on .*\\[/ [/' /tmp/s",
    ]);
    assert_eq!(
        printed,
        "/dev/pts/0\r\nTT       COMMAND\r\npts/0    ps -o tty,args -C ps\r\n[exit 3]\n     1\tone\r\n     2\ttwo\r\n\
         Script started [COMMAND=\"cat -n\" <not executed on terminal>]\n     1\tone\r\n     2\ttwo\r\n\n\
         Script done [COMMAND_EXIT_CODE=\"0\"]\n"
    );
}

#[test]
fn who_leads_a_session_takes_its_terminal_along() {
    let printed = testing::run(&["script -q -c 'sleep 100 & echo started' /tmp/s < /dev/null; pgrep sleep"]);
    assert_eq!(printed, "started\r\n[exit 1]\n", "the end of the session's leader hangs up on the others");
}

#[test]
fn a_terminal_within_a_terminal_passes_on_what_is_typed() {
    let mut session = at_terminal();
    assert_eq!(session.line("tty; ls /dev/pts"), "/dev/pts/0\n0\nptmx\n");
    let printed = session.line("script -q /tmp/s");
    assert!(!printed.contains("does not end"), "time stands still while the shell waits for a line: {printed}");
    let printed = session.line("tty");
    assert!(printed.contains("tty\r\n/dev/pts/1\r\n"), "{printed:?}");
    session.line("exit");
    assert_eq!(session.line("tty"), "/dev/pts/0\n");
}

#[test]
fn a_container_gets_a_terminal_in_its_own_devpts() {
    let mut session = at_terminal();
    let printed = session.line("docker run -it --rm busybox sh");
    assert!(printed.ends_with("# "), "{printed:?}");
    let printed = session.line("tty; ls /dev/pts; ps -o pid,tty,args");
    assert!(printed.contains("\r\n/dev/pts/0\r\n0\r\nptmx\r\n"), "{printed:?}");
    assert!(printed.contains("1 136,0  sh\r\n"), "{printed:?}");
    let printed = session.line("test /dev/console -ef /proc/self/fd/0 && echo same");
    assert!(printed.contains("\r\nsame\r\n"), "{printed:?}");
    session.line("exit");
    assert_eq!(session.line("tty"), "/dev/pts/0\n");
}

#[test]
fn without_a_terminal_outside_a_container_can_have_one() {
    let printed = testing::run(&[
        "docker run -it busybox true",
        "docker run -t --rm busybox echo hi 2> /dev/null | od -c | head -n 1",
        "docker run -dt --name w busybox sh -c 'tty; sleep 1000' > /dev/null; sleep 1; docker logs w; docker rm -f w",
    ]);
    assert_eq!(printed, "the input device is not a TTY\n[exit 1]\n0000000   h   i  \\r  \\n\n/dev/pts/0\r\nw\n");
}

#[test]
fn what_hangs_up_reads_the_end_and_cannot_be_written() {
    let mut session = Session::new(Config::default());
    session.line("exec 5<>/dev/ptmx");
    let world = &session.running.world;
    let (id, pty) = world.ptys.iter().next().expect("a pair");
    assert!(pty.locked && pty.has_master && pty.slaves == 0);
    let mut world = world.clone();
    let task = world.consoles.iter().next().expect("a console").1.shell;
    let (mut machine, mut trace) = (crate::pv_ops::NoMachine, crate::kernel::Trace::silent());
    let mut k =
        crate::kernel::Kernel { world: &mut world, machine: &mut machine, trace: &mut trace, from_outside: false };
    assert_eq!(k.open_slave(id, true), Err(Errno::EIO), "locked");
    k.world.ptys[id].locked = false;
    assert_eq!(k.open_slave(id, true), Ok(()));
    assert_eq!(k.write_master(task, id, b"ab\x7fc\n", false), Ok(5));
    assert_eq!(k.read_slave(task, id, 10, true), Ok(b"ac\n".to_vec()));
    assert_eq!(k.read_slave(task, id, 10, true), Err(Errno::EAGAIN.into()));
    assert_eq!(k.write_slave(task, id, b"x\n", true), Ok(2));
    assert_eq!(k.read_master(id, 100, true), Ok(b"ab\x08 \x08c\r\nx\r\n".to_vec()));
    assert_eq!(k.read_master(id, 100, true), Err(Errno::EAGAIN.into()));
    k.close_slave(id);
    assert_eq!(k.read_master(id, 100, true), Err(Errno::EIO.into()));
    // Opened once more it works again.
    assert_eq!(k.open_slave(id, true), Ok(()));
    assert_eq!(k.read_master(id, 100, true), Err(Errno::EAGAIN.into()));
    k.close_master(id);
    assert_eq!(k.write_slave(task, id, b"x", true), Err(Errno::EIO.into()));
    k.close_slave(id);
    assert!(!k.world.ptys.contains(id));
}
