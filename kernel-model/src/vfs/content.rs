//! The bytes of a regular file: pages that were written, holes that read as zeros.

use std::sync::Arc;

use imbl::OrdMap;
use serde::{Deserialize, Serialize};

/// Bytes in a page.
pub const PAGE_SIZE: usize = 4096;
const PAGE: u64 = PAGE_SIZE as u64;

/// The bytes of a regular file.
#[derive(Clone, PartialEq, Debug, Default, Serialize, Deserialize)]
pub struct Content {
    /// Length in bytes.
    pub size: u64,
    /// Pages by number; each has at most [`PAGE_SIZE`] bytes, shorter ones end in zeros.
    pub pages: OrdMap<u64, Arc<[u8]>>,
}

impl Content {
    /// These bytes.
    pub fn from_bytes(bytes: &[u8]) -> Content {
        let mut content = Content::default();
        content.write(0, bytes);
        content
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
                && within < page.len()
            {
                let have = (page.len() - within).min(n);
                bytes[done..done + have].copy_from_slice(&page[within..within + have]);
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

    /// Puts bytes in; the file grows as needed.
    pub fn write(&mut self, pos: u64, bytes: &[u8]) {
        let mut done = 0;
        while done < bytes.len() {
            let at = pos + done as u64;
            let within = (at % PAGE) as usize;
            let n = (PAGE_SIZE - within).min(bytes.len() - done);
            let mut page = self.pages.get(&(at / PAGE)).map_or_else(Vec::new, |p| p.to_vec());
            if page.len() < within + n {
                page.resize(within + n, 0);
            }
            page[within..within + n].copy_from_slice(&bytes[done..done + n]);
            self.pages.insert(at / PAGE, page.into());
            done += n;
        }
        self.size = self.size.max(pos + bytes.len() as u64);
    }

    /// Makes the file this long: cuts it off, or lets it end in a hole.
    pub fn truncate(&mut self, size: u64) {
        if size < self.size {
            self.pages =
                self.pages.iter().filter(|(n, _)| **n * PAGE < size).map(|(n, p)| (*n, Arc::clone(p))).collect();
            let (last, within) = (size / PAGE, (size % PAGE) as usize);
            if let Some(page) = self.pages.get(&last)
                && page.len() > within
            {
                let cut: Arc<[u8]> = page[..within].into();
                self.pages.insert(last, cut);
            }
        }
        self.size = size;
    }

    /// Has pages for this range (fallocate(2)).
    pub fn allocate(&mut self, pos: u64, count: u64) {
        for n in page_range(pos, count) {
            self.pages.entry(n).or_insert_with(|| Arc::from([]));
        }
    }

    /// Makes a hole (`FALLOC_FL_PUNCH_HOLE`): whole pages go, the rest becomes zeros.
    pub fn punch_hole(&mut self, pos: u64, count: u64) {
        let end = pos.saturating_add(count).min(self.size);
        for n in page_range(pos, end.saturating_sub(pos)).collect::<Vec<_>>() {
            let start = n * PAGE;
            if pos <= start && (start + PAGE <= end || end == self.size) {
                self.pages.remove(&n);
            } else if let Some(page) = self.pages.get(&n) {
                let mut page = page.to_vec();
                for (i, byte) in page.iter_mut().enumerate() {
                    let at = start + i as u64;
                    if pos <= at && at < end {
                        *byte = 0;
                    }
                }
                self.pages.insert(n, page.into());
            }
        }
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
        c.write(2 * PAGE + 1, b"x");
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
    }
}
