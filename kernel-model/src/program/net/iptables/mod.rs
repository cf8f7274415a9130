//! `iptables`: the packet filter of a network namespace. Messages are those of iptables 1.8.9 (nf_tables); the
//! kernel is spoken to as iptables always did, by reading and replacing a whole table.

mod parse;
mod show;

use crate::errno::Errno;
use crate::net::netfilter::rule::{Rule, Target};
use crate::net::netfilter::wire::{IPT_SO_GET_ENTRIES, IPT_SO_SET_REPLACE};
use crate::net::netfilter::{Chain, Table};
use crate::net::socket::AF_INET;
use crate::program::Sys;
use crate::syscall::{Sysno, Value};
pub(super) use parse::SERVICES;
use parse::{Command, Wanted};

crate::program!(
    IPTABLES = "iptables" in "/usr/sbin",
    "show and change the packet filter",
    main,
    "  -t TABLE         filter (the usual one) or nat
  -A, -I, -D, -R, -C CHAIN [N] RULE   append, insert, delete, replace, check
  -L, -S [CHAIN]   list, as text or as commands; -n -v -x --line-numbers
  -N, -X, -E, -F, -Z, -P   chains: new, delete, rename, flush, zero, policy
  RULE: -s -d -p -i -o --sport --dport --icmp-type --syn -m state|conntrack|comment, ! before what must not be
  -j ACCEPT, DROP, REJECT, RETURN, LOG, MASQUERADE, SNAT, DNAT, REDIRECT or a chain"
);

const PREFIX: &str = "iptables v1.8.9 (nf_tables): ";
const TRY: &str = "Try `iptables -h' or 'iptables --help' for more information.\n";

/// Something that ends the program: the text and the status.
struct Failure(String, i32);

/// `iptables: TEXT.`
fn plain(text: &str) -> Failure {
    Failure(format!("iptables: {text}\n"), 1)
}

/// A message about the command line.
fn usage(text: &str) -> Failure {
    Failure(format!("{PREFIX}{text}\n{TRY}"), 2)
}

async fn main(sys: Sys) -> i32 {
    let words: Vec<String> = sys.argv().iter().skip(1).cloned().collect();
    match run(&sys, &words).await {
        Ok(()) => 0,
        Err(Failure(text, status)) => {
            sys.flush().await;
            sys.eprint(text).await;
            status
        }
    }
}

async fn run(sys: &Sys, words: &[String]) -> Result<(), Failure> {
    let wanted = parse::parse(words)?;
    let Some(command) = wanted.command else {
        if wanted.version {
            sys.print("iptables v1.8.9 (nf_tables)\n").await;
            return Ok(());
        }
        return Err(usage("no command specified"));
    };
    let socket = sys.call_int(Sysno::SOCKET, vec![AF_INET.into(), 3.into(), 255.into()]).await;
    let socket = socket.map_err(|e| {
        let text = format!("{PREFIX}Could not fetch rule set generation id: {e}");
        Failure(format!("{text}{}\n", if e == Errno::EPERM { " (you must be root)" } else { "" }), 4)
    })?;
    let name = wanted.table.as_deref().unwrap_or("filter");
    let args = vec![socket.into(), 0.into(), IPT_SO_GET_ENTRIES.into(), name.into(), Value::Null];
    let got = sys.call(Sysno::GETSOCKOPT, args).await;
    let table = got.ok().and_then(|r| Table::from_value(r.output(3)));
    let Some(mut table) = table else {
        let text = format!("table '{name}' does not exist\nPerhaps iptables or your kernel needs to be upgraded.\n");
        return Err(Failure(format!("{PREFIX}{text}"), 3));
    };
    match command {
        Command::List => return show::list(sys, &table, &wanted).await,
        Command::Spec => return show::spec(sys, &table, &wanted).await,
        Command::Check => return check(&table, &wanted),
        other => change(&mut table, other, &wanted)?,
    }
    let args = vec![socket.into(), 0.into(), IPT_SO_SET_REPLACE.into(), table.to_value(), 0.into()];
    sys.call(Sysno::SETSOCKOPT, args).await.map_err(|e| refused(command, &wanted, e))?;
    Ok(())
}

/// The kernel does not take the table.
fn refused(command: Command, wanted: &Wanted, e: Errno) -> Failure {
    let chain = wanted.chain.as_deref().unwrap_or("");
    let what = match command {
        Command::Append => "RULE_APPEND",
        Command::Insert => "RULE_INSERT",
        Command::Replace => "RULE_REPLACE",
        _ => return Failure(format!("{PREFIX}{e}\n"), 4),
    };
    Failure(format!("{PREFIX} {what} failed ({e}): rule in chain {chain}\n"), 4)
}

/// The chain that a command names.
fn chain_of<'t>(table: &'t mut Table, wanted: &Wanted) -> Result<&'t mut Chain, Failure> {
    let name = wanted.chain.as_deref().unwrap_or("");
    table.chains.iter_mut().find(|c| c.name == name).ok_or_else(|| plain("No chain/target/match by that name."))
}

