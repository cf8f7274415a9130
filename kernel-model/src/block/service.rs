//! A disk that is used by somebody who is no task of this kernel: by a driver that serves other kernels.

use std::sync::Arc;

use super::{Bio, Direction, DiskId, Purpose};
use crate::kernel::Kernel;
use crate::machine::interrupt::{DiskServed, DiskService};
use crate::mm::ROOT_MEMCG;

impl Kernel<'_> {
    /// Makes the request, in the name of the root group, as a kernel thread does.
    pub(crate) fn serve_disk(&mut self, cookie: u64, dev: (u32, u32), what: DiskService) {
        let answer = self.try_to_serve(cookie, dev, what);
        if let Some(answer) = answer {
            self.answer_service(cookie, answer);
        }
    }

    /// The driver that serves others hears of it (`bi_end_io`).
    pub(super) fn answer_service(&mut self, cookie: u64, answer: DiskServed) {
        self.machine.disk_served(cookie, answer);
        self.emit_reports();
    }

    fn try_to_serve(&mut self, cookie: u64, dev: (u32, u32), what: DiskService) -> Option<DiskServed> {
        let Some(disk) = self.disk_by_dev(dev) else { return Some(DiskServed::Failed) };
        let size = self.block.disks[disk].size;
        let (direction, pos, bytes, data) = match what {
            DiskService::Open => return Some(DiskServed::Size(size)),
            DiskService::Read(pos, bytes) => (Direction::Read, pos, bytes, Arc::from([])),
            DiskService::Write(pos, data) => (Direction::Write, pos, data.len() as u64, data),
        };
        if pos.checked_add(bytes).is_none_or(|end| end > size) {
            return Some(DiskServed::Failed);
        }
        let Some(root) = self.cgroups.groups.ids().next() else { return Some(DiskServed::Failed) };
        self.submit_bio(disk, direction, bytes, root, Purpose::Served(cookie, pos, data));
        None
    }

    /// The disk is done with it: what the driver is to be answered.
    pub(super) fn serviced(&mut self, disk: DiskId, pos: u64, bio: &Bio, data: &[u8]) -> DiskServed {
        let raw = &mut self.block.disks[disk].raw;
        DiskServed::Done(match bio.direction {
            Direction::Read => {
                let mut bytes = raw.read(pos, bio.bytes as usize);
                bytes.resize(bio.bytes as usize, 0);
                bytes
            }
            Direction::Write => {
                raw.write(pos, data, ROOT_MEMCG);
                Vec::new()
            }
        })
    }
}
