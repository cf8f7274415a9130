//! What the calls of this folder do to a freshly booted world, as root and as somebody else.

use std::sync::Arc;

use crate::errno::Errno;
use crate::kernel::Trace;
use crate::program::libc::{AT_FDCWD, Stat, o};
use crate::pv_ops::NoMachine;
use crate::security::capability::CapSet;
use crate::security::credentials::{Kgid, Kuid};
use crate::step::Running;
use crate::syscall::{Call, CallResult, Sysno, Value};
use crate::task::TaskId;
use crate::world::{Config, World};

/// A world with the shell as the caller.
struct Lab {
    running: Running<NoMachine>,
    shell: TaskId,
}

impl Lab {
    fn new() -> Lab {
        Lab { running: Running::new(World::boot(Config::default()), NoMachine), shell: TaskId(2) }
    }

    fn call(&mut self, nr: Sysno, args: Vec<Value>) -> CallResult {
        let result = self.running.call_as(self.shell, Call { nr, args }, &mut Trace::new());
        assert_eq!(self.running.world.check(), Ok(()));
        result.expect("the call neither sleeps nor ends the task")
    }

    fn open(&mut self, path: &str, flags: u32) -> Result<i64, Errno> {
        let args = vec![AT_FDCWD.into(), path.into(), flags.into(), 0o644.into()];
        self.call(Sysno::OPENAT, args).map(|r| r.value)
    }

    fn write(&mut self, path: &str, text: &str) -> Result<i64, Errno> {
        let fd = self.open(path, o::WRONLY | o::CREAT | o::TRUNC)?;
        let n = self.call(Sysno::WRITE, vec![fd.into(), Value::bytes(text.as_bytes()), text.len().into()]);
        self.call(Sysno::CLOSE, vec![fd.into()])?;
        n.map(|r| r.value)
    }

    fn read(&mut self, path: &str) -> Result<String, Errno> {
        let fd = self.open(path, o::RDONLY)?;
        let bytes = self.call(Sysno::READ, vec![fd.into(), Value::Null, 65_536.into()]);
        self.call(Sysno::CLOSE, vec![fd.into()])?;
        Ok(String::from_utf8_lossy(bytes?.output(1).as_bytes().unwrap_or_default()).into_owned())
    }

    fn stat(&mut self, path: &str) -> Result<Stat, Errno> {
        Ok(Stat::from_value(self.call(Sysno::STAT, vec![path.into()])?.output(1)))
    }

    fn names(&mut self, path: &str) -> Vec<String> {
        let fd = self.open(path, o::RDONLY | o::DIRECTORY).expect("a directory");
        let ret = self.call(Sysno::GETDENTS64, vec![fd.into(), Value::Null, 65_536.into()]).expect("names");
        let name = |e: &Value| e.field("d_name").and_then(Value::as_str).unwrap_or_default().to_owned();
        self.call(Sysno::CLOSE, vec![fd.into()]).expect("open");
        ret.output(1).as_list().unwrap_or_default().iter().map(name).collect()
    }

    fn become_student(&mut self) {
        let task = &mut self.running.world.tasks[self.shell];
        let cred = Arc::make_mut(&mut task.cred);
        (cred.uid, cred.euid, cred.suid, cred.fsuid) = (Kuid(1000), Kuid(1000), Kuid(1000), Kuid(1000));
        (cred.gid, cred.egid, cred.sgid, cred.fsgid) = (Kgid(1000), Kgid(1000), Kgid(1000), Kgid(1000));
        (cred.permitted, cred.effective) = (CapSet::EMPTY, CapSet::EMPTY);
    }
}

