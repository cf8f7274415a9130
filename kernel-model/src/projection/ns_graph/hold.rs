//! What holds namespaces, found in a world.

use std::collections::{BTreeMap, BTreeSet};

use super::super::Change;
use super::super::pid_tree::instance;
use crate::namespace::pid::PidNsId;
use crate::namespace::{NsKind, NsRef};
use crate::task::{Task, TaskId, TaskState};
use crate::vfs::Node;
use crate::vfs::fd_table::Fd;
use crate::vfs::file::FileKind;
use crate::vfs::mount::MountId;
use crate::world::World;

/// How many names a label gives before it counts.
const NAMES_SHOWN: usize = 3;

/// Something that holds namespaces.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Holder {
    /// Tasks that are in the same namespaces of all kinds, in the order in which they were made.
    Tasks(Vec<TaskId>),
    /// Processes that have exited and not been waited for: their number and their user remain.
    Zombies(Vec<TaskId>),
    /// Children of these tasks are to be born into other namespaces than their parents'.
    Births(Vec<TaskId>),
    /// An open descriptor of `/proc/PID/ns/KIND`, or of a bind mount of it.
    Descriptor(TaskId, Fd),
    /// A socket that stays in the network namespace in which it was made, though its process has gone elsewhere.
    Socket(TaskId, Fd),
    /// A namespace bind mounted on a file.
    BindMount(MountId),
}

impl Holder {
    /// The tasks that it stands for.
    pub fn tasks(&self) -> &[TaskId] {
        match self {
            Holder::Tasks(tasks) | Holder::Zombies(tasks) | Holder::Births(tasks) => tasks,
            Holder::Descriptor(task, _) | Holder::Socket(task, _) => std::slice::from_ref(task),
            Holder::BindMount(_) => &[],
        }
    }
}

/// What of a holder does not change while it lasts: by this it is found again in the world after.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(in super::super) enum Key {
    Tasks(Vec<NsRef>),
    Zombies(Vec<NsRef>),
    Births(Vec<NsRef>),
    Descriptor(TaskId, Fd, NsRef),
    Socket(TaskId, Fd, NsRef),
    BindMount(MountId, NsRef),
}

/// A row that has not got its place yet.
#[derive(Clone, Debug)]
pub(super) struct Draft {
    pub holder: Holder,
    pub holds: Vec<NsRef>,
    pub change: Change,
    /// Names of the first of its tasks, or of what it is.
    pub name: String,
}

impl Draft {
    pub(super) fn label(&self, after: &World, before: &World) -> String {
        match &self.holder {
            Holder::Tasks(tasks) | Holder::Zombies(tasks) => names(after, before, tasks),
            Holder::Births(tasks) => format!("children of {}", names(after, before, tasks)),
            _ => self.name.clone(),
        }
    }

    pub(super) fn note(&self) -> String {
        match &self.holder {
            Holder::Tasks(tasks) if tasks.len() == 1 => "1 process".to_owned(),
            Holder::Tasks(tasks) => format!("{} processes or threads", tasks.len()),
            Holder::Zombies(_) => "zombie".to_owned(),
            Holder::Births(_) => "not born yet".to_owned(),
            Holder::Descriptor(..) => "open descriptor".to_owned(),
            Holder::Socket(..) => "open socket".to_owned(),
            Holder::BindMount(_) => "bind mount".to_owned(),
        }
    }

    /// Why a namespace lives, in the words of a list.
    pub(super) fn reason(&self) -> String {
        match &self.holder {
            Holder::Tasks(tasks) if tasks.len() > 1 => format!("{} processes or threads", tasks.len()),
            Holder::Tasks(_) => self.name.clone(),
            Holder::Zombies(_) => format!("the zombie {}", self.name),
            Holder::Births(_) => format!("children that {} may have", self.name),
            _ => self.name.clone(),
        }
    }

