//! The hypercall console: one hypercall in the name of a domain's kernel, in the words of Xen's public headers.

use hypervisor_model::xen::typed::complete::Hint;
use hypervisor_model::xen::typed::parse;
use kernel_model::action::Action;

use crate::call_field::{CallField, Then};
use crate::message::{Effect, HypercallMsg};
use crate::state::State;

/// The hypercall console.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct HypercallConsole {
    /// In whose name.
    pub domain: u16,
    /// Where it is typed.
    pub field: CallField<Hint>,
}

impl State {
    /// What happens at the hypercall console.
    pub(crate) fn at_hypercalls(&mut self, msg: HypercallMsg) -> Vec<Effect> {
        match msg {
            HypercallMsg::Domain(domain) => self.hypercall.domain = domain,
            HypercallMsg::Field(msg) => match self.hypercall.field.at(msg) {
                Then::Nothing => {}
                Then::Focus => return vec![Effect::Focus("hypercall-input")],
                Then::Call => self.make_hypercall(),
            },
        }
        Vec::new()
    }

    fn make_hypercall(&mut self) {
        let draft = &self.hypercall.field.draft;
        self.hypercall.field.error = match parse(draft) {
            Ok(_) => {
                let (who, text) = (self.caller_of_hypercalls(), draft.trim().to_owned());
                self.act(Action::CallBelow { who: u32::from(who), text });
                None
            }
            Err(why) => Some(why.to_string()),
        };
    }

    /// The domain that was chosen, if it is there; else domain 0.
    pub fn caller_of_hypercalls(&self) -> u16 {
        let wanted = self.hypercall.domain;
        if self.shown.domains.iter().any(|(id, _)| *id == wanted) { wanted } else { 0 }
    }
}
