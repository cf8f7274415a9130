//! The table itself: setup, size, version. And what must always hold of it. Source: `gnttab_setup_table`,
//! `gnttab_query_size`, `gnttab_set_version` (`xen/common/grant_table.c`).

use super::map::{GNTMAP_DEVICE_MAP, GNTMAP_HOST_MAP};
use super::{GTF_READING, GTF_WRITING, GrantRefusal, Status, bad};
use crate::xen::Xen;
use crate::xen::domain::{DomId, VcpuId};

/// What `GNTTABOP_query_size` tells.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct TableSize {
    /// Frames of the table.
    pub frames: u32,
    /// Frames that it may have.
    pub max_frames: u32,
}

impl Xen {
    /// `GNTTABOP_setup_table`: the table gets so many frames, if it has fewer.
    ///
    /// # Errors
    /// The status that the operation gets, with the rule.
    pub fn grant_setup_table(&mut self, caller: VcpuId, dom: DomId, frames: u32) -> Result<u32, GrantRefusal> {
        let Some(domain) = self.any_id(caller, dom) else {
            return bad(Status::BadDomain, "there is no domain of that number");
        };
        if self.require_target(caller, domain, "").is_err() {
            return bad(Status::PermissionDenied, "only a privileged domain sets up others' tables");
        }
        let Some(d) = self.domain_mut(domain) else { return bad(Status::BadDomain, "") };
        if frames > d.grants.max_frames {
            return bad(Status::GeneralError, "the table may not have so many frames");
        }
        d.grants.frames = d.grants.frames.max(frames);
        Ok(frames)
    }

    /// `GNTTABOP_query_size`.
    ///
    /// # Errors
    /// The status that the operation gets, with the rule.
    pub fn grant_query_size(&self, caller: VcpuId, dom: DomId) -> Result<TableSize, GrantRefusal> {
        let Some(domain) = self.any_id(caller, dom) else {
            return bad(Status::BadDomain, "there is no domain of that number");
        };
        if self.require_target(caller, domain, "").is_err() {
            return bad(Status::PermissionDenied, "only a privileged domain asks after others' tables");
        }
        let Some(d) = self.domain(domain) else { return bad(Status::BadDomain, "") };
        Ok(TableSize { frames: d.grants.frames, max_frames: d.grants.max_frames })
    }

    /// What must always hold of grants; the text says what does not.
    pub fn check_grants(&self) -> Result<(), String> {
        for d in self.domains() {
            for (gref, active) in &d.grants.active {
                let flags = d.grants.entry(*gref).flags;
                if flags & GTF_READING == 0 || active.can_write() != (flags & GTF_WRITING != 0) {
                    return Err(format!("{} grant {gref:#x}: pinned {:#x}, flags {flags:#x}", d.id, active.pin()));
                }
                let users = self.domain(active.domid).into_iter().flat_map(|user| user.grants.maptrack.values());
                let handles: u32 = users
                    .filter(|mapping| (mapping.domid, mapping.gref) == (d.id, *gref))
                    .map(|mapping| (mapping.flags & (GNTMAP_HOST_MAP | GNTMAP_DEVICE_MAP)).count_ones())
                    .sum();
                let pins: u32 = active.pins.iter().map(|pins| u32::from(*pins)).sum();
                if pins != handles {
                    return Err(format!("{} grant {gref:#x}: {pins} pins and {handles} mappings", d.id));
                }
            }
        }
        Ok(())
    }
}
