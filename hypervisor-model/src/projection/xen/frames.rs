//! Frames of the machine under Xen: who owns each, what it is used as, and how often.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;

use crate::machine::xen::host::XenParts;
use crate::memory::{Hfn, Owner};
use crate::xen::Xen;
use crate::xen::mm::{PageInfo, PageType};

/// Page tables and changes that are shown at most, each.
pub const MAX_SHOWN: usize = 200;

/// The picture.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct MachineFrames {
    /// Frames by owner and type.
    pub shares: Vec<TypeShare>,
    /// Frames that are page tables, by number.
    pub tables: Vec<FrameBox>,
    /// Page tables that are not shown.
    pub tables_left_out: usize,
    /// Frames that the step has changed.
    pub changes: Vec<FrameChange>,
    /// Changed frames that are not shown.
    pub changes_left_out: usize,
}

/// How many frames of somebody are of a type.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct TypeShare {
    /// `Xen`, `d0`, `d1`...
    pub owner: String,
    /// The type.
    pub kind: &'static str,
    /// Frames before the step and after it.
    pub frames: (u64, u64),
}

/// A frame.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct FrameBox {
    /// Its number in the machine.
    pub frame: u64,
    /// Its number in its owner's eyes, where it has one.
    pub pfn: Option<u64>,
    /// Whose it is.
    pub owner: String,
    /// What it is used as.
    pub kind: &'static str,
    /// The level of the page table that it is; 0 if it is none.
    pub level: u8,
    /// Uses of that kind.
    pub uses: u32,
    /// References.
    pub references: u32,
    /// It is pinned.
    pub is_pinned: bool,
    /// The step has changed it.
    pub is_changed: bool,
}

/// A frame that a step has changed: before and after.
pub type FrameChange = (FrameBox, FrameBox);

fn owner_name(owner: Owner) -> String {
    match owner {
        Owner::Guest(guest) => format!("d{}", guest.0),
        Owner::Free => "nobody".to_owned(),
        _ => "Xen".to_owned(),
    }
}

/// The type that counts: one with no uses is none.
fn kind_of(info: PageInfo) -> PageType {
    if info.type_count > 0 { info.kind } else { PageType::None }
}

fn frame_box(xen: &Xen, frame: Hfn) -> FrameBox {
    let info = xen.frames.info(frame);
    let kind = kind_of(info);
    FrameBox {
        frame: frame.0,
        pfn: info.pfn.map(|pfn| pfn.0),
        owner: owner_name(xen.memory.owner(frame)),
        kind: kind.name(),
        level: if let PageType::Table(level) = kind { level } else { 0 },
        uses: info.type_count,
        references: info.count,
        is_pinned: info.is_pinned,
        is_changed: false,
    }
}

/// Frames by owner and type, those without one left out.
type Typed = BTreeMap<(Owner, PageType), u64>;

/// What a frame counts as.
fn class_of(xen: &Xen, frame: Hfn, info: PageInfo) -> Option<(Owner, PageType)> {
    let kind = kind_of(info);
    (kind != PageType::None).then(|| (xen.memory.owner(frame), kind))
}

/// Frames by owner and type: `typed`, and of all others of each owner that they are none.
fn shares(xen: &Xen, typed: &Typed) -> BTreeMap<(String, &'static str), u64> {
    let mut owned: BTreeMap<Owner, u64> = BTreeMap::new();
    for (owner, count) in xen.memory.owners().filter(|(owner, _)| *owner != Owner::Free) {
        *owned.entry(owner).or_default() += count;
    }
    let mut shares = BTreeMap::new();
    for (owner, count) in owned {
        let of_owner = typed.iter().filter(|((known, _), _)| *known == owner);
        let mut none = count;
        for ((_, kind), count) in of_owner {
            *shares.entry((owner_name(owner), kind.name())).or_default() += count;
            none = none.saturating_sub(*count);
        }
        *shares.entry((owner_name(owner), PageType::None.name())).or_default() += none;
    }
    shares
}

impl MachineFrames {
    /// The frames before and after a step.
    pub fn of_step(before: XenParts<'_>, after: XenParts<'_>) -> MachineFrames {
        MachineFrames::between(before.xen(), after.xen())
    }

