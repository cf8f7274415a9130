//! How the machine starts: Xen builds domain 0, whose kernel binds its interrupts, and whose daemons start. Source: as
//! recorded from Xen 4.17 with a Linux 6.1 (which ports are bound in which order); `tools/xenstored`, `tools/helpers/init-dom0.c`.

use super::XenSystem;
use crate::xen::call::EventChannelOp as Op;
use crate::xen::domain::{DomId, Domain, GuestKind, VcpuId};
use crate::xen::driver::DriverPool;
use crate::xen::xenstore::Asker;

/// Frames that Xen keeps: 19 MiB of the 1535 of the recorded machine.
pub const XENS_FRAMES: u64 = 19 << 8;
/// Frames that the drivers of a domain may use.
pub const DRIVERS_FRAMES: usize = 64;
/// Physical interrupts of domain 0.
const PIRQS: [u32; 5] = [1, 3, 8, 9, 12];

impl XenSystem {
    /// Domain 0 boots, and its daemons start.
    pub(super) fn boot(&mut self, frames: u64) {
        let mut dom0 = Domain::new(DomId::DOM0, GuestKind::Pv64, 1);
        dom0.max_pages = frames;
        dom0.pirqs = PIRQS.to_vec();
        dom0.iomem = vec![(0xf_0000, 0xf_ffff)];
        let v = &mut dom0.vcpus[0];
        (v.is_up, v.is_initialised, v.upcall_mask) = (true, true, false);
        self.host.xen.insert_domain(dom0);
        self.populate(DomId::DOM0, frames);
        self.bind_ports();
        self.init_dom0();
        self.host.xen.take_events(VcpuId::first(DomId::DOM0));
        for line in ["Xen version 4.17.7 (Debian 4.17.7-1)", "Using scheduler: SMP Credit Scheduler rev2 (credit2)"] {
            self.host.xen.print(line.to_owned());
        }
    }

    /// Gives a domain its memory; the last frames are for its drivers.
    pub(super) fn populate(&mut self, domain: DomId, frames: u64) {
        let all: Vec<_> = (0..frames).map_while(|_| self.host.xen.allocate_frame(domain)).collect();
        let drivers = all[all.len().saturating_sub(DRIVERS_FRAMES)..].to_vec();
        self.host.pools.insert(domain, DriverPool::new(drivers));
    }

    /// The kernel's interrupts, then those of the daemons: in this order the ports are given out.
    fn bind_ports(&mut self) {
        let mut bind = |op| self.host.port(DomId::DOM0, op);
        bind(Op::BindVirq { virq: 0, vcpu: 0 });
        (0..4).for_each(|_| {
            bind(Op::BindIpi(0));
        });
        let store = bind(Op::AllocUnbound { dom: DomId::SELF, remote: DomId::DOM0 });
        bind(Op::BindVirq { virq: 9, vcpu: 0 });
        bind(Op::BindPirq(9));
        bind(Op::BindVirq { virq: 16, vcpu: 0 });
        bind(Op::BindVirq { virq: 2, vcpu: 0 });
        [12, 1, 8].into_iter().for_each(|pirq| {
            bind(Op::BindPirq(pirq));
        });
        // xenstored: who ends, and the kernel of domain 0 itself.
        bind(Op::BindVirq { virq: 3, vcpu: 0 });
        if let Some(store) = store {
            bind(Op::BindInterdomain { remote: DomId::DOM0, port: store });
        }
        bind(Op::BindPirq(3));
        // xenconsoled: what Xen writes to its console.
        bind(Op::BindVirq { virq: 8, vcpu: 0 });
    }

    /// What `init-dom0` and the kernel of domain 0 write into the new store.
    fn init_dom0(&mut self) {
        for (path, value) in [
            ("/tool/xenstored", ""),
            ("/local/domain/0/control/feature-poweroff", "1"),
            ("/local/domain/0/control/feature-reboot", "1"),
            ("/local/domain/0/control/feature-suspend", "1"),
            ("/local/domain/0/domid", "0"),
            ("/local/domain/0/name", "Domain-0"),
            ("/local/pool/0/name", "Pool-0"),
        ] {
            let _written = self.host.store.write(Asker::of(DomId::DOM0), path, value);
        }
    }
}
