//! Mapping another domain's frame, and undoing it. Checks in the order of `map_grant_ref`, `unmap_common` and
//! `unmap_common_complete` (`xen/common/grant_table.c`).

use super::{Active, GTF_PERMIT_ACCESS, GTF_READING, GTF_READONLY, GTF_TYPE_MASK, GTF_WRITING};
use super::{GrantHandle, GrantRef, GrantRefusal, Mapping, Status, bad};
use crate::memory::{Hfn, Hpa};
use crate::xen::Xen;
use crate::xen::domain::{DomId, VcpuId};
use crate::xen::mm::PageType;

/// A device of the caller may use it.
pub const GNTMAP_DEVICE_MAP: u32 = 1;
/// The caller's processors may use it.
pub const GNTMAP_HOST_MAP: u32 = 2;
/// For reading only.
pub const GNTMAP_READONLY: u32 = 4;
/// Programs of the caller may use it.
pub const GNTMAP_APPLICATION_MAP: u32 = 8;
/// The address is that of the entry of a page table.
pub const GNTMAP_CONTAINS_PTE: u32 = 16;

/// What is asked (`struct gnttab_map_grant_ref`).
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct MapGrantRef {
    /// Where in the caller's address space, or which entry of a page table.
    pub host_addr: u64,
    /// `GNTMAP_...`.
    pub flags: u32,
    /// Which entry.
    pub gref: GrantRef,
    /// Of which domain.
    pub dom: DomId,
}

/// What comes back of a mapping.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Mapped {
    /// By which it is undone.
    pub handle: GrantHandle,
    /// The machine address, for a device.
    pub dev_bus_addr: u64,
}

/// What is asked (`struct gnttab_unmap_grant_ref`).
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct UnmapGrantRef {
    /// The address of the mapping; 0 leaves the processors' mapping alone.
    pub host_addr: u64,
    /// The machine address; 0 leaves the device's mapping alone.
    pub dev_bus_addr: u64,
    /// Which mapping.
    pub handle: GrantHandle,
}

/// Marks an entry as in use (`_set_status_v1`).
pub(super) fn set_status(
    xen: &mut Xen,
    owner: DomId,
    gref: GrantRef,
    is_readonly: bool,
    user: DomId,
) -> Result<(), GrantRefusal> {
    let Some(d) = xen.domain_mut(owner) else { return bad(Status::BadDomain, "there is no domain of that number") };
    let is_pinned = d.grants.active.contains_key(&gref);
    let entry = d.grants.entry(gref);
    if !is_pinned && entry.flags & GTF_TYPE_MASK != GTF_PERMIT_ACCESS {
        return bad(Status::GeneralError, "the entry does not permit access");
    }
    if !is_pinned && entry.domid != user {
        return bad(Status::GeneralError, "the entry is for another domain");
    }
    if !is_readonly && entry.flags & GTF_READONLY != 0 {
        return bad(Status::GeneralError, "the entry is for reading only");
    }
    let writing = if is_readonly { 0 } else { GTF_WRITING };
    d.grants.entries.entry(gref).or_default().flags |= GTF_READING | writing;
    Ok(())
}

/// Takes the marks away that no pin stands for any more (`reduce_status_for_pin`).
pub(super) fn clear_status(xen: &mut Xen, owner: DomId, gref: GrantRef) {
    let Some(d) = xen.domain_mut(owner) else { return };
    let active = d.grants.active.get(&gref).copied();
    if let Some(entry) = d.grants.entries.get_mut(&gref) {
        if active.is_none_or(|active| !active.can_write()) {
            entry.flags &= !GTF_WRITING;
        }
        if active.is_none() {
            entry.flags &= !GTF_READING;
        }
    }
}

/// Adds to or takes from the pins of an entry; without pins it is not active.
pub(super) fn pin(xen: &mut Xen, owner: DomId, gref: GrantRef, flags: u32, user: (DomId, Hfn), up: bool) {
    let Some(d) = xen.domain_mut(owner) else { return };
    let readonly = usize::from(flags & GNTMAP_READONLY != 0);
    let (domid, mfn) = user;
    let active = d.grants.active.entry(gref).or_insert(Active { domid, mfn, pins: [0; 4] });
    for (bit, at) in [(GNTMAP_HOST_MAP, readonly), (GNTMAP_DEVICE_MAP, 2 + readonly)] {
        if flags & bit != 0 {
            active.pins[at] = if up { active.pins[at].saturating_add(1) } else { active.pins[at].saturating_sub(1) };
        }
    }
    if active.pin() == 0 {
        d.grants.active.remove(&gref);
    }
}

