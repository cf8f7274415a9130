//! `renice`: changes the nice value of running processes.

use crate::errno::Errno;
use crate::program::Sys;
use crate::program::accounts::Accounts;
use crate::syscall::Sysno;

crate::program!(
    RENICE = "renice" in "/usr/bin",
    "alter priority of running processes",
    main,
    "  renice [-n] PRIORITY [-p] PID...
  renice [-n] PRIORITY -g PGID...
  renice [-n] PRIORITY -u USER..."
);

/// What an id means: the number of it in getpriority(2).
#[derive(Clone, Copy, PartialEq, Eq)]
enum Which {
    Process = 0,
    Group = 1,
    User = 2,
}

impl Which {
    fn title(self) -> &'static str {
        match self {
            Which::Process => "process ID",
            Which::Group => "process group ID",
            Which::User => "user ID",
        }
    }
}

async fn main(sys: Sys) -> i32 {
    let mut words = sys.argv().get(1..).unwrap_or_default().iter();
    let mut first = words.next();
    match first.map(String::as_str) {
        Some("-h" | "--help") => {
            sys.print_help().await;
            return 0;
        }
        Some("-V" | "--version") => {
            sys.print("renice from util-linux 2.38.1\n").await;
            return 0;
        }
        Some("-n" | "--priority") => first = words.next(),
        _ => {}
    }
    let rest: Vec<&String> = words.collect();
    let (Some(priority), false) = (first, rest.is_empty()) else {
        sys.warnx("not enough arguments").await;
        sys.try_help().await;
        return 1;
    };
    let Ok(priority) = priority.trim_start_matches('+').parse::<i32>() else {
        sys.warnx(format!("invalid priority '{priority}'")).await;
        sys.try_help().await;
        return 1;
    };
    let accounts = sys.accounts().await;
    let mut which = Which::Process;
    let mut status = 0;
    for word in rest {
        match word.as_str() {
            "-p" | "--pid" => which = Which::Process,
            "-g" | "--pgrp" => which = Which::Group,
            "-u" | "--user" => which = Which::User,
            word => status |= one(&sys, &accounts, which, word, priority).await,
        }
    }
    status
}

async fn one(sys: &Sys, accounts: &Accounts, which: Which, word: &str, priority: i32) -> i32 {
    let named = accounts.user(word).filter(|_| which == Which::User).map(|u| u.uid as i32);
    let Some(who) = named.or_else(|| word.parse().ok()) else {
        let what = if which == Which::User { "unknown user" } else { "bad process ID value:" };
        sys.warnx(format!("{what} {word}")).await;
        return 1;
    };
    let old = match nice(sys, which, who).await {
        Ok(nice) => nice,
        Err(e) => return fail(sys, "get", which, who, e).await,
    };
    let args = vec![(which as i64).into(), who.into(), priority.into()];
    if let Err(e) = sys.call(Sysno::SETPRIORITY, args).await {
        return fail(sys, "set", which, who, e).await;
    }
    let new = match nice(sys, which, who).await {
        Ok(nice) => nice,
        Err(e) => return fail(sys, "get", which, who, e).await,
    };
    sys.print(format!("{who} ({}) old priority {old}, new priority {new}\n", which.title())).await;
    0
}

/// The system call returns 20 minus the nice value.
async fn nice(sys: &Sys, which: Which, who: i32) -> Result<i64, Errno> {
    Ok(20 - sys.call(Sysno::GETPRIORITY, vec![(which as i64).into(), who.into()]).await?.value)
}

async fn fail(sys: &Sys, what: &str, which: Which, who: i32, e: Errno) -> i32 {
    sys.warn(format!("failed to {what} priority for {who} ({})", which.title()), e).await;
    1
}
