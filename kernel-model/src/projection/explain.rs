//! What an event means: one sentence in the present tense with the reader's own numbers in it, and where
//! it can be read up.

use crate::console::ConsoleId;
use crate::errno::Errno;
use crate::event::{Event, EventKind, SignalEffect};
use crate::namespace::pid::PidNsId;
use crate::namespace::user::UserNsId;
use crate::namespace::{NsKind, NsRef};
use crate::security::seccomp::Action;
use crate::syscall::{self, Call, CallResult, Sleep};
use crate::task::sched::{TaskGroupId, Wait};
use crate::task::{ExitStatus, TaskId};
use crate::time::Nanos;
use crate::world::World;

/// A sentence and its source.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Explanation {
    /// One sentence, sometimes two.
    pub sentence: String,
    /// A manual page, a manual's chapter or a function of the kernel.
    pub source: &'static str,
}

/// Explains an event in the world as it was just after it.
pub fn explain(event: &Event, world: &World) -> Explanation {
    let who = event.task.map_or_else(|| "the kernel".to_owned(), |t| task_name(world, t));
    let (sentence, source) = match &event.kind {
        EventKind::CommandBegan { text, .. } => {
            (format!("The shell takes the command line `{}`.", first_line(text)), "sh(1)")
        }
        EventKind::CommandEnded { status, .. } => (command_ended(*status), "sh(1), EXIT STATUS"),
        EventKind::Interrupted { console } => (interrupted(world, *console), "termios(3), INTR"),
        EventKind::CallRequested { call } => {
            (format!("Somebody outside asks for {}, in the name of a process.", call.nr.name()), man(call))
        }
        EventKind::CalledBelow { who, text } => {
            (format!("Somebody outside makes the call `{text}` to the machine below, in the name of kernel {who}."), "")
        }
        EventKind::TimePassed { span } => (format!("{} seconds of virtual time may pass.", decimal(span.0)), "time(7)"),
        EventKind::ConsoleOpened { .. } => ("A console is opened, with a shell of its own.".to_owned(), "sh(1)"),
        EventKind::CallEntered { call } => {
            (format!("{} enters the kernel to call {}.", start(&who), call.nr.name()), man(call))
        }
        EventKind::CallReturned { call, result } => (call_returned(&who, call, result), man(call)),
        EventKind::CallSlept { call, sleep } => {
            (format!("{} sleeps in {} until {}.", start(&who), call.nr.name(), sleep_reason(world, sleep)), man(call))
        }
        EventKind::Output { bytes, .. } => {
            let text = String::from_utf8_lossy(bytes);
            (format!("{} writes to the console: {}", start(&who), quoted(&text)), "write(2)")
        }
        kind => step(kind, &who, world),
    };
    Explanation { sentence, source }
}

/// Milliseconds with as many decimals as there are.
fn millis(time: Nanos) -> String {
    let text = format!("{}.{:06}", time.0 / 1_000_000, time.0 % 1_000_000);
    format!("{} ms", text.trim_end_matches('0').trim_end_matches('.'))
}

/// What happens to a group's quota of processor time.
fn bandwidth(kind: &EventKind, world: &World) -> (String, &'static str) {
    let name = |group: &TaskGroupId| {
        world
            .sched
            .groups
            .get(*group)
            .map_or_else(|| "a group that is gone".to_owned(), |g| format!("group {}", g.path))
    };
    let sentence = match kind {
        EventKind::BandwidthSet { group, quota: Some(quota), period } => {
            format!(
                "{} may use {} of processor time in every {}.",
                start(&name(group)),
                millis(*quota),
                millis(*period)
            )
        }
        EventKind::BandwidthSet { group, .. } => {
            format!("{} may use as much processor time as it gets.", start(&name(group)))
        }
        EventKind::Throttled { group, cpu, used, quota, until } => format!(
            "{} has used {} of its {} and stops on processor {cpu} until its period ends, {} seconds after boot.",
            start(&name(group)),
            millis(*used),
            millis(*quota),
            decimal(until.0)
        ),
        EventKind::Unthrottled { group, cpu, waited } => {
            format!("{} may run on processor {cpu} again after {}.", start(&name(group)), millis(*waited))
        }
        _ => String::new(),
    };
    (sentence, "cgroups(7), cpu; sched-bwc.rst")
}

