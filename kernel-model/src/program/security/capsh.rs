//! `capsh`: changes capabilities step by step, in the order of its arguments, and runs a shell.

use super::cap_mode::{MODES, describe};
use super::caps::{Sets, named};
use super::iab::Iab;
use crate::errno::Errno;
use crate::program::Sys;
use crate::security::capability::{Cap, CapSet, NAMES};
use crate::security::credentials::SecureBits;
use crate::syscall::identity::prctl::pr;
use crate::syscall::{Sysno, Value};

crate::program!(
    CAPSH = "capsh" in "/usr/sbin",
    "capability shell wrapper",
    main,
    "  --drop=CAP,...      take capabilities out of the bounding set
  --caps=TEXT         set the capabilities as in cap_from_text(3)
  --inh=CAP,...       set the inheritable set
  --addamb=, --delamb=CAP,..., --noamb   change the ambient set
  --user=NAME, --uid=N, --gid=N, --groups=N,...  change ids
  --keep=0|1, --secbits=N, --no-new-privs, --chroot=DIR
  --has-p=, --has-i=, --has-b=, --has-a=CAP, --has-no-new-privs, --is-uid=N, --is-gid=N, --supports=CAP
                      exit with 1 unless it is so
  --iab=TEXT, --mode=MODE  set the sets of cap_iab(3), or go into a mode of cap_set_mode(3)
  --mode, --modes, --inmode=MODE   which mode it is, which there are
  --print, --current, --decode=MASK
  --shell=FILE, -- ARGUMENT...  run /bin/bash with the arguments"
);

/// A failure that has been reported: the exit status.
type Step<T> = Result<T, i32>;

async fn main(sys: Sys) -> i32 {
    let words = sys.argv().get(1..).unwrap_or_default().to_vec();
    let mut shell = "/bin/bash".to_owned();
    let mut envp = sys.envp().to_vec();
    for (i, word) in words.iter().enumerate() {
        if word == "--" || word == "==" {
            let program = if word == "--" { shell } else { sys.argv()[0].clone() };
            let argv: Vec<String> = std::iter::once(program.clone()).chain(words[i + 1..].iter().cloned()).collect();
            sys.execvpe(&program, &argv, &envp).await;
            sys.eprint(format!("execve '{program}' failed!\n")).await;
            return 1;
        }
        if let Some(path) = word.strip_prefix("--shell=") {
            path.clone_into(&mut shell);
            continue;
        }
        if let Err(status) = step(&sys, word, &mut envp).await {
            return status;
        }
    }
    0
}

async fn refuse<T>(sys: &Sys, message: impl AsRef<str>) -> Step<T> {
    sys.flush().await;
    sys.eprint(format!("{}\n", message.as_ref())).await;
    Err(1)
}

async fn check<T>(sys: &Sys, result: Result<T, Errno>, message: impl AsRef<str>) -> Step<T> {
    match result {
        Ok(value) => Ok(value),
        Err(e) => refuse(sys, format!("{}: {e}", message.as_ref())).await,
    }
}

