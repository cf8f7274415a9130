//! `setpriv`: runs a program with other ids, groups, capabilities and secure bits.

use crate::errno::Errno;
use crate::program::Sys;
use crate::program::accounts::Accounts;
use crate::program::getopt::{Long, Options, Spec, Takes};
use crate::program::security::caps::Sets;
use crate::security::capability::{Cap, CapSet, NAMES};
use crate::security::credentials::SecureBits;
use crate::syscall::identity::prctl::pr;
use crate::syscall::{Sysno, Value};
use crate::task::signal::Signal;

crate::program!(
    SETPRIV = "setpriv" in "/usr/bin",
    "run a program with different Linux privilege settings",
    main,
    "  -d, --dump               show the current state
      --nnp, --no-new-privs    execve(2) grants no privileges any more
      --ruid, --euid, --reuid UID|USER   set real, effective or both user ids
      --rgid, --egid, --regid GID|GROUP  set real, effective or both group ids
      --clear-groups, --keep-groups, --init-groups, --groups GROUP,...  supplementary groups
      --inh-caps, --ambient-caps, --bounding-set CAPS  such as '+kill,-sys_admin' or '-all'
      --securebits BITS        such as '+noroot,+noroot_locked'
      --pdeathsig keep|clear|SIGNAL  what happens when the parent dies
      --reset-env              start from an empty environment
      --list-caps              list the names of capabilities"
);

const NNP: char = '0';
const RUID: char = '1';
const EUID: char = '2';
const REUID: char = '3';
const RGID: char = '4';
const EGID: char = '5';
const REGID: char = '6';
const CLEAR_GROUPS: char = 'c';
const KEEP_GROUPS: char = 'k';
const INIT_GROUPS: char = 'i';
const GROUPS: char = 'g';
const INH_CAPS: char = 'I';
const AMBIENT_CAPS: char = 'A';
const BOUNDING_SET: char = 'B';
const SECUREBITS: char = 's';
const PDEATHSIG: char = 'p';
const RESET_ENV: char = 'r';
const LIST_CAPS: char = 'l';

const SPEC: Spec = Spec {
    short: "+d",
    long: &[
        Long("dump", Takes::Nothing, 'd'),
        Long("nnp", Takes::Nothing, NNP),
        Long("no-new-privs", Takes::Nothing, NNP),
        Long("ruid", Takes::Value, RUID),
        Long("euid", Takes::Value, EUID),
        Long("reuid", Takes::Value, REUID),
        Long("rgid", Takes::Value, RGID),
        Long("egid", Takes::Value, EGID),
        Long("regid", Takes::Value, REGID),
        Long("clear-groups", Takes::Nothing, CLEAR_GROUPS),
        Long("keep-groups", Takes::Nothing, KEEP_GROUPS),
        Long("init-groups", Takes::Nothing, INIT_GROUPS),
        Long("groups", Takes::Value, GROUPS),
        Long("inh-caps", Takes::Value, INH_CAPS),
        Long("ambient-caps", Takes::Value, AMBIENT_CAPS),
        Long("bounding-set", Takes::Value, BOUNDING_SET),
        Long("securebits", Takes::Value, SECUREBITS),
        Long("pdeathsig", Takes::Value, PDEATHSIG),
        Long("reset-env", Takes::Nothing, RESET_ENV),
        Long("list-caps", Takes::Nothing, LIST_CAPS),
    ],
    unmodelled: "--selinux-label --apparmor-profile",
    version: "from util-linux 2.38.1",
    failure: 1,
};

/// A privilege could not be set (`SETPRIV_EXIT_PRIVERR`).
const PRIVERR: i32 = 127;

const SECUREBIT_NAMES: [(&str, SecureBits); 6] = [
    ("noroot", SecureBits::NOROOT),
    ("noroot_locked", SecureBits::NOROOT_LOCKED),
    ("no_setuid_fixup", SecureBits::NO_SETUID_FIXUP),
    ("no_setuid_fixup_locked", SecureBits::NO_SETUID_FIXUP_LOCKED),
    ("keep_caps", SecureBits::KEEP_CAPS),
    ("keep_caps_locked", SecureBits::KEEP_CAPS_LOCKED),
];

