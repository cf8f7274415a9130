//! What the calls of this folder do and refuse, on the standard world.

mod new_api;

use std::sync::Arc;

use super::mount::ms;
use crate::errno::Errno;
use crate::kernel::{Kernel, Trace};
use crate::namespace::{CLONE_NEWNS, CLONE_NEWPID, CLONE_NEWUSER};
use crate::program::libc::AT_FDCWD;
use crate::pv_ops::NoMachine;
use crate::security::capability::CapSet;
use crate::security::credentials::{Cred, Kgid, Kuid};
use crate::step::Running;
use crate::syscall::{Call, CallResult, Sysno, Value};
use crate::task::clone::CloneArgs;
use crate::task::{Driver, TaskId};
use crate::vfs::Node;
use crate::vfs::inode::InodeKind;
use crate::vfs::walk::LookupFlags;
use crate::world::{Config, World};

/// A standard world in which the first shell makes whatever call a test asks for.
pub(super) struct Lab {
    running: Running<NoMachine>,
    /// The first shell.
    pub(super) root: TaskId,
}

impl Lab {
    pub(super) fn new() -> Lab {
        let mut lab = Lab { running: Running::new(World::boot(Config::default()), NoMachine), root: TaskId(2) };
        lab.running.world.tasks[TaskId(2)].user.driver = Driver::Outside;
        for dir in ["/mnt/a", "/mnt/b", "/srv/x", "/srv/x/old"] {
            lab.mkdir(dir);
        }
        lab
    }

    pub(super) fn world(&self) -> &World {
        &self.running.world
    }

