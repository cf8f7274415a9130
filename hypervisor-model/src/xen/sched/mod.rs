//! Who gets the processor: `sched_op`, with which a guest yields, sleeps or ends, and the schedulers. Source:
//! `xen/common/sched/core.c`, `xen/include/public/sched.h`.

pub mod credit;

use kernel_model::errno::Errno;
use serde::{Deserialize, Serialize};

use super::domain::{ShutdownReason, VcpuId};
use super::{Refusal, Xen, refuse};

/// What is asked of the scheduler (`SCHEDOP_...`).
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
pub enum SchedOp {
    /// 0: lets others run.
    Yield,
    /// 1: sleeps until an event is pending. The upcall mask is cleared first, in the same step: an event cannot slip in
    /// between.
    Block,
    /// 2: the domain ends, with a reason.
    Shutdown(u32),
    /// 3: sleeps until one of these ports is pending.
    Poll(Vec<u32>),
    /// 5: tells why it will end.
    ShutdownCode(u32),
}

impl SchedOp {
    /// The header's number.
    pub fn number(&self) -> u32 {
        match self {
            SchedOp::Yield => 0,
            SchedOp::Block => 1,
            SchedOp::Shutdown(_) => 2,
            SchedOp::Poll(_) => 3,
            SchedOp::ShutdownCode(_) => 5,
        }
    }
}

/// How many ports can be polled.
const POLL_MAX: usize = 128;

impl Xen {
    /// `sched_op`.
    ///
    /// # Errors
    /// EINVAL.
    pub fn sched_op(&mut self, caller: VcpuId, op: SchedOp) -> Result<i64, Refusal> {
        match op {
            SchedOp::Yield => {}
            SchedOp::Block => {
                if let Some(v) = self.vcpu_mut(caller) {
                    v.upcall_mask = false;
                    // Whether something is pending is asked only now that the mask is clear.
                    v.is_blocked = !v.upcall_pending;
                }
            }
            SchedOp::Shutdown(reason) => self.shut_down(caller.domain, shutdown_reason(reason)?),
            SchedOp::ShutdownCode(reason) => {
                let reason = shutdown_reason(reason)?;
                if let Some(d) = self.domain_mut(caller.domain) {
                    d.shutdown_code.get_or_insert(reason);
                }
            }
            SchedOp::Poll(ports) => {
                if ports.len() > POLL_MAX {
                    return refuse(Errno::EINVAL, "at most 128 ports can be polled");
                }
                let Some(d) = self.domain_mut(caller.domain) else { return Ok(0) };
                if ports.iter().any(|port| !d.channels.is_valid(*port)) {
                    return refuse(Errno::EINVAL, "the domain has no such port");
                }
                let has_come = ports.iter().any(|port| d.channels.is_pending(*port));
                if let Some(v) = d.vcpu_mut(caller.vcpu)
                    && !has_come
                {
                    v.polls = Some(ports);
                }
            }
        }
        Ok(0)
    }
}

fn shutdown_reason(number: u32) -> Result<ShutdownReason, Refusal> {
    match ShutdownReason::from_number(number) {
        Some(reason) => Ok(reason),
        None => refuse(Errno::EINVAL, "there is no such reason to shut down"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::xen::domain::{DomId, Domain, GuestKind};

    #[test]
    fn a_reason_said_beforehand_ends_nobody_and_is_the_one_that_counts() {
        let mut xen = Xen::new(16, 0);
        let mut guest = Domain::new(DomId(1), GuestKind::Pv64, 1);
        guest.vcpus[0].is_up = true;
        xen.insert_domain(guest);
        let caller = VcpuId::first(DomId(1));
        let ended = |xen: &Xen| xen.domain(DomId(1)).and_then(|d| d.shutdown);

        assert_eq!(xen.sched_op(caller, SchedOp::ShutdownCode(ShutdownReason::Crash as u32)), Ok(0));
        assert_eq!(ended(&xen), None, "it runs on");
        assert_eq!(xen.sched_op(caller, SchedOp::Shutdown(ShutdownReason::Poweroff as u32)), Ok(0));
        assert_eq!(ended(&xen), Some(ShutdownReason::Crash));
        assert!(xen.sched_op(caller, SchedOp::Shutdown(6)).is_err_and(|refusal| refusal.errno == Errno::EINVAL));
    }
}
