//! The credit scheduler: shares by weight, limits by cap, and a boost for those that wake. Source:
//! `xen/common/sched/credit.c`.
//!
//! Every 30 ms credits are handed out, 300 a processor, by weight; every 10 ms whoever runs pays 100. Who has credits left is
//! UNDER, who has none OVER; UNDER goes first, round robin. One that was UNDER and wakes is BOOSTed past all until its next
//! tick: that keeps the latency of domains that mostly wait for I/O short.

use serde::{Deserialize, Serialize};

use crate::xen::Xen;
use crate::xen::domain::VcpuId;

/// Priorities, from the least.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default, Serialize, Deserialize)]
pub enum Priority {
    /// Has used up its credits (`CSCHED_PRI_TS_OVER`, -2).
    Over,
    /// Has credits (`CSCHED_PRI_TS_UNDER`, -1).
    #[default]
    Under,
    /// Has just woken (`CSCHED_PRI_TS_BOOST`, 0).
    Boost,
}

/// What the scheduler keeps of a virtual processor.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default, Serialize, Deserialize)]
pub struct SchedUnit {
    /// Credits.
    pub credit: i64,
    /// Where it stands.
    pub priority: Priority,
    /// Nanoseconds that it has run.
    pub runtime: u64,
    /// It is parked: its domain's cap is used up.
    pub is_parked: bool,
    /// When it was last given the processor; the one that waits longest goes first.
    pub last_start: u64,
}

/// Credits that a tick costs (`CSCHED_CREDITS_PER_TICK`).
pub const CREDITS_PER_TICK: i64 = 100;
/// Credits that are handed out every accounting for each processor of the machine (`CSCHED_CREDITS_PER_TSLICE`).
pub const CREDITS_PER_ACCOUNTING: i64 = 300;
/// Nanoseconds of a tick.
pub const TICK: u64 = 10_000_000;
/// Nanoseconds of a time slice, and between two accountings.
pub const TIME_SLICE: u64 = 30_000_000;

impl Xen {
    /// The virtual processor that one of the machine's processors runs next (`csched_schedule`); `None` when all sleep.
    pub fn credit_pick(&self) -> Option<VcpuId> {
        let mut best: Option<(Priority, std::cmp::Reverse<u64>, std::cmp::Reverse<VcpuId>)> = None;
        for d in self.domains().filter(|d| d.may_run()) {
            for (n, v) in d.vcpus.iter().enumerate().filter(|(_, v)| v.is_runnable() && !v.unit.is_parked) {
                let who = VcpuId { domain: d.id, vcpu: n as u32 };
                let rank = (v.unit.priority, std::cmp::Reverse(v.unit.last_start), std::cmp::Reverse(who));
                if best.is_none_or(|known| rank > known) {
                    best = Some(rank);
                }
            }
        }
        best.map(|(_, _, who)| who.0)
    }

    /// Somebody has run for so long: it pays, and stands where its credits put it (`burn_credits`, `csched_tick`).
    pub fn credit_ran(&mut self, who: VcpuId, nanoseconds: u64) {
        let now = self.now;
        if let Some(v) = self.vcpu_mut(who) {
            let unit = &mut v.unit;
            unit.runtime += nanoseconds;
            unit.last_start = now;
            unit.credit -= (nanoseconds as i64 * CREDITS_PER_TICK) / TICK as i64;
            unit.priority = if unit.credit < 0 { Priority::Over } else { Priority::Under };
        }
    }

    /// Somebody wakes (`csched_unit_wake`).
    pub fn credit_wake(&mut self, who: VcpuId) {
        if let Some(v) = self.vcpu_mut(who)
            && v.unit.priority == Priority::Under
            && !v.unit.is_parked
        {
            v.unit.priority = Priority::Boost;
        }
    }

    /// Hands out credits by weight and parks those whose domain is above its cap (`csched_acct`).
    pub fn credit_account(&mut self, processors: i64) {
        let total = CREDITS_PER_ACCOUNTING * processors;
        let weights: i64 = self.domains().filter(|d| d.may_run()).map(|d| i64::from(d.weight)).sum();
        if weights == 0 {
            return;
        }
        let ids: Vec<_> = self.domains().filter(|d| d.may_run()).map(|d| d.id).collect();
        for id in ids {
            let Some(d) = self.domain_mut(id) else { continue };
            let active = d.vcpus.iter().filter(|v| v.is_up).count().max(1) as i64;
            let cap = i64::from(d.cap) * CREDITS_PER_ACCOUNTING / 100;
            let fair = total * i64::from(d.weight) / weights;
            let share = if d.cap > 0 { fair.min(cap) } else { fair } / active;
            for v in d.vcpus.iter_mut().filter(|v| v.is_up) {
                let unit = &mut v.unit;
                unit.credit = (unit.credit + share).min(CREDITS_PER_ACCOUNTING);
                unit.is_parked = d.cap > 0 && unit.credit < -cap.max(1) / active;
                // One that hardly runs does not pile up credits, nor one above its share endless debts.
                unit.credit = unit.credit.max(-CREDITS_PER_ACCOUNTING);
                unit.priority = if unit.credit < 0 { Priority::Over } else { Priority::Under };
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::xen::domain::{DomId, Domain, GuestKind};

    fn machine(weights: &[(u16, u16)]) -> Xen {
        let mut xen = Xen::new(16, 0);
        for (n, (weight, cap)) in weights.iter().enumerate() {
            let mut d = Domain::new(DomId(n as u16), GuestKind::Pv64, 1);
            d.weight = *weight;
            d.cap = *cap;
            d.vcpus[0].is_up = true;
            xen.insert_domain(d);
        }
        xen
    }

    /// Shares of the processor, in percent, when all of them want it for ten seconds.
    fn shares(xen: &mut Xen) -> Vec<u64> {
        for tick in 0..1000_u64 {
            if tick % 3 == 0 {
                xen.credit_account(1);
            }
            xen.now += TICK;
            if let Some(who) = xen.credit_pick() {
                xen.credit_ran(who, TICK);
            }
        }
        xen.domains().map(|d| d.vcpus[0].unit.runtime / TICK / 10).collect()
    }

    #[test]
    fn equal_weights_give_equal_shares_and_double_weight_double() {
        assert_eq!(shares(&mut machine(&[(256, 0), (256, 0)])), [50, 50]);
        let uneven = shares(&mut machine(&[(512, 0), (256, 0)]));
        assert!((64..=68).contains(&uneven[0]), "{uneven:?}");
    }

    #[test]
    fn a_cap_holds_even_when_the_processor_is_idle() {
        let capped = shares(&mut machine(&[(256, 25)]));
        assert!((20..=30).contains(&capped[0]), "{capped:?}");
    }

    #[test]
    fn one_that_wakes_goes_before_one_that_computes() {
        let mut xen = machine(&[(256, 0), (256, 0)]);
        xen.credit_account(1);
        let io = VcpuId::first(DomId(1));
        assert_eq!(xen.credit_pick(), Some(VcpuId::first(DomId(0))));
        xen.credit_wake(io);
        assert_eq!(xen.credit_pick(), Some(io));
    }
}
