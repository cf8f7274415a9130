//! The system-call console: one call for a chosen process, in the syntax of strace.

use kernel_model::action::Action;
use kernel_model::strace::complete::Hint;
use kernel_model::strace::parse_call;
use kernel_model::task::TaskId;

use crate::call_field::{CallField, Then};
use crate::message::{CallMsg, Effect};
use crate::state::State;

/// The system-call console.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct CallConsole {
    /// Who makes the call; the shell of the console when nobody was chosen.
    pub task: Option<TaskId>,
    /// Where it is typed.
    pub field: CallField<Hint>,
}

impl State {
    /// What happens at the system-call console.
    pub(crate) fn at_calls(&mut self, msg: CallMsg) -> Vec<Effect> {
        match msg {
            CallMsg::Task(task) => self.call.task = task,
            CallMsg::Field(msg) => match self.call.field.at(msg) {
                Then::Nothing => {}
                Then::Focus => return vec![Effect::Focus("syscall-input")],
                Then::Call => self.make_call(),
            },
        }
        Vec::new()
    }

    fn make_call(&mut self) {
        self.call.field.error = match (parse_call(&self.call.field.draft), self.caller()) {
            (Ok(call), Some(task)) => {
                self.act(Action::Syscall { task, call });
                None
            }
            (Ok(_), None) => Some(t!("there is no process to make the call").to_owned()),
            (Err(why), _) => Some(why.to_string()),
        };
    }

    /// Who makes the calls of the system-call console.
    pub fn caller(&self) -> Option<TaskId> {
        let there = |task: &TaskId| self.shown.processes.iter().any(|(t, _)| t == task);
        self.call
            .task
            .filter(there)
            .or_else(|| self.shown.processes.get(1).or(self.shown.processes.first()).map(|(t, _)| *t))
    }
}
