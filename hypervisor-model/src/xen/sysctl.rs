//! `sysctl`: what the toolstack asks of the machine as a whole. Source: `xen/common/sysctl.c`,
//! `xen/include/public/sysctl.h`.

use kernel_model::errno::Errno;
use serde::Serialize;

use super::domain::{DomId, VcpuId};
use super::domctl::DomainInfo;
use super::{Refusal, Xen, refuse};

/// What is asked (`XEN_SYSCTL_...`).
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Sysctl {
    /// 1: Xen's console, from its beginning; whether it is emptied.
    ReadConsole(bool),
    /// 3: processors and memory.
    Physinfo,
    /// 4: which scheduler.
    SchedId,
    /// 6: domains, from this number on, so many at most.
    GetDomainInfoList(DomId, u32),
    /// 7: as if these keys were pressed at Xen's console.
    DebugKeys(String),
}

impl Sysctl {
    /// The header's number.
    pub fn number(&self) -> u32 {
        match self {
            Sysctl::ReadConsole(_) => 1,
            Sysctl::Physinfo => 3,
            Sysctl::SchedId => 4,
            Sysctl::GetDomainInfoList(..) => 6,
            Sysctl::DebugKeys(_) => 7,
        }
    }
}

/// What the machine is (`XEN_SYSCTL_physinfo`).
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize)]
pub struct PhysInfo {
    /// Frames of the machine.
    pub total_pages: u64,
    /// Frames that nobody has.
    pub free_pages: u64,
    /// Processors.
    pub nr_cpus: u32,
}

/// What comes back.
#[derive(Clone, PartialEq, Debug)]
pub enum Told {
    /// Nothing.
    Nothing,
    /// The machine.
    Machine(PhysInfo),
    /// Domains.
    Domains(Vec<DomainInfo>),
    /// A text.
    Text(String),
}

/// The number of the credit scheduler (`XEN_SCHEDULER_CREDIT`).
pub const SCHEDULER_CREDIT: i64 = 5;

impl Xen {
    /// `sysctl`: a number, and what is told.
    ///
    /// # Errors
    /// EPERM.
    pub fn sysctl(&mut self, caller: VcpuId, op: Sysctl) -> Result<(i64, Told), Refusal> {
        if !self.is_privileged(caller) {
            return refuse(Errno::EPERM, "only a privileged domain asks after the machine");
        }
        Ok(match op {
            Sysctl::ReadConsole(clears) => {
                let text = self.console.iter().map(|line| format!("{line}\n")).collect();
                if clears {
                    self.console.clear();
                }
                (0, Told::Text(text))
            }
            Sysctl::Physinfo => {
                let (total_pages, free_pages) = (self.memory.len(), self.memory.free_frames());
                (0, Told::Machine(PhysInfo { total_pages, free_pages, nr_cpus: self.nr_cpus }))
            }
            Sysctl::SchedId => (SCHEDULER_CREDIT, Told::Nothing),
            Sysctl::GetDomainInfoList(first, max) => {
                let ids = self.domains().map(|d| d.id).filter(|id| *id >= first).take(max as usize);
                let of = |id| {
                    let mut info = self.domain_info(id).ok()?;
                    // Whoever asks has a processor.
                    info.is_running = if id == caller.domain { true } else { info.is_running && self.nr_cpus > 1 };
                    info.is_blocked &= id != caller.domain;
                    Some(info)
                };
                let infos: Vec<DomainInfo> = ids.filter_map(of).collect();
                (infos.len() as i64, Told::Domains(infos))
            }
            Sysctl::DebugKeys(keys) => {
                keys.chars().for_each(|key| self.debug_key(key));
                (0, Told::Nothing)
            }
        })
    }
}
