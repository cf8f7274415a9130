//! How a shell begins: its arguments, its variables, where its commands come from.

use std::sync::Arc;

use super::state::{Frame, OPTION_NAMES, SourceKind, Var};
use super::{Shell, ShellState};
use crate::errno::Errno;
use crate::program::Sys;
use crate::program::libc::o;
use crate::task::signal::{Disposition, Signal};

/// Whether a variable name from the environment can be one of the shell's.
fn importable(name: &str) -> bool {
    super::word::is_name(name)
}

impl Shell {
    /// Begins. `Err` is the status with which it exits at once.
    pub(super) async fn start(sys: Sys) -> Result<Shell, i32> {
        let mut st = ShellState::default();
        for entry in sys.envp() {
            if let Some((name, value)) = entry.split_once('=')
                && importable(name)
            {
                if name == "_" {
                    st.last_argument = value.into();
                    continue;
                }
                st.vars.insert(name.into(), Var { value: Some(value.into()), exported: true, ..Var::default() });
            }
        }
        let called = sys.argv().first().cloned().unwrap_or_else(|| "sh".to_owned());
        st.name = called.trim_start_matches('-').into();
        st.options.bash = sys.name().trim_start_matches('-') == "bash";
        let mut shell = Shell::new(sys.clone(), st);
        shell.st.pid = sys.getpid().await;
        shell.st.ppid = sys.getppid().await;
        let arguments: Vec<String> = sys.argv().iter().skip(1).cloned().collect();
        shell.arguments(&arguments).await?;
        shell.variables().await;
        // Children that end in the background are collected at once.
        let _ = sys.sigaction(Signal::CHLD, Disposition::Handler { restart: true }).await;
        if shell.is_console() {
            let _ = sys.sigaction(Signal::INT, Disposition::Handler { restart: false }).await;
        }
        Ok(shell)
    }

    /// The variables that every shell has.
    async fn variables(&mut self) {
        let level = self.st.get("SHLVL").and_then(|v| v.parse::<i64>().ok()).unwrap_or(0) + 1;
        if !self.is_console() {
            let level = Var { value: Some(level.to_string().into()), exported: true, ..Var::default() };
            self.st.vars.insert("SHLVL".into(), level);
        }
        let plain = |value: &str| Var { value: Some(value.into()), ..Var::default() };
        for (name, value) in [("IFS", " \t\n"), ("OPTIND", "1"), ("PS4", "+ ")] {
            if name == "IFS" || self.st.get(name).is_none() {
                self.st.vars.insert(name.into(), plain(value));
            }
        }
        if self.st.get("PATH").is_none() {
            let path = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
            self.st.vars.insert("PATH".into(), plain(path));
        }
        let fixed = |value: String| Var { value: Some(value.into()), readonly: true, integer: true, ..Var::default() };
        self.st.vars.insert("PPID".into(), fixed(self.st.ppid.to_string()));
        self.st.vars.insert("BASH_VERSION".into(), plain("5.2.15(1)-release"));
        let (uid, euid) = (self.sys.getuid().await, self.sys.geteuid().await);
        self.st.vars.insert("UID".into(), fixed(uid.to_string()));
        self.st.vars.insert("EUID".into(), fixed(euid.to_string()));
        // PWD is believed when it names the working directory.
        let inherited = self.st.get("PWD").map(|v| v.to_string()).filter(|p| p.starts_with('/'));
        let believed = match &inherited {
            Some(pwd) => match (self.sys.stat(pwd).await, self.sys.stat(".").await) {
                (Ok(a), Ok(b)) => a.st_ino == b.st_ino && a.st_dev == b.st_dev,
                _ => false,
            },
            None => false,
        };
        let cwd = match inherited {
            Some(pwd) if believed => pwd,
            _ => self.sys.getcwd().await.unwrap_or_default(),
        };
        if !cwd.is_empty() {
            let exported = self.st.vars.get("PWD").is_some_and(|v| v.exported) || !believed;
            self.st.vars.insert("PWD".into(), Var { value: Some(cwd.as_str().into()), exported, ..Var::default() });
        }
        self.st.cwd = cwd;
    }