/// One argument.
async fn step(sys: &Sys, word: &str, envp: &mut Vec<String>) -> Step<()> {
    let (name, value) = word.split_once('=').map_or((word, None), |(n, v)| (n, Some(v)));
    match (name, value) {
        ("--drop", Some(list)) => drop_bounding(sys, list).await,
        ("--caps", Some(text)) => {
            let Some(sets) = Sets::from_text(text) else {
                return refuse(sys, format!("unable to interpret [{word}]")).await;
            };
            check(sys, sys.capset(&sets).await, format!("Unable to set capabilities [{word}]")).await
        }
        ("--inh", Some(list)) => {
            let mut sets = check(sys, sys.capget(0).await, "Capabilities not available").await?;
            sets.inheritable = caps(sys, list).await?;
            let mut raised = sets;
            raised.effective = raised.effective.with(Cap::SETPCAP);
            let raised = if sets.permitted.has(Cap::SETPCAP) { raised } else { sets };
            check(sys, sys.capset(&raised).await, "Unable to set inheritable capabilities").await?;
            check(sys, sys.capset(&sets).await, "Unable to set inheritable capabilities").await
        }
        ("--addamb" | "--delamb", Some(list)) => {
            let raises = name == "--addamb";
            let how = if raises { pr::CAP_AMBIENT_RAISE } else { pr::CAP_AMBIENT_LOWER };
            for cap in caps(sys, list).await?.iter() {
                if sys.prctl(pr::CAP_AMBIENT, [how, i64::from(cap.0), 0, 0]).await.is_err() {
                    let verb = if raises { "raise" } else { "lower" };
                    let name = cap.name().to_lowercase();
                    return refuse(sys, format!("failed to {verb} ambient [{name}={}]", cap.0)).await;
                }
            }
            Ok(())
        }
        ("--noamb", None) => {
            let done = sys.prctl(pr::CAP_AMBIENT, [pr::CAP_AMBIENT_CLEAR_ALL, 0, 0, 0]).await;
            check(sys, done.map(drop), "failed to reset ambient set").await
        }
        ("--keep", Some(text)) => {
            let n = number(sys, text).await?;
            let done = sys.prctl(pr::SET_KEEPCAPS, [n, 0, 0, 0]).await;
            check(sys, done.map(drop), format!("prctl(PR_SET_KEEPCAPS, {n}) failed")).await
        }
        ("--secbits", Some(text)) => {
            let n = number(sys, text).await?;
            let done = sys.prctl(pr::SET_SECUREBITS, [n, 0, 0, 0]).await;
            check(sys, done.map(drop), format!("failed to set securebits to 0{n:o}/0x{n:x}")).await
        }
        ("--no-new-privs", None) => {
            let done = sys.prctl(pr::SET_NO_NEW_PRIVS, [1, 0, 0, 0]).await;
            check(sys, done.map(drop), "unable to set no-new-privs").await
        }
        ("--chroot", Some(dir)) => match sys.chroot(dir).await {
            Ok(()) => check(sys, sys.chdir("/").await, format!("Unable to chroot/chdir to [{dir}]")).await,
            Err(_) => refuse(sys, format!("Unable to chroot/chdir to [{dir}]")).await,
        },
        ("--uid" | "--gid" | "--groups" | "--user" | "--cap-uid", Some(text)) => {
            change_ids(sys, name, text, envp).await
        }
        ("--has-p" | "--has-i" | "--has-b" | "--has-a" | "--supports", Some(text)) => has(sys, name, text).await,
        ("--has-ambient" | "--quiet" | "--strict" | "--noenv", None) => Ok(()),
        ("--has-no-new-privs", None) => match sys.prctl(pr::GET_NO_NEW_PRIVS, [0; 4]).await {
            Ok(1) => Ok(()),
            _ => refuse(sys, "no-new-privs not set").await,
        },
        ("--is-uid" | "--is-gid", Some(text)) => {
            let want = number(sys, text).await?;
            let word = if name == "--is-uid" { "uid" } else { "gid" };
            let got = i64::from(if word == "uid" { sys.getuid().await } else { sys.getgid().await });
            if got == want { Ok(()) } else { refuse(sys, format!("{word}: got={got}, want={want}")).await }
        }
        ("--decode", Some(text)) => {
            let mask = u64::from_str_radix(text.trim_start_matches("0x"), 16).unwrap_or(0);
            sys.print(format!("0x{mask:016x}={}\n", names(CapSet(mask)))).await;
            Ok(())
        }
        ("--current", None) => {
            let (sets, iab) = current(sys).await;
            sys.print(format!("Current: {}\nCurrent IAB: {}\n", sets.to_text(), iab.to_text())).await;
            Ok(())
        }
        ("--print", None) => {
            print_state(sys).await;
            Ok(())
        }
        ("--help" | "-h", None) => {
            sys.print_help().await;
            Err(0)
        }
        ("--modes", None) => {
            sys.print(format!("Supported modes: {}\n", MODES.join(" "))).await;
            Ok(())
        }
        ("--mode", None) => {
            let mode = describe(sys.cap_mode().await);
            sys.print(format!("Mode: {mode}\n")).await;
            Ok(())
        }
        ("--mode", Some(text)) => match MODES.iter().position(|name| *name == text) {
            Some(place) => {
                let done = sys.set_cap_mode(place + 1).await;
                check(sys, done, format!("failed to set mode [{text}]")).await
            }
            None => refuse(sys, format!("unsupported mode: {text}")).await,
        },
        ("--inmode", Some(want)) => {
            let got = describe(sys.cap_mode().await);
            if got == want { Ok(()) } else { refuse(sys, format!("mismatched mode got={got} want={want}")).await }
        }
        ("--iab", Some(text)) => {
            let Some(iab) = Iab::from_text(text) else {
                return refuse(sys, format!("iab: '{text}' malformed")).await;
            };
            check(sys, sys.set_iab(&iab).await, "unable to set IAB tuple").await
        }
        ("--forkfor" | "--killit" | "--explain" | "--suggest" | "--license" | "-+" | "=+", _) => {
            sys.not_modelled(&format!("'{name}'")).await;
            Err(1)
        }
        _ => {
            sys.flush().await;
            sys.eprint("usage: capsh [args ...]\n").await;
            sys.try_help().await;
            Err(1)
        }
    }
}

