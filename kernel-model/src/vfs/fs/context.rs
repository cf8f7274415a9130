//! Making and changing superblocks: the types that the kernel knows, the parameters that they take, and the
//! context in which those are collected until the file system is there (`struct fs_context`). mount(2) goes
//! through all of it at once; fsopen(2), fsconfig(2) and fsmount(2) take the steps one by one.

use serde::{Deserialize, Serialize};

use super::params::{DevptsParams, OverlayParams, ProcParams, TmpfsParams, parse_number};
use super::{FsKind, SuperBlock, SuperId};
use crate::cgroup::hierarchy::DEFAULT_HIERARCHY;
use crate::cgroup::mount::V1Params;
use crate::errno::Errno;
use crate::kernel::Kernel;
use crate::namespace::NsRef;
use crate::namespace::cgroup::CgroupNsId;
use crate::namespace::mnt::MntNsId;
use crate::namespace::pid::PidNsId;
use crate::namespace::user::UserNsId;
use crate::security::capability::Cap;
use crate::security::credentials::{Kgid, Kuid};
use crate::task::TaskId;
use crate::vfs::Node;
use crate::vfs::fs::cgroupfs::CgroupNode;
use crate::vfs::fs::policyfs::PolicyFs;
use crate::vfs::fs::procfs::ProcNode;

/// A type of file system (`struct file_system_type`).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct FsType {
    /// Its name for mount -t.
    pub name: &'static str,
    /// It needs no block device.
    pub nodev: bool,
    /// It can be mounted in a user namespace (`FS_USERNS_MOUNT`).
    pub in_user_ns: bool,
}

const fn made_up(name: &'static str, in_user_ns: bool) -> FsType {
    FsType { name, nodev: true, in_user_ns }
}

const fn on_device(name: &'static str) -> FsType {
    FsType { name, nodev: false, in_user_ns: false }
}

/// The types that the kernel knows, in the order of `/proc/filesystems`.
pub const FS_TYPES: &[FsType] = &[
    made_up("sysfs", true),
    made_up("tmpfs", true),
    made_up("proc", true),
    made_up("cgroup", true),
    made_up("cgroup2", true),
    made_up("devtmpfs", false),
    made_up("debugfs", false),
    made_up("tracefs", false),
    made_up("securityfs", false),
    made_up("selinuxfs", false),
    made_up("bpf", true),
    made_up("ramfs", true),
    made_up("hugetlbfs", false),
    made_up("devpts", true),
    on_device("ext3"),
    on_device("ext2"),
    on_device("ext4"),
    made_up("overlay", true),
    made_up("mqueue", true),
];

/// What a context knows of the type's own parameters.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
#[allow(missing_docs)] // one variant a type
pub enum FsParams {
    Tmpfs(TmpfsParams),
    Proc(ProcParams),
    Devpts(DevptsParams),
    Cgroup(Box<V1Params>),
    Cgroup2(Vec<String>),
    Overlay(OverlayParams),
    /// Types whose files are not modelled take any parameter.
    Other,
    /// Those of ramfs: the mode of its root.
    Ramfs(u32),
    /// Types that take none.
    None,
}

/// A file system about to be mounted or reconfigured.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct FsContext {
    /// The name of the type.
    pub fs_type: String,
    /// The user namespace that will own it.
    pub user_ns: UserNsId,
    /// The namespace that it shows, if it shows one.
    pub key: Option<NsRef>,
    /// What mount(8) calls the source.
    pub source: Option<String>,
    /// Read-only as a whole, if that was asked for or forbidden.
    pub read_only: Option<bool>,
    /// The type's own parameters.
    pub params: FsParams,
    /// The superblock that is to be changed, or that has been made.
    pub sb: Option<SuperId>,
    /// It is for changing a superblock, not for making one.
    pub reconfigure: bool,
    /// The label that everything in it has (`context=`).
    pub label: Option<String>,
}

impl FsType {
    /// The type of this name.
    pub fn find(name: &str) -> Option<&'static FsType> {
        FS_TYPES.iter().find(|t| t.name == name)
    }
}

impl FsParams {
    fn of_type(name: &str) -> FsParams {
        match name {
            "tmpfs" => FsParams::Tmpfs(TmpfsParams::default()),
            "proc" => FsParams::Proc(ProcParams::default()),
            "devpts" => FsParams::Devpts(DevptsParams::default()),
            "cgroup" => FsParams::Cgroup(Box::default()),
            "cgroup2" => FsParams::Cgroup2(Vec::new()),
            "overlay" => FsParams::Overlay(OverlayParams::default()),
            "sysfs" | "mqueue" | "securityfs" | "selinuxfs" => FsParams::None,
            "ramfs" => FsParams::Ramfs(0o755),
            _ => FsParams::Other,
        }
    }
}

