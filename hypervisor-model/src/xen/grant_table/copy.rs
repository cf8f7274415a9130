//! Copying between frames of domains, without mapping them (`gnttab_copy`): what network backends do. Checks in the order of
//! `gnttab_copy_one` (`xen/common/grant_table.c`).

use super::map::{GNTMAP_HOST_MAP, GNTMAP_READONLY, clear_status, pin, set_status};
use super::{GrantRef, GrantRefusal, Status, bad};
use crate::memory::{Hfn, PAGE_SIZE};
use crate::xen::Xen;
use crate::xen::domain::{DomId, VcpuId};
use crate::xen::mm::PageType;

/// One end of a copy.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum CopyFrame {
    /// A frame that was granted by a domain.
    Grant(DomId, GrantRef),
    /// A frame that a domain owns: only the caller's own.
    Frame(DomId, Hfn),
}

impl CopyFrame {
    fn domain(self) -> DomId {
        match self {
            CopyFrame::Grant(domain, _) | CopyFrame::Frame(domain, _) => domain,
        }
    }
}

/// A copy (`struct gnttab_copy`).
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct GrantCopy {
    /// From where.
    pub source: (CopyFrame, u64),
    /// To where.
    pub dest: (CopyFrame, u64),
    /// How many bytes.
    pub len: u64,
}

impl Xen {
    /// `GNTTABOP_copy`, one operation.
    ///
    /// # Errors
    /// The status that the operation gets, with the rule.
    pub fn grant_copy(&mut self, caller: VcpuId, op: GrantCopy) -> Result<(), GrantRefusal> {
        if op.len == 0 {
            return Ok(());
        }
        let source_domain = self.copy_domain(caller, op.source.0)?;
        let dest_domain = self.copy_domain(caller, op.dest.0)?;
        let source = self.claim(caller, source_domain, op.source.0, true)?;
        let dest = match self.claim(caller, dest_domain, op.dest.0, false) {
            Ok(dest) => dest,
            Err(refusal) => {
                self.release(source_domain, op.source.0, source, true);
                return Err(refusal);
            }
        };
        let result = self.copy_bytes(op, source, dest);
        self.release(source_domain, op.source.0, source, true);
        self.release(dest_domain, op.dest.0, dest, false);
        result
    }

    fn copy_domain(&self, caller: VcpuId, end: CopyFrame) -> Result<DomId, GrantRefusal> {
        let is_own_frame = matches!(end, CopyFrame::Frame(DomId::SELF, _));
        if matches!(end, CopyFrame::Frame(..)) && !is_own_frame {
            return bad(Status::PermissionDenied, "only one's own frames are named by their number");
        }
        let known = self.any_id(caller, end.domain());
        known.ok_or(GrantRefusal { status: Status::BadDomain, rule: "there is no domain of that number" })
    }

    fn claim(&mut self, caller: VcpuId, domain: DomId, end: CopyFrame, is_source: bool) -> Result<Hfn, GrantRefusal> {
        let mfn = match end {
            CopyFrame::Frame(_, frame) if self.owner(frame) != Some(domain) => {
                return bad(Status::BadPage, "the frame is not the domain's");
            }
            CopyFrame::Frame(_, frame) => frame,
            CopyFrame::Grant(_, gref) => self.acquire_for_copy(caller.domain, domain, gref, is_source)?,
        };
        self.get_page(mfn, domain);
        if !is_source && self.get_page_type(mfn, PageType::Writable).is_err() {
            self.put_page(mfn);
            self.release_grant(domain, end, mfn, is_source);
            return bad(Status::GeneralError, "the frame cannot be written: it is a page table");
        }
        Ok(mfn)
    }

    /// `acquire_grant_for_copy`.
    fn acquire_for_copy(
        &mut self,
        user: DomId,
        owner: DomId,
        gref: GrantRef,
        is_readonly: bool,
    ) -> Result<Hfn, GrantRefusal> {
        let Some(d) = self.domain(owner) else { return bad(Status::BadDomain, "there is no domain of that number") };
        if gref >= d.grants.len() {
            return bad(Status::BadGntref, "the table has no such entry");
        }
        let active = d.grants.active.get(&gref).copied();
        let frame = active.map_or(d.grants.entry(gref).frame, |active| active.mfn);
        if active.is_some_and(|active| active.domid != user) {
            return bad(Status::GeneralError, "another domain uses the entry");
        }
        if active.is_none() || (!is_readonly && !active.is_some_and(|active| active.can_write())) {
            set_status(self, owner, gref, is_readonly, user)?;
            if self.owner(frame) != Some(owner) {
                clear_status(self, owner, gref);
                return bad(Status::BadPage, "the entry names a frame that its owner does not have");
            }
        }
        pin(self, owner, gref, flags(is_readonly), (user, frame), true);
        Ok(frame)
    }

    fn release(&mut self, domain: DomId, end: CopyFrame, mfn: Hfn, is_source: bool) {
        if !is_source {
            self.put_page_type(mfn);
        }
        self.put_page(mfn);
        self.release_grant(domain, end, mfn, is_source);
    }

    fn release_grant(&mut self, domain: DomId, end: CopyFrame, mfn: Hfn, is_readonly: bool) {
        if let CopyFrame::Grant(_, gref) = end {
            let user = self.domain(domain).and_then(|d| d.grants.active.get(&gref)).map(|active| active.domid);
            pin(self, domain, gref, flags(is_readonly), (user.unwrap_or_default(), mfn), false);
            clear_status(self, domain, gref);
        }
    }

    fn copy_bytes(&mut self, op: GrantCopy, source: Hfn, dest: Hfn) -> Result<(), GrantRefusal> {
        let ((_, from), (_, to)) = (op.source, op.dest);
        if from + op.len > PAGE_SIZE || to + op.len > PAGE_SIZE {
            return bad(Status::BadCopyArg, "a copy stays within one page at either end");
        }
        let bytes: Vec<u8> = (0..op.len).map(|i| self.memory.read_u8(source.address().plus(from + i))).collect();
        for (i, byte) in bytes.into_iter().enumerate() {
            self.memory.write_u8(dest.address().plus(to + i as u64), byte);
        }
        Ok(())
    }
}

fn flags(is_readonly: bool) -> u32 {
    GNTMAP_HOST_MAP | if is_readonly { GNTMAP_READONLY } else { 0 }
}
