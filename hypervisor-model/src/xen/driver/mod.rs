//! Split drivers: a frontend in a guest, a backend in the domain that has the device. Source: Linux 6.1,
//! `drivers/block/xen-blkfront.c`, `drivers/block/xen-blkback`, `drivers/net/xen-netfront.c`, `drivers/net/xen-netback`.
//!
//! All that passes between the two is in memory that they share by grants, and one bit for each event. Each step that one of
//! them takes is told, so that a request can be followed.

pub mod blkback;
pub mod blkfront;
pub mod netback;
pub mod netfront;
#[cfg(test)]
mod tests;
pub mod xenbus_comms;

use std::collections::BTreeMap;

use kernel_model::machine::report::{DeedKind, Lane};
use serde::{Deserialize, Serialize};

use super::Xen;
use super::call::{EventChannelOp, GrantTableOp, Hypercall, Output};
use super::domain::{DomId, VcpuId};
use super::grant_table::GrantRef;
use super::grant_table::map::{GNTMAP_HOST_MAP, GNTMAP_READONLY, MapGrantRef, Mapped, UnmapGrantRef};
use super::xenstore::XenStore;
use crate::memory::Hfn;
use xenbus_comms::StoreLine;

/// What the drivers of a domain take from its kernel: frames and grant references.
#[derive(Clone, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
pub struct DriverPool {
    /// Frames that are free.
    pub frames: Vec<Hfn>,
    /// References that came back: the last goes out first.
    free: Vec<GrantRef>,
    /// References that never were in use begin here.
    next: GrantRef,
}

impl DriverPool {
    /// A pool of these frames.
    pub fn new(frames: Vec<Hfn>) -> DriverPool {
        DriverPool { frames, free: Vec::new(), next: super::grant_table::RESERVED_ENTRIES }
    }
}

/// Xen, xenstore, and what the domains' drivers have at hand.
#[derive(Clone, PartialEq, Debug)]
pub struct Host {
    /// The hypervisor.
    pub xen: Xen,
    /// The store that xenstored keeps in domain 0.
    pub store: XenStore,
    /// By domain.
    pub pools: BTreeMap<DomId, DriverPool>,
    /// What guests' kernels share with xenstored, by domain.
    pub lines: BTreeMap<DomId, StoreLine>,
}

/// Where a mapping of a driver lies: only its being there matters.
const MAPPED_AT: u64 = 0xffff_c900_0000_0000;

impl Host {
    /// A hypervisor with an empty store.
    pub fn new(xen: Xen) -> Host {
        Host { xen, store: XenStore::new(), pools: BTreeMap::new(), lines: BTreeMap::new() }
    }

    /// A frame of a domain, for a driver.
    pub fn take_frame(&mut self, domain: DomId) -> Option<Hfn> {
        self.pools.get_mut(&domain)?.frames.pop()
    }

    /// Gives it back.
    pub fn put_frame(&mut self, domain: DomId, frame: Hfn) {
        if let Some(pool) = self.pools.get_mut(&domain) {
            pool.frames.push(frame);
        }
    }

    /// A grant reference of a domain (`gnttab_alloc_grant_references`); the table grows when it must.
    pub fn take_gref(&mut self, domain: DomId) -> Option<GrantRef> {
        let pool = self.pools.get_mut(&domain)?;
        if let Some(gref) = pool.free.pop() {
            return Some(gref);
        }
        let gref = pool.next;
        pool.next += 1;
        let frames = gref / super::grant_table::ENTRIES_PER_FRAME + 1;
        self.xen.grant_setup_table(VcpuId::first(domain), DomId::SELF, frames).ok()?;
        Some(gref)
    }

    /// Gives it back, after it was revoked.
    pub fn put_gref(&mut self, domain: DomId, gref: GrantRef) {
        if let Some(pool) = self.pools.get_mut(&domain) {
            pool.free.push(gref);
        }
    }

    /// Lends a frame to another domain: no hypercall.
    pub fn grant(&mut self, domain: DomId, gref: GrantRef, to: DomId, frame: Hfn, is_readonly: bool) {
        if let Some(d) = self.xen.domain_mut(domain) {
            d.grants.grant_access(gref, to, frame, is_readonly);
        }
        let numbers = vec![("domain", domain.0.into()), ("gref", gref.into()), ("to", to.0.into()), ("frame", frame.0)];
        self.tell(
            Lane::GuestKernel,
            numbers,
            "Domain {domain} writes grant entry {gref}: domain {to} may use frame {frame:x}.",
        );
    }

    /// Takes a grant back; whether that was possible.
    pub fn revoke(&mut self, domain: DomId, gref: GrantRef) -> bool {
        let Some(d) = self.xen.domain_mut(domain) else { return false };
        d.grants.end_access(gref) == super::grant_table::entry::Revoked::Done
    }

    /// Maps a granted frame.
    pub fn map(&mut self, domain: DomId, dom: DomId, gref: GrantRef, is_readonly: bool) -> Option<(Mapped, Hfn)> {
        let readonly = if is_readonly { GNTMAP_READONLY } else { 0 };
        let op = MapGrantRef { host_addr: MAPPED_AT, flags: GNTMAP_HOST_MAP | readonly, gref, dom };
        let call = Hypercall::GrantTableOp(GrantTableOp::Map(vec![op]));
        match self.xen.hypercall(VcpuId::first(domain), call) {
            Ok((_, Output::Mapped(mapped))) => {
                let mapped = mapped.first().and_then(|mapped| mapped.as_ref().ok()).copied()?;
                Some((mapped, Hfn(mapped.dev_bus_addr >> 12)))
            }
            _ => None,
        }
    }

    /// Undoes a mapping.
    pub fn unmap(&mut self, domain: DomId, handle: u32) {
        let op = UnmapGrantRef { host_addr: MAPPED_AT, dev_bus_addr: 0, handle };
        let _done = self.xen.hypercall(VcpuId::first(domain), Hypercall::GrantTableOp(GrantTableOp::Unmap(vec![op])));
    }

    /// A hypercall on event channels that gives a port.
    pub fn port(&mut self, domain: DomId, op: EventChannelOp) -> Option<u32> {
        match self.xen.hypercall(VcpuId::first(domain), Hypercall::EventChannelOp(op)) {
            Ok((_, Output::Port(port))) => Some(port),
            _ => None,
        }
    }

    /// Closes a port.
    pub fn close(&mut self, domain: DomId, port: u32) {
        let call = Hypercall::EventChannelOp(EventChannelOp::Close(port));
        let _done = self.xen.hypercall(VcpuId::first(domain), call);
    }

    /// Sends an event.
    pub fn notify(&mut self, domain: DomId, port: u32) {
        let call = Hypercall::EventChannelOp(EventChannelOp::Send(port));
        let _dropped = self.xen.hypercall(VcpuId::first(domain), call);
    }

    /// Tells of a step.
    pub fn tell(&mut self, lane: Lane, numbers: Vec<(&'static str, u64)>, sentence: &'static str) {
        self.xen.deeds.tell(DeedKind::Device, "split driver", (lane, lane), numbers, sentence, "xen/include/public/io");
    }
}
