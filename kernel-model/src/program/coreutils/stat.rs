//! stat(1).

use crate::program;
use crate::program::Sys;
use crate::program::accounts::Accounts;
use crate::program::calendar::strftime;
use crate::program::cformat::CFormat;
use crate::program::filemode::{kind_name, mode_string};
use crate::program::getopt::{Long, Spec, Takes};
use crate::program::libc::{Stat, StatFs, major, minor, s};
use crate::program::quote::{quoteaf, shell_escape_if_needed};

program!(STAT = "stat" in "/usr/bin", "display file or file system status", stat, "\
-c, --format FORMAT  use FORMAT instead of the default; newline after each use
--printf FORMAT  like --format, but interpret backslash escapes, and no newline
-f, --file-system  display file system status instead of file status
-L, --dereference  follow links
-t, --terse  print the information in terse form
files: %a %A %b %B %C %d %D %f %F %g %G %h %i %m %n %N %o %r %R %s %t %T %u %U %w %W %x %X %y %Y %z %Z
file systems: %a %b %c %d %f %i %l %n %s %S %t %T");

const SPEC: Spec = Spec {
    short: "c:fLt",
    long: &[
        Long("dereference", Takes::Nothing, 'L'),
        Long("file-system", Takes::Nothing, 'f'),
        Long("format", Takes::Value, 'c'),
        Long("printf", Takes::Value, 'p'),
        Long("terse", Takes::Nothing, 't'),
    ],
    unmodelled: "--cached",
    ..Spec::COREUTILS
};

const DEFAULT: &str = "  File: %N\n  Size: %-10s\tBlocks: %-10b IO Block: %-6o %F\n\
Device: %Hd,%Ld\tInode: %-11i Links: %h\nAccess: (%04a/%10.10A)  Uid: (%5u/%8U)   Gid: (%5g/%8G)\n\
Access: %x\nModify: %y\nChange: %z\n Birth: %w\n";
const DEFAULT_DEVICE: &str = "  File: %N\n  Size: %-10s\tBlocks: %-10b IO Block: %-6o %F\n\
Device: %Hd,%Ld\tInode: %-11i Links: %-5h Device type: %Hr,%Lr\n\
Access: (%04a/%10.10A)  Uid: (%5u/%8U)   Gid: (%5g/%8G)\n\
Access: %x\nModify: %y\nChange: %z\n Birth: %w\n";
const TERSE: &str = "%n %s %b %f %u %g %D %i %h %t %T %X %Y %Z %W %o\n";
const FS_DEFAULT: &str = "  File: \"%n\"\n    ID: %-8i Namelen: %-7l Type: %T\nBlock size: %-10s Fundamental block size: %S\n\
Blocks: Total: %-10b Free: %-10f Available: %a\nInodes: Total: %-10c Free: %d\n";
const FS_TERSE: &str = "%n %i %l %t %s %S %b %f %a %c %d\n";

async fn stat(sys: Sys) -> Result<i32, i32> {
    let options = sys.getopt(&SPEC).await?;
    if options.operands.is_empty() {
        return Err(sys.missing_operand().await);
    }
    let custom = options.last_of("cp").and_then(|key| options.value(key).map(|text| (key, text)));
    let accounts = sys.accounts().await;
    let mut status = 0;
    for path in &options.operands {
        let known = if options.has('f') {
            match sys.statfs(path).await {
                Ok(fs) => Facts::FileSystem(fs),
                Err(e) => {
                    let text = format!("cannot read file system information for {}: {e}", quoteaf(path));
                    sys.error(text).await;
                    status = 1;
                    continue;
                }
            }
        } else {
            let found = match (path.as_str(), options.has('L')) {
                ("-", _) => sys.fstat(0).await,
                (path, true) => sys.stat(path).await,
                (path, false) => sys.lstat(path).await,
            };
            match found {
                Ok(stat) => {
                    let target = if stat.file_type() == s::IFLNK { sys.readlink(path).await.ok() } else { None };
                    Facts::File(Box::new(stat), target)
                }
                Err(e) => {
                    if path == "-" {
                        sys.error(format!("cannot stat standard input: {e}")).await;
                    } else {
                        sys.path_error("cannot statx", path, e).await;
                    }
                    status = 1;
                    continue;
                }
            }
        };
        let format = match (&known, custom) {
            (_, Some((_, text))) => text,
            (Facts::FileSystem(_), None) if options.has('t') => FS_TERSE,
            (Facts::FileSystem(_), None) => FS_DEFAULT,
            (_, None) if options.has('t') => TERSE,
            (Facts::File(stat, _), None) if stat.st_rdev != 0 || matches!(stat.file_type(), s::IFCHR | s::IFBLK) => {
                DEFAULT_DEVICE
            }
            _ => DEFAULT,
        };
        let mount_point = if format.contains("%m") { mount_point(&sys, path).await } else { String::new() };
        let page = Page { path, facts: known, accounts: &accounts, mount_point, always_quoted: custom.is_some() };
        let escapes = custom.is_some_and(|(key, _)| key == 'p');
        let mut text = page.render(format, escapes);
        if custom.is_some_and(|(key, _)| key == 'c') {
            text.push('\n');
        }
        sys.print(text).await;
    }
    Ok(status)
}

/// The root of the mount that a file is on: the last directory upwards on the same device.
async fn mount_point(sys: &Sys, path: &str) -> String {
    use super::readlink::{Missing, canonicalize};
    let Ok(mut at) = canonicalize(sys, path, Missing::Nothing, true).await else { return "?".into() };
    let Ok(device) = sys.stat(&at).await.map(|s| s.st_dev) else { return "?".into() };
    while at != "/" {
        let parent = super::basename::directory(&at).to_owned();
        if sys.stat(&parent).await.is_ok_and(|s| s.st_dev != device) {
            break;
        }
        at = parent;
    }
    at
}

enum Facts {
    File(Box<Stat>, Option<String>),
    FileSystem(StatFs),
}

struct Page<'a> {
    path: &'a str,
    facts: Facts,
    accounts: &'a Accounts,
    mount_point: String,
    /// Names are always in quotes, as `%N` has them; the default format quotes only what needs it.
    always_quoted: bool,
}

