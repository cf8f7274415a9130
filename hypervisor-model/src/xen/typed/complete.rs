//! Completion at the hypercall console: names of calls, commands and fields, and what is known of the call that is being typed.

use kernel_model::strace::complete::{Candidate, Completion};

use super::errors::{CallError, errors};
use super::{command_named, commands, form, only_form, prefix, split};
use crate::xen::abi::Command;
use crate::xen::hypercall::{HypercallNumber as N, Support};

/// What is known of a hypercall.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Hint {
    /// How it is typed.
    pub form: String,
    /// Its number and that of its command: `32, 6`.
    pub numbers: String,
    /// What it is for.
    pub meaning: &'static str,
    /// The errors that it can give, in the order of Xen's checks.
    pub errors: &'static [CallError],
    /// What of it is not modelled.
    pub limits: Option<&'static str>,
}

/// What could come next where the cursor (a byte offset) is in `text`.
pub fn complete(text: &str, cursor: usize) -> Completion<Hint> {
    let before = text.get(..cursor).unwrap_or(text);
    let from = before.trim_end_matches(|c: char| c.is_ascii_alphanumeric() || c == '_').len();
    let word = &before[from..];
    let (name, inside) = split(before);
    let Some(inside) = inside else {
        return Completion { from, candidates: calls(word), call: N::from_name(name).and_then(hint_of_call) };
    };
    let Some(call) = N::from_name(name) else { return Completion::default() };
    let command = only_form(call).map(|command| (command, inside));
    let command = command.or_else(|| {
        let (given, fields) = inside.split_once(',')?;
        Some((command_named(call, given)?, fields))
    });
    let Some((command, fields)) = command else {
        let typed = command_named(call, inside);
        let candidates = if inside.contains(',') { Vec::new() } else { commands_of(call, word) };
        return Completion { from, candidates, call: typed.map(hint).or_else(|| hint_of_call(call)) };
    };
    let is_value = fields.rsplit([',', '{']).next().is_some_and(|last| last.contains('='));
    let candidates = match (is_value, fields.contains('}')) {
        (_, true) => Vec::new(),
        (true, _) => domains(fields, word),
        (false, _) => fields_of(command, fields, word),
    };
    Completion { from, candidates, call: Some(hint(command)) }
}

/// Calls of which some form can be typed, those first that begin with what is typed.
fn calls(word: &str) -> Vec<Candidate> {
    let mut found: Vec<Candidate> = Vec::new();
    for call in N::ALL.iter().filter(|call| call.name().contains(word) && commands(**call).next().is_some()) {
        found.push(Candidate { text: format!("{}(", call.name()), about: call.info().meaning.to_owned() });
    }
    found.sort_by_key(|candidate| !candidate.text.starts_with(word));
    found
}

fn commands_of(call: N, word: &str) -> Vec<Candidate> {
    let short = word.strip_prefix(prefix(call)).unwrap_or(word).to_ascii_lowercase();
    // What is typed of the prefix itself fits all.
    let fits = |command: &&Command| prefix(call).starts_with(word) || command.name.contains(&short);
    let text = |command: &Command| {
        let end = if command.fields.is_empty() { ")" } else { ", {" };
        format!("{}{}{end}", prefix(call), command.name)
    };
    let candidate = |command: &'static Command| Candidate { text: text(command), about: command.fields.join(", ") };
    let mut found: Vec<&Command> = commands(call).filter(fits).collect();
    found.sort_by_key(|command| !command.name.starts_with(&short));
    found.into_iter().map(candidate).collect()
}

/// Fields that are not there yet, and the end when there are none.
fn fields_of(command: &Command, typed: &str, word: &str) -> Vec<Candidate> {
    let is_there =
        |field: &str| typed.split([',', '{']).any(|part| part.split('=').next().map(str::trim) == Some(field));
    let free = command.fields.iter().filter(|field| !is_there(field) || **field == word);
    let fits = free.filter(|field| field.starts_with(word));
    fits.map(|field| Candidate { text: format!("{field}="), about: about_field(field).to_owned() }).collect()
}

