//! Commands that the shell carries out itself.

mod control;
mod directories;
mod job;
mod lookup;
mod output;
mod place;
mod read;
mod shopt;
mod test;
mod vars;

use super::simple::Forking;
use super::{Flow, Run, Shell};

/// A command of the shell's own.
#[derive(Debug)]
pub struct Builtin {
    /// Its name.
    pub name: &'static str,
    /// One of POSIX' special ones: found before functions, assignments before it stay, its errors end a shell.
    pub special: bool,
    /// How it is called.
    pub synopsis: &'static str,
    /// What it does, in one line.
    pub summary: &'static str,
}

const fn builtin(name: &'static str, synopsis: &'static str, summary: &'static str) -> Builtin {
    Builtin { name, special: false, synopsis, summary }
}

const fn special(name: &'static str, synopsis: &'static str, summary: &'static str) -> Builtin {
    Builtin { name, special: true, synopsis, summary }
}

/// All of them, by name.
const BUILTINS: &[Builtin] = &[
    special(".", ". filename [arguments]", "run the commands of a file in this shell"),
    special(":", ": [arguments]", "do nothing, successfully"),
    builtin("[", "[ arg... ]", "evaluate a conditional expression"),
    builtin("alias", "alias [name[=value] ... ]", "define or show aliases"),
    builtin("bg", "bg [job_spec ...]", "let a stopped job go on (there is no job control here)"),
    special("break", "break [n]", "leave loops"),
    builtin("builtin", "builtin [shell-builtin [arg ...]]", "run a command of the shell's own"),
    builtin("cd", "cd [-L|[-P [-e]] [-@]] [dir]", "change the working directory"),
    builtin("command", "command [-vV] command [arg ...]", "run a command, not a function; or say what it is"),
    special("continue", "continue [n]", "begin the next turn of a loop"),
    builtin(
        "declare",
        "declare [-aAfFgiIlnrtux] [name[=value] ...] or declare -p [-aAfFilnrtux] [name ...]",
        "declare variables",
    ),
    builtin("dirs", "dirs [-clpv] [+N] [-N]", "show the stack of directories"),
    builtin("disown", "disown [-h] [-ar] [jobspec ... | pid ...]", "forget jobs"),
    builtin("echo", "echo [-neE] [arg ...]", "print arguments"),
    special("eval", "eval [arg ...]", "run the arguments as commands"),
    special(
        "exec",
        "exec [-cl] [-a name] [command [argument ...]] [redirection ...]",
        "replace the shell, or redirect it",
    ),
    special("exit", "exit [n]", "end the shell"),
    special("export", "export [-fn] [name[=value] ...] or export -p", "put variables into the environment"),
    builtin("false", "false", "do nothing, unsuccessfully"),
    builtin("fg", "fg [job_spec]", "bring a job to the foreground (there is no job control here)"),
    builtin("getopts", "getopts optstring name [arg ...]", "take options from arguments"),
    builtin("hash", "hash [-r] [name ...]", "remember where commands are"),
    builtin("jobs", "jobs [-lnprs] [jobspec ...] or jobs -x command [args]", "list jobs"),
    builtin("kill", "kill [-s sigspec | -n signum | -sigspec] pid | jobspec ... or kill -l [sigspec]", "send a signal"),
    builtin("let", "let arg [arg ...]", "evaluate arithmetic"),
    builtin("local", "local [name[=value] ...]", "declare variables of a function"),
    builtin("mapfile", "mapfile [-n count] [-s count] [-t] [-u fd] [array]", "read lines into an array"),
    builtin("printf", "printf [-v var] format [arguments]", "print arguments in a format"),
    builtin("pwd", "pwd [-LP]", "print the working directory"),
    builtin("popd", "popd [-n] [+N | -N]", "go back to the directory on top of the stack"),
    builtin("pushd", "pushd [-n] [+N | -N | dir]", "change the working directory and remember where one was"),
    builtin(
        "read",
        "read [-ers] [-a array] [-d delim] [-i text] [-n nchars] [-N nchars] [-p prompt] [-t timeout] [-u fd] [name ...]",
        "read a line into variables",
    ),
    builtin("readarray", "readarray [-n count] [-s count] [-t] [-u fd] [array]", "read lines into an array"),
    special("readonly", "readonly [-aAf] [name[=value] ...] or readonly -p", "make variables unchangeable"),
    special("return", "return [n]", "leave a function or a sourced file"),
    special("set", "set [-abefhkmnptuvxBCEHPT] [-o option-name] [--] [-] [arg ...]", "set options and parameters"),
    special("shift", "shift [n]", "drop positional parameters"),
    builtin(
        "shopt",
        "shopt [-pqsu] [-o] [optname ...]",
        "set options of bash (of them nullglob makes a difference here)",
    ),
    builtin("source", "source filename [arguments]", "run the commands of a file in this shell"),
    builtin("test", "test [expr]", "evaluate a conditional expression"),
    special("times", "times", "print processor times"),
    special("trap", "trap [-lp] [[arg] signal_spec ...]", "say what happens on signals and at the end"),
    builtin("true", "true", "do nothing, successfully"),
    builtin("type", "type [-apt] name [name ...]", "say what a command is"),
    builtin(
        "typeset",
        "typeset [-aAfFgiIlnrtux] name[=value] ... or typeset -p [-aAfFilnrtux] [name ...]",
        "declare variables",
    ),
    builtin("ulimit", "ulimit [-SHabcdefiklmnpqrstuvxPRT] [limit]", "show or set resource limits"),
    builtin("umask", "umask [-p] [-S] [mode]", "show or set the mode of new files"),
    builtin("unalias", "unalias [-a] name [name ...]", "remove aliases"),
    special("unset", "unset [-f] [-v] [-n] [name ...]", "remove variables and functions"),
    builtin("wait", "wait [-fn] [-p var] [id ...]", "wait for children"),
];

