//! The files, mounts and devices of the standard world.

use std::sync::Arc;

use super::ConsoleId;
use super::etc;
use crate::cgroup::controller::{ControllerId, ControllerSet};
use crate::cgroup::hierarchy::DEFAULT_HIERARCHY;
use crate::ipc::pipe::Pipe;
use crate::namespace::NsRef;
use crate::namespace::ipc::IpcNsId;
use crate::namespace::mnt::MntNsId;
use crate::namespace::net::NetNsId;
use crate::namespace::pid::PidNsId;
use crate::namespace::user::UserNsId;
use crate::program::libc::o;
use crate::program::registry;
use crate::security::credentials::{Cred, Kgid, Kuid};
use crate::security::lsm::LsmChoice;
use crate::tty::Tty;
use crate::vfs::Node;
use crate::vfs::content::{Content, PAGE_SIZE};
use crate::vfs::fd_table::{Fd, FdEntry, FdTable, FdTableId};
use crate::vfs::file::{FileKind, OpenFile};
use crate::vfs::fs::cgroupfs::CgroupNode;
use crate::vfs::fs::params::DevptsParams;
use crate::vfs::fs::policyfs::PolicyFs;
use crate::vfs::fs::procfs::ProcNode;
use crate::vfs::fs::tmpfs::TOTAL_PAGES;
use crate::vfs::fs::{FsKind, Quota, SuperBlock, SuperId};
use crate::vfs::inode::{DentryId, InodeKind};
use crate::vfs::mount::MountFlags;
use crate::vfs::path::VfsPath;
use crate::world::World;

/// The order in which the hierarchies of version 1 were made on the machine of the recordings, which gives them
/// their numbers. One more has the name `systemd` and no controller; it is mounted nowhere in the world.
const HIERARCHIES: [ControllerId; 8] = [
    ControllerId::Cpu,
    ControllerId::Cpuacct,
    ControllerId::Cpuset,
    ControllerId::Memory,
    ControllerId::Devices,
    ControllerId::Freezer,
    ControllerId::Io,
    ControllerId::Pids,
];

/// The cgroup v1 hierarchies, in the order in which they are mounted.
pub(crate) const CONTROLLERS: [&str; 8] = ["blkio", "cpu", "cpuacct", "cpuset", "devices", "freezer", "memory", "pids"];

/// Programs that run with their owner's id, whoever starts them.
const SET_USER_ID: [&str; 5] = ["su", "mount", "umount", "newuidmap", "newgidmap"];

/// Programs that bring capabilities along (`security.capability`).
const WITH_CAPABILITIES: [(&str, u64); 1] = [("ping", 1 << 13)];

/// Character devices in `/dev`: name, major, minor.
const DEVICES: [(&str, u32, u32); 6] =
    [("null", 1, 3), ("zero", 1, 5), ("full", 1, 7), ("random", 1, 8), ("urandom", 1, 9), ("tty", 5, 0)];

/// Makes the file systems, mounts them, and puts the files in. At the bottom, covered and out of sight, is the
/// root file system that the kernel starts with.
pub(super) fn populate(world: &mut World) {
    let mut boot = Boot { world };
    let safe = MountFlags::NOSUID | MountFlags::NODEV | MountFlags::NOEXEC;
    let dev_flags = MountFlags::NOSUID | MountFlags::NOEXEC;
    boot.mount("/", "rootfs", FsKind::Rootfs, 0o755, MountFlags::empty(), &[]);
    boot.mount("/", "world", tmpfs(512 << 20), 0o755, MountFlags::empty(), &["size=524288k", "mode=755"]);
    boot.root_directory();
    boot.mount("/proc", "proc", FsKind::Proc(PidNsId(1)), 0o555, safe, &[]);
    boot.mount("/sys", "sysfs", FsKind::Sysfs, 0o555, safe, &[]);
    boot.sysfs();
    boot.mount("/dev", "dev", tmpfs(4 << 20), 0o755, dev_flags, &["size=4096k", "mode=755"]);
    boot.world.add_disk("vda", (254, 0), 1 << 30);
    boot.devices();
    let devpts =
        DevptsParams { gid: Some(Kgid(5)), mode: 0o620, ptmxmode: 0o666, reserve: true, ..DevptsParams::default() };
    boot.mount("/dev/pts", "devpts", FsKind::Devpts(devpts), 0o755, dev_flags, &["gid=5", "mode=620", "ptmxmode=666"]);
    boot.device("/dev/pts/ptmx", 5, 2);
    let shm = MountFlags::NOSUID | MountFlags::NODEV;
    boot.mount("/dev/shm", "shm", tmpfs(64 << 20), 0o1777, shm, &["size=65536k"]);
    boot.mount("/dev/mqueue", "mqueue", FsKind::Mqueue, 0o1777, safe, &[]);
    boot.mount("/run", "run", tmpfs(16 << 20), 0o755, shm, &["size=16384k", "mode=755"]);
    boot.cgroup_hierarchies(safe);
    boot.security_module(safe);
}

