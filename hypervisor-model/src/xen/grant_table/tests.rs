//! Grants as guests use them.

use super::copy::{CopyFrame, GrantCopy};
use super::entry::Revoked;
use super::map::{
    GNTMAP_CONTAINS_PTE, GNTMAP_DEVICE_MAP, GNTMAP_HOST_MAP, GNTMAP_READONLY, MapGrantRef, UnmapGrantRef,
};
use super::{GrantRef, Status};
use crate::memory::{GuestId, Hfn, Owner};
use crate::xen::Xen;
use crate::xen::domain::{DomId, Domain, GuestKind, VcpuId};
use crate::xen::mm::PageType;
use crate::xen::mm::validate::entry_frame;

const DOM0: VcpuId = VcpuId::first(DomId(0));
const ONE: VcpuId = VcpuId::first(DomId(1));
const REF: GrantRef = 8;

/// Domain 0, and two others with four frames each; the frames of domain 1.
fn machine() -> (Xen, Vec<Hfn>) {
    let mut xen = Xen::new(64, 4);
    let mut frames = Vec::new();
    for id in 0..3_u16 {
        let mut d = Domain::new(DomId(id), GuestKind::Pv64, 1);
        (d.tot_pages, d.max_pages) = (4, 8);
        xen.insert_domain(d);
        for _ in 0..4 {
            let frame = xen.memory.allocate(Owner::Guest(GuestId(id.into()))).expect("there is room");
            if id == 1 {
                frames.push(frame);
            }
        }
    }
    (xen, frames)
}

fn grant(xen: &mut Xen, gref: GrantRef, to: u16, frame: Hfn, is_readonly: bool) {
    let d = xen.domain_mut(DomId(1)).expect("it is there");
    d.grants.grant_access(gref, DomId(to), frame, is_readonly);
}

fn revoke(xen: &mut Xen, gref: GrantRef) -> Revoked {
    xen.domain_mut(DomId(1)).expect("it is there").grants.end_access(gref)
}

fn map_as(xen: &mut Xen, who: VcpuId, dom: u16, gref: GrantRef, flags: u32) -> Result<u32, Status> {
    let op = MapGrantRef { host_addr: 0x1000, flags, gref, dom: DomId(dom) };
    let mapped = xen.map_grant_ref(who, op).map(|mapped| mapped.handle).map_err(|refusal| refusal.status);
    assert_eq!(xen.check(), Ok(()));
    mapped
}

fn map(xen: &mut Xen, gref: GrantRef, flags: u32) -> Result<u32, Status> {
    map_as(xen, DOM0, 1, gref, flags)
}

fn unmap(xen: &mut Xen, handle: u32) -> Result<(), Status> {
    let op = UnmapGrantRef { host_addr: 0x1000, dev_bus_addr: 0, handle };
    let done = xen.unmap_grant_ref(DOM0, op).map_err(|refusal| refusal.status);
    assert_eq!(xen.check(), Ok(()));
    done
}

fn flags(xen: &Xen, gref: GrantRef) -> u16 {
    xen.domain(DomId(1)).map_or(0, |d| d.grants.entry(gref).flags)
}

#[test]
fn a_grant_cannot_be_taken_back_while_it_is_mapped() {
    let (mut xen, frames) = machine();
    grant(&mut xen, REF, 0, frames[0], false);
    let handle = map(&mut xen, REF, GNTMAP_HOST_MAP).expect("it was granted");
    assert_eq!(flags(&xen, REF), 0x19, "permit_access, reading, writing: as the recorded dump has it");
    assert_eq!(revoke(&mut xen, REF), Revoked::StillInUse);
    assert_eq!(unmap(&mut xen, handle), Ok(()));
    assert_eq!(flags(&xen, REF), 1);
    assert_eq!(revoke(&mut xen, REF), Revoked::Done);
    assert_eq!(map(&mut xen, REF, GNTMAP_HOST_MAP), Err(Status::GeneralError), "a revoked one is nothing any more");
    assert_eq!(unmap(&mut xen, handle), Err(Status::BadHandle));
}

