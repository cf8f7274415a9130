//! The hugetlb controller: how many huge pages groups may use, as in `mm/hugetlb_cgroup.c`. The pools of huge pages are
//! empty (`vm.nr_hugepages` is 0), so nothing is ever charged; the limits are kept and shown.

use serde::{Deserialize, Serialize};

use super::{Controller, ControllerId};
use crate::cgroup::CgroupId;
use crate::cgroup::file::{At, CgroupFile, FileFlags, Write};
use crate::errno::Errno;
use crate::kernel::Kernel;
use crate::world::World;

/// Sizes of huge pages, in bytes: 2 MiB and 1 GiB.
const SIZES: [u64; 2] = [2 << 20, 1 << 30];
/// Index of 2 MiB, and of 1 GiB.
const MB2: usize = 0;
const GB1: usize = 1;

/// Limits of a group in bytes: on use and on reservations, by size of page; `None` for none.
#[derive(Clone, PartialEq, Debug, Default, Serialize, Deserialize)]
pub struct HugetlbCgroup {
    /// `hugetlb.SIZE.max`.
    pub max: [Option<u64>; 2],
    /// `hugetlb.SIZE.rsvd.max`.
    pub reserved_max: [Option<u64>; 2],
}

/// The controller.
pub static HUGETLB: Controller = Controller {
    v1_files: V1_FILES,
    v2_files: V2_FILES,
    css_alloc: |w, group| w.cgroups.groups[group].css.hugetlb = Some(HugetlbCgroup::default()),
    ..Controller::new(ControllerId::Hugetlb, "hugetlb")
};

const NOT_ON_ROOT: FileFlags = FileFlags::NOT_ON_ROOT;

macro_rules! v2_files {
    ($($size:literal, $index:ident;)*) => {
        &[$(
            CgroupFile::ro(concat!("hugetlb.", $size, ".current"), zero).flags(NOT_ON_ROOT),
            CgroupFile::ro(concat!("hugetlb.", $size, ".rsvd.current"), zero).flags(NOT_ON_ROOT),
            CgroupFile::rw(
                concat!("hugetlb.", $size, ".max"),
                |w, at| show(w, at, "max", |h| h.max[$index]),
                Write::Text(|k, at, text| write(k, at, text, "max", $index, |h| &mut h.max[$index])),
            )
            .flags(NOT_ON_ROOT),
            CgroupFile::rw(
                concat!("hugetlb.", $size, ".rsvd.max"),
                |w, at| show(w, at, "max", |h| h.reserved_max[$index]),
                Write::Text(|k, at, text| write(k, at, text, "max", $index, |h| &mut h.reserved_max[$index])),
            )
            .flags(NOT_ON_ROOT),
            CgroupFile::ro(concat!("hugetlb.", $size, ".events"), |_, _| Ok("max 0\n".to_owned())).flags(NOT_ON_ROOT),
            CgroupFile::ro(concat!("hugetlb.", $size, ".events.local"), |_, _| Ok("max 0\n".to_owned()))
                .flags(NOT_ON_ROOT),
            CgroupFile::ro(concat!("hugetlb.", $size, ".numa_stat"), |_, _| Ok("total=0 N0=0\n".to_owned()))
                .flags(NOT_ON_ROOT),
        )*]
    };
}

macro_rules! v1_files {
    ($($size:literal, $index:ident;)*) => {
        &[$(
            CgroupFile::rw(
                concat!("hugetlb.", $size, ".limit_in_bytes"),
                |w, at| show(w, at, "", |h| h.max[$index]),
                Write::Text(|k, at, text| write(k, at, text, "-1", $index, |h| &mut h.max[$index])),
            ),
            CgroupFile::rw(
                concat!("hugetlb.", $size, ".rsvd.limit_in_bytes"),
                |w, at| show(w, at, "", |h| h.reserved_max[$index]),
                Write::Text(|k, at, text| write(k, at, text, "-1", $index, |h| &mut h.reserved_max[$index])),
            ),
            CgroupFile::ro(concat!("hugetlb.", $size, ".usage_in_bytes"), zero),
            CgroupFile::ro(concat!("hugetlb.", $size, ".rsvd.usage_in_bytes"), zero),
            CgroupFile::rw(concat!("hugetlb.", $size, ".max_usage_in_bytes"), zero, Write::Text(reset)),
            CgroupFile::rw(concat!("hugetlb.", $size, ".rsvd.max_usage_in_bytes"), zero, Write::Text(reset)),
            CgroupFile::rw(concat!("hugetlb.", $size, ".failcnt"), zero, Write::Text(reset)),
            CgroupFile::rw(concat!("hugetlb.", $size, ".rsvd.failcnt"), zero, Write::Text(reset)),
            CgroupFile::ro(concat!("hugetlb.", $size, ".numa_stat"), |_, _| {
                Ok("total=0 N0=0\nhierarchical_total=0 N0=0\n".to_owned())
            }),
        )*]
    };
}

const V2_FILES: &[CgroupFile] = v2_files! { "2MB", MB2; "1GB", GB1; };
const V1_FILES: &[CgroupFile] = v1_files! { "2MB", MB2; "1GB", GB1; };

fn zero(_: &World, _: At) -> Result<String, Errno> {
    Ok("0\n".to_owned())
}

/// Nothing has ever been used, so there is nothing to set back.
fn reset(_: &mut Kernel<'_>, _: At, _: &str) -> Result<(), Errno> {
    Ok(())
}

/// A limit; without one `max` in version 2, and in version 1 the largest number of bytes in whole huge pages.
fn show(w: &World, at: At, unlimited: &str, of: fn(&HugetlbCgroup) -> Option<u64>) -> Result<String, Errno> {
    let limit = hugetlb(w, at.group).and_then(of);
    Ok(match limit {
        Some(bytes) => format!("{bytes}\n"),
        None if unlimited.is_empty() => format!("{}\n", i64::MAX as u64 / 4096 * 4096),
        None => format!("{unlimited}\n"),
    })
}

fn hugetlb(w: &World, group: CgroupId) -> Option<&HugetlbCgroup> {
    w.cgroup(group).css.hugetlb.as_ref()
}

/// `hugetlb_cgroup_write`: rounded down to huge pages; not in the root.
fn write(
    k: &mut Kernel<'_>,
    at: At,
    text: &str,
    unlimited: &str,
    size: usize,
    of: fn(&mut HugetlbCgroup) -> &mut Option<u64>,
) -> Result<(), Errno> {
    if k.cgroup(at.group).parent.is_none() {
        return Err(Errno::EINVAL);
    }
    let pages = super::memory::memparse(text, unlimited)?;
    let limit = (pages != crate::mm::memcg::UNLIMITED).then(|| pages * 4096 / SIZES[size] * SIZES[size]);
    if let Some(h) = &mut k.world.cgroups.groups[at.group].css.hugetlb {
        *of(h) = limit;
    }
    Ok(())
}