/// The steps of the kernel inside a call.
fn step(kind: &EventKind, who: &str, world: &World) -> (String, &'static str) {
    match kind {
        EventKind::Switched { cpu, .. } => {
            (format!("The scheduler lets {who} run on processor {cpu}."), "sched(7), __schedule()")
        }
        EventKind::Idled { cpu, .. } => (format!("Processor {cpu} has nothing to run and is idle."), "do_idle()"),
        EventKind::Migrated { task, from, to } => (
            format!("{} moves from processor {from} to processor {to}.", start(&task_name(world, *task))),
            "sched(7), set_task_cpu()",
        ),
        EventKind::BandwidthSet { .. } | EventKind::Throttled { .. } | EventKind::Unthrottled { .. } => {
            bandwidth(kind, world)
        }
        EventKind::ClockAdvanced { to } => (
            format!("Every task sleeps, so time moves on to the next timer, {} seconds after boot.", decimal(to.0)),
            "time(7), do_idle()",
        ),
        EventKind::Woken { task } => {
            (format!("{} is woken up and can run again.", start(&task_name(world, *task))), "try_to_wake_up()")
        }
        EventKind::Privileged { op } => super::privileged::explain(*op),
        EventKind::TaskCreated { child, thread } => (
            format!(
                "A new {} exists, a copy of {}: {}.",
                if *thread { "thread" } else { "process" },
                who,
                task_name(world, *child)
            ),
            "copy_process()",
        ),
        EventKind::PidAllocated { ns, nr, .. } => (
            format!("{} hands out the number {nr}.", start(&pid_ns_name(world, *ns))),
            "pid_namespaces(7), alloc_pid()",
        ),
        EventKind::PidFreed { ns, nr } => {
            (format!("The number {nr} is free again in {}.", pid_ns_name(world, *ns)), "free_pid()")
        }
        EventKind::PidLookedUp { ns, nr, found } => (pid_looked_up(world, *ns, *nr, *found), "find_pid_ns()"),
        EventKind::ProgramExecuted { path, argv } => (
            format!("The process runs a new program from here on, {path}, called as `{}`.", argv.join(" ")),
            "execve(2), begin_new_exec()",
        ),
        EventKind::Exited { task, status } => (exited(world, *task, *status), "do_exit()"),
        EventKind::Reaped { by, .. } => (
            match by {
                Some(by) => {
                    format!("{} collects the exit status, and the zombie is gone.", start(&task_name(world, *by)))
                }
                None => "Nobody wants the exit status, so the process is gone at once.".to_owned(),
            },
            "wait(2), release_task()",
        ),
        EventKind::Reparented { task, to } => (
            format!(
                "The parent of {} has exited; {} becomes its new parent.",
                task_name(world, *task),
                task_name(world, *to)
            ),
            "pid_namespaces(7), find_new_reaper()",
        ),
        EventKind::PidNamespaceKilled { ns } => (
            format!(
                "The init of {} is dead, so everybody in the namespace is killed and nobody can be born there any more.",
                pid_ns_name(world, *ns)
            ),
            "pid_namespaces(7), zap_pid_ns_processes()",
        ),
        EventKind::NamespaceCreated { ns, inum } => (
            format!("A new {} comes into being, {}.", kind_name(ns.kind()), ns_link(*ns, *inum)),
            "namespaces(7), create_new_namespaces()",
        ),
        EventKind::NamespaceEntered { ns, task } => (
            format!("{} is now in {}.", start(&task_name(world, *task)), ns_name(world, *ns)),
            "namespaces(7), switch_task_namespaces()",
        ),
        EventKind::NamespaceFreed { ns, inum } => (
            format!("Nothing refers to the {} {} any more: it is gone.", kind_name(ns.kind()), ns_link(*ns, *inum)),
            "namespaces(7), Namespace lifetime",
        ),
        EventKind::CapabilityChecked { cap, ns, granted } => {
            (capability(who, &cap.name(), world, *ns, *granted), "capabilities(7), cap_capable()")
        }
        EventKind::SeccompAttached { filters: 0, .. } => (
            format!("{} may only read, write and exit from now on; any other call kills it.", start(who)),
            "seccomp(2), SECCOMP_SET_MODE_STRICT",
        ),
        EventKind::SeccompAttached { filters, instructions } => (
            format!(
                "{} has attached a filter of {instructions} instructions: {filters} of them look at each of its calls \
                 from now on, and none can be taken away again.",
                start(who)
            ),
            "seccomp(2), seccomp_attach_filter()",
        ),
        EventKind::SeccompDecided { nr, action, filter, steps } => {
            (seccomp(who, nr.name(), *action, *filter, *steps), "seccomp(2), __secure_computing()")
        }
        EventKind::CredentialsChanged { task } => {
            (format!("{} has new credentials.", start(&task_name(world, *task))), "credentials(7), commit_creds()")
        }
        EventKind::IdMapWritten { ns, file, text } => (
            format!(
                "{} of the user namespace {} is now `{}`.",
                file,
                user_ns_name(world, *ns),
                text.replace('\n', "; ")
            ),
            "user_namespaces(7), map_write()",
        ),
        EventKind::NodenameSet { old, new, ns } => (
            format!(
                "The name in {} changes from {old} to {new}; only processes in this namespace see it.",
                ns_name(world, NsRef::Uts(*ns))
            ),
            "uts_namespaces(7)",
        ),
        EventKind::SignalSent { signal, to } => {
            (format!("{signal} is on its way to {}.", task_name(world, *to)), "signal(7), __send_signal_locked()")
        }
        EventKind::SignalDropped { signal, to, why } => {
            (format!("{signal} to {} is thrown away: {why}.", task_name(world, *to)), "signal(7), sig_ignored()")
        }
        EventKind::SignalDelivered { signal, to, effect } => {
            let name = task_name(world, *to);
            let what = match effect {
                SignalEffect::Killed => format!("{signal} kills {name}."),
                SignalEffect::Stopped => format!("{signal} stops {name}."),
                SignalEffect::Continued => format!("{signal} lets {name} go on."),
                SignalEffect::Handled => format!("A handler of {name} runs for {signal}."),
            };
            (what, "signal(7), get_signal()")
        }
        EventKind::PathWalked { path, to } if path == to => {
            (format!("The kernel walks along the path {path}."), "path_resolution(7)")
        }
        EventKind::PathWalked { path, to } => (format!("The path {path} leads to {to}."), "path_resolution(7)"),
        EventKind::FdOpened { fd, what } => {
            (format!("Descriptor {fd} is now open on {what}."), "open(2), fd_install()")
        }
        EventKind::DescriptorSent { what } => (
            format!("{what} travels as a descriptor: whoever receives it has the same open file, whatever it can see."),
            "unix(7), SCM_RIGHTS",
        ),
        EventKind::FdClosed { fd } => (format!("Descriptor {fd} is closed."), "close(2)"),
        EventKind::Mounted { place, .. } => {
            (format!("Something new is mounted on {place}."), "mount(2), attach_recursive_mnt()")
        }
        EventKind::Unmounted { place, .. } => (format!("What was mounted on {place} is taken away."), "umount(2)"),
        EventKind::MountPropagated { .. } => {
            ("The mount travels to a place in the same peer group.".to_owned(), "mount_namespaces(7), propagate_mnt()")
        }
        EventKind::PropagationChanged { .. } => (
            "From now on mounts travel differently to and from this one.".to_owned(),
            "mount_namespaces(7), change_mnt_propagation()",
        ),
        EventKind::RootChanged { path, .. } => {
            (format!("What {} calls `/` is now {path}.", who), "chroot(2), pivot_root(2)")
        }
        EventKind::IpcCreated { ns, kind, id } => (
            format!(
                "A {} comes into being with the id {id}; only processes in {} can use it.",
                kind.name(),
                ns_name(world, NsRef::Ipc(*ns))
            ),
            "sysvipc(7), ipc_namespaces(7)",
        ),
        EventKind::IpcRemoved { ns, kind, id } => (
            format!("The {} {id} of {} is gone.", kind.name(), ns_name(world, NsRef::Ipc(*ns))),
            "sysvipc(7), ipc_rmid()",
        ),
        EventKind::FileCreated { path } => (format!("{path} comes into being."), "open(2), mkdir(2)"),
        EventKind::FileRemoved { path } => (format!("The name {path} is gone."), "unlink(2)"),
        EventKind::DataWritten { what, bytes } => (format!("{bytes} bytes go into {what}."), "write(2)"),
        EventKind::Lsm(event) => event.explain(&start(who)),
        EventKind::Cgroup(event) => super::explain_cgroup::explain(event, who, world),
        EventKind::Memory(event) => event.explain(who, world),
        EventKind::Tty(event) => event.explain(&start(who), world),
        EventKind::Block(event) => event.explain(who, world),
        EventKind::Migration(event) => event.explain(&start(who)),
        EventKind::Machine(report) => super::machine::explain(report),
        EventKind::NotModelled { what } => {
            (format!("Ringside does not model {what}. A real kernel would do it; here it is left out."), "help")
        }
        other => super::net_packet::explain(other, world).unwrap_or_default(),
    }
}