    /// What rows must have in common to be folded into one: what they are called and which of the first
    /// namespaces they share. Which instance the others are does not matter.
    pub(super) fn likeness(&self) -> (u8, String, Vec<(NsKind, bool)>) {
        let what = match &self.holder {
            Holder::Tasks(_) => 0,
            Holder::Zombies(_) => 1,
            Holder::Births(_) => 2,
            Holder::Descriptor(..) => 3,
            Holder::Socket(..) => 4,
            Holder::BindMount(_) => 5,
        };
        let word: String = self.name.chars().take_while(|c| !c.is_ascii_digit()).collect();
        (what, word, self.holds.iter().map(|ns| (ns.kind(), instance(*ns) == 1)).collect())
    }
}

fn names(after: &World, before: &World, tasks: &[TaskId]) -> String {
    let mut text: Vec<String> = tasks.iter().take(NAMES_SHOWN).map(|task| name(after, before, *task)).collect();
    if tasks.len() > NAMES_SHOWN {
        text.push(format!("{} more", tasks.len() - NAMES_SHOWN));
    }
    text.join(", ")
}

/// `sh 30000`: with the number in the first PID namespace.
fn name(after: &World, before: &World, task: TaskId) -> String {
    let world = if after.tasks.contains(task) { after } else { before };
    let Some(t) = world.tasks.get(task) else { return format!("task {task}") };
    let number = world.pids.get(t.pid).and_then(|p| p.numbers.first()).map(|(_, nr)| *nr);
    number.map_or_else(|| t.comm.clone(), |nr| format!("{} {nr}", t.comm))
}

/// Tasks by what they hold: kept from step to step, as there may be ten thousand of them.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub(in super::super) struct TaskHolds(BTreeMap<Key, BTreeSet<TaskId>>);

impl TaskHolds {
    /// A task was like this; now it is like that. Each comes with its PID namespace.
    pub(in super::super) fn change(&mut self, was: Option<(&Task, PidNsId)>, is: Option<(&Task, PidNsId)>) {
        if let Some((task, home)) = was {
            for key in keys_of(task, home) {
                if let Some(tasks) = self.0.get_mut(&key) {
                    tasks.remove(&task.id);
                    if tasks.is_empty() {
                        self.0.remove(&key);
                    }
                }
            }
        }
        if let Some((task, home)) = is {
            for key in keys_of(task, home) {
                self.0.entry(key).or_default().insert(task.id);
            }
        }
    }

    /// As they were in an older world, from which this one does not differ much.
    fn before(&self, before: &World, after: &World) -> TaskHolds {
        let mut holds = self.clone();
        for id in after.tasks.changed_since(&before.tasks) {
            holds.change(housed(after, id), housed(before, id));
        }
        holds
    }
}

fn housed(world: &World, task: TaskId) -> Option<(&Task, PidNsId)> {
    let task = world.tasks.get(task)?;
    Some((task, world.pids.get(task.pid)?.numbers.last()?.0))
}

/// What holds namespaces in both worlds: before and after.
pub(super) fn both(index: &TaskHolds, before: &World, after: &World) -> (BTreeMap<Key, Holder>, BTreeMap<Key, Holder>) {
    (holders(before, index.before(before, after)), holders(after, index.clone()))
}

/// Everything that holds namespaces in a world.
fn holders(world: &World, tasks: TaskHolds) -> BTreeMap<Key, Holder> {
    let holder = |(key, tasks): (Key, BTreeSet<TaskId>)| {
        let tasks = tasks.into_iter().collect();
        let holder = match key {
            Key::Zombies(_) => Holder::Zombies(tasks),
            Key::Births(_) => Holder::Births(tasks),
            _ => Holder::Tasks(tasks),
        };
        (key, holder)
    };
    let mut all: BTreeMap<Key, Holder> = tasks.0.into_iter().map(holder).collect();
    descriptors(world, &mut all);
    for (id, mount) in world.vfs.mounts.iter() {
        if let Node::Ns(ns) = mount.root
            && mount.place.is_some()
        {
            all.insert(Key::BindMount(id, ns), Holder::BindMount(id));
        }
    }
    all
}

