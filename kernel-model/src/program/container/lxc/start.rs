//! `lxc-start`: the monitor, and the first process of the container, which builds its own walls.

use super::{Config, PATH, cgroup, complain};
use crate::errno::Errno;
use crate::namespace::{CLONE_NEWCGROUP, CLONE_NEWIPC, CLONE_NEWNET, CLONE_NEWNS, CLONE_NEWPID, CLONE_NEWUTS};
use crate::program::Sys;
use crate::program::getopt::{Long, Spec, Takes};
use crate::program::libc::{AT_FDCWD, makedev, o, s};
use crate::syscall::identity::prctl::pr;
use crate::syscall::{Sysno, Value};
use crate::task::signal::Signal;

crate::program!(
    LXC_START = "lxc-start" in "/usr/bin",
    "start a container",
    main,
    "-n, --name NAME  which container
-d, --daemon      in the background (usual)
-F, --foreground  in the foreground
-f, --rcfile FILE  use this configuration
-s, --define KEY=VAL  set a configuration variable
COMMAND           run this instead of init"
);

const SPEC: Spec = Spec {
    short: "+n:dFf:s:",
    long: &[
        Long("name", Takes::Value, 'n'),
        Long("daemon", Takes::Nothing, 'd'),
        Long("foreground", Takes::Nothing, 'F'),
        Long("rcfile", Takes::Value, 'f'),
        Long("define", Takes::Value, 's'),
    ],
    unmodelled: "-c --console -L --console-log -C --close-all-fds -p --pidfile -P --lxcpath -o -l --share-net --share-ipc --share-uts --share-pid",
    version: "5.0.2",
    failure: 1,
};

/// Where the container's root is put together.
const ROOTFS: &str = "/usr/lib/x86_64-linux-gnu/lxc/rootfs";

const MS_RDONLY: u64 = 1;
const MS_NOSUID: u64 = 2;
const MS_NODEV: u64 = 4;
const MS_NOEXEC: u64 = 8;
const MS_REMOUNT: u64 = 32;
const MS_BIND: u64 = 4096;
const MS_MOVE: u64 = 8192;
const MS_REC: u64 = 16384;
const MS_SLAVE: u64 = 1 << 19;
const MS_SHARED: u64 = 1 << 20;
const MNT_DETACH: i64 = 2;
const AT_EMPTY_PATH: i64 = 0x1000;

async fn main(sys: Sys) -> Result<i32, i32> {
    let options = sys.getopt(&SPEC).await?;
    let mut operands = options.operands.clone();
    let name = match options.value('n') {
        Some(name) => name.to_owned(),
        None if !operands.is_empty() => operands.remove(0),
        None => {
            sys.eprint("lxc-start: No container name specified\n").await;
            return Err(1);
        }
    };
    let path = options.value('f').map_or_else(|| format!("{PATH}/{name}/config"), str::to_owned);
    let Ok(text) = sys.read_file(&path).await else {
        complain(&sys, &name, "tools/lxc_start.c: main: 266", "No container config specified").await;
        return Err(1);
    };
    let mut config = Config::parse(&text);
    for define in options.values('s').filter_map(|d| d.split_once('=')) {
        config.0.push((define.0.trim().to_owned(), define.1.trim().to_owned()));
    }
    if cgroup::init_of(&sys, &name).await.is_some() {
        complain(&sys, &name, "tools/lxc_start.c: main: 256", "Container is already running").await;
        return Ok(0);
    }
    let command = if operands.is_empty() {
        let init = config.get("lxc.init.cmd").unwrap_or("/sbin/init");
        init.split_ascii_whitespace().map(str::to_owned).collect()
    } else {
        operands
    };
    let container = Container { sys: &sys, name, config, command };
    if options.has('F') { container.monitor(None).await } else { container.daemon().await }
}

struct Container<'a> {
    sys: &'a Sys,
    name: String,
    config: Config,
    command: Vec<String>,
}