// --- names ---

/// What a task is called of which nothing is known any more.
pub(crate) const GONE: &str = "a process that is gone";

/// A process as the first PID namespace knows it: `sh (30001)`; with its own number where that differs.
pub fn task_name(world: &World, task: TaskId) -> String {
    let Some(t) = world.tasks.get(task) else { return GONE.to_owned() };
    let numbers = world.pids.get(t.pid).map(|p| p.numbers.as_slice()).unwrap_or_default();
    match numbers {
        [] => t.comm.clone(),
        [(_, only)] => format!("{} ({only})", t.comm),
        [(_, outer), .., (_, own)] => format!("{} ({outer}, {own} to itself)", t.comm),
    }
}

/// A PID namespace in words.
fn pid_ns_name(world: &World, ns: PidNsId) -> String {
    ns_name(world, NsRef::Pid(ns))
}

/// A namespace in words.
pub fn ns_name(world: &World, ns: NsRef) -> String {
    match world.ns_common(ns) {
        Some(common) => format!("the {} {}", kind_name(ns.kind()), ns_link(ns, common.inum)),
        None => format!("a {} that is gone", kind_name(ns.kind())),
    }
}

fn user_ns_name(world: &World, ns: UserNsId) -> String {
    world.ns_common(NsRef::User(ns)).map_or_else(String::new, |c| ns_link(NsRef::User(ns), c.inum))
}