/// What a task in this PID namespace holds.
fn keys_of(task: &Task, pid_ns: PidNsId) -> Vec<Key> {
    if task.state == TaskState::Dead {
        return Vec::new();
    }
    let (user, pid) = (NsRef::User(task.cred.user_ns), NsRef::Pid(pid_ns));
    if task.state.has_exited() {
        return vec![Key::Zombies(vec![pid, user])];
    }
    let p = &task.nsproxy;
    // In the order of `NsKind::SHOWN`.
    let set = vec![
        NsRef::Uts(p.uts),
        NsRef::Ipc(p.ipc),
        pid,
        NsRef::Mnt(p.mnt),
        NsRef::Net(p.net),
        user,
        NsRef::Cgroup(p.cgroup),
        NsRef::Time(p.time),
    ];
    let mut keys = vec![Key::Tasks(set)];
    let mut births = Vec::new();
    births.extend((p.pid_for_children != pid_ns).then_some(NsRef::Pid(p.pid_for_children)));
    births.extend((p.time_for_children != p.time).then_some(NsRef::Time(p.time_for_children)));
    if !births.is_empty() {
        keys.push(Key::Births(births));
    }
    keys
}

/// Descriptors of namespaces, and sockets in a network namespace that is not their process' own.
fn descriptors(world: &World, all: &mut BTreeMap<Key, Holder>) {
    let special = |kind: &FileKind| match kind {
        FileKind::Path(path) => matches!(path.node, Node::Ns(_)),
        FileKind::Socket(_) => true,
        _ => false,
    };
    // Few files are namespaces or sockets: without any, no table of descriptors has to be gone through.
    if !world.vfs.files.iter().any(|(_, file)| special(&file.kind)) {
        return;
    }
    for (id, task) in world.tasks.iter() {
        let Some(table) = task.files.and_then(|files| world.vfs.fd_tables.get(files)) else { continue };
        for (fd, entry) in table.fds.iter() {
            let fd = *fd;
            match world.vfs.files.get(entry.file).map(|file| &file.kind) {
                Some(FileKind::Path(path)) => {
                    if let Node::Ns(ns) = path.node {
                        all.insert(Key::Descriptor(id, fd, ns), Holder::Descriptor(id, fd));
                    }
                }
                Some(FileKind::Socket(socket)) => {
                    if let Some(net) = world.sockets.get(*socket).map(|s| s.net)
                        && net != task.nsproxy.net
                    {
                        all.insert(Key::Socket(id, fd, NsRef::Net(net)), Holder::Socket(id, fd));
                    }
                }
                _ => {}
            }
        }
    }
}

/// Rows of both worlds, those that are gone among them, each with what the step did to it.
pub(super) fn merged(
    before: &World,
    after: &World,
    old: BTreeMap<Key, Holder>,
    new: BTreeMap<Key, Holder>,
) -> Vec<Draft> {
    let mut drafts = Vec::with_capacity(new.len());
    for (key, holder) in &new {
        let change = Change::between(old.get(key), Some(holder));
        drafts.push(draft(before, after, key.clone(), holder.clone(), change));
    }
    for (key, holder) in old {
        if !new.contains_key(&key) {
            drafts.push(draft(before, after, key, holder, Change::Gone));
        }
    }
    drafts
}

fn draft(before: &World, after: &World, key: Key, holder: Holder, change: Change) -> Draft {
    let first = holder.tasks().first().map(|task| name(after, before, *task)).unwrap_or_default();
    let name = match &holder {
        Holder::Tasks(_) | Holder::Zombies(_) | Holder::Births(_) => first,
        Holder::Descriptor(_, fd) => format!("descriptor {fd} of {first}"),
        Holder::Socket(_, fd) => format!("socket {fd} of {first}"),
        Holder::BindMount(id) => {
            let world = if after.vfs.mounts.contains(*id) { after } else { before };
            format!("bind mount on {}", world.mount_point_text(*id))
        }
    };
    let holds = match key {
        Key::Tasks(set) | Key::Zombies(set) | Key::Births(set) => set,
        Key::Descriptor(_, _, ns) | Key::Socket(_, _, ns) | Key::BindMount(_, ns) => vec![ns],
    };
    Draft { holder, holds, change, name }
}
