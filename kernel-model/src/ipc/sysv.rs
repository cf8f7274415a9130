//! System V objects: what message queues, semaphore sets and shared memory segments have in common, as in
//! sysvipc(7) and `ipc/util.c`.
//!
//! An object is found by its key when it is asked for, and by its id from then on. An id is made of the slot
//! that the object has and of a sequence number, so that the id of an object that is gone does not lead to
//! the next one in its slot.

pub mod msg;
pub mod sem;
pub mod shm;

use imbl::OrdMap;
use serde::{Deserialize, Serialize};

use crate::errno::Errno;
use crate::event::EventKind;
use crate::kernel::Kernel;
use crate::namespace::ipc::{IpcNamespace, IpcNsId};
use crate::namespace::pid::{Pid, PidNsId};
use crate::security::capability::Cap;
use crate::security::credentials::{Kgid, Kuid};
use crate::syscall::Value;
use crate::task::TaskId;
use crate::world::World;

/// The key that asks for an object without one.
pub const IPC_PRIVATE: i32 = 0;
/// Make the object when there is none with the key.
pub const IPC_CREAT: i64 = 0o1000;
/// Fail when there is one.
pub const IPC_EXCL: i64 = 0o2000;
/// Fail rather than wait.
pub const IPC_NOWAIT: i64 = 0o4000;

/// Permission to read, for everybody (`S_IRUGO`).
pub const S_IRUGO: u32 = 0o444;
/// Permission to write, for everybody (`S_IWUGO`).
pub const S_IWUGO: u32 = 0o222;
/// The permission bits.
const S_IRWXUGO: u32 = 0o777;

/// How many slots there are (`IPCMNI`).
const IPCMNI: u32 = 32_768;
/// How many bits of an id the slot takes.
const IPCMNI_SHIFT: u32 = 15;
/// Sequence numbers begin anew here.
const IPCID_SEQ_MAX: u32 = (i32::MAX as u32) >> IPCMNI_SHIFT;
/// As many slots are gone through before one is used again (`ipc_min_cycle`).
const IPC_MIN_CYCLE: u32 = 64;

/// The three kinds of objects.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
#[allow(missing_docs)] // the three kinds of sysvipc(7)
pub enum IpcKind {
    Msg,
    Sem,
    Shm,
}

impl IpcKind {
    /// What it is called.
    pub fn name(self) -> &'static str {
        match self {
            IpcKind::Msg => "message queue",
            IpcKind::Sem => "semaphore set",
            IpcKind::Shm => "shared memory segment",
        }
    }
}

/// Who may do what with an object (`struct kern_ipc_perm`).
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
#[allow(missing_docs)] // the fields of sysvipc(7)
pub struct Perm {
    pub key: i32,
    pub id: i32,
    pub uid: Kuid,
    pub gid: Kgid,
    pub cuid: Kuid,
    pub cgid: Kgid,
    pub mode: u32,
}

/// The numbers of a process that did something; they stay known when it is gone. Empty for nobody.
pub type PidNumbers = Vec<(PidNsId, Pid)>;

/// The number among them that counts in a PID namespace; 0 for nobody, or somebody who cannot be seen.
pub fn pid_nr_ns(numbers: &PidNumbers, ns: PidNsId) -> Pid {
    numbers.iter().find(|(n, _)| *n == ns).map_or(0, |(_, nr)| *nr)
}

/// All objects of a kind in a namespace (`struct ipc_ids`).
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
#[serde(bound(serialize = "T: Clone + Serialize", deserialize = "T: Clone + Deserialize<'de>"))]
pub struct IpcIds<T> {
    /// The present sequence number.
    seq: u32,
    /// Where the search for a free slot begins.
    next: u32,
    /// The slot that was taken last.
    last: Option<u32>,
    slots: OrdMap<u32, T>,
}

impl<T> Default for IpcIds<T> {
    fn default() -> Self {
        IpcIds { seq: 0, next: 0, last: None, slots: OrdMap::new() }
    }
}

/// The slot that an id names (`ipcid_to_idx`).
fn slot_of(id: i32) -> u32 {
    id as u32 & (IPCMNI - 1)
}

