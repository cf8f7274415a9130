//! `linux.seccomp` of `config.json`: from the words of the specification to a filter that is attached
//! (`libcontainer/specconv` and `libcontainer/seccomp`).

use super::super::golang::errno;
use super::super::json::Json;
use crate::program::Sys;
use crate::program::security::libseccomp::{Comparison, Condition, Profile, Rule, action_from_name};
use crate::security::seccomp::Action;

/// `SECCOMP_FILTER_FLAG_*` by name.
const FLAGS: [(&str, u64); 4] = [
    ("SECCOMP_FILTER_FLAG_TSYNC", 1),
    ("SECCOMP_FILTER_FLAG_LOG", 2),
    ("SECCOMP_FILTER_FLAG_SPEC_ALLOW", 4),
    ("SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV", 32),
];

/// The architectures that runc knows (`ConvertStringToArch`).
const ARCHITECTURES: [&str; 21] = [
    "SCMP_ARCH_X86",
    "SCMP_ARCH_X86_64",
    "SCMP_ARCH_X32",
    "SCMP_ARCH_ARM",
    "SCMP_ARCH_AARCH64",
    "SCMP_ARCH_LOONGARCH64",
    "SCMP_ARCH_MIPS",
    "SCMP_ARCH_MIPS64",
    "SCMP_ARCH_MIPS64N32",
    "SCMP_ARCH_MIPSEL",
    "SCMP_ARCH_MIPSEL64",
    "SCMP_ARCH_MIPSEL64N32",
    "SCMP_ARCH_PPC",
    "SCMP_ARCH_PPC64",
    "SCMP_ARCH_PPC64LE",
    "SCMP_ARCH_RISCV64",
    "SCMP_ARCH_S390",
    "SCMP_ARCH_S390X",
    "SCMP_ARCH_PARISC",
    "SCMP_ARCH_PARISC64",
    "SCMP_ARCH_SPARC64",
];

/// A filter, and the flags with which it is attached.
#[derive(Clone, PartialEq, Debug)]
pub(super) struct Filter {
    pub(super) profile: Profile,
    pub(super) flags: u64,
}

/// Reads the object; `None` when it asks for nothing (`SetupSeccomp`).
///
/// # Errors
/// What `runc` says.
pub(super) fn parse(config: &Json) -> Result<Option<Filter>, String> {
    let text = |json: &Json, name: &str| json.get(name).and_then(Json::as_str).unwrap_or_default().to_owned();
    let default = text(config, "defaultAction");
    let rules = config.get("syscalls").map(Json::items).unwrap_or_default();
    if default.is_empty() && rules.is_empty() {
        return Ok(None);
    }
    if config.get("listenerPath").is_some() {
        return Err("not modelled in Ringside: linux.seccomp.listenerPath".to_owned());
    }
    for arch in config.get("architectures").map(Json::items).unwrap_or_default() {
        let name = arch.as_str().unwrap_or_default();
        if !ARCHITECTURES.contains(&name) {
            return Err(format!(
                "error validating seccomp architecture: string {name} is not a valid arch for seccomp"
            ));
        }
    }
    let mut flags = 0;
    // Without a word about flags, speculation is left as it is.
    match config.get("flags") {
        None => flags |= FLAGS[2].1,
        Some(list) => {
            for flag in list.items() {
                let name = flag.as_str().unwrap_or_default();
                let known = FLAGS.iter().find(|(n, _)| *n == name);
                flags |= known.ok_or(format!("seccomp flag not found: {name}"))?.1;
            }
        }
    }
    let errno = |json: &Json, name: &str| json.get(name).and_then(Json::as_int).and_then(|n| u16::try_from(n).ok());
    let default_action = action(&default, errno(config, "defaultErrnoRet"))?;
    let mut profile = Profile { default_action, rules: Vec::new(), newer_calls_are_unknown: true };
    for rule in rules {
        let mut names: Vec<String> = rule
            .get("names")
            .map(Json::items)
            .unwrap_or_default()
            .iter()
            .filter_map(|n| n.as_str().map(str::to_owned))
            .collect();
        if names.is_empty() {
            names.push(text(rule, "name"));
        }
        let args = rule.get("args").map(Json::items).unwrap_or_default().iter().map(condition);
        profile.rules.push(Rule {
            names,
            action: action(&text(rule, "action"), errno(rule, "errnoRet"))?,
            args: args.collect::<Result<_, _>>()?,
        });
    }
    Ok(Some(Filter { profile, flags }))
}

fn action(name: &str, errno: Option<u16>) -> Result<Action, String> {
    match action_from_name(name, errno) {
        Some(Action::UserNotif) => Err("not modelled in Ringside: SCMP_ACT_NOTIFY".to_owned()),
        Some(action) => Ok(action),
        None => Err(format!("string {name} is not a valid action for seccomp")),
    }
}

fn condition(arg: &Json) -> Result<Condition, String> {
    let number = |name: &str| arg.get(name).and_then(Json::as_int).unwrap_or(0);
    let op = arg.get("op").and_then(Json::as_str).unwrap_or_default();
    let op = Comparison::from_name(op).ok_or(format!("string {op} is not a valid operator for seccomp"))?;
    let index = number("index");
    if !(0..=5).contains(&index) {
        return Err(format!("index {index} of a seccomp argument is not between 0 and 5"));
    }
    Ok(Condition { index: index as u32, value: number("value") as u64, value_two: number("valueTwo") as u64, op })
}

/// Attaches the filter (`InitSeccomp`).
///
/// # Errors
/// What `runc` says.
pub(super) async fn attach(sys: &Sys, config: Option<&Json>) -> Result<(), String> {
    let Some(config) = config else { return Ok(()) };
    let Some(filter) = parse(config)? else { return Ok(()) };
    let program = filter.profile.compile();
    sys.seccomp_filter(filter.flags, &program)
        .await
        .map_err(|e| format!("unable to init seccomp: error loading seccomp filter into kernel: {}", errno(e)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_words_of_the_specification_are_understood() {
        let json = r#"{"defaultAction": "SCMP_ACT_ERRNO", "defaultErrnoRet": 38,
            "architectures": ["SCMP_ARCH_X86_64"], "flags": ["SECCOMP_FILTER_FLAG_LOG"],
            "syscalls": [{"names": ["read"], "action": "SCMP_ACT_ALLOW"},
                {"names": ["mkdir"], "action": "SCMP_ACT_ERRNO", "errnoRet": 13,
                 "args": [{"index": 1, "value": 511, "op": "SCMP_CMP_EQ"}]}]}"#;
        let filter = parse(&Json::parse(json).expect("json")).expect("right").expect("something");
        assert_eq!((filter.flags, filter.profile.default_action), (2, Action::Errno(38)));
        assert_eq!(filter.profile.rules[1].action, Action::Errno(13));
        assert_eq!(filter.profile.rules[1].args[0].value, 511);
        let wrong = |text: &str| parse(&Json::parse(text).expect("json")).expect_err("wrong");
        assert_eq!(wrong(r#"{"defaultAction": "KILL"}"#), "string KILL is not a valid action for seccomp");
        assert_eq!(
            wrong(r#"{"defaultAction": "SCMP_ACT_ALLOW", "architectures": ["SCMP_ARCH_VAX"]}"#),
            "error validating seccomp architecture: string SCMP_ARCH_VAX is not a valid arch for seccomp"
        );
    }
}
