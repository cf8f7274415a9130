//! What a kernel and the machine below it say to each other beyond privileged operations.
//!
//! The kernel asks by the methods of [`PvOps`](crate::pv_ops::PvOps); the machine never calls the kernel: what it has to
//! say waits with it until the kernel asks, at the end of each operation ([`report`]) or at the beginning of a turn
//! ([`interrupt`]). So a world is changed by its own turns only, and the same machine gives the same history.
//!
//! Other kernels live in the machine, as plain values like everything else there. They run when the machine is given a
//! turn: in a call to one of its devices ([`device`]), or when its own scheduler finds that it is somebody else's turn
//! ([`PvOps::turn`](crate::pv_ops::PvOps::turn)).

pub mod device;
pub mod interrupt;
pub mod report;

#[cfg(test)]
mod tests;

use crate::event::EventKind;
use crate::ipc::eventfd::EventFdId;
use crate::kernel::Kernel;
use crate::mm::event::MemoryEvent;
use crate::mm::{PAGE_SIZE, ROOT_MEMCG};
use crate::net::softnet::InFlight;
use crate::task::sched::Wait;
use crate::vfs::inode::InodeKind;
use interrupt::Interrupt;

crate::id! {
    /// A kernel that lives in the machine beside the one that asks.
    SystemId
}

crate::id! {
    /// An end of what a kernel and its machine exchange data by: a ring, a queue, a cable.
    Port
}

impl Kernel<'_> {
    /// What the machine has done becomes events.
    pub(crate) fn emit_reports(&mut self) {
        for report in self.machine.reports() {
            self.emit(EventKind::Machine(report));
        }
    }

    /// Takes the interrupts that have come, and lets others run whose turn it is. Whether others ran.
    pub(crate) fn serve_machine(&mut self, is_idle: bool) -> bool {
        let ran = self.machine.turn(self.world.clock, is_idle);
        self.emit_reports();
        for interrupt in self.machine.interrupts() {
            self.interrupted(interrupt);
        }
        ran
    }

    /// A balloon holds so many bytes (`adjust_managed_page_count`): the machine has that much less memory.
    fn balloon(&mut self, bytes: u64) {
        let held = self.world.mm.ballooned;
        let now = bytes / PAGE_SIZE;
        self.world.mm.absent = self.world.mm.absent.saturating_sub(held) + now;
        self.world.mm.ballooned = now;
        let total = self.world.mm.total_pages();
        self.emit_memory(MemoryEvent::Balloon { before: held, pages: now, total });
    }

    fn interrupted(&mut self, interrupt: Interrupt) {
        match interrupt {
            Interrupt::Answer(key) => self.wake_all(Wait::Device(key)),
            Interrupt::Event(event) => {
                self.eventfd_signal(EventFdId(u32::try_from(event).unwrap_or(0)));
            }
            Interrupt::DiskData { disk, pos, bytes } => {
                if let Some(disk) = self.world.block.disks.get_mut(disk) {
                    disk.raw.write(pos, &bytes, ROOT_MEMCG);
                }
            }
            Interrupt::DiskDone(disk) => self.end_request(disk),
            Interrupt::Frame(port, frame) => {
                if let Some(at) = self.device_below(port) {
                    let frame = frame.numbered(|| self.next_packet_id());
                    self.backlog.push_back(InFlight { at, frame });
                    self.net_rx_action();
                }
            }
            Interrupt::ServeDisk { cookie, dev, what } => self.serve_disk(cookie, dev, what),
            Interrupt::Disk { name, dev, size, port } => {
                let disk = self.add_disk(&name, dev, size);
                self.block.disks[disk].port = Some(port);
                self.make_device_node(&name, InodeKind::BlockDevice(dev.0, dev.1), 0o660);
            }
            Interrupt::NetDevice { name, mac, driver, port } => {
                self.register_below(&name, mac, driver, port);
            }
            Interrupt::Balloon(bytes) => self.balloon(bytes),
            Interrupt::NetDeviceGone(port) => {
                if let Some(dev) = self.device_below(port) {
                    self.unregister_device(dev);
                }
            }
        }
    }
}
