//! Giving a frame away for good (`gnttab_transfer`): how the first network backends moved packets. Checks in the order of
//! `gnttab_transfer` and `gnttab_prepare_for_transfer` (`xen/common/grant_table.c`).

use super::entry::{GTF_TRANSFER_COMMITTED, GTF_TRANSFER_COMPLETED};
use super::{GTF_ACCEPT_TRANSFER, GrantRef, GrantRefusal, Status, bad};
use crate::memory::{GuestId, Hfn, Owner};
use crate::xen::Xen;
use crate::xen::domain::{DomId, VcpuId};

impl Xen {
    /// `GNTTABOP_transfer`, one frame. One that was taken from the caller and then refused by the receiver is lost.
    ///
    /// # Errors
    /// The status that the operation gets, with the rule.
    pub fn grant_transfer(
        &mut self,
        caller: VcpuId,
        frame: Hfn,
        to: DomId,
        gref: GrantRef,
    ) -> Result<(), GrantRefusal> {
        if frame.0 >= self.memory.len() {
            return bad(Status::BadPage, "there is no such frame");
        }
        if !self.steal_page(frame, caller.domain) {
            return bad(Status::BadPage, "the frame is not the caller's alone: somebody else refers to it");
        }
        let result = self.receive(caller, frame, to, gref);
        if result.is_err() {
            self.memory.release(frame);
        }
        result
    }

    fn receive(&mut self, caller: VcpuId, frame: Hfn, to: DomId, gref: GrantRef) -> Result<(), GrantRefusal> {
        let Some(d) = self.domain_mut(to) else {
            return bad(Status::BadDomain, "there is no domain of that number");
        };
        if d.is_dying || d.tot_pages >= d.max_pages {
            return bad(Status::GeneralError, "the receiver is being taken apart, or has all frames that it may have");
        }
        let entry = d.grants.entry(gref);
        if gref >= d.grants.len() || entry.flags != GTF_ACCEPT_TRANSFER || entry.domid != caller.domain {
            return bad(Status::GeneralError, "the receiver does not wait for a frame from this domain there");
        }
        d.tot_pages += 1;
        if let Some(entry) = d.grants.entries.get_mut(&gref) {
            entry.flags |= GTF_TRANSFER_COMMITTED;
            entry.frame = frame;
            entry.flags |= GTF_TRANSFER_COMPLETED;
        }
        self.memory.give(frame, Owner::Guest(GuestId(u32::from(to.0))));
        Ok(())
    }
}