/// What a directive stands for.
enum Shown {
    Text(String),
    Number(u64),
    Hex(u64),
    Octal(u64),
}

impl Page<'_> {
    fn render(&self, format: &str, escapes: bool) -> String {
        let mut out = String::new();
        let mut rest = format.chars().peekable();
        while let Some(c) = rest.next() {
            if c == '\\' && escapes {
                let escape: String = ['\\'].into_iter().chain(rest.next()).collect();
                let (bytes, _) = super::echo::unescape(&escape, super::echo::Escapes::Coreutils);
                out += &String::from_utf8_lossy(&bytes);
                continue;
            }
            if c != '%' {
                out.push(c);
                continue;
            }
            let mut spec = CFormat::default();
            while rest.peek().is_some_and(|f| spec.set_flag(*f)) {
                rest.next();
            }
            let mut number = || {
                let mut digits = String::new();
                while let Some(d) = rest.next_if(char::is_ascii_digit) {
                    digits.push(d);
                }
                digits.parse::<i64>().unwrap_or(0)
            };
            spec.set_width(number());
            if rest.peek() == Some(&'.') {
                rest.next();
                let mut digits = String::new();
                while let Some(d) = rest.next_if(char::is_ascii_digit) {
                    digits.push(d);
                }
                spec.set_precision(digits.parse().unwrap_or(0));
            }
            let half = rest.next_if(|c| matches!(c, 'H' | 'L'));
            let Some(directive) = rest.next() else {
                out.push('%');
                break;
            };
            if directive == '%' {
                out.push('%');
                continue;
            }
            let shown = match &self.facts {
                Facts::File(stat, target) => self.file(directive, half, stat, target.as_deref(), &spec),
                Facts::FileSystem(fs) => self.file_system(directive, fs),
            };
            match shown {
                Some(Shown::Text(text)) if matches!(directive, 'X' | 'Y' | 'Z') => {
                    out += &CFormat { precision: None, ..spec }.string(&text);
                }
                Some(Shown::Text(text)) => out += &spec.string(&text),
                Some(Shown::Number(n)) => out += &spec.unsigned(n, 'u'),
                Some(Shown::Hex(n)) => out += &spec.unsigned(n, 'x'),
                Some(Shown::Octal(n)) => out += &spec.unsigned(n, 'o'),
                None => out.push('?'),
            }
        }
        out
    }

    fn file(
        &self,
        directive: char,
        half: Option<char>,
        stat: &Stat,
        target: Option<&str>,
        spec: &CFormat,
    ) -> Option<Shown> {
        let time = |ns: u64| {
            let (sec, rest) = (ns / 1_000_000_000, (ns % 1_000_000_000) as u32);
            Shown::Text(strftime("%Y-%m-%d %H:%M:%S.%N %z", sec as i64, rest))
        };
        let epoch = |ns: u64| match spec.precision {
            None => Shown::Number(ns / 1_000_000_000),
            Some(0) => Shown::Text((ns / 1_000_000_000).to_string()),
            Some(p) => {
                let fraction = format!("{:09}", ns % 1_000_000_000);
                let digits: String = fraction.chars().chain(std::iter::repeat('0')).take(p).collect();
                Shown::Text(format!("{}.{digits}", ns / 1_000_000_000))
            }
        };
        let halves = |dev: u64| match half {
            Some('H') => Some(u64::from(major(dev))),
            Some(_) => Some(u64::from(minor(dev))),
            None => None,
        };
        Some(match directive {
            'a' => Shown::Octal(u64::from(stat.st_mode & 0o7777)),
            'A' => Shown::Text(mode_string(stat.st_mode)),
            'b' => Shown::Number(stat.st_blocks),
            'B' => Shown::Number(512),
            'd' => Shown::Number(halves(stat.st_dev).unwrap_or(stat.st_dev)),
            'D' => Shown::Hex(stat.st_dev),
            'f' => Shown::Hex(u64::from(stat.st_mode)),
            'F' => Shown::Text(kind_name(stat.st_mode, stat.st_size).into()),
            'g' => Shown::Number(stat.st_gid.into()),
            'G' => Shown::Text(self.accounts.group_by_id(stat.st_gid).map_or("UNKNOWN".into(), |g| g.name.clone())),
            'h' => Shown::Number(stat.st_nlink.into()),
            'i' => Shown::Number(stat.st_ino),
            'm' => Shown::Text(self.mount_point.clone()),
            'n' => Shown::Text(self.path.into()),
            'N' => Shown::Text(match target {
                Some(target) => format!("{} -> {}", self.quoted(self.path), self.quoted(target)),
                None => self.quoted(self.path),
            }),
            'o' => Shown::Number(stat.st_blksize),
            'r' => Shown::Number(halves(stat.st_rdev).unwrap_or(stat.st_rdev)),
            'R' => Shown::Hex(stat.st_rdev),
            's' => Shown::Number(stat.st_size),
            't' => Shown::Hex(major(stat.st_rdev).into()),
            'T' => Shown::Hex(minor(stat.st_rdev).into()),
            'u' => Shown::Number(stat.st_uid.into()),
            'U' => Shown::Text(self.accounts.user_by_id(stat.st_uid).map_or("UNKNOWN".into(), |u| u.name.clone())),
            // The model's file systems do not keep the time of birth.
            'w' => Shown::Text("-".into()),
            'W' => Shown::Number(0),
            'x' => time(stat.st_atime),
            'X' => epoch(stat.st_atime),
            'y' => time(stat.st_mtime),
            'Y' => epoch(stat.st_mtime),
            'z' => time(stat.st_ctime),
            'Z' => epoch(stat.st_ctime),
            'C' => Shown::Text("?".into()),
            _ => return None,
        })
    }

    fn quoted(&self, name: &str) -> String {
        if self.always_quoted { quoteaf(name) } else { shell_escape_if_needed(name) }
    }

    fn file_system(&self, directive: char, fs: &StatFs) -> Option<Shown> {
        Some(match directive {
            'a' => Shown::Number(fs.f_bavail),
            'b' => Shown::Number(fs.f_blocks),
            'c' => Shown::Number(fs.f_files),
            'd' => Shown::Number(fs.f_ffree),
            'f' => Shown::Number(fs.f_bfree),
            'i' => Shown::Hex(u64::from(fs.f_fsid[0]) << 32 | u64::from(fs.f_fsid[1])),
            'l' => Shown::Number(fs.f_namelen),
            'n' => Shown::Text(self.path.into()),
            's' => Shown::Number(fs.f_bsize),
            'S' => Shown::Number(if fs.f_frsize == 0 { fs.f_bsize } else { fs.f_frsize }),
            't' => Shown::Hex(fs.f_type),
            'T' => Shown::Text(fs_type_name(fs.f_type)),
            _ => return None,
        })
    }
}

