//! `/proc/PID/net`: the devices and sockets of the network namespace of a process, as in proc(5).

use super::node::NetFile;
use crate::task::TaskId;
use crate::world::World;

impl World {
    /// What a file in `/proc/PID/net` says.
    pub(super) fn net_file_text(&self, task: TaskId, file: NetFile) -> String {
        match file {
            NetFile::Dev => self.net_dev_text(task),
            // There are no sockets of this family.
            NetFile::Unix => "Num       RefCount Protocol Flags    Type St Inode Path\n".to_owned(),
        }
    }

    /// `dev_seq_show`: a heading of two lines, then a line for each device.
    fn net_dev_text(&self, task: TaskId) -> String {
        let mut text = "Inter-|   Receive                                                |  Transmit\n \
             face |bytes    packets errs drop fifo frame compressed multicast|bytes    packets errs drop fifo colls carrier compressed\n"
            .to_owned();
        let namespace = self.tasks.get(task).and_then(|t| self.net_namespaces.get(t.nsproxy.net));
        for device in namespace.map(|n| n.devices.as_slice()).unwrap_or_default() {
            let t = device.traffic;
            text.push_str(&format!(
                "{:>6}: {:>7} {:>7} {:>4} {:>4} {:>4} {:>5} {:>10} {:>9} {:>8} {:>7} {:>4} {:>4} {:>4} {:>5} {:>7} {:>10}\n",
                device.name, t.bytes, t.packets, 0, 0, 0, 0, 0, 0, t.bytes, t.packets, 0, 0, 0, 0, 0, 0,
            ));
        }
        text
    }
}
