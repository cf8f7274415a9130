//! Copying files and trees: what cp(1) does, and mv(1) between file systems.

use super::ls::join;
use crate::errno::Errno;
use crate::program::Sys;
use crate::program::libc::{AT_FDCWD, AT_SYMLINK_NOFOLLOW, Stat, Timestamp, o, s};
use crate::program::quote::quoteaf;
use crate::syscall::{Sysno, Value};
use crate::vfs::fd_table::Fd;

/// How to copy.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct How {
    pub(super) recursive: bool,
    /// Symbolic links in the command line are followed.
    pub(super) follow_operands: bool,
    /// All symbolic links are followed.
    pub(super) follow_all: bool,
    pub(super) keep_mode: bool,
    pub(super) keep_owner: bool,
    pub(super) keep_times: bool,
    /// Extended attributes are copied.
    pub(super) keep_xattr: bool,
    /// Remove a destination that cannot be opened, and try again.
    pub(super) force: bool,
    pub(super) no_clobber: bool,
    /// Only when the source is newer.
    pub(super) update: bool,
    pub(super) verbose: bool,
    /// Make links instead of copies: 'l' or 's'.
    pub(super) link: Option<char>,
}

/// Something to do on the way through a tree.
enum Todo {
    Copy {
        from: String,
        to: String,
        is_operand: bool,
    },
    /// All that is in the directory has been copied: give it its final mode, owner and times.
    Finish {
        from: String,
        to: String,
        stat: Stat,
        temporary_mode: bool,
    },
}

/// Copies, and remembers whether all went well.
pub(super) struct Copier<'a> {
    pub(super) sys: &'a Sys,
    pub(super) how: How,
    pub(super) failed: bool,
}

const BLOCK: usize = 131_072;

