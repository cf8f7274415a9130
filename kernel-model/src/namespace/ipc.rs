//! IPC namespaces, as in ipc_namespaces(7): each has message queues, semaphore sets and shared memory of its
//! own, with keys, ids and limits of their own, and a file system of POSIX message queues. What is in a
//! namespace goes with it.

use serde::{Deserialize, Serialize};

use super::NsCommon;
use crate::id;
use crate::ipc::sysv::IpcIds;
use crate::ipc::sysv::msg::MsgQueue;
use crate::ipc::sysv::sem::SemArray;
use crate::ipc::sysv::shm::ShmSegment;
use crate::kernel::Kernel;

id! {
    /// An IPC namespace.
    IpcNsId
}

/// An IPC namespace. Its limits are settings of `/proc/sys`.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct IpcNamespace {
    /// Inode number, owner, references.
    pub ns: NsCommon,
    /// System V message queues.
    pub msg: IpcIds<MsgQueue>,
    /// System V semaphore sets.
    pub sem: IpcIds<SemArray>,
    /// System V shared memory segments.
    pub shm: IpcIds<ShmSegment>,
    /// How many POSIX message queues there are (`mq_queues_count`).
    pub mq_queues_count: u64,
}

impl IpcNamespace {
    /// A namespace with nothing in it.
    pub fn new(ns: NsCommon) -> IpcNamespace {
        IpcNamespace { ns, msg: IpcIds::default(), sem: IpcIds::default(), shm: IpcIds::default(), mq_queues_count: 0 }
    }
}

impl Kernel<'_> {
    /// The last reference to a namespace is gone: its contents and its settings go with it (`free_ipc_ns`).
    pub(crate) fn free_ipc_namespace(&mut self, id: IpcNsId) {
        let queues: Vec<_> = self.vfs.supers.ids().filter(|sb| self.mqueue_ns(*sb) == Some(id)).collect();
        self.ipc_namespaces.remove(id);
        for sb in queues {
            self.put_super(sb);
        }
        let suffix = format!("@ipc{id}");
        let own: Vec<String> = self.sysctls.keys().filter(|key| key.ends_with(&suffix)).cloned().collect();
        for key in own {
            self.sysctls.remove(&key);
        }
    }
}
