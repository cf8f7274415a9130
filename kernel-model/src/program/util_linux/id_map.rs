//! Ranges of ids for `unshare --map-users` and `--map-groups`, and the options that name namespaces.

use crate::namespace::NsKind;
use crate::program::Sys;

/// A line for newuidmap(1).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct MapRange {
    /// First id outside.
    pub outer: u32,
    /// First id inside.
    pub inner: u32,
    /// How many.
    pub count: u32,
}

/// The namespace that an option of unshare and nsenter means.
pub fn kind_of_option(key: char) -> Option<NsKind> {
    Some(match key {
        'm' => NsKind::Mnt,
        'u' => NsKind::Uts,
        'i' => NsKind::Ipc,
        'n' => NsKind::Net,
        'p' => NsKind::Pid,
        'U' => NsKind::User,
        'C' => NsKind::Cgroup,
        'T' => NsKind::Time,
        _ => return None,
    })
}

/// The range that an argument means: `OUTER,INNER,COUNT`, or `auto` for what the file grants to the user.
///
/// # Errors
/// The exit status, when there is none; the message has been written.
pub async fn range(sys: &Sys, text: &str, file: &str, id: u32) -> Result<MapRange, i32> {
    if text == "auto" {
        return subordinate(sys, file, id).await;
    }
    let parts: Vec<&str> = text.split(',').collect();
    let [outer, inner, count] = parts.as_slice() else {
        let problem = if parts.len() < 3 {
            format!("mapping '{text}' contains only {} elements", parts.len())
        } else {
            format!("mapping '{text}' contains too many elements")
        };
        sys.warnx(problem).await;
        return Err(1);
    };
    let mut numbers = [0; 3];
    for (number, part) in numbers.iter_mut().zip([outer, inner, count]) {
        let Ok(n) = part.parse() else {
            sys.warnx(format!("could not parse ID: '{part}'")).await;
            return Err(1);
        };
        *number = n;
    }
    let [outer, inner, count] = numbers;
    Ok(MapRange { outer, inner, count })
}

/// The first range of `/etc/subuid` or `/etc/subgid` for a user, by name or number.
async fn subordinate(sys: &Sys, file: &str, id: u32) -> Result<MapRange, i32> {
    let accounts = sys.accounts().await;
    let name = accounts.user_by_id(id).map(|u| u.name.clone());
    let text = match sys.read_file(file).await {
        Ok(text) => text,
        Err(e) => {
            sys.warn(format!("could not open '{file}'"), e).await;
            return Err(1);
        }
    };
    let number = id.to_string();
    for line in text.lines() {
        let mut parts = line.split(':');
        let (Some(owner), Some(start), Some(count)) = (parts.next(), parts.next(), parts.next()) else { continue };
        // As strtoul(3) takes it: a name that begins with no digit counts as 0, and so as root's.
        let digits = owner.len() - owner.trim_start_matches(|c: char| c.is_ascii_digit()).len();
        if Some(owner) != name.as_deref() && owner[..digits].parse().unwrap_or(0) != id {
            continue;
        }
        if let (Ok(outer), Ok(count)) = (start.parse(), count.parse()) {
            return Ok(MapRange { outer, inner: 0, count });
        }
    }
    // It says what errno(3) means, although nothing went wrong there.
    sys.warnx(format!("no line matching user \"{}\" in {file}: Success", name.unwrap_or(number))).await;
    Err(1)
}

/// The command line for newuidmap or newgidmap: the single id that is mapped as well, then the range without that id, inside
/// and outside (`map_ids`).
pub fn command(tool: &str, target: i32, range: MapRange, single: Option<(u32, u32)>) -> Vec<String> {
    let mut argv = vec![tool.to_owned(), target.to_string()];
    let mut push = |inner: u32, outer: u32, count: u32| {
        if count > 0 {
            argv.extend([inner.to_string(), outer.to_string(), count.to_string()]);
        }
    };
    let Some((inner, outer)) = single else {
        push(range.inner, range.outer, range.count);
        return argv;
    };
    push(inner, outer, 1);
    let hole = |id: u32, first: u32| id.checked_sub(first).filter(|at| *at < range.count).unwrap_or(range.count);
    let (inner_hole, outer_hole) = (hole(inner, range.inner), hole(outer, range.outer));
    let left = range.count - u32::from(inner_hole < range.count || outer_hole < range.count);
    let mut done = 0;
    while done < left {
        let (in_at, out_at) = (done + u32::from(done >= inner_hole), done + u32::from(done >= outer_hole));
        let next = [inner_hole, outer_hole].into_iter().filter(|at| *at > done).min().unwrap_or(left).min(left);
        push(range.inner.saturating_add(in_at), range.outer.saturating_add(out_at), next - done);
        done = next;
    }
    argv
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_single_id_makes_a_hole_in_the_range() {
        let range = |outer, inner, count| MapRange { outer, inner, count };
        let words = |r, one| command("newuidmap", 7, r, one)[2..].join(" ");
        assert_eq!(words(range(100_000, 0, 65_536), Some((0, 1001))), "0 1001 1 1 100000 65535");
        assert_eq!(words(range(100_000, 3, 10), Some((5, 1001))), "5 1001 1 3 100000 2 6 100002 7");
        assert_eq!(words(range(165_536, 3, 10), Some((50, 1001))), "50 1001 1 3 165536 10");
        assert_eq!(words(range(165_536, 3, 10), None), "3 165536 10");
    }
}