impl Copier<'_> {
    async fn fail(&mut self, what: &str, path: &str, e: Errno) {
        self.sys.path_error(what, path, e).await;
        self.failed = true;
    }

    async fn complain(&mut self, text: String) {
        self.sys.error(text).await;
        self.failed = true;
    }

    /// Copies one operand to exactly this path.
    pub(super) async fn copy(&mut self, from: &str, to: &str) {
        let mut todo = vec![Todo::Copy { from: from.to_owned(), to: to.to_owned(), is_operand: true }];
        let umask = self.sys.current_umask().await;
        // A directory that is copied into itself must not find its own copy again.
        let mut made: Vec<(u64, u64)> = Vec::new();
        while let Some(next) = todo.pop() {
            match next {
                Todo::Copy { from, to, is_operand } => {
                    self.one(&from, &to, is_operand, umask, &mut todo, &mut made).await;
                }
                Todo::Finish { from, to, stat, temporary_mode } => {
                    if temporary_mode && !self.how.keep_mode {
                        let _ = self.sys.chmod(&to, stat.st_mode & 0o7777 & !umask).await;
                    }
                    self.keep_attributes(&from, &to, &stat).await;
                }
            }
        }
    }

    async fn one(
        &mut self,
        from: &str,
        to: &str,
        is_operand: bool,
        umask: u32,
        todo: &mut Vec<Todo>,
        made: &mut Vec<(u64, u64)>,
    ) {
        let follow = self.how.follow_all || (is_operand && self.how.follow_operands) || !self.how.recursive;
        let follow = follow && (self.how.follow_all || self.how.follow_operands);
        let found = if follow { self.sys.stat(from).await } else { self.sys.lstat(from).await };
        let stat = match found {
            Ok(stat) => stat,
            Err(e) if self.sys.is_busybox() => {
                return self.complain(format!("can't stat '{from}': {e}")).await;
            }
            Err(e) => return self.fail("cannot stat", from, e).await,
        };
        if stat.is_dir() && !self.how.recursive {
            let text = if self.sys.is_busybox() {
                format!("omitting directory '{from}'")
            } else {
                format!("-r not specified; omitting directory {}", quoteaf(from))
            };
            return self.complain(text).await;
        }
        let there = match self.sys.lstat(to).await {
            Ok(there) => Some(there),
            Err(Errno::ENOENT) => None,
            Err(e) => return self.fail("cannot stat", to, e).await,
        };
        let there_followed = if there.is_some() { self.sys.stat(to).await.ok() } else { None };
        if let Some(there) = there_followed.as_ref().or(there.as_ref()) {
            if (there.st_dev, there.st_ino) == (stat.st_dev, stat.st_ino) && self.how.link.is_none() {
                return self.complain(format!("{} and {} are the same file", quoteaf(from), quoteaf(to))).await;
            }
            if !stat.is_dir() && there.is_dir() {
                let text = format!("cannot overwrite directory {} with non-directory", quoteaf(to));
                return self.complain(text).await;
            }
            if !stat.is_dir() && (self.how.no_clobber || (self.how.update && there.st_mtime >= stat.st_mtime)) {
                return;
            }
            if stat.is_dir() && !there.is_dir() {
                let text = format!("cannot overwrite non-directory {} with directory {}", quoteaf(to), quoteaf(from));
                return self.complain(text).await;
            }
        }
        if made.contains(&(stat.st_dev, stat.st_ino)) {
            let text = format!("cannot copy a directory, {}, into itself, {}", quoteaf(from), quoteaf(to));
            return self.complain(text).await;
        }
        if self.how.verbose && !(stat.is_dir() && there.is_some()) {
            self.sys.print(format!("{} -> {}\n", quoteaf(from), quoteaf(to))).await;
        }
        if stat.is_dir() {
            self.directory(from, to, stat, there.is_some(), todo, made).await;
            return;
        }
        if let Some(kind) = self.how.link {
            self.link(kind, from, to, there.is_some()).await;
            return;
        }
        let regular = stat.file_type() == s::IFREG || (!self.how.recursive && stat.file_type() != s::IFLNK);
        let done = if regular {
            self.regular(from, to, &stat, there.is_some(), umask).await
        } else {
            self.special(from, to, &stat, there.is_some()).await
        };
        if done {
            self.keep_attributes(from, to, &stat).await;
        }
    }

    async fn directory(
        &mut self,
        from: &str,
        to: &str,
        stat: Stat,
        exists: bool,
        todo: &mut Vec<Todo>,
        made: &mut Vec<(u64, u64)>,
    ) {
        if !exists {
            // The owner must be able to write into it until everything is there.
            if let Err(e) = self.sys.mkdir(to, (stat.st_mode & 0o777) | 0o700).await {
                return self.fail("cannot create directory", to, e).await;
            }
            if let Ok(new) = self.sys.lstat(to).await {
                made.push((new.st_dev, new.st_ino));
            }
        }
        let entries = match self.sys.read_dir(from).await {
            Ok(entries) => entries,
            Err(e) => return self.fail("cannot access", from, e).await,
        };
        let temporary_mode = !exists && stat.st_mode & 0o700 != 0o700;
        todo.push(Todo::Finish { from: from.to_owned(), to: to.to_owned(), stat, temporary_mode });
        todo.extend(entries.iter().rev().map(|e| Todo::Copy {
            from: join(from, &e.d_name),
            to: join(to, &e.d_name),
            is_operand: false,
        }));
    }

    async fn link(&mut self, kind: char, from: &str, to: &str, exists: bool) {
        if exists && self.how.force {
            let _ = self.sys.unlink(to).await;
        }
        let (result, what) = match kind {
            's' => (self.sys.symlink(from, to).await, "symbolic link"),
            _ => (self.sys.link(from, to).await, "hard link"),
        };
        if let Err(e) = result {
            let text = format!("cannot create {what} {} to {}: {e}", quoteaf(to), quoteaf(from));
            self.complain(text).await;
        }
    }

    async fn regular(&mut self, from: &str, to: &str, stat: &Stat, exists: bool, umask: u32) -> bool {
        let source = match self.sys.open(from, o::RDONLY, 0).await {
            Ok(fd) => fd,
            Err(e) if self.sys.is_busybox() => {
                self.complain(format!("can't open '{from}': {e}")).await;
                return false;
            }
            Err(e) => {
                self.complain(format!("cannot open {} for reading: {e}", quoteaf(from))).await;
                return false;
            }
        };
        let mode = stat.st_mode & 0o777;
        let create = o::WRONLY | o::CREAT | o::EXCL;
        let mut opened = if exists {
            self.sys.open(to, o::WRONLY | o::TRUNC, 0).await
        } else {
            self.sys.open(to, create, if self.how.keep_mode { mode & 0o700 } else { mode }).await
        };
        if exists && opened.is_err() && self.how.force {
            opened = match self.sys.unlink(to).await {
                Ok(()) => self.sys.open(to, create, mode & !umask).await,
                Err(_) => opened,
            };
        }
        let done = match opened {
            Ok(target) => {
                let copied = self.bytes(from, to, stat, source, target).await;
                let _ = self.sys.close(target).await;
                copied
            }
            Err(e) => {
                // A name that ends in a slash is one of a directory that is not there.
                let e = if e == Errno::EISDIR && to.ends_with('/') { Errno::ENOTDIR } else { e };
                let text = if self.sys.is_busybox() {
                    format!("can't create '{to}': {e}")
                } else {
                    format!("cannot create regular file {}: {e}", quoteaf(to))
                };
                self.complain(text).await;
                false
            }
        };
        let _ = self.sys.close(source).await;
        done
    }

    async fn bytes(&mut self, from: &str, to: &str, stat: &Stat, source: Fd, target: Fd) -> bool {
        // Within a file system the kernel is asked to copy (copy_file_range(2)), and does not say which end failed.
        let in_kernel = !self.sys.is_busybox()
            && stat.file_type() == s::IFREG
            && self.sys.fstat(target).await.is_ok_and(|there| there.st_dev == stat.st_dev);
        loop {
            let block = match self.sys.read(source, BLOCK).await {
                Ok(block) if block.is_empty() => return true,
                Ok(block) => block,
                Err(e) => {
                    self.fail("error reading", from, e).await;
                    return false;
                }
            };
            if let Err(e) = self.sys.write_all(target, &block).await {
                if in_kernel {
                    self.complain(format!("error copying {} to {}: {e}", quoteaf(from), quoteaf(to))).await;
                } else {
                    self.fail("error writing", to, e).await;
                }
                return false;
            }
        }
    }

    async fn special(&mut self, from: &str, to: &str, stat: &Stat, exists: bool) -> bool {
        if exists && let Err(e) = self.sys.unlink(to).await {
            self.fail("cannot remove", to, e).await;
            return false;
        }
        let (result, what) = if stat.file_type() == s::IFLNK {
            match self.sys.readlink(from).await {
                Ok(target) => (self.sys.symlink(&target, to).await, "symbolic link"),
                Err(e) => {
                    self.fail("cannot read symbolic link", from, e).await;
                    return false;
                }
            }
        } else {
            let what = if stat.file_type() == s::IFIFO { "fifo" } else { "special file" };
            (self.sys.mknod(to, stat.st_mode, stat.st_rdev).await, what)
        };
        if let Err(e) = result {
            self.fail(&format!("cannot create {what}"), to, e).await;
            return false;
        }
        true
    }

    /// Extended attributes, capabilities of files among them. With `-a` nothing is said of those that cannot be kept.
    async fn copy_xattrs(&mut self, from: &str, to: &str) {
        let args = vec![from.into(), Value::Null, 65_536.into()];
        let Ok(ret) = self.sys.call(Sysno::LISTXATTR, args).await else { return };
        let list = ret.output(1).as_bytes().unwrap_or_default().to_vec();
        for name in list.split(|b| *b == 0).filter(|name| !name.is_empty()) {
            let name = String::from_utf8_lossy(name).into_owned();
            let args = vec![from.into(), name.as_str().into(), Value::Null, 65_536.into()];
            let Ok(ret) = self.sys.call(Sysno::GETXATTR, args).await else { continue };
            let value = ret.output(2).as_bytes().unwrap_or_default().to_vec();
            let size = value.len();
            let args = vec![to.into(), name.as_str().into(), Value::bytes(value), size.into(), 0.into()];
            let _ = self.sys.call(Sysno::SETXATTR, args).await;
        }
    }

    /// Times, owner, extended attributes and mode, in this order, as asked for.
    async fn keep_attributes(&mut self, from: &str, to: &str, stat: &Stat) {
        let is_link = stat.file_type() == s::IFLNK;
        if self.how.keep_times {
            let times = [Timestamp::At(stat.st_atime), Timestamp::At(stat.st_mtime)];
            let flags = if is_link { AT_SYMLINK_NOFOLLOW } else { 0 };
            if let Err(e) = self.sys.utimensat(AT_FDCWD, Some(to), Some(times), flags).await {
                self.fail("preserving times for", to, e).await;
            }
        }
        let mut lost_owner = false;
        if self.how.keep_owner {
            let result = self.sys.fchownat(AT_FDCWD, to, stat.st_uid, stat.st_gid, AT_SYMLINK_NOFOLLOW).await;
            match result {
                Ok(()) => {}
                // Who may not give files away keeps what can be kept, without set-id bits.
                Err(Errno::EPERM | Errno::EINVAL) => {
                    lost_owner = true;
                    let _ = self.sys.fchownat(AT_FDCWD, to, u32::MAX, stat.st_gid, AT_SYMLINK_NOFOLLOW).await;
                }
                Err(e) => self.fail("failed to preserve ownership for", to, e).await,
            }
        }
        if self.how.keep_xattr && !is_link {
            self.copy_xattrs(from, to).await;
        }
        if self.how.keep_mode && !is_link {
            let mode = stat.st_mode & if lost_owner { 0o1777 } else { 0o7777 };
            if let Err(e) = self.sys.chmod(to, mode).await {
                self.fail("preserving permissions for", to, e).await;
            }
        }
    }
}