impl<T: IpcObject> IpcIds<T> {
    /// How many objects there are.
    pub fn in_use(&self) -> usize {
        self.slots.len()
    }

    /// The highest slot in use; 0 when none is, as the kernel answers.
    pub fn max_index(&self) -> u32 {
        self.slots.get_max().map_or(0, |(slot, _)| *slot)
    }

    /// All objects in the order of their slots.
    pub fn iter(&self) -> impl Iterator<Item = &T> {
        self.slots.values()
    }

    /// The object with this id.
    pub fn get(&self, id: i32) -> Option<&T> {
        self.slots.get(&slot_of(id)).filter(|object| object.perm().id == id)
    }

    /// The object in the slot that this number names, whatever its sequence number (`*_STAT`).
    pub fn at_index(&self, index: i32) -> Option<&T> {
        self.slots.get(&slot_of(index))
    }

    fn get_mut(&mut self, id: i32) -> Option<&mut T> {
        self.slots.get_mut(&slot_of(id)).filter(|object| object.perm().id == id)
    }

    fn with_key(&self, key: i32) -> Option<&T> {
        self.slots.values().find(|object| object.perm().key == key && key != IPC_PRIVATE)
    }

    /// A free slot, going round (`idr_alloc_cyclic`).
    fn free_slot(&self) -> Option<u32> {
        let end = (self.slots.len() as u32 * 3 / 2).clamp(IPC_MIN_CYCLE, IPCMNI);
        let is_free = |slot: &u32| !self.slots.contains_key(slot);
        (self.next..end).find(is_free).or_else(|| (0..end).find(is_free))
    }

    /// Puts an object in; its id (`ipc_idr_alloc`).
    fn add(&mut self, mut object: T) -> Option<i32> {
        let slot = self.free_slot()?;
        self.next = slot + 1;
        if self.last.is_some_and(|last| slot <= last) {
            self.seq = (self.seq + 1) % IPCID_SEQ_MAX;
        }
        self.last = Some(slot);
        let id = (self.seq << IPCMNI_SHIFT | slot) as i32;
        object.perm_mut().id = id;
        self.slots.insert(slot, object);
        Some(id)
    }
}

/// An object of one of the three kinds.
pub trait IpcObject: Clone {
    /// Its kind.
    const KIND: IpcKind;
    /// Who may do what with it.
    fn perm(&self) -> &Perm;
    /// The same, to change it.
    fn perm_mut(&mut self) -> &mut Perm;
    /// Its kind's objects in a namespace.
    fn ids(ns: &IpcNamespace) -> &IpcIds<Self>;
    /// The same, to change them.
    fn ids_mut(ns: &mut IpcNamespace) -> &mut IpcIds<Self>;
}

impl World {
    /// The IPC namespace of a task.
    pub fn ipc_ns_of(&self, task: TaskId) -> IpcNsId {
        self.tasks[task].nsproxy.ipc
    }

    /// The object with this id, as `task` means it (`ipc_obtain_object_check`).
    ///
    /// # Errors
    /// EINVAL when there is none.
    pub(crate) fn ipc_object<T: IpcObject>(&self, task: TaskId, id: i32) -> Result<&T, Errno> {
        T::ids(&self.ipc_namespaces[self.ipc_ns_of(task)]).get(id).ok_or(Errno::EINVAL)
    }

    /// The same, to change it.
    ///
    /// # Errors
    /// EINVAL when there is none.
    pub(crate) fn ipc_object_mut<T: IpcObject>(&mut self, task: TaskId, id: i32) -> Result<&mut T, Errno> {
        let ns = self.ipc_ns_of(task);
        T::ids_mut(&mut self.ipc_namespaces[ns]).get_mut(id).ok_or(Errno::EINVAL)
    }

    /// The object that a stat command means, by id or by slot, and whether permission to read it is needed.
    ///
    /// # Errors
    /// EINVAL when there is none.
    pub(crate) fn ipc_stat_object<T: IpcObject>(&self, task: TaskId, id: i32, by: StatBy) -> Result<&T, Errno> {
        let ids = T::ids(&self.ipc_namespaces[self.ipc_ns_of(task)]);
        match by {
            StatBy::Id => ids.get(id),
            StatBy::Index | StatBy::AnyIndex => ids.at_index(id),
        }
        .ok_or(Errno::EINVAL)
    }

