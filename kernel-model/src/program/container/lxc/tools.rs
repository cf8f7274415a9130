//! The programs around `lxc-start`: making, listing, entering, stopping and removing containers.

use super::{Config, PATH, cgroup, complain};
use crate::errno::Errno;
use crate::program::Sys;
use crate::program::getopt::{Long, Options, Spec, Takes};
use crate::program::libc::o;

crate::program!(
    LXC_CREATE = "lxc-create" in "/usr/bin", "make a container", create,
    "-n, --name NAME  its name\n-t, --template busybox  what is in it"
);
crate::program!(
    LXC_DESTROY = "lxc-destroy" in "/usr/bin", "remove a container", destroy,
    "-n, --name NAME  which\n-f, --force      stop it first"
);
crate::program!(
    LXC_LS = "lxc-ls" in "/usr/bin", "list containers", ls,
    "-f, --fancy  as a table\n-1           one a line\n--running, --stopped, --frozen  only these"
);
crate::program!(
    LXC_INFO = "lxc-info" in "/usr/bin", "tell about a container", info,
    "-n, --name NAME  which\n-s, --state  only its state\n-p, --pid    only its first process\n-H           plain"
);
crate::program!(
    LXC_STOP = "lxc-stop" in "/usr/bin", "stop a container", stop,
    "-n, --name NAME  which\n-k, --kill       at once\n-t, --timeout T  after so many seconds at once"
);
crate::program!(
    LXC_ATTACH = "lxc-attach" in "/usr/bin", "run a command in a container", attach,
    "-n, --name NAME  which\nCOMMAND          what (default: a shell)"
);
crate::program!(
    LXC_FREEZE = "lxc-freeze" in "/usr/bin", "freeze the processes of a container", freeze, "-n, --name NAME  which"
);
crate::program!(
    LXC_UNFREEZE = "lxc-unfreeze" in "/usr/bin", "let them go on", unfreeze, "-n, --name NAME  which"
);

const SPEC: Spec = Spec {
    short: "+n:t:fk1spHNWr",
    long: &[
        Long("name", Takes::Value, 'n'),
        Long("template", Takes::Value, 't'),
        Long("timeout", Takes::Value, 't'),
        Long("force", Takes::Nothing, 'f'),
        Long("fancy", Takes::Nothing, 'f'),
        Long("kill", Takes::Nothing, 'k'),
        Long("state", Takes::Nothing, 's'),
        Long("pid", Takes::Nothing, 'p'),
        Long("running", Takes::Nothing, 'R'),
        Long("stopped", Takes::Nothing, 'S'),
        Long("frozen", Takes::Nothing, 'Z'),
    ],
    unmodelled: "-P --lxcpath -B --bdev -i --ips -c --config -e --elevated-privileges --clear-env --keep-env -u -g",
    version: "5.0.2",
    failure: 1,
};

/// Options, and the name of the container: an option or the first operand.
async fn named(sys: &Sys) -> Result<(Options, String), i32> {
    let mut options = sys.getopt(&SPEC).await?;
    let name = match options.value('n') {
        Some(name) => name.to_owned(),
        None if !options.operands.is_empty() => options.operands.remove(0),
        None => {
            sys.eprint(format!("{}: No container name specified\n", sys.name())).await;
            return Err(1);
        }
    };
    Ok((options, name))
}

/// What `lxc-info` and `lxc-ls` call the state of a container.
async fn state(sys: &Sys, name: &str) -> &'static str {
    match cgroup::init_of(sys, name).await {
        None => "STOPPED",
        Some(_) if cgroup::is_frozen(sys, name).await => "FROZEN",
        Some(_) => "RUNNING",
    }
}

async fn create(sys: Sys) -> Result<i32, i32> {
    let (options, name) = named(&sys).await?;
    let dir = format!("{PATH}/{name}");
    if sys.stat(&format!("{dir}/config")).await.is_ok() {
        complain(&sys, &name, "tools/lxc_create.c: main: 264", "Container already exists").await;
        return Err(1);
    }
    match options.value('t') {
        Some("busybox" | "none") => {}
        Some(template) => {
            let known = "there is one template here, busybox; the others download their contents";
            sys.not_modelled(&format!("the template '{template}': {known}")).await;
            return Err(1);
        }
        None => {
            sys.eprint(format!("{}: A template must be specified.\n", sys.name())).await;
            return Err(1);
        }
    }
    match make(&sys, &name, &dir, options.value('t') == Some("busybox")).await {
        Ok(()) => Ok(0),
        Err(e) => {
            let what = format!("{e} - Failed to create container {name}");
            complain(&sys, &name, "tools/lxc_create.c: main: 317", &what).await;
            Err(1)
        }
    }
}

