//! A learner's attempt at a lesson: follows the list of actions of a history, wherever that goes, and says at once which
//! tasks are done. It keeps its judge as it was before each action, so that going back and doing something else costs
//! only what is new.

use kernel_model::action::Stamped;
use kernel_model::pv_ops::PvOps;

use crate::judge::Judge;

/// An attempt.
pub struct Attempt<M: PvOps + Clone> {
    judge: Judge<M>,
    /// What was done, and the judge just before it.
    done: Vec<(Stamped, Judge<M>)>,
    /// Too much has happened: nothing more is followed until somebody goes back.
    exhausted: bool,
}

impl<M: PvOps + Clone> Attempt<M> {
    /// An attempt that begins here.
    pub fn new(start: Judge<M>) -> Self {
        Attempt { judge: start, done: Vec::new(), exhausted: false }
    }

    /// Follows these actions, as long as `more` says so. Whether it has come to where they lead.
    pub fn follow(&mut self, actions: &[Stamped], mut more: impl FnMut() -> bool) -> bool {
        let common = self.done.iter().zip(actions).take_while(|((known, _), new)| known == *new).count();
        if let Some((_, before)) = self.done.get(common) {
            self.judge = before.clone();
            self.done.truncate(common);
            self.exhausted = false;
        }
        loop {
            let next = actions.get(self.done.len());
            match next {
                _ if self.exhausted => return true,
                Some(next) if self.judge.is_due(next.when) => {
                    self.done.push((next.clone(), self.judge.clone()));
                    self.judge.act_now(&next.action);
                }
                None if self.judge.is_at_rest() => return true,
                _ if !more() => return false,
                _ => self.exhausted = self.judge.turn().is_err(),
            }
        }
    }

    /// The judge where the attempt is now.
    pub fn judge(&self) -> &Judge<M> {
        &self.judge
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::judge::Conditions;
    use crate::lesson::step::Step;
    use crate::lesson::{Condition, Lesson, Task};
    use kernel_model::action::When;
    use kernel_model::pv_ops::NoMachine;

    fn attempt() -> Attempt<NoMachine> {
        let check = Some(r#"namespaces.exists(n, n.hostname == "box")"#.to_owned());
        let never = vec![r#"namespaces.exists(n, n.hostname == "bad")"#.to_owned()];
        let condition = Condition { check, never, ..Condition::default() };
        let mut lesson = Lesson { tasks: vec![Task { condition, ..Task::default() }], ..Lesson::default() };
        lesson.start.config.terminal = true;
        let conditions = Conditions::of(&lesson).expect("a condition");
        Attempt::new(Judge::new(&lesson, &conditions, NoMachine).expect("a start"))
    }

    fn typed(lines: &[&str]) -> Vec<Stamped> {
        lines.iter().map(|l| Stamped { when: When::AtRest, action: Step::line(*l).action() }).collect()
    }

    #[test]
    fn a_task_is_done_and_undone_as_history_goes() {
        let mut attempt = attempt();
        let mut done = |lines: &[&str]| {
            assert!(attempt.follow(&typed(lines), || true));
            attempt.judge().done() == [true]
        };
        assert!(!done(&[]));
        assert!(done(&["hostname box"]));
        assert!(!done(&["hostname box", "hostname other"]));
        assert!(done(&["hostname box"]), "gone back");
        assert!(!done(&["hostname bad", "hostname box"]), "what must never happen has happened");
        assert!(done(&["true", "hostname box"]), "in this history it has not");
    }

    #[test]
    fn an_attempt_can_be_followed_bit_by_bit() {
        let mut attempt = attempt();
        let actions = typed(&["hostname box"]);
        let mut slices = 0;
        loop {
            let mut left = 3;
            let there = attempt.follow(&actions, || {
                left -= 1;
                left > 0
            });
            if there {
                break;
            }
            slices += 1;
        }
        assert!(slices > 2 && attempt.judge().done() == [true]);
    }
}
