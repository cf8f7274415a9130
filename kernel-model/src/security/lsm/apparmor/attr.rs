//! `/proc/PID/attr/{current,prev,exec}` (`apparmor_getprocattr`, `do_setattr`): the profile of a task, and how it asks
//! for another.

use crate::errno::Errno;
use crate::kernel::Kernel;
use crate::task::TaskId;
use crate::world::World;

impl World {
    /// What the file says.
    ///
    /// # Errors
    /// EINVAL for a file that this module does not have.
    pub(crate) fn apparmor_getprocattr(&self, task: TaskId, name: &str) -> Result<String, Errno> {
        let context = self.tasks[task].cred.apparmor();
        let label = match name {
            "current" => Some(context.label),
            "prev" => context.previous.map(|(label, _)| label),
            "exec" => context.onexec,
            _ => return Err(Errno::EINVAL),
        };
        // What there is none of cannot be read.
        let label = label.ok_or(Errno::EINVAL)?;
        Ok(format!("{}\n", self.apparmor_label_text(&label)))
    }
}

impl Kernel<'_> {
    /// Writing a command to the file of one's own.
    ///
    /// # Errors
    /// EINVAL for an unknown command; those of the command.
    pub(crate) fn apparmor_setprocattr(&mut self, task: TaskId, name: &str, text: &str) -> Result<(), Errno> {
        let text = text.trim_matches(['\n', '\0', ' ']);
        let (command, argument) = text.split_once(' ').ok_or(Errno::EINVAL)?;
        let argument = argument.trim_start();
        if argument.is_empty() {
            return Err(Errno::EINVAL);
        }
        match (name, command) {
            ("current", "changeprofile") => self.aa_change_profile(task, argument, false),
            ("current", "changehat") => {
                // `changehat TOKEN^HAT`, and further hats after NULs.
                let (token, hats) = argument.split_once('^').ok_or(Errno::EINVAL)?;
                let token = u64::from_str_radix(token, 16).map_err(|_| Errno::EINVAL)?;
                let hats: Vec<&str> = hats.split('\0').filter(|h| !h.is_empty()).collect();
                if hats.is_empty() && token == 0 {
                    return Err(Errno::EINVAL);
                }
                self.aa_change_hat(task, token, &hats)
            }
            ("exec", "exec") => self.aa_change_profile(task, argument, true),
            ("current", "permprofile" | "permhat" | "stack") | ("exec", "stack") => {
                self.emit(crate::event::EventKind::NotModelled {
                    what: format!("`{command}` of AppArmor: stacks of profiles, and asking without doing").into(),
                });
                Err(Errno::EINVAL)
            }
            _ => Err(Errno::EINVAL),
        }
    }
}