    /// The numbers of the process of a task.
    pub(crate) fn tgid_numbers(&self, task: TaskId) -> PidNumbers {
        let leader = self.processes[self.tasks[task].process].leader;
        self.pids[self.tasks[leader].pid].numbers.clone()
    }

    /// Unix time in seconds.
    pub(crate) fn ipc_now(&self) -> i64 {
        (self.unix_time().0 / 1_000_000_000) as i64
    }

    /// `struct ipc_perm` as `task` sees it.
    pub(crate) fn ipc_perm_value(&self, task: TaskId, perm: &Perm) -> Value {
        let viewer = &self.user_namespaces[self.tasks[task].cred.user_ns];
        Value::record([
            ("uid", viewer.uid(perm.uid).into()),
            ("gid", viewer.gid(perm.gid).into()),
            ("mode", perm.mode.into()),
            ("key", perm.key.into()),
            ("cuid", viewer.uid(perm.cuid).into()),
            ("cgid", viewer.gid(perm.cgid).into()),
        ])
    }
}

/// How a stat command names its object.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum StatBy {
    /// `IPC_STAT`: by id.
    Id,
    /// `MSG_STAT` and its like: by slot.
    Index,
    /// `MSG_STAT_ANY` and its like: by slot, whatever the permissions.
    AnyIndex,
}

