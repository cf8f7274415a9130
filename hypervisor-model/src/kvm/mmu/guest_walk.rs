//! The walk through a guest's tables that KVM makes itself (`FNAME(walk_addr_generic)`, paging_tmpl.h).
//!
//! It does what the processor would do, from the registers of the guest: the same faults, and accessed and dirty bits
//! set in the guest's memory. The processor walks shadow tables only, so nobody else can set them.

use super::event::MmuEvent;
use super::role::PageAccess;
use super::{KvmMmu, Mmu};
use crate::cpu::AccessKind;
use crate::memory::{Gfn, Gpa, Hpa, PhysicalMemory};
use crate::paging::fault::{Attempt, PageFault, TranslationStop, error_code};
use crate::paging::format::{A, ADDRESS, D, FormatKind, P, PK_SHIFT, PS, RW, US, XD};
use crate::paging::walk::{Rights, denial, page_fault};

/// What a walk has found (`struct guest_walker`); arrays are indexed by level less 1.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct GuestWalk {
    /// The level of the leaf.
    pub level: u8,
    /// The level of the first table that was read.
    pub max_level: u8,
    /// The tables.
    pub table_gfn: [Gfn; 5],
    /// The entries.
    pub ptes: [u64; 5],
    /// Where they are.
    pub pte_gpa: [Gpa; 5],
    /// What the entries above each table allow.
    pub pt_access: [PageAccess; 5],
    /// What all entries allow; without the right to write if the leaf is not dirty.
    pub pte_access: PageAccess,
    /// The guest frame.
    pub gfn: Gfn,
}

impl KvmMmu {
    /// Where a guest-physical address is in the machine's memory, if a slot covers it.
    pub(in crate::kvm) fn hpa(&self, gpa: Gpa) -> Option<Hpa> {
        self.slots.frame(gpa.frame()).map(|frame| frame.address().plus(gpa.offset()))
    }

    /// Reads a table entry of 4 or 8 bytes.
    pub(super) fn read_gpte(&self, memory: &PhysicalMemory, gpa: Gpa, bytes: u64) -> Option<u64> {
        let hpa = self.hpa(gpa)?;
        Some(if bytes == 8 { memory.read_u64(hpa) } else { u64::from(memory.read_u32(hpa)) })
    }
}

/// What one entry allows (`FNAME(gpte_access)`); execution if neither NX in an entry of 8 bytes forbids it.
pub(super) fn gpte_access(gpte: u64, bytes: u64) -> PageAccess {
    let mut access = PageAccess::empty();
    access.set(PageAccess::WRITE, gpte & RW != 0);
    access.set(PageAccess::USER, gpte & US != 0);
    access.set(PageAccess::EXEC, bytes == 4 || gpte & XD == 0);
    access
}

/// Takes the right to write from an entry that is not dirty: the first write must be seen
/// (`FNAME(protect_clean_gpte)`).
pub(super) fn protect_clean(access: PageAccess, gpte: u64) -> PageAccess {
    if gpte & D == 0 { access - PageAccess::WRITE } else { access }
}

