//! The wrappers: a method of [`Sys`] for each call.

use super::{
    AT_EACCESS, AT_EMPTY_PATH, AT_FDCWD, AT_SYMLINK_NOFOLLOW, DirEntry, Stat, StatFs, TCGETS, Timestamp, WaitStatus, o,
};
use crate::errno::Errno;
use crate::program::Sys;
use crate::syscall::{Sysno, Value};
use crate::task::signal::{Disposition, SigSet, Signal};
use crate::vfs::fd_table::Fd;

#[allow(clippy::missing_errors_doc)] // each has the errors of its call
#[allow(missing_docs)] // each is the call of its name
impl Sys {
    // --- files ---
    pub async fn open(&self, path: &str, flags: u32, mode: u32) -> Result<Fd, Errno> {
        self.openat(AT_FDCWD, path, flags, mode).await
    }

    pub async fn openat(&self, dir: Fd, path: &str, flags: u32, mode: u32) -> Result<Fd, Errno> {
        let args = vec![dir.into(), path.into(), flags.into(), mode.into()];
        Ok(self.call_int(Sysno::OPENAT, args).await? as Fd)
    }

    pub async fn close(&self, fd: Fd) -> Result<(), Errno> {
        self.call(Sysno::CLOSE, vec![fd.into()]).await.map(drop)
    }

    /// Output at position 1.
    pub async fn read(&self, fd: Fd, count: usize) -> Result<Vec<u8>, Errno> {
        let ret = self.call(Sysno::READ, vec![fd.into(), Value::Null, count.into()]).await?;
        Ok(ret.output(1).as_bytes().unwrap_or_default().to_vec())
    }

    /// Reads to the end.
    pub async fn read_to_end(&self, fd: Fd) -> Result<Vec<u8>, Errno> {
        let mut all = Vec::new();
        loop {
            let part = self.read(fd, 65_536).await?;
            if part.is_empty() {
                return Ok(all);
            }
            all.extend_from_slice(&part);
        }
    }

    /// Opens, reads to the end, closes. Bytes that are not UTF-8 are replaced.
    pub async fn read_file(&self, path: &str) -> Result<String, Errno> {
        let fd = self.open(path, o::RDONLY | o::CLOEXEC, 0).await?;
        let bytes = self.read_to_end(fd).await;
        self.close(fd).await?;
        Ok(String::from_utf8_lossy(&bytes?).into_owned())
    }

    pub async fn write(&self, fd: Fd, bytes: &[u8]) -> Result<usize, Errno> {
        let args = vec![fd.into(), Value::bytes(bytes), bytes.len().into()];
        Ok(self.call_int(Sysno::WRITE, args).await? as usize)
    }

    pub async fn lseek(&self, fd: Fd, offset: i64, whence: i64) -> Result<u64, Errno> {
        Ok(self.call_int(Sysno::LSEEK, vec![fd.into(), offset.into(), whence.into()]).await? as u64)
    }

    pub async fn dup2(&self, old: Fd, new: Fd) -> Result<Fd, Errno> {
        Ok(self.call_int(Sysno::DUP2, vec![old.into(), new.into()]).await? as Fd)
    }

    pub async fn dup(&self, old: Fd) -> Result<Fd, Errno> {
        Ok(self.call_int(Sysno::DUP, vec![old.into()]).await? as Fd)
    }

    pub async fn fcntl(&self, fd: Fd, cmd: i64, arg: i64) -> Result<i64, Errno> {
        self.call_int(Sysno::FCNTL, vec![fd.into(), cmd.into(), arg.into()]).await
    }

    /// Output at position 0: a list of two numbers.
    pub async fn pipe(&self, flags: u32) -> Result<(Fd, Fd), Errno> {
        let ret = self.call(Sysno::PIPE2, vec![Value::Null, flags.into()]).await?;
        let end = |i: usize| ret.output(0).as_list().and_then(|l| l.get(i)).and_then(Value::as_int).unwrap_or(-1);
        Ok((end(0) as Fd, end(1) as Fd))
    }

    /// Follows a symbolic link at the end.
    pub async fn stat(&self, path: &str) -> Result<Stat, Errno> {
        self.fstatat(AT_FDCWD, path, 0).await
    }

