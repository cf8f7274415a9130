//! Profiles at work, as somebody at the shell sees them.

use super::language::parse;
use crate::security::lsm::LsmChoice;
use crate::security::lsm::apparmor::Profile;
use crate::testing::run_in;
use crate::world::Config;

fn run(lines: &[&str]) -> String {
    run_in(Config { lsm: LsmChoice::AppArmor, ..Config::default() }, lines)
}

/// What the log says of denials, without time and process.
fn denials(lines: &[&str]) -> String {
    let mut all = lines.to_vec();
    all.push("dmesg -t | grep -v STATUS | sed -e 's/^audit: .*: apparmor=/apparmor=/' -e 's/ pid=[0-9]*//'");
    run(&all)
}

const CAT: &str = "cat > /etc/apparmor.d/usr.bin.cat <<'E'
#include <tunables/global>
/usr/bin/cat {
  #include <abstractions/base>
  /etc/hosts r,
  /tmp/** rw,
  deny /etc/fstab r,
}
E";

#[test]
fn what_a_profile_does_not_name_is_refused_and_logged() {
    assert_eq!(
        denials(&[
            CAT,
            "apparmor_parser -r /etc/apparmor.d/usr.bin.cat; head /sys/kernel/security/apparmor/profiles",
            "cat /etc/hosts /etc/shadow /etc/fstab",
        ]),
        "/usr/bin/cat (enforce)\n\
         127.0.0.1 localhost\ncat: /etc/shadow: Permission denied\ncat: /etc/fstab: Permission denied\n[exit 1]\n\
         apparmor=\"DENIED\" operation=\"open\" class=\"file\" profile=\"/usr/bin/cat\" name=\"/etc/shadow\" comm=\"cat\" \
         requested_mask=\"r\" denied_mask=\"r\" fsuid=0 ouid=0\n"
    );
}

#[test]
fn complain_mode_reports_and_lets_pass_but_for_deny_rules() {
    assert_eq!(
        denials(&[CAT, "apparmor_parser -rC /etc/apparmor.d/usr.bin.cat", "cat /etc/shadow | wc -l; cat /etc/fstab",]),
        "3\ncat: /etc/fstab: Permission denied\n[exit 1]\n\
         apparmor=\"ALLOWED\" operation=\"open\" class=\"file\" profile=\"/usr/bin/cat\" name=\"/etc/shadow\" comm=\"cat\" \
         requested_mask=\"r\" denied_mask=\"r\" fsuid=0 ouid=0\n"
    );
}

#[test]
fn the_name_decides_and_not_the_file() {
    // The objection of the other camp: the same file under another name is another file.
    assert_eq!(
        run(&[
            CAT,
            "apparmor_parser -r /etc/apparmor.d/usr.bin.cat",
            "ln /etc/shadow /tmp/x; cat /tmp/x | wc -l",
            "cp /usr/bin/cat /tmp/cat; /tmp/cat /etc/shadow | wc -l",
        ]),
        "3\n3\n"
    );
}

#[test]
fn a_profile_is_asked_for_by_name_and_kept_by_children() {
    assert_eq!(
        run(&[
            "printf 'profile box {\\n  file,\\n  deny /etc/** w,\\n  capability,\\n  deny capability sys_admin,\\n}\\n' | apparmor_parser -a",
            "aa-exec -p box sh -c 'cat /proc/self/attr/current; echo x > /etc/motd; hostname other; echo ok'",
            "cat /proc/self/attr/current; aa-exec -p nosuch true",
            "dmesg -t | grep -c 'operation=\"change_onexec\" info=\"label not found\" error=-2 profile=\"unconfined\" name=\"nosuch\"'",
            "aa-status | head -4",
            "printf 'profile box { }' | apparmor_parser -a",
            "printf 'profile box { }' | apparmor_parser -R; aa-status --profiled",
        ]),
        "box (enforce)\nsh: line 1: /etc/motd: Permission denied\nhostname: you must be root to change the host name\nok\n\
         unconfined\naa-exec: ERROR: profile 'nosuch' does not exist\n\n[exit 1]\n1\n\
         apparmor module is loaded.\n1 profiles are loaded.\n1 profiles are in enforce mode.\n   box\n\
         apparmor_parser: Unable to add \"box\".  Profile already exists\n[exit 254]\n0\n"
    );
}

#[test]
fn programs_run_under_the_profile_that_a_rule_says() {
    let rules = "profile outer {
  /usr/bin/bash ix,
  /usr/bin/cat Cx -> inner,
  /usr/bin/id ux,
  /usr/bin/wc px,
  /** r,
  profile inner { /proc/** r, }
}";
    let load = format!("apparmor_parser -r <<'E'\n{rules}\nE");
    let out = run(&[
        &load,
        "aa-exec -p outer sh -c 'cat /proc/self/attr/current /etc/hosts; id -u; wc /etc/hosts; ls /'; echo $?",
        "dmesg -t | grep -c 'operation=\"exec\".*name=\"/usr/bin/wc\".*requested_mask=\"x\"'",
    ]);
    assert_eq!(
        out,
        "outer//inner (enforce)\ncat: /etc/hosts: Permission denied\n0\nsh: line 1: /usr/bin/wc: Permission denied\n\
         sh: line 1: /usr/bin/ls: Permission denied\n126\n1\n"
    );
}

#[test]
fn mounts_signals_and_sockets_need_rules() {
    let load = "apparmor_parser -r <<'E'
profile box {
  file,
  capability,
  network netlink,
  mount fstype=tmpfs -> /mnt/,
  umount /mnt/,
  signal (send) set=(term) peer=unconfined,
}
E";
    assert_eq!(
        denials(&[
            load,
            "aa-exec -p box sh -c 'mount -t tmpfs x /mnt && umount /mnt && echo ok; mount --bind /etc /mnt'",
            "sleep 100 & aa-exec -p box sh -c \"kill -KILL $!; kill -TERM $! && echo sent\"",
            "aa-exec -p box ping -c1 127.0.0.1",
        ]),
        "ok\nmount: /mnt: bind /etc failed.\n       \
         dmesg(1) may have more information after failed mount system call.\n[exit 32]\n\
         sh: line 1: kill: (30005) - Permission denied\nsent\n\
         ping: socktype: SOCK_RAW\nping: socket: Permission denied\n[exit 2]\n\
         apparmor=\"DENIED\" operation=\"mount\" class=\"mount\" info=\"failed flags match\" error=-13 profile=\"box\" \
         name=\"/mnt/\" comm=\"mount\" fstype=\"none\" srcname=\"/etc/\" flags=\"rw, bind\"\n\
         apparmor=\"DENIED\" operation=\"signal\" class=\"signal\" profile=\"box\" comm=\"sh\" \
         requested_mask=\"send\" denied_mask=\"send\" signal=kill peer=\"unconfined\"\n\
         apparmor=\"DENIED\" operation=\"create\" class=\"net\" profile=\"box\" comm=\"ping\" family=\"inet\" \
         sock_type=\"dgram\" protocol=1 requested_mask=\"create\" denied_mask=\"create\"\n\
         apparmor=\"DENIED\" operation=\"create\" class=\"net\" profile=\"box\" comm=\"ping\" family=\"inet\" \
         sock_type=\"raw\" protocol=1 requested_mask=\"create\" denied_mask=\"create\"\n"
    );
}

#[test]
fn no_new_privs_keeps_a_confined_task_where_it_is() {
    assert_eq!(
        run(&[
            "printf 'profile a { file, change_profile -> b, }\\nprofile b { file, }' | apparmor_parser -r",
            "setpriv --no-new-privs aa-exec -p a cat /proc/self/attr/current",
            "aa-exec -p a setpriv --no-new-privs aa-exec -p b cat /proc/self/attr/current",
            "aa-exec -p a aa-exec -p b cat /proc/self/attr/current",
        ]),
        "a (enforce)\naa-exec: ERROR: Operation not permitted\n\n[exit 1]\nb (enforce)\n"
    );
}

#[test]
fn without_the_module_there_is_nothing() {
    assert_eq!(
        crate::testing::run(&["aa-enabled; aa-status; cat /proc/self/attr/current", "apparmor_parser -a /dev/null"]),
        "No - not available on this system.\napparmor not present.\ncat: /proc/self/attr/current: Invalid argument\n[exit 1]\n\
         Cache read/write disabled: interface file missing. (Kernel needs AppArmor 2.4 compatibility patch.)\n\
         Warning: unable to find a suitable fs in /proc/mounts, is it mounted?\nUse --subdomainfs to override.\n[exit 1]\n"
    );
}

#[test]
fn profiles_survive_their_way_into_the_kernel() {
    let text = "@{X}=/a /b
/usr/bin/{x,y} flags=(complain,attach_disconnected) {
  audit deny owner @{X}/** rwlk,
  /bin/* pix -> other,
  capability net_admin kill,
  network inet tcp,
  mount options=(ro,bind) /x -> /y,
  pivot_root oldroot=/o /n,
  signal (send,receive) set=(hup) peer=/usr/**,
  ptrace read peer=x,
  change_profile -> z,
  ^hat { /etc/x r, }
}";
    let (profiles, _) = parse(text).expect("right");
    assert_eq!(profiles.len(), 2);
    let wire: String = profiles.iter().map(Profile::to_wire).collect();
    assert_eq!(Profile::from_wire(&wire).as_ref(), Some(&profiles));
    assert_eq!(Profile::from_wire(&wire[..wire.len() - 4]), None);
    assert_eq!(parse("profile x {\n  /etc/x rz,\n}").err(), Some((2, "Found unexpected character: 'z'".to_owned())));
    assert_eq!(parse("profile x {\n  /etc/x r\n}").err(), Some((3, "syntax error, unexpected TOK_CLOSE".to_owned())));
}
