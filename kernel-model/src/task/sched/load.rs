//! The load average, as in `kernel/sched/loadavg.c`: how many tasks run or wait for a processor, averaged over 1,
//! 5 and 15 minutes, in fixed point with 11 bits. Sleepers that cannot be woken would count, too; there are none.

use serde::{Deserialize, Serialize};

use super::cpus;
use super::psi::{calc_load, fixed_power};
use crate::kernel::Kernel;
use crate::time::Nanos;

/// How often it is taken: 5 seconds and one tick.
const LOAD_FREQ: Nanos = Nanos(5_004_000_000);
/// What is left of an average after that.
const EXP: [u64; 3] = [1884, 2014, 2037];
/// 1 in fixed point.
const FIXED_1: u64 = 2048;

/// The averages (`avenrun`).
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct LoadAverage {
    avenrun: [u64; 3],
    next: Nanos,
}

impl LoadAverage {
    /// Nothing has run yet.
    pub fn new(now: Nanos) -> LoadAverage {
        LoadAverage { avenrun: [0; 3], next: now + LOAD_FREQ }
    }

    /// The three numbers as `/proc/loadavg` shows them.
    pub fn text(&self) -> String {
        let shown = self.avenrun.map(|load| {
            let load = load + FIXED_1 / 200;
            format!("{}.{:02}", load >> 11, ((load & (FIXED_1 - 1)) * 100) >> 11)
        });
        shown.join(" ")
    }
}

impl Kernel<'_> {
    /// Brings the averages to the present moment (`calc_global_load`). While time jumped nothing ran.
    pub(super) fn calc_global_load(&mut self) {
        let now = self.clock;
        if now < self.sched.load.next {
            return;
        }
        let running: u32 = cpus().map(|cpu| self.root_queue(cpu).tasks).sum();
        let load = &mut self.sched.load;
        let missed = (now - load.next).0 / LOAD_FREQ.0;
        load.next = Nanos(load.next.0 + (missed + 1) * LOAD_FREQ.0);
        for (average, exp) in load.avenrun.iter_mut().zip(EXP) {
            if missed > 0 {
                *average = calc_load(*average, fixed_power(exp, missed), 0);
            }
            *average = calc_load(*average, exp, u64::from(running) * FIXED_1);
        }
    }
}
