//! Sessions: what was typed, what came out.

use crate::session::Session;
use crate::world::Config;

fn a_life(config: Config) {
    let mut s = Session::new(config);
    assert_eq!(s.line("lxc-create -n c1 -t busybox"), "");
    assert_eq!(s.line("lxc-ls"), "c1 \n");
    assert_eq!(s.line("lxc-info -n c1"), "Name:           c1\nState:          STOPPED\n");
    assert_eq!(s.line("lxc-start -n c1"), "");
    assert_eq!(
        s.line("lxc-ls -f"),
        "NAME STATE   AUTOSTART GROUPS IPV4 IPV6 UNPRIVILEGED \nc1   RUNNING 0         -      -    -    false        \n"
    );
    assert_eq!(s.line("lxc-attach -n c1 -- hostname"), "c1\n");
    assert_eq!(
        s.line("lxc-attach -n c1 -- sh -c 'cat /proc/1/comm; ls /; exit 3'"),
        "sleep\nbin\ndev\netc\nproc\nroot\nsbin\nsys\ntmp\n[exit 3]\n"
    );
    assert_eq!(
        s.line("lxc-attach -n c1 -- sh -c 'echo x > /proc/sys/kernel/hostname'"),
        "sh: line 1: can't create /proc/sys/kernel/hostname: Read-only file system\n[exit 1]\n"
    );
    assert_eq!(
        s.line("lxc-freeze -n c1; lxc-info -s -n c1; lxc-unfreeze -n c1; lxc-info -s -H -n c1"),
        "State:          FROZEN\nRUNNING\n"
    );
    assert_eq!(
        s.line("lxc-destroy -n c1"),
        "lxc-destroy: c1: ../src/lxc/tools/lxc_destroy.c: do_destroy: 91 c1 is running\n[exit 1]\n"
    );
    assert_eq!(s.line("lxc-stop -n c1 -k; lxc-info -s -n c1"), "State:          STOPPED\n");
    assert_eq!(
        s.line("lxc-stop -n c1"),
        "lxc-stop: c1: ../src/lxc/tools/lxc_stop.c: main: 168 c1 is not running\n[exit 2]\n"
    );
    assert_eq!(s.line("lxc-start -F -n c1 -- /bin/sh -c 'hostname; id -u; echo $$'"), "c1\n0\n1\n");
    assert_eq!(s.line("lxc-destroy -n c1; lxc-ls; ls /var/lib/lxc"), "");
    assert_eq!(s.line("find /sys/fs/cgroup -name 'lxc.*' | grep -v pivot"), "[exit 1]\n");
}

#[test]
fn a_container_is_made_entered_frozen_stopped_and_removed() {
    a_life(Config::default());
}

#[test]
fn so_it_is_with_version_2_of_control_groups() {
    a_life(Config { cgroup_v2: true, ..Config::default() });
}
