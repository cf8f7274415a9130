//! System V semaphore sets, as in semop(2) and `ipc/sem.c`.

use imbl::OrdMap;
use serde::{Deserialize, Serialize};

use super::{IPC_NOWAIT, IpcIds, IpcKind, IpcObject, Perm, PidNumbers};
use crate::errno::Errno;
use crate::kernel::Kernel;
use crate::namespace::ipc::{IpcNamespace, IpcNsId};
use crate::task::ProcessId;
use crate::task::sched::Wait;

/// The highest value of a semaphore (`SEMVMX`).
pub const SEMVMX: i32 = 32_767;
/// Undo the operation when the process exits.
pub const SEM_UNDO: i64 = 0x1000;

/// One semaphore.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct Semaphore {
    /// Its value.
    pub val: i32,
    /// Who changed it last.
    pub pid: PidNumbers,
}

/// A semaphore set (`struct sem_array`).
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
#[allow(missing_docs)] // the fields of semctl(2)
pub struct SemArray {
    pub perm: Perm,
    pub otime: i64,
    pub ctime: i64,
    pub sems: Vec<Semaphore>,
    /// What is to be added to each semaphore when a process exits (`semadj`).
    pub undo: OrdMap<ProcessId, Vec<i32>>,
}

/// One operation of semop(2).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[allow(missing_docs)] // the fields of struct sembuf
pub struct Sembuf {
    pub num: u16,
    pub op: i16,
    pub flg: i64,
}

/// What operations on a set come to.
#[derive(Clone, PartialEq, Debug)]
pub enum Outcome {
    /// They can be carried out: the set as it is then.
    Done(SemArray),
    /// This one has to wait.
    Blocked(Sembuf),
}

impl SemArray {
    /// A set of `nsems` semaphores with the value 0.
    pub fn new(perm: Perm, nsems: usize, now: i64) -> SemArray {
        SemArray { perm, otime: 0, ctime: now, sems: vec![Semaphore::default(); nsems], undo: OrdMap::new() }
    }

    /// All operations or none (`perform_atomic_semop`). They name semaphores that exist.
    ///
    /// # Errors
    /// ERANGE for a value or an adjustment out of bounds; EAGAIN for one that would have to wait and must not.
    pub fn perform(&self, sops: &[Sembuf], process: ProcessId, pid: &PidNumbers) -> Result<Outcome, Errno> {
        let mut new = self.clone();
        for sop in sops {
            let Some(sem) = new.sems.get_mut(usize::from(sop.num)) else { return Err(Errno::EFBIG) };
            let result = sem.val + i32::from(sop.op);
            if (sop.op == 0 && sem.val != 0) || result < 0 {
                return if sop.flg & IPC_NOWAIT != 0 { Err(Errno::EAGAIN) } else { Ok(Outcome::Blocked(*sop)) };
            }
            if result > SEMVMX {
                return Err(Errno::ERANGE);
            }
            sem.val = result;
            sem.pid.clone_from(pid);
            if sop.flg & SEM_UNDO != 0 {
                let count = self.sems.len();
                let adjustments = new.undo.entry(process).or_insert_with(|| vec![0; count]);
                if let Some(adjustment) = adjustments.get_mut(usize::from(sop.num)) {
                    *adjustment -= i32::from(sop.op);
                    if !(-SEMVMX - 1..=SEMVMX).contains(adjustment) {
                        return Err(Errno::ERANGE);
                    }
                }
            }
        }
        Ok(Outcome::Done(new))
    }

    /// A semaphore gets a value from outside: nobody undoes anything about it any more.
    pub fn forget_undo(&mut self, num: usize) {
        let processes: Vec<ProcessId> = self.undo.keys().copied().collect();
        for process in processes {
            if let Some(adjustment) = self.undo.get_mut(&process).and_then(|list| list.get_mut(num)) {
                *adjustment = 0;
            }
        }
    }
}

impl IpcObject for SemArray {
    const KIND: IpcKind = IpcKind::Sem;
    fn perm(&self) -> &Perm {
        &self.perm
    }
    fn perm_mut(&mut self) -> &mut Perm {
        &mut self.perm
    }
    fn ids(ns: &IpcNamespace) -> &IpcIds<Self> {
        &ns.sem
    }
    fn ids_mut(ns: &mut IpcNamespace) -> &mut IpcIds<Self> {
        &mut ns.sem
    }
}

impl Kernel<'_> {
    /// A process exits, or leaves its IPC namespace: what it did with `SEM_UNDO` is undone (`exit_sem`).
    pub(crate) fn exit_sem(&mut self, process: ProcessId) {
        let mut found: Vec<(IpcNsId, i32)> = Vec::new();
        for (ns, namespace) in self.ipc_namespaces.iter() {
            let sets = namespace.sem.iter().filter(|set| set.undo.contains_key(&process));
            found.extend(sets.map(|set| (ns, set.perm.id)));
        }
        let leader = self.processes[process].leader;
        let pid = self.tgid_numbers(leader);
        let now = self.ipc_now();
        for (ns, id) in found {
            if let Some(set) = self.ipc_namespaces[ns].sem.get_mut(id) {
                let adjustments = set.undo.remove(&process).unwrap_or_default();
                for (sem, adjustment) in set.sems.iter_mut().zip(adjustments).filter(|(_, a)| *a != 0) {
                    sem.val = (sem.val + adjustment).clamp(0, SEMVMX);
                    sem.pid.clone_from(&pid);
                    set.otime = now;
                }
            }
            self.wake_all(Wait::Ipc(ns, IpcKind::Sem, id));
        }
    }
}