/// The commands of the shell's own, by name.
pub fn builtins() -> &'static [Builtin] {
    BUILTINS
}

/// The builtin of this name.
pub(super) fn find(name: &str) -> Option<&'static Builtin> {
    BUILTINS.iter().find(|b| b.name == name)
}

/// Whether this is a special builtin.
pub(super) fn is_special(name: &str) -> bool {
    find(name).is_some_and(|b| b.special)
}

impl Shell {
    /// Runs a builtin, writes what it has printed; its status.
    pub(super) async fn builtin(&mut self, builtin: &Builtin, words: &[String], forking: Forking) -> Run<i32> {
        self.out.clear();
        let status = self.run_builtin(builtin, words, forking).await?;
        let text = std::mem::take(&mut self.out);
        if text.is_empty() {
            return Ok(status);
        }
        // Standard output is line-buffered: what printf prints goes out line by line, what echo is given as one
        // argument up to its last newline at once.
        let chunks: Vec<&str> = match builtin.name {
            "printf" => text.split_inclusive('\n').collect(),
            "echo" => {
                let body = text.strip_suffix('\n').unwrap_or(&text);
                let cut = body.rfind('\n').map_or(0, |i| i + 1);
                vec![&text[..cut], &text[cut..]]
            }
            _ => vec![&text],
        };
        for chunk in chunks {
            if let Err(e) = self.write_out(chunk).await {
                self.complain(&format!("{}: write error: {e}", builtin.name)).await;
                return Ok(1);
            }
        }
        Ok(status)
    }

    async fn write_out(&mut self, text: &str) -> Result<(), crate::errno::Errno> {
        let mut bytes = text.as_bytes();
        while !bytes.is_empty() {
            match self.sys.write(1, bytes).await {
                Ok(n) => bytes = &bytes[n.min(bytes.len())..],
                Err(crate::errno::Errno::EINTR) if !self.interrupted() => {}
                Err(e) => return Err(e),
            }
        }
        Ok(())
    }