#[test]
fn what_was_written_is_read_back() {
    let mut lab = Lab::new();
    assert_eq!(lab.write("/tmp/f", "hello\n"), Ok(6));
    assert_eq!(lab.read("/tmp/f").as_deref(), Ok("hello\n"));
    let stat = lab.stat("/tmp/f").expect("a file");
    assert_eq!((stat.st_mode, stat.st_size, stat.st_blocks), (0o100_644, 6, 8));
    assert_eq!(lab.read("/tmp/g"), Err(Errno::ENOENT));
    assert_eq!(lab.open("/tmp", o::WRONLY), Err(Errno::EISDIR));
    assert_eq!(lab.open("/tmp/f", o::WRONLY | o::CREAT | o::EXCL), Err(Errno::EEXIST));
    assert_eq!(lab.open("/etc/passwd/x", o::RDONLY), Err(Errno::ENOTDIR));
}

#[test]
fn names_are_made_moved_and_removed() {
    let mut lab = Lab::new();
    lab.call(Sysno::MKDIR, vec!["/tmp/d".into(), 0o777.into()]).expect("made");
    lab.write("/tmp/d/f", "x").expect("written");
    assert_eq!(lab.stat("/tmp/d").expect("there").st_mode, 0o040_755);
    assert_eq!(lab.call(Sysno::RMDIR, vec!["/tmp/d".into()]), Err(Errno::ENOTEMPTY));
    lab.call(Sysno::LINK, vec!["/tmp/d/f".into(), "/tmp/g".into()]).expect("linked");
    assert_eq!(lab.stat("/tmp/g").expect("there").st_nlink, 2);
    lab.call(Sysno::RENAME, vec!["/tmp/g".into(), "/tmp/d/h".into()]).expect("moved");
    assert_eq!(lab.names("/tmp/d"), [".", "..", "h", "f"].map(str::to_owned));
    lab.call(Sysno::UNLINK, vec!["/tmp/d/f".into()]).expect("removed");
    lab.call(Sysno::UNLINK, vec!["/tmp/d/h".into()]).expect("removed");
    lab.call(Sysno::RMDIR, vec!["/tmp/d".into()]).expect("removed");
    assert_eq!(lab.stat("/tmp/d"), Err(Errno::ENOENT));
    assert_eq!(lab.call(Sysno::RENAME, vec!["/tmp".into(), "/tmp/x".into()]), Err(Errno::EINVAL));
    assert_eq!(lab.call(Sysno::RENAME, vec!["/etc/group".into(), "/run/x".into()]), Err(Errno::EXDEV));
}

#[test]
fn a_removed_file_stays_as_long_as_it_is_open() {
    let mut lab = Lab::new();
    lab.write("/tmp/f", "still here").expect("written");
    let inodes = lab.running.world.vfs.inodes.len();
    let fd = lab.open("/tmp/f", o::RDONLY).expect("open");
    lab.call(Sysno::UNLINK, vec!["/tmp/f".into()]).expect("removed");
    let read = lab.call(Sysno::READ, vec![fd.into(), Value::Null, 100.into()]).expect("read");
    assert_eq!(read.output(1).as_bytes(), Some(&b"still here"[..]));
    lab.call(Sysno::CLOSE, vec![fd.into()]).expect("closed");
    assert_eq!(lab.running.world.vfs.inodes.len(), inodes - 1);
}

#[test]
fn others_are_kept_out() {
    let mut lab = Lab::new();
    lab.write("/tmp/f", "mine").expect("written");
    lab.become_student();
    assert_eq!(lab.open("/tmp/f", o::WRONLY), Err(Errno::EACCES));
    assert_eq!(lab.open("/etc/x", o::WRONLY | o::CREAT), Err(Errno::EACCES));
    assert_eq!(lab.call(Sysno::UNLINK, vec!["/tmp/f".into()]), Err(Errno::EPERM));
    assert_eq!(lab.call(Sysno::CHMOD, vec!["/tmp/f".into(), 0o777.into()]), Err(Errno::EPERM));
    assert_eq!(lab.call(Sysno::CHOWN, vec!["/tmp/f".into(), 1000.into(), 1000.into()]), Err(Errno::EPERM));
    assert_eq!(lab.open("/proc/sys/kernel/hostname", o::WRONLY), Err(Errno::EACCES));
    assert_eq!(lab.write("/proc/sys/kernel/ns_last_pid", "5\n"), Err(Errno::EPERM));
    assert_eq!(lab.call(Sysno::READLINK, vec!["/proc/1/ns/uts".into(), Value::Null, 100.into()]), Err(Errno::EACCES));
}

