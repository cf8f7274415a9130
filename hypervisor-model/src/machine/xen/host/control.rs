//! What a guest's kernel does when the toolstack wants something of it: it watches `control/shutdown` and `memory/target` in
//! xenstore. Source: Linux 6.1, `drivers/xen/manage.c` (`shutdown_handler`), `drivers/xen/xen-balloon.c`.
//!
//! Its processes are not ended one by one before: the model's init has no scripts for that. Suspending is not modelled.

use kernel_model::machine::report::{Deed, DeedKind, Lane};

use super::XenHost;
use super::domu::DomU;
use crate::xen::call::Hypercall;
use crate::xen::domain::{DomId, ShutdownReason};
use crate::xen::sched::SchedOp;
use crate::xen::xenstore::Asker;

/// Where a wish for the end of a domain is written.
fn shutdown_path(id: DomId) -> String {
    format!("/local/domain/{}/control/shutdown", id.0)
}

/// Where it is written how many KiB a domain is to have.
fn target_path(id: DomId) -> String {
    format!("/local/domain/{}/memory/target", id.0)
}

impl XenHost {
    /// A node below a guest's place, as the guest reads it; empty where there is none.
    fn read_as(&self, id: DomId, path: &str) -> String {
        self.host.store.read(Asker::of(id), path).unwrap_or_default()
    }

    /// KiB that a domain is to have, if the toolstack has said so.
    fn memory_target(&self, id: DomId) -> Option<u64> {
        self.read_as(id, &target_path(id)).parse().ok()
    }

    /// The store has changed: watches of guests' kernels fire. A kernel that does not run hears of it later.
    pub(super) fn fire_watches_of_guests(&mut self) {
        for (id, domu) in &mut self.domus {
            domu.has_watch |= !self.host.store.take_events(*id).is_empty();
        }
        if let Some(target) = self.memory_target(DomId::DOM0)
            && target != self.dom0_target
        {
            self.dom0_target = target;
            self.dom0.balloon(target / 4);
            self.collect();
        }
    }

    /// The kernel of a guest registers its watches, and says what it can be asked for (`setup_shutdown_watcher`,
    /// `balloon_init_watcher`).
    pub(super) fn register_watches(&mut self, id: DomId) {
        for path in [shutdown_path(id), target_path(id)] {
            let _watched = self.host.store.watch(id, &path, &path);
        }
        for feature in ["poweroff", "reboot"] {
            let path = format!("/local/domain/{}/control/feature-{feature}", id.0);
            let _written = self.host.store.write(Asker::of(id), &path, "1");
        }
    }

    /// A watch of a guest's kernel has fired, and the kernel runs.
    pub(super) fn watch_fired(&mut self, domu: &mut DomU) {
        if let Some(target) = self.memory_target(domu.id)
            && target != domu.memory_target
        {
            domu.memory_target = target;
            self.tell_watch(domu.id, "A watch fires in domain {domain}: memory/target has changed.");
            self.in_guest(domu, |domu| domu.computer().balloon(target / 4));
        }
        let wish = self.read_as(domu.id, &shutdown_path(domu.id));
        let (reason, last_words) = match wish.as_str() {
            "" => return,
            "poweroff" | "halt" => (ShutdownReason::Poweroff, "reboot: Power down\n"),
            "reboot" => (ShutdownReason::Reboot, "reboot: Restarting system\n"),
            "suspend" => {
                let sentence =
                    "Domain {domain} is asked to suspend, which is not modelled: the wish stays where it is.";
                return self.tell_watch(domu.id, sentence);
            }
            _ => {
                return self.print(domu, format!("xen:manage: Ignoring shutdown request: {wish}\n").as_bytes());
            }
        };
        self.tell_watch(domu.id, "A watch fires in domain {domain}: control/shutdown asks it to end.");
        // Only what the kernel is prepared to do is acknowledged.
        let _acknowledged = self.host.store.write(Asker::of(domu.id), &shutdown_path(domu.id), "");
        self.print(domu, last_words.as_bytes());
        let who = domu.vcpu();
        let call = Hypercall::SchedOp(SchedOp::Shutdown(reason as u32));
        let _ended = self.with_host(|host| host.xen.hypercall(who, call));
    }

    fn tell_watch(&mut self, id: DomId, sentence: &'static str) {
        self.tell(
            Deed::new(DeedKind::Device, "xenbus")
                .with("domain", u64::from(id.0))
                .goes(0, Lane::GuestKernel, Lane::GuestKernel)
                .says(sentence, "drivers/xen/manage.c, drivers/xen/xen-balloon.c"),
        );
    }
}
