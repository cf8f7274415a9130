//! What page tables look like: levels, sizes of entries, bits. Data, each row with its source.
//!
//! ```text
//!  63  62:59  51:M   M-1:12              11:9  8 7  6 5 4   3   2   1   0
//! +---+------+-----+--------------------+----+-+--+-+-+---+---+---+---+---+
//! | XD| PK   | 0   | frame or table     | AVL|G|PS|D|A|PCD|PWT|U/S|R/W| P |   8-byte entry (32-bit mode: the low half)
//! +---+------+-----+--------------------+----+-+--+-+-+---+---+---+---+---+
//! ```

use serde::{Deserialize, Serialize};

/// Present: the entry is in use. When it is 0 every other bit is free for software (SDM 4.5).
pub const P: u64 = 1 << 0;
/// Writes are allowed.
pub const RW: u64 = 1 << 1;
/// User mode may use it.
pub const US: u64 = 1 << 2;
/// Write-through.
pub const PWT: u64 = 1 << 3;
/// Cache disabled.
pub const PCD: u64 = 1 << 4;
/// Accessed: set by the processor in every entry that it used for a translation (SDM 4.8).
pub const A: u64 = 1 << 5;
/// Dirty: set by the processor in the leaf when it wrote (SDM 4.8).
pub const D: u64 = 1 << 6;
/// Page size: the entry maps a large page instead of naming a table.
pub const PS: u64 = 1 << 7;
/// Global, if CR4.PGE: survives a load of CR3.
pub const G: u64 = 1 << 8;
/// The bits that processors leave to software, 11:9.
pub const AVAILABLE: u64 = 7 << 9;
/// PAT in the entry of a large page.
pub const PAT_LARGE: u64 = 1 << 12;
/// Execute-disable (no-execute), if EFER.NXE.
pub const XD: u64 = 1 << 63;
/// The lowest of the four bits of the protection key, if CR4.PKE.
pub const PK_SHIFT: u32 = 59;
/// The bits that hold an address in an 8-byte entry.
pub const ADDRESS: u64 = ((1 << 52) - 1) & !0xfff;

/// When an entry is a leaf, that is, maps a page.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub enum LeafRule {
    /// Never: PS is reserved.
    Never,
    /// PS = 1 makes it one.
    IfPs,
    /// PS = 1 makes it one where the processor has 1 GiB pages; elsewhere PS is reserved.
    IfPsAndGigabytePages,
    /// PS = 1 makes it one if CR4.PSE; else PS is ignored.
    IfPsAndPse,
    /// Always: the last level.
    Always,
}

/// One level of tables.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Level {
    /// What the manuals call its entries.
    pub name: &'static str,
    /// The lowest bit of the linear address that selects an entry; a leaf here maps `1 << shift` bytes.
    pub shift: u32,
    /// How many bits select an entry.
    pub index_bits: u32,
    /// When an entry here is a leaf.
    pub leaf: LeafRule,
    /// Where that is said.
    pub source: &'static str,
}

/// Which format.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Serialize, Deserialize)]
pub enum FormatKind {
    /// 32-bit paging: 10/10/12.
    Bits32,
    /// PAE paging: 2/9/9/12.
    Pae,
    /// 4-level paging: 9/9/9/9/12.
    Level4,
    /// 5-level paging: 9/9/9/9/9/12.
    Level5,
    /// Extended page tables of four levels: 9/9/9/9/12.
    Ept4,
    /// Extended page tables of five levels.
    Ept5,
}

impl FormatKind {
    /// The row of the table.
    #[inline]
    pub fn format(self) -> &'static Format {
        match self {
            FormatKind::Bits32 => &BITS32,
            FormatKind::Pae => &PAE,
            FormatKind::Level4 => &LEVEL4,
            FormatKind::Level5 => &LEVEL5,
            FormatKind::Ept4 => &EPT4,
            FormatKind::Ept5 => &EPT5,
        }
    }
}

/// A format of page tables.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Format {
    /// Which one.
    pub kind: FormatKind,
    /// What it is called.
    pub name: &'static str,
    /// When a processor uses it.
    pub when: &'static str,
    /// Bytes an entry.
    pub entry_bytes: u64,
    /// Bits of the address that it translates.
    pub address_bits: u32,
    /// Its levels, from the root down.
    pub levels: &'static [Level],
    /// Where it is described.
    pub source: &'static str,
}

impl Format {
    /// The level with number `level`: 1 is the last.
    pub fn level(&self, level: u8) -> Option<&'static Level> {
        self.levels.len().checked_sub(usize::from(level)).and_then(|at| self.levels.get(at)).filter(|_| level > 0)
    }
}

const fn level(name: &'static str, shift: u32, index_bits: u32, leaf: LeafRule, source: &'static str) -> Level {
    Level { name, shift, index_bits, leaf, source }
}

/// 32-bit paging.
pub static BITS32: Format = Format {
    kind: FormatKind::Bits32,
    name: "32-bit",
    when: "CR0.PG=1, CR4.PAE=0",
    entry_bytes: 4,
    address_bits: 32,
    levels: &[
        level("PDE", 22, 10, LeafRule::IfPsAndPse, "SDM 4.3, tables 4-4 and 4-5"),
        level("PTE", 12, 10, LeafRule::Always, "SDM 4.3, table 4-6"),
    ],
    source: "SDM 4.3 32-Bit Paging",
};