impl Kernel<'_> {
    /// A context for a new file system of a type (`fs_context_for_mount`).
    ///
    /// # Errors
    /// ENODEV for an unknown type.
    pub(crate) fn fs_context_for_mount(&mut self, task: TaskId, fs_type: &str) -> Result<FsContext, Errno> {
        let fs_type = FsType::find(fs_type).ok_or(Errno::ENODEV)?;
        if fs_type.name == "selinuxfs" && self.selinux().is_none() {
            // The module has not registered it.
            return Err(Errno::ENODEV);
        }
        let proxy = self.tasks[task].nsproxy;
        // A file system that shows a namespace belongs to whom the namespace belongs to.
        let key = match fs_type.name {
            "sysfs" => Some(NsRef::Net(proxy.net)),
            "mqueue" => Some(NsRef::Ipc(proxy.ipc)),
            "cgroup" | "cgroup2" => Some(NsRef::Cgroup(proxy.cgroup)),
            "proc" => Some(NsRef::Pid(self.pid_ns_of(task))),
            _ => None,
        };
        let owner = key.and_then(|ns| self.ns_common(ns)).map(|common| common.owner);
        Ok(FsContext {
            fs_type: fs_type.name.to_owned(),
            user_ns: owner.unwrap_or(self.tasks[task].cred.user_ns),
            key,
            source: None,
            read_only: None,
            params: FsParams::of_type(fs_type.name),
            sb: None,
            reconfigure: false,
            label: None,
        })
    }

    /// A context for changing a file system (`fs_context_for_reconfigure`).
    pub(crate) fn fs_context_for_reconfigure(&self, sb: SuperId) -> FsContext {
        let superblock = &self.vfs.supers[sb];
        FsContext {
            fs_type: superblock.kind.name().to_owned(),
            user_ns: superblock.user_ns,
            key: superblock.key,
            source: None,
            read_only: None,
            params: match &superblock.kind {
                // What is not given stays as it is.
                FsKind::Proc(_) => FsParams::Proc(ProcParams::of_options(&superblock.options)),
                kind => FsParams::of_type(kind.name()),
            },
            sb: Some(sb),
            reconfigure: true,
            label: None,
        }
    }

    /// The options of mount(2) in one string (`generic_parse_monolithic`).
    ///
    /// # Errors
    /// EINVAL for one that the type does not know or whose value it does not take.
    pub(crate) fn parse_mount_data(&mut self, task: TaskId, fc: &mut FsContext, data: &str) -> Result<(), Errno> {
        let data = self.eat_label_option(fc, data)?;
        for option in data.split(',').filter(|o| !o.is_empty()) {
            match option.split_once('=') {
                Some(("", _)) => {}
                Some((key, value)) => self.fs_param(task, fc, key, Some(value))?,
                None => self.fs_param(task, fc, option, None)?,
            }
        }
        Ok(())
    }

    /// Takes `context="..."` out, which is for SELinux and whose commas are its own (`selinux_sb_eat_lsm_opts`).
    fn eat_label_option(&self, fc: &mut FsContext, data: &str) -> Result<String, Errno> {
        let Some(at) = data.find("context=").filter(|at| *at == 0 || data[..*at].ends_with(',')) else {
            return Ok(data.to_owned());
        };
        if self.selinux().is_none() {
            return Ok(data.to_owned());
        }
        let value = &data[at + "context=".len()..];
        let end = match value.strip_prefix('"') {
            Some(quoted) => quoted.find('"').ok_or(Errno::EINVAL)? + 2,
            None => value.find(',').unwrap_or(value.len()),
        };
        let label = value[..end].trim_matches('"');
        crate::security::lsm::selinux::Context::parse(label).ok_or(Errno::EINVAL)?;
        fc.label = Some(label.to_owned());
        Ok(format!("{}{}", &data[..at], value[end..].trim_start_matches(',')))
    }

    /// One parameter (`vfs_parse_fs_param`).
    ///
    /// # Errors
    /// EINVAL for one that the type does not know or whose value it does not take.
    pub(crate) fn fs_param(
        &mut self,
        task: TaskId,
        fc: &mut FsContext,
        key: &str,
        value: Option<&str>,
    ) -> Result<(), Errno> {
        if value.is_none() {
            match key {
                "ro" => return flag(&mut fc.read_only, true),
                "rw" => return flag(&mut fc.read_only, false),
                "dirsync" | "lazytime" | "mand" | "sync" | "async" | "nolazytime" | "nomand" => return Ok(()),
                _ => {}
            }
        }
        let known = match &mut fc.params {
            FsParams::Tmpfs(params) => {
                let user_ns = &self.world.user_namespaces[self.world.tasks[task].cred.user_ns];
                params.set(key, value, user_ns, &self.world.user_namespaces[fc.user_ns])?
            }
            FsParams::Proc(params) => params.set(key, value)?,
            FsParams::Devpts(params) => {
                // In the first mount namespace the last terminals can be had, too.
                params.reserve = self.world.tasks[task].nsproxy.mnt == MntNsId(1);
                params.set(key, value, &self.world.user_namespaces[self.world.tasks[task].cred.user_ns])?
            }
            FsParams::Overlay(params) => params.set(key, value)?,
            FsParams::Cgroup(params) => self.cgroup1_param(task, params, key, value)?,
            FsParams::Cgroup2(options) => keep(options, CGROUP2_OPTIONS, key, value),
            FsParams::Ramfs(mode) if key == "mode" => {
                *mode = plain_number(value, 8)? & 0o7777;
                true
            }
            // It knows no other option, and has never minded one (`ramfs_parse_param`).
            FsParams::Ramfs(_) | FsParams::Other => key != "source",
            FsParams::None => false,
        };
        if known {
            return Ok(());
        }
        match (key, value) {
            ("source", Some(source)) if fc.source.is_none() => {
                fc.source = Some(source.to_owned());
                Ok(())
            }
            _ => Err(Errno::EINVAL),
        }
    }

    /// Whether `task` may mount this: with `CAP_SYS_ADMIN` over its owner, or over everything for types that are
    /// not for user namespaces (`mount_capable`).
    pub(crate) fn mount_capable(&mut self, task: TaskId, fc: &FsContext) -> bool {
        if FsType::find(&fc.fs_type).is_some_and(|t| t.in_user_ns) {
            self.capable_in(task, fc.user_ns, Cap::SYS_ADMIN)
        } else {
            self.capable(task, Cap::SYS_ADMIN)
        }
    }

    /// Makes the file system, or finds it if there is only one (`vfs_get_tree`).
    ///
    /// # Errors
    /// Those of the type.
    pub(crate) fn get_tree(&mut self, task: TaskId, fc: &FsContext) -> Result<SuperId, Errno> {
        let fs_type = FsType::find(&fc.fs_type).ok_or(Errno::ENODEV)?;
        if !fs_type.nodev {
            return self.mount_disk(task, fc);
        }
        let options = fc.rendered_options();
        let (kind, mode) = match &fc.params {
            FsParams::Tmpfs(params) => return self.new_tmpfs(task, fc, params),
            FsParams::Overlay(params) => return self.new_overlay(task, fc, params),
            FsParams::Proc(_) => match fc.key {
                Some(NsRef::Pid(ns)) => (FsKind::Proc(ns), 0o555),
                _ => (FsKind::Proc(PidNsId(1)), 0o555),
            },
            FsParams::Devpts(params) => (FsKind::Devpts(params.clone()), 0o755),
            FsParams::Cgroup(_) | FsParams::Cgroup2(_) => return self.get_cgroup_tree(task, fc),
            FsParams::Ramfs(mode) => (FsKind::Other(fc.fs_type.clone()), *mode),
            FsParams::Other => (FsKind::Other(fc.fs_type.clone()), 0o755),
            FsParams::None if fc.fs_type == "mqueue" => (FsKind::Mqueue, 0o1777),
            FsParams::None if fc.fs_type == "securityfs" => (FsKind::Policy(PolicyFs::Securityfs), 0o755),
            FsParams::None if fc.fs_type == "selinuxfs" => (FsKind::Policy(PolicyFs::Selinuxfs), 0o755),
            FsParams::None => (FsKind::Sysfs, 0o555),
        };
        // There is one of them in all (`get_tree_single`).
        let is_single = matches!(kind, FsKind::Policy(_));
        let is_keyed = is_single || fc.key.is_some() && !matches!(kind, FsKind::Proc(_));
        if is_keyed && let Some(sb) = self.keyed_super(&kind, fc.key) {
            return Ok(sb);
        }
        let fills_itself = matches!(kind, FsKind::Sysfs);
        let sb = self.new_super(fc, kind, options);
        if matches!(self.vfs.supers[sb].kind, FsKind::Proc(_)) {
            return Ok(sb);
        }
        self.make_root(sb, mode, Kuid::ROOT, Kgid::ROOT)?;
        if fills_itself {
            self.fill_sysfs(sb);
        }
        if let FsKind::Policy(which) = self.vfs.supers[sb].kind {
            self.fill_policyfs(sb, which);
        }
        if let FsParams::Devpts(params) = &fc.params
            && let Node::Tree(root) = self.vfs.supers[sb].root
        {
            let (uid, gid) = self.root_of_user_ns(fc.user_ns);
            let ptmx = crate::vfs::inode::InodeKind::CharDevice(5, 2);
            self.create_in(root, "ptmx", ptmx, params.ptmxmode, uid, gid)?;
        }
        Ok(sb)
    }

    /// A superblock without a root.
    pub(super) fn new_super(&mut self, fc: &FsContext, kind: FsKind, options: Vec<String>) -> SuperId {
        self.hold_ns(NsRef::User(fc.user_ns));
        if let FsKind::Proc(ns) = kind {
            self.hold_ns(NsRef::Pid(ns));
        }
        let key = fc.key.filter(|_| !matches!(kind, FsKind::Proc(_)));
        let dev = self.new_anon_dev();
        let label = fc.label.as_ref().map(|label| format!("context=\"{label}\""));
        let options = label.into_iter().chain(options).collect();
        self.vfs.supers.add(SuperBlock {
            kind,
            root: Node::Proc(ProcNode::Root),
            user_ns: fc.user_ns,
            key,
            dev,
            read_only: fc.read_only == Some(true),
            options,
            last_ino: 0,
        })
    }

    /// The root directory of a new file system.
    pub(super) fn make_root(&mut self, sb: SuperId, mode: u32, uid: Kuid, gid: Kgid) -> Result<(), Errno> {
        match self.new_root_dentry(sb, mode, uid, gid) {
            Ok(root) => {
                self.vfs.supers[sb].root = Node::Tree(root);
                Ok(())
            }
            Err(e) => {
                self.put_super(sb);
                Err(e)
            }
        }
    }

    /// The kernel's ids of uid 0 and gid 0 of a user namespace.
    fn root_of_user_ns(&self, ns: UserNsId) -> (Kuid, Kgid) {
        let ns = &self.user_namespaces[ns];
        (ns.kuid(0).unwrap_or(Kuid::ROOT), ns.kgid(0).unwrap_or(Kgid::ROOT))
    }

    /// The one superblock of this type for a namespace, if it is there (`get_tree_keyed`).
    fn keyed_super(&self, kind: &FsKind, key: Option<NsRef>) -> Option<SuperId> {
        self.vfs.supers.iter().find(|(_, sb)| sb.kind == *kind && sb.key == key).map(|(id, _)| id)
    }

    /// The one superblock of a hierarchy (`cgroup_do_get_tree`). It belongs to the first user namespace, whoever
    /// mounts it.
    fn get_cgroup_tree(&mut self, task: TaskId, fc: &FsContext) -> Result<SuperId, Errno> {
        let ns = self.tasks[task].nsproxy.cgroup;
        let hierarchy = match &fc.params {
            FsParams::Cgroup(params) => self.cgroup1_root_to_use(params, ns)?,
            FsParams::Cgroup2(flags) => {
                self.apply_cgroup2_flags(flags, ns);
                DEFAULT_HIERARCHY
            }
            _ => return Err(Errno::ENODEV),
        };
        if let Some(sb) = self.cgroup_super(hierarchy) {
            return Ok(sb);
        }
        let kind = match &fc.params {
            FsParams::Cgroup(_) => FsKind::Cgroup(hierarchy),
            _ => FsKind::Cgroup2(hierarchy),
        };
        let first = FsContext { user_ns: self.first_user_ns(), key: None, ..fc.clone() };
        let sb = self.new_super(&first, kind, Vec::new());
        let root = self.cgroups.hierarchies[hierarchy].root;
        self.vfs.supers[sb].root = Node::Cgroup(CgroupNode::Dir(root));
        Ok(sb)
    }

    fn new_tmpfs(&mut self, task: TaskId, fc: &FsContext, params: &TmpfsParams) -> Result<SuperId, Errno> {
        let cred = std::sync::Arc::clone(&self.tasks[task].cred);
        let uid = params.uid.unwrap_or(cred.fsuid);
        let gid = params.gid.unwrap_or(cred.fsgid);
        let options = params.options(uid, gid);
        let sb = self.new_super(fc, FsKind::Tmpfs(params.quota()), options);
        self.make_root(sb, params.mode.unwrap_or(0o1777), uid, gid)?;
        Ok(sb)
    }

    /// Changes a file system as a context says (`reconfigure_super`).
    ///
    /// # Errors
    /// EBUSY for making it read-only while files are open for writing; EINVAL for limits below what is in use.
    pub(crate) fn reconfigure_super(&mut self, fc: &FsContext) -> Result<(), Errno> {
        let Some(sb) = fc.sb else { return Err(Errno::EINVAL) };
        let read_only = fc.read_only.unwrap_or(self.vfs.supers[sb].read_only);
        if read_only && !self.vfs.supers[sb].read_only && self.has_writers(sb, None) {
            return Err(Errno::EBUSY);
        }
        if let FsParams::Tmpfs(params) = &fc.params
            && let FsKind::Tmpfs(quota) = self.vfs.supers[sb].kind
        {
            let quota = params.reconfigure(quota)?;
            let superblock = &mut self.vfs.supers[sb];
            superblock.kind = FsKind::Tmpfs(quota);
            superblock.options = params.options_after(&superblock.options, quota);
        }
        match (&fc.params, &self.vfs.supers[sb].kind) {
            (FsParams::Proc(params), _) => self.vfs.supers[sb].options = params.options(),
            (FsParams::Cgroup(params), FsKind::Cgroup(hierarchy)) => self.cgroup1_reconfigure(*hierarchy, params)?,
            (FsParams::Cgroup2(flags), _) => {
                let ns = self.sched.current.map_or(CgroupNsId(1), |task| self.tasks[task].nsproxy.cgroup);
                self.apply_cgroup2_flags(flags, ns);
            }
            _ => {}
        }
        self.vfs.supers[sb].read_only = read_only;
        Ok(())
    }

    /// Puts the directories and files of sysfs into a new instance.
    fn fill_sysfs(&mut self, sb: SuperId) {
        use super::sysfs;
        use crate::vfs::content::Content;
        use crate::vfs::inode::InodeKind;
        let (more_dirs, more_files) = sysfs::of_security_module(self.config.lsm);
        let directories = sysfs::DIRECTORIES.iter().chain(more_dirs).map(|path| (*path, InodeKind::Directory, 0o755));
        let files = sysfs::FILES
            .iter()
            .chain(more_files)
            .map(|(path, mode, text)| (*path, InodeKind::Regular(Content::from_bytes(text.as_bytes())), *mode));
        let links = sysfs::LINKS.iter().map(|(path, to)| (*path, InodeKind::Symlink((*to).to_owned()), 0o777));
        let Node::Tree(root) = self.vfs.supers[sb].root else { return };
        for (path, kind, mode) in directories.chain(files).chain(links) {
            let (dir, name) = path.rsplit_once('/').unwrap_or(("", path));
            let mut at = Some(root);
            for part in dir.split('/').filter(|p| !p.is_empty()) {
                at = at.and_then(|d| self.child_of(d, part));
            }
            // A sysfs has no limit that could be reached.
            let _ = at.map(|dir| self.create_in(dir, name, kind, mode, Kuid::ROOT, Kgid::ROOT));
        }
        if let Some(NsRef::Net(net)) = self.vfs.supers[sb].key {
            self.update_net_sysfs(net);
        }
    }
}

