//! What the registers of a processor make of its page tables.
//!
//! [`PagingState`] is the registers that matter; [`Regime`] is everything that decides a translation, worked out
//! once whenever one of them changes, so that a walk only masks and compares.

use serde::{Deserialize, Serialize};

use super::format::{ADDRESS, FormatKind, LeafRule, PS, XD};
use crate::cpu::{Cpu, Cr0, Cr4, Efer, Rflags};
use crate::memory::Gpa;

/// What differs from processor to processor.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Features {
    /// MAXPHYADDR, the width of physical addresses: 32 to 52.
    pub address_bits: u32,
    /// 1 GiB pages.
    pub gigabyte_pages: bool,
    /// 4 MiB pages above 4 GiB in 32-bit paging.
    pub pse36: bool,
    /// PDPTEs of PAE paging sit in registers from the load of CR3 on, as on Intel. On AMD a guest under nested paging
    /// has them read from memory, like any other entry (APM 15.25.8).
    pub pdptes_in_registers: bool,
}

impl Default for Features {
    fn default() -> Self {
        Features { address_bits: 40, gigabyte_pages: true, pse36: true, pdptes_in_registers: true }
    }
}

/// The registers that decide how addresses are translated.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct PagingState {
    /// CR0.
    pub cr0: Cr0,
    /// CR3.
    pub cr3: u64,
    /// CR4.
    pub cr4: Cr4,
    /// EFER.
    pub efer: Efer,
    /// EFLAGS.AC.
    pub ac: bool,
    /// PKRU.
    pub pkru: u32,
    /// The four PDPTEs as they were when CR3 was loaded; used in PAE paging only.
    pub pdptes: [u64; 4],
    /// What the processor can do.
    pub features: Features,
}

impl PagingState {
    /// The registers of a processor. PDPTEs are none of [`Cpu`]'s: whoever loads CR3 keeps them.
    pub fn of(cpu: &Cpu, pdptes: [u64; 4], features: Features) -> Self {
        PagingState {
            cr0: cpu.cr0,
            cr3: cpu.cr3,
            cr4: cpu.cr4,
            efer: cpu.efer,
            ac: cpu.rflags.contains(Rflags::AC),
            pkru: 0,
            pdptes,
            features,
        }
    }

    /// The format of the tables; `None` when paging is off.
    pub fn format(&self) -> Option<FormatKind> {
        if !self.cr0.contains(Cr0::PG) {
            None
        } else if !self.cr4.contains(Cr4::PAE) {
            Some(FormatKind::Bits32)
        } else if !self.efer.contains(Efer::LMA) {
            Some(FormatKind::Pae)
        } else if self.cr4.contains(Cr4::LA57) {
            Some(FormatKind::Level5)
        } else {
            Some(FormatKind::Level4)
        }
    }

    /// The process-context identifier: CR3 bits 11:0 with CR4.PCIDE, else 0 (SDM 4.10.1).
    pub fn pcid(&self) -> u16 {
        if self.cr4.contains(Cr4::PCIDE) { (self.cr3 & 0xfff) as u16 } else { 0 }
    }

    /// The physical address of the top table.
    pub fn root(&self) -> Gpa {
        match self.format() {
            Some(FormatKind::Pae) => Gpa(self.cr3 & 0xffff_ffe0),
            Some(FormatKind::Bits32) => Gpa(self.cr3 & 0xffff_f000),
            _ => Gpa(self.cr3 & ADDRESS),
        }
    }
}

/// Reserved bits of the entries of one level.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub(crate) struct Reserved {
    /// When the entry names a table.
    pub table: u64,
    /// When the entry maps a page.
    pub leaf: u64,
}

/// Everything that decides a translation.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Regime {
    /// The format; `None` when paging is off.
    pub format: Option<FormatKind>,
    /// Where the top table is.
    pub root: Gpa,
    /// The process-context identifier, 0 without.
    pub pcid: u16,
    /// PDPTEs, if they come from registers.
    pub pdptes: Option<[u64; 4]>,
    /// CR0.WP.
    pub wp: bool,
    /// EFER.NXE, where the format has the bit.
    pub nxe: bool,
    /// CR4.SMEP.
    pub smep: bool,
    /// CR4.SMAP.
    pub smap: bool,
    /// EFLAGS.AC.
    pub ac: bool,
    /// CR4.PGE: global pages are such.
    pub pge: bool,
    /// PKRU if CR4.PKE in long mode.
    pub pkru: Option<u32>,
    /// Whether CR4.PSE turns PS on in 32-bit paging, and likewise 1 GiB pages: which levels may have leaves, bit
    /// `n` for the level at index `n` from the root.
    pub(crate) leaf_levels: u8,
    /// Reserved bits, level by level from the root.
    pub(crate) reserved: [Reserved; 5],
    /// PSE-36: bits 20:13 of a 4 MiB entry are address bits 39:32.
    pub(crate) pse36: bool,
}