/// PAE paging. The four PDPTEs are held in registers from the load of CR3 on (Intel).
pub static PAE: Format = Format {
    kind: FormatKind::Pae,
    name: "PAE",
    when: "CR0.PG=1, CR4.PAE=1, EFER.LMA=0",
    entry_bytes: 8,
    address_bits: 32,
    levels: &[
        level("PDPTE", 30, 2, LeafRule::Never, "SDM 4.4.1, table 4-8"),
        level("PDE", 21, 9, LeafRule::IfPs, "SDM 4.4.2, tables 4-9 and 4-10"),
        level("PTE", 12, 9, LeafRule::Always, "SDM 4.4.2, table 4-11"),
    ],
    source: "SDM 4.4 PAE Paging",
};

/// 4-level paging.
pub static LEVEL4: Format = Format {
    kind: FormatKind::Level4,
    name: "4-level",
    when: "CR0.PG=1, CR4.PAE=1, EFER.LMA=1",
    entry_bytes: 8,
    address_bits: 48,
    levels: &[
        level("PML4E", 39, 9, LeafRule::Never, "SDM 4.5, table 4-14"),
        level("PDPTE", 30, 9, LeafRule::IfPsAndGigabytePages, "SDM 4.5, tables 4-15 and 4-16"),
        level("PDE", 21, 9, LeafRule::IfPs, "SDM 4.5, tables 4-17 and 4-18"),
        level("PTE", 12, 9, LeafRule::Always, "SDM 4.5, table 4-19"),
    ],
    source: "SDM 4.5 4-Level Paging",
};

/// 5-level paging.
pub static LEVEL5: Format = Format {
    kind: FormatKind::Level5,
    name: "5-level",
    when: "as 4-level, and CR4.LA57=1",
    entry_bytes: 8,
    address_bits: 57,
    levels: &[
        level("PML5E", 48, 9, LeafRule::Never, "5-Level Paging and 5-Level EPT (335252), 2.2"),
        level("PML4E", 39, 9, LeafRule::Never, "SDM 4.5, table 4-14"),
        level("PDPTE", 30, 9, LeafRule::IfPsAndGigabytePages, "SDM 4.5, tables 4-15 and 4-16"),
        level("PDE", 21, 9, LeafRule::IfPs, "SDM 4.5, tables 4-17 and 4-18"),
        level("PTE", 12, 9, LeafRule::Always, "SDM 4.5, table 4-19"),
    ],
    source: "5-Level Paging and 5-Level EPT (335252), chapter 2",
};

/// Extended page tables.
pub static EPT4: Format = Format {
    kind: FormatKind::Ept4,
    name: "EPT",
    when: "secondary control 1 (enable EPT), EPTP 5:3 = 3",
    entry_bytes: 8,
    address_bits: 48,
    levels: &[
        level("EPT PML4E", 39, 9, LeafRule::Never, "SDM 28.2.2, table 28-1"),
        level("EPT PDPTE", 30, 9, LeafRule::IfPsAndGigabytePages, "SDM 28.2.2, tables 28-2 and 28-3"),
        level("EPT PDE", 21, 9, LeafRule::IfPs, "SDM 28.2.2, tables 28-4 and 28-5"),
        level("EPT PTE", 12, 9, LeafRule::Always, "SDM 28.2.2, table 28-6"),
    ],
    source: "SDM 28.2 The Extended Page Table Mechanism (EPT)",
};

/// Extended page tables of five levels.
pub static EPT5: Format = Format {
    kind: FormatKind::Ept5,
    name: "5-level EPT",
    when: "secondary control 1 (enable EPT), EPTP 5:3 = 4",
    entry_bytes: 8,
    address_bits: 57,
    levels: &[
        level("EPT PML5E", 48, 9, LeafRule::Never, "5-Level Paging and 5-Level EPT (335252), chapter 4"),
        level("EPT PML4E", 39, 9, LeafRule::Never, "SDM 28.2.2, table 28-1"),
        level("EPT PDPTE", 30, 9, LeafRule::IfPsAndGigabytePages, "SDM 28.2.2, tables 28-2 and 28-3"),
        level("EPT PDE", 21, 9, LeafRule::IfPs, "SDM 28.2.2, tables 28-4 and 28-5"),
        level("EPT PTE", 12, 9, LeafRule::Always, "SDM 28.2.2, table 28-6"),
    ],
    source: "5-Level Paging and 5-Level EPT (335252), chapter 4",
};

/// All formats.
pub static FORMATS: [&Format; 6] = [&BITS32, &PAE, &LEVEL4, &LEVEL5, &EPT4, &EPT5];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_levels_of_each_format_cover_its_address() {
        for format in FORMATS {
            let mut covered = 12;
            for level in format.levels.iter().rev() {
                assert_eq!(level.shift, covered, "{} {}", format.name, level.name);
                covered += level.index_bits;
            }
            assert_eq!(covered, format.address_bits, "{}", format.name);
        }
    }

    #[test]
    fn levels_are_counted_from_the_last() {
        assert_eq!(LEVEL4.level(1).map(|l| l.name), Some("PTE"));
        assert_eq!(LEVEL4.level(4).map(|l| l.name), Some("PML4E"));
        assert_eq!(LEVEL4.level(5), None);
        assert_eq!(LEVEL4.level(0), None);
    }
}
