//! The standard world: what there is before the first command.
//!
//! Machine, users, mounts, files and the two first processes are those in which the recordings of real
//! kernels were made, so that what is typed here can be compared with them line by line.

mod etc;
pub mod files;
#[cfg(test)]
mod tests;

use std::sync::Arc;

use imbl::{OrdMap, OrdSet};

use crate::cgroup::Cgroups;
use crate::cgroup::css_set::CssSetId;
use crate::cgroup::freeze::Frozen;
use crate::console::{Console, ConsoleId};
use crate::kernel::Kernel;
use crate::namespace::NsKind;
use crate::namespace::cgroup::CgroupNamespace;
use crate::namespace::ipc::IpcNamespace;
use crate::namespace::lifetime::FIRST_NS_INUM;
use crate::namespace::mnt::MntNamespace;
use crate::namespace::pid::{Pid, PidNamespace, PidNsId, PidStruct};
use crate::namespace::time::TimeNamespace;
use crate::namespace::user::{IdMap, UserNamespace, UserNsId};
use crate::namespace::uts::UtsNamespace;
use crate::namespace::{NsCommon, NsProxy};
use crate::program::{Image, Resume};
use crate::security::credentials::{Cred, Kgid, Kuid};
use crate::security::lsm::apparmor::TaskContext;
use crate::security::lsm::selinux::{self, TaskSecurity};
use crate::security::lsm::{Blob, Lsm, LsmChoice};
use crate::security::rlimit::Rlimits;
use crate::syscall::Sleep;
use crate::table::Table;
use crate::task::sched::{CPU_POSSIBLE, Sched, TaskSched, Wait};
use crate::task::signal::{Disposition, SigHand, SigSet, Signal};
use crate::task::{Driver, Process, ProcessId, Task, TaskId, TaskState, UserMode};
use crate::time::Nanos;
use crate::tty::Tty;
use crate::vfs::Vfs;
use crate::vfs::fd_table::FdTable;
use crate::vfs::mount::MountId;
use crate::vfs::path::FsStruct;
use crate::world::{Config, World};

/// The pid of the first shell.
pub const FIRST_SHELL_PID: Pid = 30_000;

/// The environment of the first shell.
pub const ENVIRONMENT: [&str; 9] = [
    "PATH=/usr/sbin:/usr/bin:/sbin:/bin",
    "HOME=/root",
    "USER=root",
    "LOGNAME=root",
    "SHELL=/bin/sh",
    "LANG=C.UTF-8",
    "TERM=dumb",
    "PWD=/root",
    "SHLVL=1",
];

/// What the active security module keeps of init, or of a shell in which somebody has logged in.
fn blob_at_boot(lsm: LsmChoice, login: bool) -> Blob {
    match lsm {
        LsmChoice::None => Blob::None,
        LsmChoice::AppArmor => Blob::AppArmor(TaskContext::default()),
        LsmChoice::Selinux => Blob::Selinux(TaskSecurity::new(if login { selinux::SHELL } else { selinux::INIT })),
    }
}

impl World {
    /// Boots a standard world: init, and a shell at the first console.
    pub fn boot(config: Config) -> World {
        let mut world = World::empty(config);
        files::populate(&mut world);
        let init = world.first_process();
        if config.cgroup_v2 {
            world.kthreadd(init);
        }
        let console = world.consoles.add(Console::new(init));
        let shell = world.shell_process(init, console, FIRST_SHELL_PID);
        world.consoles[console].shell = shell;
        world
    }

