//! Sets of pages as ranges: which pages of a file are mapped in.

use imbl::OrdMap;
use serde::{Deserialize, Serialize};

/// A set of page numbers. Ranges in it neither overlap nor touch.
#[derive(Clone, PartialEq, Debug, Default, Serialize, Deserialize)]
pub struct Ranges {
    /// Length by first page.
    map: OrdMap<u64, u64>,
}

impl Ranges {
    /// One range.
    pub fn of(first: u64, pages: u64) -> Ranges {
        let mut set = Ranges::default();
        set.insert(first, pages);
        set
    }

    /// How many pages are in it.
    pub fn count(&self) -> u64 {
        self.map.values().sum()
    }

    /// How many pages of a range are in it.
    pub fn count_in(&self, first: u64, pages: u64) -> u64 {
        self.overlaps(first, pages).map(|(_, n)| n).sum()
    }

    /// The parts of a range that are in it.
    pub fn overlaps(&self, first: u64, pages: u64) -> impl Iterator<Item = (u64, u64)> + '_ {
        let end = first + pages;
        let before = self.map.get_prev(&first).map(|(start, _)| *start).unwrap_or(first);
        self.map.range(before..end).filter_map(move |(start, n)| {
            let (from, to) = ((*start).max(first), (start + n).min(end));
            (from < to).then_some((from, to - from))
        })
    }

    /// Puts a range in.
    pub fn insert(&mut self, first: u64, pages: u64) {
        if pages == 0 {
            return;
        }
        let (mut start, mut end) = (first, first + pages);
        // Whatever overlaps or touches becomes one range.
        while let Some((at, n)) = self.map.get_prev(&end).map(|(at, n)| (*at, *n))
            && at + n >= start
        {
            self.map.remove(&at);
            start = start.min(at);
            end = end.max(at + n);
        }
        self.map.insert(start, end - start);
    }

    /// Takes a range out.
    pub fn remove(&mut self, first: u64, pages: u64) {
        let end = first + pages;
        for (at, n) in self.overlaps(first, pages).collect::<Vec<_>>() {
            let Some((start, len)) = self.map.get_prev(&at).map(|(s, l)| (*s, *l)) else { continue };
            self.map.remove(&start);
            if start < at {
                self.map.insert(start, at - start);
            }
            if at + n < start + len {
                self.map.insert(at + n, start + len - at - n);
            }
        }
        debug_assert_eq!(self.count_in(first, end - first), 0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_join_and_part() {
        let mut set = Ranges::of(2, 2);
        set.insert(6, 2);
        set.insert(4, 2);
        assert_eq!(set, Ranges::of(2, 6));
        set.remove(3, 2);
        assert_eq!(set.overlaps(0, 100).collect::<Vec<_>>(), [(2, 1), (5, 3)]);
        assert_eq!((set.count(), set.count_in(0, 6)), (4, 2));
        set.insert(0, 100);
        assert_eq!(set, Ranges::of(0, 100));
    }
}