/// A number in any base that strtoul(3) knows.
async fn number(sys: &Sys, text: &str) -> Step<i64> {
    let parsed = match text {
        t if t.starts_with("0x") => i64::from_str_radix(&t[2..], 16),
        t if t.starts_with('0') && t.len() > 1 => i64::from_str_radix(&t[1..], 8),
        t => t.parse(),
    };
    match parsed {
        Ok(n) => Ok(n),
        Err(_) => refuse(sys, format!("invalid value: [{text}]")).await,
    }
}

/// A list of names; `all` is all.
async fn caps(sys: &Sys, list: &str) -> Step<CapSet> {
    let mut set = CapSet::EMPTY;
    for name in list.split(',').filter(|n| !n.is_empty()) {
        match named(name) {
            Some(cap) => set = set.with(cap),
            None if name == "all" => set = CapSet::FULL,
            None => return refuse(sys, format!("capability [{name}] is unknown to libcap")).await,
        }
    }
    Ok(set)
}

async fn drop_bounding(sys: &Sys, list: &str) -> Step<()> {
    let wanted = caps(sys, list).await?;
    let before = check(sys, sys.capget(0).await, "Capabilities not available").await?;
    if !before.effective.has(Cap::SETPCAP) {
        let raised = Sets { effective: before.effective.with(Cap::SETPCAP), ..before };
        check(sys, sys.capset(&raised).await, "unable to raise CAP_SETPCAP for BSET changes").await?;
    }
    for cap in wanted.iter() {
        let done = sys.prctl(pr::CAPBSET_DROP, [i64::from(cap.0), 0, 0, 0]).await;
        let name = cap.name().to_lowercase();
        check(sys, done, format!("failed to drop [{name}={}]", cap.0)).await?;
    }
    if !before.effective.has(Cap::SETPCAP) {
        check(sys, sys.capset(&before).await, "unable to lower CAP_SETPCAP post BSET change").await?;
    }
    Ok(())
}

async fn change_ids(sys: &Sys, name: &str, text: &str, envp: &mut Vec<String>) -> Step<()> {
    match name {
        "--uid" => {
            let n = number(sys, text).await?;
            check(sys, sys.call(Sysno::SETUID, vec![n.into()]).await, format!("Failed to set uid={n}")).await?;
        }
        "--gid" => {
            let n = number(sys, text).await?;
            check(sys, sys.call(Sysno::SETGID, vec![n.into()]).await, format!("Failed to set gid={n}")).await?;
        }
        "--groups" => {
            let accounts = sys.accounts().await;
            let mut groups = Vec::new();
            for word in text.split(',').filter(|w| !w.is_empty()) {
                match accounts.group(word).map(|g| g.gid).or_else(|| word.parse().ok()) {
                    Some(gid) => groups.push(gid),
                    None => return refuse(sys, format!("Failed to identify gid for group [{word}]")).await,
                }
            }
            check(sys, sys.setgroups(&groups).await, format!("Failed to set groups [{text}]")).await?;
        }
        "--cap-uid" => {
            let n = number(sys, text).await?;
            keeping_permitted_setuid(sys, n).await?;
        }
        _ => {
            let accounts = sys.accounts().await;
            let Some(user) = accounts.user(text) else {
                return refuse(sys, format!("User [{text}] not known")).await;
            };
            let groups = accounts.group_list(&user.name, user.gid);
            let done = sys.call(Sysno::SETGID, vec![user.gid.into()]).await;
            check(sys, done, "Unable to set group ID").await?;
            check(sys, sys.setgroups(&groups).await, "Unable to set supplementary groups").await?;
            keeping_permitted_setuid(sys, i64::from(user.uid)).await?;
            for (variable, value) in [("USER", &user.name), ("HOME", &user.home)] {
                let entry = format!("{variable}={value}");
                match envp.iter_mut().find(|v| v.split('=').next() == Some(variable)) {
                    Some(old) => *old = entry,
                    None => envp.push(entry),
                }
            }
        }
    }
    Ok(())
}

/// cap_setuid(3): the permitted set outlives the change, the effective set is empty afterwards.
async fn keeping_permitted_setuid(sys: &Sys, uid: i64) -> Step<()> {
    let mut sets = check(sys, sys.capget(0).await, "Capabilities not available").await?;
    sets.effective = sets.effective.with(Cap::SETUID);
    let _ = sys.prctl(pr::SET_KEEPCAPS, [1, 0, 0, 0]).await;
    let mut result = sys.capset(&sets).await;
    if result.is_ok() {
        result = sys.call(Sysno::SETUID, vec![uid.into()]).await.map(drop);
    }
    let _ = sys.prctl(pr::SET_KEEPCAPS, [0; 4]).await;
    let _ = sys.capset(&Sets { effective: CapSet::EMPTY, ..sets }).await;
    check(sys, result, "Unable to set user ID").await
}

