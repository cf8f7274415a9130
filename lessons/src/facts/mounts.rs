//! Mounts as facts.

use kernel_model::vfs::mount::MountFlags;
use kernel_model::world::World;

use super::value::{Value, list, map};

pub(super) fn mounts(world: &World) -> Value {
    list(world.vfs.mounts.iter().filter(|(_, m)| m.ns.is_some()).map(|(id, mount)| {
        let ns = mount.ns.and_then(|ns| world.mnt_namespaces.get(ns));
        let sb = &world.vfs.supers[mount.sb];
        let group = |group: Option<u32>| group.map_or(Value::Null, |g| i64::from(g).into());
        map([
            ("number", i64::from(mount.number).into()),
            ("ns", ns.map_or(0, |ns| i64::from(ns.ns.inum)).into()),
            ("place", world.mount_point_text(id).into()),
            ("type", sb.kind.name().into()),
            ("source", mount.source.as_str().into()),
            ("part", world.dentry_path(mount.sb, mount.root).into()),
            ("read_only", mount.flags.contains(MountFlags::RDONLY).into()),
            ("nosuid", mount.flags.contains(MountFlags::NOSUID).into()),
            ("nodev", mount.flags.contains(MountFlags::NODEV).into()),
            ("noexec", mount.flags.contains(MountFlags::NOEXEC).into()),
            ("shared", group(mount.propagation.shared)),
            ("master", group(mount.propagation.master)),
            ("unbindable", mount.propagation.unbindable.into()),
        ])
    }))
}
