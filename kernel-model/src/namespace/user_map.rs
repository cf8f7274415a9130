//! Writing `/proc/PID/uid_map`, `gid_map` and `setgroups`, as in user_namespaces(7) and `map_write` of
//! `kernel/user_namespace.c`. Who opened the file counts, not who writes.

use std::sync::Arc;

use super::user::{Extent, IdMap, UserNsId};
use crate::errno::Errno;
use crate::event::EventKind;
use crate::kernel::Kernel;
use crate::security::capability::Cap;
use crate::security::credentials::Cred;
use crate::task::TaskId;

/// Which of the three files.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, serde::Serialize, serde::Deserialize)]
pub enum MapFile {
    /// `uid_map`.
    Uid,
    /// `gid_map`.
    Gid,
    /// `setgroups`.
    Setgroups,
}

impl MapFile {
    /// Its name under `/proc/PID`.
    pub fn name(self) -> &'static str {
        match self {
            MapFile::Uid => "uid_map",
            MapFile::Gid => "gid_map",
            MapFile::Setgroups => "setgroups",
        }
    }
}

/// How many lines a map may have.
const MAX_EXTENTS: usize = 340;
/// A write of this many bytes or more is refused.
const PAGE_SIZE: usize = 4096;

impl Kernel<'_> {
    /// Writes one of the files of the user namespace `ns`, opened by somebody with `opener`; `writer` writes.
    ///
    /// # Errors
    /// EINVAL for a text that is no map; EPERM when it may not be set, or not any more.
    pub fn write_id_map(
        &mut self,
        writer: TaskId,
        opener: &Cred,
        ns: UserNsId,
        file: MapFile,
        text: &str,
    ) -> Result<usize, Errno> {
        match file {
            MapFile::Setgroups => self.write_setgroups(ns, text)?,
            MapFile::Uid | MapFile::Gid => {
                let parent = self.user_namespaces[ns].parent.ok_or(Errno::EPERM)?;
                if opener.user_ns != ns && opener.user_ns != parent {
                    return Err(Errno::EPERM);
                }
                self.write_map(writer, opener, ns, parent, file, text)?;
            }
        }
        self.emit(EventKind::IdMapWritten { ns, file: Arc::from(file.name()), text: Arc::from(text.trim_end()) });
        Ok(text.len())
    }

    /// What one of the files shows to somebody in `viewer` (`m_show`): the lower ids as the viewer's namespace
    /// has them; for a viewer inside the namespace itself, as its parent has them.
    pub fn show_id_map(&self, viewer: UserNsId, ns: UserNsId, file: MapFile) -> String {
        let Some(namespace) = self.user_namespaces.get(ns) else { return String::new() };
        let map = match file {
            MapFile::Setgroups => {
                return if namespace.setgroups_allowed { "allow\n".into() } else { "deny\n".into() };
            }
            MapFile::Uid => &namespace.uid_map,
            MapFile::Gid => &namespace.gid_map,
        };
        let lower_ns = if viewer == ns { namespace.parent.unwrap_or(ns) } else { viewer };
        let Some(lower) = self.user_namespaces.get(lower_ns) else { return String::new() };
        let lower_map = if file == MapFile::Uid { &lower.uid_map } else { &lower.gid_map };
        let mut text = String::new();
        for e in &map.extents {
            let first = lower_map.from_kernel(e.lower_first).unwrap_or(u32::MAX);
            text.push_str(&format!("{:>10} {:>10} {:>10}\n", e.first, first, e.count));
        }
        text
    }

    fn write_setgroups(&mut self, ns: UserNsId, text: &str) -> Result<(), Errno> {
        if text.len() >= 8 {
            return Err(Errno::EINVAL);
        }
        let word = text.trim_end_matches(|c: char| c.is_ascii_whitespace());
        let namespace = &mut self.world.user_namespaces[ns];
        match word {
            "allow" if namespace.setgroups_allowed => Ok(()),
            // It stays forbidden for ever.
            "allow" => Err(Errno::EPERM),
            // A gid map that was written while setgroups was allowed keeps it so.
            "deny" if !namespace.gid_map.extents.is_empty() => Err(Errno::EPERM),
            "deny" => {
                namespace.setgroups_allowed = false;
                Ok(())
            }
            _ => Err(Errno::EINVAL),
        }
    }

    fn write_map(
        &mut self,
        writer: TaskId,
        opener: &Cred,
        ns: UserNsId,
        parent: UserNsId,
        file: MapFile,
        text: &str,
    ) -> Result<(), Errno> {
        if text.len() >= PAGE_SIZE {
            return Err(Errno::EINVAL);
        }
        let uid = file == MapFile::Uid;
        let namespace = &self.user_namespaces[ns];
        let written = if uid { &namespace.uid_map } else { &namespace.gid_map };
        if !written.extents.is_empty() {
            return Err(Errno::EPERM);
        }
        if !self.cred_capable(opener, ns, Cap::SYS_ADMIN) {
            return Err(Errno::EPERM);
        }
        let mut extents = parse_map(text)?;
        if !self.new_map_permitted(writer, opener, ns, parent, uid, &extents) {
            return Err(Errno::EPERM);
        }
        let parent = &self.user_namespaces[parent];
        let parent_map = if uid { &parent.uid_map } else { &parent.gid_map };
        for e in &mut extents {
            e.lower_first = parent_map.range_to_kernel(e.lower_first, e.count).ok_or(Errno::EPERM)?;
        }
        let namespace = &mut self.world.user_namespaces[ns];
        let map = IdMap { extents };
        if uid {
            namespace.uid_map = map;
        } else {
            namespace.gid_map = map;
        }
        Ok(())
    }

    /// `new_idmap_permitted`.
    fn new_map_permitted(
        &mut self,
        writer: TaskId,
        opener: &Cred,
        ns: UserNsId,
        parent: UserNsId,
        uid: bool,
        extents: &[Extent],
    ) -> bool {
        if uid && !self.root_map_verified(opener, ns, parent, extents) {
            return false;
        }
        let namespace = &self.user_namespaces[ns];
        if let [Extent { lower_first, count: 1, .. }] = extents
            && namespace.owner == opener.euid
        {
            let outer = &self.user_namespaces[parent];
            let own_uid = outer.kuid(*lower_first) == Some(opener.euid);
            let own_gid = outer.kgid(*lower_first) == Some(opener.egid);
            if uid && own_uid || !uid && !namespace.setgroups_allowed && own_gid {
                return true;
            }
        }
        let cap = if uid { Cap::SETUID } else { Cap::SETGID };
        self.capable_in(writer, parent, cap) && self.cred_capable(opener, parent, cap)
    }

    /// Mapping the parent's uid 0 takes CAP_SETFCAP: files could be given capabilities that count outside
    /// (`verify_root_map`).
    fn root_map_verified(&mut self, opener: &Cred, ns: UserNsId, parent: UserNsId, extents: &[Extent]) -> bool {
        if !extents.iter().any(|e| e.lower_first == 0) {
            return true;
        }
        if opener.user_ns == ns {
            self.user_namespaces[ns].parent_could_setfcap
        } else {
            self.cred_capable(opener, parent, Cap::SETFCAP)
        }
    }
}