/// Names of domains for a field that is one.
fn domains(typed: &str, word: &str) -> Vec<Candidate> {
    let field = typed.rsplit([',', '{']).next().and_then(|last| last.split('=').next()).map(str::trim);
    if field.is_none_or(|field| about_field(field) != DOMAIN) {
        return Vec::new();
    }
    let names = [("DOMID_SELF", "the caller"), ("DOMID_IO", "devices"), ("DOMID_XEN", "Xen itself")];
    let fits = names.into_iter().filter(|(name, _)| !word.is_empty() && name.starts_with(word));
    fits.map(|(name, about)| Candidate { text: name.to_owned(), about: about.to_owned() }).collect()
}

const DOMAIN: &str = "a domain";

/// What a field is, in a few words.
fn about_field(field: &str) -> &'static str {
    match field {
        "dom" | "domid" | "domain" | "remote_dom" | "foreigndom" | "first_domain" => DOMAIN,
        "port" | "remote_port" => "a port",
        "vcpu" => "a processor of the domain",
        "ref" => "a grant reference",
        "handle" => "the number of a mapping, or of a domain as text",
        "flags" => "bits: 1 for devices, 2 for processors, 4 for reading only",
        "mfn" | "src_mfn" | "extent" => "a frame of the machine",
        "gpfn" => "a frame as the guest counts",
        "ptr" => "machine address of an entry; its lowest bits say how it is written",
        "val" => "what the entry is to be",
        "va" | "linear_addr" | "host_addr" => "a virtual address",
        "virq" => "a virtual interrupt: 0 is the timer",
        "pirq" => "a physical interrupt",
        "reason" => "0 poweroff, 1 reboot, 2 suspend, 3 crash",
        _ => "",
    }
}

fn hint(command: &'static Command) -> Hint {
    let info = command.call.info();
    let numbers = match command.name.is_empty() {
        true => info.number.to_string(),
        false => format!("{}, {}", info.number, command.cmd),
    };
    Hint { form: form(command), numbers, meaning: info.meaning, errors: errors(command), limits: limits(command.call) }
}

/// What is known before the command is chosen.
fn hint_of_call(call: N) -> Option<Hint> {
    let first = commands(call).next()?;
    if first.name.is_empty() {
        return Some(hint(first));
    }
    let info = call.info();
    let form = format!("{}({}, {{…}})", call.name(), info.args.first().copied().unwrap_or("cmd"));
    Some(Hint { form, numbers: info.number.to_string(), meaning: info.meaning, errors: &[], limits: limits(call) })
}

fn limits(call: N) -> Option<&'static str> {
    match call.info().support {
        Support::Full => None,
        Support::Partial(what) | Support::None(what) => Some(what),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn proposed(text: &str) -> Vec<String> {
        complete(text, text.len()).candidates.into_iter().map(|candidate| candidate.text).collect()
    }

    #[test]
    fn calls_commands_and_fields_are_proposed_in_turn() {
        assert_eq!(proposed("event"), ["event_channel_op("]);
        assert_eq!(proposed("event_channel_op(EVTCHNOP_al"), ["EVTCHNOP_alloc_unbound, {"]);
        assert_eq!(proposed("event_channel_op(alloc"), ["EVTCHNOP_alloc_unbound, {"]);
        assert_eq!(proposed("event_channel_op(").len(), 11);
        assert_eq!(proposed("event_channel_op(alloc_unbound, {"), ["dom=", "remote_dom="]);
        assert_eq!(proposed("event_channel_op(alloc_unbound, {dom=0, r"), ["remote_dom="]);
        assert_eq!(proposed("event_channel_op(alloc_unbound, {dom=DOM"), ["DOMID_SELF", "DOMID_IO", "DOMID_XEN"]);
        assert_eq!(proposed("event_channel_op(alloc_unbound, {dom=0, remote_dom=1})"), Vec::<String>::new());
        assert_eq!(proposed("stack_switch({s"), ["ss="]);
        assert_eq!(proposed("multi"), Vec::<String>::new(), "what cannot be typed is not proposed");
    }

    #[test]
    fn the_errors_of_the_command_are_told_while_it_is_typed() {
        let text = "event_channel_op(EVTCHNOP_send, {po";
        let hint = complete(text, text.len()).call.expect("it is known");
        assert_eq!((hint.form.as_str(), hint.numbers.as_str()), ("event_channel_op(EVTCHNOP_send, {port})", "32, 4"));
        assert!(hint.errors.iter().any(|error| error.name == "EINVAL"));
    }
}
