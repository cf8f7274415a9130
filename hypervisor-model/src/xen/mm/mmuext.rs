//! `mmuext_op`: pinning, base pointers, flushes, and the rest. Source: `do_mmuext_op`, `new_guest_cr3`
//! (`xen/arch/x86/mm.c`); `set_gdt`: `xen/arch/x86/pv/descriptor-tables.c`.

use super::PageType;
use super::update::Foreign;
use crate::memory::Hfn;
use crate::xen::domain::{DomId, GuestKind, VcpuId};
use crate::xen::{Refusal, Xen, refuse};
use kernel_model::errno::Errno;

/// An operation (`struct mmuext_op`, `MMUEXT_...`).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum MmuextOp {
    /// 0 to 3: validates a table of this level, and holds it.
    PinTable(u8, Hfn),
    /// 4: lets it go.
    UnpinTable(Hfn),
    /// 5: the table that the kernel runs on: MOV to CR3.
    NewBaseptr(Hfn),
    /// 6: flushes this processor.
    TlbFlushLocal,
    /// 7: flushes an address on this processor.
    InvlpgLocal(u64),
    /// 8: flushes other virtual processors, a bit each.
    TlbFlushMulti(u64),
    /// 9: flushes an address on other virtual processors.
    InvlpgMulti(u64, u64),
    /// 10: flushes all of them.
    TlbFlushAll,
    /// 11: flushes an address on all of them.
    InvlpgAll(u64),
    /// 12: writes back and drops this processor's caches.
    FlushCache,
    /// 13: a table of descriptors at an address, with so many of them.
    SetLdt(u64, u32),
    /// 15: the table that programs run on, on 64 bit; 0 for none.
    NewUserBaseptr(Hfn),
    /// 16: fills a frame with zeros.
    ClearPage(Hfn),
    /// 17: copies a frame: to, from.
    CopyPage(Hfn, Hfn),
    /// 18: writes back and drops all processors' caches.
    FlushCacheGlobal,
}

impl MmuextOp {
    /// The header's number.
    pub fn number(self) -> u32 {
        match self {
            MmuextOp::PinTable(level, _) => u32::from(level) - 1,
            MmuextOp::UnpinTable(_) => 4,
            MmuextOp::NewBaseptr(_) => 5,
            MmuextOp::TlbFlushLocal => 6,
            MmuextOp::InvlpgLocal(_) => 7,
            MmuextOp::TlbFlushMulti(_) => 8,
            MmuextOp::InvlpgMulti(..) => 9,
            MmuextOp::TlbFlushAll => 10,
            MmuextOp::InvlpgAll(_) => 11,
            MmuextOp::FlushCache => 12,
            MmuextOp::SetLdt(..) => 13,
            MmuextOp::NewUserBaseptr(_) => 15,
            MmuextOp::ClearPage(_) => 16,
            MmuextOp::CopyPage(..) => 17,
            MmuextOp::FlushCacheGlobal => 18,
        }
    }

    /// Whether it may be made on behalf of another domain at all.
    fn is_for_others(self) -> bool {
        matches!(
            self,
            MmuextOp::PinTable(..) | MmuextOp::UnpinTable(_) | MmuextOp::ClearPage(_) | MmuextOp::CopyPage(..)
        )
    }
}

/// Frames of a descriptor table: 14, as the last two of the 16 are Xen's.
const GDT_FRAMES: usize = 14;

impl Xen {
    /// `mmuext_op`: how many were done before the first failure, and that failure.
    pub fn mmuext_op(&mut self, caller: VcpuId, ops: &[MmuextOp], foreign: Foreign) -> (usize, Result<(), Refusal>) {
        let owner = match self.page_owner(caller, foreign.frames) {
            Ok(owner) => owner,
            Err(refusal) => return (0, Err(refusal)),
        };
        let allowed = self.require_target(caller, owner, "only a privileged domain works on others' page tables");
        if let Err(refusal) = allowed {
            return (0, Err(refusal));
        }
        for (done, op) in ops.iter().enumerate() {
            let result = self.mmuext_one(caller, *op, owner);
            if result.is_err() {
                return (done, result);
            }
        }
        (ops.len(), Ok(()))
    }

