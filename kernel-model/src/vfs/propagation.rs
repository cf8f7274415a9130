//! Propagation of mounts, as in mount_namespaces(7) and `fs/pnode.c`.
//!
//! The shared mounts of one peer group send each other what is mounted and unmounted on them. A slave
//! receives from its master group and sends nothing back; it may at the same time be shared with a group of
//! its own, which then hears of everything, too. A group is a number: whoever has it in
//! [`Propagation::shared`](super::mount::Propagation) is in the group, whoever has it in `master` is its slave.

use super::mount::{MountId, lowest_free};
use crate::event::EventKind;
use crate::kernel::Kernel;
use crate::world::World;

/// The propagation types that mount(2) sets.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum PropagationType {
    /// `MS_SHARED`.
    Shared,
    /// `MS_SLAVE`.
    Slave,
    /// `MS_PRIVATE`.
    Private,
    /// `MS_UNBINDABLE`.
    Unbindable,
}

impl World {
    /// A peer group that nobody is in yet: the lowest number that is free.
    pub(crate) fn new_peer_group(&mut self) -> u32 {
        lowest_free(self.vfs.mounts.iter().flat_map(|(_, m)| [m.propagation.shared, m.propagation.master]).flatten())
    }

    /// The members of a peer group, oldest first.
    pub fn peers(&self, group: u32) -> Vec<MountId> {
        self.vfs.mounts.iter().filter(|(_, m)| m.propagation.shared == Some(group)).map(|(id, _)| id).collect()
    }

    /// The slaves of a peer group, oldest first.
    pub fn slaves(&self, group: u32) -> Vec<MountId> {
        self.vfs.mounts.iter().filter(|(_, m)| m.propagation.master == Some(group)).map(|(id, _)| id).collect()
    }

    /// All mounts that hear of what happens on this one: its peers, its group's slaves, their peers and
    /// slaves, and so on (`propagation_next`).
    pub fn receivers(&self, mnt: MountId) -> Vec<MountId> {
        let mut all = Vec::new();
        let mut groups: Vec<u32> = self.vfs.mounts[mnt].propagation.shared.into_iter().collect();
        let mut next = 0;
        while let Some(group) = groups.get(next).copied() {
            next += 1;
            all.extend(self.peers(group).into_iter().filter(|m| *m != mnt && next == 1));
            for slave in self.slaves(group) {
                match self.vfs.mounts[slave].propagation.shared {
                    None => all.push(slave),
                    Some(own) if !groups.contains(&own) => {
                        all.extend(self.peers(own));
                        groups.push(own);
                    }
                    Some(_) => {}
                }
            }
        }
        all
    }
}

impl Kernel<'_> {
    /// Gives a mount another propagation type (`change_mnt_propagation`).
    pub(crate) fn change_propagation(&mut self, mnt: MountId, to: PropagationType) {
        let before = self.vfs.mounts[mnt].propagation;
        if to == PropagationType::Shared {
            let group = before.shared.unwrap_or_else(|| self.new_peer_group());
            let p = &mut self.vfs.mounts[mnt].propagation;
            p.shared = Some(group);
            p.unbindable = false;
        } else {
            let mut master = before.master;
            if let Some(group) = before.shared {
                self.vfs.mounts[mnt].propagation.shared = None;
                if self.peers(group).is_empty() {
                    // The group is gone: its slaves now hear from the one that it heard from.
                    for slave in self.slaves(group) {
                        self.vfs.mounts[slave].propagation.master = before.master;
                    }
                } else {
                    master = Some(group);
                }
            }
            let p = &mut self.vfs.mounts[mnt].propagation;
            if to == PropagationType::Slave {
                p.master = master;
            } else {
                p.master = None;
                p.unbindable = to == PropagationType::Unbindable;
            }
        }
        if self.vfs.mounts[mnt].propagation != before {
            self.emit(EventKind::PropagationChanged { mount: mnt });
        }
    }
}