/// A failure that has been reported: the exit status.
type Step<T> = Result<T, i32>;

async fn main(sys: Sys) -> i32 {
    let options = match sys.getopt(&SPEC).await {
        Ok(options) => options,
        Err(status) => return status,
    };
    if options.has('d') {
        if !options.operands.is_empty() || options.given.iter().any(|o| o.key != 'd') {
            sys.warnx("--dump is incompatible with all other options").await;
            return 1;
        }
        dump(&sys).await;
        return 0;
    }
    if options.has(LIST_CAPS) {
        sys.print(NAMES.map(|n| format!("{n}\n")).concat()).await;
        return 0;
    }
    match prepare(&sys, &options).await {
        Ok(envp) => {
            let program = options.operands.first().cloned().unwrap_or_default();
            let e = match envp {
                Some(envp) => sys.execvpe(&program, &options.operands, &envp).await,
                None => sys.execvp(&program, &options.operands).await,
            };
            sys.exec_failed(&program, e).await
        }
        Err(status) => status,
    }
}

async fn refuse<T>(sys: &Sys, message: impl AsRef<str>) -> Step<T> {
    sys.warnx(message).await;
    Err(1)
}

async fn check<T>(sys: &Sys, result: Result<T, Errno>, message: &str) -> Step<T> {
    match result {
        Ok(value) => Ok(value),
        Err(e) => {
            sys.warn(message, e).await;
            Err(PRIVERR)
        }
    }
}