/// What readlink shows: `uts:[4026532001]`.
pub fn ns_link(ns: NsRef, inum: u32) -> String {
    format!("{}:[{inum}]", ns.kind().name())
}

fn kind_name(kind: NsKind) -> &'static str {
    match kind {
        NsKind::Cgroup => "cgroup namespace",
        NsKind::Ipc => "IPC namespace",
        NsKind::Mnt => "mount namespace",
        NsKind::Net => "network namespace",
        NsKind::Pid => "PID namespace",
        NsKind::Time => "time namespace",
        NsKind::User => "user namespace",
        NsKind::Uts => "UTS namespace",
    }
}

// --- sentences ---

fn command_ended(status: i32) -> String {
    match status {
        0 => "The command is done, with status 0: success.".to_owned(),
        126 => "The command is done, with status 126: it was found but could not be run.".to_owned(),
        127 => "The command is done, with status 127: it was not found.".to_owned(),
        129..=192 => format!(
            "The command is done, with status {status}: 128 and the number of the signal that killed it, {}.",
            status - 128
        ),
        _ => format!("The command is done, with status {status}."),
    }
}

fn interrupted(world: &World, console: ConsoleId) -> String {
    let busy = world.consoles.get(console).is_some_and(|c| !c.at_prompt);
    let what = if busy { "everything in the foreground" } else { "the shell" };
    format!("Ctrl-C: SIGINT goes to {what} of the console.")
}