impl Xen {
    /// `GNTTABOP_map_grant_ref`.
    ///
    /// # Errors
    /// The status that the operation gets, with the rule.
    pub fn map_grant_ref(&mut self, caller: VcpuId, op: MapGrantRef) -> Result<Mapped, GrantRefusal> {
        let is_hvm = self.domain(caller.domain).is_some_and(|d| !d.kind.is_pv());
        if op.flags & (GNTMAP_DEVICE_MAP | GNTMAP_HOST_MAP) == 0 {
            return bad(Status::BadGntref, "neither a mapping for processors nor one for devices is asked for");
        }
        if is_hvm && op.flags & (GNTMAP_DEVICE_MAP | GNTMAP_APPLICATION_MAP | GNTMAP_CONTAINS_PTE) != 0 {
            return bad(Status::GeneralError, "an HVM guest has no page tables that Xen could write");
        }
        if self.domain(op.dom).is_none() {
            return bad(Status::BadDomain, "there is no domain of that number");
        }
        let Some(handle) = self.domain(caller.domain).and_then(|d| d.grants.free_handle()) else {
            return bad(Status::NoSpace, "the domain has no handle left");
        };
        let mfn = self.pin_grant(caller.domain, op)?;
        let is_readonly = op.flags & GNTMAP_READONLY != 0;
        if !self.hold_granted(mfn, op, is_readonly) {
            pin(self, op.dom, op.gref, op.flags, (caller.domain, mfn), false);
            clear_status(self, op.dom, op.gref);
            return bad(
                Status::GeneralError,
                "the frame cannot be used so: it is a page table, or it is not the owner's",
            );
        }
        if op.flags & GNTMAP_CONTAINS_PTE != 0
            && op.flags & GNTMAP_HOST_MAP != 0
            && let Err(refusal) = self.write_grant_entry(caller.domain, Hpa(op.host_addr), mfn, is_readonly)
        {
            self.drop_granted(mfn, op.flags);
            pin(self, op.dom, op.gref, op.flags, (caller.domain, mfn), false);
            clear_status(self, op.dom, op.gref);
            return Err(refusal);
        }
        if let Some(d) = self.domain_mut(caller.domain) {
            let mapping = Mapping { domid: op.dom, gref: op.gref, flags: op.flags, host_addr: op.host_addr };
            d.grants.maptrack.insert(handle, mapping);
            d.grants.maptrack_limit = d.grants.maptrack_limit.max(handle + 1);
        }
        Ok(Mapped { handle, dev_bus_addr: mfn.address().0 })
    }

    /// Checks the entry and pins it: which frame it is.
    fn pin_grant(&mut self, user: DomId, op: MapGrantRef) -> Result<Hfn, GrantRefusal> {
        let Some(owner) = self.domain(op.dom) else {
            return bad(Status::BadDomain, "there is no domain of that number");
        };
        if op.gref >= owner.grants.len() {
            return bad(Status::BadGntref, "the table has no such entry");
        }
        let active = owner.grants.active.get(&op.gref).copied();
        if active.is_some_and(|active| active.domid != user) {
            return bad(Status::GeneralError, "another domain uses the entry");
        }
        if active.is_some_and(|active| active.pin() & 0x8080_8080 != 0) {
            return bad(Status::GeneralError, "the entry is mapped too often: its count would overflow");
        }
        let is_readonly = op.flags & GNTMAP_READONLY != 0;
        if active.is_none() || (!is_readonly && !active.is_some_and(|active| active.can_write())) {
            set_status(self, op.dom, op.gref, is_readonly, user)?;
        }
        let mfn = match active {
            Some(active) => active.mfn,
            None => {
                let frame = self.domain(op.dom).map(|d| d.grants.entry(op.gref).frame).unwrap_or_default();
                if self.owner(frame) != Some(op.dom) {
                    clear_status(self, op.dom, op.gref);
                    return bad(Status::BadPage, "the entry names a frame that its owner does not have");
                }
                frame
            }
        };
        pin(self, op.dom, op.gref, op.flags, (user, mfn), true);
        Ok(mfn)
    }

    /// Takes the references that a mapping holds: one for the frame, one for its type for each way of writing.
    fn hold_granted(&mut self, mfn: Hfn, op: MapGrantRef, is_readonly: bool) -> bool {
        if !self.get_page(mfn, op.dom) {
            return false;
        }
        let ways = (op.flags & (GNTMAP_DEVICE_MAP | GNTMAP_HOST_MAP)).count_ones();
        if !is_readonly {
            for way in 0..ways {
                if self.get_page_type(mfn, PageType::Writable).is_err() {
                    (0..way).for_each(|_| self.put_page_type(mfn));
                    self.put_page(mfn);
                    return false;
                }
            }
        }
        if ways == 2 {
            self.get_page(mfn, op.dom);
        }
        true
    }