impl FsContext {
    /// What mountinfo will show after `rw` or `ro`.
    fn rendered_options(&self) -> Vec<String> {
        match &self.params {
            FsParams::Proc(params) => params.options(),
            FsParams::Devpts(params) => params.options(),
            FsParams::Ramfs(mode) if *mode != 0o755 => vec![format!("mode={mode:o}")],
            _ => Vec::new(),
        }
    }
}

const CGROUP2_OPTIONS: &[&str] = &[
    "nsdelegate",
    "favordynmods",
    "memory_localevents",
    "memory_recursiveprot",
    "memory_hugetlb_accounting",
    "pids_localevents",
];

/// Remembers an option that a type knows. Whether it does.
fn keep(options: &mut Vec<String>, known: &[&str], key: &str, value: Option<&str>) -> bool {
    if !known.contains(&key) {
        return false;
    }
    options.push(value.map_or_else(|| key.to_owned(), |v| format!("{key}={v}")));
    true
}

fn flag(place: &mut Option<bool>, value: bool) -> Result<(), Errno> {
    *place = Some(value);
    Ok(())
}

/// A number without anything after it.
pub(super) fn plain_number(value: Option<&str>, radix: u32) -> Result<u32, Errno> {
    let value = value.ok_or(Errno::EINVAL)?;
    match radix {
        8 => u32::from_str_radix(value, 8).map_err(|_| Errno::EINVAL),
        _ => match parse_number(value) {
            (n, "") => u32::try_from(n).map_err(|_| Errno::EINVAL),
            _ => Err(Errno::EINVAL),
        },
    }
}
