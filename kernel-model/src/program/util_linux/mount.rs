//! `mount`: attaches file systems, binds directories, changes options and propagation; lists mounts.

use super::mount_options::{MountOptions, ms, propagation};
use super::mountinfo::mount_of;
use crate::errno::Errno;
use crate::program::Sys;
use crate::program::getopt::{Long, Options, Spec, Takes};
use crate::syscall::Sysno;

crate::program!(
    MOUNT = "mount" in "/usr/bin",
    "mount a filesystem",
    main,
    "  mount [-t TYPE]              list what is mounted
  mount -t TYPE SOURCE DIR     mount a file system
  mount --bind|--rbind OLD NEW mount a directory or file in a second place
  mount --move OLD NEW         move a mount
  mount -o remount,OPTIONS DIR change options
  mount --make-{shared,slave,private,unbindable} DIR, --make-r...  change propagation
  mount -a                     mount what /etc/fstab lists and is not mounted yet
  -l                           labels in the list (the file systems here have none)
  -o, --options LIST, -r, --read-only, -w, --rw, -t, --types LIST, -v, --verbose, -n, --no-mtab
      --mkdir[=MODE]           make the mount point first"
);

const MOVE: char = '0';
/// Keys of `--make-*`: the position of the type's name in [`MAKES`].
const MAKES: [(char, &str); 8] = [
    ('1', "shared"),
    ('2', "slave"),
    ('3', "private"),
    ('4', "unbindable"),
    ('5', "rshared"),
    ('6', "rslave"),
    ('7', "rprivate"),
    ('8', "runbindable"),
];

const SPEC: Spec = Spec {
    short: "aBRMlo:t:rwvnism::c",
    long: &[
        Long("all", Takes::Nothing, 'a'),
        Long("show-labels", Takes::Nothing, 'l'),
        Long("bind", Takes::Nothing, 'B'),
        Long("rbind", Takes::Nothing, 'R'),
        Long("move", Takes::Nothing, MOVE),
        Long("make-shared", Takes::Nothing, '1'),
        Long("make-slave", Takes::Nothing, '2'),
        Long("make-private", Takes::Nothing, '3'),
        Long("make-unbindable", Takes::Nothing, '4'),
        Long("make-rshared", Takes::Nothing, '5'),
        Long("make-rslave", Takes::Nothing, '6'),
        Long("make-rprivate", Takes::Nothing, '7'),
        Long("make-runbindable", Takes::Nothing, '8'),
        Long("options", Takes::Value, 'o'),
        Long("types", Takes::Value, 't'),
        Long("read-only", Takes::Nothing, 'r'),
        Long("rw", Takes::Nothing, 'w'),
        Long("read-write", Takes::Nothing, 'w'),
        Long("verbose", Takes::Nothing, 'v'),
        Long("no-mtab", Takes::Nothing, 'n'),
        Long("internal-only", Takes::Nothing, 'i'),
        Long("no-canonicalize", Takes::Nothing, 'c'),
        Long("mkdir", Takes::Maybe, 'm'),
    ],
    unmodelled: "-f --fake -F --fork -L --label -U --uuid -N --namespace -O --test-opts \
                 -T --fstab --source --target --target-prefix --options-mode --options-source \
                 --options-source-force",
    version: "from util-linux 2.38.1",
    failure: 1,
};

/// The tool was called wrongly (`MNT_EX_USAGE`).
const USAGE: i32 = 1;
/// The mount failed (`MNT_EX_FAIL`).
const FAIL: i32 = 32;

/// File systems that have no device, so that their source is just a word.
const PSEUDO: &[&str] = &[
    "binfmt_misc",
    "bpf",
    "cgroup",
    "cgroup2",
    "configfs",
    "debugfs",
    "devpts",
    "devtmpfs",
    "fuse",
    "fusectl",
    "hugetlbfs",
    "mqueue",
    "none",
    "nsfs",
    "overlay",
    "proc",
    "pstore",
    "ramfs",
    "securityfs",
    "sysfs",
    "tmpfs",
    "tracefs",
];

