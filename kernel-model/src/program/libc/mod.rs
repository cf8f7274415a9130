//! What programs call: thin, typed wrappers around system calls, as in the C library, in `calls`; here are the constants and
//! structures that they take and give.
//!
//! The wrappers fix, for every call, in which argument position an output comes back ([`Ret::out`]): always the
//! position of the pointer in the C prototype. Structures carry the field names of their C declaration.
//!
//! [`Ret::out`]: crate::syscall::Ret::out

mod calls;

use crate::syscall::Value;
use crate::task::signal::Signal;
use crate::vfs::fd_table::Fd;

/// The directory descriptor that stands for the working directory.
pub const AT_FDCWD: Fd = -100;
/// Do not follow a symbolic link at the end of the path.
pub const AT_SYMLINK_NOFOLLOW: i64 = 0x100;
/// unlinkat(2) removes a directory.
pub const AT_REMOVEDIR: i64 = 0x200;
/// Follow a symbolic link at the end of the path.
pub const AT_SYMLINK_FOLLOW: i64 = 0x400;
/// faccessat2(2) checks with the effective ids.
pub const AT_EACCESS: i64 = 0x200;
/// The descriptor itself is meant when the path is empty.
pub const AT_EMPTY_PATH: i64 = 0x1000;

#[allow(missing_docs)] // the flags of open(2)
pub mod o {
    pub const RDONLY: u32 = 0;
    pub const WRONLY: u32 = 1;
    pub const RDWR: u32 = 2;
    pub const ACCMODE: u32 = 3;
    pub const CREAT: u32 = 0o100;
    pub const EXCL: u32 = 0o200;
    pub const NOCTTY: u32 = 0o400;
    pub const TRUNC: u32 = 0o1000;
    pub const APPEND: u32 = 0o2000;
    pub const NONBLOCK: u32 = 0o4000;
    pub const DIRECT: u32 = 0o40_000;
    pub const DIRECTORY: u32 = 0o200_000;
    pub const NOFOLLOW: u32 = 0o400_000;
    pub const CLOEXEC: u32 = 0o2_000_000;
    pub const PATH: u32 = 0o10_000_000;
}

#[allow(missing_docs)] // the file types of inode(7)
pub mod s {
    pub const IFMT: u32 = 0o170_000;
    pub const IFSOCK: u32 = 0o140_000;
    pub const IFLNK: u32 = 0o120_000;
    pub const IFREG: u32 = 0o100_000;
    pub const IFBLK: u32 = 0o060_000;
    pub const IFDIR: u32 = 0o040_000;
    pub const IFCHR: u32 = 0o020_000;
    pub const IFIFO: u32 = 0o010_000;
    pub const ISUID: u32 = 0o4000;
    pub const ISGID: u32 = 0o2000;
    pub const ISVTX: u32 = 0o1000;
}

/// What stat(2) tells. Output of newfstatat(2) at position 2 as a structure with these field names.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
#[allow(missing_docs)] // the fields of stat(2)
pub struct Stat {
    /// Major and minor number of the device, as `makedev` packs them.
    pub st_dev: u64,
    pub st_ino: u64,
    pub st_mode: u32,
    pub st_nlink: u32,
    pub st_uid: u32,
    pub st_gid: u32,
    pub st_rdev: u64,
    pub st_size: u64,
    pub st_blksize: u64,
    /// In units of 512 bytes.
    pub st_blocks: u64,
    /// Unix time in nanoseconds.
    pub st_atime: u64,
    pub st_mtime: u64,
    pub st_ctime: u64,
}

impl Stat {
    /// The structure as a value.
    pub fn to_value(&self) -> Value {
        Value::record([
            ("st_dev", self.st_dev.into()),
            ("st_ino", self.st_ino.into()),
            ("st_mode", self.st_mode.into()),
            ("st_nlink", self.st_nlink.into()),
            ("st_uid", self.st_uid.into()),
            ("st_gid", self.st_gid.into()),
            ("st_rdev", self.st_rdev.into()),
            ("st_size", self.st_size.into()),
            ("st_blksize", self.st_blksize.into()),
            ("st_blocks", self.st_blocks.into()),
            ("st_atime", self.st_atime.into()),
            ("st_mtime", self.st_mtime.into()),
            ("st_ctime", self.st_ctime.into()),
        ])
    }

    /// The structure from a value.
    pub fn from_value(value: &Value) -> Stat {
        let get = |name| value.field(name).and_then(Value::as_int).unwrap_or(0);
        Stat {
            st_dev: get("st_dev") as u64,
            st_ino: get("st_ino") as u64,
            st_mode: get("st_mode") as u32,
            st_nlink: get("st_nlink") as u32,
            st_uid: get("st_uid") as u32,
            st_gid: get("st_gid") as u32,
            st_rdev: get("st_rdev") as u64,
            st_size: get("st_size") as u64,
            st_blksize: get("st_blksize") as u64,
            st_blocks: get("st_blocks") as u64,
            st_atime: get("st_atime") as u64,
            st_mtime: get("st_mtime") as u64,
            st_ctime: get("st_ctime") as u64,
        }
    }