    fn kernel<T>(&mut self, work: impl FnOnce(&mut Kernel<'_>) -> T) -> T {
        let mut trace = Trace::silent();
        let mut k =
            Kernel { world: &mut self.running.world, machine: &mut NoMachine, trace: &mut trace, from_outside: true };
        work(&mut k)
    }

    /// Makes something under a name, whatever the permissions.
    fn make(&mut self, path: &str, kind: InodeKind, mode: u32) {
        let root = self.root;
        self.kernel(|k| {
            let (dir, name) = path.rsplit_once('/').expect("an absolute path");
            let dir = k.walk(root, AT_FDCWD, &format!("{dir}/"), LookupFlags::FOLLOW).expect("the directory is there");
            let Node::Tree(dir) = dir.node else { panic!("{path} cannot be made") };
            k.create_in(dir, name, kind, mode, Kuid::ROOT, Kgid::ROOT).expect("there is room");
        });
    }

    pub(super) fn mkdir(&mut self, path: &str) {
        self.make(path, InodeKind::Directory, 0o755);
    }

    fn symlink(&mut self, path: &str, to: &str) {
        self.make(path, InodeKind::Symlink(to.to_owned()), 0o777);
    }

    /// Makes a call and checks that the world still holds together.
    pub(super) fn call(&mut self, task: TaskId, nr: Sysno, args: Vec<Value>) -> CallResult {
        let result = self.running.call_as(task, Call { nr, args }, &mut Trace::silent()).expect("the call returns");
        if let Err(broken) = self.world().check() {
            panic!("after {}: {broken}", nr.name());
        }
        result
    }

    fn status(&mut self, task: TaskId, nr: Sysno, args: Vec<Value>) -> Result<(), Errno> {
        self.call(task, nr, args).map(drop)
    }

    pub(super) fn mount(
        &mut self,
        task: TaskId,
        source: &str,
        target: &str,
        fs_type: &str,
        flags: u64,
        data: &str,
    ) -> Result<(), Errno> {
        let fs_type = if fs_type.is_empty() { Value::Null } else { fs_type.into() };
        self.status(task, Sysno::MOUNT, vec![source.into(), target.into(), fs_type, flags.into(), data.into()])
    }

    fn tmpfs(&mut self, target: &str) {
        let root = self.root;
        self.mount(root, "t", target, "tmpfs", 0, "").expect("a tmpfs can be mounted");
    }

    fn change(&mut self, task: TaskId, target: &str, flags: u64) -> Result<(), Errno> {
        self.mount(task, "none", target, "", flags, "")
    }

    fn umount(&mut self, task: TaskId, target: &str, flags: i64) -> Result<(), Errno> {
        self.status(task, Sysno::UMOUNT2, vec![target.into(), flags.into()])
    }

    fn pivot(&mut self, task: TaskId, new: &str, old: &str) -> Result<(), Errno> {
        self.status(task, Sysno::PIVOT_ROOT, vec![new.into(), old.into()])
    }

    fn chdir(&mut self, task: TaskId, path: &str) -> Result<(), Errno> {
        self.status(task, Sysno::CHDIR, vec![path.into()])
    }

    fn chroot(&mut self, task: TaskId, path: &str) -> Result<(), Errno> {
        self.status(task, Sysno::CHROOT, vec![path.into()])
    }

    fn getcwd(&mut self, task: TaskId) -> Result<String, Errno> {
        let ret = self.call(task, Sysno::GETCWD, vec![Value::Null, 4096.into()])?;
        Ok(ret.output(0).as_str().unwrap_or_default().to_owned())
    }

    /// A child of a task, in new namespaces.
    pub(super) fn child(&mut self, of: TaskId, flags: u64) -> TaskId {
        let child = TaskId(self.world().tasks.next_number());
        self.kernel(|k| k.clone_task(of, &CloneArgs { flags, ..CloneArgs::default() })).expect("it can be cloned");
        child
    }

    /// A child without privileges: uid and gid 1000.
    fn student(&mut self) -> TaskId {
        let child = self.child(self.root, 0);
        let task = &mut self.running.world.tasks[child];
        let (uid, gid) = (Kuid(1000), Kgid(1000));
        let cred = Cred {
            uid,
            euid: uid,
            suid: uid,
            fsuid: uid,
            gid,
            egid: gid,
            sgid: gid,
            fsgid: gid,
            permitted: CapSet::EMPTY,
            effective: CapSet::EMPTY,
            ..(*task.cred).clone()
        };
        task.cred = Arc::new(cred);
        child
    }

    /// The lines of mountinfo whose mount point begins like this: mount point, options, tags, source.
    pub(super) fn table(&self, task: TaskId, below: &str) -> Vec<String> {
        let rows = self.world().mount_table(task).into_iter().filter(|row| row.mount_point.starts_with(below));
        rows.map(|row| format!("{} {} {}", row.mount_point, row.source, row.tags.join(" ")).trim_end().to_owned())
            .collect()
    }

    fn walk(&mut self, task: TaskId, path: &str) -> Result<String, Errno> {
        self.kernel(|k| {
            let to = k.walk(task, AT_FDCWD, path, LookupFlags::FOLLOW)?;
            Ok(k.d_path(to, task))
        })
    }
}

const PRIVATE: u64 = ms::PRIVATE | ms::REC;

#[test]
fn paths_follow_links_and_cross_mounts() {
    let mut lab = Lab::new();
    let root = lab.root;
    lab.symlink("/mnt/link", "a/../b/");
    lab.symlink("/mnt/loop", "loop");
    assert_eq!(lab.walk(root, "/mnt/link").as_deref(), Ok("/mnt/b"));
    assert_eq!(lab.walk(root, "/sbin//./init").as_deref(), Ok("/usr/sbin/init"));
    assert_eq!(lab.walk(root, "/../../dev/shm/..").as_deref(), Ok("/dev"));
    assert_eq!(lab.walk(root, "/mnt/loop"), Err(Errno::ELOOP));
    assert_eq!(lab.walk(root, "/etc/hostname/"), Err(Errno::ENOTDIR));
    assert_eq!(lab.walk(root, "/etc/hostname/x"), Err(Errno::ENOTDIR));
    assert_eq!(lab.walk(root, "/nowhere/x"), Err(Errno::ENOENT));
    assert_eq!(lab.walk(root, ""), Err(Errno::ENOENT));
    assert_eq!(lab.walk(root, &"x".repeat(256)), Err(Errno::ENAMETOOLONG));
    assert_eq!(lab.walk(root, &"x/".repeat(2100)), Err(Errno::ENAMETOOLONG));
    let student = lab.student();
    assert_eq!(lab.walk(student, "/root/x"), Err(Errno::EACCES));
    assert_eq!(lab.walk(student, "/root").as_deref(), Ok("/root"));
}

#[test]
fn a_working_directory_has_a_name_while_it_can_be_reached() {
    let mut lab = Lab::new();
    let root = lab.root;
    assert_eq!(lab.getcwd(root).as_deref(), Ok("/root"));
    assert_eq!(lab.chdir(root, "/mnt/a"), Ok(()));
    assert_eq!(lab.getcwd(root).as_deref(), Ok("/mnt/a"));
    assert_eq!(lab.call(root, Sysno::GETCWD, vec![Value::Null, 6.into()]), Err(Errno::ERANGE));
    assert_eq!(lab.chdir(root, "/etc/hostname"), Err(Errno::ENOTDIR));
    assert_eq!(lab.status(root, Sysno::FCHDIR, vec![99.into()]), Err(Errno::EBADF));
    assert_eq!(lab.chroot(root, "/mnt/b"), Ok(()));
    assert_eq!(lab.getcwd(root).as_deref(), Ok("(unreachable)/mnt/a"));
    let student = lab.student();
    assert_eq!(lab.chdir(student, "/"), Ok(()));
    assert_eq!(lab.chroot(student, "/"), Err(Errno::EPERM));
}

#[test]
fn a_chroot_is_no_wall_for_its_maker() {
    let mut lab = Lab::new();
    let root = lab.root;
    assert_eq!(lab.chdir(root, "/mnt"), Ok(()));
    assert_eq!(lab.chroot(root, "/mnt/a"), Ok(()));
    assert_eq!(lab.walk(root, "/..").as_deref(), Ok("/"));
    assert_eq!(lab.chdir(root, ".."), Ok(()));
    assert_eq!(lab.chroot(root, "."), Ok(()));
    assert_eq!(lab.walk(root, "/srv/x").as_deref(), Ok("/srv/x"));
}

#[test]
fn mount_refuses_in_the_order_of_the_kernel() {
    let mut lab = Lab::new();
    let root = lab.root;
    let student = lab.student();
    assert_eq!(lab.mount(student, "t", "/nowhere", "tmpfs", 0, ""), Err(Errno::ENOENT));
    assert_eq!(lab.mount(student, "t", "/mnt/a", "nofs", 0, ""), Err(Errno::EPERM));
    assert_eq!(lab.mount(root, "t", "/mnt/a", "nofs", 0, ""), Err(Errno::ENODEV));
    assert_eq!(lab.mount(root, "t", "/mnt/a", "", 0, ""), Err(Errno::EINVAL));
    assert_eq!(lab.mount(root, "t", "/mnt/a", "tmpfs", ms::NOUSER, ""), Err(Errno::EINVAL));
    assert_eq!(lab.mount(root, "t", "/mnt/a", "tmpfs", 0, "size=zz"), Err(Errno::EINVAL));
    assert_eq!(lab.mount(root, "t", "/mnt/a", "tmpfs", 0, "nosuch"), Err(Errno::EINVAL));
    assert_eq!(lab.mount(root, "t", "/etc/hostname", "tmpfs", 0, ""), Err(Errno::ENOTDIR));
    assert_eq!(lab.mount(root, "/dev/null", "/mnt/a", "ext4", 0, ""), Err(Errno::ENOTBLK));
    assert_eq!(lab.mount(root, "/nowhere", "/mnt/a", "ext4", 0, ""), Err(Errno::ENOENT));
    assert_eq!(lab.mount(root, "s", "/sys", "sysfs", 0, ""), Err(Errno::EBUSY));
    assert_eq!(lab.mount(root, "", "/mnt/a", "", ms::BIND, ""), Err(Errno::EINVAL));
    assert_eq!(lab.mount(root, "/nowhere", "/mnt/a", "", ms::BIND, ""), Err(Errno::ENOENT));
    assert_eq!(lab.mount(root, "/etc/hostname", "/mnt/a", "", ms::BIND, ""), Err(Errno::ENOTDIR));
    assert_eq!(lab.change(root, "/mnt/a", ms::PRIVATE), Err(Errno::EINVAL));
    assert_eq!(lab.change(root, "/", ms::PRIVATE | ms::SHARED), Err(Errno::EINVAL));
    assert_eq!(lab.change(root, "/mnt/a", ms::REMOUNT | ms::BIND), Err(Errno::EINVAL));
    assert_eq!(lab.table(root, "/mnt"), Vec::<String>::new());
}

#[test]
fn a_tmpfs_takes_and_shows_its_options() {
    let mut lab = Lab::new();
    let root = lab.root;
    let options = "size=1m,nr_inodes=5,mode=0700,uid=1000,gid=1000,rw";
    assert_eq!(lab.mount(root, "t", "/mnt/a", "tmpfs", ms::NOSUID | ms::STRICTATIME, options), Ok(()));
    let row = lab.world().mount_table(root).pop().expect("it is there");
    assert_eq!(row.options, ["rw", "nosuid"]);
    assert_eq!(row.super_options, ["rw", "size=1024k", "nr_inodes=5", "mode=700", "uid=1000", "gid=1000"]);
    assert_eq!(lab.mount(root, "t", "/mnt/a", "", ms::REMOUNT | ms::RDONLY, "size=2m"), Ok(()));
    let row = lab.world().mount_table(root).pop().expect("it is there");
    assert_eq!(row.super_options, ["ro", "size=2048k", "nr_inodes=5", "mode=700", "uid=1000", "gid=1000"]);
    assert_eq!(row.options, ["ro"]);
}

#[test]
fn umount_refuses_what_is_busy_or_no_mount() {
    let mut lab = Lab::new();
    let root = lab.root;
    lab.tmpfs("/mnt/a");
    assert_eq!(lab.umount(root, "/mnt/a", 64), Err(Errno::EINVAL));
    assert_eq!(lab.umount(root, "/nowhere", 0), Err(Errno::ENOENT));
    assert_eq!(lab.umount(root, "/mnt/b", 0), Err(Errno::EINVAL));
    let student = lab.student();
    assert_eq!(lab.umount(student, "/mnt/a", 0), Err(Errno::EPERM));
    lab.mkdir("/mnt/a/in");
    lab.tmpfs("/mnt/a/in");
    assert_eq!(lab.umount(root, "/mnt/a", 0), Err(Errno::EBUSY));
    assert_eq!(lab.umount(root, "/mnt/a/in", 0), Ok(()));
    assert_eq!(lab.chdir(student, "/mnt/a"), Ok(()));
    assert_eq!(lab.umount(root, "/mnt/a", 0), Err(Errno::EBUSY));
    assert_eq!(lab.umount(root, "/mnt/a", 2), Ok(()));
    assert_eq!(lab.table(root, "/mnt"), Vec::<String>::new());
    assert_eq!(lab.getcwd(student).as_deref(), Ok("(unreachable)/"));
    let mounts = lab.world().vfs.mounts.len();
    assert_eq!(lab.chdir(student, "/"), Ok(()));
    assert_eq!(lab.world().vfs.mounts.len(), mounts - 1, "with its last user a detached mount is gone");
}

#[test]
fn an_expiring_mount_goes_at_the_second_call() {
    let mut lab = Lab::new();
    let root = lab.root;
    lab.tmpfs("/mnt/a");
    assert_eq!(lab.umount(root, "/mnt/a", 4 | 2), Err(Errno::EINVAL));
    assert_eq!(lab.umount(root, "/mnt/a", 4), Err(Errno::EAGAIN));
    assert_eq!(lab.umount(root, "/mnt/a", 4), Ok(()));
}

#[test]
fn what_is_mounted_on_a_shared_mount_appears_at_its_peers_and_slaves() {
    let mut lab = Lab::new();
    let root = lab.root;
    let peer = lab.child(root, CLONE_NEWNS);
    let slave = lab.child(root, CLONE_NEWNS);
    let alone = lab.child(root, CLONE_NEWNS);
    assert_eq!(lab.change(slave, "/", ms::SLAVE | ms::REC), Ok(()));
    assert_eq!(lab.change(alone, "/", PRIVATE), Ok(()));
    lab.tmpfs("/mnt/a");
    let group = lab.table(root, "/mnt").pop().and_then(|l| l.rsplit(':').next().map(str::to_owned));
    let group = group.expect("it is shared");
    assert_eq!(lab.table(root, "/mnt"), [format!("/mnt/a t shared:{group}")]);
    assert_eq!(lab.table(peer, "/mnt"), [format!("/mnt/a t shared:{group}")]);
    assert_eq!(lab.table(slave, "/mnt"), [format!("/mnt/a t master:{group}")]);
    assert_eq!(lab.table(alone, "/mnt"), Vec::<String>::new());
    assert_eq!(lab.mount(slave, "s", "/mnt/b", "tmpfs", 0, ""), Ok(()));
    assert_eq!(lab.table(root, "/mnt/b"), Vec::<String>::new(), "a slave sends nothing");
    assert_eq!(lab.umount(peer, "/mnt/a", 0), Ok(()));
    assert_eq!(lab.table(root, "/mnt/a"), Vec::<String>::new());
    assert_eq!(lab.table(slave, "/mnt/a"), Vec::<String>::new());
}

#[test]
fn a_propagated_umount_leaves_what_has_mounts_of_its_own() {
    let mut lab = Lab::new();
    let root = lab.root;
    let slave = lab.child(root, CLONE_NEWNS);
    assert_eq!(lab.change(slave, "/", ms::SLAVE | ms::REC), Ok(()));
    lab.tmpfs("/mnt/a");
    lab.mkdir("/mnt/a/in");
    assert_eq!(lab.mount(slave, "own", "/mnt/a/in", "tmpfs", 0, ""), Ok(()));
    assert_eq!(lab.umount(root, "/mnt/a", 0), Ok(()));
    assert_eq!(lab.table(slave, "/mnt").len(), 2);
    assert_eq!(lab.table(root, "/mnt").len(), 0);
}

#[test]
fn the_last_member_of_a_group_hands_its_slaves_to_its_master() {
    let mut lab = Lab::new();
    let root = lab.root;
    lab.tmpfs("/mnt/a");
    let bind = |lab: &mut Lab, from: &str, to: &str| lab.mount(root, from, to, "", ms::BIND, "");
    assert_eq!(bind(&mut lab, "/mnt/a", "/mnt/b"), Ok(()));
    assert_eq!(lab.change(root, "/mnt/b", ms::SLAVE), Ok(()));
    assert_eq!(lab.change(root, "/mnt/b", ms::SHARED), Ok(()));
    assert_eq!(bind(&mut lab, "/mnt/b", "/srv/x"), Ok(()));
    assert_eq!(lab.change(root, "/srv/x", ms::SLAVE), Ok(()));
    let tags = |lab: &Lab, at: &str| lab.table(root, at).pop().unwrap_or_default();
    let master = tags(&lab, "/mnt/a").rsplit(':').next().map(str::to_owned).unwrap_or_default();
    assert!(tags(&lab, "/mnt/b").ends_with(&format!(" master:{master}")));
    assert_eq!(lab.change(root, "/mnt/b", ms::PRIVATE), Ok(()));
    assert_eq!(tags(&lab, "/mnt/b"), "/mnt/b t");
    assert_eq!(tags(&lab, "/srv/x"), format!("/srv/x t master:{master}"));
}

#[test]
fn an_unbindable_mount_is_left_out_of_copies() {
    let mut lab = Lab::new();
    let root = lab.root;
    lab.tmpfs("/mnt/a");
    lab.mkdir("/mnt/a/in");
    lab.tmpfs("/mnt/a/in");
    assert_eq!(lab.change(root, "/mnt/a/in", ms::UNBINDABLE), Ok(()));
    assert_eq!(lab.mount(root, "/mnt/a/in", "/mnt/b", "", ms::BIND, ""), Err(Errno::EINVAL));
    assert_eq!(lab.mount(root, "/mnt/a", "/mnt/b", "", ms::BIND | ms::REC, ""), Ok(()));
    assert_eq!(lab.table(root, "/mnt/b").len(), 1);
}

#[test]
fn a_mount_moves_only_from_under_a_private_one_and_not_below_itself() {
    let mut lab = Lab::new();
    let root = lab.root;
    lab.tmpfs("/mnt/a");
    lab.mkdir("/mnt/a/in");
    let shift = |lab: &mut Lab, from: &str, to: &str| lab.mount(root, from, to, "", ms::MOVE, "");
    assert_eq!(shift(&mut lab, "/mnt/a", "/mnt/b"), Err(Errno::EINVAL));
    assert_eq!(lab.change(root, "/", PRIVATE), Ok(()));
    assert_eq!(shift(&mut lab, "/mnt/a", "/mnt/a/in"), Err(Errno::ELOOP));
    assert_eq!(shift(&mut lab, "/mnt/b", "/mnt/a"), Err(Errno::EINVAL));
    assert_eq!(shift(&mut lab, "/mnt/a", "/etc/hostname"), Err(Errno::EINVAL));
    assert_eq!(shift(&mut lab, "/mnt/a", "/nowhere"), Err(Errno::ENOENT));
    assert_eq!(shift(&mut lab, "/mnt/a", "/mnt/b"), Ok(()));
    assert_eq!(lab.table(root, "/mnt"), ["/mnt/b t"]);
}

#[test]
fn pivot_root_refuses_in_the_order_of_the_kernel() {
    let mut lab = Lab::new();
    let root = lab.root;
    let student = lab.student();
    assert_eq!(lab.pivot(student, "/srv/x", "/srv/x/old"), Err(Errno::EPERM));
    assert_eq!(lab.pivot(root, "/srv/x", "/srv/x/nowhere"), Err(Errno::ENOENT));
    assert_eq!(lab.pivot(root, "/srv/x", "/srv/x/old"), Err(Errno::EINVAL), "everything is shared");
    assert_eq!(lab.change(root, "/", PRIVATE), Ok(()));
    assert_eq!(lab.pivot(root, "/srv/x", "/srv/x/old"), Err(Errno::EBUSY), "on the root mount");
    lab.tmpfs("/srv/x");
    lab.mkdir("/srv/x/old");
    lab.mkdir("/srv/x/deep");
    assert_eq!(lab.pivot(root, "/srv/x", "/mnt/a"), Err(Errno::EBUSY));
    assert_eq!(lab.pivot(root, "/srv/x/deep", "/srv/x/old"), Err(Errno::EINVAL), "no mount point");
    assert_eq!(lab.pivot(root, "/srv/x", "/dev/shm"), Err(Errno::EINVAL), "put_old is not below new_root");
}

#[test]
fn pivot_root_takes_everybody_along() {
    let mut lab = Lab::new();
    let root = lab.root;
    assert_eq!(lab.change(root, "/", PRIVATE), Ok(()));
    lab.tmpfs("/srv/x");
    lab.mkdir("/srv/x/old");
    assert_eq!(lab.chdir(root, "/"), Ok(()));
    assert_eq!(lab.pivot(root, "/srv/x", "/srv/x/old"), Ok(()));
    assert_eq!(lab.getcwd(root).as_deref(), Ok("/"));
    assert_eq!(lab.walk(TaskId(1), "/old/etc/hostname").as_deref(), Ok("/old/etc/hostname"));
    assert_eq!(lab.table(root, "/old/proc"), ["/old/proc proc"]);
    assert_eq!(lab.umount(root, "/old", 2), Ok(()));
    assert_eq!(lab.table(root, "/"), ["/ t"]);
}

#[test]
fn pivot_root_stacks_the_old_root_on_the_new_one() {
    let mut lab = Lab::new();
    let root = lab.root;
    assert_eq!(lab.change(root, "/", PRIVATE), Ok(()));
    assert_eq!(lab.mount(root, "/", "/srv/x", "", ms::BIND | ms::REC, ""), Ok(()));
    assert_eq!(lab.chdir(root, "/srv/x"), Ok(()));
    assert_eq!(lab.pivot(root, ".", "."), Ok(()));
    assert_eq!(lab.umount(root, ".", 2), Ok(()));
    assert_eq!(lab.walk(root, "/etc/hostname").as_deref(), Ok("/etc/hostname"));
}

#[test]
fn a_less_privileged_namespace_cannot_reveal_what_was_hidden() {
    let mut lab = Lab::new();
    let student = lab.student();
    let inside = lab.child(student, CLONE_NEWUSER | CLONE_NEWNS);
    assert!(lab.table(inside, "/").iter().all(|line| !line.contains("shared")), "all are slaves");
    assert_eq!(lab.umount(inside, "/run", 0), Err(Errno::EINVAL));
    assert_eq!(lab.umount(inside, "/dev/shm", 2), Err(Errno::EINVAL));
    assert_eq!(lab.mount(inside, "/sys", "/mnt", "", ms::BIND, ""), Err(Errno::EINVAL));
    assert_eq!(lab.mount(inside, "/sys", "/mnt", "", ms::BIND | ms::REC, ""), Ok(()));
    assert_eq!(lab.mount(inside, "none", "/run", "", ms::REMOUNT | ms::BIND, ""), Err(Errno::EPERM));
    let stricter = ms::REMOUNT | ms::BIND | ms::NOSUID | ms::NODEV | ms::NOEXEC;
    assert_eq!(lab.mount(inside, "none", "/run", "", stricter, ""), Ok(()));
    assert_eq!(lab.mount(inside, "p", "/srv", "proc", 0, ""), Err(Errno::EPERM), "another's pid namespace");
    assert_eq!(lab.mount(inside, "s", "/srv", "sysfs", 0, ""), Err(Errno::EPERM), "another's net namespace");
    assert_eq!(lab.mount(inside, "t", "/srv", "tmpfs", 0, ""), Ok(()));
    assert_eq!(lab.umount(inside, "/srv", 0), Ok(()), "its own mounts it may take away");
    let own_pids = lab.child(student, CLONE_NEWUSER | CLONE_NEWNS | CLONE_NEWPID);
    assert_eq!(lab.mount(own_pids, "p", "/srv", "proc", 0, ""), Ok(()));
}

#[test]
fn a_mount_namespace_goes_with_its_last_task() {
    let mut lab = Lab::new();
    let root = lab.root;
    let (mounts, supers) = (lab.world().vfs.mounts.len(), lab.world().vfs.supers.len());
    let child = lab.child(root, CLONE_NEWNS);
    assert_eq!(lab.change(child, "/", PRIVATE), Ok(()));
    assert_eq!(lab.mount(child, "t", "/mnt/a", "tmpfs", 0, ""), Ok(()));
    assert_eq!(lab.chdir(child, "/mnt/a"), Ok(()));
    assert!(lab.world().vfs.mounts.len() > 2 * mounts);
    lab.running.call_as(child, Call { nr: Sysno::EXIT_GROUP, args: vec![0.into()] }, &mut Trace::silent());
    assert_eq!(lab.world().vfs.mounts.len(), mounts);
    assert_eq!(lab.world().vfs.supers.len(), supers);
    assert_eq!(lab.world().check(), Ok(()));
}

#[test]
fn a_read_only_bind_mount_leaves_the_original_alone() {
    let mut lab = Lab::new();
    let root = lab.root;
    assert_eq!(lab.mount(root, "/srv", "/mnt/a", "", ms::BIND, ""), Ok(()));
    assert_eq!(lab.change(root, "/mnt/a", ms::REMOUNT | ms::BIND | ms::RDONLY), Ok(()));
    let row = lab.world().mount_table(root).pop().expect("it is there");
    assert_eq!((row.options, row.root.as_str()), (vec!["ro".into(), "relatime".into()], "/srv"));
    assert_eq!(row.super_options.first().map(String::as_str), Some("rw"));
}

#[test]
fn mountinfo_has_the_form_of_the_kernel() {
    let mut lab = Lab::new();
    let root = lab.root;
    lab.mkdir("/mnt/a b");
    assert_eq!(lab.mount(root, "a#b", "/mnt/a b", "tmpfs", 0, ""), Ok(()));
    let text = lab.world().mountinfo_text(root);
    let line = text.lines().last().unwrap_or_default();
    let fields: Vec<&str> = line.split(' ').collect();
    assert_eq!(fields.get(3..6), Some(["/", "/mnt/a\\040b", "rw,relatime"].as_slice()), "{line}");
    assert!(line.ends_with(" - tmpfs a\\043b rw"), "{line}");
    let mounts = lab.world().mounts_text(root);
    assert_eq!(mounts.lines().next(), Some("world / tmpfs rw,relatime,size=524288k,mode=755 0 0"));
    assert_eq!(mounts.lines().last(), Some("a\\043b /mnt/a\\040b tmpfs rw,relatime 0 0"));
}

#[test]
fn an_overlay_merges_its_layers_and_writes_only_the_upper_one() {
    let mut lab = Lab::new();
    let root = lab.root;
    for dir in ["/srv/low", "/srv/low/d", "/srv/up", "/srv/work", "/srv/m"] {
        lab.mkdir(dir);
    }
    let text = |bytes: &[u8]| InodeKind::Regular(crate::vfs::content::Content::from_bytes(bytes));
    lab.make("/srv/low/f", text(b"low"), 0o644);
    lab.make("/srv/low/gone", text(b"low"), 0o644);
    lab.make("/srv/low/d/g", text(b"low"), 0o644);
    let overlay = |lab: &mut Lab, data: &str| lab.mount(root, "o", "/srv/m", "overlay", 0, data);
    assert_eq!(overlay(&mut lab, "lowerdir=/nowhere"), Err(Errno::ENOENT));
    assert_eq!(overlay(&mut lab, "upperdir=/srv/up,workdir=/srv/work"), Err(Errno::EINVAL));
    assert_eq!(overlay(&mut lab, "lowerdir=/srv/low,upperdir=/srv/up"), Err(Errno::EINVAL));
    assert_eq!(overlay(&mut lab, "lowerdir=/srv/low,upperdir=/srv/up,workdir=/srv/up"), Err(Errno::EINVAL));
    assert_eq!(overlay(&mut lab, "lowerdir=/srv/low,upperdir=/srv/up,workdir=/srv/work"), Ok(()));
    let read = |lab: &mut Lab, path: &str| {
        lab.kernel(|k| {
            let place = k.walk(root, AT_FDCWD, path, LookupFlags::empty())?;
            let Node::Tree(dentry) = place.node else { return Err(Errno::EINVAL) };
            match &k.inode_of(dentry).kind {
                InodeKind::Regular(content) => Ok(String::from_utf8_lossy(&content.to_vec()).into_owned()),
                InodeKind::CharDevice(0, 0) => Ok("whiteout".to_owned()),
                _ => Err(Errno::EISDIR),
            }
        })
    };
    lab.make("/srv/m/new", text(b"new"), 0o644);
    assert_eq!(read(&mut lab, "/srv/up/new").as_deref(), Ok("new"));
    let open = |lab: &mut Lab, path: &str, flags: u32| {
        lab.call(root, Sysno::OPENAT, vec![AT_FDCWD.into(), path.into(), flags.into(), 0.into()])
    };
    let fd = open(&mut lab, "/srv/m/d/g", crate::program::libc::o::WRONLY).map(|ret| ret.value).unwrap_or(-1);
    let bytes = Value::bytes(b"high".as_slice());
    assert_eq!(lab.status(root, Sysno::WRITE, vec![fd.into(), bytes, 4.into()]), Ok(()));
    assert_eq!(read(&mut lab, "/srv/low/d/g").as_deref(), Ok("low"));
    assert_eq!(read(&mut lab, "/srv/up/d/g").as_deref(), Ok("high"));
    assert_eq!(lab.umount(root, "/srv/m", 0), Err(Errno::EBUSY));
    assert_eq!(lab.status(root, Sysno::CLOSE, vec![fd.into()]), Ok(()));
    assert_eq!(lab.status(root, Sysno::UNLINK, vec!["/srv/m/gone".into()]), Ok(()));
    assert_eq!(read(&mut lab, "/srv/up/gone").as_deref(), Ok("whiteout"));
    assert_eq!(read(&mut lab, "/srv/m/gone"), Err(Errno::ENOENT));
    assert_eq!(lab.status(root, Sysno::RENAME, vec!["/srv/m/d".into(), "/srv/m/e".into()]), Err(Errno::EXDEV));
    assert_eq!(lab.status(root, Sysno::RENAME, vec!["/srv/m/f".into(), "/srv/m/gone".into()]), Ok(()));
    assert_eq!(lab.umount(root, "/srv/m", 0), Ok(()));
    assert_eq!(overlay(&mut lab, "lowerdir=/srv/up:/srv/low"), Ok(()));
    assert_eq!(read(&mut lab, "/srv/m/gone").as_deref(), Ok("low"));
    assert_eq!(read(&mut lab, "/srv/m/f"), Err(Errno::ENOENT));
    assert_eq!(read(&mut lab, "/srv/m/d/g").as_deref(), Ok("high"));
    assert_eq!(lab.status(root, Sysno::UNLINK, vec!["/srv/m/gone".into()]), Err(Errno::EROFS));
}

#[test]
fn statfs_tells_type_size_and_options() {
    let mut lab = Lab::new();
    let root = lab.root;
    assert_eq!(lab.mount(root, "t", "/mnt/a", "tmpfs", ms::NOSUID, "size=1m"), Ok(()));
    let ret = lab.call(root, Sysno::STATFS, vec!["/mnt/a".into(), Value::Null]).expect("it is there");
    let field = |name| ret.output(1).field(name).and_then(Value::as_int);
    assert_eq!((field("f_type"), field("f_blocks"), field("f_flags")), (Some(0x0102_1994), Some(256), Some(0x1022)));
    assert_eq!(lab.call(root, Sysno::STATFS, vec!["/nowhere".into(), Value::Null]), Err(Errno::ENOENT));
    assert_eq!(lab.call(root, Sysno::FSTATFS, vec![77.into(), Value::Null]), Err(Errno::EBADF));
}