impl Container<'_> {
    /// The monitor in the background; `lxc-start` waits until the container runs.
    async fn daemon(&self) -> Result<i32, i32> {
        let sys = self.sys;
        let (read, write) = sys.pipe(o::CLOEXEC).await.map_err(|_| 1)?;
        match sys.fork().await {
            Ok(0) => {
                let _ = sys.close(read).await;
                let _ = sys.setsid().await;
                let _ = sys.chdir("/").await;
                if let Ok(null) = sys.open("/dev/null", o::RDWR, 0).await {
                    for fd in 0..3 {
                        let _ = sys.dup2(null, fd).await;
                    }
                    if null > 2 {
                        let _ = sys.close(null).await;
                    }
                }
                self.monitor(Some(write)).await
            }
            Ok(_) => {
                let _ = sys.close(write).await;
                let runs = sys.read(read, 1).await.unwrap_or_default();
                if runs.is_empty() {
                    let place = "lxccontainer.c: wait_on_daemonized_start: 878";
                    complain(sys, &self.name, place, "Received container state \"ABORTING\" instead of \"RUNNING\"")
                        .await;
                    failed_to_start(sys, &self.name, true).await;
                    return Err(1);
                }
                Ok(0)
            }
            Err(_) => Err(1),
        }
    }

    /// Makes the groups and the container's first process, waits for its end, and removes the groups.
    async fn monitor(&self, started: Option<i32>) -> Result<i32, i32> {
        let sys = self.sys;
        let monitor = format!("lxc.monitor.{}", self.name);
        let payload = format!("lxc.payload.{}", self.name);
        let own = sys.getpid().await;
        let status = self.spawn(&monitor, &payload, own, started).await;
        if let Err((what, e)) = &status {
            complain(sys, &self.name, "start.c: lxc_spawn: 1744", &format!("{e} - {what}")).await;
        }
        if cgroup::make(sys, "lxc.pivot").await.is_ok() {
            let _ = cgroup::join(sys, "lxc.pivot", own).await;
        }
        cgroup::remove(sys, &payload).await;
        cgroup::remove(sys, &monitor).await;
        status.map_err(|_| 1)
    }

    async fn spawn(
        &self,
        monitor: &str,
        payload: &str,
        own: i32,
        started: Option<i32>,
    ) -> Result<i32, (&'static str, Errno)> {
        let sys = self.sys;
        let groups = |e| ("Failed to create control groups", e);
        cgroup::make(sys, monitor).await.map_err(groups)?;
        cgroup::join(sys, monitor, own).await.map_err(groups)?;
        cgroup::make(sys, payload).await.map_err(groups)?;
        let (wait_read, wait_write) = sys.pipe(o::CLOEXEC).await.map_err(|e| ("Failed to make a pipe", e))?;
        let net = if self.config.get("lxc.net.0.type") == Some("none") { 0 } else { CLONE_NEWNET };
        let flags = CLONE_NEWNS | CLONE_NEWUTS | CLONE_NEWIPC | CLONE_NEWPID | net;
        let pid = sys.clone_process(flags).await.map_err(|e| ("Failed to clone a new set of namespaces", e))?;
        if pid == 0 {
            let _ = sys.prctl(pr::SET_PDEATHSIG, [Signal::KILL.0.into(), 0, 0, 0]).await;
            let _ = sys.close(wait_write).await;
            if sys.read(wait_read, 1).await.is_ok_and(|b| b.is_empty()) {
                sys.exit(1).await;
            }
            let (what, e) = self.init().await;
            complain(sys, &self.name, "start.c: do_start: 1272", &format!("{e} - {what}")).await;
            sys.exit(1).await;
        }
        cgroup::join(sys, payload, pid).await.map_err(groups)?;
        for (file, value) in self.config.all("lxc.cgroup.").chain(self.config.all("lxc.cgroup2.")) {
            cgroup::set(sys, payload, file, value).await.map_err(|e| ("Failed to setup cgroup limits", e))?;
        }
        let _ = sys.write(wait_write, b"1").await;
        let _ = sys.close(wait_write).await;
        let _ = sys.close(wait_read).await;
        if let Some(fd) = started {
            let _ = sys.write(fd, b"1").await;
            let _ = sys.close(fd).await;
        }
        let (_, status) = sys.wait4(pid, 0).await.map_err(|e| ("Failed to wait for the container", e))?;
        Ok(status.exited().unwrap_or_else(|| 128 + status.signaled().map_or(0, |s| i32::from(s.0))))
    }

    /// The container's first process: it only comes back from here with what failed.
    async fn init(&self) -> (&'static str, Errno) {
        let sys = self.sys;
        match self.build().await {
            Ok(()) => {}
            Err(failed) => return failed,
        }
        let Some(program) = self.command.first() else { return ("No init", Errno::ENOENT) };
        let e = sys.execve(program, &self.command, &["container=lxc".to_owned()]).await;
        ("Failed to exec the command", e)
    }

    async fn build(&self) -> Result<(), (&'static str, Errno)> {
        let sys = self.sys;
        let rootfs = self.config.get("lxc.rootfs.path").unwrap_or_default();
        let rootfs = rootfs.strip_prefix("dir:").unwrap_or(rootfs).to_owned();
        sys.unshare(CLONE_NEWCGROUP).await.map_err(|e| ("Failed to unshare cgroup namespace", e))?;
        let mounts = sys.read_file("/proc/self/mounts").await.unwrap_or_default();
        for target in mounts.lines().filter_map(|l| l.split(' ').nth(1)) {
            // Nothing that is mounted from now on is seen outside.
            let _ = self.mount(None, target, None, MS_SLAVE).await;
        }
        self.bind_root(&rootfs).await.map_err(|e| ("Failed to mount rootfs", e))?;
        let hostname = self.config.get("lxc.uts.name").unwrap_or(&self.name);
        sys.sethostname(hostname).await.map_err(|e| ("Failed to set hostname", e))?;
        self.populate_dev().await.map_err(|e| ("Failed to mount /dev", e))?;
        self.mount_auto().await.map_err(|e| ("Failed to setup first automatic mounts", e))?;
        self.pivot().await.map_err(|e| ("Failed to pivot_root()", e))?;
        let _ = sys.setsid().await;
        for cap in self.config.all("lxc.cap.drop").flat_map(|(_, caps)| caps.split_ascii_whitespace()) {
            if let Some(cap) = crate::security::capability::Cap::from_name(&format!("CAP_{}", cap.to_uppercase())) {
                let dropped = sys.prctl(pr::CAPBSET_DROP, [i64::from(cap.0), 0, 0, 0]).await;
                dropped.map_err(|e| ("Failed to drop capabilities", e))?;
            }
        }
        let none = Value::List(Vec::new());
        let _ = sys.call(Sysno::SETGROUPS, vec![0.into(), none]).await;
        Ok(())
    }

    async fn mount(&self, source: Option<&str>, target: &str, kind: Option<&str>, flags: u64) -> Result<(), Errno> {
        let opt = |s: Option<&str>| s.map_or(Value::Null, Value::from);
        let args = vec![opt(source), target.into(), opt(kind), flags.into(), Value::Null];
        self.sys.call(Sysno::MOUNT, args).await.map(drop)
    }

    /// The container's directory, with what is mounted below it, on the place where it is put together.
    async fn bind_root(&self, rootfs: &str) -> Result<(), Errno> {
        let sys = self.sys;
        let mut dir = String::new();
        for part in ROOTFS.split('/').filter(|p| !p.is_empty()) {
            dir = format!("{dir}/{part}");
            match sys.mkdir(&dir, 0o755).await {
                Ok(()) | Err(Errno::EEXIST) => {}
                Err(e) => return Err(e),
            }
        }
        const OPEN_TREE_CLONE: i64 = 1;
        const OPEN_TREE_CLOEXEC: i64 = 0o2_000_000;
        const AT_RECURSIVE: i64 = 0x8000;
        let from = sys.open(rootfs, o::PATH | o::CLOEXEC | o::DIRECTORY, 0).await?;
        let to = sys.open(ROOTFS, o::PATH | o::CLOEXEC | o::DIRECTORY, 0).await?;
        let flags = OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | AT_EMPTY_PATH | AT_RECURSIVE;
        let tree = sys.call_int(Sysno::OPEN_TREE, vec![from.into(), "".into(), flags.into()]).await? as i32;
        self.move_mount(tree, to).await?;
        for fd in [from, to, tree] {
            sys.close(fd).await?;
        }
        Ok(())
    }

    async fn move_mount(&self, tree: i32, to: i32) -> Result<(), Errno> {
        // MOVE_MOUNT_F_EMPTY_PATH | MOVE_MOUNT_T_EMPTY_PATH
        let args = vec![tree.into(), "".into(), to.into(), "".into(), 0x44.into()];
        self.sys.call(Sysno::MOVE_MOUNT, args).await.map(drop)
    }

    /// A /dev of its own with the devices that everybody may use.
    async fn populate_dev(&self) -> Result<(), Errno> {
        let sys = self.sys;
        let old = sys.umask(0o111).await?;
        self.directory("dev").await?;
        let fs = sys.call_int(Sysno::FSOPEN, vec!["tmpfs".into(), 1.into()]).await? as i32;
        for (key, value) in [("mode", "0755"), ("size", "500000")] {
            let args = vec![fs.into(), 1.into(), key.into(), value.into(), 0.into()];
            sys.call(Sysno::FSCONFIG, args).await?;
        }
        sys.call(Sysno::FSCONFIG, vec![fs.into(), 6.into(), Value::Null, Value::Null, 0.into()]).await?;
        let tree = sys.call_int(Sysno::FSMOUNT, vec![fs.into(), 1.into(), 0.into()]).await? as i32;
        let dev = sys.open(&format!("{ROOTFS}/dev"), o::PATH | o::CLOEXEC | o::DIRECTORY, 0).await?;
        self.move_mount(tree, dev).await?;
        for fd in [fs, tree, dev] {
            sys.close(fd).await?;
        }
        for (name, major, minor) in
            [("full", 1, 7), ("null", 1, 3), ("random", 1, 8), ("tty", 5, 0), ("urandom", 1, 9), ("zero", 1, 5)]
        {
            sys.mknod(&format!("{ROOTFS}/dev/{name}"), s::IFCHR | 0o777, makedev(major, minor)).await?;
        }
        sys.umask(old).await?;
        let links = [("fd", ""), ("stdin", "/0"), ("stdout", "/1"), ("stderr", "/2")];
        for (name, fd) in links {
            sys.symlink(&format!("/proc/self/fd{fd}"), &format!("{ROOTFS}/dev/{name}")).await?;
        }
        Ok(())
    }

    async fn directory(&self, name: &str) -> Result<(), Errno> {
        match self.sys.mkdir(&format!("{ROOTFS}/{name}"), 0o755).await {
            Ok(()) | Err(Errno::EEXIST) => Ok(()),
            Err(e) => Err(e),
        }
    }

    /// `lxc.mount.auto`: proc and sys as they are asked for.
    async fn mount_auto(&self) -> Result<(), Errno> {
        let auto = self.config.get("lxc.mount.auto").unwrap_or_default();
        for word in auto.split_ascii_whitespace() {
            match word.split_once(':').unwrap_or((word, "mixed")) {
                ("proc", how) => self.mount_proc(how).await?,
                ("sys", how) => {
                    self.directory("sys").await?;
                    let flags = if how == "rw" { 0 } else { MS_RDONLY };
                    self.mount(Some("sysfs"), &format!("{ROOTFS}/sys"), Some("sysfs"), flags).await?;
                }
                _ => self.sys.not_modelled(&format!("lxc.mount.auto = {word}")).await,
            }
        }
        Ok(())
    }

    /// `proc:mixed`: /proc/sys can be read only, but for /proc/sys/net.
    async fn mount_proc(&self, how: &str) -> Result<(), Errno> {
        let proc = format!("{ROOTFS}/proc");
        let _ = self.sys.umount2(&proc, MNT_DETACH).await;
        self.directory("proc").await?;
        self.mount(Some("proc"), &proc, Some("proc"), MS_NOSUID | MS_NODEV | MS_NOEXEC).await?;
        if how == "rw" {
            return Ok(());
        }
        let (sys, net, tty) = (format!("{proc}/sys"), format!("{proc}/sys/net"), format!("{proc}/tty"));
        self.mount(Some(&net), &tty, None, MS_BIND).await?;
        self.mount(Some(&sys), &sys, None, MS_BIND).await?;
        self.mount(None, &sys, None, MS_RDONLY | MS_REMOUNT | MS_BIND).await?;
        self.mount(Some(&tty), &net, None, MS_MOVE).await
    }

    /// The old root goes below the new one, and away (`lxc_pivot_root`).
    async fn pivot(&self) -> Result<(), Errno> {
        let sys = self.sys;
        let old = sys.openat(AT_FDCWD, "/", o::PATH | o::CLOEXEC | o::DIRECTORY, 0).await?;
        let new = sys.openat(AT_FDCWD, ROOTFS, o::PATH | o::CLOEXEC | o::DIRECTORY, 0).await?;
        sys.call(Sysno::FCHDIR, vec![new.into()]).await?;
        sys.pivot_root(".", ".").await?;
        sys.call(Sysno::FCHDIR, vec![old.into()]).await?;
        self.mount(Some(""), ".", None, MS_REC | MS_SLAVE).await?;
        sys.umount2(".", MNT_DETACH).await?;
        sys.call(Sysno::FCHDIR, vec![new.into()]).await?;
        self.mount(Some(""), ".", None, MS_REC | MS_SHARED).await?;
        sys.close(old).await?;
        sys.close(new).await
    }
}

/// What lxc-start says last when there is no container (`tools/lxc_start.c`).
async fn failed_to_start(sys: &Sys, name: &str, in_background: bool) {
    complain(sys, name, "tools/lxc_start.c: main: 306", "The container failed to start").await;
    if in_background {
        let what = "To get more details, run the container in foreground mode";
        complain(sys, name, "tools/lxc_start.c: main: 309", what).await;
    }
    let what = "Additional information can be obtained by setting the --logfile and --logpriority options";
    complain(sys, name, "tools/lxc_start.c: main: 311", what).await;
}
