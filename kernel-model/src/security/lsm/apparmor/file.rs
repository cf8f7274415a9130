//! Files (`security/apparmor/file.c` and `path.c`): the name under which a file is asked for, and what the profile says
//! to it.

use super::Profile;
use super::audit::Denial;
use super::rule::{Perms, file_perms};
use crate::errno::Errno;
use crate::kernel::Kernel;
use crate::program::libc::o;
use crate::security::credentials::Kuid;
use crate::task::TaskId;
use crate::vfs::Node;
use crate::vfs::path::{Reach, VfsPath};
use crate::world::World;

/// A question about a file: the path, whose it is, what is wanted.
pub(super) struct FileQuestion<'a> {
    pub(super) operation: &'static str,
    pub(super) name: &'a str,
    pub(super) owner: Kuid,
    pub(super) request: Perms,
}

/// What `O_*` flags ask for (`aa_map_file_to_perms`).
pub(super) fn perms_of_open(flags: u32) -> Perms {
    let mut perms = match flags & o::ACCMODE {
        o::RDONLY => Perms::READ,
        o::WRONLY => Perms::WRITE,
        _ => Perms::READ | Perms::WRITE,
    };
    if flags & o::APPEND != 0 && perms.contains(Perms::WRITE) {
        perms = (perms - Perms::WRITE) | Perms::APPEND;
    }
    if flags & o::TRUNC != 0 {
        perms |= Perms::WRITE;
    }
    if flags & o::CREAT != 0 {
        perms |= Perms::CREATE;
    }
    perms
}

impl World {
    /// The name of a place as profiles know it, told from the root of the task's mount namespace; directories end in a
    /// slash (`aa_path_name`). An error and why, for what has no such name.
    pub(super) fn aa_path_name(
        &self,
        task: TaskId,
        profile: &Profile,
        place: VfsPath,
    ) -> Result<String, (String, Errno, &'static str)> {
        let ns = self.tasks[task].nsproxy.mnt;
        let own = self.vfs.mounts.get(place.mnt).is_some_and(|m| m.ns == Some(ns));
        let (mut name, reach) = self.path_from(place, self.namespace_root(ns));
        if self.is_dir(place) && !name.ends_with('/') {
            name.push('/');
        }
        if self.is_unlinked(place.node) && !profile.mediate_deleted {
            return Err((name, Errno::ENOENT, "Failed name lookup - deleted entry"));
        }
        if (!own || reach == Reach::Detached) && !profile.attach_disconnected {
            let name = name.trim_start_matches('/').to_owned();
            return Err((name, Errno::EACCES, "Failed name lookup - disconnected path"));
        }
        Ok(name)
    }

    /// The name that a file would have in a directory.
    pub(super) fn aa_new_name(&self, task: TaskId, dir: VfsPath, name: &str, is_dir: bool) -> String {
        let ns = self.tasks[task].nsproxy.mnt;
        let (dir, _) = self.path_from(dir, self.namespace_root(ns));
        format!("{}/{name}{}", dir.trim_end_matches('/'), if is_dir { "/" } else { "" })
    }
}

impl Kernel<'_> {
    /// Whether a file with a name of its own may be used so (`aa_path_perm`). What has no name in the tree of files
    /// (pipes, namespaces) is not mediated.
    pub(super) fn aa_path_perm(
        &mut self,
        task: TaskId,
        profile: &Profile,
        operation: &'static str,
        place: VfsPath,
        request: Perms,
    ) -> Result<(), Errno> {
        if matches!(place.node, Node::Pipe(_) | Node::Ns(_)) {
            return Ok(());
        }
        let owner = self.attr(place).uid;
        match self.aa_path_name(task, profile, place) {
            Ok(name) => self.aa_file_perm(task, profile, FileQuestion { operation, name: &name, owner, request }),
            Err((name, error, info)) => {
                let fields = self.aa_file_fields(task, request, owner);
                let denial = Denial {
                    operation,
                    class: "file",
                    info,
                    name: &name,
                    fields,
                    error: Some(error),
                    rule: "the file has no name that a rule could know".to_owned(),
                    ..Denial::default()
                };
                self.aa_denied(task, profile, denial)
            }
        }
    }

    /// Whether the rules about files allow this (`__aa_path_perm`, `aa_audit_file`).
    pub(super) fn aa_file_perm(&mut self, task: TaskId, profile: &Profile, q: FileQuestion<'_>) -> Result<(), Errno> {
        let own = self.tasks[task].cred.fsuid == q.owner;
        let perms = file_perms(&profile.files, q.name, own);
        let denied = q.request - perms.allow;
        if denied.is_empty() {
            let audited = q.request & perms.audit;
            if !audited.is_empty() {
                let fields = self.aa_file_fields(task, audited, q.owner);
                let allowed =
                    Denial { operation: q.operation, class: "file", name: q.name, fields, ..Denial::default() };
                self.aa_message(task, "AUDIT", &profile.name, &allowed);
            }
            return Ok(());
        }
        let loud = denied - perms.quiet;
        if loud.is_empty() {
            // A rule that denies is known to whoever wrote it: nothing is said, and it holds in complain mode, too.
            self.aa_quietly(profile, q.operation, q.name, perms.denied_by.unwrap_or_default());
            return Err(Errno::EACCES);
        }
        let fields = self.aa_file_fields(task, loud, q.owner);
        let rule = perms.denied_by.filter(|_| denied.intersects(perms.quiet)).unwrap_or_default();
        let denial = Denial { operation: q.operation, class: "file", name: q.name, fields, rule, ..Denial::default() };
        self.aa_denied(task, profile, denial)
    }

    /// An event for a denial of which the log does not hear.
    pub(super) fn aa_quietly(&mut self, profile: &Profile, operation: &str, object: &str, rule: String) {
        let kind = crate::security::lsm::event::LsmEvent::Denied {
            module: "apparmor".into(),
            operation: operation.into(),
            subject: profile.name.as_str().into(),
            object: object.into(),
            rule: if rule.is_empty() { "a rule denies it".into() } else { rule.into() },
            enforced: true,
        };
        self.emit(crate::event::EventKind::Lsm(kind));
    }

    /// ` requested_mask="r" denied_mask="r" fsuid=0 ouid=0` (`file_audit_cb`).
    pub(super) fn aa_file_fields(&self, task: TaskId, request: Perms, owner: Kuid) -> String {
        let mask = request.letters();
        let fsuid = self.tasks[task].cred.fsuid.0;
        format!(" requested_mask=\"{mask}\" denied_mask=\"{mask}\" fsuid={fsuid} ouid={}", owner.0)
    }
}