    /// Gives back what one kind of mapping, or both, hold.
    fn drop_granted(&mut self, mfn: Hfn, ways: u32) {
        for bit in [GNTMAP_DEVICE_MAP, GNTMAP_HOST_MAP] {
            if ways & bit != 0 {
                if ways & GNTMAP_READONLY == 0 {
                    self.put_page_type(mfn);
                }
                self.put_page(mfn);
            }
        }
    }

    /// Writes the entry of a page table for a mapping (`create_grant_pte_mapping`).
    fn write_grant_entry(&mut self, user: DomId, at: Hpa, mfn: Hfn, is_readonly: bool) -> Result<(), GrantRefusal> {
        let table = at.frame();
        if !at.0.is_multiple_of(8) {
            return bad(Status::GeneralError, "an entry of a page table is at a multiple of eight");
        }
        if self.owner(table) != Some(user) {
            return bad(Status::GeneralError, "the page table is not the domain's own");
        }
        if self.frames.info(table).kind != PageType::Table(1) {
            return bad(Status::GeneralError, "the frame is not a page table of the last level");
        }
        self.write_granted_leaf(at, mfn, is_readonly, user);
        Ok(())
    }

    /// `GNTTABOP_unmap_grant_ref`.
    ///
    /// # Errors
    /// The status that the operation gets, with the rule.
    pub fn unmap_grant_ref(&mut self, caller: VcpuId, op: UnmapGrantRef) -> Result<(), GrantRefusal> {
        let Some(d) = self.domain(caller.domain) else { return bad(Status::BadDomain, "nobody calls") };
        if op.handle >= d.grants.maptrack_limit {
            return bad(Status::BadHandle, "the domain never had such a handle");
        }
        let Some(mapping) = d.grants.maptrack.get(&op.handle).copied() else {
            return bad(Status::BadHandle, "nothing is mapped under the handle");
        };
        let Some(active) = self.domain(mapping.domid).and_then(|d| d.grants.active.get(&mapping.gref).copied()) else {
            self.crash(caller, "a mapping's owner is not there any more");
            return bad(Status::GeneralError, "the owner is not there any more");
        };
        let flags = mapping.flags;
        let has_device = op.dev_bus_addr != 0 && flags & GNTMAP_DEVICE_MAP != 0;
        if has_device && op.dev_bus_addr != active.mfn.address().0 {
            return bad(Status::BadDevAddr, "the machine address is not the mapping's");
        }
        let has_host = op.host_addr != 0 && flags & GNTMAP_HOST_MAP != 0;
        if has_host && op.host_addr != mapping.host_addr {
            return bad(Status::GeneralError, "the address is not the mapping's");
        }
        if has_host && flags & GNTMAP_CONTAINS_PTE != 0 {
            self.memory.write_u64(Hpa(op.host_addr), 0);
        }
        let host = if has_host { GNTMAP_HOST_MAP } else { 0 };
        let device = if has_device { GNTMAP_DEVICE_MAP } else { 0 };
        let done = host | device | flags & GNTMAP_READONLY;
        if let Some(d) = self.domain_mut(caller.domain) {
            let left = flags & !(host | device);
            if left & (GNTMAP_HOST_MAP | GNTMAP_DEVICE_MAP) == 0 {
                d.grants.maptrack.remove(&op.handle);
            } else if let Some(known) = d.grants.maptrack.get_mut(&op.handle) {
                known.flags = left;
            }
        }
        pin(self, mapping.domid, mapping.gref, done, (caller.domain, active.mfn), false);
        clear_status(self, mapping.domid, mapping.gref);
        self.drop_granted(active.mfn, done);
        Ok(())
    }

    /// Undoes all mappings of a domain that ends (`gnttab_release_mappings`).
    pub(in crate::xen) fn release_mappings(&mut self, domain: DomId) {
        let all: Vec<(GrantHandle, Mapping)> = self
            .domain(domain)
            .map(|d| d.grants.maptrack.iter().map(|(handle, mapping)| (*handle, *mapping)).collect())
            .unwrap_or_default();
        for (handle, mapping) in all {
            let dev = if mapping.flags & GNTMAP_DEVICE_MAP != 0 {
                let active = self.domain(mapping.domid).and_then(|d| d.grants.active.get(&mapping.gref).copied());
                active.map_or(0, |active| active.mfn.address().0)
            } else {
                0
            };
            let op = UnmapGrantRef { host_addr: mapping.host_addr, dev_bus_addr: dev, handle };
            let _gone = self.unmap_grant_ref(VcpuId::first(domain), op);
        }
    }
}