    async fn run_builtin(&mut self, builtin: &Builtin, words: &[String], forking: Forking) -> Run<i32> {
        let args = words.get(1..).unwrap_or_default();
        match builtin.name {
            ":" | "true" => Ok(0),
            "false" => Ok(1),
            "." | "source" => self.builtin_dot(builtin.name, args).await,
            "break" | "continue" => self.builtin_break(builtin.name, args).await,
            "builtin" | "command" => Box::pin(self.builtin_command(builtin.name, args, forking)).await,
            "eval" => self.builtin_eval(args).await,
            "exec" => self.builtin_exec(args).await,
            "exit" => self.builtin_exit(args).await,
            "return" => self.builtin_return(args).await,
            "set" => self.builtin_set(args).await,
            "shift" => self.builtin_shift(args).await,
            "alias" => self.builtin_alias(args).await,
            "unalias" => self.builtin_unalias(args).await,
            "declare" | "typeset" | "local" => self.builtin_declare(builtin.name, args).await,
            "export" | "readonly" => self.builtin_export(builtin.name, args).await,
            "unset" => self.builtin_unset(args).await,
            "let" => self.builtin_let(args).await,
            "getopts" => self.builtin_getopts(args).await,
            "read" => self.builtin_read(args).await,
            "mapfile" | "readarray" => self.builtin_mapfile(builtin.name, args).await,
            "shopt" => self.builtin_shopt(args).await,
            "pushd" | "popd" => self.builtin_pushd(builtin.name, args).await,
            "dirs" => self.builtin_dirs(args).await,
            "disown" => self.builtin_disown(args).await,
            "echo" => Ok(self.builtin_echo(args)),
            "printf" => self.builtin_printf(args).await,
            "test" => self.builtin_test("test", args).await,
            "[" => match args.split_last() {
                Some((last, args)) if last == "]" => self.builtin_test("[", args).await,
                _ => self.fail("[", "missing `]'", 2).await,
            },
            "bg" | "fg" => self.fail(builtin.name, "no job control", 1).await,
            "jobs" => self.builtin_jobs(args).await,
            "kill" => self.builtin_kill(args).await,
            "wait" => self.builtin_wait(args).await,
            "trap" => self.builtin_trap(args).await,
            "times" => Ok(self.builtin_times()),
            "cd" => self.builtin_cd(args).await,
            "pwd" => self.builtin_pwd(args).await,
            "umask" => self.builtin_umask(args).await,
            "ulimit" => self.builtin_ulimit(args).await,
            "hash" => self.builtin_hash(args).await,
            "type" => self.builtin_type(args).await,
            other => self.fail(other, "not modelled", 1).await,
        }
    }

    /// A message that begins with the builtin's name, and its status.
    async fn fail(&mut self, name: &str, message: &str, status: i32) -> Run<i32> {
        self.complain(&format!("{name}: {message}")).await;
        Ok(status)
    }

    /// A wrong option: the message and how the builtin is called.
    async fn bad_option(&mut self, name: &str, option: &str) -> Run<i32> {
        self.complain(&format!("{name}: {option}: invalid option")).await;
        self.usage(name).await
    }

    /// How the builtin is called, after a mistake.
    async fn usage(&mut self, name: &str) -> Run<i32> {
        let synopsis = find(name).map_or(name, |b| b.synopsis);
        if !self.is_ash() {
            self.sys.eprint(format!("{name}: usage: {synopsis}\n")).await;
        }
        self.misused(name)
    }

    /// A builtin was misused: a special one ends a shell that nobody types into, as POSIX wants it.
    fn misused(&self, name: &str) -> Run<i32> {
        if is_special(name) && !self.is_interactive() { Err(Flow::Abort(2)) } else { Ok(2) }
    }
}
