//! env(1) and printenv(1).

use crate::errno::Errno;
use crate::program;
use crate::program::Sys;
use crate::program::getopt::{Long, Spec, Takes};
use crate::program::quote::{quote, quoteaf};

program!(ENV = "env" in "/usr/bin", "run a program in a modified environment", env, "\
-i, --ignore-environment  start with an empty environment
-u, --unset NAME  remove a variable
-0, --null  end each output line with NUL, not newline
-C, --chdir DIR  change the working directory
NAME=VALUE...  set variables
COMMAND [ARG]...  what to run; without it the environment is printed");

program!(PRINTENV = "printenv" in "/usr/bin", "print all or part of environment", printenv, "\
-0, --null  end each output line with NUL, not newline");

const SPEC: Spec = Spec {
    short: "+iu:0C:",
    long: &[
        Long("ignore-environment", Takes::Nothing, 'i'),
        Long("null", Takes::Nothing, '0'),
        Long("unset", Takes::Value, 'u'),
        Long("chdir", Takes::Value, 'C'),
    ],
    unmodelled: "-S -v --split-string --debug --block-signal --default-signal --ignore-signal --list-signal-handling",
    failure: 125,
    ..Spec::COREUTILS
};

async fn env(sys: Sys) -> i32 {
    let options = match sys.getopt(&SPEC).await {
        Ok(options) => options,
        Err(status) => return status,
    };
    let mut operands = options.operands.as_slice();
    let mut clean = options.has('i');
    if let [first, rest @ ..] = operands
        && first == "-"
    {
        clean = true;
        operands = rest;
    }
    let mut environment = if clean { Vec::new() } else { sys.envp().to_vec() };
    for name in options.values('u') {
        if name.is_empty() || name.contains('=') {
            sys.error(format!("cannot unset {}: {}", quote(name), Errno::EINVAL)).await;
            return 125;
        }
        environment.retain(|v| v.split_once('=').is_none_or(|(n, _)| n != name));
    }
    while let [setting, rest @ ..] = operands {
        let Some((name, _)) = setting.split_once('=') else { break };
        match environment.iter_mut().find(|v| v.split_once('=').is_some_and(|(n, _)| n == name)) {
            Some(old) => old.clone_from(setting),
            None => environment.push(setting.clone()),
        }
        operands = rest;
    }
    let Some(program) = operands.first() else {
        let end = if options.has('0') { '\0' } else { '\n' };
        for variable in environment {
            sys.print(format!("{variable}{end}")).await;
        }
        return 0;
    };
    if options.has('0') {
        sys.error("cannot specify --null (-0) with command").await;
        sys.try_help().await;
        return 125;
    }
    if let Some(dir) = options.value('C')
        && let Err(e) = sys.chdir(dir).await
    {
        sys.error(format!("cannot change directory to {}: {e}", quoteaf(dir))).await;
        return 125;
    }
    let path = environment.iter().find_map(|v| v.strip_prefix("PATH=")).unwrap_or("/bin:/usr/bin");
    let e = exec_in_path(&sys, program, operands, &environment, path).await;
    sys.error(format!("{}: {e}", quote(program))).await;
    if e == Errno::ENOENT && program.contains(' ') {
        sys.error("use -[v]S to pass options in shebang lines").await;
    }
    if e == Errno::ENOENT { 127 } else { 126 }
}

/// execvpe(3): searches this `PATH`. Returns only when it fails.
pub(super) async fn exec_in_path(sys: &Sys, name: &str, argv: &[String], envp: &[String], path: &str) -> Errno {
    if name.contains('/') {
        return sys.execve(name, argv, envp).await;
    }
    let mut last = Errno::ENOENT;
    for dir in path.split(':') {
        let file = if dir.is_empty() { format!("./{name}") } else { format!("{dir}/{name}") };
        match sys.execve(&file, argv, envp).await {
            Errno::ENOENT | Errno::ENOTDIR => {}
            Errno::EACCES => last = Errno::EACCES,
            e => return e,
        }
    }
    last
}

async fn printenv(sys: Sys) -> i32 {
    const SPEC: Spec = Spec { short: "+0", long: &[Long("null", Takes::Nothing, '0')], failure: 2, ..Spec::COREUTILS };
    let options = match sys.getopt(&SPEC).await {
        Ok(options) => options,
        Err(status) => return status,
    };
    let end = if options.has('0') { '\0' } else { '\n' };
    if options.operands.is_empty() {
        for variable in sys.envp() {
            sys.print(format!("{variable}{end}")).await;
        }
        return 0;
    }
    let mut status = 0;
    for name in &options.operands {
        match sys.env(name) {
            Some(value) => sys.print(format!("{value}{end}")).await,
            None => status = 1,
        }
    }
    status
}
