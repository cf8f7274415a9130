//! cgcreate(1) and cgdelete(1): groups come and go.

use super::hierarchy::{Mounted, Spec, groups_below, mounted, write};
use super::{Failure, HELP, OPTIONS, options};
use crate::errno::Errno;
use crate::program;
use crate::program::Sys;
use crate::program::getopt::{Long, Options, Spec as Opts, Takes};
use crate::program::libc::AT_FDCWD;

program!(CGCREATE = "cgcreate" in "/usr/bin", "create control groups", cgcreate, "\
-g CONTROLLERS:PATH  the group, with all groups above it
-a UID:GID  who owns the group and its files
-t UID:GID  who owns the file of tasks, and so may move processes into the group
-d, -f, -s MODE  permission bits of the directory, of files, of the file of tasks");
program!(CGDELETE = "cgdelete" in "/usr/bin", "remove control groups", cgdelete, "\
-g CONTROLLERS:PATH  the group; -g may be left out
-r, --recursive  with all groups below it");

/// What exit(3) makes of -1.
const WRONG: i32 = 255;

/// Who owns files, and which permissions they get.
#[derive(Clone, Copy, Default)]
struct Access {
    owner: Option<(u32, u32)>,
    tasks_owner: Option<(u32, u32)>,
    dir_mode: Option<u32>,
    file_mode: Option<u32>,
    tasks_mode: Option<u32>,
}

async fn cgcreate(sys: Sys) -> Result<i32, i32> {
    const SPEC: Opts = Opts {
        short: "g:a:t:d:f:s:h",
        long: &[
            Long("dperm", Takes::Value, 'd'),
            Long("fperm", Takes::Value, 'f'),
            Long("tperm", Takes::Value, 's'),
            HELP,
        ],
        ..OPTIONS
    };
    let options = options(&sys, &SPEC).await?;
    let access = access(&sys, &options).await?;
    let mut specs = Vec::new();
    for text in options.values('g') {
        match Spec::parse(text) {
            Some(spec) => specs.push(spec),
            None => {
                sys.error("cgroup controller and pathparsing failed ((null))").await;
                return Err(WRONG);
            }
        }
    }
    if specs.is_empty() {
        sys.eprint("Wrong input parameters, try cgcreate -h' for more information.\n").await;
        return Err(WRONG);
    }
    let mounted = mounted(&sys).await;
    for spec in specs {
        if let Err(failure) = create(&sys, &spec, &mounted, &access).await {
            sys.error(format!("can't create cgroup {}: {}", spec.path, failure.text())).await;
            return Err(failure.status());
        }
    }
    Ok(0)
}

async fn access(sys: &Sys, given: &Options) -> Result<Access, i32> {
    let mode = |key| given.value(key).and_then(|text| u32::from_str_radix(text, 8).ok());
    let mut access = Access { dir_mode: mode('d'), file_mode: mode('f'), tasks_mode: mode('s'), ..Access::default() };
    let accounts = sys.accounts().await;
    for key in ['a', 't'] {
        let Some(text) = given.value(key) else { continue };
        let (user, group) = text.split_once(':').unwrap_or((text, ""));
        let uid = accounts.user(user).map(|u| u.uid).or_else(|| user.parse().ok());
        let gid = accounts.group(group).map(|g| g.gid).or_else(|| group.parse().ok());
        let (uid, gid) = match (uid, gid) {
            (None, _) if !user.is_empty() => {
                sys.error(format!("can't find uid of user {user}.")).await;
                return Err(0);
            }
            (_, None) if !group.is_empty() => {
                sys.error(format!("can't find gid of group {group}.")).await;
                return Err(0);
            }
            (uid, gid) => (uid.unwrap_or(u32::MAX), gid.unwrap_or(u32::MAX)),
        };
        *(if key == 'a' { &mut access.owner } else { &mut access.tasks_owner }) = Some((uid, gid));
    }
    Ok(access)
}

/// `cgroup_create_cgroup`
async fn create(sys: &Sys, spec: &Spec, mounted: &[Mounted], access: &Access) -> Result<(), Failure> {
    let failed = |errno| match errno {
        Errno::EPERM | Errno::EACCES => Failure::NotAllowed,
        errno => Failure::Other(errno),
    };
    for (m, directory) in spec.places(mounted)? {
        let mut at = m.path.clone();
        for part in spec.path.split('/').filter(|part| !part.is_empty()) {
            if m.is_v2 {
                // `cgroupv2_subtree_control`
                let enable = format!("+{}", m.controller);
                write(sys, &format!("{at}/cgroup.subtree_control"), &enable).await.map_err(failed)?;
            }
            at = format!("{at}/{part}");
            match sys.mkdir(&at, 0o775).await {
                Ok(()) | Err(Errno::EEXIST) => {}
                Err(errno) => return Err(failed(errno)),
            }
        }
        give(sys, &m, &directory, access).await.map_err(failed)?;
    }
    Ok(())
}

/// `cg_chown_recursive`, `cg_chmod_recursive_controller`
async fn give(sys: &Sys, m: &Mounted, directory: &str, access: &Access) -> Result<(), Errno> {
    if let Some((uid, gid)) = access.owner {
        sys.fchownat(AT_FDCWD, directory, uid, gid, 0).await?;
    }
    if let Some(mode) = access.dir_mode {
        sys.chmod(directory, mode).await?;
    }
    for entry in sys.read_dir(directory).await? {
        let path = format!("{directory}/{}", entry.d_name);
        let stat = sys.stat(&path).await?;
        if stat.is_dir() {
            continue;
        }
        let is_tasks = entry.d_name == m.tasks_file();
        let (owner, mode) = match is_tasks {
            true => (access.tasks_owner, access.tasks_mode),
            false => (access.owner, access.file_mode),
        };
        if let Some((uid, gid)) = owner {
            sys.fchownat(AT_FDCWD, &path, uid, gid, 0).await?;
        }
        if let Some(mode) = mode {
            // Nobody gets what the owner has not.
            let own = (stat.st_mode & 0o700) >> 6;
            sys.chmod(&path, mode & (own << 6 | own << 3 | own)).await?;
        }
    }
    Ok(())
}

async fn cgdelete(sys: Sys) -> Result<i32, i32> {
    const SPEC: Opts = Opts { short: "g:rh", long: &[Long("recursive", Takes::Nothing, 'r'), HELP], ..OPTIONS };
    let options = options(&sys, &SPEC).await?;
    let mounted = mounted(&sys).await;
    let mut status = 0;
    for text in options.values('g').chain(options.operands.iter().map(String::as_str)) {
        let Some(spec) = Spec::parse(text) else {
            sys.error(format!("error parsing cgroup '{text}'")).await;
            return Err(WRONG);
        };
        if let Err(failure) = delete(&sys, &spec, &mounted, options.has('r')).await {
            sys.error(format!("cannot remove group '{}': {}", spec.path, failure.text())).await;
            status = failure.status();
        }
    }
    Ok(status)
}

/// `cgroup_delete_cgroup_ext`: the processes go to the group above.
async fn delete(sys: &Sys, spec: &Spec, mounted: &[Mounted], recursive: bool) -> Result<(), Failure> {
    let mut gone: Vec<String> = Vec::new();
    for (m, directory) in spec.places(mounted)? {
        if gone.contains(&directory) {
            continue;
        }
        let above = directory.rsplit_once('/').map_or(m.path.clone(), |(dir, _)| dir.to_owned());
        sys.stat(&directory).await.map_err(Failure::Other)?;
        let mut all = vec![directory.clone()];
        if recursive {
            all.extend(groups_below(sys, &directory).await);
        }
        for dir in all.iter().rev() {
            let file = m.tasks_file();
            for pid in sys.read_file(&format!("{dir}/{file}")).await.unwrap_or_default().lines() {
                let _ = write(sys, &format!("{above}/{file}"), pid).await;
            }
            sys.rmdir(dir).await.map_err(Failure::Other)?;
        }
        gone.push(directory);
    }
    Ok(())
}