/// A set-user-ID mount gives its power back before it does anything that fstab does not allow everybody
/// (`suid_drop`); the standard world's fstab is empty, so that is always.
pub(super) async fn drop_privileges(sys: &Sys) {
    let (uid, gid) = (sys.getuid().await, sys.getgid().await);
    if uid != 0 && sys.geteuid().await == 0 {
        // Should this fail, the calls that follow are refused or allowed as the kernel sees fit.
        let _ = sys.call(Sysno::SETGID, vec![gid.into()]).await;
        let _ = sys.call(Sysno::SETUID, vec![uid.into()]).await;
    }
}

async fn main(sys: Sys) -> i32 {
    drop_privileges(&sys).await;
    let options = match sys.getopt(&SPEC).await {
        Ok(options) => options,
        Err(status) => return status,
    };
    let mut wanted = MountOptions::default();
    for opt in &options.given {
        let value = opt.value.clone().unwrap_or_default();
        match opt.key {
            'B' => wanted.add("bind"),
            'R' => wanted.add("rbind"),
            MOVE | 'M' => wanted.add("move"),
            'o' => wanted.add(&value),
            'r' => wanted.add("ro"),
            'w' => wanted.add("rw"),
            key => {
                let make = MAKES.iter().find(|(k, _)| *k == key).and_then(|(_, name)| propagation(name));
                wanted.propagation.extend(make);
            }
        }
    }
    let operands: Vec<&str> = options.operands.iter().map(String::as_str).collect();
    let is_change = wanted.flags & (ms::REMOUNT | ms::BIND | ms::MOVE) != 0 || !wanted.propagation.is_empty();
    match operands.as_slice() {
        [] if options.has('a') => all(&sys, &options).await,
        [] if options.given.iter().all(|o| "tvl".contains(o.key)) => list(&sys, options.value('t')).await,
        [] => {
            sys.warnx("bad usage").await;
            sys.try_help().await;
            USAGE
        }
        [one] if is_change => Job::new(&sys, &options, None, one, wanted).await.run().await,
        [one] => from_fstab(&sys, &options, one, wanted).await,
        [source, target] => Job::new(&sys, &options, Some(source), target, wanted).await.run().await,
        _ => {
            sys.warnx("bad usage").await;
            sys.try_help().await;
            USAGE
        }
    }
}

/// `mount` without operands.
async fn list(sys: &Sys, types: Option<&str>) -> i32 {
    let mounts = match sys.mountinfo().await {
        Ok(mounts) => mounts,
        Err(e) => {
            sys.warn("failed to read mtab", e).await;
            return FAIL;
        }
    };
    for m in mounts.iter().filter(|m| types.is_none_or(|t| type_matches(&m.fstype, t))) {
        sys.print(format!("{} on {} type {} ({})\n", m.source, m.target, m.fstype, m.options())).await;
    }
    0
}

/// Whether a type is in a list such as `ext4,tmpfs` or `noproc,sysfs`.
pub(super) fn type_matches(fstype: &str, list: &str) -> bool {
    let (negated, list) = match list.strip_prefix("no") {
        Some(rest) => (true, rest),
        None => (false, list),
    };
    list.split(',').any(|t| t == fstype) != negated
}

/// What `/etc/fstab` lists: source, target, type and options.
async fn fstab(sys: &Sys) -> Vec<[String; 4]> {
    let text = sys.read_file("/etc/fstab").await.unwrap_or_default();
    let lines = text.lines().filter(|line| !line.trim_start().starts_with('#'));
    let entry = |line: &str| match line.split_whitespace().collect::<Vec<_>>()[..] {
        [source, target, fstype, opts, ..] => Some([source, target, fstype, opts].map(str::to_owned)),
        _ => None,
    };
    lines.filter_map(entry).collect()
}

/// The statuses of `mount -a` when nothing succeeded, or only some of it.
const ALL_FAIL: i32 = 32;
const SOME_OK: i32 = 64;

