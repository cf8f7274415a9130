//! The io controller, in version 1 blkio: how groups share block devices, as in `block/blk-throttle.c`,
//! `block/bfq-cgroup.c` and `block/blk-iocost.c`.
//!
//! Limits on bytes and requests a second hold requests back ([`crate::block::throttle`]). Weights can be set and read;
//! they have no effect, as on a disk without a scheduler that knows them (`none`, and no `io.cost.qos`).

use serde::{Deserialize, Serialize};

use super::{Controller, ControllerId, ControllerSet};
use crate::block::throttle::{ThrottleGroup, UNLIMITED};
use crate::block::{Direction, DiskId};
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

const READ: usize = Direction::Read as usize;
const WRITE: usize = Direction::Write as usize;

/// The controller.
pub static IO: Controller = Controller {
    legacy_name: "blkio",
    depends_on: ControllerSet::MEMORY,
    v1_files: &[
        CgroupFile::wo("blkio.reset_stats", Write::U64(reset_stats)),
        CgroupFile::rw(
            "blkio.throttle.read_bps_device",
            |w, at| limits(w, at, |t| t.bps[READ]),
            Write::Text(|k, at, text| write_limit(k, at, text, |t| &mut t.bps[READ])),
        ),
        CgroupFile::rw(
            "blkio.throttle.write_bps_device",
            |w, at| limits(w, at, |t| t.bps[WRITE]),
            Write::Text(|k, at, text| write_limit(k, at, text, |t| &mut t.bps[WRITE])),
        ),
        CgroupFile::rw(
            "blkio.throttle.read_iops_device",
            |w, at| limits(w, at, |t| t.iops[READ]),
            Write::Text(|k, at, text| write_limit(k, at, text, |t| &mut t.iops[READ])),
        ),
        CgroupFile::rw(
            "blkio.throttle.write_iops_device",
            |w, at| limits(w, at, |t| t.iops[WRITE]),
            Write::Text(|k, at, text| write_limit(k, at, text, |t| &mut t.iops[WRITE])),
        ),
        CgroupFile::ro("blkio.throttle.io_service_bytes", |w, at| Ok(w.io_serviced_text(at.group, true, false))),
        CgroupFile::ro("blkio.throttle.io_service_bytes_recursive", |w, at| {
            Ok(w.io_serviced_text(at.group, true, true))
        }),
        CgroupFile::ro("blkio.throttle.io_serviced", |w, at| Ok(w.io_serviced_text(at.group, false, false))),
        CgroupFile::ro("blkio.throttle.io_serviced_recursive", |w, at| Ok(w.io_serviced_text(at.group, false, true))),
        CgroupFile::rw("blkio.bfq.weight", show_bfq, Write::U64(set_bfq)).flags(FileFlags::NOT_ON_ROOT),
        CgroupFile::rw("blkio.bfq.weight_device", show_bfq_device, Write::Text(write_bfq))
            .flags(FileFlags::NOT_ON_ROOT),
        CgroupFile::ro("blkio.bfq.io_service_bytes", no_total),
        CgroupFile::ro("blkio.bfq.io_service_bytes_recursive", no_total),
        CgroupFile::ro("blkio.bfq.io_serviced", no_total),
        CgroupFile::ro("blkio.bfq.io_serviced_recursive", no_total),
    ],
    v2_files: &[
        CgroupFile::ro("io.stat", |w, at| Ok(w.io_stat_text(at.group))),
        CgroupFile::rw("io.max", show_max, Write::Text(write_max)).flags(FileFlags::NOT_ON_ROOT),
        CgroupFile::rw("io.bfq.weight", show_bfq_device, Write::Text(write_bfq))
            .flags(FileFlags::NOT_ON_ROOT)
            .only_in(KernelVersion::V6_18),
        CgroupFile::rw("io.latency", nothing, Write::Text(write_unmodelled))
            .flags(FileFlags::NOT_ON_ROOT)
            .only_in(KernelVersion::V6_1),
        CgroupFile::rw("io.weight", show_weight, Write::Text(write_weight))
            .flags(FileFlags::NOT_ON_ROOT)
            .only_in(KernelVersion::V6_1),
        CgroupFile::rw("io.cost.model", nothing, Write::Text(write_unmodelled))
            .flags(FileFlags::ONLY_ON_ROOT)
            .only_in(KernelVersion::V6_1),
        CgroupFile::rw("io.cost.qos", nothing, Write::Text(write_unmodelled))
            .flags(FileFlags::ONLY_ON_ROOT)
            .only_in(KernelVersion::V6_1),
    ],
    css_alloc: |w, group| {
        w.cgroups.groups[group].css.io = Some(IoCgroup { bfq_weight: 100, weight: 100 });
    },
    css_offline: |k, group| k.io_offline(group),
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

/// Counts of the group begin anew (`blkcg_reset_stats`).
fn reset_stats(k: &mut Kernel<'_>, at: At, _: u64) -> Result<(), Errno> {
    for disk in k.block.disks.ids().collect::<Vec<_>>() {
        k.block.stats.remove(&(at.group, disk));
    }
    Ok(())
}

/// `MAJOR:MINOR` of a disk, and what is to be set for it (`blkg_conf_prep`).
///
/// # Errors
/// EINVAL for text that does not begin so; ENODEV when there is no such disk.
fn device<'a>(w: &World, text: &'a str) -> Result<(DiskId, &'a str), Errno> {
    let (major, rest) = number(text.trim_start_matches([' ', '\t'])).ok_or(Errno::EINVAL)?;
    let (minor, rest) = rest.strip_prefix(':').and_then(number).ok_or(Errno::EINVAL)?;
    if !rest.starts_with(|c: char| c.is_ascii_whitespace()) {
        return Err(Errno::EINVAL);
    }
    Ok((w.disk_by_dev((major, minor)).ok_or(Errno::ENODEV)?, rest.trim()))
}

