//! Updates of page tables on request: `mmu_update`, `update_va_mapping`, `update_descriptor`. Source: `do_mmu_update`,
//! `mod_l1_entry` to `mod_l4_entry`, `__do_update_va_mapping` (`xen/arch/x86/mm.c`).

use super::validate::entry_frame;
use super::{PageType, is_guest_slot};
use crate::memory::{Gfn, Hfn, Hpa};
use crate::paging::format::{A, AVAILABLE, D, G, P, PS, RW, US, XD};
use crate::xen::domain::{DomId, VcpuId};
use crate::xen::{Refusal, Xen, refuse};
use kernel_model::errno::Errno;
use kernel_model::machine::report::{DeedKind, Lane};

/// The command in the lowest two bits of `mmu_update.ptr`.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum UpdateCommand {
    /// 0: writes an entry.
    Normal,
    /// 1: writes the table from machine to pseudo-physical.
    Machphys,
    /// 2: writes an entry, and keeps accessed and dirty as the processor has set them.
    PreserveAd,
    /// 3: the frame is a machine frame, even for a translated guest.
    NoTranslate,
}

/// An update (`struct mmu_update`).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct MmuUpdate {
    /// Machine address of the entry, with the command in its lowest bits.
    pub ptr: u64,
    /// What it holds from now on.
    pub val: u64,
}

impl MmuUpdate {
    /// A plain write of an entry.
    pub fn normal(at: Hpa, val: u64) -> MmuUpdate {
        MmuUpdate { ptr: at.0, val }
    }

    /// What it asks for.
    pub fn command(self) -> UpdateCommand {
        match self.ptr & 3 {
            0 => UpdateCommand::Normal,
            1 => UpdateCommand::Machphys,
            2 => UpdateCommand::PreserveAd,
            _ => UpdateCommand::NoTranslate,
        }
    }
}

/// On whose behalf: whose tables, and whose frames.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Foreign {
    /// Whose page tables (`foreigndom >> 16`, less 1).
    pub tables: Option<DomId>,
    /// Whose frames are mapped.
    pub frames: DomId,
}

impl Foreign {
    /// The caller's own tables and frames.
    pub const NONE: Foreign = Foreign { tables: None, frames: DomId::SELF };
}

/// Bits that can change without the frame being looked at again (`FASTPATH_FLAG_WHITELIST`).
const HARMLESS: u64 = XD | AVAILABLE | 0x7ff << 52 | G | D | A | US;

impl Xen {
    /// The domain whose frames a call is about (`get_pg_owner`).
    pub(super) fn page_owner(&self, caller: VcpuId, id: DomId) -> Result<DomId, Refusal> {
        match id {
            DomId::SELF => Ok(caller.domain),
            id if id == caller.domain => refuse(Errno::ESRCH, "oneself is not named as a foreign domain"),
            id if self.domain(id).is_some() || id == DomId::IO || id == DomId::XEN => Ok(id),
            _ => refuse(Errno::ESRCH, "there is no domain of that number"),
        }
    }

    /// `mmu_update`: how many were done before the first failure, and that failure.
    pub fn mmu_update(
        &mut self,
        caller: VcpuId,
        updates: &[MmuUpdate],
        foreign: Foreign,
    ) -> (usize, Result<(), Refusal>) {
        let tables = match foreign.tables {
            None => caller.domain,
            Some(id) if self.domain(id).is_some() => id,
            Some(_) => return (0, refuse(Errno::ESRCH, "there is no domain of that number")),
        };
        let frames = match self.page_owner(caller, foreign.frames) {
            Ok(frames) => frames,
            Err(refusal) => return (0, Err(refusal)),
        };
        for (done, update) in updates.iter().enumerate() {
            let result = match update.command() {
                UpdateCommand::Machphys => self.update_m2p(caller, *update, tables, frames),
                _ => self.update_one(caller, *update, tables, frames),
            };
            if result.is_err() {
                return (done, result);
            }
        }
        (updates.len(), Ok(()))
    }

    fn update_one(&mut self, caller: VcpuId, update: MmuUpdate, tables: DomId, frames: DomId) -> Result<(), Refusal> {
        if self.domain(tables).is_some_and(|d| !d.kind.is_pv()) {
            return refuse(Errno::EOPNOTSUPP, "an HVM guest writes its page tables itself");
        }
        self.require_target(caller, tables, "only a privileged domain changes others' page tables")?;
        if frames != DomId::IO {
            self.require_target(caller, frames, "only a privileged domain maps others' frames")?;
        }
        let at = Hpa(update.ptr & !7);
        let table = at.frame();
        if self.owner(table) != Some(tables) {
            return refuse(Errno::EINVAL, "the entry is in a frame that is not the domain's own");
        }
        let info = self.frames.info(table);
        match info.kind {
            PageType::Table(level) if info.type_count > 0 => {
                if level > 1 && tables != frames {
                    return refuse(Errno::EINVAL, "only entries of the last level name frames of others");
                }
                let keep = update.command() == UpdateCommand::PreserveAd;
                self.modify_entry(level, at, update.val, keep, (tables, frames))
            }
            // A frame that is no page table is written as plain data, if it can be written at all.
            _ => {
                self.get_page_type(table, PageType::Writable)?;
                self.memory.write_u64(at, update.val);
                self.put_page_type(table);
                Ok(())
            }
        }
    }

