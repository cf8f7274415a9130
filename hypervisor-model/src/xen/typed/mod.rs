//! Hypercalls as they are typed: `event_channel_op(EVTCHNOP_alloc_unbound, {dom=0, remote_dom=1})`.
//!
//! The words are those of the public headers: the call, its command with or without the header's prefix, and the fields of its
//! structure by name. Fields that are left out are 0, domains that are left out are the caller. What comes out is the structure
//! of [`abi`](super::abi), so that a program in domain 0 and somebody at the hypercall console ask the same.

pub mod complete;
pub mod errors;

use std::borrow::Cow;

use kernel_model::syscall::Value;
use thiserror::Error;

use super::abi::{COMMANDS, Command};
use super::domain::DomId;
use super::hypercall::{HypercallNumber as N, Support};

/// Why a text is no hypercall.
#[derive(Clone, PartialEq, Eq, Debug, Error)]
pub enum BadCall {
    /// There is no hypercall of that name.
    #[error("there is no hypercall `{0}`")]
    NoCall(String),
    /// There is one, but no form of it can be typed.
    #[error("`{0}` cannot be typed: {1}")]
    NotTyped(&'static str, &'static str),
    /// The parentheses are missing or not closed.
    #[error("a hypercall looks like {0}")]
    Shape(String),
    /// The command is missing or not one of the call's.
    #[error("`{call}` has no command `{given}`; it has {known}")]
    NoCommand {
        /// The call.
        call: &'static str,
        /// What was typed.
        given: String,
        /// The commands that it has.
        known: String,
    },
    /// A field that the command does not look at.
    #[error("{form} has no field `{given}`")]
    NoField {
        /// The form of the call.
        form: String,
        /// What was typed.
        given: String,
    },
    /// A value that is no number and no text.
    #[error(
        "`{0}` is no value: numbers are 10 or 0xa, texts stand in quotes, domains may be DOMID_SELF, DOMID_IO, DOMID_XEN"
    )]
    Value(String),
}

/// What the header puts before the names of a call's commands.
pub fn prefix(call: N) -> &'static str {
    match call {
        N::EventChannelOp => "EVTCHNOP_",
        N::GrantTableOp => "GNTTABOP_",
        N::SchedOp => "SCHEDOP_",
        N::MemoryOp => "XENMEM_",
        N::VcpuOp => "VCPUOP_",
        N::MmuextOp => "MMUEXT_",
        N::XenVersion => "XENVER_",
        N::ConsoleIo => "CONSOLEIO_",
        N::Domctl => "XEN_DOMCTL_",
        N::Sysctl => "XEN_SYSCTL_",
        _ => "",
    }
}

/// The commands of a call.
pub fn commands(call: N) -> impl Iterator<Item = &'static Command> {
    COMMANDS.iter().filter(move |command| command.call == call)
}

/// How a command is typed, with its fields: `event_channel_op(EVTCHNOP_send, {port})`.
pub fn form(command: &Command) -> String {
    let fields = command.fields.join(", ");
    let name = format!("{}{}", prefix(command.call), command.name);
    match (command.name.is_empty(), command.fields.is_empty()) {
        (true, _) => format!("{}({{{fields}}})", command.call.name()),
        (false, true) => format!("{}({name})", command.call.name()),
        (false, false) => format!("{}({name}, {{{fields}}})", command.call.name()),
    }
}

/// The parts of a text, as far as it is typed: the call, and what stands between the parentheses.
fn split(text: &str) -> (&str, Option<&str>) {
    match text.split_once('(') {
        Some((name, inside)) => (name.trim(), Some(inside)),
        None => (text.trim(), None),
    }
}

/// The command of a name, with or without its prefix; the one there is of a call without commands.
fn command_named(call: N, name: &str) -> Option<&'static Command> {
    let name = name.trim();
    let short = name.strip_prefix(prefix(call)).unwrap_or(name);
    commands(call).find(|command| command.name.eq_ignore_ascii_case(short) && !command.name.is_empty())
}

/// The call without commands, if it is one.
fn only_form(call: N) -> Option<&'static Command> {
    commands(call).find(|command| command.name.is_empty())
}

/// The hypercall that a text means, with its structure.
///
/// # Errors
/// What is wrong with the text.
pub fn parse(text: &str) -> Result<(&'static Command, Value), BadCall> {
    let (name, inside) = split(text);
    let call = N::from_name(name).ok_or_else(|| BadCall::NoCall(name.to_owned()))?;
    let Some(first) = commands(call).next() else { return Err(BadCall::NotTyped(call.name(), why_not(call))) };
    let shape = || BadCall::Shape(form(first));
    let inside = inside.and_then(|rest| rest.trim_end().strip_suffix(')')).ok_or_else(shape)?;
    let (command, fields) = match only_form(call) {
        Some(command) => (command, inside),
        None => {
            let (given, fields) = inside.split_once(',').unwrap_or((inside, ""));
            let known = || commands(call).map(|command| command.name).collect::<Vec<_>>().join(", ");
            let unknown = || BadCall::NoCommand { call: call.name(), given: given.trim().to_owned(), known: known() };
            (command_named(call, given).ok_or_else(unknown)?, fields)
        }
    };
    let mut structure = vec![(Cow::from("op"), call.number().into()), (Cow::from("cmd"), command.cmd.into())];
    for (name, value) in pairs(fields).ok_or_else(|| BadCall::Shape(form(command)))? {
        let known = command.fields.iter().find(|field| **field == name);
        let field = known.ok_or_else(|| BadCall::NoField { form: form(command), given: name.to_owned() })?;
        structure.push((Cow::from(*field), value_of(value)?));
    }
    Ok((command, Value::Struct(structure)))
}

