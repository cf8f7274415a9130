//! chroot(1).

use crate::errno::Errno;
use crate::program;
use crate::program::Sys;
use crate::program::accounts::Accounts;
use crate::program::getopt::{Long, Spec, Takes};
use crate::program::quote::quote;
use crate::syscall::Sysno;

program!(CHROOT = "chroot" in "/usr/sbin", "run command or interactive shell with special root directory", chroot, "\
--userspec USER:GROUP  user and group to use, as names or numbers
--groups G_LIST  supplementary groups as g1,g2,..,gN
--skip-chdir  do not change working directory to '/'
NEWROOT [COMMAND [ARG]...]  without command: \"$SHELL\" -i");

const SPEC: Spec = Spec {
    short: "+",
    long: &[
        Long("groups", Takes::Value, 'g'),
        Long("userspec", Takes::Value, 'u'),
        Long("skip-chdir", Takes::Nothing, 's'),
    ],
    failure: 125,
    ..Spec::COREUTILS
};

/// The user and the group to become.
#[derive(Clone, Default)]
struct Ids {
    uid: Option<u32>,
    gid: Option<u32>,
    /// The name of the user, for his other groups.
    name: Option<String>,
}

impl Ids {
    /// `USER`, `USER:`, `USER:GROUP` or `:GROUP` (`parse_user_spec`). What cannot be found changes nothing.
    fn parse(&mut self, spec: &str, accounts: &Accounts) -> Result<(), &'static str> {
        let (user, group) = match spec.split_once(':') {
            Some((user, group)) => (user, Some(group)),
            None => (spec, None),
        };
        let known = accounts.user(user);
        let uid = match user {
            "" => self.uid,
            user => Some(known.map(|u| u.uid).or_else(|| user.parse().ok()).ok_or("invalid user")?),
        };
        let gid = match group {
            None | Some("") => known.map(|u| u.gid).or(self.gid),
            Some(group) => {
                let gid = accounts.group(group).map(|g| g.gid).or_else(|| group.parse().ok());
                Some(gid.ok_or("invalid group")?)
            }
        };
        (self.uid, self.gid) = (uid, gid);
        Ok(())
    }

    /// The login group of a user without a group, and his name.
    fn complete(&mut self, accounts: &Accounts) {
        if let Some(user) = self.uid.and_then(|uid| accounts.user_by_id(uid)) {
            self.gid = self.gid.or(Some(user.gid));
            self.name = Some(user.name.clone());
        }
    }
}

/// The groups of a list that can be found, and the first that cannot.
fn groups<'a>(list: &'a str, accounts: &Accounts) -> (Vec<u32>, Option<&'a str>) {
    let (mut found, mut unknown) = (Vec::new(), None);
    for name in list.split(',').filter(|n| !n.is_empty()) {
        match accounts.group(name).map(|g| g.gid).or_else(|| name.parse().ok()) {
            Some(gid) => found.push(gid),
            None => unknown = unknown.or(Some(name)),
        }
    }
    (found, unknown)
}

/// In the new root: supplementary groups, group and user, in this order.
async fn become_user(
    sys: &Sys,
    spec: Option<&str>,
    list: Option<&str>,
    mut ids: Ids,
    outside_groups: Vec<u32>,
) -> Result<(), i32> {
    let accounts = sys.accounts().await;
    if let Some(spec) = spec {
        if let Err(what) = ids.parse(spec, &accounts) {
            sys.error(what).await;
            return Err(125);
        }
        ids.complete(&accounts);
        if let (Some(uid), None) = (ids.uid, ids.gid) {
            sys.error(format!("no group specified for unknown uid: {uid}: {}", Errno::ENOENT)).await;
            return Err(125);
        }
    }
    let supplementary = match (list, ids.gid, &ids.name) {
        (Some(list), ..) => {
            let (found, unknown) = groups(list, &accounts);
            if let Some(name) = unknown.filter(|_| outside_groups.is_empty()) {
                sys.error(format!("invalid group {}: {}", quote(name), Errno::ENOENT)).await;
                return Err(125);
            }
            Some(if unknown.is_some() { outside_groups } else { found })
        }
        (None, Some(gid), Some(name)) if accounts.user(name).is_some() => Some(accounts.group_list(name, gid)),
        (None, Some(_), Some(_)) => Some(outside_groups),
        _ => None,
    };
    if let Some(groups) = supplementary
        && let Err(e) = sys.setgroups(&groups).await
    {
        sys.error(format!("failed to set supplemental groups: {e}")).await;
        return Err(125);
    }
    if let Some(gid) = ids.gid
        && let Err(e) = sys.call(Sysno::SETGID, vec![gid.into()]).await
    {
        sys.error(format!("failed to set group-ID: {e}")).await;
        return Err(125);
    }
    if let Some(uid) = ids.uid
        && let Err(e) = sys.call(Sysno::SETUID, vec![uid.into()]).await
    {
        sys.error(format!("failed to set user-ID: {e}")).await;
        return Err(125);
    }
    Ok(())
}

async fn chroot(sys: Sys) -> Result<i32, i32> {
    let options = sys.getopt(&SPEC).await?;
    let Some((root, command)) = options.operands.split_first() else {
        return Err(sys.missing_operand().await);
    };
    if options.has('s')
        && sys.stat(root).await.map(|s| (s.st_dev, s.st_ino)) != sys.stat("/").await.map(|s| (s.st_dev, s.st_ino))
    {
        sys.error("option --skip-chdir only permitted if NEWROOT is old '/'").await;
        sys.try_help().await;
        return Err(125);
    }
    // Everything is looked up twice, first outside: what the new root does not know stays as it was found there.
    let accounts = sys.accounts().await;
    let mut outside = Ids::default();
    if let Some(spec) = options.value('u') {
        let _ = outside.parse(spec, &accounts);
        outside.complete(&accounts);
    }
    let outside_groups = match (options.value('g'), outside.gid, &outside.name) {
        (Some(list), ..) => groups(list, &accounts).0,
        (None, Some(gid), Some(name)) => accounts.group_list(name, gid),
        _ => Vec::new(),
    };
    if let Err(e) = sys.chroot(root).await {
        sys.path_error("cannot change root directory to", root, e).await;
        return Err(125);
    }
    if !options.has('s')
        && let Err(e) = sys.chdir("/").await
    {
        sys.error(format!("cannot chdir to root directory: {e}")).await;
        return Err(125);
    }
    become_user(&sys, options.value('u'), options.value('g'), outside, outside_groups).await?;
    let command = if command.is_empty() {
        let shell = sys.env("SHELL").unwrap_or("/bin/sh").to_owned();
        vec![shell, "-i".to_owned()]
    } else {
        command.to_vec()
    };
    let name = command.first().cloned().unwrap_or_default();
    let e = sys.execvp(&name, &command).await;
    if sys.is_busybox() {
        sys.error(format!("can't execute '{name}': {e}")).await;
    } else {
        sys.error(format!("failed to run command {}: {e}", quote(&name))).await;
    }
    Ok(if e == Errno::ENOENT { 127 } else { 126 })
}
