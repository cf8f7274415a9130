//! `newuidmap` and `newgidmap`: set-user-ID programs that write id maps for ordinary users, as far as
//! `/etc/subuid` and `/etc/subgid` allow it.

use super::caps::Sets;
use crate::errno::Errno;
use crate::program::Sys;
use crate::program::libc::o;
use crate::security::capability::{Cap, CapSet};
use crate::syscall::Sysno;
use crate::syscall::identity::prctl::pr;
use crate::vfs::fd_table::Fd;

crate::program!(
    NEWUIDMAP = "newuidmap" in "/usr/bin",
    "set the uid mapping of a user namespace",
    newuidmap,
    "  newuidmap PID UID LOWERUID COUNT [UID LOWERUID COUNT]..."
);

crate::program!(
    NEWGIDMAP = "newgidmap" in "/usr/bin",
    "set the gid mapping of a user namespace",
    newgidmap,
    "  newgidmap PID GID LOWERGID COUNT [GID LOWERGID COUNT]..."
);

/// What differs between the two.
struct Kind {
    word: &'static str,
    file: &'static str,
    subordinate: &'static str,
    cap: Cap,
}

const UID: Kind = Kind { word: "uid", file: "uid_map", subordinate: "/etc/subuid", cap: Cap::SETUID };
const GID: Kind = Kind { word: "gid", file: "gid_map", subordinate: "/etc/subgid", cap: Cap::SETGID };

/// A line of the map.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
struct Range {
    upper: u64,
    lower: u64,
    count: u64,
}

async fn newuidmap(sys: Sys) -> i32 {
    done(run(&sys, &UID).await)
}

async fn newgidmap(sys: Sys) -> i32 {
    done(run(&sys, &GID).await)
}

fn done(result: Result<(), i32>) -> i32 {
    result.err().unwrap_or(0)
}

async fn refuse<T>(sys: &Sys, message: impl AsRef<str>) -> Result<T, i32> {
    sys.warnx(message).await;
    Err(1)
}

async fn usage<T>(sys: &Sys, kind: &Kind) -> Result<T, i32> {
    let w = kind.word;
    let text = format!("usage: {} <pid> <{w}> <lower{w}> <count> [ <{w}> <lower{w}> <count> ] ... \n", sys.name());
    sys.eprint(text).await;
    Err(1)
}

async fn run(sys: &Sys, kind: &Kind) -> Result<(), i32> {
    let words = sys.argv().get(1..).unwrap_or_default().to_vec();
    let Some((pid, rest)) = words.split_first() else { return usage(sys, kind).await };
    let Ok(target) = pid.parse::<u32>() else { return usage(sys, kind).await };
    let Ok(dir) = sys.open(&format!("/proc/{target}/"), o::RDONLY | o::DIRECTORY, 0).await else {
        return refuse(sys, format!("Could not open proc directory for target {target}")).await;
    };
    let (uid, gid) = (sys.getuid().await, sys.getgid().await);
    let accounts = sys.accounts().await;
    let Some(user) = accounts.user_by_id(uid).cloned() else {
        return refuse(sys, "Cannot determine your user name.").await;
    };
    let stat = match sys.fstat(dir).await {
        Ok(stat) => stat,
        Err(_) => return refuse(sys, format!("Could not stat directory for target {target}")).await,
    };
    if gid != user.gid || uid != stat.st_uid || gid != stat.st_gid {
        let message = format!(
            "Target process {target} is owned by a different user: uid:{uid} pw_uid:{} st_uid:{}, gid:{gid} pw_gid:{} \
             st_gid:{}",
            user.uid, stat.st_uid, user.gid, stat.st_gid
        );
        return refuse(sys, message).await;
    }
    let granted = sys.read_file(kind.subordinate).await.unwrap_or_default();
    let ranges = ranges(sys, kind, rest).await?;
    let own = if kind.word == "uid" { uid } else { gid };
    let mut all_own = true;
    for range in &ranges {
        if is_granted(&granted, &user.name, uid, range) {
            all_own = false;
        } else if range.count != 1 || range.lower != u64::from(own) {
            let Range { upper, lower, count } = range;
            let message =
                format!("{} range [{upper}-{}) -> [{lower}-{}) not allowed", kind.word, upper + count, lower + count);
            return refuse(sys, message).await;
        }
    }
    // Who maps only his own group could otherwise use the namespace to drop groups that deny him something.
    if kind.word == "gid" && all_own && !ranges.is_empty() {
        deny_setgroups(sys, dir).await?;
    }
    write_map(sys, kind, dir, &ranges, uid).await
}