    /// The same of two hypervisors.
    pub fn between(before: &Xen, after: &Xen) -> MachineFrames {
        let differing = after.frames.differing(&before.frames);
        let both = |frame: &Hfn| (frame_box(before, *frame), frame_box(after, *frame));
        let mut changes: Vec<FrameChange> = differing.iter().map(both).filter(|(was, is)| was != is).collect();
        // Page tables first: they are what it is about.
        changes.sort_by_key(|(was, is)| (was.level == 0 && is.level == 0, is.frame));
        let changed: BTreeSet<u64> = changes.iter().map(|(_, is)| is.frame).collect();
        let changes_left_out = changes.len().saturating_sub(MAX_SHOWN);
        changes.truncate(MAX_SHOWN);

        let mut typed = Typed::new();
        let mut tables = Vec::new();
        for (frame, info) in after.frames.used() {
            let Some(class) = class_of(after, frame, info) else { continue };
            *typed.entry(class).or_default() += 1;
            if matches!(class.1, PageType::Table(_)) {
                tables.push(FrameBox { is_changed: changed.contains(&frame.0), ..frame_box(after, frame) });
            }
        }
        tables.sort_by(|a, b| (&a.owner, b.level, a.frame).cmp(&(&b.owner, a.level, b.frame)));
        let tables_left_out = tables.len().saturating_sub(MAX_SHOWN);
        tables.truncate(MAX_SHOWN);

        // There are many frames, and a step changes few of them: what was before is found from what is now.
        let mut was = typed.clone();
        for frame in differing {
            if let Some(class) = class_of(after, frame, after.frames.info(frame))
                && let Some(count) = was.get_mut(&class)
            {
                *count = count.saturating_sub(1);
            }
            if let Some(class) = class_of(before, frame, before.frames.info(frame)) {
                *was.entry(class).or_default() += 1;
            }
        }
        let (was, is) = (shares(before, &was), shares(after, &typed));
        let keys: BTreeSet<_> = was.keys().chain(is.keys()).collect();
        let share = |key: &(String, &'static str)| {
            let frames = |counts: &BTreeMap<_, u64>| counts.get(key).copied().unwrap_or(0);
            TypeShare { owner: key.0.clone(), kind: key.1, frames: (frames(&was), frames(&is)) }
        };
        let shares = keys.into_iter().map(share).filter(|share| share.frames != (0, 0)).collect();
        MachineFrames { shares, tables, tables_left_out, changes, changes_left_out }
    }

    /// One sentence.
    pub fn summary(&self) -> String {
        let tables = self.tables.len() + self.tables_left_out;
        let changed = self.changes.len() + self.changes_left_out;
        format!("{tables} frames are page tables; the step has changed what is kept of {changed} frames.")
    }

    /// The text twin.
    pub fn text(&self) -> String {
        let mut text = format!("{}\n\n{:<8} {:<14} {:>8} {:>8}\n", self.summary(), "owner", "type", "before", "after");
        for share in &self.shares {
            let (before, after) = share.frames;
            let mark = if before == after { "" } else { "  Δ" };
            let _ = writeln!(text, "{:<8} {:<14} {before:>8} {after:>8}{mark}", share.owner, share.kind);
        }
        if !self.changes.is_empty() {
            text.push_str("\nframes that the step has changed\n");
        }
        for (was, is) in &self.changes {
            let _ = writeln!(text, "{:#x}: {} -> {}", is.frame, words(was), words(is));
        }
        if self.changes_left_out > 0 {
            let _ = writeln!(text, "({} more)", self.changes_left_out);
        }
        text.push_str("\npage tables\n");
        for table in &self.tables {
            let mark = if table.is_changed { "  Δ" } else { "" };
            let _ = writeln!(text, "{:#x}: {}{mark}", table.frame, words(table));
        }
        if self.tables_left_out > 0 {
            let _ = writeln!(text, "({} more)", self.tables_left_out);
        }
        text
    }
}

/// `d1 l4_page_table, uses 1, references 1, pinned`.
pub fn words(frame: &FrameBox) -> String {
    let pinned = if frame.is_pinned { ", pinned" } else { "" };
    format!("{} {}, uses {}, references {}{pinned}", frame.owner, frame.kind, frame.uses, frame.references)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::memory::GuestId;
    use crate::xen::domain::{DomId, Domain, GuestKind, VcpuId};
    use crate::xen::mm::mmuext::MmuextOp;
    use crate::xen::mm::update::Foreign;

    #[test]
    fn a_pinned_table_stands_out() {
        let mut xen = Xen::new(8, 2);
        xen.insert_domain(Domain::new(DomId(1), GuestKind::Pv64, 1));
        let frames_of: Vec<_> = (0..4).filter_map(|_| xen.memory.allocate(Owner::Guest(GuestId(1)))).collect();
        let before = xen.clone();
        let pin = MmuextOp::PinTable(4, frames_of[1]);
        xen.mmuext_op(VcpuId::first(DomId(1)), &[pin], Foreign::NONE).1.expect("an empty table is right");
        assert_eq!(
            MachineFrames::between(&before, &xen).text(),
            "1 frames are page tables; the step has changed what is kept of 1 frames.\n\n\
             owner    type             before    after\n\
             Xen      none                  2        2\n\
             d1       l4_page_table         0        1  Δ\n\
             d1       none                  4        3  Δ\n\n\
             frames that the step has changed\n\
             0x3: d1 none, uses 0, references 0 -> d1 l4_page_table, uses 1, references 1, pinned\n\n\
             page tables\n\
             0x3: d1 l4_page_table, uses 1, references 1, pinned  Δ\n"
        );
    }
}
