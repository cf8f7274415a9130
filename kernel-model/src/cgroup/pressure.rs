//! The files about processor time and pressure that every group of the default hierarchy has without any
//! controller: `cpu.stat`, `cpu.pressure`, `memory.pressure`, `io.pressure` and their like. None is modelled yet.

use super::file::CgroupFile;

/// The files, shown after those of [`v2`](super::v2).
pub const FILES: &[CgroupFile] = &[];
