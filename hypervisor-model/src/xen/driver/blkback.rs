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

/// What the backend wants of the disk itself (`dispatch_rw_block_io`).
#[derive(Clone, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
pub struct DiskIo {
    /// By which the answer is known.
    pub cookie: u64,
    /// Whether it writes.
    pub is_write: bool,
    /// From which byte of the disk on.
    pub pos: u64,
    /// How many bytes; 0 for emptying the disk's own cache.
    pub bytes: u64,
    /// What is written.
    pub data: Vec<u8>,
}

/// A request that the disk works at: where its bytes are.
#[derive(Clone, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
struct Pending {
    request: Request,
    frames: Vec<Hfn>,
}

/// The backend of a disk.
#[derive(Clone, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
pub struct BlkBack {
    /// Which device.
    pub device: DeviceId,
    ring: Option<Ring>,
    pending: BTreeMap<u64, Pending>,
    next_cookie: u64,
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
            xenbus::write(host, domain, &at, name, value);
        }
        xenbus::switch_state(host, domain, &at, XenbusState::InitWait);
        BlkBack { device, ring: None, pending: BTreeMap::new(), next_cookie: 0, sectors, is_writable: true }
    }

    fn domain(&self) -> DomId {
        self.device.backend
    }

    /// The port of its channel.
    pub fn port(&self) -> Option<u32> {
        self.ring.as_ref().map(|ring| ring.port)
    }

    /// The ring, and how many requests were taken off it.
    pub fn ring(&self) -> Option<(SharedRing, u32)> {
        self.ring.as_ref().map(|ring| (ring.ring, ring.req_cons))
    }

    /// Requests that the disk works at.
    pub fn in_flight(&self) -> usize {
        self.pending.len()
    }

    /// The frontend's state has changed (`frontend_changed`).
    pub fn frontend_changed(&mut self, host: &mut Host, state: XenbusState) {
        let (domain, at) = (self.domain(), self.device.back());
        let own = self.device.back_state(&host.store);
        match state {
            XenbusState::Initialising if own == XenbusState::Closed => {
                xenbus::switch_state(host, domain, &at, XenbusState::InitWait);
            }
            XenbusState::Initialised | XenbusState::Connected if own != XenbusState::Connected => {
                self.disconnect(host);
                if self.connect_ring(host).is_some() {
                    self.connect(host);
                }
            }
            XenbusState::Closing => xenbus::switch_state(host, domain, &at, XenbusState::Closing),
            XenbusState::Closed | XenbusState::Unknown if own != XenbusState::Closed => {
                self.disconnect(host);
                xenbus::switch_state(host, domain, &at, XenbusState::Closed);
            }
            _ => {}
        }
    }

    /// `connect_ring`: the frontend's page is mapped, its port bound.
    fn connect_ring(&mut self, host: &mut Host) -> Option<()> {
        let (domain, front) = (self.domain(), self.device.front());
        let gref = xenbus::read_number(host, domain, &front, "ring-ref")? as u32;
        let remote = xenbus::read_number(host, domain, &front, "event-channel")? as u32;
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
            xenbus::write(host, domain, &at, name, value);
        }
        xenbus::switch_state(host, domain, &at, XenbusState::Connected);
    }

    /// `xen_blkif_disconnect`: everything mapped is given back.
    pub fn disconnect(&mut self, host: &mut Host) {
        let Some(ring) = self.ring.take() else { return };
        let domain = self.domain();
        self.pending.clear();
        host.close(domain, ring.port);
        ring.persistent.values().for_each(|(handle, _)| host.unmap(domain, *handle));
        host.unmap(domain, ring.handle);
    }

    /// `xen_blkif_schedule`, `do_block_io_op`: requests are taken off the ring. What the disk is to do comes back; those that
    /// are wrong are answered at once.
    pub fn interrupt(&mut self, host: &mut Host) -> Vec<DiskIo> {
        let mut work = Vec::new();
        let Some(mut ring) = self.ring.take() else { return work };
        let mut has_answered = false;
        loop {
            while ring.req_cons != ring.ring.produced(&host.xen.memory, Way::Request) {
                if ring.ring.is_overflown(&host.xen.memory, ring.rsp_prod) {
                    // More requests than entries: the frontend lies, and the device is shut (`-EACCES`).
                    self.ring = Some(ring);
                    let (domain, at) = (self.domain(), self.device.back());
                    self.disconnect(host);
                    xenbus::switch_state(host, domain, &at, XenbusState::Closing);
                    return Vec::new();
                }
                // The request is copied before it is looked at: the frontend could change it meanwhile.
                let request = Request::get(&host.xen.memory, ring.ring.entry(ring.req_cons));
                ring.req_cons = ring.req_cons.wrapping_add(1);
                match self.dispatch(host, &mut ring, &request) {
                    Ok(io) => {
                        let numbers = vec![
                            ("id", request.id),
                            ("sector", request.sector),
                            ("segments", request.segments.len() as u64),
                        ];
                        let sentence = "blkback has taken request {id} off the ring, {segments} segments at sector \
                                        {sector}, and gives it to the disk.";
                        host.tell(Lane::Device, numbers, sentence);
                        work.push(io);
                    }
                    Err(status) => {
                        answer(host, &mut ring, &request, status);
                        has_answered = true;
                    }
                }
            }
            if !ring.ring.final_check(&mut host.xen.memory, Way::Request, ring.req_cons) {
                break;
            }
        }
        if has_answered && ring.ring.push(&mut host.xen.memory, Way::Response, ring.rsp_prod) {
            host.notify(self.domain(), ring.port);
        }
        self.ring = Some(ring);
        work
    }

    /// What the disk is to do for a request, whose pages are mapped; or the status with which it is refused.
    fn dispatch(&mut self, host: &mut Host, ring: &mut Ring, request: &Request) -> Result<DiskIo, i16> {
        let cookie = self.next_cookie;
        let is_write = request.operation != blkif::READ;
        let mut io =
            DiskIo { cookie, is_write, pos: request.sector.saturating_mul(blkif::SECTOR), bytes: 0, data: Vec::new() };
        let mut frames = Vec::new();
        match request.operation {
            blkif::FLUSH => {}
            blkif::READ | blkif::WRITE | blkif::WRITE_BARRIER => {
                let count = request.segments.len();
                if count == 0 || count > blkif::MAX_SEGMENTS || (is_write && !self.is_writable) {
                    return Err(blkif::ERROR);
                }
                for segment in &request.segments {
                    if segment.last >= 8 || segment.last < segment.first {
                        return Err(blkif::ERROR);
                    }
                    let length = u64::from(segment.last + 1 - segment.first) * blkif::SECTOR;
                    let frame = self.page(host, ring, segment.gref).ok_or(blkif::ERROR)?;
                    if is_write {
                        let from = frame.address().plus(u64::from(segment.first) * blkif::SECTOR);
                        io.data.extend((0..length).map(|i| host.xen.memory.read_u8(from.plus(i))));
                    }
                    io.bytes += length;
                    frames.push(frame);
                }
                if io.pos.saturating_add(io.bytes) > self.sectors * blkif::SECTOR {
                    return Err(blkif::ERROR);
                }
            }
            _ => return Err(blkif::EOPNOTSUPP),
        }
        self.next_cookie += 1;
        self.pending.insert(cookie, Pending { request: request.clone(), frames });
        Ok(io)
    }

    /// `end_block_io_op`: the disk is done; with what it read, or it has failed. The response goes onto the ring.
    pub fn done(&mut self, host: &mut Host, cookie: u64, result: Option<&[u8]>) {
        let Some(pending) = self.pending.remove(&cookie) else { return };
        let Some(mut ring) = self.ring.take() else { return };
        if let (Some(mut data), blkif::READ) = (result, pending.request.operation) {
            for (segment, frame) in pending.request.segments.iter().zip(&pending.frames) {
                let length = usize::from(segment.last + 1 - segment.first) * blkif::SECTOR as usize;
                let (now, later) = data.split_at(length.min(data.len()));
                let to = frame.address().plus(u64::from(segment.first) * blkif::SECTOR);
                for (i, byte) in now.iter().enumerate() {
                    host.xen.memory.write_u8(to.plus(i as u64), *byte);
                }
                data = later;
            }
        }
        answer(host, &mut ring, &pending.request, if result.is_some() { blkif::OKAY } else { blkif::ERROR });
        if ring.ring.push(&mut host.xen.memory, Way::Response, ring.rsp_prod) {
            host.notify(self.domain(), ring.port);
        }
        self.ring = Some(ring);
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

/// `make_response`.
fn answer(host: &mut Host, ring: &mut Ring, request: &Request, status: i16) {
    let response = Response { id: request.id, operation: request.operation, status };
    response.put(&mut host.xen.memory, ring.ring.entry(ring.rsp_prod));
    ring.rsp_prod = ring.rsp_prod.wrapping_add(1);
    let sentence = match status {
        blkif::OKAY => "blkback puts the response to request {id} onto the ring: it is done.",
        _ => "blkback puts the response to request {id} onto the ring: it has failed.",
    };
    host.tell(Lane::Device, vec![("id", request.id)], sentence);
}

/// A disk in memory: what stands behind a backend where there is no kernel of domain 0.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct MemoryDisk {
    content: BTreeMap<u64, Vec<u8>>,
}

impl MemoryDisk {
    /// What a sector holds.
    pub fn sector(&self, sector: u64) -> Vec<u8> {
        self.content.get(&sector).cloned().unwrap_or_else(|| vec![0; blkif::SECTOR as usize])
    }

    /// Does what a backend wants; what was read.
    pub fn serve(&mut self, io: &DiskIo) -> Vec<u8> {
        let first = io.pos / blkif::SECTOR;
        if io.is_write {
            for (sector, bytes) in (first..).zip(io.data.chunks(blkif::SECTOR as usize)) {
                self.content.insert(sector, bytes.to_vec());
            }
            return Vec::new();
        }
        (first..first + io.bytes / blkif::SECTOR).flat_map(|sector| self.sector(sector)).collect()
    }
}
