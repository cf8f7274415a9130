//! Hooks: programs that run at stages of a container's life and read its state from standard input.

use super::super::golang::errno;
use super::super::json::Json;
use super::super::oci::Hook;
use crate::program::Sys;
use crate::program::libc::o;

/// Runs the hooks of a stage, one after the other.
///
/// # Errors
/// What `runc` says of the first one that fails.
pub(super) async fn run(sys: &Sys, hooks: &[(String, Hook)], stage: &str, state: &Json) -> Result<(), String> {
    for (i, (_, hook)) in hooks.iter().filter(|(s, _)| s == stage).enumerate() {
        one(sys, hook, state).await.map_err(|e| format!("error running hook #{i}: {e}"))?;
    }
    Ok(())
}

async fn one(sys: &Sys, hook: &Hook, state: &Json) -> Result<(), String> {
    let (reads, writes) = sys.pipe(o::CLOEXEC).await.map_err(errno)?;
    match sys.fork().await.map_err(errno)? {
        0 => {
            // Both descriptors are open.
            let _ = sys.dup2(reads, 0).await;
            let args = if hook.args.is_empty() { vec![hook.path.clone()] } else { hook.args.clone() };
            let e = sys.execve(&hook.path, &args, &hook.env).await;
            sys.eprint(format!("fork/exec {}: {}\n", hook.path, errno(e))).await;
            sys.exit(127).await;
            Ok(())
        }
        pid => {
            // A hook that does not read its input is no failure.
            let _ = sys.write_all(writes, state.compact().as_bytes()).await;
            let _ = sys.close(writes).await;
            let _ = sys.close(reads).await;
            match sys.wait4(pid, 0).await {
                Ok((_, status)) if status.exited() == Some(0) => Ok(()),
                Ok((_, status)) => Err(format!("exit status {}", status.shell_status())),
                Err(e) => Err(errno(e)),
            }
        }
    }
}
