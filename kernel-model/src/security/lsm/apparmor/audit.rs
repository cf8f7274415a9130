//! Messages of AppArmor (`security/apparmor/audit.c`): who was refused what.

use super::{Mode, Profile};
use crate::errno::Errno;
use crate::event::EventKind;
use crate::kernel::Kernel;
use crate::security::audit::{AVC, untrusted};
use crate::security::lsm::event::LsmEvent;
use crate::task::TaskId;
use crate::task::signal::Signal;

/// What was refused (`struct apparmor_audit_data`).
#[derive(Clone, Debug, Default)]
pub(super) struct Denial<'a> {
    /// `open`, `exec`, `capable`, ...
    pub operation: &'a str,
    /// `file`, `cap`, `net`, ...; empty where the kernel gives none.
    pub class: &'a str,
    /// Why, where that is not plain from the rest.
    pub info: &'a str,
    /// The path or profile that it is about.
    pub name: &'a str,
    /// The fields after pid and comm.
    pub fields: String,
    /// The error that it gives.
    pub error: Option<Errno>,
    /// The rule that decided.
    pub rule: String,
    /// For the event, when there is no name.
    pub object: String,
}

impl Kernel<'_> {
    /// Reports what a profile does not allow: an error, unless the profile only complains (`aa_audit`).
    pub(super) fn aa_denied(&mut self, task: TaskId, profile: &Profile, denial: Denial<'_>) -> Result<(), Errno> {
        let error = denial.error.unwrap_or(Errno::EACCES);
        let complains = profile.mode == Mode::Complain && matches!(error, Errno::EACCES | Errno::EPERM);
        let verdict = match profile.mode {
            _ if complains => "ALLOWED",
            Mode::Kill => "KILLED",
            _ => "DENIED",
        };
        self.aa_message(task, verdict, &profile.name, &denial);
        let object = if denial.name.is_empty() { denial.object.as_str() } else { denial.name };
        let kind = LsmEvent::Denied {
            module: "apparmor".into(),
            operation: denial.operation.into(),
            subject: profile.name.as_str().into(),
            object: object.into(),
            rule: if denial.rule.is_empty() { "no rule of the profile allows it".into() } else { denial.rule.into() },
            enforced: !complains,
        };
        self.emit(EventKind::Lsm(kind));
        if profile.mode == Mode::Kill {
            self.send_signal_to_thread(task, Signal::KILL, None);
        }
        if complains { Ok(()) } else { Err(error) }
    }

    /// Writes the message (`audit_pre`, `dump_common_audit_data`).
    pub(super) fn aa_message(&mut self, task: TaskId, verdict: &str, profile: &str, denial: &Denial<'_>) {
        let mut text = format!("apparmor=\"{verdict}\" operation=\"{}\"", denial.operation);
        if !denial.class.is_empty() {
            text.push_str(&format!(" class=\"{}\"", denial.class));
        }
        if !denial.info.is_empty() {
            text.push_str(&format!(" info=\"{}\"", denial.info));
            if let Some(error) = denial.error {
                text.push_str(&format!(" error=-{}", error.number()));
            }
        }
        text.push_str(&format!(" profile={}", untrusted(profile)));
        if !denial.name.is_empty() {
            text.push_str(&format!(" name={}", untrusted(denial.name)));
        }
        text.push_str(&self.audit_task(task));
        text.push_str(&denial.fields);
        self.audit(AVC, &text);
    }
}
