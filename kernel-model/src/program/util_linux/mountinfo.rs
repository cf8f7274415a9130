//! `/proc/self/mountinfo` as libmount reads it.

use crate::errno::Errno;
use crate::program::Sys;

/// A line of proc_pid_mountinfo(5).
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct MountInfo {
    /// The mount's number.
    pub id: u32,
    /// The number of the mount that it is attached to.
    pub parent: u32,
    /// Device, `major:minor`.
    pub maj_min: String,
    /// Which directory of the file system is mounted.
    pub root: String,
    /// Where it is mounted.
    pub target: String,
    /// Options of the mount.
    pub vfs_options: String,
    /// `shared:N`, `master:N` and so on.
    pub opt_fields: Vec<String>,
    /// Type of the file system.
    pub fstype: String,
    /// What was mounted.
    pub source: String,
    /// Options of the file system.
    pub fs_options: String,
}

impl MountInfo {
    /// Reads one line.
    pub fn parse(line: &str) -> Option<MountInfo> {
        let words: Vec<&str> = line.split(' ').collect();
        let dash = words.iter().skip(6).position(|w| *w == "-")? + 6;
        let [id, parent, maj_min, root, target, vfs_options] = words.get(..6)? else { return None };
        let [fstype, source, fs_options] = words.get(dash + 1..dash + 4)? else { return None };
        Some(MountInfo {
            id: id.parse().ok()?,
            parent: parent.parse().ok()?,
            maj_min: (*maj_min).to_owned(),
            root: unescape(root),
            target: unescape(target),
            vfs_options: (*vfs_options).to_owned(),
            opt_fields: words[6..dash].iter().map(|w| (*w).to_owned()).collect(),
            fstype: (*fstype).to_owned(),
            source: unescape(source),
            fs_options: (*fs_options).to_owned(),
        })
    }

    /// Both kinds of options in one list; `ro` on either side makes the whole read-only.
    pub fn options(&self) -> String {
        let is_mode = |o: &&str| *o == "rw" || *o == "ro";
        let both = || self.vfs_options.split(',').chain(self.fs_options.split(','));
        let mode = if both().any(|o| o == "ro") { "ro" } else { "rw" };
        let rest = both().filter(|o| !is_mode(o) && !o.is_empty());
        std::iter::once(mode).chain(rest).collect::<Vec<_>>().join(",")
    }

    /// Whether it has an optional field of this name.
    pub fn has_field(&self, name: &str) -> bool {
        self.opt_fields.iter().any(|f| f.split(':').next() == Some(name))
    }

    /// `shared` or `private`, with `slave` and `unbindable`.
    pub fn propagation(&self) -> String {
        let mut text = String::from(if self.has_field("shared") { "shared" } else { "private" });
        if self.has_field("master") {
            text.push_str(",slave");
        }
        if self.has_field("unbindable") {
            text.push_str(",unbindable");
        }
        text
    }

    /// What was mounted, with the directory inside it where that is not the root: `/dev/x[/dir]`.
    pub fn source_with_root(&self) -> String {
        if self.root == "/" { self.source.clone() } else { format!("{}[{}]", self.source, self.root) }
    }
}

/// Blanks and the like are written as `\\040`.
fn unescape(text: &str) -> String {
    let mut out = String::new();
    let mut rest = text;
    while let Some(at) = rest.find('\\') {
        out.push_str(&rest[..at]);
        let code = rest.get(at + 1..at + 4).and_then(|digits| u8::from_str_radix(digits, 8).ok());
        match code {
            Some(byte) => {
                out.push(char::from(byte));
                rest = &rest[at + 4..];
            }
            None => {
                out.push('\\');
                rest = &rest[at + 1..];
            }
        }
    }
    out.push_str(rest);
    out
}

/// The mount that a path lies in: the last one on the longest target.
pub fn mount_of<'a>(mounts: &'a [MountInfo], path: &str) -> Option<&'a MountInfo> {
    let holds = |m: &&MountInfo| {
        m.target == "/" || path == m.target || path.strip_prefix(&m.target).is_some_and(|rest| rest.starts_with('/'))
    };
    mounts.iter().filter(holds).max_by_key(|m| m.target.len())
}

/// The mount and everything below it, parents before children.
pub fn subtree<'a>(mounts: &'a [MountInfo], root: &'a MountInfo) -> Vec<&'a MountInfo> {
    let mut all = vec![root];
    let mut at = 0;
    while let Some(parent) = all.get(at).map(|m| m.id) {
        all.extend(mounts.iter().filter(|m| m.parent == parent && m.id != parent));
        at += 1;
    }
    all
}

impl Sys {
    /// Reads `/proc/self/mountinfo`.
    ///
    /// # Errors
    /// Those of opening it.
    pub async fn mountinfo(&self) -> Result<Vec<MountInfo>, Errno> {
        let text = self.read_file("/proc/self/mountinfo").await?;
        Ok(text.lines().filter_map(MountInfo::parse).collect())
    }

    /// realpath(3): an absolute path without links. The last part may be missing only when `None` is fine.
    pub async fn canonicalize(&self, path: &str) -> Option<String> {
        let mut todo: Vec<String> = path.split('/').rev().map(str::to_owned).collect();
        let mut done: Vec<String> = Vec::new();
        if !path.starts_with('/') {
            let cwd = self.getcwd().await.ok()?;
            done = cwd.split('/').filter(|p| !p.is_empty()).map(str::to_owned).collect();
        }
        let mut links = 0;
        while let Some(part) = todo.pop() {
            match part.as_str() {
                "" | "." => continue,
                ".." => {
                    done.pop();
                    continue;
                }
                _ => {}
            }
            let here = format!("/{}", done.iter().chain([&part]).cloned().collect::<Vec<_>>().join("/"));
            match self.readlink(&here).await {
                Ok(target) => {
                    links += 1;
                    if links > 40 {
                        return None;
                    }
                    if target.starts_with('/') {
                        done.clear();
                    }
                    todo.extend(target.split('/').rev().map(str::to_owned));
                }
                Err(Errno::EINVAL) => done.push(part),
                Err(_) => return None,
            }
        }
        Some(format!("/{}", done.join("/")))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_taken_apart() {
        let m = MountInfo::parse("64 42 0:40 /srv /mnt/a\\040b ro,relatime shared:1 master:2 - tmpfs w rw,size=1k")
            .expect("a line");
        assert_eq!(m.target, "/mnt/a b");
        assert_eq!(m.options(), "ro,relatime,size=1k");
        assert_eq!(m.propagation(), "shared,slave");
        assert_eq!(m.source_with_root(), "w[/srv]");
    }

    #[test]
    fn a_path_lies_in_the_nearest_mount() {
        let mount = |id, target: &str| MountInfo { id, target: target.to_owned(), ..MountInfo::default() };
        let mounts = [mount(1, "/"), mount(2, "/mnt"), mount(3, "/mnt"), mount(4, "/mntx")];
        let at = |path| mount_of(&mounts, path).map(|m| m.id);
        assert_eq!((at("/mnt/a"), at("/mntx"), at("/m")), (Some(3), Some(4), Some(1)));
    }
}
