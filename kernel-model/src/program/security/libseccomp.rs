//! From a list of calls and actions, as an OCI profile has it, to a filter program: what libseccomp does for
//! container runtimes.
//!
//! The program looks at the architecture first, then compares the number of the call with each that has rules,
//! and tests arguments in two halves of 32 bits, because the machine has no longer words ([`crate::security::bpf`]).

use std::collections::BTreeMap;

use crate::errno::Errno;
use crate::program::Sys;
use crate::security::bpf::{Insn, Program, op};
use crate::security::seccomp::{ARCH_X86_64, Action};
use crate::syscall::identity::prctl::pr;
use crate::syscall::identity::seccomp::to_value;
use crate::syscall::{Sysno, Value};

/// What is to become of calls.
#[derive(Clone, PartialEq, Debug)]
pub struct Profile {
    /// What becomes of calls without a rule (`defaultAction`).
    pub default_action: Action,
    /// The rules. For one call they are tried in this order, but one without conditions replaces all others.
    pub rules: Vec<Rule>,
    /// Calls with higher numbers than any in the profile fail with ENOSYS instead, as runc has it: the C library
    /// then falls back to an older call.
    pub newer_calls_are_unknown: bool,
}

/// What is to become of some calls (an entry of `syscalls`).
#[derive(Clone, PartialEq, Debug)]
pub struct Rule {
    /// The names of the calls; names that this architecture does not have are passed over.
    pub names: Vec<String>,
    /// What becomes of them.
    pub action: Action,
    /// Only when all of these hold. Several about the same argument are alternatives, as in runc.
    pub args: Vec<Condition>,
}

/// A condition on one argument (an entry of `args`).
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Condition {
    /// Which argument, 0 to 5.
    pub index: u32,
    /// What it is compared with; for `MaskedEq` the mask.
    pub value: u64,
    /// For `MaskedEq`: what the masked argument is compared with.
    pub value_two: u64,
    /// How.
    pub op: Comparison,
}

/// How an argument is compared (`SCMP_CMP_*`).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[allow(missing_docs)] // the comparisons of seccomp_rule_add(3)
pub enum Comparison {
    Ne,
    Lt,
    Le,
    Eq,
    Ge,
    Gt,
    MaskedEq,
}

impl Comparison {
    /// The comparison with this name in a profile, such as `SCMP_CMP_EQ`.
    pub fn from_name(name: &str) -> Option<Comparison> {
        Some(match name {
            "SCMP_CMP_NE" => Comparison::Ne,
            "SCMP_CMP_LT" => Comparison::Lt,
            "SCMP_CMP_LE" => Comparison::Le,
            "SCMP_CMP_EQ" => Comparison::Eq,
            "SCMP_CMP_GE" => Comparison::Ge,
            "SCMP_CMP_GT" => Comparison::Gt,
            "SCMP_CMP_MASKED_EQ" => Comparison::MaskedEq,
            _ => return None,
        })
    }
}

/// The action with this name in a profile, such as `SCMP_ACT_ERRNO`; `errno` is its `errnoRet`, 1 (EPERM) if not given.
pub fn action_from_name(name: &str, errno: Option<u16>) -> Option<Action> {
    let errno = errno.unwrap_or(1);
    Some(match name {
        "SCMP_ACT_KILL" | "SCMP_ACT_KILL_THREAD" => Action::KillThread,
        "SCMP_ACT_KILL_PROCESS" => Action::KillProcess,
        "SCMP_ACT_TRAP" => Action::Trap(0),
        "SCMP_ACT_ERRNO" => Action::Errno(errno),
        "SCMP_ACT_TRACE" => Action::Trace(errno),
        "SCMP_ACT_ALLOW" => Action::Allow,
        "SCMP_ACT_LOG" => Action::Log,
        "SCMP_ACT_NOTIFY" => Action::UserNotif,
        _ => return None,
    })
}

