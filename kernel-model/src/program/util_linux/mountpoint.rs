//! `mountpoint`: tells whether a directory or file is one.

use super::mountinfo::MountInfo;
use crate::program::Sys;
use crate::program::getopt::{Long, Spec, Takes};
use crate::program::libc::s;

crate::program!(
    MOUNTPOINT = "mountpoint" in "/usr/bin",
    "see if a directory or file is a mountpoint",
    main,
    "  -q, --quiet     say nothing
  -d, --fs-devno  print the numbers of the file system's device
  -x, --devno     print the numbers of a block device
      --nofollow  do not follow a symbolic link"
);

const NOFOLLOW: char = '0';

const SPEC: Spec = Spec {
    short: "qdx",
    long: &[
        Long("quiet", Takes::Nothing, 'q'),
        Long("fs-devno", Takes::Nothing, 'd'),
        Long("devno", Takes::Nothing, 'x'),
        Long("nofollow", Takes::Nothing, NOFOLLOW),
    ],
    unmodelled: "",
    version: "from util-linux 2.38.1",
    failure: 1,
};

/// It is no mount point, or no block device.
const NOT_ONE: i32 = 32;

async fn main(sys: Sys) -> i32 {
    let options = match sys.getopt(&SPEC).await {
        Ok(options) => options,
        Err(status) => return status,
    };
    let [path] = options.operands.as_slice() else {
        sys.warnx("bad usage").await;
        sys.try_help().await;
        return 1;
    };
    let quiet = options.has('q');
    let stat = if options.has(NOFOLLOW) { sys.lstat(path).await } else { sys.stat(path).await };
    let stat = match stat {
        Ok(stat) => stat,
        Err(e) => {
            if !quiet {
                sys.warn(path, e).await;
            }
            return 1;
        }
    };
    if options.has('x') {
        if stat.file_type() != s::IFBLK {
            if !quiet {
                sys.warnx(format!("{path}: not a block device")).await;
            }
            return NOT_ONE;
        }
        sys.print(format!("{}\n", device(stat.st_rdev))).await;
        return 0;
    }
    let mounts = sys.mountinfo().await.unwrap_or_default();
    let real = sys.canonicalize(path).await.unwrap_or_else(|| path.clone());
    let is_link = options.has(NOFOLLOW) && stat.file_type() == s::IFLNK;
    let Some(_) = mounts.iter().rev().find(|m: &&MountInfo| m.target == real && !is_link) else {
        if !quiet {
            sys.print(format!("{path} is not a mountpoint\n")).await;
        }
        return NOT_ONE;
    };
    if options.has('d') {
        sys.print(format!("{}\n", device(stat.st_dev))).await;
    } else if !quiet {
        sys.print(format!("{path} is a mountpoint\n")).await;
    }
    0
}

/// `major:minor`
fn device(dev: u64) -> String {
    let major = ((dev >> 8) & 0xfff) | ((dev >> 32) & !0xfff);
    let minor = (dev & 0xff) | ((dev >> 12) & !0xff);
    format!("{major}:{minor}")
}