/// `mount -a`: what fstab lists, except what is not to be mounted by itself or is mounted already.
async fn all(sys: &Sys, options: &Options) -> i32 {
    let (mut ok, mut failed) = (0, 0);
    for [source, target, fstype, opts] in fstab(sys).await {
        let skipped = fstype == "swap"
            || opts.split(',').any(|o| o == "noauto")
            || options.value('t').is_some_and(|list| !type_matches(&fstype, list));
        if skipped {
            continue;
        }
        let mounts = sys.mountinfo().await.unwrap_or_default();
        if mounts.iter().any(|m| m.target == target && m.source == source) {
            continue;
        }
        let mut wanted = MountOptions::default();
        wanted.add(&opts);
        let mut job = Job::new(sys, options, Some(&source), &target, wanted).await;
        job.fstype = Some(fstype);
        match job.run().await {
            0 => ok += 1,
            _ => failed += 1,
        }
    }
    match (ok, failed) {
        (_, 0) => 0,
        (0, _) => ALL_FAIL,
        _ => SOME_OK,
    }
}

/// Only one of source and target is given: the rest is in `/etc/fstab`.
async fn from_fstab(sys: &Sys, options: &Options, one: &str, mut wanted: MountOptions) -> i32 {
    let found = fstab(sys).await.into_iter().find(|[source, target, ..]| source == one || target == one);
    let Some([source, target, fstype, opts]) = found else {
        sys.warnx(format!("{one}: can't find in /etc/fstab.")).await;
        return USAGE;
    };
    let own = std::mem::take(&mut wanted);
    wanted.add(&opts);
    wanted.flags |= own.flags;
    wanted.data.extend(own.data);
    let mut job = Job::new(sys, options, Some(&source), &target, wanted).await;
    job.fstype = job.fstype.or(Some(fstype));
    job.run().await
}

/// One mount to be made or changed.
struct Job<'a> {
    sys: &'a Sys,
    source: Option<String>,
    target: String,
    fstype: Option<String>,
    wanted: MountOptions,
    verbose: bool,
}