#[test]
fn pipes_carry_bytes_and_break() {
    let mut lab = Lab::new();
    let ret = lab.call(Sysno::PIPE2, vec![Value::Null, o::NONBLOCK.into()]).expect("a pipe");
    let ends: Vec<i64> = ret.output(0).as_list().unwrap_or_default().iter().filter_map(Value::as_int).collect();
    let (read, write) = (ends[0], ends[1]);
    let get = |lab: &mut Lab| lab.call(Sysno::READ, vec![read.into(), Value::Null, 10.into()]);
    assert_eq!(get(&mut lab), Err(Errno::EAGAIN));
    lab.call(Sysno::WRITE, vec![write.into(), Value::bytes(&b"ab"[..]), 2.into()]).expect("written");
    assert_eq!(get(&mut lab).map(|r| r.value), Ok(2));
    lab.call(Sysno::CLOSE, vec![write.into()]).expect("closed");
    assert_eq!(get(&mut lab).map(|r| r.value), Ok(0));
}

#[test]
fn procfs_shows_the_caller() {
    let mut lab = Lab::new();
    let link = lab.call(Sysno::READLINK, vec!["/proc/self".into(), Value::Null, 100.into()]).expect("a link");
    assert_eq!(link.output(1).as_str(), Some("30000"));
    let status = lab.read("/proc/self/status").expect("status");
    for line in ["Name:\tsh\n", "Pid:\t30000\n", "PPid:\t1\n", "NSpid:\t30000\n", "CapEff:\t000001ffffffffff\n"] {
        assert!(status.contains(line), "{line:?} is not in {status}");
    }
    assert!(lab.read("/proc/self/stat").expect("stat").starts_with("30000 (sh) R 1 30000 30000 0 -1 "));
    assert_eq!(lab.read("/proc/1/comm").as_deref(), Ok("init\n"));
    assert_eq!(lab.read("/proc/sys/kernel/hostname").as_deref(), Ok("lab\n"));
    assert_eq!(lab.read("/proc/self/uid_map").as_deref(), Ok("         0          0 4294967295\n"));
    assert_eq!(lab.read("/proc/99999/comm"), Err(Errno::ENOENT));
    let names = lab.names("/proc");
    assert!(
        names.contains(&"1".to_owned()) && names.contains(&"30000".to_owned()) && names.contains(&"sys".to_owned())
    );
    let mut ns = lab.names("/proc/self/ns");
    ns.sort();
    assert_eq!(ns.len(), 12);
    let fd = lab.call(Sysno::READLINK, vec!["/proc/self/fd/1".into(), Value::Null, 100.into()]).expect("a link");
    assert!(fd.output(1).as_str().is_some_and(|s| s.starts_with("pipe:[")));
    assert_eq!(lab.write("/dev/stdout", "hi\n"), Ok(3));
}

#[test]
fn settings_are_checked_when_they_are_written() {
    let mut lab = Lab::new();
    assert_eq!(lab.write("/proc/sys/kernel/hostname", "box\n"), Ok(4));
    assert_eq!(lab.read("/proc/sys/kernel/hostname").as_deref(), Ok("box\n"));
    assert_eq!(lab.write("/proc/sys/kernel/pid_max", "100\n"), Err(Errno::EINVAL));
    assert_eq!(lab.write("/proc/sys/kernel/msgmni", "-5\n"), Err(Errno::EINVAL));
    assert_eq!(lab.write("/proc/sys/kernel/msgmni", "100\n"), Ok(4));
    assert_eq!(lab.read("/proc/sys/kernel/msgmni").as_deref(), Ok("100\n"));
    assert_eq!(lab.open("/proc/sys/kernel/ostype", o::WRONLY), Err(Errno::EACCES));
    assert_eq!(lab.write("/proc/self/timens_offsets", "boottime 1 0\n"), Err(Errno::EACCES));
    assert_eq!(lab.open("/proc/x", o::WRONLY | o::CREAT), Err(Errno::ENOENT));
}