/// Programs that a busybox container has, as links.
const APPLETS: [&str; 40] = [
    "sh", "ls", "cat", "echo", "ps", "mount", "umount", "hostname", "id", "sleep", "kill", "grep", "sed", "awk", "ip",
    "ping", "mkdir", "rm", "cp", "mv", "ln", "touch", "chmod", "chown", "env", "pwd", "test", "true", "false", "head",
    "tail", "wc", "uname", "whoami", "df", "dd", "free", "uptime", "vi", "date",
];

async fn make(sys: &Sys, name: &str, dir: &str, busybox: bool) -> Result<(), Errno> {
    let rootfs = format!("{dir}/rootfs");
    for path in ["/var/lib", PATH, dir, &rootfs] {
        match sys.mkdir(path, 0o755).await {
            Ok(()) | Err(Errno::EEXIST) => {}
            Err(e) => return Err(e),
        }
    }
    sys.chmod(&rootfs, 0o755).await?;
    if busybox {
        for part in ["bin", "sbin", "dev", "proc", "sys", "etc", "root", "tmp"] {
            sys.mkdir(&format!("{rootfs}/{part}"), 0o755).await?;
        }
        copy(sys, "/usr/bin/busybox", &format!("{rootfs}/bin/busybox"), 0o755).await?;
        for applet in APPLETS {
            sys.symlink("busybox", &format!("{rootfs}/bin/{applet}")).await?;
        }
        put(sys, &format!("{rootfs}/etc/passwd"), "root:x:0:0:root:/root:/bin/sh\n", 0o644).await?;
        put(sys, &format!("{rootfs}/etc/group"), "root:x:0:\n", 0o644).await?;
        put(sys, &format!("{rootfs}/etc/hostname"), &format!("{name}\n"), 0o644).await?;
    }
    let config = format!(
        "# Template used to create this container: busybox\n\n\
         lxc.rootfs.path = dir:{rootfs}\nlxc.uts.name = {name}\nlxc.net.0.type = empty\n\
         lxc.mount.auto = proc:mixed sys:ro\nlxc.init.cmd = /bin/sleep 2147483647\n"
    );
    put(sys, &format!("{dir}/config"), &config, 0o640).await
}

async fn put(sys: &Sys, path: &str, text: &str, mode: u32) -> Result<(), Errno> {
    let fd = sys.open(path, o::WRONLY | o::CREAT | o::TRUNC | o::CLOEXEC, mode).await?;
    sys.write_all(fd, text.as_bytes()).await?;
    sys.close(fd).await
}

async fn copy(sys: &Sys, from: &str, to: &str, mode: u32) -> Result<(), Errno> {
    let fd = sys.open(from, o::RDONLY | o::CLOEXEC, 0).await?;
    let bytes = sys.read_to_end(fd).await?;
    sys.close(fd).await?;
    let fd = sys.open(to, o::WRONLY | o::CREAT | o::TRUNC | o::CLOEXEC, mode).await?;
    sys.write_all(fd, &bytes).await?;
    sys.close(fd).await
}

async fn destroy(sys: Sys) -> Result<i32, i32> {
    let (options, name) = named(&sys).await?;
    if Config::load(&sys, &name).await.is_none() {
        complain(&sys, &name, "tools/lxc_destroy.c: main: 240", "Container is not defined").await;
        return Err(1);
    }
    if let Some(pid) = cgroup::init_of(&sys, &name).await {
        if !options.has('f') {
            complain(&sys, &name, "tools/lxc_destroy.c: do_destroy: 91", &format!("{name} is running")).await;
            return Err(1);
        }
        let _ = sys.kill(pid, 9).await;
        wait_until_stopped(&sys, &name, 10).await;
    }
    if let Err(e) = remove_tree(&sys, &format!("{PATH}/{name}")).await {
        complain(&sys, &name, "lxccontainer.c: container_destroy: 3075", &format!("{e} - Error destroying rootfs"))
            .await;
        return Err(1);
    }
    Ok(0)
}

