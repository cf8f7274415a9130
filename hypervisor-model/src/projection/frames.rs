//! Whose the frames of the machine are: a square a run of frames, coloured by owner, and what the kernel on it uses its
//! own memory for.

use std::collections::BTreeMap;
use std::fmt::Write;

use crate::machine::measured::Parts;
use crate::memory::{Hfn, Owner};

/// Frames of a square: 2 MiB.
pub const SQUARE: u64 = 512;

/// A square of the field.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Square {
    /// Its first frame.
    pub first: u64,
    /// Who owns most of it.
    pub owner: Owner,
    /// Frames that hold something.
    pub used: u64,
    /// The step has changed whose they are, or how many are used.
    pub is_changed: bool,
}

/// How many frames somebody owns.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Share {
    /// Who.
    pub owner: Owner,
    /// Frames before the step.
    pub before: u64,
    /// Frames after it.
    pub after: u64,
}

/// An address space of the kernel.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct SpaceUse {
    /// Its number.
    pub mm: u32,
    /// Frames that are its page tables.
    pub tables: u64,
    /// Pages that it maps.
    pub pages: u64,
    /// Of them, pages whose frame another address space maps, too.
    pub shared: u64,
}

/// The picture.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Frames {
    /// The field.
    pub squares: Vec<Square>,
    /// Frames by owner.
    pub shares: Vec<Share>,
    /// What the kernel's address spaces use.
    pub spaces: Vec<SpaceUse>,
}

/// An owner in words.
pub fn owner_name(owner: Owner) -> String {
    match owner {
        Owner::Free => "the kernel's to hand out".to_owned(),
        Owner::Host => "the host".to_owned(),
        Owner::HostTable => "page tables of the host".to_owned(),
        Owner::Guest(id) => format!("guest {}", id.0),
        Owner::ShadowTable(id) => format!("shadow tables for guest {}", id.0),
        Owner::NestedTable(id) => format!("nested tables for guest {}", id.0),
        Owner::Control(id) => format!("control structures for guest {}", id.0),
    }
}

impl Frames {
    /// The frames before and after a step.
    pub fn of(before: Parts<'_>, after: Parts<'_>) -> Frames {
        let squares = (0..after.memory.len().div_ceil(SQUARE)).map(|i| square(i * SQUARE, before, after)).collect();
        let mut shares: BTreeMap<Owner, (u64, u64)> = BTreeMap::new();
        for (owner, count) in before.memory.owners() {
            shares.entry(owner).or_default().0 += count;
        }
        for (owner, count) in after.memory.owners() {
            shares.entry(owner).or_default().1 += count;
        }
        let shares = shares.into_iter().map(|(owner, (before, after))| Share { owner, before, after }).collect();
        Frames { squares, shares, spaces: after.tables.spaces().collect() }
    }

    /// One sentence.
    pub fn summary(&self) -> String {
        let frames: u64 = self.shares.iter().map(|share| share.after).sum();
        let tables: u64 = self.spaces.iter().map(|space| space.tables).sum();
        let pages: u64 = self.spaces.iter().map(|space| space.pages).sum();
        format!(
            "{frames} frames of 4 KiB; the kernel has {} address spaces with {tables} page tables that map {pages} pages.",
            self.spaces.len()
        )
    }

    /// The text twin.
    pub fn text(&self) -> String {
        let mut text = format!("{}\n\n{:<34} {:>9} {:>9}\n", self.summary(), "frames of", "before", "after");
        for share in &self.shares {
            let _ = writeln!(text, "{:<34} {:>9} {:>9}", owner_name(share.owner), share.before, share.after);
        }
        let _ = writeln!(text, "\n{:<14} {:>8} {:>8} {:>8}", "address space", "tables", "pages", "shared");
        for space in &self.spaces {
            let _ = writeln!(text, "{:<14} {:>8} {:>8} {:>8}", space.mm, space.tables, space.pages, space.shared);
        }
        text
    }
}

fn square(first: u64, before: Parts<'_>, after: Parts<'_>) -> Square {
    let is_changed = !before.memory.shares_chunk(after.memory, Hfn(first)) && {
        let look = |parts: Parts<'_>| parts.memory.chunk_use(Hfn(first));
        look(before) != look(after)
    };
    let (owner, used) = after.memory.chunk_use(Hfn(first));
    Square { first, owner, used, is_changed }
}
