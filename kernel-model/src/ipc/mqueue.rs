//! POSIX message queues, as in mq_overview(7) and `ipc/mqueue.c`: files of a file system of which every IPC
//! namespace has one. The calls of mq_overview(7) are not modelled, so all queues are empty.

use crate::errno::Errno;
use crate::kernel::Kernel;
use crate::namespace::NsRef;
use crate::namespace::ipc::IpcNsId;
use crate::security::capability::Cap;
use crate::security::rlimit;
use crate::task::TaskId;
use crate::vfs::fs::{FsKind, SuperId};
use crate::vfs::inode::InodeKind;
use crate::world::World;

/// What stat(2) says of the length of a queue (`FILENT_SIZE`).
pub const FILENT_SIZE: u64 = 80;
/// What the kernel keeps for each message besides its text: `struct msg_msg` and a node of a tree.
const MESSAGE_OVERHEAD: u64 = 96;

impl World {
    /// The IPC namespace whose queues a file system shows.
    pub(crate) fn mqueue_ns(&self, sb: SuperId) -> Option<IpcNsId> {
        let superblock = self.vfs.supers.get(sb)?;
        match (&superblock.kind, superblock.key) {
            (FsKind::Mqueue, Some(NsRef::Ipc(ns))) => Some(ns),
            _ => None,
        }
    }

    /// What reading a queue says (`mqueue_read_file`).
    pub(crate) fn mqueue_text(&self) -> String {
        format!("QSIZE:{:<10} NOTIFY:{:<5} SIGNO:{:<5} NOTIFY_PID:{:<6}\n", 0, 0, 0, 0)
    }

    /// A queue is gone for good (`mqueue_evict_inode`).
    pub(crate) fn evict_mqueue(&mut self, sb: SuperId) {
        if let Some(ns) = self.mqueue_ns(sb)
            && let Some(namespace) = self.ipc_namespaces.get_mut(ns)
        {
            namespace.mq_queues_count = namespace.mq_queues_count.saturating_sub(1);
        }
    }

    /// How many queues somebody owns, in all namespaces.
    fn mqueues_of(&self, task: TaskId) -> u64 {
        let owner = self.tasks[task].cred.fsuid;
        let is_queue = |sb| matches!(self.vfs.supers.get(sb).map(|s| &s.kind), Some(FsKind::Mqueue));
        let inodes = self.vfs.inodes.iter().map(|(_, inode)| inode);
        inodes.filter(|i| i.uid == owner && matches!(i.kind, InodeKind::Regular(_)) && is_queue(i.sb)).count() as u64
    }
}

impl Kernel<'_> {
    /// One more queue in the namespace of this file system (`mqueue_create_attr`). Nothing but queues can be made.
    ///
    /// # Errors
    /// EPERM for anything but a queue; EACCES when the namespace is gone; ENOSPC at its limit; EMFILE at
    /// RLIMIT_MSGQUEUE.
    pub(crate) fn charge_mqueue(&mut self, task: TaskId, sb: SuperId, kind: &InodeKind) -> Result<(), Errno> {
        if !matches!(kind, InodeKind::Regular(_)) {
            return Err(Errno::EPERM);
        }
        let ns = self.mqueue_ns(sb).filter(|ns| self.ipc_namespaces.contains(*ns)).ok_or(Errno::EACCES)?;
        let full = self.ipc_namespaces[ns].mq_queues_count >= self.ipc_limit(ns, "fs/mqueue/queues_max");
        if full && !self.capable(task, Cap::SYS_RESOURCE) {
            return Err(Errno::ENOSPC);
        }
        let limit = |name, default| self.ipc_limit(ns, name).min(self.ipc_limit(ns, default));
        let messages = limit("fs/mqueue/msg_max", "fs/mqueue/msg_default");
        let size = limit("fs/mqueue/msgsize_max", "fs/mqueue/msgsize_default");
        let bytes = (self.mqueues_of(task) + 1).saturating_mul(messages.saturating_mul(size + MESSAGE_OVERHEAD));
        if bytes > self.processes[self.tasks[task].process].rlimits.0[rlimit::MSGQUEUE].soft {
            return Err(Errno::EMFILE);
        }
        self.ipc_namespaces[ns].mq_queues_count += 1;
        Ok(())
    }
}
