//! Which machine frame is behind each of a guest's (`p2m`), and the reverse. Source: Linux 6.1, `arch/x86/xen/p2m.c`.

use crate::memory::{Gfn, Hfn};

/// Frames that follow each other for the guest and for the machine.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
struct Run {
    pfn: u64,
    mfn: u64,
    count: u64,
}

/// The table. A frame that is in none of its runs is taken for the machine's of the same number.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub(super) struct P2m {
    runs: Vec<Run>,
}

impl P2m {
    /// The machine frames behind the guest's, from its first on.
    pub fn of(frames: impl IntoIterator<Item = Hfn>) -> P2m {
        let mut p2m = P2m::default();
        frames.into_iter().for_each(|frame| p2m.push(frame));
        p2m
    }

    /// How many frames there are.
    pub fn len(&self) -> u64 {
        self.runs.iter().map(|run| run.count).sum()
    }

    /// From this frame of the guest's on there are none any more.
    pub fn truncate(&mut self, first: Gfn) {
        self.runs.retain(|run| run.pfn < first.0);
        if let Some(last) = self.runs.last_mut() {
            last.count = last.count.min(first.0 - last.pfn);
        }
    }

    /// One more frame, after the last.
    pub fn push(&mut self, frame: Hfn) {
        match self.runs.last_mut() {
            Some(last) if last.mfn + last.count == frame.0 => last.count += 1,
            _ => {
                let pfn = self.len();
                self.runs.push(Run { pfn, mfn: frame.0, count: 1 });
            }
        }
    }

    /// `pfn_to_mfn`.
    pub fn machine(&self, pfn: Gfn) -> Hfn {
        let run = self.runs.iter().find(|run| pfn.0 >= run.pfn && pfn.0 - run.pfn < run.count);
        Hfn(run.map_or(pfn.0, |run| run.mfn + (pfn.0 - run.pfn)))
    }

    /// `mfn_to_pfn`.
    pub fn guest(&self, mfn: Hfn) -> Gfn {
        let run = self.runs.iter().find(|run| mfn.0 >= run.mfn && mfn.0 - run.mfn < run.count);
        Gfn(run.map_or(mfn.0, |run| run.pfn + (mfn.0 - run.mfn)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn runs_are_found_both_ways() {
        let p2m = P2m::of([10, 11, 30, 31, 32].map(Hfn));
        assert_eq!(p2m.runs.len(), 2);
        for (pfn, mfn) in [(0, 10), (1, 11), (2, 30), (4, 32)] {
            assert_eq!((p2m.machine(Gfn(pfn)), p2m.guest(Hfn(mfn))), (Hfn(mfn), Gfn(pfn)));
        }
        let mut p2m = p2m;
        p2m.truncate(Gfn(3));
        p2m.push(Hfn(70));
        assert_eq!((p2m.len(), p2m.machine(Gfn(2)), p2m.machine(Gfn(3))), (4, Hfn(30), Hfn(70)));
    }
}