/// Checks the options, then sets everything in the order of the real tool. The environment, when it is new.
async fn prepare(sys: &Sys, options: &Options) -> Step<Option<Vec<String>>> {
    let accounts = sys.accounts().await;
    let (ruid, euid) =
        ids(sys, options, [RUID, EUID, REUID], ["ruid", "euid", "reuid"], |name| accounts.user(name).map(|u| u.uid))
            .await?;
    let (rgid, egid) =
        ids(sys, options, [RGID, EGID, REGID], ["rgid", "egid", "regid"], |name| accounts.group(name).map(|g| g.gid))
            .await?;
    let groups = match options.value(GROUPS) {
        Some(list) => Some(group_list(sys, &accounts, list).await?),
        None => None,
    };
    let death_signal = match options.value(PDEATHSIG) {
        None | Some("keep") => None,
        Some("clear") => Some(0),
        Some(name) => match Signal::from_name(name) {
            Some(signal) => Some(i64::from(signal.0)),
            None => return refuse(sys, format!("unknown signal: {name}")).await,
        },
    };
    if options.operands.is_empty() {
        return refuse(sys, "No program specified").await;
    }
    let ways = [CLEAR_GROUPS, KEEP_GROUPS, INIT_GROUPS, GROUPS];
    match ways.iter().filter(|k| options.has(**k)).count() {
        0 if rgid.is_some() || egid.is_some() => {
            let message = "--[re]gid requires --keep-groups, --clear-groups, --init-groups, or --groups";
            return refuse(sys, message).await;
        }
        0 | 1 => {}
        _ => {
            let message = "mutually exclusive arguments: --clear-groups --keep-groups --init-groups --groups";
            return refuse(sys, message).await;
        }
    }
    if options.has(INIT_GROUPS) && ruid.is_none() {
        return refuse(sys, "--init-groups requires --ruid or --reuid").await;
    }

    if options.has(NNP) {
        let done = sys.prctl(pr::SET_NO_NEW_PRIVS, [1, 0, 0, 0]).await;
        check(sys, done, "disallow granting new privileges failed").await?;
    }
    if let Some(text) = options.value(SECUREBITS) {
        let bits = securebits(sys, text).await?;
        let done = sys.prctl(pr::SET_SECUREBITS, [i64::from(bits.bits()), 0, 0, 0]).await;
        check(sys, done, "set process securebits failed").await?;
    }
    if let Some(text) = options.value(BOUNDING_SET) {
        let wanted = change_caps(sys, CapSet::FULL, text).await?;
        // libcap-ng does not try, and does not complain, without the capability that it takes.
        let own = check(sys, sys.capget(0).await, "get process capabilities").await?;
        let may = own.effective.has(Cap::SETPCAP);
        for (nr, _) in NAMES.iter().enumerate().filter(|(nr, _)| may && !wanted.has(Cap(*nr as u8))) {
            let done = sys.prctl(pr::CAPBSET_DROP, [nr as i64, 0, 0, 0]).await;
            check(sys, done, "apply bounding set").await?;
        }
    }
    let changes_ids = [ruid, euid, rgid, egid].iter().any(Option::is_some) || ways.iter().any(|k| options.has(*k));
    let mut caps = check(sys, sys.capget(0).await, "get process capabilities").await?;
    if changes_ids {
        // Capabilities must survive the change of user until everything is set.
        check(sys, sys.prctl(pr::SET_KEEPCAPS, [1, 0, 0, 0]).await, "keep process capabilities failed").await?;
        for cap in [Cap::SETUID, Cap::SETGID, Cap::SETPCAP].into_iter().filter(|c| caps.permitted.has(*c)) {
            caps.effective = caps.effective.with(cap);
        }
        check(sys, sys.capset(&caps).await, "activate capabilities").await?;
    }
    if ruid.is_some() || euid.is_some() {
        set_ids(sys, Sysno::GETRESUID, Sysno::SETRESUID, ruid, euid, "setresuid failed").await?;
        // The effective set is cleared even with PR_SET_KEEPCAPS.
        check(sys, sys.capset(&caps).await, "reactivate capabilities").await?;
    }
    if rgid.is_some() || egid.is_some() {
        set_ids(sys, Sysno::GETRESGID, Sysno::SETRESGID, rgid, egid, "setresgid failed").await?;
    }
    if let Some(groups) = groups {
        check(sys, sys.setgroups(&groups).await, "setgroups failed").await?;
    } else if options.has(INIT_GROUPS) {
        let Some(user) = ruid.and_then(|uid| accounts.user_by_id(uid)) else {
            return refuse(
                sys,
                format!(
                    "uid {} not found, --init-groups requires an user that can be found on the \
                                        system",
                    ruid.unwrap_or(0)
                ),
            )
            .await;
        };
        let list = accounts.group_list(&user.name, rgid.unwrap_or(user.gid));
        check(sys, sys.setgroups(&list).await, "initgroups failed").await?;
    } else if options.has(CLEAR_GROUPS) {
        check(sys, sys.setgroups(&[]).await, "setgroups failed").await?;
    }
    if let Some(signal) = death_signal {
        let done = sys.prctl(pr::SET_PDEATHSIG, [signal, 0, 0, 0]).await;
        check(sys, done, "set parent death signal failed").await?;
    }
    if let Some(text) = options.value(INH_CAPS) {
        caps.inheritable = change_caps(sys, caps.inheritable, text).await?;
        check(sys, sys.capset(&caps).await, "apply capabilities").await?;
    }
    if let Some(text) = options.value(AMBIENT_CAPS) {
        set_ambient(sys, &caps, text).await?;
    }
    Ok(options.has(RESET_ENV).then(|| fresh_environment(sys, &accounts, euid)))
}

/// Real and effective id from `--ruid`, `--euid`, `--reuid` and the like.
async fn ids(
    sys: &Sys,
    options: &Options,
    keys: [char; 3],
    names: [&str; 3],
    by_name: impl Fn(&str) -> Option<u32>,
) -> Step<(Option<u32>, Option<u32>)> {
    let (mut real, mut effective) = (None, None);
    for opt in &options.given {
        let Some(at) = keys.iter().position(|k| *k == opt.key) else { continue };
        let text = opt.value.clone().unwrap_or_default();
        let Some(id) = by_name(&text).or_else(|| text.parse().ok()) else {
            return refuse(sys, format!("failed to parse {}: '{text}'", names[at])).await;
        };
        if (at != 1 && real.is_some()) || (at != 0 && effective.is_some()) {
            return refuse(sys, format!("duplicate {}", names[at])).await;
        }
        if at != 1 {
            real = Some(id);
        }
        if at != 0 {
            effective = Some(id);
        }
    }
    Ok((real, effective))
}

