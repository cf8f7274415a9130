//! The backend of a disk: in the domain that has the disk, it does for others what its own file system would do for itself.
//! Source: Linux 6.1, `drivers/block/xen-blkback/blkback.c`, `xenbus.c`.

use std::collections::BTreeMap;

use kernel_model::machine::report::Lane;
use serde::{Deserialize, Serialize};

use super::Host;
use crate::memory::Hfn;
use crate::xen::call::EventChannelOp;
use crate::xen::domain::DomId;
use crate::xen::grant_table::GrantRef;
use crate::xen::io::blkif::{self, Request, Response};
use crate::xen::io::ring::{SharedRing, Way};
use crate::xen::io::xenbus::{self, DeviceId, XenbusState};

/// What a connected backend has.
#[derive(Clone, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
struct Ring {
    ring: SharedRing,
    handle: u32,
    port: u32,
    req_cons: u32,
    rsp_prod: u32,
    /// Pages that stay mapped: handle and frame.
    persistent: BTreeMap<GrantRef, (u32, Hfn)>,
}

/// The backend of a disk, with the disk.
#[derive(Clone, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
pub struct BlkBack {
    /// Which device.
    pub device: DeviceId,
    ring: Option<Ring>,
    /// Sectors that are not all zeros.
    content: BTreeMap<u64, Vec<u8>>,
    /// How many sectors the disk has.
    pub sectors: u64,
    /// The guest may write (`mode`).
    pub is_writable: bool,
}

impl BlkBack {
    /// The driver takes a device (`xen_blkbk_probe`): it tells what it can do, and waits.
    pub fn new(host: &mut Host, device: DeviceId, sectors: u64) -> BlkBack {
        let at = device.back();
        let domain = device.backend;
        for (name, value) in
            [("feature-max-indirect-segments", "256"), ("multi-queue-max-queues", "1"), ("max-ring-page-order", "4")]
        {
            xenbus::write(&mut host.store, domain, &at, name, value);
        }
        xenbus::switch_state(&mut host.store, domain, &at, XenbusState::InitWait);
        BlkBack { device, ring: None, content: BTreeMap::new(), sectors, is_writable: true }
    }

    fn domain(&self) -> DomId {
        self.device.backend
    }

    /// The port of its channel.
    pub fn port(&self) -> Option<u32> {
        self.ring.as_ref().map(|ring| ring.port)
    }

    /// What a sector holds.
    pub fn sector(&self, sector: u64) -> Vec<u8> {
        self.content.get(&sector).cloned().unwrap_or_else(|| vec![0; blkif::SECTOR as usize])
    }

    /// The frontend's state has changed (`frontend_changed`).
    pub fn frontend_changed(&mut self, host: &mut Host, state: XenbusState) {
        let (domain, at) = (self.domain(), self.device.back());
        let own = self.device.back_state(&host.store);
        match state {
            XenbusState::Initialising if own == XenbusState::Closed => {
                xenbus::switch_state(&mut host.store, domain, &at, XenbusState::InitWait);
            }
            XenbusState::Initialised | XenbusState::Connected if own != XenbusState::Connected => {
                self.disconnect(host);
                if self.connect_ring(host).is_some() {
                    self.connect(host);
                }
            }
            XenbusState::Closing => xenbus::switch_state(&mut host.store, domain, &at, XenbusState::Closing),
            XenbusState::Closed | XenbusState::Unknown if own != XenbusState::Closed => {
                self.disconnect(host);
                xenbus::switch_state(&mut host.store, domain, &at, XenbusState::Closed);
            }
            _ => {}
        }
    }

    /// `connect_ring`: the frontend's page is mapped, its port bound.
    fn connect_ring(&mut self, host: &mut Host) -> Option<()> {
        let (domain, front) = (self.domain(), self.device.front());
        let gref = xenbus::read_number(&host.store, domain, &front, "ring-ref")? as u32;
        let remote = xenbus::read_number(&host.store, domain, &front, "event-channel")? as u32;
        let (mapped, frame) = host.map(domain, self.device.frontend, gref, false)?;
        let bind = EventChannelOp::BindInterdomain { remote: self.device.frontend, port: remote };
        let Some(port) = host.port(domain, bind) else {
            host.unmap(domain, mapped.handle);
            return None;
        };
        let ring = SharedRing { frame, shape: blkif::SHAPE };
        let persistent = BTreeMap::new();
        self.ring = Some(Ring { ring, handle: mapped.handle, port, req_cons: 0, rsp_prod: 0, persistent });
        Some(())
    }