    /// The type bits of the mode.
    pub fn file_type(&self) -> u32 {
        self.st_mode & s::IFMT
    }

    /// Whether it is a directory.
    pub fn is_dir(&self) -> bool {
        self.file_type() == s::IFDIR
    }
}

/// ioctl(2): the settings of a terminal; fails when it is none.
pub const TCGETS: i64 = 0x5401;

/// A time for utimensat(2).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Timestamp {
    /// Unix time in nanoseconds.
    At(u64),
    /// The present moment (`UTIME_NOW`).
    Now,
    /// As it is (`UTIME_OMIT`).
    Omit,
}

impl Timestamp {
    /// The `struct timespec`.
    pub fn to_value(&self) -> Value {
        let (sec, nsec) = match self {
            Timestamp::At(ns) => ((ns / 1_000_000_000) as i64, (ns % 1_000_000_000) as i64),
            Timestamp::Now => (0, (1 << 30) - 1),
            Timestamp::Omit => (0, (1 << 30) - 2),
        };
        Value::record([("tv_sec", sec.into()), ("tv_nsec", nsec.into())])
    }
}

/// What statfs(2) tells. Output at position 1 as a structure with these field names.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
#[allow(missing_docs)] // the fields of statfs(2)
pub struct StatFs {
    pub f_type: u64,
    pub f_bsize: u64,
    pub f_blocks: u64,
    pub f_bfree: u64,
    pub f_bavail: u64,
    pub f_files: u64,
    pub f_ffree: u64,
    /// Two numbers in a list.
    pub f_fsid: [u32; 2],
    pub f_namelen: u64,
    pub f_frsize: u64,
}

impl StatFs {
    /// The structure as a value.
    pub fn to_value(&self) -> Value {
        Value::record([
            ("f_type", self.f_type.into()),
            ("f_bsize", self.f_bsize.into()),
            ("f_blocks", self.f_blocks.into()),
            ("f_bfree", self.f_bfree.into()),
            ("f_bavail", self.f_bavail.into()),
            ("f_files", self.f_files.into()),
            ("f_ffree", self.f_ffree.into()),
            ("f_fsid", Value::List(self.f_fsid.iter().map(|n| (*n).into()).collect())),
            ("f_namelen", self.f_namelen.into()),
            ("f_frsize", self.f_frsize.into()),
        ])
    }

    /// The structure from a value.
    pub fn from_value(value: &Value) -> StatFs {
        let get = |name| value.field(name).and_then(Value::as_int).unwrap_or(0) as u64;
        let id = |i: usize| {
            let list = value.field("f_fsid").and_then(Value::as_list);
            list.and_then(|l| l.get(i)).and_then(Value::as_int).unwrap_or(0) as u32
        };
        StatFs {
            f_type: get("f_type"),
            f_bsize: get("f_bsize"),
            f_blocks: get("f_blocks"),
            f_bfree: get("f_bfree"),
            f_bavail: get("f_bavail"),
            f_files: get("f_files"),
            f_ffree: get("f_ffree"),
            f_fsid: [id(0), id(1)],
            f_namelen: get("f_namelen"),
            f_frsize: get("f_frsize"),
        }
    }
}

/// An entry of a directory. Output of getdents64(2) at position 1 as a list of structures.
#[derive(Clone, PartialEq, Eq, Debug)]
#[allow(missing_docs)] // the fields of getdents(2)
pub struct DirEntry {
    pub d_ino: u64,
    pub d_name: String,
    /// `S_IF*` shifted right by 12, as `DT_*`.
    pub d_type: u8,
}

/// How a child ended, as wait4(2) reports it: the status word.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct WaitStatus(pub i32);

impl WaitStatus {
    /// Exit status, if it exited.
    pub fn exited(self) -> Option<i32> {
        (self.0 & 0x7f == 0).then_some((self.0 >> 8) & 0xff)
    }

    /// The signal that killed it.
    pub fn signaled(self) -> Option<Signal> {
        let s = self.0 & 0x7f;
        (s != 0 && s != 0x7f).then_some(Signal(s as u8))
    }

    /// The signal that stopped it.
    pub fn stopped(self) -> Option<Signal> {
        (self.0 & 0xff == 0x7f).then_some(Signal((self.0 >> 8) as u8))
    }

    /// What a shell shows as `$?`.
    pub fn shell_status(self) -> i32 {
        self.exited().unwrap_or_else(|| 128 + self.signaled().map_or(0, |s| i32::from(s.0)))
    }
}

/// Packs a device number as `makedev(3)` does.
pub const fn makedev(major: u32, minor: u32) -> u64 {
    let (major, minor) = (major as u64, minor as u64);
    ((major & 0xfff) << 8) | ((major & !0xfff) << 32) | (minor & 0xff) | ((minor & !0xff) << 12)
}

/// The major number of a device.
pub const fn major(dev: u64) -> u32 {
    ((dev >> 8) & 0xfff) as u32 | ((dev >> 32) & !0xfff) as u32
}

/// The minor number of a device.
pub const fn minor(dev: u64) -> u32 {
    (dev & 0xff) as u32 | ((dev >> 12) & !0xff) as u32
}
