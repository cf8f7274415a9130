//! What is different between two moments: the answer to "what has changed in this step".

use std::collections::BTreeSet;
use std::fmt::Write;

use super::Change;
use super::pid_tree::{StateLetter, instance, namespaces_of};
use crate::console::ConsoleId;
use crate::namespace::{NsKind, NsRef};
use crate::task::{ProcessId, Task, TaskId};
use crate::tty::Tty;
use crate::vfs::fd_table::FdTable;
use crate::vfs::file::FileKind;
use crate::world::World;

/// How many facts are listed; the others are counted.
pub const MAX_FACTS: usize = 60;

/// What has changed.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Changes {
    /// One fact a line.
    pub facts: Vec<Fact>,
    /// How many are not listed.
    pub left_out: usize,
}

/// One thing that has changed.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Fact {
    /// How.
    pub change: Change,
    /// What: `nodename of uts:[4026531838]`.
    pub subject: String,
    /// From what to what, or what it is: `lab → box`.
    pub what: String,
    /// The kind of namespace that it is about, for its letter.
    pub kind: Option<NsKind>,
}

impl Changes {
    /// What has changed from `before` to `after`.
    pub fn between(before: &World, after: &World) -> Changes {
        let mut list = Lister { before, after, facts: Vec::new() };
        list.namespaces();
        list.nodenames();
        list.processes();
        list.mounts();
        let all = list.facts.len();
        list.facts.truncate(MAX_FACTS);
        Changes { left_out: all - list.facts.len(), facts: list.facts }
    }

    /// The list as text, for copying and for tests.
    pub fn text(&self) -> String {
        let mut out = String::new();
        for fact in &self.facts {
            let _ = writeln!(out, "{} {}: {}", fact.change.mark(), fact.subject, fact.what);
        }
        if self.left_out > 0 {
            let _ = writeln!(out, "  and {} more", self.left_out);
        }
        out
    }
}

/// The working directory of a task, as it sees it.
pub fn cwd(world: &World, task: TaskId) -> Option<String> {
    let fs = world.vfs.fs_structs.get(world.tasks.get(task)?.fs)?;
    Some(world.d_path(fs.cwd, task))
}

/// `sh 30000`, with the numbers that it has further in.
pub fn name_of(world: &World, task: TaskId) -> String {
    let Some(t) = world.tasks.get(task) else { return format!("task {task}") };
    let numbers = world.pids.get(t.pid).map(|p| p.numbers.clone()).unwrap_or_default();
    let mut numbers = numbers.iter().map(|(_, nr)| nr.to_string());
    match numbers.next() {
        Some(first) => {
            let inner: Vec<String> = numbers.collect();
            let inner = if inner.is_empty() { String::new() } else { format!(" ({} inside)", inner.join(", ")) };
            format!("{} {first}{inner}", t.comm)
        }
        None => t.comm.clone(),
    }
}

/// `pid:[4026531836]`, as in `/proc/PID/ns`.
fn ns_name(kind: NsKind, inum: u32) -> String {
    format!("{}:[{inum}]", kind.name())
}

struct Lister<'w> {
    before: &'w World,
    after: &'w World,
    facts: Vec<Fact>,
}

