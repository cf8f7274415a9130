//! System V shared memory, as in shmop(2) and `ipc/shm.c`. Processes have no memory here, so a segment is a
//! size and the list of where it is attached.

use serde::{Deserialize, Serialize};

use super::{IPC_PRIVATE, IpcIds, IpcKind, IpcObject, Perm, PidNumbers};
use crate::kernel::Kernel;
use crate::namespace::NsRef;
use crate::namespace::ipc::{IpcNamespace, IpcNsId};
use crate::task::ProcessId;

/// Mode bit of a segment that goes with its last attachment.
pub const SHM_DEST: u32 = 0o1000;
/// Mode bit of a segment that is not swapped out.
pub const SHM_LOCKED: u32 = 0o2000;
/// The size of a page.
pub const PAGE: u64 = crate::vfs::content::PAGE_SIZE as u64;
/// Where the first segment of a process is attached.
const FIRST_ADDRESS: u64 = 0x7f00_0000_0000;

/// Where a process has a segment attached.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Attachment {
    /// The process.
    pub process: ProcessId,
    /// The address.
    pub addr: u64,
}

/// A shared memory segment (`struct shmid_kernel`).
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
#[allow(missing_docs)] // the fields of shmctl(2)
pub struct ShmSegment {
    pub perm: Perm,
    pub segsz: u64,
    pub atime: i64,
    pub dtime: i64,
    pub ctime: i64,
    pub cpid: PidNumbers,
    pub lpid: PidNumbers,
    pub attached: Vec<Attachment>,
    /// Who made it, as long as that process is there (`shm_creator`).
    pub creator: Option<ProcessId>,
}

impl ShmSegment {
    /// Its size in pages.
    pub fn pages(&self) -> u64 {
        self.segsz.div_ceil(PAGE)
    }
}

impl IpcObject for ShmSegment {
    const KIND: IpcKind = IpcKind::Shm;
    fn perm(&self) -> &Perm {
        &self.perm
    }
    fn perm_mut(&mut self) -> &mut Perm {
        &mut self.perm
    }
    fn ids(ns: &IpcNamespace) -> &IpcIds<Self> {
        &ns.shm
    }
    fn ids_mut(ns: &mut IpcNamespace) -> &mut IpcIds<Self> {
        &mut ns.shm
    }
}

impl IpcNamespace {
    /// Pages of all segments (`shm_tot`).
    pub fn shm_total(&self) -> u64 {
        self.shm.iter().map(ShmSegment::pages).sum()
    }
}