/// Lines of three numbers: first id inside, first id outside, how many.
fn parse_map(text: &str) -> Result<Vec<Extent>, Errno> {
    let mut extents: Vec<Extent> = Vec::new();
    let mut lines = text.split('\n').peekable();
    while let Some(line) = lines.next() {
        // What follows the last newline is nothing.
        if line.is_empty() && lines.peek().is_none() {
            break;
        }
        let mut numbers = line.split_ascii_whitespace().map(parse_number);
        let (Some(Some(first)), Some(Some(lower_first)), Some(Some(count)), None) =
            (numbers.next(), numbers.next(), numbers.next(), numbers.next())
        else {
            return Err(Errno::EINVAL);
        };
        if first == u32::MAX || lower_first == u32::MAX {
            return Err(Errno::EINVAL);
        }
        if first.wrapping_add(count) <= first || lower_first.wrapping_add(count) <= lower_first {
            return Err(Errno::EINVAL);
        }
        let new = Extent { first, lower_first, count };
        if extents.iter().any(|e| e.overlaps(&new)) {
            return Err(Errno::EINVAL);
        }
        if extents.len() + 1 >= MAX_EXTENTS && lines.peek().is_some_and(|l| !l.is_empty()) {
            return Err(Errno::EINVAL);
        }
        extents.push(new);
    }
    if extents.is_empty() { Err(Errno::EINVAL) } else { Ok(extents) }
}

/// A number as `simple_strtoul` reads it: decimal, octal with a leading 0, or hexadecimal.
fn parse_number(text: &str) -> Option<u32> {
    let (digits, radix) = match text.strip_prefix("0x").or_else(|| text.strip_prefix("0X")) {
        Some(hex) => (hex, 16),
        None if text.len() > 1 && text.starts_with('0') => (&text[1..], 8),
        None => (text, 10),
    };
    u64::from_str_radix(digits, radix).ok().filter(|_| !digits.starts_with('+')).map(|n| n as u32)
}

impl Extent {
    /// Whether two lines share an id on either side.
    fn overlaps(&self, other: &Extent) -> bool {
        let share = |a: u32, b: u32| a < b.saturating_add(other.count) && b < a.saturating_add(self.count);
        share(self.first, other.first) || share(self.lower_first, other.lower_first)
    }
}

impl IdMap {
    /// From a range of ids inside to the kernel's; the whole range must lie in one line (`map_id_range_down`).
    fn range_to_kernel(&self, first: u32, count: u32) -> Option<u32> {
        let last = first.checked_add(count - 1)?;
        self.extents.iter().find_map(|e| {
            let holds = first >= e.first && u64::from(last) < u64::from(e.first) + u64::from(e.count);
            holds.then(|| e.lower_first + (first - e.first))
        })
    }
}