#[test]
fn mapping_is_refused_in_xens_order() {
    let (mut xen, frames) = machine();
    grant(&mut xen, REF, 0, frames[0], true);
    assert_eq!(map_as(&mut xen, DOM0, 9, REF, 0), Err(Status::BadGntref), "neither kind of mapping");
    assert_eq!(map_as(&mut xen, DOM0, 9, REF, GNTMAP_HOST_MAP), Err(Status::BadDomain));
    assert_eq!(map(&mut xen, 512, GNTMAP_HOST_MAP), Err(Status::BadGntref), "one frame has 512 entries");
    assert_eq!(map(&mut xen, 9, GNTMAP_HOST_MAP), Err(Status::GeneralError), "nothing is granted there");
    assert_eq!(map_as(&mut xen, VcpuId::first(DomId(2)), 1, REF, GNTMAP_HOST_MAP), Err(Status::GeneralError));
    assert_eq!(map(&mut xen, REF, GNTMAP_HOST_MAP), Err(Status::GeneralError), "it is for reading only");
    assert!(map(&mut xen, REF, GNTMAP_HOST_MAP | GNTMAP_READONLY).is_ok());
    grant(&mut xen, 10, 0, Hfn(0), false);
    assert_eq!(map(&mut xen, 10, GNTMAP_HOST_MAP), Err(Status::BadPage), "the frame is Xen's");
    assert_eq!(flags(&xen, 10), 1, "a refused mapping leaves no mark");
}

#[test]
fn a_page_table_cannot_be_lent_for_writing() {
    let (mut xen, frames) = machine();
    xen.get_page_and_type(frames[0], DomId(1), PageType::Table(1)).expect("an empty table is right");
    grant(&mut xen, REF, 0, frames[0], false);
    let op = MapGrantRef { host_addr: 0x1000, flags: GNTMAP_HOST_MAP, gref: REF, dom: DomId(1) };
    assert_eq!(xen.map_grant_ref(DOM0, op).map_err(|refusal| refusal.status), Err(Status::GeneralError));
    assert_eq!(flags(&xen, REF), 1);
    assert!(xen.map_grant_ref(DOM0, MapGrantRef { flags: GNTMAP_HOST_MAP | GNTMAP_READONLY, ..op }).is_ok());
}

#[test]
fn a_mapping_for_processors_and_devices_ends_in_two_steps() {
    let (mut xen, frames) = machine();
    grant(&mut xen, REF, 0, frames[0], false);
    let handle = map(&mut xen, REF, GNTMAP_HOST_MAP | GNTMAP_DEVICE_MAP).expect("it was granted");
    let wrong = UnmapGrantRef { host_addr: 0, dev_bus_addr: 0x5000, handle };
    assert_eq!(xen.unmap_grant_ref(DOM0, wrong).map_err(|refusal| refusal.status), Err(Status::BadDevAddr));
    assert_eq!(unmap(&mut xen, handle), Ok(()));
    assert_eq!(revoke(&mut xen, REF), Revoked::StillInUse, "the device can still write");
    let device = UnmapGrantRef { host_addr: 0, dev_bus_addr: frames[0].address().0, handle };
    assert_eq!(xen.unmap_grant_ref(DOM0, device), Ok(()));
    assert_eq!(revoke(&mut xen, REF), Revoked::Done);
}

#[test]
fn with_contains_pte_the_entry_of_a_page_table_is_written() {
    let (mut xen, frames) = machine();
    let table = xen.memory.allocate(Owner::Guest(GuestId(0))).expect("there is room");
    grant(&mut xen, REF, 0, frames[0], false);
    let at = table.address().plus(16);
    let op = MapGrantRef { host_addr: at.0, flags: GNTMAP_HOST_MAP | GNTMAP_CONTAINS_PTE, gref: REF, dom: DomId(1) };
    let early = xen.map_grant_ref(DOM0, op).map_err(|refusal| refusal.status);
    assert_eq!(early, Err(Status::GeneralError), "the frame is no page table yet");
    xen.get_page_and_type(table, DomId(0), PageType::Table(1)).expect("an empty table is right");
    let mapped = xen.map_grant_ref(DOM0, op).expect("now it is");
    assert_eq!(entry_frame(xen.memory.read_u64(at)), frames[0]);
    let unmap = UnmapGrantRef { host_addr: at.0, dev_bus_addr: 0, handle: mapped.handle };
    assert_eq!(xen.unmap_grant_ref(DOM0, unmap), Ok(()));
    assert_eq!(xen.memory.read_u64(at), 0);
}

