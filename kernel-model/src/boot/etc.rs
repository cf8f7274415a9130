//! The files below `/etc`.

use crate::security::lsm::LsmChoice;

/// Name and contents of each.
pub(super) const FILES: &[(&str, &str)] = &[
    (
        "passwd",
        "root:x:0:0:root:/root:/bin/sh\n\
         student:x:1000:1000:Student:/home/student:/bin/sh\n\
         guest:x:1001:1001:Guest:/home/guest:/bin/sh\n\
         nobody:x:65534:65534:nobody:/nonexistent:/usr/sbin/nologin\n",
    ),
    ("group", "root:x:0:\ntty:x:5:\nstudent:x:1000:\nguest:x:1001:\nnogroup:x:65534:\n"),
    ("hostname", "lab\n"),
    ("hosts", "127.0.0.1 localhost\n"),
    ("fstab", ""),
    ("subuid", "student:100000:65536\n"),
    ("subgid", "student:100000:65536\n"),
    ("nsswitch.conf", "passwd: files\ngroup: files\nhosts: files\n"),
    (
        "pam.d/su",
        "auth sufficient pam_rootok.so\nauth required pam_deny.so\n\
         account required pam_permit.so\nsession required pam_permit.so\n",
    ),
    ("login.defs", "ENV_SUPATH PATH=/usr/sbin:/usr/bin:/sbin:/bin\nENV_PATH PATH=/usr/sbin:/usr/bin:/sbin:/bin\n"),
];

/// A file that is there because of the active security module: path, permission bits, contents.
type SecurityFile = (&'static str, u32, &'static str);

/// What worlds with a security module have besides: something worth guarding.
const GUARDED: SecurityFile =
    ("/etc/shadow", 0o640, "root:*:20454:0:99999:7:::\nstudent:*:20454:0:99999:7:::\nguest:*:20454:0:99999:7:::\n");

const APPARMOR: &[SecurityFile] = &[
    GUARDED,
    (
        "/etc/apparmor.d/tunables/global",
        0o644,
        "# Variables that profiles use.\n#include <tunables/home>\n#include <tunables/proc>\n@{run}=/run/ /var/run/\n",
    ),
    ("/etc/apparmor.d/tunables/home", 0o644, "@{HOMEDIRS}=/home/\n@{HOME}=@{HOMEDIRS}*/ /root/\n"),
    ("/etc/apparmor.d/tunables/proc", 0o644, "@{PROC}=/proc/\n"),
    (
        "/etc/apparmor.d/abstractions/base",
        0o644,
        "  # What every program needs.\n  \
         /dev/null rw,\n  /dev/zero rw,\n  /dev/full rw,\n  /dev/{u,}random r,\n  /dev/tty rw,\n  /dev/pts/[0-9]* rw,\n  \
         /etc/ld.so.cache mr,\n  /etc/locale/** r,\n  /{usr/,}lib{,32,64}/** mr,\n  \
         @{PROC}/meminfo r,\n  @{PROC}/filesystems r,\n  owner @{PROC}/@{pid}/{maps,status,stat} r,\n  \
         signal (receive) peer=unconfined,\n  signal (send, receive) peer=@{profile_name},\n  \
         ptrace (readby, tracedby) peer=unconfined,\n",
    ),
    ("/etc/apparmor.d/abstractions/nameservice", 0o644, "  /etc/{passwd,group,hosts,nsswitch.conf} r,\n"),
    (
        "/etc/apparmor.d/abstractions/bash",
        0o644,
        "  /etc/profile r,\n  /etc/bash.bashrc r,\n  owner @{HOME}/.bashrc r,\n",
    ),
];

const SELINUX: &[SecurityFile] = &[
    GUARDED,
    ("/etc/selinux/config", 0o644, "SELINUX=enforcing\nSELINUXTYPE=targeted\n"),
    ("/etc/docker/daemon.json", 0o644, "{\"selinux-enabled\": true}\n"),
    ("/var/www/html/index.html", 0o644, "<h1>It works</h1>\n"),
];

/// The files that are there because of the active security module.
pub(super) fn security_files(lsm: LsmChoice) -> &'static [SecurityFile] {
    match lsm {
        LsmChoice::None => &[],
        LsmChoice::AppArmor => APPARMOR,
        LsmChoice::Selinux => SELINUX,
    }
}

/// The directories for them, parents first.
pub(super) fn security_dirs(lsm: LsmChoice) -> &'static [&'static str] {
    match lsm {
        LsmChoice::None => &[],
        LsmChoice::AppArmor => {
            &["/etc/apparmor.d", "/etc/apparmor.d/tunables", "/etc/apparmor.d/abstractions", "/etc/apparmor.d/local"]
        }
        LsmChoice::Selinux => &["/etc/selinux", "/etc/docker", "/var/www", "/var/www/html"],
    }
}
