//! procfs, as in proc(5): the kernel's tables as files. Nothing is stored here; names and contents are
//! made up when they are asked for, from the PID namespace that the instance shows.
//!
//! [`node`] says which entries there are, [`dir`] how they hang together, [`link`] where the symbolic links
//! lead, [`task_file`], [`status`] and [`global`] what the files say, [`write`] what writing to them does,
//! [`hidepid`] what is kept from whom,
//! [`sysctl`] is `/proc/sys` with [`conf`], [`sysvipc`] lists System V objects.

pub mod attr;
pub mod conf;
mod dir;
pub mod global;
mod hidepid;
pub mod link;
pub mod memory;
pub mod net;
pub mod node;
pub mod status;
pub mod sysctl;
pub mod sysvipc;
pub mod task_file;
pub mod write;

use super::{FsKind, SuperId};
use crate::errno::Errno;
use crate::kernel::Kernel;
use crate::namespace::pid::PidNsId;
use crate::task::TaskId;
use crate::vfs::file::FileId;
use crate::vfs::path::VfsPath;
use crate::world::World;

pub use node::ProcNode;

impl World {
    /// The PID namespace that an instance shows.
    pub(crate) fn proc_pid_ns(&self, sb: SuperId) -> PidNsId {
        match self.vfs.supers[sb].kind {
            FsKind::Proc(ns) => ns,
            _ => PidNsId(1),
        }
    }
}

impl Kernel<'_> {
    /// What a file of procfs says to `reader`, who may have got it from somebody else who opened it.
    ///
    /// # Errors
    /// ESRCH for a process that is gone; EACCES, EPERM where the opener may not look; EINVAL for what cannot be read.
    pub(crate) fn proc_read(
        &mut self,
        reader: TaskId,
        file: FileId,
        path: VfsPath,
        node: ProcNode,
    ) -> Result<Vec<u8>, Errno> {
        let sb = self.vfs.mounts[path.mnt].sb;
        let ns = self.proc_pid_ns(sb);
        let opener = std::sync::Arc::clone(&self.vfs.files[file].cred);
        let text = match node {
            ProcNode::File(which) => self.global_text(which, ns, reader),
            ProcNode::Sysvipc(which) => self.sysvipc_text(which, ns, reader, &opener),
            ProcNode::Pressure(which) => self.pressure_text(which),
            ProcNode::Sysctl(index) => self.sysctl_text(index, reader)?,
            ProcNode::Conf(target, which) => self.conf_text(target, which, reader),
            ProcNode::TaskFile(task, which) => return self.task_file_text(task, which, ns, reader, &opener),
            ProcNode::Attr(task, file) | ProcNode::ApparmorAttr(task, file) => self.attr_text(task, file.name())?,
            ProcNode::FdInfo(task, fd) => self.fdinfo_text(task, fd, ns)?,
            ProcNode::NetFile(task, which) => self.net_file_text(task, which),
            _ => return Err(Errno::EINVAL),
        };
        Ok(text.into_bytes())
    }
}