/// Removes a directory with everything in it, depth first.
async fn remove_tree(sys: &Sys, top: &str) -> Result<(), Errno> {
    let mut pending = vec![(top.to_owned(), false)];
    while let Some((dir, emptied)) = pending.pop() {
        if emptied {
            sys.rmdir(&dir).await?;
            continue;
        }
        pending.push((dir.clone(), true));
        for entry in sys.read_dir(&dir).await? {
            let path = format!("{dir}/{}", entry.d_name);
            if entry.d_name == "." || entry.d_name == ".." {
                continue;
            }
            if sys.lstat(&path).await?.is_dir() {
                pending.push((path, false));
            } else {
                sys.unlink(&path).await?;
            }
        }
    }
    Ok(())
}

async fn ls(sys: Sys) -> Result<i32, i32> {
    let options = sys.getopt(&SPEC).await?;
    let mut rows = Vec::new();
    for entry in sys.read_dir(PATH).await.unwrap_or_default() {
        if Config::load(&sys, &entry.d_name).await.is_none() {
            continue;
        }
        let state = state(&sys, &entry.d_name).await;
        let wanted = match options.last_of("RSZ") {
            Some('R') => state == "RUNNING",
            Some('S') => state == "STOPPED",
            Some(_) => state == "FROZEN",
            None => true,
        };
        if wanted {
            rows.push((entry.d_name, state));
        }
    }
    rows.sort();
    if !options.has('f') {
        let end = if options.has('1') { "\n" } else { " " };
        let names: String = rows.iter().map(|(name, _)| format!("{name}{end}")).collect();
        let last = if options.has('1') || rows.is_empty() { "" } else { "\n" };
        sys.print(names + last).await;
        return Ok(0);
    }
    if rows.is_empty() {
        return Ok(0);
    }
    let name_width = rows.iter().map(|(n, _)| n.len()).max().unwrap_or(0).max(4);
    let state_width = rows.iter().map(|(_, s)| s.len()).max().unwrap_or(0).max(5);
    let line = |name: &str, state: &str, rest: [&str; 5]| {
        let [auto, groups, v4, v6, plain] = rest;
        format!("{name:name_width$} {state:state_width$} {auto:9} {groups:6} {v4:4} {v6:4} {plain:12} \n")
    };
    let mut text = line("NAME", "STATE", ["AUTOSTART", "GROUPS", "IPV4", "IPV6", "UNPRIVILEGED"]);
    for (name, state) in &rows {
        text.push_str(&line(name, state, ["0", "-", "-", "-", "false"]));
    }
    sys.print(text).await;
    Ok(0)
}

async fn info(sys: Sys) -> Result<i32, i32> {
    let (options, name) = named(&sys).await?;
    let pid = cgroup::init_of(&sys, &name).await;
    if pid.is_none() && Config::load(&sys, &name).await.is_none() {
        sys.eprint(format!("{name} doesn't exist\n")).await;
        return Err(1);
    }
    let state = state(&sys, &name).await;
    let all = !options.has('s') && !options.has('p');
    let mut rows: Vec<(&str, String)> = Vec::new();
    if all {
        rows.push(("Name:", name.clone()));
    }
    if all || options.has('s') {
        rows.push(("State:", state.to_owned()));
    }
    if (all || options.has('p'))
        && let Some(pid) = pid
    {
        rows.push(("PID:", pid.to_string()));
    }
    for (key, value) in rows {
        let line = if options.has('H') { format!("{value}\n") } else { format!("{key:<16}{value}\n") };
        sys.print(line).await;
    }
    Ok(0)
}

/// Waits until nothing of a container runs. Whether that came before the time was over.
async fn wait_until_stopped(sys: &Sys, name: &str, seconds: u64) -> bool {
    for _ in 0..seconds * 10 {
        if cgroup::init_of(sys, name).await.is_none() {
            return true;
        }
        let _ = sys.nanosleep(100_000_000).await;
    }
    false
}