    /// Reads the options and finds out where the commands come from.
    async fn arguments(&mut self, arguments: &[String]) -> Result<(), i32> {
        let mut rest = arguments;
        let (mut command, mut standard_input, mut interactive) = (false, false, false);
        while let Some((first, more)) = rest.split_first() {
            if first == "--" || first == "-" {
                rest = more;
                break;
            }
            if let Some(name) = first.strip_prefix("--") {
                match name {
                    "posix" | "norc" | "noprofile" | "login" | "noediting" => {}
                    "version" => {
                        let text = "GNU bash, version 5.2.15(1)-release (x86_64-pc-linux-gnu)\n";
                        let _ = self.sys.write_all(1, text.as_bytes()).await;
                        return Err(0);
                    }
                    _ => {
                        self.sys.eprint(format!("{}: {first}: invalid option\n", self.st.name)).await;
                        return Err(2);
                    }
                }
                rest = more;
                continue;
            }
            let Some(on) = first.chars().next().filter(|c| (*c == '-' || *c == '+') && first.len() > 1) else { break };
            rest = more;
            for letter in first.chars().skip(1) {
                match letter {
                    'c' => command = true,
                    'o' => {
                        let Some((name, more)) = rest.split_first() else { break };
                        rest = more;
                        match self.st.options.by_name(name) {
                            Some(option) => *option = on == '-',
                            None if is_fixed(name) => {}
                            None => {
                                let text = format!("{}: line 0: {name}: invalid option name\n", self.st.name);
                                self.sys.eprint(text).await;
                                return Err(2);
                            }
                        }
                    }
                    's' => standard_input = true,
                    'i' => interactive = true,
                    'l' | 'm' | 'h' | 'b' | 'p' => {}
                    _ => match self.st.options.by_letter(letter) {
                        Some(option) => *option = on == '-',
                        None => {
                            let text = format!("{}: {on}{letter}: invalid option\n", self.st.name);
                            self.sys.eprint(text).await;
                            return Err(2);
                        }
                    },
                }
            }
        }
        if self.is_console() {
            self.st.reads_input = true;
            return Ok(());
        }
        self.st.frames.push_back(Frame::ProcessEnd);
        if command {
            let Some((text, rest)) = rest.split_first() else {
                self.sys.eprint(format!("{}: -c: option requires an argument\n", self.st.name)).await;
                return Err(2);
            };
            self.st.command_string = true;
            if let Some((name, rest)) = rest.split_first() {
                self.st.name = name.as_str().into();
                self.st.positional = rest.iter().map(|a| Arc::from(a.as_str())).collect();
            }
            let text = Arc::from(text.as_str());
            self.st.frames.push_back(Frame::Source { text, at: 0, line: 1, kind: SourceKind::CommandString });
            return Ok(());
        }
        let Some((file, rest)) = rest.split_first().filter(|_| !standard_input) else {
            self.st.positional = rest.iter().map(|a| Arc::from(a.as_str())).collect();
            self.st.reads_input = true;
            self.become_interactive(interactive).await;
            self.st.frames.push_back(Frame::Input { fd: 0, line: 1 });
            return Ok(());
        };
        self.st.positional = rest.iter().map(|a| Arc::from(a.as_str())).collect();
        let text = self.script(file).await?;
        self.st.name = file.as_str().into();
        self.st.frames.push_back(Frame::Source { text: text.into(), at: 0, line: 1, kind: SourceKind::Script });
        Ok(())
    }

    /// The text of a script.
    async fn script(&mut self, file: &str) -> Result<String, i32> {
        let fd = match self.sys.open(file, o::RDONLY | o::CLOEXEC, 0).await {
            Ok(fd) => fd,
            Err(e) if self.is_ash() => {
                self.sys.eprint(format!("{}: can't open '{file}': {e}\n", self.st.name)).await;
                return Err(2);
            }
            Err(e) => {
                self.sys.eprint(format!("{}: {file}: {e}\n", self.st.name)).await;
                return Err(if e == Errno::ENOENT { 127 } else { 126 });
            }
        };
        let bytes = self.sys.read_to_end(fd).await;
        let _ = self.sys.close(fd).await;
        match bytes {
            Ok(bytes) if looks_binary(&bytes) => {
                self.sys.eprint(format!("{file}: {file}: cannot execute binary file\n")).await;
                Err(126)
            }
            Ok(bytes) => Ok(String::from_utf8_lossy(&bytes).into_owned()),
            Err(e) => {
                self.sys.eprint(format!("{}: {file}: {e}\n", self.st.name)).await;
                Err(126)
            }
        }
    }
}

/// Whether the first line has a byte that no script has there.
pub(super) fn looks_binary(bytes: &[u8]) -> bool {
    bytes.iter().take(80).take_while(|b| **b != b'\n').any(|b| *b == 0)
}

/// Options of `set -o` that make no difference in this shell, with what bash says of them when nobody types into it;
/// those with an asterisk are on in POSIX mode only.
pub(super) const FIXED: [(&str, &str); 18] = [
    ("braceexpand", "on"),
    ("emacs", "off"),
    ("errtrace", "off"),
    ("functrace", "off"),
    ("hashall", "on"),
    ("histexpand", "off"),
    ("history", "off"),
    ("ignoreeof", "off"),
    ("interactive-comments", "on"),
    ("keyword", "off"),
    ("monitor", "off"),
    ("nolog", "off"),
    ("notify", "off"),
    ("onecmd", "off"),
    ("physical", "off"),
    ("posix", "on*"),
    ("privileged", "off"),
    ("vi", "off"),
];

/// Whether this is the name of an option that makes no difference here.
pub(super) fn is_fixed(name: &str) -> bool {
    FIXED.iter().any(|(n, _)| *n == name)
}

impl ShellState {
    /// `$-`.
    pub(super) fn option_letters(&self) -> String {
        let mut options = self.options;
        let mut letters: String =
            OPTION_NAMES.iter().filter(|(_, l)| options.by_letter(*l).is_some_and(|o| *o)).map(|(_, l)| *l).collect();
        letters.push('h');
        if self.interactive {
            letters.push('i');
        }
        letters.push('B');
        if self.command_string {
            letters.push('c');
        }
        if self.reads_input {
            letters.push('s');
        }
        letters
    }
}
