//! Conditions through a history: what was once, always and never true.
//!
//! States are looked at after each turn in which something happened that could change them; what speaks of an `event` is
//! looked at for each event of the families that the condition names in `on`, with the world after that turn.

use std::sync::Arc;

use kernel_model::event::{Event, Family};
use kernel_model::world::World;

use super::expression::{BadExpression, Expression};
use crate::facts::event::{family_name, family_named};
use crate::lesson::Condition;

/// A condition whose expressions have been read.
pub struct Compiled {
    check: Option<Expression>,
    sometimes: Vec<Expression>,
    always: Vec<Expression>,
    never: Vec<Expression>,
    /// Families of events that `event` may be, one bit each.
    on: u32,
}

/// What is wrong with a condition.
#[derive(Clone, PartialEq, Debug, thiserror::Error)]
pub enum BadCondition {
    /// An expression is wrong.
    #[error("{which} `{text}`: {why}")]
    Expression {
        /// `check`, `sometimes`, `always`, `never`.
        which: &'static str,
        /// The expression.
        text: String,
        /// What is wrong with it.
        why: BadExpression,
    },
    /// No family of this name.
    #[error("there is no family of events `{0}`; there are: {all}", all = families())]
    UnknownFamily(String),
    /// `event` without saying which.
    #[error("{which} `{text}` speaks of `event`: `on` must say at which families of events it is looked at")]
    NoFamily {
        /// `sometimes`, `always`, `never`.
        which: &'static str,
        /// The expression.
        text: String,
    },
    /// `check` is about the state now, in which there is no event.
    #[error("check `{0}` speaks of `event`, which only sometimes, always and never can")]
    EventInCheck(String),
}

fn families() -> String {
    Family::ALL.map(family_name).join(", ")
}

impl Compiled {
    /// Reads a condition.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn of(condition: &Condition) -> Result<Compiled, BadCondition> {
        let mut on = 0;
        for name in &condition.on {
            let family = family_named(name).ok_or_else(|| BadCondition::UnknownFamily(name.clone()))?;
            on |= 1 << family.index();
        }
        let read = |which: &'static str, text: &String| {
            let expression =
                Expression::parse(text).map_err(|why| BadCondition::Expression { which, text: text.clone(), why })?;
            if expression.uses_event() && on == 0 {
                return Err(BadCondition::NoFamily { which, text: text.clone() });
            }
            Ok(expression)
        };
        let all = |which, texts: &[String]| texts.iter().map(|text| read(which, text)).collect::<Result<Vec<_>, _>>();
        let check = condition.check.as_ref().map(|text| read("check", text)).transpose();
        let check = match (check, &condition.check) {
            (Err(BadCondition::NoFamily { .. }), Some(text)) => return Err(BadCondition::EventInCheck(text.clone())),
            (Ok(Some(check)), Some(text)) if check.uses_event() => {
                return Err(BadCondition::EventInCheck(text.clone()));
            }
            (check, _) => check?,
        };
        Ok(Compiled {
            check,
            sometimes: all("sometimes", &condition.sometimes)?,
            always: all("always", &condition.always)?,
            never: all("never", &condition.never)?,
            on,
        })
    }
}

/// A condition and how far a history has come with it.
#[derive(Clone)]
pub struct Watch {
    condition: Arc<Compiled>,
    /// How many of `sometimes` have been true, one after the other.
    reached: usize,
    /// Something of `always` was false, or something of `never` true.
    broken: bool,
    /// The first expression that had no value.
    error: Option<BadExpression>,
}

impl Watch {
    /// Begins to watch at the start of a history.
    pub fn new(condition: Arc<Compiled>, world: &World) -> Watch {
        let mut watch = Watch { condition, reached: 0, broken: false, error: None };
        watch.look(None, world);
        watch
    }

    /// Sees what happened in a turn, and the world after it.
    pub fn see(&mut self, events: &[Event], world: &World) {
        let c = &self.condition;
        if self.broken || (self.reached == c.sometimes.len() && c.always.is_empty() && c.never.is_empty()) {
            return;
        }
        if !events.is_empty() {
            self.look(Some(events), world);
        }
    }

    /// Whether the condition holds, in this world and with what has been seen.
    pub fn holds(&self, world: &World) -> bool {
        let seen = !self.broken && self.reached == self.condition.sometimes.len();
        seen && self.condition.check.as_ref().is_none_or(|check| check.holds(world, None).unwrap_or(false))
    }

    /// Whether it can no longer come to hold, whatever happens.
    pub fn is_lost(&self) -> bool {
        self.broken
    }

    /// The first expression that had no value, if there was one.
    pub fn error(&self, world: &World) -> Option<BadExpression> {
        let now = || self.condition.check.as_ref().and_then(|check| check.holds(world, None).err());
        self.error.clone().or_else(now)
    }

    /// Looks at a world after these events; at the first world without any.
    fn look(&mut self, events: Option<&[Event]>, world: &World) {
        let condition = Arc::clone(&self.condition);
        while let Some(next) = condition.sometimes.get(self.reached)
            && self.is_true(next, events, world, true)
        {
            self.reached += 1;
        }
        let mut wrong = false;
        for expression in &condition.always {
            wrong |= !self.is_true(expression, events, world, false);
        }
        for expression in &condition.never {
            wrong |= self.is_true(expression, events, world, true);
        }
        self.broken |= wrong;
    }

    /// Whether an expression is true now, or at one of the events (`any`) or at all of them. What cannot have changed
    /// counts as it must for nothing to follow from it.
    fn is_true(&mut self, e: &Expression, events: Option<&[Event]>, world: &World, any: bool) -> bool {
        if !e.uses_event() {
            let changed = events.is_none_or(|events| events.iter().any(|event| e.is_changed_by(event)));
            return if changed { self.value(e, world, None, !any) } else { !any };
        }
        let events = events.unwrap_or_default();
        let on = self.condition.on;
        let mut concerned = events.iter().filter(|event| on & (1 << event.kind.family().index()) != 0);
        if any {
            concerned.any(|event| self.value(e, world, Some(event), false))
        } else {
            concerned.all(|event| self.value(e, world, Some(event), true))
        }
    }

    fn value(&mut self, e: &Expression, world: &World, event: Option<&Event>, without: bool) -> bool {
        match e.holds(world, event) {
            Ok(value) => value,
            Err(error) => {
                self.error.get_or_insert(error);
                without
            }
        }
    }
}
