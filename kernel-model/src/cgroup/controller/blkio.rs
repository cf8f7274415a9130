//! The io controller, in version 1 blkio: how groups share block devices, as in `block/blk-throttle.c`,
//! `block/bfq-cgroup.c` and `block/blk-iocost.c`.
//!
//! The standard world has no block device: everything lies in memory. So every device that is named is refused
//! with ENODEV, nothing is ever counted, and only the weights can be set. The rules of reading what is written
//! are the kernel's.

use serde::{Deserialize, Serialize};

use super::{Controller, ControllerId, ControllerSet};
use crate::cgroup::CgroupId;
use crate::cgroup::KernelVersion;
use crate::cgroup::file::{At, CgroupFile, FileFlags, Write};
use crate::errno::Errno;
use crate::kernel::Kernel;
use crate::world::World;

/// What the controller keeps of a group.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct IoCgroup {
    /// `blkio.bfq.weight`, `io.bfq.weight`: 1 to 1000.
    pub bfq_weight: u64,
    /// `io.weight`: 1 to 10000.
    pub weight: u64,
}

/// The controller.
pub static IO: Controller = Controller {
    legacy_name: "blkio",
    depends_on: ControllerSet::MEMORY,
    v1_files: &[
        CgroupFile::wo("blkio.reset_stats", Write::U64(|_, _, _| Ok(()))),
        CgroupFile::rw("blkio.throttle.read_bps_device", nothing, Write::Text(write_device)),
        CgroupFile::rw("blkio.throttle.write_bps_device", nothing, Write::Text(write_device)),
        CgroupFile::rw("blkio.throttle.read_iops_device", nothing, Write::Text(write_device)),
        CgroupFile::rw("blkio.throttle.write_iops_device", nothing, Write::Text(write_device)),
        CgroupFile::ro("blkio.throttle.io_service_bytes", no_total),
        CgroupFile::ro("blkio.throttle.io_service_bytes_recursive", no_total),
        CgroupFile::ro("blkio.throttle.io_serviced", no_total),
        CgroupFile::ro("blkio.throttle.io_serviced_recursive", no_total),
        CgroupFile::rw("blkio.bfq.weight", show_bfq, Write::U64(set_bfq)).flags(FileFlags::NOT_ON_ROOT),
        CgroupFile::rw("blkio.bfq.weight_device", show_bfq_device, Write::Text(write_bfq))
            .flags(FileFlags::NOT_ON_ROOT),
        CgroupFile::ro("blkio.bfq.io_service_bytes", no_total),
        CgroupFile::ro("blkio.bfq.io_service_bytes_recursive", no_total),
        CgroupFile::ro("blkio.bfq.io_serviced", no_total),
        CgroupFile::ro("blkio.bfq.io_serviced_recursive", no_total),
    ],
    v2_files: &[
        CgroupFile::ro("io.stat", nothing),
        CgroupFile::rw("io.max", nothing, Write::Text(write_device)).flags(FileFlags::NOT_ON_ROOT),
        CgroupFile::rw("io.bfq.weight", show_bfq_device, Write::Text(write_bfq))
            .flags(FileFlags::NOT_ON_ROOT)
            .only_in(KernelVersion::V6_18),
        CgroupFile::rw("io.latency", nothing, Write::Text(write_device))
            .flags(FileFlags::NOT_ON_ROOT)
            .only_in(KernelVersion::V6_1),
        CgroupFile::rw("io.weight", show_weight, Write::Text(write_weight))
            .flags(FileFlags::NOT_ON_ROOT)
            .only_in(KernelVersion::V6_1),
        CgroupFile::rw("io.cost.model", nothing, Write::Text(write_device))
            .flags(FileFlags::ONLY_ON_ROOT)
            .only_in(KernelVersion::V6_1),
        CgroupFile::rw("io.cost.qos", nothing, Write::Text(write_device))
            .flags(FileFlags::ONLY_ON_ROOT)
            .only_in(KernelVersion::V6_1),
    ],
    css_alloc: |w, group| {
        w.cgroups.groups[group].css.io = Some(IoCgroup { bfq_weight: 100, weight: 100 });
    },
    ..Controller::new(ControllerId::Io, "io")
};

fn of(w: &World, group: CgroupId) -> Result<&IoCgroup, Errno> {
    w.cgroups.groups.get(group).and_then(|g| g.css.io.as_ref()).ok_or(Errno::ENODEV)
}

/// One line for each device that has something to say: there is none.
fn nothing(_: &World, _: At) -> Result<String, Errno> {
    Ok(String::new())
}

fn no_total(_: &World, _: At) -> Result<String, Errno> {
    Ok("Total 0\n".into())
}

/// `MAJOR:MINOR` and what is to be set for it (`blkg_conf_prep`).
fn write_device(_: &mut Kernel<'_>, _: At, text: &str) -> Result<(), Errno> {
    let (major, rest) = number(text.trim_start_matches([' ', '\t'])).ok_or(Errno::EINVAL)?;
    let (minor, rest) = rest.strip_prefix(':').and_then(number).ok_or(Errno::EINVAL)?;
    if !rest.starts_with(|c: char| c.is_ascii_whitespace()) {
        return Err(Errno::EINVAL);
    }
    let _device = (major, minor);
    Err(Errno::ENODEV)
}

/// The decimal number at the begin of a text, and what follows (`%u`).
fn number(text: &str) -> Option<(u32, &str)> {
    let end = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    Some((text[..end].parse().ok()?, &text[end..]))
}

fn show_bfq(w: &World, at: At) -> Result<String, Errno> {
    Ok(format!("{}\n", of(w, at.group)?.bfq_weight))
}

fn show_bfq_device(w: &World, at: At) -> Result<String, Errno> {
    Ok(format!("default {}\n", of(w, at.group)?.bfq_weight))
}

fn set_bfq(k: &mut Kernel<'_>, at: At, weight: u64) -> Result<(), Errno> {
    if !(1..=1000).contains(&weight) {
        return Err(Errno::ERANGE);
    }
    if let Some(io) = &mut k.world.cgroups.groups[at.group].css.io {
        io.bfq_weight = weight;
    }
    Ok(())
}

/// `WEIGHT` or `default WEIGHT` for the group, or a device with a weight (`bfq_io_set_weight`).
fn write_bfq(k: &mut Kernel<'_>, at: At, text: &str) -> Result<(), Errno> {
    let text = text.trim();
    let plain = number(text).filter(|(_, rest)| rest.is_empty());
    let default = || number(text.strip_prefix("default")?.trim_start());
    match plain.or_else(default) {
        Some((weight, _)) => set_bfq(k, at, u64::from(weight)),
        None if text.is_empty() => Err(Errno::ERANGE),
        None => write_device(k, at, &format!("{text}\n")),
    }
}

fn show_weight(w: &World, at: At) -> Result<String, Errno> {
    Ok(format!("default {}\n", of(w, at.group)?.weight))
}

/// `ioc_weight_write`.
fn write_weight(k: &mut Kernel<'_>, at: At, text: &str) -> Result<(), Errno> {
    if text.contains(':') {
        return write_device(k, at, text);
    }
    let text = text.trim();
    let text = text.strip_prefix("default").unwrap_or(text).trim_start();
    let (weight, _) = number(text).ok_or(Errno::EINVAL)?;
    if !(1..=10_000).contains(&weight) {
        return Err(Errno::EINVAL);
    }
    if let Some(io) = &mut k.world.cgroups.groups[at.group].css.io {
        io.weight = u64::from(weight);
    }
    Ok(())
}