fn call_returned(who: &str, call: &Call, result: &CallResult) -> String {
    match result {
        Ok(ret) => format!("{} returns {} to {}.", call.nr.name(), returned_value(call, ret.value), who),
        Err(e) => {
            let rule = syscall::info(call.nr).and_then(|i| rule_of(i.errno, *e));
            let rule = rule.map_or_else(String::new, |r| format!(" {}.", capitalised(r)));
            format!("{} fails with {} ({e}).{rule}", call.nr.name(), e.name())
        }
    }
}

/// The rule whose violation a call answers with this error.
fn rule_of(rules: &'static [(Errno, &'static str)], e: Errno) -> Option<&'static str> {
    rules.iter().find(|(errno, _)| *errno == e).map(|(_, rule)| *rule)
}

fn returned_value(call: &Call, value: i64) -> String {
    let name = call.nr.name();
    let forks = matches!(name, "clone" | "clone3" | "fork" | "vfork");
    if forks { format!("{value}, the child's number as the caller sees it,") } else { value.to_string() }
}

fn sleep_reason(world: &World, sleep: &Sleep) -> String {
    let first = sleep.on.first().map(|w| wait_reason(world, *w));
    let until = sleep.until.map(|t| format!("it is {} seconds after boot", decimal(t.0)));
    match (first, until) {
        (Some(what), Some(time)) => format!("{what}, or {time}"),
        (Some(one), None) | (None, Some(one)) => one,
        (None, None) => "a signal comes".to_owned(),
    }
}

fn wait_reason(world: &World, wait: Wait) -> String {
    match wait {
        Wait::Child(_) => "a child changes state".to_owned(),
        Wait::SocketReadable(_) => "a message arrives in the socket".to_owned(),
        Wait::CgroupEvents => "a file of events of a control group changes".to_owned(),
        Wait::SocketWritable(_) => "there is room again for what it sends".to_owned(),
        Wait::SocketRoom(_) => "the receiver has taken something out of its queue".to_owned(),
        Wait::PipeReadable(_) => "there is something to read in the pipe".to_owned(),
        Wait::PipeWritable(_) => "there is room in the pipe".to_owned(),
        Wait::FifoPeer(_) => "somebody opens the other end".to_owned(),
        Wait::Line(_) => "a line is typed".to_owned(),
        Wait::PtySlave(_) => "something is typed at the terminal".to_owned(),
        Wait::PtyMaster(_) => "the terminal has something to show".to_owned(),
        Wait::VforkDone(child) => format!("{} runs a program of its own or exits", task_name(world, child)),
        Wait::ProcessExit(_) => "the process exits".to_owned(),
        Wait::Outside => "somebody outside asks for a call".to_owned(),
        Wait::Tracee(_) => "a traced process does something".to_owned(),
        Wait::Signal => "a signal comes".to_owned(),
        Wait::FileLock(_) => "the lock is given up".to_owned(),
        Wait::Bio(_) => "the disk is done".to_owned(),
        Wait::Memory(_) => "there is memory".to_owned(),
        Wait::MemoryPenalty(_) => "it has slept off what its group has above memory.high".to_owned(),
        Wait::Tun(_) => "a frame is sent through the TAP device".to_owned(),
        Wait::Epoll(_) => "the list of descriptors changes".to_owned(),
        Wait::EventFd(_) => "the counter is signalled".to_owned(),
        Wait::Futex(..) => "another thread wakes it".to_owned(),
        Wait::Device(_) => "the machine answers".to_owned(),
        Wait::Ipc(_, kind, id) => format!("something happens to the {} {id}", kind.name()),
    }
}

