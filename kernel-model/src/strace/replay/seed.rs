//! What must have been there before a log began: files, directories and links that its calls found.
//!
//! A log says nothing about the file system that it was recorded on, except through its results: what
//! was opened, executed or entered, and had not been made by the log itself, was there. The paths are
//! followed by their text, through chroot(2), pivot_root(2) and bind mounts, which is enough to know
//! where they lay in the first root directory.

use std::collections::{BTreeMap, BTreeSet};

use super::super::parse::{Expr, LineKind, Log, Returned, TracedCall};

/// What is known about a path that was there.
#[derive(Clone, PartialEq, Debug, Default)]
pub(super) struct Fact {
    /// It is a directory; also when something is known to be in it.
    pub(super) directory: bool,
    /// It can be executed.
    pub(super) executable: bool,
    /// It is a symbolic link to this path.
    pub(super) link: Option<String>,
    /// Its contents, as far as the log shows them, by where they begin.
    pub(super) content: BTreeMap<usize, Vec<u8>>,
    /// How long it is at least.
    pub(super) size: usize,
    /// Permission bits and owner, where the log shows them.
    pub(super) mode: Option<u32>,
}

/// How a process sees the file system.
#[derive(Clone)]
struct View {
    /// Its root directory, in the first root's paths; `None` on a file system that the log has mounted.
    root: Option<String>,
    /// Its working directory, likewise.
    cwd: Option<String>,
    /// Which list of mounts counts for it.
    namespace: usize,
}

/// A mount that the log has made, in the first root's paths.
#[derive(Clone)]
struct Mount {
    target: String,
    /// Where its files really are; `None` for a file system of its own.
    source: Option<String>,
}

/// Reads the log once for what it found.
struct Scan<'l> {
    log: &'l Log,
    start: &'l str,
    views: BTreeMap<Option<u32>, View>,
    mounts: Vec<Vec<Mount>>,
    made: BTreeSet<String>,
    open: BTreeMap<(Option<u32>, i64), (String, usize)>,
    /// What each process runs.
    programs: BTreeMap<Option<u32>, String>,
    /// Paths below which something was looked for in vain: directories, if they are anything.
    searched: BTreeSet<String>,
    facts: BTreeMap<String, Fact>,
    /// What was bound to what: both are directories, or neither is.
    bound: Vec<(String, String)>,
}

/// What was there before the log began, by path. `start` is the first process' working directory.
pub(super) fn facts(log: &Log, start: &str) -> BTreeMap<String, Fact> {
    let mut scan = Scan {
        log,
        start,
        views: BTreeMap::new(),
        mounts: vec![Vec::new()],
        made: BTreeSet::new(),
        open: BTreeMap::new(),
        programs: BTreeMap::new(),
        searched: BTreeSet::new(),
        facts: BTreeMap::new(),
        bound: Vec::new(),
    };
    scan.run();
    for (source, target) in std::mem::take(&mut scan.bound) {
        let is_directory = |path: &str| path == "/" || scan.facts.get(path).is_some_and(|fact| fact.directory);
        if is_directory(&source) || is_directory(&target) {
            for path in [source, target] {
                if let Some(fact) = scan.facts.get_mut(&path) {
                    fact.directory = true;
                }
            }
        }
    }
    for (path, fact) in &mut scan.facts {
        fact.directory |= fact.link.is_none() && scan.searched.contains(path);
    }
    scan.facts
}