    pub async fn lstat(&self, path: &str) -> Result<Stat, Errno> {
        self.fstatat(AT_FDCWD, path, AT_SYMLINK_NOFOLLOW).await
    }

    pub async fn fstat(&self, fd: Fd) -> Result<Stat, Errno> {
        self.fstatat(fd, "", AT_EMPTY_PATH).await
    }

    /// Output at position 2.
    pub async fn fstatat(&self, dir: Fd, path: &str, flags: i64) -> Result<Stat, Errno> {
        let ret = self.call(Sysno::NEWFSTATAT, vec![dir.into(), path.into(), Value::Null, flags.into()]).await?;
        Ok(Stat::from_value(ret.output(2)))
    }

    /// All entries of an open directory, `.` and `..` included. Output of each call at position 1.
    pub async fn getdents(&self, fd: Fd) -> Result<Vec<DirEntry>, Errno> {
        let mut all = Vec::new();
        loop {
            let ret = match self.call(Sysno::GETDENTS64, vec![fd.into(), Value::Null, 32_768.into()]).await {
                Ok(ret) => ret,
                // glibc takes a directory that has been removed for an empty one.
                Err(Errno::ENOENT) => return Ok(all),
                Err(e) => return Err(e),
            };
            if ret.value == 0 {
                return Ok(all);
            }
            for entry in ret.output(1).as_list().unwrap_or_default() {
                let int = |name| entry.field(name).and_then(Value::as_int).unwrap_or(0);
                let d_name = entry.field("d_name").and_then(Value::as_str).unwrap_or_default().to_owned();
                all.push(DirEntry { d_ino: int("d_ino") as u64, d_type: int("d_type") as u8, d_name });
            }
        }
    }

    /// The names in a directory, in the order of the file system, without `.` and `..`.
    pub async fn read_dir(&self, path: &str) -> Result<Vec<DirEntry>, Errno> {
        let fd = self.open(path, o::RDONLY | o::DIRECTORY | o::CLOEXEC, 0).await?;
        let entries = self.getdents(fd).await;
        self.close(fd).await?;
        Ok(entries?.into_iter().filter(|e| e.d_name != "." && e.d_name != "..").collect())
    }

    /// Output at position 1.
    pub async fn readlink(&self, path: &str) -> Result<String, Errno> {
        let ret = self.call(Sysno::READLINK, vec![path.into(), Value::Null, 4096.into()]).await?;
        Ok(ret.output(1).as_str().unwrap_or_default().to_owned())
    }

    pub async fn access(&self, path: &str, mode: i64) -> Result<(), Errno> {
        self.call(Sysno::ACCESS, vec![path.into(), mode.into()]).await.map(drop)
    }

    /// access(2) with the effective ids, as euidaccess(3): 4 read, 2 write, 1 execute, 0 existence.
    pub async fn euidaccess(&self, path: &str, mode: i64) -> Result<(), Errno> {
        let args = vec![AT_FDCWD.into(), path.into(), mode.into(), AT_EACCESS.into()];
        match self.call(Sysno::FACCESSAT2, args).await {
            Err(Errno::ENOSYS) => self.access(path, mode).await,
            other => other.map(drop),
        }
    }

    /// isatty(3)
    pub async fn isatty(&self, fd: Fd) -> bool {
        self.call(Sysno::IOCTL, vec![fd.into(), TCGETS.into(), Value::Null]).await.is_ok()
    }

    /// Sets the size of a file.
    pub async fn ftruncate(&self, fd: Fd, length: u64) -> Result<(), Errno> {
        self.call(Sysno::FTRUNCATE, vec![fd.into(), length.into()]).await.map(drop)
    }

    /// utimensat(2) with the two times as `{tv_sec, tv_nsec}`; without times, both become now.
    /// Without a path the descriptor itself is meant, as futimens(3).
    pub async fn utimensat(
        &self,
        dir: Fd,
        path: Option<&str>,
        times: Option<[Timestamp; 2]>,
        flags: i64,
    ) -> Result<(), Errno> {
        let times = times.map_or(Value::Null, |t| Value::List(t.iter().map(Timestamp::to_value).collect()));
        let path = path.map_or(Value::Null, Value::from);
        self.call(Sysno::UTIMENSAT, vec![dir.into(), path, times, flags.into()]).await.map(drop)
    }