impl Lister<'_> {
    fn say(&mut self, change: Change, kind: Option<NsKind>, subject: impl Into<String>, what: impl Into<String>) {
        self.facts.push(Fact { change, subject: subject.into(), what: what.into(), kind });
    }

    /// Namespaces that came or went.
    fn namespaces(&mut self) {
        let (before, after) = (self.before, self.after);
        let changed = changed_namespaces(before, after);
        for ns in &changed {
            if let (None, Some(new)) = (before.ns_common(*ns), after.ns_common(*ns)) {
                let which = ordinal(instance(*ns));
                self.say(Change::New, Some(ns.kind()), ns_name(ns.kind(), new.inum), format!("{which} of its kind"));
            }
        }
        for ns in &changed {
            if let (Some(old), None) = (before.ns_common(*ns), after.ns_common(*ns)) {
                self.say(Change::Gone, Some(ns.kind()), ns_name(ns.kind(), old.inum), "the last reference is gone");
            }
        }
    }

    fn nodenames(&mut self) {
        for (id, new) in self.after.uts_namespaces.iter() {
            let Some(old) = self.before.uts_namespaces.get(id) else { continue };
            for (what, was, is) in
                [("nodename", &old.nodename, &new.nodename), ("domainname", &old.domainname, &new.domainname)]
            {
                if was != is {
                    let subject = format!("{what} in {}", ns_name(NsKind::Uts, new.ns.inum));
                    self.say(Change::Changed, Some(NsKind::Uts), subject, format!("{was} → {is}"));
                }
            }
        }
    }

    fn processes(&mut self) {
        // Ten thousand processes that are as they were are not looked at.
        let mut ids: BTreeSet<ProcessId> =
            self.after.processes.changed_since(&self.before.processes).into_iter().collect();
        let changed = self.after.tasks.changed_since(&self.before.tasks);
        ids.extend(changed.into_iter().filter_map(|task| self.after.tasks.get(task)).map(|task| task.process));
        for id in ids {
            match (self.before.processes.get(id), self.after.processes.get(id)) {
                (None, Some(p)) => {
                    let name = name_of(self.after, p.leader);
                    let parent = p.parent.and_then(|p| self.after.processes.get(p));
                    let what =
                        parent.map_or_else(String::new, |p| format!("child of {}", name_of(self.after, p.leader)));
                    self.say(Change::New, None, format!("process {name}"), what);
                }
                (Some(p), None) => {
                    let name = name_of(self.before, p.leader);
                    self.say(Change::Gone, None, format!("process {name}"), "its status was collected");
                }
                (Some(old), Some(new))
                    if self.before.tasks.get(old.leader) != self.after.tasks.get(new.leader) || old != new =>
                {
                    self.process(id);
                }
                _ => {}
            }
        }
    }

    /// What has changed in a process that was there and still is.
    fn process(&mut self, id: ProcessId) {
        let (before, after) = (self.before, self.after);
        let (Some(old), Some(new)) = (before.processes.get(id), after.processes.get(id)) else { return };
        let (Some(was), Some(is)) = (before.tasks.get(old.leader), after.tasks.get(new.leader)) else { return };
        let name = name_of(after, new.leader);
        if was.user.image != is.user.image {
            self.say(Change::Changed, None, format!("program of {name}"), is.user.image.argv.join(" "));
        }
        if old.parent != new.parent
            && let Some(parent) = new.parent.and_then(|p| after.processes.get(p))
        {
            self.say(Change::Changed, None, format!("parent of {name}"), name_of(after, parent.leader));
        }
        if let Some(what) = state_change(was, is) {
            self.say(Change::Changed, None, format!("state of {name}"), what);
        }
        if old.threads.len() != new.threads.len() {
            let what = format!("{} → {}", old.threads.len(), new.threads.len());
            self.say(Change::Changed, None, format!("threads of {name}"), what);
        }
        let entered = namespaces_of(before, old.leader);
        for (ns, inum) in namespaces_of(after, new.leader) {
            let from = entered.iter().find(|(o, _)| o.kind() == ns.kind());
            if let Some((o, from)) = from
                && *o != ns
            {
                let what = format!("{} → {}", ns_name(ns.kind(), *from), ns_name(ns.kind(), inum));
                self.say(Change::Changed, Some(ns.kind()), format!("{} namespace of {name}", ns.kind().name()), what);
            }
        }
        let (child_was, child_is) = (was.nsproxy.pid_for_children, is.nsproxy.pid_for_children);
        if child_was != child_is
            && let Some(ns) = after.pid_namespaces.get(child_is)
        {
            let what = format!("its next children are born in {}", ns_name(NsKind::Pid, ns.ns.inum));
            self.say(Change::Changed, Some(NsKind::Pid), format!("pid_for_children of {name}"), what);
        }
        if was.cred != is.cred {
            self.say(Change::Changed, None, format!("credentials of {name}"), credentials(was, is));
        }
        let (from, to) = (cwd(before, old.leader), cwd(after, new.leader));
        if let (Some(from), Some(to)) = (from, to)
            && from != to
        {
            self.say(Change::Changed, None, format!("working directory of {name}"), format!("{from} → {to}"));
        }
        self.descriptors(was, is, &name);
    }

    fn descriptors(&mut self, was: &Task, is: &Task, name: &str) {
        let table = |w: &World, t: &Task| t.files.and_then(|f| w.vfs.fd_tables.get(f).cloned());
        let (Some(old), Some(new)) = (table(self.before, was), table(self.after, is)) else { return };
        if old.fds == new.fds {
            return;
        }
        let fds: BTreeSet<i32> = old.fds.keys().chain(new.fds.keys()).copied().collect();
        for fd in fds {
            let target =
                |w: &World, table: &FdTable, task| table.fds.get(&fd).map(|entry| description(w, entry.file, task));
            let (from, to) = (target(self.before, &old, was.id), target(self.after, &new, is.id));
            match (from, to) {
                (None, Some(to)) => self.say(Change::New, None, format!("descriptor {fd} of {name}"), to),
                (Some(from), None) => self.say(Change::Gone, None, format!("descriptor {fd} of {name}"), from),
                (Some(from), Some(to)) if from != to => {
                    self.say(Change::Changed, None, format!("descriptor {fd} of {name}"), format!("{from} → {to}"));
                }
                _ => {}
            }
        }
    }

    fn mounts(&mut self) {
        let changed = self.after.vfs.mounts.changed_since(&self.before.vfs.mounts);
        for (id, mount) in changed.iter().filter_map(|id| Some((*id, self.after.vfs.mounts.get(*id)?))) {
            let place = |w: &World| mount.place.map_or_else(|| "/".to_owned(), |p| w.path_from(p, p).0);
            match self.before.vfs.mounts.get(id) {
                None if mount.ns.is_some() && self.is_known(mount.ns) => {
                    let what = format!("{} on {}", mount.source, whole_path(self.after, id));
                    self.say(Change::New, Some(NsKind::Mnt), format!("mount {id}"), what);
                }
                Some(old) if old.propagation != mount.propagation && self.is_known(mount.ns) => {
                    let where_ = whole_path(self.after, id);
                    let what = format!("{} → {}", propagation(old.propagation), propagation(mount.propagation));
                    self.say(Change::Changed, Some(NsKind::Mnt), format!("propagation of {where_}"), what);
                }
                Some(old) if old.ns.is_some() && mount.ns.is_none() => {
                    self.say(Change::Gone, Some(NsKind::Mnt), format!("mount {id}"), place(self.after));
                }
                _ => {}
            }
        }
        for (id, mount) in changed.iter().filter_map(|id| Some((*id, self.before.vfs.mounts.get(*id)?))) {
            if !self.after.vfs.mounts.contains(id) && mount.ns.is_some() {
                let still = mount.ns.is_some_and(|ns| self.after.mnt_namespaces.contains(ns));
                if still {
                    let what = format!("{} on {}", mount.source, whole_path(self.before, id));
                    self.say(Change::Gone, Some(NsKind::Mnt), format!("mount {id}"), what);
                }
            }
        }
    }

    /// Whether a mount namespace was there before the step: the copies in a new one are no news.
    fn is_known(&self, ns: Option<crate::namespace::mnt::MntNsId>) -> bool {
        ns.is_some_and(|ns| self.before.mnt_namespaces.contains(ns))
    }
}