async fn stop(sys: Sys) -> Result<i32, i32> {
    let (options, name) = named(&sys).await?;
    let Some(pid) = cgroup::init_of(&sys, &name).await else {
        complain(&sys, &name, "tools/lxc_stop.c: main: 168", &format!("{name} is not running")).await;
        return Err(2);
    };
    if !options.has('k') {
        const SIGPWR: i64 = 30;
        let _ = sys.kill(pid, SIGPWR).await;
        let seconds = options.value('t').and_then(|t| t.parse().ok()).unwrap_or(60);
        if wait_until_stopped(&sys, &name, seconds).await {
            return Ok(0);
        }
    }
    let _ = sys.kill(pid, 9).await;
    let _ = cgroup::freeze(&sys, &name, false).await;
    wait_until_stopped(&sys, &name, 10).await;
    Ok(0)
}

async fn attach(sys: Sys) -> Result<i32, i32> {
    let (options, name) = named(&sys).await?;
    let Some(pid) = cgroup::init_of(&sys, &name).await else {
        let refused = Errno::ECONNREFUSED;
        let place = "attach.c: get_attach_context: 406";
        complain(&sys, &name, place, &format!("{refused} - Failed to get init pid")).await;
        let place = "attach.c: lxc_attach: 1470";
        complain(&sys, &name, place, &format!("{refused} - Failed to get attach context")).await;
        return Err(1);
    };
    let failed = |_| 1;
    cgroup::join(&sys, &format!("lxc.payload.{name}"), sys.getpid().await).await.map_err(failed)?;
    let mut namespaces = Vec::new();
    for kind in ["user", "mnt", "pid", "uts", "ipc", "net", "cgroup"] {
        let ours = sys.readlink(&format!("/proc/self/ns/{kind}")).await;
        let path = format!("/proc/{pid}/ns/{kind}");
        if sys.readlink(&path).await != ours {
            namespaces.push(sys.open(&path, o::RDONLY | o::CLOEXEC, 0).await.map_err(failed)?);
        }
    }
    for fd in namespaces {
        sys.setns(fd, 0).await.map_err(failed)?;
        let _ = sys.close(fd).await;
    }
    match sys.fork().await {
        Ok(0) => {
            let _ = sys.chdir("/").await;
            let shell = vec!["/bin/sh".to_owned()];
            let command = if options.operands.is_empty() { &shell } else { &options.operands };
            let e = run(&sys, command).await;
            let what = format!("{e} - Failed to exec \"{}\"", command[0]);
            complain(&sys, &name, "attach.c: lxc_attach_run_command: 1841", &what).await;
            sys.exit(if e == Errno::ENOENT { 127 } else { 126 }).await;
            Err(1)
        }
        Ok(child) => {
            let (_, status) = sys.wait4(child, 0).await.map_err(failed)?;
            Ok(status.exited().unwrap_or_else(|| 128 + status.signaled().map_or(0, |s| i32::from(s.0))))
        }
        Err(_) => Err(1),
    }
}

/// The program runs with the environment of a container.
async fn run(sys: &Sys, command: &[String]) -> Errno {
    let path = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
    let envp = [format!("PATH={path}"), "container=lxc".to_owned(), "HOME=/root".to_owned(), "USER=root".to_owned()];
    let Some(name) = command.first() else { return Errno::ENOENT };
    if name.contains('/') {
        return sys.execve(name, command, &envp).await;
    }
    let mut last = Errno::ENOENT;
    for dir in path.split(':') {
        match sys.execve(&format!("{dir}/{name}"), command, &envp).await {
            Errno::ENOENT | Errno::ENOTDIR => {}
            e => last = e,
        }
    }
    last
}

async fn freeze(sys: Sys) -> Result<i32, i32> {
    set_frozen(&sys, true).await
}

async fn unfreeze(sys: Sys) -> Result<i32, i32> {
    set_frozen(&sys, false).await
}

async fn set_frozen(sys: &Sys, frozen: bool) -> Result<i32, i32> {
    let (_, name) = named(sys).await?;
    if cgroup::init_of(sys, &name).await.is_none() {
        if !frozen {
            return Ok(0);
        }
        complain(sys, &name, "tools/lxc_freeze.c: main: 87", &format!("Failed to freeze /var/lib/lxc:{name}")).await;
        return Err(1);
    }
    match cgroup::freeze(sys, &name, frozen).await {
        Ok(()) => Ok(0),
        Err(e) => {
            let what = format!("{e} - Failed to {} {name}", if frozen { "freeze" } else { "unfreeze" });
            complain(sys, &name, "tools/lxc_freeze.c: main: 95", &what).await;
            Err(1)
        }
    }
}
