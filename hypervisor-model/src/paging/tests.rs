//! Walks counted reference by reference, and the order in which they fail.

use super::event::{Dimension, PagingEvent, References};
use super::fault::{Attempt, PageFault, TranslationStop};
use super::format::{A, D, FormatKind, P, PS, RW, US, XD};
use super::regime::Features;
use super::*;
use crate::cpu::{AccessKind, Cr0, Cr4, Efer};
use crate::memory::{Hpa, Owner, PhysicalMemory};

/// Registers for a format; the second half of AMD's PAE, with its PDPTEs in memory, as the formula has it.
fn state(kind: FormatKind, root: Hpa) -> PagingState {
    let long = matches!(kind, FormatKind::Level4 | FormatKind::Level5);
    let mut cr4 = Cr4::PSE;
    cr4.set(Cr4::PAE, kind != FormatKind::Bits32);
    cr4.set(Cr4::LA57, kind == FormatKind::Level5);
    let mut efer = Efer::NXE;
    efer.set(Efer::LMA, long);
    PagingState {
        cr0: Cr0::PE | Cr0::PG | Cr0::WP,
        cr3: root.0,
        cr4,
        efer,
        features: Features { pdptes_in_registers: false, ..Features::default() },
        ..PagingState::default()
    }
}

/// Maps `address` to itself, with a leaf at `leaf_level`; tables are made as they are needed.
fn map(memory: &mut PhysicalMemory, kind: FormatKind, root: Hpa, address: u64, leaf_level: u8, flags: u64) {
    let format = kind.format();
    let mut table = root.0;
    for level in (leaf_level..=format.levels.len() as u8).rev() {
        let shape = format.level(level).expect("the level is one of the format");
        let at = Hpa(table + (address >> shape.shift & ((1 << shape.index_bits) - 1)) * format.entry_bytes);
        let is_pdpte = kind == FormatKind::Pae && level == 3;
        let flags = if is_pdpte { P } else { flags };
        let mut entry = if format.entry_bytes == 8 { memory.read_u64(at) } else { u64::from(memory.read_u32(at)) };
        if level == leaf_level {
            entry = address & !((1 << shape.shift) - 1) | flags | if level > 1 { PS } else { 0 };
        } else if entry & P == 0 {
            entry = memory.allocate(Owner::Host).expect("there is room").address().0 | flags;
        }
        if format.entry_bytes == 8 {
            memory.write_u64(at, entry)
        } else {
            memory.write_u32(at, entry as u32)
        }
        table = entry & 0xf_ffff_f000;
    }
}

/// A guest's tables of one format over nested tables of another, both mapping all that is there to itself.
fn references(guest: FormatKind, guest_leaf: u8, nested: Option<FormatKind>, nested_leaf: u8) -> u64 {
    let mut memory = PhysicalMemory::new(2048);
    let root = memory.allocate(Owner::Host).expect("there is room").address();
    let (linear, flags) = (0x60_0000, P | RW | US | A | D);
    map(&mut memory, guest, root, linear, guest_leaf, flags);
    let regime = Regime::new(&state(guest, root));
    let attempt = Attempt::supervisor(AccessKind::Read);
    let mut count = References::default();
    let Some(nested) = nested else {
        walk(&mut memory, &mut Flat, &regime, linear, attempt, None, &mut count).expect("it is mapped");
        return count.0;
    };
    let nested_root = memory.allocate(Owner::Host).expect("there is room").address();
    for page in (0..0x80_0000).step_by(0x1000) {
        map(&mut memory, nested, nested_root, page, nested_leaf, flags);
    }
    let mut npt = Npt::new(&state(nested, nested_root));
    walk(&mut memory, &mut npt, &regime, linear, attempt, None, &mut count).expect("it is mapped");
    count.0
}

const FORMATS: [FormatKind; 4] = [FormatKind::Bits32, FormatKind::Pae, FormatKind::Level4, FormatKind::Level5];

#[test]
fn a_nested_walk_makes_nm_plus_n_plus_m_references() {
    for (guest, n) in FORMATS.into_iter().zip(2..) {
        assert_eq!(references(guest, 1, None, 1), n, "{guest:?} alone");
        for (nested, m) in FORMATS.into_iter().zip(2..) {
            assert_eq!(references(guest, 1, Some(nested), 1), n * m + n + m, "{guest:?} over {nested:?}");
        }
    }
    assert_eq!(references(FormatKind::Level4, 1, Some(FormatKind::Level4), 1), 24);
    assert_eq!(references(FormatKind::Bits32, 1, Some(FormatKind::Bits32), 1), 8);
}

