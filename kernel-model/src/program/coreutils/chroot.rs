//! chroot(1).

use crate::errno::Errno;
use crate::program;
use crate::program::Sys;
use crate::program::getopt::{Long, Spec, Takes};
use crate::program::quote::quote;
use crate::syscall::{Sysno, Value};

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
    // Names are looked up before the root changes; afterwards /etc may be another one.
    let accounts = sys.accounts().await;
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
    if let Some(list) = options.value('g') {
        let mut groups = Vec::new();
        for name in list.split(',').filter(|n| !n.is_empty()) {
            let Some(gid) = accounts.group(name).map(|g| g.gid).or_else(|| name.parse().ok()) else {
                sys.error(format!("invalid group {}", quote(name))).await;
                return Err(125);
            };
            groups.push(Value::from(gid));
        }
        if let Err(e) = sys.call(Sysno::SETGROUPS, vec![groups.len().into(), Value::List(groups)]).await {
            sys.error(format!("failed to set supplemental groups: {e}")).await;
            return Err(125);
        }
    }
    if let Some(spec) = options.value('u') {
        let (user, group) = spec.split_once(':').unwrap_or((spec, ""));
        let known = accounts.user(user);
        let uid = known.map(|u| u.uid).or_else(|| user.parse::<u32>().ok());
        let gid = match group {
            "" => known.map(|u| u.gid),
            group => accounts.group(group).map(|g| g.gid).or_else(|| group.parse().ok()),
        };
        if (!user.is_empty() && uid.is_none()) || (!group.is_empty() && gid.is_none()) {
            let what = if uid.is_none() && !user.is_empty() { "invalid user" } else { "invalid group" };
            sys.error(what).await;
            return Err(125);
        }
        if let Some(gid) = gid
            && let Err(e) = sys.call(Sysno::SETGID, vec![gid.into()]).await
        {
            sys.error(format!("failed to set group-ID: {e}")).await;
            return Err(125);
        }
        if let Some(uid) = uid
            && let Err(e) = sys.call(Sysno::SETUID, vec![uid.into()]).await
        {
            sys.error(format!("failed to set user-ID: {e}")).await;
            return Err(125);
        }
    }
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
