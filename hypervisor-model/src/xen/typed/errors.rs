//! The errors that a hypercall can give, command by command, in the order of Xen's checks. What operations on grants say is not
//! the hypercall's own result: it is the status in the operation (`GNTST_...`), shown by its name.
//!
//! A test tries each command with many values, and finds no refusal that is not in this table.

use crate::xen::abi::Command;
use crate::xen::hypercall::HypercallNumber as N;

/// An error, and when it is given.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct CallError {
    /// `EINVAL`, or `GNTST_bad_domain`.
    pub name: &'static str,
    /// The rule that was broken.
    pub rule: &'static str,
}

macro_rules! rules {
    ($($name:literal $rule:literal),* $(,)?) => { &[$(CallError { name: $name, rule: $rule }),*] };
}

const NONE: &[CallError] = &[];
const OTHERS_FRAMES: &[CallError] = rules!["ESRCH" "there is no domain of that number, or it is oneself"];
const PRIVILEGED: &[CallError] = rules![
    "EPERM" "only a privileged domain controls domains",
    "ESRCH" "there is no domain of that number",
];
const VCPU: &[CallError] = rules!["ENOENT" "the domain has no such processor"];
const UPDATE: &[CallError] = rules![
    "ESRCH" "the foreign domain is not there, or is oneself",
    "EINVAL" "the entry is in a frame that is not the domain's own, in Xen's part, or of a kind that a PV guest may not have; or the frame is in use as something else",
    "EPERM" "the frame is a device's, or another's and the caller is not privileged",
    "EBUSY" "the frame belongs to another domain, or is a page table that would be writable",
];
const PIN: &[CallError] = rules![
    "ESRCH" "the foreign domain is not there, or is oneself",
    "EPERM" "only a privileged domain names the frames of others",
    "EINVAL" "the frame is not the domain's own, is in use as something else, holds entries that are not right, or is pinned already",
    "EBUSY" "an entry of the table names a frame of another domain",
];
const BASE: &[CallError] = rules![
    "ESRCH" "the foreign domain is not there, or is oneself",
    "EPERM" "this is done for oneself only",
    "EINVAL" "the frame is not the domain's own, or no table of the top level",
    "EBUSY" "an entry of the table names a frame of another domain",
];

/// What a command can refuse.
pub fn errors(command: &Command) -> &'static [CallError] {
    match (command.call, command.name) {
        (N::EventChannelOp, name) => event_channel(name),
        (N::GrantTableOp, name) => grant_table(name),
        (N::MmuUpdate, _) => UPDATE,
        (N::UpdateVaMapping | N::UpdateVaMappingOtherdomain, _) => rules![
            "ESRCH" "there is no domain of that number, or it is oneself",
            "EPERM" "the frame is a device's, or another's and the caller is not privileged",
            "EINVAL" "no page table of the last level covers the address, it is not the domain's own, or the frame is in use as something else",
            "EBUSY" "the frame belongs to another domain, or is a page table that would be writable",
        ],
        (N::MmuextOp, name) => mmuext(name),
        (N::MemoryOp, "increase_reservation" | "populate_physmap" | "decrease_reservation") => rules![
            "ESRCH" "there is no domain of that number",
            "EPERM" "only a privileged domain changes the memory of others",
            "EINVAL" "a frame is not the domain's own, or somebody refers to it",
            "ENOMEM" "the domain has all frames that it may have, or the machine has none left",
        ],
        (N::MemoryOp, "current_reservation" | "maximum_reservation") => rules![
            "ESRCH" "there is no domain of that number",
            "EPERM" "only a privileged domain asks after others",
        ],
        (N::ConsoleIo, _) => rules!["EPERM" "only a privileged domain writes to Xen's console"],
        (N::VcpuOp, "up") => rules![
            "ENOENT" "the domain has no such processor",
            "EINVAL" "the processor has no registers yet",
        ],
        (N::VcpuOp, "set_singleshot_timer") => rules![
            "ENOENT" "the domain has no such processor",
            "EINVAL" "a one-shot timer is set by its processor",
            "ETIME" "the moment is over, and VCPU_SSHOTTMR_future asks to be told",
        ],
        (N::VcpuOp, "stop_singleshot_timer") => rules![
            "ENOENT" "the domain has no such processor",
            "EINVAL" "a one-shot timer is set by its processor",
        ],
        (N::VcpuOp, _) => VCPU,
        (N::SetSegmentBase, _) => rules!["EINVAL" "there is no such segment base, or the address is not canonical"],
        (N::SchedOp, "shutdown") => rules!["EINVAL" "there is no such reason to shut down"],
        (N::SchedOp, "poll") => rules!["EINVAL" "the domain has no such port"],
        (N::Sysctl, _) => rules!["EPERM" "only a privileged domain asks after the machine"],
        (N::Domctl, name) => domctl(name),
        _ => NONE,
    }
}

