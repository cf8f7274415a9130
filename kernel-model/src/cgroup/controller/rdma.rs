//! The rdma controller: resources of RDMA devices, as in `kernel/cgroup/rdma.c`. There are no such devices.

use super::{Controller, ControllerId};
use crate::cgroup::file::{CgroupFile, FileFlags, Write};
use crate::errno::Errno;

/// The controller.
pub static RDMA: Controller =
    Controller { v1_files: FILES, v2_files: FILES, ..Controller::new(ControllerId::Rdma, "rdma") };

const FILES: &[CgroupFile] = &[
    CgroupFile::rw("rdma.max", |_, _| Ok(String::new()), Write::Text(|_, _, text| set_max(text)))
        .flags(FileFlags::NOT_ON_ROOT),
    CgroupFile::ro("rdma.current", |_, _| Ok(String::new())).flags(FileFlags::NOT_ON_ROOT),
];

/// A device and limits: `mlx5_0 hca_handle=2 hca_object=max`.
fn set_max(text: &str) -> Result<(), Errno> {
    let mut words = text.trim().split(' ');
    words.next();
    let sound = |word: &str| match word.split_once('=') {
        Some(("hca_handle" | "hca_object", "max")) => true,
        Some(("hca_handle" | "hca_object", n)) => n.parse::<i32>().is_ok_and(|n| n >= 0),
        _ => false,
    };
    let rest: Vec<&str> = words.filter(|w| !w.is_empty()).collect();
    if rest.is_empty() || !rest.into_iter().all(sound) { Err(Errno::EINVAL) } else { Err(Errno::ENODEV) }
}
