//! The bytes of a regular file: pages that were written, holes that read as zeros. Each page knows which control group
//! is charged for it: that of whoever brought it in ([`crate::mm::page_cache`]).

use std::sync::Arc;

use imbl::OrdMap;
use serde::{Deserialize, Serialize};

use crate::mm::anon::Freed;
use crate::mm::{MemcgId, ROOT_MEMCG};

/// Bytes in a page.
pub const PAGE_SIZE: usize = 4096;
const PAGE: u64 = PAGE_SIZE as u64;

/// A page of a file.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct Page {
    /// At most [`PAGE_SIZE`] bytes; fewer end in zeros.
    pub bytes: Arc<[u8]>,
    /// Who is charged for it.
    pub memcg: MemcgId,
}

/// The bytes of a regular file.
#[derive(Clone, PartialEq, Debug, Default, Serialize, Deserialize)]
pub struct Content {
    /// Length in bytes.
    pub size: u64,
    /// Pages by number.
    pub pages: OrdMap<u64, Page>,
}

impl Content {
    /// These bytes, which were there before there were groups: charged to the root.
    pub fn from_bytes(bytes: &[u8]) -> Content {
        let mut content = Content::default();
        content.write(0, bytes, ROOT_MEMCG);
        content
    }

    /// Who is charged for how many pages.
    pub fn charges(&self) -> Freed {
        let mut charges = Freed::new();
        for page in self.pages.values() {
            *charges.entry(page.memcg).or_default() += 1;
        }
        charges
    }

    /// Whether there is a page of this number.
    pub fn has_page(&self, number: u64) -> bool {
        self.pages.contains_key(&number)
    }

    /// How many pages are in use: what a file system charges.
    pub fn page_count(&self) -> u64 {
        self.pages.len() as u64
    }

    /// At most `count` bytes from `pos` on; fewer at the end of the file.
    pub fn read(&self, pos: u64, count: usize) -> Vec<u8> {
        if pos >= self.size {
            return Vec::new();
        }
        let count = count.min(usize::try_from(self.size - pos).unwrap_or(usize::MAX));
        let mut bytes = vec![0; count];
        let mut done = 0;
        while done < count {
            let at = pos + done as u64;
            let within = (at % PAGE) as usize;
            let n = (PAGE_SIZE - within).min(count - done);
            if let Some(page) = self.pages.get(&(at / PAGE))
                && within < page.bytes.len()
            {
                let have = (page.bytes.len() - within).min(n);
                bytes[done..done + have].copy_from_slice(&page.bytes[within..within + have]);
            }
            done += n;
        }
        bytes
    }

    /// Everything.
    pub fn to_vec(&self) -> Vec<u8> {
        self.read(0, usize::try_from(self.size).unwrap_or(usize::MAX))
    }

    /// How many new pages a write of `count` bytes at `pos` would need.
    pub fn pages_needed(&self, pos: u64, count: usize) -> u64 {
        page_range(pos, count as u64).filter(|n| !self.pages.contains_key(n)).count() as u64
    }

    /// How much of a write of `count` bytes at `pos` can be done with only so many new pages.
    pub fn bytes_within(&self, pos: u64, count: usize, new_pages: u64) -> usize {
        let mut missing = page_range(pos, count as u64).filter(|n| !self.pages.contains_key(n));
        match missing.nth(new_pages as usize) {
            Some(first_too_many) => (first_too_many * PAGE).saturating_sub(pos) as usize,
            None => count,
        }
    }

    /// Puts bytes in; the file grows as needed. New pages are charged to `memcg`.
    pub fn write(&mut self, pos: u64, bytes: &[u8], memcg: MemcgId) {
        let mut done = 0;
        let mut last = (pos / PAGE).checked_sub(1).and_then(|n| self.pages.get(&n)).map(|p| Arc::clone(&p.bytes));
        while done < bytes.len() {
            let at = pos + done as u64;
            let within = (at % PAGE) as usize;
            let n = (PAGE_SIZE - within).min(bytes.len() - done);
            let new = &bytes[done..done + n];
            let old = self.pages.get(&(at / PAGE));
            let memcg = old.map_or(memcg, |page| page.memcg);
            let bytes = match &last {
                // A long run of equal pages, such as of zeros, is kept once.
                Some(last) if n == PAGE_SIZE && **last == *new => Arc::clone(last),
                _ => {
                    let mut page = old.map_or_else(Vec::new, |p| p.bytes.to_vec());
                    if page.len() < within + n {
                        page.resize(within + n, 0);
                    }
                    page[within..within + n].copy_from_slice(new);
                    page.into()
                }
            };
            last = Some(Arc::clone(&bytes));
            self.pages.insert(at / PAGE, Page { bytes, memcg });
            done += n;
        }
        self.size = self.size.max(pos + bytes.len() as u64);
    }

