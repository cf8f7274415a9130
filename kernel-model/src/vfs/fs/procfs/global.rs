//! What the files in the top directory of procfs say: the machine as a whole.

use super::node::{PressureFile, TopFile};
use crate::kernel::Kernel;
use crate::namespace::pid::PidNsId;
use crate::namespace::uts::{KERNEL_RELEASE, KERNEL_VERSION};
use crate::task::sched::cpus;
use crate::task::sched::psi::Resource;
use crate::task::{TaskId, TaskState};
use crate::time::{BOOT_UNIX_SECONDS, Nanos};

const FILE_SYSTEMS: [&str; 9] =
    ["sysfs", "tmpfs", "proc", "cgroup", "cgroup2", "pipefs", "devpts", "mqueue", "overlay"];

impl Kernel<'_> {
    /// What a file in the top directory says in an instance for `ns`, to `reader`.
    pub(super) fn global_text(&self, file: TopFile, ns: PidNsId, reader: TaskId) -> String {
        match file {
            TopFile::Cgroups => self.proc_cgroups_text(),
            TopFile::Cmdline => format!("{}\n", self.command_line),
            TopFile::Cpuinfo => (0..2).map(cpu_text).collect(),
            TopFile::Devices => {
                "Character devices:\n  1 mem\n  5 /dev/tty\n  5 /dev/console\n  5 /dev/ptmx\n136 pts\n\nBlock devices:\n254 virtblk\n".to_owned()
            }
            TopFile::Filesystems => {
                let made_up: String = FILE_SYSTEMS.iter().map(|name| format!("nodev\t{name}\n")).collect();
                made_up + "\text4\n"
            }
            TopFile::Loadavg => {
                let tasks = || self.tasks.iter();
                let running = tasks().filter(|(_, t)| t.state == TaskState::Runnable).count();
                let last = self.pid_namespaces.get(ns).map_or(0, |n| n.last_pid);
                format!("{} {running}/{} {last}\n", self.sched.load.text(), tasks().count())
            }
            TopFile::Meminfo => self.meminfo_text(),
            // What they tell of is not modelled: symbols, keys, the kernel's log, modules, timers.
            TopFile::Kallsyms | TopFile::KeyUsers | TopFile::Keys | TopFile::Kmsg => String::new(),
            TopFile::Modules | TopFile::TimerList => String::new(),
            TopFile::Vmstat => self.vmstat_text(),
            TopFile::Partitions => self.partitions_text(),
            TopFile::Diskstats => self.diskstats_text(),
            TopFile::Stat => self.system_stat_text(),
            TopFile::Swaps => "Filename\t\t\t\tType\t\tSize\t\tUsed\t\tPriority\n".to_owned(),
            TopFile::Uptime => {
                let boottime = self.time_namespaces.get(self.tasks[reader].nsproxy.time).map_or((0, 0), |n| n.boottime);
                let offset = i128::from(boottime.0) * 1_000_000_000 + i128::from(boottime.1);
                let up = u64::try_from(i128::from(self.clock.0) + offset).unwrap_or(0);
                let show = |ns: u64| format!("{}.{:02}", ns / 1_000_000_000, ns / 10_000_000 % 100);
                let idle = cpus().fold(0, |sum, cpu| sum + self.idle_time(cpu).0);
                format!("{} {}\n", show(up), show(idle))
            }
            TopFile::Version => format!("Linux version {KERNEL_RELEASE} (root@lab) (gcc) {KERNEL_VERSION}\n"),
        }
    }

    /// `/proc/pressure/FILE`.
    pub(super) fn pressure_text(&self, file: PressureFile) -> String {
        let resource = match file {
            PressureFile::Io => Resource::Io,
            PressureFile::Memory => Resource::Memory,
            PressureFile::Cpu => Resource::Cpu,
        };
        self.sched.psi.show(resource, true, self.local_clock())
    }

    fn system_stat_text(&self) -> String {
        let ticks = |time: Nanos| time.0 / 10_000_000;
        let line = |name: &str, times: [Nanos; 4]| {
            let [user, nice, system, idle] = times.map(ticks);
            format!("{name} {user} {nice} {system} {idle} 0 0 0 0 0 0\n")
        };
        let mut sum = [Nanos(0); 4];
        let mut each = String::new();
        for cpu in cpus() {
            let p = &self.sched.cpus[cpu.index()];
            let times = [p.user, p.nice, p.system, self.idle_time(cpu)];
            sum.iter_mut().zip(times).for_each(|(sum, time)| *sum += time);
            each.push_str(&line(&format!("cpu{cpu}"), times));
        }
        let running = self.tasks.iter().filter(|(_, t)| t.state == TaskState::Runnable).count();
        let switches: u64 = self.sched.cpus.iter().map(|p| p.switches).sum();
        format!(
            "{}{each}intr 0\nctxt {switches}\nbtime {BOOT_UNIX_SECONDS}\nprocesses {}\nprocs_running {running}\n\
             procs_blocked 0\n",
            line("cpu ", sum),
            self.tasks.next_number() - 1,
        )
    }
}

fn cpu_text(number: u32) -> String {
    format!(
        "processor\t: {number}\nvendor_id\t: GenuineIntel\ncpu family\t: 6\nmodel\t\t: 85\nmodel name\t: Virtual CPU\n\
         stepping\t: 7\ncpu MHz\t\t: 2500.000\ncache size\t: 33792 KB\nphysical id\t: 0\nsiblings\t: 2\n\
         core id\t\t: {number}\ncpu cores\t: 2\nfpu\t\t: yes\nflags\t\t: fpu vme de pse tsc msr pae mce cx8 apic sep \
         mtrr pge mca cmov pat pse36 clflush mmx fxsr sse sse2 ht syscall nx lm constant_tsc hypervisor\n\
         bogomips\t: 5000.00\naddress sizes\t: 46 bits physical, 48 bits virtual\n\n"
    )
}
