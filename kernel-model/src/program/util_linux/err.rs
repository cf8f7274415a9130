//! Messages as err(3) and warn(3) write them, and what the tools that start other programs have in common.

use crate::errno::Errno;
use crate::program::Sys;
use crate::task::signal::{Disposition, SigSet, Signal};

/// The program to start was not found (`EX_EXEC_ENOENT`).
const EXEC_ENOENT: i32 = 127;
/// The program to start could not be started (`EX_EXEC_FAILED`).
const EXEC_FAILED: i32 = 126;

impl Sys {
    /// warnx(3): `NAME: message`.
    pub async fn warnx(&self, message: impl AsRef<str>) {
        self.flush().await;
        self.eprint(format!("{}: {}\n", self.name(), message.as_ref())).await;
    }

    /// warn(3): `NAME: message: the error's text`.
    pub async fn warn(&self, message: impl AsRef<str>, e: Errno) {
        self.warnx(format!("{}: {e}", message.as_ref())).await;
    }

    /// Becomes the command, or `$SHELL` when there is none; the exit status when that fails.
    pub async fn exec_command_or_shell(&self, command: &[String]) -> i32 {
        let Some(program) = command.first() else {
            let shell = self.env("SHELL").filter(|s| !s.is_empty()).unwrap_or("/bin/sh").to_owned();
            let arg0 = format!("-{}", shell.rsplit('/').next().unwrap_or(&shell));
            let envp = self.envp().to_vec();
            let e = self.execve(&shell, &[arg0], &envp).await;
            return self.exec_failed(&shell, e).await;
        };
        let e = self.execvp(program, command).await;
        self.exec_failed(program, e).await
    }

    /// execvpe(3): execvp(3) with another environment, in whose `PATH` the program is looked for.
    pub async fn execvpe(&self, name: &str, argv: &[String], envp: &[String]) -> Errno {
        if name.contains('/') {
            return self.execve(name, argv, envp).await;
        }
        let path = envp.iter().find_map(|v| v.strip_prefix("PATH=")).unwrap_or("/bin:/usr/bin");
        let mut last = Errno::ENOENT;
        for dir in path.split(':') {
            match self.execve(&format!("{dir}/{name}"), argv, envp).await {
                Errno::ENOENT | Errno::ENOTDIR => {}
                Errno::EACCES => last = Errno::EACCES,
                e => return e,
            }
        }
        last
    }

    /// Says that a program could not be started; the exit status for that.
    pub async fn exec_failed(&self, program: &str, e: Errno) -> i32 {
        self.warn(format!("failed to execute {program}"), e).await;
        if e == Errno::ENOENT { EXEC_ENOENT } else { EXEC_FAILED }
    }

    /// Ends as a child has ended that was killed: by the same signal.
    pub async fn die_of(&self, signal: Signal) {
        // Neither can fail in a way that matters: the signal kills or the caller exits.
        let _ = self.sigaction(signal, Disposition::Default).await;
        let mut set = SigSet::EMPTY;
        set.insert(signal);
        let _ = self.sigprocmask(1, set).await;
        let own = self.getpid().await;
        let _ = self.kill(own, i64::from(signal.0)).await;
    }
}
