//! `su`: runs a shell as another user. Root may become anyone without a password; nobody else may, as the
//! standard world's `/etc/pam.d/su` says.

use crate::errno::Errno;
use crate::program::Sys;
use crate::program::accounts::User;
use crate::program::getopt::{Long, Options, Spec, Takes};
use crate::program::signal_text::strsignal;
use crate::security::rlimit;
use crate::syscall::{Sysno, Value};
use crate::task::signal::{Disposition, Signal};

crate::program!(
    SU = "su" in "/usr/bin",
    "run a command with substitute user ID",
    main,
    "  su [-] [USER [ARGUMENT...]]
  -c, --command COMMAND      pass it to the shell
      --session-command COMMAND  the same without a new session
  -, -l, --login             start from the user's own environment and home
  -m, -p, --preserve-environment  leave the environment as it is
  -s, --shell FILE           run this shell
  -f, --fast                 pass -f to the shell
  -g, --group GROUP          root only: the primary group
  -G, --supp-group GROUP     root only: a supplementary group"
);

const SESSION_COMMAND: char = 'C';

const SPEC: Spec = Spec {
    short: "c:fg:G:lmps:",
    long: &[
        Long("command", Takes::Value, 'c'),
        Long("session-command", Takes::Value, SESSION_COMMAND),
        Long("fast", Takes::Nothing, 'f'),
        Long("group", Takes::Value, 'g'),
        Long("supp-group", Takes::Value, 'G'),
        Long("login", Takes::Nothing, 'l'),
        Long("preserve-environment", Takes::Nothing, 'p'),
        Long("shell", Takes::Value, 's'),
    ],
    unmodelled: "-P --pty -w --whitelist-environment",
    version: "from util-linux 2.38.1",
    failure: 1,
};

async fn main(sys: Sys) -> i32 {
    let options = match sys.getopt(&SPEC).await {
        Ok(options) => options,
        Err(status) => return status,
    };
    let mut operands = options.operands.iter();
    let mut login = options.has('l');
    let mut name = operands.next();
    if name.is_some_and(|n| n == "-") {
        login = true;
        name = operands.next();
    }
    let name = name.map_or("root", String::as_str);
    let arguments: Vec<String> = operands.cloned().collect();

    let own = sys.getuid().await;
    let accounts = sys.accounts().await;
    let mut chosen = Vec::new();
    for group in options.given.iter().filter(|o| matches!(o.key, 'g' | 'G')).filter_map(|o| o.value.as_deref()) {
        match accounts.group(group) {
            Some(group) => chosen.push(group.gid),
            None => {
                sys.warnx(format!("group {group} does not exist")).await;
                return 1;
            }
        }
    }
    if own != 0 && !chosen.is_empty() {
        sys.warnx("only root can specify alternative groups").await;
        return 1;
    }
    let Some(mut user) = accounts.user(name).cloned() else {
        sys.warnx(format!("user {name} does not exist or the user entry does not contain all the required fields"))
            .await;
        return 1;
    };
    if let Err(status) = authenticate(&sys, own, login).await {
        return status;
    }
    let mut groups = accounts.group_list(&user.name, user.gid);
    if !chosen.is_empty() {
        let primary = options.value('g').and_then(|name| accounts.group(name)).map(|g| g.gid);
        user.gid = primary.unwrap_or(chosen[0]);
        groups = chosen;
    }
    if let Err(e) = sys.setgroups(&groups).await {
        sys.warn("cannot set groups", e).await;
        return 1;
    }
    sanitize_limits(&sys).await;
    match sys.fork().await {
        Ok(0) => run_shell(&sys, &options, &user, login, arguments).await,
        Ok(child) => watch(&sys, child).await,
        Err(e) => {
            sys.warn("cannot create child process", e).await;
            1
        }
    }
}

/// Asks PAM: the service is `su`, or `su-l` for a login, or `other` when there is no file for it.
async fn authenticate(sys: &Sys, own: u32, login: bool) -> Result<(), i32> {
    let service = if login { "/etc/pam.d/su-l" } else { "/etc/pam.d/su" };
    if sys.stat(service).await.is_err() && sys.stat("/etc/pam.d/other").await.is_err() {
        sys.warnx("Critical error - immediate abort").await;
        return Err(1);
    }
    // pam_rootok.so suffices, pam_deny.so is all that follows.
    if own != 0 {
        sys.warnx("Authentication failure").await;
        return Err(1);
    }
    Ok(())
}