/// What one call gets: rules with conditions in their order, and at the end perhaps one without.
type Chain = Vec<(Vec<Condition>, Action)>;

impl Profile {
    /// The filter program.
    pub fn compile(&self) -> Program {
        let ret = |action: Action| Insn::stmt(op::RET | op::K, action.to_ret());
        let jeq = op::JMP | op::JEQ | op::K;
        let chains = self.chains();
        let mut out = vec![
            Insn::stmt(op::LD | op::ABS, 4),
            Insn::jump(jeq, ARCH_X86_64, 1, 0),
            ret(Action::KillThread),
            Insn::stmt(op::LD | op::ABS, 0),
        ];
        let highest = chains.keys().next_back().copied();
        if let Some(highest) = highest.filter(|_| self.newer_calls_are_unknown && self.default_action != Action::Allow)
        {
            out.push(Insn::jump(op::JMP | op::JGT | op::K, highest, 0, 1));
            out.push(ret(Action::Errno(Errno::ENOSYS.number() as u16)));
        }
        for (nr, chain) in chains {
            let body = chain_insns(nr, &chain);
            match u8::try_from(body.len()) {
                Ok(skip) => out.push(Insn::jump(jeq, nr, 0, skip)),
                // Too far for a condition: it skips a long jump instead.
                Err(_) => {
                    out.push(Insn::jump(jeq, nr, 1, 0));
                    out.push(Insn::stmt(op::JMP | op::JA, body.len() as u32));
                }
            }
            out.extend(body);
        }
        out.push(ret(self.default_action));
        Program(out.into())
    }

    /// The rules by the number of the call.
    fn chains(&self) -> BTreeMap<u32, Chain> {
        let mut chains: BTreeMap<u32, Chain> = BTreeMap::new();
        for rule in self.rules.iter().filter(|r| r.action != self.default_action) {
            for nr in rule.names.iter().filter_map(|name| Sysno::from_name(name)) {
                let chain = chains.entry(u32::from(nr.0)).or_default();
                if chain.iter().any(|(conditions, _)| conditions.is_empty()) {
                    continue;
                }
                if rule.args.is_empty() {
                    *chain = vec![(Vec::new(), rule.action)];
                } else if same_argument_twice(&rule.args) {
                    chain.extend(rule.args.iter().map(|c| (vec![*c], rule.action)));
                } else {
                    chain.push((rule.args.clone(), rule.action));
                }
            }
        }
        chains
    }
}

fn same_argument_twice(conditions: &[Condition]) -> bool {
    conditions.iter().enumerate().any(|(i, c)| conditions[..i].iter().any(|before| before.index == c.index))
}

/// What is done when the number of a call fits; afterwards the accumulator holds the number again.
fn chain_insns(nr: u32, chain: &Chain) -> Vec<Insn> {
    let mut out = Vec::new();
    for (conditions, action) in chain {
        let mut rule = Vec::new();
        for condition in conditions {
            condition_insns(condition, &mut rule);
        }
        rule.push((Insn::stmt(op::RET | op::K, action.to_ret()), Goes::ON));
        let end = rule.len();
        for (at, (mut insn, goes)) in rule.into_iter().enumerate() {
            // Distances inside one rule are small: at most six conditions of five instructions.
            let fails = (end - at - 1) as u8;
            if let Some(jt) = goes.then.distance(fails) {
                insn.jt = jt;
            }
            if let Some(jf) = goes.or_else.distance(fails) {
                insn.jf = jf;
            }
            out.push(insn);
        }
    }
    if chain.last().is_some_and(|(conditions, _)| !conditions.is_empty()) {
        out.push(Insn::stmt(op::LD | op::IMM, nr));
    }
    out
}

/// Where a jump inside a rule goes.
#[derive(Clone, Copy)]
enum To {
    /// So many instructions further on.
    Skip(u8),
    /// To the end of the rule, which does not fit.
    Fail,
}