    /// Makes the file this long: cuts it off, or lets it end in a hole. The pages that went, by who was charged.
    pub fn truncate(&mut self, size: u64) -> Freed {
        let mut freed = Freed::new();
        if size < self.size {
            for n in self.pages.range(size.div_ceil(PAGE)..).map(|(n, _)| *n).collect::<Vec<_>>() {
                self.drop_page(n, &mut freed);
            }
            let (last, within) = (size / PAGE, (size % PAGE) as usize);
            if let Some(page) = self.pages.get_mut(&last)
                && page.bytes.len() > within
            {
                page.bytes = page.bytes[..within].into();
            }
        }
        self.size = size;
        freed
    }

    fn drop_page(&mut self, number: u64, freed: &mut Freed) {
        if let Some(page) = self.pages.remove(&number) {
            *freed.entry(page.memcg).or_default() += 1;
        }
    }

    /// Has pages for this range (fallocate(2)); new ones are charged to `memcg`.
    pub fn allocate(&mut self, pos: u64, count: u64, memcg: MemcgId) {
        for n in page_range(pos, count) {
            self.pages.entry(n).or_insert_with(|| Page { bytes: Arc::from([]), memcg });
        }
    }

    /// Makes a hole (`FALLOC_FL_PUNCH_HOLE`): whole pages go, the rest becomes zeros. The pages that went.
    pub fn punch_hole(&mut self, pos: u64, count: u64) -> Freed {
        let mut freed = Freed::new();
        let end = pos.saturating_add(count).min(self.size);
        for n in page_range(pos, end.saturating_sub(pos)).collect::<Vec<_>>() {
            let start = n * PAGE;
            if pos <= start && (start + PAGE <= end || end == self.size) {
                self.drop_page(n, &mut freed);
            } else if let Some(page) = self.pages.get_mut(&n) {
                let mut bytes = page.bytes.to_vec();
                for (i, byte) in bytes.iter_mut().enumerate() {
                    let at = start + i as u64;
                    if pos <= at && at < end {
                        *byte = 0;
                    }
                }
                page.bytes = bytes.into();
            }
        }
        freed
    }

    /// The first byte from `pos` on that is data (`want_data`) or in a hole (`SEEK_DATA`, `SEEK_HOLE`).
    pub fn seek(&self, pos: u64, want_data: bool) -> Option<u64> {
        if pos >= self.size {
            return None;
        }
        let mut at = pos;
        while at < self.size {
            if self.pages.contains_key(&(at / PAGE)) == want_data {
                return Some(at);
            }
            at = (at / PAGE + 1) * PAGE;
        }
        (!want_data).then_some(self.size)
    }
}

/// The numbers of the pages in which a range of bytes lies.
fn page_range(pos: u64, count: u64) -> std::ops::Range<u64> {
    if count == 0 {
        return 0..0;
    }
    pos / PAGE..(pos.saturating_add(count) - 1) / PAGE + 1
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn holes_read_as_zeros_and_cost_nothing() {
        let mut c = Content::default();
        c.write(2 * PAGE + 1, b"x", ROOT_MEMCG);
        assert_eq!((c.size, c.page_count()), (2 * PAGE + 2, 1));
        assert_eq!(c.read(2 * PAGE, 10), [0, b'x']);
        assert_eq!(c.read(0, 3), [0, 0, 0]);
        assert_eq!((c.seek(0, true), c.seek(2 * PAGE, false)), (Some(2 * PAGE), Some(2 * PAGE + 2)));
    }

    #[test]
    fn what_was_cut_off_does_not_come_back() {
        let mut c = Content::from_bytes(b"hello world");
        c.truncate(5);
        c.truncate(8);
        assert_eq!(c.to_vec(), b"hello\0\0\0");
        assert_eq!(c.pages_needed(0, 5000), 1);
        assert_eq!(c.truncate(0), [(ROOT_MEMCG, 1)].into());
    }
}