async fn ranges(sys: &Sys, kind: &Kind, words: &[String]) -> Result<Vec<Range>, i32> {
    let wanted = words.len().div_ceil(3);
    if !words.len().is_multiple_of(3) {
        sys.eprint(format!("ranges: {wanted} argc: {}\n", words.len())).await;
        sys.warnx(format!("Not enough arguments to form {wanted} mappings")).await;
        return usage(sys, kind).await;
    }
    let mut ranges = Vec::new();
    for three in words.chunks(3) {
        let numbers: Vec<u64> = three.iter().filter_map(|w| w.parse::<u32>().ok().map(u64::from)).collect();
        let [upper, lower, count] = numbers[..] else { return usage(sys, kind).await };
        if upper + count > u64::from(u32::MAX) || lower + count > u64::from(u32::MAX) {
            return refuse(sys, format!("sub{} overflow detected.", kind.word)).await;
        }
        ranges.push(Range { upper, lower, count });
    }
    Ok(ranges)
}

/// Whether `/etc/subuid` or `/etc/subgid` gives the whole range to the user.
fn is_granted(text: &str, name: &str, uid: u32, range: &Range) -> bool {
    let number = uid.to_string();
    range.count > 0
        && text.lines().any(|line| {
            let parts: Vec<&str> = line.split(':').collect();
            let [owner, start, count] = parts[..] else { return false };
            let (Ok(start), Ok(count)) = (start.parse::<u64>(), count.parse::<u64>()) else { return false };
            (owner == name || owner == number)
                && start <= range.lower
                && range.lower + range.count <= start.saturating_add(count)
        })
}

async fn deny_setgroups(sys: &Sys, dir: Fd) -> Result<(), i32> {
    let fd = match sys.openat(dir, "setgroups", o::RDWR | o::CLOEXEC, 0).await {
        Ok(fd) => fd,
        // A kernel before 3.19 has no such file.
        Err(Errno::ENOENT) => return Ok(()),
        Err(e) => return refuse(sys, format!("couldn't open process setgroups: {e}")).await,
    };
    let now = sys.read(fd, 4096).await.unwrap_or_default();
    if now.starts_with(b"deny") {
        return Ok(());
    }
    let _ = sys.lseek(fd, 0, 0).await;
    if let Err(e) = sys.write_all(fd, b"deny").await {
        return refuse(sys, format!("failed to setgroups deny policy: {e}")).await;
    }
    let _ = sys.close(fd).await;
    Ok(())
}

/// Goes back to the user who called, keeping just the one capability that the map needs, and writes it.
async fn write_map(sys: &Sys, kind: &Kind, dir: Fd, ranges: &[Range], uid: u32) -> Result<(), i32> {
    if sys.geteuid().await != uid {
        if sys.prctl(pr::SET_KEEPCAPS, [1, 0, 0, 0]).await.is_err() {
            return refuse(sys, "Could not prctl(PR_SET_KEEPCAPS)").await;
        }
        let seteuid = sys.call(Sysno::SETRESUID, vec![(-1).into(), uid.into(), (-1).into()]).await;
        if seteuid.is_err() {
            return refuse(sys, format!("Could not seteuid to {uid}")).await;
        }
    }
    let mut caps = CapSet::EMPTY.with(kind.cap);
    if ranges.iter().any(|r| r.lower == 0) {
        // Mapping the parent's root needs this one, too.
        caps = caps.with(Cap::SETFCAP);
    }
    let sets = Sets { effective: caps, permitted: caps, inheritable: CapSet::EMPTY };
    if sys.capset(&sets).await.is_err() {
        return refuse(sys, "Could not set caps").await;
    }
    let text: String = ranges.iter().map(|r| format!("{} {} {}\n", r.upper, r.lower, r.count)).collect();
    let fd = match sys.openat(dir, kind.file, o::WRONLY, 0).await {
        Ok(fd) => fd,
        Err(e) => return refuse(sys, format!("open of {} failed: {e}", kind.file)).await,
    };
    if let Err(e) = sys.write(fd, text.as_bytes()).await {
        return refuse(sys, format!("write to {} failed: {e}", kind.file)).await;
    }
    let _ = sys.close(fd).await;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_range_must_lie_in_one_that_was_granted() {
        let granted = |lower, count| {
            is_granted("student:100000:65536\n1001:200000:10\n", "student", 1000, &Range { upper: 0, lower, count })
        };
        assert!(granted(100_000, 65_536));
        assert!(!granted(100_000, 65_537));
        assert!(!granted(200_000, 10));
        assert!(!granted(100_000, 0));
    }
}