impl Regime {
    /// Works out what the registers make of the tables.
    pub fn new(state: &PagingState) -> Self {
        let format = state.format();
        let long = matches!(format, Some(FormatKind::Level4 | FormatKind::Level5));
        let wide = long || format == Some(FormatKind::Pae);
        let mut regime = Regime {
            format,
            root: state.root(),
            pcid: state.pcid(),
            pdptes: (format == Some(FormatKind::Pae) && state.features.pdptes_in_registers).then_some(state.pdptes),
            wp: state.cr0.contains(Cr0::WP),
            nxe: wide && state.efer.contains(Efer::NXE),
            smep: state.cr4.contains(Cr4::SMEP),
            smap: state.cr4.contains(Cr4::SMAP),
            ac: state.ac,
            pge: state.cr4.contains(Cr4::PGE),
            pkru: (long && state.cr4.contains(Cr4::PKE)).then_some(state.pkru),
            leaf_levels: 0,
            reserved: [Reserved::default(); 5],
            pse36: state.features.pse36,
        };
        regime.work_out_levels(state);
        regime
    }

    fn work_out_levels(&mut self, state: &PagingState) {
        let Some(kind) = self.format else { return };
        let high = high_bits(kind, state.features.address_bits, self.nxe);
        for (at, level) in kind.format().levels.iter().enumerate() {
            let may_be_leaf = match level.leaf {
                LeafRule::Never => false,
                LeafRule::IfPs | LeafRule::Always => true,
                LeafRule::IfPsAndGigabytePages => state.features.gigabyte_pages,
                LeafRule::IfPsAndPse => state.cr4.contains(Cr4::PSE),
            };
            self.leaf_levels |= u8::from(may_be_leaf) << at;
            let mut table = high;
            if matches!(level.leaf, LeafRule::Never) || (level.leaf == LeafRule::IfPsAndGigabytePages && !may_be_leaf) {
                table |= PS;
            }
            if kind == FormatKind::Pae && at == 0 {
                // Table 4-8: bits 2:1, 8:5 and 63:M. They are looked at when CR3 is loaded.
                table = 0x1e6 | high | XD;
            }
            let leaf = match (kind, level.shift) {
                (_, 12) => high,
                (FormatKind::Bits32, 22) => large_reserved32(state.features),
                (_, shift) => high | ((1 << shift) - 1) & !0x1fff,
            };
            self.reserved[at] = Reserved { table, leaf };
        }
    }

    /// Whether a linear address is one that this regime can translate (SDM vol. 1, 3.3.7.1 "Canonical Addressing").
    /// The processor has looked before: such an address gives #GP or #SS, and no page fault.
    #[inline]
    pub fn is_canonical(&self, linear: u64) -> bool {
        match self.format {
            Some(FormatKind::Level4) => (linear as i64) << 16 >> 16 == linear as i64,
            Some(FormatKind::Level5) => (linear as i64) << 7 >> 7 == linear as i64,
            _ => linear >> 32 == 0,
        }
    }
}

/// Reserved in every entry: bits above the width of physical addresses, and bit 63 without NXE.
fn high_bits(kind: FormatKind, address_bits: u32, nxe: bool) -> u64 {
    let above = !((1u64 << address_bits.clamp(32, 52)) - 1);
    match kind {
        FormatKind::Bits32 => 0,
        // Table 4-11: bits 62:M.
        FormatKind::Pae => above & !XD | if nxe { 0 } else { XD },
        // Table 4-19: bits 51:M.
        _ => above & ((1 << 52) - 1) | if nxe { 0 } else { XD },
    }
}

/// Table 4-4: with PSE-36 bits 20:13 hold address bits up to M-1, and bit 21 is reserved; without it 21:13 are.
fn large_reserved32(features: Features) -> u64 {
    if !features.pse36 {
        return 0x3f_e000;
    }
    let usable = features.address_bits.clamp(32, 40) - 32;
    0x3f_e000 & !(((1u64 << usable) - 1) << 13)
}