impl To {
    fn distance(self, fails: u8) -> Option<u8> {
        match self {
            To::Skip(0) => None,
            To::Skip(n) => Some(n),
            To::Fail => Some(fails),
        }
    }
}

#[derive(Clone, Copy)]
struct Goes {
    then: To,
    or_else: To,
}

impl Goes {
    const ON: Goes = Goes { then: To::Skip(0), or_else: To::Skip(0) };
}

/// The test of one argument: falls through when it holds.
fn condition_insns(c: &Condition, out: &mut Vec<(Insn, Goes)>) {
    let low_at = 16 + 8 * c.index.min(5);
    let load = |at| (Insn::stmt(op::LD | op::ABS, at), Goes::ON);
    let test = |what: u16, k: u32, then, or_else| (Insn::stmt(op::JMP | what | op::K, k), Goes { then, or_else });
    let mask = |k: u32| (Insn::stmt(op::ALU | op::AND | op::K, k), Goes::ON);
    let (low, high) = (c.value as u32, (c.value >> 32) as u32);
    match c.op {
        Comparison::Eq => out.extend([
            load(low_at + 4),
            test(op::JEQ, high, To::Skip(0), To::Fail),
            load(low_at),
            test(op::JEQ, low, To::Skip(0), To::Fail),
        ]),
        Comparison::Ne => out.extend([
            load(low_at + 4),
            test(op::JEQ, high, To::Skip(0), To::Skip(2)),
            load(low_at),
            test(op::JEQ, low, To::Fail, To::Skip(0)),
        ]),
        Comparison::Ge | Comparison::Gt => {
            let what = if c.op == Comparison::Ge { op::JGE } else { op::JGT };
            out.extend([
                load(low_at + 4),
                test(op::JGT, high, To::Skip(3), To::Skip(0)),
                test(op::JEQ, high, To::Skip(0), To::Fail),
                load(low_at),
                test(what, low, To::Skip(0), To::Fail),
            ]);
        }
        Comparison::Lt | Comparison::Le => {
            let what = if c.op == Comparison::Lt { op::JGE } else { op::JGT };
            out.extend([
                load(low_at + 4),
                test(op::JGT, high, To::Fail, To::Skip(0)),
                test(op::JEQ, high, To::Skip(0), To::Skip(2)),
                load(low_at),
                test(what, low, To::Fail, To::Skip(0)),
            ]);
        }
        Comparison::MaskedEq => out.extend([
            load(low_at + 4),
            mask(high),
            test(op::JEQ, (c.value_two >> 32) as u32, To::Skip(0), To::Fail),
            load(low_at),
            mask(low),
            test(op::JEQ, c.value_two as u32, To::Skip(0), To::Fail),
        ]),
    }
}

impl Sys {
    /// Sets no_new_privs (prctl(2)).
    ///
    /// # Errors
    /// The call's own.
    pub async fn set_no_new_privs(&self) -> Result<(), Errno> {
        self.prctl(pr::SET_NO_NEW_PRIVS, [1, 0, 0, 0]).await.map(drop)
    }