/// The name of a file system by its magic number, as stat(1) knows them.
pub fn fs_type_name(magic: u64) -> String {
    let name = match magic & 0xffff_ffff {
        0x0102_1994 => "tmpfs",
        0x9fa0 => "proc",
        0x6265_6572 => "sysfs",
        0x1cd1 => "devpts",
        0x1980_0202 => "mqueue",
        0x27_e0eb => "cgroupfs",
        0x6367_7270 => "cgroup2fs",
        0x794c_7630 => "overlayfs",
        0x6e73_6673 => "nsfs",
        0x5049_5045 => "pipefs",
        0x534f_434b => "sockfs",
        0x0904_1934 => "anon-inode FS",
        0x8584_58f6 => "ramfs",
        0xef53 => "ext2/ext3",
        0x7371_7368 => "squashfs",
        0x6462_6720 => "debugfs",
        0x7472_6163 => "tracefs",
        0x7363_6673 => "securityfs",
        0x9123_683e => "btrfs",
        0x5846_5342 => "xfs",
        0x0102_1997 => "v9fs",
        0x6573_5546 => "fuseblk",
        0x958_4582 => "hugetlbfs",
        0xcafe_4a11 => "bpf_fs",
        other => return format!("UNKNOWN (0x{other:x})"),
    };
    name.into()
}
