//! The file systems by which security modules are spoken to: securityfs with AppArmor's files in it, and selinuxfs. What
//! the files say and what writing to them does is the module's affair.

use serde::{Deserialize, Serialize};

use super::SuperId;
use crate::errno::Errno;
use crate::kernel::Kernel;
use crate::security::credentials::{Kgid, Kuid};
use crate::security::lsm::Lsm;
use crate::task::TaskId;
use crate::vfs::Node;
use crate::vfs::content::Content;
use crate::vfs::inode::{DentryId, InodeKind};
use crate::world::World;

/// Which of them.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub enum PolicyFs {
    /// `/sys/kernel/security`.
    Securityfs,
    /// `/sys/fs/selinux`.
    Selinuxfs,
}

/// Directories of securityfs with AppArmor, parents first.
const APPARMOR_DIRS: [&str; 3] = ["apparmor", "apparmor/features", "apparmor/policy"];
/// Its files, with their permission bits.
const APPARMOR_FILES: [(&str, u32); 6] = [
    ("lsm", 0o444),
    ("apparmor/.load", 0o200),
    ("apparmor/.remove", 0o200),
    ("apparmor/.replace", 0o200),
    ("apparmor/profiles", 0o444),
    ("apparmor/features/capability", 0o444),
];
/// Directories of selinuxfs.
const SELINUX_DIRS: [&str; 2] = ["booleans", "initial_contexts"];
/// Its files, with their permission bits.
const SELINUX_FILES: [(&str, u32); 9] = [
    ("checkreqprot", 0o644),
    ("commit_pending_bools", 0o200),
    ("context", 0o666),
    ("deny_unknown", 0o444),
    ("enforce", 0o644),
    ("initial_contexts/kernel", 0o444),
    ("mls", 0o444),
    ("policyvers", 0o444),
    ("reject_unknown", 0o444),
];

impl PolicyFs {
    /// The name for mount -t.
    pub fn name(self) -> &'static str {
        match self {
            PolicyFs::Securityfs => "securityfs",
            PolicyFs::Selinuxfs => "selinuxfs",
        }
    }
}

impl World {
    /// Puts the files into a new instance, whose root is there.
    pub(crate) fn fill_policyfs(&mut self, sb: SuperId, which: PolicyFs) {
        let (dirs, files): (&[&str], &[(&str, u32)]) = match (which, &self.lsm) {
            (PolicyFs::Securityfs, Lsm::AppArmor(_)) => (&APPARMOR_DIRS, &APPARMOR_FILES),
            (PolicyFs::Securityfs, _) => (&[], &APPARMOR_FILES[..1]),
            (PolicyFs::Selinuxfs, _) => (&SELINUX_DIRS, &SELINUX_FILES),
        };
        let booleans: Vec<String> = match (which, self.selinux()) {
            (PolicyFs::Selinuxfs, Some(s)) => s.booleans.keys().map(|name| format!("booleans/{name}")).collect(),
            _ => Vec::new(),
        };
        let dirs = dirs.iter().map(|path| ((*path).to_owned(), InodeKind::Directory, 0o755));
        let file = |path: String, mode| (path, InodeKind::Regular(Content::default()), mode);
        let files = files.iter().map(|(path, mode)| file((*path).to_owned(), *mode));
        let all: Vec<_> = dirs.chain(files).chain(booleans.into_iter().map(|path| file(path, 0o644))).collect();
        let Node::Tree(root) = self.vfs.supers[sb].root else { return };
        for (path, kind, mode) in all {
            let (dir, name) = path.rsplit_once('/').unwrap_or(("", &path));
            let mut at = Some(root);
            for part in dir.split('/').filter(|p| !p.is_empty()) {
                at = at.and_then(|d| self.child_of(d, part));
            }
            // There is no limit that could be reached.
            let _ = at.map(|dir| self.create_in(dir, name, kind, mode, Kuid::ROOT, Kgid::ROOT));
        }
    }

    /// The path of a file below the top directory.
    fn policyfs_path(&self, dentry: DentryId) -> String {
        let sb = self.vfs.dentries[dentry].sb;
        self.dentry_path(sb, Node::Tree(dentry)).trim_start_matches('/').to_owned()
    }
}

impl Kernel<'_> {
    /// What a file says.
    pub(in crate::vfs) fn policyfs_text(&self, which: PolicyFs, dentry: DentryId) -> String {
        let path = self.policyfs_path(dentry);
        match (which, path.as_str()) {
            (PolicyFs::Securityfs, "lsm") => self.active_modules().to_owned(),
            (PolicyFs::Securityfs, "apparmor/profiles") => self.apparmor_profiles_text(),
            (PolicyFs::Securityfs, "apparmor/features/capability") => "0x1ffffffffff\n".to_owned(),
            (PolicyFs::Securityfs, _) => String::new(),
            (PolicyFs::Selinuxfs, path) => self.selinuxfs_text(path),
        }
    }

    /// Writing to a file: one message with one write.
    ///
    /// # Errors
    /// Those of the module; EINVAL where nothing can be written.
    pub(in crate::vfs) fn policyfs_write(
        &mut self,
        task: TaskId,
        which: PolicyFs,
        dentry: DentryId,
        bytes: &[u8],
    ) -> Result<(), Errno> {
        let path = self.policyfs_path(dentry);
        let text = String::from_utf8_lossy(bytes);
        match which {
            PolicyFs::Securityfs => match path.strip_prefix("apparmor/") {
                Some(file @ (".load" | ".replace" | ".remove")) => self.apparmor_policy_write(task, file, &text),
                _ => Err(Errno::EINVAL),
            },
            PolicyFs::Selinuxfs => self.selinuxfs_write(task, &path, &text),
        }
    }
}
