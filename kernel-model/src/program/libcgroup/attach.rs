//! cgexec(1) and cgclassify(1): processes go into groups.

use super::hierarchy::{Mounted, Spec, mounted, write};
use super::{Failure, HELP, OPTIONS, options};
use crate::errno::Errno;
use crate::program;
use crate::program::Sys;
use crate::program::getopt::{Long, Options, Spec as Opts, Takes};

program!(CGEXEC = "cgexec" in "/usr/bin", "run a command in control groups", cgexec, "\
-g CONTROLLERS:PATH  the group
--sticky  accepted: there is no daemon that would move it
COMMAND [ARGUMENT]...");
program!(CGCLASSIFY = "cgclassify" in "/usr/bin", "move running processes to control groups", cgclassify, "\
-g CONTROLLERS:PATH  the group
--sticky, --cancel-sticky  accepted: there is no daemon that would move them
PID...");

const LONG: &[Long] = &[Long("sticky", Takes::Nothing, 's'), Long("cancel-sticky", Takes::Nothing, 'u'), HELP];

async fn cgexec(sys: Sys) -> Result<i32, i32> {
    const SPEC: Opts = Opts { short: "+g:h", long: LONG, failure: 1, ..OPTIONS };
    let options = options(&sys, &SPEC).await?;
    let Some(name) = options.operands.first() else {
        sys.eprint("Wrong input parameters, try cgexec --help' for more information.\n").await;
        return Err(1);
    };
    let specs = specs(&sys, &options).await?;
    if specs.is_empty() {
        // Without a group the rules of /etc/cgrules.conf would decide.
        sys.eprint("cgroup change of group failed\nError: failed to parse the configuration rules\n").await;
        return Err(99);
    }
    let pid = sys.getpid().await;
    let mounted = mounted(&sys).await;
    for spec in &specs {
        if let Err(failure) = attach(&sys, spec, pid, &mounted).await {
            sys.eprint("cgroup change of group failed\n").await;
            return Err(failure.status());
        }
    }
    let errno = sys.execvp(name, &options.operands).await;
    sys.eprint(errno.to_string()).await;
    Err(255)
}

async fn cgclassify(sys: Sys) -> Result<i32, i32> {
    const SPEC: Opts = Opts { short: "g:h", long: LONG, ..OPTIONS };
    let options = options(&sys, &SPEC).await?;
    if options.operands.is_empty() {
        sys.eprint("Wrong input parameters, try cgclassify -h' for more information.\n").await;
        return Err(2);
    }
    let specs = specs(&sys, &options).await?;
    if specs.is_empty() {
        sys.not_modelled("cgclassify without -g, by the rules of /etc/cgrules.conf,").await;
        return Err(1);
    }
    let mounted = mounted(&sys).await;
    let mut status = 0;
    for text in &options.operands {
        let Ok(pid) = text.parse::<i32>() else {
            sys.eprint(format!("Error: {text} is not valid pid.\n")).await;
            status = 2;
            continue;
        };
        for spec in &specs {
            if let Err(failure) = attach(&sys, spec, pid, &mounted).await {
                sys.eprint(format!("Error changing group of pid {pid}: {}\n", failure.text())).await;
                status = 1;
            }
        }
    }
    Ok(status)
}

async fn specs(sys: &Sys, given: &Options) -> Result<Vec<Spec>, i32> {
    let mut specs = Vec::new();
    for text in given.values('g') {
        match Spec::parse(text) {
            Some(spec) => specs.push(spec),
            None => {
                sys.error(format!("cgroup controller and path parsing failed ({text})")).await;
                return Err(255);
            }
        }
    }
    Ok(specs)
}

/// `cgroup_attach_task_pid`: into all hierarchies or, if one of the groups is not there, into none.
async fn attach(sys: &Sys, spec: &Spec, pid: i32, mounted: &[Mounted]) -> Result<(), Failure> {
    let places = spec.places(mounted)?;
    for (m, directory) in &places {
        let file = format!("{directory}/{}", m.tasks_file());
        sys.stat(&file).await.map_err(|_| Failure::NotExist)?;
    }
    for (m, directory) in &places {
        let file = format!("{directory}/{}", m.tasks_file());
        match write(sys, &file, &pid.to_string()).await {
            Ok(()) => {}
            Err(Errno::EPERM | Errno::EACCES) => return Err(Failure::NotAllowed),
            Err(errno) => return Err(Failure::Other(errno)),
        }
    }
    Ok(())
}