    fn mmuext_one(&mut self, caller: VcpuId, op: MmuextOp, owner: DomId) -> Result<(), Refusal> {
        let kind = self.domain(owner).map(|d| d.kind);
        if kind == Some(GuestKind::Hvm) && !matches!(op, MmuextOp::PinTable(..) | MmuextOp::UnpinTable(_)) {
            return refuse(Errno::EOPNOTSUPP, "an HVM guest does this itself");
        }
        if owner != caller.domain && !op.is_for_others() {
            return refuse(Errno::EPERM, "this is done for oneself only");
        }
        match op {
            MmuextOp::PinTable(4, _) if kind == Some(GuestKind::Pv32) => Ok(()),
            MmuextOp::PinTable(level, frame) => self.pin(frame, owner, level),
            MmuextOp::UnpinTable(frame) => self.unpin(frame, owner),
            MmuextOp::NewBaseptr(frame) => self.new_baseptr(caller, frame),
            MmuextOp::NewUserBaseptr(frame) => self.new_user_baseptr(caller, frame),
            MmuextOp::ClearPage(frame) => {
                if self.get_page_and_type(frame, owner, PageType::Writable).is_err() {
                    return refuse(Errno::EINVAL, "the frame cannot be written");
                }
                (0..512).for_each(|word| self.memory.write_u64(frame.address().plus(8 * word), 0));
                self.put_page_and_type(frame);
                Ok(())
            }
            MmuextOp::CopyPage(to, from) => {
                if self.owner(from) != Some(owner) {
                    return refuse(Errno::EINVAL, "the frame to be read is not the domain's own");
                }
                if self.get_page_and_type(to, owner, PageType::Writable).is_err() {
                    return refuse(Errno::EINVAL, "the frame cannot be written");
                }
                for word in 0..512 {
                    let value = self.memory.read_u64(from.address().plus(8 * word));
                    self.memory.write_u64(to.address().plus(8 * word), value);
                }
                self.put_page_and_type(to);
                Ok(())
            }
            MmuextOp::SetLdt(at, entries) if entries > 8192 || (entries > 0 && at % 4096 != 0) => {
                refuse(Errno::EINVAL, "a table of descriptors begins with a page and has at most 8192 of them")
            }
            MmuextOp::FlushCache | MmuextOp::FlushCacheGlobal
                if self.domain(caller.domain).is_some_and(|d| d.iomem.is_empty()) =>
            {
                refuse(Errno::EACCES, "only a domain with a device flushes caches")
            }
            // Translations and caches are the processor's, which is not part of this value.
            _ => Ok(()),
        }
    }

    fn pin(&mut self, frame: Hfn, owner: DomId, level: u8) -> Result<(), Refusal> {
        self.get_page_and_type(frame, owner, PageType::Table(level))?;
        let Some(info) = self.frames.info_mut(frame) else { return Ok(()) };
        if info.is_pinned {
            self.put_page_and_type(frame);
            return refuse(Errno::EINVAL, "the table is pinned already");
        }
        info.is_pinned = true;
        Ok(())
    }

    fn unpin(&mut self, frame: Hfn, owner: DomId) -> Result<(), Refusal> {
        if self.owner(frame) != Some(owner) {
            return refuse(Errno::EINVAL, "the frame is not the domain's own");
        }
        let Some(info) = self.frames.info_mut(frame).filter(|info| info.is_pinned) else {
            return refuse(Errno::EINVAL, "the table is not pinned");
        };
        info.is_pinned = false;
        self.put_page_and_type(frame);
        Ok(())
    }

    /// The level at which a domain's base pointer points.
    fn top_level(&self, domain: DomId) -> u8 {
        if self.domain(domain).is_some_and(|d| d.kind == GuestKind::Pv32) { 3 } else { 4 }
    }

    fn new_baseptr(&mut self, caller: VcpuId, frame: Hfn) -> Result<(), Refusal> {
        let old = self.vcpu(caller).and_then(|v| v.cr3);
        if old == Some(frame) {
            return Ok(());
        }
        let kind = PageType::Table(self.top_level(caller.domain));
        self.get_page_and_type(frame, caller.domain, kind)?;
        if let Some(v) = self.vcpu_mut(caller) {
            v.cr3 = Some(frame);
        }
        if let Some(old) = old {
            self.put_page_and_type(old);
        }
        Ok(())
    }

    fn new_user_baseptr(&mut self, caller: VcpuId, frame: Hfn) -> Result<(), Refusal> {
        let old = self.vcpu(caller).and_then(|v| v.user_cr3);
        let new = (frame.0 != 0).then_some(frame);
        if old == new {
            return Ok(());
        }
        if let Some(frame) = new {
            let kind = PageType::Table(self.top_level(caller.domain));
            self.get_page_and_type(frame, caller.domain, kind)?;
        }
        if let Some(v) = self.vcpu_mut(caller) {
            v.user_cr3 = new;
        }
        if let Some(old) = old {
            self.put_page_and_type(old);
        }
        Ok(())
    }

    /// `set_gdt`: frames of descriptors.
    ///
    /// # Errors
    /// EINVAL.
    pub fn set_gdt(&mut self, caller: VcpuId, frames: &[Hfn], entries: u32) -> Result<(), Refusal> {
        if entries as usize > GDT_FRAMES * 512 {
            return refuse(Errno::EINVAL, "the last descriptors of the table are Xen's own");
        }
        let needed = (entries as usize).div_ceil(512);
        if frames.len() < needed {
            return refuse(Errno::EINVAL, "a frame is missing");
        }
        for (n, frame) in frames[..needed].iter().enumerate() {
            if let Err(refusal) = self.get_page_and_type(*frame, caller.domain, PageType::SegDesc) {
                frames[..n].iter().for_each(|frame| self.put_page_and_type(*frame));
                return Err(refusal);
            }
        }
        let Some(v) = self.vcpu_mut(caller) else { return Ok(()) };
        let old = std::mem::replace(&mut v.gdt_frames, frames[..needed].to_vec());
        old.into_iter().for_each(|frame| self.put_page_and_type(frame));
        Ok(())
    }
}
