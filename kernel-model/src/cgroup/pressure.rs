//! The files about processor time and pressure that every group of the default hierarchy has without any
//! controller: `cpu.stat`, `cpu.stat.local`, `cpu.pressure`, `memory.pressure` and `io.pressure`.
//!
//! The counting is [`Kernel::charge_cpu_time`] and [`crate::task::sched::psi`].

use serde::{Deserialize, Serialize};

use super::controller::{ControllerId, cpu};
use super::file::{At, CgroupFile, Write};
use super::hierarchy::DEFAULT_HIERARCHY;
use super::{KernelVersion, Version};
use crate::errno::Errno;
use crate::kernel::Kernel;
use crate::security::capability::Cap;
use crate::task::TaskId;
use crate::task::sched::CpuId;
use crate::task::sched::psi::Resource;
use crate::time::Nanos;
use crate::world::World;

/// Processor time that a group and all below it have used (`struct cgroup_base_stat`).
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct CpuTime {
    /// Outside the kernel.
    pub user: Nanos,
    /// The part of it of nice tasks.
    pub nice: Nanos,
    /// In the kernel.
    pub system: Nanos,
}

/// The file that shows and hides the others.
pub const PRESSURE_SWITCH: &str = "cgroup.pressure";

/// The files, shown after those of [`v2`](super::v2).
pub const FILES: &[CgroupFile] = &[
    CgroupFile::ro("cpu.stat", show_cpu_stat),
    CgroupFile::ro("cpu.stat.local", |w, at| Ok(cpu::local_stat(w, at.group))).only_in(KernelVersion::V6_18),
    CgroupFile::rw(PRESSURE_SWITCH, show_pressure, Write::S64(write_pressure)),
    CgroupFile::rw("io.pressure", |w, at| show(w, at, Resource::Io), Write::Text(write_trigger)),
    CgroupFile::rw("memory.pressure", |w, at| show(w, at, Resource::Memory), Write::Text(write_trigger)),
    CgroupFile::rw("cpu.pressure", |w, at| show(w, at, Resource::Cpu), Write::Text(write_trigger)),
];

/// `cpu_stat_show`.
fn show_cpu_stat(w: &World, at: At) -> Result<String, Errno> {
    let g = w.cgroup(at.group);
    let time = g.cpu_time;
    let us = |time: Nanos| time.0 / 1000;
    let mut text = format!(
        "usage_usec {}\nuser_usec {}\nsystem_usec {}\n",
        us(time.user + time.system),
        us(time.user),
        us(time.system)
    );
    if w.kernel_version() >= KernelVersion::V6_18 {
        text.push_str(&format!("nice_usec {}\n", us(time.nice)));
    }
    if g.has_css(ControllerId::Cpu) {
        text.push_str(&cpu::extra_stat(w, at.group));
    }
    Ok(text)
}

fn show(w: &World, at: At, resource: Resource) -> Result<String, Errno> {
    let g = w.cgroup(at.group);
    let now = w.local_clock();
    Ok(match g.parent {
        Some(_) => g.psi.show(resource, false, now),
        None => w.sched.psi.show(resource, true, now),
    })
}

fn show_pressure(w: &World, at: At) -> Result<String, Errno> {
    Ok(format!("{}\n", u8::from(w.cgroup(at.group).pressure)))
}

/// Pressure of the group is accounted for, or its files vanish (`cgroup_pressure_write`).
fn write_pressure(k: &mut Kernel<'_>, at: At, on: i64) -> Result<(), Errno> {
    if !(0..=1).contains(&on) {
        return Err(Errno::ERANGE);
    }
    k.cgroups.groups[at.group].pressure = on == 1;
    Ok(())
}

/// Sets a trigger up. Nobody is told when it fires: poll(2) on it is not modelled.
fn write_trigger(k: &mut Kernel<'_>, at: At, text: &str) -> Result<(), Errno> {
    let privileged = k.vfs.files[at.file].cred.effective.has(Cap::SYS_RESOURCE);
    k.set_psi_trigger(at.file, text, privileged)
}

impl Kernel<'_> {
    /// The running task used processor time: it is charged to its groups (`cpuacct_charge`,
    /// `__cgroup_account_cputime`).
    pub(crate) fn charge_cpu_time(&mut self, task: TaskId, cpu: CpuId, time: Nanos, user: bool) {
        let nice = user && self.tasks[task].nice > 0;
        for group in self.cgroup_ancestors(self.cgroup_of(task, DEFAULT_HIERARCHY)) {
            let t = &mut self.world.cgroups.groups[group].cpu_time;
            if user {
                t.user += time;
            } else {
                t.system += time;
            }
            if nice {
                t.nice += time;
            }
        }
        let hierarchy = self.hierarchy_of(ControllerId::Cpuacct);
        if self.cgroups.hierarchies[hierarchy].version != Version::V1 {
            return;
        }
        for group in self.cgroup_ancestors(self.cgroup_of(task, hierarchy)) {
            if let Some(c) = &mut self.world.cgroups.groups[group].css.cpuacct {
                let counter = if user { &mut c.user } else { &mut c.system };
                counter[cpu.index()] += time;
            }
        }
    }

    /// A trigger is written to a pressure file that is open (`psi_write`).
    ///
    /// # Errors
    /// EBUSY for a second one through the same open file, EINVAL for what is none.
    pub(crate) fn set_psi_trigger(
        &mut self,
        file: crate::vfs::file::FileId,
        text: &str,
        privileged: bool,
    ) -> Result<(), Errno> {
        if self.sched.psi_triggers.contains(&file) {
            return Err(Errno::EBUSY);
        }
        self.check_psi_trigger(text, privileged)?;
        self.sched.psi_triggers.insert(file);
        let what = "poll(2) on a pressure trigger: it is accepted and never fires";
        self.emit(crate::event::EventKind::NotModelled { what: what.into() });
        Ok(())
    }
}