impl Scan<'_> {
    fn run(&mut self) {
        for at in 0..self.log.lines.len() {
            let line = &self.log.lines[at];
            // A call counts when its result is there; a clone already when it begins, because its child may speak first.
            let begin = match &line.kind {
                LineKind::Call(_) => at,
                LineKind::Resumed { .. } => match self.log.begun.get(&at) {
                    Some(begin) => *begin,
                    None => continue,
                },
                LineKind::Unfinished { name, .. } if name.starts_with("clone") || name.ends_with("fork") => at,
                _ => continue,
            };
            let pid = self.log.lines[begin].pid;
            if let Some(call) = self.log.call_at(begin) {
                self.look_at(pid, call);
            }
        }
    }

    fn view(&mut self, pid: Option<u32>) -> &mut View {
        let start = self.start;
        self.views.entry(pid).or_insert_with(|| View {
            root: Some("/".to_owned()),
            cwd: Some(start.to_owned()),
            namespace: 0,
        })
    }

    fn look_at(&mut self, pid: Option<u32>, call: &TracedCall) {
        let ok = call.ret.value().is_some_and(|v| v >= 0) || call.ret == Returned::Never;
        let arg = |i: usize| call.args.get(i).map(|e| e.unnamed().plain());
        let text = |i: usize| arg(i).and_then(string);
        let flag = |i: usize, name: &str| call.args.get(i).is_some_and(|e| mentions(e, name));
        let mut places = paths_of(&call.name).iter().map(|(dir, path)| {
            let dir = dir.and_then(|dir| call.args.get(dir));
            self.path_at(pid, dir, text(*path)?)
        });
        let place = places.next().flatten();
        let second = places.next().flatten();
        if let (Returned::Error(name), Some(place)) = (&call.ret, &place)
            && name == "ENOENT"
        {
            let ancestors = place.match_indices('/').filter(|(at, _)| *at > 0).map(|(at, _)| place[..at].to_owned());
            self.searched.extend(ancestors);
        }
        match call.name.as_str() {
            "clone" | "clone3" | "fork" | "vfork" => self.child(pid, call),
            "unshare" if ok && flag(0, "CLONE_NEWNS") => self.new_namespace(pid),
            "execve" | "execveat" => {
                if let Some(program) = place.clone().filter(|place| ok && !is_kernels(place)) {
                    self.programs.insert(pid, program);
                }
                self.found(place, ok, |f| f.executable = true);
            }
            "sendfile" if ok => self.sent(pid, call, 1),
            "copy_file_range" if ok => self.sent(pid, call, 0),
            "open_tree" | "move_mount" if ok => self.moved_tree(pid, call, place, second),
            "fsmount" | "memfd_create" => {
                if let Some(fd) = call.ret.value() {
                    self.open.remove(&(pid, fd));
                }
            }
            "open" | "creat" => {
                self.opened(pid, call, place, ok, flag(1, "O_CREAT") || call.name == "creat", flag(1, "O_DIRECTORY"));
            }
            "openat" | "openat2" => {
                self.opened(pid, call, place, ok, flag(2, "O_CREAT"), flag(2, "O_DIRECTORY"));
            }
            "read" | "pread64" if ok => self.read(pid, call),
            "close" => {
                if let Some(fd) = arg(0).and_then(number) {
                    self.open.remove(&(pid, fd));
                }
            }
            "access" => {
                let executable = flag(1, "X_OK");
                self.found(place, ok, |f| f.executable |= executable);
            }
            "faccessat" | "faccessat2" => {
                let executable = flag(2, "X_OK");
                self.found(place, ok, |f| f.executable |= executable);
            }
            "stat" | "lstat" => self.found_with_mode(place, ok, call.args.get(1)),
            "newfstatat" | "fstatat64" => self.found_with_mode(place, ok, call.args.get(2)),
            "statx" => self.found_with_mode(place, ok, call.args.get(4)),
            "readlink" if text(0).as_deref() == Some("/proc/self/exe") => {
                if let Some(target) = text(1).filter(|_| ok) {
                    self.runs(pid, target);
                }
            }
            "readlink" => {
                let link = text(1);
                self.found(place, ok, |f| f.link = link);
            }
            "readlinkat" => {
                let link = text(2);
                self.found(place, ok, |f| f.link = link);
            }
            "statfs" | "chmod" | "chown" | "lchown" | "truncate" | "utime" | "getxattr" | "lgetxattr" | "fchmodat"
            | "fchownat" | "utimensat" => self.found(place, ok, |_| {}),
            "chdir" => {
                self.found(place.clone(), ok, |f| f.directory = true);
                if ok {
                    self.view(pid).cwd = place;
                }
            }
            "fchdir" if ok => {
                let cwd = call.args.first().and_then(|dir| self.path_at(pid, Some(dir), String::new()));
                self.view(pid).cwd = cwd;
            }
            "chroot" => {
                self.found(place.clone(), ok, |f| f.directory = true);
                if ok {
                    self.view(pid).root = place;
                }
            }
            "pivot_root" => {
                self.found(place.clone(), ok, |f| f.directory = true);
                if ok {
                    let view = self.view(pid);
                    view.cwd.clone_from(&place);
                    view.root = place;
                }
            }
            "mkdir" | "mknod" | "mkdirat" | "mknodat" => self.made(place, ok, call),
            "symlink" | "symlinkat" => self.made(place, ok, call),
            "link" | "rename" | "linkat" | "renameat" | "renameat2" => {
                self.found(place, ok, |_| {});
                self.made(second, ok, call);
            }
            "unlink" => self.found(place, ok, |_| {}),
            "rmdir" => self.found(place, ok, |f| f.directory = true),
            "unlinkat" => {
                let directory = flag(2, "AT_REMOVEDIR");
                self.found(place, ok, |f| f.directory |= directory);
            }
            "mount" => self.mounted(pid, call, ok),
            "umount2" | "umount" => {
                if let Some(target) = text(0).filter(|_| ok) {
                    self.unmounted(pid, &target);
                }
            }
            _ => {}
        }
    }

    fn child(&mut self, pid: Option<u32>, call: &TracedCall) {
        let Some(child) = super::child_number(call) else { return };
        let mut view = self.view(pid).clone();
        if call.args.iter().any(|e| mentions(e, "CLONE_NEWNS")) {
            self.mounts.push(self.mounts[view.namespace].clone());
            view.namespace = self.mounts.len() - 1;
        }
        let files: Vec<_> = self.open.range((pid, 0)..=(pid, i64::MAX)).map(|((_, fd), f)| (*fd, f.clone())).collect();
        for (fd, file) in files {
            self.open.insert((Some(child), fd), file);
        }
        self.views.entry(Some(child)).or_insert(view);
    }

    fn new_namespace(&mut self, pid: Option<u32>) {
        let old = self.view(pid).namespace;
        self.mounts.push(self.mounts[old].clone());
        self.view(pid).namespace = self.mounts.len() - 1;
    }

    /// Where a path of a call leads in the first root; `None` when it is on a file system that the log has mounted.
    fn path_at(&mut self, pid: Option<u32>, dir: Option<&Expr>, path: String) -> Option<String> {
        self.path_below(pid, dir, path, usize::MAX)
    }

    /// The same as long as there were only the first `mounts` mounts.
    fn path_below(&mut self, pid: Option<u32>, dir: Option<&Expr>, path: String, mounts: usize) -> Option<String> {
        let view = self.view(pid).clone();
        let own = |path: &str| path.strip_prefix("/proc/self/fd/").map(str::to_owned);
        let (start, rest) = match dir {
            // A descriptor by its name in /proc is the file that it is open on.
            _ if own(&path).is_some() => {
                let named = own(&path)?;
                let (fd, rest) = named.split_once('/').unwrap_or((&named, ""));
                (self.open.get(&(pid, fd.parse().ok()?)).map(|(place, _)| place.clone()), rest.to_owned())
            }
            _ if path.starts_with('/') => (view.root, path),
            Some(dir) if !mentions(dir, "AT_FDCWD") => {
                let fd = number(dir.unnamed().plain());
                let known = fd.and_then(|fd| self.open.get(&(pid, fd))).map(|(place, _)| place.clone());
                match (known, dir.described().filter(|what| what.starts_with('/'))) {
                    (Some(place), _) => (Some(place), path),
                    (None, Some(what)) => (view.root, join(what, &path)),
                    _ => (None, path),
                }
            }
            _ => (view.cwd, path),
        };
        let mut start = start?;
        let mut place = normal(&format!("{start}/{rest}"));
        let list = &self.mounts[view.namespace];
        for mount in list.iter().take(mounts).rev().take(200) {
            // A mount is crossed where the way begins above it, not where it begins in it or below.
            if let Some(rest) = below(&place, &mount.target).filter(|_| below(&start, &mount.target).is_none()) {
                let source = mount.source.clone()?;
                place = normal(&format!("{source}{rest}"));
                start = source;
            }
        }
        Some(place)
    }

    fn found(&mut self, path: Option<String>, ok: bool, note: impl FnOnce(&mut Fact)) {
        if let Some(path) = path.filter(|_| ok) {
            if self.is_made(&path) || is_kernels(&path) {
                return;
            }
            self.parents(&path);
            note(self.facts.entry(path).or_default());
        }
    }

    fn found_with_mode(&mut self, path: Option<String>, ok: bool, stat: Option<&Expr>) {
        let stat = stat.map(|e| e.unnamed().plain());
        let field = stat.and_then(|s| s.field("st_mode").or_else(|| s.field("stx_mode")));
        let mode = field.and_then(|e| e.number(&|n| super::super::constant(n)));
        let directory = field.is_some_and(|e| mentions(e, "S_IFDIR"));
        let special = field
            .is_some_and(|e| ["S_IFLNK", "S_IFCHR", "S_IFBLK", "S_IFSOCK", "S_IFIFO"].iter().any(|k| mentions(e, k)));
        if special {
            return;
        }
        self.found(path, ok, |f| {
            f.directory |= directory;
            f.mode = mode.map(|m| (m & 0o7777) as u32).or(f.mode);
        });
    }

    fn made(&mut self, path: Option<String>, ok: bool, call: &TracedCall) {
        let Some(path) = path else { return };
        if ok {
            if !is_kernels(&path) {
                self.parents(&path);
            }
            self.made.insert(path);
        } else if matches!(&call.ret, Returned::Error(e) if e == "EEXIST") {
            let directory = call.name.starts_with("mkdir");
            self.found(Some(path), true, |f| f.directory |= directory);
        }
    }

    fn opened(&mut self, pid: Option<u32>, call: &TracedCall, path: Option<String>, ok: bool, create: bool, dir: bool) {
        let Some(path) = path else {
            if let Some(fd) = call.ret.value() {
                self.open.remove(&(pid, fd));
            }
            return;
        };
        if ok && below(&path, CGROUPS).is_some() {
            // A file of a control group shows that the group is there: it cannot be made.
            self.parents(&path);
        }
        if create && ok {
            self.made(Some(path.clone()), true, call);
        } else {
            let denied = matches!(&call.ret, Returned::Error(e) if e == "EACCES" || e == "EISDIR" || e == "ELOOP");
            let directory = dir || matches!(&call.ret, Returned::Error(e) if e == "EISDIR");
            self.found(Some(path.clone()), ok || denied, |f| f.directory |= directory);
        }
        if let Some(fd) = call.ret.value() {
            self.open.insert((pid, fd), (path, 0));
        }
    }

    /// What is read from a file that was there is what was in it.
    fn read(&mut self, pid: Option<u32>, call: &TracedCall) {
        let Some(fd) = call.args.first().and_then(|e| number(e.plain())) else { return };
        // A duplicate is known by what strace says that it is.
        if let Some(what) = call.args.first().and_then(Expr::described).filter(|what| what.starts_with('/')) {
            self.open.entry((pid, fd)).or_insert_with(|| (what.to_owned(), 0));
        }
        let Some((path, offset)) = self.open.get_mut(&(pid, fd)) else { return };
        let length = call.ret.value().and_then(|n| usize::try_from(n).ok()).unwrap_or(0);
        let Some(Expr::Str { bytes, whole }) = call.args.get(1).map(Expr::plain) else { return };
        let position = call.args.get(3).filter(|_| call.name == "pread64").and_then(|e| number(e.plain()));
        let Some(fact) = self.facts.get_mut(path).filter(|_| length > 0) else { return };
        // Back to something that was read already, by an lseek(2) that the log does not show.
        let back = fact.size.checked_sub(length).filter(|_| position.is_none() && *whole && *offset >= fact.size);
        if let (Some(back), Some(known)) = (back, fact.content.get_mut(&0))
            && known.get(back..).is_some_and(|rest| !rest.is_empty() && bytes.starts_with(rest))
        {
            known.truncate(back);
            known.extend_from_slice(bytes);
            *offset = fact.size;
            return;
        }
        let at = match position {
            Some(at) => usize::try_from(at).unwrap_or(0),
            None => {
                *offset += length;
                *offset - length
            }
        };
        fact.size = fact.size.max(at.saturating_add(length));
        let shown = &bytes[..length.min(bytes.len())];
        let known = fact.content.entry(at).or_default();
        if known.len() < shown.len() {
            *known = shown.to_vec();
        }
    }

    /// A file from which so much was sent is as long as that.
    fn sent(&mut self, pid: Option<u32>, call: &TracedCall, from: usize) {
        let Some(fd) = call.args.get(from).and_then(|e| number(e.plain())) else { return };
        let length = call.ret.value().and_then(|n| usize::try_from(n).ok()).unwrap_or(0);
        let Some((path, offset)) = self.open.get_mut(&(pid, fd)) else { return };
        *offset += length;
        let path = if path == "/proc/self/exe" { self.programs.get(&pid) } else { Some(&*path) };
        if let Some(fact) = path.and_then(|path| self.facts.get_mut(path)) {
            fact.size = fact.size.max(*offset);
        }
    }

    /// What a process runs has another name than the one by which it was called: that was a link.
    fn runs(&mut self, pid: Option<u32>, target: String) {
        let Some(called) = self.programs.get(&pid).cloned() else { return };
        let Some(place) = self.path_at(pid, None, target.clone()) else { return };
        let script = |fact: &Fact| fact.content.get(&0).is_some_and(|text| text.starts_with(b"#!"));
        if place == called || target.ends_with(" (deleted)") || self.facts.get(&called).is_none_or(script) {
            return;
        }
        self.found(Some(place.clone()), true, |f| f.executable = true);
        if let Some(fact) = self.facts.get_mut(&called).filter(|fact| fact.link.is_none()) {
            fact.executable = false;
            fact.link = Some(target);
        }
        self.programs.insert(pid, place);
    }

    /// open_tree(2) gives a descriptor for a copy of a tree; move_mount(2) puts it somewhere.
    fn moved_tree(&mut self, pid: Option<u32>, call: &TracedCall, from: Option<String>, to: Option<String>) {
        if call.name == "open_tree" {
            if let Some(fd) = call.ret.value() {
                match from {
                    Some(from) => self.open.insert((pid, fd), (from, 0)),
                    None => self.open.remove(&(pid, fd)),
                };
            }
        } else if let Some(target) = to {
            let namespace = self.view(pid).namespace;
            self.mounts[namespace].push(Mount { target, source: from });
        }
    }

    /// The last mount on a path goes.
    fn unmounted(&mut self, pid: Option<u32>, target: &str) {
        let namespace = self.view(pid).namespace;
        for at in (0..self.mounts[namespace].len()).rev() {
            let place = self.path_below(pid, None, target.to_owned(), at);
            if place.as_ref() == Some(&self.mounts[namespace][at].target) {
                self.mounts[namespace].remove(at);
                return;
            }
        }
    }

    fn mounted(&mut self, pid: Option<u32>, call: &TracedCall, ok: bool) {
        let text = |i: usize| call.args.get(i).and_then(|e| string(e.plain()));
        let flag = |name: &str| call.args.get(3).is_some_and(|e| mentions(e, name));
        let target = text(1).and_then(|t| self.path_at(pid, None, t));
        let bind = flag("MS_BIND") && !flag("MS_REMOUNT");
        let changes_only =
            ["MS_REMOUNT", "MS_SHARED", "MS_PRIVATE", "MS_SLAVE", "MS_UNBINDABLE"].iter().any(|f| flag(f));
        let source = text(0).filter(|_| bind || flag("MS_MOVE")).and_then(|s| self.path_at(pid, None, s));
        if source.is_some() {
            self.found(source.clone(), ok, |_| {});
        }
        self.found(target.clone(), ok, |f| f.directory |= source.is_none() && !bind && !changes_only);
        if let (true, Some(source), Some(target)) = (ok && bind, &source, &target) {
            self.bound.push((source.clone(), target.clone()));
        }
        let namespace = self.view(pid).namespace;
        if let (true, false, Some(target)) = (ok, changes_only, target)
            && source.as_ref() != Some(&target)
        {
            self.mounts[namespace].push(Mount { target, source });
        }
    }

    fn parents(&mut self, path: &str) {
        let mut parent = path;
        while let Some((up, _)) = parent.rsplit_once('/') {
            if up.is_empty() || self.is_made(up) {
                return;
            }
            self.facts.entry(up.to_owned()).or_default().directory = true;
            parent = up;
        }
    }

    fn is_made(&self, path: &str) -> bool {
        self.made.contains(path)
    }
}

