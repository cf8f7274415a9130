//! What security modules do, as events: denials with module, rule, subject and object, and changes of labels and policy.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::task::TaskId;

/// Something that a security module did.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
#[allow(missing_docs)] // the fields are the nouns of each variant's sentence
pub enum LsmEvent {
    /// A module refused an operation, or would have (`enforced` is false).
    Denied {
        /// `apparmor` or `selinux`.
        module: Arc<str>,
        /// What was to be done: `open`, `file { read }`.
        operation: Arc<str>,
        /// The profile or label of whoever asked.
        subject: Arc<str>,
        /// The path, label or name of what it was about.
        object: Arc<str>,
        /// The rule that decided, or that there was none.
        rule: Arc<str>,
        enforced: bool,
    },
    /// A task has another profile or label.
    LabelChanged { task: TaskId, from: Arc<str>, to: Arc<str>, why: Arc<str> },
    /// A policy, or a part of it, was loaded, replaced or removed; or how it is enforced.
    PolicyChanged { module: Arc<str>, what: Arc<str> },
}

impl LsmEvent {
    /// A few words for the ribbon.
    pub fn label(&self) -> String {
        match self {
            LsmEvent::Denied { module, operation, object, enforced: true, .. } => {
                format!("{module} denies {operation} of {object}")
            }
            LsmEvent::Denied { module, operation, object, .. } => {
                format!("{module} would deny {operation} of {object}")
            }
            LsmEvent::LabelChanged { from, to, .. } => format!("label {from} → {to}"),
            LsmEvent::PolicyChanged { module, what } => format!("{module}: {what}"),
        }
    }

    /// What it means, and where that is written.
    pub fn explain(&self, who: &str) -> (String, &'static str) {
        match self {
            LsmEvent::Denied { module, operation, subject, object, rule, enforced } => {
                let source = if &**module == "apparmor" { "apparmor(7), aa_audit()" } else { "avc_denied()" };
                let verb = if *enforced { "refuses" } else { "would refuse, if it were enforcing," };
                (
                    format!(
                        "The kernel's own rules allow it, but {module} {verb} {operation} of {object} to {who}, which \
                         runs as {subject}: {rule}."
                    ),
                    source,
                )
            }
            LsmEvent::LabelChanged { from, to, why, .. } => (
                format!("{who} ran as {from} and runs as {to} from now on: {why}."),
                "security_bprm_creds_for_exec(), security_setprocattr()",
            ),
            LsmEvent::PolicyChanged { module, what } => {
                (format!("The policy of {module} changes: {what}."), "security/")
            }
        }
    }
}