#[test]
fn copying_needs_no_mapping_and_stays_within_pages() {
    let (mut xen, frames) = machine();
    xen.memory.write_u64(frames[0].address(), 0x0123_4567_89ab_cdef);
    grant(&mut xen, REF, 0, frames[0], true);
    let own = xen.memory.owned().find(|(_, owner)| *owner == Owner::Guest(GuestId(0))).expect("it has frames").0;
    let op = GrantCopy {
        source: (CopyFrame::Grant(DomId(1), REF), 0),
        dest: (CopyFrame::Frame(DomId::SELF, own), 8),
        len: 8,
    };
    let status = |xen: &mut Xen, op| {
        let status = xen.grant_copy(DOM0, op).map_or_else(|refusal| refusal.status, |()| Status::Okay);
        assert_eq!(xen.check(), Ok(()));
        status
    };
    assert_eq!(status(&mut xen, op), Status::Okay);
    assert_eq!(xen.memory.read_u64(own.address().plus(8)), 0x0123_4567_89ab_cdef);
    assert_eq!(flags(&xen, REF) & 0x18, 0, "nothing is held afterwards");
    assert_eq!(status(&mut xen, GrantCopy { len: 4096, ..op }), Status::BadCopyArg);
    let others = CopyFrame::Frame(DomId(1), frames[1]);
    assert_eq!(status(&mut xen, GrantCopy { source: (others, 0), ..op }), Status::PermissionDenied);
    let into = CopyFrame::Grant(DomId(1), REF);
    assert_eq!(status(&mut xen, GrantCopy { dest: (into, 0), ..op }), Status::GeneralError, "it is for reading only");
    let nobody = CopyFrame::Grant(DomId(9), REF);
    assert_eq!(status(&mut xen, GrantCopy { source: (nobody, 0), ..op }), Status::BadDomain);
}

#[test]
fn a_transferred_frame_belongs_to_the_receiver() {
    let (mut xen, frames) = machine();
    let receiver = xen.domain_mut(DomId(2)).expect("it is there");
    receiver.grants.accept_transfer(REF, DomId(1));
    let status = |xen: &mut Xen, frame, to, gref| {
        xen.grant_transfer(ONE, frame, DomId(to), gref).map_or_else(|refusal| refusal.status, |()| Status::Okay)
    };
    assert_eq!(status(&mut xen, frames[0], 2, REF), Status::Okay);
    assert_eq!(xen.owner(frames[0]), Some(DomId(2)));
    assert_eq!(xen.domain(DomId(2)).map(|d| d.grants.entry(REF).frame), Some(frames[0]));
    assert_eq!(status(&mut xen, frames[0], 2, REF), Status::BadPage, "it is not one's own any more");
    assert_eq!(status(&mut xen, frames[1], 2, 9), Status::GeneralError, "nobody waits there");
    xen.get_page(frames[2], DomId(1));
    assert_eq!(status(&mut xen, frames[2], 2, REF), Status::BadPage, "somebody refers to it");
    assert_eq!(status(&mut xen, Hfn(9999), 2, REF), Status::BadPage);
}

#[test]
fn the_table_grows_up_to_its_limit() {
    let (mut xen, _) = machine();
    assert_eq!(xen.grant_setup_table(ONE, DomId::SELF, 2), Ok(2));
    assert_eq!(xen.grant_query_size(ONE, DomId::SELF).map(|size| (size.frames, size.max_frames)), Ok((2, 64)));
    let status = |result: Result<u32, super::GrantRefusal>| result.map_err(|refusal| refusal.status);
    assert_eq!(status(xen.grant_setup_table(ONE, DomId::SELF, 65)), Err(Status::GeneralError));
    assert_eq!(status(xen.grant_setup_table(ONE, DomId(2), 1)), Err(Status::PermissionDenied));
    assert_eq!(status(xen.grant_setup_table(ONE, DomId(9), 1)), Err(Status::BadDomain));
}
