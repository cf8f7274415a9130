//! The misc controller: scalar resources that only some processors have (keys for encrypted guests), as in
//! `kernel/cgroup/misc.c`. The machine has none, so its files are empty.

use super::{Controller, ControllerId};
use crate::cgroup::file::{At, CgroupFile, FileFlags, Write};
use crate::errno::Errno;
use crate::world::World;

/// The controller.
pub static MISC: Controller =
    Controller { v1_files: FILES, v2_files: FILES, ..Controller::new(ControllerId::Misc, "misc") };

const FILES: &[CgroupFile] = &[
    CgroupFile::rw("misc.max", nothing, Write::Text(|_, _, _| Err(Errno::EINVAL))).flags(FileFlags::NOT_ON_ROOT),
    CgroupFile::ro("misc.current", nothing).flags(FileFlags::NOT_ON_ROOT),
    CgroupFile::ro("misc.capacity", nothing).flags(FileFlags::ONLY_ON_ROOT),
    CgroupFile::ro("misc.events", nothing).flags(FileFlags::NOT_ON_ROOT),
];

fn nothing(_: &World, _: At) -> Result<String, Errno> {
    Ok(String::new())
}