    /// A world with the first namespaces and nothing in them.
    fn empty(config: Config) -> World {
        let user = UserNsId(1);
        // Numbered as in the world of the recordings: its time and user namespaces are the machine's first ones,
        // the others were made by one unshare(2).
        let common = |kind: NsKind| {
            const ORDER: [NsKind; 8] = [
                NsKind::Time,
                NsKind::User,
                NsKind::Mnt,
                NsKind::Uts,
                NsKind::Ipc,
                NsKind::Pid,
                NsKind::Cgroup,
                NsKind::Net,
            ];
            let place = ORDER.iter().position(|other| *other == kind).unwrap_or(0) as u32;
            NsCommon { inum: FIRST_NS_INUM + 1 + place, owner: user, refs: 1 }
        };
        let mut world = World {
            config,
            command_line: "console=ttyS0".into(),
            clock: Nanos::from_millis(10_000),
            turn: 0,
            run_until: Nanos(0),
            tasks: Table::default(),
            processes: Table::default(),
            pids: Table::default(),
            sighands: Table::default(),
            sched: Sched::new(Nanos::from_millis(10_000)),
            pid_namespaces: Table::default(),
            uts_namespaces: Table::default(),
            mnt_namespaces: Table::default(),
            user_namespaces: Table::default(),
            net_namespaces: Table::default(),
            ipc_namespaces: Table::default(),
            cgroup_namespaces: Table::default(),
            time_namespaces: Table::default(),
            pipes: Table::default(),
            eventfds: Table::default(),
            epolls: Table::default(),
            ptys: Table::default(),
            taps: Table::default(),
            sockets: Table::default(),
            net_devices: Table::default(),
            net_timers: OrdSet::new(),
            backlog: std::collections::VecDeque::new(),
            last_packet: 0,
            last_mac: 0,
            vfs: Vfs::default(),
            cgroups: Cgroups::default(),
            mm: crate::mm::Memory::default(),
            log: crate::printk::Log::default(),
            lsm: match config.lsm {
                LsmChoice::None => Lsm::None,
                LsmChoice::AppArmor => Lsm::AppArmor(crate::security::lsm::apparmor::Policy::default()),
                LsmChoice::Selinux => Lsm::Selinux(crate::security::lsm::selinux::Selinux::default()),
            },
            block: crate::block::Block::default(),
            consoles: Table::default(),
            sysctls: OrdMap::new(),
            charged_to: OrdMap::new(),
            last_ns_inum: 0,
            last_pipe_ino: 1000,
            last_epoch: 0,
        };
        world.user_namespaces.add(UserNamespace {
            ns: common(NsKind::User),
            parent: None,
            level: 0,
            owner: Kuid::ROOT,
            group: Kgid::ROOT,
            uid_map: IdMap::identity(),
            gid_map: IdMap::identity(),
            setgroups_allowed: true,
            parent_could_setfcap: true,
            ucount_max: std::collections::BTreeMap::new(),
            ucounts: std::collections::BTreeMap::new(),
        });
        world.pid_namespaces.add(PidNamespace {
            ns: common(NsKind::Pid),
            parent: None,
            level: 0,
            numbers: OrdMap::new(),
            last_pid: 0,
            pid_max: 4_194_304,
            child_reaper: None,
            adding: true,
            init_waits: false,
        });
        world.uts_namespaces.add(UtsNamespace {
            ns: common(NsKind::Uts),
            nodename: "lab".into(),
            domainname: "(none)".into(),
        });
        world.mnt_namespaces.add(MntNamespace { ns: common(NsKind::Mnt), root: MountId(1), mounts: OrdSet::new() });
        let net = common(NsKind::Net);
        let net = world.new_net_namespace(net);
        world.start_loopback(net);
        world.ipc_namespaces.add(IpcNamespace::new(common(NsKind::Ipc)));
        world.cgroup_namespaces.add(CgroupNamespace { ns: common(NsKind::Cgroup), root_set: CssSetId(1) });
        world.time_namespaces.add(TimeNamespace {
            ns: common(NsKind::Time),
            monotonic: (0, 0),
            boottime: (0, 0),
            frozen_offsets: true,
        });
        world.last_ns_inum = FIRST_NS_INUM + NsKind::ALL.len() as u32;
        world.init_cgroups();
        world
    }

