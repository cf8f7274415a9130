//! id(1), whoami(1) and groups(1).

use crate::program;
use crate::program::Sys;
use crate::program::accounts::Accounts;
use crate::program::getopt::{Long, Spec, Takes};
use crate::program::quote::quote;

program!(ID = "id" in "/usr/bin", "print real and effective user and group IDs", id, "\
-u, --user; -g, --group; -G, --groups  print only the effective user ID, group ID, all group IDs
-n, --name  print a name instead of a number, for -ugG
-r, --real  print the real ID instead of the effective ID, with -ugG
-Z, --context  print only the security context
-z, --zero  delimit entries with NUL characters
USER  of this user instead of the caller");
program!(WHOAMI = "whoami" in "/usr/bin", "print effective user name", whoami, "");
program!(GROUPS = "groups" in "/usr/bin", "print the groups a user is in", groups, "USER...  of these users instead of the caller");

const SPEC: Spec = Spec {
    short: "agnruGzZ",
    long: &[
        Long("group", Takes::Nothing, 'g'),
        Long("groups", Takes::Nothing, 'G'),
        Long("name", Takes::Nothing, 'n'),
        Long("real", Takes::Nothing, 'r'),
        Long("user", Takes::Nothing, 'u'),
        Long("zero", Takes::Nothing, 'z'),
        Long("context", Takes::Nothing, 'Z'),
    ],
    ..Spec::COREUTILS
};

/// Who is meant.
struct Ids {
    uid: u32,
    euid: u32,
    gid: u32,
    egid: u32,
    groups: Vec<u32>,
}

impl Ids {
    async fn of_caller(sys: &Sys) -> Ids {
        Ids {
            uid: sys.getuid().await,
            euid: sys.geteuid().await,
            gid: sys.getgid().await,
            egid: sys.getegid().await,
            groups: sys.getgroups().await.unwrap_or_default(),
        }
    }

    fn of_user(accounts: &Accounts, name: &str) -> Option<Ids> {
        let by_number = || name.strip_prefix('+').unwrap_or(name).parse().ok().and_then(|n| accounts.user_by_id(n));
        let user = accounts.user(name).or_else(by_number)?;
        let groups = accounts.group_list(&user.name, user.gid);
        Some(Ids { uid: user.uid, euid: user.uid, gid: user.gid, egid: user.gid, groups })
    }

    /// All groups, those of the process first.
    fn all_groups(&self) -> Vec<u32> {
        let mut all = vec![self.gid];
        for gid in [self.egid].iter().chain(&self.groups) {
            if !all.contains(gid) {
                all.push(*gid);
            }
        }
        all
    }
}

/// `-Z`: the label of the caller.
async fn context(sys: &Sys, of_user: bool) -> Result<i32, i32> {
    if of_user {
        sys.error("cannot print security context when user specified").await;
        return Err(1);
    }
    if !sys.is_selinux_enabled().await {
        sys.error("--context (-Z) works only on an SELinux-enabled kernel").await;
        return Err(1);
    }
    match sys.own_label().await {
        Ok(label) => {
            sys.print(format!("{label}\n")).await;
            Ok(0)
        }
        Err(_) => {
            sys.error("can't get process context").await;
            Err(1)
        }
    }
}

async fn id(sys: Sys) -> Result<i32, i32> {
    let options = sys.getopt(&SPEC).await?;
    if options.has('Z') {
        return context(&sys, !options.operands.is_empty()).await;
    }
    let kinds = "ugG".chars().filter(|k| options.has(*k)).count();
    if kinds > 1 {
        sys.error("cannot print \"only\" of more than one choice").await;
        return Err(1);
    }
    let plain = kinds == 0;
    if plain && (options.has('n') || options.has('r')) {
        sys.error("cannot print only names or real IDs in default format").await;
        return Err(1);
    }
    if plain && options.has('z') {
        sys.error("option --zero not permitted in default format").await;
        return Err(1);
    }
    let accounts = sys.accounts().await;
    let mut subjects = Vec::new();
    let mut status = 0;
    if options.operands.is_empty() {
        subjects.push(Ids::of_caller(&sys).await);
    }
    for name in &options.operands {
        match Ids::of_user(&accounts, name) {
            Some(ids) => subjects.push(ids),
            None => {
                sys.error(format!("{}: no such user", quote(name))).await;
                status = 1;
            }
        }
    }
    let end = if options.has('z') { '\0' } else { '\n' };
    for ids in subjects {
        if plain {
            sys.print(format!("{}\n", describe(&ids, &accounts, sys.is_busybox() || !options.operands.is_empty())))
                .await;
            continue;
        }
        let numbers = match (options.last_of("ugG"), options.has('r')) {
            (Some('u'), true) => vec![ids.uid],
            (Some('u'), false) => vec![ids.euid],
            (Some('g'), true) => vec![ids.gid],
            (Some('g'), false) => vec![ids.egid],
            _ => ids.all_groups(),
        };
        let mut shown = Vec::new();
        for n in numbers {
            let name = if !options.has('n') {
                None
            } else if options.has('u') {
                Some(accounts.user_by_id(n).map(|u| u.name.clone()))
            } else {
                Some(accounts.group_by_id(n).map(|g| g.name.clone()))
            };
            shown.push(match name {
                None => n.to_string(),
                Some(Some(name)) => name,
                Some(None) => {
                    let what = if options.has('u') { "user" } else { "group" };
                    sys.error(format!("cannot find name for {what} ID {n}")).await;
                    status = 1;
                    n.to_string()
                }
            });
        }
        let gap = if options.has('z') { "\0" } else { " " };
        sys.print(format!("{}{end}", shown.join(gap))).await;
    }
    Ok(status)
}

/// `uid=0(root) gid=0(root) groups=0(root)`
fn describe(ids: &Ids, accounts: &Accounts, as_listed: bool) -> String {
    let user = |uid: u32| accounts.user_by_id(uid).map_or_else(|| uid.to_string(), |u| format!("{uid}({})", u.name));
    let group = |gid: u32| accounts.group_by_id(gid).map_or_else(|| gid.to_string(), |g| format!("{gid}({})", g.name));
    let mut out = format!("uid={} gid={}", user(ids.uid), group(ids.gid));
    if ids.euid != ids.uid {
        out += &format!(" euid={}", user(ids.euid));
    }
    if ids.egid != ids.gid {
        out += &format!(" egid={}", group(ids.egid));
    }
    // Here the kernel's list counts, which does not have the group of the process by itself; busybox shows just that.
    let listed = if as_listed { ids.groups.clone() } else { ids.kernel_groups() };
    if !listed.is_empty() {
        let names: Vec<String> = listed.iter().map(|g| group(*g)).collect();
        out += &format!(" groups={}", names.join(","));
    }
    out
}

impl Ids {
    /// The effective group and the supplementary ones as getgroups(2) has them, without those that repeat
    /// the first or the one before.
    fn kernel_groups(&self) -> Vec<u32> {
        let mut list = vec![self.egid];
        for gid in &self.groups {
            if list.first() != Some(gid) && list.last() != Some(gid) {
                list.push(*gid);
            }
        }
        list
    }
}

async fn whoami(sys: Sys) -> Result<i32, i32> {
    let options = sys.getopt(&Spec::COREUTILS).await?;
    if let Some(extra) = options.operands.first() {
        return Err(sys.extra_operand(extra).await);
    }
    let uid = sys.geteuid().await;
    match sys.accounts().await.user_by_id(uid) {
        Some(user) => {
            sys.print(format!("{}\n", user.name)).await;
            Ok(0)
        }
        None => {
            let unknown = if sys.is_busybox() { "unknown uid" } else { "cannot find name for user ID" };
            sys.error(format!("{unknown} {uid}")).await;
            Ok(1)
        }
    }
}

async fn groups(sys: Sys) -> Result<i32, i32> {
    let options = sys.getopt(&Spec::COREUTILS).await?;
    let accounts = sys.accounts().await;
    let mut status = 0;
    let mut line = |ids: &Ids| {
        let known = |gid: &u32| accounts.group_by_id(*gid).map(|g| g.name.clone());
        let mut missing = Vec::new();
        let names: Vec<String> = ids
            .all_groups()
            .iter()
            .map(|gid| {
                known(gid).unwrap_or_else(|| {
                    missing.push(*gid);
                    gid.to_string()
                })
            })
            .collect();
        if !missing.is_empty() {
            status = 1;
        }
        (names.join(" "), missing)
    };
    let mut lines = Vec::new();
    if options.operands.is_empty() {
        let (names, missing) = line(&Ids::of_caller(&sys).await);
        lines.push((Ok(format!("{names}\n")), missing));
    }
    for name in &options.operands {
        lines.push(match Ids::of_user(&accounts, name) {
            Some(ids) => {
                let (names, missing) = line(&ids);
                (Ok(format!("{name} : {names}\n")), missing)
            }
            None => (Err(format!("{}: no such user", quote(name))), Vec::new()),
        });
    }
    for (line, missing) in lines {
        for gid in missing {
            sys.error(format!("cannot find name for group ID {gid}")).await;
        }
        match line {
            Ok(line) => sys.print(line).await,
            Err(message) => {
                sys.error(message).await;
                status = 1;
            }
        }
    }
    Ok(status)
}
