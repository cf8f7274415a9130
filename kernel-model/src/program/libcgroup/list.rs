//! lscgroup(1): which groups there are.

use super::hierarchy::{Mounted, Spec, groups_below, mounted};
use super::{HELP, OPTIONS, options};
use crate::program;
use crate::program::Sys;
use crate::program::getopt::Spec as Opts;

program!(LSCGROUP = "lscgroup" in "/usr/bin", "list control groups", lscgroup, "\
[-g] CONTROLLERS:PATH...  only this group and those below it");

async fn lscgroup(sys: Sys) -> Result<i32, i32> {
    const SPEC: Opts = Opts { short: "g:h", long: &[HELP], ..OPTIONS };
    let options = options(&sys, &SPEC).await?;
    let mounted = mounted(&sys).await;
    let asked: Vec<&str> = options.values('g').chain(options.operands.iter().map(String::as_str)).collect();
    if asked.is_empty() {
        let mut seen: Vec<&str> = Vec::new();
        for m in &mounted {
            if !seen.contains(&m.path.as_str()) {
                seen.push(&m.path);
                list(&sys, m, "", &mounted).await;
            }
        }
        return Ok(0);
    }
    for text in asked {
        let Some(spec) = Spec::parse(text) else {
            sys.error(format!("cgroup controller and path parsing failed ({text})")).await;
            return Err(255);
        };
        for controller in &spec.controllers {
            let Some(m) = mounted.iter().find(|m| m.controller == *controller) else {
                sys.error(format!("cannot find group {controller}..:{}: Cgroup operation failed", spec.path)).await;
                return Err(93);
            };
            list(&sys, m, spec.path.trim_matches('/'), &mounted).await;
        }
    }
    Ok(0)
}

/// A group and all below it. The one at which the list begins is a directory that ends in a slash.
async fn list(sys: &Sys, m: &Mounted, top: &str, mounted: &[Mounted]) {
    let together = mounted.iter().filter(|other| other.path == m.path).map(|other| other.controller.as_str());
    let controllers = together.collect::<Vec<_>>().join(",");
    if sys.stat(&m.directory(top)).await.is_err() {
        return;
    }
    let shown = if top.is_empty() { "/".to_owned() } else { format!("/{top}/") };
    sys.print(format!("{controllers}:{shown}\n")).await;
    for directory in groups_below(sys, &m.directory(top)).await {
        let group = directory.strip_prefix(&m.path).unwrap_or(&directory);
        sys.print(format!("{controllers}:{group}\n")).await;
    }
}