impl Kernel<'_> {
    /// Everything that a process has attached: namespace, segment, address, size.
    pub(crate) fn shm_attachments(&self, process: ProcessId) -> Vec<(IpcNsId, i32, u64, u64)> {
        let mut all = Vec::new();
        if self.processes.get(process).is_none_or(|p| p.shm_attached == 0) {
            return all;
        }
        for (ns, namespace) in self.ipc_namespaces.iter() {
            for segment in namespace.shm.iter() {
                let own = segment.attached.iter().filter(|a| a.process == process);
                all.extend(own.map(|a| (ns, segment.perm.id, a.addr, segment.segsz)));
            }
        }
        all
    }

    /// An address that the process does not use yet.
    pub(crate) fn free_shm_address(&self, process: ProcessId) -> u64 {
        let ends =
            self.shm_attachments(process).into_iter().map(|(_, _, addr, size)| addr + size.next_multiple_of(PAGE));
        ends.max().unwrap_or(0).max(FIRST_ADDRESS)
    }

    /// A segment gets one more attachment, which keeps its namespace alive.
    pub(crate) fn attach_shm(&mut self, ns: IpcNsId, id: i32, attachment: Attachment) {
        let now = self.ipc_now();
        let leader = self.processes[attachment.process].leader;
        let pid = self.tgid_numbers(leader);
        let Some(segment) = self.ipc_namespaces[ns].shm.get_mut(id) else { return };
        segment.attached.push(attachment);
        segment.atime = now;
        segment.lpid = pid;
        self.processes[attachment.process].shm_attached += 1;
        self.hold_ns(NsRef::Ipc(ns));
    }

    /// A segment loses an attachment, and goes with the last one if it has been removed before (`shm_close`).
    pub(crate) fn detach_shm(&mut self, ns: IpcNsId, id: i32, attachment: Attachment) {
        let now = self.ipc_now();
        let leader = self.processes[attachment.process].leader;
        let pid = self.tgid_numbers(leader);
        let rmid_forced = self.ipc_limit(ns, "kernel/shm_rmid_forced") != 0;
        let Some(segment) = self.ipc_namespaces[ns].shm.get_mut(id) else { return };
        let Some(place) = segment.attached.iter().position(|a| *a == attachment) else { return };
        segment.attached.remove(place);
        segment.dtime = now;
        segment.lpid = pid;
        self.processes[attachment.process].shm_attached -= 1;
        let Some(segment) = self.ipc_namespaces[ns].shm.get_mut(id) else { return };
        if segment.attached.is_empty() && (rmid_forced || segment.perm.mode & SHM_DEST != 0) {
            self.ipc_remove::<ShmSegment>(ns, id);
        }
        self.release_ns(NsRef::Ipc(ns));
    }

    /// The memory of a process goes: it exits or runs a new program.
    pub(crate) fn exit_shm(&mut self, process: ProcessId) {
        for (ns, id, addr, _) in self.shm_attachments(process) {
            self.detach_shm(ns, id, Attachment { process, addr });
        }
    }

    /// A process is gone: nobody answers any more for the segments that it made. Where segments do not stay by themselves
    /// those that are attached nowhere go (`exit_shm` with `shm_rmid_forced`).
    pub(crate) fn orphan_shm(&mut self, process: ProcessId) {
        let is_own = |segment: &&ShmSegment| segment.creator == Some(process);
        let of = |(ns, n): (IpcNsId, &IpcNamespace)| -> Vec<(IpcNsId, i32)> {
            n.shm.iter().filter(is_own).map(|segment| (ns, segment.perm.id)).collect()
        };
        let own: Vec<(IpcNsId, i32)> = self.ipc_namespaces.iter().flat_map(of).collect();
        for (ns, id) in own {
            if let Some(segment) = self.ipc_namespaces[ns].shm.get_mut(id) {
                segment.creator = None;
            }
            if self.ipc_limit(ns, "kernel/shm_rmid_forced") != 0 {
                self.remove_unused_shm(ns, id);
            }
        }
    }

    /// `shm_rmid_forced` was switched on: segments go whose makers are gone and that are attached nowhere
    /// (`shm_destroy_orphaned`).
    pub(crate) fn destroy_orphaned_shm(&mut self, ns: IpcNsId) {
        let orphans = self.ipc_namespaces[ns].shm.iter().filter(|segment| segment.creator.is_none());
        let ids: Vec<i32> = orphans.map(|segment| segment.perm.id).collect();
        for id in ids {
            self.remove_unused_shm(ns, id);
        }
    }

    fn remove_unused_shm(&mut self, ns: IpcNsId, id: i32) {
        if self.ipc_namespaces[ns].shm.get(id).is_some_and(|segment| segment.attached.is_empty()) {
            self.ipc_remove::<ShmSegment>(ns, id);
        }
    }

    /// A child has attached what its parent has.
    pub(crate) fn copy_shm(&mut self, parent: ProcessId, child: ProcessId) {
        for (ns, id, addr, _) in self.shm_attachments(parent) {
            self.attach_shm(ns, id, Attachment { process: child, addr });
        }
    }

    /// Removes a segment: at once, or with its last attachment, and until then without a key (`do_shm_rmid`).
    pub(crate) fn remove_shm(&mut self, ns: IpcNsId, id: i32) {
        let Some(segment) = self.ipc_namespaces[ns].shm.get_mut(id) else { return };
        if segment.attached.is_empty() {
            self.ipc_remove::<ShmSegment>(ns, id);
        } else {
            segment.perm.mode |= SHM_DEST;
            segment.perm.key = IPC_PRIVATE;
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::session::Session;
    use crate::world::Config;

    #[test]
    fn segments_go_with_their_makers_where_that_is_forced() {
        let mut s = Session::new(Config::default());
        s.line("ipcmk -M 100");
        assert_eq!(s.line("ipcs -m | grep -c 0x"), "1\n");
        s.line("echo 1 > /proc/sys/kernel/shm_rmid_forced");
        assert_eq!(s.line("ipcs -m | grep -c 0x"), "0\n[exit 1]\n");
        assert_eq!(s.line("ipcmk -M 100 > /dev/null; ipcs -m | grep -c 0x"), "0\n[exit 1]\n");
    }
}
