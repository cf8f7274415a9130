//! The files in the directories of groups, as tables of records (`struct cftype`). Which of them a group has
//! follows from the tables, the version of its hierarchy and the controllers that work in it; nothing is
//! stored but owners and modes that were changed.

use serde::{Deserialize, Serialize};

use super::controller::{ControllerId, record};
use super::{CgroupId, FileOwner, KernelVersion, Version, pressure, v1, v2};
use crate::errno::Errno;
use crate::event::EventKind;
use crate::kernel::Kernel;
use crate::task::TaskId;
use crate::vfs::file::FileId;
use crate::world::World;

/// Where a file is being read or written, and by whom.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct At {
    /// The group.
    pub group: CgroupId,
    /// Who reads or writes, which need not be who opened the file.
    pub task: TaskId,
    /// The open file: who opened it is in its `cred`.
    pub file: FileId,
}

/// How a file is read.
pub type Show = fn(&World, At) -> Result<String, Errno>;

/// What a write does.
#[derive(Clone, Copy)]
pub enum Write {
    /// The text as written; most files strip it of white space first.
    Text(fn(&mut Kernel<'_>, At, &str) -> Result<(), Errno>),
    /// A number as `kstrtoull` reads it; anything else is EINVAL, too large a one ERANGE.
    U64(fn(&mut Kernel<'_>, At, u64) -> Result<(), Errno>),
    /// A number with a sign, as `kstrtoll` reads it.
    S64(fn(&mut Kernel<'_>, At, i64) -> Result<(), Errno>),
}

bitflags::bitflags! {
    /// Where a file is shown (`CFTYPE_*`).
    #[derive(Clone, Copy, PartialEq, Eq, Debug)]
    pub struct FileFlags: u32 {
        /// Only in the root of a hierarchy.
        const ONLY_ON_ROOT = 1;
        /// Everywhere but in the root.
        const NOT_ON_ROOT = 2;
        /// Who sits in a cgroup namespace may write it in the root of that, despite `nsdelegate`.
        const NS_DELEGATABLE = 4;
        /// Everybody may write it.
        const WORLD_WRITABLE = 8;
    }
}

/// One file (`struct cftype`).
pub struct CgroupFile {
    /// Its whole name.
    pub name: &'static str,
    /// Where it is shown.
    pub flags: FileFlags,
    /// The kernels that have it; `None` for both.
    pub only_in: Option<KernelVersion>,
    /// How it is read.
    pub show: Option<Show>,
    /// What a write does.
    pub write: Option<Write>,
}

impl CgroupFile {
    /// A file that can only be read.
    pub const fn ro(name: &'static str, show: Show) -> CgroupFile {
        CgroupFile { name, flags: FileFlags::empty(), only_in: None, show: Some(show), write: None }
    }

    /// A file that can be read and written.
    pub const fn rw(name: &'static str, show: Show, write: Write) -> CgroupFile {
        CgroupFile { name, flags: FileFlags::empty(), only_in: None, show: Some(show), write: Some(write) }
    }

    /// A file that can only be written.
    pub const fn wo(name: &'static str, write: Write) -> CgroupFile {
        CgroupFile { name, flags: FileFlags::empty(), only_in: None, show: None, write: Some(write) }
    }

    /// The same, shown where these flags say.
    pub const fn flags(self, flags: FileFlags) -> CgroupFile {
        CgroupFile { flags, ..self }
    }

    /// The same, in one of the kernels alone.
    pub const fn only_in(self, version: KernelVersion) -> CgroupFile {
        CgroupFile { only_in: Some(version), ..self }
    }

    /// Its permission bits before anybody changes them (`cgroup_file_mode`).
    pub fn mode(&self) -> u32 {
        let read = if self.show.is_some() { 0o444 } else { 0 };
        let write = match self.write {
            Some(_) if self.flags.contains(FileFlags::WORLD_WRITABLE) => 0o222,
            Some(_) => 0o200,
            None => 0,
        };
        read | write
    }

    fn is_shown(&self, is_root: bool, version: KernelVersion) -> bool {
        let hidden = if is_root { FileFlags::NOT_ON_ROOT } else { FileFlags::ONLY_ON_ROOT };
        !self.flags.contains(hidden) && self.only_in.is_none_or(|only| only == version)
    }
}

/// The table of the files about pressure.
const PRESSURE: u8 = u8::MAX;

/// Which record a file is: its table (0 for the files that every group has, otherwise a controller's, or that
/// of the files about pressure) and its place in it.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
pub struct FileRow {
    table: u8,
    row: u8,
}

impl FileRow {
    /// The controller that has the file; `None` for those that every group has.
    pub fn controller(self) -> Option<ControllerId> {
        ControllerId::ALL.get(usize::from(self.table).checked_sub(1)?).copied()
    }

    /// Its number in its directory, for inode numbers.
    pub fn number(self) -> u64 {
        u64::from(self.table) * 64 + u64::from(self.row)
    }
}

impl World {
    fn file_table(version: Version, table: u8) -> &'static [CgroupFile] {
        let controller = FileRow { table, row: 0 }.controller().map(record);
        match (version, controller) {
            (Version::V1, Some(c)) => c.v1_files,
            (Version::V2, Some(c)) => c.v2_files,
            (Version::V1, None) if table == 0 => v1::FILES,
            (Version::V2, None) if table == 0 => v2::FILES,
            (Version::V2, None) if table == PRESSURE => pressure::FILES,
            _ => &[],
        }
    }

    /// The record of a file.
    pub fn cgroup_file(&self, group: CgroupId, row: FileRow) -> Option<&'static CgroupFile> {
        World::file_table(self.cgroup_version(group), row.table).get(usize::from(row.row))
    }

    /// The files of a group in the order of the tables.
    pub fn cgroup_files(&self, group: CgroupId) -> Vec<(FileRow, &'static CgroupFile)> {
        let version = self.cgroup_version(group);
        let kernel = self.kernel_version();
        let is_root = self.cgroup(group).parent.is_none();
        let controllers = self.visible_controllers(group);
        let mut files = Vec::new();
        for table in [0, PRESSURE].into_iter().chain(controllers.iter().map(|c| c as u8 + 1)) {
            for (row, file) in (0..).zip(World::file_table(version, table)) {
                let hidden = !self.cgroup(group).pressure
                    && file.name.ends_with(".pressure")
                    && file.name != pressure::PRESSURE_SWITCH;
                if file.is_shown(is_root, kernel) && !hidden {
                    files.push((FileRow { table, row }, file));
                }
            }
        }
        files
    }

    /// The file of this name.
    pub fn find_cgroup_file(&self, group: CgroupId, name: &str) -> Option<FileRow> {
        self.cgroup_files(group).into_iter().find(|(_, file)| file.name == name).map(|(row, _)| row)
    }

    /// Whether a file is still there: neither the group is gone nor the controller switched off.
    pub fn cgroup_file_is_there(&self, group: CgroupId, row: FileRow) -> bool {
        let Some(g) = self.cgroups.groups.get(group) else { return false };
        !g.dying && row.controller().is_none_or(|c| self.visible_controllers(group).has(c))
    }

    /// Owner and mode of a file: of whoever made the group or switched the controller on, until changed.
    pub fn cgroup_file_owner(&self, group: CgroupId, row: FileRow) -> FileOwner {
        let g = self.cgroup(group);
        if let Some(changed) = g.changed_files.get(&row) {
            return *changed;
        }
        let (uid, gid) = row.controller().and_then(|c| g.enabled_by.get(&c)).copied().unwrap_or(g.made_by);
        FileOwner { uid, gid, mode: self.cgroup_file(group, row).map_or(0, CgroupFile::mode) }
    }
}

impl Kernel<'_> {
    /// What a file says (`cgroup_seqfile_show`).
    ///
    /// # Errors
    /// ENODEV when it is gone, EINVAL for one that cannot be read, and the file's own.
    pub(crate) fn read_cgroup_file(&self, at: At, row: FileRow) -> Result<String, Errno> {
        if !self.cgroup_file_is_there(at.group, row) {
            return Err(Errno::ENODEV);
        }
        let show = self.cgroup_file(at.group, row).and_then(|f| f.show).ok_or(Errno::EINVAL)?;
        show(self.world, at)
    }

    /// Writes to a file (`cgroup_file_write`).
    ///
    /// # Errors
    /// ENODEV when it is gone; EPERM in the root of the opener's cgroup namespace, where that is a delegation
    /// border; EINVAL for one that cannot be written, and the file's own.
    pub(crate) fn write_cgroup_file(&mut self, at: At, row: FileRow, bytes: &[u8]) -> Result<(), Errno> {
        if !self.cgroup_file_is_there(at.group, row) {
            return Err(Errno::ENODEV);
        }
        if bytes.is_empty() {
            return Ok(());
        }
        let file = self.cgroup_file(at.group, row).ok_or(Errno::ENODEV)?;
        if !file.flags.contains(FileFlags::NS_DELEGATABLE) && self.is_delegation_border(at) {
            return Err(Errno::EPERM);
        }
        let text = String::from_utf8_lossy(bytes);
        let text = text.split('\0').next().unwrap_or_default();
        match file.write {
            None => return Err(Errno::EINVAL),
            Some(Write::Text(write)) => write(self, at, text)?,
            Some(Write::U64(write)) => write(self, at, kstrtoull(text)?)?,
            Some(Write::S64(write)) => write(self, at, kstrtoll(text)?)?,
        }
        let event = super::event::CgroupEvent::FileWritten {
            group: at.group,
            file: file.name.into(),
            text: text.trim_end_matches('\n').into(),
        };
        self.emit(EventKind::Cgroup(event));
        Ok(())
    }

    /// Whether the group is the root of the namespace of whoever opened the file, and namespaces are borders.
    fn is_delegation_border(&self, at: At) -> bool {
        let hierarchy = self.cgroup(at.group).hierarchy;
        let Some(ns) = self.vfs.files[at.file].cgroup_ns else { return false };
        self.cgroups.hierarchies[hierarchy].has_flag("nsdelegate")
            && Some(ns) != self.cgroup_namespaces.ids().next()
            && self.cgroup_ns_root(ns, hierarchy) == at.group
    }
}

/// A whole number as `kstrtoull` with base 0 reads it: decimal, `0x` hexadecimal or octal with a leading 0, a
/// plus before it and a newline after it, nothing else.
///
/// # Errors
/// EINVAL for anything else, ERANGE for one that does not fit.
pub fn kstrtoull(text: &str) -> Result<u64, Errno> {
    let text = text.strip_suffix('\n').unwrap_or(text);
    let text = text.strip_prefix('+').unwrap_or(text);
    let (radix, digits) = match text.as_bytes() {
        [b'0', b'x' | b'X', third, ..] if third.is_ascii_hexdigit() => (16, &text[2..]),
        [b'0', _, ..] => (8, text),
        _ => (10, text),
    };
    if digits.is_empty() || !digits.bytes().all(|b| char::from(b).is_digit(radix)) {
        // Too large a number is found out before what follows it is looked at.
        let end = digits.find(|c: char| !c.is_digit(radix)).unwrap_or(digits.len());
        let overflow = end > 0 && u64::from_str_radix(&digits[..end], radix).is_err();
        return Err(if overflow { Errno::ERANGE } else { Errno::EINVAL });
    }
    u64::from_str_radix(digits, radix).map_err(|_| Errno::ERANGE)
}

/// A number with a sign, as `kstrtoll` reads it.
///
/// # Errors
/// EINVAL for anything else, ERANGE for one that does not fit.
pub fn kstrtoll(text: &str) -> Result<i64, Errno> {
    match text.strip_prefix('-') {
        Some(rest) if rest.starts_with(['+', '-']) => Err(Errno::EINVAL),
        Some(rest) => {
            let n = kstrtoull(rest)?;
            if n > 1 << 63 { Err(Errno::ERANGE) } else { Ok((n as i64).wrapping_neg()) }
        }
        None => i64::try_from(kstrtoull(text)?).map_err(|_| Errno::ERANGE),
    }
}