fn event_channel(name: &str) -> &'static [CallError] {
    match name {
        "alloc_unbound" => rules![
            "ESRCH" "there is no domain of that number",
            "EPERM" "only a privileged domain makes ports for others",
            "EINVAL" "the domain is being taken apart",
            "ENOSPC" "no port is free",
        ],
        "bind_interdomain" => rules![
            "ESRCH" "there is no domain of that number",
            "EINVAL" "the other domain has no such port, keeps it for another, or it waits for nobody",
            "ENOSPC" "no port is free",
        ],
        "bind_virq" => rules![
            "EINVAL" "there is no virtual interrupt of that number, or a global one is bound elsewhere than on processor 0",
            "ENOENT" "the domain has no such processor",
            "EBUSY" "another domain handles this virtual interrupt",
            "EEXIST" "the virtual interrupt is bound to a port already",
            "ENOSPC" "no port is free",
        ],
        "bind_ipi" => rules!["ENOENT" "the domain has no such processor", "ENOSPC" "no port is free"],
        "bind_pirq" => rules![
            "EINVAL" "there is no physical interrupt of that number",
            "EPERM" "the domain may not use this physical interrupt",
            "EEXIST" "the physical interrupt is bound to a port already",
            "ENOSPC" "no port is free",
        ],
        "close" => rules!["EINVAL" "there is no such port, it is closed, or Xen itself is at this end"],
        "send" => rules!["EINVAL" "there is no such port, it is closed, only receives, or Xen itself is at this end"],
        "status" => rules![
            "ESRCH" "there is no domain of that number",
            "EPERM" "only a privileged domain asks after the ports of others",
            "EINVAL" "there is no such port",
        ],
        "bind_vcpu" => rules![
            "ENOENT" "the domain has no such processor",
            "EINVAL" "there is no such port, it is closed, belongs to its processor, or Xen itself is at this end",
        ],
        "unmask" => rules!["EINVAL" "there is no such port"],
        "reset" => rules![
            "ESRCH" "there is no domain of that number",
            "EPERM" "only a privileged domain resets the ports of others",
            "EINVAL" "another domain's ports are reset only while it is paused",
            "EAGAIN" "ports were made meanwhile",
        ],
        _ => NONE,
    }
}

fn grant_table(name: &str) -> &'static [CallError] {
    match name {
        "map_grant_ref" => rules![
            "GNTST_bad_gntref" "neither processors nor devices are to have it, or the table has no such entry",
            "GNTST_bad_domain" "there is no domain of that number",
            "GNTST_no_space" "the domain has no handle left",
            "GNTST_general_error" "the entry does not permit access, is for another domain or for reading only, or the frame cannot be used so",
            "GNTST_bad_page" "the entry names a frame that its owner does not have",
        ],
        "unmap_grant_ref" => rules![
            "GNTST_bad_domain" "nobody calls",
            "GNTST_bad_handle" "nothing is mapped under the handle",
            "GNTST_bad_dev_addr" "the machine address is not the mapping's",
            "GNTST_general_error" "the owner is not there any more, or the address is not the mapping's",
        ],
        "setup_table" => rules![
            "GNTST_bad_domain" "there is no domain of that number",
            "GNTST_permission_denied" "only a privileged domain sets up others' tables",
            "GNTST_general_error" "the table may not have so many frames",
        ],
        "transfer" => rules![
            "GNTST_bad_page" "there is no such frame, or it is not the caller's alone",
            "GNTST_bad_domain" "there is no domain of that number",
            "GNTST_general_error" "the receiver does not wait for a frame there, or has all that it may have",
        ],
        "query_size" => rules![
            "GNTST_bad_domain" "there is no domain of that number",
            "GNTST_permission_denied" "only a privileged domain asks after others' tables",
        ],
        "set_version" => rules![
            "ENOSYS" "version 2 of grant tables is not modelled",
            "EINVAL" "there are versions 1 and 2 of grant tables",
        ],
        "get_version" => rules!["ESRCH" "there is no domain of that number"],
        _ => NONE,
    }
}

fn mmuext(name: &str) -> &'static [CallError] {
    match name {
        "pin_l1_table" | "pin_l2_table" | "pin_l3_table" | "pin_l4_table" => PIN,
        "unpin_table" => rules![
            "ESRCH" "the foreign domain is not there, or is oneself",
            "EPERM" "only a privileged domain names the frames of others",
            "EINVAL" "the frame is not the domain's own, or the table is not pinned",
        ],
        "new_baseptr" | "new_user_baseptr" => BASE,
        "clear_page" => rules!["EINVAL" "the frame is not the domain's own, or cannot be written"],
        "copy_page" => rules![
            "EINVAL" "the frame to be read is not the domain's own, or the other cannot be written",
        ],
        _ => OTHERS_FRAMES,
    }
}

