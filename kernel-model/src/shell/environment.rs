//! The environment that a command gets, in bash's order: what the command line sets for it first, then the exported
//! variables, each in the order of their hash table (`make_env_array`).

use std::sync::Arc;

use super::state::ShellState;

/// Buckets of the table of variables (`VARIABLES_HASH_BUCKETS`).
const VARIABLES: u32 = 1024;
/// Buckets of the table of what is set for one command (`TEMPENV_HASH_BUCKETS`).
const TEMPORARY: u32 = 4;

/// bash's `hash_string`: FNV-1 in 32 bits.
fn hash(name: &str) -> u32 {
    name.bytes().fold(2_166_136_261, |hash: u32, byte| hash.wrapping_mul(16_777_619) ^ u32::from(byte))
}

impl ShellState {
    /// The environment of a command that is found at `path`. What is set for it alone is named in `temporary`, in the
    /// order of the command line.
    pub fn environment(&self, temporary: &[Arc<str>], path: &str) -> Vec<String> {
        // What came later stands first in its bucket.
        let mut own: Vec<&Arc<str>> = temporary.iter().rev().collect();
        own.sort_by_key(|name| hash(name) % TEMPORARY);
        let exported = self.vars.iter().filter(|(name, v)| v.exported && !temporary.contains(name) && &***name != "_");
        let mut others: Vec<&Arc<str>> = exported.map(|(name, _)| name).collect();
        others.sort_by_key(|name| hash(name) % VARIABLES);
        let mut all: Vec<String> = Vec::new();
        for name in own.into_iter().chain(others) {
            if let Some(value) = self.get(name) {
                all.push(format!("{name}={value}"));
            }
        }
        all.push(format!("_={path}"));
        all
    }
}

#[cfg(test)]
mod tests {
    use super::super::state::Var;
    use super::*;

    #[test]
    fn in_the_order_of_bash() {
        let mut st = ShellState::default();
        for name in ["A", "FOO", "HOME", "LANG", "LOGNAME", "PATH", "PWD", "SHELL", "SHLVL", "TERM", "USER", "ZED"] {
            st.vars.insert(name.into(), Var { value: Some("x".into()), exported: true, ..Var::default() });
        }
        for name in ["B", "AA", "BB"] {
            st.vars.insert(name.into(), Var { value: Some("t".into()), exported: true, ..Var::default() });
        }
        let temporary: Vec<Arc<str>> = ["B", "AA", "BB"].map(Arc::from).to_vec();
        let names: Vec<String> = st
            .environment(&temporary, "/usr/bin/env")
            .into_iter()
            .map(|entry| entry.split('=').next().unwrap_or_default().to_owned())
            .collect();
        assert_eq!(names.join(" "), "BB B AA SHELL ZED PWD LOGNAME A FOO HOME LANG TERM USER SHLVL PATH _");
    }
}
