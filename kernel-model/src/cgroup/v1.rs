//! The files that every group of a v1 hierarchy has, as in `kernel/cgroup/cgroup-v1.c`.

use super::file::{At, CgroupFile, FileFlags, Write};
use super::migrate::Who;
use crate::errno::Errno;
use crate::kernel::Kernel;
use crate::namespace::pid::Pid;
use crate::security::capability::Cap;
use crate::task::TaskId;
use crate::world::World;

/// `cgroup1_base_files`.
pub const FILES: &[CgroupFile] = &[
    CgroupFile::rw("cgroup.procs", procs, Write::Text(|k, at, text| k.procs_write(at, text, Who::Process))),
    CgroupFile::rw(
        "cgroup.clone_children",
        |w, at| Ok(format!("{}\n", u8::from(w.cgroup(at.group).clone_children))),
        Write::U64(set_clone_children),
    ),
    CgroupFile::ro("cgroup.sane_behavior", |_, _| Ok("0\n".to_owned())).flags(FileFlags::ONLY_ON_ROOT),
    CgroupFile::rw("tasks", tasks, Write::Text(|k, at, text| k.procs_write(at, text, Who::Thread))),
    CgroupFile::rw(
        "notify_on_release",
        |w, at| Ok(format!("{}\n", u8::from(w.cgroup(at.group).notify_on_release))),
        Write::U64(set_notify_on_release),
    ),
    CgroupFile::rw("release_agent", release_agent, Write::Text(set_release_agent)).flags(FileFlags::ONLY_ON_ROOT),
];

/// Thread groups with a thread here, in the order of their numbers (`pidlist_array_load`).
fn procs(w: &World, at: At) -> Result<String, Errno> {
    let leader = |task: TaskId| w.processes[w.tasks[task].process].leader;
    Ok(numbers(w, at, leader))
}

/// Threads here.
fn tasks(w: &World, at: At) -> Result<String, Errno> {
    Ok(numbers(w, at, |task| task))
}

/// The numbers as the reader sees them, each once; who cannot be seen is left out.
fn numbers(w: &World, at: At, of: impl Fn(TaskId) -> TaskId) -> String {
    let ns = w.pid_ns_of(at.task);
    let tasks = w.cgroup_tasks(at.group);
    let mut numbers: Vec<Pid> = tasks.into_iter().filter_map(|task| w.pid_in(ns, of(task))).collect();
    numbers.sort_unstable();
    numbers.dedup();
    numbers.iter().map(|nr| format!("{nr}\n")).collect()
}

fn set_clone_children(k: &mut Kernel<'_>, at: At, value: u64) -> Result<(), Errno> {
    k.cgroups.groups[at.group].clone_children = value != 0;
    Ok(())
}

fn set_notify_on_release(k: &mut Kernel<'_>, at: At, value: u64) -> Result<(), Errno> {
    k.cgroups.groups[at.group].notify_on_release = value != 0;
    Ok(())
}

fn release_agent(w: &World, at: At) -> Result<String, Errno> {
    Ok(format!("{}\n", w.cgroups.hierarchies[w.cgroup(at.group).hierarchy].release_agent))
}

/// The agent runs with all capabilities, so whoever names it must have them.
fn set_release_agent(k: &mut Kernel<'_>, at: At, text: &str) -> Result<(), Errno> {
    let cred = std::sync::Arc::clone(&k.vfs.files[at.file].cred);
    let first = k.first_user_ns();
    if cred.user_ns != first || !k.cred_capable(&cred, first, Cap::SYS_ADMIN) {
        return Err(Errno::EPERM);
    }
    let hierarchy = k.cgroup(at.group).hierarchy;
    k.cgroups.hierarchies[hierarchy].release_agent = text.trim().to_owned();
    Ok(())
}
