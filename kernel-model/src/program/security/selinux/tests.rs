//! The policy at work, as somebody at the shell sees it.

use crate::security::lsm::LsmChoice;
use crate::testing::run_in;
use crate::world::Config;

fn run(lines: &[&str]) -> String {
    run_in(Config { lsm: LsmChoice::Selinux, ..Config::default() }, lines)
}

/// What the log says of denials, without time, process and inode.
const DENIALS: &str =
    "dmesg -t | grep avc: | sed -e 's/^audit: .*: avc/avc/' -e 's/ pid=[0-9]*//' -e 's/ ino=[0-9]*//'";

#[test]
fn everything_has_a_label() {
    assert_eq!(
        run(&[
            "getenforce; runcon; id -Z; cat /proc/1/attr/current | tr '\\0' '\\n'",
            "ls -Zd /etc /etc/shadow /usr/sbin/runc; touch /tmp/x; ls -Z /tmp/x",
            "ps -o label= -p 1; ps -Z -p 1 | wc -l",
        ]),
        "Enforcing\nunconfined_u:unconfined_r:unconfined_t:s0-s0:c0.c1023\n\
         unconfined_u:unconfined_r:unconfined_t:s0-s0:c0.c1023\nsystem_u:system_r:init_t:s0\n\
         system_u:object_r:etc_t:s0                    /etc\nsystem_u:object_r:shadow_t:s0                 /etc/shadow\n\
         system_u:object_r:container_runtime_exec_t:s0 /usr/sbin/runc\nunconfined_u:object_r:user_tmp_t:s0 /tmp/x\n\
         system_u:system_r:init_t:s0\n2\n"
    );
}

#[test]
fn a_confined_domain_does_what_the_policy_says() {
    assert_eq!(
        run(&[
            "alias http='runcon system_u:system_r:httpd_t:s0'",
            "runcon system_u:system_r:httpd_t:s0 cat /var/www/html/index.html",
            "runcon system_u:system_r:httpd_t:s0 cat /etc/shadow",
            DENIALS,
            "ln /etc/shadow /var/www/html/x; runcon system_u:system_r:httpd_t:s0 cat /var/www/html/x",
            "cp /etc/shadow /var/www/html/y; runcon system_u:system_r:httpd_t:s0 cat /var/www/html/y | wc -l",
        ]),
        "<h1>It works</h1>\ncat: /etc/shadow: Permission denied\n[exit 1]\n\
         avc:  denied  { read } for  comm=\"cat\" name=\"shadow\" dev=\"tmpfs\" scontext=system_u:system_r:httpd_t:s0 \
         tcontext=system_u:object_r:shadow_t:s0 tclass=file permissive=0\n\
         cat: /var/www/html/x: Permission denied\n[exit 1]\n3\n"
    );
}

#[test]
fn permissive_mode_reports_once_and_lets_pass() {
    assert_eq!(
        run(&[
            "setenforce 0; getenforce",
            "runcon system_u:system_r:httpd_t:s0 cat /etc/shadow | wc -l",
            "runcon system_u:system_r:httpd_t:s0 cat /etc/shadow | wc -l",
            "dmesg | grep -c '{ read }.*permissive=1'",
            "dmesg -t | grep -c 'enforcing=0 old_enforcing=1'",
            "runcon system_u:system_r:httpd_t:s0 setenforce 1",
        ])
        .replace("setenforce:  security_setenforce() failed:  Permission denied\n[exit 2]\n", ""),
        "Permissive\n3\n3\n1\n1\n"
    );
}

#[test]
fn labels_are_changed_and_restored() {
    assert_eq!(
        run(&[
            "chcon -t httpd_sys_content_t /etc/hosts; ls -Z /etc/hosts",
            "chcon nonsense /etc/hosts; chcon -t nosuch_t /etc/hosts",
            "restorecon -v /etc/hosts",
            "getsebool httpd_enable_homedirs; setsebool httpd_enable_homedirs on; getsebool httpd_enable_homedirs",
        ]),
        "system_u:object_r:httpd_sys_content_t:s0 /etc/hosts\nchcon: invalid context: 'nonsense': Invalid argument\n\
         chcon: failed to change context of '/etc/hosts' to 'system_u:object_r:nosuch_t:s0': Invalid argument\n[exit 1]\n\
         Relabeled /etc/hosts from system_u:object_r:httpd_sys_content_t:s0 to system_u:object_r:etc_t:s0\n\
         httpd_enable_homedirs --> off\nhttpd_enable_homedirs --> on\n"
    );
}

#[test]
fn without_the_module_there_is_nothing() {
    assert_eq!(
        crate::testing::run(&["getenforce; sestatus; runcon x true; id -Z", "setenforce 1"]),
        "Disabled\nSELinux status:                 disabled\nruncon: runcon may be used only on a SELinux kernel\n\
         id: --context (-Z) works only on an SELinux-enabled kernel\n[exit 1]\nsetenforce: SELinux is disabled\n[exit 1]\n"
    );
}