/// The settings that a group has for disks.
fn throttles(w: &World, group: CgroupId) -> impl Iterator<Item = (DiskId, &ThrottleGroup)> {
    w.block.disks.ids().filter_map(move |disk| Some((disk, w.block.throttles.get(&(group, disk))?)))
}

/// One limit of version 1: a line for each disk that has one (`tg_print_conf_u64`).
fn limits(w: &World, at: At, limit: fn(&ThrottleGroup) -> u64) -> Result<String, Errno> {
    let limited = throttles(w, at.group).filter(|(_, t)| limit(t) != UNLIMITED);
    Ok(limited.map(|(disk, t)| format!("{} {}\n", w.disk_numbers(disk), limit(t))).collect())
}

/// `MAJOR:MINOR LIMIT`; 0 for none (`tg_set_conf`).
fn write_limit(k: &mut Kernel<'_>, at: At, text: &str, limit: fn(&mut ThrottleGroup) -> &mut u64) -> Result<(), Errno> {
    let (disk, rest) = device(k.world, text)?;
    let end = rest.find(|c: char| !c.is_ascii_digit()).unwrap_or(rest.len());
    let value: u64 = rest[..end].parse().map_err(|_| Errno::EINVAL)?;
    let value = if value == 0 { UNLIMITED } else { value };
    *limit(k.world.block.throttles.entry((at.group, disk)).or_default()) = value;
    k.throttle_changed(at.group, disk);
    Ok(())
}

/// `io.max` (`tg_print_limit`).
fn show_max(w: &World, at: At) -> Result<String, Errno> {
    let shown = |n: u64| if n == UNLIMITED { "max".to_owned() } else { n.to_string() };
    let line = |(disk, t): (DiskId, &ThrottleGroup)| {
        let [rbps, wbps] = t.bps.map(shown);
        let [riops, wiops] = t.iops.map(shown);
        format!("{} rbps={rbps} wbps={wbps} riops={riops} wiops={wiops}\n", w.disk_numbers(disk))
    };
    Ok(throttles(w, at.group).filter(|(_, t)| !t.is_unlimited()).map(line).collect())
}

/// `MAJOR:MINOR` and some of rbps, wbps, riops and wiops, each with a number or max (`tg_set_limit`).
fn write_max(k: &mut Kernel<'_>, at: At, text: &str) -> Result<(), Errno> {
    let (disk, rest) = device(k.world, text)?;
    let old = k.block.throttles.get(&(at.group, disk)).cloned().unwrap_or_default();
    let (mut bps, mut iops) = (old.bps, old.iops);
    for word in rest.split_ascii_whitespace() {
        let (key, value) = word.split_once('=').ok_or(Errno::EINVAL)?;
        let value = match value {
            "max" => UNLIMITED,
            n => n.parse::<u64>().map_err(|_| Errno::EINVAL)?,
        };
        if value == 0 {
            return Err(Errno::ERANGE);
        }
        let place = match key {
            "rbps" if value > 1 => &mut bps[READ],
            "wbps" if value > 1 => &mut bps[WRITE],
            "riops" if value > 1 => &mut iops[READ],
            "wiops" if value > 1 => &mut iops[WRITE],
            _ => return Err(Errno::EINVAL),
        };
        *place = value;
    }
    let tg = k.world.block.throttles.entry((at.group, disk)).or_default();
    (tg.bps, tg.iops) = (bps, iops);
    k.throttle_changed(at.group, disk);
    Ok(())
}

/// Settings for a disk whose effect is not modelled: a disk that is not there is refused as by the kernel.
fn write_unmodelled(k: &mut Kernel<'_>, _: At, text: &str) -> Result<(), Errno> {
    device(k.world, text)?;
    let what = "io.latency, io.cost.qos, io.cost.model and weights of single disks: nothing is set";
    k.emit(crate::event::EventKind::NotModelled { what: what.into() });
    Err(Errno::EOPNOTSUPP)
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
        None => write_unmodelled(k, at, &format!("{text}\n")),
    }
}

fn show_weight(w: &World, at: At) -> Result<String, Errno> {
    Ok(format!("default {}\n", of(w, at.group)?.weight))
}

/// `ioc_weight_write`.
fn write_weight(k: &mut Kernel<'_>, at: At, text: &str) -> Result<(), Errno> {
    if text.contains(':') {
        return write_unmodelled(k, at, text);
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