impl Kernel<'_> {
    /// Whether `task` may use an object in this way (`ipcperms`).
    ///
    /// # Errors
    /// EACCES.
    pub(crate) fn ipcperms(&mut self, task: TaskId, perm: &Perm, flags: u32) -> Result<(), Errno> {
        let cred = &self.tasks[task].cred;
        let requested = flags >> 6 | flags >> 3 | flags;
        let granted = if cred.euid == perm.cuid || cred.euid == perm.uid {
            perm.mode >> 6
        } else if cred.in_group(perm.cgid) || cred.in_group(perm.gid) {
            perm.mode >> 3
        } else {
            perm.mode
        };
        let owner = self.ipc_namespaces[self.ipc_ns_of(task)].ns.owner;
        if requested & !granted & 0o7 != 0 && !self.capable_in(task, owner, Cap::IPC_OWNER) {
            return Err(Errno::EACCES);
        }
        Ok(())
    }

    /// The id of the object with a key, which is made if need be (`ipcget`). `make` checks what is asked for and
    /// makes the object; `fits` says whether one that is there will do.
    ///
    /// # Errors
    /// ENOENT, EEXIST, EACCES; those of `make` and `fits`; ENOSPC at `limit`.
    pub(crate) fn ipc_get<T: IpcObject>(
        &mut self,
        task: TaskId,
        key: i32,
        flags: i64,
        limit: &str,
        fits: impl FnOnce(&T) -> Result<(), Errno>,
        make: impl FnOnce(&mut Self, Perm) -> Result<T, Errno>,
    ) -> Result<i32, Errno> {
        let ns = self.ipc_ns_of(task);
        if let Some(found) = T::ids(&self.ipc_namespaces[ns]).with_key(key) {
            if flags & IPC_CREAT != 0 && flags & IPC_EXCL != 0 {
                return Err(Errno::EEXIST);
            }
            fits(found)?;
            let perm = found.perm().clone();
            self.ipcperms(task, &perm, flags as u32 & S_IRWXUGO)?;
            return Ok(perm.id);
        }
        if key != IPC_PRIVATE && flags & IPC_CREAT == 0 {
            return Err(Errno::ENOENT);
        }
        let (uid, gid) = (self.tasks[task].cred.euid, self.tasks[task].cred.egid);
        let mode = flags as u32 & S_IRWXUGO;
        let object = make(self, Perm { key, id: 0, uid, gid, cuid: uid, cgid: gid, mode })?;
        let limit = self.ipc_limit(ns, limit).min(u64::from(IPCMNI));
        let ids = T::ids_mut(&mut self.ipc_namespaces[ns]);
        if ids.in_use() as u64 >= limit {
            return Err(Errno::ENOSPC);
        }
        let id = ids.add(object).ok_or(Errno::ENOSPC)?;
        self.emit(EventKind::IpcCreated { ns, kind: T::KIND, id });
        Ok(id)
    }

    /// Whether `task` may change or remove an object (`ipcctl_obtain_check`); what it knows of it.
    ///
    /// # Errors
    /// EINVAL when there is none; EPERM for somebody who is neither owner nor creator nor has `CAP_SYS_ADMIN`.
    pub(crate) fn ipc_control<T: IpcObject>(&mut self, task: TaskId, id: i32) -> Result<Perm, Errno> {
        let perm = self.ipc_object::<T>(task, id)?.perm().clone();
        let euid = self.tasks[task].cred.euid;
        let owner = self.ipc_namespaces[self.ipc_ns_of(task)].ns.owner;
        if euid == perm.cuid || euid == perm.uid || self.capable_in(task, owner, Cap::SYS_ADMIN) {
            Ok(perm)
        } else {
            Err(Errno::EPERM)
        }
    }

    /// Takes an object away; whoever sleeps on it hears of it.
    pub(crate) fn ipc_remove<T: IpcObject>(&mut self, ns: IpcNsId, id: i32) {
        let removed = T::ids_mut(&mut self.ipc_namespaces[ns]).slots.remove(&slot_of(id));
        if removed.is_some() {
            self.emit(EventKind::IpcRemoved { ns, kind: T::KIND, id });
            self.wake_all(crate::task::sched::Wait::Ipc(ns, T::KIND, id));
        }
    }

    /// New owner and permissions, from a `struct ipc_perm` (`ipc_update_perm`).
    ///
    /// # Errors
    /// EFAULT without one; EINVAL for ids that do not exist in the caller's user namespace.
    pub(crate) fn ipc_set<T: IpcObject>(&mut self, task: TaskId, id: i32, new: Option<&Value>) -> Result<(), Errno> {
        let new = new.ok_or(Errno::EFAULT)?;
        let field = |name| new.field(name).and_then(Value::as_int);
        let own = &self.user_namespaces[self.tasks[task].cred.user_ns];
        let old = self.ipc_object::<T>(task, id)?.perm();
        let uid = field("uid").map_or(Some(old.uid), |uid| own.kuid(uid as u32)).ok_or(Errno::EINVAL)?;
        let gid = field("gid").map_or(Some(old.gid), |gid| own.kgid(gid as u32)).ok_or(Errno::EINVAL)?;
        let mode = field("mode").map_or(old.mode, |mode| mode as u32);
        let perm = self.ipc_object_mut::<T>(task, id)?.perm_mut();
        perm.uid = uid;
        perm.gid = gid;
        perm.mode = perm.mode & !S_IRWXUGO | mode & S_IRWXUGO;
        Ok(())
    }

    /// The object for a call that can sleep: one that was removed while the caller slept is another error than
    /// one that was never there.
    ///
    /// # Errors
    /// EINVAL, EIDRM.
    pub(crate) fn ipc_object_again<T: IpcObject>(&self, task: TaskId, id: i32) -> Result<&T, Errno> {
        let slept = self.tasks[task].in_call.as_ref().is_some_and(|call| call.progress > 0);
        self.ipc_object(task, id).map_err(|e| if slept { Errno::EIDRM } else { e })
    }

    /// Sleeps until something happens to an object.
    pub(crate) fn ipc_sleep(&mut self, task: TaskId, kind: IpcKind, id: i32) -> crate::syscall::Sleep {
        if let Some(call) = &mut self.tasks[task].in_call {
            call.progress = 1;
        }
        let wait = crate::task::sched::Wait::Ipc(self.ipc_ns_of(task), kind, id);
        crate::syscall::Sleep { on: vec![wait], until: None }
    }

    /// Something happened to an object.
    pub(crate) fn ipc_wake(&mut self, task: TaskId, kind: IpcKind, id: i32) {
        let ns = self.ipc_ns_of(task);
        self.wake_all(crate::task::sched::Wait::Ipc(ns, kind, id));
    }
}