async fn group_list(sys: &Sys, accounts: &Accounts, text: &str) -> Step<Vec<u32>> {
    let mut list = Vec::new();
    for name in text.split(',').filter(|n| !n.is_empty()) {
        match accounts.group(name).map(|g| g.gid).or_else(|| name.parse().ok()) {
            Some(gid) => list.push(gid),
            None => return refuse(sys, format!("Invalid supplementary group id: '{name}'")).await,
        }
    }
    Ok(list)
}

/// Adds and takes away capabilities: `+kill,-all`.
async fn change_caps(sys: &Sys, mut set: CapSet, text: &str) -> Step<CapSet> {
    for item in text.split(',') {
        let (adds, name) = match item.split_at_checked(1) {
            Some(("+", name)) => (true, name),
            Some(("-", name)) => (false, name),
            _ => return refuse(sys, "bad capability string").await,
        };
        let named = match name {
            "all" => CapSet::FULL,
            _ => match Cap::from_name(name).filter(|_| !name.to_ascii_lowercase().starts_with("cap_")) {
                Some(cap) => CapSet::EMPTY.with(cap),
                None => return refuse(sys, format!("unknown capability \"{name}\"")).await,
            },
        };
        set = if adds { set | named } else { CapSet(set.0 & !named.0) };
    }
    Ok(set)
}

async fn securebits(sys: &Sys, text: &str) -> Step<SecureBits> {
    let now = sys.prctl(pr::GET_SECUREBITS, [0; 4]).await.unwrap_or(0);
    let mut bits = SecureBits::from_bits_truncate(now as u32);
    for item in text.split(',') {
        let (adds, name) = match item.split_at_checked(1) {
            Some(("+", name)) => (true, name),
            Some(("-", name)) => (false, name),
            _ => return refuse(sys, "bad securebits string").await,
        };
        if name == "all" {
            return refuse(sys, if adds { "+all securebits is not allowed" } else { "bad securebits string" }).await;
        }
        match SECUREBIT_NAMES.iter().find(|(n, _)| *n == name) {
            Some((_, SecureBits::KEEP_CAPS)) => return refuse(sys, "adjusting keep_caps does not make sense").await,
            Some((_, bit)) => bits.set(*bit, adds),
            None => return refuse(sys, "unrecognized securebit").await,
        }
    }
    // The program to run decides about this one itself.
    Ok(bits | SecureBits::KEEP_CAPS)
}

async fn set_ids(
    sys: &Sys,
    get: Sysno,
    set: Sysno,
    real: Option<u32>,
    effective: Option<u32>,
    message: &str,
) -> Step<()> {
    let now = check(sys, sys.call(get, vec![Value::Null, Value::Null, Value::Null]).await, message).await?;
    let old = |i: u8| now.output(i).as_int().unwrap_or(0) as u32;
    let (real, effective) = (real.unwrap_or_else(|| old(0)), effective.unwrap_or_else(|| old(1)));
    // The saved id follows the effective one, as after execve(2).
    let args = vec![real.into(), effective.into(), effective.into()];
    check(sys, sys.call(set, args).await, message).await.map(drop)
}

async fn set_ambient(sys: &Sys, caps: &Sets, text: &str) -> Step<()> {
    let mut now = CapSet::EMPTY;
    for nr in 0..NAMES.len() as i64 {
        if sys.prctl(pr::CAP_AMBIENT, [pr::CAP_AMBIENT_IS_SET, nr, 0, 0]).await == Ok(1) {
            now = now.with(Cap(nr as u8));
        }
    }
    // `+all` means: as many as may be inherited.
    let all = text == "+all";
    let wanted = if all { caps.permitted & caps.inheritable } else { change_caps(sys, now, text).await? };
    let done = sys.prctl(pr::CAP_AMBIENT, [pr::CAP_AMBIENT_CLEAR_ALL, 0, 0, 0]).await;
    check(sys, done, "apply capabilities").await?;
    for cap in wanted.iter() {
        // What may not be raised stays as it is, and nobody hears of it (`capng_apply`).
        let _ = sys.prctl(pr::CAP_AMBIENT, [pr::CAP_AMBIENT_RAISE, i64::from(cap.0), 0, 0]).await;
    }
    Ok(())
}

