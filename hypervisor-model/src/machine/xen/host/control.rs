//! What a guest's kernel does when the toolstack wants something of it: it watches `control/shutdown` and `memory/target` in
//! xenstore. Source: Linux 6.1, `drivers/xen/manage.c` (`shutdown_handler`), `drivers/xen/xen-balloon.c`.
//!
//! Its processes are not ended one by one before: the model's init has no scripts for that. Suspending is not modelled.

use kernel_model::machine::interrupt::Interrupt;
use kernel_model::machine::report::{Deed, DeedKind, Lane};

use super::XenHost;
use super::domu::DomU;
use crate::memory::PAGE_SIZE;
use crate::xen::call::Hypercall;
use crate::xen::domain::{DomId, ShutdownReason};
use crate::xen::sched::SchedOp;

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
    fn read_as(&mut self, id: DomId, path: &str) -> String {
        self.with_host(|host| host.xenbus_read(id, 0, path)).unwrap_or_default()
    }

    /// KiB that a domain is to have, if the toolstack has said so.
    fn memory_target(&mut self, id: DomId) -> Option<u64> {
        self.read_as(id, &target_path(id)).parse().ok()
    }

    /// The store has changed: watches of guests' kernels fire. A kernel that does not run hears of it later.
    pub(super) fn fire_watches_of_guests(&mut self) {
        let ids: Vec<DomId> = self.domus.keys().copied().collect();
        for id in ids {
            let events = self.host.store.take_events(id);
            if !events.is_empty() {
                self.with_host(|host| host.send_watch_events(id, events));
            }
        }
        if let Some(target) = self.memory_target(DomId::DOM0)
            && target != self.dom0_target
        {
            self.dom0_target = target;
            self.dom0.balloon(target / 4);
            self.collect();
            self.interrupts.push(Interrupt::Balloon(self.dom0.tables().lent_frames().0 * PAGE_SIZE));
        }
    }

    /// The kernel of a guest registers its watches, and says what it can be asked for (`setup_shutdown_watcher`,
    /// `balloon_init_watcher`).
    pub(super) fn register_watches(&mut self, id: DomId) {
        for path in [shutdown_path(id), target_path(id)] {
            self.with_host(|host| host.xenbus_watch(id, &path, &path));
        }
        for feature in ["poweroff", "reboot"] {
            let path = format!("/local/domain/{}/control/feature-{feature}", id.0);
            self.with_host(|host| host.xenbus_write(id, 0, &path, "1"));
        }
    }

    /// A watch of a guest's kernel has fired, and the kernel runs.
    pub(super) fn watch_fired(&mut self, domu: &mut DomU) {
        if let Some(target) = self.memory_target(domu.id)
            && target != domu.memory_target
        {
            domu.memory_target = target;
            self.tell_watch(domu.id, "A watch fires in domain {domain}: memory/target has changed.");
            let held = self.in_guest(domu, |domu| {
                domu.computer().balloon(target / 4);
                domu.computer().tables().lent_frames().0
            });
            domu.interrupt(Interrupt::Balloon(held * PAGE_SIZE));
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
        let id = domu.id;
        self.with_host(|host| host.xenbus_write(id, 0, &shutdown_path(id), ""));
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
