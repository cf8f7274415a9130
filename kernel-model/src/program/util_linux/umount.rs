//! `umount`: detaches file systems.

use super::mount::drop_privileges;
use super::mountinfo::subtree;
use crate::errno::Errno;
use crate::program::Sys;
use crate::program::getopt::{Long, Options, Spec, Takes};

crate::program!(
    UMOUNT = "umount" in "/usr/bin",
    "unmount filesystems",
    main,
    "  -l, --lazy       detach now, clean up when nobody uses it any more
  -f, --force      force (for unreachable network file systems)
  -R, --recursive  with everything mounted below
  -q, --quiet      do not say 'not mounted'
  -v, --verbose    say what was done"
);

const SPEC: Spec = Spec {
    short: "lfRqvndic",
    long: &[
        Long("lazy", Takes::Nothing, 'l'),
        Long("force", Takes::Nothing, 'f'),
        Long("recursive", Takes::Nothing, 'R'),
        Long("quiet", Takes::Nothing, 'q'),
        Long("verbose", Takes::Nothing, 'v'),
        Long("no-mtab", Takes::Nothing, 'n'),
        Long("detach-loop", Takes::Nothing, 'd'),
        Long("internal-only", Takes::Nothing, 'i'),
        Long("no-canonicalize", Takes::Nothing, 'c'),
    ],
    unmodelled: "-a --all -A --all-targets -O --test-opts -r --read-only -t --types -N --namespace --fake",
    version: "from util-linux 2.38.1",
    failure: 1,
};

/// The file system could not be unmounted (`MNT_EX_FAIL`).
const FAIL: i32 = 32;

mod umount_flags {
    pub const FORCE: i64 = 1;
    pub const DETACH: i64 = 2;
}

async fn main(sys: Sys) -> i32 {
    drop_privileges(&sys).await;
    let options = match sys.getopt(&SPEC).await {
        Ok(options) => options,
        Err(status) => return status,
    };
    if options.operands.is_empty() {
        sys.warnx("bad usage").await;
        sys.try_help().await;
        return 1;
    }
    let mut status = 0;
    for target in &options.operands {
        status += if options.has('R') {
            recursive(&sys, target, &options).await
        } else {
            let target = mounted_at(&sys, target).await;
            one(&sys, &target, &options).await
        };
    }
    status.min(255)
}

/// Where the mount is that a word means: a path to it, or what was mounted. Any other word stays as it is
/// (`mnt_context_find_umount_fs`).
async fn mounted_at(sys: &Sys, word: &str) -> String {
    let mounts = sys.mountinfo().await.unwrap_or_default();
    if let Some(path) = sys.canonicalize(word).await
        && mounts.iter().any(|m| m.target == path)
    {
        return path;
    }
    mounts.into_iter().rev().find(|m| m.source == word).map_or_else(|| word.to_owned(), |m| m.target)
}

async fn one(sys: &Sys, target: &str, options: &Options) -> i32 {
    let mut flags = 0;
    if options.has('l') {
        flags |= umount_flags::DETACH;
    }
    if options.has('f') {
        flags |= umount_flags::FORCE;
    }
    let e = match sys.umount2(target, flags).await {
        Ok(()) => {
            if options.has('v') {
                sys.print(format!("umount: {target} unmounted\n")).await;
            }
            return 0;
        }
        Err(e) => e,
    };
    let message = match e {
        Errno::ENXIO => "invalid block device".to_owned(),
        Errno::EINVAL => "not mounted".to_owned(),
        Errno::EIO => "can't write superblock".to_owned(),
        Errno::EBUSY => "target is busy".to_owned(),
        Errno::ENOENT => "no mount point specified".to_owned(),
        Errno::EPERM => "must be superuser to unmount".to_owned(),
        Errno::EACCES => "block devices are not permitted on filesystem".to_owned(),
        other => format!("umount(2) system call failed: {other}"),
    };
    if sys.is_busybox() {
        sys.error(format!("can't unmount {target}: {e}")).await;
        return 1;
    }
    if !(options.has('q') && e == Errno::EINVAL) {
        sys.warnx(format!("{target}: {message}.")).await;
    }
    FAIL
}

async fn recursive(sys: &Sys, target: &str, options: &Options) -> i32 {
    let mounts = sys.mountinfo().await.unwrap_or_default();
    let path = sys.canonicalize(target).await.unwrap_or_else(|| target.to_owned());
    let Some(root) = mounts.iter().rev().find(|m| m.target == path) else {
        sys.warnx(format!("{target}: not mounted")).await;
        return 1;
    };
    // The last mounted goes first.
    for m in subtree(&mounts, root).into_iter().rev() {
        let status = one(sys, &m.target, options).await;
        if status != 0 {
            return status;
        }
    }
    0
}