    /// `init`: ignores SIGCHLD, so that orphans vanish at once, and never does anything.
    fn first_process(&mut self) -> TaskId {
        let root = files::root_of(self);
        let fs = self.vfs.fs_structs.add(FsStruct { root, cwd: root, umask: 0o022, users: 1 });
        let files = self.vfs.fd_tables.add(FdTable { users: 1, ..FdTable::default() });
        let sighand = self.sighands.add(SigHand {
            actions: OrdMap::unit(Signal::CHLD, Disposition::Ignore),
            no_child_wait: false,
            users: 1,
        });
        let image = Image {
            program: Arc::from("init"),
            exe: "/usr/sbin/init".into(),
            argv: vec!["init".into()],
            envp: Vec::new(),
            console: None,
        };
        let pid = self.pids.add(PidStruct {
            numbers: vec![(PidNsId(1), 1)],
            task: Some(TaskId(1)),
            pgrp_members: 1,
            session_members: 1,
        });
        let ns = &mut self.pid_namespaces[PidNsId(1)];
        ns.numbers.insert(1, pid);
        ns.last_pid = 1;
        ns.child_reaper = Some(TaskId(1));
        let user_ns = UserNsId(1);
        let process = self.processes.add(Process {
            traced: imbl::Vector::new(),
            id: ProcessId(1),
            leader: TaskId(1),
            threads: vec![TaskId(1)],
            parent: None,
            children: OrdSet::new(),
            pgrp: pid,
            session: pid,
            exit_signal: Some(Signal::CHLD),
            exit_code: None,
            pending: SigSet::EMPTY,
            stop_report: None,
            is_child_subreaper: false,
            did_exec: true,
            dumpable: true,
            mm_user_ns: user_ns,
            exe: None,
            mm: None,
            rlimits: Rlimits::standard(),
            tty: None,
            children_cpu_time: Nanos(0),
            alarm: None,
            oom_score_adj: 0,
            shm_attached: 0,
        });
        let epoch = self.next_epoch();
        let task = self.tasks.add(Task {
            id: TaskId(1),
            process,
            pid,
            comm: "init".into(),
            cred: Arc::new(Cred { security: blob_at_boot(self.config.lsm, false), ..Cred::init(user_ns) }),
            no_new_privs: false,
            seccomp: crate::security::seccomp::Seccomp::Disabled,
            tracer: None,
            nsproxy: NsProxy {
                mnt: crate::namespace::mnt::MntNsId(1),
                uts: crate::namespace::uts::UtsNsId(1),
                ipc: crate::namespace::ipc::IpcNsId(1),
                net: crate::namespace::net::NetNsId(1),
                cgroup: crate::namespace::cgroup::CgroupNsId(1),
                time: crate::namespace::time::TimeNsId(1),
                pid_for_children: PidNsId(1),
                time_for_children: crate::namespace::time::TimeNsId(1),
            },
            fs,
            files: Some(files),
            sighand,
            blocked: SigSet::EMPTY,
            saved_sigmask: None,
            pending: SigSet::EMPTY,
            signals_caught: 0,
            pdeath_signal: None,
            state: TaskState::Sleeping(Sleep { on: vec![Wait::Outside], until: None }),
            in_call: None,
            user: UserMode {
                image: Arc::new(image),
                driver: Driver::Outside,
                epoch,
                resume: Resume::Start,
                replies: imbl::Vector::new(),
                bytes_read: 0,
            },
            cpu_time: Nanos(0),
            start_time: Nanos(0),
            nice: 0,
            cpus_allowed: CPU_POSSIBLE,
            sched: TaskSched::default(),
            vfork_parent: None,
            css_set: CssSetId(1),
            frozen: Frozen::default(),
        });
        let set = self.cgroup_namespaces[crate::namespace::cgroup::CgroupNsId(1)].root_set;
        self.join_css_set(task, set);
        self.sched.waiting.insert(Wait::Outside, OrdSet::unit(task));
        self.processes[process].mm = Some(self.memory_at_boot(task, "init", "/usr/sbin/init"));
        task
    }

    /// `kthreadd`, the parent of all kernel threads, of which there are no others here: it has no memory of its own
    /// and ignores every signal. The recordings of the standard world begin in a PID namespace without it.
    fn kthreadd(&mut self, init: TaskId) {
        let task = TaskId(self.tasks.next_number());
        let process = ProcessId(self.processes.next_number());
        let numbers = vec![(PidNsId(1), 2)];
        let pid = self.pids.add(PidStruct { numbers, task: Some(task), pgrp_members: 1, session_members: 1 });
        self.pid_namespaces[PidNsId(1)].numbers.insert(2, pid);
        let root = files::root_of(self);
        let fs = self.vfs.fs_structs.add(FsStruct { root, cwd: root, umask: 0o022, users: 1 });
        let files = self.vfs.fd_tables.add(FdTable { users: 1, ..FdTable::default() });
        let actions = (1..=64).map(|n| (Signal(n), Disposition::Ignore)).collect();
        let sighand = self.sighands.add(SigHand { actions, no_child_wait: false, users: 1 });
        let image = Image {
            program: Arc::from("kthreadd"),
            exe: String::new(),
            argv: Vec::new(),
            envp: Vec::new(),
            console: None,
        };
        let epoch = self.next_epoch();
        let first = self.tasks[init].clone();
        let first_process = self.processes[first.process].clone();
        self.processes.add(Process {
            id: process,
            leader: task,
            threads: vec![task],
            parent: None,
            pgrp: pid,
            session: pid,
            mm: None,
            ..first_process
        });
        let user = UserMode { image: Arc::new(image), epoch, ..first.user.clone() };
        let set = first.css_set;
        self.tasks.add(Task {
            id: task,
            process,
            pid,
            comm: "kthreadd".into(),
            fs,
            files: Some(files),
            sighand,
            user,
            ..first
        });
        self.join_css_set(task, set);
        self.sched.waiting.entry(Wait::Outside).or_default().insert(task);
    }