/// Why no form of a call can be typed.
fn why_not(call: N) -> &'static str {
    match call.info().support {
        Support::None(why) => why,
        _ => "its arguments are structures in the guest's memory",
    }
}

/// `{a=1, b=2}`, with or without the braces, as names and values; `None` if that is not its shape.
fn pairs(text: &str) -> Option<Vec<(&str, &str)>> {
    let text = text.trim();
    let inner = match text.strip_prefix('{') {
        Some(rest) => rest.strip_suffix('}')?,
        None => text,
    };
    let mut pairs = Vec::new();
    let mut rest = inner.trim();
    while !rest.is_empty() {
        let (name, after) = rest.split_once('=')?;
        let after = after.trim_start();
        // A comma in a text is part of it.
        let end = match after.strip_prefix('"') {
            Some(quoted) => quoted.find('"')? + 2,
            None => after.find(',').unwrap_or(after.len()),
        };
        pairs.push((name.trim(), after[..end].trim()));
        rest = after[end..].trim_start();
        rest = match rest.strip_prefix(',') {
            Some(more) => more.trim_start(),
            None if rest.is_empty() => rest,
            None => return None,
        };
    }
    Some(pairs)
}

/// The domains that have names.
const DOMAINS: [(&str, DomId); 3] = [("DOMID_SELF", DomId::SELF), ("DOMID_IO", DomId::IO), ("DOMID_XEN", DomId::XEN)];

fn value_of(text: &str) -> Result<Value, BadCall> {
    let bad = || BadCall::Value(text.to_owned());
    if let Some(quoted) = text.strip_prefix('"') {
        return Ok(Value::str(quoted.strip_suffix('"').ok_or_else(bad)?));
    }
    if let Some((_, domain)) = DOMAINS.iter().find(|(name, _)| *name == text) {
        return Ok(i64::from(domain.0).into());
    }
    let number = match text.strip_prefix("0x") {
        Some(digits) => u64::from_str_radix(digits, 16).ok().map(|n| n as i64),
        None => text.parse::<i64>().ok().or_else(|| text.parse::<u64>().ok().map(|n| n as i64)),
    };
    number.map(Value::from).ok_or_else(bad)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::xen::abi;
    use crate::xen::call::{EventChannelOp, Hypercall};

    fn call(text: &str) -> Result<Hypercall, String> {
        let (_, value) = parse(text).map_err(|bad| bad.to_string())?;
        abi::decode(&value).map_err(|errno| errno.name().to_owned())
    }

    #[test]
    fn the_words_of_the_headers_mean_a_hypercall() {
        let alloc = EventChannelOp::AllocUnbound { dom: DomId(0), remote: DomId(1) };
        let wanted = Ok(Hypercall::EventChannelOp(alloc));
        assert_eq!(call("event_channel_op(EVTCHNOP_alloc_unbound, {dom=0, remote_dom=1})"), wanted);
        assert_eq!(call(" event_channel_op ( alloc_unbound , dom = 0x0,remote_dom=1 ) "), wanted);
        assert_eq!(call("console_io(write, {buffer=\"a, b\"})"), Ok(Hypercall::ConsoleIo("a, b".to_owned())));
        assert_eq!(call("stack_switch({ss=0xe02b, esp=0xffff888000000000})").map(|c| c.number().is_ok()), Ok(true));
        let own = EventChannelOp::AllocUnbound { dom: DomId::SELF, remote: DomId(0) };
        let text = "event_channel_op(alloc_unbound, {dom=DOMID_SELF, remote_dom=0})";
        assert_eq!(call(text), Ok(Hypercall::EventChannelOp(own)));
    }

    #[test]
    fn what_cannot_be_read_says_what_would_have_been_right() {
        for (text, message) in [
            ("event_chanel_op(send)", "there is no hypercall `event_chanel_op`"),
            (
                "event_channel_op",
                "a hypercall looks like event_channel_op(EVTCHNOP_bind_interdomain, {remote_dom, remote_port})",
            ),
            (
                "event_channel_op(send, {port=1",
                "a hypercall looks like event_channel_op(EVTCHNOP_bind_interdomain, {remote_dom, remote_port})",
            ),
            ("sched_op(sleep)", "`sched_op` has no command `sleep`; it has yield, block, shutdown, poll"),
            ("event_channel_op(send, {prt=1})", "event_channel_op(EVTCHNOP_send, {port}) has no field `prt`"),
            (
                "event_channel_op(send, {port=one})",
                "`one` is no value: numbers are 10 or 0xa, texts stand in quotes, domains may be DOMID_SELF, DOMID_IO, DOMID_XEN",
            ),
            ("multicall()", "`multicall` cannot be typed: its arguments are structures in the guest's memory"),
            ("set_debugreg()", "`set_debugreg` cannot be typed: debug registers are not modelled under Xen"),
        ] {
            assert_eq!(parse(text).map_err(|bad| bad.to_string()).err().as_deref(), Some(message), "{text}");
        }
    }

    #[test]
    fn every_command_can_be_typed_with_all_its_fields() {
        for command in COMMANDS {
            let fields: Vec<String> = command.fields.iter().map(|field| format!("{field}=1")).collect();
            let text = match command.name.is_empty() {
                true => format!("{}({{{}}})", command.call.name(), fields.join(", ")),
                false => format!(
                    "{}({}{}, {{{}}})",
                    command.call.name(),
                    prefix(command.call),
                    command.name,
                    fields.join(", ")
                ),
            };
            assert_eq!(parse(&text).map(|(known, _)| known), Ok(command), "{text}");
        }
    }
}