/// The positions of the paths among a call's arguments, each with that of its directory descriptor.
fn paths_of(name: &str) -> &'static [(Option<usize>, usize)] {
    match name {
        "execve" | "open" | "creat" | "access" | "stat" | "lstat" | "readlink" | "statfs" | "chmod" | "chown"
        | "lchown" | "truncate" | "utime" | "getxattr" | "lgetxattr" | "chdir" | "chroot" | "pivot_root" | "mkdir"
        | "mknod" | "unlink" | "rmdir" | "umount2" | "umount" => &[(None, 0)],
        "open_tree" => &[(Some(0), 1)],
        "move_mount" => &[(Some(0), 1), (Some(2), 3)],
        "link" | "rename" => &[(None, 0), (None, 1)],
        "symlink" => &[(None, 1)],
        "symlinkat" => &[(Some(1), 2)],
        "linkat" | "renameat" | "renameat2" => &[(Some(0), 1), (Some(2), 3)],
        "execveat" | "openat" | "openat2" | "faccessat" | "faccessat2" | "newfstatat" | "fstatat64" | "statx"
        | "readlinkat" | "fchmodat" | "fchownat" | "utimensat" | "mkdirat" | "mknodat" | "unlinkat" => &[(Some(0), 1)],
        _ => &[],
    }
}