fn pid_looked_up(world: &World, ns: PidNsId, nr: i32, found: Option<TaskId>) -> String {
    let place = pid_ns_name(world, ns);
    match found {
        None => format!(
            "The kernel looks {nr} up in {place} and finds nobody: a number means something only in its namespace."
        ),
        Some(task) => {
            let first = world.pid_namespaces.ids().next();
            let host = first.filter(|f| *f != ns).and_then(|f| world.pid_in(f, task));
            let host = host.map_or_else(String::new, |h| format!(", which the host calls {h}"));
            let comm = world.tasks.get(task).map_or("a process", |t| t.comm.as_str());
            format!("The kernel looks {nr} up in {place} and finds {comm}{host}.")
        }
    }
}

fn exited(world: &World, task: TaskId, status: ExitStatus) -> String {
    let name = start(&task_name(world, task));
    match status {
        ExitStatus::Exited(n) => format!("{name} exits with status {n}."),
        ExitStatus::Killed { signal, .. } => format!("{name} ends, killed by {signal}."),
    }
}

fn capability(who: &str, cap: &str, world: &World, ns: UserNsId, granted: bool) -> String {
    let place = user_ns_name(world, ns);
    let answer = if granted { "it has" } else { "it has not" };
    format!("Does {} have {cap} in the user namespace {place}? {}.", who, capitalised(answer))
}

fn seccomp(who: &str, call: &str, action: Action, filter: Option<u32>, steps: u32) -> String {
    let by = match filter {
        Some(filter) => format!("Filter {filter} decides after {steps} instructions"),
        None => "Strict mode decides".to_owned(),
    };
    let then = match action {
        Action::Allow => format!("{who} may call {call}"),
        Action::Log => format!("{who} may call {call}, and that is logged"),
        Action::Errno(0) => format!("{call} is not made, and {who} is told that it succeeded"),
        Action::Errno(_) => format!("{call} is not made and fails"),
        Action::Trap(_) => format!("{call} is not made, and {who} gets SIGSYS"),
        Action::UserNotif => format!("a supervisor would be asked about {call}, but none listens: ENOSYS"),
        Action::Trace(_) => format!("a tracer would be asked about {call}, but there is none: ENOSYS"),
        Action::KillThread | Action::KillProcess => format!("for having called {call}, {who} is killed"),
    };
    format!("{by}: {then} ({action}).")
}

fn man(call: &Call) -> &'static str {
    syscall::info(call.nr).map_or("syscalls(2)", |i| i.man)
}

/// Seconds with up to three decimals.
fn decimal(nanoseconds: u64) -> String {
    let (seconds, milliseconds) = (nanoseconds / 1_000_000_000, nanoseconds / 1_000_000 % 1000);
    if milliseconds == 0 {
        seconds.to_string()
    } else {
        format!("{seconds}.{milliseconds:03}").trim_end_matches('0').to_owned()
    }
}

fn first_line(text: &str) -> &str {
    text.lines().next().unwrap_or_default()
}

fn quoted(text: &str) -> String {
    let line = first_line(text.trim_end());
    let more = if text.trim_end().contains('\n') { " …" } else { "" };
    format!("“{line}”{more}")
}

fn capitalised(text: &str) -> String {
    let mut chars = text.chars();
    chars.next().map_or_else(String::new, |c| c.to_uppercase().chain(chars).collect())
}

/// A name at the start of a sentence: our own words get a capital, names of programs keep their case.
fn start(name: &str) -> String {
    if name.starts_with("the ") || name.starts_with("a ") { capitalised(name) } else { name.to_owned() }
}