#[test]
fn devices_behave_as_their_manual_says() {
    let mut lab = Lab::new();
    assert_eq!(lab.write("/dev/null", "gone"), Ok(4));
    assert_eq!(lab.write("/dev/full", "no"), Err(Errno::ENOSPC));
    assert_eq!(lab.read("/dev/null").as_deref(), Ok(""));
    assert_eq!(lab.open("/dev/tty", o::RDWR), Err(Errno::ENXIO));
}

#[test]
fn a_full_tmpfs_takes_what_fits() {
    let mut lab = Lab::new();
    let fd = lab.open("/dev/shm/f", o::WRONLY | o::CREAT).expect("made");
    let megabyte = vec![b'x'; 1 << 20];
    let put = |lab: &mut Lab| lab.call(Sysno::WRITE, vec![fd.into(), Value::bytes(&megabyte[..]), (1 << 20).into()]);
    for _ in 0..64 {
        assert_eq!(put(&mut lab).map(|r| r.value), Ok(1 << 20));
    }
    assert_eq!(put(&mut lab), Err(Errno::ENOSPC));
    lab.call(Sysno::UNLINK, vec!["/dev/shm/f".into()]).expect("removed");
    lab.call(Sysno::CLOSE, vec![fd.into()]).expect("closed");
    assert_eq!(lab.write("/dev/shm/g", "room again"), Ok(10));
}

#[test]
fn execve_says_why_not() {
    let mut lab = Lab::new();
    lab.write("/tmp/text", "just text").expect("written");
    let mut exec =
        |path: &str| lab.call(Sysno::EXECVE, vec![path.into(), Value::strings(["x"]), Value::strings::<&str>([])]);
    assert_eq!(exec("/nowhere"), Err(Errno::ENOENT));
    assert_eq!(exec("/tmp"), Err(Errno::EACCES));
    assert_eq!(exec("/tmp/text"), Err(Errno::EACCES));
    lab.call(Sysno::CHMOD, vec!["/tmp/text".into(), 0o755.into()]).expect("changed");
    let mut exec =
        |path: &str| lab.call(Sysno::EXECVE, vec![path.into(), Value::strings(["x"]), Value::strings::<&str>([])]);
    assert_eq!(exec("/tmp/text"), Err(Errno::ENOEXEC));
}

#[test]
fn poll_tells_of_what_is_counted_in_a_group_since_it_was_read() {
    const POLLPRI_ERR: i64 = 0xa;
    let mut lab = Lab::new();
    let group = "/sys/fs/cgroup/unified/a";
    lab.call(Sysno::MKDIR, vec![group.into(), 0o755.into()]).expect("a group");
    let fd = lab.open(&format!("{group}/cgroup.events"), o::RDONLY).expect("open");
    let poll = |lab: &mut Lab| {
        let entry = Value::record([("fd", fd.into()), ("events", 2.into())]);
        let ret = lab.call(Sysno::POLL, vec![Value::List(vec![entry]), 1.into(), 0.into()]).expect("poll");
        ret.output(0).as_list().and_then(|l| l[0].field("revents")?.as_int()).unwrap_or(-1)
    };
    let read = |lab: &mut Lab| lab.call(Sysno::PREAD64, vec![fd.into(), Value::Null, 100.into(), 0.into()]);
    assert_eq!(poll(&mut lab), POLLPRI_ERR);
    read(&mut lab).expect("read");
    assert_eq!(poll(&mut lab), 0);
    lab.write(&format!("{group}/cgroup.procs"), "0").expect("moved");
    assert_eq!(poll(&mut lab), POLLPRI_ERR);
    read(&mut lab).expect("read");
    assert_eq!(poll(&mut lab), 0);
}
