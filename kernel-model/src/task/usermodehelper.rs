//! Programs that the kernel itself starts, as in `kernel/umh.c`: the release agent of a control group.

use super::clone::CloneArgs;
use super::exec::Binprm;
use super::signal::Signal;
use super::{Driver, ExitStatus, TaskId};
use crate::kernel::Kernel;
use crate::program::libc::AT_FDCWD;
use crate::vfs::walk::LookupFlags;

/// The environment of such a program.
const ENVIRONMENT: [&str; 2] = ["HOME=/", "PATH=/sbin:/bin:/usr/sbin:/usr/bin"];

impl Kernel<'_> {
    /// Starts a program as root in the first namespaces, without open files (`call_usermodehelper`). Nobody waits
    /// for it; one that cannot be started just ends.
    pub(crate) fn call_usermodehelper(&mut self, path: &str, argv: Vec<String>) {
        let init = TaskId(1);
        if self.tasks.get(init).is_none_or(|t| t.state.has_exited()) {
            return;
        }
        let args = CloneArgs { exit_signal: Some(Signal::CHLD), ..CloneArgs::default() };
        let Ok(child) = self.copy_process(init, &args) else { return };
        self.tasks[child].user.driver = Driver::Program;
        let sighand = self.tasks[child].sighand;
        self.sighands[sighand].actions = imbl::OrdMap::new();
        let started = self.walk(child, AT_FDCWD, path, LookupFlags::FOLLOW).and_then(|place| {
            let envp = ENVIRONMENT.iter().map(|v| (*v).to_owned()).collect();
            self.exec(child, Binprm { place, filename: path.to_owned(), path_inaccessible: false, argv, envp })
        });
        match started {
            Ok(()) => self.enqueue(child),
            Err(_) => self.exit_group(child, ExitStatus::Exited(1)),
        }
    }
}
