//! cgset(1) and cgget(1): what is written in the files of groups.

use super::hierarchy::{Mounted, Spec, mounted, write};
use super::{Failure, HELP, OPTIONS, options};
use crate::errno::Errno;
use crate::program;
use crate::program::Sys;
use crate::program::getopt::{Long, Spec as Opts, Takes};

program!(CGSET = "cgset" in "/usr/bin", "set parameters of control groups", cgset, "\
-r, --variable NAME=VALUE  what is set: the name of a file
PATH...  the groups");
program!(CGGET = "cgget" in "/usr/bin", "print parameters of control groups", cgget, "\
-r, --variable NAME  only this one
-g CONTROLLERS[:PATH]  all of these controllers; -a, --all: of all
-n  without the names of groups; -v, --values-only: without names of parameters
PATH...  the groups");

async fn cgset(sys: Sys) -> Result<i32, i32> {
    const SPEC: Opts =
        Opts { short: "r:h", long: &[Long("variable", Takes::Value, 'r'), HELP], unmodelled: "--copy-from", ..OPTIONS };
    if sys.argv().len() < 2 {
        sys.eprint("Usage is cgset -r <name=value> <relative path to cgroup>\n").await;
        return Err(255);
    }
    let options = options(&sys, &SPEC).await?;
    let mut pairs = Vec::new();
    for text in options.values('r') {
        match text.split_once('=') {
            Some((name, value)) if name.contains('.') => pairs.push((name, value)),
            _ => {
                sys.eprint(format!("wrong -r  parameter ({text})\n")).await;
                return Err(0);
            }
        }
    }
    if pairs.is_empty() {
        sys.error("no name-value pair was set").await;
        return Err(255);
    }
    let mounted = mounted(&sys).await;
    for group in &options.operands {
        if let Err(failure) = set(&sys, group, &pairs, &mounted).await {
            sys.error(format!("cgroup modify error: {} ", failure.text())).await;
            return Err(failure.status());
        }
    }
    Ok(0)
}

/// `cgroup_modify_cgroup`
async fn set(sys: &Sys, group: &str, pairs: &[(&str, &str)], mounted: &[Mounted]) -> Result<(), Failure> {
    for (name, value) in pairs {
        let m = controller_of(name, mounted).ok_or(Failure::NotMounted)?;
        let file = format!("{}/{name}", m.directory(group));
        match write(sys, &file, value).await {
            Ok(()) => {}
            Err(Errno::ENOENT | Errno::EACCES | Errno::EPERM) => return Err(Failure::ValueNotExist),
            Err(errno) => return Err(Failure::Other(errno)),
        }
    }
    Ok(())
}

/// A parameter belongs to the controller after which it is called.
fn controller_of<'a>(name: &str, mounted: &'a [Mounted]) -> Option<&'a Mounted> {
    let controller = name.split_once('.').map_or(name, |(controller, _)| controller);
    mounted.iter().find(|m| m.controller == controller)
}

async fn cgget(sys: Sys) -> Result<i32, i32> {
    const SPEC: Opts = Opts {
        short: "r:g:anvh",
        long: &[
            Long("variable", Takes::Value, 'r'),
            Long("all", Takes::Nothing, 'a'),
            Long("values-only", Takes::Nothing, 'v'),
            HELP,
        ],
        ..OPTIONS
    };
    let options = options(&sys, &SPEC).await?;
    let mounted = mounted(&sys).await;
    let mut groups: Vec<String> = options.operands.clone();
    let mut controllers: Vec<String> = Vec::new();
    for text in options.values('g') {
        match Spec::parse(text) {
            Some(spec) => {
                controllers.extend(spec.controllers);
                groups.push(spec.path);
            }
            None => controllers.extend(text.split(',').map(str::to_owned)),
        }
    }
    if groups.is_empty() {
        sys.eprint("Wrong input parameters, try cgget -h' for more information.\n").await;
        return Err(1);
    }
    let names: Vec<&str> = options.values('r').collect();
    let only_values = options.has('v');
    let mut status = 0;
    for group in &groups {
        let lines = match names.is_empty() {
            false => these(&sys, &names, group, &mounted, only_values).await,
            true => {
                let wanted = |m: &&Mounted| controllers.is_empty() || controllers.contains(&m.controller);
                let mut lines = String::new();
                for m in mounted.iter().filter(wanted) {
                    lines.push_str(&all_of(&sys, m, group, only_values).await);
                }
                Ok(lines)
            }
        };
        match lines {
            Ok(lines) if options.has('n') => sys.print(lines).await,
            Ok(lines) => sys.print(format!("{group}:\n{lines}\n")).await,
            Err(failure) => status = failure.status(),
        }
    }
    Ok(status)
}

/// The parameters with these names, or nothing if one of them cannot be had.
async fn these(
    sys: &Sys,
    names: &[&str],
    group: &str,
    mounted: &[Mounted],
    only_values: bool,
) -> Result<String, Failure> {
    let mut lines = String::new();
    for name in names {
        let Some(m) = controller_of(name, mounted) else {
            let controller = name.split_once('.').map_or(*name, |(controller, _)| controller);
            sys.error(format!("cannot find controller '{controller}' in group '{group}'")).await;
            return Err(Failure::Other(Errno::ENOENT));
        };
        match sys.read_file(&format!("{}/{name}", m.directory(group))).await {
            Ok(text) => lines.push_str(&shown(name, &text, only_values)),
            Err(errno) => {
                sys.eprint(format!("variable file read failed {errno}\n")).await;
                return Err(Failure::Other(errno));
            }
        }
    }
    Ok(lines)
}

/// Every parameter of a controller that can be read, in the order of the directory.
async fn all_of(sys: &Sys, m: &Mounted, group: &str, only_values: bool) -> String {
    let directory = m.directory(group);
    let mut lines = String::new();
    for entry in sys.read_dir(&directory).await.unwrap_or_default() {
        let is_own = entry.d_name.strip_prefix(m.controller.as_str()).is_some_and(|rest| rest.starts_with('.'));
        if is_own && let Ok(text) = sys.read_file(&format!("{directory}/{}", entry.d_name)).await {
            lines.push_str(&shown(&entry.d_name, &text, only_values));
        }
    }
    lines
}

/// A parameter; further lines of its value are moved in.
fn shown(name: &str, text: &str, only_values: bool) -> String {
    let value = text.trim_end_matches('\n').replace('\n', "\n\t");
    if only_values { format!("{value}\n") } else { format!("{name}: {value}\n") }
}
