//! What Xen keeps of each frame (`struct page_info`): its count of references, its type, and the type's count.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::PageType;
use crate::memory::{Gfn, Hfn, Owner};
use crate::xen::domain::DomId;
use crate::xen::{Refusal, Xen, refuse};
use kernel_model::errno::Errno;

/// What is kept of a frame.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default, Serialize, Deserialize)]
pub struct PageInfo {
    /// References beside the one of being allocated (`count_info`).
    pub count: u32,
    /// What it is used as (`type_info`).
    pub kind: PageType,
    /// How many uses of that kind there are.
    pub type_count: u32,
    /// Its content was found right for that kind (`PGT_validated`).
    pub is_validated: bool,
    /// It is pinned: a use that is nobody's entry (`PGT_pinned`).
    pub is_pinned: bool,
    /// Its number in its owner's eyes (the M2P entry).
    pub pfn: Option<Gfn>,
}

/// Frames in a part of the table.
const PART: usize = 512;

/// The frame table, shared between clones part by part.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct FrameTable {
    parts: Vec<Option<Arc<[PageInfo; PART]>>>,
}

impl FrameTable {
    /// A table of frames that nobody uses.
    pub fn new(frames: u64) -> FrameTable {
        FrameTable { parts: vec![None; (frames as usize).div_ceil(PART)] }
    }

    /// What is kept of a frame.
    pub fn info(&self, frame: Hfn) -> PageInfo {
        let part = self.parts.get(frame.0 as usize / PART).and_then(Option::as_ref);
        part.map_or(PageInfo::default(), |part| part[frame.0 as usize % PART])
    }

    /// What is kept of a frame, to be changed. A frame that is not there has none.
    pub fn info_mut(&mut self, frame: Hfn) -> Option<&mut PageInfo> {
        let part = self.parts.get_mut(frame.0 as usize / PART)?;
        let part = part.get_or_insert_with(|| Arc::new([PageInfo::default(); PART]));
        Some(&mut Arc::make_mut(part)[frame.0 as usize % PART])
    }

    /// The frames of which something is kept.
    pub fn used(&self) -> impl Iterator<Item = (Hfn, PageInfo)> + '_ {
        let parts = self.parts.iter().enumerate().filter_map(|(n, part)| part.as_ref().map(|part| (n, part)));
        let all = parts
            .flat_map(|(n, part)| part.iter().enumerate().map(move |(at, info)| (Hfn((n * PART + at) as u64), *info)));
        all.filter(|(_, info)| *info != PageInfo::default())
    }

    /// The frames of which something else is kept than in another table.
    pub fn differing(&self, other: &FrameTable) -> Vec<Hfn> {
        let part = |table: &'_ FrameTable, n: usize| table.parts.get(n).cloned().flatten();
        let mut frames = Vec::new();
        for n in 0..self.parts.len().max(other.parts.len()) {
            let (own, others) = (part(self, n), part(other, n));
            let is_shared = match (&own, &others) {
                (Some(own), Some(others)) => Arc::ptr_eq(own, others),
                (None, None) => true,
                _ => false,
            };
            if !is_shared {
                let all = (0..PART).map(|at| Hfn((n * PART + at) as u64));
                frames.extend(all.filter(|frame| self.info(*frame) != other.info(*frame)));
            }
        }
        frames
    }
}

impl Xen {
    /// Takes a reference to a frame of a domain (`get_page`); whether it is that domain's.
    pub fn get_page(&mut self, frame: Hfn, domain: DomId) -> bool {
        if self.owner(frame) != Some(domain) {
            return false;
        }
        if let Some(info) = self.frames.info_mut(frame) {
            info.count += 1;
        }
        true
    }

    /// Gives a reference back (`put_page`).
    pub fn put_page(&mut self, frame: Hfn) {
        if let Some(info) = self.frames.info_mut(frame) {
            debug_assert!(info.count > 0, "{frame}: a reference is given back that was not taken");
            info.count = info.count.saturating_sub(1);
        }
    }

    /// Takes a use of a frame as something (`get_page_type`): checks its content where that matters.
    ///
    /// # Errors
    /// EINVAL: it is in use as something else, or its content is not right.
    pub fn get_page_type(&mut self, frame: Hfn, kind: PageType) -> Result<(), Refusal> {
        let Some(info) = self.frames.info_mut(frame) else {
            return refuse(Errno::EINVAL, "there is no such frame");
        };
        if info.type_count > 0 && info.kind != kind {
            return refuse(Errno::EINVAL, wrong_type(info.kind, kind));
        }
        if info.type_count == 0 && info.kind != kind {
            info.kind = kind;
            info.is_validated = false;
        }
        info.type_count += 1;
        if info.is_validated {
            return Ok(());
        }
        info.is_validated = true;
        if let PageType::Table(level) = kind
            && let Err(refusal) = self.promote(frame, level)
        {
            if let Some(info) = self.frames.info_mut(frame) {
                info.type_count -= 1;
                info.is_validated = false;
                info.kind = PageType::None;
            }
            return Err(refusal);
        }
        Ok(())
    }

    /// Gives a use back (`put_page_type`); with the last one, a page table lets go of what it names.
    pub fn put_page_type(&mut self, frame: Hfn) {
        let Some(info) = self.frames.info_mut(frame) else { return };
        debug_assert!(info.type_count > 0, "{frame}: a use is given back that was not taken");
        info.type_count = info.type_count.saturating_sub(1);
        if info.type_count > 0 {
            return;
        }
        if let PageType::Table(level) = info.kind {
            info.is_validated = false;
            self.demote(frame, level);
        }
    }

    /// A reference and a use at once (`get_page_and_type_from_mfn`).
    ///
    /// # Errors
    /// EINVAL.
    pub fn get_page_and_type(&mut self, frame: Hfn, domain: DomId, kind: PageType) -> Result<(), Refusal> {
        if !self.get_page(frame, domain) {
            return refuse(Errno::EINVAL, "the frame is not the domain's own");
        }
        let taken = self.get_page_type(frame, kind);
        if taken.is_err() {
            self.put_page(frame);
        }
        taken
    }

    /// Both given back.
    pub fn put_page_and_type(&mut self, frame: Hfn) {
        self.put_page_type(frame);
        self.put_page(frame);
    }

    /// Takes a frame from a domain to which nobody else refers (`steal_page`); whether that was possible.
    pub fn steal_page(&mut self, frame: Hfn, domain: DomId) -> bool {
        let info = self.frames.info(frame);
        if self.owner(frame) != Some(domain) || info.count > 0 || info.type_count > 0 {
            return false;
        }
        if let Some(d) = self.domain_mut(domain) {
            d.tot_pages = d.tot_pages.saturating_sub(1);
        }
        if let Some(info) = self.frames.info_mut(frame) {
            *info = PageInfo::default();
        }
        self.memory.give(frame, Owner::Host);
        true
    }
}

/// The rule that a second, different use of a frame breaks.
fn wrong_type(is: PageType, wanted: PageType) -> &'static str {
    match (is, wanted) {
        (PageType::Table(_), PageType::Writable) => "a page table cannot be mapped writable",
        (PageType::Writable, PageType::Table(_)) => "a frame with writable mappings cannot become a page table",
        (PageType::Table(_), PageType::Table(_)) => "a page table of one level cannot be used at another",
        (PageType::SegDesc, _) => "a table of descriptors is nothing else at the same time",
        (_, PageType::SegDesc) => "a frame that is something else cannot become a table of descriptors",
        _ => "the frame is in use as something else",
    }
}
