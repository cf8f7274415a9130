//! `/proc/sys/net/ipv4/conf`: a directory for `all`, one for `default` and one for each device of the reader's network
//! namespace, each with the settings of [`conf`](crate::net::conf).

use super::node::ProcNode;
use super::sysctl;
use crate::errno::Errno;
use crate::kernel::Kernel;
use crate::net::conf::{ConfTarget, SETTINGS, setting};
use crate::security::capability::Cap;
use crate::task::TaskId;
use crate::world::World;

/// The path below `/proc/sys` of the directory of all these.
const PATH: &str = "net/ipv4/conf";

/// The directory of all these.
pub(super) fn top() -> ProcNode {
    ProcNode::SysctlDir(sysctl::dir_index(PATH))
}

impl World {
    /// The name of a directory.
    pub(super) fn conf_dir_name(&self, target: ConfTarget) -> String {
        match target {
            ConfTarget::All => "all".to_owned(),
            ConfTarget::Default => "default".to_owned(),
            ConfTarget::Device(dev) => self.net_devices.get(dev).map_or_else(String::new, |d| d.name.clone()),
        }
    }

    /// The directories that `task` sees.
    pub(super) fn conf_dirs(&self, task: TaskId) -> Vec<ConfTarget> {
        let net = self.tasks[task].nsproxy.net;
        let devices = self.devices_of(net).map(|(id, _)| ConfTarget::Device(id));
        [ConfTarget::All, ConfTarget::Default].into_iter().chain(devices).collect()
    }

    /// The directory of this name.
    pub(super) fn conf_dir_named(&self, task: TaskId, name: &str) -> Option<ConfTarget> {
        self.conf_dirs(task).into_iter().find(|t| self.conf_dir_name(*t) == name)
    }

    /// What a setting says to `task`.
    pub(super) fn conf_text(&self, target: ConfTarget, which: u16, task: TaskId) -> String {
        format!("{}\n", self.conf_value(self.tasks[task].nsproxy.net, target, which))
    }
}

impl Kernel<'_> {
    /// Changes a setting.
    ///
    /// # Errors
    /// EPERM for forwarding without CAP_NET_ADMIN; EINVAL for what is no number.
    pub(super) fn write_conf(
        &mut self,
        task: TaskId,
        target: ConfTarget,
        which: u16,
        text: &str,
        at_start: bool,
    ) -> Result<(), Errno> {
        let net = self.tasks[task].nsproxy.net;
        // `devinet_sysctl_forward`: here it is not enough to be root and to have opened the file.
        let owner = self.net_namespaces[net].ns.owner;
        if Some(which) == setting("forwarding") && !self.capable_in(task, owner, Cap::NET_ADMIN) {
            return Err(Errno::EPERM);
        }
        if at_start { self.set_conf(net, target, which, text) } else { Ok(()) }
    }
}

/// The entries of a directory.
pub(super) fn entries(target: ConfTarget) -> Vec<ProcNode> {
    (0..SETTINGS.len() as u16).map(|which| ProcNode::Conf(target, which)).collect()
}

/// The entry of this name in a directory.
pub(super) fn lookup(target: ConfTarget, name: &str) -> Option<ProcNode> {
    setting(name).map(|which| ProcNode::Conf(target, which))
}