/// The root directory.
pub(super) fn root_of(world: &World) -> VfsPath {
    world.namespace_root(MntNsId(1))
}

/// `/root`.
pub(super) fn home_of_root(world: &World) -> VfsPath {
    place(world, "/root")
}

/// Descriptors 0, 1 and 2 of a console's shell: a terminal, or `/dev/null` and a pipe that the console reads.
pub(super) fn console_descriptors(world: &mut World, console: ConsoleId) -> FdTableId {
    let cred = Arc::new(Cred { security: super::blob_at_boot(world.config.lsm, true), ..Cred::init(UserNsId(1)) });
    let entry = |file| FdEntry { file, cloexec: false };
    let mut table = FdTable { users: 1, ..FdTable::default() };
    let mut put = |fd: Fd, file| table.fds.insert(fd, entry(file));
    if world.config.terminal {
        let tty = FileKind::Tty(Tty::Console(console), terminal(world, console));
        let file = world.vfs.files.add(OpenFile { refs: 3, ..OpenFile::new(tty, o::RDWR, cred) });
        for fd in 0..3 {
            put(fd, file);
        }
    } else {
        let null = FileKind::Path(place(world, "/dev/null"));
        let input = world.vfs.files.add(OpenFile::new(null, o::RDONLY, Arc::clone(&cred)));
        world.last_pipe_ino += 1;
        let pipe = world.pipes.add(Pipe { readers: 1, writers: 1, ..Pipe::new(world.last_pipe_ino, Some(console)) });
        let end = OpenFile { refs: 2, ..OpenFile::new(FileKind::PipeWrite(pipe, None), o::WRONLY, cred) };
        let output = world.vfs.files.add(end);
        put(0, input);
        put(1, output);
        put(2, output);
    }
    world.vfs.fd_tables.add(table)
}

/// `/dev/pts/N` of a console, made when it is not there.
fn terminal(world: &mut World, console: ConsoleId) -> VfsPath {
    let pts = place(world, "/dev/pts");
    let Node::Tree(dir) = pts.node else { return pts };
    let sb = world.vfs.mounts[pts.mnt].sb;
    let number = world.free_pts_number(sb);
    world.consoles[console].pts = Some((sb, number));
    let name = number.to_string();
    let dentry = world.child_of(dir, &name).or_else(|| {
        let kind = InodeKind::CharDevice(136, number);
        world.create_in(dir, &name, kind, 0o620, Kuid::ROOT, Kgid(5)).ok()
    });
    dentry.map_or(pts, |d| VfsPath { mnt: pts.mnt, node: Node::Tree(d) })
}

/// The place of a path of the standard world: no links are followed; as far as the names lead.
fn place(world: &World, path: &str) -> VfsPath {
    let mut at = root_of(world);
    for name in path.split('/').filter(|n| !n.is_empty()) {
        let Node::Tree(dir) = at.node else { break };
        let Some(child) = world.child_of(dir, name) else { break };
        at = world.follow_mounts(VfsPath { mnt: at.mnt, node: Node::Tree(child) });
    }
    at
}

