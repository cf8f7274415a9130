//! The frontend of a disk: what the guest has instead of a driver for hardware. Source: Linux 6.1,
//! `drivers/block/xen-blkfront.c`.
//!
//! With persistent grants the frontend copies data to and from pages that stay granted, so that the backend need not map and
//! unmap for every request.

use std::collections::BTreeMap;

use kernel_model::machine::report::Lane;
use serde::{Deserialize, Serialize};

use super::Host;
use crate::memory::{Hfn, PAGE_SIZE};
use crate::xen::call::EventChannelOp;
use crate::xen::domain::DomId;
use crate::xen::grant_table::GrantRef;
use crate::xen::io::blkif::{self, Request, Response, Segment};
use crate::xen::io::ring::{SharedRing, Way};
use crate::xen::io::xenbus::{self, DeviceId, XenbusState};

/// A page that stays granted to the backend.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
struct PersistentGrant {
    gref: GrantRef,
    frame: Hfn,
}

/// A request under way.
#[derive(Clone, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
struct Shadow {
    operation: u8,
    grants: Vec<PersistentGrant>,
    bytes: usize,
}

/// A request that came back.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Completed {
    /// Its number.
    pub id: u64,
    /// `BLKIF_RSP_...`.
    pub status: i16,
    /// What was read.
    pub data: Vec<u8>,
}

/// What a connected frontend has.
#[derive(Clone, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
struct Ring {
    ring: SharedRing,
    gref: GrantRef,
    port: u32,
    req_prod: u32,
    rsp_cons: u32,
}

/// The frontend of a disk.
#[derive(Clone, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
pub struct BlkFront {
    /// Which device.
    pub device: DeviceId,
    ring: Option<Ring>,
    shadows: BTreeMap<u64, Shadow>,
    persistent: Vec<PersistentGrant>,
    /// Sectors of the disk, once it is connected.
    pub sectors: Option<u64>,
    next_id: u64,
}

impl BlkFront {
    /// The driver takes a device (`blkfront_probe`).
    pub fn new(device: DeviceId) -> BlkFront {
        BlkFront { device, ring: None, shadows: BTreeMap::new(), persistent: Vec::new(), sectors: None, next_id: 0 }
    }

    fn domain(&self) -> DomId {
        self.device.frontend
    }

    /// The port of its channel.
    pub fn port(&self) -> Option<u32> {
        self.ring.as_ref().map(|ring| ring.port)
    }

    /// The ring.
    pub fn ring(&self) -> Option<SharedRing> {
        self.ring.as_ref().map(|ring| ring.ring)
    }

    /// The backend's state has changed (`blkback_changed`).
    pub fn backend_changed(&mut self, host: &mut Host, state: XenbusState) {
        let own = self.device.front_state(&host.store);
        match state {
            XenbusState::InitWait if own == XenbusState::Initialising => {
                self.talk_to_backend(host);
            }
            XenbusState::Connected if matches!(own, XenbusState::Initialised | XenbusState::Connected) => {
                self.connect(host, own);
            }
            XenbusState::Closing | XenbusState::Closed if own != XenbusState::Closed => self.close(host),
            _ => {}
        }
    }

    /// `talk_to_blkback`: a ring, a channel, and their numbers in xenstore.
    fn talk_to_backend(&mut self, host: &mut Host) -> Option<()> {
        let (domain, backend) = (self.domain(), self.device.backend);
        let frame = host.take_frame(domain)?;
        let ring = SharedRing { frame, shape: blkif::SHAPE };
        ring.init(&mut host.xen.memory);
        let gref = host.take_gref(domain)?;
        host.grant(domain, gref, backend, frame, false);
        let port = host.port(domain, EventChannelOp::AllocUnbound { dom: DomId::SELF, remote: backend })?;
        self.ring = Some(Ring { ring, gref, port, req_prod: 0, rsp_cons: 0 });
        let at = self.device.front();
        for (name, value) in [
            ("ring-ref", gref.to_string()),
            ("event-channel", port.to_string()),
            ("protocol", "x86_64-abi".to_owned()),
            ("feature-persistent", "1".to_owned()),
        ] {
            xenbus::write(host, domain, &at, name, &value);
        }
        xenbus::switch_state(host, domain, &at, XenbusState::Initialised);
        Some(())
    }

    /// `blkfront_connect`: the disk is there.
    fn connect(&mut self, host: &mut Host, own: XenbusState) {
        let (domain, back) = (self.domain(), self.device.back());
        self.sectors = xenbus::read_number(host, domain, &back, "sectors");
        if own != XenbusState::Connected {
            xenbus::switch_state(host, domain, &self.device.front(), XenbusState::Connected);
        }
    }