/// Where a mount is attached, from the root of its namespace.
fn whole_path(world: &World, mount: crate::vfs::mount::MountId) -> String {
    let Some(place) = world.vfs.mounts.get(mount).and_then(|m| m.place) else { return "/".to_owned() };
    let mut top = place.mnt;
    while let Some(above) = world.vfs.mounts.get(top).and_then(|m| m.place) {
        top = above.mnt;
    }
    let Some(root) = world.vfs.mounts.get(top).map(|m| m.root) else { return "/".to_owned() };
    world.path_from(place, crate::vfs::path::VfsPath { mnt: top, node: root }).0
}

fn propagation(p: crate::vfs::mount::Propagation) -> String {
    let mut words = Vec::new();
    words.extend(p.shared.map(|group| format!("shared:{group}")));
    words.extend(p.master.map(|group| format!("master:{group}")));
    if p.unbindable {
        words.push("unbindable".to_owned());
    }
    if words.is_empty() { "private".to_owned() } else { words.join(" ") }
}

/// A change of state worth saying: waking up and going to sleep is what everybody does all the time.
fn state_change(was: &Task, is: &Task) -> Option<String> {
    let (from, to) = (StateLetter::of(&was.state), StateLetter::of(&is.state));
    let plain = |s| matches!(s, StateLetter::Running | StateLetter::Sleeping);
    (from != to && !(plain(from) && plain(to))).then(|| format!("{} → {}", from.word(), to.word()))
}