/// Limits that an ordinary user could not give back are not handed on.
async fn sanitize_limits(sys: &Sys) {
    const AS: i64 = 9;
    const RTPRIO: i64 = 14;
    let limits =
        [(rlimit::NICE as i64, 0), (RTPRIO, 0), (rlimit::FSIZE as i64, rlimit::INFINITY), (AS, rlimit::INFINITY)];
    for (resource, n) in limits {
        let limit = Value::record([("rlim_cur", n.into()), ("rlim_max", n.into())]);
        let _ = sys.call(Sysno::PRLIMIT64, vec![0.into(), resource.into(), limit, Value::Null]).await;
    }
}

/// The parent stays to hand signals on and to end as the shell ends.
async fn watch(sys: &Sys, child: i32) -> i32 {
    const WUNTRACED: i64 = 2;
    let _ = sys.chdir("/").await;
    let _ = sys.sigaction(Signal::TERM, Disposition::Handler { restart: false }).await;
    loop {
        let status = match sys.wait4(child, WUNTRACED).await {
            Ok((_, status)) => status,
            Err(Errno::EINTR) if sys.take_caught().contains(&Signal::TERM) => {
                sys.eprint("\nSession terminated, killing shell...").await;
                let _ = sys.kill(child, i64::from(Signal::TERM.0)).await;
                let _ = sys.nanosleep(2_000_000_000).await;
                let _ = sys.kill(child, i64::from(Signal::KILL.0)).await;
                sys.eprint(" ...killed.\n").await;
                return 1;
            }
            Err(Errno::EINTR) => continue,
            Err(_) => return 1,
        };
        if status.stopped().is_some() {
            let own = sys.getpid().await;
            let _ = sys.kill(own, i64::from(Signal::STOP.0)).await;
            let _ = sys.kill(child, i64::from(Signal::CONT.0)).await;
            continue;
        }
        if let Some(signal) = status.signaled() {
            let core = if status.0 & 0x80 != 0 { " (core dumped)" } else { "" };
            sys.eprint(format!("{}{core}\n", strsignal(signal))).await;
        }
        return status.shell_status();
    }
}

async fn run_shell(sys: &Sys, options: &Options, user: &User, login: bool, arguments: Vec<String>) -> i32 {
    if let Err(e) = sys.call(Sysno::SETGID, vec![user.gid.into()]).await {
        sys.warn("cannot set group id", e).await;
        return 1;
    }
    if let Err(e) = sys.call(Sysno::SETUID, vec![user.uid.into()]).await {
        sys.warn("cannot set user id", e).await;
        return 1;
    }
    let command = options.value('c').or_else(|| options.value(SESSION_COMMAND));
    // A command of another user must not be able to type into the caller's terminal.
    if command.is_some() && !options.has(SESSION_COMMAND) && user.uid != 0 {
        let _ = sys.setsid().await;
    }
    let keeps_environment = !login && (options.has('m') || options.has('p'));
    let own_shell = if user.shell.is_empty() { "/bin/sh" } else { &user.shell };
    let inherited = sys.env("SHELL").filter(|_| keeps_environment);
    let shell = options.value('s').or(inherited).unwrap_or(own_shell).to_owned();
    let envp = environment(sys, user, &shell, login, keeps_environment).await;
    if login && let Err(e) = sys.chdir(&user.home).await {
        sys.warn(format!("warning: cannot change directory to {}", user.home), e).await;
    }
    let base = shell.rsplit('/').next().unwrap_or(&shell);
    let mut argv = vec![if login { format!("-{base}") } else { base.to_owned() }];
    if options.has('f') {
        argv.push("-f".to_owned());
    }
    if let Some(command) = command {
        argv.extend(["-c".to_owned(), command.to_owned()]);
    }
    argv.extend(arguments);
    let e = sys.execve(&shell, &argv, &envp).await;
    sys.exec_failed(&shell, e).await
}

async fn environment(sys: &Sys, user: &User, shell: &str, login: bool, keep: bool) -> Vec<String> {
    let definitions = sys.read_file("/etc/login.defs").await.unwrap_or_default();
    let mut envp = sys.envp().to_vec();
    if keep {
        return envp;
    }
    if login {
        envp.retain(|v| v.starts_with("TERM="));
    }
    let mut set = |name: &str, value: &str| {
        let entry = format!("{name}={value}");
        match envp.iter_mut().find(|v| v.split('=').next() == Some(name)) {
            Some(old) => *old = entry,
            None => envp.push(entry),
        }
    };
    set("HOME", &user.home);
    set("SHELL", shell);
    if login || user.uid != 0 {
        set("USER", &user.name);
        set("LOGNAME", &user.name);
    }
    if login {
        let name = if user.uid == 0 { "ENV_SUPATH" } else { "ENV_PATH" };
        let path = definitions.lines().find_map(|l| l.strip_prefix(name)?.trim().strip_prefix("PATH="));
        set("PATH", path.unwrap_or("/usr/local/bin:/bin:/usr/bin"));
    }
    envp
}