    /// `blkfront_closing`, `blkif_free`: what is under way has failed, the ring is taken back.
    fn close(&mut self, host: &mut Host) {
        let (domain, at) = (self.domain(), self.device.front());
        xenbus::switch_state(host, domain, &at, XenbusState::Closing);
        self.sectors = None;
        if let Some(ring) = self.ring.take() {
            host.close(domain, ring.port);
            let shadows = std::mem::take(&mut self.shadows).into_values().flat_map(|shadow| shadow.grants);
            let all: Vec<(GrantRef, Hfn)> = shadows
                .chain(std::mem::take(&mut self.persistent))
                .map(|grant| (grant.gref, grant.frame))
                .chain([(ring.gref, ring.ring.frame)])
                .collect();
            for (gref, frame) in all {
                // One that the backend still has mapped cannot be used again: it is lost, as Linux loses it.
                if host.revoke(domain, gref) {
                    host.put_gref(domain, gref);
                    host.put_frame(domain, frame);
                }
            }
        }
        xenbus::switch_state(host, domain, &at, XenbusState::Closed);
    }

    fn grant_page(&mut self, host: &mut Host) -> Option<PersistentGrant> {
        if let Some(grant) = self.persistent.pop() {
            return Some(grant);
        }
        let domain = self.domain();
        let frame = host.take_frame(domain)?;
        let gref = host.take_gref(domain)?;
        host.grant(domain, gref, self.device.backend, frame, false);
        Some(PersistentGrant { gref, frame })
    }

    /// `blkif_queue_rw_req`: a request of the guest's block layer becomes one on the ring; its number. `None` when the ring is
    /// full, or the disk is not connected.
    pub fn submit(&mut self, host: &mut Host, operation: u8, sector: u64, bytes: usize, data: &[u8]) -> Option<u64> {
        self.sectors?;
        let ring = self.ring.clone()?;
        if ring.req_prod.wrapping_sub(ring.rsp_cons) >= ring.ring.shape.entries() {
            return None;
        }
        let pages = bytes.div_ceil(PAGE_SIZE as usize).min(blkif::MAX_SEGMENTS);
        let grants: Vec<PersistentGrant> = (0..pages).map_while(|_| self.grant_page(host)).collect();
        let mut segments = Vec::new();
        for (n, grant) in grants.iter().enumerate() {
            let from = n * PAGE_SIZE as usize;
            let count = (bytes - from).min(PAGE_SIZE as usize);
            for (i, byte) in data.iter().skip(from).take(count).enumerate() {
                host.xen.memory.write_u8(grant.frame.address().plus(i as u64), *byte);
            }
            let last = (count as u64).div_ceil(blkif::SECTOR).max(1) - 1;
            segments.push(Segment { gref: grant.gref, first: 0, last: last as u8 });
        }
        let id = self.next_id;
        self.next_id += 1;
        let request = Request { operation, handle: self.device.number as u16, id, sector, segments };
        request.put(&mut host.xen.memory, ring.ring.entry(ring.req_prod));
        self.shadows.insert(id, Shadow { operation, grants, bytes });
        let domain = self.device.frontend.0.into();
        let entry = (ring.req_prod % 32).into();
        let numbers = vec![("domain", domain), ("id", id), ("sector", sector), ("entry", entry)];
        host.tell(
            Lane::GuestKernel,
            numbers,
            "blkfront puts request {id} for sector {sector} into entry {entry} of its ring.",
        );
        let new = ring.req_prod.wrapping_add(1);
        if let Some(own) = &mut self.ring {
            own.req_prod = new;
        }
        if ring.ring.push(&mut host.xen.memory, Way::Request, new) {
            host.notify(self.domain(), ring.port);
        }
        Some(id)
    }

    /// `blkif_interrupt`: responses are taken off the ring.
    pub fn interrupt(&mut self, host: &mut Host) -> Vec<Completed> {
        let mut completed = Vec::new();
        let Some(ring) = &mut self.ring else { return completed };
        loop {
            while ring.rsp_cons != ring.ring.produced(&host.xen.memory, Way::Response) {
                let response = Response::get(&host.xen.memory, ring.ring.entry(ring.rsp_cons));
                ring.rsp_cons = ring.rsp_cons.wrapping_add(1);
                // A number that was not given out is a backend's lie, and no reason to believe it.
                let Some(shadow) = self.shadows.remove(&response.id) else { continue };
                let mut data = Vec::new();
                if shadow.operation == blkif::READ && response.status == blkif::OKAY {
                    for n in 0..shadow.bytes {
                        let grant = &shadow.grants[n / PAGE_SIZE as usize];
                        data.push(host.xen.memory.read_u8(grant.frame.address().plus(n as u64 % PAGE_SIZE)));
                    }
                }
                self.persistent.extend(shadow.grants);
                completed.push(Completed { id: response.id, status: response.status, data });
            }
            if !ring.ring.final_check(&mut host.xen.memory, Way::Response, ring.rsp_cons) {
                break;
            }
        }
        for done in &completed {
            let sentence = "blkfront takes the response to request {id} off its ring: the block layer is told.";
            let domain = self.device.frontend.0.into();
            host.tell(Lane::GuestKernel, vec![("domain", domain), ("id", done.id)], sentence);
        }
        completed
    }
}
