//! A large world: ten thousand processes in a thousand containers, nested three deep, made by system calls.

use crate::page::Page;
use anyhow::Result;
use kernel_model::action::{Action, Stamped, When};
use kernel_model::kernel::Trace;
use kernel_model::namespace::NsKind;
use kernel_model::pv_ops::NoMachine;
use kernel_model::security::lsm::LsmChoice;
use kernel_model::step::Running;
use kernel_model::syscall::{Call, Sysno, Value};
use kernel_model::table::Id;
use kernel_model::task::TaskId;
use kernel_model::timeline::Session;
use kernel_model::world::{Config, World};
use lessons::permalink::Permalink;

/// How large.
#[derive(Clone, Copy, Debug)]
pub struct Size {
    /// Containers on the host, in each of these, and in each of those.
    pub containers: [usize; 3],
    /// Processes in a container, its init among them.
    pub processes: usize,
}

/// A thousand containers, ten thousand processes.
pub const FULL: Size = Size { containers: [10, 9, 10], processes: 10 };
/// The same shape, small enough for every test run.
pub const SMALL: Size = Size { containers: [6, 6, 6], processes: 3 };

/// What a container gets of its own: everything but a user namespace and the time.
const OWN: [NsKind; 6] = [NsKind::Uts, NsKind::Ipc, NsKind::Pid, NsKind::Mnt, NsKind::Net, NsKind::Cgroup];
const SIGCHLD: i64 = 17;
const PR_SET_NAME: i64 = 15;
const MS_REC_PRIVATE: i64 = 0x4_4000;
const MNT_DETACH: i64 = 2;
/// The first process, from which everything here descends.
const INIT: TaskId = TaskId(1);

/// A world as it grows: what is to be done, and the number of the next task.
struct Growing {
    next: u64,
    actions: Vec<Action>,
}

/// The session that makes a world of this size, as the page would keep it.
pub fn session(size: Size) -> Session {
    let (config, actions) = (CONFIG, actions(size, &booted()));
    Session { config, actions: actions.into_iter().map(|action| Stamped { when: When::AtRest, action }).collect() }
}

/// Opens the link to a world of this size and waits until it is there.
pub fn open(page: &Page, size: Size) -> Result<()> {
    let session = session(size);
    let actions = session.actions.len();
    page.open(&format!("#s={}", Permalink { session, cursor: None }.to_text()))?;
    page.wait_until_within(
        &format!(
            "Number(document.querySelector('[data-testid=timeline]')?.max) > {actions} && \
             !document.querySelector('[data-testid=terminal-status]').innerText"
        ),
        300,
    )
}

/// The world, and the actions that make it from a booted one.
pub fn build(size: Size) -> (World, Vec<Action>) {
    let mut running = booted();
    let actions = actions(size, &running);
    for action in &actions {
        if let Action::Syscall { task, call } = action {
            running.call_as(*task, call.clone(), &mut Trace::silent());
        }
    }
    (running.world, actions)
}

const CONFIG: Config = Config { cgroup_v2: false, terminal: true, lsm: LsmChoice::None, machine: 0 };

fn booted() -> Running<NoMachine> {
    let mut running = Running::new(World::boot(CONFIG), NoMachine);
    running.run(10_000, &mut Trace::silent());
    running
}

fn actions(size: Size, booted: &Running<NoMachine>) -> Vec<Action> {
    let mut growing = Growing { next: booted.world.tasks.next_number().into(), actions: Vec::new() };
    growing.containers(INIT, size.containers.as_slice(), size.processes);
    growing.actions
}

impl Growing {
    fn containers(&mut self, parent: TaskId, counts: &[usize], processes: usize) {
        let Some((count, inner)) = counts.split_first() else { return };
        for _ in 0..*count {
            let flags = OWN.iter().fold(SIGCHLD, |flags, kind| flags | kind.clone_flag() as i64);
            let init = self.clone_of(parent, flags);
            if parent == INIT {
                // Who is born inside has the name from here, and the few mounts of a container.
                self.call(init, Sysno::PRCTL, vec![PR_SET_NAME.into(), "nginx".into()]);
                self.call(
                    init,
                    Sysno::MOUNT,
                    vec!["none".into(), "/".into(), Value::Null, MS_REC_PRIVATE.into(), Value::Null],
                );
                for place in ["/sys", "/dev", "/run"] {
                    self.call(init, Sysno::UMOUNT2, vec![place.into(), MNT_DETACH.into()]);
                }
            }
            for _ in 1..processes {
                self.clone_of(init, SIGCHLD);
            }
            self.containers(init, inner, processes);
        }
    }

    fn clone_of(&mut self, parent: TaskId, flags: i64) -> TaskId {
        self.call(parent, Sysno::CLONE, vec![flags.into()]);
        self.next += 1;
        TaskId::from_number((self.next - 1) as _)
    }

    fn call(&mut self, task: TaskId, nr: Sysno, args: Vec<Value>) {
        self.actions.push(Action::Syscall { task, call: Call { nr, args } });
    }
}