/// The rule to be put in: a target that is no word of the language is a chain.
fn rule_of(table: &Table, wanted: &Wanted) -> Result<Rule, Failure> {
    let rule = wanted.rule.clone();
    if let Target::Jump(name) = &rule.target
        && !table.chains.iter().any(|c| c.name == *name && c.policy.is_none())
    {
        return Err(usage(&format!("Chain '{name}' does not exist")));
    }
    Ok(rule)
}

fn check(table: &Table, wanted: &Wanted) -> Result<(), Failure> {
    let name = wanted.chain.as_deref().unwrap_or("");
    let chain = table.chains.iter().find(|c| c.name == name);
    let chain = chain.ok_or_else(|| plain("No chain/target/match by that name."))?;
    let rule = rule_of(table, wanted)?;
    if chain.rules.iter().any(|r| r.same(&rule)) {
        Ok(())
    } else {
        Err(plain("Bad rule (does a matching rule exist in that chain?)."))
    }
}

fn change(table: &mut Table, command: Command, wanted: &Wanted) -> Result<(), Failure> {
    let name = wanted.chain.clone().unwrap_or_default();
    match command {
        Command::Append => {
            let rule = rule_of(table, wanted)?;
            chain_of(table, wanted)?.rules.push(rule);
        }
        Command::Insert => {
            let rule = rule_of(table, wanted)?;
            let rules = &mut chain_of(table, wanted)?.rules;
            let at = wanted.number.unwrap_or(1);
            if at == 0 || at > rules.len() + 1 {
                return Err(plain("Index of insertion too big."));
            }
            rules.insert(at - 1, rule);
        }
        Command::Replace => {
            let rule = rule_of(table, wanted)?;
            let rules = &mut chain_of(table, wanted)?.rules;
            let place = wanted.number.and_then(|n| rules.get_mut(n.wrapping_sub(1)));
            *place.ok_or_else(|| plain("Index of replacement too big."))? = rule;
        }
        Command::Delete => match wanted.number {
            Some(n) => {
                let rules = &mut chain_of(table, wanted)?.rules;
                if n == 0 || n > rules.len() {
                    return Err(plain("Index of deletion too big."));
                }
                rules.remove(n - 1);
            }
            None => {
                let rule = rule_of(table, wanted)?;
                let rules = &mut chain_of(table, wanted)?.rules;
                let at = rules.iter().position(|r| r.same(&rule));
                let at = at.ok_or_else(|| plain("Bad rule (does a matching rule exist in that chain?)."))?;
                rules.remove(at);
            }
        },
        Command::NewChain => {
            if table.chains.iter().any(|c| c.name == name) {
                return Err(plain("Chain already exists."));
            }
            table.chains.push(Chain { name, policy: None, counters: (0, 0), rules: Vec::new() });
        }
        Command::DeleteChain => delete_chain(table, wanted.chain.as_deref())?,
        Command::RenameChain => {
            let new = wanted.new_name.clone().unwrap_or_default();
            if table.chains.iter().any(|c| c.name == new) {
                return Err(plain("File exists."));
            }
            chain_of(table, wanted)?.name.clone_from(&new);
            for rule in table.chains.iter_mut().flat_map(|c| &mut c.rules) {
                if rule.target == Target::Jump(name.clone()) {
                    rule.target = Target::Jump(new.clone());
                }
            }
        }
        Command::Flush if wanted.chain.is_none() => table.chains.iter_mut().for_each(|c| c.rules.clear()),
        Command::Flush => chain_of(table, wanted)?.rules.clear(),
        Command::Zero => {
            for chain in table.chains.iter_mut().filter(|c| wanted.chain.is_none() || c.name == name) {
                chain.counters = (0, 0);
                chain.rules.iter_mut().for_each(|r| r.counters = (0, 0));
            }
        }
        Command::Policy => {
            let built_in = table.chains.iter().any(|c| c.name == name && c.policy.is_some());
            if !built_in {
                return Err(plain("Bad built-in chain name."));
            }
            let policy = match wanted.new_name.as_deref() {
                Some("ACCEPT") => true,
                Some("DROP") => false,
                _ => return Err(plain("Bad policy name. Run `dmesg' for more information.")),
            };
            chain_of(table, wanted)?.policy = Some(policy);
        }
        Command::List | Command::Spec | Command::Check => {}
    }
    Ok(())
}

/// Takes out a chain that nobody jumps to, or all such.
fn delete_chain(table: &mut Table, name: Option<&str>) -> Result<(), Failure> {
    let busy = |table: &Table, c: &Chain| {
        let jumps = |r: &Rule| r.target == Target::Jump(c.name.clone());
        c.policy.is_some() || !c.rules.is_empty() || table.chains.iter().any(|o| o.rules.iter().any(jumps))
    };
    match name {
        Some(name) => {
            let Some(chain) = table.chains.iter().find(|c| c.name == name) else {
                return Err(plain("No chain/target/match by that name."));
            };
            if busy(table, chain) {
                let text = format!("{PREFIX} CHAIN_DEL failed (Device or resource busy): chain {name}\n");
                return Err(Failure(text, 4));
            }
            table.chains.retain(|c| c.name != name);
        }
        None => {
            let gone: Vec<String> = table.chains.iter().filter(|c| !busy(table, c)).map(|c| c.name.clone()).collect();
            table.chains.retain(|c| !gone.contains(&c.name));
        }
    }
    Ok(())
}
