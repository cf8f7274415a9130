//! getent(1): entries of the databases in /etc.

use crate::program;
use crate::program::Sys;
use crate::program::getopt::Spec;

program!(GETENT = "getent" in "/usr/bin", "get entries from administrative databases", getent, "\
passwd [USER]...; group [GROUP]...; hosts [NAME]...; ahosts, services and others are not modelled
exit status 2: a key was not found");

const SPEC: Spec =
    Spec { short: "+", unmodelled: "-s -i --service --no-idn", version: "(GNU libc) 2.36", ..Spec::COREUTILS };

/// Databases of the real one that are not modelled.
const UNMODELLED: &[&str] = &[
    "ahosts",
    "ahostsv4",
    "ahostsv6",
    "aliases",
    "ethers",
    "gshadow",
    "initgroups",
    "netgroup",
    "networks",
    "protocols",
    "rpc",
    "services",
    "shadow",
];
const NOT_FOUND: i32 = 2;

async fn getent(sys: Sys) -> Result<i32, i32> {
    let options = sys.getopt(&SPEC).await?;
    let Some((database, keys)) = options.operands.split_first() else {
        sys.error("wrong number of arguments").await;
        sys.eprint("Try `getent --help' or `getent --usage' for more information.\n").await;
        return Err(1);
    };
    if UNMODELLED.contains(&database.as_str()) {
        sys.not_modelled(&format!("the database '{database}'")).await;
        return Err(1);
    }
    if !matches!(database.as_str(), "passwd" | "group" | "hosts") {
        sys.eprint(format!("Unknown database: {database}\n")).await;
        sys.eprint("Try `getent --help' or `getent --usage' for more information.\n").await;
        return Err(1);
    }
    let text = sys.read_file(&format!("/etc/{database}")).await.unwrap_or_default();
    let entries: Vec<&str> = text.lines().filter(|l| !l.trim().is_empty() && !l.starts_with('#')).collect();
    let is_hosts = database == "hosts";
    if keys.is_empty() {
        for entry in entries {
            sys.print(if is_hosts { host(entry) } else { format!("{entry}\n") }).await;
        }
        return Ok(0);
    }
    let mut status = 0;
    for key in keys {
        let fits = |entry: &&&str| {
            if is_hosts {
                return entry.split_whitespace().any(|w| w == key);
            }
            let mut fields = entry.split(':');
            fields.next() == Some(key) || (fields.nth(1) == Some(key) && key.bytes().all(|b| b.is_ascii_digit()))
        };
        match entries.iter().find(fits) {
            Some(entry) => sys.print(if is_hosts { host(entry) } else { format!("{entry}\n") }).await,
            None => status = NOT_FOUND,
        }
    }
    Ok(status)
}

/// The address in a column of its own.
fn host(entry: &str) -> String {
    let mut words = entry.split_whitespace();
    let address = words.next().unwrap_or_default();
    let names: Vec<&str> = words.collect();
    format!("{address:<15} {}\n", names.join(" "))
}