fn credentials(was: &Task, is: &Task) -> String {
    let (a, b) = (&was.cred, &is.cred);
    let mut parts = Vec::new();
    if (a.uid, a.euid) != (b.uid, b.euid) {
        parts.push(format!("uid {} → {}", a.euid.0, b.euid.0));
    }
    if (a.gid, a.egid) != (b.gid, b.egid) {
        parts.push(format!("gid {} → {}", a.egid.0, b.egid.0));
    }
    if a.effective != b.effective {
        parts.push("effective capabilities".to_owned());
    } else if a.permitted != b.permitted {
        parts.push("permitted capabilities".to_owned());
    }
    if a.user_ns != b.user_ns {
        parts.push("user namespace".to_owned());
    }
    if parts.is_empty() {
        parts.push("groups or other capability sets".to_owned());
    }
    parts.join(", ")
}

/// What an open file is, as a learner would say it.
fn description(world: &World, file: crate::vfs::file::FileId, task: TaskId) -> String {
    let Some(file) = world.vfs.files.get(file) else { return "?".to_owned() };
    match &file.kind {
        FileKind::Path(path) => world.d_path(*path, task),
        FileKind::PipeRead(pipe, _) => format!("reading end of pipe {pipe}"),
        FileKind::PipeWrite(pipe, _) => format!("writing end of pipe {pipe}"),
        FileKind::PipeBoth(pipe, _) => format!("both ends of pipe {pipe}"),
        FileKind::Tty(Tty::Console(ConsoleId(n)), _) => format!("console {n}"),
        FileKind::Tty(Tty::Pty(_), path) => world.d_path(*path, task),
        FileKind::PtyMaster(id, _) => format!("master end of {}", world.tty_name(Tty::Pty(*id))),
        FileKind::HungUpTty(_, path) => format!("{}, which has hung up", world.d_path(*path, task)),
        FileKind::Socket(id) => world.socket_name(*id),
        FileKind::PidFd(_) => "a process".to_owned(),
        FileKind::MountTree(path) => format!("detached mounts at {}", world.d_path(*path, task)),
        FileKind::FsContext(fc) => format!("a context for {}", fc.fs_type),
        FileKind::Tun(_, path) => world.d_path(*path, task),
        FileKind::Epoll(_) => "a list of descriptors to wait for".to_owned(),
        FileKind::EventFd(_) => "a counter of events".to_owned(),
        FileKind::Placeholder(what) => what.clone(),
        FileKind::Device(device) => device.name.clone(),
    }
}

/// Namespaces that came, went or are not as they were.
fn changed_namespaces(before: &World, after: &World) -> BTreeSet<NsRef> {
    let (a, b) = (after, before);
    let mut all = BTreeSet::new();
    all.extend(a.uts_namespaces.changed_since(&b.uts_namespaces).into_iter().map(NsRef::Uts));
    all.extend(a.ipc_namespaces.changed_since(&b.ipc_namespaces).into_iter().map(NsRef::Ipc));
    all.extend(a.pid_namespaces.changed_since(&b.pid_namespaces).into_iter().map(NsRef::Pid));
    all.extend(a.mnt_namespaces.changed_since(&b.mnt_namespaces).into_iter().map(NsRef::Mnt));
    all.extend(a.net_namespaces.changed_since(&b.net_namespaces).into_iter().map(NsRef::Net));
    all.extend(a.user_namespaces.changed_since(&b.user_namespaces).into_iter().map(NsRef::User));
    all.extend(a.cgroup_namespaces.changed_since(&b.cgroup_namespaces).into_iter().map(NsRef::Cgroup));
    all.extend(a.time_namespaces.changed_since(&b.time_namespaces).into_iter().map(NsRef::Time));
    all
}

/// `2nd`
fn ordinal(n: u32) -> String {
    let suffix = match (n % 10, n % 100) {
        (_, 11..=13) => "th",
        (1, _) => "st",
        (2, _) => "nd",
        (3, _) => "rd",
        _ => "th",
    };
    format!("{n}{suffix}")
}