    /// A shell for a console: child of init, leader of a session of its own.
    pub(crate) fn shell_process(&mut self, init: TaskId, console: ConsoleId, nr: Pid) -> TaskId {
        let task = TaskId(self.tasks.next_number());
        let process = ProcessId(self.processes.next_number());
        let pid = self.pids.add(PidStruct {
            numbers: vec![(PidNsId(1), nr)],
            task: Some(task),
            pgrp_members: 1,
            session_members: 1,
        });
        let ns = &mut self.pid_namespaces[PidNsId(1)];
        ns.numbers.insert(nr, pid);
        ns.last_pid = nr;
        let root = files::root_of(self);
        let cwd = files::home_of_root(self);
        let fs = self.vfs.fs_structs.add(FsStruct { root, cwd, umask: 0o022, users: 1 });
        let files = files::console_descriptors(self, console);
        let sighand = self.sighands.add(SigHand { users: 1, ..SigHand::default() });
        let image = Image {
            program: Arc::from("bash"),
            exe: "/usr/bin/bash".into(),
            argv: vec!["sh".into()],
            envp: ENVIRONMENT.iter().map(|v| (*v).to_owned()).collect(),
            console: Some(console),
        };
        let epoch = self.next_epoch();
        let init_task = self.tasks[init].clone();
        let init_process = self.processes[init_task.process].clone();
        let mm = self.memory_at_boot(task, "bash", "/usr/bin/bash");
        self.processes.add(Process {
            id: process,
            leader: task,
            threads: vec![task],
            parent: Some(init_process.id),
            children: OrdSet::new(),
            pgrp: pid,
            session: pid,
            tty: self.config.terminal.then_some(Tty::Console(console)),
            mm: Some(mm),
            ..init_process
        });
        self.processes[init_task.process].children.insert(process);
        self.tasks.add(Task {
            id: task,
            process,
            pid,
            comm: "sh".into(),
            fs,
            files: Some(files),
            sighand,
            state: TaskState::Runnable,
            user: UserMode {
                image: Arc::new(image),
                driver: Driver::Program,
                epoch,
                resume: Resume::Start,
                replies: imbl::Vector::new(),
                bytes_read: 0,
            },
            start_time: self.clock,
            cred: Arc::new(Cred { security: blob_at_boot(self.config.lsm, true), ..Cred::clone(&init_task.cred) }),
            // What init has done and used is init's.
            in_call: None,
            pending: SigSet::EMPTY,
            signals_caught: 0,
            cpu_time: Nanos(0),
            sched: TaskSched { cpu: init_task.sched.cpu, group: init_task.sched.group, ..TaskSched::default() },
            ..init_task
        });
        let set = self.tasks[init].css_set;
        self.join_css_set(task, set);
        self.start_task(task);
        self.settle_references();
        task
    }
}

impl Kernel<'_> {
    /// Opens one more console with a shell of its own.
    pub(crate) fn open_console(&mut self) -> ConsoleId {
        let init = TaskId(1);
        let console = self.consoles.add(Console::new(init));
        let nr = self.pid_namespaces[PidNsId(1)].next_number().unwrap_or(FIRST_SHELL_PID);
        let shell = self.world.shell_process(init, console, nr);
        self.consoles[console].shell = shell;
        console
    }
}

impl Console {
    fn new(shell: TaskId) -> Console {
        Console {
            shell,
            lines: std::collections::VecDeque::new(),
            at_prompt: false,
            last_status: 0,
            commands: 0,
            end_of_input: false,
            closed: false,
            raw: None,
            pts: None,
        }
    }
}
