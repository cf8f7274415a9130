//! The files, mounts and devices of the standard world.

use super::ConsoleId;
use crate::vfs::fd_table::{FdTable, FdTableId};
use crate::vfs::path::VfsPath;
use crate::world::World;

/// Makes the file systems, mounts them, and puts the files in.
pub(super) fn populate(world: &mut World) {
    let _ = world;
}

/// The root directory.
pub(super) fn root_of(world: &World) -> VfsPath {
    let _ = world;
    VfsPath { mnt: crate::vfs::mount::MountId(1), node: crate::vfs::Node::Tree(crate::vfs::inode::DentryId(1)) }
}

/// `/root`.
pub(super) fn home_of_root(world: &World) -> VfsPath {
    root_of(world)
}

/// Descriptors 0, 1 and 2 of a console's shell.
pub(super) fn console_descriptors(world: &mut World, console: ConsoleId) -> FdTableId {
    let _ = console;
    world.vfs.fd_tables.add(FdTable { users: 1, ..FdTable::default() })
}
