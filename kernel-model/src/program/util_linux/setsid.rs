//! `setsid`: runs a program in a session of its own.

use crate::program::Sys;
use crate::program::getopt::{Long, Spec, Takes};
use crate::syscall::Sysno;

crate::program!(
    SETSID = "setsid" in "/usr/bin",
    "run a program in a new session",
    main,
    "  -c, --ctty  make the terminal of standard input that of the new session
  -f, --fork  always fork
  -w, --wait  wait for the program and return its status"
);

const SPEC: Spec = Spec {
    short: "+cfw",
    long: &[Long("ctty", Takes::Nothing, 'c'), Long("fork", Takes::Nothing, 'f'), Long("wait", Takes::Nothing, 'w')],
    unmodelled: "",
    version: "from util-linux 2.38.1",
    failure: 1,
};

async fn main(sys: Sys) -> i32 {
    let options = match sys.getopt(&SPEC).await {
        Ok(options) => options,
        Err(status) => return status,
    };
    if options.operands.is_empty() {
        sys.warnx("no command specified").await;
        sys.try_help().await;
        return 1;
    }
    let group = sys.call(Sysno::GETPGRP, vec![]).await.map_or(0, |r| r.value);
    // The leader of a process group cannot become the leader of a session.
    if options.has('f') || group == i64::from(sys.getpid().await) {
        match sys.fork().await {
            Ok(0) => {}
            Ok(_) if !options.has('w') => return 0,
            Ok(child) => {
                return match sys.wait4(child, 0).await {
                    Ok((_, status)) => match status.exited() {
                        Some(n) => n,
                        None => {
                            sys.warnx(format!("child {child} did not exit normally")).await;
                            status.0
                        }
                    },
                    Err(e) => {
                        sys.warn("wait", e).await;
                        1
                    }
                };
            }
            Err(e) => {
                sys.warn("fork", e).await;
                return 1;
            }
        }
    }
    if let Err(e) = sys.setsid().await {
        sys.warn("setsid failed", e).await;
        return 1;
    }
    if options.has('c')
        && let Err(e) = sys.set_controlling_tty(0, true).await
    {
        sys.warn("failed to set the controlling terminal", e).await;
        return 1;
    }
    sys.exec_command_or_shell(&options.operands).await
}
