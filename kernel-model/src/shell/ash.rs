//! What is different where the shell is busybox' ash: how it words its messages, and that it finds the applets of its own
//! file without looking into `PATH`. The language is bash's here, of which ash has the greater part.

use super::Shell;
use crate::errno::Errno;
use crate::program::coreutils::busybox;
use crate::syscall::identity::prctl::pr;
use crate::syscall::{Sysno, Value};

impl Shell {
    /// Whether this shell is an applet of busybox.
    pub(super) fn is_ash(&self) -> bool {
        self.sys.is_busybox()
    }

    /// The words of ash for what bash says so.
    pub(super) fn in_words_of_ash(message: &str) -> String {
        let ends = |end: &str| message.strip_suffix(end);
        let begins = |start: &str| message.strip_prefix(start);
        if let Some(name) = ends(": command not found") {
            return format!("{name}: not found");
        }
        if let Some(name) = ends(": unbound variable") {
            return format!("{}: parameter not set", name.trim_start_matches('$'));
        }
        if let Some(name) = ends(": readonly variable") {
            return format!("{name}: is read only");
        }
        if message.contains(": division by 0 ") {
            return "divide by zero".to_owned();
        }
        if let Some(rest) = begins("exec: ").or_else(|| begins("set: ")).or_else(|| begins("shift: ")) {
            let name = &message[..message.len() - rest.len() - 2];
            let rest = match rest.strip_suffix(": invalid option") {
                Some(option) => format!("illegal option {option}"),
                None => rest.to_owned(),
            };
            return format!("{name}: line 0: {rest}");
        }
        if let Some(rest) = begins("cd: ") {
            return format!("cd: line 0: can't cd to {rest}");
        }
        if let Some(path) = ends(": No such file or directory").filter(|path| !path.contains(": ")) {
            return format!("{path}: not found");
        }
        if let Some((pid, error)) = begins("kill: (").and_then(|rest| rest.split_once(") - ")) {
            return format!("can't kill pid {pid}: {error}");
        }
        message.to_owned()
    }

    /// The message about a file that cannot be opened (`redirect_open`, `errmsg`).
    pub(super) fn cannot_open(&self, path: &str, creates: bool, e: Errno) -> String {
        if !self.is_ash() {
            return format!("{path}: {e}");
        }
        let why = match e {
            Errno::ENOENT | Errno::ENOTDIR if creates => "nonexistent directory".to_owned(),
            Errno::ENOENT | Errno::ENOTDIR => "no such file".to_owned(),
            e => e.to_string(),
        };
        format!("can't {} {path}: {why}", if creates { "create" } else { "open" })
    }

    /// Runs an applet in this process, which is the shell's child already; those that busybox does not let run so are
    /// executed from `/proc/self/exe`. The status, or `None` when it is no applet or cannot be executed.
    pub(super) async fn run_applet(&mut self, words: &[String]) -> Option<i32> {
        let name = words.first()?;
        if !self.is_ash() || !busybox::is_applet(name) {
            return None;
        }
        if busybox::runs_in_place(name) {
            let _ = self.sys.call(Sysno::PRCTL, vec![pr::SET_NAME.into(), Value::from(name.as_str())]).await;
            let status = busybox::applet(&self.sys, words.to_vec()).await;
            self.sys.flush().await;
            return Some(status);
        }
        let envp = self.st.environment(&[], "/proc/self/exe");
        let _ = self.sys.execve("/proc/self/exe", words, &envp).await;
        None
    }
}