/// Guest, its leaf's level, nested, its leaf's level, references: the figures of the two-dimensional walk, with pages of
/// 4 KiB, 2 MiB (4 MiB in 32-bit tables) and 1 GiB on either side (Bhargava et al., ASPLOS 2008; APM vol. 2, 15.25).
const PUBLISHED: [(FormatKind, u8, FormatKind, u8, u64); 12] = [
    (FormatKind::Bits32, 1, FormatKind::Bits32, 1, 8),
    (FormatKind::Bits32, 1, FormatKind::Level4, 1, 14),
    (FormatKind::Bits32, 2, FormatKind::Level4, 1, 9),
    (FormatKind::Bits32, 2, FormatKind::Bits32, 2, 3),
    (FormatKind::Pae, 1, FormatKind::Level4, 1, 19),
    (FormatKind::Level4, 1, FormatKind::Level4, 1, 24),
    (FormatKind::Level4, 1, FormatKind::Level4, 2, 19),
    (FormatKind::Level4, 2, FormatKind::Level4, 1, 19),
    (FormatKind::Level4, 2, FormatKind::Level4, 2, 15),
    (FormatKind::Level4, 1, FormatKind::Level5, 1, 29),
    (FormatKind::Level5, 1, FormatKind::Level4, 1, 29),
    (FormatKind::Level5, 1, FormatKind::Level5, 1, 35),
];

#[test]
fn large_pages_leave_out_a_level_on_their_side() {
    for (guest, guest_leaf, nested, nested_leaf, published) in PUBLISHED {
        let levels = |kind: FormatKind, leaf: u8| kind.format().levels.len() as u64 - u64::from(leaf - 1);
        let (n, m) = (levels(guest, guest_leaf), levels(nested, nested_leaf));
        let counted = references(guest, guest_leaf, Some(nested), nested_leaf);
        assert_eq!(counted, published, "{guest:?} {guest_leaf} over {nested:?} {nested_leaf}");
        assert_eq!(counted, (n + 1) * (m + 1) - 1, "{guest:?} {guest_leaf} over {nested:?} {nested_leaf}");
    }
    assert_eq!(references(FormatKind::Level4, 2, None, 1), 3);
}

#[test]
fn a_walk_over_ept_makes_as_many_references_as_one_over_npt() {
    for (guest, n) in FORMATS.into_iter().zip(2..) {
        let mut memory = PhysicalMemory::new(2048);
        let root = memory.allocate(Owner::Host).expect("there is room").address();
        map(&mut memory, guest, root, 0x60_0000, 1, P | RW | US | A | D);
        let nested = memory.allocate(Owner::Host).expect("there is room").address();
        for page in (0..0x80_0000).step_by(0x1000) {
            map(&mut memory, FormatKind::Ept4, nested, page, 1, ept::RWX);
        }
        let mut count = References::default();
        let attempt = Attempt::supervisor(AccessKind::Read);
        let regime = Regime::new(&state(guest, root));
        walk(&mut memory, &mut Ept::new(nested, true), &regime, 0x60_0000, attempt, None, &mut count)
            .expect("it is mapped");
        assert_eq!(count.0, n * 4 + n + 4, "{guest:?} over EPT");
    }
}

fn fault_of(flags: u64, kind: AccessKind, user: bool) -> Option<PageFault> {
    let mut memory = PhysicalMemory::new(64);
    let root = memory.allocate(Owner::Host).expect("there is room").address();
    map(&mut memory, FormatKind::Level4, root, 0x1000, 1, flags);
    let regime = Regime::new(&state(FormatKind::Level4, root));
    let attempt = Attempt { kind, is_user: user, is_implicit: false };
    match walk(&mut memory, &mut Flat, &regime, 0x1000, attempt, None, &mut Silent) {
        Err(TranslationStop::PageFault(fault)) => Some(fault),
        _ => None,
    }
}

#[test]
fn error_codes_are_those_of_the_manual() {
    use AccessKind::{Fetch, Read, Write};
    let code = |flags, kind, user| fault_of(flags, kind, user).map(|fault| fault.code);
    assert_eq!(code(0, Read, true), Some(4));
    assert_eq!(code(0, Write, true), Some(6));
    assert_eq!(code(P | RW, Read, true), Some(5));
    assert_eq!(code(P | US, Write, true), Some(7));
    assert_eq!(code(P | RW | US | XD, Fetch, true), Some(0x15));
    assert_eq!(code(P | US, Write, false), Some(3));
    assert_eq!(code(P | RW | 1 << 50, Read, false), Some(9));
    assert_eq!(code(P | RW | US, Write, true), None);
}

#[test]
fn the_order_of_references_is_the_one_of_the_definition() {
    let mut memory = PhysicalMemory::new(256);
    let root = memory.allocate(Owner::Host).expect("there is room").address();
    map(&mut memory, FormatKind::Level4, root, 0x1000, 1, P | RW | US);
    let nested_root = memory.allocate(Owner::Host).expect("there is room").address();
    for page in (0..0x10_0000).step_by(0x1000) {
        map(&mut memory, FormatKind::Level4, nested_root, page, 1, P | RW | US);
    }
    let mut npt = Npt::new(&state(FormatKind::Level4, nested_root));
    let regime = Regime::new(&state(FormatKind::Level4, root));
    let mut events: Vec<PagingEvent> = Vec::new();
    let attempt = Attempt::supervisor(AccessKind::Write);
    walk(&mut memory, &mut npt, &regime, 0x1000, attempt, None, &mut events).expect("it is mapped");
    let guests: Vec<usize> = events
        .iter()
        .filter_map(|event| match event {
            PagingEvent::Referenced(reference) => Some(reference.dimension),
            _ => None,
        })
        .enumerate()
        .filter(|(_, dimension)| *dimension == Dimension::Guest)
        .map(|(at, _)| at + 1)
        .collect();
    assert_eq!(guests, [5, 10, 15, 20]);
}
