//! chown(1) and chgrp(1).

use super::ls::join;
use crate::program;
use crate::program::Sys;
use crate::program::accounts::Accounts;
use crate::program::getopt::{Long, Spec, Takes};
use crate::program::libc::{AT_FDCWD, AT_SYMLINK_NOFOLLOW};
use crate::program::quote::{quote, quoteaf};

program!(CHOWN = "chown" in "/usr/bin", "change file owner and group", chown, USAGE);
program!(CHGRP = "chgrp" in "/usr/bin", "change group ownership", chgrp, USAGE);

const USAGE: &str = "\
-R, --recursive  operate on files and directories recursively
-h, --no-dereference  affect symbolic links instead of any referenced file
-f, --silent  suppress most error messages
-v, --verbose; -c, --changes  report every file, every change
--reference RFILE  use RFILE's owner and group
OWNER, OWNER:GROUP, OWNER:, :GROUP  names or numbers";

const SPEC: Spec = Spec {
    short: "Rhfvc",
    long: &[
        Long("recursive", Takes::Nothing, 'R'),
        Long("changes", Takes::Nothing, 'c'),
        Long("dereference", Takes::Nothing, 'd'),
        Long("no-dereference", Takes::Nothing, 'h'),
        Long("quiet", Takes::Nothing, 'f'),
        Long("silent", Takes::Nothing, 'f'),
        Long("reference", Takes::Value, 'r'),
        Long("verbose", Takes::Nothing, 'v'),
        Long("no-preserve-root", Takes::Nothing, 'n'),
        Long("preserve-root", Takes::Nothing, 'p'),
    ],
    unmodelled: "-H -L -P --from",
    ..Spec::COREUTILS
};

async fn chown(sys: Sys) -> Result<i32, i32> {
    change(&sys, false).await
}

async fn chgrp(sys: Sys) -> Result<i32, i32> {
    change(&sys, true).await
}

/// What to set, by id and as the messages name it.
struct Owner {
    uid: Option<u32>,
    gid: Option<u32>,
    /// As it was written.
    written: Option<String>,
}

async fn change(sys: &Sys, only_group: bool) -> Result<i32, i32> {
    let options = sys.getopt(&SPEC).await?;
    let accounts = sys.accounts().await;
    let (owner, files) = match (options.value('r'), options.operands.as_slice()) {
        (Some(reference), files) => match sys.stat(reference).await {
            Ok(stat) => {
                let uid = (!only_group).then_some(stat.st_uid);
                (Owner { uid, gid: Some(stat.st_gid), written: None }, files)
            }
            Err(e) => {
                sys.path_error("failed to get attributes of", reference, e).await;
                return Err(1);
            }
        },
        (None, []) => return Err(sys.missing_operand().await),
        (None, [spec]) => return Err(sys.missing_operand_after(spec).await),
        (None, [spec, files @ ..]) => {
            let parsed = if only_group { parse_group(spec, &accounts) } else { parse_owner(spec, &accounts) };
            match parsed {
                Ok(owner) => (Owner { written: Some(spec.trim_start_matches(':').to_owned()), ..owner }, files),
                Err(what) => {
                    sys.error(format!("invalid {what}: {}", quote(spec))).await;
                    return Err(1);
                }
            }
        }
    };
    let itself = options.last_of("hd") == Some('h');
    let mut status = 0;
    let mut todo: Vec<(String, bool)> = files.iter().rev().map(|f| (f.clone(), true)).collect();
    while let Some((path, is_operand)) = todo.pop() {
        let follow = !itself && (is_operand || !options.has('R'));
        let stat = if follow { sys.stat(&path).await } else { sys.lstat(&path).await };
        let stat = match stat {
            Ok(stat) => stat,
            Err(e) => {
                status = 1;
                if !options.has('f') && sys.is_busybox() {
                    sys.error(format!("{path}: {e}")).await;
                } else if !options.has('f') {
                    let what =
                        if follow && sys.lstat(&path).await.is_ok() { "cannot dereference" } else { "cannot access" };
                    sys.path_error(what, &path, e).await;
                }
                continue;
            }
        };
        // A directory is entered before it is given away.
        let below = if options.has('R') && sys.lstat(&path).await.is_ok_and(|s| s.is_dir()) {
            match sys.read_dir(&path).await {
                Ok(entries) => entries,
                Err(e) => {
                    status = 1;
                    sys.path_error("cannot read directory", &path, e).await;
                    Vec::new()
                }
            }
        } else {
            Vec::new()
        };
        let flags = if follow { 0 } else { AT_SYMLINK_NOFOLLOW };
        let (uid, gid) = (owner.uid.unwrap_or(u32::MAX), owner.gid.unwrap_or(u32::MAX));
        let what = if owner.uid.is_some() || !only_group && owner.gid.is_none() { "ownership" } else { "group" };
        match sys.fchownat(AT_FDCWD, &path, uid, gid, flags).await {
            Ok(()) => {
                let differs =
                    owner.uid.is_some_and(|u| u != stat.st_uid) || owner.gid.is_some_and(|g| g != stat.st_gid);
                if options.has('v') || (options.has('c') && differs) {
                    let name = |uid: u32, gid: u32| match (owner.uid, owner.gid) {
                        (Some(_), Some(_)) => format!("{}:{}", accounts.user_name(uid), accounts.group_name(gid)),
                        (Some(_), None) => accounts.user_name(uid),
                        _ => accounts.group_name(gid),
                    };
                    let old = name(stat.st_uid, stat.st_gid);
                    let by_id = || name(owner.uid.unwrap_or(0), owner.gid.unwrap_or(0));
                    let new = owner.written.clone().unwrap_or_else(by_id);
                    let text = if differs {
                        format!("changed {what} of {} from {old} to {new}\n", quoteaf(&path))
                    } else {
                        format!("{what} of {} retained as {old}\n", quoteaf(&path))
                    };
                    sys.print(text).await;
                }
            }
            Err(e) => {
                status = 1;
                if !options.has('f') && sys.is_busybox() {
                    sys.error(format!("{path}: {e}")).await;
                } else if !options.has('f') {
                    sys.path_error(&format!("changing {what} of"), &path, e).await;
                }
            }
        }
        todo.extend(below.iter().rev().map(|e| (join(&path, &e.d_name), false)));
    }
    Ok(status)
}

