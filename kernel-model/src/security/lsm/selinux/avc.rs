//! Decisions (`security/selinux/avc.c` and `ss/services.c`): what the policy says, and the message about a denial.

use super::{Context, policy};
use crate::errno::Errno;
use crate::event::EventKind;
use crate::kernel::Kernel;
use crate::security::audit::{AVC, untrusted};
use crate::security::lsm::Lsm;
use crate::security::lsm::event::LsmEvent;
use crate::task::TaskId;
use crate::vfs::Node;
use crate::vfs::path::VfsPath;
use crate::world::World;

/// What a decision is about, for the message.
#[derive(Clone, Debug, Default)]
pub(super) struct About {
    /// The fields between comm and scontext, with a space before each.
    pub fields: String,
    /// For the event.
    pub object: String,
}

/// Why the policy says no.
enum Refusal {
    /// No rule allows it.
    NoRule,
    /// A rule would, but the categories do not dominate those of the target.
    Categories,
}

impl World {
    /// What a message says of a file: its name, file system and inode.
    pub(super) fn avc_about(&self, place: VfsPath) -> About {
        let sb = self.vfs.mounts[place.mnt].sb;
        let name = match (self.name_of(sb, place.node), place.node) {
            (name, _) if name.is_empty() => "/".to_owned(),
            (name, Node::Tree(_) | Node::Proc(_) | Node::Cgroup(_)) => name,
            (name, _) => name,
        };
        let fields = format!(
            " name={} dev=\"{}\" ino={}",
            untrusted(&name),
            self.vfs.supers[sb].kind.name(),
            self.attr(place).ino
        );
        About { fields, object: name }
    }

    /// What the policy says (`context_struct_compute_av`, and the constraints of MCS).
    fn compute(&self, source: &Context, target: &Context, class: &str, permission: &str) -> Result<(), Refusal> {
        if policy::is_unconfined(&source.kind) {
            return Ok(());
        }
        let on = |name: &str| self.selinux().is_some_and(|s| s.booleans.get(name).copied().unwrap_or(false));
        let allowed = policy::RULES
            .iter()
            .any(|r| r.when.is_none_or(on) && r.fits(&source.kind, &target.kind, class, permission));
        if !allowed {
            return Err(Refusal::NoRule);
        }
        // mlsconstrain: of those who are kept apart, the high level has to dominate that of the target.
        let constrained = !matches!(class, "capability" | "cap_userns" | "filesystem");
        if constrained && policy::is_mcs_constrained(&source.kind) && !source.high.dominates(&target.high) {
            return Err(Refusal::Categories);
        }
        Ok(())
    }
}

impl Kernel<'_> {
    /// Whether one label may do this to another (`avc_has_perm`).
    pub(super) fn avc_has_perm(
        &mut self,
        task: TaskId,
        (source, target): (&Context, &Context),
        class: &str,
        permission: &str,
        about: impl FnOnce(&World) -> About,
    ) -> Result<(), Errno> {
        let Err(refusal) = self.compute(source, target, class, permission) else { return Ok(()) };
        let enforcing = self.selinux().is_some_and(|s| s.enforcing);
        let error = if enforcing { Err(Errno::EACCES) } else { Ok(()) };
        let silent = policy::DONTAUDIT.iter().any(|r| r.fits(&source.kind, &target.kind, class, permission));
        let key = (source.to_string(), target.to_string(), format!("{class} {permission}"));
        if !enforcing && let Lsm::Selinux(selinux) = &mut self.world.lsm {
            // Permissive mode lets it pass and remembers that it did.
            if selinux.granted.contains(&key) {
                return Ok(());
            }
            selinux.granted.insert(key.clone());
        }
        let about = about(self.world);
        if !silent {
            let text = format!(
                "avc:  denied  {{ {permission} }} for {}{} scontext={source} tcontext={target} tclass={class} permissive={}",
                self.audit_task(task),
                about.fields,
                u8::from(!enforcing)
            );
            self.audit(AVC, &text);
        }
        let rule = match refusal {
            Refusal::NoRule => {
                let nearest = policy::RULES.iter().find(|r| r.fits(&source.kind, &target.kind, class, "getattr"));
                let more = nearest.map_or_else(String::new, |r| format!("; the nearest is `{}`", r.text()));
                format!("the policy has no rule `allow {} {}:{class} {permission};`{more}", source.kind, target.kind)
            }
            Refusal::Categories => format!(
                "the types would allow it, but the categories of {} do not contain those of {}",
                source.high, target.high
            ),
        };
        let kind = LsmEvent::Denied {
            module: "selinux".into(),
            operation: format!("{class} {{ {permission} }}").into(),
            subject: key.0.into(),
            object: format!("{} ({})", about.object, key.1).into(),
            rule: rule.into(),
            enforced: enforcing,
        };
        self.emit(EventKind::Lsm(kind));
        error
    }

    /// The same for a file: the label of the task, that of the file, the class that it has.
    pub(super) fn inode_has_perm(&mut self, task: TaskId, place: VfsPath, permission: &str) -> Result<(), Errno> {
        let cred = std::sync::Arc::clone(&self.tasks[task].cred);
        let Some(source) = cred.selinux_label() else { return Ok(()) };
        if policy::is_unconfined(&source.kind) {
            return Ok(());
        }
        let target = self.selinux_label_of(place);
        let class = self.selinux_class_of(place);
        self.avc_has_perm(task, (source, &target), class, permission, |w| w.avc_about(place))
    }
}