    /// statfs(2). Output at position 1.
    pub async fn statfs(&self, path: &str) -> Result<StatFs, Errno> {
        let ret = self.call(Sysno::STATFS, vec![path.into(), Value::Null]).await?;
        Ok(StatFs::from_value(ret.output(1)))
    }

    /// The supplementary groups. Output at position 1: a list.
    pub async fn getgroups(&self) -> Result<Vec<u32>, Errno> {
        let ret = self.call(Sysno::GETGROUPS, vec![65_536.into(), Value::Null]).await?;
        let list = ret.output(1).as_list().unwrap_or_default();
        Ok(list.iter().filter_map(Value::as_int).map(|g| g as u32).collect())
    }

    pub async fn mkdir(&self, path: &str, mode: u32) -> Result<(), Errno> {
        self.call(Sysno::MKDIR, vec![path.into(), mode.into()]).await.map(drop)
    }

    pub async fn rmdir(&self, path: &str) -> Result<(), Errno> {
        self.call(Sysno::RMDIR, vec![path.into()]).await.map(drop)
    }

    pub async fn unlink(&self, path: &str) -> Result<(), Errno> {
        self.call(Sysno::UNLINK, vec![path.into()]).await.map(drop)
    }

    pub async fn rename(&self, from: &str, to: &str) -> Result<(), Errno> {
        self.call(Sysno::RENAME, vec![from.into(), to.into()]).await.map(drop)
    }

    pub async fn link(&self, from: &str, to: &str) -> Result<(), Errno> {
        self.call(Sysno::LINK, vec![from.into(), to.into()]).await.map(drop)
    }

    pub async fn symlink(&self, target: &str, path: &str) -> Result<(), Errno> {
        self.call(Sysno::SYMLINK, vec![target.into(), path.into()]).await.map(drop)
    }

    pub async fn mknod(&self, path: &str, mode: u32, dev: u64) -> Result<(), Errno> {
        self.call(Sysno::MKNOD, vec![path.into(), mode.into(), dev.into()]).await.map(drop)
    }

    pub async fn chmod(&self, path: &str, mode: u32) -> Result<(), Errno> {
        self.call(Sysno::CHMOD, vec![path.into(), mode.into()]).await.map(drop)
    }

    /// Ids of -1 (`u32::MAX`) leave what is there.
    pub async fn fchownat(&self, dir: Fd, path: &str, uid: u32, gid: u32, flags: i64) -> Result<(), Errno> {
        let args = vec![dir.into(), path.into(), uid.into(), gid.into(), flags.into()];
        self.call(Sysno::FCHOWNAT, args).await.map(drop)
    }

    pub async fn umask(&self, mask: u32) -> Result<u32, Errno> {
        Ok(self.call_int(Sysno::UMASK, vec![mask.into()]).await? as u32)
    }

    pub async fn chdir(&self, path: &str) -> Result<(), Errno> {
        self.call(Sysno::CHDIR, vec![path.into()]).await.map(drop)
    }

    pub async fn chroot(&self, path: &str) -> Result<(), Errno> {
        self.call(Sysno::CHROOT, vec![path.into()]).await.map(drop)
    }

    /// Output at position 0.
    pub async fn getcwd(&self) -> Result<String, Errno> {
        let ret = self.call(Sysno::GETCWD, vec![Value::Null, 4096.into()]).await?;
        let path = ret.output(0).as_str().unwrap_or_default().to_owned();
        // What the kernel cannot reach from the root is looked for on foot (`generic_getcwd`).
        if path.starts_with('/') { Ok(path) } else { self.walk_up().await }
    }

    /// The path of the working directory, found by going up to a directory that is the same as the root.
    async fn walk_up(&self) -> Result<String, Errno> {
        let root = self.stat("/").await?;
        let (mut path, mut dots) = (String::new(), ".".to_owned());
        let mut here = self.stat(&dots).await?;
        while (here.st_dev, here.st_ino) != (root.st_dev, root.st_ino) {
            let above = format!("{dots}/..");
            let names = self.read_dir(&above).await?;
            let mut found = None;
            for entry in names.iter().filter(|e| e.d_name != "." && e.d_name != "..") {
                let there = self.lstat(&format!("{above}/{}", entry.d_name)).await;
                if there.is_ok_and(|s| (s.st_dev, s.st_ino) == (here.st_dev, here.st_ino)) {
                    found = Some(&entry.d_name);
                    break;
                }
            }
            path.insert_str(0, &format!("/{}", found.ok_or(Errno::ENOENT)?));
            here = self.stat(&above).await?;
            dots = above;
        }
        Ok(if path.is_empty() { "/".to_owned() } else { path })
    }

