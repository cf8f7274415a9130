//! A guest that goes on in another virtual machine of the same host.
//!
//! What a guest is, its processor and its kernel, is one value here. User space moves it by setting the state of a virtual
//! processor to that of another: the number that `KVM_GET_REGS` gave there. The bytes of its memory are user space's business:
//! they have gone over before.

use std::sync::Arc;

use kernel_model::errno::Errno;
use kernel_model::machine::report::{Deed, DeedKind, Lane, Report};

use super::KvmModule;

impl KvmModule {
    /// The guest of `from` goes on in `to`.
    ///
    /// # Errors
    /// EINVAL: there is no such machine, it has gone elsewhere, one here has begun, or their memories differ.
    pub(super) fn adopt(&mut self, from: u32, to: u32) -> Result<(), Errno> {
        let (Some(source), Some(target)) = (self.vms.get(&from), self.vms.get(&to)) else { return Err(Errno::EINVAL) };
        let is_alike = source.slots.len() == target.slots.len()
            && source
                .slots
                .iter()
                .all(|(id, s)| target.slots.get(id).is_some_and(|t| t.gpa == s.gpa && t.size == s.size));
        if from == to || source.rip == GONE || target.guest.is_some() || !is_alike {
            return Err(Errno::EINVAL);
        }
        let Some(source) = self.vms.get_mut(&from) else { return Err(Errno::EINVAL) };
        let mut guest = source.guest.take();
        // Nothing is left there that could run.
        let rip = std::mem::replace(&mut source.rip, GONE);
        let moved = (std::mem::take(&mut source.pending), std::mem::take(&mut source.high), source.asked.take());
        let Some(target) = self.vms.get_mut(&to) else { return Err(Errno::EINVAL) };
        if let Some(guest) = &mut guest {
            guest.kernel.system = target.system;
            guest.kernel.running.machine.computer.hardware.forget_tables();
        }
        (target.guest, target.rip) = (guest, rip);
        (target.pending, target.high, target.asked) = moved;
        self.reports.push(Report::Did(Arc::new(told("guest arrives").says(
            "The state of a guest's processor is set: the guest goes on here. There are no tables for its memory yet, so that the \
             first touch of each page exits.",
            "arch/x86/kvm/x86.c kvm_arch_vcpu_ioctl_set_regs()",
        ))));
        Ok(())
    }
}

/// Where a processor is whose guest has gone: there is no kernel.
const GONE: u64 = 0;

fn told(name: &'static str) -> Deed {
    Deed::new(DeedKind::Table, name).goes(0, Lane::DeviceModel, Lane::Hypervisor)
}

/// User space has read the log of what a guest has written.
pub(super) fn log_read(pages: u64) -> Report {
    Report::Did(Arc::new(told("dirty log").with("pages", pages).says(
        "User space reads the log of what the guest has written: {pages} pages since the last time. From now on the next write \
         to each of them is noticed again.",
        "virt/kvm/kvm_main.c kvm_get_dirty_log_protect()",
    )))
}
