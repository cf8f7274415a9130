//! A field in which a call is typed: with proposals, of which one is taken with the tabulator.

use hypervisor_model::xen::typed;
use kernel_model::strace::complete::{self, Completion};

use crate::message::FieldMsg;

/// What a console knows of a call that is being typed.
pub trait Hinted: Sized {
    /// What could come next where the cursor (a byte offset) is.
    fn complete(text: &str, cursor: usize) -> Completion<Self>;
}

impl Hinted for complete::Hint {
    fn complete(text: &str, cursor: usize) -> Completion<Self> {
        complete::complete(text, cursor)
    }
}

impl Hinted for typed::complete::Hint {
    fn complete(text: &str, cursor: usize) -> Completion<Self> {
        typed::complete::complete(text, cursor)
    }
}

/// The field.
#[derive(Clone, PartialEq, Debug)]
pub struct CallField<H> {
    /// What is typed.
    pub draft: String,
    /// What could be typed next.
    pub completion: Completion<H>,
    /// The candidate that the arrows have reached.
    pub chosen: usize,
    /// Why the call could not be read.
    pub error: Option<String>,
}

impl<H> Default for CallField<H> {
    fn default() -> Self {
        CallField { draft: String::new(), completion: Completion::default(), chosen: 0, error: None }
    }
}

/// What is to be done after something has happened at a field.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Then {
    /// Nothing more.
    Nothing,
    /// A candidate was taken: the field has the keyboard again.
    Focus,
    /// What is typed is to be carried out.
    Call,
}

impl<H: Hinted> CallField<H> {
    /// What happens at it.
    pub fn at(&mut self, msg: FieldMsg) -> Then {
        match msg {
            FieldMsg::Draft(text, cursor) => self.typed(text, cursor),
            FieldMsg::Choose(by) => self.choose(by),
            FieldMsg::Complete(chosen) if self.complete(chosen) => return Then::Focus,
            FieldMsg::Complete(_) => {}
            FieldMsg::Enter => return Then::Call,
        }
        Then::Nothing
    }

    /// Something else is in the field.
    pub fn typed(&mut self, text: String, cursor: usize) {
        self.completion = if text.is_empty() { Completion::default() } else { H::complete(&text, cursor) };
        self.draft = text;
        self.chosen = 0;
        self.error = None;
    }

    /// The arrows go to another candidate.
    pub fn choose(&mut self, by: isize) {
        let count = self.completion.candidates.len();
        if count > 0 {
            self.chosen = (self.chosen as isize + by).rem_euclid(count as isize) as usize;
        }
    }

    /// Takes a candidate. False when there is none with this number.
    pub fn complete(&mut self, chosen: usize) -> bool {
        let Some(candidate) = self.completion.candidates.get(chosen) else { return false };
        let kept = self.draft.get(..self.completion.from).unwrap_or_default();
        let text = format!("{kept}{}", candidate.text);
        let cursor = text.len();
        self.typed(text, cursor);
        true
    }
}
