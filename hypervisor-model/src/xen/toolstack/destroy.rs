//! `xl destroy`, `pause`, `unpause`, `mem-set`. Source: Xen 4.17, `tools/libs/light/libxl_domain.c`, `libxl_mem.c`.

use super::XenSystem;
use crate::xen::Refusal;
use crate::xen::domain::{DomId, VcpuId};
use crate::xen::domctl::Domctl;
use crate::xen::driver::Host;
use crate::xen::xenstore::Asker;

const DOM0: VcpuId = VcpuId::first(DomId::DOM0);
/// Where the daemons' mappings lie, as they were made.
const KERNEL_AT: u64 = 0xffff_8880_0000_0000;
const PROGRAM_AT: u64 = 0x7f00_0000_0000;

impl XenSystem {
    /// Ends a domain at once: its backends let go, its nodes are removed, its memory is free.
    ///
    /// # Errors
    /// As `domctl`.
    pub fn destroy(&mut self, id: DomId) -> Result<(), Refusal> {
        self.host.xen.domctl(DOM0, Domctl::Destroy(id))?;
        for (device, disk) in self.disks.iter_mut().filter(|(device, _)| device.frontend == id) {
            disk.back.disconnect(&mut self.host);
            remove(&mut self.host, &device.back());
        }
        for (device, card) in self.cards.iter_mut().filter(|(device, _)| device.frontend == id) {
            card.back.disconnect(&mut self.host);
            remove(&mut self.host, &device.back());
        }
        self.disks.retain(|device, _| device.frontend != id);
        self.cards.retain(|device, _| device.frontend != id);
        if let Some(ends) = self.daemons.remove(&id) {
            for (port, handles) in [ends.store, ends.console] {
                self.host.close(DomId::DOM0, port);
                for (handle, host_addr) in handles.into_iter().zip([KERNEL_AT, PROGRAM_AT]) {
                    let op = crate::xen::grant_table::map::UnmapGrantRef { host_addr, dev_bus_addr: 0, handle };
                    let _unmapped = self.host.xen.unmap_grant_ref(DOM0, op);
                }
            }
        }
        self.host.xen.reap(id);
        self.host.pools.remove(&id);
        self.configs.remove(&id);
        self.host.store.release(id);
        for kind in ["vbd", "vif", "console"] {
            remove(&mut self.host, &format!("/local/domain/0/backend/{kind}/{}", id.0));
        }
        remove(&mut self.host, &format!("/local/domain/{}", id.0));
        self.tidy_backends();
        self.host.xen.take_events(DOM0);
        Ok(())
    }

    /// Directories of backends that have nothing in them go too (`libxl__xs_path_cleanup`).
    fn tidy_backends(&mut self) {
        for kind in ["vbd", "vif", "console"] {
            let at = format!("/local/domain/0/backend/{kind}");
            if self.host.store.children(&at).is_empty() {
                remove(&mut self.host, &at);
            }
        }
        if self.host.store.children("/local/domain/0/backend").is_empty() {
            remove(&mut self.host, "/local/domain/0/backend");
        }
    }

    /// Stops a domain's processors.
    ///
    /// # Errors
    /// As `domctl`.
    pub fn pause(&mut self, id: DomId) -> Result<(), Refusal> {
        self.host.xen.domctl(DOM0, Domctl::Pause(id)).map(|_| ())
    }

    /// Lets them go on.
    ///
    /// # Errors
    /// As `domctl`.
    pub fn unpause(&mut self, id: DomId) -> Result<(), Refusal> {
        self.host.xen.domctl(DOM0, Domctl::Unpause(id)).map(|_| ())
    }

    /// `xl mem-set`: the target in the store, which the guest's balloon driver watches; it gives frames back, or asks for
    /// more, by itself.
    pub fn mem_set(&mut self, id: DomId, mib: u64) {
        let path = format!("/local/domain/{}/memory/target", id.0);
        let _written = self.host.store.write(Asker::of(DomId::DOM0), &path, &(mib << 10).to_string());
        let has = self.host.xen.domain(id).map_or(0, |d| d.tot_pages);
        let wanted = mib << 8;
        let owner = crate::memory::Owner::Guest(crate::memory::GuestId(u32::from(id.0)));
        if wanted < has {
            let _limited = self.host.xen.domctl(DOM0, Domctl::MaxMem(id, wanted * 4));
            let pool: Vec<_> = self.host.pools.get(&id).map(|pool| pool.frames.clone()).unwrap_or_default();
            let own: Vec<_> =
                self.host.xen.memory.owned().filter(|(_, o)| *o == owner).map(|(frame, _)| frame).collect();
            let shared_info = self.host.xen.domain(id).and_then(|d| d.shared_info);
            let spare = own.into_iter().rev().filter(|frame| !pool.contains(frame) && shared_info != Some(*frame));
            let frames: Vec<_> = spare.filter(|frame| self.host.xen.frames.info(*frame).count == 0).collect();
            let given = frames.into_iter().take((has - wanted) as usize).collect();
            let op = crate::xen::memory::MemoryOp::DecreaseReservation { domain: DomId::SELF, frames: given };
            let _done = self.host.xen.memory_op(VcpuId::first(id), op);
        } else {
            let _limited = self.host.xen.domctl(DOM0, Domctl::MaxMem(id, wanted * 4));
            let op = crate::xen::memory::MemoryOp::IncreaseReservation { domain: DomId::SELF, count: wanted - has };
            let _done = self.host.xen.memory_op(VcpuId::first(id), op);
        }
    }
}

fn remove(host: &mut Host, path: &str) {
    let _gone = host.store.rm(Asker::of(DomId::DOM0), path);
}
