//! Carrying out [`Adjustment`]s: what a log knows and the model could not.

use std::sync::Arc;

use crate::action::Adjustment;
use crate::event::EventKind;
use crate::kernel::Kernel;
use crate::vfs::fd_table::FdEntry;
use crate::vfs::file::{FileKind, OpenFile};

impl Kernel<'_> {
    /// Brings the world into line with a recorded log.
    pub(crate) fn adjust(&mut self, adjustment: &Adjustment) {
        let what = match adjustment {
            Adjustment::NextPid { ns, nr } => {
                let Some(namespace) = self.world.pid_namespaces.get_mut(*ns) else { return };
                namespace.last_pid = nr.saturating_sub(1).max(1);
                format!("the numbers before {nr} are taken by processes that the log does not show")
            }
            Adjustment::Descriptor { task, fd, what, cloexec } => {
                let Some(t) = self.world.tasks.get(*task) else { return };
                let (Some(files), cred) = (t.files, Arc::clone(&t.cred)) else { return };
                const READ_WRITE: u32 = 2;
                let file = OpenFile::new(FileKind::Placeholder(what.clone()), READ_WRITE, cred);
                let file = self.world.vfs.files.add(file);
                self.world.vfs.fd_tables[files].fds.insert(*fd, FdEntry { file, cloexec: *cloexec });
                format!("descriptor {fd} stands for {what}")
            }
            Adjustment::GiveUp { task } => {
                let Some(t) = self.world.tasks.get_mut(*task).filter(|t| !t.state.has_exited()) else { return };
                t.in_call = None;
                self.wake(*task);
                "the log goes on although the call sleeps here".to_owned()
            }
        };
        self.emit(EventKind::NotModelled { what: Arc::from(what) });
    }
}