    /// Attaches a filter to the calling thread (seccomp(2) with SECCOMP_SET_MODE_FILTER).
    ///
    /// # Errors
    /// The call's own: EACCES without no_new_privs or CAP_SYS_ADMIN.
    pub async fn seccomp_filter(&self, flags: u64, program: &Program) -> Result<(), Errno> {
        const SET_MODE_FILTER: i64 = 1;
        let args: Vec<Value> = vec![SET_MODE_FILTER.into(), flags.into(), to_value(program)];
        self.call(Sysno::SECCOMP, args).await.map(drop)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::security::seccomp::{DATA_SIZE, SeccompData};
    use crate::syscall::Call;

    fn answer(program: &Program, nr: Sysno, args: &[i64]) -> Action {
        let call = Call { nr, args: args.iter().map(|n| Value::Int(*n)).collect() };
        Action::from_ret(program.run(&SeccompData::of(&call).words()).0)
    }

    fn rule(names: &[&str], action: Action, args: &[Condition]) -> Rule {
        Rule { names: names.iter().map(|n| (*n).to_owned()).collect(), action, args: args.to_vec() }
    }

    fn condition(index: u32, op: Comparison, value: u64) -> Condition {
        Condition { index, value, value_two: 0, op }
    }

    #[test]
    fn a_list_of_allowed_calls() {
        let profile = Profile {
            default_action: Action::Errno(1),
            rules: vec![
                rule(&["read", "write", "no_such_call"], Action::Allow, &[]),
                rule(&["mount"], Action::KillProcess, &[]),
                rule(
                    &["clone"],
                    Action::Allow,
                    &[Condition { index: 0, value: 0x7e02_0000, value_two: 0, op: Comparison::MaskedEq }],
                ),
            ],
            newer_calls_are_unknown: true,
        };
        let program = profile.compile();
        assert_eq!(program.check(DATA_SIZE), Ok(()));
        assert_eq!(answer(&program, Sysno::READ, &[0]), Action::Allow);
        assert_eq!(answer(&program, Sysno::MOUNT, &[]), Action::KillProcess);
        assert_eq!(answer(&program, Sysno::OPEN, &[]), Action::Errno(1));
        assert_eq!(answer(&program, Sysno::CLONE, &[17]), Action::Allow);
        assert_eq!(answer(&program, Sysno::CLONE, &[0x1000_0011]), Action::Errno(1));
        assert_eq!(answer(&program, Sysno::CLONE3, &[]), Action::Errno(38));
    }

    #[test]
    fn every_comparison_on_both_halves() {
        let big = 5u64 << 32 | 7;
        let values = [0, 7, big - 1, big, big + 1, big + (1 << 32), u64::MAX];
        type Holds = fn(u64, u64) -> bool;
        let cases: [(Comparison, Holds); 6] = [
            (Comparison::Eq, |a, b| a == b),
            (Comparison::Ne, |a, b| a != b),
            (Comparison::Lt, |a, b| a < b),
            (Comparison::Le, |a, b| a <= b),
            (Comparison::Ge, |a, b| a >= b),
            (Comparison::Gt, |a, b| a > b),
        ];
        for (op, holds) in cases {
            let profile = Profile {
                default_action: Action::Allow,
                rules: vec![rule(&["dup"], Action::Trap(0), &[condition(0, op, big)])],
                newer_calls_are_unknown: false,
            };
            let program = profile.compile();
            assert_eq!(program.check(DATA_SIZE), Ok(()));
            for value in values {
                let expected = if holds(value, big) { Action::Trap(0) } else { Action::Allow };
                assert_eq!(answer(&program, Sysno::DUP, &[value as i64]), expected, "{op:?} {value:#x}");
            }
        }
    }

    #[test]
    fn conditions_on_one_argument_are_alternatives_and_others_hold_together() {
        let either = [condition(0, Comparison::Eq, 1), condition(0, Comparison::Eq, 2)];
        let both = [condition(0, Comparison::Eq, 1), condition(1, Comparison::Eq, 2)];
        let profile = Profile {
            default_action: Action::Allow,
            rules: vec![rule(&["dup"], Action::Errno(1), &either), rule(&["dup2"], Action::Errno(1), &both)],
            newer_calls_are_unknown: false,
        };
        let program = profile.compile();
        assert_eq!(answer(&program, Sysno::DUP, &[2]), Action::Errno(1));
        assert_eq!(answer(&program, Sysno::DUP, &[3]), Action::Allow);
        assert_eq!(answer(&program, Sysno::DUP2, &[1, 2]), Action::Errno(1));
        assert_eq!(answer(&program, Sysno::DUP2, &[1, 3]), Action::Allow);
    }
}
