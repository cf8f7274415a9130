//! The hypercall console: one hypercall in the name of a domain's kernel, in the words of Xen's public headers.

use hypervisor_model::xen::typed::complete::{Completion, complete};
use hypervisor_model::xen::typed::parse;
use kernel_model::action::Action;

use crate::message::{Effect, HypercallMsg};
use crate::state::State;

/// The hypercall console.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct HypercallConsole {
    /// In whose name.
    pub domain: u16,
    /// What is typed.
    pub draft: String,
    /// What could be typed next.
    pub completion: Completion,
    /// The candidate that the arrows have reached.
    pub chosen: usize,
    /// Why the call could not be read.
    pub error: Option<String>,
}

impl HypercallConsole {
    /// Something else is in the field.
    pub fn typed(&mut self, text: String, cursor: usize) {
        self.completion = if text.is_empty() { Completion::default() } else { complete(&text, cursor) };
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

impl State {
    /// What happens at the hypercall console.
    pub(crate) fn at_hypercalls(&mut self, msg: HypercallMsg) -> Vec<Effect> {
        match msg {
            HypercallMsg::Domain(domain) => self.hypercall.domain = domain,
            HypercallMsg::Draft(text, cursor) => self.hypercall.typed(text, cursor),
            HypercallMsg::Choose(by) => self.hypercall.choose(by),
            HypercallMsg::Complete(chosen) => {
                if self.hypercall.complete(chosen) {
                    return vec![Effect::Focus("hypercall-input")];
                }
            }
            HypercallMsg::Enter => match parse(&self.hypercall.draft) {
                Ok(_) => {
                    self.hypercall.error = None;
                    let (who, text) = (self.caller_of_hypercalls(), self.hypercall.draft.trim().to_owned());
                    self.act(Action::CallBelow { who: u32::from(who), text });
                }
                Err(why) => self.hypercall.error = Some(why.to_string()),
            },
        }
        Vec::new()
    }

    /// The domain that was chosen, if it is there; else domain 0.
    pub fn caller_of_hypercalls(&self) -> u16 {
        let wanted = self.hypercall.domain;
        if self.shown.domains.iter().any(|(id, _)| *id == wanted) { wanted } else { 0 }
    }
}