    pub async fn mount(
        &self,
        source: &str,
        target: &str,
        fstype: Option<&str>,
        flags: u64,
        data: Option<&str>,
    ) -> Result<(), Errno> {
        let opt = |s: Option<&str>| s.map_or(Value::Null, Value::from);
        let args = vec![source.into(), target.into(), opt(fstype), flags.into(), opt(data)];
        self.call(Sysno::MOUNT, args).await.map(drop)
    }

    pub async fn umount2(&self, target: &str, flags: i64) -> Result<(), Errno> {
        self.call(Sysno::UMOUNT2, vec![target.into(), flags.into()]).await.map(drop)
    }

    pub async fn pivot_root(&self, new_root: &str, put_old: &str) -> Result<(), Errno> {
        self.call(Sysno::PIVOT_ROOT, vec![new_root.into(), put_old.into()]).await.map(drop)
    }

    // --- processes ---
    /// 0 in the child.
    pub async fn fork(&self) -> Result<i32, Errno> {
        let chld = i64::from(Signal::CHLD.0);
        Ok(self.call_int(Sysno::CLONE, vec![chld.into()]).await? as i32)
    }

    /// clone(2) with these flags and SIGCHLD; 0 in the child.
    pub async fn clone_process(&self, flags: u64) -> Result<i32, Errno> {
        let flags = flags | u64::from(Signal::CHLD.0);
        Ok(self.call_int(Sysno::CLONE, vec![flags.into()]).await? as i32)
    }

    /// Returns only when it fails. The path is not searched for.
    pub async fn execve(&self, path: &str, argv: &[String], envp: &[String]) -> Errno {
        self.flush().await;
        let args = vec![path.into(), Value::strings(argv), Value::strings(envp)];
        match self.call(Sysno::EXECVE, args).await {
            Err(e) => e,
            Ok(_) => Errno::ENOEXEC,
        }
    }

    /// Like execvp(3): searches `PATH` when the name has no slash.
    pub async fn execvp(&self, name: &str, argv: &[String]) -> Errno {
        let envp = self.envp().to_vec();
        if name.contains('/') {
            return self.execve(name, argv, &envp).await;
        }
        let mut last = Errno::ENOENT;
        let path = self.env("PATH").unwrap_or("/bin:/usr/bin").to_owned();
        for dir in path.split(':') {
            let file = if dir.is_empty() { format!("./{name}") } else { format!("{dir}/{name}") };
            match self.execve(&file, argv, &envp).await {
                Errno::ENOENT | Errno::ENOTDIR => {}
                Errno::EACCES => last = Errno::EACCES,
                e => return e,
            }
        }
        last
    }

    /// Ends the process at once, without flushing.
    pub async fn exit(&self, status: i32) {
        self.discard_stdout();
        // It does not return.
        let _ = self.call(Sysno::EXIT_GROUP, vec![status.into()]).await;
    }

    /// The pid (0: none with WNOHANG) and the status. Output at position 1.
    pub async fn wait4(&self, pid: i32, options: i64) -> Result<(i32, WaitStatus), Errno> {
        let ret = self.call(Sysno::WAIT4, vec![pid.into(), Value::Null, options.into(), Value::Null]).await?;
        Ok((ret.value as i32, WaitStatus(ret.output(1).as_int().unwrap_or(0) as i32)))
    }

    pub async fn kill(&self, pid: i32, signal: i64) -> Result<(), Errno> {
        self.call(Sysno::KILL, vec![pid.into(), signal.into()]).await.map(drop)
    }

    /// rt_sigaction(2): position 1 holds `{sa_handler, sa_flags}` with `SIG_DFL`, `SIG_IGN` or `handler`.
    /// Returns the old disposition (output at position 2).
    pub async fn sigaction(&self, signal: Signal, new: Disposition) -> Result<Disposition, Errno> {
        let args = vec![i64::from(signal.0).into(), new.to_value(), Value::Null, 8.into()];
        Ok(Disposition::from_value(self.call(Sysno::RT_SIGACTION, args).await?.output(2)))
    }