impl<'a> Job<'a> {
    async fn new(sys: &'a Sys, options: &Options, source: Option<&str>, target: &str, wanted: MountOptions) -> Job<'a> {
        let fstype = options.value('t').map(str::to_owned);
        let is_word = fstype.as_deref().is_some_and(|t| PSEUDO.contains(&t));
        let source = match source {
            Some(source) if !is_word => Some(sys.canonicalize(source).await.unwrap_or_else(|| source.to_owned())),
            other => other.map(str::to_owned),
        };
        if options.has('m') {
            let mode = options.value('m').and_then(|m| u32::from_str_radix(m, 8).ok()).unwrap_or(0o755);
            make_directories(sys, target, mode).await;
        }
        let target = sys.canonicalize(target).await.unwrap_or_else(|| target.to_owned());
        Job { sys, source, target, fstype, wanted, verbose: options.has('v') }
    }

    async fn run(mut self) -> i32 {
        if self.wanted.wants_loop {
            self.sys.not_modelled("a loop device").await;
            return FAIL;
        }
        if self.wanted.flags & ms::REMOUNT != 0 && self.source.is_none() {
            self.keep_present_options().await;
        }
        match self.make_calls().await {
            Ok(()) => {
                self.report().await;
                0
            }
            Err(problem) if self.sys.is_busybox() => {
                let source = self.source.as_deref().unwrap_or("none");
                let text = match problem.errno() {
                    Errno::EPERM => "permission denied (are you root?)".to_owned(),
                    e => format!("mounting {source} on {} failed: {e}", self.target),
                };
                self.sys.error(text).await;
                // The errors of mount(2) that are left count as one (`mount_main`).
                if problem.errno() == Errno::EPERM { 1 } else { 255 }
            }
            Err(problem) => {
                let message = self.explain(problem).await;
                self.sys.warnx(format!("{}: {message}.", self.target)).await;
                if problem.errno() != Errno::EPERM {
                    let hint = "       dmesg(1) may have more information after failed mount system call.\n";
                    self.sys.eprint(hint).await;
                }
                FAIL
            }
        }
    }

    /// A remount that names only the directory changes what is there: options that are not mentioned stay.
    async fn keep_present_options(&mut self) {
        let listed = fstab(self.sys).await.into_iter().find(|[_, target, ..]| *target == self.target);
        let in_fstab = listed.map(|[source, _, _, opts]| (source, opts));
        let mounts = self.sys.mountinfo().await.unwrap_or_default();
        let present = mounts.iter().rev().find(|m| m.target == self.target);
        let (source, before) = match (in_fstab, present) {
            (Some(found), _) => found,
            (None, Some(m)) => (m.source.clone(), m.options()),
            (None, None) => return,
        };
        let own = std::mem::take(&mut self.wanted);
        let mut merged = MountOptions::default();
        merged.add(&before);
        for (bit, clears) in own.changes {
            if clears { merged.flags &= !bit } else { merged.flags |= bit }
        }
        merged.data.extend(own.data);
        merged.propagation = own.propagation;
        self.wanted = merged;
        self.source = Some(source);
    }

    /// The calls of mount(2), in order: the mount itself, propagation, options of a bind mount.
    async fn make_calls(&self) -> Result<(), Problem> {
        let flags = self.wanted.flags;
        let source = self.source.as_deref().unwrap_or("none");
        let only_propagation = flags & !ms::REC == 0 && self.source.is_none() && !self.wanted.propagation.is_empty();
        if !only_propagation {
            self.main_call(source, flags).await.map_err(Problem::Mount)?;
        }
        for bits in &self.wanted.propagation {
            self.sys.mount("none", &self.target, None, *bits, None).await.map_err(Problem::ApplyFlags)?;
        }
        let extra = flags & !(ms::BIND | ms::REC);
        if flags & ms::BIND != 0 && flags & ms::REMOUNT == 0 && extra != 0 {
            let bits = extra | ms::REMOUNT | ms::BIND;
            self.sys.mount("none", &self.target, None, bits, None).await.map_err(Problem::ApplyFlags)?;
        }
        Ok(())
    }

    async fn main_call(&self, source: &str, flags: u64) -> Result<(), Errno> {
        let data = self.wanted.data();
        if flags & (ms::BIND | ms::MOVE | ms::REMOUNT) != 0 {
            let fstype = self.fstype.as_deref().or(Some("none"));
            return self.sys.mount(source, &self.target, fstype, flags, data.as_deref()).await;
        }
        let exact = self.fstype.as_deref().filter(|t| !t.contains(',') && !t.starts_with("no") && *t != "auto");
        if let Some(fstype) = exact {
            return self.sys.mount(source, &self.target, Some(fstype), flags, data.as_deref()).await;
        }
        // Without a type all those that need a device are tried.
        let known = self.sys.read_file("/proc/filesystems").await.unwrap_or_default();
        let mut result = Err(Errno::ENODEV);
        for line in known.lines() {
            let Some(fstype) = line.strip_prefix('\t') else { continue };
            if self.fstype.as_deref().is_some_and(|list| list != "auto" && !type_matches(fstype, list)) {
                continue;
            }
            let flags = flags | ms::SILENT;
            result = self.sys.mount(source, &self.target, Some(fstype), flags, data.as_deref()).await;
            if !matches!(result, Err(Errno::EINVAL | Errno::ENODEV)) {
                break;
            }
        }
        result
    }

    async fn report(&self) {
        if !self.verbose {
            return;
        }
        let source = self.source.as_deref().unwrap_or("none");
        let target = &self.target;
        let flags = self.wanted.flags;
        let text = if flags & ms::REMOUNT != 0 {
            format!("mount: {source} remounted on {target}.\n")
        } else if flags & ms::MOVE != 0 {
            format!("mount: {source} moved to {target}.\n")
        } else if flags & ms::BIND != 0 {
            format!("mount: {source} bound on {target}.\n")
        } else if self.source.is_none() {
            format!("mount: {target} propagation flags changed.\n")
        } else {
            format!("mount: {source} mounted on {target}.\n")
        };
        self.sys.print(text).await;
    }

    /// libmount's sentence for an error of mount(2), found by looking at what was given.
    async fn explain(&self, problem: Problem) -> String {
        let e = problem.errno();
        let flags = self.wanted.flags;
        let target = &self.target;
        let source = self.source.as_deref().unwrap_or("none");
        let generic = || format!("mount(2) system call failed: {e}");
        match e {
            Errno::EPERM if self.sys.geteuid().await != 0 => "must be superuser to use mount".to_owned(),
            Errno::EPERM => "permission denied".to_owned(),
            Errno::EBUSY if flags & ms::REMOUNT != 0 => "mount point is busy".to_owned(),
            Errno::EBUSY => format!("{source} already mounted or mount point busy"),
            Errno::ENOENT => {
                if self.sys.lstat(target).await.is_err() {
                    "mount point does not exist".to_owned()
                } else if self.sys.stat(target).await.is_err() {
                    "mount point is a symbolic link to nowhere".to_owned()
                } else if self.source.is_some() && self.sys.stat(source).await.is_err() {
                    format!("special device {source} does not exist")
                } else {
                    generic()
                }
            }
            Errno::ENOTDIR => {
                if !self.sys.stat(target).await.is_ok_and(|s| s.is_dir()) {
                    "mount point is not a directory".to_owned()
                } else if self.sys.stat(source).await == Err(Errno::ENOTDIR) {
                    format!("special device {source} does not exist (a path prefix is not a directory)")
                } else {
                    generic()
                }
            }
            Errno::EINVAL if flags & ms::REMOUNT != 0 => "mount point not mounted or bad option".to_owned(),
            Errno::EINVAL if matches!(problem, Problem::ApplyFlags(_)) => "not mount point or bad option".to_owned(),
            Errno::EINVAL if flags & ms::MOVE != 0 && self.source_is_shared().await => {
                "bad option; moving a mount residing under a shared mount is unsupported".to_owned()
            }
            Errno::EINVAL => format!(
                "wrong fs type, bad option, bad superblock on {source}, missing codepage or helper program, or other \
                 error"
            ),
            Errno::EMFILE => "mount table full".to_owned(),
            Errno::EIO => format!("can't read superblock on {source}"),
            Errno::ENODEV => match &self.fstype {
                Some(fstype) => format!("unknown filesystem type '{fstype}'"),
                None => "unknown filesystem type".to_owned(),
            },
            Errno::ENOTBLK => match self.sys.stat(source).await.map(|s| s.file_type()) {
                Err(_) => format!("{source} is not a block device, and stat(2) fails?"),
                Ok(crate::program::libc::s::IFREG) => format!("{source} is not a block device; try \"-o loop\""),
                Ok(_) => format!("{source} is not a block device"),
            },
            Errno::ENXIO => format!("{source} is not a valid block device"),
            Errno::EACCES | Errno::EROFS => {
                if flags & ms::RDONLY != 0 {
                    format!("cannot mount {source} read-only")
                } else if flags & ms::REMOUNT != 0 {
                    format!("cannot remount {source} read-write, is write-protected")
                } else if flags & ms::BIND != 0 {
                    format!("bind {source} failed")
                } else {
                    generic()
                }
            }
            Errno::ENOMEDIUM => format!("no medium found on {source}"),
            _ => generic(),
        }
    }

    async fn source_is_shared(&self) -> bool {
        let mounts = self.sys.mountinfo().await.unwrap_or_default();
        let source = self.source.as_deref().unwrap_or("none");
        mount_of(&mounts, source).is_some_and(|m| m.has_field("shared"))
    }
}

/// Which call failed.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Problem {
    /// The mount itself.
    Mount(Errno),
    /// Propagation or options afterwards.
    ApplyFlags(Errno),
}

impl Problem {
    fn errno(self) -> Errno {
        match self {
            Problem::Mount(e) | Problem::ApplyFlags(e) => e,
        }
    }
}

/// `--mkdir`: the mount point and the directories above it.
async fn make_directories(sys: &Sys, path: &str, mode: u32) {
    for (at, _) in path.char_indices().skip(1).filter(|(_, c)| *c == '/') {
        let _ = sys.mkdir(&path[..at], 0o755).await;
    }
    let _ = sys.mkdir(path, mode).await;
}
