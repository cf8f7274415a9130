//! `memory.min` and `memory.low`: what reclaim leaves alone, as in `mem_cgroup_calculate_protection`.
//!
//! A group is protected up to what it asks for and uses. Groups that together ask for more than the group above is
//! protected share that in proportion. Protection counts against pressure from above the group, not against its own
//! limit.

use std::collections::BTreeMap;

use super::memcg::MemCgroup;
use super::{MemcgId, ROOT_MEMCG};
use crate::world::World;

/// The groups that reclaim leaves alone.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub(super) struct Protected {
    /// In any case.
    pub min: Vec<MemcgId>,
    /// As long as there is something else.
    pub low: Vec<MemcgId>,
}

impl World {
    /// The groups below `top` that use no more than they are protected by, while `top` is reclaimed.
    pub(super) fn protected_groups(&self, top: MemcgId) -> Protected {
        let min = self.effective(top, |m| m.min);
        let low = self.effective(top, |m| m.low);
        let mut protected = Protected::default();
        for (id, group) in self.mm.memcgs.iter().filter(|(id, _)| *id != top && self.mm.is_below(*id, top)) {
            let within =
                |effective: &BTreeMap<MemcgId, u64>| effective.get(&id).is_some_and(|e| *e > 0 && group.usage <= *e);
            if within(&min) {
                protected.min.push(id);
            } else if within(&low) {
                protected.low.push(id);
            }
        }
        protected
    }

    /// What each group below `top` is protected by in effect (`effective_protection`). Groups are made after those above.
    fn effective(&self, top: MemcgId, setting: fn(&MemCgroup) -> u64) -> BTreeMap<MemcgId, u64> {
        let mut effective = BTreeMap::new();
        let protected = |m: &MemCgroup| m.usage.min(setting(m));
        for (id, group) in self.mm.memcgs.iter() {
            let Some(parent) = group.parent.filter(|_| id != top && self.mm.is_below(id, top)) else { continue };
            if parent == top || parent == ROOT_MEMCG {
                effective.insert(id, setting(group));
                continue;
            }
            let above = effective.get(&parent).copied().unwrap_or(0).min(self.mm.memcgs[parent].usage);
            let siblings: u64 =
                self.mm.memcgs.iter().filter(|(_, m)| m.parent == Some(parent)).map(|(_, m)| protected(m)).sum();
            let own = protected(group);
            let share = if siblings > above {
                u128::from(own) * u128::from(above) / u128::from(siblings.max(1))
            } else {
                u128::from(own)
            };
            effective.insert(id, u64::try_from(share).unwrap_or(u64::MAX));
        }
        effective
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::world::Config;

    #[test]
    fn siblings_share_what_the_group_above_is_protected_by() {
        let mut w = World::boot(Config::default());
        let mut add = |parent, usage, low| w.mm.memcgs.add(MemCgroup { usage, low, ..MemCgroup::new(Some(parent)) });
        let a = add(ROOT_MEMCG, 1000, 600);
        let b = add(a, 500, 400);
        let c = add(a, 400, 800);
        let effective = w.effective(ROOT_MEMCG, |m| m.low);
        // 400 and 400 of the 600 that there are.
        assert_eq!((effective[&a], effective[&b], effective[&c]), (600, 300, 300));
        assert_eq!(w.protected_groups(ROOT_MEMCG), Protected { min: vec![], low: vec![] });
        w.mm.memcgs[b].usage = 250;
        // Now 250 and 400 are asked for: 369 of 600 for the other.
        assert_eq!(w.effective(ROOT_MEMCG, |m| m.low)[&c], 369);
        w.mm.memcgs[c].usage = 300;
        assert_eq!(w.protected_groups(ROOT_MEMCG).low, [b, c]);
        // Its own limit knows no protection.
        assert_eq!(w.protected_groups(c), Protected::default());
    }
}
