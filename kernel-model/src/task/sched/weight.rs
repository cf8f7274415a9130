//! Weights: how nice values and group settings become shares of a processor, as in `kernel/sched/core.c`.

use crate::time::Nanos;

/// The weight of nice 0, and of a group with `cpu.shares` 1024 or `cpu.weight` 100 (`NICE_0_LOAD`, unscaled).
pub const NICE_0_LOAD: u64 = 1024;
/// The weight of a `SCHED_IDLE` task and of a group with `cpu.idle` (`WEIGHT_IDLEPRIO`).
pub const WEIGHT_IDLEPRIO: u64 = 3;
/// The least weight that a group can have (`MIN_SHARES`).
pub const MIN_SHARES: u64 = 2;
/// The greatest weight that a group can have (`MAX_SHARES`).
pub const MAX_SHARES: u64 = 1 << 18;

/// `sched_prio_to_weight`: nice -20 to 19. One step of nice is a tenth of the processor between two tasks.
pub const SCHED_PRIO_TO_WEIGHT: [u64; 40] = [
    88761, 71755, 56483, 46273, 36291, 29154, 23254, 18705, 14949, 11916, 9548, 7620, 6100, 4904, 3906, 3121, 2501,
    1991, 1586, 1277, 1024, 820, 655, 526, 423, 335, 272, 215, 172, 137, 110, 87, 70, 56, 45, 36, 29, 23, 18, 15,
];

/// The weight of a nice value; values beyond -20 and 19 count as these.
pub fn weight_of_nice(nice: i8) -> u64 {
    SCHED_PRIO_TO_WEIGHT[(i32::from(nice).clamp(-20, 19) + 20) as usize]
}

/// How far virtual time moves while an entity of this weight runs for `time` (`calc_delta_fair`).
pub fn calc_delta_fair(time: Nanos, weight: u64) -> i64 {
    let virtual_time = u128::from(time.0) * u128::from(NICE_0_LOAD) / u128::from(weight.max(1));
    i64::try_from(virtual_time).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn virtual_time_passes_faster_for_light_entities() {
        assert_eq!(calc_delta_fair(Nanos(3_000_000), 1024), 3_000_000);
        assert_eq!(calc_delta_fair(Nanos(3_000_000), 3072), 1_000_000);
        assert_eq!(calc_delta_fair(Nanos(2_000_000), WEIGHT_IDLEPRIO), 682_666_666);
    }

    #[test]
    fn nice_values_have_the_kernels_weights() {
        assert_eq!([-20, -5, 0, 5, 19].map(weight_of_nice), [88761, 3121, 1024, 335, 15]);
        assert_eq!(weight_of_nice(-21), 88761);
    }
}
