//! The capability calls as libcap makes them, and the text forms of capability sets (cap_from_text(3)).

use crate::errno::Errno;
use crate::program::Sys;
use crate::security::capability::{Cap, CapSet, NAMES};
use crate::syscall::identity::capset::LINUX_CAPABILITY_VERSION_3;
use crate::syscall::{Sysno, Value};

/// The three classic sets of a thread.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Sets {
    /// What counts.
    pub effective: CapSet,
    /// What may be made effective.
    pub permitted: CapSet,
    /// What execve(2) may hand on.
    pub inheritable: CapSet,
}

fn header(pid: i32) -> Value {
    Value::record([("version", LINUX_CAPABILITY_VERSION_3.into()), ("pid", pid.into())])
}

#[allow(clippy::missing_errors_doc)] // each has the errors of its call
impl Sys {
    /// capget(2). Output at position 1.
    pub async fn capget(&self, pid: i32) -> Result<Sets, Errno> {
        let ret = self.call(Sysno::CAPGET, vec![header(pid), Value::Null]).await?;
        let set = |name| CapSet(ret.output(1).field(name).and_then(Value::as_int).unwrap_or(0) as u64);
        Ok(Sets { effective: set("effective"), permitted: set("permitted"), inheritable: set("inheritable") })
    }

    /// capset(2), for the caller itself.
    pub async fn capset(&self, sets: &Sets) -> Result<(), Errno> {
        let data = Value::record([
            ("effective", sets.effective.0.into()),
            ("permitted", sets.permitted.0.into()),
            ("inheritable", sets.inheritable.0.into()),
        ]);
        self.call(Sysno::CAPSET, vec![header(0), data]).await.map(drop)
    }

    /// setgroups(2).
    pub async fn setgroups(&self, groups: &[u32]) -> Result<(), Errno> {
        let list = groups.iter().map(|g| Value::from(*g)).collect();
        self.call(Sysno::SETGROUPS, vec![groups.len().into(), Value::List(list)]).await.map(drop)
    }
}

/// Which sets a clause is about: effective, permitted, inheritable.
const LETTERS: [(char, usize); 3] = [('e', 1), ('i', 4), ('p', 2)];

impl Sets {
    /// In which sets a capability is: the sum of 1 for effective, 2 for permitted, 4 for inheritable.
    fn state(&self, cap: Cap) -> usize {
        usize::from(self.effective.has(cap))
            + 2 * usize::from(self.permitted.has(cap))
            + 4 * usize::from(self.inheritable.has(cap))
    }

    /// Puts a capability into the sets of `bits` or takes it out of them.
    fn change(&mut self, cap: Cap, bits: usize, raise: bool) {
        for (bit, set) in [(1, &mut self.effective), (2, &mut self.permitted), (4, &mut self.inheritable)] {
            if bits & bit != 0 {
                *set = if raise { set.with(cap) } else { set.without(cap) };
            }
        }
    }

    /// cap_to_text(3): what most capabilities have comes first, then the groups that differ from it.
    pub fn to_text(&self) -> String {
        let all = || (0..NAMES.len() as u8).map(Cap);
        let count = |state: usize| all().filter(|c| self.state(*c) == state).count();
        let mut most = 7;
        for state in (0..7).rev() {
            if count(state) >= count(most) {
                most = state;
            }
        }
        let letters = |bits: usize| LETTERS.iter().filter(|(_, b)| bits & b != 0).map(|(c, _)| *c).collect::<String>();
        let mut clauses: Vec<String> = Vec::new();
        for state in (0..8).rev().filter(|s| *s != most && count(*s) > 0) {
            let names: Vec<String> =
                all().filter(|c| self.state(*c) == state).map(|c| c.name().to_lowercase()).collect();
            let mut clause = names.join(",");
            let (more, less) = (state & !most, most & !state);
            if more != 0 {
                // Against an empty background the first group needs no plus.
                clause.push(if most == 0 && clauses.is_empty() { '=' } else { '+' });
                clause.push_str(&letters(more));
            }
            if less != 0 {
                clause.push('-');
                clause.push_str(&letters(less));
            }
            clauses.push(clause);
        }
        if most != 0 || clauses.is_empty() {
            clauses.insert(0, format!("={}", letters(most)));
        }
        clauses.join(" ")
    }

    /// cap_from_text(3). `None` when the text is not in that form.
    pub fn from_text(text: &str) -> Option<Sets> {
        let mut sets = Sets::default();
        for clause in text.split_whitespace() {
            let at = clause.find(['=', '+', '-'])?;
            let (list, mut operators) = clause.split_at(at);
            let mut caps = CapSet::EMPTY;
            for name in list.split(',').filter(|_| !list.is_empty()) {
                if name.eq_ignore_ascii_case("all") {
                    caps = CapSet::FULL;
                } else {
                    caps = caps.with(named(name)?);
                }
            }
            if list.is_empty() {
                if !operators.starts_with('=') {
                    return None;
                }
                caps = CapSet::FULL;
            }
            while let Some(operator) = operators.chars().next() {
                let end = operators[1..].find(['=', '+', '-']).map_or(operators.len(), |i| i + 1);
                let mut bits = 0;
                for letter in operators[1..end].chars() {
                    bits |= LETTERS.iter().find(|(c, _)| *c == letter)?.1;
                }
                for cap in caps.iter() {
                    if operator == '=' {
                        sets.change(cap, 7, false);
                    }
                    sets.change(cap, bits, operator != '-');
                }
                operators = &operators[end..];
            }
        }
        Some(sets)
    }
}

/// cap_from_name(3): the name with `cap_`, or a number.
pub fn named(name: &str) -> Option<Cap> {
    let lower = name.to_ascii_lowercase();
    match lower.strip_prefix("cap_") {
        Some(short) => Cap::from_name(short),
        None => lower.parse::<u8>().ok().filter(|n| usize::from(*n) < NAMES.len()).map(Cap),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_forms_are_those_of_libcap() {
        let same = |text: &str, shown: &str| {
            assert_eq!(Sets::from_text(text).expect(text).to_text(), shown, "{text}");
        };
        same("cap_sys_admin+ep", "cap_sys_admin=ep");
        same("=", "=");
        same("=ep", "=ep");
        same("all+p", "=p");
        same("=ep cap_sys_resource-ep", "=ep cap_sys_resource-ep");
        same("cap_chown=p cap_kill+i", "cap_kill=i cap_chown+p");
        same("cap_chown+ep cap_kill+i", "cap_kill=i cap_chown+ep");
        assert_eq!(Sets::from_text("foo"), None);
        assert_eq!(Sets::from_text("cap_foo+ep"), None);
    }
}
