//! Frames of the machine: who owns each, what it is used as, and how often.

use serde::Serialize;

use crate::memory::Owner;
use crate::xen::Xen;
use crate::xen::mm::PageType;

/// Frames that follow each other and are alike.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct FrameRun {
    /// The first.
    pub first: u64,
    /// How many.
    pub count: u64,
    /// `Xen`, `d0`, `d1`...
    pub owner: String,
    /// What they are used as.
    pub kind: &'static str,
    /// Uses of that kind, and references.
    pub counts: (u32, u32),
    /// They are pinned.
    pub is_pinned: bool,
}

/// The frames that somebody owns, those together that are alike.
pub fn frames(xen: &Xen) -> Vec<FrameRun> {
    let mut runs: Vec<FrameRun> = Vec::new();
    for (frame, owner) in xen.memory.owned() {
        let info = xen.frames.info(frame);
        let owner = match owner {
            Owner::Guest(guest) => format!("d{}", guest.0),
            _ => "Xen".to_owned(),
        };
        let kind = if info.type_count > 0 { info.kind } else { PageType::None };
        let counts = (info.type_count, info.count);
        let run = FrameRun { first: frame.0, count: 1, owner, kind: kind.name(), counts, is_pinned: info.is_pinned };
        match runs.last_mut() {
            Some(last)
                if last.first + last.count == run.first
                    && (&last.owner, last.kind, last.counts, last.is_pinned)
                        == (&run.owner, run.kind, run.counts, run.is_pinned) =>
            {
                last.count += 1;
            }
            _ => runs.push(run),
        }
    }
    runs
}

/// The text twin.
pub fn text(runs: &[FrameRun]) -> String {
    let line = |run: &FrameRun| {
        let last = run.first + run.count - 1;
        let pinned = if run.is_pinned { " pinned" } else { "" };
        let (uses, references) = run.counts;
        format!("{:#x}-{last:#x} {} {} uses {uses} references {references}{pinned}\n", run.first, run.owner, run.kind)
    };
    runs.iter().map(line).collect()
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
        let pin = MmuextOp::PinTable(4, frames_of[1]);
        xen.mmuext_op(VcpuId::first(DomId(1)), &[pin], Foreign::NONE).1.expect("an empty table is right");
        assert_eq!(
            text(&frames(&xen)),
            "0x0-0x1 Xen none uses 0 references 0\n0x2-0x2 d1 none uses 0 references 0\n\
             0x3-0x3 d1 l4_page_table uses 1 references 1 pinned\n0x4-0x5 d1 none uses 0 references 0\n"
        );
    }
}
