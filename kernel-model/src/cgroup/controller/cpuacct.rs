//! The cpuacct controller of version 1: counts processor time of a group and all below it, by processor, in and
//! outside the kernel, as in `kernel/sched/cpuacct.c`. The counting itself is [`Kernel::charge_cpu_time`].

use serde::{Deserialize, Serialize};

use super::{Controller, ControllerId};
use crate::cgroup::CgroupId;
use crate::cgroup::file::{At, CgroupFile, Write};
use crate::errno::Errno;
use crate::kernel::Kernel;
use crate::task::sched::{NR_CPUS, cpus};
use crate::time::Nanos;
use crate::world::World;

/// Nanoseconds in a tick of `USER_HZ`.
const TICK: u64 = 10_000_000;

/// What the controller keeps of a group.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct CpuacctCgroup {
    /// Time outside the kernel on each processor.
    pub user: [Nanos; NR_CPUS as usize],
    /// Time in the kernel on each processor.
    pub system: [Nanos; NR_CPUS as usize],
}

impl CpuacctCgroup {
    const ZERO: CpuacctCgroup =
        CpuacctCgroup { user: [Nanos(0); NR_CPUS as usize], system: [Nanos(0); NR_CPUS as usize] };
}

/// The controller.
pub static CPUACCT: Controller = Controller {
    in_v2: false,
    v1_files: &[
        CgroupFile::rw("cpuacct.usage", |w, at| Ok(sum(w, at, true, true)), Write::U64(reset)),
        CgroupFile::ro("cpuacct.usage_user", |w, at| Ok(sum(w, at, true, false))),
        CgroupFile::ro("cpuacct.usage_sys", |w, at| Ok(sum(w, at, false, true))),
        CgroupFile::ro("cpuacct.usage_percpu", |w, at| Ok(percpu(w, at, true, true))),
        CgroupFile::ro("cpuacct.usage_percpu_user", |w, at| Ok(percpu(w, at, true, false))),
        CgroupFile::ro("cpuacct.usage_percpu_sys", |w, at| Ok(percpu(w, at, false, true))),
        CgroupFile::ro("cpuacct.usage_all", usage_all),
        CgroupFile::ro("cpuacct.stat", stat),
    ],
    css_alloc: |w, group| w.cgroups.groups[group].css.cpuacct = Some(CpuacctCgroup::ZERO),
    ..Controller::new(ControllerId::Cpuacct, "cpuacct")
};

/// What a group used on one processor, of the kinds that are asked for.
fn used(w: &World, group: CgroupId, cpu: usize, user: bool, system: bool) -> Nanos {
    let Some(c) = &w.cgroup(group).css.cpuacct else { return Nanos(0) };
    let mut time = Nanos(0);
    if user {
        time += c.user[cpu];
    }
    if system {
        time += c.system[cpu];
    }
    time
}

fn total(w: &World, at: At, user: bool, system: bool) -> Nanos {
    cpus().fold(Nanos(0), |sum, cpu| sum + used(w, at.group, cpu.index(), user, system))
}

fn sum(w: &World, at: At, user: bool, system: bool) -> String {
    format!("{}\n", total(w, at, user, system).0)
}

fn percpu(w: &World, at: At, user: bool, system: bool) -> String {
    let mut text: String = cpus().map(|cpu| format!("{} ", used(w, at.group, cpu.index(), user, system).0)).collect();
    text.push('\n');
    text
}

fn usage_all(w: &World, at: At) -> Result<String, Errno> {
    let line = |cpu: usize| {
        let of = |user, system| used(w, at.group, cpu, user, system).0;
        format!("{cpu} {} {}\n", of(true, false), of(false, true))
    };
    Ok(format!("cpu user system\n{}", cpus().map(|cpu| line(cpu.index())).collect::<String>()))
}

fn stat(w: &World, at: At) -> Result<String, Errno> {
    let (user, system) = (total(w, at, true, false), total(w, at, false, true));
    Ok(format!("user {}\nsystem {}\n", user.0 / TICK, system.0 / TICK))
}

/// Only 0 can be written, and sets all counts of this group to 0.
fn reset(k: &mut Kernel<'_>, at: At, value: u64) -> Result<(), Errno> {
    if value != 0 {
        return Err(Errno::EINVAL);
    }
    if let Some(c) = &mut k.world.cgroups.groups[at.group].css.cpuacct {
        *c = CpuacctCgroup::ZERO;
    }
    Ok(())
}
