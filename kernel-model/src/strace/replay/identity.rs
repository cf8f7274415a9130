//! Who the first process of a log was: its user, and the capabilities that it did not have.

use super::super::parse::{Expr, Log, TracedCall};
use super::seed;
use crate::security::capability::CapSet;

/// What a log shows of its first process before it changes it.
#[derive(Clone, PartialEq, Debug, Default)]
pub(super) struct Identity {
    /// Its user, when it says so.
    pub(super) uid: Option<i64>,
    /// Its group, when it says so.
    pub(super) gid: Option<i64>,
    /// Capabilities outside its bounding set.
    pub(super) unbounded: CapSet,
    /// Its permitted capabilities, when it has asked for them.
    pub(super) permitted: Option<CapSet>,
}

/// Reads it off the calls of the process `first`, and off the bounding set that anybody has asked for.
pub(super) fn identity(log: &Log, first: Option<u32>) -> Identity {
    let mut identity = Identity::default();
    let mut settled = false;
    let mut dropped = CapSet::EMPTY;
    for (at, line) in log.lines.iter().enumerate() {
        let Some(call) = log.call_at(at) else { continue };
        identity.bounding_set(call, &mut dropped);
        if settled || line.pid != first {
            continue;
        }
        let value = call.ret.value();
        match call.name.as_str() {
            "getuid" | "geteuid" => identity.uid = identity.uid.or(value),
            "getgid" | "getegid" => identity.gid = identity.gid.or(value),
            "getresuid" => identity.uid = identity.uid.or_else(|| pointed_to(call, 1)),
            "getresgid" => identity.gid = identity.gid.or_else(|| pointed_to(call, 1)),
            "capget" if value == Some(0) => {
                let data = call.args.get(1).map(Expr::after);
                let permitted = data.and_then(|d| d.field("permitted")).and_then(seed::number);
                identity.permitted = identity.permitted.or(permitted.map(|p| CapSet(p as u64)));
            }
            "unshare" | "setns" | "capset" => settled = true,
            name if name.starts_with("set") && (name.contains("uid") || name.contains("gid")) => settled = true,
            _ => {}
        }
    }
    identity
}

impl Identity {
    fn bounding_set(&mut self, call: &TracedCall, dropped: &mut CapSet) {
        if call.name != "prctl" {
            return;
        }
        let Some(cap) = call.args.get(1).and_then(seed::number).filter(|cap| (0..64).contains(cap)) else { return };
        let bit = CapSet(1 << cap);
        let asks = |name: &str| call.args.first().is_some_and(|op| seed::mentions(op, name));
        if asks("PR_CAPBSET_DROP") {
            *dropped = *dropped | bit;
        } else if asks("PR_CAPBSET_READ")
            && call.ret.value() == Some(0)
            && bit.is_subset(CapSet::FULL)
            && *dropped & bit == CapSet::EMPTY
        {
            self.unbounded = self.unbounded | bit;
        }
    }
}

/// The number in `[n]`.
fn pointed_to(call: &TracedCall, position: usize) -> Option<i64> {
    match call.args.get(position).map(Expr::after) {
        Some(Expr::List(items)) => items.first().and_then(seed::number),
        _ => None,
    }
}