fn tmpfs(bytes: u64) -> FsKind {
    FsKind::Tmpfs(Quota {
        max_pages: Some(bytes / PAGE_SIZE as u64),
        max_inodes: Some(TOTAL_PAGES / 2),
        pages: 0,
        inodes: 0,
    })
}

/// What an executable holds: enough for execve(2) to know which program it is.
pub fn executable(program: &str) -> Content {
    Content::from_bytes(format!("\x7fELF\nprogram {program}\n").as_bytes())
}

impl World {
    /// Makes a node of a device below `/dev`, and the directory that it is in. One that is there stays as it is.
    pub(crate) fn make_device_node(&mut self, name: &str, kind: InodeKind, mode: u32) {
        let mut boot = Boot { world: self };
        if let Some((dir, _)) = name.rsplit_once('/') {
            boot.make_new(&format!("/dev/{dir}"), InodeKind::Directory, 0o755);
        }
        boot.make_new(&format!("/dev/{name}"), kind, mode);
    }
}

/// The world while it is being furnished. Paths are absolute and lead through what has been made before.
struct Boot<'a> {
    world: &'a mut World,
}

impl Boot<'_> {
    /// Mounts a new file system, as a shared mount of the first namespace.
    fn mount(&mut self, path: &str, source: &str, kind: FsKind, mode: u32, flags: MountFlags, options: &[&str]) {
        let is_proc = matches!(kind, FsKind::Proc(_));
        let is_rootfs = kind == FsKind::Rootfs;
        let dev = self.world.new_anon_dev();
        let key = match kind {
            FsKind::Sysfs => Some(NsRef::Net(NetNsId(1))),
            FsKind::Mqueue => Some(NsRef::Ipc(IpcNsId(1))),
            _ => None,
        };
        let sb = self.world.vfs.supers.add(SuperBlock {
            kind,
            root: Node::Proc(ProcNode::Root),
            user_ns: UserNsId(1),
            key,
            dev,
            read_only: false,
            options: options.iter().map(|o| (*o).to_owned()).collect(),
            last_ino: 0,
        });
        if let FsKind::Cgroup(h) | FsKind::Cgroup2(h) = self.world.vfs.supers[sb].kind {
            let root = self.world.cgroups.hierarchies[h].root;
            self.world.vfs.supers[sb].root = Node::Cgroup(CgroupNode::Dir(root));
        } else if !is_proc {
            self.world.vfs.supers[sb].root = Node::Tree(self.new_root(sb, mode));
        }
        if let FsKind::Policy(which) = self.world.vfs.supers[sb].kind {
            self.world.fill_policyfs(sb, which);
        }
        let root = self.world.vfs.supers[sb].root;
        let mnt = self.world.new_mount(sb, root, source, flags | MountFlags::RELATIME);
        if is_rootfs {
            self.world.mnt_namespaces[MntNsId(1)].root = mnt;
        } else {
            let group = self.world.new_peer_group();
            self.world.vfs.mounts[mnt].propagation.shared = Some(group);
            let place = place(self.world, path);
            self.world.hang(mnt, place);
        }
        self.world.commit_tree(mnt, MntNsId(1));
    }

    fn new_root(&mut self, sb: SuperId, mode: u32) -> DentryId {
        self.world.new_root_dentry(sb, mode, Kuid::ROOT, Kgid::ROOT).expect("a new file system has room for its root")
    }

    /// Makes something under a name whose directory exists.
    fn make(&mut self, path: &str, kind: InodeKind, mode: u32, owner: u32) -> Option<DentryId> {
        let (dir, name) = path.rsplit_once('/')?;
        let Node::Tree(dir) = place(self.world, dir).node else { return None };
        if let InodeKind::Regular(content) = &kind {
            let sb = self.world.vfs.dentries[dir].sb;
            self.world.charge_pages(sb, content.page_count());
        }
        self.world.create_in(dir, name, kind, mode, Kuid(owner), Kgid(owner)).ok()
    }

    /// The same if the name is free.
    fn make_new(&mut self, path: &str, kind: InodeKind, mode: u32) {
        let Some((dir, name)) = path.rsplit_once('/') else { return };
        let Node::Tree(dir) = place(self.world, dir).node else { return };
        if self.world.child_of(dir, name).is_none() {
            self.make(path, kind, mode, 0);
        }
    }

    fn dir(&mut self, path: &str, mode: u32) {
        self.make(path, InodeKind::Directory, mode, 0);
    }

    fn file(&mut self, path: &str, mode: u32, text: &str) {
        self.make(path, InodeKind::Regular(Content::from_bytes(text.as_bytes())), mode, 0);
    }

    fn symlink(&mut self, path: &str, target: &str) {
        self.make(path, InodeKind::Symlink(target.to_owned()), 0o777, 0);
    }

    fn device(&mut self, path: &str, major: u32, minor: u32) {
        self.make(path, InodeKind::CharDevice(major, minor), 0o666, 0);
    }

    /// Everything of the root file system itself.
    fn root_directory(&mut self) {
        for dir in ["/usr", "/usr/bin", "/usr/sbin", "/usr/lib", "/usr/lib64", "/etc", "/home", "/dev", "/proc", "/sys"]
        {
            self.dir(dir, 0o755);
        }
        for dir in ["/run", "/mnt", "/srv", "/opt", "/var", "/etc/pam.d"] {
            self.dir(dir, 0o755);
        }
        self.dir("/root", 0o700);
        self.dir("/tmp", 0o1777);
        self.dir("/var/tmp", 0o1777);
        self.symlink("/var/run", "/run");
        for link in ["bin", "sbin", "lib", "lib64"] {
            self.symlink(&format!("/{link}"), &format!("usr/{link}"));
        }
        for (name, id) in [("student", 1000), ("guest", 1001)] {
            self.make(&format!("/home/{name}"), InodeKind::Directory, 0o755, id);
        }
        for (name, text) in etc::FILES {
            self.file(&format!("/etc/{name}"), 0o644, text);
        }
        self.symlink("/etc/mtab", "/proc/self/mounts");
        self.programs();
    }

    fn programs(&mut self) {
        for program in registry::programs() {
            let mode = if SET_USER_ID.contains(&program.name) { 0o4755 } else { 0o755 };
            let path = format!("{}/{}", program.dir, program.name);
            let made = self.make(&path, InodeKind::Regular(executable(program.name)), mode, 0);
            let caps = WITH_CAPABILITIES.iter().find(|(name, _)| *name == program.name);
            if let (Some(dentry), Some((_, caps))) = (made, caps) {
                let value = crate::task::exec::file_caps::FileCaps::permitted_and_effective(*caps).to_bytes();
                self.world.inode_of_mut(dentry).xattrs.insert("security.capability".to_owned(), value.into());
            }
        }
        self.make("/usr/sbin/init", InodeKind::Regular(executable("init")), 0o755, 0);
        self.symlink("/usr/bin/sh", "bash");
    }

    fn devices(&mut self) {
        for (name, major, minor) in DEVICES {
            self.device(&format!("/dev/{name}"), major, minor);
        }
        for (_, disk) in self.world.block.disks.clone().iter() {
            let (major, minor) = disk.dev;
            self.make(&format!("/dev/{}", disk.name), InodeKind::BlockDevice(major, minor), 0o660, 0);
        }
        self.symlink("/dev/ptmx", "pts/ptmx");
        for (fd, name) in ["stdin", "stdout", "stderr"].into_iter().enumerate() {
            self.symlink(&format!("/dev/{name}"), &format!("/proc/self/fd/{fd}"));
        }
        self.symlink("/dev/fd", "/proc/self/fd");
        for dir in ["/dev/pts", "/dev/shm", "/dev/mqueue"] {
            self.dir(dir, 0o755);
        }
    }

    fn sysfs(&mut self) {
        for dir in crate::vfs::fs::sysfs::DIRECTORIES {
            self.dir(&format!("/sys/{dir}"), 0o755);
        }
        for (path, mode, text) in crate::vfs::fs::sysfs::FILES {
            self.file(&format!("/sys/{path}"), *mode, text);
        }
        for (path, target) in crate::vfs::fs::sysfs::LINKS {
            self.symlink(&format!("/sys/{path}"), target);
        }
        self.world.update_net_sysfs(NetNsId(1));
    }

    /// What init does for the active security module: its file system, its files below `/etc`, labels.
    fn security_module(&mut self, flags: MountFlags) {
        let lsm = self.world.config.lsm;
        let (dirs, files) = crate::vfs::fs::sysfs::of_security_module(lsm);
        for dir in dirs {
            self.dir(&format!("/sys/{dir}"), 0o755);
        }
        for (path, mode, text) in files {
            self.file(&format!("/sys/{path}"), *mode, text);
        }
        for dir in etc::security_dirs(lsm) {
            self.dir(dir, 0o755);
        }
        for (path, mode, text) in etc::security_files(lsm) {
            self.file(path, *mode, text);
        }
        match lsm {
            LsmChoice::None => return,
            LsmChoice::AppArmor => {}
            LsmChoice::Selinux => {
                let selinuxfs = FsKind::Policy(PolicyFs::Selinuxfs);
                let flags = MountFlags::NOSUID | MountFlags::NOEXEC;
                self.mount("/sys/fs/selinux", "selinuxfs", selinuxfs, 0o755, flags, &[]);
            }
        }
        self.mount("/sys/kernel/security", "securityfs", FsKind::Policy(PolicyFs::Securityfs), 0o755, flags, &[]);
        if lsm == LsmChoice::Selinux {
            self.restore_labels();
        }
    }

    /// Every file gets the label that its path has (restorecon(8)).
    fn restore_labels(&mut self) {
        let root = root_of(self.world);
        let labelled: Vec<DentryId> = self.world.vfs.dentries.ids().collect();
        for dentry in labelled {
            let sb = self.world.vfs.dentries[dentry].sb;
            if !matches!(self.world.vfs.supers[sb].kind, FsKind::Tmpfs(_) | FsKind::Devpts(_)) {
                continue;
            }
            let Some((mnt, _)) = self.world.vfs.mounts.iter().find(|(_, m)| m.sb == sb) else { continue };
            let (path, _) = self.world.path_from(VfsPath { mnt, node: Node::Tree(dentry) }, root);
            let label = crate::security::lsm::selinux::policy::label_of_path(&path);
            self.world.set_selinux_label(dentry, &label);
        }
    }

    fn cgroup_hierarchies(&mut self, flags: MountFlags) {
        if self.world.config.cgroup_v2 {
            self.world.cgroups.hierarchies[DEFAULT_HIERARCHY].flags.push("nsdelegate".to_owned());
            self.mount("/sys/fs/cgroup", "cgroup2", FsKind::Cgroup2(DEFAULT_HIERARCHY), 0o555, flags, &[]);
            return;
        }
        for controller in HIERARCHIES {
            self.world.boot_hierarchy("", ControllerSet::only(controller));
        }
        self.world.boot_hierarchy("systemd", ControllerSet::EMPTY);
        let options = ["size=1024k", "mode=755"];
        self.mount("/sys/fs/cgroup", "cgroups", tmpfs(1 << 20), 0o755, flags, &options);
        for controller in CONTROLLERS {
            let path = format!("/sys/fs/cgroup/{controller}");
            self.dir(&path, 0o755);
            let id = ControllerId::ALL.into_iter().find(|c| c.legacy_name() == controller);
            let hierarchy = id.map_or(DEFAULT_HIERARCHY, |c| self.world.hierarchy_of(c));
            self.mount(&path, "cgroup", FsKind::Cgroup(hierarchy), 0o555, flags, &[]);
        }
        self.dir("/sys/fs/cgroup/unified", 0o755);
        self.mount("/sys/fs/cgroup/unified", "cgroup2", FsKind::Cgroup2(DEFAULT_HIERARCHY), 0o555, flags, &[]);
    }
}