fn fresh_environment(sys: &Sys, accounts: &Accounts, euid: Option<u32>) -> Vec<String> {
    let mut envp: Vec<String> = sys.env("TERM").map(|t| format!("TERM={t}")).into_iter().collect();
    if let Some(user) = accounts.user_by_id(euid.unwrap_or(0)) {
        envp.push(format!("HOME={}", user.home));
        envp.push(format!("SHELL={}", user.shell));
        envp.push(format!("USER={}", user.name));
        envp.push(format!("LOGNAME={}", user.name));
    }
    envp.push("PATH=/usr/local/bin:/bin:/usr/bin".to_owned());
    envp
}

async fn dump(sys: &Sys) {
    let (uid, euid) = (sys.getuid().await, sys.geteuid().await);
    let (gid, egid) = (sys.getgid().await, sys.getegid().await);
    let mut out = format!("uid: {uid}\neuid: {euid}\ngid: {gid}\negid: {egid}\n");
    let groups = sys.call(Sysno::GETGROUPS, vec![65_536.into(), Value::Null]).await.unwrap_or_default();
    let groups: Vec<String> = groups
        .output(1)
        .as_list()
        .unwrap_or_default()
        .iter()
        .filter_map(Value::as_int)
        .map(|g| g.to_string())
        .collect();
    let list = |items: Vec<String>| if items.is_empty() { "[none]".to_owned() } else { items.join(",") };
    out.push_str(&format!("Supplementary groups: {}\n", list(groups)));
    let nnp = sys.prctl(pr::GET_NO_NEW_PRIVS, [0; 4]).await.unwrap_or(0);
    out.push_str(&format!("no_new_privs: {nnp}\n"));
    let caps = sys.capget(0).await.unwrap_or_default();
    let names =
        |set: CapSet| list(set.iter().filter_map(|c| NAMES.get(usize::from(c.0))).map(|n| (*n).to_owned()).collect());
    out.push_str(&format!("Inheritable capabilities: {}\n", names(caps.inheritable)));
    let (mut ambient, mut bounding) = (CapSet::EMPTY, CapSet::EMPTY);
    for nr in 0..NAMES.len() as i64 {
        if sys.prctl(pr::CAP_AMBIENT, [pr::CAP_AMBIENT_IS_SET, nr, 0, 0]).await == Ok(1) {
            ambient = ambient.with(Cap(nr as u8));
        }
        if sys.prctl(pr::CAPBSET_READ, [nr, 0, 0, 0]).await == Ok(1) {
            bounding = bounding.with(Cap(nr as u8));
        }
    }
    out.push_str(&format!("Ambient capabilities: {}\n", names(ambient)));
    out.push_str(&format!("Capability bounding set: {}\n", names(bounding)));
    let bits = SecureBits::from_bits_truncate(sys.prctl(pr::GET_SECUREBITS, [0; 4]).await.unwrap_or(0) as u32);
    let set = SECUREBIT_NAMES.iter().filter(|(_, b)| bits.contains(*b)).map(|(n, _)| (*n).to_owned()).collect();
    out.push_str(&format!("Securebits: {}\n", list(set)));
    let death = sys.call(Sysno::PRCTL, vec![pr::GET_PDEATHSIG.into(), Value::Null]).await.unwrap_or_default();
    let signal = Signal::from_number(death.output(1).as_int().unwrap_or(0));
    out.push_str(&format!("Parent death signal: {}\n", signal.map_or("[none]".to_owned(), Signal::short_name)));
    sys.print(out).await;
}
