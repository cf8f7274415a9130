//! The standard world is as its description says.

use super::*;
use crate::action::Action;
use crate::kernel::Trace;
use crate::pv_ops::NoMachine;
use crate::step::Running;
use crate::syscall::{Call, Sysno};
use crate::vfs::Node;
use crate::vfs::fs::FsKind;

#[test]
fn both_worlds_boot_and_hold_together() {
    let lsm = LsmChoice::None;
    for cgroup_v2 in [false, true] {
        for terminal in [false, true] {
            let world = World::boot(Config { cgroup_v2, terminal, lsm, machine: 0 });
            assert_eq!(world.check(), Ok(()));
            let furnished = world.vfs.mounts.iter().filter(|(_, m)| m.propagation.shared.is_some());
            assert_eq!(furnished.count(), if cgroup_v2 { 9 } else { 18 });
        }
    }
}

#[test]
fn a_tmpfs_counts_every_inode_and_page() {
    let world = World::boot(Config::default());
    for (sb, super_block) in world.vfs.supers.iter() {
        let FsKind::Tmpfs(quota) = super_block.kind else { continue };
        let inodes = world.vfs.inodes.iter().filter(|(_, i)| i.sb == sb);
        let (count, pages) = inodes.fold((0, 0), |(n, pages), (_, inode)| match &inode.kind {
            crate::vfs::inode::InodeKind::Regular(c) => (n + 1, pages + c.page_count()),
            _ => (n + 1, pages),
        });
        assert_eq!((quota.inodes, quota.pages), (count, pages));
    }
    assert!(matches!(files::root_of(&world).node, Node::Tree(_)));
}

#[test]
fn a_console_that_is_opened_later_does_not_begin_with_what_init_has_used() {
    let mut running = Running::new(World::boot(Config::default()), NoMachine);
    let sigchld = 17;
    running.call_as(TaskId(1), Call { nr: Sysno::CLONE, args: vec![sigchld.into()] }, &mut Trace::new());
    running.inject(&Action::OpenConsole, &mut Trace::new());
    let shell = running.world.consoles.iter().next_back().map(|(_, c)| c.shell).expect("a console");
    assert_eq!(running.world.tasks[shell].cpu_time, Nanos(0));
    assert_eq!(running.world.check(), Ok(()));
}