fn domctl(name: &str) -> &'static [CallError] {
    match name {
        "createdomain" => rules![
            "EPERM" "only a privileged domain controls domains",
            "EINVAL" "a domain has 1 to 128 processors",
            "ENOMEM" "no number for another domain is left",
        ],
        "destroydomain" => rules![
            "EPERM" "only a privileged domain controls domains",
            "ESRCH" "there is no domain of that number",
            "EINVAL" "nobody ends itself so",
        ],
        "pausedomain" => rules![
            "EPERM" "only a privileged domain controls domains",
            "ESRCH" "there is no domain of that number",
            "EINVAL" "nobody pauses itself",
        ],
        "unpausedomain" => rules![
            "EPERM" "only a privileged domain controls domains",
            "ESRCH" "there is no domain of that number",
            "EINVAL" "the domain is not paused",
        ],
        "setvcpucontext" | "getvcpuinfo" => rules![
            "EPERM" "only a privileged domain controls domains",
            "ESRCH" "there is no domain of that number",
            "EINVAL" "the domain has no such processor",
        ],
        "scheduler_op" => rules![
            "EPERM" "only a privileged domain controls domains",
            "ESRCH" "there is no domain of that number",
            "EINVAL" "a weight is at least 1",
        ],
        _ => PRIVILEGED,
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use kernel_model::syscall::Value;

    use super::*;
    use crate::machine::xen::host::session::Session;
    use crate::xen::abi::{COMMANDS, decode};
    use crate::xen::call::Output;
    use crate::xen::domain::{DomId, VcpuId};
    use crate::xen::grant_table::Status;

    /// The header's name of a status.
    fn status_name(status: Status) -> &'static str {
        match status {
            Status::GeneralError => "GNTST_general_error",
            Status::BadDomain => "GNTST_bad_domain",
            Status::BadGntref => "GNTST_bad_gntref",
            Status::BadHandle => "GNTST_bad_handle",
            Status::BadDevAddr => "GNTST_bad_dev_addr",
            Status::PermissionDenied => "GNTST_permission_denied",
            Status::BadPage => "GNTST_bad_page",
            Status::NoSpace => "GNTST_no_space",
            _ => "another",
        }
    }

    /// What a result refuses.
    fn refused(result: crate::xen::call::HypercallResult) -> Option<&'static str> {
        match result {
            Err(refusal) | Ok((_, Output::Done(_, Some(refusal)))) => Some(refusal.errno.name()),
            Ok((_, Output::Mapped(results))) => {
                results.first().and_then(|r| r.as_ref().err()).map(|refusal| status_name(refusal.status))
            }
            Ok((_, Output::Grants(results))) => {
                results.first().and_then(|r| r.as_ref().err()).map(|refusal| status_name(refusal.status))
            }
            Ok(_) => None,
        }
    }

    #[test]
    fn nothing_is_refused_for_a_reason_that_is_not_told() {
        let session = Session::with_guest();
        let start = session.running.machine.parts_of_xen().xen();
        let guest = DomId(1);
        let mut frames = start.memory.owned().filter(|(frame, _)| start.owner(*frame) == Some(guest));
        let (own, _) = frames.next().expect("it has some");
        let values = [0, 1, 2, 7, 20, own.0 as i64, (own.0 << 12) as i64, (own.0 << 12 | 3) as i64, 0x7ff0, -1];
        let (mut known, mut untold) = (BTreeSet::new(), BTreeSet::new());
        for command in COMMANDS {
            for caller in [DomId::DOM0, guest] {
                for n in 0..values.len().pow(command.fields.len().min(2) as u32) {
                    let mut fields: Vec<(std::borrow::Cow<'static, str>, Value)> =
                        vec![("op".into(), command.call.number().into()), ("cmd".into(), command.cmd.into())];
                    for (at, field) in command.fields.iter().enumerate() {
                        let value = if at == 0 { values[n % values.len()] } else { values[n / values.len()] };
                        fields.push(((*field).into(), value.into()));
                    }
                    let call = decode(&Value::Struct(fields.clone())).expect("the table says that it can be typed");
                    let mut xen = start.clone();
                    let Some(name) = refused(xen.hypercall(VcpuId::first(caller), call)) else { continue };
                    // What must always hold is looked at once for each refusal of a call: there are many frames.
                    if known.insert((command.call.name(), name)) {
                        assert_eq!(xen.check(), Ok(()), "{command:?} {fields:?}");
                    }
                    if !errors(command).iter().any(|error| error.name == name) {
                        untold.insert((command.call.name(), command.name, name));
                    }
                }
            }
        }
        assert_eq!(untold, BTreeSet::new());
    }
}
