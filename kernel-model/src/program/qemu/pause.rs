//! Stopping the virtual processor and letting it go on (`vm_stop`, `vm_start`; `softmmu/cpus.c` `pause_all_vcpus`).
//!
//! The thread of the processor looks at a word that the threads share before each `KVM_RUN`. Whoever stops it sets the word,
//! brings the thread out of the kernel by a signal, and waits until it has parked.

use super::kvm::Context;
use crate::program::Sys;
use crate::syscall::{Sysno, Value};
use crate::task::signal::{Disposition, Signal};

/// What the threads share, behind [`Context::state`]: the processor is to stop.
const STOP: u64 = 8;
/// It has.
const PARKED: u64 = 16;
/// What it was about to answer to the guest: the result of a register that the guest has read.
const ANSWER: u64 = 24;
/// The descriptor of the virtual processor.
const VCPU: u64 = 32;
/// Whether the guest runs: [`RunState`].
const RUN_STATE: u64 = 40;

const FUTEX_WAIT_PRIVATE: i64 = 128;
const FUTEX_WAKE_PRIVATE: i64 = 129;
/// The signal by which QEMU brings threads out of `KVM_RUN` (`SIG_IPI`).
const SIG_IPI: Signal = Signal::USR1;
/// A signal that comes just before the thread enters the kernel is lost there: it is sent again after so long.
const AGAIN: u64 = 1_000_000;
/// A value that none of the words has: an exchange that expects it only reads.
const NEVER: u32 = u32::MAX;

/// Whether the guest runs (`enum RunState`), as `info status` says it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum RunState {
    /// It runs.
    Running,
    /// `stop` in the monitor.
    Paused,
    /// `-S`: it has not begun.
    Prelaunch,
    /// `-incoming`: it has not come.
    InMigrate,
    /// The last of it is being sent.
    FinishMigrate,
    /// It has gone.
    PostMigrate,
}

impl RunState {
    const ALL: [(RunState, &str); 6] = [
        (RunState::Running, "running"),
        (RunState::Paused, "paused"),
        (RunState::Prelaunch, "paused (prelaunch)"),
        (RunState::InMigrate, "paused (inmigrate)"),
        (RunState::FinishMigrate, "paused (finish-migrate)"),
        (RunState::PostMigrate, "paused (postmigrate)"),
    ];

    /// What `info status` says.
    pub fn text(self) -> &'static str {
        RunState::ALL.iter().find(|(state, _)| *state == self).map_or("running", |(_, text)| text)
    }

    /// What is the case.
    pub async fn load(sys: &Sys, context: &Context) -> RunState {
        let value = sys.load(context.state + RUN_STATE).await.unwrap_or_default();
        RunState::ALL
            .iter()
            .find(|(_, text)| value.as_str() == Some(text))
            .map_or(RunState::Running, |(state, _)| *state)
    }

    /// Says what is the case.
    pub async fn store(self, sys: &Sys, context: &Context) {
        let _ = sys.store(context.state + RUN_STATE, Value::str(self.text())).await;
    }
}

/// The signal gets a handler that does nothing (`dummy_signal`), and a connection that breaks is no reason to end
/// (`os_setup_early_signal_handling`).
pub async fn prepare(sys: &Sys) {
    let _ = sys.sigaction(SIG_IPI, Disposition::Handler { restart: false }).await;
    let _ = sys.sigaction(Signal::PIPE, Disposition::Ignore).await;
}

async fn word(sys: &Sys, at: u64) -> u32 {
    sys.exchange(at, 0, Some(NEVER)).await.unwrap_or(0)
}

async fn wait(sys: &Sys, at: u64, value: u32, timeout: Value) {
    let _ = sys.call(Sysno::FUTEX, vec![at.into(), FUTEX_WAIT_PRIVATE.into(), value.into(), timeout]).await;
}

async fn wake(sys: &Sys, at: u64) {
    let _ = sys.call(Sysno::FUTEX, vec![at.into(), FUTEX_WAKE_PRIVATE.into(), i64::from(i32::MAX).into()]).await;
}

/// The processor is not to begin: a guest that waits for `cont`, or that is to come from elsewhere.
pub async fn hold(sys: &Sys, context: &Context) {
    let _ = sys.exchange(context.state + STOP, 1, None).await;
}

/// Stops the processor and waits until it has.
pub async fn stop(sys: &Sys, context: &Context) {
    hold(sys, context).await;
    let pid = sys.getpid().await;
    while word(sys, context.state + PARKED).await == 0 {
        let args = vec![pid.into(), context.thread.into(), i64::from(SIG_IPI.0).into()];
        if sys.call(Sysno::TGKILL, args).await.is_err() {
            return;
        }
        let timeout = Value::record([("tv_sec", 0.into()), ("tv_nsec", AGAIN.into())]);
        wait(sys, context.state + PARKED, 0, timeout).await;
    }
}

/// Lets it go on.
pub async fn go(sys: &Sys, context: &Context) {
    RunState::Running.store(sys, context).await;
    let _ = sys.exchange(context.state + STOP, 0, None).await;
    wake(sys, context.state + STOP).await;
}

/// What the processor was about to answer when it parked.
pub async fn answer(sys: &Sys, context: &Context) -> Value {
    sys.load(context.state + ANSWER).await.unwrap_or_default()
}

/// The guest goes on with this answer.
pub async fn set_answer(sys: &Sys, context: &Context, answer: Value) {
    let _ = sys.store(context.state + ANSWER, answer).await;
}

/// The other threads are told where the virtual processor is.
pub async fn store_vcpu(sys: &Sys, context: &Context) {
    let _ = sys.store(context.state + VCPU, context.vcpu.into()).await;
}

/// The virtual processor, for the other threads.
pub async fn vcpu(sys: &Sys, context: &Context) -> i32 {
    sys.load(context.state + VCPU).await.ok().and_then(|value| value.as_int()).unwrap_or(-1) as i32
}

/// The thread of the processor parks if it was asked to (`qemu_wait_io_event`).
pub async fn park_if_asked(sys: &Sys, context: &mut Context) {
    if word(sys, context.state + STOP).await == 0 {
        return;
    }
    let about_to = std::mem::take(&mut context.answer);
    set_answer(sys, context, about_to).await;
    let _ = sys.exchange(context.state + PARKED, 1, None).await;
    wake(sys, context.state + PARKED).await;
    while word(sys, context.state + STOP).await == 1 {
        wait(sys, context.state + STOP, 1, Value::Null).await;
    }
    let _ = sys.exchange(context.state + PARKED, 0, None).await;
    context.answer = answer(sys, context).await;
}