fn number(text: &str) -> Option<u32> {
    text.strip_prefix('+').unwrap_or(text).parse().ok().filter(|n| *n != u32::MAX)
}

fn user_id(name: &str, accounts: &Accounts) -> Option<u32> {
    accounts.user(name).map(|u| u.uid).or_else(|| number(name))
}

fn group_id(name: &str, accounts: &Accounts) -> Option<u32> {
    accounts.group(name).map(|g| g.gid).or_else(|| number(name))
}

fn parse_group(spec: &str, accounts: &Accounts) -> Result<Owner, &'static str> {
    if spec.is_empty() {
        return Ok(Owner { uid: None, gid: None, written: None });
    }
    let gid = group_id(spec, accounts).ok_or("group")?;
    Ok(Owner { uid: None, gid: Some(gid), written: None })
}

/// `OWNER`, `OWNER:GROUP`, `OWNER:` (the login group of the owner), `:GROUP`.
fn parse_owner(spec: &str, accounts: &Accounts) -> Result<Owner, &'static str> {
    let Some((user, group)) = spec.split_once(':') else {
        if spec.is_empty() {
            return Ok(Owner { uid: None, gid: None, written: None });
        }
        return match user_id(spec, accounts) {
            Some(uid) => Ok(Owner { uid: Some(uid), gid: None, written: None }),
            // `user.group` is an old way to write it.
            None => match spec.split_once('.') {
                Some((user, group)) => parse_owner(&format!("{user}:{group}"), accounts).map_err(|_| "user"),
                None => Err("user"),
            },
        };
    };
    let uid = if user.is_empty() { None } else { Some(user_id(user, accounts).ok_or("user")?) };
    let gid = match (group, uid) {
        ("", None) => None,
        ("", Some(_)) => Some(accounts.user(user).ok_or("spec")?.gid),
        (group, _) => Some(group_id(group, accounts).ok_or("group")?),
    };
    Ok(Owner { uid, gid, written: None })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn owners_are_names_or_numbers() {
        let a = Accounts::parse("student:x:1000:1001::/:/bin/sh\n", "staff:x:50:\n");
        let owner = |spec| parse_owner(spec, &a).map(|o| (o.uid, o.gid));
        assert_eq!(owner("student"), Ok((Some(1000), None)));
        assert_eq!(owner("student:"), Ok((Some(1000), Some(1001))));
        assert_eq!(owner("student:staff"), Ok((Some(1000), Some(50))));
        assert_eq!(owner(":staff"), Ok((None, Some(50))));
        assert_eq!(owner("0:0"), Ok((Some(0), Some(0))));
        assert_eq!(owner("7:"), Err("spec"));
        assert_eq!(owner("nobody"), Err("user"));
        assert_eq!(owner("0:none"), Err("group"));
    }
}