/// Where control groups are mounted.
const CGROUPS: &str = "/sys/fs/cgroup";

/// Files that the kernel makes up, and devices: never to be put there.
fn is_kernels(path: &str) -> bool {
    path == "/" || ["/proc", "/sys", "/dev"].iter().any(|top| below(path, top).is_some())
}

/// What of `path` is below `top`: empty for `top` itself.
pub(super) fn below<'p>(path: &'p str, top: &str) -> Option<&'p str> {
    if top == "/" {
        return Some(path);
    }
    path.strip_prefix(top).filter(|rest| rest.is_empty() || rest.starts_with('/'))
}

/// `path`, from `base` when it is relative.
pub(super) fn join(base: &str, path: &str) -> String {
    if path.starts_with('/') { path.to_owned() } else { format!("{base}/{path}") }
}

/// The path without `.`, `..` and doubled slashes.
pub(super) fn normal(path: &str) -> String {
    let mut parts: Vec<&str> = Vec::new();
    for part in path.split('/') {
        match part {
            "" | "." => {}
            ".." => {
                parts.pop();
            }
            part => parts.push(part),
        }
    }
    format!("/{}", parts.join("/"))
}

/// A path in a log, when it is whole.
pub(super) fn string(expr: &Expr) -> Option<String> {
    match expr {
        Expr::Str { bytes, whole: true } => String::from_utf8(bytes.clone()).ok(),
        _ => None,
    }
}

pub(super) fn number(expr: &Expr) -> Option<i64> {
    expr.number(&|name| super::super::constant(name))
}

/// Whether a name appears anywhere in a value.
pub(super) fn mentions(expr: &Expr, name: &str) -> bool {
    match expr {
        Expr::Word(w) => w == name,
        Expr::Field(_, e) | Expr::Prefix(_, e) | Expr::Described(e, _) | Expr::Noted(e, _) => mentions(e, name),
        Expr::Changed(a, b) | Expr::Indexed(a, b) => mentions(a, name) || mentions(b, name),
        Expr::List(items)
        | Expr::Struct(items)
        | Expr::Chain(_, items)
        | Expr::Words(items)
        | Expr::Macro(_, items) => items.iter().any(|e| mentions(e, name)),
        _ => false,
    }
}
