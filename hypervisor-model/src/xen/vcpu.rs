//! Virtual processors: starting, stopping, asking after them, and their timers. Source: `xen/common/domain.c`
//! (`common_vcpu_op`), `xen/include/public/vcpu.h`; `set_timer_op`: `xen/common/sched/core.c`.

use kernel_model::errno::Errno;
use serde::{Deserialize, Serialize};

use super::domain::{Vcpu, VcpuId};
use super::event_channel::virq;
use super::{Refusal, Xen, refuse};

/// The timers of a processor, in nanoseconds of Xen's clock.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default, Serialize, Deserialize)]
pub struct VcpuTimer {
    /// When the one-shot timer is due.
    pub singleshot: Option<u64>,
    /// The period of the periodic timer, and when it is due next.
    pub periodic: Option<(u64, u64)>,
}

impl VcpuTimer {
    /// When the next of them is due.
    pub fn next(&self) -> Option<u64> {
        let periodic = self.periodic.map(|(_, due)| due);
        self.singleshot.into_iter().chain(periodic).min()
    }
}

/// What is asked of a processor (`VCPUOP_...`).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
pub enum VcpuOp {
    /// 0: gives its first registers.
    Initialise,
    /// 1: starts it.
    Up,
    /// 2: stops it.
    Down,
    /// 3: whether it is up.
    IsUp,
    /// 4: what it has done with its time.
    GetRunstateInfo,
    /// 6: a period in nanoseconds.
    SetPeriodicTimer(u64),
    /// 7: no period.
    StopPeriodicTimer,
    /// 8: when the one-shot timer is due; and whether the past is an error (`VCPU_SSHOTTMR_future`).
    SetSingleshotTimer(u64, bool),
    /// 9: no one-shot timer.
    StopSingleshotTimer,
    /// 10: puts `vcpu_info` elsewhere.
    RegisterVcpuInfo,
    /// 12: the physical ids.
    GetPhysid,
}

impl VcpuOp {
    /// The header's number.
    pub fn number(self) -> u32 {
        match self {
            VcpuOp::Initialise => 0,
            VcpuOp::Up => 1,
            VcpuOp::Down => 2,
            VcpuOp::IsUp => 3,
            VcpuOp::GetRunstateInfo => 4,
            VcpuOp::SetPeriodicTimer(_) => 6,
            VcpuOp::StopPeriodicTimer => 7,
            VcpuOp::SetSingleshotTimer(..) => 8,
            VcpuOp::StopSingleshotTimer => 9,
            VcpuOp::RegisterVcpuInfo => 10,
            VcpuOp::GetPhysid => 12,
        }
    }
}

/// The shortest period of a periodic timer: one millisecond.
const MIN_PERIOD: u64 = 1_000_000;

impl Xen {
    /// `vcpu_op`.
    ///
    /// # Errors
    /// ENOENT, EINVAL, ETIME.
    pub fn vcpu_op(&mut self, caller: VcpuId, op: VcpuOp, vcpu: u32) -> Result<i64, Refusal> {
        let who = VcpuId { domain: caller.domain, vcpu };
        let now = self.now;
        let Some(v) = self.vcpu_mut(who) else {
            return refuse(Errno::ENOENT, "the domain has no such processor");
        };
        let own_timer = |v: &mut Vcpu| -> Result<(), Refusal> {
            let _unchanged = v;
            if caller.vcpu == vcpu { Ok(()) } else { refuse(Errno::EINVAL, "a one-shot timer is set by its processor") }
        };
        match op {
            VcpuOp::Initialise if v.is_initialised => {
                return refuse(Errno::EEXIST, "the processor has its registers already");
            }
            VcpuOp::Initialise => v.is_initialised = true,
            VcpuOp::Up if !v.is_initialised => {
                return refuse(Errno::EINVAL, "the processor has no registers yet");
            }
            VcpuOp::Up => v.is_up = true,
            VcpuOp::Down => {
                v.is_up = false;
                let all_down = self.domain(who.domain).is_some_and(|d| d.vcpus.iter().all(|v| !v.is_up));
                if all_down {
                    // The last one that goes down takes the domain along.
                    self.shut_down(who.domain, super::domain::ShutdownReason::Poweroff);
                }
            }
            VcpuOp::IsUp => return Ok(i64::from(v.is_up)),
            VcpuOp::GetRunstateInfo => return Ok(v.unit.runtime as i64),
            VcpuOp::SetPeriodicTimer(period) if period < MIN_PERIOD => {
                return refuse(Errno::EINVAL, "the period is below a millisecond");
            }
            VcpuOp::SetPeriodicTimer(period) => v.timer.periodic = Some((period, now + period)),
            VcpuOp::StopPeriodicTimer => v.timer.periodic = None,
            VcpuOp::SetSingleshotTimer(due, wants_future) => {
                own_timer(v)?;
                if wants_future && due < now {
                    return refuse(Errno::ETIME, "the moment is over");
                }
                v.timer.singleshot = Some(due);
            }
            VcpuOp::StopSingleshotTimer => {
                own_timer(v)?;
                v.timer.singleshot = None;
            }
            VcpuOp::RegisterVcpuInfo | VcpuOp::GetPhysid => {}
        }
        Ok(0)
    }

    /// `set_timer_op`: one-shot, 0 for never.
    pub fn set_timer_op(&mut self, caller: VcpuId, due: u64) {
        if let Some(v) = self.vcpu_mut(caller) {
            v.timer.singleshot = (due != 0).then_some(due);
        }
    }

    /// Time has come to `now`: timers that are due raise their virtual interrupts.
    pub fn advance(&mut self, now: u64) {
        self.now = self.now.max(now);
        let mut due = Vec::new();
        let ids: Vec<_> = self.domains().map(|d| d.id).collect();
        for id in ids {
            let Some(d) = self.domain_mut(id) else { continue };
            for (n, v) in d.vcpus.iter_mut().enumerate() {
                let is_single = v.timer.singleshot.take_if(|at| *at <= now).is_some();
                let is_periodic = match &mut v.timer.periodic {
                    Some((period, next)) if *next <= now => {
                        *next += *period * ((now - *next) / *period + 1);
                        true
                    }
                    _ => false,
                };
                if is_single || is_periodic {
                    due.push(VcpuId { domain: id, vcpu: n as u32 });
                }
            }
        }
        for who in due {
            self.raise_virq(who.domain, who.vcpu, virq::TIMER);
        }
    }

    /// When the next timer is due.
    pub fn next_timer(&self) -> Option<u64> {
        self.domains().filter(|d| d.may_run()).flat_map(|d| d.vcpus.iter().filter_map(|v| v.timer.next())).min()
    }
}