    /// rt_sigprocmask(2): `how` is SIG_BLOCK 0, SIG_UNBLOCK 1 or SIG_SETMASK 2. Output at position 2: the old mask.
    pub async fn sigprocmask(&self, how: i64, set: SigSet) -> Result<SigSet, Errno> {
        let args = vec![how.into(), set.0.into(), Value::Null, 8.into()];
        Ok(SigSet(self.call(Sysno::RT_SIGPROCMASK, args).await?.output(2).as_int().unwrap_or(0) as u64))
    }

    /// Waits for a signal.
    pub async fn pause(&self) -> Errno {
        self.call(Sysno::PAUSE, vec![]).await.err().unwrap_or(Errno::EINTR)
    }

    pub async fn getpid(&self) -> i32 {
        self.number(Sysno::GETPID).await as i32
    }

    pub async fn getppid(&self) -> i32 {
        self.number(Sysno::GETPPID).await as i32
    }

    pub async fn getuid(&self) -> u32 {
        self.number(Sysno::GETUID).await as u32
    }

    pub async fn geteuid(&self) -> u32 {
        self.number(Sysno::GETEUID).await as u32
    }

    pub async fn getgid(&self) -> u32 {
        self.number(Sysno::GETGID).await as u32
    }

    pub async fn getegid(&self) -> u32 {
        self.number(Sysno::GETEGID).await as u32
    }

    /// A call without arguments that cannot fail.
    async fn number(&self, nr: Sysno) -> i64 {
        self.call_int(nr, vec![]).await.unwrap_or(0)
    }

    pub async fn setsid(&self) -> Result<i32, Errno> {
        Ok(self.call_int(Sysno::SETSID, vec![]).await? as i32)
    }

    /// Sleeps for this many virtual nanoseconds.
    pub async fn nanosleep(&self, nanoseconds: u64) -> Result<(), Errno> {
        let span = Value::record([
            ("tv_sec", (nanoseconds / 1_000_000_000).into()),
            ("tv_nsec", (nanoseconds % 1_000_000_000).into()),
        ]);
        self.call(Sysno::CLOCK_NANOSLEEP, vec![0.into(), 0.into(), span, Value::Null]).await.map(drop)
    }

    /// Nanoseconds of a clock (0 realtime, 1 monotonic, 7 boottime). Output at position 1.
    pub async fn clock_gettime(&self, clock: i64) -> Result<u64, Errno> {
        let ret = self.call(Sysno::CLOCK_GETTIME, vec![clock.into(), Value::Null]).await?;
        let int = |name| ret.output(1).field(name).and_then(Value::as_int).unwrap_or(0) as u64;
        Ok(int("tv_sec") * 1_000_000_000 + int("tv_nsec"))
    }

    // --- namespaces and names ---
    pub async fn unshare(&self, flags: u64) -> Result<(), Errno> {
        self.call(Sysno::UNSHARE, vec![flags.into()]).await.map(drop)
    }

    pub async fn setns(&self, fd: Fd, nstype: u64) -> Result<(), Errno> {
        self.call(Sysno::SETNS, vec![fd.into(), nstype.into()]).await.map(drop)
    }

    pub async fn sethostname(&self, name: &str) -> Result<(), Errno> {
        self.call(Sysno::SETHOSTNAME, vec![name.into(), name.len().into()]).await.map(drop)
    }

    /// A field of uname(2): `sysname`, `nodename`, `release`, `version`, `machine`, `domainname`. Output at position 0.
    pub async fn uname(&self, field: &str) -> Result<String, Errno> {
        let ret = self.call(Sysno::UNAME, vec![Value::Null]).await?;
        Ok(ret.output(0).field(field).and_then(Value::as_str).unwrap_or_default().to_owned())
    }

    pub async fn prctl(&self, option: i64, args: [i64; 4]) -> Result<i64, Errno> {
        let [a, b, c, d] = args;
        self.call_int(Sysno::PRCTL, vec![option.into(), a.into(), b.into(), c.into(), d.into()]).await
    }
}
