//! `strace -c`: how often each call was made, how often it failed, and how long it took.

use std::collections::BTreeMap;

use crate::syscall::Sysno;

/// Counts by call.
#[derive(Clone, Debug, Default)]
pub struct Summary {
    counts: BTreeMap<Sysno, Count>,
}

#[derive(Clone, Copy, Debug, Default)]
struct Count {
    calls: u64,
    errors: u64,
    nanoseconds: u64,
}

impl Summary {
    /// Counts one call.
    pub fn add(&mut self, nr: Sysno, failed: bool, nanoseconds: u64) {
        let count = self.counts.entry(nr).or_default();
        count.calls += 1;
        count.errors += u64::from(failed);
        count.nanoseconds += nanoseconds;
    }

    /// The table, the longest first.
    pub fn text(&self) -> String {
        let rule = "------ ----------- ----------- --------- --------- ----------------\n";
        let total = self.counts.values().fold(Count::default(), |t, c| Count {
            calls: t.calls + c.calls,
            errors: t.errors + c.errors,
            nanoseconds: t.nanoseconds + c.nanoseconds,
        });
        let mut rows: Vec<(&Sysno, &Count)> = self.counts.iter().collect();
        rows.sort_by_key(|(nr, count)| (std::cmp::Reverse(count.nanoseconds), nr.name()));
        let mut text = format!("% time     seconds  usecs/call     calls    errors syscall\n{rule}");
        for (nr, count) in rows {
            text.push_str(&row(count, total.nanoseconds, nr.name()));
        }
        text + rule + &row(&total, total.nanoseconds, "total")
    }
}

fn row(count: &Count, total: u64, name: &str) -> String {
    let hundredths = (count.nanoseconds * 10_000).checked_div(total).unwrap_or(0);
    let microseconds = count.nanoseconds / 1000;
    let errors = if count.errors > 0 { count.errors.to_string() } else { String::new() };
    format!(
        "{:>3}.{:02} {:>4}.{:06} {:>11} {:>9} {:>9} {name}\n",
        hundredths / 100,
        hundredths % 100,
        microseconds / 1_000_000,
        microseconds % 1_000_000,
        microseconds.checked_div(count.calls).unwrap_or(0),
        count.calls,
        errors,
    )
}