    fn update_m2p(&mut self, caller: VcpuId, update: MmuUpdate, tables: DomId, frames: DomId) -> Result<(), Refusal> {
        if tables != caller.domain {
            return refuse(Errno::EPERM, "the table from machine frames is updated for oneself");
        }
        self.require_target(caller, frames, "only a privileged domain changes what others' frames are called")?;
        let frame = Hpa(update.ptr).frame();
        if self.owner(frame) != Some(frames) {
            return refuse(Errno::EINVAL, "the frame is not the domain's own");
        }
        if let Some(info) = self.frames.info_mut(frame) {
            info.pfn = Some(Gfn(update.val));
        }
        Ok(())
    }

    /// Writes an entry of a table that is in use (`mod_l1_entry` to `mod_l4_entry`).
    pub(super) fn modify_entry(
        &mut self,
        level: u8,
        at: Hpa,
        value: u64,
        keep_ad: bool,
        (owner, frames): (DomId, DomId),
    ) -> Result<(), Refusal> {
        let (table, slot) = (at.frame(), at.offset() / 8);
        if !is_guest_slot(level, slot) {
            return refuse(Errno::EINVAL, "the slot is in Xen's part of the address space");
        }
        let old = self.memory.read_u64(at);
        let mut new = self.adjust(owner, level, value);
        if new & P != 0 {
            if level > 1 && new & PS != 0 {
                return refuse(Errno::EINVAL, "a PV guest has no large pages");
            }
            let is_harmless = old & P != 0 && (old ^ new) & !HARMLESS == 0;
            if !is_harmless {
                self.get_page_from_entry(level, new, table, owner, frames)?;
            }
            if keep_ad {
                new |= old & (A | D);
            }
            self.memory.write_u64(at, new);
            if is_harmless {
                return Ok(());
            }
        } else {
            self.memory.write_u64(at, new);
        }
        self.put_page_from_entry(level, old, table);
        self.deeds.tell(
            DeedKind::Table,
            "entry",
            (Lane::Hypervisor, Lane::Hypervisor),
            vec![("level", u64::from(level)), ("at", at.0), ("value", new), ("frame", entry_frame(new).0)],
            "An entry of level {level} at {at:x} passes the checks and becomes {value:x}.",
            "xen/arch/x86/mm.c, mod_l1_entry to mod_l4_entry",
        );
        Ok(())
    }

    /// Writes an entry of the last level for a grant mapping: the references are the mapping's.
    pub(in crate::xen) fn write_granted_leaf(&mut self, at: Hpa, frame: Hfn, is_readonly: bool, owner: DomId) {
        let rights = if is_readonly { 0 } else { RW };
        let entry = self.adjust(owner, 1, frame.address().0 | P | A | D | rights);
        let old = self.memory.read_u64(at);
        self.memory.write_u64(at, entry);
        self.put_page_from_entry(1, old, at.frame());
    }

    /// The machine address of the last-level entry for an address, in the caller's current address space
    /// (`map_guest_l1e`).
    pub fn l1_entry(&self, caller: VcpuId, va: u64) -> Option<Hpa> {
        let mut table = self.vcpu(caller)?.cr3?;
        for level in [4_u32, 3, 2] {
            let slot = va >> (12 + 9 * (level - 1)) & 511;
            let entry = self.memory.read_u64(table.address().plus(8 * slot));
            if entry & P == 0 || entry & PS != 0 {
                return None;
            }
            table = entry_frame(entry);
        }
        Some(table.address().plus(8 * (va >> 12 & 511)))
    }

    /// `update_va_mapping`, and the same with another domain's frames.
    ///
    /// # Errors
    /// EINVAL, EPERM, EBUSY, ESRCH.
    pub fn update_va_mapping(&mut self, caller: VcpuId, va: u64, val: u64, frames: DomId) -> Result<(), Refusal> {
        let frames = self.page_owner(caller, frames)?;
        self.require_target(caller, frames, "only a privileged domain maps others' frames")?;
        let Some(at) = self.l1_entry(caller, va) else {
            return refuse(Errno::EINVAL, "no page table of the last level covers the address");
        };
        let is_own = self.owner(at.frame()) == Some(caller.domain);
        if !is_own || self.frames.info(at.frame()).kind != PageType::Table(1) {
            return refuse(Errno::EINVAL, "the table that covers the address is not the domain's own");
        }
        self.modify_entry(1, at, val, false, (caller.domain, frames))
    }

    /// `update_descriptor`: one descriptor of a table that is in use as one, or of a frame that may become one.
    ///
    /// # Errors
    /// EINVAL.
    pub fn update_descriptor(&mut self, caller: VcpuId, at: Hpa, descriptor: u64) -> Result<(), Refusal> {
        let frame = at.frame();
        if !at.0.is_multiple_of(8) || !self.get_page(frame, caller.domain) {
            return refuse(Errno::EINVAL, "the descriptor is not at a multiple of eight in a frame of the domain");
        }
        let is_system = descriptor >> 44 & 1 == 0;
        let dpl = descriptor >> 45 & 3;
        let is_present = descriptor >> 47 & 1 == 1;
        if is_present && (is_system || dpl == 0) {
            self.put_page(frame);
            return refuse(Errno::EINVAL, "a guest's descriptor is neither a gate nor of ring 0");
        }
        let kind = match self.frames.info(frame) {
            info if info.kind == PageType::SegDesc && info.type_count > 0 => PageType::SegDesc,
            _ => PageType::Writable,
        };
        let taken = self.get_page_type(frame, kind);
        if taken.is_ok() {
            self.memory.write_u64(at, descriptor);
            self.put_page_type(frame);
        }
        self.put_page(frame);
        taken
    }
}