async fn has(sys: &Sys, test: &str, text: &str) -> Step<()> {
    let Some(cap) = named(text) else {
        return refuse(sys, format!("cap[{text}] not recognized by library")).await;
    };
    let sets = sys.capget(0).await.unwrap_or_default();
    let (answer, problem) = match test {
        "--has-p" => (sets.permitted.has(cap), "not permitted"),
        "--has-i" => (sets.inheritable.has(cap), "not inheritable"),
        "--has-b" => {
            let read = sys.prctl(pr::CAPBSET_READ, [i64::from(cap.0), 0, 0, 0]).await;
            (read == Ok(1), "not in bounding vector")
        }
        "--has-a" => (is_ambient(sys, cap).await, "not in ambient vector"),
        _ => (true, ""),
    };
    if answer { Ok(()) } else { refuse(sys, format!("cap[{text}] {problem}")).await }
}

async fn is_ambient(sys: &Sys, cap: Cap) -> bool {
    sys.prctl(pr::CAP_AMBIENT, [pr::CAP_AMBIENT_IS_SET, i64::from(cap.0), 0, 0]).await == Ok(1)
}

fn names(set: CapSet) -> String {
    set.iter()
        .map(|c| NAMES.get(usize::from(c.0)).map_or_else(|| c.0.to_string(), |n| format!("cap_{n}")))
        .collect::<Vec<_>>()
        .join(",")
}

/// The three sets, and the inheritable, ambient and bounding ones in the form of cap_iab(3).
async fn current(sys: &Sys) -> (Sets, Iab) {
    (sys.capget(0).await.unwrap_or_default(), sys.iab().await)
}

async fn print_state(sys: &Sys) {
    let (sets, iab) = current(sys).await;
    let mut out = format!(
        "Current: {}\nBounding set ={}\nAmbient set ={}\nCurrent IAB: {}\n",
        sets.to_text(),
        names(iab.bounding),
        names(iab.ambient),
        iab.to_text()
    );
    let bits = sys.prctl(pr::GET_SECUREBITS, [0; 4]).await.unwrap_or(0);
    let nnp = sys.prctl(pr::GET_NO_NEW_PRIVS, [0; 4]).await.unwrap_or(0);
    let length = (64 - bits.leading_zeros()).max(1);
    out.push_str(&format!("Securebits: 0{bits:o}/0x{bits:x}/{length}'b{bits:b} (no-new-privs={nnp})\n"));
    let bits = SecureBits::from_bits_truncate(bits as u32);
    for (name, bit, lock) in [
        ("noroot", SecureBits::NOROOT, SecureBits::NOROOT_LOCKED),
        ("no-suid-fixup", SecureBits::NO_SETUID_FIXUP, SecureBits::NO_SETUID_FIXUP_LOCKED),
        ("keep-caps", SecureBits::KEEP_CAPS, SecureBits::KEEP_CAPS_LOCKED),
        ("no-ambient-raise", SecureBits::NO_CAP_AMBIENT_RAISE, SecureBits::NO_CAP_AMBIENT_RAISE_LOCKED),
    ] {
        let set = if bits.contains(bit) { "yes" } else { "no" };
        let locked = if bits.contains(lock) { "locked" } else { "unlocked" };
        out.push_str(&format!(" secure-{name}: {set} ({locked})\n"));
    }
    let accounts = sys.accounts().await;
    let user = |uid: u32| format!("{uid}({})", accounts.user_by_id(uid).map_or("???", |u| u.name.as_str()));
    let group = |gid: u32| format!("{gid}({})", accounts.group_by_id(gid).map_or("???", |g| g.name.as_str()));
    let (uid, euid, gid) = (sys.getuid().await, sys.geteuid().await, sys.getgid().await);
    out.push_str(&format!("uid={} euid={}\ngid={}\n", user(uid), user(euid), group(gid)));
    let list = sys.call(Sysno::GETGROUPS, vec![65_536.into(), Value::Null]).await.unwrap_or_default();
    let list = list.output(1).as_list().unwrap_or_default().to_vec();
    let groups: Vec<String> = list.iter().filter_map(Value::as_int).map(|g| group(g as u32)).collect();
    let mode = sys.cap_mode().await;
    out.push_str(&format!("groups={}\nGuessed mode: {} ({mode})\n", groups.join(","), describe(mode)));
    sys.print(out).await;
}