impl Mmu<'_> {
    /// Bytes an entry of the guest's tables.
    pub(super) fn gpte_bytes(&self) -> u64 {
        if self.vcpu.cpu_role.has_4_byte_gpte { 4 } else { 8 }
    }

    /// Walks the guest's tables.
    ///
    /// # Errors
    /// The page fault that the guest's own tables give.
    pub(super) fn walk_guest(&mut self, linear: u64, attempt: Attempt) -> Result<GuestWalk, PageFault> {
        let regime = self.vcpu.regime;
        let fail = |why| match page_fault(&regime, linear, attempt, why) {
            TranslationStop::PageFault(fault) => fault,
            _ => PageFault { linear, code: why },
        };
        let kind = regime.format.unwrap_or(FormatKind::Level4);
        let format = kind.format();
        let mut table = regime.root;
        let mut first = 0;
        if let Some(pdptes) = regime.pdptes {
            let pdpte = pdptes[(linear >> 30 & 3) as usize];
            if pdpte & P == 0 {
                return Err(fail(0));
            }
            (table, first) = (Gpa(pdpte & ADDRESS), 1);
        }
        let max_level = (format.levels.len() - first) as u8;
        let mut walk = GuestWalk {
            level: max_level,
            max_level,
            table_gfn: [Gfn(0); 5],
            ptes: [0; 5],
            pte_gpa: [Gpa(0); 5],
            pt_access: [PageAccess::all(); 5],
            pte_access: PageAccess::all(),
            gfn: Gfn(0),
        };
        for (at, level) in format.levels.iter().enumerate().skip(first) {
            walk.level = (format.levels.len() - at) as u8;
            let here = usize::from(walk.level) - 1;
            let index = linear >> level.shift & ((1 << level.index_bits) - 1);
            let gpa = table.plus(index * format.entry_bytes);
            let Some(gpte) = self.vm.read_gpte(self.memory, gpa, format.entry_bytes) else {
                return Err(fail(0));
            };
            walk.pt_access[here] = walk.pte_access;
            if gpte & P == 0 {
                return Err(fail(0));
            }
            let is_leaf = level.shift == 12 || gpte & PS != 0 && regime.leaf_levels >> at & 1 != 0;
            let reserved = if is_leaf { regime.reserved[at].leaf } else { regime.reserved[at].table };
            if gpte & reserved != 0 {
                return Err(fail(error_code::P | error_code::RSVD));
            }
            walk.table_gfn[here] = table.frame();
            walk.pte_gpa[here] = gpa;
            walk.ptes[here] = gpte;
            let has_rights = !(kind == FormatKind::Pae && at == 0);
            if has_rights {
                walk.pte_access &= gpte_access(gpte, format.entry_bytes);
            }
            if is_leaf {
                let page = if format.entry_bytes == 4 && walk.level == 2 && regime.pse36 {
                    gpte & 0xffc0_0000 | (gpte >> 13 & 0xff) << 32
                } else {
                    gpte & ADDRESS & !((1 << level.shift) - 1)
                };
                walk.gfn = Gpa(page | linear & ((1 << level.shift) - 1)).frame();
                break;
            }
            table = Gpa(gpte & ADDRESS);
        }
        let leaf = walk.ptes[usize::from(walk.level) - 1];
        let key = if regime.pkru.is_some() { (leaf >> PK_SHIFT & 15) as u8 } else { 0 };
        if let Some(why) = denial(&regime, rights(walk.pte_access, regime.nxe), key, attempt) {
            return Err(fail(why));
        }
        if attempt.kind != AccessKind::Write {
            walk.pte_access = protect_clean(walk.pte_access, leaf);
        }
        self.update_accessed_dirty(&mut walk, attempt.kind == AccessKind::Write);
        Ok(walk)
    }

    /// Sets the bits that the processor would have set (`FNAME(update_accessed_dirty_bits)`). In a read-only slot
    /// they are left as they are.
    fn update_accessed_dirty(&mut self, walk: &mut GuestWalk, is_write: bool) {
        for level in (walk.level..=walk.max_level).rev() {
            let here = usize::from(level) - 1;
            // PDPTEs have neither bit, wherever they come from.
            if level == 3 && self.vcpu.cpu_role.level == 3 {
                continue;
            }
            let gpa = walk.pte_gpa[here];
            let old = walk.ptes[here];
            let mut new = old | A;
            if level == walk.level && is_write {
                new |= D;
            }
            let Some(slot) = self.vm.slots.find(gpa.frame()) else { continue };
            if new == old || slot.is_readonly {
                continue;
            }
            if new & !old & A != 0 {
                self.vm.emit(MmuEvent::AccessedSet { gpa });
            }
            if new & !old & D != 0 {
                self.vm.emit(MmuEvent::DirtySet { gpa });
            }
            if let Some(hpa) = self.vm.hpa(gpa) {
                if self.gpte_bytes() == 8 {
                    self.memory.write_u64(hpa, new);
                } else {
                    self.memory.write_u32(hpa, new as u32);
                }
            }
            self.vm.slots.mark_dirty(gpa.frame());
            walk.ptes[here] = new;
        }
    }

    /// The guest-physical address of a linear one (`gva_to_gpa`): the guest's own translation, or the address itself
    /// while paging is off.
    ///
    /// # Errors
    /// The page fault that the guest's own tables give.
    pub fn guest_physical(&mut self, linear: u64, attempt: Attempt) -> Result<Gpa, PageFault> {
        if self.vcpu.regime.format.is_none() {
            return Ok(Gpa(linear & 0xffff_ffff));
        }
        let walk = self.walk_guest(linear, attempt)?;
        Ok(walk.gfn.address().plus(linear & 0xfff))
    }
}

/// The rights of a page as the processor's checks have them.
fn rights(access: PageAccess, nxe: bool) -> Rights {
    let mut rights = Rights::empty();
    rights.set(Rights::WRITE, access.contains(PageAccess::WRITE));
    rights.set(Rights::USER, access.contains(PageAccess::USER));
    rights.set(Rights::EXECUTE, !nxe || access.contains(PageAccess::EXEC));
    rights
}