    /// `connect`: what the disk is, then Connected.
    fn connect(&mut self, host: &mut Host) {
        let (domain, at) = (self.domain(), self.device.back());
        let sectors = self.sectors.to_string();
        for (name, value) in [
            ("feature-flush-cache", "1"),
            ("discard-granularity", "4096"),
            ("discard-alignment", "0"),
            ("discard-secure", "0"),
            ("feature-discard", "1"),
            ("feature-barrier", "1"),
            ("feature-persistent", "1"),
            ("sectors", &sectors),
            ("info", "0"),
            ("sector-size", "512"),
            ("physical-sector-size", "512"),
        ] {
            xenbus::write(&mut host.store, domain, &at, name, value);
        }
        xenbus::switch_state(&mut host.store, domain, &at, XenbusState::Connected);
    }

    /// `xen_blkif_disconnect`: everything mapped is given back.
    pub fn disconnect(&mut self, host: &mut Host) {
        let Some(ring) = self.ring.take() else { return };
        let domain = self.domain();
        host.close(domain, ring.port);
        ring.persistent.values().for_each(|(handle, _)| host.unmap(domain, *handle));
        host.unmap(domain, ring.handle);
    }

    /// `xen_blkif_schedule`, `do_block_io_op`: requests are taken off the ring and done.
    pub fn interrupt(&mut self, host: &mut Host) {
        let Some(mut ring) = self.ring.take() else { return };
        loop {
            while ring.req_cons != ring.ring.produced(&host.xen.memory, Way::Request) {
                if ring.ring.is_overflown(&host.xen.memory, ring.rsp_prod) {
                    // More requests than entries: the frontend lies, and the device is shut (`-EACCES`).
                    self.ring = Some(ring);
                    let (domain, at) = (self.domain(), self.device.back());
                    self.disconnect(host);
                    xenbus::switch_state(&mut host.store, domain, &at, XenbusState::Closing);
                    return;
                }
                // The request is copied before it is looked at: the frontend could change it meanwhile.
                let request = Request::get(&host.xen.memory, ring.ring.entry(ring.req_cons));
                ring.req_cons = ring.req_cons.wrapping_add(1);
                let status = self.dispatch(host, &mut ring, &request);
                let response = Response { id: request.id, operation: request.operation, status };
                response.put(&mut host.xen.memory, ring.ring.entry(ring.rsp_prod));
                ring.rsp_prod = ring.rsp_prod.wrapping_add(1);
                let numbers =
                    vec![("id", request.id), ("sector", request.sector), ("segments", request.segments.len() as u64)];
                let sentence =
                    "blkback has done request {id}, {segments} segments at sector {sector}, and answers on the ring.";
                host.tell(Lane::Device, numbers, sentence);
            }
            if !ring.ring.final_check(&mut host.xen.memory, Way::Request, ring.req_cons) {
                break;
            }
        }
        if ring.ring.push(&mut host.xen.memory, Way::Response, ring.rsp_prod) {
            host.notify(self.domain(), ring.port);
        }
        self.ring = Some(ring);
    }

    fn dispatch(&mut self, host: &mut Host, ring: &mut Ring, request: &Request) -> i16 {
        if request.operation == blkif::FLUSH {
            return blkif::OKAY;
        }
        if !matches!(request.operation, blkif::READ | blkif::WRITE | blkif::WRITE_BARRIER) {
            return blkif::EOPNOTSUPP;
        }
        let is_write = request.operation != blkif::READ;
        let count = request.segments.len();
        if count == 0 || count > blkif::MAX_SEGMENTS || (is_write && !self.is_writable) {
            return blkif::ERROR;
        }
        let mut sector = request.sector;
        for segment in &request.segments {
            let length = u64::from(segment.last) + 1 - u64::from(segment.first.min(segment.last));
            if segment.last >= 8 || segment.last < segment.first || sector + length > self.sectors {
                return blkif::ERROR;
            }
            let Some(frame) = self.page(host, ring, segment.gref) else { return blkif::ERROR };
            for n in segment.first..=segment.last {
                let from = frame.address().plus(u64::from(n) * blkif::SECTOR);
                if is_write {
                    let bytes = (0..blkif::SECTOR).map(|i| host.xen.memory.read_u8(from.plus(i))).collect();
                    self.content.insert(sector, bytes);
                } else {
                    for (i, byte) in self.sector(sector).into_iter().enumerate() {
                        host.xen.memory.write_u8(from.plus(i as u64), byte);
                    }
                }
                sector += 1;
            }
        }
        blkif::OKAY
    }

    /// The frame behind a grant: mapped once, and kept.
    fn page(&self, host: &mut Host, ring: &mut Ring, gref: GrantRef) -> Option<Hfn> {
        if let Some((_, frame)) = ring.persistent.get(&gref) {
            return Some(*frame);
        }
        let (mapped, frame) = host.map(self.domain(), self.device.frontend, gref, false)?;
        ring.persistent.insert(gref, (mapped.handle, frame));
        Some(frame)
    }
}
