//! The running futures of programs: a cache beside the world, never a part of it.
//!
//! A cached future is valid for a task while the task's epoch is the one it was made for and it has been
//! given no more answers than the task's log holds. Otherwise it is made anew from
//! [`UserMode`](crate::task::UserMode): start from the saved state, feed the logged answers.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use super::registry::{self, Running};
use super::{Reply, Request, Sys};
use crate::syscall::{Call, Ret, Sysno, Value};
use crate::task::{TaskId, UserMode};

/// Futures by task.
#[derive(Default)]
pub struct Runtime {
    live: BTreeMap<TaskId, Live>,
}

struct Live {
    epoch: u64,
    /// How many of the task's answers it has been given.
    fed: usize,
    sys: Sys,
    future: Running,
    /// What it asked for and has not been answered.
    outstanding: Option<Request>,
}

impl Runtime {
    /// A cache without any futures.
    pub fn new() -> Runtime {
        Runtime::default()
    }

    /// What the program of `task` asks for next, after all answers in its log.
    ///
    /// A program that does not exist exits with 127; one that does not follow its own log (which would be
    /// our mistake) is stopped with status 70, so that a damaged session cannot run wild.
    pub fn next_request(&mut self, task: TaskId, user: &UserMode) -> Request {
        let stale = self.live.get(&task).is_none_or(|l| l.epoch != user.epoch || l.fed > user.replies.len());
        if stale {
            let Some(fresh) = Live::start(user) else { return exit_group(127) };
            self.live.insert(task, fresh);
        }
        let Some(live) = self.live.get_mut(&task) else { return exit_group(70) };
        while live.fed < user.replies.len() {
            let reply = user.replies[live.fed].clone();
            live.fed += 1;
            if live.outstanding.take().is_none() {
                return exit_group(70);
            }
            live.answer(reply);
        }
        live.outstanding.clone().unwrap_or_else(|| exit_group(70))
    }

    /// The program's state has been saved under a new epoch: its future goes on from here with an empty log.
    pub fn saved(&mut self, task: TaskId, epoch: u64) {
        if let Some(live) = self.live.get_mut(&task) {
            live.epoch = epoch;
            live.fed = 0;
            live.outstanding = None;
            live.answer(Reply { result: Ok(Ret::new(0)), caught: Vec::new() });
        }
    }

    /// The task has exited.
    pub fn forget(&mut self, task: TaskId) {
        self.live.remove(&task);
    }
}

impl Live {
    fn start(user: &UserMode) -> Option<Live> {
        let program = registry::find(&user.image.program)?;
        let sys = Sys::new(Arc::clone(&user.image), user.resume.clone());
        let future: Running = Box::pin(run_and_exit((program.main)(sys.clone()), sys.clone()));
        let mut live = Live { epoch: user.epoch, fed: 0, sys, future, outstanding: None };
        live.poll();
        // A loop that saves itself at its head comes to that again first: it is what it was saved as already.
        if matches!(&live.outstanding, Some(Request::Save(state)) if *state == user.resume) {
            live.outstanding = None;
            live.answer(Reply { result: Ok(Ret::new(0)), caught: Vec::new() });
        }
        Some(live)
    }

    fn answer(&mut self, reply: Reply) {
        self.sys.put_reply(reply);
        self.poll();
    }

    fn poll(&mut self) {
        match self.future.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
            Poll::Pending => self.outstanding = self.sys.take_request(),
            Poll::Ready(status) => self.outstanding = Some(exit_group(status)),
        }
    }
}

/// What the C runtime does around `main`: standard output is flushed, a failure to do so is reported as
/// coreutils' `close_stdout` does, and the process exits.
async fn run_and_exit(main: Running, sys: Sys) -> i32 {
    let mut status = main.await;
    sys.flush().await;
    if let Some(e) = sys.stdout_error() {
        sys.eprint(format!("{}: write error: {e}\n", sys.invocation_name())).await;
        status = sys.exit_failure();
    }
    // exit_group does not return; should it ever, the process is asked to exit again.
    let _ = sys.call(Sysno::EXIT_GROUP, vec![Value::from(status)]).await;
    status
}

fn exit_group(status: i32) -> Request {
    Request::Call(Call { nr: Sysno::EXIT_GROUP, args: vec![Value::from(status)] })
}
