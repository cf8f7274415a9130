//! The files below `/etc`.

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
